//! What overrides and further resources cannot say, and why.

/// The types of resources that a stack file may add: the role that CloudFormation works with may make them, and
/// nothing of another stack can be reached by them.
pub(super) const FURTHER_TYPES: [&str; 10] = [
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::CloudWatch::Alarm",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::ElasticLoadBalancingV2::Listener",
    "AWS::ElasticLoadBalancingV2::ListenerCertificate",
    "AWS::ElasticLoadBalancingV2::ListenerRule",
    "AWS::ElasticLoadBalancingV2::TargetGroup",
    "AWS::Logs::LogGroup",
];

const NOT_GRANTED: &str = "the role that CloudFormation works with has no right to set it";
const TAGS: &str = "use the stack's `tags`; every resource gets them";
const OWN_NAME: &str = "Longshore and its permissions know the resource by its name";
const NO_NAME: &str = "CloudFormation gives it a name of its own, which no other stack has";
const OF_THE_INSTANCE: &str =
    "a container that reaches the instance has the rights of every task there";

const OF_OWN_NETWORK: &str =
    "ECS refuses it for tasks with a network interface of their own (awsvpc)";

/// By type, properties that an override cannot change, with the reason or what to use.
const OF_OVERRIDES: &[(&str, &[(&str, &str)])] = &[
    (
        "AWS::ECS::TaskDefinition",
        &[
            ("Family", "use `family`"),
            ("InferenceAccelerators", "containers have none, only `gpu`"),
            ("Cpu", "use `cpu`"),
            ("Memory", "use `memory`"),
            (
                "NetworkMode",
                "each task has a network interface of its own, which target groups and security groups \
                             are made for",
            ),
            (
                "RequiresCompatibilities",
                "use `capacity_provider_strategy`",
            ),
            (
                "RuntimePlatform.CpuArchitecture",
                "use `cpu_architecture`, by which Longshore chooses images",
            ),
            ("EphemeralStorage", "use `ephemeral_storage_size_in_gib`"),
            ("TaskRoleArn", "use `task_role_arn`"),
            ("ExecutionRoleArn", "use `execution_role_arn`"),
            ("Volumes.Host", OF_THE_INSTANCE),
            ("Volumes.DockerVolumeConfiguration", OF_THE_INSTANCE),
            (
                "ContainerDefinitions.Name",
                "use `container_name`, or the key in `sidecars`",
            ),
            (
                "ContainerDefinitions.Image",
                "use `image`; deployments replace it",
            ),
            (
                "ContainerDefinitions.Essential",
                "the service's own container is essential; for another one, use \
                                                `sidecars.<name>.essential`",
            ),
            ("ContainerDefinitions.EntryPoint", "use `entry_point`"),
            ("ContainerDefinitions.Command", "use `command`"),
            (
                "ContainerDefinitions.WorkingDirectory",
                "use `working_directory`",
            ),
            ("ContainerDefinitions.User", "use `user`"),
            ("ContainerDefinitions.Environment", "use `environment`"),
            (
                "ContainerDefinitions.Secrets",
                "use `secrets`, for which the execution role gets its rights",
            ),
            ("ContainerDefinitions.MountPoints", "use `mount_points`"),
            ("ContainerDefinitions.HealthCheck", "use `health_check`"),
            ("ContainerDefinitions.StopTimeout", "use `stop_timeout`"),
            ("ContainerDefinitions.DependsOn", "use `depends_on`"),
            (
                "ContainerDefinitions.ReadonlyRootFilesystem",
                "use `readonly_root_filesystem`",
            ),
            (
                "ContainerDefinitions.LogConfiguration",
                "`longshore logs` and the records of deployments read the \
                                                       service's log group; use a log router among the `sidecars` \
                                                       and `log_options`",
            ),
            (
                "ContainerDefinitions.FirelensConfiguration",
                "use `sidecars.<name>.firelens_configuration`",
            ),
            ("ContainerDefinitions.Privileged", OF_THE_INSTANCE),
            // The Amazon ECS API Reference, ContainerDefinition: not with the network mode `awsvpc`.
            ("ContainerDefinitions.Hostname", OF_OWN_NETWORK),
            ("ContainerDefinitions.DnsServers", OF_OWN_NETWORK),
            ("ContainerDefinitions.DnsSearchDomains", OF_OWN_NETWORK),
            ("ContainerDefinitions.ExtraHosts", OF_OWN_NETWORK),
            ("ContainerDefinitions.Links", OF_OWN_NETWORK),
            ("ContainerDefinitions.DisableNetworking", OF_OWN_NETWORK),
            ("ContainerDefinitions.Ulimits", "use `ulimits`"),
            ("ContainerDefinitions.DockerLabels", "use `docker_labels`"),
            (
                "ContainerDefinitions.EnvironmentFiles",
                "use `environment_files`, for which the execution role gets its rights",
            ),
            ("ContainerDefinitions.StartTimeout", "use `start_timeout`"),
            ("ContainerDefinitions.RestartPolicy", "use `restart_policy`"),
            (
                "ContainerDefinitions.RepositoryCredentials",
                "use `repository_credentials`, for which the execution role gets its rights",
            ),
            ("ContainerDefinitions.ResourceRequirements", "use `gpu`"),
            (
                "ContainerDefinitions.LinuxParameters.InitProcessEnabled",
                "use `linux_parameters.init_process_enabled`",
            ),
            (
                "ContainerDefinitions.LinuxParameters.SharedMemorySize",
                "use `linux_parameters.shared_memory_size`",
            ),
            (
                "ContainerDefinitions.DockerSecurityOptions",
                OF_THE_INSTANCE,
            ),
            (
                "ContainerDefinitions.LinuxParameters.Devices",
                OF_THE_INSTANCE,
            ),
        ],
    ),
    (
        "AWS::ECS::Service",
        &[
            ("ServiceName", "use `service_name`"),
            ("Cluster", "a stack's services run in its own cluster"),
            ("TaskDefinition", "deployments change it"),
            ("DesiredCount", "use `desired_count` or `scaling`"),
            ("LaunchType", "use `capacity_provider_strategy`"),
            ("SchedulingStrategy", "use `scheduling_strategy`"),
            ("PlacementStrategies", "use `placement_strategies`"),
            ("PlacementConstraints", "use `placement_constraints`"),
            (
                "CapacityProviderStrategy",
                "use `capacity_provider_strategy`",
            ),
            (
                "NetworkConfiguration",
                "use `subnet_ids`, `security_group_ids` and `assign_public_ip`",
            ),
            (
                "HealthCheckGracePeriodSeconds",
                "use `health_check_grace_period_seconds`",
            ),
            ("DeploymentConfiguration", "use `deployment_configuration`"),
            (
                "DeploymentController",
                "Longshore reads what has become of a deployment from ECS's own controller",
            ),
            (
                "ForceNewDeployment",
                "each apply would be a deployment; use `longshore deploy`",
            ),
            ("EnableExecuteCommand", "use `enable_execute_command`"),
            (
                "AvailabilityZoneRebalancing",
                "use `availability_zone_rebalancing`",
            ),
            ("EnableECSManagedTags", "the tasks' tags say whose they are"),
            ("PropagateTags", "the tasks' tags say whose they are"),
            ("ServiceRegistries", "use `service_discovery`"),
            ("Role", "ECS uses its service-linked role"),
        ],
    ),
    (
        "AWS::ECS::Cluster",
        &[
            ("ClusterName", "use `cluster.cluster_name`"),
            ("ClusterSettings", "use `cluster.container_insights`"),
            ("CapacityProviders", "use `capacity`"),
            (
                "DefaultCapacityProviderStrategy",
                "use `capacity_provider_strategy` of each service",
            ),
        ],
    ),
    (
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
        &[
            ("Name", OWN_NAME),
            ("Scheme", "use `load_balancer.scheme`"),
            ("Subnets", "use `load_balancer.subnet_ids`"),
            ("SubnetMappings", "use `load_balancer.subnet_ids`"),
            ("SecurityGroups", "use `load_balancer.security_group_ids`"),
            ("IpAddressType", "use `load_balancer.ip_address_type`"),
            ("Ipv4IpamPoolId", NOT_GRANTED),
            ("MinimumLoadBalancerCapacity", NOT_GRANTED),
        ],
    ),
    (
        "AWS::ElasticLoadBalancingV2::Listener",
        &[
            (
                "LoadBalancerArn",
                "it is a listener of the stack's own load balancer",
            ),
            ("Certificates", "use `load_balancer.certificate_arns`"),
            ("SslPolicy", "use `load_balancer.ssl_policy`"),
        ],
    ),
    (
        "AWS::ElasticLoadBalancingV2::ListenerRule",
        &[
            ("ListenerArn", "it is a rule of the stack's own listener"),
            ("Priority", "use `target_group.priority`"),
        ],
    ),
    (
        "AWS::ElasticLoadBalancingV2::TargetGroup",
        &[
            ("Name", OWN_NAME),
            ("Port", "use `container_port`"),
            ("TargetType", "ECS registers the addresses of tasks"),
            ("Targets", "ECS registers the tasks"),
            ("VpcId", "use `network.vpc_id`"),
            ("IpAddressType", NOT_GRANTED),
        ],
    ),
    ("AWS::Logs::LogGroup", LOG_GROUP),
    (
        "AWS::ServiceDiscovery::Service",
        &[
            ("Name", OWN_NAME),
            ("NamespaceId", "use the stack's `service_discovery`"),
            (
                "DnsConfig.NamespaceId",
                "use the stack's `service_discovery`",
            ),
        ],
    ),
    (
        "AWS::ApplicationAutoScaling::ScalableTarget",
        &[
            ("MinCapacity", "use `scaling.min_capacity`"),
            ("MaxCapacity", "use `scaling.max_capacity`"),
            ("ResourceId", "it is the service"),
            ("ScalableDimension", "it is the service's number of tasks"),
            ("ServiceNamespace", "it is the service"),
            ("ScheduledActions", "use `scaling.scheduled`"),
        ],
    ),
    (
        "AWS::ApplicationAutoScaling::ScalingPolicy",
        &[
            ("PolicyName", OWN_NAME),
            ("ScalingTargetId", "it scales the service"),
            ("ResourceId", "it scales the service"),
            ("ScalableDimension", "it scales the service"),
            ("ServiceNamespace", "it scales the service"),
        ],
    ),
    ("AWS::CloudWatch::Alarm", &[("AlarmName", OWN_NAME)]),
    (
        "AWS::EFS::FileSystem",
        &[
            ("Encrypted", "file systems are encrypted"),
            ("KmsKeyId", "use `kms_key_id`"),
            (
                "FileSystemPolicy",
                "rights are those of the services that mount it",
            ),
            (
                "BypassPolicyLockoutSafetyCheck",
                "rights are those of the services that mount it",
            ),
            ("ReplicationConfiguration", NOT_GRANTED),
        ],
    ),
    (
        "AWS::AutoScaling::AutoScalingGroup",
        &[
            ("AutoScalingGroupName", OWN_NAME),
            ("DeletionProtection", "the stack could not be destroyed"),
            (
                "NewInstancesProtectedFromScaleIn",
                "instances that are protected keep the stack from being destroyed",
            ),
            ("MinSize", "use `min_size`"),
            ("MaxSize", "use `max_size`"),
            ("VPCZoneIdentifier", "use `subnet_ids` of the capacity"),
            (
                "LaunchConfigurationName",
                "its instances start from the launch template of the capacity",
            ),
            (
                "InstanceId",
                "its instances start from the launch template of the capacity",
            ),
            (
                "MixedInstancesPolicy.LaunchTemplate.Overrides.ImageId",
                "use `image_ssm_parameter`",
            ),
            ("TargetGroupARNs", NOT_GRANTED),
            ("LoadBalancerNames", NOT_GRANTED),
            ("TrafficSources", NOT_GRANTED),
            ("NotificationConfiguration", NOT_GRANTED),
            ("NotificationConfigurations", NOT_GRANTED),
            ("LifecycleHookSpecificationList", NOT_GRANTED),
        ],
    ),
    (
        "AWS::Scheduler::Schedule",
        &[
            ("Name", OWN_NAME),
            ("GroupName", OWN_NAME),
            ("ScheduleExpression", "use `schedule_expression`"),
            (
                "ScheduleExpressionTimezone",
                "use `schedule_expression_timezone`",
            ),
            ("Target.Arn", "it starts a task of the service"),
            (
                "Target.DeadLetterConfig",
                "by it Longshore learns of runs that could not begin, and the schedule's role may send to no other queue",
            ),
            ("Target.Input", "use `command`"),
            (
                "Target.EcsParameters.TaskDefinitionArn",
                "it starts a task of the service",
            ),
            ("Target.EcsParameters.TaskCount", "use `task_count`"),
            (
                "Target.EcsParameters.Group",
                "by it Longshore knows whose the task is",
            ),
            (
                "Target.EcsParameters.NetworkConfiguration",
                "it is the service's",
            ),
        ],
    ),
];

