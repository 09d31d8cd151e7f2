//! Keys of ECS, Docker Compose, Copilot and CloudFormation that a stack file does not have, and what to do instead.

use crate::path::{Path, Step};

/// What to do instead of an unknown key at a place, where that is known. The name is in lowercase, with underscores.
pub(super) fn instead_of(name: &str, path: &Path) -> Option<&'static str> {
    let tables: &[Table] = match names(path).as_slice() {
        [] => &[OF_STACK],
        ["services", _] => &[OF_SERVICE, OF_CONTAINER],
        ["services", _, "sidecars", _] => &[OF_CONTAINER],
        ["services", _, .., "health_check" | "healthcheck"] => &[OF_HEALTH_CHECK],
        ["services", _, .., "restart_policy"] => &[OF_RESTART_POLICY],
        ["services", _, "target_group"] | ["services", _, "target_groups", _] => &[OF_TARGET_GROUP],
        ["services", _, "scaling"] => &[OF_SCALING],
        ["services", _, "schedules", _] => &[OF_SCHEDULE],
        ["load_balancer"] => &[OF_LOAD_BALANCER],
        ["capacity", _] => &[OF_CAPACITY],
        ["resources", _] => &[OF_RESOURCE],
        ["overrides"] => &[OF_STACK_OVERRIDES],
        ["services", _, "overrides"] => &[OF_SERVICE_OVERRIDES],
        _ => &[],
    };
    let mut entries = tables.iter().flat_map(|table| table.iter());
    let entry = entries.find(|(known, _)| *known == name);
    entry.map(|(_, instead)| *instead)
}

fn names(path: &Path) -> Vec<&str> {
    let names = path.0.iter().map(|step| match step {
        Step::Key(key) => key.as_str(),
        Step::Index(_) => "",
    });
    names.collect()
}

type Table = &'static [(&'static str, &'static str)];

