//! One file on its way: looked for in the bucket, streamed there, verified, copied.

use std::collections::HashSet;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use longshore_bottles::progress::ProgressCounter;
use longshore_events::transfer::{Sha256, TransferItem};
use longshore_state::{CallError, ErrorClass};
use sha2::Digest;

use crate::body::{Body, BodySender};
use crate::client::{HttpClient, SourceError};
use crate::destination::{Destination, PutError, Target, concerns_all};
use crate::part::{Part, SMALLEST_KEPT};
use crate::reader::{Counts, ReadError, Reader};
use crate::retry::Side;
use crate::stop::Stop;

/// What a bottle is.
const CONTENT_TYPE: &str = "application/gzip";

/// S3's longest key, in bytes.
const LONGEST_KEY: usize = 1024;

/// Where syncs keep what they know; nobody's list of files may change it.
const OWN_KEYS: &str = ".longshore";

/// How long the bucket may take to answer after it has every byte.
const ANSWER: Duration = Duration::from_secs(120);

/// S3 takes at most this many parts of an object.
const MOST_PARTS: u64 = 10_000;

/// What all files of a transfer share.
#[derive(Debug)]
pub(crate) struct Work<D> {
    pub client: HttpClient,
    pub destination: Arc<D>,
    pub bucket: String,
    pub progress: ProgressCounter,
    /// No further file is begun, and nobody waits to try again.
    pub stop: Stop,
    /// What is on its way is broken off.
    pub abort: Stop,
    /// The digests of the files that are being kept on disk, so that two keys with one content do not
    /// share a file.
    pub kept: Mutex<HashSet<Sha256>>,
}

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    pub end: End,
    pub bytes: u64,
    pub copies: u64,
    pub counts: Counts,
    /// What it failed at last.
    pub problem: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    Transferred,
    AlreadyThere,
    Failed(String),
    /// The role may not do it with this key; whether it may with others is not said.
    Denied(String),
    /// No other file can fare better.
    FailedForAll(String),
    Left,
}

/// Why an attempt came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Unsent {
    Mismatch(String),
    Failed(String),
    Denied(String),
    FailedForAll(String),
    Stopped,
}

impl From<ReadError> for Unsent {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::GivenUp(reason) => Self::Failed(reason),
            ReadError::Outage(reason) => Self::FailedForAll(reason),
            ReadError::Changed(reason) => Self::Mismatch(reason),
            ReadError::Stopped => Self::Stopped,
        }
    }
}

/// Refuses what must not be written.
fn check_key(key: &str) -> Result<(), String> {
    let climbs = |segment: &str| matches!(segment, "" | "." | "..");
    if key.is_empty() {
        Err("the key is empty".to_owned())
    } else if key.len() > LONGEST_KEY {
        Err(format!("the key is longer than {LONGEST_KEY} bytes"))
    } else if key.split('/').any(climbs) || key.contains('\\') {
        Err("the key climbs, or has an empty segment".to_owned())
    } else if key.chars().any(char::is_control) {
        Err("the key holds a control character".to_owned())
    } else if key.split('/').next() == Some(OWN_KEYS) {
        Err(format!("keys under {OWN_KEYS}/ are the sync's own"))
    } else {
        Ok(())
    }
}

impl<D: Destination> Work<D> {
    /// Transfers a file, and never fails otherwise than by reporting so.
    pub(crate) async fn transfer(&self, item: &TransferItem) -> Ended {
        let mut reader = Reader::new(&self.client, item, &self.progress, &self.stop);
        let mut copies = 0;
        let end = match self.bring_with(&mut reader, item, &mut copies).await {
            Ok(end) => end,
            Err(Unsent::Mismatch(reason) | Unsent::Failed(reason)) => End::Failed(reason),
            Err(Unsent::Denied(reason)) => End::Denied(reason),
            Err(Unsent::FailedForAll(reason)) => End::FailedForAll(reason),
            Err(Unsent::Stopped) => {
                reader.checkpoint().await;
                End::Left
            }
        };
        Ended {
            bytes: reader.known_total().unwrap_or_default(),
            counts: reader.counts(),
            problem: reader.problem(),
            end,
            copies,
        }
    }

