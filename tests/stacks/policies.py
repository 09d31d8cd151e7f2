"""What a role may do, read from its policies as IAM evaluates them."""

import fnmatch
import re

from cloud import CLOUD


def _list(value):
    return value if isinstance(value, list) else [value]


def _matches(patterns, text):
    return any(fnmatch.fnmatchcase(text.lower(), pattern.lower()) for pattern in _list(patterns))


def _holds(condition, context):
    return all(
        _matches_key(operator, wanted, context.get(key), context)
        for operator, keys in condition.items()
        for key, wanted in keys.items()
    )


def _matches_key(operator, wanted, given, context):
    if operator == "Null":
        return (given is None) == (wanted == "true")
    wanted = [_VARIABLE.sub(lambda found: context.get(found[1], found[2] or ""), text) for text in _list(wanted)]
    if operator == "ForAllValues:StringEquals":
        return given is None or _matches(wanted, given)
    if operator == "ForAnyValue:StringNotEquals":
        return given is not None and not _matches(wanted, given)
    if operator == "StringNotEquals":
        return given is None or not _matches(wanted, given)
    if operator not in ("StringEquals", "ArnEquals", "ArnLike", "StringLike", "Bool"):
        raise AssertionError(f"condition operator {operator} is not known here")
    return given is not None and _matches(wanted, given)


# A variable of a policy, which may say what stands for it where there is none: ${aws:PrincipalTag/team, 'none'}.
_VARIABLE = re.compile(r"\$\{([^},]+)(?:, '([^']*)')?\}")


class Role:
    """A role, by its ARN or name."""

    def __init__(self, role):
        self._iam = CLOUD.client("iam")
        self.name = role.rsplit("/", 1)[-1]
        self.described = self._iam.get_role(RoleName=self.name)["Role"]

    @property
    def path(self):
        return self.described["Path"]

    @property
    def boundary(self):
        return self.described.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")

    def trusts(self, service):
        """Whether this service of AWS, and nobody else, may assume it."""
        principals = [
            statement["Principal"]
            for statement in self.described["AssumeRolePolicyDocument"]["Statement"]
        ]
        return [_list(principal["Service"]) for principal in principals] == [[service]]

    def statements(self):
        """The statements of all of its policies."""
        documents = [
            self._iam.get_role_policy(RoleName=self.name, PolicyName=name)["PolicyDocument"]
            for name in self._iam.list_role_policies(RoleName=self.name)["PolicyNames"]
        ]
        attached = self._iam.list_attached_role_policies(RoleName=self.name)["AttachedPolicies"]
        documents += [self._document(policy["PolicyArn"]) for policy in attached]
        return [statement for document in documents for statement in _list(document["Statement"])]

    def _document(self, arn):
        version = self._iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        answer = self._iam.get_policy_version(PolicyArn=arn, VersionId=version)
        return answer["PolicyVersion"]["Document"]

    def allows(self, action, resource="*", **context):
        """Whether its policies, and its boundary, allow this. Keys of `context` have `__` for `:`."""
        context = {key.replace("__", ":"): value for key, value in context.items()}
        context |= {f"aws:PrincipalTag/{tag['Key']}": tag["Value"] for tag in self.described.get("Tags", [])}
        sets = [self.statements()]
        if self.boundary:
            sets.append(_list(self._document(self.boundary)["Statement"]))
        return all(_allowed(statements, action, resource, context) for statements in sets)


def _allowed(statements, action, resource, context):
    def applies(statement):
        acts = (
            _matches(statement["Action"], action)
            if "Action" in statement
            else not _matches(statement["NotAction"], action)
        )
        return (
            acts
            and _matches(statement.get("Resource", "*"), resource)
            and _holds(statement.get("Condition", {}), context)
        )

    effects = [statement["Effect"] for statement in statements if applies(statement)]
    return "Allow" in effects and "Deny" not in effects
