//! An image as files, in the OCI image layout: what `skopeo`, `buildah` and others read as `oci:<directory>`.
//! Shapes: the OCI Image Format Specification 1.1, "Image Layout", "Image Manifest", "Image Configuration", "Image
//! Index".

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::image::layer::{self, Layer};

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIGURATION: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// The user and the group that the program runs as, unless the task definition says others.
const USER: &str = "1000:1000";

/// What one blob is known by: the specification's "content descriptor".
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    pub media_type: String,
    pub digest: String,
    pub size: usize,
}

impl Descriptor {
    fn of(media_type: &str, content: &[u8]) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: digest(content),
            size: content.len(),
        }
    }
}

/// A blob and what it is known by.
pub struct Blob {
    pub descriptor: Descriptor,
    pub content: Vec<u8>,
}

impl Blob {
    fn new(media_type: &str, content: Vec<u8>) -> Self {
        Self {
            descriptor: Descriptor::of(media_type, &content),
            content,
        }
    }
}

/// The image of one architecture.
pub struct Image {
    /// As `GOARCH` names it, which is how images do.
    pub architecture: &'static str,
    pub manifest: Blob,
    pub configuration: Blob,
    pub layer: Blob,
}

/// What an image's manifest says beside the image itself.
pub type Annotations = serde_json::Map<String, Value>;

impl Image {
    /// The image of a program, which answers on `ports`, for `architecture`, `x86_64` or `arm64`.
    pub fn of_program(
        name: &str,
        program: &[u8],
        ports: &[u16],
        architecture: &str,
        annotations: Annotations,
    ) -> Result<Self> {
        let architecture = if architecture == "arm64" {
            "arm64"
        } else {
            "amd64"
        };
        let Layer { compressed, plain } = layer::of_program(name, program)?;
        let mut config = json!({
            "User": USER,
            "Entrypoint": [format!("/{name}")],
            "StopSignal": "SIGTERM",
        });
        for port in ports {
            config["ExposedPorts"][format!("{port}/tcp")] = json!({});
        }
        let configuration = json!({
            "architecture": architecture,
            "os": "linux",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [digest(&plain)]},
        });
        let configuration = Blob::new(CONFIGURATION, configuration.to_string().into_bytes());
        let layer = Blob::new(LAYER, compressed);
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": &configuration.descriptor,
            "layers": [&layer.descriptor],
        });
        if !annotations.is_empty() {
            manifest["annotations"] = Value::Object(annotations);
        }
        Ok(Self {
            architecture,
            manifest: Blob::new(MANIFEST, manifest.to_string().into_bytes()),
            configuration,
            layer,
        })
    }

    /// How an index names it.
    fn entry(&self) -> Result<Value> {
        let mut entry = serde_json::to_value(&self.manifest.descriptor)
            .context("describe the image's manifest")?;
        entry["platform"] = json!({"architecture": self.architecture, "os": "linux"});
        Ok(entry)
    }
}

/// The index that names the images of several architectures.
pub fn index_of(images: &[Image]) -> Result<Blob> {
    let manifests = images
        .iter()
        .map(Image::entry)
        .collect::<Result<Vec<_>>>()?;
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
    Ok(Blob::new(INDEX, index.to_string().into_bytes()))
}

/// Writes the images and their index into `directory`, in which nothing else remains.
pub fn write(directory: &Path, images: &[Image], index: &Blob) -> Result<()> {
    if directory.exists() {
        std::fs::remove_dir_all(directory)
            .with_context(|| format!("remove {}", directory.display()))?;
    }
    let blobs = directory.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).with_context(|| format!("create {}", blobs.display()))?;
    let parts = images
        .iter()
        .flat_map(|image| [&image.layer, &image.configuration, &image.manifest])
        .chain([index]);
    for blob in parts {
        let name = blob.descriptor.digest.trim_start_matches("sha256:");
        write_file(&blobs.join(name), &blob.content)?;
    }
    let mut entry = serde_json::to_value(&index.descriptor).context("describe the index")?;
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": "latest"});
    let layout = json!({"imageLayoutVersion": "1.0.0"});
    let top = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]});
    write_file(&directory.join("oci-layout"), layout.to_string().as_bytes())?;
    write_file(&directory.join("index.json"), top.to_string().as_bytes())
}

fn write_file(path: &PathBuf, content: &[u8]) -> Result<()> {
    std::fs::write(path, content).with_context(|| format!("write {}", path.display()))
}

fn digest(content: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(content)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(architecture: &str) -> Image {
        let annotations = Annotations::new();
        Image::of_program(
            "bottle-sync",
            b"program",
            &[8080],
            architecture,
            annotations,
        )
        .unwrap()
    }

    #[test]
    fn the_configuration_says_how_the_program_runs() {
        let image = image("x86_64");
        let configuration: Value = serde_json::from_slice(&image.configuration.content).unwrap();
        assert_eq!(configuration["architecture"], "amd64");
        assert_eq!(
            configuration["config"],
            json!({
                "User": "1000:1000",
                "ExposedPorts": {"8080/tcp": {}},
                "Entrypoint": ["/bottle-sync"],
                "StopSignal": "SIGTERM",
            })
        );
    }

    #[test]
    fn a_program_that_answers_nobody_exposes_no_port() {
        let annotations = Annotations::new();
        let image = Image::of_program("longshore", b"program", &[], "arm64", annotations).unwrap();
        let configuration: Value = serde_json::from_slice(&image.configuration.content).unwrap();
        assert_eq!(configuration["config"]["Entrypoint"], json!(["/longshore"]));
        assert_eq!(configuration["config"].get("ExposedPorts"), None);
    }

    #[test]
    fn the_manifest_names_its_parts_by_digest_and_size() {
        let image = image("arm64");
        let manifest: Value = serde_json::from_slice(&image.manifest.content).unwrap();
        assert_eq!(
            manifest["config"]["digest"],
            digest(&image.configuration.content)
        );
        assert_eq!(manifest["layers"][0]["size"], image.layer.content.len());
        assert_eq!(manifest.get("annotations"), None);
    }

    #[test]
    fn annotations_change_the_manifest_and_nothing_else() {
        let annotations = Annotations::from_iter([("dev.example".to_owned(), json!("1"))]);
        let annotated =
            Image::of_program("bottle-sync", b"program", &[8080], "arm64", annotations).unwrap();
        let plain = image("arm64");
        assert_eq!(annotated.layer.descriptor, plain.layer.descriptor);
        assert_eq!(
            annotated.configuration.descriptor,
            plain.configuration.descriptor
        );
        assert_ne!(annotated.manifest.descriptor, plain.manifest.descriptor);
    }

    #[test]
    fn a_layout_holds_every_blob_under_its_digest() {
        let directory = std::env::temp_dir().join(format!("layout-{}", std::process::id()));
        let images = [image("x86_64"), image("arm64")];
        let index = index_of(&images).unwrap();
        write(&directory, &images, &index).unwrap();
        let top: Value =
            serde_json::from_slice(&std::fs::read(directory.join("index.json")).unwrap()).unwrap();
        assert_eq!(top["manifests"][0]["digest"], index.descriptor.digest);
        let blobs = std::fs::read_dir(directory.join("blobs/sha256")).unwrap();
        let mut count = 0;
        for blob in blobs {
            let path = blob.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            assert_eq!(
                digest(&std::fs::read(&path).unwrap()),
                format!("sha256:{name}")
            );
            count += 1;
        }
        // Equal programs share their layer.
        assert_eq!(count, 6);
        std::fs::remove_dir_all(directory).unwrap();
    }
}
