//! ECR: what an image says of itself, in its index, its manifest and its configuration.
//!
//! Shapes: the OCI image format specification, "Image Index", "Image Manifest" and "Image Configuration";
//! those of Docker have the same fields.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use longshore_events::ecr::IMAGE_MEDIA_TYPES;
use longshore_events::image::{Digest, Image};
use longshore_policy::route::CpuArchitecture;
use longshore_rollout::ports::ImageContents;
use longshore_state::{CallError, ErrorClass};
use serde::Deserialize;
use serde_json::json;
use sha2::Digest as _;

use crate::AwsCloud;
use crate::error::{classify, not_found, unreadable};
use crate::exchange::{Exchange, Unsuccessful};
use crate::registry::ecr;

/// A configuration holds an image's environment, its labels and a line for each of its layers.
const LARGEST_CONFIGURATION: u64 = 4 * 1024 * 1024;

/// This many images of an index are looked into that do not say in the index for which platform they are.
const LOOKED_INTO: usize = 4;

/// The annotation, and the label, that names the commit which an image was built from.
const REVISION: &str = "org.opencontainers.image.revision";

/// The annotation, and the label, that names the page of the repository that has the commit.
const SOURCE: &str = "org.opencontainers.image.source";

/// What buildx puts into an index beside the images: their provenance and bill of materials.
const REFERENCE_TYPE: &str = "vnd.docker.reference.type";

/// The answer to BatchGetImage: the Amazon ECR API Reference.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Images {
    #[serde(default)]
    images: Vec<FoundImage>,
    #[serde(default)]
    failures: Vec<Failure>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FoundImage {
    image_manifest: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    failure_code: Option<String>,
    failure_reason: Option<String>,
}

/// The answer to GetDownloadUrlForLayer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Download {
    download_url: String,
}

/// An index or a manifest.
#[derive(Debug, Deserialize)]
struct Manifest {
    /// Of an index.
    manifests: Option<Vec<Descriptor>>,
    /// Of a manifest.
    config: Option<Descriptor>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    digest: Digest,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    media_type: String,
    platform: Option<Platform>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
struct Platform {
    #[serde(default)]
    architecture: String,
}

#[derive(Debug, Default, Deserialize)]
struct Configuration {
    #[serde(default)]
    architecture: String,
    config: Option<Execution>,
}

#[derive(Debug, Deserialize)]
struct Execution {
    #[serde(rename = "Labels")]
    labels: Option<BTreeMap<String, String>>,
}

impl Descriptor {
    fn is_image(&self) -> bool {
        let is_beside = self
            .annotations
            .as_ref()
            .is_some_and(|annotations| annotations.contains_key(REFERENCE_TYPE));
        let is_unknown = self
            .platform
            .as_ref()
            .is_some_and(|platform| platform.architecture == "unknown");
        !is_beside && !is_unknown && IMAGE_MEDIA_TYPES.contains(&self.media_type.as_str())
    }
}

impl AwsCloud {
    /// What an image says of itself.
    pub(crate) async fn image_contents(&self, image: &Image) -> Result<ImageContents, CallError> {
        let repository = &image.repository;
        let operation = format!("inspect image {image}");
        let manifest = self
            .manifests(repository, &[&image.digest], &operation)
            .await?
            .pop()
            .ok_or_else(|| not_found(&operation, "the repository does not have this image"))?;
        let mut contents = ImageContents {
            commit: revision(manifest.annotations.as_ref()),
            source_url: source(manifest.annotations.as_ref()),
            ..ImageContents::default()
        };
        let Some(children) = manifest.manifests else {
            if let Some(configuration) = &manifest.config {
                let configuration = self
                    .image_configuration(repository, configuration, &operation)
                    .await?;
                add(&mut contents, &configuration);
            }
            return Ok(contents);
        };
        let images: Vec<&Descriptor> = children.iter().filter(|child| child.is_image()).collect();
        let (known, unpublished): (Vec<&Descriptor>, Vec<&Descriptor>) =
            images.iter().partition(|child| child.platform.is_some());
        contents.architectures = known
            .iter()
            .filter_map(|child| architecture(&child.platform.as_ref()?.architecture))
            .collect();
        // All images of an index are built from one commit.
        let for_the_commit = known
            .into_iter()
            .take(usize::from(contents.commit.is_none()));
        let looked_into: Vec<&Digest> = unpublished
            .into_iter()
            .take(LOOKED_INTO)
            .chain(for_the_commit)
            .map(|child| &child.digest)
            .collect();
        let manifests = self.manifests(repository, &looked_into, &operation).await?;
        let configurations = try_join_all(
            manifests
                .iter()
                .filter_map(|manifest| manifest.config.as_ref())
                .map(|configuration| {
                    self.image_configuration(repository, configuration, &operation)
                }),
        )
        .await?;
        for configuration in &configurations {
            add(&mut contents, configuration);
        }
        Ok(contents)
    }

