//! What the messages of one deployment, one change of a stack or one sync have in common: with a bot they
//! are one message, which is edited as it goes. A digest is one message, however often it is published.

use std::fmt;

use chrono::{DateTime, Utc};
use longshore_events::longshore::{
    DeploymentSummary, DeploymentWaiting, LongshoreEvent, SkipReason, StackSummary, SyncSummary,
    WaitReason,
};
use serde::{Deserialize, Serialize};

/// What one message is about for as long as that goes on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic {
    /// `deployment`, `stack`, `sync` or `digest`.
    pub kind: &'static str,
    /// Its id: a sync's or a digest's; the stack and the id of its change with a slash between them; or stack, service and
    /// the deployment's id, which the deployments of one push share.
    pub id: String,
}

impl fmt::Display for Topic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.kind, self.id)
    }
}

/// How far a topic is. Events come in any order; a message shows the latest stage that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stage {
    /// What counts first, whatever a clock says.
    pub rank: Rank,
    /// When it was so, which distinguishes two stages of the same rank.
    pub at: DateTime<Utc>,
}

/// The order of what can be posted about a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rank {
    /// It may not begin yet.
    Waits,
    Began,
    GoesOn,
    /// It has ended; nothing comes after that.
    Ended,
}

impl Topic {
    /// The topic of an event and how far that is; `None` where a message of its own says it all.
    pub fn of(event: &LongshoreEvent) -> Option<(Self, Stage)> {
        match event {
            LongshoreEvent::DeploymentStarted(event) => {
                let at = event.deployment.requested_at;
                Some(Self::of_deployment(&event.deployment, Rank::Began, at))
            }
            LongshoreEvent::DeploymentWaiting(event) => Some((
                Self::of_service(&event.stack, &event.service, &event.deployment_id),
                Stage {
                    rank: Rank::Waits,
                    at: event.since,
                },
            )),
            LongshoreEvent::DeploymentSkipped(event) => Some((
                Self::of_service(
                    &event.stack,
                    &event.service,
                    event.deployment_id.as_deref()?,
                ),
                Stage {
                    rank: Rank::Ended,
                    at: event.requested_at,
                },
            )),
            LongshoreEvent::DeploymentProgressed(event) => Some(Self::of_deployment(
                &event.deployment,
                Rank::GoesOn,
                event.at,
            )),
            LongshoreEvent::DeploymentFailed(event) => {
                let rank = if event.rolling_back {
                    Rank::GoesOn
                } else {
                    Rank::Ended
                };
                Some(Self::of_deployment(
                    &event.deployment,
                    rank,
                    event.finished_at,
                ))
            }
            LongshoreEvent::DeploymentSucceeded(event) => Some(Self::of_deployment(
                &event.deployment,
                Rank::Ended,
                event.finished_at,
            )),
            LongshoreEvent::DeploymentRolledBack(event) => Some(Self::of_deployment(
                &event.deployment,
                Rank::Ended,
                event.finished_at,
            )),
            LongshoreEvent::DeploymentSuperseded(event) => Some(Self::of_deployment(
                &event.deployment,
                Rank::Ended,
                event.finished_at,
            )),
            LongshoreEvent::StackApplying(event) => {
                let at = event.stack.requested_at;
                Some(Self::of_stack(&event.stack, Rank::Began, at))
            }
            LongshoreEvent::StackReady(event) => {
                Some(Self::of_stack(&event.stack, Rank::Ended, event.finished_at))
            }
            LongshoreEvent::StackFailed(event) => {
                Some(Self::of_stack(&event.stack, Rank::Ended, event.finished_at))
            }
            LongshoreEvent::SyncPlanned(event) => {
                let at = event.sync.requested_at;
                Some(Self::of_sync(&event.sync, Rank::Began, at))
            }
            LongshoreEvent::SyncProgressed(event) => {
                Some(Self::of_sync(&event.sync, Rank::GoesOn, event.at))
            }
            LongshoreEvent::SyncCompleted(event) => {
                let at = event.outcome.finished_at;
                Some(Self::of_sync(&event.sync, Rank::Ended, at))
            }
            LongshoreEvent::SyncFailed(event) => {
                let at = event.outcome.finished_at;
                Some(Self::of_sync(&event.sync, Rank::Ended, at))
            }
            LongshoreEvent::DeploymentsDigest(event) => Some((
                Self {
                    kind: "digest",
                    id: event.digest_id.clone(),
                },
                Stage {
                    rank: Rank::Ended,
                    at: event.until,
                },
            )),
            LongshoreEvent::DeploymentStabilized(_)
            | LongshoreEvent::ActionRequested(_)
            | LongshoreEvent::ActionRefused(_)
            | LongshoreEvent::ReconcileShard(_)
            | LongshoreEvent::DeploymentsHeld(_)
            | LongshoreEvent::DeploymentsResumed(_)
            | LongshoreEvent::ImageMissing(_)
            | LongshoreEvent::ScheduledTaskFailed(_)
            | LongshoreEvent::ServiceScaled(_)
            | LongshoreEvent::DocumentUnreadable(_)
            | LongshoreEvent::ReleaseRefused(_)
            | LongshoreEvent::StackUnchanged(_)
            | LongshoreEvent::StackFileRefused(_)
            | LongshoreEvent::SyncUnchanged(_)
            | LongshoreEvent::SyncShardCompleted(_)
            | LongshoreEvent::SyncRefused(_) => None,
        }
    }

