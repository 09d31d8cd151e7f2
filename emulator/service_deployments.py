"""What ECS records of each deployment of a service, and how a strategy shifts its traffic.

A service revision is what is deployed; a service deployment is the way from the revisions that run (its sources) to
another one (its target), a rollback included. `services.py` starts and stops the tasks; here is which stage comes
next, how long it lasts, and which target group gets which weight. PATCHES.md says what AWS documents.

One minute of baking takes `MINUTE_SECONDS`, unless the control server says otherwise of a service.
"""

import contextlib
import secrets
import threading
import time

from ministack.core.responses import get_account_id, get_region
from ministack.services import alb, ecs

import deployment_alarms
import images
from patches import replaces

MINUTE_SECONDS = 0.1

# Held while a service's record is read and changed: by the scheduler, and by the calls that show or change it.
lock = threading.RLock()

BREAKER, ALARM = "ECS deployment circuit breaker", "ECS deployment alarm"
_ROLLED_BACK = "Service deployment rolled back because "
_NETWORKING = _ROLLED_BACK + "of invalid networking configuration"
# The reasons that services were seen to show; nobody published that of a call to stop.
REASONS = {
    BREAKER: _ROLLED_BACK + "the circuit breaker threshold was exceeded.",
    ALARM: _ROLLED_BACK + "of one or more active alarms.",
    "StopServiceDeployment": _ROLLED_BACK + "of a request to stop it.",
}
_NO_CANDIDATE = "No rollback candidate was found to run the rollback."
_ENDED = ("SUCCESSFUL", "STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED")
_BEGUN = ("PENDING", "IN_PROGRESS")
_MOST_DESCRIBED, _MOST_LISTED, _LISTED = 20, 100, 20
_IN_A_REVISION = (
    "capacityProviderStrategy", "launchType", "loadBalancers", "networkConfiguration", "platformFamily",
    "platformVersion", "serviceConnectConfiguration", "serviceRegistries", "volumeConfigurations",
)
_COUNTED = {
    "requestedTaskCount": "desiredCount",
    "runningTaskCount": "runningCount",
    "pendingTaskCount": "pendingCount",
}
_BRIEF = (
    "serviceDeploymentArn", "serviceArn", "clusterArn", "startedAt", "createdAt", "finishedAt", "status",
    "statusReason",
)

# What the control server was asked about services, by cluster and name.
_driven = {}


def drive(value):
    """Takes how a service's deployments go from the control server; returns what is wrong with it, or `None`."""
    name, given = value.get("service"), {member: value[member] for member in value if member != "service"}
    if not isinstance(name, str) or name.count("/") != 1:
        return 'service: expected "<cluster>/<service>"'
    if given.keys() - {"minute_seconds", "advance_minutes", "restart_seconds", "rolls_back_inside"}:
        return "expected no members but service, minute_seconds, advance_minutes, restart_seconds and rolls_back_inside"
    if not isinstance(given.get("rolls_back_inside", False), bool):
        return "rolls_back_inside: expected true or false"
    for member in ("minute_seconds", "advance_minutes", "restart_seconds"):
        if not isinstance(given.get(member, 1), (int, float)) or not given.get(member, 1) > 0:
            return f"{member}: expected a number over 0"
    with lock:
        minutes = given.pop("advance_minutes", 0)
        _driven.setdefault(name, {}).update(given)
        record = current(ecs._services.get(name) or {})
        if minutes and (record is None or record["_minutes"] <= 0):
            return f"{name}: nothing bakes"
        if minutes:
            record["_minutes"] -= minutes
    return None


def _setting(service, member, default):
    name = service["serviceArn"].split(":service/", 1)[1]
    return _driven.get(name, {}).get(member, default)


def restart_seconds(service):
    """How long a task that takes the place of one that died waits at least. On AWS it takes long enough to start."""
    return _setting(service, "restart_seconds", 0)


def rolls_back_inside(service):
    """Whether a rollback brings the last deployment back under its own id: always so where traffic was shifted, and
    on request where tasks roll."""
    return current(service)["_shifts"] or _setting(service, "rolls_back_inside", False)


def current(service):
    """The service deployment under way."""
    newest = next(iter(service.get("_history") or []), None)
    return newest if newest and newest["status"] not in _ENDED else None


def _touch(record, status=None, **members):
    now = time.time()
    record.update(updatedAt=now, **({"status": status} if status else {}), **members)
    if status in _ENDED:
        record.update(finishedAt=now, **({"stoppedAt": now} if status == "STOPPED" else {}))


