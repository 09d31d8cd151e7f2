//! Pushing an image to ECR, by the protocol that every registry speaks: the OCI Distribution Specification 1.1,
//! "Pushing a blob monolithically" and "Pushing Manifests".

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use longshore_events::partition::Partition;
use longshore_local::client::{Client, Credentials, JsonService};
use serde_json::json;
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

use crate::image::layout::{Blob, Image};

/// How long one request may take; the layer is some megabytes.
const PATIENCE: Duration = Duration::from_secs(300);

/// Where an image goes in its registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    pub repository: String,
    pub tag: String,
}

impl fmt::Display for Destination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.repository, self.tag)
    }
}

impl FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (repository, tag) = text.rsplit_once(':').unwrap_or((text, "latest"));
        // ECR API Reference, CreateRepository, and the OCI Distribution Specification, "Pulling manifests".
        let is_repository = !repository.is_empty()
            && repository.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-/".contains(&byte)
            })
            && repository.split('/').all(|part| !part.is_empty());
        let is_tag = (1..=128).contains(&tag.len())
            && !tag.starts_with(['.', '-'])
            && tag
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if is_repository && is_tag {
            Ok(Self {
                repository: repository.to_owned(),
                tag: tag.to_owned(),
            })
        } else {
            Err(format!(
                "found `{text}`, expected a repository's name without its registry, and a tag: \
                 homebrew-bottles-sync:latest"
            ))
        }
    }
}

fn agent() -> Agent {
    Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .http_status_as_error(false)
        .build()
        .into()
}

/// The ECR of an account in a region.
pub struct Registry {
    client: Client,
    /// Where all services answer, in place of AWS's own addresses.
    endpoint: Option<String>,
    agent: Agent,
}

impl Registry {
    /// That of the variables which every AWS client reads.
    pub fn of_environment() -> Result<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let required = |name: &str| {
            variable(name).with_context(|| {
                format!(
                    "{name} is not set; for a profile: eval \"$(aws configure export-credentials --format env)\""
                )
            })
        };
        let credentials = Credentials {
            access_key_id: required("AWS_ACCESS_KEY_ID")?,
            secret_access_key: required("AWS_SECRET_ACCESS_KEY")?,
            session_token: variable("AWS_SESSION_TOKEN"),
        };
        let region = variable("AWS_REGION")
            .or_else(|| variable("AWS_DEFAULT_REGION"))
            .context("AWS_REGION is not set")?;
        let endpoint = variable("AWS_ENDPOINT_URL");
        let address = endpoint.clone().unwrap_or_else(|| {
            format!(
                "https://api.ecr.{region}.{}",
                Partition::of_region(&region).domain
            )
        });
        // The local client signs requests of this process, and finds what it encrypts with here. An error says that
        // it is there already.
        drop(rustls::crypto::ring::default_provider().install_default());
        Ok(Self {
            client: Client::new(&address, &region, credentials),
            endpoint,
            agent: agent(),
        })
    }

    /// Whether it is that of a local cloud.
    pub fn is_local(&self) -> bool {
        self.endpoint.as_ref().is_some_and(|endpoint| {
            ["http://127.0.0.1:", "http://localhost:"]
                .iter()
                .any(|beginning| endpoint.starts_with(beginning))
        })
    }

    /// Pushes the images by their digests, then their index by its tag: whoever asks for the tag finds all of it.
    pub fn push(
        &self,
        destination: &Destination,
        images: &[Image],
        index: &Blob,
        mut progress: impl FnMut(&str),
    ) -> Result<()> {
        let access = self.access()?;
        let repository = Repository {
            agent: &self.agent,
            authorization: format!("Basic {}", access.token),
            registry: self.endpoint.clone().unwrap_or(access.registry),
            name: &destination.repository,
        };
        for image in images {
            progress(&format!("pushing the image for {}", image.architecture));
            for blob in [&image.layer, &image.configuration] {
                repository.push_blob(blob)?;
            }
            repository.push_manifest(&image.manifest, &image.manifest.descriptor.digest)?;
        }
        repository.push_manifest(index, &destination.tag)
    }

    fn access(&self) -> Result<Access> {
        let answer = self
            .client
            .json(JsonService::Ecr, "GetAuthorizationToken", &json!({}))?;
        let data = &answer["authorizationData"][0];
        let text = |name: &str| {
            data[name]
                .as_str()
                .map(str::to_owned)
                .with_context(|| format!("ecr:GetAuthorizationToken answered without {name}"))
        };
        Ok(Access {
            token: text("authorizationToken")?,
            registry: text("proxyEndpoint")?,
        })
    }
}

/// What ECR lets its registry be used with.
struct Access {
    token: String,
    registry: String,
}

