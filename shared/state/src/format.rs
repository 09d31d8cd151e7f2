//! The format of a document: its version, and what this program does not know of it.
//!
//! Two members say what wrote a document: `format_version` and `longshore_version`. A document without them is of
//! format 1. An older document is migrated step by step when it is read. A newer one is read as far as this program
//! understands it and is never rewritten. Members that this program does not know are kept by a rewrite.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::key::{Document, LARGEST_DOCUMENT};

const FORMAT_VERSION: &str = "format_version";

const LONGSHORE_VERSION: &str = "longshore_version";

/// The version of Longshore that this program is of.
const THIS_VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a document may say beyond what this program knows: found out only when it is written again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unknown {
    /// The document as it is stored; nothing for one that is not there yet.
    body: Option<Arc<[u8]>>,
    /// Which version of Longshore is needed to rewrite it, where it is a newer one.
    newer: Option<Newer>,
    /// The newest version of Longshore that wrote it, where that is newer than this one.
    written_by: Option<String>,
}

impl Unknown {
    /// Of a document that this program has just written after `before`.
    pub(crate) fn of(body: Vec<u8>, before: &Self) -> Self {
        Self {
            body: Some(body.into()),
            newer: None,
            written_by: before.written_by.clone(),
        }
    }

    /// Why this program must not rewrite the document, if it must not.
    pub(crate) fn obstacle<D: Document>(&self) -> Option<String> {
        self.newer.as_ref().map(|newer| newer.problem(D::FORMAT))
    }
}

#[derive(Debug, Clone)]
struct Newer {
    format: u64,
    written_by: Option<String>,
}

impl Newer {
    fn problem(&self, known: u32) -> String {
        let needed = match &self.written_by {
            Some(version) => format!("version {version} of Longshore or a newer one"),
            None => "a newer version of Longshore".to_owned(),
        };
        format!(
            "it has format {}, and Longshore {THIS_VERSION} knows formats up to {known}: use {needed}",
            self.format
        )
    }
}

