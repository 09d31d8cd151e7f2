//! Holds a document against what is expected.

use std::collections::BTreeMap;

use longshore_events::longshore::{Problem, Severity};
use serde_json::{Map, Value};

use super::elsewhere::instead_of;
use super::node::{Content, Entry, Mark, Meaning, Node, meaning};
use super::places::place_of;
use super::shape::{Field, Shape};
use super::substitution::{Names, substitute};
use crate::nearest::{nearest, plain};
use crate::path::{Here, Path, Step};
use crate::shown::shown;

/// Longer lists of what is known are left out of problems.
const MOST_KNOWN: usize = 12;

/// For this many unknown keys it is worked out what was meant, which takes time.
const MOST_MEANT: usize = 100;

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looking {
    /// For what is wrong where it stands; done for the file and each of its overlays.
    ForWrong,
    /// For what is missing; done for what the file and the chosen overlay make together.
    ForMissing,
}

/// Holds nodes against shapes and gathers problems.
pub(super) struct Fitting<'a> {
    looking: Looking,
    names: Names<'a>,
    /// What stands in front of every path: `environments.prod`.
    prefix: Path,
    /// Problems, as they are found.
    pub problems: Vec<Problem>,
    /// Unknown keys, as they are counted.
    unknown: usize,
    /// What of the stack is not as its file means it, since something else had to be put in its place.
    pub faulty: Vec<Path>,
    /// What of the stack is only guessed, from misspelt keys.
    pub guessed: Vec<String>,
}

impl<'a> Fitting<'a> {
    pub fn new(looking: Looking, names: Names<'a>, prefix: Path) -> Self {
        Self {
            looking,
            names,
            prefix,
            problems: Vec::new(),
            unknown: 0,
            faulty: Vec::new(),
            guessed: Vec::new(),
        }
    }

    /// In an overlay, null removes.
    fn is_overlay(&self) -> bool {
        !self.prefix.0.is_empty()
    }

    /// Holds a document against the shape of a stack. In place of what is wrong or missing the result has
    /// what means least, so that the rest can be checked further.
    pub fn stack(&mut self, document: &Node) -> Option<Value> {
        let prefix = self.prefix.clone();
        let here = Here::At(&prefix);
        self.node(document, Shape::of_a_stack(), &here, document.mark)
    }

    /// Whether what is there is made into values: nobody needs them twice.
    fn builds(&self) -> bool {
        self.looking == Looking::ForMissing
    }

    /// A value that is right; where none is built, a null in its place.
    fn right(&self, value: impl FnOnce() -> Value) -> Option<Value> {
        Some(if self.builds() { value() } else { Value::Null })
    }

