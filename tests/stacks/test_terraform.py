"""infra/modules/replaces: the blocks of the three modules that are replaced, applied with Terraform; and a service that
Terraform makes before its image."""

import json

import account
from cloud import CLOUD
from configuration import Configuration
from stack import Stack, StackCase


class TerraformCase(StackCase):
    """What is the same for all: a stack from its first apply to its end."""

    def assert_nothing_is_planned(self):
        self.assertIsNone(self.terraform.plan())

    def assert_outputs(self, outputs, **expected):
        """Each of these outputs, and CloudFormation's name and ARN of the stack."""
        self.assert_holds(
            outputs,
            stack_name=self.stack.name,
            stack_id=self.stack.describe()["StackId"],
            **expected,
        )

    def assert_warned(self, outputs, *paths):
        self.assertEqual({warning["path"] for warning in outputs["warnings"]}, set(paths))

    def wait_for_ready(self):
        """Terraform is done when CloudFormation is; Longshore learns it a moment later."""
        CLOUD.wait_for_message(f"Stack ready: {self.stack.name}", of=self.stack.name)

    def wait_for_the_end(self):
        CLOUD.wait_for_message(f"Stack destroyed: {self.stack.name}", of=self.stack.name)
        self.assertIn(self.stack.status(), (None, "DELETE_COMPLETE"))


class ClasslaByTerraformTest(TerraformCase):
    """A service that runs, and is pushed to."""

    def setUp(self):
        self.repository = "classla-staging"
        self.service = "classla-staging-backend"
        self.stack = Stack("classla-staging")
        self.first = account.push(self.repository, "latest")
        network = account.network()
        self.registry = f"{CLOUD.account}.dkr.ecr.{CLOUD.region}.amazonaws.com"
        self.terraform = Configuration(
            "classla",
            self.stack.name,
            {
                "vpc_id": network.vpc,
                "private_subnet_ids": network.private,
                "alb_security_group_id": network.load_balancer_group,
                "target_group_arn": network.target_group("classla-staging", 3001),
                "repository_url": f"{self.registry}/{self.repository}",
            },
            rest=[
                {
                    "Effect": "Allow",
                    "Action": "iam:*",
                    "Resource": f"arn:aws:iam::{CLOUD.account}:policy/classla-staging-secrets",
                },
            ],
        )

    def test_a_stack_from_its_first_apply_to_its_end(self):
        outputs = self.terraform.apply()
        self.stack.wait_until_runs(self.service, self.first)

        with self.subTest("every output of its table is reported"):
            task = self.stack.task_definition(self.service)
            [group] = self.stack.security_groups_of(self.service)
            self.assert_outputs(
                outputs,
                cluster_name="classla-staging",
                cluster_arn=self.stack.cluster["clusterArn"],
                service_name=self.service,
                task_definition_arn=task["taskDefinitionArn"],
                security_group_id=group,
                task_execution_role_arn=task["executionRoleArn"],
                task_role_arn=task["taskRoleArn"],
            )

        with self.subTest("a tag that moves is warned of"):
            self.assert_warned(outputs, "services.backend.image")

        with self.subTest("the policy that was given is attached to the execution role"):
            role = task["executionRoleArn"].rsplit("/", 1)[-1]
            attached = CLOUD.client("iam").list_attached_role_policies(RoleName=role)
            names = [policy["PolicyName"] for policy in attached["AttachedPolicies"]]
            self.assertIn("classla-staging-secrets", names)

        self.wait_for_ready()
        with self.subTest("pushes find the service"):
            [subscriber] = self.stack.wait_for_route(self.repository)
            self.assert_holds(
                subscriber, stack=self.stack.name, service="backend", ecs_service=self.service
            )

        with self.subTest("a second plan is empty"):
            self.assert_nothing_is_planned()

        second = account.push(self.repository, "v2")
        self.stack.wait_until_runs(self.service, second)
        with self.subTest("a plan after a push is empty"):
            self.assert_nothing_is_planned()

        self.terraform.set(container_cpu=256)
        outputs = self.terraform.apply()
        self.stack.wait_until_runs(self.service, second)
        with self.subTest("what is changed is applied to what was pushed"):
            task = self.stack.task_definition(self.service)
            self.assertEqual(task["cpu"], "256")
            self.assert_outputs(outputs, task_definition_arn=task["taskDefinitionArn"])

        with self.subTest("a plan after a change is empty"):
            self.assert_nothing_is_planned()

        self.terraform.destroy()
        self.wait_for_the_end()
        self.stack.wait_for_route(self.repository, subscribers=0)


