"""One running cloud for all tests, and the things they do with it from outside, as any AWS client would."""

import atexit
import contextlib
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request
import uuid
import zipfile
from pathlib import Path

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

CLOUD = Path(__file__).parent.parent
WAIT_SECONDS = 180
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}
# An alarm on one error in a minute, as CloudWatch and templates write it.
ALARM = {
    "MetricName": "Errors",
    "Namespace": "Shop",
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 1,
    "ComparisonOperator": "GreaterThanThreshold",
}

# A function in a custom runtime, as small as one can be: it writes down each event under its log's name
# and fails, takes its time, waits for a file, or puts an object, when the event says so.
BOOTSTRAP = """#!{python}
import json, os, time, urllib.request
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(api + "next") as response:
        identifier = response.headers["Lambda-Runtime-Aws-Request-Id"]
        event = json.load(response)
    with open(os.environ["JOURNAL"], "a") as journal:
        entry = {{"time": time.time(), "process": os.getpid(), "request": identifier, "event": event}}
        journal.write(json.dumps(entry) + "\\n")
    detail = event.get("detail") or event
    time.sleep(detail.get("sleep", 0))
    while detail.get("until") and not os.path.exists(detail["until"]):
        time.sleep(0.05)
    if detail.get("put"):
        from botocore.session import Session
        s3 = Session().create_client("s3")
        s3.put_object(Bucket=detail["put"], Key=str(time.time()), Body=b"{{}}")
    result, body = "response", b"{{}}"
    if detail.get("fail"):
        result, body = "error", json.dumps({{"errorMessage": detail["fail"], "errorType": "Failed"}}).encode()
    urllib.request.urlopen(urllib.request.Request(api + identifier + "/" + result, data=body)).read()
"""

_running = None