const OF_CONTAINER: Table = &[
    (
        "version_consistency",
        "use `overrides.task_definition.ContainerDefinitions.<container>.VersionConsistency` of the service",
    ),
    ("working_dir", "use `working_directory`"),
    ("group_add", "use `user`, as `<user>:<group>`"),
    (
        "isolation",
        "not supported: containers are isolated as ECS does it",
    ),
    (
        "userns_mode",
        "not supported: a task has no user namespace of its choice",
    ),
    ("cgroup_parent", "not supported: ECS chooses control groups"),
    (
        "blkio_config",
        "not supported: ECS does not limit reading and writing of a container",
    ),
    (
        "oom_score_adj",
        "not supported: ECS does not say whom Linux ends first; use `memory`",
    ),
    (
        "oom_kill_disable",
        "not supported: a container that has too little memory is ended; use `memory`",
    ),
    (
        "runtime",
        "not supported: ECS chooses how containers run; for GPUs, use `gpu`",
    ),
    (
        "post_start",
        "use `command` or `entry_point`, or one of `sidecars` with `depends_on`",
    ),
    (
        "pre_stop",
        "the program gets SIGTERM; use `stop_timeout` for how long it may take",
    ),
    ("attach", "use `log_delivery`"),
    (
        "stop_signal",
        "say STOPSIGNAL in the image, whose signal ECS sends",
    ),
    ("secrets_file", "use `secrets`"),
    (
        "max_swap",
        "use `overrides.task_definition.ContainerDefinitions.<container>.LinuxParameters.MaxSwap` of the service",
    ),
    // ECS
    (
        "capabilities",
        "use `overrides.task_definition.ContainerDefinitions.<container>.LinuxParameters.Capabilities` of \
                      the service",
    ),
    (
        "credential_specs",
        "use `overrides.task_definition.ContainerDefinitions.<container>.CredentialSpecs` of the \
                          service",
    ),
    (
        "devices",
        "containers have no devices of their instance; for GPUs, use `gpu`",
    ),
    (
        "disable_networking",
        "containers of a task share its network",
    ),
    ("dns_search_domains", "tasks use the DNS of their VPC"),
    ("dns_servers", "tasks use the DNS of their VPC"),
    (
        "docker_security_options",
        "a container that reaches its instance has the rights of every task there",
    ),
    (
        "extra_hosts",
        "use `service_discovery` of the stack, or a name of the VPC's DNS",
    ),
    ("hostname", "a task has the name of its network interface"),
    (
        "init_process_enabled",
        "use `linux_parameters.init_process_enabled`",
    ),
    (
        "interactive",
        "use `overrides.task_definition.ContainerDefinitions.<container>.Interactive` of the service",
    ),
    (
        "links",
        "containers of a task reach each other at `localhost`",
    ),
    (
        "log_configuration",
        "use `log_delivery` for how logs come into the log group; a log router among the `sidecars`, with `log_options`, sends them elsewhere",
    ),
    (
        "port_mappings",
        "use `container_port` and `additional_container_ports`",
    ),
    (
        "privileged",
        "a container that reaches its instance has the rights of every task there",
    ),
    (
        "pseudo_terminal",
        "use `overrides.task_definition.ContainerDefinitions.<container>.PseudoTerminal` of the \
                         service",
    ),
    ("resource_requirements", "use `gpu`"),
    (
        "shared_memory_size",
        "use `linux_parameters.shared_memory_size`",
    ),
    (
        "system_controls",
        "use `overrides.task_definition.ContainerDefinitions.<container>.SystemControls` of the \
                         service",
    ),
    (
        "tmpfs",
        "`mount_points` without a `file_system` are scratch space; for memory, use `overrides.task_definition.\
               ContainerDefinitions.<container>.LinuxParameters.Tmpfs` of the service",
    ),
    (
        "volumes",
        "use `mount_points`, with the stack's `file_systems` or for scratch space; other kinds of volume are not \
         supported",
    ),
    (
        "volumes_from",
        "use `mount_points`; scratch space at the same path is the same in all containers of a task",
    ),
    // Docker Compose
    (
        "build",
        "Longshore deploys images; build it in CI, push it to ECR and name it with `image`",
    ),
    (
        "cap_add",
        "use `overrides.task_definition.ContainerDefinitions.<container>.LinuxParameters.Capabilities` of the \
                 service",
    ),
    (
        "cap_drop",
        "use `overrides.task_definition.ContainerDefinitions.<container>.LinuxParameters.Capabilities` of the \
                  service",
    ),
    (
        "configs",
        "put them into the image, `environment`, or a file system",
    ),
    ("dns", "tasks use the DNS of their VPC"),
    (
        "env_file",
        "use `environment`, or `environment_files` for files in S3",
    ),
    (
        "expose",
        "use `container_port` and `additional_container_ports`",
    ),
    ("extends", "use an anchor of YAML, `&name` and `<<: *name`"),
    ("init", "use `linux_parameters.init_process_enabled`"),
    (
        "labels",
        "use the stack's `tags`; labels of the container are `docker_labels`",
    ),
    (
        "logging",
        "use `log_delivery` for how logs come into the log group; a log router among the `sidecars`, with `log_options`, sends them elsewhere",
    ),
    ("mem_limit", "use `memory`, in MiB"),
    (
        "mem_reservation",
        "use `memory`, in MiB; of a sidecar, `memory_reservation`",
    ),
    ("platform", "use `cpu_architecture` of the service"),
    ("pull_policy", "ECS pulls images by their digests"),
    ("read_only", "use `readonly_root_filesystem`"),
    (
        "security_opt",
        "a container that reaches its instance has the rights of every task there",
    ),
    (
        "shm_size",
        "use `linux_parameters.shared_memory_size`, in MiB",
    ),
    (
        "stdin_open",
        "use `overrides.task_definition.ContainerDefinitions.<container>.Interactive` of the service",
    ),
    ("stop_grace_period", "use `stop_timeout`, in seconds"),
    (
        "sysctls",
        "use `overrides.task_definition.ContainerDefinitions.<container>.SystemControls` of the service",
    ),
    (
        "tty",
        "use `overrides.task_definition.ContainerDefinitions.<container>.PseudoTerminal` of the service",
    ),
    // Copilot
    ("variables", "use `environment`"),
];

