"""The control server: what people and tests ask of the cloud that no AWS API answers. JSON over HTTP."""

import concurrent.futures
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import call_counts
import canaries
import container_instances
import containers
import events
import faults
import file_systems
import homebrew
import invocations
import registry_contents
import service_deployments
import slack
import task_surroundings
import used_permissions

# How many requests are answered at once.
_AT_ONCE = 4
_EVENT_TEXTS = ("id", "source", "account", "time", "region", "detail-type")


def _running_containers():
    return [
        {"id": container.id, "image": container.image, "pid": container.pid, "task": container.task}
        for container in containers.running()
    ]


def _put_event(event):
    for member, kind in (*((name, str) for name in _EVENT_TEXTS), ("detail", dict)):
        if not isinstance(event.get(member), kind):
            return f"{member}: missing, or not of type {kind.__name__}"
    if not event["source"].startswith("aws."):
        return "source: expected one of AWS's own (aws.*); send others with PutEvents"
    events.emit_again(event)
    return None


def _aged(value):
    if not isinstance(value.get("hours"), (int, float)):
        return 'expected {"file_system_id": "fs-...", "hours": 25}'
    if not file_systems.age(value.get("file_system_id"), value["hours"]):
        return f"{value.get('file_system_id')}: its throughput was never raised"
    return None


_READ = {
    "/slack/messages": slack.messages,
    "/slack/refused": slack.refused,
    "/slack/personal": slack.personal,
    "/events": events.recorded,
    "/containers": _running_containers,
    "/container-instances": container_instances.tried,
    "/calls": call_counts.counts,
    "/faults": faults.prepared,
    "/invocations": invocations.counts,
    "/canaries": canaries.found,
    "/permissions": used_permissions.noted,
    "/environments": invocations.environments,
}
_FORGOTTEN = {"/slack/messages": slack.forget, "/faults": faults.forget, "/events/lost": events.lose_no_more}
# What takes an object; each returns what is wrong with it, or `None`.
_TAKEN = {
    "/slack/answers": slack.prepare,
    "/faults": faults.prepare,
    "/invocations/retries": invocations.retry_after,
    "/file-systems/age": _aged,
    "/events": _put_event,
    "/events/lost": events.lose,
    "/service-deployments": service_deployments.drive,
}


class _Requests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Seconds after which a connection without a request is closed.
    timeout = 10

    def log_message(self, format, *arguments):
        """The log of ministack says what happens; a line for every look at a list would drown it."""

    def _answer(self, status, body, headers=None, content_type="application/json"):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        # A connection that stays open would keep its thread from all others.
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def _answer_json(self, status, value):
        self._answer(status, json.dumps(value).encode() + b"\n")

    def _serve(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        authorization = self.headers.get("Authorization")
        if self.path.startswith(task_surroundings.CREDENTIALS_PATH):
            keys = task_surroundings.credentials(self.path, authorization)
            self._answer_json(200 if keys else 403, keys or {"message": "these credentials are another task's"})
        elif self.path.startswith(registry_contents.LAYERS_PATH):
            status, content = registry_contents.layer(self.path, authorization)
            self._answer(status, content, content_type="application/octet-stream")
        elif self.path.startswith("/slack/services/"):
            status, headers, text = slack.post(self.path, raw)
            self._answer(status, text.encode(), headers, "text/html")
        elif self.path.startswith(slack.ACTIONS_PATH):
            status, text = slack.answer_personally(self.path, raw)
            self._answer(status, text.encode(), content_type="text/html")
        elif self.path.startswith(slack.API_PATH + "/"):
            status, headers, value = slack.call(self.path.removeprefix(slack.API_PATH + "/"), authorization, raw)
            self._answer(status, json.dumps(value).encode(), headers)
        else:
            self._answer_json(*self._asked(raw))

    do_GET = do_DELETE = do_POST = _serve

    def _asked(self, raw):
        """What people and tests ask for: status and value."""
        try:
            value = json.loads(raw or b"null")
            if self.path.startswith("/homebrew/"):
                answer = homebrew.control(self.command, self.path.removeprefix("/homebrew/"), value)
                return (404, self._nothing()) if answer is None else (200, answer)
        except (homebrew.Problem, ValueError) as problem:
            return 400, {"error": str(problem)}
        function = {"GET": _READ, "DELETE": _FORGOTTEN, "POST": _TAKEN}[self.command].get(self.path)
        if function is None:
            return 404, self._nothing()
        if self.command != "POST":
            found = function()
            return 200, {} if found is None else found
        problem = function(value) if isinstance(value, dict) else "expected an object"
        return (400, {"error": problem}) if problem else (200, {})

    def _nothing(self):
        return {"error": f"nothing answers {self.command} {self.path}", "known": sorted({*_READ, *_TAKEN})}


class _Server(HTTPServer):
    """Answers on a few threads, however many ask at once."""

    request_queue_size = 128

    def __init__(self, address):
        super().__init__(address, _Requests)
        self._workers = concurrent.futures.ThreadPoolExecutor(_AT_ONCE, "control")

    def process_request(self, request, client_address):
        self._workers.submit(self._process, request, client_address)

    def _process(self, request, client_address):
        try:
            self.finish_request(request, client_address)
        except Exception:
            self.handle_error(request, client_address)
        finally:
            self.shutdown_request(request)


def serve(host):
    """Starts the server on a free port and returns its address."""
    server = _Server((host, 0))
    threading.Thread(target=server.serve_forever, daemon=True, name="control").start()
    return f"http://{host}:{server.server_address[1]}"
