//! The AWS of a night: a bucket that misbehaves, tasks, and a clock that is tokio's.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use longshore_bottles::ports::{
    FileSystems, ListedObject, MirrorStore, Mirrors, ObservedFileSystem, ObservedTask,
    StoredObject, TaskRunner,
};
use longshore_bottles::settings::{MirrorLocation, MirrorSettings, TaskLocation};
use longshore_events::longshore::LongshoreEvent;
use longshore_state::lease::Clock;
use longshore_state::store::Address;
use longshore_state::{
    CallError, DocumentStore, ErrorClass, EventPublisher, Version, WriteCondition,
};
use longshore_transfer::destination::Target;
use tokio::time::Instant;

use crate::bucket::{Bucket, sha256};

pub const STACK: &str = "bottles";
pub const MIRROR: &str = "mirror";

/// A task that was started.
#[derive(Debug, Clone)]
pub struct Task {
    pub arn: String,
    pub shard_url: String,
    token: String,
    stopped: Option<String>,
}

#[derive(Debug, Default)]
struct State {
    tasks: Vec<Task>,
    published: Vec<LongshoreEvent>,
}

#[derive(Debug, Clone)]
pub struct Cloud {
    pub bucket: Bucket,
    settings: MirrorSettings,
    begin: Instant,
    state: Arc<Mutex<State>>,
}

impl Cloud {
    pub fn new(bucket: Bucket, settings: MirrorSettings) -> Self {
        Self {
            bucket,
            settings,
            begin: Instant::now(),
            state: Arc::default(),
        }
    }

    /// The tasks that were started, from this number on.
    pub fn tasks_from(&self, number: usize) -> Vec<Task> {
        self.state.lock().unwrap().tasks[number..].to_vec()
    }

    pub fn stop_task(&self, arn: &str, reason: &str) {
        let mut state = self.state.lock().unwrap();
        let mut tasks = state.tasks.iter_mut();
        let task = tasks.find(|task| task.arn == arn).unwrap();
        task.stopped = Some(reason.to_owned());
    }

    /// How many syncs have completed, and why others failed or were refused, but for those that found another one.
    pub fn reported(&self) -> (usize, Vec<String>) {
        let state = self.state.lock().unwrap();
        let (mut completed, mut failed) = (0, Vec::new());
        for event in &state.published {
            match event {
                LongshoreEvent::SyncCompleted(_) => completed += 1,
                LongshoreEvent::SyncFailed(event) => failed.push(event.reason.clone()),
                LongshoreEvent::SyncRefused(event) if !event.reason.ends_with(" runs") => {
                    failed.push(event.reason.clone());
                }
                _ => {}
            }
        }
        (completed, failed)
    }

    /// Makes a call as the AWS port does: what may go well later four times, what is refused three times.
    async fn call<R>(
        &self,
        call: &'static str,
        key: &str,
        effect: impl FnOnce(&Bucket) -> Result<R, CallError>,
    ) -> Result<R, CallError> {
        let (mut failures, mut refusals) = (0, 0);
        while let Err(error) = self.bucket.checked(call, key) {
            if error.class == ErrorClass::Transient {
                failures += 1;
            } else {
                refusals += 1;
            }
            if failures == 4 || refusals == 3 {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_millis(200 << (failures + refusals))).await;
        }
        effect(&self.bucket)
    }
}

fn refused(operation: &str, class: ErrorClass) -> CallError {
    CallError {
        operation: operation.to_owned(),
        class,
        code: None,
        message: "as it is".to_owned(),
    }
}

fn target(key: &str, content_type: &str, body: &[u8]) -> Target {
    Target {
        bucket: MIRROR.to_owned(),
        key: key.to_owned(),
        content_type: content_type.to_owned(),
        sha256: sha256(body),
    }
}

impl DocumentStore for Cloud {
    async fn read_document(
        &self,
        address: &Address,
    ) -> Result<Option<(Vec<u8>, Version)>, CallError> {
        let key = &address.key;
        self.call("read", key, |bucket| {
            let version = bucket.version(key);
            Ok(version.map(|version| {
                let body = bucket.content(key).unwrap();
                (body, Version::new(version.to_string()))
            }))
        })
        .await
    }

    async fn write_document(
        &self,
        address: &Address,
        body: Vec<u8>,
        condition: WriteCondition<'_>,
    ) -> Result<Version, CallError> {
        let key = &address.key;
        self.call("write", key, |bucket| {
            let present = bucket.version(key);
            let present = present.map(|version| Version::new(version.to_string()));
            if !condition.holds(present.as_ref()) {
                return Err(refused("write", ErrorClass::LostRace));
            }
            let version = bucket.keep(&target(key, "application/json", &body), body);
            Ok(Version::new(version.to_string()))
        })
        .await
    }

    async fn list_documents(&self, prefix: &str) -> Result<Vec<String>, CallError> {
        let listed = self.list(MIRROR, prefix).await?;
        Ok(listed.into_iter().map(|object| object.key).collect())
    }
}

impl MirrorStore for Cloud {
    async fn read(&self, _bucket: &str, key: &str) -> Result<Option<Vec<u8>>, CallError> {
        self.call("read", key, |bucket| Ok(bucket.content(key)))
            .await
    }

