//! The `press` function: wiring, nothing else.

mod handler;
mod secret;

use chrono::Utc;
use lambda_runtime::Error;
use longshore_aws::{AwsCloud, Secrets};
use longshore_report::{ButtonUsers, Slack};
use longshore_runtime::configuration::{PressConfiguration, SLACK_API_URL, SLACK_BUTTON_USERS};
use longshore_runtime::{lambda, logs};

use crate::handler::Endpoint;
use crate::secret::KeptSecret;

/// Answers this function's invocations until the process is ended.
///
/// # Errors
/// When the environment lacks a variable, or the Lambda runtime cannot be reached.
pub async fn run() -> Result<(), Error> {
    logs::start("press");
    let configuration = PressConfiguration::from_environment()?;
    let aws = longshore_aws::load_configuration().await;
    let cloud = AwsCloud::new(
        &aws,
        &configuration.state.state_bucket_name,
        &configuration.state.event_bus_name,
    );
    let users = ButtonUsers::parse(&configuration.slack_button_users)
        .map_err(|problem| format!("{SLACK_BUTTON_USERS}: {problem}"))?
        .of_team(configuration.slack_team_id);
    let slack = Slack::new()?
        .with_api(configuration.slack_api_url.as_deref())
        .map_err(|problem| format!("{SLACK_API_URL} {problem}"))?;
    let secret = Secrets::new(&aws).named(configuration.slack_signing_secret_name);
    let endpoint = Endpoint {
        secret: KeptSecret::new(secret),
        users,
        publisher: cloud,
        answerer: slack,
    };
    let endpoint = &endpoint;
    lambda::run(|payload, invocation| async move {
        endpoint.handle(&payload, &invocation, Utc::now()).await
    })
    .await
}
