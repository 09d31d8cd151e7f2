"""Judges what Longshore sends, may and renders by what AWS publishes: `python tests/judges --help`; see README.md."""

import argparse
import collections
import fnmatch
import json
import sys
from pathlib import Path

import authorization
import documents
import handlers
import recordings
import rules
import tables

EXCEPTIONS = Path(__file__).parent / "EXCEPTIONS.md"


def parsed_arguments():
    parser = argparse.ArgumentParser(prog="judges")
    parser.add_argument("--recording", action="append", required=True, type=Path, help="requests and answers, a line each")
    parser.add_argument("--plan", required=True, type=Path, help="what `terraform test -json -verbose` printed")
    return parser.parse_args()


class Exceptions:
    """What is right although a judge finds it, from EXCEPTIONS.md. Rows that excuse nothing are faults themselves."""

    def __init__(self):
        self.rows = [(tables.code(subject)[0], tables.code(finding)[0]) for subject, finding, _reason in tables.rows(EXCEPTIONS)]
        self.used = set()

    def excuse(self, subject, finding):
        for row in self.rows:
            if fnmatch.fnmatchcase(subject, row[0].replace("[", "[[]")) and finding.startswith(row[1]):
                self.used.add(row)
                return True
        return False

    def unused(self):
        return [row for row in self.rows if row not in self.used]


class Bench:
    """Counts what was judged and shows the faults that no exception excuses."""

    def __init__(self):
        self.exceptions = Exceptions()
        self.judged = 0
        self.failed = 0

    def report(self, what, judged, faults):
        """`faults` are subjects, findings, and what else there is to say."""
        left = [fault for fault in faults if not self.exceptions.excuse(*fault[:2])]
        for subject, finding, more in left:
            print(f"{subject}: {finding}{more}")
        print(f"{'✗' if left else '✓'} {what}, {len(left)} faults", flush=True)
        self.judged += judged
        self.failed += len(left)


def judge_recordings(bench, paths):
    found = recordings.judge(paths)
    faults = [
        (subject, finding, f" ({count} times{', such as ' + example if example else ''})")
        for (subject, finding), count in sorted(found.faults.items())
        for example in [found.examples[subject, finding]]
    ]
    faults += [(f"{operation}, request of Longshore", "was never recorded", "") for operation in recordings.never_recorded(found.operations)]
    of_answers = [fault for fault in faults if fault[0].endswith(", answer")]
    of_requests = [fault for fault in faults if not fault[0].endswith(", answer")]
    asked = ", ".join(f"{count:,} of {who}" for who, count in found.requests.most_common())
    requests = sum(found.requests.values())
    bench.report(f"{requests:,} requests ({asked}; {len(found.operations)} operations of Longshore)", requests, of_requests)
    answers = found.answers + found.refusals
    bench.report(f"{answers:,} answers of the local cloud to Longshore, {found.refusals:,} of them refusals", answers, of_answers)


def principal_of(address):
    """Whose rights a planned policy is: a function's, CloudFormation's, or the boundary's."""
    if address.startswith("aws_iam_policy.cloudformation"):
        return "cloudformation"
    return address.removeprefix("module.").split(".")[0] if address.startswith("module.") else address.split(".")[1]


def documents_of_terraform(plan):
    for address, _kind, values in documents.planned(plan):
        for member in ("policy", "assume_role_policy"):
            text = values.get(member)
            # A mocked provider makes up what only AWS knows.
            if isinstance(text, str) and text.startswith("{"):
                yield principal_of(address), f"{address}.{member}", json.loads(text)


def documents_of_templates():
    for stack, template in documents.templates().items():
        resources = template["Resources"]
        for name, resource in resources.items():
            properties = resource["Properties"]
            owner = f"{stack}/{name}"
            if resource["Type"] == "AWS::IAM::Role":
                yield owner, owner, properties["AssumeRolePolicyDocument"]
                for policy in properties.get("Policies", []):
                    yield owner, owner, documents.resolved(policy["PolicyDocument"], resources)
            for member in ("KeyPolicy", "FileSystemPolicy"):
                if member in properties:
                    yield owner, owner, documents.resolved(properties[member], resources)
            if resource["Type"] == "AWS::Logs::ResourcePolicy":
                yield owner, owner, json.loads(documents.resolved(properties["PolicyDocument"], resources))


def judge_authorization(bench, plan):
    """Answers the actions that CloudFormation's role grants."""
    granted = collections.defaultdict(list)
    faults = []
    judged = 0
    found = [*documents_of_terraform(plan), *documents_of_templates()]
    for principal, owner, document in found:
        for statement in authorization.statements(owner, document):
            judged += 1
            faults += [(statement.name, f"{what} {wrong}", "") for what, wrong in authorization.faults(statement)]
            if not statement.is_of_a_resource:
                granted[principal].append(statement)
    actions = {principal: _actions(statements) for principal, statements in granted.items()}
    for principal, statements in granted.items():
        faults += [(principal, f"{what} {wrong}", "") for what, wrong in authorization.never_complete(statements)]
        if principal != "permissions_boundary":
            faults += list(_dependent(principal, statements, actions[principal]))
        if "/" in principal:
            faults += list(_outside(principal, statements, granted["permissions_boundary"]))
    bench.report(f"{judged:,} statements of {len(found)} policies ({len(granted)} roles)", judged, faults)
    return actions["cloudformation"]


def _actions(statements):
    return {one for statement in statements for action in statement.actions for one in authorization.named(action)}


def _dependent(principal, statements, granted):
    for statement in statements:
        for action in statement.actions if statement.effect == "Allow" else ():
            for one in authorization.named(action) if "*" not in action else ():
                for missing in sorted(authorization.dependent_actions(statement, one) - granted):
                    yield principal, f"{one} needs {missing} as well, which is not granted", ""


def _outside(principal, statements, boundary):
    for statement in statements:
        for action in statement.actions:
            for resource in statement.resources:
                if not any(authorization.covers(limit, action, [resource]) for limit in boundary):
                    yield f"{principal}: {statement.sid}", f"{action} on {resource} is outside the permissions boundary", ""


def main():
    arguments = parsed_arguments()
    bench = Bench()
    judge_recordings(bench, arguments.recording)
    granted = judge_authorization(bench, arguments.plan)
    compared, faults = handlers.faults(granted)
    bench.report(f"{compared} permissions of {len(handlers.rendered_types())} resource types", compared, [("handlers", fault, "") for fault in faults])
    judged, faults = rules.faults()
    bench.report(f"{judged} rules", judged, [("rules", fault, "") for fault in faults])
    unused = bench.exceptions.unused()
    bench.report(f"{len(bench.exceptions.rows)} exceptions", 0, [(EXCEPTIONS.name, f"nobody finds `{finding}` of `{subject}` any more: take the row out", "") for subject, finding in unused])
    print(f"Ran {bench.judged} judgements")
    if bench.failed:
        print(f"FAILED (failures={bench.failed})")
    return 1 if bench.failed else 0


if __name__ == "__main__":
    sys.exit(main())
