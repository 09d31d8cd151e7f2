//! What planning a sync costs: an index as large as Homebrew's against the inventory of the day before.
//!
//! `cargo bench -p longshore-bottles` plans it as `longshore sync plan` does, and beside it with a bare program over
//! `serde_json` that answers the same. Both are processes of their own, one after the other in turn: what each had of
//! the processor, the kernel's part included, and the most memory that it held. Then it prints what the steps cost,
//! beside `serde_json` parsing the same bytes to a [`Value`]. `cargo xtask bench plan` writes the figures into
//! docs/benchmarks.md.

mod bare;
mod index;

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use longshore_bottles::index::{Index, IndexReader, digest};
use longshore_bottles::inventory::Inventory;
use longshore_bottles::offline::{OfflinePlan, plan};
use longshore_bottles::plan::{count, difference};
use longshore_bottles::platforms::Platforms;
use longshore_bottles::selection::{Selection, wanted};
use longshore_bottles::shards;
use longshore_bottles::signed::{Generation, SIGNED_INDEX};
use longshore_events::transfer::TransferItem;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a child process is to do: the name of a [`Work`].
const WORK: &str = "LONGSHORE_BENCH_WORK";
/// Where the index and the inventory are.
const FOLDER: &str = "LONGSHORE_BENCH_FOLDER";
/// Where the figures are to be written; nothing is where nobody asks for them.
const RESULTS: &str = "LONGSHORE_BENCH_RESULTS";
/// A valgrind that counts instructions and allocations, which no other work of the machine moves.
const VALGRIND: &str = "LONGSHORE_BENCH_VALGRIND";

/// As `longshore sync plan` reads files.
const PIECE: usize = 256 << 10;
const PIECES: [usize; 3] = [4 << 10, 64 << 10, 1 << 20];
const RUNS: usize = 15;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// What a child process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    /// Starts and ends.
    Nothing,
    /// Plans as `longshore sync plan` does.
    Plan,
    /// Answers the same, without anything else.
    Bare,
}

impl Work {
    const ALL: [Self; 3] = [Self::Nothing, Self::Plan, Self::Bare];

    fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Plan => "plan",
            Self::Bare => "bare",
        }
    }
}

/// What a process has cost, as Linux counts it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Cost {
    milliseconds: f64,
    mebibytes: f64,
}

