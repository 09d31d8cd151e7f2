"""stacks/stellar-insights.yaml: EC2 capacity, Vault, an existing target group; environments of different size."""

import base64

import account
from cloud import CLOUD
from policies import Role
from stack import Stack, StackCase

PLACEHOLDER = (
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/stellar-insights/"
    "0a1b2c3d4e5f6004"
)


class StellarInsightsCase(StackCase):
    environment = None
    instance_type = None
    instances = None
    size = None

    @classmethod
    def setUpClass(cls):
        if cls.environment is None:
            return
        environment = cls.environment
        account.push("stellar-insights-backend", "latest")
        cls.secrets = {
            variable: account.make_secret(f"stellar-insights/{environment}/{name}", account.canary(name))
            for variable, name in (("DATABASE_URL", "database_url"), ("REDIS_URL", "redis_url"))
        }
        cls.target_group = account.network().target_group(f"stellar-{environment}", 8080)
        cls.stack = Stack(f"stellar-insights-{environment}")
        cls.text = account.stack_file("stellar-insights", **{PLACEHOLDER: cls.target_group})
        cls.stack.apply(cls.text)
        cls.name = f"stellar-insights-{environment}-backend"
        cls.service = cls.stack.service(cls.name)
        cls.task = cls.stack.task_definition(cls.name)
        cls.container = cls.task["containerDefinitions"][0]

    def auto_scaling_group(self):
        [name] = self.stack.ids("AWS::AutoScaling::AutoScalingGroup")
        return CLOUD.client("autoscaling").describe_auto_scaling_groups(
            AutoScalingGroupNames=[name]
        )["AutoScalingGroups"][0]

    def launch_template(self):
        template = self.auto_scaling_group()["LaunchTemplate"]
        versions = CLOUD.client("ec2").describe_launch_template_versions(
            LaunchTemplateId=template["LaunchTemplateId"], Versions=[template["Version"]]
        )
        return versions["LaunchTemplateVersions"][0]["LaunchTemplateData"]


class SizeByEnvironment:
    """What differs between the environments."""

    def test_instances_have_the_type_and_the_number_of_the_environment(self):
        group = self.auto_scaling_group()
        self.assertEqual((group["MinSize"], group["MaxSize"]), self.instances)
        self.assertEqual(
            sorted(group["VPCZoneIdentifier"].split(",")), sorted(account.network().private)
        )
        self.assertEqual(self.launch_template()["InstanceType"], self.instance_type)

    def test_the_task_has_the_size_of_the_environment(self):
        self.assert_holds(
            self.task,
            cpu=self.size[0],
            memory=self.size[1],
            requiresCompatibilities=["EC2"],
            networkMode="awsvpc",
        )

    def test_the_container_gets_the_environment_and_what_it_needs_to_ask_vault(self):
        variables = {one["name"]: one["value"] for one in self.container["environment"]}
        self.assertEqual(
            variables,
            {
                "ENVIRONMENT": self.environment,
                "VAULT_ADDR": "https://vault.stellar-insights.example:8200",
                "VAULT_ROLE": f"stellar-insights-{self.environment}",
                "VAULT_SECRET_PATHS": f"secret/data/stellar-insights/{self.environment}",
            },
        )
        # Passwords are in Secrets Manager, and in no template.
        references = {one["name"]: one["valueFrom"] for one in self.container["secrets"]}
        self.assertEqual(references, self.secrets)


class DevelopmentTest(SizeByEnvironment, StellarInsightsCase):
    environment, instance_type, instances = "dev", "t3.micro", (1, 4)
    size = ("256", "512")

    def test_it_does_not_scale_and_is_not_protected(self):
        self.assertEqual(self.stack.scaling(self.name), ([], []))
        self.assertEqual(self.service["desiredCount"], 1)
        self.assertFalse(self.stack.describe()["EnableTerminationProtection"])


