//! What all messages are put together from.

use chrono::{DateTime, Utc};
use longshore_events::longshore::Caller;

use super::blocks::{Block, Message};
use super::text::{code, date, line, link, quote};
use crate::words::{Asker, reason_or_none};

/// Room for what a headline is about; the rest of [`super::HEADER_TEXT`] is for its symbol and words.
pub(super) const SUBJECT: usize = 110;
/// Room for one name.
pub(super) const NAME: usize = 180;
/// Room for a key of the state bucket.
pub(super) const KEY: usize = 300;
/// Room for the reason of a failure.
const REASON: usize = 700;
/// Room for what somebody says of it.
const NOTE: usize = 600;
const NOTE_LINES: usize = 10;
/// Room for a command that is to be copied: it holds two names.
const COMMAND: usize = 500;

/// A message, in the parts that all messages have. All texts are escaped already.
#[derive(Default)]
pub(super) struct Draft {
    /// What happened, and to what. What happened comes first, so that a cut never takes it away.
    pub(super) headline: String,
    /// How the headline goes on where it is all that is shown.
    pub(super) rest: String,
    pub(super) facts: Vec<String>,
    pub(super) paragraphs: Vec<String>,
    /// What the one who asked says.
    pub(super) note: Option<String>,
    /// Where to look further.
    pub(super) context: Vec<String>,
}

impl Draft {
    /// As a message with a header.
    pub(super) fn message(self) -> Message {
        let mut blocks = vec![
            Block::header(self.headline.clone()),
            Block::section(self.facts.join("\n")),
        ];
        blocks.extend(self.paragraphs.into_iter().map(Block::section));
        finish(self.headline, &self.rest, blocks, self.note, &self.context)
    }

    /// As a message that takes less room, of what needs nobody.
    pub(super) fn short_message(self) -> Message {
        let mut facts = vec![format!("*{}*", self.headline)];
        facts.extend(self.facts);
        let blocks = vec![Block::section(facts.join("\n"))];
        finish(self.headline, &self.rest, blocks, self.note, &self.context)
    }
}

fn finish(
    headline: String,
    rest: &str,
    mut blocks: Vec<Block>,
    note: Option<String>,
    context: &[String],
) -> Message {
    blocks.extend(note.map(Block::section));
    blocks.push(Block::context(context.join("  ·  ")));
    Message::new(headline + rest, blocks)
}

/// "*Image:* `shop/api:v3`".
pub(super) fn fact(name: &str, value: &str) -> String {
    format!("*{name}:* {value}")
}

/// "cluster `shop`".
pub(super) fn place(name: &str, value: &str) -> String {
    format!("{name} {}", code(value, NAME))
}

/// A message can be late: it may have waited for Slack, or in a dead-letter queue.
pub(super) fn asked_at(at: DateTime<Utc>) -> String {
    format!("asked for {}", date(at))
}

pub(super) fn asked_for_by(asker: &impl Asker) -> String {
    let who = asker.in_words(|name| code(name, KEY));
    fact("Asked for by", &format!("{who}{}", run(asker.caller())))
}

/// "`ada` (run)", whose run is a link.
pub(super) fn who(caller: &Caller) -> String {
    format!("{}{}", code(&caller.name, KEY), run(Some(caller)))
}

/// The page of the run of the pipeline that asked.
fn run(caller: Option<&Caller>) -> String {
    let url = caller.and_then(|caller| caller.run_url.as_deref());
    let linked = url.map(|url| link(url, "run")).filter(|run| run != "run");
    linked.map_or_else(String::new, |run| format!(" ({run})"))
}

/// A command that can be copied.
pub(super) fn command(text: &str) -> String {
    code(text, COMMAND)
}

/// `shop/api`, as a shell reads it: what is copied must not do anything else.
pub(super) fn shell_name(stack: &str, service: &str) -> String {
    shell_word(&format!("{stack}/{service}"))
}

pub(super) fn shell_word(name: &str) -> String {
    let is_plain = |character: char| {
        character.is_ascii_alphanumeric() || matches!(character, '/' | '.' | '-' | '_')
    };
    if name.chars().all(is_plain) {
        name.to_owned()
    } else {
        format!("'{}'", name.replace('\'', r"'\''"))
    }
}

/// What the one who asked says of it, as a quotation.
pub(super) fn note(asker: &impl Asker) -> Option<String> {
    asker.note().map(quoted_note)
}

pub(super) fn quoted_note(note: &str) -> String {
    quote(note, NOTE, NOTE_LINES)
}

pub(super) fn reason(reason: &str) -> String {
    line(reason_or_none(reason), REASON)
}

/// The file and its version, of what is wrong with a file.
pub(super) fn file(key: &str, version: Option<&str>) -> Vec<String> {
    let mut facts = vec![fact("File", &code(key, KEY))];
    facts.extend(version.map(|version| fact("Version", &code(version, NAME))));
    facts
}

/// `text` without a full stop, so that a sentence can go on or end with one of ours.
pub(super) fn without_stop(text: &str) -> &str {
    text.trim_end_matches('.')
}

/// `text` with a capital at its beginning.
pub(super) fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(characters).collect()
    })
}
