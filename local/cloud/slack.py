"""A stand-in for Slack's incoming webhooks: checks what Slack checks, keeps what it got, fails on request."""

import json
import threading

import events

PATH = "/slack/services/T00000000/B00000000/local"
_MOST_BLOCKS = 50
_LONGEST_HEADER = 150
_LONGEST_SECTION = 3000
_LONGEST_FIELD = 2000
_MOST_FIELDS = 10
_MOST_ELEMENTS = 10
_LONGEST_TEXT = 40000
_BLOCK_TYPES = {
    "actions",
    "context",
    "context_actions",
    "divider",
    "file",
    "header",
    "image",
    "input",
    "markdown",
    "rich_text",
    "section",
    "table",
    "video",
}

_lock = threading.Lock()
_messages = []
_refused = []
_answers = []


def messages():
    with _lock:
        return list(_messages)


def refused():
    with _lock:
        return list(_refused)


def forget():
    with _lock:
        _messages.clear()
        _refused.clear()
        _answers.clear()


def prepare(answer):
    """The next `times` posts get this answer; returns what is wrong with the request, or `None`."""
    status, times = answer.get("status"), answer.get("times", 1)
    if not isinstance(status, int) or not 400 <= status <= 599:
        return "status: expected a number from 400 to 599"
    if not isinstance(times, int) or times < 1:
        return "times: expected a number of at least 1"
    with _lock:
        _answers.extend([answer] * times)
    return None


def post(path, raw):
    """What Slack answers to a post: status, headers and text."""
    if path != PATH:
        return 404, {}, "no_team"
    body, problem = _checked(raw)
    received = {"received_at": events.now(), "body": body if body is not None else raw.decode("utf-8", "replace")}
    with _lock:
        if _answers:
            answer = _answers.pop(0)
            _refused.append({**received, "status": answer["status"]})
            headers = {"Retry-After": str(answer["retry_after"])} if "retry_after" in answer else {}
            return answer["status"], headers, "rate_limited" if answer["status"] == 429 else "rollup_error"
        if problem:
            _refused.append({**received, "status": 400, "reason": problem})
            return 400, {}, problem
        _messages.append(received)
    return 200, {}, "ok"


def _checked(raw):
    try:
        body = json.loads(raw)
    except ValueError:
        return None, "invalid_payload"
    if not isinstance(body, dict):
        return None, "invalid_payload"
    text, blocks, attachments = body.get("text"), body.get("blocks"), body.get("attachments")
    if text is not None and not isinstance(text, str):
        return body, "invalid_payload"
    if not (text and text.strip()) and not blocks and not attachments:
        return body, "no_text"
    if text and len(text) > _LONGEST_TEXT:
        return body, "msg_too_long"
    if blocks is not None and not _blocks_are_valid(blocks):
        return body, "invalid_blocks"
    return body, None


def _blocks_are_valid(blocks):
    return isinstance(blocks, list) and len(blocks) <= _MOST_BLOCKS and all(_block_is_valid(block) for block in blocks)


def _block_is_valid(block):
    if not isinstance(block, dict) or block.get("type") not in _BLOCK_TYPES:
        return False
    if "block_id" in block and not (isinstance(block["block_id"], str) and 0 < len(block["block_id"]) <= 255):
        return False
    if block["type"] == "header":
        return _text_is_valid(block.get("text"), _LONGEST_HEADER, ("plain_text",))
    if block["type"] == "section":
        return _section_is_valid(block)
    if block["type"] == "context":
        elements = block.get("elements")
        return (
            isinstance(elements, list)
            and 0 < len(elements) <= _MOST_ELEMENTS
            and all(_context_element_is_valid(element) for element in elements)
        )
    return True


def _section_is_valid(block):
    fields = block.get("fields")
    if "text" not in block and not fields:
        return False
    if "text" in block and not _text_is_valid(block["text"], _LONGEST_SECTION):
        return False
    if fields is None:
        return True
    return (
        isinstance(fields, list)
        and 0 < len(fields) <= _MOST_FIELDS
        and all(_text_is_valid(field, _LONGEST_FIELD) for field in fields)
    )


def _context_element_is_valid(element):
    if isinstance(element, dict) and element.get("type") == "image":
        return bool(element.get("alt_text")) and bool(element.get("image_url") or element.get("slack_file"))
    return _text_is_valid(element, _LONGEST_SECTION)


def _text_is_valid(text, longest, types=("plain_text", "mrkdwn")):
    if not isinstance(text, dict) or text.get("type") not in types:
        return False
    if text["type"] == "mrkdwn" and "emoji" in text:
        return False
    return isinstance(text.get("text"), str) and 0 < len(text["text"]) <= longest
