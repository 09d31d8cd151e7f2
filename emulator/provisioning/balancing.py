"""Elastic Load Balancing: load balancers, listeners, their rules, target groups."""

from provisioning.resource import ResourceType, changed, chosen, difference, ignoring_missing, register


class _Balancing(ResourceType):
    service, service_name = "elbv2", "ElasticLoadBalancingV2"
    tagging, untagging, tagged_by = "add_tags", "remove_tags", "ResourceArns"

    def settings_as_written(self, work, arn, properties):
        """Of the list of Key and Value what the template sets, in its order."""
        name, modify = self.settings
        describe = getattr(work.client("elbv2"), modify.replace("modify", "describe"))
        values = {one["Key"]: one.get("Value") for one in describe(**{self.id_member: arn})["Attributes"]}
        return {name: [{"Key": one["Key"], "Value": values.get(one["Key"])} for one in properties.get(name) or []]}


@register
class LoadBalancer(_Balancing):
    name = "AWS::ElasticLoadBalancingV2::LoadBalancer"
    named_by, longest_name = "Name", 32
    creates = ("create_load_balancer", "LoadBalancers", 0, "LoadBalancerArn")
    apart = ("LoadBalancerAttributes",)
    settings = ("LoadBalancerAttributes", "modify_load_balancer_attributes")
    modifies = (("set_security_groups", "SecurityGroups"), ("set_subnets", "Subnets"))
    absent = {"SecurityGroups": []}
    deletes, id_member = "delete_load_balancer", "LoadBalancerArn"
    describes = ("describe_load_balancers", "LoadBalancerArns", "LoadBalancers")
    shown = {"LoadBalancerFullName": "{path}"}
    gives = {name: name for name in ("LoadBalancerArn", "DNSName", "LoadBalancerName", "SecurityGroups")}
    gives["CanonicalHostedZoneID"] = "CanonicalHostedZoneId"

    def await_ready(self, work, arn):
        work.wait("load balancer is not active", lambda: self.described(work, arn)["State"]["Code"] == "active")

    def as_written(self, work, physical_id, found, properties):
        return {
            "Name": found["LoadBalancerName"],
            **chosen(found, "Scheme", "Type"),
            "SecurityGroups": sorted(found.get("SecurityGroups", [])),
            "Subnets": sorted(zone["SubnetId"] for zone in found.get("AvailabilityZones", [])),
            **self.settings_as_written(work, physical_id, properties),
        }


@register
class TargetGroup(_Balancing):
    name = "AWS::ElasticLoadBalancingV2::TargetGroup"
    named_by, longest_name = "Name", 32
    creates = ("create_target_group", "TargetGroups", 0, "TargetGroupArn")
    apart = ("TargetGroupAttributes",)
    settings = ("TargetGroupAttributes", "modify_target_group_attributes")
    modifies = (
        (
            "modify_target_group", "HealthCheckEnabled", "HealthCheckIntervalSeconds", "HealthCheckPath",
            "HealthCheckPort", "HealthCheckProtocol", "HealthCheckTimeoutSeconds", "HealthyThresholdCount", "Matcher",
            "UnhealthyThresholdCount",
        ),
    )
    deletes, id_member = "delete_target_group", "TargetGroupArn"
    describes = ("describe_target_groups", "TargetGroupArns", "TargetGroups")
    shown = {"TargetGroupArn": "{id}", "TargetGroupFullName": "{resource}"}
    gives = {"TargetGroupName": "TargetGroupName", "LoadBalancerArns": "LoadBalancerArns"}

    def as_written(self, work, physical_id, found, properties):
        settings = self.settings_as_written(work, physical_id, properties)
        return {**found, "Name": found["TargetGroupName"], **settings}


def _actions_as_written(actions, wanted):
    """ELB says more of an action than was asked of it."""
    result = []
    for action, asked in zip(actions, wanted or []):
        kept = {name: value for name, value in action.items() if name in asked}
        forward = kept.get("ForwardConfig")
        if forward:
            groups = asked["ForwardConfig"].get("TargetGroups", [])
            names = set(groups[0]) if groups else {"TargetGroupArn"}
            kept["ForwardConfig"] = {
                **{name: value for name, value in forward.items() if name in asked["ForwardConfig"]},
                "TargetGroups": [chosen(one, *names) for one in forward.get("TargetGroups", [])],
            }
        result.append(kept)
    return result + actions[len(wanted or []) :]


@register
class Listener(_Balancing):
    name = "AWS::ElasticLoadBalancingV2::Listener"
    creates = ("create_listener", "Listeners", 0, "ListenerArn")
    deletes, id_member = "delete_listener", "ListenerArn"
    describes = ("describe_listeners", "ListenerArns", "Listeners")
    modifies = (("modify_listener", "Port", "Protocol", "SslPolicy", "Certificates", "DefaultActions"),)
    shown = {"ListenerArn": "{id}"}

    def as_written(self, work, physical_id, found, properties):
        return {
            **found,
            "DefaultActions": _actions_as_written(found.get("DefaultActions", []), properties.get("DefaultActions")),
            "Certificates": [chosen(one, "CertificateArn") for one in found.get("Certificates", [])],
        }


@register
class ListenerCertificate(_Balancing):
    """The certificates of a listener beside its default one."""

    name = "AWS::ElasticLoadBalancingV2::ListenerCertificate"
    tags = None

    def create(self, work, properties):
        self.put(work, work.client("elbv2"), "", {}, properties)
        return work.made(work.name(64))

    def put(self, work, elb, identifier, old, new):
        added, gone = difference(old, new, "Certificates")
        listener = (new or old)["ListenerArn"]
        if added:
            elb.add_listener_certificates(ListenerArn=listener, Certificates=added)
        if gone:
            ignoring_missing(elb.remove_listener_certificates, ListenerArn=listener, Certificates=gone)

    def delete(self, work, physical_id, properties):
        self.put(work, work.client("elbv2"), physical_id, properties, {})


_CONDITIONS = {
    "host-header": "HostHeaderConfig",
    "path-pattern": "PathPatternConfig",
    "http-request-method": "HttpRequestMethodConfig",
    "source-ip": "SourceIpConfig",
}


@register
class ListenerRule(_Balancing):
    name = "AWS::ElasticLoadBalancingV2::ListenerRule"
    creates = ("create_rule", "Rules", 0, "RuleArn")
    deletes, id_member = "delete_rule", "RuleArn"
    describes = ("describe_rules", "RuleArns", "Rules")
    shown = {"RuleArn": "{id}", "IsDefault": "false"}
    modifies = (("modify_rule", "Actions", "Conditions"),)

    def modify(self, work, elb, arn, old, new):
        super().modify(work, elb, arn, old, new)
        if changed(old, new, "Priority"):
            elb.set_rule_priorities(RulePriorities=[{"RuleArn": arn, "Priority": int(new["Priority"])}])

    def as_written(self, work, physical_id, rule, properties):
        wanted = {one.get("Field"): one for one in properties.get("Conditions", [])}
        conditions = []
        for condition in rule["Conditions"]:
            field = condition["Field"]
            values = condition.get("Values") or (condition.get(_CONDITIONS.get(field, "")) or {}).get("Values", [])
            shown = {"Field": field}
            for name in wanted.get(field, condition):
                if name == "Values":
                    shown["Values"] = values
                elif name != "Field":
                    shown[name] = condition.get(name) or {"Values": values}
            conditions.append(shown)
        priority = rule["Priority"]
        return {
            "Priority": int(priority) if str(priority).isdigit() else priority,
            "Conditions": conditions,
            "Actions": _actions_as_written(rule["Actions"], properties.get("Actions")),
        }
