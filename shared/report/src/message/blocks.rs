//! The parts of Slack's Block Kit that our messages are made of, and its limits.
//!
//! Limits: Slack's Block Kit reference, pages "header", "section", "context", "button", "confirmation dialog" and "text object". Slack
//! also refuses about 13,200 characters of blocks in all, which its reference does not say.

use serde::{Deserialize, Serialize};

/// The most blocks that a message may have.
pub const BLOCKS: usize = 50;
/// The most characters in a header's text.
pub const HEADER_TEXT: usize = 150;
/// The most characters in a section's text, and in an element of a context.
pub const SECTION_TEXT: usize = 3_000;
/// The most elements in a context.
pub const CONTEXT_ELEMENTS: usize = 10;
/// The most characters in what a button says.
pub const BUTTON_TEXT: usize = 75;
/// The most characters in what a button sends. Slack takes 2,000; names in AWS are shorter than this allows.
pub const BUTTON_VALUE: usize = 600;
/// The most characters in the text of what is asked first.
pub const CONFIRM_TEXT: usize = 300;
/// Every message of ours stays under this many characters in all, as it is sent.
pub const MESSAGE_TEXT: usize = 12_000;

/// A message as an incoming webhook takes it. A bot's has a channel besides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// What notifications, screen readers and clients without blocks show. Never empty.
    pub text: String,
    /// What everyone else sees.
    pub blocks: Vec<Block>,
    /// Always false: a link in somebody's note must not push what happened off the screen.
    pub unfurl_links: bool,
    /// Always false, for the same reason.
    pub unfurl_media: bool,
}

impl Message {
    /// A message that shows `blocks`, and `text` where blocks cannot be shown.
    pub(crate) fn new(text: String, blocks: Vec<Block>) -> Self {
        Self {
            text,
            blocks,
            unfurl_links: false,
            unfurl_media: false,
        }
    }
}

impl Message {
    /// The same message with another paragraph before the line that says where to look further.
    pub(crate) fn with_section(self, text: String) -> Self {
        self.with_block(Block::section(text))
    }

    /// The same message with another block before that line.
    pub(super) fn with_block(mut self, block: Block) -> Self {
        let place = match self.blocks.last() {
            Some(Block::Context { .. }) => self.blocks.len() - 1,
            _ => self.blocks.len(),
        };
        self.blocks.insert(place, block);
        self
    }
}

/// A block of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Block {
    /// One large line; plain text only.
    Header {
        /// The line.
        text: Text,
    },
    /// A paragraph.
    Section {
        /// The paragraph.
        text: Text,
    },
    /// Small and grey.
    Context {
        /// Its parts, one beside the other.
        elements: Vec<Text>,
    },
    /// Buttons in a row.
    Actions {
        /// From the left to the right.
        elements: Vec<Button>,
    },
}

/// A button of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Button {
    /// The only kind of element that messages of ours have.
    Button {
        /// What it says.
        text: Text,
        /// What it is; another one for each button of a message.
        action_id: String,
        /// What Slack sends back when somebody presses it.
        value: String,
        /// Green or red; the others are grey.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        style: Option<Style>,
        /// What is asked first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        confirm: Option<Confirm>,
    },
}

/// The colour of a button.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// Green.
    Primary,
    /// Red.
    Danger,
}

/// What Slack asks whoever presses a button, before it sends anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirm {
    pub title: Text,
    pub text: Text,
    /// What does it.
    pub confirm: Text,
    /// What does nothing.
    pub deny: Text,
}

impl Block {
    pub(super) fn header(text: String) -> Self {
        Self::Header {
            text: Text::PlainText { text },
        }
    }

    pub(super) fn section(text: String) -> Self {
        Self::Section {
            text: Text::mrkdwn(text),
        }
    }

    pub(super) fn context(text: String) -> Self {
        Self::Context {
            elements: vec![Text::mrkdwn(text)],
        }
    }
}

/// A text of a block. `&`, `<` and `>` in it are escaped, in both kinds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Text {
    /// Shown as it is.
    PlainText { text: String },
    /// In Slack's own kind of Markdown.
    Mrkdwn {
        text: String,
        /// Slack makes no link of a bare URL in somebody's note, no mention of `@here`, and no channel of `#general`
        /// (Slack's reference of the text object). False only in messages that were kept before there was the field.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        verbatim: bool,
    },
}

impl Text {
    fn mrkdwn(text: String) -> Self {
        Self::Mrkdwn {
            text,
            verbatim: true,
        }
    }
}
