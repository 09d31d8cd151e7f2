//! Documents as every version of Longshore wrote them can be read, and written without a loss, for ever.

use std::path::PathBuf;

use longshore_bottles::sync::record::{SyncKey, SyncState};
use longshore_bottles::sync::shard::{ShardKey, ShardPhase};
use longshore_testkit::{MIRROR_BUCKET, read_corpus};

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

#[test]
fn every_sync_record_that_was_ever_written_is_read_in_every_state() {
    let records = read_corpus(&corpus(), "sync-record", &SyncKey(MIRROR_BUCKET));
    for state in [
        SyncState::Planning,
        SyncState::Transferring,
        SyncState::Publishing,
        SyncState::Completed,
        SyncState::Unchanged,
        SyncState::Failed,
        SyncState::Refused,
    ] {
        assert!(
            records.iter().any(|record| record.sync.state == state),
            "no sync is {state:?}"
        );
    }
}

#[test]
fn every_state_of_a_shard_that_was_ever_written_is_read() {
    let key = ShardKey {
        bucket: MIRROR_BUCKET,
        sync_id: "first",
        shard: 1,
    };
    let states = read_corpus(&corpus(), "shard-state", &key);
    let has = |is: fn(&ShardPhase) -> bool| states.iter().any(|state| is(&state.phase));
    assert!(has(|phase| *phase == ShardPhase::Pending));
    assert!(has(|phase| matches!(phase, ShardPhase::Leased { .. })));
    assert!(has(|phase| *phase == ShardPhase::Done));
}
