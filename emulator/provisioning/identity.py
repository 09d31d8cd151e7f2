"""IAM roles, policies and instance profiles; KMS keys; secrets; SSM parameters."""

import json
import secrets
import string
import urllib.parse

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


class _Identity(ResourceType):
    service_name = "Iam"


def _arn(work, kind, path, name):
    return f"arn:aws:iam::{work.account}:{kind}{path or '/'}{name}"


@register
class Role(_Identity):
    name = "AWS::IAM::Role"
    named_by = "RoleName"

    def create(self, work, properties):
        iam = work.client("iam")
        request = chosen(properties, "Path", "Description", "MaxSessionDuration", "PermissionsBoundary")
        if properties.get("Tags"):
            request["Tags"] = tag_list(properties["Tags"])
        name = properties.get("RoleName") or work.name(64)
        iam.create_role(
            RoleName=name, AssumeRolePolicyDocument=document(properties["AssumeRolePolicyDocument"]), **request
        )
        work.made(name)
        self._put(iam, name, {}, properties)
        return name

    def _put(self, iam, name, old, new):
        before = {one["PolicyName"]: one for one in old.get("Policies") or []}
        after = {one["PolicyName"]: one for one in new.get("Policies") or []}
        for policy, one in after.items():
            if before.get(policy) != one:
                iam.put_role_policy(
                    RoleName=name, PolicyName=policy, PolicyDocument=document(one["PolicyDocument"])
                )
        for policy in before:
            if policy not in after:
                ignoring_missing(iam.delete_role_policy, RoleName=name, PolicyName=policy)
        before, after = old.get("ManagedPolicyArns") or [], new.get("ManagedPolicyArns") or []
        for arn in after:
            if arn not in before:
                iam.attach_role_policy(RoleName=name, PolicyArn=arn)
        for arn in before:
            if arn not in after:
                ignoring_missing(iam.detach_role_policy, RoleName=name, PolicyArn=arn)

    def update(self, work, physical_id, old, new):
        iam = work.client("iam")
        if changed(old, new, "AssumeRolePolicyDocument"):
            iam.update_assume_role_policy(
                RoleName=physical_id, PolicyDocument=document(new["AssumeRolePolicyDocument"])
            )
        if changed(old, new, "Description", "MaxSessionDuration"):
            iam.update_role(
                RoleName=physical_id,
                Description=new.get("Description", ""),
                MaxSessionDuration=new.get("MaxSessionDuration", 3600),
            )
        if changed(old, new, "PermissionsBoundary"):
            if new.get("PermissionsBoundary"):
                iam.put_role_permissions_boundary(
                    RoleName=physical_id, PermissionsBoundary=new["PermissionsBoundary"]
                )
            else:
                iam.delete_role_permissions_boundary(RoleName=physical_id)
        self._put(iam, physical_id, old, new)
        added, removed = tag_changes(old.get("Tags"), new.get("Tags"))
        if added:
            iam.tag_role(RoleName=physical_id, Tags=tag_list(added))
        if removed:
            iam.untag_role(RoleName=physical_id, TagKeys=removed)

    def delete(self, work, physical_id, properties):
        iam = work.client("iam")
        self._put(iam, physical_id, properties, {})
        ignoring_missing(iam.delete_role, RoleName=physical_id)

    def _described(self, work, name):
        found = exists(work.client("iam").get_role, RoleName=name)
        return found and found["Role"]

    def attributes(self, work, physical_id, properties):
        found = self._described(work, physical_id) or {}
        arn = found.get("Arn") or _arn(work, "role", properties.get("Path"), physical_id)
        return {"Arn": arn, "RoleId": found.get("RoleId", "")}

    def read(self, work, physical_id, properties):
        found = self._described(work, physical_id)
        if found is None:
            return None
        iam = work.client("iam")
        given = chosen(found, "Path", "Description", "MaxSessionDuration", "AssumeRolePolicyDocument")
        given["PermissionsBoundary"] = (found.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn")
        given["Tags"] = found.get("Tags", [])
        attached = iam.list_attached_role_policies(RoleName=physical_id)["AttachedPolicies"]
        given["ManagedPolicyArns"] = [one["PolicyArn"] for one in attached]
        own = {one["PolicyName"] for one in properties.get("Policies") or []}
        given["Policies"] = [
            {
                "PolicyName": name,
                "PolicyDocument": iam.get_role_policy(RoleName=physical_id, PolicyName=name)["PolicyDocument"],
            }
            for name in iam.list_role_policies(RoleName=physical_id)["PolicyNames"]
            if name in own
        ]
        return given


@register
class InlinePolicy(_Identity):
    name = "AWS::IAM::Policy"
    tags = None
    _OWNERS = (("Roles", "role", "RoleName"), ("Users", "user", "UserName"), ("Groups", "group", "GroupName"))

    def _put(self, iam, old, new):
        for member, kind, name in self._OWNERS:
            before, after = old.get(member) or [], new.get(member) or []
            for owner in after:
                getattr(iam, f"put_{kind}_policy")(
                    **{name: owner},
                    PolicyName=new["PolicyName"],
                    PolicyDocument=document(new["PolicyDocument"]),
                )
            for owner in before:
                if owner not in after or old["PolicyName"] != new.get("PolicyName"):
                    ignoring_missing(
                        getattr(iam, f"delete_{kind}_policy"), **{name: owner}, PolicyName=old["PolicyName"]
                    )

    def create(self, work, properties):
        self._put(work.client("iam"), {}, properties)
        return work.made(work.name(64)[:17])

    def update(self, work, physical_id, old, new):
        self._put(work.client("iam"), old, new)

    def delete(self, work, physical_id, properties):
        self._put(work.client("iam"), properties, {})

    def attributes(self, work, physical_id, properties):
        return {"Id": physical_id}


@register
class ManagedPolicy(_Identity):
    name = "AWS::IAM::ManagedPolicy"
    named_by = "ManagedPolicyName"
    tags = None

    def _attach(self, iam, arn, old, new):
        for member, kind, name in InlinePolicy._OWNERS:
            before, after = old.get(member) or [], new.get(member) or []
            for owner in after:
                if owner not in before:
                    getattr(iam, f"attach_{kind}_policy")(**{name: owner}, PolicyArn=arn)
            for owner in before:
                if owner not in after:
                    ignoring_missing(getattr(iam, f"detach_{kind}_policy"), **{name: owner}, PolicyArn=arn)

    def create(self, work, properties):
        iam = work.client("iam")
        answer = iam.create_policy(
            PolicyName=properties.get("ManagedPolicyName") or work.name(128),
            PolicyDocument=document(properties["PolicyDocument"]),
            **chosen(properties, "Path", "Description"),
        )
        arn = work.made(answer["Policy"]["Arn"])
        self._attach(iam, arn, {}, properties)
        return arn

    def update(self, work, physical_id, old, new):
        iam = work.client("iam")
        if changed(old, new, "PolicyDocument"):
            versions = iam.list_policy_versions(PolicyArn=physical_id)["Versions"]
            # Five versions at most, so the oldest makes room.
            if len(versions) >= 5:
                oldest = [one for one in versions if not one["IsDefaultVersion"]][-1]
                iam.delete_policy_version(PolicyArn=physical_id, VersionId=oldest["VersionId"])
            iam.create_policy_version(
                PolicyArn=physical_id, PolicyDocument=document(new["PolicyDocument"]), SetAsDefault=True
            )
        self._attach(iam, physical_id, old, new)

    def delete(self, work, physical_id, properties):
        iam = work.client("iam")
        self._attach(iam, physical_id, properties, {})
        versions = exists(iam.list_policy_versions, PolicyArn=physical_id) or {"Versions": []}
        for version in versions["Versions"]:
            if not version["IsDefaultVersion"]:
                iam.delete_policy_version(PolicyArn=physical_id, VersionId=version["VersionId"])
        ignoring_missing(iam.delete_policy, PolicyArn=physical_id)

    def attributes(self, work, physical_id, properties):
        return {"PolicyArn": physical_id}


@register
class InstanceProfile(_Identity):
    name = "AWS::IAM::InstanceProfile"
    named_by = "InstanceProfileName"
    tags = None

    def _put(self, iam, name, old, new):
        before, after = old.get("Roles") or [], new.get("Roles") or []
        for role in before:
            if role not in after:
                ignoring_missing(iam.remove_role_from_instance_profile, InstanceProfileName=name, RoleName=role)
        for role in after:
            if role not in before:
                iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=role)

    def create(self, work, properties):
        iam = work.client("iam")
        name = properties.get("InstanceProfileName") or work.name(128)
        iam.create_instance_profile(InstanceProfileName=name, **chosen(properties, "Path"))
        work.made(name)
        self._put(iam, name, {}, properties)
        return name

    def update(self, work, physical_id, old, new):
        self._put(work.client("iam"), physical_id, old, new)

    def delete(self, work, physical_id, properties):
        iam = work.client("iam")
        self._put(iam, physical_id, properties, {})
        ignoring_missing(iam.delete_instance_profile, InstanceProfileName=physical_id)

    def attributes(self, work, physical_id, properties):
        return {"Arn": _arn(work, "instance-profile", properties.get("Path"), physical_id)}


