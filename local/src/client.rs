//! A small AWS client of our own: signs with SigV4 and speaks the protocols as they are. It is the independent eye
//! of the demo and of the end-to-end tests, so it shares nothing with the functions, and it retries nothing: what
//! it reports is what was answered.

use std::fmt::Write as _;
use std::io::Read as _;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials as SignerCredentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};
use thiserror::Error;
use ureq::http::{Method, Request};

/// The largest answer that is read, in bytes.
const ANSWER_LIMIT: u64 = 64 * 1024 * 1024;
/// How much of an object is read at once, in bytes.
const PIECE_BYTES: usize = 256 * 1024;

/// Access keys.
#[derive(Clone)]
pub struct Credentials {
    pub access_key_id: String,
    pub secret_access_key: String,
    /// The token of temporary credentials.
    pub session_token: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

/// A service that speaks one of AWS's JSON protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonService {
    /// Elastic Container Registry.
    Ecr,
    /// Elastic Container Service.
    Ecs,
    /// EventBridge.
    Events,
    /// CloudWatch Logs.
    Logs,
    SecretsManager,
    /// Simple Queue Service.
    Sqs,
}

impl JsonService {
    /// The name in a signature, the prefix of `X-Amz-Target`, and the version of the protocol.
    fn facts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Ecr => ("ecr", "AmazonEC2ContainerRegistry_V20150921", "1.1"),
            Self::Ecs => ("ecs", "AmazonEC2ContainerServiceV20141113", "1.1"),
            Self::Events => ("events", "AWSEvents", "1.1"),
            Self::Logs => ("logs", "Logs_20140328", "1.1"),
            Self::SecretsManager => ("secretsmanager", "secretsmanager", "1.1"),
            Self::Sqs => ("sqs", "AmazonSQS", "1.0"),
        }
    }
}

/// A service that speaks AWS's query protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryService {
    CloudFormation,
    /// Elastic Compute Cloud, whose protocol differs from the others' in lists only.
    Ec2,
    /// Identity and Access Management.
    Iam,
    /// Security Token Service.
    Sts,
}

impl QueryService {
    /// The name in a signature and the version of the API.
    fn facts(self) -> (&'static str, &'static str) {
        match self {
            Self::CloudFormation => ("cloudformation", "2010-05-15"),
            Self::Ec2 => ("ec2", "2016-11-15"),
            Self::Iam => ("iam", "2010-05-08"),
            Self::Sts => ("sts", "2011-06-15"),
        }
    }
}

/// Why a call has no answer.
#[derive(Debug, Error)]
pub enum CallError {
    /// The service answered with an error.
    #[error("{call} was refused with status {status}: {code}: {message}")]
    Refused {
        /// The service and the operation.
        call: String,
        /// The status of the answer.
        status: u16,
        /// AWS's name of the error, such as `AccessDeniedException`.
        code: String,
        /// What AWS said.
        message: String,
    },
    /// The call did not get through.
    #[error("{call} got no answer")]
    Transport {
        /// The service and the operation.
        call: String,
        /// What happened.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl CallError {
    /// AWS's name of the error, when AWS answered.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            Self::Transport { .. } => None,
        }
    }

    /// Whether the caller's policies did not allow the call. Each protocol has its own name for it.
    #[must_use]
    pub fn is_access_denied(&self) -> bool {
        matches!(self.code(), Some("AccessDenied" | "AccessDeniedException"))
    }
}

/// An answer of a REST service.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The headers of the answer.
    pub headers: ureq::http::HeaderMap,
    /// The body of the answer.
    pub body: String,
}

impl Answer {
    /// A header's value, when it is there.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// An object's content as it was read, piece by piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// How many bytes came.
    pub size: u64,
    /// The SHA-256 of them, as hexadecimal digits.
    pub sha256: String,
    /// The `Content-Type` header.
    pub content_type: Option<String>,
    /// The `Content-Length` header.
    pub content_length: Option<u64>,
}

