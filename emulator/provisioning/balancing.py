"""Elastic Load Balancing: load balancers, listeners, their rules, target groups."""

from provisioning.resource import (
    ResourceType,
    changed,
    chosen,
    exists,
    ignoring_missing,
    register,
    tag_changes,
    tag_list,
    without,
)


class _Balancing(ResourceType):
    service_name = "ElasticLoadBalancingV2"


def _retag(elb, arn, old, new):
    added, removed = tag_changes(old.get("Tags"), new.get("Tags"))
    if added:
        elb.add_tags(ResourceArns=[arn], Tags=tag_list(added))
    if removed:
        elb.remove_tags(ResourceArns=[arn], TagKeys=removed)


def _attributes(old, new):
    """The attributes to set; one that left the template stays as it is, as on AWS."""
    return [one for one in new or [] if one not in (old or [])]


def _settings(given, wanted):
    """Of a list of Key and Value what the template sets, in its order."""
    values = {one["Key"]: one.get("Value") for one in given}
    return [{"Key": one["Key"], "Value": values.get(one["Key"])} for one in wanted or []]


@register
class LoadBalancer(_Balancing):
    name = "AWS::ElasticLoadBalancingV2::LoadBalancer"
    named_by = "Name"

    def create(self, work, properties):
        elb = work.client("elbv2")
        request = chosen(
            properties,
            "Subnets",
            "SubnetMappings",
            "SecurityGroups",
            "Scheme",
            "Tags",
            "Type",
            "IpAddressType",
            "EnablePrefixForIpv6SourceNat",
        )
        name = properties.get("Name") or work.name(32)
        answer = elb.create_load_balancer(Name=name, **request)["LoadBalancers"][0]
        arn = work.made(answer["LoadBalancerArn"])
        if properties.get("LoadBalancerAttributes"):
            elb.modify_load_balancer_attributes(
                LoadBalancerArn=arn, Attributes=properties["LoadBalancerAttributes"]
            )
        work.wait("load balancer is not active", lambda: self._described(work, arn)["State"]["Code"] == "active")
        return arn

    def _described(self, work, arn):
        found = exists(work.client("elbv2").describe_load_balancers, LoadBalancerArns=[arn])
        return found["LoadBalancers"][0] if found and found["LoadBalancers"] else None

    def update(self, work, physical_id, old, new):
        elb = work.client("elbv2")
        if changed(old, new, "SecurityGroups"):
            elb.set_security_groups(LoadBalancerArn=physical_id, SecurityGroups=new.get("SecurityGroups", []))
        if changed(old, new, "Subnets", "SubnetMappings"):
            elb.set_subnets(LoadBalancerArn=physical_id, **chosen(new, "Subnets", "SubnetMappings"))
        if changed(old, new, "IpAddressType"):
            elb.set_ip_address_type(LoadBalancerArn=physical_id, IpAddressType=new.get("IpAddressType", "ipv4"))
        attributes = _attributes(old.get("LoadBalancerAttributes"), new.get("LoadBalancerAttributes"))
        if attributes:
            elb.modify_load_balancer_attributes(LoadBalancerArn=physical_id, Attributes=attributes)
        _retag(elb, physical_id, old, new)

    def delete(self, work, physical_id, properties):
        ignoring_missing(work.client("elbv2").delete_load_balancer, LoadBalancerArn=physical_id)

    def attributes(self, work, physical_id, properties):
        found = self._described(work, physical_id) or {}
        return {
            "LoadBalancerArn": physical_id,
            "DNSName": found.get("DNSName", ""),
            "CanonicalHostedZoneID": found.get("CanonicalHostedZoneId", ""),
            "LoadBalancerFullName": physical_id.split(":loadbalancer/", 1)[-1],
            "LoadBalancerName": found.get("LoadBalancerName", ""),
            "SecurityGroups": found.get("SecurityGroups", []),
        }

    def read(self, work, physical_id, properties):
        found = self._described(work, physical_id)
        if found is None:
            return None
        elb = work.client("elbv2")
        given = elb.describe_load_balancer_attributes(LoadBalancerArn=physical_id)["Attributes"]
        return {
            "Name": found["LoadBalancerName"],
            "Scheme": found.get("Scheme"),
            "Type": found.get("Type"),
            "IpAddressType": found.get("IpAddressType"),
            "SecurityGroups": sorted(found.get("SecurityGroups", [])),
            "Subnets": sorted(zone["SubnetId"] for zone in found.get("AvailabilityZones", [])),
            "LoadBalancerAttributes": _settings(given, properties.get("LoadBalancerAttributes")),
        }


