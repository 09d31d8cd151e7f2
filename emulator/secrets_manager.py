"""Secrets by ARN: a partial one names a secret only where it cannot be taken for a complete one."""

import re

from ministack.services import secretsmanager

from patches import wraps

# What Secrets Manager puts behind the name of each secret, and takes the end of a partial ARN for.
_SUFFIX = re.compile(r"-[A-Za-z0-9]{6}$")


@wraps(secretsmanager, "_resolve")
def _found(resolve, secret_id, **options):
    key, secret = resolve(secret_id, **options)
    if secret is None or not secret_id.startswith("arn:") or secret["ARN"] == secret_id:
        return key, secret
    if _SUFFIX.search(secret_id):
        return None, None
    # ministack takes the first one whose ARN begins like this; a partial ARN holds the whole name.
    key, secret = resolve(secret_id.split(":", 6)[-1], **options)
    return (key, secret) if secret and _SUFFIX.sub("", secret["ARN"]) == secret_id else (None, None)
