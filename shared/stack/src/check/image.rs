//! Images as stack files name them.

use longshore_events::image::{Digest, ImageReference, InvalidImage};
use longshore_events::registry::ImageName;

/// Where an image is pulled from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// This account's ECR.
    Own(ImageReference),
    /// The registry that its name begins with.
    Elsewhere,
}

/// Where the image of this name is pulled from.
pub(super) fn origin(image: &str) -> Result<Origin, InvalidImage> {
    match ImageName::of(image).registry {
        Some(_) => Ok(Origin::Elsewhere),
        None => image.parse().map(Origin::Own),
    }
}

/// Whether this can be an image of another registry.
pub(super) fn is_image(image: &str) -> bool {
    let name = ImageName::of(image);
    let is_digest = name
        .digest
        .is_none_or(|digest| digest.parse::<Digest>().is_ok());
    let is_tag = name.tag.is_none_or(|tag| {
        (1..=128).contains(&tag.len())
            && tag
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
    });
    let is_repository = name.repository.split('/').all(|part| {
        !part.is_empty()
            && part.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.-".contains(&byte)
            })
    });
    let is_registry = name
        .registry
        .is_some_and(|registry| !registry.contains(char::is_whitespace));
    is_digest && is_tag && is_repository && is_registry
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
            "111122223333.dkr-ecr.eu-west-1.on.aws/shop/api:v1",
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
    }
}
