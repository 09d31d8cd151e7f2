//! The samples of `events/state` that are the engine's to read.

use std::fs;
use std::path::Path;

use longshore_policy::route::{Route, ServiceId};
use longshore_state::document::from_bytes;
use serde_json::{Value, json};

fn sample(path: &str) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events/state");
    fs::read_to_string(directory.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn route() -> String {
    sample("routes/shop/api.json")
}

#[test]
fn the_sample_of_a_route_says_who_follows_which_tags() {
    let route: Route = serde_json::from_str(&route()).unwrap();
    assert_eq!(route.repository, "shop/api");
    let api = ServiceId {
        stack: "shop".to_owned(),
        service: "api".to_owned(),
    };
    for (tag, subscribers) in [
        ("v2", vec![api.clone()]),
        ("v", vec![api.clone()]),
        ("main", vec![api.clone()]),
        ("maintenance", vec![]),
        ("feature-main", vec![]),
        ("1.4.0", vec![]),
    ] {
        let found: Vec<ServiceId> = route
            .subscribers
            .iter()
            .filter(|subscriber| subscriber.image_policy.compile().unwrap().allows(tag))
            .map(longshore_policy::route::Subscriber::service_id)
            .collect();
        assert_eq!(found, subscribers, "{tag}");
    }
    let subscriber = route.subscriber("shop", "api").unwrap();
    let service = subscriber.service_name();
    assert_eq!(service.cluster, "shop");
    assert_eq!(service.ecs_service, "api");
    assert_eq!(subscriber.container, "api");
    assert_eq!(route.subscriber("shop", "worker"), None);
}

/// What is wrong with a route, or with the first of its subscribers that cannot be read.
fn problem(route: &Value) -> Option<String> {
    match from_bytes::<Route>(route.to_string().into_bytes()) {
        Ok(route) => route.unreadable.first().map(ToString::to_string),
        Err(problem) => Some(problem),
    }
}

/// People write routes by hand.
#[test]
fn a_field_of_a_route_that_is_misspelt_is_refused_by_its_name() {
    for (right, wrong) in [("ecs_service", "ecs-service"), ("tags", "tag")] {
        let misspelt = route().replace(&format!("\"{right}\""), &format!("\"{wrong}\""));
        let refusal = problem(&serde_json::from_str(&misspelt).unwrap()).unwrap();
        assert!(
            refusal.contains(&format!("unknown field `{wrong}`")),
            "{refusal}"
        );
        assert!(refusal.contains(&format!("`{right}`")), "{refusal}");
    }
}

#[test]
fn a_misspelt_field_is_refused_wherever_it_stands_with_those_that_are_right() {
    let mut route: Value = serde_json::from_str(&route()).unwrap();
    let rollout = json!({
        "before_tasks": [{"name": "migrate", "command": ["migrate"]}],
        "freeze_windows": [{"cron": "0 18 * * 5", "duration_minutes": 60}],
        "approval": {"expires_after_minutes": 60},
    });
    route["subscribers"][0]["rollout"] = rollout;
    assert_eq!(problem(&route), None);
    for (place, right) in [
        ("", "subscribers"),
        ("/subscribers/0", "cluster"),
        ("/subscribers/0/image_policy", "semver"),
        ("/subscribers/0/rollout", "deadline_minutes"),
        ("/subscribers/0/rollout/before_tasks/0", "timeout_minutes"),
        ("/subscribers/0/rollout/freeze_windows/0", "time_zone"),
        ("/subscribers/0/rollout/approval", "expires_after_minutes"),
    ] {
        let mut misspelt = route.clone();
        misspelt.pointer_mut(place).unwrap()["wrong"] = json!(1);
        let refusal = problem(&misspelt).unwrap();
        assert!(refusal.contains("unknown field `wrong`"), "{refusal}");
        assert!(refusal.contains(&format!("`{right}`")), "{refusal}");
    }
}

#[test]
fn a_member_that_a_newer_version_of_longshore_wrote_into_a_route_is_not_a_misspelling() {
    let mut route: Value = serde_json::from_str(&route()).unwrap();
    route["longshore_version"] = json!("9.0.0");
    route["subscribers"][0]["rollout"] = json!({"canary_percent": 10});
    assert_eq!(problem(&route), None);
}

#[test]
fn a_misspelt_field_is_refused_in_a_route_that_longshore_wrote_and_a_person_changed() {
    let mut route: Value = serde_json::from_str(&route()).unwrap();
    route["longshore_version"] = json!(env!("CARGO_PKG_VERSION"));
    route["format_version"] = json!(1);
    assert_eq!(problem(&route), None);
    route["subscribers"][0]["rollout"] = json!({"aproval": {"expires_after_minutes": 60}});
    let refusal = problem(&route).unwrap();
    assert!(
        refusal.contains("unknown field `aproval` in subscribers.0.rollout, expected one of"),
        "{refusal}"
    );
}

#[test]
fn a_field_of_a_route_that_is_left_out_is_named() {
    let route: Value = serde_json::from_str(&route()).unwrap();
    let subscriber = route.pointer("/subscribers/0").unwrap();
    for field in subscriber.as_object().unwrap().keys() {
        let mut shorter = route.clone();
        shorter["subscribers"][0]
            .as_object_mut()
            .unwrap()
            .remove(field);
        let refusal = problem(&shorter).unwrap();
        assert!(
            refusal.ends_with(&format!(": missing field `{field}`")),
            "{refusal}"
        );
    }
}

#[test]
fn a_route_with_the_old_and_the_new_list_is_refused_and_loses_neither() {
    let mut route: Value = serde_json::from_str(&route()).unwrap();
    route["followers"] = route["subscribers"].clone();
    let refusal = from_bytes::<Route>(route.to_string().into_bytes()).unwrap_err();
    assert!(
        refusal
            .starts_with("unknown field `followers`, expected one of `repository`, `subscribers`"),
        "{refusal}"
    );
    route.as_object_mut().unwrap().remove("subscribers");
    let read = from_bytes::<Route>(route.to_string().into_bytes()).unwrap();
    assert!(!read.subscribers.is_empty());
}

#[test]
fn a_subscriber_that_cannot_be_read_harms_no_other_and_is_kept_where_it_stands() {
    let mut route: Value = serde_json::from_str(&route()).unwrap();
    let right = route["subscribers"][0].clone();
    let mut misspelt = right.clone();
    misspelt["service"] = json!("web");
    misspelt["tag"] = json!("v1");
    let damaged = [
        json!(7),
        misspelt,
        json!({"stack": "shop", "service": "jobs"}),
    ];
    route["subscribers"] = json!([damaged[0], right, damaged[1], damaged[2]]);
    let read = from_bytes::<Route>(route.to_string().into_bytes()).unwrap();
    assert_eq!(read.subscribers.len(), 1);
    let problems: Vec<String> = read.unreadable.iter().map(ToString::to_string).collect();
    let expected = [
        "subscribers.0: invalid type: integer `7`, expected struct Subscriber",
        "subscribers.2 (service web of stack shop): unknown field `tag` in subscribers.2, expected one of",
        "subscribers.3 (service jobs of stack shop): missing field `cluster`",
    ];
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(problem.starts_with(expected), "{problem}");
    }
    assert_eq!(problems.len(), expected.len());
    let written = serde_json::to_value(&read).unwrap();
    for (place, damaged) in [(0, &damaged[0]), (2, &damaged[1]), (3, &damaged[2])] {
        assert_eq!(&written["subscribers"][place], damaged);
    }
    assert_eq!(written["subscribers"][1]["service"], "api");
}
