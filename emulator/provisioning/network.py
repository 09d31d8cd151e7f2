"""Amazon EC2: security groups and their rules, launch templates, flow logs."""

from provisioning.calls import Refused
from provisioning.resource import (
    ResourceType,
    changed,
    exists,
    ignoring_missing,
    register,
    tag_changes,
    tag_list,
    without,
)


class _Network(ResourceType):
    service_name = "Ec2"


def _specification(kind, tags):
    return [{"ResourceType": kind, "Tags": tag_list(tags)}] if tags else []


def _retag(ec2, identifier, old, new):
    added, removed = tag_changes(old.get("Tags"), new.get("Tags"))
    if added:
        ec2.create_tags(Resources=[identifier], Tags=tag_list(added))
    if removed:
        ec2.delete_tags(Resources=[identifier], Tags=[{"Key": key} for key in removed])


def _permission(rule, other="Source"):
    """A rule of the template as EC2 writes it."""
    permission = {"IpProtocol": str(rule["IpProtocol"])}
    if permission["IpProtocol"] != "-1":
        for port in ("FromPort", "ToPort"):
            if port in rule:
                permission[port] = int(rule[port])
    told = {"Description": rule["Description"]} if rule.get("Description") else {}
    if rule.get("CidrIp"):
        permission["IpRanges"] = [{"CidrIp": rule["CidrIp"], **told}]
    if rule.get("CidrIpv6"):
        permission["Ipv6Ranges"] = [{"CidrIpv6": rule["CidrIpv6"], **told}]
    if rule.get(f"{other}PrefixListId"):
        permission["PrefixListIds"] = [{"PrefixListId": rule[f"{other}PrefixListId"], **told}]
    if rule.get(f"{other}SecurityGroupId"):
        pair = {"GroupId": rule[f"{other}SecurityGroupId"], **told}
        if rule.get("SourceSecurityGroupOwnerId"):
            pair["UserId"] = rule["SourceSecurityGroupOwnerId"]
        permission["UserIdGroupPairs"] = [pair]
    return permission


def _rules(permissions, other="Source"):
    """EC2's rules as the template writes them, one for each peer."""
    for permission in permissions:
        base = {"IpProtocol": permission["IpProtocol"]}
        for port in ("FromPort", "ToPort"):
            if port in permission and permission["IpProtocol"] != "-1":
                base[port] = permission[port]
        for group, name, told in (
            ("IpRanges", "CidrIp", "CidrIp"),
            ("Ipv6Ranges", "CidrIpv6", "CidrIpv6"),
            ("PrefixListIds", "PrefixListId", f"{other}PrefixListId"),
            ("UserIdGroupPairs", "GroupId", f"{other}SecurityGroupId"),
        ):
            for peer in permission.get(group, []):
                rule = {**base, told: peer.get(name)}
                if peer.get("Description"):
                    rule["Description"] = peer["Description"]
                yield rule


_EVERYWHERE = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}


