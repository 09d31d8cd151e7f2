//! What a stack needs in AWS, and what of it is not there.

use std::collections::{BTreeMap, BTreeSet};

use longshore_events::image::ImageReference;

use super::checked::target_groups;
use super::findings::{Finding, Findings};
use super::image::{Origin, origin};
use super::mirror;
use crate::path::Path;
use crate::render::{LAST_PRIORITY, ends_as_complete_arns_do};
use crate::spec::{Container, DeploymentStrategy, ProtocolVersion, Secret, Service, Stack};

/// What must be looked up in AWS before anything is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Repositories of this account's ECR.
    pub repositories: BTreeSet<String>,
    /// Images of this account's ECR, by the paths of their containers: `services.api`.
    pub images: BTreeMap<String, ImageReference>,
    /// Ids of subnets.
    pub subnets: BTreeSet<String>,
    /// Names and ARNs of secrets of Secrets Manager.
    pub secrets: BTreeSet<String>,
    /// ARNs of listeners to which the stack adds rules.
    pub listeners: BTreeSet<String>,
    /// Names of ECS clusters that the stack does not make.
    pub clusters: BTreeSet<String>,
    /// Ids of EFS file systems that the stack does not make.
    pub file_systems: BTreeSet<String>,
    /// Ids and ARNs of namespaces of Cloud Map that the stack does not make.
    pub namespaces: BTreeSet<String>,
    /// Names of such namespaces.
    pub named_namespaces: BTreeSet<String>,
}

/// What of a stack's needs is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Repositories that this account's ECR does not have.
    pub missing_repositories: BTreeSet<String>,
    /// The paths of containers whose images this account's ECR does not hold.
    pub missing_images: BTreeSet<String>,
    /// By their ids, the subnets that exist.
    pub subnets: BTreeMap<String, Subnet>,
    /// By the names and ARNs that [`Needs::secrets`] has, the complete ARNs of those that Secrets Manager has.
    pub secrets: BTreeMap<String, String>,
    /// By their ARNs, the listeners that exist.
    pub listeners: BTreeMap<String, Listener>,
    /// Clusters that are not there, or not active.
    pub missing_clusters: BTreeSet<String>,
    /// Ids of file systems that are not there.
    pub missing_file_systems: BTreeSet<String>,
    /// Ids, ARNs and names of namespaces that are not there.
    pub missing_namespaces: BTreeSet<String>,
    /// Whether AWS itself answers on loopback, as a local cloud does: a mirror's hosts may be there, too.
    pub is_on_loopback: bool,
}

/// A subnet that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    pub availability_zone: String,
    pub vpc_id: String,
}

/// A listener that exists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listener {
    /// Whether it speaks HTTPS.
    pub is_https: bool,
    /// By their priorities, its rules but the default one: the CloudFormation stack that has each, if one has.
    pub rules: BTreeMap<u32, Option<String>>,
}

/// What must be looked up in AWS before the stack can be sent.
pub fn needs(stack: &Stack) -> Needs {
    let mut needs = Needs::default();
    let target_groups = stack.services.values();
    let target_groups = target_groups.flat_map(Service::all_target_groups);
    let listeners = target_groups.filter_map(|group| group.listener_arn.as_ref());
    let listeners = listeners.filter(|arn| !arn.contains("${"));
    needs.listeners.extend(listeners.cloned());
    let cluster = existing_cluster(stack);
    needs.clusters.extend(cluster.map(str::to_owned));
    let file_systems = existing_file_systems(stack).map(|(_, id)| id.to_owned());
    needs.file_systems.extend(file_systems);
    for (_, namespace) in existing_namespaces(stack) {
        let namespaces = match namespace {
            Namespace::Identified(_) => &mut needs.namespaces,
            Namespace::Named(_) => &mut needs.named_namespaces,
        };
        namespaces.insert(namespace.as_str().to_owned());
    }
    for (name, service) in &stack.services {
        for (path, container) in containers(name, service) {
            if let Ok(Origin::Own(image)) = origin(container.image) {
                needs.repositories.insert(image.repository.clone());
                needs.images.insert(path.to_string(), image);
            }
            let secrets = container.secrets.values().filter_map(looked_up);
            needs.secrets.extend(secrets.map(str::to_owned));
            needs
                .secrets
                .extend(credentials(&container).map(str::to_owned));
        }
    }
    for (_, subnets) in subnet_lists(stack) {
        let known = subnets.iter().filter(|subnet| !subnet.contains("${"));
        needs.subnets.extend(known.cloned());
    }
    needs
}

