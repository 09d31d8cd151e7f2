//! What came of the deployments of some days, as histories say it.

use chrono::{DateTime, TimeDelta, Utc};
use longshore_events::longshore::{LongshoreEvent, ServiceFailures, ServiceOfStack, Source, Times};
use longshore_policy::route::ServiceId;
use longshore_rollout::digest::{DigestRequest, digest, publish_digest};
use longshore_rollout::documents::{HistoryKey, RecordKey};
use longshore_rollout::figures::{Outcomes, Period, lead_time, median};
use longshore_rollout::record::{Deployment, State};
use longshore_rollout::triggers::push::deploy_push;
use longshore_testkit::{FakeCloud, altered, noon, subscriber, worker};
use serde_json::json;

const MINUTE: i64 = 60;
const DAY: i64 = 86_400;

/// The week up to noon.
fn week() -> Period {
    Period::of_days(7, noon(0))
}

fn request(stack: Option<&str>) -> DigestRequest {
    DigestRequest {
        id: "digest-1".to_owned(),
        stack: stack.map(str::to_owned),
        period: week(),
    }
}

/// A cloud that keeps only what is put there, and a deployment and a record to make others of.
struct Histories {
    cloud: FakeCloud,
    deployment: Deployment,
    record: longshore_rollout::record::Record,
}

impl Histories {
    async fn new() -> Self {
        let api = subscriber("api");
        let first = FakeCloud::with_services(std::slice::from_ref(&api));
        first.set_now(noon(0));
        let push = first.push("v1", longshore_testkit::digest('1'), noon(0));
        deploy_push(&first, &push, &worker("push", 0))
            .await
            .unwrap();
        let record = first.record(&api).unwrap();
        Self {
            cloud: FakeCloud::default(),
            deployment: record.deployment.clone(),
            record,
        }
    }

    /// A deployment that was asked for at a time and ended some minutes later.
    fn ended(&self, service: &str, number: u32, state: State, at: i64, minutes: i64) -> Deployment {
        let members = json!({
            "service": service, "number": number, "id": format!("{service}-{number}"), "state": state,
            "requested_at": noon(at), "claimed_at": noon(at), "finished_at": noon(at + minutes * MINUTE),
        });
        altered(&self.deployment, &members)
    }

    /// Puts these there, the oldest first: the last one into the record.
    fn put(&self, deployments: &[Deployment]) {
        let (last, others) = deployments.split_last().unwrap();
        let mut objects = self.cloud.objects();
        for deployment in others {
            let service_id = &deployment.service_id();
            let number = deployment.number;
            objects.put(&HistoryKey { service_id, number }, deployment);
        }
        let members = json!({"deployment": last, "finished": [], "outbox": []});
        let record = altered(&self.record, &members);
        objects.put(&RecordKey(&last.service_id()), &record);
    }

    fn reads(&self) -> usize {
        let calls = self.cloud.calls();
        let of_history = |call: &&String| *call == "GetObject history";
        calls.iter().filter(of_history).count()
    }
}

fn by(deployment: &Deployment, source: Source) -> Deployment {
    altered(deployment, &json!({"source": source}))
}

fn times(count: u32, median: i64, longest: i64, service: &str) -> Option<Times> {
    let seconds = |minutes: i64| u64::try_from(minutes * MINUTE).unwrap();
    Some(Times {
        count,
        median_seconds: seconds(median),
        longest_seconds: seconds(longest),
        longest_of: ServiceOfStack {
            stack: "shop".to_owned(),
            service: service.to_owned(),
        },
    })
}

