//! Documents on a store in memory that behaves as S3 does.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Duration, Utc};
use longshore_events::longshore::{LongshoreEvent, ReconcileShard};
use longshore_state::document::LARGEST_DOCUMENT;
use longshore_state::lease::LEASE;
use longshore_state::outbox::{Outbox, Unpublished, flush};
use longshore_state::store::Address;
use longshore_state::{
    CallError, Document, DocumentStore, ErrorClass, EventPublisher, Key, RACES, Version, Worker,
    WriteCondition, change, decide_again, load, save, unless_lost,
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const KEY: &str = "counters/one.json";

/// What happens at the next write.
#[derive(Debug, Clone)]
enum Mishap {
    /// Somebody else writes this first.
    Race(Value),
    /// The write is done, its answer is lost, and the client sends it again.
    AnswerLost,
    /// The same, and before it is sent again somebody else writes this.
    AnswerLostAndRace(Value),
}

#[derive(Default)]
struct Store {
    objects: RefCell<BTreeMap<String, (Vec<u8>, u64)>>,
    mishaps: RefCell<VecDeque<Mishap>>,
    published: RefCell<Vec<LongshoreEvent>>,
    writes: RefCell<u64>,
}

impl Store {
    fn with(document: &Value) -> Self {
        let store = Self::default();
        store.put(document);
        store
    }

    fn put(&self, document: &Value) {
        self.put_bytes(serde_json::to_vec(document).unwrap());
    }

    fn put_bytes(&self, body: Vec<u8>) {
        *self.writes.borrow_mut() += 1;
        let version = *self.writes.borrow();
        self.objects
            .borrow_mut()
            .insert(KEY.to_owned(), (body, version));
    }

    fn stored(&self) -> Value {
        serde_json::from_slice(&self.objects.borrow()[KEY].0).unwrap()
    }
}

fn refused(class: ErrorClass) -> CallError {
    CallError {
        operation: "write the object".to_owned(),
        class,
        code: Some("PreconditionFailed".to_owned()),
        message: "At least one of the pre-conditions you specified did not hold".to_owned(),
    }
}

impl DocumentStore for Store {
    async fn read_document(
        &self,
        address: &Address,
    ) -> Result<Option<(Vec<u8>, Version)>, CallError> {
        Ok(self
            .objects
            .borrow()
            .get(&address.key)
            .map(|(body, version)| (body.clone(), Version::new(version.to_string()))))
    }

    async fn write_document(
        &self,
        address: &Address,
        body: Vec<u8>,
        condition: WriteCondition<'_>,
    ) -> Result<Version, CallError> {
        let mishap = self.mishaps.borrow_mut().pop_front();
        if let Some(Mishap::Race(document)) = &mishap {
            self.put(document);
        }
        let present = self
            .read_document(address)
            .await?
            .map(|(_, version)| version);
        if !condition.holds(present.as_ref()) {
            return Err(refused(ErrorClass::LostRace));
        }
        self.put_bytes(body);
        match mishap {
            Some(Mishap::AnswerLost) => return Err(refused(ErrorClass::UnsureWrite)),
            Some(Mishap::AnswerLostAndRace(document)) => {
                self.put(&document);
                return Err(refused(ErrorClass::UnsureWrite));
            }
            _ => {}
        }
        Ok(Version::new(self.writes.borrow().to_string()))
    }

    async fn list_documents(&self, prefix: &str) -> Result<Vec<String>, CallError> {
        let objects = self.objects.borrow();
        let keys = objects.keys().filter(|key| key.starts_with(prefix));
        Ok(keys.cloned().collect())
    }
}

impl EventPublisher for Store {
    async fn publish(&self, events: &[LongshoreEvent]) -> Result<(), CallError> {
        self.published.borrow_mut().extend_from_slice(events);
        Ok(())
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Part {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    name: String,
    #[serde(default)]
    size: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Counter {
    count: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(default)]
    parts: Vec<Part>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    outbox: Vec<Unpublished>,
}

impl Document for Counter {
    const FORMAT: u32 = 3;

    fn migrate(from: u32, mut document: Value) -> Value {
        match from {
            // Format 1 called it `number`.
            1 => document["count"] = document["number"].take(),
            // Format 2 counted from 1.
            2 => document["count"] = json!(document["count"].as_u64().unwrap() - 1),
            _ => unreachable!("there is no migration from {from}"),
        }
        document
    }
}

impl Outbox for Counter {
    fn outbox(&mut self) -> &mut Vec<Unpublished> {
        &mut self.outbox
    }
}

struct CounterKey;

impl Key for CounterKey {
    type Document = Counter;

    fn address(&self) -> Address {
        Address::of_state(KEY)
    }

    fn subject(&self) -> String {
        "the counter".to_owned()
    }
}

fn counter(count: u32) -> Counter {
    Counter {
        count,
        note: None,
        parts: Vec::new(),
        outbox: Vec::new(),
    }
}

fn current(count: u32) -> Value {
    json!({"count": count, "parts": [], "format_version": 3, "longshore_version": "0.1.0"})
}

fn noon() -> DateTime<Utc> {
    "2026-11-29T12:00:00Z".parse().unwrap()
}

fn worker(id: &str) -> Worker {
    Worker {
        id: id.to_owned(),
        now: noon(),
    }
}

async fn add_one(store: &Store) -> Result<(), CallError> {
    decide_again(&CounterKey, async || {
        let (mut counter, version) = load(store, &CounterKey).await?.unwrap();
        counter.count += 1;
        save(store, &CounterKey, &counter, Some(&version))
            .await
            .map(drop)
    })
    .await
}

#[tokio::test(flavor = "current_thread")]
async fn a_document_says_which_format_it_has_and_what_wrote_it() {
    let store = Store::default();
    save(&store, &CounterKey, &counter(7), None).await.unwrap();
    assert_eq!(store.stored()["format_version"], 3);
    assert_eq!(
        store.stored()["longshore_version"],
        env!("CARGO_PKG_VERSION")
    );
    let (read, _) = load(&store, &CounterKey).await.unwrap().unwrap();
    assert_eq!(read, counter(7));
}

#[tokio::test(flavor = "current_thread")]
async fn the_first_write_of_two_wins() {
    let store = Store::default();
    save(&store, &CounterKey, &counter(1), None).await.unwrap();
    let second = save(&store, &CounterKey, &counter(2), None).await;
    assert_eq!(unless_lost(second), Ok(None));
    assert_eq!(store.stored()["count"], 1);
}

#[tokio::test(flavor = "current_thread")]
async fn whoever_loses_a_race_decides_again() {
    let store = Store::with(&current(1));
    store
        .mishaps
        .borrow_mut()
        .push_back(Mishap::Race(current(10)));
    add_one(&store).await.unwrap();
    assert_eq!(store.stored()["count"], 11);
}

#[tokio::test(flavor = "current_thread")]
async fn after_eight_lost_races_the_call_is_handed_back_to_be_retried() {
    let store = Store::with(&current(1));
    for count in 0..8 {
        store
            .mishaps
            .borrow_mut()
            .push_back(Mishap::Race(current(count)));
    }
    let error = add_one(&store).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Transient);
    assert_eq!(
        error.to_string(),
        format!("write the counter: somebody else wrote it first {RACES} times")
    );
    assert_eq!(store.stored()["count"], 7);
}

#[tokio::test(flavor = "current_thread")]
async fn a_write_that_is_refused_because_of_itself_was_done() {
    let store = Store::with(&current(1));
    store.mishaps.borrow_mut().push_back(Mishap::AnswerLost);
    let (_, version) = load(&store, &CounterKey).await.unwrap().unwrap();
    let written = save(&store, &CounterKey, &counter(2), Some(&version))
        .await
        .unwrap();
    // The version is the one that is stored: the next write with it is taken.
    save(&store, &CounterKey, &counter(3), Some(&written))
        .await
        .unwrap();
    assert_eq!(store.stored()["count"], 3);
}

#[tokio::test(flavor = "current_thread")]
async fn an_unsure_write_that_somebody_else_replaced_is_a_lost_race() {
    let store = Store::with(&current(1));
    store
        .mishaps
        .borrow_mut()
        .push_back(Mishap::AnswerLostAndRace(current(40)));
    add_one(&store).await.unwrap();
    assert_eq!(store.stored()["count"], 41);
}

#[tokio::test(flavor = "current_thread")]
async fn a_change_that_changes_nothing_is_not_written() {
    let store = Store::with(&current(1));
    let stored = load(&store, &CounterKey).await.unwrap().unwrap();
    let writes = *store.writes.borrow();
    change(&store, &CounterKey, stored, |_| ()).await.unwrap();
    assert_eq!(*store.writes.borrow(), writes);
}

#[tokio::test(flavor = "current_thread")]
async fn a_document_that_is_gone_is_not_made_again_by_a_change() {
    let store = Store::with(&current(1));
    let stored = load(&store, &CounterKey).await.unwrap().unwrap();
    store.objects.borrow_mut().clear();
    let changed = change(&store, &CounterKey, stored, |counter| counter.count += 1).await;
    assert_eq!(changed, Ok(None));
    assert!(store.objects.borrow().is_empty());
}

#[tokio::test(flavor = "current_thread")]
async fn an_older_document_is_migrated_step_by_step() {
    for (older, count) in [
        (json!({"number": 5}), 4),
        (json!({"number": 5, "format_version": 1}), 4),
        (json!({"count": 5, "format_version": 2}), 4),
        (json!({"count": 5, "format_version": 3}), 5),
    ] {
        let store = Store::with(&older);
        let (read, version) = load(&store, &CounterKey).await.unwrap().unwrap();
        assert_eq!(read.count, count, "{older}");
        save(&store, &CounterKey, &read, Some(&version))
            .await
            .unwrap();
        assert_eq!(store.stored()["format_version"], 3);
        let (again, _) = load(&store, &CounterKey).await.unwrap().unwrap();
        assert_eq!(again, read);
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_newer_document_is_read_and_never_rewritten() {
    let newer = json!({
        "count": 5, "parts": [], "colour": "red", "format_version": 4, "longshore_version": "0.9.2",
    });
    let store = Store::with(&newer);
    let (read, version) = load(&store, &CounterKey).await.unwrap().unwrap();
    assert_eq!(read.count, 5);
    let error = save(&store, &CounterKey, &counter(6), Some(&version))
        .await
        .unwrap_err();
    // A newer version of Longshore may come to it.
    assert_eq!(error.class, ErrorClass::Transient);
    assert_eq!(
        error.to_string(),
        format!(
            "write the counter: it has format 4, and Longshore {} knows formats up to 3: use version 0.9.2 of \
             Longshore or a newer one (object counters/one.json of the state bucket)",
            env!("CARGO_PKG_VERSION")
        )
    );
    assert_eq!(store.stored(), newer);
}

#[tokio::test(flavor = "current_thread")]
async fn a_newer_document_that_cannot_be_understood_names_the_version_that_is_needed() {
    let store =
        Store::with(&json!({"total": 5, "format_version": 4, "longshore_version": "1.0.0"}));
    let error = load(&store, &CounterKey).await.unwrap_err();
    assert!(
        error.to_string().contains("use version 1.0.0 of Longshore"),
        "{error}"
    );
}

#[tokio::test(flavor = "current_thread")]
async fn what_is_no_such_document_is_refused_with_its_key() {
    let store = Store::with(&json!({"parts": [], "format_version": 3}));
    let error = load(&store, &CounterKey).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Unreadable);
    assert!(
        error.to_string().contains("missing field `count`")
            && error.to_string().contains("counters/one.json"),
        "{error}"
    );
}

#[tokio::test(flavor = "current_thread")]
async fn a_document_that_is_too_large_is_neither_read_nor_written() {
    let store = Store::default();
    let mut large = counter(1);
    large.note = Some("x".repeat(LARGEST_DOCUMENT));
    let error = save(&store, &CounterKey, &large, None).await.unwrap_err();
    assert!(
        error.to_string().contains("expected at most 4194304"),
        "{error}"
    );
    assert_eq!(*store.writes.borrow(), 0);
    store.put(&serde_json::to_value(&large).unwrap());
    let error = load(&store, &CounterKey).await.unwrap_err();
    assert!(
        error.to_string().contains("expected at most 4194304")
            && error.to_string().contains("counters/one.json"),
        "{error}"
    );
}

#[tokio::test(flavor = "current_thread")]
async fn a_rewrite_keeps_members_that_this_program_does_not_know() {
    let store = Store::with(&json!({
        "count": 5,
        "note": "kept until it is taken out",
        "colour": "red",
        "parts": [
            {"name": "first", "size": 1, "weight": 10},
            {"name": "second", "size": 2, "weight": 20},
        ],
        "format_version": 3,
    }));
    let (mut counter, version) = load(&store, &CounterKey).await.unwrap().unwrap();
    counter.count = 6;
    counter.note = None;
    counter.parts[1].size = 3;
    let version = save(&store, &CounterKey, &counter, Some(&version))
        .await
        .unwrap();
    let parts = json!([
        {"name": "first", "size": 1, "weight": 10},
        {"name": "second", "size": 3, "weight": 20},
    ]);
    assert_eq!(store.stored()["colour"], "red");
    assert_eq!(store.stored()["parts"], parts);
    assert_eq!(store.stored().get("note"), None);
    // A second write by the same worker, which has not read it again, keeps them as well.
    counter.parts.remove(0);
    save(&store, &CounterKey, &counter, Some(&version))
        .await
        .unwrap();
    assert_eq!(store.stored()["colour"], "red");
    assert_eq!(
        store.stored()["parts"],
        json!([{"name": "second", "size": 3, "weight": 20}])
    );
}

fn event(shard: u32) -> LongshoreEvent {
    LongshoreEvent::ReconcileShard(ReconcileShard { shard, shards: 9 })
}

#[tokio::test(flavor = "current_thread")]
async fn an_event_is_published_and_taken_out() {
    let store = Store::default();
    let mut document = counter(1);
    document
        .outbox
        .push(Unpublished::new(event(1), &worker("one")));
    let version = save(&store, &CounterKey, &document, None).await.unwrap();
    flush(&store, &CounterKey, (document, version), &worker("one"))
        .await
        .unwrap();
    assert_eq!(*store.published.borrow(), [event(1)]);
    assert_eq!(store.stored().get("outbox"), None);
}

#[tokio::test(flavor = "current_thread")]
async fn events_of_another_worker_are_left_to_it_while_it_may_still_run() {
    let store = Store::default();
    let mut document = counter(1);
    document
        .outbox
        .push(Unpublished::new(event(1), &worker("one")));
    save(&store, &CounterKey, &document, None).await.unwrap();
    let late = Worker {
        now: noon() + LEASE,
        ..worker("two")
    };
    let early = Worker {
        now: noon() + LEASE - Duration::seconds(1),
        ..worker("two")
    };
    for (worker, published) in [(early, 0), (late, 1)] {
        let stored = load(&store, &CounterKey).await.unwrap().unwrap();
        flush(&store, &CounterKey, stored, &worker).await.unwrap();
        assert_eq!(store.published.borrow().len(), published);
    }
}

#[tokio::test(flavor = "current_thread")]
async fn an_event_that_comes_while_others_are_published_stays() {
    let store = Store::default();
    let mut document = counter(1);
    document
        .outbox
        .push(Unpublished::new(event(1), &worker("one")));
    let version = save(&store, &CounterKey, &document, None).await.unwrap();
    let mut raced = document.clone();
    raced
        .outbox
        .push(Unpublished::new(event(2), &worker("two")));
    let raced = serde_json::to_value(&raced).unwrap();
    store.mishaps.borrow_mut().push_back(Mishap::Race({
        let mut raced = raced;
        raced["format_version"] = json!(3);
        raced
    }));
    flush(&store, &CounterKey, (document, version), &worker("one"))
        .await
        .unwrap();
    let (left, _) = load(&store, &CounterKey).await.unwrap().unwrap();
    assert_eq!(left.outbox, [Unpublished::new(event(2), &worker("two"))]);
}

#[tokio::test(flavor = "current_thread")]
async fn what_could_not_be_taken_out_afterwards_is_not_published() {
    let mut newer = counter(1);
    newer
        .outbox
        .push(Unpublished::new(event(1), &worker("one")));
    let mut newer = serde_json::to_value(&newer).unwrap();
    newer["format_version"] = json!(4);
    let store = Store::with(&newer);
    let stored = load(&store, &CounterKey).await.unwrap().unwrap();
    let error = flush(&store, &CounterKey, stored, &worker("one"))
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::Transient);
    assert_eq!(*store.published.borrow(), []);
}

#[tokio::test(flavor = "current_thread")]
async fn what_takes_the_place_of_another_thing_inherits_nothing_from_it() {
    let store = Store::with(&json!({
        "count": 1,
        "parts": [
            {"id": "a", "name": "same", "weight": 10},
            {"id": "b", "name": "same", "weight": 20},
        ],
        "format_version": 3,
    }));
    let (mut counter, version) = load(&store, &CounterKey).await.unwrap().unwrap();
    counter.count = 2;
    let version = save(&store, &CounterKey, &counter, Some(&version))
        .await
        .unwrap();
    // Both stay what they are, though this program cannot distinguish their names.
    assert_eq!(store.stored()["parts"][1]["weight"], 20);
    counter.parts[0].id = Some("c".to_owned());
    save(&store, &CounterKey, &counter, Some(&version))
        .await
        .unwrap();
    assert_eq!(
        store.stored()["parts"],
        json!([
            {"id": "c", "name": "same", "size": 0},
            {"id": "b", "name": "same", "size": 0, "weight": 20},
        ])
    );
}

#[tokio::test(flavor = "current_thread")]
async fn a_rewrite_keeps_the_newest_version_that_wrote_a_document() {
    let store = Store::with(&json!({
        "count": 1, "parts": [], "format_version": 3, "longshore_version": "7.10.1",
    }));
    add_one(&store).await.unwrap();
    add_one(&store).await.unwrap();
    assert_eq!(store.stored()["longshore_version"], "7.10.1");
    assert_eq!(store.stored()["count"], 3);
}

/// Any JSON that is an object of a few members, some of which the counter knows.
fn unknown_members() -> impl Strategy<Value = BTreeMap<String, Value>> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z]{0,3}".prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,3}", inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    prop::collection::btree_map("x_[a-z]{1,4}", value, 0..5)
}

proptest! {
    #[test]
    fn whatever_else_a_document_says_outlives_any_number_of_changes(
        unknown in unknown_members(),
        counts in prop::collection::vec(0_u32..9, 1..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut document = current(0);
        for (name, value) in &unknown {
            document[name] = value.clone();
        }
        let store = Store::with(&document);
        for count in &counts {
            runtime.block_on(async {
                let stored = load(&store, &CounterKey).await.unwrap().unwrap();
                change(&store, &CounterKey, stored, |counter| counter.count = *count).await.unwrap();
            });
        }
        let stored = store.stored();
        prop_assert_eq!(&stored["count"], &json!(counts[counts.len() - 1]));
        for (name, value) in &unknown {
            prop_assert_eq!(&stored[name], value);
        }
    }
}
