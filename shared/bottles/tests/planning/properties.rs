use std::collections::{BTreeMap, BTreeSet};

use longshore_bottles::index::{BottleUrl, Index, IndexReader};
use longshore_bottles::inventory::{Inventory, InventoryFile};
use longshore_bottles::plan::difference;
use longshore_bottles::selection::WantedBottle;
use longshore_bottles::shards;
use longshore_events::transfer::{Sha256, TransferItem};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Value, json};

fn sha256(content: u8) -> Sha256 {
    format!("{content:064x}").parse().unwrap()
}

fn item() -> impl Strategy<Value = TransferItem> {
    (any::<u32>(), any::<u8>(), 0_u64..1_000_000).prop_map(|(key, content, size)| TransferItem {
        key: format!("key-{key}"),
        url: format!("https://example.com/{key}"),
        sha256: sha256(content),
        size: Some(size),
        copies: Vec::new(),
        content_type: None,
    })
}

/// What is written about an item, in an order of its own.
fn sorted(items: impl IntoIterator<Item = TransferItem>) -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = items
        .into_iter()
        .map(|item| shards::write(&[item]))
        .collect();
    lines.sort();
    lines
}

fn bytes(items: &[TransferItem]) -> u64 {
    items.iter().filter_map(|item| item.size).sum()
}

/// Any text that an entry of the index may hold, with what looks like its end.
fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[\\]\\[}{\",: \\\\]{0,12}", "\\PC{0,12}"]
}

fn entry() -> impl Strategy<Value = Value> {
    let tag = prop_oneof!["(arm64_)?(tahoe|sonoma)", "x86_64_linux", text()];
    let file = (any::<u8>(), prop::option::of(text()), 0..6_u8).prop_map(|(content, odd, kind)| {
        let sha256 = sha256(content);
        let url = format!("https://ghcr.io/v2/homebrew/core/a/blobs/sha256:{sha256}");
        match (kind, odd) {
            (0, Some(odd)) => json!({"url": odd, "sha256": sha256}),
            (1, Some(odd)) => json!({"url": url, "sha256": odd}),
            (2, Some(odd)) => json!([odd]),
            _ => json!({"cellar": ":any", "url": url, "sha256": sha256}),
        }
    });
    let name = prop_oneof!["[a-c]{1,3}(@[0-9])?", text()];
    (name, text(), btree_map(tag, file, 0..4), any::<i8>()).prop_map(
        |(name, description, files, revision)| {
            json!({
                "name": name,
                "desc": description,
                "versions": {"stable": "1.0"},
                "revision": revision,
                "bottle": {"stable": {"files": files}},
            })
        },
    )
}

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Index, String> {
    let mut reader = IndexReader::new(&[]);
    for piece in pieces {
        reader.feed(piece).map_err(|error| error.to_string())?;
    }
    reader.finish().map_err(|error| error.to_string())
}

