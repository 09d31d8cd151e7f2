//! The roles of services: what ECS may do to start their tasks, and what their containers may do.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::spec::{Effect, Service};

use super::image::Image;
use super::named::{NamedService, NamedStack};
use super::names::{Kind, Singleton};
use super::policy::{Document, InlinePolicy, Principal, Statement};
use super::template::{Properties, Tag, Template, Value, part_of_sub};
use super::{mirror, secrets, storage};

/// The path of all roles that templates make: who applies them may make no others.
pub(super) const PATH: &str = "/longshore/";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Role {
    pub(super) path: &'static str,
    pub(super) permissions_boundary: Option<String>,
    pub(super) assume_role_policy_document: Document,
    pub(super) managed_policy_arns: Option<Vec<Value>>,
    pub(super) policies: Option<Vec<InlinePolicy>>,
    pub(super) tags: Option<Vec<Tag>>,
}

impl Properties for Role {
    const TYPE: &'static str = "AWS::IAM::Role";
}

/// The tag that says what a role is for, where it is not a task's. The permissions boundary gives only such a role
/// what it takes to start tasks, join a cluster or shift traffic, and a stack file cannot set it.
const PURPOSE: &str = "longshore:purpose";

impl Role {
    /// A role that may do nothing and that these AWS services take on for this account.
    pub(super) fn new(named_stack: &NamedStack, services: &[&str]) -> Self {
        let tags = match purpose(services) {
            Some(purpose) => Some(named_stack.tags_and([(PURPOSE, purpose.to_owned())])),
            None => named_stack.tags(),
        };
        Self {
            path: PATH,
            permissions_boundary: named_stack.context.permissions_boundary_arn.clone(),
            assume_role_policy_document: Document::of([trust(services)]),
            managed_policy_arns: None,
            policies: None,
            tags,
        }
    }
}

/// What a role that these AWS services take on is for; none for the roles of tasks and of flow logs.
fn purpose(services: &[&str]) -> Option<&'static str> {
    match services {
        ["scheduler.amazonaws.com"] => Some("schedule"),
        ["ec2.amazonaws.com"] => Some("instance"),
        ["ecs.amazonaws.com"] => Some("traffic"),
        _ => None,
    }
}

/// Instances do not say for which account they ask, and of ECS it is not known (the Amazon ECS Developer
/// Guide, "Amazon ECS infrastructure IAM role for load balancers", has no condition); everybody else does.
fn trust(services: &[&str]) -> Statement {
    let names = services.iter().map(|name| Value::from(*name)).collect();
    let trust = Statement::of_principal("Allow", Principal::Service(names), ["sts:AssumeRole"]);
    if services == ["ec2.amazonaws.com"] || services == ["ecs.amazonaws.com"] {
        trust
    } else {
        trust.when(
            "StringEquals",
            "aws:SourceAccount",
            [Value::Ref("AWS::AccountId".to_owned())],
        )
    }
}

pub(super) fn render(named_stack: &NamedStack, template: &mut Template) {
    if named_stack
        .members()
        .any(|named_service| named_stack.has_two_target_groups(named_service))
    {
        let policy = "arn:${AWS::Partition}:iam::aws:policy/AmazonECSInfrastructureRolePolicyForLoadBalancers";
        let role = Role {
            managed_policy_arns: Some(vec![Value::sub(policy)]),
            ..Role::new(named_stack, &["ecs.amazonaws.com"])
        };
        template.add_one(Singleton::InfrastructureRole, &role);
    }
    for named_service in named_stack.members() {
        if named_service.spec.execution_role_arn.is_none() {
            let role = Role {
                managed_policy_arns: Value::all_written(
                    &named_service.spec.execution_role_policy_arns,
                ),
                policies: InlinePolicy::of(
                    "start",
                    execution_statements(named_stack, named_service),
                ),
                ..Role::new(named_stack, &["ecs-tasks.amazonaws.com"])
            };
            template.add(Kind::ExecutionRole, &[named_service.name], &role);
        }
        if named_service.spec.task_role_arn.is_none() {
            let role = Role {
                managed_policy_arns: Value::all_written(&named_service.spec.task_role_policy_arns),
                policies: InlinePolicy::of("task", task_statements(named_stack, named_service)),
                ..Role::new(named_stack, &["ecs-tasks.amazonaws.com"])
            };
            template.add(Kind::TaskRole, &[named_service.name], &role);
        }
    }
}

