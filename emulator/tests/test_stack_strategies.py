"""Stacks whose services ask for blue/green and its kin, and for alarms: kept, shown, and waited for."""

from tests.running_cloud import ALARM, SERVE, CloudTest, allow, fail, unique, wait_until
from tests.stacks import Stack, attribute, network, reference, resource, service_role, template, trust, whole


def _group(vpc):
    return resource("AWS::ElasticLoadBalancingV2::TargetGroup", Port=80, Protocol="HTTP", TargetType="ip", VpcId=vpc)


def _forward(*weights):
    groups = [{"TargetGroupArn": reference(name), "Weight": weight} for name, weight in weights]
    return [{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]


def _as_ecs_writes(value):
    """A value of a template with small first letters in its names."""
    members = value.items() if isinstance(value, dict) else ()
    return {name[0].lower() + name[1:]: _as_ecs_writes(one) for name, one in members} or value


def _listener(port, *weights):
    return resource(
        "AWS::ElasticLoadBalancingV2::Listener",
        LoadBalancerArn=reference("Balancer"),
        Port=port,
        Protocol="HTTP",
        DefaultActions=_forward(*weights),
    )


def _rule(listener, *weights):
    return resource(
        "AWS::ElasticLoadBalancingV2::ListenerRule",
        ListenerArn=reference(listener),
        Priority=1,
        Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/*"]}}],
        Actions=_forward(*weights),
    )


def _template(cluster, image, network_of_stack, configuration):
    vpc, subnets = network_of_stack
    return template({
        "Balancer": resource("AWS::ElasticLoadBalancingV2::LoadBalancer", Subnets=subnets),
        "Blue": _group(vpc),
        "Green": _group(vpc),
        "Listener": _listener(80, ("Blue", 1), ("Green", 0)),
        "TestListener": _listener(8080, ("Green", 1)),
        "Production": _rule("Listener", ("Blue", 100), ("Green", 0)),
        "Test": _rule("TestListener", ("Blue", 0), ("Green", 100)),
        "Shift": resource("AWS::IAM::Role", Path="/longshore/", AssumeRolePolicyDocument=trust("ecs.amazonaws.com")),
        "Cluster": resource("AWS::ECS::Cluster", ClusterName=cluster),
        "Task": resource(
            "AWS::ECS::TaskDefinition",
            Family=cluster,
            ContainerDefinitions=[
                {"Name": "app", "Image": image, "StopTimeout": 2, "PortMappings": [{"ContainerPort": 80}]}
            ],
        ),
        "Service": {
            "Type": "AWS::ECS::Service",
            "DependsOn": ["Production", "Test"],
            "Properties": {
                "ServiceName": "api",
                "Cluster": reference("Cluster"),
                "TaskDefinition": reference("Task"),
                "DeploymentConfiguration": configuration,
                "LoadBalancers": [
                    {
                        "ContainerName": "app",
                        "ContainerPort": 80,
                        "TargetGroupArn": reference("Blue"),
                        "AdvancedConfiguration": {
                            "AlternateTargetGroupArn": reference("Green"),
                            "ProductionListenerRule": attribute("Production", "RuleArn"),
                            "TestListenerRule": attribute("Test", "RuleArn"),
                            "RoleArn": attribute("Shift", "Arn"),
                        },
                    }
                ],
            },
        },
    })


class Strategies(CloudTest):
    def setUp(self):
        self.cluster = unique("cluster")
        self.network = network()

    def _image(self):
        return self.cloud.built(f"shop/{self.cluster}", SERVE)

    def test_each_strategy_is_kept_and_shifts_the_weights_of_the_rules(self):
        stack = Stack()
        steps = {"StepPercent": 20.5, "StepBakeTimeInMinutes": 2}
        canary = {"CanaryPercent": 5.0, "CanaryBakeTimeInMinutes": 10}
        configurations = (
            {"Strategy": "BLUE_GREEN", "BakeTimeInMinutes": 5},
            {"Strategy": "LINEAR", "BakeTimeInMinutes": 1, "LinearConfiguration": steps},
            {"Strategy": "CANARY", "BakeTimeInMinutes": 0, "CanaryConfiguration": canary},
        )
        for number, asked in enumerate(configurations):
            body = _template(self.cluster, self._image(), self.network, asked)
            status = stack.apply(body, "UPDATE" if number else "CREATE")
            self.assertEqual(status, "UPDATE_COMPLETE" if number else "CREATE_COMPLETE", stack.reasons("UPDATE_FAILED"))
            service = self.cloud.service(self.cluster)
            self.assertEqual(service["deploymentConfiguration"], _as_ecs_writes(asked))
            names = stack.physical_ids()
            self.assertEqual(
                service["loadBalancers"],
                [
                    {
                        "containerName": "app",
                        "containerPort": 80,
                        "targetGroupArn": names["Blue"],
                        "advancedConfiguration": {
                            "alternateTargetGroupArn": names["Green"],
                            "productionListenerRule": names["Production"],
                            "testListenerRule": names["Test"],
                            "roleArn": f"arn:aws:iam::{self.cloud.account}:role/longshore/{names['Shift']}",
                        },
                    }
                ],
            )
            self.assertEqual(service["taskDefinition"], names["Task"])
            # Each deployment goes to the target group that serves nothing, the first one, too.
            serving = ("Green", "Blue")[number % 2]
            for rule in ("Production", "Test"):
                weights = {names[name]: 100 if name == serving else 0 for name in ("Blue", "Green")}
                self.assertEqual(self._weights(names[rule]), weights)
            # CloudFormation waits until it has baked.
            self.assertEqual(len(self._service_deployments("SUCCESSFUL")), number + 1)
        drifted = {name for name, one in stack.drifts().items() if one["StackResourceDriftStatus"] == "MODIFIED"}
        self.assertEqual(drifted, set())
        self.assertEqual(stack.delete(), "DELETE_COMPLETE")

    def _weights(self, rule):
        (shown,) = self.cloud.client("elbv2").describe_rules(RuleArns=[rule])["Rules"]
        groups = shown["Actions"][0]["ForwardConfig"]["TargetGroups"]
        return {one["TargetGroupArn"]: one["Weight"] for one in groups}

    def _service_deployments(self, *status):
        client = self.cloud.client("ecs")
        return client.list_service_deployments(cluster=self.cluster, service="api", status=status)["serviceDeployments"]

    def test_a_change_of_the_rule_takes_the_weights_back_to_those_of_the_template(self):
        stack, image = Stack(), self._image()
        configuration = {"Strategy": "BLUE_GREEN", "BakeTimeInMinutes": 0}
        body = _template(self.cluster, image, self.network, configuration)
        self.assertEqual(stack.create(body), "CREATE_COMPLETE", stack.reasons("CREATE_FAILED"))
        names = stack.physical_ids()
        shifted = {names["Blue"]: 0, names["Green"]: 100}
        # What changes elsewhere leaves the rule alone.
        body["Resources"]["Cluster"]["Properties"]["Tags"] = [{"Key": "team", "Value": "shop"}]
        self.assertEqual(stack.apply(body), "UPDATE_COMPLETE")
        self.assertEqual(self._weights(names["Production"]), shifted)
        body["Resources"]["Production"]["Properties"]["Conditions"][0]["PathPatternConfig"]["Values"] = ["/shop/*"]
        self.assertEqual(stack.apply(body), "UPDATE_COMPLETE")
        self.assertEqual(self._weights(names["Production"]), {names["Blue"]: 100, names["Green"]: 0})

    def test_a_deployment_that_goes_back_fails_the_update(self):
        configuration = {
            "Strategy": "BLUE_GREEN",
            "BakeTimeInMinutes": 0,
            "DeploymentCircuitBreaker": {"Enable": True, "Rollback": True},
        }
        stack = Stack()
        body = _template(self.cluster, self._image(), self.network, configuration)
        self.assertEqual(stack.create(body), "CREATE_COMPLETE", stack.reasons("CREATE_FAILED"))
        image = self.cloud.built(f"shop/{self.cluster}", fail(7))
        stack.begin(_template(self.cluster, image, self.network, configuration))
        self.assertEqual(stack.settled(), "UPDATE_ROLLBACK_COMPLETE")
        self.assertIn("Circuit Breaker was triggered", stack.reasons("UPDATE_FAILED")["Service"])
        self.assertEqual(len(self._service_deployments("ROLLBACK_SUCCESSFUL", "SUCCESSFUL")), 2)

    def test_the_infrastructure_role_must_be_one_that_may_be_passed_to_ecs(self):
        def statements(service):
            return [
                whole(["ecs:*", "elasticloadbalancing:*", "ec2:Describe*", "iam:CreateRole", "iam:GetRole"]),
                whole(["iam:DeleteRole", "iam:TagRole", "iam:ListRolePolicies", "iam:ListAttachedRolePolicies"]),
                allow(
                    "iam:PassRole",
                    f"arn:aws:iam::{self.cloud.account}:role/longshore/*",
                    Condition={"StringEquals": {"iam:PassedToService": service}},
                ),
            ]

        for service, status in (
            ("ecs-tasks.amazonaws.com", "ROLLBACK_COMPLETE"),
            ("ecs.amazonaws.com", "CREATE_COMPLETE"),
        ):
            cluster = unique("cluster")
            image = self.cloud.built(f"shop/{cluster}", SERVE)
            stack = Stack(role=service_role(statements(service)))
            body = _template(cluster, image, self.network, {"Strategy": "BLUE_GREEN", "BakeTimeInMinutes": 0})
            self.assertEqual(stack.create(body), status, stack.reasons("CREATE_FAILED"))
            if status == "ROLLBACK_COMPLETE":
                self.assertIn("iam:PassRole", stack.reasons("CREATE_FAILED")["Service"])

    def test_an_update_that_an_alarm_ends_is_rolled_back(self):
        alarm = resource("AWS::CloudWatch::Alarm", AlarmName=unique("errors"), **ALARM)
        configuration = {"Alarms": {"AlarmNames": [reference("Alarm")], "Enable": True, "Rollback": True}}

        def body():
            given = _template(self.cluster, self._image(), self.network, configuration)
            given["Resources"]["Alarm"] = alarm
            return given

        stack = Stack().made(body())
        before = self.cloud.service(self.cluster)
        name = stack.physical_ids()["Alarm"]
        self.assertEqual(
            before["deploymentConfiguration"]["alarms"], {"alarmNames": [name], "enable": True, "rollback": True}
        )
        stack.begin(body())

        def updating():
            first = self.cloud.service(self.cluster)["deployments"][0]
            return first["id"] != before["deployments"][0]["id"] and first["runningCount"]

        wait_until("a task of the update runs", updating)
        self.cloud.set_alarm(name, "ALARM")
        self.assertEqual(stack.settled(), "UPDATE_ROLLBACK_COMPLETE")
        self.assertIn("Alarm was triggered", stack.reasons("UPDATE_FAILED")["Service"])
        after = self.cloud.service(self.cluster)
        self.assertEqual((after["taskDefinition"], after["runningCount"]), (before["taskDefinition"], 1))
