"""The life of stacks: pushes, changes, failures, what waits, plans, drift and the end."""

import unittest

import account
from cloud import CLOUD, NotYet, Refused, until
from stack import Stack


def small(name, image="v1", **service):
    """A stack file with one Fargate service, `api`, of the repository `<name>-api`, and a secret of its own."""
    net = account.network()
    secrets = f"{{OWN: {{value: {account.canary(name)}}}}}"
    fields = {"cpu": 256, "memory": 512, "container_port": 8080, "stop_timeout": 2, "secrets": secrets, **service}
    lines = [f"    {field}: {value}" for field, value in fields.items()]
    return "\n".join(
        [
            f"name: {name}",
            "network:",
            f"  vpc_id: {net.vpc}",
            f"  subnet_ids: [{', '.join(net.private)}]",
            "services:",
            "  api:",
            f"    image: {name}-api:{image}",
            *lines,
            "",
        ]
    )


class SmallCase(unittest.TestCase):
    """One stack, named by the class."""

    name = None

    def setUp(self):
        self.stack = Stack(self.name)
        self.repository = f"{self.name}-api"
        self.service = f"{self.name}-api"

    def deployments(self):
        return [one["id"] for one in self.stack.service(self.service)["deployments"]]

    def digest(self):
        return self.stack.container(self.service)["image"].rsplit("@", 1)[-1]


