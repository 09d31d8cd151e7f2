//! Reads what the pages show: only what is looked at, and nothing twice that has not changed.
//!
//! A listing says by entity tags which records have changed. It leaves out the histories, however long they are: a
//! deployment that has ended never changes, and is read by its number when somebody looks at it.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::stream::{self, StreamExt};
use longshore_bottles::mirrors::MIRRORS;
use longshore_bottles::ports::SyncCloud;
use longshore_bottles::sync::status as sync_status;
use longshore_events::longshore::TaskFailure;
use longshore_policy::route::ServiceId;
use longshore_provisioning::drift::drift;
use longshore_provisioning::ports::ProvisioningCloud;
use longshore_rollout::documents::{HistoryStore, RecordStore, StackRecordStore};
use longshore_rollout::history::{ContainerLog, log_streams};
use longshore_rollout::ports::{Cloud, TaskLogs};
use longshore_rollout::record::{Deployment, Record};
use longshore_rollout::service_view::ServiceViews;
use longshore_rollout::stack_record::StackRecord;
use longshore_state::store::DocumentListing;
use longshore_state::{CallError, ErrorClass, Version, if_there};

use super::address::is_plain;
use super::view::{
    Compared, DeploymentPage, Logs, MirrorPage, News, Overview, Past, ServicePage, ServiceRow,
    StackChange, StackGroup, StackPage, first_starts,
};

/// What the pages need of AWS.
pub trait Seen: Cloud + TaskLogs + ServiceViews + DocumentListing + ProvisioningCloud {}

impl<T: Cloud + TaskLogs + ServiceViews + DocumentListing + ProvisioningCloud> Seen for T {}

/// How long a listing is good for: several pages that are open cost no more than one.
const LISTING_LASTS: TimeDelta = TimeDelta::seconds(1);

/// How many documents are read side by side.
const READS_AT_ONCE: usize = 32;

/// How many services a sheet of the overview has.
pub const SHEET: usize = 50;

/// How many services and stacks are named among what goes on.
const NEWS: usize = 100;

/// How many deployments of a history are shown at once.
pub const HISTORY: usize = 40;

/// How many deployments that have ended are kept in memory: some kilobytes each.
const PAST_KEPT: usize = 2_000;

/// How many tasks' last lines are kept in memory, and how many lines of each.
const LOGS_KEPT: usize = 100;
const LINES: u32 = 50;

/// Of how many tasks of a deployment the lines are shown: the last ones.
const TASKS_SHOWN: usize = 3;

/// The documents there are, by a listing.
#[derive(Debug, Default)]
pub struct Listing {
    /// Services with the entity tags of their records, by name.
    services: Vec<(ServiceId, String)>,
    /// Stacks with the entity tags of their records, where they have one, by name.
    stacks: BTreeMap<String, Option<String>>,
    mirrors: Vec<String>,
    unnamed: usize,
}

/// A document that was read, or why it cannot be.
type Read<D> = Result<Rc<D>, String>;

/// A document that was loaded, with the tag by which it is known from now on. One that is unreadable stays so until it is
/// written again, and is known as it was `listed`; what could not be read for another reason is not known.
fn as_listed<D>(
    loaded: Result<Option<(D, Version)>, CallError>,
    listed: &str,
) -> Option<(Option<String>, Read<D>)> {
    Some(match loaded.transpose()? {
        Ok((document, version)) => (Some(version.tag), Ok(Rc::new(document))),
        Err(error) => {
            let stays = error.class == ErrorClass::Unreadable;
            (stays.then(|| listed.to_owned()), Err(error.to_string()))
        }
    })
}

#[derive(Debug, Default)]
struct Known {
    listing: Option<(DateTime<Utc>, Rc<Listing>)>,
    records: BTreeMap<ServiceId, (String, Read<Record>)>,
    stacks: BTreeMap<String, (String, Read<StackRecord>)>,
    past: Kept<(ServiceId, u32), Rc<Deployment>>,
    logs: Kept<(String, String), Rc<Vec<ContainerLog>>>,
    compared: BTreeMap<String, Compared>,
}

/// The last that were put there, and no more than that.
#[derive(Debug)]
struct Kept<K, V> {
    by_key: BTreeMap<K, V>,
    order: VecDeque<K>,
}

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self {
            by_key: BTreeMap::new(),
            order: VecDeque::new(),
        }
    }
}

