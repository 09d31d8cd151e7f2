//! Which stack's and which service's messages go where, and whom they mention.

use std::collections::BTreeMap;
use std::fmt;

use longshore_events::longshore::{FailedPhase, LongshoreEvent, WaitReason};
use longshore_events::subject::Subject;
use serde_json::{Map, Value};

use super::destination::{Destination, InvalidSecret, webhook};
use crate::message::Message;

/// Somebody whom Slack notifies of a message that mentions them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention(String);

impl Mention {
    /// A member (`U…`, `W…`), a group of users (`S…`), or everybody who is in the channel: `here`, `channel`.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let is_id = text.len() > 1
            && text
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        match text {
            "here" | "channel" => Some(Self(format!("<!{text}>"))),
            _ if is_id && text.starts_with(['U', 'W']) => Some(Self(format!("<@{text}>"))),
            _ if is_id && text.starts_with('S') => Some(Self(format!("<!subteam^{text}>"))),
            _ => None,
        }
    }
}

impl fmt::Display for Mention {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Where messages go, and whom those mention that somebody must act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channels {
    /// Of everything that no route is for.
    default: Channel,
    /// By stack, `shop`, or by service, `shop/api`.
    routes: BTreeMap<String, Channel>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Channel {
    pub(super) destination: Destination,
    pub(super) mentions: Vec<Mention>,
}

impl Channels {
    /// Reads the text of a secret: where messages go as [`Destination::from_secret`] reads it, and beside it `mentions` and
    /// `routes`, of which each has `mentions`, and `channel` or `webhook_url`.
    ///
    /// # Errors
    /// [`InvalidSecret`] for anything else.
    pub fn from_secret(secret: &str) -> Result<Self, InvalidSecret> {
        let destination = Destination::from_secret(secret)?;
        let fields: Map<String, Value> = match secret.trim().starts_with('{') {
            true => serde_json::from_str(secret).map_err(|_| InvalidSecret::NotJson)?,
            false => Map::new(),
        };
        let default = Channel {
            destination,
            mentions: mentions(&fields)?.unwrap_or_default(),
        };
        let routes = match fields.get("routes") {
            None => BTreeMap::new(),
            Some(Value::Object(routes)) => {
                let routes = routes.iter().map(|(name, route)| {
                    let route = route.as_object().ok_or(InvalidSecret::NoRoute)?;
                    Ok((name.clone(), default.with(route)?))
                });
                routes.collect::<Result<_, InvalidSecret>>()?
            }
            Some(_) => return Err(InvalidSecret::NoRoute),
        };
        Ok(Self { default, routes })
    }

    /// Where messages go that are about no stack.
    pub(super) fn default_destination(&self) -> &Destination {
        &self.default.destination
    }

    /// Where the message of an event goes: the service's route, or else its stack's.
    pub(super) fn of(&self, event: &LongshoreEvent) -> &Channel {
        let Subject { stack, service, .. } = Subject::of(event);
        let service = stack
            .zip(service)
            .and_then(|(stack, service)| self.routes.get(&format!("{stack}/{service}")));
        let stack = || self.routes.get(stack?);
        service.or_else(stack).unwrap_or(&self.default)
    }
}

impl Channel {
    /// The same, but for what a route says.
    fn with(&self, route: &Map<String, Value>) -> Result<Self, InvalidSecret> {
        let known = ["channel", "webhook_url", "mentions"];
        if route.keys().any(|name| !known.contains(&name.as_str())) {
            return Err(InvalidSecret::NoRoute);
        }
        let text = |name: &str| match route.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if !text.trim().is_empty() => Ok(Some(text.trim())),
            Some(_) => Err(InvalidSecret::NoRoute),
        };
        let destination = match (&self.destination, text("channel")?, text("webhook_url")?) {
            (destination, None, None) => destination.clone(),
            (Destination::Bot(bot), Some(channel), None) => {
                Destination::Bot(bot.in_channel(channel))
            }
            (Destination::Webhook(_), None, Some(url)) => webhook(url)?,
            // A webhook posts to its own channel, and a bot is not asked to post past itself.
            _ => return Err(InvalidSecret::NoRoute),
        };
        Ok(Self {
            destination,
            mentions: mentions(route)?.unwrap_or_else(|| self.mentions.clone()),
        })
    }

    /// `message` as it is posted here: one that somebody must act on mentions whom the secret says.
    pub(super) fn addressed(&self, message: Message, event: &LongshoreEvent) -> Message {
        if self.mentions.is_empty() || !needs_somebody(event) {
            return message;
        }
        let mentions: Vec<String> = self.mentions.iter().map(Mention::to_string).collect();
        message.with_section(mentions.join(" "))
    }

