//! What people send: manual payloads, schedules' inputs, release files. A mistake in one of them is
//! reported with the field's name and what is expected there.

use longshore_events::image::{Digest, DigestPrefix};
use longshore_events::incoming::{
    ProvisionEvent, SyncEvent, parse_deploy, parse_provision, parse_sync,
};
use longshore_events::longshore::Caller;
use longshore_events::manual;
use longshore_events::manual::{
    DeployRequest, ProvisionRequest, StackAction, StackArgument, StackPayload, SyncAction,
    SyncPayload, SyncRequest,
};
use longshore_events::release::{ReleaseKey, parse_body, parse_key};
use serde_json::{Value, json};

use crate::support::{UNKNOWN_FIELD, bytes, sample, with_unknown_field};

const PAYLOADS: [&str; 11] = [
    "deploy/request-by-tag.json",
    "deploy/request-by-digest.json",
    "deploy/request-rollback.json",
    "deploy/request-hold.json",
    "deploy/request-resume.json",
    "deploy/request-approve.json",
    "deploy/request-digest.json",
    "deploy/schedule-digest.json",
    "deploy/request-reject.json",
    "deploy/request-reconcile.json",
    "deploy/schedule-reconcile.json",
];

const RELEASE: &str = "state/releases/shop/api.json";

fn refusal_of_payload(payload: &Value) -> String {
    match parse_deploy(payload) {
        Ok(event) => panic!("{payload} was read as {event:?}"),
        Err(refusal) => refusal.to_string(),
    }
}

fn refusal_of_release(body: &Value) -> String {
    match parse_body(body.to_string().as_bytes()) {
        Ok(release) => panic!("{body} was read as {release:?}"),
        Err(refusal) => refusal.to_string(),
    }
}

#[test]
fn an_unknown_field_is_refused_by_its_name() {
    for path in PAYLOADS {
        for changed in with_unknown_field(&sample(path)) {
            let refusal = refusal_of_payload(&changed);
            assert!(
                refusal.contains(&format!("`{UNKNOWN_FIELD}`")),
                "{path}: {refusal}"
            );
            assert!(refusal.contains("expected "), "{path}: {refusal}");
        }
    }
    for changed in with_unknown_field(&sample(RELEASE)) {
        let refusal = refusal_of_release(&changed);
        assert!(refusal.contains(&format!("`{UNKNOWN_FIELD}`")), "{refusal}");
        assert!(refusal.contains("expected `image` or `note`"), "{refusal}");
    }
}

#[test]
fn every_field_refuses_every_wrong_type_by_its_name() {
    let wrong = [
        json!(1),
        json!(-1.5),
        json!(true),
        json!([]),
        json!(["shop"]),
        json!({}),
        json!({"name": "shop"}),
    ];
    for path in PAYLOADS {
        let payload = sample(path);
        for field in payload.as_object().unwrap().keys() {
            for value in &wrong {
                // A number is what is expected there.
                if matches!(field.as_str(), "to" | "days") && value == &json!(1) {
                    continue;
                }
                let mut changed = payload.clone();
                changed[field] = value.clone();
                let refusal = refusal_of_payload(&changed);
                assert!(
                    refusal.contains(&format!("`{field}`")),
                    "{changed}: {refusal}"
                );
                assert!(refusal.contains("expected "), "{changed}: {refusal}");
            }
        }
    }
    let body = sample(RELEASE);
    for field in body.as_object().unwrap().keys() {
        for value in &wrong {
            let mut changed = body.clone();
            changed[field] = value.clone();
            let refusal = refusal_of_release(&changed);
            assert!(
                refusal.contains(&format!("`{field}`")),
                "{changed}: {refusal}"
            );
            assert!(refusal.contains("expected "), "{changed}: {refusal}");
        }
    }
}

