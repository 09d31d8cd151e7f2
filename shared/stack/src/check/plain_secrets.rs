//! Secrets that stand in plain text where they do not belong.

use std::collections::BTreeMap;

use super::checked::Checked;
use super::findings::Findings;
use crate::path::Path;

/// Shown in place of what may be a secret.
const MASK: &str = "***";

/// Where secrets of containers belong.
const OF_CONTAINERS: &str = "move it to `secrets`: with `value_from` it comes from Secrets Manager, with \
                             `value` it is put there";

/// Where secrets of a log router belong: it fills variables of its own into its configuration.
const OF_ROUTERS: &str = "move it to the log router's `secrets`, and name it here as that router fills in \
                          variables";

pub(super) fn check(service: &Checked<'_>, findings: &mut Findings) {
    for (path, container) in service.containers() {
        check_variables(
            &path.key("environment"),
            container.environment,
            OF_CONTAINERS,
            findings,
        );
        check_words(&path.key("command"), container.command, findings);
        check_words(&path.key("entry_point"), container.entry_point, findings);
    }
    check_variables(
        &service.at("log_options"),
        &service.spec.log_options,
        OF_ROUTERS,
        findings,
    );
    for (name, schedule) in &service.spec.schedules {
        let path = service.at("schedules").key(name);
        check_variables(
            &path.key("environment"),
            &schedule.environment,
            OF_CONTAINERS,
            findings,
        );
        check_words(&path.key("command"), &schedule.command, findings);
    }
    let rollout = &service.spec.rollout;
    for (field, tasks) in [
        ("before_tasks", &rollout.before_tasks),
        ("after_tasks", &rollout.after_tasks),
    ] {
        for (index, task) in tasks.iter().enumerate() {
            let path = service.at("rollout").key(field).index(index);
            check_variables(
                &path.key("environment"),
                &task.environment,
                OF_CONTAINERS,
                findings,
            );
            check_words(&path.key("command"), &task.command, findings);
        }
    }
}

fn check_variables(
    path: &Path,
    values: &BTreeMap<String, impl AsRef<str>>,
    advice: &str,
    findings: &mut Findings,
) {
    for (name, value) in values {
        let value = value.as_ref();
        let why = match kind_of_secret(value) {
            Some(kind) => format!("the value of `{name}` is {kind}"),
            None if is_secret(name, value) => format!("`{name}` is the name of a secret"),
            None => continue,
        };
        findings.warning(
            path.key(name),
            MASK,
            format!(
                "{why}, and here everybody can read it who may see the task definition; {advice}"
            ),
        );
    }
}

fn check_words(path: &Path, words: &[String], findings: &mut Findings) {
    for (index, word) in words.iter().enumerate() {
        if let Some(kind) = kind_of_secret(word) {
            findings.warning(
                path.index(index),
                MASK,
                format!(
                    "this holds {kind}, and everybody can read it who may see the task definition; \
                     let the container take it from a variable of `secrets`, which come from Secrets \
                     Manager"
                ),
            );
        }
    }
}

/// Whether a variable of this name with this value is a secret, by its name or by the value's form. Where secrets are,
/// such as an ARN, and placeholders are none.
pub fn is_secret(name: &str, value: &str) -> bool {
    kind_of_secret(value).is_some() || (is_named_as_secret(name) && is_worth_hiding(value))
}

/// What kind of secret a value is, by its form.
fn kind_of_secret(value: &str) -> Option<&'static str> {
    let long_after = |prefix: &str, length: usize| {
        value.match_indices(prefix).any(|(start, _)| {
            let rest = &value[start + prefix.len()..];
            let is_key = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == b'-';
            rest.bytes().take_while(is_key).count() >= length
        })
    };
    if has_password_in_url(value) {
        Some("a URL with a password")
    } else if value.contains("PRIVATE KEY-----") {
        Some("a private key")
    } else if long_after("AKIA", 16) || long_after("ASIA", 16) {
        Some("an access key of AWS")
    } else if ["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"]
        .iter()
        .any(|prefix| long_after(prefix, 20))
    {
        Some("a token of GitHub")
    } else if long_after("glpat-", 20) {
        Some("a token of GitLab")
    } else if ["xoxb-", "xoxa-", "xoxp-", "xoxr-", "xoxs-", "xapp-"]
        .iter()
        .any(|prefix| long_after(prefix, 10))
    {
        Some("a token of Slack")
    } else if value.contains("hooks.slack.com/services/") {
        Some("a webhook of Slack")
    } else if long_after("sk_live_", 10) || long_after("rk_live_", 10) {
        Some("a key of Stripe")
    } else if long_after("AIza", 35) {
        Some("a key of Google")
    } else if is_web_token(value) {
        Some("a JSON web token")
    } else {
        None
    }
}

