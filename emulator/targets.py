"""Targets of rules and schedules that ministack does not know: ECS tasks, log groups, functions of schedules.

A task is run, and a function called by a schedule, with the permissions of the target's role; what a schedule's target
refuses goes to the schedule's dead-letter queue with the same role, at once and without the retries. Failures that are
part of a good answer of RunTask do not: AWS does not say what becomes of them. A log group takes events if a resource policy of
CloudWatch Logs lets EventBridge write.
"""

import json
import os
import time

from botocore.exceptions import BotoCoreError, ClientError
from ministack.core.arn import parse_arn
from ministack.core.concurrency import spawn_background
from ministack.core.iam_evaluator import fnmatch_iam
from ministack.services import cloudwatch_logs, eventbridge, scheduler

from patches import replaces, wraps
from provisioning import calls
from provisioning.resource import lower_first

_ECS_MEMBERS = (
    "CapacityProviderStrategy", "EnableECSManagedTags", "EnableExecuteCommand", "Group", "LaunchType",
    "NetworkConfiguration", "PlacementConstraints", "PlacementStrategy", "PlatformVersion", "PropagateTags",
)
_SCHEDULER = "scheduler.amazonaws.com"
_WRITERS = ("events.amazonaws.com", "delivery.logs.amazonaws.com")


def _run_task(target, principal, event, schedule):
    parameters = target.get("EcsParameters") or {}
    role = calls.role_of(target.get("RoleArn", ""), principal)
    if role is None:
        eventbridge.logger.warning("target %s: %s may not assume its role", target["Arn"], principal)
        return
    request = lower_first({name: parameters[name] for name in _ECS_MEMBERS if parameters.get(name)})
    for name, member in (("TaskCount", "count"), ("TaskDefinitionArn", "taskDefinition")):
        if parameters.get(name):
            request[member] = parameters[name]
    if parameters.get("Tags"):
        request["tags"] = [{"key": tag["Key"], "value": tag["Value"]} for tag in parameters["Tags"]]
    if target.get("Input"):
        try:
            request["overrides"] = json.loads(target["Input"])
        except ValueError:
            eventbridge.logger.warning("target %s: the input is not JSON", target["Arn"])
            return

    def run():
        keys = calls.keys_of_role(role, "scheduler")
        try:
            answer = calls.client("ecs", keys).run_task(cluster=target["Arn"], **request)
        except (ClientError, BotoCoreError) as error:
            eventbridge.logger.warning("target %s: RunTask: %s", target["Arn"], error)
            if principal == _SCHEDULER:
                _to_dead_letters(target, event, schedule, json.dumps(request), keys, error)
            return
        for failure in answer.get("failures") or []:
            eventbridge.logger.warning("target %s: RunTask: %s", target["Arn"], failure)

    # Not on this thread: it may be the one that has to answer the call.
    spawn_background(run, thread_name="target-run-task")


def _invoke_function(target, event, schedule):
    """Calls a function as EventBridge Scheduler does, which says what fired in the input where it is asked to."""
    role = calls.role_of(target.get("RoleArn", ""), _SCHEDULER)
    if role is None:
        eventbridge.logger.warning("schedule %s: %s may not assume its role", schedule.get("Name"), _SCHEDULER)
        return
    attributes = {
        "schedule-arn": schedule.get("Arn", ""),
        "scheduled-time": _scheduled_time(event),
        "execution-id": event["EventId"],
        "attempt-number": "1",
    }
    payload = target.get("Input") or "{}"
    for name, value in attributes.items():
        payload = payload.replace(f"<aws.scheduler.{name}>", value)

    def run():
        keys = calls.keys_of_role(role, "scheduler")
        try:
            calls.client("lambda", keys).invoke(FunctionName=target["Arn"], InvocationType="Event", Payload=payload)
        except (ClientError, BotoCoreError) as error:
            eventbridge.logger.warning("schedule %s: target %s: %s", schedule.get("Name"), target["Arn"], error)
            _to_dead_letters(target, event, schedule, payload, keys, error)

    spawn_background(run, thread_name="schedule-invoke-function")