class ImageTest(SmallCase):
    """What is pushed stays, whatever is applied; a plan changes nothing; drift is what nobody meant."""

    name = "quay"

    def test_a_stack_from_its_first_file_to_its_end_and_back(self):
        first = account.push(self.repository, "v1")
        text = small(self.name)

        with self.subTest("a plan of a stack that is not there leaves nothing behind"):
            plan = CLOUD.provision("plan", self.content())
            self.assertEqual(plan["outcome"], "create")
            self.assertIn(("AWS::ECS::Service", "add"), self.changes(plan))
            self.assertIsNone(self.stack.status())

        self.stack.apply(text)
        self.stack.wait_until_runs(self.service, first)
        [subscriber] = self.stack.route(self.repository)
        self.assertEqual(subscriber["stack"], self.name)

        second = account.push(self.repository, "v2")
        self.stack.wait_until_runs(self.service, second)
        CLOUD.wait_for_message("Deployment succeeded", f"{self.name}/api", "v2", of=f"{self.name}/api")

        with self.subTest("a push is not drift"):
            self.assertEqual(CLOUD.provision("drift", self.name)["drifted"], [])

        with self.subTest("a plan says what would be added, changed, replaced and removed"):
            plan = CLOUD.provision("plan", self.content(cpu=512, memory=1024, worker=True))
            self.assertEqual(plan["outcome"], "update")
            changes = self.changes(plan)
            self.assertIn(("AWS::ECS::Service", "add"), changes)
            self.assertIn(("AWS::ECS::Service", "change"), changes)
            # Revisions that ran are kept, so that a rollback finds them.
            self.assertIn(("AWS::ECS::TaskDefinition", "replace_and_keep"), changes)
            [replaced] = [
                change
                for change in plan["changes"]
                if change["resource_type"] == "AWS::ECS::TaskDefinition"
                and change["action"] == "replace_and_keep"
            ]
            paths = {one["path"].strip("/").split("/")[-1]: one for one in replaced["properties"]}
            self.assertEqual((paths["Cpu"]["before"], paths["Cpu"]["after"]), ("256", "512"))
            renamed = self.changes(CLOUD.provision("plan", self.content(service_name="other")))
            self.assertIn(("AWS::ECS::Service", "replace"), renamed)
            other = self.content()
            other["services"] = {"web": other["services"]["api"]}
            removed = self.changes(CLOUD.provision("plan", other))
            self.assertIn(("AWS::ECS::Service", "remove"), removed)
            self.assertEqual(self.stack.status(), "CREATE_COMPLETE")
            self.assert_nothing_is_planned()

        text = small(self.name, cpu=512, memory=1024)
        self.stack.apply(text)
        self.stack.wait_until_runs(self.service, second)
        task = self.stack.task_definition(self.service)
        self.assertEqual((task["cpu"], task["memory"]), ("512", "1024"))
        self.assertEqual(self.digest(), second)

        with self.subTest("the same file again changes nothing"):
            before = (self.deployments(), task["taskDefinitionArn"])
            version = self.stack.upload(text)
            CLOUD.wait_for_message(f"Stack unchanged: {self.name}", version, of=version)
            after = self.stack.service(self.service)
            self.assertEqual((self.deployments(), after["taskDefinition"]), before)
            self.assertEqual(CLOUD.messages("Stack applying", version), [])
            self.assertEqual(
                CLOUD.provision("plan", self.content(cpu=512, memory=1024))["outcome"], "unchanged"
            )

        with self.subTest("the same file after a push changes nothing either"):
            third = account.push(self.repository, "v3")
            self.stack.wait_until_runs(self.service, third)
            version = self.stack.upload(text)
            CLOUD.wait_for_message(f"Stack unchanged: {self.name}", version, of=version)
            self.assertEqual(self.digest(), third)

        with self.subTest("what a person changes by hand is drift"):
            group = f"/ecs/{self.name}/api"
            CLOUD.client("logs").put_retention_policy(logGroupName=group, retentionInDays=3)
            [drift] = CLOUD.provision("drift", self.name)["drifted"]
            self.assertEqual(drift["physical_id"], group)
            self.assertEqual(drift["resource_type"], "AWS::Logs::LogGroup")
            self.assertFalse(drift["deleted"])
            [difference] = drift["properties"]
            self.assertEqual(difference["path"], "/RetentionInDays")
            self.assertEqual(difference["actual"], "3")

        made = self.stack.log_group(f"/ecs/{self.name}/api")["creationTime"]
        destroyed = CLOUD.provision("destroy", self.name)
        CLOUD.wait_for_message(f"Stack destroyed: {self.name}", destroyed["operation_id"], of=self.name)
        self.assertIn(self.stack.status(), (None, "DELETE_COMPLETE"))
        self.stack.wait_for_route(self.repository, subscribers=0)
        self.assertEqual(self.stack.log_group(f"/ecs/{self.name}/api")["creationTime"], made)

        with self.subTest("a push that no service subscribes to any more is ignored"):
            before = len(CLOUD.messages(f"{self.name}/api"))
            ignored = CLOUD.lines("deploy", "no service subscribes", self.repository)
            account.push(self.repository, "v4")
            CLOUD.logged("deploy", "no service subscribes", self.repository, after=ignored)
            self.assertEqual(len(CLOUD.messages(f"{self.name}/api")), before)

        # The log group is adopted again, and the image is the one that the file names.
        self.stack = Stack(self.name)
        self.stack.apply(text)
        self.stack.wait_until_runs(self.service, first)
        self.assertEqual(self.stack.log_group(f"/ecs/{self.name}/api")["creationTime"], made)

    def content(self, worker=False, **service):
        net = account.network()
        api = {
            "image": f"{self.repository}:v1",
            "cpu": 256,
            "memory": 512,
            "container_port": 8080,
            "stop_timeout": 2,
            "secrets": {"OWN": {"value": account.canary(self.name)}},
            **service,
        }
        services = {"api": api}
        if worker:
            services["worker"] = {"image": f"{self.repository}:v1"}
        return {
            "name": self.name,
            "network": {"vpc_id": net.vpc, "subnet_ids": net.private},
            "services": services,
        }

    @staticmethod
    def changes(plan):
        return {(change["resource_type"], change["action"]) for change in plan["changes"]}

    def assert_nothing_is_planned(self):
        sets = CLOUD.client("cloudformation").list_change_sets(StackName=self.name)["Summaries"]
        waiting = [one for one in sets if one["ExecutionStatus"] == "AVAILABLE"]
        self.assertEqual(waiting, [])


