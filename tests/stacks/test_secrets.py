"""Secrets go to their containers and nowhere else. Their values, here and in other tests, have a mark: when all tests
are over, the whole cloud is searched for it (`emulator/canaries.py`)."""

import hashlib
import json
import unittest

import account
from cloud import CLOUD, Change, NotYet, Refused, until
from stack import Stack

# Says what it has without telling it.
_SAYS_DIGESTS = """
for secret in WHOLE KEY OWN; do printenv $secret | tr -d '\\n' | sha256sum; done
exec sleep 86400
"""


class SecretsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack("safe")
        account.push("safe-api", "v1", ["/bin/sh", "-c", _SAYS_DIGESTS])
        account.make_secret("safe-whole", account.canary("whole"))
        account.make_secret("safe-keys", {"key": account.canary("key")})
        cls.stack.apply(json.dumps(cls.content("file")))

    @classmethod
    def content(cls, own, **service):
        net = account.network()
        secrets = {
            "WHOLE": {"value_from": "safe-whole"},
            "KEY": {"value_from": "safe-keys", "json_key": "key"},
            "OWN": {"value": account.canary(own)},
        }
        api = {"image": "safe-api:v1", "cpu": 256, "memory": 512, "stop_timeout": 2, "secrets": secrets, **service}
        network = {"vpc_id": net.vpc, "subnet_ids": net.private}
        return {"name": "safe", "network": network, "services": {"api": api}}

    def wait_for(self, *names):
        """Waits until the container has said that it has these secrets."""
        pages = CLOUD.client("logs").get_paginator("filter_log_events")

        def look():
            said = [
                event["message"].split()[0]
                for page in pages.paginate(logGroupName="/ecs/safe/api")
                for event in page["events"]
            ]
            digests = [hashlib.sha256(account.canary(name).encode()).hexdigest() for name in names]
            if not set(digests) <= set(said):
                raise NotYet(f"digests {said}")

        until(f"the secrets {names}", look)

    def test_a_container_has_the_secrets_of_a_stack_file_and_then_those_of_a_payload(self):
        self.wait_for("whole", "key", "file")
        content = self.content("payload", cpu=512, memory=1024)
        for action in ("render", "plan", "cost"):
            self.assertNotIn(account.canary(""), json.dumps(CLOUD.provision(action, content)), action)
        before = len(CLOUD.slack_messages())
        applied = CLOUD.provision("apply", content)
        change = Change(applied["operation_id"], "safe", before)
        CLOUD.wait_for_message("Stack ready: safe", change, of="safe")
        self.wait_for("payload")

    def test_cloudformation_shows_no_secret(self):
        described = self.stack.describe()
        hidden = {one["ParameterKey"]: one["ParameterValue"] for one in described["Parameters"]}
        self.assertEqual(hidden, {"SensitiveValueApiOwn": "****"})
        template = CLOUD.client("cloudformation").get_template(StackName="safe", TemplateStage="Original")
        self.assertNotIn(account.canary(""), json.dumps(template["TemplateBody"]))

    def test_a_file_that_is_refused_is_reported_without_its_secrets(self):
        text = json.dumps(self.content("refused", cpu=300))
        secret = f'"{account.canary("refused")}"'
        for what, wrong in (
            ("a value that is not allowed", text),
            ("a value of another type", text.replace(secret, f"[{secret}]")),
            ("an unknown field", text.replace('"value":', '"valeu":')),
            ("a text without an end", text.replace(secret, secret[:-1])),
            ("a key twice", text.replace('"OWN":', f'"OWN": {secret}, "OWN":')),
        ):
            with self.subTest(what):
                version = self.stack.upload(wrong)
                message = CLOUD.wait_for_message("Stack file refused", version, of=version)
                self.assertNotIn(account.canary(""), message)

    def test_a_payload_that_is_refused_is_reported_without_its_secrets(self):
        with self.assertRaises(Refused) as refused:
            CLOUD.provision("apply", self.content("refused-payload", cpu=300))
        self.assertIn("services.api.cpu", refused.exception.message)
        self.assertNotIn(account.canary(""), refused.exception.message)
