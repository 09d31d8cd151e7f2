//! Keys that people know from Copilot, Docker Compose and CloudFormation, and that a stack file does not have by that
//! name: each is refused with the key that says it, or with the place in `overrides` that does.

use crate::support;

/// Where a key is written, the key, and what its refusal names.
const KEYS: &[(&str, &str, &str)] = &[
    // CloudFormation's TaskDefinition and ContainerDefinition
    ("service", "ContainerDefinitions", "`sidecars`"),
    (
        "service",
        "RequiresCompatibilities",
        "`capacity_provider_strategy`",
    ),
    ("service", "NetworkMode", "awsvpc"),
    ("service", "PidMode", "`overrides.task_definition.PidMode`"),
    ("service", "IpcMode", "`overrides.task_definition.IpcMode`"),
    (
        "service",
        "ProxyConfiguration",
        "`overrides.task_definition.ProxyConfiguration`",
    ),
    ("service", "RuntimePlatform", "`cpu_architecture`"),
    (
        "service",
        "EphemeralStorage",
        "`ephemeral_storage_size_in_gib`",
    ),
    (
        "service",
        "EnableFaultInjection",
        "`overrides.task_definition.EnableFaultInjection`",
    ),
    ("service", "Volumes", "`mount_points`"),
    ("service", "PortMappings", "`container_port`"),
    ("service", "LogConfiguration", "`log_delivery`"),
    ("service", "LinuxParameters", "`linux_parameters`"),
    ("service", "ResourceRequirements", "`gpu`"),
    (
        "service",
        "SystemControls",
        "`overrides.task_definition.ContainerDefinitions.<container>.SystemControls`",
    ),
    ("service", "Privileged", "rights"),
    ("service", "EnvironmentFiles", "`environment_files`"),
    ("service", "Essential", "always essential"),
    (
        "service",
        "VersionConsistency",
        "`overrides.task_definition.ContainerDefinitions.<container>.VersionConsistency`",
    ),
    ("service", "TaskRoleArn", "`task_role_arn`"),
    ("service", "Cpu", "`cpu`"),
    // CloudFormation's Service
    ("service", "LoadBalancers", "`target_groups`"),
    ("service", "Cluster", "`cluster`"),
    ("service", "LaunchType", "`capacity_provider_strategy`"),
    ("service", "NetworkConfiguration", "`subnet_ids`"),
    (
        "service",
        "PlatformVersion",
        "`overrides.service.PlatformVersion`",
    ),
    ("service", "PropagateTags", "tags of their service"),
    ("service", "ServiceRegistries", "`service_discovery`"),
    (
        "service",
        "ServiceConnectConfiguration",
        "`service_connect`",
    ),
    ("service", "VolumeConfigurations", "`file_systems`"),
    (
        "service",
        "VpcLatticeConfigurations",
        "`overrides.service.VpcLatticeConfigurations`",
    ),
    ("service", "ForceNewDeployment", "`longshore restart`"),
    (
        "service",
        "EnableECSManagedTags",
        "`overrides.service.EnableECSManagedTags`",
    ),
    ("service", "Role", "`task_role_arn`"),
    (
        "service",
        "DeploymentCircuitBreaker",
        "`deployment_configuration.",
    ),
    (
        "service",
        "MinimumHealthyPercent",
        "`deployment_configuration.",
    ),
    ("service", "Alarms", "`deployment_configuration."),
    (
        "service",
        "HealthCheckGracePeriod",
        "`health_check_grace_period_seconds`",
    ),
    // Docker Compose
    ("service", "ports", "`target_group`"),
    ("service", "expose", "`container_port`"),
    ("service", "restart", "`restart_policy`"),
    ("service", "deploy", "`desired_count`"),
    ("service", "env_file", "`environment_files`"),
    ("service", "cap_add", "LinuxParameters.Capabilities"),
    ("service", "entrypoint", "`entry_point`"),
    ("service", "working_dir", "`working_directory`"),
    ("service", "mem_limit", "`memory`"),
    ("service", "cpus", "`cpu`"),
    ("service", "network_mode", "awsvpc"),
    ("service", "ipc", "`overrides.task_definition.IpcMode`"),
    ("service", "pid", "`overrides.task_definition.PidMode`"),
    ("service", "group_add", "`user`"),
    ("service", "isolation", "not supported"),
    ("service", "secrets_file", "`secrets`"),
    ("service", "healthcheck", "`health_check`"),
    ("service", "links", "`localhost`"),
    ("service", "depends", "`depends_on`"),
    ("service", "ulimit", "`ulimits`"),
    ("service", "devices", "`gpu`"),
    ("service", "userns_mode", "not supported"),
    ("service", "cgroup_parent", "not supported"),
    ("service", "blkio_config", "not supported"),
    ("service", "oom_score_adj", "not supported"),
    ("service", "oom_kill_disable", "not supported"),
    ("service", "domainname", "DNS"),
    ("service", "mac_address", "network interface"),
    ("service", "post_start", "`sidecars`"),
    ("service", "pre_stop", "`stop_timeout`"),
    ("service", "develop", "CI"),
    ("service", "runtime", "not supported"),
    ("service", "attach", "`log_delivery`"),
    ("service", "stop_signal", "image"),
    ("stack", "version", "no version"),
    ("stack", "networks", "`network`"),
    ("stack", "volumes", "`file_systems`"),
    ("stack", "x-common", "`overrides` or `resources`"),
    ("stack", "include", "anchor"),
    // Copilot
    ("service", "http", "`load_balancer`"),
    ("service", "nlb", "`load_balancer`"),
    ("service", "variables", "`environment`"),
    ("service", "count", "`desired_count`"),
    ("service", "exec", "`enable_execute_command`"),
    ("service", "storage", "`mount_points`"),
    ("service", "publish", "`topics`"),
    ("service", "subscribe", "`queues`"),
    (
        "service",
        "taskdef_overrides",
        "`overrides.task_definition`",
    ),
    ("service", "platform", "`cpu_architecture`"),
    ("service", "on", "`schedules`"),
    ("service", "timeout", "`schedules`"),
    ("service", "retries", "`schedules`"),
    ("service", "observability", "`sidecars`"),
    ("service", "location", "`image`"),
    ("service", "env", "`environment`"),
    ("service", "cdn", "`resources`"),
    ("stack", "cdn", "elsewhere"),
    // CloudFormation's top level and its other resources
    ("stack", "AWSTemplateFormatVersion", "no version"),
    ("stack", "Parameters", "`environments`"),
    ("stack", "Conditions", "`environments`"),
    ("stack", "Transform", "`environments`"),
    ("stack", "Metadata", "comment"),
    ("stack", "Globals", "anchor"),
    (
        "target_group",
        "TargetGroupAttributes",
        "`overrides.target_group.TargetGroupAttributes`",
    ),
    ("target_group", "TargetType", "`ip`"),
    ("target_group", "slow_start", "slow_start.duration_seconds"),
    ("target_group", "Matcher", "`health_check.matcher`"),
    ("target_group", "HealthCheckPath", "`health_check.path`"),
    ("target_group", "VpcId", "`network.vpc_id`"),
    ("target_group", "path", "`path_patterns`"),
    ("target_group", "alias", "`host_headers`"),
    ("target_group", "stickiness", "`stickiness_duration`"),
    ("load_balancer", "Subnets", "`subnet_ids`"),
    (
        "load_balancer",
        "LoadBalancerAttributes",
        "`overrides.load_balancer.LoadBalancerAttributes`",
    ),
    ("load_balancer", "internal", "`scheme`"),
    (
        "load_balancer",
        "http2",
        "`overrides.load_balancer.LoadBalancerAttributes`",
    ),
    ("load_balancer", "WebAclArn", "`LoadBalancerArn`"),
    ("schedule", "FlexibleTimeWindow", "FlexibleTimeWindow"),
    ("schedule", "State", "State"),
    ("schedule", "rate", "`schedule_expression`"),
    ("schedule", "cron", "`schedule_expression`"),
    ("schedule", "Target", "`command`"),
    ("scaling", "requests", "`target_requests_per_task`"),
    ("scaling", "cpu_percentage", "`target_cpu_utilization`"),
    ("scaling", "range", "`min_capacity`"),
    ("scaling", "MaxCapacity", "`max_capacity`"),
    ("scaling", "cooldown", "`scale_in_cooldown`"),
    (
        "scaling",
        "PredictiveScalingPolicyConfiguration",
        "`scheduled`",
    ),
];

