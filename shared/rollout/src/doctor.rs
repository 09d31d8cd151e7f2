//! Documents of the state bucket that cannot be read: found, reported once, and restored.
//!
//! What is known of one document keeps no other back, so damage shows only where somebody needs the document. The
//! reconcile needs all but the history, so where it fails at anything it looks through them.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use longshore_events::longshore::{DocumentUnreadable, DocumentVersion, LongshoreEvent};
use longshore_policy::route::{Route, ServiceId};
use longshore_state::document::from_bytes;
use longshore_state::outbox::{Outbox, Unpublished};
use longshore_state::store::{Address, DocumentVersions};
use longshore_state::{
    CallError, Document, DocumentStore, ErrorClass, Key, Worker, WriteCondition, decide_again,
    load, outbox, save,
};
use serde::{Deserialize, Serialize};

use crate::ports::Cloud;
use crate::record::{Deployment, Record};
use crate::schedule_record::ScheduleRecord;
use crate::stack_record::StackRecord;

/// Below these keys there is nothing but documents of this crate.
const PREFIXES: [&str; 6] = [
    "deployments/",
    "doctor/",
    "provisions/",
    "routes/",
    "schedules/",
    "services/",
];

/// How many objects are read side by side.
const READS_AT_ONCE: usize = 32;

/// How many earlier versions are tried: one writer damages an object seldom more than once.
const VERSIONS_TRIED: usize = 50;

/// A document that cannot be read, or cannot be read whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Damaged {
    /// The key in the state bucket.
    pub key: String,
    /// What is wrong with it, and what to do.
    pub problem: String,
    /// The newest version in which nothing is wrong; `None` when the bucket keeps none.
    pub last_good: Option<DocumentVersion>,
}

/// What was reported.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Reported {
    /// What was wrong, by key. Once a document can be read again it is not here any more.
    #[serde(default)]
    documents: BTreeMap<String, String>,
    /// Events that are not known to have been published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    outbox: Vec<Unpublished>,
}

impl Document for Reported {}

impl Outbox for Reported {
    fn outbox(&mut self) -> &mut Vec<Unpublished> {
        &mut self.outbox
    }
}

struct ReportedKey;

impl Key for ReportedKey {
    type Document = Reported;

    fn address(&self) -> Address {
        Address::of_state("doctor/told.json")
    }

    fn subject(&self) -> String {
        "which documents were reported to be unreadable".to_owned()
    }
}

/// Reads every document, the history included, and gives those in which something is wrong, by key.
///
/// # Errors
/// [`CallError`].
pub async fn examine<C: DocumentStore + DocumentVersions>(
    cloud: &C,
) -> Result<Vec<Damaged>, CallError> {
    let keys = keys(cloud, |_| true).await?;
    let mut found = Vec::new();
    for (key, problem) in problems(cloud, keys).await? {
        found.push(Damaged {
            last_good: last_good(cloud, &key).await?,
            key,
            problem,
        });
    }
    Ok(found)
}

/// Writes the last good version of a damaged document back, unless somebody has written the document since.
///
/// # Errors
/// [`ErrorClass::Refused`] when there is no good version; [`ErrorClass::LostRace`] when somebody wrote it; those of the
/// store.
pub async fn repair<C: DocumentStore + DocumentVersions>(
    cloud: &C,
    damaged: &Damaged,
) -> Result<(), CallError> {
    let key = &damaged.key;
    let refused = |message: &str| CallError {
        operation: format!("restore {key}"),
        class: ErrorClass::Refused,
        code: None,
        message: message.to_owned(),
    };
    let good = damaged
        .last_good
        .as_ref()
        .ok_or_else(|| refused("the bucket keeps no version of it that can be read"))?;
    let versions = cloud.list_versions(key).await?;
    let present = versions
        .iter()
        .find(|version| version.is_current)
        .ok_or_else(|| refused("it was deleted"))?;
    let address = Address::of_state(key.clone());
    // What was damaged may have been written anew since it was looked at.
    if problem_at(cloud, key).await?.is_none() {
        return Ok(());
    }
    let body = cloud.read_version(key, &good.version_id).await?;
    cloud
        .write_document(&address, body, WriteCondition::Replaces(&present.version))
        .await
        .map(drop)
}

/// Reports each document that cannot be read, once until it can be read again. Where the reconcile has failed at nothing,
/// only those are looked at that were reported.
///
/// # Errors
/// [`CallError`].
pub async fn report_unreadable<C: Cloud>(
    cloud: &C,
    has_failures: bool,
    worker: &Worker,
) -> Result<(), CallError> {
    let published = load(cloud, &ReportedKey)
        .await?
        .map(|(published, _)| published)
        .unwrap_or_default();
    let looked_at: BTreeSet<String> = match has_failures {
        true => {
            let mut keys = keys(cloud, |key| !key.contains("/history/")).await?;
            keys.extend(published.documents.keys().cloned());
            keys.into_iter().collect()
        }
        false => published.documents.keys().cloned().collect(),
    };
    if looked_at.is_empty() && published.outbox.is_empty() {
        return Ok(());
    }
    let damaged = problems(cloud, looked_at.iter().cloned()).await?;
    let mut news = Vec::new();
    for (key, problem) in &damaged {
        if !published.documents.contains_key(key) {
            let last_good = last_good(cloud, key).await.unwrap_or_else(|error| {
                tracing::warn!(key, %error, "the versions of a damaged document cannot be read");
                None
            });
            news.push(DocumentUnreadable {
                key: key.clone(),
                problem: problem.clone(),
                last_good,
                at: worker.now,
            });
        }
    }
    decide_again(&ReportedKey, async || {
        let stored = load(cloud, &ReportedKey).await?;
        let before = stored
            .as_ref()
            .map_or_else(Reported::default, |(published, _)| published.clone());
        let mut after = before.clone();
        after
            .documents
            .retain(|key, _| damaged.contains_key(key) || !looked_at.contains(key));
        for event in &news {
            let is_published = after
                .documents
                .insert(event.key.clone(), event.problem.clone())
                .is_some();
            if !is_published {
                let event = LongshoreEvent::DocumentUnreadable(event.clone());
                after.outbox.push(Unpublished::new(event, worker));
            }
        }
        let version = stored.map(|(_, version)| version);
        let version = match version {
            Some(version) if after == before => version,
            None if after == before => return Ok(()),
            version => save(cloud, &ReportedKey, &after, version.as_ref()).await?,
        };
        outbox::flush(cloud, &ReportedKey, (after, version), worker)
            .await
            .map(drop)
    })
    .await
}

