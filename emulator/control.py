"""The control server: what people and tests ask of the cloud that no AWS API answers. JSON over HTTP."""

import concurrent.futures
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import call_counts
import containers
import events
import faults
import file_systems
import homebrew
import invocations
import registry_contents
import slack
import task_surroundings

# How many requests are answered at once.
_AT_ONCE = 4
_EVENT_MEMBERS = {
    "id": str,
    "source": str,
    "account": str,
    "time": str,
    "region": str,
    "detail-type": str,
    "detail": dict,
}


def _running_containers():
    return [
        {"id": container.id, "image": container.image, "pid": container.pid, "task": container.task}
        for container in containers.running()
    ]


def _event_problem(event):
    if not isinstance(event, dict):
        return "expected one complete event as an object"
    for member, kind in _EVENT_MEMBERS.items():
        if not isinstance(event.get(member), kind):
            return f"{member}: missing, or not of type {kind.__name__}"
    if not event["source"].startswith("aws."):
        return "source: expected one of AWS's own (aws.*); send others with PutEvents"
    return None


def _aged(value):
    if not isinstance(value, dict) or not isinstance(value.get("hours"), (int, float)):
        return 'expected {"file_system_id": "fs-...", "hours": 25}'
    if not file_systems.age(value.get("file_system_id"), value["hours"]):
        return f"{value.get('file_system_id')}: its throughput was never raised"
    return None


_READ = {
    "/slack/messages": slack.messages,
    "/slack/refused": slack.refused,
    "/events": events.recorded,
    "/containers": _running_containers,
    "/calls": call_counts.counts,
    "/faults": faults.prepared,
    "/invocations": invocations.counts,
}
_FORGOTTEN = {"/slack/messages": slack.forget, "/faults": faults.forget}


class _Requests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Seconds after which a connection without a request is closed.
    timeout = 10

    def log_message(self, format, *arguments):
        """The emulator's log says what happens; a line for every look at a list would drown it."""

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

    def _body(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer_homebrew(self, method, raw=b""):
        try:
            answer = homebrew.control(method, self.path.removeprefix("/homebrew/"), json.loads(raw or b"null"))
        except (homebrew.Problem, ValueError) as problem:
            self._answer_json(400, {"error": str(problem)})
            return
        if answer is None:
            self._answer_json(404, {"error": f"nothing answers {method} {self.path}"})
        else:
            self._answer_json(200, answer)

    def do_GET(self):
        if self.path.startswith("/homebrew/"):
            self._answer_homebrew("GET")
            return
        if self.path.startswith(task_surroundings.CREDENTIALS_PATH):
            keys = task_surroundings.credentials(self.path, self.headers.get("Authorization"))
            self._answer_json(200 if keys else 403, keys or {"message": "these credentials are another task's"})
            return
        if self.path.startswith(registry_contents.LAYERS_PATH):
            status, content = registry_contents.layer(self.path, self.headers.get("Authorization"))
            self._answer(status, content, content_type="application/octet-stream")
            return
        read = _READ.get(self.path)
        if read is None:
            self._answer_json(404, {"error": f"nothing at {self.path}", "known": sorted(_READ)})
        else:
            self._answer_json(200, read())

    def do_DELETE(self):
        self._body()
        if self.path.startswith("/homebrew/"):
            self._answer_homebrew("DELETE")
            return
        forget = _FORGOTTEN.get(self.path)
        if forget is None:
            self._answer_json(404, {"error": f"nothing to delete at {self.path}"})
            return
        forget()
        self._answer_json(200, {})

    def do_POST(self):
        raw = self._body()
        if self.path.startswith("/slack/services/"):
            status, headers, text = slack.post(self.path, raw)
            self._answer(status, text.encode(), headers, "text/html")
            return
        if self.path.startswith(slack.API_PATH + "/"):
            method = self.path.removeprefix(slack.API_PATH + "/")
            status, headers, value = slack.call(method, self.headers.get("Authorization"), raw)
            self._answer(status, json.dumps(value).encode(), headers)
            return
        if self.path.startswith("/homebrew/"):
            self._answer_homebrew("POST", raw)
            return
        if self.path not in ("/slack/answers", "/events", "/faults", "/file-systems/age"):
            self._answer_json(404, {"error": f"nothing takes a post at {self.path}"})
            return
        try:
            value = json.loads(raw)
        except ValueError:
            self._answer_json(400, {"error": "expected JSON"})
            return
        if self.path == "/slack/answers":
            problem = slack.prepare(value) if isinstance(value, dict) else "expected an object"
        elif self.path == "/faults":
            problem = faults.prepare(value)
        elif self.path == "/file-systems/age":
            problem = _aged(value)
        else:
            problem = _event_problem(value)
            if problem is None:
                events.emit_again(value)
        self._answer_json(400 if problem else 200, {"error": problem} if problem else {})


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
