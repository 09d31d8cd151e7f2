"""CloudFormation as AWS has it: change sets, the states of a stack, permissions, rollbacks, retention, drift."""

import json

from tests.running_cloud import SERVE, CloudTest, allow, error_code, fail, unique, wait_until
from tests.stacks import (
    Stack, attribute, caller, document, log_group, reference, resource, service_role, template, trust, whole,
)

NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."


class ChangeSets(CloudTest):
    def test_a_first_change_set_leaves_a_stack_in_review_that_can_be_deleted(self):
        stack = Stack()
        name = stack.change_set(template({"Logs": log_group()}), "CREATE")
        self.assertEqual(stack.status(), "REVIEW_IN_PROGRESS")
        first = stack.id
        stack.change_set(template({"Logs": log_group(days=7)}), "CREATE")
        self.assertEqual(stack.id, first)
        change = stack.described(name)["Changes"][0]["ResourceChange"]
        self.assertEqual((change["Action"], change["LogicalResourceId"]), ("Add", "Logs"))
        self.assertEqual(stack.delete(), "DELETE_COMPLETE")
        self.assertIn("does not exist", error_code(stack.client.describe_stacks, StackName=stack.name)[1])

    def test_the_same_template_twice_changes_nothing(self):
        stack, body = Stack(), template({"Logs": log_group()})
        self.assertEqual(stack.create(body), "CREATE_COMPLETE")
        found = stack.described(stack.change_set(body))
        self.assertEqual((found["Status"], found["StatusReason"]), ("FAILED", NO_CHANGES))
        self.assertEqual(found["ExecutionStatus"], "UNAVAILABLE")

    def test_another_output_alone_is_a_change(self):
        stack, body = Stack(), template({"Logs": log_group()})
        stack.create(body)
        self.assertEqual(stack.apply({**body, "Outputs": {"Name": {"Value": reference("Logs")}}}), "UPDATE_COMPLETE")

    def test_a_change_set_shows_what_was_and_what_will_be(self):
        cluster = resource("AWS::ECS::Cluster")
        service = {
            "Type": "AWS::ECS::TaskDefinition",
            "Properties": {"Family": unique("family"), "ContainerDefinitions": [{"Name": "app", "Image": "one"}]},
            "UpdateReplacePolicy": "Retain",
        }
        stack = Stack().made(template({"Logs": log_group(), "Cluster": cluster, "Task": service}))
        changed = json.loads(json.dumps(service))
        changed["Properties"]["ContainerDefinitions"][0]["Image"] = "two"
        body = template({"Logs": log_group(days=90), "Task": changed})
        name = stack.change_set(body)
        changes = {
            one["ResourceChange"]["LogicalResourceId"]: one["ResourceChange"]
            for one in stack.described(name, IncludePropertyValues=True)["Changes"]
        }
        self.assertEqual({name: one["Action"] for name, one in changes.items()}, {
            "Cluster": "Remove", "Logs": "Modify", "Task": "Modify",
        })
        self.assertEqual((changes["Logs"]["Replacement"], changes["Task"]["Replacement"]), ("False", "True"))
        self.assertEqual(changes["Task"]["PolicyAction"], "ReplaceAndRetain")
        self.assertEqual(changes["Cluster"]["PolicyAction"], "Delete")
        (detail,) = changes["Logs"]["Details"]
        target = detail["Target"]
        self.assertEqual((target["Path"], target["BeforeValue"], target["AfterValue"]), (
            "/Properties/RetentionInDays", "30", "90",
        ))
        (detail,) = changes["Task"]["Details"]
        self.assertEqual(detail["Target"]["Path"], "/Properties/ContainerDefinitions/0/Image")
        self.assertEqual(detail["Target"]["RequiresRecreation"], "Always")
        self.assertEqual(json.loads(changes["Logs"]["AfterContext"])["Properties"]["RetentionInDays"], 90)
        plain = stack.described(name)["Changes"][0]["ResourceChange"]
        self.assertNotIn("BeforeContext", plain)

    def test_roles_in_a_template_must_be_acknowledged(self):
        role = resource("AWS::IAM::Role", AssumeRolePolicyDocument=trust("ec2.amazonaws.com"))
        stack = Stack()
        refused = error_code(stack.change_set, template({"Role": role}), "CREATE", Capabilities=[])
        self.assertEqual(refused, ("InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_IAM]"))

    def test_a_template_over_the_limit_goes_by_s3_and_is_read_with_the_callers_permission(self):
        s3, bucket = self.cloud.client("s3"), self.cloud.bucket()
        body = template({"Logs": log_group()}, Metadata={"Filler": "x" * 60000})
        limit = "at 'templateBody' failed to satisfy constraint: Member must have length less than"
        self.assert_refused("ValidationError", Stack().change_set, body, "CREATE", saying=limit)
        s3.put_object(Bucket=bucket, Key="templates/shop.json", Body=json.dumps(body).encode())
        url = f"{self.cloud.description['endpoint']}/{bucket}/templates/shop.json"
        stack = Stack(caller([whole("cloudformation:*")]))
        self.assert_refused("ValidationError", stack.change_set, None, "CREATE", TemplateURL=url, saying="S3 error: ")
        allowed = [whole("cloudformation:*"), whole("logs:*"), allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*")]
        self.assertEqual(Stack(caller(allowed)).create(None, TemplateURL=url), "CREATE_COMPLETE")
        virtual = f"https://{bucket}.s3.{self.cloud.region}.amazonaws.com/templates/shop.json"
        self.assertEqual(Stack().create(None, TemplateURL=virtual), "CREATE_COMPLETE")

    def test_what_is_not_to_be_echoed_is_hidden_everywhere(self):
        secret = resource("AWS::SecretsManager::Secret", SecretString=reference("Key"))
        parameters = {"Key": {"Type": "String", "NoEcho": True}}
        stack, body = Stack(), template({"Secret": secret}, Parameters=parameters)
        self.assertEqual(stack.create(body, {"Key": "hush-hush"}), "CREATE_COMPLETE")
        value = self.cloud.client("secretsmanager").get_secret_value
        arn = stack.physical_ids()["Secret"]
        self.assertEqual(value(SecretId=arn)["SecretString"], "hush-hush")
        name = stack.change_set(body, parameters={"Key": "other-word"})
        shown = stack.described(name, IncludePropertyValues=True)
        self.assertEqual(shown["Parameters"], [{"ParameterKey": "Key", "ParameterValue": "****"}])
        self.assertEqual(shown["Changes"][0]["ResourceChange"]["LogicalResourceId"], "Secret")
        everything = json.dumps([shown, stack.client.describe_stacks(StackName=stack.name)], default=str)
        everything += json.dumps([stack.events(), stack.drifts()], default=str)
        self.assertNotIn("hush-hush", everything)
        self.assertNotIn("other-word", everything)
        self.assertIn("****", everything)
        same = stack.described(stack.change_set(body, parameters={"Key": None}))
        self.assertEqual(same["StatusReason"], NO_CHANGES)
        self.assertEqual(stack.apply(body, parameters={"Key": "other-word"}), "UPDATE_COMPLETE")
        self.assertEqual(value(SecretId=arn)["SecretString"], "other-word")

    def test_parameters_are_checked_in_one_go(self):
        body = template({"Logs": log_group()}, Parameters={"A": {"Type": "String"}, "B": {"Type": "String"}})
        self.assertEqual(error_code(Stack().change_set, body, "CREATE")[1], "Parameters: [A, B] must have values")
        body = template({"Logs": log_group()})
        self.assertEqual(
            error_code(Stack().change_set, body, "CREATE", {"C": "c"})[1],
            "Parameters: [C] do not exist in the template",
        )

    def test_a_parameter_has_at_most_4096_bytes(self):
        secret = resource("AWS::SecretsManager::Secret", SecretString=reference("Key"))
        body = template({"Secret": secret}, Parameters={"Key": {"Type": "String", "NoEcho": True}})
        self.assert_refused("ValidationError", Stack().change_set, body, "CREATE", {"Key": "ä" * 2049}, saying="4096")
        self.assertEqual(Stack().create(body, {"Key": "ä" * 2048}), "CREATE_COMPLETE")

    def test_a_tokens_second_request_makes_nothing_new(self):
        stack, body = Stack(), template({"Logs": log_group()})
        request = dict(
            StackName=stack.name,
            ChangeSetName="same",
            ChangeSetType="CREATE",
            TemplateBody=json.dumps(body),
            ClientToken="token-1",
        )
        first, second = stack.client.create_change_set(**request), stack.client.create_change_set(**request)
        self.assertEqual((first["Id"], first["StackId"]), (second["Id"], second["StackId"]))
        other = {**request, "ClientToken": "token-2"}
        self.assertEqual(error_code(stack.client.create_change_set, **other)[0], "AlreadyExistsException")
        stack.id = first["StackId"]
        for _ in range(2):
            stack.client.execute_change_set(
                StackName=stack.name, ChangeSetName="same", ClientRequestToken="operation-1"
            )
        self.assertEqual(stack.settled(), "CREATE_COMPLETE")

    def test_the_summary_carries_the_templates_metadata(self):
        stack = Stack()
        body = template({"Logs": log_group()}, Metadata={"Longshore": {"Version": 1}})
        stack.create(body)
        summary = stack.client.get_template_summary(StackName=stack.name)
        self.assertEqual(json.loads(summary["Metadata"]), {"Longshore": {"Version": 1}})
        self.assertEqual(stack.client.get_template(StackName=stack.name)["TemplateBody"], body)


class States(CloudTest):
    def _bad(self):
        return log_group(days=8)

    def test_a_failed_creation_leaves_nothing_and_can_only_be_deleted(self):
        stack = Stack()
        bad = {**self._bad(), "DependsOn": "Good"}
        self.assertEqual(stack.create(template({"Good": log_group(), "Bad": bad})), "ROLLBACK_COMPLETE")
        self.assertEqual(
            stack.reasons("CREATE_FAILED")["Bad"],
            "Properties validation failed for resource Bad with message:\n"
            "#/RetentionInDays: failed validation constraint for keyword [enum]",
        )
        self.assertEqual(
            stack.reasons("ROLLBACK_IN_PROGRESS")[stack.name],
            "The following resource(s) failed to create: [Bad]. Rollback requested by user.",
        )
        self.assertIn("Good", stack.reasons("DELETE_COMPLETE"))
        good, stuck = template({"Logs": log_group()}), "is in ROLLBACK_COMPLETE state and can not be updated."
        self.assertEqual(error_code(stack.change_set, good), ("ValidationError", f"Stack:{stack.id} {stuck}"))
        again = "already exists and cannot be created again with the changeSet"
        self.assert_refused("ValidationError", stack.change_set, good, "CREATE", saying=again)
        self.assertEqual(stack.delete(), "DELETE_COMPLETE")
        self.assertEqual(stack.create(good), "CREATE_COMPLETE")

    def test_a_failing_update_restores_everything(self):
        stack = Stack()
        first = template({"Logs": log_group(days=7), "Other": log_group()}, Outputs={"N": {"Value": "one"}})
        stack.create(first)
        names = stack.physical_ids()
        added = {**log_group(), "DependsOn": "Logs"}
        bad = {**self._bad(), "DependsOn": "Added"}
        second = template({"Logs": log_group(days=14), "Added": added, "Bad": bad}, Outputs={"N": {"Value": "two"}})
        self.assertEqual(stack.apply(second), "UPDATE_ROLLBACK_COMPLETE")
        self.assertEqual(stack.physical_ids(), names)
        found = self.cloud.client("logs").describe_log_groups(logGroupNamePrefix=stack.name)["logGroups"]
        self.assertEqual({one["logGroupName"]: one["retentionInDays"] for one in found}, {
            names["Logs"]: 7, names["Other"]: 30,
        })
        statuses = [
            event["ResourceStatus"] for event in reversed(stack.events()) if event["LogicalResourceId"] == stack.name
        ]
        self.assertEqual(statuses[-4:], [
            "UPDATE_IN_PROGRESS",
            "UPDATE_ROLLBACK_IN_PROGRESS",
            "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
            "UPDATE_ROLLBACK_COMPLETE",
        ])
        described = stack.client.describe_stacks(StackName=stack.name)["Stacks"][0]
        self.assertEqual(described["Outputs"][0]["OutputValue"], "one")
        self.assertEqual(stack.client.get_template(StackName=stack.name)["TemplateBody"], first)
        self.assertEqual(stack.apply(template({"Logs": log_group(days=14)})), "UPDATE_COMPLETE")

    def test_a_rollback_that_failed_is_continued(self):
        stack = Stack().made(template({"Logs": log_group(days=7)}))
        self.addCleanup(self.cloud.control, "DELETE", "/faults")
        name = stack.physical_ids()["Logs"]
        text = f'"{name}", "retentionInDays": 7'
        fault = {"action": "logs:PutRetentionPolicy", "fault": "failed", "containing": text}
        self.assertEqual(self.cloud.control("POST", "/faults", fault)[0], 200)
        bad = {**self._bad(), "DependsOn": "Logs"}
        self.assertEqual(stack.apply(template({"Logs": log_group(days=14), "Bad": bad})), "UPDATE_ROLLBACK_FAILED")
        stack.client.continue_update_rollback(StackName=stack.name)
        wait_until("the rollback is complete", lambda: stack.status() == "UPDATE_ROLLBACK_COMPLETE")
        (group,) = self.cloud.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        self.assertEqual(group["retentionInDays"], 7)

    def test_only_what_changes_is_touched(self):
        stack = Stack().made(template({"Logs": log_group(), "Other": log_group()}))
        before = len(stack.events())
        stack.apply(template({"Logs": log_group(days=7), "Other": log_group()}))
        new = stack.events()[: len(stack.events()) - before]
        self.assertNotIn("Other", {event["LogicalResourceId"] for event in new})

    def test_resources_are_made_after_what_they_need_and_deleted_before_it(self):
        alias = resource("AWS::KMS::Alias", AliasName=f"alias/{unique('key')}", TargetKeyId=reference("ZKey"))
        stack = Stack().made(template({"Alias": alias, "ZKey": resource("AWS::KMS::Key")}))
        stack.delete()
        order = [
            (event["LogicalResourceId"], event["ResourceStatus"])
            for event in reversed(stack.events())
            if event["ResourceStatus"].endswith("_COMPLETE") and event["LogicalResourceId"] != stack.name
        ]
        self.assertEqual(order, [
            ("ZKey", "CREATE_COMPLETE"), ("Alias", "CREATE_COMPLETE"),
            ("Alias", "DELETE_COMPLETE"), ("ZKey", "DELETE_COMPLETE"),
        ])

    def test_a_failed_creation_can_be_left_as_it_is(self):
        for execute, options in (({"DisableRollback": True}, {}), ({}, {"OnStackFailure": "DO_NOTHING"})):
            stack = Stack()
            bad = {**self._bad(), "DependsOn": "Good"}
            stack.begin(template({"Good": log_group(), "Bad": bad}), "CREATE", execute=execute, **options)
            self.assertEqual(stack.settled(), "CREATE_FAILED")
            self.assertIn("Good", stack.physical_ids())
            self.assertEqual(stack.delete(), "DELETE_COMPLETE")

    def test_an_update_that_was_left_as_it_failed_is_rolled_back_on_request(self):
        stack = Stack().made(template({"Logs": log_group(days=7)}))
        bad = {**self._bad(), "DependsOn": "Logs"}
        stack.begin(template({"Logs": log_group(days=14), "Bad": bad}), execute={"DisableRollback": True})
        self.assertEqual(stack.settled(), "UPDATE_FAILED")
        stack.client.rollback_stack(StackName=stack.name)
        wait_until("the rollback is complete", lambda: stack.status() == "UPDATE_ROLLBACK_COMPLETE")
        name = stack.physical_ids()["Logs"]
        (group,) = self.cloud.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        self.assertEqual(group["retentionInDays"], 7)

    def test_a_protected_stack_is_not_deleted(self):
        stack = Stack().made(template({"Logs": log_group()}))
        stack.client.update_termination_protection(StackName=stack.name, EnableTerminationProtection=True)
        protected = "cannot be deleted while TerminationProtection is enabled"
        self.assert_refused("ValidationError", stack.delete, saying=protected)

    def test_a_stack_that_changes_takes_no_other_change(self):
        cluster = unique("cluster")
        stack, body = Stack(), service_template(cluster, self.cloud.built(f"shop/{cluster}", SERVE))
        stack.begin(body, "CREATE")
        changing = f"Stack:{stack.id} is in CREATE_IN_PROGRESS state and can not be updated."
        self.assertEqual(error_code(stack.change_set, body), ("ValidationError", changing))
        self.assertEqual(stack.settled(), "CREATE_COMPLETE")

    def test_a_stack_can_be_deleted_while_it_is_made(self):
        cluster = unique("cluster")
        body = service_template(cluster, self.cloud.built(f"shop/{cluster}", fail(1)), breaker=False)
        stack = Stack()
        stack.begin(body, "CREATE")
        wait_until("the service is being made", lambda: "Service" in stack.reasons("CREATE_IN_PROGRESS"))
        self.assertEqual(stack.delete(), "DELETE_COMPLETE")
        found = self.cloud.client("ecs").describe_clusters(clusters=[cluster])["clusters"]
        self.assertFalse([one for one in found if one["status"] == "ACTIVE"])

    def test_every_status_is_published_on_the_bus_with_the_operations_token(self):
        stack = Stack()
        stack.begin(template({"Logs": log_group()}), "CREATE", execute={"ClientRequestToken": "operation-7"})
        stack.settled()

        def published():
            return self.cloud.events(
                "CloudFormation Stack Status Change", lambda event: event["detail"]["stack-id"] == stack.id
            )

        wait_until("the end is published", lambda: len(published()) >= 3)
        self.assertEqual([one["detail"]["status-details"]["status"] for one in published()], [
            "REVIEW_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_COMPLETE",
        ])
        last = published()[-1]
        self.assertEqual((last["source"], last["resources"]), ("aws.cloudformation", [stack.id]))
        self.assertEqual(last["detail"], {
            "stack-id": stack.id,
            "status-details": {"status": "CREATE_COMPLETE", "status-reason": ""},
            "client-request-token": "operation-7",
        })
        self.assertTrue(all(one.get("ClientRequestToken") == "operation-7" for one in stack.events()[:-1]))


def service_template(cluster, image, breaker=True, **properties):
    return template({
        "Cluster": resource("AWS::ECS::Cluster", ClusterName=cluster),
        "Task": {
            "Type": "AWS::ECS::TaskDefinition",
            "DeletionPolicy": "Retain",
            "UpdateReplacePolicy": "Retain",
            "Properties": {
                "Family": cluster,
                "ContainerDefinitions": [{"Name": "app", "Image": image, "StopTimeout": 2}],
            },
        },
        "Service": resource(
            "AWS::ECS::Service",
            ServiceName="api",
            Cluster=reference("Cluster"),
            TaskDefinition=reference("Task"),
            DeploymentConfiguration={
                "DeploymentCircuitBreaker": {"Enable": breaker, "Rollback": breaker},
                "MaximumPercent": 200,
                "MinimumHealthyPercent": 100,
            },
            **properties,
        ),
    })


class Services(CloudTest):
    def setUp(self):
        self.cluster = unique("cluster")
        self.ecs = self.cloud.client("ecs")

    def _image(self, command):
        return self.cloud.built(f"shop/{self.cluster}", command)

    def _service(self):
        return self.ecs.describe_services(cluster=self.cluster, services=["api"])["services"][0]

    def test_a_service_is_waited_for_and_drained(self):
        stack = Stack().made(service_template(self.cluster, self._image(SERVE)))
        service = self._service()
        self.assertEqual((service["desiredCount"], service["runningCount"]), (1, 1))
        (deployment,) = service["deployments"]
        self.assertEqual(deployment["rolloutState"], "COMPLETED")
        (task,) = self.ecs.list_tasks(cluster=self.cluster)["taskArns"]
        task_definition = stack.physical_ids()["Task"]
        self.assertEqual(stack.delete(), "DELETE_COMPLETE")
        # The cluster is gone, and so are the containers; the retained revision can still be run.
        self.assertFalse([one for one in self.cloud.control("GET", "/containers")[2] if one["task"] == task])
        found = self.ecs.describe_task_definition(taskDefinition=task_definition)["taskDefinition"]
        self.assertEqual(found["status"], "ACTIVE")
        self.assertIn("Task", stack.reasons("DELETE_SKIPPED"))

    def test_an_update_that_the_circuit_breaker_ends_is_rolled_back(self):
        stack, good = Stack(), self._image(SERVE)
        stack.create(service_template(self.cluster, good))
        first = stack.physical_ids()["Task"]
        status = stack.apply(service_template(self.cluster, self._image(fail(3))))
        self.assertEqual(status, "UPDATE_ROLLBACK_COMPLETE")
        self.assertIn("ECS Deployment Circuit Breaker was triggered", stack.reasons("UPDATE_FAILED")["Service"])
        self.assertEqual(
            stack.reasons("UPDATE_ROLLBACK_IN_PROGRESS")[stack.name],
            "The following resource(s) failed to update: [Service]. ",
        )
        self.assertEqual(stack.physical_ids()["Task"], first)
        self.assertEqual(self._service()["taskDefinition"], first)
        self.assertEqual(self._service()["runningCount"], 1)

    def test_what_the_service_refuses_fails_in_its_words(self):
        stack, image = Stack(), self._image(SERVE)
        stack.create(service_template(self.cluster, image))
        body = service_template(self.cluster, image)
        body["Resources"]["Task"]["Properties"].update(
            Cpu="256", Memory="4096", NetworkMode="awsvpc", RequiresCompatibilities=["FARGATE"]
        )
        self.assertEqual(stack.apply(body), "UPDATE_ROLLBACK_COMPLETE")
        self.assertRegex(
            stack.reasons("UPDATE_FAILED")["Task"],
            r'^Resource handler returned message: "No Fargate configuration exists for given values. '
            r'\(Service: AmazonECS, Status Code: 400, Request ID: .*\)" '
            r"\(RequestToken: .*, HandlerErrorCode: InvalidRequest\)$",
        )

    def test_a_creation_that_the_circuit_breaker_ends_is_rolled_back(self):
        stack = Stack()
        status = stack.create(service_template(self.cluster, self._image(fail(3))))
        self.assertEqual(status, "ROLLBACK_COMPLETE")
        self.assertIn("Circuit Breaker", stack.reasons("CREATE_FAILED")["Service"])
        self.assertIn("Service", stack.reasons("DELETE_COMPLETE"))

    def test_a_count_that_the_template_leaves_out_stays_as_it_is(self):
        stack, image = Stack(), self._image(SERVE)
        stack.create(service_template(self.cluster, image))
        self.ecs.update_service(cluster=self.cluster, service="api", desiredCount=3)
        stack.apply(service_template(self.cluster, image, HealthCheckGracePeriodSeconds=30, PropagateTags="SERVICE"))
        service = self._service()
        self.assertEqual(service["desiredCount"], 3)
        self.assertEqual(service["healthCheckGracePeriodSeconds"], 30)
        self.assertEqual(service["propagateTags"], "SERVICE")
        stack.apply(service_template(self.cluster, image, DesiredCount=2))
        self.assertEqual(self._service()["desiredCount"], 2)

    def test_metadata_of_a_service_changes_the_stack_and_deploys_nothing(self):
        stack, image = Stack(), self._image(SERVE)

        def body(of_template, of_service):
            given = service_template(self.cluster, image)
            given["Metadata"] = {"followed": of_template}
            given["Resources"]["Service"]["Metadata"] = {"followed": of_service}
            return given

        stack.create(body("v1", "v1"))
        deployments = self._service()["deployments"]
        # Of the template's own metadata AWS says that it cannot be updated by itself.
        unchanged = stack.described(stack.change_set(body("v2", "v1")))
        self.assertEqual(unchanged["Status"], "FAILED")
        self.assertIn("didn't contain changes", unchanged["StatusReason"])
        name = stack.change_set(body("v2", "v2"))
        (change,) = [one["ResourceChange"] for one in stack.described(name)["Changes"]]
        self.assertEqual(
            (change["LogicalResourceId"], change["Action"], change["Scope"], change["Replacement"]),
            ("Service", "Modify", ["Metadata"], "False"),
        )
        stack.client.execute_change_set(StackName=stack.name, ChangeSetName=name)
        self.assertEqual(stack.settled(), "UPDATE_COMPLETE")
        summary = stack.client.get_template_summary(StackName=stack.name)
        self.assertEqual(json.loads(summary["Metadata"]), {"followed": "v2"})
        self.assertEqual(self._service()["deployments"], deployments)

    def test_a_service_changed_behind_the_stacks_back_is_drift(self):
        stack = Stack().made(service_template(self.cluster, self._image(SERVE), DesiredCount=1))
        self.assertEqual(stack.drifts()["Service"]["StackResourceDriftStatus"], "IN_SYNC")
        other = self.cloud.register("other", self._image(SERVE))
        self.ecs.update_service(cluster=self.cluster, service="api", taskDefinition=other, desiredCount=2)
        drift = stack.drifts()["Service"]
        self.assertEqual(drift["StackResourceDriftStatus"], "MODIFIED")
        differences = drift["PropertyDifferences"]
        found = {one["PropertyPath"]: (one["ExpectedValue"], one["ActualValue"]) for one in differences}
        self.assertEqual(found["/DesiredCount"], ("1", "2"))
        self.assertEqual(found["/TaskDefinition"], (stack.physical_ids()["Task"], other))


class Permissions(CloudTest):
    def test_calls_are_made_with_the_service_role_and_nothing_more(self):
        groups = f"arn:aws:logs:{self.cloud.region}:{self.cloud.account}:log-group:"
        role = service_role([
            allow(["logs:CreateLogGroup", "logs:PutRetentionPolicy", "logs:DeleteLogGroup", "logs:TagResource"],
                  f"{groups}mine-*"),
        ])
        may_pass = allow(
            "iam:PassRole", role, Condition={"StringEquals": {"iam:PassedToService": "cloudformation.amazonaws.com"}}
        )
        client = caller([whole("cloudformation:*"), may_pass])
        stack = Stack(client, role)
        self.assertEqual(stack.create(template({"Logs": log_group(f"mine-{stack.name}")})), "CREATE_COMPLETE")
        described = client.describe_stacks(StackName=stack.name)["Stacks"][0]
        self.assertEqual(described["RoleARN"], role)
        other = Stack(client, role)
        self.assertEqual(other.create(template({"Logs": log_group(f"yours-{other.name}")})), "ROLLBACK_COMPLETE")
        reason = other.reasons("CREATE_FAILED")["Logs"]
        self.assertRegex(
            reason,
            r'^Resource handler returned message: "User: arn:aws:sts::\d+:assumed-role/.*/AWSCloudFormation is not '
            r'authorized to perform: logs:CreateLogGroup .*" \(RequestToken: .*, HandlerErrorCode: AccessDenied\)$',
        )
        # The role stays the stack's: who deletes it need not pass it again.
        deleter = caller([whole("cloudformation:*")])
        deleter.delete_stack(StackName=stack.name)
        self.assertEqual(stack.settled(), "DELETE_COMPLETE")

    def test_who_may_not_pass_the_role_is_refused(self):
        role = service_role([whole("logs:*")])
        stack = Stack(caller([whole("cloudformation:*")]), role)
        body, denied = template({"Logs": log_group()}), "is not authorized to perform: iam:PassRole"
        self.assert_refused("AccessDenied", stack.change_set, body, "CREATE", saying=denied)

    def test_who_may_not_pass_the_role_neither_updates_nor_deletes_with_it(self):
        role = service_role([whole("logs:*")])
        stack = Stack(None, role).made(template({"Logs": log_group()}))
        client, options = caller([whole("cloudformation:*")]), {"StackName": stack.name, "RoleARN": role}
        body = json.dumps(template({"Logs": log_group(days=14)}))
        self.assertEqual(error_code(client.update_stack, TemplateBody=body, **options)[0], "AccessDenied")
        self.assertEqual(error_code(client.delete_stack, **options)[0], "AccessDenied")

    def test_a_role_that_does_not_trust_cloudformation_is_refused(self):
        role = self.cloud.role([whole("logs:*")], principal="ec2.amazonaws.com")
        refused = error_code(Stack(None, role).change_set, template({"Logs": log_group()}), "CREATE")
        self.assertEqual(refused, ("ValidationError", f"Role {role} is invalid or cannot be assumed"))

    def test_drift_is_detected_with_the_role_of_the_stack(self):
        role = service_role([whole("logs:*")])
        stack = Stack(None, role).made(template({"Logs": log_group()}))
        stack.client = caller([whole("cloudformation:*")])
        self.assertEqual(stack.drifts()["Logs"]["StackResourceDriftStatus"], "IN_SYNC")
        options = {"StackName": stack.name, "LogicalResourceId": "Logs"}
        drift = stack.client.detect_stack_resource_drift(**options)["StackResourceDrift"]
        self.assertEqual(drift["StackResourceDriftStatus"], "IN_SYNC")

    def test_who_asks_for_drift_is_answered_before_it_has_been_looked_for(self):
        self.addCleanup(self.cloud.control, "DELETE", "/faults")
        stack = Stack(None, service_role([whole("logs:*")])).made(template({"Logs": log_group()}))
        # Longer than the call takes otherwise, and shorter than it is waited for.
        self.cloud.control("POST", "/faults", {"action": "logs:DescribeLogGroups", "fault": "delayed", "seconds": 2})
        detection = stack.client.detect_stack_drift(StackName=stack.name)["StackDriftDetectionId"]
        self.assertEqual(stack.detected(detection), "DETECTION_IN_PROGRESS")
        wait_until("the drift is detected", lambda: stack.detected(detection) == "DETECTION_COMPLETE")

    def test_who_detects_drift_needs_the_rights_that_come_with_it(self):
        stack = Stack(None, service_role([whole("logs:*")])).made(template({"Logs": log_group()}))
        needed = ("DetectStackDrift", "DetectStackResourceDrift", "BatchDescribeTypeConfigurations")
        for missing in needed:
            held = [f"cloudformation:{one}" for one in needed if one != missing]
            detect = caller([whole(held)]).detect_stack_drift
            self.assert_refused("AccessDenied", detect, StackName=stack.name, saying=missing)

    def test_without_a_role_the_callers_permissions_count(self):
        stack = Stack(caller([whole("cloudformation:*")]))
        self.assertEqual(stack.create(template({"Logs": log_group()})), "ROLLBACK_COMPLETE")
        self.assertIn("is not authorized to perform: logs:CreateLogGroup", stack.reasons("CREATE_FAILED")["Logs"])


class Retention(CloudTest):
    def setUp(self):
        self.logs = self.cloud.client("logs")

    def _exists(self, name):
        found = self.logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        return any(one["logGroupName"] == name for one in found)

    def test_a_name_that_is_taken_fails_as_already_existing(self):
        name = unique("group")
        self.logs.create_log_group(logGroupName=name)
        stack = Stack()
        self.assertEqual(stack.create(template({"Logs": log_group(name)})), "ROLLBACK_COMPLETE")
        reason = stack.reasons("CREATE_FAILED")["Logs"]
        self.assertIn("Resource of type 'AWS::Logs::LogGroup' with identifier", reason)
        self.assertIn("already exists.", reason)
        self.assertIn("HandlerErrorCode: AlreadyExists", reason)
        self.assertTrue(self._exists(name), "it is not the stack's to delete")

    def test_what_is_retained_survives_its_stack_but_not_a_failed_creation(self):
        for retained, after_failure in (("Retain", True), ("RetainExceptOnCreate", False), ("Delete", False)):
            with self.subTest(retained):
                name, stack = unique("group"), Stack()
                kept = log_group(name, DeletionPolicy=retained)
                bad = {**log_group(days=8), "DependsOn": "Logs"}
                self.assertEqual(stack.create(template({"Logs": kept, "Bad": bad})), "ROLLBACK_COMPLETE")
                self.assertEqual(self._exists(name), after_failure)
                if after_failure:
                    self.logs.delete_log_group(logGroupName=name)
                stack = Stack().made(template({"Logs": kept}))
                stack.delete()
                self.assertEqual(self._exists(name), retained != "Delete")

    def test_a_retained_log_group_is_adopted_by_its_name(self):
        name = unique("group")
        body = template({"Logs": log_group(name, DeletionPolicy="RetainExceptOnCreate"), "Other": log_group()})
        stack = Stack().made(body)
        stack.delete()
        again = Stack()
        change_set = again.change_set(body, "CREATE", ImportExistingResources=True)
        actions = {
            one["ResourceChange"]["LogicalResourceId"]: one["ResourceChange"]["Action"]
            for one in again.described(change_set)["Changes"]
        }
        self.assertEqual(actions, {"Logs": "Import", "Other": "Add"})
        again.client.execute_change_set(StackName=again.name, ChangeSetName=change_set)
        self.assertEqual(again.settled(), "CREATE_COMPLETE")
        self.assertEqual(again.physical_ids()["Logs"], name)
        changed = template({"Logs": log_group(name, 90, DeletionPolicy="Retain")})
        self.assertEqual(again.apply(changed), "UPDATE_COMPLETE")

    def test_a_retained_file_system_is_imported_and_then_built_upon(self):
        files = {
            "Type": "AWS::EFS::FileSystem",
            "DeletionPolicy": "RetainExceptOnCreate",
            "UpdateReplacePolicy": "Retain",
            "Properties": {"Encrypted": True, "FileSystemTags": [{"Key": "Name", "Value": "bottles"}]},
        }
        stack = Stack().made(template({"Files": files}))
        identifier = stack.physical_ids()["Files"]
        stack.delete()
        efs = self.cloud.client("efs")
        self.assertEqual(len(efs.describe_file_systems(FileSystemId=identifier)["FileSystems"]), 1)
        again = Stack()
        known = {"ResourceType": "AWS::EFS::FileSystem", "LogicalResourceId": "Files"}

        def importing(value):
            return [{**known, "ResourceIdentifier": {"FileSystemId": value}}]

        missing = importing("fs-0123456789abcdef0")
        wrong = again.change_set(template({"Files": files}), "IMPORT", ResourcesToImport=missing)
        found = again.described(wrong)
        self.assertEqual(found["Status"], "FAILED")
        self.assertIn("was not found", found["StatusReason"])
        again.client.delete_change_set(StackName=again.name, ChangeSetName=wrong)
        status = again.apply(template({"Files": files}), "IMPORT", ResourcesToImport=importing(identifier))
        self.assertEqual(status, "IMPORT_COMPLETE")
        point = resource("AWS::EFS::AccessPoint", FileSystemId=reference("Files"))
        body = template({"Files": files, "Point": point}, Outputs={"Arn": {"Value": attribute("Files", "Arn")}})
        changes = again.described(again.change_set(body))["Changes"]
        self.assertEqual([one["ResourceChange"]["LogicalResourceId"] for one in changes], ["Point"])
        self.assertEqual(again.apply(body), "UPDATE_COMPLETE")
        points = efs.describe_access_points(FileSystemId=identifier)["AccessPoints"]
        self.assertEqual(len(points), 1)

    def test_what_is_changed_behind_the_stacks_back_is_drift(self):
        group = resource(
            "AWS::EC2::SecurityGroup",
            GroupDescription="web",
            SecurityGroupIngress=[{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "CidrIp": "0.0.0.0/0"}],
        )
        own = resource(
            "AWS::EC2::SecurityGroupIngress",
            GroupId=attribute("Group", "GroupId"),
            IpProtocol="tcp",
            FromPort=81,
            ToPort=81,
            CidrIp="0.0.0.0/0",
        )
        stack = Stack().made(template({"Logs": log_group(), "Group": group, "Own": own}))
        self.assertEqual({one["StackResourceDriftStatus"] for one in stack.drifts().values()}, {"IN_SYNC"})
        names = stack.physical_ids()
        self.logs.put_retention_policy(logGroupName=names["Logs"], retentionInDays=7)
        rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        self.cloud.client("ec2").authorize_security_group_ingress(GroupId=names["Group"], IpPermissions=[rule])
        drifts = stack.drifts()
        (difference,) = drifts["Logs"]["PropertyDifferences"]
        self.assertEqual((difference["PropertyPath"], difference["ExpectedValue"], difference["ActualValue"]), (
            "/RetentionInDays", "30", "7",
        ))
        (difference,) = drifts["Group"]["PropertyDifferences"]
        self.assertEqual(difference["DifferenceType"], "ADD")
        self.logs.delete_log_group(logGroupName=names["Logs"])
        self.assertEqual(stack.drifts()["Logs"]["StackResourceDriftStatus"], "DELETED")

    def test_a_resource_with_a_name_of_its_own_is_not_replaced(self):
        cluster = unique("cluster")
        target = resource(
            "AWS::ElasticLoadBalancingV2::TargetGroup",
            Name=cluster[:30],
            Port=80,
            Protocol="HTTP",
            TargetType="ip",
            VpcId="vpc-1",
        )
        stack = Stack().made(template({"Target": target}))
        other = {**target, "Properties": {**target["Properties"], "Port": 81}}
        self.assertEqual(stack.apply(template({"Target": other})), "UPDATE_ROLLBACK_COMPLETE")
        self.assertIn("when a custom-named resource requires replacing", stack.reasons("UPDATE_FAILED")["Target"])


class Runs(CloudTest):
    def _template(self, may_pass):
        cluster = unique("cluster")
        body = service_template(cluster, self.cloud.built(f"shop/{cluster}", SERVE))
        del body["Resources"]["Service"]
        body["Resources"]["Role"] = resource(
            "AWS::IAM::Role",
            AssumeRolePolicyDocument=trust("ecs-tasks.amazonaws.com"),
        )
        body["Resources"]["Task"]["Properties"]["TaskRoleArn"] = attribute("Role", "Arn")
        statements = [allow("ecs:RunTask")] + ([allow("iam:PassRole")] if may_pass else [])
        body["Resources"]["Scheduler"] = resource(
            "AWS::IAM::Role",
            AssumeRolePolicyDocument=trust("scheduler.amazonaws.com"),
            Policies=[{"PolicyName": "run", "PolicyDocument": document(*statements)}],
        )
        body["Resources"]["Schedule"] = resource(
            "AWS::Scheduler::Schedule",
            FlexibleTimeWindow={"Mode": "OFF"},
            ScheduleExpression="at(2020-01-01T00:00:00)",
            Target={
                "Arn": attribute("Cluster", "Arn"),
                "RoleArn": attribute("Scheduler", "Arn"),
                "EcsParameters": {"TaskDefinitionArn": reference("Task"), "TaskCount": 1, "LaunchType": "FARGATE"},
            },
        )
        return cluster, body

    def test_a_schedule_runs_its_task_with_the_schedules_role(self):
        refused, body = self._template(may_pass=False)
        Stack().create(body)
        cluster, body = self._template(may_pass=True)
        self.assertEqual(Stack().create(body), "CREATE_COMPLETE")
        ecs = self.cloud.client("ecs")
        wait_until("the task runs", lambda: ecs.list_tasks(cluster=cluster)["taskArns"])
        self.assertEqual(ecs.list_tasks(cluster=refused)["taskArns"], [])

    def test_a_rule_writes_into_a_log_group_that_lets_it(self):
        source, name = unique("shop"), unique("/aws/events/shop")
        arn = f"arn:aws:logs:{self.cloud.region}:{self.cloud.account}:log-group:{name}"
        writer = resource(
            "AWS::Logs::ResourcePolicy",
            PolicyName=unique("writer"),
            PolicyDocument=json.dumps(document({
                "Effect": "Allow",
                "Principal": {"Service": ["events.amazonaws.com", "delivery.logs.amazonaws.com"]},
                "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                "Resource": f"{arn}:*",
            })),
        )
        rule = {
            "Type": "AWS::Events::Rule",
            "DependsOn": ["Logs", "Writer"],
            "Properties": {"EventPattern": {"source": [source]}, "Targets": [{"Id": "logs", "Arn": arn}]},
        }
        Stack().made(template({"Logs": log_group(name), "Writer": writer, "Rule": rule}))
        self.cloud.put_event(source, {"number": 7})
        client = self.cloud.client("logs")
        (event,) = wait_until("the event is logged", lambda: client.filter_log_events(logGroupName=name)["events"])
        self.assertEqual(json.loads(event["message"])["detail"], {"number": 7})
