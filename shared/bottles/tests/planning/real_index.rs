//! Two days of Homebrew's own index, where they are at hand.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::PathBuf;

use flate2::read::GzDecoder;
use longshore_bottles::inventory::Inventory;
use longshore_bottles::plan::{difference, shrunk};
use longshore_bottles::selection::{Selection, WantedBottle, problems, wanted};
use serde_json::Value;

use super::read;

/// The folder with the indexes of two days; it is not a part of the repository.
const DIRECTORY: &str = "HOMEBREW_INDEX_DIRECTORY";

fn index_of(day: &str) -> Option<Vec<u8>> {
    let directory = env::var_os(DIRECTORY).map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/homebrew"),
        PathBuf::from,
    );
    let path = directory.join(format!("formula-{day}.json.gz"));
    let Ok(file) = File::open(&path) else {
        // Said past the test's captured output: it shall be seen that nothing was tested.
        let _ = writeln!(
            io::stderr(),
            "skipped: there is no {}; {DIRECTORY} says where it is",
            path.display()
        );
        return None;
    };
    let mut bytes = Vec::new();
    GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    Some(bytes)
}

/// Key and SHA-256 of every bottle, from the values and by the documented names, without the reader.
fn files(bytes: &[u8]) -> BTreeMap<String, String> {
    let index: Value = serde_json::from_slice(bytes).unwrap();
    let mut files = BTreeMap::new();
    for formula in index.as_array().unwrap() {
        let stable = &formula["bottle"]["stable"];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        for (tag, file) in stable["files"].as_object().into_iter().flatten() {
            let mut key = text(&formula["name"]) + "-" + &text(&formula["versions"]["stable"]);
            if formula["revision"] != 0 {
                key += &format!("_{}", formula["revision"]);
            }
            key += &format!(".{tag}.bottle");
            if stable["rebuild"] != 0 {
                key += &format!(".{}", stable["rebuild"]);
            }
            files.insert(key + ".tar.gz", text(&file["sha256"]));
        }
    }
    files
}

#[test]
fn from_one_day_to_the_next_exactly_the_difference_is_planned() {
    let (Some(before), Some(after)) = (index_of("2026-08-21"), index_of("2026-08-22")) else {
        return;
    };
    let all = Selection::default();
    let earlier = read(&before, 64 << 10).unwrap();
    assert_eq!((earlier.bottles, earlier.formulae.len()), (54_620, 8_550));
    let held = Inventory::of_complete_sync(&wanted(&earlier, &all), &BTreeMap::new());
    let later = read(&after, 64 << 10).unwrap();
    assert_eq!((later.bottles, later.formulae.len()), (54_650, 8_555));
    assert!(later.refused.is_empty(), "{:?}", later.refused);
    assert_eq!(shrunk(&later, &held), None);
    let bottles = wanted(&later, &all);
    let contents: BTreeSet<&str> = bottles
        .iter()
        .map(|bottle| bottle.sha256.as_str())
        .collect();
    assert_eq!(contents.len(), 52_245);
    assert!(bottles.iter().all(|bottle| bottle.manifest_url.is_some()));

    let planned = difference(&bottles, &Inventory::read(&held.write()).unwrap());
    let (files_before, files_after) = (files(&before), files(&after));
    let pairs = |bottles: &[WantedBottle]| -> BTreeMap<String, String> {
        bottles
            .iter()
            .map(|bottle| (bottle.key.clone(), bottle.sha256.to_string()))
            .collect()
    };
    assert_eq!(pairs(&bottles), files_after);
    let new: BTreeMap<String, String> = files_after
        .iter()
        .filter(|(key, sha256)| files_before.get(*key) != Some(*sha256))
        .map(|(key, sha256)| (key.clone(), sha256.clone()))
        .collect();
    let removed: Vec<&String> = files_before
        .keys()
        .filter(|key| !files_after.contains_key(*key))
        .collect();
    assert_eq!(pairs(&planned.new), new);
    assert_eq!(planned.removed.iter().collect::<Vec<_>>(), removed);
    assert_eq!(
        (
            planned.new.len(),
            planned.removed.len(),
            planned.unchanged.files
        ),
        (824, 794, 53_826)
    );
}

#[test]
fn every_formula_that_brew_can_pour_on_the_newest_mac_is_chosen_for_it() {
    let Some(bytes) = index_of("2026-08-22") else {
        return;
    };
    let index = read(&bytes, 64 << 10).unwrap();
    let selection = Selection {
        platforms: vec!["arm64_tahoe".to_owned()],
        ..Selection::default()
    };
    assert!(problems(&selection, &index, &BTreeSet::new()).is_empty());
    let mut by_kind = BTreeMap::from([("exact", 0), ("all", 0), ("older", 0)]);
    for bottle in wanted(&index, &selection) {
        let kind = match &*bottle.tag {
            "arm64_tahoe" => "exact",
            "all" => "all",
            older => {
                assert!(
                    older.starts_with("arm64_") && older != "arm64_linux",
                    "{older}"
                );
                "older"
            }
        };
        *by_kind.get_mut(kind).unwrap() += 1;
    }
    assert_eq!(
        by_kind,
        BTreeMap::from([("exact", 7_249), ("all", 1_121), ("older", 24)])
    );
    let has_arm = |formula: &&longshore_bottles::index::Formula| {
        let mut tags = formula.bottles.iter().map(|bottle| &*bottle.tag);
        tags.any(|tag| tag == "all" || tag.starts_with("arm64_") && tag != "arm64_linux")
    };
    assert_eq!(index.formulae.iter().filter(has_arm).count(), 8_394);
}

