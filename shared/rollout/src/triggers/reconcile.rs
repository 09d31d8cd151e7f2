//! The reconcile: what no event reported is found and done all the same.
//!
//! Of each service, in this order: its record is loaded; what is open in it is reconciled, by what ECS shows;
//! then its image policies are asked what they name of what ECR holds. What is loaded and asked is shared: of many quiet
//! services no document is read again, and a repository is listed once for all of its subscribers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::pin::pin;

use futures_util::future::try_join;
use futures_util::stream::{self, Stream, StreamExt};
use longshore_events::arn::ServiceName;
use longshore_events::image::{Digest, Image};
use longshore_events::longshore::{ImageNeed, LongshoreEvent, ReconcileShard};
use longshore_policy::image_policy::ImagePolicy;
use longshore_policy::route::{Route, ServiceId, Subscriber};
use longshore_state::{CallError, ErrorClass, Version, Worker};
use serde::Serialize;

use super::follow::{Known, Wake, follow_knowing};
use super::named::{Held, holdings};
use super::reading::Reading;
use crate::course::WatchOutcome;
use crate::course::scheduled::look_at_overdue;
use crate::course::watch::{Seen, is_unsettled, look_after};
use crate::decide::{AboutRoute, about_route};
use crate::documents::{RecordStore, RouteStore, ScheduleRecordStore};
use crate::engine::{DeployError, Outcome, ServiceOutcome};
use crate::outbox::change_and_publish;
use crate::ports::{Cloud, EcsService};
use crate::record::{Record, Waiting};
use crate::schedule_record::ScheduleKey;

/// How many services one invocation looks at. Of more, each invocation gets a part.
pub const SHARD: usize = 500;

/// How many objects of the state bucket are read side by side: S3 takes thousands of reads a second.
const READS_AT_ONCE: usize = 32;

/// How many services DescribeServices takes at once: the Amazon ECS API Reference.
const SERVICES_A_CALL: usize = 10;

/// How many calls of DescribeServices are under way at once. ECS takes 20 reads of services a second, and 100
/// for a moment: the Amazon ECS API Reference, "Request throttling".
const CALLS_AT_ONCE: usize = 2;

/// How many services are reconciled side by side.
const SERVICES_AT_ONCE: usize = 8;

/// How many repositories are listed side by side, and how many of the subscribers of each followed.
const REPOSITORIES_AT_ONCE: usize = 8;
const SUBSCRIBERS_AT_ONCE: usize = 4;

type Stored = Option<(Record, Version)>;

/// What a reconcile found.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reconciled {
    /// Services there are, or that this part has.
    pub services: usize,
    /// Into how many parts the services were divided, each for an invocation of its own; 0 when this one
    /// looked at them itself.
    pub shards: u32,
    /// Deployments whose outcome no event had reported.
    pub closed: usize,
    /// Tasks of schedules that were stopped because they ran for longer than they may.
    pub stopped_tasks: usize,
    /// What came of services whose image policies named something that no event had reported, or that waited.
    pub followed: Vec<ServiceOutcome>,
    /// Services that somebody must fix before they can be looked at or deployed to, with the reason.
    pub refused: Vec<String>,
    /// Services and repositories that could not be looked at, with the reason. Trying again may help.
    pub failures: Vec<String>,
}

/// Looks at every service; where there are too many for one invocation, asks for others to look at a part
/// each, by events.
///
/// # Errors
/// When services and routes cannot be listed, or the events not be published. What fails for one service is
/// in the answer.
pub async fn reconcile<C: Cloud>(cloud: &C, worker: &Worker) -> Result<Reconciled, CallError> {
    let reading = read(cloud, "services".to_owned()).await?;
    let survey = Box::pin(survey(&reading)).await?;
    let services = survey.service_ids.len();
    let mut answer = if services <= SHARD {
        Box::pin(look_at_all(cloud, reading, survey, worker)).await
    } else {
        reading.end().await;
        let shards = u32::try_from(services.div_ceil(SHARD)).unwrap_or(u32::MAX);
        let events: Vec<LongshoreEvent> = (0..shards)
            .map(|shard| LongshoreEvent::ReconcileShard(ReconcileShard { shard, shards }))
            .collect();
        cloud.publish(&events).await?;
        Reconciled {
            services,
            shards,
            ..Reconciled::default()
        }
    };
    stop_overdue(cloud, worker, &mut answer).await;
    Ok(answer)
}