class WaitingTest(SmallCase):
    """While a stack changes, a push and a newer file wait, and neither is lost."""

    name = "pier"

    def test_what_comes_while_the_stack_changes_goes_out_when_it_has_settled(self):
        # It does not stop when it is asked to, so that the change takes as long as its stop timeout.
        account.push(self.repository, "v1", account.LINGERS)
        self.stack.apply(small(self.name, stop_timeout=12))

        version = self.stack.upload(small(self.name, stop_timeout=12, cpu=512, memory=1024))
        until("the change to begin", self.is_changing)
        second = account.push(self.repository, "v2")
        newer = self.stack.upload(small(self.name, stop_timeout=12, cpu=512, memory=2048))

        def both_wait():
            record = self.stack.record()
            operation = record["operation"]
            waiting = (record.get("pending_pushes"), record.get("pending_file"))
            if not all(waiting):
                raise NotYet(f"{operation['state']}, waiting: {waiting}")
            return record

        record = until("the push and the file to wait", both_wait)
        self.assertEqual(record["operation"]["state"], "changing")
        self.assertIn("api/api", record["pending_pushes"])
        self.assertEqual(record["pending_file"]["version_id"], newer)
        # Nothing of them has begun.
        self.assertNotEqual(self.digest(), second)
        self.assertEqual(CLOUD.messages("Stack applying", newer), [])

        self.stack.wait_until_ready(version)
        self.stack.wait_until_ready(newer)
        self.stack.wait_until_runs(self.service, second)
        task = self.stack.task_definition(self.service)
        self.assertEqual((task["cpu"], task["memory"]), ("512", "2048"))

        def nothing_waits():
            record = self.stack.record()
            waiting = (record.get("pending_pushes"), record.get("pending_file"))
            if any(waiting):
                raise NotYet(f"waiting: {waiting}")

        until("nothing to wait any more", nothing_waits)

    def is_changing(self):
        status = self.stack.status()
        if status != "UPDATE_IN_PROGRESS":
            raise NotYet(status)


class PushWhileMadeTest(SmallCase):
    """A push is not lost when it comes before its service is there."""

    name = "jetty"

    def test_a_push_that_comes_while_the_stack_is_made_goes_out_when_it_is_ready(self):
        account.push(self.repository, "v1")
        version = self.stack.upload(small(self.name))

        def is_being_made():
            status = self.stack.status()
            if status != "CREATE_IN_PROGRESS":
                raise NotYet(status)

        until("the stack to be made", is_being_made)
        second = account.push(self.repository, "v2")
        self.stack.wait_until_ready(version)
        self.stack.wait_until_runs(self.service, second)


class FailureTest(SmallCase):
    """A change that fails is taken back, and what ran before runs again."""

    name = "mole"

    def test_the_image_that_ran_before_a_failed_change_runs_again(self):
        first = account.push(self.repository, "v1")
        self.stack.apply(small(self.name))
        second = account.push(self.repository, "v2")
        self.stack.wait_until_runs(self.service, second)

        with self.subTest("a bad property is reported, and what runs is not touched"):
            nowhere = f"arn:aws:iam::{CLOUD.account}:policy/no-such-policy"
            running = self.deployments()
            version = self.stack.upload(small(self.name, task_role_policy_arns=f"[{nowhere}]"))
            message = self.stack.wait_until_failed(version)
            self.assertIn("UPDATE_ROLLBACK_COMPLETE", message)
            self.assertIn("AWS::IAM::Role", message)
            self.assertIn("no-such-policy", message)
            self.assertEqual(self.deployments(), running)
            self.assertEqual(self.digest(), second)

        dies = small(self.name, cpu=512, memory=1024, command='[/bin/sh, -c, "exit 3"]')
        version = self.stack.upload(dies)
        message = self.stack.wait_until_failed(version)
        self.assertIn("`api` exited with 3", message)
        self.assertIn("UPDATE_ROLLBACK_COMPLETE", message)
        # The first resource that failed, and why.
        self.assertIn("AWS::ECS::Service", message)
        self.assertIn("circuit breaker", message.lower())
        self.assertEqual(self.stack.status(), "UPDATE_ROLLBACK_COMPLETE")

        # CloudFormation went back to the template of the first image; the pushed one is restored.
        self.stack.wait_until_runs(self.service, second)
        self.assertNotEqual(first, second)
        self.assertEqual(self.stack.task_definition(self.service)["cpu"], "256")

        self.stack.apply(small(self.name, cpu=512, memory=1024))
        self.stack.wait_until_runs(self.service, second)
        self.assertEqual(self.stack.task_definition(self.service)["cpu"], "512")


