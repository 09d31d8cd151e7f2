//! The content of a file from any offset on: what is on disk first, then what the source sends, asked for
//! again from where it broke off.

use bytes::Bytes;
use longshore_bottles::progress::ProgressCounter;
use longshore_events::transfer::TransferItem;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderName, IF_RANGE, RANGE};
use reqwest::{Response, StatusCode};

use crate::client::{Again, HttpClient, Pace, SourceError, header};
use crate::part::Part;
use crate::retry::{Failures, Next, Side};
use crate::stop::Stop;

/// This many bytes on the way make up for the failures before them: a source that breaks off now and then is
/// no source that is broken.
const FORGIVEN_AFTER: u64 = 8 * 1024 * 1024;

/// Why the content cannot be read on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReadError {
    /// It is refused, or was tried too often.
    GivenUp(String),
    /// Nothing has got through for so long that no other file can fare better.
    Outage(String),
    /// It has another length than was said, or is not the file that it was.
    Changed(String),
    /// The transfer is to stop.
    Stopped,
}

/// Reads a file's content.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    client: &'a HttpClient,
    item: &'a TransferItem,
    progress: &'a ProgressCounter,
    stop: &'a Stop,
    part: Option<Part>,
    position: u64,
    /// The whole length, once it is known.
    total: Option<u64>,
    etag: Option<String>,
    answer: Option<Answer>,
    pace: Pace,
    counts: Counts,
    failures: Failures,
    since_failure: u64,
    problem: Option<String>,
}

/// What reading has cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Bytes that the source has sent, with those in vain.
    pub downloaded: u64,
    /// Bytes that another process had left.
    pub resumed: u64,
    /// How often the source, or the bucket, was tried.
    pub attempts: u32,
}

