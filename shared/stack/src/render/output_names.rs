//! The names of outputs: what a person reads, and what CloudFormation takes.

/// What the stack has one of: the name that a person reads, and the output's.
pub(crate) const OF_STACK: [(&str, &str); 9] = [
    ("cluster_name", "ClusterName"),
    ("cluster_arn", "ClusterArn"),
    ("cluster_id", "ClusterArn"),
    ("load_balancer_dns_name", "LoadBalancerDnsName"),
    ("load_balancer_arn", "LoadBalancerArn"),
    ("load_balancer_zone_id", "LoadBalancerZoneId"),
    (
        "load_balancer_security_group_id",
        "LoadBalancerSecurityGroupId",
    ),
    ("namespace_id", "NamespaceId"),
    ("events_log_group_name", "EventsLogGroupName"),
];

/// What each service has. The service's name follows in the output's.
pub(crate) const OF_SERVICE: [(&str, &str); 14] = [
    ("service_name", "ServiceName"),
    ("service_arn", "ServiceArn"),
    ("service_id", "ServiceArn"),
    ("task_definition_arn", "TaskDefinitionArn"),
    ("task_definition_family", "TaskDefinitionFamily"),
    ("task_definition_revision", "TaskDefinitionRevision"),
    ("container_name", "ContainerName"),
    ("log_group_name", "LogGroupName"),
    ("log_group_arn", "LogGroupArn"),
    ("security_group_id", "SecurityGroupId"),
    ("task_execution_role_arn", "TaskExecutionRoleArn"),
    ("task_role_arn", "TaskRoleArn"),
    ("target_group_arn", "TargetGroupArn"),
    (
        "auto_scaling_target_resource_id",
        "AutoScalingTargetResourceId",
    ),
];

/// What each file system has.
pub(crate) const OF_FILE_SYSTEM: [(&str, &str); 2] = [
    ("efs_file_system_id", "FileSystemId"),
    ("efs_file_system_arn", "FileSystemArn"),
];

/// What each access point has; the file system's name and its own follow.
pub(crate) const OF_ACCESS_POINT: [(&str, &str); 2] = [
    ("efs_access_point_id", "AccessPointId"),
    ("efs_access_point_arn", "AccessPointArn"),
];

/// What each bucket has.
pub(crate) const OF_BUCKET: [(&str, &str); 2] =
    [("bucket_name", "BucketName"), ("bucket_arn", "BucketArn")];

/// What each capacity has.
pub(crate) const OF_CAPACITY: [(&str, &str); 2] = [
    ("asg_name", "AutoScalingGroupName"),
    ("capacity_provider_name", "CapacityProviderName"),
];

/// The output that lists what the stack file adds.
pub(crate) const FURTHER: &str = "Outputs";

/// Whether an output's name is one that Longshore may give to an output of its own, now or when something is added.
pub(crate) fn is_reserved(name: &str) -> bool {
    const LISTS: [&str; 6] = [
        "AccessPoints",
        "Buckets",
        "Capacity",
        "FileSystems",
        FURTHER,
        "Services",
    ];
    let is_list = |list: &&str| {
        name.strip_prefix(list)
            .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let of_many = OF_SERVICE
        .iter()
        .chain(&OF_FILE_SYSTEM)
        .chain(&OF_ACCESS_POINT)
        .chain(&OF_BUCKET)
        .chain(&OF_CAPACITY);
    LISTS.iter().any(is_list)
        || OF_STACK.iter().any(|(_, output)| name == *output)
        || of_many
            .into_iter()
            .any(|(_, output)| name.starts_with(output))
}
