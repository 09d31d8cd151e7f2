"""Lambda's asynchronous invocations: a queue for each function, retries and destinations; and where functions run.

As on AWS an event waits in the queue of its function until the function may run once more, which is not an attempt. A
function error is tried twice more, and an event that failed for good, or that waited too long, goes to the on-failure
destination if the function's role may send there. Only the pauses are short (AWS waits one minute, then two).
ministack starts a thread for each event; here a few threads work for all queues.
"""

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import functools
import heapq
import itertools
import json
import os
import queue
import re
import subprocess
import threading
import time
import uuid
import weakref
from http import HTTPStatus

from ministack.core import lambda_runtime
from ministack.core.responses import request_scope
from ministack.services import lambda_svc

import events
import processes
import queues
import roles
from patches import replaces, wraps

_DEFAULT_RETRIES = 2
_DEFAULT_LONGEST_AGE_SECONDS = 6 * 60 * 60
# How many events all functions work on at once, and how many environments are kept.
_AT_ONCE_IN_ALL = 16
# The limit of the account, which counts invocations whose callers wait as well. Beyond it Lambda throttles those.
_ACCOUNT_CONCURRENCY = 24
# How soon an event that waits sees that its function's concurrency was raised, or that other invocations are over.
_LOOK_SECONDS = 0.1

# The pause before the second attempt, and how many events a function without reserved concurrency works on at once.
RETRY_SECONDS = 1.0
UNRESERVED_CONCURRENCY = 10
_numbers = itertools.count()
# Guards the queues, and is notified when one of them changes.
_changed = threading.Condition()
_queues = {}
_workers = concurrent.futures.ThreadPoolExecutor(_AT_ONCE_IN_ALL, "asynchronous-invocation")


@dataclasses.dataclass
class _Invocation:
    """An event that was accepted for a function (its record, as ministack stores it)."""

    function: dict
    event: object
    number: int = dataclasses.field(default_factory=lambda: next(_numbers))
    # On AWS all attempts of an invocation share one.
    request_id: str = dataclasses.field(default_factory=lambda: str(uuid.uuid4()))
    accepted: float = dataclasses.field(default_factory=time.monotonic)
    attempts: int = 0
    result: dict | None = None

    @property
    def configuration(self):
        return self.function.get("config") or self.function

    def is_too_old(self, after_seconds=0):
        longest = _settings(self.configuration).get("MaximumEventAgeInSeconds")
        return time.monotonic() - self.accepted + after_seconds > int(longest or _DEFAULT_LONGEST_AGE_SECONDS)

    def function_now(self):
        """The function as it is now, or `None` when it was deleted: it may change while events wait."""
        account, region = lambda_svc._account_region_from_function_config(self.configuration)
        function = lambda_svc._functions.get_scoped(account, region, self.configuration.get("FunctionName"))
        if function is None:
            return None
        if self.configuration.get("Version", "$LATEST") != "$LATEST":
            return {**self.function, "config": self.configuration, "concurrency": function.get("concurrency")}
        arn = self.configuration.get("FunctionArn", "")
        return {**function, "config": {**function["config"], "FunctionArn": arn}}


class _Queue:
    """The events of one function, whatever its version. Use under `_changed` only."""

    def __init__(self, name):
        self.name = name
        # The oldest first, by number.
        self.waiting = []
        # The first to be tried again first.
        self.paused = []
        self.running = 0

    def add(self, invocation):
        heapq.heappush(self.waiting, (invocation.number, invocation))

    def pause(self, invocation, seconds):
        heapq.heappush(self.paused, (time.monotonic() + seconds, invocation.number, invocation))

    def wake(self):
        """Puts back what has paused for long enough."""
        while self.paused and self.paused[0][0] <= time.monotonic():
            self.add(heapq.heappop(self.paused)[-1])

    def take(self):
        """This queue, its oldest event, the function and its unit of concurrency, which is `None` when the event is too
        old. Returns `None` when nothing can run now."""
        _, invocation = self.waiting[0]
        function = invocation.function_now()
        if function is None:
            lambda_svc.logger.warning("%s was deleted: %d events are lost", self.name, self.size())
            self.waiting.clear()
            self.paused.clear()
            return None
        unit = None
        if not invocation.is_too_old():
            reserved = lambda_svc._reserved_concurrency(function, function["config"])
            if reserved is None and self.running >= UNRESERVED_CONCURRENCY:
                return None
            unit, _ = lambda_svc._acquire_execution_slot(function, function["config"])
            if unit is None:
                return None
        heapq.heappop(self.waiting)
        self.running += 1
        return self, invocation, function, unit

    def size(self):
        return len(self.waiting) + len(self.paused)