class Cloud:
    def __init__(self):
        self.directory = Path(tempfile.mkdtemp(prefix="longshore-cloud-"))
        self.log = open(self.directory / "cloud.log", "wb")
        self.process = subprocess.Popen([sys.executable, *self.command()], stdout=self.log, stderr=subprocess.STDOUT)
        self.description = wait_until("the cloud answers", self._description)
        self.account = self.description["account_id"]
        self.region = self.description["region"]
        self.code = self._package()
        # One for all clients: it keeps the descriptions of the APIs, which take long to read.
        self.session = botocore.session.Session()

    def command(self):
        """What Python is started with to be this cloud."""
        return [str(CLOUD), "--directory", str(self.directory), "--asynchronous-retry-seconds", "0.2"]

    def _description(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the cloud ended: {(self.directory / 'cloud.log').read_text()[-2000:]}")
        file = self.directory / "cloud.json"
        return json.loads(file.read_text()) if file.exists() else None

    def stop(self):
        """Ends the cloud, unless it is gone already, and returns its exit code."""
        self.process.terminate()
        code = self.process.wait(20)
        self.log.close()
        return code

    def forget(self):
        self.stop()
        shutil.rmtree(self.directory)

    def client(self, service, credentials=None, **configuration):
        keys = credentials or {
            "AccessKeyId": self.description["access_key_id"],
            "SecretAccessKey": self.description["secret_access_key"],
        }
        return self.session.create_client(
            service,
            region_name=self.region,
            endpoint_url=self.description["endpoint"],
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys.get("SessionToken"),
            config=Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}, **configuration),
        )

    def control(self, method, path, value=None):
        return request(method, self.description["control"] + path, value)

    def events(self, detail_type, matches=lambda event: True):
        _, _, recorded = self.control("GET", "/events")
        return [event for event in recorded if event["detail-type"] == detail_type and matches(event)]

    # Images, task definitions, services.

    def push(self, repository, tag, command, entry_point=None, **options):
        client = self.client("ecr")
        with contextlib.suppress(client.exceptions.RepositoryAlreadyExistsException):
            client.create_repository(repositoryName=repository)
        body = manifest(command, entry_point)
        given = {"imageTag": tag} if tag else {}
        client.put_image(repositoryName=repository, imageManifest=body, **given, **options)
        return "sha256:" + hashlib.sha256(body.encode()).hexdigest()

    def image(self, repository, reference):
        separator = "@" if reference.startswith("sha256:") else ":"
        return f"{self.account}.dkr.ecr.{self.region}.amazonaws.com/{repository}{separator}{reference}"

    def register(self, family, image, definition=None, **container):
        """A task definition for Fargate with one container, and other members of `definition`."""
        given = {
            "requiresCompatibilities": ["FARGATE"],
            "networkMode": "awsvpc",
            "cpu": "256",
            "memory": "512",
            "containerDefinitions": [{"name": "app", "image": image, "essential": True, "stopTimeout": 2, **container}],
            **(definition or {}),
        }
        answer = self.client("ecs").register_task_definition(family=family, **given)
        return answer["taskDefinition"]["taskDefinitionArn"]

    def create_service(self, cluster, name, task_definition, count=2, rollback=True, **deployment):
        client = self.client("ecs")
        client.create_cluster(clusterName=cluster)
        answer = client.create_service(
            cluster=cluster,
            serviceName=name,
            taskDefinition=task_definition,
            desiredCount=count,
            launchType="FARGATE",
            networkConfiguration=NETWORK,
            deploymentConfiguration={
                "deploymentCircuitBreaker": {"enable": True, "rollback": rollback},
                "maximumPercent": 200,
                "minimumHealthyPercent": 100,
                **deployment,
            },
        )
        return answer["service"]

    def cluster(self):
        name = unique("cluster")
        self.client("ecs").create_cluster(clusterName=name)
        return name

    def built(self, repository, command):
        """An image that runs this command, as a container definition names it."""
        return self.image(repository, self.push(repository, None, command))

    def run(self, cluster, task_definition, **options):
        """Runs one task and returns its ARN."""
        given = {"launchType": "FARGATE", "networkConfiguration": NETWORK, **options}
        answer = self.client("ecs").run_task(cluster=cluster, taskDefinition=task_definition, **given)
        return answer["tasks"][0]["taskArn"]

    def stopped(self, cluster, arn):
        """A task once it has stopped."""

        def look():
            (task,) = self.client("ecs").describe_tasks(cluster=cluster, tasks=[arn])["tasks"]
            return task if task["lastStatus"] == "STOPPED" else None

        return wait_until(f"the end of {arn}", look)

    def update_service(self, cluster, task_definition, **members):
        """Deploys a task definition to the service `api`, and returns the service and its new deployment."""
        client = self.client("ecs")
        answer = client.update_service(cluster=cluster, service="api", taskDefinition=task_definition, **members)
        return answer["service"], answer["service"]["deployments"][0]

    def service(self, cluster, name="api"):
        return self.client("ecs").describe_services(cluster=cluster, services=[name])["services"][0]

    def deployment_events(self, service_arn):
        return [
            (event["detail"]["eventName"].removeprefix("SERVICE_DEPLOYMENT_"), event["detail"])
            for event in self.events("ECS Deployment State Change", lambda event: service_arn in event["resources"])
        ]

    def _wait_for_event(self, service_arn, name, what, matches):
        def look():
            events = self.deployment_events(service_arn)
            return [detail for event, detail in events if event == name and matches(detail)]

        return wait_until(f"{name} of {what}", look)[0]

    def wait_for_deployment(self, service_arn, deployment_id, name):
        return self._wait_for_event(
            service_arn, name, deployment_id, lambda detail: detail["deploymentId"] == deployment_id
        )

    def wait_for_rollback(self, service_arn):
        return self._wait_for_event(
            service_arn, "IN_PROGRESS", "a rollback", lambda detail: "rolling back to deploymentId" in detail["reason"]
        )

    # Functions, roles, queues.

    def _package(self):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as package:
            entry = zipfile.ZipInfo("bootstrap")
            entry.external_attr = 0o755 << 16
            package.writestr(entry, BOOTSTRAP.format(python=sys.executable))
        return archive.getvalue()

    def role(self, statements, principal="lambda.amazonaws.com"):
        client = self.client("iam")
        name = unique("role")
        trust = {"Effect": "Allow", "Principal": {"Service": principal}, "Action": "sts:AssumeRole"}
        role = client.create_role(RoleName=name, AssumeRolePolicyDocument=policy([trust]))["Role"]["Arn"]
        if statements:
            client.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy(statements))
        return role

    def limited_client(self, service, statements):
        """A client with the keys of a user that may do just this."""
        client = self.client("iam")
        name = unique("user")
        client.create_user(UserName=name)
        client.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=policy(statements))
        return self.client(service, client.create_access_key(UserName=name)["AccessKey"])

    def function(self, statements=(), **options):
        name = unique("function")
        journal = self.directory / f"{name}.journal"
        journal.touch()
        answer = self.client("lambda").create_function(
            FunctionName=name,
            Runtime="provided.al2023",
            Handler="bootstrap",
            Role=self.role(list(statements)),
            Code={"ZipFile": self.code},
            Environment={"Variables": {"JOURNAL": str(journal)}},
            **{"Timeout": 10, **options},
        )
        return name, answer["FunctionArn"], lambda: [json.loads(line) for line in journal.read_text().splitlines()]

    def rule(self, source, target, bus="default", permitted=None, dead_letters=None):
        """A rule on a source for a function; `permitted` names the function that the rule may call."""
        client, name = self.client("events"), unique("rule")
        if bus != "default":
            client.create_event_bus(Name=bus)
        arn = client.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps({"source": [source]}))["RuleArn"]
        dead = {"DeadLetterConfig": {"Arn": dead_letters}} if dead_letters else {}
        client.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "1", "Arn": target, **dead}])
        if permitted:
            self.client("lambda").add_permission(
                FunctionName=permitted,
                StatementId=name,
                Action="lambda:InvokeFunction",
                Principal="events.amazonaws.com",
                SourceArn=arn,
            )
        return arn

    def queue(self, statements=()):
        client = self.client("sqs")
        url = client.create_queue(QueueName=unique("queue"))["QueueUrl"]
        arn = client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        if statements:
            document = policy([{**statement, "Resource": arn} for statement in statements])
            client.set_queue_attributes(QueueUrl=url, Attributes={"Policy": document})
        return url, arn

    def bucket(self):
        name = unique("bucket")
        place = {"LocationConstraint": self.region}
        self.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration=place)
        return name

    def send(self, function, **event):
        """An event for a function, which nobody waits for."""
        client = self.client("lambda")
        return client.invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(event))

    def alarm(self):
        name = unique("errors")
        self.client("cloudwatch").put_metric_alarm(AlarmName=name, **ALARM)
        return name

    def set_alarm(self, name, state):
        self.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue=state, StateReason="a test")

    def receive(self, url):
        answer = self.client("sqs").receive_message(QueueUrl=url, MessageAttributeNames=["All"])
        return answer.get("Messages", [])

    def put_event(self, source, detail, bus="default"):
        entry = {"Source": source, "DetailType": "Test", "Detail": json.dumps(detail), "EventBusName": bus}
        return self.client("events").put_events(Entries=[entry])


