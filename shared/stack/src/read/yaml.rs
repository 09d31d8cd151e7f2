//! From YAML, and so from JSON, to nodes. Nothing else names the parser.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use granit_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use super::node::{Content, Entry, Mark, Node, Size};
use crate::shown::shown;

/// A stack file's largest size in bytes.
const LARGEST_FILE: usize = 1024 * 1024;

/// More levels than the stack file's own types have.
const DEEPEST: usize = 32;

/// The most scalars, lists and maps: twice what 500 services of usual size have. An alias counts as what it stands for,
/// and what has an anchor counts twice, since it is kept for its aliases.
const MOST_VALUES: usize = 40_000;

/// The most bytes of scalars and keys, counted in the same way: as many as a file of the largest size could hold itself.
const MOST_BYTES: usize = LARGEST_FILE;

/// The most bytes of a key. It is copied into the path of everything below it.
const LONGEST_KEY: usize = 256;

/// What keeps bytes from being read, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub mark: Option<Mark>,
    pub value: Option<String>,
    pub message: String,
}

impl Fault {
    fn new(mark: Option<Mark>, message: impl Into<String>) -> Self {
        Self {
            mark,
            value: None,
            message: message.into(),
        }
    }
}

/// The most values that are read as if they had the quotes that they need; with more, only they are reported.
const MOST_UNQUOTED: usize = 20;

/// Reads one document. Faults that do not keep the rest from being understood, such as a key that is
/// there twice, come beside the document.
pub(super) fn parse(bytes: &[u8]) -> (Option<Node>, Vec<Fault>) {
    let text = match text_of(bytes) {
        Ok(text) => text,
        Err(fault) => return (None, vec![fault]),
    };
    let mut text = Cow::Borrowed(text);
    let mut unquoted = Vec::new();
    loop {
        let mut builder = Builder::default();
        let fault = match builder.document(&text) {
            Ok(node) => {
                unquoted.append(&mut builder.faults);
                return (Some(node), unquoted);
            }
            Err(fault) => fault,
        };
        let repaired = fault.mark.and_then(|mark| {
            colon_in_quotes(&text, mark.line).or_else(|| variable_in_quotes(&text, mark.line))
        });
        let (Some(repaired), true) = (repaired, unquoted.len() < MOST_UNQUOTED) else {
            unquoted.append(&mut builder.faults);
            unquoted.push(fault);
            return (None, unquoted);
        };
        unquoted.push(Fault::new(Some(repaired.mark), repaired.message));
        text = Cow::Owned(repaired.text);
    }
}

/// A text with the quotes that it lacked, so that the rest of it can be read.
struct Repaired {
    text: String,
    /// Where the value is.
    mark: Mark,
    message: &'static str,
}

/// Puts the value of the one key in this line in quotes, if it cannot be read for the want of them: a colon at its end,
/// or before a blank, makes a key of what is before it.
fn colon_in_quotes(text: &str, line: u32) -> Option<Repaired> {
    let (start, whole) = line_of(text, line)?;
    let before_value = whole.find(": ")? + 2;
    let value = whole[before_value..].trim();
    let offset = whole.len() - whole[before_value..].trim_start().len();
    let is_plain = value.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '/');
    let is_key = value.ends_with(':') || value.contains(": ");
    if !is_plain || !is_key || value.contains(['"', '\\', '#']) {
        return None;
    }
    let message = if value.contains(":secret:") {
        "a colon at the end of a value makes a key of it; name the secret without what follows its name, and write \
         the key of its JSON into `json_key`"
    } else {
        "a colon at the end of a value, or before a blank, makes a key of it; put the whole value in quotes"
    };
    Some(Repaired {
        text: quoted(text, start + offset, value.len()),
        mark: mark_in(whole, line, offset),
        message,
    })
}

