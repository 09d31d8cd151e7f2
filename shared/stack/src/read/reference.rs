//! The reference of stack files, made of the types.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::schema::of_the_types;
use super::shape::Shape;

/// What a part of a stack file becomes, by its path.
const RESOURCES: [(&str, &str); 15] = [
    ("buckets.<name>", "AWS::S3::Bucket"),
    (
        "capacity.<name>",
        "AWS::AutoScaling::AutoScalingGroup, AWS::EC2::LaunchTemplate, AWS::ECS::CapacityProvider",
    ),
    ("cluster", "AWS::ECS::Cluster"),
    ("events", "AWS::Events::Rule, AWS::Logs::LogGroup"),
    (
        "file_systems.<name>",
        "AWS::EFS::FileSystem, AWS::EFS::MountTarget",
    ),
    (
        "file_systems.<name>.access_points.<name>",
        "AWS::EFS::AccessPoint",
    ),
    (
        "load_balancer",
        "AWS::ElasticLoadBalancingV2::LoadBalancer, AWS::ElasticLoadBalancingV2::Listener",
    ),
    ("queues.<name>", "AWS::SQS::Queue"),
    (
        "service_discovery",
        "AWS::ServiceDiscovery::PrivateDnsNamespace",
    ),
    (
        "services.<name>",
        "AWS::ECS::Service, AWS::ECS::TaskDefinition, AWS::IAM::Role, AWS::EC2::SecurityGroup, AWS::Logs::LogGroup",
    ),
    (
        "services.<name>.scaling",
        "AWS::ApplicationAutoScaling::ScalableTarget, AWS::ApplicationAutoScaling::ScalingPolicy",
    ),
    (
        "services.<name>.schedules.<name>",
        "AWS::Scheduler::Schedule",
    ),
    (
        "services.<name>.secrets.<name>",
        "AWS::SecretsManager::Secret where `value` is given",
    ),
    (
        "services.<name>.target_group",
        "AWS::ElasticLoadBalancingV2::TargetGroup, AWS::ElasticLoadBalancingV2::ListenerRule",
    ),
    ("topics.<name>", "AWS::SNS::Topic"),
];

/// Every key of a stack file, in Markdown: its type, its default and what it means.
pub fn reference() -> String {
    let schema = of_the_types();
    let mut sections = Sections::of(&schema);
    sections.gather(&schema, "");
    format!(
        "# The keys of a stack file\n\nMade by `longshore schema stack --reference > docs/stack-file.md`. \
         `longshore schema stack services.api.target_group` prints a part of it, `longshore schema stack` the JSON \
         Schema for editors.\n\nBeside these keys, a file has `environments`: what is different in each environment, \
         by name. There, maps are merged key by key, lists and single values are replaced, and null removes.\n\n{}",
        sections.text.join("\n")
    )
}

/// What a part of a stack file is, such as `services.api.target_group`, in Markdown.
///
/// # Errors
/// Which key there is not, and which there are.
pub fn reference_of(path: &str) -> Result<String, String> {
    let root = of_the_types();
    let mut sections = Sections::of(&root);
    let mut schema = &root;
    let mut place = String::new();
    for key in path.split('.') {
        let key = key.split('[').next().unwrap_or(key);
        while let Some(items) = sections.resolved(schema).1.get("items") {
            schema = items;
            place.push_str("[]");
        }
        let object = sections.resolved(schema).1;
        let (name, below) = match object["properties"].as_object() {
            Some(properties) => {
                let below = properties.get(key).ok_or_else(|| {
                    let known: Vec<&str> = properties.keys().map(String::as_str).collect();
                    format!(
                        "there is no key `{key}` in {}, but `{}`",
                        if place.is_empty() {
                            "a stack file"
                        } else {
                            &place
                        },
                        known.join("`, `")
                    )
                })?;
                (key, below)
            }
            None if object["additionalProperties"].is_object() => {
                ("<name>", &object["additionalProperties"])
            }
            None => return Err(format!("`{place}` is a single value, without keys")),
        };
        place = join(&place, name);
        schema = below;
    }
    let description = in_one_line(schema["description"].as_str().unwrap_or_default());
    let shape = Shape::of(schema, sections.types).in_words();
    let mut text = format!("`{place}`: {shape}. {description}\n");
    sections.gather(schema, &place);
    if !sections.text.is_empty() {
        let _ = write!(text, "\n{}", sections.text.join("\n"));
    }
    Ok(text)
}

