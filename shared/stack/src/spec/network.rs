//! Where the stack is: VPC, subnets, security groups, flow logs.

use schemars::JsonSchema;
use serde::Deserialize;

/// The VPC and the subnets, which exist already.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// The VPC's id.
    pub vpc_id: String,
    /// The subnets of tasks, instances and mount targets, usually private ones.
    pub subnet_ids: Vec<String>,
    /// Which addresses load balancers have, and what security groups let out where nothing else is said: IPv4, or
    /// with `dualstack` IPv6 as well. The subnets must have both. Default: ipv4.
    #[serde(default)]
    pub ip_address_type: IpAddressType,
    /// Flow logs of the VPC.
    pub flow_logs: Option<FlowLogs>,
    /// How many GiB a month go out to the internet; only the estimate of costs reads it.
    #[schemars(range(min = 0.0))]
    pub expected_data_out_gib_per_month: Option<f64>,
    /// How many GiB a month go from one availability zone to another; only the estimate of costs reads
    /// it.
    #[schemars(range(min = 0.0))]
    pub expected_cross_zone_gib_per_month: Option<f64>,
}

/// Which addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IpAddressType {
    /// IPv4.
    #[default]
    Ipv4,
    /// IPv4 and IPv6.
    Dualstack,
}

/// VPC flow logs, kept in a log group.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlowLogs {
    /// Which traffic. Default: ALL.
    #[serde(default)]
    pub traffic_type: TrafficType,
    /// How many days they are kept. Default: as the stack's `logs` say.
    #[schemars(range(min = 1, max = 3653))]
    pub retention_in_days: Option<u32>,
    /// How many GiB a month are expected; only the estimate of costs reads it.
    #[schemars(range(min = 0.0))]
    pub expected_gib_per_month: Option<f64>,
}

/// Which traffic flow logs report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum TrafficType {
    /// What was let through.
    Accept,
    /// What was refused.
    Reject,
    /// Both.
    #[default]
    All,
}

/// A security group of a service's own.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecurityGroup {
    /// What may come in, besides the stack's own load balancer, which always may.
    #[serde(default)]
    pub ingress: Vec<SecurityGroupRule>,
    /// What may go out. Default: everything. The service's file systems may always be reached.
    pub egress: Option<Vec<SecurityGroupRule>>,
}

/// A rule of a security group. Exactly one of `cidr_ip`, `cidr_ipv6`, `prefix_list_id`, `security_group_id` and
/// `service` says who is at the other end.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecurityGroupRule {
    /// `tcp`, `udp`, `icmp`, `icmpv6` or `-1` for all. Default: tcp.
    #[serde(default = "tcp")]
    pub ip_protocol: String,
    /// The first port. Default for ingress: the service's `container_port`; for egress to a `service`, that one's.
    pub from_port: Option<u16>,
    /// The last port. Default: `from_port`.
    pub to_port: Option<u16>,
    /// An IPv4 range.
    pub cidr_ip: Option<String>,
    /// An IPv6 range.
    pub cidr_ipv6: Option<String>,
    /// A managed prefix list.
    pub prefix_list_id: Option<String>,
    /// Another security group, such as that of a load balancer.
    pub security_group_id: Option<String>,
    /// A service of this stack, by its name. What comes in from it may also go out of its own security group.
    pub service: Option<String>,
    /// What it is for.
    pub description: Option<String>,
}

fn tcp() -> String {
    "tcp".to_owned()
}
