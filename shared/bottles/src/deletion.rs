//! Which files go, and when none do.

use longshore_events::words::counted;
use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};

use crate::settings::DeletionSettings;

/// When each file that is still there was first missed in the index.
pub type Gone = BTreeMap<String, DateTime<Utc>>;

/// What is to be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// The files whose grace time is over. Empty where deleting is refused.
    pub keys: Vec<String>,
    /// Why none of them are deleted all the same: too many at once.
    pub refused: Option<String>,
    /// What is missed from now on, with what is being deleted: a deletion that is interrupted goes on with
    /// the same grace time.
    pub gone: Gone,
}

/// Decides; `removed` is what the index names no more, `held` how many files the mirror holds.
///
/// Without settings nothing is deleted, and it is still noted when files were first missed. Nothing is
/// deleted either when the index has lost more files since the last sync, or more files are due, than the
/// settings let go at once: then something is wrong with the index, or a person should look at it.
pub fn decide(
    settings: Option<&DeletionSettings>,
    removed: &[String],
    before: &Gone,
    held: u64,
    now: DateTime<Utc>,
) -> Deletion {
    let gone: Gone = removed
        .iter()
        .map(|key| (key.clone(), before.get(key).copied().unwrap_or(now)))
        .collect();
    let nothing = |refused, gone| Deletion {
        keys: Vec::new(),
        refused,
        gone,
    };
    let Some(settings) = settings else {
        return nothing(None, gone);
    };
    let grace = Duration::days(i64::from(settings.grace_days));
    let keys: Vec<String> = gone
        .iter()
        .filter(|(_, since)| now.signed_duration_since(**since) >= grace)
        .map(|(key, _)| key.clone())
        .collect();
    if keys.is_empty() {
        return nothing(None, gone);
    }
    let missed = gone.keys().filter(|key| !before.contains_key(*key)).count() as u64;
    match refusal(settings, keys.len() as u64, missed, held) {
        Some(reason) => nothing(Some(reason), gone),
        None => Deletion {
            keys,
            refused: None,
            gone,
        },
    }
}

fn refusal(settings: &DeletionSettings, due: u64, missed: u64, held: u64) -> Option<String> {
    let DeletionSettings {
        max_files,
        max_share_percent,
        ..
    } = settings;
    let is_too_large =
        |files: u64| u128::from(files) * 100 > u128::from(held) * u128::from(*max_share_percent);
    if is_too_large(missed) {
        return Some(format!(
            "{missed} of {} in the mirror are not in the index any more since the last sync, more than \
             {max_share_percent} %: nothing is deleted",
            counted(held, "file")
        ));
    }
    if due > u64::from(*max_files) {
        return Some(format!(
            "{} to delete, at most {max_files} may be deleted: nothing is deleted",
            counted(due, "file")
        ));
    }
    if is_too_large(due) {
        return Some(format!(
            "{due} of {} in the mirror are to be deleted, more than {max_share_percent} %: nothing is deleted",
            counted(held, "file")
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: DeletionSettings = DeletionSettings {
        grace_days: 7,
        max_files: 3,
        max_share_percent: 10,
    };

    fn day(day: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::days(day)
    }

    fn keys(range: std::ops::Range<u32>) -> Vec<String> {
        range.map(|number| format!("file-{number}")).collect()
    }

    fn missed_on(files: std::ops::Range<u32>, when: i64) -> Gone {
        keys(files)
            .into_iter()
            .map(|key| (key, day(when)))
            .collect()
    }

    #[test]
    fn nothing_is_deleted_unless_it_is_asked_for_and_still_it_is_noted_what_is_missed() {
        let before = missed_on(0..1, 0);
        let deletion = decide(None, &keys(0..2), &before, 2, day(100));
        assert_eq!(deletion.keys, Vec::<String>::new());
        assert_eq!(deletion.refused, None);
        let mut gone = before;
        gone.extend(missed_on(1..2, 100));
        assert_eq!(deletion.gone, gone);
    }

    #[test]
    fn a_file_goes_when_its_grace_time_is_over() {
        let before = missed_on(0..2, 1);
        let early = decide(
            Some(&SETTINGS),
            &keys(0..3),
            &before,
            100,
            day(8) - Duration::seconds(1),
        );
        assert_eq!(early.keys, Vec::<String>::new());
        let late = decide(Some(&SETTINGS), &keys(0..3), &before, 100, day(8));
        assert_eq!(late.keys, keys(0..2));
        assert_eq!(late.refused, None);
        assert_eq!(late.gone.len(), 3);
    }

    #[test]
    fn a_file_that_the_index_names_again_begins_anew() {
        let before = missed_on(0..2, 1);
        let named_again = decide(Some(&SETTINGS), &keys(1..2), &before, 100, day(5));
        assert_eq!(named_again.gone, missed_on(1..2, 1));
        let missed_again = decide(Some(&SETTINGS), &keys(0..2), &named_again.gone, 100, day(9));
        assert_eq!(missed_again.keys, keys(1..2));
    }

    #[test]
    fn too_many_are_refused_and_not_cut() {
        let deletion = decide(
            Some(&SETTINGS),
            &keys(0..4),
            &missed_on(0..4, 0),
            1000,
            day(10),
        );
        assert_eq!(deletion.keys, Vec::<String>::new());
        assert_eq!(
            deletion.refused.unwrap(),
            "4 files to delete, at most 3 may be deleted: nothing is deleted"
        );
        let deletion = decide(
            Some(&SETTINGS),
            &keys(0..3),
            &missed_on(0..3, 0),
            29,
            day(10),
        );
        assert_eq!(deletion.keys, Vec::<String>::new());
        assert_eq!(
            deletion.refused.unwrap(),
            "3 of 29 files in the mirror are to be deleted, more than 10 %: nothing is deleted"
        );
        assert_eq!(deletion.gone.len(), 3);
        let deletion = decide(
            Some(&SETTINGS),
            &keys(0..3),
            &missed_on(0..3, 0),
            30,
            day(10),
        );
        assert_eq!(deletion.keys.len(), 3);
    }

    #[test]
    fn nothing_is_deleted_when_the_index_has_shrunk_since_the_last_sync() {
        let deletion = decide(
            Some(&SETTINGS),
            &keys(0..12),
            &missed_on(0..1, 0),
            100,
            day(10),
        );
        assert_eq!(deletion.keys, Vec::<String>::new());
        assert!(
            deletion
                .refused
                .unwrap()
                .starts_with("11 of 100 files in the mirror are not in the index any more")
        );
        let deletion = decide(
            Some(&SETTINGS),
            &keys(0..11),
            &missed_on(0..1, 0),
            100,
            day(10),
        );
        assert_eq!(deletion.keys, keys(0..1));
    }

    #[test]
    fn a_mirror_that_holds_nothing_loses_nothing() {
        let deletion = decide(Some(&SETTINGS), &[], &missed_on(0..3, 0), 0, day(10));
        assert_eq!(
            deletion,
            Deletion {
                keys: Vec::new(),
                refused: None,
                gone: Gone::new()
            }
        );
    }
}
