"""A permission for a function whose answer is lost on its way."""

import time

from ministack.services import lambda_svc

from patches import wraps

# The SDK sends a call again within a second of a connection that breaks; on a busy machine it may take longer.
_AGAIN_SECONDS = 10
_given = {}


@wraps(lambda_svc, "_add_permission")
def _add_permission(add, function, data, query_params=None, path_qualifier=None):
    """The same call again, right after the first, has the first one's answer. Terraform's provider takes the refusal of
    a call that it sent again for one that will pass, and ends with an error after five minutes."""
    key = (function, path_qualifier, data.get("StatementId"))
    answer = add(function, data, query_params, path_qualifier)
    if answer[0] == 409 and key in _given:
        at, given, first = _given[key]
        if given == data and time.monotonic() - at < _AGAIN_SECONDS:
            return first
    if answer[0] == 201:
        _given[key] = (time.monotonic(), dict(data), answer)
    return answer
