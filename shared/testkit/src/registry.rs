use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use chrono::{DateTime, Utc};
use longshore_events::image::{Digest, Image, ImageReference, Selector};
use longshore_events::incoming::Push;
use longshore_policy::image_policy::RegistryImage;
use longshore_policy::route::CpuArchitecture;
use longshore_rollout::ports::{ImageContents, ImageRegistry, ListedImages};
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

    fn images(&self, repository: &str) -> impl Iterator<Item = RegistryImage> {
        self.tags
            .iter()
            .filter(move |((of, _), _)| of == repository)
            .map(move |((_, tag), digest)| RegistryImage {
                tag: tag.clone(),
                digest: digest.clone(),
                pushed_at: self
                    .pushed_at
                    .get(&(repository.to_owned(), digest.to_string()))
                    .copied()
                    .unwrap_or_else(|| noon(0)),
                tagged_at: None,
            })
    }
}

impl FakeCloud {
    /// From now on, a call lists at most this many tags of a repository.
    pub fn set_tags_a_call(&self, tags: NonZeroUsize) {
        self.inner.borrow_mut().registry.tags_a_call = Some(tags);
    }

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

    /// The image was built for one architecture, without an index.
    pub fn set_plain(&self, digest: &Digest) {
        let mut account = self.inner.borrow_mut();
        account.registry.plain.insert(digest.to_string());
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
            let mut images = account.registry.images(repository);
            Ok(images.find(|image| image.tag == tag))
        })
    }

    async fn all_tagged(
        &self,
        repository: &str,
        tags: &BTreeSet<String>,
    ) -> Result<Option<Vec<RegistryImage>>, CallError> {
        self.give_way().await;
        self.call("DescribeImages", |account| {
            let images: Vec<RegistryImage> = account
                .registry
                .images(repository)
                .filter(|image| tags.contains(&image.tag))
                .collect();
            Ok(Some(images).filter(|images| images.len() == tags.len()))
        })
    }

    /// Page by page, while others push and delete.
    async fn images(&self, repository: &str) -> Result<ListedImages, CallError> {
        let mut listed = ListedImages::default();
        loop {
            self.give_way().await;
            let last = listed.images.last().map(|image| image.tag.clone());
            let (page, is_last) = self.call("DescribeImages", |account| {
                let registry = &account.registry;
                let most = registry.tags_a_call.map_or(usize::MAX, NonZeroUsize::get);
                let mut rest = registry
                    .images(repository)
                    .filter(|image| Some(&image.tag) > last.as_ref());
                let page: Vec<RegistryImage> = rest.by_ref().take(most).collect();
                Ok((page, rest.next().is_none()))
            })?;
            listed.images.extend(page);
            listed.calls += 1;
            if is_last {
                return Ok(listed);
            }
        }
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
        let contents = self.call("BatchGetImage", |account| {
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
        })?;
        let is_plain = {
            let account = self.inner.borrow();
            account.registry.plain.contains(image.digest.as_str())
        };
        if is_plain {
            for operation in ["GetDownloadUrlForLayer", "GET configuration"] {
                self.give_way().await;
                self.call(operation, |_| Ok(()))?;
            }
        }
        Ok(contents)
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
