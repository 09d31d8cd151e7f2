//! Formulae and their bottles, as far as a mirror needs them.

use std::sync::Arc;

use longshore_events::transfer::Sha256;

/// What is between the URL of an image in the registry and the digest of its blob.
const BLOBS: &str = "/blobs/sha256:";

/// A formula of the index, as far as a mirror needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Formula {
    /// `boost@1.85`.
    pub name: Arc<str>,
    /// `versions.stable`.
    pub version: String,
    pub revision: u32,
    /// `bottle.stable.rebuild`.
    pub rebuild: u32,
    /// `bottle.stable.root_url`.
    pub root_url: Arc<str>,
    /// Whether it is deprecated.
    pub deprecated: bool,
    /// Whether it is disabled.
    pub disabled: bool,
    /// Its bottles, in the order of the index.
    pub bottles: Vec<Bottle>,
    /// What brew installs beside it, on one platform or another: `dependencies`, `recommended_dependencies`,
    /// `uses_from_macos`, and the `dependencies` of `variations`.
    pub dependencies: Vec<String>,
}

/// A bottle of a formula.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bottle {
    /// `arm64_sequoia`, `x86_64_linux`, `all`. Tens of thousands of bottles share a few of them.
    pub tag: Arc<str>,
    /// Where it is published.
    pub url: BottleUrl,
    /// What its content hashes to.
    pub sha256: Sha256,
}

/// Where a bottle is published. The URLs of nearly all follow from their digests, so that they need not be
/// held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BottleUrl {
    /// It is a blob of its formula's image in the registry, whose URL this is:
    /// `https://ghcr.io/v2/homebrew/core/wget`.
    Blob(Arc<str>),
    /// It has a URL of its own.
    Other(Arc<str>),
}

impl BottleUrl {
    /// The URL of what has the digest `sha256`, where `image` is the URL of the formula's image.
    pub fn new(url: &str, image: &Arc<str>, sha256: &Sha256) -> Self {
        let rest = url.strip_prefix(&**image);
        match rest.and_then(|rest| rest.strip_prefix(BLOBS)) {
            Some(digest) if digest == sha256.as_str() => Self::Blob(Arc::clone(image)),
            _ => Self::Other(url.into()),
        }
    }

    /// The URL, of what has the digest `sha256`.
    pub fn text(&self, sha256: &Sha256) -> String {
        match self {
            Self::Blob(image) => [&**image, BLOBS, sha256.as_str()].concat(),
            Self::Other(url) => url.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_follows_from_the_digest_is_written_as_it_was_read() {
        let image: Arc<str> = "https://ghcr.io/v2/homebrew/core/wget".into();
        let sha256: Sha256 = "0a".repeat(32).parse().unwrap();
        let other = "0b".repeat(32);
        for (url, is_blob) in [
            (format!("{image}/blobs/sha256:{sha256}"), true),
            (format!("{image}/blobs/sha256:{other}"), false),
            (format!("{image}/blobs/sha256:{sha256}?a"), false),
            (format!("{image}x/blobs/sha256:{sha256}"), false),
            ("https://example.com/wget.tar.gz".to_owned(), false),
            (String::new(), false),
        ] {
            let found = BottleUrl::new(&url, &image, &sha256);
            assert_eq!(matches!(found, BottleUrl::Blob(_)), is_blob, "{url}");
            assert_eq!(found.text(&sha256), url);
        }
    }
}
