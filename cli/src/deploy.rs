//! `longshore deploy`.

use longshore_events::longshore::Source;
use longshore_events::manual::DeployPayload;
use longshore_events::sequence::Sequence;
use longshore_rollout::dry_run::DryRun;
use longshore_rollout::ports::{Cloud, TaskLogs};
use longshore_rollout::service_view::ServiceViews;
use longshore_rollout::triggers::payload::{Asked, deploy_explicitly};

use crate::answer::Answer;
use crate::arguments::DeployArguments;
use crate::caller::caller;
use crate::outcome::{worker, would};
use crate::wait::answer;

/// Starts the deployment and says what came of it, or waits for its outcome.
pub async fn run<C: Cloud + TaskLogs + ServiceViews>(
    cloud: &C,
    arguments: DeployArguments,
) -> anyhow::Result<Answer> {
    let DeployArguments {
        service,
        image,
        dry_run,
        note,
        wait,
        output,
    } = arguments;
    let worker = worker();
    let asked = Asked {
        id: worker.id.clone(),
        at: worker.now,
        sequence: Sequence::of_time(worker.now),
        source: Source::Manual {
            note: note.clone(),
            by: caller(),
        },
    };
    let payload = DeployPayload::new(&service.stack, &service.service, image.clone(), note);
    if dry_run {
        let dry_run = DryRun::of(cloud);
        let outcome = deploy_explicitly(&dry_run, &payload, asked, &worker).await?;
        return would(&dry_run, &outcome, &image, output).await;
    }
    let outcome = deploy_explicitly(cloud, &payload, asked, &worker).await?;
    answer(cloud, &outcome, &worker.id, &image, wait, output).await
}
