//! ECS Service Connect, by which services call each other through a proxy in each task.

use schemars::JsonSchema;
use serde::Deserialize;

/// ECS Service Connect: each task has a proxy, through which the service calls others of the namespace by their names.
/// With a `container_port`, others call this one, too.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceConnect {
    /// The name or the ARN of a namespace of Cloud Map that exists. Default: that of the stack's `service_discovery`.
    pub namespace: Option<String>,
    /// Whether the service only calls others. Default: false, with a `container_port`.
    #[serde(default)]
    pub client_only: bool,
    /// The name of its port. Default: the service's name.
    pub port_name: Option<String>,
    /// What it speaks there, so that the proxy has metrics and retries of it. Default: TCP.
    pub app_protocol: Option<AppProtocol>,
    /// What the service is called within the namespace. Default: `port_name`.
    pub discovery_name: Option<String>,
    /// The name and the port by which others call it. Default: the service's name and its `container_port`.
    #[serde(default)]
    pub client_alias: ClientAlias,
    /// After how many seconds the proxy closes a quiet connection; 0: never. Default: five minutes, an hour of TCP.
    pub idle_timeout_seconds: Option<u32>,
    /// For how many seconds the proxy waits for an answer; 0: forever. Default: 15.
    pub per_request_timeout_seconds: Option<u32>,
}

/// By what others call a service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientAlias {
    /// The name. Default: the service's.
    pub dns_name: Option<String>,
    /// The port. Default: the service's `container_port`.
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
}

/// What a service speaks at a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AppProtocol {
    /// HTTP/1.1.
    Http,
    /// HTTP/2.
    Http2,
    /// gRPC.
    Grpc,
}

impl AppProtocol {
    /// As ECS names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Http2 => "http2",
            Self::Grpc => "grpc",
        }
    }
}
