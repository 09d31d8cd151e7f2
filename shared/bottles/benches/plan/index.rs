//! An index of a day, in the shape of Homebrew's and as large, and what a mirror of the day before holds.

use std::collections::BTreeMap;

use longshore_bottles::index::IndexReader;
use longshore_bottles::inventory::Inventory;
use longshore_bottles::selection::{Selection, wanted};
use serde_json::{Map, Value, json};

/// Homebrew's index of 22 August 2026 had as many formulae, with 54,650 bottles.
pub const FORMULAE: u64 = 8_555;

/// Of so many formulae, so many have one bottle for every platform, and of the others so many have an eighth.
const OF: u64 = FORMULAE;
const FOR_ALL: u64 = 1_121;
const OF_EIGHT: u64 = 1_491;

const TAGS: [&str; 8] = [
    "arm64_tahoe",
    "arm64_sequoia",
    "arm64_sonoma",
    "sonoma",
    "ventura",
    "arm64_linux",
    "x86_64_linux",
    "monterey",
];

const ROOT_URL: &str = "https://ghcr.io/v2/homebrew/core";

/// An index of the first `formulae` formulae: every sixtieth one has another revision on the next day.
pub fn index(formulae: u64, day: u64) -> Vec<u8> {
    let entries: Vec<Value> = (0..formulae).map(|number| formula(number, day)).collect();
    Value::Array(entries).to_string().into_bytes()
}

/// What a mirror of an index holds, as it is written.
pub fn inventory(index: &[u8]) -> Result<Vec<u8>, longshore_bottles::index::IndexError> {
    let mut reader = IndexReader::new(&[]);
    reader.feed(index)?;
    let bottles = wanted(&reader.finish()?, &Selection::default());
    Ok(Inventory::of_complete_sync(&bottles, &BTreeMap::new()).write())
}

fn formula(number: u64, day: u64) -> Value {
    let name = match number % 12 {
        0 => format!("formula-{number:04}@1.2"),
        5 => format!("formula-{number:04}-with-a-longer-name"),
        _ => format!("formula-{number:04}"),
    };
    let image = name.replace('@', "/");
    let revision = if number.is_multiple_of(60) { day } else { 0 };
    // Spread evenly over all.
    let is_one_of = |share: u64, of: u64| (number + 1) * share / of > number * share / of;
    let tags = match (is_one_of(FOR_ALL, OF), is_one_of(OF_EIGHT, OF - FOR_ALL)) {
        (true, _) => &["all"][..],
        (false, true) => &TAGS,
        (false, false) => &TAGS[..7],
    };
    let files: Map<String, Value> = tags
        .iter()
        .zip(1..)
        .map(|(tag, place)| {
            let sha256 = digest(number, revision, place);
            let url = format!("{ROOT_URL}/{image}/blobs/sha256:{sha256}");
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
        "bottle": {"stable": {"rebuild": 0, "root_url": ROOT_URL, "files": files}},
        "keg_only": false,
        "deprecated": false,
        "deprecation_date": null,
        "deprecation_reason": null,
        "disabled": false,
        "disable_date": null,
        "disable_reason": null,
        "ruby_source_path": format!("Formula/f/{name}.rb"),
    })
}

/// Digits that look like those of a digest, the same in every run (SplitMix64).
fn digest(number: u64, revision: u64, place: u64) -> String {
    let mut state = number << 32 | revision << 16 | place;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    format!(
        "{:016x}{:016x}{:016x}{:016x}",
        next(),
        next(),
        next(),
        next()
    )
}
