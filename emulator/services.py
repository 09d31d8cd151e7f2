"""The ECS service scheduler: deployments that roll or shift traffic, their circuit breaker, alarms and events.

ministack keeps the records of services and answers the API; which tasks start and stop, and what
becomes of a deployment, is decided here, in one step that looks at a service and its tasks and is run
again and again. It differs from ministack's own where that departs from AWS: a deployment's id is
what its tasks were started by, a rollback is a deployment of its own, nothing is COMPLETED before its
tasks have run for a while and those of its predecessor are gone, and failing tasks are started again
ever more slowly.
"""

import collections
import math
import random
import threading
import time

from ministack.core.responses import request_scope
from ministack.services import ecs

import container_instances
import deployment_alarms
import events
import service_deployments
import single_tasks
import tasks
from patches import replaces, wraps

TICK_SECONDS = 0.1
# How long a task must run before its deployment counts it as healthy.
STEADY_SECONDS = 1.0
_FIRST_DELAY_SECONDS = 0.5
_LONGEST_DELAY_SECONDS = 15.0
_FAILURES = ("EssentialContainerExited", "TaskFailedToStart")
_MOST_DESCRIBED = 10

_lock = service_deployments.lock
_wake = threading.Event()


@replaces(ecs, "_make_deployment")
def _new_deployment(task_definition, desired_count, status="PRIMARY"):
    now = events.now()
    identifier = f"ecs-svc/{random.randrange(10**18, 10**19)}"
    return {
        "id": identifier,
        "status": status,
        "taskDefinition": task_definition,
        "desiredCount": desired_count,
        "pendingCount": 0,
        "runningCount": 0,
        "failedTasks": 0,
        "createdAt": now,
        "updatedAt": now,
        "rolloutState": "IN_PROGRESS",
        "rolloutStateReason": f"ECS deployment {identifier} in progress.",
    }


def _announce(service, deployment, event_type, name):
    events.emit(
        "aws.ecs",
        "ECS Deployment State Change",
        [service["serviceArn"]],
        {
            "eventType": event_type,
            "eventName": name,
            "deploymentId": deployment["id"],
            "updatedAt": events.now(),
            "reason": deployment["rolloutStateReason"],
        },
    )


def _add_event(service, message):
    service["events"].insert(
        0,
        {
            "id": ecs.new_uuid(),
            "createdAt": events.now(),
            "message": f"(service {service['serviceName']}) {message}",
        },
    )
    del service["events"][100:]


def _set_state(deployment, state, reason):
    deployment["rolloutState"] = state
    deployment["rolloutStateReason"] = reason
    deployment["updatedAt"] = events.now()


def _primary(service):
    return next((one for one in service["deployments"] if one["status"] == "PRIMARY"), None)


def _tasks_of(service):
    group = f"service:{service['serviceName']}"
    return [
        task
        for task in list(ecs._tasks.values())
        if task.get("group") == group and task.get("clusterArn") == service["clusterArn"]
    ]


def _is_scheduled(service):
    """Whether ECS itself deploys the service, not CodeDeploy or somebody else."""
    return (service.get("deploymentController") or {}).get("type", "ECS") == "ECS"


def _is_live(task):
    return task.get("desiredStatus") != "STOPPED"


def _is_steady(task, now):
    if task.get("lastStatus") != "RUNNING" or not _is_live(task):
        return False
    return now - task.setdefault("_running_since", now) >= STEADY_SECONDS


def _breaker(service):
    return (service.get("deploymentConfiguration") or {}).get("deploymentCircuitBreaker") or {}


def _count(service, all_tasks):
    """What DescribeServices shows: of the whole service and of each deployment."""

    def counts(chosen):
        running = sum(1 for task in chosen if task.get("lastStatus") == "RUNNING")
        pending = sum(1 for task in chosen if task.get("lastStatus") in ("PROVISIONING", "PENDING", "ACTIVATING"))
        return running, pending

    service["runningCount"], service["pendingCount"] = counts(all_tasks)
    for deployment in service["deployments"]:
        own = [task for task in all_tasks if task.get("_deployment_id") == deployment["id"]]
        deployment["runningCount"], deployment["pendingCount"] = counts(own)
    service_deployments.show(service)


