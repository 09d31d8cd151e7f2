"""Auto Scaling groups: what ministack forgets of them, and the calls with which CloudFormation rolls one."""

from xml.sax.saxutils import escape

from ministack.core.responses import new_uuid, now_iso
from ministack.services import autoscaling, ec2

import container_instances
from patches import replaces, wraps


def _group(parameters):
    return autoscaling._asgs.get(autoscaling._p(parameters, "AutoScalingGroupName"))


def _launch_template(given):
    """A launch template with its version, by both its names."""
    named = (given.get("LaunchTemplateId"), given.get("LaunchTemplateName"))
    known = ec2._launch_templates.values()
    found = [one for one in known if one["LaunchTemplateId"] in named or one["LaunchTemplateName"] in named]
    template = found[0] if found else given
    return {
        "LaunchTemplateId": template.get("LaunchTemplateId", ""),
        "LaunchTemplateName": template.get("LaunchTemplateName", ""),
        "Version": given.get("Version") or "$Default",
    }


def _nested(parameters, prefix):
    """The members of a structure, which the query protocol writes one by one: `A.B.member.1.C`."""
    found = {}
    for name in parameters:
        if name.startswith(f"{prefix}."):
            *way, last = name.removeprefix(f"{prefix}.").split(".")
            place = found
            for step in way:
                place = place.setdefault(step, {})
            place[last] = autoscaling._p(parameters, name)
    return found


def _shown(structure):
    """The way back from `_nested`, in an answer."""
    return "".join(
        "".join(f"<member>{_shown(one)}</member>" for _, one in sorted(value.items(), key=lambda item: int(item[0])))
        if name == "member"
        else f"<{name}>{_shown(value) if isinstance(value, dict) else escape(value)}</{name}>"
        for name, value in structure.items()
    )


# What AWS answers where the request says nothing of it.
_DISTRIBUTION = {
    "OnDemandAllocationStrategy": "prioritized",
    "OnDemandBaseCapacity": "0",
    "OnDemandPercentageAboveBaseCapacity": "100",
    "SpotAllocationStrategy": "lowest-price",
}


def _complete(group, parameters):
    """The launch template by both its names, or the instances that are mixed, and the zones of its subnets."""
    template, mixed = (_nested(parameters, name) for name in ("LaunchTemplate", "MixedInstancesPolicy"))
    if template:
        group["LaunchTemplate"] = _launch_template(template)
        group.pop("MixedInstancesPolicy", None)
    if mixed:
        types = mixed["LaunchTemplate"]
        types["LaunchTemplateSpecification"] = _launch_template(types["LaunchTemplateSpecification"])
        mixed["InstancesDistribution"] = {**_DISTRIBUTION, **mixed.get("InstancesDistribution", {})}
        group.update(MixedInstancesPolicy=mixed, LaunchTemplate={})
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


def _and_complete(call, parameters):
    answer = call(parameters)
    if answer[0] == 200:
        _complete(_group(parameters), parameters)
        container_instances.look_at(_group(parameters))
    return answer


@wraps(autoscaling, "_ACTION_MAP", "DescribeAutoScalingGroups")
def _described(describe, parameters):
    status, headers, body = describe(parameters)
    for name, group in autoscaling._asgs.items():
        if "MixedInstancesPolicy" in group:
            named = f"<AutoScalingGroupName>{name}</AutoScalingGroupName>"
            policy = f"<MixedInstancesPolicy>{_shown(group['MixedInstancesPolicy'])}</MixedInstancesPolicy>"
            body = body.replace(named.encode(), (named + policy).encode())
    return status, headers, body


wraps(autoscaling, "_ACTION_MAP", "CreateAutoScalingGroup")(_and_complete)
wraps(autoscaling, "_ACTION_MAP", "UpdateAutoScalingGroup")(_and_complete)


@wraps(autoscaling, "_ACTION_MAP", "SetDesiredCapacity")
def _set_capacity(call, parameters):
    answer = call(parameters)
    if answer[0] == 200:
        container_instances.look_at(_group(parameters))
    return answer


def _processes(parameters):
    """Nothing scales by itself here, so there is nothing to suspend or to resume."""
    if _group(parameters) is None:
        return autoscaling._error("ValidationError", "AutoScalingGroup name not found - null")
    action = autoscaling._p(parameters, "Action")
    return autoscaling._xml(200, f"{action}Response", f"<{action}Result/>")


replaces(autoscaling, "_ACTION_MAP", "SuspendProcesses")(_processes)
replaces(autoscaling, "_ACTION_MAP", "ResumeProcesses")(_processes)


def group_of(instance):
    """The name of the group that an instance is in, or an empty text."""
    groups = autoscaling._asgs.items()
    return next((name for name, one in groups if any(own["InstanceId"] == instance for own in one["Instances"])), "")


@replaces(autoscaling, "_ACTION_MAP", "TerminateInstanceInAutoScalingGroup")
def _terminate(parameters):
    """Another instance takes the place of one that is terminated, unless the group is to become smaller."""
    instance = autoscaling._p(parameters, "InstanceId")
    group = autoscaling._asgs.get(group_of(instance))
    if group is None:
        return autoscaling._error("ValidationError", f"Instance Id not found - No managed instance found: {instance}")
    group["Instances"] = [one for one in group["Instances"] if one["InstanceId"] != instance]
    if autoscaling._p(parameters, "ShouldDecrementDesiredCapacity") == "true":
        group["DesiredCapacity"] -= 1
    autoscaling._reconcile_instances(group)
    container_instances.look_at(group)
    activity = {
        "ActivityId": new_uuid(),
        "AutoScalingGroupName": group["AutoScalingGroupName"],
        "Description": f"Terminating EC2 instance: {instance}",
        "Cause": "an instance was taken out of service in response to a user request",
        "StartTime": now_iso(),
        "StatusCode": "InProgress",
        "Progress": "0",
    }
    shown = "".join(f"<{name}>{value}</{name}>" for name, value in activity.items())
    action = "TerminateInstanceInAutoScalingGroup"
    return autoscaling._xml(200, f"{action}Response", f"<{action}Result><Activity>{shown}</Activity></{action}Result>")
