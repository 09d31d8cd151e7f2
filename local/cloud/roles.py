"""What a function's role allows, where AWS's own services act with it: destinations and logs."""

from ministack.core.iam_evaluator import EvalContext, _gather_role_policies, evaluate


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