/// Stops the tasks of schedules that have run for longer than they may.
async fn stop_overdue<C: Cloud>(cloud: &C, worker: &Worker, answer: &mut Reconciled) {
    let schedules = match cloud.all_schedules().await {
        Ok(schedules) => schedules,
        Err(error) => return answer.failures.push(error.to_string()),
    };
    let mut results = stream::iter(&schedules)
        .map(|(service_id, schedule)| async move {
            let key = ScheduleKey {
                service_id,
                schedule,
            };
            let stopped = look_at_overdue(cloud, &key, worker).await;
            (stopped, service_id, schedule)
        })
        .buffered(READS_AT_ONCE);
    while let Some((stopped, service_id, schedule)) = results.next().await {
        match stopped {
            Ok(stopped) => answer.stopped_tasks += stopped,
            Err(error) => {
                let failure = format!("schedule {schedule} of {service_id}: {error}");
                answer.failures.push(failure);
            }
        }
    }
}

/// Looks at the services of one part.
///
/// # Errors
/// When services and routes cannot be listed. What fails for one service is in the answer.
pub async fn reconcile_shard<C: Cloud>(
    cloud: &C,
    shard: ReconcileShard,
    worker: &Worker,
) -> Result<Reconciled, CallError> {
    let about = format!("services-{}-of-{}", shard.shard, shard.shards);
    let reading = read(cloud, about).await?;
    let mut survey = Box::pin(survey(&reading)).await?;
    survey
        .service_ids
        .retain(|service_id| is_in(service_id, shard));
    Ok(Box::pin(look_at_all(cloud, reading, survey, worker)).await)
}

/// The documents of all services, as they are now.
async fn read<C: Cloud>(cloud: &C, about: String) -> Result<Reading<'_, C>, CallError> {
    Reading::begin(cloud, about, &["deployments/", "routes/", "services/"]).await
}

/// Whether a service belongs to a part: to exactly one, whoever asks and whatever other services there are.
fn is_in(service_id: &ServiceId, shard: ReconcileShard) -> bool {
    // FNV-1a, which is the same in every build.
    let hash = format!("{}/{}", service_id.stack, service_id.service)
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    hash % u64::from(shard.shards.max(1)) == u64::from(shard.shard)
}

/// What there is to look at.
struct Survey {
    /// Services that were deployed to, and those that follow a repository.
    service_ids: BTreeSet<ServiceId>,
    routes: Vec<Route>,
    /// Objects that could not be read.
    failures: Vec<String>,
    /// Whether every route could be read.
    has_all_routes: bool,
}

async fn survey<C: Cloud>(reading: &Reading<'_, C>) -> Result<Survey, CallError> {
    let (service_ids, repositories) =
        try_join(reading.service_ids(), reading.repositories()).await?;
    let mut survey = Survey {
        service_ids: BTreeSet::new(),
        routes: Vec::new(),
        failures: Vec::new(),
        has_all_routes: true,
    };
    for (_, service_id) in service_ids {
        match service_id {
            Ok(service_id) => drop(survey.service_ids.insert(service_id)),
            Err(error) => survey.failures.push(error.to_string()),
        }
    }
    let mut routes = stream::iter(&repositories)
        .map(|repository| reading.route(repository))
        .buffered(READS_AT_ONCE);
    while let Some(route) = routes.next().await {
        match route {
            Ok(route) => {
                let unreadable = route.iter().flat_map(|route| {
                    let file = format!("routes/{}.json", route.repository);
                    let unreadable = route.unreadable.iter();
                    unreadable.map(move |subscriber| format!("read {file}: {subscriber}"))
                });
                let before = survey.failures.len();
                survey.failures.extend(unreadable);
                survey.has_all_routes &= survey.failures.len() == before;
                survey.routes.extend(route);
            }
            Err(error) => {
                survey.has_all_routes = false;
                survey.failures.push(error.to_string());
            }
        }
    }
    let subscribers = survey.routes.iter().flat_map(|route| &route.subscribers);
    survey
        .service_ids
        .extend(subscribers.map(Subscriber::service_id));
    Ok(survey)
}

