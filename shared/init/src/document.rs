//! What is written: YAML as a person would write it.

use std::fmt::Write as _;

/// The longest list or map that stands in one line.
const LONGEST_LINE: usize = 96;

/// A value of a stack file.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number or a boolean, as it is written.
    Plain(String),
    Text(String),
    List(Vec<Value>),
    Map(Block),
}

/// A map whose keys keep their order, with comments above them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Block {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq)]
struct Entry {
    key: String,
    comments: Vec<String>,
    value: Value,
}

impl Block {
    /// A map with one key.
    pub fn with(key: &str, value: impl Into<Value>) -> Self {
        Self::default().and(key, value)
    }

    /// The same with one key more.
    pub fn and(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.set(key, value);
        self
    }

    /// Says a key. What it said before is replaced; its comments stay.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) {
        let value = value.into();
        match self.entry(key) {
            Some(entry) => entry.value = value,
            None => self.entries.push(Entry {
                key: key.to_owned(),
                comments: Vec::new(),
                value,
            }),
        }
    }

    /// Says a key anew, without the comments that it had.
    pub fn replace(&mut self, key: &str, value: impl Into<Value>) {
        self.remove(key);
        self.set(key, value);
    }

    /// Says a key if there is something to say.
    pub fn set_some(&mut self, key: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(key, value);
        }
    }

    /// Says a key if its list or map is not empty.
    pub fn set_filled(&mut self, key: &str, value: impl Into<Value>) {
        let value = value.into();
        let is_empty = match &value {
            Value::List(items) => items.is_empty(),
            Value::Map(block) => block.is_empty(),
            Value::Plain(_) | Value::Text(_) => false,
        };
        if !is_empty {
            self.set(key, value);
        }
    }

    /// Writes a comment above a key that is there.
    pub fn comment(&mut self, key: &str, comment: impl Into<String>) {
        if let Some(entry) = self.entry(key) {
            entry.comments.push(comment.into());
        }
    }

    /// The comments above a key.
    pub fn comments(&self, key: &str) -> Vec<String> {
        let entry = self.entries.iter().find(|entry| entry.key == key);
        entry.map_or_else(Vec::new, |entry| entry.comments.clone())
    }

    /// The map of a key, which is made if it is not there.
    pub fn block(&mut self, key: &str) -> &mut Self {
        if !matches!(self.get(key), Some(Value::Map(_))) {
            self.set(key, Self::default());
        }
        match self.entry(key).map(|entry| &mut entry.value) {
            Some(Value::Map(block)) => block,
            _ => unreachable!("the key was said to be a map"),
        }
    }

    /// What a key says.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let entry = self.entries.iter().find(|entry| entry.key == key);
        entry.map(|entry| &entry.value)
    }

    /// The text that a key says.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Value::Text(text) | Value::Plain(text) => Some(text),
            _ => None,
        }
    }

    /// The texts of the list that a key says.
    pub fn words(&self, key: &str) -> Vec<String> {
        let Some(Value::List(items)) = self.get(key) else {
            return Vec::new();
        };
        let words = items.iter().filter_map(|item| match item {
            Value::Text(text) | Value::Plain(text) => Some(text.clone()),
            _ => None,
        });
        words.collect()
    }

    /// Whether a key is there.
    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &str) {
        self.entries.retain(|entry| entry.key != key);
    }

    /// The keys, in order.
    pub fn keys(&self) -> Vec<String> {
        self.entries.iter().map(|entry| entry.key.clone()).collect()
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Puts the keys into an order; those that it does not have come last, as they are.
    pub fn sort_by(&mut self, order: &[&str]) {
        self.entries.sort_by_key(|entry| {
            order
                .iter()
                .position(|key| *key == entry.key)
                .unwrap_or(order.len())
        });
    }

    /// Hides each text that is a secret by its key or by itself, as `is_secret` says, and adds its path to those found.
    pub fn hide(
        &mut self,
        path: &str,
        is_secret: &impl Fn(&str, &str) -> bool,
        found: &mut Vec<String>,
    ) {
        for entry in &mut self.entries {
            let path = match path {
                "" => entry.key.clone(),
                path => format!("{path}.{}", entry.key),
            };
            hide(&mut entry.value, &entry.key, &path, is_secret, found);
        }
    }

    fn entry(&mut self, key: &str) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.key == key)
    }

    /// As YAML.
    pub fn to_yaml(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, 0);
        text
    }

    fn write(&self, text: &mut String, indent: usize) {
        for entry in &self.entries {
            for comment in &entry.comments {
                for line in textwrap::wrap(comment, whole_words(100_usize.saturating_sub(indent))) {
                    let _ = writeln!(text, "{:indent$}# {line}", "");
                }
            }
            let _ = write!(text, "{:indent$}{}:", "", quoted(&entry.key, false));
            write_value(&entry.value, text, indent);
        }
    }

    fn has_comments(&self) -> bool {
        self.entries.iter().any(|entry| {
            !entry.comments.is_empty()
                || matches!(&entry.value, Value::Map(block) if block.has_comments())
        })
    }
}

fn hide(
    value: &mut Value,
    key: &str,
    path: &str,
    is_secret: &impl Fn(&str, &str) -> bool,
    found: &mut Vec<String>,
) {
    match value {
        Value::Text(text) if is_secret(key, text) => {
            *text = "***".to_owned();
            found.push(path.to_owned());
        }
        Value::Text(_) | Value::Plain(_) => {}
        Value::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                hide(item, "", &format!("{path}[{index}]"), is_secret, found);
            }
        }
        Value::Map(block) => block.hide(path, is_secret, found),
    }
}

