//! Names of container images.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::registry::ImageName;

/// The SHA-256 digest of an image manifest or index, `sha256:` and 64 lowercase hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    /// `sha256:<hex>`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Stands for a digest that nobody knows, as of an image that only a tag names: zeros, which no content
    /// is known to have.
    pub fn unknown() -> Self {
        Self(format!("sha256:{}", "0".repeat(64)))
    }

    /// The first twelve hexadecimal digits: enough for a person to distinguish two images.
    pub fn short(&self) -> &str {
        &self.0["sha256:".len().."sha256:".len() + 12]
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for Digest {
    type Err = InvalidImage;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_digest = text.strip_prefix("sha256:").is_some_and(|hexadecimal| {
            hexadecimal.len() == 64
                && hexadecimal
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        });
        if is_digest {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidImage(format!(
                "digest `{text}`, expected sha256: and 64 lowercase hexadecimal digits"
            )))
        }
    }
}

impl TryFrom<String> for Digest {
    type Error = InvalidImage;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

/// A digest as people copy it: all of it, or its first twelve hexadecimal digits or more, with or without `sha256:`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DigestPrefix(String);

impl DigestPrefix {
    /// Whether this is the digest, or its beginning.
    pub fn is_of(&self, digest: &Digest) -> bool {
        digest.0["sha256:".len()..].starts_with(&self.0)
    }
}

impl From<Digest> for DigestPrefix {
    fn from(digest: Digest) -> Self {
        Self(digest.0["sha256:".len()..].to_owned())
    }
}

impl FromStr for DigestPrefix {
    type Err = InvalidImage;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hexadecimal = text.strip_prefix("sha256:").unwrap_or(text);
        let is_digest = (12..=64).contains(&hexadecimal.len())
            && hexadecimal
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if is_digest {
            Ok(Self(hexadecimal.to_owned()))
        } else {
            Err(InvalidImage(format!(
                "digest `{text}`, expected 12 to 64 lowercase hexadecimal digits, with or without sha256:"
            )))
        }
    }
}

impl TryFrom<String> for DigestPrefix {
    type Error = InvalidImage;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<DigestPrefix> for String {
    fn from(prefix: DigestPrefix) -> Self {
        prefix.to_string()
    }
}

impl fmt::Display for DigestPrefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "sha256:{}", self.0)
    }
}

/// An image as a person names it: `<repository>:<tag>` or `<repository>@sha256:...`. Of
/// `<repository>:<tag>@sha256:...`, as Longshore shows images, the digest counts and the tag is dropped.
///
/// The repository is one of the account's own ECR repositories and comes without a registry host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageReference {
    /// The repository's name, which may hold slashes.
    pub repository: String,
    /// Which of its images.
    pub selector: Selector,
}

/// Which image of a repository is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// The image that has this tag now.
    Tag(String),
    /// Exactly this image.
    Digest(Digest),
}

impl FromStr for ImageReference {
    type Err = InvalidImage;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = ImageName::of(text);
        let repository = name.repository;
        if let Some(registry) = name.registry
            && name.ecr().is_some()
        {
            return Err(InvalidImage(format!(
                "repository `{registry}/{repository}` of image `{text}`, expected the name of an ECR \
                 repository without its registry, such as shop/api: leave {registry}/ out"
            )));
        }
        if let Some(tag) = name.tag
            && !is_tag(tag)
        {
            return Err(InvalidImage(format!(
                "tag `{tag}` of image `{text}`, expected 1 to 128 letters, digits, `_`, `.` or `-`"
            )));
        }
        let selector = match (name.digest, name.tag) {
            // A tag beside it says where the image came from, and may be another image's by now.
            (Some(digest), _) => Selector::Digest(digest.parse()?),
            (None, Some(tag)) => Selector::Tag(tag.to_owned()),
            (None, None) => {
                return Err(InvalidImage(format!(
                    "image `{text}`, expected <repository>:<tag> or <repository>@sha256:<digest>"
                )));
            }
        };
        // A repository's first part may have dots, as a registry's host has.
        let repository = match name.registry {
            Some(registry) => &text[..registry.len() + 1 + repository.len()],
            None => repository,
        };
        if !is_repository(repository) {
            return Err(InvalidImage(format!(
                "repository `{repository}` of image `{text}`, expected the name of an ECR repository \
                 without its registry, such as shop/api"
            )));
        }
        Ok(Self {
            repository: repository.to_owned(),
            selector,
        })
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.selector {
            Selector::Tag(tag) => write!(formatter, "{}:{tag}", self.repository),
            Selector::Digest(digest) => write!(formatter, "{}@{digest}", self.repository),
        }
    }
}

impl TryFrom<String> for ImageReference {
    type Error = InvalidImage;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ImageReference> for String {
    fn from(reference: ImageReference) -> Self {
        reference.to_string()
    }
}

/// A name that is not an image's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidImage(String);

/// An image that is pinned: what is deployed, whatever its tag comes to mean later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The ECR repository's name.
    pub repository: String,
    /// The tag that it was asked for by, where it was asked for by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The manifest's or the index's digest.
    pub digest: Digest,
}

impl Image {
    /// The same with the tag of `named`, if that is the same image and this one's tag is not known: ECS shows a digest, and
    /// people know an image by its tag.
    #[must_use]
    pub fn with_tag_of(mut self, named: Option<&Self>) -> Self {
        if let Some(named) = named.filter(|named| named.digest == self.digest) {
            self.tag = self.tag.or_else(|| named.tag.clone());
        }
        self
    }
}

impl fmt::Display for Image {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tag {
            Some(tag) => write!(formatter, "{}:{tag}@{}", self.repository, self.digest),
            None => write!(formatter, "{}@{}", self.repository, self.digest),
        }
    }
}

/// ECR's rule for a repository: lowercase parts joined by `/`, each of letters and digits with a `.`, one or
/// two `_`, or any number of `-` between them; 2 to 256 characters (the Amazon ECR API Reference,
/// CreateRepository, and the OCI distribution specification, "Pulling manifests").
fn is_repository(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_part = |part: &str| {
        part.bytes().next().is_some_and(is_inner)
            && part.bytes().next_back().is_some_and(is_inner)
            && part
                .split(|character: char| {
                    character.is_ascii_lowercase() || character.is_ascii_digit()
                })
                .all(|between| {
                    matches!(between, "" | "." | "_" | "__")
                        || between.bytes().all(|byte| byte == b'-')
                })
    };
    (2..=256).contains(&text.len()) && text.split('/').all(is_part)
}

/// The OCI distribution specification's rule for a tag.
fn is_tag(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}