class LostEventTest(SmallCase):
    """A change whose events were all lost is closed by the reconcile."""

    name = "shoal"

    def test_a_failure_of_which_every_event_was_lost_is_found_by_the_reconcile(self):
        account.push(self.repository, "v1")
        self.stack.apply(small(self.name))
        lost = {"containing": ["CloudFormation Stack Status Change", f":stack/{self.name}/"], "times": 1000}
        CLOUD.ask_control("/events/lost", **lost)
        nowhere = f"arn:aws:iam::{CLOUD.account}:policy/no-such-policy"
        version = self.stack.upload(small(self.name, task_role_policy_arns=f"[{nowhere}]"))
        self.stack.wait_until_status("UPDATE_ROLLBACK_COMPLETE")
        self.assertEqual(CLOUD.messages(f"Stack failed: {self.name}", version), [])
        CLOUD.ask("provision", action="reconcile")
        self.assertIn("no-such-policy", self.stack.wait_until_failed(version))


class DamageTest(SmallCase):
    """A document of the state that cannot be read is told, with the version that could."""

    name = "wreck"
    # The reconcile fails meanwhile, whoever asks for it.
    alone = True

    def test_a_damaged_document_is_told_with_its_last_good_version(self):
        account.push(self.repository, "v1")
        self.stack.apply(small(self.name))
        self.stack.wait_until_runs(self.service, account.push(self.repository, "v2"))
        CLOUD.wait_for_message("Deployment succeeded", f"{self.name}/api", "v2", of=f"{self.name}/api")
        key = f"services/{self.name}/{self.service}.json"
        good = CLOUD.client("s3").get_object(Bucket=CLOUD.bucket, Key=key)
        self.addCleanup(CLOUD.write, key, good["Body"].read())
        CLOUD.write(key, b"{")
        with self.assertRaisesRegex(Refused, key):
            CLOUD.ask("deploy", action="reconcile")
        since = int(good["LastModified"].timestamp())
        self.assertIn(f"<!date^{since}^", CLOUD.wait_for_message("Document unreadable", key))


class FirstCreationTest(SmallCase):
    """A stack whose creation failed can only be deleted; a corrected file does that by itself."""

    name = "reef"

    def test_a_corrected_file_recovers_a_stack_that_was_never_made(self):
        digest = account.push(self.repository, "v1")
        crashes = small(self.name, command='[/bin/sh, -c, "echo no DATABASE_URL; exit 3"]')
        version = self.stack.upload(crashes)
        message = self.stack.wait_until_failed(version)
        self.assertIn("ROLLBACK_COMPLETE", message)
        self.assertIn("AWS::ECS::Service", message)
        self.assertEqual(self.stack.status(), "ROLLBACK_COMPLETE")
        self.stack.wait_for_route(self.repository, subscribers=0)

        with self.subTest("Slack says what the tasks died of, what they wrote last, and what to do"):
            self.assertIn("`api` died:", message)
            self.assertIn("`EssentialContainerExited`", message)
            self.assertIn("`api` exited with 3", message)
            self.assertIn("> no DATABASE_URL", message)
            self.assertIn("the container api exited with 3 at its start: see its last log lines", message)
            self.assertIn(f"longshore logs {self.name}/api", message)
            self.assertNotIn("correct the stack file", message)

        with self.subTest("the record keeps it"):
            [failed] = self.stack.record()["operation"]["failed_services"]
            self.assertEqual(failed["service"], "api")
            deaths = [one["containers"][0]["exit_code"] for one in failed["failures"]]
            self.assertEqual(set(deaths), {3})
            [log] = failed["logs"]
            self.assertEqual([line["message"] for line in log["lines"]], ["no DATABASE_URL"])

        with self.subTest("the log group outlives the failed creation, with what each task wrote"):
            group = f"/ecs/{self.name}/api"
            made = self.stack.log_group(group)["creationTime"]
            streams = CLOUD.client("logs").describe_log_streams(logGroupName=group)["logStreams"]
            self.assertGreaterEqual(len(streams), len(deaths))

        self.stack.apply(small(self.name))
        self.assertEqual(self.stack.log_group(group)["creationTime"], made, "it is imported")
        self.assertEqual(self.stack.status(), "CREATE_COMPLETE")
        self.stack.wait_until_runs(self.service, digest)
        self.assertEqual(len(self.stack.route(self.repository)), 1)


