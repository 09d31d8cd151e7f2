//! What must hold when a world has come to rest.

use std::collections::{BTreeMap, BTreeSet};

use longshore_events::longshore::{
    DeploymentSkipped, FailedPhase, LongshoreEvent, SkipReason, Source,
};
use longshore_policy::image_policy::RegistryImage;
use longshore_policy::route::Subscriber;
use longshore_rollout::ports::{ImageRegistry, RolloutState};
use longshore_rollout::record::{Deployment, Record, State};

use crate::world::{HoldChange, REPOSITORY, World};

impl World {
    /// Checks everything.
    pub async fn check(&self) {
        let mut images = self.cloud.images(REPOSITORY).await.unwrap().images;
        // Where every push was heard of, however late, the tag that was put last counts.
        if !self.is_push_lost && !self.is_deleted {
            for image in &mut images {
                image.tagged_at = self.puts.get(&image.tag).copied();
            }
        }
        for (number, subscriber) in self.subscribers.iter().enumerate() {
            let policy = subscriber.image_policy.compile().unwrap();
            let record = self.cloud.record(subscriber);
            let images = learned(&images, record.as_ref(), &subscriber.container);
            let newest = policy.newest(&images, self.now());
            let Some(record) = record else {
                assert_eq!(newest, None, "{}: nobody followed it", subscriber.service);
                continue;
            };
            let history = self.cloud.history(subscriber);
            self.is_settled(subscriber, &record);
            is_complete(&record, &history);
            if let Some(newest) = newest {
                let followed = record.followed.get(&subscriber.container);
                assert!(
                    !policy.is_news(newest, followed),
                    "{}: {newest:#?} was not followed: {record:#?}",
                    subscriber.service
                );
                // Deleted and pushed anew it is the same image still.
                let known = followed.filter(|followed| followed.digest == newest.digest);
                let newest = known.unwrap_or(newest);
                self.is_explained(subscriber, newest, &record, &history);
            }
            self.is_published(subscriber, &record, &history);
            self.waited(number, &history);
            self.ran_its_tasks(subscriber, &history);
        }
        if !self.is_disturbed {
            self.is_published_once();
        }
        self.is_updated_once();
    }

    /// Nothing is under way, nothing is still to be published or kept, and what ECS runs is what the record says.
    fn is_settled(&self, subscriber: &Subscriber, record: &Record) {
        let last = &record.deployment;
        assert!(!last.state.is_open(), "{record:#?}");
        assert!(record.outbox.is_empty(), "{record:#?}");
        assert!(record.finished.is_empty(), "{record:#?}");
        let service = self.cloud.service(subscriber).unwrap();
        let primary = service.primary().unwrap();
        assert_eq!(primary.rollout_state, RolloutState::Completed);
        // By another task definition, where a change of the stack was taken back.
        if last.state == State::Succeeded {
            let running = self.cloud.running_image(subscriber).unwrap();
            assert!(
                running.ends_with(last.image.digest.as_str()),
                "{} runs {running}: {record:#?}",
                subscriber.service
            );
        }
    }

    /// Either the image runs that the policy names, or it is written down why not.
    fn is_explained(
        &self,
        subscriber: &Subscriber,
        newest: &RegistryImage,
        record: &Record,
        history: &[Deployment],
    ) {
        let digest = &newest.digest;
        let running = self.cloud.running_image(subscriber).unwrap();
        let last = &record.deployment;
        let followed = record.followed.get(&subscriber.container);
        let waits_for_it = record.waiting.values().any(|waiting| {
            waiting.request.image.digest == *digest || waiting.request.is_explicit()
        });
        let was_tried = history
            .iter()
            .any(|deployment| deployment.image.digest == *digest);
        let is_chosen = !matches!(last.source, Source::Push | Source::Reconcile)
            && (was_tried || newest.tagged_since() <= last.requested_at);
        let has_failed = history
            .iter()
            .rfind(|deployment| deployment.image.digest == *digest)
            .is_some_and(|tried| matches!(tried.state, State::Failed | State::RolledBack));
        // The registry held a greater one until somebody deleted it or moved its tag.
        let is_older = followed.is_some_and(|followed| followed.digest != *digest);
        assert!(
            running.ends_with(digest.as_str())
                || record.blocked.contains(digest)
                || waits_for_it
                || is_chosen
                || has_failed
                || is_older
                || self.was_given_up(subscriber, newest, &running, history),
            "{} runs {running}, the policy names {newest:?}: {record:#?} {history:#?}",
            subscriber.service
        );
    }

