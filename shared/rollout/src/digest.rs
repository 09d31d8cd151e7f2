//! What came of the deployments of some days, of all services: read from their histories.
//!
//! A listing names the services without their histories. The numbers of deployments grow with time, so each history is
//! read from its newest deployment down to the period that is asked for and the one before, and no further.

use std::cell::Cell;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use longshore_events::longshore::{DeploymentsDigest, LongshoreEvent};
use longshore_events::manual::{DigestPayload, WEEK};
use longshore_events::scheduler::ScheduledRun;
use longshore_policy::route::ServiceId;
use longshore_state::store::DocumentListing;
use longshore_state::{CallError, ErrorClass, EventPublisher, Worker};

use crate::documents::{HistoryStore, RecordStore};
use crate::figures::{Period, failed_most, figures};
use crate::record::{Deployment, State};

/// How many histories are read side by side.
const SERVICES_AT_ONCE: usize = 32;

/// How many deployments of a history are read side by side, after one, two and four: most services were deployed to
/// rarely.
const SIDE_BY_SIDE: u32 = 8;

/// How many deployments are read in all, besides those of the records: some seconds' work, and less than a cent.
const MOST_READ: usize = 20_000;

/// How many deployments of one service are read, so that one alone does not use up the others' share.
const MOST_OF_A_SERVICE: usize = 2_000;

const DEPLOYMENTS: &str = "deployments/";

/// What the keys of all histories hold, and no key of a record, not even of a service that is called `history`: numbers
/// have eight digits.
const HISTORIES: &str = "/history/0";

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestRequest {
    /// The same for each time that the same is asked for.
    pub id: String,
    /// The stack whose deployments are counted; all stacks without one.
    pub stack: Option<String>,
    pub period: Period,
}

impl DigestRequest {
    /// What a payload asks for.
    pub fn of_payload(payload: &DigestPayload, worker: &Worker) -> Self {
        Self {
            id: worker.id.clone(),
            stack: payload.stack.clone(),
            period: Period::of_days(payload.days.unwrap_or(WEEK), worker.now),
        }
    }

    /// What a schedule asks for: the days up to the time of its run, so that each attempt of that run asks for the same.
    pub fn of_schedule(run: &ScheduledRun) -> Self {
        Self {
            id: run.scheduled_time.format("%Y%m%dT%H%M%SZ").to_string(),
            stack: None,
            period: Period::of_days(WEEK, run.scheduled_time),
        }
    }
}

/// Counts the deployments of all services that ended in a period, and in the one before.
///
/// # Errors
/// [`CallError`]. A document that is damaged keeps no other back: its service is counted in part.
pub async fn digest<C: RecordStore + HistoryStore + DocumentListing>(
    cloud: &C,
    request: &DigestRequest,
) -> Result<DeploymentsDigest, CallError> {
    let DigestRequest { id, stack, period } = request;
    let services = services(cloud, stack.as_deref()).await?;
    let left = Cell::new(MOST_READ);
    let since = period.before().since;
    let histories: Vec<History> = stream::iter(services)
        .map(|service_id| History::read(cloud, service_id, since, &left))
        .buffered(SERVICES_AT_ONCE)
        .try_collect()
        .await?;
    let deployments = || {
        let histories = histories.iter();
        histories.map(|history| (&history.service_id, &history.deployments[..]))
    };
    let in_part = histories.iter().filter(|history| !history.is_whole).count();
    Ok(DeploymentsDigest {
        digest_id: id.clone(),
        stack: stack.clone(),
        since: period.since,
        until: period.until,
        figures: figures(deployments(), *period),
        before: figures(deployments(), period.before()),
        failed_most: failed_most(deployments(), *period),
        counted_in_part: u32::try_from(in_part).unwrap_or(u32::MAX),
    })
}

/// The same, published for Slack. Whoever asks for the same again publishes it again: `notify` posts it once.
///
/// # Errors
/// [`CallError`].
pub async fn publish_digest<C>(
    cloud: &C,
    request: &DigestRequest,
) -> Result<DeploymentsDigest, CallError>
where
    C: RecordStore + HistoryStore + DocumentListing + EventPublisher,
{
    let digest = digest(cloud, request).await?;
    let event = LongshoreEvent::DeploymentsDigest(digest.clone());
    cloud.publish(&[event]).await?;
    Ok(digest)
}

