//! `longshore deploy`.

use chrono::Utc;
use longshore_events::longshore::{SkipReason, Source};
use longshore_events::manual::DeployPayload;
use longshore_rollout::deploy::{Asked, Outcome, deploy_explicitly};
use longshore_rollout::ports::Cloud;
use longshore_rollout::record::Worker;
use longshore_rollout::sequence::Sequence;
use uuid::Uuid;

use crate::arguments::{DeployArguments, Output};

/// Starts the deployment and says what came of it; does not wait for its outcome.
pub async fn run<C: Cloud>(cloud: &C, arguments: DeployArguments) -> anyhow::Result<String> {
    let DeployArguments {
        service,
        image,
        note,
        output,
    } = arguments;
    let worker = Worker {
        id: Uuid::new_v4().to_string(),
        now: Utc::now(),
    };
    let asked = Asked {
        id: worker.id.clone(),
        at: worker.now,
        sequence: Sequence::of_time(worker.now),
        source: Source::Manual { note: note.clone() },
    };
    let payload = DeployPayload::new(&service.stack, &service.service, image.clone(), note);
    let answer = deploy_explicitly(cloud, &payload, asked, &worker).await?;
    if output == Output::Json {
        return Ok(serde_json::to_string_pretty(&answer)?);
    }
    let name = format!("{}/{}", answer.stack, answer.service);
    match answer.outcome {
        Outcome::Started { deployment_id, .. } => Ok(format!(
            "deployment {deployment_id} of {image} to {name} started; follow it with: longshore status {name}"
        )),
        Outcome::Skipped { reason } => Ok(format!("nothing to do: {name} {}", why(reason, &image))),
        Outcome::Pending => Ok(format!(
            "stack {} is being changed; {image} goes to {name} when that is over",
            answer.stack
        )),
        Outcome::Failed { reason } => anyhow::bail!("deploy {image} to {name}: {reason}"),
    }
}

fn why(reason: SkipReason, image: &impl std::fmt::Display) -> String {
    match reason {
        SkipReason::AlreadyRunning => format!("already runs {image}"),
        SkipReason::AlreadyDeploying => format!("is already being deployed with {image}"),
        SkipReason::NewerRequested => format!("was asked for something newer than {image}"),
        SkipReason::FailedBefore => format!("failed with {image} before"),
        SkipReason::ArchitectureMissing => format!("cannot run {image} on its processors"),
        SkipReason::ApprovalExpired => format!("was not approved for {image} in time"),
        SkipReason::PredecessorFailed => {
            format!("waited for a service that did not get {image} to run")
        }
    }
}
