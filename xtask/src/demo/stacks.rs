//! The scenes of a stack, and its stack file.

use anyhow::{Context, Result, bail, ensure};
use longshore_local::client::JsonService;
use longshore_local::control::Container;
use longshore_local::process::runs;
use longshore_local::scene::{
    Network, Service, log_lines, push_image, put_stack_file, serves, short_digest, stack_status,
    subscribers,
};
use longshore_local::wait::{Seen, wait_until};
use serde_json::{Value, json};

use crate::demo::stage::{PATIENCE, Slack, Stage, processes, wait_for_rollout};
use crate::terminal::Terminal;

/// The stack.
pub const NAME: &str = "shop";

/// The log group of the stack's service.
const LOG_GROUP: &str = "/ecs/shop/api";

/// What is mistaken in the stack file that is refused: what is right, what is written, where that is.
const MISTAKES: [(&str, &str, &str); 4] = [
    (
        "retention_in_days: 14",
        "retention_in_days: 15",
        "logs.retention_in_days",
    ),
    (
        "container_port: 8080",
        "containr_port: 8080",
        "services.api.containr_port",
    ),
    ("cpu: 256", "cpu: 300", "services.api.cpu"),
    (
        "desired_count: 2",
        "desired_count: two",
        "services.api.desired_count",
    ),
];

/// The stack's service.
pub fn service() -> Service {
    Service {
        stack: NAME.to_owned(),
        name: "api".to_owned(),
        repository: "shop/api".to_owned(),
        tags: vec!["v*".to_owned()],
    }
}

/// The stack file, with what steps change in it.
pub struct File {
    cpu: u32,
    memory: u32,
    /// A script for the container to run instead of its image's command.
    script: Option<&'static str>,
    /// A script that runs before each deployment, with the new image.
    migration: Option<&'static str>,
}

impl Default for File {
    fn default() -> Self {
        Self {
            cpu: 256,
            memory: 512,
            script: None,
            migration: None,
        }
    }
}

