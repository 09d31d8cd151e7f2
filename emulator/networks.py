"""What ministack forgets of flow logs, load balancers, capacity providers and discovery services: kept, and shown as
AWS does."""

import json
from xml.sax.saxutils import escape

from ministack.core.responses import get_region
from ministack.services import alb, ec2, ecs, servicediscovery

from patches import replaces, wraps

# Members of a flow log, written in answers with a small first letter.
_ASKED = ("LogDestination", "DeliverLogsPermissionArn", "LogGroupName", "LogFormat", "MaxAggregationInterval")
_FLOW_LOG_MEMBERS = (
    "FlowLogId", "ResourceId", "TrafficType", "LogDestinationType", "FlowLogStatus", "CreationTime", *_ASKED,
)
_FLOW_LOG_FORMAT = (
    "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} "
    "${bytes} ${start} ${end} ${action} ${log-status}"
)


@wraps(ec2, "_ACTION_MAP", "CreateFlowLogs")
def _create_flow_logs(create, parameters):
    before = set(ec2._flow_logs)
    answer = create(parameters)
    defaults = {"LogFormat": _FLOW_LOG_FORMAT, "MaxAggregationInterval": "600"}
    asked = {name: ec2._p(parameters, name) or defaults.get(name) for name in _ASKED}
    for identifier in set(ec2._flow_logs) - before:
        ec2._flow_logs[identifier].update(asked)
        ec2._parse_tag_specs(parameters, "vpc-flow-log", identifier)
    return answer


@replaces(ec2, "_ACTION_MAP", "DescribeFlowLogs")
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
        members = {name[:1].lower() + name[1:]: log.get(name) for name in _FLOW_LOG_MEMBERS}
        shown = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in members.items() if value)
        tags = ec2._tag_set_xml(log["FlowLogId"])
        items += f"<item>{shown}<deliverLogsStatus>SUCCESS</deliverLogsStatus>{tags}</item>"
    return ec2._xml(200, "DescribeFlowLogsResponse", f"<flowLogSet>{items}</flowLogSet>")


# Load balancers.


@wraps(alb, "_parse_actions")
def _actions(parse, parameters, prefix="DefaultActions"):
    """Forwards to several target groups, too; one alone is shown both ways, as ELB does."""
    found = parse(parameters, prefix)
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


@wraps(alb, "_action_xml")
def _shown_action(show, action):
    text = show(action)
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


def _of_listener(change):
    """A call about the certificates of a listener, which has others beside its default one."""

    def answer(parameters):
        arn = alb._p(parameters, "ListenerArn")
        listener = alb._listeners.get(arn)
        if listener is None:
            return alb._error("ListenerNotFound", f"One or more listeners not found: {arn}")
        others = listener.setdefault("_other_certificates", [])
        shown = change(listener, others, alb._parse_certificate_arns(parameters))
        members = "".join(
            f"<member><CertificateArn>{one}</CertificateArn><IsDefault>{str(default).lower()}</IsDefault></member>"
            for one, default in shown
        )
        return alb._xml(200, alb._p(parameters, "Action"), f"<Certificates>{members}</Certificates>")

    return answer


@replaces(alb, "_ACTION_MAP", "AddListenerCertificates")
@_of_listener
def _add_certificates(_listener, others, given):
    others += [one for one in given if one not in others]
    return [(one, False) for one in given]


@replaces(alb, "_ACTION_MAP", "RemoveListenerCertificates")
@_of_listener
def _remove_certificates(_listener, others, given):
    others[:] = [one for one in others if one not in given]
    return []


@replaces(alb, "_ACTION_MAP", "DescribeListenerCertificates")
@_of_listener
def _show_certificates(listener, others, _given):
    return [(one, True) for one in listener.get("Certificates", [])] + [(one, False) for one in others]


def _refused_subnets(subnets, kind):
    known = [ec2._subnets.get(subnet) for subnet in subnets]
    if missing := [name for name, found in zip(subnets, known) if found is None]:
        return alb._error("SubnetNotFound", f"The subnet ID '{missing[0]}' does not exist")
    zones = [subnet.get("AvailabilityZone") for subnet in known]
    if kind == "application" and len(set(zones)) < 2:
        return alb._error(
            "ValidationError", "At least two subnets in two different Availability Zones must be specified"
        )
    if kind == "application" and len(set(zones)) < len(zones):
        return alb._error(
            "InvalidConfigurationRequest",
            "A load balancer cannot be attached to multiple subnets in the same Availability Zone",
        )
    return None