const OF_SERVICE: Table = &[
    (
        "essential",
        "the service's own container is always essential; of a sidecar, use `essential` in `sidecars`",
    ),
    (
        "cluster",
        "use the stack's `cluster`; its `existing` names one that exists",
    ),
    (
        "vpc_lattice_configurations",
        "use `overrides.service.VpcLatticeConfigurations`",
    ),
    ("force_new_deployment", "run `longshore restart`"),
    (
        "enable_ecsmanaged_tags",
        "use `overrides.service.EnableECSManagedTags`",
    ),
    (
        "role",
        "use `task_role_arn` or `execution_role_arn`; for the load balancer, ECS uses its own",
    ),
    (
        "deployment_circuit_breaker",
        "use `deployment_configuration.deployment_circuit_breaker`",
    ),
    (
        "minimum_healthy_percent",
        "use `deployment_configuration.minimum_healthy_percent`",
    ),
    (
        "maximum_percent",
        "use `deployment_configuration.maximum_percent`",
    ),
    (
        "alarms",
        "use `deployment_configuration.alarms`, and the stack's `alarms`",
    ),
    ("ipc", "use `overrides.task_definition.IpcMode`"),
    ("pid", "use `overrides.task_definition.PidMode`"),
    (
        "domainname",
        "a task has the DNS name of its network interface",
    ),
    (
        "mac_address",
        "each task has a network interface of its own",
    ),
    ("develop", "Longshore deploys images that CI has built"),
    (
        "cdn",
        "make it with `resources`, or elsewhere, in front of the stack's `load_balancer`",
    ),
    ("env", "use `environment`"),
    ("location", "use `image`"),
    (
        "observability",
        "use `sidecars`: a collector beside the container",
    ),
    ("on", "use `schedules`, each with a `schedule_expression`"),
    (
        "retries",
        "use `schedules`, which have `retries` and `retry_policy`; of a health check, `health_check.retries`",
    ),
    (
        "timeout",
        "use `schedules`, which have a `timeout`; of a health check, `health_check.timeout`",
    ),
    ("ordered_placement_strategies", "use `placement_strategies`"),
    // ECS
    (
        "container_definitions",
        "the service's own container is described by the service, others by `sidecars`",
    ),
    (
        "deployment_controller",
        "Longshore deploys by ECS's own controller",
    ),
    (
        "enable_fault_injection",
        "use `overrides.task_definition.EnableFaultInjection`",
    ),
    ("ephemeral_storage", "use `ephemeral_storage_size_in_gib`"),
    (
        "inference_accelerators",
        "inference accelerators are not supported; use `gpu`",
    ),
    ("ipc_mode", "use `overrides.task_definition.IpcMode`"),
    (
        "launch_type",
        "use `capacity_provider_strategy`; without it, tasks run on Fargate",
    ),
    (
        "load_balancers",
        "use `target_group`, or `target_groups` for several",
    ),
    (
        "network_configuration",
        "use `subnet_ids`, `security_group_ids` and `assign_public_ip`",
    ),
    (
        "network_mode",
        "each task has a network interface of its own (awsvpc)",
    ),
    ("pid_mode", "use `overrides.task_definition.PidMode`"),
    ("daemon", "use `scheduling_strategy`, which can be DAEMON"),
    (
        "placement",
        "use `placement_strategies` and `placement_constraints`",
    ),
    ("placement_strategy", "use `placement_strategies`"),
    (
        "platform_version",
        "use `overrides.service.PlatformVersion`",
    ),
    ("propagate_tags", "tasks have the tags of their service"),
    (
        "proxy_configuration",
        "use `overrides.task_definition.ProxyConfiguration`",
    ),
    (
        "requires_compatibilities",
        "use `capacity_provider_strategy`; without it, tasks run on Fargate",
    ),
    (
        "runtime_platform",
        "use `cpu_architecture`; another operating system is in \
                          `overrides.task_definition.RuntimePlatform.OperatingSystemFamily`",
    ),
    ("service_connect_configuration", "use `service_connect`"),
    ("service_registries", "use `service_discovery`"),
    ("tags", "use the stack's `tags`"),
    (
        "task_definition",
        "its keys are those of the service; for what it has besides, use `overrides.task_definition`",
    ),
    (
        "volume_configurations",
        "EBS volumes that ECS makes are not supported; use `file_systems` and `mount_points`",
    ),
    // Docker Compose
    (
        "deploy",
        "use `desired_count` or `scaling`, `cpu`, `memory` and `deployment_configuration`",
    ),
    ("networks", "use `subnet_ids` and `security_group`"),
    (
        "ports",
        "use `container_port` and `additional_container_ports`, and `target_group` behind the load balancer",
    ),
    ("profiles", "use `environments` of the file"),
    ("replicas", "use `desired_count`"),
    (
        "restart",
        "ECS replaces a task that ends; `restart_policy` restarts a container alone",
    ),
    ("scale", "use `desired_count`"),
    // Copilot
    ("count", "use `desired_count`, or `scaling`"),
    ("exec", "use `enable_execute_command`"),
    (
        "http",
        "use `target_group`, behind the stack's `load_balancer`",
    ),
    (
        "nlb",
        "use the stack's `load_balancer`, of the type network, and `target_group`",
    ),
    (
        "publish",
        "use the stack's `topics`, and `topics` of the service",
    ),
    (
        "storage",
        "use the stack's `file_systems`, and `mount_points`",
    ),
    (
        "subscribe",
        "use the stack's `queues`, and `queues` of the service",
    ),
    ("taskdef_overrides", "use `overrides.task_definition`"),
    (
        "type",
        "each entry of `services` is an ECS service; what runs by the clock is in its `schedules`",
    ),
];

