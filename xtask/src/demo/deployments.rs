//! The scenes of a service's deployments.

use anyhow::{Context, Result, bail, ensure};
use longshore_local::client::{JsonService, QueryService};
use longshore_local::control::SlackMessage;
use longshore_local::scene::{
    credentials_of_function_role, fails, push_image, refused, serves, short_digest,
};
use serde_json::{Value, json};

use crate::demo::stage::{Slack, Stage, processes, wait_for_rollout};
use crate::terminal::Terminal;

pub fn rolls_out(terminal: &mut Terminal, stage: &mut Stage, slack: &Slack<'_>) -> Result<String> {
    terminal.progress("pushing shop/api:v2");
    let digest = push_image(
        &stage.environment.client(),
        &stage.service.repository,
        "v2",
        &serves("api v2 is serving"),
    )?;
    stage.images.second = Some(digest.clone());
    slack.wait_for(terminal, &["started", "api", "v2"])?;
    let running = wait_for_rollout(terminal, stage, &digest)?;
    slack.wait_for(terminal, &["succeeded", "api", "v2"])?;
    Ok(format!(
        "v2 ({}), {}",
        short_digest(&digest),
        processes(&running)
    ))
}

pub fn ignores_the_same_event(
    terminal: &mut Terminal,
    stage: &mut Stage,
    slack: &Slack<'_>,
) -> Result<String> {
    let event = push_event(stage, "v2")?;
    let definitions = stage.service.count_task_definitions(&stage.environment)?;
    let before = stage.service.describe(&stage.environment)?;
    terminal.progress("invoking deploy with the event of the push of v2 once more");
    let answer = ask_deploy(stage, &event)?;
    let after = stage.service.describe(&stage.environment)?;
    ensure!(
        before["deployments"][0]["id"] == after["deployments"][0]["id"],
        "the service was updated by the second event"
    );
    ensure!(
        stage.service.count_task_definitions(&stage.environment)? == definitions,
        "a task definition was registered by the second event"
    );
    let reported = slack.messages()?;
    ensure!(
        reported.is_empty(),
        "Slack was notified of the second event: {:?}",
        reported.first().map_or("", SlackMessage::fallback)
    );
    Ok(format!(
        "event {}: {answer}",
        event["id"].as_str().unwrap_or_default()
    ))
}

/// The event that ECR published of the push of a tag.
fn push_event(stage: &Stage, tag: &str) -> Result<Value> {
    stage
        .environment
        .control()
        .events()?
        .into_iter()
        .find(|event| {
            let detail = &event["detail"];
            event["source"] == "aws.ecr"
                && detail["repository-name"] == stage.service.repository.as_str()
                && detail["image-tag"] == tag
                && detail["action-type"] == "PUSH"
        })
        .with_context(|| format!("the push of {tag} gave no event"))
}

/// What `deploy` answers to a payload.
fn ask_deploy(stage: &Stage, payload: &Value) -> Result<Value> {
    let function = stage.environment.applied.function_name("deploy")?;
    let answer = stage.environment.client().invoke(function, payload);
    answer
        .context("invoke deploy")?
        .or_else(|error| bail!("deploy answered an error: {error}"))
}

pub fn rolls_back(terminal: &mut Terminal, stage: &mut Stage, slack: &Slack<'_>) -> Result<String> {
    let second = stage.images.second()?;
    terminal.progress("pushing shop/api:v3");
    let reason = "cannot reach the database";
    let digest = push_image(
        &stage.environment.client(),
        &stage.service.repository,
        "v3",
        &fails(reason),
    )?;
    slack.wait_for(terminal, &["started", "api", "v3"])?;
    slack.wait_for(terminal, &["rolled back", "api", "v3", "exited with 1"])?;
    let running = wait_for_rollout(terminal, stage, second)?;
    slack.check_none(&["succeeded"])?;
    let exit_codes = stage.service.exit_codes(&stage.environment, &digest)?;
    ensure!(
        exit_codes.len() >= 2 && exit_codes.iter().all(|code| *code == 1),
        "the tasks of v3 should have exited with 1: {exit_codes:?}"
    );
    Ok(format!(
        "{} tasks of v3 ({}) exited with 1; v2 again: {}",
        exit_codes.len(),
        short_digest(&digest),
        processes(&running)
    ))
}

pub fn deploys_a_release_file(
    terminal: &mut Terminal,
    stage: &mut Stage,
    slack: &Slack<'_>,
) -> Result<String> {
    // A tag that the service does not follow: only the release file asks for it.
    let tag = "hotfix-1";
    let digest = push_image(
        &stage.environment.client(),
        &stage.service.repository,
        tag,
        &serves("api hotfix-1 is serving"),
    )?;
    stage.images.hotfix = Some(digest.clone());
    let image = format!("{}:{tag}", stage.service.repository);
    let key = stage.service.put_release(
        &stage.environment,
        &json!({"image": image, "note": "the database moved"}),
    )?;
    slack.wait_for(terminal, &["started", "api", tag, "the database moved"])?;
    let running = wait_for_rollout(terminal, stage, &digest)?;
    slack.wait_for(terminal, &["succeeded", "api", tag])?;
    Ok(format!(
        "{key} -> {}, {}",
        short_digest(&digest),
        processes(&running)
    ))
}