class MissingKeyTest(SmallCase):
    """A first start without a secret that the service needs: nothing runs, and nothing is written."""

    name = "cove"

    def test_a_secret_without_its_key_is_reported_with_what_to_do(self):
        account.push(self.repository, "v1")
        account.make_secret("cove/database", {"user": "cove"})
        secrets = "{PASSWORD: {value_from: cove/database, json_key: password}}"
        version = self.stack.upload(small(self.name, secrets=secrets))
        message = self.stack.wait_until_failed(version)
        self.assertIn("`TaskFailedToStart`", message)
        self.assertIn("json key", message)
        self.assertIn("does not have the JSON key that the stack file names", message)
        self.assertNotIn("Last lines", message)


class RefusedTest(SmallCase):
    """A file that is wrong is reported with everything that is wrong, and what runs is not touched."""

    name = "buoy"

    @classmethod
    def setUpClass(cls):
        account.push("buoy-api", "v1")
        cls.applied = Stack("buoy")
        cls.applied.apply(small("buoy"))

    def setUp(self):
        super().setUp()
        self.before = self.look()

    def look(self):
        described = self.stack.describe()
        return (
            described["StackStatus"],
            described.get("LastUpdatedTime"),
            self.deployments(),
            self.stack.service(self.service)["taskDefinition"],
        )

    def refused(self, body, *words):
        version = self.stack.upload(body)
        message = CLOUD.wait_for_message("Stack file refused", "stacks/buoy.yaml", version, of=version)
        for word in words:
            self.assertIn(word, message)
        self.assertEqual(self.look(), self.before)
        return message

    def test_every_problem_is_reported_with_its_line_and_column(self):
        text = small("buoy").replace("cpu: 256", "cpu: 300").replace("container_port", "containr_port")
        text += "  other:\n    image: buoy-api:v1\n    stop_timeout: soon\n"
        lines = text.splitlines()

        def line(part):
            return next(number for number, one in enumerate(lines, 1) if part in one)

        message = self.refused(
            text,
            f"line {line('cpu: 300')}, column 10, `services.api.cpu`",
            f"line {line('containr_port')}, column 5, `services.api.containr_port`",
            f"line {line('soon')}, column 19, `services.other.stop_timeout`",
            "container_port",
            "300",
        )
        self.assertIn("3 errors", message)

    def test_a_key_that_is_there_twice_is_reported(self):
        text = small("buoy") + "    cpu: 512\n"
        self.refused(text, f"line {len(text.splitlines())}, column 5", "`cpu`")

    def test_a_bomb_is_reported(self):
        levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
        for level in range(1, 12):
            reference = ", ".join([f"*a{level - 1}"] * 9)
            levels.append(f"a{level}: &a{level} [{reference}]")
        self.refused("\n".join(levels), "aliases")

    def test_a_file_that_is_not_a_text_is_reported(self):
        self.refused(b"name: buoy\n# \xff\xfe\n", "UTF-8")

    def test_a_repository_an_image_a_subnet_and_a_secret_that_are_missing_are_reported_together(self):
        text = small("buoy", image="v9", secrets="{TOKEN: {value_from: buoy/no-such-secret}}")
        net = account.network()
        text = text.replace(net.private[1], "subnet-0123456789abcdef0")
        text += "  other:\n    image: no-such-repository:v1\n"
        self.refused(
            text,
            "v9",
            "buoy/no-such-secret",
            "subnet-0123456789abcdef0",
            "no-such-repository",
        )