const OF_STACK: Table = &[
    ("cdn", "make it elsewhere, in front of the `load_balancer`"),
    ("include", "use an anchor of YAML, `&name` and `<<: *name`"),
    ("globals", "use an anchor of YAML, `&name` and `<<: *name`"),
    ("awstemplate_format_version", "a stack file has no version"),
    (
        "transform",
        "use `environments`, or make what it stands for elsewhere",
    ),
    ("metadata", "write a comment"),
    ("autoscaling", "use `scaling` of each service"),
    ("conditions", "use `environments`"),
    (
        "configs",
        "put them into the image, `environment`, or a file system",
    ),
    (
        "databases",
        "make them elsewhere; name their secrets with `secrets` of a service",
    ),
    ("description", "write a comment"),
    ("dns", "use `load_balancer.dns`"),
    (
        "domain",
        "use `host_headers` of a service's `target_group`, and `load_balancer.dns`",
    ),
    (
        "listeners",
        "a `load_balancer` listens to HTTP, and to HTTPS with `certificate_arns`; add one with `resources`",
    ),
    ("mappings", "use `environments`"),
    ("networks", "use `network`"),
    (
        "parameters",
        "use `environments`; secrets are in `secrets` of a service",
    ),
    ("region", "it is the region of the installation"),
    ("secrets", "use `secrets` of a service"),
    ("sidecars", "use `sidecars` of a service"),
    ("task_definitions", "each service describes its own"),
    ("version", "a stack file has no version"),
    ("volumes", "use `file_systems`"),
    ("vpc", "use `network`"),
    ("vpc_id", "use `network.vpc_id`"),
    (
        "waf",
        "associate the web ACL elsewhere, with the output `LoadBalancerArn`",
    ),
];

