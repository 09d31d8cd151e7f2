//! Secrets, and where containers find them.

use schemars::JsonSchema;
use serde::Deserialize;

use super::values::Sensitive;

/// Where an environment variable's secret value comes from: exactly one of `value_from` and `value`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// The ARN or, in this account and region, the name of a secret of Secrets Manager; or the ARN or, if it begins
    /// with `/`, the name of a parameter of SSM's Parameter Store.
    #[schemars(example = "shop/database")]
    pub value_from: Option<String>,
    /// The key to take out of a secret that is a JSON object.
    pub json_key: Option<String>,
    /// The value itself. It is put into a secret `<stack>/<service>/<variable>` and appears nowhere else.
    pub value: Option<Sensitive>,
    /// The ARN of the KMS key that encrypts it. Default: the account's own key for secrets.
    pub kms_key_arn: Option<String>,
}

impl Secret {
    /// The name of the parameter of this account and region that it comes from, by its form: `/shop/database`.
    pub fn parameter_name(&self) -> Option<&str> {
        let source = self.value_from.as_deref()?;
        source.starts_with('/').then_some(source)
    }
}

/// What a container needs to fetch secrets from HashiCorp Vault itself, by the AWS authentication
/// method with its task role: it finds `VAULT_ADDR`, `VAULT_ROLE` and `VAULT_SECRET_PATHS` (joined by
/// commas) in its environment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Vault {
    /// Vault's URL.
    pub address: String,
    /// The role to log in as.
    pub role: String,
    /// The paths of the secrets.
    #[serde(default)]
    pub paths: Vec<String>,
}
