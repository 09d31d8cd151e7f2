//! The JSON Schema that editors complete stack files with.

use longshore_stack::read::{Selection, read, read_value, schema};
use serde_json::{Value, json};

/// A complete stack file without environments.
fn shop() -> Value {
    json!({
        "name": "shop",
        "network": {"vpc_id": "vpc-1", "subnet_ids": ["subnet-1", "subnet-2"]},
        "services": {"api": {"image": "shop/api:v1", "environment": {"PORT": 80}}},
    })
}

// Clippy takes the functions beside `#[test]` functions for tests only when it is configured so.
#[cfg(test)]
fn is_valid(file: &Value) -> bool {
    jsonschema::draft202012::new(&schema())
        .unwrap()
        .is_valid(file)
}

#[test]
fn the_schema_is_one_of_its_draft() {
    let schema = schema();
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    assert_eq!(schema["title"], "Longshore stack file");
    assert!(jsonschema::meta::is_valid(&schema));
}

#[test]
fn every_key_has_a_description() {
    fn look(schema: &Value, place: &str, undescribed: &mut Vec<String>) {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let description = property["description"].as_str().unwrap_or_default();
            if description.is_empty() || description.contains("[`") || description.contains("](") {
                undescribed.push(format!("{place}.{name}"));
            }
        }
    }
    let schema = schema();
    let mut undescribed = Vec::new();
    look(&schema, "", &mut undescribed);
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        if definition["description"].as_str().is_none_or(str::is_empty) {
            undescribed.push(name.clone());
        }
        look(definition, name, &mut undescribed);
    }
    assert_eq!(undescribed, Vec::<String>::new());
}

#[test]
fn a_file_without_environments_is_complete() {
    assert!(is_valid(&shop()));
    for key in ["name", "network", "services"] {
        let mut file = shop();
        file.as_object_mut().unwrap().remove(key);
        assert!(!is_valid(&file), "{key}");
    }
    let mut file = shop();
    file["services"]["api"] = json!({"cpu": 256});
    assert!(!is_valid(&file));
}

#[test]
fn a_file_with_environments_may_leave_to_them_what_differs() {
    let mut file = shop();
    file["network"] = json!({"vpc_id": null});
    file["environments"] = json!({
        "dev": null,
        "prod": {"network": {"subnet_ids": ["subnet-3"]}, "services": {"api": null, "web": {"cpu": 512}}},
    });
    assert!(is_valid(&file));
    for wrong in [
        json!({}),
        json!({"Prod": {}}),
        json!({"prod": {"name": "x"}}),
        json!({"prod": {"environments": {}}}),
        json!({"prod": {"services": {"api": {"cpus": 1}}}}),
        json!({"prod": {"services": {"api": {"mount_points": [{}]}}}}),
        json!({"prod": {"services": {"api": {"cpu_architecture": "arm"}}}}),
    ] {
        file["environments"] = wrong.clone();
        assert!(!is_valid(&file), "{wrong}");
    }
}

#[test]
fn unknown_keys_and_wrong_kinds_are_not_valid() {
    for (pointer, wrong) in [
        ("/zebra", json!(1)),
        ("/services/api/cpus", json!(1)),
        ("/services/api/cpu", json!("256")),
        ("/services/api/cpu", json!(-1)),
        ("/services/api/container_port", json!(65536)),
        ("/services/api/environment", json!({"A": 0.5})),
        ("/services/api/cpu_architecture", json!("arm")),
        ("/services/api/secrets", json!({"A": "x"})),
    ] {
        let mut file = shop();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        file.pointer_mut(parent).unwrap()[key] = wrong;
        assert!(!is_valid(&file), "{pointer}");
    }
}

/// Calls `look` with each schema below this one, and with the keys that lead to it.
fn each(schema: &Value, place: &str, look: &mut impl FnMut(&str, &Value)) {
    look(place, schema);
    match schema {
        Value::Object(keywords) => keywords
            .iter()
            .for_each(|(name, below)| each(below, &format!("{place}.{name}"), look)),
        Value::Array(schemas) => schemas.iter().for_each(|below| each(below, place, look)),
        _ => {}
    }
}

