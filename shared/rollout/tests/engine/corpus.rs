//! Documents as every version of Longshore wrote them can be read, and written without a loss, for ever.

use std::collections::BTreeSet;
use std::path::PathBuf;

use longshore_events::arn::ServiceName;
use longshore_policy::route::ServiceId;
use longshore_rollout::documents::{
    HistoryKey, RecordKey, RouteKey, ScheduleKey, ServiceIdKey, StackKey,
};
use longshore_rollout::record::State;
use longshore_rollout::stack_record::OperationState;
use longshore_testkit::read_corpus;

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

fn service_id() -> ServiceId {
    ServiceId {
        stack: "shop".to_owned(),
        service: "api".to_owned(),
    }
}

#[test]
fn every_record_that_was_ever_written_is_read_in_every_state() {
    let records = read_corpus(&corpus(), "record", &RecordKey(&service_id()));
    let states: BTreeSet<String> = records
        .iter()
        .flat_map(|record| record.finished.iter().chain([&record.deployment]))
        .map(|deployment| format!("{:?}", deployment.state))
        .collect();
    for state in [
        State::Claimed,
        State::Preparing,
        State::Deploying,
        State::Verifying,
        State::RollingBack,
        State::Succeeded,
        State::Failed,
        State::RolledBack,
        State::Superseded,
    ] {
        assert!(
            states.contains(&format!("{state:?}")),
            "no record is {state:?}"
        );
    }
    assert!(records.iter().any(|record| record.hold.is_some()));
    assert!(records.iter().any(|record| !record.waiting.is_empty()));
    assert!(records.iter().any(|record| !record.outbox.is_empty()));
    assert!(records.iter().any(|record| !record.surveyed.is_empty()));
    // Numbers of tasks from before it was known who set them, and from since then.
    let scaled: Vec<bool> = records
        .iter()
        .flat_map(|record| &record.scaled)
        .map(|scaled| scaled.by.is_some())
        .collect();
    assert!(
        scaled.contains(&true) && scaled.contains(&false),
        "{scaled:?}"
    );
}

#[test]
fn every_record_of_a_stack_that_was_ever_written_is_read_in_every_state() {
    let records = read_corpus(&corpus(), "stack-record", &StackKey("shop"));
    for state in [
        OperationState::Changing,
        OperationState::Ready,
        OperationState::Failed,
    ] {
        assert!(
            records.iter().any(|record| record.operation.state == state),
            "no stack is {state:?}"
        );
    }
    assert!(
        records
            .iter()
            .any(|record| !record.pending_pushes.is_empty())
    );
    assert!(records.iter().any(|record| record.pending_file.is_some()));
    assert!(
        records
            .iter()
            .any(|record| !record.operation.failed_services.is_empty())
    );
}

#[test]
fn every_deployment_in_the_history_every_route_and_every_owner_is_read() {
    let service_id = service_id();
    let key = HistoryKey {
        service_id: &service_id,
        number: 1,
    };
    read_corpus(&corpus(), "history", &key);
    read_corpus(&corpus(), "route", &RouteKey("shop/api"));
    let service = ServiceName {
        cluster: "shop".to_owned(),
        ecs_service: "api".to_owned(),
    };
    read_corpus(&corpus(), "owner", &ServiceIdKey(&service));
}

#[test]
fn every_record_of_a_schedule_is_read() {
    let service_id = service_id();
    let key = ScheduleKey {
        service_id: &service_id,
        schedule: "nightly",
    };
    let records = read_corpus(&corpus(), "schedule-record", &key);
    assert!(records.iter().any(|record| !record.outbox.is_empty()));
    assert!(records.iter().any(|record| !record.running.is_empty()));
}