#[tokio::test]
async fn a_digest_counts_what_ended_in_the_period_and_in_the_one_before() {
    let histories = Histories::new().await;
    let ended = |number, state, at, minutes| histories.ended("api", number, state, at, minutes);
    histories.put(&[
        // Before both periods: not counted.
        ended(1, State::Succeeded, -15 * DAY, 1),
        ended(2, State::Succeeded, -10 * DAY, 4),
        ended(3, State::RolledBack, -9 * DAY, 5),
        // Two days after the failure of the week before.
        ended(4, State::Succeeded, -7 * DAY + 5, 3),
        ended(5, State::Superseded, -6 * DAY, 1),
        ended(6, State::Failed, -5 * DAY, 10),
        ended(7, State::RolledBack, -5 * DAY + 20 * MINUTE, 10),
        by(
            &ended(8, State::Succeeded, -5 * DAY + 40 * MINUTE, 2),
            Source::Rollback {
                to: 4,
                note: None,
                by: None,
            },
        ),
        ended(9, State::Succeeded, -DAY, 7),
    ]);
    histories.put(&[histories.ended("web", 1, State::Failed, -2 * DAY, 1)]);
    let digest = digest(&histories.cloud, &request(None)).await.unwrap();
    let figures = &digest.figures;
    assert_eq!(figures.services, 2);
    assert_eq!(figures.succeeded, 3);
    assert_eq!(figures.failed, 2);
    assert_eq!(figures.rolled_back, 1);
    assert_eq!(figures.superseded, 1);
    assert_eq!(figures.rollbacks_asked_for, 1);
    assert_eq!(figures.deployments(), 6);
    // A rollback is not a push.
    assert_eq!(figures.lead_time, times(2, 3, 7, "api"));
    // From the first of two failures, and from the failure of the week before: two days less two minutes, and five
    // seconds.
    let restored = figures.time_to_restore.clone().unwrap();
    assert_eq!((restored.count, restored.median_seconds), (2, 32 * 60));
    assert_eq!(restored.longest_seconds, 2 * 86_400 - 2 * 60 + 5);
    assert_eq!(figures.not_restored, 1, "web");
    let before = &digest.before;
    assert_eq!(before.services, 1);
    assert_eq!((before.succeeded, before.rolled_back), (1, 1));
    assert_eq!(before.lead_time, times(1, 4, 4, "api"));
    assert_eq!(before.time_to_restore, None);
    assert_eq!(before.not_restored, 1);
    let failures = |service: &str, failed, deployments| ServiceFailures {
        stack: "shop".to_owned(),
        service: service.to_owned(),
        failed,
        deployments,
    };
    assert_eq!(
        digest.failed_most,
        [failures("api", 2, 5), failures("web", 1, 1)]
    );
    assert_eq!(digest.counted_in_part, 0);
}

#[tokio::test]
async fn a_week_without_deployments_is_all_noughts_and_a_service_that_still_fails_is_said() {
    let histories = Histories::new().await;
    let nothing = digest(&histories.cloud, &request(None)).await.unwrap();
    assert_eq!(nothing.figures, nothing.before);
    assert_eq!(nothing.figures.deployments(), 0);
    assert_eq!(nothing.figures.lead_time, None);
    histories.put(&[
        histories.ended("api", 1, State::Succeeded, -40 * DAY, 1),
        histories.ended("api", 2, State::Failed, -30 * DAY, 1),
        histories.ended("api", 3, State::Superseded, -29 * DAY, 1),
    ]);
    let failing = digest(&histories.cloud, &request(None)).await.unwrap();
    assert_eq!(failing.figures.deployments(), 0);
    assert_eq!(failing.figures.not_restored, 1);
    assert!(failing.failed_most.is_empty());
}

#[tokio::test]
async fn a_period_ends_before_its_end_and_begins_with_its_beginning() {
    let histories = Histories::new().await;
    histories.put(&[
        histories.ended("api", 1, State::Succeeded, -7 * DAY - MINUTE, 1),
        histories.ended("api", 2, State::Succeeded, -MINUTE, 1),
    ]);
    let digest = digest(&histories.cloud, &request(None)).await.unwrap();
    assert_eq!(digest.figures.succeeded, 1, "the second ended at the end");
    assert_eq!(
        digest.before.succeeded, 0,
        "the first ended at the beginning"
    );
}

#[tokio::test]
async fn a_digest_of_a_stack_counts_no_other_and_a_service_may_be_called_history() {
    let histories = Histories::new().await;
    histories.put(&[histories.ended("history", 1, State::Succeeded, -DAY, 1)]);
    let other = histories.ended("api", 1, State::Succeeded, -DAY, 1);
    histories.put(&[altered(&other, &json!({"stack": "shop-dev"}))]);
    for (stack, services) in [(Some("shop"), 1), (Some("shop-dev"), 1), (None, 2)] {
        let digest = digest(&histories.cloud, &request(stack)).await.unwrap();
        assert_eq!(digest.figures.services, services, "{stack:?}");
        assert_eq!(digest.stack.as_deref(), stack);
    }
}

/// Each service has a hundred deployments, of which two ended lately.
#[tokio::test]
async fn of_500_services_with_50_000_deployments_only_the_last_days_are_read() {
    let histories = Histories::new().await;
    for service in 0..500 {
        let name = format!("service-{service:03}");
        let deployments: Vec<Deployment> = (1..=100)
            .map(|number| {
                // One in eight days, the last one four days ago.
                let at = (i64::from(number) - 100) * 8 * DAY - 4 * DAY;
                histories.ended(&name, number, State::Succeeded, at, 3)
            })
            .collect();
        histories.put(&deployments);
    }
    histories.cloud.forget_calls();
    let digest = digest(&histories.cloud, &request(None)).await.unwrap();
    assert_eq!(digest.figures.succeeded, 500);
    assert_eq!(digest.before.succeeded, 500);
    assert_eq!(digest.counted_in_part, 0);
    // The last one is in the record. Two are read besides it: one that counts, and the one that is too old, with its
    // neighbour.
    assert!(histories.reads() <= 500 * 6, "{}", histories.reads());
    let calls = histories.cloud.calls();
    let listings: Vec<&String> = calls.iter().filter(|call| call.contains("List")).collect();
    assert_eq!(listings, ["ListObjectsV2 deployments"]);
}

