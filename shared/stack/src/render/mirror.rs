//! The mirror of Homebrew's bottles: what `sync` reads of it, when it is woken for it, and what the tasks
//! that work for it may do and find in their environment.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::spec::{self, BottleDeletion, BottleSync};

use super::iam::{InlinePolicy, Statement};
use super::named::{NamedService, NamedStack};
use super::names::{Kind, Singleton};
use super::role::Role;
use super::scheduler::{FlexibleTimeWindow, RetryPolicy, SchedulerSchedule, Target};
use super::template::{Template, Value, json, part_of_sub};

/// How many tasks transfer a sync's files at most, where the service does not say how far it scales.
const MOST_TASKS: u32 = 10;

/// What `sync` reads in the template; what AWS has made of it is in the outputs. `Settings` has the form
/// of `MirrorSettings` in `longshore-bottles`, which reads it: `tests/fixtures/bottle-sync.json` is what
/// both are held against.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Metadata<'a> {
    settings: Settings<'a>,
    #[serde(flatten)]
    tasks: Option<Tasks<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Settings<'a> {
    deletion: Option<Deletion>,
    index_url: &'a str,
    max_tasks: u32,
    /// Where nothing is said, `sync` knows how long an outage is waited out.
    #[serde(skip_serializing_if = "Option::is_none")]
    outage_patience_minutes: Option<u32>,
    /// Where nothing is said, `sync` knows what brews pin.
    #[serde(skip_serializing_if = "Option::is_none")]
    portable_ruby: Option<&'a [String]>,
    private_hosts: &'a [String],
    raised_throughput_in_mibps: Option<u32>,
    registry_layout: bool,
    selection: Selection<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Selection<'a> {
    exclude_deprecated: bool,
    exclude_disabled: bool,
    formulae: &'a [String],
    platforms: &'a [String],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    with_dependencies: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Deletion {
    grace_days: u32,
    max_files: u32,
    max_share_percent: u32,
}

/// What tasks are started with.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Tasks<'a> {
    assign_public_ip: bool,
    capacity_provider_strategy: Vec<Share<'a>>,
    cpu: u32,
    memory: u32,
    service: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Share<'a> {
    base: u32,
    capacity_provider: &'a str,
    weight: u32,
}

impl<'a> Metadata<'a> {
    /// Nothing for a stack without a mirror.
    pub(super) fn of(named_stack: &NamedStack<'a>) -> Option<Self> {
        let mirror = named_stack.stack.bottle_sync.as_ref()?;
        let named_service = worker(named_stack);
        let max_tasks = named_service.map_or(1, |named_service| {
            let scaling = named_service.spec.scaling.as_ref();
            scaling.map_or(MOST_TASKS, |scaling| scaling.max_capacity)
        });
        let settings = Settings {
            index_url: &mirror.index_url,
            selection: Selection {
                platforms: &mirror.platforms,
                formulae: &mirror.formulae,
                with_dependencies: mirror.with_dependencies,
                exclude_deprecated: mirror.exclude_deprecated,
                exclude_disabled: mirror.exclude_disabled,
            },
            registry_layout: mirror.registry_layout,
            portable_ruby: mirror.portable_ruby.as_deref(),
            deletion: mirror.deletion.as_ref().map(deletion),
            private_hosts: &mirror.private_hosts,
            max_tasks,
            outage_patience_minutes: mirror.outage_patience_minutes,
            raised_throughput_in_mibps: mirror.raised_throughput_in_mibps,
        };
        let tasks = named_service.map(|NamedService { name, spec }| Tasks {
            service: name,
            cpu: spec.cpu,
            memory: spec.memory,
            assign_public_ip: spec.assign_public_ip,
            capacity_provider_strategy: spec
                .capacity_provider_strategy
                .iter()
                .map(|share| Share {
                    capacity_provider: &share.capacity_provider,
                    weight: share.weight,
                    base: share.base,
                })
                .collect(),
        });
        Some(Self { settings, tasks })
    }
}

