//! Which images are deployed.

use std::collections::BTreeMap;

use longshore_events::image::Selector;

use super::checked::Checked;
use super::findings::Findings;
use super::image::{Origin, origin};
use crate::path::Path;
use crate::render::policy;
use crate::spec::{Container, ImagePolicy};

pub(super) fn check(service: &Checked<'_>, findings: &mut Findings) {
    let spec = service.spec;
    check_policy(&service.at("image_policy"), &spec.image_policy, findings);
    if spec.image_policy != ImagePolicy::default() {
        check_registry(
            &service.at("image_policy"),
            &spec.image,
            &spec.image_policy,
            findings,
        );
    }
    // By repository, who follows it: its image and its policy.
    let mut followed: BTreeMap<String, (String, &str, &ImagePolicy)> = BTreeMap::new();
    for (path, container) in service.containers() {
        let own = container
            .sidecar
            .and_then(|name| spec.sidecars.get(name)?.image_policy.as_ref());
        let policy = match (container.sidecar, own) {
            (None, _) => &spec.image_policy,
            (Some(_), Some(policy)) => policy,
            (Some(_), None) => continue,
        };
        let at = path.key("image_policy");
        if container.sidecar.is_some() {
            check_policy(&at, policy, findings);
            check_registry(&at, container.image, policy, findings);
            if container.image == spec.image {
                findings.error_without_value(
                    at,
                    "it has the very image of the service and is replaced together with it; leave this out",
                );
                continue;
            }
        }
        check_repository(&at, &container, policy, &mut followed, findings);
        check_version(&path.key("image"), &container, policy, findings);
    }
}

/// The image of the first deployment is named as its successors are, or none of them is deployed.
fn check_version(
    path: &Path,
    container: &Container<'_>,
    spec: &ImagePolicy,
    findings: &mut Findings,
) {
    let Ok(Origin::Own(reference)) = origin(container.image) else {
        return;
    };
    let (Selector::Tag(tag), Ok(compiled)) = (&reference.selector, policy(spec).compile()) else {
        return;
    };
    // A tag without a number is not meant as a version, nor as a build.
    let has_number = tag.contains(|character: char| character.is_ascii_digit());
    // An empty list allows nothing, which is its meaning, and one exact tag is moved onto whatever runs next.
    let names_no_series = !spec.follows() || compiled.exact_tag().is_some();
    if compiled.allows(tag) || !has_number || names_no_series {
        return;
    }
    let message = match (&spec.semver, &spec.tag_pattern) {
        (None, _) => format!(
            "`image_policy` does not allow tag `{tag}`, so pushes that are named like this are never deployed"
        ),
        (Some(range), pattern) => {
            let such_as = match pattern {
                None => "such as 1.0.0 or v1.0.0",
                Some(_) => "such as 1.0.0, and is all that the group of `tag_pattern` holds",
            };
            format!(
                "tag `{tag}` is not a version that `semver: \"{range}\"` allows, so pushes that are named like \
                 this are never deployed; a version has three numbers, {such_as}"
            )
        }
    };
    findings.warning(path, container.image, message);
}

fn check_policy(path: &Path, spec: &ImagePolicy, findings: &mut Findings) {
    let before = findings.all.len();
    if spec.tags.is_some() {
        for (field, is_said) in [
            ("semver", spec.semver.is_some()),
            ("tag_pattern", spec.tag_pattern.is_some()),
        ] {
            if is_said {
                findings.error_without_value(
                    path.key(field),
                    "`tags` say already which images are deployed; keep one of the two",
                );
            }
        }
    }
    for (index, tag) in spec.tags.iter().flatten().enumerate() {
        let is_tag = (1..=128).contains(&tag.len())
            && tag
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_.-*?".contains(&byte));
        if !is_tag {
            findings.error(
                path.key("tags").index(index),
                tag,
                "no tag can be like this, expected letters, digits and `_.-`, with `*` for any of them \
                 and `?` for one",
            );
        }
    }
    if findings.all.len() > before {
        return;
    }
    if let Err(invalid) = policy(spec).compile() {
        findings.error_without_value(path.key(invalid.field), invalid.reason);
    }
}

fn check_registry(path: &Path, image: &str, policy: &ImagePolicy, findings: &mut Findings) {
    if matches!(origin(image), Ok(Origin::Elsewhere)) && policy.follows() {
        findings.warning_without_value(
            path,
            "pushes to other registries are not heard of, so no image is followed; the image must be in \
             this account's ECR, named without its registry",
        );
    }
}

/// A service follows a repository once: what is pushed there is one image.
fn check_repository<'a>(
    path: &Path,
    container: &Container<'a>,
    policy: &'a ImagePolicy,
    followed: &mut BTreeMap<String, (String, &'a str, &'a ImagePolicy)>,
    findings: &mut Findings,
) {
    let Ok(Origin::Own(reference)) = origin(container.image) else {
        return;
    };
    if !policy.follows() {
        return;
    }
    let repository = reference.repository;
    match followed.get(&repository) {
        None => {
            let name = container.name.to_owned();
            followed.insert(repository, (name, container.image, policy));
        }
        Some((_, image, same)) if *image == container.image && *same == policy => {}
        Some((other, ..)) => findings.error_without_value(
            path,
            format!(
                "container `{other}` follows repository {repository} already, with another image or \
                 another policy; let both be the same, leave this out, or use another repository"
            ),
        ),
    }
}
