//! Posting to a fake Slack.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use chrono::DateTime;
use longshore_events::longshore::{LongshoreEvent, ReleaseRefused};
use longshore_report::{
    Console, Message, MessagePoster, PostError, RetryPolicy, Slack, Trouble, WebhookUrl, message,
};
use wiremock::matchers::{body_json, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

const PATH: &str = "/services/T00000000/B00000000/hunter2";
const PLENTY: Duration = Duration::from_secs(20);

fn a_message() -> Message {
    message(
        &LongshoreEvent::ReleaseRefused(ReleaseRefused {
            bucket: "state".to_owned(),
            key: "releases/shop/api.json".to_owned(),
            version_id: None,
            reason: format!("not JSON, seen at {}", DateTime::UNIX_EPOCH),
        }),
        &Console::default(),
    )
    .unwrap()
}

fn slack() -> Slack {
    Slack::with_policy(RetryPolicy {
        maximum_attempts: 4,
        attempt_timeout: Duration::from_millis(400),
        shortest_attempt: Duration::from_millis(5),
        first_wait: Duration::from_millis(5),
        longest_wait: Duration::from_millis(20),
    })
    .unwrap()
}

fn webhook(server: &MockServer) -> WebhookUrl {
    WebhookUrl::parse(&format!("{}{PATH}", server.uri())).unwrap()
}

async fn answering(template: ResponseTemplate, times: u64) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(template)
        .expect(times)
        .mount(&server)
        .await;
    server
}

/// First `template` for `times` posts, then `ok` for one.
async fn recovering(template: ResponseTemplate, times: u64) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(template)
        .up_to_n_times(times)
        .expect(times)
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(200).set_body_string("ok"))
        .expect(1)
        .mount(&server)
        .await;
    server
}

async fn post(server: &MockServer, time_left: Duration) -> Result<(), PostError> {
    slack()
        .post(&webhook(server), &a_message(), time_left)
        .await
}

#[tokio::test]
async fn a_message_is_posted_as_json_to_the_path_of_the_webhook() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path(PATH))
        .and(header("content-type", "application/json; charset=utf-8"))
        .and(body_json(a_message()))
        .respond_with(ResponseTemplate::new(200).set_body_string("ok"))
        .expect(1)
        .mount(&server)
        .await;
    assert_eq!(post(&server, PLENTY).await, Ok(()));
}

#[tokio::test]
async fn a_429_is_waited_out_for_as_long_as_slack_says() {
    let server = recovering(
        ResponseTemplate::new(429).insert_header("retry-after", "0.2"),
        2,
    )
    .await;
    let began = Instant::now();
    assert_eq!(post(&server, PLENTY).await, Ok(()));
    assert!(began.elapsed() >= Duration::from_millis(400));
}

#[tokio::test]
async fn a_429_that_says_nothing_sensible_is_tried_again_after_the_usual_wait() {
    let server = recovering(
        ResponseTemplate::new(429).insert_header("retry-after", "soon"),
        2,
    )
    .await;
    assert_eq!(post(&server, PLENTY).await, Ok(()));
}

#[tokio::test]
async fn a_wait_that_is_longer_than_the_time_left_is_not_begun() {
    let server = answering(
        ResponseTemplate::new(429)
            .insert_header("retry-after", "30")
            .set_body_string("rate_limited"),
        1,
    )
    .await;
    let began = Instant::now();
    assert_eq!(
        post(&server, Duration::from_secs(5)).await,
        Err(PostError::GaveUp {
            attempts: 1,
            last: Trouble::Status {
                status: 429,
                answer: "rate_limited".to_owned()
            }
        })
    );
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_server_error_is_tried_again() {
    let server = recovering(ResponseTemplate::new(500), 3).await;
    assert_eq!(post(&server, PLENTY).await, Ok(()));
}

#[tokio::test]
async fn attempts_are_bounded() {
    let server = answering(
        ResponseTemplate::new(503).set_body_string("upstream\n  unavailable"),
        4,
    )
    .await;
    let error = post(&server, PLENTY).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "post message to slack: gave up after attempt 4: status 503: upstream unavailable"
    );
}

#[tokio::test]
async fn what_slack_refuses_is_not_tried_again_and_reported_in_its_words() {
    let server = answering(
        ResponseTemplate::new(400).set_body_string("invalid_blocks"),
        1,
    )
    .await;
    assert_eq!(
        post(&server, PLENTY).await,
        Err(PostError::Refused {
            status: 400,
            answer: "invalid_blocks".to_owned()
        })
    );
}

#[tokio::test]
async fn a_webhook_that_is_not_valid_is_distinguished() {
    for (status, answer) in [
        (403, "invalid_token"),
        (404, "no_service"),
        (410, "channel_is_archived"),
    ] {
        let server = answering(ResponseTemplate::new(status).set_body_string(answer), 1).await;
        assert_eq!(
            post(&server, PLENTY).await,
            Err(PostError::WebhookInvalid {
                status,
                answer: answer.to_owned()
            })
        );
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server = answering(
        ResponseTemplate::new(302).insert_header("location", "/elsewhere"),
        1,
    )
    .await;
    assert_eq!(
        post(&server, PLENTY).await,
        Err(PostError::Refused {
            status: 302,
            answer: "no answer text".to_owned()
        })
    );
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_tried_again() {
    let server = recovering(
        ResponseTemplate::new(200).set_delay(Duration::from_secs(5)),
        1,
    )
    .await;
    assert_eq!(post(&server, PLENTY).await, Ok(()));
}

#[tokio::test]
async fn all_attempts_and_waits_together_stay_within_the_time_left() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(200).set_delay(Duration::from_secs(5)))
        .mount(&server)
        .await;
    let began = Instant::now();
    let error = post(&server, Duration::from_millis(250)).await.unwrap_err();
    assert!(matches!(
        error,
        PostError::GaveUp {
            last: Trouble::Transport(_),
            ..
        } | PostError::NoTime
    ));
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn without_time_nothing_is_tried() {
    let server = answering(ResponseTemplate::new(200), 0).await;
    assert_eq!(post(&server, Duration::ZERO).await, Err(PostError::NoTime));
}

#[tokio::test]
async fn a_long_answer_is_cut() {
    let server = answering(
        ResponseTemplate::new(400).set_body_string("x".repeat(100_000)),
        1,
    )
    .await;
    let error = post(&server, PLENTY).await.unwrap_err();
    assert!(error.to_string().len() < 400);
}

#[tokio::test]
async fn no_error_shows_the_url() {
    // A port that nothing listens on.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let unreachable = WebhookUrl::parse(&format!("http://{address}{PATH}")).unwrap();
    let refused = slack()
        .post(&unreachable, &a_message(), PLENTY)
        .await
        .unwrap_err();

    let silent = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(200).set_delay(Duration::from_secs(5)))
        .mount(&silent)
        .await;
    let timed_out = post(&silent, Duration::from_millis(100)).await.unwrap_err();

    let echoing = answering(
        ResponseTemplate::new(404).set_body_string(format!("no such page: {PATH}")),
        1,
    )
    .await;
    let echoed = post(&echoing, PLENTY).await.unwrap_err();

    for error in [&refused, &timed_out, &echoed] {
        let text = format!("{error} {error:?}");
        assert!(!text.contains("hunter2"), "{text}");
        assert!(!text.contains("http://"), "{text}");
    }
    assert!(
        refused.to_string().to_lowercase().contains("refused"),
        "{refused}"
    );
}
