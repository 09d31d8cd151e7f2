"""Asynchronous invocations: the queue of each function, how many run at once, and what that costs the machine."""

import base64
import collections
import concurrent.futures
import json
import os
import sys
import unittest

from tests.running_cloud import Cloud, alive, allow, error_code, unique, wait_until

EVENTS = 1000
# Events that run at the same time may begin in any order, the more so on a busy machine.
OUT_OF_ORDER = 100
MOST_THREADS = 60
# In seconds: far more than it takes.
PATIENCE = 120


class Invocations(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # One of its own: what other tests have left running counts, too.
        cls.cloud = Cloud()
        cls.addClassCleanup(cls.cloud.forget)
        cls.functions = cls.cloud.client("lambda")

    def _send(self, name, **event):
        self.assertEqual(self.cloud.send(name, **event)["StatusCode"], 202)

    def _reserve(self, name, concurrency):
        self.functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=concurrency)

    def _occupy(self, name, journal, seconds):
        """Lets the function run once at a time, and gives it something to do."""
        self._reserve(name, 1)
        self._send(name, sleep=seconds)
        wait_until("the function runs", journal)

    def _left(self, name):
        return self.cloud.control("GET", "/invocations")[2].get(name)

    def _wait_until_nothing_is_left(self, name):
        wait_until(f"nothing is left of {name}", lambda: self._left(name) is None, PATIENCE)

    def test_a_permission_that_is_given_again_at_once_is_answered_as_at_first_and_another_one_is_refused(self):
        name, _, _ = self.cloud.function()
        permission = {"FunctionName": name, "StatementId": "rule", "Action": "lambda:InvokeFunction"}
        first = self.functions.add_permission(**permission, Principal="events.amazonaws.com")
        again = self.functions.add_permission(**permission, Principal="events.amazonaws.com")
        self.assertEqual(again["Statement"], first["Statement"])
        self.assertEqual(len(json.loads(self.functions.get_policy(FunctionName=name)["Policy"])["Statement"]), 1)
        with self.assertRaises(self.functions.exceptions.ResourceConflictException):
            self.functions.add_permission(**permission, Principal="s3.amazonaws.com")

    @unittest.skipUnless(sys.platform == "linux", "threads are counted in /proc")
    def test_a_thousand_events_run_once_each_in_turn_and_on_few_threads(self):
        name, arn, journal = self.cloud.function()
        self._reserve(name, 4)
        source, most_threads, most_running = unique("source"), 0, 0
        self.cloud.rule(source, arn, permitted=name)
        client = self.cloud.client("events")

        def entry(number):
            return {"Source": source, "DetailType": "Test", "Detail": json.dumps({"number": number})}

        def all_ran():
            nonlocal most_threads, most_running
            most_threads = max(most_threads, len(os.listdir(f"/proc/{self.cloud.process.pid}/task")))
            left = self._left(name)
            most_running = max(most_running, left["running"] if left else 0)
            return left is None

        for first in range(0, EVENTS, 10):
            client.put_events(Entries=[entry(number) for number in range(first, first + 10)])
            all_ran()
        wait_until("all events ran", all_ran, PATIENCE)
        numbers = [call["event"]["detail"]["number"] for call in journal()]
        self.assertEqual(sorted(numbers), list(range(EVENTS)))
        self.assertLess(max(abs(place - number) for place, number in enumerate(numbers)), OUT_OF_ORDER)
        self.assertLess(most_threads, MOST_THREADS)
        # An environment runs one invocation at a time and is used again.
        self.assertLessEqual(len({call["process"] for call in journal()}), 4)
        self.assertLessEqual(most_running, 4)

    def test_without_reserved_concurrency_ten_events_run_at_once_and_more_wait(self):
        name, _, journal = self.cloud.function(Timeout=PATIENCE)
        end = self.cloud.directory / f"{name}.end"
        for number in range(30):
            self._send(name, number=number, until=str(end))
        wait_until("ten run", lambda: self._left(name)["running"] == 10)
        end.touch()
        self._wait_until_nothing_is_left(name)
        self.assertEqual({call["event"]["number"] for call in journal()}, set(range(30)))
        self.assertEqual(len({call["process"] for call in journal()}), 10)

    def test_all_functions_together_run_sixteen_events_at_once(self):
        names = [self.cloud.function(Timeout=PATIENCE)[0] for _ in range(3)]
        # On a busy machine the first would be over before the sixteenth begins, if they lasted for some time only.
        end = self.cloud.directory / f"{names[0]}.end"
        for name in names:
            for _ in range(8):
                self._send(name, until=str(end))

        def running():
            left = self.cloud.control("GET", "/invocations")[2]
            return sum(left[name]["running"] for name in names if name in left)

        wait_until("sixteen run", lambda: running() == 16)
        end.touch()
        most = 16
        while any(self._left(name) for name in names):
            most = max(most, running())
        self.assertEqual(most, 16)
        if sys.platform == "linux":
            # With sixteen environments, of the one function or the other.
            self.assertLess(len(os.listdir(f"/proc/{self.cloud.process.pid}/task")), MOST_THREADS)

    def test_a_failed_event_lets_others_run_while_it_pauses_and_is_tried_three_times(self):
        name, _, journal = self.cloud.function()
        self._reserve(name, 1)
        self._send(name, number=1, fail="not yet", sleep=0.5)
        self._send(name, number=2)
        self._wait_until_nothing_is_left(name)
        self.assertEqual([call["event"]["number"] for call in journal()], [1, 2, 1, 1])
        requests = [call["request"] for call in journal()]
        self.assertEqual(requests.count(requests[0]), 3)

    def test_an_event_waits_for_a_caller_who_waits_which_is_not_an_attempt(self):
        name, _, journal = self.cloud.function()
        self._reserve(name, 1)
        self.functions.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
        with concurrent.futures.ThreadPoolExecutor() as callers:
            answer = callers.submit(self.functions.invoke, FunctionName=name, Payload=json.dumps({"sleep": 1}))
            wait_until("the caller's invocation runs", journal)
            self._send(name, number=1)
            self.assertEqual(self._left(name), {"waiting": 1, "running": 0})
            self.assertEqual(len(journal()), 1)
            self.assertNotIn("FunctionError", answer.result())
        self._wait_until_nothing_is_left(name)
        self.assertEqual([call["event"].get("number") for call in journal()], [None, 1])

    def test_a_caller_who_waits_is_refused_while_events_run(self):
        name, _, journal = self.cloud.function()
        self._occupy(name, journal, 1)
        refused = error_code(self.functions.invoke, FunctionName=name, Payload=b"{}")
        self.assertEqual(refused[0], "TooManyRequestsException")
        self._wait_until_nothing_is_left(name)

    def test_callers_who_wait_are_throttled_at_the_concurrency_of_the_account(self):
        name, _, _ = self.cloud.function()

        def call(_):
            try:
                return self.functions.invoke(FunctionName=name, Payload=json.dumps({"sleep": 3}))["StatusCode"]
            except self.functions.exceptions.TooManyRequestsException:
                return 429

        with concurrent.futures.ThreadPoolExecutor(30) as callers:
            answers = collections.Counter(callers.map(call, range(30)))
        self.assertEqual(answers, {200: 24, 429: 6})

    def test_raising_the_concurrency_lets_waiting_events_run(self):
        name, _, journal = self.cloud.function()
        self._reserve(name, 1)
        for number in range(3):
            self._send(name, number=number, sleep=3)
        wait_until("one runs", journal)
        self.assertEqual(self._left(name), {"waiting": 2, "running": 1})
        self._reserve(name, 3)
        wait_until("all run", lambda: self._left(name) == {"waiting": 0, "running": 3})
        self._wait_until_nothing_is_left(name)
        self.assertEqual(len(journal()), 3)

    def test_an_event_runs_with_the_configuration_of_when_it_runs(self):
        name, _, journal = self.cloud.function()
        self.functions.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
        self._occupy(name, journal, 3)
        self._send(name)
        after = self.cloud.directory / f"{name}.after.journal"
        # This ends the environment, with the event that occupies it.
        self.functions.update_function_configuration(
            FunctionName=name, Environment={"Variables": {"JOURNAL": str(after)}}
        )
        wait_until("the waiting event ran", after.exists)
        self._wait_until_nothing_is_left(name)
        self.assertEqual(len(journal()), 1)

    def test_the_events_of_a_deleted_function_are_gone(self):
        name, _, journal = self.cloud.function()
        self._occupy(name, journal, 3)
        self._send(name)
        self.functions.delete_function(FunctionName=name)
        self._wait_until_nothing_is_left(name)
        self.assertEqual(len(journal()), 1)

    def test_an_event_that_waited_too_long_goes_to_the_destination_without_an_attempt(self):
        url, queue = self.cloud.queue()
        name, _, journal = self.cloud.function([allow("sqs:SendMessage", queue)])
        # AWS takes no less than a minute, which its client checks before it asks.
        unchecked = self.cloud.client("lambda", parameter_validation=False)
        unchecked.put_function_event_invoke_config(
            FunctionName=name,
            MaximumEventAgeInSeconds=1,
            DestinationConfig={"OnFailure": {"Destination": queue}},
        )
        self._occupy(name, journal, 3)
        self._send(name, number=1)
        record = json.loads(wait_until("the record is in the queue", lambda: self.cloud.receive(url))[0]["Body"])
        self.assertEqual(record["requestContext"]["condition"], "EventAgeExceeded")
        self.assertEqual(record["requestContext"]["approximateInvokeCount"], 0)
        self.assertEqual(record["requestPayload"], {"number": 1})
        self._wait_until_nothing_is_left(name)
        self.assertEqual(len(journal()), 1)

    def test_a_failed_event_goes_to_a_function_that_the_role_may_call(self):
        _, target, journal = self.cloud.function()
        for statements in ([], [allow("lambda:InvokeFunction", target)]):
            name, _, _ = self.cloud.function(statements)
            self.functions.put_function_event_invoke_config(
                FunctionName=name, MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": target}}
            )
            self._send(name, fail="no", allowed=bool(statements))
            self._wait_until_nothing_is_left(name)
        (call,) = wait_until("the function is called", journal)
        self.assertEqual(call["event"]["requestPayload"], {"fail": "no", "allowed": True})
        self.assertEqual(call["event"]["requestContext"]["condition"], "RetriesExhausted")

    def test_environments_that_are_idle_end_when_there_are_many_functions(self):
        functions = [self.cloud.function() for _ in range(18)]
        for name, _, _ in functions:
            self.functions.invoke(FunctionName=name, Payload=b"{}")

        def processes():
            return {call["process"] for _, _, journal in functions for call in journal()}

        wait_until("sixteen run", lambda: sum(map(alive, processes())) == 16)
        first, _, journal = functions[0]
        answer = self.functions.invoke(FunctionName=first, Payload=b"{}")
        self.assertNotIn("FunctionError", answer)
        self.assertEqual(len({call["process"] for call in journal()}), 2)

    def test_a_function_that_ends_before_it_answers_fails_with_what_it_wrote_and_runs_again(self):
        name, _, journal = self.cloud.function()
        for _ in range(2):
            answer = self.functions.invoke(FunctionName=name, LogType="Tail", Payload=json.dumps({"sleep": "long"}))
            self.assertIn("FunctionError", answer)
            self.assertIn("Runtime exited", json.load(answer["Payload"])["errorMessage"])
            self.assertIn(b"TypeError", base64.b64decode(answer["LogResult"]))
        self.assertEqual(len({call["process"] for call in journal()}), 2)

    @unittest.skipUnless(sys.platform == "linux", "threads are counted in /proc")
    def test_many_questions_to_the_control_server_are_answered_on_few_threads(self):
        with concurrent.futures.ThreadPoolExecutor(100) as callers:
            answers = callers.map(lambda _: self.cloud.control("GET", "/calls")[0], range(300))
            self.assertEqual(set(answers), {200})
        self.assertLess(len(os.listdir(f"/proc/{self.cloud.process.pid}/task")), MOST_THREADS)
