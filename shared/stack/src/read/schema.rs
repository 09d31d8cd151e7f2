//! The JSON Schema of a stack file, made of the types.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::spec::Stack;

type Keywords = Map<String, Value>;

/// The JSON Schema, draft 2020-12, of a stack file.
///
/// Each key is described once, so that an editor proposes it once: what must be there, which depends on whether the
/// file has `environments`, is asked for by schemas without a description. A file with environments is complete only
/// together with one of its overlays, so there the schema asks for nothing that an overlay can bring.
pub fn schema() -> Value {
    let mut complete = of_the_types();
    let types = take(&mut complete, "$defs");
    let mut definitions = Map::new();
    for (name, definition) in &types {
        let mut definition = nullable(definition.clone());
        if definition["title"].is_null() && definition.is_object() {
            definition["title"] = json!(in_words(name));
        }
        definitions.insert(format!("{name}Overlay"), optional(definition.clone()));
        definitions.insert(name.clone(), definition);
    }
    let without_environments = asked_of_object(&complete, &types, true);
    let with_environments = asked_of_object(&complete, &types, false);
    let name = complete["properties"]["name"].clone();
    for keyword in ["$schema", "title"] {
        take(&mut complete, keyword);
    }
    let mut overlay = optional(nullable(complete));
    remove(&mut overlay, "properties", "name");
    let mut root = overlay.clone();
    overlay["description"] = json!(
        "What is different in an environment: maps are merged key by key, lists and single values are \
         replaced, null removes."
    );
    definitions.insert("Overlay".to_owned(), overlay);

    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!("Longshore stack file");
    root["properties"]["name"] = name;
    root["properties"]["environments"] = json!({
        "description": "The environments that the stack exists in, by name (lowercase letters, digits \
                        and hyphens). Each is laid over the rest of the file and makes a stack of its \
                        own, <name>-<environment>.",
        "type": "object",
        "minProperties": 1,
        "maxProperties": 50,
        "propertyNames": {"pattern": "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", "maxLength": 20},
        "additionalProperties": {"anyOf": [{"$ref": "#/$defs/Overlay"}, {"type": "null"}]},
    });
    root["required"] = json!(["name"]);
    root["if"] = json!({"not": needed(["environments"])});
    root["then"] = without_environments.unwrap_or_default();
    root["else"] = with_environments.unwrap_or_default();
    root["$defs"] = Value::Object(definitions);
    plain_words(&mut root);
    one_type_each(&mut root);
    keep_what_is_used(&mut root);
    root
}

/// The schema that the types have, without environments. Every number has its bounds, and no format, since those that
/// the types have are known to their generator only.
pub(super) fn of_the_types() -> Value {
    let mut schema = schemars::schema_for!(Stack).to_value();
    bound(&mut schema);
    schema
}

fn bound(schema: &mut Value) {
    match schema {
        Value::Object(keywords) => {
            let bounds = match keywords.get("format").and_then(Value::as_str) {
                Some("uint16") => Some((json!(0), json!(u16::MAX))),
                Some("uint32") => Some((json!(0), json!(u32::MAX))),
                Some("int32") => Some((json!(i32::MIN), json!(i32::MAX))),
                Some("int64") => Some((json!(0), json!(u32::MAX))),
                Some("double") => Some((Value::Null, Value::Null)),
                _ => None,
            };
            if let Some((least, most)) = bounds {
                keywords.remove("format");
                for (keyword, bound) in [("minimum", least), ("maximum", most)] {
                    if !bound.is_null() {
                        keywords.entry(keyword).or_insert(bound);
                    }
                }
            }
            keywords.values_mut().for_each(bound);
        }
        Value::Array(values) => values.iter_mut().for_each(bound),
        _ => {}
    }
}

