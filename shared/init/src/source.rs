//! What is read: YAML or JSON as a tree in which each value knows where it stands.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle};

/// A file that a stack file is made from.
#[derive(Debug, Clone, Copy)]
pub struct File<'a> {
    /// Its name, as messages say it.
    pub name: &'a str,
    /// Its content: YAML or JSON in UTF-8.
    pub content: &'a [u8],
}

/// The most bytes of a file. A Terraform plan of a whole account has a few MB.
const LARGEST: usize = 32 * 1024 * 1024;

/// The most values of YAML, so that aliases of aliases cannot take all memory: an alias counts as what it stands for.
const MOST_VALUES: usize = 200_000;

/// Copilot's and Compose's deepest keys have ten levels, a Terraform plan has twenty.
const DEEPEST: usize = 128;

/// Where a value is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    file: Arc<str>,
    /// Line and column, from 1; none in JSON, whose paths say as much.
    mark: Option<(usize, usize)>,
    /// Such as `services.api.ports[0]`; empty of the whole file.
    pub path: String,
}

impl Place {
    fn under(&self, path: String, mark: Option<(usize, usize)>) -> Self {
        Self {
            file: Arc::clone(&self.file),
            mark,
            path,
        }
    }

    /// The file's name.
    pub fn file(&self) -> &str {
        &self.file
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.file)?;
        if let Some((line, column)) = self.mark {
            write!(formatter, ":{line}:{column}")?;
        }
        if !self.path.is_empty() {
            write!(formatter, ": {}", self.path)?;
        }
        Ok(())
    }
}

/// Why no stack file can be made: where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct Fault {
    place: Place,
    message: String,
}

impl Fault {
    /// What is wrong at a place.
    pub fn at(place: &Place, message: impl Into<String>) -> Self {
        Self {
            place: place.clone(),
            message: message.into(),
        }
    }
}

/// A value and where it is written.
#[derive(Debug, Clone)]
pub struct Node {
    pub place: Place,
    pub content: Content,
}

/// What a value is.
#[derive(Debug, Clone)]
pub enum Content {
    Null,
    Flag(bool),
    /// A number, as it is written.
    Number(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    /// A text, number or boolean, as it is written.
    pub fn scalar(&self) -> Option<String> {
        match &self.content {
            Content::Flag(flag) => Some(flag.to_string()),
            Content::Number(text) | Content::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    /// The value of a key, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Content::Map(entries) = &self.content else {
            return None;
        };
        let entry = entries.iter().find(|(name, _)| name == key);
        entry.map(|(_, value)| value)
    }

    /// The items, if this is a list.
    pub fn items(&self) -> &[Self] {
        match &self.content {
            Content::List(items) => items,
            _ => &[],
        }
    }

    /// Whether this says nothing: null, `[]`, `{}` or an empty text.
    pub fn is_empty(&self) -> bool {
        match &self.content {
            Content::Null => true,
            Content::Text(text) => text.is_empty(),
            Content::List(items) => items.is_empty(),
            Content::Map(entries) => entries.is_empty(),
            Content::Flag(_) | Content::Number(_) => false,
        }
    }

    /// A value as JSON has it, below a place.
    pub fn of_json(value: serde_json::Value, place: Place) -> Self {
        let content = match value {
            serde_json::Value::Null => Content::Null,
            serde_json::Value::Bool(flag) => Content::Flag(flag),
            serde_json::Value::Number(number) => Content::Number(number.to_string()),
            serde_json::Value::String(text) => Content::Text(text),
            serde_json::Value::Array(values) => Content::List(
                values
                    .into_iter()
                    .enumerate()
                    .map(|(index, value)| Self::of_json(value, place.item(index)))
                    .collect(),
            ),
            serde_json::Value::Object(values) => Content::Map(
                values
                    .into_iter()
                    .map(|(key, value)| {
                        let below = place.key(&key);
                        (key, Self::of_json(value, below))
                    })
                    .collect(),
            ),
        };
        Self { place, content }
    }
}

impl Place {
    /// The place of a key's value.
    pub fn key(&self, key: &str) -> Self {
        let path = match self.path.as_str() {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        };
        self.under(path, self.mark)
    }

