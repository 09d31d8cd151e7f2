//! How long it takes to read an index and to plan from it, and how much memory that takes.
//!
//! `cargo bench -p longshore-bottles` makes an index as large as Homebrew's (8,500 formulae, 54,000
//! bottles) and prints what the cheapest of several runs takes of the processor, beside a floor that was
//! measured in the same one: `serde_json` parsing the same bytes to a [`Value`]. The peaks of memory are
//! those of processes of their own, which read the index from a file.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::{self, BufReader, Read, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use longshore_bottles::index::{Index, IndexReader};
use longshore_bottles::inventory::Inventory;
use longshore_bottles::plan::{count, difference};
use longshore_bottles::platforms::Platforms;
use longshore_bottles::selection::{Selection, wanted};
use longshore_bottles::shards;
use longshore_bottles::signed::{Generation, SIGNED_INDEX};
use longshore_events::transfer::TransferItem;
use serde_json::{Value, json};

const FORMULAE: u32 = 8_500;
/// A formula has six or seven bottles.
const TAGS: [&str; 7] = [
    "arm64_tahoe",
    "arm64_sequoia",
    "arm64_sonoma",
    "sonoma",
    "arm64_linux",
    "x86_64_linux",
    "ventura",
];
const PIECES: [usize; 3] = [4 << 10, 64 << 10, 1 << 20];
/// What a child process is asked for.
const PEAK: &str = "LONGSHORE_BENCH_PEAK";
const RUNS: usize = 9;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let path = env::temp_dir().join("longshore-bench-index.json");
    if let Ok(what) = env::var(PEAK) {
        return peak(&what, &path);
    }
    let today = serde_json::to_vec(&document(1))?;
    let yesterday = serde_json::to_vec(&document(0))?;
    let mut output = io::stdout().lock();
    let megabytes = today.len() as f64 / 1e6;
    let index = read(&today, 64 << 10)?;
    writeln!(
        output,
        "index: {megabytes:.1} MB, {} formulae, {} bottles",
        index.formulae.len(),
        index.bottles
    )?;

    let floor = cheapest(|| serde_json::from_slice::<Value>(black_box(&today)).is_ok());
    let mut line = |what: &str, time: Duration| {
        writeln!(
            output,
            "{what:<36} {:>9.1} ms {:>7.2} of parsing to values",
            time.as_secs_f64() * 1e3,
            time.as_secs_f64() / floor.as_secs_f64()
        )
    };
    line("parsing to values", floor)?;
    for size in PIECES {
        let time = cheapest(|| read(black_box(&today), size).is_ok());
        line(&format!("reading in pieces of {} kB", size >> 10), time)?;
    }
    let all = Selection::default();
    let some = Selection {
        platforms: vec!["arm64_tahoe".to_owned(), "x86_64_linux".to_owned()],
        formulae: vec!["formula-1*".to_owned()],
        ..Selection::default()
    };
    line("choosing all", cheapest(|| wanted(&index, &all).len()))?;
    line("choosing some", cheapest(|| wanted(&index, &some).len()))?;
    let bottles = wanted(&index, &all);
    let before = wanted(&read(&yesterday, 64 << 10)?, &all);
    let held = Inventory::of_complete_sync(&before, &BTreeMap::new()).write();
    let inventory = Inventory::read(&held)?;
    line(
        "reading the inventory",
        cheapest(|| Inventory::read(black_box(&held)).is_ok()),
    )?;
    line(
        "writing the inventory",
        cheapest(|| inventory.write().len()),
    )?;
    let change = difference(&bottles, &inventory);
    line(
        "comparing",
        cheapest(|| difference(&bottles, &inventory).unchanged),
    )?;
    line(
        "counting",
        cheapest(|| count(&change.new, &BTreeMap::new()).0.files),
    )?;
    let items = items(&index);
    line(
        "splitting all into ten",
        cheapest(|| shards::split(items.clone(), 10, 1).len()),
    )?;
    let signed = signed_file(&today)?;
    let generation = Generation {
        index: &index,
        platforms: &Platforms::of(&index),
        selection: &all,
        private_hosts: &[],
        wanted: &bottles,
    };
    line(
        "checking the signed index",
        cheapest(|| generation.check(SIGNED_INDEX, &signed).is_ok()),
    )?;

    fs::write(&path, &today)?;
    let nothing = peak_of("nothing")?;
    for (what, words) in [
        ("reader", "reading in pieces of 64 kB"),
        ("values", "parsing to values"),
    ] {
        let bytes = peak_of(what)?.saturating_sub(nothing);
        writeln!(
            output,
            "{words:<36} {:>9.1} MB at its peak, {:.2} of the index",
            bytes as f64 / 1e6,
            bytes as f64 / today.len() as f64
        )?;
    }
    fs::remove_file(&path)?;
    writeln!(
        output,
        "new {}, removed {}, unchanged {}",
        change.new.len(),
        change.removed.len(),
        change.unchanged
    )?;
    Ok(())
}

