//! The webhook's secret, in Secrets Manager.

use longshore_aws::Secrets;
use longshore_report::{SecretError, WebhookSecret};

pub struct SecretsManagerSecret {
    secrets: Secrets,
    name: String,
}

impl SecretsManagerSecret {
    /// The secret `name`, read through `secrets`.
    pub fn new(secrets: Secrets, name: String) -> Self {
        Self { secrets, name }
    }
}

impl WebhookSecret for SecretsManagerSecret {
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