@replaces(lambda_svc, "invoke_async_with_retry")
def invoke(function, event):
    """Takes over an event for a function (its record, as ministack stores it) and returns at once."""
    invocation = _Invocation(function, event)
    key = lambda_svc._inflight_key(invocation.configuration)
    with _changed:
        if key not in _queues:
            _queues[key] = _Queue(invocation.configuration.get("FunctionName", "unknown"))
        _queues[key].add(invocation)
        _changed.notify()


def retry_after(value):
    """From now on failed events pause for these seconds before their second attempt, and twice as long before the
    third; returns what is wrong with the request, or `None`."""
    global RETRY_SECONDS
    seconds = value.get("seconds")
    if not isinstance(seconds, (int, float)) or seconds < 0:
        return "seconds: expected a number of at least 0"
    RETRY_SECONDS = seconds
    return None


def counts():
    """By function, how many events wait (also to be tried again) and how many run. A function without is left out."""
    by_function = {}
    with _changed:
        for one in _queues.values():
            count = by_function.setdefault(one.name, {"waiting": 0, "running": 0})
            count["waiting"] += one.size()
            count["running"] += one.running
    return by_function


def _dispatch_for_ever():
    with _changed:
        while True:
            for one in list(_queues.values()):
                one.wake()
            job = _next_job()
            for key in [key for key, one in _queues.items() if not one.running and not one.size()]:
                del _queues[key]
            if job is None:
                _changed.wait(_seconds_to_look_again())
            else:
                _workers.submit(_run, *job)


def _next_job():
    """The oldest event of all functions that can run now."""
    if sum(one.running for one in _queues.values()) >= _AT_ONCE_IN_ALL:
        return None
    with_events = [one for one in _queues.values() if one.waiting]
    jobs = (one.take() for one in sorted(with_events, key=lambda one: one.waiting[0][0]))
    return next((job for job in jobs if job is not None), None)


def _seconds_to_look_again():
    if any(one.waiting for one in _queues.values()):
        return _LOOK_SECONDS
    due = [one.paused[0][0] for one in _queues.values() if one.paused]
    return max(0, min(due) - time.monotonic()) if due else None


def _run(one, invocation, function, unit):
    pause = None
    try:
        with request_scope(*lambda_svc._account_region_from_function_config(invocation.configuration)):
            if unit is None:
                _give_up(invocation, function["config"], "EventAgeExceeded")
            else:
                pause = _attempt(invocation, function)
    except Exception:
        lambda_svc.logger.exception("%s: the event of %s is lost", one.name, invocation.request_id)
    with _changed:
        if unit is not None:
            lambda_svc._release_execution_slot(unit)
        one.running -= 1
        if pause is not None:
            one.pause(invocation, pause)
        _changed.notify()


