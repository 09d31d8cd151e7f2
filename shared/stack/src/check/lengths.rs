//! How long resources of a template are, when CloudFormation has filled everything in.
//!
//! They are measured as the template is read: of most resources nobody asks, and nothing of any is kept.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

/// What CloudFormation makes of a reference to a resource is about this long, such as an ARN.
const LENGTH_OF_A_REFERENCE: usize = 100;

/// What stands between the name of a field and its value, and after that.
const AROUND_A_FIELD: usize = 4;

/// The kinds of resources that are measured: their logical ids begin with one of these.
pub(super) const TASK_DEFINITION: &str = "TaskDefinition";
pub(super) const EXECUTION_ROLE: &str = "ExecutionRole";
pub(super) const TASK_ROLE: &str = "TaskRole";

const MEASURED: [&str; 3] = [TASK_DEFINITION, EXECUTION_ROLE, TASK_ROLE];

/// Of a resource, as JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Lengths {
    /// All its properties.
    pub properties: usize,
    /// `Policies` among them.
    pub policies: usize,
}

/// The lengths of a template's resources of these kinds, by logical id; none of what is not a template.
pub(super) fn of_resources(body: &str) -> BTreeMap<String, Lengths> {
    let template: Template = serde_json::from_str(body).unwrap_or_default();
    template.resources.0
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Template {
    resources: Resources,
}

/// The name of a field, which is not copied.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Default)]
struct Resources(BTreeMap<String, Lengths>);

impl<'de> Deserialize<'de> for Resources {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ById;

        impl<'de> Visitor<'de> for ById {
            type Value = Resources;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("resources by their logical ids")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Resources, M::Error> {
                let mut resources = BTreeMap::new();
                while let Some(Name(id)) = map.next_key()? {
                    if MEASURED.iter().any(|kind| id.starts_with(kind)) {
                        let Resource { properties } = map.next_value()?;
                        resources.insert(id.into_owned(), properties.0);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Resources(resources))
            }
        }

        deserializer.deserialize_map(ById)
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Resource {
    properties: Properties,
}

#[derive(Default)]
struct Properties(Lengths);

impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ByName;

        impl<'de> Visitor<'de> for ByName {
            type Value = Properties;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("properties by their names")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Properties, M::Error> {
                let mut lengths = Lengths::default();
                while let Some((Name(name), value)) = map.next_entry::<_, Length>()? {
                    lengths.properties += name.len() + AROUND_A_FIELD + value.json;
                    if name == "Policies" {
                        lengths.policies = value.json;
                    }
                }
                Ok(Properties(lengths))
            }
        }

        deserializer.deserialize_map(ByName)
    }
}

/// How long a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Length {
    /// As JSON, with what CloudFormation fills in.
    json: usize,
    /// A text, without its quotes.
    text: Option<usize>,
}

impl Length {
    fn of(json: usize) -> Self {
        Self { json, text: None }
    }

    /// Of a text, a number or a boolean.
    fn of_scalar(value: &(impl Serialize + ?Sized)) -> Self {
        let mut written = Written(0);
        // Counting cannot fail.
        let _ = serde_json::to_writer(&mut written, value);
        Self::of(written.0)
    }
}

/// How many bytes were written.
struct Written(usize);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Length;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Length, M::Error> {
        let Some((Name(name), value)) = map.next_entry::<_, Length>()? else {
            return Ok(Length::of(0));
        };
        let mut json = name.len() + AROUND_A_FIELD + value.json;
        let mut is_alone = true;
        while let Some((Name(name), value)) = map.next_entry::<_, Length>()? {
            json += name.len() + AROUND_A_FIELD + value.json;
            is_alone = false;
        }
        Ok(Length::of(match &*name {
            "Fn::Sub" if is_alone => value.text.unwrap_or(LENGTH_OF_A_REFERENCE),
            "Ref" | "Fn::GetAtt" if is_alone => LENGTH_OF_A_REFERENCE,
            _ => json,
        }))
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut sequence: S) -> Result<Length, S::Error> {
        let mut json = 1;
        while let Some(item) = sequence.next_element::<Length>()? {
            json += item.json + 1;
        }
        Ok(Length::of(json))
    }

    fn visit_str<E>(self, text: &str) -> Result<Length, E> {
        Ok(Length {
            text: Some(text.len()),
            ..Length::of_scalar(text)
        })
    }

    fn visit_unit<E>(self) -> Result<Length, E> {
        Ok(Length::of_scalar(&()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Length, E> {
        Ok(Length::of_scalar(&value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Length, E> {
        Ok(Length::of_scalar(&value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Length, E> {
        Ok(Length::of_scalar(&value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Length, E> {
        Ok(Length::of_scalar(&value))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_length_is_that_of_the_json_with_what_is_filled_in() {
        for (value, expected) in [
            (json!("a \"b\""), 9),
            (json!(null), 4),
            (json!([1, -20, true, 1.5]), 1 + 2 + 4 + 5 + 4),
            (json!({}), 0),
            (json!({"ab": 1, "c": "d"}), 7 + 8),
            (json!({"Ref": "X"}), LENGTH_OF_A_REFERENCE),
            (json!({"Fn::GetAtt": ["X", "Arn"]}), LENGTH_OF_A_REFERENCE),
            (json!({"Fn::Sub": "a \"${b}\""}), 8),
            (json!({"Fn::Sub": ["a", {}]}), LENGTH_OF_A_REFERENCE),
            (json!({"Ref": "X", "a": 1}), 10 + 6),
        ] {
            let length: Length = serde_json::from_value(value.clone()).unwrap();
            assert_eq!(length.json, expected, "{value}");
        }
    }

    #[test]
    fn only_what_is_asked_for_is_measured() {
        let body = json!({
            "Description": "d",
            "Resources": {
                "ClusterX": {"Properties": {"a": 1}},
                "ExecutionRoleApi": {"Properties": {"Path": "/", "Policies": ["a"]}, "Type": "t"},
                "TaskDefinitionApi": {"Properties": {"Cpu": "256"}},
                "TaskRoleApi": {},
            },
        });
        let lengths = |properties, policies| Lengths {
            properties,
            policies,
        };
        assert_eq!(
            of_resources(&body.to_string()),
            BTreeMap::from([
                ("ExecutionRoleApi".to_owned(), lengths(11 + 17, 5)),
                ("TaskDefinitionApi".to_owned(), lengths(12, 0)),
                ("TaskRoleApi".to_owned(), lengths(0, 0)),
            ])
        );
        assert!(of_resources("[]").is_empty());
    }
}
