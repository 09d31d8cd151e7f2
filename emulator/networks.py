"""What the emulator forgets of flow logs, load balancers, Auto Scaling groups, capacity providers and discovery
services: kept, and told as AWS does."""

import random
from xml.sax.saxutils import escape

from ministack.core.responses import get_region
from ministack.services import alb, autoscaling, ec2, ecs, servicediscovery

_parse_actions = alb._parse_actions
_action_xml = alb._action_xml
_create_load_balancer = alb._create_lb
_describe_target_groups = alb._describe_tgs
_create_asg = autoscaling._create_asg
_update_asg = autoscaling._update_asg
_update_discovery_service = servicediscovery._update_service
_create_capacity_provider = ecs._create_capacity_provider

_FLOW_LOG_MEMBERS = (
    ("DeliverLogsPermissionArn", "deliverLogsPermissionArn"),
    ("LogGroupName", "logGroupName"),
    ("LogFormat", "logFormat"),
    ("MaxAggregationInterval", "maxAggregationInterval"),
)
_FLOW_LOG_FORMAT = (
    "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} "
    "${bytes} ${start} ${end} ${action} ${log-status}"
)


def _create_flow_logs(parameters):
    created = []
    for resource in ec2._parse_member_list(parameters, "ResourceId"):
        identifier = "fl-" + "".join(random.choices("0123456789abcdef", k=17))
        log = {
            "FlowLogId": identifier,
            "ResourceId": resource,
            "TrafficType": ec2._p(parameters, "TrafficType") or "ALL",
            "LogDestinationType": ec2._p(parameters, "LogDestinationType") or "cloud-watch-logs",
            "LogDestination": ec2._p(parameters, "LogDestination"),
            "FlowLogStatus": "ACTIVE",
            "CreationTime": ec2._now_ts(),
        }
        for name, _ in _FLOW_LOG_MEMBERS:
            log[name] = ec2._p(parameters, name)
        log["LogFormat"] = log["LogFormat"] or _FLOW_LOG_FORMAT
        log["MaxAggregationInterval"] = log["MaxAggregationInterval"] or "600"
        ec2._flow_logs[identifier] = log
        ec2._parse_tag_specs(parameters, "vpc-flow-log", identifier)
        created.append(identifier)
    items = "".join(f"<item>{one}</item>" for one in created)
    return ec2._xml(200, "CreateFlowLogsResponse", f"<flowLogIdSet>{items}</flowLogIdSet><unsuccessful/>")


def _describe_flow_logs(parameters):
    identifiers = ec2._parse_member_list(parameters, "FlowLogId")
    filters = ec2._parse_filters(parameters)
    items = ""
    for log in ec2._flow_logs.values():
        if identifiers and log["FlowLogId"] not in identifiers:
            continue
        if not ec2._resource_matches_tag_filters(log["FlowLogId"], filters):
            continue
        if filters.get("resource-id") and log["ResourceId"] not in filters["resource-id"]:
            continue
        members = [
            (wire, log.get(name))
            for name, wire in (
                ("FlowLogId", "flowLogId"),
                ("ResourceId", "resourceId"),
                ("TrafficType", "trafficType"),
                ("LogDestinationType", "logDestinationType"),
                ("LogDestination", "logDestination"),
                ("FlowLogStatus", "flowLogStatus"),
                ("CreationTime", "creationTime"),
                *_FLOW_LOG_MEMBERS,
            )
        ]
        told = "".join(f"<{wire}>{escape(str(value))}</{wire}>" for wire, value in members if value)
        tags = ec2._tag_set_xml(log["FlowLogId"])
        items += f"<item>{told}<deliverLogsStatus>SUCCESS</deliverLogsStatus>{tags}</item>"
    return ec2._xml(200, "DescribeFlowLogsResponse", f"<flowLogSet>{items}</flowLogSet>")


# Load balancers.


