//! Documents: read, written, changed.

use crate::call::{CallError, ErrorClass};
use crate::format::{self, Unknown};
use crate::key::{Address, Document, Key};
use crate::race::decide_again;
use crate::store::{DocumentStore, Version, WriteCondition};

pub use crate::key::LARGEST_DOCUMENT;

/// Reads a document, with the version to give back; `None` when there is none.
///
/// # Errors
/// [`ErrorClass::Unreadable`] for what is not such a document; those of the store.
pub async fn load<S: DocumentStore, K: Key>(
    store: &S,
    key: &K,
) -> Result<Option<(K::Document, Version)>, CallError> {
    let address = key.address();
    let Some((body, mut version)) = store.read_document(&address).await? else {
        return Ok(None);
    };
    let (document, unknown) = format::parse::<K::Document>(body).map_err(|problem| CallError {
        class: ErrorClass::Unreadable,
        ..failure("read", key, &address, &problem)
    })?;
    version.unknown = unknown;
    Ok(Some((document, version)))
}

/// Writes a document in place of `version`, or as the first one, and keeps what `version` says beyond what this
/// program knows.
///
/// A write whose answer was lost and that is refused because of itself was done.
///
/// # Errors
/// [`ErrorClass::LostRace`] when somebody else wrote in between; [`ErrorClass::Transient`] when the document is of a
/// newer format; those of the store.
pub async fn save<S: DocumentStore, K: Key>(
    store: &S,
    key: &K,
    document: &K::Document,
    version: Option<&Version>,
) -> Result<Version, CallError> {
    write(store, key, document, version, WriteCondition::of(version)).await
}

/// Writes a document whatever is there.
///
/// # Errors
/// Those of the store.
pub async fn overwrite<S: DocumentStore, K: Key>(
    store: &S,
    key: &K,
    document: &K::Document,
) -> Result<Version, CallError> {
    write(store, key, document, None, WriteCondition::None).await
}

async fn write<S: DocumentStore, K: Key>(
    store: &S,
    key: &K,
    document: &K::Document,
    version: Option<&Version>,
    condition: WriteCondition<'_>,
) -> Result<Version, CallError> {
    let address = key.address();
    let none = Unknown::default();
    let before = version.map_or(&none, |version| &version.unknown);
    let body = format::compose(document, before)
        .map_err(|problem| failure("write", key, &address, &problem))?;
    let mut written = match store
        .write_document(&address, body.clone(), condition)
        .await
    {
        Err(error) if error.class == ErrorClass::UnsureWrite => {
            match store.read_document(&address).await? {
                Some((present, version)) if present == body => version,
                _ => return Err(CallError::lost_race(key)),
            }
        }
        written => written?,
    };
    written.unknown = Unknown::of(body, before);
    Ok(written)
}

/// What stands between `prefix` and `suffix` in the keys of the state bucket that have both, in the order of the keys.
///
/// # Errors
/// Those of the store.
pub async fn names<S: DocumentStore>(
    store: &S,
    prefix: &str,
    suffix: &str,
) -> Result<Vec<String>, CallError> {
    let keys = store.list_documents(prefix).await?;
    Ok(keys
        .iter()
        .filter_map(|key| key.strip_prefix(prefix)?.strip_suffix(suffix))
        .map(str::to_owned)
        .collect())
}

/// Reads a document from its bytes.
///
/// # Errors
/// What is wrong with it and what to do.
pub fn from_bytes<D: Document>(body: Vec<u8>) -> Result<D, String> {
    format::parse(body).map(|(document, _)| document)
}

/// The bytes of a document that nobody has written yet.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn to_bytes<D: Document>(document: &D) -> Result<Vec<u8>, String> {
    format::compose(document, &Unknown::default())
}

/// Changes a document from what was read of it, and again from what is there when somebody else wrote in between.
/// Nothing is written where nothing changes. `None` when the document is gone.
///
/// # Errors
/// As [`save`]; [`ErrorClass::Transient`] after too many lost races.
pub async fn change<S: DocumentStore, K: Key>(
    store: &S,
    key: &K,
    stored: (K::Document, Version),
    mut change: impl FnMut(&mut K::Document),
) -> Result<Option<(K::Document, Version)>, CallError> {
    let mut known = Some(stored);
    decide_again(key, async || {
        let stored = match known.take() {
            Some(stored) => Some(stored),
            None => load(store, key).await?,
        };
        let Some((before, version)) = stored else {
            return Ok(None);
        };
        let mut document = before.clone();
        change(&mut document);
        if document == before {
            return Ok(Some((document, version)));
        }
        let version = save(store, key, &document, Some(&version)).await?;
        Ok(Some((document, version)))
    })
    .await
}

/// Refuses what could not be written down afterwards: the document is of a newer format.
///
/// # Errors
/// [`ErrorClass::Transient`]: a newer version of Longshore may come to it.
pub fn check_writable<K: Key>(key: &K, version: &Version) -> Result<(), CallError> {
    match version.unknown.obstacle::<K::Document>() {
        Some(obstacle) => Err(failure("write", key, &key.address(), &obstacle)),
        None => Ok(()),
    }
}

/// Somebody restores the object, or a newer version of Longshore comes to it: what is asked for is kept until then.
fn failure<K: Key>(verb: &str, key: &K, address: &Address, problem: &str) -> CallError {
    let bucket = address.bucket.as_deref().unwrap_or("the state bucket");
    CallError {
        operation: format!("{verb} {}", key.subject()),
        class: ErrorClass::Transient,
        code: None,
        message: format!("{problem} (object {} of {bucket})", address.key),
    }
}
