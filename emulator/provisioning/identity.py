"""IAM roles, policies and instance profiles; KMS keys; secrets; SSM parameters."""

import json
import secrets
import string
import urllib.parse

from provisioning.resource import (
    ResourceType,
    changed,
    chosen,
    difference,
    document,
    exists,
    ignoring_missing,
    register,
    tag_list,
)

# The members of a policy that name who has it, IAM's word for them in its calls, and its member.
_OWNERS = (("Roles", "role", "RoleName"), ("Users", "user", "UserName"), ("Groups", "group", "GroupName"))


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

    def request(self, work, properties):
        return {
            **chosen(properties, "Path", "Description", "MaxSessionDuration", "PermissionsBoundary"),
            "AssumeRolePolicyDocument": document(properties["AssumeRolePolicyDocument"]),
        }

    def modify(self, work, iam, name, old, new):
        if changed(old, new, "AssumeRolePolicyDocument"):
            trust = document(new["AssumeRolePolicyDocument"])
            iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust)
        if changed(old, new, "Description", "MaxSessionDuration"):
            iam.update_role(
                RoleName=name,
                Description=new.get("Description", ""),
                MaxSessionDuration=new.get("MaxSessionDuration", 3600),
            )
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

    def read(self, work, physical_id, properties):
        found = self.described(work, physical_id)
        if found is None:
            return None
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
class InlinePolicy(_Identity):
    name = "AWS::IAM::Policy"
    tags = None
    shown = {"Id": "{id}"}

    def put(self, work, iam, identifier, old, new):
        for member, kind, name in _OWNERS:
            before, after = old.get(member) or [], new.get(member) or []
            for owner in after:
                request = {name: owner, **chosen(new, "PolicyName"), "PolicyDocument": document(new["PolicyDocument"])}
                getattr(iam, f"put_{kind}_policy")(**request)
            for owner in before:
                if owner not in after or old["PolicyName"] != new.get("PolicyName"):
                    delete = getattr(iam, f"delete_{kind}_policy")
                    ignoring_missing(delete, **{name: owner}, PolicyName=old["PolicyName"])

    def create(self, work, properties):
        self.put(work, work.client("iam"), "", {}, properties)
        return work.made(work.name(64)[:17])

    def delete(self, work, physical_id, properties):
        self.put(work, work.client("iam"), physical_id, properties, {})


