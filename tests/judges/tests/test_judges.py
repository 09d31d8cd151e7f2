"""The judges find what is wrong, and do not report what is right."""

import json
import tempfile
import unittest
import urllib.parse
from pathlib import Path

import authorization
import least_privilege
import models
import recordings
import wire

_SIGNED = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261129/eu-west-1/{}/aws4_request"
_ECS = "AmazonEC2ContainerServiceV20141113."


def call(service, **line):
    """A line of a recording."""
    headers = {"authorization": _SIGNED.format(service), "user-agent": "aws-sdk-rust/1", **line.pop("headers", {})}
    return {"method": "POST", "path": "/", "query": "", "body": "", "headers": headers, "answer_headers": {}, **line}


def found_in(*lines):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "calls.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        found = recordings.judge([path])
    return sorted(found.faults)


def of_ecs(operation, parameters, answer=None):
    more = {} if answer is None else {"status": 200, "answer": json.dumps(answer)}
    return call("ecs", headers={"x-amz-target": _ECS + operation}, body=json.dumps(parameters), **more)


class Requests(unittest.TestCase):
    def test_what_the_model_allows_is_right(self):
        parameters = {"cluster": "shop", "service": "api", "taskDefinition": "shop-api:3"}
        self.assertEqual(found_in(of_ecs("UpdateService", parameters)), [])

    def test_members_kinds_enums_and_what_is_required_count(self):
        subject = "ecs:CreateService, request of Longshore"
        parameters = {"launchType": "LAMBDA", "desiredCount": "3", "colour": "blue"}
        self.assertEqual(
            found_in(of_ecs("CreateService", parameters)),
            [
                (subject, "colour is not a member"),
                (subject, "desiredCount is not a number: '3'"),
                (subject, "launchType is none of the values that are allowed: 'LAMBDA'"),
                (subject, "serviceName is required"),
            ],
        )

    def test_patterns_and_lengths_count_in_protocols_of_paths(self):
        line = call(
            "elasticfilesystem", method="PUT", path="/2015-02-01/file-systems/fs-1",
            headers={"content-type": "application/json"}, body='{"ThroughputMode": "provisioned"}',
        )
        ((subject, finding),) = found_in(line)
        self.assertEqual(subject, "efs:UpdateFileSystem, request of Longshore")
        self.assertTrue(finding.startswith("FileSystemId does not match ^(arn:aws"), finding)

    def test_forms_are_read_back_into_structures(self):
        line = call(
            "cloudformation", headers={"content-type": "application/x-www-form-urlencoded"},
            body="Action=CreateChangeSet&Version=2010-05-15&StackName=shop&ChangeSetName=1&Colour=blue"
            "&Capabilities.member.1=CAPABILITY_IAM&Tags.member.1.Key=Team&Tags.member.1.Value=shop",
        )
        one = wire.Call(line)
        self.assertEqual(
            one.parameters(),
            {
                "StackName": "shop", "ChangeSetName": "1", "Capabilities": ["CAPABILITY_IAM"],
                "Tags": [{"Key": "Team", "Value": "shop"}],
            },
        )
        subject = "cloudformation:CreateChangeSet, request of Longshore"
        faults = found_in(line)
        self.assertIn((subject, "Colour is not a member"), faults)
        self.assertTrue(any(finding.startswith("ChangeSetName does not match") for _, finding in faults), faults)

    def test_objects_are_distinguished_from_buckets_and_copies_from_objects(self):
        for method, path, query, headers, operation in [
            ("GET", "/state", "list-type=2&prefix=stacks%2F", {}, "ListObjectsV2"),
            ("GET", "/state/stacks/shop.yaml", "", {}, "GetObject"),
            ("PUT", "/state/a/b", "", {}, "PutObject"),
            ("PUT", "/state/a/b", "", {"x-amz-copy-source": "/state/c"}, "CopyObject"),
            ("PUT", "/state/a/b", "partNumber=1&uploadId=u", {}, "UploadPart"),
            ("GET", "/state", "tagging", {}, "GetBucketTagging"),
        ]:
            line = call("s3", method=method, path=path, query=query, headers=headers)
            self.assertEqual(wire.Call(line).operation, operation)
            self.assertEqual(found_in(line), [], operation)

    def test_an_address_that_was_signed_is_judged_too(self):
        query = "X-Amz-Credential=A%2F1%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Signature=0"
        line = call("s3", method="PUT", path="/mirror/a", query=query)
        line["headers"] = {"user-agent": "longshore/0.1"}
        self.assertEqual(wire.Call(line).operation, "PutObject")
        self.assertEqual(found_in(line), [])

    def test_what_tests_ask_is_not_judged(self):
        line = of_ecs("CreateService", {"colour": "blue"})
        line["headers"]["user-agent"] = "Boto3/1"
        self.assertEqual(found_in(line), [])

    def test_an_operation_that_was_never_recorded_is_reported(self):
        self.assertIn("UpdateService", recordings.never_recorded(set()))
        self.assertNotIn("UpdateService", recordings.never_recorded({"UpdateService"}))


