"""RunTask as its callers know it: refused where AWS refuses it, and carried out once for each client token."""

import json
import re
import threading

from ministack.core.responses import get_account_id, get_region
from ministack.services import ecs

import container_instances
from patches import replaces

_MOST_TASKS = 10
_LONGEST_OVERRIDES = 8192
_MOST_SUBNETS = 16
_CLIENT_TOKEN = re.compile(r"[!-~]{1,64}")
# RunTask's description says which characters, and how many.
_STARTED_BY = re.compile(r"[A-Za-z0-9/_-]{0,128}")

# The requests that were carried out under a token, and their tasks' ARNs.
_carried_out = {}
_lock = threading.Lock()


def _invalid(message):
    return ecs.error_response_json("InvalidParameterException", message, 400)


def refused_network(data):
    """The refusal of a request, of a task or of a service, with more subnets than ECS takes."""
    network = (data.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}
    if len(network.get("subnets") or []) > _MOST_SUBNETS:
        return _invalid(f"subnets can have at most {_MOST_SUBNETS} items.")
    return None


def _refusal(data, definition):
    cluster = ecs._resolve_cluster_name(data.get("cluster", "default"))
    if cluster not in ecs._clusters or ecs._clusters[cluster].get("status") != "ACTIVE":
        return ecs.error_response_json("ClusterNotFoundException", "Cluster not found.", 400)
    if not 1 <= data.get("count", 1) <= _MOST_TASKS:
        return _invalid(f"count must be between 1 and {_MOST_TASKS}.")
    if not _STARTED_BY.fullmatch(data.get("startedBy", "")):
        return _invalid(
            "startedBy must be up to 128 letters (uppercase and lowercase), numbers, hyphens, forward slashes and "
            "underscores."
        )
    if refusal := refused_network(data):
        return refusal
    if len(json.dumps(data.get("overrides") or {}, separators=(",", ":"))) > _LONGEST_OVERRIDES:
        return _invalid(f"Container Overrides length must be at most {_LONGEST_OVERRIDES}")
    if definition is None:
        return None
    if definition.get("status") != "ACTIVE":
        return ecs.error_response_json("ClientException", "TaskDefinition is inactive", 400)
    if definition.get("networkMode") == "awsvpc" and not data.get("networkConfiguration"):
        return _invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
    if unplaced := container_instances.refusal(cluster, data):
        return _invalid(unplaced)
    known = {container["name"] for container in definition.get("containerDefinitions", [])}
    for override in (data.get("overrides") or {}).get("containerOverrides") or []:
        if override.get("name") not in known:
            return _invalid(
                f"Override for container named {override.get('name')} is not a container in the TaskDefinition."
            )
    return None


def _once(data):
    """The same request under the same token gets the tasks that it has already; another one is refused."""
    token = data["clientToken"]
    if not _CLIENT_TOKEN.fullmatch(token):
        return _invalid("clientToken must be 1 to 64 characters in the range of 33-126.")
    place = (get_account_id(), get_region(), ecs._resolve_cluster_name(data.get("cluster", "default")), token)
    request = json.dumps(data, sort_keys=True)
    with _lock:
        if place not in _carried_out:
            answer = ecs._run_task(data)
            if answer[0] == 200:
                arns = [task["taskArn"] for task in json.loads(answer[2])["tasks"]]
                _carried_out[place] = (request, arns)
            return answer
        first, arns = _carried_out[place]
    if request != first:
        message = "The client token was used with other parameters."
        return ecs.error_response_json("ConflictException", message, 400, extra={"resourceIds": arns})
    return ecs.json_response({"tasks": [ecs._sanitize(ecs._tasks[arn]) for arn in arns], "failures": []})


@replaces(ecs, "_ACTION_MAP", "RunTask")
def _run(data):
    """For callers only: the scheduler of services asks `ecs._run_task`."""
    definition = ecs._task_defs.get(ecs._resolve_td_key(data.get("taskDefinition", "")))
    refusal = _refusal(data, definition)
    if refusal:
        return refusal
    if definition is not None:
        data = {"group": f"family:{definition['family']}", **data}
    return _once(data) if data.get("clientToken") else ecs._run_task(data)
