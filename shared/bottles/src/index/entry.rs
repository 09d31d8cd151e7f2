//! What one entry of the index says.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use longshore_events::longshore::RefusedEntry;
use longshore_events::transfer::Sha256;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::error::Category;

use crate::formula::{Bottle, Formula};
use crate::{names, urls};

/// The fields of a formula that a mirror needs, with the files as `F`.
#[derive(Deserialize)]
#[serde(
    bound = "F: Deserialize<'de>",
    expecting = "a formula, which is an object"
)]
struct RawFormula<F> {
    name: Option<String>,
    versions: Option<RawVersions>,
    revision: Option<u32>,
    deprecated: Option<bool>,
    disabled: Option<bool>,
    bottle: Option<RawBottle<F>>,
    #[serde(default)]
    variations: Loose,
    #[serde(default)]
    dependencies: Loose,
    #[serde(default)]
    recommended_dependencies: Loose,
    #[serde(default)]
    uses_from_macos: Loose,
}

#[derive(Deserialize)]
#[serde(expecting = "versions, which are an object")]
struct RawVersions {
    stable: Option<String>,
}

#[derive(Deserialize)]
#[serde(
    bound = "F: Deserialize<'de>",
    expecting = "a bottle, which is an object"
)]
struct RawBottle<F> {
    stable: Option<RawStable<F>>,
}

#[derive(Deserialize)]
#[serde(
    bound = "F: Deserialize<'de>",
    expecting = "a stable bottle, which is an object"
)]
struct RawStable<F> {
    rebuild: Option<u32>,
    root_url: Option<String>,
    files: Option<Files<F>>,
}

#[derive(Deserialize)]
#[serde(expecting = "a file, which is an object")]
struct RawFile {
    url: Option<String>,
    sha256: Option<String>,
}

/// A file, or something that is none.
#[derive(Deserialize)]
#[serde(untagged)]
enum AnyFile {
    File(RawFile),
    Other(IgnoredAny),
}

impl From<RawFile> for AnyFile {
    fn from(file: RawFile) -> Self {
        Self::File(file)
    }
}

/// The files by their tags, in the order of the index: brew goes by it.
struct Files<F>(Vec<(String, F)>);

impl<'de, F: Deserialize<'de>> Deserialize<'de> for Files<F> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<F>(PhantomData<F>);

        impl<'de, F: Deserialize<'de>> Visitor<'de> for Entries<F> {
            type Value = Files<F>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("files by their platform tags")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Files<F>, M::Error> {
                let mut files = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    files.push(entry);
                }
                Ok(Files(files))
            }
        }

        deserializer.deserialize_map(Entries(PhantomData))
    }
}

/// What is read of a field that is an object or a list, and nothing of whatever else it may be: it is not
/// worth an entry.
#[derive(Default)]
struct Loose {
    /// The keys of an object.
    keys: Vec<String>,
    /// The texts of a list; of the objects in an object, those of their `dependencies`.
    texts: Vec<String>,
}

/// A value of such a field.
#[derive(Deserialize)]
#[serde(untagged)]
enum FieldValue {
    Text(String),
    Variation { dependencies: Vec<String> },
    Other(IgnoredAny),
}

impl Loose {
    fn add(&mut self, value: FieldValue) {
        match value {
            FieldValue::Text(text) => self.texts.push(text),
            FieldValue::Variation { dependencies } => self.texts.extend(dependencies),
            FieldValue::Other(_) => {}
        }
    }
}

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyValue;

        impl<'de> Visitor<'de> for AnyValue {
            type Value = Loose;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("any value")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Loose, M::Error> {
                let mut loose = Loose::default();
                while let Some((key, value)) = map.next_entry()? {
                    loose.keys.push(key);
                    loose.add(value);
                }
                Ok(loose)
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut sequence: S) -> Result<Loose, S::Error> {
                let mut loose = Loose::default();
                while let Some(value) = sequence.next_element()? {
                    loose.add(value);
                }
                Ok(loose)
            }

            fn visit_unit<E>(self) -> Result<Loose, E> {
                Ok(Loose::default())
            }

            fn visit_bool<E>(self, _: bool) -> Result<Loose, E> {
                Ok(Loose::default())
            }

            fn visit_i64<E>(self, _: i64) -> Result<Loose, E> {
                Ok(Loose::default())
            }

            fn visit_u64<E>(self, _: u64) -> Result<Loose, E> {
                Ok(Loose::default())
            }

            fn visit_f64<E>(self, _: f64) -> Result<Loose, E> {
                Ok(Loose::default())
            }

            fn visit_str<E>(self, _: &str) -> Result<Loose, E> {
                Ok(Loose::default())
            }
        }

        deserializer.deserialize_any(AnyValue)
    }
}

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
    pub(super) platforms: BTreeSet<String>,
    /// Up to its path, the last plain URL that was found good: nearly all have it in common.
    pub(super) good_origin: String,
}

