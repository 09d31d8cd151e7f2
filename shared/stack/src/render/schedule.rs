//! Runs of a service's task by the clock.

use longshore_events::ecs::{RUN_LIMITS, group_of_scheduled};
use serde::Serialize;

use crate::spec::Schedule;

use super::iam::{InlinePolicy, Statement};
use super::named::{NamedService, NamedStack};
use super::names::{Kind, Singleton};
use super::placement::{network, shares};
use super::role::Role;
use super::scheduler::{
    DeadLetterConfig, EcsParameters, FlexibleTimeWindow, RetryPolicy, SchedulerSchedule, Target,
};
use super::storage;
use super::template::{Template, Value, json, part_of_sub};

/// What of the task definition is different in a run.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Overrides<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    container_overrides: Option<[ContainerOverride<'a>; 1]>,
    // ECS wants these two as texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<String>,
}

#[derive(Serialize)]
struct ContainerOverride<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    command: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    environment: Vec<VariableOverride<'a>>,
}

#[derive(Serialize)]
struct VariableOverride<'a> {
    name: &'a str,
    value: &'a str,
}

pub(super) fn render(named_stack: &NamedStack, template: &mut Template) {
    for named_service in named_stack.members() {
        if named_service.spec.schedules.is_empty() {
            continue;
        }
        add_role(named_stack, template, named_service);
        for (name, schedule) in &named_service.spec.schedules {
            add_schedule(named_stack, template, named_service, name, schedule);
        }
    }
}

/// The family without a revision: ECS runs its newest one.
fn task_definition(named_stack: &NamedStack, named_service: NamedService) -> String {
    let family = part_of_sub(&named_stack.family(named_service));
    format!(
        "arn:${{AWS::Partition}}:ecs:${{AWS::Region}}:${{AWS::AccountId}}:task-definition/{family}"
    )
}

fn cluster() -> Value {
    Value::GetAtt(Singleton::Cluster.as_str().to_owned(), "Arn")
}

/// The queue from which `watch` learns of runs that could not begin.
fn dead_letters(named_stack: &NamedStack) -> Option<Value> {
    let queue = named_stack.context.dead_letters_of_schedules()?;
    Some(Value::sub(format!(
        "arn:${{AWS::Partition}}:sqs:${{AWS::Region}}:${{AWS::AccountId}}:{queue}"
    )))
}

fn add_role(named_stack: &NamedStack, template: &mut Template, named_service: NamedService) {
    let family = task_definition(named_stack, named_service);
    let tasks = Value::sub(format!(
        "arn:${{AWS::Partition}}:ecs:${{AWS::Region}}:${{AWS::AccountId}}:task/{}/*",
        part_of_sub(&named_stack.cluster_name)
    ));
    let mut statements = vec![
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
            [
                named_service.execution_role_arn(),
                named_service.task_role_arn(),
            ],
        )
        .when(
            "StringEquals",
            "iam:PassedToService",
            ["ecs-tasks.amazonaws.com".into()],
        ),
    ];
    // EventBridge Scheduler sends to the queue with the schedule's role: the EventBridge Scheduler User Guide,
    // "Configuring a schedule's dead-letter queue".
    let queue = dead_letters(named_stack);
    statements.extend(
        queue.map(|queue| Statement::allow("KeepRefusedRuns", ["sqs:SendMessage"], [queue])),
    );
    let role = Role {
        policies: InlinePolicy::of("run", statements),
        ..Role::new(named_stack, &["scheduler.amazonaws.com"])
    };
    template.add(Kind::SchedulingRole, &[named_service.name], &role);
}

fn add_schedule(
    named_stack: &NamedStack,
    template: &mut Template,
    named_service: NamedService,
    name: &str,
    schedule: &Schedule,
) {
    let strategy = shares(named_service);
    let mut before = storage::dependencies(named_stack, named_service);
    before.push(Kind::TaskDefinition.id(&[named_service.name]));
    if strategy.is_some() {
        before.push(Singleton::ClusterCapacity.as_str().to_owned());
    }
    let properties = SchedulerSchedule {
        description: format!(
            "{name}: runs {} of {}",
            named_service.name, named_stack.stack_name
        ),
        schedule_expression: Value::written(&schedule.schedule_expression),
        schedule_expression_timezone: Value::written(&schedule.schedule_expression_timezone),
        flexible_time_window: FlexibleTimeWindow { mode: "OFF" },
        state: "ENABLED",
        target: Target {
            arn: cluster(),
            role_arn: Value::GetAtt(Kind::SchedulingRole.id(&[named_service.name]), "Arn"),
            ecs_parameters: Some(EcsParameters {
                task_definition_arn: Value::sub(task_definition(named_stack, named_service)),
                task_count: schedule.task_count,
                launch_type: strategy.is_none().then_some("FARGATE"),
                capacity_provider_strategy: strategy,
                network_configuration: network(named_stack, named_service),
                enable_execute_command: named_service.spec.enable_execute_command,
                enable_ecs_managed_tags: true,
                group: group_of_scheduled(&named_stack.stack_name, named_service.name, name),
                propagate_tags: "TASK_DEFINITION",
            }),
            input: input(named_stack, named_service, schedule),
            retry_policy: RetryPolicy::of(&schedule.retry_policy),
            dead_letter_config: dead_letters(named_stack).map(|arn| DeadLetterConfig { arn }),
        },
    };
    template
        .add(Kind::Schedule, &[named_service.name, name], &properties)
        .depends_on(before);
}

fn input(
    named_stack: &NamedStack,
    named_service: NamedService,
    schedule: &Schedule,
) -> Option<Value> {
    let limits = schedule.limits(&named_stack.ecs_service_name(named_service));
    let limits = limits.map(|limits| limits.to_string());
    let environment = schedule.environment.iter();
    let environment = environment.map(|(name, value)| VariableOverride {
        name,
        value: value.as_str(),
    });
    // The event of a task has the variables that it was started with, and so `watch` has the limits.
    let limits = limits.as_deref().map(|value| VariableOverride {
        name: RUN_LIMITS,
        value,
    });
    let container = ContainerOverride {
        name: named_service.container_name(),
        command: &schedule.command,
        environment: environment.chain(limits).collect(),
    };
    let has_container = !container.command.is_empty() || !container.environment.is_empty();
    let overrides = Overrides {
        container_overrides: has_container.then_some([container]),
        cpu: schedule.cpu.map(|cpu| cpu.to_string()),
        memory: schedule.memory.map(|memory| memory.to_string()),
    };
    let is_different = has_container || overrides.cpu.is_some() || overrides.memory.is_some();
    is_different.then(|| Value::written(&json(&overrides).to_string()))
}