def _arn(kind, service, identifier):
    path = service["serviceArn"].split(":service/", 1)[1]
    return f"arn:aws:ecs:{get_region()}:{get_account_id()}:{kind}/{path}/{identifier}"


def refusal(service, data):
    """Why CreateService, or UpdateService, is refused for load balancers that do not go with the strategy."""
    given = {**service, **data}
    balancers, configuration = given.get("loadBalancers") or [], given.get("deploymentConfiguration") or {}
    advanced = [one["advancedConfiguration"] for one in balancers if one.get("advancedConfiguration")]
    if len(advanced) < len(balancers):
        if advanced:
            return "Either all or none of the provided loadBalancers must have advancedConfiguration defined"
        if configuration.get("strategy", "ROLLING") != "ROLLING":
            return (
                "advancedConfiguration field is required for all loadBalancers when using a non-ROLLING deployment "
                "strategy"
            )
    for one in advanced:
        rules = {name: one[name] for name in ("productionListenerRule", "testListenerRule") if one.get(name)}
        for name, arn in rules.items():
            if not any(form in arn for form in (":listener-rule/app/", ":listener/net/")):
                return f"{name} has an invalid ARN format. Must be RuleArn for ALB or ListenerArn for NLB. Got: {arn}"
        if len(set(rules.values())) < len(rules):
            return (
                "The following rules cannot be used as both production and test listener rules: "
                f"{one['productionListenerRule']}"
            )
    return None


# Service revisions.


def _images(task_definition):
    definition = ecs._task_defs.get(ecs._resolve_td_key(task_definition)) or {}
    for container in definition.get("containerDefinitions", []):
        found = {"containerName": container["name"], "image": container.get("image", "")}
        with contextlib.suppress(images.ImageMissing):
            found["imageDigest"] = images.find(container["image"]).digest
        yield found


def _new_revision(service, deployment):
    arn = _arn("service-revision", service, secrets.randbelow(9 * 10**18) + 10**18)
    service.setdefault("_revisions", {})[arn] = {
        "serviceRevisionArn": arn,
        "serviceArn": service["serviceArn"],
        "clusterArn": service["clusterArn"],
        "taskDefinition": deployment["taskDefinition"],
        **{member: service[member] for member in _IN_A_REVISION if service.get(member)},
        "containerImages": list(_images(deployment["taskDefinition"])),
        "guardDutyEnabled": False,
        "createdAt": time.time(),
    }
    deployment["_revision"] = arn
    return arn


def _counts(service, arn):
    """The tasks of a revision that deployments of the service still list."""
    own = [one for one in service["deployments"] if one.get("_revision") == arn]
    return {"arn": arn, **{shown: sum(one[member] for one in own) for shown, member in _COUNTED.items()}}


def show(service):
    """What DescribeServices says of revisions."""
    named = dict.fromkeys(one["_revision"] for one in service["deployments"] if "_revision" in one)
    service["currentServiceRevisions"] = [_counts(service, arn) for arn in named]


# The course of a service deployment.


def begin(service, deployment):
    """A new service deployment, which ends the one under way."""
    before = current(service)
    sources = list(dict.fromkeys(one["_revision"] for one in service["deployments"] if one is not deployment))
    if before:
        _touch(before, "STOP_REQUESTED")
    configuration = service.get("deploymentConfiguration") or {}
    arn = _arn("service-deployment", service, secrets.token_urlsafe(16))
    record = {
        "serviceDeploymentArn": arn,
        "serviceArn": service["serviceArn"],
        "clusterArn": service["clusterArn"],
        "createdAt": time.time(),
        "status": "PENDING",
        "deploymentConfiguration": configuration,
        "_target": _new_revision(service, deployment),
        "_sources": sources,
        "_deployment": deployment,
        "_shifts": configuration.get("strategy", "ROLLING") != "ROLLING",
        "_step": 0,
        "_minutes": 0.0,
        "_monitors": {},
    }
    record["_plan"] = _plan(configuration, len(sources) > 1) if record["_shifts"] else []
    _touch(record)
    service.setdefault("_history", []).insert(0, record)
    service["currentServiceDeployment"] = arn
    show(service)


def start(service):
    """Once the scheduler sees a new service deployment."""
    for record in service["_history"]:
        if record["status"] == "STOP_REQUESTED":
            _freeze(service, record, "STOPPED")
            if record["_shifts"]:
                _shift(service, record, 0.0, 0.0)
    record = service["_history"][0]
    if record["status"] == "PENDING":
        _touch(record, "IN_PROGRESS", startedAt=time.time())


