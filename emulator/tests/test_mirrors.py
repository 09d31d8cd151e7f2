"""What a mirror of bottles needs of AWS: buckets in stacks, schedules that call functions with their roles, and a
file system whose throughput cannot be lowered again at once."""

import copy
import json

from tests.running_cloud import CloudTest, allow, error_code, unique, wait_until
from tests.stacks import Stack, attribute, document, resource, service_role, template, trust, whole

BLOCKS = {"BlockPublicAcls": True, "BlockPublicPolicy": True, "IgnorePublicAcls": True, "RestrictPublicBuckets": True}


def bucket(name, days=None, **members):
    rules = [
        {
            "Id": "AbortIncompleteMultipartUploads",
            "Status": "Enabled",
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        }
    ]
    properties = {
        "BucketName": name,
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
        "LifecycleConfiguration": {"Rules": rules},
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        "PublicAccessBlockConfiguration": BLOCKS,
        "Tags": [{"Key": "longshore:bucket", "Value": "bottles"}],
    }
    if days:
        properties["VersioningConfiguration"] = {"Status": "Enabled"}
        rules.append(
            {
                "Id": "ExpireNoncurrentVersions",
                "Status": "Enabled",
                "NoncurrentVersionExpiration": {"NoncurrentDays": days},
                "ExpiredObjectDeleteMarker": True,
            }
        )
    return {"Type": "AWS::S3::Bucket", "Properties": properties, **members}


