//! The `sync` function: wiring, nothing else.

mod handler;

use chrono::Utc;
use lambda_runtime::Error;
use longshore_aws::AwsCloud;
use longshore_bottles::settings::{MirrorSettings, THRESHOLD_BYTES};
use longshore_runtime::configuration::SyncConfiguration;
use longshore_runtime::{lambda, logs};

use crate::handler::Function;

/// Answers this function's invocations until the process is ended.
///
/// # Errors
/// When the environment lacks a variable, or the Lambda runtime cannot be reached.
pub async fn run() -> Result<(), Error> {
    logs::start("sync");
    let configuration = SyncConfiguration::from_environment()?;
    let aws = longshore_aws::load_configuration().await;
    let cloud = AwsCloud::new(
        &aws,
        &configuration.state.state_bucket_name,
        &configuration.state.event_bus_name,
    );
    let function = Function {
        cloud: &cloud,
        connect: |settings: &MirrorSettings| {
            // As far as the invocation's time goes: what is left then is for the next one.
            let outage = settings.outage_patience().to_std().unwrap_or_default();
            let hosts = &settings.private_hosts;
            longshore_aws::connect(&aws, configuration.concurrency, hosts, outage)
        },
        threshold_bytes: configuration.threshold_bytes.unwrap_or(THRESHOLD_BYTES),
        region: aws.region().map(ToString::to_string),
    };
    let function = &function;
    lambda::run(|payload, invocation| async move {
        handler::handle(function, &payload, &invocation, Utc::now()).await
    })
    .await
}