fn execution_statements(named_stack: &NamedStack, named_service: NamedService) -> Vec<Statement> {
    let mut statements = pull_statements(named_stack, named_service);
    let log_group = part_of_sub(&named_stack.log_group_name(named_service));
    let arn = format!(
        "arn:${{AWS::Partition}}:logs:${{AWS::Region}}:${{AWS::AccountId}}:log-group:{log_group}"
    );
    statements.push(Statement::allow(
        "Log",
        ["logs:CreateLogStream", "logs:PutLogEvents"],
        [Value::sub(format!("{arn}:log-stream:*"))],
    ));
    statements.extend(secrets::statements(named_stack, named_service));
    statements.extend(log_router_statements(named_service));
    statements.extend(environment_file_statements(named_service));
    statements
}

/// The Amazon ECS Developer Guide, "Pass environment variables to an Amazon ECS container": the execution role reads the
/// files.
fn environment_file_statements(named_service: NamedService) -> Vec<Statement> {
    let files = named_service
        .containers()
        .flat_map(|container| container.details.environment_files);
    let files: BTreeSet<&str> = files.map(String::as_str).collect();
    if files.is_empty() {
        return Vec::new();
    }
    let buckets = files.iter().filter_map(|file| file.split('/').next());
    let buckets: BTreeSet<&str> = buckets.collect();
    vec![
        Statement::allow(
            "ReadEnvironmentFiles",
            ["s3:GetObject"],
            files.into_iter().map(Value::written),
        ),
        Statement::allow(
            "FindEnvironmentFiles",
            ["s3:GetBucketLocation"],
            buckets.into_iter().map(Value::written),
        ),
    ]
}

/// The agent fetches a log router's configuration from S3 with the execution role: the Amazon ECS Developer Guide, "Using
/// a custom configuration file" of FireLens.
fn log_router_statements(named_service: NamedService) -> Vec<Statement> {
    let files = named_service.spec.sidecars.values().filter_map(|sidecar| {
        let options = &sidecar.firelens_configuration.as_ref()?.options;
        let is_in_s3 = options.get("config-file-type")?.as_str() == "s3";
        options.get("config-file-value").filter(|_| is_in_s3)
    });
    files
        .flat_map(|file| {
            let bucket = file.as_str().split('/').next().unwrap_or_default();
            [
                Statement::allow(
                    "ReadLogRouterConfiguration",
                    ["s3:GetObject"],
                    [Value::written(file.as_str())],
                ),
                Statement::allow(
                    "FindLogRouterConfiguration",
                    ["s3:GetBucketLocation"],
                    [Value::written(bucket)],
                ),
            ]
        })
        .collect()
}

fn pull_statements(named_stack: &NamedStack, named_service: NamedService) -> Vec<Statement> {
    // The repositories of the stack file too, because the next push comes from there.
    let repositories: BTreeSet<String> = named_service
        .containers()
        .flat_map(|container| {
            [
                Some(container.image),
                named_stack.preserved(named_service, container),
            ]
        })
        .flatten()
        .filter_map(|image| Image::of(image).repository_arn())
        .collect();
    if repositories.is_empty() {
        return Vec::new();
    }
    vec![
        // ECR has no resource for this one.
        Statement::allow("LogInToEcr", ["ecr:GetAuthorizationToken"], ["*".into()]),
        Statement::allow(
            "Pull",
            [
                "ecr:BatchCheckLayerAvailability",
                "ecr:BatchGetImage",
                // What a pull-through cache has not got yet, ECR fetches in the name of whoever pulls.
                "ecr:BatchImportUpstreamImage",
                "ecr:GetDownloadUrlForLayer",
            ],
            repositories.into_iter().map(Value::Sub),
        ),
    ]
}

fn task_statements(named_stack: &NamedStack, named_service: NamedService) -> Vec<Statement> {
    let spec: &Service = named_service.spec;
    let mut statements: Vec<Statement> = spec
        .task_role_statements
        .iter()
        .map(|statement| {
            let effect = match statement.effect {
                Effect::Allow => "Allow",
                Effect::Deny => "Deny",
            };
            Statement::written(effect, &statement.actions, &statement.resources)
        })
        .collect();
    statements.extend(storage::statements(named_stack, named_service));
    statements.extend(mirror::statements(named_stack, named_service));
    if spec.enable_execute_command {
        // The channels of ECS Exec have no resource.
        statements.push(Statement::allow(
            "ExecuteCommand",
            [
                "ssmmessages:CreateControlChannel",
                "ssmmessages:CreateDataChannel",
                "ssmmessages:OpenControlChannel",
                "ssmmessages:OpenDataChannel",
            ],
            ["*".into()],
        ));
    }
    statements
}
