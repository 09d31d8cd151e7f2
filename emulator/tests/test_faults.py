"""Calls that go wrong on request, and how many calls there were."""

from tests.running_cloud import CloudTest, allow, error_code, unique


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
        s3, bucket = self.cloud.client("s3"), unique("bucket")
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": self.cloud.region})
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
                given, message = error_code(getattr(self.cloud.client(service), operation), **options)
                self.assertEqual(given, code)
                self.assertIn(words, message)

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
        ):
            status, _, answer = self.cloud.control("POST", "/faults", fault)
            self.assertEqual(status, 400)
            self.assertTrue(answer["error"].startswith(f"{word}: "), answer)