@register
class SecurityGroup(_Network):
    name = "AWS::EC2::SecurityGroup"
    named_by = "GroupName"
    readable = ("SecurityGroupIngress", "SecurityGroupEgress")

    def create(self, work, properties):
        ec2 = work.client("ec2")
        options = {"VpcId": properties["VpcId"]} if properties.get("VpcId") else {}
        if properties.get("Tags"):
            options["TagSpecifications"] = _specification("security-group", properties["Tags"])
        answer = ec2.create_security_group(
            GroupName=properties.get("GroupName") or work.name(255),
            Description=properties["GroupDescription"],
            **options,
        )
        group = work.made(answer["GroupId"])
        self._put(ec2, group, {}, properties)
        return group

    def _put(self, ec2, group, old, new):
        """Adds and takes away what differs; without rules of its own a group lets everything out."""
        for member, other, authorize, revoke in (
            (
                "SecurityGroupIngress",
                "Source",
                ec2.authorize_security_group_ingress,
                ec2.revoke_security_group_ingress,
            ),
            (
                "SecurityGroupEgress",
                "Destination",
                ec2.authorize_security_group_egress,
                ec2.revoke_security_group_egress,
            ),
        ):
            before = [_permission(rule, other) for rule in old.get(member) or []]
            after = [_permission(rule, other) for rule in new.get(member) or []]
            if member == "SecurityGroupEgress":
                before, after = before or [_EVERYWHERE], after or [_EVERYWHERE]
            gone = [one for one in before if one not in after]
            added = [one for one in after if one not in before]
            if gone:
                revoke(GroupId=group, IpPermissions=gone)
            if added:
                authorize(GroupId=group, IpPermissions=added)

    def update(self, work, physical_id, old, new):
        ec2 = work.client("ec2")
        self._put(ec2, physical_id, old, new)
        _retag(ec2, physical_id, old, new)

    def delete(self, work, physical_id, properties):
        ignoring_missing(work.client("ec2").delete_security_group, GroupId=physical_id)

    def attributes(self, work, physical_id, properties):
        given = {"GroupId": physical_id, "Id": physical_id}
        if properties.get("VpcId"):
            given["VpcId"] = properties["VpcId"]
        return given

    def read(self, work, physical_id, properties):
        found = exists(work.client("ec2").describe_security_groups, GroupIds=[physical_id])
        if not found or not found["SecurityGroups"]:
            return None
        group = found["SecurityGroups"][0]
        given = {
            "GroupDescription": group["Description"],
            "GroupName": group["GroupName"],
            "VpcId": group.get("VpcId"),
        }
        # Rules that are resources of their own belong to those.
        for member, permissions, other in (
            ("SecurityGroupIngress", group["IpPermissions"], "Source"),
            ("SecurityGroupEgress", group["IpPermissionsEgress"], "Destination"),
        ):
            if member in properties:
                given[member] = list(_rules(permissions, other))
        return given


