"""IAM as on AWS: what a policy does not allow is refused, on the resource and with the code AWS uses."""

import json

from tests.running_cloud import NETWORK, SERVE, CloudTest, allow, error_code, policy, unique


class Permissions(CloudTest):
    def setUp(self):
        self.base = f"arn:aws:ecs:{self.cloud.region}:{self.cloud.account}"

    def _register(self, client, **options):
        return client.register_task_definition(
            family="limited", containerDefinitions=[{"name": "app", "image": "image"}], **options
        )

    def test_ecs_services_are_allowed_one_by_one(self):
        cluster = unique("cluster")
        definition = self.cloud.register("api", self.cloud.built(f"shop/{cluster}", SERVE))
        for name in ("mine", "other"):
            self.cloud.create_service(cluster, name, definition, count=0)
        ecs = self.cloud.limited_client(
            "ecs", [allow(["ecs:DescribeServices", "ecs:UpdateService"], f"{self.base}:service/{cluster}/mine")]
        )
        ecs.describe_services(cluster=cluster, services=["mine"])
        ecs.update_service(cluster=cluster, service="mine", taskDefinition=definition)
        for call, options in (
            (ecs.describe_services, {"services": ["other"]}),
            (ecs.describe_services, {"services": ["mine", "other"]}),
            (ecs.update_service, {"service": "other", "taskDefinition": definition}),
        ):
            denied = "is not authorized to perform: ecs:"
            self.assert_refused("AccessDeniedException", call, cluster=cluster, **options, saying=denied)

    def test_tasks_are_listed_by_cluster(self):
        mine, other = unique("cluster"), unique("cluster")
        for cluster in (mine, other):
            self.cloud.client("ecs").create_cluster(clusterName=cluster)
        narrowed = {"ArnLike": {"ecs:cluster": f"{self.base}:cluster/{mine}"}}
        ecs = self.cloud.limited_client("ecs", [allow("ecs:ListTasks", "*", Condition=narrowed)])
        self.assertEqual(ecs.list_tasks(cluster=mine)["taskArns"], [])
        self.assertEqual(error_code(ecs.list_tasks, cluster=other)[0], "AccessDeniedException")

    def test_auto_scaling_is_described_as_a_whole_or_not_at_all(self):
        place = f"{self.cloud.region}:{self.cloud.account}"
        group = f"arn:aws:autoscaling:{place}:autoScalingGroup:*:autoScalingGroupName/a"
        narrow, wide = (
            self.cloud.limited_client("autoscaling", [allow("autoscaling:Describe*", resource)])
            for resource in (group, "*")
        )
        refused = error_code(narrow.describe_scheduled_actions, AutoScalingGroupName="a")
        self.assertEqual(refused[0], "AccessDenied")
        wide.describe_scheduled_actions(AutoScalingGroupName="a")

    def test_handing_a_role_to_a_task_needs_pass_role_for_it_and_for_ecs(self):
        role = self.cloud.role([], principal="ecs-tasks.amazonaws.com")
        other = self.cloud.role([], principal="ecs-tasks.amazonaws.com")
        register = allow("ecs:RegisterTaskDefinition")

        def may_pass(service):
            return allow("iam:PassRole", role, Condition={"StringEquals": {"iam:PassedToService": service}})

        ecs = self.cloud.limited_client("ecs", [register, may_pass("ecs-tasks.amazonaws.com")])
        self._register(ecs, taskRoleArn=role, executionRoleArn=role)
        self.assert_refused(
            "AccessDeniedException", self._register, ecs, taskRoleArn=other, saying=("iam:PassRole", other)
        )
        wrong = self.cloud.limited_client("ecs", [register, may_pass("lambda.amazonaws.com")])
        self.assertEqual(error_code(self._register, wrong, executionRoleArn=role)[0], "AccessDeniedException")

    def test_tags_at_a_creation_need_tag_resource_for_that_creation(self):
        tags = [{"key": "longshore:push", "value": "1"}]

        def tagging(action):
            return allow(
                "ecs:TagResource",
                f"{self.base}:task-definition/*",
                Condition={"StringEquals": {"ecs:CreateAction": action}},
            )

        register = allow("ecs:RegisterTaskDefinition")
        self._register(self.cloud.limited_client("ecs", [register, tagging("RegisterTaskDefinition")]), tags=tags)
        for statements in ([register], [register, tagging("CreateService")]):
            ecs = self.cloud.limited_client("ecs", statements)
            self._register(ecs)
            self.assert_refused("AccessDeniedException", self._register, ecs, tags=tags, saying="ecs:TagResource")

    def test_tags_that_a_task_gets_from_its_definition_need_tag_resource(self):
        cluster = self.cloud.cluster()
        definition = self.cloud.register(unique("family"), self.cloud.built(f"shop/{cluster}", SERVE))
        run = allow("ecs:RunTask")
        where = {"cluster": cluster, "launchType": "FARGATE", "networkConfiguration": NETWORK}
        propagated = {**where, "taskDefinition": definition, "propagateTags": "TASK_DEFINITION"}
        untagging = self.cloud.limited_client("ecs", [run])
        self.assert_refused("AccessDeniedException", untagging.run_task, **propagated, saying="ecs:TagResource")
        condition = {"StringEquals": {"ecs:CreateAction": "RunTask"}}
        tag = allow("ecs:TagResource", f"{self.base}:task/{cluster}/*", Condition=condition)
        self.cloud.limited_client("ecs", [run, tag]).run_task(**propagated)

    def test_registering_may_be_narrowed_to_a_family(self):
        ecs = self.cloud.limited_client(
            "ecs", [allow("ecs:RegisterTaskDefinition", f"{self.base}:task-definition/other:*")]
        )
        self.assertEqual(error_code(self._register, ecs)[0], "AccessDeniedException")

    def test_handing_a_role_to_a_schedule_needs_pass_role(self):
        role = self.cloud.role([], principal="scheduler.amazonaws.com")
        schedule = dict(
            Name=unique("schedule"),
            ScheduleExpression="rate(1 hour)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": f"{self.base}:cluster/any", "RoleArn": role, "EcsParameters": {"TaskDefinitionArn": "any"}},
        )
        client = self.cloud.limited_client("scheduler", [allow("scheduler:CreateSchedule")])
        self.assert_refused("AccessDeniedException", client.create_schedule, **schedule, saying="iam:PassRole")
        allowed = allow(
            "iam:PassRole", role, Condition={"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}}
        )
        self.cloud.limited_client("scheduler", [allow("scheduler:CreateSchedule"), allowed]).create_schedule(**schedule)

    def test_policies_are_made_by_path_and_name(self):
        name = unique("policy")
        document = policy([allow("s3:GetObject")])
        iam = self.cloud.limited_client(
            "iam", [allow("iam:CreatePolicy", f"arn:aws:iam::{self.cloud.account}:policy/mine/{name}")]
        )
        iam.create_policy(PolicyName=name, Path="/mine/", PolicyDocument=document)
        for options in ({"PolicyName": name}, {"PolicyName": "other", "Path": "/mine/"}):
            self.assert_refused("AccessDenied", iam.create_policy, PolicyDocument=document, **options)

    def test_a_policy_that_does_not_exist_is_attached_to_no_role(self):
        iam = self.cloud.client("iam")
        role = unique("role")
        iam.create_role(RoleName=role, AssumeRolePolicyDocument="{}")
        missing = f"arn:aws:iam::{self.cloud.account}:policy/{unique('policy')}"
        self.assertEqual(error_code(iam.attach_role_policy, RoleName=role, PolicyArn=missing)[0], "NoSuchEntity")

    def test_other_services_refuse_in_their_own_shape(self):
        nothing = [allow("sts:GetCallerIdentity")]
        bucket = self.cloud.bucket()
        for service, code, call in (
            ("ecr", "AccessDeniedException", lambda client: client.describe_images(repositoryName="any")),
            ("secretsmanager", "AccessDeniedException", lambda client: client.get_secret_value(SecretId="any")),
            ("events", "AccessDeniedException", lambda client: client.put_events(Entries=[{"Source": "any"}])),
            ("s3", "AccessDenied", lambda client: client.put_object(Bucket=bucket, Key="any")),
            ("lambda", "AccessDeniedException", lambda client: client.invoke(FunctionName="any")),
            ("logs", "AccessDeniedException", lambda client: client.create_log_group(logGroupName="any")),
            ("sqs", "AccessDenied", lambda client: client.get_queue_url(QueueName="any")),
            (
                "application-autoscaling",
                "AccessDeniedException",
                lambda client: client.describe_scalable_targets(ServiceNamespace="ecs"),
            ),
        ):
            with self.subTest(service):
                client = self.cloud.limited_client(service, nothing)
                self.assertEqual(error_code(call, client)[0], code)

    def test_queues_and_topics_are_made_with_a_tag_and_changed_only_with_it_where_a_policy_says_so(self):
        tagged = {"Null": {"aws:RequestTag/longshore:stack": "false"}}
        owned = {"Null": {"aws:ResourceTag/longshore:stack": "false"}}
        statements = [
            allow(["sqs:CreateQueue", "sqs:TagQueue", "sns:CreateTopic", "sns:TagResource"], Condition=tagged),
            allow(["sqs:SetQueueAttributes", "sns:SetTopicAttributes", "sns:Subscribe"], Condition=owned),
        ]
        sqs, sns = (self.cloud.limited_client(service, statements) for service in ("sqs", "sns"))
        tag, change = {"longshore:stack": "shop"}, {"Attributes": {"VisibilityTimeout": "60"}}
        sqs.set_queue_attributes(QueueUrl=sqs.create_queue(QueueName=unique("queue"), tags=tag)["QueueUrl"], **change)
        denied = {"saying": "is not authorized to perform"}
        self.assert_refused("AccessDenied", sqs.create_queue, QueueName=unique("queue"), **denied)
        other, _ = self.cloud.queue()
        self.assert_refused("AccessDenied", sqs.set_queue_attributes, QueueUrl=other, **change, **denied)
        change = {"AttributeName": "DisplayName", "AttributeValue": "Shop"}
        tags = [{"Key": name, "Value": value} for name, value in tag.items()]
        topic = sns.create_topic(Name=unique("topic"), Tags=tags)["TopicArn"]
        sns.set_topic_attributes(TopicArn=topic, **change)
        self.assert_refused("AuthorizationError", sns.create_topic, Name=unique("topic"), **denied)
        other = self.cloud.client("sns").create_topic(Name=unique("topic"))["TopicArn"]
        self.assert_refused("AuthorizationError", sns.set_topic_attributes, TopicArn=other, **change, **denied)
        self.assert_refused("AuthorizationError", sns.tag_resource, ResourceArn=other, Tags=[], **denied)

    def test_tags_of_a_new_queue_or_topic_need_the_right_to_give_them(self):
        sqs, sns = (
            self.cloud.limited_client(service, [allow(["sqs:CreateQueue", "sns:CreateTopic"])])
            for service in ("sqs", "sns")
        )
        sqs.create_queue(QueueName=unique("queue"))
        sns.create_topic(Name=unique("topic"))
        named = {"QueueName": unique("queue"), "tags": {"Team": "shop"}}
        self.assert_refused("AccessDenied", sqs.create_queue, **named, saying="sqs:TagQueue")
        named = {"Name": unique("topic"), "Tags": [{"Key": "Team", "Value": "shop"}]}
        self.assert_refused("AuthorizationError", sns.create_topic, **named, saying="sns:TagResource")

    def test_records_are_changed_by_their_kinds_where_a_policy_says_so(self):
        route53 = self.cloud.client("route53")
        zone = route53.create_hosted_zone(Name="example.com", CallerReference=unique("zone"))["HostedZone"]["Id"]
        kinds = {"ForAllValues:StringEquals": {"route53:ChangeResourceRecordSetsRecordTypes": ["TXT"]}}
        narrow = self.cloud.limited_client(
            "route53", [allow("route53:ChangeResourceRecordSets", Condition=kinds)]
        )

        def change(kind, value):
            record = {"Name": "a.example.com", "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": value}]}
            changes = [{"Action": "UPSERT", "ResourceRecordSet": record}]
            return {"HostedZoneId": zone, "ChangeBatch": {"Changes": changes}}

        narrow.change_resource_record_sets(**change("TXT", '"a"'))
        self.assert_refused("AccessDenied", narrow.change_resource_record_sets, **change("A", "192.0.2.1"))


