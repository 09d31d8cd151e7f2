use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use chrono::TimeDelta;
use longshore_report::{PostError, SecretError, SigningSecret};
use longshore_state::{CallError, ErrorClass};
use longshore_testkit::{FakeCloud, Fault};
use serde_json::json;

use super::*;

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

/// A secret that can be replaced, and how often it was read.
#[derive(Default)]
struct FakeSecret {
    text: Mutex<String>,
    reads: AtomicU32,
}

impl SecretText for &FakeSecret {
    fn name(&self) -> &str {
        "longshore/slack-signing"
    }

    async fn read(&self) -> Result<String, SecretError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let text = self.text.lock().unwrap().clone();
        if text == "gone" {
            return Err(SecretError::new(CallError {
                operation: "read secret longshore/slack-signing".to_owned(),
                class: ErrorClass::NotFound,
                code: None,
                message: "no such secret".to_owned(),
            }));
        }
        Ok(text)
    }
}

/// What was said, and to which address.
#[derive(Default)]
struct FakeAnswerer(Mutex<Vec<(String, String)>>);

impl PersonAnswerer for &FakeAnswerer {
    async fn answer(&self, url: &str, text: &str, _: Duration) -> Result<(), PostError> {
        let mut said = self.0.lock().unwrap();
        said.push((url.to_owned(), text.to_owned()));
        Err(PostError::NoTime)
    }
}

struct Bus<'a>(&'a FakeCloud);

impl EventPublisher for Bus<'_> {
    async fn publish(&self, events: &[LongshoreEvent]) -> Result<(), CallError> {
        self.0.publish(events).await
    }
}

struct Fakes {
    secret: FakeSecret,
    cloud: FakeCloud,
    answerer: FakeAnswerer,
}

impl Fakes {
    fn new() -> Self {
        Self {
            secret: FakeSecret {
                text: Mutex::new(SECRET.to_owned()),
                reads: AtomicU32::new(0),
            },
            cloud: FakeCloud::with_services(&[]),
            answerer: FakeAnswerer::default(),
        }
    }

    fn endpoint(&self) -> Endpoint<&FakeSecret, Bus<'_>, &FakeAnswerer> {
        let users = ButtonUsers::parse(r#"{"approve": ["U024BE7LH"], "hold": ["U0OTHER"]}"#);
        Endpoint {
            secret: KeptSecret::new(&self.secret),
            users: users.unwrap().of_team(Some("T024BE7LD".to_owned())),
            publisher: Bus(&self.cloud),
            answerer: &self.answerer,
        }
    }
}

/// When the sample was signed.
fn signed_at() -> DateTime<Utc> {
    "2026-11-20T10:15:00Z".parse().unwrap()
}

/// A press of `events/press`, as Lambda hands it over.
fn sample() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events/press/approve.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn body() -> Vec<u8> {
    let request = FunctionUrlRequest::parse(&sample()).unwrap();
    request.body().unwrap()
}

/// The same with another body, signed with the right secret.
fn signed(body: &str) -> Value {
    let secret = SigningSecret::from_secret(SECRET).unwrap();
    let mut request = sample();
    request["body"] = json!(body);
    request["isBase64Encoded"] = json!(false);
    request["headers"][SIGNATURE_HEADER] =
        json!(secret.sign(signed_at().timestamp(), body.as_bytes()));
    request
}

fn invocation() -> Invocation {
    Invocation {
        request_id: "request-1".to_owned(),
        remaining: Duration::from_secs(10),
    }
}

async fn send(fakes: &Fakes, request: &Value, seconds: i64) -> Value {
    let now = signed_at() + TimeDelta::seconds(seconds);
    let endpoint = fakes.endpoint();
    endpoint.handle(request, &invocation(), now).await.unwrap()
}

fn payloads(cloud: &FakeCloud) -> Vec<Value> {
    let published = cloud.published().into_iter().map(|event| match event {
        LongshoreEvent::ActionRequested(event) => event.payload,
        other => panic!("{other:?}"),
    });
    published.collect()
}

#[tokio::test]
async fn a_press_of_somebody_who_may_is_put_on_the_bus_with_their_name() {
    let fakes = Fakes::new();
    let answer = send(&fakes, &sample(), 2).await;
    assert_eq!(
        (&answer["statusCode"], &answer["body"]),
        (&json!(200), &json!(""))
    );
    let [payload] = payloads(&fakes.cloud).try_into().unwrap();
    assert_eq!(payload["action"], "approve");
    assert_eq!(payload["service"], "api");
    assert_eq!(payload["by"], "ada (U024BE7LH)");
    let said = fakes.answerer.0.lock().unwrap();
    let [(url, text)] = said.as_slice() else {
        panic!("{said:?}");
    };
    assert_eq!(
        url,
        "https://hooks.slack.com/actions/T024BE7LD/9876543210/d0wnst4irs"
    );
    assert!(text.contains("was asked"), "{text}");
}