fn deletion(spec: &BottleDeletion) -> Deletion {
    Deletion {
        grace_days: spec.grace_days,
        max_files: spec.max_files,
        max_share_percent: spec.max_share_percent,
    }
}

/// The service whose tasks work for the mirror.
fn worker<'a>(named_stack: &NamedStack<'a>) -> Option<NamedService<'a>> {
    let name = named_stack.stack.bottle_sync.as_ref()?.service.as_deref()?;
    named_stack
        .members()
        .find(|named_service| named_service.name == name)
}

/// The mirror, if this service's tasks work for it.
fn mirror_of<'a>(
    named_stack: &NamedStack<'a>,
    named_service: NamedService,
) -> Option<&'a BottleSync> {
    let mirror = named_stack.stack.bottle_sync.as_ref()?;
    (mirror.service.as_deref() == Some(named_service.name)).then_some(mirror)
}

pub(super) fn render(named_stack: &NamedStack, template: &mut Template) {
    let Some(mirror) = &named_stack.stack.bottle_sync else {
        return;
    };
    add_outputs(named_stack, template, mirror);
    if let Some(expression) = &mirror.schedule_expression {
        add_schedule(named_stack, template, mirror, expression);
    }
}

fn bucket(mirror: &BottleSync) -> Value {
    Value::Ref(Kind::Bucket.id(&[&mirror.bucket]))
}

fn bucket_arn(mirror: &BottleSync) -> Value {
    Value::GetAtt(Kind::Bucket.id(&[&mirror.bucket]), "Arn")
}

/// What `sync` needs to know of what AWS has made.
fn add_outputs(named_stack: &NamedStack, template: &mut Template, mirror: &BottleSync) {
    let mut add = |name: &str, value| template.add_output(name.to_owned(), value);
    add("BottleSyncBucketName", bucket(mirror));
    let Some(named_service) = worker(named_stack) else {
        return;
    };
    let cluster = Singleton::Cluster.as_str().to_owned();
    add("BottleSyncClusterArn", Value::GetAtt(cluster, "Arn"));
    add(
        "BottleSyncTaskDefinitionFamily",
        Value::written(&named_stack.family(named_service)),
    );
    add(
        "BottleSyncContainerName",
        Value::written(named_service.container_name()),
    );
    let subnets = named_stack.subnet_ids(named_service.spec.subnet_ids.as_ref());
    add("BottleSyncSubnetIds", joined(subnets));
    add(
        "BottleSyncSecurityGroupIds",
        joined(named_service.security_groups()),
    );
    if let Some(file_system) = file_system(named_service) {
        add(
            "BottleSyncFileSystemId",
            Value::Ref(Kind::FileSystem.id(&[file_system])),
        );
    }
}

fn joined(values: Vec<Value>) -> Value {
    Value::Join(",", values)
}

/// The file system that the container finds at `EFS_MOUNT_PATH`: the only one that it mounts.
fn file_system(named_service: NamedService<'_>) -> Option<&str> {
    let mounts = named_service.spec.mount_points.iter();
    let mut mounted = mounts.filter_map(|mount| mount.file_system.as_deref());
    let first = mounted.next()?;
    mounted.next().is_none().then_some(first)
}