def _attempt(invocation, function):
    """Runs the function once; returns after how many seconds the event is to be tried again, or `None`."""
    configuration = function["config"]
    result = lambda_svc._execute_function_dispatch(
        function, configuration, invocation.event, invocation.request_id, time.time()
    )
    if not result.get("error"):
        return None
    invocation.attempts += 1
    invocation.result = result
    name = configuration.get("FunctionName", "unknown")
    lambda_svc.logger.warning("%s: attempt %d failed: %s", name, invocation.attempts, result.get("body"))
    retries = _settings(configuration).get("MaximumRetryAttempts")
    if invocation.attempts > (_DEFAULT_RETRIES if retries is None else int(retries)):
        _give_up(invocation, configuration, "RetriesExhausted")
        return None
    pause = RETRY_SECONDS * invocation.attempts
    if invocation.is_too_old(pause):
        _give_up(invocation, configuration, "EventAgeExceeded")
        return None
    return pause


def _settings(configuration):
    account, region = lambda_svc._account_region_from_function_config(configuration)
    function = lambda_svc._functions.get_scoped(account, region, configuration.get("FunctionName")) or {}
    configured = function.get("event_invoke_configs") or {}
    settings = configured.get("") or configured.get("$LATEST") or function.get("event_invoke_config") or {}
    destination = ((settings.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination")
    return {**settings, "destination": destination}


def _give_up(invocation, configuration, condition):
    name = configuration.get("FunctionName", "unknown")
    result = invocation.result or lambda_svc._throttle_response(
        "ReservedFunctionConcurrentInvocationLimitExceeded", f"Rate Exceeded: {name} ran as often as it may at once"
    )
    body = result.get("body") if isinstance(result.get("body"), dict) else {"errorMessage": str(result.get("body"))}
    destination = _settings(configuration)["destination"]
    if destination:
        record = {
            "version": "1.0",
            "timestamp": events.now(),
            "requestContext": {
                "requestId": invocation.request_id,
                "functionArn": f"{configuration.get('FunctionArn', '')}:$LATEST",
                "condition": condition,
                "approximateInvokeCount": invocation.attempts,
            },
            "requestPayload": invocation.event,
            "responseContext": {
                "statusCode": 200,
                "executedVersion": "$LATEST",
                "functionError": result.get("function_error") or "Unhandled",
            },
            "responsePayload": body,
        }
        _send(configuration, destination, record)


def _send(configuration, target, event):
    """Sends an event to a queue or a function, if the function's role may."""
    name = configuration.get("FunctionName", "unknown")
    action = "lambda:InvokeFunction" if target.split(":")[2] == "lambda" else "sqs:SendMessage"
    if not roles.allows(configuration, action, target):
        lambda_svc.logger.error(
            "%s: the event is lost: role %s may not %s to %s", name, configuration.get("Role"), action, target
        )
        return
    if action == "lambda:InvokeFunction":
        function, of_target, _ = lambda_svc._get_func_record_for_ref(target)
        if function and of_target:
            invoke(lambda_svc._execution_record_for_config(function, of_target), event)
        else:
            lambda_svc.logger.error("%s: the event is lost: function %s does not exist", name, target)
        return
    try:
        queues.send(target, json.dumps(event))
    except queues.QueueRefused as error:
        lambda_svc.logger.error("%s: the event is lost: %s", name, error)


# Environments. By the number that each of their processes is known by: AWS's SDKs put this variable into `User-Agent`.
_NAME_VARIABLE = "AWS_SDK_UA_APP_ID"
_NAME = re.compile(r"app/environment-(\d+)")
_environments = weakref.WeakValueDictionary()


def environment_of(user_agent):
    """The environment that sent a request with this header, or `None` where no function did."""
    found = _NAME.search(user_agent)
    return _environments.get(int(found[1])) if found else None


def environments():
    """The processes in which functions run."""
    return [
        {"function": one.func_name, "process": one.process().pid}
        for one in list(_environments.values())
        if one.process() and one.process().poll() is None
    ]


# ministack needs three threads for each, which look ten times a second whether there is something to
# do, and keeps each for minutes.

_HOST = "127.0.0.1"
_loop = asyncio.new_event_loop()


class _Output(asyncio.Protocol):
    """Collects the lines that a process writes, up to a number of them."""

    def __init__(self, lines):
        self.ended = threading.Event()
        self._lines = lines
        self._rest = b""

    def data_received(self, data):
        *whole, self._rest = (self._rest + data).split(b"\n")
        for line in whole:
            self._keep(line)

    def connection_lost(self, error):
        if self._rest:
            self._keep(self._rest)
        self.ended.set()

    def _keep(self, line):
        while True:
            try:
                self._lines.put_nowait(line.decode(errors="replace").rstrip("\r"))
                return
            except queue.Full:
                with contextlib.suppress(queue.Empty):
                    self._lines.get_nowait()


class _RuntimeApi:
    """The Runtime API of one environment, on a port of its own."""

    def __init__(self, environment, generation):
        self._environment = environment
        self._generation = generation
        self._invocations = asyncio.Queue()
        self._connections = set()
        self._server = None

    async def open(self):
        self._server = await asyncio.start_server(self._serve, _HOST, 0)
        return self._server.sockets[0].getsockname()[1]

    def put(self, invocation):
        _loop.call_soon_threadsafe(self._invocations.put_nowait, invocation)

    def close(self):
        self._server.close()
        for connection in self._connections:
            connection.cancel()

    async def _serve(self, reader, writer):
        connection = asyncio.current_task()
        self._connections.add(connection)
        try:
            while True:
                status, headers, body = await self._answer(*await _read_request(reader))
                head = [f"HTTP/1.1 {status.value} {status.phrase}", f"Content-Length: {len(body)}"]
                head += [f"{name}: {value}" for name, value in headers.items()]
                writer.write("\r\n".join([*head, "", ""]).encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            # The process is done with this connection.
            pass
        finally:
            self._connections.discard(connection)
            writer.close()

    async def _answer(self, method, path, body):
        environment, generation = self._environment, self._generation
        if method == "GET" and path.endswith("/runtime/invocation/next"):
            if not environment._mark_first_poll(generation):
                return HTTPStatus.INTERNAL_SERVER_ERROR, {}, b'{"errorMessage": "the environment is stopped"}'
            request_id, event, deadline, trace_id, arn = await self._invocations.get()
            headers = {
                "Content-Type": "application/json",
                "Lambda-Runtime-Aws-Request-Id": request_id,
                "Lambda-Runtime-Deadline-Ms": deadline,
                "Lambda-Runtime-Invoked-Function-Arn": arn,
            }
            if trace_id:
                headers["Lambda-Runtime-Trace-Id"] = trace_id
            return HTTPStatus.OK, headers, json.dumps(event).encode()
        try:
            value = json.loads(body)
        except ValueError:
            value = body.decode(errors="replace")
        result = lambda_runtime._INVOCATION_RESULT_RE.search(path)
        if method == "POST" and path.endswith("/runtime/init/error"):
            environment._record_init_error(generation, value)
        elif method != "POST" or result is None:
            return HTTPStatus.NOT_FOUND, {}, b""
        elif not environment._record_result(generation, *result.groups(), value):
            problem = {"errorMessage": "Invalid request ID", "errorType": "InvalidRequestID"}
            return HTTPStatus.BAD_REQUEST, {"Content-Type": "application/json"}, json.dumps(problem).encode()
        return HTTPStatus.ACCEPTED, {}, b""


async def _read_request(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *fields = head.rstrip().split("\r\n")
    method, path, _ = first.split(" ", 2)
    pairs = (field.partition(":") for field in fields)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return method, path, await reader.readexactly(int(headers.get("content-length", 0)))
    body = b""
    while size := int((await reader.readline()).split(b";")[0] or b"0", 16):
        body += await reader.readexactly(size)
        await reader.readline()
    while (await reader.readline()).strip():
        # Trailers; none of them is needed.
        pass
    return method, path, body


@functools.lru_cache(maxsize=8)
def _code_directory(package):
    """Where a package is unpacked. ministack takes the SHA-256 of it at each start; Python keeps the hash of bytes."""
    return lambda_svc._provided_runtime_code_dir(package)


@replaces(lambda_runtime, "ProvidedWorker")
class _Environment(lambda_runtime.ProvidedWorker):
    """An environment whose Runtime API and output share one thread with those of all others."""

    _api = None
    _output = None

    def process(self):
        return self._proc

    def event(self):
        """The request id of what it works on, which all attempts at an event share, or `None`."""
        return self._current_request_id

    def _spawn(self, init_timeout=None):
        self._teardown()
        directory = _code_directory(self.code_zip)
        bootstrap = os.path.join(directory, "bootstrap")
        if not os.access(bootstrap, os.X_OK):
            raise lambda_runtime.ProvidedRuntimeError(
                "No bootstrap binary found in the deployment package.", "Runtime.InvalidEntrypoint"
            )
        lines = queue.Queue(maxsize=lambda_runtime._PROVIDED_LOG_MAX_LINES)
        with self._state_lock:
            self._generation += 1
            api = _RuntimeApi(self, self._generation)
            self._stopping = False
            self._first_poll.clear()
            self._init_settled.clear()
            self._init_error = None
            self._result = {}
            self._response_ready.clear()
            self._current_request_id = None
            self._pending = api
            self._stderr_queue = lines
        try:
            port = asyncio.run_coroutine_threadsafe(api.open(), _loop).result()
            self._api = api
            number = next(_numbers)
            _environments[number] = self
            variables = lambda_svc._provided_worker_env(self.config, directory, port)
            variables[_NAME_VARIABLE] = f"environment-{number}"
            # A program that is still being unpacked cannot be executed.
            with lambda_svc._provided_code_lock:
                try:
                    self._proc = processes.start(
                        [bootstrap],
                        cwd=directory,
                        env=variables,
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.STDOUT,
                    )
                except OSError as error:
                    raise lambda_runtime.ProvidedRuntimeError(
                        f"Couldn't execute the bootstrap binary: {error}", "Runtime.InvalidEntrypoint"
                    ) from error
            reading = _loop.connect_read_pipe(lambda: _Output(lines), self._proc.stdout)
            self._output = asyncio.run_coroutine_threadsafe(reading, _loop).result()
            self._await_init(init_timeout)
        except BaseException:
            self._teardown()
            raise
        self._start_time = time.time()
        lambda_svc.logger.info("%s: an environment was started", self.func_name)

    def _shutdown_server(self):
        api, self._api = self._api, None
        if api is not None:
            _loop.call_soon_threadsafe(api.close)

    def _join_log_thread(self):
        output, self._output = self._output, None
        if output is not None:
            transport, protocol = output
            # What the process wrote last is still on its way. What it started may hold its output open, though.
            protocol.ended.wait(1.0)
            _loop.call_soon_threadsafe(transport.close)


@wraps(lambda_svc, "acquire_worker")
def _acquire_environment(acquire, *arguments, **options):
    environment, how = acquire(*arguments, **options)
    if how == "spawn":
        lambda_runtime.kill_workers(_surplus())
    return environment, how


def _surplus():
    """Takes the environments that were idle for longest out of their pools, where there are more than are kept."""
    with lambda_runtime._lock:
        all_of_them = [one for pool in lambda_runtime._workers.values() for one in pool]
        idle = sorted((one for one in all_of_them if not one.in_use), key=lambda one: one.last_used)
        surplus = idle[: max(0, len(all_of_them) - _AT_ONCE_IN_ALL)]
        for key, pool in list(lambda_runtime._workers.items()):
            lambda_runtime._workers[key] = [one for one in pool if one not in surplus]
    return surplus


replaces(lambda_svc, "_ACCOUNT_CONCURRENCY_CAP")(_ACCOUNT_CONCURRENCY)
threading.Thread(target=_dispatch_for_ever, daemon=True, name="asynchronous-invocations").start()
threading.Thread(target=_loop.run_forever, daemon=True, name="environments").start()
