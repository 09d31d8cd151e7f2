//! Deployments in figures: how they went, how long they took, and how long it took until a failure was made good.
//!
//! The digest and the dashboard show the same figures: these.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use longshore_events::longshore::{
    DeploymentFigures, ServiceFailures, ServiceOfStack, Source, Times,
};
use longshore_policy::route::ServiceId;

use crate::record::{Deployment, State};

/// How many services are named whose deployments failed most often.
const FAILED_MOST: usize = 5;

/// Some time: from its beginning to its end, which does not belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    pub since: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

impl Period {
    /// These days up to `until`.
    pub fn of_days(days: u32, until: DateTime<Utc>) -> Self {
        Self {
            since: earlier(until, TimeDelta::days(days.into())),
            until,
        }
    }

    /// The period of the same length that ends where this one begins.
    pub fn before(self) -> Self {
        Self {
            since: earlier(self.since, self.until - self.since),
            until: self.since,
        }
    }

    fn contains(self, at: DateTime<Utc>) -> bool {
        self.since <= at && at < self.until
    }
}

/// There is no time before the first one.
fn earlier(at: DateTime<Utc>, by: TimeDelta) -> DateTime<Utc> {
    at.checked_sub_signed(by)
        .unwrap_or(DateTime::<Utc>::MIN_UTC)
}

/// How deployments went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcomes {
    pub succeeded: u32,
    /// Those that failed, whatever ran afterwards.
    pub failed: u32,
}

impl Outcomes {
    pub fn of(states: impl IntoIterator<Item = State>) -> Self {
        let mut outcomes = Self::default();
        for state in states {
            outcomes.succeeded += u32::from(state == State::Succeeded);
            outcomes.failed += u32::from(state.has_failed());
        }
        outcomes
    }
}

/// From the request to the end; `None` while it is open. Two clocks are compared, so it may seem negative: then it is
/// nothing.
pub fn lead_time(deployment: &Deployment) -> Option<TimeDelta> {
    let end = deployment.finished_at?;
    Some((end - deployment.asked_at()).max(TimeDelta::zero()))
}

/// What half of these are at most; `None` of none.
pub fn median(times: impl IntoIterator<Item = TimeDelta>) -> Option<TimeDelta> {
    let mut times: Vec<TimeDelta> = times.into_iter().collect();
    times.sort_unstable();
    times.get(times.len().saturating_sub(1) / 2).copied()
}

/// The figures of a period. `histories` are the deployments of each service, the oldest first, those before the period
/// from the last success on: what failed before the period may have been restored in it.
pub fn figures<'a>(
    histories: impl IntoIterator<Item = (&'a ServiceId, &'a [Deployment])>,
    period: Period,
) -> DeploymentFigures {
    let mut figures = DeploymentFigures::default();
    let mut lead_times = Vec::new();
    let mut times_to_restore = Vec::new();
    for (service_id, deployments) in histories {
        let mut fails_since = None;
        let mut is_deployed = false;
        let ended = deployments.iter().filter_map(|deployment| {
            let end = deployment.finished_at.filter(|end| *end < period.until);
            Some((deployment, end?))
        });
        for (deployment, end) in ended.filter(|(deployment, _)| !deployment.state.is_open()) {
            let counts = period.contains(end);
            let one = u32::from(counts);
            is_deployed |= counts;
            if let Source::Rollback { .. } = deployment.source {
                figures.rollbacks_asked_for += one;
            }
            match deployment.state {
                State::Succeeded => {
                    figures.succeeded += one;
                    if let Some(since) = fails_since.take().filter(|_| counts) {
                        times_to_restore.push((end - since, service_id));
                    }
                    if let (true, Source::Push, Some(took)) =
                        (counts, &deployment.source, lead_time(deployment))
                    {
                        lead_times.push((took, service_id));
                    }
                }
                State::Failed | State::RolledBack => {
                    match deployment.state {
                        State::Failed => figures.failed += one,
                        _ => figures.rolled_back += one,
                    }
                    fails_since.get_or_insert(end);
                }
                _ => figures.superseded += one,
            }
        }
        figures.services += u32::from(is_deployed);
        figures.not_restored += u32::from(fails_since.is_some());
    }
    figures.lead_time = times(&lead_times);
    figures.time_to_restore = times(&times_to_restore);
    figures
}

/// The services whose deployments failed most often in a period, those with most failures first.
pub fn failed_most<'a>(
    histories: impl IntoIterator<Item = (&'a ServiceId, &'a [Deployment])>,
    period: Period,
) -> Vec<ServiceFailures> {
    let mut services: BTreeMap<&ServiceId, Outcomes> = BTreeMap::new();
    for (service_id, deployments) in histories {
        let ended = deployments.iter().filter(|deployment| {
            let end = deployment.finished_at;
            !deployment.state.is_open() && end.is_some_and(|end| period.contains(end))
        });
        let outcomes = Outcomes::of(ended.map(|deployment| deployment.state));
        services.insert(service_id, outcomes);
    }
    let mut failed: Vec<ServiceFailures> = services
        .into_iter()
        .filter(|(_, outcomes)| outcomes.failed > 0)
        .map(|(service_id, outcomes)| ServiceFailures {
            stack: service_id.stack.clone(),
            service: service_id.service.clone(),
            failed: outcomes.failed,
            deployments: outcomes.failed + outcomes.succeeded,
        })
        .collect();
    // Of those with as many failures, by name.
    failed.sort_by_key(|service| std::cmp::Reverse(service.failed));
    failed.truncate(FAILED_MOST);
    failed
}

fn times(taken: &[(TimeDelta, &ServiceId)]) -> Option<Times> {
    let seconds = |time: TimeDelta| u64::try_from(time.num_seconds()).unwrap_or_default();
    let median = median(taken.iter().map(|(time, _)| *time))?;
    // Of those that took as long, the first by name.
    let (longest, of) = taken.iter().rev().max_by_key(|(time, _)| *time)?;
    Some(Times {
        count: u32::try_from(taken.len()).unwrap_or(u32::MAX),
        median_seconds: seconds(median),
        longest_seconds: seconds(*longest),
        longest_of: ServiceOfStack {
            stack: of.stack.clone(),
            service: of.service.clone(),
        },
    })
}