/// Puts the first value in this line in quotes that has `${…}` between the braces or brackets of a map or list: there
/// a brace begins a map of its own.
fn variable_in_quotes(text: &str, line: u32) -> Option<Repaired> {
    let (start, whole) = line_of(text, line)?;
    let opened = whole.find(['{', '['])?;
    let mut from = opened;
    while let Some(found) = whole[from..].find("${") {
        let variable = from + found;
        let before = &whole[opened..variable];
        let offset = opened
            + before
                .rfind([' ', ',', '[', '{'])
                .map_or(0, |place| place + 1);
        let closed = variable + whole[variable..].find('}')? + 1;
        let rest = &whole[closed..];
        let end = closed + rest.find([',', ' ', '}', ']']).unwrap_or(rest.len());
        // With more of them, the value ends after the last one.
        let end = match whole[closed..end].rfind("${") {
            Some(_) => end + whole[end..].find('}')? + 1,
            None => end,
        };
        let value = &whole[offset..end];
        if variable > opened && !value.contains(['"', '\'', '\\', '#']) {
            return Some(Repaired {
                text: quoted(text, start + offset, value.len()),
                mark: mark_in(whole, line, offset),
                message: "a value with `${…}` between braces or brackets needs quotes around it, since a brace \
                          begins a map there",
            });
        }
        from = closed;
    }
    None
}

/// A line, and where it begins.
fn line_of(text: &str, line: u32) -> Option<(usize, &str)> {
    let number = usize::try_from(line).ok()?.checked_sub(1)?;
    let start = text.split_inclusive('\n').take(number).map(str::len).sum();
    Some((start, text[start..].lines().next()?))
}

fn quoted(text: &str, at: usize, length: usize) -> String {
    let value = &text[at..at + length];
    format!("{}\"{value}\"{}", &text[..at], &text[at + length..])
}

fn mark_in(whole: &str, line: u32, offset: usize) -> Mark {
    Mark {
        line,
        column: small(whole[..offset].chars().count() + 1),
    }
}

fn text_of(bytes: &[u8]) -> Result<&str, Fault> {
    if bytes.len() > LARGEST_FILE {
        return Err(Fault::new(
            None,
            format!(
                "the file has {} bytes, expected at most {LARGEST_FILE}",
                bytes.len()
            ),
        ));
    }
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let line = before.matches('\n').count() + 1;
        let column = before
            .rsplit('\n')
            .next()
            .map_or(0, |last| last.chars().count())
            + 1;
        Fault::new(
            Some(Mark {
                line: small(line),
                column: small(column),
            }),
            "the file is not UTF-8 from here on; save it with that encoding",
        )
    })
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The parser counts columns from 0.
fn mark_of(marker: &Marker) -> Mark {
    Mark {
        line: small(marker.line()),
        column: small(marker.col()).saturating_add(1),
    }
}

/// A list or map that is being read.
struct Open {
    mark: Mark,
    anchor: usize,
    collection: Collection,
}

enum Collection {
    List(Vec<Node>),
    Map {
        entries: BTreeMap<String, Entry>,
        /// What `<<` brings in, which keys of the map's own hide.
        merged: Vec<Node>,
        key: Option<(Key, Mark)>,
    },
}

enum Key {
    Text(String),
    Merge,
    /// Something that cannot be a key; reported already.
    Faulty,
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    size: Size,
    root: Option<Node>,
    faults: Vec<Fault>,
}

