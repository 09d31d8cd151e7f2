//! What is kept of a topic's message, and what to do about that message: post it, edit it, wait, or nothing.

use chrono::{DateTime, TimeDelta, Utc};
use longshore_state::doctor::{Documents, check, not_a_key};
use longshore_state::store::Address;
use longshore_state::{Document, Key};
use serde::{Deserialize, Serialize};

use super::topic::{Stage, Topic};
use crate::message::Message;

/// How the keys of all [`KeptMessage`] begin.
const MESSAGES: &str = "messages/";

/// The documents of this crate.
pub const DOCUMENTS: Documents = Documents {
    prefixes: &[MESSAGES],
    problem,
};

/// Who claims to post a topic's message has this long; after it, whoever comes next posts it. Longer than
/// an invocation of `notify` may take, and shorter than Lambda takes to come again after one that died.
const CLAIM: TimeDelta = TimeDelta::seconds(90);

/// What is kept of a topic's message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptMessage {
    /// The latest stage that is known.
    pub stage: Stage,
    /// What it says.
    pub message: Message,
    /// Where it is in Slack.
    pub place: PostState,
}

/// Where a topic's message is in Slack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum PostState {
    /// Somebody posts it now.
    Claimed {
        /// Until then nobody else does.
        until: DateTime<Utc>,
    },
    Posted(PostedMessage),
    /// A webhook has posted it: Slack does not say what it calls that message.
    Sent,
}

/// What Slack calls a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostedMessage {
    pub channel: String,
    /// Its `ts`, which is its id in the channel.
    pub ts: String,
}

impl KeptMessage {
    /// The same, claimed at `now` by somebody who posts it anew.
    pub(crate) fn claimed(self, now: DateTime<Utc>) -> Self {
        Self {
            place: PostState::Claimed { until: now + CLAIM },
            ..self
        }
    }

    /// The same, to be posted by whoever comes next.
    pub(crate) fn released(self, now: DateTime<Utc>) -> Self {
        Self {
            place: PostState::Claimed { until: now },
            ..self
        }
    }
}

impl Document for KeptMessage {}

impl Key for Topic {
    type Document = KeptMessage;

    fn address(&self) -> Address {
        Address::of_state(format!("{MESSAGES}{}/{}.json", self.kind, self.id))
    }

    fn subject(&self) -> String {
        format!("where the message of {self} is in slack")
    }
}

fn problem(key: &str, body: Vec<u8>) -> Option<String> {
    let topic = key
        .strip_prefix(MESSAGES)
        .and_then(|topic| topic.strip_suffix(".json")?.split_once('/'));
    match topic {
        Some(("deployment" | "stack" | "sync" | "digest", id)) if !id.is_empty() => {
            check(body, |_: &KeptMessage| None)
        }
        _ => Some(not_a_key()),
    }
}

/// What somebody is to be notified of.
pub(crate) struct Notice {
    pub(crate) topic: Topic,
    pub(crate) stage: Stage,
    pub(crate) message: Message,
    pub(crate) only_as_edit: bool,
    pub(crate) asks_somebody: bool,
}

/// What to do about a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// There is nothing to edit.
    Ignore,
    /// Somebody posts it now: look again soon.
    Wait,
    /// It is posted, and cannot be edited.
    Leave,
    /// Keep this claim, then post.
    Post(KeptMessage),
    /// Edit it to what is kept, after that was written where it is new.
    Edit {
        kept: KeptMessage,
        posted: PostedMessage,
        is_new: bool,
    },
}

