//! Images as stack files name them.

use longshore_events::image::{ImageReference, Selector};

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
        let Some((registry, rest)) = registry(text) else {
            return text.parse().map_or(Self::Public, Self::Own);
        };
        let labels: Vec<&str> = registry.split('.').collect();
        match labels.as_slice() {
            [account, "dkr", "ecr", region, ..] => {
                let end = rest.find(['@', ':']).unwrap_or(rest.len());
                let repository = &rest[..end];
                Self::OtherEcr(format!(
                    "arn:${{AWS::Partition}}:ecr:{region}:{account}:repository/{repository}"
                ))
            }
            _ => Self::Public,
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

/// The registry that a name begins with, as Docker tells one from a repository: it has a dot or a port,
/// or is this computer.
fn registry(text: &str) -> Option<(&str, &str)> {
    let (first, rest) = text.split_once('/')?;
    (first.contains(['.', ':']) || first == "localhost").then_some((first, rest))
}