class ProductionTest(SizeByEnvironment, StellarInsightsCase):
    environment, instance_type, instances = "prod", "t3.small", (3, 5)
    size = ("512", "1024")

    def test_the_service_runs_on_the_instances_behind_the_target_group(self):
        [strategy] = self.service["capacityProviderStrategy"]
        provider = CLOUD.client("ecs").describe_capacity_providers(
            capacityProviders=[strategy["capacityProvider"]]
        )["capacityProviders"][0]
        self.assertIn(provider["name"], self.stack.cluster["capacityProviders"])
        group = provider["autoScalingGroupProvider"]
        self.assertEqual(
            group["autoScalingGroupArn"], self.auto_scaling_group()["AutoScalingGroupARN"]
        )
        self.assert_holds(group["managedScaling"], status="ENABLED", targetCapacity=100)
        self.assertEqual(group["managedDraining"], "ENABLED")
        self.assertNotIn("launchType", self.service)
        [balancer] = self.service["loadBalancers"]
        self.assert_holds(
            balancer,
            targetGroupArn=self.target_group,
            containerName="backend",
            containerPort=8080,
        )
        self.assertEqual(
            self.stack.security_groups_of(self.name), [account.network().load_balancer_group]
        )

    def test_instances_are_ecs_optimised_encrypted_and_join_the_cluster(self):
        data = self.launch_template()
        self.assertRegex(data["ImageId"], r"^(ami-|resolve:ssm:/aws/service/ecs/optimized-ami/)")
        self.assertEqual(data["MetadataOptions"]["HttpTokens"], "required")
        volume = data["BlockDeviceMappings"][0]["Ebs"]
        self.assert_holds(volume, Encrypted=True, VolumeType="gp3")
        script = base64.b64decode(data["UserData"]).decode()
        self.assertIn("ECS_CLUSTER=stellar-insights-prod\n", script)
        self.assertEqual(len(data["SecurityGroupIds"]), 1)
        self.assertEqual(
            self.stack.security_group(data["SecurityGroupIds"][0])["IpPermissions"], []
        )

    def test_instances_may_be_ecs_instances_of_this_cluster_and_nothing_else(self):
        arn = self.launch_template()["IamInstanceProfile"]["Arn"]
        self.assertIn(":instance-profile/longshore/", arn)
        profile = CLOUD.client("iam").get_instance_profile(
            InstanceProfileName=arn.rsplit("/", 1)[1]
        )["InstanceProfile"]
        [described] = profile["Roles"]
        role = Role(described["Arn"])
        self.assertTrue(role.trusts("ec2.amazonaws.com"))
        self.assertEqual(role.path, "/longshore/")
        self.assertEqual(role.boundary, CLOUD.settings["PERMISSIONS_BOUNDARY_ARN"])
        cluster = self.stack.cluster["clusterArn"]
        self.assertTrue(role.allows("ecs:RegisterContainerInstance", cluster))
        self.assertFalse(role.allows("ecs:RegisterContainerInstance", f"{cluster}-other"))
        for action in ("ecs:RunTask", "s3:GetObject", "secretsmanager:GetSecretValue"):
            self.assertFalse(role.allows(action), action)

    def test_the_health_check_asks_every_thirty_seconds(self):
        check = self.container["healthCheck"]
        self.assertEqual(check["interval"], 30)
        self.assertIn("http://localhost:8080/health", check["command"][1])
        group = CLOUD.client("elbv2").describe_target_groups(TargetGroupArns=[self.target_group])
        self.assert_holds(
            group["TargetGroups"][0], HealthCheckPath="/health", HealthCheckIntervalSeconds=30
        )

    def test_the_container_has_thirty_seconds_to_stop(self):
        self.assertEqual(self.container["stopTimeout"], 30)
        self.assertEqual(self.container["portMappings"][0]["containerPort"], 8080)

    def test_it_scales_out_within_two_minutes_and_in_within_five(self):
        [target], policies = self.stack.scaling(self.name)
        self.assertEqual((target["MinCapacity"], target["MaxCapacity"]), (2, 5))
        by_policy = {
            alarm["AlarmActions"][0]: alarm for alarm in self.stack.alarms() if alarm["AlarmActions"]
        }
        self.assertEqual(len(policies), 2)
        for policy in policies:
            step = policy["StepScalingPolicyConfiguration"]
            change = step["StepAdjustments"][0]["ScalingAdjustment"]
            alarm = by_policy[policy["PolicyARN"]]
            comparison = "GreaterThanThreshold" if change > 0 else "LessThanThreshold"
            most = 120 if change > 0 else 300
            self.assert_holds(
                alarm, MetricName="CPUUtilization", Threshold=70, ComparisonOperator=comparison
            )
            self.assertEqual(alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"])
            # CloudWatch has a minute's values a minute later.
            self.assertLessEqual(alarm["Period"] * alarm["EvaluationPeriods"] + 60, most)
            self.assertLessEqual(step["Cooldown"], most)
            dimensions = {one["Name"]: one["Value"] for one in alarm["Dimensions"]}
            self.assertEqual(
                dimensions, {"ClusterName": "stellar-insights-prod", "ServiceName": self.name}
            )

    def test_alarms_watch_cpu_memory_tasks_and_capacity(self):
        watching = {
            alarm.get("MetricName") or "tasks"
            for alarm in self.stack.alarms()
            if not alarm["AlarmActions"]
        }
        self.assertEqual(
            watching,
            {"CPUUtilization", "MemoryUtilization", "tasks", "CapacityProviderReservation"},
        )

    def test_everything_is_tagged(self):
        self.assert_tagged(self.stack, {"Project": "stellar-insights", "Environment": "prod"})

    def test_every_output_of_its_table_is_reported(self):
        self.assert_holds(
            self.stack.outputs(),
            cluster_name="stellar-insights-prod",
            cluster_arn=self.stack.cluster["clusterArn"],
            service_name=self.name,
            service_arn=self.service["serviceArn"],
            asg_name=self.auto_scaling_group()["AutoScalingGroupName"],
        )


class LifeOfStagingTest(StellarInsightsCase):
    """Pushed to, changed, applied again as it is already, destroyed."""

    environment = "staging"

    def test_the_pushed_image_outlives_changes_until_the_end(self):
        self.assertEqual((self.task["cpu"], self.task["memory"]), ("512", "1024"))
        self.assertEqual(self.service["desiredCount"], 2)
        pushed = account.push("stellar-insights-backend", "staging-2")
        self.stack.wait_until_runs(self.name, pushed)

        changed = self.text.replace("cpu: 512", "cpu: 1024")
        self.stack.apply(changed)
        described = self.stack.wait_until_runs(self.name, pushed)
        task = self.stack.task_definition(self.name)
        self.assertEqual((task["cpu"], task["memory"]), ("1024", "1024"))

        version = self.stack.upload(changed)
        CLOUD.wait_for_message(f"Stack unchanged: {self.stack.name}", version, of=version)
        again = self.stack.service(self.name)
        self.assertEqual(
            [one["id"] for one in again["deployments"]],
            [one["id"] for one in described["deployments"]],
        )
        self.assertEqual(again["taskDefinition"], task["taskDefinitionArn"])

        destroyed = CLOUD.provision("destroy", self.stack.name, note="the season is over")
        message = CLOUD.wait_for_message(
            f"Stack destroyed: {self.stack.name}", destroyed["operation_id"], of=self.stack.name
        )
        self.assertIn("the season is over", message)
        self.assertIn(self.stack.status(), (None, "DELETE_COMPLETE"))
        self.assertIsNotNone(self.stack.log_group(f"/ecs/{self.stack.name}/backend"))
        clusters = CLOUD.client("ecs").describe_clusters(clusters=[self.stack.cluster_name])
        self.assertEqual([one for one in clusters["clusters"] if one["status"] == "ACTIVE"], [])
        groups = CLOUD.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
        self.assertEqual(
            [one for one in groups if one["AutoScalingGroupName"].startswith(self.stack.name)], []
        )
