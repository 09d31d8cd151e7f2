//! Images as stack files name them.

use longshore_events::image::{ImageReference, Selector};
use longshore_events::registry::ImageName;

use super::template::{Value, part_of_sub};

/// Where an image is.
pub(super) enum Image {
    /// In this account's ECR.
    Own(ImageReference),
    /// In another account's or region's ECR: the ARN of its repository.
    OtherEcr(String),
    /// Anywhere else, for everybody to pull.
    Public,
}

impl Image {
    pub(super) fn of(text: &str) -> Self {
        let name = ImageName::of(text);
        match (name.registry, name.ecr()) {
            (None, _) => text.parse().map_or(Self::Public, Self::Own),
            (Some(_), Some(registry)) => Self::OtherEcr(format!(
                "arn:${{AWS::Partition}}:ecr:{}:{}:repository/{}",
                registry.region, registry.account, name.repository
            )),
            (Some(_), None) => Self::Public,
        }
    }

    /// The ARN of the ECR repository that the image is pulled from.
    pub(super) fn repository_arn(&self) -> Option<String> {
        match self {
            Self::Own(image) => Some(format!(
                "arn:${{AWS::Partition}}:ecr:${{AWS::Region}}:${{AWS::AccountId}}:repository/{}",
                image.repository
            )),
            Self::OtherEcr(arn) => Some(arn.clone()),
            Self::Public => None,
        }
    }
}

/// The image as ECS takes it.
pub(super) fn full_name(text: &str) -> Value {
    match Image::of(text) {
        Image::Own(image) => {
            let selector = match &image.selector {
                Selector::Tag(tag) => format!(":{tag}"),
                Selector::Digest(digest) => format!("@{digest}"),
            };
            Value::sub(format!(
                "${{AWS::AccountId}}.dkr.ecr.${{AWS::Region}}.${{AWS::URLSuffix}}/{}{selector}",
                part_of_sub(&image.repository)
            ))
        }
        Image::OtherEcr(_) | Image::Public => Value::written(text),
    }
}
