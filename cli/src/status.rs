//! `longshore status`.

use chrono::Utc;
use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use longshore_rollout::ports::Cloud;
use longshore_rollout::record::State;
use longshore_rollout::route::Owner;
use longshore_rollout::status::{ServiceStatus, status};

use crate::arguments::{Output, StatusArguments};

/// Shows the last deployment of every service that the filter lets through.
pub async fn run<C: Cloud>(cloud: &C, arguments: &StatusArguments) -> anyhow::Result<String> {
    let filter = arguments.filter.as_deref();
    let statuses = status(cloud, |owner| is_wanted(owner, filter), Utc::now()).await?;
    if arguments.output == Output::Json {
        return Ok(serde_json::to_string_pretty(&statuses)?);
    }
    if statuses.is_empty() {
        return Ok(match filter {
            Some(filter) => format!("nothing was deployed to {filter} yet"),
            None => "nothing was deployed yet".to_owned(),
        });
    }
    Ok(table(&statuses))
}

fn is_wanted(owner: &Owner, filter: Option<&str>) -> bool {
    filter.is_none_or(|filter| match filter.split_once('/') {
        Some((stack, service)) => owner.stack == stack && owner.service == service,
        None => owner.stack == filter,
    })
}

fn table(statuses: &[ServiceStatus]) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header([
        "service",
        "deployment",
        "image",
        "digest",
        "asked for",
        "tasks",
    ]);
    for ServiceStatus {
        deployment,
        running,
        ..
    } in statuses
    {
        let mut state = in_words(deployment.state).to_owned();
        if let Some(reason) = &deployment.reason {
            state = format!("{state}: {reason}");
        }
        let tag = deployment.image.tag.as_deref().unwrap_or("-");
        table.add_row([
            format!("{}/{}", deployment.stack, deployment.service),
            state,
            format!("{}:{tag}", deployment.image.repository),
            deployment.image.digest.short().to_owned(),
            deployment
                .requested_at
                .format("%Y-%m-%d %H:%M:%S UTC")
                .to_string(),
            running.as_ref().map_or_else(
                || "service is gone".to_owned(),
                |running| format!("{}/{}", running.running_count, running.desired_count),
            ),
        ]);
    }
    table.to_string()
}

fn in_words(state: State) -> &'static str {
    match state {
        State::Claimed => "starting",
        State::Preparing => "preparing",
        State::Verifying => "verifying",
        State::Deploying => "deploying",
        State::RollingBack => "rolling back",
        State::Succeeded => "succeeded",
        State::Failed => "failed",
        State::RolledBack => "rolled back",
        State::Superseded => "superseded",
    }
}
