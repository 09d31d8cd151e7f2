//! What a stack file changes of what was rendered, and adds to it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};

use super::output_names::FURTHER;
use crate::spec::{Patch, Service, Stack};

use super::named::NamedService;
use super::names::{Kind, Singleton};
use super::outputs;
use super::template::{Template, Value, json};

/// The lists that a patch may change item by item, by a map: the property, and what names an item.
const NAMED_LISTS: [(&str, &str); 5] = [
    ("ContainerDefinitions", "Name"),
    ("ListenerAttributes", "Key"),
    ("LoadBalancerAttributes", "Key"),
    ("TargetGroupAttributes", "Key"),
    ("Volumes", "Name"),
];

/// What names an item of a list that a map may change.
pub(crate) fn name_in_list(property: &str) -> Option<&'static str> {
    let mut lists = NAMED_LISTS.into_iter();
    lists
        .find(|(list, _)| *list == property)
        .map(|(_, name)| name)
}

/// A patch, and which resources it is for.
pub(crate) struct Change<'a> {
    /// The service whose `overrides` it is in; none for those of the stack.
    pub service: Option<&'a str>,
    /// Its key there.
    pub key: &'static str,
    /// The name under the key, where there is one for each of something.
    pub name: Option<&'a str>,
    /// The logical ids of the resources, if they are rendered.
    pub ids: Vec<String>,
    pub patch: &'a Patch,
}

/// All patches of a stack.
pub(crate) fn changes(stack: &Stack) -> impl Iterator<Item = Change<'_>> {
    let of_stack = stack.overrides.patches().map(|(key, name, patch)| Change {
        service: None,
        key,
        name,
        ids: ids_of_stack(stack, key, name.unwrap_or_default()),
        patch,
    });
    let of_services = stack.services.iter().flat_map(|(service, spec)| {
        let patches = spec.overrides.patches();
        patches.map(|(key, name, patch)| Change {
            service: Some(service),
            key,
            name,
            ids: ids_of_service(service, spec, key, name.unwrap_or_default()),
            patch,
        })
    });
    of_stack.chain(of_services)
}

/// Whether a logical id is one that Longshore may give to a resource of its own, now or when something is added.
pub(crate) fn is_reserved(id: &str) -> bool {
    let is_kind = |kind: &Kind| id.starts_with(kind.as_str());
    Kind::ALL.iter().any(is_kind) || Singleton::ALL.iter().any(|one| one.as_str() == id)
}

fn ids_of_stack(stack: &Stack, key: &str, name: &str) -> Vec<String> {
    let has_certificate = stack
        .load_balancer
        .as_ref()
        .is_some_and(|load_balancer| !load_balancer.certificate_arns.is_empty());
    let one = |one: Singleton| vec![one.as_str().to_owned()];
    match key {
        "cluster" => one(Singleton::Cluster),
        "load_balancer" => one(Singleton::LoadBalancer),
        "listener" if has_certificate => one(Singleton::HttpsListener),
        "listener" | "http_listener" => one(Singleton::HttpListener),
        "file_systems" => vec![Kind::FileSystem.id(&[name])],
        "capacity" => vec![Kind::AutoScalingGroup.id(&[name])],
        _ => Vec::new(),
    }
}

fn ids_of_service(service: &str, spec: &Service, key: &str, name: &str) -> Vec<String> {
    let kind = match key {
        "task_definition" => Kind::TaskDefinition,
        "service" => Kind::Service,
        "target_group" => {
            let named_service = NamedService {
                name: service,
                spec,
            };
            let groups = named_service.target_groups().into_iter();
            return groups
                .flat_map(|group| {
                    let kinds = [Kind::TargetGroup, Kind::AlternateTargetGroup];
                    kinds.map(|kind| group.id(kind))
                })
                .collect();
        }
        "listener_rule" => Kind::ListenerRule,
        "log_group" => Kind::LogGroup,
        "service_discovery" => Kind::DiscoveryEntry,
        "scalable_target" => Kind::ScalableTarget,
        "cpu_tracking" => Kind::CpuTracking,
        "memory_tracking" => Kind::MemoryTracking,
        "request_tracking" => Kind::RequestTracking,
        "scale_out_policy" => Kind::ScaleOutPolicy,
        "scale_in_policy" => Kind::ScaleInPolicy,
        "cpu_alarm" => Kind::CpuAlarm,
        "memory_alarm" => Kind::MemoryAlarm,
        "running_tasks_alarm" => Kind::RunningTasksAlarm,
        "target_errors_alarm" => Kind::TargetErrorsAlarm,
        "target_health_alarm" => Kind::TargetHealthAlarm,
        "schedules" => return vec![Kind::Schedule.id(&[service, name])],
        _ => return Vec::new(),
    };
    vec![kind.id(&[service])]
}

