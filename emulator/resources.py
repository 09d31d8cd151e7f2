"""On which resources, and with which condition keys, AWS checks the calls that stacks are made with.

ministack checks many of them on `*`, which no policy matches that names resources. The resources are those of
AWS's service authorization reference; where a call has several, the one that is narrowed in practice.
"""

from ministack.core.responses import get_account_id, get_region
from ministack.services import iam, kms, route53

import auto_scaling

_FILE_SYSTEM_PARENTS = ("/access-points", "/mount-targets")


def _first(params, *names):
    for name in names:
        value = params.get(name)
        value = value[0] if isinstance(value, list) and value else value
        if value:
            return str(value)
    return ""


def _arn(service, resource, region=None, account=None):
    region = get_region() if region is None else region
    account = get_account_id() if account is None else account
    return f"arn:aws:{service}:{region}:{account}:{resource}"


def _named(service, kind, reference):
    """The ARN of what a request names in full, in short, or not at all."""
    return reference if str(reference).startswith("arn:") else _arn(service, f"{kind}/{reference or '*'}")


def _auto_scaling_group(action, params, _data, _path):
    if action.startswith("Describe"):
        return "*"
    name = _first(params, "AutoScalingGroupName", "Tags.member.1.ResourceId")
    name = name or auto_scaling.group_of(_first(params, "InstanceId")) or "*"
    return _arn("autoscaling", f"autoScalingGroup:*:autoScalingGroupName/{name}")


def _balancing(action, params, _data, _path):
    if action.startswith("Describe"):
        return None
    balancer = "loadbalancer/net" if _first(params, "Type") == "network" else "loadbalancer/app"
    if kind := {"CreateLoadBalancer": balancer, "CreateTargetGroup": "targetgroup"}.get(action):
        return _arn("elasticloadbalancing", f"{kind}/{_first(params, 'Name')}/*")
    named = ["ResourceArns.member.1", "RuleArn", "RulePriorities.member.1.RuleArn", "ListenerArn"]
    return _first(params, *named, "TargetGroupArn", "LoadBalancerArn")


def _compute(action, params, _data, _path):
    if action.startswith("Describe"):
        return None
    if action.endswith("Tags"):
        named = _first(params, "ResourceId.1")
        return _arn("ec2", f"{_kind_of(named)}/{named}")
    kinds = (
        ("LaunchTemplate", "launch-template", "LaunchTemplateId"),
        ("FlowLogs", "vpc-flow-log", "FlowLogId.1"),
        ("SecurityGroup", "security-group", "GroupId"),
    )
    for word, kind, member in kinds:
        if word in action:
            return _arn("ec2", f"{kind}/{_first(params, member) or '*'}")
    return None


def _kind_of(identifier):
    prefixes = {"sg": "security-group", "lt": "launch-template", "fl": "vpc-flow-log", "sgr": "security-group-rule"}
    prefix = identifier.rsplit("-", 1)[0]
    return prefixes.get(prefix, prefix)


def _containers(action, _params, data, _path):
    if "CapacityProvider" in action and action != "PutClusterCapacityProviders":
        named = (data.get("capacityProviders") or [data.get("capacityProvider") or data.get("name")])[0]
        return _named("ecs", "capacity-provider", named)
    if action == "DescribeClusters":
        return _named("ecs", "cluster", (data.get("clusters") or ["default"])[0])
    if action == "CreateCluster":
        return _named("ecs", "cluster", data.get("clusterName") or "default")
    return None


def _file_systems(action, params, data, path):
    if action == "CreateFileSystem":
        return None
    named = data.get("FileSystemId") or _first(params, "FileSystemId")
    if not named and "/resource-tags/" in path:
        named = path.rsplit("/resource-tags/", 1)[1]
    if not named and (action == "DescribeFileSystems" or path.rstrip("/").endswith(_FILE_SYSTEM_PARENTS)):
        named = "*"
    if not named:
        return None
    kind = "access-point" if str(named).startswith("fsap-") else "file-system"
    return _named("elasticfilesystem", kind, named)


def _identity(action, params, _data, _path):
    path = _first(params, "Path") or "/"
    role, profile = _first(params, "RoleName"), _first(params, "InstanceProfileName")
    if profile:
        found = iam._instance_profiles.get(profile)
        return found["Arn"] if found else _arn("iam", f"instance-profile{path}{profile}", region="")
    if role:
        found = None if action == "CreateRole" else iam._roles.get(role)
        return found["Arn"] if found else _arn("iam", f"role{path}{role}", region="")
    if action == "CreatePolicy":
        return _arn("iam", f"policy{path}{_first(params, 'PolicyName')}", region="")
    return None


def _keys(action, _params, data, _path):
    if action == "CreateAlias":
        return _named("kms", "key", data.get("TargetKeyId"))
    if action in ("DeleteAlias", "UpdateAlias"):
        return _arn("kms", str(data.get("AliasName")))
    return None


def _logs(action, _params, data, _path):
    """Events are read and written stream by stream; a group may be named by its ARN."""
    group, stream = data.get("logGroupName") or data.get("logGroupIdentifier"), data.get("logStreamName")
    if not group:
        return None
    group = str(group).rsplit(":log-group:", 1)[-1].removesuffix(":*")
    if action in ("GetLogEvents", "PutLogEvents"):
        return _arn("logs", f"log-group:{group}:log-stream:{stream or '*'}")
    return _arn("logs", f"log-group:{group}")


