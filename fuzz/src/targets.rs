//! The targets.

use std::fmt::Debug;
use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use longshore_bottles::index::{Index, IndexError, IndexReader, digest};
use longshore_bottles::inventory::Inventory;
use longshore_bottles::platforms::Platforms;
use longshore_bottles::selection::{Selection, WantedBottle, wanted};
use longshore_bottles::signed::{Generation, SIGNED_INDEX};
use longshore_bottles::sync::record::SyncRecord;
use longshore_bottles::sync::shard::ShardState;
use longshore_bottles::{layout, names, shards, sizes, urls};
use longshore_events::function_url::FunctionUrlRequest;
use longshore_events::incoming::{parse_deploy, parse_provision, parse_sync, parse_watch};
use longshore_events::longshore::{LongshoreEvent, Problem};
use longshore_events::transfer::Sha256;
use longshore_events::{EventBridgeEvent, Malformed, parse, release, retry_after};
use longshore_policy::image_policy::ImagePolicy;
use longshore_policy::route::{Route, ServiceId};
use longshore_policy::settings::{FreezeWindow, RolloutSettings};
use longshore_report::{
    BLOCKS, Bot, ButtonUsers, Console, Destination, KeptMessage, MESSAGE_TEXT, Press,
    SIGNATURE_HEADER, SignedRequest, SigningSecret, TIMESTAMP_HEADER, Topic, judge, message,
};
use longshore_rollout::record::{Deployment, Record};
use longshore_rollout::schedule_record::ScheduleRecord;
use longshore_rollout::stack_record::StackRecord;
use longshore_stack::cost::estimate;
use longshore_stack::read::{Reading, environments, read, read_value};
use longshore_stack::render::{Context, render};
use longshore_state::Document;
use longshore_state::document::{from_bytes, to_bytes};
use serde_json::{Value, json};

use crate::Target;

macro_rules! targets {
    ($($name:literal, $read:expr, [$($seed:literal),*];)*) => {
        /// All of them.
        pub const TARGETS: &[Target] = &[$(Target { name: $name, seeds: &[$($seed),*], read: $read }),*];
    };
}

targets! {
    // What wakes the functions: events of AWS and of Longshore, and what people and schedules ask for.
    "deploy", |data| event(data, parse_deploy), ["events/deploy"];
    "provision", |data| event(data, parse_provision), ["events/provision"];
    "watch", |data| event(data, parse_watch), ["events/watch"];
    "sync", |data| event(data, parse_sync), ["events/sync"];
    "notify", notify, ["events/notify"];

    // What people and CI write.
    "stack_file", stack_file, ["stacks", "stacks/examples"];
    "stack_payload", stack_payload, ["shared/stack/tests/fixtures"];
    "schedule", schedule, [];
    "freeze_window", freeze_window, [];
    "tag_pattern", tag_pattern, [];
    "release", release, [];

    // State, which people repair, and which a newer version may have written.
    "route", document::<Route>, ["shared/rollout/tests/corpus/format-1/route", "shared/rollout/tests/corpus/format-2/route"];
    "record", document::<Record>, ["shared/rollout/tests/corpus/format-1/record", "shared/rollout/tests/corpus/format-2/record"];
    "history", document::<Deployment>, ["shared/rollout/tests/corpus/format-1/history"];
    "stack_record", document::<StackRecord>, ["shared/rollout/tests/corpus/format-1/stack-record", "shared/rollout/tests/corpus/format-2/stack-record"];
    "schedule_record", document::<ScheduleRecord>, ["shared/rollout/tests/corpus/format-1/schedule-record"];
    "owner", document::<ServiceId>, ["shared/rollout/tests/corpus/format-1/owner"];
    "sync_record", document::<SyncRecord>, ["shared/bottles/tests/corpus/format-1/sync-record"];
    "shard_state", document::<ShardState>, ["shared/bottles/tests/corpus/format-1/shard-state"];
    "kept_message", document::<KeptMessage>, ["shared/report/tests/corpus/format-1/message"];

    // What a mirror is made of.
    "index", index, [];
    "signed_index", |data| signed(SIGNED_INDEX, data), [];
    "signed_packages", |data| signed(PACKAGES, data), [];
    "executables", |data| signed(layout::EXECUTABLES, data), [];
    "manifest", manifest, [];
    "shard", shard, [];
    "inventory", inventory, [];
    "url", url, [];
    "retry_after", retry_after, [];

    // Slack.
    "press", press, ["events/press"];
    "slack_answer", slack_answer, [];
    "slack_secret", slack_secret, [];
}

fn event<T>(data: &[u8], parse: fn(&Value) -> Result<T, Malformed>) {
    if let Ok(payload) = serde_json::from_slice(data) {
        drop(parse(&payload));
    }
}