const OF_LOAD_BALANCER: Table = &[
    (
        "load_balancer_attributes",
        "use `overrides.load_balancer.LoadBalancerAttributes` of the stack",
    ),
    (
        "internal",
        "use `scheme`, which can be internal or internet-facing",
    ),
    (
        "http2",
        "use `overrides.load_balancer.LoadBalancerAttributes` of the stack, with the key `routing.http2.enabled`",
    ),
    (
        "web_acl_arn",
        "associate the web ACL elsewhere, with the output `LoadBalancerArn`",
    ),
    (
        "attributes",
        "use `overrides.load_balancer.LoadBalancerAttributes` of the stack",
    ),
    (
        "authenticate",
        "use `authenticate` of a service's `target_group`",
    ),
    (
        "listener_arn",
        "name it in `target_group.listener_arn` of each service; the stack has no `load_balancer` then",
    ),
    (
        "listeners",
        "it listens to HTTP, and to HTTPS with `certificate_arns`; add one with `resources` of the stack",
    ),
    ("name", "CloudFormation names it"),
    ("subnet_mappings", "use `subnet_ids`"),
    (
        "waf_acl_arn",
        "associate the web ACL elsewhere, with the output `LoadBalancerArn`",
    ),
];

const OF_HEALTH_CHECK: Table = &[
    // Docker Compose
    ("disable", "leave out `health_check`"),
    (
        "start_interval",
        "ECS has no interval of its own for the start",
    ),
    ("test", "use `command`"),
];

const OF_RESTART_POLICY: Table = &[(
    "enabled",
    "leave it out; with `restart_policy`, the container is restarted",
)];

const OF_TARGET_GROUP: Table = &[
    (
        "target_group_attributes",
        "use `overrides.target_group.TargetGroupAttributes` of the service",
    ),
    (
        "target_type",
        "it is always `ip`: each task has a network interface of its own",
    ),
    ("matcher", "use `health_check.matcher`"),
    ("health_check_path", "use `health_check.path`"),
    ("health_check_port", "use `health_check.port`"),
    (
        "health_check_interval_seconds",
        "use `health_check.interval_seconds`",
    ),
    (
        "health_check_timeout_seconds",
        "use `health_check.timeout_seconds`",
    ),
    (
        "healthy_threshold_count",
        "use `health_check.healthy_threshold_count`",
    ),
    (
        "unhealthy_threshold_count",
        "use `health_check.unhealthy_threshold_count`",
    ),
    ("vpc_id", "use `network.vpc_id` of the stack"),
    ("name", "CloudFormation names it"),
    (
        "actions",
        "use `overrides.listener_rule.Actions` of the service",
    ),
    ("alias", "use `host_headers`"),
    (
        "conditions",
        "use `path_patterns`, `host_headers`, `http_headers`, `http_request_methods`, `query_strings` and `source_ips`",
    ),
    ("headers", "use `http_headers`"),
    ("methods", "use `http_request_methods`"),
    (
        "load_balancing_algorithm_type",
        "use `overrides.target_group.TargetGroupAttributes` of the service, with the key \
                                       `load_balancing.algorithm.type`",
    ),
    (
        "port",
        "use `container_port`; the port of a Network Load Balancer is `listener_port`",
    ),
    (
        "protocol",
        "use `listener_protocol` behind a Network Load Balancer; that of targets is in \
         `overrides.target_group.Protocol` of the service",
    ),
    (
        "slow_start",
        "use `overrides.target_group.TargetGroupAttributes` of the service, with the key \
                    `slow_start.duration_seconds`",
    ),
];

const OF_SCALING: Table = &[
    ("requests", "use `target_requests_per_task`"),
    ("cpu_percentage", "use `target_cpu_utilization`"),
    ("memory_percentage", "use `target_memory_utilization`"),
    ("range", "use `min_capacity` and `max_capacity`"),
    ("response_time", "use `custom_metrics`"),
    (
        "predictive_scaling_policy_configuration",
        "predictive scaling is not supported; use `scheduled`",
    ),
    (
        "predictive",
        "predictive scaling is not supported; use `scheduled`",
    ),
    (
        "queue_delay",
        "use `queues`, with `target_messages_per_task`",
    ),
    ("scheduled_actions", "use `scheduled`"),
    ("schedules", "use `scheduled`"),
    ("step_scaling", "use `steps`"),
    (
        "suspended_state",
        "use `overrides.scalable_target.SuspendedState` of the service",
    ),
];