fn read(bytes: &[u8], size: usize) -> Outcome<Index> {
    let mut reader = IndexReader::new(&[]);
    for piece in bytes.chunks(size) {
        reader.feed(piece)?;
    }
    Ok(reader.finish()?)
}

/// In a process of its own: does what is asked for, and prints the most memory that it had, in kB.
fn peak(what: &str, path: &Path) -> Outcome<()> {
    let mut file = File::open(path)?;
    match what {
        "reader" => {
            let mut reader = IndexReader::new(&[]);
            let mut piece = vec![0; 64 << 10];
            loop {
                let length = file.read(&mut piece)?;
                if length == 0 {
                    break;
                }
                reader.feed(piece.get(..length).unwrap_or_default())?;
            }
            black_box(reader.finish()?);
        }
        "values" => {
            black_box(serde_json::from_reader::<_, Value>(BufReader::new(file))?);
        }
        _ => {}
    }
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    writeln!(
        io::stdout(),
        "{}",
        peak.unwrap_or_default().trim().trim_end_matches(" kB")
    )?;
    Ok(())
}

/// The most memory of a process that does what is asked for, in bytes.
fn peak_of(what: &str) -> Outcome<u64> {
    let output = Command::new(env::current_exe()?).env(PEAK, what).output()?;
    let kilobytes: u64 = String::from_utf8(output.stdout)?.trim().parse()?;
    Ok(kilobytes * 1024)
}

/// What the cheapest of several runs takes of the processor, after one that does not count. The work is
/// the same in every run, and so is what else the machine does left out.
fn cheapest<T>(mut work: impl FnMut() -> T) -> Duration {
    black_box(work());
    let mut cheapest = Duration::MAX;
    for _ in 0..RUNS {
        let start = processor_time();
        black_box(work());
        cheapest = cheapest.min(processor_time().saturating_sub(start));
    }
    cheapest
}

/// What this thread has had of the processor, as Linux counts it.
fn processor_time() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default())
}

/// An index of a day: every sixtieth formula has another revision on the next one.
fn document(day: u32) -> Value {
    let formula = |number: u32| {
        let name = format!("formula-{number}");
        let revision = if number.is_multiple_of(60) { day } else { 0 };
        let root_url = "https://ghcr.io/v2/homebrew/core";
        let files: serde_json::Map<String, Value> = TAGS
            .iter()
            .take(if number.is_multiple_of(3) { 7 } else { 6 })
            .zip(1_u32..)
            .map(|(tag, place)| {
                let sha256 = digest(number, revision, place);
                let url = format!("{root_url}/{name}/blobs/sha256:{sha256}");
                let file = json!({"cellar": ":any", "url": url, "sha256": sha256});
                ((*tag).to_owned(), file)
            })
            .collect();
        json!({
            "name": name,
            "full_name": name,
            "tap": "homebrew/core",
            "oldnames": [],
            "aliases": [],
            "versioned_formulae": [],
            "desc": "Library for \"decoding\" and encoding streams",
            "license": "GPL-2.0-or-later",
            "homepage": format!("https://example.com/{name}/"),
            "versions": {"stable": "1.2.3", "head": null, "bottle": true},
            "urls": {"stable": {
                "url": format!("https://example.com/{name}/{name}-1.2.3.tar.gz"),
                "tag": null, "revision": null, "using": null, "checksum": digest(number, 0, 0),
            }},
            "revision": revision,
            "version_scheme": 0,
            "bottle": {"stable": {"rebuild": 0, "root_url": root_url, "files": files}},
            "keg_only": false,
            "deprecated": false,
            "deprecation_date": null,
            "deprecation_reason": null,
            "disabled": false,
            "disable_date": null,
            "disable_reason": null,
            "ruby_source_path": format!("Formula/f/{name}.rb"),
        })
    };
    Value::Array((0..FORMULAE).map(formula).collect())
}

fn digest(number: u32, revision: u32, place: u32) -> String {
    format!("{number:032x}{revision:016x}{place:016x}")
}

fn signed_file(index: &[u8]) -> Outcome<Vec<u8>> {
    let payload = std::str::from_utf8(index)?;
    let signature = json!({"protected": "eyJhbGciOiJQUzUxMiJ9", "signature": "AAAA"});
    Ok(serde_json::to_vec(
        &json!({"payload": payload, "signatures": [signature]}),
    )?)
}

/// Items of sizes as bottles have them: most are small, a few are large.
fn items(index: &Index) -> Vec<TransferItem> {
    let bottles = index.formulae.iter().flat_map(|formula| &formula.bottles);
    let item = |(number, bottle): (u64, &longshore_bottles::index::Bottle)| TransferItem {
        key: format!("key-{number}"),
        url: bottle.url.clone(),
        sha256: bottle.sha256.clone(),
        size: Some(if number % 500 == 0 {
            400_000_000
        } else {
            1_000 * (number % 9_000)
        }),
        copies: Vec::new(),
        content_type: None,
    };
    (0..).zip(bottles).map(item).collect()
}
