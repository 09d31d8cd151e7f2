//! The JSON Schema of a stack file, made of the types.

use serde_json::{Map, Value, json};

use crate::spec::Stack;

/// The JSON Schema, draft 2020-12, of a stack file.
///
/// A file without `environments` must be complete; one with them is complete only together with one
/// of its overlays, so there the schema asks for nothing that an overlay can bring.
pub fn schema() -> Value {
    let mut complete = of_the_types();
    let mut definitions = take(&mut complete, "$defs");
    for definition in definitions.values_mut() {
        plain_words(definition);
    }
    plain_words(&mut complete);
    let mut partial = Map::new();
    for (name, definition) in &definitions {
        partial.insert(format!("{name}Overlay"), overlay_of(definition.clone()));
    }
    let mut overlay = overlay_of(complete.clone());
    remove(&mut overlay, "properties", "name");
    for keyword in ["$schema", "title"] {
        take(&mut overlay, keyword);
    }
    overlay["description"] = json!(
        "What is different in an environment: maps are merged key by key, lists and single values are \
         replaced, null removes."
    );

    let mut root = overlay_of(complete.clone());
    root["title"] = json!("Longshore stack file");
    root["properties"]["name"] = complete["properties"]["name"].clone();
    root["properties"]["environments"] = json!({
        "description": "The environments that the stack exists in, by name (lowercase letters, digits \
                        and hyphens). Each is laid over the rest of the file and makes a stack of its \
                        own, <name>-<environment>.",
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", "maxLength": 20},
        "additionalProperties": {"anyOf": [{"$ref": "#/$defs/Overlay"}, {"type": "null"}]},
    });
    root["required"] = json!(["name"]);
    root["if"] = json!({"not": {"required": ["environments"]}});
    root["then"] = json!({"$ref": "#/$defs/Complete"});
    for keyword in ["$schema", "title", "additionalProperties"] {
        take(&mut complete, keyword);
    }
    complete["description"] = json!("A stack file without environments, which is complete.");
    definitions.extend(partial);
    definitions.insert("Overlay".to_owned(), overlay);
    definitions.insert("Complete".to_owned(), complete);
    root["$defs"] = Value::Object(definitions);
    root
}

/// The schema that the types have, without environments.
pub(super) fn of_the_types() -> Value {
    schemars::schema_for!(Stack).to_value()
}

fn take(schema: &mut Value, keyword: &str) -> Map<String, Value> {
    match schema
        .as_object_mut()
        .and_then(|schema| schema.remove(keyword))
    {
        Some(Value::Object(taken)) => taken,
        _ => Map::new(),
    }
}

fn remove(schema: &mut Value, keyword: &str, key: &str) {
    if let Some(map) = schema.get_mut(keyword).and_then(Value::as_object_mut) {
        map.remove(key);
    }
}

/// Descriptions as editors show them: lines are joined, paragraphs stay.
fn plain_words(schema: &mut Value) {
    match schema {
        Value::Object(keywords) => {
            if let Some(Value::String(description)) = keywords.get_mut("description") {
                let paragraphs: Vec<String> = description
                    .split("\n\n")
                    .map(|paragraph| paragraph.replace('\n', " "))
                    .collect();
                *description = paragraphs.join("\n\n");
            }
            keywords.values_mut().for_each(plain_words);
        }
        Value::Array(values) => values.iter_mut().for_each(plain_words),
        _ => {}
    }
}

/// The same with nothing required and with null for what is to be removed. Lists replace, so their
/// items are complete.
fn overlay_of(mut schema: Value) -> Value {
    let Some(keywords) = schema.as_object_mut() else {
        return schema;
    };
    keywords.remove("required");
    if let Some(properties) = keywords
        .get_mut("properties")
        .and_then(Value::as_object_mut)
    {
        for property in properties.values_mut() {
            *property = or_null(property.take());
        }
    }
    if let Some(values) = keywords.get_mut("additionalProperties")
        && values.is_object()
    {
        *values = or_null(values.take());
    }
    schema
}

fn or_null(schema: Value) -> Value {
    let schema = overlay_of(schema);
    let Value::Object(mut keywords) = schema else {
        return schema;
    };
    let mut around = Map::new();
    for keyword in ["description", "default"] {
        if let Some(value) = keywords.remove(keyword) {
            around.insert(keyword.to_owned(), value);
        }
    }
    let mut choices = match keywords.remove("anyOf") {
        Some(Value::Array(choices)) => choices,
        _ => vec![Value::Object(keywords)],
    };
    for choice in &mut choices {
        if let Some(Value::String(reference)) = choice.get_mut("$ref") {
            reference.push_str("Overlay");
        }
    }
    let null = json!({"type": "null"});
    if !choices.contains(&null) {
        choices.push(null);
    }
    around.insert("anyOf".to_owned(), Value::Array(choices));
    Value::Object(around)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::super::node::{Content, Meaning, Node, meaning};
    use super::super::yaml;
    use super::*;

    fn value_of(node: &Node) -> Value {
        match &node.content {
            Content::Nothing => Value::Null,
            Content::Text(text) => json!(text),
            Content::List(items) => items.iter().map(value_of).collect(),
            Content::Map(entries) => entries
                .iter()
                .map(|(key, entry)| (key.clone(), value_of(&entry.value)))
                .collect(),
            Content::Plain(text) => match meaning(text) {
                Meaning::Null => Value::Null,
                Meaning::Boolean(value) => json!(value),
                Meaning::Integer(value) => json!(value),
                Meaning::Number(value) => json!(value),
                Meaning::NotFinite | Meaning::Text => json!(text),
            },
        }
    }

    #[test]
    fn the_stack_files_of_this_repository_are_valid() {
        let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../stacks");
        let validator = jsonschema::draft202012::new(&schema()).unwrap();
        let mut seen = 0;
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let (document, faults) = yaml::parse(&fs::read(&path).unwrap());
            assert_eq!(faults, []);
            let errors: Vec<String> = validator
                .iter_errors(&value_of(&document.unwrap()))
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert_eq!(errors, Vec::<String>::new(), "{}", path.display());
            seen += 1;
        }
        assert!(seen >= 5);
    }
}