/// The releases of macOS, the newest first, with one that does not exist.
const RELEASES: [&str; 10] = [
    "next_year",
    "golden_gate",
    "tahoe",
    "sequoia",
    "sonoma",
    "ventura",
    "monterey",
    "big_sur",
    "catalina",
    "mojave",
];

/// brew's own rule, written down once more from the values: the exact bottle, `all`, or the first one listed
/// of the same architecture whose macOS is not newer; `age` is that of the platform.
fn poured(index: &Value, platform: &str, releases: &[&str]) -> BTreeSet<String> {
    let macos = |tag: &str| -> Option<(bool, usize)> {
        let release = tag.strip_prefix("arm64_").unwrap_or(tag);
        let age = releases.iter().position(|known| *known == release)?;
        Some((tag.starts_with("arm64_"), age))
    };
    let mut contents = BTreeSet::new();
    for formula in index.as_array().unwrap() {
        let Some(files) = formula["bottle"]["stable"]["files"].as_object() else {
            continue;
        };
        // `Value` sorts its keys; in a real index the order is that of age, but for the sort.
        let mut tags: Vec<&String> = files.keys().collect();
        tags.sort_by_key(|tag| macos(tag).map_or(usize::MAX, |(_, age)| age));
        let tag = tags
            .iter()
            .find(|tag| tag.as_str() == platform)
            .or_else(|| tags.iter().find(|tag| tag.as_str() == "all"))
            .or_else(|| {
                let (is_arm, age) = macos(platform)?;
                let fits =
                    |tag: &&&String| macos(tag).is_some_and(|of| of.0 == is_arm && of.1 >= age);
                tags.iter().find(fits)
            });
        if let Some(tag) = tag {
            contents.insert(format!("{} {tag}", formula["name"].as_str().unwrap()));
        }
    }
    contents
}

#[test]
fn a_macos_without_bottles_yet_and_one_that_does_not_exist_get_what_brew_pours_there() {
    let Some(bytes) = index_of("2026-08-22") else {
        return;
    };
    let index = read(&bytes, 64 << 10).unwrap();
    let values: Value = serde_json::from_slice(&bytes).unwrap();
    for (platform, count, warnings) in [
        ("arm64_golden_gate", 8_394, 0),
        ("arm64_next_year", 8_394, 1),
        ("arm64_tahoe", 8_394, 0),
        ("golden_gate", 8_373, 0),
        ("x86_64_linux", 8_402, 0),
    ] {
        let selection = Selection {
            platforms: vec![platform.to_owned()],
            ..Selection::default()
        };
        let found: BTreeSet<String> = wanted(&index, &selection)
            .into_iter()
            .map(|bottle| format!("{} {}", bottle.formula, bottle.tag))
            .collect();
        assert_eq!(found, poured(&values, platform, &RELEASES), "{platform}");
        assert_eq!(found.len(), count, "{platform}");
        let problems = problems(&selection, &index, &BTreeSet::new());
        assert_eq!(problems.len(), warnings, "{problems:?}");
    }
}

/// Without `platforms`, and with all of them named.
#[test]
fn every_platform_at_once_is_what_brew_pours_on_one_of_them() {
    let Some(bytes) = index_of("2026-08-22") else {
        return;
    };
    let index = read(&bytes, 64 << 10).unwrap();
    let values: Value = serde_json::from_slice(&bytes).unwrap();
    let formulae = values.as_array().unwrap().iter();
    let platforms: BTreeSet<&String> = formulae
        .filter_map(|formula| formula["bottle"]["stable"]["files"].as_object())
        .flat_map(|files| files.keys())
        .filter(|tag| *tag != "all")
        .collect();
    let expected: BTreeSet<String> = platforms
        .iter()
        .flat_map(|platform| poured(&values, platform, &RELEASES))
        .collect();
    assert_eq!(expected.len(), 54_650);
    for named in [
        Vec::new(),
        platforms.iter().map(|tag| (*tag).clone()).collect(),
    ] {
        let selection = Selection {
            platforms: named,
            ..Selection::default()
        };
        let found: BTreeSet<String> = wanted(&index, &selection)
            .into_iter()
            .map(|bottle| format!("{} {}", bottle.formula, bottle.tag))
            .collect();
        assert!(found == expected, "{}", found.len());
    }
}
