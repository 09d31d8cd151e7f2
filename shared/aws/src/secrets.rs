//! Secrets Manager.

use aws_config::SdkConfig;
use longshore_report::{SecretError, SecretText};
use longshore_state::CallError;

use crate::error::{failed, not_found};

/// Reads secrets. Their values never appear in an error.
#[derive(Debug, Clone)]
pub struct Secrets {
    client: aws_sdk_secretsmanager::Client,
}

impl Secrets {
    /// A client for `configuration`.
    pub fn new(configuration: &SdkConfig) -> Self {
        Self {
            client: aws_sdk_secretsmanager::Client::new(configuration),
        }
    }

    /// The secret of this name.
    pub fn named(self, name: String) -> NamedSecret {
        NamedSecret {
            secrets: self,
            name,
        }
    }

    /// The text of the secret's current version.
    ///
    /// # Errors
    /// [`CallError`], for a secret that holds bytes as well.
    pub async fn text(&self, name: &str) -> Result<String, CallError> {
        let operation = format!("read secret {name}");
        let answer = self
            .client
            .get_secret_value()
            .secret_id(name)
            .send()
            .await
            .map_err(failed(&operation))?;
        answer
            .secret_string
            .ok_or_else(|| not_found(operation, "the secret holds bytes, expected text"))
    }
}

/// One secret, read anew each time.
#[derive(Debug, Clone)]
pub struct NamedSecret {
    secrets: Secrets,
    name: String,
}

impl SecretText for NamedSecret {
    fn name(&self) -> &str {
        &self.name
    }

    async fn read(&self) -> Result<String, SecretError> {
        self.secrets
            .text(&self.name)
            .await
            .map_err(SecretError::new)
    }
}
