"""The register of patches: PATCHES.md names each of them, and tests that exist."""

import ast
import re
import unittest
from pathlib import Path

ROOT = Path(__file__).parent.parent
_ROW = re.compile(r"^\| (?P<patches>`.+?) \| `(?P<file>[^`]+)` \| .+ \| .* \| (?P<tests>.*) \|$")
_NAMED = re.compile(r"`([^`]+)`")


def parsed(path):
    return ast.parse(path.read_text())


def ministack_modules(tree):
    """The names by which a file knows modules of ministack."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ministack"):
            yield from (name.asname or name.name for name in node.names)


def target(call):
    """What a call of `replaces` or `wraps` is about, as the register writes it."""
    module, *path = call.args
    known = isinstance(module, ast.Name) and not module.id.startswith("_")
    names = [part.value if isinstance(part, ast.Constant) else "*" for part in path]
    return ".".join([module.id if known else "cloudformation", *names])


def patches_of_the_code():
    for path in sorted(ROOT.rglob("*.py")):
        if path.parent.name == "tests" or path.name == "patches.py":
            continue
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("replaces", "wraps"):
                yield str(path.relative_to(ROOT)), target(node)


def rows():
    found = [_ROW.match(line) for line in (ROOT / "PATCHES.md").read_text().splitlines() if line.startswith("| `")]
    return [(row["file"], _NAMED.findall(row["patches"]), _NAMED.findall(row["tests"])) for row in found]


def tests():
    for path in sorted((ROOT / "tests").glob("test_*.py")):
        for node in parsed(path).body:
            if isinstance(node, ast.ClassDef):
                yield from (f"{path.stem}.{node.name}.{one.name}" for one in node.body if hasattr(one, "name"))


class Patches(unittest.TestCase):
    def test_each_patch_is_in_the_register_and_nothing_else_is(self):
        registered = [(file, patch) for file, patches, _ in rows() for patch in patches]
        self.assertEqual(sorted(set(registered)), sorted(registered), "a patch has two rows")
        self.assertEqual(sorted(set(patches_of_the_code())), sorted(registered))

    def test_each_row_names_tests_that_exist(self):
        known = set(tests())
        for file, patches, named in rows():
            with self.subTest(file=file, patches=patches):
                self.assertTrue(named, "no test")
                self.assertEqual([], [test for test in named if test not in known])

    def test_nothing_is_put_into_ministack_in_another_way(self):
        for path in sorted(ROOT.glob("**/*.py")):
            tree = parsed(path)
            modules = set(ministack_modules(tree))
            for node in ast.walk(tree):
                for one in node.targets if isinstance(node, ast.Assign) else []:
                    if isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name):
                        self.assertNotIn(one.value.id, modules, f"{path.name}:{node.lineno}")
