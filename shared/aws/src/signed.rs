//! Calls of services without their SDK crate: signed HTTP, in JSON or in the older form with answers in XML. A crate
//! of the SDK takes minutes to build, each time, and holds every operation of its service; Longshore needs one of EC2's
//! 800, and thirteen of CloudFormation's. The crates are used where uploads, checksums and retries need more than this.

use aws_config::SdkConfig;
use longshore_state::{CallError, ErrorClass, if_there};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::endpoint::endpoint;
use crate::error::{classify, unreadable};
use crate::exchange::{Exchange, ReadError, Unsuccessful};
use crate::xml;

/// A POST to the root of a service.
struct SignedCall<'a> {
    /// What is tried on which resource.
    operation: &'a str,
    /// The service, as signatures name it.
    service: &'static str,
    /// Headers besides those of the signature.
    headers: &'a [(&'a str, &'a str)],
    body: String,
    read_error: ReadError,
}

impl SignedCall<'_> {
    /// Sends it with the configuration's region, credentials and endpoint, and gives the body of the answer.
    async fn send(self, configuration: &SdkConfig) -> Result<String, CallError> {
        // Without a region there is no signature, which says so.
        let region = configuration
            .region()
            .map(AsRef::as_ref)
            .unwrap_or_default();
        let exchange = Exchange {
            method: "POST",
            url: endpoint(configuration, self.service, region),
            headers: self
                .headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            body: self.body,
            read_error: self.read_error,
            signed_for: Some(self.service),
        };
        let body = exchange.send(configuration).await;
        let body = body.map_err(|error| unsuccessful(self.operation, error))?;
        String::from_utf8(body).map_err(|error| unreadable(self.operation, error.to_string()))
    }
}

fn unsuccessful(operation: &str, error: Unsuccessful) -> CallError {
    match error {
        Unsuccessful::Unanswered(message) => unreadable(operation, message),
        Unsuccessful::Refused {
            status,
            code,
            message,
        } => CallError {
            operation: operation.to_owned(),
            class: classify(code.as_deref(), Some(status), &message),
            code,
            message,
        },
    }
}

/// A call of a service that has a path for each resource and speaks JSON, such as Lambda.
pub(crate) struct RestCall<'a> {
    /// What is tried on which resource.
    pub operation: &'a str,
    /// The service, as signatures name it.
    pub service: &'static str,
    /// `GET`, `POST`.
    pub method: &'static str,
    /// The path, without the slash that it begins with, and the query.
    pub path: &'a str,
    /// Headers besides those of the signature.
    pub headers: &'a [(&'a str, &'a str)],
    pub body: String,
}

impl RestCall<'_> {
    /// Sends it with the configuration's region, credentials and endpoint, and gives the body of the answer.
    pub(crate) async fn send(self, configuration: &SdkConfig) -> Result<Vec<u8>, CallError> {
        let region = configuration.region().map(AsRef::as_ref);
        let base = endpoint(configuration, self.service, region.unwrap_or_default());
        let headers = self.headers.iter();
        let exchange = Exchange {
            method: self.method,
            url: format!("{base}{}", self.path),
            headers: headers
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            body: self.body,
            read_error: json_error,
            signed_for: Some(self.service),
        };
        let answer = exchange.send(configuration).await;
        answer.map_err(|error| {
            // The path names the resource, so that its code may be left out.
            let is_missing = matches!(error, Unsuccessful::Refused { status: 404, .. });
            let mut error = unsuccessful(self.operation, error);
            if is_missing {
                error.class = ErrorClass::NotFound;
            }
            error
        })
    }
}

/// What a service shows at a path; `None` where nothing is there.
///
/// # Errors
/// [`CallError`].
pub(crate) async fn get<T: DeserializeOwned>(
    configuration: &SdkConfig,
    operation: &str,
    service: &'static str,
    path: &str,
) -> Result<Option<T>, CallError> {
    let call = RestCall {
        operation,
        service,
        method: "GET",
        path,
        headers: &[],
        body: String::new(),
    };
    let Some(body) = if_there(call.send(configuration).await)? else {
        return Ok(None);
    };
    let shown = serde_json::from_slice(&body);
    shown
        .map(Some)
        .map_err(|error| unreadable(operation, error.to_string()))
}

/// Calls an operation of a service that speaks JSON: `target` is `<service>.<operation>`, as `X-Amz-Target`
/// has it.
pub(crate) async fn json_call<T: DeserializeOwned>(
    configuration: &SdkConfig,
    operation: &str,
    service: &'static str,
    target: &str,
    request: &impl Serialize,
) -> Result<T, CallError> {
    // The AWS API models say which version of the protocol a service speaks.
    let content_type = match service {
        "sqs" => "application/x-amz-json-1.0",
        _ => "application/x-amz-json-1.1",
    };
    let body =
        serde_json::to_string(request).map_err(|error| unreadable(operation, error.to_string()))?;
    let answer = SignedCall {
        operation,
        service,
        headers: &[("content-type", content_type), ("x-amz-target", target)],
        body,
        read_error: json_error,
    }
    .send(configuration)
    .await?;
    // An operation without an answer has an empty body in version 1.0.
    let answer = if answer.is_empty() { "{}" } else { &answer };
    serde_json::from_str(answer).map_err(|error| unreadable(operation, error.to_string()))
}

/// The code and the message of an error in the JSON of AWS's services.
pub(crate) fn json_error(body: &str) -> (Option<String>, String) {
    let error: Value = serde_json::from_str(body).unwrap_or_default();
    let code = error["__type"]
        .as_str()
        .and_then(|name| name.rsplit('#').next())
        .map(str::to_owned);
    let message = error["message"].as_str().or(error["Message"].as_str());
    (code, message.unwrap_or(body).to_owned())
}

/// The request of an operation of a service that takes a form and answers in XML.
pub(crate) struct Query(form_urlencoded::Serializer<'static, String>);

impl Query {
    /// An operation, and the version of its API.
    pub(crate) fn new(action: &str, version: &str) -> Self {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", action);
        form.append_pair("Version", version);
        Self(form)
    }

    /// With a member; in a list it is `<list>.member.<number>`, from 1.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.0.append_pair(name, value);
        self
    }

    /// With a member, where there is a value.
    pub(crate) fn with_some(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    pub(crate) async fn send<T: DeserializeOwned>(
        mut self,
        configuration: &SdkConfig,
        operation: &str,
        service: &'static str,
    ) -> Result<T, CallError> {
        let answer = SignedCall {
            operation,
            service,
            headers: &[("content-type", "application/x-www-form-urlencoded")],
            body: self.0.finish(),
            read_error: xml::error,
        }
        .send(configuration)
        .await?;
        xml::read(&answer).map_err(|message| unreadable(operation, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_in_json_keeps_its_code_and_its_message() {
        let (code, message) = json_error(
            r#"{"__type": "com.amazonaws#AccessDeniedException", "message": "not authorized"}"#,
        );
        assert_eq!(code.as_deref(), Some("AccessDeniedException"));
        assert_eq!(message, "not authorized");
    }
}
