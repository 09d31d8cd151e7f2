"""AWS's own API models, as botocore carries them, and what they say of a value.

botocore checks what it sends itself for required members and kinds only. Here every member is known or not, and
enums, patterns, lengths and ranges count, for requests and for answers.
"""

import functools

import regex
from botocore.loaders import Loader

_loader = Loader()
# By the name that a request is signed for, where that is not the model's.
_BY_SIGNING_NAME = {
    "elasticfilesystem": "efs",
    "elasticloadbalancing": "elbv2",
    "monitoring": "cloudwatch",
}
_WHOLE = ("integer", "long")
_ISO_8601 = regex.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?")
_HTTP_DATE = regex.compile(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT")


class Model:
    """The model of one service."""

    def __init__(self, name):
        self.name = name
        model = _loader.load_service_model(name, "service-2")
        self.metadata = model["metadata"]
        self.operations = model["operations"]
        self.shapes = model["shapes"]

    def input_of(self, operation):
        """The name of the shape of a request, or `None`."""
        return self.operations[operation].get("input", {}).get("shape")

    def output_of(self, operation):
        """The name of the shape of an answer, or `None`."""
        return self.operations[operation].get("output", {}).get("shape")

    @functools.cached_property
    def errors(self):
        """The codes of every error that the service declares."""
        codes = set()
        for name, shape in self.shapes.items():
            if shape.get("exception"):
                codes |= {name, shape.get("error", {}).get("code", name)}
        return codes

    def member_of(self, shape, member):
        """The shape of a member, with what the member says for itself."""
        reference = self.shapes[shape]["members"][member]
        return reference["shape"], reference


@functools.lru_cache(maxsize=None)
def of_signing_name(name):
    """The model of the service that a request is signed for."""
    return Model(_BY_SIGNING_NAME.get(name, name))


@functools.lru_cache(maxsize=None)
def _pattern(text):
    # The models' patterns are Java's: pairs of surrogates for what is above U+FFFF, and a hyphen behind a class of
    # characters that stands for itself.
    text = text.replace(r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF")
    return regex.compile(regex.sub(r"(\\[wWdDsS])-", r"\1\\-", text), regex.DOTALL)


def faults(model, shape_name, value, path="", *, is_answer=False, required=True):
    """What the model does not allow in a value: pairs of the member's path and what is wrong with it."""
    if value is None:
        # Several services answer null for a member that is not set.
        if not is_answer:
            yield path, "is null"
        return
    shape = model.shapes[shape_name]
    kind = shape["type"]
    below = functools.partial(faults, model, is_answer=is_answer, required=required)
    if kind == "structure":
        if shape.get("document"):
            return
        if not isinstance(value, dict):
            yield path, f"is not a structure: {value!r}"
            return
        # In answers botocore's models keep the word for what is always there, and services leave much of it out.
        for member in shape.get("required", []) if required else []:
            if value.get(member) is None:
                yield f"{path}.{member}", "is required"
        if shape.get("union") and sum(member is not None for member in value.values()) != 1:
            yield path, "takes exactly one of its members"
        for member, inner in value.items():
            if member not in shape["members"]:
                yield f"{path}.{member}", "is not a member"
                continue
            yield from below(shape["members"][member]["shape"], inner, f"{path}.{member}")
    elif kind == "list":
        if not isinstance(value, list):
            yield path, f"is not a list: {value!r}"
            return
        yield from _size(shape, len(value), path, "items")
        for inner in value:
            yield from below(shape["member"]["shape"], inner, f"{path}[]")
    elif kind == "map":
        if not isinstance(value, dict):
            yield path, f"is not a map: {value!r}"
            return
        yield from _size(shape, len(value), path, "entries")
        for key, inner in value.items():
            yield from below(shape["key"]["shape"], key, f"{path}.keys")
            yield from below(shape["value"]["shape"], inner, f"{path}.values")
    else:
        yield from _scalar(shape, kind, value, path)


def _scalar(shape, kind, value, path):
    if kind == "string":
        if not isinstance(value, str):
            yield path, f"is not a string: {value!r}"
            return
        if value not in shape.get("enum", [value]):
            yield path, f"is none of the values that are allowed: {value!r}"
        yield from _size(shape, len(value), path, "characters")
        pattern = shape.get("pattern")
        if pattern and not _pattern(pattern).fullmatch(value):
            yield path, f"does not match {pattern}: {value!r}"
    elif kind == "boolean":
        if not isinstance(value, bool):
            yield path, f"is not a boolean: {value!r}"
    elif kind in (*_WHOLE, "double", "float"):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            yield path, f"is not a number: {value!r}"
            return
        if kind in _WHOLE and not isinstance(value, int):
            yield path, f"is not a whole number: {value!r}"
        yield from _size(shape, value, path, "")
    elif kind == "timestamp":
        is_text = isinstance(value, str) and (_ISO_8601.fullmatch(value) or _HTTP_DATE.fullmatch(value))
        if isinstance(value, bool) or not (is_text or isinstance(value, (int, float))):
            yield path, f"is not a time: {value!r}"
    elif kind == "blob" and not isinstance(value, (str, bytes)):
        yield path, f"is not a blob: {value!r}"


def _size(shape, size, path, unit):
    unit = f" {unit}" if unit else ""
    if "min" in shape and size < shape["min"]:
        yield path, f"is {size}{unit}, fewer than {shape['min']}"
    if "max" in shape and size > shape["max"]:
        yield path, f"is {size}{unit}, more than {shape['max']}"
