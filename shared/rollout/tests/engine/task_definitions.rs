//! What is registered is what ran before, with one image replaced.

use longshore_events::image::Image;
use longshore_rollout::ports::{Tag, TaskDefinition};
use longshore_rollout::task_definition::{NextRevisionError, is_pinned_to};
use longshore_testkit::{digest, task_definition_document};
use serde_json::{Value, json};

fn every_field() -> TaskDefinition {
    let answer: Value = serde_json::from_str(include_str!(
        "fixtures/task-definition-with-every-field.json"
    ))
    .unwrap();
    TaskDefinition {
        document: answer["taskDefinition"].clone(),
        tags: serde_json::from_value(answer["tags"].clone()).unwrap(),
    }
}

fn image(repository: &str) -> Image {
    Image {
        repository: repository.to_owned(),
        tag: Some("v2".to_owned()),
        digest: digest('2'),
    }
}

/// All places at which two documents differ, as JSON pointers.
fn differences(before: &Value, after: &Value, place: &str, found: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(one), Value::Object(other)) => {
            let names: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).collect();
            for name in names {
                differences(
                    one.get(name).unwrap_or(&Value::Null),
                    other.get(name).unwrap_or(&Value::Null),
                    &format!("{place}/{name}"),
                    found,
                );
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (index, (one, other)) in one.iter().zip(other).enumerate() {
                differences(one, other, &format!("{place}/{index}"), found);
            }
        }
        (one, other) if one == other => {}
        _ => found.push(place.to_owned()),
    }
}

#[test]
fn the_next_revision_differs_only_in_the_image_whatever_fields_there_are() {
    let before = every_field();
    let after = before
        .next_revision(&[("app", &image("shop/api"))], "d-1")
        .unwrap();
    let mut found = Vec::new();
    differences(&before.document, &after, "", &mut found);
    assert_eq!(
        found,
        [
            // RegisterTaskDefinition does not take these: ECS makes them.
            "/compatibilities",
            "/containerDefinitions/1/image",
            "/deleteRequestedAt",
            "/deregisteredAt",
            "/registeredAt",
            "/registeredBy",
            "/requiresAttributes",
            "/revision",
            "/status",
            "/tags",
            "/taskDefinitionArn",
        ]
    );
    assert_eq!(
        after["containerDefinitions"][1]["image"],
        format!(
            "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/api@{}",
            digest('2')
        )
    );
}

#[test]
fn the_next_revision_keeps_its_own_tags_and_names_the_push() {
    let after = every_field()
        .next_revision(&[("app", &image("shop/api"))], "d-1")
        .unwrap();
    assert_eq!(
        after["tags"],
        json!([
            {"key": "team", "value": "shop"},
            {"key": "longshore:deployment", "value": "d-1"},
            {"key": "longshore:repository", "value": "shop/api"},
            {"key": "longshore:digest", "value": digest('2').as_str()},
            {"key": "longshore:tag", "value": "v2"},
        ])
    );
}

#[test]
fn the_registry_is_kept_where_the_repository_is_the_same_and_is_the_accounts_own_elsewhere() {
    let own = format!(
        "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/api@{}",
        digest('2')
    );
    let others = format!(
        "999999999999.dkr.ecr.us-east-1.amazonaws.com/shop/api@{}",
        digest('2')
    );
    let dual_stack = format!(
        "999999999999.dkr-ecr.us-east-1.on.aws/shop/api@{}",
        digest('2')
    );
    let fips = format!(
        "999999999999.dkr.ecr-fips.us-east-1.amazonaws.com/shop/api@{}",
        digest('2')
    );
    let cases = [
        (
            "999999999999.dkr-ecr.us-east-1.on.aws/shop/api:v1",
            &dual_stack,
        ),
        (
            "999999999999.dkr.ecr-fips.us-east-1.amazonaws.com/shop/api:v1",
            &fips,
        ),
        (
            "999999999999.dkr.ecr.us-east-1.amazonaws.com/shop/api:v1",
            &others,
        ),
        (
            "999999999999.dkr.ecr.us-east-1.amazonaws.com/shop/api",
            &others,
        ),
        (
            "999999999999.dkr.ecr.us-east-1.amazonaws.com/shop/api@sha256:abc",
            &others,
        ),
        (
            "999999999999.dkr.ecr.us-east-1.amazonaws.com/my-shop/api:v1",
            &own,
        ),
        (
            "999999999999.dkr.ecr.us-east-1.amazonaws.com/other/shop/api:v1",
            &own,
        ),
        ("public.ecr.aws/nginx/nginx:stable", &own),
        ("docker.io/shop/api:v1", &own),
        ("localhost:5000/shop/api:v1", &own),
        ("shop/api:v1", &own),
        ("busybox", &own),
    ];
    for (current, expected) in cases {
        let arn = "arn:aws:ecs:eu-west-1:111122223333:task-definition/api:1";
        let before = TaskDefinition {
            document: task_definition_document(arn, "api", current),
            tags: Vec::new(),
        };
        let after = before
            .next_revision(&[("app", &image("shop/api"))], "d-1")
            .unwrap();
        assert_eq!(
            after["containerDefinitions"][0]["image"], **expected,
            "{current}"
        );
    }
}

#[test]
fn in_china_the_registry_has_chinas_domain() {
    let arn = "arn:aws-cn:ecs:cn-north-1:111122223333:task-definition/api:1";
    let before = TaskDefinition {
        document: task_definition_document(arn, "api", "busybox"),
        tags: Vec::new(),
    };
    let after = before
        .next_revision(&[("app", &image("shop/api"))], "d-1")
        .unwrap();
    assert_eq!(
        after["containerDefinitions"][0]["image"],
        format!(
            "111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn/shop/api@{}",
            digest('2')
        )
    );
}

#[test]
fn a_container_that_is_not_there_is_refused_with_the_names_that_are() {
    let error = every_field()
        .next_revision(&[("web", &image("shop/api"))], "d-1")
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "task definition arn:aws:ecs:eu-west-1:111122223333:task-definition/shop-api:41 has no \
         container `web`, it has `sidecar`, `app`: correct `container` in the repository's route"
    );
}

#[test]
fn a_task_definition_with_fifty_tags_of_its_own_is_refused_rather_than_stripped() {
    let mut before = every_field();
    before.tags = (0..50)
        .map(|number| Tag {
            key: format!("key-{number}"),
            value: String::new(),
        })
        .collect();
    let error = before
        .next_revision(&[("app", &image("shop/api"))], "d-1")
        .unwrap_err();
    assert!(
        matches!(error, NextRevisionError::TooManyTags { count: 54, .. }),
        "{error}"
    );
}

#[test]
fn an_image_is_pinned_only_by_its_digest_and_in_its_own_repository() {
    let pinned = format!(
        "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/api@{}",
        digest('2')
    );
    assert!(is_pinned_to(&pinned, &image("shop/api")));
    assert!(is_pinned_to(
        &format!(
            "111122223333.dkr-ecr.eu-west-1.on.aws/shop/api@{}",
            digest('2')
        ),
        &image("shop/api")
    ));
    assert!(!is_pinned_to(&pinned, &image("shop/web")));
    assert!(!is_pinned_to(&pinned, &image("api")));
    assert!(!is_pinned_to(
        "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/api:v2",
        &image("shop/api")
    ));
}