@register
class Key(ResourceType):
    name = "AWS::KMS::Key"
    service_name = "Kms"

    def create(self, work, properties):
        kms = work.client("kms")
        request = chosen(properties, "Description", "KeySpec", "KeyUsage", "MultiRegion", "Origin")
        if properties.get("KeyPolicy"):
            request["Policy"] = document(properties["KeyPolicy"])
        if properties.get("Tags"):
            request["Tags"] = tag_list(properties["Tags"], "TagKey", "TagValue")
        identifier = work.made(kms.create_key(**request)["KeyMetadata"]["KeyId"])
        self._put(kms, identifier, {}, properties)
        return identifier

    def _put(self, kms, identifier, old, new):
        if changed(old, new, "EnableKeyRotation", "RotationPeriodInDays"):
            if new.get("EnableKeyRotation"):
                kms.enable_key_rotation(KeyId=identifier, **chosen(new, "RotationPeriodInDays"))
            elif old.get("EnableKeyRotation"):
                kms.disable_key_rotation(KeyId=identifier)
        if old.get("Enabled", True) != new.get("Enabled", True):
            (kms.enable_key if new.get("Enabled", True) else kms.disable_key)(KeyId=identifier)

    def update(self, work, physical_id, old, new):
        kms = work.client("kms")
        if changed(old, new, "Description"):
            kms.update_key_description(KeyId=physical_id, Description=new.get("Description", ""))
        if changed(old, new, "KeyPolicy") and new.get("KeyPolicy"):
            kms.put_key_policy(KeyId=physical_id, PolicyName="default", Policy=document(new["KeyPolicy"]))
        self._put(kms, physical_id, old, new)
        added, removed = tag_changes(old.get("Tags"), new.get("Tags"))
        if added:
            kms.tag_resource(KeyId=physical_id, Tags=tag_list(added, "TagKey", "TagValue"))
        if removed:
            kms.untag_resource(KeyId=physical_id, TagKeys=removed)

    def delete(self, work, physical_id, properties):
        ignoring_missing(
            work.client("kms").schedule_key_deletion,
            KeyId=physical_id,
            PendingWindowInDays=properties.get("PendingWindowInDays", 30),
        )

    def attributes(self, work, physical_id, properties):
        return {"KeyId": physical_id, "Arn": f"arn:aws:kms:{work.region}:{work.account}:key/{physical_id}"}

    def read(self, work, physical_id, properties):
        found = exists(work.client("kms").describe_key, KeyId=physical_id)
        if not found or found["KeyMetadata"]["KeyState"] == "PendingDeletion":
            return None
        metadata = found["KeyMetadata"]
        policy = work.client("kms").get_key_policy(KeyId=physical_id, PolicyName="default")["Policy"]
        rotation = work.client("kms").get_key_rotation_status(KeyId=physical_id)
        return {
            **chosen(metadata, "Description", "Enabled", "KeySpec", "KeyUsage", "MultiRegion"),
            "KeyPolicy": json.loads(urllib.parse.unquote(policy) if policy.startswith("%") else policy),
            "EnableKeyRotation": rotation["KeyRotationEnabled"],
        }


