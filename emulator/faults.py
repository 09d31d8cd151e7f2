"""Calls that go wrong on request: refused, late, cut off, garbled, or with the death of the function that calls."""

import asyncio
import collections
import contextvars
import dataclasses
import fnmatch
import functools
import signal
import socket
import struct
import threading

from hypercorn.asyncio.tcp_server import TCPServer
from ministack import app
from ministack.core import iam_actions

import invocations
import processes
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
# By the name of a fault without an answer of its own: whether the call is carried out, and what happens then.
_WITHOUT_ANSWER = {
    # Answered as ever, but late.
    "delayed": (True, None),
    # Half of the answer comes, as if it were the whole.
    "corrupt": (True, None),
    # The connection is reset, before and after the call is carried out.
    "reset": (False, "reset"),
    "reset_after": (True, "reset"),
    # The function that calls is killed, before and after the call is carried out.
    "dies": (False, "dies"),
    "dies_after": (True, "dies"),
}
# S3 has names of its own.
_OF_S3 = {
    "ThrottlingException": (503, "SlowDown"),
    "InternalFailure": (500, "InternalError"),
    "OperationAbortedException": (409, "OperationAborted"),
}

_lock = threading.Lock()
_prepared = []
_connection = contextvars.ContextVar("connection")


@dataclasses.dataclass
class _Fault:
    # An action as policies name it, wildcards included.
    action: str
    fault: str
    # Of calls with this text in their path or body only.
    containing: str = ""
    # How many calls; `None`: until it is forgotten.
    times: int | None = 1
    # Each so-many-th call.
    every: int = 1
    # Of functions' calls only.
    of_functions: bool = False
    # The most calls that go wrong for one event, in all of its attempts together. `None`: as many as there are.
    per_event: int | None = None
    # How long a call is delayed.
    seconds: float = 1.0
    calls: int = 0
    struck: int = 0
    events: collections.Counter = dataclasses.field(default_factory=collections.Counter)

    def problem(self):
        if ":" not in str(self.action):
            return 'action: expected an action as policies name it, such as "ecs:UpdateService" or "ecs:*"'
        if self.fault not in {**_KINDS, **_WITHOUT_ANSWER}:
            return f"fault: expected one of {', '.join({**_KINDS, **_WITHOUT_ANSWER})}"
        for name in ("times", "every", "per_event"):
            value = getattr(self, name)
            if not (isinstance(value, int) and value >= 1 or value is None and name != "every"):
                return f"{name}: expected a number of at least 1"
        if not isinstance(self.containing, str):
            return "containing: expected a text"
        return None

    def strikes(self, action, path, body, event):
        """Whether it is this call's turn; `event` is what a function works on, `None` where no function calls."""
        if not fnmatch.fnmatchcase(action, self.action) or self.of_functions and event is None:
            return False
        if self.containing not in path and self.containing.encode() not in body:
            return False
        self.calls += 1
        if self.calls % self.every or self.per_event is not None and self.events[event] >= self.per_event:
            return False
        self.struck += 1
        self.events[event] += 1
        return True


def prepare(value):
    """The next calls of an action go wrong; returns what is wrong with the request, or `None`."""
    try:
        fault = _Fault(**{"action": "", "fault": "", **value})
    except TypeError as error:
        return str(error)
    problem = fault.problem()
    if problem is None:
        with _lock:
            _prepared.append(fault)
    return problem


def prepared():
    """What is still to go wrong, and how many calls have."""
    with _lock:
        return [
            {"action": one.action, "fault": one.fault, "containing": one.containing, "struck": one.struck}
            for one in _prepared
        ]


def forget():
    with _lock:
        _prepared.clear()


def due(action, path="", body=b"", event=None):
    """What goes wrong with this call, or `None`."""
    with _lock:
        for fault in _prepared:
            if fault.strikes(action, path, body, event):
                if fault.struck == fault.times:
                    _prepared.remove(fault)
                return fault
    return None


def _answer(service, method, headers, status, code, message):
    if service == "s3":
        status, code = _OF_S3.get(code, (status, code))
    # The refusals of ministack speak the protocol of each service, with whatever code.
    _, headers, body = iam_actions.access_denied_response(
        service, "", "", "", error_code=code, message=message, headers=headers
    )
    return status, headers, b"" if method == "HEAD" else body


def _reset():
    """Whatever is answered now goes nowhere."""
    connection = _connection.get()
    connection.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.transport.abort()


async def _checked(service, handler, method, path, headers, body, query_params):
    if not _prepared:
        return await handler(method, path, headers, body, query_params)
    action = iam_actions.extract_iam_action(service, method, path, headers, body, query_params)
    caller = invocations.environment_of(headers.get("user-agent", ""))
    fault = due(action or "", path, body or b"", caller and caller.event())
    if fault is None:
        return await handler(method, path, headers, body, query_params)
    is_carried_out, *answer = {**_KINDS, **_WITHOUT_ANSWER}[fault.fault]
    if fault.fault == "delayed":
        await asyncio.sleep(fault.seconds)
    done = await handler(method, path, headers, body, query_params) if is_carried_out else (500, {}, b"")
    if fault.fault in _KINDS:
        return _answer(service, method, headers, *answer)
    if fault.fault == "corrupt":
        status, headers, body = done
        kept = {name: value for name, value in headers.items() if name.lower() != "content-length"}
        return status, kept, body[: len(body) // 2]
    if answer == ["dies"] and caller:
        processes.signal_session(caller.process(), signal.SIGKILL)
    if answer != [None]:
        _reset()
    return done


async def _run_known(run, server):
    _connection.set(server.writer)
    await run(server)


# What answers a call knows the connection that it came by.
_run = TCPServer.run
TCPServer.run = lambda server: _run_known(_run, server)

# Around everything that answers a call that was allowed.
for _service in list(app.SERVICE_HANDLERS):
    wraps(app, "SERVICE_HANDLERS", _service)(functools.partial(_checked, _service))