def _count_failures(service, primary, all_tasks, now):
    """Notes each task that died, once, and says whether that opened the circuit breaker."""
    opened = False
    for task in all_tasks:
        if task.get("lastStatus") != "STOPPED" or task.get("_counted"):
            continue
        task["_counted"] = True
        if task.get("stopCode") not in _FAILURES or task.get("_deployment_id") != primary["id"]:
            continue
        service["_failures"] = service.get("_failures", 0) + 1
        delay = min(_FIRST_DELAY_SECONDS * 2 ** max(0, service["_failures"] - 3), _LONGEST_DELAY_SECONDS)
        pause = delay if service["_failures"] >= 3 else 0
        service["_start_not_before"] = now + max(pause, service_deployments.restart_seconds(service))
        if service["_failures"] == 4:
            _add_event(service, "is unable to consistently start tasks successfully.")
        if primary["rolloutState"] != "IN_PROGRESS":
            continue
        primary["failedTasks"] += 1
        primary["updatedAt"] = events.now()
        if _breaker(service).get("enable") and primary["failedTasks"] >= ecs._circuit_breaker_threshold(service):
            opened = True
    return opened


def _open_breaker(service, failed, all_tasks):
    rolls_back = _breaker(service).get("rollback")
    _fail(service, failed, all_tasks, service_deployments.BREAKER, "tasks failed to start", rolls_back)
    if failed["status"] == "PRIMARY":
        for task in all_tasks:
            if task.get("_deployment_id") == failed["id"] and _is_live(task):
                _stop(task, failed)


def _fail(service, failed, all_tasks, method, reason, rolls_back):
    """Ends a deployment, and where it is asked for goes back to the last that completed: by a deployment of its own,
    or, where traffic was shifted, by that very one.

    The words of the circuit breaker are AWS's. Of alarms, AWS was seen to write the message `deployment failed: alarm
    detected.`; that the reason is made like the circuit breaker's is an assumption.
    """
    completed = service.get("_last_completed")
    record = service_deployments.current(service)
    message = f"{method}: {reason}."
    if record["_shifts"]:
        reason = message = service_deployments.REASONS.get(method, reason)
    _set_state(failed, "FAILED", message)
    failed["desiredCount"] = 0
    _add_event(service, f"(deployment {failed['id']}) deployment failed: {reason.removesuffix('.')}.")
    _announce(service, failed, "ERROR", "SERVICE_DEPLOYMENT_FAILED")
    inside = service_deployments.rolls_back_inside(service)
    back_to = (completed or {}) if rolls_back else None
    if not service_deployments.fail(service, method, service_deployments.REASONS.get(method, reason), back_to):
        return
    failed["status"] = "ACTIVE"
    service["taskDefinition"] = completed["taskDefinition"]
    service["_failures"] = 0
    service["_start_not_before"] = 0
    _add_event(service, f"rolling back to deployment {completed['id']}.")
    last = next(one for one in service["deployments"] if one["id"] == completed["id"])
    others = [one for one in service["deployments"] if one is not last]
    if inside:
        last.update(status="PRIMARY", desiredCount=service["desiredCount"])
        service["deployments"] = [last, *others]
        return
    rollback = _new_deployment(completed["taskDefinition"], service["desiredCount"])
    for member in ("launchType", "capacityProviderStrategy"):
        rollback[member] = failed.get(member)
    rollback["rolloutStateReason"] = f"{method}: rolling back to deploymentId {completed['id']}."
    rollback["_revision"] = completed["revision"]
    # The tasks of the last completed deployment still run: the rollback takes them over as they are.
    for task in all_tasks:
        if task.get("_deployment_id") == completed["id"] and _is_live(task):
            task["_deployment_id"] = rollback["id"]
    completed["id"] = rollback["id"]
    service["deployments"] = [rollback, *others]
    rollback["_announced"] = True
    deployment_alarms.begin(service, rollback)
    _announce(service, rollback, "INFO", "SERVICE_DEPLOYMENT_IN_PROGRESS")


def _stop(task, deployment):
    tasks.stop(task, f"Scaling activity initiated by (deployment {deployment['id']})", "ServiceSchedulerInitiated")


def _is_daemon(service):
    return service.get("schedulingStrategy") == "DAEMON"