@wraps(alb, "_ACTION_MAP", "SetSubnets")
def _set_subnets(put, parameters):
    balancer = alb._lbs.get(alb._p(parameters, "LoadBalancerArn")) or {}
    return _refused_subnets(_subnets_of(parameters), balancer.get("Type")) or put(parameters)


@wraps(alb, "_ACTION_MAP", "CreateLoadBalancer")
def _create_balancer(create, parameters):
    """In the network of its subnets, which must be there, two at least, and in different zones."""
    subnets = _subnets_of(parameters)
    refusal = _refused_subnets(subnets, alb._p(parameters, "Type") or "application")
    if refusal:
        return refusal
    answer = create(parameters)
    if answer[0] != 200:
        return answer
    name = alb._p(parameters, "Name")
    balancer = next(one for one in alb._lbs.values() if one["LoadBalancerName"] == name)
    balancer["Subnets"] = subnets
    if subnets:
        balancer["VpcId"] = ec2._subnets[subnets[0]].get("VpcId", "")
    return alb._xml(200, "CreateLoadBalancer", f"<LoadBalancers>{alb._lb_xml(balancer)}</LoadBalancers>")


@wraps(alb, "_lb_xml")
def _shown_balancer(show, balancer):
    text = show(balancer)
    for subnet in balancer.get("Subnets", []):
        zone = (ec2._subnets.get(subnet) or {}).get("AvailabilityZone")
        if zone:
            text = text.replace(
                f"<ZoneName>{get_region()}a</ZoneName><SubnetId>{subnet}</SubnetId>",
                f"<ZoneName>{zone}</ZoneName><SubnetId>{subnet}</SubnetId>",
            )
    return text


@wraps(alb, "_ACTION_MAP", "DescribeTargetGroups")
def _groups(describe, parameters):
    """A target group belongs to the load balancers whose listeners or rules forward to it."""
    used = {}
    for rule in alb._rules.values():
        listener = alb._listeners.get(rule.get("ListenerArn")) or {}
        for action in rule.get("Actions", []):
            for group in (action.get("ForwardConfig") or {}).get("TargetGroups", []):
                used.setdefault(group["TargetGroupArn"], []).append(listener.get("LoadBalancerArn"))
    for arn, group in alb._tgs.items():
        group["LoadBalancerArns"] = [one for one in dict.fromkeys(used.get(arn, [])) if one]
    return describe(parameters)


@wraps(ecs, "_ACTION_MAP", "CreateCapacityProvider")
def _create_provider(create, data):
    answer = create(data)
    asked = data.get("autoScalingGroupProvider") or {}
    if answer[0] == 200 and asked:
        provider = ecs._capacity_providers[data["name"]]
        provider["autoScalingGroupProvider"]["managedDraining"] = asked.get("managedDraining", "ENABLED")
        return ecs.json_response({"capacityProvider": provider})
    return answer


@wraps(servicediscovery, "_get_namespace")
def _get_namespace(get, data):
    """A namespace is named by its id or by its ARN."""
    return get({**data, "Id": str(data.get("Id", "")).rsplit(":namespace/", 1)[-1]})


@wraps(servicediscovery, "_list_namespaces")
def _list_namespaces(listed, data):
    """Only those that all filters let through."""
    members = {"NAME": "Name", "TYPE": "Type"}
    namespaces = json.loads(listed(data)[2])["Namespaces"]
    for one in data.get("Filters", []):
        member = members.get(one["Name"])
        if not member:
            continue
        namespaces = [namespace for namespace in namespaces if namespace.get(member) in one["Values"]]
    return servicediscovery.json_response({"Namespaces": namespaces})


@wraps(servicediscovery, "_update_service")
def _update_discovery(update, data):
    """Of the DNS configuration only the records can change; the rest stays."""
    before = dict((servicediscovery._services.get(data.get("Id")) or {}).get("DnsConfig") or {})
    answer = update(data)
    if answer[0] == 200 and (data.get("Service") or {}).get("DnsConfig"):
        service = servicediscovery._services[data["Id"]]
        service["DnsConfig"] = {**before, **service["DnsConfig"]}
    return answer
