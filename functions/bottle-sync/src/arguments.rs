//! What the task is started with.

use std::fmt;
use std::path::PathBuf;

use longshore_bottles::sync::shard::of_key;

/// What `--help` says.
pub const USAGE: &str = "\
Transfers files from where they are published into the bucket S3_BUCKET_NAME.

usage: bottle-sync                     work on the pending shards of the bucket's sync, and wait for more
       bottle-sync --shard <location>  work on one list of files, and end
       bottle-sync health              ask the task on this machine whether it is well

<location> is a path or s3://<bucket>/<key>. The list is JSON lines of {\"key\", \"url\", \"sha256\", \"size\"}.
It ends with 0 if every file is there, with 143 if it was asked to stop before, and else with 1.
";

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Work on pending shards, and wait for more.
    Serve,
    /// Work on one list.
    Transfer(Location),
    /// Ask the task on this machine for its health.
    AskHealth,
    /// Say how it is used.
    Help,
    /// Say which version it is.
    Version,
}

/// Where a list of files is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    File(PathBuf),
    /// In this object of S3.
    Object {
        bucket: String,
        key: String,
    },
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(formatter),
            Self::Object { bucket, key } => write!(formatter, "s3://{bucket}/{key}"),
        }
    }
}

/// A shard of a sync, by which its state is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncShard {
    /// The mirror's bucket.
    pub bucket: String,
    pub sync_id: String,
    /// The shard's number, from 1.
    pub shard: u32,
}

/// Arguments that mean nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}; bottle-sync --help shows the arguments")]
pub struct InvalidArguments(String);

/// Reads the arguments behind the program's name.
///
/// # Errors
/// [`InvalidArguments`].
pub fn read(arguments: impl IntoIterator<Item = String>) -> Result<Command, InvalidArguments> {
    let arguments: Vec<String> = arguments.into_iter().collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] => Ok(Command::Serve),
        ["health"] => Ok(Command::AskHealth),
        ["--help" | "-h"] => Ok(Command::Help),
        ["--version" | "-V"] => Ok(Command::Version),
        ["--shard", location] => read_location(location).map(Command::Transfer),
        ["--shard"] => Err(InvalidArguments(
            "--shard: found nothing, expected a path or s3://<bucket>/<key>".to_owned(),
        )),
        [argument] if let Some(location) = argument.strip_prefix("--shard=") => {
            read_location(location).map(Command::Transfer)
        }
        [first, ..] => Err(InvalidArguments(format!(
            "found {} argument(s) beginning with `{first}`, expected none, `--shard <location>` or `health`",
            arguments.len()
        ))),
    }
}

fn read_location(text: &str) -> Result<Location, InvalidArguments> {
    let Some(rest) = text.strip_prefix("s3://") else {
        return if text.is_empty() || text.contains("://") {
            Err(InvalidArguments(format!(
                "--shard: found `{text}`, expected a path or s3://<bucket>/<key>"
            )))
        } else {
            Ok(Location::File(PathBuf::from(text)))
        };
    };
    match rest.split_once('/') {
        Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => Ok(Location::Object {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
        }),
        _ => Err(InvalidArguments(format!(
            "--shard: found `{text}`, expected s3://<bucket>/<key>"
        ))),
    }
}

impl Location {
    /// The shard of a sync that this is, if it is one's: those are leased, so that two tasks do not transfer
    /// the same files.
    pub fn sync_shard(&self) -> Option<SyncShard> {
        let Self::Object { bucket, key } = self else {
            return None;
        };
        of_key(key).map(|(sync_id, shard)| SyncShard {
            bucket: bucket.clone(),
            sync_id,
            shard,
        })
    }
}

#[cfg(test)]
mod tests {
    use longshore_bottles::layout;

    use super::*;

    fn read_words(words: &[&str]) -> Result<Command, InvalidArguments> {
        read(words.iter().map(|word| (*word).to_owned()))
    }

    fn object(key: &str) -> Location {
        Location::Object {
            bucket: "bottles".to_owned(),
            key: key.to_owned(),
        }
    }

    #[test]
    fn each_way_to_start_it_is_understood() {
        let file = Command::Transfer(Location::File(PathBuf::from("lists/today.jsonl")));
        for (words, expected) in [
            (&[][..], Command::Serve),
            (&["health"], Command::AskHealth),
            (&["--help"], Command::Help),
            (&["--version"], Command::Version),
            (&["--shard", "lists/today.jsonl"], file.clone()),
            (&["--shard=lists/today.jsonl"], file),
            (
                &["--shard", "s3://bottles/a/b.jsonl"],
                Command::Transfer(object("a/b.jsonl")),
            ),
        ] {
            assert_eq!(read_words(words).unwrap(), expected, "{words:?}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_was_expected() {
        for (words, problem) in [
            (&["--shard"][..], "expected a path or s3://<bucket>/<key>"),
            (&["--shard", ""], "expected a path or s3://<bucket>/<key>"),
            (
                &["--shard", "https://example.com/list"],
                "expected a path or s3://<bucket>/<key>",
            ),
            (&["--shard", "s3://bottles"], "expected s3://<bucket>/<key>"),
            (
                &["--shard", "s3://bottles/"],
                "expected s3://<bucket>/<key>",
            ),
            (&["--shard", "s3:///key"], "expected s3://<bucket>/<key>"),
            (&["serve"], "beginning with `serve`"),
            (&["--shard", "a", "b"], "found 3 argument(s)"),
        ] {
            let error = read_words(words).unwrap_err().to_string();
            assert!(error.contains(problem), "{words:?}: {error}");
        }
    }

    #[test]
    fn a_shard_of_a_sync_is_known_by_its_key() {
        assert_eq!(
            object(&layout::shard("5f0c", 12)).sync_shard(),
            Some(SyncShard {
                bucket: "bottles".to_owned(),
                sync_id: "5f0c".to_owned(),
                shard: 12,
            })
        );
        for key in [
            "list.jsonl",
            ".longshore/syncs/5f0c/shards/12.jsonl",
            ".longshore/syncs/5f0c/shards/0012.json",
            ".longshore/syncs/5f0c/shards/0012.jsonl/more.jsonl",
            "other/.longshore/syncs/5f0c/shards/0012.jsonl",
        ] {
            assert_eq!(object(key).sync_shard(), None, "{key}");
        }
        let file = Location::File(PathBuf::from(layout::shard("5f0c", 12)));
        assert_eq!(file.sync_shard(), None);
    }

    #[test]
    fn a_location_is_shown_as_it_is_written() {
        for text in ["lists/today.jsonl", "s3://bottles/a/b.jsonl"] {
            assert_eq!(read_location(text).unwrap().to_string(), text);
        }
    }
}
