//! `longshore`: Longshore's operations for a person at a terminal.
//!
//! It does what the functions do, with the same code, and with the permissions of whoever runs it.

mod arguments;
mod deploy;
mod follow;
mod plan;
mod provision;
mod stack_file;
mod status;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use longshore_aws::AwsCloud;
use longshore_provisioning::settings::Settings;

use crate::arguments::{Arguments, Command};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(answer) => {
            // A reader that has gone away, as `head` does, is no failure.
            let _ = writeln!(io::stdout(), "{answer}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<String> {
    let Arguments {
        state_bucket,
        event_bus,
        cloudformation_role_arn,
        permissions_boundary_arn,
        command,
    } = arguments;
    let settings = Settings {
        cloudformation_role_arn,
        permissions_boundary_arn,
    };
    if let Command::Render(arguments) = &command {
        return provision::render(arguments, &settings);
    }
    let state_bucket = state_bucket.context(
        "the bucket that holds Longshore's state is not known: give --state-bucket, or set \
         STATE_BUCKET_NAME",
    )?;
    let cloud = AwsCloud::new(
        &longshore_aws::load_configuration().await,
        &state_bucket,
        &event_bus,
    );
    match command {
        Command::Deploy(arguments) => deploy::run(&cloud, arguments).await,
        Command::Status(arguments) => status::run(&cloud, &arguments).await,
        Command::Plan(arguments) => provision::run_plan(&cloud, &settings, &arguments).await,
        Command::Apply(arguments) => provision::run_apply(&cloud, &settings, arguments).await,
        Command::Destroy(arguments) => provision::run_destroy(&cloud, &settings, arguments).await,
        Command::Drift(arguments) => provision::run_drift(&cloud, &arguments).await,
        Command::Outputs(arguments) => provision::run_outputs(&cloud, &arguments).await,
        Command::Render(arguments) => provision::render(&arguments, &settings),
    }
}
