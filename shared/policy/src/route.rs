//! Routes: which services subscribe to a repository.

use longshore_events::arn::ServiceName;
use longshore_state::{Document, rename};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

use crate::image_policy::ImagePolicy;
use crate::settings::RolloutSettings;

/// `routes/<repository>.json` in the state bucket.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "RouteFile")]
pub struct Route {
    /// The ECR repository's name; the same as in the key.
    pub repository: String,
    /// Who subscribes to it.
    pub subscribers: Vec<Subscriber>,
    /// What stands among the subscribers and is not one: it keeps no other from being served. Whoever writes the route
    /// keeps it where it is.
    pub unreadable: Vec<UnreadableSubscriber>,
}

/// A subscriber that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableSubscriber {
    /// Where it stands in the file, from 0.
    place: usize,
    /// What is wrong with it.
    problem: String,
    written: Value,
}

/// A route, its subscribers not yet read.
#[derive(Deserialize)]
struct RouteFile {
    repository: String,
    subscribers: Vec<Value>,
}

/// In place of a subscriber that is refused before it is read: what is wrong with it, and what was written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RefusedSubscriber {
    refused_because: String,
    written: Value,
}

impl From<RouteFile> for Route {
    fn from(file: RouteFile) -> Self {
        let mut route = Self {
            repository: file.repository,
            subscribers: Vec::new(),
            unreadable: Vec::new(),
        };
        for (place, written) in file.subscribers.into_iter().enumerate() {
            match Subscriber::deserialize(&written) {
                Ok(subscriber) => route.subscribers.push(subscriber),
                Err(error) => {
                    route
                        .unreadable
                        .push(match RefusedSubscriber::deserialize(&written) {
                            Ok(refused) => UnreadableSubscriber {
                                place,
                                problem: refused.refused_because,
                                written: refused.written,
                            },
                            Err(_) => UnreadableSubscriber {
                                place,
                                problem: error.to_string(),
                                written,
                            },
                        })
                }
            }
        }
        route
    }
}

impl Serialize for Route {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(untagged)]
        enum Written<'a> {
            Subscriber(&'a Subscriber),
            Unreadable(&'a Value),
        }
        let mut subscribers: Vec<_> = self.subscribers.iter().map(Written::Subscriber).collect();
        for unreadable in &self.unreadable {
            let place = unreadable.place.min(subscribers.len());
            subscribers.insert(place, Written::Unreadable(&unreadable.written));
        }
        let mut route = serializer.serialize_struct("Route", 2)?;
        route.serialize_field("repository", &self.repository)?;
        route.serialize_field("subscribers", &subscribers)?;
        route.end()
    }
}

impl UnreadableSubscriber {
    /// Whether it says that it is this service.
    pub fn is_of(&self, stack: &str, service: &str) -> bool {
        self.member("stack") == Some(stack) && self.member("service") == Some(service)
    }

    fn member(&self, name: &str) -> Option<&str> {
        self.written.get(name)?.as_str()
    }
}

impl std::fmt::Display for UnreadableSubscriber {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "subscribers.{}", self.place)?;
        if let (Some(stack), Some(service)) = (self.member("stack"), self.member("service")) {
            write!(formatter, " (service {service} of stack {stack})")?;
        }
        write!(formatter, ": {}", self.problem)
    }
}

impl Document for Route {
    const FORMAT: u32 = 2;

    /// Format 1 called subscribers followers.
    fn migrate(_from: u32, mut document: Value) -> Value {
        if let Some(members) = document.as_object_mut() {
            rename(members, "followers", "subscribers");
        }
        document
    }

    const EDITED_BY_HAND: bool = true;

    fn check_by_hand(document: &mut Value) -> Result<(), String> {
        if let Some(unknown) = unknown_of::<RouteFile>(document) {
            return Err(unknown_field(&unknown));
        }
        let subscribers = document
            .get_mut("subscribers")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten();
        for (place, subscriber) in subscribers.enumerate() {
            if let Some(unknown) = unknown_of::<Subscriber>(subscriber) {
                let problem = unknown_field(&format!("subscribers.{place}.{unknown}"));
                *subscriber = json!(RefusedSubscriber {
                    refused_because: problem,
                    written: subscriber.take(),
                });
            }
        }
        Ok(())
    }
}

