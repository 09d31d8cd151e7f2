//! What brings files from where they are published into S3.

use std::time::Duration;

use aws_config::SdkConfig;
use longshore_state::{CallError, ErrorClass};
use longshore_transfer::settings::Patience;
use longshore_transfer::{HttpClient, Settings, Transfers};

use crate::destination::S3Destination;

/// What asks sources, and what brings files from them: at most `concurrency` at once, where that is said;
/// `private_hosts`, with their ports, may be in a private network or speak plain HTTP. For `outage` nothing
/// is given up while nothing gets through; zero gives a file up after its attempts, for a person who waits.
///
/// # Errors
/// [`CallError`] when the HTTP client cannot be made.
pub fn connect(
    configuration: &SdkConfig,
    concurrency: Option<usize>,
    private_hosts: &[String],
    outage: Duration,
) -> Result<(HttpClient, Transfers<S3Destination>), CallError> {
    let defaults = Settings::default();
    let settings = Settings {
        concurrency: concurrency.unwrap_or(defaults.concurrency),
        private_hosts: private_hosts.to_vec(),
        patience: Patience {
            outage,
            ..Patience::default()
        },
        ..defaults
    };
    let client = HttpClient::new(settings).map_err(|error| CallError {
        operation: "connect to the source".to_owned(),
        class: ErrorClass::Refused,
        code: None,
        message: error.to_string(),
    })?;
    let transfers = Transfers::new(client.clone(), S3Destination::new(configuration));
    Ok((client, transfers))
}
