"""FilterLogEvents, as far as ministack leaves out what `longshore logs --follow` asks for."""

from ministack.core.responses import error_response_json
from ministack.services import cloudwatch_logs

from patches import wraps


@wraps(cloudwatch_logs, "_filter_log_events")
def _filter_by_prefix(filtered, data):
    prefix = data.get("logStreamNamePrefix")
    if prefix is None:
        return filtered(data)
    if data.get("logStreamNames"):
        return error_response_json(
            "InvalidParameterException", "Specify logStreamNames or logStreamNamePrefix, not both", 400
        )
    group = cloudwatch_logs._log_groups.get(cloudwatch_logs._resolve_log_group_name(data))
    names = [name for name in (group or {"streams": {}})["streams"] if name.startswith(prefix)]
    # No name at all would mean all streams; no stream has a name with a colon.
    return filtered({**data, "logStreamNames": names or [":"]})
