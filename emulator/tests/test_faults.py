"""Calls that go wrong on request, and how many calls there were."""

import time

from botocore.exceptions import FlexibleChecksumError, HTTPClientError

from tests.running_cloud import CloudTest, allow, error_code, request, unique, wait_until


class Faults(CloudTest):
    def setUp(self):
        self.addCleanup(self.cloud.control, "DELETE", "/faults")

    def _prepare(self, **fault):
        status, _, answer = self.cloud.control("POST", "/faults", fault)
        self.assertEqual((status, answer), (200, {}))

    def test_the_named_number_of_calls_is_throttled_and_the_next_is_answered(self):
        ecs = self.cloud.client("ecs")
        self._prepare(action="ecs:ListClusters", fault="throttled", times=2)
        for _ in range(2):
            self.assertEqual(error_code(ecs.list_clusters), ("ThrottlingException", "Rate exceeded"))
            ecs.describe_clusters(clusters=["any"])
        ecs.list_clusters()
        self.assertEqual(self.cloud.control("GET", "/faults")[2], [])

    def test_what_failed_was_not_done_and_what_lost_its_answer_was(self):
        ecr = self.cloud.client("ecr")
        for fault, done in (("failed", False), ("answer_lost", True)):
            repository = unique("shop")
            self._prepare(action="ecr:CreateRepository", fault=fault)
            self.assertEqual(error_code(ecr.create_repository, repositoryName=repository)[0], "InternalFailure")
            names = [one["repositoryName"] for one in ecr.describe_repositories()["repositories"]]
            self.assertEqual(repository in names, done)

    def test_a_fault_may_be_of_calls_that_hold_a_text_only(self):
        s3, bucket = self.cloud.client("s3"), self.cloud.bucket()
        self._prepare(action="s3:PutObject", fault="throttled", containing="deployments/shop/api")
        s3.put_object(Bucket=bucket, Key="deployments/shop/web/current.json", Body=b"{}")
        put = dict(Bucket=bucket, Key="deployments/shop/api/current.json", Body=b"{}")
        self.assertEqual(error_code(s3.put_object, **put)[0], "SlowDown")
        s3.put_object(**put)

    def test_a_fault_speaks_the_protocol_of_its_service(self):
        cloudformation = self.cloud.client("cloudformation")
        self._prepare(action="cloudformation:DescribeStacks", fault="throttled")
        self.assertEqual(error_code(cloudformation.describe_stacks)[0], "ThrottlingException")

    def test_the_transient_refusals_of_services_are_in_their_words(self):
        image = {"family": "any", "containerDefinitions": [{"name": "app", "image": "image"}]}
        task = {"taskDefinition": "any"}
        group, bucket = {"logGroupName": "any", "destinationArn": "any"}, {"Bucket": unique("bucket")}
        copied = {**bucket, "Key": "b", "CopySource": "any/a"}
        mount = {"FileSystemId": "fs-12345678", "SubnetId": "subnet-12345678"}
        for service, operation, action, fault, options, code, words in (
            ("ecs", "register_task_definition", "ecs:RegisterTaskDefinition", "concurrent_revisions", image,
             "ClientException", "Too many concurrent attempts to create a new revision of the specified family"),
            ("ecs", "run_task", "ecs:RunTask", "role_not_assumable", task,
             "ClientException", "ECS was unable to assume the role"),
            ("logs", "put_subscription_filter", "logs:PutSubscriptionFilter", "conflicting_operation",
             {**group, "filterName": "any", "filterPattern": ""}, "OperationAbortedException", "in progress"),
            ("s3", "create_bucket", "s3:CreateBucket", "conflicting_operation", bucket,
             "OperationAborted", "in progress"),
            ("s3", "copy_object", "s3:PutObject", "failed_inside", copied, "InternalError", "internal error"),
            ("efs", "create_mount_target", "elasticfilesystem:CreateMountTarget", "file_system_busy", mount,
             "IncorrectFileSystemLifeCycleState", "life cycle"),
        ):
            with self.subTest(fault, service=service):
                self._prepare(action=action, fault=fault)
                self.assert_refused(code, getattr(self.cloud.client(service), operation), **options, saying=words)

    def test_each_third_call_of_any_action_goes_wrong_until_it_is_forgotten(self):
        ecs = self.cloud.client("ecs")
        self._prepare(action="ecs:*", fault="throttled", times=None, every=3)
        for _ in range(3):
            ecs.list_clusters()
            ecs.describe_clusters(clusters=["any"])
            self.assertEqual(error_code(ecs.list_clusters)[0], "ThrottlingException")
        (left,) = self.cloud.control("GET", "/faults")[2]
        self.assertEqual(left, {"action": "ecs:*", "fault": "throttled", "containing": "", "struck": 3})

    def test_a_connection_is_reset_before_and_after_what_was_asked_for_is_done(self):
        ecr = self.cloud.client("ecr")
        for fault, done in (("reset", False), ("reset_after", True)):
            repository = unique("shop")
            self._prepare(action="ecr:CreateRepository", fault=fault)
            with self.assertRaises(HTTPClientError):
                ecr.create_repository(repositoryName=repository)
            names = [one["repositoryName"] for one in ecr.describe_repositories()["repositories"]]
            self.assertEqual(repository in names, done)

    def test_an_answer_is_delayed_or_cut_to_half(self):
        ecs = self.cloud.client("ecs")
        self._prepare(action="ecs:ListClusters", fault="delayed", seconds=0.5)
        begun = time.monotonic()
        ecs.list_clusters()
        self.assertGreaterEqual(time.monotonic() - begun, 0.5)
        s3, bucket = self.cloud.client("s3"), self.cloud.bucket()
        s3.put_object(Bucket=bucket, Key="digits", Body=b"0123456789")
        self._prepare(action="s3:GetObject", fault="corrupt")
        body = s3.get_object(Bucket=bucket, Key="digits")["Body"]
        self.assertRaises(FlexibleChecksumError, body.read)

    def test_a_function_that_calls_is_killed_before_or_after_as_often_as_asked_for_one_event(self):
        s3, bucket = self.cloud.client("s3"), self.cloud.bucket()
        for fault, objects in (("dies", 1), ("dies_after", 3)):
            name, _, journal = self.cloud.function([allow("s3:PutObject")])
            self._prepare(action="s3:*", fault=fault, times=None, of_functions=True, per_event=2)
            s3.put_object(Bucket=bucket, Key="of-nobody", Body=b"{}")
            s3.delete_object(Bucket=bucket, Key="of-nobody")
            self.cloud.send(name, put=bucket)

            def put():
                found = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
                return found if len(found) == objects else None

            for one in wait_until(f"{objects} objects", put):
                s3.delete_object(Bucket=bucket, Key=one["Key"])
            self.assertEqual(len({call["process"] for call in journal()}), 3)
            self.assertEqual(len({call["request"] for call in journal()}), 1)
            self.cloud.control("DELETE", "/faults")

    def test_slack_fails_too(self):
        def post():
            status, headers, _ = request("POST", self.cloud.description["slack_webhook_url"], {"text": told})
            kept = self.cloud.control("GET", "/slack/messages")[2]
            return status, headers.get("Retry-After"), sum(one["body"]["text"] == told for one in kept)

        told = unique("told")
        self._prepare(action="slack:*", fault="throttled")
        self._prepare(action="slack:post", fault="failed")
        self._prepare(action="slack:post", fault="answer_lost")
        self.assertEqual([post() for _ in range(4)], [(429, "1", 0), (500, None, 0), (500, None, 1), (200, None, 2)])

    def test_the_pauses_of_failed_events_can_be_as_long_as_those_of_aws(self):
        self.addCleanup(self.cloud.control, "POST", "/invocations/retries", {"seconds": 0.2})
        self.assertEqual(self.cloud.control("POST", "/invocations/retries", {"seconds": 1})[0], 200)
        name, _, journal = self.cloud.function()
        self.cloud.send(name, fail="ever")
        first, second, third = wait_until("three attempts", lambda: len(journal()) == 3 and journal())
        self.assertGreaterEqual(second["time"] - first["time"], 1)
        self.assertGreaterEqual(third["time"] - second["time"], 2)
        status, _, answer = self.cloud.control("POST", "/invocations/retries", {"seconds": "long"})
        self.assertEqual((status, answer["error"][:9]), (400, "seconds: "))

    def test_calls_are_counted_with_those_that_went_wrong_and_without_those_that_were_refused(self):
        def counted():
            return self.cloud.control("GET", "/calls")[2].get("ecs:ListClusters", 0)

        ecs, before = self.cloud.client("ecs"), counted()
        ecs.list_clusters()
        self._prepare(action="ecs:ListClusters", fault="throttled")
        error_code(ecs.list_clusters)
        error_code(self.cloud.limited_client("ecs", [allow("ecs:ListTasks")]).list_clusters)
        self.assertEqual(counted() - before, 2)

    def test_faults_are_forgotten(self):
        self._prepare(action="ecs:ListClusters", fault="failed", times=9)
        self.cloud.control("DELETE", "/faults")
        self.cloud.client("ecs").list_clusters()

    def test_a_fault_that_nobody_knows_is_refused(self):
        for fault, word in (
            ({"action": "ListClusters", "fault": "failed"}, "action"),
            ({"action": "ecs:ListClusters", "fault": "slow"}, "fault"),
            ({"action": "ecs:ListClusters", "fault": "failed", "times": 0}, "times"),
            ({"action": "ecs:ListClusters", "fault": "failed", "every": None}, "every"),
        ):
            status, _, answer = self.cloud.control("POST", "/faults", fault)
            self.assertEqual(status, 400)
            self.assertTrue(answer["error"].startswith(f"{word}: "), answer)