class GreenfieldByTerraformTest(TerraformCase):
    """A repository, a secret and a service by one apply, before there is an image."""

    def setUp(self):
        self.repository = "greenfield/api"
        self.service = "greenfield-api"
        self.stack = Stack("greenfield")
        network = account.network()
        repositories = f"arn:aws:ecr:{CLOUD.region}:{CLOUD.account}:repository/{self.repository}"
        self.terraform = Configuration(
            "greenfield",
            self.stack.name,
            {"vpc_id": network.vpc, "private_subnet_ids": network.private},
            rest=[{"Effect": "Allow", "Action": "ecr:*", "Resource": repositories}],
        )

    def test_a_service_waits_for_its_first_image_and_is_started_by_it(self):
        with self.subTest("a plan, with nothing there yet, has no warning"):
            self.assertNotIn("Warning", self.terraform.plan())

        outputs = self.terraform.apply()
        with self.subTest("the output says that the service waits, and for what"):
            self.assertEqual(outputs["waits_for_images"], {"api": f"{self.repository}:v1.0.0"})
            self.assert_warned(outputs, "services.api.image")
            self.assertEqual(self.stack.service(self.service)["desiredCount"], 0)

        self.wait_for_ready()
        self.stack.wait_for_route(self.repository)
        with self.subTest("a second plan is empty while it waits"):
            self.assert_nothing_is_planned()

        first = account.push(self.repository, "v1.0.0")
        self.stack.wait_until_runs(self.service, first)
        with self.subTest("the first image starts as many tasks as the stack says"):
            self.assertEqual(self.stack.service(self.service)["desiredCount"], 2)

        outputs = self.terraform.apply()
        with self.subTest("the next apply says that nothing waits, and keeps what runs"):
            self.assertEqual(outputs["waits_for_images"], {})
            self.assert_warned(outputs)
            self.stack.wait_until_runs(self.service, first)
            self.assertEqual(self.stack.service(self.service)["desiredCount"], 2)
            self.assert_nothing_is_planned()

        self.terraform.destroy()
        self.wait_for_the_end()


