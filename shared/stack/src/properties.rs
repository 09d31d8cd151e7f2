//! Which properties CloudFormation's resources have, as AWS's resource schemas say it.
//!
//! `properties/properties.json` holds, for each type, its properties and definitions: a text names a kind (several
//! are parted by `|`) or, after `#`, a definition; a list holds what its items are; a map holds fields. A test makes it
//! from `emulator/provisioning/resource_types.json`.

use std::sync::OnceLock;

use serde_json::{Map, Value};

/// What a resource type says of a part of its properties.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Property<'a> {
    definitions: &'a Value,
    schema: &'a Value,
}

/// What may stand somewhere.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expected<'a> {
    Fields(&'a Map<String, Value>),
    List(Property<'a>),
    /// A text, a number or a boolean.
    Scalar,
    Anything,
}

/// The properties of a type; `None` for a type that is not in the table.
pub(crate) fn of_type(name: &str) -> Option<Property<'static>> {
    static TABLE: OnceLock<Value> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        // A test reads it, too.
        serde_json::from_str(include_str!("../properties/properties.json")).unwrap_or_default()
    });
    let of_type = table.get(name)?;
    Some(Property {
        definitions: &of_type["definitions"],
        schema: &of_type["properties"],
    })
}

impl<'a> Property<'a> {
    /// What may stand here.
    pub fn expected(self) -> Expected<'a> {
        let mut schema = self.schema;
        // A definition may be another one's; none leads back to itself, as the test says.
        while let Some(name) = schema.as_str().and_then(|text| text.strip_prefix('#')) {
            match self.definitions.get(name) {
                Some(definition) => schema = definition,
                None => return Expected::Anything,
            }
        }
        match schema {
            Value::Object(fields) => Expected::Fields(fields),
            Value::Array(items) => match items.first() {
                Some(schema) => Expected::List(Self { schema, ..self }),
                None => Expected::Anything,
            },
            Value::String(kinds) => {
                let mut kinds = kinds.split('|');
                if kinds.all(|kind| matches!(kind, "string" | "integer" | "number" | "boolean")) {
                    Expected::Scalar
                } else {
                    Expected::Anything
                }
            }
            _ => Expected::Anything,
        }
    }

    /// A field of this, which is one of its [`Expected::Fields`].
    pub fn field(self, schema: &'a Value) -> Self {
        Self { schema, ..self }
    }
}
