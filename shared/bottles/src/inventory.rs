//! What a mirror holds: JSON lines of `{"key", "sha256", "size"}`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, BufRead};

use longshore_events::longshore::FileCount;
use longshore_events::transfer::Sha256;
use serde::{Deserialize, Serialize};

use crate::selection::WantedBottle;
use crate::sizes::{self, Size};

/// The bottles that a mirror holds, by key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    /// By key.
    pub files: BTreeMap<String, InventoryFile>,
}

/// A bottle that a mirror holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryFile {
    /// What its content hashes to.
    pub sha256: Sha256,
    /// Its bytes.
    pub size: u64,
    /// Whether the size is an estimate, because nobody has seen the file yet.
    pub estimated: bool,
}

/// An inventory that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct InvalidInventory {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub problem: String,
}

impl InventoryFile {
    /// Counts it.
    pub fn add_to(&self, count: &mut FileCount) {
        count.files += 1;
        count.bytes = count.bytes.saturating_add(self.size);
        let estimated = if self.estimated { self.size } else { 0 };
        count.estimated_bytes = count.estimated_bytes.saturating_add(estimated);
    }
}

/// A line, as it is read.
#[derive(Deserialize)]
#[serde(expecting = "an object of key, sha256 and size")]
struct Line<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    sha256: Sha256,
    size: u64,
    #[serde(default)]
    estimated: bool,
}

/// A line, as it is written.
#[derive(Serialize)]
struct WrittenLine<'a> {
    key: &'a str,
    sha256: &'a Sha256,
    size: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    estimated: bool,
}

/// Files in the order in which they come, which is that of their keys unless somebody has mixed them.
#[derive(Default)]
struct Files {
    /// As long as each key is larger than the one before it.
    sorted: Vec<(String, InventoryFile)>,
    /// What came from then on, and before.
    mixed: BTreeMap<String, InventoryFile>,
}

impl Files {
    /// Adds a file; whether none with its key was there.
    fn add(&mut self, key: String, file: InventoryFile) -> bool {
        if self.mixed.is_empty() {
            if self.sorted.last().is_none_or(|(last, _)| *last < key) {
                self.sorted.push((key, file));
                return true;
            }
            self.mixed = std::mem::take(&mut self.sorted).into_iter().collect();
        }
        self.mixed.insert(key, file).is_none()
    }

    fn into_map(self) -> BTreeMap<String, InventoryFile> {
        if self.mixed.is_empty() {
            // Made at once: one insertion after the other would leave its nodes half empty.
            self.sorted.into_iter().collect()
        } else {
            self.mixed
        }
    }
}

impl Inventory {
    /// Reads JSON lines. Fields that are not known are passed over, empty lines too.
    ///
    /// # Errors
    /// [`InvalidInventory`] for the first line that is none, that names no key, or whose key an earlier
    /// line has named already.
    pub fn read(text: &[u8]) -> Result<Self, InvalidInventory> {
        // What is in memory can always be read.
        Self::read_from(text).unwrap_or_else(|_| Ok(Self::default()))
    }

    /// As [`Inventory::read`], line by line, so that the text is not held beside what is read of it.
    ///
    /// # Errors
    /// That the text cannot be read; within, what is wrong with it.
    pub fn read_from(mut text: impl BufRead) -> io::Result<Result<Self, InvalidInventory>> {
        let mut files = Files::default();
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            if text.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            if line.trim_ascii().is_empty() {
                continue;
            }
            let invalid = |problem: String| {
                let line = number;
                Ok(Err(InvalidInventory { line, problem }))
            };
            let Line {
                key,
                sha256,
                size,
                estimated,
            } = match parsed(line) {
                Ok(line) => line,
                Err(error) => return invalid(without_place(&error)),
            };
            if key.is_empty() {
                return invalid("the key is empty".to_owned());
            }
            let file = InventoryFile {
                sha256,
                size,
                estimated,
            };
            if !files.add(String::from(&*key), file) {
                return invalid(format!("key `{key}` is named for a second time"));
            }
        }
        let files = files.into_map();
        Ok(Ok(Self { files }))
    }

    /// Writes JSON lines, sorted by key.
    pub fn write(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for (key, file) in &self.files {
            let line = WrittenLine {
                key,
                sha256: &file.sha256,
                size: file.size,
                estimated: file.estimated,
            };
            // Texts and numbers can always be written, and a vector always takes them.
            if serde_json::to_writer(&mut text, &line).is_ok() {
                text.push(b'\n');
            }
        }
        text
    }

    /// What a complete sync of `wanted` would leave; `sizes` by key, those without one are estimated.
    pub fn of_complete_sync(wanted: &[WantedBottle], sizes: &BTreeMap<String, Size>) -> Self {
        let file = |bottle: &WantedBottle| {
            let size = sizes.get(&bottle.key).copied();
            let size = size.unwrap_or_else(|| sizes::estimated(&[]));
            InventoryFile {
                sha256: bottle.sha256.clone(),
                size: size.bytes(),
                estimated: matches!(size, Size::Estimated(_)),
            }
        };
        Self {
            files: wanted
                .iter()
                .map(|bottle| (bottle.key.clone(), file(bottle)))
                .collect(),
        }
    }
}