class Buckets(CloudTest):
    def setUp(self):
        self.s3 = self.cloud.client("s3")

    def _delete(self, stack, becomes="DELETE_COMPLETE"):
        stack.client.delete_stack(StackName=stack.id)
        wait_until(f"{stack.name} is {becomes}", lambda: stack.status() == becomes)

    def test_what_the_template_says_of_a_bucket_is_what_s3_shows(self):
        name = unique("bottles")
        stack = Stack()
        outputs = {"Arn": {"Value": attribute("Bottles", "Arn")}}
        status = stack.create(template({"Bottles": bucket(name)}, Outputs=outputs))
        self.assertEqual(status, "CREATE_COMPLETE", stack.reasons("CREATE_FAILED"))
        described = stack.client.describe_stacks(StackName=stack.name)["Stacks"][0]
        self.assertEqual(described["Outputs"][0]["OutputValue"], f"arn:aws:s3:::{name}")
        encryption = self.s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
        self.assertEqual(encryption[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"], "AES256")
        blocks = self.s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
        self.assertEqual(blocks, BLOCKS)
        controls = self.s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]["Rules"]
        self.assertEqual(controls, [{"ObjectOwnership": "BucketOwnerEnforced"}])
        (rule,) = self.s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
        self.assertEqual(rule["AbortIncompleteMultipartUpload"], {"DaysAfterInitiation": 1})
        self.assertNotIn("Status", self.s3.get_bucket_versioning(Bucket=name))
        tags = self.s3.get_bucket_tagging(Bucket=name)["TagSet"]
        self.assertIn({"Key": "longshore:bucket", "Value": "bottles"}, tags)

        status = stack.apply(template({"Bottles": bucket(name, days=7)}, Outputs=outputs))
        self.assertEqual(status, "UPDATE_COMPLETE", stack.reasons("UPDATE_FAILED"))
        self.assertEqual(self.s3.get_bucket_versioning(Bucket=name)["Status"], "Enabled")
        rules = self.s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
        self.assertEqual(rules[1]["NoncurrentVersionExpiration"], {"NoncurrentDays": 7})
        drift = stack.drifts()["Bottles"]
        self.assertEqual(drift["StackResourceDriftStatus"], "IN_SYNC", drift.get("PropertyDifferences"))
        self.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Suspended"})
        self.assertEqual(stack.drifts()["Bottles"]["StackResourceDriftStatus"], "MODIFIED")

        self._delete(stack)
        self.assertEqual(error_code(self.s3.head_bucket, Bucket=name)[0], "404")

    def test_a_bucket_that_is_not_empty_is_not_deleted(self):
        name = unique("bottles")
        stack = Stack().made(template({"Bottles": bucket(name)}))
        self.s3.put_object(Bucket=name, Key="boost.tar.gz", Body=b"x")
        self._delete(stack, "DELETE_FAILED")
        self.assertIn("not empty", stack.reasons("DELETE_FAILED")["Bottles"])
        self.s3.delete_object(Bucket=name, Key="boost.tar.gz")
        self._delete(stack)

    def test_a_bucket_is_made_with_the_rights_of_the_stacks_role(self):
        name, other = unique("bottles"), unique("bottles")
        actions = ["s3:CreateBucket", "s3:DeleteBucket", "s3:PutBucket*", "s3:PutEncryptionConfiguration"]
        role = service_role([allow(actions, f"arn:aws:s3:::{name}")])
        stack = Stack(role=role)
        self.assertEqual(stack.create(template({"Bottles": bucket(name)})), "ROLLBACK_COMPLETE")
        self.assertIn("s3:PutLifecycleConfiguration", stack.reasons("CREATE_FAILED")["Bottles"])
        # What was begun is gone.
        self.assertEqual(error_code(self.s3.head_bucket, Bucket=name)[0], "404")

        role = service_role([allow([*actions, "s3:PutLifecycleConfiguration"], f"arn:aws:s3:::{name}")])
        self.assertEqual(Stack(role=role).create(template({"Bottles": bucket(name)})), "CREATE_COMPLETE")
        refused = Stack(role=role)
        self.assertEqual(refused.create(template({"Bottles": bucket(other)})), "ROLLBACK_COMPLETE")
        self.assertIn("s3:CreateBucket", refused.reasons("CREATE_FAILED")["Bottles"])

    def test_a_name_that_is_taken_fails_with_the_reason(self):
        name = self.cloud.bucket()
        stack = Stack()
        self.assertEqual(stack.create(template({"Bottles": bucket(name)})), "ROLLBACK_COMPLETE")
        self.assertIn("HandlerErrorCode: AlreadyExists", stack.reasons("CREATE_FAILED")["Bottles"])
        self.s3.head_bucket(Bucket=name)

    def test_a_bucket_that_stayed_is_imported_and_then_changed(self):
        name = unique("bottles")
        kept = bucket(name, DeletionPolicy="Retain", UpdateReplacePolicy="Retain")
        stack = Stack().made(template({"Bottles": kept}))
        self.s3.put_object(Bucket=name, Key="boost.tar.gz", Body=b"x")
        self._delete(stack)
        again = Stack()
        resources = [
            {
                "ResourceType": "AWS::S3::Bucket",
                "LogicalResourceId": "Bottles",
                "ResourceIdentifier": {"BucketName": name},
            }
        ]
        status = again.apply(template({"Bottles": kept}), "IMPORT", ResourcesToImport=resources)
        self.assertEqual(status, "IMPORT_COMPLETE")
        other = copy.deepcopy(kept)
        other["Properties"]["VersioningConfiguration"] = {"Status": "Enabled"}
        self.assertEqual(again.apply(template({"Bottles": other})), "UPDATE_COMPLETE")
        self.assertEqual(self.s3.get_bucket_versioning(Bucket=name)["Status"], "Enabled")
        self.assertEqual(self.s3.get_object(Bucket=name, Key="boost.tar.gz")["Body"].read(), b"x")


class Schedules(CloudTest):
    def _schedule(self, function, role, **target):
        self.cloud.client("scheduler").create_schedule(
            Name=unique("schedule"),
            ScheduleExpression="at(2020-01-01T00:00:00)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": function, "RoleArn": role, **target},
        )

    def test_a_schedule_calls_its_function_with_its_role_and_says_what_fired(self):
        _, arn, journal = self.cloud.function()
        role = self.cloud.role([allow("lambda:InvokeFunction", arn)], principal="scheduler.amazonaws.com")
        says = {
            "action": "run",
            "stack": "mirror",
            "schedule_arn": "<aws.scheduler.schedule-arn>",
            "scheduled_time": "<aws.scheduler.scheduled-time>",
            "execution_id": "<aws.scheduler.execution-id>",
            "attempt_number": "<aws.scheduler.attempt-number>",
        }
        self._schedule(arn, role, Input=json.dumps(says))
        (call,) = wait_until("the function is called", journal)
        event = call["event"]
        self.assertEqual((event["action"], event["stack"], event["attempt_number"]), ("run", "mirror", "1"))
        self.assertIn(":schedule/default/schedule-", event["schedule_arn"])
        self.assertRegex(event["scheduled_time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertRegex(event["execution_id"], "^[0-9a-f-]{36}$")

    def test_a_role_that_may_not_call_the_function_leaves_a_dead_letter(self):
        _, arn, journal = self.cloud.function()
        url, queue = self.cloud.queue()
        role = self.cloud.role([allow("sqs:SendMessage", queue)], principal="scheduler.amazonaws.com")
        self._schedule(arn, role, Input='{"action": "run"}', DeadLetterConfig={"Arn": queue})
        message = wait_until("a message is in the queue", lambda: self.cloud.receive(url))[0]
        self.assertEqual(json.loads(message["Body"]), {"action": "run"})
        attributes = {key: value["StringValue"] for key, value in message["MessageAttributes"].items()}
        self.assertIn("AccessDenied", attributes["ERROR_CODE"])
        self.assertEqual(attributes["TARGET_ARN"], arn)
        self.assertEqual(journal(), [])

    def test_a_task_that_ecs_refuses_to_start_leaves_a_dead_letter_that_wakes_a_function(self):
        url, queue = self.cloud.queue()
        name, _, journal = self.cloud.function(
            [allow(f"sqs:{action}", queue) for action in ("DeleteMessage", "GetQueueAttributes", "ReceiveMessage")]
        )
        self.cloud.client("lambda").create_event_source_mapping(EventSourceArn=queue, FunctionName=name, BatchSize=1)
        role = self.cloud.role([allow("sqs:SendMessage", queue)], principal="scheduler.amazonaws.com")
        account = queue.split(":")[4]
        cluster = f"arn:aws:ecs:{self.cloud.region}:{account}:cluster/any"
        self._schedule(
            cluster,
            role,
            EcsParameters={"TaskDefinitionArn": f"arn:aws:ecs:{self.cloud.region}:{account}:task-definition/any"},
            DeadLetterConfig={"Arn": queue},
        )
        (call,) = wait_until("the function is called", journal)
        (record,) = call["event"]["Records"]
        self.assertEqual((record["eventSource"], record["eventSourceARN"]), ("aws:sqs", queue))
        attributes = {key: value["stringValue"] for key, value in record["messageAttributes"].items()}
        self.assertIn("AccessDenied", attributes["ERROR_CODE"])
        self.assertIn("ecs:RunTask", attributes["ERROR_MESSAGE"])
        self.assertEqual(attributes["TARGET_ARN"], cluster)
        self.assertIn(":schedule/default/schedule-", attributes["SCHEDULE_ARN"])
        self.assertRegex(attributes["SCHEDULED_TIME"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertRegex(attributes["EXECUTION_ID"], "^[0-9a-f-]{36}$")

    def test_a_schedule_of_a_stack_calls_a_function_of_somebody_else(self):
        _, arn, journal = self.cloud.function()
        role = resource(
            "AWS::IAM::Role",
            AssumeRolePolicyDocument=trust("scheduler.amazonaws.com"),
            Policies=[{"PolicyName": "wake", "PolicyDocument": document(allow("lambda:InvokeFunction", arn))}],
        )
        schedule = resource(
            "AWS::Scheduler::Schedule",
            FlexibleTimeWindow={"Mode": "OFF"},
            ScheduleExpression="at(2020-01-01T00:00:00)",
            Target={"Arn": arn, "RoleArn": attribute("Role", "Arn"), "Input": '{"stack": "mirror"}'},
        )
        of_stack = service_role([whole("iam:*"), whole("scheduler:*")])
        Stack(role=of_stack).made(template({"Role": role, "Schedule": schedule}))
        (call,) = wait_until("the function is called", journal)
        self.assertEqual(call["event"], {"stack": "mirror"})


class Throughput(CloudTest):
    def setUp(self):
        self.efs = self.cloud.client("efs")

    def _file_system(self, **members):
        answer = self.efs.create_file_system(CreationToken=unique("files"), Encrypted=True, **members)
        return answer["FileSystemId"]

    def _update(self, identifier, **members):
        return self.efs.update_file_system(FileSystemId=identifier, **members)

    def _refused(self, identifier, **members):
        self.assert_refused("TooManyRequests", self._update, identifier, **members, saying="24 hours")

    def test_throughput_that_was_raised_stays_for_a_day(self):
        identifier = self._file_system(ThroughputMode="provisioned", ProvisionedThroughputInMibps=100)
        self._update(identifier, ThroughputMode="provisioned", ProvisionedThroughputInMibps=300)
        self._refused(identifier, ThroughputMode="provisioned", ProvisionedThroughputInMibps=100)
        self._refused(identifier, ProvisionedThroughputInMibps=299)
        self._refused(identifier, ThroughputMode="elastic")
        # More is never refused, and begins a day anew.
        self._update(identifier, ThroughputMode="provisioned", ProvisionedThroughputInMibps=400)
        (files,) = self.efs.describe_file_systems(FileSystemId=identifier)["FileSystems"]
        self.assertEqual(files["ProvisionedThroughputInMibps"], 400)
        older = {"file_system_id": identifier, "hours": 23}
        self.assertEqual(self.cloud.control("POST", "/file-systems/age", older)[0], 200)
        self._refused(identifier, ThroughputMode="provisioned", ProvisionedThroughputInMibps=100)
        self.assertEqual(self.cloud.control("POST", "/file-systems/age", {**older, "hours": 1.5})[0], 200)
        self._update(identifier, ThroughputMode="provisioned", ProvisionedThroughputInMibps=100)

    def test_a_mode_that_was_switched_to_stays_for_a_day(self):
        identifier = self._file_system(ThroughputMode="bursting")
        self._update(identifier, ThroughputMode="provisioned", ProvisionedThroughputInMibps=10)
        self._refused(identifier, ThroughputMode="bursting")
        older = {"file_system_id": identifier, "hours": 24}
        self.assertEqual(self.cloud.control("POST", "/file-systems/age", older)[0], 200)
        self._update(identifier, ThroughputMode="bursting")

    def test_what_was_never_raised_has_no_age(self):
        identifier = self._file_system(ThroughputMode="provisioned", ProvisionedThroughputInMibps=100)
        status, _, answer = self.cloud.control("POST", "/file-systems/age", {"file_system_id": identifier, "hours": 25})
        self.assertEqual(status, 400)
        self.assertIn("never raised", answer["error"])
        self.assertEqual(self.cloud.control("POST", "/file-systems/age", {"hours": "many"})[0], 400)

    def test_only_file_systems_of_stacks_are_changed_where_a_policy_says_so(self):
        ours = self._file_system(Tags=[{"Key": "longshore:stack", "Value": "mirror"}])
        others = self._file_system()
        pattern = f"arn:aws:elasticfilesystem:{self.cloud.region}:{self.cloud.account}:file-system/*"
        condition = {"Null": {"aws:ResourceTag/longshore:stack": "false"}}
        limited = self.cloud.limited_client(
            "efs",
            [
                allow("elasticfilesystem:UpdateFileSystem", pattern, Condition=condition),
                allow(["elasticfilesystem:DescribeFileSystems", "elasticfilesystem:DescribeMountTargets"], pattern),
            ],
        )
        limited.update_file_system(FileSystemId=ours, ThroughputMode="elastic")
        code, _ = error_code(limited.update_file_system, FileSystemId=others, ThroughputMode="elastic")
        self.assertIn("AccessDenied", code)
        self.assertEqual(len(limited.describe_file_systems(FileSystemId=ours)["FileSystems"]), 1)
        self.assertEqual(limited.describe_mount_targets(FileSystemId=ours)["MountTargets"], [])