    async fn bring_with(
        &self,
        reader: &mut Reader<'_>,
        item: &TransferItem,
        copies: &mut u64,
    ) -> Result<End, Unsent> {
        for key in std::iter::once(&item.key).chain(&item.copies) {
            check_key(key).map_err(|problem| {
                Unsent::Failed(format!("`{}`: {problem}", key.escape_debug()))
            })?;
        }
        let is_there = self.is_there(reader, &item.key, &item.sha256).await?;
        if !is_there {
            self.bring_new(reader, item, &item.key).await?;
        }
        for key in &item.copies {
            if is_there && self.is_there(reader, key, &item.sha256).await? {
                continue;
            }
            // S3 copies no more than it takes in one PUT (Amazon S3 API Reference, "CopyObject").
            if reader
                .known_total()
                .is_some_and(|total| total > D::LARGEST_PUT)
            {
                reader.start_over().await;
                self.bring_new(reader, item, key).await?;
                *copies += 1;
                continue;
            }
            let target = self.target(item, key);
            self.call(reader, Side::Writing, || {
                self.destination.copy(&item.key, &target)
            })
            .await?;
            *copies += 1;
        }
        Ok(if is_there {
            End::AlreadyThere
        } else {
            End::Transferred
        })
    }

    async fn is_there(
        &self,
        reader: &mut Reader<'_>,
        key: &str,
        sha256: &Sha256,
    ) -> Result<bool, Unsent> {
        let stored = self
            .call(reader, Side::Looking, || {
                self.destination.head(&self.bucket, key)
            })
            .await?;
        let Some(stored) = stored else {
            return Ok(false);
        };
        let is_same = stored.sha256.as_ref() == Some(sha256);
        if is_same {
            reader.set_total(stored.size);
        }
        Ok(is_same)
    }