fn text(place: &str, key: &str) -> String {
    let head = "name: shop\nnetwork: {vpc_id: vpc-1, subnet_ids: [subnet-1, subnet-2]}\n";
    let service = "services:\n  api:\n    image: \"shop/api:v1\"\n    container_port: 80\n";
    match place {
        "stack" => format!("{head}{service}{key}: x\n"),
        "service" => format!("{head}{service}    {key}: x\n"),
        "load_balancer" => format!(
            "{head}load_balancer: {{{key}: x, subnet_ids: [subnet-1, subnet-2]}}\n{service}"
        ),
        "target_group" => format!(
            "{head}load_balancer: {{subnet_ids: [subnet-1, subnet-2]}}\n{service}    target_group: {{{key}: x}}\n"
        ),
        "schedule" => format!(
            "{head}{service}    schedules: {{nightly: {{{key}: x, schedule_expression: rate(1 day)}}}}\n"
        ),
        "scaling" => format!(
            "{head}{service}    scaling: {{{key}: x, min_capacity: 1, max_capacity: 2, target_cpu_utilization: 70}}\n"
        ),
        other => panic!("{other}"),
    }
}

#[test]
fn a_key_that_people_know_from_elsewhere_is_refused_with_what_says_it_here() {
    let mut wrong = Vec::new();
    for (place, key, expected) in KEYS {
        let problems = support::read_text(&text(place, key))
            .err()
            .unwrap_or_default();
        let Some(problem) = problems.iter().find(|problem| {
            problem.path.ends_with(key) && problem.message.contains("there is no such key")
        }) else {
            // It is read as the key that it is here.
            let is_read = problems
                .iter()
                .all(|problem| !problem.message.contains("there is no such key"));
            if !is_read {
                wrong.push(format!("{place}.{key}: {problems:?}"));
            }
            continue;
        };
        assert!(
            problem.line.is_some() && problem.column.is_some(),
            "{problem:?}"
        );
        if !problem.message.contains(expected) {
            wrong.push(format!(
                "{place}.{key}: {} (not {expected})",
                problem.message
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_has_no_key_anywhere_is_sent_to_the_overrides() {
    for (place, at) in [
        ("service", "`services.<service>.overrides`"),
        ("target_group", "`services.<service>.overrides`"),
        ("stack", "`overrides` or `resources` of the stack"),
    ] {
        let problems = support::read_text(&text(place, "Zebra")).unwrap_err();
        let mut problems = problems.iter();
        let problem = problems.find(|problem| problem.path.ends_with("Zebra"));
        let message = &problem.unwrap().message;
        assert!(
            message.contains("there is no such key") && message.contains(at),
            "{message}"
        );
    }
}