impl<K: Ord + Clone, V> Kept<K, V> {
    fn keep(&mut self, key: K, value: V, limit: usize) {
        if self.by_key.insert(key.clone(), value).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > limit {
            if let Some(oldest) = self.order.pop_front() {
                self.by_key.remove(&oldest);
            }
        }
    }
}

/// Reads what the pages show.
#[derive(Debug)]
pub struct Reader<'a, C, M> {
    pub cloud: &'a C,
    mirrors: &'a M,
    known: RefCell<Known>,
}

impl<'a, C: Seen, M: SyncCloud> Reader<'a, C, M> {
    pub fn new(cloud: &'a C, mirrors: &'a M) -> Self {
        Self {
            cloud,
            mirrors,
            known: RefCell::default(),
        }
    }

    /// Something was changed: what is there is listed again.
    pub fn forget_listing(&self) {
        self.known.borrow_mut().listing = None;
    }

    /// What there is, at most a second old.
    async fn listing(&self, now: DateTime<Utc>) -> Result<Rc<Listing>, CallError> {
        if let Some((at, listing)) = &self.known.borrow().listing
            && (now - *at).abs() < LISTING_LASTS
        {
            return Ok(Rc::clone(listing));
        }
        let (records, stacks, mirrors) = futures_util::future::try_join3(
            self.cloud.list_with_tags("deployments/", Some("/history/")),
            self.cloud.list_with_tags("provisions/", None),
            self.cloud.list_with_tags(MIRRORS, None),
        )
        .await?;
        let mut listing = Listing::default();
        for listed in records {
            let name = listed.key.strip_prefix("deployments/");
            let name = name.and_then(|name| name.strip_suffix("/current.json"));
            match name.and_then(|name| name.split_once('/')) {
                Some((stack, service)) if is_plain(stack) && is_plain(service) => {
                    listing.stacks.entry(stack.to_owned()).or_default();
                    let service_id = ServiceId {
                        stack: stack.to_owned(),
                        service: service.to_owned(),
                    };
                    listing.services.push((service_id, listed.tag));
                }
                _ => listing.unnamed += 1,
            }
        }
        for listed in stacks {
            let name = listed.key.strip_prefix("provisions/");
            match name.and_then(|name| name.strip_suffix("/current.json")) {
                Some(stack) if is_plain(stack) => {
                    listing.stacks.insert(stack.to_owned(), Some(listed.tag));
                }
                _ => listing.unnamed += 1,
            }
        }
        for listed in mirrors {
            let name = listed.key.strip_prefix(MIRRORS);
            match name.and_then(|name| name.strip_suffix(".json")) {
                Some(stack) if is_plain(stack) => listing.mirrors.push(stack.to_owned()),
                _ => listing.unnamed += 1,
            }
        }
        listing.services.sort();
        let listing = Rc::new(listing);
        self.known.borrow_mut().listing = Some((now, Rc::clone(&listing)));
        Ok(listing)
    }

    /// A service's record as it is listed.
    async fn record(&self, service_id: &ServiceId, tag: &str) -> Option<Read<Record>> {
        if let Some((known, record)) = self.known.borrow().records.get(service_id)
            && known == tag
        {
            return Some(record.clone());
        }
        self.read_record(service_id, tag).await
    }

    /// A service's record as it is now; `None` where there is none.
    async fn read_record(&self, service_id: &ServiceId, listed: &str) -> Option<Read<Record>> {
        let (tag, read) = as_listed(self.cloud.load(service_id).await, listed)?;
        if let Some(tag) = tag {
            let mut known = self.known.borrow_mut();
            known
                .records
                .insert(service_id.clone(), (tag, read.clone()));
        }
        Some(read)
    }

    async fn stack_record(&self, stack: &str, tag: Option<&str>) -> Option<Read<StackRecord>> {
        let tag = tag?;
        if let Some((known, record)) = self.known.borrow().stacks.get(stack)
            && known == tag
        {
            return Some(record.clone());
        }
        let (tag, read) = as_listed(self.cloud.load_stack(stack).await, tag)?;
        if let Some(tag) = tag {
            let mut known = self.known.borrow_mut();
            known.stacks.insert(stack.to_owned(), (tag, read.clone()));
        }
        Some(read)
    }

