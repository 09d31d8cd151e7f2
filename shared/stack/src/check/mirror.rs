//! The mirror in one of the buckets.

use longshore_events::address::{names_loopback, names_machine};

use super::checked::Checked;
use super::findings::Findings;
use super::forms::{is_arn, is_label, is_name};
use super::schedule::check_when;
use super::storage::MOST_THROUGHPUT;

use crate::path::Path;
use crate::spec::{BottleSync, FileSystem, Service, Stack, ThroughputMode};

pub(super) fn check(stack: &Stack, findings: &mut Findings) {
    if let Some(mirror) = &stack.bottle_sync {
        check_mirror(stack, mirror, findings);
    }
}

fn check_mirror(stack: &Stack, mirror: &BottleSync, findings: &mut Findings) {
    let path = Path::default().key("bottle_sync");
    if !stack.buckets.contains_key(&mirror.bucket) {
        let what = findings.advice(
            &mirror.bucket,
            stack.buckets.keys().map(String::as_str),
            "add it to `buckets`",
        );
        findings.error(
            path.key("bucket"),
            &mirror.bucket,
            format!("the stack has no bucket `{}`; {what}", mirror.bucket),
        );
    }
    let service = mirror.service.as_ref().and_then(|name| {
        let service = stack.services.get(name);
        if service.is_none() {
            let what = findings.advice(
                name,
                stack.services.keys().map(String::as_str),
                "add it to `services`",
            );
            findings.error(
                path.key("service"),
                name,
                format!("the stack has no service `{name}`; {what}"),
            );
        }
        service.map(|spec| (name.as_str(), spec))
    });
    if let Some((name, service)) = service {
        check_worker(stack, mirror, name, service, findings);
    }
    check_when(
        &path,
        mirror.schedule_expression.as_ref(),
        &mirror.schedule_expression_timezone,
        findings,
    );
    check_source(&path, mirror, findings);
    check_names(&path, mirror, findings);
    let file_system = service.and_then(|(_, service)| file_system(stack, service));
    check_throughput(&path, mirror, file_system, findings);
}

/// The service whose tasks work for the mirror.
fn check_worker(
    stack: &Stack,
    mirror: &BottleSync,
    name: &str,
    service: &Service,
    findings: &mut Findings,
) {
    let path = Path::default().key("services").key(name);
    let checked = Checked {
        stack,
        name,
        spec: service,
        path: path.clone(),
    };
    if !checked.spec.is_on_fargate() {
        findings.error(
            Path::default().key("bottle_sync").key("service"),
            name,
            "its tasks run on instances, expected a service on FARGATE or FARGATE_SPOT",
        );
    }
    if let Some(role) = &service.task_role_arn
        && is_arn(role, "iam", "role/")
    {
        findings.warning(
            path.key("task_role_arn"),
            role,
            "the stack gives a role that is not its own no right to the mirror; leave it out, or let it read \
             and write the bucket and put events on the bus",
        );
    }
    let environment = path.key("environment");
    let patience = mirror
        .outage_patience_minutes
        .map(|minutes| (u64::from(minutes) * 60).to_string());
    let expected = [
        ("S3_BUCKET_NAME", Some(stack.bucket_name(&mirror.bucket))),
        ("EVENT_BUS_NAME", Some(mirror.event_bus_name.clone())),
        ("OUTAGE_PATIENCE_SECONDS", patience),
    ];
    for (variable, value) in expected {
        if let Some(value) = value
            && let Some(said) = service.environment.get(variable)
            && said.as_str() != value
        {
            findings.error(
                environment.key(variable),
                said.as_str(),
                format!(
                    "tasks of this service work for `bottle_sync`, expected {value}; leave it out, it is \
                     there without being said"
                ),
            );
        }
    }
}

