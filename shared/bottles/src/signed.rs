//! Homebrew's signed index files, which are mirrored byte for byte.

use std::collections::{HashMap, HashSet};

use longshore_events::transfer::Sha256;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use sha2::Digest;

use crate::index::{Formula, Index, IndexReader};
use crate::json::ValueEnd;
use crate::layout;
use crate::names;
use crate::platforms::Platforms;
use crate::selection::{Filter, Selection, WantedBottle};

/// The signed form of the index.
pub const SIGNED_INDEX: &str = "formula.jws.json";

/// The payload is unescaped in pieces of this many bytes, so that it is not held for a second time.
const PIECE: usize = 64 << 10;

/// What the index says that an index file beside it must agree with.
#[derive(Debug)]
pub struct Generation<'a> {
    pub index: &'a Index,
    /// What the index's bytes hash to.
    pub sha256: &'a Sha256,
    pub platforms: &'a Platforms,
    /// Which of its bottles the mirror wants.
    pub selection: &'a Selection,
    /// As in [`crate::urls::check`].
    pub private_hosts: &'a [String],
    /// The bottles that the mirror has when it publishes the index.
    pub wanted: &'a [WantedBottle],
}

impl Generation<'_> {
    /// Checks that an index file is whole, is signed, and names no bottle that the mirror lacks: a client
    /// would ask the mirror for it.
    ///
    /// A signed file is `{"payload": "<JSON as a text>", "signatures": [...]}` (JWS in JSON, RFC 7515). The
    /// signatures are Homebrew's, and brew's to verify.
    ///
    /// # Errors
    /// What is wrong: it is not such a file, or it names bottles of another generation.
    pub fn check(&self, file: &str, body: &[u8]) -> Result<(), String> {
        if file == layout::EXECUTABLES {
            return check_executables(body);
        }
        let payload = payload(body)?;
        if file == SIGNED_INDEX {
            return self.check_index(payload);
        }
        let mut text = Vec::with_capacity(payload.len());
        unescape(payload, &mut |piece| {
            text.extend_from_slice(piece);
            Ok(())
        })?;
        if layout::platform_of(file).is_some() {
            return self.check_packages(&text);
        }
        if !matches!(text.trim_ascii_start().first(), Some(b'[' | b'{')) {
            return Err("its payload is neither a list nor an object".to_owned());
        }
        serde_json::from_slice::<IgnoredAny>(&text)
            .map(drop)
            .map_err(|error| format!("its payload is not JSON: {error}"))
    }

    fn check_index(&self, payload: &[u8]) -> Result<(), String> {
        // Homebrew signs the bytes that it publishes as the index: they were read already.
        let mut hasher = sha2::Sha256::new();
        unescape(payload, &mut |piece| {
            hasher.update(piece);
            Ok(())
        })?;
        let digest: [u8; 32] = hasher.finalize().into();
        if Sha256::from(digest) == *self.sha256 {
            return Ok(());
        }
        let mut reader = IndexReader::new(self.private_hosts);
        unescape(payload, &mut |piece| {
            let fed = reader.feed(piece);
            fed.map_err(|error| format!("its payload is not an index: {error}"))
        })?;
        let index = reader
            .finish()
            .map_err(|error| format!("its payload is not an index: {error}"))?;
        let known: HashMap<&str, &str> = self
            .wanted
            .iter()
            .map(|bottle| (bottle.key.as_str(), bottle.sha256.as_str()))
            .collect();
        let filter = Filter::new(self.selection, self.platforms, &index);
        let mut bottles = Vec::new();
        for formula in &index.formulae {
            filter.add_wanted(formula, &mut bottles);
            for bottle in bottles.drain(..) {
                if known.get(bottle.key.as_str()) != Some(&bottle.sha256.as_str()) {
                    return Err(other_generation(
                        &format!("`{}`", bottle.key),
                        bottle.sha256.as_str(),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Every bottle of a platform's file must be one that the index has for the formula.
    fn check_packages(&self, text: &[u8]) -> Result<(), String> {
        let packages: Packages = serde_json::from_slice(text)
            .map_err(|error| format!("its payload does not list packages: {error}"))?;
        let known: HashMap<&str, &Formula> = self
            .index
            .formulae
            .iter()
            .map(|formula| (&*formula.name, formula))
            .collect();
        // `wget` or `wget (arm64_sequoia)`.
        let refused: HashSet<&str> = self
            .index
            .refused
            .iter()
            .filter_map(|refused| refused.entry.split(' ').next())
            .collect();
        for (name, package) in &packages.formulae {
            // Such an entry is reported, and is in the index's signed form, too.
            if refused.contains(name.as_str()) || names::check_formula(name).is_err() {
                continue;
            }
            let mut digests = Vec::new();
            for value in [
                &package.bottle,
                &package.bottle_checksum,
                &package.bottle_checksums,
            ] {
                collect_digests(value, &mut digests);
            }
            let formula = known.get(name.as_str());
            let is_named = |digest: &str| {
                formula.is_some_and(|formula| {
                    let mut bottles = formula.bottles.iter();
                    bottles.any(|bottle| bottle.sha256.as_str() == digest)
                })
            };
            if let Some(digest) = digests.iter().find(|digest| !is_named(digest)) {
                return Err(other_generation(&format!("a bottle of `{name}`"), digest));
            }
        }
        Ok(())
    }
}

fn other_generation(what: &str, sha256: &str) -> String {
    format!("it is of another generation than the index: it names {what} with sha256 {sha256}")
}

/// The payload of a platform's file, as far as it names bottles. Of a formula it has `bottle_checksum`,
/// `bottle_checksums` or `bottle`, by the version of brew that wrote it (`api/formula_struct.rb`, 5.0 to
/// 7.0); what they hold differs as well, the digests do not.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Packages {
    #[serde(default)]
    formulae: HashMap<String, Package>,
}

#[derive(Deserialize)]
#[serde(expecting = "a package, which is an object")]
struct Package {
    #[serde(default)]
    bottle: Value,
    #[serde(default)]
    bottle_checksum: Value,
    #[serde(default)]
    bottle_checksums: Value,
}

fn collect_digests<'a>(value: &'a Value, digests: &mut Vec<&'a str>) {
    match value {
        Value::String(text) if text.parse::<Sha256>().is_ok() => digests.push(text),
        Value::Array(values) => {
            for value in values {
                collect_digests(value, digests);
            }
        }
        Value::Object(values) => {
            for value in values.values() {
                collect_digests(value, digests);
            }
        }
        _ => {}
    }
}

/// Lines of `<formula>:<executables>` (`write_executables_file!` of Homebrew's `api.rb`).
fn check_executables(body: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(body).map_err(|_| "it is not a text".to_owned())?;
    let is_line = |line: &str| line.contains(':') && !line.starts_with('<');
    match text.lines().find(|line| !is_line(line)) {
        _ if text.trim().is_empty() => Err("it is empty".to_owned()),
        Some(_) => Err("it is not a list of formulae and their executables".to_owned()),
        None => Ok(()),
    }
}

/// The payload, still escaped, without its quotes.
fn payload(signed: &[u8]) -> Result<&[u8], String> {
    let refused = |what: &str| Err(format!("it is not a signed file: {what}"));
    let Some(mut rest) = signed.trim_ascii().strip_prefix(b"{") else {
        return refused("it is not a JSON object");
    };
    let mut payload = None;
    let mut has_signatures = false;
    loop {
        let Some((name, after)) = value(rest) else {
            return refused("a field has no name");
        };
        let Some(after) = after.trim_ascii_start().strip_prefix(b":") else {
            return refused("a field has no value");
        };
        let Some((content, after)) = value(after) else {
            return refused("it ends early, or a field is neither text nor list nor object");
        };
        match name {
            b"\"payload\"" => {
                let text = content
                    .strip_prefix(b"\"")
                    .and_then(|text| text.strip_suffix(b"\""));
                payload = text;
            }
            b"\"signatures\"" => {
                let signatures: Result<Vec<serde_json::Map<_, _>>, _> =
                    serde_json::from_slice(content);
                has_signatures = signatures.is_ok_and(|signatures| !signatures.is_empty());
            }
            _ => {}
        }
        let after = after.trim_ascii_start();
        match after.split_first() {
            Some((b',', after)) => rest = after,
            Some((b'}', [])) => break,
            _ => return refused("it does not end as an object ends"),
        }
    }
    match payload {
        _ if !has_signatures => refused("it has no signatures"),
        Some(payload) => Ok(payload),
        None => refused("it has no payload"),
    }
}

/// The text, list or object that `text` begins with, and what comes after it.
fn value(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.trim_ascii_start();
    if !matches!(text.first(), Some(b'"' | b'{' | b'[')) {
        return None;
    }
    let length = ValueEnd::default().find(text)?;
    text.split_at_checked(length)
}

/// Feeds what an escaped text of JSON stands for, piece by piece.
fn unescape(
    mut text: &[u8],
    feed: &mut dyn FnMut(&[u8]) -> Result<(), String>,
) -> Result<(), String> {
    let mut piece: Vec<u8> = Vec::with_capacity(PIECE + 4);
    while !text.is_empty() {
        let plain = text.iter().take(PIECE).position(|byte| *byte == b'\\');
        let plain = plain.unwrap_or_else(|| text.len().min(PIECE));
        let (part, rest) = text.split_at(plain);
        piece.extend_from_slice(part);
        text = rest;
        if text.first() == Some(&b'\\') {
            let (character, length) =
                escape(text).ok_or_else(|| "its payload holds an invalid escape".to_owned())?;
            let mut bytes = [0; 4];
            piece.extend_from_slice(character.encode_utf8(&mut bytes).as_bytes());
            text = text.get(length..).unwrap_or_default();
        }
        if piece.len() >= PIECE {
            feed(&piece)?;
            piece.clear();
        }
    }
    feed(&piece)
}

/// The character that an escape stands for, and the escape's length.
fn escape(text: &[u8]) -> Option<(char, usize)> {
    let character = match text.get(1)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(text),
        _ => return None,
    };
    Some((character, 2))
}

/// `\uXXXX`, or two of them where a character needs two.
fn unicode(text: &[u8]) -> Option<(char, usize)> {
    let unit = |place: usize| {
        let digits = text.get(place..place + 6)?.strip_prefix(b"\\u")?;
        let digits = std::str::from_utf8(digits).ok()?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        u16::from_str_radix(digits, 16).ok()
    };
    let first = unit(0)?;
    let second = if (0xd800..0xdc00).contains(&first) {
        Some(unit(6)?)
    } else {
        None
    };
    let character = char::decode_utf16([first].into_iter().chain(second))
        .next()?
        .ok()?;
    Some((character, if second.is_some() { 12 } else { 6 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unescaped(text: &str) -> Result<String, String> {
        let mut bytes = Vec::new();
        unescape(text.as_bytes(), &mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn a_text_is_unescaped_as_a_parser_of_json_does() {
        for text in [
            "",
            "plain",
            "[{\"name\":\"wget\"}]",
            "a\"b\\c/d\u{8}\u{c}\n\r\té€😀",
            &"\\\"".repeat(PIECE),
        ] {
            let escaped = serde_json::to_string(text).unwrap();
            let inner = escaped
                .strip_prefix('"')
                .unwrap()
                .strip_suffix('"')
                .unwrap();
            assert_eq!(unescaped(inner).unwrap(), text);
        }
        assert_eq!(unescaped(r"\u00e9\ud83d\ude00\/").unwrap(), "é😀/");
    }

    #[test]
    fn an_escape_that_is_none_is_an_error() {
        for text in [
            r"\",
            r"\x",
            r"\u12",
            r"\u+123",
            r"\ud83d",
            r"\ud83d\n",
            r"\ude00",
        ] {
            assert!(unescaped(text).is_err(), "{text}");
        }
    }
}
