//! Any event about syncs.

use longshore_events::longshore::{
    FileCount, LongshoreEvent, RefusedEntry, RunsOn, SyncCompleted, SyncFailed, SyncOutcome,
    SyncPlanned, SyncProgressed, SyncRefused, SyncSource, SyncSummary, SyncUnchanged,
};
use longshore_events::transfer::{TransferFailure, TransferProgress, TransferReport};
use proptest::prelude::*;

use super::{any_time, hostile, hostile_option};

pub fn any_sync() -> BoxedStrategy<SyncSummary> {
    let source = prop_oneof![
        Just(SyncSource::Schedule),
        hostile_option().prop_map(|note| SyncSource::Manual { note }),
    ];
    (hostile(), hostile(), hostile(), source, any_time())
        .prop_map(
            |(stack, sync_id, bucket, source, requested_at)| SyncSummary {
                stack,
                sync_id,
                bucket,
                source,
                requested_at,
            },
        )
        .boxed()
}

pub fn any_count() -> BoxedStrategy<FileCount> {
    any::<[u64; 3]>()
        .prop_map(|[files, bytes, estimated_bytes]| FileCount {
            files,
            bytes,
            estimated_bytes,
        })
        .boxed()
}

pub fn any_place() -> BoxedStrategy<RunsOn> {
    prop_oneof![
        Just(RunsOn::Function),
        any::<u32>().prop_map(|tasks| RunsOn::Tasks { tasks }),
    ]
    .boxed()
}

pub fn any_refused_entries() -> BoxedStrategy<Vec<RefusedEntry>> {
    let entry = (hostile(), hostile()).prop_map(|(entry, reason)| RefusedEntry { entry, reason });
    prop::collection::vec(entry, 0..22).boxed()
}

pub fn any_transfer() -> BoxedStrategy<TransferReport> {
    let failure =
        (hostile(), hostile(), hostile(), any::<u32>()).prop_map(|(key, url, reason, attempts)| {
            TransferFailure {
                key,
                url,
                reason,
                attempts,
            }
        });
    (
        any::<[u64; 7]>(),
        prop::collection::vec(failure, 0..30),
        any_time(),
        any_time(),
    )
        .prop_map(
            |(
                [
                    files,
                    bytes,
                    already_there,
                    copies,
                    downloaded_bytes,
                    resumed_bytes,
                    failed,
                ],
                failures,
                started_at,
                finished_at,
            )| TransferReport {
                files,
                bytes,
                already_there,
                copies,
                downloaded_bytes,
                resumed_bytes,
                failed,
                failures,
                started_at,
                finished_at,
            },
        )
        .boxed()
}

pub fn any_outcome() -> BoxedStrategy<SyncOutcome> {
    (
        any_place(),
        any_transfer(),
        any::<[u64; 3]>(),
        any_refused_entries(),
        any_time(),
        hostile_option(),
    )
        .prop_map(
            |(
                runs_on,
                transfer,
                [deleted, refused, cost_in_micro_usd],
                refused_entries,
                finished_at,
                report_key,
            )| SyncOutcome {
                runs_on,
                transfer,
                deleted,
                refused,
                refused_entries,
                finished_at,
                cost_in_micro_usd,
                missing_manifests: deleted,
                deletion_refused: report_key.clone(),
                warnings: report_key.iter().cloned().collect(),
                report_key,
            },
        )
        .boxed()
}

pub fn any_sync_event() -> BoxedStrategy<LongshoreEvent> {
    prop_oneof![
        (
            any_sync(),
            any_count(),
            any::<[u64; 5]>(),
            prop::collection::vec(hostile(), 0..22),
            any_refused_entries(),
            any_place(),
        )
            .prop_map(
                |(
                    sync,
                    new,
                    [removed, unchanged, to_delete, refused, cost],
                    deleted_keys,
                    refused_entries,
                    runs_on,
                )| {
                    LongshoreEvent::SyncPlanned(SyncPlanned {
                        sync,
                        new,
                        removed,
                        unchanged,
                        to_delete,
                        deletion_refused: deleted_keys.first().cloned(),
                        warnings: deleted_keys.clone(),
                        deleted_keys,
                        refused,
                        refused_entries,
                        runs_on,
                        estimated_cost_in_micro_usd: cost,
                    })
                }
            ),
        (any_sync(), any_time()).prop_map(|(sync, finished_at)| {
            LongshoreEvent::SyncUnchanged(SyncUnchanged { sync, finished_at })
        }),
        (
            any_sync(),
            any::<[u64; 3]>(),
            any_count(),
            any::<[u32; 2]>(),
            any_time()
        )
            .prop_map(
                |(sync, [files, bytes, failed], total, [shards_ended, shards], at)| {
                    LongshoreEvent::SyncProgressed(SyncProgressed {
                        sync,
                        done: TransferProgress {
                            files,
                            bytes,
                            failed,
                        },
                        total,
                        shards_ended,
                        shards,
                        at,
                    })
                }
            ),
        (any_sync(), any_outcome()).prop_map(|(sync, outcome)| {
            LongshoreEvent::SyncCompleted(SyncCompleted { sync, outcome })
        }),
        (any_sync(), hostile(), any_outcome()).prop_map(|(sync, reason, outcome)| {
            LongshoreEvent::SyncFailed(SyncFailed {
                sync,
                reason,
                outcome,
            })
        }),
        (any_sync(), hostile())
            .prop_map(|(sync, reason)| LongshoreEvent::SyncRefused(SyncRefused { sync, reason })),
    ]
    .boxed()
}
