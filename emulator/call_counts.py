"""How often each action was called, by whomever and with whatever answer. Calls that IAM refused do not count."""

import collections
import functools
import threading

from ministack import app
from ministack.core import iam_actions

from patches import wraps

_lock = threading.Lock()
_counts = collections.Counter()


def counts():
    """By action, as policies name it."""
    with _lock:
        return dict(sorted(_counts.items()))


async def _counted(service, handler, method, path, headers, body, query_params):
    action = iam_actions.extract_iam_action(service, method, path, headers, body, query_params)
    if action:
        with _lock:
            _counts[action] += 1
    return await handler(method, path, headers, body, query_params)


# Around everything else that answers calls.
for _service in list(app.SERVICE_HANDLERS):
    wraps(app, "SERVICE_HANDLERS", _service)(functools.partial(_counted, _service))