#[test]
fn an_editor_proposes_each_key_once() {
    let schema = schema();
    for keyword in ["then", "else"] {
        each(&schema[keyword], keyword, &mut |place, below| {
            let mut properties = below["properties"].as_object().into_iter().flatten();
            let is_named_only = properties.all(|(_, property)| property.is_boolean());
            // What is called `properties` may be a key of the file.
            let is_key = place.ends_with("patternProperties") || place.ends_with(".properties");
            assert!(
                is_key || is_named_only && below["$ref"].is_null(),
                "{place} describes keys that the root describes, too"
            );
        });
    }
}

#[test]
fn an_editor_shows_no_name_of_the_code() {
    for (name, definition) in schema()["$defs"].as_object().unwrap() {
        if name == "Overlay" {
            continue;
        }
        let title = definition["title"].as_str().unwrap_or_default();
        assert!(
            !title.is_empty() && !title.contains(char::is_uppercase),
            "{name}: {title:?}"
        );
    }
}

#[test]
fn validators_know_every_format_and_find_one_type_in_each_schema() {
    each(&schema(), "", &mut |place, below| {
        if place.ends_with(".properties") {
            return;
        }
        assert!(!below["type"].is_array(), "{place}: {}", below["type"]);
        assert!(!below["format"].is_string(), "{place}: {}", below["format"]);
    });
}

/// The keywords that are about one type of value only, with that type.
const TYPED: [(&str, &[&str]); 5] = [
    (
        "object",
        &[
            "required",
            "properties",
            "patternProperties",
            "additionalProperties",
            "propertyNames",
            "minProperties",
            "maxProperties",
        ],
    ),
    ("array", &["items", "minItems", "maxItems", "uniqueItems"]),
    ("string", &["minLength", "maxLength", "pattern"]),
    ("integer", &["minimum", "maximum", "multipleOf"]),
    ("number", &["exclusiveMinimum", "exclusiveMaximum"]),
];

/// The keywords below which the same value is looked at.
const OF_THE_SAME_VALUE: [&str; 7] = ["allOf", "anyOf", "oneOf", "not", "if", "then", "else"];

/// What a strict validator does not take of a schema, whose value has one of these types by the schemas around it.
// Clippy takes the functions beside `#[test]` functions for tests only when it is configured so.
#[cfg(test)]
fn not_strict(schema: &Value, place: &str, around: &[String], found: &mut Vec<String>) {
    let Some(keywords) = schema.as_object() else {
        return;
    };
    let own = keywords.get("type").and_then(Value::as_str);
    let types: Vec<String> = match own {
        Some(own) => vec![own.to_owned()],
        None => around.to_vec(),
    };
    for (needed, of_type) in TYPED {
        let is_typed = |name: &String| name == needed || needed == "integer" && name == "number";
        for keyword in of_type
            .iter()
            .filter(|keyword| keywords.contains_key(**keyword))
        {
            if !types.iter().any(is_typed) {
                found.push(format!("{place}: {keyword} without type {needed}"));
            }
        }
    }
    let properties = keywords.get("properties").and_then(Value::as_object);
    for key in keywords
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let key = key.as_str().unwrap();
        if !properties.is_some_and(|properties| properties.contains_key(key)) {
            found.push(format!(
                "{place}: {key} is required and not among the properties"
            ));
        }
    }
    if properties.is_some() && keywords.contains_key("patternProperties") {
        found.push(format!(
            "{place}: properties beside patterns that may match them"
        ));
    }
    for (name, below) in keywords {
        let place = format!("{place}/{name}");
        match (name.as_str(), below) {
            ("properties" | "patternProperties" | "$defs", Value::Object(schemas)) => {
                for (key, below) in schemas {
                    not_strict(below, &format!("{place}/{key}"), &[], found);
                }
            }
            ("additionalProperties" | "items" | "propertyNames", below) => {
                let key_of = match name.as_str() {
                    "propertyNames" => vec!["string".to_owned()],
                    _ => Vec::new(),
                };
                not_strict(below, &place, &key_of, found);
            }
            (name, Value::Array(schemas)) if OF_THE_SAME_VALUE.contains(&name) => {
                for below in schemas {
                    not_strict(below, &place, &types, found);
                }
            }
            (name, below) if OF_THE_SAME_VALUE.contains(&name) => {
                not_strict(below, &place, &types, found);
            }
            _ => {}
        }
    }
}

