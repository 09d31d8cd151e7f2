//! Leases: who works on a document, and until when nobody else does.
//!
//! A lease is a time in the document, written by a conditional write. Until then everybody else leaves the work alone;
//! afterwards whoever comes first takes it over, because the worker must have ended by then or have renewed it. A
//! worker that loses its lease stops.

use std::future::Future;
use std::pin::pin;

use chrono::{DateTime, Duration, Utc};
use futures_util::future::{Either, select};

use crate::call::{CallError, ErrorClass};
use crate::race::Race;

/// How long a claim of a function keeps others away. Longer than `deploy` may run (40 seconds, in Terraform), shorter
/// than the minute after which Lambda tries a failed asynchronous invocation again.
pub const LEASE: Duration = Duration::seconds(50);

/// Who works on a document, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// Lambda's id of the invocation: retries share it, duplicates of an event do not.
    pub id: String,
    /// The time now.
    pub now: DateTime<Utc>,
}

/// What gives the time: leases are renewed while work goes on.
pub trait Clock {
    /// The time now.
    fn now(&self) -> DateTime<Utc>;

    /// Waits.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()>;
}

/// A lease that a worker renews while it works.
pub trait RenewedLease {
    /// How often it is renewed.
    fn renewal(&self) -> Duration;

    /// Until when the worker has it, as last written.
    fn until(&self) -> DateTime<Utc>;

    /// Renews it. [`ErrorClass::LostRace`] when somebody else has it.
    fn renew(&mut self) -> impl Future<Output = Result<(), CallError>>;
}

/// Does work while the lease is renewed. The work is dropped as soon as the lease is lost, or could not be renewed
/// until it was over.
///
/// # Errors
/// Those of the work; [`ErrorClass::Transient`] when the lease was lost: whoever asks again finds out how far the
/// worker is that has taken over.
pub async fn renewing<C: Clock, L: RenewedLease, R>(
    clock: &C,
    lease: &mut L,
    work: impl Future<Output = Result<R, CallError>>,
) -> Result<R, CallError> {
    let mut work = pin!(work);
    loop {
        let pause = pin!(clock.sleep(lease.renewal()));
        match select(work.as_mut(), pause).await {
            Either::Left((done, _)) => return done,
            Either::Right(((), _)) => match lease.renew().await {
                Err(error) if error.is_lost() || lease.until() <= clock.now() => {
                    return Err(CallError {
                        class: ErrorClass::Transient,
                        message: format!("the lease was lost: {}", error.message),
                        ..error
                    });
                }
                // There is time left to try it again.
                _ => {}
            },
        }
    }
}
