"""Answers have the members that AWS's have, and no empty ones."""

import json

from tests.running_cloud import NETWORK, SERVE, CloudTest, unique, wait_until
from tests.stacks import network


class Answers(CloudTest):
    def test_a_task_that_runs_has_no_code_of_a_stop(self):
        ecs, where = self.cloud.client("ecs"), {"cluster": self.cloud.cluster()}
        definition = self.cloud.register(unique("family"), self.cloud.built(f"shop/{unique('api')}", SERVE))
        options = {"launchType": "FARGATE", "networkConfiguration": NETWORK, "taskDefinition": definition}
        (task,) = ecs.run_task(**where, **options)["tasks"]
        self.assertNotIn("stopCode", task)
        ecs.stop_task(**where, task=task["taskArn"])

    def test_an_encrypted_file_system_has_a_key_and_a_plain_one_has_none(self):
        efs = self.cloud.client("efs")
        encrypted = efs.create_file_system(CreationToken=unique("files"), Encrypted=True)
        self.assertRegex(encrypted["KmsKeyId"], r"^arn:aws:kms:[a-z0-9-]+:\d{12}:key/[0-9a-f-]{36}$")
        plain = efs.create_file_system(CreationToken=unique("files"), Encrypted=False)
        self.assertNotIn("KmsKeyId", plain)

    def answered(self, client, service, operation, call):
        """The body of an answer: boto3 shows no member that it does not know."""
        bodies = []
        client.meta.events.register(
            f"before-parse.{service}.{operation}", lambda response_dict, **_: bodies.append(response_dict["body"])
        )
        call()
        return json.loads(bodies[0])

    def test_a_mount_target_has_no_arn(self):
        efs = self.cloud.client("efs")
        files = efs.create_file_system(CreationToken=unique("files"))["FileSystemId"]
        efs.create_mount_target(FileSystemId=files, SubnetId=network()[1][0])
        answer = self.answered(
            efs, "efs", "DescribeMountTargets", lambda: efs.describe_mount_targets(FileSystemId=files)
        )
        (target,) = answer["MountTargets"]
        self.assertNotIn("MountTargetArn", target)

    def test_listed_rules_do_not_say_who_made_them(self):
        events, name = self.cloud.client("events"), unique("rule")
        events.put_rule(Name=name, EventPattern='{"source": ["a"]}')
        answer = self.answered(events, "events", "ListRules", lambda: events.list_rules(NamePrefix=name))
        (rule,) = answer["Rules"]
        self.assertEqual((rule["Name"], rule["State"]), (name, "ENABLED"))
        self.assertNotIn("CreatedBy", rule)

    def test_a_function_that_is_well_has_no_reasons(self):
        functions, (name, _, _) = self.cloud.client("lambda"), self.cloud.function()
        wait_until(
            "the function is active",
            lambda: functions.get_function(FunctionName=name)["Configuration"]["State"] == "Active",
        )
        answer = self.answered(
            functions,
            "lambda",
            "GetFunctionConfiguration",
            lambda: functions.get_function_configuration(FunctionName=name),
        )
        self.assertEqual(answer["State"], "Active")
        empty = [member for member in answer if member.endswith(("Reason", "ReasonCode")) and not answer[member]]
        self.assertEqual(empty, [])
        self.assertNotIn("RuntimeVersionConfig", answer)

    def test_a_service_says_what_service_connect_does_of_its_deployments(self):
        ecs, cluster = self.cloud.client("ecs"), self.cloud.cluster()
        definition = self.cloud.register(unique("family"), self.cloud.built(f"shop/{unique('api')}", SERVE))
        options = {"launchType": "FARGATE", "networkConfiguration": NETWORK, "taskDefinition": definition}
        connect = {"serviceConnectConfiguration": {"enabled": False}}
        answer = self.answered(
            ecs,
            "ecs",
            "CreateService",
            lambda: ecs.create_service(cluster=cluster, serviceName="api", desiredCount=0, **connect, **options),
        )
        service = answer["service"]
        self.assertNotIn("serviceConnectConfiguration", service)

    def test_lines_are_those_of_streams_whose_names_begin_so(self):
        logs = self.cloud.client("logs")
        group = unique("/ecs/group")
        logs.create_log_group(logGroupName=group)
        for number, stream in enumerate(["api/app/1", "api/app/2", "api/apparatus/1"], 1):
            logs.create_log_stream(logGroupName=group, logStreamName=stream)
            logs.put_log_events(
                logGroupName=group,
                logStreamName=stream,
                logEvents=[{"timestamp": 1790000000000 + number, "message": stream}],
            )
        answer = logs.filter_log_events(
            logGroupName=group, logStreamNamePrefix="api/app/", startTime=1790000000000
        )
        found = [(event["logStreamName"], event["message"]) for event in answer["events"]]
        self.assertEqual(found, [("api/app/1", "api/app/1"), ("api/app/2", "api/app/2")])
        self.assertEqual(len({event["eventId"] for event in answer["events"]}), 2)
        none = logs.filter_log_events(logGroupName=group, logStreamNamePrefix="web/")
        self.assertEqual(none["events"], [])
