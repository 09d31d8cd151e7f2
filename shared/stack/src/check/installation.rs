//! What an installation of Longshore lets its stacks have, and what of a stack it would not.
//!
//! IAM cuts what the permissions boundary does not allow in silence, and CloudFormation is refused only in the middle of
//! its work. So both are said before anything is sent, with the variable of Longshore's Terraform that widens it.

use std::collections::BTreeMap;

use longshore_events::image::ImageReference;
use serde::Deserialize;
use serde_json::Value;

use super::findings::{Finding, Findings};
use super::forms::listed;
use super::glob::{covers, overlaps};
use super::image::{Origin, origin};
use crate::path::Path;
use crate::spec::{Effect, PolicyStatement, Service, Stack};

/// Where Longshore's Terraform writes [`Installation`], in the state bucket.
pub const INSTALLATION_KEY: &str = "installation/limits.json";

/// The path of the roles that templates make.
const ROLES_OF_STACKS: &str = "role/longshore/";

/// AWS's own parameters, which name images of ECS instances.
const PARAMETERS_OF_ECS: &str = "/aws/service/ecs/*";

/// How many actions a message lists.
const MOST_LISTED: usize = 6;

/// What an installation lets its stacks have. A `*` in a name or an ARN stands for any text.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Installation {
    account_id: String,
    partition: String,
    region: String,
    /// The policy that limits all roles of templates.
    permissions_boundary: Boundary,
    /// Names of the buckets that stacks may have.
    bucket_names: Vec<String>,
    /// Of those, the names of the buckets that `sync` may fill.
    mirror_bucket_names: Vec<String>,
    /// ARNs of the roles that stack files may name.
    stack_role_arns: Vec<String>,
    cluster_names: Vec<String>,
    repository_names: Vec<String>,
    image_parameter_names: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Boundary {
    statement: Vec<Statement>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    effect: Effect,
    action: Vec<String>,
    resource: Vec<String>,
    #[serde(default)]
    condition: BTreeMap<String, BTreeMap<String, Value>>,
}

/// For which role of a stack a statement of the boundary holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// For every role, whatever the request is.
    Always,
    /// For requests about what the role's own stack has made.
    ForOwnStack,
    /// Not for roles of tasks.
    NotForTasks,
    /// It depends on the request.
    Sometimes,
}

impl Installation {
    /// Reads what Terraform wrote.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(document: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(document)
    }

    /// A text of a stack file with what CloudFormation would fill in.
    fn filled(&self, text: &str) -> String {
        text.replace("${AWS::AccountId}", &self.account_id)
            .replace("${AWS::Partition}", &self.partition)
            .replace("${AWS::Region}", &self.region)
    }
}

impl Statement {
    fn holds(&self) -> Holds {
        const PURPOSE: &str = "aws:PrincipalTag/longshore:purpose";
        const STACK: &str = "aws:ResourceTag/longshore:stack";
        let mut holds = Holds::Always;
        for (operator, keys) in &self.condition {
            for key in keys.keys() {
                let negated = operator.contains("Not");
                if key == PURPOSE && !negated {
                    return Holds::NotForTasks;
                }
                // Roles of tasks have no purpose, so a condition that it is another one is true.
                if key != PURPOSE {
                    let is_own = key == STACK && operator == "StringEquals";
                    holds = if is_own && holds == Holds::Always {
                        Holds::ForOwnStack
                    } else {
                        Holds::Sometimes
                    };
                }
            }
        }
        holds
    }

    /// Whether it is about any of these resources.
    fn concerns(&self, resources: &[String]) -> bool {
        let mut own = self.resource.iter();
        own.any(|own| resources.iter().any(|resource| overlaps(own, resource)))
    }
}

