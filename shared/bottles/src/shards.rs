//! Work in equal parts.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use longshore_events::transfer::{Sha256, TransferItem};

use crate::sizes;

/// Splits `items` by their bytes into at most `max` parts, each at least `smallest` bytes, as even as can
/// be; bottles of equal content stay together. Nothing gives no part.
///
/// What is less than twice `smallest` is one part. No two parts differ by more bytes than the largest
/// content has. In each part the largest come first, so that none is left alone at the end. An item whose
/// size is not known counts what bottles have that nothing is known of.
pub fn split(items: Vec<TransferItem>, max: u32, smallest: u64) -> Vec<Vec<TransferItem>> {
    if items.is_empty() {
        return Vec::new();
    }
    let groups = by_content(items);
    let total = groups
        .iter()
        .fold(0_u64, |total, group| total.saturating_add(group.bytes));
    let most = (total / smallest.max(1)).clamp(1, u64::from(max.max(1)));
    let most = usize::try_from(most)
        .unwrap_or(usize::MAX)
        .min(groups.len());
    // Fewer parts are larger parts; one large file can leave too little for the others.
    let parts = (1..=most)
        .rev()
        .map(|count| assign(&groups, count))
        .find(|parts| parts.len() == 1 || parts.iter().all(|part| part.bytes >= smallest))
        .unwrap_or_default();
    let mut place = vec![0; groups.len()];
    for (number, part) in parts.iter().enumerate() {
        for group in &part.groups {
            if let Some(place) = place.get_mut(*group) {
                *place = number;
            }
        }
    }
    let mut shards = vec![Vec::new(); parts.len()];
    for (group, number) in groups.into_iter().zip(place) {
        if let Some(shard) = shards.get_mut(number) {
            shard.extend(group.items);
        }
    }
    shards
}

/// Items of equal content.
struct Group {
    bytes: u64,
    items: Vec<TransferItem>,
}

/// A part, by the numbers of its groups.
#[derive(Default)]
struct Part {
    bytes: u64,
    groups: Vec<usize>,
}

/// Largest first; those of one size in the order in which they came.
fn by_content(items: Vec<TransferItem>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut numbers = HashMap::new();
    for item in items {
        let number = *numbers.entry(item.sha256.clone()).or_insert(groups.len());
        let bytes = item.size.unwrap_or_else(|| sizes::estimated(&[]).bytes());
        match groups.get_mut(number) {
            Some(group) => {
                group.bytes = group.bytes.saturating_add(bytes);
                group.items.push(item);
            }
            None => groups.push(Group {
                bytes,
                items: vec![item],
            }),
        }
    }
    groups.sort_by_key(|group| Reverse(group.bytes));
    groups
}

/// Gives each group, the largest first, to the part that has least.
fn assign(groups: &[Group], count: usize) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    parts.resize_with(count, Part::default);
    // By bytes, then by what else is in it: contents without bytes are spread as well.
    let mut least: BinaryHeap<Reverse<(u64, usize, usize)>> =
        (0..count).map(|number| Reverse((0, 0, number))).collect();
    for (group, Group { bytes, .. }) in groups.iter().enumerate() {
        let Some(Reverse((_, _, number))) = least.pop() else {
            break;
        };
        if let Some(part) = parts.get_mut(number) {
            part.bytes = part.bytes.saturating_add(*bytes);
            part.groups.push(group);
            least.push(Reverse((part.bytes, part.groups.len(), number)));
        }
    }
    parts
}

/// JSON lines.
pub fn write(items: &[TransferItem]) -> Vec<u8> {
    let mut text = Vec::new();
    for item in items {
        // Texts and numbers can always be written, and a vector always takes them.
        if serde_json::to_writer(&mut text, item).is_ok() {
            text.push(b'\n');
        }
    }
    text
}

