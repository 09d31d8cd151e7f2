//! Who must log in before requests come to a service.

use serde::Serialize;

use crate::spec::Authenticate;

use super::super::template::Value;

/// The configuration of an action by which somebody logs in.
#[derive(Serialize)]
pub(super) enum Login {
    #[serde(rename = "AuthenticateCognitoConfig")]
    Cognito(Box<Cognito>),
    #[serde(rename = "AuthenticateOidcConfig")]
    Oidc(Box<Oidc>),
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Session {
    on_unauthenticated_request: &'static str,
    scope: Option<Value>,
    session_timeout: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Cognito {
    user_pool_arn: Value,
    user_pool_client_id: Value,
    user_pool_domain: Value,
    #[serde(flatten)]
    session: Session,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Oidc {
    issuer: Value,
    authorization_endpoint: Value,
    token_endpoint: Value,
    user_info_endpoint: Value,
    client_id: Value,
    client_secret: Value,
    #[serde(flatten)]
    session: Session,
}

impl Login {
    /// The type of the action, and its configuration.
    pub(super) fn of(spec: &Authenticate) -> Option<(&'static str, Self)> {
        let session = Session {
            on_unauthenticated_request: spec.on_unauthenticated_request.as_str(),
            scope: spec.scope.as_deref().map(Value::written),
            session_timeout: spec.session_timeout,
        };
        if let Some(cognito) = &spec.cognito {
            let login = Cognito {
                user_pool_arn: Value::written(&cognito.user_pool_arn),
                user_pool_client_id: Value::written(&cognito.user_pool_client_id),
                user_pool_domain: Value::written(&cognito.user_pool_domain),
                session,
            };
            return Some(("authenticate-cognito", Self::Cognito(Box::new(login))));
        }
        let oidc = spec.oidc.as_ref()?;
        // The name was checked: it is one of this stack, and holds nothing that would end the reference.
        let secret = &oidc.client_secret;
        let key = secret.json_key.as_deref().unwrap_or_default();
        let client_secret = format!(
            "{{{{resolve:secretsmanager:{}:SecretString:{key}}}}}",
            secret.value_from
        );
        let login = Oidc {
            issuer: Value::written(&oidc.issuer),
            authorization_endpoint: Value::written(&oidc.authorization_endpoint),
            token_endpoint: Value::written(&oidc.token_endpoint),
            user_info_endpoint: Value::written(&oidc.user_info_endpoint),
            client_id: Value::written(&oidc.client_id),
            client_secret: Value::Text(client_secret),
            session,
        };
        Some(("authenticate-oidc", Self::Oidc(Box::new(login))))
    }
}
