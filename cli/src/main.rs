//! `longshore`: Longshore's operations for a person at a terminal.
//!
//! It does what the functions do, with the same code, and with the permissions of whoever runs it.

mod arguments;
mod deploy;
mod status;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use longshore_aws::AwsCloud;

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
    let cloud = AwsCloud::new(
        &longshore_aws::load_configuration().await,
        &arguments.state_bucket,
        &arguments.event_bus,
    );
    match arguments.command {
        Command::Deploy(arguments) => deploy::run(&cloud, arguments).await,
        Command::Status(arguments) => status::run(&cloud, &arguments).await,
    }
}
