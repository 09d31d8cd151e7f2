"""Slack through a bot, which edits its message instead of posting another one."""

import json
import unittest

import account
from cloud import CLOUD, NotYet, until
from stack import Stack
from test_life import small


class BotTest(unittest.TestCase):
    # Whatever is told meanwhile, the bot tells.
    alone = True
    SECRET = "longshore/slack-webhook"

    @classmethod
    def setUpClass(cls):
        secrets = CLOUD.client("secretsmanager")
        webhook = secrets.get_secret_value(SecretId=cls.SECRET)["SecretString"]
        cls.addClassCleanup(cls.restart)
        cls.addClassCleanup(secrets.put_secret_value, SecretId=cls.SECRET, SecretString=webhook)
        secrets.put_secret_value(SecretId=cls.SECRET, SecretString=json.dumps(CLOUD.slack_bot))
        cls.restart()

    @staticmethod
    def restart():
        """Makes `notify` read its secret anew, as a new environment does."""
        name = CLOUD.functions["notify"]
        described = CLOUD.client("lambda").get_function_configuration(FunctionName=name)
        CLOUD.client("lambda").update_function_configuration(
            FunctionName=name, Environment={"Variables": described["Environment"]["Variables"]}
        )

    def test_a_stack_s_change_is_one_message_that_is_edited_until_it_has_ended(self):
        account.push("skiff-api", "v1")
        version = Stack("skiff").upload(small("skiff"))

        def look():
            after = CLOUD.slack_messages()[version.before :]
            found = [one for one in after if version.is_named_in(json.dumps(one["body"]))]
            if not any("Stack ready: skiff" in json.dumps(one["body"]) for one in found):
                raise NotYet([one["body"].get("text") for one in found])
            return found

        [message] = until("the end of the change", look)
        self.assertEqual(message["body"]["channel"], CLOUD.slack_bot["channel"])
        self.assertIn("Stack applying: skiff", json.dumps(message["edits"]))
