"""Service deployments: what ECS records of them, and how their strategies shift traffic, bake and go back."""

import datetime

from tests.running_cloud import NETWORK, SERVE, CloudTest, allow, error_code, fail, unique, wait_until
from tests.stacks import network

BREAKER = "Service deployment rolled back because the circuit breaker threshold was exceeded."
ALARM = "Service deployment rolled back because of one or more active alarms."


class ServiceDeployments(CloudTest):
    def setUp(self):
        self.ecs, self.elb = self.cloud.client("ecs"), self.cloud.client("elbv2")
        self.cluster = self.cloud.cluster()
        self.path = f"{self.cluster}/api"

    def _definition(self, command=SERVE):
        return self.cloud.register("api", self.cloud.built(f"shop/{self.cluster}", command))

    def _create(self, definition=None, balancers=(), **configuration):
        answer = self.ecs.create_service(
            cluster=self.cluster,
            serviceName="api",
            taskDefinition=definition or self._definition(),
            desiredCount=1,
            launchType="FARGATE",
            networkConfiguration=NETWORK,
            loadBalancers=list(balancers),
            deploymentConfiguration=configuration,
        )
        self.arn = answer["service"]["serviceArn"]
        return answer["service"]["currentServiceDeployment"]

    def _update(self, command=SERVE, **members):
        """The ARN of the service deployment, and the id of the deployment."""
        service, deployment = self.cloud.update_service(self.cluster, self._definition(command), **members)
        return service["currentServiceDeployment"], deployment["id"]

    def _drive(self, **members):
        status, _, answer = self.cloud.control("POST", "/service-deployments", {"service": self.path, **members})
        self.assertEqual((status, answer), (200, {}))

    def _shown(self, arn):
        answer = self.ecs.describe_service_deployments(serviceDeploymentArns=[arn])
        self.assertEqual(answer["failures"], [])
        return answer["serviceDeployments"][0]

    def _until(self, arn, status, stage=None, share=None):
        def look():
            shown = self._shown(arn)
            production = shown["targetServiceRevision"].get("requestedProductionTrafficWeight")
            right = shown["status"] == status and stage in (None, shown.get("lifecycleStage"))
            return shown if right and share in (None, production) else None

        return wait_until(f"{arn} is {status} {stage} {share}", look)

    def _revision(self, arn):
        (found,) = self.ecs.describe_service_revisions(serviceRevisionArns=[arn])["serviceRevisions"]
        return found

    def _balancers(self, production=(1, 0)):
        """A load balancer with a rule for production and one for tests, as a service names it."""
        vpc, subnets = network()
        name = unique("b")
        balancer = self.elb.create_load_balancer(Name=name, Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
        self.groups = [
            self.elb.create_target_group(Name=f"{name}-{one}", Port=80, Protocol="HTTP", TargetType="ip", VpcId=vpc)[
                "TargetGroups"
            ][0]["TargetGroupArn"]
            for one in ("blue", "green")
        ]

        def rule(port, weights):
            actions = [{"Type": "forward", "ForwardConfig": {"TargetGroups": self._weighted(*weights)}}]
            listener = self.elb.create_listener(
                LoadBalancerArn=balancer, Port=port, Protocol="HTTP", DefaultActions=actions
            )["Listeners"][0]["ListenerArn"]
            conditions = [{"Field": "path-pattern", "Values": ["/*"]}]
            return self.elb.create_rule(ListenerArn=listener, Priority=1, Conditions=conditions, Actions=actions)[
                "Rules"
            ][0]["RuleArn"]

        self.production, self.test = rule(80, production), rule(8080, (0, 1))
        advanced = {
            "alternateTargetGroupArn": self.groups[1],
            "productionListenerRule": self.production,
            "testListenerRule": self.test,
            "roleArn": self.cloud.role([], "ecs.amazonaws.com"),
        }
        return [
            {
                "targetGroupArn": self.groups[0],
                "containerName": "app",
                "containerPort": 80,
                "advancedConfiguration": advanced,
            }
        ]

    def _weighted(self, *weights):
        return [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in zip(self.groups, weights)]

    def _weights(self, rule):
        (shown,) = self.elb.describe_rules(RuleArns=[rule])["Rules"]
        found = {one["TargetGroupArn"]: one["Weight"] for one in shown["Actions"][0]["ForwardConfig"]["TargetGroups"]}
        return tuple(found[arn] for arn in self.groups)

    def _events(self, deployment):
        found = self.cloud.deployment_events(self.arn)
        return [(name, detail["reason"]) for name, detail in found if detail["deploymentId"] == deployment]

    def test_blue_green_shifts_test_traffic_then_production_bakes_and_cleans_up(self):
        first = self._until(
            self._create(balancers=self._balancers(), strategy="BLUE_GREEN", bakeTimeInMinutes=1), "SUCCESSFUL"
        )
        self.assertEqual((first["sourceServiceRevisions"], first["lifecycleStage"]), ([], "CLEAN_UP"))
        # The first deployment goes to the target group that serves nothing, as every other.
        self.assertEqual(self._weights(self.production), (0, 100))
        blue = self.cloud.service(self.cluster)["deployments"][0]["id"]

        self._drive(minute_seconds=60)
        arn, green = self._update()
        baking = self._until(arn, "IN_PROGRESS", "BAKE_TIME")
        self.assertEqual((self._weights(self.production), self._weights(self.test)), ((100, 0), (100, 0)))
        (source,), target = baking["sourceServiceRevisions"], baking["targetServiceRevision"]
        self.assertEqual(source["arn"], first["targetServiceRevision"]["arn"])
        for one, weight in ((source, 0.0), (target, 100.0)):
            counts = {"requestedTaskCount": 1, "runningTaskCount": 1, "pendingTaskCount": 0}
            weights = {"requestedProductionTrafficWeight": weight, "requestedTestTrafficWeight": weight}
            self.assertEqual(one, {"arn": one["arn"], **counts, **weights})
        service = self.cloud.service(self.cluster)
        self.assertEqual(
            [(one["id"], one["status"], one["rolloutState"]) for one in service["deployments"]],
            [(green, "PRIMARY", "COMPLETED"), (blue, "ACTIVE", "COMPLETED")],
        )
        self.assertEqual(service["currentServiceDeployment"], arn)
        self.assertEqual([one["arn"] for one in service["currentServiceRevisions"]], [target["arn"], source["arn"]])
        self.assertNotIn("COMPLETED", dict(self._events(green)))

        self._drive(advance_minutes=1)
        done = self._until(arn, "SUCCESSFUL", "CLEAN_UP")
        self.assertEqual(done["sourceServiceRevisions"][0]["runningTaskCount"], 0)
        self.assertGreaterEqual(done["finishedAt"], done["startedAt"])
        self.assertEqual([one["id"] for one in self.cloud.service(self.cluster)["deployments"]], [green])
        self.assertEqual([name for name, _ in self._events(green)], ["IN_PROGRESS", "COMPLETED"])
        resolved = self._revision(target["arn"])["resolvedConfiguration"]["loadBalancers"]
        self.assertEqual(resolved, [{"targetGroupArn": self.groups[0], "productionListenerRule": self.production}])

    def _running(self, balanced=True, **configuration):
        """A service whose first deployment has succeeded, and the revision of that."""
        arn = self._create(balancers=self._balancers() if balanced else (), **configuration)
        return self._until(arn, "SUCCESSFUL")["targetServiceRevision"]["arn"]

    def test_a_canary_bakes_at_its_share_and_an_alarm_takes_the_traffic_back(self):
        alarm = self.cloud.alarm()
        before = self._running(
            strategy="CANARY",
            bakeTimeInMinutes=5,
            canaryConfiguration={"canaryPercent": 20.5, "canaryBakeTimeInMinutes": 10},
            alarms={"alarmNames": [alarm], "enable": True, "rollback": True},
        )
        self._drive(minute_seconds=60)
        arn, green = self._update()
        shown = self._until(arn, "IN_PROGRESS", "PRODUCTION_TRAFFIC_SHIFT", 20.5)
        self.assertEqual(shown["sourceServiceRevisions"][0]["requestedProductionTrafficWeight"], 79.5)
        # ELB takes whole numbers.
        self.assertEqual(self._weights(self.production), (205, 795))
        self.assertEqual(shown["alarms"], {"status": "MONITORING", "alarmNames": [alarm], "triggeredAlarmNames": []})
        self._drive(advance_minutes=10)
        self._until(arn, "IN_PROGRESS", "BAKE_TIME", 100.0)
        self.cloud.set_alarm(alarm, "ALARM")
        gone = self._until(arn, "ROLLBACK_SUCCESSFUL")
        self.assertEqual((gone["statusReason"], gone["rollback"]["reason"]), (ALARM, ALARM))
        self.assertEqual(gone["rollback"]["serviceRevisionArn"], before)
        self.assertEqual(gone["alarms"], {"status": "TRIGGERED", "alarmNames": [alarm], "triggeredAlarmNames": [alarm]})
        self.assertEqual((self._weights(self.production), self._weights(self.test)), ((0, 100), (0, 100)))
        self.assertEqual(gone["targetServiceRevision"]["requestedProductionTrafficWeight"], 0.0)
        self.assertEqual(self._events(green)[1:], [("FAILED", ALARM)])
        service = self.cloud.service(self.cluster)
        self.assertEqual(service["taskDefinition"], self._revision(before)["taskDefinition"])
        self.assertEqual([one["arn"] for one in service["currentServiceRevisions"]], [before])

    def test_linear_shifts_in_equal_steps_that_bake(self):
        self._running(
            strategy="LINEAR",
            bakeTimeInMinutes=0,
            linearConfiguration={"stepPercent": 40.0, "stepBakeTimeInMinutes": 3},
        )
        self._drive(minute_seconds=60)
        arn, _ = self._update()
        for share in (40, 80):
            self._until(arn, "IN_PROGRESS", "PRODUCTION_TRAFFIC_SHIFT", float(share))
            self.assertEqual(self._weights(self.production), (share, 100 - share))
            self._drive(advance_minutes=3)
        self._until(arn, "SUCCESSFUL", "CLEAN_UP", 100.0)
        self.assertEqual(self._weights(self.production), (100, 0))

    def test_tasks_that_fail_roll_back_before_any_traffic(self):
        breaker = {"enable": True, "rollback": True}
        before = self._running(strategy="BLUE_GREEN", bakeTimeInMinutes=0, deploymentCircuitBreaker=breaker)
        arn, green = self._update(fail(7))
        gone = self._until(arn, "ROLLBACK_SUCCESSFUL", "SCALE_UP")
        self.assertEqual((gone["statusReason"], gone["rollback"]["serviceRevisionArn"]), (BREAKER, before))
        self.assertEqual(gone["deploymentCircuitBreaker"]["status"], "TRIGGERED")
        self.assertEqual(gone["deploymentCircuitBreaker"]["threshold"], 3)
        self.assertEqual(self._weights(self.production), (0, 100))
        self.assertEqual(self._events(green), [("IN_PROGRESS", self._events(green)[0][1]), ("FAILED", BREAKER)])

    def test_without_rollback_a_failed_deployment_is_stopped(self):
        breaker = {"enable": True, "rollback": False}
        for configuration in ({"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 0}, {"strategy": "ROLLING"}):
            self.cluster = self.cloud.cluster()
            self._running(False, deploymentCircuitBreaker=breaker, **configuration)
            arn, _ = self._update(fail(7))
            stopped = self._until(arn, "STOPPED")
            self.assertIn("stoppedAt", stopped)
            self.assertNotIn("rollback", stopped)

    def test_a_first_deployment_that_fails_has_no_candidate_for_a_rollback(self):
        breaker = {"enable": True, "rollback": True}
        arn = self._create(self._definition(fail(7)), deploymentCircuitBreaker=breaker)
        failed = self._until(arn, "ROLLBACK_FAILED")
        self.assertEqual(failed["statusReason"], "No rollback candidate was found to run the rollback.")
        self.assertNotIn("lifecycleStage", failed)

    def test_failed_tasks_start_again_as_late_as_a_test_asks(self):
        self._running(False, deploymentCircuitBreaker={"enable": True, "rollback": True})
        self._drive(restart_seconds=0.7)
        arn, _ = self._update(fail(7))
        gone = self._until(arn, "ROLLBACK_SUCCESSFUL")
        # Three tasks fail, with a pause after the first and the second.
        self.assertGreaterEqual((gone["finishedAt"] - gone["createdAt"]).total_seconds(), 1.4)

    def test_a_rolling_deployment_has_no_stage_and_its_rollback_has_an_id_of_its_own_or_not(self):
        breaker = {"enable": True, "rollback": True}
        for inside in (False, True):
            self.cluster = self.cloud.cluster()
            self.path = f"{self.cluster}/api"
            before = self._running(False, deploymentCircuitBreaker=breaker)
            first = self.cloud.service(self.cluster)["deployments"][0]["id"]
            self._drive(rolls_back_inside=inside)
            arn, failing = self._update(fail(7))
            gone = self._until(arn, "ROLLBACK_SUCCESSFUL")
            self.assertEqual(gone["rollback"]["serviceRevisionArn"], before)
            self.assertNotIn("lifecycleStage", gone)
            self.assertNotIn("requestedProductionTrafficWeight", gone["targetServiceRevision"])
            service = self.cloud.service(self.cluster)
            self.assertEqual(service["currentServiceDeployment"], arn)
            (last,) = service["deployments"]
            self.assertEqual(last["id"] == first, inside)
            self.assertEqual([name for name, _ in self._events(failing)], ["IN_PROGRESS", "FAILED"])

    def test_an_update_stops_the_deployment_under_way_and_the_next_one_reconciles(self):
        before = self._running(strategy="BLUE_GREEN", bakeTimeInMinutes=9)
        self._drive(minute_seconds=60)
        first, _ = self._update()
        self._until(first, "IN_PROGRESS", "BAKE_TIME")
        second, _ = self._update()
        stopped = self._until(first, "STOPPED", "BAKE_TIME")
        self.assertIn("stoppedAt", stopped)
        baking = self._until(second, "IN_PROGRESS", "BAKE_TIME", 100.0)
        self.assertEqual(
            [one["arn"] for one in baking["sourceServiceRevisions"]],
            [stopped["targetServiceRevision"]["arn"], before],
        )
        self._drive(advance_minutes=9)
        self._until(second, "SUCCESSFUL")
        listed = self.ecs.list_service_deployments(cluster=self.cluster, service="api")["serviceDeployments"]
        self.assertEqual([one["status"] for one in listed], ["SUCCESSFUL", "STOPPED", "SUCCESSFUL"])

    def test_a_deployment_is_stopped_by_going_back(self):
        before = self._running(strategy="BLUE_GREEN", bakeTimeInMinutes=9)
        self._drive(minute_seconds=60)
        arn, _ = self._update()
        self._until(arn, "IN_PROGRESS", "BAKE_TIME")
        stop = self.ecs.stop_service_deployment
        self.assertEqual(stop(serviceDeploymentArn=arn, stopType="ROLLBACK")["serviceDeploymentArn"], arn)
        self.assertEqual(self._until(arn, "ROLLBACK_SUCCESSFUL")["rollback"]["serviceRevisionArn"], before)
        self.assertEqual(self._weights(self.production), (0, 100))
        self.assertEqual(error_code(stop, serviceDeploymentArn=arn)[0], "ConflictException")
        self.assertEqual(error_code(stop, serviceDeploymentArn=arn + "x")[0], "ServiceDeploymentNotFoundException")

    def test_listener_rules_that_do_not_fit_end_the_deployment(self):
        self._running(strategy="BLUE_GREEN", bakeTimeInMinutes=0)
        actions = [{"Type": "forward", "ForwardConfig": {"TargetGroups": self._weighted(1, 1)}}]
        self.elb.modify_rule(RuleArn=self.production, Actions=actions)
        arn, _ = self._update()
        gone = self._until(arn, "ROLLBACK_SUCCESSFUL")
        self.assertIn("should have exactly one target group serving traffic but found 2", gone["statusReason"])
        actions[0]["ForwardConfig"]["TargetGroups"] = self._weighted(1)
        for rule in (self.production, self.test):
            self.elb.modify_rule(RuleArn=rule, Actions=actions)
        arn, _ = self._update()
        self.assertIn(
            f"Target group {self.groups[1]} is not associated", self._until(arn, "ROLLBACK_SUCCESSFUL")["statusReason"]
        )

    def test_load_balancers_that_do_not_fit_the_strategy_are_refused(self):
        definition, (balancer,) = self._definition(), self._balancers()
        advanced = balancer["advancedConfiguration"]
        plain = {name: value for name, value in balancer.items() if name != "advancedConfiguration"}
        listener = self.production.replace(":listener-rule/", ":listener/").rsplit("/", 1)[0]
        for balancers, reason in (
            ([plain], "advancedConfiguration field is required for all loadBalancers"),
            ([plain, balancer], "Either all or none of the provided loadBalancers"),
            (
                [{**plain, "advancedConfiguration": {**advanced, "productionListenerRule": listener}}],
                f"productionListenerRule has an invalid ARN format. Must be RuleArn for ALB or ListenerArn for NLB. "
                f"Got: {listener}",
            ),
            (
                [{**plain, "advancedConfiguration": {**advanced, "testListenerRule": self.production}}],
                f"The following rules cannot be used as both production and test listener rules: {self.production}",
            ),
        ):
            call, strategy = self._create, {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 0}
            self.assert_refused("InvalidParameterException", call, definition, balancers, **strategy, saying=reason)

    def test_a_listeners_default_rule_is_shifted_with_its_listener(self):
        (balancer,) = self._balancers()
        listener = self.production.replace(":listener-rule/", ":listener/").rsplit("/", 1)[0]
        rules = self.elb.describe_rules(ListenerArn=listener)["Rules"]
        (default,) = [one["RuleArn"] for one in rules if one["IsDefault"]]
        balancer["advancedConfiguration"]["productionListenerRule"] = default
        self._until(self._create(balancers=[balancer], strategy="BLUE_GREEN", bakeTimeInMinutes=0), "SUCCESSFUL")
        (shown,) = self.elb.describe_listeners(ListenerArns=[listener])["Listeners"]
        groups = shown["DefaultActions"][0]["ForwardConfig"]["TargetGroups"]
        self.assertEqual({one["TargetGroupArn"]: one["Weight"] for one in groups}, dict(zip(self.groups, (0, 100))))

    def test_service_deployments_are_listed_in_pages_and_by_status(self):
        self._running(False)
        for _ in range(2):
            self._until(self._update()[0], "SUCCESSFUL")
        service = {"cluster": self.cluster, "service": "api"}
        page = self.ecs.list_service_deployments(**service, maxResults=2)
        (newest, _), (oldest,) = page["serviceDeployments"], self.ecs.list_service_deployments(
            **service, nextToken=page["nextToken"]
        )["serviceDeployments"]
        self.assertGreaterEqual(newest["createdAt"], oldest["createdAt"])
        shown = self._shown(newest["serviceDeploymentArn"])
        self.assertEqual(newest["targetServiceRevisionArn"], shown["targetServiceRevision"]["arn"])
        for status, count in (("SUCCESSFUL", 3), ("IN_PROGRESS", 0)):
            found = self.ecs.list_service_deployments(**service, status=[status])["serviceDeployments"]
            self.assertEqual(len(found), count)
        # SDKs send whole seconds.
        before = oldest["createdAt"] + datetime.timedelta(seconds=1)
        found = self.ecs.list_service_deployments(**service, createdAt={"before": before})
        self.assertEqual(found["serviceDeployments"], [oldest])
        gone = newest["serviceDeploymentArn"] + "x"
        missing = self.ecs.describe_service_deployments(serviceDeploymentArns=[gone])
        self.assertEqual(missing["serviceDeployments"], [])
        self.assertEqual(missing["failures"], [{"arn": gone, "reason": "MISSING"}])
        self.ecs.delete_service(cluster=self.cluster, service="api", force=True)
        self.assertEqual(error_code(self.ecs.list_service_deployments, **service)[0], "ServiceNotFoundException")

    def test_a_revision_holds_what_is_deployed_and_from_which_images(self):
        definition = self._definition()
        arn = self._create(definition)
        revision = self._revision(self._until(arn, "SUCCESSFUL")["targetServiceRevision"]["arn"])
        (container,) = revision["containerImages"]
        self.assertEqual((revision["taskDefinition"], revision["launchType"]), (definition, "FARGATE"))
        self.assertEqual((container["containerName"], container["imageDigest"]), ("app", container["image"][-71:]))

    def test_what_is_described_is_allowed_by_the_service_and_by_what_belongs_to_it(self):
        arn = self._create()
        listed = [allow("ecs:ListServiceDeployments", self.arn)]
        ours = [self.arn, f"arn:aws:ecs:{self.cloud.region}:{self.cloud.account}:service-deployment/{self.path}/*"]
        client = self.cloud.limited_client("ecs", listed + [allow("ecs:DescribeServiceDeployments", ours)])
        client.list_service_deployments(cluster=self.cluster, service="api")
        client.describe_service_deployments(serviceDeploymentArns=[arn])
        revision = self._shown(arn)["targetServiceRevision"]["arn"]
        self.assert_refused("AccessDeniedException", client.describe_service_revisions, serviceRevisionArns=[revision])
        for one in ours:
            describe = self.cloud.limited_client("ecs", [allow("ecs:DescribeServiceDeployments", one)])
            call = describe.describe_service_deployments
            self.assert_refused("AccessDeniedException", call, serviceDeploymentArns=[arn])

    def test_an_event_gets_lost_on_request(self):
        self._running(False, deploymentCircuitBreaker={"enable": True, "rollback": False})
        lost = {"containing": ["SERVICE_DEPLOYMENT_FAILED", self.arn]}
        self.assertEqual(self.cloud.control("POST", "/events/lost", lost)[0], 200)
        arn, deployment = self._update(fail(7))
        self._until(arn, "STOPPED")
        self.assertEqual([name for name, _ in self._events(deployment)], ["IN_PROGRESS"])
        primary = self.cloud.service(self.cluster)["deployments"][0]
        self.assertEqual((primary["id"], primary["rolloutState"]), (deployment, "FAILED"))
        self.assertEqual(self.cloud.control("DELETE", "/events/lost")[0], 200)
        self.assertEqual(self.cloud.control("POST", "/events/lost", {"containing": "FAILED"})[0], 400)
        self.assertEqual(self.cloud.control("POST", "/service-deployments", {"service": "api"})[0], 400)
