//! What one entry of the index says.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use longshore_events::longshore::RefusedEntry;
use longshore_events::transfer::Sha256;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::error::Category;

use super::lenient::{Loose, Text};
use crate::formula::{Bottle, BottleUrl, Formula};
use crate::{names, urls};

/// The fields of a formula that a mirror needs, with the files as `F`. Its texts are those of the index: most
/// formulae share most of what is kept of them, so that little is copied.
#[derive(Deserialize)]
#[serde(
    bound = "F: Deserialize<'de>",
    expecting = "a formula, which is an object"
)]
struct RawFormula<'a, F> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    versions: Option<RawVersions<'a>>,
    revision: Option<u32>,
    deprecated: Option<bool>,
    disabled: Option<bool>,
    #[serde(borrow)]
    bottle: Option<RawBottle<'a, F>>,
    #[serde(borrow, default)]
    variations: Loose<'a>,
    #[serde(borrow, default)]
    dependencies: Loose<'a>,
    #[serde(borrow, default)]
    recommended_dependencies: Loose<'a>,
    #[serde(borrow, default)]
    uses_from_macos: Loose<'a>,
}

#[derive(Deserialize)]
#[serde(expecting = "versions, which are an object")]
struct RawVersions<'a> {
    #[serde(borrow)]
    stable: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(
    bound = "F: Deserialize<'de>",
    expecting = "a bottle, which is an object"
)]
struct RawBottle<'a, F> {
    #[serde(borrow)]
    stable: Option<RawStable<'a, F>>,
}

#[derive(Deserialize)]
#[serde(
    bound = "F: Deserialize<'de>",
    expecting = "a stable bottle, which is an object"
)]
struct RawStable<'a, F> {
    rebuild: Option<u32>,
    #[serde(borrow)]
    root_url: Option<Text<'a>>,
    #[serde(borrow)]
    files: Option<Files<'a, F>>,
}

#[derive(Deserialize)]
#[serde(expecting = "a file, which is an object")]
struct RawFile<'a> {
    #[serde(borrow)]
    url: Option<Text<'a>>,
    #[serde(borrow)]
    sha256: Option<Text<'a>>,
}

/// A file, or something that is none.
#[derive(Deserialize)]
#[serde(untagged)]
enum AnyFile<'a> {
    File(#[serde(borrow)] RawFile<'a>),
    Other(IgnoredAny),
}

impl<'a> From<RawFile<'a>> for AnyFile<'a> {
    fn from(file: RawFile<'a>) -> Self {
        Self::File(file)
    }
}

/// The files by their tags, in the order of the index: brew goes by it.
struct Files<'a, F>(Vec<(Text<'a>, F)>);

impl<'de: 'a, 'a, F: Deserialize<'de>> Deserialize<'de> for Files<'a, F> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<F>(PhantomData<F>);

        impl<'de, F: Deserialize<'de>> Visitor<'de> for Entries<F> {
            type Value = Files<'de, F>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("files by their platform tags")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut files = Vec::with_capacity(USUAL_FILES);
                while let Some(entry) = map.next_entry()? {
                    files.push(entry);
                }
                Ok(Files(files))
            }
        }

        deserializer.deserialize_map(Entries(PhantomData))
    }
}

/// A formula has six or seven bottles.
const USUAL_FILES: usize = 8;

/// An index that is not to be trusted: nothing of it is used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// It ends in the middle, or is none.
    #[error("{0}")]
    Unreadable(String),
}

pub(super) fn unreadable<T>(problem: impl Into<String>) -> Result<T, IndexError> {
    Err(IndexError::Unreadable(problem.into()))
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) formulae: Vec<Formula>,
    pub(super) refused: Vec<RefusedEntry>,
    pub(super) bottles: u64,
    pub(super) platforms: BTreeSet<Arc<str>>,
    /// Up to its path, the last plain URL that was found good: nearly all have it in common.
    good_origin: String,
}

