//! The next revision of a task definition: the running one, with images replaced.
//!
//! Works on the JSON that ECS gave, so that a field which AWS adds tomorrow is kept as well.

use std::collections::BTreeMap;

use longshore_events::Malformed;
use longshore_events::arn::{self, Location};
use longshore_events::image::{Digest, Image};
use longshore_events::registry::{ImageName, ecr_host};
use serde_json::{Value, json};

use crate::ports::{Tag, TaskDefinition};
use crate::record::Deployment;

/// The tag that names the Longshore deployment which registered a task definition.
pub const DEPLOYMENT_TAG: &str = "longshore:deployment";

/// The tag of the stack that a resource belongs to: `provision` gives it to the CloudFormation stack, and CloudFormation
/// to all resources of the stack.
pub const STACK_TAG: &str = "longshore:stack";

/// Fields that DescribeTaskDefinition gives and RegisterTaskDefinition does not take: the Amazon ECS
/// API Reference, `TaskDefinition` against the request of `RegisterTaskDefinition`.
const OUTPUT_ONLY: [&str; 9] = [
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
    "deleteRequestedAt",
];

/// ECS allows this many tags on a resource.
const TAGS_ALLOWED: usize = 50;

/// Why a next revision cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NextRevisionError {
    /// The route names a container that is not there.
    #[error(
        "task definition {task_definition} has no container `{container}`, it has {found}: correct \
         `container` in the repository's route"
    )]
    NoSuchContainer {
        task_definition: String,
        /// What was looked for.
        container: String,
        /// The names that are there.
        found: String,
    },
    /// There is no room for the tags that name the deployment.
    #[error(
        "task definition {task_definition} would carry {count} tags, ECS allows 50: remove some of its own"
    )]
    TooManyTags {
        task_definition: String,
        /// How many it would be.
        count: usize,
    },
    /// ECS gave it an ARN that is none.
    #[error(transparent)]
    Unnamed(#[from] Malformed),
}

