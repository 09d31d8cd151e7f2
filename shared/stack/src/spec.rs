//! What a stack file may say.
//!
//! Names are those of ECS and CloudFormation, in snake_case; their JSON Schema is generated from these
//! types, so the words below are what editors show.

mod bucket;
mod capacity;
mod circuit_breaker;
mod cluster;
mod container;
mod container_details;
mod deployment;
mod image_policy;
mod load_balancer;
mod messaging;
mod mirror;
mod network;
mod observation;
mod overrides;
mod placement;
mod rollout;
mod scaling;
mod schedule;
mod secret;
mod service;
mod service_connect;
mod service_discovery;
mod sidecar;
mod storage;
mod values;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

pub use bucket::Bucket;
pub use capacity::{Capacity, SpotAllocationStrategy};
pub(crate) use capacity::{FARGATE, is_fargate};
pub use circuit_breaker::{
    CircuitBreaker, CircuitBreakerThreshold, CircuitBreakerThresholdType, DeploymentCircuitBreaker,
};
pub use cluster::{Cluster, ContainerInsights};
pub use container::{
    Container, ContainerCondition, ContainerDependency, ContainerHealthCheck, MountPoint,
};
pub use container_details::{
    Details, LinuxParameters, LogDelivery, LogMode, RepositoryCredentials, RestartPolicy, Ulimit,
    UlimitName,
};
pub use deployment::{Canary, DeploymentConfiguration, DeploymentStrategy, Linear};
pub use image_policy::ImagePolicy;
pub use load_balancer::{
    Authenticate, ClientSecret, Cognito, Dns, HealthProtocol, ListenerProtocol, LoadBalancer,
    LoadBalancerType, Oidc, OnUnauthenticatedRequest, ProtocolVersion, Scheme, TargetGroup,
    TargetHealthCheck,
};
pub use messaging::{
    BucketAccess, DeadLetterQueue, Grant, Queue, QueueAccess, Subscription, Topic, TopicAccess,
};
pub use mirror::{BottleDeletion, BottleSync};
pub use network::{
    FlowLogs, IpAddressType, Network, SecurityGroup, SecurityGroupRule, TrafficType,
};
pub use observation::{Alarms, Events, LogEncryption, Logs};
pub use overrides::{FurtherResource, Json, Patch, ServiceOverrides, StackOverrides};
pub use placement::{
    PlacementConstraint, PlacementConstraintType, PlacementStrategy, PlacementStrategyType,
    SchedulingStrategy,
};
pub use rollout::Rollout;
pub use scaling::{
    AdjustmentType, CustomMetric, QueueBacklog, Scaling, ScheduledCapacity, Statistic,
    StepAdjustment, StepScaling,
};
pub use schedule::{RetryPolicy, Schedule};
pub use secret::{Secret, Vault};
pub use service::{CapacityProvider, Effect, PolicyStatement, Service};
pub use service_connect::{AppProtocol, ClientAlias, ServiceConnect};
pub use service_discovery::ServiceDiscovery;
pub use sidecar::{FirelensConfiguration, LogRouter, Sidecar};
pub use storage::{
    AccessPoint, DataDeletion, FileSystem, PerformanceMode, PosixUser, RootDirectory,
    ThroughputMode,
};
pub use values::{Sensitive, Text};

/// A stack: one ECS cluster with its services and all that they need.
///
/// Texts may contain `${environment}`, `${stack}`, `${AWS::Region}`, `${AWS::AccountId}`,
/// `${AWS::Partition}` and `${AWS::URLSuffix}`; `$${` stands for a plain `${`. Keys, the stack's name and
/// the values of secrets are taken as they are written.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stack {
    /// The stack's name: lowercase letters, digits and hyphens, at most 40 characters. With
    /// `environments`, the CloudFormation stack is named `<name>-<environment>`.
    pub name: String,
    /// The chosen one of the file's `environments`; filled in when the file is read.
    #[serde(skip)]
    pub environment: Option<String>,
    /// Tags of every resource of the stack.
    #[serde(default)]
    pub tags: BTreeMap<String, Text>,
    /// Whether CloudFormation refuses to delete the stack. Default: only in the environment `prod`.
    pub termination_protection: Option<bool>,
    /// The VPC and the subnets.
    pub network: Network,
    /// The ECS cluster. A stack with a mirror, without services, `capacity` and `events`, has one only if this is
    /// said.
    #[serde(default)]
    pub cluster: Cluster,
    /// EC2 capacity for the cluster, by name: each is an Auto Scaling group behind a capacity provider.
    /// Services without `capacity_provider_strategy` run on Fargate.
    #[serde(default)]
    pub capacity: BTreeMap<String, Capacity>,
    /// EFS file systems, by name.
    #[serde(default)]
    pub file_systems: BTreeMap<String, FileSystem>,
    /// S3 buckets, by name.
    #[serde(default)]
    pub buckets: BTreeMap<String, Bucket>,
    /// SQS queues, by name.
    #[serde(default)]
    pub queues: BTreeMap<String, Queue>,
    /// SNS topics, by name.
    #[serde(default)]
    pub topics: BTreeMap<String, Topic>,
    /// A mirror of Homebrew's bottles in one of the stack's buckets.
    pub bottle_sync: Option<BottleSync>,
    /// A load balancer of the stack's own.
    pub load_balancer: Option<LoadBalancer>,
    /// A private DNS namespace in which the services find each other.
    pub service_discovery: Option<ServiceDiscovery>,
    /// The services' logs.
    #[serde(default)]
    pub logs: Logs,
    /// CloudWatch alarms for services, load balancer, file systems and capacity.
    pub alarms: Option<Alarms>,
    /// Whether a CloudWatch dashboard is made.
    #[serde(default)]
    pub dashboard: bool,
    /// An EventBridge rule that keeps task, service, target health and scaling events in a log group.
    pub events: Option<Events>,
    /// The services, by name.
    pub services: BTreeMap<String, Service>,
    /// Changes of what is rendered, for what no key says.
    #[serde(default)]
    pub overrides: StackOverrides,
    /// Further CloudFormation resources, by logical id.
    #[serde(default)]
    pub resources: BTreeMap<String, FurtherResource>,
    /// Further outputs, by name: values in CloudFormation's words, such as `{Ref: Cluster}`.
    #[serde(default)]
    pub outputs: BTreeMap<String, Json>,
}

