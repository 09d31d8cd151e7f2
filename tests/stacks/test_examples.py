"""stacks/examples: two teams on one listener and in one cluster, a queue with its workers behind a migration, a crawler
on Spot instances, and jobs by the clock whose work a topic tells of."""

import json
import sys

import account
from botocore.exceptions import ClientError
from cloud import CLOUD, NotYet, until
from policies import Role
from stack import Stack, StackCase

CERTIFICATE = "arn:aws:acm:eu-west-1:123456789012:certificate/0a1b2c3d-0000-0000-0000-000000000000"
LISTENER = (
    "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/web/0123456789abcdef/fedcba9876543210"
)


def variables(container):
    return {one["name"]: one["value"] for one in container["environment"]}


def queue(name):
    """A queue's URL and its attributes."""
    sqs = CLOUD.client("sqs")
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]


class ExampleCase(StackCase):
    def destroy(self, name, **confirmation):
        destroyed = CLOUD.provision("destroy", name, **confirmation)
        CLOUD.wait_for_message(f"Stack destroyed: {name}", destroyed["operation_id"], of=name)

    def assert_no_drift(self, name):
        self.assertEqual(CLOUD.provision("drift", name)["drifted"], [])


class TwoTeamsTest(ExampleCase):
    """Each has a stack; the cluster is one team's, and the listener and the file system are nobody's."""

    @classmethod
    def setUpClass(cls):
        cls.listener = account.network().listener("web")
        efs = CLOUD.client("efs")
        files = efs.create_file_system(CreationToken="search", Encrypted=True)["FileSystemId"]
        there = {LISTENER: cls.listener, "fs-0a1b2c3d4e5f60004": files}
        cls.texts = {name: account.stack_file(f"examples/two-teams-{name}", **there) for name in ("shop", "search")}
        for repository in ("shop/web", "shop/orders", "search/api", "search/indexer"):
            account.push(repository, "v1")

    def in_namespace(self):
        """Keys of the second service and of the stack that name a namespace that is there."""
        discovery = CLOUD.client("servicediscovery")
        vpc = account.network().vpc
        discovery.create_private_dns_namespace(Name="web.local", Vpc=vpc, CreatorRequestId="two-teams")
        found = [one for one in discovery.list_namespaces()["Namespaces"] if one["Name"] == "web.local"]
        return (
            "    service_connect: {client_only: true, namespace: web.local}\n"
            f"service_discovery: {{namespace: other.local, namespace_id: {found[0]['Id']}}}"
        )

    def rules(self):
        """By priority, the host of each rule of the listener."""
        found = CLOUD.client("elbv2").describe_rules(ListenerArn=self.listener)["Rules"]
        hosts = {}
        for rule in found:
            conditions = [one for one in rule["Conditions"] if one["Field"] == "host-header"]
            hosts[rule["Priority"]] = "".join(host for one in conditions for host in one["HostHeaderConfig"]["Values"])
        return hosts

    def test_two_stacks_share_a_cluster_and_a_listener_until_one_goes(self):
        shop, search = Stack("shop", cluster="web"), Stack("search", cluster="web")
        shop.apply(self.texts["shop"])
        of_shop = {"default": "", "100": "shop.example.com", "90": "shop.example.com"}
        self.assertEqual(self.rules(), of_shop)

        with self.subTest("a priority that the other stack has is refused with one that is free"):
            version = search.upload(self.texts["search"].replace("priority: 200", "priority: 100"))
            message = CLOUD.wait_for_message("Stack file refused", version, of=version)
            self.assertIn("a rule of stack `shop` has this priority", message)
            self.assertIn("the first one that is free is 1", message)

        with self.subTest("a namespace that is not there is refused by its id and by its name"):
            missing = "service_discovery: {namespace: web.local, namespace_id: ns-0123456789abcdef}"
            connect = "    service_connect: {client_only: true, namespace: nobody.local}"
            version = search.upload(f"{self.texts['search'].rstrip()}\n{connect}\n{missing}\n")
            message = CLOUD.wait_for_message("Stack file refused", version, of=version)
            self.assertIn("service_discovery.namespace_id", message)
            self.assertIn("services.indexer.service_connect.namespace", message)
            self.assertIn("no such namespace of Cloud Map", message)

        search.apply(f"{self.texts['search'].rstrip()}\n{self.in_namespace()}\n")
        self.assertEqual(self.rules(), {**of_shop, "200": "search.example.com"})

        with self.subTest("the tasks of both are in one cluster, and only the load balancer reaches them"):
            self.assertEqual(search.service("search-search")["clusterArn"], shop.cluster["clusterArn"])
            [own] = search.security_groups_of("search-search")
            [ingress] = search.security_group(own)["IpPermissions"]
            self.assert_holds(ingress, FromPort=9200, ToPort=9200)
            [pair] = ingress["UserIdGroupPairs"]
            self.assertEqual(pair["GroupId"], account.network().load_balancer_group)

        with self.subTest("the index is on the file system that was there"):
            [volume] = search.task_definition("search-indexer")["volumes"]
            self.assertIn(volume["efsVolumeConfiguration"]["fileSystemId"], self.texts["search"])
            self.assertEqual(search.ids("AWS::EFS::FileSystem"), [])

        with self.subTest("a push reaches the services of its own stack"):
            second = {name: account.push(name, "v2") for name in ("shop/web", "search/api")}
            shop.wait_until_runs("shop-web", second["shop/web"])
            search.wait_until_runs("search-search", second["search/api"])
            self.assert_no_drift("shop")
            self.assert_no_drift("search")

        self.destroy("search")
        self.assertEqual(self.rules(), of_shop)
        self.assertEqual(shop.cluster["status"], "ACTIVE")
        shop.wait_until_runs("shop-web", account.push("shop/web", "v3"))

        self.destroy("shop")
        self.assertEqual(self.rules(), {"default": ""})