/// The keys of documents. What the S3 console shows as an empty folder is not one.
async fn keys<C: DocumentStore>(
    cloud: &C,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<Vec<String>, CallError> {
    let listed: Vec<Vec<String>> = stream::iter(PREFIXES)
        .map(|prefix| cloud.list_documents(prefix))
        .buffered(PREFIXES.len())
        .try_collect()
        .await?;
    let mut keys: Vec<String> = listed.into_iter().flatten().collect();
    keys.retain(|key| !key.ends_with('/') && is_wanted(key));
    Ok(keys)
}

/// What is wrong with the documents of these keys, where anything is.
async fn problems<C: DocumentStore>(
    cloud: &C,
    keys: impl IntoIterator<Item = String>,
) -> Result<BTreeMap<String, String>, CallError> {
    let problems: Vec<(String, Option<String>)> = stream::iter(keys)
        .map(|key| async move {
            let problem = problem_at(cloud, &key).await?;
            Ok::<_, CallError>((key, problem))
        })
        .buffered(READS_AT_ONCE)
        .try_collect()
        .await?;
    Ok(problems
        .into_iter()
        .filter_map(|(key, problem)| Some((key, problem?)))
        .collect())
}

/// What is wrong with the document of this key; nothing when there is none.
async fn problem_at<C: DocumentStore>(cloud: &C, key: &str) -> Result<Option<String>, CallError> {
    match cloud.read_document(&Address::of_state(key)).await {
        Ok(Some((body, _))) => Ok(problem(key, body)),
        Ok(None) => Ok(None),
        Err(error) if error.class == ErrorClass::Unreadable => Ok(Some(error.message)),
        Err(error) => Err(error),
    }
}

/// The newest version of a document in which nothing is wrong.
async fn last_good<C: DocumentVersions>(
    cloud: &C,
    key: &str,
) -> Result<Option<DocumentVersion>, CallError> {
    let versions = cloud.list_versions(key).await?;
    let earlier = versions.into_iter().filter(|version| !version.is_current);
    for version in earlier.take(VERSIONS_TRIED) {
        let problem = match cloud.read_version(key, &version.version_id).await {
            Ok(body) => problem(key, body),
            Err(error) if matches!(error.class, ErrorClass::Unreadable | ErrorClass::NotFound) => {
                continue;
            }
            Err(error) => return Err(error),
        };
        if problem.is_none() {
            return Ok(Some(DocumentVersion {
                version_id: version.version_id,
                written_at: version.written_at,
            }));
        }
    }
    Ok(None)
}

/// What is wrong with these bytes, if they are what stands at this key.
fn problem(key: &str, body: Vec<u8>) -> Option<String> {
    let Some(name) = key.strip_suffix(".json") else {
        return Some(not_a_key());
    };
    let parts: Vec<&str> = name.split('/').collect();
    match parts.as_slice() {
        ["deployments", stack, service, "current"] => check(body, |record: &Record| {
            belongs(&record.deployment.service_id(), stack, service)
        }),
        ["deployments", stack, service, "history", number] if number.parse::<u32>().is_ok() => {
            check(body, |deployment: &Deployment| {
                belongs(&deployment.service_id(), stack, service)
            })
        }
        ["doctor", "told"] => check(body, |_: &Reported| None),
        ["provisions", stack, "current"] => check(body, |record: &StackRecord| {
            (record.stack != *stack).then(|| format!("it is the record of stack {}", record.stack))
        }),
        ["routes", _, ..] => check(body, |route: &Route| {
            let problems: Vec<String> = route.unreadable.iter().map(ToString::to_string).collect();
            (!problems.is_empty()).then(|| problems.join("; "))
        }),
        ["schedules", _, _, _] => check(body, |_: &ScheduleRecord| None),
        ["services", _, _] => check(body, |_: &ServiceId| None),
        _ => Some(not_a_key()),
    }
}

fn check<D: Document>(body: Vec<u8>, wrong: impl FnOnce(&D) -> Option<String>) -> Option<String> {
    match from_bytes::<D>(body) {
        Ok(document) => wrong(&document),
        Err(problem) => Some(problem),
    }
}

fn belongs(found: &ServiceId, stack: &str, service: &str) -> Option<String> {
    (found.stack != stack || found.service != service)
        .then(|| format!("it is of {found}; restore an earlier version of the object"))
}

fn not_a_key() -> String {
    "this is not the key of a document: delete the object".to_owned()
}
