//! Buttons in Slack, on the local cloud: what whoever presses one may do, and that nobody else does anything by the URL
//! that takes presses.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use hmac::{Hmac, KeyInit, Mac};
use longshore_local::scene::serves;
use longshore_local::wait::{Seen, stays_so, wait_until};
use longshore_tests::{PATIENCE, QUIET, Scene};
use serde_json::{Value, json};
use sha2::Sha256;

/// Who may press everything, as `infra/environments/local` says.
const ADA: &str = "U0ADA";
/// Who may hold and resume, as everybody.
const EVE: &str = "U0EVE";

/// A request to the URL that takes presses.
struct Request {
    timestamp: String,
    signature: String,
    body: String,
}

/// What it was answered.
#[derive(Debug)]
struct Answer {
    status: u16,
    text: String,
}

fn now() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}

/// Signs as Slack does, with this secret.
fn signed(secret: &str, timestamp: u64, body: &str) -> Result<Request> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())?;
    mac.update(format!("v0:{timestamp}:{body}").as_bytes());
    Ok(Request {
        timestamp: timestamp.to_string(),
        signature: format!("v0={}", hex::encode(mac.finalize().into_bytes())),
        body: body.to_owned(),
    })
}

/// Sends a request to the function's URL, whose host the emulator answers for by its path.
fn send(scene: &Scene, request: &Request) -> Result<Answer> {
    let url = &scene.environment.applied.slack_button_url;
    let id = url
        .strip_prefix("https://")
        .and_then(|url| url.split('.').next())
        .with_context(|| format!("read the address {url}"))?;
    let address = format!("{}/_aws/lambda-url/{id}/", scene.environment.cloud.endpoint);
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(30)))
        .proxy(None)
        .http_status_as_error(false)
        .build()
        .into();
    let mut answer = agent
        .post(&address)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("x-slack-request-timestamp", &request.timestamp)
        .header("x-slack-signature", &request.signature)
        .send(&request.body)
        .context("press a button")?;
    Ok(Answer {
        status: answer.status().as_u16(),
        text: answer.body_mut().read_to_string()?,
    })
}

/// The button of this name in a message.
fn button(message: &Value, action_id: &str) -> Result<Value> {
    let blocks = message["blocks"].as_array().into_iter().flatten();
    let mut elements = blocks.flat_map(|block| block["elements"].as_array().into_iter().flatten());
    let found = elements.find(|element| element["action_id"] == action_id);
    found
        .cloned()
        .with_context(|| format!("find the button {action_id} in {message}"))
}

/// The form that Slack sends when somebody presses a button.
fn form(scene: &Scene, user: &str, button: &Value) -> String {
    let payload = json!({
        "type": "block_actions",
        "user": {"id": user, "username": user.to_lowercase(), "team_id": "T0"},
        "team": {"id": "T0", "domain": "shop"},
        "response_url": format!(
            "{}/slack/actions/{}/{user}",
            scene.environment.cloud.control, scene.service.stack
        ),
        "actions": [button],
    });
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("payload", &payload.to_string());
    form.finish()
}

/// Somebody presses a button.
fn press(scene: &Scene, user: &str, button: &Value) -> Result<Answer> {
    let secret = &scene.environment.cloud.slack_signing_secret;
    let request = signed(secret, now()?, &form(scene, user, button))?;
    send(scene, &request)
}

/// What only `user` was told.
fn told(scene: &Scene, user: &str) -> Result<Vec<String>> {
    let address = format!("/slack/actions/{}/{user}", scene.service.stack);
    let told = scene.environment.control().slack_personal()?;
    let told = told
        .into_iter()
        .filter(|answer| answer["path"] == address.as_str())
        .filter_map(|answer| answer["body"]["text"].as_str().map(str::to_owned));
    Ok(told.collect())
}

/// A service that runs `v1` and needs approval, whose image `v2` waits for it; its digest, and the message that asks.
fn waiting(stack: &str) -> Result<(Scene, String, Value)> {
    let scene = Scene::new(stack)?;
    scene.push("v1", &serves("v1"))?;
    scene.wait_until_published(&["succeeded", "api v1"])?;
    scene.put_route(&[(
        &scene.service,
        json!({"approval": {"expires_after_minutes": 60}}),
    )])?;
    let digest = scene.push("v2", &serves("v2"))?;
    let message = scene.wait_until_published(&["needs approval", "api v2"])?;
    Ok((scene, digest, message.body))
}

