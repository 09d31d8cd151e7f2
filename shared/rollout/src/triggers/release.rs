//! Release files: read, checked, deployed, or refused aloud.

use longshore_events::incoming::ReleaseFile;
use longshore_events::longshore::{LongshoreEvent, ReleaseRefused, Source};
use longshore_events::manual::DeployPayload;
use longshore_events::release::{parse_body, parse_key};
use longshore_events::sequence::Sequence;
use longshore_state::{CallError, Worker};

use super::payload::{Asked, deploy_explicitly};
use crate::engine::{DeployError, ServiceOutcome};
use crate::ports::Cloud;

/// What came of a release file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReleaseOutcome {
    /// It was taken.
    Taken(ServiceOutcome),
    /// It was refused, for this reason, and that was published: nobody waits for an answer.
    Refused(String),
}

/// A release file that was neither taken nor refused. Trying again may help.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The deployment met an error.
    #[error(transparent)]
    Deploy(DeployError),
    /// The file could not be read, or its refusal not be published.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// Deploys what a release file says.
///
/// # Errors
/// [`ReleaseError`].
pub async fn deploy_release<C: Cloud>(
    cloud: &C,
    file: &ReleaseFile,
    worker: &Worker,
) -> Result<ReleaseOutcome, ReleaseError> {
    let reason = match read(cloud, file).await? {
        Ok((payload, asked)) => match deploy_explicitly(cloud, &payload, asked, worker).await {
            Ok(outcome) => return Ok(ReleaseOutcome::Taken(outcome)),
            Err(DeployError::Refused { reason, .. }) => reason,
            Err(error) => return Err(ReleaseError::Deploy(error)),
        },
        Err(reason) => reason,
    };
    let refused = LongshoreEvent::ReleaseRefused(ReleaseRefused {
        bucket: file.bucket.clone(),
        key: file.key.clone(),
        version_id: file.version_id.clone(),
        reason: reason.clone(),
    });
    cloud.publish(&[refused]).await?;
    Ok(ReleaseOutcome::Refused(reason))
}

/// What the file asks for, or why that cannot be made out.
async fn read<C: Cloud>(
    cloud: &C,
    file: &ReleaseFile,
) -> Result<Result<(DeployPayload, Asked), String>, CallError> {
    let key = match parse_key(&file.key) {
        Ok(key) => key,
        Err(malformed) => return Ok(Err(malformed.to_string())),
    };
    let body = match cloud.release(file).await {
        Ok(body) => body,
        Err(error) if error.class.is_refusal() => {
            return Ok(Err(error.to_string()));
        }
        Err(error) => return Err(error),
    };
    Ok(parse_body(&body)
        .map(|release| {
            let payload = DeployPayload::new(
                &key.stack,
                &key.service,
                release.image,
                release.note.clone(),
            );
            let asked = Asked {
                id: file.event_id.clone(),
                at: file.at,
                sequence: Sequence::of_sequencer(&file.sequencer),
                source: Source::Release {
                    key: file.key.clone(),
                    version_id: file.version_id.clone(),
                    note: release.note,
                },
            };
            (payload, asked)
        })
        .map_err(|malformed| malformed.to_string()))
}