/// The path of a field that such a thing does not have.
fn unknown_of<T: DeserializeOwned>(value: &Value) -> Option<String> {
    let mut unknown = None;
    // Anything else that is wrong with it is found when it is read.
    let _: Result<T, _> = serde_ignored::deserialize(value, |path| {
        unknown.get_or_insert_with(|| path.to_string());
    });
    unknown
}

impl Document for ServiceId {}

/// The fields of a route file, by what they stand in.
const FIELDS: [(&str, &[&str]); 7] = [
    ("", &["repository", "subscribers"]),
    (
        "subscribers",
        &[
            "stack",
            "service",
            "cluster",
            "ecs_service",
            "container",
            "other_containers",
            "image_policy",
            "cpu_architecture",
            "rollout",
        ],
    ),
    (
        "image_policy",
        &[
            "tags",
            "tag_pattern",
            "semver",
            "pre_releases",
            "order",
            "moved_tags",
            "minimum_age_minutes",
        ],
    ),
    (
        "rollout",
        &[
            "deadline_minutes",
            "after",
            "before_tasks",
            "after_tasks",
            "freeze_windows",
            "approval",
        ],
    ),
    (
        "tasks",
        &["name", "command", "environment", "timeout_minutes"],
    ),
    ("freeze_windows", &["cron", "time_zone", "duration_minutes"]),
    ("approval", &["expires_after_minutes"]),
];

/// What is wrong with a field at this path (`subscribers.0.image_policy.tag`) that no route file has.
fn unknown_field(path: &str) -> String {
    // What may be missing stands behind a question mark.
    let path = path.replace(".?", "");
    let (place, field) = path.rsplit_once('.').unwrap_or(("", &path));
    let concept = place
        .rsplit('.')
        .find(|part| part.parse::<usize>().is_err())
        .unwrap_or_default();
    let allowed = FIELDS
        .iter()
        .find(|(name, _)| *name == concept || !name.is_empty() && concept.ends_with(name));
    let place = match place {
        "" => String::new(),
        place => format!(" in {place}"),
    };
    let allowed: Vec<String> = allowed
        .iter()
        .flat_map(|(_, fields)| fields.iter().map(|field| format!("`{field}`")))
        .collect();
    format!(
        "unknown field `{field}`{place}, expected one of {}",
        allowed.join(", ")
    )
}

/// A service that subscribes to a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscriber {
    /// The stack.
    pub stack: String,
    /// The stack's service.
    pub service: String,
    /// The ECS cluster's name.
    pub cluster: String,
    /// The ECS service's name.
    pub ecs_service: String,
    /// The container whose image is replaced.
    pub container: String,
    /// More containers of the task that run the same image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_containers: Vec<String>,
    /// Which images are deployed.
    pub image_policy: ImagePolicy,
    /// The processor architecture of the service's tasks, `X86_64` or `ARM64`, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_architecture: Option<CpuArchitecture>,
    /// How its deployments go.
    #[serde(default)]
    pub rollout: RolloutSettings,
}

/// Which processors the image is for.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub enum CpuArchitecture {
    /// Intel and AMD.
    #[default]
    #[serde(rename = "X86_64")]
    X86,
    /// Graviton.
    #[serde(rename = "ARM64")]
    Arm,
}

/// Whose an ECS service is: `services/<cluster>/<ECS service>.json` in the state bucket.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ServiceId {
    /// The stack.
    pub stack: String,
    /// The stack's service.
    pub service: String,
}

impl Route {
    /// Checks when a service gets an image (`after`), as a stack file's is checked: a service that comes after itself,
    /// or after one that this repository's pushes do not deploy, would wait for ever.
    ///
    /// # Errors
    /// What is wrong and what to do.
    pub fn check_order(&self, subscriber: &Subscriber) -> Result<(), String> {
        let Subscriber { stack, service, .. } = subscriber;
        for before in &subscriber.rollout.after {
            if before == service {
                return Err(format!(
                    "it comes after itself: remove `{before}` from its `after` in routes/{}.json",
                    self.repository
                ));
            }
            if self.subscriber(stack, before).is_none() {
                return Err(format!(
                    "it comes after `{before}`, which routes/{0}.json does not name: only services of the same stack \
                     that follow {0} can be in `after`",
                    self.repository
                ));
            }
            if self.comes_after(stack, before, service) {
                return Err(format!(
                    "it and `{before}` come after each other in routes/{}.json, so neither would ever be deployed: \
                     remove one of the two from `after`",
                    self.repository
                ));
            }
        }
        Ok(())
    }

