"""Calls that go wrong on request, and how many calls there were."""

import unittest

from tests.running_cloud import allow, cloud, error_code, unique


class Faults(unittest.TestCase):
    def setUp(self):
        self.cloud = cloud()
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


if __name__ == "__main__":
    unittest.main()