proptest! {
    #[test]
    fn every_item_is_in_one_part_and_the_parts_are_even(
        items in vec(item(), 0..200),
        max in 0_u32..12,
        smallest in 0_u64..3_000_000,
    ) {
        let parts = shards::split(items.clone(), max, smallest);
        prop_assert_eq!(sorted(parts.iter().flatten().cloned()), sorted(items.clone()));
        prop_assert!(parts.len() <= max.max(1) as usize);
        prop_assert!(parts.iter().all(|part| !part.is_empty()));
        if parts.len() > 1 {
            prop_assert!(parts.iter().all(|part| bytes(part) >= smallest));
        }
        let mut contents: BTreeMap<&Sha256, u64> = BTreeMap::new();
        for item in &items {
            *contents.entry(&item.sha256).or_default() += item.size.unwrap_or_default();
        }
        let largest = contents.values().max().copied().unwrap_or_default();
        let loads: Vec<u64> = parts.iter().map(|part| bytes(part)).collect();
        if let (Some(least), Some(most)) = (loads.iter().min(), loads.iter().max()) {
            prop_assert!(most - least <= largest, "{:?}, {}", loads, largest);
        }
        let mut places: BTreeMap<&Sha256, usize> = BTreeMap::new();
        for (number, part) in parts.iter().enumerate() {
            for item in part {
                prop_assert_eq!(*places.entry(&item.sha256).or_insert(number), number);
            }
        }
    }

    #[test]
    fn a_shard_is_read_as_it_was_written(items in vec(item(), 0..20)) {
        prop_assert_eq!(shards::read(&shards::write(&items)).unwrap(), items);
    }

    #[test]
    fn an_index_is_the_same_in_whatever_pieces_it_comes(
        entries in vec(entry(), 0..6),
        cut in any::<prop::sample::Index>(),
        sizes in vec(1_usize..50, 1..20),
        is_truncated in any::<bool>(),
    ) {
        let text = Value::Array(entries).to_string();
        let mut bytes = text.as_bytes();
        if is_truncated {
            bytes = &bytes[..cut.index(bytes.len())];
        }
        let whole = read([bytes]);
        let mut pieces = Vec::new();
        let mut rest = bytes;
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at((*size).min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        prop_assert_eq!(&read(pieces), &whole);
        prop_assert_eq!(&read(bytes.chunks(1)), &whole);
        prop_assert!(!is_truncated || whole.is_err());
    }

    #[test]
    fn a_difference_is_exact(
        wanted in btree_map(0_u8..40, 0_u8..4, 0..40),
        held in btree_map(0_u8..40, 0_u8..4, 0..40),
        order in any::<u64>(),
    ) {
        let key = |number: &u8| format!("key-{number}");
        let mut bottles: Vec<WantedBottle> = wanted
            .iter()
            .map(|(number, content)| WantedBottle {
                key: key(number),
                url: BottleUrl::Other("".into()),
                sha256: sha256(*content),
                formula: "".into(),
                tag: "all".into(),
                manifest_url: None,
                manifest_key: "".into(),
            })
            .collect();
        bottles.sort_by_key(|bottle| bottle.key.bytes().fold(order, |sum, byte| sum.rotate_left(9) ^ u64::from(byte)));
        let inventory = Inventory {
            files: held
                .iter()
                .map(|(number, content)| {
                    let file = InventoryFile { sha256: sha256(*content), size: 1, estimated: false };
                    (key(number), file)
                })
                .collect(),
        };
        let difference = difference(&bottles, &inventory);
        let is_same = |number: &u8| wanted.get(number) == held.get(number);
        let new: Vec<&WantedBottle> = bottles
            .iter()
            .filter(|bottle| inventory.files.get(&bottle.key).is_none_or(|file| file.sha256 != bottle.sha256))
            .collect();
        prop_assert_eq!(difference.new.iter().collect::<Vec<_>>(), new);
        prop_assert_eq!(difference.unchanged.files, wanted.keys().filter(|number| is_same(number)).count() as u64);
        let removed: BTreeSet<String> = held.keys().filter(|number| !wanted.contains_key(number)).map(key).collect();
        prop_assert_eq!(difference.removed_files.files, removed.len() as u64);
        prop_assert_eq!(difference.removed, removed.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn an_inventory_is_read_as_it_was_written(
        files in btree_map("\\PC{1,20}", (any::<u8>(), any::<u64>(), any::<bool>()), 0..20),
    ) {
        let inventory = Inventory {
            files: files
                .into_iter()
                .map(|(key, (content, size, estimated))| {
                    (key, InventoryFile { sha256: sha256(content), size, estimated })
                })
                .collect(),
        };
        let text = inventory.write();
        prop_assert_eq!(Inventory::read(&text).unwrap(), inventory.clone());
        // Half a line is an error, and never a smaller inventory.
        if text.len() > 1 {
            prop_assert!(Inventory::read(&text[..text.len() - 2]).is_err());
        }
    }
}
