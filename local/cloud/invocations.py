"""Lambda's asynchronous invocations: retries, what waits while a function is throttled, and destinations.

As on AWS a function error is tried twice more, a throttle is no attempt and is tried until the event is
too old, and what failed for good goes to the on-failure destination if the function's role may send
there. Only the pauses are short (AWS waits one minute, then two).
"""

import json
import threading
import time
import uuid

from ministack.core.responses import request_scope
from ministack.services import lambda_svc

import events
import queues
import roles

_DEFAULT_RETRIES = 2
_DEFAULT_LONGEST_AGE_SECONDS = 6 * 60 * 60
_retry_seconds = 1.0
# The emulator gives each attempt an id of its own; on AWS all attempts of an invocation share one.
_next_request_id = threading.local()
_new_uuid = lambda_svc.new_uuid


def invoke(function, event):
    """Takes over an event for a function (its record, as the emulator stores it) and returns at once."""
    threading.Thread(target=_attempts, args=(function, event), daemon=True, name="asynchronous-invocation").start()


def _attempts(function, event):
    configuration = function.get("config") or function
    account, region = lambda_svc._account_region_from_function_config(configuration)
    with request_scope(account, region):
        _attempts_in_scope(function, configuration, event)


def _attempts_in_scope(function, configuration, event):
    name = configuration.get("FunctionName", "unknown")
    settings = _settings(name, configuration)
    retries = settings.get("MaximumRetryAttempts")
    retries = _DEFAULT_RETRIES if retries is None else int(retries)
    longest_age = int(settings.get("MaximumEventAgeInSeconds") or _DEFAULT_LONGEST_AGE_SECONDS)
    request_id = str(uuid.uuid4())
    accepted = time.monotonic()
    attempts = 0
    while True:
        _next_request_id.value = request_id
        result = lambda_svc._execute_function(function, event)
        if not result.get("error"):
            return
        throttled = bool(result.get("throttle"))
        if not throttled:
            attempts += 1
            lambda_svc.logger.warning("%s: attempt %d failed: %s", name, attempts, result.get("body"))
            if attempts > retries:
                _give_up(settings, configuration, event, result, request_id, attempts, "RetriesExhausted")
                return
        pause = _retry_seconds * (1 if throttled else attempts)
        if time.monotonic() - accepted + pause > longest_age:
            _give_up(settings, configuration, event, result, request_id, attempts, "EventAgeExceeded")
            return
        time.sleep(pause)


def _settings(name, configuration):
    function = lambda_svc._functions.get(name) or {}
    configured = function.get("event_invoke_configs") or {}
    settings = configured.get("") or configured.get("$LATEST") or function.get("event_invoke_config") or {}
    destination = ((settings.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination")
    dead_letters = (configuration.get("DeadLetterConfig") or {}).get("TargetArn")
    return {**settings, "destination": destination, "dead_letters": dead_letters}


def _give_up(settings, configuration, event, result, request_id, attempts, condition):
    body = result.get("body") if isinstance(result.get("body"), dict) else {"errorMessage": str(result.get("body"))}
    destination, dead_letters = settings["destination"], settings["dead_letters"]
    if destination and destination.split(":")[2] != "sqs":
        lambda_svc._route_async_failure(destination, configuration.get("FunctionName", "unknown"), event, result)
    elif destination:
        record = {
            "version": "1.0",
            "timestamp": events.now(),
            "requestContext": {
                "requestId": request_id,
                "functionArn": f"{configuration.get('FunctionArn', '')}:$LATEST",
                "condition": condition,
                "approximateInvokeCount": attempts,
            },
            "requestPayload": event,
            "responseContext": {
                "statusCode": 200,
                "executedVersion": "$LATEST",
                "functionError": result.get("function_error") or "Unhandled",
            },
            "responsePayload": body,
        }
        _send(configuration, destination, json.dumps(record), {})
    if dead_letters:
        attributes = {
            "RequestID": request_id,
            "ErrorCode": "200",
            "ErrorMessage": str(body.get("errorMessage", ""))[:1024],
        }
        _send(configuration, dead_letters, json.dumps(event), attributes)


def _send(configuration, target, body, attributes):
    name = configuration.get("FunctionName", "unknown")
    if not roles.allows(configuration, "sqs:SendMessage", target):
        lambda_svc.logger.error(
            "%s: the event is lost: role %s may not sqs:SendMessage to %s", name, configuration.get("Role"), target
        )
        return
    try:
        queues.send(target, body, attributes)
    except queues.QueueRefused as error:
        lambda_svc.logger.error("%s: the event is lost: %s", name, error)


def _request_id():
    waiting = getattr(_next_request_id, "value", None)
    _next_request_id.value = None
    return waiting or _new_uuid()


def install(retry_seconds):
    global _retry_seconds
    _retry_seconds = retry_seconds
    lambda_svc.invoke_async_with_retry = invoke
    lambda_svc.new_uuid = _request_id
