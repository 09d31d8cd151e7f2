//! `longshore sync`, as far as it is about a mirror and not about files.

use std::ops::ControlFlow;
use std::time::Duration;

use longshore_bottles::ports::{Source, SyncCloud, Transferrer};
use longshore_bottles::settings::{RunnerSettings, THRESHOLD_BYTES};
use longshore_bottles::sync::record::{Sync, SyncState};
use longshore_bottles::sync::{
    Engine, RunOutcome, RunRequest, SyncOptions, advance, plan, run as run_sync, status, verify,
};
use longshore_events::longshore::{SyncOutcome, SyncSource};
use serde::Serialize;

use crate::answer::{Answer, Status};
use crate::arguments::{
    Output, StackArguments, SyncCommand, SyncOptionArguments, SyncPlanArguments, SyncRunArguments,
};
use crate::caller::caller;
use crate::outcome::worker;
use crate::sync_offline;
use crate::sync_words::{
    outcome_in_words, plan_in_words, progress, status_in_words, verification_in_words,
};
use crate::terminal;

/// How long lies between two looks at a sync that tasks work for.
const PAUSE: Duration = Duration::from_secs(5);

/// What is done with a mirror.
#[derive(Debug)]
pub enum MirrorCommand {
    /// Say what a sync would do.
    Plan(MirrorPlanArguments),
    /// Sync it.
    Run(SyncRunArguments),
    /// Say how far the last sync is.
    Status(StackArguments),
    /// Compare it with its index.
    Verify(StackArguments),
}

/// `longshore sync plan <stack>`.
#[derive(Debug)]
pub struct MirrorPlanArguments {
    stack: String,
    options: SyncOptionArguments,
    output: Output,
}

/// Answers what is about files alone; what is about a mirror comes back.
pub fn run_without_aws(command: SyncCommand) -> anyhow::Result<ControlFlow<Answer, MirrorCommand>> {
    Ok(match command {
        SyncCommand::Inventory(arguments) => {
            ControlFlow::Break(sync_offline::run_inventory(&arguments)?.into())
        }
        SyncCommand::Plan(SyncPlanArguments {
            stack,
            options,
            files,
            selection,
            output,
        }) => match (stack, files) {
            (_, Some(files)) => {
                ControlFlow::Break(sync_offline::run_plan(&files, &selection, output)?.into())
            }
            (Some(stack), None) => {
                ControlFlow::Continue(MirrorCommand::Plan(MirrorPlanArguments {
                    stack,
                    options,
                    output,
                }))
            }
            (None, None) => anyhow::bail!("expected a stack, or --index and --inventory"),
        },
        SyncCommand::Run(SyncRunArguments {
            stack,
            dry_run: true,
            options,
            output,
            ..
        }) => ControlFlow::Continue(MirrorCommand::Plan(MirrorPlanArguments {
            stack,
            options,
            output,
        })),
        SyncCommand::Run(arguments) => ControlFlow::Continue(MirrorCommand::Run(arguments)),
        SyncCommand::Status(arguments) => ControlFlow::Continue(MirrorCommand::Status(arguments)),
        SyncCommand::Verify(arguments) => ControlFlow::Continue(MirrorCommand::Verify(arguments)),
    })
}

