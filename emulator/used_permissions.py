"""By which statements of their policies roles were allowed what they did."""

import json
import threading

_noted = {}
_lock = threading.Lock()
_file = None


def set_folder(folder):
    """Each use that is new is appended to `permissions.jsonl` there."""
    global _file
    folder.mkdir(parents=True, exist_ok=True)
    _file = (folder / "permissions.jsonl").open("a", encoding="utf-8")


def note(context, statements):
    """These statements, each of them by itself, allow what is asked for."""
    for statement in statements:
        use = {
            "role": context.principal_arn.split("/")[1],
            "session": context.principal_arn.split("/", 2)[2],
            "policy": statement.policy,
            "statement": statement.sid or f"statement {statement.place + 1}",
            "action": context.action,
            # Without the statement it would have been refused.
            "alone": len(statements) == 1,
        }
        _note_once(use)


def _note_once(use):
    key = tuple(use.values())
    with _lock:
        if key in _noted:
            return
        _noted[key] = use
        if _file:
            _file.write(json.dumps(use) + "\n")
            _file.flush()


def noted():
    """Each use once: who, by which statement, which action, and whether no other statement allowed it."""
    with _lock:
        return list(_noted.values())