fn notify(data: &[u8]) {
    let Ok(payload) = serde_json::from_slice(data) else {
        return;
    };
    let Ok(envelope) = parse::<EventBridgeEvent>("EventBridge event", &payload) else {
        return;
    };
    let Ok(event) = LongshoreEvent::from_envelope(&envelope.detail_type, &envelope.detail) else {
        return;
    };
    drop(Topic::of(&event));
    if let Some(message) = message(&event, &Console::default()) {
        let sent = serde_json::to_string(&message).unwrap_or_default();
        assert!(sent.chars().count() <= MESSAGE_TEXT, "too long: {sent}");
        assert!((1..=BLOCKS).contains(&message.blocks.len()), "{message:?}");
        assert!(!message.text.is_empty(), "{message:?}");
    }
}

/// A request to the URL of `press`, or only its body.
fn press(data: &[u8]) {
    drop(Press::read(data));
    let Ok(payload) = serde_json::from_slice(data) else {
        return;
    };
    let Ok(request) = FunctionUrlRequest::parse(&payload) else {
        return;
    };
    let Ok(body) = request.body() else {
        return;
    };
    let signed = SignedRequest {
        timestamp: request.header(TIMESTAMP_HEADER),
        signature: request.header(SIGNATURE_HEADER),
        body: &body,
    };
    if let Ok(secret) = SigningSecret::from_secret("8f742231b10e8888abcd99yyyzzz85a5") {
        drop(secret.verify(&signed, DateTime::UNIX_EPOCH));
    }
    if let Ok(press) = Press::read(&body) {
        drop(ButtonUsers::default().refusal(&press));
        let event = press.event(DateTime::UNIX_EPOCH);
        assert!(
            longshore_events::manual::parse_deploy(&event.payload).is_ok(),
            "{event:?}"
        );
    }
}

fn stack_file(data: &[u8]) {
    let names = environments(data);
    let selection =
        longshore_stack::read::Selection::Environment(names.first().map(String::as_str));
    stack(read(data, &selection));
}

fn stack_payload(data: &[u8]) {
    if let Ok(payload) = serde_json::from_slice(data) {
        stack(read_value(
            &payload,
            &longshore_stack::read::Selection::Environment(None),
        ));
    }
}

/// A stack that can be read can be rendered and priced.
fn stack(reading: Result<Reading, Vec<Problem>>) {
    match reading {
        Ok(reading) => {
            drop(estimate(&reading.stack));
            let template = render(&reading.stack, &Context::default()).body;
            assert!(
                serde_json::from_str::<Value>(&template).is_ok(),
                "{template}"
            );
        }
        Err(problems) => assert!((1..=101).contains(&problems.len()), "{problems:?}"),
    }
}

fn schedule(data: &[u8]) {
    let expression = String::from_utf8_lossy(data);
    stack_payload(
        json!({
            "name": "shop",
            "network": {"vpc_id": "vpc-0a1b2c3d", "subnet_ids": ["subnet-0a1b2c3d", "subnet-1a1b2c3d"]},
            "services": {"api": {"image": "shop/api:v1", "schedules": {"nightly": {"schedule_expression": expression}}}},
        })
        .to_string()
        .as_bytes(),
    );
}

/// Lines of a duration in minutes, a time zone and the fields of cron.
fn freeze_window(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let lines: Vec<&str> = text.lines().collect();
    let windows = lines.chunks_exact(3).map(|window| FreezeWindow {
        cron: window[2].to_owned(),
        time_zone: window[1].to_owned(),
        duration_minutes: window[0].parse().unwrap_or(60),
    });
    let settings = RolloutSettings {
        freeze_windows: windows.collect(),
        ..RolloutSettings::default()
    };
    let now = noon();
    if let Ok(Some(until)) = settings.frozen_until(now) {
        assert!(until > now, "{settings:?} end at {until}");
        assert_eq!(settings.frozen_until(until), Ok(None), "{settings:?}");
    }
}

/// Lines of a tag, the pattern, and a range of versions, of which the last may be missing.
fn tag_pattern(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.splitn(3, '\n');
    let tag = lines.next().unwrap_or_default();
    let pattern = lines.next().map(str::to_owned);
    let semver = lines.next().map(str::to_owned);
    for (tags, tag_pattern, semver) in [
        (Vec::new(), pattern.clone(), semver),
        (pattern.into_iter().collect(), None, None),
    ] {
        let policy = ImagePolicy {
            tags,
            tag_pattern,
            semver,
            ..ImagePolicy::default()
        };
        if let Ok(policy) = policy.compile() {
            policy.allows(tag);
        }
    }
}

/// The key, and the file itself.
fn release(data: &[u8]) {
    drop(release::parse_key(&String::from_utf8_lossy(data)));
    drop(release::parse_body(data));
}

