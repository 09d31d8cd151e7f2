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

    def modify(self, work, efs, identifier, old, new):
        if changed(old, new, "ThroughputMode", "ProvisionedThroughputInMibps"):
            efs.update_file_system(
                FileSystemId=identifier,
                ThroughputMode=new.get("ThroughputMode", "bursting"),
                **chosen(new, "ProvisionedThroughputInMibps"),
            )
            self.await_ready(work, identifier)

    def put(self, work, efs, identifier, old, new):
        if changed(old, new, "BackupPolicy"):
            policy = new.get("BackupPolicy") or {"Status": "DISABLED"}
            efs.put_backup_policy(FileSystemId=identifier, BackupPolicy=policy)
        if changed(old, new, "LifecyclePolicies"):
            policies = new.get("LifecyclePolicies") or []
            efs.put_lifecycle_configuration(FileSystemId=identifier, LifecyclePolicies=policies)
        if changed(old, new, "FileSystemPolicy"):
            if new.get("FileSystemPolicy"):
                options = {"BypassPolicyLockoutSafetyCheck": True} if new.get("BypassPolicyLockoutSafetyCheck") else {}
                policy = document(new["FileSystemPolicy"])
                efs.put_file_system_policy(FileSystemId=identifier, Policy=policy, **options)
            else:
                ignoring_missing(efs.delete_file_system_policy, FileSystemId=identifier)
        if changed(old, new, "FileSystemProtection") and new.get("FileSystemProtection"):
            efs.update_file_system_protection(FileSystemId=identifier, **new["FileSystemProtection"])

    def read(self, work, physical_id, properties):
        given = super().read(work, physical_id, properties)
        if given is None:
            return None
        efs = work.client("efs")
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

    def modify(self, work, efs, identifier, old, new):
        if changed(old, new, "SecurityGroups"):
            efs.modify_mount_target_security_groups(MountTargetId=identifier, SecurityGroups=new["SecurityGroups"])

    def delete(self, work, physical_id, properties):
        super().delete(work, physical_id, properties)
        work.wait("mount target is not deleted", lambda: self.described(work, physical_id) is None)

    def read(self, work, physical_id, properties):
        given = super().read(work, physical_id, properties)
        if given is None:
            return None
        groups = work.client("efs").describe_mount_target_security_groups(MountTargetId=physical_id)
        return {**given, **chosen(groups, "SecurityGroups")}


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
