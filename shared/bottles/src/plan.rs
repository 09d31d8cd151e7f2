//! What a mirror lacks.

use std::collections::{BTreeMap, HashSet};

use longshore_events::longshore::FileCount;

use crate::index::Index;
use crate::inventory::Inventory;
use crate::selection::WantedBottle;
use crate::sizes::{self, Size};

/// The difference between what a mirror should hold and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Not there, or there with another content. In the order of the index.
    pub new: Vec<WantedBottle>,
    /// There as they should be.
    pub unchanged: FileCount,
    /// There, and named no more. Sorted.
    pub removed: Vec<String>,
    /// The same, counted.
    pub removed_files: FileCount,
}

/// Compares by key and SHA-256. A file that is there with another content is new, and not removed.
pub fn difference(wanted: &[WantedBottle], inventory: &Inventory) -> Difference {
    let mut by_key: Vec<(&str, usize)> = wanted
        .iter()
        .enumerate()
        .map(|(number, bottle)| (bottle.key.as_str(), number))
        .collect();
    // The index is sorted by name, so that little is left to be sorted.
    by_key.sort();
    let mut is_there = vec![false; wanted.len()];
    let mut there = 0;
    let mut unchanged = FileCount::default();
    let mut removed = Vec::new();
    let mut removed_files = FileCount::default();
    let mut named = by_key.into_iter().peekable();
    for (key, file) in &inventory.files {
        while named.next_if(|(named, _)| *named < key.as_str()).is_some() {}
        if named.peek().is_none_or(|(named, _)| *named != key.as_str()) {
            removed.push(key.clone());
            file.add_to(&mut removed_files);
        }
        while let Some((_, number)) = named.next_if(|(named, _)| *named == key.as_str()) {
            let is_same = wanted
                .get(number)
                .is_some_and(|bottle| bottle.sha256 == file.sha256);
            if let Some(is_there) = is_there.get_mut(number).filter(|_| is_same) {
                *is_there = true;
                there += 1;
                file.add_to(&mut unchanged);
            }
        }
    }
    let mut new = Vec::with_capacity(wanted.len() - there);
    let is_new = wanted
        .iter()
        .zip(is_there)
        .filter(|(_, is_there)| !is_there);
    new.extend(is_new.map(|(bottle, _)| bottle.clone()));
    Difference {
        new,
        unchanged,
        removed,
        removed_files,
    }
}

/// Why an index is not to be trusted with a mirror that holds `inventory`, where nothing is known of an
/// earlier index: it names less than half as many bottles, and more than half of the files are of formulae
/// that it does not name at all. Files of earlier versions, which a mirror may keep for long, do not count.
pub fn shrunk(index: &Index, inventory: &Inventory) -> Option<String> {
    let held = inventory.files.len() as u64;
    if index.bottles.saturating_mul(2) >= held {
        return None;
    }
    let names: HashSet<&str> = index
        .formulae
        .iter()
        .map(|formula| &*formula.name)
        .collect();
    // A name can hold dashes, and so can a version.
    let is_named = |key: &str| {
        let mut dashes = key.match_indices('-');
        dashes.any(|(place, _)| key.get(..place).is_some_and(|name| names.contains(name)))
    };
    let missed = inventory.files.keys().filter(|key| !is_named(key)).count() as u64;
    (missed.saturating_mul(2) > held).then(|| {
        format!(
            "it names {} bottles, the mirror holds {held} files, {missed} of them of formulae that it \
             does not name",
            index.bottles
        )
    })
}

/// Files and bytes of `new` by platform tag, and in all; `sizes` by key. What has no size there counts as
/// a bottle that nothing is known of.
pub fn count(
    new: &[WantedBottle],
    sizes: &BTreeMap<String, Size>,
) -> (FileCount, BTreeMap<String, FileCount>) {
    let mut all = FileCount::default();
    let mut by_platform: BTreeMap<String, FileCount> = BTreeMap::new();
    for bottle in new {
        let size = sizes.get(&bottle.key).copied();
        let size = size.unwrap_or_else(|| sizes::estimated(&[]));
        add(&mut all, size);
        match by_platform.get_mut(&*bottle.tag) {
            Some(count) => add(count, size),
            None => add(by_platform.entry(bottle.tag.to_string()).or_default(), size),
        }
    }
    (all, by_platform)
}

