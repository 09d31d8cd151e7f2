//! Runs by the clock: their size, environment and retries.

use longshore_events::longshore::{Problem, Severity};
use longshore_stack::cost::estimate;
use longshore_stack::read::Reading;
use longshore_stack::scheduled::{ScheduledRun, scheduled_run};
use serde_json::{Value, json};

use crate::support::{read_text, template_of};

fn shop(schedule: &str) -> Result<Reading, Vec<Problem>> {
    let text = format!(
        "name: shop\nnetwork:\n  vpc_id: vpc-0a1b2c3d\n  subnet_ids: [subnet-0a1b2c3d, subnet-1a1b2c3d]\nservices:\n  \
         api:\n    image: shop/api:v1\n    secrets: {{TOKEN: {{value_from: shop/token}}}}\n    sidecars: {{proxy: \
         {{image: \"shop/proxy:v1\", memory: 256}}}}\n    schedules:\n      nightly: {{schedule_expression: \"rate(1 \
         day)\", {schedule}}}\n"
    );
    read_text(&text)
}

fn target(schedule: &str) -> Value {
    let reading = shop(schedule).unwrap_or_else(|problems| panic!("{problems:#?}"));
    template_of(&reading)["Resources"]["ScheduleApiNightly"]["Properties"]["Target"].clone()
}

#[test]
fn a_run_is_as_the_services_task_where_nothing_else_is_said() {
    let target = target("");
    assert_eq!(target.get("Input"), None);
    assert_eq!(
        target["RetryPolicy"],
        json!({"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 10})
    );
}

#[test]
fn a_run_has_its_own_size_command_and_environment() {
    let target =
        target("cpu: 2048, memory: 8192, command: [report, --all], environment: {MODE: full}");
    let input: Value = serde_json::from_str(target["Input"].as_str().unwrap()).unwrap();
    assert_eq!(
        input,
        json!({
            "containerOverrides": [{
                "name": "api",
                "command": ["report", "--all"],
                "environment": [{"name": "MODE", "value": "full"}],
            }],
            "cpu": "2048",
            "memory": "8192",
        })
    );
    let target = self::target("memory: 1024");
    assert_eq!(target["Input"], r#"{"memory":"1024"}"#);
}

#[test]
fn a_run_carries_its_timeout_and_its_retries_to_whoever_looks_after_it() {
    let target = target("timeout: 3600, retries: 2, environment: {MODE: full}");
    let input: Value = serde_json::from_str(target["Input"].as_str().unwrap()).unwrap();
    let environment = &input["containerOverrides"][0]["environment"];
    assert_eq!(environment[0], json!({"name": "MODE", "value": "full"}));
    assert_eq!(environment[1]["name"], "LONGSHORE_RUN");
    let limits: Value = serde_json::from_str(environment[1]["value"].as_str().unwrap()).unwrap();
    assert_eq!(
        limits,
        json!({"service": "shop-api", "timeout": 3600, "retries": 2, "attempt": 1})
    );
    // Scheduler's own retries are of another kind.
    assert_eq!(target["RetryPolicy"]["MaximumRetryAttempts"], 10);
    let target = self::target("retries: 0");
    assert_eq!(target.get("Input"), None);
}

#[test]
fn what_a_run_by_hand_is_given_is_read_from_the_template() {
    let run = |schedule: &str, name: &str| {
        let reading = shop(schedule).unwrap_or_else(|problems| panic!("{problems:#?}"));
        let template = template_of(&reading).to_string();
        scheduled_run(&template, "shop", "api", name).map_err(|error| error.to_string())
    };
    // Nobody but who started it looks after a run by hand.
    assert_eq!(
        run("timeout: 3600, retries: 2", "nightly").unwrap(),
        ScheduledRun::default()
    );
    let given = "cpu: 2048, memory: 8192, command: [report, --all], environment: {MODE: full, PRICE: \"$${x}\"}";
    assert_eq!(
        run(given, "nightly").unwrap(),
        ScheduledRun {
            command: vec!["report".to_owned(), "--all".to_owned()],
            environment: [("MODE", "full"), ("PRICE", "${x}")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            cpu: Some(2048),
            memory: Some(8192),
        }
    );
    assert_eq!(run("", "nightly").unwrap(), ScheduledRun::default());
    let error = run("", "nightlu").unwrap_err();
    assert!(
        error.contains("no schedule `nightlu`; it has nightly"),
        "{error}"
    );
    // Only CloudFormation knows the region.
    let error = run("command: [report, \"${AWS::Region}\"]", "nightly").unwrap_err();
    assert!(error.contains("give the command after `--`"), "{error}");
    assert!(scheduled_run("{", "shop", "api", "nightly").is_err());
}

#[test]
fn how_long_a_run_is_tried_to_be_started_can_be_said() {
    let target =
        target("retry_policy: {maximum_retry_attempts: 0, maximum_event_age_in_seconds: 900}");
    assert_eq!(
        target["RetryPolicy"],
        json!({"MaximumEventAgeInSeconds": 900, "MaximumRetryAttempts": 0})
    );
}

#[test]
fn what_a_run_cannot_have_is_refused_where_it_is_said() {
    for (schedule, field, message) in [
        (
            "cpu: 300",
            "cpu",
            "Fargate does not offer tasks with 300 CPU units",
        ),
        ("cpu: 1024, memory: 1024", "memory", "expected 2048 to 8192"),
        (
            "retry_policy: {maximum_retry_attempts: 186}",
            "retry_policy.maximum_retry_attempts",
            "expected 0 to 185",
        ),
        (
            "retry_policy: {maximum_event_age_in_seconds: 59}",
            "retry_policy.maximum_event_age_in_seconds",
            "expected 60 to 86400",
        ),
        (
            "environment: {TOKEN: x}",
            "environment.TOKEN",
            "`secrets`, too",
        ),
        ("retries: 11", "retries", "expected 0 to 10"),
        ("timeout: 59", "timeout", "expected 60 to 1209600"),
        (
            "retries: 1, environment: {LONGSHORE_RUN: x}",
            "environment.LONGSHORE_RUN",
            "choose another name",
        ),
    ] {
        let mut problems = shop(schedule).unwrap_err();
        problems.retain(|problem| problem.severity == Severity::Error);
        assert_eq!(problems.len(), 1, "{schedule}: {problems:#?}");
        assert_eq!(
            problems[0].path,
            format!("services.api.schedules.nightly.{field}")
        );
        assert!(
            problems[0].message.contains(message),
            "{}",
            problems[0].message
        );
    }
}

#[test]
fn the_estimate_has_the_size_of_the_run() {
    let hours = |schedule: &str| {
        let reading = shop(schedule).unwrap();
        let lines = estimate(&reading.stack).lines;
        let line = lines.into_iter().find(|line| {
            line.resource == "services.api.schedules.nightly" && line.item.contains("vCPU")
        });
        line.unwrap()
            .quantity
            .unwrap()
            .to_string()
            .parse::<f64>()
            .unwrap()
    };
    let small = hours("expected_minutes: 60");
    let large = hours("expected_minutes: 60, cpu: 2048, memory: 4096");
    assert!((large / small - 8.0).abs() < 0.01, "{small} {large}");
}
