//! The `deploy` function: wiring, nothing else.

mod handler;

use chrono::Utc;
use lambda_runtime::Error;
use longshore_aws::AwsCloud;
use longshore_runtime::configuration::StateConfiguration;
use longshore_runtime::{lambda, logs};

/// Answers this function's invocations until the process is ended.
///
/// # Errors
/// When the environment lacks a variable, or the Lambda runtime cannot be reached.
pub async fn run() -> Result<(), Error> {
    logs::start("deploy");
    let configuration = StateConfiguration::from_environment()?;
    let cloud = AwsCloud::new(
        &longshore_aws::load_configuration().await,
        &configuration.state_bucket_name,
        &configuration.event_bus_name,
    );
    let cloud = &cloud;
    lambda::run(|payload, invocation| async move {
        handler::handle(cloud, &payload, &invocation, Utc::now()).await
    })
    .await
}
