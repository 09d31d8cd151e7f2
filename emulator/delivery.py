"""EventBridge's delivery to Lambda: asks the function's policy, goes the asynchronous way, dead-letters.

ministack calls a Lambda target once, whoever may or may not call it. On AWS a rule may only call a
function whose policy names EventBridge with that rule's ARN; what cannot be delivered goes to the
target's dead-letter queue, if the queue's policy lets the rule in.

ministack also starts a thread for each event of S3. Here one thread delivers them all, in order.
"""

import concurrent.futures
import contextvars
import json
import threading

from ministack.core.iam_evaluator import EvalContext, evaluate_resource_policy
from ministack.core.responses import get_account_id, get_region
from ministack.services import eventbridge, lambda_svc, s3

import invocations
import queues
from patches import replaces, wraps

_PRINCIPAL = "events.amazonaws.com"
# The target and the rule whose delivery is under way on this thread; ministack passes on neither.
_under_way = threading.local()
_of_s3 = concurrent.futures.ThreadPoolExecutor(1, "s3-events")


class Undeliverable(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


@wraps(eventbridge, "_invoke_target")
def _invoke(invoke, target, event, rule, view=None):
    before = getattr(_under_way, "delivery", None)
    _under_way.delivery = (target, rule)
    try:
        invoke(target, event, rule, view)
    finally:
        _under_way.delivery = before


@replaces(eventbridge, "_dispatch_to_lambda")
def _to_lambda(arn, payload):
    target, rule = _under_way.delivery
    try:
        _call(arn, payload, rule)
    except Undeliverable as error:
        eventbridge.logger.warning("rule %s: target %s: %s", rule.get("Name"), arn, error)
        _to_dead_letters(target, rule, payload, error)


def _call(arn, payload, rule):
    function, configuration, name = lambda_svc._get_func_record_for_ref(arn)
    if not function or not configuration:
        raise Undeliverable("RESOURCE_NOT_FOUND", f"function {arn} does not exist")
    if not _permitted(function, arn, rule):
        raise Undeliverable(
            "NO_PERMISSIONS", f"no statement in the policy of {name} lets {_PRINCIPAL} call it for {rule.get('Arn')}"
        )
    try:
        event = json.loads(payload)
    except ValueError:
        raise Undeliverable("INVALID_JSON", f"the input for {name} is not JSON") from None
    invocations.invoke(lambda_svc._execution_record_for_config(function, configuration), event)


def _permitted(function, arn, rule):
    context = EvalContext(
        principal_arn="",
        principal_type="Service",
        principal_account="",
        action="lambda:InvokeFunction",
        resource_arn=arn,
        region=get_region(),
        secure_transport=True,
        service_context={"aws:sourcearn": rule.get("Arn", ""), "aws:sourceaccount": get_account_id()},
    )
    return evaluate_resource_policy(function.get("policy"), context, service=_PRINCIPAL).decision == "Allow"


def _to_dead_letters(target, rule, payload, error):
    queue_arn = (target.get("DeadLetterConfig") or {}).get("Arn")
    if not queue_arn:
        return
    attributes = {
        "RULE_ARN": rule.get("Arn", ""),
        "TARGET_ARN": target.get("Arn", ""),
        "ERROR_CODE": error.code,
        "ERROR_MESSAGE": str(error),
        # Neither is worth a second try, so AWS makes none.
        "RETRY_ATTEMPTS": "0",
    }
    try:
        queues.send_as_service(queue_arn, _PRINCIPAL, rule.get("Arn", ""), get_account_id(), payload, attributes)
    except queues.QueueRefused as refused:
        eventbridge.logger.error("rule %s: the event is lost: %s", rule.get("Name"), refused)


@replaces(s3, "_fire_s3_event_async")
def _fire_in_order(bucket, key, event_name, *arguments, **options):
    if bucket in s3._bucket_notifications:
        sequencer = s3._next_event_sequencer(event_name)
        # The account and the region of the request.
        context = contextvars.copy_context()
        arguments = (bucket, key, event_name, *arguments)
        _of_s3.submit(context.run, s3._fire_s3_event, *arguments, sequencer=sequencer, **options)
