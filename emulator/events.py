"""The default event bus as AWS's own services use it: what they emit is recorded and dispatched."""

import json
import threading
import uuid
from datetime import datetime, timezone

from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import eventbridge

from patches import wraps

_recorded = []
_lock = threading.Lock()


def now():
    """The time in the form in which ECS and S3 write it into events."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def emit(source, detail_type, resources, detail):
    """Puts an event of an AWS service on the default bus of the account and region in scope."""
    emit_again(
        {
            "id": str(uuid.uuid4()),
            "source": source,
            "detail-type": detail_type,
            "detail": detail,
            "time": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "resources": resources,
            "account": get_account_id(),
            "region": get_region(),
        }
    )


def emit_again(event):
    """Puts a complete event of AWS on the default bus as it is, its id and time included."""
    with request_scope(event["account"], event["region"]):
        eventbridge._dispatch_event(
            {
                "EventId": event["id"],
                "Source": event["source"],
                "DetailType": event["detail-type"],
                "Detail": json.dumps(event["detail"]),
                "EventBusName": "default",
                "Time": event["time"],
                "Resources": event.get("resources", []),
                "Account": event["account"],
                "Region": event["region"],
            }
        )


def recorded():
    """Every event AWS's own services have put on the default bus, in order, as targets get them."""
    with _lock:
        return list(_recorded)


@wraps(eventbridge, "_dispatch_event")
def _record(dispatch, event, view=None):
    """Records what any built-in service emits: they all end in ministack's dispatch."""
    view = view or eventbridge._pattern_event_view(event)
    if str(event.get("Source", "")).startswith("aws.") and event.get("EventBusName", "default") == "default":
        with _lock:
            _recorded.append(view.event_with_detail())
    dispatch(event, view)
