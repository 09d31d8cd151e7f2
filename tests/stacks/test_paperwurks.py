"""stacks/paperwurks.yaml: several services behind a load balancer of the stack's own, workers on Spot, environments."""

import json

import account
from cloud import CLOUD
from policies import Role
from stack import Stack, StackCase, pairs

SERVICES = ("backend", "webhooks", "worker", "mailer")
CERTIFICATE = "arn:aws:acm:eu-west-2:123456789012:certificate/0a1b2c3d-0000-0000-0000-000000000000"


class PaperwurksCase(StackCase):
    environment = None

    @classmethod
    def setUpClass(cls):
        if cls.environment is None:
            return
        for repository in ("paperwurks-backend", "paperwurks-worker"):
            account.push(repository, "1.0.0", ["serve"], entry_point=account.SERVES)
        cls.certificate = CLOUD.client("acm").request_certificate(
            DomainName="paperwurks.example", ValidationMethod="DNS"
        )["CertificateArn"]
        logs = f"paperwurks-access-logs-{cls.environment}"
        CLOUD.client("s3").create_bucket(
            Bucket=logs, CreateBucketConfiguration={"LocationConstraint": CLOUD.region}
        )
        cls.stack = Stack(f"paperwurks-{cls.environment}")
        cls.stack.apply(
            account.stack_file(
                "paperwurks", **{CERTIFICATE: cls.certificate, "paperwurks-access-logs": logs}
            )
        )

    def ecs_name(self, service):
        return f"paperwurks-{self.environment}-{service}"

    def balancer(self):
        [arn] = self.stack.ids("AWS::ElasticLoadBalancingV2::LoadBalancer")
        return CLOUD.client("elbv2").describe_load_balancers(LoadBalancerArns=[arn])[
            "LoadBalancers"
        ][0]

    def listeners(self):
        answer = CLOUD.client("elbv2").describe_listeners(
            LoadBalancerArn=self.balancer()["LoadBalancerArn"]
        )
        return {listener["Port"]: listener for listener in answer["Listeners"]}

    def target_group(self, service):
        [balancer] = self.stack.service(self.ecs_name(service))["loadBalancers"]
        return CLOUD.client("elbv2").describe_target_groups(
            TargetGroupArns=[balancer["targetGroupArn"]]
        )["TargetGroups"][0]


class Differences:
    """What differs between the environments: instances, health checks, retention of logs."""

    def test_instances_are_those_of_the_environment(self):
        [name] = self.stack.ids("AWS::AutoScaling::AutoScalingGroup")
        group = CLOUD.client("autoscaling").describe_auto_scaling_groups(
            AutoScalingGroupNames=[name]
        )["AutoScalingGroups"][0]
        self.assertEqual((group["MinSize"], group["MaxSize"]), self.instances)
        template = group["LaunchTemplate"]
        data = CLOUD.client("ec2").describe_launch_template_versions(
            LaunchTemplateId=template["LaunchTemplateId"], Versions=[template["Version"]]
        )["LaunchTemplateVersions"][0]["LaunchTemplateData"]
        self.assertEqual(data["InstanceType"], self.instance_type)

    def test_health_checks_are_as_strict_as_the_environment(self):
        for service in ("backend", "webhooks"):
            self.assert_holds(
                self.target_group(service),
                HealthCheckPath="/health",
                HealthCheckIntervalSeconds=self.check[0],
                HealthCheckTimeoutSeconds=self.check[1],
                UnhealthyThresholdCount=self.check[2],
                HealthyThresholdCount=2,
            )

    def test_logs_are_kept_as_long_as_the_environment_says(self):
        names = self.stack.ids("AWS::Logs::LogGroup")
        self.assertEqual(len(names), 5)
        for name in names:
            self.assertEqual(self.stack.log_group(name)["retentionInDays"], self.retention, name)

    def test_only_production_is_protected(self):
        protected = self.stack.describe()["EnableTerminationProtection"]
        self.assertEqual(protected, self.environment == "prod")

    def test_every_container_gets_the_environment(self):
        for service in SERVICES:
            [variable] = self.stack.container(self.ecs_name(service))["environment"]
            self.assertEqual(variable, {"name": "ENVIRONMENT", "value": self.environment})

    def test_versions_are_followed_after_a_migration_and_in_order(self):
        subscribers = {
            one["service"]: one
            for one in self.stack.route("paperwurks-backend")
            if one["stack"] == self.stack.name
        }
        backend, webhooks = subscribers["backend"], subscribers["webhooks"]
        for subscriber in (backend, webhooks):
            self.assertEqual(subscriber["image_policy"], {"semver": ">=1, <2"})
        self.assertEqual(
            backend["rollout"]["before_tasks"],
            [{"name": "migrate", "command": ["migrate"], "timeout_minutes": 15}],
        )
        self.assertEqual(webhooks["rollout"]["after"], ["backend"])
        self.assertEqual("freeze_windows" in backend["rollout"], self.environment == "prod")