/// A repository of a registry.
struct Repository<'a> {
    agent: &'a Agent,
    authorization: String,
    registry: String,
    name: &'a str,
}

impl Repository<'_> {
    fn push_blob(&self, blob: &Blob) -> Result<()> {
        let digest = &blob.descriptor.digest;
        let what = format!("push {digest} to repository {}", self.name);
        let there = self
            .agent
            .head(self.address(&format!("blobs/{digest}")))
            .header("authorization", &self.authorization)
            .call()
            .with_context(|| what.clone())?;
        if there.status() == StatusCode::OK {
            return Ok(());
        }
        let begun = self
            .agent
            .post(self.address("blobs/uploads/"))
            .header("authorization", &self.authorization)
            .send_empty()
            .with_context(|| what.clone())?;
        let begun = expect(begun, StatusCode::ACCEPTED, &what)?;
        let location = begun
            .headers()
            .get("location")
            .and_then(|location| location.to_str().ok())
            .with_context(|| format!("{what}: the registry does not say where to"))?;
        let uploaded = self
            .agent
            .put(self.upload(location, digest))
            .header("authorization", &self.authorization)
            .header("content-type", "application/octet-stream")
            .send(&blob.content[..])
            .with_context(|| what.clone())?;
        expect(uploaded, StatusCode::CREATED, &what).map(drop)
    }

    fn push_manifest(&self, manifest: &Blob, reference: &str) -> Result<()> {
        let what = format!("push manifest {reference} to repository {}", self.name);
        let pushed = self
            .agent
            .put(self.address(&format!("manifests/{reference}")))
            .header("authorization", &self.authorization)
            .header("content-type", &manifest.descriptor.media_type)
            .send(&manifest.content[..])
            .with_context(|| what.clone())?;
        expect(pushed, StatusCode::CREATED, &what).map(drop)
    }

    fn address(&self, path: &str) -> String {
        let registry = self.registry.trim_end_matches('/');
        format!("{registry}/v2/{}/{path}", self.name)
    }

    /// Where a begun upload is completed: the registry says it with or without its own address.
    fn upload(&self, location: &str, digest: &str) -> String {
        let registry = self.registry.trim_end_matches('/');
        let address = if location.starts_with('/') {
            format!("{registry}{location}")
        } else {
            location.to_owned()
        };
        let separator = if address.contains('?') { '&' } else { '?' };
        format!("{address}{separator}digest={digest}")
    }
}

fn expect(mut answer: Response<Body>, status: StatusCode, what: &str) -> Result<Response<Body>> {
    if answer.status() == status {
        return Ok(answer);
    }
    let said = answer.body_mut().read_to_string().unwrap_or_default();
    bail!("{what}: answered with {}: {}", answer.status(), said.trim())
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_registry_is_spoken_to_with_tls() {
        drop(rustls::crypto::ring::default_provider().install_default());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("https://{}/v2/", listener.local_addr().unwrap());
        let registry = std::thread::spawn(move || {
            let mut first = [0];
            listener.accept().unwrap().0.read_exact(&mut first).unwrap();
            first[0]
        });
        agent().get(&address).call().unwrap_err();
        // The type of a TLS record that holds a handshake (RFC 8446, 5.1).
        assert_eq!(registry.join().unwrap(), 22);
    }

    #[test]
    fn a_destination_is_a_repository_and_a_tag() {
        for (text, expected) in [
            ("bottles", Some("bottles:latest")),
            ("bottles:v1.2", Some("bottles:v1.2")),
            ("team/bottles:latest", Some("team/bottles:latest")),
            ("", None),
            ("bottles:", None),
            ("Bottles", None),
            ("team//bottles", None),
            (
                "123456789012.dkr.ecr.eu-west-1.amazonaws.com:443/bottles",
                None,
            ),
            ("bottles:.v1", None),
        ] {
            let read = text
                .parse::<Destination>()
                .ok()
                .map(|read| read.to_string());
            assert_eq!(read.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn an_upload_is_completed_where_the_registry_says() {
        let agent = Agent::new_with_defaults();
        let repository = Repository {
            agent: &agent,
            authorization: String::new(),
            registry: "https://registry.example/".to_owned(),
            name: "bottles",
        };
        assert_eq!(
            repository.address("blobs/uploads/"),
            "https://registry.example/v2/bottles/blobs/uploads/"
        );
        for (location, expected) in [
            (
                "/v2/bottles/blobs/uploads/1",
                "https://registry.example/v2/bottles/blobs/uploads/1?digest=sha256:0",
            ),
            (
                "https://uploads.example/1?state=2",
                "https://uploads.example/1?state=2&digest=sha256:0",
            ),
        ] {
            assert_eq!(repository.upload(location, "sha256:0"), expected);
        }
    }
}
