"""Judges the messages that `longshore slack preview` prints by Slack's own models of blocks, and by its limits."""

import json
import re

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block

# Slack's reference: "Reference: blocks", "chat.postMessage", and "Formatting text for app surfaces".
_BLOCKS = 50
_MESSAGE_TEXT = 40_000
_FALLBACK = 4_000
_TEXT = 3_000
_HEADER = 150
_FIELDS = 10
_FIELD = 2_000
_ELEMENTS = 10
_BUTTONS = 25
_BUTTON = 75
_VALUE = 2_000
_ID = 255
_CONFIRM = {"title": 100, "text": 300, "confirm": 30, "deny": 30}

_DATE = re.compile(r"!date\^\d+\^[^|^<>]+(\^https://[^|<>]+)?\|[^|<>]+")
_LINK = re.compile(r"https://[^\s|<>]+\|[^|<>]+")
_MENTION = re.compile(r"@[UW][A-Z0-9]+|!subteam\^S[A-Z0-9]+|!here|!channel|!everyone")
_ENTITY = re.compile(r"&(?!amp;|lt;|gt;)")


def judge(path):
    """The names of messages, and what is wrong with which."""
    messages = json.loads(path.read_text())
    faults = []
    for one in messages:
        faults += [(f"message `{one['name']}`", fault) for fault in faults_of(one["message"])]
    names = [one["name"] for one in messages]
    faults += [(f"message `{name}`", "its name is another one's, too") for name in set(names) if names.count(name) > 1]
    return names, faults


def faults_of(message):
    """What Slack would refuse of a message, or show otherwise than it is meant."""
    text, blocks = message.get("text", ""), message.get("blocks", [])
    if not text.strip():
        yield "has no text for notifications"
    if len(text) > _FALLBACK:
        yield f"has a text of {len(text)} characters, which Slack cuts"
    if not 1 <= len(blocks) <= _BLOCKS:
        yield f"has {len(blocks)} blocks, from 1 to {_BLOCKS} are allowed"
    size = len(json.dumps(message, ensure_ascii=False))
    if size > _MESSAGE_TEXT:
        yield f"has {size} characters in all, at most {_MESSAGE_TEXT} are allowed"
    for place, block in enumerate(blocks):
        for fault in _faults_of_block(block):
            yield f"block {place} ({block.get('type')}) {fault}"


def _faults_of_block(block):
    parsed = Block.parse(dict(block))
    if parsed is None:
        yield "is of a type that Slack's models do not know"
        return
    try:
        parsed.validate_json()
        # Elements are validated with it.
        known = parsed.to_dict()
    except SlackObjectFormationError as error:
        yield f"is refused by Slack's models: {error}"
    else:
        lost = _lost(block, known)
        if lost:
            yield f"has what Slack's models do not know: {', '.join(lost)}"
    if block["type"] == "actions":
        yield from _faults_of_buttons(block.get("elements", []))
        return
    fields, elements = block.get("fields", []), block.get("elements", [])
    if len(fields) > _FIELDS:
        yield f"has {len(fields)} fields, at most {_FIELDS} are allowed"
    if len(elements) > _ELEMENTS:
        yield f"has {len(elements)} elements, at most {_ELEMENTS} are allowed"
    limit = _HEADER if block["type"] == "header" else _TEXT
    texts = [(text, limit) for text in [block.get("text"), *elements] if text]
    for text, most in [*texts, *((field, _FIELD) for field in fields)]:
        yield from _faults_of_text(text, most)


def _faults_of_buttons(buttons):
    if not 1 <= len(buttons) <= _BUTTONS:
        yield f"has {len(buttons)} buttons, from 1 to {_BUTTONS} are allowed"
    ids = [button.get("action_id", "") for button in buttons]
    if len(set(ids)) < len(ids):
        yield f"has two buttons of one action_id: {', '.join(ids)}"
    for button in buttons:
        yield from _faults_of_text(button.get("text", {}), _BUTTON)
        for name, most in (("action_id", _ID), ("value", _VALUE)):
            if len(button.get(name, "")) > most:
                yield f"has a button whose {name} has {len(button[name])} characters, at most {most} are allowed"
        for name, most in _CONFIRM.items() if "confirm" in button else ():
            yield from _faults_of_text(button["confirm"].get(name, {}), most)


def _lost(sent, known, path=""):
    """What is in `sent` and not in what a model of it says: a misspelt member, or one of another block."""
    if isinstance(sent, dict) and isinstance(known, dict):
        lost = [f"`{path}{name}`" for name in sent if name not in known]
        both = [name for name in sent if name in known]
        return lost + [one for name in both for one in _lost(sent[name], known[name], f"{path}{name}.")]
    if isinstance(sent, list) and isinstance(known, list):
        if len(sent) != len(known):
            return [f"`{path}`"]
        return [one for pair in zip(sent, known) for one in _lost(*pair, path)]
    return []


def _faults_of_text(text, most):
    said, kind = text.get("text", ""), text.get("type")
    if not said.strip():
        yield "has an empty text"
    if len(said) > most:
        yield f"has a text of {len(said)} characters, at most {most} are allowed"
    if _ENTITY.search(said):
        yield f"has an ampersand that is not escaped: {said!r}"
    for marked in re.findall(r"<([^<>]*)>", said):
        if kind != "mrkdwn":
            yield f"has markup where Slack shows none: {marked!r}"
        elif not any(form.fullmatch(marked) for form in (_DATE, _LINK, _MENTION)):
            yield f"has markup that Slack does not know: {marked!r}"
    if re.search(r"[<>]", re.sub(r"<[^<>]*>", "", re.sub(r"^> ", "", said, flags=re.MULTILINE))):
        yield f"has a bracket that is not escaped: {said!r}"
