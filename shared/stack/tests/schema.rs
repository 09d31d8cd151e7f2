//! The JSON Schema that editors complete stack files with.

use longshore_stack::read::schema;
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
