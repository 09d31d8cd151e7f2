"""Deployments of services that really run: rolling, failing, rolled back; and their events."""

import json
import platform
import time

from tests.running_cloud import NETWORK, SERVE, CloudTest, alive, error_code, fail, python, unique, wait_until


class Services(CloudTest):
    def setUp(self):
        self.cluster, self.repository = self.cloud.cluster(), f"shop/{unique('api')}"

    def _containers(self, tag=None):
        _, _, containers = self.cloud.control("GET", "/containers")
        image = self.cloud.image(self.repository, tag) if tag else ""
        return [one for one in containers if f"/{self.cluster}/" in one["task"] and one["image"].startswith(image)]

    def _first_deployment(self, command=SERVE, rollback=True):
        digest = self.cloud.push(self.repository, "v1", command)
        definition = self.cloud.register("api", self.cloud.image(self.repository, digest))
        service = self.cloud.create_service(self.cluster, "api", definition, rollback=rollback)
        identifier = service["deployments"][0]["id"]
        self.cloud.wait_for_deployment(service["serviceArn"], identifier, "COMPLETED")
        return service, digest, definition

    def _definition(self, tag, command):
        digest = self.cloud.push(self.repository, tag, command)
        return digest, self.cloud.register("api", self.cloud.image(self.repository, digest))

    def _update(self, tag, command):
        digest, definition = self._definition(tag, command)
        return digest, definition, self._deploy(definition)

    def _deploy(self, definition):
        return self.cloud.update_service(self.cluster, definition)[1]

    def _configure(self, **configuration):
        options = {"cluster": self.cluster, "service": "api", "deploymentConfiguration": configuration}
        self.cloud.client("ecs").update_service(**options)

    def _exit_code(self, definition):
        """What a single task ends with, and the digest of its image."""
        task = self.cloud.stopped(self.cluster, self.cloud.run(self.cluster, definition))
        return task["containers"][0]["exitCode"], task["containers"][0]["imageDigest"]

    def test_a_rolling_deployment_replaces_two_processes_by_two_others(self):
        service, first_digest, _ = self._first_deployment()
        before = self._containers(first_digest)
        self.assertEqual(len(before), 2)

        digest, definition, primary = self._update("v2", SERVE)
        self.assertRegex(primary["id"], r"^ecs-svc/\d{19}$")
        self.assertEqual(primary["rolloutState"], "IN_PROGRESS")
        self.assertNotEqual(primary["id"], service["deployments"][0]["id"])
        completed = self.cloud.wait_for_deployment(service["serviceArn"], primary["id"], "COMPLETED")

        self.assertEqual(completed["reason"], f"ECS deployment {primary['id']} completed.")
        after = self._containers()
        self.assertEqual([one["image"] for one in after], [self.cloud.image(self.repository, digest)] * 2)
        self.assertFalse([one for one in before if alive(one["pid"])])
        shown = self.cloud.service(self.cluster)
        self.assertEqual((shown["runningCount"], shown["desiredCount"], shown["taskDefinition"]), (2, 2, definition))
        self.assertEqual([one["id"] for one in shown["deployments"]], [primary["id"]])
        self.assertEqual(
            [(name, detail["eventType"]) for name, detail in self.cloud.deployment_events(service["serviceArn"])],
            [("IN_PROGRESS", "INFO"), ("COMPLETED", "INFO")] * 2,
        )

    def test_a_failing_image_opens_the_circuit_breaker_and_the_rollback_is_a_deployment_of_its_own(self):
        service, first_digest, first_definition = self._first_deployment()
        before = {one["pid"] for one in self._containers(first_digest)}
        first = service["deployments"][0]["id"]

        _, _, primary = self._update("v2", fail(7))
        failed = self.cloud.wait_for_deployment(service["serviceArn"], primary["id"], "FAILED")
        self.assertEqual(failed["reason"], "ECS deployment circuit breaker: tasks failed to start.")
        rollback = self.cloud.wait_for_rollback(service["serviceArn"])
        self.assertEqual(rollback["reason"], f"ECS deployment circuit breaker: rolling back to deploymentId {first}.")
        self.assertNotIn(rollback["deploymentId"], (first, primary["id"]))
        self.cloud.wait_for_deployment(service["serviceArn"], rollback["deploymentId"], "COMPLETED")

        names = [(name, detail["eventType"]) for name, detail in self.cloud.deployment_events(service["serviceArn"])]
        self.assertEqual(
            names[2:],
            [("IN_PROGRESS", "INFO"), ("FAILED", "ERROR"), ("IN_PROGRESS", "INFO"), ("COMPLETED", "INFO")],
        )
        shown = self.cloud.service(self.cluster)
        self.assertEqual(shown["taskDefinition"], first_definition)
        self.assertEqual({one["pid"] for one in self._containers()}, before)

        stopped = self._stopped_events(primary["id"])
        self.assertGreaterEqual(len(stopped), 3)
        for detail in stopped[:3]:
            self.assertEqual(detail["stopCode"], "EssentialContainerExited")
            self.assertEqual(detail["stoppedReason"], "Essential container in task exited")
            self.assertEqual(detail["containers"][0]["exitCode"], 7)
            self.assertEqual(detail["group"], "service:api")

        ecs = self.cloud.client("ecs")
        arns = ecs.list_tasks(cluster=self.cluster, serviceName="api", desiredStatus="STOPPED")["taskArns"]
        described = ecs.describe_tasks(cluster=self.cluster, tasks=arns)["tasks"]
        self.assertIn(primary["id"], {task["startedBy"] for task in described})
        self.assertIn(7, {task["containers"][0].get("exitCode") for task in described})

    def _stopped_events(self, deployment_id):
        return [
            event["detail"]
            for event in self.cloud.events(
                "ECS Task State Change",
                lambda event: (
                    event["detail"].get("startedBy") == deployment_id and event["detail"]["lastStatus"] == "STOPPED"
                ),
            )
        ]

    def test_without_rollback_a_failed_deployment_stays_primary_and_the_old_tasks_serve(self):
        service, first_digest, _ = self._first_deployment(rollback=False)
        _, definition, primary = self._update("v2", fail(1))
        self.cloud.wait_for_deployment(service["serviceArn"], primary["id"], "FAILED")
        shown = self.cloud.service(self.cluster)
        states = {one["id"]: (one["status"], one["rolloutState"]) for one in shown["deployments"]}
        self.assertEqual(states[primary["id"]], ("PRIMARY", "FAILED"))
        self.assertEqual(shown["taskDefinition"], definition)
        self.assertEqual(len(self._containers(first_digest)), 2)

    def test_a_deployment_overtaken_by_another_never_completes(self):
        service, _, _ = self._first_deployment()
        (_, second), (digest, third) = self._definition("v2", SERVE), self._definition("v3", SERVE)
        second, third = self._deploy(second), self._deploy(third)
        self.cloud.wait_for_deployment(service["serviceArn"], third["id"], "COMPLETED")
        events = self.cloud.deployment_events(service["serviceArn"])
        published = [(name, detail["deploymentId"]) for name, detail in events]
        self.assertNotIn(("COMPLETED", second["id"]), published)
        images = [one["image"] for one in self._containers()]
        self.assertEqual(images, [self.cloud.image(self.repository, digest)] * 2)

    def test_the_minimum_and_maximum_percentages_are_kept(self):
        service, _, _ = self._first_deployment()
        self._configure(maximumPercent=100, minimumHealthyPercent=50)
        _, _, primary = self._update("v2", SERVE)
        self.cloud.wait_for_deployment(service["serviceArn"], primary["id"], "COMPLETED")

        tasks, serving, occupied = {}, [], []
        for event in self.cloud.events(
            "ECS Task State Change", lambda event: event["detail"]["clusterArn"] == service["clusterArn"]
        ):
            detail = event["detail"]
            tasks[detail["taskArn"]] = (detail["lastStatus"], detail["desiredStatus"])
            # From the first task that is stopped to make room.
            if serving or detail["desiredStatus"] == "STOPPED":
                serving.append(sum(1 for task in tasks.values() if task == ("RUNNING", "RUNNING")))
                occupied.append(sum(1 for last, _ in tasks.values() if last != "STOPPED"))
        self.assertEqual(min(serving), 1)
        self.assertEqual(max(occupied), 2)

    def test_without_a_circuit_breaker_failing_tasks_are_started_again_ever_more_slowly(self):
        service, first_digest, _ = self._first_deployment()
        self._configure(deploymentCircuitBreaker={"enable": False, "rollback": False})
        _, _, primary = self._update("v2", fail(1))
        wait_until("five have died", lambda: len(self._stopped_events(primary["id"])) >= 5)
        names = [name for name, _ in self.cloud.deployment_events(service["serviceArn"])]
        self.assertNotIn("FAILED", names)
        self.assertEqual(len(self._containers(first_digest)), 2)
        messages = [event["message"] for event in self.cloud.service(self.cluster)["events"]]
        self.assertIn("(service api) is unable to consistently start tasks successfully.", messages)
        self.cloud.client("ecs").delete_service(cluster=self.cluster, service="api", force=True)
        wait_until("nothing runs", lambda: not self._containers())

    def test_a_first_deployment_that_fails_has_nothing_to_go_back_to(self):
        definition = self.cloud.register("api", self.cloud.built(self.repository, fail(1)))
        service = self.cloud.create_service(self.cluster, "api", definition)
        identifier = service["deployments"][0]["id"]
        self.cloud.wait_for_deployment(service["serviceArn"], identifier, "FAILED")
        names = [name for name, _ in self.cloud.deployment_events(service["serviceArn"])]
        self.assertEqual(names, ["IN_PROGRESS", "FAILED"])
        self.assertEqual(self.cloud.service(self.cluster)["deployments"][0]["rolloutState"], "FAILED")

    def test_an_index_runs_its_image_for_this_machine(self):
        wanted = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        child, other = self.cloud.push(self.repository, None, fail(8)), "sha256:" + "0" * 64
        entries = [
            {"digest": digest, "platform": {"architecture": architecture}}
            for digest, architecture in ((other, "s390x"), (child, wanted))
        ]
        index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": entries}
        ecr = self.cloud.client("ecr")
        ecr.put_image(repositoryName=self.repository, imageManifest=json.dumps(index), imageTag="v1")
        definition = self.cloud.register("index", self.cloud.image(self.repository, "v1"))
        self.assertEqual(self._exit_code(definition)[0], 8)

    def test_an_image_that_is_missing_fails_the_task_with_the_reason_of_aws(self):
        service, _, _ = self._first_deployment()
        definition = self.cloud.register("api", self.cloud.image(self.repository, "sha256:" + "0" * 64))
        identifier = self._deploy(definition)["id"]
        self.cloud.wait_for_deployment(service["serviceArn"], identifier, "FAILED")
        detail = self._stopped_events(identifier)[0]
        self.assertEqual(detail["stopCode"], "TaskFailedToStart")
        self.assertTrue(detail["stoppedReason"].startswith("CannotPullContainerError: "), detail["stoppedReason"])
        self.assertTrue(detail["containers"][0]["reason"].startswith("CannotPullContainerError: "))
        self.assertNotIn("exitCode", detail["containers"][0])

    def test_each_state_of_a_task_is_published_once_with_a_growing_version(self):
        service, _, _ = self._first_deployment()
        identifier = service["deployments"][0]["id"]
        ecs = self.cloud.client("ecs")
        ecs.update_service(cluster=self.cluster, service="api", desiredCount=0)
        wait_until("both tasks are gone", lambda: len(self._stopped_events(identifier)) == 2)
        arn = self._stopped_events(identifier)[0]["taskArn"]
        published = self.cloud.events("ECS Task State Change", lambda event: event["resources"] == [arn])
        self.assertEqual(
            [(one["detail"]["lastStatus"], one["detail"]["desiredStatus"]) for one in published],
            [
                ("PROVISIONING", "RUNNING"),
                ("PENDING", "RUNNING"),
                ("RUNNING", "RUNNING"),
                ("RUNNING", "STOPPED"),
                ("DEPROVISIONING", "STOPPED"),
                ("STOPPED", "STOPPED"),
            ],
        )
        self.assertEqual([one["detail"]["version"] for one in published], [1, 2, 3, 4, 5, 6])
        self.assertEqual(published[-1]["detail"]["stopCode"], "ServiceSchedulerInitiated")
        self.assertEqual(
            published[-1]["detail"]["stoppedReason"], f"Scaling activity initiated by (deployment {identifier})"
        )
        # Ended by SIGTERM.
        self.assertEqual(published[-1]["detail"]["containers"][0]["exitCode"], 143)

    def test_a_container_gets_its_environment_and_is_killed_when_it_does_not_end(self):
        stubborn = python(
            "import os, signal, time\n"
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "print('greeting', os.environ['GREETING'], flush=True)\n"
            "while True: time.sleep(1)"
        )
        logs = self.cloud.client("logs")
        logs.create_log_group(logGroupName=f"/{self.cluster}")
        definition = self.cloud.register(
            "stubborn",
            self.cloud.built(self.repository, stubborn),
            environment=[{"name": "GREETING", "value": "hello"}],
            logConfiguration={
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": f"/{self.cluster}",
                    "awslogs-region": self.cloud.region,
                    "awslogs-stream-prefix": "app",
                },
            },
        )
        ecs = self.cloud.client("ecs")
        arn = self.cloud.run(self.cluster, definition)

        def lines():
            found = logs.filter_log_events(logGroupName=f"/{self.cluster}")["events"]
            return [event["message"] for event in found]

        wait_until("its output is in its log group", lambda: "greeting hello" in lines())
        pid = self._containers()[0]["pid"]
        began = time.monotonic()
        ecs.stop_task(cluster=self.cluster, task=arn, reason="enough")
        self.assertLess(time.monotonic() - began, 2, "StopTask waits for nothing")
        task = self.cloud.stopped(self.cluster, arn)
        self.assertEqual((task["stopCode"], task["stoppedReason"]), ("UserInitiated", "enough"))
        self.assertEqual(task["containers"][0]["exitCode"], 137)
        self.assertFalse(alive(pid))

    def test_a_service_keeps_the_members_that_it_was_created_with(self):
        ecs = self.cloud.client("ecs")
        _, definition = self._definition("v1", SERVE)
        kept = {"enableECSManagedTags": True, "propagateTags": "SERVICE", "availabilityZoneRebalancing": "DISABLED"}
        options = {"launchType": "FARGATE", "networkConfiguration": NETWORK, "desiredCount": 0, **kept}
        ecs.create_service(cluster=self.cluster, serviceName="api", taskDefinition=definition, **options)
        service = self.cloud.service(self.cluster)
        self.assertEqual({name: service.get(name) for name in kept}, kept)
        self.assertNotIn("roleArn", service)

    def test_more_than_sixteen_subnets_are_refused(self):
        self._first_deployment()
        ecs, network = self.cloud.client("ecs"), {"subnets": [f"subnet-{number}" for number in range(17)]}
        options = {"cluster": self.cluster, "networkConfiguration": {"awsvpcConfiguration": network}}
        for refused in (
            error_code(ecs.create_service, serviceName="web", taskDefinition="api", **options),
            error_code(ecs.update_service, service="api", **options),
        ):
            self.assertEqual(refused, ("InvalidParameterException", "subnets can have at most 16 items."))

    def test_a_service_is_deleted_at_once_and_its_tasks_take_their_time(self):
        deaf = python("import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(600)")
        self._first_deployment(deaf)
        began = time.monotonic()
        self.cloud.client("ecs").delete_service(cluster=self.cluster, service="api", force=True)
        self.assertLess(time.monotonic() - began, 2, "DeleteService waits for nothing")
        wait_until("its processes are gone", lambda: not self._containers())

    def test_a_single_task_that_cannot_start_says_why(self):
        without_command = self.cloud.push(self.repository, "none", None)
        unknown_program = self.cloud.push(self.repository, "unknown", ["/no/such/program"])
        for reference, reason in (
            ("v9", "CannotPullContainerError: "),
            (without_command, "CannotPullContainerError: "),
            (unknown_program, "CannotStartContainerError: "),
        ):
            definition = self.cloud.register("single", self.cloud.image(self.repository, reference))
            task = self.cloud.stopped(self.cluster, self.cloud.run(self.cluster, definition))
            self.assertEqual(task["stopCode"], "TaskFailedToStart")
            self.assertTrue(task["stoppedReason"].startswith(reason), task["stoppedReason"])

    def test_a_definition_overrides_the_command_as_docker_would(self):
        digest = self.cloud.push(self.repository, "v1", fail(3))
        image = self.cloud.image(self.repository, digest)
        for container, expected in (
            ({}, 3),
            ({"command": fail(4)}, 4),
            ({"entryPoint": fail(5)}, 5),
            ({"entryPoint": fail(6)[:1], "command": fail(6)[1:]}, 6),
        ):
            definition = self.cloud.register("override", image, **container)
            self.assertEqual(self._exit_code(definition), (expected, digest))

    def test_a_command_is_given_to_the_entry_point_of_the_image(self):
        shell = ["/bin/sh", "-c", 'exit "$0"']
        digest = self.cloud.push(self.repository, "entry", ["3"], entry_point=shell)
        image = self.cloud.image(self.repository, digest)
        for container, expected in (({}, 3), ({"command": ["4"]}, 4), ({"entryPoint": fail(5)}, 5)):
            definition = self.cloud.register("entry", image, **container)
            self.assertEqual(self._exit_code(definition), (expected, digest))

    def test_ten_services_are_described_at_once_and_those_that_are_missing_are_named(self):
        service, _, _ = self._first_deployment()
        ecs = self.cloud.client("ecs")
        others = [f"other-{number}" for number in range(9)]
        answer = ecs.describe_services(cluster=self.cluster, services=["api", *others])
        self.assertEqual([one["serviceArn"] for one in answer["services"]], [service["serviceArn"]])
        base = service["serviceArn"].removesuffix("api")
        self.assertEqual(answer["failures"], [{"arn": base + name, "reason": "MISSING"} for name in others])
        for named in ([], ["api", *others, "other-9"]):
            code, _ = error_code(ecs.describe_services, cluster=self.cluster, services=named)
            self.assertEqual(code, "InvalidParameterException")
