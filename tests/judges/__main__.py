"""Judges what Longshore sends, may do and renders by what AWS publishes: `python tests/judges`; see README.md."""

import argparse
import datetime
import sys
from pathlib import Path

import handlers
import least_privilege
import messages
import policies
import recordings
import rules
from bench import Bench

# The name of what a cloud recorded; beside it is by which statements it allowed what.
CLOUD = "calls.jsonl"


def parsed_arguments():
    parser = argparse.ArgumentParser(prog="judges", description="What AWS publishes, as the judge of Longshore.")
    parser.add_argument(
        "--recording", action="append", required=True, type=Path, help="requests and their answers, a line each"
    )
    parser.add_argument("--plan", required=True, type=Path, help="what `terraform test -json -verbose` printed")
    parser.add_argument("--messages", required=True, type=Path, help="what `longshore slack preview` printed")
    return parser.parse_args()


def judge_recordings(bench, paths):
    for path in paths:
        recorded = datetime.datetime.fromtimestamp(path.stat().st_mtime)
        print(f"  {path}, recorded until {recorded:%Y-%m-%d %H:%M}")
    found = recordings.judge(paths)
    requests, answers = found.faults_of_requests(), found.faults_of_answers()
    requests += [
        (f"{operation}, request of Longshore", "was never recorded")
        for operation in recordings.never_recorded(found.operations)
    ]
    number = sum(found.requests.values())
    asked = ", ".join(f"{count:,} of {who}" for who, count in found.requests.most_common())
    bench.report(f"{number:,} requests ({asked}; {len(found.operations)} operations of Longshore)", number, requests)
    number = found.answers + found.refusals
    bench.report(f"{number:,} answers of the local cloud to Longshore, {found.refusals:,} refusals", number, answers)


def main():
    arguments = parsed_arguments()
    bench = Bench()
    judge_recordings(bench, arguments.recording)
    found = policies.Found(arguments.plan)
    statements = f"{found.statements:,} statements of {found.documents:,} policies"
    bench.report(statements, found.statements, found.faults)
    clouds = [path for path in arguments.recording if path.name == CLOUD]
    granted = least_privilege.granted(found.granted)
    faults = least_privilege.faults(granted, least_privilege.uses(clouds))
    bench.report(f"{len(granted):,} statements that are needed", sum(map(len, granted.values())), faults)
    compared, faults = handlers.faults(found.actions[policies.CLOUDFORMATION])
    types = len(handlers.rendered_types())
    bench.report(f"{compared:,} permissions of the handlers of {types} resource types", compared, faults)
    names, faults = messages.judge(arguments.messages)
    bench.report(f"{len(names):,} messages in Slack", len(names), faults)
    judged, faults = rules.faults()
    bench.report(f"{judged:,} rules that no schema has", judged, faults)
    bench.report_exceptions()
    print(f"Ran {bench.judged} judgements")
    if bench.failed:
        print(f"FAILED (failures={bench.failed})")
    return 1 if bench.failed else 0


if __name__ == "__main__":
    sys.exit(main())