/// Checks a stack against what its installation lets it have.
pub fn check_installation(stack: &Stack, installation: &Installation) -> Vec<Finding> {
    let mut findings = Findings::default();
    let root = Path::default();
    check_buckets(stack, installation, &mut findings);
    let cluster = stack.cluster_name();
    if stack.has_cluster() && !is_among(&installation.cluster_names, &cluster) {
        let path = match (&stack.cluster.existing, &stack.cluster.cluster_name) {
            (Some(_), _) => root.key("cluster").key("existing"),
            (None, Some(_)) => root.key("cluster").key("cluster_name"),
            (None, None) => root.key("name"),
        };
        findings.error(
            path,
            &cluster,
            not_allowed(
                "Longshore may not deploy to this cluster",
                &installation.cluster_names,
                "cluster_names",
            ),
        );
    }
    for (name, capacity) in &stack.capacity {
        let Some(parameter) = &capacity.image_ssm_parameter else {
            continue;
        };
        let mut allowed = vec![PARAMETERS_OF_ECS.to_owned()];
        let own = installation.image_parameter_names.iter();
        allowed.extend(own.map(|name| format!("/{}", name.trim_start_matches('/'))));
        if !is_among(&allowed, &format!("/{}", parameter.trim_start_matches('/'))) {
            let path = root.key("capacity").key(name).key("image_ssm_parameter");
            findings.error(
                path,
                parameter,
                not_allowed(
                    "CloudFormation may not read this parameter",
                    &allowed,
                    "image_parameter_names",
                ),
            );
        }
    }
    for (name, service) in &stack.services {
        let path = root.key("services").key(name);
        check_roles(&path, service, installation, &mut findings);
        check_repositories(name, service, installation, &mut findings);
        for (index, statement) in service.task_role_statements.iter().enumerate() {
            let path = path.key("task_role_statements").index(index);
            check_statement(&path, stack, statement, installation, &mut findings);
        }
    }
    findings.all
}

fn check_buckets(stack: &Stack, installation: &Installation, findings: &mut Findings) {
    let mirror = stack.bottle_sync.as_ref();
    for (name, bucket) in &stack.buckets {
        let path = Path::default().key("buckets").key(name);
        let path = match bucket.bucket_name {
            Some(_) => path.key("bucket_name"),
            None => path,
        };
        let bucket_name = installation.filled(&stack.bucket_name(name));
        let (what, allowed, variable) = if mirror.is_some_and(|mirror| mirror.bucket == *name) {
            let names = &installation.mirror_bucket_names;
            (
                "sync may not fill a bucket of this name",
                names,
                "mirror_bucket_names",
            )
        } else {
            let names = &installation.bucket_names;
            (
                "CloudFormation may not make a bucket of this name",
                names,
                "bucket_names",
            )
        };
        if !is_among(allowed, &bucket_name) {
            findings.error(path, bucket_name, not_allowed(what, allowed, variable));
        }
    }
}

fn check_roles(
    path: &Path,
    service: &Service,
    installation: &Installation,
    findings: &mut Findings,
) {
    for (field, role) in [
        ("execution_role_arn", &service.execution_role_arn),
        ("task_role_arn", &service.task_role_arn),
    ] {
        let Some(role) = role else { continue };
        let filled = installation.filled(role);
        let is_of_stacks = filled.contains(&format!(":{ROLES_OF_STACKS}"));
        if !is_of_stacks && !is_among(&installation.stack_role_arns, &filled) {
            findings.error(
                path.key(field),
                role,
                "CloudFormation may not pass this role to a task; add it to `stack_role_arns` of Longshore's \
                 Terraform, or leave it out for a role of the service's own",
            );
        }
    }
}

fn check_repositories(
    name: &str,
    service: &Service,
    installation: &Installation,
    findings: &mut Findings,
) {
    let path = Path::default().key("services").key(name);
    for container in service.containers(name) {
        let Ok(Origin::Own(ImageReference { repository, .. })) = origin(container.image) else {
            continue;
        };
        if !is_among(&installation.repository_names, &repository) {
            let path = match container.sidecar {
                Some(sidecar) => path.key("sidecars").key(sidecar),
                None => path.clone(),
            };
            findings.error(
                path.key("image"),
                container.image,
                not_allowed(
                    "Longshore may not read this repository",
                    &installation.repository_names,
                    "repository_names",
                ),
            );
        }
    }
}