const OF_SCHEDULE: Table = &[
    ("rate", "use `schedule_expression`, as `rate(1 hour)`"),
    ("cron", "use `schedule_expression`, as `cron(0 3 * * ? *)`"),
    (
        "target",
        "a run is the service's task; use `command`, `environment`, `cpu` and `memory`",
    ),
    (
        "dead_letter_config",
        "Longshore has a queue for runs that cannot begin, and reports them",
    ),
    (
        "enabled",
        "use `overrides.schedules.<schedule>.State` of the service",
    ),
    (
        "flexible_time_window",
        "use `overrides.schedules.<schedule>.FlexibleTimeWindow` of the service",
    ),
    (
        "state",
        "use `overrides.schedules.<schedule>.State` of the service",
    ),
];

const OF_CAPACITY: Table = &[
    ("ami_id", "use `image_ssm_parameter`"),
    ("image_id", "use `image_ssm_parameter`"),
    (
        "desired_capacity",
        "managed scaling sets it, between `min_size` and `max_size`",
    ),
    (
        "gpu",
        "use `gpu` of a service; the image with its drivers follows from that",
    ),
    (
        "instances_distribution",
        "use `spot_percentage` and `on_demand_base_capacity`",
    ),
    ("key_name", "instances have no keys of SSH"),
    (
        "metadata_options",
        "containers do not reach the instance's metadata, or they would have its rights",
    ),
    (
        "mixed_instances_policy",
        "use `instance_types`, `spot_percentage` and `on_demand_base_capacity`",
    ),
    (
        "on_demand_percentage_above_base_capacity",
        "use `spot_percentage`, which is 100 less that",
    ),
    ("spot", "use `spot_percentage`"),
    (
        "spot_price",
        "Spot instances cost what they do at the time, at most the price on demand",
    ),
    (
        "warm_pool",
        "a warm pool is not supported; let `target_capacity` be less than 100",
    ),
    (
        "user_data",
        "instances start as ECS's image does; use an image of your own with `image_ssm_parameter`",
    ),
];

const OF_RESOURCE: Table = &[
    ("condition", "use `environments`"),
    (
        "creation_policy",
        "a further resource has `Type`, `Properties` and `DependsOn` only",
    ),
    (
        "deletion_policy",
        "what a stack file adds goes with the stack",
    ),
    ("metadata", "write a comment"),
    (
        "update_policy",
        "a further resource has `Type`, `Properties` and `DependsOn` only",
    ),
    (
        "update_replace_policy",
        "what a stack file adds goes with the stack",
    ),
];

const OF_STACK_OVERRIDES: Table = &[
    (
        "buckets",
        "a bucket is closed to everybody whom no role lets in; use the keys of `buckets`",
    ),
    (
        "dashboard",
        "a dashboard is one text; make your own elsewhere",
    ),
    (
        "launch_template",
        "with it, instances could have other roles; use the keys of `capacity`, and \
                         `overrides.capacity`",
    ),
    (
        "security_group",
        "add a rule with `resources`: `AWS::EC2::SecurityGroupIngress` or `AWS::EC2::SecurityGroupEgress`",
    ),
    ("service", "use `overrides` of the service"),
    ("services", "use `overrides` of the service"),
    ("task_definition", "use `overrides` of the service"),
    ("target_group", "use `overrides` of the service"),
];

