//! Single calls of services whose SDK crates are too large for a single call: EC2's takes minutes to
//! build, and one operation of it is needed.

use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use longshore_state::{CallError, ErrorClass};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{classify, unreadable};
use crate::exchange::{Exchange, Unsuccessful};

/// A POST to the root of a service.
pub(crate) struct SignedCall<'a> {
    /// What is tried on which resource.
    pub operation: &'a str,
    /// The service, as hosts and signatures name it.
    pub service: &'a str,
    /// Headers besides those of the signature.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body.
    pub body: String,
}

impl SignedCall<'_> {
    /// Sends it with the configuration's region, credentials and endpoint, and gives the body of the
    /// answer. `code_and_message` finds both in the body of an error.
    pub(crate) async fn send(
        self,
        configuration: &SdkConfig,
        code_and_message: impl FnOnce(&str) -> (Option<String>, String),
    ) -> Result<String, CallError> {
        let unsent = |message: String| unreadable(self.operation, message);
        let region = configuration
            .region()
            .ok_or_else(|| unsent("no region is configured: set AWS_REGION".to_owned()))?;
        let url = configuration.endpoint_url().map_or_else(
            || default_endpoint(self.service, region.as_ref()),
            |endpoint| format!("{}/", endpoint.trim_end_matches('/')),
        );
        let credentials = configuration
            .credentials_provider()
            .ok_or_else(|| unsent("no credentials are configured".to_owned()))?
            .provide_credentials()
            .await
            .map_err(|error| unsent(format!("no credentials: {error}")))?;
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let identity = credentials.into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(region.as_ref())
            .name(self.service)
            .time(SystemTime::now())
            .settings(settings)
            .build()
            .map_err(|error| unsent(error.to_string()))?
            .into();
        let signable = SignableRequest::new(
            "POST",
            &url,
            self.headers.iter().copied(),
            SignableBody::Bytes(self.body.as_bytes()),
        )
        .map_err(|error| unsent(error.to_string()))?;
        let (instructions, _) = sign(signable, &parameters)
            .map_err(|error| unsent(error.to_string()))?
            .into_parts();
        let headers = self
            .headers
            .iter()
            .copied()
            .chain(instructions.headers())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let exchange = Exchange {
            method: "POST",
            url,
            headers,
            body: self.body,
        };
        let (status, body) = match exchange.send(configuration).await {
            Ok(body) => {
                return String::from_utf8(body)
                    .map_err(|error| unreadable(self.operation, error.to_string()));
            }
            Err(Unsuccessful::Unanswered(message)) => {
                return Err(unreadable(self.operation, message));
            }
            Err(Unsuccessful::Refused { status, body }) => {
                (status, String::from_utf8_lossy(&body).into_owned())
            }
        };
        let (code, message) = code_and_message(&body);
        Err(CallError {
            operation: self.operation.to_owned(),
            class: match code.as_deref() {
                // EC2 has a code of its own for each kind of thing that is not there.
                Some(code) if code.ends_with(".NotFound") => ErrorClass::NotFound,
                code => classify(code, Some(status), &message),
            },
            code,
            message,
        })
    }
}

/// Calls an operation of a service that speaks JSON: `target` is `<service>.<operation>`, as `X-Amz-Target`
/// has it.
pub(crate) async fn json_call<T: DeserializeOwned>(
    configuration: &SdkConfig,
    operation: &str,
    service: &str,
    target: &str,
    request: &Value,
) -> Result<T, CallError> {
    let answer = SignedCall {
        operation,
        service,
        headers: &[
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-target", target),
        ],
        body: request.to_string(),
    }
    .send(configuration, json_error)
    .await?;
    serde_json::from_str(&answer).map_err(|error| unreadable(operation, error.to_string()))
}

/// The code and the message of an error in the JSON of AWS's services.
fn json_error(body: &str) -> (Option<String>, String) {
    let error: Value = serde_json::from_str(body).unwrap_or_default();
    let code = error["__type"]
        .as_str()
        .and_then(|name| name.rsplit('#').next())
        .map(str::to_owned);
    let message = error["message"].as_str().or(error["Message"].as_str());
    (code, message.unwrap_or(body).to_owned())
}

/// The endpoints of AWS's partitions: the AWS General Reference, "AWS service endpoints".
fn default_endpoint(service: &str, region: &str) -> String {
    let suffix = if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    };
    format!("https://{service}.{region}.{suffix}/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_has_its_own_endpoints() {
        assert_eq!(
            default_endpoint("ec2", "eu-west-1"),
            "https://ec2.eu-west-1.amazonaws.com/"
        );
        assert_eq!(
            default_endpoint("ec2", "cn-north-1"),
            "https://ec2.cn-north-1.amazonaws.com.cn/"
        );
    }

    #[test]
    fn an_error_in_json_keeps_its_code_and_its_message() {
        let (code, message) = json_error(
            r#"{"__type": "com.amazonaws#AccessDeniedException", "message": "not authorized"}"#,
        );
        assert_eq!(code.as_deref(), Some("AccessDeniedException"));
        assert_eq!(message, "not authorized");
    }
}
