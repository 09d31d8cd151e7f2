//! Another tool's opinion: `ecs-deploy` (<https://github.com/fabfuel/ecs-deploy>), which teams have deployed to ECS with
//! for years, makes the same task definition of the same change.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use longshore_local::client::JsonService;
use longshore_local::process::capture;
use longshore_local::python::Python;
use longshore_local::scene::{repository_address, serves};
use longshore_local::wait::{Seen, wait_until};
use longshore_local::workspace::Workspace;
use longshore_tests::{PATIENCE, Scene};
use serde_json::{Value, json};

/// What ECS gives to every revision anew.
const GIVEN_BY_ECS: [&str; 4] = [
    "taskDefinitionArn",
    "revision",
    "registeredAt",
    "registeredBy",
];

/// A container with a value for everything that one on Fargate may have, beside a log router.
fn container(name: &str, image: &str, secret: &str) -> Value {
    json!({
        "name": name,
        "image": image,
        "essential": true,
        "cpu": 256,
        "memory": 1024,
        "memoryReservation": 512,
        "portMappings": [{
            "containerPort": 8080,
            "hostPort": 8080,
            "protocol": "tcp",
            "name": "http",
            "appProtocol": "http",
        }],
        "environment": [
            {"name": "SERVICE", "value": name},
            {"name": "EMPTY", "value": ""},
        ],
        "environmentFiles": [],
        "secrets": [{
            "name": "PASSWORD",
            "valueFrom": format!("{secret}:password::"),
        }],
        "mountPoints": [
            {"sourceVolume": "scratch", "containerPath": "/scratch", "readOnly": false},
        ],
        "volumesFrom": [],
        "healthCheck": {
            "command": ["CMD-SHELL", "true"],
            "interval": 30,
            "timeout": 5,
            "retries": 3,
            "startPeriod": 10,
        },
        "logConfiguration": {
            "logDriver": "awsfirelens",
            "options": {"Name": "null"},
        },
        "linuxParameters": {"initProcessEnabled": true},
        "ulimits": [{"name": "nofile", "softLimit": 1024, "hardLimit": 4096}],
        "systemControls": [{"namespace": "net.core.somaxconn", "value": "1024"}],
        "dockerLabels": {"team": "orders", "cost-center": "42"},
        "dependsOn": [{"containerName": "router", "condition": "START"}],
        "readonlyRootFilesystem": true,
        "interactive": false,
        "pseudoTerminal": false,
        "startTimeout": 60,
        "stopTimeout": 2,
        "user": "1000:1000",
        "workingDirectory": "/srv",
        "restartPolicy": {"enabled": true, "ignoredExitCodes": [0], "restartAttemptPeriod": 60},
        "versionConsistency": "enabled",
    })
}

