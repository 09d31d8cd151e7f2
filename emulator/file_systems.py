"""EFS file systems: throughput only where it is provisioned, and no less of it for a day after it was raised or
provisioned anew; and what a task may do on one that it mounts."""

import time

from ministack.core.iam_evaluator import EvalContext, enforce, evaluate_resource_policy
from ministack.core.responses import get_account_id, get_region
from ministack.services import efs, tagging

from patches import replaces, wraps
from provisioning import calls

_DAY_SECONDS = 24 * 60 * 60
# When throughput was last raised, or provisioned where it was not, by the file system's id.
_raised = {}


@wraps(efs, "_update_file_system")
def _updated(update, identifier, body):
    record = efs._file_systems.get(identifier)
    if record is None:
        return update(identifier, body)
    before = _throughput(record)
    wanted = _throughput({**record, **body})
    refusal = _refusal(identifier, before, wanted)
    if refusal:
        return efs._error(429, "TooManyRequests", refusal)
    answer = update(identifier, body)
    if wanted[0] == "provisioned" and wanted != before:
        _raised[identifier] = time.time()
    if record.get("ThroughputMode") == "provisioned":
        return answer
    record.pop("ProvisionedThroughputInMibps", None)
    return efs._json(answer[0], efs._fs_response(record))


def _throughput(record):
    """The mode, and MiB a second where they are provisioned."""
    mode = record.get("ThroughputMode") or "bursting"
    return mode, float(record.get("ProvisionedThroughputInMibps") or 0) if mode == "provisioned" else 0.0


def _refusal(identifier, before, wanted):
    raised = _raised.get(identifier)
    if raised is None or time.time() - raised >= _DAY_SECONDS or before[0] != "provisioned":
        return None
    if wanted[0] != before[0] or wanted[1] < before[1]:
        return "You can't decrease the provisioned throughput or change the throughput mode more than once in 24 hours."
    return None


def age(identifier, hours):
    """What was done to a file system's throughput moves back by this many hours; whether there was anything."""
    if identifier not in _raised:
        return False
    _raised[identifier] -= float(hours) * 3600
    return True


def refused_mount(mount, volume, container, role):
    """Why a container cannot work with the file system of a mount, or None. On AWS the container starts and its writes
    fail; a process cannot be squashed, so here it does not start."""
    settings = volume["efsVolumeConfiguration"]
    system = efs._file_systems[settings["fileSystemId"]]
    authorization = settings.get("authorizationConfig") or {}
    point = efs._access_points.get(authorization.get("accessPointId")) or {}
    context = {"elasticfilesystem:accessedviamounttarget": "true"}
    if point:
        context["elasticfilesystem:accesspointarn"] = point["AccessPointArn"]
    role = role if authorization.get("iam") == "ENABLED" else None
    encrypted = settings.get("transitEncryption") == "ENABLED"

    def may(action):
        return _allowed(f"elasticfilesystem:{action}", system, context, role, encrypted)

    if not may("ClientMount"):
        return "mount.nfs4: access denied by server while mounting 127.0.0.1:/"
    if mount.get("readOnly"):
        return None
    if not may("ClientWrite"):
        return f"{mount['containerPath']} is read-only without elasticfilesystem:ClientWrite"
    if _user(point, container) == 0 and not may("ClientRootAccess"):
        return f"root is squashed and cannot write {mount['containerPath']} without elasticfilesystem:ClientRootAccess"
    return None


def _user(point, container):
    """The numeric user that EFS sees, or None where only the image knows its number."""
    posix = point.get("PosixUser")
    given = str(posix["Uid"] if posix else container.get("user") or "root").split(":")[0]
    given = {"root": "0"}.get(given, given)
    return int(given) if given.isdigit() else None


def _allowed(action, system, context, role, encrypted):
    """The policies of the file system and of the role count together; a file system without a policy lets everybody do
    everything."""
    policy, arn = system.get("FileSystemPolicy"), system["FileSystemArn"]
    if not policy:
        return True
    caller = EvalContext(
        principal_arn=role["Arn"] if role else "",
        principal_type="AssumedRole" if role else "Anonymous",
        principal_account=get_account_id() if role else "",
        action=action,
        resource_arn=arn,
        region=get_region(),
        secure_transport=encrypted,
        service_context=context,
    )
    decision = evaluate_resource_policy(policy, caller).decision
    if decision != "ImplicitDeny" or role is None:
        return decision == "Allow"
    key = calls.keys_of_role(role, "ecs-task")["AccessKeyId"]
    return not enforce(key, action, "elasticfilesystem", get_region(), resource_arn=arn, service_context=context)


# Policies may ask for the tags of file systems (aws:ResourceTag).
replaces(tagging, "_RESOURCE_TAG_COLLECTORS", "elasticfilesystem")(tagging._collect_efs)
