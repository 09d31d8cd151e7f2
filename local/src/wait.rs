//! Waiting for something to be seen: always by looking again, never by a bare pause.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::process::check_interruption;

/// How often is looked.
const PERIOD: Duration = Duration::from_millis(100);

/// What one look showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen<T> {
    /// It is there.
    Yes(T),
    /// Not there yet; what was seen instead.
    NotYet(String),
}

/// Looks until `look` answers [`Seen::Yes`].
///
/// # Errors
/// When `look` fails, when `patience` is over (the error says what was seen last), or on an interruption.
pub fn wait_until<T>(
    what: &str,
    patience: Duration,
    mut look: impl FnMut() -> Result<Seen<T>>,
) -> Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        let instead = match look()? {
            Seen::Yes(found) => return Ok(found),
            Seen::NotYet(instead) => instead,
        };
        check_interruption()?;
        if Instant::now() >= deadline {
            bail!(
                "waited {} s for {what}; last seen: {instead}",
                patience.as_secs()
            );
        }
        std::thread::sleep(PERIOD);
    }
}

/// Looks again and again for all of `period`, and fails as soon as `look` answers what is wrong.
/// That something does not happen can only be seen by looking for a while.
///
/// # Errors
/// When `look` fails or answers [`Seen::NotYet`], or on an interruption.
pub fn stays_so(
    what: &str,
    period: Duration,
    mut look: impl FnMut() -> Result<Seen<()>>,
) -> Result<()> {
    let deadline = Instant::now() + period;
    while Instant::now() < deadline {
        if let Seen::NotYet(instead) = look()? {
            bail!("it did not stay so that {what}: {instead}");
        }
        check_interruption()?;
        std::thread::sleep(PERIOD);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expired_wait_says_what_was_seen_last() {
        let mut looks = 0;
        let error = wait_until::<()>("two tasks", Duration::ZERO, || {
            looks += 1;
            Ok(Seen::NotYet("1 task".to_owned()))
        })
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "waited 0 s for two tasks; last seen: 1 task"
        );
        assert_eq!(looks, 1);
    }

    #[test]
    fn looking_goes_on_until_it_is_there() {
        let mut looks = 0;
        let found = wait_until("the third look", Duration::from_secs(5), || {
            looks += 1;
            Ok(if looks == 3 {
                Seen::Yes(looks)
            } else {
                Seen::NotYet(looks.to_string())
            })
        });
        assert_eq!(found.unwrap(), 3);
    }
}