    /// Whether a service comes after another one of its stack, directly or by others.
    fn comes_after(&self, stack: &str, service: &str, other: &str) -> bool {
        let mut seen = vec![service];
        let mut next = 0;
        while let Some(service) = seen.get(next).copied() {
            next += 1;
            let after = self
                .subscribers
                .iter()
                .filter(|subscriber| subscriber.stack == stack && subscriber.service == service)
                .flat_map(|subscriber| &subscriber.rollout.after);
            for before in after {
                if before == other {
                    return true;
                }
                if !seen.contains(&before.as_str()) {
                    seen.push(before);
                }
            }
        }
        false
    }

    /// The subscriber that is `service` of `stack`.
    pub fn subscriber(&self, stack: &str, service: &str) -> Option<&Subscriber> {
        self.subscribers
            .iter()
            .find(|subscriber| subscriber.stack == stack && subscriber.service == service)
    }
}

impl Subscriber {
    /// The service's names in ECS.
    pub fn service_name(&self) -> ServiceName {
        ServiceName {
            cluster: self.cluster.clone(),
            ecs_service: self.ecs_service.clone(),
        }
    }

    /// The containers whose image is replaced.
    pub fn containers(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.container)
            .chain(&self.other_containers)
            .map(String::as_str)
    }

    /// The service's names in Longshore.
    pub fn service_id(&self) -> ServiceId {
        ServiceId {
            stack: self.stack.clone(),
            service: self.service.clone(),
        }
    }
}

impl CpuArchitecture {
    /// As ECS names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::X86 => "X86_64",
            Self::Arm => "ARM64",
        }
    }
}

impl std::fmt::Display for CpuArchitecture {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl std::fmt::Display for ServiceId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "service {} of stack {}",
            self.service, self.stack
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The fields of every object below `value`, by what they stand in.
    fn fields(concept: &str, value: &Value, found: &mut BTreeSet<(String, String)>) {
        match value {
            Value::Object(members) if concept != "environment" => {
                for (name, member) in members {
                    found.insert((concept.to_owned(), name.clone()));
                    let inner = match name.as_str() {
                        "before_tasks" | "after_tasks" => "tasks",
                        name => name,
                    };
                    fields(inner, member, found);
                }
            }
            Value::Array(elements) => elements
                .iter()
                .for_each(|element| fields(concept, element, found)),
            _ => {}
        }
    }

    #[test]
    fn the_fields_that_a_refusal_names_are_those_that_a_route_has() {
        let task = json!([{"name": "a", "command": ["a"], "environment": {"A": "a"}}]);
        let route: Route = serde_json::from_value(json!({
            "repository": "shop/api",
            "subscribers": [{
                "stack": "shop",
                "service": "api",
                "cluster": "shop",
                "ecs_service": "api",
                "container": "app",
                "other_containers": ["b"],
                "image_policy": {
                    "tags": ["a"],
                    "tag_pattern": "a",
                    "semver": "1",
                    "pre_releases": true,
                    "order": "number",
                    "moved_tags": true,
                    "minimum_age_minutes": 1,
                },
                "cpu_architecture": "ARM64",
                "rollout": {
                    "after": ["a"],
                    "before_tasks": task,
                    "after_tasks": task,
                    "freeze_windows": [{"cron": "0 0 * * *", "duration_minutes": 1}],
                    "approval": {"expires_after_minutes": 1},
                },
            }],
        }))
        .unwrap();
        let mut found = BTreeSet::new();
        fields("", &serde_json::to_value(&route).unwrap(), &mut found);
        let named: BTreeSet<(String, String)> = FIELDS
            .iter()
            .flat_map(|(concept, fields)| {
                fields
                    .iter()
                    .map(|field| ((*concept).to_owned(), (*field).to_owned()))
            })
            .collect();
        assert_eq!(named, found);
    }
}
