"""How IAM reads policies, where ministack reads them otherwise: who the caller is to `aws:PrincipalArn`, variables, and
the policy of an event bus."""

import dataclasses
import json
import re

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id
from ministack.services import eventbridge, iam, tagging

import used_permissions
from patches import replaces, wraps

# ${aws:PrincipalTag/team}, or with a value for where there is none: ${aws:PrincipalTag/team, 'none'}.
_VARIABLE = re.compile(r"\$\{([^},]+)(?:, *'([^']*)')?\}")


class _Unknown(Exception):
    """A variable has neither a value nor one for that case."""


@dataclasses.dataclass
class Statement(iam_evaluator.ParsedStatement):
    """A statement of a role's policy, with that policy's name and the statement's place in it."""

    policy: str = ""
    place: int = 0


@replaces(iam_evaluator, "_gather_role_policies")
def _policies_of_role(name, account):
    role = iam._roles.get_scoped(account, None, name) or {}
    documents = dict(role.get("InlinePolicies") or {})
    for arn in role.get("AttachedPolicies", []):
        documents[arn] = iam_evaluator._resolve_managed_policy_document(arn, account)
    return [
        [
            Statement(**vars(statement), policy=policy, place=place)
            for place, statement in enumerate(iam_evaluator.parse_policy_document(document))
        ]
        for policy, document in documents.items()
    ]


@wraps(iam_evaluator, "evaluate")
def _evaluate(evaluate, context, policies, *limits):
    result = evaluate(context, policies, *limits)
    if result.decision == "Allow":
        statements = [one for policy in policies for one in policy if isinstance(one, Statement)]
        used_permissions.note(
            context, [one for one in statements if iam_evaluator._first_match(context, [one], "Allow")]
        )
    return result


@wraps(iam_evaluator, "_resolve_condition_key")
def _value(value, key, context):
    name = key.lower()
    # The policies of queues are asked with a context that does not say what kind of principal it is.
    if name == "aws:principalarn" and ":assumed-role/" in str(context.principal_arn):
        return _role_of(context)
    found = value(key, context)
    if found is None and name.startswith("aws:resourcetag/"):
        # ministack looks for them where the caller's own policies ask, and not where the boundary does.
        tags = tagging.resource_tags(context.resource_arn) or {}
        found = {tag.lower(): text for tag, text in tags.items()}.get(name.partition("/")[2])
    return found


def _role_of(context):
    """The ARN of a session's role."""
    name = iam_evaluator._role_name_from_assumed_arn(context.principal_arn)
    role = iam._roles.get_scoped(context.principal_account, None, name) or {}
    return role.get("Arn", f"arn:aws:iam::{context.principal_account}:role/{name}")


@wraps(iam_evaluator, "_first_match")
def _first_match(first_match, context, statements, effect):
    return first_match(context, _with_values(statements, context), effect)


def _with_values(statements, context):
    """The statements with values in place of variables; one with a variable that has no value matches nothing."""
    for statement in statements:
        parts = {name: getattr(statement, name) for name in ("resources", "not_resources", "conditions")}
        if "${" in str(parts):
            try:
                statement = dataclasses.replace(statement, **_replaced(parts, context))
            except _Unknown:
                continue
        yield statement


def _replaced(value, context):
    if isinstance(value, dict):
        return {key: _replaced(one, context) for key, one in value.items()}
    if isinstance(value, list):
        return [_replaced(one, context) for one in value]
    return _VARIABLE.sub(lambda variable: _known(variable, context), value) if isinstance(value, str) else value


def _known(variable, context):
    value = iam_evaluator._resolve_condition_key(variable[1], context)
    # A key with several values cannot be a variable.
    value = variable[2] if value is None or isinstance(value, list) else str(value)
    if value is None:
        raise _Unknown
    return value


@wraps(eventbridge, "_put_permission")
def _put_permission(put_permission, data):
    """A whole policy replaces the one that is there."""
    if not data.get("Policy"):
        return put_permission(data)
    name = data.get("EventBusName") or "default"
    if name not in eventbridge._event_buses:
        message = f"Event bus {name} does not exist."
        return eventbridge.error_response_json("ResourceNotFoundException", message, 400)
    eventbridge._event_bus_policies[name] = json.loads(data["Policy"])
    return eventbridge.json_response({})


@wraps(iam_evaluator, "_resource_policy")
def _policy_of_resource(policy_of_resource, service, arn):
    if service == "events" and ":event-bus/" in arn:
        policy = eventbridge._event_bus_policies.get(arn.rsplit("/", 1)[-1])
        return (policy, get_account_id()) if policy else None
    return policy_of_resource(service, arn)
