"""Task definitions as ECS gives them back: every member that was registered, and none that was not."""

import json

from ministack.core.iam_evaluator import caller_arn
from ministack.services import ecs

_register = ecs._register_task_definition
_describe = ecs._describe_task_definition

# What ECS itself adds to a registered definition.
_ADDED = {
    "taskDefinitionArn",
    "family",
    "revision",
    "status",
    "containerDefinitions",
    "volumes",
    "placementConstraints",
    "networkMode",
    "registeredAt",
    "registeredBy",
    "compatibilities",
    "requiresAttributes",
}


def _registered(data):
    status, headers, body = _register(data)
    if status != 200:
        return status, headers, body
    answer = json.loads(body)
    definition = ecs._task_defs[ecs._resolve_td_key(answer["taskDefinition"]["taskDefinitionArn"])]
    for member in list(definition):
        if member not in _ADDED and member not in data:
            del definition[member]
    for member, value in data.items():
        if member not in ("tags", *_ADDED):
            definition[member] = value
    for container in definition["containerDefinitions"]:
        # ECS gives these lists back for every container, empty or not.
        for member in ("environment", "mountPoints", "volumesFrom", "portMappings", "systemControls"):
            container.setdefault(member, [])
    definition["requiresAttributes"] = [{"name": "com.amazonaws.ecs.capability.docker-remote-api.1.18"}]
    definition["registeredBy"] = caller_arn() or definition["registeredBy"]
    shown = {"taskDefinition": definition}
    if data.get("tags"):
        shown["tags"] = data["tags"]
    return ecs.json_response(shown)


def _described(data):
    status, headers, body = _describe(data)
    if status != 200:
        return status, headers, body
    answer = json.loads(body)
    # Tags only for those who ask for them.
    if "TAGS" not in (data.get("include") or []):
        answer.pop("tags", None)
    return ecs.json_response(answer)


def install():
    ecs._register_task_definition = ecs._ACTION_MAP["RegisterTaskDefinition"] = _registered
    ecs._describe_task_definition = ecs._ACTION_MAP["DescribeTaskDefinition"] = _described
