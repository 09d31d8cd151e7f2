"""The logs of functions, which on AWS a function writes with the permissions of its own role.

ministack writes them whatever the role may do, and makes the log group when there is none.
"""

from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch_logs, lambda_svc

import roles
from patches import wraps


@wraps(lambda_svc, "_emit_lambda_logs")
def _emit_as_the_role(emit, function, request_id, text, error, duration, **options):
    configuration = function.get("config") or function
    name = configuration.get("FunctionName", "unknown")
    group = (configuration.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{name}"
    arn = f"arn:aws:logs:{get_region()}:{get_account_id()}:log-group:{group}"
    needed = [("logs:CreateLogStream", f"{arn}:log-stream:any"), ("logs:PutLogEvents", f"{arn}:log-stream:any")]
    if group not in cloudwatch_logs._log_groups:
        needed.append(("logs:CreateLogGroup", arn))
    for action, resource in needed:
        if not roles.allows(configuration, action, resource):
            lambda_svc.logger.error("%s: its log is lost: its role may not %s on %s", name, action, arn)
            return
    emit(function, request_id, text, error, duration, **options)
