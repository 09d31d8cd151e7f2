//! `longshore ls`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use longshore_events::longshore::OperationKind;
use longshore_policy::route::ServiceId;
use longshore_provisioning::drift::last_drift;
use longshore_provisioning::ports::{Comparison, ProvisioningCloud};
use longshore_report::words::{counted, image_name, minute, second};
use longshore_rollout::stack_record::{Operation, OperationState};
use longshore_rollout::status::{ServiceStatus, stack_records, status};
use serde::Serialize;

use crate::arguments::{LsArguments, Output};
use crate::status::{state_of, tasks};
use crate::terminal;

/// A stack, with what runs of it.
#[derive(Debug, Default, Serialize)]
struct Stack {
    stack: String,
    /// Its last change; nothing where no stack file made it.
    last_change: Option<Change>,
    /// What the last comparison with its template found; nothing where there was none since it changed.
    drift: Option<Comparison>,
    services: Vec<Service>,
}

/// The last change of a stack.
#[derive(Debug, Serialize)]
struct Change {
    kind: OperationKind,
    state: OperationState,
    requested_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
    reason: Option<String>,
}

/// A service of a stack.
#[derive(Debug, Serialize)]
struct Service {
    service: String,
    /// The image of its last deployment.
    image: Option<String>,
    /// How that deployment went.
    deployment: Option<String>,
    /// How many tasks run of how many, in words.
    tasks: String,
}

/// Shows all stacks that are there, by name. Those that were destroyed are not.
pub async fn run<C: ProvisioningCloud>(
    cloud: &C,
    arguments: &LsArguments,
) -> anyhow::Result<String> {
    let mut stacks: BTreeMap<String, Stack> = BTreeMap::new();
    let mut destroyed = Vec::new();
    for record in stack_records(cloud).await? {
        let stack = record.stack;
        if is_destroyed(&record.operation) {
            destroyed.push(stack);
            continue;
        }
        let entry = Stack {
            stack: stack.clone(),
            last_change: Some(Change::of(record.operation)),
            drift: drift_of(cloud, &stack).await,
            services: Vec::new(),
        };
        stacks.insert(stack, entry);
    }
    let wanted = |id: &ServiceId| !destroyed.contains(&id.stack);
    for status in status(cloud, wanted, Utc::now()).await? {
        let name = status.service_id.stack.clone();
        let entry = stacks.entry(name.clone()).or_insert_with(|| Stack {
            stack: name,
            ..Stack::default()
        });
        entry.services.push(Service::of(&status));
    }
    let stacks: Vec<Stack> = stacks.into_values().collect();
    Ok(match arguments.output {
        Output::Json => serde_json::to_string_pretty(&stacks)?,
        Output::Text if stacks.is_empty() => {
            "there is no stack yet; make one with: longshore apply <stack file>".to_owned()
        }
        Output::Text => table(&stacks),
    })
}

/// What is known of a stack's drift; nothing is compared for it.
async fn drift_of<C: ProvisioningCloud>(cloud: &C, stack: &str) -> Option<Comparison> {
    match last_drift(cloud, stack).await {
        Ok(drift) => drift,
        // The stacks are what somebody wants to see.
        Err(error) => {
            terminal::note(&format!("{error}"));
            None
        }
    }
}

/// `none found at 2026-11-21 12:00 UTC`, `2 resources at ...`.
fn drift_in_words(drift: &Comparison) -> String {
    let at = minute(drift.at);
    match drift.drifted.len() {
        0 => format!("none found at {at}"),
        count => format!("{} at {at}", counted(count, "resource")),
    }
}

fn is_destroyed(operation: &Operation) -> bool {
    operation.kind == OperationKind::Destroy && operation.state == OperationState::Ready
}

impl Change {
    fn of(operation: Operation) -> Self {
        Self {
            kind: operation.kind,
            state: operation.state,
            requested_at: operation.requested_at,
            finished_at: operation.finished_at,
            reason: operation.reason,
        }
    }

    fn in_words(&self) -> String {
        let kind = match self.kind {
            OperationKind::Apply => "apply",
            OperationKind::Destroy => "destroy",
        };
        let state = match self.state {
            OperationState::Changing => "goes on",
            OperationState::Ready => "succeeded",
            OperationState::Failed => "failed",
        };
        let reason = self.reason.as_ref().map(|reason| format!(": {reason}"));
        format!(
            "{kind} {state}, asked for {}{}",
            second(self.requested_at),
            reason.unwrap_or_default()
        )
    }
}

impl Service {
    fn of(status: &ServiceStatus) -> Self {
        let deployment = status.deployment.as_ref();
        Self {
            service: status.service_id.service.clone(),
            image: deployment.map(|deployment| image_name(&deployment.image)),
            deployment: deployment.map(state_of),
            tasks: tasks(deployment, status.running.as_ref()),
        }
    }
}