/// How a document begins that this version of Longshore wrote.
fn beginning(format: u32, version: &str) -> String {
    format!(r#"{{"{FORMAT_VERSION}":{format},"{LONGSHORE_VERSION}":"{version}""#)
}

/// The document without its versions, where this version of Longshore wrote it.
fn own_members<D: Document>(body: &[u8]) -> Option<Vec<u8>> {
    let members = body.strip_prefix(beginning(D::FORMAT, THIS_VERSION).as_bytes())?;
    Some([b"{", members.strip_prefix(b",").unwrap_or(members)].concat())
}

/// Reads a document, whatever format it has.
pub(crate) fn parse<D: Document>(body: Vec<u8>) -> Result<(D, Unknown), String> {
    let in_words = |error: serde_json::Error| {
        format!("{error}; restore an earlier version of the object, or correct it")
    };
    if body.len() > LARGEST_DOCUMENT {
        return Err(format!(
            "it has {} bytes, expected at most {LARGEST_DOCUMENT}; restore an earlier version of the object",
            body.len()
        ));
    }
    if let Some(time) = far_time(&body) {
        return Err(format!(
            "it holds the time `{time}`, expected a year of four digits; restore an earlier version of the object, or \
             correct it"
        ));
    }
    let mut unknown = Unknown::default();
    let own = own_members::<D>(&body).filter(|_| !D::EDITED_BY_HAND);
    let document = if let Some(members) = own {
        serde_json::from_slice(&members).map_err(in_words)?
    } else {
        let (mut members, format, written_by) = migrated::<D>(&body)?;
        unknown.written_by = written_by.filter(|version| is_newer(version));
        if D::EDITED_BY_HAND && unknown.written_by.is_none() {
            D::check_by_hand(&mut members)?;
        }
        unknown.newer = (format > u64::from(D::FORMAT)).then(|| Newer {
            format,
            written_by: unknown.written_by.clone(),
        });
        serde_json::from_value(members)
            .map_err(|error| unknown.obstacle::<D>().unwrap_or_else(|| in_words(error)))?
    };
    unknown.body = Some(body.into());
    Ok((document, unknown))
}

/// A time in the document whose year has a sign, as those have that are not of four digits. A clock may not be able to
/// show an hour before or after it, and that is asked everywhere.
fn far_time(body: &[u8]) -> Option<String> {
    let texts = body.split(|byte| *byte == b'"');
    let signed =
        texts.filter(|text| matches!(text, [b'+' | b'-', digit, ..] if digit.is_ascii_digit()));
    let mut times = signed.filter_map(|text| {
        let text = std::str::from_utf8(text).ok()?;
        text.parse::<DateTime<Utc>>().ok().map(|_| text.to_owned())
    });
    times.next()
}

/// Whether a version is newer than this program's.
fn is_newer(version: &str) -> bool {
    let numbers = |version: &str| -> Vec<u64> {
        version
            .split('.')
            .map(|number| number.parse().unwrap_or_default())
            .collect()
    };
    numbers(version) > numbers(THIS_VERSION)
}

/// The document without its versions in the present format, the format that it has, and what wrote it.
fn migrated<D: Document>(body: &[u8]) -> Result<(Value, u64, Option<String>), String> {
    let mut members: Value = serde_json::from_slice(body).map_err(|error| {
        format!("it is not JSON: {error}; restore an earlier version of the object")
    })?;
    let (format, written_by) = take_versions(&mut members);
    for from in u32::try_from(format).unwrap_or(D::FORMAT)..D::FORMAT {
        members = D::migrate(from, members);
    }
    Ok((members, format, written_by))
}

/// The bytes of a document that is written after `before`.
pub(crate) fn compose<D: Document>(document: &D, before: &Unknown) -> Result<Vec<u8>, String> {
    if let Some(obstacle) = before.obstacle::<D>() {
        return Err(obstacle);
    }
    let members = members(document, before).map_err(|error| error.to_string())?;
    let version = before.written_by.as_deref().unwrap_or(THIS_VERSION);
    let mut body = beginning(D::FORMAT, version).into_bytes();
    if members != b"{}" {
        body.push(b',');
    }
    body.extend_from_slice(members.strip_prefix(b"{").unwrap_or(&members));
    if let Some(time) = far_time(&body) {
        return Err(format!(
            "it would hold the time `{time}`, expected a year of four digits"
        ));
    }
    if body.len() > LARGEST_DOCUMENT {
        return Err(format!(
            "it would have {} bytes, expected at most {LARGEST_DOCUMENT}, with which it can be read again",
            body.len()
        ));
    }
    Ok(body)
}

fn members<D: Document>(document: &D, before: &Unknown) -> Result<Vec<u8>, serde_json::Error> {
    let Some(body) = &before.body else {
        return serde_json::to_vec(document);
    };
    if let Some(members) = own_members::<D>(body)
        && serde_json::to_vec(&serde_json::from_slice::<D>(&members)?)? == members
    {
        // There is nothing in it that this program does not know.
        return serde_json::to_vec(document);
    }
    let (whole, _, _) = migrated::<D>(body).map_err(serde::de::Error::custom)?;
    let known = serde_json::to_value(D::deserialize(&whole)?)?;
    let mut value = serde_json::to_value(document)?;
    keep_unknown(&whole, &known, &mut value);
    serde_json::to_vec(&value)
}

fn take_versions(value: &mut Value) -> (u64, Option<String>) {
    let Value::Object(members) = value else {
        return (1, None);
    };
    let format = members
        .remove(FORMAT_VERSION)
        .and_then(|format| format.as_u64())
        .unwrap_or(1);
    let written_by = match members.remove(LONGSHORE_VERSION) {
        Some(Value::String(version)) => Some(version),
        _ => None,
    };
    (format, written_by)
}

/// Adds to `new` what `whole` says beyond `known`, wherever the part that it belongs to is still there.
fn keep_unknown(whole: &Value, known: &Value, new: &mut Value) {
    match (whole, known, new) {
        (Value::Object(whole), Value::Object(known), Value::Object(new)) => {
            keep_unknown_members(whole, known, new);
        }
        (Value::Array(whole), Value::Array(known), Value::Array(new))
            if whole.len() == known.len() =>
        {
            let is_same_length = new.len() == known.len();
            for (place, element) in new.iter_mut().enumerate() {
                let here = known.get(place).filter(|known| *known == element);
                let before = here
                    .map(|_| place)
                    .or_else(|| known.iter().position(|known| known == element))
                    .or(Some(place).filter(|_| is_same_length));
                if let Some(before) = before {
                    keep_unknown(&whole[before], &known[before], element);
                }
            }
        }
        _ => {}
    }
}

fn keep_unknown_members(
    whole: &Map<String, Value>,
    known: &Map<String, Value>,
    new: &mut Map<String, Value>,
) {
    if let (Some(before), Some(now)) = (identity(known), identity(new))
        && before != now
    {
        // Another one took its place.
        return;
    }
    for (name, member) in whole {
        match (known.get(name), new.get_mut(name)) {
            (Some(known), Some(new)) => keep_unknown(member, known, new),
            (None, None) => {
                new.insert(name.clone(), member.clone());
            }
            // It was taken out, or this program writes it now.
            (Some(_), None) | (None, Some(_)) => {}
        }
    }
}

/// By what one thing is distinguished from another that takes its place: its id, or that of its request.
fn identity(members: &Map<String, Value>) -> Option<Value> {
    members
        .get("id")
        .or_else(|| members.get("request")?.get("id"))
        .cloned()
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Dated {
        at: DateTime<Utc>,
        note: String,
    }

    impl Document for Dated {}

    #[test]
    fn a_time_to_which_no_hour_can_be_added_is_not_read_and_not_written() {
        for time in ["+262142-12-31T23:59:59Z", "-262143-01-01T00:00:00Z"] {
            let at: DateTime<Utc> = time.parse().unwrap();
            let hour = chrono::TimeDelta::hours(1);
            assert!(
                (at.checked_add_signed(hour)).is_none() || at.checked_sub_signed(hour).is_none()
            );
            let body = format!(r#"{{"at":"{time}","note":""}}"#);
            let problem = parse::<Dated>(body.into_bytes()).unwrap_err();
            assert!(
                problem.starts_with(&format!("it holds the time `{time}`, expected a year")),
                "{problem}"
            );
            let document = Dated {
                at,
                note: String::new(),
            };
            let problem = compose(&document, &Unknown::default()).unwrap_err();
            assert!(problem.contains("year of four digits"), "{problem}");
        }
        for note in ["+1", "-12345 bytes", "+49-171", "+12345-01-01"] {
            let body = format!(r#"{{"at":"9999-12-31T23:59:59Z","note":"{note}"}}"#);
            assert!(parse::<Dated>(body.into_bytes()).is_ok(), "{note}");
        }
    }
}