def _actions(parameters, prefix="DefaultActions"):
    """Forwards to several target groups too; to one it is told both ways, as ELB does."""
    found = _parse_actions(parameters, prefix)
    for index, action in enumerate(found, 1):
        if action["Type"] != "forward":
            continue
        base, groups, number = f"{prefix}.member.{index}.ForwardConfig", [], 1
        while arn := alb._p(parameters, f"{base}.TargetGroups.member.{number}.TargetGroupArn"):
            weight = alb._p(parameters, f"{base}.TargetGroups.member.{number}.Weight")
            groups.append({"TargetGroupArn": arn, "Weight": int(weight or 1)})
            number += 1
        if not groups and action.get("TargetGroupArn"):
            groups = [{"TargetGroupArn": action["TargetGroupArn"], "Weight": 1}]
        sticky = base + ".TargetGroupStickinessConfig"
        action["ForwardConfig"] = {
            "TargetGroups": groups,
            "Enabled": alb._p(parameters, f"{sticky}.Enabled") or "false",
            "DurationSeconds": alb._p(parameters, f"{sticky}.DurationSeconds"),
        }
        if len(groups) == 1:
            action["TargetGroupArn"] = groups[0]["TargetGroupArn"]
    return found


def _told_action(action):
    text = _action_xml(action)
    forward = action.get("ForwardConfig")
    if not forward:
        return text
    groups = "".join(
        f"<member><TargetGroupArn>{one['TargetGroupArn']}</TargetGroupArn><Weight>{one['Weight']}</Weight></member>"
        for one in forward["TargetGroups"]
    )
    duration = forward["DurationSeconds"]
    sticky = f"<Enabled>{forward['Enabled']}</Enabled>"
    sticky += f"<DurationSeconds>{duration}</DurationSeconds>" if duration else ""
    config = (
        f"<ForwardConfig><TargetGroups>{groups}</TargetGroups>"
        f"<TargetGroupStickinessConfig>{sticky}</TargetGroupStickinessConfig></ForwardConfig>"
    )
    return text.removesuffix("</member>") + config + "</member>"


def _subnets_of(parameters):
    subnets = alb._parse_member_list(parameters, "Subnets")
    number = 1
    while subnet := alb._p(parameters, f"SubnetMappings.member.{number}.SubnetId"):
        subnets.append(subnet)
        number += 1
    return subnets


def _create_balancer(parameters):
    """In the network of its subnets, which must be there, two at least, and in different zones."""
    subnets = _subnets_of(parameters)
    known = [ec2._subnets.get(subnet) for subnet in subnets]
    if missing := [name for name, found in zip(subnets, known) if found is None]:
        return alb._error("SubnetNotFound", f"The subnet ID '{missing[0]}' does not exist")
    zones = [subnet.get("AvailabilityZone") for subnet in known]
    if (alb._p(parameters, "Type") or "application") == "application":
        if len(set(zones)) < 2:
            return alb._error(
                "ValidationError", "At least two subnets in two different Availability Zones must be specified"
            )
        if len(set(zones)) < len(zones):
            return alb._error(
                "InvalidConfigurationRequest",
                "A load balancer cannot be attached to multiple subnets in the same Availability Zone",
            )
    answer = _create_load_balancer(parameters)
    if answer[0] != 200:
        return answer
    name = alb._p(parameters, "Name")
    balancer = next(one for one in alb._lbs.values() if one["LoadBalancerName"] == name)
    balancer["Subnets"] = subnets
    if known:
        balancer["VpcId"] = known[0].get("VpcId", "")
    return alb._xml(200, "CreateLoadBalancer", f"<LoadBalancers>{_told_balancer(balancer)}</LoadBalancers>")


_lb_xml = alb._lb_xml


def _told_balancer(balancer):
    text = _lb_xml(balancer)
    for subnet in balancer.get("Subnets", []):
        zone = (ec2._subnets.get(subnet) or {}).get("AvailabilityZone")
        if zone:
            text = text.replace(
                f"<ZoneName>{get_region()}a</ZoneName><SubnetId>{subnet}</SubnetId>",
                f"<ZoneName>{zone}</ZoneName><SubnetId>{subnet}</SubnetId>",
            )
    return text