    fn node(
        &mut self,
        node: &Node,
        shape: &Shape,
        here: &Here<'_>,
        key: Option<Mark>,
    ) -> Option<Value> {
        match (shape, &node.content) {
            (Shape::Fields(fields), Content::Map(entries)) => {
                Some(self.fields(entries, fields, here, key))
            }
            (Shape::Map(values), Content::Map(entries)) => {
                let mut map = Map::new();
                for (name, entry) in entries {
                    if self.is_overlay() && entry.value.is_null() {
                        continue;
                    }
                    let value = self.node(&entry.value, values, &here.key(name), entry.mark);
                    // What is wrong with it was reported; that it is there is still true.
                    let value = value.or_else(|| match **values {
                        Shape::Fields(_) => Some(values.placeholder()),
                        _ => None,
                    });
                    if let Some(value) = value.filter(|_| self.builds()) {
                        map.insert(name.clone(), value);
                    }
                }
                Some(Value::Object(map))
            }
            (Shape::List(shape), Content::List(items)) => {
                let mut values = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    let value = self.node(item, shape, &here.index(index), item.mark);
                    values.extend(value.filter(|_| self.builds()));
                }
                Some(Value::Array(values))
            }
            (Shape::Switch(settings), Content::Map(_)) => self.node(node, settings, here, key),
            (Shape::Anything, _) => self.anything(node, here),
            _ => self.scalar(node, shape, here, key),
        }
    }

    /// A value in CloudFormation's words, where null has a meaning.
    fn anything(&mut self, node: &Node, here: &Here<'_>) -> Option<Value> {
        Some(match &node.content {
            Content::Nothing => Value::Null,
            Content::Text(text) => return self.text(text, node, here),
            Content::Plain(text) => match meaning(text) {
                Meaning::Null => Value::Null,
                Meaning::Boolean(value) => Value::Bool(value),
                Meaning::Integer(Some(value)) => Value::from(value),
                Meaning::Number(value) => Value::from(value),
                Meaning::Integer(None) | Meaning::NotFinite | Meaning::Text => {
                    return self.text(text, node, here);
                }
            },
            Content::List(items) => {
                let items = items.iter().enumerate();
                let items =
                    items.filter_map(|(index, item)| self.anything(item, &here.index(index)));
                Value::Array(items.collect())
            }
            Content::Map(entries) => {
                let entries = entries.iter().filter_map(|(name, entry)| {
                    let value = self.anything(&entry.value, &here.key(name))?;
                    Some((name.clone(), value))
                });
                Value::Object(entries.collect())
            }
        })
    }

    fn fields(
        &mut self,
        entries: &BTreeMap<String, Entry>,
        fields: &BTreeMap<String, Field>,
        here: &Here<'_>,
        key: Option<Mark>,
    ) -> Value {
        let mut map = Map::new();
        for (name, entry) in entries {
            let Some(field) = fields.get(name) else {
                let meant = self.unknown(name, entry, fields, &here.path());
                if let Some((meant, field)) = meant
                    && !entries.contains_key(meant)
                    && let Some(value) = self.in_the_place_of(name, entry, meant, field, here)
                {
                    map.insert(meant.clone(), value);
                }
                continue;
            };
            let place = here.key(name);
            if entry.value.is_null() {
                self.nothing(entry, field, &place);
                continue;
            }
            let value = if here.is_root() && name == "name" {
                entry
                    .value
                    .scalar()
                    .map(|name| Value::String(name.to_owned()))
            } else {
                None
            };
            let value = value.or_else(|| self.node(&entry.value, &field.shape, &place, entry.mark));
            if let Some(value) = value.filter(|_| self.builds()) {
                map.insert(name.clone(), value);
            }
        }
        if self.looking == Looking::ForMissing {
            for (name, field) in fields {
                let there = entries
                    .get(name)
                    .is_some_and(|entry| !entry.value.is_null());
                if field.required && !there && !map.contains_key(name) {
                    let message = format!(
                        "it is missing ({}), expected {}",
                        uncapitalised(&field.description),
                        field.shape.in_words()
                    );
                    self.fault(&here.key(name), key, None, message);
                }
                if field.required && !map.contains_key(name) {
                    map.insert(name.clone(), field.shape.placeholder());
                }
            }
        }
        Value::Object(map)
    }

    /// Holds what is under a misspelt key against what was probably meant, so that nothing seems to be missing. What
    /// is wrong with it is not said, since it may be meant otherwise.
    fn in_the_place_of(
        &mut self,
        name: &str,
        entry: &Entry,
        meant: &str,
        field: &Field,
        here: &Here<'_>,
    ) -> Option<Value> {
        let (problems, faulty) = (self.problems.len(), self.faulty.len());
        let value = self.node(&entry.value, &field.shape, &here.key(name), entry.mark);
        let place = here.key(meant).path().within(&self.prefix);
        if self.problems.len() > problems || self.faulty.len() > faulty {
            self.faulty.push(place.clone());
        }
        self.problems.truncate(problems);
        self.guessed.push(place.to_string());
        value
    }

    /// Reports an unknown key. The result is the known one that was probably meant, if the value is of its
    /// kind; it is checked further in its place.
    fn unknown<'f>(
        &mut self,
        name: &str,
        entry: &Entry,
        fields: &'f BTreeMap<String, Field>,
        path: &Path,
    ) -> Option<(&'f String, &'f Field)> {
        self.unknown += 1;
        if self.unknown > MOST_MEANT {
            self.unknown_key(name, entry, path, "there is no such key".to_owned());
            return None;
        }
        let known: Vec<&str> = fields.keys().map(String::as_str).collect();
        let of_its_kind = fields
            .iter()
            .filter(|(_, field)| field.shape.is_kind_of(&entry.value))
            .map(|(name, _)| name.as_str());
        let taken = nearest(name, of_its_kind);
        let meant = taken.or_else(|| nearest(name, known.iter().copied()));
        let elsewhere = instead_of(&plain(name), &path.within(&self.prefix));
        let advice = match meant {
            _ if elsewhere.is_some() => elsewhere.unwrap_or_default().to_owned(),
            Some(meant) => format!("did you mean `{meant}`?"),
            None if known.len() <= MOST_KNOWN => {
                format!("expected one of `{}`", known.join("`, `"))
            }
            None => match homes_of(name).as_slice() {
                [] => format!(
                    "`longshore schema stack` lists the known keys; what CloudFormation has besides is said in {}",
                    overrides_of(&path.within(&self.prefix))
                ),
                homes => format!("it belongs into {}", homes.join(" or ")),
            },
        };
        let is_root = *path == self.prefix;
        if is_root && (taken.is_none() || elsewhere.is_some()) {
            self.faulty.push(Path::default());
        }
        let message = format!("there is no such key; {advice}");
        self.unknown_key(name, entry, path, message);
        // What stands under a key that is meant otherwise is not what is expected here.
        fields.get_key_value(taken.filter(|_| elsewhere.is_none())?)
    }

    fn unknown_key(&mut self, name: &str, entry: &Entry, path: &Path, message: String) {
        if self.looking == Looking::ForWrong {
            let value = Some(shown(name));
            let path = path.key(name);
            self.push(path, entry.mark, value, message, Severity::Error);
        }
    }

    /// Null is as good as leaving out. Nothing at all where all has defaults was meant otherwise.
    fn nothing(&mut self, entry: &Entry, field: &Field, here: &Here<'_>) {
        let Shape::Fields(fields) = &field.shape else {
            return;
        };
        let all_have_defaults = fields.values().all(|field| !field.required);
        if matches!(entry.value.content, Content::Nothing)
            && !self.is_overlay()
            && all_have_defaults
            && self.looking == Looking::ForWrong
        {
            let message = "nothing is written here, so it is as if the key were left out; write `{}` for \
                           it with all its defaults";
            self.push(
                here.path(),
                entry.mark,
                None,
                message.to_owned(),
                Severity::Warning,
            );
        }
    }

    fn scalar(
        &mut self,
        node: &Node,
        shape: &Shape,
        here: &Here<'_>,
        key: Option<Mark>,
    ) -> Option<Value> {
        let advice = match (shape, &node.content) {
            (Shape::Sensitive, Content::Text(text)) => {
                return self.right(|| Value::String(text.clone()));
            }
            (Shape::Sensitive, Content::Plain(text)) => match meaning(text) {
                Meaning::Text | Meaning::Boolean(_) | Meaning::Integer(_) => {
                    return self.right(|| Value::String(text.clone()));
                }
                _ => String::new(),
            },
            (Shape::Loose | Shape::Text, Content::Text(text)) => {
                return self.text(text, node, here);
            }
            (Shape::Loose | Shape::Text, Content::Plain(text)) => match (shape, meaning(text)) {
                (_, Meaning::Text)
                | (Shape::Loose, Meaning::Boolean(_) | Meaning::Integer(_)) => {
                    return self.text(text, node, here);
                }
                (_, Meaning::Null) => "; write \"\" for an empty one".to_owned(),
                _ => format!("; put it in quotes: \"{text}\""),
            },
            (Shape::Word(words), Content::Plain(text) | Content::Text(text)) => {
                if words.contains(text) {
                    return self.right(|| Value::String(text.clone()));
                }
                match nearest(text, words.iter().map(String::as_str)) {
                    Some(meant) => format!("; did you mean `{meant}`?"),
                    None => String::new(),
                }
            }
            (Shape::Boolean | Shape::Switch(_), Content::Plain(text)) => match meaning(text) {
                Meaning::Boolean(value) => return Some(Value::Bool(value)),
                _ if text.eq_ignore_ascii_case("enabled") => "; write true".to_owned(),
                _ if text.eq_ignore_ascii_case("disabled") => "; write false".to_owned(),
                _ if is_old_boolean(text) => {
                    format!("; `{text}` is a text in YAML 1.2")
                }
                _ => String::new(),
            },
            (Shape::Integer(least, most), Content::Plain(text)) => match meaning(text) {
                Meaning::Integer(Some(value)) if (least..=most).contains(&&value) => {
                    return Some(Value::from(value));
                }
                Meaning::Text if is_old_number(text) => {
                    "; without leading zeros, other bases and `_`, since versions of YAML read them \
                     differently"
                        .to_owned()
                }
                Meaning::Text => without_unit(text, &here.path()),
                _ => String::new(),
            },
            (Shape::Number(least, most), Content::Plain(text)) => match meaning(text) {
                Meaning::Integer(Some(value)) if (*least..=*most).contains(&(value as f64)) => {
                    return Some(Value::from(value));
                }
                Meaning::Number(value) if (least..=most).contains(&&value) => {
                    return Some(Value::from(value));
                }
                Meaning::NotFinite | Meaning::Integer(None) => " that is finite".to_owned(),
                _ => String::new(),
            },
            (
                Shape::Boolean | Shape::Switch(_) | Shape::Integer(..) | Shape::Number(..),
                Content::Text(text),
            )
                if meaning(text) != Meaning::Text =>
            {
                " without quotes".to_owned()
            }
            (Shape::Fields(fields), Content::Plain(_) | Content::Text(_)) => {
                match fields.iter().find(|(_, field)| field.example.is_some()) {
                    Some((name, field)) => format!(
                        " such as {{{name}: {}}}",
                        field.example.as_deref().unwrap_or_default()
                    ),
                    None => String::new(),
                }
            }
            (Shape::Map(_), Content::List(_)) => {
                "; write each name as a key, with what it holds below it".to_owned()
            }
            (Shape::List(items), Content::Plain(text) | Content::Text(text))
                if !matches!(**items, Shape::Fields(_)) =>
            {
                as_list(text, &here.path())
            }
            _ => String::new(),
        };
        if self.looking == Looking::ForWrong {
            let message = match (&node.content, shape.bounds()) {
                (Content::Plain(text), Some(bounds)) if is_of_its_kind(text, shape) => {
                    format!("it is out of range, expected {bounds}")
                }
                (Content::Plain(_) | Content::Text(_), _) if matches!(shape, Shape::Word(_)) => {
                    format!("it is not known, expected {}{advice}", shape.in_words())
                }
                _ => format!("this is {node}, expected {}{advice}", shape.in_words()),
            };
            let value = (!shape.holds_secrets()).then(|| node.scalar()).flatten();
            let value = value.map(shown);
            self.fault(here, place_of(node, key), value, message);
        }
        None
    }

    fn text(&mut self, text: &str, node: &Node, here: &Here<'_>) -> Option<Value> {
        if !text.contains("${") {
            return self.right(|| Value::String(text.to_owned()));
        }
        match substitute(text, self.names) {
            Ok(text) => Some(Value::String(text)),
            Err(unknown) => {
                if self.looking == Looking::ForWrong {
                    let value = Some(unknown.expression);
                    self.fault(here, node.mark, value, unknown.message);
                }
                None
            }
        }
    }

    /// Notes an error for which something else is put in place of what is there.
    fn fault(
        &mut self,
        here: &Here<'_>,
        mark: Option<Mark>,
        value: Option<String>,
        message: String,
    ) {
        let path = here.path();
        self.faulty.push(path.within(&self.prefix));
        self.push(path, mark, value, message, Severity::Error);
    }

    fn push(
        &mut self,
        path: Path,
        mark: Option<Mark>,
        value: Option<String>,
        message: String,
        severity: Severity,
    ) {
        self.problems.push(Problem {
            path: path.to_string(),
            line: mark.map(|mark| mark.line),
            column: mark.map(|mark| mark.column),
            value,
            message,
            severity,
        });
    }
}

