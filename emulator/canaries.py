"""Where the cloud holds secrets: values with a mark of their own are looked for in all of its memory and files."""

import collections
import re
import sys
from pathlib import Path

# What stands in a secret of a test, with whatever follows to distinguish them.
MARK = "longshore-canary"
_CANARY = re.compile(MARK + "[a-z0-9_-]*")
_CANARY_BYTES = re.compile(_CANARY.pattern.encode())
_HERE = Path(__file__).parent
_SECRETS_MANAGER = "ministack.services.secretsmanager."
# Where a secret belongs besides.
_BELONGS = re.compile(
    "|".join(
        (
            # The Slack that it is for.
            r"slack\.(PATH|BOT_TOKEN|SIGNING_SECRET)",
            # The stack file that says it, in all of its versions.
            r".+\.s3\._(buckets|object_versions)\..*\bstacks/[^/]+\.(yaml|yml|json)\W.*",
            # A parameter that CloudFormation shows to nobody, and the secret that is made of it.
            r".+\.cloudformation\._(stacks|change_sets)\..*\.Parameters\.\d+\.ParameterValue",
            r".+\.cloudformation\._(stacks|change_sets)\..*\._resolved_params\.SensitiveValue\w+\.Value",
            r".+\.cloudformation\._stacks\..*\._resources\.Secret\w+\.(Properties|_declared)\.SecretString",
        )
    )
)

_directory = None


def set_directory(directory):
    global _directory
    _directory = Path(directory)


def found():
    """The canaries that Secrets Manager keeps, and those that are anywhere else: their values and places."""
    places = sorted({*_in_memory(), *_in_files()})
    return {
        "kept": sorted({value for value, place in places if place.startswith(_SECRETS_MANAGER)}),
        "elsewhere": [
            {"value": value, "place": place}
            for value, place in places
            if not place.startswith(_SECRETS_MANAGER) and not _BELONGS.fullmatch(place)
        ],
    }


def _in_memory():
    """Canaries with the path to each: a module, a variable of it, and keys from there on."""
    seen = set()
    waiting = collections.deque()
    for name, module in list(sys.modules.items()):
        if name not in ("canaries", "__main__") and _is_of_the_cloud(module):
            for variable, value in list(vars(module).items()):
                if not variable.startswith("__") and not isinstance(value, type(sys)):
                    waiting.append((value, (name, variable)))
    while waiting:
        value, path = waiting.popleft()
        if isinstance(value, (str, bytes, bytearray)):
            pattern = _CANARY if isinstance(value, str) else _CANARY_BYTES
            for canary in set(pattern.findall(value)):
                yield canary if isinstance(canary, str) else canary.decode(), ".".join(path)
        elif id(value) not in seen:
            # Kept, so that no other value gets its number.
            seen.add(id(value))
            waiting.extend((inner, (*path, key)) for key, inner in _parts(value))


def _is_of_the_cloud(module):
    file = getattr(module, "__file__", None) or ""
    return module.__name__.startswith("ministack.") or Path(file).parent in (_HERE, _HERE / "provisioning")


def _parts(value):
    if isinstance(value, dict):
        items = list(value.items())
        return [*((str(key), inner) for key, inner in items), *(("key", key) for key, _ in items)]
    if isinstance(value, (list, tuple, set, frozenset, collections.deque)):
        return [(str(place), inner) for place, inner in enumerate(list(value))]
    module = sys.modules.get(type(value).__module__)
    if module is not None and _is_of_the_cloud(module) and not isinstance(value, type):
        slots = [name for kind in type(value).__mro__ for name in vars(kind).get("__slots__", ())]
        members = (*getattr(value, "__dict__", ()), *slots)
        return [(name, getattr(value, name)) for name in members if hasattr(value, name)]
    return []


def _in_files():
    for folder in ("containers", "file-systems"):
        for path in (_directory / folder).rglob("*"):
            if path.is_file():
                for canary in set(_CANARY_BYTES.findall(path.read_bytes())):
                    yield canary.decode(), str(path.relative_to(_directory))