class _Rule(_Network):
    tags = None
    other = "Source"
    is_egress = False

    def create(self, work, properties):
        answer = self._authorize(work.client("ec2"))(
            GroupId=properties["GroupId"], IpPermissions=[_permission(properties, self.other)]
        )
        return work.made(answer["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    def update(self, work, physical_id, old, new):
        if not changed(old, new, "Description"):
            return
        ec2 = work.client("ec2")
        describe = (
            ec2.update_security_group_rule_descriptions_egress
            if self.is_egress
            else ec2.update_security_group_rule_descriptions_ingress
        )
        describe(
            GroupId=new["GroupId"],
            SecurityGroupRuleDescriptions=[
                {"SecurityGroupRuleId": physical_id, "Description": new.get("Description", "")}
            ],
        )

    def delete(self, work, physical_id, properties):
        ignoring_missing(
            self._revoke(work.client("ec2")), GroupId=properties["GroupId"], SecurityGroupRuleIds=[physical_id]
        )

    def attributes(self, work, physical_id, properties):
        return {"Id": physical_id}

    def read(self, work, physical_id, properties):
        found = exists(work.client("ec2").describe_security_group_rules, SecurityGroupRuleIds=[physical_id])
        if not found or not found["SecurityGroupRules"]:
            return None
        rule = found["SecurityGroupRules"][0]
        given = {"GroupId": rule["GroupId"], "IpProtocol": rule["IpProtocol"], "Description": rule.get("Description")}
        for name, value in (
            ("FromPort", rule.get("FromPort")),
            ("ToPort", rule.get("ToPort")),
            ("CidrIp", rule.get("CidrIpv4")),
            ("CidrIpv6", rule.get("CidrIpv6")),
            (f"{self.other}PrefixListId", rule.get("PrefixListId")),
            (f"{self.other}SecurityGroupId", (rule.get("ReferencedGroupInfo") or {}).get("GroupId")),
        ):
            if value is not None:
                given[name] = value
        return given


@register
class SecurityGroupIngress(_Rule):
    name = "AWS::EC2::SecurityGroupIngress"

    def _authorize(self, ec2):
        return ec2.authorize_security_group_ingress

    def _revoke(self, ec2):
        return ec2.revoke_security_group_ingress


@register
class SecurityGroupEgress(_Rule):
    name = "AWS::EC2::SecurityGroupEgress"
    other = "Destination"
    is_egress = True

    def _authorize(self, ec2):
        return ec2.authorize_security_group_egress

    def _revoke(self, ec2):
        return ec2.revoke_security_group_egress


@register
class LaunchTemplate(_Network):
    name = "AWS::EC2::LaunchTemplate"
    named_by = "LaunchTemplateName"
    tags = None

    def _request(self, properties):
        given = {"LaunchTemplateData": properties["LaunchTemplateData"]}
        if properties.get("VersionDescription"):
            given["VersionDescription"] = properties["VersionDescription"]
        return given

    def create(self, work, properties):
        options = {}
        if properties.get("TagSpecifications"):
            options["TagSpecifications"] = properties["TagSpecifications"]
        answer = work.client("ec2").create_launch_template(
            LaunchTemplateName=properties.get("LaunchTemplateName") or work.name(128),
            **self._request(properties),
            **options,
        )
        return work.made(answer["LaunchTemplate"]["LaunchTemplateId"])

    def update(self, work, physical_id, old, new):
        if changed(old, new, "LaunchTemplateData", "VersionDescription"):
            work.client("ec2").create_launch_template_version(LaunchTemplateId=physical_id, **self._request(new))

    def delete(self, work, physical_id, properties):
        ignoring_missing(work.client("ec2").delete_launch_template, LaunchTemplateId=physical_id)

    def _described(self, work, physical_id):
        found = exists(work.client("ec2").describe_launch_templates, LaunchTemplateIds=[physical_id])
        return found["LaunchTemplates"][0] if found and found["LaunchTemplates"] else None

    def attributes(self, work, physical_id, properties):
        template = self._described(work, physical_id) or {}
        return {
            "LaunchTemplateId": physical_id,
            "LatestVersionNumber": str(template.get("LatestVersionNumber", 1)),
            "DefaultVersionNumber": str(template.get("DefaultVersionNumber", 1)),
        }

    def read(self, work, physical_id, properties):
        template = self._described(work, physical_id)
        return template and {"LaunchTemplateName": template["LaunchTemplateName"]}


@register
class FlowLog(_Network):
    name = "AWS::EC2::FlowLog"

    def create(self, work, properties):
        request = without(properties, "ResourceId", "Tags")
        if "DeliverLogsPermissionArn" in request:
            request["DeliverLogsPermissionArn"] = str(request["DeliverLogsPermissionArn"])
        if properties.get("Tags"):
            request["TagSpecifications"] = _specification("vpc-flow-log", properties["Tags"])
        answer = work.client("ec2").create_flow_logs(ResourceIds=[properties["ResourceId"]], **request)
        for failure in answer.get("Unsuccessful") or []:
            raise Refused(failure["Error"]["Message"], "InvalidRequest")
        return work.made(answer["FlowLogIds"][0])

    def update(self, work, physical_id, old, new):
        _retag(work.client("ec2"), physical_id, old, new)

    def delete(self, work, physical_id, properties):
        ignoring_missing(work.client("ec2").delete_flow_logs, FlowLogIds=[physical_id])

    def attributes(self, work, physical_id, properties):
        return {"Id": physical_id}

    def read(self, work, physical_id, properties):
        found = exists(work.client("ec2").describe_flow_logs, FlowLogIds=[physical_id])
        if not found or not found["FlowLogs"]:
            return None
        given = found["FlowLogs"][0]
        return {**given, "ResourceType": properties.get("ResourceType")}