/// A bottle's entry, as it is reported: `wget (arm64_sequoia)`.
pub(super) fn entry_name(name: &str, tag: &str) -> String {
    format!("{name} ({tag})")
}

/// What is kept once for all bottles of a formula.
struct Shared<'a> {
    private_hosts: &'a [String],
    /// The URL of the formula's image in the registry.
    image: Arc<str>,
    /// Whether a blob of the image was checked: the URLs of the others differ in their digests alone.
    is_checked: bool,
}

impl Found {
    /// Adds the entry that `text` begins with, the `number`th of the index, if all of it is there and it is as
    /// formulae are; its length.
    pub(super) fn add_whole(
        &mut self,
        text: &str,
        number: u64,
        private_hosts: &[String],
        longest: usize,
    ) -> Option<usize> {
        let mut entries =
            serde_json::Deserializer::from_str(text).into_iter::<RawFormula<'_, RawFile<'_>>>();
        let formula = entries.next()?.ok()?;
        let length = entries.byte_offset();
        if length > longest {
            return None;
        }
        self.examine(formula, number, private_hosts);
        Some(length)
    }

    /// Adds the entry `text`, the `number`th of the index.
    ///
    /// # Errors
    /// [`IndexError`] for what is not JSON; an entry that says something wrong is refused.
    pub(super) fn add(
        &mut self,
        text: &[u8],
        number: u64,
        private_hosts: &[String],
    ) -> Result<(), IndexError> {
        let problem = match serde_json::from_slice::<RawFormula<'_, RawFile<'_>>>(text) {
            Ok(formula) => {
                self.examine(formula, number, private_hosts);
                return Ok(());
            }
            Err(error) => error,
        };
        if problem.classify() != Category::Data {
            return unreadable(format!(
                "entry {number} of the index is not JSON: {problem}"
            ));
        }
        // Something is of another kind than it should be. If it is a file, only that is refused.
        if let Ok(formula) = serde_json::from_slice::<RawFormula<'_, AnyFile<'_>>>(text) {
            self.examine(formula, number, private_hosts);
            return Ok(());
        }
        match serde_json::from_slice::<Value>(text) {
            Ok(entry) => {
                let files = entry
                    .pointer("/bottle/stable/files")
                    .and_then(Value::as_object);
                self.bottles += files.map_or(0, |files| files.len() as u64);
                let name = entry.get("name").and_then(Value::as_str);
                let entry = name.map_or_else(|| nameless(number), str::to_owned);
                self.refuse(&entry, problem.to_string());
                Ok(())
            }
            Err(error) => unreadable(format!("entry {number} of the index is not JSON: {error}")),
        }
    }

    fn examine<'a, F: Into<AnyFile<'a>>>(
        &mut self,
        raw: RawFormula<'a, F>,
        number: u64,
        private_hosts: &[String],
    ) {
        for tag in &raw.variations.keys {
            if names::check_tag(tag).is_ok() {
                self.platform(tag);
            }
        }
        let Some(stable) = raw.bottle.and_then(|bottle| bottle.stable) else {
            return;
        };
        let files = stable.files.map(|Files(files)| files).unwrap_or_default();
        if files.is_empty() {
            return;
        }
        self.bottles += files.len() as u64;
        let Some(name) = raw.name else {
            return self.refuse(&nameless(number), "it has bottles and no name".to_owned());
        };
        let Some(version) = raw.versions.and_then(|versions| versions.stable) else {
            return self.refuse(&name, "it has bottles and no stable version".to_owned());
        };
        let checked = names::check_formula(&name).and_then(|()| names::check_version(&version));
        if let Err(reason) = checked {
            return self.refuse(&name, reason);
        }
        let root_url = self.root_url(stable.root_url.as_deref().unwrap_or_default());
        let mut shared = Shared {
            private_hosts,
            image: names::image_url(&root_url, &name).into(),
            is_checked: false,
        };
        let mut bottles = Vec::with_capacity(files.len());
        for (place, (tag, file)) in files.into_iter().enumerate() {
            match self.bottle(place, &tag, file.into(), &mut shared) {
                Ok(bottle) => bottles.push(bottle),
                Err(reason) => self.refuse(&entry_name(&name, &tag), reason),
            }
        }
        if bottles.is_empty() {
            return;
        }
        self.formulae.push(Formula {
            name: Arc::from(&*name),
            version: version.into(),
            revision: raw.revision.unwrap_or_default(),
            rebuild: stable.rebuild.unwrap_or_default(),
            root_url,
            deprecated: raw.deprecated.unwrap_or_default(),
            disabled: raw.disabled.unwrap_or_default(),
            bottles,
            dependencies: [
                raw.dependencies,
                raw.recommended_dependencies,
                raw.uses_from_macos,
            ]
            .into_iter()
            .flat_map(|loose| loose.texts)
            .chain(raw.variations.texts)
            .map(String::from)
            .collect(),
        });
    }

