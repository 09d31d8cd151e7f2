//! Names out of Amazon Resource Names.

use crate::Malformed;

/// A service of a cluster, by the names that ECS gives them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceName {
    pub cluster: String,
    pub ecs_service: String,
}

/// Reads `arn:aws:ecs:<region>:<account>:service/<cluster>/<service>`.
///
/// # Errors
/// [`Malformed`] for anything else, the old short form without the cluster included: ECS no longer
/// gives it, and a service cannot be found by it.
pub fn service_name(arn: &str) -> Result<ServiceName, Malformed> {
    match resource(arn, "ecs").and_then(|resource| resource.strip_prefix("service/")) {
        Some(path) => match path.split_once('/') {
            Some((cluster, ecs_service)) if is_name(cluster) && is_name(ecs_service) => {
                Ok(ServiceName {
                    cluster: cluster.to_owned(),
                    ecs_service: ecs_service.to_owned(),
                })
            }
            _ => Err(not_an_arn(arn, "service/<cluster>/<service>")),
        },
        None => Err(not_an_arn(arn, "service/<cluster>/<service>")),
    }
}

/// Reads the cluster's name out of `arn:aws:ecs:<region>:<account>:cluster/<cluster>`.
///
/// # Errors
/// [`Malformed`] for anything else.
pub fn cluster_name(arn: &str) -> Result<String, Malformed> {
    resource(arn, "ecs")
        .and_then(|resource| resource.strip_prefix("cluster/"))
        .filter(|cluster| is_name(cluster))
        .map(str::to_owned)
        .ok_or_else(|| not_an_arn(arn, "cluster/<cluster>"))
}

/// Reads the stack's name out of `arn:aws:cloudformation:<region>:<account>:stack/<name>/<id>`.
///
/// # Errors
/// [`Malformed`] for anything else.
pub fn stack_name(arn: &str) -> Result<String, Malformed> {
    resource(arn, "cloudformation")
        .and_then(|resource| resource.strip_prefix("stack/"))
        .and_then(|path| path.split_once('/'))
        .filter(|(name, id)| is_name(name) && is_name(id))
        .map(|(name, _)| name.to_owned())
        .ok_or_else(|| {
            Malformed::new(
                "ARN",
                format!(
                    "`{arn}`, expected arn:aws:cloudformation:<region>:<account>:stack/<name>/<id>"
                ),
            )
        })
}

/// Reads the group and the name out of `arn:aws:scheduler:<region>:<account>:schedule/<group>/<name>`.
///
/// # Errors
/// [`Malformed`] for anything else.
pub fn schedule(arn: &str) -> Result<(String, String), Malformed> {
    resource(arn, "scheduler")
        .and_then(|resource| resource.strip_prefix("schedule/"))
        .and_then(|path| path.split_once('/'))
        .filter(|(group, name)| is_of_schedules(group) && is_of_schedules(name))
        .map(|(group, name)| (group.to_owned(), name.to_owned()))
        .ok_or_else(|| {
            Malformed::new(
                "ARN",
                format!(
                    "`{arn}`, expected arn:aws:scheduler:<region>:<account>:schedule/<group>/<name>"
                ),
            )
        })
}

/// The partition, region and account that an ARN names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: String,
    /// The region, such as `eu-west-1`.
    pub region: String,
    /// The twelve digits of the account.
    pub account: String,
}

/// Where the resource of an ARN is.
///
/// # Errors
/// [`Malformed`] when `arn` has fewer than six parts.
pub fn location(arn: &str) -> Result<Location, Malformed> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", partition, _, region, account, _] => Ok(Location {
            partition: (*partition).to_owned(),
            region: (*region).to_owned(),
            account: (*account).to_owned(),
        }),
        _ => Err(not_an_arn(arn, "<resource>")),
    }
}

fn resource<'a>(arn: &'a str, service: &str) -> Option<&'a str> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", _, found, _, _, resource] if *found == service => Some(resource),
        _ => None,
    }
}

/// As the EventBridge Scheduler API Reference has it for names of schedules and of groups: `^[0-9a-zA-Z-_.]+$`.
fn is_of_schedules(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !text.is_empty() && text.bytes().all(is_allowed)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.contains('/')
}

fn not_an_arn(found: &str, expected: &str) -> Malformed {
    Malformed::new(
        "ARN",
        format!("`{found}`, expected arn:aws:ecs:<region>:<account>:{expected}"),
    )
}
