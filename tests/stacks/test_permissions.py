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


class RoleCase(unittest.TestCase):
    """Calls with the credentials of a role."""

    @classmethod
    def take(cls, role_arn):
        cls.credentials = CLOUD.credentials_of(role_arn)

    @classmethod
    def make(cls, name, path="/", tags=(), **options):
        """Makes a role whose own policy allows everything, and takes its credentials; answers its ARN."""
        iam = CLOUD.client("iam")
        anything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        # Lambda hands its credentials out here, as ECS does to a task.
        trust = {**TRUST["Statement"][0], "Principal": {"Service": "lambda.amazonaws.com"}}
        arn = iam.create_role(
            RoleName=name,
            Path=path,
            AssumeRolePolicyDocument=json.dumps({**TRUST, "Statement": [trust]}),
            Tags=[{"Key": key, "Value": value} for key, value in tags],
            **options,
        )["Role"]["Arn"]
        policy = json.dumps({"Version": "2012-10-17", "Statement": [anything]})
        iam.put_role_policy(RoleName=name, PolicyName="task", PolicyDocument=policy)
        cls.addClassCleanup(iam.delete_role, RoleName=name)
        cls.addClassCleanup(iam.delete_role_policy, RoleName=name, PolicyName="task")
        cls.take(arn)
        return arn

    def client(self, service):
        return CLOUD.client_as(service, *self.credentials)

    def assert_refused(self, call, **arguments):
        with self.assertRaises(ClientError) as refused:
            call(**arguments)
        code = refused.exception.response["Error"]["Code"]
        self.assertIn(code, ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"))

    def say(self, detail_type, source="longshore", bus=None):
        """Puts an event, on Longshore's bus unless another is named."""
        entry = {"Source": source, "DetailType": detail_type, "Detail": "{}", "EventBusName": bus or CLOUD.bus}
        return self.client("events").put_events(Entries=[entry])

    def secret_of(self, stack):
        """Makes a secret as a template of a stack does, or as people do; answers its ARN."""
        name = f"{stack or 'nobody'}/{type(self).__name__}/KEY"
        secrets = CLOUD.client("secretsmanager")
        tags = [{"Key": "longshore:stack", "Value": stack}] if stack else []
        arn = secrets.create_secret(Name=name, SecretString=account.canary("of-a-stack"), Tags=tags)["ARN"]
        self.addCleanup(secrets.delete_secret, SecretId=arn, ForceDeleteWithoutRecovery=True)
        return arn


class FunctionTest(RoleCase):
    """Calls with the credentials of `provision`."""

    @classmethod
    def setUpClass(cls):
        cls.take(CLOUD.roles["provision"])

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
        arn = account.make_secret("permissions/secret", account.canary("permissions"))
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


class BoundaryTest(RoleCase):
    """What a task cannot do whose role allows everything, since that role is a template's."""

    @classmethod
    def setUpClass(cls):
        cls.arn = cls.make(
            "attacker-TaskRole",
            "/longshore/",
            [("longshore:stack", "attacker")],
            PermissionsBoundary=CLOUD.settings["PERMISSIONS_BOUNDARY_ARN"],
        )

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

    def test_it_starts_no_task_joins_no_cluster_and_shifts_no_traffic(self):
        ecs = self.client("ecs")
        self.assert_refused(ecs.run_task, cluster="other", taskDefinition="other-api")
        self.assert_refused(ecs.register_container_instance, cluster="other")
        self.assert_refused(ecs.register_task_definition, family="own", taskRoleArn=self.arn, containerDefinitions=[])
        listener = f"arn:aws:elasticloadbalancing:{CLOUD.region}:{CLOUD.account}:listener/app/other/1/2"
        self.assert_refused(self.client("elbv2").modify_listener, ListenerArn=listener, Port=81)

    def test_it_says_nothing_in_longshore_s_name(self):
        self.assert_refused(self.say, detail_type="Deployment Succeeded")
        self.assert_refused(self.say, detail_type="Sync Shard Completed", source="another")
        self.assert_refused(self.say, detail_type="Sync Shard Completed", bus="default")

    def test_it_says_nothing_beside_what_a_mirror_s_tasks_say(self):
        shard = {"Source": "longshore", "DetailType": "Sync Shard Completed", "Detail": "{}", "EventBusName": CLOUD.bus}
        forged = {**shard, "DetailType": "Deployment Succeeded"}
        self.assert_refused(self.client("events").put_events, Entries=[shard, forged])

    def test_it_reads_secrets_of_its_own_stack_and_of_no_other(self):
        read = self.client("secretsmanager").get_secret_value
        for stack in ("attacker", None):
            read(SecretId=self.secret_of(stack))
        self.assert_refused(read, SecretId=self.secret_of("other"))

    def test_it_passes_no_role(self):
        to_tasks = {"iam__PassedToService": "ecs-tasks.amazonaws.com"}
        self.assertFalse(Role(self.arn).allows("iam:PassRole", self.arn, **to_tasks))


class WithoutBoundaryTest(RoleCase):
    """A role of a template that lost its boundary: the bucket and the bus refuse it by its path."""

    @classmethod
    def setUpClass(cls):
        cls.make("unbounded-TaskRole", "/longshore/", [("longshore:stack", "unbounded")])

    def test_the_bucket_refuses_it(self):
        s3 = self.client("s3")
        self.assert_refused(s3.list_objects_v2, Bucket=CLOUD.bucket)
        self.assert_refused(s3.get_object, Bucket=CLOUD.bucket, Key="stacks/any.yaml")
        self.assert_refused(s3.put_object, Bucket=CLOUD.bucket, Key="routes/any.json", Body=b"{}")

    def test_the_bus_takes_nothing_of_it_but_what_a_mirror_s_tasks_say(self):
        self.assert_refused(self.say, detail_type="Deployment Succeeded")


class StrangerTest(RoleCase):
    """A role of somebody else in the account that may do everything."""

    @classmethod
    def setUpClass(cls):
        cls.make("stranger")

    def test_the_bus_takes_nothing_of_it(self):
        for kind in ("Deployment Succeeded", "Sync Shard Completed"):
            self.assert_refused(self.say, detail_type=kind)

    def test_nobody_says_anything_in_the_name_of_aws(self):
        answer = self.say("ECS Deployment State Change", source="aws.ecs", bus="default")
        self.assertEqual(answer["FailedEntryCount"], 1)
        self.assertEqual(answer["Entries"][0]["ErrorCode"], "NotAuthorizedForSourceException")


class CloudFormationRoleTest(RoleCase):
    """Calls with the credentials of the role that CloudFormation works with."""

    @classmethod
    def setUpClass(cls):
        cls.take(CLOUD.settings["CLOUDFORMATION_ROLE_ARN"])

    def test_it_makes_nothing_that_stacks_are_not_made_of(self):
        iam, name = self.client("iam"), "of-a-template"
        document = json.dumps({"Version": "2012-10-17", "Statement": []})
        self.assert_refused(iam.create_user, UserName=name)
        self.assert_refused(iam.create_policy, PolicyName=name, PolicyDocument=document)
        self.assert_refused(iam.create_access_key, UserName=name)
        self.assert_refused(self.client("s3").create_bucket, Bucket=name)
        self.assert_refused(self.client("s3").get_object, Bucket=CLOUD.bucket, Key="stacks/any.yaml")
        self.assert_refused(self.client("sts").assume_role, RoleArn=CLOUD.roles["deploy"], RoleSessionName=name)
        code = {"ZipFile": b""}
        self.assert_refused(
            self.client("lambda").create_function, FunctionName=name, Role=CLOUD.roles["deploy"], Code=code
        )

    def test_it_reads_secrets_that_stacks_made_and_no_others(self):
        read = self.client("secretsmanager").get_secret_value
        self.assertIn("SecretString", read(SecretId=self.secret_of("billing")))
        self.assert_refused(read, SecretId=self.secret_of(None))
        self.assert_refused(read, SecretId="longshore/slack-webhook")


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

    def test_nobody_but_cloudformation_takes_on_its_role(self):
        self.assertTrue(Role(CLOUD.settings["CLOUDFORMATION_ROLE_ARN"]).trusts("cloudformation.amazonaws.com"))

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
