//! From a request to the function's URL to an event, and to an answer for whoever pressed.

use std::time::Duration;

use chrono::{DateTime, Utc};
use longshore_events::function_url::{FunctionUrlAnswer, FunctionUrlRequest};
use longshore_events::longshore::{ActionRequested, ButtonAction, LongshoreEvent};
use longshore_report::{
    ButtonUsers, PersonAnswerer, Press, SIGNATURE_HEADER, SecretText, SignedRequest,
    TIMESTAMP_HEADER,
};
use longshore_runtime::lambda::{Failure, Invocation};
use longshore_runtime::metrics::{self, Metric};
use longshore_state::EventPublisher;
use serde_json::Value;

use crate::secret::{KeptSecret, VerifyError};

/// How long the answer that only one person sees may take. Slack waits three seconds for ours.
const TIME_TO_ANSWER: Duration = Duration::from_millis(1_500);

/// What stands between Slack and the bus.
pub struct Endpoint<Source, Publisher, Answerer> {
    pub secret: KeptSecret<Source>,
    /// Who may press what.
    pub users: ButtonUsers,
    pub publisher: Publisher,
    pub answerer: Answerer,
}

impl<Source: SecretText, Publisher: EventPublisher, Answerer: PersonAnswerer>
    Endpoint<Source, Publisher, Answerer>
{
    /// Handles one request. Whoever is refused reads why, and nothing of the secret.
    ///
    /// # Errors
    /// [`Failure`] when the secret cannot be read or the event not be published: Slack tells whoever pressed, and the
    /// function's alarm tells of it.
    pub async fn handle(
        &self,
        payload: &Value,
        invocation: &Invocation,
        now: DateTime<Utc>,
    ) -> Result<Value, Failure> {
        let answer = self.answer(payload, invocation, now).await?;
        if answer.status_code != 200 {
            tracing::warn!(
                status = answer.status_code,
                reason = answer.body,
                "press refused"
            );
        }
        serde_json::to_value(answer).map_err(|error| Failure {
            kind: "AnswerNotMade",
            message: format!("answer the press: {error}"),
        })
    }

    async fn answer(
        &self,
        payload: &Value,
        invocation: &Invocation,
        now: DateTime<Utc>,
    ) -> Result<FunctionUrlAnswer, Failure> {
        let read = FunctionUrlRequest::parse(payload)
            .and_then(|request| request.body().map(|body| (request, body)));
        let (request, body) = match read {
            Ok(read) => read,
            Err(malformed) => return Ok(FunctionUrlAnswer::text(400, malformed.to_string())),
        };
        if request.method() != "POST" {
            return Ok(FunctionUrlAnswer::text(
                405,
                "only Slack calls this address, by POST",
            ));
        }
        let signed = SignedRequest {
            timestamp: request.header(TIMESTAMP_HEADER),
            signature: request.header(SIGNATURE_HEADER),
            body: &body,
        };
        let pressed_at = match self.secret.verify(&signed, now).await {
            Ok(pressed_at) => pressed_at,
            Err(VerifyError::NotSlacks(problem)) => {
                return Ok(FunctionUrlAnswer::text(401, problem.to_string()));
            }
            Err(error) => {
                return Err(Failure {
                    kind: "SecretNotRead",
                    message: error.to_string(),
                });
            }
        };
        let press = match Press::read(&body) {
            Ok(press) => press,
            // Slack signed it, so it is an app's setting, or a button of another version of ours.
            Err(malformed) => {
                metrics::count(Metric::MalformedEvents, "press");
                return Ok(FunctionUrlAnswer::text(400, malformed.to_string()));
            }
        };
        let response_url = press.response_url.clone();
        let refusal = self.users.refusal(&press);
        let answer = match &refusal {
            Some(reason) => FunctionUrlAnswer::text(403, reason.clone()),
            None => self.ask(press, pressed_at).await?,
        };
        let said = refusal.unwrap_or_else(|| ASKED.to_owned());
        self.tell(response_url.as_deref(), &said, invocation).await;
        Ok(answer)
    }

    /// Puts what is asked for on the bus.
    async fn ask(
        &self,
        press: Press,
        pressed_at: DateTime<Utc>,
    ) -> Result<FunctionUrlAnswer, Failure> {
        let (action, by) = (press.action, press.by.caller().name);
        let event = press.event(pressed_at);
        log(&event, action, &by);
        let request_id = event.request_id.clone();
        self.publisher
            .publish(&[LongshoreEvent::ActionRequested(event)])
            .await
            .map_err(|error| Failure {
                kind: "CallFailed",
                message: format!("ask deploy to {action}, press {request_id}: {error}"),
            })?;
        Ok(FunctionUrlAnswer::text(200, ""))
    }

    /// Tells whoever pressed, and nobody else. That this fails changes nothing.
    async fn tell(&self, response_url: Option<&str>, text: &str, invocation: &Invocation) {
        let Some(url) = response_url else {
            return;
        };
        let time_left = invocation.remaining.min(TIME_TO_ANSWER);
        if let Err(error) = self.answerer.answer(url, text, time_left).await {
            tracing::warn!(%error, "whoever pressed was not answered");
        }
    }
}

/// What whoever pressed is told at once.
const ASKED: &str = "Longshore was asked. What comes of it is said in the channel.";

fn log(event: &ActionRequested, action: ButtonAction, by: &str) {
    let field = |name: &str| event.payload[name].as_str();
    tracing::info!(
        %action,
        stack = field("stack"),
        service = field("service"),
        request_id = event.request_id,
        by,
        "button pressed"
    );
}

#[cfg(test)]
mod tests;
