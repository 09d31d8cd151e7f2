//! The same stack gives the same template, and an addition leaves the rest alone.

use longshore_stack::read::{Selection, read};
use longshore_stack::render::{logical_id, render};
use longshore_stack::spec::Stack;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::support::{STACKS, context, file, stack};
use super::whole::document;

fn of(document: &Value) -> Stack {
    serde_json::from_value(document.clone()).unwrap()
}

fn template(stack: &Stack) -> Value {
    serde_json::from_str(&render(stack, &context()).body).unwrap()
}

/// The document as JSON, with the entries of its maps in an order that follows from the seed.
fn shuffled(value: &Value, seed: &mut u64) -> String {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            for last in (1..entries.len()).rev() {
                *seed = seed
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                entries.swap(last, (*seed >> 33) as usize % (last + 1));
            }
            let entries = entries.into_iter();
            let entries =
                entries.map(|(key, value)| format!("{}:{}", json!(key), shuffled(value, seed)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| shuffled(item, seed)).collect();
            format!("[{}]", items.join(","))
        }
        other => other.to_string(),
    }
}

/// What a service of any kind may say.
fn any_service() -> impl Strategy<Value = Value> {
    (
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(behind, mounts, scales, scheduled, secret)| {
            let mut service = json!({"image": "other:v1", "container_port": 8080});
            let mut say = |name: &str, value: Value| service[name] = value;
            if behind {
                say(
                    "target_group",
                    json!({"path_patterns": ["/other"], "priority": 1}),
                );
            }
            if mounts {
                say(
                    "mount_points",
                    json!([{"file_system": "data", "container_path": "/data"}]),
                );
            }
            if scales {
                say(
                    "scaling",
                    json!({"min_capacity": 0, "max_capacity": 2, "target_cpu_utilization": 50}),
                );
            }
            if scheduled {
                say(
                    "schedules",
                    json!({"daily": {"schedule_expression": "rate(1 day)"}}),
                );
            }
            if secret {
                say("secrets", json!({"TOKEN": {"value": "quiet"}}));
            }
            service
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_order_of_a_stack_file_does_not_matter(mut seed in any::<u64>()) {
        let document = document();
        let straight = render(&of(&document), &context());
        let text = shuffled(&document, &mut seed);
        let reordered: Stack = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(straight, render(&reordered, &context()));
    }

    #[test]
    fn a_new_service_changes_nothing_of_what_there_is(
        name in "[a-z][a-z0-9-]{0,20}",
        service in any_service(),
    ) {
        let document = document();
        prop_assume!(document["services"].get(&name).is_none());
        let mut larger = document.clone();
        larger["services"][&name] = service;
        prop_assume!(render(&of(&larger), &context()).clashes.is_empty());

        let (before, after) = (template(&of(&document)), template(&of(&larger)));
        let after_resources = after["Resources"].as_object().unwrap();
        for (id, resource) in before["Resources"].as_object().unwrap() {
            // Which shows all services.
            if id != "Dashboard" {
                prop_assert_eq!(&after_resources[id], resource, "{}", id);
            }
        }
        for (output, value) in before["Outputs"].as_object().unwrap() {
            if output != "Services" {
                prop_assert_eq!(&after["Outputs"][output], value, "{}", output);
            }
        }
        let id = format!("Service{}", logical_id(&name));
        prop_assert!(after_resources.contains_key(&id));
    }

    #[test]
    fn logical_ids_are_what_cloudformation_takes(name in ".{0,60}") {
        prop_assert!(logical_id(&name).chars().all(|character| character.is_ascii_alphanumeric()));
    }
}

#[test]
fn the_stacks_are_rendered_to_the_same_bytes_each_time() {
    for (name, environments) in STACKS {
        for environment in environments {
            let stack = stack(&file(name), Some(environment));
            let rendered = render(&stack, &context());
            assert_eq!(rendered, render(&stack, &context()));
            assert!(
                rendered.clashes.is_empty(),
                "{name}: {:?}",
                rendered.clashes
            );
        }
    }
}

#[test]
fn names_that_would_be_one_logical_id_are_a_clash() {
    let mut document = document();
    let services = document["services"].as_object_mut().unwrap();
    let api = services["web"].clone();
    services.insert("we-b".to_owned(), api.clone());
    services.insert("we_b".to_owned(), api);
    let clashes = render(&of(&document), &context()).clashes;
    assert!(clashes.contains("ServiceWeB"), "{clashes:?}");
    assert!(!clashes.contains("ServiceWeb"), "{clashes:?}");
}

#[test]
fn every_reference_is_to_something_in_the_template() {
    fn referred(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("Ref").and_then(Value::as_str).map(str::to_owned));
                found.extend(
                    map.get("Fn::GetAtt")
                        .map(|list| list[0].as_str().unwrap().to_owned()),
                );
                if let Some(text) = map.get("Fn::Sub").and_then(Value::as_str) {
                    for part in text.split("${").skip(1) {
                        let name = part.split('}').next().unwrap();
                        if !name.starts_with('!') {
                            found.push(name.split('.').next().unwrap().to_owned());
                        }
                    }
                }
                if let Some(list) = map.get("DependsOn").and_then(Value::as_array) {
                    // Containers depend on others, too, which are not resources.
                    found.extend(list.iter().filter_map(Value::as_str).map(str::to_owned));
                }
                map.values().for_each(|value| referred(value, found));
            }
            Value::Array(items) => items.iter().for_each(|item| referred(item, found)),
            _ => {}
        }
    }
    let template = template(&of(&document()));
    let mut found = Vec::new();
    referred(&template, &mut found);
    let known = |map: &str| template[map].as_object().cloned().unwrap_or_else(Map::new);
    let (resources, parameters) = (known("Resources"), known("Parameters"));
    assert!(found.len() > 100);
    for id in found {
        assert!(
            id.starts_with("AWS::") || resources.contains_key(&id) || parameters.contains_key(&id),
            "{id}"
        );
    }
}

#[test]
fn the_stacks_are_read_without_a_problem() {
    for (name, environments) in STACKS {
        for environment in environments {
            let file = file(name);
            let selection = Selection::Environment(Some(environment));
            let reading = read(file.as_bytes(), &selection)
                .unwrap_or_else(|problems| panic!("{problems:#?}"));
            // Of the systems that follow `latest`, and of the one with more tasks than its instances have network
            // interfaces; of nothing else.
            for warning in reading.warnings {
                let is_known = ["latest", "network interface"];
                let is_known = is_known.iter().any(|words| warning.message.contains(words));
                assert!(is_known, "{name}: {warning:?}");
            }
        }
    }
}
