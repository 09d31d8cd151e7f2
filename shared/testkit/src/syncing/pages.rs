use std::collections::BTreeMap;

use longshore_events::transfer::Sha256;
use longshore_state::ErrorClass;
use serde_json::{Value, json};

use crate::syncing::world::{Blob, FakeMirror, INDEX_URL, Page};

/// The platform for which a fake source has an index file.
pub const FAKE_PLATFORM: &str = "x86_64_linux";

const REGISTRY: &str = "https://ghcr.io/v2/homebrew/core";

/// A formula of the index, with its bottles in the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FakeFormula {
    pub name: String,
    /// `versions.stable`.
    pub version: String,
    pub revision: u32,
    /// `bottle.stable.rebuild`.
    pub rebuild: u32,
    /// Of each bottle its tag, a number that stands for its content, and its bytes.
    pub bottles: Vec<(String, u64, u64)>,
}

impl FakeFormula {
    /// A formula with one bottle for all platforms, which has 1,000 bytes.
    pub fn new(name: &str, version: &str, content: u64) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            revision: 0,
            rebuild: 0,
            bottles: vec![("all".to_owned(), content, 1_000)],
        }
    }

    /// Its first bottle's key in a mirror.
    pub fn key(&self) -> String {
        self.key_of(self.bottles.first().map_or("all", |(tag, ..)| tag))
    }

    /// The key of the bottle of a platform in a mirror.
    pub fn key_of(&self, tag: &str) -> String {
        let rebuild = match self.rebuild {
            0 => String::new(),
            rebuild => format!("{rebuild}."),
        };
        format!(
            "{}-{}.{tag}.bottle.{rebuild}tar.gz",
            self.name,
            self.package_version()
        )
    }

    fn package_version(&self) -> String {
        match self.revision {
            0 => self.version.clone(),
            revision => format!("{}_{revision}", self.version),
        }
    }

    fn image(&self) -> String {
        self.name.replace('@', "/").replace('+', "x")
    }

    /// Its manifest's key in a mirror.
    pub fn manifest_key(&self) -> String {
        let rebuild = match self.rebuild {
            0 => String::new(),
            rebuild => format!("-{rebuild}"),
        };
        format!(
            "{}/manifests/{}{rebuild}",
            self.image(),
            self.package_version()
        )
    }

    /// The URL of a content in the registry.
    pub fn url(&self, content: u64) -> String {
        format!(
            "{REGISTRY}/{}/blobs/sha256:{}",
            self.image(),
            bottle_sha256(content)
        )
    }

    fn manifest_url(&self) -> String {
        format!("{REGISTRY}/{}", self.manifest_key())
    }

    /// The bottles are listed in the order in which they are given, as in Homebrew's index, where the
    /// newest macOS comes first: an object of `serde_json` would sort them.
    fn index_entry(&self) -> String {
        let files: Vec<String> = self
            .bottles
            .iter()
            .map(|(tag, content, _)| {
                let file = json!({
                    "cellar": ":any",
                    "url": self.url(*content),
                    "sha256": bottle_sha256(*content),
                });
                format!("{}:{file}", json!(tag))
            })
            .collect();
        let stable = format!(
            r#"{{"rebuild":{},"root_url":"{REGISTRY}","files":{{{}}}}}"#,
            self.rebuild,
            files.join(",")
        );
        let entry = json!({
            "name": self.name,
            "full_name": self.name,
            "versions": {"stable": self.version, "head": null, "bottle": true},
            "revision": self.revision,
            "deprecated": false,
            "disabled": false,
        });
        let entry = entry.to_string();
        let entry = entry.strip_suffix('}').unwrap_or(&entry);
        format!(r#"{entry},"bottle":{{"stable":{stable}}}}}"#)
    }

    fn reference(&self, tag: &str) -> String {
        let rebuild = match self.rebuild {
            0 => String::new(),
            rebuild => format!(".{rebuild}"),
        };
        format!("{}.{tag}{rebuild}", self.package_version())
    }

    fn manifest(&self) -> Value {
        let manifests: Vec<Value> = self
            .bottles
            .iter()
            .map(|(tag, content, size)| {
                json!({"annotations": {
                    "org.opencontainers.image.ref.name": self.reference(tag),
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
    /// Homebrew publishes an index, its signed form, the one index file that brew 6 asks for on
    /// [`FAKE_PLATFORM`], and the formulae's bottles and manifests.
    pub fn publish_index(&self, formulae: &[FakeFormula]) {
        let entries: Vec<String> = formulae.iter().map(FakeFormula::index_entry).collect();
        let index = format!("[{}]", entries.join(","));
        self.set_page(INDEX_URL, &index);
        self.set_signed(&index);
        self.set_packages(FAKE_PLATFORM, formulae);
        for formula in formulae {
            self.publish_bottles(formula);
        }
    }

    /// The registry has a formula's bottles and its manifest, whatever the index names.
    pub fn publish_bottles(&self, formula: &FakeFormula) {
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

    /// The registry has a formula in another repository than the index says, as it has brew's oldest rubies.
    pub fn move_to_repository(&self, formula: &FakeFormula, repository: &str) {
        let from = format!("{REGISTRY}/{}/", formula.image());
        let root = REGISTRY.strip_suffix("core").unwrap_or(REGISTRY);
        let to = |url: &str| url.replace(&from, &format!("{root}{repository}/"));
        let mut world = self.world.borrow_mut();
        let manifest = formula.manifest_url();
        if let Some(page) = world.pages.remove(&manifest) {
            world.pages.insert(to(&manifest), page);
        }
        for (_, content, _) in &formula.bottles {
            let url = formula.url(*content);
            if let Some(blob) = world.blobs.remove(&url) {
                world.blobs.insert(to(&url), blob);
            }
        }
    }

    /// Homebrew publishes the one index file that brew 6 asks for on a platform.
    pub fn set_packages(&self, platform: &str, formulae: &[FakeFormula]) {
        let packages: BTreeMap<&str, Value> = formulae
            .iter()
            .map(|formula| {
                let checksums: Vec<Value> = formula
                    .bottles
                    .iter()
                    .map(|(tag, content, _)| json!({"cellar": "any", tag: bottle_sha256(*content)}))
                    .collect();
                let package = json!({
                    "stable_version": formula.version,
                    "bottle_checksums": checksums,
                });
                (formula.name.as_str(), package)
            })
            .collect();
        let payload = json!({"formulae": packages, "casks": {}}).to_string();
        let signed = json!({"payload": payload, "signatures": [{"signature": "c2lnbmVk"}]});
        let file = format!("internal/packages.{platform}.jws.json");
        let url = INDEX_URL.replace("formula.json", &file);
        self.set_page(&url, &signed.to_string());
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

    /// The registry gives other bytes for a content than it should; with `fixed`, the right ones again.
    pub fn corrupt(&self, formula: &FakeFormula, content: u64, fixed: bool) {
        let url = formula.url(content);
        if let Some(blob) = self.world.borrow_mut().blobs.get_mut(&url) {
            blob.sha256 = bottle_sha256(if fixed { content } else { u64::MAX });
        }
    }
}