class HomebrewBottlesSyncByTerraformTest(TerraformCase):
    """No task without work, roles and a security group that exist, a file system that outlives the stack."""

    def setUp(self):
        self.repository = "homebrew-bottles-sync-staging"
        self.service = "homebrew-bottles-sync"
        self.stack = Stack("homebrew-bottles-sync-staging")
        self.first = account.push(self.repository, "latest")
        network = account.network()
        self.group = CLOUD.client("ec2").create_security_group(
            GroupName="homebrew-tasks", Description="Tasks that exist", VpcId=network.vpc
        )["GroupId"]
        self.let_task_role_mount()
        self.terraform = Configuration(
            "homebrew-bottles-sync",
            self.stack.name,
            {
                "aws_region": CLOUD.region,
                "aws_account_id": CLOUD.account,
                "vpc_id": network.vpc,
                "private_subnet_ids": network.private,
                "ecs_security_group_id": self.group,
                "ecs_task_execution_role_arn": CLOUD.task_roles["execution"],
                "ecs_task_role_arn": CLOUD.task_roles["task"],
            },
        )

    def let_task_role_mount(self):
        """What the stack's own role would be allowed, the role that exists must be allowed by whoever made it."""
        iam = CLOUD.client("iam")
        of_role = {"RoleName": CLOUD.task_roles["task"].rsplit("/", 1)[-1], "PolicyName": "mount"}
        actions = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
        statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        document = {"Version": "2012-10-17", "Statement": [statement]}
        iam.put_role_policy(**of_role, PolicyDocument=json.dumps(document))
        self.addCleanup(iam.delete_role_policy, **of_role)

    def image(self):
        return self.stack.container(self.service)["image"].rsplit("@", 1)[-1]

    def test_a_stack_from_its_first_apply_to_its_end(self):
        outputs = self.terraform.apply()
        task = self.stack.task_definition(self.service)
        [volume] = task["volumes"]
        efs = CLOUD.client("efs")
        file_system = volume["efsVolumeConfiguration"]["fileSystemId"]
        point = volume["efsVolumeConfiguration"]["authorizationConfig"]["accessPointId"]

        with self.subTest("all seventeen outputs of its table are reported"):
            service = self.stack.service(self.service)
            [described] = efs.describe_file_systems(FileSystemId=file_system)["FileSystems"]
            [access] = efs.describe_access_points(AccessPointId=point)["AccessPoints"]
            options = task["containerDefinitions"][0]["logConfiguration"]["options"]
            log_group = options["awslogs-group"]
            [target], _ = self.stack.scaling(self.service)
            logs = f"arn:aws:logs:{CLOUD.region}:{CLOUD.account}:log-group:{log_group}"
            self.assertIn(outputs["log_group_arn"], (logs, f"{logs}:*"))
            self.assert_outputs(
                outputs,
                cluster_name=self.stack.name,
                cluster_arn=self.stack.cluster["clusterArn"],
                cluster_id=self.stack.cluster["clusterArn"],
                service_name=self.service,
                service_arn=service["serviceArn"],
                service_id=service["serviceArn"],
                task_definition_arn=task["taskDefinitionArn"],
                task_definition_family=task["family"],
                task_definition_revision=str(task["revision"]),
                efs_file_system_id=file_system,
                efs_file_system_arn=described["FileSystemArn"],
                efs_access_point_id=point,
                efs_access_point_arn=access["AccessPointArn"],
                log_group_name=log_group,
                auto_scaling_target_arn=target["ScalableTargetARN"],
                security_group_id=self.group,
            )

        with self.subTest("a tag that moves, and scaling that cannot begin, are warned of"):
            self.assert_warned(
                outputs, "services.sync.image", "services.sync.scaling.min_capacity"
            )

        with self.subTest("tasks run with the roles and in the group that were given"):
            self.assert_holds(
                task,
                taskRoleArn=CLOUD.task_roles["task"],
                executionRoleArn=CLOUD.task_roles["execution"],
            )
            self.assertEqual(self.stack.security_groups_of(self.service), [self.group])

        self.wait_for_ready()
        with self.subTest("pushes find the service"):
            [subscriber] = self.stack.wait_for_route(self.repository)
            self.assert_holds(
                subscriber, stack=self.stack.name, service="sync", ecs_service=self.service
            )

        with self.subTest("a second plan is empty"):
            self.assert_nothing_is_planned()

        second = account.push(self.repository, "v2")
        CLOUD.wait_for_message("Deployment succeeded", f"{self.stack.name}/sync", "v2", of=self.stack.name)
        self.assertEqual(self.image(), second)
        with self.subTest("a plan after a push is empty"):
            self.assert_nothing_is_planned()

        self.terraform.set(task_cpu=1024)
        self.terraform.apply()
        with self.subTest("what is changed is applied to what was pushed"):
            self.assertEqual(self.stack.task_definition(self.service)["cpu"], "1024")
            self.assertEqual(self.image(), second)

        self.terraform.destroy()
        self.wait_for_the_end()
        with self.subTest("the file system and the logs stay"):
            [kept] = efs.describe_file_systems(FileSystemId=file_system)["FileSystems"]
            self.assertEqual(kept["LifeCycleState"], "available")
            self.assertIsNotNone(self.stack.log_group(log_group))
        with self.subTest("the roles and the group that were given stay"):
            iam = CLOUD.client("iam")
            for arn in CLOUD.task_roles.values():
                self.assertEqual(iam.get_role(RoleName=arn.rsplit("/", 1)[-1])["Role"]["Arn"], arn)
            self.assertEqual(self.stack.security_group(self.group)["GroupId"], self.group)
        self.stack.wait_for_route(self.repository, subscribers=0)