def _scheduled_time(event):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(event["Time"]))


def _to_dead_letters(target, event, schedule, payload, keys, error):
    queue_arn = (target.get("DeadLetterConfig") or {}).get("Arn")
    if not queue_arn:
        return
    attributes = {
        "ERROR_CODE": calls.code_of(error),
        "ERROR_MESSAGE": _message_of(error),
        "EXECUTION_ID": event["EventId"],
        "IS_PAYLOAD_TRUNCATED": "false",
        "RETRY_ATTEMPTS": "0",
        "SCHEDULED_TIME": _scheduled_time(event),
        "SCHEDULE_ARN": schedule.get("Arn", ""),
        "TARGET_ARN": target["Arn"],
    }
    account, name = queue_arn.split(":")[4:]
    try:
        calls.client("sqs", keys).send_message(
            QueueUrl=f"{os.environ['AWS_ENDPOINT_URL']}/{account}/{name}",
            MessageBody=payload,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items() if value
            },
        )
    except (ClientError, BotoCoreError) as refused:
        eventbridge.logger.error("schedule %s: the event is lost: %s", schedule.get("Name"), refused)


def _message_of(error):
    """What the target says, without what boto3 says around it."""
    said = getattr(error, "response", {}).get("Error", {})
    return said.get("Message") or str(error)


def _lets_events_write(group_arn):
    for policy in cloudwatch_logs._resource_policies.values():
        document = json.loads(policy.get("policyDocument") or "{}")
        statements = document.get("Statement", [])
        for statement in [statements] if isinstance(statements, dict) else statements:
            principals = (statement.get("Principal") or {}).get("Service", [])
            principals = [principals] if isinstance(principals, str) else principals
            actions = statement.get("Action", [])
            resources = statement.get("Resource", [])
            if (
                statement.get("Effect") == "Allow"
                and any(one in _WRITERS for one in principals)
                and any(fnmatch_iam("logs:PutLogEvents", one) for one in _listed(actions))
                and any(fnmatch_iam(f"{group_arn}:log-stream:any", one) for one in _listed(resources))
            ):
                return True
    return False


def _listed(value):
    return [value] if isinstance(value, str) else list(value)


def _log(target, event, view):
    arn = target["Arn"].removesuffix(":*")
    group = arn.split(":log-group:", 1)[-1]
    if group not in cloudwatch_logs._log_groups:
        eventbridge.logger.warning("target %s: the log group does not exist", arn)
        return
    if not _lets_events_write(arn):
        eventbridge.logger.warning("target %s: no resource policy lets EventBridge write", arn)
        return
    view = view or eventbridge._pattern_event_view(event)
    stream = event.get("EventId", "events")
    message = target.get("Input") or json.dumps(view.event_with_detail())
    cloudwatch_logs._create_log_stream({"logGroupName": group, "logStreamName": stream})
    cloudwatch_logs._put_log_events(
        {
            "logGroupName": group,
            "logStreamName": stream,
            "logEvents": [{"timestamp": int(time.time() * 1000), "message": message}],
        }
    )


@wraps(eventbridge, "_invoke_target")
def _invoke_target(invoke, target, event, rule, view=None):
    try:
        service = parse_arn(target.get("Arn", "")).service
    except ValueError:
        service = ""
    by_schedule = event.get("Source") == "aws.scheduler"
    if service == "ecs" and target.get("EcsParameters"):
        _run_task(target, _SCHEDULER if by_schedule else "events.amazonaws.com", event, rule)
    elif service == "lambda" and by_schedule:
        _invoke_function(target, event, rule)
    elif service == "logs":
        _log(target, event, view)
    else:
        invoke(target, event, rule, view)


# AWS is on time to the minute; nobody here waits that long.
replaces(scheduler, "_SCHEDULE_TICK_INTERVAL")(1)
