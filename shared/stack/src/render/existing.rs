//! What a stack names instead of making it: a cluster, a namespace, file systems, capacity providers.
//!
//! The rest of a template refers to these as to resources of the stack. Here each such reference becomes what the resource
//! would have given.

use std::collections::BTreeMap;

use crate::spec::{Stack, is_fargate};

use super::names::{Kind, Singleton};
use super::template::{Template, part_of_sub};

/// By logical id and attribute, where `Ref` is one, a text for `Fn::Sub`.
pub(super) type Existing = BTreeMap<(String, String), String>;

pub(super) fn render(stack: &Stack, template: &mut Template) {
    let existing = existing(stack);
    if !existing.is_empty() {
        template.replace_references(&existing);
    }
}

fn existing(stack: &Stack) -> Existing {
    let mut existing = Existing::new();
    let arn = |service: &str, resource: String| {
        format!("arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:{resource}")
    };
    let mut add = |id: &str, attribute: &str, text: String| {
        existing.insert((id.to_owned(), attribute.to_owned()), text);
    };
    if let Some(name) = &stack.cluster.existing {
        let id = Singleton::Cluster.as_str();
        add(id, "Ref", part_of_sub(name));
        add(
            id,
            "Arn",
            arn("ecs", format!("cluster/{}", part_of_sub(name))),
        );
        let shares = stack.services.values();
        let shares = shares.flat_map(|service| &service.capacity_provider_strategy);
        for provider in shares.map(|share| &share.capacity_provider) {
            if !is_fargate(provider) && !stack.capacity.contains_key(provider) {
                let id = Kind::CapacityProvider.id(&[provider]);
                add(&id, "Ref", part_of_sub(provider));
            }
        }
    }
    let discovery = stack.service_discovery.as_ref();
    if let Some(id) = discovery.and_then(|discovery| discovery.namespace_id.as_deref()) {
        let namespace = Singleton::DiscoveryNamespace.as_str();
        let id = part_of_sub(id);
        add(
            namespace,
            "Arn",
            arn("servicediscovery", format!("namespace/{id}")),
        );
        add(namespace, "Id", id);
    }
    for (name, file_system) in &stack.file_systems {
        if let Some(id) = &file_system.file_system_id {
            let file_system = Kind::FileSystem.id(&[name]);
            let id = part_of_sub(id);
            add(
                &file_system,
                "Arn",
                arn("elasticfilesystem", format!("file-system/{id}")),
            );
            add(&file_system, "Ref", id);
        }
    }
    existing
}
