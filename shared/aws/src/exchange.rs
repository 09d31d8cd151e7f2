//! Plain HTTP with the SDK's own client, for what none of its crates that are here can ask: the connections,
//! time limits and retries are those of every other call.

use std::fmt;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_runtime::auth::{SigV4OperationSigningConfig, sigv4};
use aws_runtime::retries::classifiers::AwsErrorCodeClassifier;
use aws_runtime::service_clock_skew::{ServiceClockSkewClassifier, ServiceClockSkewInterceptor};
use aws_runtime::user_agent::{ApiMetadata, UserAgentInterceptor};
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime::client::retries::classifiers::{
    HttpStatusCodeClassifier, TransientErrorClassifier,
};
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::auth::{
    AuthSchemeOptionResolverParams, SharedAuthScheme, SharedAuthSchemeOptionResolver,
};
use aws_smithy_runtime_api::client::identity::SharedIdentityResolver;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::Layer;
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::error::with_causes;

/// The code and the message in the body of a refusal.
pub(crate) type ReadError = fn(&str) -> (Option<String>, String);

/// A request.
pub(crate) struct Exchange {
    /// `GET`, `POST`.
    pub method: &'static str,
    /// The whole URL. It may carry a signature, so it is shown nowhere.
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// How a refusal is read: some are tried again for their code.
    pub read_error: ReadError,
    /// The service that the request is signed for, as signatures name it; `None` for one without a signature.
    pub signed_for: Option<&'static str>,
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
            .retry_classifier(HttpStatusCodeClassifier::default())
            .retry_classifier(TransientErrorClassifier::<NoSuccess>::new())
            .retry_classifier(AwsErrorCodeClassifier::<NoSuccess>::new());
        operation = match self.signed_for {
            None => operation.no_auth(),
            Some(service) => operation
                .retry_classifier(ServiceClockSkewClassifier::<NoSuccess>::new())
                .runtime_plugin(signature(configuration, service)?),
        };
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
            .invoke(self)
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

/// Signs each attempt, as the SDK's own clients do: with credentials from the configuration's cache, and at the time
/// that the service's clock shows. It says who asks, too, as they do, by which CloudTrail's readers tell callers apart.
fn signature(
    configuration: &SdkConfig,
    service: &'static str,
) -> Result<StaticRuntimePlugin, Unsuccessful> {
    let missing = |message: &str| Unsuccessful::Unanswered(message.to_owned());
    let region = configuration
        .region()
        .ok_or_else(|| missing("no region is configured: set AWS_REGION"))?;
    let credentials = configuration
        .credentials_provider()
        .ok_or_else(|| missing("no credentials are configured"))?;
    let mut layer = Layer::new("signature");
    layer.store_put(AuthSchemeOptionResolverParams::new(()));
    layer.store_put(ApiMetadata::new(service, env!("CARGO_PKG_VERSION")));
    if let Some(name) = configuration.app_name() {
        layer.store_put(name.clone());
    }
    layer.store_put(SigV4OperationSigningConfig {
        region: Some(region.clone().into()),
        region_set: None,
        name: Some(service.into()),
        signing_options: Default::default(),
    });
    let mut components = RuntimeComponentsBuilder::new("signature")
        .with_auth_scheme(SharedAuthScheme::new(sigv4::SigV4AuthScheme::new()))
        .with_interceptor(ServiceClockSkewInterceptor::new())
        .with_interceptor(UserAgentInterceptor::new());
    components.set_auth_scheme_option_resolver(Some(SharedAuthSchemeOptionResolver::new(
        StaticAuthSchemeOptionResolver::new(vec![sigv4::SCHEME_ID]),
    )));
    components.set_identity_resolver(sigv4::SCHEME_ID, SharedIdentityResolver::new(credentials));
    let cache = configuration.identity_cache();
    components.set_identity_cache(Some(cache.unwrap_or_else(|| IdentityCache::lazy().build())));
    Ok(StaticRuntimePlugin::new()
        .with_config(layer.freeze())
        .with_runtime_components(components))
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