    /// Whether an event mentions somebody here: they hear of a new message, and not of an edit.
    pub(super) fn mentions_somebody(&self, event: &LongshoreEvent) -> bool {
        !self.mentions.is_empty() && needs_somebody(event)
    }
}

fn mentions(fields: &Map<String, Value>) -> Result<Option<Vec<Mention>>, InvalidSecret> {
    let Some(mentions) = fields.get("mentions") else {
        return Ok(None);
    };
    let mentions = mentions.as_array().ok_or(InvalidSecret::NoMention)?;
    let mentions = mentions.iter().map(|mention| {
        let text = mention.as_str().ok_or(InvalidSecret::NoMention)?;
        Mention::parse(text).ok_or(InvalidSecret::NoMention)
    });
    mentions.collect::<Result<_, _>>().map(Some)
}

/// Whether somebody must act, or look: a request for approval, and what did not end well.
fn needs_somebody(event: &LongshoreEvent) -> bool {
    match event {
        LongshoreEvent::DeploymentWaiting(event) => event.reason == WaitReason::Approval,
        // How it ends is said once it has: while ECS restores what ran, nobody must act.
        LongshoreEvent::DeploymentFailed(event) => {
            !event.rolling_back || event.phase != FailedPhase::Rollout
        }
        LongshoreEvent::DeploymentRolledBack(_)
        | LongshoreEvent::ImageMissing(_)
        | LongshoreEvent::ScheduledTaskFailed(_)
        | LongshoreEvent::DocumentUnreadable(_)
        | LongshoreEvent::ReleaseRefused(_)
        | LongshoreEvent::StackFailed(_)
        | LongshoreEvent::StackFileRefused(_)
        | LongshoreEvent::SyncFailed(_)
        | LongshoreEvent::SyncRefused(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use longshore_events::longshore::{OperationKind, Source};
    use serde_json::json;

    use super::*;
    use crate::message::{Console, message};
    use crate::samples::{failed, held, rolled_back, stack_failed, started};

    fn channels(secret: &Value) -> Channels {
        Channels::from_secret(&secret.to_string()).unwrap()
    }

    fn channel(channels: &Channels, event: &LongshoreEvent) -> String {
        match &channels.of(event).destination {
            Destination::Bot(bot) => bot.channel().to_owned(),
            Destination::Webhook(_) => "a webhook".to_owned(),
        }
    }

    #[test]
    fn a_message_goes_to_the_channel_of_its_service_or_else_of_its_stack() {
        let channels = channels(&json!({
            "bot_token": "xoxb-1", "channel": "C0",
            "routes": {
                "shop": {"channel": "C1"},
                "shop/api": {"channel": "C2"},
            },
        }));
        assert_eq!(channel(&channels, &started(Source::Push)), "C2");
        // Of several services.
        assert_eq!(channel(&channels, &held(None)), "C1");
        let other = stack_failed(OperationKind::Apply, "UPDATE_ROLLBACK_COMPLETE");
        assert_eq!(channel(&channels, &other), "C0");
        assert_eq!(
            channels.default_destination(),
            &channels.default.destination
        );
    }

    #[test]
    fn only_what_somebody_must_act_on_mentions_them() {
        let channels = channels(&json!({
            "bot_token": "xoxb-1", "channel": "C0", "mentions": ["here"],
            "routes": {"shop/api": {"mentions": ["U012AB3CD", "S0123"]}},
        }));
        let shown = |event: &LongshoreEvent| {
            let message = message(event, &Console::default()).unwrap();
            let addressed = channels.of(event).addressed(message, event);
            serde_json::to_string(&addressed).unwrap()
        };
        let mentioned = "<@U012AB3CD> <!subteam^S0123>";
        assert!(shown(&rolled_back()).contains(mentioned));
        assert!(shown(&failed(false, Vec::new())).contains(mentioned));
        for event in [started(Source::Push), failed(true, Vec::new())] {
            assert!(!shown(&event).contains("<@"), "{}", shown(&event));
            assert!(!channels.of(&event).mentions_somebody(&event));
        }
        let stack = stack_failed(OperationKind::Apply, "UPDATE_ROLLBACK_COMPLETE");
        assert!(shown(&stack).contains("<!here>"));
    }

    #[test]
    fn what_is_no_route_and_no_mention_is_refused_without_being_shown() {
        let bot = json!({"bot_token": "xoxb-hunter2", "channel": "C0"});
        for (member, value, expected) in [
            ("routes", json!([]), InvalidSecret::NoRoute),
            ("routes", json!({"shop": "C1"}), InvalidSecret::NoRoute),
            (
                "routes",
                json!({"shop": {"chanel": "C1"}}),
                InvalidSecret::NoRoute,
            ),
            (
                "routes",
                json!({"shop": {"webhook_url": "https://hooks.slack.com/services/hunter2"}}),
                InvalidSecret::NoRoute,
            ),
            ("mentions", json!("here"), InvalidSecret::NoMention),
            ("mentions", json!(["@ada"]), InvalidSecret::NoMention),
            (
                "mentions",
                json!(["everyone> <https://hunter2"]),
                InvalidSecret::NoMention,
            ),
        ] {
            let mut secret = bot.clone();
            secret[member] = value;
            let error = Channels::from_secret(&secret.to_string()).unwrap_err();
            assert_eq!(error, expected, "{secret}");
            assert!(!format!("{error} {error:?}").contains("hunter"));
        }
    }

    #[test]
    fn a_stack_may_have_a_webhook_of_its_own() {
        let url = "https://hooks.slack.com/services/T/B/own";
        let channels = channels(&json!({
            "webhook_url": "https://hooks.slack.com/services/T/B/all",
            "routes": {"shop": {"webhook_url": url}},
        }));
        let own = &channels.of(&started(Source::Push)).destination;
        assert_eq!(*own, Destination::from_secret(url).unwrap());
        assert_ne!(own, channels.default_destination());
    }
}