fn main() -> Outcome<()> {
    if let Ok(name) = env::var(WORK) {
        let folder = PathBuf::from(env::var(FOLDER)?);
        let work = Work::ALL.into_iter().find(|work| work.name() == name);
        return child(work.ok_or("no such work")?, &folder);
    }
    let folder = env::temp_dir().join(format!("longshore-bench-plan-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let outcome = measure(&folder);
    fs::remove_dir_all(&folder)?;
    outcome
}

fn measure(folder: &Path) -> Outcome<()> {
    let today = index::index(index::FORMULAE, 1);
    let held = index::inventory(&index::index(index::FORMULAE, 0))?;
    fs::write(folder.join("index"), &today)?;
    fs::write(folder.join("inventory"), &held)?;
    let rows = whole_plans(folder, &today, &held)?;
    steps(&today, &held)?;
    if let Ok(path) = env::var(RESULTS) {
        fs::write(path, serde_json::to_vec_pretty(&rows)?)?;
    }
    Ok(())
}

/// Plans whole, in processes of their own.
fn whole_plans(folder: &Path, today: &[u8], held: &[u8]) -> Outcome<Vec<Value>> {
    let index = read(today, PIECE)?;
    let bottles = index.bottles;
    same_answer(&planned(folder)?, &bare_answer(folder)?)?;
    let mut costs = [(Work::Plan, Vec::new()), (Work::Bare, Vec::new())];
    for _ in 0..RUNS {
        for (work, costs) in &mut costs {
            costs.push(cost(*work, folder)?);
        }
    }
    let [(_, ours), (_, theirs)] = &costs;
    let nothing = cost(Work::Nothing, folder)?;
    let mut output = io::stdout().lock();
    writeln!(
        output,
        "index: {:.1} MB, {} formulae, {bottles} bottles; inventory: {:.1} MB; a process that does nothing: \
         {:.1} ms, {:.1} MiB",
        today.len() as f64 / 1e6,
        index.formulae.len(),
        held.len() as f64 / 1e6,
        nothing.milliseconds,
        nothing.mebibytes
    )?;
    let figures = |costs: &[Cost], figure: fn(&Cost) -> f64| -> Vec<f64> {
        costs.iter().map(figure).collect()
    };
    let what = format!("plan of {bottles} bottles against a held inventory");
    let mut rows = vec![
        row(
            &format!("{what}: processor"),
            "ms",
            (
                figures(ours, |cost| cost.milliseconds),
                figures(theirs, |cost| cost.milliseconds),
            ),
            json!({"ratio": 1.2}),
        ),
        row(
            &format!("{what}: most memory"),
            "MiB",
            (
                figures(ours, |cost| cost.mebibytes),
                figures(theirs, |cost| cost.mebibytes),
            ),
            json!({"at_most": 48.0}),
        ),
    ];
    if let Some(valgrind) = env::var_os(VALGRIND) {
        for tool in [Tool::Callgrind, Tool::Dhat] {
            let count = |work| counted(Path::new(&valgrind), tool, work, folder);
            let figures = (vec![count(Work::Plan)?], vec![count(Work::Bare)?]);
            rows.push(row(
                &format!("{what}: {}", tool.what()),
                tool.unit(),
                figures,
                Value::Null,
            ));
        }
    }
    for row in &rows {
        writeln!(
            output,
            "{:<72} {:>9.2} {:<12} bare program {:>9.2}",
            row["what"].as_str().unwrap_or_default(),
            row["ours"].as_f64().unwrap_or_default(),
            row["unit"].as_str().unwrap_or_default(),
            row["theirs"].as_f64().unwrap_or_default(),
        )?;
    }
    Ok(rows)
}

/// A row of the document: the cheapest run of each. The work is the same in every run, so whatever a run takes more
/// is another program's doing.
fn row(what: &str, unit: &str, (ours, theirs): (Vec<f64>, Vec<f64>), aim: Value) -> Value {
    let cheapest = |runs: &[f64]| runs.iter().copied().fold(f64::INFINITY, f64::min);
    json!({
        "what": what,
        "unit": unit,
        "ours": cheapest(&ours),
        "against": "a bare program that answers the same",
        "package": "serde_json",
        "theirs": cheapest(&theirs),
        "aim": aim,
        "runs": {"ours": ours, "theirs": theirs},
    })
}

/// Does the work of a child process, and prints what it has cost until then.
fn child(work: Work, folder: &Path) -> Outcome<()> {
    match work {
        Work::Nothing => {}
        Work::Plan => drop(black_box(planned(folder)?)),
        Work::Bare => drop(black_box(bare_answer(folder)?)),
    }
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes: f64 = peak
        .unwrap_or_default()
        .trim()
        .trim_end_matches(" kB")
        .parse()?;
    let cost = Cost {
        milliseconds: processor_time().as_secs_f64() * 1e3,
        mebibytes: kibibytes / 1024.0,
    };
    writeln!(io::stdout(), "{}", serde_json::to_string(&cost)?)?;
    Ok(())
}

fn work_of(mut command: Command, work: Work, folder: &Path) -> Outcome<std::process::Output> {
    let output = command
        .env(WORK, work.name())
        .env(FOLDER, folder)
        .output()?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{} ended with {}: {said}", work.name(), output.status).into())
}

fn cost(work: Work, folder: &Path) -> Outcome<Cost> {
    let output = work_of(Command::new(env::current_exe()?), work, folder)?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// What valgrind counts.
#[derive(Debug, Clone, Copy)]
enum Tool {
    Callgrind,
    Dhat,
}

impl Tool {
    fn what(self) -> &'static str {
        match self {
            Self::Callgrind => "instructions",
            Self::Dhat => "allocations",
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::Callgrind => "million",
            Self::Dhat => "thousand",
        }
    }

    fn arguments(self) -> [&'static str; 2] {
        match self {
            Self::Callgrind => ["--tool=callgrind", "--callgrind-out-file=/dev/null"],
            Self::Dhat => ["--tool=dhat", "--dhat-out-file=/dev/null"],
        }
    }

    /// The count in what valgrind says: `Collected : 123`, `Total: 1,234 bytes in 56 blocks`.
    fn count(self, said: &str) -> Option<f64> {
        let number = |text: &str| -> Option<f64> { text.trim().replace(',', "").parse().ok() };
        match self {
            Self::Callgrind => {
                let (_, collected) = said.split_once("Collected :")?;
                Some(number(collected.lines().next()?)? / 1e6)
            }
            Self::Dhat => {
                let (_, total) = said.split_once("Total:")?;
                let (_, blocks) = total.lines().next()?.split_once("bytes in")?;
                Some(number(blocks.trim().strip_suffix("blocks")?)? / 1e3)
            }
        }
    }
}

fn counted(valgrind: &Path, tool: Tool, work: Work, folder: &Path) -> Outcome<f64> {
    let mut command = Command::new(valgrind);
    command.args(tool.arguments()).arg(env::current_exe()?);
    let output = work_of(command, work, folder)?;
    let said = String::from_utf8_lossy(&output.stderr);
    tool.count(&said)
        .ok_or_else(|| format!("valgrind counted nothing: {said}").into())
}

/// As `longshore sync plan --index … --inventory …`.
fn planned(folder: &Path) -> Outcome<OfflinePlan> {
    let open = |name: &str| -> io::Result<BufReader<File>> {
        let file = File::open(folder.join(name))?;
        Ok(BufReader::with_capacity(PIECE, file))
    };
    let inventory = Inventory::read_from(open("inventory")?)??;
    let mut reader = IndexReader::new(&[]);
    let mut file = open("index")?;
    loop {
        let piece = file.fill_buf()?;
        if piece.is_empty() {
            break;
        }
        reader.feed(piece)?;
        let length = piece.len();
        file.consume(length);
    }
    Ok(plan(reader.finish()?, &inventory, &Selection::default())?)
}

fn bare_answer(folder: &Path) -> Outcome<bare::Answer> {
    bare::plan(&folder.join("index"), &folder.join("inventory"))
}

/// A floor that answered something else would be none.
fn same_answer(plan: &OfflinePlan, answer: &bare::Answer) -> Outcome<()> {
    let planned = bare::Answer {
        new: plan.new.files,
        removed: plan.removed.files,
        unchanged: plan.unchanged.files,
        by_platform: plan
            .by_platform
            .iter()
            .map(|(tag, count)| (tag.clone(), count.files))
            .collect(),
    };
    if planned == *answer && planned.new > 0 && planned.removed > 0 {
        return Ok(());
    }
    Err(format!("the plan says {planned:?}, the bare program {answer:?}").into())
}

/// What the steps of a plan and of a sync cost.
fn steps(today: &[u8], held: &[u8]) -> Outcome<()> {
    let mut output = io::stdout().lock();
    let floor = cheapest(|| serde_json::from_slice::<Value>(black_box(today)).is_ok());
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
        let time = cheapest(|| read(black_box(today), size).is_ok());
        line(&format!("reading in pieces of {} kB", size >> 10), time)?;
    }
    let index = read(today, PIECE)?;
    let all = Selection::default();
    let some = Selection {
        platforms: vec!["arm64_tahoe".to_owned(), "x86_64_linux".to_owned()],
        formulae: vec!["formula-1*".to_owned()],
        ..Selection::default()
    };
    line("choosing all", cheapest(|| wanted(&index, &all).len()))?;
    line("choosing some", cheapest(|| wanted(&index, &some).len()))?;
    let bottles = wanted(&index, &all);
    let inventory = Inventory::read(held)?;
    line(
        "reading the inventory",
        cheapest(|| Inventory::read(black_box(held)).is_ok()),
    )?;
    line(
        "writing the inventory",
        cheapest(|| inventory.write().len()),
    )?;
    let change = difference(&bottles, &inventory);
    line(
        "comparing",
        cheapest(|| difference(&bottles, &inventory).unchanged.files),
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
    let generation = Generation {
        index: &index,
        sha256: &digest(today),
        platforms: &Platforms::of(&index),
        selection: &all,
        private_hosts: &[],
        wanted: &bottles,
    };
    let signed = signed_file(today)?;
    line(
        "checking the signed index",
        cheapest(|| generation.check(SIGNED_INDEX, &signed).is_ok()),
    )?;
    // One that says the same in other words must be read.
    let other = serde_json::to_vec_pretty(&serde_json::from_slice::<Value>(today)?)?;
    let signed = signed_file(&other)?;
    line(
        "checking one in other words",
        cheapest(|| generation.check(SIGNED_INDEX, &signed).is_ok()),
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
    let mut text = String::new();
    let read = File::open("/proc/thread-self/schedstat")
        .and_then(|mut file| file.read_to_string(&mut text));
    let nanoseconds = match read {
        Ok(_) => text.split(' ').next().and_then(|first| first.parse().ok()),
        Err(_) => None,
    };
    Duration::from_nanos(nanoseconds.unwrap_or_default())
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
        url: bottle.url.text(&bottle.sha256),
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
