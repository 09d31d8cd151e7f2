//! What no key says: changes of what Longshore renders, and further resources.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Value;

/// A value in CloudFormation's words: a text, a number, a boolean, a list or a map. Null removes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Json(pub Value);

impl JsonSchema for Json {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Json".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["object", "array", "string", "number", "boolean", "null"]})
    }
}

/// A JSON merge patch (RFC 7396) on a resource's properties, by CloudFormation's names of them.
pub type Patch = BTreeMap<String, Json>;

/// Defines a struct of patches, whose keys are what they change.
macro_rules! patches {
    (
        $(#[$attribute:meta])*
        $name:ident {
            $($(#[$one_attribute:meta])* $one:ident,)*
        } each {
            $($(#[$each_attribute:meta])* $each:ident,)*
        }
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$one_attribute])* #[serde(default)] pub $one: Patch,)*
            $($(#[$each_attribute])* #[serde(default)] pub $each: BTreeMap<String, Patch>,)*
        }

        impl $name {
            /// The patches that there are: the key, the name under it where there is one for each of something,
            /// and the patch.
            pub fn patches(&self) -> impl Iterator<Item = (&'static str, Option<&str>, &Patch)> {
                let one = [$((stringify!($one), &self.$one)),*];
                let one = one.into_iter().map(|(key, patch)| (key, None, patch));
                let each = [$((stringify!($each), &self.$each)),*];
                let each = each.into_iter().flat_map(|(key, patches)| {
                    patches.iter().map(move |(name, patch)| (key, Some(name.as_str()), patch))
                });
                one.chain(each).filter(|(_, _, patch)| !patch.is_empty())
            }

            /// Whether there is no patch.
            pub fn is_empty(&self) -> bool {
                *self == Self::default()
            }
        }
    };
}

patches! {
    /// Changes of what a service is rendered as: JSON merge patches (RFC 7396) on the properties of its
    /// CloudFormation resources. A map takes the place of a list of containers, volumes or attributes, by their names.
    ServiceOverrides {
        /// The task definition. `ContainerDefinitions` and `Volumes` are maps by name here.
        task_definition,
        /// The ECS service.
        service,
        /// The target group behind the stack's load balancer, and the alternate one; all of `target_groups`.
        /// `TargetGroupAttributes` is a map by key here.
        target_group,
        /// The rule of the load balancer's listener; that of the first of `target_groups`.
        listener_rule,
        /// The log group.
        log_group,
        /// The entry in the stack's service discovery.
        service_discovery,
        /// What Application Auto Scaling scales.
        scalable_target,
        /// The scaling by CPU.
        cpu_tracking,
        /// The scaling by memory.
        memory_tracking,
        /// The scaling by requests.
        request_tracking,
        /// The policy by which steps start tasks.
        scale_out_policy,
        /// The policy by which steps stop tasks.
        scale_in_policy,
        /// The alarm of CPU.
        cpu_alarm,
        /// The alarm of memory.
        memory_alarm,
        /// The alarm of running tasks.
        running_tasks_alarm,
        /// The alarm of failing requests.
        target_errors_alarm,
        /// The alarm of unhealthy targets.
        target_health_alarm,
    } each {
        /// The schedules, by name.
        schedules,
    }
}

patches! {
    /// Changes of what a stack is rendered as: JSON merge patches (RFC 7396) on the properties of its CloudFormation
    /// resources. A map takes the place of a list of attributes, by their keys.
    StackOverrides {
        /// The ECS cluster.
        cluster,
        /// The load balancer. `LoadBalancerAttributes` is a map by key here.
        load_balancer,
        /// The listener that requests for the services come through: HTTPS, or HTTP without a certificate.
        listener,
        /// The listener to HTTP, which redirects to HTTPS where there is a certificate.
        http_listener,
    } each {
        /// The file systems, by name.
        file_systems,
        /// The Auto Scaling groups of the capacity, by name.
        capacity,
    }
}

/// A further CloudFormation resource, in CloudFormation's words.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub struct FurtherResource {
    /// Its type, one of those that a stack may add.
    pub r#type: String,
    /// Its properties.
    #[serde(default)]
    pub properties: Patch,
    /// What is made before it, by logical ids.
    #[serde(default)]
    pub depends_on: Vec<String>,
}