    async fn bring_new(
        &self,
        reader: &mut Reader<'_>,
        item: &TransferItem,
        key: &str,
    ) -> Result<(), Unsent> {
        let outcome = self.bring_to(reader, item, self.target(item, key)).await;
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&item.sha256);
        outcome
    }

    async fn bring_to(
        &self,
        reader: &mut Reader<'_>,
        item: &TransferItem,
        target: Target,
    ) -> Result<(), Unsent> {
        let mut mismatches = 0;
        let mut is_foreign = false;
        let mut first = true;
        loop {
            let outcome = async {
                let total = reader.total().await?;
                if first {
                    first = false;
                    is_foreign = self.keep(reader, item, total).await;
                }
                if total > D::LARGEST_PUT {
                    self.put_in_parts(reader, &target, total).await
                } else {
                    self.put(reader, &target, total, mismatches > 0).await
                }
            };
            let mismatch = match outcome.await {
                Ok(()) => {
                    reader.arrived().await;
                    return Ok(());
                }
                Err(Unsent::Mismatch(mismatch)) => mismatch,
                Err(unsent) => return Err(unsent),
            };
            // What another process left may be anything, and is not held against the source.
            if !is_foreign {
                mismatches += 1;
            }
            is_foreign = false;
            reader.start_over().await;
            if mismatches > 1 {
                reader.remove_kept().await;
                return Err(Unsent::Mismatch(mismatch));
            }
            tracing::warn!(key = item.key, reason = mismatch, "starting over");
            reader.count_attempt();
        }
    }

    fn target(&self, item: &TransferItem, key: &str) -> Target {
        Target {
            bucket: self.bucket.clone(),
            key: key.to_owned(),
            content_type: item
                .content_type
                .clone()
                .unwrap_or_else(|| CONTENT_TYPE.to_owned()),
            sha256: item.sha256.clone(),
        }
    }

    /// Keeps a large file on disk while it is transferred. Gives whether another process had left some of it.
    async fn keep(&self, reader: &mut Reader<'_>, item: &TransferItem, total: u64) -> bool {
        let Some(directory) = &self.client.settings().temporary else {
            return false;
        };
        if total < SMALLEST_KEPT {
            return false;
        }
        let is_free = self
            .kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(item.sha256.clone());
        if !is_free {
            return false;
        }
        match Part::open(directory, &item.sha256, self.client.patience().lock).await {
            Ok(Some(part)) => {
                reader.keep_in(part).await;
                reader.counts().resumed > 0
            }
            Ok(None) => {
                tracing::info!(
                    key = item.key,
                    "another process keeps this file, which is transferred without that"
                );
                false
            }
            Err(error) => {
                tracing::warn!(key = item.key, directory = %directory.display(), %error, "the file cannot be kept while it is transferred");
                false
            }
        }
    }

    /// A call that may be tried again.
    async fn call<T, F, C>(&self, reader: &mut Reader<'_>, side: Side, make: F) -> Result<T, Unsent>
    where
        F: Fn() -> C,
        C: Future<Output = Result<T, CallError>>,
    {
        loop {
            let answer = tokio::select! {
                answer = make() => answer,
                () = self.abort.requested() => return Err(Unsent::Stopped),
            };
            match answer {
                Ok(answer) => {
                    reader.got_through(side);
                    return Ok(answer);
                }
                Err(error) => failed_call(reader, side, error).await?,
            }
        }
    }

    /// One PUT, tried again from the beginning where the bucket breaks off.
    async fn put(
        &self,
        reader: &mut Reader<'_>,
        target: &Target,
        total: u64,
        is_hashed: bool,
    ) -> Result<(), Unsent> {
        loop {
            let mut hasher = is_hashed.then(sha2::Sha256::new);
            reader.seek_unless_at(0);
            let (sender, body) = Body::channel(total);
            let outcome = self
                .stream(
                    reader,
                    sender,
                    total,
                    &mut Bytes::new(),
                    hasher.as_mut(),
                    self.destination.put(target, body),
                )
                .await?;
            match outcome {
                Ok(()) => {
                    reader.got_through(Side::Writing);
                    return Ok(());
                }
                Err(PutError::Mismatch(message)) => {
                    return Err(Unsent::Mismatch(match hasher {
                        Some(hasher) => hashes_to(hasher, &target.sha256),
                        None => message,
                    }));
                }
                Err(PutError::Call(error)) => failed_call(reader, Side::Writing, error).await?,
            }
        }
    }

    /// Several PUTs and one digest over all of them, which decides whether anything becomes visible.
    async fn put_in_parts(
        &self,
        reader: &mut Reader<'_>,
        target: &Target,
        total: u64,
    ) -> Result<(), Unsent> {
        let upload = self
            .call(reader, Side::Writing, || self.destination.begin(target))
            .await?;
        let outcome = self.send_parts(reader, target, total, &upload).await;
        if outcome.is_err()
            && let Err(error) = self.destination.abort(target, &upload).await
        {
            tracing::warn!(key = target.key, %error, "parts are left in the bucket");
        }
        outcome
    }

    async fn send_parts(
        &self,
        reader: &mut Reader<'_>,
        target: &Target,
        total: u64,
        upload: &str,
    ) -> Result<(), Unsent> {
        let size = D::PART_SIZE.max(total.div_ceil(MOST_PARTS));
        let mut tags = Vec::new();
        let mut whole = sha2::Sha256::new();
        let mut preserved = Bytes::new();
        let mut start = 0;
        reader.seek_unless_at(0);
        for number in 1.. {
            if start == total {
                break;
            }
            let length = size.min(total - start);
            let (tag, hasher) = loop {
                let mut hasher = whole.clone();
                let (sender, body) = Body::channel(length);
                let put = self.destination.put_part(target, upload, number, body);
                let outcome = self
                    .stream(
                        reader,
                        sender,
                        length,
                        &mut preserved,
                        Some(&mut hasher),
                        put,
                    )
                    .await?;
                match outcome {
                    Ok(tag) => {
                        reader.got_through(Side::Writing);
                        break (tag, hasher);
                    }
                    Err(PutError::Mismatch(message)) => return Err(Unsent::Mismatch(message)),
                    Err(PutError::Call(error)) => {
                        failed_call(reader, Side::Writing, error).await?;
                        preserved = Bytes::new();
                        reader.seek(start);
                    }
                }
            };
            tags.push(tag);
            whole = hasher;
            start += length;
        }
        if hex::encode(whole.clone().finalize()) != target.sha256.as_str() {
            return Err(Unsent::Mismatch(hashes_to(whole, &target.sha256)));
        }
        self.call(reader, Side::Writing, || {
            self.destination.complete(target, upload, &tags)
        })
        .await
    }

    /// Reads `length` bytes into a body while `put` sends it. The outer result is that of reading.
    async fn stream<T>(
        &self,
        reader: &mut Reader<'_>,
        sender: BodySender,
        length: u64,
        preserved: &mut Bytes,
        hasher: Option<&mut sha2::Sha256>,
        put: impl Future<Output = Result<T, PutError>>,
    ) -> Result<Result<T, PutError>, Unsent> {
        let mut put = std::pin::pin!(put);
        tokio::select! {
            biased;
            () = self.abort.requested() => return Err(Unsent::Stopped),
            // An answer before the end: it is none that is liked.
            answer = &mut put => return Ok(answer),
            read = fill(reader, sender, length, preserved, hasher, self.client.patience().bucket_stall) => {
                if let Some(stalled) = read? {
                    return Ok(Err(PutError::Call(stalled)));
                }
            }
        }
        tokio::select! {
            () = self.abort.requested() => Err(Unsent::Stopped),
            answer = tokio::time::timeout(ANSWER, put) => Ok(answer.unwrap_or_else(|_| {
                let message = format!("the bucket did not answer for {} s", ANSWER.as_secs());
                Err(PutError::Call(silent(message)))
            })),
        }
    }
}