class DjangoTest(ExampleCase):
    """A web service sends jobs to a queue, and a worker takes them; a migration comes before both."""

    # `gunicorn` and `celery` serve; `python manage.py migrate` ends as the image says.
    _ENTRY = '[ "$1" = manage.py ] && exit {}; exec sleep 86400'

    @classmethod
    def push(cls, tag, migration=0):
        # The first word of the command is $0 of the shell.
        entry_point = ["/bin/sh", "-c", cls._ENTRY.format(migration)]
        return account.push("shop/django", tag, ["serve"], entry_point=entry_point)

    @classmethod
    def setUpClass(cls):
        cls.first = cls.push("1.0.0")
        account.make_secret("django/database", {"url": account.canary("django-database")})
        account.make_secret("django/application", {"secret_key": account.canary("django-key")})
        certificate = CLOUD.client("acm").request_certificate(DomainName="www.example.com")["CertificateArn"]
        cls.stack = Stack("django")
        cls.stack.apply(account.stack_file("examples/django", **{CERTIFICATE: certificate}))

    def role_of(self, service):
        return Role(self.stack.task_definition(service)["taskRoleArn"])

    def test_the_queue_hides_a_job_for_15_minutes_and_puts_it_aside_after_five_attempts(self):
        _, dead = queue("django-celery-dead-letters")
        _, jobs = queue("django-celery")
        self.assert_holds(jobs, VisibilityTimeout="900", SqsManagedSseEnabled="true")
        self.assert_holds(dead, MessageRetentionPeriod="1209600", SqsManagedSseEnabled="true")
        redrive = json.loads(jobs["RedrivePolicy"])
        self.assertEqual(redrive, {"deadLetterTargetArn": dead["QueueArn"], "maxReceiveCount": 5})

    def test_containers_know_the_queue_and_the_bucket(self):
        url, _ = queue("django-celery")
        for service in ("django-web", "django-worker"):
            found = variables(self.stack.container(service))
            self.assertEqual(found["UPLOADS_BUCKET_NAME"], f"django-uploads-{CLOUD.account}")
            self.assertEqual(found["CELERY_QUEUE_URL"].rsplit("/", 2)[1:], url.rsplit("/", 2)[1:])

    def test_only_the_worker_receives_jobs(self):
        _, attributes = queue("django-celery")
        own = {"aws__ResourceTag/longshore__stack": "django"}
        web, worker = self.role_of("django-web"), self.role_of("django-worker")
        for role in (web, worker):
            self.assertTrue(role.allows("sqs:SendMessage", attributes["QueueArn"], **own))
            self.assertFalse(role.allows("sqs:SendMessage", attributes["QueueArn"] + "-other", **own))
        self.assertTrue(worker.allows("sqs:ReceiveMessage", attributes["QueueArn"], **own))
        self.assertFalse(web.allows("sqs:ReceiveMessage", attributes["QueueArn"], **own))

    def test_everything_has_the_tag_of_the_stack_and_nothing_drifts(self):
        self.assert_tagged(self.stack, {})
        self.assert_no_drift("django")

    def migrations(self):
        """The tasks that ran a migration, oldest first."""
        ecs = CLOUD.client("ecs")
        arns = ecs.list_tasks(cluster="django", desiredStatus="STOPPED")["taskArns"]
        tasks = ecs.describe_tasks(cluster="django", tasks=arns)["tasks"] if arns else []
        commands = [
            (task, container.get("command", []))
            for task in tasks
            for container in task["overrides"].get("containerOverrides", [])
        ]
        found = [task for task, command in commands if "migrate" in command]
        return sorted(found, key=lambda task: task["createdAt"])

    def test_the_migration_comes_first_and_one_that_fails_keeps_the_image_from_all(self):
        services = ("django-web", "django-worker", "django-beat")
        self.push("1.1.0", migration=3)
        CLOUD.wait_for_message("Deployment failed", "django/web", "1.1.0", of="django/web")
        for service in services:
            self.stack.wait_until_runs(service, self.first)

        good = self.push("1.2.0")
        for service in services:
            self.stack.wait_until_runs(service, good)
        ran = self.migrations()
        self.assertEqual([task["containers"][0]["exitCode"] for task in ran], [3, 0])
        for service in services:
            [deployment] = self.stack.service(service)["deployments"]
            self.assertGreaterEqual(deployment["createdAt"], ran[-1]["stoppedAt"], service)