/// Whether a scalar is a number as it is expected, so that only its size can be wrong.
fn is_of_its_kind(text: &str, shape: &Shape) -> bool {
    match meaning(text) {
        Meaning::Integer(_) => true,
        Meaning::Number(_) => matches!(shape, Shape::Number(..)),
        _ => false,
    }
}

/// How one text becomes the list that is expected.
fn as_list(text: &str, path: &Path) -> String {
    let quoted = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
        format!("; write [{}]", words.join(", "))
    };
    let (key, parent) = match path.0.as_slice() {
        [.., Step::Key(parent), Step::Key(key)] => (key.as_str(), parent.as_str()),
        _ => ("", ""),
    };
    let needs_shell = text.contains(['"', '\'', '\\', '$', '&', '|', ';', '<', '>', '*', '`', '(']);
    match key {
        "command" if parent == "health_check" => {
            "; write [\"CMD-SHELL\", \"…\"], with this as the second text".to_owned()
        }
        "command" | "entry_point" if needs_shell => {
            "; write [\"sh\", \"-c\", \"…\"], with this as the third text".to_owned()
        }
        "command" | "entry_point" => quoted(&text.split_whitespace().collect::<Vec<_>>()),
        _ if text.contains(',') && !needs_shell => {
            quoted(&text.split(',').map(str::trim).collect::<Vec<_>>())
        }
        _ => "; write `[…]` around a single one".to_owned(),
    }
}

