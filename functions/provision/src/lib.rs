//! The `provision` function: wiring, nothing else.

mod handler;

use chrono::Utc;
use lambda_runtime::Error;
use longshore_aws::AwsCloud;
use longshore_provisioning::settings::Settings;
use longshore_runtime::configuration::ProvisionConfiguration;
use longshore_runtime::{lambda, logs};

/// Answers this function's invocations until the process is ended.
///
/// # Errors
/// When the environment lacks a variable, or the Lambda runtime cannot be reached.
pub async fn run() -> Result<(), Error> {
    logs::start("provision");
    let configuration = ProvisionConfiguration::from_environment()?;
    let aws = longshore_aws::load_configuration().await;
    let cloud = AwsCloud::new(
        &aws,
        &configuration.state.state_bucket_name,
        &configuration.state.event_bus_name,
    );
    let settings = Settings {
        region: aws.region().map(ToString::to_string),
        cloudformation_role_arn: Some(configuration.cloudformation_role_arn),
        permissions_boundary_arn: Some(configuration.permissions_boundary_arn),
    };
    let (cloud, settings) = (&cloud, &settings);
    lambda::run(|payload, invocation| async move {
        handler::handle(cloud, settings, &payload, &invocation, Utc::now()).await
    })
    .await
}
