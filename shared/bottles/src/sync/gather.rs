//! What a sync must know before it decides: the index, and what the mirror holds.

use std::collections::BTreeSet;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use longshore_state::CallError;

use crate::index::{Index, IndexReader};
use crate::inventory::{Inventory, InventoryFile};
use crate::layout;
use crate::ports::{Fetched, MirrorStore, Source};
use crate::selection::{self, WantedBottle};
use crate::settings::MirrorSettings;
use crate::signed;
use crate::sync::manifests::is_lasting;
use crate::sync::object::JSON;
use crate::sync::record::Published;

/// The index, under the name that clients know.
pub(crate) const INDEX: &str = "formula.json";

/// The signed form of the index.
const SIGNED_INDEX: &str = "formula.jws.json";

/// How often the index is asked for when its signed form is of another generation: the source may be
/// publishing just now.
const GENERATIONS: usize = 2;

/// The largest index file that is taken: ten times what Homebrew's largest has.
const MAX_BYTES: usize = 300 << 20;

/// How many objects are asked for their digests side by side.
pub(crate) const HEADS_SIDE_BY_SIDE: usize = 32;

/// Where the index files wait to be published; a dry run has no such place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Staging<'a> {
    pub(crate) bucket: &'a str,
    pub(crate) sync_id: &'a str,
}

/// What asking for the index has given.
#[derive(Debug)]
pub(crate) enum IndexAnswer {
    /// It is what is published.
    Unchanged,
    /// It is not to be trusted.
    Refused(String),
    /// It was read to its end.
    Read(Box<ReadIndex>),
}

/// An index that was read.
#[derive(Debug)]
pub(crate) struct ReadIndex {
    pub(crate) index: Index,
    pub(crate) etag: Option<String>,
    pub(crate) wanted: Vec<WantedBottle>,
    /// The files that wait, in the order in which they are published: the index itself last.
    pub(crate) files: Vec<String>,
    pub(crate) warnings: Vec<String>,
}

/// Fetches the index and its signed files. `etag` is that of the published one, where nothing else asks
/// for a comparison.
pub(crate) async fn index<M: MirrorStore, S: Source>(
    store: &M,
    source: &S,
    settings: &MirrorSettings,
    published: Option<&Published>,
    etag: Option<&str>,
    staging: Option<Staging<'_>>,
) -> Result<IndexAnswer, CallError> {
    let mut problem = String::new();
    for _ in 0..GENERATIONS {
        let mut read = match read_index(store, source, settings, etag, staging).await? {
            IndexAnswer::Read(read) => read,
            other => return Ok(other),
        };
        if let Some(reason) = distrust(&read, published) {
            return Ok(IndexAnswer::Refused(reason));
        }
        match signed_files(store, source, settings, &mut read, staging).await? {
            None => {
                read.files.push(INDEX.to_owned());
                return Ok(IndexAnswer::Read(read));
            }
            Some(found) => problem = found,
        }
    }
    Ok(IndexAnswer::Refused(format!(
        "{SIGNED_INDEX} is not of the same generation as {INDEX}: {problem}; run the sync again when the \
         source has published both"
    )))
}

/// Why an index is not to be trusted, although it could be read.
fn distrust(read: &ReadIndex, published: Option<&Published>) -> Option<String> {
    let bottles = read.index.bottles;
    if let Some(published) = published
        && bottles < published.bottles.div_ceil(2)
    {
        return Some(format!(
            "the index names {bottles} bottles, less than half of the {} of the published one; nothing is \
             deleted",
            published.bottles
        ));
    }
    read.wanted
        .is_empty()
        .then(|| format!("of the {bottles} bottles of the index the stack file selects none"))
}

async fn read_index<M: MirrorStore, S: Source>(
    store: &M,
    source: &S,
    settings: &MirrorSettings,
    etag: Option<&str>,
    staging: Option<Staging<'_>>,
) -> Result<IndexAnswer, CallError> {
    let mut reader = IndexReader::new(&settings.private_hosts);
    let mut body = Vec::new();
    let mut feed = |piece: &[u8]| {
        reader.feed(piece).map_err(|error| error.to_string())?;
        keep(&mut body, piece, staging.is_some())
    };
    let fetched = source
        .fetch(&settings.index_url, None, etag, &mut feed)
        .await;
    let etag = match fetched {
        Ok(Fetched::NotModified) => return Ok(IndexAnswer::Unchanged),
        Ok(Fetched::Body { etag }) => etag,
        Err(error) if is_lasting(error.class) => {
            return Ok(IndexAnswer::Refused(format!("index: {error}")));
        }
        Err(error) => return Err(error),
    };
    let index = match reader.finish() {
        Ok(index) => index,
        Err(error) => {
            let url = &settings.index_url;
            return Ok(IndexAnswer::Refused(format!("index {url}: {error}")));
        }
    };
    if let Some(staging) = staging {
        stage(store, staging, INDEX, body).await?;
    }
    let wanted = selection::wanted(&index, &settings.selection);
    let warnings = selection::problems(&settings.selection, &index);
    Ok(IndexAnswer::Read(Box::new(ReadIndex {
        index,
        etag,
        wanted,
        files: Vec::new(),
        warnings,
    })))
}

