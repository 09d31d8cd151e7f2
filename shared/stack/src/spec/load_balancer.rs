//! The load balancer and the services behind it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::network::IpAddressType;

/// An Application Load Balancer: with certificates it listens to HTTPS on 443 and redirects HTTP on 80;
/// without it listens to HTTP on 80. Or a Network Load Balancer, which listens where the `target_group`s of
/// services say.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadBalancer {
    /// Of HTTP (`application`), or of TCP, TLS and UDP (`network`). Default: application.
    #[serde(default)]
    pub r#type: LoadBalancerType,
    /// Who can reach it. Default: internal.
    #[serde(default)]
    pub scheme: Scheme,
    /// Its subnets, in at least two availability zones; public ones if it is internet-facing.
    pub subnet_ids: Vec<String>,
    /// Security groups that exist. Default: one of its own.
    #[serde(default)]
    pub security_group_ids: Vec<String>,
    /// Which addresses it has. Default: as `network.ip_address_type` says.
    pub ip_address_type: Option<IpAddressType>,
    /// Who may connect, for the security group of its own: IPv4 ranges, and with `dualstack` IPv6 ranges, too.
    /// Default: everybody if it is internet-facing, else nobody.
    pub ingress_cidr_ips: Option<Vec<String>>,
    /// Certificates of AWS Certificate Manager; the first one is the default.
    #[serde(default)]
    pub certificate_arns: Vec<String>,
    /// Which versions and ciphers of TLS. Default: ELBSecurityPolicy-TLS13-1-2-2021-06.
    #[serde(default = "tls")]
    pub ssl_policy: String,
    /// After how many seconds a quiet connection is closed, of an Application Load Balancer. Default: 60.
    #[serde(default = "sixty")]
    #[schemars(range(min = 1, max = 4000))]
    pub idle_timeout: u32,
    /// Whether each of its nodes sends to the targets of all zones. Default: true.
    #[serde(default = "yes")]
    pub cross_zone: bool,
    /// Whether it must not be deleted. Default: as the stack's termination protection.
    pub deletion_protection: Option<bool>,
    /// A bucket for access logs, in the stack's region. Its policy must let the load balancer write: the Elastic Load
    /// Balancing User Guide, "Enable access logs for your Application Load Balancer".
    pub access_logs_bucket: Option<String>,
    /// How many load balancer capacity units (LCU, NLCU) it uses in an hour on average; only the estimate of
    /// costs reads it.
    #[schemars(range(min = 0.0))]
    pub expected_capacity_units: Option<f64>,
    /// Names of a zone of Route 53 that lead to it.
    pub dns: Option<Dns>,
}

/// Which kind of load balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoadBalancerType {
    /// Of HTTP and HTTPS: it chooses a service by what a request says.
    #[default]
    Application,
    /// Of TCP, TLS and UDP: it chooses a service by the port.
    Network,
}

/// Names of a zone of Route 53 that lead to the load balancer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dns {
    /// The zone's id. The installation must allow it: Terraform's `hosted_zone_ids`.
    pub hosted_zone_id: String,
    /// The names, such as `shop.example.com` or `*.shop.example.com`. Each gets a record A, and with `dualstack`
    /// a record AAAA.
    pub names: Vec<String>,
}

/// Who can reach a load balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// Only the VPC and what is connected to it.
    #[default]
    Internal,
    /// The internet.
    InternetFacing,
}