@register
class Alias(ResourceType):
    name = "AWS::KMS::Alias"
    service_name = "Kms"
    tags = None

    def create(self, work, properties):
        work.client("kms").create_alias(AliasName=properties["AliasName"], TargetKeyId=properties["TargetKeyId"])
        return work.made(properties["AliasName"])

    def update(self, work, physical_id, old, new):
        work.client("kms").update_alias(AliasName=physical_id, TargetKeyId=new["TargetKeyId"])

    def delete(self, work, physical_id, properties):
        ignoring_missing(work.client("kms").delete_alias, AliasName=physical_id)


@register
class Secret(ResourceType):
    name = "AWS::SecretsManager::Secret"
    service_name = "SecretsManager"
    named_by = "Name"

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

    def create(self, work, properties):
        request = chosen(properties, "Description", "KmsKeyId")
        if properties.get("Tags"):
            request["Tags"] = tag_list(properties["Tags"])
        answer = work.client("secretsmanager").create_secret(
            Name=properties.get("Name") or work.name(255), **self._value(properties), **request
        )
        return work.made(answer["ARN"])

    def update(self, work, physical_id, old, new):
        client = work.client("secretsmanager")
        request = {}
        if changed(old, new, "Description"):
            request["Description"] = new.get("Description", "")
        if changed(old, new, "KmsKeyId"):
            request["KmsKeyId"] = new.get("KmsKeyId", "alias/aws/secretsmanager")
        if changed(old, new, "SecretString", "GenerateSecretString"):
            request.update(self._value(new))
        if request:
            client.update_secret(SecretId=physical_id, **request)
        added, removed = tag_changes(old.get("Tags"), new.get("Tags"))
        if added:
            client.tag_resource(SecretId=physical_id, Tags=tag_list(added))
        if removed:
            client.untag_resource(SecretId=physical_id, TagKeys=removed)

    def delete(self, work, physical_id, properties):
        ignoring_missing(
            work.client("secretsmanager").delete_secret, SecretId=physical_id, ForceDeleteWithoutRecovery=True
        )

    def attributes(self, work, physical_id, properties):
        return {"Id": physical_id}

    def read(self, work, physical_id, properties):
        found = exists(work.client("secretsmanager").describe_secret, SecretId=physical_id)
        if not found or found.get("DeletedDate"):
            return None
        return {**chosen(found, "Name", "Description", "KmsKeyId"), "Tags": found.get("Tags", [])}