class Roles(CloudTest):
    """Policies that ask who the caller is, or what an event is: for the sessions of a role with tags."""

    def setUp(self):
        self.name = unique("role")

    def client(self, service, statements, path="/", boundary=None, **tags):
        """A client of a role that may do just this, within a boundary."""
        iam, account = self.cloud.client("iam"), self.cloud.account
        trust = {"Effect": "Allow", "Principal": {"AWS": account}, "Action": "sts:AssumeRole"}
        given = {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
        if boundary:
            document = policy(boundary)
            made = iam.create_policy(PolicyName=unique("boundary"), PolicyDocument=document)["Policy"]["Arn"]
            given["PermissionsBoundary"] = made
        role = iam.create_role(RoleName=self.name, Path=path, AssumeRolePolicyDocument=policy([trust]), **given)
        role = role["Role"]["Arn"]
        iam.put_role_policy(RoleName=self.name, PolicyName="own", PolicyDocument=policy(statements))
        session = self.cloud.client("sts").assume_role(RoleArn=role, RoleSessionName="one")
        return self.cloud.client(service, session["Credentials"])

    def bus(self, *statements):
        events, name = self.cloud.client("events"), unique("bus")
        arn = events.create_event_bus(Name=name)["EventBusArn"]
        whole = [{"Principal": "*", "Action": "events:PutEvents", "Resource": arn, **one} for one in statements]
        if whole:
            events.put_permission(EventBusName=name, Policy=policy(whole))
        return name

    def put(self, client, bus, *kinds):
        """Puts an event of each of these detail types."""
        entry = {"Source": "shop", "Detail": "{}", "EventBusName": bus}
        return client.put_events(Entries=[{**entry, "DetailType": kind} for kind in kinds])

    def assert_denied(self, call, *arguments, **options):
        code, _ = error_code(call, *arguments, **options)
        self.assertIn(code, ("AccessDenied", "AccessDeniedException"))

    def test_a_bus_refuses_whom_its_policy_refuses_by_the_arn_of_the_role(self):
        others = f"arn:aws:iam::{self.cloud.account}:role/known/*"
        refuse_others = {"Effect": "Deny", "Condition": {"ArnNotLike": {"aws:PrincipalArn": others}}}
        bus = self.bus(refuse_others)
        self.put(self.client("events", [allow("events:PutEvents")], path="/known/"), bus, "Sold")
        self.name = unique("role")
        self.assert_denied(self.put, self.client("events", [allow("events:PutEvents")], path="/other/"), bus, "Sold")

    def test_a_queue_refuses_whom_its_policy_refuses_by_the_arn_of_the_role(self):
        others = f"arn:aws:iam::{self.cloud.account}:role/known/*"
        statement = {"Effect": "Deny", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
        url = self.cloud.client("sqs").create_queue(
            QueueName=unique("queue"),
            Attributes={"Policy": policy([{**statement, "Condition": {"ArnNotLike": {"aws:PrincipalArn": others}}}])},
        )["QueueUrl"]
        known = self.client("sqs", [allow("sqs:SendMessage")], path="/known/")
        known.send_message(QueueUrl=url, MessageBody="known")
        self.name = unique("role")
        other = self.client("sqs", [allow("sqs:SendMessage")], path="/other/")
        self.assert_denied(other.send_message, QueueUrl=url, MessageBody="other")

    def test_a_policy_replaces_the_one_that_a_bus_has(self):
        bus = self.bus({"Effect": "Deny"})
        client = self.client("events", [allow("events:PutEvents")])
        self.assert_denied(self.put, client, bus, "Sold")
        document = policy([{"Effect": "Allow", "Principal": "*", "Action": "events:PutEvents", "Resource": "*"}])
        events = self.cloud.client("events")
        events.put_permission(EventBusName=bus, Policy=document)
        self.assertEqual(json.loads(events.describe_event_bus(Name=bus)["Policy"]), json.loads(document))
        self.put(client, bus, "Sold")

    def test_events_are_allowed_by_source_and_detail_type_and_each_of_a_request_counts(self):
        kinds = {"events:source": "shop", "events:detail-type": "Sold"}
        narrowed = allow("events:PutEvents", "*", Condition={"ForAllValues:StringEquals": kinds})
        client, bus = self.client("events", [narrowed]), self.bus()
        self.put(client, bus, "Sold", "Sold")
        self.assert_denied(self.put, client, bus, "Bought")
        self.assert_denied(self.put, client, bus, "Sold", "Bought")

    def test_each_bus_of_a_request_is_asked_with_the_kinds_of_its_events(self):
        other_kinds = {"ForAnyValue:StringNotEquals": {"events:detail-type": "Sold"}}
        open_bus, narrow_bus = self.bus(), self.bus({"Effect": "Deny", "Condition": other_kinds})
        client = self.client("events", [allow("events:PutEvents")])

        def put(kind):
            entry = {"Source": "shop", "Detail": "{}", "DetailType": kind}
            return client.put_events(Entries=[{**entry, "EventBusName": bus} for bus in (open_bus, narrow_bus)])

        put("Sold")
        self.assert_denied(put, "Bought")

    def test_a_variable_stands_for_a_tag_of_the_caller_in_resources(self):
        bucket = self.cloud.bucket()
        own = allow("s3:PutObject", f"arn:aws:s3:::{bucket}/${{aws:PrincipalTag/team}}/*")
        s3 = self.client("s3", [own], team="blue")
        s3.put_object(Bucket=bucket, Key="blue/a", Body=b"")
        self.assert_denied(s3.put_object, Bucket=bucket, Key="red/a", Body=b"")
        # Without the tag the variable has no value, and the statement allows nothing.
        self.name = unique("role")
        s3 = self.client("s3", [own])
        for key in ("blue/a", "/a", "${aws:PrincipalTag/team}/a"):
            self.assert_denied(s3.put_object, Bucket=bucket, Key=key, Body=b"")

    def test_a_variable_stands_for_a_tag_of_the_caller_in_conditions_and_may_have_a_default(self):
        secrets = self.cloud.client("secretsmanager")
        named = {}
        for team in ("blue", "red", None):
            tags = [{"Key": "team", "Value": team}] if team else []
            named[team] = secrets.create_secret(Name=unique("secret"), SecretString="x", Tags=tags)["ARN"]
        others = {
            "Null": {"aws:ResourceTag/team": "false"},
            "StringNotEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team, '-'}"},
        }
        read = allow("secretsmanager:GetSecretValue")
        statements = [read, {**read, "Effect": "Deny", "Condition": others}]
        # The tags of a resource count whether the own policy or the boundary asks for them.
        for own, boundary in ((statements, None), ([read], statements)):
            client = self.client("secretsmanager", own, boundary=boundary, team="blue")
            for team in ("blue", None):
                client.get_secret_value(SecretId=named[team])
            self.assert_denied(client.get_secret_value, SecretId=named["red"])
            self.name = unique("role")
        client = self.client("secretsmanager", statements)
        client.get_secret_value(SecretId=named[None])
        for team in ("blue", "red"):
            self.assert_denied(client.get_secret_value, SecretId=named[team])

    def test_it_is_noted_by_which_statement_a_role_was_allowed_what_it_did(self):
        statements = [
            {**allow("ecr:DescribeRepositories"), "Sid": "Look"},
            {**allow("ecr:Describe*"), "Sid": "LookAtAll"},
            allow("ecr:CreateRepository"),
            {**allow("ecr:DeleteRepository"), "Sid": "Never"},
        ]
        ecr = self.client("ecr", statements)
        ecr.create_repository(repositoryName=self.name)
        ecr.describe_repositories(repositoryNames=[self.name])
        ecr.describe_images(repositoryName=self.name)
        self.assert_denied(ecr.list_images, repositoryName=self.name)
        _, _, noted = self.cloud.control("GET", "/permissions")
        used = [tuple(one[name] for name in ("statement", "action", "alone")) for one in noted if one["role"] == self.name]
        self.assertEqual(
            used,
            [
                ("statement 3", "ecr:CreateRepository", True),
                ("Look", "ecr:DescribeRepositories", False),
                ("LookAtAll", "ecr:DescribeRepositories", False),
                ("LookAtAll", "ecr:DescribeImages", True),
            ],
        )
        self.assertEqual({(one["session"], one["policy"]) for one in noted if one["role"] == self.name}, {("one", "own")})


class TaskDefinitions(CloudTest):
    def test_fargate_refuses_sizes_that_it_does_not_have(self):
        for cpu, memory in (("256", "4096"), ("300", "512"), ("8192", "17408")):
            refused = error_code(self.cloud.register, "sizes", "image", {"cpu": cpu, "memory": memory})
            self.assertEqual(refused, ("ClientException", "No Fargate configuration exists for given values."))

    def test_a_definition_over_64_kib_is_refused(self):
        ecs, family = self.cloud.client("ecs"), unique("family")

        def container(length):
            variable = {"name": "LONG", "value": "x" * length}
            return [{"name": "app", "image": "image", "memory": 128, "environment": [variable]}]

        ecs.register_task_definition(family=family, containerDefinitions=container(65_000))
        long = {"family": family, "containerDefinitions": container(65_536)}
        limit = "Max allowed length is '65536' bytes."
        self.assert_refused("ClientException", ecs.register_task_definition, **long, saying=limit)

    def test_what_was_registered_comes_back_and_nothing_else(self):
        ecs = self.cloud.client("ecs")
        given = dict(
            family=unique("family"),
            containerDefinitions=[{"name": "app", "image": "image", "memory": 128}],
            enableFaultInjection=True,
        )
        shown = ecs.register_task_definition(**given, tags=[{"key": "a", "value": "b"}])
        arn = shown["taskDefinition"]["taskDefinitionArn"]
        self.assertEqual(shown["tags"], [{"key": "a", "value": "b"}])
        described = ecs.describe_task_definition(taskDefinition=arn)
        self.assertNotIn("tags", described)
        definition = described["taskDefinition"]
        self.assertTrue(definition["enableFaultInjection"])
        for absent in ("taskRoleArn", "executionRoleArn", "pidMode", "ipcMode", "proxyConfiguration"):
            self.assertNotIn(absent, definition)
        self.assertEqual(definition["registeredBy"].split(":")[4], self.cloud.account)
        with_tags = ecs.describe_task_definition(taskDefinition=arn, include=["TAGS"])
        self.assertEqual(with_tags["tags"], [{"key": "a", "value": "b"}])
