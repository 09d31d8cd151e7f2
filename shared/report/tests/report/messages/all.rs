//! What holds for all messages.

use std::collections::HashSet;

use longshore_events::longshore::{
    DeploymentStabilized, LongshoreEvent, OperationKind, ReconcileShard, RunsOn, SkipReason,
    Source, SyncSource, WaitReason,
};
use longshore_report::{
    BLOCKS, BUTTON_TEXT, BUTTON_VALUE, Block, Button, CONFIRM_TEXT, CONTEXT_ELEMENTS, Confirm,
    Console, HEADER_TEXT, MESSAGE_TEXT, SECTION_TEXT, Text,
};
use proptest::prelude::*;

use super::any::{any_event, any_message};
use super::scene::{
    Sample, busy_week, deployment, digest, every, failed, held, message, payload, refused, resumed,
    rolled_back, skipped, stack_applying, stack_failed, stack_ready, started, sync_failed,
    sync_planned, sync_progressed, task_failure, texts, waiting,
};

#[test]
fn what_only_longshore_must_know_is_not_posted() {
    let deployment = deployment(Source::Push);
    for event in [
        LongshoreEvent::DeploymentStabilized(DeploymentStabilized { deployment }),
        LongshoreEvent::ReconcileShard(ReconcileShard {
            shard: 0,
            shards: 2,
        }),
    ] {
        assert_eq!(longshore_report::message(&event, &Console::default()), None);
    }
}

/// The most frequent complaint about every tool in this field.
#[test]
fn a_rolled_back_deployment_never_reads_like_a_success() {
    for event in [
        rolled_back(),
        failed(true, Vec::new()),
        failed(false, Vec::new()),
        stack_failed(OperationKind::Apply, "UPDATE_ROLLBACK_COMPLETE"),
        stack_failed(OperationKind::Apply, ""),
        sync_failed(2),
    ] {
        let message = message(&event);
        for text in texts(&message) {
            let text = text.to_lowercase();
            for word in ["✅", "🚀", "succe", "is deployed"] {
                assert!(!text.contains(word), "{word} in {text}");
            }
        }
        assert!(message.text.contains("failed"), "{}", message.text);
    }
}

#[test]
fn each_kind_of_event_has_a_symbol_of_its_own() {
    let symbols: HashSet<char> = [
        stack_applying(OperationKind::Apply, payload(), [1, 0, 0, 0]),
        stack_applying(OperationKind::Destroy, payload(), [0, 0, 0, 1]),
        stack_ready(OperationKind::Apply, "CREATE_COMPLETE", payload()),
        stack_ready(OperationKind::Destroy, "DELETE_COMPLETE", payload()),
        started(Source::Push),
        started(Source::Rollback {
            to: 41,
            note: None,
            by: None,
        }),
        waiting(
            WaitReason::Held {
                note: None,
                by: None,
            },
            None,
        ),
        waiting(WaitReason::Frozen, None),
        waiting(WaitReason::Approval, None),
        waiting(
            WaitReason::Predecessors {
                services: Vec::new(),
            },
            None,
        ),
        skipped(SkipReason::AlreadyRunning),
        failed(true, Vec::new()),
        rolled_back(),
        refused("not JSON"),
        sync_planned(SyncSource::Schedule, RunsOn::Function, 0),
        sync_progressed(0),
        held(None),
        resumed(),
        digest(busy_week()),
    ]
    .iter()
    .filter_map(|event| message(event).text.chars().next())
    .collect();
    assert_eq!(symbols.len(), 19);
}

#[test]
fn a_note_cannot_mention_a_channel_or_look_like_ours() {
    let message = message(&started(Source::Manual {
        note: Some("<!channel>\n*Runs now:* <https://evil.example|shop/api:v9>".to_owned()),
        by: None,
    }));
    let texts = texts(&message);
    assert!(
        texts.contains(
            &"> &lt;!channel&gt;\n> *Runs now:* &lt;https://evil.example|shop/api:v9&gt;"
        )
    );
    for text in texts {
        assert!(!text.contains("<!channel"), "{text}");
        assert!(!text.contains("\n*Runs now"), "{text}");
    }
}

#[test]
fn a_blank_note_is_left_out() {
    let with = message(&started(Source::Manual {
        note: Some(" \n".to_owned()),
        by: None,
    }));
    let without = message(&started(Source::Manual {
        note: None,
        by: None,
    }));
    assert_eq!(with, without);
}

#[test]
fn what_is_cut_off_is_said() {
    let long = message(&refused(&"something is wrong with it\n".repeat(500)));
    let text = texts(&long).join("\n");
    assert!(text.contains("… and 460 more lines"), "{text}");
    let many = message(&failed(
        true,
        (0..200)
            .map(|number| task_failure(&number.to_string(), number))
            .collect(),
    ));
    let text = texts(&many).join("\n");
    assert!(text.contains("*200 tasks died:*"), "{text}");
    assert!(text.contains(" more tasks"), "{text}");
}

