//! Where everything of a stack file is written.

use std::collections::BTreeMap;

use super::node::{Content, Mark, Node};
use crate::path::{Path, Step};

/// The places of a map, a list or a scalar and of all that is in it; not what stands there.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    mark: Option<Mark>,
    keys: BTreeMap<String, Places>,
    items: Vec<Places>,
}

impl Places {
    /// The places of a document, which keep its keys and nothing else of it.
    pub fn of(node: Node) -> Self {
        Self::at(node.mark, node)
    }

    fn at(mark: Option<Mark>, node: Node) -> Self {
        let mut places = Self {
            mark,
            ..Self::default()
        };
        match node.content {
            Content::Map(entries) => {
                let entries = entries.into_iter().map(|(key, entry)| {
                    let mark = place_of(&entry.value, entry.mark);
                    (key, Self::at(mark, entry.value))
                });
                places.keys = entries.collect();
            }
            Content::List(items) => {
                let items = items.into_iter().map(|item| Self::at(item.mark, item));
                places.items = items.collect();
            }
            Content::Nothing | Content::Plain(_) | Content::Text(_) => {}
        }
        places
    }

    /// Where a path is written, or what it would be a part of.
    pub fn find(&self, path: &Path) -> Option<Mark> {
        let mut here = self;
        for step in &path.0 {
            let next = match step {
                Step::Key(key) => here.keys.get(key),
                Step::Index(index) => here.items.get(*index),
            };
            match next {
                Some(next) => here = next,
                None => break,
            }
        }
        here.mark
    }
}

/// A problem with a scalar is shown at the scalar, one with a list or map at its key.
pub(super) fn place_of(value: &Node, key: Option<Mark>) -> Option<Mark> {
    match value.content {
        Content::Plain(_) | Content::Text(_) => value.mark,
        Content::Nothing | Content::List(_) | Content::Map(_) => key.or(value.mark),
    }
}
