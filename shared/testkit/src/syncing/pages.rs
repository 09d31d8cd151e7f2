use std::collections::BTreeMap;

use longshore_events::transfer::Sha256;
use longshore_state::ErrorClass;
use serde_json::{Value, json};

use crate::syncing::{Blob, FakeMirror, INDEX_URL, Page};

const REGISTRY: &str = "https://ghcr.io/v2/homebrew/core";

/// A formula of the index, with its bottles in the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FakeFormula {
    /// Its name; the image's is the same, so it holds neither `@` nor `+`.
    pub name: String,
    /// `versions.stable`.
    pub version: String,
    /// Of each bottle its tag, a number that stands for its content, and its bytes.
    pub bottles: Vec<(String, u64, u64)>,
}

impl FakeFormula {
    /// A formula with one bottle for all platforms, which has 1,000 bytes.
    pub fn new(name: &str, version: &str, content: u64) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            bottles: vec![("all".to_owned(), content, 1_000)],
        }
    }

    /// Its first bottle's key in a mirror.
    pub fn key(&self) -> String {
        let tag = self.bottles.first().map_or("all", |(tag, ..)| tag);
        format!("{}-{}.{tag}.bottle.tar.gz", self.name, self.version)
    }

    /// Its manifest's key in a mirror.
    pub fn manifest_key(&self) -> String {
        format!("{}/manifests/{}", self.name, self.version)
    }

    /// The URL of a content in the registry.
    pub fn url(&self, content: u64) -> String {
        format!(
            "{REGISTRY}/{}/blobs/sha256:{}",
            self.name,
            bottle_sha256(content)
        )
    }

    fn manifest_url(&self) -> String {
        format!("{REGISTRY}/{}/manifests/{}", self.name, self.version)
    }

    fn index_entry(&self) -> Value {
        let files: BTreeMap<&str, Value> = self
            .bottles
            .iter()
            .map(|(tag, content, _)| {
                let file = json!({
                    "cellar": ":any",
                    "url": self.url(*content),
                    "sha256": bottle_sha256(*content),
                });
                (tag.as_str(), file)
            })
            .collect();
        json!({
            "name": self.name,
            "full_name": self.name,
            "versions": {"stable": self.version, "head": null, "bottle": true},
            "revision": 0,
            "deprecated": false,
            "disabled": false,
            "bottle": {"stable": {"rebuild": 0, "root_url": REGISTRY, "files": files}},
        })
    }

    fn manifest(&self) -> Value {
        let manifests: Vec<Value> = self
            .bottles
            .iter()
            .map(|(tag, content, size)| {
                json!({"annotations": {
                    "org.opencontainers.image.ref.name": format!("{}.{tag}", self.version),
                    "sh.brew.bottle.digest": bottle_sha256(*content),
                    "sh.brew.bottle.size": size.to_string(),
                    "sh.brew.tab": "{}",
                }})
            })
            .collect();
        json!({"schemaVersion": 2, "manifests": manifests})
    }
}

/// What the content of this number hashes to.
pub fn bottle_sha256(content: u64) -> Sha256 {
    let digits = format!("{content:064x}");
    match digits.parse() {
        Ok(sha256) => sha256,
        Err(error) => unreachable!("`{digits}` is a SHA-256: {error}"),
    }
}

impl FakeMirror {
    /// Homebrew publishes an index, its signed form, and the formulae's bottles and manifests.
    pub fn publish_index(&self, formulae: &[FakeFormula]) {
        let entries: Vec<Value> = formulae.iter().map(FakeFormula::index_entry).collect();
        let index = Value::Array(entries).to_string();
        self.set_page(INDEX_URL, &index);
        self.set_signed(&index);
        for formula in formulae {
            self.set_page(&formula.manifest_url(), &formula.manifest().to_string());
            let mut world = self.world.borrow_mut();
            for (_, content, size) in &formula.bottles {
                let blob = Blob {
                    sha256: bottle_sha256(*content),
                    size: *size,
                };
                world.blobs.insert(formula.url(*content), blob);
            }
        }
    }

    /// Homebrew publishes this as the signed form of the index.
    pub fn set_signed(&self, index: &str) {
        let signed = json!({"payload": index, "signatures": [{"signature": "c2lnbmVk"}]});
        let url = INDEX_URL.replace("formula.json", "formula.jws.json");
        self.set_page(&url, &signed.to_string());
    }

    /// A server answers this; its entity tag is another one for another content.
    pub fn set_page(&self, url: &str, body: &str) {
        let mut world = self.world.borrow_mut();
        let same = world
            .pages
            .get(url)
            .is_some_and(|page| page.body == body.as_bytes() && page.failure.is_none());
        if same {
            return;
        }
        let etag = format!("\"{}\"", world.next_version());
        world.pages.insert(
            url.to_owned(),
            Page {
                body: body.as_bytes().to_vec(),
                etag: Some(etag),
                failure: None,
            },
        );
    }

    /// What a server answers.
    pub fn page(&self, url: &str) -> Option<String> {
        let world = self.world.borrow();
        String::from_utf8(world.pages.get(url)?.body.clone()).ok()
    }

    /// A server fails when it is asked for this; nothing, and it answers again.
    pub fn fail_page(&self, url: &str, failure: Option<ErrorClass>) {
        if let Some(page) = self.world.borrow_mut().pages.get_mut(url) {
            page.failure = failure;
        }
    }

    /// A formula's manifest cannot be had; nothing, and it can again.
    pub fn fail_manifest(&self, formula: &FakeFormula, failure: Option<ErrorClass>) {
        self.fail_page(&formula.manifest_url(), failure);
    }

    /// The registry gives other bytes for a content than it should; with `mended`, the right ones again.
    pub fn corrupt(&self, formula: &FakeFormula, content: u64, mended: bool) {
        let url = formula.url(content);
        if let Some(blob) = self.world.borrow_mut().blobs.get_mut(&url) {
            blob.sha256 = bottle_sha256(if mended { content } else { u64::MAX });
        }
    }
}