/// How requests come to a service: through a target group that exists, a listener that exists, or the stack's load
/// balancer.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetGroup {
    /// A target group that exists. Nothing but `container_name` and `container_port` may be said then.
    pub target_group_arn: Option<String>,
    /// A listener of an Application Load Balancer that exists, in place of the stack's `load_balancer`: the stack
    /// adds a rule to it. Conditions and `priority` are needed then.
    pub listener_arn: Option<String>,
    /// The security groups of that load balancer. They may connect to the service's security group.
    #[serde(default)]
    pub load_balancer_security_group_ids: Vec<String>,
    /// The port of a Network Load Balancer at which the service is reached.
    #[schemars(range(min = 1))]
    pub listener_port: Option<u16>,
    /// What a Network Load Balancer speaks at that port. TLS ends there, with the load balancer's
    /// `certificate_arns`. Default: TCP.
    pub listener_protocol: Option<ListenerProtocol>,
    /// Whether tasks behind a Network Load Balancer see the addresses of clients. Default: false; always true of UDP and
    /// TCP_UDP.
    pub preserve_client_ip: Option<bool>,
    /// Which version of HTTP tasks speak. HTTP2 and GRPC need a listener of HTTPS. Default: HTTP1.
    pub protocol_version: Option<ProtocolVersion>,
    /// Which of the task's containers requests come to. Default: the service's own.
    pub container_name: Option<String>,
    /// At which of that container's ports: its `container_port`, or one of its `additional_container_ports`. Default: its
    /// `container_port`.
    #[schemars(range(min = 1))]
    pub container_port: Option<u16>,
    /// Paths that are sent to the service, with `*` and `?`. Without paths and hosts the service gets
    /// what no other service gets.
    #[serde(default)]
    pub path_patterns: Vec<String>,
    /// Hosts whose requests are sent to the service, with `*` and `?`.
    #[serde(default)]
    pub host_headers: Vec<String>,
    /// By name, headers of requests that are sent to the service, each with the values that it may have, with `*` and
    /// `?`.
    #[serde(default)]
    pub http_headers: BTreeMap<String, Vec<String>>,
    /// Methods of requests that are sent to the service, such as `POST`.
    #[serde(default)]
    pub http_request_methods: Vec<String>,
    /// Parameters of requests that are sent to the service: `<key>=<value>`, or `<value>` of any key, with `*` and `?`.
    #[serde(default)]
    pub query_strings: Vec<String>,
    /// Ranges of addresses, IPv4 or IPv6, whose requests are sent to the service. Addresses in `X-Forwarded-For` do not count.
    #[serde(default)]
    pub source_ips: Vec<String>,
    /// Who must log in before requests come to the service. It needs a listener of HTTPS.
    pub authenticate: Option<Authenticate>,
    /// The place of its rule among the listener's, 1 to 50000, lowest first; needed with conditions.
    #[schemars(range(min = 1, max = 50_000))]
    pub priority: Option<u32>,
    /// How the load balancer finds out whether a task is healthy.
    #[serde(default)]
    pub health_check: TargetHealthCheck,
    /// For how many seconds a task that leaves still finishes requests. Default: 30.
    #[serde(default = "thirty")]
    #[schemars(range(min = 0, max = 3600))]
    pub deregistration_delay: u32,
    /// For how many seconds a client stays with one task. Default: it does not.
    #[schemars(range(min = 1, max = 604_800))]
    pub stickiness_duration: Option<u32>,
}

impl TargetGroup {
    /// The keys that say which requests are sent to the service, each with whether it is said.
    pub fn conditions(&self) -> [(&'static str, bool); 6] {
        [
            ("path_patterns", !self.path_patterns.is_empty()),
            ("host_headers", !self.host_headers.is_empty()),
            ("http_headers", !self.http_headers.is_empty()),
            (
                "http_request_methods",
                !self.http_request_methods.is_empty(),
            ),
            ("query_strings", !self.query_strings.is_empty()),
            ("source_ips", !self.source_ips.is_empty()),
        ]
    }

    /// Whether it says which requests are sent to the service.
    pub fn is_conditional(&self) -> bool {
        self.conditions().iter().any(|(_, is_said)| *is_said)
    }
}

/// What a Network Load Balancer speaks at a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ListenerProtocol {
    /// As it comes.
    #[default]
    Tcp,
    /// Encrypted as far as the load balancer, which hands on TCP.
    Tls,
    /// Datagrams.
    Udp,
    /// Both at one port, as DNS does.
    #[serde(rename = "TCP_UDP")]
    TcpUdp,
}

impl ListenerProtocol {
    /// As Elastic Load Balancing names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Udp => "UDP",
            Self::TcpUdp => "TCP_UDP",
        }
    }

    /// What security groups let through for it.
    pub fn transports(self) -> &'static [&'static str] {
        match self {
            Self::Tcp | Self::Tls => &["tcp"],
            Self::Udp => &["udp"],
            Self::TcpUdp => &["tcp", "udp"],
        }
    }

    /// Whether there are datagrams among what comes.
    pub fn has_datagrams(self) -> bool {
        matches!(self, Self::Udp | Self::TcpUdp)
    }

    /// What it hands on to tasks.
    pub fn of_targets(self) -> &'static str {
        match self {
            Self::Tcp | Self::Tls => "TCP",
            Self::Udp | Self::TcpUdp => self.as_str(),
        }
    }
}

/// Which version of HTTP tasks speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ProtocolVersion {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
    /// gRPC.
    Grpc,
}

impl ProtocolVersion {
    /// As Elastic Load Balancing names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP1",
            Self::Http2 => "HTTP2",
            Self::Grpc => "GRPC",
        }
    }
}

