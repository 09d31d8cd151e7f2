//! ECR: which image a tag means now, and which images a repository holds.

use aws_sdk_ecr::types::{
    DescribeImagesFilter, ImageDetail, ImageIdentifier, ImageStatus, TagStatus,
};
use longshore_events::ecr::is_container_image;
use longshore_events::image::{Image, ImageReference, Selector};
use longshore_policy::image_policy::RegistryImage;
use longshore_rollout::ports::{ImageContents, ImageRegistry};
use longshore_state::{CallError, ErrorClass};

use crate::AwsCloud;
use crate::error::{failed, not_found, unreadable};
use crate::services::timestamp;

/// DescribeImages gives so many images at once.
const PAGE: i32 = 1000;

impl ImageRegistry for AwsCloud {
    async fn tagged(
        &self,
        repository: &str,
        tag: &str,
    ) -> Result<Option<RegistryImage>, CallError> {
        let operation = format!("find image {repository}:{tag} in ECR");
        let answer = self
            .ecr()
            .describe_images()
            .repository_name(repository)
            .image_ids(ImageIdentifier::builder().image_tag(tag).build())
            .send()
            .await
            .map_err(failed(&operation));
        let details = match answer {
            Ok(answer) => answer.image_details.unwrap_or_default(),
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

    async fn images(&self, repository: &str) -> Result<Vec<RegistryImage>, CallError> {
        let operation = format!("list the images of repository {repository} in ECR");
        let mut pages = self
            .ecr()
            .describe_images()
            .repository_name(repository)
            .filter(
                DescribeImagesFilter::builder()
                    .tag_status(TagStatus::Tagged)
                    .build(),
            )
            .max_results(PAGE)
            .into_paginator()
            .send();
        let mut images = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failed(&operation))?;
            for detail in page.image_details() {
                for tag in detail.image_tags() {
                    if is_startable(detail, tag) {
                        images.push(registry_image(detail, tag, &operation)?);
                    }
                }
            }
        }
        Ok(images)
    }

    async fn inspect(&self, image: &Image) -> Result<ImageContents, CallError> {
        self.image_contents(image).await
    }

    async fn resolve(&self, reference: &ImageReference) -> Result<Image, CallError> {
        let operation = format!("find image {reference} in ECR");
        let (tag, identifier) = match &reference.selector {
            Selector::Tag(tag) => (Some(tag), ImageIdentifier::builder().image_tag(tag)),
            Selector::Digest(digest) => (
                None,
                ImageIdentifier::builder().image_digest(digest.as_str()),
            ),
        };
        let answer = self
            .ecr()
            .describe_images()
            .repository_name(&reference.repository)
            .image_ids(identifier.build())
            .send()
            .await
            .map_err(failed(&operation))?;
        let detail = answer
            .image_details()
            .first()
            .ok_or_else(|| not_found(&operation, "the repository has no such image"))?;
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

/// Whether a container can be started from what has this tag: it is an image, and can be pulled. ECR lists
/// archived images only where they are asked for, but finds them by their tag: the Amazon ECR User Guide,
/// "Archiving images".
fn is_startable(detail: &ImageDetail, tag: &str) -> bool {
    is_container_image(
        tag,
        detail.image_manifest_media_type(),
        detail.artifact_media_type(),
    ) && matches!(detail.image_status(), None | Some(ImageStatus::Active))
}

fn registry_image(
    detail: &ImageDetail,
    tag: &str,
    operation: &str,
) -> Result<RegistryImage, CallError> {
    Ok(RegistryImage {
        tag: tag.to_owned(),
        digest: digest(detail, operation)?,
        pushed_at: detail
            .image_pushed_at()
            .and_then(timestamp)
            .ok_or_else(|| {
                unreadable(operation, format!("ECR did not say when {tag} was pushed"))
            })?,
    })
}

fn digest(
    detail: &ImageDetail,
    operation: &str,
) -> Result<longshore_events::image::Digest, CallError> {
    detail
        .image_digest()
        .unwrap_or_default()
        .parse()
        .map_err(|error| unreadable(operation, format!("ECR gave an unusable {error}")))
}
