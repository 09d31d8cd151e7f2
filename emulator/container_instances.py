"""EC2 container instances: an instance of an Auto Scaling group joins the cluster that its user data names, if its role
may do what the agent of ECS needs.

Instances are only records. Each tries to join once, when its group gets it, as the agent does: it retries nothing that
IAM has refused. A task of a capacity provider with such a group starts only where an instance of the group has joined.
"""

import base64
import re

from ministack.core.iam_evaluator import enforce
from ministack.core.responses import AccountRegionScopedDict, get_account_id, get_region
from ministack.services import autoscaling, ec2, ecs, iam

from patches import replaces
from provisioning import calls

_PRINCIPAL = "ec2.amazonaws.com"
_SETTING = re.compile(r"^\s*(ECS_[A-Z_]+)=[\"']?(.*?)[\"']?\s*$", re.MULTILINE)
# What the agent needs on its cluster: to join it, and to report what becomes of its tasks.
_ON_THE_CLUSTER = (
    "ecs:RegisterContainerInstance", "ecs:SubmitAttachmentStateChanges", "ecs:SubmitContainerStateChange",
    "ecs:SubmitTaskStateChange",
)
_TAGS_FROM = "ECS_CONTAINER_INSTANCE_PROPAGATE_TAGS_FROM"
_NO_INSTANCES = "No Container Instances were found in your cluster."

# Every instance that tried, by its id: the container instance, or why there is none.
_instances = AccountRegionScopedDict()


def tried():
    """Every instance that tried to join a cluster, for the control server."""
    return [dict(one) for _, one in _instances.all_items()]


def look_at(group):
    """Lets the instances of a group that are new try to join. Those that are gone leave their cluster."""
    name, present = group["AutoScalingGroupName"], {one["InstanceId"] for one in group["Instances"]}
    for identifier in [key for key, one in _instances.items() if one["group"] == name and key not in present]:
        del _instances[identifier]
    for identifier in present:
        if identifier not in _instances:
            _instances[identifier] = _tried(identifier, group)


def _tried(identifier, group):
    mixed = (group.get("MixedInstancesPolicy") or {}).get("LaunchTemplate") or {}
    data = _launch_data(group.get("LaunchTemplate") or mixed.get("LaunchTemplateSpecification") or {})
    text = base64.b64decode(data.get("UserData") or "").decode(errors="replace")
    settings = dict(_SETTING.findall(text))
    cluster = settings.get("ECS_CLUSTER", "default")
    place, own = f"{get_region()}:{get_account_id()}", ecs.new_uuid().replace("-", "")
    arn = f"arn:aws:ecs:{place}:container-instance/{cluster}/{own}"
    tagged = settings.get(_TAGS_FROM) == "ec2_instance" and any(tag["PropagateAtLaunch"] for tag in group["Tags"])
    refused = _refused(settings, cluster, arn, _role(data.get("IamInstanceProfile") or {}), tagged)
    if refused:
        ecs.logger.warning("instance %s does not join cluster %s: %s", identifier, cluster, refused)
    name = group["AutoScalingGroupName"]
    return {"id": identifier, "group": name, "cluster": cluster, "arn": arn, "refused": refused}


def _launch_data(named):
    template = ec2._launch_templates.get(named.get("LaunchTemplateId")) or {"Versions": []}
    number = str(named.get("Version") or "$Default")
    number = {
        "$Default": str(template.get("DefaultVersionNumber")), "$Latest": str(template.get("LatestVersionNumber"))
    }.get(number, number)
    found = [one for one in template["Versions"] if str(one["VersionNumber"]) == number]
    return found[0]["LaunchTemplateData"] if found else {}


def _role(profile):
    name = profile.get("Name") or profile.get("Arn", "").rsplit("/", 1)[-1]
    names = (iam._instance_profiles.get(name) or {}).get("Roles") or [""]
    return calls.role_of((iam._roles.get(names[0]) or {}).get("Arn"), _PRINCIPAL)


def _refused(settings, cluster, arn, role, tagged):
    """Why the agent does not join, or None."""
    if cluster not in ecs._clusters or ecs._clusters[cluster].get("status") != "ACTIVE":
        return f"cluster {cluster} does not exist"
    if role is None:
        return "it has no role that trusts EC2"
    key = calls.keys_of_role(role, "instance")["AccessKeyId"]
    for action, resource, context in _needed(settings, ecs._clusters[cluster]["clusterArn"], arn, tagged):
        service = action.split(":")[0]
        if enforce(key, action, service, get_region(), resource_arn=resource, service_context=context):
            return f"{role['RoleName']} may not {action}"
    return None


def _needed(settings, cluster, arn, tagged):
    """The calls of the agent: action, resource, condition keys."""
    yield "ecs:DiscoverPollEndpoint", "*", {}
    for action in _ON_THE_CLUSTER:
        yield action, cluster, {}
    yield "ecs:Poll", arn, {"ecs:cluster": cluster}
    if settings.get(_TAGS_FROM) == "ec2_instance":
        yield "ec2:DescribeTags", "*", {}
    if tagged:
        yield "ecs:TagResource", arn, {"ecs:CreateAction": "RegisterContainerInstance"}


def refusal(cluster, request):
    """Why no instance takes a task of this request, in the words of ECS; None if one does, or none is needed."""
    launch_type, strategy, _ = ecs._launch_choice(request, ecs._clusters.get(cluster))
    _, provider = ecs._task_capacity(launch_type, strategy)
    settings = (ecs._capacity_providers.get(provider) or {}).get("autoScalingGroupProvider")
    if not settings:
        return None
    group = autoscaling._asgs.get(settings["autoScalingGroupArn"].rsplit("/", 1)[-1])
    if group is None:
        return _NO_INSTANCES
    if not group["Instances"] and (settings.get("managedScaling") or {}).get("status") == "ENABLED":
        # ECS scales the group out for a task that waits.
        group["DesiredCapacity"] = min(1, group["MaxSize"])
        autoscaling._reconcile_instances(group)
        look_at(group)
    return None if any(_joined(cluster, group["AutoScalingGroupName"])) else _NO_INSTANCES


def joined(cluster):
    """The container instances of a cluster, by their ARNs."""
    return [one["arn"] for one in _joined(cluster)]


def _joined(cluster, group=None):
    for one in list(_instances.values()):
        if one["cluster"] == cluster and group in (None, one["group"]) and not one["refused"]:
            yield one


@replaces(ecs, "_ACTION_MAP", "ListContainerInstances")
def _listed(data):
    cluster = ecs._resolve_cluster_name(data.get("cluster", "default"))
    return ecs.json_response({"containerInstanceArns": joined(cluster)})
