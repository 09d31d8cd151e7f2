//! EFS file systems, and what containers see of them.

use std::collections::BTreeMap;

use super::checked::Checked;
use super::findings::Findings;
use super::forms::{is_arn, is_id, is_open};
use super::network::check_subnets;
use crate::path::Path;
use crate::spec::{
    AccessPoint, Container, DataDeletion, FileSystem, MountPoint, PerformanceMode, Stack,
    ThroughputMode,
};

/// EFS's limit, which AWS raises on request up to this.
pub(super) const MOST_THROUGHPUT: f64 = 3414.0;

pub(super) fn check(stack: &Stack, findings: &mut Findings) {
    for (name, file_system) in &stack.file_systems {
        let path = Path::default().key("file_systems").key(name);
        check_file_system(&path, file_system, findings);
        let is_mounted = stack.services.values().any(|service| {
            let mut mounts = service
                .containers("")
                .flat_map(|container| container.mount_points);
            mounts.any(|mount| mount.file_system.as_deref() == Some(name.as_str()))
        });
        if !is_mounted {
            findings.warning(
                &path,
                name,
                "no service mounts this file system; name it in a service's `mount_points`",
            );
        }
    }
}

/// A file system that exists: what it is, somebody else says.
fn check_existing(path: &Path, id: &str, file_system: &FileSystem, findings: &mut Findings) {
    if !is_id(id, "fs-") {
        findings.error(
            path.key("file_system_id"),
            id,
            "this is not an id of a file system, expected one such as fs-0a1b2c3d4e5f67890",
        );
    }
    let said = [
        (
            "performance_mode",
            file_system.performance_mode != PerformanceMode::default(),
        ),
        (
            "throughput_mode",
            file_system.throughput_mode != ThroughputMode::default(),
        ),
        (
            "provisioned_throughput_in_mibps",
            file_system.provisioned_throughput_in_mibps.is_some(),
        ),
        ("kms_key_id", file_system.kms_key_id.is_some()),
        ("backup", !file_system.backup),
        ("subnet_ids", file_system.subnet_ids.is_some()),
        ("deletion", file_system.deletion != DataDeletion::default()),
    ];
    for (field, _) in said.into_iter().filter(|(_, is_said)| *is_said) {
        findings.error_without_value(
            path.key(field),
            "the file system exists, so its settings are not this stack's; leave this or `file_system_id` out",
        );
    }
}

fn check_file_system(path: &Path, file_system: &FileSystem, findings: &mut Findings) {
    if let Some(id) = &file_system.file_system_id {
        check_existing(path, id, file_system, findings);
    }
    let throughput = file_system.provisioned_throughput_in_mibps;
    let path_of_throughput = path.key("provisioned_throughput_in_mibps");
    match (file_system.throughput_mode, throughput) {
        (ThroughputMode::Provisioned, None) => findings.error(
            path.key("throughput_mode"),
            "provisioned",
            "how much throughput is not said; add `provisioned_throughput_in_mibps`",
        ),
        (ThroughputMode::Bursting | ThroughputMode::Elastic, Some(mebibytes)) => findings.error(
            path_of_throughput,
            mebibytes,
            "throughput is given but not used; add `throughput_mode: provisioned`, or leave it out",
        ),
        _ => {}
    }
    if file_system.performance_mode == PerformanceMode::MaxIo
        && file_system.throughput_mode == ThroughputMode::Elastic
    {
        findings.error(
            path.key("performance_mode"),
            "maxIO",
            "EFS has no elastic throughput in this mode, expected generalPurpose",
        );
    }
    if let Some(key) = &file_system.kms_key_id {
        let is_id = key.len() == 36
            && key
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        let is_key = is_id || key.starts_with("mrk-") || is_arn(key, "kms", "") || is_open(key);
        if !is_key && !key.starts_with("alias/") {
            findings.error(
                path.key("kms_key_id"),
                key,
                "this is not a KMS key, expected its id, its ARN or alias/<name>",
            );
        }
    }
    if let Some(subnets) = &file_system.subnet_ids {
        check_subnets(&path.key("subnet_ids"), subnets, findings);
    }
    for (name, access_point) in &file_system.access_points {
        check_access_point(&path.key("access_points").key(name), access_point, findings);
    }
}

/// Whether a directory can be an access point's: the Amazon EFS API Reference, RootDirectory.
fn is_directory(path: &str) -> bool {
    let Some(directories) = path.strip_prefix('/') else {
        return false;
    };
    let is_name = |name: &str| {
        !name.is_empty()
            && !name.starts_with('.')
            && !name.contains(|character: char| {
                character.is_control() || "$#<>;`|&?{}^*".contains(character)
            })
    };
    path.len() <= 100
        && (directories.is_empty()
            || directories.split('/').count() <= 4 && directories.split('/').all(is_name))
}

