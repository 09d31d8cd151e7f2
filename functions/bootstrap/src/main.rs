//! The program of every function. One program is linked and packed once; Lambda says which function it is.

use std::io::{self, Write};
use std::process::ExitCode;

use lambda_runtime::Error;

/// Where Lambda puts the handler of the function's configuration, for custom runtimes as for its own
/// (Lambda's developer guide, "Defined runtime environment variables").
const HANDLER: &str = "_HANDLER";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let handler = std::env::var(HANDLER).unwrap_or_default();
    match run(&handler).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Lambda puts it into the function's log. There is nobody else to notify when it cannot be written.
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(handler: &str) -> Result<(), Error> {
    match handler {
        "deploy" => longshore_deploy::run().await,
        "notify" => longshore_notify::run().await,
        "provision" => longshore_provision::run().await,
        "sync" => longshore_sync::run().await,
        "watch" => longshore_watch::run().await,
        _ => Err(format!(
            "the handler {handler:?} is not one of deploy, notify, provision, sync, watch: \
             set one of them as the handler of the Lambda function"
        )
        .into()),
    }
}