    /// Whether it was published that the image does not go out, for good.
    fn was_given_up(
        &self,
        subscriber: &Subscriber,
        newest: &RegistryImage,
        running: &str,
        history: &[Deployment],
    ) -> bool {
        let published = self.cloud.published();
        let skipped: Vec<_> = published
            .iter()
            .filter_map(|event| match event {
                LongshoreEvent::DeploymentSkipped(published)
                    if published.service == subscriber.service =>
                {
                    Some(published)
                }
                _ => None,
            })
            .collect();
        let is_final = |reason: SkipReason| {
            matches!(
                reason,
                SkipReason::ApprovalExpired
                    | SkipReason::PredecessorFailed
                    | SkipReason::ArchitectureMissing
                    | SkipReason::FailedBefore
            )
        };
        let is_persons = |published: &DeploymentSkipped| {
            !matches!(published.source, Source::Push | Source::Reconcile)
        };
        // Somebody asked for what runs, after this was pushed.
        let is_confirmed = skipped.iter().any(|published| {
            is_persons(published)
                && matches!(
                    published.reason,
                    SkipReason::AlreadyRunning | SkipReason::AlreadyDeploying
                )
                && running.ends_with(published.image.digest.as_str())
                && newest.tagged_since() <= published.requested_at
        });
        // It gave way to what a person asked for since, which waited until the same image was being deployed anyway,
        // and that failed. Whoever asks for an image hears of its failure and gets nothing else unasked, as where the
        // request had a deployment of its own. One that never waited leaves what the policy names in its place.
        let has_joined_failure = skipped.iter().any(|published| {
            is_persons(published)
                && published.reason == SkipReason::AlreadyDeploying
                && published.deployment_id.is_some()
                && newest.tagged_since() <= published.requested_at
                && history.iter().any(|deployment| {
                    deployment.image.digest == published.image.digest
                        && matches!(deployment.state, State::Failed | State::RolledBack)
                        && deployment.finished_at >= Some(published.requested_at)
                })
        });
        // It gave way to what a person asked for, and nothing came of that in the end.
        let is_replaced = skipped.iter().any(|published| {
            is_persons(published)
                && is_final(published.reason)
                && newest.tagged_since() <= published.requested_at
        });
        // Its image was gone when it was to go out, or the one of what a person asked for since.
        let is_gone = published.iter().any(|event| match event {
            LongshoreEvent::DeploymentFailed(published) => {
                let deployment = &published.deployment;
                let is_persons = !matches!(deployment.source, Source::Push | Source::Reconcile);
                deployment.service == subscriber.service
                    && published.phase == FailedPhase::Before
                    && (deployment.image.digest == newest.digest
                        || is_persons && newest.tagged_since() <= deployment.requested_at)
            }
            _ => false,
        });
        let is_skipped = |published: &&DeploymentSkipped| {
            published.image.digest == newest.digest && is_final(published.reason)
        };
        is_confirmed
            || has_joined_failure
            || is_replaced
            || is_gone
            || skipped.iter().any(is_skipped)
    }

