"""ECS tasks as AWS runs them: how they stop, why they stopped, and their events.

ministack moves a task through its states; here each change of `lastStatus` or `desiredStatus` that
counts on AWS gives an `ECS Task State Change`, and stopping takes the time the containers take.

ministack has a thread for each task that runs or stops. Here one thread watches all tasks, and a few stop them.
"""

import concurrent.futures
import contextlib
import json
import threading
import time

from ministack.core.concurrency import resource_lock
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import ecs

import events
import images
from patches import replaces, wraps

_DEFAULT_STOP_SECONDS = 30
_WATCH_SECONDS = 0.1
_AT_ONCE = 6

_maybe_mark_stopped = ecs._maybe_mark_stopped
_listeners = []
_stopping = concurrent.futures.ThreadPoolExecutor(_AT_ONCE, "tasks-stopping")
# The running tasks by ARN, with what ministack needs to look at one.
_watched = {}

_MINISTACK_START_FAILURE = "ResourceInitializationError: unable to pull image or start container: "

# What a task's event carries, of what ministack keeps about a task.
_TASK_MEMBERS = (
    "attachments", "availabilityZone", "capacityProviderName", "clusterArn", "connectivity", "connectivityAt",
    "containerInstanceArn", "containers", "cpu", "createdAt", "desiredStatus", "enableExecuteCommand",
    "ephemeralStorage", "executionStoppedAt", "group", "lastStatus", "launchType", "memory", "overrides",
    "platformVersion", "pullStartedAt", "pullStoppedAt", "startedAt", "startedBy", "stopCode", "stoppedAt",
    "stoppedReason", "stoppingAt", "taskArn", "taskDefinitionArn", "version",
)


def when_changed(listener):
    """Calls `listener(task)` after each change of a task's state, outside its lock."""
    _listeners.append(listener)


def _announce(task):
    with resource_lock("ecs-task", task["taskArn"]):
        visible = json.loads(json.dumps(ecs._sanitize(task)))
    detail = {name: visible[name] for name in _TASK_MEMBERS if visible.get(name) not in (None, "")}
    detail["updatedAt"] = events.now()
    events.emit("aws.ecs", "ECS Task State Change", [task["taskArn"]], detail)
    for listener in _listeners:
        listener(task)


@wraps(ecs, "_mark_task_pending")
def _pending(mark, task_arn, task):
    # The first moment at which a placed task is on its own thread; until here it was PROVISIONING.
    if task.get("lastStatus") == "PROVISIONING":
        _announce(task)
    changed = mark(task_arn, task)
    if changed:
        _announce(task)
    return changed


def _name_digests(task):
    """Every container that runs says which image it is, however its definition named it."""
    for container in task.get("containers", []):
        if not container.get("imageDigest"):
            with contextlib.suppress(images.ImageMissing):
                container["imageDigest"] = images.find(container["image"]).digest


@wraps(ecs, "_mark_task_running")
def _running(mark, task_arn, task):
    _name_digests(task)
    changed = mark(task_arn, task)
    if changed:
        _announce(task)
    return changed


def _stop_seconds(task):
    definition = ecs._task_defs.get(ecs._resolve_td_key(task.get("taskDefinitionArn", ""))) or {}
    return {
        container["name"]: container.get("stopTimeout", _DEFAULT_STOP_SECONDS)
        for container in definition.get("containerDefinitions", [])
    }


def _container_process(index, task):
    identifiers = task.get("_docker_ids") or []
    if index >= len(identifiers):
        return None
    try:
        return ecs._get_docker().containers.get(identifiers[index])
    except Exception:
        return None


def _begin_stop(task_arn, task, reason, stop_code):
    """`desiredStatus` is what changes first; false when somebody else has begun."""
    with resource_lock("ecs-task", task_arn):
        if not ecs._task_is_active(task_arn, task):
            return False
        ecs._bump_task_version(task)
        task["desiredStatus"] = "STOPPED"
        task["stoppingAt"] = events.now()
        task["stoppedReason"] = reason
        task["stopCode"] = stop_code
    _announce(task)
    return True


