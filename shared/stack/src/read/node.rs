//! What a stack file holds before anything is made of it: scalars as they are written, lists and
//! maps, each with its place.

use std::collections::BTreeMap;
use std::fmt;

/// A place in a file, counted from 1, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    pub line: u32,
    pub column: u32,
}

/// A value and where it is written. A payload's values are written nowhere.
#[derive(Clone)]
pub(super) struct Node {
    pub mark: Option<Mark>,
    pub content: Content,
    /// How much this is, itself included.
    pub size: Size,
}

/// How much of a file something is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Size {
    /// Scalars, lists and maps.
    pub values: usize,
    /// Bytes of scalars and keys.
    pub bytes: usize,
}

impl Size {
    pub fn and(self, other: Self) -> Self {
        Self {
            values: self.values.saturating_add(other.values),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }
}

#[derive(Clone)]
pub(super) enum Content {
    /// Nothing where a value is expected: `cpu:`.
    Nothing,
    /// A scalar without quotes, as it is written; what it means depends on what is expected.
    Plain(String),
    /// A text in quotes or in a block.
    Text(String),
    List(Vec<Node>),
    Map(BTreeMap<String, Entry>),
}

/// A map's value, and where its key is written.
#[derive(Clone)]
pub(super) struct Entry {
    pub mark: Option<Mark>,
    pub value: Node,
}

/// What of a stack file a map is, as far as it matters for what a null in an overlay means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Stack,
    Services,
    Service,
    Overrides,
    /// Patches by name.
    Patches,
    Patch,
    Other,
}

impl Level {
    fn under(self, key: &str) -> Self {
        match (self, key) {
            (Self::Stack, "services") => Self::Services,
            (Self::Stack | Self::Service, "overrides") => Self::Overrides,
            (Self::Services, _) => Self::Service,
            (Self::Overrides, "capacity" | "file_systems" | "schedules") => Self::Patches,
            (Self::Overrides | Self::Patches | Self::Patch, _) => Self::Patch,
            _ => Self::Other,
        }
    }
}

/// What a plain scalar is by itself, by YAML 1.2's core schema.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Meaning {
    Null,
    Boolean(bool),
    /// A whole number; none where it is beyond 64 bits.
    Integer(Option<i64>),
    /// Any other finite number.
    Number(f64),
    /// A number for YAML, but not one that can be calculated with: `.nan`, `1e999`.
    NotFinite,
    Text,
}

impl Node {
    pub fn new(mark: Option<Mark>, content: Content) -> Self {
        let itself = Size {
            values: 1,
            bytes: 0,
        };
        let size = match &content {
            Content::Nothing => itself,
            Content::Plain(text) | Content::Text(text) => Size {
                bytes: text.len(),
                ..itself
            },
            Content::List(nodes) => nodes.iter().fold(itself, |size, node| size.and(node.size)),
            Content::Map(entries) => entries.iter().fold(itself, |size, (key, entry)| {
                let key = Size {
                    values: 0,
                    bytes: key.len(),
                };
                size.and(key).and(entry.value.size)
            }),
        };
        Self {
            mark,
            content,
            size,
        }
    }

    /// A payload's value.
    pub fn of_json(value: &serde_json::Value) -> Self {
        use serde_json::Value;
        let content = match value {
            Value::Null => Content::Plain("null".to_owned()),
            Value::Bool(_) | Value::Number(_) => Content::Plain(value.to_string()),
            Value::String(text) => Content::Text(text.clone()),
            Value::Array(values) => Content::List(values.iter().map(Self::of_json).collect()),
            Value::Object(values) => Content::Map(
                values
                    .iter()
                    .map(|(key, value)| {
                        let value = Self::of_json(value);
                        (key.clone(), Entry { mark: None, value })
                    })
                    .collect(),
            ),
        };
        Self::new(None, content)
    }

    pub fn is_null(&self) -> bool {
        match &self.content {
            Content::Nothing => true,
            Content::Plain(text) => meaning(text) == Meaning::Null,
            _ => false,
        }
    }