/// What to write in place of a number with a unit, such as `30s`.
fn without_unit(text: &str, path: &Path) -> String {
    let digits = text.trim_end_matches(|last: char| last.is_ascii_alphabetic());
    let unit = text[digits.len()..].to_ascii_lowercase();
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.is_empty();
    if !is_number || unit.is_empty() {
        return String::new();
    }
    let is_same = match path.0.last() {
        Some(Step::Key(key)) if key.contains("minutes") => unit == "m" || unit == "min",
        Some(Step::Key(key)) if key.contains("days") => unit == "d",
        Some(Step::Key(key)) if key.contains("memory") => {
            ["m", "mi", "mib"].contains(&unit.as_str())
        }
        Some(Step::Key(key)) if key.contains("size") || key.contains("cpu") => false,
        _ => unit == "s",
    };
    if is_same {
        format!(" without its unit, {digits}")
    } else {
        " without a unit".to_owned()
    }
}

fn is_old_boolean(text: &str) -> bool {
    ["yes", "no", "on", "off", "y", "n"].contains(&text.to_lowercase().as_str())
}

fn is_old_number(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit())
        && text
            .chars()
            .all(|character| character.is_ascii_hexdigit() || "xob_".contains(character))
}

fn uncapitalised(sentence: &str) -> String {
    let mut characters = sentence.chars();
    match characters.next() {
        // A word such as ECS stays as it is.
        Some(first) if !characters.as_str().starts_with(char::is_uppercase) => {
            first.to_lowercase().chain(characters).collect()
        }
        _ => sentence.to_owned(),
    }
}

/// Where a key that is at the wrong place would be known.
fn homes_of(name: &str) -> Vec<String> {
    fn look(shape: &Shape, name: &str, path: &str, homes: &mut Vec<String>) {
        match shape {
            Shape::Fields(fields) => {
                if fields.contains_key(name) && !path.is_empty() {
                    homes.push(format!("`{path}`"));
                }
                for (key, field) in fields {
                    let path = if path.is_empty() {
                        key.clone()
                    } else {
                        format!("{path}.{key}")
                    };
                    look(&field.shape, name, &path, homes);
                }
            }
            Shape::Map(values) => look(values, name, &format!("{path}.<name>"), homes),
            Shape::List(items) => look(items, name, &format!("{path}[]"), homes),
            Shape::Switch(settings) => look(settings, name, path, homes),
            _ => {}
        }
    }
    let mut homes = Vec::new();
    look(Shape::of_a_stack(), name, "", &mut homes);
    homes.truncate(3);
    homes
}

/// Where it is said what no key says, of what is at a place.
fn overrides_of(path: &Path) -> &'static str {
    match path.0.first() {
        Some(Step::Key(first)) if first == "services" => "`services.<service>.overrides`",
        _ => "`overrides` or `resources` of the stack",
    }
}
