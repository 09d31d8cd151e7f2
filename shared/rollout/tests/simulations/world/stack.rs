//! The stack of the services: what `provision` and CloudFormation do to them beside Longshore's deployments.

use std::collections::BTreeMap;

use longshore_events::incoming::StackChange;
use longshore_events::longshore::{ChangeCounts, OperationKind, StackSource};
use longshore_provisioning::watch::stack_changed;
use longshore_rollout::documents::StackRecordStore;
use longshore_rollout::record::State;
use longshore_rollout::stack_record::{Operation, Preserved, StackRecord};
use longshore_rollout::triggers::settled::{reconcile_settled_stacks, stack_settled};
use longshore_state::Worker;
use longshore_testkit::{FakeCloud, worker};

use crate::world::{REGISTRY, REPOSITORY, World};

/// The stack's id in CloudFormation.
const STACK_ID: &str =
    "arn:aws:cloudformation:eu-west-1:111122223333:stack/shop/5f0c9a10-c5f1-11f0-8d43-0a1b2c3d4e5f";

/// The stack, whose name is `shop`.
pub struct Stack {
    changes: usize,
    /// The image of each service in the present template, as task definitions name it.
    template: Vec<String>,
    /// The same of the template that CloudFormation works on.
    next_template: Option<Vec<String>>,
}

impl Stack {
    /// A stack whose services were each made with an image.
    pub fn new(template: Vec<String>) -> Self {
        Self {
            changes: 0,
            template,
            next_template: None,
        }
    }
}

impl World {
    /// `provision` writes down that the stack is changing, with the images that run; not while it is changing
    /// already.
    pub async fn apply(&mut self) {
        let cloud = &self.cloud;
        let Ok(stored) = cloud.load_stack("shop").await else {
            return;
        };
        let before = stored.as_ref().map(|(record, _)| record);
        if before.is_some_and(|record| record.operation.is_changing()) {
            return;
        }
        let mut template = Vec::new();
        let mut services = Vec::new();
        for subscriber in &self.subscribers {
            let image = cloud
                .record(subscriber)
                .map(|record| record.deployment.clone())
                .filter(|last| match last.state {
                    State::Claimed => last.settings.before_tasks.is_empty(),
                    State::Deploying | State::Verifying | State::Succeeded => true,
                    _ => false,
                })
                .map(|last| last.image.clone());
            template.push(match &image {
                Some(image) => format!("{REGISTRY}/{REPOSITORY}@{}", image.digest),
                None => cloud.running_image(subscriber).unwrap_or_default(),
            });
            services.push(Preserved {
                subscriber: subscriber.clone(),
                image,
                also: BTreeMap::new(),
                is_named: false,
            });
        }
        self.stack.changes += 1;
        let operation = Operation {
            services,
            ..Operation::begin(
                &format!("change-{}", self.stack.changes),
                OperationKind::Apply,
                StackSource::Manual {
                    note: None,
                    by: None,
                },
                self.now(),
            )
        };
        let worker = worker("provision", self.seconds);
        let changes = ChangeCounts::default();
        let record = StackRecord::begin("shop", before, operation, changes, &worker);
        let version = stored.as_ref().map(|(_, version)| version);
        if cloud.save_stack(&record, version).await.is_ok() {
            self.stack.next_template = Some(template);
        }
    }

    /// CloudFormation carries the change out, or takes it back, and `watch` hears of it.
    pub async fn end_change(&mut self, succeeds: bool) {
        let Some(next) = self.stack.next_template.take() else {
            return;
        };
        let is_broken = next.iter().any(|image| self.is_broken(image));
        let succeeds = succeeds && !is_broken;
        for (number, subscriber) in self.subscribers.iter().enumerate() {
            self.cloud
                .deploy_outside(subscriber, &next[number], self.seconds);
            if !succeeds {
                let before = &self.stack.template[number];
                self.cloud.deploy_outside(subscriber, before, self.seconds);
            }
            self.cloud.complete(subscriber);
        }
        let status = if succeeds {
            self.stack.template = next;
            "UPDATE_COMPLETE"
        } else {
            "UPDATE_ROLLBACK_COMPLETE"
        };
        let Some(record) = self.cloud.stack_record("shop") else {
            return;
        };
        let worker = worker("watch", self.seconds);
        let published = StackChange {
            event_id: format!("event-{}-{status}", record.operation.id),
            at: self.now(),
            stack: "shop".to_owned(),
            stack_id: STACK_ID.to_owned(),
            status: status.into(),
            reason: None,
            client_request_token: Some(record.operation.id),
        };
        let ended = stack_changed(&self.cloud, &published, &worker).await;
        assert!(ended.is_ok(), "{ended:?}");
        self.post_news();
    }
}

/// `deploy` is woken by the end of a change; whether everything was reconciled.
pub async fn settled(cloud: &FakeCloud, worker: &Worker) -> bool {
    stack_settled(cloud, "shop", worker)
        .await
        .is_ok_and(|settled| settled.services.iter().all(Result::is_ok))
}

/// What the schedule does for stacks; what could not be reconciled.
pub async fn reconcile(cloud: &FakeCloud, worker: &Worker) -> Vec<String> {
    match reconcile_settled_stacks(cloud, worker).await {
        Ok(reconciled) => reconciled.failures,
        Err(error) => vec![error.to_string()],
    }
}
