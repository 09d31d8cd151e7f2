//! The only crate that talks to AWS: the ports of the pure crates, carried out with the AWS SDK.

mod error;
mod publisher;
mod registry;
mod secrets;
mod services;
mod state;
mod task_definitions;

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};

pub use secrets::Secrets;

/// Loads region, credentials and endpoint from the environment.
///
/// Every call is tried at most four times within fifteen seconds; what fails after that goes back to
/// Lambda, which comes again later.
pub async fn load_configuration() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .retry_config(RetryConfig::standard().with_max_attempts(4))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(2))
                .operation_attempt_timeout(Duration::from_secs(5))
                .operation_timeout(Duration::from_secs(15))
                .build(),
        )
        .load()
        .await
}

/// The deployment engine's ports on AWS. Its clients share one connection pool.
#[derive(Debug, Clone)]
pub struct AwsCloud {
    ecr: aws_sdk_ecr::Client,
    ecs: aws_sdk_ecs::Client,
    eventbridge: aws_sdk_eventbridge::Client,
    s3: aws_sdk_s3::Client,
    state_bucket_name: String,
    event_bus_name: String,
}

impl AwsCloud {
    /// Clients for `configuration`; state is kept in the bucket, events are told on the bus.
    pub fn new(configuration: &SdkConfig, state_bucket_name: &str, event_bus_name: &str) -> Self {
        Self {
            ecr: aws_sdk_ecr::Client::new(configuration),
            ecs: aws_sdk_ecs::Client::new(configuration),
            eventbridge: aws_sdk_eventbridge::Client::new(configuration),
            s3: aws_sdk_s3::Client::new(configuration),
            state_bucket_name: state_bucket_name.to_owned(),
            event_bus_name: event_bus_name.to_owned(),
        }
    }
}
