//! From a stack's CloudFormation outputs to what a person reads.
//!
//! CloudFormation takes letters and digits in an output's name, and 200 outputs. So an output of a
//! service is called after what it is and the service, the outputs `Services`, `FileSystems`,
//! `AccessPoints`, `Buckets` and `Capacity` list the names, and what follows from another output has one of its own
//! only in a stack with one service.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::render::logical_id;
use crate::render::output_names::{
    FURTHER, OF_ACCESS_POINT, OF_BUCKET, OF_CAPACITY, OF_FILE_SYSTEM, OF_SERVICE, OF_STACK,
};
use crate::spec::Stack;

/// Reads a stack's outputs, by CloudFormation's names.
///
/// Services, file systems with their access points, buckets and capacity are in maps by their names. What there is
/// exactly one of is at the top as well, so that a stack with one service is read as a service is.
pub fn outputs(values: &BTreeMap<String, String>) -> Value {
    let mut all = fields(values, &OF_STACK, "");

    let services = entries(values, "Services", |name, id| {
        let mut service = fields(values, &OF_SERVICE, id);
        complete(&mut service, name);
        service
    });
    let capacity = entries(values, "Capacity", |_, id| fields(values, &OF_CAPACITY, id));
    let buckets = entries(values, "Buckets", |_, id| fields(values, &OF_BUCKET, id));
    let points = listed(values, "AccessPoints");
    let file_systems = entries(values, "FileSystems", |name, id| {
        let mut file_system = fields(values, &OF_FILE_SYSTEM, id);
        let own = points.iter().filter_map(|point| point.split_once('/'));
        let own = own.filter(|(of, _)| *of == name).map(|(_, point)| {
            let id = format!("{id}{}", logical_id(point));
            (point.to_owned(), fields(values, &OF_ACCESS_POINT, &id))
        });
        let own: Map<String, Value> = own.map(|(point, of)| (point, of.into())).collect();
        copy_only(&mut file_system, &own);
        if !own.is_empty() {
            file_system.insert("access_points".to_owned(), own.into());
        }
        file_system
    });
    // Beside what is Longshore's own, so that nothing is hidden.
    let further: Map<String, Value> = listed(values, FURTHER)
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), values.get(name)?.as_str().into())))
        .collect();
    if !further.is_empty() {
        all.insert("outputs".to_owned(), further.into());
    }
    for (name, group) in [
        ("services", services),
        ("capacity", capacity),
        ("file_systems", file_systems),
        ("buckets", buckets),
    ] {
        copy_only(&mut all, &group);
        if !group.is_empty() {
            all.insert(name.to_owned(), group.into());
        }
    }
    all.into()
}

/// By the names that a person reads, the names of the outputs at the top: those of the stack, and of what
/// there is exactly one of. `rendered` are the outputs of the stack's template.
pub fn names(stack: &Stack, rendered: &BTreeSet<String>) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    let mut add = |fields: &[(&str, &str)], id: &str| {
        for (name, output) in fields {
            let output = format!("{output}{id}");
            if rendered.contains(&output) {
                names.insert((*name).to_owned(), output);
            }
        }
    };
    add(&OF_STACK, "");
    if let Some(service) = only(stack.services.keys()) {
        add(&OF_SERVICE, &logical_id(service));
    }
    if let Some(capacity) = only(stack.capacity.keys()) {
        add(&OF_CAPACITY, &logical_id(capacity));
    }
    if let Some(bucket) = only(stack.buckets.keys()) {
        add(&OF_BUCKET, &logical_id(bucket));
    }
    if let Some((name, file_system)) = only(stack.file_systems.iter()) {
        add(&OF_FILE_SYSTEM, &logical_id(name));
        if let Some(point) = only(file_system.access_points.keys()) {
            add(
                &OF_ACCESS_POINT,
                &format!("{}{}", logical_id(name), logical_id(point)),
            );
        }
    }
    let further = stack.outputs.keys();
    names.extend(further.map(|name| (name.clone(), name.clone())));
    names
}

fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let first = items.next()?;
    items.next().is_none().then_some(first)
}

/// The fields that there are.
fn fields(
    values: &BTreeMap<String, String>,
    fields: &[(&str, &str)],
    id: &str,
) -> Map<String, Value> {
    let there = fields.iter().filter_map(|(name, output)| {
        let value = values.get(&format!("{output}{id}"))?;
        Some(((*name).to_owned(), json!(value)))
    });
    there.collect()
}

/// The names in a list; a long list goes on in `<list>2` and so on.
fn listed<'a>(values: &'a BTreeMap<String, String>, list: &str) -> Vec<&'a str> {
    let further = (2..).map(|number| format!("{list}{number}"));
    let lists = [list.to_owned()].into_iter().chain(further);
    lists
        .map_while(|list| values.get(&list))
        .flat_map(|names| names.split(','))
        .filter(|name| !name.is_empty())
        .collect()
}

fn entries(
    values: &BTreeMap<String, String>,
    list: &str,
    entry: impl Fn(&str, &str) -> Map<String, Value>,
) -> Map<String, Value> {
    let names = listed(values, list).into_iter();
    let entries = names.map(|name| (name.to_owned(), entry(name, &logical_id(name)).into()));
    entries.collect()
}

/// Adds what follows from the rest.
fn complete(service: &mut Map<String, Value>, name: &str) {
    let text = |field: &str| service.get(field).and_then(Value::as_str);
    let part_after = |field: &str, separator: char| {
        let (_, part) = text(field)?.rsplit_once(separator)?;
        Some(part.to_owned())
    };
    let family = || {
        let (_, revision) = text("task_definition_arn")?.rsplit_once('/')?;
        Some(revision.split_once(':')?.0.to_owned())
    };
    let log_group = || {
        let (_, name) = text("log_group_arn")?.split_once(":log-group:")?;
        Some(name.to_owned())
    };
    let following = [
        ("service_name", part_after("service_arn", '/')),
        ("task_definition_family", family()),
        (
            "task_definition_revision",
            part_after("task_definition_arn", ':'),
        ),
        ("log_group_name", log_group()),
        // In the largest stacks it is not said although it may be another one.
        (
            "container_name",
            text("log_group_arn").map(|_| name.to_owned()),
        ),
    ];
    for (field, value) in following {
        if let Some(value) = value {
            service.entry(field).or_insert_with(|| value.into());
        }
    }
}

/// Puts the fields of the only one in a group beside the group.
fn copy_only(beside: &mut Map<String, Value>, group: &Map<String, Value>) {
    if let Some(only) = only(group.values()).and_then(Value::as_object) {
        for (name, value) in only {
            beside.entry(name).or_insert_with(|| value.clone());
        }
    }
}