    async fn manifests(
        &self,
        repository: &str,
        digests: &[&Digest],
        operation: &str,
    ) -> Result<Vec<Manifest>, CallError> {
        if digests.is_empty() {
            return Ok(Vec::new());
        }
        let identifiers = digests
            .iter()
            .map(|digest| json!({"imageDigest": digest.as_str()}));
        let request = json!({
            "repositoryName": repository,
            "imageIds": identifiers.collect::<Vec<_>>(),
            "acceptedMediaTypes": IMAGE_MEDIA_TYPES,
        });
        let answer: Images = ecr(&self.configuration, operation, "BatchGetImage", &request).await?;
        // BatchGetImage answers 200 even when it has none of them.
        if let Some(failure) = answer.failures.into_iter().next() {
            return Err(CallError {
                operation: operation.to_owned(),
                class: match failure.failure_code.as_deref() {
                    Some("ImageNotFound") => ErrorClass::NotFound,
                    Some("ImageInaccessible" | "UpstreamAccessDenied") => ErrorClass::Denied,
                    Some("KmsError" | "UpstreamTooManyRequests" | "UpstreamUnavailable") => {
                        ErrorClass::Transient
                    }
                    _ => ErrorClass::Refused,
                },
                code: failure.failure_code,
                message: failure.failure_reason.unwrap_or_default(),
            });
        }
        answer
            .images
            .iter()
            .map(|image| {
                serde_json::from_str(image.image_manifest.as_deref().unwrap_or_default())
                    .map_err(|error| unreadable(operation, format!("its manifest: {error}")))
            })
            .collect()
    }

    /// The configuration of an image. It is fetched from where ECR says, and is what its digest says.
    async fn image_configuration(
        &self,
        repository: &str,
        descriptor: &Descriptor,
        operation: &str,
    ) -> Result<Configuration, CallError> {
        let digest = descriptor.digest.as_str();
        let refused = |class, message: String| CallError {
            operation: operation.to_owned(),
            class,
            code: None,
            message: format!("its configuration {digest}: {message}"),
        };
        if descriptor.size > LARGEST_CONFIGURATION {
            return Err(refused(
                ErrorClass::Refused,
                format!("larger than {LARGEST_CONFIGURATION} bytes, which no configuration is"),
            ));
        }
        let request = json!({"repositoryName": repository, "layerDigest": digest});
        let Download { download_url: url } = ecr(
            &self.configuration,
            operation,
            "GetDownloadUrlForLayer",
            &request,
        )
        .await?;
        let exchange = Exchange {
            method: "GET",
            url,
            headers: Vec::new(),
            body: String::new(),
            read_error: |body| (None, body.to_owned()),
            signed_for: None,
        };
        let body = exchange
            .send(&self.configuration)
            .await
            .map_err(|error| match error {
                Unsuccessful::Unanswered(message) => refused(ErrorClass::Transient, message),
                Unsuccessful::Refused {
                    status, message, ..
                } => {
                    let shown: String = message.chars().take(200).collect();
                    refused(
                        classify(None, Some(status), &message),
                        format!("status {status} where its layers are kept: {shown}"),
                    )
                }
            })?;
        let found = hex::encode(sha2::Sha256::digest(&body));
        if digest != format!("sha256:{found}") {
            return Err(refused(
                ErrorClass::Transient,
                format!("what came has the digest sha256:{found}"),
            ));
        }
        serde_json::from_slice(&body)
            .map_err(|error| refused(ErrorClass::Refused, error.to_string()))
    }
}

fn add(contents: &mut ImageContents, configuration: &Configuration) {
    contents
        .architectures
        .extend(architecture(&configuration.architecture));
    if contents.commit.is_none() {
        let labels = configuration.config.as_ref();
        let labels = labels.and_then(|execution| execution.labels.as_ref());
        contents.commit = revision(labels);
        contents.source_url = source(labels).or_else(|| contents.source_url.take());
    }
}

/// The commit that is named, unless that is something else: whoever builds an image can write anything there,
/// and it is shown to people.
fn revision(names: Option<&BTreeMap<String, String>>) -> Option<String> {
    names?
        .get(REVISION)
        .filter(|revision| {
            (1..=128).contains(&revision.len())
                && revision
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._-/+".contains(&byte))
        })
        .cloned()
}

/// The page that is named, unless that is something else, or asks for more than a page.
fn source(names: Option<&BTreeMap<String, String>>) -> Option<String> {
    let named = names?.get(SOURCE)?;
    let rest = named.strip_prefix("https://")?;
    let is_plain = (1..=200).contains(&rest.len())
        && rest
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-/~".contains(&byte));
    is_plain.then(|| {
        named
            .trim_end_matches(".git")
            .trim_end_matches('/')
            .to_owned()
    })
}

/// The architecture as ECS names it, of what Go and so images call it.
fn architecture(name: &str) -> Option<CpuArchitecture> {
    match name {
        "amd64" => Some(CpuArchitecture::X86),
        "arm64" => Some(CpuArchitecture::Arm),
        _ => None,
    }
}