/// The services that have a record, by name.
async fn services<C: DocumentListing>(
    cloud: &C,
    stack: Option<&str>,
) -> Result<Vec<ServiceId>, CallError> {
    let prefix = match stack {
        Some(stack) => format!("{DEPLOYMENTS}{stack}/"),
        None => DEPLOYMENTS.to_owned(),
    };
    let listed = cloud.list_with_tags(&prefix, Some(HISTORIES)).await?;
    let services = listed.iter().filter_map(|listed| {
        let name = listed.key.strip_prefix(DEPLOYMENTS)?;
        let (stack, service) = name.strip_suffix("/current.json")?.split_once('/')?;
        (!service.contains('/')).then(|| ServiceId {
            stack: stack.to_owned(),
            service: service.to_owned(),
        })
    });
    Ok(services.collect())
}

/// The deployments of a service, as far back as they are needed.
struct History {
    service_id: ServiceId,
    /// The oldest first.
    deployments: Vec<Deployment>,
    /// Whether none is missing.
    is_whole: bool,
}

impl History {
    /// Reads the deployments that ended since a time, and those before down to the last success: what failed before may
    /// not be restored yet. `left` is how many may still be read.
    async fn read<C: RecordStore + HistoryStore>(
        cloud: &C,
        service_id: ServiceId,
        since: DateTime<Utc>,
        left: &Cell<usize>,
    ) -> Result<Self, CallError> {
        let mut history = Self {
            service_id,
            deployments: Vec::new(),
            is_whole: true,
        };
        let record = cloud.load(&history.service_id).await;
        let Some((record, _)) = history.readable(record)? else {
            return Ok(history);
        };
        let written = record.finished.iter().chain([&record.deployment]);
        let mut written: BTreeMap<u32, Deployment> = written
            .map(|deployment| (deployment.number, deployment.clone()))
            .collect();
        let mut next = record.deployment.number;
        let mut side_by_side = 1;
        let mut of_service = MOST_OF_A_SERVICE;
        'all: loop {
            // Records of the first versions have no numbers.
            let first = next.saturating_sub(side_by_side - 1).max(1).min(next);
            let numbers: Vec<u32> = (first..=next).rev().collect();
            let reads = numbers
                .iter()
                .filter(|number| !written.contains_key(number));
            let reads = reads.count();
            if reads > of_service.min(left.get()) {
                history.is_whole = false;
                break;
            }
            of_service -= reads;
            left.set(left.get() - reads);
            let (written, service_id) = (&mut written, &history.service_id);
            let known: Vec<_> = numbers
                .iter()
                .map(|number| written.remove(number))
                .collect();
            let read = numbers.iter().zip(known).map(|(number, known)| async move {
                match known {
                    Some(known) => Ok(Some(known)),
                    None => cloud.archived_deployment(service_id, *number).await,
                }
            });
            let read = join_all(read).await;
            for deployment in read {
                let Some(deployment) = history.readable(deployment)? else {
                    continue;
                };
                let ended_before = deployment.finished_at.is_some_and(|end| end < since);
                if ended_before && deployment.state == State::Succeeded {
                    break 'all;
                }
                history.deployments.push(deployment);
            }
            if first <= 1 {
                break;
            }
            next = first - 1;
            side_by_side = (side_by_side * 2).min(SIDE_BY_SIDE);
        }
        history.deployments.reverse();
        Ok(history)
    }

    /// What was read; nothing where it is damaged, which the history then knows.
    fn readable<D>(&mut self, read: Result<Option<D>, CallError>) -> Result<Option<D>, CallError> {
        match read {
            Err(error) if error.class == ErrorClass::Unreadable => {
                tracing::warn!(
                    stack = self.service_id.stack,
                    service = self.service_id.service,
                    %error,
                    "counted in part"
                );
                self.is_whole = false;
                Ok(None)
            }
            read => read,
        }
    }
}
