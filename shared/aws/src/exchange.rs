//! Plain HTTP with the SDK's own client, for what none of its crates that are here can ask: the connections,
//! time limits and retries are those of every other call.

use std::fmt;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_runtime::retries::classifiers::AwsErrorCodeClassifier;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime::client::retries::classifiers::{
    HttpStatusCodeClassifier, TransientErrorClassifier,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::error::with_causes;

/// The code and the message in the body of a refusal.
pub(crate) type ReadError = fn(&str) -> (Option<String>, String);

/// A request.
#[derive(Clone)]
pub(crate) struct Exchange {
    /// `GET`, `POST`.
    pub method: &'static str,
    /// The whole URL. It may carry a signature, so it is shown nowhere.
    pub url: String,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// How a refusal is read: some are tried again for their code.
    pub read_error: ReadError,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Exchange")
    }
}

/// Why there is no answer with a status of success.
#[derive(Debug)]
pub(crate) enum Unsuccessful {
    /// There is one with another status.
    Refused {
        /// The status.
        status: u16,
        /// The service's word for it.
        code: Option<String>,
        /// What it says of it.
        message: String,
    },
    /// There is none.
    Unanswered(String),
}

/// An answer with another status than success, on its way through the SDK.
#[derive(Debug, thiserror::Error)]
#[error("the answer has another status than success")]
struct NoSuccess(ErrorMetadata);

impl ProvideErrorMetadata for NoSuccess {
    fn meta(&self) -> &ErrorMetadata {
        &self.0
    }
}

impl Exchange {
    /// Sends it, and gives the body of the answer. That is held in memory.
    pub(crate) async fn send(self, configuration: &SdkConfig) -> Result<Vec<u8>, Unsuccessful> {
        let unsent = |message: &str| Unsuccessful::Unanswered(message.to_owned());
        let (origin, path) = origin_and_path(&self.url)
            .ok_or_else(|| unsent("the URL has neither http nor https as its scheme"))?;
        let path = path.to_owned();
        let mut operation = Operation::builder()
            .service_name("longshore")
            .operation_name("exchange")
            .behavior_version(BehaviorVersion::v2026_01_12())
            .endpoint_url(origin)
            .no_auth()
            .retry_classifier(HttpStatusCodeClassifier::default())
            .retry_classifier(TransientErrorClassifier::<NoSuccess>::new())
            .retry_classifier(AwsErrorCodeClassifier::<NoSuccess>::new());
        if let Some(client) = configuration.http_client() {
            operation = operation.http_client(client);
        }
        if let Some(retries) = configuration.retry_config() {
            operation = operation.standard_retry(retries);
        }
        if let Some(timeouts) = configuration.timeout_config() {
            operation = operation.timeout_config(timeouts.clone());
        }
        let read_error = self.read_error;
        let answer = operation
            .serializer(move |exchange: Self| {
                let mut request = HttpRequest::new(SdkBody::from(exchange.body));
                request.set_method(exchange.method)?;
                request.set_uri(path.as_str())?;
                for (name, value) in exchange.headers {
                    request.headers_mut().try_insert(name, value)?;
                }
                Ok(request)
            })
            .deserializer(move |response: &HttpResponse| {
                let body = response.body().bytes().unwrap_or_default();
                if response.status().is_success() {
                    return Ok(body.to_vec());
                }
                let (code, message) = read_error(&String::from_utf8_lossy(body));
                let mut error = ErrorMetadata::builder().message(message);
                if let Some(code) = code {
                    error = error.code(code);
                }
                Err(OrchestratorError::operation(NoSuccess(error.build())))
            })
            .build()
            .invoke(self.clone())
            .await;
        answer.map_err(|error| match &error {
            SdkError::ServiceError(refused) => Unsuccessful::Refused {
                status: refused.raw().status().as_u16(),
                code: refused.err().code().map(str::to_owned),
                message: refused.err().message().unwrap_or_default().to_owned(),
            },
            _ => Unsuccessful::Unanswered(with_causes(&error)),
        })
    }
}

/// `https://host:port`, and what follows it.
fn origin_and_path(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    if !matches!(scheme, "http" | "https") {
        return None;
    }
    let path = rest.find(['/', '?']).unwrap_or(rest.len());
    Some(url.split_at(scheme.len() + "://".len() + path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_where_its_path_begins() {
        let cases = [
            (
                "https://a.example/b?c=d/e",
                ("https://a.example", "/b?c=d/e"),
            ),
            ("http://127.0.0.1:4566/", ("http://127.0.0.1:4566", "/")),
            ("https://a.example", ("https://a.example", "")),
            ("https://a.example?b=c", ("https://a.example", "?b=c")),
        ];
        for (url, expected) in cases {
            assert_eq!(origin_and_path(url), Some(expected));
        }
        assert_eq!(origin_and_path("file:///etc/hosts"), None);
    }
}
