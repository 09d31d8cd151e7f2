//! The private DNS namespace in which services find each other.

use schemars::JsonSchema;
use serde::Deserialize;

/// A private DNS namespace in which each service with a `container_port` is found as
/// `<service>.<namespace>`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceDiscovery {
    /// The namespace, for example `shop.local`.
    pub namespace: String,
    /// The id of a namespace that exists and has this name. Default: the stack makes one.
    pub namespace_id: Option<String>,
    /// How many seconds an A record may be remembered. Default: 10.
    #[serde(default = "ten")]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub ttl: u32,
}

fn ten() -> u32 {
    10
}
