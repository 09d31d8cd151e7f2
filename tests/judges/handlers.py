"""What CloudFormation calls for each resource type, compared with what its role grants."""

import json
import re
from pathlib import Path

import authorization
import documents
import tables

_HERE = Path(__file__).parent
_RENDERER = documents.ROOT / "shared/stack/src/render"
NOT_GRANTED = _HERE / "NOT_GRANTED.md"


def permissions():
    """By resource type, the permissions of its handlers, as IAM spells them."""
    found = json.loads((_HERE / "handler-permissions.json").read_text(encoding="utf-8"))
    return {
        kind: {_spelled(name) for names in handlers.values() for name in names}
        for kind, handlers in found["types"].items()
    }


def _spelled(name):
    prefix, _, verb = name.partition(":")
    return f"{prefix.lower()}:{verb}"


def rendered_types():
    """Every resource type that the renderer names, and every one that a snapshot of it has."""
    found = set()
    for source in _RENDERER.rglob("*.rs"):
        found.update(re.findall(r'"(AWS::\w+::\w+)"', source.read_text(encoding="utf-8")))
    for template in documents.templates().values():
        found.update(resource["Type"] for resource in template["Resources"].values())
    return found


def faults(granted):
    """How many permissions were compared, and what is wrong: with the types, with the role, with the list of what is
    not granted. `granted` are the actions of CloudFormation's role."""
    known, rendered = permissions(), rendered_types()
    problems = [
        (kind, "templates render it, and handler-permissions.json lacks it") for kind in rendered - known.keys()
    ]
    problems += [
        (kind, "no template renders it: take it out of handler-permissions.json") for kind in known.keys() - rendered
    ]
    excused = {}
    for kind, names, _reason in tables.rows(NOT_GRANTED):
        for name in tables.code(names):
            if (tables.code(kind)[0], name) in excused:
                problems.append((NOT_GRANTED.name, f"{kind} {name} is there twice"))
            excused[tables.code(kind)[0], name] = False
    compared = 0
    for kind in sorted(known.keys() & rendered):
        for name in sorted(known[kind]):
            compared += 1
            # Some stand in the schemas that IAM does not know, so nobody can grant them.
            if not authorization.named(name) or set(authorization.named(name)) <= granted:
                continue
            if (kind, name) in excused:
                excused[kind, name] = True
            else:
                problems.append((kind, f"its handlers call {name}, which CloudFormation's role does not grant"))
    for (kind, name), is_used in excused.items():
        if not is_used:
            problems.append((NOT_GRANTED.name, f"{kind}: {name} is granted, or no handler calls it: take it out"))
    return compared, problems