    /// The place of a list's item.
    pub fn item(&self, index: usize) -> Self {
        self.under(format!("{}[{index}]", self.path), self.mark)
    }
}

/// Reads a file.
///
/// # Errors
/// What keeps it from being read, with line and column.
pub fn read(file: &File<'_>) -> Result<Node, Fault> {
    let start = Place {
        file: Arc::from(file.name),
        mark: None,
        path: String::new(),
    };
    if file.content.len() > LARGEST {
        let message = format!("the file is larger than {} MB", LARGEST / 1024 / 1024);
        return Err(Fault::at(&start, message));
    }
    let content = file.content;
    let content = content
        .strip_prefix("\u{feff}".as_bytes())
        .unwrap_or(content);
    let text = std::str::from_utf8(content).map_err(|error| {
        let line = content[..error.valid_up_to()]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
            + 1;
        let message = "the file is not UTF-8 from here on; save it with that encoding";
        Fault::at(&start.under(String::new(), Some((line, 1))), message)
    })?;
    if text.trim_start().starts_with(['{', '[']) && !text.trim_start().starts_with("{{") {
        return read_json(&quoted_templates(text), start);
    }
    Builder::new(start).document(text)
}

fn read_json(text: &str, start: Place) -> Result<Node, Fault> {
    match serde_json::from_str(text) {
        Ok(value) => Ok(Node::of_json(value, start)),
        Err(error) => {
            let mark = Some((error.line(), error.column()));
            let words = error.to_string();
            let words = words.split(" at line ").next().unwrap_or_default();
            let message = format!("this cannot be read as JSON: {words}");
            Err(Fault::at(&start.under(String::new(), mark), message))
        }
    }
}

/// The JSON with quotes around `{{ … }}` that stands outside of texts, as ecspresso's templates may.
fn quoted_templates(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    let mut in_text = false;
    while let Some(character) = rest.chars().next() {
        if in_text && character == '\\' {
            let end = rest.char_indices().nth(2).map_or(rest.len(), |(at, _)| at);
            result.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        if character == '"' {
            in_text = !in_text;
        }
        if !in_text
            && rest.starts_with("{{")
            && let Some(length) = rest.find("}}")
        {
            let template = &rest[..length + 2];
            result.push('"');
            result.push_str(&template.replace('\\', "\\\\").replace('"', "`"));
            result.push('"');
            rest = &rest[length + 2..];
            continue;
        }
        result.push(character);
        rest = &rest[character.len_utf8()..];
    }
    result
}

/// Lists and maps that are being read, outermost first.
struct Builder {
    start: Place,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    values: usize,
    root: Option<Node>,
}

struct Open {
    place: Place,
    anchor: usize,
    content: Content,
    /// A map's key whose value comes next.
    key: Option<(String, (usize, usize))>,
}

impl Builder {
    fn new(start: Place) -> Self {
        Self {
            start,
            open: Vec::new(),
            anchors: HashMap::new(),
            values: 0,
            root: None,
        }
    }

    fn document(mut self, text: &str) -> Result<Node, Fault> {
        for next in Parser::new_from_str(text) {
            let (event, span) = next.map_err(|error| {
                let marker = error.marker();
                let mark = (marker.line(), marker.col() + 1);
                let message = format!("this cannot be read as YAML: {}", error.info());
                self.fault(mark, message)
            })?;
            let mark = (span.start.line(), span.start.col() + 1);
            match event {
                Event::DocumentStart(..) if self.root.is_some() => {
                    return Err(self.fault(mark, "a second document begins here, expected one"));
                }
                Event::Scalar(text, style, anchor, _) => {
                    let content = match style {
                        ScalarStyle::Plain => plain(&text),
                        _ => Content::Text(text.into_owned()),
                    };
                    self.finished(content, anchor, mark)?;
                }
                Event::Alias(anchor) => {
                    let Some(node) = self.anchors.get(&anchor) else {
                        return Err(self.fault(mark, "this alias stands within what it repeats"));
                    };
                    self.values += size(&node.content);
                    self.refuse_too_many(mark)?;
                    let node = self.anchors[&anchor].clone();
                    self.finished(node.content, 0, mark)?;
                }
                Event::SequenceStart(_, anchor, _) => {
                    self.begin(Content::List(Vec::new()), anchor, mark)?;
                }
                Event::MappingStart(_, anchor, _) => {
                    self.begin(Content::Map(Vec::new()), anchor, mark)?;
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    if let Some(open) = self.open.pop() {
                        let mark = open.place.mark.unwrap_or(mark);
                        self.finished(open.content, open.anchor, mark)?;
                    }
                }
                _ => {}
            }
        }
        match self.root.take() {
            Some(root) => Ok(placed(root.content, root.place)),
            None => Err(Fault::at(&self.start, "the file is empty")),
        }
    }

    fn fault(&self, mark: (usize, usize), message: impl Into<String>) -> Fault {
        Fault::at(&self.start.under(String::new(), Some(mark)), message)
    }

    fn begin(
        &mut self,
        content: Content,
        anchor: usize,
        mark: (usize, usize),
    ) -> Result<(), Fault> {
        if self.open.len() >= DEEPEST {
            let message = format!("lists and maps are nested deeper than {DEEPEST} levels here");
            return Err(self.fault(mark, message));
        }
        self.open.push(Open {
            place: self.start.under(String::new(), Some(mark)),
            anchor,
            content,
            key: None,
        });
        Ok(())
    }

    fn refuse_too_many(&self, mark: (usize, usize)) -> Result<(), Fault> {
        if self.values > MOST_VALUES {
            let message = format!("the file has more than {MOST_VALUES} values");
            return Err(self.fault(mark, message));
        }
        Ok(())
    }

    fn finished(
        &mut self,
        content: Content,
        anchor: usize,
        mark: (usize, usize),
    ) -> Result<(), Fault> {
        self.values += match anchor {
            0 => 1,
            // It is kept for its aliases.
            _ => 1 + size(&content),
        };
        self.refuse_too_many(mark)?;
        let node = Node {
            place: self.start.under(String::new(), Some(mark)),
            content,
        };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let mut twice = None;
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(open) => match (&mut open.content, open.key.take()) {
                (Content::List(items), _) => items.push(node),
                (Content::Map(_), None) => {
                    let Some(key) = node.scalar() else {
                        return Err(self.fault(mark, "a key must be a text"));
                    };
                    open.key = Some((key, mark));
                }
                (Content::Map(entries), Some((key, _))) if key == "<<" => merge(entries, node),
                (Content::Map(entries), Some((key, at))) => {
                    let known = entries.iter().position(|(name, _)| *name == key);
                    // What `<<` has brought in gives way; its place is elsewhere in the file, earlier than the map.
                    match known {
                        Some(index) if entries[index].1.place.path != MERGED => {
                            twice = Some((key, at));
                        }
                        Some(index) => entries[index].1 = node,
                        None => entries.push((key, node)),
                    }
                }
                _ => {}
            },
        }
        match twice {
            Some((key, at)) => Err(self.fault(at, format!("`{key}` is there twice"))),
            None => Ok(()),
        }
    }
}

/// The path of what `<<` brings in, until paths are known.
const MERGED: &str = "<<";

fn merge(entries: &mut Vec<(String, Node)>, node: Node) {
    match node.content {
        Content::Map(others) => {
            for (key, mut value) in others {
                if entries.iter().all(|(name, _)| *name != key) {
                    value.place.path = MERGED.to_owned();
                    entries.push((key, value));
                }
            }
        }
        Content::List(nodes) => {
            for node in nodes {
                merge(entries, node);
            }
        }
        _ => {}
    }
}

/// Gives each value its path.
fn placed(content: Content, place: Place) -> Node {
    let content = match content {
        Content::List(items) => Content::List(
            items
                .into_iter()
                .enumerate()
                .map(|(index, item)| {
                    let path = format!("{}[{index}]", place.path);
                    let place = place.under(path, item.place.mark);
                    placed(item.content, place)
                })
                .collect(),
        ),
        Content::Map(entries) => Content::Map(
            entries
                .into_iter()
                .map(|(key, value)| {
                    let path = place.key(&key).path;
                    let place = place.under(path, value.place.mark);
                    (key, placed(value.content, place))
                })
                .collect(),
        ),
        scalar => scalar,
    };
    Node { place, content }
}

fn size(content: &Content) -> usize {
    match content {
        Content::List(items) => 1 + items.iter().map(|item| size(&item.content)).sum::<usize>(),
        Content::Map(entries) => {
            let values = entries.iter().map(|(_, value)| size(&value.content));
            1 + values.sum::<usize>()
        }
        _ => 1,
    }
}

/// What a scalar without quotes is, by YAML 1.2's core schema.
fn plain(text: &str) -> Content {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Content::Null,
        "true" | "True" | "TRUE" => return Content::Flag(true),
        "false" | "False" | "FALSE" => return Content::Flag(false),
        _ => {}
    }
    let is_number = text.starts_with(|first: char| first.is_ascii_digit() || first == '-')
        && !(text.len() > 1 && text.starts_with('0') && !text.starts_with("0."))
        && text.parse::<f64>().is_ok();
    if is_number {
        Content::Number(text.to_owned())
    } else {
        Content::Text(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Node, String> {
        let file = File {
            name: "file.yml",
            content: text.as_bytes(),
        };
        read(&file).map_err(|fault| fault.to_string())
    }

    #[test]
    fn what_cannot_be_read_is_said_with_line_and_column() {
        for (text, expected) in [
            ("a: [1, 2\nb: 3\n", "file.yml:2:"),
            ("a: 1\na: 2\n", "file.yml:2:1: `a` is there twice"),
            (
                "{\"a\": 1,\n \"b\": }",
                "file.yml:2:7: this cannot be read as JSON",
            ),
            ("", "file.yml: the file is empty"),
        ] {
            let fault = read_text(text).map(|_| ()).unwrap_err();
            assert!(fault.starts_with(expected), "{fault}");
        }
    }

    #[test]
    fn aliases_of_aliases_end_before_they_take_all_memory() {
        let mut text = "a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n".to_owned();
        for level in 1..20 {
            let before = format!("*a{}", level - 1);
            let aliases = vec![before; 10].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        }
        let fault = read_text(&text).map(|_| ()).unwrap_err();
        assert!(fault.contains("more than 200000 values"), "{fault}");
    }

    #[test]
    fn keys_of_a_map_hide_what_is_merged_into_it() {
        let root = read_text("base: &base {cpu: 1, memory: 2}\nkid:\n  <<: *base\n  cpu: 3\n");
        let kid = root.unwrap().get("kid").unwrap().clone();
        assert_eq!(kid.get("cpu").unwrap().scalar().as_deref(), Some("3"));
        assert_eq!(kid.get("memory").unwrap().place.path, "kid.memory");
    }

    #[test]
    fn a_template_of_ecspresso_outside_of_a_text_is_a_text() {
        let root = read_text("{\"count\": {{ env `N` \"2\" }}, \"text\": \"{{ a }}\"}").unwrap();
        assert_eq!(
            root.get("count").unwrap().scalar().unwrap(),
            "{{ env `N` `2` }}"
        );
        assert_eq!(root.get("text").unwrap().scalar().unwrap(), "{{ a }}");
    }
}
