//! Details of containers that few need.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::spec::Details;

use super::named::NamedStack;
use super::secret;
use super::template::Value;

/// What they add to the definition of a container.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Properties {
    docker_labels: Option<BTreeMap<String, Value>>,
    environment_files: Option<Vec<EnvironmentFile>>,
    repository_credentials: Option<Credentials>,
    resource_requirements: Option<[Requirement; 1]>,
    restart_policy: Option<RestartPolicy>,
    start_timeout: Option<u32>,
    ulimits: Option<Vec<Ulimit>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Ulimit {
    hard_limit: i64,
    name: &'static str,
    soft_limit: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EnvironmentFile {
    r#type: &'static str,
    value: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RestartPolicy {
    enabled: bool,
    ignored_exit_codes: Option<Vec<u32>>,
    restart_attempt_period: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Credentials {
    credentials_parameter: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Requirement {
    r#type: &'static str,
    value: String,
}

pub(super) fn render(named_stack: &NamedStack, details: Details) -> Properties {
    let ulimits = details.ulimits.iter().map(|ulimit| Ulimit {
        name: ulimit.name.as_str(),
        soft_limit: ulimit.soft_limit,
        hard_limit: ulimit.hard_limit,
    });
    let labels = details.docker_labels.iter();
    let labels = labels.map(|(name, value)| (name.clone(), Value::written(value.as_str())));
    let files = details
        .environment_files
        .iter()
        .map(|file| EnvironmentFile {
            r#type: "s3",
            value: Value::written(file),
        });
    Properties {
        ulimits: (!details.ulimits.is_empty()).then(|| ulimits.collect()),
        docker_labels: (!details.docker_labels.is_empty()).then(|| labels.collect()),
        environment_files: (!details.environment_files.is_empty()).then(|| files.collect()),
        start_timeout: details.start_timeout,
        restart_policy: details.restart_policy.map(|policy| RestartPolicy {
            enabled: true,
            ignored_exit_codes: (!policy.ignored_exit_codes.is_empty())
                .then(|| policy.ignored_exit_codes.clone()),
            restart_attempt_period: policy.restart_attempt_period,
        }),
        repository_credentials: details
            .repository_credentials
            .map(|credentials| Credentials {
                credentials_parameter: secret::credentials(named_stack, credentials),
            }),
        resource_requirements: details.gpu.map(|gpu| {
            [Requirement {
                r#type: "GPU",
                value: gpu.to_string(),
            }]
        }),
    }
}