const OF_SERVICE_OVERRIDES: Table = &[
    (
        "container",
        "use `task_definition.ContainerDefinitions.<container>`",
    ),
    (
        "container_definitions",
        "use `task_definition.ContainerDefinitions.<container>`",
    ),
    (
        "containers",
        "use `task_definition.ContainerDefinitions.<container>`",
    ),
    (
        "execution_role",
        "use `execution_role_policy_arns` or `execution_role_arn`",
    ),
    ("listener", "use `overrides.listener` of the stack"),
    (
        "load_balancer",
        "use `overrides.load_balancer` of the stack",
    ),
    (
        "security_group",
        "add a rule with `resources`: `AWS::EC2::SecurityGroupIngress` or \
                        `AWS::EC2::SecurityGroupEgress`",
    ),
    (
        "task_role",
        "use `task_role_statements`, `task_role_policy_arns` or `task_role_arn`",
    ),
];

#[cfg(test)]
mod tests {
    use super::super::shape::{Field, Shape};
    use super::*;

    fn fields_at<'a>(
        shape: &'a Shape,
        steps: &[&str],
    ) -> &'a std::collections::BTreeMap<String, Field> {
        match (shape, steps) {
            (Shape::Fields(fields), []) => fields,
            (Shape::Fields(fields), [first, rest @ ..]) => fields_at(&fields[*first].shape, rest),
            (Shape::Map(values), [_, rest @ ..]) => fields_at(values, rest),
            _ => panic!("{steps:?}"),
        }
    }

    #[test]
    fn no_key_that_is_known_is_told_to_be_something_else() {
        for (place, tables) in [
            (&[][..], &[OF_STACK][..]),
            (&["services", "x"], &[OF_SERVICE, OF_CONTAINER]),
            (&["services", "x", "sidecars", "y"], &[OF_CONTAINER]),
            (&["services", "x", "target_group"], &[OF_TARGET_GROUP]),
            (&["services", "x", "health_check"], &[OF_HEALTH_CHECK]),
            (&["services", "x", "restart_policy"], &[OF_RESTART_POLICY]),
            (&["services", "x", "scaling"], &[OF_SCALING]),
            (&["services", "x", "schedules", "y"], &[OF_SCHEDULE]),
            (&["load_balancer"], &[OF_LOAD_BALANCER]),
            (&["capacity", "x"], &[OF_CAPACITY]),
            (&["resources", "x"], &[OF_RESOURCE]),
            (&["overrides"], &[OF_STACK_OVERRIDES]),
            (&["services", "x", "overrides"], &[OF_SERVICE_OVERRIDES]),
        ] {
            let known = fields_at(Shape::of_a_stack(), place);
            for (name, _) in tables.iter().flat_map(|table| table.iter()) {
                assert!(!known.contains_key(*name), "{place:?}: {name}");
            }
        }
    }

    #[test]
    fn what_is_named_instead_is_there() {
        let service = fields_at(Shape::of_a_stack(), &["services", "x"]);
        let stack = fields_at(Shape::of_a_stack(), &[]);
        let overrides = fields_at(Shape::of_a_stack(), &["services", "x", "overrides"]);
        for (name, instead) in [OF_SERVICE, OF_CONTAINER].into_iter().flatten() {
            for word in instead.split('`').skip(1).step_by(2) {
                let mut parts = word.split('.');
                let first = parts.next().unwrap_or_default();
                if first == "overrides" {
                    let concept = parts.next().unwrap_or_default();
                    assert!(overrides.contains_key(concept), "{name}: {word}");
                    continue;
                }
                let is_key = service.contains_key(first)
                    || stack.contains_key(first)
                    || [
                        "memory_reservation",
                        "file_system",
                        // Of a sidecar, of the cluster, of a schedule, and of the command line.
                        "essential",
                        "existing",
                        "retries",
                        "retry_policy",
                        "schedule_expression",
                        "timeout",
                        "longshore restart",
                        "environments",
                        "localhost",
                    ]
                    .contains(&first)
                    || first.starts_with(['&', '<']);
                assert!(is_key, "{name}: {word}");
            }
        }
    }
}