/// A line that is UTF-8 is found to be that at once, and not text by text.
fn parsed(line: &[u8]) -> serde_json::Result<Line<'_>> {
    match std::str::from_utf8(line) {
        Ok(line) => serde_json::from_str(line),
        Err(_) => serde_json::from_slice(line),
    }
}

/// What is wrong, without the place inside the line: an inventory's lines are reported by their numbers.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text.get(..end).unwrap_or(&text).to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sha256(digit: char) -> String {
        String::from(digit).repeat(64)
    }

    #[test]
    fn lines_of_key_digest_and_size_are_read() {
        let text = format!(
            "{{\"key\":\"b\",\"sha256\":\"{}\",\"size\":2}}\n\n{{\"size\":1,\"key\":\"a\\u0040\",\"sha256\":\"{}\",\"estimated\":true,\"note\":0}}",
            sha256('b'),
            sha256('a'),
        );
        let inventory = Inventory::read(text.as_bytes()).unwrap();
        assert_eq!(inventory.files.keys().collect::<Vec<_>>(), ["a@", "b"]);
        assert!(inventory.files.get("a@").unwrap().estimated);
        assert_eq!(inventory.files.get("b").unwrap().size, 2);
        assert_eq!(
            String::from_utf8(inventory.write()).unwrap(),
            format!(
                "{{\"key\":\"a@\",\"sha256\":\"{}\",\"size\":1,\"estimated\":true}}\n{{\"key\":\"b\",\"sha256\":\"{}\",\"size\":2}}\n",
                sha256('a'),
                sha256('b'),
            )
        );
    }

    #[test]
    fn lines_in_any_order_are_read_and_a_key_is_named_once() {
        let lines = |keys: &[&str]| -> String {
            let line = |key: &&str| {
                let sha256 = sha256('0');
                format!("{{\"key\":\"{key}\",\"sha256\":\"{sha256}\",\"size\":1}}\n")
            };
            keys.iter().map(line).collect()
        };
        let mixed = Inventory::read(lines(&["b", "d", "a", "c", "e"]).as_bytes()).unwrap();
        let sorted = Inventory::read(lines(&["a", "b", "c", "d", "e"]).as_bytes()).unwrap();
        assert_eq!(mixed, sorted);
        assert_eq!(sorted.files.len(), 5);
        for (keys, line) in [
            (&["a", "b", "b"][..], 3),
            (&["b", "a", "b"], 3),
            (&["b", "a", "c", "a"], 4),
        ] {
            let error = Inventory::read(lines(keys).as_bytes()).unwrap_err();
            assert_eq!(error.line, line, "{keys:?}: {error}");
        }
    }

    #[test]
    fn an_empty_inventory_is_one() {
        assert_eq!(Inventory::read(b"").unwrap(), Inventory::default());
        assert_eq!(Inventory::default().write(), b"");
    }

    #[test]
    fn a_damaged_line_is_reported_by_its_number() {
        let good = format!(
            "{{\"key\":\"a\",\"sha256\":\"{}\",\"size\":2}}\n",
            sha256('a')
        );
        for (bad, expected) in [
            ("{\"key\":\"b\",", "EOF while parsing"),
            ("{}", "missing field `key`"),
            ("null", "invalid type: null"),
            ("\u{fffd}", "expected value"),
            (
                "{\"key\":\"\",\"sha256\":\"SHA\",\"size\":2}",
                "the key is empty",
            ),
            (
                "{\"key\":\"b\",\"sha256\":\"SHA\",\"size\":-2}",
                "expected u64",
            ),
            (
                "{\"key\":\"b\",\"sha256\":\"00\",\"size\":2}",
                "64 lowercase hexadecimal",
            ),
            (
                "{\"key\":\"a\",\"sha256\":\"SHA\",\"size\":2}",
                "`a` is named for a second time",
            ),
        ] {
            let text = format!("{good}{}", bad.replace("SHA", &sha256('0')));
            let error = Inventory::read(text.as_bytes()).unwrap_err();
            assert_eq!(error.line, 2, "{bad}");
            assert!(error.problem.contains(expected), "{bad}: {}", error.problem);
        }
    }
}