/// Reads `length` bytes into a body; what was read beyond them is carried over to the next one. Gives what is wrong
/// with a bucket that takes nothing for `patience`.
async fn fill(
    reader: &mut Reader<'_>,
    sender: BodySender,
    mut length: u64,
    preserved: &mut Bytes,
    mut hasher: Option<&mut sha2::Sha256>,
    patience: Duration,
) -> Result<Option<CallError>, Unsent> {
    while length > 0 {
        let mut piece = std::mem::take(preserved);
        if piece.is_empty() {
            piece = reader
                .next()
                .await?
                .ok_or_else(|| Unsent::Mismatch("the file ended early".to_owned()))?;
        }
        if piece.len() as u64 > length {
            // Less than the length of the piece, which is a usize.
            *preserved = piece.split_off(usize::try_from(length).unwrap_or_default());
        }
        if let Some(hasher) = &mut hasher {
            hasher.update(&piece);
        }
        length -= piece.len() as u64;
        match tokio::time::timeout(patience, sender.send(piece)).await {
            Ok(true) => {}
            // The bucket has answered; what it said is heard next.
            Ok(false) => return Ok(None),
            Err(_) => {
                return Ok(Some(silent(format!(
                    "the bucket took nothing for {} s",
                    patience.as_secs_f64()
                ))));
            }
        }
    }
    Ok(None)
}

fn silent(message: String) -> CallError {
    CallError {
        operation: "write the file".to_owned(),
        class: ErrorClass::Transient,
        code: None,
        message,
    }
}

/// Waits before a call is made again, or reports why it is not. A refusal may have been a mistake, and is asked
/// about again a few times.
async fn failed_call(reader: &mut Reader<'_>, side: Side, error: CallError) -> Result<(), Unsent> {
    if concerns_all(&error) {
        return Err(Unsent::FailedForAll(error.to_string()));
    }
    let is_denied = error.class == ErrorClass::Denied;
    let again = match error.class {
        ErrorClass::NotFound | ErrorClass::Refused | ErrorClass::Denied => {
            SourceError::refused(error.to_string())
        }
        _ => SourceError::later(error.to_string()),
    };
    match reader.wait_after(side, again).await {
        Err(ReadError::GivenUp(reason)) if is_denied => Err(Unsent::Denied(reason)),
        waited => Ok(waited?),
    }
}

fn hashes_to(hasher: sha2::Sha256, expected: &Sha256) -> String {
    format!(
        "its content hashes to {}, expected {expected}",
        hex::encode(hasher.finalize())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_not_keys_of_files_are_refused() {
        for key in [
            "",
            "/a",
            "a/",
            "a//b",
            "../a",
            "a/../b",
            "a/./b",
            "..",
            "a\\..\\b",
            "a\nb",
            ".longshore",
            ".longshore/current.json",
        ] {
            assert!(check_key(key).is_err(), "{key}");
        }
        assert!(check_key(&"a".repeat(1025)).is_err());
    }

    #[test]
    fn keys_of_bottles_are_taken() {
        for key in [
            "boost@1.85-1.85.0_3.arm64_sequoia.bottle.2.tar.gz",
            "gtk+-2.24.33_2.arm64_linux.bottle.tar.gz",
            "v2/homebrew/core/boost/1.85/blobs/sha256:00",
            "..a/b..",
            "api/.longshore",
        ] {
            assert_eq!(check_key(key), Ok(()), "{key}");
        }
    }
}
