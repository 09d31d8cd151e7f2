"""stacks/classla.yaml: Fargate behind a target group that exists, secrets by JSON key."""

from pathlib import Path

import account
from cloud import CLOUD
from policies import Role
from stack import Stack, StackCase

SECRETS = {
    "SUPABASE_URL": "supabase_credentials",
    "SUPABASE_ANON_KEY": "supabase_credentials",
    "SUPABASE_SERVICE_ROLE_KEY": "supabase_credentials",
    "WORKOS_API_KEY": "workos_credentials",
    "WORKOS_CLIENT_ID": "workos_credentials",
    "SESSION_SECRET": "app_secrets",
}


class ClasslaTest(StackCase):
    @classmethod
    def setUpClass(cls):
        account.push("classla-backend", "1.0.0")
        cls.secrets = {
            secret: account.make_secret(
                secret, {key: account.canary(key.lower()) for key, of in SECRETS.items() if of == secret}
            )
            for secret in sorted(set(SECRETS.values()))
        }
        cls.target_group = account.network().target_group("classla", 3001)
        text = account.stack_file(
            "classla",
            **{
                "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/classla/"
                "0a1b2c3d4e5f6004": cls.target_group
            },
        )
        cls.stack = Stack("classla-prod")
        cls.stack.apply(text)
        cls.service = cls.stack.service("classla-prod-backend")
        cls.task = cls.stack.task_definition("classla-prod-backend")
        cls.container = cls.task["containerDefinitions"][0]

    def test_the_cluster_is_named_after_the_stack_and_has_container_insights(self):
        cluster = self.stack.cluster
        self.assertEqual(cluster["status"], "ACTIVE")
        self.assertIn({"name": "containerInsights", "value": "enabled"}, cluster["settings"])

    def test_the_task_has_the_size_and_the_port_of_the_file(self):
        self.assert_holds(
            self.task,
            cpu="512",
            memory="1024",
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            family="classla-prod-backend",
        )
        port = self.container["portMappings"][0]
        self.assertEqual((port["containerPort"], port["protocol"]), (3001, "tcp"))

    def test_the_container_has_its_variables_and_a_health_check(self):
        variables = {one["name"]: one["value"] for one in self.container["environment"]}
        self.assertEqual(variables, {"PORT": "3001", "NODE_ENV": "production"})
        check = self.container["healthCheck"]
        self.assert_holds(check, interval=30, startPeriod=60, retries=3)
        self.assertIn("http://localhost:3001/health", check["command"][1])

    def test_the_image_is_that_of_the_repository_pinned_to_its_digest(self):
        prefix = f"{CLOUD.account}.dkr.ecr.{CLOUD.region}.amazonaws.com/classla-backend@sha256:"
        self.assertTrue(self.container["image"].startswith(prefix), self.container["image"])

    def test_secrets_come_by_json_key_and_reach_the_process(self):
        references = {one["name"]: one["valueFrom"] for one in self.container["secrets"]}
        expected = {
            key: f"{self.secrets[secret]}:{key}::"
            for key, secret in SECRETS.items()
        }
        self.assertEqual(references, expected)
        tasks = {task["taskArn"] for task in self.stack.running("classla-prod-backend")}
        [container] = [one for one in CLOUD.containers() if one["task"] in tasks]
        variables = Path("/proc", str(container["pid"]), "environ").read_text().split("\0")
        self.assertLessEqual({f"{key}={account.canary(key.lower())}" for key in SECRETS}, set(variables))

    def test_only_the_load_balancer_may_connect(self):
        groups = self.stack.security_groups_of("classla-prod-backend")
        self.assertEqual(len(groups), 1)
        [ingress] = self.stack.security_group(groups[0])["IpPermissions"]
        self.assert_holds(ingress, IpProtocol="tcp", FromPort=3001, ToPort=3001)
        sources = [pair["GroupId"] for pair in ingress["UserIdGroupPairs"]]
        self.assertEqual(sources, [account.network().load_balancer_group])
        self.assertEqual(ingress.get("IpRanges", []), [])

    def test_the_service_runs_on_fargate_in_the_private_subnets_behind_the_target_group(self):
        self.assert_holds(
            self.service, launchType="FARGATE", healthCheckGracePeriodSeconds=60, desiredCount=1
        )
        network = self.service["networkConfiguration"]["awsvpcConfiguration"]
        self.assertEqual(sorted(network["subnets"]), sorted(account.network().private))
        self.assertEqual(network["assignPublicIp"], "DISABLED")
        [balancer] = self.service["loadBalancers"]
        self.assert_holds(
            balancer,
            targetGroupArn=self.target_group,
            containerName="backend",
            containerPort=3001,
        )

    def test_a_deployment_starts_the_new_task_first_and_is_given_up_when_it_fails(self):
        deployment = self.service["deploymentConfiguration"]
        self.assert_holds(deployment, maximumPercent=200, minimumHealthyPercent=100)
        self.assertEqual(deployment["deploymentCircuitBreaker"], {"enable": True, "rollback": True})

    def test_it_scales_from_one_to_two_tasks_by_cpu_and_memory(self):
        [target], _ = self.stack.scaling("classla-prod-backend")
        self.assertEqual((target["MinCapacity"], target["MaxCapacity"]), (1, 2))
        self.assertEqual(
            self.stack.tracking("classla-prod-backend"),
            {
                "ECSServiceAverageCPUUtilization": (70, 60, 300),
                "ECSServiceAverageMemoryUtilization": (80, 60, 300),
            },
        )

    def test_logs_are_kept_for_ninety_days(self):
        options = self.container["logConfiguration"]["options"]
        self.assertEqual(options["awslogs-region"], CLOUD.region)
        self.assertEqual(options["awslogs-stream-prefix"], "ecs")
        self.assertEqual(self.stack.log_group(options["awslogs-group"])["retentionInDays"], 90)

    def test_the_execution_role_may_start_this_task_and_read_these_secrets_and_nothing_else(self):
        role = Role(self.task["executionRoleArn"])
        self.assertTrue(role.trusts("ecs-tasks.amazonaws.com"))
        self.assertEqual(role.path, "/longshore/")
        self.assertEqual(role.boundary, CLOUD.settings["PERMISSIONS_BOUNDARY_ARN"])
        repositories = f"arn:aws:ecr:{CLOUD.region}:{CLOUD.account}:repository"
        group = self.container["logConfiguration"]["options"]["awslogs-group"]
        logs = f"arn:aws:logs:{CLOUD.region}:{CLOUD.account}:log-group"
        self.assertTrue(role.allows("ecr:GetAuthorizationToken"))
        self.assertTrue(role.allows("ecr:BatchGetImage", f"{repositories}/classla-backend"))
        self.assertFalse(role.allows("ecr:BatchGetImage", f"{repositories}/another"))
        self.assertFalse(role.allows("ecr:PutImage", f"{repositories}/classla-backend"))
        self.assertTrue(role.allows("logs:PutLogEvents", f"{logs}:{group}:log-stream:ecs/a"))
        self.assertFalse(role.allows("logs:PutLogEvents", f"{logs}:/ecs/other:log-stream:ecs/a"))
        for arn in self.secrets.values():
            self.assertTrue(role.allows("secretsmanager:GetSecretValue", arn), arn)
        other = f"arn:aws:secretsmanager:{CLOUD.region}:{CLOUD.account}:secret:other-AbCdEf"
        self.assertFalse(role.allows("secretsmanager:GetSecretValue", other))
        self.assertFalse(role.allows("iam:PassRole", self.task["taskRoleArn"]))

    def test_the_task_role_may_do_nothing_until_the_file_says_so(self):
        role = Role(self.task["taskRoleArn"])
        self.assertTrue(role.trusts("ecs-tasks.amazonaws.com"))
        self.assertEqual(role.path, "/longshore/")
        self.assertEqual(role.boundary, CLOUD.settings["PERMISSIONS_BOUNDARY_ARN"])
        self.assertEqual(role.statements(), [])

    def test_production_is_protected(self):
        self.assertTrue(self.stack.describe()["EnableTerminationProtection"])

    def test_everything_is_tagged(self):
        self.assert_tagged(self.stack, {"Project": "classla", "Environment": "prod"})

    def test_every_output_of_its_table_is_reported(self):
        [group] = self.stack.security_groups_of("classla-prod-backend")
        self.assert_holds(
            self.stack.outputs(),
            cluster_name="classla-prod",
            cluster_arn=self.stack.cluster["clusterArn"],
            service_name="classla-prod-backend",
            task_definition_arn=self.task["taskDefinitionArn"],
            security_group_id=group,
            task_execution_role_arn=self.task["executionRoleArn"],
            task_role_arn=self.task["taskRoleArn"],
        )

    def test_pushes_find_the_service(self):
        self.assertEqual(
            self.stack.route("classla-backend"),
            [
                {
                    "stack": "classla-prod",
                    "service": "backend",
                    "cluster": "classla-prod",
                    "ecs_service": "classla-prod-backend",
                    "container": "backend",
                    "image_policy": {"tags": ["*"]},
                    "cpu_architecture": "X86_64",
                    "rollout": {"deadline_minutes": 30},
                }
            ],
        )
