"""RULES.md: what no schema says, and the tests that hold it."""

import functools
import re

import documents
import tables

_RULES = documents.ROOT / "tests/judges/RULES.md"
# How each kind of file names its tests.
_FORMS = {
    ".rs": r"fn {}\(",
    ".py": r"def {}\(",
    ".hcl": r'run "{}"',
}


@functools.lru_cache(maxsize=None)
def _source(path):
    return path.read_text(encoding="utf-8")


def faults():
    """How many rules there are, and what is wrong with the table."""
    problems = []
    judged = 0
    for fact, source, checked, test in tables.rows(_RULES):
        judged += 1
        if "https://" not in source:
            problems.append((fact, "no source"))
        for place in tables.code(checked):
            if not (documents.ROOT / place).exists():
                problems.append((fact, f"{place} does not exist"))
        tests = tables.code(test)
        if not tests:
            problems.append((fact, "no test"))
        for named in tests:
            path, _, name = named.partition("::")
            if not _is_there(documents.ROOT / path, name):
                problems.append((fact, f"{path} has no test {name}"))
    return judged, problems


def _is_there(path, name):
    form = _FORMS.get(path.suffix)
    return bool(name and form and path.is_file() and re.search(form.format(re.escape(name)), _source(path)))
