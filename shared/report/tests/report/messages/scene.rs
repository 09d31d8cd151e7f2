//! The samples, as messages and as their texts.

use longshore_events::longshore::LongshoreEvent;
pub use longshore_report::samples::*;
use longshore_report::{Block, Button, Console, Message, Text};

/// With links into the console.
pub fn message(event: &LongshoreEvent) -> Message {
    longshore_report::message(event, &Console::of_region("eu-west-1")).unwrap()
}

pub fn texts(message: &Message) -> Vec<&str> {
    let text_of = |text| match text {
        &Text::PlainText { ref text } | &Text::Mrkdwn { ref text, .. } => text.as_str(),
    };
    let mut texts = vec![message.text.as_str()];
    for block in &message.blocks {
        match block {
            Block::Header { text } | Block::Section { text } => texts.push(text_of(text)),
            Block::Context { elements } => texts.extend(elements.iter().map(text_of)),
            Block::Actions { elements } => {
                for Button::Button { text, confirm, .. } in elements {
                    texts.push(text_of(text));
                    texts.extend(confirm.iter().map(|confirm| text_of(&confirm.text)));
                }
            }
        }
    }
    texts
}
