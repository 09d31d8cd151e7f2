"""Messages that AWS's own services put into a queue: dead letters and failed invocations."""

import hashlib
import time
import uuid

from ministack.core.concurrency import esm_wake
from ministack.services import sqs


class QueueRefused(Exception):
    """The queue does not exist or its policy does not let the service in."""


def send_as_service(queue_arn, service, source_arn, account, body, attributes=None):
    """Sends as an AWS service does, which the queue's policy must allow; raises `QueueRefused`."""
    if not sqs.queue_policy_allows(queue_arn, service, source_arn, account):
        raise QueueRefused(f"the policy of {queue_arn} does not let {service} send for {source_arn}")
    send(queue_arn, body, attributes)


def send(queue_arn, body, attributes=None):
    queue = sqs._queue_by_arn(queue_arn)
    if queue is None:
        raise QueueRefused(f"queue {queue_arn} does not exist")
    now = time.time()
    message = {
        "id": str(uuid.uuid4()),
        "body": body,
        "md5_body": hashlib.md5(body.encode()).hexdigest(),
        "receipt_handle": None,
        "sent_at": now,
        "visible_at": now + sqs.queue_delay(queue),
        "receive_count": 0,
        "message_attributes": {
            name: {"DataType": "String", "StringValue": value} for name, value in (attributes or {}).items()
        },
        "sys": {"SenderId": queue_arn.split(":")[4], "SentTimestamp": str(int(now * 1000))},
    }
    sqs._ensure_msg_fields(message)
    queue["messages"].append(message)
    esm_wake.set()
