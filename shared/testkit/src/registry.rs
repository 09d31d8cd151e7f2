use chrono::{DateTime, Utc};
use longshore_events::image::{Digest, Image, ImageReference, Selector};
use longshore_events::incoming::Push;
use longshore_policy::image_policy::RegistryImage;
use longshore_policy::route::CpuArchitecture;
use longshore_rollout::ports::{ImageContents, ImageRegistry};
use longshore_state::{CallError, ErrorClass};

use crate::account::Registry;
use crate::builders::{noon, push};
use crate::fake_cloud::FakeCloud;
use crate::faults::error;

impl Registry {
    fn push(&mut self, repository: &str, tag: &str, digest: Digest, at: DateTime<Utc>) {
        self.pushed_at
            .entry((repository.to_owned(), digest.to_string()))
            .or_insert(at);
        self.tags
            .insert((repository.to_owned(), tag.to_owned()), digest);
    }

    fn images(&self, repository: &str) -> Vec<RegistryImage> {
        self.tags
            .iter()
            .filter(|((of, _), _)| of == repository)
            .map(|((_, tag), digest)| RegistryImage {
                tag: tag.clone(),
                digest: digest.clone(),
                pushed_at: self
                    .pushed_at
                    .get(&(repository.to_owned(), digest.to_string()))
                    .copied()
                    .unwrap_or_else(|| noon(0)),
                tagged_at: None,
            })
            .collect()
    }
}

impl FakeCloud {
    /// Adds an image to ECR that was pushed an hour before noon.
    pub fn add_image(&self, repository: &str, tag: &str, digest: Digest) {
        self.push_to(repository, tag, digest, noon(-3600));
    }

    /// Pushes an image, or moves a tag onto one that is there already.
    pub fn push_to(&self, repository: &str, tag: &str, digest: Digest, at: DateTime<Utc>) {
        self.inner
            .borrow_mut()
            .registry
            .push(repository, tag, digest, at);
    }

    /// Pushes an image to `shop/api`, or moves a tag onto one that is there already, and gives the event
    /// that reports it.
    pub fn push(&self, tag: &str, digest: Digest, at: DateTime<Utc>) -> Push {
        self.push_to("shop/api", tag, digest.clone(), at);
        push(tag, digest, at)
    }

    /// Deletes an image with all of its tags.
    pub fn delete_image(&self, repository: &str, digest: &Digest) {
        let mut account = self.inner.borrow_mut();
        let registry = &mut account.registry;
        registry
            .tags
            .retain(|(of, _), held| of != repository || held != digest);
        registry
            .pushed_at
            .remove(&(repository.to_owned(), digest.to_string()));
    }

    /// Sets what an image says of itself: it was built for both architectures and names no commit, unless a
    /// test says otherwise.
    pub fn set_contents(&self, digest: &Digest, contents: ImageContents) {
        self.inner
            .borrow_mut()
            .registry
            .contents
            .insert(digest.to_string(), contents);
    }
}

impl ImageRegistry for FakeCloud {
    async fn tagged(
        &self,
        repository: &str,
        tag: &str,
    ) -> Result<Option<RegistryImage>, CallError> {
        self.give_way().await;
        self.call("DescribeImages", |account| {
            let images = account.registry.images(repository);
            Ok(images.into_iter().find(|image| image.tag == tag))
        })
    }

    async fn images(&self, repository: &str) -> Result<Vec<RegistryImage>, CallError> {
        self.give_way().await;
        self.call("DescribeImages", |account| {
            Ok(account.registry.images(repository))
        })
    }

    async fn missing(
        &self,
        repository: &str,
        digests: &[Digest],
    ) -> Result<Vec<Digest>, CallError> {
        self.give_way().await;
        self.call("DescribeImages", |account| {
            let is_there = |digest: &Digest| {
                let key = (repository.to_owned(), digest.to_string());
                account.registry.pushed_at.contains_key(&key)
            };
            Ok(digests
                .iter()
                .filter(|digest| !is_there(digest))
                .cloned()
                .collect())
        })
    }

    async fn inspect(&self, image: &Image) -> Result<ImageContents, CallError> {
        self.give_way().await;
        self.call("BatchGetImage", |account| {
            let registry = &account.registry;
            let key = (image.repository.clone(), image.digest.to_string());
            if !registry.pushed_at.contains_key(&key) {
                return Err(error("inspect image", ErrorClass::NotFound));
            }
            let contents = registry.contents.get(image.digest.as_str()).cloned();
            Ok(contents.unwrap_or_else(|| ImageContents {
                source_url: None,
                architectures: [CpuArchitecture::X86, CpuArchitecture::Arm].into(),
                commit: None,
            }))
        })
    }

    async fn resolve(&self, reference: &ImageReference) -> Result<Image, CallError> {
        self.give_way().await;
        self.call("DescribeImages", |account| {
            let registry = &account.registry;
            let repository = &reference.repository;
            let (tag, digest) = match &reference.selector {
                Selector::Tag(tag) => {
                    let held = registry.tags.get(&(repository.clone(), tag.clone()));
                    (Some(tag.clone()), held)
                }
                Selector::Digest(digest) => {
                    let key = (repository.clone(), digest.to_string());
                    let is_there = registry.pushed_at.contains_key(&key);
                    (None, Some(digest).filter(|_| is_there))
                }
            };
            let digest = digest.ok_or_else(|| error("find image", ErrorClass::NotFound))?;
            Ok(Image {
                repository: repository.clone(),
                tag,
                digest: digest.clone(),
            })
        })
    }
}