#[test]
fn only_what_may_be_left_out_may_be_null() {
    let may_be_left_out = |path: &str, field: &str| {
        matches!(field, "note" | "to" | "until" | "digest" | "days")
            || field == "stack" && path.contains("request-digest")
            || field == "service" && (path.contains("hold") || path.contains("resume"))
    };
    for path in PAYLOADS {
        let payload = sample(path);
        for field in payload.as_object().unwrap().keys() {
            let mut null = payload.clone();
            null[field] = Value::Null;
            let mut absent = payload.clone();
            absent.as_object_mut().unwrap().remove(field);
            if may_be_left_out(path, field) {
                let read = parse_deploy(&absent);
                assert!(read.is_ok(), "{absent}: {read:?}");
                assert_eq!(read, parse_deploy(&null), "{null}");
                continue;
            }
            let refusal = refusal_of_payload(&null);
            assert!(refusal.contains(&format!("`{field}`")), "{null}: {refusal}");
            // Without the schedule's ARN it is what a person would send, and the rest is unknown.
            if field != "schedule_arn" {
                let refusal = refusal_of_payload(&absent);
                assert!(
                    refusal.contains(&format!("`{field}`")),
                    "{absent}: {refusal}"
                );
            }
        }
    }
}

#[test]
fn a_payload_reads_well_in_an_error() {
    let cases = [
        (
            json!({"action": "deploy", "stack": "shop", "service": "api", "imgae": "shop/api:v3"}),
            "manual payload is malformed: field `imgae`: unknown field `imgae`, expected one of \
             `stack`, `service`, `image`, `note`, `by`",
        ),
        (
            json!({"action": "deploy", "stack": "shop", "service": "api"}),
            "manual payload is malformed: missing field `image`",
        ),
        (
            json!({"action": "deploy", "stack": "shop", "service": 7, "image": "shop/api:v3"}),
            "manual payload is malformed: field `service`: invalid type: integer `7`, expected a \
             string",
        ),
        (
            json!({"action": "deploy", "stack": "shop", "service": "api", "image": "shop/api"}),
            "manual payload is malformed: field `image`: image `shop/api`, expected \
             <repository>:<tag> or <repository>@sha256:<digest>",
        ),
        (
            json!({"action": "ship"}),
            "manual payload is malformed: field `action`: found `\"ship\"`, expected `deploy`, \
             `rollback`, `hold`, `resume`, `approve`, `reject`, `run`, `digest` or `reconcile`",
        ),
        (
            json!({}),
            "manual payload is malformed: field `action`: found nothing, expected `deploy`, \
             `rollback`, `hold`, `resume`, `approve`, `reject`, `run`, `digest` or `reconcile`",
        ),
        (
            json!(["deploy"]),
            "manual payload is malformed: field `action`: found nothing, expected `deploy`, \
             `rollback`, `hold`, `resume`, `approve`, `reject`, `run`, `digest` or `reconcile`",
        ),
        (
            json!({"action": "reconcile", "stack": "shop"}),
            "manual payload is malformed: field `stack`: unknown field `stack`, expected `action`",
        ),
        (
            json!({"action": "rollback", "stack": "shop", "service": "api", "image": "shop/api:v2"}),
            "manual payload is malformed: field `image`: unknown field `image`, expected one of \
             `stack`, `service`, `to`, `from`, `note`, `by`",
        ),
        (
            json!({"action": "rollback", "stack": "shop", "service": "api", "to": 0}),
            "manual payload is malformed: field `to`: found `0`, expected the number of a \
             deployment, from 1",
        ),
        (
            json!({"action": "rollback", "stack": "shop"}),
            "manual payload is malformed: missing field `service`",
        ),
        (
            json!({"action": "hold", "stack": "shop", "until": "tomorrow"}),
            "manual payload is malformed: field `until`: found `tomorrow`, expected a time such as \
             2026-12-24T18:00:00+01:00",
        ),
        (
            json!({"action": "hold", "stack": "shop/api"}),
            "manual payload is malformed: field `stack`: found `shop/api`, expected the name of a \
             stack, without a slash",
        ),
        (
            json!({"action": "digest", "stack": "shop/api"}),
            "manual payload is malformed: field `stack`: found `shop/api`, expected the name of a \
             stack, without a slash",
        ),
        (
            json!({"action": "digest", "days": 0}),
            "manual payload is malformed: field `days`: found `0`, expected 1 to 90",
        ),
        (
            json!({"action": "digest", "days": 91}),
            "manual payload is malformed: field `days`: found `91`, expected 1 to 90",
        ),
        (
            json!({"action": "resume", "stack": "shop", "service": ""}),
            "manual payload is malformed: field `service`: found ``, expected the name of a service, \
             without a slash",
        ),
        (
            json!({"action": "approve", "stack": "shop", "service": "api", "digest": "v2"}),
            "manual payload is malformed: field `digest`: digest `v2`, expected 12 to 64 lowercase \
             hexadecimal digits, with or without sha256:",
        ),
    ];
    for (payload, expected) in cases {
        assert_eq!(refusal_of_payload(&payload), expected);
    }
}