/// What stands in the history of a service about its deployment of this number.
fn history(scene: &Scene, number: u32) -> Result<Value> {
    let (stack, service) = (&scene.service.stack, &scene.service.name);
    let key = format!("deployments/{stack}/{service}/history/{number:08}.json");
    let bucket = &scene.environment.applied.state_bucket_name;
    let client = scene.environment.client();
    wait_until(&format!("{key} in the history"), PATIENCE, || {
        Ok(match client.get_object(bucket, &key)? {
            Some(object) => Seen::Yes(serde_json::from_str(&object)?),
            None => Seen::NotYet("it is not there".to_owned()),
        })
    })
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn a_button_approves_and_the_next_message_and_the_history_name_who_pressed_it() -> Result<()> {
    let (scene, digest, message) = waiting("pressed")?;
    let approve = button(&message, "longshore:approve")?;
    let answer = press(&scene, ADA, &approve)?;
    ensure!(answer.status == 200, "refused: {answer:?}");
    scene.wait_until_runs(&digest)?;
    let succeeded =
        scene.wait_until_published(&["succeeded", "api v2", "Approved by", "u0ada (U0ADA)"])?;
    let said = told(&scene, ADA)?;
    ensure!(said.len() == 1, "not told once: {said:?}");

    // The same button again, and by somebody else at the same time.
    for _ in 0..2 {
        ensure!(press(&scene, ADA, &approve)?.status == 200, "not taken");
    }
    stays_so("it was deployed once", QUIET, || {
        let counts = (
            scene.count_published(&["deployment started", "api v2"])?,
            scene.count_published(&["refused"])?,
        );
        Ok(if counts == (1, 0) {
            Seen::Yes(())
        } else {
            Seen::NotYet(format!("{counts:?}"))
        })
    })?;

    // Back by a button of the message that says what runs: from that deployment, and no further.
    let back = button(&succeeded.body, "longshore:rollback")?;
    for _ in 0..2 {
        ensure!(press(&scene, ADA, &back)?.status == 200, "not taken");
    }
    scene.wait_until_published(&["rollback succeeded", "u0ada (U0ADA)"])?;
    let number: Value = serde_json::from_str(back["value"].as_str().unwrap_or_default())?;
    let from = number["from"].as_u64().context("read the number")?;
    let approved = history(&scene, u32::try_from(from)?)?;
    ensure!(
        approved["approved_by"]["name"] == "u0ada (U0ADA)",
        "the history does not say who approved: {approved}"
    );
    stays_so("it went back once", QUIET, || {
        let count = scene.count_published(&["rollback started"])?;
        Ok(if count == 1 {
            Seen::Yes(())
        } else {
            Seen::NotYet(count.to_string())
        })
    })?;
    scene.check_no_dead_letter("deploy", &scene.service.stack)
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn nobody_presses_a_button_by_a_request_that_slack_has_not_signed_just_now() -> Result<()> {
    let (scene, _, message) = waiting("forged")?;
    let approve = button(&message, "longshore:approve")?;
    let body = form(&scene, ADA, &approve);
    let secret = scene.environment.cloud.slack_signing_secret.clone();
    let at = now()?;
    let right = |at| signed(&secret, at, &body);
    let other = Request {
        signature: signed("another-secret-of-slacks", at, &body)?.signature,
        ..right(at)?
    };
    let changed = Request {
        body: body.replace("longshore%3Aapprove", "longshore%3Areject"),
        ..right(at)?
    };
    ensure!(changed.body != body, "nothing was changed");
    let unsigned = Request {
        signature: String::new(),
        ..right(at)?
    };
    let redated = Request {
        timestamp: at.to_string(),
        ..right(at - 360)?
    };
    for (request, why) in [
        (other, "its signature does not fit"),
        (changed, "its signature does not fit"),
        (unsigned, "x-slack-signature is missing or malformed"),
        // Somebody recorded it, and sends it again six minutes later.
        (right(at - 360)?, "more than five minutes"),
        (redated, "its signature does not fit"),
    ] {
        let answer = send(&scene, &request)?;
        ensure!(
            answer.status == 401,
            "let in, or for another reason: {answer:?}"
        );
        ensure!(answer.text.contains(why), "{answer:?} does not say {why}");
        ensure!(
            !answer.text.contains(&secret),
            "the answer holds the secret"
        );
    }
    nothing_happens(&scene)
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn somebody_who_may_not_press_a_button_hears_why_and_nothing_happens() -> Result<()> {
    let (scene, _, message) = waiting("unentitled")?;
    let answer = press(&scene, EVE, &button(&message, "longshore:approve")?)?;
    ensure!(answer.status == 403, "let in: {answer:?}");
    ensure!(answer.text.contains("U0EVE may not approve"), "{answer:?}");
    ensure!(told(&scene, EVE)? == [answer.text], "not told why");
    // A button that Longshore does not make, whoever presses it.
    let mut other = button(&message, "longshore:approve")?;
    other["value"] = json!(
        json!({"stack": scene.service.stack, "service": "api", "image": "evil:v1"}).to_string()
    );
    let answer = press(&scene, ADA, &other)?;
    ensure!(answer.status == 400, "let in: {answer:?}");
    nothing_happens(&scene)
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn a_button_rejects_holds_and_resumes_and_a_press_that_comes_too_late_is_refused_in_slack()
-> Result<()> {
    let (scene, _, message) = waiting("rejected")?;
    let reject = button(&message, "longshore:reject")?;
    ensure!(press(&scene, ADA, &reject)?.status == 200, "not taken");
    scene.wait_until_published(&["skipped", "api v2", "Rejected by", "u0ada (U0ADA)"])?;
    let approve = button(&message, "longshore:approve")?;
    ensure!(press(&scene, ADA, &approve)?.status == 200, "not taken");
    scene.wait_until_published(&["Approval refused", "nothing waits", "u0ada (U0ADA)"])?;

    let mut hold = approve.clone();
    hold["action_id"] = json!("longshore:hold");
    hold["value"] =
        json!(json!({"stack": scene.service.stack, "service": scene.service.name}).to_string());
    ensure!(press(&scene, EVE, &hold)?.status == 200, "not taken");
    let held = scene.wait_until_published(&["Deployments held", "u0eve (U0EVE)"])?;
    let resume = button(&held.body, "longshore:resume")?;
    ensure!(press(&scene, EVE, &resume)?.status == 200, "not taken");
    scene.wait_until_published(&["Deployments resumed", "u0eve (U0EVE)"])?;
    nothing_happens(&scene)?;
    scene.check_no_dead_letter("deploy", &scene.service.stack)
}

/// No deployment of `v2` began, and none does.
fn nothing_happens(scene: &Scene) -> Result<()> {
    stays_so("nothing was deployed", QUIET, || {
        let count = scene.count_published(&["deployment started", "api v2"])?;
        Ok(if count == 0 {
            Seen::Yes(())
        } else {
            Seen::NotYet(count.to_string())
        })
    })
}