    /// The entries of a map.
    pub fn entries(&self) -> Option<&BTreeMap<String, Entry>> {
        match &self.content {
            Content::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The text of a scalar.
    pub fn scalar(&self) -> Option<&str> {
        match &self.content {
            Content::Plain(text) | Content::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Lays an overlay of a stack file over this: maps are merged key by key, nulls remove, everything else replaces.
    /// In a patch of `overrides` a null stays, since it removes from what is rendered.
    pub fn overlaid(self, overlay: &Self) -> Self {
        self.overlaid_at(overlay, Level::Stack)
    }

    fn overlaid_at(mut self, overlay: &Self, level: Level) -> Self {
        match (&mut self.content, &overlay.content) {
            (Content::Map(entries), Content::Map(overlays)) => {
                for (key, overlay) in overlays {
                    if overlay.value.is_null() && level != Level::Patch {
                        entries.remove(key);
                        continue;
                    }
                    let level = level.under(key);
                    let entry = match entries.remove(key) {
                        Some(entry) => {
                            let value = entry.value.overlaid_at(&overlay.value, level);
                            let mark = if value.entries().is_some() {
                                entry.mark
                            } else {
                                overlay.mark
                            };
                            Entry { mark, value }
                        }
                        None => Entry {
                            mark: overlay.mark,
                            value: overlay.value.without_nulls(level),
                        },
                    };
                    entries.insert(key.clone(), entry);
                }
                let content = std::mem::replace(&mut self.content, Content::Nothing);
                Self::new(self.mark, content)
            }
            _ => overlay.without_nulls(level),
        }
    }

    /// What an overlay removes where there is nothing.
    fn without_nulls(&self, level: Level) -> Self {
        let Content::Map(entries) = &self.content else {
            return self.clone();
        };
        if level == Level::Patch {
            return self.clone();
        }
        let kept = entries
            .iter()
            .filter(|(_, entry)| !entry.value.is_null())
            .map(|(key, entry)| {
                let value = entry.value.without_nulls(level.under(key));
                let mark = entry.mark;
                (key.clone(), Entry { mark, value })
            })
            .collect();
        Self::new(self.mark, Content::Map(kept))
    }
}

/// What stands there, in a word.
impl fmt::Display for Node {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match &self.content {
            Content::Nothing => "nothing",
            Content::Text(_) => "a text",
            Content::List(_) => "a list",
            Content::Map(_) => "a map",
            Content::Plain(text) => match meaning(text) {
                Meaning::Null => "null",
                Meaning::Boolean(_) => "true or false",
                Meaning::Integer(_) => "a whole number",
                Meaning::Number(_) => "a number",
                Meaning::NotFinite => "not a finite number",
                Meaning::Text => "a text",
            },
        })
    }
}

/// What a plain scalar is by itself. Numbers whose meaning changed between the versions of YAML, such
/// as `012`, are texts.
pub(super) fn meaning(text: &str) -> Meaning {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Meaning::Null,
        "true" | "True" | "TRUE" => return Meaning::Boolean(true),
        "false" | "False" | "FALSE" => return Meaning::Boolean(false),
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Meaning::NotFinite;
    }
    let starts_as_number = unsigned.starts_with(|first: char| first.is_ascii_digit())
        || unsigned
            .strip_prefix('.')
            .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
    let leading_zero = unsigned.len() > 1
        && unsigned.starts_with('0')
        && unsigned[1..].starts_with(|next: char| next.is_ascii_digit());
    if !starts_as_number || leading_zero {
        return Meaning::Text;
    }
    if unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return Meaning::Integer(text.parse().ok());
    }
    let is_number = unsigned
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'-' | b'+'));
    match text.parse::<f64>() {
        Ok(number) if is_number && number.is_finite() => Meaning::Number(number),
        Ok(_) if is_number => Meaning::NotFinite,
        _ => Meaning::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_every_version_of_yaml_calls_a_number_or_a_boolean_is_one() {
        for (text, expected) in [
            ("~", Meaning::Null),
            ("TRUE", Meaning::Boolean(true)),
            ("0", Meaning::Integer(Some(0))),
            ("-12", Meaning::Integer(Some(-12))),
            ("99999999999999999999", Meaning::Integer(None)),
            ("1.10", Meaning::Number(1.1)),
            (".5", Meaning::Number(0.5)),
            ("1e3", Meaning::Number(1000.0)),
            ("1e999", Meaning::NotFinite),
            (".nan", Meaning::NotFinite),
            ("-.inf", Meaning::NotFinite),
        ] {
            assert_eq!(meaning(text), expected, "{text}");
        }
        for text in [
            "no",
            "on",
            "012",
            "0x1f",
            "1_000",
            "12:30",
            "2026-01-01",
            "1.2.3",
            "-",
            ".",
            "nan",
            "inf",
            "1e",
            "e1",
            "+",
            "0o7",
        ] {
            assert_eq!(meaning(text), Meaning::Text, "{text}");
        }
    }
}