class DevelopmentTest(Differences, PaperwurksCase):
    environment, instances, instance_type = "dev", (1, 3), "t3.medium"
    check, retention = (60, 10, 5), 7


class StagingTest(Differences, PaperwurksCase):
    environment, instances, instance_type = "staging", (1, 3), "t3.medium"
    check, retention = (30, 5, 3), 14


class ProductionTest(Differences, PaperwurksCase):
    environment, instances, instance_type = "prod", (2, 6), "t3.large"
    check, retention = (10, 5, 2), 30

    def test_http_is_sent_to_https_with_the_certificate(self):
        listeners = self.listeners()
        self.assertEqual(sorted(listeners), [80, 443])
        [redirect] = listeners[80]["DefaultActions"]
        self.assertEqual(redirect["Type"], "redirect")
        self.assert_holds(
            redirect["RedirectConfig"], Protocol="HTTPS", Port="443", StatusCode="HTTP_301"
        )
        secure = listeners[443]
        self.assertEqual(secure["Protocol"], "HTTPS")
        self.assertEqual(
            [one["CertificateArn"] for one in secure["Certificates"]], [self.certificate]
        )

    def test_paths_and_hosts_decide_which_service_answers(self):
        rules = CLOUD.client("elbv2").describe_rules(
            ListenerArn=self.listeners()[443]["ListenerArn"]
        )["Rules"]
        found = {}
        for rule in rules:
            if rule["IsDefault"]:
                self.assertEqual(rule["Actions"][0]["Type"], "fixed-response")
                continue
            [condition] = rule["Conditions"]
            values = (
                condition.get("PathPatternConfig")
                or condition.get("HostHeaderConfig")
                or condition
            )["Values"]
            found[rule["Priority"]] = (
                condition["Field"],
                values,
                rule["Actions"][0]["TargetGroupArn"],
            )
        self.assertEqual(
            found,
            {
                "10": (
                    "path-pattern",
                    ["/api/*", "/health"],
                    self.target_group("backend")["TargetGroupArn"],
                ),
                "20": (
                    "host-header",
                    ["hooks.paperwurks.example", "*.hooks.paperwurks.example"],
                    self.target_group("webhooks")["TargetGroupArn"],
                ),
            },
        )

    def test_the_load_balancer_spans_the_public_subnets_and_keeps_access_logs(self):
        balancer = self.balancer()
        self.assert_holds(balancer, Scheme="internet-facing", Type="application")
        zones = [zone["SubnetId"] for zone in balancer["AvailabilityZones"]]
        self.assertEqual(sorted(zones), sorted(account.network().public))
        attributes = pairs(
            CLOUD.client("elbv2").describe_load_balancer_attributes(
                LoadBalancerArn=balancer["LoadBalancerArn"]
            )["Attributes"]
        )
        self.assertLessEqual(
            {
                "access_logs.s3.enabled": "true",
                "access_logs.s3.bucket": "paperwurks-access-logs-prod",
                "deletion_protection.enabled": "true",
                "routing.http.drop_invalid_header_fields.enabled": "true",
            }.items(),
            attributes.items(),
        )

    def test_requests_are_drained_and_balanced_across_zones(self):
        for service in ("backend", "webhooks"):
            attributes = pairs(
                CLOUD.client("elbv2").describe_target_group_attributes(
                    TargetGroupArn=self.target_group(service)["TargetGroupArn"]
                )["Attributes"]
            )
            self.assertEqual(attributes["deregistration_delay.timeout_seconds"], "30")
            self.assertEqual(attributes["load_balancing.cross_zone.enabled"], "true")

    def test_the_load_balancer_is_reached_from_everywhere_and_reaches_only_the_two_services(self):
        [group] = self.balancer()["SecurityGroups"]
        described = self.stack.security_group(group)
        self.assertEqual(
            sorted(
                (rule["FromPort"], rule["IpRanges"][0]["CidrIp"])
                for rule in described["IpPermissions"]
            ),
            [(80, "0.0.0.0/0"), (443, "0.0.0.0/0")],
        )
        reached = {
            pair["GroupId"]
            for rule in described["IpPermissionsEgress"]
            for pair in rule["UserIdGroupPairs"]
        }
        expected = {
            group
            for service in ("backend", "webhooks")
            for group in self.stack.security_groups_of(self.ecs_name(service))
        }
        self.assertEqual(reached, expected)
        for service in ("backend", "webhooks"):
            [own] = self.stack.security_groups_of(self.ecs_name(service))
            [ingress] = self.stack.security_group(own)["IpPermissions"]
            self.assert_holds(ingress, IpProtocol="tcp", FromPort=8000, ToPort=8000)
            self.assertEqual([pair["GroupId"] for pair in ingress["UserIdGroupPairs"]], [group])
        for service in ("worker", "mailer"):
            [own] = self.stack.security_groups_of(self.ecs_name(service))
            self.assertEqual(self.stack.security_group(own)["IpPermissions"], [])

    def test_services_run_on_instances_and_workers_on_spot(self):
        [capacity] = self.stack.ids("AWS::ECS::CapacityProvider")
        for service, provider in (
            ("backend", capacity),
            ("webhooks", capacity),
            ("worker", "FARGATE_SPOT"),
            ("mailer", "FARGATE_SPOT"),
        ):
            described = self.stack.service(self.ecs_name(service))
            strategy = described["capacityProviderStrategy"]
            self.assertEqual([one["capacityProvider"] for one in strategy], [provider], service)
            self.assertNotIn("launchType", described)
            self.assertEqual(bool(described["loadBalancers"]), provider == capacity)

    def test_every_deployment_has_a_circuit_breaker(self):
        for service in SERVICES:
            deployment = self.stack.service(self.ecs_name(service))["deploymentConfiguration"]
            self.assertEqual(
                deployment["deploymentCircuitBreaker"], {"enable": True, "rollback": True}
            )
            self.assert_holds(deployment, minimumHealthyPercent=100, maximumPercent=200)

    def test_workers_have_two_minutes_to_stop_and_commands_of_their_own(self):
        for service, command in (("worker", None), ("mailer", ["send-mail"])):
            container = self.stack.container(self.ecs_name(service))
            self.assertEqual(container["stopTimeout"], 120)
            self.assertEqual(container.get("command") or None, command)
        self.assertEqual(
            self.stack.container(self.ecs_name("webhooks"))["command"], ["serve-webhooks"]
        )

    def test_scaling_in_is_slower_than_scaling_out(self):
        [target], _ = self.stack.scaling(self.ecs_name("backend"))
        self.assertEqual((target["MinCapacity"], target["MaxCapacity"]), (1, 6))
        self.assertEqual(
            self.stack.tracking(self.ecs_name("backend")),
            {
                "ECSServiceAverageCPUUtilization": (70, 60, 300),
                "ECSServiceAverageMemoryUtilization": (80, 60, 300),
            },
        )
        [target], _ = self.stack.scaling(self.ecs_name("worker"))
        self.assertEqual((target["MinCapacity"], target["MaxCapacity"]), (1, 4))

    def test_events_of_tasks_services_targets_and_scaling_are_kept(self):
        events = CLOUD.client("events")
        [log_group] = [
            name for name in self.stack.ids("AWS::Logs::LogGroup") if name.endswith("/events")
        ]
        kinds = set()
        for physical in self.stack.ids("AWS::Events::Rule"):
            name = physical.rsplit("/", 1)[-1]
            rule = events.describe_rule(Name=name)
            self.assertEqual(rule["State"], "ENABLED")
            kinds.update(json.loads(rule["EventPattern"])["detail-type"])
            [target] = events.list_targets_by_rule(Rule=name)["Targets"]
            self.assertTrue(target["Arn"].endswith(f":log-group:{log_group}"), target["Arn"])
        self.assertLessEqual(
            {
                "ECS Task State Change",
                "ECS Deployment State Change",
                "ECS Service Action",
                "CloudWatch Alarm State Change",
                "Application Auto Scaling Scaling Activity State Change",
                "EC2 Instance Launch Successful",
            },
            kinds,
        )
        # One policy for the log groups of all stacks, which Terraform makes.
        policies = CLOUD.client("logs").describe_resource_policies()["resourcePolicies"]
        documents = [policy["policyDocument"] for policy in policies]
        self.assertTrue(any("/longshore/*/events:*" in one for one in documents), documents)
        self.assertFalse(any(log_group in one for one in documents), documents)

    def test_the_dashboard_shows_every_service(self):
        [name] = self.stack.ids("AWS::CloudWatch::Dashboard")
        body = CLOUD.client("cloudwatch").get_dashboard(DashboardName=name)["DashboardBody"]
        text = json.dumps(json.loads(body))
        for service in SERVICES:
            self.assertIn(self.ecs_name(service), text)

    def test_every_service_has_alarms(self):
        alarms = json.dumps(self.stack.alarms(), default=str)
        for service in SERVICES:
            self.assertIn(self.ecs_name(service), alarms)
        metrics = {alarm.get("MetricName") for alarm in self.stack.alarms()}
        self.assertLessEqual(
            {"CPUUtilization", "MemoryUtilization", "UnHealthyHostCount"}, metrics
        )

    def test_every_service_has_roles_of_its_own(self):
        arns = set()
        for service in SERVICES:
            task = self.stack.task_definition(self.ecs_name(service))
            for arn in (task["executionRoleArn"], task["taskRoleArn"]):
                arns.add(arn)
                role = Role(arn)
                self.assertEqual(role.path, "/longshore/")
                self.assertEqual(role.boundary, CLOUD.settings["PERMISSIONS_BOUNDARY_ARN"])
                self.assertFalse(role.allows("secretsmanager:GetSecretValue"))
        self.assertEqual(len(arns), 8)

    def test_everything_is_tagged(self):
        self.assert_tagged(self.stack, {"Project": "paperwurks", "Environment": "prod"})

    def test_every_output_of_its_list_is_reported(self):
        outputs = self.stack.outputs()
        self.assert_holds(
            outputs,
            cluster_arn=self.stack.cluster["clusterArn"],
            load_balancer_dns_name=self.balancer()["DNSName"],
        )
        for service in SERVICES:
            task = self.stack.task_definition(self.ecs_name(service))
            self.assert_holds(
                outputs["services"][service],
                service_name=self.ecs_name(service),
                task_execution_role_arn=task["executionRoleArn"],
                task_role_arn=task["taskRoleArn"],
            )
