//! ECR: which image a tag means now, and which images a repository holds.

use std::collections::BTreeSet;

use aws_config::SdkConfig;
use chrono::{DateTime, Utc};
use longshore_events::ecr::is_container_image;
use longshore_events::image::{Digest, Image, ImageReference, Selector};
use longshore_policy::image_policy::RegistryImage;
use longshore_rollout::ports::{IMAGES_A_CALL, ImageContents, ImageRegistry, ListedImages};
use longshore_state::{CallError, ErrorClass};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::AwsCloud;
use crate::error::{not_found, unreadable};
use crate::signed::json_call;

/// DescribeImages gives at most this many images at once.
const PAGE: u32 = 1000;

/// The answer to DescribeImages: the Amazon ECR API Reference.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescribedImages {
    #[serde(default)]
    image_details: Vec<ImageDetail>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ImageDetail {
    image_digest: Option<String>,
    #[serde(default)]
    image_tags: Vec<String>,
    /// Seconds since 1970, with a fraction.
    image_pushed_at: Option<f64>,
    image_manifest_media_type: Option<String>,
    artifact_media_type: Option<String>,
    image_status: Option<String>,
}

/// Calls an operation of ECR.
pub(crate) async fn ecr<T: DeserializeOwned>(
    configuration: &SdkConfig,
    operation: &str,
    name: &str,
    request: &Value,
) -> Result<T, CallError> {
    let target = format!("AmazonEC2ContainerRegistry_V20150921.{name}");
    json_call(configuration, operation, "ecr", &target, request).await
}

