"""The search for secrets: it finds them in whatever the cloud keeps, and in Secrets Manager none that are wrong there."""

import json
import time

from tests.running_cloud import CloudTest, python, unique


class Canaries(CloudTest):
    def setUp(self):
        self.canary = unique("longshore-canary")

    def places(self):
        _, _, found = self.cloud.control("GET", "/canaries")
        self.assertNotIn("longshore-canary-webhook", [one["value"] for one in found["elsewhere"]])
        return found["kept"], [one["place"] for one in found["elsewhere"] if one["value"] == self.canary]

    def assert_found(self, *where):
        _, (place, *_) = self.places()
        for part in where:
            self.assertIn(part, place)

    def test_a_secret_in_secrets_manager_is_where_it_belongs(self):
        client = self.cloud.client("secretsmanager")
        client.create_secret(Name=unique("secret"), SecretString=json.dumps({"a": self.canary}))
        kept, elsewhere = self.places()
        self.assertIn(self.canary, kept)
        self.assertEqual(elsewhere, [])

    def test_a_log_is_searched(self):
        logs, group = self.cloud.client("logs"), unique("group")
        logs.create_log_group(logGroupName=group)
        logs.create_log_stream(logGroupName=group, logStreamName="a")
        event = {"timestamp": int(time.time() * 1000), "message": f"the token is {self.canary}!"}
        logs.put_log_events(logGroupName=group, logStreamName="a", logEvents=[event])
        self.assert_found("cloudwatch_logs", group)

    def test_objects_are_searched_and_their_versions(self):
        s3, bucket = self.cloud.client("s3"), self.cloud.bucket()
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        s3.put_object(Bucket=bucket, Key="a", Body=self.canary.encode())
        s3.put_object(Bucket=bucket, Key="a", Body=b"")
        self.assert_found("services.s3", bucket)

    def test_a_message_in_a_queue_is_searched(self):
        url, _ = self.cloud.queue()
        self.cloud.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps({"a": self.canary}))
        self.assert_found("services.sqs")

    def test_an_event_is_searched(self):
        event = {"id": "1", "source": "aws.test", "account": self.cloud.account, "time": "2026-01-01T00:00:00Z"}
        event.update({"region": self.cloud.region, "detail-type": "Test", "detail": {"a": [self.canary]}})
        self.cloud.control("POST", "/events", event)
        self.assert_found("events._recorded")

    def test_a_task_definition_is_searched(self):
        self.cloud.register(unique("family"), "image", environment=[{"name": "TOKEN", "value": self.canary}])
        self.assert_found("services.ecs")

    def test_what_a_container_prints_is_searched(self):
        cluster = self.cloud.cluster()
        image = self.cloud.built(unique("repository"), python(f"print('{self.canary}')"))
        self.cloud.stopped(cluster, self.cloud.run(cluster, self.cloud.register(unique("family"), image)))
        _, places = self.places()
        self.assertTrue([place for place in places if place.startswith("containers/")], places)

    def test_a_message_to_slack_is_searched(self):
        url = self.cloud.description["slack_webhook_url"]
        self.cloud.control("POST", url.removeprefix(self.cloud.description["control"]), {"text": self.canary})
        self.assert_found("slack._messages")
