//! Reading variables that may hold something else than what they are for.

use std::num::NonZeroU32;
use std::str::FromStr;

use super::variables::DOWNLOAD_CONCURRENCY;

/// More than this many files at the same time only wait for each other, and hold more memory than a task
/// is promised to need.
const LARGEST_CONCURRENCY: u32 = 64;

/// All that is wrong with the environment, at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the environment is wrong: {}", .0.join("; "))]
pub struct InvalidEnvironment(Vec<String>);

/// Reads variables and keeps what is wrong with them.
pub(super) struct Reader<V> {
    variable: V,
    problems: Vec<String>,
}

impl<V: Fn(&str) -> Option<String>> Reader<V> {
    pub(super) fn new(variable: V) -> Self {
        Self {
            variable,
            problems: Vec::new(),
        }
    }

    /// What was read, unless something was wrong.
    pub(super) fn finish<T>(self, configuration: T) -> Result<T, InvalidEnvironment> {
        if self.problems.is_empty() {
            Ok(configuration)
        } else {
            Err(InvalidEnvironment(self.problems))
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        (self.variable)(name)
    }

    pub(super) fn required(&mut self, name: &str) -> String {
        self.text(name).unwrap_or_else(|| {
            self.problems.push(format!("{name} is not set"));
            String::new()
        })
    }

    pub(super) fn number<N: FromStr>(&mut self, name: &str, expected: &str) -> Option<N> {
        let text = self.text(name)?;
        let number = text.trim().parse().ok();
        if number.is_none() {
            self.refuse(name, &text, expected);
        }
        number
    }

    pub(super) fn refuse(&mut self, name: &str, found: &str, expected: &str) {
        self.problems
            .push(format!("{name}: found `{found}`, expected {expected}"));
    }

    pub(super) fn concurrency(&mut self) -> Option<usize> {
        let expected = format!("a whole number from 1 to {LARGEST_CONCURRENCY}");
        let number = self.number::<NonZeroU32>(DOWNLOAD_CONCURRENCY, &expected)?;
        if number.get() > LARGEST_CONCURRENCY {
            self.refuse(DOWNLOAD_CONCURRENCY, &number.to_string(), &expected);
        }
        usize::try_from(number.get()).ok()
    }
}