/// Checks the stack against what is there in AWS.
pub fn check_surroundings(stack: &Stack, surroundings: &Surroundings) -> Vec<Finding> {
    let mut findings = Findings::default();
    let all = stack.services.iter();
    for (path, container) in all.flat_map(|(name, service)| containers(name, service)) {
        if let Ok(Origin::Own(image)) = origin(container.image) {
            let is_missing = surroundings.missing_images.contains(&path.to_string());
            check_image(
                &image,
                is_missing,
                &path.key("image"),
                surroundings,
                &mut findings,
            );
        }
        let missing = credentials(&container);
        let missing = missing.filter(|secret| !surroundings.secrets.contains_key(*secret));
        if let Some(secret) = missing {
            findings.error(
                path.key("repository_credentials").key("credentials_parameter"),
                secret,
                "there is no such secret in Secrets Manager of this account and region; create it, or correct its name",
            );
        }
        for (variable, secret) in container.secrets {
            let missing =
                looked_up(secret).filter(|secret| !surroundings.secrets.contains_key(*secret));
            if let Some(secret) = missing {
                findings.error(
                    path.key("secrets").key(variable).key("value_from"),
                    secret,
                    format!(
                        "there is no secret `{secret}` in Secrets Manager of this account and region: \
                         create it, or correct {path}.secrets.{variable}.value_from"
                    ),
                );
            }
        }
    }
    check_subnets(stack, surroundings, &mut findings);
    check_listeners(stack, surroundings, &mut findings);
    check_existing(stack, surroundings, &mut findings);
    if !surroundings.is_on_loopback {
        mirror::check_loopback(stack, &mut findings);
    }
    findings.all
}

/// The cluster that the stack names and does not make.
fn existing_cluster(stack: &Stack) -> Option<&str> {
    let existing = stack.cluster.existing.as_deref();
    existing.filter(|name| !name.contains("${"))
}

/// By their names in the stack file, the ids of the file systems that the stack does not make.
fn existing_file_systems(stack: &Stack) -> impl Iterator<Item = (&str, &str)> {
    let all = stack.file_systems.iter();
    let existing =
        all.filter_map(|(name, one)| Some((name.as_str(), one.file_system_id.as_deref()?)));
    existing.filter(|(_, id)| !id.contains("${"))
}

/// A namespace of Cloud Map, as a stack file names it.
#[derive(Clone, Copy)]
enum Namespace<'a> {
    /// By its id or its ARN.
    Identified(&'a str),
    Named(&'a str),
}

impl<'a> Namespace<'a> {
    fn as_str(self) -> &'a str {
        match self {
            Self::Identified(id) => id,
            Self::Named(name) => name,
        }
    }
}

/// The namespaces that the stack names and does not make, each with its path.
fn existing_namespaces(stack: &Stack) -> impl Iterator<Item = (Path, Namespace<'_>)> {
    let discovery = stack.service_discovery.as_ref();
    let own = discovery.map(|discovery| discovery.namespace.as_str());
    let of_discovery = discovery.and_then(|discovery| {
        let path = Path::default().key("service_discovery").key("namespace_id");
        Some((
            path,
            Namespace::Identified(discovery.namespace_id.as_deref()?),
        ))
    });
    let services = stack.services.iter();
    let of_services = services.filter_map(move |(name, service)| {
        let namespace = service.service_connect.as_ref()?.namespace.as_deref()?;
        let path = Path::default().key("services").key(name);
        let namespace = if namespace.starts_with("arn:") {
            Namespace::Identified(namespace)
        } else {
            // The stack's own comes with the stack.
            Namespace::Named(Some(namespace).filter(|name| Some(*name) != own)?)
        };
        Some((path.key("service_connect").key("namespace"), namespace))
    });
    let all = of_discovery.into_iter().chain(of_services);
    all.filter(|(_, namespace)| !namespace.as_str().contains("${"))
}

