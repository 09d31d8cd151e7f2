"""Amazon EFS: file systems, mount targets, access points."""

import json

from provisioning.resource import ResourceType, changed, chosen, document, exists, ignoring_missing, register


class _Storage(ResourceType):
    service, service_name = "efs", "Efs"
    tagged_by = "ResourceId"

    def await_ready(self, work, identifier):
        what = self.name.rsplit(":", 1)[-1]
        work.wait(
            f"{what} {identifier} is not available",
            lambda: self.described(work, identifier)["LifeCycleState"] == "available",
        )


@register
class FileSystem(_Storage):
    name = "AWS::EFS::FileSystem"
    tags = "FileSystemTags"
    creates = ("create_file_system", "FileSystemId")
    token = "CreationToken"
    taken = reads = (
        "AvailabilityZoneName", "Encrypted", "KmsKeyId", "PerformanceMode", "ProvisionedThroughputInMibps",
        "ThroughputMode",
    )
    deletes, id_member = "delete_file_system", "FileSystemId"
    describes = ("describe_file_systems", "FileSystemId", "FileSystems")
    shown = {"FileSystemId": "{id}", "Arn": "arn:aws:elasticfilesystem:{region}:{account}:file-system/{id}"}

    modifies = (("update_file_system", "ThroughputMode", "ProvisionedThroughputInMibps"),)
    puts = (("put_backup_policy", "BackupPolicy"), ("put_lifecycle_configuration", "LifecyclePolicies"))
    absent = {"ThroughputMode": "bursting", "BackupPolicy": {"Status": "DISABLED"}, "LifecyclePolicies": []}

    def put(self, work, efs, identifier, old, new):
        super().put(work, efs, identifier, old, new)
        if changed(old, new, "FileSystemPolicy"):
            if new.get("FileSystemPolicy"):
                efs.put_file_system_policy(FileSystemId=identifier, Policy=document(new["FileSystemPolicy"]))
            else:
                ignoring_missing(efs.delete_file_system_policy, FileSystemId=identifier)

    def as_written(self, work, physical_id, found, properties):
        given, efs = super().as_written(work, physical_id, found, properties), work.client("efs")
        lifecycle = exists(efs.describe_lifecycle_configuration, FileSystemId=physical_id) or {}
        given["LifecyclePolicies"] = lifecycle.get("LifecyclePolicies", [])
        backup = exists(efs.describe_backup_policy, FileSystemId=physical_id) or {}
        if backup.get("BackupPolicy"):
            status = backup["BackupPolicy"]["Status"]
            given["BackupPolicy"] = {"Status": {"ENABLING": "ENABLED", "DISABLING": "DISABLED"}.get(status, status)}
        policy = exists(efs.describe_file_system_policy, FileSystemId=physical_id)
        given["FileSystemPolicy"] = json.loads(policy["Policy"]) if policy else None
        return given


@register
class MountTarget(_Storage):
    name = "AWS::EFS::MountTarget"
    tags = None
    creates = ("create_mount_target", "MountTargetId")
    deletes, id_member = "delete_mount_target", "MountTargetId"
    describes = ("describe_mount_targets", "MountTargetId", "MountTargets")
    reads = ("FileSystemId", "SubnetId", "IpAddress")
    shown, gives = {"Id": "{id}"}, {"IpAddress": "IpAddress"}
    modifies = (("modify_mount_target_security_groups", "SecurityGroups"),)

    def delete(self, work, physical_id, properties):
        super().delete(work, physical_id, properties)
        work.wait("mount target is not deleted", lambda: self.described(work, physical_id) is None)

    def as_written(self, work, physical_id, found, properties):
        groups = work.client("efs").describe_mount_target_security_groups(MountTargetId=physical_id)
        return {**super().as_written(work, physical_id, found, properties), **chosen(groups, "SecurityGroups")}


@register
class AccessPoint(_Storage):
    name = "AWS::EFS::AccessPoint"
    tags = "AccessPointTags"
    creates = ("create_access_point", "AccessPointId")
    token = "ClientToken"
    taken = ("ClientToken", "FileSystemId", "PosixUser", "RootDirectory")
    deletes, id_member = "delete_access_point", "AccessPointId"
    describes = ("describe_access_points", "AccessPointId", "AccessPoints")
    reads = ("FileSystemId", "PosixUser", "RootDirectory")
    shown = {"AccessPointId": "{id}", "Arn": "arn:aws:elasticfilesystem:{region}:{account}:access-point/{id}"}

    def request(self, work, properties):
        request = super().request(work, properties)
        if "PosixUser" in request:
            request["PosixUser"] = {
                name: [int(one) for one in value] if isinstance(value, list) else int(value)
                for name, value in request["PosixUser"].items()
            }
        creation = (request.get("RootDirectory") or {}).get("CreationInfo")
        if creation:
            owners = {name: int(creation[name]) for name in ("OwnerUid", "OwnerGid") if name in creation}
            request["RootDirectory"] = {**request["RootDirectory"], "CreationInfo": {**creation, **owners}}
        return request
