//! Who pressed which button of a message: what Slack sends then (Slack's documentation, "block_actions payload").

use chrono::{DateTime, Utc};
use longshore_events::longshore::{ActionRequested, ButtonAction, Caller};
use longshore_events::manual::{self, DeployRequest};
use longshore_events::{Malformed, parse};
use serde::Deserialize;
use serde_json::Value;

use super::signature::request_id;
use crate::message::ACTION_ID;

const WHAT: &str = "press of a button in Slack";

/// How much of a name is kept.
const NAME: usize = 80;

/// Somebody pressed a button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Press {
    /// Whoever sends the same bytes again has the same.
    pub id: String,
    pub action: ButtonAction,
    /// What the button asks for: a payload of `deploy`.
    pub payload: Value,
    pub by: SlackUser,
    /// Where an answer goes that only they see.
    pub response_url: Option<String>,
}

/// Somebody in Slack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlackUser {
    /// `U024BE7LH`.
    pub id: String,
    /// What they call themselves, if Slack says.
    pub name: Option<String>,
    /// The workspace that they belong to, which in a shared channel may be another than the app's.
    pub team_id: Option<String>,
}

impl SlackUser {
    /// As the history names them. Names can be changed by who has them; ids cannot.
    pub fn caller(&self) -> Caller {
        match &self.name {
            Some(name) => Caller::named(&format!("{name} ({})", self.id)),
            None => Caller::named(&self.id),
        }
    }
}

#[derive(Deserialize)]
struct Interaction {
    #[serde(rename = "type")]
    kind: String,
    user: User,
    #[serde(default)]
    team: Option<Team>,
    #[serde(default)]
    response_url: Option<String>,
    #[serde(default)]
    actions: Vec<Action>,
}

#[derive(Deserialize)]
struct User {
    id: String,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    team_id: Option<String>,
}

#[derive(Deserialize)]
struct Team {
    id: String,
}

#[derive(Deserialize)]
struct Action {
    action_id: String,
    #[serde(default)]
    value: Option<String>,
}

impl Press {
    /// Reads the body of a request that Slack has signed: a form, whose field `payload` is JSON.
    ///
    /// # Errors
    /// [`Malformed`] for everything but a press of one of Longshore's buttons.
    pub fn read(body: &[u8]) -> Result<Self, Malformed> {
        let payload = form_urlencoded::parse(body)
            .find(|(name, _)| name == "payload")
            .map(|(_, payload)| payload)
            .ok_or_else(|| Malformed::new(WHAT, "field `payload`: missing"))?;
        let payload: Value = serde_json::from_str(&payload)
            .map_err(|error| Malformed::new(WHAT, format!("field `payload`: {error}")))?;
        let interaction: Interaction = parse(WHAT, &payload)?;
        if interaction.kind != "block_actions" {
            return Err(Malformed::new(
                WHAT,
                format!(
                    "field `type`: found `{}`, expected `block_actions`",
                    interaction.kind
                ),
            ));
        }
        let pressed = interaction.actions.into_iter().find_map(|pressed| {
            let action = ButtonAction::named(pressed.action_id.strip_prefix(ACTION_ID)?)?;
            Some((action, pressed.value))
        });
        let Some((action, value)) = pressed else {
            return Err(Malformed::new(
                WHAT,
                "field `actions`: none of the buttons of Longshore's messages",
            ));
        };
        Ok(Self {
            id: request_id(body),
            action,
            payload: asked(action, value.as_deref())?,
            by: user(interaction.user, interaction.team)?,
            response_url: interaction.response_url,
        })
    }

    /// As an event: what is asked for, and who asks.
    pub fn event(self, at: DateTime<Utc>) -> ActionRequested {
        let mut payload = self.payload;
        if let Some(fields) = payload.as_object_mut() {
            fields.insert("by".to_owned(), Value::String(self.by.caller().name));
        }
        ActionRequested {
            request_id: self.id,
            requested_at: at,
            payload,
        }
    }
}

/// What a button asks for. Who asks, the button does not say.
fn asked(action: ButtonAction, value: Option<&str>) -> Result<Value, Malformed> {
    let wrong = |problem: String| Malformed::new(WHAT, format!("field `actions.value`: {problem}"));
    let value = value.ok_or_else(|| wrong("missing".to_owned()))?;
    let mut payload: Value =
        serde_json::from_str(value).map_err(|error| wrong(error.to_string()))?;
    let fields = payload
        .as_object_mut()
        .ok_or_else(|| wrong("expected an object".to_owned()))?;
    for given in ["action", "by"] {
        if fields.contains_key(given) {
            return Err(wrong(format!("field `{given}`: no button has one")));
        }
    }
    fields.insert("action".to_owned(), Value::from(action.name()));
    let request = manual::parse_deploy(&payload).map_err(|error| wrong(error.to_string()))?;
    // Of what stands in a message, as it was when somebody looked at it.
    let is_of_what_was_shown = match &request {
        DeployRequest::Approve(payload) => payload.digest.is_some(),
        DeployRequest::Reject(payload) => payload.digest.is_some(),
        DeployRequest::Rollback(payload) => payload.from.is_some(),
        _ => true,
    };
    is_of_what_was_shown
        .then_some(payload)
        .ok_or_else(|| wrong("it names no image and no deployment".to_owned()))
}

