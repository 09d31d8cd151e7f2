//! Posting and editing as a bot, with a fake Slack's Web API.

use std::time::{Duration, Instant};

use longshore_events::longshore::{LongshoreEvent, ReleaseRefused};
use longshore_report::{
    Bot, Console, Destination, Message, MessagePoster, PostError, PostedMessage, RetryPolicy,
    Slack, Trouble, message,
};
use serde_json::{Value, json};
use wiremock::matchers::{body_json, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

const TOKEN: &str = "xoxb-1-hunter2";
const CHANNEL: &str = "C0123456789";
const TS: &str = "1700000000.000100";
const PLENTY: Duration = Duration::from_secs(20);

fn a_message() -> Message {
    message(
        &LongshoreEvent::ReleaseRefused(ReleaseRefused {
            bucket: "state".to_owned(),
            key: "releases/shop/api.json".to_owned(),
            version_id: None,
            reason: "not JSON".to_owned(),
        }),
        &Console::default(),
    )
    .unwrap()
}

fn bot() -> Bot {
    let secret = json!({"bot_token": TOKEN, "channel": CHANNEL}).to_string();
    match Destination::from_secret(&secret).unwrap() {
        Destination::Bot(bot) => bot,
        Destination::Webhook(_) => unreachable!("it is made as a bot"),
    }
}

fn posted() -> PostedMessage {
    PostedMessage {
        channel: CHANNEL.to_owned(),
        ts: TS.to_owned(),
    }
}

fn slack(server: &MockServer) -> Slack {
    Slack::with_policy(RetryPolicy {
        maximum_attempts: 4,
        attempt_timeout: Duration::from_millis(400),
        shortest_attempt: Duration::from_millis(5),
        first_wait: Duration::from_millis(5),
        longest_wait: Duration::from_millis(20),
    })
    .unwrap()
    .with_api(Some(&server.uri()))
    .unwrap()
}

async fn answering(at: &str, answer: ResponseTemplate, times: u64) -> MockServer {
    let server = MockServer::start().await;
    mount(&server, at, answer, times).await;
    server
}

async fn mount(server: &MockServer, at: &str, answer: ResponseTemplate, times: u64) {
    Mock::given(method("POST"))
        .and(path(at))
        .respond_with(answer)
        .up_to_n_times(times)
        .expect(times)
        .mount(server)
        .await;
}

fn taken() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({"ok": true, "channel": CHANNEL, "ts": TS}))
}

fn refusal(code: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({"ok": false, "error": code}))
}

async fn post(server: &MockServer) -> Result<PostedMessage, PostError> {
    slack(server)
        .post_as_bot(&bot(), &a_message(), PLENTY)
        .await
}

async fn edit(server: &MockServer) -> Result<(), PostError> {
    slack(server)
        .edit(&bot(), &posted(), &a_message(), PLENTY)
        .await
}

#[tokio::test]
async fn a_message_is_posted_to_the_channel_with_the_token_and_its_place_is_returned() {
    let mut body = serde_json::to_value(a_message()).unwrap();
    body["channel"] = json!(CHANNEL);
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/chat.postMessage"))
        .and(header("authorization", format!("Bearer {TOKEN}").as_str()))
        .and(header("content-type", "application/json; charset=utf-8"))
        .and(body_json(body))
        .respond_with(taken())
        .expect(1)
        .mount(&server)
        .await;
    assert_eq!(post(&server).await, Ok(posted()));
}

#[tokio::test]
async fn an_edit_names_the_message_and_holds_all_of_the_new_one() {
    let message: Value = serde_json::to_value(a_message()).unwrap();
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/chat.update"))
        .and(header("authorization", format!("Bearer {TOKEN}").as_str()))
        .and(body_json(json!({
            "channel": CHANNEL,
            "ts": TS,
            "text": message["text"],
            "blocks": message["blocks"],
        })))
        .respond_with(taken())
        .expect(1)
        .mount(&server)
        .await;
    assert_eq!(edit(&server).await, Ok(()));
}

