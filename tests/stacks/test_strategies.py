"""Canary and blue/green deployments: the shift, the bake, the way back, what is reported of each, and what a change of the
stack does to the requests that ECS has moved."""

import json

import account
from cloud import CLOUD, NotYet, Refused, until
from test_life import SmallCase, small

DIES = ["/bin/sh", "-c", "exit 3"]


class Published:
    """What Longshore publishes of the deployments of one stack, caught in a queue."""

    def __init__(self, stack):
        sqs, events = CLOUD.client("sqs"), CLOUD.client("events")
        self.queue = sqs.create_queue(QueueName=f"{stack}-deployments")["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])
        rule = {"Name": f"{stack}-deployments", "EventBusName": CLOUD.bus}
        pattern = {"source": ["longshore"], "detail": {"deployment": {"stack": [stack]}}}
        events.put_rule(**rule, EventPattern=json.dumps(pattern))
        target = {"Id": "queue", "Arn": attributes["Attributes"]["QueueArn"]}
        events.put_targets(Rule=rule["Name"], EventBusName=CLOUD.bus, Targets=[target])
        self._events = []

    def of(self, tag):
        """The events of the deployments of a tag: what they are called, and their details."""
        sqs = CLOUD.client("sqs")
        while received := sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages"):
            for message in received:
                self._events.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return [
            (event["detail-type"], event["detail"])
            for event in self._events
            if event["detail"]["deployment"]["image"].get("tag") == tag
        ]

    def outcomes(self, tag):
        """The same without the stages: anybody's reconcile may see more of them than the test asks for."""
        return [name for name, _ in self.of(tag) if name != "Deployment Progressed"]

    def stages(self, tag):
        return [
            (detail["progress"]["stage"], detail["progress"].get("shifted_percent"))
            for name, detail in self.of(tag)
            if name == "Deployment Progressed"
        ]


class DeploymentCase(SmallCase):
    """A service, `<name>/api`, whose first image runs, and whose bakes last until the test moves them on."""

    def setUp(self):
        super().setUp()
        self.path = f"{self.name}/{self.service}"
        self.published = Published(self.name)
        self.first = account.push(self.repository, "v1")
        self.stack.apply(self.text())
        self.stack.wait_until_runs(self.service, self.first)
        self.stack.wait_for_route(self.repository)
        self.drive(minute_seconds=60)

    def text(self):
        return small(self.name)

    def drive(self, **members):
        CLOUD.ask_control("/service-deployments", service=self.path, **members)

    def reconcile(self):
        CLOUD.ask("deploy", action="reconcile")

    def service_deployment(self):
        """ECS's account of what it did last."""
        ecs = CLOUD.client("ecs")
        newest = ecs.list_service_deployments(cluster=self.name, service=self.service)["serviceDeployments"][0]
        arn = newest["serviceDeploymentArn"]
        [found] = ecs.describe_service_deployments(serviceDeploymentArns=[arn])["serviceDeployments"]
        return found

    def wait_until_ecs(self, status, stage=None, percent=None):
        def look():
            found = self.service_deployment()
            target = found["targetServiceRevision"]
            seen = (found["status"], found.get("lifecycleStage"), target.get("requestedProductionTrafficWeight"))
            wanted = (status, stage or seen[1], seen[2] if percent is None else float(percent))
            if seen != wanted:
                raise NotYet(seen)

        until(f"the deployment of {self.service} to be {status} {stage} {percent}", look)

    def record(self):
        record = CLOUD.read(f"deployments/{self.name}/api/current.json")
        return record["deployment"] if record else {}

    def wait_until_state(self, state, tag):
        def look():
            deployment = self.record()
            seen = (deployment.get("state"), deployment.get("image", {}).get("tag"))
            if seen != (state, tag):
                raise NotYet(seen)
            return deployment

        return until(f"{self.name}/api {tag} to be {state}", look)

    def wait_until_seen(self, stage, percent):
        """Reconciles, and waits until Longshore has written down what ECS is doing."""
        self.reconcile()

        def look():
            deployment = self.record()
            progress = deployment.get("progress")
            if progress != {"stage": stage, "shifted_percent": percent}:
                raise NotYet(f"{deployment.get('state')}, {progress}")
            return deployment

        return until(f"{self.name}/api to be seen in {stage} at {percent}%", look)

    def wait_until_rolled_back(self, tag, *reasons):
        """What every rollback leaves: the old image, an outcome that says why, and no word of a success."""
        message = CLOUD.wait_for_message("Deployment rolled back", f"{self.name}/api {tag}", of=f"{self.name}/api")
        deployment = self.wait_until_state("rolled_back", tag)
        for reason in reasons:
            self.assertIn(reason, message)
            self.assertIn(reason, deployment["reason"])
        self.stack.wait_until_runs(self.service, self.first)

        def look():
            outcomes = self.published.outcomes(tag)
            if outcomes[-1:] != ["Deployment Rolled Back"]:
                raise NotYet(outcomes)
            return outcomes

        outcomes = until("the rollback to be published", look)
        self.assertIn(
            outcomes,
            (
                ["Deployment Started", "Deployment Failed", "Deployment Rolled Back"],
                # ECS was back before anybody looked.
                ["Deployment Started", "Deployment Rolled Back"],
            ),
        )
        for name, detail in self.published.of(tag):
            if name == "Deployment Failed":
                self.assertTrue(detail["rolling_back"], detail)
        self.assertEqual(CLOUD.messages("Deployment succeeded", f"{self.name}/api {tag}"), [])
        # No policy deploys it again.
        self.reconcile()
        self.assertEqual(self.record()["id"], deployment["id"])
        self.assertEqual(self.digest(), self.first)


class ShiftingCase(DeploymentCase):
    """The same behind a load balancer, with a strategy that moves requests."""

    configuration = {}

    def content(self, path="/api/*"):
        net = account.network()
        api = {
            "image": f"{self.repository}:v1",
            "cpu": 256,
            "memory": 512,
            "container_port": 8080,
            "stop_timeout": 2,
            "target_group": {"path_patterns": [path], "priority": 1},
            "deployment_configuration": self.configuration,
        }
        return {
            "name": self.name,
            "network": {"vpc_id": net.vpc, "subnet_ids": net.private},
            "load_balancer": {"subnet_ids": net.private, "ingress_cidr_ips": ["10.0.0.0/8"]},
            "services": {"api": api},
        }

    def text(self, path="/api/*"):
        # JSON is YAML, too.
        return json.dumps(self.content(path), indent=2)

    def rule(self):
        """The rule of the service's requests, and the ARNs of its two target groups."""
        [balancer] = self.stack.service(self.service)["loadBalancers"]
        advanced = balancer["advancedConfiguration"]
        arn = advanced["productionListenerRule"]
        [rule] = CLOUD.client("elbv2").describe_rules(RuleArns=[arn])["Rules"]
        return rule, (balancer["targetGroupArn"], advanced["alternateTargetGroupArn"])

    def shares(self):
        """How many of a hundred requests go to each of the two target groups."""
        rule, groups = self.rule()
        [action] = rule["Actions"]
        weights = {one["TargetGroupArn"]: one["Weight"] for one in action["ForwardConfig"]["TargetGroups"]}
        return [100 * weights[group] // sum(weights.values()) for group in groups]

    def path_of_rule(self):
        [condition] = self.rule()[0]["Conditions"]
        return condition["PathPatternConfig"]["Values"]


class CanaryTest(ShiftingCase):
    """Some requests first, then all; a success only when it has baked."""

    name = "canal"
    configuration = {
        "strategy": "CANARY",
        "canary": {"percent": 10, "bake_time_in_minutes": 10},
        "bake_time_in_minutes": 5,
    }

    def test_a_canary_is_reported_stage_by_stage_and_succeeds_when_it_has_baked(self):
        before = self.shares()
        self.assertIn(before, ([100, 0], [0, 100]))
        second = account.push(self.repository, "v2")

        self.wait_until_ecs("IN_PROGRESS", "PRODUCTION_TRAFFIC_SHIFT", 10)
        self.assertEqual(sorted(self.shares()), [10, 90])
        self.wait_until_seen("PRODUCTION_TRAFFIC_SHIFT", 10)

        self.drive(advance_minutes=10)
        self.wait_until_ecs("IN_PROGRESS", "BAKE_TIME", 100)
        self.assertEqual(self.shares(), before[::-1])
        # DescribeServices shows it COMPLETED, and what it replaces still runs.
        shown = self.stack.service(self.service)["deployments"]
        self.assertEqual([one["rolloutState"] for one in shown], ["COMPLETED", "COMPLETED"])
        deployment = self.wait_until_seen("BAKE_TIME", 100)
        self.assertEqual(deployment["state"], "deploying")
        self.assertEqual(self.published.outcomes("v2"), ["Deployment Started"])

        self.drive(advance_minutes=5)
        CLOUD.wait_for_message("Deployment succeeded", f"{self.name}/api v2", of=f"{self.name}/api")
        self.wait_until_state("succeeded", "v2")
        self.stack.wait_until_runs(self.service, second)
        self.assertEqual(self.shares(), before[::-1])

        def look():
            outcomes = self.published.outcomes("v2")
            if outcomes != ["Deployment Started", "Deployment Succeeded"]:
                raise NotYet(outcomes)

        until("the success to be published", look)
        stages = self.published.stages("v2")
        self.assertIn(("PRODUCTION_TRAFFIC_SHIFT", 10), stages)
        self.assertIn(("BAKE_TIME", 100), stages)


class AlarmTest(ShiftingCase):
    """An alarm takes back what has all the requests and bakes, and was reported by nobody as a success."""

    name = "lagoon"
    alarm = "lagoon-errors"
    configuration = {"strategy": "BLUE_GREEN", "bake_time_in_minutes": 5, "alarms": [alarm]}

    def setUp(self):
        CLOUD.client("cloudwatch").put_metric_alarm(
            AlarmName=self.alarm,
            Namespace="Lagoon",
            MetricName="Errors",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
        )
        super().setUp()

    def test_an_alarm_while_a_completed_deployment_bakes_is_reported_as_its_rollback(self):
        before = self.shares()
        account.push(self.repository, "v2")
        self.wait_until_ecs("IN_PROGRESS", "BAKE_TIME", 100)
        self.assertEqual(self.shares(), before[::-1])
        self.wait_until_seen("BAKE_TIME", 100)
        self.assertEqual(self.published.outcomes("v2"), ["Deployment Started"])

        CLOUD.client("cloudwatch").set_alarm_state(
            AlarmName=self.alarm, StateValue="ALARM", StateReason="a test"
        )
        self.wait_until_ecs("ROLLBACK_SUCCESSFUL")
        self.wait_until_rolled_back("v2", "alarm")
        self.assertEqual(self.shares(), before)


class LostEventTest(ShiftingCase):
    """A rollback without an event, after which the old deployment is the primary one again."""

    name = "strait"
    configuration = {"strategy": "BLUE_GREEN", "bake_time_in_minutes": 0}

    def test_a_rollback_of_which_every_event_was_lost_is_found_by_the_reconcile(self):
        before = self.shares()
        [old] = [one["id"] for one in self.stack.service(self.service)["deployments"]]
        for name in ("SERVICE_DEPLOYMENT_FAILED", "SERVICE_DEPLOYMENT_COMPLETED"):
            CLOUD.ask_control("/events/lost", containing=[name, f"service/{self.path}"], times=1)
        account.push(self.repository, "v2", DIES)
        self.wait_until_ecs("ROLLBACK_SUCCESSFUL")
        shown = self.stack.service(self.service)["deployments"]
        self.assertEqual([(one["id"], one["status"]) for one in shown], [(old, "PRIMARY")])
        self.reconcile()
        self.wait_until_rolled_back("v2", "circuit breaker")
        self.assertEqual(self.shares(), before)


class RollbackInsideTest(DeploymentCase):
    """A rolling deployment whose rollback is not a deployment of its own."""

    name = "estuary"

    def test_a_rollback_inside_the_same_service_deployment_is_reported_as_one(self):
        self.drive(rolls_back_inside=True)
        [old] = [one["id"] for one in self.stack.service(self.service)["deployments"]]
        account.push(self.repository, "v2", DIES)
        self.wait_until_ecs("ROLLBACK_SUCCESSFUL")
        self.wait_until_rolled_back("v2", "tasks failed to start")
        [back] = [one["id"] for one in self.stack.service(self.service)["deployments"]]
        self.assertEqual(back, old)
        for text in CLOUD.messages("Deployment failed", f"{self.name}/api v2"):
            self.assertNotIn("does not roll back", text)


class ChangedRuleTest(ShiftingCase):
    """A change of the rule by which ECS moves requests leaves them where they are, and waits for a deployment."""

    name = "weir"
    configuration = {"strategy": "BLUE_GREEN", "bake_time_in_minutes": 5}

    def where_the_tasks_are(self):
        """The shares of the two target groups, if all requests go to the one behind which the tasks are."""
        service = self.stack.service(self.service)
        [revision] = [one["arn"] for one in service["currentServiceRevisions"]]
        ecs = CLOUD.client("ecs")
        [described] = ecs.describe_service_revisions(serviceRevisionArns=[revision])["serviceRevisions"]
        [taken] = described["resolvedConfiguration"]["loadBalancers"]
        advanced = service["loadBalancers"][0]["advancedConfiguration"]
        return [0, 100] if taken["targetGroupArn"] == advanced["alternateTargetGroupArn"] else [100, 0]

    def plan(self, path):
        plan = CLOUD.provision("plan", self.content(path))
        warnings = [one for one in plan["warnings"] if one["path"] == "services.api.target_group"]
        return plan["outcome"], [one["message"] for one in warnings]

    def test_requests_go_where_the_tasks_are_whatever_the_stack_file_changes(self):
        # The first deployment goes to the target group that serves nothing, as every other.
        self.assertEqual(self.shares(), [0, 100])
        self.assertEqual(self.plan("/api/*"), ("unchanged", []))
        self.assertEqual(CLOUD.provision("drift", self.name)["drifted"], [])
        outcome, warnings = self.plan("/v2/*")
        self.assertEqual(outcome, "update")
        self.assertTrue(any("rolls the change back" in one for one in warnings), warnings)

        self.stack.apply(self.text("/v2/*"))
        self.assertEqual((self.path_of_rule(), self.shares()), (["/v2/*"], [0, 100]))
        self.assertEqual(self.plan("/v2/*"), ("unchanged", []))

        account.push(self.repository, "v2")
        self.wait_until_ecs("IN_PROGRESS", "BAKE_TIME", 100)
        with self.assertRaises(Refused) as refused:
            CLOUD.provision("apply", self.content("/v3/*"))
        self.assertIn("when the deployment has ended", refused.exception.message)
        version = self.stack.upload(self.text("/v3/*"))

        def waits():
            if not self.stack.record().get("pending_file"):
                raise NotYet("nothing waits")

        until("the stack file to wait", waits)
        self.assertEqual((self.path_of_rule(), self.shares()), (["/v2/*"], [100, 0]))

        self.drive(advance_minutes=5)
        self.wait_until_state("succeeded", "v2")
        # The template names v2 now, which CloudFormation deploys by a deployment of its own: nobody moves its bake on.
        self.drive(minute_seconds=0.1)
        CLOUD.ask("provision", action="reconcile")
        self.stack.wait_until_ready(version)
        self.assertEqual((self.path_of_rule(), self.shares()), (["/v3/*"], self.where_the_tasks_are()))
        self.assertEqual(CLOUD.provision("drift", self.name)["drifted"], [])