#[tokio::test]
async fn what_was_not_deployed_to_lately_has_no_history_that_is_read() {
    let histories = Histories::new().await;
    let old = |number| histories.ended("api", number, State::Succeeded, -100 * DAY, 1);
    histories.put(&(1..=50).map(old).collect::<Vec<_>>());
    histories.cloud.forget_calls();
    digest(&histories.cloud, &request(None)).await.unwrap();
    assert_eq!(histories.reads(), 0);
}

#[tokio::test]
async fn of_a_service_with_more_deployments_than_are_read_the_newest_count_and_that_is_said() {
    let histories = Histories::new().await;
    let each_minute: Vec<Deployment> = (1..=2_500)
        .map(|number| {
            let at = (i64::from(number) - 2_501) * MINUTE;
            histories.ended("api", number, State::Succeeded, at, 0)
        })
        .collect();
    histories.put(&each_minute);
    histories.cloud.forget_calls();
    let digest = digest(&histories.cloud, &request(None)).await.unwrap();
    assert_eq!(digest.counted_in_part, 1);
    assert!(histories.reads() <= 2_000, "{}", histories.reads());
    assert!(digest.figures.succeeded > 1_900, "{:?}", digest.figures);
}

#[tokio::test]
async fn a_damaged_document_keeps_no_other_back_and_is_said() {
    let histories = Histories::new().await;
    let ended = |service, number| histories.ended(service, number, State::Succeeded, -DAY, 1);
    histories.put(&[ended("api", 1), ended("api", 2), ended("api", 3)]);
    histories.put(&[ended("web", 1)]);
    let id = ServiceId {
        stack: "shop".to_owned(),
        service: "gone".to_owned(),
    };
    {
        use longshore_state::Key as _;
        let mut objects = histories.cloud.objects();
        let service_id = &ended("api", 2).service_id();
        let damaged = HistoryKey {
            service_id,
            number: 2,
        };
        objects.put_bytes(&damaged.address().key, "{");
        objects.put_bytes(&RecordKey(&id).address().key, "");
    }
    let digest = digest(&histories.cloud, &request(None)).await.unwrap();
    assert_eq!(digest.figures.succeeded, 3);
    assert_eq!(digest.counted_in_part, 2);
}

#[tokio::test]
async fn what_is_published_is_what_is_answered() {
    let histories = Histories::new().await;
    histories.put(&[histories.ended("api", 1, State::Succeeded, -DAY, 1)]);
    let answered = publish_digest(&histories.cloud, &request(None))
        .await
        .unwrap();
    assert_eq!(answered.digest_id, "digest-1");
    assert_eq!(
        histories.cloud.published(),
        [LongshoreEvent::DeploymentsDigest(answered)]
    );
}

#[test]
fn there_is_no_period_before_the_first_time() {
    let first = Period::of_days(90, DateTime::<Utc>::MIN_UTC);
    assert_eq!(first.since, DateTime::<Utc>::MIN_UTC);
    assert_eq!(first.before().since, DateTime::<Utc>::MIN_UTC);
}

#[test]
fn half_of_an_even_number_is_the_lower_one_and_of_none_there_is_no_half() {
    let minutes =
        |minutes: &[i64]| median(minutes.iter().map(|minutes| TimeDelta::minutes(*minutes)));
    assert_eq!(minutes(&[9, 1, 4, 2]), Some(TimeDelta::minutes(2)));
    assert_eq!(minutes(&[3]), Some(TimeDelta::minutes(3)));
    assert_eq!(minutes(&[]), None);
}

#[tokio::test]
async fn a_lead_time_is_never_negative_and_of_none_that_is_open() {
    let histories = Histories::new().await;
    let early = histories.ended("api", 1, State::Succeeded, 0, -1);
    assert_eq!(lead_time(&early), Some(TimeDelta::zero()));
    assert_eq!(lead_time(&histories.deployment), None);
}

#[test]
fn what_goes_back_has_failed_and_what_is_superseded_neither_failed_nor_succeeded() {
    let all = Outcomes::of(State::ALL);
    assert_eq!((all.succeeded, all.failed), (1, 3));
}