/// Checks whether the cluster, the file systems and the namespaces are there that other stacks make.
fn check_existing(stack: &Stack, surroundings: &Surroundings, findings: &mut Findings) {
    let cluster = existing_cluster(stack);
    if let Some(cluster) = cluster.filter(|name| surroundings.missing_clusters.contains(*name)) {
        findings.error(
            Path::default().key("cluster").key("existing"),
            cluster,
            "there is no such cluster in this account and region; correct its name, apply the stack that makes it \
             first, or give `cluster_name` for one of this stack's own",
        );
    }
    for (name, id) in existing_file_systems(stack) {
        if surroundings.missing_file_systems.contains(id) {
            findings.error(
                Path::default()
                    .key("file_systems")
                    .key(name)
                    .key("file_system_id"),
                id,
                "there is no such EFS file system in this account and region; correct its id, or leave it out for \
                 one of this stack's own",
            );
        }
    }
    for (path, namespace) in existing_namespaces(stack) {
        if surroundings.missing_namespaces.contains(namespace.as_str()) {
            let what = match namespace {
                Namespace::Identified(_) => "id",
                Namespace::Named(_) => "name",
            };
            findings.error(
                path,
                namespace.as_str(),
                format!(
                    "there is no such namespace of Cloud Map in this account and region; correct its {what}, apply the \
                     stack that makes it first, or leave it out for one of this stack's own"
                ),
            );
        }
    }
}

/// The secret with which a container's image is pulled, as Secrets Manager is asked for it.
fn credentials<'a>(container: &Container<'a>) -> Option<&'a str> {
    let credentials = container.details.repository_credentials?;
    let name = credentials.credentials_parameter.as_str();
    (!name.contains("${")).then_some(name)
}

/// Warns of what a template can only be right about when AWS was asked, and refuses what no AWS account takes.
///
/// Secrets Manager takes an ARN that ends in a hyphen and six characters for a complete one (the AWS Secrets
/// Manager API Reference, CreateSecret, `Name`), so none may be made of such a name.
pub fn check_without_surroundings(stack: &Stack) -> Vec<Finding> {
    let mut findings = Findings::default();
    let all = stack.services.iter();
    for (path, container) in all.flat_map(|(name, service)| containers(name, service)) {
        for (variable, secret) in container.secrets {
            let Some(name) = &secret.value_from else {
                continue;
            };
            let is_name = !name.starts_with("arn:") && secret.parameter_name().is_none();
            if is_name && ends_as_complete_arns_do(name) {
                findings.warning(
                    path.key("secrets").key(variable).key("value_from"),
                    name,
                    "the name ends in a hyphen and six characters, as complete ARNs do, so ECS takes the ARN \
                     that a template makes of it for a complete one and does not find the secret; `plan` and \
                     `apply` ask Secrets Manager for the complete ARN, `render` cannot: name the secret by its \
                     complete ARN, or end its name otherwise",
                );
            }
        }
    }
    mirror::check_loopback(stack, &mut findings);
    findings.all
}

/// Lets services wait for their first image: those of `may_wait` whose image is not there yet though its repository is.
/// In `stack` each then has no task and does not scale, and says how many tasks it gets with the image; `surroundings`
/// misses its image no longer, and a warning says what to do.
///
/// A daemon service runs as many tasks as there are instances, and what moves requests between two sets of tasks has
/// none to move them from: these cannot wait.
pub fn wait_for_images(
    stack: &mut Stack,
    surroundings: &mut Surroundings,
    may_wait: impl Fn(&str) -> bool,
) -> Vec<Finding> {
    let mut findings = Findings::default();
    for (name, service) in &mut stack.services {
        if !may_wait(name)
            || service.is_daemon()
            || service.deployment_configuration.strategy != DeploymentStrategy::Rolling
        {
            continue;
        }
        let Ok(Origin::Own(image)) = origin(&service.image) else {
            continue;
        };
        if surroundings
            .missing_repositories
            .contains(&image.repository)
        {
            continue;
        }
        let missing: Vec<(String, bool)> = containers(name, service)
            .map(|(path, container)| (path.to_string(), container.image == service.image))
            .filter(|(path, _)| surroundings.missing_images.contains(path))
            .collect();
        // Without the image of a sidecar, the first image of the service would start nothing either.
        if missing.is_empty() || missing.iter().any(|(_, is_own)| !is_own) {
            continue;
        }
        for (path, _) in &missing {
            surroundings.missing_images.remove(path);
        }
        let path = Path::default().key("services").key(name).key("image");
        findings.warning(
            &path,
            &image,
            format!(
                "ECR repository {} does not hold image {image} yet, so the service waits without tasks: push it, and \
                 Longshore starts them if the service's image_policy takes that tag",
                image.repository
            ),
        );
        service.rollout.first_tasks = Some(service.first_tasks());
        service.desired_count = Some(0);
        service.scaling = None;
    }
    findings.all
}