/// Does something with a mirror.
pub async fn run<C, S, T>(
    cloud: &C,
    connect: impl Fn(&[String]) -> anyhow::Result<(S, T)>,
    region: Option<String>,
    command: MirrorCommand,
) -> anyhow::Result<Answer>
where
    C: SyncCloud,
    S: Source,
    T: Transferrer,
{
    let runner = RunnerSettings {
        threshold_bytes: THRESHOLD_BYTES,
        time_left: None,
        region,
    };
    let source = async |stack: &str| -> anyhow::Result<(S, T)> {
        let (settings, _) = cloud.mirror(stack).await?;
        connect(&settings.private_hosts)
    };
    match command {
        MirrorCommand::Plan(arguments) => {
            let (source, _) = source(&arguments.stack).await?;
            let options = sync_options(arguments.options);
            let plan = plan(cloud, &source, &runner, &arguments.stack, &options).await?;
            answer(arguments.output, &plan, || plan_in_words(&plan), true)
        }
        MirrorCommand::Run(arguments) => {
            let (source, transferrer) = source(&arguments.stack).await?;
            let worker = worker();
            let engine = Engine {
                cloud,
                source: &source,
                transferrer: &transferrer,
                runner: &runner,
                worker: &worker,
            };
            run_to_the_end(&engine, arguments).await
        }
        MirrorCommand::Status(StackArguments { stack, output }) => {
            let status = status(cloud, &stack).await?;
            let outcome = status.sync.as_ref().and_then(|sync| sync.outcome.as_ref());
            // A refused sync has no outcome that could say it.
            let has_failed = status
                .sync
                .as_ref()
                .is_some_and(|sync| matches!(sync.state, SyncState::Failed | SyncState::Refused));
            let is_clean = !has_failed && outcome.is_none_or(SyncOutcome::is_clean);
            answer(output, &status, || status_in_words(&status), is_clean)
        }
        MirrorCommand::Verify(StackArguments { stack, output }) => {
            let (source, _) = source(&stack).await?;
            let verification = verify(cloud, &source, &stack).await?;
            answer(
                output,
                &verification,
                || verification_in_words(&verification),
                verification.is_right(),
            )
        }
    }
}

fn answer<A: Serialize>(
    output: Output,
    answered: &A,
    in_words: impl FnOnce() -> String,
    is_good: bool,
) -> anyhow::Result<Answer> {
    Ok(Answer {
        text: match output {
            Output::Text => in_words().trim_end().to_owned(),
            Output::Json => serde_json::to_string_pretty(answered)?,
        },
        status: Status::of(is_good),
    })
}

fn sync_options(arguments: SyncOptionArguments) -> SyncOptions {
    SyncOptions {
        check_listing: arguments.check_listing,
        threshold_bytes: arguments.threshold_bytes,
    }
}

async fn run_to_the_end<C: SyncCloud, S: Source, T: Transferrer>(
    engine: &Engine<'_, C, S, T>,
    arguments: SyncRunArguments,
) -> anyhow::Result<Answer> {
    let SyncRunArguments {
        stack,
        // It is a plan then, and not run.
        dry_run: _,
        note,
        options,
        no_follow,
        output,
    } = arguments;
    let request = RunRequest {
        source: SyncSource::Manual { note, by: caller() },
        requested_at: engine.worker.now,
        options: sync_options(options),
    };
    let outcome = match run_sync(engine, &stack, &request).await? {
        RunOutcome::Running { sync_id, .. } if !no_follow => {
            follow(engine, &stack, &sync_id).await?
        }
        outcome => outcome,
    };
    let is_good = match &outcome {
        RunOutcome::Failed { .. } | RunOutcome::Refused { .. } => false,
        // Whoever started it from a script hears of what is missing, too.
        RunOutcome::Completed { result, .. } => result.is_clean(),
        RunOutcome::Unchanged { .. } | RunOutcome::Running { .. } => true,
    };
    answer(
        output,
        &outcome,
        || outcome_in_words(&stack, &outcome),
        is_good,
    )
}

/// Prints how far a sync is, until it has ended. What would wake the function wakes this process as well,
/// so that it comes to an end where no function is.
async fn follow<C: SyncCloud, S: Source, T: Transferrer>(
    engine: &Engine<'_, C, S, T>,
    stack: &str,
    sync_id: &str,
) -> anyhow::Result<RunOutcome> {
    let mut last = String::new();
    loop {
        tokio::time::sleep(PAUSE).await;
        advance(engine, stack).await?;
        let status = status(engine.cloud, stack).await?;
        let Some(sync) = status.sync.as_ref().filter(|sync| sync.id == sync_id) else {
            anyhow::bail!(
                "sync {sync_id} of stack {stack} has ended and another one has begun: longshore sync \
                 status {stack}"
            );
        };
        if let Some(outcome) = ended(sync) {
            return Ok(outcome);
        }
        let line = progress(&status, sync);
        if line != last {
            terminal::note(&line);
            last = line;
        }
    }
}