    async fn write(
        &self,
        _bucket: &str,
        key: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<(), CallError> {
        let target = target(key, content_type, &body);
        self.call("write", key, |bucket| {
            bucket.keep(&target, body.clone());
            Ok(())
        })
        .await
    }

    async fn list(&self, _bucket: &str, prefix: &str) -> Result<Vec<ListedObject>, CallError> {
        self.call("list", prefix, |bucket| {
            let keys = bucket.keys().into_iter();
            let keys = keys.filter(|key| key.starts_with(prefix));
            Ok(keys
                .map(|key| ListedObject {
                    size: bucket.stored(&key).unwrap().size,
                    key,
                })
                .collect())
        })
        .await
    }

    async fn head(&self, _bucket: &str, key: &str) -> Result<Option<StoredObject>, CallError> {
        self.call("look", key, |bucket| Ok(bucket.stored(key)))
            .await
    }

    async fn copy(
        &self,
        _bucket: &str,
        from: &str,
        to: &str,
        content_type: &str,
    ) -> Result<(), CallError> {
        self.call("copy within", to, |bucket| {
            let body = bucket.content(from);
            let body = body.ok_or_else(|| refused("copy", ErrorClass::NotFound))?;
            bucket.keep(&target(to, content_type, &body), body);
            Ok(())
        })
        .await
    }

    async fn delete(&self, _bucket: &str, keys: &[String]) -> Result<(), CallError> {
        self.call("delete", &keys[0], |bucket| {
            for key in keys {
                bucket.remove(key);
            }
            Ok(())
        })
        .await
    }
}

impl TaskRunner for Cloud {
    async fn run_task(
        &self,
        _place: &TaskLocation,
        shard_url: &str,
        _started_by: &str,
        client_token: &str,
    ) -> Result<String, CallError> {
        let mut state = self.state.lock().unwrap();
        let known = state.tasks.iter().find(|task| task.token == client_token);
        if let Some(task) = known {
            return Ok(task.arn.clone());
        }
        let number = state.tasks.len() + 1;
        let arn = format!("arn:aws:ecs:eu-west-1:111122223333:task/bottles/{number}");
        state.tasks.push(Task {
            arn: arn.clone(),
            shard_url: shard_url.to_owned(),
            token: client_token.to_owned(),
            stopped: None,
        });
        Ok(arn)
    }

    async fn describe_tasks(
        &self,
        _cluster_arn: &str,
        task_arns: &[String],
    ) -> Result<Vec<ObservedTask>, CallError> {
        let state = self.state.lock().unwrap();
        let tasks = state.tasks.iter();
        Ok(tasks
            .filter(|task| task_arns.contains(&task.arn))
            .map(|task| ObservedTask {
                task_arn: task.arn.clone(),
                is_stopped: task.stopped.is_some(),
                stopped_reason: task.stopped.clone(),
            })
            .collect())
    }
}

/// The stack has none that Longshore knows of: a task finds its directory at a path.
impl FileSystems for Cloud {
    async fn describe_file_system(
        &self,
        file_system_id: &str,
    ) -> Result<ObservedFileSystem, CallError> {
        Err(refused(file_system_id, ErrorClass::NotFound))
    }

    async fn set_provisioned_throughput(
        &self,
        file_system_id: &str,
        _mibps: u32,
    ) -> Result<(), CallError> {
        Err(refused(file_system_id, ErrorClass::NotFound))
    }
}

impl Mirrors for Cloud {
    async fn mirror(&self, stack: &str) -> Result<(MirrorSettings, MirrorLocation), CallError> {
        let place = MirrorLocation {
            stack: stack.to_owned(),
            bucket: MIRROR.to_owned(),
            tasks: Some(TaskLocation {
                cluster_arn: "arn:aws:ecs:eu-west-1:111122223333:cluster/bottles".to_owned(),
                task_definition_family: "bottles-sync".to_owned(),
                container_name: "sync".to_owned(),
                subnet_ids: vec!["subnet-1".to_owned()],
                security_group_ids: vec!["sg-1".to_owned()],
                assign_public_ip: false,
                capacity_provider_strategy: Vec::new(),
                file_system_id: None,
                cpu: 2048,
                memory: 8192,
            }),
        };
        Ok((self.settings.clone(), place))
    }

    async fn mirrors(&self) -> Result<Vec<String>, CallError> {
        Ok(vec![STACK.to_owned()])
    }

    async fn add_mirror(&self, _stack: &str) -> Result<(), CallError> {
        Ok(())
    }
}

impl EventPublisher for Cloud {
    async fn publish(&self, events: &[LongshoreEvent]) -> Result<(), CallError> {
        let mut state = self.state.lock().unwrap();
        state.published.extend(events.iter().cloned());
        Ok(())
    }
}

impl Clock for Cloud {
    fn now(&self) -> DateTime<Utc> {
        let since = self.begin.elapsed();
        DateTime::UNIX_EPOCH + chrono::Duration::from_std(since).unwrap_or_default()
    }

    async fn sleep(&self, duration: chrono::Duration) {
        tokio::time::sleep(duration.to_std().unwrap_or_default()).await;
    }
}
