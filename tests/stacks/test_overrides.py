"""What no key of a stack file says: overrides, further resources and further outputs, on what AWS shows."""

from cloud import CLOUD, Refused
from test_life import SmallCase, small

import account

CONNECTIONS = {"namespace": "net.core.somaxconn", "value": "1024"}


def file_of(name, service="{PlatformVersion: 1.4.0}", connections="1024"):
    controls = f"[{{Namespace: {CONNECTIONS['namespace']}, Value: '{connections}'}}]"
    overrides = f"{{task_definition: {{ContainerDefinitions: {{api: {{SystemControls: {controls}}}}}}}, service: {service}}}"
    return "\n".join(
        [
            small(name, overrides=overrides).rstrip("\n"),
            "overrides:",
            "  cluster: {Configuration: {ExecuteCommandConfiguration: {Logging: NONE}}}",
            "resources:",
            "  AuditLog:",
            "    Type: AWS::Logs::LogGroup",
            f"    Properties: {{LogGroupName: /longshore/{name}/audit, RetentionInDays: 7}}",
            "outputs:",
            "  AuditLogName: {Ref: AuditLog}",
            "",
        ]
    )


class OverridesTest(SmallCase):
    """They reach AWS, a push keeps them, and a change of them is a change of the stack."""

    name = "anchorage"

    def controls(self):
        return self.stack.container(self.service).get("systemControls")

    def test_overrides_from_the_first_apply_to_the_end(self):
        first = account.push(self.repository, "v1")
        self.stack.apply(file_of(self.name))
        self.stack.wait_until_runs(self.service, first)

        with self.subTest("the service, the container and the cluster have what the overrides say"):
            self.assertEqual(self.stack.service(self.service)["platformVersion"], "1.4.0")
            self.assertEqual(self.controls(), [CONNECTIONS])
            shells = self.stack.cluster["configuration"]["executeCommandConfiguration"]
            self.assertEqual(shells["logging"], "NONE")

        with self.subTest("the further resource is there, tagged, and the further output names it"):
            group = f"/longshore/{self.name}/audit"
            self.assertEqual(self.stack.log_group(group)["retentionInDays"], 7)
            tags = self.stack.tags("AWS::Logs::LogGroup", group)
            self.assertEqual(tags.get("longshore:stack"), self.name)
            self.assertIn(group, str(self.stack.outputs()))

        with self.subTest("a push keeps them"):
            second = account.push(self.repository, "v2")
            self.stack.wait_until_runs(self.service, second)
            self.assertEqual(self.controls(), [CONNECTIONS])
            self.assertEqual(CLOUD.provision("drift", self.name)["drifted"], [])

        with self.subTest("a plan shows a change of one, and the apply makes it"):
            version = self.stack.apply(file_of(self.name, connections="2048"))
            self.assertTrue(version)
            self.assertEqual(self.controls(), [{**CONNECTIONS, "value": "2048"}])
            self.stack.wait_until_runs(self.service, second)

        with self.subTest("one that would break a promise is refused with the reason, and nothing changes"):
            before = self.stack.service(self.service)["taskDefinition"]
            version = self.stack.upload(file_of(self.name, service="{TaskDefinition: shop:1}"))
            message = CLOUD.wait_for_message("Stack file refused", version, of=version)
            self.assertIn("`services.api.overrides.service.TaskDefinition`", message)
            self.assertEqual(self.stack.service(self.service)["taskDefinition"], before)
            with self.assertRaises(Refused):
                CLOUD.provision("plan", {"name": self.name, "overrides": {"cluster": {"NoSuchProperty": 1}}})

        CLOUD.provision("destroy", self.name)
        CLOUD.wait_for_message(f"Stack destroyed: {self.name}", of=self.name)
        self.assertIsNone(self.stack.log_group(f"/longshore/{self.name}/audit"))
