//! Homebrew's index, read as it comes.
//!
//! The index is an array of formulae. Only one of them is held at a time, so that reading takes the memory
//! of what is kept, whatever the index's size.

mod entry;
mod lenient;

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};

use longshore_events::longshore::RefusedEntry;
use longshore_events::transfer::Sha256;
use sha2::Digest;

use crate::json::ValueEnd;
use crate::names;
use entry::{Found, entry_name, unreadable};

pub use crate::formula::{Bottle, BottleUrl, Formula};
pub use entry::IndexError;

/// No formula's entry is longer: the largest of the real index has 5 kB.
const LONGEST_ENTRY: usize = 4 << 20;

/// Up to this number of bottles, one of the same tag is found by looking at all.
const FEW: usize = 64;

/// An index that was read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// The formulae that have bottles.
    pub formulae: Vec<Formula>,
    /// Entries that were refused; the rest goes on without them.
    pub refused: Vec<RefusedEntry>,
    /// How many bottles it names, refused ones included: it shows an index that has shrunk.
    pub bottles: u64,
    /// Every platform tag that it names: of bottles, and keys of `variations`.
    pub platforms: BTreeSet<String>,
}

/// Reads an index piece by piece, holding one formula's text at a time.
#[derive(Debug)]
pub struct IndexReader {
    private_hosts: Vec<String>,
    state: State,
    /// Where in the entry the reader is.
    end: ValueEnd,
    /// The part of an entry that earlier pieces had.
    begun: Vec<u8>,
    /// How many entries have begun.
    entries: u64,
    found: Found,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the array.
    Before,
    /// After `[`.
    First,
    /// After `,`.
    Next,
    Entry,
    AfterEntry,
    After,
}

impl IndexReader {
    /// Before the first piece. `private_hosts` as in [`crate::urls::check`].
    pub fn new(private_hosts: &[String]) -> Self {
        Self {
            private_hosts: private_hosts.to_vec(),
            state: State::Before,
            end: ValueEnd::default(),
            begun: Vec::new(),
            entries: 0,
            found: Found::default(),
        }
    }

    /// The next piece, of any size.
    ///
    /// # Errors
    /// [`IndexError`] as soon as it is known that this is not an index.
    pub fn feed(&mut self, piece: &[u8]) -> Result<(), IndexError> {
        let text = leading_text(piece);
        let mut rest = piece;
        while let Some((&byte, after)) = rest.split_first() {
            if self.state == State::Entry {
                rest = self.entry(rest)?;
                continue;
            }
            if byte == b'{' && matches!(self.state, State::First | State::Next) {
                self.entries += 1;
                // Nearly every entry is read where it is: what a piece cuts, and what is not as formulae
                // are, is first put together.
                let whole = text.get(piece.len() - rest.len()..).and_then(|text| {
                    let hosts = &self.private_hosts;
                    self.found
                        .add_whole(text, self.entries, hosts, LONGEST_ENTRY)
                });
                if let Some(length) = whole {
                    self.state = State::AfterEntry;
                    rest = rest.get(length..).unwrap_or_default();
                } else {
                    self.state = State::Entry;
                    self.end = ValueEnd::default();
                }
                continue;
            }
            self.state = match (self.state, byte) {
                (state, b' ' | b'\t' | b'\n' | b'\r') => state,
                (State::Before, b'[') => State::First,
                (State::AfterEntry, b',') => State::Next,
                (State::First | State::AfterEntry, b']') => State::After,
                (State::Before, _) => {
                    return unreadable(format!(
                        "the index begins with `{}`, expected a JSON array",
                        shown(byte)
                    ));
                }
                (State::After, _) => {
                    return unreadable(format!("after the index's end there is `{}`", shown(byte)));
                }
                _ => {
                    return unreadable(format!(
                        "after {} entries the index goes on with `{}`, expected a formula",
                        self.entries,
                        shown(byte)
                    ));
                }
            };
            rest = after;
        }
        Ok(())
    }

    /// After the last piece.
    ///
    /// # Errors
    /// [`IndexError`] for an index that is empty, ends early or holds no formula.
    pub fn finish(self) -> Result<Index, IndexError> {
        match self.state {
            State::Before => return unreadable("the index is empty"),
            State::First | State::Next | State::Entry | State::AfterEntry => {
                return unreadable(format!(
                    "the index ends early, after {} entries",
                    self.entries
                ));
            }
            State::After => {}
        }
        let Found {
            mut formulae,
            mut refused,
            bottles,
            platforms,
            ..
        } = self.found;
        refuse_ambiguous(&mut formulae, &mut refused);
        if formulae.is_empty() {
            let why = match refused.first() {
                Some(RefusedEntry { entry, reason }) => {
                    format!("all are refused, as {entry}: {reason}")
                }
                None => format!("it has {} entries", self.entries),
            };
            return unreadable(format!(
                "the index names no bottle that can be mirrored; {why}"
            ));
        }
        Ok(Index {
            formulae,
            refused,
            bottles,
            platforms: platforms.iter().map(|tag| String::from(&**tag)).collect(),
        })
    }

