"""What AWS's resource schemas say: whether properties are valid, and which changes need a new resource."""

import functools
import json
import re
from pathlib import Path

_TYPES = json.loads((Path(__file__).parent / "resource_types.json").read_text())
_KINDS = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}
_SHOWN = {str: "String", bool: "Boolean", int: "Integer", float: "Double", list: "JSONArray", dict: "JSONObject"}


def _paths(type_name, member):
    """A list of a schema, each as the names on the way to a property."""
    return [tuple(path.split("/")[2:]) for path in _TYPES[type_name].get(member, [])]


def _read_only(type_name):
    return {path[0] for path in _paths(type_name, "readOnlyProperties") if len(path) == 1}


def property_names(type_name):
    return [name for name in _TYPES[type_name]["properties"] if name not in _read_only(type_name)]


def create_only(type_name):
    """The properties whose change needs a new resource."""
    return _paths(type_name, "createOnlyProperties")


def conditionally_create_only(type_name):
    return _paths(type_name, "conditionalCreateOnlyProperties")


def write_only(type_name):
    return {path[0] for path in _paths(type_name, "writeOnlyProperties")}


def identifier(type_name):
    return tuple(path[-1] for path in _paths(type_name, "primaryIdentifier"))


def at(properties, path):
    for name in path:
        if not isinstance(properties, dict) or name not in properties:
            return None
        properties = properties[name]
    return properties


def needs_replacement(type_name, old, new):
    return any(at(old, path) != at(new, path) for path in create_only(type_name))


def checked(type_name, logical_id, properties):
    """The properties with every value of its schema's kind; ValueError in CloudFormation's words if one has none."""
    schema = _TYPES[type_name]
    read_only = _read_only(type_name)
    problems = [f"#: extraneous key [{name}] is not permitted" for name in properties if name in read_only]
    whole = {
        "type": "object",
        "properties": schema["properties"],
        "required": schema.get("required", []),
        "additionalProperties": False,
    }
    result = _checked(whole, schema["definitions"], properties, "#", problems)
    if problems:
        listed = problems[0] if len(problems) == 1 else "[" + ", ".join(problems) + "]"
        raise ValueError(f"Properties validation failed for resource {logical_id} with message:\n{listed}")
    return result


@functools.cache
def _pattern(text):
    try:
        return re.compile(text)
    except re.error:
        # Written for another dialect of regular expressions; the service itself checks the value.
        return re.compile("")


def _kinds(schema):
    kinds = schema.get("type")
    if kinds is None:
        kinds = "object" if "properties" in schema else []
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _coerced(kinds, value):
    """CloudFormation takes "8" for 8 and "true" for true, and the other way round."""
    if any(isinstance(value, _KINDS[kind]) and (kind == "boolean" or not isinstance(value, bool)) for kind in kinds):
        return value
    for kind in kinds:
        if kind == "boolean" and str(value).lower() in ("true", "false"):
            return str(value).lower() == "true"
        if kind == "integer" and isinstance(value, (str, float)) and re.fullmatch(r"-?\d+(\.0+)?", str(value)):
            return int(float(value))
        if kind == "number" and isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?([eE]-?\d+)?", value):
            return float(value) if not value.lstrip("-").isdigit() else int(value)
        if kind == "string" and isinstance(value, bool):
            return "true" if value else "false"
        if kind == "string" and isinstance(value, (int, float)):
            return str(value)
        if kind == "array" and not isinstance(value, (list, dict)):
            return [value]
        if kind == "object" and isinstance(value, str) and value.lstrip().startswith("{"):
            return json.loads(value)
    return value


def _checked(schema, definitions, value, where, problems):
    seen = set()
    while "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        if name in seen or name not in definitions:
            return value
        seen.add(name)
        schema = definitions[name]
    kinds = _kinds(schema)
    if kinds:
        value = _coerced(kinds, value)
        if not any(isinstance(value, _KINDS[kind]) for kind in kinds):
            expected = kinds[0].capitalize().replace("Array", "JSONArray").replace("Object", "JSONObject")
            problems.append(f"{where}: expected type: {expected}, found: {_SHOWN.get(type(value), 'Null')}")
            return value
    for keyword, holds in (
        ("enum", lambda limit: value in limit or str(value) in map(str, limit)),
        ("pattern", lambda limit: not isinstance(value, str) or _pattern(limit).search(value)),
        ("minLength", lambda limit: not isinstance(value, str) or len(value) >= limit),
        ("maxLength", lambda limit: not isinstance(value, str) or len(value) <= limit),
        ("minimum", lambda limit: isinstance(value, (str, bool)) or value >= limit),
        ("maximum", lambda limit: isinstance(value, (str, bool)) or value <= limit),
        ("minItems", lambda limit: not isinstance(value, list) or len(value) >= limit),
        ("maxItems", lambda limit: not isinstance(value, list) or len(value) <= limit),
    ):
        if keyword in schema and not isinstance(value, dict) and not holds(schema[keyword]):
            problems.append(f"{where}: failed validation constraint for keyword [{keyword}]")
    if isinstance(value, list):
        items = schema.get("items", {})
        return [_checked(items, definitions, one, f"{where}/{index}", problems) for index, one in enumerate(value)]
    if isinstance(value, dict):
        return _checked_members(schema, definitions, value, where, problems)
    return value


def _checked_members(schema, definitions, value, where, problems):
    known, patterns = schema.get("properties"), schema.get("patternProperties", {})
    for name in schema.get("required", []):
        if name not in value:
            problems.append(f"{where}: required key [{name}] not found")
    if known is None and not patterns:
        return value
    result = {}
    for name, member in value.items():
        rules = [rule for pattern, rule in patterns.items() if _pattern(pattern).search(name)]
        if name in (known or {}):
            rules = [known[name]]
        result[name] = _checked(rules[0], definitions, member, f"{where}/{name}", problems) if rules else member
        if not rules and schema.get("additionalProperties") is False:
            problems.append(f"{where}: extraneous key [{name}] is not permitted")
    return result