#[tokio::test]
async fn the_same_press_again_has_the_same_id() {
    let fakes = Fakes::new();
    for seconds in [2, 290] {
        assert_eq!(send(&fakes, &sample(), seconds).await["statusCode"], 200);
    }
    let published = fakes.cloud.published();
    assert_eq!(published.len(), 2);
    assert_eq!(published.first(), published.last());
}

#[tokio::test]
async fn what_slack_has_not_signed_within_five_minutes_does_nothing_and_is_told_why() {
    let with = |pointer: &str, value: Value| {
        let mut request = sample();
        *request.pointer_mut(pointer).unwrap() = value;
        request
    };
    let mut unsigned = sample();
    unsigned["headers"]
        .as_object_mut()
        .unwrap()
        .remove(SIGNATURE_HEADER);
    let forged = format!("v0={}", "0".repeat(64));
    let headers = "/headers/x-slack-request-timestamp";
    for (request, seconds, status, expected) in [
        (unsigned, 0, 401, "header x-slack-signature is missing"),
        (
            with("/headers/x-slack-signature", json!(forged)),
            0,
            401,
            "its signature does not fit",
        ),
        (
            with("/body", json!("cGF5bG9hZD17fQ==")),
            0,
            401,
            "does not fit",
        ),
        (with(headers, json!("1795169701")), 0, 401, "does not fit"),
        (sample(), 360, 401, "more than five minutes"),
        (sample(), -360, 401, "more than five minutes"),
        (with("/body", json!("%")), 0, 400, "not Base64"),
        (
            with("/requestContext/http/method", json!("GET")),
            0,
            405,
            "by POST",
        ),
        (json!({"action": "approve"}), 0, 400, "requestContext"),
    ] {
        let fakes = Fakes::new();
        let answer = send(&fakes, &request, seconds).await;
        assert_eq!(answer["statusCode"], status, "{answer}");
        let body = answer["body"].as_str().unwrap();
        assert!(body.contains(expected), "{body}");
        assert!(!body.contains(SECRET), "{body}");
        assert!(fakes.cloud.calls().is_empty());
        assert!(fakes.answerer.0.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn somebody_who_may_not_hears_why_and_nobody_else_does() {
    let body = String::from_utf8(body()).unwrap();
    for (from, to, expected) in [
        ("U024BE7LH", "U0OTHER", "U0OTHER may not approve"),
        (
            "T024BE7LD",
            "T0OTHER",
            "only people of the workspace T024BE7LD",
        ),
    ] {
        let fakes = Fakes::new();
        assert!(body.contains(from), "{body}");
        let answer = send(&fakes, &signed(&body.replace(from, to)), 0).await;
        let said = answer["body"].as_str().unwrap();
        assert!(said.contains(expected), "{said}");
        assert!(fakes.cloud.calls().is_empty());
        assert_eq!(answer["statusCode"], 403);
        let told = fakes.answerer.0.lock().unwrap();
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].1, said);
    }
}

#[tokio::test]
async fn the_secret_is_read_once_and_again_when_it_may_have_been_replaced() {
    let fakes = Fakes::new();
    let endpoint = fakes.endpoint();
    let press = async |seconds: i64| {
        let now = signed_at() + TimeDelta::seconds(seconds);
        let answer = endpoint
            .handle(&sample(), &invocation(), now)
            .await
            .unwrap();
        (
            answer["statusCode"].clone(),
            fakes.secret.reads.load(Ordering::Relaxed),
        )
    };
    *fakes.secret.text.lock().unwrap() = "another secret of the app".replace(' ', "-");
    assert_eq!(press(0).await, (json!(401), 1));
    *fakes.secret.text.lock().unwrap() = SECRET.to_owned();
    // Whoever forges requests does not have it read each time.
    assert_eq!(press(59).await, (json!(401), 1));
    assert_eq!(press(60).await, (json!(200), 2));
    assert_eq!(press(61).await, (json!(200), 2));
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_and_a_bus_that_takes_nothing_are_failures_without_the_secret()
{
    for (text, kind, expected) in [
        (
            "gone",
            "SecretNotRead",
            "read secret longshore/slack-signing",
        ),
        ("hunter2", "SecretNotRead", "it is not a signing secret"),
        (SECRET, "CallFailed", "ask deploy to approve"),
    ] {
        let fakes = Fakes::new();
        *fakes.secret.text.lock().unwrap() = text.to_owned();
        fakes.cloud.inject(0, Fault::Fails(ErrorClass::Transient));
        let handled = fakes
            .endpoint()
            .handle(&sample(), &invocation(), signed_at())
            .await;
        let failure = handled.unwrap_err();
        assert_eq!(failure.kind, kind);
        assert!(failure.message.contains(expected), "{}", failure.message);
        assert!(!failure.message.contains("hunter2"), "{}", failure.message);
        assert!(!failure.message.contains(SECRET), "{}", failure.message);
    }
}