fn user(user: User, team: Option<Team>) -> Result<SlackUser, Malformed> {
    let is_id = |id: &str| {
        let digits = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        id.len() > 1 && id.bytes().all(digits)
    };
    if !is_id(&user.id) {
        return Err(Malformed::new(
            WHAT,
            format!("field `user.id`: found `{}`, expected an id", user.id),
        ));
    }
    let name = user.username.or(user.name).map(|name| {
        let shown = name.chars().filter(|character| !character.is_control());
        shown.take(NAME).collect::<String>().trim().to_owned()
    });
    Ok(SlackUser {
        id: user.id,
        name: name.filter(|name| !name.is_empty()),
        team_id: user.team_id.or(team.map(|team| team.id)),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn interaction() -> Value {
        json!({
            "type": "block_actions",
            "user": {"id": "U024BE7LH", "username": "ada", "name": "ada", "team_id": "T0"},
            "team": {"id": "T0", "domain": "shop"},
            "response_url": "https://hooks.slack.com/actions/T0/1/x",
            "actions": [{
                "type": "button",
                "action_id": "longshore:approve",
                "value": json!({"stack": "shop", "service": "api", "digest": "sha256:1a2b3c4d5e6f"}).to_string(),
            }],
        })
    }

    fn read(interaction: &Value) -> Result<Press, Malformed> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("payload", &interaction.to_string());
        Press::read(form.finish().as_bytes())
    }

    fn with(pointer: &str, value: Value) -> Value {
        let mut interaction = interaction();
        *interaction.pointer_mut(pointer).unwrap() = value;
        interaction
    }

    #[test]
    fn a_press_becomes_what_deploy_is_asked_for_with_the_name_of_who_pressed() {
        let press = read(&interaction()).unwrap();
        assert_eq!(press.action, ButtonAction::Approve);
        let id = press.id.clone();
        let event = press.event(DateTime::UNIX_EPOCH);
        assert_eq!(
            event.payload,
            json!({
                "action": "approve", "stack": "shop", "service": "api", "digest": "sha256:1a2b3c4d5e6f",
                "by": "ada (U024BE7LH)",
            })
        );
        assert_eq!(event.request_id, id);
        assert!(manual::parse_deploy(&event.payload).is_ok());
    }

    #[test]
    fn a_name_is_short_and_without_control_characters_and_the_id_alone_where_there_is_none() {
        let name = |name: Value| {
            let press = read(&with("/user/username", name)).unwrap();
            press.by.caller().name
        };
        assert_eq!(name(json!("a\u{7}da")), "ada (U024BE7LH)");
        assert_eq!(
            name(json!("x".repeat(500))).len(),
            80 + " (U024BE7LH)".len()
        );
        assert_eq!(name(json!(" ")), "U024BE7LH");
    }

    #[test]
    fn a_button_that_longshore_does_not_make_is_refused() {
        let value = |value: Value| with("/actions/0/value", json!(value.to_string()));
        let approve = json!({"stack": "shop", "service": "api", "digest": "sha256:1a2b3c4d5e6f"});
        let with_field = |name: &str, field: Value| {
            let mut approve = approve.clone();
            approve[name] = field;
            value(approve)
        };
        for (interaction, expected) in [
            (with("/type", json!("view_submission")), "block_actions"),
            (with("/actions", json!([])), "none of the buttons"),
            (
                with("/actions/0/action_id", json!("longshore:deploy")),
                "none of the buttons",
            ),
            (
                with("/actions/0/action_id", json!("approve")),
                "none of the buttons",
            ),
            (with("/actions/0/value", Value::Null), "missing"),
            (value(json!(["shop"])), "expected an object"),
            (with_field("action", json!("deploy")), "field `action`"),
            (with_field("by", json!("somebody else")), "field `by`"),
            (
                with_field("image", json!("evil:v1")),
                "unknown field `image`",
            ),
            (with_field("stack", json!("../shop")), "without a slash"),
            (
                value(json!({"stack": "shop", "service": "api"})),
                "names no image",
            ),
            (with("/user/id", json!("ada")), "field `user.id`"),
        ] {
            let error = read(&interaction).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        for body in [&b"payload=hunter2"[..], b"", b"text=hello", b"payload=%ff"] {
            assert!(Press::read(body).is_err());
        }
    }

    #[test]
    fn a_rollback_names_what_it_goes_back_from() {
        let rollback = |value: Value| {
            let mut interaction = with("/actions/0/action_id", json!("longshore:rollback"));
            interaction["actions"][0]["value"] = json!(value.to_string());
            read(&interaction)
        };
        assert!(rollback(json!({"stack": "shop", "service": "api"})).is_err());
        let press = rollback(json!({"stack": "shop", "service": "api", "from": 42})).unwrap();
        assert_eq!(press.payload["from"], 42);
    }
}
