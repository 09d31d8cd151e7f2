"""Tasks that nobody's service started: once for each client token, with their own command, and what they wrote."""

import time

from tests.running_cloud import NETWORK, CloudTest, allow, error_code, fail, python, unique, wait_until


class SingleTasks(CloudTest):
    def setUp(self):
        self.ecs = self.cloud.client("ecs")
        self.cluster = self.cloud.cluster()
        self.image = self.cloud.built(f"shop/{unique('api')}", fail(3))

    def _definition(self, **container):
        return self.cloud.register(unique("family"), self.image, **container)

    def _request(self, **options):
        given = {"cluster": self.cluster, "launchType": "FARGATE", "networkConfiguration": NETWORK}
        return {**given, **options}

    def _run(self, **options):
        (task,) = self.ecs.run_task(**self._request(**options))["tasks"]
        return task

    def test_the_same_request_under_the_same_token_gets_the_same_task(self):
        request = self._request(taskDefinition=self._definition(), clientToken="deployment-1-migrate")
        (first,) = self.ecs.run_task(**request)["tasks"]
        (second,) = self.ecs.run_task(**request)["tasks"]
        self.assertEqual(first["taskArn"], second["taskArn"])
        self.cloud.stopped(self.cluster, first["taskArn"])
        (third,) = self.ecs.run_task(**request)["tasks"]
        self.assertEqual((third["taskArn"], third["lastStatus"]), (first["taskArn"], "STOPPED"))
        listed = self.ecs.list_tasks(cluster=self.cluster, desiredStatus="STOPPED")["taskArns"]
        self.assertEqual(listed, [first["taskArn"]])

        (other,) = self.ecs.run_task(**{**request, "clientToken": "deployment-2-migrate"})["tasks"]
        self.assertNotEqual(other["taskArn"], first["taskArn"])

    def test_another_request_under_the_same_token_is_a_conflict_that_names_the_task(self):
        request = self._request(taskDefinition=self._definition(), clientToken="once")
        (first,) = self.ecs.run_task(**request)["tasks"]
        with self.assertRaises(self.ecs.exceptions.ConflictException) as conflict:
            self.ecs.run_task(**{**request, "startedBy": "another"})
        self.assertEqual(conflict.exception.response["resourceIds"], [first["taskArn"]])

    def test_a_command_and_variables_are_overridden_and_the_exit_code_is_shown(self):
        override = {
            "name": "app",
            "command": python("import os, sys; sys.exit(int(os.environ['CODE']))"),
            "environment": [{"name": "CODE", "value": "7"}],
        }
        started_by = "longshore-deploy/shop/api/migrate"
        definition = self._definition(environment=[{"name": "CODE", "value": "4"}])
        task = self._run(taskDefinition=definition, overrides={"containerOverrides": [override]}, startedBy=started_by)
        self.assertEqual(self.cloud.stopped(self.cluster, task["taskArn"])["containers"][0]["exitCode"], 7)
        published = self.cloud.events(
            "ECS Task State Change",
            lambda event: event["resources"] == [task["taskArn"]] and event["detail"]["lastStatus"] == "STOPPED",
        )
        (detail,) = [event["detail"] for event in published]
        self.assertEqual((detail["startedBy"], detail["stopCode"]), (started_by, "EssentialContainerExited"))
        self.assertEqual(detail["containers"][0]["exitCode"], 7)
        self.assertEqual(detail["group"], f"family:{definition.rsplit('/', 1)[1].split(':')[0]}")
        self.assertEqual(detail["overrides"]["containerOverrides"][0]["name"], "app")

    def test_what_ecs_would_refuse_is_refused(self):
        definition = self._definition()
        request = self._request(taskDefinition=definition)
        inactive = self._definition()
        self.ecs.deregister_task_definition(taskDefinition=inactive)
        without_network = {name: value for name, value in request.items() if name != "networkConfiguration"}
        unknown = {"containerOverrides": [{"name": "web", "command": ["true"]}]}
        long = {"containerOverrides": [{"name": "app", "command": ["a" * 8192]}]}
        wide = {"awsvpcConfiguration": {"subnets": [f"subnet-{number}" for number in range(17)]}}
        for changed, code, words in (
            (without_network, "InvalidParameterException", "Network Configuration must be provided"),
            ({**request, "overrides": unknown}, "InvalidParameterException", "container named web"),
            ({**request, "startedBy": "shop.api"}, "InvalidParameterException", "startedBy"),
            ({**request, "startedBy": "a" * 129}, "InvalidParameterException", "startedBy"),
            ({**request, "clientToken": "a" * 65}, "InvalidParameterException", "clientToken"),
            ({**request, "count": 11}, "InvalidParameterException", "count"),
            ({**request, "overrides": long}, "InvalidParameterException", "length must be at most 8192"),
            ({**request, "networkConfiguration": wide}, "InvalidParameterException", "at most 16 items"),
            ({**request, "taskDefinition": inactive}, "ClientException", "inactive"),
            ({**request, "cluster": "nowhere"}, "ClusterNotFoundException", "Cluster not found"),
        ):
            with self.subTest(words):
                self.assert_refused(code, self.ecs.run_task, **changed, saying=words)
        self.assertEqual(self.ecs.list_tasks(cluster=self.cluster)["taskArns"], [])

    def test_a_task_runs_where_its_capacity_provider_is(self):
        request = self._request(taskDefinition=self._definition())
        del request["launchType"]
        strategy = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
        (task,) = self.ecs.run_task(**request, capacityProviderStrategy=strategy)["tasks"]
        self.assertEqual((task["launchType"], task["capacityProviderName"]), ("FARGATE", "FARGATE_SPOT"))

    def test_running_may_be_narrowed_to_a_cluster(self):
        definition = self._definition()
        narrowed = {
            "ArnEquals": {"ecs:cluster": f"arn:aws:ecs:{self.cloud.region}:{self.cloud.account}:cluster/{self.cluster}"}
        }
        other = self.cloud.cluster()
        client = self.cloud.limited_client("ecs", [allow("ecs:RunTask", "*", Condition=narrowed)])
        request = self._request(taskDefinition=definition)
        client.run_task(**request)
        self.assertEqual(error_code(client.run_task, **{**request, "cluster": other})[0], "AccessDeniedException")

    def test_who_looks_at_a_task_does_not_wait_for_its_containers(self):
        deaf = python("import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(600)")
        containers = [
            {"name": "app", "image": self.image, "command": python("import time; time.sleep(1)")},
            {"name": "deaf", "image": self.image, "command": deaf, "stopTimeout": 4},
        ]
        definition = self.cloud.register(unique("family"), "", {"containerDefinitions": containers})
        arn = self.cloud.run(self.cluster, definition)

        def ended():
            began = time.monotonic()
            (task,) = self.ecs.describe_tasks(cluster=self.cluster, tasks=[arn])["tasks"]
            self.assertLess(time.monotonic() - began, 2)
            return task["lastStatus"] == "STOPPED"

        wait_until("the task has stopped", ended)

    def test_what_a_task_wrote_is_in_the_stream_of_its_container(self):
        group = unique("/ecs/shop")
        logs = self.cloud.client("logs")
        logs.create_log_group(logGroupName=group)
        options = {"awslogs-group": group, "awslogs-region": self.cloud.region, "awslogs-stream-prefix": "api"}
        definition = self._definition(
            command=python("print('first')\nprint('second')\nraise SystemExit(1)"),
            logConfiguration={"logDriver": "awslogs", "options": options},
        )
        arn = self._run(taskDefinition=definition)["taskArn"]
        self.cloud.stopped(self.cluster, arn)
        stream = f"api/app/{arn.rsplit('/', 1)[1]}"
        place = {"logGroupName": group, "logStreamName": stream}
        base = f"arn:aws:logs:{self.cloud.region}:{self.cloud.account}:log-group:{group}"
        reader = self.cloud.limited_client("logs", [allow("logs:GetLogEvents", f"{base}:log-stream:api/app/*")])

        def lines():
            found = logs.describe_log_streams(logGroupName=group)["logStreams"]
            if [one["logStreamName"] for one in found] != [stream]:
                return None
            events = reader.get_log_events(**place, startFromHead=True)["events"]
            return [event["message"] for event in events] if len(events) == 2 else None

        self.assertEqual(wait_until("its output is in its stream", lines), ["first", "second"])
        denied = self.cloud.limited_client("logs", [allow("logs:GetLogEvents", f"{base}:log-stream:web/*")])
        self.assertEqual(error_code(denied.get_log_events, **place)[0], "AccessDeniedException")
        self.assertEqual(error_code(reader.filter_log_events, logGroupName=group)[0], "AccessDeniedException")
        filtered = self.cloud.limited_client("logs", [allow("logs:FilterLogEvents", base)])
        found = filtered.filter_log_events(logGroupName=group, logStreamNames=[stream])["events"]
        self.assertEqual([event["message"] for event in found], ["first", "second"])
