//! Documents of the state bucket that cannot be read: found, and restored from the versions that the bucket keeps.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use longshore_events::longshore::DocumentVersion;
use serde::Serialize;

use crate::call::{CallError, ErrorClass};
use crate::document::from_bytes;
use crate::key::Document;
use crate::store::{Address, DocumentStore, DocumentVersions, WriteCondition};

/// How many objects are read side by side.
const READS_AT_ONCE: usize = 32;

/// How many earlier versions are tried: one writer damages an object seldom more than once.
const VERSIONS_TRIED: usize = 50;

/// The documents of a crate.
#[derive(Debug, Clone, Copy)]
pub struct Documents {
    /// How their keys begin. Below these prefixes there is nothing else.
    pub prefixes: &'static [&'static str],
    /// What is wrong with these bytes, if they are what stands at this key; see [`check`] and [`not_a_key`].
    pub problem: fn(key: &str, body: Vec<u8>) -> Option<String>,
}

/// A document that cannot be read, or cannot be read whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Damaged {
    /// The key in the state bucket.
    pub key: String,
    /// What is wrong with it, and what to do.
    pub problem: String,
    /// The newest version in which nothing is wrong; `None` when the bucket keeps none.
    pub last_good: Option<DocumentVersion>,
}

impl Documents {
    /// Reads every document and gives those in which something is wrong, by key.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn examine<C: DocumentStore + DocumentVersions>(
        &self,
        cloud: &C,
    ) -> Result<Vec<Damaged>, CallError> {
        let keys = self.keys(cloud).await?;
        let mut found = Vec::new();
        for (key, problem) in self.problems(cloud, keys).await? {
            found.push(Damaged {
                last_good: self.last_good(cloud, &key).await?,
                key,
                problem,
            });
        }
        Ok(found)
    }

    /// Writes the last good version of a damaged document back, unless somebody has written the document since.
    ///
    /// # Errors
    /// [`ErrorClass::Refused`] when there is no good version; [`ErrorClass::LostRace`] when somebody wrote it; those of
    /// the store.
    pub async fn repair<C: DocumentStore + DocumentVersions>(
        &self,
        cloud: &C,
        damaged: &Damaged,
    ) -> Result<(), CallError> {
        let key = &damaged.key;
        let refused = |message: &str| CallError {
            operation: format!("restore {key}"),
            class: ErrorClass::Refused,
            code: None,
            message: message.to_owned(),
        };
        let good = damaged
            .last_good
            .as_ref()
            .ok_or_else(|| refused("the bucket keeps no version of it that can be read"))?;
        let versions = cloud.list_versions(key).await?;
        let present = versions
            .iter()
            .find(|version| version.is_current)
            .ok_or_else(|| refused("it was deleted"))?;
        let address = Address::of_state(key.clone());
        // What was damaged may have been written anew since it was looked at.
        if self.problem_at(cloud, key).await?.is_none() {
            return Ok(());
        }
        let body = cloud.read_version(key, &good.version_id).await?;
        cloud
            .write_document(&address, body, WriteCondition::Replaces(&present.version))
            .await
            .map(drop)
    }

    /// The keys of the documents. What the S3 console shows as an empty folder is not one.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn keys<C: DocumentStore>(&self, cloud: &C) -> Result<Vec<String>, CallError> {
        let listed: Vec<Vec<String>> = stream::iter(self.prefixes)
            .map(|prefix| cloud.list_documents(prefix))
            .buffered(READS_AT_ONCE)
            .try_collect()
            .await?;
        let mut keys: Vec<String> = listed.into_iter().flatten().collect();
        keys.retain(|key| !key.ends_with('/'));
        Ok(keys)
    }

    /// What is wrong with the documents of these keys, where anything is.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn problems<C: DocumentStore>(
        &self,
        cloud: &C,
        keys: impl IntoIterator<Item = String>,
    ) -> Result<BTreeMap<String, String>, CallError> {
        let problems: Vec<(String, Option<String>)> = stream::iter(keys)
            .map(|key| async move {
                let problem = self.problem_at(cloud, &key).await?;
                Ok::<_, CallError>((key, problem))
            })
            .buffered(READS_AT_ONCE)
            .try_collect()
            .await?;
        Ok(problems
            .into_iter()
            .filter_map(|(key, problem)| Some((key, problem?)))
            .collect())
    }

    /// The newest version of a document in which nothing is wrong.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn last_good<C: DocumentVersions>(
        &self,
        cloud: &C,
        key: &str,
    ) -> Result<Option<DocumentVersion>, CallError> {
        let versions = cloud.list_versions(key).await?;
        let earlier = versions.into_iter().filter(|version| !version.is_current);
        for version in earlier.take(VERSIONS_TRIED) {
            let problem = match cloud.read_version(key, &version.version_id).await {
                Ok(body) => (self.problem)(key, body),
                Err(error)
                    if matches!(error.class, ErrorClass::Unreadable | ErrorClass::NotFound) =>
                {
                    continue;
                }
                Err(error) => return Err(error),
            };
            if problem.is_none() {
                return Ok(Some(DocumentVersion {
                    version_id: version.version_id,
                    written_at: version.written_at,
                }));
            }
        }
        Ok(None)
    }

    /// What is wrong with the document of this key; nothing when there is none.
    async fn problem_at<C: DocumentStore>(
        &self,
        cloud: &C,
        key: &str,
    ) -> Result<Option<String>, CallError> {
        match cloud.read_document(&Address::of_state(key)).await {
            Ok(Some((body, _))) => Ok((self.problem)(key, body)),
            Ok(None) => Ok(None),
            Err(error) if error.class == ErrorClass::Unreadable => Ok(Some(error.message)),
            Err(error) => Err(error),
        }
    }
}

/// What is wrong with the bytes of such a document: they cannot be read, or `wrong` says it.
pub fn check<D: Document>(
    body: Vec<u8>,
    wrong: impl FnOnce(&D) -> Option<String>,
) -> Option<String> {
    match from_bytes::<D>(body) {
        Ok(document) => wrong(&document),
        Err(problem) => Some(problem),
    }
}

/// What is wrong with an object that no document has the key of.
pub fn not_a_key() -> String {
    "this is not the key of a document: delete the object".to_owned()
}