pub(super) fn render(stack: &Stack, template: &mut Template) {
    for change in changes(stack) {
        for id in &change.ids {
            template.change(id, |properties| {
                merge(properties, &properties_of(change.patch));
            });
        }
    }
    for (service, id) in listeners_of_services(stack) {
        template.depend(&Kind::Service.id(&[service]), id);
    }
    for (id, resource) in &stack.resources {
        let mut properties = Json::Object(Map::new());
        merge(&mut properties, &properties_of(&resource.properties));
        template
            .add_further(id.clone(), resource.r#type.clone(), &properties)
            .depends_on(resource.depends_on.iter().cloned());
    }
    for (name, value) in &stack.outputs {
        template.add_output(name.clone(), Value::Further(written(&value.0)));
    }
    outputs::add_list(template, FURTHER, stack.outputs.keys().cloned());
}

/// The services with target groups of their own choice, each with a further listener or rule that sends to one of them:
/// ECS takes a target group only when a load balancer sends to it.
fn listeners_of_services(stack: &Stack) -> impl Iterator<Item = (&str, &str)> {
    let services = stack.services.iter().filter_map(|(name, service)| {
        let load_balancers = service.overrides.service.get("LoadBalancers")?;
        let target_groups: BTreeSet<String> = references(&load_balancers.0).into_iter().collect();
        Some((name.as_str(), target_groups))
    });
    services.flat_map(|(service, target_groups)| {
        let sends = stack.resources.iter().filter(move |(_, resource)| {
            matches!(
                resource.r#type.as_str(),
                "AWS::ElasticLoadBalancingV2::Listener"
                    | "AWS::ElasticLoadBalancingV2::ListenerRule"
            ) && references(&properties_of(&resource.properties))
                .iter()
                .any(|id| target_groups.contains(id))
        });
        sends.map(move |(id, _)| (service, id.as_str()))
    })
}

/// The logical ids that `Ref` names anywhere in a value.
fn references(value: &Json) -> Vec<String> {
    match value {
        Json::Object(fields) => match fields.get("Ref") {
            Some(Json::String(id)) if fields.len() == 1 => vec![id.clone()],
            _ => fields.values().flat_map(references).collect(),
        },
        Json::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

fn properties_of(patch: &Patch) -> Json {
    let properties: BTreeMap<&String, Json> = patch
        .iter()
        .map(|(name, value)| (name, written(&value.0)))
        .collect();
    // Its nulls say what is removed.
    serde_json::to_value(properties).unwrap_or_default()
}

/// A value of a stack file as a template has it.
fn written(value: &Json) -> Json {
    match value {
        Json::String(text) => json(&Value::written(text)),
        Json::Array(items) => items.iter().map(written).collect(),
        Json::Object(fields) if is_function(value) => {
            let fields = fields.iter();
            let fields = fields.map(|(function, argument)| {
                let argument = match (function.as_str(), argument) {
                    ("Ref", _) => argument.clone(),
                    // Templates in JSON take the two as a list only.
                    ("Fn::GetAtt", Json::String(text)) => match text.split_once('.') {
                        Some((id, attribute)) => Json::from(vec![id, attribute]),
                        None => argument.clone(),
                    },
                    _ => written(argument),
                };
                (function.clone(), argument)
            });
            Json::Object(fields.collect())
        }
        Json::Object(fields) => {
            let fields = fields.iter();
            let fields = fields.map(|(name, value)| (name.clone(), written(value)));
            Json::Object(fields.collect())
        }
        _ => value.clone(),
    }
}

/// Whether a value is one that CloudFormation works out. A patch replaces it as a whole, and it replaces what was
/// there.
pub(crate) fn is_function(value: &Json) -> bool {
    let Json::Object(fields) = value else {
        return false;
    };
    let mut names = fields.keys();
    names.any(|name| name == "Ref" || name.starts_with("Fn::"))
}

/// A JSON merge patch (RFC 7396), but for two things: functions are values, and a map takes the place of a list
/// whose items have names.
fn merge(target: &mut Json, patch: &Json) {
    let Json::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if is_function(patch) {
        *target = patch.clone();
        return;
    }
    if !target.is_object() || is_function(target) {
        *target = Json::Object(Map::new());
    }
    let Json::Object(fields) = target else {
        return;
    };
    for (name, change) in changes {
        if change.is_null() {
            fields.remove(name);
            continue;
        }
        let field = fields.entry(name.clone()).or_insert(Json::Null);
        match (name_in_list(name), change) {
            (Some(key), Json::Object(changes)) if !is_function(change) => {
                merge_items(field, key, changes);
            }
            _ => merge(field, change),
        }
    }
}

/// Changes the items of a list that `changes` names by their field `key`, and adds those that are not there.
fn merge_items(list: &mut Json, key: &str, changes: &Map<String, Json>) {
    if !list.is_array() {
        *list = Json::Array(Vec::new());
    }
    let Json::Array(items) = list else { return };
    for (name, change) in changes {
        let position = items.iter().position(|item| item[key] == name.as_str());
        match (position, change) {
            (Some(position), Json::Null) => {
                items.remove(position);
            }
            (None, Json::Null) => {}
            (position, change) => {
                let change = match change {
                    Json::Object(_) if key == "Name" => change.clone(),
                    value => Json::Object(Map::from_iter([("Value".to_owned(), value.clone())])),
                };
                let mut item = match position {
                    Some(position) => items[position].take(),
                    None => Json::Object(Map::from_iter([(key.to_owned(), name.clone().into())])),
                };
                merge(&mut item, &change);
                match position {
                    Some(position) => items[position] = item,
                    None => items.push(item),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged(mut target: Json, patch: Json) -> Json {
        merge(&mut target, &patch);
        target
    }

    #[test]
    fn the_examples_of_the_standard_give_what_it_says() {
        // RFC 7396, appendix A, for maps.
        for (target, patch, expected) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": "b"}),
                json!({"b": "c"}),
                json!({"a": "b", "b": "c"}),
            ),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (
                json!({"e": null}),
                json!({"a": 1}),
                json!({"e": null, "a": 1}),
            ),
            (
                json!({}),
                json!({"a": {"bb": {"ccc": null}}}),
                json!({"a": {"bb": {}}}),
            ),
        ] {
            assert_eq!(merged(target, patch), expected);
        }
    }

    #[test]
    fn a_function_is_replaced_and_replaces_as_a_whole() {
        assert_eq!(
            merged(json!({"a": {"Ref": "X"}}), json!({"a": {"b": 1}})),
            json!({"a": {"b": 1}})
        );
        assert_eq!(
            merged(json!({"a": {"b": 1}}), json!({"a": {"Ref": "X"}})),
            json!({"a": {"Ref": "X"}})
        );
    }

    #[test]
    fn a_map_changes_the_items_of_a_list_by_their_names() {
        let containers =
            json!({"ContainerDefinitions": [{"Name": "api", "Image": "x"}, {"Name": "proxy"}]});
        assert_eq!(
            merged(
                containers,
                json!({"ContainerDefinitions": {"api": {"Hostname": "h"}, "proxy": null, "new": {"Image": "y"}}})
            ),
            json!({"ContainerDefinitions": [
                {"Name": "api", "Image": "x", "Hostname": "h"}, {"Name": "new", "Image": "y"},
            ]})
        );
        let attributes = json!({"LoadBalancerAttributes": [{"Key": "a", "Value": "1"}]});
        assert_eq!(
            merged(
                attributes,
                json!({"LoadBalancerAttributes": {"a": "2", "b": "3"}})
            ),
            json!({"LoadBalancerAttributes": [{"Key": "a", "Value": "2"}, {"Key": "b", "Value": "3"}]})
        );
    }

    #[test]
    fn longshores_own_logical_ids_are_reserved() {
        for id in ["Cluster", "ServiceApi", "TargetGroupAdmin", "ListenerRuleX"] {
            assert!(is_reserved(id), "{id}");
        }
        for id in ["AdminTargetGroup", "QueueDepthAlarm", "ClusterAlarm"] {
            assert!(!is_reserved(id), "{id}");
        }
    }
}
