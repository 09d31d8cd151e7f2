//! The fake of Homebrew's API and its registry: what it publishes, what goes wrong with it, what it was asked.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::control::Control;

/// A formula to be published.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Formula {
    /// Its name: `boost@1.85`.
    pub name: String,
    pub version: String,
    pub revision: u32,
    /// The rebuild of its bottles.
    pub rebuild: u32,
    /// Whether it is deprecated.
    pub deprecated: bool,
    /// Whether it is disabled.
    pub disabled: bool,
    /// The bytes of its bottles by platform tag.
    pub tags: BTreeMap<String, u64>,
    /// What its bottles are made of instead of their names: bottles with the same have the same SHA-256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

impl Formula {
    /// A formula with bottles of these bytes for these platform tags.
    #[must_use]
    pub fn new(name: &str, version: &str, tags: &[(&str, u64)]) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            tags: tags
                .iter()
                .map(|(tag, size)| ((*tag).to_owned(), *size))
                .collect(),
            ..Self::default()
        }
    }

    /// The same with a revision and a rebuild.
    #[must_use]
    pub fn built(self, revision: u32, rebuild: u32) -> Self {
        Self {
            revision,
            rebuild,
            ..self
        }
    }

    /// The same with bottles of this content.
    #[must_use]
    pub fn with_content(self, content: &str) -> Self {
        Self {
            content: Some(content.to_owned()),
            ..self
        }
    }
}

/// What a source answers when an index was put into it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Published {
    /// Where it answers: `http://127.0.0.1:PORT`.
    pub address: String,
    /// Its hosts and that of the store behind its registry, with the port, as a stack file names them.
    pub private_hosts: Vec<String>,
    /// Every bottle of the index.
    pub bottles: Vec<Bottle>,
}

impl Published {
    #[must_use]
    pub fn index_url(&self) -> String {
        format!("{}/api/formula.json", self.address)
    }

    /// The bottle with this key.
    ///
    /// # Errors
    /// When there is none.
    pub fn bottle(&self, key: &str) -> Result<&Bottle> {
        self.bottles
            .iter()
            .find(|bottle| bottle.key == key)
            .with_context(|| format!("the index has no bottle {key}"))
    }
}

/// A bottle of an index, under the names that clients and mirrors have for it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Bottle {
    pub formula: String,
    /// The platform tag.
    pub tag: String,
    /// The flat file's name.
    pub key: String,
    /// The SHA-256 of its content, as hexadecimal digits.
    pub sha256: String,
    /// Its bytes.
    pub size: u64,
    /// The image's name in the registry.
    pub image: String,
    /// The tag of the image index in the registry.
    pub manifest_tag: String,
    /// `org.opencontainers.image.ref.name` of its entry in the image index.
    pub reference: String,
}

/// A request that a source got.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Request {
    /// When it came.
    pub at: String,
    pub method: String,
    pub path: String,
    /// Its `Range` header.
    pub range: Option<String>,
    /// Whether it had an `Authorization` header.
    pub authorization: bool,
    /// What was answered; nothing before the answer begins.
    pub status: Option<u16>,
    /// How many bytes of the body were sent so far.
    pub sent: u64,
}

/// One source.
#[derive(Debug, Clone)]
pub struct Homebrew {
    control: Control,
    path: String,
}

impl Homebrew {
    /// The source of this name.
    #[must_use]
    pub fn new(control: Control, source: &str) -> Self {
        Self {
            control,
            path: format!("/homebrew/{source}"),
        }
    }

    /// Publishes these formulae and no others.
    ///
    /// # Errors
    /// When the control server refuses.
    pub fn publish(&self, formulae: &[Formula]) -> Result<Published> {
        self.publish_with(formulae, &json!({}))
    }

    /// Publishes these formulae, with further members of the control server's request beside them: `entries`, `files`,
    /// `platforms`, `redirect_seconds`.
    ///
    /// # Errors
    /// When the control server refuses.
    pub fn publish_with(&self, formulae: &[Formula], members: &Value) -> Result<Published> {
        let mut index = members.clone();
        index["formulae"] = serde_json::to_value(formulae).context("write formulae as JSON")?;
        self.control.post(&format!("{}/index", self.path), &index)
    }

    /// From now on something goes wrong: `{"path": "<glob>", ...}`, as the control server takes it.
    ///
    /// # Errors
    /// When the control server refuses.
    pub fn fail(&self, fault: &Value) -> Result<()> {
        self.control
            .post::<Value>(&format!("{}/faults", self.path), fault)
            .map(drop)
    }

    /// Nothing goes wrong any more.
    ///
    /// # Errors
    /// When the control server does not answer.
    pub fn heal(&self) -> Result<()> {
        self.control.delete(&format!("{}/faults", self.path))
    }

    /// The SHA-256 of a file of its API, such as `api/formula.jws.json`, as hexadecimal digits.
    ///
    /// # Errors
    /// When it does not answer, or has no such file.
    pub fn file(&self, published: &Published, path: &str) -> Result<String> {
        let content = self
            .control
            .read_from(&format!("{}/{path}", published.address))?;
        Ok(hex::encode(Sha256::digest(content)))
    }

    /// What it was asked, in order.
    ///
    /// # Errors
    /// When the control server does not answer.
    pub fn requests(&self) -> Result<Vec<Request>> {
        self.control.get(&format!("{}/requests", self.path))
    }

    /// Forgets what it was asked.
    ///
    /// # Errors
    /// When the control server does not answer.
    pub fn forget_requests(&self) -> Result<()> {
        self.control.delete(&format!("{}/requests", self.path))
    }
}
