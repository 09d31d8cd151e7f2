"""Runs the tests of this folder against the cloud that LONGSHORE_LOCAL_DIRECTORY names, class by class side by side:
most of the time is spent in waiting for stacks. A class that says that it is `alone` runs after the others. Names of
modules or classes may be given; the default is all of them.
"""

import itertools
import sys
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cloud import CLOUD

_SIDE_BY_SIDE = 8


def classes(suite):
    """The tests by class, in the order in which they are found."""
    found = {}
    waiting = [suite]
    while waiting:
        for test in waiting.pop(0):
            if isinstance(test, unittest.TestSuite):
                waiting.append(test)
            else:
                found.setdefault(type(test), []).append(test)
    return found


def run(case, tests):
    """Runs the tests of one class; answers the result and the seconds that it took."""
    result = unittest.TestResult()
    begun = time.monotonic()
    unittest.TestSuite(tests).run(result)
    return case, result, time.monotonic() - begun


def leftovers():
    """What must not be left when all is done, with what is left of it."""
    for function in CLOUD.dead_letter_queues:
        letters = CLOUD.dead_letters(function)
        # At 3:00 UTC the schedule of homebrew-bottles-sync wakes `sync`, which does not find Homebrew's servers here.
        left = [one for one in letters if not ("schedule_arn" in one and "formulae.brew.sh" in one)]
        yield f"no dead letters of {function}", left
    cloudformation = CLOUD.client("cloudformation")
    stacks = [
        stack["StackName"]
        for page in cloudformation.get_paginator("describe_stacks").paginate()
        for stack in page["Stacks"]
        if stack["StackStatus"] == "REVIEW_IN_PROGRESS"
    ]
    yield "no stack that was only planned", stacks


def main(names):
    loader = unittest.TestLoader()
    folder = str(Path(__file__).resolve().parent)
    sys.path.insert(0, folder)
    suite = loader.loadTestsFromNames(names) if names else loader.discover(folder)
    begun = time.monotonic()
    ran = failed = 0
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        found = classes(suite)
        side_by_side = {case: tests for case, tests in found.items() if not getattr(case, "alone", False)}
        running = [pool.submit(run, case, tests) for case, tests in side_by_side.items()]
        alone = (run(case, tests) for case, tests in found.items() if case not in side_by_side)
        for case, result, seconds in itertools.chain((future.result() for future in running), alone):
            problems = result.failures + result.errors
            ran += result.testsRun
            failed += len(problems)
            verdict = "FAILED" if problems else "ok"
            name = f"{case.__module__}.{case.__qualname__}"
            print(f"{verdict:6} {name} ({result.testsRun} tests, {seconds:.1f} s)", flush=True)
            for test, trace in problems:
                print(f"\n{test.id()}\n{trace}", flush=True)
    for what, left in leftovers():
        ran += 1
        print(f"{'FAILED' if left else 'ok':6} {what}", *left, sep="\n       ", flush=True)
        failed += bool(left)
    print(f"\nRan {ran} tests in {time.monotonic() - begun:.1f}s\n")
    print(f"FAILED (failures={failed})" if failed else "OK")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
