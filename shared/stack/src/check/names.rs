//! Names: of the stack, its parts, and of what AWS makes of them.

use std::collections::BTreeMap;

use super::findings::Findings;
use super::forms::{is_id, is_label, is_name, is_open};
use crate::path::Path;
use crate::render::{Rendered, logical_id};
use crate::spec::Stack;

const LONGEST_STACK: usize = 40;
const LONGEST_PART: usize = 64;

/// ECS's limit for clusters, services, containers and families.
const LONGEST_ECS_NAME: usize = 255;

/// AWS allows 50 on a resource; some of them are Longshore's and CloudFormation's own.
const MOST_TAGS: usize = 45;

pub(super) fn check(stack: &Stack, findings: &mut Findings) {
    let root = Path::default();
    if !is_stack_name(&stack.name) {
        findings.error(
            root.key("name"),
            &stack.name,
            format!(
                "this is not a name of a stack, expected a lowercase letter, then lowercase letters, digits \
                 and hyphens between them, at most {LONGEST_STACK} in all"
            ),
        );
    }
    if let Some(name) = &stack.cluster.cluster_name {
        check_ecs_name(
            &root.key("cluster").key("cluster_name"),
            name,
            "cluster",
            findings,
        );
    }
    if let Some(name) = &stack.cluster.existing {
        check_existing_cluster(&root.key("cluster"), name, stack, findings);
    }
    check_parts(&root.key("services"), stack.services.keys(), findings);
    check_parts(&root.key("capacity"), stack.capacity.keys(), findings);
    check_parts(
        &root.key("file_systems"),
        stack.file_systems.keys(),
        findings,
    );
    check_parts(&root.key("buckets"), stack.buckets.keys(), findings);
    check_parts(&root.key("queues"), stack.queues.keys(), findings);
    check_parts(&root.key("topics"), stack.topics.keys(), findings);
    for (name, file_system) in &stack.file_systems {
        let path = root.key("file_systems").key(name).key("access_points");
        check_parts(&path, file_system.access_points.keys(), findings);
    }
    // The smallest mirror has none: the function fills it.
    if stack.services.is_empty() && stack.bottle_sync.is_none() {
        findings.warning_without_value(
            root.key("services"),
            "the stack has no service, so it is a cluster in which nothing runs",
        );
    }
    check_pairs(stack, findings);
    check_services(stack, findings);
    check_tags(stack, findings);
    check_namespace(stack, findings);
}

fn check_existing_cluster(path: &Path, name: &str, stack: &Stack, findings: &mut Findings) {
    check_ecs_name(&path.key("existing"), name, "cluster", findings);
    if let Some(own) = &stack.cluster.cluster_name {
        findings.error(
            path.key("cluster_name"),
            own,
            format!("the cluster `{name}` exists and has its name; leave out this or `existing`"),
        );
    }
    if !stack.capacity.is_empty() {
        findings.error_without_value(
            Path::default().key("capacity"),
            format!(
                "the cluster `{name}` is not this stack's, and its capacity is said in one place; add it there, and name it \
                 here in `capacity_provider_strategy`"
            ),
        );
    }
}

/// Checks that names which are joined in logical ids in other ways than [`check`] knows do not become the same.
pub(super) fn check_clashes(stack: &Stack, rendered: &Rendered, findings: &mut Findings) {
    // What the stack file adds is checked by itself.
    let clashes = rendered.clashes.iter();
    for id in clashes.filter(|id| !stack.resources.contains_key(*id)) {
        findings.error(
            "",
            id,
            format!(
                "two things of this stack would both be `{id}` in the template, because their names \
                 differ only in hyphens, underscores or case; rename one of them"
            ),
        );
    }
}

fn is_stack_name(name: &str) -> bool {
    name.len() <= LONGEST_STACK
        && is_label(name)
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.contains(|character: char| character.is_ascii_uppercase())
}

/// Checks names that whoever writes a stack file chooses, and that two of them do not become the same.
fn check_parts<'a>(path: &Path, names: impl Iterator<Item = &'a String>, findings: &mut Findings) {
    let mut ids: BTreeMap<String, &str> = BTreeMap::new();
    for name in names {
        let path = path.key(name);
        if !is_name(name) || name.len() > LONGEST_PART {
            findings.error(
                &path,
                name,
                format!(
                    "this is not a name, expected letters, digits, hyphens and underscores, at most \
                     {LONGEST_PART}, beginning with a letter or a digit"
                ),
            );
        }
        if let Some(other) = ids.insert(logical_id(name), name) {
            findings.error(
                &path,
                name,
                format!(
                    "`{name}` and `{other}` differ only in hyphens, underscores or case, which \
                     CloudFormation's logical ids do not have; rename one of them"
                ),
            );
        }
    }
}

/// Checks that names which are joined in logical ids do not become the same: `a-b` and `C`, `a` and
/// `B_C`.
fn check_pairs(stack: &Stack, findings: &mut Findings) {
    let services = Path::default().key("services");
    let file_systems = Path::default().key("file_systems");
    let mut secrets = Vec::new();
    let mut schedules = Vec::new();
    let mut access_points = Vec::new();
    let mut subscriptions = Vec::new();
    for (name, topic) in &stack.topics {
        let path = Path::default().key("topics").key(name).key("subscriptions");
        let keys = topic.subscriptions.keys();
        subscriptions.extend(keys.map(|key| (name.clone(), key.clone(), path.key(key))));
    }
    for (name, service) in &stack.services {
        let path = services.key(name);
        let of = |field: &str, key: &String| (name.clone(), key.clone(), path.key(field).key(key));
        secrets.extend(service.secrets.keys().map(|key| of("secrets", key)));
        schedules.extend(service.schedules.keys().map(|key| of("schedules", key)));
    }
    for (name, file_system) in &stack.file_systems {
        let path = file_systems.key(name).key("access_points");
        let keys = file_system.access_points.keys();
        access_points.extend(keys.map(|key| (name.clone(), key.clone(), path.key(key))));
    }
    for pairs in [secrets, schedules, access_points, subscriptions] {
        let mut seen: BTreeMap<String, Path> = BTreeMap::new();
        for (owner, name, path) in pairs {
            let id = logical_id(&owner) + &logical_id(&name);
            if let Some(other) = seen.insert(id, path.clone()) {
                findings.error(
                    &path,
                    &name,
                    format!(
                        "`{other}` and this differ only in hyphens, underscores or case, which \
                         CloudFormation's logical ids do not have; rename one of them"
                    ),
                );
            }
        }
    }
}

