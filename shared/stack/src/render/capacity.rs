//! EC2 capacity: instances that join the cluster, as many as its tasks need.

use longshore_policy::route::CpuArchitecture;
use serde::Serialize;

use crate::spec::Capacity;

use super::iam::{InlinePolicy, Statement};
use super::named::{NamedStack, group_id};
use super::names::{Kind, Singleton};
use super::network::SecurityGroup;
use super::role::{self, Role};
use super::template::{Properties, Tag, Template, Value};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct InstanceProfile {
    path: &'static str,
    roles: [Value; 1],
}

impl Properties for InstanceProfile {
    const TYPE: &'static str = "AWS::IAM::InstanceProfile";
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct LaunchTemplate {
    launch_template_data: LaunchTemplateData,
    tag_specifications: Option<[TagSpecification; 1]>,
}

impl Properties for LaunchTemplate {
    const TYPE: &'static str = "AWS::EC2::LaunchTemplate";
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct LaunchTemplateData {
    block_device_mappings: [BlockDevice; 1],
    iam_instance_profile: Profile,
    image_id: Value,
    instance_type: Value,
    metadata_options: MetadataOptions,
    security_group_ids: Vec<Value>,
    tag_specifications: Option<Vec<TagSpecification>>,
    user_data: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Profile {
    arn: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MetadataOptions {
    http_endpoint: &'static str,
    http_put_response_hop_limit: u32,
    http_tokens: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct BlockDevice {
    device_name: &'static str,
    ebs: Volume,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Volume {
    delete_on_termination: bool,
    encrypted: bool,
    volume_size: u32,
    volume_type: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TagSpecification {
    resource_type: &'static str,
    tags: Vec<Tag>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AutoScalingGroup {
    default_instance_warmup: u32,
    health_check_grace_period: u32,
    health_check_type: &'static str,
    launch_template: Option<LaunchTemplateVersion>,
    max_size: String,
    metrics_collection: [Granularity; 1],
    // CloudFormation wants these two as texts.
    min_size: String,
    mixed_instances_policy: Option<MixedInstancesPolicy>,
    tags: Vec<GroupTag>,
    #[serde(rename = "VPCZoneIdentifier")]
    vpc_zone_identifier: Vec<Value>,
}

impl Properties for AutoScalingGroup {
    const TYPE: &'static str = "AWS::AutoScaling::AutoScalingGroup";
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct LaunchTemplateVersion {
    launch_template_id: Value,
    version: Value,
}

/// Instances of several types, or of both ways to pay.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MixedInstancesPolicy {
    instances_distribution: InstancesDistribution,
    launch_template: TypesOfLaunchTemplate,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct InstancesDistribution {
    on_demand_allocation_strategy: &'static str,
    on_demand_base_capacity: u32,
    on_demand_percentage_above_base_capacity: u32,
    spot_allocation_strategy: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TypesOfLaunchTemplate {
    launch_template_specification: LaunchTemplateVersion,
    overrides: Vec<OtherType>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct OtherType {
    instance_type: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Granularity {
    granularity: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GroupTag {
    key: String,
    propagate_at_launch: bool,
    value: Value,
}

/// How instances are replaced when the launch template changes.
///
/// CloudFormation carries this out itself, and not the resource's handler. Its role needs, beside the handler's
/// rights, `autoscaling:DescribeScheduledActions`, `SetDesiredCapacity`, `SuspendProcesses`, `ResumeProcesses` and
/// `TerminateInstanceInAutoScalingGroup`, and what describes the group, its instances and its activities: the AWS
/// CloudFormation Template Reference, "UpdatePolicy attribute".
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct UpdatePolicy {
    auto_scaling_rolling_update: RollingUpdate,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RollingUpdate {
    max_batch_size: u32,
    min_instances_in_service: u32,
    pause_time: String,
    suspend_processes: [&'static str; 4],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CapacityProvider {
    auto_scaling_group_provider: AutoScalingGroupProvider,
    name: String,
    tags: Option<Vec<Tag>>,
}

impl Properties for CapacityProvider {
    const TYPE: &'static str = "AWS::ECS::CapacityProvider";
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AutoScalingGroupProvider {
    auto_scaling_group_arn: Value,
    managed_draining: &'static str,
    managed_scaling: ManagedScaling,
    managed_termination_protection: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ManagedScaling {
    instance_warmup_period: u32,
    status: &'static str,
    target_capacity: u32,
}

pub(super) fn render(named_stack: &NamedStack, template: &mut Template) {
    for (name, capacity) in &named_stack.stack.capacity {
        instances(named_stack, template, name, capacity);
        group(named_stack, template, name, capacity);
        provider(named_stack, template, name, capacity);
    }
}

/// How an instance is made: its role, its firewall, its image.
fn instances(named_stack: &NamedStack, template: &mut Template, name: &str, capacity: &Capacity) {
    let role = Role {
        policies: InlinePolicy::of("ecs-agent", agent_statements(named_stack)),
        ..Role::new(named_stack, &["ec2.amazonaws.com"])
    };
    template.add(Kind::InstanceRole, &[name], &role);
    let profile = InstanceProfile {
        path: role::PATH,
        roles: [Value::Ref(Kind::InstanceRole.id(&[name]))],
    };
    template.add(Kind::InstanceProfile, &[name], &profile);

    let security_group_ids = if capacity.security_group_ids.is_empty() {
        let description = format!(
            "Instances of {name} of {}: nothing comes in",
            named_stack.stack_name
        );
        let group = SecurityGroup::new(named_stack, description).with_all_egress();
        template.add(Kind::InstanceSecurityGroup, &[name], &group);
        vec![group_id(Kind::InstanceSecurityGroup.id(&[name]))]
    } else {
        let ids = capacity.security_group_ids.iter();
        ids.map(|id| Value::written(id)).collect()
    };
    let tags_of = |resource_type| {
        let tags = named_stack.tags()?;
        Some(TagSpecification {
            resource_type,
            tags,
        })
    };
    let has_gpus = named_stack.stack.needs_gpus_on(name);
    let launch_template = LaunchTemplate {
        launch_template_data: LaunchTemplateData {
            // EC2 looks the image up when it launches an instance. A parameter or dynamic reference
            // of CloudFormation's would be looked up at each apply, and each new image would then
            // replace every instance.
            image_id: Value::written(&format!(
                "resolve:ssm:{}",
                image_parameter(capacity, has_gpus)
            )),
            // A capacity without a type is refused when its file is checked.
            instance_type: Value::written(capacity.types().next().unwrap_or_default()),
            iam_instance_profile: Profile {
                arn: Value::GetAtt(Kind::InstanceProfile.id(&[name]), "Arn"),
            },
            // One hop, so that what runs in containers does not get at the instance's role.
            metadata_options: MetadataOptions {
                http_endpoint: "enabled",
                http_tokens: "required",
                http_put_response_hop_limit: 1,
            },
            block_device_mappings: [BlockDevice {
                device_name: "/dev/xvda",
                ebs: Volume {
                    encrypted: true,
                    volume_type: "gp3",
                    volume_size: capacity.volume_size,
                    delete_on_termination: true,
                },
            }],
            security_group_ids,
            // The agent is not set to copy the instance's tags to the container instance
            // (ECS_CONTAINER_INSTANCE_PROPAGATE_TAGS_FROM). It would need `ec2:DescribeTags` for that, which
            // can only be allowed for the tags of the whole account, and without it the agent ends before it
            // registers (the agent's README). The instances, which are what is paid for, have the tags.
            user_data: Value::Base64(Box::new(Value::sub(user_data(capacity, has_gpus)))),
            tag_specifications: tags_of("volume").map(|tags| vec![tags]),
        },
        tag_specifications: tags_of("launch-template").map(|tags| [tags]),
    };
    template.add(Kind::LaunchTemplate, &[name], &launch_template);
}

/// How ECS's agent is set: the Amazon ECS Developer Guide, "Amazon ECS container agent configuration".
fn user_data(capacity: &Capacity, has_gpus: bool) -> String {
    let settings = [
        ("ECS_CLUSTER=${Cluster}", true),
        ("ECS_AWSVPC_BLOCK_IMDS=true", true),
        // Tasks stop in the two minutes before EC2 takes an instance back.
        (
            "ECS_ENABLE_SPOT_INSTANCE_DRAINING=true",
            capacity.spot_percentage > 0,
        ),
        ("ECS_ENABLE_GPU_SUPPORT=true", has_gpus),
    ];
    let settings = settings.iter().filter(|(_, is_needed)| *is_needed);
    let settings: String = settings.map(|(line, _)| format!("{line}\n")).collect();
    format!("#!/bin/bash\ncat >> /etc/ecs/ecs.config <<'END'\n{settings}END\n")
}

fn image_parameter(capacity: &Capacity, has_gpus: bool) -> &str {
    let recommended = match capacity.cpu_architecture {
        CpuArchitecture::X86 if has_gpus => {
            "/aws/service/ecs/optimized-ami/amazon-linux-2023/gpu/recommended/image_id"
        }
        CpuArchitecture::X86 => {
            "/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id"
        }
        CpuArchitecture::Arm => {
            "/aws/service/ecs/optimized-ami/amazon-linux-2023/arm64/recommended/image_id"
        }
    };
    capacity
        .image_ssm_parameter
        .as_deref()
        .unwrap_or(recommended)
}

/// What the agent of ECS on an instance may do: join this cluster and report its tasks, and nothing more.
/// Images are pulled and logs written with the tasks' own execution roles.
fn agent_statements(named_stack: &NamedStack) -> Vec<Statement> {
    let cluster = || Value::GetAtt(Singleton::Cluster.as_str().to_owned(), "Arn");
    let instances = Value::sub(format!(
        "arn:${{AWS::Partition}}:ecs:${{AWS::Region}}:${{AWS::AccountId}}:container-instance/{}/*",
        named_stack.cluster_name
    ));
    vec![
        Statement::allow("Discover", ["ecs:DiscoverPollEndpoint"], ["*".into()]),
        Statement::allow(
            "Join",
            [
                "ecs:RegisterContainerInstance",
                "ecs:DeregisterContainerInstance",
            ],
            [cluster()],
        ),
        Statement::allow(
            "Work",
            [
                "ecs:Poll",
                "ecs:StartTelemetrySession",
                "ecs:UpdateContainerInstancesState",
            ],
            [instances],
        )
        .when("ArnEquals", "ecs:cluster", [cluster()]),
        Statement::allow(
            "ReportState",
            [
                "ecs:SubmitTaskStateChange",
                "ecs:SubmitContainerStateChange",
                "ecs:SubmitAttachmentStateChanges",
            ],
            [cluster()],
        ),
    ]
}

fn group(named_stack: &NamedStack, template: &mut Template, name: &str, capacity: &Capacity) {
    let launch_template = Kind::LaunchTemplate.id(&[name]);
    let tags = named_stack.tags().unwrap_or_default().into_iter();
    let instance_name = Tag {
        key: "Name".to_owned(),
        value: Value::text(format!("{}-{name}", named_stack.stack_name)),
    };
    // The capacity provider puts this one on the group; without it here, it would be drift.
    let managed = Tag {
        key: "AmazonECSManaged".to_owned(),
        value: Value::from("true"),
    };
    let mut tags: Vec<Tag> = tags.filter(|tag| tag.key != "Name").collect();
    tags.extend([instance_name, managed]);
    let version = LaunchTemplateVersion {
        launch_template_id: Value::Ref(launch_template.clone()),
        version: Value::GetAtt(launch_template, "LatestVersionNumber"),
    };
    let (launch_template, mixed_instances_policy) = if capacity.is_mixed() {
        (None, Some(mixed(capacity, version)))
    } else {
        (Some(version), None)
    };
    let group = AutoScalingGroup {
        min_size: capacity.min_size.to_string(),
        max_size: capacity.max_size.to_string(),
        vpc_zone_identifier: named_stack.subnet_ids(capacity.subnet_ids.as_ref()),
        launch_template,
        mixed_instances_policy,
        health_check_type: "EC2",
        health_check_grace_period: 60,
        default_instance_warmup: capacity.instance_warmup_period,
        metrics_collection: [Granularity {
            granularity: "1Minute",
        }],
        tags: tags
            .into_iter()
            .map(|tag| GroupTag {
                key: tag.key,
                value: tag.value,
                propagate_at_launch: true,
            })
            .collect(),
    };
    let update = UpdatePolicy {
        auto_scaling_rolling_update: RollingUpdate {
            max_batch_size: 1,
            // A new instance has joined the cluster before the next one goes.
            pause_time: format!("PT{}S", capacity.instance_warmup_period),
            min_instances_in_service: capacity.min_size.min(capacity.max_size.saturating_sub(1)),
            suspend_processes: [
                "AZRebalance",
                "AlarmNotification",
                "ReplaceUnhealthy",
                "ScheduledActions",
            ],
        },
    };
    template
        .add(Kind::AutoScalingGroup, &[name], &group)
        .update_policy(&update);
}

fn mixed(capacity: &Capacity, version: LaunchTemplateVersion) -> MixedInstancesPolicy {
    let types = capacity.types().map(|instance_type| OtherType {
        instance_type: Value::written(instance_type),
    });
    MixedInstancesPolicy {
        instances_distribution: InstancesDistribution {
            on_demand_allocation_strategy: "prioritized",
            on_demand_base_capacity: capacity.on_demand_base_capacity,
            on_demand_percentage_above_base_capacity: 100u32
                .saturating_sub(capacity.spot_percentage),
            spot_allocation_strategy: capacity.spot_allocation_strategy.as_str(),
        },
        launch_template: TypesOfLaunchTemplate {
            launch_template_specification: version,
            overrides: types.collect(),
        },
    }
}

fn provider(named_stack: &NamedStack, template: &mut Template, name: &str, capacity: &Capacity) {
    let provider = CapacityProvider {
        // Named here, because names that begin with `aws`, `ecs` or `fargate` are refused, and
        // CloudFormation would begin it with the stack's.
        name: format!("longshore-{}-{name}", named_stack.stack_name),
        auto_scaling_group_provider: AutoScalingGroupProvider {
            auto_scaling_group_arn: Value::Ref(Kind::AutoScalingGroup.id(&[name])),
            managed_scaling: ManagedScaling {
                status: "ENABLED",
                target_capacity: capacity.target_capacity,
                instance_warmup_period: capacity.instance_warmup_period,
            },
            managed_draining: "ENABLED",
            // Draining already moves tasks away from an instance that goes. Protection would stay on the
            // instances when the provider is deleted, and keep the stack from being deleted
            // (https://github.com/aws/containers-roadmap/issues/2862).
            managed_termination_protection: "DISABLED",
        },
        tags: named_stack.tags(),
    };
    template.add(Kind::CapacityProvider, &[name], &provider);
}
