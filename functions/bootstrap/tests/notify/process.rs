use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use wiremock::matchers::{header, method, path, path_regex};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

const SLACK: &str = "/services/T00000000/B00000000/hunter2";
const ROTATED: &str = "/services/T00000000/B00000000/hunter3";

/// The process, ended with the test.
struct Notify {
    child: Child,
    /// Logs of the most talkative level are more than a pipe holds.
    log: PathBuf,
}

impl Notify {
    fn start(server: &MockServer) -> Self {
        let log = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("notify-{}.log", server.address().port()));
        let file = File::create(&log).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_bootstrap"))
            .env_clear()
            .env("_HANDLER", "notify")
            .env(
                "AWS_LAMBDA_RUNTIME_API",
                server.uri().replace("http://", ""),
            )
            .env("AWS_LAMBDA_FUNCTION_NAME", "longshore-notify")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/longshore-notify")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/21/[$LATEST]0")
            .env("AWS_ENDPOINT_URL", server.uri())
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("STATE_BUCKET_NAME", "state")
            .env("EVENT_BUS_NAME", "longshore")
            .env("SLACK_WEBHOOK_SECRET_NAME", "longshore/slack")
            .env("SLACK_API_URL", format!("{}/api", server.uri()))
            .env("LOG_LEVEL", "TRACE")
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Self { child, log }
    }

    /// Ends the process; everything that it logged.
    fn log(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Notify {
    fn drop(&mut self) {
        // It may have ended already; there is nothing to do then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn sample(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../events/notify")
        .join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Lambda with these payloads to hand out, and nothing after them.
async fn lambda(payloads: &[Value]) -> MockServer {
    let server = MockServer::start().await;
    let deadline = SystemTime::now() + Duration::from_secs(60);
    let deadline = deadline.duration_since(UNIX_EPOCH).unwrap().as_millis();
    for (number, payload) in payloads.iter().enumerate() {
        Mock::given(method("GET"))
            .and(path("/2018-06-01/runtime/invocation/next"))
            .respond_with(
                ResponseTemplate::new(200)
                    .insert_header("lambda-runtime-aws-request-id", format!("request-{number}"))
                    .insert_header("lambda-runtime-deadline-ms", deadline.to_string())
                    .insert_header(
                        "lambda-runtime-invoked-function-arn",
                        "arn:aws:lambda:eu-west-1:123456789012:function:longshore-notify",
                    )
                    .set_body_json(payload),
            )
            .up_to_n_times(1)
            .mount(&server)
            .await;
    }
    Mock::given(method("GET"))
        .and(path("/2018-06-01/runtime/invocation/next"))
        .respond_with(ResponseTemplate::new(200).set_delay(Duration::from_secs(600)))
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .and(path_regex("^/2018-06-01/runtime/invocation/.*"))
        .respond_with(ResponseTemplate::new(202))
        .mount(&server)
        .await;
    server
}

async fn secret(server: &MockServer, text: &str, times: u64) {
    Mock::given(method("POST"))
        .and(path("/"))
        .and(header("x-amz-target", "secretsmanager.GetSecretValue"))
        .respond_with(ResponseTemplate::new(200).set_body_json(
            json!({"Name": "longshore/slack", "VersionId": "1", "SecretString": text}),
        ))
        .up_to_n_times(times)
        .mount(server)
        .await;
}

async fn slack(server: &MockServer, at: &str, answer: ResponseTemplate, times: u64) {
    Mock::given(method("POST"))
        .and(path(at))
        .respond_with(answer)
        .up_to_n_times(times)
        .mount(server)
        .await;
}

fn ok() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_string("ok")
}

async fn requests_to(server: &MockServer, part: &str) -> Vec<Request> {
    server
        .received_requests()
        .await
        .unwrap()
        .into_iter()
        .filter(|request| request.url.path().contains(part))
        .collect()
}

/// What Lambda was answered, in order, once there are as many answers as `count`.
async fn answers(server: &MockServer, count: usize) -> Vec<(String, Value)> {
    let began = Instant::now();
    loop {
        let answers = requests_to(server, "/runtime/invocation/request-").await;
        if answers.len() >= count {
            return answers
                .iter()
                .map(|request| {
                    let end = request.url.path().rsplit('/').next().unwrap();
                    (end.to_owned(), request.body_json().unwrap())
                })
                .collect();
        }
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "{} of {count} answers after 30 seconds",
            answers.len()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn events_are_reported_with_one_read_of_the_secret_and_no_trace_of_it() {
    let server = lambda(&[
        sample("deployment-started.json"),
        sample("deployment-rolled-back.json"),
    ])
    .await;
    secret(&server, &format!("{}{SLACK}", server.uri()), 10).await;
    slack(
        &server,
        SLACK,
        ResponseTemplate::new(429).insert_header("retry-after", "0.1"),
        1,
    )
    .await;
    slack(&server, SLACK, ok(), 10).await;

    let notify = Notify::start(&server);
    let answers = answers(&server, 2).await;
    let log = notify.log();

    for (end, answer) in &answers {
        assert_eq!(
            (end.as_str(), &answer["outcome"]),
            ("response", &json!("posted"))
        );
    }
    let posts = requests_to(&server, SLACK).await;
    assert_eq!(posts.len(), 3, "two messages and one that came too early");
    let last: Value = posts[2].body_json().unwrap();
    let text = last["text"].as_str().unwrap();
    assert!(text.contains("rolled back"), "{text}");
    let reads = server.received_requests().await.unwrap();
    let reads = reads
        .iter()
        .filter(|request| request.url.path() == "/")
        .count();
    assert_eq!(reads, 1);
    assert!(log.contains("notified in slack"), "{log}");
    assert!(!log.contains("hunter2"), "{log}");
}

#[tokio::test]
async fn a_rotated_secret_is_read_again() {
    let server = lambda(&[
        sample("deployment-started.json"),
        sample("deployment-succeeded.json"),
    ])
    .await;
    let rotated = json!({"webhook_url": format!("{}{ROTATED}", server.uri())});
    secret(&server, &format!("{}{SLACK}", server.uri()), 1).await;
    secret(&server, &rotated.to_string(), 1).await;
    slack(&server, SLACK, ok(), 1).await;
    slack(
        &server,
        SLACK,
        ResponseTemplate::new(404).set_body_string("no_service"),
        1,
    )
    .await;
    slack(&server, ROTATED, ok(), 1).await;

    let notify = Notify::start(&server);
    let answers = answers(&server, 2).await;
    let log = notify.log();

    assert!(answers.iter().all(|(end, _)| end == "response"), "{log}");
    assert_eq!(requests_to(&server, ROTATED).await.len(), 1);
    assert!(!log.contains("hunter"), "{log}");
}

/// S3 that keeps nothing: every read finds nothing, every write is taken.
async fn state(server: &MockServer) {
    let missing = "<Error><Code>NoSuchKey</Code><Message>none</Message></Error>";
    for (verb, answer) in [
        ("GET", ResponseTemplate::new(404).set_body_string(missing)),
        (
            "PUT",
            ResponseTemplate::new(200).insert_header("etag", "\"1\""),
        ),
    ] {
        Mock::given(method(verb))
            .and(path_regex("/messages/"))
            .respond_with(answer)
            .mount(server)
            .await;
    }
}

#[tokio::test]
async fn a_bot_posts_with_its_token_and_leaves_no_trace_of_it() {
    let server = lambda(&[sample("deployment-started.json")]).await;
    let secret_text = json!({"bot_token": "xoxb-1-hunter2", "channel": "C0123456789"});
    secret(&server, &secret_text.to_string(), 1).await;
    state(&server).await;
    let posted = json!({"ok": true, "channel": "C0123456789", "ts": "1700000000.000100"});
    Mock::given(method("POST"))
        .and(path("/api/chat.postMessage"))
        .and(header("authorization", "Bearer xoxb-1-hunter2"))
        .respond_with(ResponseTemplate::new(200).set_body_json(posted))
        .mount(&server)
        .await;

    let notify = Notify::start(&server);
    let answers = answers(&server, 1).await;
    let log = notify.log();

    assert_eq!(answers[0].1["outcome"], "posted", "{log}");
    let requests = requests_to(&server, "/messages/deployment/").await;
    let writes: Vec<(&str, &str, Value)> = requests
        .iter()
        .filter(|request| request.method == "PUT")
        .map(|request| {
            let (name, value) = request
                .headers
                .iter()
                .find(|(name, _)| name.as_str().starts_with("if-"))
                .unwrap();
            let kept: Value = request.body_json().unwrap();
            (
                name.as_str(),
                value.to_str().unwrap(),
                kept["place"].clone(),
            )
        })
        .collect();
    let [first, second] = writes.as_slice() else {
        panic!("{writes:?}");
    };
    assert_eq!((first.0, first.1), ("if-none-match", "*"));
    assert_eq!(first.2["state"], "claimed");
    assert_eq!((second.0, second.1), ("if-match", "\"1\""));
    assert_eq!(
        second.2,
        json!({"state": "posted", "channel": "C0123456789", "ts": "1700000000.000100"})
    );
    assert!(!log.contains("hunter2"), "{log}");
}

#[tokio::test]
async fn a_web_api_that_would_read_the_token_is_refused_at_the_start() {
    let output = Command::new(env!("CARGO_BIN_EXE_bootstrap"))
        .env_clear()
        .env("_HANDLER", "notify")
        .env("AWS_REGION", "eu-west-1")
        .env("STATE_BUCKET_NAME", "state")
        .env("EVENT_BUS_NAME", "longshore")
        .env("SLACK_WEBHOOK_SECRET_NAME", "longshore/slack")
        .env("SLACK_API_URL", "http://slack.example/api")
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("SLACK_API_URL does not begin with https://"),
        "{said}"
    );
}

#[tokio::test]
async fn what_cannot_be_reported_is_answered_as_an_error_so_that_lambda_keeps_it() {
    let mut malformed = sample("deployment-started.json");
    malformed["detail"]["deployment"]["image"]["digest"] = json!("latest");
    let server = lambda(&[malformed, sample("deployment-started.json")]).await;
    secret(&server, &format!("{}{SLACK}", server.uri()), 1).await;
    slack(
        &server,
        SLACK,
        ResponseTemplate::new(400).set_body_string("invalid_blocks"),
        1,
    )
    .await;

    let notify = Notify::start(&server);
    let answers = answers(&server, 2).await;
    let log = notify.log();

    let kinds: Vec<_> = answers
        .iter()
        .map(|(end, answer)| (end.as_str(), answer["errorType"].as_str().unwrap()))
        .collect();
    assert_eq!(
        kinds,
        [("error", "MalformedEvent"), ("error", "MessageRefused")]
    );
    let message = answers[1].1["errorMessage"].as_str().unwrap();
    assert!(message.contains("invalid_blocks"), "{message}");
    assert_eq!(
        log.matches("invocation failed").count(),
        2,
        "each is logged once: {log}"
    );
    assert!(!log.contains("hunter2"), "{log}");
}

#[tokio::test]
async fn without_its_configuration_it_does_not_start_and_says_what_is_missing() {
    let output = Command::new(env!("CARGO_BIN_EXE_bootstrap"))
        .env_clear()
        .env("_HANDLER", "notify")
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("SLACK_WEBHOOK_SECRET_NAME"), "{said}");
}

#[test]
fn a_handler_that_is_not_a_function_is_refused_with_those_that_are() {
    for handler in ["bootstrap", ""] {
        let output = Command::new(env!("CARGO_BIN_EXE_bootstrap"))
            .env_clear()
            .env("_HANDLER", handler)
            .output()
            .unwrap();
        assert!(!output.status.success());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.contains(&format!("error: the handler {handler:?} is not one of")),
            "{said}"
        );
        assert!(
            said.contains("deploy, notify, press, provision, sync, watch"),
            "{said}"
        );
    }
}
