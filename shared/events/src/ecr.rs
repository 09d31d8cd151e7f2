//! `ECR Image Action` and its siblings for images that ECR copies itself, source `aws.ecr`.
//!
//! Shape: the Amazon ECR User Guide, "Amazon ECR events and EventBridge". Delivery is best effort.

use serde::{Deserialize, Serialize};

/// The detail-type of [`ImageAction`].
pub const IMAGE_ACTION: &str = "ECR Image Action";

/// The detail-type of an image that was replicated from another region or account; the detail is an [`ImageAction`].
pub const REPLICATION_ACTION: &str = "ECR Replication Action";

/// The detail-type of [`PullThroughCacheAction`].
pub const PULL_THROUGH_CACHE_ACTION: &str = "ECR Pull Through Cache Action";

/// The detail of an `ECR Image Action` or `ECR Replication Action` event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ImageAction {
    /// `SUCCESS` or `FAILURE`.
    pub result: String,
    /// The repository's name, without the registry.
    pub repository_name: String,
    /// `sha256:...` of the manifest or index. AWS's schema does not require it, so an action that is
    /// none of ours may lack it.
    #[serde(default)]
    pub image_digest: String,
    /// `PUSH`, `REPLICATE`, `DELETE` or `UPDATE_STORAGE_CLASS`.
    pub action_type: String,
    /// The tag; absent or empty for an image that is pushed by digest alone, as the children of an
    /// index are.
    #[serde(default)]
    pub image_tag: String,
    /// The media type of the manifest or index, where ECR says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest_media_type: Option<String>,
    /// The media type of what the manifest describes, where ECR says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_media_type: Option<String>,
}

/// The detail of an `ECR Pull Through Cache Action` event: ECR imported an image from its upstream registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PullThroughCacheAction {
    /// `SUCCESS` or `FAILURE`.
    pub sync_status: String,
    /// The repository's name, with the prefix of the cache's rule and without the registry.
    pub repository_name: String,
    /// `sha256:...` of the manifest or index; absent when it failed.
    #[serde(default)]
    pub image_digest: String,
    /// The tag; absent or empty for an image that was asked for by its digest.
    #[serde(default)]
    pub image_tag: String,
}

impl From<PullThroughCacheAction> for ImageAction {
    /// The push with which ECR keeps what it imported.
    fn from(action: PullThroughCacheAction) -> Self {
        Self {
            result: action.sync_status,
            repository_name: action.repository_name,
            image_digest: action.image_digest,
            action_type: "PUSH".to_owned(),
            image_tag: action.image_tag,
            manifest_media_type: None,
            artifact_media_type: None,
        }
    }
}

/// Media types of manifests and indexes that a container can be started from.
pub const IMAGE_MEDIA_TYPES: [&str; 4] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// Media types of an image's configuration, which ECR gives as the artifact media type of an image.
const IMAGE_CONFIGURATION_MEDIA_TYPES: [&str; 2] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
];

impl ImageAction {
    /// Whether something was pushed or replicated, and arrived.
    pub fn is_successful_push(&self) -> bool {
        ["PUSH", "REPLICATE"].contains(&self.action_type.as_str()) && self.result == "SUCCESS"
    }

    /// Whether a container can be started from what was pushed.
    pub fn is_container_image(&self) -> bool {
        is_container_image(
            &self.image_tag,
            self.manifest_media_type.as_deref(),
            self.artifact_media_type.as_deref(),
        )
    }
}

/// Whether a container can be started from what has this tag, as the media types that ECR gives of it say:
/// of its manifest or index, and of what that describes. Signatures, attestations and SOCI indexes are
/// pushed to the same repositories and must never be deployed.
pub fn is_container_image(
    tag: &str,
    manifest_media_type: Option<&str>,
    artifact_media_type: Option<&str>,
) -> bool {
    !refers_to_another_image(tag)
        && manifest_media_type.is_none_or(|media_type| IMAGE_MEDIA_TYPES.contains(&media_type))
        && artifact_media_type.is_none_or(|media_type| {
            media_type.is_empty() || IMAGE_CONFIGURATION_MEDIA_TYPES.contains(&media_type)
        })
}

/// Whether `tag` is one that clients derive from an image's digest to keep something beside that image:
/// `sha256-<hex>` for the list of its referrers (the OCI distribution specification's "referrers tag
/// schema"), with `.sig`, `.att` or `.sbom` behind it for what cosign attaches. What has such a tag is
/// often an image by its media types, and a route that follows `*` would deploy it.
fn refers_to_another_image(tag: &str) -> bool {
    let Some(rest) = tag.strip_prefix("sha256-") else {
        return false;
    };
    let hexadecimal = [".sig", ".att", ".sbom"]
        .into_iter()
        .find_map(|end| rest.strip_suffix(end))
        .unwrap_or(rest);
    hexadecimal.len() == 64 && hexadecimal.bytes().all(|byte| byte.is_ascii_hexdigit())
}
