//! Who or what asked for a deployment, for a change of a stack, or for a sync.

use longshore_events::longshore::{Caller, Source, StackSource, SyncSource};

/// A payload is sent by hand, by a pipeline, or by the command line; not all of them say which.
const BY_PAYLOAD: &str = "a payload or the command line";

/// Who or what asked.
pub trait Asker {
    /// In words, as they follow "asked for by". `name` writes a name: Slack marks it, a terminal does not.
    fn in_words(&self, name: impl Fn(&str) -> String) -> String;

    /// The version of the file that asked.
    fn version(&self) -> Option<&str> {
        None
    }

    /// What the asker says of it, where that is more than blanks.
    fn note(&self) -> Option<&str>;

    /// Who they say they are.
    fn caller(&self) -> Option<&Caller> {
        None
    }
}

/// "ada, by a restart": who, and by what.
fn by(caller: Option<&Caller>, what: String, name: impl Fn(&str) -> String) -> String {
    match caller.map(|caller| caller.name.trim()) {
        None | Some("") => what,
        Some(who) => format!("{}, by {what}", name(who)),
    }
}

/// "ada"; where it is not known who, by what.
fn somebody(caller: Option<&Caller>, name: impl Fn(&str) -> String) -> String {
    match caller.map(|caller| caller.name.trim()) {
        None | Some("") => BY_PAYLOAD.to_owned(),
        Some(who) => name(who),
    }
}

impl Asker for Source {
    fn in_words(&self, name: impl Fn(&str) -> String) -> String {
        match self {
            Self::Push => "a push".to_owned(),
            Self::Release { key, .. } => format!("release file {}", name(key)),
            Self::Manual { by, .. } => somebody(by.as_ref(), name),
            Self::Reconcile => "the reconcile".to_owned(),
            Self::Rollback { to, by: caller, .. } => by(
                caller.as_ref(),
                format!("a rollback to deployment {to}"),
                name,
            ),
            Self::Restart { by: caller, .. } => by(caller.as_ref(), "a restart".to_owned(), name),
            // Which change it was is for programs: its id is long, and says nothing to people.
            Self::Stack { restored: true, .. } => {
                "Longshore, which restores the image after a change of the stack".to_owned()
            }
            Self::Stack { by: caller, .. } => {
                by(caller.as_ref(), "a change of the stack".to_owned(), name)
            }
        }
    }

    fn version(&self) -> Option<&str> {
        match self {
            Self::Release { version_id, .. } => version_id.as_deref(),
            _ => None,
        }
    }

    fn note(&self) -> Option<&str> {
        match self {
            Self::Push | Self::Reconcile => None,
            Self::Release { note, .. }
            | Self::Manual { note, .. }
            | Self::Rollback { note, .. }
            | Self::Restart { note, .. }
            | Self::Stack { note, .. } => said(note.as_deref()),
        }
    }

    fn caller(&self) -> Option<&Caller> {
        match self {
            Self::Push | Self::Reconcile | Self::Release { .. } => None,
            Self::Manual { by, .. }
            | Self::Rollback { by, .. }
            | Self::Restart { by, .. }
            | Self::Stack { by, .. } => by.as_ref(),
        }
    }
}

impl Asker for StackSource {
    fn in_words(&self, name: impl Fn(&str) -> String) -> String {
        match self {
            Self::File { key, .. } => format!("stack file {}", name(key)),
            Self::Manual { by, .. } => somebody(by.as_ref(), name),
            Self::CloudFormation => "another tool than Longshore, such as Terraform".to_owned(),
        }
    }

    fn version(&self) -> Option<&str> {
        match self {
            Self::File { version_id, .. } => version_id.as_deref(),
            _ => None,
        }
    }

    fn note(&self) -> Option<&str> {
        match self {
            Self::Manual { note, .. } => said(note.as_deref()),
            Self::File { .. } | Self::CloudFormation => None,
        }
    }

    fn caller(&self) -> Option<&Caller> {
        match self {
            Self::Manual { by, .. } => by.as_ref(),
            Self::File { .. } | Self::CloudFormation => None,
        }
    }
}

impl Asker for SyncSource {
    fn in_words(&self, name: impl Fn(&str) -> String) -> String {
        match self {
            Self::Schedule => "the schedule of the stack".to_owned(),
            Self::Manual { by, .. } => somebody(by.as_ref(), name),
        }
    }