@register
class TargetGroup(_Balancing):
    name = "AWS::ElasticLoadBalancingV2::TargetGroup"
    named_by = "Name"
    _CHECKS = (
        "HealthCheckEnabled",
        "HealthCheckIntervalSeconds",
        "HealthCheckPath",
        "HealthCheckPort",
        "HealthCheckProtocol",
        "HealthCheckTimeoutSeconds",
        "HealthyThresholdCount",
        "Matcher",
        "UnhealthyThresholdCount",
    )

    def create(self, work, properties):
        elb = work.client("elbv2")
        request = without(properties, "Name", "Targets", "TargetGroupAttributes")
        name = properties.get("Name") or work.name(32)
        arn = work.made(elb.create_target_group(Name=name, **request)["TargetGroups"][0]["TargetGroupArn"])
        if properties.get("TargetGroupAttributes"):
            elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=properties["TargetGroupAttributes"])
        if properties.get("Targets"):
            elb.register_targets(TargetGroupArn=arn, Targets=properties["Targets"])
        return arn

    def update(self, work, physical_id, old, new):
        elb = work.client("elbv2")
        if changed(old, new, *self._CHECKS):
            elb.modify_target_group(TargetGroupArn=physical_id, **chosen(new, *self._CHECKS))
        attributes = _attributes(old.get("TargetGroupAttributes"), new.get("TargetGroupAttributes"))
        if attributes:
            elb.modify_target_group_attributes(TargetGroupArn=physical_id, Attributes=attributes)
        before, after = old.get("Targets") or [], new.get("Targets") or []
        gone, added = [one for one in before if one not in after], [one for one in after if one not in before]
        if gone:
            elb.deregister_targets(TargetGroupArn=physical_id, Targets=gone)
        if added:
            elb.register_targets(TargetGroupArn=physical_id, Targets=added)
        _retag(elb, physical_id, old, new)

    def delete(self, work, physical_id, properties):
        ignoring_missing(work.client("elbv2").delete_target_group, TargetGroupArn=physical_id)

    def _described(self, work, arn):
        found = exists(work.client("elbv2").describe_target_groups, TargetGroupArns=[arn])
        return found["TargetGroups"][0] if found and found["TargetGroups"] else None

    def attributes(self, work, physical_id, properties):
        found = self._described(work, physical_id) or {}
        return {
            "TargetGroupArn": physical_id,
            "TargetGroupName": found.get("TargetGroupName", ""),
            "TargetGroupFullName": physical_id.rsplit(":", 1)[-1],
            "LoadBalancerArns": found.get("LoadBalancerArns", []),
        }

    def read(self, work, physical_id, properties):
        found = self._described(work, physical_id)
        if found is None:
            return None
        given = work.client("elbv2").describe_target_group_attributes(TargetGroupArn=physical_id)["Attributes"]
        wanted = properties.get("TargetGroupAttributes")
        return {**found, "Name": found["TargetGroupName"], "TargetGroupAttributes": _settings(given, wanted)}


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

    def create(self, work, properties):
        elb = work.client("elbv2")
        request = without(properties, "ListenerAttributes")
        arn = work.made(elb.create_listener(**request)["Listeners"][0]["ListenerArn"])
        if properties.get("ListenerAttributes"):
            elb.modify_listener_attributes(ListenerArn=arn, Attributes=properties["ListenerAttributes"])
        return arn

    def update(self, work, physical_id, old, new):
        elb = work.client("elbv2")
        request = without(new, "ListenerAttributes", "LoadBalancerArn", "Tags")
        if changed(old, new, *request, *without(old, "ListenerAttributes", "LoadBalancerArn", "Tags")):
            elb.modify_listener(ListenerArn=physical_id, **request)
        attributes = _attributes(old.get("ListenerAttributes"), new.get("ListenerAttributes"))
        if attributes:
            elb.modify_listener_attributes(ListenerArn=physical_id, Attributes=attributes)
        _retag(elb, physical_id, old, new)

    def delete(self, work, physical_id, properties):
        ignoring_missing(work.client("elbv2").delete_listener, ListenerArn=physical_id)

    def attributes(self, work, physical_id, properties):
        return {"ListenerArn": physical_id}

    def read(self, work, physical_id, properties):
        found = exists(work.client("elbv2").describe_listeners, ListenerArns=[physical_id])
        if not found or not found["Listeners"]:
            return None
        listener = without(found["Listeners"][0], "ListenerAttributes")
        listener["DefaultActions"] = _actions_as_written(
            listener.get("DefaultActions", []), properties.get("DefaultActions")
        )
        listener["Certificates"] = [chosen(one, "CertificateArn") for one in listener.get("Certificates", [])]
        return listener


_CONDITIONS = {
    "host-header": "HostHeaderConfig",
    "path-pattern": "PathPatternConfig",
    "http-request-method": "HttpRequestMethodConfig",
    "source-ip": "SourceIpConfig",
}


@register
class ListenerRule(_Balancing):
    name = "AWS::ElasticLoadBalancingV2::ListenerRule"

    def create(self, work, properties):
        return work.made(work.client("elbv2").create_rule(**properties)["Rules"][0]["RuleArn"])

    def update(self, work, physical_id, old, new):
        elb = work.client("elbv2")
        if changed(old, new, "Actions", "Conditions", "Transforms"):
            elb.modify_rule(RuleArn=physical_id, **chosen(new, "Actions", "Conditions", "Transforms"))
        if changed(old, new, "Priority"):
            elb.set_rule_priorities(RulePriorities=[{"RuleArn": physical_id, "Priority": int(new["Priority"])}])
        _retag(elb, physical_id, old, new)

    def delete(self, work, physical_id, properties):
        ignoring_missing(work.client("elbv2").delete_rule, RuleArn=physical_id)

    def attributes(self, work, physical_id, properties):
        return {"RuleArn": physical_id, "IsDefault": "false"}

    def read(self, work, physical_id, properties):
        found = exists(work.client("elbv2").describe_rules, RuleArns=[physical_id])
        if not found or not found["Rules"]:
            return None
        rule = found["Rules"][0]
        wanted = {one.get("Field"): one for one in properties.get("Conditions", [])}
        conditions = []
        for condition in rule["Conditions"]:
            asked = wanted.get(condition["Field"], condition)
            values = condition.get("Values") or (
                condition.get(_CONDITIONS.get(condition["Field"], "")) or {}
            ).get("Values", [])
            shown = {"Field": condition["Field"]}
            for name in asked:
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