class EnvironmentsTest(unittest.TestCase):
    """Two environments of one file stand side by side."""

    def test_two_environments_of_one_file_are_two_stacks(self):
        account.push("ferry-api", "v1")
        text = small("ferry") + "environments:\n  dev: {}\n  prod:\n    services: {api: {cpu: 512, memory: 1024}}\n"
        stacks = {name: Stack(f"ferry-{name}") for name in ("dev", "prod")}
        versions = {name: stack.upload(text) for name, stack in stacks.items()}
        for name, stack in stacks.items():
            stack.wait_until_ready(versions[name])
        cpu = {
            name: stack.task_definition(f"ferry-{name}-api")["cpu"]
            for name, stack in stacks.items()
        }
        self.assertEqual(cpu, {"dev": "256", "prod": "512"})
        subscribers = {
            one["stack"]: one["ecs_service"] for one in stacks["dev"].route("ferry-api")
        }
        self.assertEqual(
            subscribers, {"ferry-dev": "ferry-dev-api", "ferry-prod": "ferry-prod-api"}
        )

        second = account.push("ferry-api", "v2")
        for name, stack in stacks.items():
            stack.wait_until_runs(f"ferry-{name}-api", second)

        with self.assertRaises(Refused) as refused:
            CLOUD.provision("destroy", "ferry-prod")
        self.assertIn("protected", refused.exception.message)

        # One goes, the other stays and still follows.
        destroyed = CLOUD.provision("destroy", "ferry-dev")
        CLOUD.wait_for_message("Stack destroyed: ferry-dev", destroyed["operation_id"], of="ferry-dev")

        def only_production_follows():
            subscribers = [one["stack"] for one in stacks["prod"].route("ferry-api")]
            if subscribers != ["ferry-prod"]:
                raise NotYet(f"subscribers {subscribers}")

        until("only production to follow", only_production_follows)
        third = account.push("ferry-api", "v3")
        stacks["prod"].wait_until_runs("ferry-prod-api", third)


class DataTest(SmallCase):
    """A stack with a file system is destroyed only by name, and its data outlives it."""

    name = "dock"

    def text(self):
        return (
            small(
                self.name,
                mount_points="[{file_system: data, access_point: api, container_path: /data}]",
            )
            + "file_systems:\n  data:\n    access_points:\n      api:\n"
            + "        posix_user: {uid: 1000, gid: 1000}\n"
            + '        root_directory: {path: /api, permissions: "755"}\n'
        )

    def file_system(self):
        [volume] = self.stack.task_definition(self.service)["volumes"]
        return volume["efsVolumeConfiguration"]["fileSystemId"]

    def test_data_stays_when_its_stack_goes_and_is_taken_up_again(self):
        account.push(self.repository, "v1")
        self.stack.apply(self.text())
        before = self.file_system()
        made = self.stack.log_group(f"/ecs/{self.name}/api")["creationTime"]

        for confirmation in ({}, {"confirm": "another"}):
            with self.assertRaises(Refused) as refused:
                CLOUD.provision("destroy", self.name, **confirmation)
            self.assertIn(before, refused.exception.message)
            self.assertIn(self.name, refused.exception.message)
        self.assertEqual(self.stack.status(), "CREATE_COMPLETE")

        destroyed = CLOUD.provision("destroy", self.name, confirm=self.name)
        self.assertEqual([one["file_system_id"] for one in destroyed["kept"]], [before])
        self.assertEqual(destroyed["deleted"], [])
        CLOUD.wait_for_message(f"Stack destroyed: {self.name}", destroyed["operation_id"], of=self.name)
        efs = CLOUD.client("efs")
        [kept] = efs.describe_file_systems(FileSystemId=before)["FileSystems"]
        self.assertEqual(kept["LifeCycleState"], "available")
        self.assertEqual(self.stack.log_group(f"/ecs/{self.name}/api")["creationTime"], made)

        self.stack = Stack(self.name)
        self.stack.apply(self.text())
        self.assertEqual(self.file_system(), before)
        self.assertIn(before, self.stack.ids("AWS::EFS::FileSystem"))
        self.assertEqual(self.stack.log_group(f"/ecs/{self.name}/api")["creationTime"], made)
        targets = efs.describe_mount_targets(FileSystemId=before)["MountTargets"]
        self.assertEqual(len(targets), 2)