def _metrics(action, params, data, _path):
    given = data.get("ResourceARN") or _first(params, "ResourceARN")
    if given:
        return given
    for word, kind, region in (("Dashboard", "dashboard/", ""), ("Alarm", "alarm:", None)):
        if word in action:
            named = _first(data, f"{word}Name", f"{word}Names")
            named = named or _first(params, f"{word}Name", f"{word}Names.member.1") or "*"
            return _arn("cloudwatch", kind + named, region)
    return None


def _names(action, _params, _data, path):
    """A change of records is looked at by its own id."""
    return _arn("route53", f"change/{path.rstrip('/').rsplit('/', 1)[-1]}", "", "") if action == "GetChange" else None


def _parameters(action, _params, data, _path):
    names = data.get("Names") if action == "GetParameters" else None
    if not names:
        return None
    name = str(names[0])
    # Those that AWS publishes are in no account.
    account = "" if name.startswith("/aws/service/") else None
    return _arn("ssm", f"parameter/{name.lstrip('/')}", account=account)


def _repositories(_action, _params, data, _path):
    # The calls about tags name it by its ARN.
    if data.get("resourceArn"):
        return data["resourceArn"]
    names = data.get("repositoryNames")
    return _named("ecr", "repository", names[0]) if names else None


def _rules(_action, _params, data, _path):
    named = data.get("Rule")
    return data.get("ResourceARN") or (_arn("events", f"rule/{named}") if named else None)


def _topics(action, params, _data, _path):
    """Subscriptions are not resources of IAM."""
    if action in ("GetSubscriptionAttributes", "SetSubscriptionAttributes", "Unsubscribe"):
        return "*"
    return _first(params, "ResourceArn")


def _scaling(action, _params, data, _path):
    if data.get("ResourceARN"):
        return data["ResourceARN"]
    return None if action.startswith("Describe") else _arn("application-autoscaling", "scalable-target/*")


_RESOURCES = {
    "application-autoscaling": _scaling,
    "autoscaling": _auto_scaling_group,
    "ec2": _compute,
    "ecr": _repositories,
    "ecs": _containers,
    "elasticfilesystem": _file_systems,
    "elasticloadbalancing": _balancing,
    "events": _rules,
    "iam": _identity,
    "kms": _keys,
    "logs": _logs,
    "monitoring": _metrics,
    "route53": _names,
    "sns": _topics,
    "ssm": _parameters,
}


def resource(service, action, params, data, path):
    """The ARN on which AWS checks a call; `None` where ministack's own answer stands."""
    find = _RESOURCES.get(service)
    return (find(action, params, data, path) or None) if find else None


def condition_keys(service, action, params, data):
    """The condition keys of a call that are its service's own."""
    if service == "iam":
        return _boundary(action, params)
    if service == "elasticfilesystem" and action == "CreateFileSystem":
        return {"elasticfilesystem:Encrypted": str(bool(data.get("Encrypted"))).lower()}
    if service == "kms":
        return _tags_of_key(data)
    if service == "events" and action == "PutEvents":
        return _kinds_of_events(data)
    return {}


_WITH_BOUNDARY = ("AttachRolePolicy", "DeleteRolePolicy", "DetachRolePolicy", "PutRolePolicy")


def _boundary(action, params):
    """The boundary that a role is to have, or that it has."""
    boundary = None
    if action in ("CreateRole", "PutRolePermissionsBoundary"):
        boundary = _first(params, "PermissionsBoundary")
    elif action in _WITH_BOUNDARY:
        boundary = (iam._roles.get(_first(params, "RoleName")) or {}).get("PermissionsBoundary")
    return {"iam:PermissionsBoundary": boundary} if boundary else {}


def _kinds_of_events(data):
    """Of all entries: a request has these keys once, with several values."""
    entries = [entry for entry in data.get("Entries") or [] if isinstance(entry, dict)]
    keys = {}
    for key, member in (("events:source", "Source"), ("events:detail-type", "DetailType")):
        values = [str(entry[member]) for entry in entries if entry.get(member)]
        if values:
            keys[key] = values
    return keys


_RECORD_KEYS = (("RecordTypes", "Type", str), ("NormalizedRecordNames", "Name", str.lower), ("Actions", "Action", str))


def keys_of_records(body):
    """The condition keys of a change of records, which has them once, with several values."""
    root = route53._parse_body(body)
    changes = [] if root is None else [one for one in root.iter() if one.tag.rsplit("}", 1)[-1] == "Change"]
    keys = {}
    for key, member, normal in _RECORD_KEYS:
        found = [one.text or "" for change in changes for one in change.iter() if one.tag.rsplit("}", 1)[-1] == member]
        keys[f"route53:ChangeResourceRecordSets{key}"] = sorted({normal(value.rstrip(".")) for value in found})
    return keys


def _tags_of_key(data):
    named = _first(data, "KeyId", "TargetKeyId", "AliasName")
    record = kms._resolve_key(named) if named else None
    tags = (record or {}).get("Tags") or []
    return {f"aws:ResourceTag/{tag['TagKey']}": tag["TagValue"] for tag in tags}