class CrawlerTest(ExampleCase):
    """Tasks on Spot instances of several types, scaled by the length of a queue."""

    @classmethod
    def setUpClass(cls):
        cls.first = {name: account.push(f"crawler/{name}", "v3") for name in ("frontier", "fetcher")}
        cls.stack = Stack("crawler")
        # The network of the tests has two zones.
        third = {", subnet-0a1b2c3d4e5f60003": ""}
        cls.stack.apply(account.stack_file("examples/spot-crawler", **third))

    def test_the_group_takes_the_type_that_spot_has(self):
        [name] = self.stack.ids("AWS::AutoScaling::AutoScalingGroup")
        scaling = CLOUD.client("autoscaling")
        [group] = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
        self.assertEqual((group["MinSize"], group["MaxSize"]), (0, 12))
        policy = group["MixedInstancesPolicy"]
        self.assert_holds(
            policy["InstancesDistribution"], OnDemandBaseCapacity=0, OnDemandPercentageAboveBaseCapacity=0
        )
        types = [one["InstanceType"] for one in policy["LaunchTemplate"]["Overrides"]]
        self.assertEqual(types, ["m7i.xlarge", "m6i.xlarge", "m6a.xlarge", "m5.xlarge"])

    def test_fetchers_are_packed_and_follow_the_queue(self):
        service = self.stack.service("crawler-fetcher")
        self.assertEqual([one["type"] for one in service["placementStrategy"]], ["spread", "binpack"])
        [target], policies = self.stack.scaling("crawler-fetcher")
        self.assertEqual((target["MinCapacity"], target["MaxCapacity"]), (0, 36))
        steps = sorted(
            step["ScalingAdjustment"]
            for policy in policies
            for step in policy["StepScalingPolicyConfiguration"]["StepAdjustments"]
        )
        self.assertEqual(steps, [-6, 1, 6, 18])
        acting = {action for alarm in self.stack.alarms() for action in alarm["AlarmActions"]}
        self.assertLessEqual({policy["PolicyARN"] for policy in policies}, acting)

    def test_a_push_replaces_what_runs_on_the_instances(self):
        self.stack.wait_until_runs("crawler-fetcher", self.first["fetcher"])
        self.stack.wait_until_runs("crawler-fetcher", account.push("crawler/fetcher", "v4"))
        # The one that must not be there twice has another repository, and stays.
        self.stack.wait_until_runs("crawler-frontier", self.first["frontier"])


