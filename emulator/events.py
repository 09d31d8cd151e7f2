"""The default event bus as AWS's own services use it: what they emit is recorded and dispatched."""

import json
import threading
import uuid
from datetime import datetime, timezone

from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import eventbridge

from patches import wraps

_recorded = []
_to_lose = []
_lock = threading.Lock()


def now():
    """The time in the form in which ECS and S3 write it into events."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def lose(value):
    """The next `times` events of AWS's services that hold all these texts do not come; returns what is wrong with the
    request, or `None`."""
    texts, times = value.get("containing"), value.get("times", 1)
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        return "containing: expected a list of texts"
    if not isinstance(times, int) or times < 1:
        return "times: expected a number of at least 1"
    with _lock:
        _to_lose.append({"containing": texts, "left": times})
    return None


def lose_no_more():
    with _lock:
        _to_lose.clear()


def _is_lost(event):
    text = json.dumps(event)
    with _lock:
        for one in _to_lose:
            if all(part in text for part in one["containing"]):
                one["left"] -= 1
                if not one["left"]:
                    _to_lose.remove(one)
                return True
    return False


def emit(source, detail_type, resources, detail):
    """Puts an event of an AWS service on the default bus of the account and region in scope, unless it gets lost."""
    event = {
        "id": str(uuid.uuid4()),
        "source": source,
        "detail-type": detail_type,
        "detail": detail,
        "time": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "resources": resources,
        "account": get_account_id(),
        "region": get_region(),
    }
    if not _is_lost(event):
        emit_again(event)


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