    async fn rows(&self, services: &[&(ServiceId, String)], now: DateTime<Utc>) -> Vec<ServiceRow> {
        let rows: Vec<_> = stream::iter(services)
            .map(|(service_id, tag)| async move {
                Some(match self.record(service_id, tag).await? {
                    Ok(record) => ServiceRow::of(&record, now),
                    Err(problem) => ServiceRow::unreadable(service_id, &problem),
                })
            })
            .buffered(READS_AT_ONCE)
            .collect()
            .await;
        rows.into_iter().flatten().collect()
    }

    async fn changes(&self, stacks: &[(&String, &Option<String>)]) -> Vec<StackChange> {
        let records: Vec<_> = stream::iter(stacks)
            .map(|(stack, tag)| self.stack_record(stack, tag.as_deref()))
            .buffered(READS_AT_ONCE)
            .collect()
            .await;
        let read = records.into_iter().flatten().filter_map(Result::ok);
        read.map(|record| StackChange::of(&record)).collect()
    }

    /// A sheet of the overview, with the records that are on it and no others.
    ///
    /// # Errors
    /// [`CallError`], where it cannot be found out what there is.
    pub async fn overview(
        &self,
        sheet: usize,
        filter: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Overview, CallError> {
        let listing = self.listing(now).await?;
        let filter = filter.map(str::trim).filter(|filter| !filter.is_empty());
        let is_wanted = |name: &str| filter.is_none_or(|filter| name.contains(filter));
        let services: Vec<&(ServiceId, String)> = listing
            .services
            .iter()
            .filter(|(id, _)| is_wanted(&format!("{}/{}", id.stack, id.service)))
            .collect();
        // A stack is a line of its own, also where nothing was deployed to it yet.
        let mut lines: Vec<(&String, Option<&(ServiceId, String)>)> = Vec::new();
        let mut of_stack = services.iter().copied().peekable();
        for stack in listing.stacks.keys() {
            let before = lines.len();
            while let Some(service) = of_stack.next_if(|(id, _)| id.stack == *stack) {
                lines.push((stack, Some(service)));
            }
            if lines.len() == before && is_wanted(stack) {
                lines.push((stack, None));
            }
        }
        let sheets = lines.len().div_ceil(SHEET).max(1);
        let sheet = sheet.clamp(1, sheets);
        let shown: Vec<_> = lines.iter().skip((sheet - 1) * SHEET).take(SHEET).collect();
        let on_sheet: Vec<&(ServiceId, String)> =
            shown.iter().filter_map(|(_, service)| *service).collect();
        let mut stacks: Vec<(&String, &Option<String>)> = Vec::new();
        for (stack, _) in &shown {
            if stacks.last().is_none_or(|(last, _)| last != stack)
                && let Some(tag) = listing.stacks.get(*stack)
            {
                stacks.push((stack, tag));
            }
        }
        let rows = self.rows(&on_sheet, now).await;
        let changes = self.changes(&stacks).await;
        let groups = stacks.iter().map(|(stack, _)| {
            let change = changes.iter().find(|change| change.stack == **stack);
            let is_destroyed = change.is_some_and(|change| change.is_destroyed);
            let rows = rows.iter().filter(|row| row.service_id.stack == **stack);
            StackGroup {
                stack: (*stack).clone(),
                change: change.cloned(),
                services: rows.filter(|_| !is_destroyed).cloned().collect(),
            }
        });
        let groups: Vec<StackGroup> = groups.collect();
        let is_all = sheets == 1 && filter.is_none();
        Ok(Overview {
            now: is_all.then(|| {
                let changes = groups.iter().filter_map(|group| group.change.clone());
                let rows = groups.iter().flat_map(|group| group.services.clone());
                news(changes, rows)
            }),
            services: services.len(),
            stacks: listing.stacks.len(),
            mirrors: listing.mirrors.clone(),
            groups,
            sheet,
            sheets,
            filter: filter.map(str::to_owned),
            unnamed: listing.unnamed,
        })
    }

    /// What goes on, waits or has failed in all stacks. All records are read that have changed.
    ///
    /// # Errors
    /// [`CallError`], where it cannot be found out what there is.
    pub async fn news(&self, now: DateTime<Utc>) -> Result<News, CallError> {
        let listing = self.listing(now).await?;
        let stacks: Vec<_> = listing.stacks.iter().collect();
        let changes = self.changes(&stacks).await;
        let is_there = |id: &ServiceId| {
            let change = changes.iter().find(|change| change.stack == id.stack);
            change.is_none_or(|change| !change.is_destroyed)
        };
        let services: Vec<_> = listing
            .services
            .iter()
            .filter(|(id, _)| is_there(id))
            .collect();
        let rows = self.rows(&services, now).await;
        Ok(news(changes.into_iter(), rows.into_iter()))
    }

    /// A service with its history before a number, or from its last deployment on; `None` where it has no record.
    ///
    /// # Errors
    /// What keeps its record from being read.
    pub async fn service(
        &self,
        service_id: &ServiceId,
        before: Option<u32>,
        now: DateTime<Utc>,
    ) -> Result<Option<ServicePage>, String> {
        let Some(record) = self.read_record(service_id, "").await.transpose()? else {
            return Ok(None);
        };
        let name = record.deployment.service_name();
        let ecs = if_there(self.cloud.describe_service(&name).await);
        let ecs = ecs.map_err(|error| error.to_string());
        let history = self.history(service_id, &record, before).await?;
        Ok(Some(ServicePage::of(&record, ecs, &history, now)))
    }

    /// The deployments before a number, or from the last one on, newest first. Numbers say where each of them is, so that
    /// nobody has to list all that there are.
    async fn history(
        &self,
        service_id: &ServiceId,
        record: &Record,
        before: Option<u32>,
    ) -> Result<Vec<Past>, String> {
        let newest = record.deployment.number;
        let first = before.map_or(newest, |before| newest.min(before.saturating_sub(1)));
        let numbers = (1..=first).rev().take(HISTORY);
        let read: Vec<_> = stream::iter(numbers)
            .map(|number| self.past(service_id, record, number))
            .buffered(READS_AT_ONCE)
            .collect()
            .await;
        let mut history = Vec::new();
        for past in read {
            match past {
                Ok(past) => history.extend(past.map(|past| Past::of(&past))),
                // One that is damaged does not hide the others.
                Err(error) if error.class == ErrorClass::Unreadable => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(history)
    }

    /// A deployment by its number: that of the record, one that ended lately, or one of the history.
    async fn past(
        &self,
        service_id: &ServiceId,
        record: &Record,
        number: u32,
    ) -> Result<Option<Rc<Deployment>>, CallError> {
        let written = record.finished.iter().chain([&record.deployment]);
        let mut written = written.filter(|deployment| deployment.number == number);
        if let Some(deployment) = written.next_back() {
            return Ok(Some(Rc::new(deployment.clone())));
        }
        let key = (service_id.clone(), number);
        if let Some(past) = self.known.borrow().past.by_key.get(&key) {
            return Ok(Some(Rc::clone(past)));
        }
        let past = self.cloud.archived_deployment(service_id, number).await?;
        let past = past.map(Rc::new);
        if let Some(past) = &past {
            let mut known = self.known.borrow_mut();
            known.past.keep(key, Rc::clone(past), PAST_KEPT);
        }
        Ok(past)
    }

    /// A deployment; `None` where there is none.
    ///
    /// # Errors
    /// What keeps it from being read.
    pub async fn deployment(
        &self,
        service_id: &ServiceId,
        number: u32,
    ) -> Result<Option<DeploymentPage>, String> {
        let Some(record) = self.read_record(service_id, "").await.transpose()? else {
            return Ok(None);
        };
        let past = self.past(service_id, &record, number).await;
        let Some(deployment) = past.map_err(|error| error.to_string())? else {
            return Ok(None);
        };
        let logs = self.logs(&deployment).await;
        Ok(Some(DeploymentPage::of(
            &deployment,
            record.deployment.number,
            logs,
        )))
    }

    /// What the tasks of a deployment wrote that died last. What a dead task wrote does not change.
    async fn logs(&self, deployment: &Deployment) -> Logs {
        let mut logs = Logs::default();
        let Some(task_definition) = &deployment.task_definition else {
            return logs;
        };
        let failures = deployment.failures.iter().rev().take(TASKS_SHOWN);
        for failure in failures {
            let key = (task_definition.clone(), failure.task.clone());
            let known = self.known.borrow().logs.by_key.get(&key).cloned();
            let read = match known {
                Some(known) => Ok(known),
                None => {
                    let read = self.lines(task_definition, failure).await.map(Rc::new);
                    if let Ok(read) = &read
                        && read.iter().all(|log| log.lines.is_some())
                    {
                        let mut known = self.known.borrow_mut();
                        known.logs.keep(key, Rc::clone(read), LOGS_KEPT);
                    }
                    read
                }
            };
            match read {
                Ok(read) => logs.of.extend(read.iter().cloned()),
                Err(error) => logs.problem = Some(format!("its log cannot be read: {error}")),
            }
        }
        if !deployment.failures.is_empty() && logs.of.is_empty() && logs.problem.is_none() {
            logs.problem = Some(
                "No log can be found: the containers need the log driver awslogs with awslogs-group and \
                 awslogs-stream-prefix."
                    .to_owned(),
            );
        }
        logs
    }

    async fn lines(
        &self,
        task_definition: &str,
        failure: &TaskFailure,
    ) -> Result<Vec<ContainerLog>, CallError> {
        let Some(task_definition) = self.cloud.find_task_definition(task_definition).await? else {
            return Ok(Vec::new());
        };
        let mut logs = Vec::new();
        for stream in log_streams(&task_definition, failure) {
            let lines = self
                .cloud
                .log_lines(&stream.log_group, &stream.log_stream, LINES)
                .await?;
            logs.push(ContainerLog { stream, lines });
        }
        Ok(logs)
    }

    /// A stack; `None` where there is none.
    ///
    /// # Errors
    /// What keeps it from being read.
    pub async fn stack(
        &self,
        stack: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<StackPage>, String> {
        let listing = self.listing(now).await.map_err(|error| error.to_string())?;
        let Some(tag) = listing.stacks.get(stack) else {
            return Ok(None);
        };
        let record = self.stack_record(stack, tag.as_deref()).await.transpose()?;
        let services: Vec<_> = listing
            .services
            .iter()
            .filter(|(id, _)| id.stack == stack)
            .collect();
        let services = self.rows(&services, now).await;
        Ok(Some(StackPage {
            stack: stack.to_owned(),
            change: record.as_deref().map(StackChange::of),
            first_starts: record.as_deref().map(first_starts).unwrap_or_default(),
            services,
            drift: self.known.borrow().compared.get(stack).cloned(),
            has_mirror: listing.mirrors.iter().any(|mirror| mirror == stack),
        }))
    }

    /// Compares a stack with its template, for the stack's page.
    pub async fn compare(&self, stack: &str, now: DateTime<Utc>) {
        let report = drift(self.cloud, stack).await;
        let report = report.map_err(|error| error.to_string());
        let compared = Compared { at: now, report };
        let mut known = self.known.borrow_mut();
        known.compared.insert(stack.to_owned(), compared);
    }

    /// A mirror, with how far its sync is.
    pub async fn mirror(&self, stack: &str) -> MirrorPage {
        let status = sync_status(self.mirrors, stack).await;
        MirrorPage {
            stack: stack.to_owned(),
            status: status.map_err(|error| error.to_string()),
        }
    }

    /// All that a static copy has pages of: services, stacks and mirrors, by name.
    ///
    /// # Errors
    /// [`CallError`], where it cannot be found out what there is.
    pub async fn names(
        &self,
        now: DateTime<Utc>,
    ) -> Result<(Vec<ServiceId>, Vec<String>, Vec<String>), CallError> {
        let listing = self.listing(now).await?;
        Ok((
            listing.services.iter().map(|(id, _)| id.clone()).collect(),
            listing.stacks.keys().cloned().collect(),
            listing.mirrors.clone(),
        ))
    }
}

/// What goes on, waits or has failed among these.
fn news(
    changes: impl Iterator<Item = StackChange>,
    rows: impl Iterator<Item = ServiceRow>,
) -> News {
    let mut stacks: Vec<StackChange> = changes.filter(StackChange::is_news).collect();
    let mut services: Vec<ServiceRow> = rows.filter(ServiceRow::is_news).collect();
    let all = stacks.len() + services.len();
    stacks.truncate(NEWS);
    services.truncate(NEWS);
    News {
        more: all - stacks.len() - services.len(),
        stacks,
        services,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_stays_flat_however_much_is_looked_at() {
        let mut kept = Kept::default();
        for number in 0..10_000_u32 {
            kept.keep(number, number, 100);
            kept.keep(number, number, 100);
        }
        assert_eq!((kept.by_key.len(), kept.order.len()), (100, 100));
        assert!(kept.by_key.contains_key(&9_999) && !kept.by_key.contains_key(&9_899));
    }
}
