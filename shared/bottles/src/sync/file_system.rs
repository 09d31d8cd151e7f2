//! The file system that tasks resume from: whether it can be used, and its throughput.

use chrono::Duration;
use longshore_state::{CallError, ErrorClass, unless_lost};

use crate::ports::{ObservedFileSystem, SyncCloud};
use crate::settings::{MirrorSettings, TaskLocation};
use crate::sync::held::Held;
use crate::sync::record::RaisedThroughput;

/// How long EFS refuses to lower throughput that was raised: the Amazon EFS User Guide, "Throughput modes".
pub(crate) const LOWERED_AFTER: Duration = Duration::hours(24);

/// What is to be done about a file system before tasks start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// Nothing.
    Ready,
    /// Its provisioned throughput is raised.
    Raise {
        /// From this many MiB/s.
        from: u32,
        /// To this many.
        to: u32,
    },
    /// No task could mount it.
    NotReady(String),
}

/// Whether tasks in `place` can mount the file system. Elastic and bursting throughput need nothing.
pub(crate) fn readiness(
    observed: &ObservedFileSystem,
    file_system_id: &str,
    place: &TaskLocation,
    settings: &MirrorSettings,
) -> Readiness {
    // While its throughput is changed it can be mounted.
    if !matches!(observed.life_cycle_state.as_str(), "available" | "updating") {
        return Readiness::NotReady(format!(
            "file system {file_system_id} is {}, and tasks need it to be available; wait for it or fix the \
             stack, then run the sync again",
            observed.life_cycle_state
        ));
    }
    for subnet_id in &place.subnet_ids {
        let state = observed
            .mount_targets
            .iter()
            .find(|(subnet, _)| subnet == subnet_id)
            .map(|(_, state)| state.as_str());
        let problem = match state {
            Some("available") => continue,
            Some(state) => format!("has a mount target in subnet {subnet_id} that is {state}"),
            None => format!("has no mount target in subnet {subnet_id}"),
        };
        return Readiness::NotReady(format!(
            "file system {file_system_id} {problem}, so that no task there could mount it; wait for it or \
             fix the stack, then run the sync again"
        ));
    }
    match (
        observed.throughput_mode.as_str(),
        observed.provisioned_throughput_in_mibps,
        settings.raised_throughput_in_mibps,
    ) {
        ("provisioned", Some(from), Some(to)) if to > from => Readiness::Raise { from, to },
        _ => Readiness::Ready,
    }
}

/// Lowers throughput that was raised a day ago. EFS may refuse that still, because somebody has raised it
/// again: it stays written down and is tried again at the next wake-up.
pub(crate) async fn lower<C: SyncCloud>(held: &mut Held<'_, C>) -> Result<(), CallError> {
    let Some(raised) = held.record.raised_throughput.clone() else {
        return Ok(());
    };
    if held.record.sync.state.is_open() || raised.raised_at + LOWERED_AFTER > held.cloud.now() {
        return Ok(());
    }
    let RaisedThroughput {
        file_system_id,
        before_in_mibps,
        ..
    } = raised;
    let lowered = held
        .cloud
        .set_provisioned_throughput(&file_system_id, before_in_mibps)
        .await;
    match lowered {
        Ok(()) => {}
        Err(error) if error.class == ErrorClass::NotFound => {}
        Err(error) if error.class == ErrorClass::Refused => {
            tracing::info!(
                stack = held.record.sync.stack,
                file_system_id,
                %error,
                "throughput stays raised for now"
            );
            return Ok(());
        }
        Err(error) => return Err(error),
    }
    let mut record = held.record.clone();
    record.raised_throughput = None;
    // It is lowered once more at the next wake-up, which changes nothing.
    unless_lost(held.save(record).await).map(drop)
}
