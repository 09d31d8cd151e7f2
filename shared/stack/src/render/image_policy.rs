//! Which images are deployed, in the words of a route.

use longshore_policy::image_policy;

use crate::spec::ImagePolicy;

/// A policy in the words of a route.
pub fn policy(spec: &ImagePolicy) -> image_policy::ImagePolicy {
    let chooses = spec.tags.is_some() || spec.tag_pattern.is_some() || spec.semver.is_some();
    let every = || vec!["*".to_owned()];
    image_policy::ImagePolicy {
        tags: match &spec.tags {
            Some(tags) => tags.clone(),
            None if chooses => Vec::new(),
            None => every(),
        },
        tag_pattern: spec.tag_pattern.clone(),
        semver: spec.semver.clone(),
        pre_releases: spec.pre_releases,
        order: spec.order,
        moved_tags: spec.moved_tags,
        minimum_age_minutes: spec.minimum_age_minutes,
    }
}
