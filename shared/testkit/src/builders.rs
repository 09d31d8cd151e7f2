use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use longshore_events::image::{Digest, Image};
use longshore_events::incoming::{Push, StackChange};
use longshore_policy::image_policy::ImagePolicy;
use longshore_policy::route::Subscriber;
use longshore_policy::settings::RolloutSettings;
use longshore_policy::template::{TemplateMetadata, TemplateService};
use longshore_provisioning::ports::ObservedStack;
use longshore_state::Worker;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A digest that holds the same digit 64 times.
pub fn digest(digit: char) -> Digest {
    let text = format!("sha256:{}", digit.to_string().repeat(64));
    match text.parse() {
        Ok(digest) => digest,
        Err(error) => unreachable!("`{digit}` is not a hexadecimal digit: {error}"),
    }
}

/// A document with these members instead of its own: as nobody but its transitions writes it, after a longer simulation
/// than a test wants to say.
pub fn altered<T: Serialize + DeserializeOwned>(document: &T, members: &Value) -> T {
    let altered = serde_json::to_value(document).and_then(|mut altered| {
        for (name, value) in members.as_object().into_iter().flatten() {
            altered[name] = value.clone();
        }
        serde_json::from_value(altered)
    });
    match altered {
        Ok(altered) => altered,
        Err(error) => unreachable!("{members} does not fit into the document: {error}"),
    }
}

/// Noon of the day on which all tests happen, and some seconds more.
pub fn noon(seconds: i64) -> DateTime<Utc> {
    let noon = DateTime::from_timestamp(1_790_000_000, 0).unwrap_or_default();
    noon + chrono::Duration::seconds(seconds)
}

/// A service of stack `shop` that follows `shop/api` by all tags that begin with `v`.
pub fn subscriber(service: &str) -> Subscriber {
    Subscriber {
        stack: "shop".to_owned(),
        service: service.to_owned(),
        cluster: "shop".to_owned(),
        ecs_service: service.to_owned(),
        container: "app".to_owned(),
        other_containers: Vec::new(),
        image_policy: ImagePolicy {
            tags: vec!["v*".to_owned()],
            ..ImagePolicy::default()
        },
        cpu_architecture: None,
        rollout: RolloutSettings::default(),
    }
}

/// A push of `shop/api:<tag>`; pushes of the same tag and time are the same event.
pub fn push(tag: &str, digest: Digest, at: DateTime<Utc>) -> Push {
    Push {
        event_id: format!("event-{tag}-{}", at.timestamp()),
        at,
        image: Image {
            repository: "shop/api".to_owned(),
            tag: Some(tag.to_owned()),
            digest,
        },
    }
}

/// The smallest task definition that runs `image`, as DescribeTaskDefinition shows it.
pub fn task_definition_document(arn: &str, family: &str, image: &str) -> Value {
    json!({
        "taskDefinitionArn": arn,
        "family": family,
        "revision": 1,
        "status": "ACTIVE",
        "containerDefinitions": [{"name": "app", "image": image, "essential": true}],
        "volumes": [],
    })
}

/// An invocation of this id, this many seconds after noon.
pub fn worker(id: &str, seconds: i64) -> Worker {
    Worker {
        id: id.to_owned(),
        now: noon(seconds),
    }
}

/// The ARN of stack `shop`.
pub const STACK_ID: &str =
    "arn:aws:cloudformation:eu-west-1:111122223333:stack/shop/5f0c9a10-c5f1-11f0-8d43-0a1b2c3d4e5f";

/// Stack `shop` has this status, in the change with this token; an empty token is none.
pub fn stack_change(token: &str, status: &str, seconds: i64) -> StackChange {
    StackChange {
        event_id: format!("event-{token}-{status}"),
        at: noon(seconds),
        stack: "shop".to_owned(),
        stack_id: STACK_ID.to_owned(),
        status: status.into(),
        reason: None,
        client_request_token: Some(token.to_owned()).filter(|token| !token.is_empty()),
    }
}

/// Stack `shop` with its service `api`, as CloudFormation shows it; its last change began at `changed`.
pub fn observed_stack(status: &str, changed: i64) -> ObservedStack {
    let service = TemplateService {
        repository: Some("shop/api".to_owned()),
        cluster: "shop".to_owned(),
        ecs_service: "api".to_owned(),
        container: "app".to_owned(),
        other_containers: Vec::new(),
        image_policy: None,
        cpu_architecture: None,
        rollout: RolloutSettings::default(),
        image: "shop/api:v1".to_owned(),
        sidecars: BTreeMap::new(),
    };
    ObservedStack {
        stack_id: STACK_ID.to_owned(),
        status: status.into(),
        status_reason: None,
        changed_at: Some(noon(changed)),
        longshore: Some(TemplateMetadata {
            version: 1,
            stack: "shop".to_owned(),
            environment: None,
            services: [("api".to_owned(), service)].into(),
        }),
    }
}
