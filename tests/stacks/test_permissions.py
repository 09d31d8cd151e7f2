"""What provisioning may not do: the function's own role, and the role that CloudFormation works with."""

import json
import unittest

import account
from botocore.exceptions import ClientError
from cloud import CLOUD, NotYet, Refused, until
from policies import Role

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ecs-tasks.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


class FunctionTest(unittest.TestCase):
    """Calls with the credentials of `provision`."""

    @classmethod
    def setUpClass(cls):
        cls.credentials = CLOUD.credentials_of(CLOUD.roles["provision"])

    def client(self, service):
        return CLOUD.client_as(service, *self.credentials)

    def assert_refused(self, call, **arguments):
        with self.assertRaises(ClientError) as refused:
            call(**arguments)
        code = refused.exception.response["Error"]["Code"]
        self.assertIn(code, ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"))

    def test_it_may_read_what_it_looks_up(self):
        account.make_repository("permissions-api")
        self.client("ecr").describe_repositories(repositoryNames=["permissions-api"])
        self.client("ec2").describe_subnets(SubnetIds=account.network().private)

    def test_it_may_make_nothing_itself_of_what_templates_make(self):
        net = account.network()
        self.assert_refused(self.client("ecs").create_cluster, clusterName="of-my-own")
        self.assert_refused(
            self.client("iam").create_role,
            RoleName="of-my-own",
            Path="/longshore/",
            AssumeRolePolicyDocument=json.dumps(TRUST),
        )
        self.assert_refused(
            self.client("ec2").create_security_group,
            GroupName="of-my-own",
            Description="of my own",
            VpcId=net.vpc,
        )
        self.assert_refused(self.client("efs").create_file_system, CreationToken="of-my-own")
        self.assert_refused(
            self.client("ecs").update_service, cluster="longshore", service="any", desiredCount=0
        )

    def test_it_may_not_read_secrets_nor_push_images(self):
        arn = account.make_secret("permissions/secret", "secret")
        self.assert_refused(self.client("secretsmanager").get_secret_value, SecretId=arn)
        self.assert_refused(
            self.client("ecr").put_image,
            repositoryName="permissions-api",
            imageManifest="{}",
            imageTag="v1",
        )

    def test_it_may_not_write_stack_files_and_releases(self):
        for key in ("stacks/mine.yaml", "releases/mine/api.json", "deployments/mine/api/current.json"):
            self.assert_refused(
                self.client("s3").put_object, Bucket=CLOUD.bucket, Key=key, Body=b"{}"
            )

    def test_it_may_pass_no_role_but_cloudformation_s_to_cloudformation(self):
        role = Role(CLOUD.roles["provision"])
        to_cloudformation = {"iam__PassedToService": "cloudformation.amazonaws.com"}
        to_tasks = {"iam__PassedToService": "ecs-tasks.amazonaws.com"}
        own = CLOUD.settings["CLOUDFORMATION_ROLE_ARN"]
        self.assertTrue(role.allows("iam:PassRole", own, **to_cloudformation))
        self.assertFalse(role.allows("iam:PassRole", own, **to_tasks))
        for other in (CLOUD.roles["deploy"], f"arn:aws:iam::{CLOUD.account}:role/longshore/any"):
            self.assertFalse(role.allows("iam:PassRole", other, **to_cloudformation))
        template = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
        self.assert_refused(
            self.client("cloudformation").create_change_set,
            StackName="with-another-role",
            ChangeSetName="mine",
            ChangeSetType="CREATE",
            TemplateBody=json.dumps(template),
            RoleARN=CLOUD.roles["deploy"],
        )


class BoundaryTest(unittest.TestCase):
    """What a task cannot do whose role allows everything, since that role is a template's."""

    NAME = "attacker-TaskRole"

    @classmethod
    def setUpClass(cls):
        iam = CLOUD.client("iam")
        anything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        # Lambda hands its credentials out here, as ECS does to a task.
        trust = {**TRUST["Statement"][0], "Principal": {"Service": "lambda.amazonaws.com"}}
        cls.arn = iam.create_role(
            RoleName=cls.NAME,
            Path="/longshore/",
            PermissionsBoundary=CLOUD.settings["PERMISSIONS_BOUNDARY_ARN"],
            AssumeRolePolicyDocument=json.dumps({**TRUST, "Statement": [trust]}),
            Tags=[{"Key": "longshore:stack", "Value": "attacker"}],
        )["Role"]["Arn"]
        policy = json.dumps({"Version": "2012-10-17", "Statement": [anything]})
        iam.put_role_policy(RoleName=cls.NAME, PolicyName="task", PolicyDocument=policy)
        cls.addClassCleanup(iam.delete_role, RoleName=cls.NAME)
        cls.addClassCleanup(iam.delete_role_policy, RoleName=cls.NAME, PolicyName="task")
        cls.credentials = CLOUD.credentials_of(cls.arn)
        cls.role = Role(cls.arn)

    def client(self, service):
        return CLOUD.client_as(service, *self.credentials)

    def assert_refused(self, call, **arguments):
        with self.assertRaises(ClientError) as refused:
            call(**arguments)
        code = refused.exception.response["Error"]["Code"]
        self.assertIn(code, ("AccessDenied", "AccessDeniedException", "403"))

    def test_it_reads_and_writes_no_state(self):
        key = "stacks/of-the-boundary-test.txt"
        CLOUD.client("s3").put_object(Bucket=CLOUD.bucket, Key=key, Body=b"harmless")
        self.addCleanup(CLOUD.client("s3").delete_object, Bucket=CLOUD.bucket, Key=key)
        self.assert_refused(self.client("s3").get_object, Bucket=CLOUD.bucket, Key=key)
        for written in ("stacks/other.yaml", "routes/other.json", "deployments/a/b/current.json"):
            self.assert_refused(self.client("s3").put_object, Bucket=CLOUD.bucket, Key=written, Body=b"{}")
        self.assert_refused(self.client("s3").list_objects_v2, Bucket=CLOUD.bucket)

    def test_it_does_not_read_where_slack_is(self):
        secrets = self.client("secretsmanager")
        self.assert_refused(secrets.get_secret_value, SecretId="longshore/slack-webhook")

    def test_it_invokes_no_function_and_reads_no_dead_letter(self):
        for name in CLOUD.functions.values():
            self.assert_refused(self.client("lambda").invoke, FunctionName=name, Payload="{}")
        for url in CLOUD.dead_letter_queues.values():
            self.assert_refused(self.client("sqs").receive_message, QueueUrl=url)

    def test_it_says_of_no_schedule_that_it_failed(self):
        url = CLOUD.dead_letter_queues["watch"].replace("longshore-watch-", "longshore-schedule-")
        sqs = self.client("sqs")
        self.assert_refused(sqs.send_message, QueueUrl=url, MessageBody="{}")
        self.assert_refused(sqs.receive_message, QueueUrl=url)

    def test_it_starts_no_task_and_joins_no_cluster(self):
        ecs = self.client("ecs")
        self.assert_refused(ecs.run_task, cluster="other", taskDefinition="other-api")
        self.assert_refused(ecs.register_container_instance, cluster="other")

    def test_it_says_nothing_in_longshore_s_name(self):
        bus = f"arn:aws:events:{CLOUD.region}:{CLOUD.account}:event-bus/longshore"
        of = {"events:source": "longshore"}
        forged = {**of, "events:detail-type": "Deployment Succeeded"}
        self.assertFalse(self.role.allows("events:PutEvents", bus, **forged))
        shard = {**of, "events:detail-type": "Sync Shard Completed"}
        self.assertTrue(self.role.allows("events:PutEvents", bus, **shard))

    def test_it_reads_secrets_of_its_own_stack_and_of_no_other(self):
        secret = f"arn:aws:secretsmanager:{CLOUD.region}:{CLOUD.account}:secret:a/b/C-AbCdEf"
        for stack, expected in (("attacker", True), ("other", False)):
            tags = {"aws:ResourceTag/longshore:stack": stack}
            self.assertEqual(self.role.allows("secretsmanager:GetSecretValue", secret, **tags), expected)
        self.assertTrue(self.role.allows("secretsmanager:GetSecretValue", secret))

    def test_it_passes_no_role(self):
        to_tasks = {"iam__PassedToService": "ecs-tasks.amazonaws.com"}
        self.assertFalse(self.role.allows("iam:PassRole", self.arn, **to_tasks))


class ServiceRoleTest(unittest.TestCase):
    """What a template may not make, whoever sends it: CloudFormation works with its own role."""

    def failure(self, name, resources):
        """Makes a stack with the service role, which must fail; answers the reason of the first failure."""
        cloudformation = CLOUD.client("cloudformation")
        cloudformation.create_stack(
            StackName=name,
            TemplateBody=json.dumps({"Resources": resources}),
            RoleARN=CLOUD.settings["CLOUDFORMATION_ROLE_ARN"],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )

        def look():
            status = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
            if status.endswith("_IN_PROGRESS"):
                raise NotYet(status)
            return status

        self.assertEqual(until(f"stack {name} to fail", look), "ROLLBACK_COMPLETE")
        events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
        failures = [one for one in events if one["ResourceStatus"] == "CREATE_FAILED"]
        return failures[-1]["ResourceStatusReason"]

    def role(self, **properties):
        return {
            "Role": {
                "Type": "AWS::IAM::Role",
                "Properties": {"AssumeRolePolicyDocument": TRUST, **properties},
            }
        }

    def assert_denied(self, name, resources):
        self.assertRegex(self.failure(name, resources), "(?i)not authorized|access ?denied")

    def test_a_role_without_the_boundary_is_refused(self):
        self.assert_denied("no-boundary", self.role(Path="/longshore/"))

    def test_a_role_outside_of_its_path_is_refused(self):
        boundary = CLOUD.settings["PERMISSIONS_BOUNDARY_ARN"]
        self.assert_denied("no-path", self.role(PermissionsBoundary=boundary))

    def test_a_role_with_another_boundary_is_refused(self):
        policy = "arn:aws:iam::aws:policy/AdministratorAccess"
        self.assert_denied(
            "other-boundary", self.role(Path="/longshore/", PermissionsBoundary=policy)
        )

    def test_a_task_definition_with_a_role_of_others_is_refused(self):
        task = {
            "Task": {
                "Type": "AWS::ECS::TaskDefinition",
                "Properties": {
                    "Family": "with-a-role-of-others",
                    "TaskRoleArn": CLOUD.roles["deploy"],
                    "ContainerDefinitions": [{"Name": "a", "Image": "a", "Memory": 128}],
                },
            }
        }
        self.assert_denied("role-of-others", task)

    def test_the_role_may_not_make_what_stacks_are_not_made_of(self):
        role = Role(CLOUD.settings["CLOUDFORMATION_ROLE_ARN"])
        self.assertTrue(role.trusts("cloudformation.amazonaws.com"))
        self.assertTrue(role.allows("ecs:CreateCluster", f"arn:aws:ecs:{CLOUD.region}:{CLOUD.account}:cluster/a"))
        for action in (
            "iam:CreateUser",
            "iam:CreatePolicy",
            "iam:CreateAccessKey",
            "lambda:CreateFunction",
            "s3:CreateBucket",
            "s3:GetObject",
            "sts:AssumeRole",
            "organizations:LeaveOrganization",
        ):
            self.assertFalse(role.allows(action), action)
        for secret in ("longshore/slack-webhook-AbCdEf", "app_secrets-AbCdEf"):
            arn = f"arn:aws:secretsmanager:{CLOUD.region}:{CLOUD.account}:secret:{secret}"
            self.assertFalse(role.allows("secretsmanager:GetSecretValue", arn), arn)
        secret = f"arn:aws:secretsmanager:{CLOUD.region}:{CLOUD.account}:secret:billing/api/KEY-AbCdEf"
        of_a_stack = {"aws:ResourceTag/longshore:stack": "billing"}
        self.assertFalse(role.allows("secretsmanager:GetSecretValue", secret))
        self.assertTrue(role.allows("secretsmanager:GetSecretValue", secret, **of_a_stack))

    def test_a_stack_file_reads_no_other_stack_s_secret_by_a_dynamic_reference(self):
        stack = {
            "name": "reads-secrets",
            "network": {"vpc_id": "vpc-0a1b2c3d", "subnet_ids": ["subnet-0a1b2c3d"]},
            "services": {
                "api": {
                    "image": "docker.io/library/nginx:1.29",
                    "environment": {"KEY": "{{resolve:secretsmanager:billing/api/KEY}}"},
                }
            },
        }
        with self.assertRaisesRegex(Refused, "services.api.environment.KEY"):
            CLOUD.provision("render", stack)
