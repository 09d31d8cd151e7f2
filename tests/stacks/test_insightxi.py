"""stacks/insightxi.yaml: three services of three repositories that find each other by name."""

import account
from cloud import CLOUD
from policies import Role
from stack import Stack, StackCase

PORTS = {"sportmonks": 8000, "database": 8001, "orchestrator": 8002}


class InsightxiTest(StackCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack("insightxi-prod", cluster="insightxi-prod-cluster")
        cls.secret = account.make_secret("insightxi/prod/sportmonks_api_key", account.canary("api-key"))
        text = account.stack_file("insightxi")
        # Two of the three repositories are there: the third is asked for by its name first.
        for service in ("sportmonks", "orchestrator"):
            account.push(f"{service}-service", "latest")
        version = cls.stack.upload(text)
        cls.refusal = CLOUD.wait_for_message("Stack file refused", version, of=version)
        cls.status_after_refusal = cls.stack.status()
        account.push("database-service", "latest")
        cls.stack.apply(text)

    def ecs_name(self, service):
        return f"insightxi-prod-{service}"

    def test_a_repository_that_is_missing_is_reported_by_its_name_before_anything_is_made(self):
        self.assertIn("no ECR repository database-service", self.refusal)
        self.assertIn("1 error", self.refusal)
        self.assertIsNone(self.status_after_refusal)

    def test_the_cluster_has_container_insights(self):
        self.assertIn(
            {"name": "containerInsights", "value": "enabled"}, self.stack.cluster["settings"]
        )

    def test_each_service_runs_the_image_of_its_own_repository_on_fargate(self):
        for service, port in PORTS.items():
            task = self.stack.task_definition(self.ecs_name(service))
            self.assert_holds(
                task,
                family=self.ecs_name(service),
                cpu="256",
                memory="512",
                networkMode="awsvpc",
                requiresCompatibilities=["FARGATE"],
            )
            [container] = task["containerDefinitions"]
            self.assertEqual(container["name"], f"{service}-service")
            self.assertIn(f"/{service}-service@sha256:", container["image"])
            [mapping] = container["portMappings"]
            self.assertEqual((mapping["containerPort"], mapping["protocol"]), (port, "tcp"))
            described = self.stack.service(self.ecs_name(service))
            self.assertEqual(described["launchType"], "FARGATE")
            network = described["networkConfiguration"]["awsvpcConfiguration"]
            self.assertEqual(network["assignPublicIp"], "DISABLED")
            self.assertEqual(sorted(network["subnets"]), sorted(account.network().private))

    def test_the_api_key_is_a_secret_and_the_address_is_a_variable(self):
        container = self.stack.container(self.ecs_name("sportmonks"))
        variables = {one["name"]: one["value"] for one in container["environment"]}
        self.assertEqual(variables, {"BASE_URL": "https://api.sportmonks.com/v3"})
        [secret] = container["secrets"]
        self.assertEqual(secret, {"name": "API_KEY", "valueFrom": self.secret})

    def test_each_service_has_a_log_group_of_its_own(self):
        groups = set()
        for service in PORTS:
            configuration = self.stack.container(self.ecs_name(service))["logConfiguration"]
            self.assertEqual(configuration["logDriver"], "awslogs")
            options = configuration["options"]
            self.assertEqual(options["awslogs-stream-prefix"], "ecs")
            self.assertEqual(options["awslogs-region"], CLOUD.region)
            groups.add(options["awslogs-group"])
            self.assertEqual(self.stack.log_group(options["awslogs-group"])["retentionInDays"], 30)
        self.assertEqual(len(groups), 3)

    def test_services_find_each_other_by_name_within_ten_seconds(self):
        discovery = CLOUD.client("servicediscovery")
        [namespace] = self.stack.ids("AWS::ServiceDiscovery::PrivateDnsNamespace")
        described = discovery.get_namespace(Id=namespace)["Namespace"]
        self.assert_holds(described, Name="insightxi.local", Type="DNS_PRIVATE")
        for service in PORTS:
            [registry] = self.stack.service(self.ecs_name(service))["serviceRegistries"]
            entry = discovery.get_service(Id=registry["registryArn"].rsplit("/", 1)[1])["Service"]
            self.assertEqual(entry["Name"], service)
            self.assertEqual(entry["DnsConfig"]["DnsRecords"], [{"Type": "A", "TTL": 10}])

    def test_each_scales_from_one_to_four_tasks_by_cpu(self):
        for service in PORTS:
            [target], _ = self.stack.scaling(self.ecs_name(service))
            self.assertEqual((target["MinCapacity"], target["MaxCapacity"]), (1, 4))
            tracking = self.stack.tracking(self.ecs_name(service))
            self.assertEqual(
                {metric: value for metric, (value, _, _) in tracking.items()},
                {"ECSServiceAverageCPUUtilization": 70},
            )

    def test_the_load_balancer_sends_paths_to_services_and_the_rest_to_the_orchestrator(self):
        balancing = CLOUD.client("elbv2")
        [arn] = self.stack.ids("AWS::ElasticLoadBalancingV2::LoadBalancer")
        [listener] = balancing.describe_listeners(LoadBalancerArn=arn)["Listeners"]
        self.assert_holds(listener, Port=80, Protocol="HTTP")
        groups = {}
        for service, port in PORTS.items():
            [balancer] = self.stack.service(self.ecs_name(service))["loadBalancers"]
            self.assert_holds(balancer, containerName=f"{service}-service", containerPort=port)
            groups[service] = balancer["targetGroupArn"]
        rules = balancing.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
        found = {}
        for rule in rules:
            paths = [
                value
                for condition in rule["Conditions"]
                for value in (condition.get("PathPatternConfig") or condition)["Values"]
            ]
            found[rule["Priority"]] = (paths, rule["Actions"][0]["TargetGroupArn"])
        self.assertEqual(
            found,
            {
                "10": (["/sportmonks/*"], groups["sportmonks"]),
                "20": (["/database/*"], groups["database"]),
                "default": ([], groups["orchestrator"]),
            },
        )

    def test_the_other_services_may_connect_and_the_world_may_not(self):
        for service, port in PORTS.items():
            [own] = self.stack.security_groups_of(self.ecs_name(service))
            permissions = self.stack.security_group(own)["IpPermissions"]
            self.assertTrue(all(rule["FromPort"] == port for rule in permissions), permissions)
            ranges = [
                one["CidrIp"] for rule in permissions for one in rule.get("IpRanges", [])
            ]
            self.assertEqual(ranges, [] if service == "orchestrator" else ["10.0.0.0/16"])

    def test_each_service_has_two_roles_and_only_one_may_read_the_key(self):
        for service in PORTS:
            task = self.stack.task_definition(self.ecs_name(service))
            role = Role(task["executionRoleArn"])
            self.assertTrue(role.trusts("ecs-tasks.amazonaws.com"))
            self.assertEqual(
                role.allows("secretsmanager:GetSecretValue", self.secret), service == "sportmonks"
            )
            for other in PORTS:
                repository = f"arn:aws:ecr:{CLOUD.region}:{CLOUD.account}:repository/{other}-service"
                self.assertEqual(
                    role.allows("ecr:GetDownloadUrlForLayer", repository), service == other
                )
            self.assertEqual(Role(task["taskRoleArn"]).statements(), [])

    def test_each_repository_is_followed_by_its_service(self):
        for service in PORTS:
            [subscriber] = self.stack.route(f"{service}-service")
            self.assert_holds(
                subscriber,
                stack="insightxi-prod",
                service=service,
                cluster="insightxi-prod-cluster",
                ecs_service=self.ecs_name(service),
                container=f"{service}-service",
            )

    def test_everything_is_tagged(self):
        self.assert_tagged(self.stack, {"Project": "insightxi", "Environment": "prod"})
