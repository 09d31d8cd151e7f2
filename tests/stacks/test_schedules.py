"""What begins by itself: the schedules of the installation, and those of a stack's services. And where words are kept
that nobody could take."""

import json
import unittest
from pathlib import Path

import account
from cloud import CLOUD, NotYet, until
from stack import Stack
from test_life import small

# By function. That of `sync` is due every minute anyway.
SCHEDULES = {
    "deploy": "longshore-reconcile",
    "provision": "longshore-reconcile-stacks",
    "sync": "longshore-reconcile-syncs",
}

# An event of a deployment that failed.
_FAILED = Path(__file__).resolve().parents[2] / "events/watch/deployment-failed.json"


def take_dead_letter(function, *words):
    """Waits for a dead letter with all of these words and takes it out of the queue."""
    queue = CLOUD.client("sqs")
    url = CLOUD.dead_letter_queues[function]

    def look():
        answer = queue.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0, MessageAttributeNames=["All"]
        )
        for message in answer.get("Messages", []):
            if all(word in json.dumps(message) for word in words):
                try:
                    queue.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                except queue.exceptions.ReceiptHandleIsInvalid as error:
                    # Another test has looked at it meanwhile.
                    raise NotYet(error) from error
                return
        raise NotYet(f"{len(answer.get('Messages', []))} others")

    until(f"a dead letter of {function} with {', '.join(words)}", look)


class InstallationTest(unittest.TestCase):
    """The schedules of the installation, which are made to come every minute."""

    @classmethod
    def setUpClass(cls):
        scheduler = CLOUD.client("scheduler")
        for name in SCHEDULES.values():
            found = scheduler.get_schedule(Name=name)
            fields = ("Name", "ScheduleExpression", "FlexibleTimeWindow", "Target", "Description")
            schedule = {field: found[field] for field in fields}
            scheduler.update_schedule(**{**schedule, "ScheduleExpression": "rate(1 minute)"})
            cls.addClassCleanup(scheduler.update_schedule, **schedule)

    def test_each_wakes_its_function_and_keeps_what_it_may_not_deliver(self):
        for name in SCHEDULES.values():
            self.wait_until_woken(name)
        iam = CLOUD.client("iam")
        for name in SCHEDULES.values():
            role = {"RoleName": name, "PolicyName": "wake"}
            whole = iam.get_role_policy(**role)["PolicyDocument"]
            kept = [one for one in whole["Statement"] if one["Sid"] != "WakeFunction"]
            self.addCleanup(iam.put_role_policy, **role, PolicyDocument=json.dumps(whole))
            iam.put_role_policy(**role, PolicyDocument=json.dumps({**whole, "Statement": kept}))
        for function, name in SCHEDULES.items():
            take_dead_letter(function, f"schedule/default/{name}", "AccessDenied")

    def wait_until_woken(self, name):
        def look():
            if (name, "WakeFunction") not in CLOUD.used_statements():
                raise NotYet("not yet")

        until(f"{name} to wake its function", look)


class DeadLetterTest(unittest.TestCase):
    """What a function has failed three times is kept."""

    def invoke(self, function, event):
        name, payload = CLOUD.functions[function], json.dumps(event)
        CLOUD.client("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=payload)

    def test_an_event_that_a_function_cannot_read_is_kept(self):
        # `watch` reads what it can of AWS's events and ignores the others. Who calls `press` waits for its answer.
        functions = [function for function in CLOUD.dead_letter_queues if function != "watch"]
        for function in functions:
            self.invoke(function, f"nothing that {function} knows")
        for function in functions:
            with self.subTest(function):
                take_dead_letter(function, f"nothing that {function} knows")

    def test_an_event_whose_service_cannot_be_looked_up_is_kept(self):
        key = "services/nowhere/nothing.json"
        CLOUD.ask_control("/faults", action="s3:GetObject", fault="failed", times=100, containing=key)
        service = f"arn:aws:ecs:{CLOUD.region}:{CLOUD.account}:service/nowhere/nothing"
        event = json.loads(_FAILED.read_text())
        event.update(account=CLOUD.account, region=CLOUD.region, resources=[service])
        self.invoke("watch", event)
        take_dead_letter("watch", service)


class RunTest(unittest.TestCase):
    """A schedule of a service runs a task of it every minute, with another command."""

    def run_every_minute(self, name, command, limits=""):
        stack = Stack(name)
        schedule = f"{{schedule_expression: rate(1 minute), command: {command}{limits}}}"
        stack.apply(small(name, schedules=f"{{turn: {schedule}}}"))
        self.addCleanup(self.destroy, name)

    def destroy(self, name):
        destroyed = CLOUD.provision("destroy", name)
        CLOUD.wait_for_message(f"Stack destroyed: {name}", destroyed["operation_id"], of=name)


class ScheduledTaskTest(RunTest):
    """One whose task fails."""

    def test_a_scheduled_task_that_fails_is_reported(self):
        account.push("tide-api", "v1")
        self.run_every_minute("tide", "[/bin/sh, -c, 'exit 3']")
        message = CLOUD.wait_for_message("Scheduled task failed", "tide")
        self.assertIn("turn", message)


class RetriedTaskTest(RunTest):
    """One whose task fails and is started again."""

    def test_a_task_that_fails_is_started_again_and_reported_after_its_last_attempt(self):
        account.push("swell-api", "v1")
        self.run_every_minute("swell", "[/bin/sh, -c, 'exit 3']", ", retries: 1")
        message = CLOUD.wait_for_message("Scheduled task failed", "swell")
        self.assertIn("Attempts", message)


class OverdueTaskTest(RunTest):
    """One whose task would run for ever."""

    def test_a_task_that_runs_for_too_long_is_stopped_and_reported_with_that_reason(self):
        account.push("surge-api", "v1")
        self.run_every_minute("surge", "[/bin/sleep, '86400']", ", timeout: 60")
        deadline = "it ran longer than its timeout of 60 seconds"

        def look():
            CLOUD.ask("deploy", action="reconcile")
            if not CLOUD.messages("Scheduled task failed", "surge"):
                raise NotYet("not yet")

        until("the reconcile to stop the task", look)
        self.assertIn(deadline, CLOUD.wait_for_message("Scheduled task failed", "surge"))


class RefusedRunTest(RunTest):
    """One whose task ECS refuses to start."""

    def test_a_run_that_ecs_refuses_is_reported_with_the_reason(self):
        account.push("ebb-api", "v1")
        CLOUD.ask_control("/faults", action="ecs:RunTask", fault="role_not_assumable", containing="ebb-api")
        self.run_every_minute("ebb", "[/bin/true]")
        message = CLOUD.wait_for_message("Scheduled task not started", "ebb/api turn")
        self.assertIn("unable to assume the role", message)
