//! The `notify` function: wiring, nothing else.

mod figures;
mod handler;

use chrono::Utc;
use lambda_runtime::Error;
use longshore_aws::{AwsCloud, Secrets};
use longshore_report::{Announcer, ButtonUsers, Console, Slack};
use longshore_runtime::configuration::{NotifyConfiguration, SLACK_API_URL, SLACK_BUTTON_USERS};
use longshore_runtime::{lambda, logs};

/// Answers this function's invocations until the process is ended.
///
/// # Errors
/// When the environment lacks a variable, or the Lambda runtime cannot be reached.
pub async fn run() -> Result<(), Error> {
    logs::start("notify");
    let configuration = NotifyConfiguration::from_environment()?;
    let aws = longshore_aws::load_configuration().await;
    let cloud = AwsCloud::new(
        &aws,
        &configuration.state.state_bucket_name,
        &configuration.state.event_bus_name,
    );
    let console = aws
        .region()
        .map(|region| Console::of_region(region.as_ref()));
    let console = console.unwrap_or_default();
    let secret = Secrets::new(&aws).named(configuration.slack_webhook_secret_name);
    let slack = Slack::new()?
        .with_api(configuration.slack_api_url.as_deref())
        .map_err(|problem| format!("{SLACK_API_URL} {problem}"))?;
    let users = match &configuration.slack_button_users {
        Some(users) => ButtonUsers::parse(users)
            .map_err(|problem| format!("{SLACK_BUTTON_USERS}: {problem}"))?,
        None => ButtonUsers::default(),
    };
    let announcer = Announcer::new(secret, slack)
        .with_console(console)
        .with_buttons(users);
    let (announcer, cloud) = (&announcer, &cloud);
    lambda::run(|payload, invocation| async move {
        handler::handle(announcer, cloud, &payload, &invocation, Utc::now()).await
    })
    .await
}
