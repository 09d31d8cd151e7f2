"""Deployments that an alarm ends: they fail and go back as those of the circuit breaker do."""

from tests.running_cloud import SERVE, CloudTest, unique, wait_until


class DeploymentAlarms(CloudTest):
    def setUp(self):
        self.cluster, self.repository = unique("cluster"), f"shop/{unique('api')}"
        self.alarm = self.cloud.alarm()
        self._set("OK")

    def _set(self, state):
        self.cloud.set_alarm(self.alarm, state)

    def _definition(self):
        return self.cloud.register("api", self.cloud.built(self.repository, SERVE))

    def _service(self, **alarms):
        definition = self._definition()
        given = {"alarmNames": [self.alarm], "enable": True, "rollback": True, **alarms}
        service = self.cloud.create_service(self.cluster, "api", definition, alarms=given)
        self.cloud.wait_for_deployment(service["serviceArn"], service["deployments"][0]["id"], "COMPLETED")
        return service, definition

    def _update(self):
        definition = self._definition()
        return definition, self.cloud.update_service(self.cluster, definition)[1]["id"]

    def _until_tasks_run(self, deployment):
        def look():
            shown = self.cloud.service(self.cluster)["deployments"]
            return [one for one in shown if one["id"] == deployment and one["runningCount"]]

        wait_until("a task of the deployment runs", look)

    def test_an_alarm_while_tasks_run_ends_the_deployment_and_the_last_one_comes_back(self):
        service, first_definition = self._service()
        first = service["deployments"][0]["id"]
        _, deployment = self._update()
        self._until_tasks_run(deployment)
        self._set("ALARM")
        failed = self.cloud.wait_for_deployment(service["serviceArn"], deployment, "FAILED")
        self.assertEqual((failed["eventType"], failed["reason"]), ("ERROR", "ECS deployment alarm: alarm detected."))
        rollback = self.cloud.wait_for_rollback(service["serviceArn"])
        self.assertTrue(rollback["reason"].endswith(f"rolling back to deploymentId {first}."))
        # The alarm is still on: a rollback is not ended by what it is to fix.
        self.cloud.wait_for_deployment(service["serviceArn"], rollback["deploymentId"], "COMPLETED")
        shown = self.cloud.service(self.cluster)
        self.assertEqual((shown["taskDefinition"], shown["runningCount"]), (first_definition, 2))
        messages = [event["message"] for event in shown["events"]]
        self.assertIn(f"(service api) (deployment {deployment}) deployment failed: alarm detected.", messages)

    def test_without_rollback_the_deployment_has_failed_and_its_tasks_stay(self):
        service, _ = self._service(rollback=False)
        definition, deployment = self._update()
        self._until_tasks_run(deployment)
        self._set("ALARM")
        self.cloud.wait_for_deployment(service["serviceArn"], deployment, "FAILED")
        shown = self.cloud.service(self.cluster)
        self.assertEqual(shown["taskDefinition"], definition)
        self.assertEqual(shown["deployments"][0]["rolloutState"], "FAILED")

    def test_an_alarm_that_is_on_already_does_not_stop_what_fixes_it(self):
        service, _ = self._service()
        self._set("ALARM")
        definition, deployment = self._update()
        self.cloud.wait_for_deployment(service["serviceArn"], deployment, "COMPLETED")
        self.assertEqual(self.cloud.service(self.cluster)["taskDefinition"], definition)

    def test_alarms_that_are_not_enabled_end_nothing(self):
        service, _ = self._service(enable=False)
        _, deployment = self._update()
        self._until_tasks_run(deployment)
        self._set("ALARM")
        self.cloud.wait_for_deployment(service["serviceArn"], deployment, "COMPLETED")
