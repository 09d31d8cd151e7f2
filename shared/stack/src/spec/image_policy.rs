//! Which images are deployed.

use longshore_policy::image_policy::Order;
use schemars::JsonSchema;
use serde::Deserialize;

/// Which pushed images are deployed: by `tags`, by `tag_pattern` or by `semver`. Without any of them every
/// tag is followed.
// Not the policy of a route, which allows nothing without any of them: such a service is
// deployed by name only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImagePolicy {
    /// Names of tags, or patterns with `*` and `?`. One name without either is followed exactly: whatever
    /// the tag holds is deployed. Of several, or of patterns, the newest is, as `order` says. An empty list: no
    /// push is deployed.
    pub tags: Option<Vec<String>>,
    /// A regular expression that a whole tag must match; the newest is deployed, as `order` says. Beside
    /// `semver` it says where in the tag the version is: its group `version`, or else its first group.
    pub tag_pattern: Option<String>,
    /// A range of semantic versions, as Cargo writes them: `>=1.2, <2`. The highest version is deployed; a
    /// pre-release only where the range names one.
    pub semver: Option<String>,
    /// Whether pre-releases of each version in the range of `semver` are deployed, too: `semver: "*"` with this
    /// deploys the highest version of all. Default: false.
    #[serde(default)]
    pub pre_releases: bool,
    /// What the newest of the allowed tags is: by when it was put (`tagged`) or its image was pushed (`pushed`), or
    /// beside `tag_pattern` by a `number` in it or by the alphabet (`alphabetical`). Default: `tagged` where only
    /// release tags are allowed, such as `v*`, or else `pushed`.
    pub order: Option<Order>,
    /// Whether an image is deployed that comes under the tag of the one deployed last. Default: yes, but
    /// for `semver`. A tag that is followed exactly is followed wherever it moves.
    pub moved_tags: Option<bool>,
    /// How many minutes ago an image must have been pushed. Default: 0.
    #[serde(default)]
    pub minimum_age_minutes: u32,
}

impl ImagePolicy {
    /// Whether pushes are to be followed at all.
    pub fn follows(&self) -> bool {
        self.tags.as_ref().is_none_or(|tags| !tags.is_empty())
            || self.tag_pattern.is_some()
            || self.semver.is_some()
    }
}
