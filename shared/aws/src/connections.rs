//! The HTTP client of every call.

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, Connector, ConnectorBuilder};
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

/// The SDK's own client, which it makes with aws-lc, made with ring.
pub fn http_client() -> SharedHttpClient {
    when_called(connector)
}

fn connector(
    settings: Option<&HttpConnectorSettings>,
    components: Option<&RuntimeComponents>,
) -> Connector {
    let mut connector =
        ConnectorBuilder::default().tls_provider(Provider::Rustls(CryptoMode::Ring));
    connector.set_connector_settings(settings.cloned());
    if let Some(components) = components {
        connector.set_sleep_impl(components.sleep_impl());
    }
    connector.set_proxy_config(Some(ProxyConfig::from_env()));
    connector.build()
}

/// A client whose connections are made ready by the first call.
fn when_called(
    make: impl Fn(Option<&HttpConnectorSettings>, Option<&RuntimeComponents>) -> Connector
    + Send
    + Sync
    + 'static,
) -> SharedHttpClient {
    SharedHttpClient::new(WhenCalled(Builder::new().build_with_connector_fn(make)))
}

/// Whenever a client of a service is made, and while credentials are looked for, the SDK's own makes everything ready for a
/// connection, and drops it: so that certificates are read then rather than by a call. But all of them are taken apart anew
/// each time, which is most of what a start would cost. The first call, which needs them, does it once.
#[derive(Debug)]
struct WhenCalled(SharedHttpClient);

impl HttpClient for WhenCalled {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        self.0.http_connector(settings, components)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.0.connector_metadata()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;

    use super::*;
    use crate::{AwsCloud, load, one_slow_attempt};

    #[tokio::test]
    async fn certificates_are_taken_apart_by_the_first_call_and_once_however_many_clients_there_are()
     {
        let made = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&made);
        let client = when_called(move |settings, components| {
            counted.fetch_add(1, Ordering::Relaxed);
            connector(settings, components)
        });
        let configuration = load(client, Some("eu-west-1".to_owned()), None).await;
        let nobody = "http://127.0.0.1:1";
        let configuration = configuration
            .to_builder()
            .endpoint_url(nobody)
            .retry_config(aws_config::retry::RetryConfig::disabled())
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "AKIDEXAMPLE",
                "secret",
                None,
                None,
                "test",
            )))
            .build();
        let cloud = AwsCloud::new(&configuration, "state", "longshore");
        let (s3, ecs) = (cloud.s3(), cloud.ecs());
        let (_, _) = (cloud.efs(), cloud.secrets_manager());
        assert_eq!(made.load(Ordering::Relaxed), 0, "before a call");
        for _ in 0..2 {
            s3.list_buckets().send().await.unwrap_err();
            ecs.describe_services()
                .services("api")
                .send()
                .await
                .unwrap_err();
        }
        assert_eq!(made.load(Ordering::Relaxed), 1, "after calls");
        let patient = aws_sdk_ecs::config::Builder::new().timeout_config(one_slow_attempt());
        let call = ecs
            .describe_services()
            .services("api")
            .customize()
            .config_override(patient);
        call.send().await.unwrap_err();
        assert_eq!(made.load(Ordering::Relaxed), 1, "after a patient call");
    }
}