#[derive(Debug)]
struct Answer {
    response: Response,
    /// Bytes at its beginning that are here already: the source did not heed the range.
    skip: u64,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(
        client: &'a HttpClient,
        item: &'a TransferItem,
        progress: &'a ProgressCounter,
        stop: &'a Stop,
    ) -> Self {
        Self {
            client,
            item,
            progress,
            stop,
            part: None,
            position: 0,
            total: item.size,
            etag: None,
            answer: None,
            counts: Counts {
                attempts: 1,
                ..Counts::default()
            },
            pace: Pace::default(),
            failures: Failures::default(),
            since_failure: 0,
            problem: None,
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// What reading, or the bucket, failed at last.
    pub(crate) fn problem(self) -> Option<String> {
        self.problem
    }

    /// Reads first what `part` holds, and keeps in it what the source sends.
    pub(crate) async fn keep_in(&mut self, mut part: Part) {
        // More than the whole can only be something else.
        if self.total.is_some_and(|total| part.length() > total)
            && let Err(error) = part.clear().await
        {
            self.not_kept(&error);
            return;
        }
        self.counts.resumed = part.length();
        if part.length() > 0 {
            self.answer = None;
        }
        self.part = Some(part);
    }

    /// The length of the whole: what was said before, or else what the source says.
    pub(crate) async fn total(&mut self) -> Result<u64, ReadError> {
        loop {
            if let Some(total) = self.total {
                return Ok(total);
            }
            self.open().await?;
        }
    }

    /// The length of the whole, where it is known.
    pub(crate) fn known_total(&self) -> Option<u64> {
        self.total
    }

    /// Takes the length that the bucket gives for what it holds already.
    pub(crate) fn set_total(&mut self, total: u64) {
        self.total = Some(total);
    }

    /// Counts an attempt that nobody waited for.
    pub(crate) fn count_attempt(&mut self) {
        self.counts.attempts += 1;
    }

    /// Goes on from `position`, unless that is where it is: what the source is sending is kept then.
    pub(crate) fn seek_unless_at(&mut self, position: u64) {
        if self.position != position {
            self.seek(position);
        }
    }

    /// Goes on from `position`, which must not be beyond what was read.
    pub(crate) fn seek(&mut self, position: u64) {
        self.position = position;
        self.answer = None;
    }

    /// Reads from the beginning again, trusting nothing that is on disk, or that the source said: what came may
    /// have been an error page.
    pub(crate) async fn start_over(&mut self) {
        self.seek(0);
        self.total = self.item.size;
        self.etag = None;
        self.counts.resumed = 0;
        if let Some(part) = &mut self.part
            && let Err(error) = part.clear().await
        {
            self.not_kept(&error);
        }
    }

    /// The next piece; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, ReadError> {
        loop {
            if self.total.is_some_and(|total| self.position >= total) {
                return Ok(None);
            }
            if let Some(piece) = self.kept_piece().await {
                return Ok(Some(piece));
            }
            self.open().await?;
            if let Some(piece) = self.sent_piece().await? {
                return Ok(Some(piece));
            }
        }
    }

    /// Counts a failure of the bucket or the source and waits before the next attempt.
    pub(crate) async fn wait_after(
        &mut self,
        side: Side,
        error: SourceError,
    ) -> Result<(), ReadError> {
        self.answer = None;
        if self.since_failure >= FORGIVEN_AFTER {
            self.failures = Failures::default();
        }
        self.since_failure = 0;
        let retries = self.client.retries();
        let next = match error.again {
            Again::Never => Next::GiveUp,
            Again::Refused => retries.refused(&mut self.failures),
            Again::Later(asked) => retries.failed(side, &mut self.failures, asked),
        };
        let wait = match next {
            Next::After(wait) => wait,
            Next::GiveUp => return Err(ReadError::GivenUp(error.message)),
            Next::GiveUpAll(out) => {
                return Err(ReadError::Outage(format!(
                    "{}, and nothing else has got through for {} min",
                    error.message,
                    out.as_secs() / 60
                )));
            }
        };
        tracing::debug!(
            key = self.item.key,
            reason = error.message,
            ?wait,
            "trying again"
        );
        self.problem = Some(error.message);
        let is_doubted = side == Side::Source && retries.is_doubted(&self.failures);
        let pause = async {
            if is_doubted {
                self.client.ask_whether_anything_gets_through().await;
            }
            tokio::time::sleep(wait).await;
        };
        tokio::select! {
            () = pause => {}
            () = self.stop.requested() => return Err(ReadError::Stopped),
        }
        self.counts.attempts += 1;
        self.progress.try_again();
        Ok(())
    }

    /// A call of the bucket went well.
    pub(crate) fn got_through(&self, side: Side) {
        self.client.retries().through(side);
    }

    /// Forces out what is kept, for whoever goes on with it.
    pub(crate) async fn checkpoint(&mut self) {
        if let Some(part) = &mut self.part
            && let Err(error) = part.force().await
        {
            self.not_kept(&error);
        }
    }

    /// The file has arrived.
    pub(crate) async fn arrived(&mut self) {
        self.client.arrived(&self.item.url);
        self.remove_kept().await;
    }

    pub(crate) async fn remove_kept(&mut self) {
        if let Some(part) = self.part.take()
            && let Err(error) = part.remove().await
        {
            tracing::warn!(key = self.item.key, %error, "a partly downloaded file cannot be removed");
        }
    }

    async fn kept_piece(&mut self) -> Option<Bytes> {
        let part = self.part.as_ref()?;
        if self.position >= part.length() {
            return None;
        }
        match part.read(self.position).await {
            Ok(piece) => {
                self.position += piece.len() as u64;
                self.progress.moved(piece.len() as u64);
                Some(piece)
            }
            Err(error) => {
                self.not_kept(&error);
                None
            }
        }
    }

    /// A piece of the answer; `None` where it holds nothing new, or broke off and was asked for again.
    async fn sent_piece(&mut self) -> Result<Option<Bytes>, ReadError> {
        let Some(answer) = &mut self.answer else {
            return Ok(None);
        };
        let mut piece = match self
            .client
            .piece(&mut answer.response, &mut self.pace)
            .await
        {
            Ok(Some(piece)) => piece,
            Ok(None) => {
                let error = SourceError::later("the source ended before the file did");
                self.wait_after(Side::Source, error).await?;
                return Ok(None);
            }
            Err(error) => {
                self.wait_after(Side::Source, error).await?;
                return Ok(None);
            }
        };
        let length = piece.len() as u64;
        self.counts.downloaded += length;
        self.progress.moved(length);
        let skipped = answer.skip.min(length);
        answer.skip -= skipped;
        // At most the length of the piece, which is a usize.
        piece = piece.slice(usize::try_from(skipped).unwrap_or(piece.len())..);
        if piece.is_empty() {
            return Ok(None);
        }
        let end = self.position + piece.len() as u64;
        if let Some(total) = self.total
            && end > total
        {
            return Err(ReadError::Changed(format!(
                "the source sent more than the {total} bytes that the file has"
            )));
        }
        self.since_failure += piece.len() as u64;
        if let Some(part) = &mut self.part
            && part.length() == self.position
            && let Err(error) = part.append(piece.clone()).await
        {
            self.not_kept(&error);
        }
        self.position = end;
        Ok(Some(piece))
    }

    /// Asks the source for what comes next, unless it is sending that already.
    async fn open(&mut self) -> Result<(), ReadError> {
        while self.answer.is_none() {
            // Where nothing is known of the length, what is on disk is not counted as read yet.
            match self.ask().await {
                Ok(()) => {}
                Err(Asked::Failed(error)) => self.wait_after(Side::Source, error).await?,
                Err(Asked::Changed(message)) => return Err(ReadError::Changed(message)),
            }
        }
        Ok(())
    }

    async fn ask(&mut self) -> Result<(), Asked> {
        let range = format!("bytes={}-", self.position);
        let mut headers: Vec<(HeaderName, &str)> = Vec::new();
        if self.position > 0 {
            headers.push((RANGE, &range));
            if let Some(etag) = &self.etag {
                headers.push((IF_RANGE, etag));
            }
        }
        let response = self
            .client
            .get(&self.item.url, &headers)
            .await
            .map_err(Asked::Failed)?;
        let (skip, total) = match response.status() {
            StatusCode::PARTIAL_CONTENT => {
                let (start, total) = content_range(&response).ok_or_else(|| {
                    Asked::Failed(SourceError::later(
                        "the source sent a part that it did not describe",
                    ))
                })?;
                let skip = self.position.checked_sub(start).ok_or_else(|| {
                    Asked::Failed(SourceError::later(
                        "the source sent a later part than it was asked for",
                    ))
                })?;
                (skip, total)
            }
            StatusCode::OK => {
                let total =
                    header(&response, &CONTENT_LENGTH).and_then(|length| length.parse().ok());
                (self.position, total)
            }
            status => {
                return Err(Asked::Changed(format!(
                    "the source answered {status} to a request from byte {} on",
                    self.position
                )));
            }
        };
        match (self.total, total) {
            (Some(expected), Some(found)) if expected != found => {
                return Err(Asked::Changed(format!(
                    "the source has {found} bytes, expected {expected}"
                )));
            }
            (None, None) => {
                return Err(Asked::Failed(SourceError::never(
                    "the source does not say how long the file is, and the list gives no size",
                )));
            }
            (known, found) => self.total = known.or(found),
        }
        // Only a strong one says that the bytes are the same (RFC 9110, section 13.1.5).
        self.etag = header(&response, &ETAG)
            .filter(|etag| etag.starts_with('"'))
            .map(str::to_owned);
        self.pace = Pace::default();
        self.answer = Some(Answer { response, skip });
        Ok(())
    }

    /// Goes on without the disk: it may be full, and that is not a reason to transfer nothing.
    fn not_kept(&mut self, error: &std::io::Error) {
        tracing::warn!(key = self.item.key, %error, "the file is no longer kept while it is transferred");
        self.part = None;
    }
}

enum Asked {
    Failed(SourceError),
    Changed(String),
}

/// The first byte and the whole length of a part of a file: `bytes 5-9/10`.
fn content_range(response: &Response) -> Option<(u64, Option<u64>)> {
    let (range, total) = header(response, &CONTENT_RANGE)?
        .strip_prefix("bytes ")?
        .split_once('/')?;
    let (start, _) = range.split_once('-')?;
    let total = match total {
        "*" => None,
        total => Some(total.parse().ok()?),
    };
    Some((start.trim().parse().ok()?, total))
}
