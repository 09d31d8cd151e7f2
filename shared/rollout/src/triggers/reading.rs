//! What a reconcile reads. Most documents are what they were a quarter of an hour ago, and a listing shows which: these
//! need not be read again, because what was read last time is kept.
//!
//! Nothing is decided by that but what would be decided by reading. A document is taken from what was kept only in the
//! very version that the listing shows. It counts as read when the bucket was listed: before the registry is asked.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use futures_util::future::{join, try_join_all};
use longshore_state::document::overwrite;
use longshore_state::store::{Address, DocumentListing};
use longshore_state::{CallError, Document, DocumentStore, Key, Version, WriteCondition, load};
use serde::{Deserialize, Serialize};

/// Documents are kept from so many on that had to be read: fewer are read in no time.
const WORTH_KEEPING: usize = 25;

/// How many bytes are kept. As a document of their own they are longer, with each quotation mark escaped, and no document
/// is longer than 4 MiB.
const MOST_KEPT: usize = 5 * 1024 * 1024 / 2;

/// What is in the keys of a history, which is as long as a service is old and which no reconcile reads.
const HISTORY: &str = "/history/";

/// A document as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct KeptDocument {
    /// In this version: see [`Version::tag`].
    tag: String,
    body: String,
}

/// What a reconcile has read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct KeptDocuments {
    /// By key.
    documents: BTreeMap<String, KeptDocument>,
}

impl Document for KeptDocuments {}

/// Names what a reconcile has read by what it is about.
struct ReadKey<'a>(&'a str);

impl Key for ReadKey<'_> {
    type Document = KeptDocuments;

    fn address(&self) -> Address {
        Address::of_state(format!("reconcile/{}.json", self.0))
    }

    fn subject(&self) -> String {
        format!("what the reconcile has read of {}", self.0)
    }
}

/// The documents with some prefixes, as they were when the bucket was listed.
pub(super) struct Reading<'a, C> {
    cloud: &'a C,
    about: String,
    prefixes: &'static [&'static str],
    /// The version of each, by key.
    listed: BTreeMap<String, String>,
    kept: KeptDocuments,
    /// What has been of use since.
    used: RefCell<KeptDocuments>,
    /// How many bytes these have, and how many of them had to be read.
    size: Cell<usize>,
    read: Cell<usize>,
}

impl<'a, C: DocumentStore + DocumentListing> Reading<'a, C> {
    /// Lists the documents, and loads what was kept of them.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub(super) async fn begin(
        cloud: &'a C,
        about: String,
        prefixes: &'static [&'static str],
    ) -> Result<Self, CallError> {
        let listings = prefixes
            .iter()
            .map(|prefix| cloud.list_with_tags(prefix, Some(HISTORY)));
        let key = ReadKey(&about);
        let (listings, kept) = join(try_join_all(listings), load(cloud, &key)).await;
        let kept = kept.unwrap_or_else(|error| {
            // Then everything is read.
            tracing::warn!(about, %error, "what the last reconcile has read cannot be read");
            None
        });
        let listed = listings?.into_iter().flatten();
        Ok(Self {
            cloud,
            prefixes,
            listed: listed.map(|listed| (listed.key, listed.tag)).collect(),
            kept: kept.map(|(kept, _)| kept).unwrap_or_default(),
            used: RefCell::new(KeptDocuments::default()),
            size: Cell::new(0),
            read: Cell::new(0),
            about,
        })
    }

    /// Keeps for the next time what was of use, where that saves it much.
    pub(super) async fn end(self) {
        let used = self.used.into_inner();
        if self.read.get() < WORTH_KEEPING {
            return;
        }
        let written = overwrite(self.cloud, &ReadKey(&self.about), &used).await;
        if let Err(error) = written {
            let about = self.about;
            tracing::warn!(about, %error, "what was read cannot be kept: the next reconcile reads it again");
        }
    }

    fn use_again(&self, key: &str, kept: KeptDocument) {
        let size = self.size.get() + kept.body.len();
        if size <= MOST_KEPT {
            self.size.set(size);
            self.used
                .borrow_mut()
                .documents
                .insert(key.to_owned(), kept);
        }
    }

    fn is_listed(&self, address: &Address) -> bool {
        let key = &address.key;
        address.bucket.is_none()
            && !key.contains(HISTORY)
            && self.prefixes.iter().any(|prefix| key.starts_with(prefix))
    }
}

impl<C: DocumentStore + DocumentListing> DocumentStore for Reading<'_, C> {
    async fn read_document(
        &self,
        address: &Address,
    ) -> Result<Option<(Vec<u8>, Version)>, CallError> {
        if !self.is_listed(address) {
            return self.cloud.read_document(address).await;
        }
        let key = &address.key;
        let Some(tag) = self.listed.get(key) else {
            return Ok(None);
        };
        let kept = self.kept.documents.get(key);
        if let Some(kept) = kept.filter(|kept| kept.tag == *tag) {
            self.use_again(key, kept.clone());
            return Ok(Some((kept.body.clone().into_bytes(), Version::new(tag))));
        }
        let read = self.cloud.read_document(address).await?;
        if let Some((body, version)) = &read
            && let Ok(body) = str::from_utf8(body)
        {
            let (tag, body) = (version.tag.clone(), body.to_owned());
            self.read.set(self.read.get() + 1);
            self.use_again(key, KeptDocument { tag, body });
        }
        Ok(read)
    }

    async fn write_document(
        &self,
        address: &Address,
        body: Vec<u8>,
        condition: WriteCondition<'_>,
    ) -> Result<Version, CallError> {
        self.cloud.write_document(address, body, condition).await
    }

    async fn list_documents(&self, prefix: &str) -> Result<Vec<String>, CallError> {
        if !self.prefixes.contains(&prefix) {
            return self.cloud.list_documents(prefix).await;
        }
        let keys = self.listed.keys();
        let keys = keys.filter(|key| key.starts_with(prefix));
        Ok(keys.cloned().collect())
    }
}
