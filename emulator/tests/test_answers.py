"""Answers have the members that AWS's have, and no empty ones."""

import json
import unittest

from tests.running_cloud import NETWORK, cloud, python, unique


class Answers(unittest.TestCase):
    def setUp(self):
        self.cloud = cloud()

    def test_a_task_that_runs_has_no_code_of_a_stop(self):
        ecs = self.cloud.client("ecs")
        cluster, repository = unique("cluster"), f"shop/{unique('api')}"
        ecs.create_cluster(clusterName=cluster)
        digest = self.cloud.push(repository, "v1", python("import time; time.sleep(60)"))
        definition = self.cloud.register(unique("family"), self.cloud.image(repository, digest))
        (task,) = ecs.run_task(
            cluster=cluster, launchType="FARGATE", networkConfiguration=NETWORK, taskDefinition=definition
        )["tasks"]
        self.assertNotIn("stopCode", task)
        ecs.stop_task(cluster=cluster, task=task["taskArn"])

    def test_an_encrypted_file_system_has_a_key_and_a_plain_one_has_none(self):
        efs = self.cloud.client("efs")
        encrypted = efs.create_file_system(CreationToken=unique("files"), Encrypted=True)
        self.assertRegex(encrypted["KmsKeyId"], r"^arn:aws:kms:[a-z0-9-]+:\d{12}:key/[0-9a-f-]{36}$")
        plain = efs.create_file_system(CreationToken=unique("files"), Encrypted=False)
        self.assertNotIn("KmsKeyId", plain)

    def test_a_mount_target_has_no_arn(self):
        efs, ec2 = self.cloud.client("efs"), self.cloud.client("ec2")
        network = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=network, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
        files = efs.create_file_system(CreationToken=unique("files"))["FileSystemId"]
        efs.create_mount_target(FileSystemId=files, SubnetId=subnet)
        # boto3 shows no member that it does not know.
        bodies = []
        efs.meta.events.register(
            "before-parse.efs.DescribeMountTargets", lambda response_dict, **_: bodies.append(response_dict["body"])
        )
        efs.describe_mount_targets(FileSystemId=files)
        (target,) = json.loads(bodies[0])["MountTargets"]
        self.assertNotIn("MountTargetArn", target)
