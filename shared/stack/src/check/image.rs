//! Images as stack files name them.

use longshore_events::image::{ImageReference, InvalidImage};

/// Where an image is pulled from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// This account's ECR.
    Own(ImageReference),
    /// The registry that its name begins with.
    Elsewhere,
}

/// Where the image of this name is pulled from.
///
/// A registry is told from a repository as Docker does it: it has a dot or a port, or is this computer.
pub(super) fn origin(image: &str) -> Result<Origin, InvalidImage> {
    match image.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => {
            Ok(Origin::Elsewhere)
        }
        _ => image.parse().map(Origin::Own),
    }
}

/// The tag of an image of another registry.
pub(super) fn tag_of(image: &str) -> Option<&str> {
    let last = image.rsplit_once('/').map_or(image, |(_, last)| last);
    last.split_once(':').map(|(_, tag)| tag)
}

/// Whether this can be an image of another registry.
pub(super) fn is_image(image: &str) -> bool {
    let (name, digest) = match image.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (image, None),
    };
    let is_digest = digest.is_none_or(|digest| {
        digest.strip_prefix("sha256:").is_some_and(|digits| {
            digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    });
    let Some((registry, path)) = name.split_once('/') else {
        return false;
    };
    let tag = tag_of(name);
    let repository = tag.map_or(path, |tag| &path[..path.len() - tag.len() - 1]);
    let is_tag = tag.is_none_or(|tag| {
        (1..=128).contains(&tag.len())
            && tag
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
    });
    let is_repository = repository.split('/').all(|part| {
        !part.is_empty()
            && part.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.-".contains(&byte)
            })
    });
    is_digest && is_tag && is_repository && !registry.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_of_other_registries_are_known_by_their_form() {
        let digest = format!("sha256:{}", "0".repeat(64));
        for image in [
            "docker.io/library/nginx:1.29",
            "ghcr.io/some/thing",
            "localhost:5000/thing:v1",
            "${AWS::AccountId}.dkr.ecr.${AWS::Region}.amazonaws.com/api:v1",
            &format!("ghcr.io/some/thing@{digest}"),
        ] {
            assert!(is_image(image), "{image}");
            assert_eq!(origin(image), Ok(Origin::Elsewhere));
        }
        for image in [
            "ghcr.io/Some/thing",
            "ghcr.io//thing",
            "ghcr.io/thing:",
            "ghcr.io/thing:a b",
            "ghcr.io/thing@sha256:12",
        ] {
            assert!(!is_image(image), "{image}");
        }
        assert_eq!(tag_of("localhost:5000/thing"), None);
    }
}