    fn of_deployment(
        deployment: &DeploymentSummary,
        rank: Rank,
        at: DateTime<Utc>,
    ) -> (Self, Stage) {
        let topic = Self::of_service(
            &deployment.stack,
            &deployment.service,
            &deployment.deployment_id,
        );
        (topic, Stage { rank, at })
    }

    fn of_service(stack: &str, service: &str, deployment_id: &str) -> Self {
        Self {
            kind: "deployment",
            id: format!("{stack}/{service}/{deployment_id}"),
        }
    }

    fn of_stack(stack: &StackSummary, rank: Rank, at: DateTime<Utc>) -> (Self, Stage) {
        let topic = Self {
            kind: "stack",
            id: format!("{}/{}", stack.stack, stack.operation_id),
        };
        (topic, Stage { rank, at })
    }

    fn of_sync(sync: &SyncSummary, rank: Rank, at: DateTime<Utc>) -> (Self, Stage) {
        let topic = Self {
            kind: "sync",
            id: sync.sync_id.clone(),
        };
        (topic, Stage { rank, at })
    }
}

/// Whether an event is posted only by an edit of a message that is there: one of many steps, each of which
/// says more than the one before; or that what waits was replaced by what waits now, which is posted itself.
pub(crate) fn is_only_an_edit(event: &LongshoreEvent) -> bool {
    match event {
        LongshoreEvent::SyncProgressed(_) | LongshoreEvent::DeploymentProgressed(_) => true,
        LongshoreEvent::DeploymentSkipped(event) => {
            event.reason == SkipReason::NewerRequested && event.deployment_id.is_some()
        }
        _ => false,
    }
}

/// Whether people hear of an event once, however often it is published: also by a webhook, which cannot edit.
pub(crate) fn is_posted_once(event: &LongshoreEvent) -> bool {
    matches!(event, LongshoreEvent::DeploymentsDigest(_))
}

/// Whether an event asks somebody to do something: then it is a new message, because nobody is notified of
/// an edit.
pub(crate) fn asks_somebody(event: &LongshoreEvent) -> bool {
    matches!(
        event,
        LongshoreEvent::DeploymentWaiting(DeploymentWaiting {
            reason: WaitReason::Approval,
            ..
        })
    )
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use longshore_events::longshore::{FileCount, SyncProgressed, SyncSource};
    use longshore_events::transfer::TransferProgress;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn the_progress_of_a_sync_is_an_edit_of_the_message_of_that_sync() {
        let event = LongshoreEvent::SyncProgressed(SyncProgressed {
            sync: SyncSummary {
                stack: "bottles".to_owned(),
                sync_id: "sync-1".to_owned(),
                bucket: "mirror".to_owned(),
                source: SyncSource::Schedule,
                requested_at: at(0),
            },
            done: TransferProgress::default(),
            total: FileCount::default(),
            shards_ended: 0,
            shards: 1,
            at: at(7),
        });
        let (topic, stage) = Topic::of(&event).unwrap();
        assert_eq!(topic.to_string(), "sync sync-1");
        assert_eq!((stage.rank, stage.at), (Rank::GoesOn, at(7)));
        assert!(is_only_an_edit(&event));
    }
}
