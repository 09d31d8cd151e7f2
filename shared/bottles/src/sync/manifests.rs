//! Manifests of formulae: they give the sizes of bottles, and brew asks a mirror for them first.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use longshore_events::transfer::Sha256;
use longshore_state::{CallError, ErrorClass};

use crate::ports::{MirrorStore, Source};
use crate::selection::WantedBottle;
use crate::sizes::{self, Size};
use crate::sync::whole::{Whole, whole};

/// How many are asked for side by side.
const SIDE_BY_SIDE: usize = 16;

/// The largest manifest that is taken; Homebrew's have some tens of kilobytes.
const MAX_BYTES: usize = 4 << 20;

/// How many warnings about manifests are kept.
const WARNINGS_KEPT: usize = 20;

/// What to do with manifests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keeping {
    /// Whether the mirror gets them; else they are only read.
    pub(crate) keep: bool,
    /// Whether they are kept in the registry's layout as well.
    pub(crate) registry_layout: bool,
}

/// What manifests say.
#[derive(Debug, Default)]
pub(crate) struct Manifests {
    /// The sizes of bottles, by key.
    pub(crate) sizes: BTreeMap<String, Size>,
    /// Keys of those that the registry refuses, or has in another form: the mirror does without them, and
    /// the next sync asks again.
    pub(crate) missing: BTreeSet<String>,
    /// What is odd about others.
    pub(crate) warnings: Vec<String>,
}

/// A formula's manifest.
struct Wanted<'a> {
    url: &'a str,
    key: &'a str,
    bottles: Vec<&'a WantedBottle>,
}

/// What came of one.
#[derive(Default)]
struct Answer {
    sizes: BTreeMap<Sha256, u64>,
    warning: Option<String>,
    is_missing: bool,
}

/// The key of a bottle's blob, or of a manifest, in the registry's layout: the path of its URL there.
pub(crate) fn registry_key(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let (_, path) = rest.split_once('/')?;
    path.starts_with("v2/").then_some(path)
}

/// Reads the manifests of `bottles`, one of each formula: from the mirror, where it has one that lists
/// all of them, else from the registry.
///
/// # Errors
/// [`CallError`]: one could not be had now. Without it the sync would fail in any case, so that whoever plans it asks
/// again later, for what is not in the mirror by then.
pub(crate) async fn manifests<M: MirrorStore, S: Source>(
    store: &M,
    source: &S,
    bucket: &str,
    bottles: &[&WantedBottle],
    keeping: Keeping,
) -> Result<Manifests, CallError> {
    let mut by_key: BTreeMap<&str, Wanted<'_>> = BTreeMap::new();
    let mut manifests = Manifests::default();
    for bottle in bottles {
        let Some(url) = &bottle.manifest_url else {
            manifests
                .sizes
                .insert(bottle.key.clone(), sizes::estimated(&[]));
            continue;
        };
        let wanted = by_key.entry(&bottle.manifest_key).or_insert(Wanted {
            url,
            key: &bottle.manifest_key,
            bottles: Vec::new(),
        });
        wanted.bottles.push(bottle);
    }
    let answer = stream::iter(by_key.into_values()).map(|wanted| async move {
        let answer = one(store, source, bucket, &wanted, keeping).await?;
        Ok::<_, CallError>((wanted, answer))
    });
    let mut answer = pin!(answer.buffered(SIDE_BY_SIDE));
    while let Some((wanted, answer)) = answer.try_next().await? {
        manifests.add(&wanted, answer);
    }
    Ok(manifests)
}

impl Manifests {
    fn add(&mut self, wanted: &Wanted<'_>, answer: Answer) {
        let known: Vec<u64> = answer.sizes.values().copied().collect();
        for bottle in &wanted.bottles {
            let size = match answer.sizes.get(&bottle.sha256) {
                Some(size) => Size::Known(*size),
                None => sizes::estimated(&known),
            };
            self.sizes.insert(bottle.key.clone(), size);
        }
        if answer.is_missing {
            self.missing.insert(wanted.key.to_owned());
        }
        if let Some(warning) = answer.warning
            && self.warnings.len() < WARNINGS_KEPT
        {
            self.warnings.push(warning);
        }
    }
}