def _freeze(service, record, status, **members):
    """The end: what it shows from now on does not follow the service any more."""
    _touch(record, status, **members)
    record["_shown"] = _moving(service, record)


def complete(service):
    """The service is stable: at the target, or back where it was."""
    record = current(service)
    if record:
        back = record["status"] == "ROLLBACK_IN_PROGRESS"
        _freeze(service, record, "ROLLBACK_SUCCESSFUL" if back else "SUCCESSFUL")


def fail(service, method, reason, back_to):
    """The deployment has failed. `back_to` is the last that completed, empty where none has, and `None` where nothing
    is to come back. Says whether it does."""
    record = current(service)
    record["_monitors"][method] = deployment_alarms.detected(service)
    if record["status"] == "ROLLBACK_IN_PROGRESS":
        _freeze(service, record, "ROLLBACK_FAILED", statusReason=reason)
    elif back_to is None:
        _freeze(service, record, "STOPPED", statusReason=reason)
    elif not back_to:
        _freeze(service, record, "ROLLBACK_FAILED", statusReason=_NO_CANDIDATE)
    else:
        revision = back_to["revision"]
        details = {"reason": reason, "startedAt": time.time(), "serviceRevisionArn": revision}
        _touch(record, "ROLLBACK_IN_PROGRESS", statusReason=reason, rollback=details)
        if record["_shifts"]:
            _shift(service, record, 0.0, 0.0)
        return True
    return False


# Strategies: the stages, and the shares of production and test traffic at the target in each of them.


def _steps(configuration):
    """The shares of production traffic one after the other, and how many minutes each bakes but the last."""
    if configuration["strategy"] == "CANARY":
        canary = configuration.get("canaryConfiguration") or {}
        yield float(canary.get("canaryPercent", 5.0)), canary.get("canaryBakeTimeInMinutes", 10)
    if configuration["strategy"] == "LINEAR":
        linear = configuration.get("linearConfiguration") or {}
        step, number = float(linear.get("stepPercent", 10.0)), 1
        while round(step * number, 1) < 100:
            yield round(step * number, 1), linear.get("stepBakeTimeInMinutes", 6)
            number += 1
    yield 100.0, 0


def _plan(configuration, reconciles):
    """Rows of a stage, the shares of production and of test traffic, and the minutes that it lasts."""
    before = ("RECONCILE_SERVICE",) * reconciles + ("PRE_SCALE_UP", "SCALE_UP", "POST_SCALE_UP")
    return [
        *((stage, 0.0, 0.0, 0) for stage in before),
        *((stage, 0.0, 100.0, 0) for stage in ("TEST_TRAFFIC_SHIFT", "POST_TEST_TRAFFIC_SHIFT")),
        *(("PRODUCTION_TRAFFIC_SHIFT", share, 100.0, minutes) for share, minutes in _steps(configuration)),
        ("POST_PRODUCTION_TRAFFIC_SHIFT", 100.0, 100.0, 0),
        ("BAKE_TIME", 100.0, 100.0, configuration.get("bakeTimeInMinutes", 0)),
        ("CLEAN_UP", 100.0, 100.0, 0),
    ]


def stage(record):
    return record["_plan"][record["_step"]][0]


def advance(service, record, done):
    """One look at a stage: enters it, waits for what `done` says and until it has baked, goes on to the next.

    Gives what is wrong with the listener rules, or `None`.
    """
    name, production, test, minutes = record["_plan"][record["_step"]]
    now = time.monotonic()
    if record.get("_entered") != record["_step"]:
        if name == "PRE_SCALE_UP":
            if problem := _prepare(service, record):
                return problem
        record.update(_entered=record["_step"], _minutes=float(minutes), _seen=now)
        _touch(record, lifecycleStage=name)
        _shift(service, record, production, test)
        return None
    record["_minutes"] -= (now - record["_seen"]) / _setting(service, "minute_seconds", MINUTE_SECONDS)
    record["_seen"] = now
    if done and record["_minutes"] <= 0 and record["_step"] + 1 < len(record["_plan"]):
        record["_step"] += 1
    return None


def over(record):
    """Whether nothing comes after the stage that was entered."""
    return record.get("_entered") == len(record["_plan"]) - 1


def _balancers(service):
    for balancer in service.get("loadBalancers") or []:
        advanced = balancer.get("advancedConfiguration")
        if advanced:
            yield [balancer["targetGroupArn"], advanced["alternateTargetGroupArn"]], advanced