/// The parts of a stack file, each described where it is first.
struct Sections<'a> {
    types: &'a Map<String, Value>,
    /// Where each type is described.
    seen: BTreeMap<String, String>,
    text: Vec<String>,
}

impl<'a> Sections<'a> {
    fn of(root: &'a Value) -> Self {
        static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
        Self {
            types: root["$defs"].as_object().unwrap_or(&NONE),
            seen: BTreeMap::new(),
            text: Vec::new(),
        }
    }

    /// What a schema refers to, with its name; of several choices, the one that is a map or a list.
    fn resolved(&self, schema: &'a Value) -> (Option<&'a str>, &'a Value) {
        if let Some(choices) = schema["anyOf"].as_array() {
            let mut resolved = choices.iter().map(|choice| self.resolved(choice));
            let found = resolved.find(|(_, choice)| {
                ["properties", "additionalProperties", "items"]
                    .iter()
                    .any(|keyword| choice[*keyword].is_object())
            });
            return found.unwrap_or((None, schema));
        }
        let name = schema["$ref"]
            .as_str()
            .and_then(|reference| reference.rsplit('/').next());
        match name.and_then(|name| Some((name, self.types.get(name)?))) {
            Some((name, definition)) => (Some(name), definition),
            None => (None, schema),
        }
    }

    /// Describes a schema and all below it.
    fn gather(&mut self, schema: &'a Value, path: &str) {
        let (name, object) = self.resolved(schema);
        if let Some(properties) = object["properties"].as_object() {
            if let Some(name) = name {
                if self.seen.contains_key(name) {
                    return;
                }
                self.seen.insert(name.to_owned(), path.to_owned());
            }
            let section = self.section(object, properties, path);
            self.text.push(section);
            for (key, property) in properties {
                self.gather(property, &join(path, key));
            }
        } else if object["additionalProperties"].is_object() {
            self.gather(&object["additionalProperties"], &join(path, "<name>"));
        } else if object["items"].is_object() {
            self.gather(&object["items"], &format!("{path}[]"));
        }
    }

    fn section(&self, object: &Value, properties: &'a Map<String, Value>, path: &str) -> String {
        let title = if path.is_empty() { "the file" } else { path };
        let mut text = format!("## `{title}`\n\n");
        if !path.is_empty() {
            let description = object["description"].as_str().unwrap_or_default();
            let _ = writeln!(text, "{}\n", in_one_line(description));
        }
        if let Some((_, resources)) = RESOURCES.iter().find(|(known, _)| *known == path) {
            let _ = writeln!(text, "CloudFormation: {resources}.\n");
        }
        text.push_str("| key | type | default | meaning |\n| --- | --- | --- | --- |\n");
        let required = object["required"].as_array();
        for (key, property) in properties {
            let is_required =
                required.is_some_and(|names| names.iter().any(|name| name == key.as_str()));
            let default = match &property["default"] {
                _ if is_required => "required".to_owned(),
                Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
                default => format!("`{default}`"),
            };
            let mut meaning = in_one_line(property["description"].as_str().unwrap_or_default());
            if let Some(example) = property["examples"][0].as_str() {
                let _ = write!(meaning, " Example: `{example}`.");
            }
            let described = self
                .resolved(property)
                .0
                .and_then(|name| self.seen.get(name));
            if let Some(place) = described.filter(|place| **place != join(path, key)) {
                let _ = write!(meaning, " Its keys are those of `{place}`.");
            }
            let shape = Shape::of(property, self.types);
            let shape = match (&shape, shape.bounds()) {
                (Shape::Number(..), Some(bounds)) => format!("a number, {bounds}"),
                _ => shape.in_words(),
            };
            let _ = writeln!(
                text,
                "| `{key}` | {} | {default} | {} |",
                shape.replace('|', "\\|"),
                meaning.replace('|', "\\|")
            );
        }
        text
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn in_one_line(description: &str) -> String {
    description.split_whitespace().collect::<Vec<_>>().join(" ")
}
