//! Sizes of bottles without downloading them.

use std::collections::BTreeMap;

use longshore_events::transfer::Sha256;
use serde::Deserialize;

/// A bottle's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// The registry gives it.
    Known(u64),
    /// Nobody gives it.
    Estimated(u64),
}

impl Size {
    pub fn bytes(self) -> u64 {
        match self {
            Self::Known(bytes) | Self::Estimated(bytes) => bytes,
        }
    }
}

/// The `Accept` header of a request for an image index.
pub const IMAGE_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The bytes of a bottle that nothing is known of: 10 MB. Homebrew publishes no sizes; this is a guess, and
/// whatever rests on it is reported as estimated.
const USUAL_BYTES: u64 = 10_000_000;

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct ImageIndex {
    manifests: Vec<Manifest>,
}

#[derive(Deserialize)]
#[serde(expecting = "a manifest, which is an object")]
struct Manifest {
    #[serde(default)]
    annotations: BTreeMap<String, serde_json::Value>,
}

/// By bottle, the sizes that an image index gives. An image index without sizes gives none.
///
/// Homebrew annotates each of an image index's manifests with `sh.brew.bottle.digest`, the bottle's
/// SHA-256, and `sh.brew.bottle.size`, its bytes as a text.
///
/// # Errors
/// What is wrong with one that is none.
pub fn of_image_index(body: &[u8]) -> Result<BTreeMap<Sha256, u64>, String> {
    let index: ImageIndex = serde_json::from_slice(body)
        .map_err(|error| format!("it is not an image index: {error}"))?;
    let size_of = |manifest: &Manifest| {
        let text = |name: &str| {
            manifest
                .annotations
                .get(name)
                .and_then(|value| value.as_str())
        };
        let digest = text("sh.brew.bottle.digest")?;
        let size = text("sh.brew.bottle.size")?;
        Some((digest.parse().ok()?, size.parse().ok()?))
    };
    Ok(index.manifests.iter().filter_map(size_of).collect())
}

/// The bottles that the image index of `version` names, by their platform tags: each manifest is annotated
/// with `org.opencontainers.image.ref.name`, `<version>.<tag>[.<rebuild>]`.
///
/// # Errors
/// What is wrong with one that is none, or that names no bottle.
pub fn digests_of_image_index(body: &[u8], version: &str) -> Result<Vec<(String, Sha256)>, String> {
    let index: ImageIndex = serde_json::from_slice(body)
        .map_err(|error| format!("it is not an image index: {error}"))?;
    let named = |manifest: &Manifest| {
        let text = |name: &str| manifest.annotations.get(name)?.as_str();
        let tag = text("org.opencontainers.image.ref.name")?
            .strip_prefix(version)?
            .strip_prefix('.')?
            .split('.')
            .next()?;
        Some((tag.to_owned(), text("sh.brew.bottle.digest")?.parse().ok()?))
    };
    let digests: Vec<(String, Sha256)> = index.manifests.iter().filter_map(named).collect();
    if digests.is_empty() {
        return Err("it names no bottle".to_owned());
    }
    Ok(digests)
}

/// What a bottle has that nothing is known of; `known` are sizes of other bottles of the same formula:
/// their mean, and 10 MB where there are none.
pub fn estimated(known: &[u64]) -> Size {
    let sum: u128 = known.iter().copied().map(u128::from).sum();
    let mean = u128::try_from(known.len())
        .ok()
        .and_then(|count| sum.checked_div(count))
        .and_then(|mean| u64::try_from(mean).ok());
    Size::Estimated(mean.unwrap_or(USUAL_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the registry has it for a formula with two bottles, one without a size.
    const BODY: &str = r#"{
      "schemaVersion": 2,
      "manifests": [
        {
          "mediaType": "application/vnd.oci.image.manifest.v1+json",
          "digest": "sha256:1111111111111111111111111111111111111111111111111111111111111111",
          "size": 2050,
          "platform": {"architecture": "arm64", "os": "darwin", "os.version": "macOS 15"},
          "annotations": {
            "org.opencontainers.image.ref.name": "1.25.0.arm64_sequoia",
            "sh.brew.bottle.cpu.variant": "apple-m1",
            "sh.brew.bottle.digest": "2222222222222222222222222222222222222222222222222222222222222222",
            "sh.brew.bottle.size": "1549024",
            "sh.brew.tab": "{}"
          }
        },
        {
          "digest": "sha256:3333333333333333333333333333333333333333333333333333333333333333",
          "size": 2050,
          "annotations": {
            "org.opencontainers.image.ref.name": "1.25.0.x86_64_linux",
            "sh.brew.bottle.digest": "4444444444444444444444444444444444444444444444444444444444444444"
          }
        },
        {"digest": "sha256:5555555555555555555555555555555555555555555555555555555555555555", "size": 1}
      ],
      "annotations": {"org.opencontainers.image.ref.name": "1.25.0"}
    }"#;

    #[test]
    fn bottles_are_named_by_their_tags() {
        let digest = |digit: &str| digit.repeat(64).parse::<Sha256>().unwrap();
        assert_eq!(
            digests_of_image_index(BODY.as_bytes(), "1.25.0").unwrap(),
            [
                ("arm64_sequoia".to_owned(), digest("2")),
                ("x86_64_linux".to_owned(), digest("4")),
            ]
        );
        assert!(digests_of_image_index(BODY.as_bytes(), "1.25.1").is_err());
        assert!(digests_of_image_index(b"[]", "1.25.0").is_err());
    }

    #[test]
    fn an_image_index_gives_sizes_by_the_bottles_digests() {
        let sizes = of_image_index(BODY.as_bytes()).unwrap();
        assert_eq!(
            sizes,
            BTreeMap::from([("2".repeat(64).parse().unwrap(), 1_549_024)])
        );
        assert!(of_image_index(b"{\"manifests\": []}").unwrap().is_empty());
    }

    #[test]
    fn what_is_not_an_image_index_is_an_error() {
        for body in [
            "",
            "<html>",
            "[]",
            "{}",
            "{\"errors\": [{\"code\": \"UNAUTHORIZED\"}]}",
        ] {
            let error = of_image_index(body.as_bytes()).unwrap_err();
            assert!(
                error.starts_with("it is not an image index: "),
                "{body}: {error}"
            );
        }
    }

    #[test]
    fn an_unknown_size_is_taken_from_the_formulas_other_bottles() {
        assert_eq!(estimated(&[10, 20, 33]), Size::Estimated(21));
        assert_eq!(estimated(&[u64::MAX, u64::MAX]), Size::Estimated(u64::MAX));
        assert_eq!(estimated(&[]), Size::Estimated(USUAL_BYTES));
    }
}
