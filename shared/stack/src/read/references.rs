//! Texts that CloudFormation would not leave as they are.

use serde_json::Value;

use crate::path::{Here, Path};
use crate::references::has_dynamic_reference;

/// Where a stack holds a dynamic reference of CloudFormation, in its order: in a value or in a key, whatever the
/// field.
pub(super) fn dynamic_references(stack: &Value) -> Vec<Path> {
    let mut found = Vec::new();
    gather(stack, &Here::At(&Path::default()), &mut found);
    found
}

fn gather(value: &Value, here: &Here<'_>, found: &mut Vec<Path>) {
    match value {
        Value::String(text) if has_dynamic_reference(text) => found.push(here.path()),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                gather(item, &here.index(index), found);
            }
        }
        Value::Object(entries) => {
            for (key, value) in entries {
                let here = here.key(key);
                if has_dynamic_reference(key) {
                    found.push(here.path());
                }
                gather(value, &here, found);
            }
        }
        _ => {}
    }
}
