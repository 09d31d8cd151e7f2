//! Notifying people of an event: the secret, the destination, the message.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use longshore_events::longshore::LongshoreEvent;
use longshore_state::{CallError, DocumentStore, ErrorClass, Version, load, save, unless_lost};

use super::button_users::ButtonUsers;
use super::channels::Channels;
use super::destination::{Destination, InvalidSecret};
use super::kept::{KeptMessage, Notice, PostState, Step, step};
use super::ports::{MessagePoster, SecretError, SecretText};
use super::topic::{Topic, asks_somebody, is_only_an_edit, is_posted_once};
use super::trouble::PostError;
use crate::message::{Console, Message, message};

/// How long to wait before looking again whether somebody else has posted.
const LOOK_AGAIN: Duration = Duration::from_millis(300);

/// Why a message was not posted.
#[derive(Debug, thiserror::Error)]
pub enum AnnounceError {
    /// The secret could not be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The time was over before the secret had been read.
    #[error("read secret {0}: no answer in the time left")]
    SecretTimeout(String),
    /// The secret says no destination.
    #[error("read secret {name}: {problem}")]
    Destination {
        /// The secret's name.
        name: String,
        /// What is wrong with it.
        problem: InvalidSecret,
    },
    /// Slack did not take the message.
    #[error(transparent)]
    Post(#[from] PostError),
    /// What is kept of the message in Slack could not be read or written.
    #[error("find the message of {topic} in slack: {problem}")]
    Store {
        /// What the message is about.
        topic: Topic,
        /// What failed.
        problem: CallError,
    },
    /// Somebody else posts the message, or edits it all the time.
    #[error(
        "find the message of {0} in slack: somebody else works on it, and there is no time left"
    )]
    Busy(Topic),
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotifyOutcome {
    /// A message was posted.
    Posted,
    /// The message that is about the same was edited.
    Edited,
    /// The message that is about the same says something newer already.
    Outdated,
    /// Nobody is notified: not of this event at all, or not without a message to edit.
    Ignored,
}

/// What is left of the time, and what time it is.
struct Clock {
    now: DateTime<Utc>,
    began: Instant,
    time_left: Duration,
}

impl Clock {
    fn new(now: DateTime<Utc>, time_left: Duration) -> Self {
        Self {
            now,
            began: Instant::now(),
            time_left,
        }
    }

    fn left(&self) -> Duration {
        self.time_left.saturating_sub(self.began.elapsed())
    }

    fn now(&self) -> DateTime<Utc> {
        TimeDelta::from_std(self.began.elapsed())
            .ok()
            .and_then(|elapsed| self.now.checked_add_signed(elapsed))
            .unwrap_or(self.now)
    }
}

/// Posts messages in Slack. Reads the secret once and keeps it for as long as Slack takes it.
pub struct Announcer<Secret, Poster> {
    secret: Secret,
    poster: Poster,
    channels: Mutex<Option<Channels>>,
    console: Console,
    button_users: ButtonUsers,
}

impl<Secret: SecretText, Poster: MessagePoster> Announcer<Secret, Poster> {
    /// An announcer that has not read its secret yet.
    pub fn new(secret: Secret, poster: Poster) -> Self {
        Self {
            secret,
            poster,
            channels: Mutex::new(None),
            console: Console::default(),
            button_users: ButtonUsers::default(),
        }
    }

    /// The same, whose messages have links into AWS's console.
    #[must_use]
    pub fn with_console(self, console: Console) -> Self {
        Self { console, ..self }
    }

    /// The same, whose messages have buttons for what somebody may do with them.
    #[must_use]
    pub fn with_buttons(self, button_users: ButtonUsers) -> Self {
        Self {
            button_users,
            ..self
        }
    }

    /// Posts `message`, for at most `time_left` in all.
    ///
    /// Secrets rotate: where Slack says that a destination which was read earlier is not valid, the secret
    /// is read again, and a destination that is new is tried.
    ///
    /// # Errors
    /// [`AnnounceError`]; nothing that it says holds the webhook's URL or the bot's token.
    pub async fn announce(
        &self,
        message: &Message,
        time_left: Duration,
    ) -> Result<(), AnnounceError> {
        let clock = Clock::new(DateTime::UNIX_EPOCH, time_left);
        let (channels, is_fresh) = self.channels(&clock).await?;
        let post = async |channels: &Channels| {
            let destination = channels.default_destination();
            let posted = self.post(destination, message, &clock).await;
            posted.map(drop).map_err(AnnounceError::from)
        };
        match post(&channels).await {
            Err(error) if !is_fresh && is_of_destination(&error) => {
                post(&self.renewed(&channels, error, &clock).await?).await
            }
            outcome => outcome,
        }
    }

