//! How the process ends.

use std::process::ExitCode;

use longshore_bottles::ports::Transferred;

/// What a shell, and ECS, read as "ended by SIGTERM": 128 and the signal's number.
const TERMINATED: u8 = 143;

/// What became of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All of it is done, or another task does it: nothing is left for this one.
    Done,
    /// Files were given up, or the shard was lost.
    Failed,
    /// It was asked to stop, and files are left.
    Interrupted,
}

impl Outcome {
    /// That of a transfer.
    pub fn of(transferred: &Transferred, was_stopped: bool) -> Self {
        if transferred.report.failed > 0 {
            Self::Failed
        } else if transferred.left.is_empty() {
            Self::Done
        } else if was_stopped {
            Self::Interrupted
        } else {
            Self::Failed
        }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::SUCCESS,
            Outcome::Failed => Self::FAILURE,
            Outcome::Interrupted => Self::from(TERMINATED),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use longshore_events::transfer::{TransferItem, TransferReport};

    use super::*;

    fn transferred(failed: u64, left: usize) -> Transferred {
        let now = Utc::now();
        let item = TransferItem {
            key: "key".to_owned(),
            url: "https://example.com/key".to_owned(),
            sha256: "0".repeat(64).parse().unwrap(),
            size: None,
            copies: Vec::new(),
            content_type: None,
        };
        Transferred {
            report: TransferReport {
                files: 1,
                bytes: 1,
                already_there: 0,
                copies: 0,
                downloaded_bytes: 1,
                resumed_bytes: 0,
                failed,
                failures: Vec::new(),
                started_at: now,
                finished_at: now,
            },
            left: vec![item; left],
            problem: None,
        }
    }

    #[test]
    fn only_a_transfer_that_brought_every_file_is_a_success() {
        for (failed, left, was_stopped, expected) in [
            (0, 0, false, Outcome::Done),
            (0, 0, true, Outcome::Done),
            (0, 1, true, Outcome::Interrupted),
            (0, 1, false, Outcome::Failed),
            (1, 0, false, Outcome::Failed),
            (1, 1, true, Outcome::Failed),
        ] {
            assert_eq!(
                Outcome::of(&transferred(failed, left), was_stopped),
                expected,
                "{failed} failed, {left} left, stopped: {was_stopped}"
            );
        }
    }
}