const LOG_GROUP: &[(&str, &str)] = &[
    ("LogGroupName", OWN_NAME),
    (
        "LogGroupClass",
        "`longshore logs` reads groups of the class STANDARD only",
    ),
    ("DataProtectionPolicy", NOT_GRANTED),
    ("FieldIndexPolicies", NOT_GRANTED),
    (
        "ResourcePolicyDocument",
        "it would let others write to it or read it",
    ),
    ("BearerTokenAuthenticationEnabled", NOT_GRANTED),
    ("DeletionProtectionEnabled", NOT_GRANTED),
];

/// By type, properties that a further resource cannot have.
const OF_FURTHER: &[(&str, &[(&str, &str)])] = &[
    (
        "AWS::ApplicationAutoScaling::ScalingPolicy",
        &[
            (
                "ResourceId",
                "use `ScalingTargetId`, with the scalable target of a service",
            ),
            (
                "ScalableDimension",
                "use `ScalingTargetId`, with the scalable target of a service",
            ),
            (
                "ServiceNamespace",
                "use `ScalingTargetId`, with the scalable target of a service",
            ),
        ],
    ),
    ("AWS::CloudWatch::Alarm", &[("AlarmName", NO_NAME)]),
    ("AWS::EC2::SecurityGroup", &[("GroupName", NO_NAME)]),
    (
        "AWS::EC2::SecurityGroupIngress",
        &[(
            "GroupName",
            "use `GroupId`, with a security group of this stack",
        )],
    ),
    (
        "AWS::ElasticLoadBalancingV2::TargetGroup",
        &[
            ("Name", NO_NAME),
            ("Targets", "ECS registers the tasks"),
            ("IpAddressType", NOT_GRANTED),
        ],
    ),
    (
        "AWS::Logs::LogGroup",
        &[
            ("DataProtectionPolicy", NOT_GRANTED),
            ("FieldIndexPolicies", NOT_GRANTED),
            (
                "ResourcePolicyDocument",
                "it would let others write to it or read it",
            ),
            ("BearerTokenAuthenticationEnabled", NOT_GRANTED),
            ("DeletionProtectionEnabled", NOT_GRANTED),
        ],
    ),
];