def _finish_stop(task_arn, task, reason, stop_code):
    """Ends what still runs of the task, keeps each container's own exit code, and goes to STOPPED."""
    seconds = _stop_seconds(task)
    for index, container in enumerate(task.get("containers", [])):
        process = _container_process(index, task)
        exit_code = None
        if process is not None:
            process.stop(timeout=seconds.get(container["name"], _DEFAULT_STOP_SECONDS))
            exit_code = process.wait().get("StatusCode")
        with resource_lock("ecs-task", task_arn):
            container["lastStatus"] = "STOPPED"
            if exit_code is not None and container.get("exitCode") is None:
                container["exitCode"] = exit_code
            if stop_code == "TaskFailedToStart" and exit_code is None:
                container["reason"] = reason
    with resource_lock("ecs-task", task_arn):
        ecs._bump_task_version(task)
        task["lastStatus"] = "DEPROVISIONING"
        task["executionStoppedAt"] = events.now()
    _announce(task)
    ecs._cleanup_task_resources(task, ecs._get_docker())
    with resource_lock("ecs-task", task_arn):
        ecs._bump_task_version(task)
        task["lastStatus"] = "STOPPED"
        task["stoppedAt"] = events.now()
    ecs.ecs_metadata.set_task_status(task_arn, known_status="STOPPED", desired_status="STOPPED")
    ecs.ecs_metadata.set_all_container_status(task_arn, "STOPPED")
    cluster_name = ecs._cluster_name_from_arn(task.get("clusterArn", ""))
    if cluster_name:
        ecs._recount_cluster(cluster_name)
    _announce(task)


@replaces(ecs, "_mark_task_stopped")
def _mark_stopped(task_arn, task, reason, stop_code, exit_code=None):
    """A task that ended by itself or could not start; called on the task's own thread."""
    if reason == "Essential container exited":
        reason = "Essential container in task exited"
    if not _begin_stop(task_arn, task, reason, stop_code):
        return False
    _finish_stop(task_arn, task, reason, stop_code)
    return True


def stop(task, reason, stop_code):
    """Stops a task as its scheduler or a user does: at once in intent, in its own time in fact."""
    task_arn = task["taskArn"]
    if not _begin_stop(task_arn, task, reason, stop_code):
        return
    _submit(get_account_id(), get_region(), _finish_stop, task_arn, task, reason, stop_code)


def _submit(account, region, function, *arguments):
    def run():
        try:
            with request_scope(account, region):
                function(*arguments)
        except Exception:
            ecs.logger.exception("a task could not be stopped or looked at")

    _stopping.submit(run)


@replaces(ecs, "_watch_task_lifecycle")
def _watch(task, docker_client, account, region):
    _watched[task["taskArn"]] = (task, docker_client, account, region)


def _watch_for_ever():
    while True:
        time.sleep(_WATCH_SECONDS)
        for arn, (task, docker_client, account, region) in list(_watched.items()):
            with request_scope(account, region):
                if not ecs._task_is_active(arn, task):
                    _watched.pop(arn, None)
                elif _has_ended(task):
                    _watched.pop(arn, None)
                    _submit(account, region, _look, task, docker_client, account, region)


def _has_ended(task):
    processes = [_container_process(index, task) for index in range(len(task.get("_docker_ids") or []))]
    return any(process is not None and process.status == "exited" for process in processes)


def _look(task, docker_client, account, region):
    _maybe_mark_stopped(task, docker_client)
    if ecs._task_is_active(task["taskArn"], task):
        # A container on which its task does not depend has ended.
        _watch(task, docker_client, account, region)


@replaces(ecs, "_ACTION_MAP", "StopTask")
@replaces(ecs, "_stop_task")
def _stop_task(data):
    cluster_name = ecs._resolve_cluster_name(data.get("cluster", "default"))
    if cluster_name is None:
        return ecs.error_response_json("ClusterNotFoundException", "Cluster not found.", 400)
    task = ecs._resolve_task(data.get("task", ""), cluster_name)
    if not task:
        return ecs.error_response_json("InvalidParameterException", "The referenced task was not found.", 400)
    by_service = data.get("reason") == "Service deleted"
    code = "ServiceSchedulerInitiated" if by_service else "UserInitiated"
    stop(task, data.get("reason", "Task stopped by user"), code)
    return ecs.json_response({"task": ecs._sanitize(task)})


@replaces(ecs, "_maybe_mark_stopped")
def _stopped_by_the_watcher_only(task, docker_client=None):
    # DescribeTasks and ListTasks look too, without a client: a request should never wait for a container.
    if docker_client is not None:
        _maybe_mark_stopped(task, docker_client)


@wraps(ecs, "_build_run_kwargs")
def _container_options(build, definition, *rest):
    return {
        **build(definition, *rest),
        "entrypoint": definition.get("entryPoint"),
        "stop_seconds": definition.get("stopTimeout", _DEFAULT_STOP_SECONDS),
    }


@wraps(ecs, "_run_docker_container")
def _container_or_reason(run, *arguments, **options):
    try:
        return run(*arguments, **options)
    except images.ImageMissing as error:
        raise ecs._ImagePullError(str(error)) from None


@wraps(ecs, "_fail_task_start")
def _fail_start_in_the_words_of_aws(fail, task, docker_client, reason):
    fail(task, docker_client, reason.replace(_MINISTACK_START_FAILURE, "CannotStartContainerError: "))


threading.Thread(target=_watch_for_ever, daemon=True, name="tasks-watched").start()