impl TaskDefinition {
    pub fn arn(&self) -> &str {
        self.document
            .get("taskDefinitionArn")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// The Longshore deployment that registered it, if one did.
    pub fn deployment_id(&self) -> Option<&str> {
        self.tag(DEPLOYMENT_TAG)
    }

    /// The stack of Longshore's whose template it is of, if it is of one.
    pub fn stack(&self) -> Option<&str> {
        self.tag(STACK_TAG)
    }

    fn tag(&self, key: &str) -> Option<&str> {
        self.tags
            .iter()
            .find(|tag| tag.key == key)
            .map(|tag| tag.value.as_str())
    }

    /// The images of all containers, as they stand there.
    pub fn images(&self) -> BTreeMap<String, String> {
        self.containers()
            .iter()
            .filter_map(|definition| {
                let image = definition.get("image")?.as_str()?;
                Some((name_of(definition).to_owned(), image.to_owned()))
            })
            .collect()
    }

    /// The image of a container, as it stands there.
    ///
    /// # Errors
    /// [`NextRevisionError::NoSuchContainer`].
    pub fn image_of(&self, container: &str) -> Result<&str, NextRevisionError> {
        self.containers()
            .iter()
            .find(|definition| name_of(definition) == container)
            .and_then(|definition| definition.get("image"))
            .and_then(Value::as_str)
            .ok_or_else(|| self.no_such_container(container))
    }

    /// The body of the RegisterTaskDefinition call for the next revision: the same in all but the images of
    /// the containers that `images` names, and with tags that name the deployment and the first image.
    ///
    /// Tags whose key begins with `aws:` are AWS's own and cannot be set by anybody else.
    ///
    /// # Errors
    /// [`NextRevisionError`].
    pub fn next_revision(
        &self,
        images: &[(&str, &Image)],
        deployment_id: &str,
    ) -> Result<Value, NextRevisionError> {
        let location = arn::location(self.arn())?;
        let mut document = self.document.clone();
        if let Some(fields) = document.as_object_mut() {
            fields.retain(|name, _| !OUTPUT_ONLY.contains(&name.as_str()));
        }
        for (container, image) in images {
            let current = self.image_of(container)?;
            let uri = image_uri(current, &image.repository, &image.digest, &location);
            let definition = document
                .get_mut("containerDefinitions")
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
                .find(|definition| name_of(definition) == *container);
            if let Some(definition) = definition {
                definition["image"] = Value::String(uri);
            }
        }
        let image = images.first().map(|(_, image)| *image);
        document["tags"] = json!(self.next_tags(image, deployment_id)?);
        Ok(document)
    }

    /// The next revision for a deployment: see [`Self::next_revision`]. A container that it deploys an image
    /// for besides may be gone by now.
    pub(crate) fn next_revision_of(
        &self,
        deployment: &Deployment,
    ) -> Result<Value, NextRevisionError> {
        let images: Vec<_> = deployment
            .images()
            .filter(|(container, _)| {
                !deployment.also.contains_key(*container) || self.image_of(container).is_ok()
            })
            .collect();
        self.next_revision(&images, &deployment.id)
    }

    fn next_tags(
        &self,
        image: Option<&Image>,
        deployment_id: &str,
    ) -> Result<Vec<Tag>, NextRevisionError> {
        let tag = |key: &str, value: &str| Tag {
            key: key.to_owned(),
            value: value.to_owned(),
        };
        let mut tags: Vec<Tag> = self
            .tags
            .iter()
            .filter(|tag| !tag.key.starts_with("aws:") && !tag.key.starts_with("longshore:"))
            .cloned()
            .collect();
        tags.push(tag(DEPLOYMENT_TAG, deployment_id));
        if let Some(image) = image {
            tags.push(tag("longshore:repository", &image.repository));
            tags.push(tag("longshore:digest", image.digest.as_str()));
            if let Some(name) = &image.tag {
                tags.push(tag("longshore:tag", name));
            }
        }
        if tags.len() > TAGS_ALLOWED {
            return Err(NextRevisionError::TooManyTags {
                task_definition: self.arn().to_owned(),
                count: tags.len(),
            });
        }
        Ok(tags)
    }

    fn containers(&self) -> &[Value] {
        self.document
            .get("containerDefinitions")
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }

    fn no_such_container(&self, container: &str) -> NextRevisionError {
        let found: Vec<String> = self
            .containers()
            .iter()
            .map(|definition| format!("`{}`", name_of(definition)))
            .collect();
        NextRevisionError::NoSuchContainer {
            task_definition: self.arn().to_owned(),
            container: container.to_owned(),
            found: found.join(", "),
        }
    }
}

/// Whether `current`, an image as a task definition names it, is pinned to `image`.
pub fn is_pinned_to(current: &str, image: &Image) -> bool {
    ImageName::of(current).digest == Some(image.digest.as_str())
        && is_of_repository(current, &image.repository)
}

/// The image of a private ECR repository that `current`, an image as a task definition names it, is
/// pinned to; `None` for an image of another registry and for one that only a tag names.
pub fn pinned_image(current: &str) -> Option<Image> {
    let name = ImageName::of(current);
    name.ecr()?;
    Some(Image {
        repository: name.repository.to_owned(),
        tag: name.tag.map(str::to_owned),
        digest: name.digest?.parse().ok()?,
    })
}

/// The repository and the tag of `current`, an image as a task definition names it. The repository of a
/// registry that is not ECR keeps the registry's name.
pub fn named_image(current: &str) -> (String, Option<String>) {
    let name = ImageName::of(current);
    let repository = match (name.registry, name.ecr()) {
        (Some(registry), None) => format!("{registry}/{}", name.repository),
        _ => name.repository.to_owned(),
    };
    (repository, name.tag.map(str::to_owned))
}

/// The image's full name. The registry is kept where the container already ran an image of the same
/// ECR repository, which may be another account's and any of the registry's hosts; else it is the account's
/// own registry in this region.
fn image_uri(current: &str, repository: &str, digest: &Digest, location: &Location) -> String {
    let registry = match ImageName::of(current).registry {
        Some(registry) if is_of_repository(current, repository) => registry.to_owned(),
        _ => ecr_host(&location.partition, &location.account, &location.region),
    };
    format!("{registry}/{repository}@{digest}")
}

/// Whether `name` is `<registry>/<repository>` in a private ECR registry. The same name in another registry
/// is another image.
pub(crate) fn is_of_repository(name: &str, repository: &str) -> bool {
    let name = ImageName::of(name);
    name.ecr().is_some() && name.repository == repository
}

fn name_of(definition: &Value) -> &str {
    definition
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default()
}
