"""IAM roles and instance profiles; KMS keys; secrets."""

import json
import urllib.parse

from provisioning.resource import (
    ResourceType, changed, chosen, difference, document, exists, ignoring_missing, register, tag_list,
)


class _Identity(ResourceType):
    service, service_name = "iam", "Iam"


@register
class Role(_Identity):
    name = "AWS::IAM::Role"
    named_by, longest_name = "RoleName", 64
    creates = ("create_role",)
    deletes, id_member = "delete_role", "RoleName"
    describes = ("get_role", "RoleName", "Role")
    gives = {"Arn": "Arn", "RoleId": "RoleId"}
    tagging, untagging, tagged_by = "tag_role", "untag_role", "RoleName"
    modifies = (("update_role", "Description", "MaxSessionDuration"),)
    absent = {"Description": "", "MaxSessionDuration": 3600}

    def request(self, work, properties):
        return {
            **chosen(properties, "Path", "Description", "MaxSessionDuration", "PermissionsBoundary"),
            "AssumeRolePolicyDocument": document(properties["AssumeRolePolicyDocument"]),
        }

    def modify(self, work, iam, name, old, new):
        super().modify(work, iam, name, old, new)
        if changed(old, new, "AssumeRolePolicyDocument"):
            trust = document(new["AssumeRolePolicyDocument"])
            iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust)
        if changed(old, new, "PermissionsBoundary"):
            if new.get("PermissionsBoundary"):
                iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=new["PermissionsBoundary"])
            else:
                iam.delete_role_permissions_boundary(RoleName=name)

    def put(self, work, iam, name, old, new):
        before = {one["PolicyName"]: one for one in old.get("Policies") or []}
        after = {one["PolicyName"]: one for one in new.get("Policies") or []}
        for policy, one in after.items():
            if before.get(policy) != one:
                text = document(one["PolicyDocument"])
                iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=text)
        for policy in before:
            if policy not in after:
                ignoring_missing(iam.delete_role_policy, RoleName=name, PolicyName=policy)
        added, gone = difference(old, new, "ManagedPolicyArns")
        for arn in added:
            iam.attach_role_policy(RoleName=name, PolicyArn=arn)
        for arn in gone:
            ignoring_missing(iam.detach_role_policy, RoleName=name, PolicyArn=arn)

    def delete(self, work, physical_id, properties):
        self.put(work, work.client("iam"), physical_id, properties, {})
        super().delete(work, physical_id, properties)

    def as_written(self, work, physical_id, found, properties):
        iam = work.client("iam")
        attached = iam.list_attached_role_policies(RoleName=physical_id)["AttachedPolicies"]
        own = {one["PolicyName"] for one in properties.get("Policies") or []}
        named = [one for one in iam.list_role_policies(RoleName=physical_id)["PolicyNames"] if one in own]
        policies = [iam.get_role_policy(RoleName=physical_id, PolicyName=one) for one in named]
        return {
            **chosen(found, "Path", "Description", "MaxSessionDuration", "AssumeRolePolicyDocument"),
            "PermissionsBoundary": (found.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn"),
            "ManagedPolicyArns": [one["PolicyArn"] for one in attached],
            "Policies": [chosen(one, "PolicyName", "PolicyDocument") for one in policies],
        }


@register
class InstanceProfile(_Identity):
    name = "AWS::IAM::InstanceProfile"
    named_by, longest_name = "InstanceProfileName", 128
    tags = None
    creates = ("create_instance_profile",)
    taken = ("Path",)
    deletes, id_member = "delete_instance_profile", "InstanceProfileName"

    def put(self, work, iam, name, old, new):
        added, gone = difference(old, new, "Roles")
        for role in gone:
            ignoring_missing(iam.remove_role_from_instance_profile, InstanceProfileName=name, RoleName=role)
        for role in added:
            iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=role)

    def delete(self, work, physical_id, properties):
        self.put(work, work.client("iam"), physical_id, properties, {})
        super().delete(work, physical_id, properties)

    def attributes(self, work, physical_id, properties):
        path = properties.get("Path") or "/"
        return {"Arn": f"arn:aws:iam::{work.account}:instance-profile{path}{physical_id}"}


