"""Amazon EC2: security groups and their rules, launch templates, flow logs."""

from provisioning.calls import Refused
from provisioning.resource import ResourceType, changed, chosen, ignoring_missing, register, tag_list, without


class _Network(ResourceType):
    service, service_name = "ec2", "Ec2"
    tags_member = "TagSpecifications"
    # What its tags are given to, at the creation.
    tagged_kind = ""

    def tags_as(self, tags):
        return [{"ResourceType": self.tagged_kind, "Tags": tag_list(tags)}]

    def retag(self, work, ec2, identifier, added, removed):
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
    described = chosen(rule, "Description") if rule.get("Description") else {}
    for group, name, written in _peers(other):
        if rule.get(written):
            permission[group] = [{name: rule[written], **described}]
    return permission


def _peers(other):
    """EC2's list of peers, its member, and the template's."""
    return (
        ("IpRanges", "CidrIp", "CidrIp"),
        ("Ipv6Ranges", "CidrIpv6", "CidrIpv6"),
        ("PrefixListIds", "PrefixListId", f"{other}PrefixListId"),
        ("UserIdGroupPairs", "GroupId", f"{other}SecurityGroupId"),
    )


def _rules(permissions, other="Source"):
    """EC2's rules as the template writes them, one for each peer."""
    for permission in permissions:
        base = {"IpProtocol": permission["IpProtocol"]}
        for port in ("FromPort", "ToPort"):
            if port in permission and permission["IpProtocol"] != "-1":
                base[port] = permission[port]
        for group, name, written in _peers(other):
            for peer in permission.get(group, []):
                rule = {**base, written: peer.get(name)}
                if peer.get("Description"):
                    rule["Description"] = peer["Description"]
                yield rule


_EVERYWHERE = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
# The template's list of rules, EC2's word for it in its calls, the other side in the template, and EC2's list.
_DIRECTIONS = (
    ("SecurityGroupIngress", "ingress", "Source", "IpPermissions"),
    ("SecurityGroupEgress", "egress", "Destination", "IpPermissionsEgress"),
)


@register
class SecurityGroup(_Network):
    name = "AWS::EC2::SecurityGroup"
    named_by = "GroupName"
    readable = ("SecurityGroupIngress", "SecurityGroupEgress")
    tagged_kind = "security-group"
    creates = ("create_security_group", "GroupId")
    deletes, id_member = "delete_security_group", "GroupId"
    describes = ("describe_security_groups", "GroupIds", "SecurityGroups")

    def request(self, work, properties):
        options = chosen(properties, "VpcId") if properties.get("VpcId") else {}
        return {"Description": properties["GroupDescription"], **options}

    def put(self, work, ec2, group, old, new):
        """Adds and takes away what differs; without rules of its own a group lets everything out."""
        for member, word, other, _ in _DIRECTIONS:
            before = [_permission(rule, other) for rule in old.get(member) or []]
            after = [_permission(rule, other) for rule in new.get(member) or []]
            if word == "egress":
                before, after = before or [_EVERYWHERE], after or [_EVERYWHERE]
            gone = [one for one in before if one not in after]
            added = [one for one in after if one not in before]
            if gone:
                getattr(ec2, f"revoke_security_group_{word}")(GroupId=group, IpPermissions=gone)
            if added:
                getattr(ec2, f"authorize_security_group_{word}")(GroupId=group, IpPermissions=added)

    def attributes(self, work, physical_id, properties):
        network = chosen(properties, "VpcId") if properties.get("VpcId") else {}
        return {"GroupId": physical_id, "Id": physical_id, **network}

    def as_written(self, work, physical_id, group, properties):
        given = {"GroupDescription": group["Description"], **chosen(group, "GroupName"), "VpcId": group.get("VpcId")}
        # Rules that are resources of their own belong to those.
        for member, _, other, shown in _DIRECTIONS:
            if member in properties:
                given[member] = list(_rules(group[shown], other))
        return given


class _Rule(_Network):
    tags = None
    describes = ("describe_security_group_rules", "SecurityGroupRuleIds", "SecurityGroupRules")
    shown = {"Id": "{id}"}
    word = other = ""

    def _call(self, work, text):
        return getattr(work.client("ec2"), text.format(self.word))

    def create(self, work, properties):
        answer = self._call(work, "authorize_security_group_{}")(
            GroupId=properties["GroupId"], IpPermissions=[_permission(properties, self.other)]
        )
        return work.made(answer["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    def update(self, work, physical_id, old, new):
        if changed(old, new, "Description"):
            described = {"SecurityGroupRuleId": physical_id, "Description": new.get("Description", "")}
            self._call(work, "update_security_group_rule_descriptions_{}")(
                GroupId=new["GroupId"], SecurityGroupRuleDescriptions=[described]
            )

    def delete(self, work, physical_id, properties):
        revoke = self._call(work, "revoke_security_group_{}")
        ignoring_missing(revoke, GroupId=properties["GroupId"], SecurityGroupRuleIds=[physical_id])

    def as_written(self, work, physical_id, rule, properties):
        optional = {
            "FromPort": rule.get("FromPort"),
            "ToPort": rule.get("ToPort"),
            "CidrIp": rule.get("CidrIpv4"),
            "CidrIpv6": rule.get("CidrIpv6"),
            f"{self.other}PrefixListId": rule.get("PrefixListId"),
            f"{self.other}SecurityGroupId": (rule.get("ReferencedGroupInfo") or {}).get("GroupId"),
        }
        return {
            **chosen(rule, "GroupId", "IpProtocol"),
            "Description": rule.get("Description"),
            **{name: value for name, value in optional.items() if value is not None},
        }


@register
class SecurityGroupIngress(_Rule):
    name = "AWS::EC2::SecurityGroupIngress"
    word, other = "ingress", "Source"


@register
class SecurityGroupEgress(_Rule):
    name = "AWS::EC2::SecurityGroupEgress"
    word, other = "egress", "Destination"


@register
class LaunchTemplate(_Network):
    name = "AWS::EC2::LaunchTemplate"
    named_by, longest_name = "LaunchTemplateName", 128
    tags = None
    creates = ("create_launch_template", "LaunchTemplate", "LaunchTemplateId")
    taken = ("LaunchTemplateData", "TagSpecifications")
    deletes, id_member = "delete_launch_template", "LaunchTemplateId"
    describes = ("describe_launch_templates", "LaunchTemplateIds", "LaunchTemplates")
    reads = ("LaunchTemplateName",)
    gives = {name: name for name in ("LaunchTemplateId", "LatestVersionNumber", "DefaultVersionNumber")}
    modifies = (("create_launch_template_version", "LaunchTemplateData"),)

    def attributes(self, work, physical_id, properties):
        return {name: str(one) for name, one in super().attributes(work, physical_id, properties).items()}


@register
class FlowLog(_Network):
    name = "AWS::EC2::FlowLog"
    tagged_kind = "vpc-flow-log"
    deletes, id_member = "delete_flow_logs", "FlowLogIds"
    describes = ("describe_flow_logs", "FlowLogIds", "FlowLogs")
    shown = {"Id": "{id}"}

    def create(self, work, properties):
        request = self.with_tags(without(properties, "ResourceId", "Tags"), properties)
        answer = work.client("ec2").create_flow_logs(ResourceIds=[properties["ResourceId"]], **request)
        for failure in answer.get("Unsuccessful") or []:
            raise Refused(failure["Error"]["Message"], "InvalidRequest")
        return work.made(answer["FlowLogIds"][0])

    def as_written(self, work, physical_id, found, properties):
        return {**found, "ResourceType": properties.get("ResourceType")}
