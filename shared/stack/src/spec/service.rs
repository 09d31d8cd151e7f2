//! A service: its container, where it runs, how it is reached, deployed and scaled.

use std::collections::BTreeMap;

use longshore_policy::route::CpuArchitecture;
use schemars::JsonSchema;
use serde::Deserialize;

use super::capacity::is_fargate;
use super::container::{Container, ContainerDependency, ContainerHealthCheck, MountPoint};
use super::container_details::{
    LinuxParameters, LogDelivery, RepositoryCredentials, RestartPolicy, Ulimit, details_of,
};
use super::deployment::DeploymentConfiguration;
use super::image_policy::ImagePolicy;
use super::load_balancer::TargetGroup;
use super::messaging::{BucketAccess, Grant, QueueAccess, TopicAccess, grants};
use super::network::SecurityGroup;
use super::overrides::ServiceOverrides;
use super::placement::{
    PlacementConstraint, PlacementStrategy, PlacementStrategyType, SchedulingStrategy,
};
use super::rollout::Rollout;
use super::scaling::Scaling;
use super::schedule::Schedule;
use super::secret::{Secret, Vault};
use super::service_connect::ServiceConnect;
use super::sidecar::Sidecar;
use super::values::Text;

/// An ECS service: its container, and what runs beside it.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The image of the first deployment: `<repository>:<tag>` or `<repository>@sha256:…` of this
    /// account's ECR, or a name that begins with a registry. After that, pushes decide; a different
    /// `image` here is deployed when the stack is applied.
    pub image: String,
    /// Which pushed images are deployed. Default: every tag, the one pushed last. `tags: []`: none.
    #[serde(default)]
    pub image_policy: ImagePolicy,
    /// The ECS service's name. Default: `<stack>-<service>`.
    pub service_name: Option<String>,
    /// The container's name. Default: the service's.
    pub container_name: Option<String>,
    /// The task definition's family. Default: the ECS service's name.
    pub family: Option<String>,
    /// The port that the container listens on.
    #[schemars(range(min = 1))]
    pub container_port: Option<u16>,
    /// CPU units of the task, 1024 a vCPU. Default: 256.
    #[serde(default = "quarter")]
    pub cpu: u32,
    /// MiB of memory of the task. Default: 512.
    #[serde(default = "half_a_gibibyte")]
    pub memory: u32,
    /// Default: X86_64.
    #[serde(default)]
    pub cpu_architecture: CpuArchitecture,
    /// GiB of the task's own storage on Fargate, 21 to 200. Default: the 20 that are free.
    #[schemars(range(min = 21, max = 200))]
    pub ephemeral_storage_size_in_gib: Option<u32>,
    /// Takes the place of the image's entry point.
    #[serde(default)]
    pub entry_point: Vec<String>,
    /// Takes the place of the image's command.
    #[serde(default)]
    pub command: Vec<String>,
    /// Takes the place of the image's working directory.
    pub working_directory: Option<String>,
    /// The user, `<uid>` or `<uid>:<gid>`. Default: the image's.
    pub user: Option<String>,
    /// Environment variables. Secrets do not belong here.
    #[serde(default)]
    pub environment: BTreeMap<String, Text>,
    /// Environment variables that are read from where secrets are kept.
    #[serde(default)]
    pub secrets: BTreeMap<String, Secret>,
    /// What the container needs to fetch secrets from HashiCorp Vault itself.
    pub vault: Option<Vault>,
    /// How much the container logs; it finds this in `LOG_LEVEL`.
    pub log_level: Option<String>,
    /// What the log router among the `sidecars` does with what the container writes, as that router takes
    /// it. Without a router it is kept in the service's log group.
    #[serde(default)]
    pub log_options: BTreeMap<String, Text>,
    /// How ECS finds out whether the container is healthy.
    pub health_check: Option<ContainerHealthCheck>,
    /// How many seconds after SIGTERM the container is killed. Default: 30.
    #[serde(default = "half_a_minute")]
    pub stop_timeout: u32,
    /// Whether the container can write only to its mounts. ECS Exec does not work then.
    #[serde(default)]
    pub readonly_root_filesystem: bool,
    /// Whether ECS Exec may open a shell in the container.
    #[serde(default)]
    pub enable_execute_command: bool,
    /// File systems, and scratch space, that the container sees.
    #[serde(default)]
    pub mount_points: Vec<MountPoint>,
    /// Further ports that it listens on. Containers of a task share their ports.
    #[serde(default)]
    #[schemars(inner(range(min = 1)))]
    pub additional_container_ports: Vec<u16>,
    /// Limits of the operating system for its processes.
    #[serde(default)]
    pub ulimits: Vec<Ulimit>,
    /// What Linux gives the container.
    #[serde(default)]
    pub linux_parameters: LinuxParameters,
    /// Labels of the container, which agents on an instance read.
    #[serde(default)]
    pub docker_labels: BTreeMap<String, Text>,
    /// Files with environment variables, in S3: the ARNs of objects whose names end in `.env`. `environment` and
    /// `secrets` win.
    #[serde(default)]
    pub environment_files: Vec<String>,
    /// The ARN of the KMS key that encrypts the `environment_files`. Default: S3's own keys.
    pub environment_files_kms_key_arn: Option<String>,
    /// For how many seconds it waits for the containers of `depends_on` until its start has failed; at most 120 on
    /// Fargate. Default: three minutes.
    #[schemars(range(min = 2))]
    pub start_timeout: Option<u32>,
    /// That ECS restarts the container alone when it ends. Default: the task is replaced, if the container is
    /// essential.
    pub restart_policy: Option<RestartPolicy>,
    /// How what it writes comes into the log group.
    #[serde(default)]
    pub log_delivery: LogDelivery,
    /// With which name and password the image is pulled from a registry that is not ECR.
    pub repository_credentials: Option<RepositoryCredentials>,
    /// How many GPUs of its instance it has; on EC2 only.
    #[schemars(range(min = 1))]
    pub gpu: Option<u32>,
    /// How many tasks run; not looked at where the service scales. Default: 1 when the service is made, and
    /// after that what it is then, so that a number that somebody sets elsewhere stays.
    #[schemars(range(min = 0, max = 5000))]
    pub desired_count: Option<u32>,
    /// Whether ECS moves tasks until each availability zone has as many, by starting some before it stops
    /// others. Default: true, unless `maximum_percent` is 100, which leaves no room for that, or placement says
    /// otherwise.
    pub availability_zone_rebalancing: Option<bool>,
    /// On which capacity tasks run. Default: Fargate.
    #[serde(default)]
    pub capacity_provider_strategy: Vec<CapacityProvider>,
    /// Of what there are as many tasks as there are. Default: REPLICA.
    #[serde(default)]
    pub scheduling_strategy: SchedulingStrategy,
    /// By what ECS chooses instances for tasks, one after another; on EC2 only. Default: availability zones
    /// evenly.
    #[serde(default)]
    pub placement_strategies: Vec<PlacementStrategy>,
    /// On which instances tasks may run; on EC2 only.
    #[serde(default)]
    pub placement_constraints: Vec<PlacementConstraint>,
    /// The subnets of the tasks. Default: `network.subnet_ids`.
    pub subnet_ids: Option<Vec<String>>,
    /// Security groups that exist. Without any, and with `security_group`, the service has one of its
    /// own.
    #[serde(default)]
    pub security_group_ids: Vec<String>,
    /// The security group of the service's own.
    pub security_group: Option<SecurityGroup>,
    /// Whether tasks have public addresses.
    #[serde(default)]
    pub assign_public_ip: bool,
    /// How requests come to the service.
    pub target_group: Option<TargetGroup>,
    /// The same for requests that come in several ways, at most five, in place of `target_group`: to several ports, by several
    /// rules, or through several load balancers. The first one is what a `target_group` would be: going from one to the other
    /// replaces nothing, and `target_requests_per_task` counts its requests.
    #[serde(default)]
    pub target_groups: Vec<TargetGroup>,
    /// For how many seconds after the start of a task its failing health checks do not count. Default:
    /// 60 behind a load balancer.
    pub health_check_grace_period_seconds: Option<u32>,
    /// Which other containers of the task must be started, healthy or done before this one starts.
    #[serde(default)]
    pub depends_on: Vec<ContainerDependency>,
    /// Containers that run beside this one in each task, by name: a proxy, an agent.
    #[serde(default)]
    pub sidecars: BTreeMap<String, Sidecar>,
    /// How deployments replace tasks.
    #[serde(default)]
    pub deployment_configuration: DeploymentConfiguration,
    /// How deployments go: their order, tasks before and after them, when none begins, who approves them.
    #[serde(default)]
    pub rollout: Rollout,
    /// How the number of tasks follows the load.
    pub scaling: Option<Scaling>,
    /// Runs of the task by the clock, by name.
    #[serde(default)]
    pub schedules: BTreeMap<String, Schedule>,
    /// An execution role that exists. Default: one that may pull this image, write these logs and read
    /// these secrets.
    pub execution_role_arn: Option<String>,
    /// Policies that are attached to the execution role of the stack's own.
    #[serde(default)]
    pub execution_role_policy_arns: Vec<String>,
    /// A task role that exists. It must allow what the service does, also `elasticfilesystem:ClientMount` and
    /// `ClientWrite` on file systems that it mounts. Default: one that may do that, what
    /// `task_role_policy_arns` and `task_role_statements` say, and nothing else.
    pub task_role_arn: Option<String>,
    /// Policies that are attached to the task role of the stack's own.
    #[serde(default)]
    pub task_role_policy_arns: Vec<String>,
    /// What the container may do in AWS.
    #[serde(default)]
    pub task_role_statements: Vec<PolicyStatement>,
    /// What the container may do with the stack's `buckets`, by name: `read`, `write` or `read_write`. It finds the name of
    /// the bucket `uploads` in `UPLOADS_BUCKET_NAME`.
    #[serde(default)]
    pub buckets: BTreeMap<String, BucketAccess>,
    /// What the container may do with the stack's `queues`, by name: `receive`, `send` or `send_and_receive`. It finds the
    /// URL of the queue `jobs` in `JOBS_QUEUE_URL`.
    #[serde(default)]
    pub queues: BTreeMap<String, QueueAccess>,
    /// What the container may do with the stack's `topics`, by name: `publish`. It finds the ARN of the topic `orders` in
    /// `ORDERS_TOPIC_ARN`.
    #[serde(default)]
    pub topics: BTreeMap<String, TopicAccess>,
    /// Whether the service is found in the stack's service discovery. Default: true, with a
    /// `container_port`.
    pub service_discovery: Option<bool>,
    /// ECS Service Connect: how the service calls others by their names, and is called.
    pub service_connect: Option<ServiceConnect>,
    /// How many tasks run in a month of 730 hours on average; only the estimate of costs reads it.
    /// Default: `desired_count`, or the scaling's `min_capacity`.
    #[schemars(range(min = 0.0))]
    pub expected_task_count: Option<f64>,
    /// Changes of what is rendered, for what no key says.
    #[serde(default)]
    pub overrides: ServiceOverrides,
}

