//! Roles.

use serde::Serialize;

use super::iam::{Document, InlinePolicy, Principal, Statement};
use super::named::NamedStack;
use super::template::{Properties, Tag, Value};

/// The path of all roles that templates make: who applies them may make no others.
pub(super) const PATH: &str = "/longshore/";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Role {
    pub(super) assume_role_policy_document: Document,
    pub(super) managed_policy_arns: Option<Vec<Value>>,
    pub(super) path: &'static str,
    pub(super) permissions_boundary: Option<String>,
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