fn table(stacks: &[Stack]) -> String {
    let headings = [
        "stack",
        "last change",
        "drift",
        "service",
        "tasks",
        "image",
        "deployment",
    ];
    let mut rows = Vec::new();
    let or_none = |text: Option<&String>| text.cloned().unwrap_or_else(|| "-".to_owned());
    for stack in stacks {
        let change = stack.last_change.as_ref().map(Change::in_words);
        let change = or_none(change.as_ref());
        let drift = or_none(stack.drift.as_ref().map(drift_in_words).as_ref());
        if stack.services.is_empty() {
            let none = || "-".to_owned();
            rows.push([
                stack.stack.clone(),
                change.clone(),
                drift.clone(),
                none(),
                none(),
                none(),
                none(),
            ]);
        }
        // What is said of the stack is said once.
        for (number, service) in stack.services.iter().enumerate() {
            let first = |text: &str| match number {
                0 => text.to_owned(),
                _ => String::new(),
            };
            rows.push([
                first(&stack.stack),
                first(&change),
                first(&drift),
                service.service.clone(),
                service.tasks.clone(),
                or_none(service.image.as_ref()),
                or_none(service.deployment.as_ref()),
            ]);
        }
    }
    terminal::table(headings, rows.into_iter())
}

#[cfg(test)]
mod tests {
    use longshore_events::longshore::StackSource;
    use longshore_provisioning::ports::{Drift, StackProvisioner as _};
    use longshore_rollout::stack_record::StackRecord;
    use longshore_rollout::triggers::push::deploy_push;
    use longshore_state::ErrorClass;
    use longshore_testkit::{FakeCloud, Fault, digest, noon, subscriber, worker};

    use super::*;

    fn changed(cloud: &FakeCloud, stack: &str, kind: OperationKind, state: OperationState) {
        let source = StackSource::Manual {
            note: None,
            by: None,
        };
        let mut operation = Operation::begin("change-1", kind, source, noon(0));
        operation.state = state;
        operation.reason = (state == OperationState::Failed).then(|| "no room".to_owned());
        cloud.set_stack_record(StackRecord {
            stack: stack.to_owned(),
            operation,
            pending_pushes: BTreeMap::new(),
            pending_file: None,
            outbox: Vec::new(),
        });
    }

    async fn shown(cloud: &FakeCloud, output: Output) -> String {
        run(cloud, &LsArguments { output }).await.unwrap()
    }

    #[tokio::test]
    async fn every_stack_is_shown_with_its_last_change_and_what_runs_of_it() {
        let api = subscriber("api");
        let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
        cloud.set_now(noon(0));
        let push = cloud.push("v2", digest('2'), noon(0));
        deploy_push(&cloud, &push, &worker("push", 0))
            .await
            .unwrap();
        changed(&cloud, "shop", OperationKind::Apply, OperationState::Ready);
        changed(&cloud, "blog", OperationKind::Apply, OperationState::Failed);
        changed(&cloud, "old", OperationKind::Destroy, OperationState::Ready);
        let text = shown(&cloud, Output::Text).await;
        for expected in [
            "shop",
            "apply succeeded",
            "api",
            "2/2",
            "shop/api:v2",
            "deploying",
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        assert!(
            text.contains("apply failed") && text.contains("no room"),
            "{text}"
        );
        assert!(!text.contains("old"), "{text}");
        let json: serde_json::Value =
            serde_json::from_str(&shown(&cloud, Output::Json).await).unwrap();
        assert_eq!(json[0]["stack"], "blog");
        assert_eq!(json[1]["last_change"]["state"], "ready");
        assert_eq!(json[1]["services"][0]["service"], "api");
    }

    #[tokio::test]
    async fn what_the_last_comparison_found_is_shown_with_when_that_was() {
        let cloud = FakeCloud::default();
        for stack in ["blog", "never", "shop"] {
            changed(&cloud, stack, OperationKind::Apply, OperationState::Ready);
        }
        let gone = Drift {
            logical_id: "Bucket".to_owned(),
            physical_id: None,
            resource_type: "AWS::S3::Bucket".to_owned(),
            deleted: true,
            properties: Vec::new(),
        };
        cloud.set_drift("shop", vec![gone]);
        cloud.set_now(noon(0));
        for stack in ["blog", "shop"] {
            cloud.drift(stack).await.unwrap();
        }
        cloud.forget_calls();
        let text = shown(&cloud, Output::Text).await;
        for expected in [
            "none found at 2026-09-21 14:13 UTC",
            "1 resource at 2026-09-21",
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        let json: serde_json::Value =
            serde_json::from_str(&shown(&cloud, Output::Json).await).unwrap();
        assert_eq!(json[0]["drift"]["drifted"], serde_json::json!([]));
        assert!(json[1]["drift"].is_null(), "{json}");
        assert_eq!(json[2]["drift"]["drifted"][0]["logical_id"], "Bucket");
        // Nothing was compared for it.
        assert!(!cloud.calls().contains(&"DetectStackDrift".to_owned()));
    }

    #[tokio::test]
    async fn stacks_are_shown_to_whoever_may_not_see_their_drift() {
        let cloud = FakeCloud::default();
        changed(&cloud, "shop", OperationKind::Apply, OperationState::Ready);
        cloud.inject_at(
            "DescribeStackResourceDrifts",
            Fault::Fails(ErrorClass::Denied),
        );
        assert!(
            shown(&cloud, Output::Text)
                .await
                .contains("apply succeeded")
        );
    }

    #[tokio::test]
    async fn where_there_is_no_stack_it_is_said_how_to_make_one() {
        let cloud = FakeCloud::default();
        assert!(
            shown(&cloud, Output::Text)
                .await
                .contains("longshore apply")
        );
        assert_eq!(shown(&cloud, Output::Json).await, "[]");
    }
}
