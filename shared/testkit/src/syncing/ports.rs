use std::task::Poll;

use chrono::{DateTime, Duration, Utc};
use longshore_bottles::ports::{
    Fetched, FileSystems, ListedObject, MirrorStore, Mirrors, ObservedFileSystem, ObservedTask,
    Source, StoredObject, TaskRunner, Transferred, Transferrer,
};
use longshore_bottles::progress::ProgressCounter;
use longshore_bottles::settings::{MirrorLocation, MirrorSettings, TaskLocation};
use longshore_events::longshore::LongshoreEvent;
use longshore_events::transfer::{TransferFailure, TransferItem, TransferReport};
use longshore_state::lease::Clock;
use longshore_state::store::Address;
use longshore_state::{
    CallError, DocumentStore, ErrorClass, EventPublisher, Version, WriteCondition,
};

use crate::faults::error;
use crate::syncing::world::{FakeMirror, FakeObject, FakeTask, MIRROR_STACK, World};

/// How long EFS refuses to lower throughput after it was raised.
const RAISED_FOR: Duration = Duration::hours(24);

impl DocumentStore for FakeMirror {
    async fn read_document(
        &self,
        address: &Address,
    ) -> Result<Option<(Vec<u8>, Version)>, CallError> {
        self.call("GetObject", |world| {
            Ok(world.objects.get(&address.key).map(|object| {
                let version = Version::new(object.version.to_string());
                (object.body.clone(), version)
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
        self.call("PutObject", |world| {
            let present = world
                .objects
                .get(key)
                .map(|object| Version::new(object.version.to_string()));
            if !condition.holds(present.as_ref()) {
                return Err(error("PutObject", ErrorClass::LostRace));
            }
            world.written.push(key.clone());
            Ok(Version::new(world.put(key, body).to_string()))
        })
        .await
    }

    async fn list_documents(&self, prefix: &str) -> Result<Vec<String>, CallError> {
        let listed = self.list("", prefix).await?;
        Ok(listed.into_iter().map(|object| object.key).collect())
    }
}

impl MirrorStore for FakeMirror {
    async fn read(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, CallError> {
        let found = self.read_document(&Address::of_bucket(bucket, key)).await?;
        Ok(found.map(|(body, _)| body))
    }

    async fn write(
        &self,
        bucket: &str,
        key: &str,
        _content_type: &str,
        body: Vec<u8>,
    ) -> Result<(), CallError> {
        let address = Address::of_bucket(bucket, key);
        self.write_document(&address, body, WriteCondition::None)
            .await
            .map(drop)
    }

    async fn list(&self, _bucket: &str, prefix: &str) -> Result<Vec<ListedObject>, CallError> {
        let operation = match prefix {
            "" => "ListObjectsV2",
            _ => "ListObjectsV2 of a prefix",
        };
        self.call(operation, |world| {
            Ok(world
                .objects
                .iter()
                .filter(|(key, _)| key.starts_with(prefix))
                .map(|(key, object)| ListedObject {
                    key: key.clone(),
                    size: object.size,
                })
                .collect())
        })
        .await
    }

    async fn head(&self, _bucket: &str, key: &str) -> Result<Option<StoredObject>, CallError> {
        self.call("HeadObject", |world| {
            Ok(world.objects.get(key).map(|object| StoredObject {
                size: object.size,
                sha256: object.sha256.clone(),
            }))
        })
        .await
    }

    async fn copy(
        &self,
        _bucket: &str,
        from: &str,
        to: &str,
        _content_type: &str,
    ) -> Result<(), CallError> {
        self.call("CopyObject", |world| world.copy(from, to)).await
    }

    async fn delete(&self, _bucket: &str, keys: &[String]) -> Result<(), CallError> {
        self.call("DeleteObjects", |world| {
            for key in keys {
                world.objects.remove(key);
                world.deleted.push(key.clone());
            }
            Ok(())
        })
        .await
    }
}

impl World {
    fn copy(&mut self, from: &str, to: &str) -> Result<(), CallError> {
        let Some(object) = self.objects.get(from).cloned() else {
            return Err(error("CopyObject", ErrorClass::NotFound));
        };
        let version = self.next_version();
        self.written.push(to.to_owned());
        self.objects
            .insert(to.to_owned(), FakeObject { version, ..object });
        Ok(())
    }

    /// Transfers an item; whether it had to be downloaded.
    fn transfer(&mut self, item: &TransferItem) -> Result<bool, String> {
        let is_there = self
            .objects
            .get(&item.key)
            .is_some_and(|object| object.sha256.as_ref() == Some(&item.sha256));
        if !is_there {
            self.downloads.push(item.url.clone());
            let Some(blob) = self.blobs.get(&item.url).cloned() else {
                return Err("404 Not Found".to_owned());
            };
            if blob.sha256 != item.sha256 {
                return Err(format!("its content hashes to {}", blob.sha256));
            }
            let version = self.next_version();
            self.written.push(item.key.clone());
            self.objects.insert(
                item.key.clone(),
                FakeObject {
                    body: Vec::new(),
                    size: blob.size,
                    sha256: Some(blob.sha256),
                    version,
                },
            );
        }
        for copy in &item.copies {
            self.copy(&item.key, copy)
                .map_err(|error| error.to_string())?;
        }
        Ok(!is_there)
    }
}

impl Source for FakeMirror {
    async fn fetch(
        &self,
        url: &str,
        _accept: Option<&str>,
        etag: Option<&str>,
        feed: &mut dyn FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<Fetched, CallError> {
        self.call("Fetch", |world| {
            world.requests.push(url.to_owned());
            let Some(page) = world.pages.get(url) else {
                return Err(error(&format!("GET {url}"), ErrorClass::NotFound));
            };
            if let Some(class) = page.failure {
                return Err(error(&format!("GET {url}"), class));
            }
            if etag.is_some() && page.etag.as_deref() == etag {
                return Ok(Fetched::NotModified);
            }
            for piece in page.body.chunks(1_000) {
                feed(piece).map_err(|message| CallError {
                    message,
                    ..error(&format!("GET {url}"), ErrorClass::Refused)
                })?;
            }
            Ok(Fetched::Body {
                etag: page.etag.clone(),
            })
        })
        .await
    }

    async fn is_absent(&self, url: &str) -> Result<bool, CallError> {
        match self.fetch(url, None, None, &mut |_| Ok(())).await {
            Ok(_) => Ok(false),
            Err(error) if error.class == ErrorClass::Transient => Err(error),
            Err(_) => Ok(true),
        }
    }
}

impl Transferrer for FakeMirror {
    async fn transfer(
        &self,
        _bucket: &str,
        items: Vec<TransferItem>,
        deadline: Option<DateTime<Utc>>,
        progress: &ProgressCounter,
    ) -> Transferred {
        let seconds = Duration::seconds(self.world.borrow().seconds_per_file);
        let started_at = self.time();
        let mut report = TransferReport::of_nothing(started_at, started_at);
        let mut items = items.into_iter();
        let mut left = Vec::new();
        while let Some(item) = items.next() {
            let is_late = deadline.is_some_and(|deadline| self.time() + seconds > deadline);
            if is_late || self.world.borrow().calls.is_dead() {
                left.push(item);
                left.extend(items);
                break;
            }
            self.pass(seconds);
            let transferred = self
                .call("Transfer", |world| Ok(world.transfer(&item)))
                .await
                .unwrap_or_else(|error| Err(error.to_string()));
            let size = item.size.unwrap_or_default();
            match transferred {
                Ok(downloaded) => {
                    progress.done(size);
                    report.files += u64::from(downloaded);
                    report.already_there += u64::from(!downloaded);
                    report.bytes += size;
                    report.downloaded_bytes += if downloaded { size } else { 0 };
                    report.copies += item.copies.len() as u64;
                }
                Err(reason) => {
                    progress.failed();
                    report.failed += 1;
                    report.failures.push(TransferFailure {
                        key: item.key,
                        url: item.url,
                        reason,
                        attempts: 2,
                    });
                }
            }
        }
        report.finished_at = self.time();
        let problem = left.first().map(|item| format!("{}: it is late", item.key));
        Transferred {
            report,
            left,
            problem,
        }
    }
}

impl TaskRunner for FakeMirror {
    async fn run_task(
        &self,
        _place: &TaskLocation,
        shard_url: &str,
        started_by: &str,
        client_token: &str,
    ) -> Result<String, CallError> {
        self.call("RunTask", |world| {
            let known = world
                .tasks
                .iter()
                .find(|task| task.client_token == client_token);
            if let Some(task) = known {
                return Ok(task.task_arn.clone());
            }
            match &mut world.capacity {
                Some(0) => {
                    return Err(CallError {
                        message: "Capacity is unavailable at this time".to_owned(),
                        ..error("RunTask", ErrorClass::Transient)
                    });
                }
                Some(capacity) => *capacity -= 1,
                None => {}
            }
            let task_arn = format!(
                "arn:aws:ecs:eu-west-1:111122223333:task/bottles/{}",
                world.tasks.len() + 1
            );
            world.tasks.push(FakeTask {
                task_arn: task_arn.clone(),
                shard_url: shard_url.to_owned(),
                started_by: started_by.to_owned(),
                client_token: client_token.to_owned(),
                stopped: None,
            });
            Ok(task_arn)
        })
        .await
    }

    async fn describe_tasks(
        &self,
        _cluster_arn: &str,
        task_arns: &[String],
    ) -> Result<Vec<ObservedTask>, CallError> {
        self.call("DescribeTasks", |world| {
            Ok(world
                .tasks
                .iter()
                .filter(|task| task_arns.contains(&task.task_arn))
                .map(|task| ObservedTask {
                    task_arn: task.task_arn.clone(),
                    is_stopped: task.stopped.is_some(),
                    stopped_reason: task.stopped.clone(),
                })
                .collect())
        })
        .await
    }
}

impl FileSystems for FakeMirror {
    async fn describe_file_system(
        &self,
        _file_system_id: &str,
    ) -> Result<ObservedFileSystem, CallError> {
        self.call("DescribeFileSystems", |world| Ok(world.file_system.clone()))
            .await
    }

    async fn set_provisioned_throughput(
        &self,
        _file_system_id: &str,
        mibps: u32,
    ) -> Result<(), CallError> {
        self.call("UpdateFileSystem", |world| {
            let before = world.file_system.provisioned_throughput_in_mibps;
            let is_lower = before.is_some_and(|before| mibps < before);
            let is_early = world
                .raised_at
                .is_some_and(|raised_at| world.now < raised_at + RAISED_FOR);
            if is_lower && is_early {
                return Err(error("TooManyRequests", ErrorClass::Refused));
            }
            if before.is_none_or(|before| mibps > before) {
                world.raised_at = Some(world.now);
            }
            world.file_system.provisioned_throughput_in_mibps = Some(mibps);
            Ok(())
        })
        .await
    }
}

impl Mirrors for FakeMirror {
    async fn mirror(&self, stack: &str) -> Result<(MirrorSettings, MirrorLocation), CallError> {
        self.call("DescribeStacks", |world| {
            if stack == MIRROR_STACK {
                Ok((world.settings.clone(), world.place.clone()))
            } else {
                Err(error("DescribeStacks", ErrorClass::NotFound))
            }
        })
        .await
    }

    async fn mirrors(&self) -> Result<Vec<String>, CallError> {
        self.call("ListObjectsV2 syncs", |world| {
            Ok(world.mirrors.iter().cloned().collect())
        })
        .await
    }

    async fn add_mirror(&self, stack: &str) -> Result<(), CallError> {
        self.call("PutObject syncs", |world| {
            world.mirrors.insert(stack.to_owned());
            Ok(())
        })
        .await
    }
}

impl EventPublisher for FakeMirror {
    async fn publish(&self, events: &[LongshoreEvent]) -> Result<(), CallError> {
        self.call("PutEvents", |world| {
            world.published.extend(events.iter().cloned());
            Ok(())
        })
        .await
    }
}

impl Clock for FakeMirror {
    fn now(&self) -> DateTime<Utc> {
        self.time()
    }

    async fn sleep(&self, duration: Duration) {
        let until = self.time() + duration;
        // Whatever else is under way turns the clock, and asks again then.
        std::future::poll_fn(|_| {
            if self.time() >= until {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}