def _start(cluster_name, service, deployment, count):
    request = {
        "cluster": cluster_name,
        "taskDefinition": deployment["taskDefinition"],
        "count": count,
        "group": f"service:{service['serviceName']}",
        "startedBy": deployment["id"],
        "launchType": service.get("launchType"),
        "capacityProviderStrategy": service.get("capacityProviderStrategy"),
        "platformVersion": service.get("platformVersion", ""),
        "networkConfiguration": service.get("networkConfiguration", {}),
        "enableExecuteCommand": service.get("enableExecuteCommand", False),
        "_deploymentId": deployment["id"],
    }
    reason = container_instances.refusal(cluster_name, request)
    if reason:
        if not deployment.get("_unplaced"):
            deployment["_unplaced"] = True
            message = "was unable to place a task because no container instance met all of its requirements."
            _add_event(service, f"{message} Reason: {reason}")
        return
    ecs._run_task(request)
    if _is_daemon(service):
        _place(cluster_name, service)
    _add_event(service, f"has started {count} tasks: (deployment {deployment['id']}).")


def _place(cluster_name, service):
    """Gives each task of a daemon that is new an instance that has none."""
    live = [task for task in _tasks_of(service) if task.get("lastStatus") != "STOPPED"]
    taken = {task.get("_instance") for task in live}
    free = [arn for arn in container_instances.joined(cluster_name) if arn not in taken]
    for task, arn in zip([task for task in live if not task.get("_instance")], free):
        task["_instance"] = task["containerInstanceArn"] = arn


def _follow_instances(cluster_name, service, all_tasks):
    """A daemon has one task on each instance, and its tasks go with their instances."""
    instances = container_instances.joined(cluster_name)
    service["desiredCount"] = len(instances)
    for deployment in service["deployments"]:
        deployment["desiredCount"] = len(instances) if deployment["status"] == "PRIMARY" else 0
    for task in all_tasks:
        if _is_live(task) and task.get("_instance") not in instances:
            _stop(task, _primary(service))


