//! Following CloudFormation at work: a line a resource.

use std::collections::BTreeSet;
use std::time::Duration;

use longshore_events::cloudformation::{StackPhase, StackStatus};
use longshore_provisioning::ports::{ProvisioningCloud, StackEvent};
use longshore_report::words::reason_or_none;

use crate::terminal;

/// How long lies between two looks; CloudFormation allows few requests a second.
const PAUSE: Duration = Duration::from_secs(2);

const STACK: &str = "AWS::CloudFormation::Stack";

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// The stack's status.
    pub status: StackStatus,
    /// The first resource that failed, with its reason.
    pub failure: Option<String>,
}

impl End {
    /// Whether what was asked for is done.
    pub fn is_success(&self) -> bool {
        self.status.phase() == StackPhase::Ready
    }
}

/// Prints what happens to a stack, until the operation of this id has ended.
pub async fn follow<C: ProvisioningCloud>(
    cloud: &C,
    stack_id: &str,
    operation_id: &str,
) -> anyhow::Result<End> {
    let mut seen = BTreeSet::new();
    let mut failure = None;
    loop {
        for event in cloud.events(stack_id).await? {
            if !is_of(&event, operation_id) || !seen.insert(event.id.clone()) {
                continue;
            }
            terminal::note(&line(&event));
            if failure.is_none() && is_cause(&event) {
                failure = Some(format!(
                    "{} ({}): {}",
                    event.logical_id,
                    event.resource_type,
                    reason_or_none(event.reason.as_deref().unwrap_or_default())
                ));
            }
            if ends(&event, operation_id, stack_id) {
                return Ok(End {
                    status: event.status,
                    failure,
                });
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether an event belongs to the operation, or to its first half, in which data that an earlier stack
/// left is resumed.
fn is_of(event: &StackEvent, operation_id: &str) -> bool {
    let token = event.client_request_token.as_deref().unwrap_or_default();
    token
        .strip_prefix(operation_id)
        .is_some_and(|rest| rest.is_empty() || rest == "-import")
}

fn ends(event: &StackEvent, operation_id: &str, stack_id: &str) -> bool {
    let is_whole = event.client_request_token.as_deref() == Some(operation_id);
    event.resource_type == STACK
        && event.physical_id.as_deref() == Some(stack_id)
        && event.status.is_settled()
        && (is_whole || !event.status.is_imported())
}

/// Whether an event is why an operation fails, rather than a consequence of that.
fn is_cause(event: &StackEvent) -> bool {
    event.resource_type != STACK
        && event.status.is_failed_resource()
        && !event
            .reason
            .as_deref()
            .is_some_and(|reason| reason.contains("cancelled"))
}

fn line(event: &StackEvent) -> String {
    let reason = match &event.reason {
        Some(reason) => format!(": {reason}"),
        None => String::new(),
    };
    // What nearly all types begin with takes room, and says nothing.
    let resource_type = event.resource_type.trim_start_matches("AWS::");
    format!(
        "{} {:<18} {} ({resource_type}){reason}",
        event.at.format("%H:%M:%S"),
        event.status,
        event.logical_id
    )
}

#[cfg(test)]
mod tests {
    use longshore_provisioning::ports::StackEvent;

    use super::*;

    fn event(token: &str, resource_type: &str, status: &str, reason: Option<&str>) -> StackEvent {
        StackEvent {
            id: "1".to_owned(),
            at: "2026-11-21T10:00:00Z".parse().unwrap(),
            logical_id: "shop".to_owned(),
            physical_id: Some("arn:stack/shop/1".to_owned()),
            resource_type: resource_type.to_owned(),
            status: status.into(),
            reason: reason.map(str::to_owned),
            client_request_token: Some(token.to_owned()),
        }
    }

    #[test]
    fn only_the_stacks_own_last_event_of_this_operation_is_the_end() {
        let stack_id = "arn:stack/shop/1";
        let cases = [
            (event("one", STACK, "UPDATE_COMPLETE", None), true),
            (event("one", STACK, "UPDATE_ROLLBACK_COMPLETE", None), true),
            (event("one", STACK, "UPDATE_IN_PROGRESS", None), false),
            (
                event("one", "AWS::ECS::Service", "UPDATE_COMPLETE", None),
                false,
            ),
            (event("one-import", STACK, "IMPORT_COMPLETE", None), false),
            (
                event("one-import", STACK, "IMPORT_ROLLBACK_COMPLETE", None),
                true,
            ),
        ];
        for (event, expected) in cases {
            assert_eq!(ends(&event, "one", stack_id), expected, "{}", event.status);
        }
        assert!(!is_of(
            &event("other", STACK, "UPDATE_COMPLETE", None),
            "one"
        ));
    }

    #[test]
    fn what_was_cancelled_because_something_failed_is_not_the_cause() {
        let failed = |reason| event("one", "AWS::ECS::Service", "UPDATE_FAILED", Some(reason));
        assert!(is_cause(&failed("circuit breaker")));
        assert!(!is_cause(&failed("Resource update cancelled")));
    }

    #[test]
    fn a_rollback_is_not_a_success() {
        let end = |status: &str| End {
            status: status.into(),
            failure: None,
        };
        assert!(end("UPDATE_COMPLETE").is_success());
        assert!(end("DELETE_COMPLETE").is_success());
        assert!(!end("UPDATE_ROLLBACK_COMPLETE").is_success());
        assert!(!end("ROLLBACK_COMPLETE").is_success());
        assert!(!end("DELETE_FAILED").is_success());
    }
}