/// An object as a listing has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    pub key: String,
    /// Its bytes.
    pub size: u64,
}

#[derive(Debug, Clone)]
pub struct Client {
    agent: ureq::Agent,
    endpoint: String,
    region: String,
    credentials: Credentials,
}

impl Client {
    /// A client of the AWS APIs at `endpoint`.
    #[must_use]
    pub fn new(endpoint: &str, region: &str, credentials: Credentials) -> Self {
        Self {
            agent: ureq::Agent::config_builder()
                .timeout_global(Some(Duration::from_secs(60)))
                .proxy(None)
                .http_status_as_error(false)
                .build()
                .into(),
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            region: region.to_owned(),
            credentials,
        }
    }

    /// The same client for somebody else.
    #[must_use]
    pub fn with_credentials(&self, credentials: Credentials) -> Self {
        Self {
            credentials,
            ..self.clone()
        }
    }

    /// One call of a service with a JSON protocol, such as `("ecs", "DescribeServices")`.
    ///
    /// # Errors
    /// When the call is refused or gets no answer.
    pub fn json(
        &self,
        service: JsonService,
        operation: &str,
        body: &Value,
    ) -> Result<Value, CallError> {
        let (name, target, version) = service.facts();
        let call = Call {
            service: name,
            operation,
            method: Method::POST,
            path: "/",
            headers: &[
                ("content-type", &format!("application/x-amz-json-{version}")),
                ("x-amz-target", &format!("{target}.{operation}")),
            ],
            body: body.to_string().into_bytes(),
        };
        let answer = self.send(&call)?;
        parse_json(&call, &answer.body)
    }

    /// One call of a service with the query protocol; answers the XML, for [`element`].
    ///
    /// # Errors
    /// When the call is refused or gets no answer.
    pub fn query(
        &self,
        service: QueryService,
        operation: &str,
        parameters: &[(&str, &str)],
    ) -> Result<String, CallError> {
        let (name, version) = service.facts();
        let mut body = format!("Action={operation}&Version={version}");
        for (parameter, value) in parameters {
            body.push('&');
            body.push_str(&percent_encoded(parameter, false));
            body.push('=');
            body.push_str(&percent_encoded(value, false));
        }
        let call = Call {
            service: name,
            operation,
            method: Method::POST,
            path: "/",
            headers: &[("content-type", "application/x-www-form-urlencoded")],
            body: body.into_bytes(),
        };
        Ok(self.send(&call)?.body)
    }

    /// Puts an object into S3; answers its headers. With a checksum, as every client of AWS's sends one: S3 keeps it, and
    /// whoever reads the object notices an answer that was damaged on its way.
    ///
    /// # Errors
    /// When the call is refused or gets no answer.
    pub fn put_object(&self, bucket: &str, key: &str, content: &str) -> Result<Answer, CallError> {
        let checksum = STANDARD.encode(Sha256::digest(content));
        self.object(
            "PutObject",
            Method::PUT,
            bucket,
            key,
            &[
                ("x-amz-sdk-checksum-algorithm", "SHA256"),
                ("x-amz-checksum-sha256", &checksum),
            ],
            content.as_bytes().to_vec(),
        )
    }

