"""S3 where a deployment's record depends on it: missing keys, conditional writes, versions, events."""

from tests.running_cloud import CloudTest, allow, error_code, wait_until


class Objects(CloudTest):
    def setUp(self):
        self.s3, self.bucket = self.cloud.client("s3"), self.cloud.bucket()
        self.s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})

    def test_a_missing_key_is_hidden_from_who_may_not_list(self):
        bucket = f"arn:aws:s3:::{self.bucket}"
        reader = self.cloud.limited_client("s3", [allow("s3:GetObject", f"{bucket}/*")])
        self.assertEqual(error_code(reader.get_object, Bucket=self.bucket, Key="missing")[0], "AccessDenied")
        self.assertEqual(error_code(reader.head_object, Bucket=self.bucket, Key="missing")[0], "403")
        lister = self.cloud.limited_client("s3", [allow("s3:GetObject", f"{bucket}/*"), allow("s3:ListBucket", bucket)])
        self.assertEqual(error_code(lister.get_object, Bucket=self.bucket, Key="missing")[0], "NoSuchKey")
        self.assertEqual(error_code(lister.head_object, Bucket=self.bucket, Key="missing")[0], "404")

    def test_a_lost_race_is_an_error_for_the_loser(self):
        put = dict(Bucket=self.bucket, Key="record.json")
        first = self.s3.put_object(**put, Body=b"1", IfNoneMatch="*")["ETag"]
        self.assertEqual(error_code(self.s3.put_object, **put, Body=b"2", IfNoneMatch="*")[0], "PreconditionFailed")
        second = self.s3.put_object(**put, Body=b"2", IfMatch=first)["ETag"]
        self.assertNotEqual(first, second)
        self.assertEqual(error_code(self.s3.put_object, **put, Body=b"3", IfMatch=first)[0], "PreconditionFailed")
        self.assertEqual(self.s3.get_object(**put)["Body"].read(), b"2")

    def test_reading_a_version_needs_a_permission_of_its_own(self):
        key = dict(Bucket=self.bucket, Key="releases/shop/api.json")
        first = self.s3.put_object(**key, Body=b"1")["VersionId"]
        self.s3.put_object(**key, Body=b"2")
        everything = f"arn:aws:s3:::{self.bucket}/*"
        reader = self.cloud.limited_client("s3", [allow("s3:GetObject", everything)])
        self.assertEqual(reader.get_object(**key)["Body"].read(), b"2")
        self.assertEqual(error_code(reader.get_object, **key, VersionId=first)[0], "AccessDenied")
        versions = self.cloud.limited_client("s3", [allow("s3:GetObjectVersion", everything)])
        self.assertEqual(versions.get_object(**key, VersionId=first)["Body"].read(), b"1")

    def test_object_created_names_the_version_and_orders_by_sequencer(self):
        self.s3.put_bucket_notification_configuration(
            Bucket=self.bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        key = "releases/shop/api with space.json"
        answers = [self.s3.put_object(Bucket=self.bucket, Key=key, Body=body) for body in (b"1", b"22")]

        def events():
            return self.cloud.events("Object Created", lambda event: event["detail"]["bucket"]["name"] == self.bucket)

        published = wait_until("both are published", lambda: len(events()) == 2 and events())
        for event, answer, size in zip(published, answers, (1, 2)):
            detail = event["detail"]
            self.assertEqual(event["source"], "aws.s3")
            self.assertEqual(event["resources"], [f"arn:aws:s3:::{self.bucket}"])
            self.assertRegex(event["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
            self.assertEqual(
                {name: detail["object"][name] for name in ("key", "size", "etag", "version-id")},
                {"key": key, "size": size, "etag": answer["ETag"].strip('"'), "version-id": answer["VersionId"]},
            )
            self.assertEqual(detail["reason"], "PutObject")
            self.assertEqual(
                set(detail),
                {"version", "bucket", "object", "request-id", "requester", "source-ip-address", "reason"},
            )
        self.assertLess(published[0]["detail"]["object"]["sequencer"], published[1]["detail"]["object"]["sequencer"])
