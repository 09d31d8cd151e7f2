"""What a function's role allows, where AWS's own services act with it: destinations and logs. And that a policy must
exist to be attached to a role, which ministack does not ask for."""

from ministack.core.iam_evaluator import EvalContext, _gather_role_policies, evaluate
from ministack.services import iam

from patches import wraps


def allows(configuration, action, resource):
    role = configuration.get("Role", "")
    account = role.split(":")[4] if role.count(":") >= 5 else ""
    role_name = role.rsplit("/", 1)[-1]
    context = EvalContext(
        principal_arn=f"arn:aws:sts::{account}:assumed-role/{role_name}/{configuration.get('FunctionName', '')}",
        principal_type="AssumedRole",
        principal_account=account,
        action=action,
        resource_arn=resource,
        region=resource.split(":")[3],
        secure_transport=True,
    )
    return evaluate(context, _gather_role_policies(role_name, account)).decision == "Allow"


@wraps(iam, "_IAM_HANDLERS", "AttachRolePolicy")
def _attach_existing_policy(attach, parameters):
    arn = iam._p(parameters, "PolicyArn")
    if not iam._is_aws_managed_arn(arn) and not iam._policy_exists(arn):
        message = f"Policy {arn} does not exist or is not attachable."
        return iam._error(404, "NoSuchEntity", message, ns="iam")
    return attach(parameters)