    /// An object of S3; `None` when there is none.
    ///
    /// # Errors
    /// When the call is refused or gets no answer.
    pub fn get_object(&self, bucket: &str, key: &str) -> Result<Option<String>, CallError> {
        match self.object("GetObject", Method::GET, bucket, key, &[], Vec::new()) {
            Ok(answer) => Ok(Some(answer.body)),
            Err(error) if error.code() == Some("NoSuchKey") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Asks a bucket for a path as it stands in a request, percent-encoded or not, as a client of a mirror does; reads
    /// what comes to its end, and keeps its digest only. `None` when there is no such object.
    ///
    /// # Errors
    /// When the call is refused or gets no answer, or the answer ends early.
    pub fn read_path(
        &self,
        method: Method,
        bucket: &str,
        path: &str,
    ) -> Result<Option<Content>, CallError> {
        let call = Call {
            service: "s3",
            operation: "GetObject",
            method,
            path: &format!("/{bucket}/{path}"),
            headers: &[],
            body: Vec::new(),
        };
        let mut answer = match self.answered(&call) {
            Ok(answer) => answer,
            // The answer to HEAD has no body that names the error.
            Err(CallError::Refused { status: 404, .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let header = |name| {
            let value = answer.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        let content_type = header("content-type");
        let content_length = header("content-length").and_then(|length| length.parse().ok());
        let mut hasher = Sha256::new();
        let mut size = 0;
        let mut reader = answer.body_mut().as_reader();
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let read = reader
                .read(&mut piece)
                .map_err(|error| CallError::Transport {
                    call: call.name(),
                    source: error.into(),
                })?;
            if read == 0 {
                break;
            }
            hasher.update(&piece[..read]);
            size += read as u64;
        }
        Ok(Some(Content {
            size,
            sha256: hex::encode(hasher.finalize()),
            content_type,
            content_length,
        }))
    }

    /// Every object of a bucket, in the order of the keys.
    ///
    /// # Errors
    /// When the call is refused or gets no answer.
    pub fn list_objects(&self, bucket: &str) -> Result<Vec<ListedObject>, CallError> {
        let mut objects = Vec::new();
        let mut after = String::new();
        loop {
            let answer = self.s3(
                "ListObjectsV2",
                Method::GET,
                &format!(
                    "/{bucket}?list-type=2&start-after={}",
                    percent_encoded(&after, false)
                ),
                "",
            )?;
            for listed in answer.body.split("<Contents>").skip(1) {
                let key = element(listed, "Key").unwrap_or_default();
                let size = element(listed, "Size").and_then(|size| size.parse().ok());
                after.clone_from(&key);
                objects.push(ListedObject {
                    key,
                    size: size.unwrap_or_default(),
                });
            }
            if element(&answer.body, "IsTruncated").as_deref() != Some("true") {
                return Ok(objects);
            }
        }
    }

    /// One call of S3's, such as `PUT /bucket?notification`.
    ///
    /// # Errors
    /// When the call is refused or gets no answer.
    pub fn s3(
        &self,
        operation: &str,
        method: Method,
        path: &str,
        body: &str,
    ) -> Result<Answer, CallError> {
        self.send(&Call {
            service: "s3",
            operation,
            method,
            path,
            headers: &[],
            body: body.as_bytes().to_vec(),
        })
    }

    /// Deletes an object of S3.
    ///
    /// # Errors
    /// When the call is refused or gets no answer.
    pub fn delete_object(&self, bucket: &str, key: &str) -> Result<(), CallError> {
        self.object("DeleteObject", Method::DELETE, bucket, key, &[], Vec::new())
            .map(drop)
    }

    fn object(
        &self,
        operation: &str,
        method: Method,
        bucket: &str,
        key: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Answer, CallError> {
        self.send(&Call {
            service: "s3",
            operation,
            method,
            path: &format!("/{bucket}/{}", percent_encoded(key, true)),
            headers,
            body,
        })
    }

    /// Invokes a Lambda function and waits for its answer: its payload, or the error that it answered.
    ///
    /// # Errors
    /// When the call is refused or gets no answer.
    pub fn invoke(
        &self,
        function: &str,
        payload: &Value,
    ) -> Result<Result<Value, Value>, CallError> {
        let call = Call {
            service: "lambda",
            operation: "Invoke",
            method: Method::POST,
            path: &format!("/2015-03-31/functions/{function}/invocations"),
            headers: &[("content-type", "application/json")],
            body: payload.to_string().into_bytes(),
        };
        let answer = self.send(&call)?;
        let value = parse_json(&call, &answer.body)?;
        Ok(match answer.header("x-amz-function-error") {
            Some(_) => Err(value),
            None => Ok(value),
        })
    }

    /// Gives an event to a function without waiting for what comes of it.
    ///
    /// # Errors
    /// When the call is refused or gets no answer.
    pub fn invoke_later(&self, function: &str, event: &Value) -> Result<(), CallError> {
        self.send(&Call {
            service: "lambda",
            operation: "Invoke",
            method: Method::POST,
            path: &format!("/2015-03-31/functions/{function}/invocations"),
            headers: &[
                ("content-type", "application/json"),
                ("x-amz-invocation-type", "Event"),
            ],
            body: event.to_string().into_bytes(),
        })
        .map(drop)
    }

    /// One call of Lambda's own API, such as `POST /2015-03-31/functions`.
    ///
    /// # Errors
    /// When the call is refused or gets no answer.
    pub fn lambda(
        &self,
        operation: &str,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Answer, CallError> {
        self.send(&Call {
            service: "lambda",
            operation,
            method,
            path,
            headers: &[("content-type", "application/json")],
            body: if body.is_null() {
                Vec::new()
            } else {
                body.to_string().into_bytes()
            },
        })
    }

    fn send(&self, call: &Call<'_>) -> Result<Answer, CallError> {
        let mut answer = self.answered(call)?;
        Ok(Answer {
            headers: answer.headers().clone(),
            body: read_body(call, &mut answer)?,
        })
    }

    /// An answer of success whose body was not read yet.
    fn answered(&self, call: &Call<'_>) -> Result<ureq::http::Response<ureq::Body>, CallError> {
        let request = self.signed(call)?;
        let mut answer = self
            .agent
            .run(request)
            .map_err(|error| CallError::Transport {
                call: call.name(),
                source: error.into(),
            })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body = read_body(call, &mut answer)?;
        let (code, message) = read_error(answer.headers(), &body);
        Err(CallError::Refused {
            call: call.name(),
            status: status.as_u16(),
            code,
            message,
        })
    }

    fn signed(&self, call: &Call<'_>) -> Result<Request<Vec<u8>>, CallError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| CallError::Transport {
            call: call.name(),
            source,
        };
        let mut builder = Request::builder()
            .method(call.method.clone())
            .uri(format!("{}{}", self.endpoint, call.path));
        for (name, value) in call.headers {
            builder = builder.header(*name, *value);
        }
        let mut request = builder
            .body(call.body.clone())
            .map_err(|error| failed(error.into()))?;

        let identity = SignerCredentials::new(
            &self.credentials.access_key_id,
            &self.credentials.secret_access_key,
            self.credentials.session_token.clone(),
            None,
            "longshore-local",
        )
        .into();
        let mut settings = SigningSettings::default();
        if call.service == "s3" {
            // S3 signs a key as it is sent, and wants the body's digest in a header.
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(call.service)
            .time(SystemTime::now())
            .settings(settings)
            .build()
            .map_err(|error| failed(error.into()))?
            .into();
        let uri = request.uri().to_string();
        let signable = SignableRequest::new(
            call.method.as_str(),
            &uri,
            call.headers.iter().copied(),
            SignableBody::Bytes(&call.body),
        )
        .map_err(|error| failed(error.into()))?;
        let (instructions, _) = sign(signable, &parameters)
            .map_err(|error| failed(error.into()))?
            .into_parts();
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }
}

struct Call<'call> {
    service: &'static str,
    operation: &'call str,
    method: Method,
    path: &'call str,
    headers: &'call [(&'call str, &'call str)],
    body: Vec<u8>,
}

impl Call<'_> {
    fn name(&self) -> String {
        format!("{}:{}", self.service, self.operation)
    }
}

fn read_body(
    call: &Call<'_>,
    answer: &mut ureq::http::Response<ureq::Body>,
) -> Result<String, CallError> {
    answer
        .body_mut()
        .with_config()
        .limit(ANSWER_LIMIT)
        .read_to_string()
        .map_err(|error| CallError::Transport {
            call: call.name(),
            source: error.into(),
        })
}

fn parse_json(call: &Call<'_>, body: &str) -> Result<Value, CallError> {
    let body = if body.is_empty() { "null" } else { body };
    serde_json::from_str(body).map_err(|error| CallError::Transport {
        call: call.name(),
        source: error.into(),
    })
}

/// An error's code and message, from JSON or XML, as each protocol writes them.
fn read_error(headers: &ureq::http::HeaderMap, body: &str) -> (String, String) {
    if let Ok(json) = serde_json::from_str::<Value>(body) {
        let code = headers
            .get("x-amzn-errortype")
            .and_then(|value| value.to_str().ok())
            .or_else(|| json["__type"].as_str())
            .unwrap_or("unknown error");
        // Seen on AWS: `namespace#Code` and `Code:http://address`.
        let code = code.rsplit('#').next().unwrap_or(code);
        let code = code.split(':').next().unwrap_or(code);
        let message = json["message"]
            .as_str()
            .or_else(|| json["Message"].as_str())
            .unwrap_or(body);
        return (code.to_owned(), message.to_owned());
    }
    (
        element(body, "Code").unwrap_or_else(|| "unknown error".to_owned()),
        element(body, "Message").unwrap_or_else(|| body.to_owned()),
    )
}

/// The text of the first element with this name in an XML answer. AWS's answers have no attributes that matter.
#[must_use]
pub fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(
        text.replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&#34;", "\"")
            .replace("&#39;", "'")
            .replace("&amp;", "&"),
    )
}

/// Percent-encodes all but RFC 3986's unreserved characters, and `/` where it stays a separator.
#[must_use]
pub fn percent_encoded(text: &str, keep_slash: bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || (keep_slash && byte == b'/') {
            encoded.push(char::from(byte));
        } else if write!(encoded, "%{byte:02X}").is_err() {
            unreachable!("writing to a string does not fail");
        }
    }
    encoded
}

/// The reverse of percent-encoding, for documents that IAM answers encoded.
#[must_use]
pub fn percent_decoded(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let code = (byte == b'%')
            .then(|| after.get(..2))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let Some(code) = code {
            decoded.push(code);
            rest = &after[2..];
        } else {
            decoded.push(byte);
            rest = after;
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_encoded_byte_by_byte_and_keeps_its_separators() {
        let key = "releases/shop/api+é@1.json";
        assert_eq!(
            percent_encoded(key, true),
            "releases/shop/api%2B%C3%A9%401.json"
        );
        assert_eq!(percent_decoded(&percent_encoded(key, false)), key);
        assert_eq!(percent_decoded("100% %4"), "100% %4");
    }

    #[test]
    fn errors_of_both_protocols_are_read() {
        let none = ureq::http::HeaderMap::new();
        let json = r#"{"__type":"com.amazonaws.ecs#AccessDeniedException","Message":"no"}"#;
        assert_eq!(
            read_error(&none, json),
            ("AccessDeniedException".to_owned(), "no".to_owned())
        );
        let xml = "<Error><Code>NoSuchKey</Code><Message>it&apos;s &lt;gone&gt;</Message></Error>";
        assert_eq!(read_error(&none, xml).0, "NoSuchKey");
    }

    #[test]
    fn credentials_do_not_show_their_secret() {
        let credentials = Credentials {
            access_key_id: "AKIA".to_owned(),
            secret_access_key: "hidden".to_owned(),
            session_token: Some("hidden".to_owned()),
        };
        assert_eq!(
            format!("{credentials:?}"),
            "Credentials { access_key_id: \"AKIA\", .. }"
        );
    }
}
