//! How a transfer is asked to stop.

use tokio::sync::watch;

/// A request to stop that many can hear. Clones share it.
///
/// Once it is requested, a [`crate::Transfers::run`] begins no further file, lets those that are on their
/// way come to their end for [`crate::settings::Patience::grace`], then writes down what it has of large
/// ones and returns.
#[derive(Debug, Clone)]
pub struct Stop {
    sender: watch::Sender<bool>,
}

impl Default for Stop {
    fn default() -> Self {
        Self {
            sender: watch::Sender::new(false),
        }
    }
}

impl Stop {
    /// One that nobody has requested.
    pub fn new() -> Self {
        Self::default()
    }

    /// Requests it; once more changes nothing.
    pub fn request(&self) {
        self.sender.send_replace(true);
    }

    /// Whether it was requested.
    pub fn is_requested(&self) -> bool {
        *self.sender.borrow()
    }

    /// Returns when it is requested; at once if it was.
    pub async fn requested(&self) {
        // It cannot fail: the sender lives as long as this.
        let _ = self.sender.subscribe().wait_for(|stop| *stop).await;
    }
}