    /// The `place`th bottle of a formula, or why it is refused.
    fn bottle(
        &mut self,
        place: usize,
        tag: &str,
        file: AnyFile<'_>,
        shared: &mut Shared<'_>,
    ) -> Result<Bottle, String> {
        // Formulae list the same platforms in the same order.
        let known = self
            .formulae
            .last()
            .and_then(|formula| formula.bottles.get(place))
            .map(|bottle| &bottle.tag)
            .filter(|known| ***known == *tag);
        let known = known.or_else(|| self.platforms.get(tag)).cloned();
        if known.is_none() {
            names::check_tag(tag)?;
        }
        let AnyFile::File(RawFile { url, sha256 }) = file else {
            return Err("it is not an object with the texts `url` and `sha256`".to_owned());
        };
        let url = url.ok_or_else(|| "it has no url".to_owned())?;
        let sha256 = sha256.ok_or_else(|| "it has no sha256".to_owned())?;
        let sha256: Sha256 = sha256
            .parse()
            .map_err(|error| format!("its sha256 is not valid: {error}"))?;
        let url = self.url(&url, &sha256, shared)?;
        Ok(Bottle {
            tag: known.unwrap_or_else(|| self.platform(tag)),
            url,
            sha256,
        })
    }

    fn url(
        &mut self,
        url: &str,
        sha256: &Sha256,
        shared: &mut Shared<'_>,
    ) -> Result<BottleUrl, String> {
        let found = BottleUrl::new(url, &shared.image, sha256);
        let is_blob = matches!(found, BottleUrl::Blob(_));
        if is_blob && shared.is_checked {
            return Ok(found);
        }
        let origin = urls::plain_origin(url);
        if origin.is_none_or(|origin| origin != self.good_origin) {
            urls::check(url, shared.private_hosts)?;
            self.good_origin = origin.unwrap_or_default().to_owned();
        }
        // What is said of a plain path holds for every other one.
        shared.is_checked |= is_blob && origin.is_some();
        Ok(found)
    }

    /// The root of a formula's URLs, which nearly all have in common.
    fn root_url(&self, root_url: &str) -> Arc<str> {
        let last = self.formulae.last().map(|formula| &formula.root_url);
        match last.filter(|last| ***last == *root_url) {
            Some(last) => Arc::clone(last),
            None => root_url.into(),
        }
    }

    /// A platform of the index, by a tag that was checked.
    fn platform(&mut self, tag: &str) -> Arc<str> {
        if let Some(known) = self.platforms.get(tag) {
            return Arc::clone(known);
        }
        let tag: Arc<str> = tag.into();
        self.platforms.insert(Arc::clone(&tag));
        tag
    }

    fn refuse(&mut self, entry: &str, reason: String) {
        self.refused.push(RefusedEntry {
            // It is shown to people, whoever wrote it.
            entry: entry.escape_debug().to_string(),
            reason,
        });
    }
}

fn nameless(number: u64) -> String {
    format!("entry {number}")
}
