//! The roles of services: what ECS may do to start their tasks, and what their containers may do.

use std::collections::BTreeSet;

use crate::spec::Service;

use super::grants;
use super::iam::{InlinePolicy, Statement};
use super::image::Image;
use super::mirror;
use super::named::{NamedService, NamedStack};
use super::names::{Kind, Singleton};
use super::role::Role;
use super::secret;
use super::storage;
use super::template::{Template, Value, part_of_sub};

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
    statements.extend(secret::statements(named_stack, named_service));
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
    let keys = named_service.containers();
    let keys = keys.filter_map(|container| container.details.environment_files_kms_key_arn);
    let keys: BTreeSet<&str> = keys.collect();
    let mut statements = vec![
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
    ];
    if !keys.is_empty() {
        let s3 = Value::sub("s3.${AWS::Region}.${AWS::URLSuffix}");
        statements.push(
            Statement::allow(
                "DecryptEnvironmentFiles",
                ["kms:Decrypt"],
                keys.into_iter().map(Value::written),
            )
            .when("StringEquals", "kms:ViaService", [s3]),
        );
    }
    statements
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
    let written = spec.task_role_statements.iter();
    let mut statements: Vec<Statement> = written.map(Statement::written).collect();
    statements.extend(grants::statements(named_service));
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
