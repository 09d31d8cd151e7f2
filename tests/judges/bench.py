"""Counts what was judged, and shows the faults that no exception excuses."""

import fnmatch
from pathlib import Path

import tables

EXCEPTIONS = Path(__file__).parent / "EXCEPTIONS.md"


class Bench:
    def __init__(self):
        # Subjects as patterns, and how findings begin; a row may have several.
        self.exceptions = [
            (tables.code(subject)[0], tuple(tables.code(finding)))
            for subject, finding, _reason in tables.rows(EXCEPTIONS)
        ]
        self.used = set()
        self.judged = 0
        self.failed = 0

    def _is_excused(self, subject, finding):
        excuses = {
            (pattern, starts)
            for pattern, starts in self.exceptions
            if fnmatch.fnmatchcase(subject, pattern) and finding.startswith(starts)
        }
        self.used |= excuses
        return bool(excuses)

    def report(self, what, judged, faults):
        """`faults` are subjects, findings, and what else there is to say of each."""
        left = [fault for fault in faults if not self._is_excused(*fault[:2])]
        for subject, finding, *more in left:
            print(f"{subject}: {finding}", *more)
        print(f"{'✗' if left else '✓'} {what}: {len(left)} faults", flush=True)
        self.judged += judged
        self.failed += len(left)

    def report_exceptions(self):
        """To be called last: an exception that excused nothing is out of date."""
        faults = [
            (EXCEPTIONS.name, f"nobody finds `{starts[0]}` of `{pattern}` any more: take the row out")
            for pattern, starts in self.exceptions
            if (pattern, starts) not in self.used
        ]
        self.report(f"{len(self.exceptions)} exceptions", len(self.exceptions), faults)
