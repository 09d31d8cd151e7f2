"""Task definitions as ECS gives them back: every member that was registered, and none that was not."""

import json

from ministack.core.iam_evaluator import caller_arn
from ministack.services import ecs

from patches import wraps

# What ECS itself adds to a registered definition.
_ADDED = {
    "taskDefinitionArn", "family", "revision", "status", "containerDefinitions", "volumes", "placementConstraints",
    "networkMode", "registeredAt", "registeredBy", "compatibilities", "requiresAttributes",
}

_MOST_BYTES = 64 * 1024
# What Fargate runs: memory in MiB by CPU units, least, most and step.
_FARGATE = {
    512: (1024, 4096, 1024),
    1024: (2048, 8192, 1024),
    2048: (4096, 16384, 1024),
    4096: (8192, 30720, 1024),
    8192: (16384, 61440, 4096),
    16384: (32768, 122880, 8192),
}


def _units(value, scale):
    text = str(value or "").lower().replace(" ", "")
    for suffix in ("vcpu", "gb"):
        if text.endswith(suffix):
            return int(float(text.removesuffix(suffix)) * scale)
    return int(text) if text.isdigit() else None


def _refusal(data):
    """A definition has at most 64 KiB; and Fargate has sizes of its own."""
    size = len(json.dumps(data, separators=(",", ":")).encode())
    if size > _MOST_BYTES:
        return f"Actual length: '{size}'. Max allowed length is '{_MOST_BYTES}' bytes."
    if "FARGATE" not in (data.get("requiresCompatibilities") or []):
        return None
    cpu, memory = _units(data.get("cpu"), 1024), _units(data.get("memory"), 1024)
    if cpu is None or memory is None:
        missing = "cpu" if cpu is None else "memory"
        return f"Fargate requires that '{missing}' be defined at the task level."
    if cpu == 256:
        fits = memory in (512, 1024, 2048)
    else:
        least, most, step = _FARGATE.get(cpu, (0, -1, 1))
        fits = least <= memory <= most and memory % step == 0
    return None if fits else "No Fargate configuration exists for given values."


@wraps(ecs, "_ACTION_MAP", "RegisterTaskDefinition")
def _registered(register, data):
    refusal = _refusal(data)
    if refusal:
        return ecs.error_response_json("ClientException", refusal, 400)
    status, headers, body = register(data)
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


@wraps(ecs, "_ACTION_MAP", "DescribeTaskDefinition")
def _described(describe, data):
    """Its tags only for those who ask for them."""
    status, headers, body = describe(data)
    if status != 200 or "TAGS" in (data.get("include") or []):
        return status, headers, body
    answer = json.loads(body)
    answer.pop("tags", None)
    return ecs.json_response(answer)
