//! `longshore rollback`.

use longshore_events::manual::RollbackPayload;
use longshore_rollout::ports::{Cloud, TaskLogs};
use longshore_rollout::triggers::rollback::rollback;

use crate::answer::Answer;
use crate::arguments::RollbackArguments;
use crate::outcome::worker;
use crate::wait::answer;

/// Starts the way back and says what came of it, or waits for its outcome.
pub async fn run<C: Cloud + TaskLogs>(
    cloud: &C,
    arguments: RollbackArguments,
) -> anyhow::Result<Answer> {
    let RollbackArguments {
        service,
        to,
        note,
        wait,
        output,
    } = arguments;
    let payload = RollbackPayload {
        stack: service.stack,
        service: service.service,
        to,
        note,
    };
    let what = to.map_or_else(
        || "the deployment before".to_owned(),
        |number| format!("deployment {number}"),
    );
    let worker = worker();
    let outcome = rollback(cloud, &payload, &worker).await?;
    answer(cloud, &outcome, &worker.id, &what, wait, output).await
}