class StellarInsightsByTerraformTest(TerraformCase):
    """Instances, and secrets that Terraform is given and does not keep."""

    def setUp(self):
        self.repository = "stellar-insights-demo"
        self.service = "stellar-insights-demo-backend"
        self.stack = Stack("stellar-insights-demo")
        self.first = account.push(self.repository, "latest")
        network = account.network()
        self.group = CLOUD.client("ec2").create_security_group(
            GroupName="stellar-tasks", Description="Tasks that exist", VpcId=network.vpc
        )["GroupId"]
        registry = f"{CLOUD.account}.dkr.ecr.{CLOUD.region}.amazonaws.com"
        self.terraform = Configuration(
            "stellar-insights",
            self.stack.name,
            {
                "environment": "demo",
                "vpc_id": network.vpc,
                "private_subnet_ids": network.private,
                "ecs_security_group_id": self.group,
                "target_group_arn": network.target_group("stellar-demo", 8080),
                "repository_url": f"{registry}/{self.repository}",
                "vault_addr": "https://vault.example:8200",
                "database_password": "first-password",
                "auth_token": "first-token",
            },
        )

    def secret(self, variable):
        """The value that the container finds in a variable."""
        [arn] = [
            secret["valueFrom"]
            for secret in self.stack.container(self.service)["secrets"]
            if secret["name"] == variable
        ]
        return CLOUD.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]

    def assert_kept_nowhere(self, *values):
        """Neither Terraform nor CloudFormation nor ECS has it."""
        cloudformation = CLOUD.client("cloudformation")
        places = {
            "Terraform's state": self.terraform.written(),
            "the template": str(cloudformation.get_template(StackName=self.stack.name)),
            "the stack": str(self.stack.describe()),
            "the task definition": str(self.stack.task_definition(self.service)),
        }
        for place, text in places.items():
            for value in values:
                self.assertNotIn(value, text, f"{place} holds a secret")

    def test_a_stack_from_its_first_apply_to_its_end(self):
        outputs = self.terraform.apply()
        self.stack.wait_until_runs(self.service, self.first)

        with self.subTest("every output of its table is reported"):
            [group] = self.stack.ids("AWS::AutoScaling::AutoScalingGroup")
            self.assert_outputs(
                outputs,
                cluster_name="stellar-insights-demo",
                cluster_arn=self.stack.cluster["clusterArn"],
                service_name=self.service,
                service_arn=self.stack.service(self.service)["serviceArn"],
                asg_name=group,
            )

        with self.subTest("the container finds the secrets, which are kept nowhere else"):
            self.assertEqual(
                self.secret("DATABASE_URL"),
                "postgresql://user:first-password@database:5432/stellar_insights",
            )
            self.assertEqual(self.secret("REDIS_URL"), "redis://:first-token@redis:6379")
            self.assert_kept_nowhere("first-password", "first-token")

        with self.subTest("a second plan is empty"):
            self.assert_nothing_is_planned()

        self.wait_for_ready()
        self.terraform.set(database_password="second-password")
        with self.subTest("a plan says that a secret changes, and not what it is"):
            plan = self.terraform.plan()
            self.assertNotIn("second-password", plan)
            _, _, planned = plan.partition("Terraform will perform the following actions:")
            version = 'aws_secretsmanager_secret_version.this["backend/DATABASE_URL"]'
            self.assertIn(f"{version} must be replaced", planned)
            self.assertIn("Plan: 1 to add, 0 to change, 1 to destroy.", planned)
        self.terraform.apply()
        with self.subTest("a secret that is changed is written"):
            self.assertIn(":second-password@", self.secret("DATABASE_URL"))
            self.assert_kept_nowhere("second-password", "first-token")

        self.terraform.destroy()
        self.wait_for_the_end()
        with self.subTest("the secrets go with the stack"):
            names = [
                secret["Name"]
                for page in CLOUD.client("secretsmanager").get_paginator("list_secrets").paginate()
                for secret in page["SecretList"]
            ]
            self.assertEqual([name for name in names if name.startswith(self.stack.name)], [])