async fn look_at_all<C: Cloud>(
    cloud: &C,
    reading: Reading<'_, C>,
    survey: Survey,
    worker: &Worker,
) -> Reconciled {
    let has_all_routes = survey.has_all_routes;
    let mut answer = Reconciled {
        services: survey.service_ids.len(),
        failures: survey.failures,
        ..Reconciled::default()
    };
    let loaded = load_all(&reading, survey.service_ids, &mut answer).await;
    reading.end().await;
    let (busy, mut records): (BTreeMap<_, _>, BTreeMap<_, _>) = loaded
        .into_iter()
        .partition(|(_, stored)| stored.as_ref().is_some_and(|(record, _)| record.is_busy()));
    let reconciled_services = check_all(cloud, busy, worker, &mut answer).await;
    // What was done has changed the records.
    records.extend(load_all(cloud, reconciled_services, &mut answer).await);
    let listed = follow_all(cloud, &survey.routes, &records, worker, &mut answer).await;
    look_for_images(cloud, &listed, &records, worker, &mut answer).await;
    // A route that could not be read may name any service.
    if has_all_routes {
        let unrouted = unrouted(&survey.routes, &records);
        give_up_all(cloud, unrouted, worker, &mut answer).await;
    }
    answer
}

/// What ECR answered of the images that a service needs.
#[derive(Default)]
struct Answered {
    asked: Vec<Digest>,
    missing: Vec<(Image, ImageNeed)>,
}

/// Looks whether the images that services need are still in their repositories, those of the routes: other ones are
/// not known to be in this account and region. A repository is asked once for all of its services, for what was not
/// `listed` just now.
async fn look_for_images<C: Cloud>(
    cloud: &C,
    listed: &BTreeMap<&str, BTreeSet<Digest>>,
    records: &BTreeMap<ServiceId, Stored>,
    worker: &Worker,
    answer: &mut Reconciled,
) {
    let mut needed: BTreeMap<&str, Vec<(&ServiceId, Image, ImageNeed)>> = listed
        .keys()
        .map(|repository| (*repository, Vec::new()))
        .collect();
    for (service_id, stored) in records {
        let record = stored.iter().map(|(record, _)| record);
        for (image, need) in record.flat_map(Record::needed_images) {
            if let Some(needed) = needed.get_mut(image.repository.as_str()) {
                needed.push((service_id, image, need));
            }
        }
    }
    needed.retain(|_, needed| !needed.is_empty());
    let mut results = stream::iter(needed)
        .map(|(repository, needed)| async move {
            let digests: BTreeSet<&Digest> =
                needed.iter().map(|(_, image, _)| &image.digest).collect();
            let is_listed = |digest: &&Digest| listed[repository].contains(*digest);
            let digests: Vec<Digest> = digests
                .into_iter()
                .filter(|digest| !is_listed(digest))
                .cloned()
                .collect();
            let missing = match digests.as_slice() {
                [] => Ok(Vec::new()),
                digests => cloud.missing(repository, digests).await,
            };
            (missing, needed)
        })
        .buffered(REPOSITORIES_AT_ONCE);
    let mut services: BTreeMap<&ServiceId, Answered> = BTreeMap::new();
    while let Some((missing, needed)) = results.next().await {
        let missing = match missing {
            Ok(missing) => missing,
            Err(error) => {
                answer.failures.push(error.to_string());
                continue;
            }
        };
        for (service_id, image, need) in needed {
            let answered = services.entry(service_id).or_default();
            answered.asked.push(image.digest.clone());
            if missing.contains(&image.digest) {
                answered.missing.push((image, need));
            }
        }
    }
    let is_news = |service_id: &ServiceId, answered: &Answered| {
        let stored = records.get(service_id).and_then(Option::as_ref);
        !answered.missing.is_empty() || stored.is_some_and(|(record, _)| !record.missing.is_empty())
    };
    services.retain(|service_id, answered| is_news(service_id, answered));
    let results = stream::iter(services)
        .map(|(service_id, answered)| async move {
            (
                note_missing(cloud, service_id, &answered, worker).await,
                service_id,
            )
        })
        .buffered(SERVICES_AT_ONCE);
    note_failures(results, answer).await;
}