/// Checks a statement of a task's role against the boundary.
fn check_statement(
    path: &Path,
    stack: &Stack,
    statement: &PolicyStatement,
    installation: &Installation,
    findings: &mut Findings,
) {
    // What a role may not do anyway, a boundary does not allow it either.
    if statement.effect == Effect::Deny {
        return;
    }
    let resources: Vec<String> = statement
        .resources
        .iter()
        .map(|resource| installation.filled(resource))
        .collect();
    let boundary = &installation.permissions_boundary.statement;
    for (index, resource) in resources.iter().enumerate() {
        let denied = boundary.iter().any(|denial| {
            denial.effect == Effect::Deny
                && denial.holds() == Holds::Always
                && denial.resource.iter().any(|own| covers(own, resource))
                && statement.actions.iter().all(|action| {
                    let mut actions = denial.action.iter();
                    actions.any(|own| covers_action(own, action))
                })
        });
        if denied {
            findings.error(
                path.key("resources").index(index),
                resource,
                "this is Longshore's own, and no role of a stack may do anything with it; leave it out",
            );
        }
    }
    let own_prefix = format!("{}-", stack.stack_name());
    let are_own = resources.iter().all(|resource| {
        let name = resource.rsplit(':').next().unwrap_or_default();
        name.starts_with(&own_prefix)
    });
    for (index, action) in statement.actions.iter().enumerate() {
        let path = path.key("actions").index(index);
        let allows = boundary.iter().filter(|allow| {
            allow.effect == Effect::Allow
                && allow.holds() != Holds::NotForTasks
                && allow.concerns(&resources)
        });
        let mut parts: Vec<&str> = Vec::new();
        let mut is_whole = false;
        let mut only_own = false;
        for allow in allows {
            for allowed in &allow.action {
                if !overlaps_action(allowed, action) {
                    continue;
                }
                if allow.holds() == Holds::ForOwnStack && !are_own {
                    only_own = true;
                } else {
                    is_whole |= covers_action(allowed, action);
                    parts.push(allowed);
                }
            }
        }
        if is_whole {
            continue;
        }
        parts.sort_unstable();
        parts.dedup();
        if !parts.is_empty() {
            let more = parts.len().saturating_sub(MOST_LISTED);
            let mut list = parts[..parts.len() - more].join(", ");
            if more > 0 {
                list.push_str(&format!(" and {more} more"));
            }
            findings.warning(
                path,
                action,
                format!(
                    "the permissions boundary lets through only a part of it: {list}; name the actions that the \
                     container needs, or add `{action}` to `permissions_boundary_actions` of Longshore's Terraform"
                ),
            );
        } else if only_own {
            findings.error(
                path,
                action,
                format!(
                    "the permissions boundary allows this only for queues and topics of the stack's own: use `queues` and \
                     `topics` of the service, or add `{action}` to `permissions_boundary_actions` of Longshore's Terraform"
                ),
            );
        } else {
            findings.error(
                path,
                action,
                format!(
                    "the permissions boundary does not allow this, so that the container could not do it; add \
                     `{action}` to `permissions_boundary_actions` of Longshore's Terraform, or leave it out"
                ),
            );
        }
    }
}

/// IAM takes actions without regard to case (the IAM User Guide, "IAM JSON policy elements: Action").
fn covers_action(allowed: &str, action: &str) -> bool {
    covers(&allowed.to_ascii_lowercase(), &action.to_ascii_lowercase())
}

fn overlaps_action(allowed: &str, action: &str) -> bool {
    overlaps(&allowed.to_ascii_lowercase(), &action.to_ascii_lowercase())
}

fn is_among(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| covers(pattern, name))
}

fn not_allowed(what: &str, allowed: &[String], variable: &str) -> String {
    let allowed = match allowed {
        [] => "there is none that it may".to_owned(),
        names => format!("expected {}", listed(names)),
    };
    format!("{what}, {allowed}; add it to `{variable}` of Longshore's Terraform")
}
