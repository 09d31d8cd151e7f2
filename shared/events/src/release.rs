//! Release files: `releases/<stack>/<service>.json` in the state bucket.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Malformed;
use crate::image::ImageReference;
use crate::malformed::parse;

/// What a release file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// What to deploy.
    pub image: ImageReference,
    /// Why, for people; shown in Slack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A stack's service, as a release file's key names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseKey {
    pub stack: String,
    pub service: String,
}

const WHAT: &str = "release file";

/// Reads a release file's key.
///
/// # Errors
/// [`Malformed`] unless it is `releases/<stack>/<service>.json`.
pub fn parse_key(key: &str) -> Result<ReleaseKey, Malformed> {
    key.strip_prefix("releases/")
        .and_then(|rest| rest.strip_suffix(".json"))
        .and_then(|rest| rest.split_once('/'))
        .filter(|(stack, service)| {
            !stack.is_empty() && !service.is_empty() && !service.contains('/')
        })
        .map(|(stack, service)| ReleaseKey {
            stack: stack.to_owned(),
            service: service.to_owned(),
        })
        .ok_or_else(|| {
            Malformed::new(
                WHAT,
                format!("key `{key}`, expected releases/<stack>/<service>.json"),
            )
        })
}

/// Reads a release file's body.
///
/// # Errors
/// [`Malformed`], with line and column where it is not JSON and the field where it is.
pub fn parse_body(body: &[u8]) -> Result<Release, Malformed> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| Malformed::new(WHAT, format!("not JSON: {error}")))?;
    // An array would be read as the fields in their order.
    if !value.is_object() {
        return Err(Malformed::new(
            WHAT,
            "not an object, expected one with the fields `image` and `note`",
        ));
    }
    parse(WHAT, &value)
}