fn check_services(stack: &Stack, findings: &mut Findings) {
    let mut service_names: BTreeMap<String, &str> = BTreeMap::new();
    let mut families: BTreeMap<String, &str> = BTreeMap::new();
    for (name, service) in &stack.services {
        let path = Path::default().key("services").key(name);
        if let Some(container) = &service.container_name {
            check_ecs_name(
                &path.key("container_name"),
                container,
                "container",
                findings,
            );
        }
        let service_name = stack.ecs_service_name(name);
        let place = match service.service_name {
            Some(_) => path.key("service_name"),
            None => path.clone(),
        };
        // A default is made of names that were checked already.
        if service.service_name.is_some() {
            check_ecs_name(&place, &service_name, "service", findings);
        }
        if let Some(other) = service_names.insert(service_name.clone(), name) {
            findings.error(
                &place,
                &service_name,
                format!(
                    "services `{other}` and `{name}` have the same ECS service name, expected names that \
                     differ"
                ),
            );
        }
        let family = service.family.clone().unwrap_or(service_name);
        let place = match service.family {
            Some(_) => path.key("family"),
            None => path,
        };
        if service.family.is_some() {
            check_ecs_name(&place, &family, "task definition family", findings);
        }
        if let Some(other) = families.insert(family.clone(), name) {
            findings.error(
                &place,
                &family,
                format!(
                    "services `{other}` and `{name}` have the same task definition family, so that their \
                     revisions could not be distinguished; expected families that differ"
                ),
            );
        }
    }
}

fn check_ecs_name(path: &Path, name: &str, what: &str, findings: &mut Findings) {
    if !is_name(name) || name.len() > LONGEST_ECS_NAME {
        let note = if is_open(name) {
            "; a name must be known before CloudFormation is at work, so it holds no pseudo parameter"
        } else {
            ""
        };
        findings.error(
            path,
            name,
            format!(
                "this is not a name of a {what}, expected letters, digits, hyphens and underscores, at most \
                 {LONGEST_ECS_NAME}{note}"
            ),
        );
    }
}

fn check_tags(stack: &Stack, findings: &mut Findings) {
    let path = Path::default().key("tags");
    if stack.tags.len() > MOST_TAGS {
        findings.error(
            &path,
            stack.tags.len(),
            format!(
                "too many tags, expected at most {MOST_TAGS} of the 50 that AWS takes on a resource"
            ),
        );
    }
    for (key, value) in &stack.tags {
        let path = path.key(key);
        let is_tag = |text: &str| {
            text.chars()
                .all(|character| character.is_alphanumeric() || " _.:/=+-@".contains(character))
        };
        let lowercase = key.to_lowercase();
        if lowercase.starts_with("aws:") {
            findings.error(
                &path,
                key,
                "tags that begin with `aws:` are AWS's own; choose another key",
            );
        } else if lowercase.starts_with("longshore:") {
            findings.error(
                &path,
                key,
                "tags that begin with `longshore:` are Longshore's own; choose another key",
            );
        } else if key.is_empty() || key.chars().count() > 128 || !is_tag(key) {
            findings.error(
                &path,
                key,
                "this is not a key of a tag, expected 1 to 128 letters, digits, spaces and `_.:/=+-@`",
            );
        }
        let value = value.as_str();
        if value.chars().count() > 256 || !(is_tag(value) || is_open(value)) {
            findings.error(
                &path,
                value,
                "this is not a value of a tag, expected at most 256 letters, digits, spaces and `_.:/=+-@`",
            );
        }
    }
}

fn check_namespace(stack: &Stack, findings: &mut Findings) {
    let services = Path::default().key("services");
    let Some(discovery) = &stack.service_discovery else {
        for (name, service) in &stack.services {
            if service.service_discovery == Some(true) {
                findings.error(
                    services.key(name).key("service_discovery"),
                    true,
                    "the stack has no `service_discovery` in which the service could be found; add it",
                );
            }
        }
        return;
    };
    let path = Path::default().key("service_discovery");
    let namespace = &discovery.namespace;
    if namespace.len() > 253 || !namespace.split('.').all(is_label) {
        findings.error(
            path.key("namespace"),
            namespace,
            "this is not a DNS name, expected one such as shop.local",
        );
    }
    if let Some(id) = &discovery.namespace_id
        && !is_id(id, "ns-")
    {
        findings.error(
            path.key("namespace_id"),
            id,
            "this is not an id of a namespace of Cloud Map, expected one such as ns-0a1b2c3d4e5f6789",
        );
    }
    for (name, service) in &stack.services {
        let is_found = service
            .service_discovery
            .unwrap_or(service.container_port.is_some());
        if is_found && !is_label(name) {
            findings.error(
                services.key(name),
                name,
                format!(
                    "a service that is found by DNS is named with letters, digits and hyphens between \
                     them, at most 63, since it is found as <service>.{namespace}"
                ),
            );
        }
    }
}
