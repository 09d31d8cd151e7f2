"""Writes resource_types.json, what AWS's public resource schemas say about the types made here.

    python emulator/provisioning/reduce_schemas.py <folder of schemas, one JSON file a type>

The folder may be AWS's own CloudformationSchema.zip, unpacked, or the schemas that cfn-lint carries. Kept is
what decides about a template: names, kinds and limits of properties, which of them need a replacement, and
which identify the resource. To make another type, add it to a module of this folder and run this again.
"""

import json
import sys
from pathlib import Path

TARGET = Path(__file__).parent / "resource_types.json"
_LISTS = (
    "createOnlyProperties", "conditionalCreateOnlyProperties", "readOnlyProperties", "writeOnlyProperties",
    "primaryIdentifier", "required",
)
_LIMITS = (
    "enum", "pattern", "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems", "additionalProperties",
    "required", "type", "$ref",
)


def reduced(node):
    kept = {name: node[name] for name in _LIMITS if name in node and not isinstance(node[name], dict)}
    for name in ("properties", "patternProperties"):
        if name in node:
            kept[name] = {key: reduced(value) for key, value in sorted(node[name].items())}
    if isinstance(node.get("items"), dict):
        kept["items"] = reduced(node["items"])
    return kept


def reachable(schema):
    """The definitions that the properties use, directly or through another."""
    found, pending = {}, [schema["properties"]]
    while pending:
        for name in references(pending.pop()):
            if name not in found and name in schema.get("definitions", {}):
                found[name] = reduced(schema["definitions"][name])
                pending.append(found[name])
    return dict(sorted(found.items()))


def references(node):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str) and node["$ref"].startswith("#/definitions/"):
            yield node["$ref"].rsplit("/", 1)[-1]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def main():
    wanted = set(json.loads(TARGET.read_text())) if TARGET.exists() else set()
    wanted |= set(sys.argv[2:])
    schemas = {}
    for file in sorted(Path(sys.argv[1]).glob("*.json")):
        schema = json.loads(file.read_text())
        name = schema.get("typeName")
        if name in wanted:
            kept = {key: schema[key] for key in _LISTS if schema.get(key)}
            kept["properties"] = {key: reduced(value) for key, value in sorted(schema["properties"].items())}
            kept["definitions"] = reachable({**schema, "properties": kept["properties"]})
            schemas[name] = kept
    lines = [f"{json.dumps(name)}: {json.dumps(schemas[name], sort_keys=True)}" for name in sorted(schemas)]
    TARGET.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    missing = wanted - set(schemas)
    if missing:
        sys.exit(f"no schema for {', '.join(sorted(missing))}")


if __name__ == "__main__":
    main()
