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
