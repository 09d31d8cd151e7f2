//! Whatever happens, in whatever order: a mirror ends as the index says, or its failure is published, and clients
//! never see an index that names a file that is not there.

use chrono::Duration;
use longshore_bottles::layout;
use longshore_bottles::settings::{DeletionSettings, RunnerSettings};
use longshore_bottles::sync::record::{SyncRecord, SyncState};
use longshore_bottles::sync::{RunOutcome, SyncOptions};
use longshore_state::ErrorClass;
use longshore_testkit::{FakeFormula, FakeMirror, Fault};
use proptest::prelude::*;

use crate::scene::{
    INDEX, alive, assert_is, bottles, formulae, index_of, runner, synced_with, task_works,
    with_tasks, woken,
};

const FORMULAE: u64 = 6;

/// Something that happens.
#[derive(Debug, Clone)]
enum Step {
    /// Homebrew publishes another index, in which this many formulae are new.
    Publish(u64),
    /// Somebody asks for a sync; something may go wrong at a call.
    Run {
        in_tasks: bool,
        hurried: bool,
        fault: Option<(usize, Fault)>,
    },
    /// Two ask at once, and their calls have their effects in any order.
    RunTogether(bool, Vec<u8>),
    /// Something wakes the sync; something may go wrong at a call.
    Wake(Option<(usize, Fault)>),
    /// Two wake-ups at once.
    WakeTogether(Vec<u8>),
    /// A task works: to its end, or until it is killed.
    Work(Option<usize>),
    /// A task dies without having done anything.
    Kill,
    /// There is no capacity for tasks, or there is again.
    Capacity(bool),
    /// The registry gives wrong bytes for the first new formula, or the right ones again.
    Corrupt(bool),
    /// Somebody deletes a bottle.
    Remove(u64),
    /// Time passes, in seconds.
    Pass(i64),
}

fn fault() -> impl Strategy<Value = Option<(usize, Fault)>> {
    prop_oneof![
        2 => Just(None),
        1 => (0_usize..60, prop_oneof![
            Just(Fault::Fails(ErrorClass::Transient)),
            Just(Fault::Fails(ErrorClass::Denied)),
            Just(Fault::Fails(ErrorClass::LostRace)),
            Just(Fault::AnswerLost),
            Just(Fault::Dies),
            Just(Fault::DiesAfter),
        ])
        .prop_map(Some),
    ]
}

fn delays() -> impl Strategy<Value = Vec<u8>> {
    let delay = prop_oneof![4 => 0_u8..3, 1 => 3_u8..40];
    prop::collection::vec(delay, 60)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (1..=FORMULAE).prop_map(Step::Publish),
        4 => (any::<bool>(), any::<bool>(), fault()).prop_map(|(in_tasks, hurried, fault)| {
            Step::Run { in_tasks, hurried, fault }
        }),
        1 => (any::<bool>(), delays()).prop_map(|(in_tasks, delays)| {
            Step::RunTogether(in_tasks, delays)
        }),
        3 => fault().prop_map(Step::Wake),
        1 => delays().prop_map(Step::WakeTogether),
        3 => prop::option::of(0_usize..3).prop_map(Step::Work),
        1 => Just(Step::Kill),
        1 => any::<bool>().prop_map(Step::Capacity),
        1 => any::<bool>().prop_map(Step::Corrupt),
        1 => (0..FORMULAE).prop_map(Step::Remove),
        3 => prop_oneof![Just(5_i64), Just(61), Just(400), Just(2_000), Just(30_000)]
            .prop_map(Step::Pass),
    ]
}

/// What Homebrew has published, the newest last.
struct Simulation {
    mirror: FakeMirror,
    indexes: Vec<Vec<FakeFormula>>,
    invocations: u32,
    removed: bool,
}

impl Simulation {
    fn begin() -> Self {
        let first = formulae(FORMULAE, 1);
        let mirror = with_tasks(&first);
        mirror.change_settings(|settings| {
            settings.deletion = Some(DeletionSettings {
                grace_days: 0,
                max_files: 100,
                max_share_percent: 100,
            });
        });
        Self {
            mirror,
            indexes: vec![first],
            invocations: 0,
            removed: false,
        }
    }

    fn newest(&self) -> &[FakeFormula] {
        self.indexes.last().unwrap()
    }

    fn id(&mut self) -> String {
        self.invocations += 1;
        format!("invocation-{}", self.invocations)
    }

    async fn run(&self, id: &str, in_tasks: bool, hurried: bool) {
        let runner = RunnerSettings {
            time_left: hurried.then(|| Duration::seconds(95)),
            ..runner()
        };
        let options = SyncOptions {
            check_listing: false,
            threshold_bytes: in_tasks.then_some(2),
        };
        let _ = synced_with(&self.mirror, id, &runner, options).await;
    }

