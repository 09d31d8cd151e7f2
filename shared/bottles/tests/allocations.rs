//! What a plan allocates. Counted, because a count is the same on every machine, and time is not.

#[cfg(test)]
#[path = "../benches/plan/index.rs"]
mod index;

#[cfg(test)]
mod counted {
    use std::alloc::System;

    use cap::Cap;
    use longshore_bottles::index::{IndexReader, digest};
    use longshore_bottles::inventory::Inventory;
    use longshore_bottles::offline::plan;
    use longshore_bottles::platforms::Platforms;
    use longshore_bottles::selection::{Selection, wanted};
    use longshore_bottles::signed::{Generation, SIGNED_INDEX};
    use serde_json::json;

    use crate::index;

    #[global_allocator]
    static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

    const FORMULAE: u64 = 1_000;
    const PIECE: usize = 256 << 10;

    /// Bytes for a bottle, with those that are given back meanwhile: about what is kept of it in the index, in the list
    /// of what is wanted, and in the inventory. What each allocates for itself, such as a text for a tag that others
    /// have, shows here.
    const OF_A_PLAN: usize = 1_120;
    /// The payload is compared with the index as it is unescaped, piece by piece.
    const OF_A_SIGNED_FILE: usize = 300 << 10;

    fn allocated<T>(work: impl FnOnce() -> T) -> (T, usize) {
        let before = MEMORY.total_allocated();
        let result = work();
        (result, MEMORY.total_allocated() - before)
    }

    /// One test, because whatever runs beside it would be counted, too.
    #[test]
    fn a_plan_allocates_little_for_a_bottle_and_a_signed_file_nothing_for_any() {
        let today = index::index(FORMULAE, 1);
        let held = index::inventory(&index::index(FORMULAE, 0)).unwrap();
        let read = || {
            let mut reader = IndexReader::new(&[]);
            for piece in today.chunks(PIECE) {
                reader.feed(piece).unwrap();
            }
            reader.finish().unwrap()
        };
        let all = Selection::default();
        let (planned, bytes) = allocated(|| {
            let inventory = Inventory::read_from(held.as_slice()).unwrap().unwrap();
            plan(read(), &inventory, &all).unwrap()
        });
        let bottles = planned.new.files + planned.unchanged.files;
        assert!(
            bottles > FORMULAE * 6 && planned.new.files > 0,
            "{planned:?}"
        );
        let each = bytes / usize::try_from(bottles).unwrap();
        assert!(
            each <= OF_A_PLAN,
            "a plan allocates {each} bytes for a bottle, expected at most {OF_A_PLAN}"
        );

        let index = read();
        let generation = Generation {
            index: &index,
            sha256: &digest(&today),
            platforms: &Platforms::of(&index),
            selection: &all,
            private_hosts: &[],
            wanted: &wanted(&index, &all),
        };
        let payload = std::str::from_utf8(&today).unwrap();
        let signed = json!({"payload": payload, "signatures": [{"signature": "AAAA"}]}).to_string();
        let (checked, bytes) = allocated(|| generation.check(SIGNED_INDEX, signed.as_bytes()));
        checked.unwrap();
        assert!(
            bytes <= OF_A_SIGNED_FILE,
            "checking a signed file of {} bytes allocates {bytes}, expected at most {OF_A_SIGNED_FILE}",
            signed.len()
        );
    }
}