/// Fetches the signed files; what is wrong with the signed form of the index, if it is of another
/// generation.
async fn signed_files<M: MirrorStore, S: Source>(
    store: &M,
    source: &S,
    settings: &MirrorSettings,
    read: &mut ReadIndex,
    staging: Option<Staging<'_>>,
) -> Result<Option<String>, CallError> {
    // A dry run publishes nothing, so that it need not know.
    let Some(staging) = staging else {
        return Ok(None);
    };
    for file in layout::signed_files(&settings.selection.platforms) {
        let url = beside(&settings.index_url, &file);
        let mut body = Vec::new();
        let mut feed = |piece: &[u8]| keep(&mut body, piece, true);
        match source.fetch(&url, None, None, &mut feed).await {
            Ok(_) => {}
            Err(error) if is_lasting(error.class) => {
                // Sources stop publishing platforms, and private ones have no casks.
                if file == SIGNED_INDEX {
                    read.warnings.push(format!("index file {file}: {error}"));
                }
                continue;
            }
            Err(error) => return Err(error),
        }
        if file == SIGNED_INDEX
            && let Err(problem) = signed::check(
                &body,
                &settings.selection,
                &settings.private_hosts,
                &read.wanted,
            )
        {
            return Ok(Some(problem));
        }
        stage(store, staging, &file, body).await?;
        read.files.push(file);
    }
    Ok(None)
}

fn keep(body: &mut Vec<u8>, piece: &[u8], wanted: bool) -> Result<(), String> {
    if !wanted {
        return Ok(());
    }
    if body.len() + piece.len() > MAX_BYTES {
        return Err(format!("it has more than {MAX_BYTES} bytes"));
    }
    body.extend_from_slice(piece);
    Ok(())
}

async fn stage<M: MirrorStore>(
    store: &M,
    staging: Staging<'_>,
    file: &str,
    body: Vec<u8>,
) -> Result<(), CallError> {
    let key = layout::staged_index(staging.sync_id, file);
    store
        .write(staging.bucket, &key, JSON, body)
        .await
        .map(drop)
}

/// The URL of a file beside the index.
fn beside(index_url: &str, file: &str) -> String {
    match index_url.rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/{file}"),
        None => file.to_owned(),
    }
}

/// What a mirror holds.
#[derive(Debug)]
pub(crate) struct Holdings {
    pub(crate) inventory: Inventory,
    /// All keys of the bucket, where it was listed.
    pub(crate) listed: Option<BTreeSet<String>>,
    pub(crate) warnings: Vec<String>,
}

/// The inventory that the last sync has left, as it is.
pub(crate) async fn stored_inventory<M: MirrorStore>(
    store: &M,
    bucket: &str,
) -> Result<Result<Inventory, String>, CallError> {
    let Some(body) = store.read(bucket, layout::INVENTORY).await? else {
        return Ok(Err("there is none".to_owned()));
    };
    Ok(Inventory::read(&body).map_err(|error| error.to_string()))
}

/// Makes a missing or damaged inventory anew, and compares a good one with a listing where that is asked
/// for. What the listing shows and the inventory does not know is asked for its digest; a bucket that
/// cannot be listed is an error.
pub(crate) async fn holdings<M: MirrorStore>(
    store: &M,
    bucket: &str,
    stored: Result<Inventory, String>,
    check_listing: bool,
) -> Result<Holdings, CallError> {
    let (known, warnings) = match stored {
        Ok(inventory) if !check_listing => {
            return Ok(Holdings {
                inventory,
                listed: None,
                warnings: Vec::new(),
            });
        }
        Ok(inventory) => (inventory, Vec::new()),
        Err(problem) => (
            Inventory::default(),
            vec![format!(
                "inventory: {problem}; it was made again from a listing of the bucket"
            )],
        ),
    };
    let objects = store.list(bucket, "").await?;
    let bottles = objects
        .iter()
        .filter(|object| layout::is_bottle(&object.key));
    let files: Vec<Option<(String, InventoryFile)>> = stream::iter(bottles)
        .map(|object| {
            let known = known
                .files
                .get(&object.key)
                .filter(|known| known.estimated || known.size == object.size);
            async move {
                if let Some(known) = known {
                    let file = InventoryFile {
                        sha256: known.sha256.clone(),
                        size: object.size,
                        estimated: false,
                    };
                    return Ok(Some((object.key.clone(), file)));
                }
                let stored = store.head(bucket, &object.key).await?;
                let file = stored.and_then(|stored| {
                    Some(InventoryFile {
                        sha256: stored.sha256?,
                        size: stored.size,
                        estimated: false,
                    })
                });
                Ok::<_, CallError>(file.map(|file| (object.key.clone(), file)))
            }
        })
        .buffered(HEADS_SIDE_BY_SIDE)
        .try_collect()
        .await?;
    Ok(Holdings {
        inventory: Inventory {
            files: files.into_iter().flatten().collect(),
        },
        listed: Some(objects.into_iter().map(|object| object.key).collect()),
        warnings,
    })
}
