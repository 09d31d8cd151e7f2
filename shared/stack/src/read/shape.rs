//! What is expected where, as the schema of the types says it.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::{Map, Value};

use super::node::{Content, Node};
use super::schema;

/// What is expected at a place.
#[derive(Debug)]
pub(super) enum Shape {
    /// A map whose keys are known.
    Fields(BTreeMap<String, Field>),
    /// A map whose keys are chosen by who writes it.
    Map(Box<Shape>),
    List(Box<Shape>),
    /// One of these words.
    Word(Vec<String>),
    /// A text, with whole numbers and booleans taken as they are written.
    Loose,
    Text,
    /// As [`Shape::Loose`], never shown, and taken without substitution.
    Sensitive,
    Boolean,
    /// On, off, or a map that says how.
    Switch(Box<Shape>),
    /// A whole number between these.
    Integer(i64, i64),
    /// A number between these.
    Number(f64, f64),
    /// Whatever it is, in CloudFormation's words.
    Anything,
}

/// What is expected under a key.
#[derive(Debug)]
pub(super) struct Field {
    pub shape: Shape,
    pub required: bool,
    /// The first sentence of its description.
    pub description: String,
    /// What can stand there.
    pub example: Option<String>,
}

impl Shape {
    /// What a stack file's root holds, besides its environments.
    pub fn of_a_stack() -> &'static Self {
        static SHAPE: OnceLock<Shape> = OnceLock::new();
        SHAPE.get_or_init(|| {
            let schema = schema::of_the_types();
            let none = Map::new();
            let definitions = schema["$defs"].as_object().unwrap_or(&none);
            Self::of(&schema, definitions)
        })
    }

    /// What a schema expects.
    pub fn of(schema: &Value, definitions: &Map<String, Value>) -> Self {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap_or(reference);
            return definitions
                .get(name)
                .map_or(Self::Loose, |schema| Self::of(schema, definitions));
        }
        if let Some(choices) = schema["anyOf"].as_array() {
            let mut some = choices.iter().filter(|choice| choice["type"] != "null");
            let first = some.next();
            return match (first, some.next()) {
                (Some(switch), Some(settings)) if switch["type"] == "boolean" => {
                    Self::Switch(Box::new(Self::of(settings, definitions)))
                }
                (Some(schema), _) => Self::of(schema, definitions),
                (None, _) => Self::Loose,
            };
        }
        if let Some(words) = words_of(schema) {
            return Self::Word(words);
        }
        if schema["writeOnly"] == true {
            return Self::Sensitive;
        }
        let types: Vec<&str> = match &schema["type"] {
            Value::String(name) => vec![name],
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let has = |name: &str| types.contains(&name);
        if has("object") && has("array") {
            return Self::Anything;
        }
        if has("object") {
            return match schema["properties"].as_object() {
                Some(properties) => Self::Fields(fields_of(schema, properties, definitions)),
                None => {
                    let values = &schema["additionalProperties"];
                    Self::Map(Box::new(Self::of(values, definitions)))
                }
            };
        }
        if has("array") {
            return Self::List(Box::new(Self::of(&schema["items"], definitions)));
        }
        if has("string") && has("integer") {
            Self::Loose
        } else if has("boolean") {
            Self::Boolean
        } else if has("integer") {
            Self::Integer(
                schema["minimum"].as_i64().unwrap_or(0),
                schema["maximum"].as_i64().unwrap_or(i64::from(u32::MAX)),
            )
        } else if has("number") {
            Self::Number(
                schema["minimum"].as_f64().unwrap_or(f64::MIN),
                schema["maximum"].as_f64().unwrap_or(f64::MAX),
            )
        } else {
            Self::Text
        }
    }

    /// Whether what stands here, were it put a level too high, would be a secret.
    pub fn holds_secrets(&self) -> bool {
        match self {
            Self::Sensitive => true,
            Self::Map(values) => values.holds_secrets(),
            Self::Fields(fields) => fields
                .values()
                .any(|field| matches!(field.shape, Self::Sensitive)),
            _ => false,
        }
    }

    /// What fits and means least.
    pub fn placeholder(&self) -> Value {
        match self {
            Self::Fields(fields) => fields
                .iter()
                .filter(|(_, field)| field.required)
                .map(|(name, field)| (name.clone(), field.shape.placeholder()))
                .collect(),
            Self::Map(_) => Value::Object(Map::new()),
            Self::List(_) => Value::Array(Vec::new()),
            Self::Word(words) => words.first().cloned().into(),
            Self::Loose | Self::Text | Self::Sensitive => Value::from(""),
            Self::Boolean | Self::Switch(_) => Value::from(false),
            Self::Integer(least, _) => Value::from(*least),
            Self::Number(least, _) => Value::from(least.max(0.0)),
            Self::Anything => Value::Null,
        }
    }

    /// Whether a map, a list or a single value is expected, as the node is one.
    pub fn is_kind_of(&self, node: &Node) -> bool {
        match node.content {
            Content::Nothing => false,
            _ if matches!(self, Self::Anything) => true,
            Content::Map(_) => {
                matches!(self, Self::Fields(_) | Self::Map(_) | Self::Switch(_))
            }
            Content::List(_) => matches!(self, Self::List(_)),
            Content::Plain(_) | Content::Text(_) => {
                !matches!(self, Self::Fields(_) | Self::Map(_) | Self::List(_))
            }
        }
    }

    /// What is expected, in words.
    pub fn in_words(&self) -> String {
        match self {
            Self::Fields(_) | Self::Map(_) => "a map".to_owned(),
            Self::List(items) => match **items {
                Self::Text | Self::Loose => "a list of texts".to_owned(),
                Self::Fields(_) => "a list of maps".to_owned(),
                _ => "a list".to_owned(),
            },
            Self::Word(words) => match words.split_last() {
                Some((last, rest)) if !rest.is_empty() => {
                    format!("`{}` or `{last}`", rest.join("`, `"))
                }
                _ => format!("`{}`", words.concat()),
            },
            Self::Loose => "a text".to_owned(),
            Self::Text => "a text".to_owned(),
            Self::Sensitive => "a text, a whole number or a boolean".to_owned(),
            Self::Boolean => "true or false".to_owned(),
            Self::Switch(_) => "true, false or a map".to_owned(),
            Self::Integer(..) => match self.bounds().as_deref() {
                Some(bounds) if !bounds.ends_with("more") => {
                    format!("a whole number from {bounds}")
                }
                _ => "a whole number".to_owned(),
            },
            Self::Number(..) => "a number".to_owned(),
            Self::Anything => "a value".to_owned(),
        }
    }

    /// Between what a number must be, in words.
    pub fn bounds(&self) -> Option<String> {
        let (least, most) = match self {
            Self::Integer(least, most) => (
                Some(least.to_string()),
                (*most < i64::from(u32::MAX)).then(|| most.to_string()),
            ),
            Self::Number(least, most) => (
                (*least > f64::MIN).then(|| least.to_string()),
                (*most < f64::MAX).then(|| most.to_string()),
            ),
            _ => (None, None),
        };
        match (least, most) {
            (Some(least), Some(most)) => Some(format!("{least} to {most}")),
            (Some(least), None) => Some(format!("{least} or more")),
            (None, Some(most)) => Some(format!("at most {most}")),
            (None, None) => None,
        }
    }
}

fn fields_of(
    schema: &Value,
    properties: &Map<String, Value>,
    definitions: &Map<String, Value>,
) -> BTreeMap<String, Field> {
    let required = schema["required"].as_array();
    properties
        .iter()
        .map(|(name, property)| {
            let description = property["description"].as_str().unwrap_or_default();
            let field = Field {
                shape: Shape::of(property, definitions),
                required: required.is_some_and(|names| names.iter().any(|one| one == name)),
                description: first_sentence(description),
                example: property["examples"][0].as_str().map(str::to_owned),
            };
            (name.clone(), field)
        })
        .collect()
}

fn words_of(schema: &Value) -> Option<Vec<String>> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().map(text).collect();
    }
    schema["oneOf"]
        .as_array()?
        .iter()
        .map(|choice| text(&choice["const"]))
        .collect()
}

fn first_sentence(description: &str) -> String {
    let description = description.replace('\n', " ");
    let ends = [". ", ": ", "; "].map(|end| description.find(end));
    let end = ends.into_iter().flatten().min();
    let end = end.unwrap_or(description.len());
    description[..end].trim_end_matches(['.', ':']).to_owned()
}
