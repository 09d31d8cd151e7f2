//! S3 buckets.

use schemars::JsonSchema;
use serde::Deserialize;

use super::storage::DataDeletion;

/// An S3 bucket: encrypted, nobody's but the account's, without access control lists.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// The bucket's name. Default: `<stack>-<bucket>-<account>`.
    pub bucket_name: Option<String>,
    /// For how many days what was replaced or deleted can still be read by its version. Default: no
    /// versions are kept.
    #[schemars(range(min = 1, max = 36_500))]
    pub noncurrent_version_days: Option<u32>,
    /// What becomes of the bucket when the stack is destroyed. CloudFormation deletes only empty buckets.
    /// Default: retain.
    #[serde(default)]
    pub deletion: DataDeletion,
    /// How many GiB are expected to be kept there; only the estimate of costs reads it.
    #[schemars(range(min = 0.0))]
    pub expected_size_in_gib: Option<f64>,
}
