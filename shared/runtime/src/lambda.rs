//! Starting as a Lambda function.

use std::future::Future;
use std::time::{Duration, SystemTime};

use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use serde_json::Value;

/// What is known of an invocation besides its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Lambda's id of the request: retries of one asynchronous invocation share it.
    pub request_id: String,
    /// How long the invocation may still run.
    pub remaining: Duration,
}

/// An invocation that failed: Lambda tries an asynchronous one again, then keeps it in the
/// dead-letter queue; the caller of a synchronous one reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The kind of failure, as `errorType` in Lambda's answer.
    pub kind: &'static str,
    /// What failed on which resource and what to do, as `errorMessage` in Lambda's answer.
    pub message: String,
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Self {
            error_type: failure.kind.to_owned(),
            error_message: failure.message,
        }
    }
}

/// Handles invocations until Lambda ends the process. Lambda's runtime logs a failure, so nobody else
/// does.
///
/// # Errors
/// When Lambda's runtime API cannot be reached.
pub async fn run<H, F>(handle: H) -> Result<(), Error>
where
    H: Fn(Value, Invocation) -> F,
    F: Future<Output = Result<Value, Failure>>,
{
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| {
        let invocation = Invocation {
            request_id: event.context.request_id.clone(),
            remaining: event
                .context
                .deadline()
                .duration_since(SystemTime::now())
                .unwrap_or_default(),
        };
        // Boxed: the engine's futures nest deeper than the compiler lays out by default.
        let handled = Box::pin(handle(event.payload, invocation));
        async {
            handled.await.inspect_err(|failure| {
                tracing::error!(
                    kind = failure.kind,
                    error = failure.message,
                    "invocation failed"
                );
            })
        }
    }))
    .await
}
