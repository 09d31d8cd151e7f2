//! What a sync must know before it decides: the index, and what the mirror holds.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, Utc};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use longshore_events::transfer::Sha256;
use longshore_state::{CallError, ErrorClass};
use serde::{Deserialize, Serialize};
use sha2::Digest;

use crate::index::{Index, IndexReader};
use crate::inventory::{Inventory, InventoryFile};
use crate::layout;
use crate::platforms::{self, Platforms};
use crate::portable_ruby;
use crate::ports::{Fetched, MirrorStore, Source};
use crate::selection::{self, WantedBottle};
use crate::settings::MirrorSettings;
use crate::signed::{Generation, SIGNED_INDEX};
use crate::sizes;
use crate::sync::manifests::is_lasting;
use crate::sync::object::{JSON, write_object};
use crate::sync::record::Published;
use crate::sync::whole::{Whole, whole};

/// The index, under the name that clients know.
pub(crate) const INDEX: &str = "formula.json";

/// An index file that the mirror has, and that its source has not had for this long, is not published there
/// any more: Homebrew drops platforms.
const WITHDRAWN_AFTER: Duration = Duration::days(3);

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
    /// What the index's bytes hash to.
    pub(crate) sha256: Sha256,
    pub(crate) platforms: Platforms,
    pub(crate) wanted: Vec<WantedBottle>,
    /// The files that wait, in the order in which they are published: the index itself last.
    pub(crate) files: Vec<String>,
    /// The entity tags of the files at the source.
    pub(crate) etags: BTreeMap<String, Option<String>>,
    /// The files that the source does not have.
    pub(crate) absent: Vec<String>,
    /// Those of them, and those that it refuses, that the mirror has, and since when.
    pub(crate) withheld: BTreeMap<String, DateTime<Utc>>,
    /// Manifests of brew's own Ruby that could not be had.
    pub(crate) missing_manifests: BTreeSet<String>,
    pub(crate) warnings: Vec<String>,
}

impl ReadIndex {
    /// What the index files beside the index must agree with, in a mirror with these settings.
    pub(crate) fn generation<'a>(&'a self, settings: &'a MirrorSettings) -> Generation<'a> {
        Generation {
            index: &self.index,
            sha256: &self.sha256,
            platforms: &self.platforms,
            selection: &settings.selection,
            private_hosts: &settings.private_hosts,
            wanted: &self.wanted,
        }
    }
}

/// What a source did not give, although the mirror has it or its index names it: every sync asks for it
/// again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Missing {
    /// Index files of the mirror, and since when the source has not had them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) index_files: BTreeMap<String, DateTime<Utc>>,
    /// Keys of manifests.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) manifests: BTreeSet<String>,
}

/// What asking for the index needs to know of the mirror.
#[derive(Debug)]
pub(crate) struct Asking<'a> {
    pub(crate) settings: &'a MirrorSettings,
    pub(crate) published: Option<&'a Published>,
    /// Whether the sync ends if no index file has changed since it was published.
    pub(crate) may_be_unchanged: bool,
    pub(crate) missing: &'a Missing,
    pub(crate) staging: Option<Staging<'a>>,
    pub(crate) now: DateTime<Utc>,
}

/// Fetches the index and the files beside it.
///
/// # Errors
/// [`CallError`]; [`ErrorClass::Transient`] where asking again later may do better: the source refuses the index, or
/// one of the files does not belong to it, because the source is publishing just now, or is out of order.
pub(crate) async fn index<M: MirrorStore, S: Source>(
    store: &M,
    source: &S,
    asking: &Asking<'_>,
) -> Result<IndexAnswer, CallError> {
    if let Some(published) = asking.published.filter(|_| asking.may_be_unchanged)
        && is_unchanged(source, &asking.settings.index_url, published).await?
    {
        return Ok(IndexAnswer::Unchanged);
    }
    let mut answer = read_index(store, source, asking).await?;
    if let IndexAnswer::Refused(_) = answer {
        // As for a bottle: one page of an error must not cost the night.
        answer = read_index(store, source, asking).await?;
    }
    let mut read = match answer {
        IndexAnswer::Read(read) => read,
        other => return Ok(other),
    };
    if let Some(reason) = distrust(&read, asking.published) {
        return Ok(IndexAnswer::Refused(reason));
    }
    files_beside(store, source, asking, &mut read).await?;
    read.files.push(INDEX.to_owned());
    let (selection, index) = (&asking.settings.selection, &read.index);
    let of_source: BTreeSet<String> = read
        .files
        .iter()
        .filter_map(|file| layout::platform_of(file))
        .map(str::to_owned)
        .collect();
    let problems = selection::problems(selection, index, &of_source);
    read.warnings.extend(problems);
    add_portable_ruby(source, asking.settings, &mut read).await?;
    Ok(IndexAnswer::Read(read))
}