#[test]
fn whoever_asks_is_named_by_a_text_or_with_the_page_of_their_run() {
    for (by, run_url) in [
        (json!("ada"), None),
        (json!({"name": "ada"}), None),
        (
            json!({"name": "ada", "run_url": "https://ci.example/7"}),
            Some("https://ci.example/7".to_owned()),
        ),
    ] {
        let payload = json!({"action": "resume", "stack": "shop", "by": by});
        let Ok(DeployRequest::Resume(resume)) = manual::parse_deploy(&payload) else {
            panic!("{payload}");
        };
        let name = "ada".to_owned();
        assert_eq!(resume.by, Some(Caller { name, run_url }));
    }
    let misspelt = json!({"action": "resume", "stack": "shop", "by": {"name": "ada", "url": "x"}});
    assert_eq!(
        refusal_of_payload(&misspelt),
        "manual payload is malformed: field `by`: unknown field `url`, expected `name` or `run_url`, expected a name, or \
         an object with `name` and `run_url`"
    );
}

#[test]
fn an_approval_may_name_the_beginning_of_a_digest_as_slack_shows_it() {
    let whole: Digest = format!("sha256:{}", "1a2b3c4d5e6f".repeat(6)[..64].to_owned())
        .parse()
        .unwrap();
    for text in ["1a2b3c4d5e6f", "sha256:1a2b3c4d5e6f1a", whole.as_str()] {
        let prefix: DigestPrefix = text.parse().unwrap();
        assert!(prefix.is_of(&whole), "{text}");
    }
    let other: DigestPrefix = "1a2b3c4d5e60".parse().unwrap();
    assert!(!other.is_of(&whole));
    for text in ["", "1a2b3c", "1A2B3C4D5E6F", "sha256:"] {
        assert!(text.parse::<DigestPrefix>().is_err(), "{text}");
    }
}

