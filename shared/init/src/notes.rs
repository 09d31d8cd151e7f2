//! What could not be carried over.

use std::fmt;

use crate::source::Place;

/// Something that could not be carried over, or not as it was, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Where it is in the source; none of what the source does not say.
    pub place: Option<Place>,
    /// What became of it, and what to do.
    pub message: String,
}

impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(formatter, "{place}: ")?;
        }
        formatter.write_str(&self.message)
    }
}

/// Notes, in the order in which they came up, each once.
#[derive(Debug, Default)]
pub struct Notes {
    pub all: Vec<Note>,
}

impl Notes {
    /// A note of a place.
    pub fn add(&mut self, place: &Place, message: impl Into<String>) {
        self.push(Some(place.clone()), message.into());
    }

    /// A note of what the source does not say.
    pub fn general(&mut self, message: impl Into<String>) {
        self.push(None, message.into());
    }

    fn push(&mut self, place: Option<Place>, message: String) {
        let note = Note { place, message };
        if !self.all.contains(&note) {
            self.all.push(note);
        }
    }
}