impl Stack {
    /// The CloudFormation stack's name, by which routes, records and release files know it too.
    pub fn stack_name(&self) -> String {
        match &self.environment {
            Some(environment) => format!("{}-{environment}", self.name),
            None => self.name.clone(),
        }
    }

    /// Whether CloudFormation is to refuse to delete the stack.
    pub fn is_protected(&self) -> bool {
        self.termination_protection
            .unwrap_or(self.environment.as_deref() == Some("prod"))
    }

    /// Whether the stack has an ECS cluster. Of a mirror that the function fills alone, only one that the stack
    /// file describes: nothing would run there.
    pub fn has_cluster(&self) -> bool {
        let is_needed =
            !self.services.is_empty() || !self.capacity.is_empty() || self.events.is_some();
        self.bottle_sync.is_none() || is_needed || self.cluster != Cluster::default()
    }

    /// Whether services are behind a Network Load Balancer of the stack's own.
    pub fn has_network_load_balancer(&self) -> bool {
        let load_balancer = self.load_balancer.as_ref();
        load_balancer.is_some_and(|one| one.r#type == LoadBalancerType::Network)
    }

    /// Whether the stack's load balancer has IPv6 addresses, too.
    pub fn load_balancer_is_dualstack(&self) -> bool {
        let load_balancer = self.load_balancer.as_ref();
        load_balancer.is_some_and(|one| {
            one.ip_address_type.unwrap_or(self.network.ip_address_type) == IpAddressType::Dualstack
        })
    }

    /// The ECS cluster's name.
    pub fn cluster_name(&self) -> String {
        let cluster = &self.cluster;
        let name = cluster.existing.as_ref().or(cluster.cluster_name.as_ref());
        name.cloned().unwrap_or_else(|| self.stack_name())
    }

    /// The name of the bucket `name`, in which CloudFormation may still have to fill in the account.
    pub fn bucket_name(&self, name: &str) -> String {
        self.buckets
            .get(name)
            .and_then(|bucket| bucket.bucket_name.clone())
            .unwrap_or_else(|| format!("{}-{name}-${{AWS::AccountId}}", self.stack_name()))
    }

    /// The name of the SQS queue `name`.
    pub fn queue_name(&self, name: &str) -> String {
        format!("{}-{name}{}", self.stack_name(), self.ending_of_queue(name))
    }

    /// The name of the SQS queue for what of the queue `name` was received too often.
    pub fn dead_letter_queue_name(&self, name: &str) -> String {
        let ending = self.ending_of_queue(name);
        format!("{}-{name}-dead-letters{ending}", self.stack_name())
    }

    fn ending_of_queue(&self, name: &str) -> &'static str {
        let queue = self.queues.get(name);
        ending(queue.is_some_and(|queue| queue.fifo_queue))
    }

    /// The name of the SNS topic `name`.
    pub fn topic_name(&self, name: &str) -> String {
        let topic = self.topics.get(name);
        let ending = ending(topic.is_some_and(|topic| topic.fifo_topic));
        format!("{}-{name}{ending}", self.stack_name())
    }

    /// How many tasks may run at once on the capacity `name`, of services that run nowhere else.
    pub fn most_tasks_on(&self, name: &str) -> u64 {
        self.services_on(name)
            .map(|service| match &service.scaling {
                Some(scaling) => u64::from(scaling.most_tasks()),
                None => u64::from(service.first_tasks()),
            })
            .sum()
    }

    /// How many tasks run on the capacity `name` at first, of services that run nowhere else.
    pub fn first_tasks_on(&self, name: &str) -> u64 {
        self.services_on(name)
            .map(|service| u64::from(service.first_tasks()))
            .sum()
    }

    /// How many tasks each of its instances has of services that run on all of them.
    pub fn daemons(&self) -> u32 {
        let services = self.services.values();
        services.filter(|service| service.is_daemon()).count() as u32
    }

    /// Whether a container of a service that may run on the capacity `name` has GPUs.
    pub fn needs_gpus_on(&self, name: &str) -> bool {
        self.services.iter().any(|(service_name, service)| {
            let mut shares = service.capacity_provider_strategy.iter();
            let mut containers = service.containers(service_name);
            shares.any(|share| share.capacity_provider == name)
                && containers.any(|container| container.details.gpu.is_some())
        })
    }

    fn services_on(&self, capacity: &str) -> impl Iterator<Item = &Service> {
        self.services.values().filter(move |service| {
            let strategy = &service.capacity_provider_strategy;
            !strategy.is_empty()
                && strategy
                    .iter()
                    .all(|share| share.capacity_provider == capacity)
        })
    }

    /// The ECS service's name of the service `name`.
    pub fn ecs_service_name(&self, name: &str) -> String {
        self.services
            .get(name)
            .and_then(|service| service.service_name.clone())
            .unwrap_or_else(|| format!("{}-{name}", self.stack_name()))
    }
}

/// How the names of FIFO queues and topics must end.
fn ending(is_fifo: bool) -> &'static str {
    if is_fifo { ".fifo" } else { "" }
}
