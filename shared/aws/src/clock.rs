//! The time, as this process's machine gives it.

use chrono::{DateTime, Duration, Utc};
use longshore_state::lease::Clock;

use crate::AwsCloud;

impl Clock for AwsCloud {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    async fn sleep(&self, duration: Duration) {
        // A time that is over needs no waiting.
        tokio::time::sleep(duration.to_std().unwrap_or_default()).await;
    }
}
