//! Single calls of services whose SDK crates are too large for a single call: EC2's takes minutes to
//! build, and one operation of it is needed.

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use longshore_rollout::ports::{CallError, ErrorClass};

use crate::error::{classify, unreadable};

const TIMEOUT: Duration = Duration::from_secs(15);

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
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .build()
            .map_err(|error| unsent(error.to_string()))?;
        let mut request = client.post(&url);
        for (name, value) in self.headers.iter().copied().chain(instructions.headers()) {
            request = request.header(name, value);
        }
        let answer = request
            .body(self.body.clone())
            .send()
            .await
            .map_err(|error| unsent(error.to_string()))?;
        let status = answer.status();
        let body = answer
            .text()
            .await
            .map_err(|error| unsent(error.to_string()))?;
        if status.is_success() {
            return Ok(body);
        }
        let (code, message) = code_and_message(&body);
        Err(CallError {
            operation: self.operation.to_owned(),
            class: match code.as_deref() {
                // EC2 has a code of its own for each kind of thing that is not there.
                Some(code) if code.ends_with(".NotFound") => ErrorClass::NotFound,
                code => classify(code, Some(status.as_u16()), &message),
            },
            code,
            message,
        })
    }
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
}
