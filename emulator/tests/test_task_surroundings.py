"""A task has the permissions of its role and no others, and its file systems outlive it."""

import json
import unittest

from tests.running_cloud import allow, cloud, python, request, unique

# What a task does with its credentials, as any SDK: it writes an object and what it was answered.
WRITER = """
import json, os, sys, urllib.request
call = urllib.request.Request(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
call.add_header("Authorization", os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"])
keys = json.load(urllib.request.urlopen(call))
names = ("AWS_REGION", "EFS_MOUNT_PATH")
print(json.dumps({"keys": keys, "uri": call.full_url, **{name: os.environ.get(name) for name in names}}), flush=True)
folder = os.environ.get("TEMP_STORAGE_PATH")
if folder:
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "part"), "a") as part:
        part.write("x")
"""


class Tasks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cloud = cloud()
        cls.cluster = cls.cloud.cluster()
        cls.cloud.push("surroundings", "latest", python(WRITER))

    def _run(self, role=None, volumes=(), **container):
        image = self.cloud.image("surroundings", "latest")
        members = {"volumes": list(volumes), **({"taskRoleArn": role} if role else {})}
        definition = self.cloud.register(unique("family"), image, members, **container)
        return self.cloud.stopped(self.cluster, self.cloud.run(self.cluster, definition))

    def _said(self, key):
        for output in self.cloud.directory.glob("containers/*/output.log"):
            for line in output.read_text().splitlines():
                if line.startswith("{") and key in line:
                    return json.loads(line)
        raise AssertionError(f"no task said {key}")

    def test_a_task_has_the_keys_of_its_role_and_knows_its_region(self):
        bucket = unique("bucket")
        self.cloud.client("s3").create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": self.cloud.region}
        )
        role = self.cloud.role([allow("s3:PutObject", f"arn:aws:s3:::{bucket}/*")], "ecs-tasks.amazonaws.com")
        task = self._run(role)
        self.assertEqual(task["containers"][0]["exitCode"], 0)
        said = self._said(role)
        keys = {**said["keys"], "SessionToken": said["keys"]["Token"]}
        client = self.cloud.client("s3", keys)
        client.put_object(Bucket=bucket, Key="a", Body=b"a")
        with self.assertRaises(client.exceptions.ClientError) as refused:
            client.get_object(Bucket=bucket, Key="a")
        self.assertEqual(refused.exception.response["Error"]["Code"], "AccessDenied")
        self.assertEqual(request("GET", said["uri"])[0], 403)
        self.assertEqual(said["AWS_REGION"], self.cloud.region)

    def test_a_task_without_a_role_has_no_keys(self):
        task = self._run()
        self.assertEqual(task["containers"][0]["exitCode"], 1)

    def test_a_role_that_does_not_trust_tasks_is_not_given_to_one(self):
        task = self._run(self.cloud.role([], "lambda.amazonaws.com"))
        self.assertIn("unable to assume the role", task["stoppedReason"])

    def test_what_a_task_leaves_on_its_file_system_the_next_one_finds(self):
        efs = self.cloud.client("efs")
        system = efs.create_file_system(CreationToken=unique("token"))["FileSystemId"]
        point = efs.create_access_point(FileSystemId=system, RootDirectory={"Path": "/bottles"}, ClientToken=unique("t"))
        volume = {
            "name": "bottles",
            "efsVolumeConfiguration": {
                "fileSystemId": system,
                "transitEncryption": "ENABLED",
                "authorizationConfig": {"accessPointId": point["AccessPointId"], "iam": "ENABLED"},
            },
        }
        options = {
            "mountPoints": [{"sourceVolume": "bottles", "containerPath": "/tmp/bottles"}],
            "environment": [
                {"name": "EFS_MOUNT_PATH", "value": "/tmp/bottles"},
                {"name": "TEMP_STORAGE_PATH", "value": "/tmp/bottles/parts"},
                {"name": "OTHER", "value": "/tmp/bottles-too"},
            ],
        }
        role = self.cloud.role([], "ecs-tasks.amazonaws.com")
        for _ in range(2):
            self.assertEqual(self._run(role, [volume], **options)["containers"][0]["exitCode"], 0)
        folder = self.cloud.directory.resolve() / "file-systems" / system / "bottles"
        self.assertEqual((folder / "parts" / "part").read_text(), "xx")
        self.assertEqual(self._said(role)["EFS_MOUNT_PATH"], str(folder))

    def test_a_file_system_that_does_not_exist_fails_the_task(self):
        volume = {"name": "bottles", "efsVolumeConfiguration": {"fileSystemId": "fs-0"}}
        mounts = [{"sourceVolume": "bottles", "containerPath": "/tmp/bottles"}]
        task = self._run(volumes=[volume], mountPoints=mounts)
        self.assertIn("fs-0", task["stoppedReason"])


if __name__ == "__main__":
    unittest.main()
