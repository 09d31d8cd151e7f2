//! The image policy: which of the images that a registry holds a service is to run.

use chrono::{DateTime, Utc};
use longshore_events::image::Digest;
use serde::{Deserialize, Serialize};

/// Which images a service follows. Exactly one of `tags`, `semver` and `tag_pattern` chooses; `tag_pattern`
/// may stand beside `semver` to say where in the tag the version is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImagePolicy {
    /// Names of tags, or patterns with `*` and `?`. One name without either is followed exactly: what the
    /// tag holds now is deployed. Of several, or of patterns, the image pushed last is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// A regular expression that a whole tag must match. Beside `semver` its group `version`, or else its
    /// first group, is the version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag_pattern: Option<String>,
    /// A range of semantic versions, as Cargo writes them: `>=1.2, <2`. The highest version is deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub semver: Option<String>,
    /// Whether an image is deployed that comes under the tag of the one followed last. Default: yes, but
    /// for `semver`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_tags: Option<bool>,
    /// How many minutes ago an image must have been pushed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub minimum_age_minutes: u32,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A tag of an image in the registry. An image with several tags is there several times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryImage {
    /// The tag.
    pub tag: String,
    /// The manifest's or the index's digest.
    pub digest: Digest,
    /// When the image was first pushed. Moving a tag onto it does not change that.
    pub pushed_at: DateTime<Utc>,
}