class Answers(unittest.TestCase):
    def test_what_aws_cannot_say_is_a_fault(self):
        parameters = {"cluster": "shop", "tasks": ["t"]}
        answer = {"tasks": [{"stopCode": "", "colour": "blue", "createdAt": "yesterday"}]}
        subject = "ecs:DescribeTasks, answer"
        self.assertEqual(
            found_in(of_ecs("DescribeTasks", parameters, answer)),
            [
                (subject, "tasks[].colour is not a member"),
                (subject, "tasks[].createdAt is not a time: 'yesterday'"),
                (subject, "tasks[].stopCode is none of the values that are allowed: ''"),
            ],
        )

    def test_xml_is_read_by_its_shape(self):
        answer = (
            "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>shop</StackName>"
            "<CreationTime>2026-11-29T12:00:00Z</CreationTime><StackStatus>SLEEPING</StackStatus><Colour>blue</Colour>"
            "</member></Stacks></DescribeStacksResult></DescribeStacksResponse>"
        )
        line = call(
            "cloudformation", headers={"content-type": "application/x-www-form-urlencoded"},
            body="Action=DescribeStacks&Version=2010-05-15&StackName=shop", status=200, answer=answer,
        )
        subject = "cloudformation:DescribeStacks, answer"
        self.assertEqual(
            found_in(line),
            [
                (subject, "Colour is not a member"),
                (subject, "Stacks[].StackStatus is none of the values that are allowed: 'SLEEPING'"),
            ],
        )

    def test_a_refusal_has_a_code_that_the_service_has(self):
        line = of_ecs("UpdateService", {"service": "api"})
        refused = {**line, "status": 400, "answer": '{"__type": "ServiceNotFoundException"}'}
        self.assertEqual(found_in(refused), [])
        refused = {**line, "status": 400, "answer": '{"__type": "NoSuchServiceAtAll"}'}
        finding = ("ecs:UpdateService, answer", "NoSuchServiceAtAll is not an error of the service")
        self.assertEqual(found_in(refused), [finding])


class Patterns(unittest.TestCase):
    def test_patterns_of_java_are_understood(self):
        model = models.of_signing_name("autoscaling")
        self.assertEqual(list(models.faults(model, "XmlStringMaxLen255", "a name, \U0001F6A2")), [])
        self.assertEqual(len(list(models.faults(model, "XmlStringMaxLen255", "\x01"))), 1)


