//! The roles of services: what ECS may do to start their tasks, and what their containers may do.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::spec::{Effect, Service};

use super::frame::{Frame, Member};
use super::image::Image;
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

impl Role {
    /// A role that may do nothing and that these AWS services take on for this account.
    pub(super) fn new(frame: &Frame, services: &[&str]) -> Self {
        Self {
            path: PATH,
            permissions_boundary: frame.context.permissions_boundary_arn.clone(),
            assume_role_policy_document: Document::of([trust(services)]),
            managed_policy_arns: None,
            policies: None,
            tags: frame.tags(),
        }
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

pub(super) fn render(frame: &Frame, template: &mut Template) {
    if frame
        .members()
        .any(|member| frame.has_two_target_groups(member))
    {
        let policy = "arn:${AWS::Partition}:iam::aws:policy/AmazonECSInfrastructureRolePolicyForLoadBalancers";
        let role = Role {
            managed_policy_arns: Some(vec![Value::sub(policy)]),
            ..Role::new(frame, &["ecs.amazonaws.com"])
        };
        template.add_one(Singleton::InfrastructureRole, &role);
    }
    for member in frame.members() {
        if member.spec.execution_role_arn.is_none() {
            let role = Role {
                managed_policy_arns: Value::all_written(&member.spec.execution_role_policy_arns),
                policies: InlinePolicy::of("start", execution_statements(frame, member)),
                ..Role::new(frame, &["ecs-tasks.amazonaws.com"])
            };
            template.add(Kind::ExecutionRole, &[member.name], &role);
        }
        if member.spec.task_role_arn.is_none() {
            let role = Role {
                managed_policy_arns: Value::all_written(&member.spec.task_role_policy_arns),
                policies: InlinePolicy::of("task", task_statements(frame, member)),
                ..Role::new(frame, &["ecs-tasks.amazonaws.com"])
            };
            template.add(Kind::TaskRole, &[member.name], &role);
        }
    }
}

fn execution_statements(frame: &Frame, member: Member) -> Vec<Statement> {
    let mut statements = pull_statements(frame, member);
    let log_group = part_of_sub(&frame.log_group_name(member));
    let arn = format!(
        "arn:${{AWS::Partition}}:logs:${{AWS::Region}}:${{AWS::AccountId}}:log-group:{log_group}"
    );
    statements.push(Statement::allow(
        "Log",
        ["logs:CreateLogStream", "logs:PutLogEvents"],
        [Value::sub(format!("{arn}:log-stream:*"))],
    ));
    statements.extend(secrets::statements(frame, member));
    statements
}

fn pull_statements(frame: &Frame, member: Member) -> Vec<Statement> {
    // The repositories of the stack file too, because the next push comes from there.
    let repositories: BTreeSet<String> = member
        .containers()
        .flat_map(|container| [Some(container.image), frame.carried(member, container)])
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

fn task_statements(frame: &Frame, member: Member) -> Vec<Statement> {
    let spec: &Service = member.spec;
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
    statements.extend(storage::statements(frame, member));
    statements.extend(mirror::statements(frame, member));
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