/// `text` without what is ours: dates that Slack shows in its reader's time, and links.
fn without_markup(text: &str) -> String {
    let mut rest = text;
    let mut kept = String::new();
    while let Some(start) = rest.find("<!date^").or_else(|| rest.find("<https://")) {
        let first = rest[..start].find("<https://").map_or(start, |link| link);
        let (before, markup) = rest.split_at(first);
        kept.push_str(before);
        let (target, label) = markup[1..].split_once('|').unwrap();
        assert!(!target.contains(['<', '>', '\n']), "{target}");
        let (label, after) = label.split_once('>').unwrap();
        kept.push_str(label);
        rest = after;
    }
    kept + rest
}

fn characters(text: &str) -> usize {
    text.encode_utf16().count()
}

proptest! {
    #[test]
    fn every_kind_that_people_hear_of_is_among_the_samples(event in any_event()) {
        if longshore_report::message(&event, &Console::default()).is_some() {
            let is_it = |sample: &Sample| sample.event.detail_type() == event.detail_type();
            prop_assert!(every().iter().any(is_it), "{}", event.detail_type());
        }
    }

    #[test]
    fn every_message_is_within_slacks_limits(message in any_message()) {
        prop_assert!(!message.text.trim().is_empty());
        prop_assert!(!message.blocks.is_empty() && message.blocks.len() <= BLOCKS);
        for block in &message.blocks {
            match block {
                Block::Header { text: Text::PlainText { text } } => {
                    prop_assert!(!text.trim().is_empty());
                    prop_assert!(characters(text) <= HEADER_TEXT, "{} in a header", characters(text));
                    prop_assert!(!text.contains('\n'));
                }
                Block::Header { text: Text::Mrkdwn { .. } } => {
                    prop_assert!(false, "a header takes plain text only");
                }
                Block::Section { text: Text::Mrkdwn { text, .. } | Text::PlainText { text } } => {
                    prop_assert!(!text.trim().is_empty());
                    prop_assert!(characters(text) <= SECTION_TEXT, "{} in a section", characters(text));
                }
                Block::Context { elements } => {
                    prop_assert!(!elements.is_empty() && elements.len() <= CONTEXT_ELEMENTS);
                    for Text::Mrkdwn { text, .. } | Text::PlainText { text } in elements {
                        prop_assert!(!text.trim().is_empty());
                        prop_assert!(characters(text) <= SECTION_TEXT);
                    }
                }
                Block::Actions { elements } => {
                    prop_assert!((1..=2).contains(&elements.len()));
                    for Button::Button { text, value, confirm, .. } in elements {
                        let Text::PlainText { text } = text else {
                            return Err(TestCaseError::fail("a button takes plain text only"));
                        };
                        prop_assert!(characters(text) <= BUTTON_TEXT);
                        prop_assert!(value.chars().count() <= BUTTON_VALUE);
                        if let Some(Confirm { text: Text::Mrkdwn { text, .. } | Text::PlainText { text }, .. }) = confirm {
                            prop_assert!(characters(text) <= CONFIRM_TEXT);
                        }
                    }
                }
            }
        }
        let sent = characters(&serde_json::to_string(&message).unwrap());
        prop_assert!(sent < MESSAGE_TEXT, "{sent} characters in all");
    }

    #[test]
    fn nothing_of_an_event_is_markup_of_slacks(message in any_message()) {
        for text in texts(&message) {
            // Quotation marks at the start of a line are ours.
            let unquoted: String = without_markup(text)
                .lines()
                .map(|line| line.strip_prefix("> ").unwrap_or(line))
                .collect();
            prop_assert!(!unquoted.contains(['<', '>']), "{unquoted}");
            for entity in unquoted.split('&').skip(1) {
                prop_assert!(
                    ["amp;", "lt;", "gt;"].iter().any(|known| entity.starts_with(known)),
                    "an escape that was cut in two in {unquoted}"
                );
            }
            prop_assert!(text.chars().all(|character| character == '\n' || !character.is_control()));
            let turns = |character: char| matches!(character, '\u{200b}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            prop_assert!(!text.contains(turns), "{text:?}");
        }
    }

    #[test]
    fn slack_makes_no_link_and_no_mention_of_what_somebody_writes(message in any_message()) {
        for block in &message.blocks {
            let texts = match block {
                Block::Header { text } | Block::Section { text } => std::slice::from_ref(text),
                Block::Context { elements } => elements,
                // Plain text, as its type says.
                Block::Actions { .. } => &[],
            };
            for text in texts {
                let sent = serde_json::to_value(text).unwrap();
                prop_assert!(sent["type"] == "plain_text" || sent["verbatim"] == true, "{sent}");
            }
        }
    }
}