    fn note(&self) -> Option<&str> {
        match self {
            Self::Schedule => None,
            Self::Manual { note, .. } => said(note.as_deref()),
        }
    }

    fn caller(&self) -> Option<&Caller> {
        match self {
            Self::Schedule => None,
            Self::Manual { by, .. } => by.as_ref(),
        }
    }
}

fn said(note: Option<&str>) -> Option<&str> {
    note.filter(|note| !note.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In words, with its version and its note.
    fn whole(asker: &impl Asker) -> (String, Option<&str>, Option<&str>) {
        let words = asker.in_words(|name| format!("`{name}`"));
        (words, asker.version(), asker.note())
    }

    #[test]
    fn each_source_of_a_deployment_is_reported_with_its_version_and_its_note() {
        let note = Some("the sale".to_owned());
        let of_stack = |restored| Source::Stack {
            operation_id: "change-7".to_owned(),
            restored,
            note: None,
            by: None,
        };
        for (source, expected, version, said) in [
            (Source::Push, "a push", None, None),
            (Source::Reconcile, "the reconcile", None, None),
            (
                Source::Release {
                    key: "releases/shop/api.json".to_owned(),
                    version_id: Some("v1".to_owned()),
                    note: note.clone(),
                },
                "release file `releases/shop/api.json`",
                Some("v1"),
                Some("the sale"),
            ),
            (
                Source::Manual {
                    note: note.clone(),
                    by: None,
                },
                "a payload or the command line",
                None,
                Some("the sale"),
            ),
            (
                Source::Rollback {
                    to: 41,
                    note,
                    by: None,
                },
                "a rollback to deployment 41",
                None,
                Some("the sale"),
            ),
            (
                of_stack(true),
                "Longshore, which restores the image after a change of the stack",
                None,
                None,
            ),
            (of_stack(false), "a change of the stack", None, None),
        ] {
            assert_eq!(whole(&source), (expected.to_owned(), version, said));
        }
    }

    #[test]
    fn each_source_of_a_change_of_a_stack_and_of_a_sync_is_reported() {
        let note = || Some("the sale".to_owned());
        for (source, expected, version, said) in [
            (
                StackSource::File {
                    key: "stacks/shop.yaml".to_owned(),
                    version_id: Some("v1".to_owned()),
                },
                "stack file `stacks/shop.yaml`",
                Some("v1"),
                None,
            ),
            (
                StackSource::Manual {
                    note: note(),
                    by: None,
                },
                "a payload or the command line",
                None,
                Some("the sale"),
            ),
            (
                StackSource::CloudFormation,
                "another tool than Longshore, such as Terraform",
                None,
                None,
            ),
        ] {
            assert_eq!(whole(&source), (expected.to_owned(), version, said));
        }
        for (source, expected, said) in [
            (SyncSource::Schedule, "the schedule of the stack", None),
            (
                SyncSource::Manual {
                    note: note(),
                    by: None,
                },
                "a payload or the command line",
                Some("the sale"),
            ),
        ] {
            assert_eq!(whole(&source), (expected.to_owned(), None, said));
        }
    }

    #[test]
    fn whoever_says_who_they_are_is_named() {
        let by = || Some(Caller::named("ada"));
        let note = None;
        for (words, expected) in [
            (
                whole(&Source::Manual {
                    note: note.clone(),
                    by: by(),
                })
                .0,
                "`ada`",
            ),
            (
                whole(&Source::Restart {
                    note: note.clone(),
                    by: by(),
                })
                .0,
                "`ada`, by a restart",
            ),
            (
                whole(&Source::Rollback {
                    to: 3,
                    note: note.clone(),
                    by: by(),
                })
                .0,
                "`ada`, by a rollback to deployment 3",
            ),
            (
                whole(&StackSource::Manual {
                    note: note.clone(),
                    by: by(),
                })
                .0,
                "`ada`",
            ),
            (
                whole(&SyncSource::Manual {
                    note,
                    by: Some(Caller::named(" ")),
                })
                .0,
                "a payload or the command line",
            ),
        ] {
            assert_eq!(words, expected);
        }
    }

    #[test]
    fn a_blank_note_says_nothing() {
        let note = Some(" \n".to_owned());
        assert_eq!(Source::Manual { note, by: None }.note(), None);
    }
}
