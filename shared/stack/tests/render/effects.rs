//! Every field of a stack file has an effect on its template.

use std::collections::BTreeSet;

use longshore_stack::read::schema;
use longshore_stack::render::render;
use longshore_stack::spec::Stack;
use serde_json::{Value, json};

use super::networks;
use super::support::context;
use super::whole::document;

/// What only the estimate of costs reads.
fn is_expectation(name: &str) -> bool {
    name.starts_with("expected_")
}

fn body(document: &Value) -> Result<String, serde_json::Error> {
    let stack: Stack = serde_json::from_value(document.clone())?;
    Ok(render(&stack, &context()).body)
}

/// The places of all values that are neither maps nor lists.
fn leaves(value: &Value, place: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                leaves(value, &format!("{place}/{key}"), found);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                leaves(value, &format!("{place}/{index}"), found);
            }
        }
        _ => found.push(place.to_owned()),
    }
}

/// Another value for a place; where only certain words are allowed, another one of these.
fn other(value: &Value) -> Value {
    let words = [
        ("ARM64", "X86_64"),
        ("enhanced", "disabled"),
        ("maxIO", "generalPurpose"),
        ("provisioned", "elastic"),
        ("delete", "retain"),
        ("internet-facing", "internal"),
        ("kms_key", "aws_owned"),
        ("REJECT", "ALL"),
        ("Deny", "Allow"),
        ("Sum", "Maximum"),
        ("fluentbit", "fluentd"),
        ("START", "SUCCESS"),
        ("SUCCESS", "COMPLETE"),
        ("HEALTHY", "START"),
        ("ROLLING", "BLUE_GREEN"),
        ("BLUE_GREEN", "ROLLING"),
        ("LINEAR", "CANARY"),
        ("CANARY", "LINEAR"),
        ("nofile", "nproc"),
        ("non-blocking", "blocking"),
        ("COUNT", "BOUNDED_PERCENT"),
        ("read_write", "read"),
        ("send", "receive"),
        // There is no other word.
        ("publish", "publish"),
        ("capacity-optimized", "lowest-price"),
        ("spread", "binpack"),
        ("memberOf", "distinctInstance"),
        ("PercentChangeInCapacity", "ExactCapacity"),
        ("DAEMON", "REPLICA"),
        ("dualstack", "ipv4"),
        ("network", "application"),
        ("GRPC", "HTTP2"),
        ("grpc", "http2"),
        ("deny", "allow"),
        ("allow", "deny"),
        ("TLS", "TCP"),
        ("UDP", "TCP_UDP"),
        ("HTTP", "TCP"),
        ("alphabetical", "number"),
    ];
    match value {
        Value::Bool(value) => json!(!value),
        Value::Number(number) => match number.as_u64() {
            Some(whole) => json!(whole + 1),
            None => json!(number.as_f64().unwrap() + 1.0),
        },
        Value::String(text) => {
            let word = words.iter().find(|(from, _)| from == text);
            json!(word.map_or_else(|| format!("{text}9"), |(_, to)| (*to).to_owned()))
        }
        other => panic!("{other} is not a leaf"),
    }
}

/// Whether a value is the only word that is allowed.
fn changes_nothing(value: Option<&Value>) -> bool {
    value.is_some_and(|value| other(value) == *value)
}

/// The stacks that say between them all that a stack file can say.
fn documents() -> impl Iterator<Item = Value> {
    std::iter::once(document()).chain(networks::documents())
}

#[test]
fn a_change_of_any_value_changes_the_template() {
    let mut wrong = Vec::new();
    for document in documents() {
        let before = body(&document).unwrap();
        let mut places = Vec::new();
        leaves(&document, "", &mut places);
        for place in places {
            let name = place.rsplit('/').next().unwrap();
            // The sensitive ones must have none: they are in no template. Whether the stack is protected is said to
            // CloudFormation beside the template; the load balancer follows it where it does not say itself.
            // A namespace that exists is found by its id.
            let is_found_by_id = place == "/service_discovery/namespace"
                && document
                    .pointer("/service_discovery/namespace_id")
                    .is_some();
            let without = is_expectation(name)
                || is_found_by_id
                || (place.contains("/secrets/") && name == "value")
                || place == "/termination_protection"
                || changes_nothing(document.pointer(&place));
            let mut changed = document.clone();
            let value = changed.pointer_mut(&place).unwrap();
            *value = other(value);
            let after = body(&changed).unwrap_or_else(|error| panic!("{place}: {error}"));
            if (after != before) == without {
                wrong.push(format!("{}: {place}", document["name"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_documents_say_all_that_a_stack_file_can_say() {
    fn names(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    if key == "properties" {
                        found.extend(value.as_object().unwrap().keys().cloned());
                    }
                    names(value, found);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| names(item, found)),
            _ => {}
        }
    }
    fn keys(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    found.insert(key.clone());
                    keys(value, found);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
            _ => {}
        }
    }
    let (mut can_be_said, mut is_said) = (BTreeSet::new(), BTreeSet::new());
    names(&schema(), &mut can_be_said);
    documents().for_each(|document| keys(&document, &mut is_said));
    let unsaid: Vec<&String> = can_be_said
        .difference(&is_said)
        .filter(|name| !is_expectation(name) && *name != "environments")
        .collect();
    assert!(unsaid.is_empty(), "{unsaid:?}");
}