/// Wakes `sync` by its name, since it is not of this stack. It refuses any field that it does not know.
fn add_schedule(
    named_stack: &NamedStack,
    template: &mut Template,
    mirror: &BottleSync,
    expression: &str,
) {
    let function = Value::sub(format!(
        "arn:${{AWS::Partition}}:lambda:${{AWS::Region}}:${{AWS::AccountId}}:function:{}",
        part_of_sub(&mirror.function_name)
    ));
    let statements = vec![Statement::allow(
        "WakeFunction",
        ["lambda:InvokeFunction"],
        [function.clone()],
    )];
    let role = Role {
        policies: InlinePolicy::of("wake", statements),
        ..Role::new(named_stack, &["scheduler.amazonaws.com"])
    };
    template.add_one(Singleton::BottleSyncSchedulingRole, &role);
    let input = json(&Input {
        action: "run",
        stack: &named_stack.stack_name,
        schedule_arn: "<aws.scheduler.schedule-arn>",
        scheduled_time: "<aws.scheduler.scheduled-time>",
        execution_id: "<aws.scheduler.execution-id>",
        attempt_number: "<aws.scheduler.attempt-number>",
    });
    let role_id = Singleton::BottleSyncSchedulingRole.as_str().to_owned();
    let schedule = SchedulerSchedule {
        description: format!("updates the mirror of {}", named_stack.stack_name),
        schedule_expression: Value::written(expression),
        schedule_expression_timezone: Value::written(&mirror.schedule_expression_timezone),
        flexible_time_window: FlexibleTimeWindow { mode: "OFF" },
        state: "ENABLED",
        target: Target {
            arn: function,
            role_arn: Value::GetAtt(role_id, "Arn"),
            ecs_parameters: None,
            input: Some(Value::text(input.to_string())),
            retry_policy: RetryPolicy::of(&spec::RetryPolicy::default()),
            dead_letter_config: None,
        },
    };
    template.add_one(Singleton::BottleSyncSchedule, &schedule);
}

/// What `sync` is woken with; EventBridge Scheduler fills in what is in angle brackets.
#[derive(Serialize)]
struct Input<'a> {
    action: &'static str,
    stack: &'a str,
    schedule_arn: &'static str,
    scheduled_time: &'static str,
    execution_id: &'static str,
    attempt_number: &'static str,
}

/// What the tasks of this service need to transfer files into the mirror, if they work for it: no file is
/// deleted by a task, and nothing of the bucket itself is changed.
pub(super) fn statements(named_stack: &NamedStack, named_service: NamedService) -> Vec<Statement> {
    let Some(mirror) = mirror_of(named_stack, named_service) else {
        return Vec::new();
    };
    let objects = Value::sub(format!("${{{}.Arn}}/*", Kind::Bucket.id(&[&mirror.bucket])));
    let bus = part_of_sub(&mirror.event_bus_name);
    vec![
        Statement::allow(
            "TransferFiles",
            ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"],
            [objects],
        ),
        // Without it S3 answers 403 for a file that is missing; a condition on the prefix would take that
        // back, as reading an object carries none.
        Statement::allow(
            "DistinguishMissingFromRefused",
            ["s3:ListBucket"],
            [bucket_arn(mirror)],
        ),
        Statement::allow(
            "PublishShards",
            ["events:PutEvents"],
            [Value::sub(format!(
                "arn:${{AWS::Partition}}:events:${{AWS::Region}}:${{AWS::AccountId}}:event-bus/{bus}"
            ))],
        ),
    ]
}

/// What the containers of this service find in their environment, if they work for the mirror.
pub(super) fn environment(
    named_stack: &NamedStack,
    named_service: NamedService,
) -> BTreeMap<&'static str, Value> {
    let mut values = BTreeMap::new();
    if let Some(mirror) = mirror_of(named_stack, named_service) {
        values.insert("S3_BUCKET_NAME", bucket(mirror));
        values.insert("EVENT_BUS_NAME", Value::written(&mirror.event_bus_name));
        if !mirror.private_hosts.is_empty() {
            values.insert(
                "PRIVATE_SOURCE_HOSTS",
                Value::text(mirror.private_hosts.join(",")),
            );
        }
        if let Some(minutes) = mirror.outage_patience_minutes {
            let seconds = u64::from(minutes) * 60;
            values.insert("OUTAGE_PATIENCE_SECONDS", Value::text(seconds.to_string()));
        }
    }
    values
}