async fn note_missing<C: Cloud>(
    cloud: &C,
    service_id: &ServiceId,
    answered: &Answered,
    worker: &Worker,
) -> Result<(), CallError> {
    let Some(stored) = cloud.load(service_id).await? else {
        return Ok(());
    };
    change_and_publish(cloud, service_id, stored, worker, |record| {
        record.misses(&answered.asked, answered.missing.clone(), worker);
    })
    .await
}

/// Whether a route names the container that a request waits for.
struct Noted {
    container: String,
    request_id: String,
    is_routed: bool,
}

/// The services for which it is to be noted whether routes name what requests wait for: where none does, and where one
/// does again.
fn unrouted(
    routes: &[Route],
    records: &BTreeMap<ServiceId, Stored>,
) -> Vec<(ServiceId, Vec<Noted>)> {
    let is_named = |service_id: &ServiceId, waiting: &Waiting| {
        let repository = &waiting.request.image.repository;
        routes
            .iter()
            .filter(|route| route.repository == *repository)
            .flat_map(|route| &route.subscribers)
            .any(|subscriber| {
                subscriber.service_id() == *service_id && subscriber.container == waiting.container
            })
    };
    records
        .iter()
        .filter_map(|(service_id, stored)| {
            let (record, _) = stored.as_ref()?;
            let noted: Vec<Noted> = record
                .waiting
                .values()
                .map(|waiting| (waiting, is_named(service_id, waiting)))
                .filter(|(waiting, is_routed)| !is_routed || waiting.unrouted_since.is_some())
                .map(|(waiting, is_routed)| Noted {
                    container: waiting.container.clone(),
                    request_id: waiting.request.id.clone(),
                    is_routed,
                })
                .collect();
            (!noted.is_empty()).then(|| (service_id.clone(), noted))
        })
        .collect()
}

async fn give_up_all<C: Cloud>(
    cloud: &C,
    unrouted: Vec<(ServiceId, Vec<Noted>)>,
    worker: &Worker,
    answer: &mut Reconciled,
) {
    let results = stream::iter(unrouted)
        .map(|(service_id, noted)| async move {
            (
                give_up(cloud, &service_id, &noted, worker).await,
                service_id,
            )
        })
        .buffered(SERVICES_AT_ONCE);
    note_failures(results, answer).await;
}

async fn give_up<C: Cloud>(
    cloud: &C,
    service_id: &ServiceId,
    noted: &[Noted],
    worker: &Worker,
) -> Result<(), CallError> {
    // While a stack changes, its routes are on their way.
    if is_unsettled(cloud, service_id).await? {
        return Ok(());
    }
    let Some(stored) = cloud.load(service_id).await? else {
        return Ok(());
    };
    change_and_publish(cloud, service_id, stored, worker, |record| {
        for noted in noted {
            let container = &noted.container;
            let Some(waiting) = record.waits_already(&noted.request_id, container) else {
                continue;
            };
            match about_route(waiting, noted.is_routed, worker) {
                AboutRoute::IsThere => record.routed_again(container),
                AboutRoute::IsMissing => record.unrouted(container, worker),
                AboutRoute::GiveUp(reason) => record.given_up(container, reason, worker),
            }
        }
    })
    .await
}