/// Decides what to do about a message when `kept` is known of it.
///
/// Whoever comes late edits the message as well, to what is newer: the one who knew that may have died
/// before it had said so.
pub(crate) fn step(kept: Option<&KeptMessage>, notice: &Notice, now: DateTime<Utc>) -> Step {
    let latest = KeptMessage {
        stage: notice.stage,
        message: notice.message.clone(),
        place: PostState::Claimed { until: now },
    };
    let Some(kept) = kept else {
        return if notice.only_as_edit {
            Step::Ignore
        } else {
            Step::Post(latest.claimed(now))
        };
    };
    let is_new = notice.stage > kept.stage;
    match &kept.place {
        PostState::Claimed { .. } if notice.only_as_edit => Step::Ignore,
        PostState::Claimed { until } if now < *until => Step::Wait,
        PostState::Claimed { .. } if is_new => Step::Post(latest.claimed(now)),
        PostState::Claimed { .. } => Step::Post(kept.clone().claimed(now)),
        PostState::Sent => Step::Leave,
        PostState::Posted(_) if is_new && notice.asks_somebody => Step::Post(latest.claimed(now)),
        PostState::Posted(posted) => Step::Edit {
            kept: if is_new {
                KeptMessage {
                    place: kept.place.clone(),
                    ..latest
                }
            } else {
                kept.clone()
            },
            posted: posted.clone(),
            is_new,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::topic::Rank;
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn message(text: &str) -> Message {
        Message::new(text.to_owned(), Vec::new())
    }

    fn notice(rank: Rank, seconds: i64) -> Notice {
        Notice {
            topic: Topic {
                kind: "deployment",
                id: "1".to_owned(),
            },
            stage: Stage {
                rank,
                at: at(seconds),
            },
            message: message("posted"),
            only_as_edit: false,
            asks_somebody: false,
        }
    }

    fn posted() -> PostedMessage {
        PostedMessage {
            channel: "C1".to_owned(),
            ts: "1.2".to_owned(),
        }
    }

    fn kept(rank: Rank, seconds: i64, place: PostState) -> KeptMessage {
        KeptMessage {
            stage: Stage {
                rank,
                at: at(seconds),
            },
            message: message("kept"),
            place,
        }
    }

    #[test]
    fn the_first_who_posts_about_a_topic_claims_its_message() {
        let Step::Post(claim) = step(None, &notice(Rank::Ended, 1), at(5)) else {
            panic!("not posted");
        };
        assert_eq!(claim.message, message("posted"));
        assert_eq!(claim.place, PostState::Claimed { until: at(95) });
    }

    #[test]
    fn while_somebody_posts_it_the_others_wait() {
        let claim = kept(Rank::Began, 0, PostState::Claimed { until: at(90) });
        assert_eq!(
            step(Some(&claim), &notice(Rank::Ended, 1), at(89)),
            Step::Wait
        );
    }

    #[test]
    fn a_message_that_nobody_came_to_post_is_posted_by_the_next_with_what_is_newest() {
        for (rank, expected) in [(Rank::Began, "kept"), (Rank::Ended, "posted")] {
            let claim = kept(Rank::GoesOn, 0, PostState::Claimed { until: at(90) });
            let Step::Post(claim) = step(Some(&claim), &notice(rank, 1), at(90)) else {
                panic!("not posted");
            };
            assert_eq!(claim.message, message(expected));
            assert_eq!(claim.place, PostState::Claimed { until: at(180) });
        }
    }

    #[test]
    fn a_later_stage_replaces_an_earlier_one_and_never_the_other_way_round() {
        for (before, after, expected) in [
            ((Rank::Began, 0), (Rank::GoesOn, 1), "posted"),
            ((Rank::Began, 9), (Rank::Ended, 1), "posted"),
            ((Rank::GoesOn, 1), (Rank::GoesOn, 2), "posted"),
            ((Rank::GoesOn, 2), (Rank::GoesOn, 1), "kept"),
            ((Rank::Ended, 1), (Rank::GoesOn, 9), "kept"),
            ((Rank::Ended, 1), (Rank::Began, 0), "kept"),
        ] {
            let kept = kept(before.0, before.1, PostState::Posted(posted()));
            let Step::Edit { kept, is_new, .. } =
                step(Some(&kept), &notice(after.0, after.1), at(10))
            else {
                panic!("not edited");
            };
            assert_eq!(kept.message, message(expected), "{before:?} {after:?}");
            assert_eq!(is_new, expected == "posted");
            assert_eq!(kept.place, PostState::Posted(posted()));
        }
    }

    #[test]
    fn what_comes_twice_is_written_once_and_posted_again() {
        let kept = kept(Rank::Ended, 1, PostState::Posted(posted()));
        assert_eq!(
            step(Some(&kept), &notice(Rank::Ended, 1), at(10)),
            Step::Edit {
                kept: kept.clone(),
                posted: posted(),
                is_new: false,
            }
        );
    }

    #[test]
    fn what_a_webhook_has_posted_is_left_as_it_is() {
        let kept = kept(Rank::Ended, 1, PostState::Sent);
        for seconds in [1, 2] {
            let notice = notice(Rank::Ended, seconds);
            assert_eq!(step(Some(&kept), &notice, at(10)), Step::Leave);
        }
    }

    #[test]
    fn what_is_only_an_edit_waits_for_nobody_and_posts_nothing() {
        let mut notice = notice(Rank::GoesOn, 1);
        notice.only_as_edit = true;
        assert_eq!(step(None, &notice, at(10)), Step::Ignore);
        for until in [at(5), at(90)] {
            let claim = kept(Rank::Began, 0, PostState::Claimed { until });
            assert_eq!(step(Some(&claim), &notice, at(10)), Step::Ignore);
        }
        let kept = kept(Rank::Began, 0, PostState::Posted(posted()));
        assert!(matches!(
            step(Some(&kept), &notice, at(10)),
            Step::Edit { is_new: true, .. }
        ));
    }

    #[test]
    fn what_is_kept_is_read_back_as_it_was_written() {
        for place in [
            PostState::Claimed { until: at(3) },
            PostState::Posted(posted()),
            PostState::Sent,
        ] {
            let kept = kept(Rank::GoesOn, 2, place);
            let written = serde_json::to_string(&kept).unwrap();
            assert_eq!(serde_json::from_str::<KeptMessage>(&written).unwrap(), kept);
        }
    }
}
