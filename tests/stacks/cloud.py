"""The local cloud that Longshore is installed in, seen through boto3: a client that shares nothing with the functions."""

import io
import json
import os
import re
import threading
import time
import urllib.request
import zipfile
from functools import cached_property
from pathlib import Path

import boto3
from botocore.config import Config

# How long anything here may take; far more than it does.
PATIENCE = 240


class NotYet(Exception):
    """What is waited for is not there; the message says what is seen instead."""


def until(what, look, seconds=PATIENCE):
    """What `look` returns, as soon as it does not raise NotYet."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return look()
        except NotYet as seen:
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"waited {seconds} seconds for {what}; seen last: {seen}"
                ) from None
        time.sleep(0.25)


def _texts(value):
    if isinstance(value, dict):
        for name, field in value.items():
            if name == "text" and isinstance(field, str):
                yield field
            else:
                yield from _texts(field)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


class Cloud:
    """The cloud in the directory that LONGSHORE_LOCAL_DIRECTORY names."""

    def __init__(self, directory):
        self.directory = Path(directory).resolve()
        environment = json.loads((self.directory / "environment.json").read_text())
        self._cloud = environment["cloud"]
        applied = environment["applied"]
        self.bucket = applied["state_bucket_name"]
        self.bus = applied["event_bus_name"]
        self.functions = applied["function_names"]
        self.roles = applied["role_arns"]
        self.dead_letter_queues = applied["dead_letter_queue_urls"]
        self.log_groups = applied["log_group_names"]
        # Roles of tasks that Longshore may pass, made by nobody's template: `task` and `execution`.
        self.task_roles = environment["task_roles"]
        self.endpoint = self._cloud["endpoint"]
        self.control = self._cloud["control"]
        self.region = self._cloud["region"]
        # What the secret for Slack holds, where Longshore posts as a bot.
        self.slack_bot = json.loads((self.directory / "cloud.json").read_text())["slack_bot"]
        self._lock = threading.Lock()
        self._clients = {}

    @cached_property
    def account(self):
        return self.client("sts").get_caller_identity()["Account"]

    @cached_property
    def settings(self):
        """The environment variables of `provision`."""
        answer = self.client("lambda").get_function_configuration(
            FunctionName=self.functions["provision"]
        )
        return answer["Environment"]["Variables"]

    def client(self, service):
        """A client with the administrator's rights."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self.client_as(
                    service, self._cloud["access_key_id"], self._cloud["secret_access_key"]
                )
            return self._clients[service]

    def client_as(self, service, key, secret, token=None):
        """A client with somebody's rights."""
        return boto3.session.Session().client(
            service,
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=Config(
                max_pool_connections=32,
                retries={"mode": "standard", "max_attempts": 2},
                read_timeout=330,
                s3={"addressing_style": "path"},
            ),
        )

    def credentials_of(self, role_arn):
        """The credentials that Lambda gives to functions with this role: nobody but Lambda may assume it, so a
        function that answers its own is made, invoked and deleted."""
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr(
                "index.py",
                "import os\n\n\ndef handler(event, context):\n"
                "    return [os.environ[name] for name in "
                "('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN')]\n",
            )
        functions = self.client("lambda")
        name = f"credentials-{os.getpid()}-{threading.get_ident()}"
        functions.create_function(
            FunctionName=name,
            Runtime="python3.13",
            Handler="index.handler",
            Role=role_arn,
            Code={"ZipFile": archive.getvalue()},
        )
        try:
            return json.loads(functions.invoke(FunctionName=name)["Payload"].read())
        finally:
            functions.delete_function(FunctionName=name)

    def ask(self, function, **payload):
        """What a function answers to a manual payload; its error is raised as Refused."""
        answer = self.client("lambda").invoke(
            FunctionName=self.functions[function], Payload=json.dumps(payload)
        )
        body = json.loads(answer["Payload"].read())
        if answer.get("FunctionError"):
            raise Refused(body.get("errorType"), body.get("errorMessage") or json.dumps(body))
        return body

    def provision(self, action, stack, **fields):
        before = len(self.slack_messages()) if action == "destroy" else 0
        answer = self.ask("provision", action=action, stack=stack, **fields)
        if action == "destroy":
            answer["operation_id"] = Change(answer["operation_id"], stack, before)
        return answer

    def _get(self, path):
        with urllib.request.urlopen(f"{self.control}{path}", timeout=30) as answer:
            return json.load(answer)

    def ask_control(self, path, **value):
        """Asks the control server for something that no AWS API does."""
        body = json.dumps(value).encode()
        with urllib.request.urlopen(f"{self.control}{path}", data=body, timeout=30) as answer:
            answer.read()

    def containers(self):
        """The containers that run: id, image, pid, task."""
        return self._get("/containers")

    def used_statements(self):
        """Which statements of their policies roles have used: (role, statement)."""
        return {(use["role"], use["statement"]) for use in self._get("/permissions")}

    def slack_messages(self):
        """The messages in Slack, each with what it said before it was edited."""
        return self._get("/slack/messages")

    def messages(self, *words):
        """Every text of each message that Slack showed and that holds all of these words, oldest first; of a change, that
        came after it and names its stack."""
        texts = ["\n".join(_texts(message["body"])) for message in self.slack_messages()]
        for word in words:
            if isinstance(word, Change):
                texts = [text for text in texts[word.before :] if word.is_named_in(text)]
        words = [word for word in words if not isinstance(word, Change)]
        return [text for text in texts if all(word in text for word in words)]

    def wait_for_message(self, *words, of=None, seconds=PATIENCE):
        """Waits for a message with all of these words."""

        def look():
            found = self.messages(*words)
            if found:
                return found[-1]
            near = self.messages(of or words[-1])
            raise NotYet(" / ".join(text.split("\n")[0] for text in near) or "no message of it")

        return until(f"a message with {', '.join(words)}", look, seconds)

    def read(self, key):
        """A JSON object of the state bucket; None when it is missing."""
        s3 = self.client("s3")
        try:
            return json.loads(s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())
        except s3.exceptions.NoSuchKey:
            return None

    def write(self, key, body):
        """Writes an object of the state bucket; answers its version."""
        answer = self.client("s3").put_object(Bucket=self.bucket, Key=key, Body=body)
        return answer["VersionId"]

    def lines(self, function, *words):
        """How many lines with all of these words are in a function's log."""
        pages = self.client("logs").get_paginator("filter_log_events")
        return sum(
            all(word in event["message"] for word in words)
            for page in pages.paginate(logGroupName=self.log_groups[function])
            for event in page["events"]
        )

    def logged(self, function, *words, after=0):
        """Waits for one more line with all of these words in a function's log."""

        def look():
            found = self.lines(function, *words)
            if found <= after:
                raise NotYet(f"{found} such lines")

        until(f"a line with {', '.join(words)} in the log of {function}", look)

    def dead_letters(self, function):
        """The messages in a function's dead-letter queue; they stay there."""
        answer = self.client("sqs").receive_message(
            QueueUrl=self.dead_letter_queues[function], MaxNumberOfMessages=10, VisibilityTimeout=0
        )
        return [message["Body"] for message in answer.get("Messages", [])]


class Change(str):
    """The version of a stack file, or the id of a change. Slack shows neither: it shows what becomes of it after the
    messages before."""

    def __new__(cls, known_by, name, before):
        change = super().__new__(cls, known_by)
        change.name, change.before = name, before
        return change

    def is_named_in(self, text):
        return re.search(rf"(?<![\w-]){re.escape(self.name)}(?![\w-])", text) is not None


class Refused(Exception):
    """A function answered with an error: its kind and its words."""

    def __init__(self, kind, message):
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message


CLOUD = Cloud(os.environ.get("LONGSHORE_LOCAL_DIRECTORY", "target/local/up"))