def _balance(cluster_name, service, primary, all_tasks, now):
    """Starts and stops tasks within the minimum and maximum percentages; true when nothing is left to do."""
    desired = service["desiredCount"]
    live = [task for task in all_tasks if _is_live(task)]
    own = [task for task in live if task.get("_deployment_id") == primary["id"]]
    others = [task for task in live if task.get("_deployment_id") != primary["id"]]
    steady = [task for task in own if _is_steady(task, now)]
    stopping = [task for task in all_tasks if not _is_live(task) and task.get("lastStatus") != "STOPPED"]

    configuration = service.get("deploymentConfiguration") or {}
    most = max(1, desired * int(configuration.get("maximumPercent", 200)) // 100) if desired else 0
    least = math.ceil(desired * int(configuration.get("minimumHealthyPercent", 100)) / 100)

    if primary["rolloutState"] != "FAILED":
        room = most - len(live) - len(stopping)
        missing = min(desired - len(own), room)
        if missing > 0 and now >= service.get("_start_not_before", 0):
            _start(cluster_name, service, primary, missing)
        healthy_others = [task for task in others if task.get("lastStatus") == "RUNNING"]
        spare = len(steady) + len(healthy_others) - least
        # What never came up serves nobody; of what does, only as many as the minimum can miss.
        for task in [task for task in others if task not in healthy_others]:
            _stop(task, primary)
        for task in healthy_others[: max(0, spare)]:
            _stop(task, primary)
        for task in sorted(own, key=lambda one: one.get("createdAt", ""), reverse=True)[: max(0, len(own) - desired)]:
            _stop(task, primary)
    return len(own) == desired and len(steady) == desired and not others and not stopping


def _complete(service, primary):
    _set_state(primary, "COMPLETED", f"ECS deployment {primary['id']} completed.")
    primary["failedTasks"] = 0
    service["deployments"] = [primary]
    service_deployments.complete(service)
    service["_last_completed"] = {
        "id": primary["id"],
        "taskDefinition": primary["taskDefinition"],
        "revision": primary["_revision"],
    }
    _add_event(service, f"(deployment {primary['id']}) deployment completed.")
    _add_event(service, "has reached a steady state.")
    _announce(service, primary, "INFO", "SERVICE_DEPLOYMENT_COMPLETED")


def _alarm_ends(service, primary, all_tasks):
    """Alarms count from the first task of a deployment that runs, until the service deployment ends."""
    record = service_deployments.current(service)
    if record is None or record["status"] != "IN_PROGRESS" or not deployment_alarms.stop(service, primary):
        return False
    own = [task for task in all_tasks if task.get("_deployment_id") == primary["id"]]
    return any(task.get("lastStatus") == "RUNNING" for task in own)


def _step(cluster_name, service, all_tasks):
    primary = _primary(service)
    if primary is None:
        return
    now = time.monotonic()
    if _is_daemon(service):
        _follow_instances(cluster_name, service, all_tasks)
    if not primary.get("_announced"):
        primary["_announced"] = True
        service["_failures"] = 0
        service["_start_not_before"] = 0
        service_deployments.start(service)
        _announce(service, primary, "INFO", "SERVICE_DEPLOYMENT_IN_PROGRESS")
    record = service_deployments.current(service)
    if _count_failures(service, primary, all_tasks, now):
        _open_breaker(service, primary, all_tasks)
    elif _alarm_ends(service, primary, all_tasks):
        rolls_back = deployment_alarms.of(service).get("rollback")
        _fail(service, primary, all_tasks, service_deployments.ALARM, "alarm detected", rolls_back)
    elif record and record["status"] == "ROLLBACK_REQUESTED":
        _fail(service, primary, all_tasks, "StopServiceDeployment", "rollback requested", True)
    primary, record = _primary(service), service_deployments.current(service)
    if any(_is_steady(task, now) for task in all_tasks if task.get("_deployment_id") == primary["id"]):
        service["_failures"] = 0
        if _breaker(service).get("resetOnHealthyTask", True) and primary["rolloutState"] == "IN_PROGRESS":
            primary["failedTasks"] = 0
    if record and record["_shifts"] and record["status"] == "IN_PROGRESS":
        _shift(cluster_name, service, record, primary, all_tasks, now)
    else:
        settled = _balance(cluster_name, service, primary, all_tasks, now)
        opened = primary["rolloutState"] == "IN_PROGRESS" or (record and record["status"] == "ROLLBACK_IN_PROGRESS")
        if settled and opened and deployment_alarms.baked(primary, now):
            _complete(service, primary)
    # Those that were started just now are counted when their state changes.
    _count(service, all_tasks)


def _shift(cluster_name, service, record, primary, all_tasks, now):
    """One look at a deployment that shifts traffic: its stage says how many tasks each deployment has.

    The last deployment that completed keeps its tasks until the clean-up; what was given up before loses them first.
    """
    stage, desired = service_deployments.stage(record), service["desiredCount"]
    last = (service.get("_last_completed") or {}).get("id")
    scaled_up = stage not in ("RECONCILE_SERVICE", "PRE_SCALE_UP")
    gone, steady = True, 0
    for deployment in service["deployments"]:
        own = [task for task in all_tasks if task.get("_deployment_id") == deployment["id"]]
        live = [task for task in own if _is_live(task)]
        kept = scaled_up if deployment is primary else deployment["id"] == last and stage != "CLEAN_UP"
        deployment["desiredCount"] = desired if kept or deployment is primary else 0
        missing = desired * kept - len(live)
        if missing > 0 and now >= service.get("_start_not_before", 0):
            _start(cluster_name, service, deployment, missing)
        for task in live[desired * kept :]:
            _stop(task, primary)
        if deployment is primary:
            steady = sum(_is_steady(task, now) for task in live)
        elif not kept:
            gone &= all(task.get("lastStatus") == "STOPPED" for task in own)
    done = gone and (not scaled_up or steady == desired)
    if problem := service_deployments.advance(service, record, done):
        _fail(service, primary, all_tasks, "", problem, True)
    elif stage == "BAKE_TIME" and primary["rolloutState"] == "IN_PROGRESS":
        _set_state(primary, "COMPLETED", f"ECS deployment {primary['id']} completed.")
    elif done and service_deployments.over(record):
        _complete(service, primary)


def _tasks_by_service():
    """All tasks that a step may have to do with, looked for once for all services: most have stopped long ago."""
    found = collections.defaultdict(list)
    for task in ecs._tasks.all_values():
        if not task.get("_counted"):
            found[task.get("clusterArn"), task.get("group")].append(task)
    return found


def _schedule_for_ever():
    while True:
        _wake.wait(TICK_SECONDS)
        _wake.clear()
        all_tasks = _tasks_by_service()
        for (account, region, key), service in list(ecs._services.all_items()):
            if service.get("status") != "ACTIVE":
                continue
            if not _is_scheduled(service):
                continue
            try:
                with request_scope(account, region), _lock:
                    own = all_tasks[service["clusterArn"], f"service:{service['serviceName']}"]
                    _step(key.split("/", 1)[0], service, own)
            except Exception:
                ecs.logger.exception("service scheduler: step for %s failed", key)


# Of a service's members ministack keeps what it uses; ECS keeps them all.
_KEPT = (
    "availabilityZoneRebalancing", "enableECSManagedTags", "placementConstraints", "placementStrategy", "propagateTags",
    "serviceConnectConfiguration", "serviceRegistries", "volumeConfigurations",
)
# A change of one of these starts a deployment, as UpdateService's description says of each of them.
_DEPLOYING = (
    "loadBalancers", "networkConfiguration", "platformVersion", "serviceConnectConfiguration", "serviceRegistries",
    "volumeConfigurations",
)


def _locked(call):
    """One call about services at a time, after which the scheduler looks at once."""

    def answer(*arguments):
        with _lock:
            result = call(*arguments)
        _wake.set()
        return result

    return answer


def _record_of(data, name):
    cluster = ecs._resolve_cluster_name(data.get("cluster", "default"))
    return ecs._services.get(f"{cluster}/{str(data.get(name, '')).rsplit('/', 1)[-1]}")


def _refusal(service, data):
    if reason := service_deployments.refusal(service, data):
        return ecs.error_response_json("InvalidParameterException", reason, 400)
    return single_tasks.refused_network(data)


def _begin(service):
    deployment_alarms.begin(service, _primary(service))
    if _is_scheduled(service):
        service_deployments.begin(service, _primary(service))


def _answer(service):
    return ecs.json_response({"service": ecs._sanitize(service)})


@wraps(ecs, "_ACTION_MAP", "CreateService")
@_locked
def _created(create, data):
    if refusal := _refusal({}, data):
        return refusal
    answer = create(data)
    service = _record_of(data, "serviceName")
    if answer[0] != 200 or service is None:
        return answer
    service["availabilityZoneRebalancing"] = data.get("availabilityZoneRebalancing", "ENABLED")
    for member in _KEPT:
        if member in data:
            service[member] = data[member]
    for member in ("roleArn", "platformFamily"):
        if not service[member]:
            del service[member]
    _begin(service)
    return _answer(service)


@wraps(ecs, "_ACTION_MAP", "UpdateService")
@_locked
def _updated(update, data):
    service = _record_of(data, "service") or {}
    if refusal := _refusal(service, data):
        return refusal
    deploys = any(member in data and data[member] != service.get(member) for member in _DEPLOYING)
    before = _primary(service) if service else None
    answer = update({**data, "forceNewDeployment": True} if deploys else data)
    if answer[0] != 200:
        return answer
    for member in _KEPT:
        if member in data:
            service[member] = data[member]
    if _primary(service) is not before:
        _begin(service)
    return _answer(service)


@wraps(ecs, "_ACTION_MAP", "DeleteService")
@_locked
def _deleted(delete, data):
    """With a service its service deployments go."""
    answer = delete(data)
    service = _record_of(data, "service")
    if answer[0] == 200 and service:
        service["_history"] = []
        service.pop("currentServiceDeployment", None)
    return answer


@wraps(ecs, "_ACTION_MAP", "DescribeServices")
@_locked
def _described(describe, data):
    """Ten services a call at most."""
    named = len(data.get("services") or [])
    if not 1 <= named <= _MOST_DESCRIBED:
        message = "Services cannot be empty." if not named else f"Services cannot have more than {_MOST_DESCRIBED}."
        return ecs.error_response_json("InvalidParameterException", message, 400)
    return describe(data)


@replaces(ecs, "_reconcile_service_tasks")
@replaces(ecs, "_record_service_task_failure")
def _nothing(*_arguments, **_options):
    """The scheduling of ministack, which the steps above replace."""


@replaces(ecs, "_refresh_service_state")
def _refreshed(cluster_name, group):
    service = ecs._services.get(f"{cluster_name}/{group.split(':', 1)[1]}") if group.startswith("service:") else None
    if service is not None:
        with _lock:
            _count(service, _tasks_of(service))


tasks.when_changed(lambda _task: _wake.set())
threading.Thread(target=_schedule_for_ever, daemon=True, name="service-scheduler").start()
