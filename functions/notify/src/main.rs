//! The `notify` function: wiring, nothing else.

mod handler;
mod secret;

use lambda_runtime::Error;
use longshore_aws::Secrets;
use longshore_report::{Announcer, Slack};
use longshore_runtime::configuration::NotifyConfiguration;
use longshore_runtime::{lambda, logs};

use crate::secret::SecretsManagerSecret;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    logs::start("notify");
    let configuration = NotifyConfiguration::from_environment()?;
    let secret = SecretsManagerSecret::new(
        Secrets::new(&longshore_aws::load_configuration().await),
        configuration.slack_webhook_secret_name,
    );
    let announcer = Announcer::new(secret, Slack::new()?);
    let announcer = &announcer;
    lambda::run(|payload, invocation| async move {
        handler::handle(announcer, &payload, &invocation).await
    })
    .await
}