/// Writes what stands after `key:` or `-`, up to the end of its last line.
fn write_value(value: &Value, text: &mut String, indent: usize) {
    match value {
        Value::Map(block) if !block.is_empty() => {
            text.push('\n');
            block.write(text, indent + 2);
        }
        Value::List(items) if !fits(value, indent) => {
            text.push('\n');
            let inner = indent + 2;
            for item in items {
                let _ = write!(text, "{:inner$}-", "");
                match item {
                    Value::Map(block) if !fits(item, inner) => {
                        let mut lines = String::new();
                        block.write(&mut lines, inner + 2);
                        // The first key stands beside the hyphen, if no comment is above it.
                        if block.entries[0].comments.is_empty() {
                            text.push(' ');
                            text.push_str(lines.trim_start());
                        } else {
                            text.push('\n');
                            text.push_str(&lines);
                        }
                    }
                    _ => {
                        let _ = writeln!(text, " {}", in_line(item));
                    }
                }
            }
        }
        Value::Text(_) => {
            let _ = writeln!(text, " {}", scalar(value, false));
        }
        _ => {
            let _ = writeln!(text, " {}", in_line(value));
        }
    }
}

/// Whether a value can stand in one line.
fn fits(value: &Value, indent: usize) -> bool {
    let is_commented = match value {
        Value::Map(block) => block.has_comments(),
        Value::List(items) => items
            .iter()
            .any(|item| matches!(item, Value::Map(block) if block.has_comments())),
        _ => false,
    };
    let holds_maps = matches!(value, Value::List(items)
        if items.iter().any(|item| matches!(item, Value::Map(_))));
    !is_commented && !holds_maps && in_line(value).chars().count() + indent <= LONGEST_LINE
}

/// A value in one line.
fn in_line(value: &Value) -> String {
    match value {
        Value::Plain(_) | Value::Text(_) => scalar(value, true),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(in_line).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(block) => {
            let entries: Vec<String> = block
                .entries
                .iter()
                .map(|entry| format!("{}: {}", quoted(&entry.key, true), in_line(&entry.value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

fn scalar(value: &Value, in_flow: bool) -> String {
    match value {
        Value::Plain(text) => text.clone(),
        Value::Text(text) => quoted(text, in_flow),
        _ => String::new(),
    }
}

/// A text, in quotes where YAML would read anything else without them.
fn quoted(text: &str, in_flow: bool) -> String {
    let lowercase = text.to_lowercase();
    let is_word = text
        .chars()
        .next()
        .is_some_and(|first| first.is_ascii_alphanumeric() || "/_$.".contains(first));
    let is_harmless = text.chars().all(|character| {
        character.is_ascii_alphanumeric()
            || " _-./:@+=*$%()<>~^;?!".contains(character)
            || (!in_flow && "{},[]'\"|&".contains(character))
    });
    let is_key = text.contains(": ") || text.ends_with(':') || (in_flow && text.contains(':'));
    let means_more = ["true", "false", "null", "yes", "no", "on", "off"]
        .contains(&lowercase.as_str())
        || text.starts_with(|first: char| first.is_ascii_digit() || first == '.')
            && text
                .chars()
                .all(|character| character.is_ascii_hexdigit() || "xXoO._+-:".contains(character));
    if is_word
        && is_harmless
        && !is_key
        && !means_more
        && !text.ends_with(' ')
        && !text.contains(" #")
    {
        text.to_owned()
    } else {
        // A text of JSON is one of YAML.
        serde_json::Value::from(text).to_string()
    }
}

/// Lines of at most `width` characters, in which no word is broken.
fn whole_words(width: usize) -> textwrap::Options<'static> {
    textwrap::Options::new(width)
        .break_words(false)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Plain(flag.to_string())
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Plain(number.to_string())
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Plain(number.to_string())
    }
}

impl From<Block> for Value {
    fn from(block: Block) -> Self {
        Self::Map(block)
    }
}

impl<T: Into<Self>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_only_where_yaml_would_read_something_else() {
        for (text, expected) in [
            ("shop/api:v1", "shop/api:v1"),
            ("cron(0 9 * * ? *)", "cron(0 9 * * ? *)"),
            ("512", "\"512\""),
            ("1e3", "\"1e3\""),
            ("yes", "\"yes\""),
            ("a: b", "\"a: b\""),
            ("*", "\"*\""),
            ("", "\"\""),
            ("two\nlines", "\"two\\nlines\""),
            ("${environment}", "${environment}"),
        ] {
            assert_eq!(quoted(text, false), expected);
        }
        assert_eq!(quoted("shop/api:v1", true), "\"shop/api:v1\"");
        assert_eq!(quoted("${environment}", true), "\"${environment}\"");
    }

    #[test]
    fn short_lists_stand_in_a_line_and_maps_below_each_other() {
        let mut block = Block::with("name", "shop");
        block.set("command", vec!["serve", "--all"]);
        block
            .block("services")
            .set("api", Block::with("cpu", 256_u32));
        block.comment("command", "what runs");
        block.set(
            "tasks",
            vec![Block::with("name", "migrate").and("command", vec!["migrate"])],
        );
        assert_eq!(
            block.to_yaml(),
            "name: shop\n# what runs\ncommand: [serve, \"--all\"]\nservices:\n  api:\n    cpu: 256\n\
             tasks:\n  - {name: migrate, command: [migrate]}\n"
        );
    }
}
