//! ECR: which image a tag means now.

use aws_sdk_ecr::types::ImageIdentifier;
use longshore_events::image::{Image, ImageReference, Selector};
use longshore_rollout::policy::RegistryImage;
use longshore_rollout::ports::{CallError, ImageContents, ImageRegistry};

use crate::AwsCloud;
use crate::error::{failed, not_found, unreadable};

impl ImageRegistry for AwsCloud {
    async fn tagged(
        &self,
        _repository: &str,
        _tag: &str,
    ) -> Result<Option<RegistryImage>, CallError> {
        unimplemented!("DescribeImages of a tag")
    }

    async fn images(&self, _repository: &str) -> Result<Vec<RegistryImage>, CallError> {
        unimplemented!("DescribeImages")
    }

    async fn inspect(&self, _image: &Image) -> Result<ImageContents, CallError> {
        unimplemented!("BatchGetImage")
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
        let digest = answer
            .image_details()
            .first()
            .and_then(|detail| detail.image_digest())
            .ok_or_else(|| not_found(&operation, "the repository has no such image"))?
            .parse()
            .map_err(|error| unreadable(&operation, format!("ECR gave an unusable {error}")))?;
        Ok(Image {
            repository: reference.repository.clone(),
            tag: tag.cloned(),
            digest,
        })
    }
}