/// Reads JSON lines; empty ones are passed over.
///
/// # Errors
/// The line and what is wrong there. Two lines that give one key two contents are: whichever came last
/// would be there, another one each time.
pub fn read(text: &[u8]) -> Result<Vec<TransferItem>, String> {
    let mut items: Vec<TransferItem> = Vec::new();
    let mut contents: HashMap<String, (usize, Sha256)> = HashMap::new();
    for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let number = number + 1;
        let item: TransferItem =
            serde_json::from_slice(line).map_err(|error| format!("line {number}: {error}"))?;
        for key in std::iter::once(&item.key).chain(&item.copies) {
            let (line, sha256) = contents
                .entry(key.clone())
                .or_insert_with(|| (number, item.sha256.clone()));
            if *sha256 != item.sha256 {
                return Err(format!(
                    "line {number}: key `{key}` has another content in line {line}; give each key one sha256"
                ));
            }
        }
        items.push(item);
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(key: &str, content: u8, size: Option<u64>) -> TransferItem {
        TransferItem {
            key: key.to_owned(),
            url: format!("https://ghcr.io/v2/homebrew/core/{key}"),
            sha256: format!("{content:064x}").parse().unwrap(),
            size,
            copies: Vec::new(),
            content_type: None,
        }
    }

    fn keys(parts: &[Vec<TransferItem>]) -> Vec<Vec<&str>> {
        parts
            .iter()
            .map(|part| part.iter().map(|item| item.key.as_str()).collect())
            .collect()
    }

    #[test]
    fn a_list_that_gives_one_key_two_contents_is_refused() {
        let mut copied = item("b", 2, None);
        copied.copies = vec!["a".to_owned()];
        for items in [
            [item("a", 1, None), item("a", 2, None)],
            [item("a", 1, None), copied],
        ] {
            let error = read(&write(&items)).unwrap_err();
            assert!(
                error.starts_with("line 2: key `a` has another content in line 1"),
                "{error}"
            );
        }
        assert_eq!(
            read(&write(&[item("a", 1, None), item("a", 1, None)]))
                .unwrap()
                .len(),
            2
        );
    }

    #[test]
    fn sizes_that_nobody_could_have_are_split_all_the_same() {
        let items = (0..4)
            .map(|content| item("a", content, Some(u64::MAX)))
            .collect();
        let parts = split(items, 2, 1);
        assert_eq!(parts.iter().map(Vec::len).sum::<usize>(), 4);
    }

    #[test]
    fn nothing_gives_no_part() {
        assert!(split(Vec::new(), 10, 1).is_empty());
    }

    #[test]
    fn equal_content_stays_together_and_the_largest_come_first() {
        let items = vec![
            item("small", 1, Some(10)),
            item("one", 2, Some(40)),
            item("large", 3, Some(90)),
            item("other", 2, Some(40)),
        ];
        assert_eq!(
            keys(&split(items, 2, 1)),
            [vec!["large"], vec!["one", "other", "small"]]
        );
    }

    #[test]
    fn no_part_is_smaller_than_is_worth_a_task() {
        let items = || {
            vec![
                item("a", 1, Some(97)),
                item("b", 2, Some(2)),
                item("c", 3, Some(1)),
            ]
        };
        assert_eq!(keys(&split(items(), 10, 50)), [vec!["a", "b", "c"]]);
        assert_eq!(keys(&split(items(), 10, 3)), [vec!["a"], vec!["b", "c"]]);
        assert_eq!(split(items(), 10, 0).len(), 3);
        assert_eq!(split(items(), 0, 1).len(), 1);
    }

    #[test]
    fn an_unknown_size_counts_as_a_usual_one() {
        let usual = sizes::estimated(&[]).bytes();
        let items = vec![
            item("unknown", 1, None),
            item("known", 2, Some(usual / 2)),
            item("other", 3, Some(usual / 2)),
        ];
        assert_eq!(
            keys(&split(items, 2, 1)),
            [vec!["unknown"], vec!["known", "other"]]
        );
    }

    #[test]
    fn what_is_not_an_item_is_reported_by_its_line() {
        let items = vec![item("a", 1, None), item("b", 2, Some(3))];
        let text = write(&items);
        assert_eq!(read(&text).unwrap(), items);
        let error = read(&[&text, b"{}\n".as_slice()].concat()).unwrap_err();
        assert!(error.starts_with("line 3: missing field `key`"), "{error}");
    }
}
