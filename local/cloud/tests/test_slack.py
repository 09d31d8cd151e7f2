"""The stand-in for Slack's webhook refuses what Slack refuses and fails when it is told to."""

import unittest

from tests.running_cloud import cloud, request


def section(text):
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def header(text):
    return {"type": "header", "text": {"type": "plain_text", "text": text}}


class Slack(unittest.TestCase):
    def setUp(self):
        self.cloud = cloud()
        self.cloud.control("DELETE", "/slack/messages")

    def _post(self, value=None, raw=None):
        status, headers, text = request("POST", self.cloud.description["slack_webhook_url"], value, raw)
        return status, text, headers.get("Retry-After")

    def _kept(self, what="messages"):
        return self.cloud.control("GET", f"/slack/{what}")[2]

    def test_a_message_is_kept_in_order_as_it_was(self):
        for text in ("one", "two"):
            self.assertEqual(self._post({"text": text, "blocks": [section(text)]}), (200, "ok", None))
        self.assertEqual([message["body"]["text"] for message in self._kept()], ["one", "two"])
        self.assertRegex(self._kept()[0]["received_at"], r"^\d{4}-\d\d-\d\dT")

    def test_what_slack_refuses_is_refused_in_its_words(self):
        for value, words in (
            ({}, "no_text"),
            ({"text": ""}, "no_text"),
            ({"text": "many", "blocks": [section("a")] * 51}, "invalid_blocks"),
            ({"text": "long", "blocks": [section("a" * 3001)]}, "invalid_blocks"),
            ({"text": "long", "blocks": [header("a" * 151)]}, "invalid_blocks"),
            ({"text": "empty", "blocks": [section("")]}, "invalid_blocks"),
            ({"text": "kind", "blocks": [{"type": "unheard-of"}]}, "invalid_blocks"),
            ({"text": "field", "blocks": [{"type": "section", "fields": [{"type": "mrkdwn", "text": ""}]}]},
             "invalid_blocks"),
            ({"text": "header", "blocks": [{"type": "header", "text": {"type": "mrkdwn", "text": "a"}}]},
             "invalid_blocks"),
        ):  # fmt: skip
            with self.subTest(str(value)[:60]):
                self.assertEqual(self._post(value)[:2], (400, words))
        self.assertEqual(self._post(raw=b"not JSON")[:2], (400, "invalid_payload"))
        self.assertEqual(self._kept(), [])

    def test_the_limits_themselves_are_allowed(self):
        blocks = [header("a" * 150), *[section("b" * 3000)] * 48, {"type": "divider"}]
        self.assertEqual(self._post({"text": "full", "blocks": blocks})[0], 200)

    def test_it_fails_as_often_as_asked_and_then_not_any_more(self):
        self.cloud.control("POST", "/slack/answers", {"status": 429, "retry_after": "1", "times": 2})
        self.cloud.control("POST", "/slack/answers", {"status": 500})
        answers = [self._post({"text": "again"}) for _ in range(4)]
        self.assertEqual([status for status, _, _ in answers], [429, 429, 500, 200])
        self.assertEqual([seconds for _, _, seconds in answers], ["1", "1", None, None])
        self.assertEqual(len(self._kept()), 1)
        self.assertEqual([refused["status"] for refused in self._kept("refused")], [429, 429, 500])

    def test_a_request_it_cannot_follow_is_refused_with_what_is_wrong(self):
        status, _, answer = self.cloud.control("POST", "/slack/answers", {"status": 200})
        self.assertEqual(status, 400)
        self.assertIn("status", answer["error"])

    def test_an_unknown_webhook_is_not_found(self):
        url = self.cloud.description["control"] + "/slack/services/T1/B1/other"
        self.assertEqual(request("POST", url, {"text": "a"})[0], 404)


if __name__ == "__main__":
    unittest.main()