fn take(schema: &mut Value, keyword: &str) -> Keywords {
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

/// A type's name as editors show it: `FreezeWindow` is a freeze window.
fn in_words(name: &str) -> String {
    let mut words = String::new();
    for character in name.chars() {
        if character.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(character.to_lowercase());
    }
    words
}

/// Lets what can be of several types be several schemas, as strict validators want it.
fn one_type_each(schema: &mut Value) {
    match schema {
        Value::Object(keywords) => {
            if let Some(Value::Array(names)) = keywords.get("type") {
                let choices = names.iter().map(|name| json!({"type": name})).collect();
                keywords.remove("type");
                keywords.insert("anyOf".to_owned(), choices);
            }
            keywords.values_mut().for_each(one_type_each);
        }
        Value::Array(values) => values.iter_mut().for_each(one_type_each),
        _ => {}
    }
}

/// The same with null for every key that may be left out: a key with nothing after it is as good as none.
fn nullable(mut schema: Value) -> Value {
    let required = names_of(&schema);
    for (name, property) in properties_of(&mut schema) {
        *property = as_choice(property.take(), !required.contains(name));
    }
    schema
}

/// The same with nothing required, with null for what is to be removed, and with references to schemas that are so,
/// too. Lists replace, so their items are complete.
fn optional(mut schema: Value) -> Value {
    let Some(keywords) = schema.as_object_mut() else {
        return schema;
    };
    keywords.remove("required");
    for (_, property) in properties_of(&mut schema) {
        *property = of_overlays(as_choice(property.take(), true));
    }
    if let Some(values) = schema.get_mut("additionalProperties")
        && values.is_object()
    {
        *values = of_overlays(as_choice(values.take(), true));
    }
    schema
}

/// The properties of an object.
fn properties_of(schema: &mut Value) -> impl Iterator<Item = (&String, &mut Value)> {
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    properties.into_iter().flatten()
}

/// The names of what must be there.
fn names_of(schema: &Value) -> BTreeSet<String> {
    let names = schema["required"].as_array().into_iter().flatten();
    names.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Lets references in a property's choices, and in the values of its map, be those of overlays.
fn of_overlays(mut schema: Value) -> Value {
    let choices = schema.get_mut("anyOf").and_then(Value::as_array_mut);
    for choice in choices.into_iter().flatten() {
        if let Some(Value::String(reference)) = choice.get_mut("$ref") {
            reference.push_str("Overlay");
        } else {
            *choice = optional(choice.take());
        }
    }
    schema
}

/// The schema as one of several choices, the last of which can be null. For what is a choice, even the only one,
/// editors ask instead of inserting a value such as 0.
fn as_choice(schema: Value, can_be_null: bool) -> Value {
    let Value::Object(mut keywords) = schema else {
        return schema;
    };
    let mut around = Map::new();
    for keyword in ["description", "default", "examples"] {
        if let Some(value) = keywords.remove(keyword) {
            around.insert(keyword.to_owned(), value);
        }
    }
    let null = json!({"type": "null"});
    let mut choices = match keywords.remove("anyOf") {
        Some(Value::Array(choices)) => choices,
        _ => vec![Value::Object(keywords)],
    };
    for choice in &mut choices {
        without_null(choice);
    }
    if can_be_null && !choices.contains(&null) {
        choices.push(null);
    }
    if around.get("default") == Some(&Value::Null) {
        around.remove("default");
    }
    around.insert("anyOf".to_owned(), Value::Array(choices));
    Value::Object(around)
}

/// `["integer", "null"]` is `"integer"` where null is a choice of its own.
fn without_null(choice: &mut Value) {
    let Some(Value::Array(types)) = choice.get_mut("type") else {
        return;
    };
    types.retain(|name| name != "null");
    if let [one] = types.as_slice() {
        choice["type"] = one.clone();
    }
}

/// What must be there in a schema and, but for lists, below it, without a description of any key: its keys are
/// patterns, which no editor proposes. In maps, no value is null, which only an overlay may have. Of what is not an
/// object it asks nothing: that it should be one is said where the key is described.
fn asked_for(schema: &Value, types: &Keywords, is_complete: bool) -> Option<Value> {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => types.get(reference.rsplit('/').next()?)?,
        None => schema,
    };
    if let Some(choices) = schema["anyOf"].as_array() {
        let mut choices = choices.iter();
        return choices.find_map(|choice| asked_for(choice, types, is_complete));
    }
    let mut asked = asked_of_object(schema, types, is_complete)?;
    asked["type"] = json!("object");
    Some(json!({"if": {"type": "object"}, "then": asked}))
}

/// The same of what is an object.
fn asked_of_object(schema: &Value, types: &Keywords, is_complete: bool) -> Option<Value> {
    let mut asked = Vec::new();
    let required = names_of(schema);
    if is_complete && !required.is_empty() {
        asked.push(needed(required.iter().map(String::as_str)));
    }
    let mut keys = Map::new();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let below = asked_for(property, types, is_complete);
        let is_null =
            (is_complete && required.contains(name)).then(|| json!({"not": {"type": "null"}}));
        let both = match (is_null, below) {
            (Some(is_null), Some(below)) => Some(json!({"allOf": [is_null, below]})),
            (one, other) => one.or(other),
        };
        if let Some(both) = both {
            keys.insert(format!("^{name}$"), both);
        }
    }
    if !keys.is_empty() {
        asked.push(json!({"patternProperties": keys}));
    }
    let values = &schema["additionalProperties"];
    if values.is_object() && schema["properties"].is_null() {
        let is_null = json!({"not": {"type": "null"}});
        let values = match asked_for(values, types, is_complete) {
            Some(below) => json!({"allOf": [is_null, below]}),
            None => is_null,
        };
        asked.push(json!({"additionalProperties": values}));
    }
    match asked.len() {
        0 => None,
        1 => asked.pop(),
        _ => Some(json!({"allOf": asked})),
    }
}

/// That these keys are there. Strict validators want to see each key that is required among the properties beside it;
/// for one without a schema of its own, no editor proposes anything.
fn needed<'a>(keys: impl IntoIterator<Item = &'a str>) -> Value {
    let keys: BTreeSet<&str> = keys.into_iter().collect();
    let properties: Keywords = keys
        .iter()
        .map(|key| ((*key).to_owned(), Value::Bool(true)))
        .collect();
    json!({"required": keys, "properties": properties})
}

/// Removes the definitions that nothing refers to.
fn keep_what_is_used(root: &mut Value) {
    let definitions = take(root, "$defs");
    let mut used = BTreeSet::new();
    let mut unseen = vec![&*root];
    while let Some(schema) = unseen.pop() {
        match schema {
            Value::Object(keywords) => {
                let reference = keywords.get("$ref").and_then(Value::as_str);
                let name = reference.and_then(|reference| reference.rsplit('/').next());
                if let Some((name, definition)) =
                    name.and_then(|name| definitions.get_key_value(name))
                    && used.insert(name.clone())
                {
                    unseen.push(definition);
                }
                unseen.extend(keywords.values());
            }
            Value::Array(values) => unseen.extend(values),
            _ => {}
        }
    }
    let definitions = definitions.into_iter();
    let kept = definitions.filter(|(name, _)| used.contains(name));
    root["$defs"] = Value::Object(kept.collect());
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
        let stacks = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../stacks");
        let examples = fs::read_dir(stacks.join("examples")).unwrap();
        let entries = fs::read_dir(stacks).unwrap().chain(examples);
        let validator = jsonschema::draft202012::new(&schema()).unwrap();
        let mut seen = 0;
        for entry in entries {
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
        assert!(seen >= 15);
    }
}