    /// Of each deployment its beginning and its one outcome were published, and of each request that waited what
    /// became of it.
    fn is_published(&self, subscriber: &Subscriber, record: &Record, history: &[Deployment]) {
        let mut published: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for event in self.cloud.published() {
            let id = match &event {
                LongshoreEvent::DeploymentStarted(published) => Some(&published.deployment),
                LongshoreEvent::DeploymentSucceeded(published) => Some(&published.deployment),
                LongshoreEvent::DeploymentFailed(published) => Some(&published.deployment),
                LongshoreEvent::DeploymentRolledBack(published) => Some(&published.deployment),
                LongshoreEvent::DeploymentSuperseded(published) => Some(&published.deployment),
                _ => None,
            }
            .filter(|deployment| deployment.service == subscriber.service)
            .map(|deployment| deployment.deployment_id.clone());
            let id = match &event {
                LongshoreEvent::DeploymentWaiting(published)
                    if published.service == subscriber.service =>
                {
                    Some(published.deployment_id.clone())
                }
                LongshoreEvent::DeploymentSkipped(published)
                    if published.service == subscriber.service =>
                {
                    published.deployment_id.clone()
                }
                _ => id,
            };
            if let Some(id) = id {
                published.entry(id).or_default().insert(event.detail_type());
            }
        }
        let was_published = |id: &str, what: &str| {
            published
                .get(id)
                .is_some_and(|published| published.contains(what))
        };
        for deployment in history {
            let id = deployment.id.as_str();
            let is_stacks = matches!(
                deployment.source,
                Source::Stack {
                    restored: false,
                    ..
                }
            );
            if id.starts_with("adopted-") || is_stacks {
                continue;
            }
            let outcomes: Vec<&str> = [
                "Deployment Succeeded",
                "Deployment Failed",
                "Deployment Rolled Back",
                "Deployment Superseded",
            ]
            .into_iter()
            .filter(|outcome| was_published(id, outcome))
            .collect();
            let started = was_published(id, "Deployment Started");
            assert_eq!(
                started,
                deployment.task_definition.is_some(),
                "{deployment:#?} {published:#?}"
            );
            let is_right = match deployment.state {
                State::Succeeded => outcomes == ["Deployment Succeeded"],
                State::Failed => outcomes == ["Deployment Failed"],
                State::RolledBack => {
                    outcomes == ["Deployment Rolled Back"]
                        || outcomes == ["Deployment Failed", "Deployment Rolled Back"]
                }
                State::Superseded if started => outcomes == ["Deployment Superseded"],
                State::Superseded => outcomes.is_empty(),
                _ => false,
            };
            assert!(is_right, "{outcomes:?} were published of {deployment:#?}");
        }
        for (id, published) in &published {
            let is_kept = history.iter().any(|deployment| deployment.id == *id);
            let waits = record
                .waiting
                .values()
                .any(|waiting| waiting.request.id == *id);
            let is_over =
                published.contains("Deployment Skipped") || published.contains("Deployment Failed");
            assert!(
                !published.contains("Deployment Waiting") || is_kept || waits || is_over,
                "nobody knows what became of {id}: {published:?}"
            );
        }
        for waiting in record.waiting.values() {
            assert!(was_published(&waiting.request.id, "Deployment Waiting"));
        }
    }

    /// Everything was published once, and of what was skipped no more often than it was pushed.
    fn is_published_once(&self) {
        let published = self.cloud.published();
        for (place, event) in published.iter().enumerate() {
            let before = published[..place]
                .iter()
                .filter(|published| *published == event);
            let allowed = match event {
                LongshoreEvent::DeploymentSkipped(published) => {
                    let pushes = self.pushes.get(&published.image.digest);
                    pushes.copied().unwrap_or_default()
                }
                // Somebody may hold, resume and hold again within a second.
                LongshoreEvent::DeploymentsHeld(_) | LongshoreEvent::DeploymentsResumed(_) => {
                    self.hold_changes.len()
                }
                _ => 0,
            };
            assert!(before.count() <= allowed, "published twice: {event:#?}");
        }
    }

    /// Nothing went out that somebody held, that nobody approved, or that was to come after another.
    fn waited(&self, number: usize, history: &[Deployment]) {
        let subscriber = &self.subscribers[number];
        for deployment in history
            .iter()
            .filter(|deployment| was_asked_for(deployment))
        {
            let claimed_at = deployment.claimed_at;
            let last_said = self
                .hold_changes
                .iter()
                .rfind(|(at, said)| {
                    *at < claimed_at
                        && [HoldChange::Held(number), HoldChange::Resumed(number)].contains(said)
                })
                .map(|(_, said)| *said);
            // In the very second in which it was resumed it may go.
            let is_resumed = self
                .hold_changes
                .contains(&(claimed_at, HoldChange::Resumed(number)));
            assert!(
                last_said != Some(HoldChange::Held(number)) || is_resumed,
                "went out while it was held: {deployment:#?} {:#?}",
                self.hold_changes
            );
            if subscriber.rollout.approval.is_some() {
                assert!(
                    self.hold_changes.iter().any(|(at, said)| {
                        *said == HoldChange::Approved(number) && *at <= claimed_at
                    }),
                    "nobody approved {deployment:#?}"
                );
            }
            for service in &subscriber.rollout.after {
                let first = self
                    .subscribers
                    .iter()
                    .find(|subscriber| subscriber.service == *service)
                    .unwrap();
                assert!(
                    self.cloud.history(first).iter().any(|first| {
                        first.image.digest == deployment.image.digest
                            && first.state == State::Succeeded
                            && first.finished_at <= Some(claimed_at)
                    }),
                    "went out before {service}: {deployment:#?}"
                );
            }
        }
    }