    /// Posts `event`, for at most `time_left` in all: a webhook by a message, a bot by a message for each
    /// [`Topic`], which is edited as it goes. What is known of these messages is kept in `messages`, and that a webhook
    /// has posted what people are to hear of once. A
    /// destination that was read earlier and is not valid any more is read again as in
    /// [`Self::announce`].
    ///
    /// `now` decides whether somebody who claimed to post a message still may come.
    ///
    /// # Errors
    /// [`AnnounceError`]; nothing that it says holds the webhook's URL or the bot's token.
    pub async fn notify<Store: DocumentStore>(
        &self,
        event: &LongshoreEvent,
        messages: &Store,
        now: DateTime<Utc>,
        time_left: Duration,
    ) -> Result<NotifyOutcome, AnnounceError> {
        let Some(message) = message(event, &self.console) else {
            return Ok(NotifyOutcome::Ignored);
        };
        let clock = Clock::new(now, time_left);
        let only_as_edit = is_only_an_edit(event);
        let notify = async |channels: &Channels| {
            let channel = channels.of(event);
            let destination = &channel.destination;
            let message = channel
                .addressed(message.clone(), event)
                .with_buttons(event, |action| self.button_users.has_somebody(action));
            let notice = Topic::of(event).map(|(topic, stage)| Notice {
                topic,
                stage,
                message: message.clone(),
                only_as_edit,
                asks_somebody: asks_somebody(event) || channel.mentions_somebody(event),
            });
            let is_kept = matches!(destination, Destination::Bot(_)) || is_posted_once(event);
            if let Some(notice) = notice.filter(|_| is_kept) {
                let kept = self.keep_up(destination, &notice, messages, &clock);
                match kept.await {
                    // Where its message is in Slack is not known: another one is posted.
                    Err(AnnounceError::Store { topic, problem })
                        if problem.class == ErrorClass::Unreadable =>
                    {
                        tracing::error!(topic = %topic, %problem, "a message beside the one that is not known");
                    }
                    outcome => return outcome,
                }
            }
            if only_as_edit {
                return Ok(NotifyOutcome::Ignored);
            }
            self.post(destination, &message, &clock).await?;
            Ok(NotifyOutcome::Posted)
        };
        let (channels, is_fresh) = self.channels(&clock).await?;
        match notify(&channels).await {
            Err(error) if !is_fresh && is_of_destination(&error) => {
                notify(&self.renewed(&channels, error, &clock).await?).await
            }
            outcome => outcome,
        }
    }

    /// Posts a message, and answers where it is.
    async fn post(
        &self,
        destination: &Destination,
        message: &Message,
        clock: &Clock,
    ) -> Result<PostState, PostError> {
        let left = clock.left();
        Ok(match destination {
            Destination::Webhook(webhook) => {
                self.poster.post(webhook, message, left).await?;
                PostState::Sent
            }
            Destination::Bot(bot) => {
                PostState::Posted(self.poster.post_as_bot(bot, message, left).await?)
            }
        })
    }