def cloud():
    global _running
    if _running is None:
        _running = Cloud()
        atexit.register(_running.forget)
    return _running


class CloudTest(unittest.TestCase):
    """A test with the cloud that all of them share."""

    @classmethod
    def setUpClass(cls):
        cls.cloud = cloud()

    def assert_refused(self, code, call, *arguments, saying=(), **options):
        """A call is refused with this code, and with this text, or all of these, in its message."""
        found, message = error_code(call, *arguments, **options)
        self.assertEqual(found, code)
        for text in [saying] if isinstance(saying, str) else saying:
            self.assertIn(text, message)


def manifest(command, entry_point=None, **members):
    annotations = {"dev.longshore.test.unique": str(uuid.uuid4())}
    if command:
        annotations["dev.longshore.local.command"] = json.dumps(command)
    if entry_point:
        annotations["dev.longshore.local.entry-point"] = json.dumps(entry_point)
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "sha256:0", "size": 0},
            "layers": [],
            "annotations": annotations,
            **members,
        }
    )


def policy(statements):
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def allow(action, resource="*", **members):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **members}


def unique(kind):
    return f"{kind}-{uuid.uuid4().hex[:10]}"


def python(code):
    """The command of an image that runs a few lines of Python."""
    return [sys.executable, "-c", code]


SERVE = python("import time\nwhile True: time.sleep(1)")


def fail(exit_code):
    return python(f"raise SystemExit({exit_code})")


def wait_until(what, condition, seconds=WAIT_SECONDS):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} seconds: {what}")


def request(method, url, value=None, raw=None, **headers):
    body = raw if raw is not None else (json.dumps(value).encode() if value is not None else None)
    given = {"Content-Type": "application/json", **headers}
    call = urllib.request.Request(url, data=body, method=method, headers=given)
    try:
        with urllib.request.urlopen(call) as response:
            status, headers, text = response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        status, headers, text = error.code, error.headers, error.read()
    try:
        return status, headers, json.loads(text)
    except ValueError:
        return status, headers, text.decode()


def error_code(call, *arguments, **options):
    """The error code and message of a call that is refused."""
    try:
        call(*arguments, **options)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    raise AssertionError("the call was not refused")


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