/// A bottle's entry, as it is reported: `wget (arm64_sequoia)`.
pub(super) fn entry_name(name: &str, tag: &str) -> String {
    format!("{name} ({tag})")
}

impl Found {
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
        let problem = match serde_json::from_slice::<RawFormula<RawFile>>(text) {
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
        if let Ok(formula) = serde_json::from_slice::<RawFormula<AnyFile>>(text) {
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
                self.refuse(
                    name.map_or_else(|| nameless(number), str::to_owned),
                    problem.to_string(),
                );
                Ok(())
            }
            Err(error) => unreadable(format!("entry {number} of the index is not JSON: {error}")),
        }
    }

    fn examine<F: Into<AnyFile>>(
        &mut self,
        raw: RawFormula<F>,
        number: u64,
        private_hosts: &[String],
    ) {
        for tag in raw.variations.keys {
            if names::check_tag(&tag).is_ok() && !self.platforms.contains(&tag) {
                self.platforms.insert(tag);
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
            return self.refuse(nameless(number), "it has bottles and no name".to_owned());
        };
        let Some(version) = raw.versions.and_then(|versions| versions.stable) else {
            return self.refuse(name, "it has bottles and no stable version".to_owned());
        };
        let checked = names::check_formula(&name).and_then(|()| names::check_version(&version));
        if let Err(reason) = checked {
            return self.refuse(name, reason);
        }
        let mut bottles = Vec::with_capacity(files.len());
        for (tag, file) in files {
            match self.bottle(tag, file.into(), private_hosts) {
                Ok(bottle) => {
                    if !self.platforms.contains(&bottle.tag) {
                        self.platforms.insert(bottle.tag.clone());
                    }
                    bottles.push(bottle);
                }
                Err((tag, reason)) => self.refuse(entry_name(&name, &tag), reason),
            }
        }
        if bottles.is_empty() {
            return;
        }
        self.formulae.push(Formula {
            name,
            version,
            revision: raw.revision.unwrap_or_default(),
            rebuild: stable.rebuild.unwrap_or_default(),
            root_url: stable.root_url.unwrap_or_default(),
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
            .collect(),
        });
    }

    /// The bottle, or its tag and why it is refused.
    fn bottle(
        &mut self,
        tag: String,
        file: AnyFile,
        private_hosts: &[String],
    ) -> Result<Bottle, (String, String)> {
        match self.url_and_digest(&tag, file, private_hosts) {
            Ok((url, sha256)) => Ok(Bottle { tag, url, sha256 }),
            Err(reason) => Err((tag, reason)),
        }
    }

    fn url_and_digest(
        &mut self,
        tag: &str,
        file: AnyFile,
        private_hosts: &[String],
    ) -> Result<(String, Sha256), String> {
        names::check_tag(tag)?;
        let AnyFile::File(RawFile { url, sha256 }) = file else {
            return Err("it is not an object with the texts `url` and `sha256`".to_owned());
        };
        let url = url.ok_or_else(|| "it has no url".to_owned())?;
        let sha256 = sha256.ok_or_else(|| "it has no sha256".to_owned())?;
        let sha256 = sha256
            .try_into()
            .map_err(|error| format!("its sha256 is not valid: {error}"))?;
        let origin = urls::plain_origin(&url);
        if origin.is_none_or(|origin| origin != self.good_origin) {
            urls::check(&url, private_hosts)?;
            self.good_origin = origin.unwrap_or_default().to_owned();
        }
        Ok((url, sha256))
    }

    fn refuse(&mut self, entry: String, reason: String) {
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
