//! AWS as the SDK's HTTP client meets it: answers from a function, requests kept.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use longshore_aws::AwsCloud;
use serde_json::{Map, Value, json};

pub const NO_SUCH_KEY: &str = "<Error><Code>NoSuchKey</Code><Message>none</Message></Error>";

/// Every request, a line each in the form in which the emulator records them, for `tests/judges`. It begins anew with
/// each run of these tests.
static RECORDING: LazyLock<Mutex<File>> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wire.jsonl");
    Mutex::new(File::create(path).unwrap())
});

/// Keeps a request; `resource` is its path and query.
pub fn record<'a>(
    method: &str,
    resource: &str,
    headers: impl Iterator<Item = (&'a str, &'a str)>,
    body: &str,
) {
    let (path, query) = resource.split_once('?').unwrap_or((resource, ""));
    let headers: Map<String, Value> = headers
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .collect();
    let line = json!({
        "method": method, "path": path, "query": query, "headers": headers, "body": body,
    });
    writeln!(RECORDING.lock().unwrap(), "{line}").unwrap();
}

/// Who asks, as AWS's SDKs say it.
pub const APPLICATION: &str = "who-asks";

/// A request as AWS would have got it.
#[derive(Debug, Clone)]
pub struct Call {
    /// `GET /routes/...`, or the operation of a service that has them in a header or in a form.
    pub name: String,
    /// What follows the path.
    pub query: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Call {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

pub type Answer = (u16, String);

/// Answers requests from a function, and keeps them.
#[derive(Clone)]
pub struct Wire {
    calls: Arc<Mutex<Vec<Call>>>,
    answer: Arc<dyn Fn(&Call) -> Answer + Send + Sync>,
    delay: Arc<dyn Fn(&Call) -> Duration + Send + Sync>,
    headers: Vec<(&'static str, &'static str)>,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Wire")
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let uri = request.uri().to_owned();
        let resource = uri
            .split_once("://")
            .and_then(|(_, rest)| rest.split_once('/'))
            .map_or("", |(_, path)| path);
        let (path, query) = resource.split_once('?').unwrap_or((resource, ""));
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        let form = body
            .strip_prefix("Action=")
            .and_then(|form| form.split_once('&'));
        let name = match (request.headers().get("x-amz-target"), form) {
            (Some(target), _) => target.rsplit('.').next().unwrap_or_default().to_owned(),
            (None, Some((action, _))) => action.to_owned(),
            (None, None) => format!("{} /{path}", request.method()),
        };
        let call = Call {
            name,
            query: query.to_owned(),
            headers: request
                .headers()
                .iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            body,
        };
        record(
            request.method(),
            &format!("/{resource}"),
            request.headers().iter(),
            &call.body,
        );
        let (status, body) = (self.answer)(&call);
        let delay = (self.delay)(&call);
        self.calls.lock().unwrap().push(call);
        let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
        for (name, value) in &self.headers {
            response.headers_mut().insert(*name, *value);
        }
        if delay.is_zero() {
            return HttpConnectorFuture::ready(Ok(response));
        }
        HttpConnectorFuture::new(async move {
            tokio::time::sleep(delay).await;
            Ok(response)
        })
    }
}

impl Wire {
    pub fn new(answer: impl Fn(&Call) -> Answer + Send + Sync + 'static) -> Self {
        Self {
            calls: Arc::default(),
            answer: Arc::new(answer),
            delay: Arc::new(|_| Duration::ZERO),
            headers: vec![("etag", "\"e1\"")],
        }
    }

    /// With a header in every answer.
    pub fn with_header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    /// What a request asks for is done at once, and the answer takes this long.
    pub fn delayed(mut self, delay: impl Fn(&Call) -> Duration + Send + Sync + 'static) -> Self {
        self.delay = Arc::new(delay);
        self
    }

    /// Every call is sent once.
    pub fn cloud(&self) -> AwsCloud {
        self.cloud_with(RetryConfig::disabled(), TimeoutConfig::disabled())
    }

    /// Calls are tried again as they are on AWS.
    pub fn patient_cloud(&self) -> AwsCloud {
        self.cloud_with(longshore_aws::retries(), longshore_aws::timeouts())
    }

    fn cloud_with(&self, retries: RetryConfig, timeouts: TimeoutConfig) -> AwsCloud {
        let wire = self.clone();
        let client: SharedHttpClient =
            http_client_fn(move |_: &HttpConnectorSettings, _: &RuntimeComponents| {
                SharedHttpConnector::new(wire.clone())
            });
        let configuration = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-west-1"))
            .app_name(AppName::new(APPLICATION).unwrap())
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "AKIDEXAMPLE",
                "secret",
                None,
                None,
                "test",
            )))
            .endpoint_url("http://127.0.0.1:1")
            .http_client(client)
            .retry_config(retries)
            .timeout_config(timeouts)
            .build();
        AwsCloud::new(&configuration, "state", "longshore")
    }

    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    pub fn names(&self) -> Vec<String> {
        self.calls().into_iter().map(|call| call.name).collect()
    }
}

pub fn ok(answer: &Value) -> Answer {
    (200, answer.to_string())
}
