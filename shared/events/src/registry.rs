//! Full names of images, and the hosts of Amazon ECR's private registries in them.

use crate::partition::{PARTITIONS, Partition};

/// An image's name, taken apart as Docker does it:
/// `<registry>/<repository>:<tag>@<digest>`, each part but the repository optional.
///
/// The parts are not checked. A registry is distinguished from a repository by a dot or a port, or is this computer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageName<'a> {
    /// The registry's host; `None` where the name does not begin with one.
    pub registry: Option<&'a str>,
    /// The repository's name in its registry.
    pub repository: &'a str,
    pub tag: Option<&'a str>,
    /// The digest, `sha256:` and so on.
    pub digest: Option<&'a str>,
}

impl<'a> ImageName<'a> {
    /// Takes a name apart.
    pub fn of(text: &'a str) -> Self {
        let (name, digest) = split(text, '@');
        let (registry, path) = match name.split_once('/') {
            Some((first, path)) if first.contains(['.', ':']) || first == "localhost" => {
                (Some(first), path)
            }
            _ => (None, name),
        };
        let (repository, tag) = match path.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
            _ => (path, None),
        };
        Self {
            registry,
            repository,
            tag,
            digest,
        }
    }

    /// The private registry of ECR that the name begins with, if it begins with one.
    pub fn ecr(&self) -> Option<EcrRegistry<'a>> {
        EcrRegistry::of(self.registry?)
    }
}

fn split(text: &str, separator: char) -> (&str, Option<&str>) {
    match text.split_once(separator) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

/// A private registry of Amazon ECR, as the host of an image's name says it.
///
/// The account may be `${AWS::AccountId}` and the region `${AWS::Region}`, which CloudFormation fills in.
/// `public.ecr.aws` is not a private registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EcrRegistry<'a> {
    /// The account's twelve digits.
    pub account: &'a str,
    /// The region, such as `eu-west-1`.
    pub region: &'a str,
    /// Which of the registry's hosts it is.
    pub endpoint: EcrEndpoint,
}

/// The hosts of one registry: the Amazon ECR User Guide, "Making requests to Amazon ECR registries", and the
/// AWS General Reference, "Amazon ECR endpoints and quotas".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EcrEndpoint {
    /// `<account>.dkr.ecr.<region>.amazonaws.com`: IPv4 only.
    Standard,
    /// `<account>.dkr.ecr-fips.<region>.amazonaws.com`.
    Fips,
    /// `<account>.dkr-ecr.<region>.on.aws`: IPv4 and IPv6.
    DualStack,
    /// `<account>.dkr-ecr-fips.<region>.on.aws`.
    DualStackFips,
}

/// CloudFormation's word for a partition's domain.
const OPEN_DOMAIN: &str = "${AWS::URLSuffix}";

impl<'a> EcrRegistry<'a> {
    /// The registry that `host` leads to; `None` for a host that is not ECR's.
    pub fn of(host: &'a str) -> Option<Self> {
        let (account, rest) = host.split_once('.')?;
        let (service, rest) = match rest.strip_prefix("dkr.") {
            Some(rest) => rest.split_once('.')?,
            None => rest.strip_prefix("dkr-")?.split_once('.')?,
        };
        let is_dual_stack = host[account.len()..].starts_with(".dkr-");
        let endpoint = match (service, is_dual_stack) {
            ("ecr", false) => EcrEndpoint::Standard,
            ("ecr-fips", false) => EcrEndpoint::Fips,
            ("ecr", true) => EcrEndpoint::DualStack,
            ("ecr-fips", true) => EcrEndpoint::DualStackFips,
            _ => return None,
        };
        let (region, domain) = rest.split_once('.')?;
        let is_domain = PARTITIONS.iter().any(|partition| match is_dual_stack {
            true => domain.strip_prefix("on.") == Some(partition.dual_stack_domain),
            false => domain == partition.domain,
        }) || (domain == OPEN_DOMAIN && !is_dual_stack);
        let is_account = account == "${AWS::AccountId}"
            || account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        let is_region = region == "${AWS::Region}"
            || !region.is_empty()
                && region
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        (is_domain && is_account && is_region).then_some(Self {
            account,
            region,
            endpoint,
        })
    }
}

/// The standard host of an account's registry. `partition` is that of the account's ARNs.
pub fn ecr_host(partition: &str, account: &str, region: &str) -> String {
    let domain = Partition::named(partition).domain;
    format!("{account}.dkr.ecr.{region}.{domain}")
}
