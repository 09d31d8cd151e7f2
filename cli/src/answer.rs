//! What the command line answers.

use std::process::ExitCode;

/// An answer, and what the exit status says of it.
#[derive(Debug)]
pub struct Answer {
    /// What is printed.
    pub text: String,
    pub status: Status,
}

/// What the exit status says, for scripts; 2 is clap's, for arguments that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// What was asked for was done, or is so.
    Good,
    /// It waits for something that does not come by itself soon.
    Waits,
    /// Nobody knows yet: waiting for it took too long.
    TimedOut,
    /// It was not done, or is not so.
    Bad,
    /// A program failed, with this status of its own.
    Ended(u8),
}

impl Status {
    pub fn of(is_good: bool) -> Self {
        if is_good { Self::Good } else { Self::Bad }
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        match status {
            Status::Good => Self::SUCCESS,
            Status::Bad => Self::from(1),
            Status::Waits => Self::from(3),
            Status::TimedOut => Self::from(4),
            Status::Ended(status) => Self::from(status),
        }
    }
}

impl Answer {
    /// Whether what was asked for was done, or is so.
    #[cfg(test)]
    pub fn is_good(&self) -> bool {
        self.status == Status::Good
    }
}

impl From<String> for Answer {
    fn from(text: String) -> Self {
        Self {
            text,
            status: Status::Good,
        }
    }
}
