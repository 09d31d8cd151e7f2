//! What one entry of the index says.

use std::fmt;
use std::marker::PhantomData;

use longshore_events::longshore::RefusedEntry;
use longshore_events::transfer::Sha256;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::error::Category;

use super::{Bottle, Formula, Found, IndexError, entry_name, unreadable};
use crate::{names, urls};

/// The fields of a formula that a mirror needs, with the files as `F`.
#[derive(Deserialize)]
#[serde(bound = "F: Deserialize<'de>")]
struct RawFormula<F> {
    name: Option<String>,
    versions: Option<RawVersions>,
    revision: Option<u32>,
    deprecated: Option<bool>,
    disabled: Option<bool>,
    bottle: Option<RawBottle<F>>,
}

#[derive(Deserialize)]
struct RawVersions {
    stable: Option<String>,
}

#[derive(Deserialize)]
#[serde(bound = "F: Deserialize<'de>")]
struct RawBottle<F> {
    stable: Option<RawStable<F>>,
}

#[derive(Deserialize)]
#[serde(bound = "F: Deserialize<'de>")]
struct RawStable<F> {
    rebuild: Option<u32>,
    root_url: Option<String>,
    files: Option<Files<F>>,
}

#[derive(Deserialize)]
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

impl Found {
    /// Adds the entry `text`, the `number`th of the index.
    ///
    /// # Errors
    /// [`IndexError`] for what is no JSON; an entry that says something wrong is refused.
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
            return unreadable(format!("entry {number} of the index is no JSON: {problem}"));
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
            Err(error) => unreadable(format!("entry {number} of the index is no JSON: {error}")),
        }
    }

    fn examine<F: Into<AnyFile>>(
        &mut self,
        raw: RawFormula<F>,
        number: u64,
        private_hosts: &[String],
    ) {
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
                Ok(bottle) => bottles.push(bottle),
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
            return Err("it is no object with the texts `url` and `sha256`".to_owned());
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
            // It is told to people, whoever wrote it.
            entry: entry.escape_debug().to_string(),
            reason,
        });
    }
}

fn nameless(number: u64) -> String {
    format!("entry {number}")
}
