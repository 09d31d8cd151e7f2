//! Images and revisions by names that are short enough to be read.

use longshore_events::image::Image;
use longshore_events::registry::ImageName;

/// `shop/api:v3`; of an image that no tag names, its repository.
pub fn image_name(image: &Image) -> String {
    match &image.tag {
        Some(tag) => format!("{}:{tag}", image.repository),
        None => image.repository.clone(),
    }
}

/// The part of a name that people need: of an ARN its last part, of an image no registry and a short digest.
pub fn short_name(name: &str) -> String {
    if name.starts_with("arn:") {
        return name.rsplit('/').next().unwrap_or(name).to_owned();
    }
    let name = match name.split_once('/') {
        // As in container runtimes: only the host of a registry has a dot or a port before the first slash.
        Some((host, rest)) if host.contains(['.', ':']) => rest,
        _ => name,
    };
    match name.split_once("@sha256:") {
        Some((image, digest)) => {
            let digest: String = digest.chars().take(12).collect();
            format!("{image}@{digest}")
        }
        None => name.to_owned(),
    }
}

/// `v2` of an image of `repository`; of another one its name, too. A short digest stands where no tag is known.
pub fn version_name(name: &str, repository: &str) -> String {
    let short = short_name(name);
    let image = match short.split_once('@') {
        // A tag says more than the digest beside it.
        Some((image, _)) if ImageName::of(image).tag.is_some() => image,
        _ => &short,
    };
    let rest = image.strip_prefix(repository);
    rest.and_then(|rest| rest.strip_prefix([':', '@']))
        .unwrap_or(image)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_enough_to_be_read() {
        let digest = "0123456789ab".repeat(6);
        for (name, expected) in [
            (
                "arn:aws:ecs:eu-west-1:123456789012:task-definition/shop-api:41",
                "shop-api:41",
            ),
            (
                "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/api:v2",
                "shop/api:v2",
            ),
            ("localhost:5000/api", "api"),
            ("shop/api:v2", "shop/api:v2"),
            ("nginx", "nginx"),
            ("", ""),
        ] {
            assert_eq!(short_name(name), expected);
        }
        for (name, expected) in [
            (format!("shop/api:v2@sha256:{digest}"), "v2"),
            (
                format!("123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/api@sha256:{digest}"),
                "0123456789ab",
            ),
            (format!("shop/web:v2@sha256:{digest}"), "shop/web:v2"),
            ("shop/api-old:v1".to_owned(), "shop/api-old:v1"),
        ] {
            assert_eq!(version_name(&name, "shop/api"), expected);
        }
        assert_eq!(
            short_name(&format!("registry.example/shop/api:v2@sha256:{digest}")),
            "shop/api:v2@0123456789ab"
        );
    }
}
