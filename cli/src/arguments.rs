//! The command line.

use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};
use longshore_events::image::ImageReference;

/// Deploys container images to Amazon ECS and says what became of them.
#[derive(Debug, Parser)]
#[command(name = "longshore", version)]
pub struct Arguments {
    /// The bucket that holds Longshore's state
    #[arg(long, env = "STATE_BUCKET_NAME")]
    pub state_bucket: String,
    /// The bus that Longshore tells its events on
    #[arg(
        long,
        env = "EVENT_BUS_NAME",
        global = true,
        default_value = "longshore"
    )]
    pub event_bus: String,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a rolling deployment of an image to a service
    Deploy(DeployArguments),
    /// Show the last deployment of services and what runs now
    Status(StatusArguments),
}

/// `longshore deploy`.
#[derive(Debug, Args)]
pub struct DeployArguments {
    /// The service, as <stack>/<service>
    pub service: ServiceArgument,
    /// The image, as <repository>:<tag> or <repository>@sha256:<digest>
    #[arg(long)]
    pub image: ImageReference,
    /// Why; told in Slack
    #[arg(long)]
    pub note: Option<String>,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `longshore status`.
#[derive(Debug, Args)]
pub struct StatusArguments {
    /// Only this stack, or only this <stack>/<service>
    pub filter: Option<String>,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// How an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// `<stack>/<service>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceArgument {
    /// The stack.
    pub stack: String,
    /// The stack's service.
    pub service: String,
}

impl FromStr for ServiceArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((stack, service))
                if !stack.is_empty() && !service.is_empty() && !service.contains('/') =>
            {
                Ok(Self {
                    stack: stack.to_owned(),
                    service: service.to_owned(),
                })
            }
            _ => Err("expected <stack>/<service>, such as shop/api".to_owned()),
        }
    }
}