/// A task definition of the service's family with a value for everything that a task on Fargate may have.
fn every_member(scene: &Scene, image: &str, secret: &str) -> Value {
    let service = &scene.service;
    json!({
        "family": service.ecs_name(),
        "taskRoleArn": scene.environment.task_roles.task,
        "executionRoleArn": scene.environment.task_roles.execution,
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "1024",
        "memory": "2048",
        "runtimePlatform": {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
        "ephemeralStorage": {"sizeInGiB": 30},
        "enableFaultInjection": false,
        "pidMode": "task",
        "volumes": [{"name": "scratch"}],
        "containerDefinitions": [
            container(&service.name, image, secret),
            {
                "name": "router",
                "image": image,
                "essential": true,
                "firelensConfiguration": {
                    "type": "fluentbit",
                    "options": {"enable-ecs-log-metadata": "true"},
                },
                "memoryReservation": 64,
                "stopTimeout": 2,
            },
        ],
        "tags": [
            {"key": "owner", "value": service.stack},
            {"key": "empty", "value": ""},
        ],
    })
}

/// A task definition as ECS describes it, without what is never the same twice, and its tags, which have no order.
fn described(scene: &Scene, task_definition: &str) -> Result<(Value, Vec<(String, String)>)> {
    let mut answer = scene.environment.client().json(
        JsonService::Ecs,
        "DescribeTaskDefinition",
        &json!({"taskDefinition": task_definition, "include": ["TAGS"]}),
    )?;
    let mut document = answer["taskDefinition"].take();
    let members = document
        .as_object_mut()
        .with_context(|| format!("{task_definition} is not described"))?;
    members.retain(|name, _| !GIVEN_BY_ECS.contains(&name.as_str()));
    let mut tags: Vec<(String, String)> = answer["tags"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|tag| {
            let text = |name: &str| tag[name].as_str().unwrap_or_default().to_owned();
            (text("key"), text("value"))
        })
        .collect();
    tags.sort();
    Ok((document, tags))
}

fn task_definition_of(scene: &Scene) -> Result<String> {
    let service = scene.service.describe(&scene.environment)?;
    let arn = service["taskDefinition"].as_str();
    arn.map(str::to_owned)
        .context("the service has no task definition")
}

/// Runs `ecs deploy`, by which the service is pointed at a new revision of `from` with another image in one container.
fn ecs_deploy(scene: &Scene, from: &str, image: &str) -> Result<()> {
    let python = Python::ensure_from(
        &Workspace::of_this_build(),
        "tests/requirements.txt",
        "target/oracle",
        |_| (),
    )?;
    let mut command = Command::new(python.programs().join("ecs"));
    command
        .args(["deploy", &scene.environment.cluster])
        .arg(scene.service.ecs_name())
        .args(["--task", from])
        .args(["--image", &scene.service.name, image])
        .args(["--no-deregister", "--timeout", "120", "--sleep-time", "1"])
        .args(["--region", &scene.environment.cloud.region])
        .envs(scene.environment.variables())
        // Only what the test says: no profile of whoever runs it.
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    capture(&mut command).map(drop)
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn ecs_deploy_registers_the_same_task_definition_for_the_same_image() -> Result<()> {
    let scene = Scene::new("oracle")?;
    let client = scene.environment.client();
    let address = repository_address(&client, &scene.service.repository)?;
    let first = scene.push("whole", &serves("every member is set"))?;
    let secret = client.json(
        JsonService::SecretsManager,
        "CreateSecret",
        &json!({"Name": "oracle/database", "SecretString": r#"{"password": "a password"}"#}),
    )?;
    let secret = secret["ARN"].as_str().context("the secret has no ARN")?;
    let registered = client.json(
        JsonService::Ecs,
        "RegisterTaskDefinition",
        &every_member(&scene, &format!("{address}@{first}"), secret),
    )?;
    let whole = registered["taskDefinition"]["taskDefinitionArn"]
        .as_str()
        .context("RegisterTaskDefinition gave no ARN")?
        .to_owned();
    client.json(
        JsonService::Ecs,
        "UpdateService",
        &json!({
            "cluster": scene.environment.cluster,
            "service": scene.service.ecs_name(),
            "taskDefinition": whole,
        }),
    )?;
    let (before, tags_before) = described(&scene, &whole)?;

    let second = scene.push("v2", &serves("v2"))?;
    scene.wait_until_published(&["succeeded", "v2"])?;
    let by_longshore = task_definition_of(&scene)?;
    ensure!(by_longshore != whole, "Longshore registered nothing");

    ecs_deploy(&scene, &whole, &format!("{address}@{second}"))?;
    let by_ecs_deploy = wait_until("the service to be ecs-deploy's", PATIENCE, || {
        let arn = task_definition_of(&scene)?;
        Ok(if arn == by_longshore {
            Seen::NotYet(arn)
        } else {
            Seen::Yes(arn)
        })
    })?;

    let (ours, mut our_tags) = described(&scene, &by_longshore)?;
    let (theirs, their_tags) = described(&scene, &by_ecs_deploy)?;
    ensure!(
        ours == theirs,
        "Longshore registered {ours:#}, ecs-deploy {theirs:#}"
    );
    // Both are what ran before, but for the one image: else two tools that forget the same would agree.
    let mut expected = before;
    expected["containerDefinitions"][0]["image"] = json!(format!("{address}@{second}"));
    ensure!(ours == expected, "expected {expected:#}, found {ours:#}");

    // Longshore writes on its revisions whose they are. That is all that it adds.
    let count = our_tags.len();
    our_tags.retain(|(key, _)| !key.starts_with("longshore:"));
    ensure!(
        our_tags == their_tags && our_tags == tags_before && count == our_tags.len() + 4,
        "Longshore tagged {our_tags:?}, ecs-deploy {their_tags:?}, before {tags_before:?}"
    );
    Ok(())
}