class Secrets(unittest.TestCase):
    def change_set(self, **parameters):
        form = {"Action": "CreateChangeSet", "Version": "2010-05-15", "StackName": "shop", "ChangeSetName": "one"}
        headers = {"content-type": "application/x-www-form-urlencoded"}
        return call("cloudformation", headers=headers, body=urllib.parse.urlencode({**form, **parameters}))

    def faults_of(self, *lines):
        return [subject for subject, finding in found_in(*lines) if "secret" in finding]

    def test_a_secret_may_be_a_parameter_of_a_stack_and_nothing_else_of_it(self):
        name = {"Parameters.member.1.ParameterKey": "Token"}
        value = {"Parameters.member.1.ParameterValue": "longshore-canary-a"}
        self.assertEqual(self.faults_of(self.change_set(**name, **value)), [])
        self.assertEqual(len(self.faults_of(self.change_set(**name, **value, Description="longshore-canary-a"))), 1)

    def test_a_secret_in_another_request_or_in_an_answer_is_told(self):
        parameters = {"cluster": "shop", "services": ["longshore-canary-a"]}
        self.assertEqual(len(self.faults_of(of_ecs("DescribeServices", parameters))), 1)
        answer = {"services": [{"serviceName": "longshore-canary-a"}]}
        self.assertEqual(len(self.faults_of(of_ecs("DescribeServices", {"services": ["api"]}, answer))), 1)

    def test_secrets_manager_and_stack_files_hold_secrets(self):
        target = {"x-amz-target": "secretsmanager.GetSecretValue"}
        answer = {"status": 200, "answer": json.dumps({"SecretString": "longshore-canary-a"})}
        self.assertEqual(self.faults_of(call("secretsmanager", headers=target, body='{"SecretId": "a"}', **answer)), [])
        file = {"method": "GET", "query": "x-id=GetObject", "status": 200, "answer": "value: longshore-canary-a"}
        self.assertEqual(self.faults_of(call("s3", path="/state/stacks/shop.yaml", **file)), [])
        self.assertEqual(len(self.faults_of(call("s3", path="/state/routes/shop.json", **file))), 1)


def statement(action, resource, **members):
    document = {"Statement": {"Effect": "Allow", "Action": action, "Resource": resource, **members}}
    (only,) = authorization.statements("somebody", document)
    return only


def wrong_with(*arguments, **members):
    return [finding for _, finding in authorization.faults(statement(*arguments, **members))]


class Authorization(unittest.TestCase):
    QUEUE = "arn:aws:sqs:eu-west-1:111122223333:shop"
    SERVICE = "arn:aws:ecs:eu-west-1:111122223333:service/shop/*"

    def test_actions_exist_and_their_resources_have_the_form_that_they_are_checked_against(self):
        self.assertEqual(wrong_with("ecs:UpdateService", self.SERVICE), [])
        self.assertEqual(wrong_with("ecs:UpgradeService", "*"), ["is not an action"])
        both = wrong_with("ecs:UpdateService", [self.SERVICE, self.QUEUE])
        self.assertEqual(both, ["is a resource of none of the actions"])
        self.assertIn("is checked against service, none of which is named", wrong_with("ecs:UpdateService", self.QUEUE))

    def test_an_action_without_resource_level_needs_the_star(self):
        self.assertEqual(wrong_with("ecs:DescribeTaskDefinition", "*"), [])
        found = wrong_with("ecs:DescribeTaskDefinition", self.SERVICE)[0]
        self.assertTrue(found.startswith("is checked against no resource"), found)

    def test_a_condition_that_no_request_has_is_reported(self):
        condition = {"ArnLike": {"ecs:cluster": "*"}}
        self.assertEqual(wrong_with("ecs:UpdateService", self.SERVICE, Condition=condition), [])
        condition = {"StringEquals": {"kms:ViaService": "s3"}}
        self.assertEqual(
            wrong_with("ecs:UpdateService", self.SERVICE, Condition=condition),
            ["has no condition key kms:ViaService: the statement never matches"],
        )

    def test_a_bucket_is_not_an_object(self):
        bucket = "arn:aws:s3:::${BucketName}"
        self.assertTrue(authorization.overlap(bucket, "arn:aws:s3:::homebrew-*"))
        self.assertFalse(authorization.overlap(bucket, "arn:aws:s3:::state/routes/*"))

    def test_every_resource_type_that_is_always_checked_must_be_named(self):
        cluster = "arn:aws:ecs:eu-west-1:111122223333:cluster/shop"
        instance = "arn:aws:ecs:eu-west-1:111122223333:container-instance/shop/*"
        action = "ecs:PutSystemLogEvents"
        self.assertEqual(list(authorization.never_complete([statement(action, [cluster, instance])])), [])
        ((found, _),) = authorization.never_complete([statement(action, instance)])
        self.assertEqual(found, action)

    def test_a_boundary_covers_what_it_names(self):
        limit = statement(["s3:GetObject", "sqs:*"], "*")
        self.assertTrue(authorization.covers(limit, "s3:GetObject", ["arn:aws:s3:::state/*"]))
        self.assertTrue(authorization.covers(limit, "sqs:SendMessage", [self.QUEUE]))
        self.assertFalse(authorization.covers(limit, "s3:PutObject", ["arn:aws:s3:::state/*"]))


