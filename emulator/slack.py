"""A fake Slack, its incoming webhooks and the Web API's `chat.postMessage` and `chat.update`: checks
what Slack checks, keeps what it got and edits it in place, fails on request."""

import itertools
import json
import threading
import time

import canaries
import events
import faults

PATH = f"/slack/services/T00000000/B00000000/{canaries.MARK}-webhook"
API_PATH = "/slack/api"
BOT_TOKEN = f"xoxb-{canaries.MARK}-bot"
CHANNEL = "C00000000"
# What the fake app signs with; who tests presses signs, too.
SIGNING_SECRET = f"{canaries.MARK}-signing"
# Where answers go that only one person sees.
ACTIONS_PATH = "/slack/actions/"
_MOST_BLOCKS = 50
_LONGEST_HEADER = 150
_LONGEST_SECTION = 3000
_LONGEST_FIELD = 2000
_MOST_FIELDS = 10
_MOST_ELEMENTS = 10
_MOST_BUTTONS = 25
_LONGEST_BUTTON = 75
_LONGEST_VALUE = 2000
_LONGEST_TEXT = 40000
_BLOCK_TYPES = {
    "actions", "context", "context_actions", "divider", "file", "header", "image", "input", "markdown", "rich_text",
    "section", "table", "video",
}

_lock = threading.Lock()
_numbers = itertools.count(1)
_messages = []
_refused = []
_personal = []
_answers = []


def messages():
    with _lock:
        return list(_messages)


def refused():
    with _lock:
        return list(_refused)


def personal():
    with _lock:
        return list(_personal)


def answer_personally(path, raw):
    """What Slack answers to a post to a `response_url`: status and text. It keeps what only one person sees."""
    body, problem = _checked(raw)
    if problem or body.get("response_type") != "ephemeral":
        return 400, problem or "not_ephemeral"
    with _lock:
        _personal.append({**_received(raw, body), "path": path})
    return 200, "ok"


def forget():
    with _lock:
        _messages.clear()
        _refused.clear()
        _personal.clear()
        _answers.clear()


def prepare(answer):
    """The next `times` posts get this answer; returns what is wrong with the request, or `None`."""
    status, times = answer.get("status"), answer.get("times", 1)
    is_refusal = status == 200 and isinstance(answer.get("error"), str)
    if not is_refusal and (not isinstance(status, int) or not 400 <= status <= 599):
        return "status: expected a number from 400 to 599, or 200 with an error of the Web API"
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
    received = _received(raw, body)
    with _lock:
        prepared = _prepared(received)
        if prepared:
            status, headers = prepared["status"], _headers(prepared)
            return status, headers, "rate_limited" if status == 429 else "rollup_error"
        if problem:
            _refused.append({**received, "status": 400, "reason": problem})
            return 400, {}, problem
        fault = faults.due("slack:post")
        if fault is None or fault.fault == "answer_lost":
            _messages.append(received)
    return (200, {}, "ok") if fault is None else (*_wrong(fault), "rollup_error")


def call(method, authorization, raw):
    """What the Web API answers to a call of `method`: status, headers and value. A refusal has status 200."""
    body, problem = _checked(raw)
    received = _received(raw, body)
    with _lock:
        prepared = _prepared(received)
        if prepared:
            error = "ratelimited" if prepared["status"] == 429 else prepared.get("error", "internal_error")
            return prepared["status"], _headers(prepared), {"ok": False, "error": error}
        problem = _denied(method, authorization) or problem or _misplaced(body)
        fault = None if problem else faults.due(f"slack:{method}")
        if fault and fault.fault != "answer_lost":
            return *_wrong(fault), {"ok": False, "error": "internal_error"}
        message = None
        if not problem and method == "chat.update":
            message = next((known for known in _messages if known.get("ts") == body.get("ts")), None)
            problem = None if message else "message_not_found"
        if problem:
            _refused.append({**received, "status": 200, "reason": problem})
            return 200, {}, {"ok": False, "error": problem}
        if message is None:
            message = {**received, "channel": CHANNEL, "ts": f"{int(time.time())}.{next(_numbers):06}", "edits": []}
            _messages.append(message)
        else:
            message["edits"].append({"received_at": message["received_at"], "body": message["body"]})
            message.update(received)
        if fault:
            return *_wrong(fault), {"ok": False, "error": "internal_error"}
        return 200, {}, {"ok": True, "channel": CHANNEL, "ts": message["ts"], "message": body}


def _received(raw, body):
    return {"received_at": events.now(), "body": body if body is not None else raw.decode("utf-8", "replace")}


def _prepared(received):
    """The answer that was asked for, if there is one left; the lock is held."""
    if not _answers:
        return None
    answer = _answers.pop(0)
    _refused.append({**received, "status": answer["status"]})
    return answer


def _wrong(fault):
    """How Slack says that it has too much to do, or failed."""
    return (429, {"Retry-After": "1"}) if fault.fault == "throttled" else (500, {})


def _headers(answer):
    return {"Retry-After": str(answer["retry_after"])} if "retry_after" in answer else {}


def _denied(method, authorization):
    if method not in ("chat.postMessage", "chat.update"):
        return "unknown_method"
    if not authorization:
        return "not_authed"
    return None if authorization == f"Bearer {BOT_TOKEN}" else "invalid_auth"


def _misplaced(body):
    return None if body.get("channel") == CHANNEL else "channel_not_found"


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
    if blocks is not None and not _each(blocks, _MOST_BLOCKS, _block_is_valid, least=0):
        return body, "invalid_blocks"
    return body, None


def _each(values, most, is_valid, least=1):
    return isinstance(values, list) and least <= len(values) <= most and all(is_valid(value) for value in values)


def _block_is_valid(block):
    if not isinstance(block, dict) or block.get("type") not in _BLOCK_TYPES:
        return False
    if "block_id" in block and not (isinstance(block["block_id"], str) and 0 < len(block["block_id"]) <= 255):
        return False
    if block["type"] == "header":
        return _text_is_valid(block.get("text"), _LONGEST_HEADER, ("plain_text",))
    if block["type"] == "section":
        return _section_is_valid(block)
    if block["type"] == "actions":
        return _each(block.get("elements"), _MOST_BUTTONS, _button_is_valid)
    if block["type"] == "context":
        return _each(block.get("elements"), _MOST_ELEMENTS, _context_element_is_valid)
    return True


def _button_is_valid(button):
    if not isinstance(button, dict) or button.get("type") != "button":
        return False
    if not _text_is_valid(button.get("text"), _LONGEST_BUTTON, ("plain_text",)):
        return False
    if len(str(button.get("value", ""))) > _LONGEST_VALUE or not 0 < len(str(button.get("action_id", "-"))) <= 255:
        return False
    if button.get("style", "primary") not in ("primary", "danger"):
        return False
    confirm = button.get("confirm")
    return confirm is None or (
        _text_is_valid(confirm.get("title"), 100, ("plain_text",))
        and _text_is_valid(confirm.get("text"), 300)
        and all(_text_is_valid(confirm.get(name), 30, ("plain_text",)) for name in ("confirm", "deny"))
    )


def _section_is_valid(block):
    fields = block.get("fields")
    if "text" not in block and not fields:
        return False
    if "text" in block and not _text_is_valid(block["text"], _LONGEST_SECTION):
        return False
    return fields is None or _each(fields, _MOST_FIELDS, lambda field: _text_is_valid(field, _LONGEST_FIELD))


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