class NightlyBatchTest(ExampleCase):
    """A run by hand does what the schedule would do at night: it writes a report and tells whoever listens."""

    _WORK = """
import os, sys, boto3
def client(service):
    return boto3.client(service, endpoint_url=sys.argv[1])
kind = sys.argv[-1]
client("s3").put_object(Bucket=os.environ["REPORTS_BUCKET_NAME"], Key=kind, Body=b"done")
attributes = {"kind": {"DataType": "String", "StringValue": kind}}
client("sns").publish(TopicArn=os.environ["FINISHED_TOPIC_ARN"], Message=kind, MessageAttributes=attributes)
"""

    @classmethod
    def setUpClass(cls):
        entry_point = [sys.executable, "-c", cls._WORK, CLOUD.endpoint]
        account.push("shop/batch", "1.0.0", ["batch"], entry_point=entry_point)
        account.make_secret("nightly-batch/database", {"url": account.canary("nightly-batch")})
        cls.stack = Stack("nightly-batch")
        cls.stack.apply(account.stack_file("examples/nightly-batch"))

    def run_now(self, kind):
        payload = {"action": "run", "stack": "nightly-batch", "service": "batch", "command": ["batch", kind]}
        CLOUD.ask("deploy", **payload)

    def report(self, kind):
        s3 = CLOUD.client("s3")

        def look():
            try:
                return s3.get_object(Bucket=f"nightly-batch-reports-{CLOUD.account}", Key=kind)["Body"].read()
            except ClientError as missing:
                raise NotYet(missing) from None

        return until(f"the report of {kind}", look)

    def test_the_queue_hears_of_invoices_and_of_nothing_else(self):
        url, _ = queue("nightly-batch-accounting")
        for kind in ("cleanup", "invoices"):
            self.run_now(kind)
            self.assertEqual(self.report(kind), b"done")

        def look():
            received = CLOUD.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
            if not received.get("Messages"):
                raise NotYet("no message")
            return [message["Body"] for message in received["Messages"]]

        self.assertEqual(until("the message of the run", look), ["invoices"])

    def test_a_schedule_has_a_size_and_an_environment_of_its_own(self):
        scheduler, found = CLOUD.client("scheduler"), {}
        for name in self.stack.ids("AWS::Scheduler::Schedule"):
            schedule = scheduler.get_schedule(Name=name)
            found[schedule["ScheduleExpression"]] = json.loads(schedule["Target"]["Input"])
        invoices, cleanup = found["cron(0 2 * * ? *)"], found["rate(1 hour)"]
        self.assertEqual((invoices["cpu"], invoices["memory"]), ("4096", "16384"))
        self.assertEqual(variables(invoices["containerOverrides"][0]), {"PARALLELISM": "16"})
        self.assertNotIn("cpu", cleanup)

    def test_everything_has_the_tag_of_the_stack_and_nothing_drifts(self):
        self.assert_tagged(self.stack, {})
        self.assert_no_drift("nightly-batch")
