//! `longshore render|plan|apply|destroy|drift|outputs`.

use std::time::Duration;

use longshore_events::longshore::{FailedService, StackSource};
use longshore_provisioning::apply::{ApplyOutcome, StackRequest, apply};
use longshore_provisioning::destroy::{Destruction, destroy, examine, list};
use longshore_provisioning::drift::{DriftReport, drift};
use longshore_provisioning::error::Line;
use longshore_provisioning::outputs::outputs;
use longshore_provisioning::plan::plan;
use longshore_provisioning::ports::ProvisioningCloud;
use longshore_provisioning::settings::Settings;
use longshore_report::words::{counted, reason_or_none};
use longshore_rollout::documents::StackRecordStore;
use longshore_stack::check::check_without_surroundings;
use longshore_stack::render::{Context, render as render_template};
use longshore_state::Worker;
use serde_json::Value;
use uuid::Uuid;

use crate::arguments::{
    ApplyArguments, DestroyArguments, Output, PlanArguments, StackArguments, StackFileArguments,
};
use crate::asking::confirm;
use crate::caller::caller;
use crate::failures::with_logs;
use crate::follow::{End, follow};
use crate::outcome::worker;
use crate::plan::{in_words, nothing_to_do};
use crate::stack_file::open;
use crate::terminal;

/// Prints the template, with the images that the file names: it needs no AWS. What is therefore not known is
/// reported beside it.
pub fn render(arguments: &StackFileArguments, settings: &Settings) -> anyhow::Result<String> {
    let reading = open(arguments)?;
    for problem in reading.locate(check_without_surroundings(&reading.stack)) {
        let file = arguments.file.display();
        terminal::note(&format!("{file}:{}", Line(&problem)));
    }
    let context = Context {
        permissions_boundary_arn: settings.permissions_boundary_arn.clone(),
        ..Context::default()
    };
    let template: Value = serde_json::from_str(&render_template(&reading.stack, &context).body)?;
    Ok(serde_json::to_string_pretty(&template)?)
}

/// Shows what applying the file would change.
pub async fn run_plan<C: ProvisioningCloud>(
    cloud: &C,
    settings: &Settings,
    arguments: &PlanArguments,
) -> anyhow::Result<String> {
    let reading = open(&arguments.stack_file)?;
    let plan = plan(cloud, settings, &reading, &Uuid::new_v4().to_string()).await?;
    match arguments.output {
        Output::Json => Ok(serde_json::to_string_pretty(&plan)?),
        Output::Text => Ok(in_words(&plan)),
    }
}

/// Applies the file and, unless set otherwise, follows CloudFormation to the end.
pub async fn run_apply<C: ProvisioningCloud>(
    cloud: &C,
    settings: &Settings,
    arguments: ApplyArguments,
) -> anyhow::Result<String> {
    if arguments.dry_run {
        let arguments = PlanArguments {
            stack_file: arguments.stack_file,
            output: arguments.output,
        };
        return run_plan(cloud, settings, &arguments).await;
    }
    let reading = open(&arguments.stack_file)?;
    let (request, worker) = asked(arguments.note);
    let applied = apply(cloud, settings, &reading, &request, &worker).await?;
    let stack = &applied.stack;
    let is_begun = matches!(applied.outcome, ApplyOutcome::Applying { .. });
    if arguments.output == Output::Json && (arguments.no_follow || !is_begun) {
        return Ok(serde_json::to_string_pretty(&applied)?);
    }
    let operation_id = match &applied.outcome {
        ApplyOutcome::Applying { operation_id, .. } => operation_id,
        ApplyOutcome::Unchanged => {
            return Ok(nothing_to_do(stack));
        }
        ApplyOutcome::Pending | ApplyOutcome::TakenBefore => {
            return Ok(format!("stack {stack} is being changed already"));
        }
    };
    if arguments.no_follow {
        return Ok(format!(
            "stack {stack} is being applied as operation {operation_id}"
        ));
    }
    ended(cloud, stack, operation_id, "applied", arguments.output).await
}

/// Destroys the stack and, unless set otherwise, follows CloudFormation to the end.
pub async fn run_destroy<C: ProvisioningCloud>(
    cloud: &C,
    settings: &Settings,
    arguments: DestroyArguments,
) -> anyhow::Result<String> {
    let stack = &arguments.stack;
    let mut confirmed = arguments.confirm;
    if arguments.dry_run || !arguments.yes {
        let destruction = examine(cloud, stack).await?;
        if arguments.dry_run {
            return match arguments.output {
                Output::Json => Ok(serde_json::to_string_pretty(&destruction)?),
                Output::Text => Ok(format!(
                    "{} (dry run: nothing was done)",
                    what_goes(&destruction)
                )),
            };
        }
        // Whoever has named it once more has been asked.
        if confirmed.is_none() {
            confirm(&what_goes(&destruction), stack)?;
            confirmed = Some(stack.clone());
        }
    }
    let (request, worker) = asked(arguments.note);
    let stack_id = cloud.describe(stack).await?.map(|stack| stack.stack_id);
    let destroyed = destroy(
        cloud,
        settings,
        stack,
        confirmed.as_deref(),
        &request,
        &worker,
    )
    .await?;
    match (arguments.no_follow, stack_id) {
        (false, Some(stack_id)) => {
            let end = follow(cloud, &stack_id, &destroyed.operation_id).await?;
            answered(stack, &end, &[], "destroyed", arguments.output)
        }
        _ if arguments.output == Output::Json => Ok(serde_json::to_string_pretty(&destroyed)?),
        _ => Ok(format!(
            "stack {stack} is being destroyed as operation {}",
            destroyed.operation_id
        )),
    }
}