async fn one<M: MirrorStore, S: Source>(
    store: &M,
    source: &S,
    bucket: &str,
    wanted: &Wanted<'_>,
    keeping: Keeping,
) -> Result<Answer, CallError> {
    let cached = store.read(bucket, wanted.key).await?;
    if let Some(body) = &cached
        && let Ok(sizes) = sizes::of_image_index(body)
        && wanted.is_listed(&sizes)
    {
        if keeping.keep && keeping.registry_layout {
            wanted.write_registry(store, bucket, body.clone()).await?;
        }
        return Ok(Answer {
            sizes,
            ..Answer::default()
        });
    }
    let fetched = whole(source, wanted.url, Some(sizes::IMAGE_INDEX), MAX_BYTES).await;
    let warned = |warning: String| Answer {
        warning: Some(format!("manifest {}: {warning}", wanted.key)),
        ..Answer::default()
    };
    let missing = |warning: String| Answer {
        is_missing: true,
        ..warned(warning)
    };
    let body = match fetched {
        Ok(Whole { body, .. }) => body,
        // An older brew gets by without it.
        Err(error) if is_lasting(error.class) => return Ok(missing(error.to_string())),
        Err(error) => return Err(error),
    };
    let sizes = match sizes::of_image_index(&body) {
        Ok(sizes) => sizes,
        Err(problem) => return Ok(missing(problem)),
    };
    let answer = if wanted.is_listed(&sizes) {
        Answer::default()
    } else {
        warned("it does not list every bottle that the index names with its size".to_owned())
    };
    if keeping.keep {
        if keeping.registry_layout {
            wanted.write_registry(store, bucket, body.clone()).await?;
        }
        write(store, bucket, wanted.key, body).await?;
    }
    Ok(Answer { sizes, ..answer })
}

/// Whether asking again would change nothing.
pub(crate) fn is_lasting(class: ErrorClass) -> bool {
    matches!(
        class,
        ErrorClass::NotFound | ErrorClass::Refused | ErrorClass::Denied
    )
}

impl Wanted<'_> {
    fn is_listed(&self, sizes: &BTreeMap<Sha256, u64>) -> bool {
        self.bottles
            .iter()
            .all(|bottle| sizes.contains_key(&bottle.sha256))
    }

    async fn write_registry<M: MirrorStore>(
        &self,
        store: &M,
        bucket: &str,
        body: Vec<u8>,
    ) -> Result<(), CallError> {
        match registry_key(self.url) {
            Some(key) => write(store, bucket, key, body).await,
            None => Ok(()),
        }
    }
}

async fn write<M: MirrorStore>(
    store: &M,
    bucket: &str,
    key: &str,
    body: Vec<u8>,
) -> Result<(), CallError> {
    store
        .write(bucket, key, sizes::IMAGE_INDEX, body)
        .await
        .map(drop)
}

/// The keys of all manifests that clients may ask for.
pub(crate) fn manifest_keys(wanted: &[WantedBottle]) -> BTreeSet<String> {
    let keys: BTreeSet<&str> = wanted
        .iter()
        .filter(|bottle| bottle.manifest_url.is_some())
        .map(|bottle| &*bottle.manifest_key)
        .collect();
    keys.into_iter().map(str::to_owned).collect()
}

/// The bottles whose manifests are to be seen to: all of the formulae that have a new bottle, and those
/// whose manifest is known not to be there.
pub(crate) fn to_see_to<'a>(
    wanted: &'a [WantedBottle],
    new: &[WantedBottle],
    missing: &BTreeSet<String>,
    listed: Option<&BTreeSet<String>>,
    all: bool,
) -> Vec<&'a WantedBottle> {
    let changed: BTreeSet<&str> = new.iter().map(|bottle| &*bottle.manifest_key).collect();
    wanted
        .iter()
        .filter(|bottle| {
            all || changed.contains(&*bottle.manifest_key)
                || missing.contains(&*bottle.manifest_key)
                || listed.is_some_and(|listed| {
                    bottle.manifest_url.is_some() && !listed.contains(&*bottle.manifest_key)
                })
        })
        .collect()
}