@register
class ManagedPolicy(_Identity):
    name = "AWS::IAM::ManagedPolicy"
    named_by = "ManagedPolicyName"
    tags = None
    deletes, id_member = "delete_policy", "PolicyArn"
    shown = {"PolicyArn": "{id}"}

    def put(self, work, iam, arn, old, new):
        for member, kind, name in _OWNERS:
            added, gone = difference(old, new, member)
            for owner in added:
                getattr(iam, f"attach_{kind}_policy")(**{name: owner}, PolicyArn=arn)
            for owner in gone:
                ignoring_missing(getattr(iam, f"detach_{kind}_policy"), **{name: owner}, PolicyArn=arn)

    def create(self, work, properties):
        iam = work.client("iam")
        answer = iam.create_policy(
            PolicyName=properties.get("ManagedPolicyName") or work.name(128),
            PolicyDocument=document(properties["PolicyDocument"]),
            **chosen(properties, "Path", "Description"),
        )
        arn = work.made(answer["Policy"]["Arn"])
        self.put(work, iam, arn, {}, properties)
        return arn

    def modify(self, work, iam, arn, old, new):
        if changed(old, new, "PolicyDocument"):
            versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
            # Five versions at most, so the oldest makes room.
            if len(versions) >= 5:
                oldest = [one for one in versions if not one["IsDefaultVersion"]][-1]
                iam.delete_policy_version(PolicyArn=arn, VersionId=oldest["VersionId"])
            text = document(new["PolicyDocument"])
            iam.create_policy_version(PolicyArn=arn, PolicyDocument=text, SetAsDefault=True)

    def delete(self, work, physical_id, properties):
        iam = work.client("iam")
        self.put(work, iam, physical_id, properties, {})
        versions = exists(iam.list_policy_versions, PolicyArn=physical_id) or {"Versions": []}
        for version in versions["Versions"]:
            if not version["IsDefaultVersion"]:
                iam.delete_policy_version(PolicyArn=physical_id, VersionId=version["VersionId"])
        super().delete(work, physical_id, properties)


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
    tagged_by = "KeyId"

    def tags_as(self, tags):
        return tag_list(tags, "TagKey", "TagValue")

    def request(self, work, properties):
        request = chosen(properties, "Description", "KeySpec", "KeyUsage", "MultiRegion", "Origin")
        if properties.get("KeyPolicy"):
            request["Policy"] = document(properties["KeyPolicy"])
        return request

    def modify(self, work, kms, identifier, old, new):
        if changed(old, new, "Description"):
            kms.update_key_description(KeyId=identifier, Description=new.get("Description", ""))
        if changed(old, new, "KeyPolicy") and new.get("KeyPolicy"):
            kms.put_key_policy(KeyId=identifier, PolicyName="default", Policy=document(new["KeyPolicy"]))

    def put(self, work, kms, identifier, old, new):
        if changed(old, new, "EnableKeyRotation", "RotationPeriodInDays"):
            if new.get("EnableKeyRotation"):
                kms.enable_key_rotation(KeyId=identifier, **chosen(new, "RotationPeriodInDays"))
            elif old.get("EnableKeyRotation"):
                kms.disable_key_rotation(KeyId=identifier)
        if old.get("Enabled", True) != new.get("Enabled", True):
            (kms.enable_key if new.get("Enabled", True) else kms.disable_key)(KeyId=identifier)

    def delete(self, work, physical_id, properties):
        days = properties.get("PendingWindowInDays", 30)
        ignoring_missing(work.client("kms").schedule_key_deletion, KeyId=physical_id, PendingWindowInDays=days)

    def described(self, work, identifier):
        found = super().described(work, identifier)
        return None if found and found["KeyState"] == "PendingDeletion" else found

    def read(self, work, physical_id, properties):
        given = super().read(work, physical_id, properties)
        if given is None:
            return None
        kms = work.client("kms")
        policy = kms.get_key_policy(KeyId=physical_id, PolicyName="default")["Policy"]
        return {
            **given,
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

    def modify(self, work, kms, name, old, new):
        kms.update_alias(AliasName=name, TargetKeyId=new["TargetKeyId"])


@register
class Secret(ResourceType):
    name = "AWS::SecretsManager::Secret"
    service, service_name = "secretsmanager", "SecretsManager"
    named_by = "Name"
    creates = ("create_secret", "ARN")
    shown = {"Id": "{id}"}
    tagged_by = "SecretId"

    def _value(self, properties):
        if "SecretString" in properties:
            return {"SecretString": properties["SecretString"]}
        asked = properties.get("GenerateSecretString")
        if asked is None:
            return {}
        letters = string.ascii_letters + string.digits
        if not asked.get("ExcludePunctuation"):
            letters += string.punctuation
        letters = [letter for letter in letters if letter not in asked.get("ExcludeCharacters", "")]
        password = "".join(secrets.choice(letters) for _ in range(int(asked.get("PasswordLength", 32))))
        if asked.get("GenerateStringKey"):
            template = json.loads(asked.get("SecretStringTemplate") or "{}")
            return {"SecretString": json.dumps({**template, asked["GenerateStringKey"]: password})}
        return {"SecretString": password}

    def request(self, work, properties):
        return {**chosen(properties, "Description", "KmsKeyId"), **self._value(properties)}

    def modify(self, work, client, arn, old, new):
        request = {}
        if changed(old, new, "Description"):
            request["Description"] = new.get("Description", "")
        if changed(old, new, "KmsKeyId"):
            request["KmsKeyId"] = new.get("KmsKeyId", "alias/aws/secretsmanager")
        if changed(old, new, "SecretString", "GenerateSecretString"):
            request.update(self._value(new))
        if request:
            client.update_secret(SecretId=arn, **request)

    def delete(self, work, physical_id, properties):
        delete = work.client("secretsmanager").delete_secret
        ignoring_missing(delete, SecretId=physical_id, ForceDeleteWithoutRecovery=True)

    def read(self, work, physical_id, properties):
        found = exists(work.client("secretsmanager").describe_secret, SecretId=physical_id)
        if not found or found.get("DeletedDate"):
            return None
        return chosen(found, "Name", "Description", "KmsKeyId")


@register
class Parameter(ResourceType):
    name = "AWS::SSM::Parameter"
    service, service_name = "ssm", "Ssm"
    tags_are_a_map = True
    named_by = "Name"
    creates = ("put_parameter",)
    taken = ("Type", "Value", "Description", "AllowedPattern", "DataType", "Tier", "Policies")
    deletes, id_member = "delete_parameter", "Name"
    describes = ("get_parameter", "Name", "Parameter")
    reads = ("Name", "Type", "Value")

    def create(self, work, properties):
        return super().create(work, {**properties, "Name": properties.get("Name") or "CFN-" + work.name(250)})

    def modify(self, work, ssm, name, old, new):
        if self.request(work, old) != self.request(work, new):
            ssm.put_parameter(Name=name, Overwrite=True, **self.request(work, new))

    def retag(self, work, ssm, name, added, removed):
        about = {"ResourceType": "Parameter", "ResourceId": name}
        if added:
            ssm.add_tags_to_resource(**about, Tags=tag_list(added))
        if removed:
            ssm.remove_tags_from_resource(**about, TagKeys=removed)

    def attributes(self, work, physical_id, properties):
        return {"Type": properties.get("Type", "String"), "Value": properties.get("Value", "")}
