"""A task has the permissions of its role and no others, and its file systems outlive it."""

import json

from tests.running_cloud import CloudTest, allow, policy, python, request, unique

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


_TASKS = "ecs-tasks.amazonaws.com"


class Tasks(CloudTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
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
        bucket = self.cloud.bucket()
        role = self.cloud.role([allow("s3:PutObject", f"arn:aws:s3:::{bucket}/*")], _TASKS)
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
        role = self.cloud.role([], _TASKS)
        for _ in range(2):
            self.assertEqual(self._run(role, [volume], **options)["containers"][0]["exitCode"], 0)
        folder = self.cloud.directory.resolve() / "file-systems" / system / "bottles"
        self.assertEqual((folder / "parts" / "part").read_text(), "xx")
        self.assertEqual(self._said(role)["EFS_MOUNT_PATH"], str(folder))

    def _mounted(self, statements, uid=None, right=(), policy_of_system=True, read_only=False, **container):
        """Runs a task that mounts a file system, by an access point of a user or by none; why it did not start, or an
        empty text."""
        efs = self.cloud.client("efs")
        system = efs.create_file_system(CreationToken=unique("token"))["FileSystemId"]
        if policy_of_system:
            efs.put_file_system_policy(FileSystemId=system, Policy=policy(statements))
        authorization = {"iam": "ENABLED"}
        if uid is not None:
            point = efs.create_access_point(
                FileSystemId=system, PosixUser={"Uid": uid, "Gid": uid}, ClientToken=unique("token")
            )
            authorization["accessPointId"] = point["AccessPointId"]
        volume = {"fileSystemId": system, "transitEncryption": "ENABLED", "authorizationConfig": authorization}
        mount = {"sourceVolume": "bottles", "containerPath": "/tmp/bottles", "readOnly": read_only}
        role = self.cloud.role([allow([f"elasticfilesystem:{one}" for one in right])] if right else [], _TASKS)
        volumes = [{"name": "bottles", "efsVolumeConfiguration": volume}]
        task = self._run(role, volumes, mountPoints=[mount], **container)
        return task["stoppedReason"] if task["stopCode"] == "TaskFailedToStart" else ""

    def test_root_is_squashed_without_the_right_to_root_access(self):
        insecure = {"Bool": {"aws:SecureTransport": "false"}}
        deny = {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "*", "Condition": insecure}
        write = ("ClientMount", "ClientWrite")
        for uid, user, right, reason in (
            (None, None, write, "ClientRootAccess"),
            (None, "0:0", write, "ClientRootAccess"),
            (0, "1000", write, "ClientRootAccess"),
            (None, None, (*write, "ClientRootAccess"), ""),
            (None, "1000", write, ""),
            (1000, None, write, ""),
            (1000, None, ("ClientMount",), "ClientWrite"),
            (1000, None, (), "access denied by server"),
        ):
            with self.subTest(uid=uid, user=user, right=right):
                given = self._mounted([deny], uid, right, **({"user": user} if user else {}))
                (self.assertIn if reason else self.assertEqual)(reason, given)

    def test_a_file_system_without_a_policy_lets_root_write_and_one_with_it_lets_whom_it_names(self):
        self.assertEqual(self._mounted([], policy_of_system=False), "")
        everybody = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "elasticfilesystem:Client*"}
        self.assertEqual(self._mounted([everybody]), "")
        mount = {**everybody, "Action": "elasticfilesystem:ClientMount"}
        self.assertIn("ClientWrite", self._mounted([mount]))
        self.assertEqual(self._mounted([mount], read_only=True), "")

    def test_a_file_system_that_does_not_exist_fails_the_task(self):
        volume = {"name": "bottles", "efsVolumeConfiguration": {"fileSystemId": "fs-0"}}
        mounts = [{"sourceVolume": "bottles", "containerPath": "/tmp/bottles"}]
        task = self._run(volumes=[volume], mountPoints=mounts)
        self.assertIn("fs-0", task["stoppedReason"])
