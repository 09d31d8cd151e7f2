//! The load balancer and the services behind it.

use schemars::JsonSchema;
use serde::Deserialize;

/// An Application Load Balancer. With certificates it listens to HTTPS on 443 and redirects HTTP on 80;
/// without it listens to HTTP on 80.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadBalancer {
    /// Who can reach it. Default: internal.
    #[serde(default)]
    pub scheme: Scheme,
    /// Its subnets, in at least two availability zones; public ones if it is internet-facing.
    pub subnet_ids: Vec<String>,
    /// Security groups that exist. Default: one of its own.
    #[serde(default)]
    pub security_group_ids: Vec<String>,
    /// Who may connect, for the security group of its own. Default: everybody if it is
    /// internet-facing, else nobody.
    pub ingress_cidr_ips: Option<Vec<String>>,
    /// Certificates of AWS Certificate Manager; the first one is the default.
    #[serde(default)]
    pub certificate_arns: Vec<String>,
    /// Which versions and ciphers of TLS. Default: ELBSecurityPolicy-TLS13-1-2-2021-06.
    #[serde(default = "tls")]
    pub ssl_policy: String,
    /// After how many seconds a quiet connection is closed. Default: 60.
    #[serde(default = "sixty")]
    pub idle_timeout: u32,
    /// Whether each of its nodes sends to the targets of all zones. Default: true.
    #[serde(default = "yes")]
    pub cross_zone: bool,
    /// Whether it must not be deleted. Default: as the stack's termination protection.
    pub deletion_protection: Option<bool>,
    /// A bucket for access logs, in the stack's region. Its policy must let the load balancer write: the Elastic Load
    /// Balancing User Guide, "Enable access logs for your Application Load Balancer".
    pub access_logs_bucket: Option<String>,
    /// How many load balancer capacity units (LCU) it uses in an hour on average; only the estimate of
    /// costs reads it.
    pub expected_capacity_units: Option<f64>,
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

/// How requests come to a service: through a target group that exists, or through the stack's load
/// balancer.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetGroup {
    /// A target group that exists. Nothing but `container_name` may be said then.
    pub target_group_arn: Option<String>,
    /// Which of the task's containers requests come to, at its `container_port`. Default: the service's
    /// own.
    pub container_name: Option<String>,
    /// Paths that are sent to the service, with `*` and `?`. Without paths and hosts the service gets
    /// what no other service gets.
    #[serde(default)]
    pub path_patterns: Vec<String>,
    /// Hosts whose requests are sent to the service, with `*` and `?`.
    #[serde(default)]
    pub host_headers: Vec<String>,
    /// The place of its rule among the listener's, 1 to 50000, lowest first; needed with paths or hosts.
    pub priority: Option<u32>,
    /// How the load balancer finds out whether a task is healthy.
    #[serde(default)]
    pub health_check: TargetHealthCheck,
    /// For how many seconds a task that leaves still finishes requests. Default: 30.
    #[serde(default = "thirty")]
    pub deregistration_delay: u32,
    /// For how many seconds a client stays with one task. Default: it does not.
    pub stickiness_duration: Option<u32>,
}

/// How a load balancer finds out whether a task is healthy.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetHealthCheck {
    /// What is asked for. Default: `/health`.
    #[serde(default = "health")]
    pub path: String,
    /// How many seconds lie between two questions. Default: 30.
    #[serde(default = "thirty")]
    pub interval_seconds: u32,
    /// After how many seconds the answer is too late; less than the interval. Default: 5.
    #[serde(default = "five")]
    pub timeout_seconds: u32,
    /// After how many good answers a task is healthy. Default: 2.
    #[serde(default = "two")]
    pub healthy_threshold_count: u32,
    /// After how many bad answers it is unhealthy. Default: 3.
    #[serde(default = "three")]
    pub unhealthy_threshold_count: u32,
    /// Which status codes are good. Default: `200`.
    #[serde(default = "ok")]
    pub matcher: String,
}

impl Default for TargetHealthCheck {
    fn default() -> Self {
        Self {
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