    /// Updates the message of a topic to what is newest.
    async fn keep_up<Store: DocumentStore>(
        &self,
        destination: &Destination,
        notice: &Notice,
        messages: &Store,
        clock: &Clock,
    ) -> Result<NotifyOutcome, AnnounceError> {
        let topic = &notice.topic;
        let failed = |problem| AnnounceError::Store {
            topic: topic.clone(),
            problem,
        };
        while !clock.left().is_zero() {
            let (known, version) = load(messages, topic).await.map_err(failed)?.unzip();
            match step(known.as_ref(), notice, clock.now()) {
                Step::Ignore => return Ok(NotifyOutcome::Ignored),
                Step::Leave => return Ok(NotifyOutcome::Outdated),
                Step::Wait => tokio::time::sleep(LOOK_AGAIN.min(clock.left())).await,
                Step::Post(claim) => {
                    let saved = save(messages, topic, &claim, version.as_ref()).await;
                    if let Some(version) = unless_lost(saved).map_err(failed)? {
                        return self
                            .post_claimed(destination, topic, claim, &version, messages, clock)
                            .await;
                    }
                }
                Step::Edit {
                    kept,
                    posted,
                    is_new,
                } => {
                    // A bot posted it, and there is none any more.
                    let Destination::Bot(bot) = destination else {
                        return Ok(NotifyOutcome::Outdated);
                    };
                    // Written before it is shown: whoever comes meanwhile must not show an older stage.
                    let version = if is_new {
                        let saved = save(messages, topic, &kept, version.as_ref()).await;
                        match unless_lost(saved).map_err(failed)? {
                            Some(version) => Some(version),
                            None => continue,
                        }
                    } else {
                        version
                    };
                    match self
                        .poster
                        .edit(bot, &posted, &kept.message, clock.left())
                        .await
                    {
                        Ok(()) => {}
                        Err(PostError::MessageGone(answer)) => {
                            tracing::info!(topic = %topic, answer, "the message is gone, posting another");
                            let claim = kept.claimed(clock.now());
                            let saved = save(messages, topic, &claim, version.as_ref()).await;
                            match unless_lost(saved).map_err(failed)? {
                                Some(version) => {
                                    return self
                                        .post_claimed(
                                            destination,
                                            topic,
                                            claim,
                                            &version,
                                            messages,
                                            clock,
                                        )
                                        .await;
                                }
                                None => continue,
                            }
                        }
                        Err(error) => return Err(error.into()),
                    }
                    // Somebody who knew something newer may have edited before this edit arrived.
                    let (_, latest) = load(messages, topic).await.map_err(failed)?.unzip();
                    if latest == version {
                        return Ok(if kept.stage == notice.stage {
                            NotifyOutcome::Edited
                        } else {
                            NotifyOutcome::Outdated
                        });
                    }
                }
            }
        }
        Err(AnnounceError::Busy(topic.clone()))
    }

    /// Posts what is claimed, and keeps where it is.
    async fn post_claimed<Store: DocumentStore>(
        &self,
        destination: &Destination,
        topic: &Topic,
        claim: KeptMessage,
        version: &Version,
        messages: &Store,
        clock: &Clock,
    ) -> Result<NotifyOutcome, AnnounceError> {
        let outcome = self.post(destination, &claim.message, clock).await;
        let (kept, outcome) = match outcome {
            Ok(place) => (KeptMessage { place, ..claim }, Ok(NotifyOutcome::Posted)),
            // The next one need not wait until the claim is over.
            Err(error) => (claim.released(clock.now()), Err(error.into())),
        };
        if let Err(problem) = save(messages, topic, &kept, Some(version)).await {
            // The message is posted, or its error is returned; at worst it is posted a second time.
            tracing::warn!(topic = %topic, %problem, "where the message is in slack could not be kept");
        }
        outcome
    }

    /// Where messages go, and whether that was read just now.
    async fn channels(&self, clock: &Clock) -> Result<(Channels, bool), AnnounceError> {
        let known = self
            .channels
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        match known {
            Some(channels) => Ok((channels, false)),
            None => Ok((self.read(clock).await?, true)),
        }
    }

    /// Where messages go by the secret as it is now; `error`, if that is what was not taken.
    async fn renewed(
        &self,
        used: &Channels,
        error: AnnounceError,
        clock: &Clock,
    ) -> Result<Channels, AnnounceError> {
        let channels = self.read(clock).await?;
        if channels == *used {
            return Err(error);
        }
        tracing::info!("the secret of the slack webhook has changed, using the new one");
        Ok(channels)
    }

    async fn read(&self, clock: &Clock) -> Result<Channels, AnnounceError> {
        let name = || self.secret.name().to_owned();
        let text = tokio::time::timeout(clock.left(), self.secret.read())
            .await
            .map_err(|_| AnnounceError::SecretTimeout(name()))??;
        let channels =
            Channels::from_secret(&text).map_err(|problem| AnnounceError::Destination {
                name: name(),
                problem,
            })?;
        *self.channels.lock().unwrap_or_else(PoisonError::into_inner) = Some(channels.clone());
        Ok(channels)
    }
}

/// Whether another destination may be the remedy.
fn is_of_destination(error: &AnnounceError) -> bool {
    matches!(
        error,
        AnnounceError::Post(PostError::WebhookInvalid { .. } | PostError::BotInvalid(_))
    )
}
