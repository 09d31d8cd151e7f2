//! The cluster and what its tasks may run on.

use serde::Serialize;

use crate::spec::ContainerInsights;

use super::named::NamedStack;
use super::names::{Kind, Singleton};
use super::template::{Properties, Tag, Template, Value};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Cluster {
    cluster_name: String,
    cluster_settings: [Setting; 1],
    tags: Option<Vec<Tag>>,
}

impl Properties for Cluster {
    const TYPE: &'static str = "AWS::ECS::Cluster";
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Setting {
    name: &'static str,
    value: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ClusterCapacity {
    capacity_providers: Vec<Value>,
    cluster: Value,
    default_capacity_provider_strategy: [DefaultShare; 1],
}

impl Properties for ClusterCapacity {
    const TYPE: &'static str = "AWS::ECS::ClusterCapacityProviderAssociations";
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DefaultShare {
    capacity_provider: &'static str,
    weight: u32,
}

pub(super) fn render(named_stack: &NamedStack, template: &mut Template) {
    if !named_stack.stack.has_cluster() || named_stack.stack.cluster.existing.is_some() {
        return;
    }
    let cluster = Cluster {
        cluster_name: named_stack.cluster_name.clone(),
        cluster_settings: [Setting {
            name: "containerInsights",
            value: match named_stack.stack.cluster.container_insights {
                ContainerInsights::Enabled => "enabled",
                ContainerInsights::Enhanced => "enhanced",
                ContainerInsights::Disabled => "disabled",
            },
        }],
        tags: named_stack.tags(),
    };
    let resource = template.add_one(Singleton::Cluster, &cluster);
    if named_stack.stack.cluster.container_insights == ContainerInsights::Disabled {
        resource.unchecked(
            "CKV_AWS_65",
            "the stack file asks for no Container Insights",
        );
    }

    let own = named_stack.stack.capacity.keys();
    let own = own.map(|name| Value::Ref(Kind::CapacityProvider.id(&[name])));
    let capacity = ClusterCapacity {
        cluster: Value::Ref(Singleton::Cluster.as_str().to_owned()),
        capacity_providers: [Value::from("FARGATE"), Value::from("FARGATE_SPOT")]
            .into_iter()
            .chain(own)
            .collect(),
        // For tasks that people start by hand: each service says itself where it runs.
        default_capacity_provider_strategy: [DefaultShare {
            capacity_provider: "FARGATE",
            weight: 1,
        }],
    };
    template.add_one(Singleton::ClusterCapacity, &capacity);
}
