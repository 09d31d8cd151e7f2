//! What a CloudFormation template is made of: values, resources, parameters, outputs.

use std::borrow::Cow;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Serialize, Serializer};
use serde_json::Value as Json;

use super::names::{Kind, Singleton};
use super::sorted::{Object, Sorted};

/// A value of a property: a text, or one that CloudFormation works out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) enum Value {
    /// The physical id of a resource, or a parameter's value.
    Ref(String),
    /// An attribute of a resource.
    #[serde(rename = "Fn::GetAtt")]
    GetAtt(String, &'static str),
    /// A text with `${…}` in it; `${!x}` stands for a plain `${x}`.
    #[serde(rename = "Fn::Sub")]
    Sub(String),
    #[serde(rename = "Fn::Base64")]
    Base64(Box<Value>),
    #[serde(rename = "Fn::Select")]
    Select(usize, Box<Value>),
    #[serde(rename = "Fn::Split")]
    Split(&'static str, Box<Value>),
    #[serde(rename = "Fn::Join")]
    Join(&'static str, Vec<Value>),
    /// As a stack file has it, in CloudFormation's words.
    #[serde(untagged)]
    Further(Json),
    #[serde(untagged)]
    Text(String),
}

impl Value {
    /// A text of a stack file: pseudo parameters are filled in, `$${` is a plain `${`.
    pub(super) fn written(text: &str) -> Self {
        // As most are.
        if !text.contains('$') {
            return Self::Text(text.to_owned());
        }
        match substitutable(text) {
            (text, true) => Self::Sub(text),
            _ => Self::Text(text.replace("$${", "${")),
        }
    }

    /// As [`Value::written`], for every text of a list; nothing for an empty one.
    pub(super) fn all_written(texts: &[String]) -> Option<Vec<Self>> {
        (!texts.is_empty()).then(|| texts.iter().map(|text| Self::written(text)).collect())
    }

    /// A text for `Fn::Sub`, or a plain one if there is nothing to fill in.
    pub(super) fn sub(text: impl Into<String>) -> Self {
        let text = text.into();
        let has_variable = text
            .match_indices("${")
            .any(|(at, start)| !text[at + start.len()..].starts_with('!'));
        if has_variable {
            Self::Sub(text)
        } else {
            Self::Text(text.replace("${!", "${"))
        }
    }

    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// The part with this number of what is between the separators.
    pub(super) fn part(self, index: usize, separator: &'static str) -> Self {
        Self::Select(index, Box::new(Self::Split(separator, Box::new(self))))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

const PSEUDO_PARAMETERS: [&str; 4] = [
    "AWS::AccountId",
    "AWS::Partition",
    "AWS::Region",
    "AWS::URLSuffix",
];

/// A text of a stack file as a part of a text for `Fn::Sub`, and whether it needs that.
fn substitutable(text: &str) -> (String, bool) {
    let mut result = String::with_capacity(text.len());
    let mut needed = false;
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let escaped = rest[..start].ends_with('$');
        let inside = &rest[start + 2..];
        let pseudo = PSEUDO_PARAMETERS.iter().find(|name| {
            inside
                .strip_prefix(**name)
                .is_some_and(|after| after.starts_with('}'))
        });
        if escaped {
            result.push_str(&rest[..start - 1]);
            result.push_str("${!");
        } else if pseudo.is_some() {
            needed = true;
            result.push_str(&rest[..start + 2]);
        } else {
            result.push_str(&rest[..start]);
            result.push_str("${!");
        }
        rest = inside;
    }
    result.push_str(rest);
    (result, needed)
}

/// A text of a stack file as a part of a text for [`Value::sub`].
pub(super) fn part_of_sub(text: &str) -> String {
    substitutable(text).0
}

/// A number that is written without a fraction where it has none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Number(pub(super) f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Up to here every whole number has a floating-point number of its own.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if self.0.fract() == 0.0 && self.0.abs() < EXACT {
            serializer.serialize_i64(self.0 as i64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    pub(super) key: String,
    pub(super) value: Value,
}

/// The properties of a type of resource. What is `None` is left out. Fields in the order of their names, as templates have
/// them, need not be put into it.
pub(super) trait Properties: Serialize {
    /// The type, `AWS::…`.
    const TYPE: &'static str;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum Policy {
    Delete,
    Retain,
    RetainExceptOnCreate,
}

/// A resource: its properties, and how CloudFormation treats it.
#[derive(Debug)]
pub(super) struct Resource {
    r#type: Cow<'static, str>,
    depends_on: BTreeSet<String>,
    deletion_policy: Option<Policy>,
    update_replace_policy: Option<Policy>,
    update_policy: Option<Sorted>,
    /// What Longshore says of it.
    says: Option<Sorted>,
    unchecked: Vec<Skip>,
    properties: Sorted,
}

/// A check of checkov that does not hold for a resource.
#[derive(Debug, Serialize)]
struct Skip {
    id: &'static str,
    comment: &'static str,
}

impl Resource {
    /// Is made after, and deleted before, what has these logical ids.
    pub(super) fn depends_on(&mut self, ids: impl IntoIterator<Item = String>) -> &mut Self {
        self.depends_on.extend(ids);
        self
    }

    /// What becomes of it when it leaves the stack, and when another one takes its place.
    pub(super) fn policies(&mut self, deletion: Policy, replacement: Policy) -> &mut Self {
        self.deletion_policy = Some(deletion);
        self.update_replace_policy = Some(replacement);
        self
    }

    pub(super) fn update_policy(&mut self, policy: &impl Serialize) -> &mut Self {
        self.update_policy = Some(Sorted::of(policy));
        self
    }

    /// Says something of it that is not a property, so that a change of that is a change of the stack:
    /// CloudFormation takes no change of a template's own metadata alone (AWS CloudFormation User Guide,
    /// "CloudFormation template Metadata syntax").
    pub(super) fn says(&mut self, metadata: &impl Serialize) -> &mut Self {
        self.says = Some(Sorted::of(metadata));
        self
    }

    /// Says why checkov's check `id` does not hold for it.
    pub(super) fn unchecked(&mut self, id: &'static str, comment: &'static str) -> &mut Self {
        self.unchecked.push(Skip { id, comment });
        self
    }

    fn write(&self, text: &mut Vec<u8>) {
        let mut object = Object::begin(text);
        if let Some(policy) = &self.deletion_policy {
            object.scalar("DeletionPolicy", policy);
        }
        if !self.depends_on.is_empty() {
            object.field("DependsOn", &Sorted::of(&self.depends_on));
        }
        if self.says.is_some() || !self.unchecked.is_empty() {
            let mut metadata = Object::begin(object.key("Metadata"));
            if let Some(says) = &self.says {
                metadata.field("Longshore", says);
            }
            if !self.unchecked.is_empty() {
                let skip = BTreeMap::from([("skip", &self.unchecked)]);
                metadata.field("checkov", &Sorted::of(&skip));
            }
            metadata.end();
        }
        object.field("Properties", &self.properties);
        object.scalar("Type", &self.r#type);
        if let Some(policy) = &self.update_policy {
            object.field("UpdatePolicy", policy);
        }
        if let Some(policy) = &self.update_replace_policy {
            object.scalar("UpdateReplacePolicy", policy);
        }
        object.end();
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    description: String,
    no_echo: bool,
    r#type: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    value: Value,
}

/// A template. Its maps are ordered, so that it is always written in the same order.
#[derive(Debug)]
pub(super) struct Template {
    description: String,
    /// What it says of its services.
    metadata: Sorted,
    parameters: BTreeMap<String, Parameter>,
    resources: BTreeMap<String, Resource>,
    outputs: BTreeMap<String, Output>,
    clashes: BTreeSet<String>,
}

const FORMAT_VERSION: &str = "2010-09-09";

/// What a resource has beside its properties is about as long.
const BESIDE_PROPERTIES: usize = 200;

impl Template {
    pub(super) fn new(description: String, metadata: &impl Serialize) -> Self {
        Self {
            description,
            metadata: Sorted::of(metadata),
            parameters: BTreeMap::new(),
            resources: BTreeMap::new(),
            outputs: BTreeMap::new(),
            clashes: BTreeSet::new(),
        }
    }

    /// Adds what there is one of for each of something with these names.
    pub(super) fn add<P: Properties>(
        &mut self,
        kind: Kind,
        names: &[&str],
        properties: &P,
    ) -> &mut Resource {
        self.insert(kind.id(names), properties)
    }

    /// Adds what there is one of.
    pub(super) fn add_one<P: Properties>(
        &mut self,
        one: Singleton,
        properties: &P,
    ) -> &mut Resource {
        self.insert(one.as_str().to_owned(), properties)
    }

    fn insert<P: Properties>(&mut self, id: String, properties: &P) -> &mut Resource {
        self.add_further(id, Cow::Borrowed(P::TYPE), properties)
    }

    /// Adds a resource that a stack file describes in CloudFormation's words.
    pub(super) fn add_further(
        &mut self,
        id: String,
        r#type: impl Into<Cow<'static, str>>,
        properties: &impl Serialize,
    ) -> &mut Resource {
        let resource = Resource {
            r#type: r#type.into(),
            depends_on: BTreeSet::new(),
            deletion_policy: None,
            update_replace_policy: None,
            update_policy: None,
            says: None,
            unchecked: Vec::new(),
            properties: Sorted::of(properties),
        };
        let entry = self.resources.entry(id);
        if matches!(entry, Entry::Occupied(_)) || self.parameters.contains_key(entry.key()) {
            self.clashes.insert(entry.key().clone());
        }
        entry.insert_entry(resource).into_mut()
    }

    /// Adds a parameter whose value CloudFormation does not show.
    pub(super) fn add_sensitive(&mut self, id: String, description: String) {
        if self.resources.contains_key(&id) || self.parameters.contains_key(&id) {
            self.clashes.insert(id.clone());
        }
        let parameter = Parameter {
            r#type: "String",
            no_echo: true,
            description,
        };
        self.parameters.insert(id, parameter);
    }

    pub(super) fn add_output(&mut self, name: String, value: Value) {
        self.outputs.insert(name, Output { value });
    }

    /// Changes the properties of a resource, if it is there.
    pub(super) fn change(&mut self, id: &str, change: impl FnOnce(&mut Json)) {
        if let Some(resource) = self.resources.get_mut(id) {
            let mut properties = resource.properties.value();
            change(&mut properties);
            resource.properties = Sorted::of(&properties);
        }
    }

    /// Lets a resource, if it is there, wait for another one.
    pub(super) fn depend(&mut self, id: &str, on: &str) {
        if let Some(resource) = self.resources.get_mut(id) {
            resource.depends_on([on.to_owned()]);
        }
    }

    /// Puts texts for `Fn::Sub` in place of references to what is not in the template. Nothing waits for it either.
    pub(super) fn replace_references(&mut self, texts: &BTreeMap<(String, String), String>) {
        let ids: BTreeSet<String> = self.resources.keys().cloned().collect();
        for resource in self.resources.values_mut() {
            resource.depends_on.retain(|id| ids.contains(id));
            let mut properties = resource.properties.value();
            replace_references(&mut properties, texts);
            resource.properties = Sorted::of(&properties);
        }
        for output in self.outputs.values_mut() {
            let mut value = json(&output.value);
            replace_references(&mut value, texts);
            output.value = Value::Further(value);
        }
    }

    /// The types of its resources, by logical id.
    pub(super) fn types(&self) -> BTreeMap<String, String> {
        let resources = self.resources.iter();
        let types = resources.map(|(id, resource)| (id.clone(), resource.r#type.to_string()));
        types.collect()
    }

    pub(super) fn output_names(&self) -> BTreeSet<String> {
        self.outputs.keys().cloned().collect()
    }

    pub(super) fn body(&self) -> String {
        let lengths = self.resources.iter().map(|(id, resource)| {
            id.len() + resource.properties.as_bytes().len() + BESIDE_PROPERTIES
        });
        let mut text = Vec::with_capacity(lengths.sum());
        let mut template = Object::begin(&mut text);
        template.scalar("AWSTemplateFormatVersion", FORMAT_VERSION);
        template.scalar("Description", &self.description);
        let mut metadata = Object::begin(template.key("Metadata"));
        metadata.field("Longshore", &self.metadata);
        metadata.end();
        template.field("Outputs", &Sorted::of(&self.outputs));
        if !self.parameters.is_empty() {
            template.field("Parameters", &Sorted::of(&self.parameters));
        }
        let mut resources = Object::begin(template.key("Resources"));
        for (id, resource) in &self.resources {
            resource.write(resources.key(id));
        }
        resources.end();
        template.end();
        // It is made of texts.
        String::from_utf8(text).unwrap_or_default()
    }

    /// Logical ids that more than one resource or parameter has.
    pub(super) fn clashes(self) -> BTreeSet<String> {
        self.clashes
    }
}

fn replace_references(value: &mut Json, texts: &BTreeMap<(String, String), String>) {
    let text = |id: &str, attribute: &str| texts.get(&(id.to_owned(), attribute.to_owned()));
    let replacement = match &*value {
        Json::Object(fields) if fields.len() == 1 => match fields.iter().next() {
            Some((function, Json::String(id))) if function == "Ref" => {
                text(id, "Ref").map(|text| json(&Value::sub(text)))
            }
            Some((function, Json::Array(parts))) if function == "Fn::GetAtt" => {
                match parts.as_slice() {
                    [Json::String(id), Json::String(attribute)] => {
                        text(id, attribute).map(|text| json(&Value::sub(text)))
                    }
                    _ => None,
                }
            }
            Some((function, Json::String(written))) if function == "Fn::Sub" => {
                let mut result = written.clone();
                for ((id, attribute), text) in texts {
                    let reference = match attribute.as_str() {
                        "Ref" => format!("${{{id}}}"),
                        attribute => format!("${{{id}.{attribute}}}"),
                    };
                    result = result.replace(&reference, text);
                }
                (result != *written).then(|| json(&Value::sub(result)))
            }
            _ => None,
        },
        _ => None,
    };
    match (replacement, value) {
        (Some(replacement), value) => *value = replacement,
        (None, Json::Object(fields)) => {
            for field in fields.values_mut() {
                replace_references(field, texts);
            }
        }
        (None, Json::Array(items)) => {
            for item in items {
                replace_references(item, texts);
            }
        }
        (None, _) => {}
    }
}

/// A serialised value without what is null, since CloudFormation takes no nulls.
pub(super) fn json(value: &impl Serialize) -> Json {
    Sorted::of(value).value()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_has_pseudo_parameters_is_substituted() {
        assert_eq!(json(&Value::written("plain")), json!("plain"));
        assert_eq!(
            json(&Value::written("a ${AWS::Region} b")),
            json!({"Fn::Sub": "a ${AWS::Region} b"})
        );
    }

    #[test]
    fn doubled_dollars_are_plain_ones_with_and_without_substitution() {
        assert_eq!(
            json(&Value::written("echo $${HOME}")),
            json!("echo ${HOME}")
        );
        assert_eq!(
            json(&Value::written("$${HOME} ${AWS::Region}")),
            json!({"Fn::Sub": "${!HOME} ${AWS::Region}"})
        );
    }

    #[test]
    fn what_is_not_a_pseudo_parameter_stays_as_it_is() {
        assert_eq!(json(&Value::written("${HOME}")), json!("${HOME}"));
        assert_eq!(
            json(&Value::written("${HOME}${AWS::AccountId}")),
            json!({"Fn::Sub": "${!HOME}${AWS::AccountId}"})
        );
    }

    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Bucket {
        tags: Option<Vec<Tag>>,
        bucket_name: &'static str,
        absent: Option<u32>,
    }

    impl Properties for Bucket {
        const TYPE: &'static str = "AWS::S3::Bucket";
    }

    #[test]
    fn a_template_is_written_in_order_and_without_nulls() {
        let mut template = Template::new("A \"stack\"".to_owned(), &json!({"b": null, "a": 1}));
        let bucket = Bucket {
            tags: None,
            bucket_name: "b",
            absent: None,
        };
        template
            .add(Kind::Bucket, &["b"], &bucket)
            .policies(Policy::Retain, Policy::Delete)
            .depends_on(["C".to_owned(), "A".to_owned()])
            .update_policy(&json!({"z": 1, "a": null}))
            .says(&json!({"b": 2, "a": 1}))
            .unchecked("CKV_1", "why");
        template.add_further(
            "Alarm".to_owned(),
            "AWS::CloudWatch::Alarm",
            &json!({"Z": [], "A": null}),
        );
        template.add_sensitive("P".to_owned(), "a secret".to_owned());
        template.add_output("O".to_owned(), Value::Ref("Alarm".to_owned()));
        template.change("Alarm", |properties| properties["B"] = json!(null));
        let expected = json!({
            "AWSTemplateFormatVersion": "2010-09-09",
            "Description": "A \"stack\"",
            "Metadata": {"Longshore": {"a": 1}},
            "Outputs": {"O": {"Value": {"Ref": "Alarm"}}},
            "Parameters": {"P": {"Description": "a secret", "NoEcho": true, "Type": "String"}},
            "Resources": {
                "Alarm": {"Properties": {"Z": []}, "Type": "AWS::CloudWatch::Alarm"},
                "BucketB": {
                    "DeletionPolicy": "Retain",
                    "DependsOn": ["A", "C"],
                    "Metadata": {
                        "Longshore": {"a": 1, "b": 2},
                        "checkov": {"skip": [{"comment": "why", "id": "CKV_1"}]},
                    },
                    "Properties": {"BucketName": "b"},
                    "Type": "AWS::S3::Bucket",
                    "UpdatePolicy": {"z": 1},
                    "UpdateReplacePolicy": "Delete",
                },
            },
        });
        assert_eq!(template.body(), expected.to_string());
    }

    #[test]
    fn whole_numbers_have_no_fraction() {
        assert_eq!(json(&[Number(70.0), Number(0.5)]), json!([70, 0.5]));
    }
}