/// Shows what is not as the template says.
pub async fn run_drift<C: ProvisioningCloud>(
    cloud: &C,
    arguments: &StackArguments,
) -> anyhow::Result<String> {
    let report = drift(cloud, &arguments.stack).await?;
    match arguments.output {
        Output::Json => Ok(serde_json::to_string_pretty(&report)?),
        Output::Text => Ok(drift_in_words(&report)),
    }
}

/// Prints what the stack has made.
pub async fn run_outputs<C: ProvisioningCloud>(
    cloud: &C,
    arguments: &StackArguments,
) -> anyhow::Result<String> {
    let outputs = outputs(cloud, &arguments.stack).await?;
    match arguments.output {
        Output::Json => Ok(serde_json::to_string_pretty(&outputs)?),
        Output::Text => {
            let mut lines = Vec::new();
            flatten("", &outputs, &mut lines);
            Ok(lines.join("\n"))
        }
    }
}

/// What a stack's end means.
fn what_goes(destruction: &Destruction) -> String {
    let Destruction {
        stack,
        services,
        resources,
        kept,
        deleted,
        protected,
    } = destruction;
    let mut words = format!(
        "stack {stack} goes, with {}",
        counted(*resources, "resource")
    );
    if !services.is_empty() {
        words.push_str(&format!("; these services end: {}", services.join(", ")));
    }
    if !deleted.is_empty() {
        words.push_str(&format!(
            "; file systems DELETED with it: {}",
            list(deleted)
        ));
    }
    if !kept.is_empty() {
        words.push_str(&format!("; file systems that stay: {}", list(kept)));
    }
    if *protected {
        words.push_str("; it is protected, so this is refused until `termination_protection: false` is applied");
    }
    words
}

fn asked(note: Option<String>) -> (StackRequest, Worker) {
    let worker = worker();
    let request = StackRequest {
        id: worker.id.clone(),
        at: worker.now,
        source: StackSource::Manual { note, by: caller() },
    };
    (request, worker)
}

async fn ended<C: ProvisioningCloud>(
    cloud: &C,
    stack: &str,
    operation_id: &str,
    done: &str,
    output: Output,
) -> anyhow::Result<String> {
    let Some(described) = cloud.describe(stack).await? else {
        anyhow::bail!("stack {stack} is gone before it was {done}");
    };
    let end = follow(cloud, &described.stack_id, operation_id).await?;
    let failed = match end.is_success() {
        true => Vec::new(),
        false => failed_services(cloud, stack, operation_id).await?,
    };
    answered(stack, &end, &failed, done, output)
}

/// How often, once a second, it is looked whether `watch` has written the end of a change down. CloudFormation shows the
/// end a little earlier.
const LOOKS_AT_THE_END: u32 = 15;

/// What `watch` has kept of the tasks that died of the change.
async fn failed_services<C: ProvisioningCloud>(
    cloud: &C,
    stack: &str,
    operation_id: &str,
) -> anyhow::Result<Vec<FailedService>> {
    for look in 1.. {
        let stored = cloud.load_stack(stack).await?;
        let operation = stored.map(|(record, _)| record.operation);
        let Some(operation) = operation.filter(|operation| operation.id == operation_id) else {
            break;
        };
        if operation.finished_at.is_some() || look == LOOKS_AT_THE_END {
            return Ok(operation.failed_services);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(Vec::new())
}

fn answered(
    stack: &str,
    end: &End,
    failed: &[FailedService],
    done: &str,
    output: Output,
) -> anyhow::Result<String> {
    if !end.is_success() {
        let failure = reason_or_none(end.failure.as_deref().unwrap_or_default());
        let mut text = format!("stack {stack} is {}: {failure}", end.status);
        for failed in failed {
            text.push_str(&format!("\n\n{}", with_logs(stack, failed)));
        }
        anyhow::bail!(text);
    }
    match output {
        Output::Json => Ok(serde_json::to_string_pretty(
            &serde_json::json!({"stack": stack, "status": end.status}),
        )?),
        Output::Text => Ok(format!("stack {stack} is {done}: {}", end.status)),
    }
}

fn drift_in_words(report: &DriftReport) -> String {
    if report.drifted.is_empty() {
        return format!("stack {} is as its template says", report.stack);
    }
    let mut lines = vec![format!(
        "stack {} is not as its template says:",
        report.stack
    )];
    for drift in &report.drifted {
        let physical_id = drift.physical_id.as_deref().unwrap_or_default();
        let gone = if drift.deleted { " is gone" } else { "" };
        lines.push(format!(
            "  {} {} {physical_id}{gone}",
            drift.logical_id, drift.resource_type
        ));
        for property in &drift.properties {
            lines.push(format!(
                "      {}: {}, expected {}",
                property.path, property.actual, property.expected
            ));
        }
    }
    lines.join("\n")
}

/// A line for each value, named by its path.
fn flatten(path: &str, value: &Value, lines: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                flatten(&path, value, lines);
            }
        }
        Value::String(text) => lines.push(format!("{path} = {text}")),
        other => lines.push(format!("{path} = {other}")),
    }
}
