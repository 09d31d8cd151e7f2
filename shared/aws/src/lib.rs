//! The only crate that talks to AWS: the ports of the pure crates, implemented with the AWS SDK.

mod adoption;
mod clock;
mod cloudformation;
mod connect;
mod connections;
mod dead_letters;
mod described;
mod destination;
mod ecs;
mod endpoint;
mod error;
mod exchange;
mod file_systems;
mod images;
mod installation;
mod inventory;
mod logs;
mod mirror;
mod mirrors;
mod objects;
mod one_off_tasks;
mod process_memory;
mod publisher;
mod registry;
mod scaling;
mod schedules;
mod secrets;
mod service_deployments;
mod service_views;
mod services;
mod shells;
mod signed;
mod state;
mod task_definitions;
mod tasks;
mod templates;
mod xml;

use std::sync::OnceLock;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

pub use connect::{allowed_hosts, connect};
pub use connections::http_client;
pub use described::described_service;
pub use destination::S3Destination;
pub use secrets::{NamedSecret, Secrets};

/// How long a call may take, with everything that is tried again.
const CALL: Duration = Duration::from_secs(15);

/// Loads region, credentials and endpoint from the environment.
///
/// What fails after [`retries`] within [`timeouts`] goes back to Lambda, which comes again later.
pub async fn load_configuration() -> SdkConfig {
    load_configuration_of(None, None).await
}

/// The same; a region and a profile of AWS's configuration files go before what the environment says.
pub async fn load_configuration_of(region: Option<String>, profile: Option<String>) -> SdkConfig {
    load(http_client(), region, profile).await
}

async fn load(
    client: SharedHttpClient,
    region: Option<String>,
    profile: Option<String>,
) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(client)
        .retry_config(retries())
        .timeout_config(timeouts());
    if let Some(region) = region {
        loader = loader.region(Region::new(region));
    }
    if let Some(profile) = profile {
        loader = loader.profile_name(profile);
    }
    loader.load().await
}

/// Every call is tried at most four times.
pub fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(4)
}

/// Every call has fifteen seconds, and each attempt five of them.
pub fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_attempt_timeout(Duration::from_secs(5))
        .operation_timeout(CALL)
        .build()
}

/// For a call that would act twice if it were sent twice: its first attempt may take as long as the whole call. So
/// the SDK waits for a slow answer. It still sends the call again after an error, such as throttling.
pub(crate) fn one_slow_attempt() -> TimeoutConfig {
    TimeoutConfig::builder()
        .operation_attempt_timeout(CALL)
        .operation_timeout(CALL)
        .build()
}

/// The engines' ports on AWS. A client is made when it is first used, so that a function that starts
/// pays only for what it needs; all share one connection pool.
#[derive(Debug, Clone)]
pub struct AwsCloud {
    configuration: SdkConfig,
    state_bucket_name: String,
    event_bus_name: String,
    remembered: process_memory::Remembered,
    ecs: OnceLock<aws_sdk_ecs::Client>,
    efs: OnceLock<aws_sdk_efs::Client>,
    s3: OnceLock<aws_sdk_s3::Client>,
    secrets_manager: OnceLock<aws_sdk_secretsmanager::Client>,
}

impl AwsCloud {
    /// State is kept in the bucket, events are published on the bus.
    pub fn new(configuration: &SdkConfig, state_bucket_name: &str, event_bus_name: &str) -> Self {
        Self {
            configuration: configuration.clone(),
            state_bucket_name: state_bucket_name.to_owned(),
            event_bus_name: event_bus_name.to_owned(),
            remembered: process_memory::Remembered::default(),
            ecs: OnceLock::new(),
            efs: OnceLock::new(),
            s3: OnceLock::new(),
            secrets_manager: OnceLock::new(),
        }
    }

    fn ecs(&self) -> &aws_sdk_ecs::Client {
        self.ecs
            .get_or_init(|| aws_sdk_ecs::Client::new(&self.configuration))
    }

    fn efs(&self) -> &aws_sdk_efs::Client {
        self.efs
            .get_or_init(|| aws_sdk_efs::Client::new(&self.configuration))
    }

    fn s3(&self) -> &aws_sdk_s3::Client {
        self.s3
            .get_or_init(|| aws_sdk_s3::Client::new(&self.configuration))
    }

    fn secrets_manager(&self) -> &aws_sdk_secretsmanager::Client {
        self.secrets_manager
            .get_or_init(|| aws_sdk_secretsmanager::Client::new(&self.configuration))
    }
}