@register
class Key(ResourceType):
    name = "AWS::KMS::Key"
    service, service_name = "kms", "Kms"
    creates = ("create_key", "KeyMetadata", "KeyId")
    describes = ("describe_key", "KeyId", "KeyMetadata")
    reads = ("Description", "Enabled", "KeySpec", "KeyUsage", "MultiRegion")
    shown = {"KeyId": "{id}", "Arn": "arn:aws:kms:{region}:{account}:key/{id}"}
    tagged_by = id_member = "KeyId"
    modifies = (("update_key_description", "Description"),)
    absent = {"Description": ""}

    def tags_as(self, tags):
        return tag_list(tags, "TagKey", "TagValue")

    def request(self, work, properties):
        request = chosen(properties, "Description", "KeySpec", "KeyUsage", "MultiRegion", "Origin")
        if properties.get("KeyPolicy"):
            request["Policy"] = document(properties["KeyPolicy"])
        return request

    def modify(self, work, kms, identifier, old, new):
        super().modify(work, kms, identifier, old, new)
        if changed(old, new, "KeyPolicy") and new.get("KeyPolicy"):
            kms.put_key_policy(KeyId=identifier, PolicyName="default", Policy=document(new["KeyPolicy"]))

    def put(self, work, kms, identifier, old, new):
        if changed(old, new, "EnableKeyRotation", "RotationPeriodInDays"):
            if new.get("EnableKeyRotation"):
                kms.enable_key_rotation(KeyId=identifier, **chosen(new, "RotationPeriodInDays"))
            elif old.get("EnableKeyRotation"):
                kms.disable_key_rotation(KeyId=identifier)

    def delete(self, work, physical_id, properties):
        days = properties.get("PendingWindowInDays", 30)
        ignoring_missing(work.client("kms").schedule_key_deletion, KeyId=physical_id, PendingWindowInDays=days)

    def described(self, work, identifier):
        found = super().described(work, identifier)
        return None if found and found["KeyState"] == "PendingDeletion" else found

    def as_written(self, work, physical_id, found, properties):
        kms = work.client("kms")
        policy = kms.get_key_policy(KeyId=physical_id, PolicyName="default")["Policy"]
        return {
            **super().as_written(work, physical_id, found, properties),
            "KeyPolicy": json.loads(urllib.parse.unquote(policy) if policy.startswith("%") else policy),
            "EnableKeyRotation": kms.get_key_rotation_status(KeyId=physical_id)["KeyRotationEnabled"],
        }


@register
class Alias(ResourceType):
    name = "AWS::KMS::Alias"
    service, service_name = "kms", "Kms"
    tags = None
    creates = ("create_alias",)
    named_by = "AliasName"
    deletes, id_member = "delete_alias", "AliasName"
    modifies = (("update_alias", "TargetKeyId"),)


@register
class Secret(ResourceType):
    name = "AWS::SecretsManager::Secret"
    service, service_name = "secretsmanager", "SecretsManager"
    named_by = "Name"
    creates = ("create_secret", "ARN")
    shown = {"Id": "{id}"}
    tagged_by = id_member = "SecretId"
    modifies = (("update_secret", "Description"), ("update_secret", "KmsKeyId"), ("update_secret", "SecretString"))
    absent = {"Description": "", "KmsKeyId": "alias/aws/secretsmanager"}

    def delete(self, work, physical_id, properties):
        delete = work.client("secretsmanager").delete_secret
        ignoring_missing(delete, SecretId=physical_id, ForceDeleteWithoutRecovery=True)

    def read(self, work, physical_id, properties):
        found = exists(work.client("secretsmanager").describe_secret, SecretId=physical_id)
        if not found or found.get("DeletedDate"):
            return None
        return chosen(found, "Name", "Description", "KmsKeyId")