/// Who must log in before requests come to the service: exactly one of `cognito` and `oidc`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Authenticate {
    /// With a user pool of Amazon Cognito.
    pub cognito: Option<Cognito>,
    /// With another provider of OpenID Connect.
    pub oidc: Option<Oidc>,
    /// What becomes of requests without a login. Default: authenticate.
    #[serde(default)]
    pub on_unauthenticated_request: OnUnauthenticatedRequest,
    /// What is asked of the provider. Default: openid.
    pub scope: Option<String>,
    /// For how many seconds a login lasts, at most 604800. Default: a week.
    #[schemars(range(min = 1, max = 604_800))]
    pub session_timeout: Option<u32>,
}

/// What becomes of requests without a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnUnauthenticatedRequest {
    /// They are sent to the provider to log in.
    #[default]
    Authenticate,
    /// They come to the service.
    Allow,
    /// They are answered with 401.
    Deny,
}

impl OnUnauthenticatedRequest {
    /// As Elastic Load Balancing names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authenticate => "authenticate",
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

/// A user pool of Amazon Cognito.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cognito {
    /// Its ARN.
    pub user_pool_arn: String,
    /// The id of its client for the load balancer.
    pub user_pool_client_id: String,
    /// Its domain: the prefix, or a whole domain of your own.
    pub user_pool_domain: String,
}

/// A provider of OpenID Connect.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Oidc {
    /// Its URL, as its configuration gives it.
    pub issuer: String,
    /// The URL of its page to log in.
    pub authorization_endpoint: String,
    /// The URL at which it gives tokens.
    pub token_endpoint: String,
    /// The URL at which it says who somebody is.
    pub user_info_endpoint: String,
    /// The id of the client.
    pub client_id: String,
    /// The secret of the client.
    pub client_secret: ClientSecret,
}

/// A secret of Secrets Manager that CloudFormation reads. It needs the tag `longshore:stack`, whose value is the
/// stack's name, as CloudFormation's role reads no other one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientSecret {
    /// The secret's name: `<stack>/<name>`.
    pub value_from: String,
    /// The key to take out of a secret that is a JSON object.
    pub json_key: Option<String>,
}

/// How a load balancer finds out whether a task is healthy.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetHealthCheck {
    /// How it asks: `HTTP`, or behind a Network Load Balancer also `TCP`, a connection alone. Default: HTTP behind an
    /// Application Load Balancer, TCP behind a Network Load Balancer.
    pub protocol: Option<HealthProtocol>,
    /// At which port it asks. Default: the one that requests go to.
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    /// What is asked for. Default: `/health`; of GRPC `/AWS.ALB/healthcheck`.
    #[serde(default = "health")]
    pub path: String,
    /// How many seconds lie between two questions. Default: 30.
    #[serde(default = "thirty")]
    #[schemars(range(min = 5, max = 300))]
    pub interval_seconds: u32,
    /// After how many seconds the answer is too late; less than the interval. Default: 5.
    #[serde(default = "five")]
    #[schemars(range(min = 2, max = 120))]
    pub timeout_seconds: u32,
    /// After how many good answers a task is healthy. Default: 2.
    #[serde(default = "two")]
    #[schemars(range(min = 2, max = 10))]
    pub healthy_threshold_count: u32,
    /// After how many bad answers it is unhealthy. Default: 3.
    #[serde(default = "three")]
    #[schemars(range(min = 2, max = 10))]
    pub unhealthy_threshold_count: u32,
    /// Which status codes are good. Default: `200`; of GRPC, whose codes are 0 to 99, `12`: a method that is not
    /// implemented.
    #[serde(default = "ok")]
    pub matcher: String,
}

/// How a load balancer asks whether a task is healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum HealthProtocol {
    /// With a request, whose answer has a status code.
    Http,
    /// With a connection.
    Tcp,
}

impl Default for TargetHealthCheck {
    fn default() -> Self {
        Self {
            protocol: None,
            port: None,
            path: health(),
            interval_seconds: thirty(),
            timeout_seconds: five(),
            healthy_threshold_count: two(),
            unhealthy_threshold_count: three(),
            matcher: ok(),
        }
    }
}

fn tls() -> String {
    "ELBSecurityPolicy-TLS13-1-2-2021-06".to_owned()
}

fn sixty() -> u32 {
    60
}

fn yes() -> bool {
    true
}

fn thirty() -> u32 {
    30
}

fn health() -> String {
    "/health".to_owned()
}

fn five() -> u32 {
    5
}

fn two() -> u32 {
    2
}

fn three() -> u32 {
    3
}

fn ok() -> String {
    "200".to_owned()
}
