//! What whoever reads a message can do about it with a button. What a button sends is a payload of `deploy`, about what the
//! message shows: this image, this deployment, this hold. So an outdated message does nothing to what came since.

use longshore_events::longshore::{
    ButtonAction, DeploymentSummary, FailedPhase, LongshoreEvent, Source, WaitReason,
};
use serde_json::{Value, json};

use super::blocks::{BUTTON_VALUE, Block, Button, Confirm, MESSAGE_TEXT, Message, Style, Text};
use super::text::line;

/// How Slack names the buttons of our messages: the action stands behind it.
pub(crate) const ACTION_ID: &str = "longshore:";

/// Room for what is rolled back, in a question of 300 characters.
const SUBJECT: usize = 150;

impl Message {
    /// The same message, with a button for each thing that can be done about `event` and that somebody may do.
    #[must_use]
    pub fn with_buttons(
        self,
        event: &LongshoreEvent,
        somebody_may: impl Fn(ButtonAction) -> bool,
    ) -> Self {
        let elements: Vec<Button> = actions(event)
            .into_iter()
            .filter(|(action, _)| somebody_may(*action))
            .filter_map(|(action, payload)| button(action, &payload))
            .collect();
        if elements.is_empty() {
            return self;
        }
        let with = self.clone().with_block(Block::Actions { elements });
        let sent = serde_json::to_string(&with).unwrap_or_default();
        // Better a message without buttons than one that Slack refuses.
        if sent.chars().count() < MESSAGE_TEXT {
            with
        } else {
            self
        }
    }
}

/// What can be done about an event, and what `deploy` is asked for then.
fn actions(event: &LongshoreEvent) -> Vec<(ButtonAction, Value)> {
    match event {
        LongshoreEvent::DeploymentWaiting(event) => {
            let about = json!({"stack": event.stack, "service": event.service});
            match event.reason {
                WaitReason::Approval => {
                    let image = with(about, "digest", json!(event.image.digest));
                    vec![
                        (ButtonAction::Approve, image.clone()),
                        (ButtonAction::Reject, image),
                    ]
                }
                WaitReason::Held { .. } | WaitReason::Frozen | WaitReason::Predecessors { .. } => {
                    Vec::new()
                }
            }
        }
        LongshoreEvent::DeploymentSucceeded(event) => {
            // Whoever went back once does not mean to go further.
            let went_back = matches!(event.deployment.source, Source::Rollback { .. });
            let back = rollback(&event.deployment).filter(|_| !went_back);
            back.into_iter().chain([hold(&event.deployment)]).collect()
        }
        // While ECS goes back by itself, and where the service was not touched, there is nothing to go back from.
        LongshoreEvent::DeploymentFailed(event)
            if !event.rolling_back && event.phase != FailedPhase::Before =>
        {
            let back = rollback(&event.deployment);
            back.into_iter().chain([hold(&event.deployment)]).collect()
        }
        LongshoreEvent::DeploymentRolledBack(event) => vec![hold(&event.deployment)],
        LongshoreEvent::DeploymentsHeld(event) => {
            let about = match event.services.as_slice() {
                [service] => json!({"stack": event.stack, "service": service}),
                _ => json!({"stack": event.stack}),
            };
            let this_hold = with(about, "held_since", json!(event.at));
            vec![(ButtonAction::Resume, this_hold)]
        }
        _ => Vec::new(),
    }
}

/// Back from this very deployment; nothing where it is the service's first.
fn rollback(deployment: &DeploymentSummary) -> Option<(ButtonAction, Value)> {
    let number = deployment.number.filter(|number| *number > 1)?;
    let about = json!({"stack": deployment.stack, "service": deployment.service});
    Some((ButtonAction::Rollback, with(about, "from", json!(number))))
}

fn hold(deployment: &DeploymentSummary) -> (ButtonAction, Value) {
    let about = json!({"stack": deployment.stack, "service": deployment.service});
    (ButtonAction::Hold, about)
}

fn with(mut payload: Value, name: &str, value: Value) -> Value {
    payload[name] = value;
    payload
}

/// Nothing where the names are longer than AWS allows.
fn button(action: ButtonAction, payload: &Value) -> Option<Button> {
    let value = payload.to_string();
    let (text, style) = match action {
        ButtonAction::Approve => ("Approve", Some(Style::Primary)),
        ButtonAction::Reject => ("Reject", Some(Style::Danger)),
        ButtonAction::Rollback => ("Roll back", Some(Style::Danger)),
        ButtonAction::Hold => ("Hold", None),
        ButtonAction::Resume => ("Resume", None),
    };
    (value.chars().count() <= BUTTON_VALUE).then(|| Button::Button {
        text: plain(text),
        action_id: format!("{ACTION_ID}{action}"),
        value,
        style,
        confirm: confirm(action, payload),
    })
}