def _groups(parameters):
    """A target group belongs to the load balancers whose listeners or rules forward to it."""
    used = {}
    for rule in alb._rules.values():
        listener = alb._listeners.get(rule.get("ListenerArn")) or {}
        for action in rule.get("Actions", []):
            for group in (action.get("ForwardConfig") or {}).get("TargetGroups", []):
                used.setdefault(group["TargetGroupArn"], []).append(listener.get("LoadBalancerArn"))
    for arn, group in alb._tgs.items():
        group["LoadBalancerArns"] = [one for one in dict.fromkeys(used.get(arn, [])) if one]
    return _describe_target_groups(parameters)


def _create_provider(data):
    answer = _create_capacity_provider(data)
    asked = data.get("autoScalingGroupProvider") or {}
    if answer[0] == 200 and asked:
        provider = ecs._capacity_providers[data["name"]]
        provider["autoScalingGroupProvider"]["managedDraining"] = asked.get("managedDraining", "ENABLED")
        return ecs.json_response({"capacityProvider": provider})
    return answer


def _complete_group(parameters):
    """The launch template by both its names, and the zones that its subnets are in."""
    group = autoscaling._asgs[autoscaling._p(parameters, "AutoScalingGroupName")]
    identifier = autoscaling._p(parameters, "LaunchTemplate.LaunchTemplateId")
    name = autoscaling._p(parameters, "LaunchTemplate.LaunchTemplateName")
    if identifier or name:
        template = next(
            (
                one
                for one in ec2._launch_templates.values()
                if identifier == one["LaunchTemplateId"] or name == one["LaunchTemplateName"]
            ),
            {},
        )
        group["LaunchTemplate"] = {
            "LaunchTemplateId": template.get("LaunchTemplateId", identifier),
            "LaunchTemplateName": template.get("LaunchTemplateName", name),
            "Version": autoscaling._p(parameters, "LaunchTemplate.Version") or "$Default",
        }
    protected = autoscaling._p(parameters, "NewInstancesProtectedFromScaleIn")
    if protected:
        group["NewInstancesProtectedFromScaleIn"] = protected == "true"
    policies = autoscaling._parse_member_list(parameters, "TerminationPolicies")
    if policies:
        group["TerminationPolicies"] = policies
    subnets = [one for one in group.get("VPCZoneIdentifier", "").split(",") if one]
    zones = [(ec2._subnets.get(subnet) or {}).get("AvailabilityZone") for subnet in subnets]
    if any(zones):
        group["AvailabilityZones"] = sorted({zone for zone in zones if zone})


def _create_group(parameters):
    answer = _create_asg(parameters)
    if answer[0] == 200:
        _complete_group(parameters)
    return answer


def _update_group(parameters):
    answer = _update_asg(parameters)
    if answer[0] == 200:
        _complete_group(parameters)
    return answer


def _update_discovery(data):
    """Of the DNS configuration only the records can change; the rest stays."""
    before = dict((servicediscovery._services.get(data.get("Id")) or {}).get("DnsConfig") or {})
    answer = _update_discovery_service(data)
    if answer[0] == 200 and (data.get("Service") or {}).get("DnsConfig"):
        service = servicediscovery._services[data["Id"]]
        service["DnsConfig"] = {**before, **service["DnsConfig"]}
    return answer


def install():
    autoscaling._ACTION_MAP["CreateAutoScalingGroup"] = _create_group
    autoscaling._ACTION_MAP["UpdateAutoScalingGroup"] = _update_group
    servicediscovery._update_service = _update_discovery
    ec2._ACTION_MAP["CreateFlowLogs"] = _create_flow_logs
    ec2._ACTION_MAP["DescribeFlowLogs"] = _describe_flow_logs
    alb._parse_actions = _actions
    alb._action_xml = _told_action
    alb._lb_xml = _told_balancer
    alb._ACTION_MAP["CreateLoadBalancer"] = _create_balancer
    alb._ACTION_MAP["DescribeTargetGroups"] = _groups
    ecs._ACTION_MAP["CreateCapacityProvider"] = _create_provider