#[tokio::test]
async fn a_refusal_with_status_200_is_an_error_with_slacks_words() {
    let answer = ResponseTemplate::new(200).set_body_json(json!({
        "ok": false,
        "error": "invalid_blocks",
        "response_metadata": {"messages": ["[ERROR] no more than 50 items allowed"]},
    }));
    let server = answering("/chat.postMessage", answer, 1).await;
    assert_eq!(
        post(&server).await,
        Err(PostError::Refused {
            status: 200,
            answer: "invalid_blocks: [ERROR] no more than 50 items allowed".to_owned()
        })
    );
}

#[tokio::test]
async fn a_limit_is_waited_out_whether_the_status_or_the_code_says_it() {
    let server = answering(
        "/chat.postMessage",
        ResponseTemplate::new(429).insert_header("retry-after", "0.2"),
        1,
    )
    .await;
    let limited = refusal("ratelimited").insert_header("retry-after", "0.2");
    mount(&server, "/chat.postMessage", limited, 1).await;
    mount(&server, "/chat.postMessage", taken(), 1).await;
    let began = Instant::now();
    assert_eq!(post(&server).await, Ok(posted()));
    assert!(began.elapsed() >= Duration::from_millis(400));
}

#[tokio::test]
async fn what_goes_wrong_at_slack_is_tried_again_and_not_for_ever() {
    let server = answering("/chat.update", ResponseTemplate::new(503), 1).await;
    mount(&server, "/chat.update", refusal("internal_error"), 1).await;
    mount(&server, "/chat.update", taken(), 1).await;
    assert_eq!(edit(&server).await, Ok(()));

    let server = answering("/chat.update", refusal("fatal_error"), 4).await;
    assert_eq!(
        edit(&server).await,
        Err(PostError::GaveUp {
            attempts: 4,
            last: Trouble::Status {
                status: 200,
                answer: "fatal_error".to_owned()
            }
        })
    );
}

#[tokio::test]
async fn a_message_that_cannot_be_edited_is_distinguished() {
    for code in [
        "message_not_found",
        "cant_update_message",
        "edit_window_closed",
        "channel_not_found",
    ] {
        let server = answering("/chat.update", refusal(code), 1).await;
        assert_eq!(
            edit(&server).await,
            Err(PostError::MessageGone(code.to_owned()))
        );
    }
}

#[tokio::test]
async fn a_bot_that_may_not_post_is_distinguished() {
    for code in [
        "invalid_auth",
        "token_revoked",
        "missing_scope",
        "channel_not_found",
        "not_in_channel",
        "is_archived",
    ] {
        let server = answering("/chat.postMessage", refusal(code), 1).await;
        assert_eq!(
            post(&server).await,
            Err(PostError::BotInvalid(code.to_owned()))
        );
    }
}

#[tokio::test]
async fn an_answer_that_is_not_slacks_is_refused_and_shows_no_token() {
    let page = format!("<html>{}</html> {TOKEN}", "proxy ".repeat(3));
    for answer in [
        ResponseTemplate::new(200).set_body_string(page.clone()),
        ResponseTemplate::new(403).set_body_string(page),
        ResponseTemplate::new(200).set_body_json(json!({"ok": true})),
        ResponseTemplate::new(302).insert_header("location", "/elsewhere"),
    ] {
        let server = answering("/chat.postMessage", answer, 1).await;
        let error = post(&server).await.unwrap_err();
        assert!(matches!(error, PostError::Refused { .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn no_error_shows_the_token() {
    let server = answering("/chat.postMessage", refusal("invalid_auth"), 1).await;
    let invalid = post(&server).await.unwrap_err();
    let silent = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(taken().set_delay(Duration::from_secs(5)))
        .mount(&silent)
        .await;
    let timed_out = slack(&silent)
        .post_as_bot(&bot(), &a_message(), Duration::from_millis(100))
        .await
        .unwrap_err();
    for error in [invalid, timed_out] {
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
