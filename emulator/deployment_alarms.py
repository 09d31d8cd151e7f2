"""The alarms of a service's deployments: which deployment they are watched for, and for how long.

ECS watches them from a deployment's first running task until a bake time is over, which it computes from the alarms'
periods (AWS's announcement of them, December 2022); here it is always the same. It watches none for a deployment that
begins while one of them is in ALARM, so that what fixes a service can be deployed (AWS Copilot's documentation of
`rollback_alarms`).
"""

from ministack.services import cloudwatch

# How long a deployment whose tasks are all healthy waits for an alarm.
BAKE_SECONDS = 2.0


def of(service):
    """The service's setting, empty where it has none that is enabled."""
    alarms = (service.get("deploymentConfiguration") or {}).get("alarms") or {}
    return alarms if alarms.get("enable") else {}


def detected(service):
    """The names of the service's alarms that are in ALARM."""

    def state(name):
        return (cloudwatch._alarms.get(name) or cloudwatch._composite_alarms.get(name) or {}).get("StateValue")

    return [name for name in of(service).get("alarmNames") or [] if state(name) == "ALARM"]


def begin(service, deployment):
    """Notes whether the alarms count for a deployment, at the moment when it begins."""
    deployment["_watches_alarms"] = bool(of(service)) and not detected(service)


def stop(service, deployment):
    """Whether an alarm ends a deployment now."""
    return bool(deployment.get("_watches_alarms")) and bool(detected(service))


def baked(deployment, now):
    """Whether the bake time is over of a deployment that has settled."""
    if not deployment.get("_watches_alarms"):
        return True
    return now - deployment.setdefault("_settled_since", now) >= BAKE_SECONDS
