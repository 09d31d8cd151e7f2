//! What Homebrew publishes in a night: three generations of an index, with their bottles and manifests.

use std::collections::BTreeMap;

use longshore_bottles::layout::{packages_file, published_index};
use longshore_events::transfer::Sha256;
use serde_json::{Value, json};

use crate::bucket::sha256;
use crate::server::Server;
use crate::setting::content;

/// What the clients of the mirror run.
pub const PLATFORMS: [&str; 2] = ["arm64_tahoe", "x86_64_linux"];

/// How many formulae an index has.
const FORMULAE: u64 = 200;

/// How many of them come and go with each generation.
const NEW: u64 = 5;

/// The bytes of one bottle that is too large to be transferred between two kills.
pub const LARGE: usize = 17 << 20;

/// A generation of the index, and all that belongs to it.
pub struct Generation {
    /// The index files, by their names beside `formula.json`.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What the registry has of it, by path.
    pub registry: BTreeMap<String, Vec<u8>>,
    /// What a mirror of it holds, by key, beside what is Longshore's own.
    pub mirror: BTreeMap<String, Sha256>,
    /// The digests of its bottles, by the paths of their blobs.
    pub blobs: BTreeMap<String, Sha256>,
}

impl Generation {
    /// The generation of this number, from 1, as `server` publishes it. A third of the formulae changes with each.
    pub fn new(server: &Server, number: u64) -> Self {
        let mut generation = Self {
            files: BTreeMap::new(),
            registry: BTreeMap::new(),
            mirror: BTreeMap::new(),
            blobs: BTreeMap::new(),
        };
        let mut index = Vec::new();
        let mut packages: BTreeMap<&str, BTreeMap<String, Value>> = BTreeMap::new();
        let first = (number - 1) * NEW;
        for formula in first..first + FORMULAE {
            let version = 1 + (2..=number).filter(|past| formula % 3 == past % 3).count();
            let name = format!("formula{formula:03}");
            let version = format!("{version}.0");
            let (entry, digests) = generation.add_formula(server, formula, &name, &version);
            index.push(entry);
            for platform in PLATFORMS {
                let digest = digests.get(platform).or_else(|| digests.get("all"));
                let checksums = [json!({platform: digest})];
                let package = json!({"stable_version": version, "bottle_checksums": checksums});
                let of_platform = packages.entry(platform).or_default();
                of_platform.insert(name.clone(), package);
            }
        }
        let index = Value::from(index).to_string();
        generation.add_file("formula.jws.json", &signed(&index));
        for platform in PLATFORMS {
            let payload = json!({"formulae": packages[platform], "casks": {}}).to_string();
            generation.add_file(&packages_file(platform), &signed(&payload));
        }
        generation.add_file("formula.json", &index);
        generation
    }

    fn add_file(&mut self, file: &str, body: &str) {
        let body = body.as_bytes().to_vec();
        self.mirror.insert(published_index(file), sha256(&body));
        self.files.insert(file.to_owned(), body);
    }

    /// Adds a formula's bottles and its manifest; gives its entry in the index and the digests by platform.
    fn add_formula(
        &mut self,
        server: &Server,
        number: u64,
        name: &str,
        version: &str,
    ) -> (Value, BTreeMap<&'static str, Sha256>) {
        let tags: &[&'static str] = match number % 3 {
            0 => &["all"],
            _ => &PLATFORMS,
        };
        let (mut files, mut manifests) = (BTreeMap::new(), Vec::new());
        let mut digests = BTreeMap::new();
        for tag in tags {
            let seed = number * 100 + version.len() as u64 * 7 + u64::from(version.as_bytes()[0]);
            let length = match (number, *tag) {
                (100, "x86_64_linux") => LARGE,
                _ => 2_000 + (number as usize * 37) % 6_000,
            };
            let body = content(length, seed * 10 + tag.len() as u64);
            let digest = sha256(&body);
            let path = format!("/v2/homebrew/core/{name}/blobs/sha256:{digest}");
            let key = format!("{name}-{version}.{tag}.bottle.tar.gz");
            self.mirror.insert(key, digest.clone());
            self.mirror.insert(path[1..].to_owned(), digest.clone());
            self.blobs.insert(path.clone(), digest.clone());
            files.insert(
                (*tag).to_owned(),
                json!({"cellar": ":any", "url": server.url(&path), "sha256": digest}),
            );
            manifests.push(json!({"annotations": {
                "org.opencontainers.image.ref.name": format!("{version}.{tag}"),
                "sh.brew.bottle.digest": digest,
                "sh.brew.bottle.size": length.to_string(),
                "sh.brew.tab": "{}",
            }}));
            self.registry.insert(path, body);
            digests.insert(*tag, digest);
        }
        let manifest = json!({"schemaVersion": 2, "manifests": manifests}).to_string();
        let manifest = manifest.into_bytes();
        let path = format!("{name}/manifests/{version}");
        self.mirror.insert(path.clone(), sha256(&manifest));
        let path = format!("v2/homebrew/core/{path}");
        self.mirror.insert(path.clone(), sha256(&manifest));
        self.registry.insert(format!("/{path}"), manifest);
        let entry = json!({
            "name": name,
            "full_name": name,
            "versions": {"stable": version, "head": null, "bottle": true},
            "revision": 0,
            "bottle": {"stable": {
                "rebuild": 0,
                "root_url": server.url("/v2/homebrew/core"),
                "files": files,
            }},
        });
        (entry, digests)
    }
}

fn signed(payload: &str) -> String {
    json!({"payload": payload, "signatures": [{"signature": "c2lnbmVk"}]}).to_string()
}
