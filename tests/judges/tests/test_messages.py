"""The judge of messages finds what Slack would refuse, and does not report what it takes."""

import json
import tempfile
import unittest
from pathlib import Path

import messages


def section(text, **more):
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}, **more}


def button(**more):
    return {"type": "button", "text": {"type": "plain_text", "text": "Go"}, "action_id": "go", "value": "{}", **more}


def actions(*buttons):
    return {"type": "actions", "elements": list(buttons)}


def plain(text):
    return {"type": "plain_text", "text": text}


def faults_of(*blocks, text="Deployment started"):
    return list(messages.faults_of({"text": text, "blocks": list(blocks)}))


class Messages(unittest.TestCase):
    def test_what_slack_takes_is_right(self):
        header = {"type": "header", "text": {"type": "plain_text", "text": "Deployment started"}}
        context = {"type": "context", "elements": [{"type": "mrkdwn", "text": "asked for", "verbatim": True}]}
        date = "<!date^7^{date_short_pretty} {time_secs}|1970-01-01 00:00:07 UTC>"
        body = section(f"*Log:* <https://a.example/?b=1&amp;c|log> {date} <@U012AB3CD>\n> somebody's &lt;words&gt;")
        asks = {"title": plain("Roll back?"), "text": plain("shop/api"), "confirm": plain("Yes"), "deny": plain("No")}
        buttons = actions(button(style="primary"), button(action_id="back", style="danger", confirm=asks))
        self.assertEqual(faults_of(header, body, buttons, context), [])

    def test_each_limit_is_known(self):
        for blocks, finding in [
            ([], "has 0 blocks"),
            ([section("a")] * 51, "has 51 blocks"),
            ([section("a" * 3_001)], "text of 3001 characters"),
            ([section("a", fields=[{"type": "mrkdwn", "text": "a"}] * 11)], "has 11 fields"),
            ([section("a", fields=[{"type": "mrkdwn", "text": "a" * 2_001}])], "text of 2001 characters"),
            ([{"type": "header", "text": {"type": "plain_text", "text": "a" * 151}}], "text of 151 characters"),
            ([{"type": "context", "elements": [{"type": "mrkdwn", "text": "a"}] * 11}], "has 11 elements"),
            ([section("a" * 2_999)] * 14, "characters in all"),
            ([actions()], "has 0 buttons"),
            ([actions(button(), button())], "two buttons of one action_id"),
            ([actions(button(text=plain("a" * 76)))], "text of 76 characters"),
            ([actions(button(value="a" * 2_001))], "value has 2001 characters"),
        ]:
            with self.subTest(finding):
                self.assertTrue(any(finding in fault for fault in faults_of(*blocks)), faults_of(*blocks))

    def test_what_is_not_slacks_is_found(self):
        for block, finding in [
            ({"type": "paragraph"}, "do not know"),
            (section("a", feilds=[]), "`feilds`"),
            (section(" "), "an empty text"),
            (section("a & b"), "ampersand"),
            (section("a <b"), "bracket"),
            (section("<javascript:alert(1)|a>"), "markup that Slack does not know"),
            (section("<!date^soon|a>"), "markup that Slack does not know"),
            (
                {"type": "header", "text": {"type": "plain_text", "text": "<https://a.example|a>"}},
                "markup where Slack shows none",
            ),
        ]:
            with self.subTest(finding):
                found = faults_of(block)
                self.assertTrue(any(finding in fault for fault in found), found)

    def test_a_message_says_something_in_a_notification(self):
        self.assertIn("has no text for notifications", faults_of(section("a"), text=" "))

    def test_each_message_is_judged_under_its_name(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "messages.json"
            good = {"text": "a", "blocks": [section("a")]}
            path.write_text(json.dumps([{"name": name, "message": good} for name in "aab"]))
            names, faults = messages.judge(path)
        self.assertEqual(names, ["a", "a", "b"])
        self.assertEqual(faults, [("message `a`", "its name is another one's, too")])


if __name__ == "__main__":
    unittest.main()
