//! `longshore rollback`.

use longshore_events::manual::RollbackPayload;
use longshore_rollout::ports::Cloud;
use longshore_rollout::triggers::rollback::rollback;

use crate::answer::Answer;
use crate::arguments::RollbackArguments;
use crate::outcome::{answer, worker};

/// Starts the way back and says what came of it; does not wait for its outcome.
pub async fn run<C: Cloud>(cloud: &C, arguments: RollbackArguments) -> anyhow::Result<Answer> {
    let RollbackArguments {
        service,
        to,
        note,
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
    let outcome = rollback(cloud, &payload, &worker()).await?;
    answer(&outcome, &what, output)
}
