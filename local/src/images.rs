//! Images, pushed to ECR as a build pushes them: the configuration, then the manifests, last what has the tag.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::client::{Client, JsonService};

/// The media type of an image's manifest.
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of an index, which names a manifest for each architecture.
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The media type of an image's configuration.
const CONFIGURATION: &str = "application/vnd.oci.image.config.v1+json";
/// The media type of the configuration of what is not an image (OCI Image Specification 1.1, "Guidance for an Empty
/// Descriptor").
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// The annotation in which the local cloud looks for an image's command.
const COMMAND_ANNOTATION: &str = "dev.longshore.local.command";
/// The annotation in which it looks for an image's entry point.
const ENTRY_POINT_ANNOTATION: &str = "dev.longshore.local.entry-point";

/// A command for images: says a line, then runs until it is stopped.
#[must_use]
pub fn serves(line: &str) -> Vec<String> {
    shell(&format!("echo '{line}'; exec sleep 86400"))
}

/// A command for images: says a line on standard error, then ends with exit code 1.
#[must_use]
pub fn fails(line: &str) -> Vec<String> {
    shell(&format!("echo '{line}' >&2; exit 1"))
}

fn shell(script: &str) -> Vec<String> {
    ["/bin/sh", "-c", script].map(str::to_owned).to_vec()
}

/// An image to push.
#[derive(Debug, Clone)]
pub struct Image {
    annotations: BTreeMap<&'static str, String>,
    architectures: Vec<String>,
    labels: BTreeMap<&'static str, String>,
}

impl Image {
    /// One for `amd64` whose container runs `command`.
    #[must_use]
    pub fn running(command: &[String]) -> Self {
        Self::annotated(COMMAND_ANNOTATION, &Value::from(command))
    }

    /// One for `amd64` whose entry point is a program of this machine, and which has no command.
    #[must_use]
    pub fn of_program(program: &str) -> Self {
        Self::annotated(ENTRY_POINT_ANNOTATION, &json!([program]))
    }

    fn annotated(name: &'static str, words: &Value) -> Self {
        Self {
            annotations: BTreeMap::from([(name, words.to_string())]),
            architectures: vec!["amd64".to_owned()],
            labels: BTreeMap::new(),
        }
    }

    /// The same for these architectures, such as `arm64`. Several make an index.
    #[must_use]
    pub fn for_architectures(mut self, architectures: &[&str]) -> Self {
        self.architectures = architectures.iter().map(|&name| name.to_owned()).collect();
        self
    }

    /// The same, built from this commit.
    #[must_use]
    pub fn of_commit(mut self, commit: &str) -> Self {
        self.labels
            .insert("org.opencontainers.image.revision", commit.to_owned());
        self
    }

    /// Pushes it; makes the repository when it is missing. Answers the digest of what has the tag.
    ///
    /// # Errors
    /// When ECR refuses, or stores something else than what was pushed.
    pub fn push(&self, client: &Client, repository: &str, tag: &str) -> Result<String> {
        repository_address(client, repository)?;
        if let [architecture] = self.architectures.as_slice() {
            let manifest = self.manifest(client, repository, tag, architecture)?;
            return put_image(client, repository, Some(tag), MANIFEST, &manifest);
        }
        let mut children = Vec::new();
        for architecture in &self.architectures {
            let manifest = self.manifest(client, repository, tag, architecture)?;
            children.push(json!({
                "mediaType": MANIFEST,
                "digest": put_image(client, repository, None, MANIFEST, &manifest)?,
                "size": manifest.len(),
                "platform": {"os": "linux", "architecture": architecture},
            }));
        }
        let index =
            json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": children}).to_string();
        put_image(client, repository, Some(tag), INDEX, &index)
    }

    /// The manifest for an architecture, whose configuration is pushed already.
    fn manifest(
        &self,
        client: &Client,
        repository: &str,
        tag: &str,
        architecture: &str,
    ) -> Result<String> {
        let mut labels = self.labels.clone();
        // So that no two images are the same because they run the same.
        labels.insert("org.opencontainers.image.title", repository.to_owned());
        labels.insert("org.opencontainers.image.version", tag.to_owned());
        let configuration = json!({
            "architecture": architecture,
            "os": "linux",
            "config": {"Labels": labels},
            "rootfs": {"type": "layers", "diff_ids": []},
        })
        .to_string();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {
                "mediaType": CONFIGURATION,
                "digest": push_layer(client, repository, &configuration)?,
                "size": configuration.len(),
            },
            "layers": [],
            "annotations": self.annotations,
        });
        Ok(manifest.to_string())
    }
}

/// Pushes an image whose container runs `command`; makes the repository when it is missing. Answers the digest.
///
/// # Errors
/// When ECR refuses, or stores something else than what was pushed.
pub fn push_image(
    client: &Client,
    repository: &str,
    tag: &str,
    command: &[String],
) -> Result<String> {
    Image::running(command).push(client, repository, tag)
}

/// Pushes an image whose entry point is a program of this machine, and which has no command; makes the repository when
/// it is missing. Answers the digest.
///
/// # Errors
/// When ECR refuses, or stores something else than what was pushed.
pub fn push_program(client: &Client, repository: &str, tag: &str, program: &str) -> Result<String> {
    Image::of_program(program).push(client, repository, tag)
}

/// Pushes an image for two architectures, as `docker buildx` does: a manifest of each without a tag, then the index
/// with the tag. Answers the index's digest.
///
/// # Errors
/// When ECR refuses, or stores something else than what was pushed.
pub fn push_index(
    client: &Client,
    repository: &str,
    tag: &str,
    command: &[String],
) -> Result<String> {
    Image::running(command)
        .for_architectures(&["amd64", "arm64"])
        .push(client, repository, tag)
}

