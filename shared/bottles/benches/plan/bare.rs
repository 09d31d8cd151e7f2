//! The floor: a bare program over `serde_json` that answers the same questions and nothing else.
//!
//! It borrows every text of the two files, checks nothing that the parser does not check, and refuses nothing. Whatever
//! Longshore's plan costs beyond it is for what Longshore promises: that no entry leads elsewhere, that a damaged file is
//! reported by its line, that an index is read as it comes.

use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Write as _};
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

/// How many files are new, removed and unchanged, and the new ones by platform.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub new: u64,
    pub removed: u64,
    pub unchanged: u64,
    pub by_platform: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
struct Formula<'a> {
    name: &'a str,
    #[serde(borrow)]
    versions: Versions<'a>,
    revision: u32,
    #[serde(borrow)]
    bottle: Bottle<'a>,
}

#[derive(Deserialize)]
struct Versions<'a> {
    stable: Option<&'a str>,
}

#[derive(Deserialize)]
struct Bottle<'a> {
    #[serde(borrow)]
    stable: Option<Stable<'a>>,
}

#[derive(Deserialize)]
struct Stable<'a> {
    rebuild: u32,
    #[serde(borrow)]
    files: Files<'a>,
}

struct Files<'a>(Vec<(&'a str, File<'a>)>);

#[derive(Deserialize)]
struct File<'a> {
    sha256: &'a str,
}

#[derive(Deserialize)]
struct Held<'a> {
    key: &'a str,
    sha256: &'a str,
}

impl<'de: 'a, 'a> Deserialize<'de> for Files<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Files<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("files")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Files<'de>, M::Error> {
                let mut files = Vec::with_capacity(8);
                while let Some(entry) = map.next_entry()? {
                    files.push(entry);
                }
                Ok(Files(files))
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

pub fn plan(index: &Path, inventory: &Path) -> Result<Answer, Box<dyn std::error::Error>> {
    let inventory = fs::read(inventory)?;
    let mut held: HashMap<&str, &str> = HashMap::new();
    for line in serde_json::Deserializer::from_slice(&inventory).into_iter() {
        let Held { key, sha256 } = line?;
        held.insert(key, sha256);
    }
    let index = fs::read(index)?;
    let formulae: Vec<Formula<'_>> = serde_json::from_slice(&index)?;
    let mut answer = Answer::default();
    let mut named = 0;
    let mut by_platform: HashMap<&str, u64> = HashMap::new();
    let mut key = String::new();
    for formula in &formulae {
        let Formula {
            name,
            versions,
            revision,
            bottle,
        } = formula;
        let (Some(version), Some(stable)) = (versions.stable, &bottle.stable) else {
            continue;
        };
        for (tag, file) in &stable.files.0 {
            key.clear();
            for part in [name, "-", version] {
                key.push_str(part);
            }
            if *revision > 0 {
                write!(key, "_{revision}")?;
            }
            for part in [".", tag, ".bottle"] {
                key.push_str(part);
            }
            if stable.rebuild > 0 {
                write!(key, ".{}", stable.rebuild)?;
            }
            key.push_str(".tar.gz");
            let there = held.get(key.as_str());
            named += u64::from(there.is_some());
            if there == Some(&file.sha256) {
                answer.unchanged += 1;
            } else {
                answer.new += 1;
                *by_platform.entry(tag).or_default() += 1;
            }
        }
    }
    answer.removed = held.len() as u64 - named;
    answer.by_platform = by_platform
        .into_iter()
        .map(|(tag, count)| (tag.to_owned(), count))
        .collect();
    Ok(answer)
}