fn add(count: &mut FileCount, size: Size) {
    count.files += 1;
    count.bytes = count.bytes.saturating_add(size.bytes());
    if let Size::Estimated(bytes) = size {
        count.estimated_bytes = count.estimated_bytes.saturating_add(bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::index::{BottleUrl, Formula};
    use crate::inventory::InventoryFile;

    fn bottle(key: &str, tag: &str, content: u8) -> WantedBottle {
        WantedBottle {
            key: key.to_owned(),
            url: BottleUrl::Other(format!("https://ghcr.io/{key}").into()),
            sha256: format!("{content:064x}").parse().unwrap(),
            formula: key.into(),
            tag: tag.into(),
            manifest_url: None,
            manifest_key: format!("{key}/manifests/1").into(),
        }
    }

    #[test]
    fn another_content_under_a_key_is_new_and_not_removed() {
        let wanted = [
            bottle("a", "all", 1),
            bottle("b", "all", 2),
            bottle("c", "all", 3),
        ];
        let file = |content: u8| InventoryFile {
            sha256: format!("{content:064x}").parse().unwrap(),
            size: u64::from(content),
            estimated: content == 4,
        };
        let inventory = Inventory {
            files: [("a", 1), ("b", 9), ("z", 3), ("y", 4)]
                .map(|(key, content)| (key.to_owned(), file(content)))
                .into(),
        };
        let difference = difference(&wanted, &inventory);
        let new: Vec<&str> = difference
            .new
            .iter()
            .map(|bottle| bottle.key.as_str())
            .collect();
        assert_eq!(new, ["b", "c"]);
        let expected = |files, bytes, estimated_bytes| FileCount {
            files,
            bytes,
            estimated_bytes,
        };
        assert_eq!(difference.unchanged, expected(1, 1, 0));
        assert_eq!(difference.removed, ["y", "z"]);
        assert_eq!(difference.removed_files, expected(2, 7, 4));
    }

    #[test]
    fn an_index_that_has_lost_most_formulae_is_not_trusted_but_old_versions_may_be_kept() {
        let index = |bottles: u64, names: &[&str]| Index {
            formulae: names
                .iter()
                .map(|name| Formula {
                    name: (*name).into(),
                    version: "1".to_owned(),
                    revision: 0,
                    rebuild: 0,
                    root_url: "".into(),
                    deprecated: false,
                    disabled: false,
                    bottles: Vec::new(),
                    dependencies: Vec::new(),
                })
                .collect(),
            refused: Vec::new(),
            bottles,
            platforms: BTreeSet::new(),
        };
        let inventory = |keys: &[&str]| Inventory {
            files: keys
                .iter()
                .map(|key| {
                    let file = InventoryFile {
                        sha256: "0".repeat(64).parse().unwrap(),
                        size: 1,
                        estimated: false,
                    };
                    ((*key).to_owned(), file)
                })
                .collect(),
        };
        let lost = inventory(&["a-b-1", "c-1", "d-1", "e-1", "f-1"]);
        let reason = shrunk(&index(2, &["a-b", "c"]), &lost).unwrap();
        assert!(
            reason.starts_with("it names 2 bottles, the mirror holds 5 files, 3 of them"),
            "{reason}"
        );
        assert_eq!(shrunk(&index(3, &["a-b", "c"]), &lost), None);
        let kept = inventory(&["a-b-1", "a-b-2", "a-b-3-rc1", "c-1", "d-1"]);
        assert_eq!(shrunk(&index(2, &["a-b", "c"]), &kept), None);
        assert_eq!(shrunk(&index(1, &["a"]), &Inventory::default()), None);
    }

    #[test]
    fn estimated_bytes_are_distinguished() {
        let new = [
            bottle("a", "all", 1),
            bottle("b", "sonoma", 2),
            bottle("c", "sonoma", 3),
        ];
        let sizes = [
            ("a", Size::Known(5)),
            ("b", Size::Known(7)),
            ("c", Size::Estimated(11)),
        ]
        .map(|(key, size)| (key.to_owned(), size))
        .into();
        let (all, by_platform) = count(&new, &sizes);
        let expected = |files, bytes, estimated_bytes| FileCount {
            files,
            bytes,
            estimated_bytes,
        };
        assert_eq!(all, expected(3, 23, 11));
        assert_eq!(
            by_platform,
            [("all", expected(1, 5, 0)), ("sonoma", expected(2, 18, 11))]
                .map(|(tag, count)| (tag.to_owned(), count))
                .into()
        );
        let unknown = sizes::estimated(&[]).bytes();
        assert_eq!(
            count(&new, &BTreeMap::new()).0,
            expected(3, 3 * unknown, 3 * unknown)
        );
    }
}
