//! What transfers files from where they are published into S3.

use std::time::Duration;

use aws_config::SdkConfig;
use longshore_events::address::names_loopback;
use longshore_state::{CallError, ErrorClass};
use longshore_transfer::settings::Patience;
use longshore_transfer::{HttpClient, Settings, Transfers};

use crate::destination::S3Destination;

/// What asks sources, and what transfers files from them: at most `concurrency` at once, where that is said;
/// `private_hosts`, with their ports, may be in a private network or speak plain HTTP, as [`allowed_hosts`] says. For
/// `outage` nothing is given up while nothing gets through; zero gives a file up after its attempts, for a person who waits.
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
        private_hosts: allowed_hosts(configuration, private_hosts),
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

/// Of the private hosts that a stack names, those that may be asked from here: none of this machine, which in Lambda
/// hands out the events of others, unless AWS itself is on it, as on the local cloud; and Lambda's own never.
pub fn allowed_hosts(configuration: &SdkConfig, private_hosts: &[String]) -> Vec<String> {
    let runtime = std::env::var("AWS_LAMBDA_RUNTIME_API").ok();
    allowed(
        configuration.endpoint_url(),
        runtime.as_deref(),
        private_hosts,
    )
}

/// `endpoint` is where AWS is, if it is not where it always is; `runtime` is Lambda's host and port.
fn allowed(endpoint: Option<&str>, runtime: Option<&str>, private_hosts: &[String]) -> Vec<String> {
    let is_local = is_on_loopback(endpoint);
    let port = |host: &str| host.rsplit_once(':').map(|(_, port)| port.to_owned());
    let is_runtime = |host: &str| {
        runtime.is_some_and(|runtime| {
            host.eq_ignore_ascii_case(runtime)
                || (names_loopback(runtime) && port(runtime) == port(host))
        })
    };
    private_hosts
        .iter()
        .filter(|host| !names_loopback(host) || (is_local && !is_runtime(host)))
        .cloned()
        .collect()
}

/// Whether AWS itself answers on loopback, as a local cloud does; `endpoint` as in [`SdkConfig::endpoint_url`].
pub(crate) fn is_on_loopback(endpoint: Option<&str>) -> bool {
    endpoint
        .and_then(|endpoint| endpoint.split_once("://"))
        .and_then(|(_, rest)| rest.split('/').next())
        .is_some_and(names_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTS: [&str; 5] = [
        "mirror.internal:443",
        "127.0.0.1:8080",
        "localhost:9001",
        "[::1]:9001",
        "127.0.0.1:9001",
    ];

    fn of(endpoint: Option<&str>, runtime: Option<&str>) -> Vec<String> {
        allowed(endpoint, runtime, &HOSTS.map(str::to_owned))
    }

    #[test]
    fn a_stack_names_no_host_on_the_machine_that_runs_the_sync() {
        assert_eq!(of(None, Some("127.0.0.1:9001")), ["mirror.internal:443"]);
        let elsewhere = Some("https://vpce-1.eu-west-1.vpce.amazonaws.com");
        assert_eq!(of(elsewhere, None), ["mirror.internal:443"]);
    }

    #[test]
    fn on_the_local_cloud_a_stack_names_hosts_of_the_machine_but_lambda_s_own() {
        let local = Some("http://127.0.0.1:4566");
        assert_eq!(of(local, None), HOSTS);
        assert_eq!(
            of(local, Some("127.0.0.1:9001")),
            ["mirror.internal:443", "127.0.0.1:8080"]
        );
    }
}
