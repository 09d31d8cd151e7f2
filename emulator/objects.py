"""S3 where ministack is kinder than AWS: missing keys, and the version in `Object Created`."""

import contextvars
import json

from ministack import app
from ministack.core.iam_evaluator import enforce
from ministack.core.responses import get_region
from ministack.core.router import extract_access_key_id
from ministack.services import eventbridge, s3

from patches import wraps

_version = contextvars.ContextVar("version of the object an event is about", default=None)


@wraps(s3, "_fire_s3_event")
def _fire_with_version(fire, *arguments, version_id=None, **options):
    token = _version.set(version_id)
    try:
        return fire(*arguments, version_id=version_id, **options)
    finally:
        _version.reset(token)


@wraps(eventbridge, "_dispatch_event")
def _dispatch_with_version(dispatch, event, view=None):
    version = _version.get()
    if event.get("Source") == "aws.s3" and view is None:
        detail = json.loads(event["Detail"])
        detail.pop("event-version", None)
        if version and isinstance(detail.get("object"), dict):
            detail["object"]["version-id"] = version
        event = {**event, "Detail": json.dumps(detail), "Time": event["Time"].split(".")[0].rstrip("Z") + "Z"}
    dispatch(event, view)


@wraps(app, "SERVICE_HANDLERS", "s3")
async def _missing_key_hidden(handler, method, path, headers, body, query_params):
    """Who may not list a bucket does not learn that a key is missing: 403 instead of 404."""
    status, response_headers, response_body = await handler(method, path, headers, body, query_params)
    bucket, _, key = path.lstrip("/").partition("/")
    if status == 404 and method in ("GET", "HEAD") and key:
        if b"<Code>NoSuchBucket</Code>" not in bytes(response_body or b""):
            caller, arn = extract_access_key_id(headers, query_params), f"arn:aws:s3:::{bucket}"
            if enforce(caller, "s3:ListBucket", "s3", get_region(), resource_arn=arn) is not None:
                return s3._error("AccessDenied", "Access Denied", 403, path)
    return status, response_headers, response_body
