//! A mirror of the fake Homebrew, as its stack makes it and its clients see it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use ureq::http::Method;

use crate::client::{Client, percent_encoded};
use crate::control::Container;
use crate::environment::Environment;
use crate::homebrew::{Bottle, Published};
use crate::scene::{Network, push_program};

/// The repository of the task's image.
const REPOSITORY: &str = "homebrew-bottles-sync";

/// Longshore's own part of a mirror's bucket.
pub const OWN_PREFIX: &str = ".longshore/";

/// A stack with a mirror, as its stack file is written.
#[derive(Debug, Clone)]
pub struct Mirror {
    pub stack: String,
    /// Whether large differences are transferred by tasks, at most this many.
    pub tasks: Option<u32>,
    /// Whether the tasks have a file system to resume from.
    pub file_system: bool,
    /// Whether the registry's layout is kept too.
    pub registry_layout: bool,
    /// `rate(...)`, `cron(...)` or `at(...)`.
    pub schedule: Option<String>,
    /// Lines that are added to `bottle_sync`, such as `platforms: [...]`.
    pub further: Vec<String>,
}

impl Mirror {
    /// A mirror that the function fills, when it is asked by hand.
    #[must_use]
    pub fn new(stack: &str) -> Self {
        Self {
            stack: stack.to_owned(),
            tasks: None,
            file_system: false,
            registry_layout: false,
            schedule: None,
            further: Vec::new(),
        }
    }

    #[must_use]
    pub fn bucket(&self) -> String {
        format!("homebrew-bottles-{}", self.stack)
    }

    /// The stack file of a mirror of what is published there.
    #[must_use]
    pub fn file(&self, network: &Network, published: &Published) -> String {
        let mut lines = vec![
            format!("name: {}", self.stack),
            "network:".to_owned(),
            format!("  vpc_id: {}", network.vpc),
            format!("  subnet_ids: [{}]", network.subnets.join(", ")),
            "buckets:".to_owned(),
            "  bottles:".to_owned(),
            format!("    bucket_name: {}", self.bucket()),
            "bottle_sync:".to_owned(),
            "  bucket: bottles".to_owned(),
            format!("  index_url: {}", published.index_url()),
            format!(
                "  private_hosts: [\"{}\"]",
                published.private_hosts.join("\", \"")
            ),
            format!("  registry_layout: {}", self.registry_layout),
        ];
        if let Some(schedule) = &self.schedule {
            lines.push(format!("  schedule_expression: {schedule}"));
        }
        if self.tasks.is_some() {
            lines.push("  service: sync".to_owned());
        }
        lines.extend(self.further.iter().map(|line| format!("  {line}")));
        lines.extend(self.service());
        lines.join("\n") + "\n"
    }