class LeastPrivilege(unittest.TestCase):
    FUNCTION = {"role": "longshore-deploy", "session": "longshore-deploy", "policy": "work"}

    def uses(self, *lines):
        with tempfile.TemporaryDirectory() as folder:
            text = "".join(json.dumps(line) + "\n" for line in lines)
            Path(folder, "permissions.jsonl").write_text(text)
            return least_privilege.uses([Path(folder, "calls.jsonl")])

    def faults(self, granted, *lines):
        return list(least_privilege.faults(granted, self.uses(*lines)))

    def use(self, action, statement="Read", alone=True, **others):
        return {**self.FUNCTION, "statement": statement, "action": action, "alone": alone, **others}

    def test_a_statement_that_nothing_needs_is_told_with_its_actions(self):
        granted = {("deploy", "Read"): {"s3:GetObject", "s3:ListBucket"}}
        expected = [("deploy: Read", "is needed by nothing: s3:GetObject, s3:ListBucket")]
        self.assertEqual(self.faults(granted), expected)
        # Another statement allows the same.
        self.assertEqual(self.faults(granted, self.use("s3:GetObject", alone=False)), expected)
        self.assertEqual(self.faults(granted, self.use("s3:GetObject"), self.use("s3:ListBucket")), [])

    def test_an_action_of_a_statement_that_is_needed_must_be_needed_itself(self):
        granted = {("deploy", "Read"): {"s3:GetObject", "s3:ListBucket"}}
        known = self.use("s3:GetObject")
        self.assertEqual(self.faults(granted, known), [("deploy: Read", "s3:ListBucket was never used")])
        self.assertEqual(
            self.faults(granted, known, self.use("s3:ListBucket", alone=False)),
            [("deploy: Read", "s3:ListBucket is allowed by another statement, too")],
        )

    def test_what_a_test_does_with_a_function_s_role_is_no_use(self):
        granted = {("deploy", "Read"): {"s3:GetObject"}}
        borrowed = self.use("s3:GetObject", session="credentials-1-2")
        self.assertEqual(len(self.faults(granted, borrowed)), 1)

    def test_roles_of_templates_are_judged_together_and_a_stack_file_s_own_statements_are_not(self):
        own = authorization.statements("whole/TaskRoleApi", {"Statement": {"Effect": "Allow", "Action": "s3:*"}})
        shards = statement("events:PutEvents", "*", Sid="TellShards")
        statements = {"whole/TaskRoleApi": [*own, shards], "whole/ExecutionRoleApi": [shards]}
        granted = least_privilege.granted(statements)
        self.assertEqual(granted, {("templates", "TellShards"): {"events:PutEvents"}})
        use = self.use("events:PutEvents", "TellShards", role="shop-TaskRoleApi-1", session="ecs-task")
        self.assertEqual(self.faults(granted, use), [])


if __name__ == "__main__":
    unittest.main()