/// What is written of a document that can be read is read and written again as it is.
fn document<D: Document>(data: &[u8]) {
    let Ok(document) = from_bytes::<D>(data.to_vec()) else {
        return;
    };
    let written = to_bytes(&document);
    let again = written.clone().and_then(from_bytes::<D>);
    let again = again.and_then(|document| to_bytes(&document));
    let in_words = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    assert_eq!(again.map(in_words), written.map(in_words));
}

/// However the pieces are cut.
fn index(data: &[u8]) {
    let (begin, end) = data.split_at(data.len() / 2);
    let index = read_index(&[data]);
    assert_same(&index, &read_index(&[begin, end]));
    let Ok(index) = index else {
        return;
    };
    drop(Platforms::of(&index));
    for bottle in wanted(&index, &Selection::default()) {
        let path = names::url_path(&bottle.key);
        assert!(path.split('/').all(|part| part != ".."), "{path} climbs");
    }
}

fn read_index(pieces: &[&[u8]]) -> Result<Index, IndexError> {
    let mut reader = IndexReader::new(&["127.0.0.1:8080".to_owned()]);
    pieces.iter().try_for_each(|piece| reader.feed(piece))?;
    reader.finish()
}

fn assert_same<T: PartialEq + Debug>(one: &T, other: &T) {
    assert_eq!(one, other);
}

/// A file of one platform.
const PACKAGES: &str = "internal/packages.arm64_tahoe.jws.json";

/// An index, and what a mirror of it holds.
type Mirrored = (Index, Sha256, Platforms, Vec<WantedBottle>);

/// The index that a signed file must agree with.
static INDEX: LazyLock<Option<Mirrored>> = LazyLock::new(|| {
    let sha256 = "0a".repeat(32);
    let url = format!("https://ghcr.io/v2/homebrew/core/wget/blobs/sha256:{sha256}");
    let text = json!([{
        "name": "wget",
        "versions": {"stable": "1.25.0"},
        "bottle": {"stable": {
            "root_url": "https://ghcr.io/v2/homebrew/core",
            "files": {"arm64_tahoe": {"url": url, "sha256": sha256}},
        }},
    }]);
    let text = text.to_string();
    let index = read_index(&[text.as_bytes()]).ok()?;
    let platforms = Platforms::of(&index);
    let wanted = wanted(&index, &Selection::default());
    Some((index, digest(text.as_bytes()), platforms, wanted))
});

fn signed(file: &str, data: &[u8]) {
    let Some((index, sha256, platforms, wanted)) = &*INDEX else {
        panic!("the index of this target is none");
    };
    let generation = Generation {
        index,
        sha256,
        platforms,
        selection: &Selection::default(),
        private_hosts: &[],
        wanted,
    };
    drop(generation.check(file, data));
}

fn manifest(data: &[u8]) {
    drop(sizes::of_image_index(data));
    drop(sizes::digests_of_image_index(data, "1.25.0"));
}

/// The items of a shard are all in the parts that they are split into, and in what is written of them.
fn shard(data: &[u8]) {
    let Ok(items) = shards::read(data) else {
        return;
    };
    assert_eq!(shards::read(&shards::write(&items)).as_ref(), Ok(&items));
    let parts = shards::split(items.clone(), 10, 1_000);
    assert_eq!(parts.iter().map(Vec::len).sum::<usize>(), items.len());
}

fn inventory(data: &[u8]) {
    if let Ok(inventory) = Inventory::read(data) {
        assert_eq!(Inventory::read(&inventory.write()), Ok(inventory));
    }
}

fn url(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    drop(urls::check(&text, &["127.0.0.1:8080".to_owned()]));
    drop(names::check_formula(&text));
    drop(names::check_version(&text));
}

fn retry_after(data: &[u8]) {
    retry_after::parse(data, noon());
}

const TOKEN: &str = "xoxb-1-secret";

static BOT: LazyLock<Option<Bot>> = LazyLock::new(|| {
    let secret = json!({"bot_token": TOKEN, "channel": "C1"}).to_string();
    match Destination::from_secret(&secret) {
        Ok(Destination::Bot(bot)) => Some(bot),
        _ => None,
    }
});

/// Whatever Slack answers, nothing shows the bot's token.
fn slack_answer(data: &[u8]) {
    let Some(bot) = &*BOT else {
        panic!("the secret of this target is none");
    };
    let text = String::from_utf8_lossy(data);
    for (status, edits) in [(200, true), (200, false), (429, false)] {
        let attempt = format!("{:?}", judge(bot, edits, status, None, &text));
        assert!(!attempt.contains(TOKEN), "{attempt}");
    }
}

fn slack_secret(data: &[u8]) {
    drop(Destination::from_secret(&String::from_utf8_lossy(data)));
}

fn noon() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + chrono::Duration::days(20_000) + chrono::Duration::hours(12)
}