    fn service(&self) -> Vec<String> {
        let Some(tasks) = self.tasks else {
            return vec!["services: {}".to_owned()];
        };
        let mut text = format!(
            "\
services:
  sync:
    image: {REPOSITORY}:latest
    container_port: 8080
    cpu: 256
    memory: 512
    readonly_root_filesystem: true
    user: \"1000:1000\"
    environment: {{DOWNLOAD_CONCURRENCY: 4}}
    scaling: {{min_capacity: 0, max_capacity: {tasks}, target_cpu_utilization: 70}}
"
        );
        if self.file_system {
            text.push_str(
                "    mount_points:
      - {file_system: bottles, access_point: sync, container_path: /tmp/bottles}
file_systems:
  bottles:
    throughput_mode: provisioned
    provisioned_throughput_in_mibps: 64
    access_points:
      sync:
        posix_user: {uid: 1000, gid: 1000}
        root_directory: {path: /bottles, permissions: \"755\"}
",
            );
        }
        text.lines().map(str::to_owned).collect()
    }

    /// Pushes the image of the tasks, whose program is this one.
    ///
    /// # Errors
    /// When ECR refuses.
    pub fn push_image(environment: &Environment, program: &Path) -> Result<String> {
        let program = program.to_str().context("the program's path is not text")?;
        push_program(&environment.client(), REPOSITORY, "latest", program)
    }

    /// What comes of a sync that is asked for by hand, with these members of the payload beside the stack's name: its
    /// outcome in a word (`completed`, `unchanged`, `running`, `failed`, `refused`), and what `sync` answered.
    ///
    /// # Errors
    /// When the call is refused, or `sync` failed for another reason than the mirror's.
    pub fn run(&self, environment: &Environment, members: &Value) -> Result<(String, Value)> {
        match self.ask(environment, "run", members)? {
            Ok(answer) => {
                let outcome = answer["outcome"].as_str().unwrap_or_default();
                Ok((outcome.to_owned(), answer))
            }
            // Who asks by hand and does not get what he asked for is answered with an error of the invocation.
            Err(error) => match error["errorType"].as_str() {
                Some("SyncFailed") => Ok(("failed".to_owned(), error)),
                Some("Refused") => Ok(("refused".to_owned(), error)),
                _ => bail!("sync failed: {error}"),
            },
        }
    }

    /// Asks for a sync as its schedule does, which waits for no answer: where an attempt fails, Lambda begins another.
    ///
    /// # Errors
    /// When the event is refused.
    pub fn run_later(&self, environment: &Environment) -> Result<()> {
        let payload = json!({"action": "run", "stack": self.stack});
        environment
            .client()
            .invoke_later(environment.applied.function_name("sync")?, &payload)
            .with_context(|| format!("give {payload} to sync"))
    }

    /// What `sync` answers to a payload with this action and these members beside the stack's name: its answer, or the
    /// error that it failed with.
    fn ask(
        &self,
        environment: &Environment,
        action: &str,
        members: &Value,
    ) -> Result<Result<Value, Value>> {
        let mut payload = members.clone();
        payload["action"] = json!(action);
        payload["stack"] = json!(self.stack);
        environment
            .client()
            .invoke(environment.applied.function_name("sync")?, &payload)
            .with_context(|| format!("invoke sync with {payload}"))
    }

    /// The same, where an error is one.
    ///
    /// # Errors
    /// When the call is refused, or `sync` answered an error.
    pub fn answer(
        &self,
        environment: &Environment,
        action: &str,
        members: &Value,
    ) -> Result<Value> {
        match self.ask(environment, action, members)? {
            Ok(answer) => Ok(answer),
            Err(error) => bail!("sync answered to {action} with an error: {error}"),
        }
    }

    /// The containers that work on a shard of the sync that runs: of tasks which `sync` has started, or of the stack's
    /// service, whose tasks take shards as well.
    ///
    /// # Errors
    /// When the cloud or `sync` refuses to say.
    pub fn workers(&self, environment: &Environment) -> Result<Vec<Container>> {
        let status = self.answer(environment, "status", &json!({}))?;
        let shards = status["shards"].as_array().map_or(&[][..], Vec::as_slice);
        let mut containers = environment.control().containers()?;
        containers.retain(|container| {
            container.task.as_deref().is_some_and(|task| {
                shards
                    .iter()
                    .any(|shard| shard["is_done"] != true && shard["worker_id"] == task)
            })
        });
        Ok(containers)
    }

    /// The keys that clients see and their bytes.
    ///
    /// # Errors
    /// When the bucket cannot be listed.
    pub fn contents(&self, client: &Client) -> Result<BTreeMap<String, u64>> {
        let listed = client
            .list_objects(&self.bucket())
            .with_context(|| format!("list bucket {}", self.bucket()))?;
        Ok(listed
            .into_iter()
            .filter(|object| !object.key.starts_with(OWN_PREFIX))
            .map(|object| (object.key, object.size))
            .collect())
    }

    /// The keys of the flat files and their bytes.
    ///
    /// # Errors
    /// When the bucket cannot be listed.
    pub fn flat_files(&self, client: &Client) -> Result<BTreeMap<String, u64>> {
        let mut contents = self.contents(client)?;
        contents.retain(|key, _| !key.contains('/'));
        Ok(contents)
    }

    /// Checks that the mirror has exactly the bottles of an index, each with its content, which is read; that every
    /// manifest is there and names its bottles; and that the index files are byte for byte those of the source.
    ///
    /// # Errors
    /// What is not so.
    pub fn check_identical(&self, client: &Client, published: &Published) -> Result<()> {
        let bucket = self.bucket();
        let flat: Vec<String> = self.flat_files(client)?.into_keys().collect();
        let mut named: Vec<String> = published
            .bottles
            .iter()
            .map(|bottle| bottle.key.clone())
            .collect();
        named.sort();
        ensure!(
            flat == named,
            "the mirror has {flat:#?}, the index names {named:#?}"
        );
        for bottle in &published.bottles {
            check_bottle(client, &bucket, &percent_encoded(&bottle.key, true), bottle)?;
            check_manifest(
                client,
                &bucket,
                &format!("{}/manifests/{}", bottle.image, bottle.manifest_tag),
                bottle,
            )?;
        }
        let index = client
            .get_object(&bucket, "api/formula.json")
            .context("read api/formula.json")?
            .context("api/formula.json is not published")?;
        let entries: Value = serde_json::from_str(&index).context("read api/formula.json")?;
        let digests: usize = published
            .bottles
            .iter()
            .filter(|bottle| index.contains(&bottle.sha256))
            .count();
        ensure!(
            entries.is_array() && digests == published.bottles.len(),
            "the published index is another one"
        );
        Ok(())
    }
}

/// Asks the bucket for a bottle by a path as a client writes it.
///
/// # Errors
/// When it is not there, or is not what it should be.
pub fn check_bottle(client: &Client, bucket: &str, path: &str, bottle: &Bottle) -> Result<()> {
    let head = client
        .read_path(Method::HEAD, bucket, path)
        .with_context(|| format!("HEAD {path}"))?
        .with_context(|| format!("HEAD {path}: there is no such object"))?;
    ensure!(
        head.content_length == Some(bottle.size),
        "HEAD {path}: {head:?}, expected {} bytes",
        bottle.size
    );
    let content = client
        .read_path(Method::GET, bucket, path)
        .with_context(|| format!("GET {path}"))?
        .with_context(|| format!("GET {path}: there is no such object"))?;
    ensure!(
        content.sha256 == bottle.sha256 && content.size == bottle.size,
        "GET {path}: {content:?}, expected {bottle:?}"
    );
    Ok(())
}

/// Asks the bucket for a manifest as a client does, and checks that it names the bottle as a client wants it.
///
/// # Errors
/// When it is not there, or is not what it should be.
pub fn check_manifest(client: &Client, bucket: &str, path: &str, bottle: &Bottle) -> Result<()> {
    let text = client
        .s3("GetObject", Method::GET, &format!("/{bucket}/{path}"), "")
        .with_context(|| format!("GET {path}"))?
        .body;
    let manifest: Value = serde_json::from_str(&text).with_context(|| format!("read {path}"))?;
    let entries = manifest["manifests"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let annotations = entries
        .iter()
        .map(|entry| &entry["annotations"])
        .find(|annotations| annotations["org.opencontainers.image.ref.name"] == bottle.reference)
        .with_context(|| format!("{path} has no entry {}", bottle.reference))?;
    ensure!(
        annotations["sh.brew.bottle.digest"] == bottle.sha256,
        "{path}: {} has the digest {}, expected {}",
        bottle.reference,
        annotations["sh.brew.bottle.digest"],
        bottle.sha256
    );
    ensure!(
        annotations["sh.brew.tab"].is_string(),
        "{path}: {} has no tab",
        bottle.reference
    );
    Ok(())
}
