"""Amazon EFS: file systems, mount targets, access points."""

import json

from provisioning.resource import (
    ResourceType,
    changed,
    chosen,
    document,
    exists,
    ignoring_missing,
    register,
    tag_changes,
    tag_list,
)


class _Storage(ResourceType):
    service_name = "Efs"


def _retag(efs, identifier, old, new):
    added, removed = tag_changes(old, new)
    if added:
        efs.tag_resource(ResourceId=identifier, Tags=tag_list(added))
    if removed:
        efs.untag_resource(ResourceId=identifier, TagKeys=removed)


@register
class FileSystem(_Storage):
    name = "AWS::EFS::FileSystem"
    tags = "FileSystemTags"

    def create(self, work, properties):
        efs = work.client("efs")
        request = chosen(
            properties,
            "AvailabilityZoneName",
            "Encrypted",
            "KmsKeyId",
            "PerformanceMode",
            "ProvisionedThroughputInMibps",
            "ThroughputMode",
        )
        if properties.get("FileSystemTags"):
            request["Tags"] = tag_list(properties["FileSystemTags"])
        answer = efs.create_file_system(CreationToken=work.token, **request)
        identifier = work.made(answer["FileSystemId"])
        self._available(work, identifier)
        self._put(efs, identifier, {}, properties)
        return identifier

    def _available(self, work, identifier):
        work.wait(
            "file system is not available",
            lambda: self._described(work, identifier)["LifeCycleState"] == "available",
        )

    def _described(self, work, identifier):
        found = exists(work.client("efs").describe_file_systems, FileSystemId=identifier)
        return found["FileSystems"][0] if found and found["FileSystems"] else None

    def _put(self, efs, identifier, old, new):
        if changed(old, new, "BackupPolicy"):
            efs.put_backup_policy(
                FileSystemId=identifier, BackupPolicy=new.get("BackupPolicy") or {"Status": "DISABLED"}
            )
        if changed(old, new, "LifecyclePolicies"):
            efs.put_lifecycle_configuration(
                FileSystemId=identifier, LifecyclePolicies=new.get("LifecyclePolicies") or []
            )
        if changed(old, new, "FileSystemPolicy"):
            if new.get("FileSystemPolicy"):
                options = {}
                if new.get("BypassPolicyLockoutSafetyCheck"):
                    options["BypassPolicyLockoutSafetyCheck"] = True
                efs.put_file_system_policy(
                    FileSystemId=identifier, Policy=document(new["FileSystemPolicy"]), **options
                )
            else:
                ignoring_missing(efs.delete_file_system_policy, FileSystemId=identifier)
        if changed(old, new, "FileSystemProtection") and new.get("FileSystemProtection"):
            efs.update_file_system_protection(FileSystemId=identifier, **new["FileSystemProtection"])

    def update(self, work, physical_id, old, new):
        efs = work.client("efs")
        if changed(old, new, "ThroughputMode", "ProvisionedThroughputInMibps"):
            efs.update_file_system(
                FileSystemId=physical_id,
                ThroughputMode=new.get("ThroughputMode", "bursting"),
                **chosen(new, "ProvisionedThroughputInMibps"),
            )
            self._available(work, physical_id)
        self._put(efs, physical_id, old, new)
        _retag(efs, physical_id, old.get("FileSystemTags"), new.get("FileSystemTags"))

    def delete(self, work, physical_id, properties):
        ignoring_missing(work.client("efs").delete_file_system, FileSystemId=physical_id)

    def attributes(self, work, physical_id, properties):
        return {
            "FileSystemId": physical_id,
            "Arn": f"arn:aws:elasticfilesystem:{work.region}:{work.account}:file-system/{physical_id}",
        }

    def read(self, work, physical_id, properties):
        found = self._described(work, physical_id)
        if found is None:
            return None
        efs = work.client("efs")
        given = {
            "FileSystemTags": found.get("Tags", []),
            **chosen(
                found,
                "AvailabilityZoneName",
                "Encrypted",
                "KmsKeyId",
                "PerformanceMode",
                "ProvisionedThroughputInMibps",
                "ThroughputMode",
            ),
        }
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

    def create(self, work, properties):
        answer = work.client("efs").create_mount_target(**properties)
        identifier = work.made(answer["MountTargetId"])
        work.wait(
            "mount target is not available",
            lambda: self._described(work, identifier)["LifeCycleState"] == "available",
        )
        return identifier

    def _described(self, work, identifier):
        found = exists(work.client("efs").describe_mount_targets, MountTargetId=identifier)
        return found["MountTargets"][0] if found and found["MountTargets"] else None

    def update(self, work, physical_id, old, new):
        if changed(old, new, "SecurityGroups"):
            work.client("efs").modify_mount_target_security_groups(
                MountTargetId=physical_id, SecurityGroups=new["SecurityGroups"]
            )

    def delete(self, work, physical_id, properties):
        ignoring_missing(work.client("efs").delete_mount_target, MountTargetId=physical_id)
        work.wait("mount target is not deleted", lambda: self._described(work, physical_id) is None)

    def attributes(self, work, physical_id, properties):
        found = self._described(work, physical_id) or {}
        return {"Id": physical_id, "IpAddress": found.get("IpAddress", "")}

    def read(self, work, physical_id, properties):
        found = self._described(work, physical_id)
        if found is None:
            return None
        groups = work.client("efs").describe_mount_target_security_groups(MountTargetId=physical_id)
        return {**chosen(found, "FileSystemId", "SubnetId", "IpAddress"), **chosen(groups, "SecurityGroups")}


@register
class AccessPoint(_Storage):
    name = "AWS::EFS::AccessPoint"
    tags = "AccessPointTags"

    def create(self, work, properties):
        request = chosen(properties, "FileSystemId", "PosixUser", "RootDirectory")
        for user in [request["PosixUser"]] if "PosixUser" in request else []:
            request["PosixUser"] = {
                name: [int(one) for one in value] if isinstance(value, list) else int(value)
                for name, value in user.items()
            }
        creation = (request.get("RootDirectory") or {}).get("CreationInfo")
        if creation:
            owners = {name: int(creation[name]) for name in ("OwnerUid", "OwnerGid") if name in creation}
            request["RootDirectory"] = {**request["RootDirectory"], "CreationInfo": {**creation, **owners}}
        if properties.get("AccessPointTags"):
            request["Tags"] = tag_list(properties["AccessPointTags"])
        token = properties.get("ClientToken") or work.token
        answer = work.client("efs").create_access_point(ClientToken=token, **request)
        identifier = work.made(answer["AccessPointId"])
        work.wait(
            "access point is not available",
            lambda: self._described(work, identifier)["LifeCycleState"] == "available",
        )
        return identifier

    def _described(self, work, identifier):
        found = exists(work.client("efs").describe_access_points, AccessPointId=identifier)
        return found["AccessPoints"][0] if found and found["AccessPoints"] else None

    def update(self, work, physical_id, old, new):
        _retag(work.client("efs"), physical_id, old.get("AccessPointTags"), new.get("AccessPointTags"))

    def delete(self, work, physical_id, properties):
        ignoring_missing(work.client("efs").delete_access_point, AccessPointId=physical_id)

    def attributes(self, work, physical_id, properties):
        return {
            "AccessPointId": physical_id,
            "Arn": f"arn:aws:elasticfilesystem:{work.region}:{work.account}:access-point/{physical_id}",
        }

    def read(self, work, physical_id, properties):
        found = self._described(work, physical_id)
        if found is None:
            return None
        return chosen(found, "FileSystemId", "PosixUser", "RootDirectory")


