"""Every policy that Terraform plans or a template renders, judged by `authorization`."""

import collections
import json

import authorization
import documents

_BOUNDARY = "permissions_boundary"
CLOUDFORMATION = "cloudformation"


def _principal(address):
    """Whose rights a planned policy is: a function's, CloudFormation's, the boundary's, or nobody's in particular."""
    if address.startswith("aws_iam_policy.cloudformation"):
        return CLOUDFORMATION
    return address.removeprefix("module.").split(".")[0] if address.startswith("module.") else address.split(".")[1]


def _planned(plan):
    for address, values in documents.planned(plan):
        for member in ("policy", "assume_role_policy"):
            text = values.get(member)
            # A mocked provider makes up what only AWS knows.
            if isinstance(text, str) and text.startswith("{"):
                yield _principal(address), f"{address}.{member}", json.loads(text)


def _rendered():
    for stack, template in documents.templates().items():
        resources = template["Resources"]
        for name, resource in resources.items():
            owner = f"{stack}/{name}"
            for document in _documents_of(resource["Type"], resource["Properties"]):
                document = documents.resolved(document, resources)
                yield owner, owner, json.loads(document) if isinstance(document, str) else document


def _documents_of(kind, properties):
    if kind == "AWS::IAM::Role":
        yield properties["AssumeRolePolicyDocument"]
        for policy in properties.get("Policies", []):
            yield policy["PolicyDocument"]
    if kind == "AWS::Logs::ResourcePolicy":
        yield properties["PolicyDocument"]
    for member in ("KeyPolicy", "FileSystemPolicy"):
        if member in properties:
            yield properties[member]


class Found:
    """What was judged: counts, faults, and the statements and actions that each principal's policies grant."""

    def __init__(self, plan):
        self.documents = 0
        self.statements = 0
        self.faults = []
        granted = collections.defaultdict(list)
        for principal, owner, document in (*_planned(plan), *_rendered()):
            self.documents += 1
            for statement in authorization.statements(owner, document):
                self.statements += 1
                self._add(statement.name, authorization.faults(statement))
                if not statement.is_of_a_resource:
                    granted[principal].append(statement)
        self.granted = granted
        self.actions = {principal: _actions(statements) for principal, statements in granted.items()}
        for principal, statements in granted.items():
            self._add(principal, authorization.never_complete(statements))
            if principal != _BOUNDARY:
                self._add(principal, _dependent(statements, self.actions[principal]))
            # Roles of templates are within the boundary.
            for statement in statements if "/" in principal else ():
                self._add(statement.name, _outside(statement, granted[_BOUNDARY]))

    def _add(self, subject, faults):
        self.faults += [(subject, f"{what} {wrong}") for what, wrong in faults]


def _actions(statements):
    return {one for statement in statements for action in statement.actions for one in authorization.named(action)}


def _dependent(statements, granted):
    for statement in statements:
        for action in statement.actions if statement.effect == "Allow" else ():
            for one in authorization.named(action) if "*" not in action else ():
                for missing in sorted(authorization.dependent_actions(statement, one) - granted):
                    yield one, f"needs {missing} as well, which is not granted"


def _outside(statement, boundary):
    for action in statement.actions:
        for resource in statement.resources:
            allowing = (limit for limit in boundary if limit.effect == "Allow")
            if not any(authorization.covers(limit, action, [resource]) for limit in allowing):
                yield f"{action} on {resource}", "is outside the permissions boundary"