/// `<scheme>://<user>:<password>@<host>`.
fn has_password_in_url(value: &str) -> bool {
    value.match_indices("://").any(|(start, separator)| {
        let rest = &value[start + separator.len()..];
        let end = rest
            .find(|character: char| {
                matches!(character, '/' | '?' | '#') || character.is_whitespace()
            })
            .unwrap_or(rest.len());
        // A password may hold what ends an authority; then the first `@` is what comes after it.
        let authority = match rest[..end].rfind('@') {
            Some(at) => &rest[..at],
            None => match rest.find('@') {
                Some(at)
                    if !ends_in_port(&rest[..end]) && !rest[..at].contains(char::is_whitespace) =>
                {
                    &rest[..at]
                }
                _ => return false,
            },
        };
        authority
            .split_once(':')
            .is_some_and(|(_, password)| !password.is_empty() && !is_filled_in(password))
    })
}

/// Whether an authority without a user ends in a port, or in nothing that could be a password's begin.
fn ends_in_port(authority: &str) -> bool {
    authority
        .rsplit_once(':')
        .is_none_or(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_web_token(value: &str) -> bool {
    let parts: Vec<&str> = value.trim().split('.').collect();
    let is_base64 = |part: &&str| {
        part.len() > 8
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
    };
    parts.len() == 3 && parts.iter().all(is_base64) && parts[0].starts_with("eyJ")
}

/// Whether a variable's name says that its value is a secret, and not where one is.
fn is_named_as_secret(name: &str) -> bool {
    const SECRETS: [&str; 9] = [
        "PASSWORD",
        "PASSWD",
        "PASSPHRASE",
        "SECRET",
        "TOKEN",
        "CREDENTIALS",
        "APIKEY",
        "PASS",
        "PWD",
    ];
    const KEYS: [&str; 7] = [
        "API",
        "ACCESS",
        "PRIVATE",
        "SECRET",
        "ENCRYPTION",
        "SIGNING",
        "MASTER",
    ];
    let upper = name.to_uppercase();
    let words: Vec<&str> = upper
        .split(|character: char| !character.is_alphanumeric())
        .collect();
    let Some(last) = words.last() else {
        return false;
    };
    let before_last = words.len().checked_sub(2).map(|index| words[index]);
    match before_last {
        _ if upper == "PWD" => false,
        Some(before) if *last == "KEY" => KEYS.contains(&before),
        // A version, as in DB_PASSWORD_2 and TOKEN_V1.
        Some(before)
            if last
                .trim_start_matches('V')
                .bytes()
                .all(|byte| byte.is_ascii_digit()) =>
        {
            SECRETS.contains(&before)
        }
        _ => SECRETS.contains(last),
    }
}

/// Whether a value can be a secret: no switch, no placeholder, no name of one.
fn is_worth_hiding(value: &str) -> bool {
    let lowercase = value.to_lowercase();
    !value.is_empty()
        && !["true", "false", "none", "null"].contains(&lowercase.as_str())
        && !value.starts_with("arn:")
        && !is_filled_in(value)
}

/// Whether something else takes this text's place later.
fn is_filled_in(text: &str) -> bool {
    (text.starts_with("${") || text.starts_with("$${")) && text.ends_with('}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_form() {
        for value in [
            "postgresql://user:pass@db.local/shop",
            "redis://:p%40ss@cache:6379",
            "postgres://u:p/w#d@db/shop",
            "see https://a:b@c/ there",
            "-----BEGIN RSA PRIVATE KEY-----\nMII",
            "AKIAIOSFODNN7EXAMPLE",
            "xoxb-123456789012-abcdefghij",
            "ghp_0123456789abcdefghijABCDEFGHIJ012345",
            "https://hooks.slack.com/services/T000/B000/XXX",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N",
        ] {
            assert!(kind_of_secret(value).is_some(), "{value}");
        }
        for value in [
            "https://shop.local/a:b@c",
            "https://shop.local:8443/path@v1",
            "redis://cache:6379",
            "postgres://user@db/shop",
            "postgres://user:${PASSWORD}@db/shop",
            "1.2.3",
            "AKIA",
            "a.b.c",
        ] {
            assert_eq!(kind_of_secret(value), None, "{value}");
        }
    }

    #[test]
    fn secrets_are_known_by_the_names_of_their_variables() {
        for name in [
            "DB_PASSWORD",
            "password",
            "API_KEY",
            "STRIPE_API_KEY",
            "JWT_SECRET",
            "GITHUB_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "DB_PASSWORD_2",
            "DB_PASS",
            "my-secret",
        ] {
            assert!(is_named_as_secret(name), "{name}");
        }
        for name in [
            "SLACK_WEBHOOK_SECRET_NAME",
            "SECRET_ARN",
            "TOKEN_TTL",
            "MAX_TOKENS",
            "PASSWORD_MIN_LENGTH",
            "KEY",
            "PUBLIC_KEY",
            "PORT",
            "COMPASS",
            "PWD",
            "",
        ] {
            assert!(!is_named_as_secret(name), "{name}");
        }
    }
}