#[test]
fn strict_validators_find_a_type_beside_each_keyword_and_each_required_key_among_the_properties() {
    let mut found = Vec::new();
    not_strict(&schema(), "#", &[], &mut found);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn what_a_strict_validator_does_not_take_is_found() {
    for (schema, expected) in [
        (
            json!({"required": ["a"]}),
            "#: required without type object",
        ),
        (
            json!({"type": "object", "not": {"required": ["a"]}}),
            "#/not: a is required and not among the properties",
        ),
        (
            json!({"type": "object", "properties": {"a": {"minimum": 1}}}),
            "#/properties/a: minimum without type integer",
        ),
        (
            json!({"type": "object", "properties": {"a": true}, "patternProperties": {"^a$": true}}),
            "#: properties beside patterns that may match them",
        ),
    ] {
        let mut found = Vec::new();
        not_strict(&schema, "#", &[], &mut found);
        assert!(found.iter().any(|found| found == expected), "{found:#?}");
    }
}

#[test]
fn what_is_asked_for_below_a_key_is_asked_for_where_the_key_is_a_map() {
    let mut file = shop();
    file["load_balancer"] = json!({"dns": {"names": ["shop.example.com"]}});
    assert!(!is_valid(&file), "no subnets and no zone");
    file["load_balancer"] = json!({"subnet_ids": ["subnet-1"], "dns": {"names": ["shop.example.com"], "hosted_zone_id": "Z1"}});
    assert!(is_valid(&file));
    file["load_balancer"]["dns"] = Value::Null;
    assert!(is_valid(&file));
}

#[test]
fn every_number_has_bounds_which_an_editor_shows() {
    let mut seen = 0;
    each(&schema(), "", &mut |place, below| {
        if below["type"] == "integer" && !place.ends_with("additionalProperties.anyOf") {
            let is_text = below
                .as_object()
                .is_some_and(|keywords| keywords.len() == 1);
            assert!(
                is_text || (below["minimum"].is_number() && below["maximum"].is_number()),
                "{place}: {below}"
            );
            seen += 1;
        }
    });
    assert!(seen > 50, "{seen}");
}

#[test]
fn a_number_is_asked_for_where_an_editor_would_insert_0() {
    each(&schema(), "", &mut |place, below| {
        for (name, property) in below["properties"].as_object().into_iter().flatten() {
            let number = matches!(property["type"].as_str(), Some("integer" | "number"));
            assert!(!number, "{place}.{name}");
        }
    });
}

#[test]
fn a_key_with_nothing_after_it_is_right_for_validators_where_it_is_for_validate() {
    let shop = "name: shop\nnetwork: {vpc_id: vpc-0a1b2c3d, subnet_ids: [subnet-0a1b2c3d, subnet-1a1b2c3d]}\n\
                services:\n  api:\n    image: shop/api:v1\n";
    let schema = schema();
    let keys = |definition: &Value| -> Vec<String> {
        let properties = definition["properties"].as_object().unwrap();
        properties.keys().cloned().collect()
    };
    let of_stack = keys(&schema);
    let of_service = keys(&schema["$defs"]["ServiceOverlay"]);
    assert!(of_stack.len() > 10 && of_service.len() > 40);
    let cases = of_stack
        .iter()
        .map(|key| (format!("{shop}{key}:\n"), vec![key.as_str()]))
        .chain(of_service.iter().map(|key| {
            let path = vec!["services", "api", key.as_str()];
            (format!("{shop}    {key}:\n"), path)
        }));
    for (text, path) in cases {
        let key = *path.last().unwrap();
        let mut value = shop_as_value();
        let (last, above) = path.split_last().unwrap();
        let map = above.iter().fold(&mut value, |value, key| &mut value[*key]);
        let is_there = !map[*last].is_null();
        map[*last] = Value::Null;
        let of_validate = if is_there {
            read_value(&value, &Selection::Environment(None)).is_ok()
        } else {
            read(text.as_bytes(), &Selection::Environment(None)).is_ok()
        };
        assert_eq!(is_valid(&value), of_validate, "{key}");
    }
}

/// A stack file that `validate` takes, too.
fn shop_as_value() -> Value {
    json!({
        "name": "shop",
        "network": {"vpc_id": "vpc-0a1b2c3d", "subnet_ids": ["subnet-0a1b2c3d", "subnet-1a1b2c3d"]},
        "services": {"api": {"image": "shop/api:v1"}},
    })
}