    async fn happen(&mut self, step: Step) {
        match step {
            Step::Publish(changed) => {
                let version = self.indexes.len() as u64 + 1;
                let mut next = self.newest().to_vec();
                for (place, formula) in formulae(changed, version).into_iter().enumerate() {
                    next[place] = formula;
                }
                self.mirror.publish_index(&next);
                self.indexes.push(next);
            }
            Step::Run {
                in_tasks,
                hurried,
                fault,
            } => {
                let id = self.id();
                if let Some((call, fault)) = fault {
                    self.mirror.inject(call, fault);
                }
                self.run(&id, in_tasks, hurried).await;
                self.mirror.recover();
            }
            Step::RunTogether(in_tasks, delays) => {
                let (one, other) = (self.id(), self.id());
                self.mirror.set_delays(&delays);
                tokio::join!(
                    self.run(&one, in_tasks, false),
                    self.run(&other, in_tasks, false)
                );
                self.mirror.set_delays(&[]);
            }
            Step::Wake(fault) => {
                let id = self.id();
                if let Some((call, fault)) = fault {
                    self.mirror.inject(call, fault);
                }
                let _ = woken(&self.mirror, &id).await;
                self.mirror.recover();
            }
            Step::WakeTogether(delays) => {
                let (one, other) = (self.id(), self.id());
                self.mirror.set_delays(&delays);
                let _ = tokio::join!(woken(&self.mirror, &one), woken(&self.mirror, &other));
                self.mirror.set_delays(&[]);
            }
            Step::Work(items) => {
                if let Some(task) = alive(&self.mirror).first() {
                    task_works(&self.mirror, task, items).await;
                }
            }
            Step::Kill => {
                if let Some(task) = alive(&self.mirror).first() {
                    self.mirror.stop_task(task, "killed");
                }
            }
            Step::Capacity(is_there) => {
                self.mirror.set_capacity((!is_there).then_some(0));
            }
            Step::Corrupt(fixed) => {
                let first = self.newest()[0].clone();
                let content = first.bottles[0].1;
                self.mirror.corrupt(&first, content, fixed);
            }
            Step::Remove(number) => {
                let place = usize::try_from(number).unwrap();
                let key = self.newest()[place].key();
                self.mirror.remove(&key);
                self.removed = true;
            }
            Step::Pass(seconds) => self.mirror.pass(Duration::seconds(seconds)),
        }
    }

    /// Clients see no index that names what is not there, unless somebody else has deleted it.
    fn assert_nothing_is_named_in_vain(&self) {
        let Some(seen) = self.mirror.text(INDEX) else {
            return;
        };
        let index = self
            .indexes
            .iter()
            .find(|formulae| index_of(formulae) == seen)
            .expect("clients see an index that was published");
        let held = bottles(&self.mirror);
        for formula in index {
            assert!(
                self.removed || held.contains(&formula.key()),
                "{} is named and not there",
                formula.key()
            );
        }
    }

    /// What was published of a sync agrees with what became of it.
    fn assert_is_published(&self) {
        let Some(text) = self.mirror.text(layout::RECORD) else {
            return;
        };
        let record: SyncRecord = serde_json::from_str(&text).unwrap();
        let waits = |detail_type: &str| {
            let mut outbox = record.outbox.iter();
            outbox.any(|unpublished| unpublished.event.detail_type() == detail_type)
        };
        let published = match record.sync.state {
            SyncState::Completed => "Sync Completed",
            SyncState::Failed => "Sync Failed",
            SyncState::Refused => "Sync Refused",
            SyncState::Unchanged => "Sync Unchanged",
            SyncState::Transferring | SyncState::Publishing => "Sync Planned",
            SyncState::Planning => return,
        };
        let is_published = self.mirror.published().iter().any(|event| {
            event.detail_type() == published
                && serde_json::to_value(event)
                    .unwrap()
                    .to_string()
                    .contains(&format!("\"{}\"", record.sync.id))
        });
        assert!(
            is_published || waits(published),
            "{published} of {}",
            record.sync.id
        );
    }

    /// Nothing goes wrong any more.
    async fn end(&mut self) {
        let first = self.newest()[0].clone();
        for index in self.indexes.clone() {
            for formula in index {
                let content = formula.bottles[0].1;
                self.mirror.corrupt(&formula, content, true);
            }
        }
        self.mirror.set_capacity(None);
        assert!(!first.key().is_empty());
        for _ in 0..12 {
            self.mirror.pass(Duration::minutes(10));
            for task in alive(&self.mirror) {
                task_works(&self.mirror, &task, None).await;
            }
            let id = self.id();
            woken(&self.mirror, &id).await.unwrap();
        }
        self.assert_nothing_is_named_in_vain();
        let id = self.id();
        let options = SyncOptions {
            check_listing: true,
            threshold_bytes: None,
        };
        let outcome = synced_with(&self.mirror, &id, &runner(), options)
            .await
            .unwrap();
        assert!(
            matches!(outcome, RunOutcome::Completed { .. }),
            "{outcome:?}"
        );
        assert_is(&self.mirror, self.newest());
        assert_eq!(bottles(&self.mirror).len() as u64, FORMULAE);
        let text = self.mirror.text(layout::RECORD).unwrap();
        let record: SyncRecord = serde_json::from_str(&text).unwrap();
        assert!(record.outbox.is_empty(), "{:?}", record.outbox);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 96,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_happens_the_mirror_ends_as_the_index_says_and_names_nothing_in_vain(
        steps in prop::collection::vec(step(), 1..24),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut simulation = Simulation::begin();
            for step in steps {
                simulation.happen(step).await;
                simulation.assert_nothing_is_named_in_vain();
                simulation.assert_is_published();
            }
            simulation.end().await;
        });
    }
}