impl File {
    /// As people write it.
    pub fn text(&self, network: &Network) -> String {
        let mut text = format!(
            "\
name: {NAME}
network:
  vpc_id: {}
  subnet_ids: [{}]
service_discovery:
  namespace: shop.internal
logs:
  retention_in_days: 14
services:
  api:
    image: shop/api:v1
    image_policy: {{tags: [\"v*\"]}}
    container_port: 8080
    cpu: {}
    memory: {}
    desired_count: 2
    stop_timeout: 2
    security_group:
      ingress:
        - {{cidr_ip: 10.0.0.0/16, description: Everything in the VPC}}
",
            network.vpc,
            network.subnets.join(", "),
            self.cpu,
            self.memory,
        );
        if let Some(script) = self.script {
            text.push_str(&format!("    command: [/bin/sh, -c, \"{script}\"]\n"));
        }
        if let Some(script) = self.migration {
            text.push_str(&format!(
                "    rollout:\n      before_tasks:\n        - {{name: migrate, command: [/bin/sh, -c, \"{script}\"]}}\n"
            ));
        }
        text
    }

    /// As a payload carries it.
    fn content(&self, network: &Network) -> Value {
        let mut content = json!({
            "name": NAME,
            "network": {"vpc_id": network.vpc, "subnet_ids": network.subnets},
            "service_discovery": {"namespace": "shop.internal"},
            "logs": {"retention_in_days": 14},
            "services": {
                "api": {
                    "image": "shop/api:v1",
                    "image_policy": {"tags": ["v*"]},
                    "container_port": 8080,
                    "cpu": self.cpu,
                    "memory": self.memory,
                    "desired_count": 2,
                    "stop_timeout": 2,
                    "security_group": {
                        "ingress": [
                            {"cidr_ip": "10.0.0.0/16", "description": "Everything in the VPC"},
                        ],
                    },
                },
            },
        });
        if let Some(script) = self.script {
            content["services"]["api"]["command"] = json!(["/bin/sh", "-c", script]);
        }
        content
    }
}

/// What `provision` answers to a manual payload.
fn ask(stage: &Stage, payload: &Value) -> Result<Value> {
    let action = payload["action"].as_str().unwrap_or_default();
    let answer = stage
        .environment
        .client()
        .invoke(
            stage.environment.applied.function_name("provision")?,
            payload,
        )
        .with_context(|| format!("invoke provision with action {action}"))?;
    answer.or_else(|error| bail!("provision answered to {action} with an error: {error}"))
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[][..], Vec::as_slice)
}

pub fn plans(terminal: &mut Terminal, stage: &mut Stage, slack: &Slack<'_>) -> Result<String> {
    let content = File::default().content(&stage.network);
    terminal.progress("invoking provision with action plan");
    let plan = ask(stage, &json!({"action": "plan", "stack": content}))?;
    ensure!(
        plan["outcome"] == "create",
        "the stack should be planned to be made: {plan}"
    );
    let changes = array(&plan["changes"]);
    ensure!(
        changes.iter().all(|change| change["action"] == "add"),
        "everything should be added: {plan}"
    );
    let mut types: Vec<&str> = changes
        .iter()
        .filter_map(|change| change["resource_type"].as_str())
        .collect();
    types.sort_unstable();
    types.dedup();
    for expected in ["AWS::ECS::Cluster", "AWS::ECS::Service"] {
        ensure!(types.contains(&expected), "{expected} is not in the plan");
    }
    terminal.progress("invoking provision with action cost");
    let cost = ask(stage, &json!({"action": "cost", "stack": content}))?;
    let left = stack_status(&stage.environment, NAME)?;
    ensure!(left.is_none(), "the plan left a stack that is {left:?}");
    slack.check_none(&["stack"])?;
    Ok(format!(
        "{} to add: {}\n{}",
        changes.len(),
        types.join(", "),
        costs(&cost)?
    ))
}

/// An estimate in lines: what has a figure, and the sum.
fn costs(estimate: &Value) -> Result<String> {
    let dollars = |amount: &Value| {
        amount
            .as_str()
            .and_then(|text| text.parse::<f64>().ok())
            .map(|amount| format!("${amount:.2}"))
    };
    let mut lines: Vec<String> = array(&estimate["lines"])
        .iter()
        .filter_map(|line| {
            let amount = dollars(&line["monthly"])?;
            let resource = line["resource"].as_str()?;
            Some(format!("{amount} {resource}: {}", line["item"].as_str()?))
        })
        .collect();
    ensure!(!lines.is_empty(), "the estimate has no lines: {estimate}");
    let total = dollars(&estimate["total"]).context("the estimate has no total")?;
    let region = estimate["region"].as_str().unwrap_or_default();
    lines.push(format!(
        "{total} a month together, at list prices of {region}; lines without a figure, which depend on use: {}",
        estimate["lines_without_figure"]
    ));
    Ok(lines.join("\n"))
}

fn ensure_status(stage: &Stage, expected: &str) -> Result<()> {
    let status = stack_status(&stage.environment, NAME)?;
    ensure!(
        status.as_deref() == Some(expected),
        "CloudFormation's stack should be {expected}: {status:?}"
    );
    Ok(())
}

pub fn builds(terminal: &mut Terminal, stage: &mut Stage, slack: &Slack<'_>) -> Result<String> {
    let key = put_stack_file(
        &stage.environment,
        NAME,
        &File::default().text(&stage.network),
    )?;
    slack.wait_for(terminal, &["Stack applying", NAME])?;
    slack.wait_for(terminal, &["Stack ready", NAME])?;
    let running = wait_for_rollout(terminal, stage, &stage.images.first)?;
    ensure_status(stage, "CREATE_COMPLETE")?;
    let subscribers = subscribers(&stage.environment, &stage.service.repository)?;
    ensure!(
        matches!(&subscribers[..], [one] if one["stack"] == NAME && one["service"] == "api"),
        "the route of {} should have one subscriber: {subscribers:?}",
        stage.service.repository
    );
    let line = "api v1 is serving";
    wait_until(
        &format!("{line:?} in log group {LOG_GROUP}"),
        PATIENCE,
        || {
            let lines = log_lines(&stage.environment, LOG_GROUP)?;
            Ok(if lines.iter().any(|one| one == line) {
                Seen::Yes(())
            } else {
                Seen::NotYet(format!("{} lines", lines.len()))
            })
        },
    )?;
    Ok(format!(
        "{key} -> CREATE_COMPLETE; v1 ({}), {}\nlog group {LOG_GROUP}: {line}\nroute routes/{}.json: {}",
        short_digest(&stage.images.first),
        processes(&running),
        stage.service.repository,
        subscribers.first().unwrap_or(&Value::Null),
    ))
}

pub fn applies_a_change(
    terminal: &mut Terminal,
    stage: &mut Stage,
    slack: &Slack<'_>,
) -> Result<String> {
    let file = File {
        cpu: 512,
        memory: 1024,
        ..File::default()
    };
    put_stack_file(&stage.environment, NAME, &file.text(&stage.network))?;
    slack.wait_for(terminal, &["Stack ready", NAME])?;
    let second = stage.images.second()?;
    let running = wait_for_rollout(terminal, stage, second)?;
    ensure_status(stage, "UPDATE_COMPLETE")?;
    let definition = stage.service.task_definition_in_use(&stage.environment)?;
    ensure!(
        definition["cpu"] == "512" && definition["memory"] == "1024",
        "the task definition should have 512 CPU units and 1024 MiB: {definition}"
    );
    Ok(format!(
        "512 CPU units, 1024 MiB; the file names v1, and v2 ({}) runs: {}",
        short_digest(second),
        processes(&running)
    ))
}

pub fn takes_back_what_fails(
    terminal: &mut Terminal,
    stage: &mut Stage,
    slack: &Slack<'_>,
) -> Result<String> {
    let file = File {
        cpu: 1024,
        memory: 2048,
        script: Some("echo cannot read the settings >&2; exit 3"),
        ..File::default()
    };
    put_stack_file(&stage.environment, NAME, &file.text(&stage.network))?;
    slack.wait_for(
        terminal,
        &[
            "Stack failed",
            NAME,
            "AWS::ECS::Service",
            "circuit breaker",
            "UPDATE_ROLLBACK_COMPLETE",
        ],
    )?;
    let hotfix = stage.images.hotfix()?;
    slack.wait_for(terminal, &["started", "api", "hotfix-1"])?;
    let running = wait_for_rollout(terminal, stage, hotfix)?;
    slack.wait_for(terminal, &["succeeded", "api", "hotfix-1"])?;
    ensure_status(stage, "UPDATE_ROLLBACK_COMPLETE")?;

    // CloudFormation restored the image of the change before, so it is Longshore that restored this one.
    let outputs = ask(stage, &json!({"action": "outputs", "stack": NAME}))?;
    let restored = stage
        .environment
        .client()
        .json(
            JsonService::Ecs,
            "DescribeTaskDefinition",
            &json!({"taskDefinition": outputs["task_definition_arn"]}),
        )
        .context("describe the task definition that CloudFormation restored")?;
    let image = &restored["taskDefinition"]["containerDefinitions"][0]["image"];
    let second = stage.images.second()?;
    ensure!(
        image.as_str().is_some_and(|image| image.ends_with(second)),
        "CloudFormation should have restored v2 ({second}): {image}"
    );
    let definition = stage.service.task_definition_in_use(&stage.environment)?;
    ensure!(
        definition["cpu"] == "512",
        "the task definition should have 512 CPU units again: {definition}"
    );
    Ok(format!(
        "CloudFormation restored v2 with 512 CPU units; hotfix-1 ({}) restored: {}",
        short_digest(hotfix),
        processes(&running)
    ))
}

fn mistaken(network: &Network) -> String {
    let right = File::default().text(network);
    MISTAKES
        .iter()
        .fold(right, |text, (right, wrong, _)| text.replace(right, wrong))
}

/// The line that a text is in, counted from 1.
fn line_of(text: &str, part: &str) -> Result<usize> {
    text.lines()
        .position(|line| line.contains(part))
        .map(|index| index + 1)
        .with_context(|| format!("{part:?} is not in the stack file"))
}

pub fn stops_at_a_failing_migration(
    terminal: &mut Terminal,
    stage: &mut Stage,
    slack: &Slack<'_>,
) -> Result<String> {
    let file = File {
        migration: Some("echo the table is locked >&2; exit 7"),
        ..File::default()
    };
    put_stack_file(&stage.environment, NAME, &file.text(&stage.network))?;
    slack.wait_for(terminal, &["Stack ready", NAME])?;
    let newest = stage.images.newest()?;
    wait_for_rollout(terminal, stage, newest)?;
    let before = stage.service.describe(&stage.environment)?;
    let digest = push_image(
        &stage.environment.client(),
        &stage.service.repository,
        "v6",
        &serves("api v6 is serving"),
    )?;
    let message = slack.wait_for(
        terminal,
        &["failed", "api", "v6", "migrate", "exited with 7"],
    )?;
    let after = stage.service.describe(&stage.environment)?;
    ensure!(
        before["deployments"][0]["id"] == after["deployments"][0]["id"],
        "the service was updated although the migration had failed"
    );
    slack.check_none(&["succeeded", "v6"])?;
    Ok(format!(
        "v6 ({}): {}\nv5 ({}) runs on",
        short_digest(&digest),
        message.fallback(),
        short_digest(newest)
    ))
}

pub fn refuses_mistakes(
    terminal: &mut Terminal,
    stage: &mut Stage,
    slack: &Slack<'_>,
) -> Result<String> {
    let before = stage.service.describe(&stage.environment)?;
    let text = mistaken(&stage.network);
    let key = put_stack_file(&stage.environment, NAME, &text)?;
    let mut words = vec![
        "Stack file refused".to_owned(),
        key,
        format!("{} errors", MISTAKES.len()),
    ];
    for (_, wrong, path) in MISTAKES {
        words.push(format!("line {}, column", line_of(&text, wrong)?));
        words.push(format!("`{path}`"));
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let reported = slack.wait_for(terminal, &words)?.words();
    slack.check_none(&["Stack applying"])?;
    ensure_status(stage, "UPDATE_ROLLBACK_COMPLETE")?;
    let after = stage.service.describe(&stage.environment)?;
    ensure!(
        before["taskDefinition"] == after["taskDefinition"],
        "the service was changed by a file that was refused"
    );
    let problems: Vec<&str> = reported
        .lines()
        .filter(|line| line.starts_with('•'))
        .collect();
    Ok(problems.join("\n"))
}

/// The containers of the tasks of the stack's cluster.
fn containers(stage: &Stage) -> Result<Vec<Container>> {
    let of_the_cluster = format!(":task/{}/", stage.environment.cluster);
    let mut containers = stage.environment.control().containers()?;
    containers.retain(|container| {
        container
            .task
            .as_deref()
            .is_some_and(|task| task.contains(&of_the_cluster))
    });
    Ok(containers)
}

pub fn destroys(terminal: &mut Terminal, stage: &mut Stage, slack: &Slack<'_>) -> Result<String> {
    let before = containers(stage)?;
    ensure!(!before.is_empty(), "the stack has no containers to end");
    terminal.progress("invoking provision with action destroy");
    ask(
        stage,
        &json!({"action": "destroy", "stack": NAME, "note": "the demo is over"}),
    )?;
    slack.wait_for(terminal, &["Stack destroyed", NAME])?;
    let left = stack_status(&stage.environment, NAME)?;
    ensure!(
        left.as_deref().is_none_or(|left| left == "DELETE_COMPLETE"),
        "CloudFormation's stack should be gone: {left:?}"
    );
    wait_until("the end of the stack's containers", PATIENCE, || {
        let left = containers(stage)?.len();
        let pids = before.iter().filter_map(|container| container.pid);
        let alive = pids.filter(|pid| runs(*pid)).count();
        Ok(if left == 0 && alive == 0 {
            Seen::Yes(())
        } else {
            Seen::NotYet(format!("{left} containers, {alive} processes"))
        })
    })?;
    let route = format!("routes/{}.json", stage.service.repository);
    wait_until(&format!("{route} to follow nobody"), PATIENCE, || {
        let subscribers = subscribers(&stage.environment, &stage.service.repository)?;
        Ok(if subscribers.is_empty() {
            Seen::Yes(())
        } else {
            Seen::NotYet(format!("{} subscribers", subscribers.len()))
        })
    })?;
    let lines = log_lines(&stage.environment, LOG_GROUP)?;
    ensure!(!lines.is_empty(), "log group {LOG_GROUP} is empty");
    Ok(format!(
        "{} containers ended; {route} has no subscriber; log group {LOG_GROUP} has its {} lines",
        before.len(),
        lines.len()
    ))
}

#[cfg(test)]
mod tests {
    use longshore_stack::read::{Selection, read, read_value};

    use super::*;

    fn network() -> Network {
        Network {
            vpc: "vpc-0a1b2c3d4e5f60000".to_owned(),
            subnets: ["subnet-0a1b2c3d4e5f60001", "subnet-0a1b2c3d4e5f60002"].map(str::to_owned),
        }
    }

    #[test]
    fn the_file_and_the_payload_mean_the_same_stack() {
        let selection = Selection::StackName(NAME);
        for script in [None, Some("echo no >&2; exit 3")] {
            let file = File {
                script,
                ..File::default()
            };
            let read = read(file.text(&network()).as_bytes(), &selection).unwrap();
            assert_eq!(read.warnings, []);
            let sent = read_value(&file.content(&network()), &selection).unwrap();
            assert_eq!(read.stack, sent.stack);
        }
    }

    #[test]
    fn the_mistaken_file_has_the_mistakes_and_no_others() {
        let text = mistaken(&network());
        let problems = read(text.as_bytes(), &Selection::StackName(NAME)).unwrap_err();
        let found: Vec<_> = problems
            .iter()
            .map(|problem| (problem.path.as_str(), problem.line))
            .collect();
        let expected: Vec<_> = MISTAKES
            .iter()
            .map(|(_, wrong, path)| (*path, line_of(&text, wrong).unwrap().try_into().ok()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn costs_are_reported_line_by_line_and_together() {
        let estimate = json!({
            "lines": [
                {"resource": "services.api", "item": "Fargate vCPU", "monthly": "14.7752"},
                {"resource": "logs", "item": "CloudWatch Logs, kept", "monthly": null},
            ],
            "lines_without_figure": 1,
            "region": "us-east-1",
            "total": "14.7752",
        });
        assert_eq!(
            costs(&estimate).unwrap(),
            "$14.78 services.api: Fargate vCPU\n\
             $14.78 a month together, at list prices of us-east-1; \
             lines without a figure, which depend on use: 1"
        );
    }
}