/// What a sync that is over came to.
fn ended(sync: &Sync) -> Option<RunOutcome> {
    let sync_id = sync.id.clone();
    let reason = sync.reason.clone().unwrap_or_default();
    Some(match (sync.state, sync.outcome.clone().map(Box::new)) {
        (SyncState::Completed, Some(result)) => RunOutcome::Completed { sync_id, result },
        (SyncState::Failed, Some(result)) => RunOutcome::Failed {
            sync_id,
            reason,
            result,
        },
        (SyncState::Unchanged, _) => RunOutcome::Unchanged { sync_id },
        (SyncState::Refused, _) => RunOutcome::Refused { reason },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use longshore_state::ErrorClass;
    use longshore_testkit::{FakeFormula, FakeMirror, MIRROR_STACK};
    use serde_json::Value;

    use super::*;

    fn formulae(count: u64) -> Vec<FakeFormula> {
        (1..=count)
            .map(|number| FakeFormula::new(&format!("formula{number}"), "1.0", number))
            .collect()
    }

    async fn done(mirror: &FakeMirror, command: MirrorCommand) -> Answer {
        run(mirror, |_: &[String]| Ok((mirror, mirror)), None, command)
            .await
            .unwrap()
    }

    fn run_of(output: Output) -> MirrorCommand {
        MirrorCommand::Run(SyncRunArguments {
            stack: MIRROR_STACK.to_owned(),
            dry_run: false,
            note: None,
            options: OPTIONS,
            no_follow: false,
            output,
        })
    }

    const OPTIONS: SyncOptionArguments = SyncOptionArguments {
        check_listing: false,
        threshold_bytes: None,
    };

    fn of_stack(output: Output) -> StackArguments {
        StackArguments {
            stack: MIRROR_STACK.to_owned(),
            output,
        }
    }

    #[tokio::test]
    async fn a_sync_ends_in_words_and_the_next_finds_nothing_to_do() {
        let mirror = FakeMirror::new();
        mirror.publish_index(&formulae(3));
        let answer = done(&mirror, run_of(Output::Text)).await;
        assert!(answer.is_good());
        assert!(
            answer
                .text
                .contains("completed: 3 files transferred, 3.0 kB"),
            "{}",
            answer.text
        );
        let answer = done(&mirror, run_of(Output::Text)).await;
        assert!(answer.is_good());
        assert_eq!(
            answer.text,
            "nothing to do: the mirror of stack bottles already holds what its index names"
        );
    }

    #[tokio::test]
    async fn a_dry_run_is_a_plan_and_transfers_nothing() {
        let mirror = FakeMirror::new();
        mirror.publish_index(&formulae(3));
        let dry_run = SyncCommand::Run(SyncRunArguments {
            stack: MIRROR_STACK.to_owned(),
            dry_run: true,
            note: None,
            options: OPTIONS,
            no_follow: false,
            output: Output::Text,
        });
        let ControlFlow::Continue(command) = run_without_aws(dry_run).unwrap() else {
            panic!("it is about a mirror");
        };
        let answer = done(&mirror, command).await;
        assert!(answer.text.contains("3 files"), "{}", answer.text);
        let answer = done(&mirror, run_of(Output::Text)).await;
        assert!(
            answer.text.contains("3 files transferred"),
            "{}",
            answer.text
        );
    }

    #[tokio::test]
    async fn a_file_that_failed_is_named_and_the_exit_status_reports_it() {
        for output in [Output::Text, Output::Json] {
            let mirror = FakeMirror::new();
            mirror.publish_index(&formulae(3));
            mirror.corrupt(&formulae(3)[1], 2, false);
            let answer = done(&mirror, run_of(output)).await;
            assert!(!answer.is_good());
            assert!(answer.text.contains("formula2"), "{}", answer.text);
            if output == Output::Json {
                let outcome: Value = serde_json::from_str(&answer.text).unwrap();
                assert_eq!(outcome["outcome"], "failed");
                assert_eq!(outcome["result"]["transfer"]["failed"], 1);
            }
        }
    }

    #[tokio::test]
    async fn what_a_sync_did_without_is_reported_by_run_and_status_and_by_their_exit_status() {
        let mirror = FakeMirror::new();
        mirror.publish_index(&formulae(3));
        mirror.fail_manifest(&formulae(3)[1], Some(ErrorClass::Denied));
        let answer = done(&mirror, run_of(Output::Text)).await;
        let status = done(&mirror, MirrorCommand::Status(of_stack(Output::Text))).await;
        for answer in [answer, status] {
            assert!(!answer.is_good());
            assert!(
                answer.text.contains("warning: 1 manifest missing"),
                "{}",
                answer.text
            );
        }
        mirror.fail_manifest(&formulae(3)[1], None);
        assert!(done(&mirror, run_of(Output::Text)).await.is_good());
    }

    #[tokio::test]
    async fn the_exit_status_reports_a_sync_that_was_refused_or_failed() {
        let mirror = FakeMirror::new();
        mirror.set_page(longshore_testkit::INDEX_URL, "<html>");
        assert!(!done(&mirror, run_of(Output::Text)).await.is_good());
        let status = async || done(&mirror, MirrorCommand::Status(of_stack(Output::Text))).await;
        assert!(!status().await.is_good());
        mirror.publish_index(&formulae(3));
        mirror.corrupt(&formulae(3)[1], 2, false);
        assert!(!done(&mirror, run_of(Output::Text)).await.is_good());
        assert!(!status().await.is_good());
        mirror.corrupt(&formulae(3)[1], 2, true);
        assert!(done(&mirror, run_of(Output::Text)).await.is_good());
        assert!(status().await.is_good());
    }

    #[tokio::test]
    async fn a_plan_says_what_is_new_and_where_it_would_run() {
        let mirror = FakeMirror::new();
        mirror.publish_index(&formulae(3));
        let plan = |output| {
            MirrorCommand::Plan(MirrorPlanArguments {
                stack: MIRROR_STACK.to_owned(),
                options: OPTIONS,
                output,
            })
        };
        let text = done(&mirror, plan(Output::Text)).await.text;
        for words in [
            "new:       3 files",
            "deleted:   0 files",
            "runs in one process",
        ] {
            assert!(text.contains(words), "{text}");
        }
        let json: Value =
            serde_json::from_str(&done(&mirror, plan(Output::Json)).await.text).unwrap();
        assert_eq!(json["new"]["files"], 3);
        assert!(mirror.written().is_empty());
    }

    #[tokio::test]
    async fn a_verification_is_good_only_when_all_is_there() {
        let mirror = FakeMirror::new();
        mirror.publish_index(&formulae(2));
        let before = done(&mirror, MirrorCommand::Verify(of_stack(Output::Text))).await;
        assert!(!before.is_good());
        assert!(
            before
                .text
                .starts_with("0 of 2 bottles are there as the index says\nmissing: 2\n"),
            "{}",
            before.text
        );
        done(&mirror, run_of(Output::Text)).await;
        let after = done(&mirror, MirrorCommand::Verify(of_stack(Output::Text))).await;
        assert!(after.is_good(), "{}", after.text);
    }

    #[tokio::test]
    async fn the_status_reports_the_last_sync_and_of_what_clients_see() {
        let mirror = FakeMirror::new();
        mirror.publish_index(&formulae(2));
        let status = || MirrorCommand::Status(of_stack(Output::Text));
        let before = done(&mirror, status()).await.text;
        assert_eq!(
            before,
            "the mirror of stack bottles was never synced\nclients see no index yet"
        );
        done(&mirror, run_of(Output::Text)).await;
        let after = done(&mirror, status()).await.text;
        for words in [": completed", "2 files transferred", "2 bottles"] {
            assert!(after.contains(words), "{after}");
        }
    }

    #[tokio::test]
    async fn a_sync_in_tasks_that_is_not_followed_says_how_to_follow_it() {
        let mirror = FakeMirror::with_tasks();
        mirror.publish_index(&formulae(4));
        let command = MirrorCommand::Run(SyncRunArguments {
            stack: MIRROR_STACK.to_owned(),
            dry_run: false,
            note: None,
            options: SyncOptionArguments {
                threshold_bytes: Some(2),
                ..OPTIONS
            },
            no_follow: true,
            output: Output::Text,
        });
        let answer = done(&mirror, command).await;
        assert!(answer.is_good());
        assert!(
            answer
                .text
                .ends_with("Fargate tasks; follow it with: longshore sync status bottles"),
            "{}",
            answer.text
        );
        // Another one is refused while it runs.
        let second = done(&mirror, run_of(Output::Text)).await;
        assert!(!second.is_good(), "{}", second.text);
        let shown = done(&mirror, MirrorCommand::Status(of_stack(Output::Text))).await;
        assert!(
            shown.text.contains("shard 1: 0 of 1 file"),
            "{}",
            shown.text
        );
    }
}