/// What failed for a service is noted with its name and keeps no other back.
async fn note_failures(
    results: impl Stream<Item = (Result<(), CallError>, impl fmt::Display)>,
    answer: &mut Reconciled,
) {
    let mut results = pin!(results);
    while let Some((result, service_id)) = results.next().await {
        if let Err(error) = result {
            answer.failures.push(format!("{service_id}: {error}"));
        }
    }
}

/// The records of these services, but for those that cannot be read.
async fn load_all<S: RecordStore>(
    store: &S,
    service_ids: BTreeSet<ServiceId>,
    answer: &mut Reconciled,
) -> BTreeMap<ServiceId, Stored> {
    let mut results = stream::iter(service_ids)
        .map(|service_id| async move { (store.load(&service_id).await, service_id) })
        .buffered(READS_AT_ONCE);
    let mut records = BTreeMap::new();
    while let Some((result, service_id)) = results.next().await {
        match result {
            Ok(stored) => {
                records.insert(service_id, stored);
            }
            Err(error) => answer.failures.push(format!("{service_id}: {error}")),
        }
    }
    records
}

/// Reconciles what is open or still to be published, and gives those services for which that went well.
async fn check_all<C: Cloud>(
    cloud: &C,
    busy: BTreeMap<ServiceId, Stored>,
    worker: &Worker,
    answer: &mut Reconciled,
) -> BTreeSet<ServiceId> {
    let records = busy.values().flatten().map(|(record, _)| record);
    let shown = describe_all(
        cloud,
        records.filter(|record| record.deployment.needs_ecs(worker.now)),
    )
    .await;
    let stored = busy
        .into_iter()
        .filter_map(|(service_id, stored)| Some((service_id, stored?)));
    let shown = &shown;
    let mut results = stream::iter(stored)
        .map(|(service_id, stored)| async move {
            let name = stored.0.deployment.service_name();
            let service = match shown.get(&name) {
                Some(Ok(service)) => service.clone(),
                Some(Err(error)) => return (Err(error.clone()), service_id),
                // Of this one ECS need not be asked.
                None => None,
            };
            let seen = Seen { stored, service };
            let result = look_after(cloud, &name, &service_id, Some(seen), worker).await;
            (result, service_id)
        })
        .buffered(SERVICES_AT_ONCE);
    let mut reconciled_services = BTreeSet::new();
    while let Some((result, service_id)) = results.next().await {
        match result {
            Ok(outcome) => {
                answer.closed += usize::from(!matches!(
                    outcome,
                    WatchOutcome::Ignored | WatchOutcome::Noted | WatchOutcome::Verifying
                ));
                reconciled_services.insert(service_id);
            }
            Err(error) => answer.failures.push(format!("{service_id}: {error}")),
        }
    }
    reconciled_services
}

/// The services that these records are of, as ECS shows them; `None` for those that it does not have.
async fn describe_all<C: Cloud>(
    cloud: &C,
    records: impl Iterator<Item = &Record>,
) -> BTreeMap<ServiceName, Result<Option<EcsService>, CallError>> {
    let mut clusters: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for record in records {
        let deployment = &record.deployment;
        let names = clusters.entry(deployment.cluster.clone()).or_default();
        names.push(deployment.ecs_service.clone());
    }
    // By tens, so that what fails keeps back as few as it can.
    let calls = clusters.iter().flat_map(|(cluster, names)| {
        names
            .chunks(SERVICES_A_CALL)
            .map(move |names| (cluster, names))
    });
    let mut results = stream::iter(calls)
        .map(|(cluster, names)| async move {
            (
                cloud.describe_services(cluster, names).await,
                cluster,
                names,
            )
        })
        .buffered(CALLS_AT_ONCE);
    let mut shown = BTreeMap::new();
    while let Some((result, cluster, names)) = results.next().await {
        let mut found: BTreeMap<ServiceName, EcsService> = BTreeMap::new();
        let mut failed = None;
        match result {
            Ok(services) => found.extend(services),
            Err(error) => failed = Some(error),
        }
        for ecs_service in names {
            let name = ServiceName {
                cluster: cluster.clone(),
                ecs_service: ecs_service.clone(),
            };
            let service = match &failed {
                None => Ok(found.remove(&name)),
                Some(error) => Err(error.clone()),
            };
            shown.insert(name, service);
        }
    }
    shown
}

