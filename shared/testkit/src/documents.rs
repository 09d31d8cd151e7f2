use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use longshore_state::document::to_bytes;
use longshore_state::store::{Address, ListedDocument, StoredVersion};
use longshore_state::{CallError, DocumentStore, ErrorClass, Key, Version, WriteCondition};

use crate::builders::noon;
use crate::faults::error;

/// The objects of a bucket, with versions and conditional writes as S3 has them.
#[derive(Debug, Default)]
pub struct Objects {
    objects: BTreeMap<String, (Vec<u8>, u64)>,
    /// All that was ever written, by key, the oldest first.
    versions: BTreeMap<String, Vec<(Vec<u8>, u64)>>,
    writes: u64,
}

impl Objects {
    /// An object, with its version.
    pub fn read(&self, address: &Address) -> Option<(Vec<u8>, Version)> {
        let (body, version) = self.objects.get(&address.key)?;
        Some((body.clone(), Version::new(version.to_string())))
    }

    /// Writes an object; [`ErrorClass::LostRace`] when the condition does not hold.
    ///
    /// # Errors
    /// Only that.
    pub fn write(
        &mut self,
        address: &Address,
        body: Vec<u8>,
        condition: WriteCondition<'_>,
    ) -> Result<Version, CallError> {
        let present = self.read(address).map(|(_, version)| version);
        if !condition.holds(present.as_ref()) {
            return Err(error("PutObject", ErrorClass::LostRace));
        }
        self.put_bytes(&address.key, body);
        Ok(Version::new(self.writes.to_string()))
    }

    /// The keys that begin with `prefix`.
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        self.objects
            .keys()
            .filter(|key| key.starts_with(prefix))
            .cloned()
            .collect()
    }

    /// The objects whose keys begin with `prefix`, without those in whose keys `apart` follows.
    pub fn listed(&self, prefix: &str, apart: Option<&str>) -> Vec<ListedDocument> {
        let objects = self.objects.range(prefix.to_owned()..);
        objects
            .map_while(|(key, (_, version))| Some((key, key.strip_prefix(prefix)?, version)))
            .filter(|(_, rest, _)| apart.is_none_or(|apart| !rest.contains(apart)))
            .map(|(key, _, version)| ListedDocument {
                key: key.clone(),
                tag: version.to_string(),
            })
            .collect()
    }

    /// A document; `None` when it is not there or cannot be read.
    pub fn get<K: Key>(&self, key: &K) -> Option<K::Document> {
        let (body, _) = self.read(&key.address())?;
        serde_json::from_slice(&body).ok()
    }

    /// Puts a document there, whatever is there.
    pub fn put<K: Key>(&mut self, key: &K, document: &K::Document) {
        self.put_bytes(&key.address().key, to_bytes(document).unwrap_or_default());
    }

    /// Puts an object there, whatever is there.
    pub fn put_bytes(&mut self, key: &str, body: impl Into<Vec<u8>>) {
        self.writes += 1;
        let written = (body.into(), self.writes);
        let versions = self.versions.entry(key.to_owned()).or_default();
        versions.push(written.clone());
        self.objects.insert(key.to_owned(), written);
    }

    /// The versions of an object, the newest first. The first write of all was at noon, the next a second later.
    pub fn versions(&self, key: &str) -> Vec<StoredVersion> {
        let current = self.objects.get(key).map(|(_, version)| *version);
        let versions = self.versions.get(key).into_iter().flatten().rev();
        versions
            .map(|(_, version)| StoredVersion {
                version_id: format!("version-{version}"),
                written_at: noon(i64::try_from(*version).unwrap_or_default()),
                version: Version::new(version.to_string()),
                is_current: current == Some(*version),
            })
            .collect()
    }

    /// The bytes of a version of an object.
    pub fn read_version(&self, key: &str, version_id: &str) -> Option<Vec<u8>> {
        let versions = self.versions.get(key)?;
        let (body, _) = versions
            .iter()
            .find(|(_, version)| format!("version-{version}") == version_id)?;
        Some(body.clone())
    }

    /// Forgets all versions but those that are read: the bucket keeps none.
    pub fn keep_no_versions(&mut self) {
        self.versions.clear();
    }

    /// Removes an object, as somebody does who should not.
    pub fn remove(&mut self, key: &str) {
        self.objects.remove(key);
    }
}

/// A state bucket that fails at nothing.
#[derive(Debug, Default)]
pub struct Bucket(Mutex<Objects>);

impl Bucket {
    /// Its objects, to look at and to change.
    pub fn objects(&self) -> MutexGuard<'_, Objects> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DocumentStore for Bucket {
    async fn read_document(
        &self,
        address: &Address,
    ) -> Result<Option<(Vec<u8>, Version)>, CallError> {
        Ok(self.objects().read(address))
    }

    async fn write_document(
        &self,
        address: &Address,
        body: Vec<u8>,
        condition: WriteCondition<'_>,
    ) -> Result<Version, CallError> {
        self.objects().write(address, body, condition)
    }

    async fn list_documents(&self, prefix: &str) -> Result<Vec<String>, CallError> {
        Ok(self.objects().keys(prefix))
    }
}

/// What tests call the operation: "GetObject deployments", "ListObjectsV2 history".
pub(crate) fn operation(verb: &str, key: &str) -> String {
    let kind = match key.contains("/history/") {
        true => "history",
        false => key.split('/').next().unwrap_or_default(),
    };
    format!("{verb} {kind}")
}
