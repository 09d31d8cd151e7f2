"""Calls that go wrong on request: throttled, failed, or failed although what they asked for was done."""

import functools
import threading

from ministack import app
from ministack.core import iam_actions

from patches import wraps

_INTERNAL = (500, "InternalFailure", "We encountered an internal error. Please try again.")
# By the name of a fault: whether the call is carried out, and what is answered.
_KINDS = {
    "throttled": (False, 400, "ThrottlingException", "Rate exceeded"),
    "failed": (False, *_INTERNAL),
    # A caller cannot distinguish this from "failed".
    "answer_lost": (True, *_INTERNAL),
    # CopyObject and CompleteMultipartUpload begin their answer before they are done.
    "failed_inside": (False, 200, "InternalError", _INTERNAL[-1]),
    # Refusals that are over when the call is sent again a little later, in the words of their services.
    "concurrent_revisions": (
        False, 400, "ClientException",
        "Too many concurrent attempts to create a new revision of the specified family.",
    ),
    "role_not_assumable": (
        False, 400, "ClientException",
        "ECS was unable to assume the role that was provided for this task. Please verify that the role being passed "
        "has the proper trust relationship and permissions and that your IAM user has permissions to pass this role.",
    ),
    "conflicting_operation": (
        False, 409, "OperationAbortedException",
        "A conflicting operation is currently in progress against this resource.",
    ),
    "file_system_busy": (
        False, 409, "IncorrectFileSystemLifeCycleState", "The file system is not in the correct life cycle state.",
    ),
}
# S3 has names of its own.
_OF_S3 = {
    "ThrottlingException": (503, "SlowDown"),
    "InternalFailure": (500, "InternalError"),
    "OperationAbortedException": (409, "OperationAborted"),
}

_lock = threading.Lock()
_prepared = []


def prepare(fault):
    """The next `times` calls of an action go wrong; returns what is wrong with the request, or `None`."""
    if ":" not in str(fault.get("action", "")):
        return 'action: expected an action as policies name it, such as "ecs:UpdateService"'
    if fault.get("fault") not in _KINDS:
        return f"fault: expected one of {', '.join(_KINDS)}"
    times = fault.get("times", 1)
    if not isinstance(times, int) or times < 1:
        return "times: expected a number of at least 1"
    if not isinstance(fault.get("containing", ""), str):
        return "containing: expected a text"
    with _lock:
        _prepared.append({"containing": "", **fault, "left": times})
    return None


def prepared():
    """What is still to go wrong."""
    with _lock:
        return [dict(fault) for fault in _prepared]


def forget():
    with _lock:
        _prepared.clear()


def _due(action, path, body):
    with _lock:
        for fault in _prepared:
            text = fault["containing"]
            if fault["action"] == action and (text in path or text.encode() in body):
                fault["left"] -= 1
                if not fault["left"]:
                    _prepared.remove(fault)
                return fault["fault"]
    return None


def _answer(service, method, headers, status, code, message):
    if service == "s3":
        status, code = _OF_S3.get(code, (status, code))
    # The refusals of ministack speak the protocol of each service, with whatever code.
    _, headers, body = iam_actions.access_denied_response(
        service, "", "", "", error_code=code, message=message, headers=headers
    )
    return status, headers, b"" if method == "HEAD" else body


async def _checked(service, handler, method, path, headers, body, query_params):
    due = None
    if _prepared:
        action = iam_actions.extract_iam_action(service, method, path, headers, body, query_params)
        due = _due(action, path, body or b"")
    if due is None:
        return await handler(method, path, headers, body, query_params)
    carried_out, *answer = _KINDS[due]
    if carried_out:
        await handler(method, path, headers, body, query_params)
    return _answer(service, method, headers, *answer)


# Around everything that answers a call that was allowed.
for _service in list(app.SERVICE_HANDLERS):
    wraps(app, "SERVICE_HANDLERS", _service)(functools.partial(_checked, _service))