def _forwarding(arn):
    """The rule (or listener) of this ARN, and its action that forwards."""
    rule = alb._rules.get(arn) or alb._listeners.get(arn) or {}
    actions = rule.get("Actions") or rule.get("DefaultActions") or []
    return rule, next((one for one in actions if one["Type"] == "forward"), None)


def _weights(arn):
    _, action = _forwarding(arn)
    if action is None:
        return None
    groups = (action.get("ForwardConfig") or {}).get("TargetGroups")
    return {one["TargetGroupArn"]: one["Weight"] for one in groups} if groups else {action["TargetGroupArn"]: 1}


def _prepare(service, record):
    """Gives the target the target groups that serve nothing, or says why there are none."""
    resolved = []
    for groups, advanced in _balancers(service):
        rule = advanced["productionListenerRule"]
        weights = _weights(rule)
        tested = _weights(advanced.get("testListenerRule")) or {}
        if weights is None:
            return f"{_NETWORKING}. One or more rules not found"
        serving = [group for group, weight in weights.items() if weight]
        if strange := [group for group in groups if group not in (weights | tested)]:
            return (
                f"{_NETWORKING}: Target group {strange[0]} is not associated with either productionListenerRule or "
                "testListenerRule."
            )
        if len(serving) != 1:
            return (
                f"{_NETWORKING}. productionListenerRule {rule} should have exactly one target group serving traffic "
                f"but found {len(serving)} target groups which are serving traffic"
            )
        if serving[0] not in groups:
            return (
                f"{_NETWORKING}. Production listener rule is forwarding traffic to unexpected target group "
                f"{serving[0]}. Expected traffic to be forwarded to either targetGroupArn: {groups[0]} or "
                f"alternateTargetGroupArn: {groups[1]}"
            )
        resolved.append(
            {"targetGroupArn": next(one for one in groups if one != serving[0]), "productionListenerRule": rule}
        )
    if resolved:
        service["_revisions"][record["_target"]]["resolvedConfiguration"] = {"loadBalancers": resolved}
    return None


def _shift(service, record, production, test):
    """Writes the weights of the listener rules; the target gets these shares."""
    target = service["_revisions"][record["_target"]].get("resolvedConfiguration") or {}
    taken = {one["targetGroupArn"] for one in target.get("loadBalancers", [])}
    record["_shares"] = (production, test)
    for groups, advanced in _balancers(service) if taken else ():
        own = next(one for one in groups if one in taken)
        _write(advanced["productionListenerRule"], groups, own, production)
        if advanced.get("testListenerRule"):
            _write(advanced["testListenerRule"], groups, own, test)


def _write(arn, groups, own, share):
    rule, action = _forwarding(arn)
    if action is None:
        return
    # Weights are whole numbers up to 999.
    whole, part = (100, int(share)) if share == int(share) else (1000, round(share * 10))
    entries = [{"TargetGroupArn": one, "Weight": part if one == own else whole - part} for one in groups]
    stickiness = {"Enabled": "false", "DurationSeconds": ""}
    action["ForwardConfig"] = {**stickiness, **action.get("ForwardConfig", {}), "TargetGroups": entries}
    action.pop("TargetGroupArn", None)
    if rule.get("IsDefault"):
        alb._listeners[rule["ListenerArn"]]["DefaultActions"] = rule["Actions"]


# What the calls show.


def _moving(service, record):
    """What changes while a service deployment goes on."""
    status = record["status"]
    target, sources = _counts(service, record["_target"]), [_counts(service, arn) for arn in record["_sources"]]
    if record["_shifts"] and any(_balancers(service)):
        production, test = record.get("_shares", (0.0, 0.0))
        last = (service.get("_last_completed") or {}).get("revision")
        for one in (target, *sources):
            is_target = one is target
            rest = (lambda share: 100.0 - share) if one["arn"] == last else (lambda share: 0.0)
            one["requestedProductionTrafficWeight"] = production if is_target else rest(production)
            one["requestedTestTrafficWeight"] = test if is_target else rest(test)
    configuration = record["deploymentConfiguration"]
    breaker, alarms = configuration.get("deploymentCircuitBreaker") or {}, configuration.get("alarms") or {}

    def monitor(method, enabled):
        if not enabled:
            return "DISABLED"
        if method in record["_monitors"]:
            return "TRIGGERED"
        return "MONITORING" if status in _BEGUN else "MONITORING_COMPLETE"

    shown = {
        "targetServiceRevision": target,
        "sourceServiceRevisions": sources,
        "deploymentCircuitBreaker": {"status": monitor(BREAKER, breaker.get("enable"))},
        "alarms": {"status": monitor(ALARM, record["_deployment"].get("_watches_alarms"))},
    }
    if breaker.get("enable"):
        shown["deploymentCircuitBreaker"] |= {
            "failureCount": record["_deployment"]["failedTasks"],
            "threshold": ecs._circuit_breaker_threshold(service),
        }
    if alarms.get("enable"):
        triggered = record["_monitors"].get(ALARM, [])
        shown["alarms"] |= {"alarmNames": alarms["alarmNames"], "triggeredAlarmNames": triggered}
    return shown


