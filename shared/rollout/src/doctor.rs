//! Documents of this crate that cannot be read: reported once, and known to [`longshore_state::doctor`].
//!
//! What is known of one document keeps no other back, so damage shows only where somebody needs the document. The
//! reconcile needs all but the history, so where it fails at anything it looks through them.

use std::collections::{BTreeMap, BTreeSet};

use longshore_events::longshore::{DocumentUnreadable, LongshoreEvent};
use longshore_policy::route::{Route, ServiceId};
use longshore_state::doctor::{Documents, check, not_a_key};
use longshore_state::document::overwrite;
use longshore_state::outbox::{Outbox, Unpublished};
use longshore_state::store::Address;
use longshore_state::{
    CallError, Document, ErrorClass, Key, Version, Worker, decide_again, load, outbox, save,
};
use serde::{Deserialize, Serialize};

use crate::ports::Cloud;
use crate::record::{Deployment, Record};
use crate::schedule_record::ScheduleRecord;
use crate::stack_record::StackRecord;

/// The documents of this crate.
pub const DOCUMENTS: Documents = Documents {
    prefixes: &[
        "deployments/",
        "doctor/",
        "provisions/",
        "routes/",
        "schedules/",
        "services/",
    ],
    problem,
};

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

/// Reports each document that cannot be read, once until it can be read again. Where the reconcile has failed at nothing,
/// only those are looked at that were reported, or all where the list of these cannot be read.
///
/// # Errors
/// [`CallError`].
pub async fn report_unreadable<C: Cloud>(
    cloud: &C,
    has_failures: bool,
    worker: &Worker,
) -> Result<(), CallError> {
    let stored = reported(cloud).await?;
    let is_lost = stored.is_none();
    let known = stored
        .flatten()
        .map(|(reported, _)| reported)
        .unwrap_or_default();
    let looked_at: BTreeSet<String> = match has_failures || is_lost {
        true => {
            let mut keys = DOCUMENTS.keys(cloud).await?;
            keys.retain(|key| !key.contains("/history/"));
            keys.extend(known.documents.keys().cloned());
            keys.into_iter().collect()
        }
        false => known.documents.keys().cloned().collect(),
    };
    if looked_at.is_empty() && known.outbox.is_empty() {
        return Ok(());
    }
    let damaged = DOCUMENTS.problems(cloud, looked_at.iter().cloned()).await?;
    let mut news = Vec::new();
    for (key, problem) in &damaged {
        if !known.documents.contains_key(key) {
            let last_good = DOCUMENTS.last_good(cloud, key).await.unwrap_or_else(|error| {
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
        let stored = reported(cloud).await?;
        let is_lost = stored.is_none();
        let stored = stored.flatten();
        let before = stored
            .as_ref()
            .map_or_else(Reported::default, |(reported, _)| reported.clone());
        let mut after = before.clone();
        after
            .documents
            .retain(|key, _| damaged.contains_key(key) || !looked_at.contains(key));
        for event in &news {
            let is_reported = after
                .documents
                .insert(event.key.clone(), event.problem.clone())
                .is_some();
            if !is_reported {
                let event = LongshoreEvent::DocumentUnreadable(event.clone());
                after.outbox.push(Unpublished::new(event, worker));
            }
        }
        let version = stored.map(|(_, version)| version);
        let version = match version {
            Some(version) if after == before => version,
            None if after == before => return Ok(()),
            None if is_lost => overwrite(cloud, &ReportedKey, &after).await?,
            version => save(cloud, &ReportedKey, &after, version.as_ref()).await?,
        };
        outbox::flush(cloud, &ReportedKey, (after, version), worker)
            .await
            .map(drop)
    })
    .await
}

/// What was reported; `None` where that cannot be read. It is written anew then, and what is damaged is reported again.
async fn reported<C: Cloud>(cloud: &C) -> Result<Option<Option<(Reported, Version)>>, CallError> {
    match load(cloud, &ReportedKey).await {
        Err(error) if error.class == ErrorClass::Unreadable => Ok(None),
        loaded => loaded.map(Some),
    }
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

fn belongs(found: &ServiceId, stack: &str, service: &str) -> Option<String> {
    (found.stack != stack || found.service != service)
        .then(|| format!("it is of {found}; restore an earlier version of the object"))
}