/// Pushes what is not an image under a tag, such as a signature. Answers the digest.
///
/// # Errors
/// When ECR refuses, or stores something else than what was pushed.
pub fn push_artifact(
    client: &Client,
    repository: &str,
    tag: &str,
    artifact_type: &str,
) -> Result<String> {
    repository_address(client, repository)?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": artifact_type,
        "config": {"mediaType": EMPTY, "digest": push_layer(client, repository, "{}")?, "size": 2},
        "layers": [],
        "annotations": {"org.opencontainers.image.ref.name": tag},
    })
    .to_string();
    put_image(client, repository, Some(tag), MANIFEST, &manifest)
}

/// Puts a tag onto an image that is there already, as a promotion does.
///
/// # Errors
/// When there is no such image, or ECR refuses.
pub fn move_tag(client: &Client, repository: &str, tag: &str, digest: &str) -> Result<()> {
    let request = json!({"repositoryName": repository, "imageIds": [{"imageDigest": digest}]});
    let found = client
        .json(JsonService::Ecr, "BatchGetImage", &request)
        .with_context(|| format!("read {repository}@{digest}"))?;
    let image = &found["images"][0];
    let (Some(manifest), Some(media_type)) = (
        image["imageManifest"].as_str(),
        image["imageManifestMediaType"].as_str(),
    ) else {
        bail!("read {repository}@{digest}: {}", found["failures"]);
    };
    put_image(client, repository, Some(tag), media_type, manifest).map(drop)
}

/// Deletes an image and all its tags.
///
/// # Errors
/// When there is no such image, or ECR refuses.
pub fn delete_image(client: &Client, repository: &str, digest: &str) -> Result<()> {
    let request = json!({"repositoryName": repository, "imageIds": [{"imageDigest": digest}]});
    let answer = client
        .json(JsonService::Ecr, "BatchDeleteImage", &request)
        .with_context(|| format!("delete {repository}@{digest}"))?;
    ensure!(
        answer["failures"].as_array().is_some_and(Vec::is_empty),
        "delete {repository}@{digest}: {}",
        answer["failures"]
    );
    Ok(())
}

/// Pushes a layer, which a configuration is to ECR, too; answers its digest.
fn push_layer(client: &Client, repository: &str, content: &str) -> Result<String> {
    let digest = digest(content);
    let call = |operation: &str, request: &Value| {
        client
            .json(JsonService::Ecr, operation, request)
            .with_context(|| format!("push layer {digest} to {repository}"))
    };
    let layer = json!({"repositoryName": repository, "layerDigests": [digest]});
    let availability = call("BatchCheckLayerAvailability", &layer)?;
    if availability["layers"][0]["layerAvailability"] == "AVAILABLE" {
        return Ok(digest);
    }
    let begun = call(
        "InitiateLayerUpload",
        &json!({"repositoryName": repository}),
    )?;
    let upload = &begun["uploadId"];
    call(
        "UploadLayerPart",
        &json!({
            "repositoryName": repository,
            "uploadId": upload,
            "partFirstByte": 0,
            "partLastByte": content.len() - 1,
            "layerPartBlob": BASE64_STANDARD.encode(content),
        }),
    )?;
    let request =
        json!({"repositoryName": repository, "uploadId": upload, "layerDigests": [digest]});
    match client.json(JsonService::Ecr, "CompleteLayerUpload", &request) {
        // Another test has pushed the same.
        Err(error) if error.code() == Some("LayerAlreadyExistsException") => {}
        answer => {
            answer.with_context(|| format!("push layer {digest} to {repository}"))?;
        }
    }
    Ok(digest)
}

fn put_image(
    client: &Client,
    repository: &str,
    tag: Option<&str>,
    media_type: &str,
    manifest: &str,
) -> Result<String> {
    let digest = digest(manifest);
    let mut request = json!({
        "repositoryName": repository,
        "imageManifest": manifest,
        "imageManifestMediaType": media_type,
    });
    let image = match tag {
        Some(tag) => {
            request["imageTag"] = json!(tag);
            format!("{repository}:{tag}")
        }
        None => {
            request["imageDigest"] = json!(digest);
            format!("{repository}@{digest}")
        }
    };
    let answer = match client.json(JsonService::Ecr, "PutImage", &request) {
        // Another test has pushed the same.
        Err(error) if error.code() == Some("ImageAlreadyExistsException") => return Ok(digest),
        answer => answer.with_context(|| format!("push {image}"))?,
    };
    let stored = &answer["image"]["imageId"]["imageDigest"];
    ensure!(
        stored == digest.as_str(),
        "push {image}: pushed {digest}, ECR stored {stored}"
    );
    Ok(digest)
}

fn digest(content: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(content)))
}

/// The address of a repository (`ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME`), which is made when it is missing.
///
/// # Errors
/// When ECR refuses.
pub fn repository_address(client: &Client, repository: &str) -> Result<String> {
    let created = client.json(
        JsonService::Ecr,
        "CreateRepository",
        &json!({"repositoryName": repository}),
    );
    let described = match created {
        Ok(answer) => answer["repository"].clone(),
        Err(error) if error.code() == Some("RepositoryAlreadyExistsException") => {
            let names = json!({"repositoryNames": [repository]});
            let answer = client
                .json(JsonService::Ecr, "DescribeRepositories", &names)
                .with_context(|| format!("describe repository {repository}"))?;
            answer["repositories"][0].clone()
        }
        Err(error) => return Err(error).with_context(|| format!("create repository {repository}")),
    };
    described["repositoryUri"]
        .as_str()
        .map(str::to_owned)
        .with_context(|| format!("repository {repository} has no address"))
}