def _whole(service, arn):
    record = _found(service, arn)
    return record and {**record, **(record.get("_shown") or _moving(service, record))}


def _brief(record):
    return {
        **{member: record[member] for member in _BRIEF if member in record},
        "targetServiceRevisionArn": record["_target"],
    }


def _service_of(arn):
    """The service that a service deployment or revision belongs to, by its ARN."""
    parts = str(arn).rsplit(":", 1)[-1].split("/")
    return (ecs._services.get("/".join(parts[1:3])) if len(parts) == 4 else None) or {}


def _found(service, arn):
    return next((one for one in service.get("_history") or [] if one["serviceDeploymentArn"] == arn), None)


def _revision(service, arn):
    return (service.get("_revisions") or {}).get(arn)


def _described(arns, find, member):
    arns = arns or []
    if not 1 <= len(arns) <= _MOST_DESCRIBED:
        message = f"You can specify 1 to {_MOST_DESCRIBED} ARNs."
        return ecs.error_response_json("InvalidParameterException", message, 400)
    with lock:
        shown = [(arn, find(_service_of(arn), arn)) for arn in arns]
    return ecs.json_response(
        {
            member: [ecs._sanitize(one) for _, one in shown if one],
            "failures": [{"arn": arn, "reason": "MISSING"} for arn, one in shown if not one],
        }
    )


@replaces(ecs, "_ACTION_MAP", "DescribeServiceDeployments")
def _describe(data):
    return _described(data.get("serviceDeploymentArns"), _whole, "serviceDeployments")


@replaces(ecs, "_ACTION_MAP", "DescribeServiceRevisions")
def _describe_revisions(data):
    return _described(data.get("serviceRevisionArns"), _revision, "serviceRevisions")


@replaces(ecs, "_ACTION_MAP", "ListServiceDeployments")
def _list(data):
    cluster = ecs._resolve_cluster_name(data.get("cluster", "default"))
    if cluster not in ecs._clusters:
        return ecs.error_response_json("ClusterNotFoundException", "Cluster not found.", 400)
    service = ecs._services.get(f"{cluster}/{str(data.get('service', '')).rsplit('/', 1)[-1]}")
    if service is None or service["status"] == "INACTIVE":
        return ecs.error_response_json("ServiceNotFoundException", "Service not found.", 400)
    most, first = data.get("maxResults", _LISTED), data.get("nextToken", "0")
    if not 1 <= most <= _MOST_LISTED or not first.isdigit():
        return ecs.error_response_json("InvalidParameterException", f"maxResults must be 1 to {_MOST_LISTED}.", 400)
    created = data.get("createdAt") or {}
    with lock:
        chosen = [
            _brief(one)
            for one in service.get("_history") or []
            if one["status"] in (data.get("status") or (one["status"],))
            and created.get("after", 0) <= one["createdAt"] <= created.get("before", one["createdAt"])
        ]
    end = int(first) + most
    more = {"nextToken": str(end)} if end < len(chosen) else {}
    return ecs.json_response({"serviceDeployments": chosen[int(first) : end], **more})


@replaces(ecs, "_ACTION_MAP", "StopServiceDeployment")
def _stop(data):
    arn = str(data.get("serviceDeploymentArn", ""))
    with lock:
        record = _found(_service_of(arn), arn)
        if record is None:
            return ecs.error_response_json("ServiceDeploymentNotFoundException", "Service deployment not found.", 400)
        if data.get("stopType", "ROLLBACK") != "ROLLBACK":
            return ecs.error_response_json("InvalidParameterException", "The valid stop type is ROLLBACK.", 400)
        if record["status"] in _ENDED:
            message = f"The service deployment is {record['status']} and cannot be stopped."
            return ecs.error_response_json("ConflictException", message, 400)
        if record["status"] in _BEGUN:
            _touch(record, "ROLLBACK_REQUESTED")
    return ecs.json_response({"serviceDeploymentArn": arn})
