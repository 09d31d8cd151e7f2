//! The program of every function and of the bottles' task, which is linked once. Lambda says which function it is; where
//! nobody says so, it is the task.

use std::io::{self, Write};
use std::process::ExitCode;

use lambda_runtime::Error;
use tokio::runtime::Builder;

/// Where Lambda puts the handler of the function's configuration, for custom runtimes as for its own
/// (Lambda's developer guide, "Defined runtime environment variables").
const HANDLER: &str = "_HANDLER";

fn main() -> ExitCode {
    let outcome = match std::env::var(HANDLER) {
        Ok(handler) => serve(&handler).map(|()| ExitCode::SUCCESS),
        // ECS starts the task, and sets none.
        Err(_) => longshore_bottle_sync::run(std::env::args().skip(1))
            .map_err(|error| format!("{error:#}").into()),
    };
    outcome.unwrap_or_else(|error| {
        // Lambda and ECS put it into the log. There is nobody else to notify when it cannot be written.
        let _ = writeln!(io::stderr(), "error: {error}");
        ExitCode::FAILURE
    })
}

/// Serves a function's invocations, one after the other, on this thread.
fn serve(handler: &str) -> Result<(), Error> {
    Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(run(handler))
}

async fn run(handler: &str) -> Result<(), Error> {
    match handler {
        "deploy" => longshore_deploy::run().await,
        "notify" => longshore_notify::run().await,
        "press" => longshore_press::run().await,
        "provision" => longshore_provision::run().await,
        "sync" => longshore_sync::run().await,
        "watch" => longshore_watch::run().await,
        _ => Err(format!(
            "the handler {handler:?} is not one of deploy, notify, press, provision, sync, watch: \
             set one of them as the handler of the Lambda function"
        )
        .into()),
    }
}
