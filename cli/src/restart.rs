//! `longshore restart`.

use longshore_policy::route::ServiceId;
use longshore_rollout::ports::{Cloud, TaskLogs};
use longshore_rollout::service_view::ServiceViews;
use longshore_rollout::triggers::restart::{RestartAsked, restart};
use serde_json::json;

use crate::answer::Answer;
use crate::arguments::RestartArguments;
use crate::caller::caller;
use crate::outcome::worker;
use crate::output::Output;
use crate::wait::answer;

/// Starts new tasks of what a service runs and says what came of it, or waits for the outcome.
pub async fn run<C: Cloud + TaskLogs + ServiceViews>(
    cloud: &C,
    arguments: RestartArguments,
) -> anyhow::Result<Answer> {
    let RestartArguments {
        service,
        dry_run,
        note,
        wait,
        output,
    } = arguments;
    let service_id = ServiceId {
        stack: service.stack,
        service: service.service,
    };
    let worker = worker();
    let by = caller();
    let asked = RestartAsked {
        note: note.as_deref(),
        by: by.as_ref(),
    };
    let asked = restart(cloud, &service_id, asked, dry_run, &worker).await?;
    match asked {
        Some(asked) => {
            let what = "new tasks of what runs";
            answer(cloud, &asked, &worker.id, &what, wait, output).await
        }
        None => Ok(match output {
            Output::Json => json!({
                "stack": service_id.stack,
                "service": service_id.service,
                "outcome": "would_start",
            })
            .to_string(),
            Output::Text => format!(
                "{}/{} would be restarted (dry run: nothing was done)",
                service_id.stack, service_id.service
            ),
        }
        .into()),
    }
}