#[test]
fn a_release_file_reads_well_in_an_error() {
    let cases: [(&[u8], &str); 6] = [
        (
            b"{\"imgae\": \"shop/api:v4\"}",
            "release file is malformed: field `imgae`: unknown field `imgae`, expected `image` or \
             `note`",
        ),
        (b"{}", "release file is malformed: missing field `image`"),
        (
            b"{\n  \"image\": \"shop/api:v4\",\n}",
            "release file is malformed: not JSON: trailing comma at line 3 column 1",
        ),
        (
            b"",
            "release file is malformed: not JSON: EOF while parsing a value at line 1 column 0",
        ),
        (
            b"[\"shop/api:v4\", \"by position\"]",
            "release file is malformed: not an object, expected one with the fields `image` and `note`",
        ),
        (
            b"image: shop/api:v4",
            "release file is malformed: not JSON: expected value at line 1 column 1",
        ),
    ];
    for (body, expected) in cases {
        assert_eq!(parse_body(body).unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_release_file_that_is_not_text_is_refused() {
    let refusal = parse_body(b"\xff\xfe{\"image\"}").unwrap_err().to_string();
    assert!(
        refusal.starts_with("release file is malformed: not JSON: "),
        "{refusal}"
    );
}

#[test]
fn the_refused_release_of_the_samples_is_refused_in_these_words() {
    let published = sample("notify/release-refused.json");
    let reason = published.pointer("/detail/reason").and_then(Value::as_str);
    let body = String::from_utf8(bytes(RELEASE))
        .unwrap()
        .replace("image", "imgae");
    assert_eq!(
        Some(
            parse_body(body.as_bytes())
                .unwrap_err()
                .to_string()
                .as_str()
        ),
        reason
    );
}

#[test]
fn a_release_key_names_stack_and_service() {
    assert_eq!(
        parse_key("releases/shop/api.json"),
        Ok(ReleaseKey {
            stack: "shop".to_owned(),
            service: "api".to_owned(),
        })
    );
    assert_eq!(
        parse_key("releases/a.b-c/d_e.v1.json"),
        Ok(ReleaseKey {
            stack: "a.b-c".to_owned(),
            service: "d_e.v1".to_owned(),
        })
    );
}

#[test]
fn any_other_key_is_refused_with_what_is_expected() {
    for key in [
        "",
        "releases/",
        "releases/shop",
        "releases/shop.json",
        "releases/shop/",
        "releases/shop/.json",
        "releases//api.json",
        "releases/shop/api",
        "releases/shop/api.yaml",
        "releases/shop/api/one.json",
        "release/shop/api.json",
        "/releases/shop/api.json",
        "deployments/shop/api/current.json",
    ] {
        assert_eq!(
            parse_key(key).unwrap_err().to_string(),
            format!(
                "release file is malformed: key `{key}`, expected releases/<stack>/<service>.json"
            )
        );
    }
}

fn refusal_of_stack_payload(payload: &Value) -> String {
    match parse_provision(payload) {
        Ok(event) => panic!("{payload} was read as {event:?}"),
        Err(refusal) => refusal.to_string(),
    }
}

#[test]
fn a_payload_about_a_stack_reads_well_in_an_error() {
    let cases = [
        (
            json!({"action": "aply", "stack": {}}),
            "manual payload is malformed: field `action`: found `\"aply\"`, expected `render`, \
             `plan`, `apply`, `destroy`, `drift`, `outputs`, `cost` or `reconcile`",
        ),
        (
            json!({"action": "plan"}),
            "manual payload is malformed: missing field `stack`",
        ),
        (
            json!({"action": "plan", "stack": {}, "enviroment": "prod"}),
            "manual payload is malformed: field `enviroment`: unknown field `enviroment`, expected \
             one of `action`, `stack`, `environment`, `note`, `confirm`, `by`",
        ),
        (
            json!({"action": "apply", "stack": "shop-prod"}),
            "manual payload is malformed: field `stack`: found the name `shop-prod`, expected the \
             content of a stack file: a name says enough only to `destroy`, `drift` and `outputs`",
        ),
        (
            json!({"action": "drift", "stack": "shop", "environment": "prod"}),
            "manual payload is malformed: field `environment`: expected none beside the name `shop`, \
             which holds it already",
        ),
        (
            json!({"action": "apply", "stack": {}, "confirm": "shop"}),
            "manual payload is malformed: field `confirm`: expected only with `destroy`, found \
             it with `apply`",
        ),
        (
            json!({"action": "drift", "stack": ""}),
            "manual payload is malformed: field `stack`: found `\"\"`, expected the content of a \
             stack file or the name of a stack",
        ),
        (
            json!({"action": "plan", "stack": ["shop"]}),
            "manual payload is malformed: field `stack`: found `[\"shop\"]`, expected the content \
             of a stack file or the name of a stack",
        ),
        (
            json!({"action": "reconcile", "stack": "shop"}),
            "manual payload is malformed: field `stack`: unknown field `stack`, expected `action`",
        ),
    ];
    for (payload, expected) in cases {
        assert_eq!(refusal_of_stack_payload(&payload), expected);
    }
}

/// What is in the stack is the stack file's business, which says line and column.
#[test]
fn an_unknown_field_beside_the_stack_is_refused_and_one_in_it_is_not() {
    let mut payload = sample("provision/request-plan.json");
    payload["stack"][UNKNOWN_FIELD] = json!(1);
    assert!(parse_provision(&payload).is_ok());
    payload[UNKNOWN_FIELD] = json!(1);
    assert!(refusal_of_stack_payload(&payload).contains(UNKNOWN_FIELD));
}

#[test]
fn a_payload_about_a_stack_that_the_command_line_makes_is_read_as_it_was_meant() {
    let payload = StackPayload {
        action: StackAction::Destroy,
        stack: StackArgument::Name("shop-prod".to_owned()),
        environment: None,
        note: None,
        confirm: Some("shop-prod".to_owned()),
        by: None,
    };
    let sent = serde_json::to_value(&payload).unwrap();
    assert_eq!(
        sent,
        json!({"action": "destroy", "stack": "shop-prod", "confirm": "shop-prod"})
    );
    assert_eq!(
        parse_provision(&sent),
        Ok(ProvisionEvent::Request(ProvisionRequest::Stack(payload)))
    );
}

#[test]
fn the_content_of_a_stack_is_not_shown_where_a_payload_is_printed() {
    let payload = json!({"action": "apply", "stack": {"password": "hunter2"}});
    let printed = format!("{:?}", parse_provision(&payload).unwrap());
    assert!(!printed.contains("hunter2"), "{printed}");
}

const SYNC_PAYLOADS: [&str; 7] = [
    "sync/request-plan.json",
    "sync/request-run.json",
    "sync/request-status.json",
    "sync/request-verify.json",
    "sync/request-reconcile.json",
    "sync/schedule-run.json",
    "sync/schedule-reconcile.json",
];

fn refusal_of_sync_payload(payload: &Value) -> String {
    match parse_sync(payload) {
        Ok(event) => panic!("{payload} was read as {event:?}"),
        Err(refusal) => refusal.to_string(),
    }
}

#[test]
fn a_payload_about_a_mirror_reads_well_in_an_error() {
    let cases = [
        (
            json!({}),
            "manual payload is malformed: field `action`: found nothing, expected `plan`, `run`, \
             `status`, `verify` or `reconcile`",
        ),
        (
            json!({"action": "snyc", "stack": "bottles"}),
            "manual payload is malformed: field `action`: found `\"snyc\"`, expected `plan`, `run`, \
             `status`, `verify` or `reconcile`",
        ),
        (
            json!({"action": "run"}),
            "manual payload is malformed: missing field `stack`",
        ),
        (
            json!({"action": "run", "stack": "../bottles"}),
            "manual payload is malformed: field `stack`: found `../bottles`, expected the name of a \
             stack: letters, digits and hyphens",
        ),
        (
            json!({"action": "run", "stack": ""}),
            "manual payload is malformed: field `stack`: found ``, expected the name of a stack: \
             letters, digits and hyphens",
        ),
        (
            json!({"action": "run", "stack": "bottles", "threshold": 1}),
            "manual payload is malformed: field `threshold`: unknown field `threshold`, expected one \
             of `action`, `stack`, `note`, `check_listing`, `threshold_bytes`, `by`",
        ),
        (
            json!({"action": "run", "stack": "bottles", "threshold_bytes": -1}),
            "manual payload is malformed: field `threshold_bytes`: invalid value: integer `-1`, \
             expected u64",
        ),
        (
            json!({"action": "plan", "stack": "bottles", "note": "why"}),
            "manual payload is malformed: field `note`: expected only with `run`, found it with \
             `plan`",
        ),
        (
            json!({"action": "status", "stack": "bottles", "check_listing": true}),
            "manual payload is malformed: field `check_listing`: expected only with `plan` or `run`, \
             found it with `status`",
        ),
        (
            json!({"action": "verify", "stack": "bottles", "threshold_bytes": 1}),
            "manual payload is malformed: field `threshold_bytes`: expected only with `plan` or \
             `run`, found it with `verify`",
        ),
        (
            json!({"action": "reconcile", "stack": "bottles"}),
            "manual payload is malformed: field `stack`: unknown field `stack`, expected `action`",
        ),
        (
            json!({"action": "run", "stack": "bottles", "schedule_arn": "arn"}),
            "schedule's input is malformed: missing field `scheduled_time`",
        ),
    ];
    for (payload, expected) in cases {
        assert_eq!(refusal_of_sync_payload(&payload), expected);
    }
}

#[test]
fn every_field_of_a_payload_about_a_mirror_refuses_what_does_not_fit_by_its_name() {
    for path in SYNC_PAYLOADS {
        let payload = sample(path);
        for changed in with_unknown_field(&payload) {
            let refusal = refusal_of_sync_payload(&changed);
            assert!(
                refusal.contains(&format!("`{UNKNOWN_FIELD}`")),
                "{path}: {refusal}"
            );
        }
        for field in payload.as_object().unwrap().keys() {
            for value in [json!(-1.5), json!([]), json!({"name": "bottles"})] {
                let mut changed = payload.clone();
                changed[field] = value;
                let refusal = refusal_of_sync_payload(&changed);
                assert!(
                    refusal.contains(&format!("`{field}`")),
                    "{changed}: {refusal}"
                );
                assert!(refusal.contains("expected "), "{changed}: {refusal}");
            }
        }
    }
}

#[test]
fn a_payload_about_a_mirror_that_a_program_makes_is_read_as_it_was_meant() {
    let payload = SyncPayload {
        action: SyncAction::Run,
        stack: "bottles".to_owned(),
        note: Some("by hand".to_owned()),
        check_listing: true,
        threshold_bytes: Some(1),
        by: None,
    };
    let sent = serde_json::to_value(&payload).unwrap();
    assert_eq!(
        parse_sync(&sent),
        Ok(SyncEvent::Request(SyncRequest::Sync(payload)))
    );
}