@register
class Parameter(ResourceType):
    name = "AWS::SSM::Parameter"
    service_name = "Ssm"
    named_by = "Name"
    tags_are_a_map = True

    def _request(self, properties):
        return chosen(properties, "Type", "Value", "Description", "AllowedPattern", "DataType", "Tier", "Policies")

    def create(self, work, properties):
        name = properties.get("Name") or "CFN-" + work.name(250)
        request = self._request(properties)
        if properties.get("Tags"):
            request["Tags"] = tag_list(properties["Tags"])
        work.client("ssm").put_parameter(Name=name, Overwrite=False, **request)
        return work.made(name)

    def update(self, work, physical_id, old, new):
        ssm = work.client("ssm")
        if self._request(old) != self._request(new):
            ssm.put_parameter(Name=physical_id, Overwrite=True, **self._request(new))
        added, removed = tag_changes(old.get("Tags"), new.get("Tags"))
        if added:
            ssm.add_tags_to_resource(ResourceType="Parameter", ResourceId=physical_id, Tags=tag_list(added))
        if removed:
            ssm.remove_tags_from_resource(ResourceType="Parameter", ResourceId=physical_id, TagKeys=removed)

    def delete(self, work, physical_id, properties):
        ignoring_missing(work.client("ssm").delete_parameter, Name=physical_id)

    def attributes(self, work, physical_id, properties):
        return {"Type": properties.get("Type", "String"), "Value": properties.get("Value", "")}

    def read(self, work, physical_id, properties):
        found = exists(work.client("ssm").get_parameter, Name=physical_id)
        return found and chosen(found["Parameter"], "Name", "Type", "Value")