/// The containers of a service, with their paths.
fn containers<'a>(
    name: &'a str,
    service: &'a Service,
) -> impl Iterator<Item = (Path, Container<'a>)> {
    let path = Path::default().key("services").key(name);
    service.containers(name).map(move |container| {
        let path = match container.sidecar {
            Some(sidecar) => path.key("sidecars").key(sidecar),
            None => path.clone(),
        };
        (path, container)
    })
}

fn check_image(
    image: &ImageReference,
    is_missing: bool,
    path: &Path,
    surroundings: &Surroundings,
    findings: &mut Findings,
) {
    let repository = &image.repository;
    if surroundings.missing_repositories.contains(repository) {
        findings.error(
            path,
            image,
            format!(
                "no ECR repository {repository} in this account and region: create it, or correct {path}"
            ),
        );
    } else if is_missing {
        findings.error(
            path,
            image,
            format!(
                "ECR repository {repository} does not hold image {image}: push it first, or correct {path}; \
                 ECS would try for hours to start tasks without it"
            ),
        );
    }
}

fn check_subnets(stack: &Stack, surroundings: &Surroundings, findings: &mut Findings) {
    let vpc = &stack.network.vpc_id;
    for (path, subnets) in subnet_lists(stack) {
        let is_of_load_balancer = path.to_string().starts_with("load_balancer");
        let mut zones: BTreeMap<&str, &str> = BTreeMap::new();
        let mut same_zone = Vec::new();
        let mut all_known = true;
        for (index, id) in subnets.iter().enumerate() {
            let item = path.index(index);
            if id.contains("${") {
                all_known = false;
                continue;
            }
            let Some(subnet) = surroundings.subnets.get(id) else {
                all_known = false;
                findings.error(
                    &item,
                    id,
                    format!("there is no subnet {id} in this account and region; correct {item}"),
                );
                continue;
            };
            if subnet.vpc_id != *vpc && !vpc.contains("${") {
                findings.error(
                    &item,
                    id,
                    format!(
                        "subnet {id} is in {}, expected one of the stack's VPC {vpc}",
                        subnet.vpc_id
                    ),
                );
            }
            let other = zones.insert(&subnet.availability_zone, id);
            if let Some(other) = other.filter(|other| is_of_load_balancer && *other != id) {
                same_zone.push((item, id, other, &subnet.availability_zone));
            }
        }
        if is_of_load_balancer && all_known && zones.len() == 1 {
            let zone = zones.keys().copied().collect::<String>();
            findings.error(
                &path,
                subnets.join(", "),
                format!(
                    "all subnets are in {zone}, expected subnets in at least two availability zones for \
                     a load balancer"
                ),
            );
            continue;
        }
        for (item, id, other, zone) in same_zone {
            findings.error(
                item,
                id,
                format!(
                    "subnets {other} and {id} are both in {zone}, but a load balancer takes one subnet a zone; \
                     keep one of them"
                ),
            );
        }
    }
    for (name, file_system) in &stack.file_systems {
        let path = Path::default().key("file_systems").key(name);
        let own = file_system.subnet_ids.as_ref();
        let mut zones: BTreeMap<&str, &str> = BTreeMap::new();
        for id in own.unwrap_or(&stack.network.subnet_ids) {
            let Some(subnet) = surroundings.subnets.get(id) else {
                continue;
            };
            let zone = subnet.availability_zone.as_str();
            let other = zones.insert(zone, id);
            if let Some(other) = other.filter(|other| *other != id) {
                findings.error(
                    path.key("subnet_ids"),
                    id,
                    format!(
                        "subnets {other} and {id} are both in {zone}, but a file system has one mount \
                         target a zone; name one subnet of each zone in {path}.subnet_ids"
                    ),
                );
            }
        }
    }
}

