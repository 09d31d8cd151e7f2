"""Application Auto Scaling, which ministack lacks: what is registered is kept and shown, and nothing scales.

One thing it does: a target that lies outside of its new limits is set to the nearer one, as on AWS.
"""

import json
import threading
import time
import uuid

from ministack import app
from ministack.core import iam_actions
from ministack.core.responses import AccountRegionScopedDict, error_response_json, get_account_id, get_region
from ministack.core.responses import json_response
from ministack.services import ecs

from patches import replaces

SERVICE = "application-autoscaling"
_TARGET = ("ServiceNamespace", "ResourceId", "ScalableDimension")

_targets = AccountRegionScopedDict()
_policies = AccountRegionScopedDict()
_scheduled_actions = AccountRegionScopedDict()
_tags = AccountRegionScopedDict()
_lock = threading.RLock()


class _Problem(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def _key(data):
    return "|".join(str(data[name]) for name in _TARGET)


def _arn(service, resource):
    return f"arn:aws:{service}:{get_region()}:{get_account_id()}:{resource}"


def _required(data, *names):
    missing = [name for name in names if data.get(name) in (None, "")]
    if missing:
        listed = "; ".join(
            f"Value null at '{name[0].lower()}{name[1:]}' failed to satisfy constraint: Member must not be null"
            for name in missing
        )
        raise _Problem("ValidationException", f"{len(missing)} validation error detected: {listed}")


def _target(data):
    found = _targets.get(_key(data))
    if found is None:
        raise _Problem("ObjectNotFoundException", f"No scalable target registered for {_place(data)}")
    return found


def _place(data):
    return (
        f"service namespace: {data['ServiceNamespace']}, resource ID: {data['ResourceId']}, "
        f"scalable dimension: {data['ScalableDimension']}"
    )


def _service_of(data):
    """The ECS service that a target is about: its cluster, its name and its record."""
    if data["ScalableDimension"] != "ecs:service:DesiredCount":
        return None
    _, cluster, name = data["ResourceId"].split("/", 2)
    return cluster, name, ecs._services.get(f"{cluster}/{name}")


def _register(data):
    _required(data, *_TARGET)
    service = _service_of(data)
    if service is not None and (service[2] is None or service[2].get("status") != "ACTIVE"):
        raise _Problem("ValidationException", f"ECS service doesn't exist: {data['ResourceId']}")
    before = _targets.get(_key(data)) or {}
    if not before:
        _required(data, "MinCapacity", "MaxCapacity")
    merged = {**before, **{name: value for name, value in data.items() if name != "Tags"}}
    if merged["MinCapacity"] > merged["MaxCapacity"]:
        raise _Problem("ValidationException", "Maximum capacity cannot be less than minimum capacity")
    if not before:
        merged["ScalableTargetARN"] = _arn("application-autoscaling", f"scalable-target/0ec5{uuid.uuid4().hex[:24]}")
        merged["CreationTime"] = time.time()
        merged.setdefault(
            "RoleARN",
            f"arn:aws:iam::{get_account_id()}:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/"
            "AWSServiceRoleForApplicationAutoScaling_ECSService",
        )
    kinds = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")
    merged["SuspendedState"] = {
        **dict.fromkeys(kinds, False),
        **(before.get("SuspendedState") or {}),
        **(data.get("SuspendedState") or {}),
    }
    _targets[_key(data)] = merged
    _add_tags(merged["ScalableTargetARN"], data)
    if service is not None:
        _set_within(service, merged)
    return {"ScalableTargetARN": merged["ScalableTargetARN"]}


def _set_within(service, target):
    cluster, name, record = service
    wanted = min(max(record["desiredCount"], target["MinCapacity"]), target["MaxCapacity"])
    if wanted != record["desiredCount"]:
        ecs._ACTION_MAP["UpdateService"]({"cluster": cluster, "service": name, "desiredCount": wanted})


def _deregister(data):
    _required(data, *_TARGET)
    target = _target(data)
    _targets.pop(_key(data))
    _tags.pop(target["ScalableTargetARN"], None)
    for key in [key for key in _policies if key.startswith(_key(data) + "|")]:
        _policies.pop(key)
    for key in [key for key in _scheduled_actions if key.startswith(_key(data) + "|")]:
        _scheduled_actions.pop(key)
    return {}


def _chosen(store, data, *filters):
    """What a request asks for: by members with one value, and by lists of values for a member."""

    def fits(one):
        alike = all(data.get(name) in (None, "", one[name]) for name in ("ServiceNamespace", "ScalableDimension"))
        return alike and all(not data.get(given) or one.get(name) in data[given] for given, name in filters)

    return [one for one in store.values() if fits(one)]


def _describe_targets(data):
    _required(data, "ServiceNamespace")
    return {"ScalableTargets": _chosen(_targets, data, ("ResourceIds", "ResourceId"))}


def _put_policy(data):
    _required(data, "PolicyName", *_TARGET)
    _target(data)
    key = f"{_key(data)}|{data['PolicyName']}"
    before = _policies.get(key) or {}
    kind = data.get("PolicyType") or before.get("PolicyType") or "StepScaling"
    wanted = f"{kind}PolicyConfiguration"
    if kind in ("StepScaling", "TargetTrackingScaling") and not data.get(wanted):
        raise _Problem("ValidationException", f"{wanted} is required for the policy type {kind}")
    place = f"{data['ServiceNamespace']}/{data['ResourceId']}:policyName/{data['PolicyName']}"
    arn = before.get("PolicyARN") or _arn("autoscaling", f"scalingPolicy:{uuid.uuid4()}:resource/{place}")
    created = before.get("CreationTime") or time.time()
    _policies[key] = {**data, "PolicyType": kind, "PolicyARN": arn, "Alarms": [], "CreationTime": created}
    return {"PolicyARN": arn, "Alarms": []}


def _forget(kept, data, what, named):
    name = data.get(named)
    if kept.pop(f"{_key(data)}|{name}", None) is None:
        message = f"No {what} found for {_place(data)}, {what.removeprefix('scaling ')} name: {name}"
        raise _Problem("ObjectNotFoundException", message)
    return {}


def _delete_policy(data):
    return _forget(_policies, data, "scaling policy", "PolicyName")


def _describe_policies(data):
    _required(data, "ServiceNamespace")
    named = {**data, "ResourceIds": [data["ResourceId"]] if data.get("ResourceId") else []}
    return {"ScalingPolicies": _chosen(_policies, named, ("ResourceIds", "ResourceId"), ("PolicyNames", "PolicyName"))}


def _put_scheduled_action(data):
    _required(data, "ScheduledActionName", *_TARGET)
    _target(data)
    key = f"{_key(data)}|{data['ScheduledActionName']}"
    before = _scheduled_actions.get(key) or {}
    if not before:
        _required(data, "Schedule", "ScalableTargetAction")
    place = f"{data['ServiceNamespace']}/{data['ResourceId']}:scheduledActionName/{data['ScheduledActionName']}"
    made = {
        "ScheduledActionARN": _arn("autoscaling", f"scheduledAction:{uuid.uuid4()}:resource/{place}"),
        "CreationTime": time.time(),
    }
    _scheduled_actions[key] = {**made, **before, **data}
    return {}


def _delete_scheduled_action(data):
    return _forget(_scheduled_actions, data, "scheduled action", "ScheduledActionName")


def _describe_scheduled_actions(data):
    _required(data, "ServiceNamespace")
    names = ("ScheduledActionNames", "ScheduledActionName")
    return {"ScheduledActions": _chosen(_scheduled_actions, _of_resource(data), ("ResourceIds", "ResourceId"), names)}


def _with_tags(data):
    arn = data.get("ResourceARN")
    if not any(target["ScalableTargetARN"] == arn for target in _targets.values()):
        raise _Problem("ResourceNotFoundException", f"The resource doesn't exist: {arn}")
    return arn


def _add_tags(arn, data):
    _tags[arn] = {**(_tags.get(arn) or {}), **(data.get("Tags") or {})}


def _tag(data):
    _add_tags(_with_tags(data), data)
    return {}


def _untag(data):
    arn = _with_tags(data)
    _tags[arn] = {key: value for key, value in (_tags.get(arn) or {}).items() if key not in data["TagKeys"]}
    return {}


_OPERATIONS = {
    "RegisterScalableTarget": _register,
    "DeregisterScalableTarget": _deregister,
    "DescribeScalableTargets": _describe_targets,
    "PutScalingPolicy": _put_policy,
    "DeleteScalingPolicy": _delete_policy,
    "DescribeScalingPolicies": _describe_policies,
    "PutScheduledAction": _put_scheduled_action,
    "DeleteScheduledAction": _delete_scheduled_action,
    "DescribeScheduledActions": _describe_scheduled_actions,
    "ListTagsForResource": lambda data: {"Tags": _tags.get(_with_tags(data)) or {}},
    "TagResource": _tag,
    "UntagResource": _untag,
}


@replaces(app, "SERVICE_HANDLERS", SERVICE)
async def _handle(method, path, headers, body, query_params):
    operation = _OPERATIONS.get(headers.get("x-amz-target", "").rsplit(".", 1)[-1])
    if operation is None:
        return error_response_json("UnknownOperationException", "unknown operation", 400)
    try:
        with _lock:
            return json_response(operation(json.loads(body or b"{}")))
    except _Problem as problem:
        return error_response_json(problem.code, str(problem), 400)


replaces(iam_actions, "SERVICE_TO_IAM_NAMESPACE", SERVICE)(SERVICE)