/// Whether every index file is at its source what it was when it was published, and those that the source
/// did not have are still not there.
async fn is_unchanged<S: Source>(
    source: &S,
    index_url: &str,
    published: &Published,
) -> Result<bool, CallError> {
    // Not known of what an earlier version of Longshore has published.
    if !published.files.contains_key(INDEX) {
        return Ok(false);
    }
    let index = published.files.get_key_value(INDEX);
    let others = published.files.iter().filter(|(file, _)| *file != INDEX);
    for (file, etag) in index.into_iter().chain(others) {
        let Some(etag) = etag else {
            return Ok(false);
        };
        let url = match file.as_str() {
            INDEX => index_url.to_owned(),
            file => beside(index_url, file),
        };
        match source.fetch(&url, None, Some(etag), &mut unwanted).await {
            Ok(Fetched::NotModified) => {}
            Ok(Fetched::Body { .. }) => return Ok(false),
            Err(error) if is_lasting(error.class) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    for file in &published.absent {
        if !source.is_absent(&beside(index_url, file)).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Ends a request whose body nobody wants: that it has changed is all that matters.
fn unwanted(_piece: &[u8]) -> Result<(), String> {
    Err("it has changed".to_owned())
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
    asking: &Asking<'_>,
) -> Result<IndexAnswer, CallError> {
    let settings = asking.settings;
    let mut reader = IndexReader::new(&settings.private_hosts);
    let mut body = Vec::new();
    let mut hasher = sha2::Sha256::new();
    let mut feed = |piece: &[u8]| {
        reader.feed(piece).map_err(|error| error.to_string())?;
        hasher.update(piece);
        keep(&mut body, piece, asking.staging.is_some())
    };
    let fetched = source
        .fetch(&settings.index_url, None, None, &mut feed)
        .await;
    let etag = match fetched {
        Ok(Fetched::NotModified) => return Ok(IndexAnswer::Unchanged),
        Ok(Fetched::Body { etag }) => etag,
        // What was read of it is not an index.
        Err(error) if error.class == ErrorClass::Refused => {
            return Ok(IndexAnswer::Refused(format!("index: {error}")));
        }
        Err(error) => {
            return Err(CallError {
                class: ErrorClass::Transient,
                ..error
            });
        }
    };
    let index = match reader.finish() {
        Ok(index) => index,
        Err(error) => {
            let url = &settings.index_url;
            return Ok(IndexAnswer::Refused(format!("index {url}: {error}")));
        }
    };
    if let Some(staging) = asking.staging {
        stage(store, staging, INDEX, body).await?;
    }
    let wanted = selection::wanted(&index, &settings.selection);
    let digest: [u8; 32] = hasher.finalize().into();
    Ok(IndexAnswer::Read(Box::new(ReadIndex {
        platforms: Platforms::of(&index),
        index,
        sha256: digest.into(),
        wanted,
        files: Vec::new(),
        etags: BTreeMap::from([(INDEX.to_owned(), etag)]),
        absent: Vec::new(),
        withheld: BTreeMap::new(),
        missing_manifests: BTreeSet::new(),
        warnings: Vec::new(),
    })))
}

/// What came of asking for a file beside the index.
enum Beside {
    Staged,
    /// The source does not have it, and neither does the mirror.
    Absent,
    /// It is not to be published, or the mirror has it and the source does not.
    Wrong(String),
}

/// Fetches the files beside the index, all of which must belong to it. All are asked for, so that the days of each
/// that the source has stopped publishing are counted from today on.
async fn files_beside<M: MirrorStore, S: Source>(
    store: &M,
    source: &S,
    asking: &Asking<'_>,
    read: &mut ReadIndex,
) -> Result<(), CallError> {
    // A dry run publishes nothing, so that it need not know.
    let Some(staging) = asking.staging else {
        return Ok(());
    };
    let place = Beyond {
        store,
        source,
        asking,
        staging,
    };
    let named = &asking.settings.selection.platforms;
    let platforms: BTreeSet<String> = match named.as_slice() {
        [] => read.platforms.all(),
        named => named.iter().cloned().collect(),
    };
    let of_platforms = platforms
        .iter()
        // Nobody's own platform is `all`.
        .filter(|platform| *platform != platforms::ALL)
        .map(|platform| layout::packages_file(platform));
    let files: Vec<String> = layout::COMMON_FILES
        .map(str::to_owned)
        .into_iter()
        .chain(of_platforms)
        .collect();
    let mut first = None;
    for file in &files {
        match place.ask(file, read).await? {
            Beside::Staged => {}
            Beside::Absent => read.absent.push(file.clone()),
            Beside::Wrong(problem) => first = first.or(Some(problem)),
        }
    }
    if let Some(problem) = first {
        place.write_missing(read).await?;
        return Err(not_of_one_generation(asking, problem));
    }
    // Another source need not have what it never had.
    let may_be_missed = |is_it: &dyn Fn(&str) -> bool| {
        let published = asking.published.into_iter();
        asking.settings.is_of_homebrew()
            || published
                .flat_map(|published| published.files.keys())
                .any(|file| is_it(file))
    };
    let is_of_platform = |file: &str| layout::platform_of(file).is_some();
    if read.absent.iter().any(|file| file == SIGNED_INDEX)
        && may_be_missed(&|file| file == SIGNED_INDEX)
    {
        read.warnings.push(format!(
            "the source has no {SIGNED_INDEX}: brew 4.4 to 5.1 cannot use this mirror's index"
        ));
    }
    for platform in named {
        let file = layout::packages_file(platform);
        if !read.absent.contains(&file) {
            continue;
        }
        match place.ask_for_older(platform, read).await? {
            Ok(Some(older)) => read.warnings.push(format!(
                "the source has no {file}: a brew 6 or later there asks for that of {older}, if that is \
                 the newest macOS that it supports"
            )),
            Ok(None) if !may_be_missed(&is_of_platform) => {}
            Ok(None) => read.warnings.push(format!(
                "the source has no {file}: no brew 6 or later can use this mirror's index there"
            )),
            Err(problem) => {
                place.write_missing(read).await?;
                return Err(not_of_one_generation(asking, problem));
            }
        }
    }
    if named.is_empty() {
        let warnings = without_packages(read, may_be_missed(&is_of_platform));
        read.warnings.extend(warnings);
    }
    Ok(())
}

fn not_of_one_generation(asking: &Asking<'_>, problem: String) -> CallError {
    CallError {
        operation: format!("read the files beside {}", asking.settings.index_url),
        class: ErrorClass::Transient,
        code: None,
        message: format!(
            "{problem}; nothing is published until all index files are of one generation"
        ),
    }
}

/// Platforms of the index that brew 6 and later cannot use, although the source has files for platforms:
/// those that are newer than one that has a file. Homebrew drops the file of the oldest ones. A source without
/// any is odd if it `may_be_missed`.
fn without_packages(read: &ReadIndex, may_be_missed: bool) -> Vec<String> {
    let has = |platform: &str| read.files.contains(&layout::packages_file(platform));
    if !read
        .files
        .iter()
        .any(|file| layout::platform_of(file).is_some())
    {
        let warning = "the source has no internal/packages.<platform>.jws.json at all: no brew 6 or later \
                       can use this mirror's index";
        return may_be_missed
            .then(|| warning.to_owned())
            .into_iter()
            .collect();
    }
    let is_new = |platform: &&String| {
        let older = read.platforms.older(platform);
        !has(platform) && older.iter().any(|older| has(older))
    };
    let named = read.index.platforms.iter().filter(is_new);
    named
        .map(|platform| {
            format!(
                "the source has no {}, although it has bottles for that platform: brew 6 and later ask for it \
                 there",
                layout::packages_file(platform)
            )
        })
        .collect()
}

/// Where files beside the index are asked for, and where they wait.
struct Beyond<'a, M, S> {
    store: &'a M,
    source: &'a S,
    asking: &'a Asking<'a>,
    staging: Staging<'a>,
}

impl<M: MirrorStore, S: Source> Beyond<'_, M, S> {
    async fn ask(&self, file: &str, read: &mut ReadIndex) -> Result<Beside, CallError> {
        let settings = self.asking.settings;
        let url = beside(&settings.index_url, file);
        let Whole { body, etag } = match whole(self.source, &url, None, MAX_BYTES).await {
            Ok(whole) => whole,
            Err(error) if is_lasting(error.class) => return self.refused(file, &error, read).await,
            Err(error) => return Err(error),
        };
        let generation = read.generation(settings);
        if let Err(problem) = generation.check(file, &body) {
            return Ok(Beside::Wrong(format!("index file {file}: {problem}")));
        }
        stage(self.store, self.staging, file, body).await?;
        read.etags.insert(file.to_owned(), etag);
        read.files.push(file.to_owned());
        Ok(Beside::Staged)
    }

    /// The source does not give a file. If the mirror has it, clients would see one of an earlier
    /// generation beside the new index: better all of them stay. A source that says for days that there is
    /// none has stopped publishing it; one that may not be listed says that it is not allowed, as S3 does,
    /// although it has just given the index.
    async fn refused(
        &self,
        file: &str,
        error: &CallError,
        read: &mut ReadIndex,
    ) -> Result<Beside, CallError> {
        let key = layout::published_index(file);
        if self.store.head(self.staging.bucket, &key).await?.is_none() {
            return Ok(Beside::Absent);
        }
        let now = self.asking.now;
        let known = self.asking.missing.index_files.get(file);
        let since = known.copied().unwrap_or(now);
        read.withheld.insert(file.to_owned(), since);
        let may_be_gone = matches!(error.class, ErrorClass::NotFound | ErrorClass::Denied);
        if since + WITHDRAWN_AFTER <= now && may_be_gone {
            return Ok(Beside::Absent);
        }
        Ok(Beside::Wrong(format!("index file {file}: {error}")))
    }

    /// Writes down since when the source has not given what the mirror has.
    async fn write_missing(&self, read: &ReadIndex) -> Result<(), CallError> {
        let missing = Missing {
            index_files: read.withheld.clone(),
            manifests: self.asking.missing.manifests.clone(),
        };
        write_object(self.store, self.staging.bucket, layout::MISSING, &missing).await
    }

    /// The file of the newest older macOS for which the source has one; what is wrong with it otherwise.
    async fn ask_for_older(
        &self,
        platform: &str,
        read: &mut ReadIndex,
    ) -> Result<Result<Option<String>, String>, CallError> {
        for older in read.platforms.older(platform) {
            let file = layout::packages_file(&older);
            if read.files.contains(&file) {
                return Ok(Ok(Some(older)));
            }
            match self.ask(&file, read).await? {
                Beside::Staged => return Ok(Ok(Some(older))),
                Beside::Absent => {}
                Beside::Wrong(problem) => return Ok(Err(problem)),
            }
        }
        Ok(Ok(None))
    }
}

/// Adds the versions of brew's own Ruby that the settings name and the index does not.
async fn add_portable_ruby<S: Source>(
    source: &S,
    settings: &MirrorSettings,
    read: &mut ReadIndex,
) -> Result<(), CallError> {
    let formulae = read.index.formulae.iter();
    let Some(root_url) = formulae
        .map(|formula| formula.root_url.clone())
        .find(|root_url| !portable_ruby::manifest_urls(root_url, "1").is_empty())
    else {
        for version in settings.portable_ruby.iter().flatten() {
            read.warnings.push(format!(
                "portable-ruby {version} cannot be had, and a fresh brew that pins it cannot start from this \
                 mirror: no bottle of the index is in a registry that is laid out as Homebrew's, which ends \
                 with `/core`"
            ));
        }
        return Ok(());
    };
    let mut known: BTreeSet<String> = read
        .wanted
        .iter()
        .map(|bottle| bottle.key.clone())
        .collect();
    for version in &settings.portable_ruby() {
        let mut problem = format!("`{version}` is not a version");
        let mut found = Vec::new();
        for url in portable_ruby::manifest_urls(&root_url, version) {
            match ruby_digests(source, &url, version).await? {
                Ok(digests) => {
                    let (selection, platforms) = (&settings.selection, &read.platforms);
                    found = portable_ruby::wanted(version, &url, digests, selection, platforms);
                    problem.clear();
                    break;
                }
                Err(refused) => problem = refused,
            }
        }
        if !problem.is_empty() {
            read.warnings.push(format!(
                "portable-ruby {version} cannot be had, and a fresh brew that pins it cannot start from this \
                 mirror: {problem}"
            ));
            read.missing_manifests
                .insert(format!("portable-ruby/manifests/{version}"));
        }
        // What the index names goes before it.
        found.retain(|bottle| known.insert(bottle.key.clone()));
        read.wanted.extend(found);
    }
    Ok(())
}

/// The bottles of a version of brew's own Ruby by their tags, or why they are not known.
async fn ruby_digests<S: Source>(
    source: &S,
    url: &str,
    version: &str,
) -> Result<Result<Vec<(String, Sha256)>, String>, CallError> {
    match whole(source, url, Some(sizes::IMAGE_INDEX), MAX_BYTES).await {
        Ok(Whole { body, .. }) => Ok(sizes::digests_of_image_index(&body, version)),
        Err(error) if is_lasting(error.class) => Ok(Err(error.to_string())),
        Err(error) => Err(error),
    }
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
        .write(staging.bucket, &key, media_type(file), body)
        .await
        .map(drop)
}

/// The media type of an index file.
pub(crate) fn media_type(file: &str) -> &'static str {
    if file == layout::EXECUTABLES {
        "text/plain"
    } else {
        JSON
    }
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
/// cannot be listed is an error. `is_first`: no index was published yet.
pub(crate) async fn holdings<M: MirrorStore>(
    store: &M,
    bucket: &str,
    stored: Result<Inventory, String>,
    check_listing: bool,
    is_first: bool,
) -> Result<Holdings, CallError> {
    let (known, mut warnings) = match stored {
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
    // A mirror that was never synced and holds nothing has no inventory, and that is not news.
    if is_first && !objects.iter().any(|object| layout::is_bottle(&object.key)) {
        warnings.clear();
    }
    let bottles = objects
        .iter()
        .filter(|object| layout::is_bottle(&object.key));
    let found: Vec<(String, HeldFile)> = stream::iter(bottles)
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
                    return Ok((object.key.clone(), Ok(Some(file))));
                }
                let file = held_file(store, bucket, &object.key).await?;
                Ok::<_, CallError>((object.key.clone(), file))
            }
        })
        .buffered(HEADS_SIDE_BY_SIDE)
        .try_collect()
        .await?;
    let mut files = BTreeMap::new();
    for (key, file) in found {
        match file {
            Ok(file) => files.extend(file.map(|file| (key, file))),
            Err(warning) => warnings.push(warning),
        }
    }
    Ok(Holdings {
        inventory: Inventory { files },
        listed: Some(objects.into_iter().map(|object| object.key).collect()),
        warnings,
    })
}

/// A file as the bucket knows it; `None` for one that is not there, or whose digest nobody has given. What S3 refuses
/// to show is taken for no file, and a warning: it may be anybody's, under a key of its own.
pub(crate) type HeldFile = Result<Option<InventoryFile>, String>;

pub(crate) async fn held_file<M: MirrorStore>(
    store: &M,
    bucket: &str,
    key: &str,
) -> Result<HeldFile, CallError> {
    let stored = match store.head(bucket, key).await {
        Ok(stored) => stored,
        Err(error) if is_lasting(error.class) => return Ok(Err(error.to_string())),
        Err(error) => return Err(error),
    };
    Ok(Ok(stored.and_then(|stored| {
        Some(InventoryFile {
            sha256: stored.sha256?,
            size: stored.size,
            estimated: false,
        })
    })))
}
