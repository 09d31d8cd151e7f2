//! What lies in a dead-letter queue: an event that a function did not get, or did not handle.

use std::collections::BTreeMap;

use serde_json::Value;

/// An event that was lost, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// What the function was to get.
    pub event: Value,
    /// What it is about, for people: "Object Created stacks/shop.yaml".
    pub subject: String,
    /// Why it was lost.
    pub reason: String,
}

impl DeadLetter {
    /// Reads a message: the event itself with the reason in the message's attributes, where EventBridge gave up (the
    /// Amazon EventBridge User Guide, "Using dead-letter queues"), or Lambda's record with the event in it, where the
    /// function failed (the AWS Lambda Developer Guide, "Capturing records of Lambda asynchronous invocations").
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(body: &str, attributes: &BTreeMap<String, String>) -> Result<Self, String> {
        let message: Value =
            serde_json::from_str(body).map_err(|error| format!("it is not JSON: {error}"))?;
        if !message.is_object() {
            return Err("it is not an object of JSON".to_owned());
        }
        if message["requestContext"].is_object() && !message["requestPayload"].is_null() {
            let event = message["requestPayload"].clone();
            let context = &message["requestContext"];
            let error = text(&message, "/responsePayload/errorMessage");
            let condition = context["condition"].as_str().map(str::to_owned);
            return Ok(Self {
                subject: subject(&event),
                event,
                reason: error
                    .or(condition)
                    .unwrap_or_else(|| "the function failed".to_owned()),
            });
        }
        let code = attributes.get("ERROR_CODE");
        let said = attributes.get("ERROR_MESSAGE");
        let reason: Vec<&str> = code.into_iter().chain(said).map(String::as_str).collect();
        Ok(Self {
            subject: subject(&message),
            event: message,
            reason: match reason.is_empty() {
                true => "it could not be delivered".to_owned(),
                false => reason.join(": "),
            },
        })
    }
}

fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer)?.as_str().map(str::to_owned)
}

/// What an event is about, as far as the events are known that wake functions.
fn subject(event: &Value) -> String {
    let kind = text(event, "/detail-type").or_else(|| text(event, "/action"));
    let kind = kind.unwrap_or_else(|| "an event".to_owned());
    let pair = |one: &str, other: &str, between: &str| {
        Some(format!(
            "{}{between}{}",
            text(event, one)?,
            text(event, other)?
        ))
    };
    let about = text(event, "/detail/object/key")
        .or_else(|| pair("/detail/repository-name", "/detail/image-tag", ":"))
        .or_else(|| {
            pair(
                "/detail/deployment/stack",
                "/detail/deployment/service",
                "/",
            )
        })
        .or_else(|| pair("/detail/stack", "/detail/service", "/"))
        .or_else(|| text(event, "/detail/stack"))
        .or_else(|| pair("/stack", "/service", "/"))
        .or_else(|| text(event, "/stack"))
        .or_else(|| text(event, "/resources/0"));
    match about {
        Some(about) => format!("{kind} {about}"),
        None => kind,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: &Value, attributes: &[(&str, &str)]) -> DeadLetter {
        let attributes = attributes.iter();
        let attributes = attributes.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        DeadLetter::read(&body.to_string(), &attributes.collect()).unwrap()
    }

    #[test]
    fn what_eventbridge_gave_up_is_the_event_with_the_reason_beside_it() {
        let event = json!({"detail-type": "Object Created", "detail": {"object": {"key": "stacks/shop.yaml"}}});
        let attributes = [
            ("ERROR_CODE", "NO_PERMISSIONS"),
            ("ERROR_MESSAGE", "the function does not let the rule"),
        ];
        let letter = read(&event, &attributes);
        assert_eq!(letter.event, event);
        assert_eq!(letter.subject, "Object Created stacks/shop.yaml");
        assert_eq!(
            letter.reason,
            "NO_PERMISSIONS: the function does not let the rule"
        );
    }

    #[test]
    fn what_a_function_failed_is_taken_out_of_lambdas_record() {
        let event = json!({"action": "reconcile"});
        let record = json!({
            "version": "1.0",
            "timestamp": "2026-11-30T08:00:00.000Z",
            "requestContext": {"requestId": "1", "condition": "RetriesExhausted",
                "functionArn": "arn:aws:lambda:eu-west-1:111122223333:function:longshore-deploy:$LATEST"},
            "requestPayload": event,
            "responsePayload": {"errorType": "CallFailed", "errorMessage": "ECS does not answer"},
        });
        let letter = read(&record, &[]);
        assert_eq!(letter.event, event);
        assert_eq!(letter.subject, "reconcile");
        assert_eq!(letter.reason, "ECS does not answer");
    }

    #[test]
    fn a_push_and_a_deployment_are_named_by_what_they_are_about() {
        for (event, expected) in [
            (
                json!({"detail-type": "ECR Image Action",
                       "detail": {"repository-name": "shop/api", "image-tag": "v2"}}),
                "ECR Image Action shop/api:v2",
            ),
            (
                json!({"detail-type": "Stack Ready", "detail": {"stack": "shop"}}),
                "Stack Ready shop",
            ),
            (
                json!({"detail-type": "Something", "resources": []}),
                "Something",
            ),
        ] {
            assert_eq!(read(&event, &[]).subject, expected);
        }
    }

    #[test]
    fn what_is_not_an_event_is_said() {
        for body in ["", "{", "[]", "3"] {
            assert!(DeadLetter::read(body, &BTreeMap::new()).is_err(), "{body}");
        }
    }
}