/// Checks the rules on listeners that exist: that nobody else has their priorities, and that the listeners speak what
/// the services need.
fn check_listeners(stack: &Stack, surroundings: &Surroundings, findings: &mut Findings) {
    let own = stack.stack_name();
    let services = stack.services.iter();
    let target_groups = services.flat_map(|(name, service)| {
        let path = Path::default().key("services").key(name);
        target_groups(&path, service)
    });
    for (path, group) in target_groups {
        let Some(arn) = group
            .listener_arn
            .as_ref()
            .filter(|arn| !arn.contains("${"))
        else {
            continue;
        };
        let Some(listener) = surroundings.listeners.get(arn) else {
            findings.error(
                path.key("listener_arn"),
                arn,
                "there is no such listener in this account and region; correct its ARN",
            );
            continue;
        };
        let taken = group.priority.and_then(|priority| {
            let owner = listener.rules.get(&priority)?;
            (owner.as_deref() != Some(own.as_str())).then_some((priority, owner))
        });
        if let Some((priority, owner)) = taken {
            let owner = match owner {
                Some(stack) => format!("a rule of stack `{stack}`"),
                None => "a rule that no stack made".to_owned(),
            };
            let free = (1..=LAST_PRIORITY).find(|free| !listener.rules.contains_key(free));
            let advice = free.map_or_else(String::new, |free| {
                format!("; the first one that is free is {free}")
            });
            findings.error(
                path.key("priority"),
                priority,
                format!("{owner} has this priority on the listener already{advice}"),
            );
        }
        let of_https = [
            (
                "protocol_version",
                matches!(
                    group.protocol_version,
                    Some(ProtocolVersion::Http2 | ProtocolVersion::Grpc)
                ),
            ),
            ("authenticate", group.authenticate.is_some()),
        ];
        for (field, is_said) in of_https {
            if is_said && !listener.is_https {
                findings.error_without_value(
                    path.key(field),
                    "Elastic Load Balancing takes this on a listener of HTTPS only, and this one is not; name \
                     another listener, or leave it out",
                );
            }
        }
    }
}

/// A secret as Secrets Manager is asked for it; none for what is not a secret of its, and for what only
/// CloudFormation can name.
fn looked_up(secret: &Secret) -> Option<&str> {
    let name = secret.value_from.as_deref()?;
    let is_parameter = secret.parameter_name().is_some()
        || (name.starts_with("arn:") && !name.contains(":secretsmanager:"));
    (!is_parameter && !name.contains("${")).then_some(name)
}

/// All lists of subnets.
fn subnet_lists(stack: &Stack) -> Vec<(Path, &[String])> {
    let root = Path::default();
    let network = root.key("network").key("subnet_ids");
    let mut lists = vec![(network, stack.network.subnet_ids.as_slice())];
    if let Some(load_balancer) = &stack.load_balancer {
        let path = root.key("load_balancer").key("subnet_ids");
        lists.push((path, load_balancer.subnet_ids.as_slice()));
    }
    let own = (stack.capacity.iter())
        .map(|(name, capacity)| ("capacity", name, &capacity.subnet_ids))
        .chain((stack.services.iter()).map(|(name, one)| ("services", name, &one.subnet_ids)))
        .chain(
            (stack.file_systems.iter()).map(|(name, one)| ("file_systems", name, &one.subnet_ids)),
        );
    for (kind, name, subnets) in own {
        if let Some(subnets) = subnets {
            lists.push((
                root.key(kind).key(name).key("subnet_ids"),
                subnets.as_slice(),
            ));
        }
    }
    lists
}