    /// What was rolled out had all of its tasks run before, and what succeeded had all of them run.
    fn ran_its_tasks(&self, subscriber: &Subscriber, history: &[Deployment]) {
        let tasks = self.cloud.one_off_tasks();
        for deployment in history
            .iter()
            .filter(|deployment| was_asked_for(deployment))
        {
            let settings = &deployment.settings;
            let Some(task_definition) = &deployment.task_definition else {
                continue;
            };
            let mut due = Vec::new();
            if deployment.started_at.is_some() {
                due.extend(&settings.before_tasks);
            }
            if deployment.state == State::Succeeded {
                due.extend(&settings.after_tasks);
            }
            for task in due {
                let runs = tasks
                    .iter()
                    .filter(|request| {
                        request.service == subscriber.service_name()
                            && request.command == task.command
                            && request.task_definition == *task_definition
                    })
                    .count();
                // A revision that was replaced while its tasks ran is not the one that was rolled out.
                let was_replaced = tasks.iter().any(|request| request.command == task.command);
                assert!(
                    runs == 1 || runs == 0 && was_replaced,
                    "{runs} runs of {task:?} of {deployment:#?}"
                );
            }
        }
    }

    /// Each deployment was begun by one UpdateService: only where two ran side by side may a service be
    /// pointed at its revision once more.
    fn is_updated_once(&self) {
        let mut begun: BTreeMap<String, usize> = BTreeMap::new();
        for task_definition in self.cloud.begun() {
            *begun.entry(task_definition).or_default() += 1;
        }
        let allowed = if self.is_disturbed { 2 } else { 1 };
        for (deployment, count) in begun {
            assert!(count <= allowed, "{deployment} was begun {count} times");
        }
    }
}

/// What the registry holds, with what was heard of its tags and written down: some of that only, where events were lost.
fn learned(
    images: &[RegistryImage],
    record: Option<&Record>,
    container: &str,
) -> Vec<RegistryImage> {
    let followed = record.and_then(|record| record.followed.get(container));
    let passed_over = record.and_then(|record| record.passed_over.get(container));
    let mut images = images.to_vec();
    for image in &mut images {
        if let Some(followed) = followed {
            image.learn(followed);
        }
        if let Some(passed_over) = passed_over {
            let tag = passed_over.image.tag.as_deref().unwrap_or_default();
            image.hear(tag, &passed_over.image.digest, passed_over.at);
        }
    }
    images
}

/// Whether a push, the reconcile or a person asked for the image: neither was it restored, nor did it run
/// before Longshore knew of it.
fn was_asked_for(deployment: &Deployment) -> bool {
    !deployment.id.starts_with("adopted-")
        && !matches!(
            deployment.source,
            Source::Rollback { .. } | Source::Restart { .. } | Source::Stack { .. }
        )
}

/// The history holds each deployment that ended, with its number, once, and nothing else.
fn is_complete(record: &Record, history: &[Deployment]) {
    let numbers: Vec<u32> = history.iter().map(|deployment| deployment.number).collect();
    let expected: Vec<u32> = (1..=record.deployment.number).collect();
    assert_eq!(numbers, expected, "{record:#?}");
    let last = history.last().unwrap();
    assert_eq!(
        (&last.id, last.state, &last.image),
        (
            &record.deployment.id,
            record.deployment.state,
            &record.deployment.image
        )
    );
    let ids: BTreeSet<&str> = history
        .iter()
        .map(|deployment| deployment.id.as_str())
        .collect();
    assert_eq!(
        ids.len(),
        history.len(),
        "a request went out twice: {history:#?}"
    );
}