impl Builder {
    fn document(&mut self, text: &str) -> Result<Node, Fault> {
        for next in Parser::new_from_str(text) {
            let (event, span) = next.map_err(|error| {
                let mut words = error.info().to_owned();
                if words.contains("tab") {
                    words.push_str("; indent with spaces");
                }
                Fault::new(
                    Some(mark_of(error.marker())),
                    format!("this cannot be read as YAML: {words}"),
                )
            })?;
            let mark = mark_of(&span.start);
            match event {
                Event::DocumentStart(..) if self.root.is_some() => {
                    return Err(Fault::new(
                        Some(mark),
                        "a second document begins here, expected one stack a file",
                    ));
                }
                Event::Scalar(text, style, anchor, tag) => {
                    let empty = style == ScalarStyle::Plain && span.is_empty();
                    let node = self.scalar(&text, style, tag.as_deref(), empty, mark);
                    self.finished(node, anchor)?;
                }
                Event::Alias(anchor) => {
                    let Some(node) = self.anchors.get(&anchor).cloned() else {
                        return Err(Fault::new(
                            Some(mark),
                            "this alias stands within what it is an alias of",
                        ));
                    };
                    self.count(node.size, mark)?;
                    let mut node = Node::clone(&node);
                    node.mark = Some(mark);
                    self.place(node);
                }
                Event::SequenceStart(_, anchor, tag) => {
                    self.refuse_tag(tag.as_deref(), mark);
                    self.begin(mark, anchor, Collection::List(Vec::new()))?;
                }
                Event::MappingStart(_, anchor, tag) => {
                    self.refuse_tag(tag.as_deref(), mark);
                    let collection = Collection::Map {
                        entries: BTreeMap::new(),
                        merged: Vec::new(),
                        key: None,
                    };
                    self.begin(mark, anchor, collection)?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.end()?,
                _ => {}
            }
        }
        self.root.take().ok_or_else(|| {
            Fault::new(
                None,
                "the file is empty, expected at least `name`, `network` and `services`",
            )
        })
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        empty: bool,
        mark: Mark,
    ) -> Node {
        let is_text_by_tag = tag.is_some_and(|tag| tag.is_yaml_core_schema_tag("str"));
        if !is_text_by_tag {
            self.refuse_tag(tag, mark);
        }
        let content = if is_text_by_tag || style != ScalarStyle::Plain {
            Content::Text(text.to_owned())
        } else if empty {
            Content::Nothing
        } else {
            Content::Plain(text.to_owned())
        };
        Node::new(Some(mark), content)
    }

    fn refuse_tag(&mut self, tag: Option<&Tag>, mark: Mark) {
        let Some(tag) = tag else { return };
        if tag.is_yaml_core_schema_tag("map") || tag.is_yaml_core_schema_tag("seq") {
            return;
        }
        self.faults.push(Fault {
            mark: Some(mark),
            value: Some(shown(&tag.original())),
            message:
                "tags have no meaning in a stack file; CloudFormation's pseudo parameters are \
                      written into texts, as in `${AWS::Region}`"
                    .to_owned(),
        });
    }

    fn begin(&mut self, mark: Mark, anchor: usize, collection: Collection) -> Result<(), Fault> {
        if self.open.len() >= DEEPEST {
            return Err(Fault::new(
                Some(mark),
                format!("lists and maps are nested deeper than {DEEPEST} levels here"),
            ));
        }
        self.open.push(Open {
            mark,
            anchor,
            collection,
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Fault> {
        let Some(Open {
            mark,
            anchor,
            collection,
        }) = self.open.pop()
        else {
            return Ok(());
        };
        let content = match collection {
            Collection::List(nodes) => Content::List(nodes),
            Collection::Map {
                mut entries,
                merged,
                ..
            } => {
                for node in merged {
                    if let Content::Map(others) = node.content {
                        for (key, entry) in others {
                            entries.entry(key).or_insert(entry);
                        }
                    }
                }
                Content::Map(entries)
            }
        };
        self.finished(Node::new(Some(mark), content), anchor)
    }

    /// Counts what is read or copied, before it takes memory.
    fn count(&mut self, size: Size, mark: Mark) -> Result<(), Fault> {
        self.size = self.size.and(size);
        match excess(self.size) {
            Some(message) => Err(Fault::new(Some(mark), message)),
            None => Ok(()),
        }
    }

    /// Takes in a node that was read: counted are itself, since what is in it was, and what its anchor keeps.
    fn finished(&mut self, node: Node, anchor: usize) -> Result<(), Fault> {
        let mark = node.mark.unwrap_or(Mark { line: 1, column: 1 });
        let itself = Size {
            values: 1,
            bytes: node.scalar().map_or(0, str::len),
        };
        self.count(itself, mark)?;
        if anchor != 0 {
            self.count(node.size, mark)?;
            self.anchors.insert(anchor, Rc::new(node.clone()));
        }
        self.place(node);
        Ok(())
    }

    /// Puts a node where it belongs: it is a key, a value, an item, or the whole document.
    fn place(&mut self, node: Node) {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        match &mut open.collection {
            Collection::List(nodes) => nodes.push(node),
            Collection::Map {
                entries,
                merged,
                key: pending,
            } => match pending.take() {
                None => {
                    let mark = node.mark.unwrap_or(open.mark);
                    let (key, fault) = key_of(&node);
                    self.faults.extend(fault);
                    *pending = Some((key, mark));
                }
                Some((Key::Merge, mark)) => {
                    if let Some(fault) = merge(node, mark, merged) {
                        self.faults.push(fault);
                    }
                }
                Some((Key::Faulty, _)) => {}
                Some((Key::Text(key), mark)) => {
                    let entry = Entry {
                        mark: Some(mark),
                        value: node,
                    };
                    if let Some(first) = entries.get(&key) {
                        self.faults.push(twice(&key, mark, first.mark));
                    } else {
                        entries.insert(key, entry);
                    }
                }
            },
        }
    }
}

/// What is wrong with a document of this size, if anything is.
pub(super) fn excess(size: Size) -> Option<String> {
    let (what, most) = if size.values > MOST_VALUES {
        ("values", MOST_VALUES)
    } else if size.bytes > MOST_BYTES {
        ("bytes of keys and values", MOST_BYTES)
    } else {
        return None;
    };
    Some(format!(
        "with what its aliases stand for, the file has more than {most} {what}; divide it into several stacks, or use \
         fewer aliases"
    ))
}

fn twice(key: &str, mark: Mark, first: Option<Mark>) -> Fault {
    let place = first.map_or_else(String::new, |first| {
        format!(", first in line {}, column {}", first.line, first.column)
    });
    Fault {
        mark: Some(mark),
        message: format!("this key is there twice{place}; keep one of them"),
        value: Some(shown(key)),
    }
}

/// Keys are texts; numbers and booleans are taken as they are written.
fn key_of(node: &Node) -> (Key, Option<Fault>) {
    match &node.content {
        Content::Plain(text) if text == "<<" => (Key::Merge, None),
        Content::Plain(_) if node.is_null() => faulty_key(node),
        Content::Plain(text) | Content::Text(text) if text.len() > LONGEST_KEY => {
            let message = format!(
                "the key has {} bytes, expected at most {LONGEST_KEY}",
                text.len()
            );
            (Key::Faulty, Some(Fault::new(node.mark, message)))
        }
        Content::Plain(text) | Content::Text(text) => (Key::Text(text.clone()), None),
        Content::Nothing | Content::List(_) | Content::Map(_) => faulty_key(node),
    }
}

fn faulty_key(node: &Node) -> (Key, Option<Fault>) {
    let fault = Fault::new(node.mark, format!("the key is {node}, expected a text"));
    (Key::Faulty, Some(fault))
}

/// Takes in what `<<` names: a map, or a list of maps; earlier ones win.
fn merge(node: Node, mark: Mark, merged: &mut Vec<Node>) -> Option<Fault> {
    let nodes = match node.content {
        Content::List(nodes) => nodes,
        _ => vec![node],
    };
    let faulty = nodes.iter().find(|node| node.entries().is_none());
    let fault = faulty.map(|node| {
        Fault::new(
            Some(mark),
            format!("`<<` takes the keys of other maps over, but here is {node}, expected a map"),
        )
    });
    merged.extend(nodes);
    fault
}
