//! Whether a mirror is what the index names.

use std::collections::BTreeSet;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use longshore_events::longshore::RefusedEntry;
use longshore_events::transfer::Sha256;
use longshore_state::CallError;
use serde::Serialize;
use sha2::Digest;

use crate::layout;
use crate::ports::{Source, SyncCloud};
use crate::selection::WantedBottle;
use crate::settings::MirrorSettings;
use crate::sync::engine::{SyncError, mirror};
use crate::sync::gather::{
    Asking, HEADS_SIDE_BY_SIDE, INDEX, IndexAnswer, Missing, ReadIndex, index,
};
use crate::sync::held::load;

/// What of a mirror is not as the index says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verification {
    pub stack: String,
    /// Bottles that the index names and that are wanted.
    pub wanted: u64,
    /// How many of them are there with the content that the index says.
    pub right: u64,
    /// Those that are not there.
    pub missing: Vec<String>,
    /// Those that are there with another content, or with one that S3 knows no SHA-256 of.
    pub wrong: Vec<String>,
    /// Bottles that are there and that the index does not name.
    pub extra: Vec<String>,
    /// Manifests that clients ask for before the bottles and that are not there.
    pub missing_manifests: Vec<String>,
    /// Index files that are not what belongs beside this index, with what is wrong, and those that were
    /// published and are not there any more.
    pub wrong_index_files: Vec<RefusedEntry>,
    /// The index that clients see.
    pub index: PublishedIndex,
}

/// The index in a mirror, compared with where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PublishedIndex {
    Same,
    /// Another one.
    Other,
    /// None.
    Missing,
}

impl Verification {
    /// Whether every bottle is there with the right content, its manifest too, and all index files are
    /// those of one generation.
    pub fn is_right(&self) -> bool {
        self.missing.is_empty()
            && self.wrong.is_empty()
            && self.missing_manifests.is_empty()
            && self.wrong_index_files.is_empty()
            && self.index == PublishedIndex::Same
    }
}

/// Compares a mirror with the index as it is now. Nothing is changed.
///
/// # Errors
/// [`SyncError`]; a bucket that cannot be listed is one.
pub async fn verify<C: SyncCloud, S: Source>(
    cloud: &C,
    source: &S,
    stack: &str,
) -> Result<Verification, SyncError> {
    let (settings, place) = mirror(cloud, "verify", stack).await?;
    let bucket = &place.bucket;
    let missing = Missing::default();
    let asking = Asking {
        settings: &settings,
        published: None,
        may_be_unchanged: false,
        missing: &missing,
        staging: None,
        now: cloud.now(),
    };
    let read = match index(cloud, source, &asking).await? {
        IndexAnswer::Read(read) => *read,
        IndexAnswer::Refused(reason) => return Err(refused(stack, reason)),
        IndexAnswer::Unchanged => {
            return Err(refused(
                stack,
                "the index was not given, although it was asked for without an entity tag"
                    .to_owned(),
            ));
        }
    };
    let listed: BTreeSet<String> = cloud
        .list(bucket, "")
        .await?
        .into_iter()
        .map(|object| object.key)
        .collect();
    let (there, missing): (Vec<&WantedBottle>, Vec<&WantedBottle>) = read
        .wanted
        .iter()
        .partition(|bottle| listed.contains(&bottle.key));
    let wrong: Vec<Option<String>> = stream::iter(there)
        .map(|bottle| async move {
            let stored = cloud.head(bucket, &bottle.key).await?;
            let sha256 = stored.and_then(|stored| stored.sha256);
            Ok::<_, CallError>(
                (sha256.as_ref() != Some(&bottle.sha256)).then(|| bottle.key.clone()),
            )
        })
        .buffered(HEADS_SIDE_BY_SIDE)
        .try_collect()
        .await?;
    let wrong: Vec<String> = wrong.into_iter().flatten().collect();
    let keys: BTreeSet<&str> = read
        .wanted
        .iter()
        .map(|bottle| bottle.key.as_str())
        .collect();
    let manifests: BTreeSet<&str> = read
        .wanted
        .iter()
        .filter(|bottle| bottle.manifest_url.is_some())
        .map(|bottle| &*bottle.manifest_key)
        .collect();
    let wrong_index_files = wrong_index_files(cloud, bucket, &settings, &read, &listed).await?;
    let wanted = read.wanted.len() as u64;
    Ok(Verification {
        stack: stack.to_owned(),
        wanted,
        right: wanted - missing.len() as u64 - wrong.len() as u64,
        missing: missing.iter().map(|bottle| bottle.key.clone()).collect(),
        wrong,
        extra: listed
            .iter()
            .filter(|key| layout::is_bottle(key) && !keys.contains(key.as_str()))
            .cloned()
            .collect(),
        missing_manifests: manifests
            .into_iter()
            .filter(|key| !listed.contains(*key))
            .map(str::to_owned)
            .collect(),
        wrong_index_files,
        index: published_index(cloud, bucket, &read.sha256).await?,
    })
}

/// Checks the index files of the mirror as a sync checks them before it publishes them.
async fn wrong_index_files<C: SyncCloud>(
    cloud: &C,
    bucket: &str,
    settings: &MirrorSettings,
    read: &ReadIndex,
    listed: &BTreeSet<String>,
) -> Result<Vec<RefusedEntry>, CallError> {
    let generation = read.generation(settings);
    let mut wrong = Vec::new();
    for key in listed {
        let Some(file) = layout::index_file(key).filter(|file| *file != INDEX) else {
            continue;
        };
        let body = cloud.read(bucket, key).await?.unwrap_or_default();
        if let Err(reason) = generation.check(file, &body) {
            let entry = key.clone();
            wrong.push(RefusedEntry { entry, reason });
        }
    }
    let published = load(cloud, bucket)
        .await?
        .and_then(|held| held.record.published);
    let files = published
        .map(|published| published.files)
        .unwrap_or_default();
    for key in files.keys().map(|file| layout::published_index(file)) {
        if !listed.contains(&key) {
            let reason = "it was published and is not there any more".to_owned();
            wrong.push(RefusedEntry { entry: key, reason });
        }
    }
    Ok(wrong)
}

fn refused(stack: &str, reason: String) -> SyncError {
    SyncError::Refused {
        operation: "verify",
        stack: stack.to_owned(),
        reason,
    }
}

async fn published_index<C: SyncCloud>(
    cloud: &C,
    bucket: &str,
    wanted: &Sha256,
) -> Result<PublishedIndex, CallError> {
    let key = layout::published_index(INDEX);
    let Some(body) = cloud.read(bucket, &key).await? else {
        return Ok(PublishedIndex::Missing);
    };
    Ok(
        if hex::encode(sha2::Sha256::digest(&body)) == wanted.as_str() {
            PublishedIndex::Same
        } else {
            PublishedIndex::Other
        },
    )
}