impl Service {
    /// How many tasks run when the service is made: the fewest, where it scales. ECS starts with one where
    /// nothing is said.
    pub fn first_tasks(&self) -> u32 {
        match &self.scaling {
            Some(scaling) => scaling.min_capacity,
            None => self.desired_count.unwrap_or(1),
        }
    }

    /// What it does with buckets of the stack.
    pub fn bucket_grants(&self) -> impl Iterator<Item = Grant<'_, BucketAccess>> {
        grants(&self.buckets, "BUCKET_NAME")
    }

    /// What it does with queues of the stack.
    pub fn queue_grants(&self) -> impl Iterator<Item = Grant<'_, QueueAccess>> {
        grants(&self.queues, "QUEUE_URL")
    }

    /// What it does with topics of the stack.
    pub fn topic_grants(&self) -> impl Iterator<Item = Grant<'_, TopicAccess>> {
        grants(&self.topics, "TOPIC_ARN")
    }

    /// Whether its tasks run on Fargate, and not on instances.
    pub fn is_on_fargate(&self) -> bool {
        !self.is_daemon()
            && self
                .capacity_provider_strategy
                .iter()
                .all(|share| is_fargate(&share.capacity_provider))
    }

    /// Whether one of its tasks runs on each instance.
    pub fn is_daemon(&self) -> bool {
        self.scheduling_strategy == SchedulingStrategy::Daemon
    }

    /// Percent of the wanted tasks that may run at once while a rolling deployment replaces them. On each
    /// instance the old task of a daemon stops before the new one starts.
    pub fn maximum_percent(&self) -> u32 {
        if self.is_daemon() {
            100
        } else {
            self.deployment_configuration.maximum_percent
        }
    }

    /// Percent of the wanted tasks that a rolling deployment keeps.
    pub fn minimum_healthy_percent(&self) -> u32 {
        let said = self.deployment_configuration.minimum_healthy_percent;
        if self.is_daemon() && said == DeploymentConfiguration::default().minimum_healthy_percent {
            0
        } else {
            said
        }
    }

    /// Whether ECS evens tasks out among availability zones.
    pub fn rebalances(&self) -> bool {
        self.availability_zone_rebalancing
            .unwrap_or(self.maximum_percent() > 100 && self.spreads_over_zones())
    }

    /// Whether ECS places tasks by availability zones first, and in any zone: the Amazon ECS Developer Guide,
    /// "Balancing an Amazon ECS service across Availability Zones".
    pub fn spreads_over_zones(&self) -> bool {
        const ZONE: &str = "ecs.availability-zone";
        let is_by_zone =
            |field: &Option<String>| field.as_deref().is_some_and(|field| field.contains(ZONE));
        let first = self.placement_strategies.first();
        first.is_none_or(|strategy| {
            strategy.r#type == PlacementStrategyType::Spread && is_by_zone(&strategy.field)
        }) && !self
            .placement_constraints
            .iter()
            .any(|constraint| is_by_zone(&constraint.expression))
    }

    /// The containers of its tasks, its own first, where the service is called `name`.
    pub fn containers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Container<'a>> + Clone {
        let own = Container {
            sidecar: None,
            name: self.container_name.as_deref().unwrap_or(name),
            image: &self.image,
            essential: true,
            container_port: self.container_port,
            entry_point: &self.entry_point,
            command: &self.command,
            working_directory: self.working_directory.as_deref(),
            user: self.user.as_deref(),
            environment: &self.environment,
            secrets: &self.secrets,
            health_check: self.health_check.as_ref(),
            stop_timeout: self.stop_timeout,
            readonly_root_filesystem: self.readonly_root_filesystem,
            mount_points: &self.mount_points,
            depends_on: &self.depends_on,
            details: details_of!(self),
        };
        let sidecars = self.sidecars.iter().map(|(name, sidecar)| Container {
            sidecar: Some(name),
            name,
            image: &sidecar.image,
            essential: sidecar.essential,
            container_port: sidecar.container_port,
            entry_point: &sidecar.entry_point,
            command: &sidecar.command,
            working_directory: sidecar.working_directory.as_deref(),
            user: sidecar.user.as_deref(),
            environment: &sidecar.environment,
            secrets: &sidecar.secrets,
            health_check: sidecar.health_check.as_ref(),
            stop_timeout: sidecar.stop_timeout,
            readonly_root_filesystem: sidecar.readonly_root_filesystem,
            mount_points: &sidecar.mount_points,
            depends_on: &sidecar.depends_on,
            details: details_of!(sidecar),
        });
        std::iter::once(own).chain(sidecars)
    }

    /// All ways in which requests come to it.
    pub fn all_target_groups(&self) -> impl Iterator<Item = &TargetGroup> + Clone {
        self.target_group.iter().chain(&self.target_groups)
    }

    /// The container that requests come to through a target group, with its port.
    pub fn target<'a>(&'a self, name: &'a str, group: &TargetGroup) -> Option<(&'a str, u16)> {
        let wanted = group.container_name.as_deref();
        let mut containers = self.containers(name);
        let target = containers.find(|container| wanted.is_none_or(|name| name == container.name));
        let target = target?;
        let port = group.container_port.or(target.container_port)?;
        Some((target.name, port))
    }
}

/// A share of the tasks that runs on a capacity provider.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CapacityProvider {
    /// `FARGATE`, `FARGATE_SPOT`, or one of the stack's `capacity`.
    pub capacity_provider: String,
    /// Its share of the tasks, relative to the others' weights. Default: 1.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 1000))]
    pub weight: u32,
    /// How many tasks run on it before weights count; of one provider only. Default: 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100_000))]
    pub base: u32,
}

/// Something that a container may do in AWS.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyStatement {
    /// Default: Allow.
    #[serde(default)]
    pub effect: Effect,
    /// The actions.
    pub actions: Vec<String>,
    /// The ARNs of the resources.
    pub resources: Vec<String>,
    /// When it holds, by operator and key: `StringEquals: {aws:RequestedRegion: [eu-west-1]}`.
    #[serde(default)]
    pub conditions: BTreeMap<String, BTreeMap<String, Vec<Text>>>,
}

/// What a policy statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
pub enum Effect {
    /// Allows.
    #[default]
    Allow,
    /// Forbids, whatever else allows.
    Deny,
}

fn quarter() -> u32 {
    256
}

fn half_a_gibibyte() -> u32 {
    512
}

fn half_a_minute() -> u32 {
    30
}

fn one() -> u32 {
    1
}