    /// Goes on with an entry; gives what is left of the piece.
    fn entry<'a>(&mut self, piece: &'a [u8]) -> Result<&'a [u8], IndexError> {
        let length = self.end.find(piece);
        let (part, rest) = piece.split_at(length.unwrap_or(piece.len()));
        if self.begun.len() + part.len() > LONGEST_ENTRY {
            return unreadable(format!(
                "entry {} of the index is longer than {} MB",
                self.entries,
                LONGEST_ENTRY >> 20
            ));
        }
        if length.is_none() {
            self.begun.extend_from_slice(part);
            return Ok(rest);
        }
        let text = if self.begun.is_empty() {
            part
        } else {
            self.begun.extend_from_slice(part);
            &self.begun
        };
        self.found.add(text, self.entries, &self.private_hosts)?;
        self.begun.clear();
        self.state = State::AfterEntry;
        Ok(rest)
    }
}

/// What `piece` begins with that is UTF-8: all of it, unless it cuts a character. Found at once, since a parser of bytes
/// looks at each of thousands of texts by itself.
fn leading_text(piece: &[u8]) -> &str {
    std::str::from_utf8(piece)
        .or_else(|error| std::str::from_utf8(&piece[..error.valid_up_to()]))
        .unwrap_or_default()
}

/// What the bytes of an index hash to.
pub fn digest(bytes: &[u8]) -> Sha256 {
    let digest: [u8; 32] = sha2::Sha256::digest(bytes).into();
    digest.into()
}

/// Refuses the later of two bottles that would be one file of the mirror with two contents.
fn refuse_ambiguous(formulae: &mut Vec<Formula>, refused: &mut Vec<RefusedEntry>) {
    let beginnings = Beginnings::of(formulae);
    let mut contents: HashMap<String, Sha256> = HashMap::new();
    for (number, formula) in formulae.iter_mut().enumerate() {
        let is_alone = beginnings.are_alone(number) && formula.bottles.len() <= FEW;
        if is_alone && !names_a_tag_twice(&formula.bottles) {
            continue;
        }
        let mut bottles: Vec<Bottle> = Vec::with_capacity(formula.bottles.len());
        for bottle in std::mem::take(&mut formula.bottles) {
            let known = if is_alone {
                let same = bottles.iter().find(|earlier| earlier.tag == bottle.tag);
                same.map(|same| &same.sha256)
            } else {
                let file = names::flat_file(formula, &bottle.tag);
                Some(
                    &*contents
                        .entry(file)
                        .or_insert_with(|| bottle.sha256.clone()),
                )
            };
            if known.is_none_or(|sha256| *sha256 == bottle.sha256) {
                bottles.push(bottle);
                continue;
            }
            refused.push(RefusedEntry {
                entry: entry_name(&formula.name, &bottle.tag),
                reason: format!(
                    "an earlier entry names the same file `{}` with another sha256",
                    names::flat_file(formula, &bottle.tag)
                ),
            });
        }
        formula.bottles = bottles;
    }
    formulae.retain(|formula| !formula.bottles.is_empty());
}

/// What the files of formulae begin with, `name-version`, as hashes.
///
/// No tag holds a dot, so that files of one name are of formulae that begin alike. Nearly all begin as no
/// other does, and their files need no names. Two hashes that are equal by accident cost those names and
/// nothing else.
struct Beginnings {
    /// By formula.
    hashes: Vec<u64>,
    alike: HashMap<u64, u32>,
}

impl Beginnings {
    fn of(formulae: &[Formula]) -> Self {
        let state = RandomState::new();
        let mut beginning = String::new();
        let hash = |formula: &Formula| {
            beginning.clear();
            names::push_beginning(&mut beginning, formula);
            state.hash_one(&beginning)
        };
        let hashes: Vec<u64> = formulae.iter().map(hash).collect();
        let mut alike = HashMap::with_capacity(hashes.len());
        for hash in &hashes {
            *alike.entry(*hash).or_default() += 1;
        }
        Self { hashes, alike }
    }

    /// Whether no other formula's files begin as those of this one.
    fn are_alone(&self, number: usize) -> bool {
        let hash = self.hashes.get(number);
        hash.and_then(|hash| self.alike.get(hash)) == Some(&1)
    }
}

fn names_a_tag_twice(bottles: &[Bottle]) -> bool {
    let mut earlier: &[Bottle] = &[];
    bottles.iter().zip(1..).any(|(bottle, next)| {
        let is_twice = earlier.iter().any(|earlier| earlier.tag == bottle.tag);
        earlier = bottles.get(..next).unwrap_or_default();
        is_twice
    })
}

/// A byte that is not what was expected. Only one is reported, so that the same is reported in whatever pieces an
/// index comes.
fn shown(byte: u8) -> std::ascii::EscapeDefault {
    std::ascii::escape_default(byte)
}