fn check_access_point(path: &Path, access_point: &AccessPoint, findings: &mut Findings) {
    let directory = &access_point.root_directory;
    let path_of_directory = path.key("root_directory");
    if !is_directory(&directory.path) {
        findings.error(
            path_of_directory.key("path"),
            &directory.path,
            "EFS does not allow this path, expected one that begins with / and does not end with it, of at most \
             four directories and 100 characters, without a dot at the beginning of a directory and without `$#<>;`|&?{}^*`",
        );
    }
    let permissions = &directory.permissions;
    let is_octal = permissions
        .bytes()
        .all(|byte| (b'0'..=b'7').contains(&byte));
    if !is_octal || !(3..=4).contains(&permissions.len()) {
        findings.error(
            path_of_directory.key("permissions"),
            permissions,
            "these are not permissions, expected three or four digits from 0 to 7, such as \"750\"",
        );
    }
    let groups = access_point.posix_user.secondary_gids.len();
    if groups > 16 {
        findings.error(
            path.key("posix_user").key("secondary_gids"),
            groups,
            "these are too many groups for EFS, expected at most 16",
        );
    }
}

pub(super) fn check_mounts(service: &Checked<'_>, findings: &mut Findings) {
    for (path, container) in service.containers() {
        let path = path.key("mount_points");
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, mount) in container.mount_points.iter().enumerate() {
            let path = path.index(index);
            check_mount(service, &path, &container, mount, findings);
            let container_path = mount.container_path.trim_end_matches('/');
            if let Some(first) = seen.insert(container_path, index) {
                findings.error(
                    path.key("container_path"),
                    &mount.container_path,
                    format!(
                        "mount_points[{first}] is at this path already, expected paths that differ"
                    ),
                );
            }
        }
    }
    check_temporary_storage(service, findings);
}

fn check_mount(
    service: &Checked<'_>,
    path: &Path,
    container: &Container<'_>,
    mount: &MountPoint,
    findings: &mut Findings,
) {
    let container_path = &mount.container_path;
    let is_path = container_path.starts_with('/')
        && container_path.trim_end_matches('/').len() > 1
        && !container_path.contains([':', '\0'])
        && !container_path.split('/').any(|part| part == "..");
    if !is_path {
        findings.error(
            path.key("container_path"),
            container_path,
            "nothing can be mounted there, expected an absolute path below /, such as /data",
        );
    }
    let Some(name) = &mount.file_system else {
        if let Some(access_point) = &mount.access_point {
            findings.error(
                path.key("access_point"),
                access_point,
                "an access point belongs to a file system; add `file_system`",
            );
        }
        return;
    };
    let Some(file_system) = service.stack.file_systems.get(name) else {
        findings.error(
            path.key("file_system"),
            name,
            format!(
                "the stack has no file system `{name}`; {}",
                findings.advice(
                    name,
                    service.stack.file_systems.keys().map(String::as_str),
                    "add it to `file_systems`"
                )
            ),
        );
        return;
    };
    if let Some(access_point) = &mount.access_point {
        if !file_system.access_points.contains_key(access_point) {
            findings.error(
                path.key("access_point"),
                access_point,
                format!(
                    "file system `{name}` has no access point `{access_point}`; {}",
                    findings.advice(
                        access_point,
                        file_system.access_points.keys().map(String::as_str),
                        "add it to its `access_points`"
                    )
                ),
            );
        }
    } else if !mount.read_only && container.is_not_root() {
        findings.warning(
            path,
            container_path,
            format!(
                "the root of a new file system is root's, so user {} cannot write there; name an \
                 `access_point` whose `posix_user` may",
                container.user.unwrap_or_default()
            ),
        );
    }
}

/// Where the container is set to write its temporary files must be writable.
fn check_temporary_storage(service: &Checked<'_>, findings: &mut Findings) {
    const VARIABLE: &str = "TEMP_STORAGE_PATH";
    let spec = service.spec;
    let own = spec.containers(service.name).next();
    let Some(directory) = spec.environment.get(VARIABLE) else {
        return;
    };
    let directory = directory.as_str();
    if is_open(directory) {
        return;
    }
    let path = service.at("environment").key(VARIABLE);
    let is_in = |mount: &&MountPoint| {
        let mounted = mount.container_path.trim_end_matches('/');
        directory
            .strip_prefix(mounted)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let mount = spec
        .mount_points
        .iter()
        .filter(is_in)
        .max_by_key(|mount| mount.container_path.trim_end_matches('/').len());
    match mount {
        None if spec.readonly_root_filesystem => findings.error(
            path,
            directory,
            "the root file system is read-only and nothing is mounted there, so nothing can be written; \
             add it, or a directory above it, to `mount_points`",
        ),
        Some(mount) if mount.read_only => findings.error(
            path,
            directory,
            format!(
                "{} is mounted read-only, so nothing can be written there; leave `read_only` of the mount \
                 out",
                mount.container_path
            ),
        ),
        Some(mount) if mount.file_system.is_none() && own.is_some_and(|own| own.is_not_root()) => findings.warning(
            path,
            directory,
            format!(
                "the scratch space at {} is root's, so user {} can write there only if the image has that \
                 directory as a volume of this user; use a file system's `access_point` otherwise",
                mount.container_path,
                spec.user.as_deref().unwrap_or_default()
            ),
        ),
        _ => {}
    }
}