/// Follows what the image policies name, of the services whose records are there. Gives the images that each repository
/// of a route was seen to hold.
async fn follow_all<'a, C: Cloud>(
    cloud: &C,
    routes: &'a [Route],
    records: &BTreeMap<ServiceId, Stored>,
    worker: &Worker,
    answer: &mut Reconciled,
) -> BTreeMap<&'a str, BTreeSet<Digest>> {
    let mut results = stream::iter(routes)
        .map(|route| async move {
            let followed = follow_repository(cloud, route, records, worker).await;
            (followed, route.repository.as_str())
        })
        .buffered(REPOSITORIES_AT_ONCE);
    let mut listed = BTreeMap::new();
    while let Some((followed, repository)) = results.next().await {
        let (followed, held) = match followed {
            Ok(followed) => followed,
            Err(error) => {
                listed.insert(repository, BTreeSet::new());
                answer.failures.push(error.to_string());
                continue;
            }
        };
        listed.insert(repository, held);
        for result in followed {
            match result {
                Ok(followed) if followed.outcome == Outcome::Nothing => {}
                Ok(followed) => answer.followed.push(followed),
                Err(refused @ DeployError::Refused { .. }) => {
                    answer.refused.push(refused.to_string());
                }
                Err(error) => answer.failures.push(error.to_string()),
            }
        }
    }
    listed
}

/// Follows a repository, and gives the images that it was seen to hold. The records were loaded before it is listed, so that an old list meets an old record,
/// which cannot be written any more.
async fn follow_repository<C: Cloud>(
    cloud: &C,
    route: &Route,
    records: &BTreeMap<ServiceId, Stored>,
    worker: &Worker,
) -> Result<(Vec<Result<ServiceOutcome, DeployError>>, BTreeSet<Digest>), CallError> {
    let repository = &route.repository;
    let mut subscribers: BTreeMap<ServiceId, Vec<&Subscriber>> = BTreeMap::new();
    for subscriber in &route.subscribers {
        let service_id = subscriber.service_id();
        if records.contains_key(&service_id) {
            subscribers.entry(service_id).or_default().push(subscriber);
        }
    }
    let with_policies: Vec<&Subscriber> = subscribers
        .values()
        .flatten()
        .copied()
        .filter(|subscriber| subscriber.image_policy != ImagePolicy::default())
        .collect();
    let held = match holdings(cloud, repository, &with_policies).await {
        // A stack may be there before its repository, and longer.
        Err(error) if error.class == ErrorClass::NotFound => {
            tracing::warn!(repository, %error, "a repository that is followed is not there");
            Held::default()
        }
        held => held?,
    };
    let held = &held;
    let mut results = stream::iter(subscribers)
        .map(|(service_id, subscribers)| async move {
            let mut known = records.get(&service_id).cloned();
            let mut followed = Vec::new();
            for subscriber in subscribers {
                let known_now = known.clone().map(|stored| Known {
                    stored,
                    held,
                    ahead: None,
                    inspected: None,
                });
                let wake = Wake::Look;
                let result = Box::pin(follow_knowing(
                    cloud, repository, subscriber, wake, worker, known_now,
                ))
                .await;
                // With anything done, what was loaded is of yesterday.
                if !matches!(&result, Ok(followed) if followed.outcome == Outcome::Nothing) {
                    known = None;
                }
                followed.push(result);
            }
            followed
        })
        .buffered(SUBSCRIBERS_AT_ONCE);
    let mut all = Vec::new();
    while let Some(followed) = results.next().await {
        all.extend(followed);
    }
    let digests = held.images.iter().map(|image| image.digest.clone());
    Ok((all, digests.collect()))
}