/// Where the bottles come from, and which. `sync` reads these in the template, where CloudFormation fills
/// nothing in.
fn check_source(path: &Path, mirror: &BottleSync, findings: &mut Findings) {
    let url = &mirror.index_url;
    let is_url = match url.split_once("://") {
        Some(("https", rest)) => !rest.starts_with('/') && rest.contains('/'),
        Some(("http", rest)) => rest
            .split_once('/')
            .is_some_and(|(host, _)| mirror.private_hosts.iter().any(|private| private == host)),
        _ => false,
    };
    if !is_url || url.contains(['?', '#', '$', ' ']) {
        findings.error(
            path.key("index_url"),
            url,
            "this is not a URL of an index, expected https://<host>/…/formula.json; http only from one of \
             `private_hosts`, nothing behind the path, and nothing that CloudFormation would fill in",
        );
    }
    for (path, said, host) in hosts(mirror) {
        if names_machine(host) {
            findings.error(
                path,
                said,
                "link-local and metadata addresses are not asked, whatever is listed here: credentials are handed out \
                 there; expected the host of a mirror, such as mirror.internal:443",
            );
        }
    }
    for (index, host) in mirror.private_hosts.iter().enumerate() {
        if names_machine(host) {
            continue;
        }
        let is_host = host.rsplit_once(':').is_some_and(|(name, port)| {
            name.split('.').all(is_label) && port.parse::<u16>().is_ok_and(|port| port > 0)
        });
        if !is_host {
            findings.error(
                path.key("private_hosts").index(index),
                host,
                "this is not a host, expected <host>:<port>, such as mirror.internal:443",
            );
        }
    }
    let is_platform = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    for (index, platform) in mirror.platforms.iter().enumerate() {
        if platform.is_empty() || !platform.bytes().all(is_platform) {
            findings.error(
                path.key("platforms").index(index),
                platform,
                "this is not a tag of a platform, expected one such as arm64_tahoe or x86_64_linux",
            );
        }
    }
    let is_formula = |byte: u8| byte.is_ascii_alphanumeric() || b"@+-_.*?".contains(&byte);
    for (index, formula) in mirror.formulae.iter().enumerate() {
        if formula.is_empty() || !formula.bytes().all(is_formula) {
            findings.error(
                path.key("formulae").index(index),
                formula,
                "this is not a name of a formula, expected letters, digits and @+-_. with * and ? for any",
            );
        } else if formula.bytes().any(|byte| byte.is_ascii_uppercase()) {
            findings.warning(
                path.key("formulae").index(index),
                formula,
                "this matches nothing, because Homebrew writes the names of formulae in lower case",
            );
        }
    }
}

/// Refuses hosts of the machine that runs the sync: in Lambda, the events of others are handed out there.
pub(super) fn check_loopback(stack: &Stack, findings: &mut Findings) {
    for (path, said, host) in stack.bottle_sync.iter().flat_map(hosts) {
        if names_loopback(host) {
            findings.error(
                path,
                said,
                "this is the machine that runs the sync, which is asked on a local cloud only, expected the host of \
                 a mirror, such as mirror.internal:443",
            );
        }
    }
}

/// The hosts that a mirror names, each with where and how it is said.
fn hosts(mirror: &BottleSync) -> impl Iterator<Item = (Path, &str, &str)> {
    let path = Path::default().key("bottle_sync");
    let rest = mirror.index_url.split_once("://").map(|(_, rest)| rest);
    let host = rest.and_then(|rest| rest.split(['/', '?', '#', '\\']).next());
    let of_index = host.map(|host| (path.key("index_url"), mirror.index_url.as_str(), host));
    let listed = mirror.private_hosts.iter().enumerate();
    of_index.into_iter().chain(listed.map(move |(index, host)| {
        (
            path.key("private_hosts").index(index),
            host.as_str(),
            host.as_str(),
        )
    }))
}

/// The names of what is Longshore's and not the stack's.
fn check_names(path: &Path, mirror: &BottleSync, findings: &mut Findings) {
    let function = &mirror.function_name;
    if !is_name(function) || function.len() > 64 {
        findings.error(
            path.key("function_name"),
            function,
            "Lambda does not allow this name, expected letters, digits, hyphens and underscores, at most 64",
        );
    }
    let bus = &mirror.event_bus_name;
    if !is_name(&bus.replace('.', "-")) || bus.len() > 256 {
        findings.error(
            path.key("event_bus_name"),
            bus,
            "EventBridge does not allow this name, expected letters, digits, dots, hyphens and underscores",
        );
    }
}

/// The file system that the service's container finds at `EFS_MOUNT_PATH`.
fn file_system<'a>(stack: &'a Stack, service: &Service) -> Option<&'a FileSystem> {
    let mounts = service.mount_points.iter();
    let mut mounted = mounts.filter_map(|mount| mount.file_system.as_deref());
    let first = mounted.next()?;
    mounted
        .next()
        .is_none()
        .then(|| stack.file_systems.get(first))?
}

fn check_throughput(
    path: &Path,
    mirror: &BottleSync,
    file_system: Option<&FileSystem>,
    findings: &mut Findings,
) {
    let Some(raised) = mirror.raised_throughput_in_mibps else {
        return;
    };
    let path = path.key("raised_throughput_in_mibps");
    let provisioned = file_system
        .filter(|file_system| file_system.throughput_mode == ThroughputMode::Provisioned)
        .and_then(|file_system| file_system.provisioned_throughput_in_mibps);
    match provisioned {
        None => findings.error(
            path,
            raised,
            "there is no throughput to raise, expected a `service` that mounts one file system, with \
             `throughput_mode: provisioned`",
        ),
        Some(provisioned)
            if f64::from(raised) <= provisioned || f64::from(raised) > MOST_THROUGHPUT =>
        {
            findings.error(
                path,
                raised,
                format!(
                    "this raises nothing, or more than EFS has, expected more than the file system's \
                     {provisioned} and at most {MOST_THROUGHPUT} MiB a second"
                ),
            );
        }
        Some(_) => {}
    }
}
