"""From an event to a function: permissions, retries, dead letters, and events that are sent again."""

import json

from tests.running_cloud import SERVE, CloudTest, allow, unique, wait_until


class Delivery(CloudTest):
    def setUp(self):
        self.source = unique("source")

    def _queue_open_to_rules(self):
        return self.cloud.queue(
            [{"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage"}]
        )

    def _message(self, url):
        return wait_until("a message is in the queue", lambda: self.cloud.receive(url))[0]

    def test_a_rule_with_permission_calls_its_function_with_the_whole_event(self):
        name, arn, journal = self.cloud.function()
        bus = unique("bus")
        self.cloud.rule(self.source, arn, bus=bus, permitted=name)
        self.cloud.put_event(self.source, {"number": 1}, bus=bus)
        (call,) = wait_until("the function is called", journal)
        self.assertEqual(call["event"]["source"], self.source)
        self.assertEqual(call["event"]["detail"], {"number": 1})

    def test_a_rule_without_permission_is_refused_and_the_event_is_a_dead_letter(self):
        name, arn, journal = self.cloud.function()
        other_name, other_arn, _ = self.cloud.function()
        url, queue = self._queue_open_to_rules()
        rule = self.cloud.rule(self.source, arn, dead_letters=queue)
        # A permission for another rule does not help.
        self.cloud.rule(unique("other"), other_arn, permitted=name)
        self.cloud.put_event(self.source, {"number": 1})
        message = self._message(url)
        self.assertEqual(json.loads(message["Body"])["detail"], {"number": 1})
        attributes = {key: value["StringValue"] for key, value in message["MessageAttributes"].items()}
        self.assertEqual(attributes["ERROR_CODE"], "NO_PERMISSIONS")
        self.assertEqual((attributes["RULE_ARN"], attributes["TARGET_ARN"]), (rule, arn))
        self.assertEqual(journal(), [])

    def test_a_dead_letter_queue_whose_policy_lets_no_rule_in_gets_nothing(self):
        _, arn, _ = self.cloud.function()
        closed_url, closed = self.cloud.queue()
        open_url, opened = self._queue_open_to_rules()
        self.cloud.rule(self.source, arn, dead_letters=closed)
        self.cloud.rule(self.source, arn, dead_letters=opened)
        self.cloud.put_event(self.source, {})
        self._message(open_url)
        self.assertEqual(self.cloud.receive(closed_url), [])

    def test_a_function_error_is_tried_twice_more_and_then_goes_to_the_destination(self):
        url, queue = self.cloud.queue()
        name, arn, journal = self.cloud.function([allow("sqs:SendMessage", queue)])
        self.cloud.client("lambda").put_function_event_invoke_config(
            FunctionName=name, DestinationConfig={"OnFailure": {"Destination": queue}}
        )
        self.cloud.rule(self.source, arn, permitted=name)
        self.cloud.put_event(self.source, {"fail": "access denied to the bucket"})
        record = json.loads(self._message(url)["Body"])
        self.assertEqual([call["request"] for call in journal()], [record["requestContext"]["requestId"]] * 3)
        self.assertEqual(record["requestContext"]["condition"], "RetriesExhausted")
        self.assertEqual(record["requestContext"]["approximateInvokeCount"], 3)
        self.assertEqual(record["requestContext"]["functionArn"], f"{arn}:$LATEST")
        self.assertEqual(record["requestPayload"]["detail"], {"fail": "access denied to the bucket"})
        self.assertEqual(record["responseContext"]["functionError"], "Unhandled")
        self.assertEqual(record["responsePayload"]["errorMessage"], "access denied to the bucket")

    def test_a_destination_that_the_role_may_not_send_to_gets_nothing(self):
        url, queue = self.cloud.queue()
        other_url, other = self.cloud.queue()
        functions = self.cloud.client("lambda")
        for destination, statements in ((queue, []), (other, [allow("sqs:SendMessage", other)])):
            name, arn, _ = self.cloud.function(statements)
            functions.put_function_event_invoke_config(
                FunctionName=name,
                MaximumRetryAttempts=0,
                DestinationConfig={"OnFailure": {"Destination": destination}},
            )
            self.cloud.rule(self.source, arn, permitted=name)
        self.cloud.put_event(self.source, {"fail": "no"})
        self._message(other_url)
        self.assertEqual(self.cloud.receive(url), [])

    def test_a_direct_asynchronous_invocation_goes_the_same_way(self):
        name, _, journal = self.cloud.function()
        self.assertEqual(self.cloud.send(name, fail="once more")["StatusCode"], 202)
        wait_until("three attempts", lambda: len(journal()) == 3)

    def test_a_throttled_event_waits_and_is_not_counted_as_an_attempt(self):
        name, _, journal = self.cloud.function()
        functions = self.cloud.client("lambda")
        functions.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
        functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
        for number in range(3):
            self.cloud.send(name, sleep=0.5, number=number)
        wait_until("all three ran", lambda: len(journal()) == 3)
        self.assertEqual({call["event"]["number"] for call in journal()}, {0, 1, 2})
        self.assertEqual(len({call["process"] for call in journal()}), 1)

    def test_invocations_at_the_same_time_have_environments_of_their_own(self):
        name, arn, journal = self.cloud.function()
        self.cloud.rule(self.source, arn, permitted=name)
        for number in range(3):
            self.cloud.put_event(self.source, {"sleep": 3, "number": number})
        calls = wait_until("all three began", lambda: len(journal()) == 3 and journal())
        self.assertEqual(len({call["process"] for call in calls}), 3)
        self.assertLess(max(call["time"] for call in calls) - min(call["time"] for call in calls), 3)

    def test_a_function_logs_with_its_own_role_into_a_group_that_exists(self):
        logs, functions = self.cloud.client("logs"), self.cloud.client("lambda")
        everything = f"arn:aws:logs:{self.cloud.region}:{self.cloud.account}:log-group:*"
        writes = allow(["logs:CreateLogStream", "logs:PutLogEvents"], everything)
        for statements, made, expected in (([writes], True, True), ([], True, False), ([writes], False, False)):
            name, _, _ = self.cloud.function(statements)
            group = f"/aws/lambda/{name}"
            if made:
                logs.create_log_group(logGroupName=group)
            functions.invoke(FunctionName=name, Payload=b"{}")
            if made:
                lines = logs.filter_log_events(logGroupName=group)["events"]
                self.assertEqual(any("REPORT RequestId" in line["message"] for line in lines), expected)
            else:
                self.assertEqual(logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"], [])

    def test_an_event_of_aws_can_be_sent_again_as_it_was(self):
        name, arn, journal = self.cloud.function()
        self.cloud.rule("aws.ecr", arn, permitted=name)
        repository = f"shop/{unique('api')}"
        self.cloud.push(repository, "v1", SERVE)

        def calls():
            return [call["event"] for call in journal() if call["event"]["detail"]["repository-name"] == repository]

        wait_until("the push is published", lambda: len(calls()) == 1)
        (event,) = self.cloud.events("ECR Image Action", lambda one: one["detail"]["repository-name"] == repository)
        self.assertEqual(self.cloud.control("POST", "/events", event)[0], 200)
        wait_until("and published again", lambda: len(calls()) == 2)
        self.assertEqual(calls(), [event, event])

    def test_the_events_of_s3_come_in_order(self):
        s3, bucket = self.cloud.client("s3"), self.cloud.bucket()
        s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        keys = [str(number) for number in range(50)]
        for key in keys:
            s3.put_object(Bucket=bucket, Key=key, Body=b"")

        def heard():
            events = self.cloud.events("Object Created", lambda event: event["detail"]["bucket"]["name"] == bucket)
            return [event["detail"]["object"]["key"] for event in events]

        wait_until("all are heard of", lambda: len(heard()) == len(keys))
        self.assertEqual(heard(), keys)

    def test_an_event_that_is_not_one_of_aws_is_refused_with_what_is_wrong(self):
        whole = {
            "id": "1", "source": "aws.ecr", "account": self.cloud.account, "region": self.cloud.region,
            "time": "2026-01-01T00:00:00Z", "detail-type": "ECR Image Action", "detail": {},
        }  # fmt: skip
        for event, word in (
            ({**whole, "source": "longshore"}, "source"),
            ({name: value for name, value in whole.items() if name != "id"}, "id"),
            ({**whole, "detail": "text"}, "detail"),
            ([], "object"),
        ):
            status, _, answer = self.cloud.control("POST", "/events", event)
            self.assertEqual(status, 400)
            self.assertIn(word, answer["error"])

    def test_nobody_but_aws_puts_events_with_a_source_of_aws(self):
        answer = self.cloud.put_event("aws.ecr", {})
        self.assertEqual(answer["Entries"][0]["ErrorCode"], "NotAuthorizedForSourceException")
