"""The fake Slack refuses what Slack refuses, edits what it holds and fails on request."""

from tests.running_cloud import CloudTest, request


def section(text):
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def header(text):
    return {"type": "header", "text": {"type": "plain_text", "text": text}}


def button(**more):
    return {"type": "button", "text": {"type": "plain_text", "text": "Go"}, "action_id": "go", "value": "{}", **more}


class Slack(CloudTest):
    def setUp(self):
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

    def test_buttons_are_kept_and_those_that_slack_refuses_are_refused(self):
        def post(*buttons):
            return self._post({"text": "go", "blocks": [{"type": "actions", "elements": list(buttons)}]})[:2]

        self.assertEqual(post(button(style="primary"), button(action_id="other")), (200, "ok"))
        for wrong in (
            button(text={"type": "plain_text", "text": "a" * 76}), button(text={"type": "mrkdwn", "text": "a"}),
            button(value="a" * 2001), button(style="green"), button(confirm={"title": {}}), {"type": "text"},
        ):  # fmt: skip
            with self.subTest(str(wrong)[:80]):
                self.assertEqual(post(wrong), (400, "invalid_blocks"))
        self.assertEqual(post(), (400, "invalid_blocks"))
        self.assertEqual(len(self._kept()), 1)

    def test_what_only_one_person_sees_is_kept_apart(self):
        url = self.cloud.description["control"] + "/slack/actions/T0/1/x"
        self.assertEqual(request("POST", url, {"response_type": "ephemeral", "text": "asked"})[0], 200)
        self.assertEqual(request("POST", url, {"text": "to all"})[0], 400)
        [answer] = self._kept("personal")
        self.assertEqual((answer["path"], answer["body"]["text"]), ("/slack/actions/T0/1/x", "asked"))
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

    def _call(self, method, value=None, token=None, raw=None):
        url = f"{self.cloud.description['slack_api_url']}/{method}"
        token = self.cloud.description["slack_bot"]["bot_token"] if token is None else token
        status, _, answer = request("POST", url, value, raw, **({"Authorization": f"Bearer {token}"} if token else {}))
        return status, answer

    def test_a_bot_edits_its_message_in_place_and_what_it_said_before_is_kept(self):
        channel = self.cloud.description["slack_bot"]["channel"]
        posted = [self._call("chat.postMessage", {"channel": channel, "text": text})[1] for text in ("one", "two")]
        self.assertTrue(all(answer["ok"] and answer["channel"] == channel for answer in posted))
        self.assertNotEqual(posted[0]["ts"], posted[1]["ts"])
        for text in ("more", "done"):
            edit = {"channel": channel, "ts": posted[0]["ts"], "text": text, "blocks": [section(text)]}
            self.assertEqual(self._call("chat.update", edit)[1]["ts"], posted[0]["ts"])
        first, second = self._kept()
        self.assertEqual(first["body"]["text"], "done")
        self.assertEqual([edit["body"]["text"] for edit in first["edits"]], ["one", "more"])
        self.assertEqual((second["body"]["text"], second["edits"]), ("two", []))

    def test_what_the_web_api_refuses_is_refused_with_status_200_and_its_code(self):
        channel = self.cloud.description["slack_bot"]["channel"]
        message = {"channel": channel, "text": "a"}
        for method, value, token, code in (
            ("chat.postMessage", message, "", "not_authed"),
            ("chat.postMessage", message, "xoxb-other", "invalid_auth"),
            ("chat.postMessage", {**message, "channel": "C1"}, None, "channel_not_found"),
            ("chat.postMessage", {"channel": channel}, None, "no_text"),
            ("chat.postMessage", {**message, "blocks": [header("a" * 151)]}, None, "invalid_blocks"),
            ("chat.update", {**message, "ts": "1.000001"}, None, "message_not_found"),
            ("chat.update", message, None, "message_not_found"),
            ("chat.delete", message, None, "unknown_method"),
        ):
            with self.subTest(code):
                self.assertEqual(self._call(method, value, token), (200, {"ok": False, "error": code}))
        self.assertEqual(self._call("chat.postMessage", raw=b"not JSON")[1]["error"], "invalid_payload")
        self.assertEqual(self._kept(), [])

    def test_the_web_api_fails_as_often_as_asked(self):
        channel = self.cloud.description["slack_bot"]["channel"]
        self.cloud.control("POST", "/slack/answers", {"status": 429, "retry_after": "1"})
        self.cloud.control("POST", "/slack/answers", {"status": 200, "error": "fatal_error"})
        self.cloud.control("POST", "/slack/answers", {"status": 503})
        answers = [self._call("chat.postMessage", {"channel": channel, "text": "again"}) for _ in range(4)]
        self.assertEqual([status for status, _ in answers], [429, 200, 503, 200])
        errors = [answer.get("error") for _, answer in answers]
        self.assertEqual(errors, ["ratelimited", "fatal_error", "internal_error", None])
