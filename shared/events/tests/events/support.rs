//! The samples of `events/` at the root of the workspace, and ways to spoil them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// A field that nobody knows.
pub const UNKNOWN_FIELD: &str = "a-field-of-tomorrow";

/// Where the samples are.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events")
}

/// The sample at `path`, such as `deploy/push-tag.json`.
pub fn sample(path: &str) -> Value {
    serde_json::from_slice(&bytes(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The sample at `path`, as it is written.
pub fn bytes(path: &str) -> Vec<u8> {
    fs::read(directory().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The paths of all samples below `folder`, in order.
pub fn samples_in(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(directory().join(&folder))
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries {
            let path = folder.join(entry.unwrap().file_name());
            if directory().join(&path).is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                found.push(path.to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// `value` once for each object in it, with an unknown field in that object.
pub fn with_unknown_field(value: &Value) -> Vec<Value> {
    pointers(value)
        .into_iter()
        .filter_map(|pointer| {
            let mut changed = value.clone();
            changed.pointer_mut(&pointer)?.as_object_mut()?.insert(
                UNKNOWN_FIELD.to_owned(),
                serde_json::json!({"of": ["any", 1]}),
            );
            Some(changed)
        })
        .collect()
}

/// The JSON pointer of every value in `value`, its own first.
pub fn pointers(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![(String::new(), value)];
    while let Some((pointer, value)) = open.pop() {
        match value {
            Value::Object(fields) => open.extend(fields.iter().map(|(name, field)| {
                let name = name.replace('~', "~0").replace('/', "~1");
                (format!("{pointer}/{name}"), field)
            })),
            Value::Array(elements) => open.extend(
                elements
                    .iter()
                    .enumerate()
                    .map(|(index, element)| (format!("{pointer}/{index}"), element)),
            ),
            _ => {}
        }
        found.push(pointer);
    }
    found
}
