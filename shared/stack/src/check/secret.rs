//! Secrets: where they come from, and Vault.

use super::checked::Checked;
use super::findings::Findings;
use super::forms::{is_arn, is_open};
use crate::path::Path;
use crate::spec::Secret;

/// The AWS CloudFormation User Guide, "Understand CloudFormation quotas": the value of a parameter, in bytes.
const LONGEST_VALUE: usize = 4096;

pub(super) fn check_secret(path: &Path, secret: &Secret, findings: &mut Findings) {
    match (&secret.value_from, &secret.value) {
        (Some(_), Some(_)) => findings.error_without_value(
            path,
            "there are two sources, expected exactly one of `value_from` and `value`",
        ),
        (None, None) => findings.error_without_value(
            path,
            "there is no source, expected exactly one of `value_from`, a secret of Secrets Manager, and \
             `value`",
        ),
        _ => {}
    }
    if let (Some(value), None) = (&secret.value, &secret.value_from)
        && value.reveal().is_empty()
    {
        findings.error_without_value(
            path.key("value"),
            "the value is empty, which Secrets Manager does not take",
        );
    }
    if let Some(value) = &secret.value
        && value.reveal().len() > LONGEST_VALUE
    {
        findings.error_without_value(
            path.key("value"),
            format!(
                "the value has {} bytes, and it goes through a parameter of CloudFormation's, which takes at \
                 most {LONGEST_VALUE}; put it into Secrets Manager yourself, and name it with `value_from`",
                value.reveal().len()
            ),
        );
    }
    check_key(
        path.key("kms_key_arn"),
        secret.kms_key_arn.as_deref(),
        findings,
    );
    let Some(source) = &secret.value_from else {
        if let Some(key) = &secret.json_key {
            findings.error(
                path.key("json_key"),
                key,
                "a key is taken out of a secret that `value_from` names; add that, or leave the key out",
            );
        }
        return;
    };
    let path_of_source = path.key("value_from");
    if has_wildcard(source) {
        findings.error(
            path_of_source,
            source,
            "this would let the service read every secret that matches it, expected the name or the ARN of one \
             secret, without `*` and `?`",
        );
    } else if source.starts_with("arn:") {
        let is_secret = is_arn(source, "secretsmanager", "secret:");
        let is_parameter = is_arn(source, "ssm", "parameter/");
        if !is_secret && !is_parameter {
            findings.error(
                path_of_source,
                source,
                "this is not an ARN of a secret of Secrets Manager or of an SSM parameter",
            );
        } else if is_parameter && !is_open(source) && secret.json_key.is_some() {
            findings.error(
                path.key("json_key"),
                secret.json_key.as_deref().unwrap_or_default(),
                "ECS takes keys only out of secrets of Secrets Manager, not out of SSM parameters",
            );
        } else if is_secret && !is_open(source) && source.matches(':').count() > 6 {
            findings.error(
                path_of_source,
                source,
                "the ARN goes on after the secret's name; write the key into `json_key`",
            );
        }
    } else if secret.parameter_name().is_some() {
        // The AWS Systems Manager API Reference, PutParameter, `Name`.
        let is_name = source.len() <= 1011
            && source
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"/_.-".contains(&byte));
        if !is_name && !is_open(source) {
            findings.error_without_value(
                path_of_source,
                "this begins with `/`, as names of SSM parameters do, and is not one: expected letters, digits \
                 and `/_.-`; name a secret of Secrets Manager by its ARN",
            );
        } else if let Some(key) = &secret.json_key {
            findings.error(
                path.key("json_key"),
                key,
                "ECS takes keys only out of secrets of Secrets Manager, and a name that begins with `/` is that of \
                 an SSM parameter; leave it out, or name the secret by its ARN",
            );
        }
    } else {
        let is_name = !source.is_empty()
            && source
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"/_+=.@-".contains(&byte));
        if !is_name && !is_open(source) {
            findings.error_without_value(
                path_of_source,
                "this is not a name of a secret, expected letters, digits and `/_+=.@-`; a value itself \
                 belongs into `value`",
            );
        }
    }
    if let Some(key) = &secret.json_key
        && (key.is_empty() || key.contains(':'))
    {
        findings.error(
            path.key("json_key"),
            key,
            "ECS does not allow this key, expected one without colons",
        );
    }
}

/// Checks the key with which something is decrypted.
pub(super) fn check_key(path: Path, key: Option<&str>, findings: &mut Findings) {
    if let Some(key) = key
        && (!is_arn(key, "kms", "key/") || has_wildcard(key))
    {
        findings.error(
            path,
            key,
            "this is not an ARN of a KMS key, expected one such as \
             arn:aws:kms:eu-west-1:111122223333:key/<id>",
        );
    }
}

/// Whether IAM would take this for more than one resource: the name also stands in a policy, which lets the service
/// read it.
fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?'])
}

pub(super) fn check_vault(service: &Checked<'_>, findings: &mut Findings) {
    let Some(vault) = &service.spec.vault else {
        return;
    };
    let path = service.at("vault");
    let address = &vault.address;
    if address.starts_with("http://") {
        findings.warning(
            path.key("address"),
            address,
            "secrets would travel without encryption; use https",
        );
    } else if !address.starts_with("https://") && !is_open(address) {
        findings.error(
            path.key("address"),
            address,
            "this is not a URL, expected one such as https://vault.shop.local:8200",
        );
    }
    if vault.role.is_empty() {
        findings.error_without_value(
            path.key("role"),
            "the role is empty, expected the name of a role of Vault's AWS method",
        );
    }
}
