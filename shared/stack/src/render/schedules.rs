//! Runs of a service's task by the clock.

use serde::Serialize;

use crate::spec::Schedule;

use super::frame::{Frame, Member};
use super::names::{Kind, Singleton};
use super::policy::{InlinePolicy, Statement};
use super::roles::Role;
use super::service::{NetworkConfiguration, Share, network, shares};
use super::storage;
use super::template::{Properties, Template, Value, json, part_of_sub};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SchedulerSchedule {
    pub(super) description: String,
    pub(super) schedule_expression: Value,
    pub(super) schedule_expression_timezone: Value,
    pub(super) flexible_time_window: FlexibleTimeWindow,
    pub(super) state: &'static str,
    pub(super) target: Target,
}

impl Properties for SchedulerSchedule {
    const TYPE: &'static str = "AWS::Scheduler::Schedule";
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct FlexibleTimeWindow {
    pub(super) mode: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Target {
    pub(super) arn: Value,
    pub(super) role_arn: Value,
    pub(super) ecs_parameters: Option<EcsParameters>,
    pub(super) input: Option<Value>,
    pub(super) retry_policy: RetryPolicy,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct EcsParameters {
    task_definition_arn: Value,
    task_count: u32,
    launch_type: Option<&'static str>,
    capacity_provider_strategy: Option<Vec<Share>>,
    network_configuration: NetworkConfiguration,
    enable_execute_command: bool,
    #[serde(rename = "EnableECSManagedTags")]
    enable_ecs_managed_tags: bool,
    propagate_tags: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RetryPolicy {
    maximum_event_age_in_seconds: u32,
    maximum_retry_attempts: u32,
}

impl RetryPolicy {
    /// A run that could not be started for a while is not made up for: the next one comes.
    pub(super) fn until_the_next_run() -> Self {
        Self {
            maximum_event_age_in_seconds: 3600,
            maximum_retry_attempts: 10,
        }
    }
}

/// What of the task definition is different in a run.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Overrides {
    container_overrides: [ContainerOverride; 1],
}

#[derive(Serialize)]
struct ContainerOverride {
    name: String,
    command: Vec<String>,
}

pub(super) fn render(frame: &Frame, template: &mut Template) {
    for member in frame.members() {
        if member.spec.schedules.is_empty() {
            continue;
        }
        add_role(frame, template, member);
        for (name, schedule) in &member.spec.schedules {
            add_schedule(frame, template, member, name, schedule);
        }
    }
}

/// The family without a revision: ECS runs its newest one.
fn task_definition(frame: &Frame, member: Member) -> String {
    let family = part_of_sub(&frame.family(member));
    format!(
        "arn:${{AWS::Partition}}:ecs:${{AWS::Region}}:${{AWS::AccountId}}:task-definition/{family}"
    )
}

fn cluster() -> Value {
    Value::GetAtt(Singleton::Cluster.as_str().to_owned(), "Arn")
}

fn add_role(frame: &Frame, template: &mut Template, member: Member) {
    let family = task_definition(frame, member);
    let tasks = Value::sub(format!(
        "arn:${{AWS::Partition}}:ecs:${{AWS::Region}}:${{AWS::AccountId}}:task/{}/*",
        part_of_sub(&frame.cluster_name)
    ));
    let statements = vec![
        Statement::allow(
            "Run",
            ["ecs:RunTask"],
            [Value::sub(&family), Value::sub(format!("{family}:*"))],
        )
        .when("ArnEquals", "ecs:cluster", [cluster()]),
        Statement::allow("Tag", ["ecs:TagResource"], [tasks]).when(
            "StringEquals",
            "ecs:CreateAction",
            ["RunTask".into()],
        ),
        Statement::allow(
            "PassRoles",
            ["iam:PassRole"],
            [member.execution_role_arn(), member.task_role_arn()],
        )
        .when(
            "StringEquals",
            "iam:PassedToService",
            ["ecs-tasks.amazonaws.com".into()],
        ),
    ];
    let role = Role {
        policies: InlinePolicy::of("run", statements),
        ..Role::new(frame, &["scheduler.amazonaws.com"])
    };
    template.add(Kind::SchedulingRole, &[member.name], &role);
}

fn add_schedule(
    frame: &Frame,
    template: &mut Template,
    member: Member,
    name: &str,
    schedule: &Schedule,
) {
    let strategy = shares(member);
    let mut before = storage::dependencies(frame, member);
    before.push(Kind::TaskDefinition.id(&[member.name]));
    if strategy.is_some() {
        before.push(Singleton::ClusterCapacity.as_str().to_owned());
    }
    let properties = SchedulerSchedule {
        description: format!("{name}: runs {} of {}", member.name, frame.stack_name),
        schedule_expression: Value::written(&schedule.schedule_expression),
        schedule_expression_timezone: Value::written(&schedule.schedule_expression_timezone),
        flexible_time_window: FlexibleTimeWindow { mode: "OFF" },
        state: "ENABLED",
        target: Target {
            arn: cluster(),
            role_arn: Value::GetAtt(Kind::SchedulingRole.id(&[member.name]), "Arn"),
            ecs_parameters: Some(EcsParameters {
                task_definition_arn: Value::sub(task_definition(frame, member)),
                task_count: schedule.task_count,
                launch_type: strategy.is_none().then_some("FARGATE"),
                capacity_provider_strategy: strategy,
                network_configuration: network(frame, member),
                enable_execute_command: member.spec.enable_execute_command,
                enable_ecs_managed_tags: true,
                propagate_tags: "TASK_DEFINITION",
            }),
            input: input(member, schedule),
            retry_policy: RetryPolicy::until_the_next_run(),
        },
    };
    template
        .add(Kind::Schedule, &[member.name, name], &properties)
        .depends_on(before);
}

fn input(member: Member, schedule: &Schedule) -> Option<Value> {
    if schedule.command.is_empty() {
        return None;
    }
    let overrides = Overrides {
        container_overrides: [ContainerOverride {
            name: member.container_name().to_owned(),
            command: schedule.command.clone(),
        }],
    };
    Some(Value::written(&json(&overrides).to_string()))
}
