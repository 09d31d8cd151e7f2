//! EFS file systems, and the services that mount them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::spec::{AccessPoint, DataDeletion, FileSystem, MountPoint, ThroughputMode};

use super::iam::{Document, Principal, Statement};
use super::named::{NamedService, NamedStack, group_id};
use super::names::{Kind, logical_id};
use super::network::{Egress, Ingress, Rule, SecurityGroup};
use super::template::{Number, Policy, Properties, Tag, Template, Value};

/// The port of NFS.
const NFS: u16 = 2049;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EfsFileSystem {
    backup_policy: BackupPolicy,
    encrypted: bool,
    file_system_policy: Document,
    file_system_tags: Vec<Tag>,
    kms_key_id: Option<Value>,
    performance_mode: &'static str,
    provisioned_throughput_in_mibps: Option<Number>,
    throughput_mode: &'static str,
}

impl Properties for EfsFileSystem {
    const TYPE: &'static str = "AWS::EFS::FileSystem";
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct BackupPolicy {
    status: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MountTarget {
    file_system_id: Value,
    security_groups: [Value; 1],
    subnet_id: Value,
}

impl Properties for MountTarget {
    const TYPE: &'static str = "AWS::EFS::MountTarget";
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EfsAccessPoint {
    access_point_tags: Vec<Tag>,
    file_system_id: Value,
    posix_user: PosixUser,
    root_directory: RootDirectory,
}

impl Properties for EfsAccessPoint {
    const TYPE: &'static str = "AWS::EFS::AccessPoint";
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PosixUser {
    gid: String,
    secondary_gids: Option<Vec<String>>,
    uid: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RootDirectory {
    creation_info: CreationInfo,
    path: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CreationInfo {
    owner_gid: String,
    owner_uid: String,
    permissions: String,
}

pub(super) fn render(named_stack: &NamedStack, template: &mut Template) {
    for (name, file_system) in &named_stack.stack.file_systems {
        if file_system.file_system_id.is_none() {
            add_file_system(named_stack, template, name, file_system);
            add_mount_targets(named_stack, template, name, file_system);
        }
        for (access_point, spec) in &file_system.access_points {
            add_access_point(named_stack, template, name, access_point, spec);
        }
    }
    for named_service in named_stack.members() {
        for name in mounted(named_service) {
            let own = named_stack.stack.file_systems.get(name);
            if own.is_some_and(|own| own.file_system_id.is_none()) {
                open(template, name, named_service);
            }
        }
    }
}

/// The file system refers to nothing else in the template, so that one that stayed when the stack went
/// can be adopted again by itself.
fn add_file_system(
    named_stack: &NamedStack,
    template: &mut Template,
    name: &str,
    spec: &FileSystem,
) {
    let unencrypted = Statement::of_principal("Deny", Principal::Aws("*".into()), ["*"])
        .sid("OnlyEncryptedInTransit")
        .when("Bool", "aws:SecureTransport", ["false".into()]);
    let file_system = EfsFileSystem {
        encrypted: true,
        kms_key_id: spec.kms_key_id.as_deref().map(Value::written),
        performance_mode: spec.performance_mode.as_str(),
        throughput_mode: match spec.throughput_mode {
            ThroughputMode::Bursting => "bursting",
            ThroughputMode::Provisioned => "provisioned",
            ThroughputMode::Elastic => "elastic",
        },
        provisioned_throughput_in_mibps: spec.provisioned_throughput_in_mibps.map(Number),
        backup_policy: BackupPolicy {
            status: if spec.backup { "ENABLED" } else { "DISABLED" },
        },
        // A file system without a policy lets in everybody who reaches it. One with a policy asks for
        // a role; which roles may mount it is said by the roles.
        file_system_policy: Document::of([unencrypted]),
        file_system_tags: named_stack.tags_and([
            ("longshore:stack", named_stack.stack_name.clone()),
            ("longshore:file-system", name.to_owned()),
        ]),
    };
    let resource = template.add(Kind::FileSystem, &[name], &file_system);
    match spec.deletion {
        DataDeletion::Retain => resource.policies(Policy::RetainExceptOnCreate, Policy::Retain),
        // Even then data goes only with the stack, and never because a property changed.
        DataDeletion::Delete => resource.policies(Policy::Delete, Policy::Retain),
    };
}

fn add_mount_targets(
    named_stack: &NamedStack,
    template: &mut Template,
    name: &str,
    spec: &FileSystem,
) {
    let description = format!("Mounts of {name} of {}", named_stack.stack_name);
    let group = SecurityGroup::new(named_stack, description);
    template.add(Kind::MountSecurityGroup, &[name], &group);
    let subnets = spec
        .subnet_ids
        .as_ref()
        .unwrap_or(&named_stack.stack.network.subnet_ids);
    for subnet in subnets {
        let target = MountTarget {
            file_system_id: Value::Ref(Kind::FileSystem.id(&[name])),
            subnet_id: Value::written(subnet),
            security_groups: [group_id(Kind::MountSecurityGroup.id(&[name]))],
        };
        template.add(Kind::MountTarget, &[name, subnet], &target);
    }
}

fn add_access_point(
    named_stack: &NamedStack,
    template: &mut Template,
    file_system: &str,
    name: &str,
    spec: &AccessPoint,
) {
    let user = &spec.posix_user;
    let groups = user.secondary_gids.iter().map(u32::to_string);
    let groups: Vec<String> = groups.collect();
    let access_point = EfsAccessPoint {
        file_system_id: Value::Ref(Kind::FileSystem.id(&[file_system])),
        posix_user: PosixUser {
            uid: user.uid.to_string(),
            gid: user.gid.to_string(),
            secondary_gids: (!groups.is_empty()).then_some(groups),
        },
        root_directory: RootDirectory {
            path: Value::written(&spec.root_directory.path),
            creation_info: CreationInfo {
                owner_uid: user.uid.to_string(),
                owner_gid: user.gid.to_string(),
                permissions: spec.root_directory.permissions.clone(),
            },
        },
        access_point_tags: named_stack.tags_and([("longshore:access-point", name.to_owned())]),
    };
    template.add(Kind::AccessPoint, &[file_system, name], &access_point);
}

/// Lets a service that mounts a file system reach it, and nobody else.
fn open(template: &mut Template, file_system: &str, named_service: NamedService) {
    let mount_group = || group_id(Kind::MountSecurityGroup.id(&[file_system]));
    let ingress = |source: Value| Ingress {
        group_id: mount_group(),
        rule: Rule {
            source_security_group_id: Some(source),
            description: Some(Value::text(format!("Tasks of {}", named_service.name))),
            ..Rule::tcp(NFS)
        },
    };
    for existing in &named_service.spec.security_group_ids {
        let names = [file_system, named_service.name, existing];
        template.add(
            Kind::MountIngress,
            &names,
            &ingress(Value::written(existing)),
        );
    }
    if named_service.has_own_security_group() {
        let own = group_id(Kind::SecurityGroup.id(&[named_service.name]));
        let names = [file_system, named_service.name];
        template.add(Kind::MountIngress, &names, &ingress(own.clone()));
        if !named_service.restricts_egress() {
            return;
        }
        let egress = Egress {
            group_id: own,
            rule: Rule {
                destination_security_group_id: Some(mount_group()),
                description: Some(Value::text(format!("File system {file_system}"))),
                ..Rule::tcp(NFS)
            },
        };
        template.add(Kind::MountEgress, &names, &egress);
    }
}

/// The file systems that a service mounts.
fn mounted(named_service: NamedService<'_>) -> BTreeSet<&str> {
    named_service
        .containers()
        .flat_map(|container| container.mount_points)
        .filter_map(|mount| mount.file_system.as_deref())
        .collect()
}

/// What must be there before the service's first task mounts its file systems.
pub(super) fn dependencies(named_stack: &NamedStack, named_service: NamedService) -> Vec<String> {
    let mut ids = Vec::new();
    for name in mounted(named_service) {
        let Some(file_system) = named_stack.stack.file_systems.get(name) else {
            continue;
        };
        let subnets = file_system.subnet_ids.as_ref();
        let subnets = subnets
            .unwrap_or(&named_stack.stack.network.subnet_ids)
            .iter();
        ids.extend(subnets.map(|subnet| Kind::MountTarget.id(&[name, subnet])));
        let existing = named_service.spec.security_group_ids.iter();
        ids.extend(existing.map(|id| Kind::MountIngress.id(&[name, named_service.name, id])));
        if named_service.has_own_security_group() {
            ids.push(Kind::MountIngress.id(&[name, named_service.name]));
        }
        if named_service.restricts_egress() {
            ids.push(Kind::MountEgress.id(&[name, named_service.name]));
        }
    }
    ids
}

/// What is done with a file system through one entrance.
#[derive(Default)]
struct Use {
    writes: bool,
    as_root: bool,
}

/// What the containers may do with the file systems that they mount, through these access points only.
///
/// EFS treats root as nobody without `ClientRootAccess`, so that it cannot write to the root of a file system,
/// which is root's: the Amazon EFS User Guide, "Using IAM to control access to file systems". The user of an
/// access point takes the place of the container's.
pub(super) fn statements(named_stack: &NamedStack, named_service: NamedService) -> Vec<Statement> {
    let mut uses: BTreeMap<(&str, Option<&str>), Use> = BTreeMap::new();
    for container in named_service.containers() {
        for mount in container.mount_points {
            let Some(name) = mount.file_system.as_deref() else {
                continue;
            };
            let Some(file_system) = named_stack.stack.file_systems.get(name) else {
                continue;
            };
            let access_point = mount.access_point.as_deref();
            let user = access_point.and_then(|access_point| {
                let access_point = file_system.access_points.get(access_point)?;
                Some(access_point.posix_user.uid)
            });
            let used = uses.entry((name, access_point)).or_default();
            used.writes |= !mount.read_only;
            used.as_root |= match (access_point, user) {
                (None, _) => !container.is_not_root(),
                (Some(_), user) => user == Some(0),
            };
        }
    }
    let statements = uses.into_iter().map(|((file_system, access_point), used)| {
        let mut actions = vec!["elasticfilesystem:ClientMount"];
        if used.as_root {
            actions.push("elasticfilesystem:ClientRootAccess");
        }
        if used.writes {
            actions.push("elasticfilesystem:ClientWrite");
        }
        let file_system_arn = Value::GetAtt(Kind::FileSystem.id(&[file_system]), "Arn");
        let statement = Statement::allow_unnamed(actions, [file_system_arn]);
        match access_point {
            Some(access_point) => statement.when(
                "StringEquals",
                "elasticfilesystem:AccessPointArn",
                [Value::GetAtt(
                    Kind::AccessPoint.id(&[file_system, access_point]),
                    "Arn",
                )],
            ),
            None => statement,
        }
    });
    statements.collect()
}

/// The name of the volume that a mount point mounts.
pub(crate) fn volume_name(mount: &MountPoint) -> String {
    match (&mount.file_system, &mount.access_point) {
        (Some(file_system), Some(access_point)) => format!("{file_system}_{access_point}"),
        (Some(file_system), None) => file_system.clone(),
        (None, _) => format!("Scratch{}", logical_id(&mount.container_path)),
    }
}