pub fn deploys_a_payload(
    terminal: &mut Terminal,
    stage: &mut Stage,
    slack: &Slack<'_>,
) -> Result<String> {
    let second = stage.images.second()?;
    let payload = json!({
        "action": "deploy",
        "stack": stage.service.stack,
        "service": stage.service.name,
        "image": format!("{}:v2", stage.service.repository),
        "note": "back to v2",
    });
    terminal.progress("invoking deploy with the payload");
    ask_deploy(stage, &payload)?;
    slack.wait_for(terminal, &["started", "api", "v2"])?;
    let running = wait_for_rollout(terminal, stage, second)?;
    slack.wait_for(terminal, &["succeeded", "api", "v2"])?;
    Ok(format!("{payload} -> {}", processes(&running)))
}

pub fn goes_back(terminal: &mut Terminal, stage: &mut Stage, slack: &Slack<'_>) -> Result<String> {
    let payload = json!({
        "action": "rollback",
        "stack": stage.service.stack,
        "service": stage.service.name,
        "note": "v2 is slow",
    });
    terminal.progress("invoking deploy with the payload");
    let answer = ask_deploy(stage, &payload)?;
    let hotfix = stage.images.hotfix()?;
    slack.wait_for(terminal, &["started", "api", "rollback", "v2 is slow"])?;
    let running = wait_for_rollout(terminal, stage, hotfix)?;
    slack.wait_for(terminal, &["succeeded", "api"])?;

    terminal.progress("invoking deploy with the push of v2, and with a reconcile");
    ask_deploy(stage, &push_event(stage, "v2")?)?;
    ask_deploy(stage, &json!({"action": "reconcile"}))?;
    wait_for_rollout(terminal, stage, hotfix)?;
    slack.check_none(&["started", "v2@"])?;
    Ok(format!(
        "{answer}\nhotfix-1 ({}), {}; neither the push of v2 nor the reconcile restored v2",
        short_digest(hotfix),
        processes(&running)
    ))
}

pub fn holds(terminal: &mut Terminal, stage: &mut Stage, slack: &Slack<'_>) -> Result<String> {
    let service = json!({"stack": stage.service.stack, "service": stage.service.name});
    let with = |action: &str| {
        let mut payload = service.clone();
        payload["action"] = action.into();
        payload
    };
    let mut hold = with("hold");
    hold["note"] = "the database is being moved".into();
    ask_deploy(stage, &hold)?;
    let hotfix = stage.images.hotfix()?.to_owned();
    let mut digests = Vec::new();
    for tag in ["v4", "v5"] {
        digests.push(push_image(
            &stage.environment.client(),
            &stage.service.repository,
            tag,
            &serves(&format!("api {tag} is serving")),
        )?);
        slack.wait_for(
            terminal,
            &["waits", "api", tag, "the database is being moved"],
        )?;
    }
    wait_for_rollout(terminal, stage, &hotfix)?;
    slack.check_none(&["started"])?;

    terminal.progress("invoking deploy with action resume");
    ask_deploy(stage, &with("resume"))?;
    let newest = digests.pop().context("nothing was pushed")?;
    let running = wait_for_rollout(terminal, stage, &newest)?;
    slack.wait_for(terminal, &["succeeded", "api", "v5"])?;
    slack.check_none(&["started", "v4"])?;
    let detail = format!(
        "hotfix-1 ran on while v4 and v5 waited; then v5 ({}), {}, and v4 never",
        short_digest(&newest),
        processes(&running)
    );
    stage.images.newest = Some(newest);
    Ok(detail)
}

pub fn refuses_what_is_not_allowed(
    terminal: &mut Terminal,
    stage: &mut Stage,
    _: &Slack<'_>,
) -> Result<String> {
    let administrator = stage.environment.client();
    let applied = &stage.environment.applied;
    let bucket = &applied.state_bucket_name;
    let record = format!(
        "deployments/{}/{}/current.json",
        stage.service.stack, stage.service.name
    );
    let route = format!("routes/{}.json", stage.service.repository);

    terminal.progress("calling with the credentials that Lambda gives to deploy");
    let deploy = administrator.with_credentials(credentials_of_function_role(
        &administrator,
        applied.role_arn("deploy")?,
    )?);
    // What it may do works: it is the policy that refuses the rest, not wrong credentials.
    let read = deploy
        .get_object(bucket, &route)
        .context("read the route as deploy")?;
    ensure!(read.is_some(), "the route is gone");
    let not_deleted =
        refused(deploy.delete_object(bucket, &record)).context("delete the record as deploy")?;

    terminal.progress("calling with the credentials that Lambda gives to notify");
    let notify = administrator.with_credentials(credentials_of_function_role(
        &administrator,
        applied.role_arn("notify")?,
    )?);
    let before = stage.service.describe(&stage.environment)?;
    let update = json!({"cluster": stage.environment.cluster, "service": stage.service.ecs_name(), "desiredCount": 0});
    let not_updated = refused(notify.json(JsonService::Ecs, "UpdateService", &update))
        .context("update the service as notify")?;

    terminal.progress("calling with the credentials that Lambda gives to provision");
    let provision = administrator.with_credentials(credentials_of_function_role(
        &administrator,
        applied.role_arn("provision")?,
    )?);
    // Only CloudFormation's role makes roles, and only within the permissions boundary.
    let not_made = refused(provision.query(
        QueryService::Iam,
        "CreateRole",
        &[
            ("RoleName", "administrator"),
            ("AssumeRolePolicyDocument", "{}"),
        ],
    ))
    .context("make a role as provision")?;

    let after: Value = stage.service.describe(&stage.environment)?;
    ensure!(
        before["desiredCount"] == after["desiredCount"],
        "the service was changed all the same"
    );
    let kept = administrator
        .get_object(bucket, &record)
        .context("read the record")?;
    ensure!(kept.is_some(), "the record was deleted all the same");
    Ok(format!(
        "deploy: {not_deleted}\nnotify: {not_updated}\nprovision: {not_made}"
    ))
}