impl ImageRegistry for AwsCloud {
    async fn tagged(
        &self,
        repository: &str,
        tag: &str,
    ) -> Result<Option<RegistryImage>, CallError> {
        let operation = format!("find image {repository}:{tag} in ECR");
        let answer = self
            .describe_images(repository, vec![json!({"imageTag": tag})], &operation)
            .await;
        let details = match answer {
            Ok(details) => details,
            Err(error) if error.code.as_deref() == Some("ImageNotFoundException") => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        details
            .iter()
            .find(|detail| is_startable(detail, tag))
            .map(|detail| registry_image(detail, tag, &operation))
            .transpose()
    }

    async fn all_tagged(
        &self,
        repository: &str,
        tags: &BTreeSet<String>,
    ) -> Result<Option<Vec<RegistryImage>>, CallError> {
        let operation = format!("find images of repository {repository} in ECR");
        let tags: Vec<&String> = tags.iter().collect();
        let mut images = Vec::new();
        for part in tags.chunks(IMAGES_A_CALL) {
            let identifiers = part.iter().map(|tag| json!({"imageTag": tag})).collect();
            let answer = self
                .describe_images(repository, identifiers, &operation)
                .await;
            let details = match answer {
                Ok(details) => details,
                // One that is not there has the whole call refused.
                Err(error) if error.code.as_deref() == Some("ImageNotFoundException") => {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            };
            for tag in part {
                // ECR describes an image with all of its tags, however many of them were asked for.
                let held = details
                    .iter()
                    .find(|detail| detail.image_tags.contains(tag));
                let Some(detail) = held else {
                    return Ok(None);
                };
                if is_startable(detail, tag) {
                    images.push(registry_image(detail, tag, &operation)?);
                }
            }
        }
        Ok(Some(images))
    }

    async fn images(&self, repository: &str) -> Result<ListedImages, CallError> {
        let operation = format!("list the images of repository {repository} in ECR");
        let mut request = json!({
            "repositoryName": repository,
            "filter": {"tagStatus": "TAGGED"},
            "maxResults": PAGE,
        });
        let mut listed = ListedImages::default();
        loop {
            listed.calls += 1;
            let page: DescribedImages =
                ecr(&self.configuration, &operation, "DescribeImages", &request).await?;
            for detail in &page.image_details {
                for tag in &detail.image_tags {
                    if is_startable(detail, tag) {
                        listed.images.push(registry_image(detail, tag, &operation)?);
                    }
                }
            }
            match page.next_token {
                Some(token) => request["nextToken"] = json!(token),
                None => return Ok(listed),
            }
        }
    }

    async fn missing(
        &self,
        repository: &str,
        digests: &[Digest],
    ) -> Result<Vec<Digest>, CallError> {
        let operation = format!("look for images of repository {repository} in ECR");
        let mut missing = Vec::new();
        let mut parts: Vec<&[Digest]> = digests.chunks(IMAGES_A_CALL).collect();
        while let Some(part) = parts.pop() {
            match self.held(repository, part, &operation).await {
                Ok(held) => {
                    missing.extend(part.iter().filter(|digest| !held.contains(digest)).cloned())
                }
                // One that is not there has the whole call refused.
                Err(error) if error.code.as_deref() == Some("ImageNotFoundException") => {
                    match part.split_at(part.len() / 2) {
                        ([], one) => missing.extend_from_slice(one),
                        (one, other) => parts.extend([one, other]),
                    }
                }
                Err(error) if error.code.as_deref() == Some("RepositoryNotFoundException") => {
                    return Ok(digests.to_vec());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(missing)
    }

    async fn inspect(&self, image: &Image) -> Result<ImageContents, CallError> {
        self.image_contents(image).await
    }

    async fn resolve(&self, reference: &ImageReference) -> Result<Image, CallError> {
        let operation = format!("find image {reference} in ECR");
        let (tag, identifier) = match &reference.selector {
            Selector::Tag(tag) => (Some(tag), json!({"imageTag": tag})),
            Selector::Digest(digest) => (None, json!({"imageDigest": digest.as_str()})),
        };
        let details = self
            .describe_images(&reference.repository, vec![identifier], &operation)
            .await?;
        let detail = details
            .first()
            .ok_or_else(|| not_found(&operation, "the repository does not have this image"))?;
        if !is_startable(detail, tag.map_or("", String::as_str)) {
            return Err(CallError {
                operation,
                class: ErrorClass::Refused,
                code: None,
                message: "it is archived, or no image that a container can be started from"
                    .to_owned(),
            });
        }
        Ok(Image {
            repository: reference.repository.clone(),
            tag: tag.cloned(),
            digest: digest(detail, &operation)?,
        })
    }
}

impl AwsCloud {
    /// Those of these images from which a container can be started. BatchGetImage would count as a pull of each, by which
    /// lifecycle policies go.
    async fn held(
        &self,
        repository: &str,
        digests: &[Digest],
        operation: &str,
    ) -> Result<Vec<Digest>, CallError> {
        let identifiers: Vec<Value> = digests
            .iter()
            .map(|digest| json!({"imageDigest": digest.as_str()}))
            .collect();
        let details = self
            .describe_images(repository, identifiers, operation)
            .await?;
        let active = details
            .iter()
            .filter(|detail| matches!(detail.image_status.as_deref(), None | Some("ACTIVE")));
        active.map(|detail| digest(detail, operation)).collect()
    }

    async fn describe_images(
        &self,
        repository: &str,
        identifiers: Vec<Value>,
        operation: &str,
    ) -> Result<Vec<ImageDetail>, CallError> {
        let request = json!({"repositoryName": repository, "imageIds": identifiers});
        let answer: DescribedImages =
            ecr(&self.configuration, operation, "DescribeImages", &request).await?;
        Ok(answer.image_details)
    }
}

/// Whether a container can be started from what has this tag: it is an image, and can be pulled. ECR lists
/// archived images only where they are asked for, but finds them by their tag: the Amazon ECR User Guide,
/// "Archiving images".
fn is_startable(detail: &ImageDetail, tag: &str) -> bool {
    is_container_image(
        tag,
        detail.image_manifest_media_type.as_deref(),
        detail.artifact_media_type.as_deref(),
    ) && matches!(detail.image_status.as_deref(), None | Some("ACTIVE"))
}

fn registry_image(
    detail: &ImageDetail,
    tag: &str,
    operation: &str,
) -> Result<RegistryImage, CallError> {
    Ok(RegistryImage {
        tag: tag.to_owned(),
        digest: digest(detail, operation)?,
        pushed_at: detail.image_pushed_at.and_then(moment).ok_or_else(|| {
            unreadable(operation, format!("ECR did not say when {tag} was pushed"))
        })?,
        tagged_at: None,
    })
}

/// The moment of a number of seconds since 1970.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a float that is out of range becomes the last number, and chrono refuses that"
)]
fn moment(seconds: f64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros((seconds * 1e6).round() as i64)
}

fn digest(detail: &ImageDetail, operation: &str) -> Result<Digest, CallError> {
    detail
        .image_digest
        .as_deref()
        .unwrap_or_default()
        .parse()
        .map_err(|error| unreadable(operation, format!("ECR gave an unusable {error}")))
}