/// What is asked before something that a person cannot take back with the next button.
fn confirm(action: ButtonAction, payload: &Value) -> Option<Confirm> {
    let name = |field: &str| payload[field].as_str().unwrap_or_default();
    let subject = line(&format!("{}/{}", name("stack"), name("service")), SUBJECT);
    let (title, text, does) = match action {
        ButtonAction::Rollback => (
            "Roll back?",
            format!(
                "{subject} goes back from deployment {} to the last one with another image.",
                payload["from"]
            ),
            "Roll back",
        ),
        ButtonAction::Reject => (
            "Reject?",
            format!("This image is not deployed to {subject}, unless somebody asks for it again."),
            "Reject",
        ),
        ButtonAction::Approve | ButtonAction::Hold | ButtonAction::Resume => return None,
    };
    Some(Confirm {
        title: plain(title),
        text: plain(&text),
        confirm: plain(does),
        deny: plain("Cancel"),
    })
}

fn plain(text: &str) -> Text {
    Text::PlainText {
        text: text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Console, message};
    use crate::samples::{self, every};

    fn shown(event: &LongshoreEvent) -> Vec<(String, Value)> {
        let message = message(event, &Console::default()).unwrap();
        let message = message.with_buttons(event, |_| true);
        let buttons = message.blocks.iter().flat_map(|block| match block {
            Block::Actions { elements } => elements.as_slice(),
            _ => &[],
        });
        let read = |button: &Button| {
            let Button::Button {
                action_id, value, ..
            } = button;
            (action_id.clone(), serde_json::from_str(value).unwrap())
        };
        buttons.map(read).collect()
    }

    fn ids(event: &LongshoreEvent) -> Vec<String> {
        shown(event).into_iter().map(|(id, _)| id).collect()
    }

    #[test]
    fn each_button_is_about_what_its_message_shows() {
        let about = json!({"stack": "shop", "service": "api"});
        let image = with(about.clone(), "digest", json!(samples::DIGEST));
        let from = with(about.clone(), "from", json!(42));
        let waiting = samples::waiting(WaitReason::Approval, None);
        assert_eq!(
            shown(&waiting),
            [
                ("longshore:approve".to_owned(), image.clone()),
                ("longshore:reject".to_owned(), image)
            ]
        );
        let succeeded = samples::succeeded(samples::deployment(Source::Push));
        assert_eq!(
            shown(&succeeded),
            [
                ("longshore:rollback".to_owned(), from),
                ("longshore:hold".to_owned(), about)
            ]
        );
        let held = samples::held(None);
        let hold = json!({"stack": "shop", "held_since": samples::after(0)});
        assert_eq!(shown(&held), [("longshore:resume".to_owned(), hold)]);
    }

    #[test]
    fn there_is_no_way_back_where_there_is_nothing_to_go_back_from() {
        let first = DeploymentSummary {
            number: Some(1),
            ..samples::deployment(Source::Push)
        };
        let back = samples::deployment(Source::Rollback {
            to: 41,
            note: None,
            by: None,
        });
        for event in [
            samples::succeeded(first),
            samples::succeeded(back),
            samples::rolled_back(),
        ] {
            assert_eq!(ids(&event), ["longshore:hold"]);
        }
        assert_eq!(
            ids(&samples::failed(false, Vec::new())),
            ["longshore:rollback", "longshore:hold"]
        );
        for event in [
            samples::failed(true, Vec::new()),
            samples::failed_in(FailedPhase::Before, "a task failed"),
            samples::waiting(WaitReason::Frozen, None),
        ] {
            assert!(ids(&event).is_empty());
        }
    }

    #[test]
    fn nobody_is_shown_a_button_that_nobody_may_press() {
        for sample in every() {
            let message = message(&sample.event, &Console::default()).unwrap();
            let without = message.clone().with_buttons(&sample.event, |_| false);
            assert_eq!(without, message, "{}", sample.name);
        }
        let waiting = samples::waiting(WaitReason::Approval, None);
        let shown = message(&waiting, &Console::default()).unwrap();
        let shown = shown.with_buttons(&waiting, |action| action == ButtonAction::Approve);
        let sent = serde_json::to_string(&shown).unwrap();
        assert!(sent.contains("longshore:approve"), "{sent}");
        assert!(!sent.contains("longshore:reject"), "{sent}");
    }

    #[test]
    fn what_cannot_be_taken_back_asks_first() {
        for action in ButtonAction::ALL {
            let payload = json!({"stack": "shop", "service": "api", "from": 42});
            let Button::Button { confirm, .. } = button(action, &payload).unwrap();
            let asks = matches!(action, ButtonAction::Rollback | ButtonAction::Reject);
            assert_eq!(confirm.is_some(), asks, "{action}");
        }
    }

    #[test]
    fn a_button_that_slack_would_refuse_is_left_out() {
        let payload = json!({"stack": "s".repeat(BUTTON_VALUE), "service": "api"});
        assert_eq!(button(ButtonAction::Hold, &payload), None);
    }
}