/// Why an override cannot change a property, given as its path of names.
pub(super) fn refusal(resource_type: &str, property: &str) -> Option<&'static str> {
    among(OF_OVERRIDES, resource_type, |refused| refused == property)
}

/// Why an override cannot remove a property: as a whole it may be one that can be changed, but not all that is in it.
pub(super) fn refusal_of_removal(resource_type: &str, property: &str) -> Option<&'static str> {
    among(OF_OVERRIDES, resource_type, |refused| {
        refused
            .strip_prefix(property)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// Why a further resource cannot have a property.
pub(super) fn refusal_of_further(resource_type: &str, property: &str) -> Option<&'static str> {
    among(OF_FURTHER, resource_type, |refused| refused == property)
}

fn among(
    table: &[(&str, &[(&str, &'static str)])],
    resource_type: &str,
    is_meant: impl Fn(&str) -> bool,
) -> Option<&'static str> {
    let (_, properties) = table.iter().find(|(name, _)| *name == resource_type)?;
    let refused = properties.iter().find(|(name, _)| is_meant(name));
    refused.map(|(_, why)| *why)
}

/// Why an override cannot change an attribute of a list of attributes.
pub(super) fn refusal_of_attribute(key: &str) -> Option<&'static str> {
    match key {
        "access_logs.s3.bucket" | "access_logs.s3.enabled" | "access_logs.s3.prefix" => {
            Some("use `load_balancer.access_logs_bucket`")
        }
        "deletion_protection.enabled" => Some("use `load_balancer.deletion_protection`"),
        _ => None,
    }
}

/// Why no property of this name can be set, wherever it is.
pub(super) fn refusal_of_name(name: &str) -> Option<&'static str> {
    let lowercase = name.to_ascii_lowercase();
    if lowercase.ends_with("rolearn") && !matches!(name, "TaskRoleArn" | "ExecutionRoleArn") {
        return Some(
            "a stack file gives roles to tasks only, with `task_role_arn` and `execution_role_arn`",
        );
    }
    match name {
        "IamInstanceProfile" => Some("instances have the role of their capacity"),
        "LaunchTemplateName" => Some("name a launch template of this stack by `LaunchTemplateId`"),
        "ClientSecret" | "SecretString" => Some("a template does not hold secrets"),
        "FileSystemTags" | "Tags" | "TagSpecifications" => Some(TAGS),
        _ => None,
    }
}

/// What to use where a stack file cannot add a type.
pub(super) fn instead_of(resource_type: &str) -> Option<&'static str> {
    Some(match resource_type {
        "AWS::ApplicationAutoScaling::ScalableTarget" => "use `scaling` of a service",
        "AWS::AutoScaling::AutoScalingGroup"
        | "AWS::EC2::LaunchTemplate"
        | "AWS::ECS::CapacityProvider" => "use `capacity`",
        "AWS::EFS::AccessPoint" | "AWS::EFS::FileSystem" | "AWS::EFS::MountTarget" => {
            "use `file_systems`"
        }
        "AWS::Events::Rule" => {
            "its targets could be other stacks'; use `schedules`, or make the rule elsewhere"
        }
        "AWS::Route53::RecordSet" => {
            "other names of the zone could be taken; use `load_balancer.dns`, or make the record where the zone is, with \
             the outputs `LoadBalancerDnsName` and `LoadBalancerZoneId`"
        }
        "AWS::S3::Bucket" => "use `buckets`",
        "AWS::SQS::Queue" => "use `queues`",
        "AWS::SNS::Topic" | "AWS::SNS::Subscription" => "use `topics`",
        "AWS::Scheduler::Schedule" => "use `schedules` of a service",
        "AWS::SecretsManager::Secret" => "use `secrets` of a service",
        "AWS::ServiceDiscovery::PrivateDnsNamespace" | "AWS::ServiceDiscovery::Service" => {
            "use `service_discovery`"
        }
        _ if resource_type.starts_with("AWS::IAM::") => {
            "rights are those of a service; use its `task_role_statements`, or name a role with `task_role_arn`"
        }
        _ if resource_type.starts_with("AWS::ECS::") => "use `services` and `cluster`",
        _ if resource_type.starts_with("AWS::KMS::") => {
            "make the key elsewhere and name it, with `kms_key_id` and the like"
        }
        _ if resource_type.starts_with("AWS::CloudFormation::")
            || resource_type.starts_with("Custom::") =>
        {
            "it would run code or other templates with rights that no stack has"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::properties::{Expected, of_type};

    #[test]
    fn what_is_refused_exists() {
        for (resource_type, properties) in OF_OVERRIDES.iter().chain(OF_FURTHER) {
            for (path, _) in *properties {
                let mut property = of_type(resource_type).unwrap();
                for name in path.split('.') {
                    if let Expected::List(item) = property.expected() {
                        property = item;
                    }
                    let Expected::Fields(fields) = property.expected() else {
                        panic!("{resource_type}: {path}");
                    };
                    let schema = fields.get(name);
                    let schema = schema.unwrap_or_else(|| panic!("{resource_type}: {path}"));
                    property = property.field(schema);
                }
            }
        }
    }

    #[test]
    fn what_can_be_added_has_known_properties() {
        for name in FURTHER_TYPES {
            assert!(of_type(name).is_some(), "{name}");
            assert_eq!(instead_of(name), None, "{name}");
        }
    }
}
