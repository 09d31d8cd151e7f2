"""Whose permissions CloudFormation acts with, and how a refused call is reported.

On AWS CloudFormation makes every call with the stack's service role, or with the permissions of who began the
operation where there is none. Here it does the same, over the cloud's own endpoint: so each call is checked by
IAM, and by the service, like anybody's.
"""

import contextvars
import functools
import json
import os
import secrets
import threading
import time
import urllib.parse
import uuid

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import iam, sts

PRINCIPAL = "cloudformation.amazonaws.com"
_SESSION_SECONDS = 12 * 3600

# The access key of the request that is answered, and of what runs on behalf of it; and the service role it names.
caller = contextvars.ContextVar("cloudformation_caller", default="")
acting_role = contextvars.ContextVar("cloudformation_acting_role", default="")

_session = botocore.session.Session()
_making = threading.Lock()


class Refused(Exception):
    """A resource could not be made, changed or deleted; the message is the reason in the stack's event."""

    def __init__(self, message, code="GeneralServiceException"):
        token = uuid.uuid4()
        super().__init__(
            f'Resource handler returned message: "{message}" (RequestToken: {token}, HandlerErrorCode: {code})'
        )
        self.code = code


def role_of(arn, principal=PRINCIPAL):
    """The role of an ARN, if it exists and trusts CloudFormation, or another service."""
    role = iam._roles.get(str(arn).rsplit("/", 1)[-1])
    if role is None or role.get("Arn") != arn:
        return None
    document = role.get("AssumeRolePolicyDocument") or "{}"
    if isinstance(document, str):
        document = json.loads(document if document.lstrip().startswith("{") else urllib.parse.unquote(document))
    statements = document.get("Statement", [])
    for statement in [statements] if isinstance(statements, dict) else statements:
        if statement.get("Effect") == "Allow" and iam_evaluator._service_principal_matches(
            statement.get("Principal"), principal
        ):
            return role
    return None


@functools.lru_cache(maxsize=256)
def _role_session(arn, role_id, session, _hour):
    name = arn.rsplit("/", 1)[-1]
    keys = {
        "AccessKeyId": "ASIA" + secrets.token_hex(8).upper(),
        "SecretAccessKey": secrets.token_urlsafe(30),
        "SessionToken": secrets.token_urlsafe(60),
    }
    account = arn.split(":")[4]
    sts.register_session(
        keys["AccessKeyId"],
        {
            "Arn": f"arn:aws:sts::{account}:assumed-role/{name}/{session}",
            "UserId": f"{role_id}:{session}",
            "AccountId": account,
            "PrincipalType": "AssumedRole",
            "SecretAccessKey": keys["SecretAccessKey"],
            "SessionToken": keys["SessionToken"],
            "Expiration": time.time() + _SESSION_SECONDS,
        },
    )
    return keys


def keys_of_role(role, session):
    """Keys with a role's permissions, as a service that assumed it has them."""
    return _role_session(role["Arn"], role.get("RoleId", ""), session, int(time.time() // 3600))


def keys_for(role_arn):
    """Keys to act with: of the service role, or of the caller."""
    if role_arn:
        role = role_of(role_arn)
        if role is None:
            raise Refused(f"Role {role_arn} is invalid or cannot be assumed", "AccessDenied")
        return keys_of_role(role, "AWSCloudFormation")
    credential = iam_evaluator.resolve_credential(caller.get(), get_account_id())
    if not hasattr(credential, "secret_access_key"):
        raise Refused("The security token included in the request is invalid", "InvalidCredentials")
    return {
        "AccessKeyId": credential.access_key_id,
        "SecretAccessKey": credential.secret_access_key,
        "SessionToken": credential.session_token,
    }


@functools.lru_cache(maxsize=512)
def _client(service, region, access_key_id, secret_access_key, session_token):
    with _making:
        return _session.create_client(
            service,
            region_name=region,
            endpoint_url=os.environ["AWS_ENDPOINT_URL"],
            aws_access_key_id=access_key_id,
            aws_secret_access_key=secret_access_key,
            aws_session_token=session_token,
            config=Config(
                retries={"max_attempts": 0},
                read_timeout=120,
                s3={"addressing_style": "path"},
                max_pool_connections=32,
                ignore_configured_endpoint_urls=True,
            ),
        )


def client(service, keys):
    return _client(
        service, get_region(), keys["AccessKeyId"], keys["SecretAccessKey"], keys.get("SessionToken") or None
    )


def code_of(error):
    return error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else ""


def is_missing(error):
    """Whether a call failed because the resource is not there."""
    code = code_of(error)
    message = str(error).lower()
    return (
        "NotFound" in code
        or code in ("NoSuchEntity", "NoSuchEntityException", "ResourceNotFoundException", "ParameterNotFound")
        or (code in ("ValidationError", "ClientException", "ObjectNotFoundException") and "not found" in message)
        or "does not exist" in message
    )


# CloudFormation's codes, by what the code of a service's error contains.
_HANDLER_CODES = (
    (("AccessDenied", "Unauthorized", "AuthorizationError"), "AccessDenied"),
    (("AlreadyExist", "AlreadyOwned", "Duplicate", "ResourceExistsException"), "AlreadyExists"),
    (("NotFound", "NoSuchEntity"), "NotFound"),
    (("Throttl",), "Throttling"),
    (("LimitExceeded", "QuotaExceeded"), "ServiceLimitExceeded"),
    (("InUse", "DeleteConflict", "DependencyViolation"), "ResourceConflict"),
)


def _handler_code(code):
    return next((name for words, name in _HANDLER_CODES if any(word in code for word in words)), "InvalidRequest")


def refused(error, service_name="AWS"):
    """The reason for a stack's event, in CloudFormation's words."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, ClientError):
        found, metadata = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
        request = metadata.get("RequestId") or uuid.uuid4()
        return Refused(
            f"{found.get('Message') or found.get('Code')} (Service: {service_name}, "
            f"Status Code: {metadata.get('HTTPStatusCode', 400)}, Request ID: {request})",
            _handler_code(found.get("Code", "")),
        )
    if isinstance(error, BotoCoreError):
        return Refused(f"Invalid request provided: {error}", "InvalidRequest")
    return Refused(str(error), "InternalFailure")


def refusal(action, resource, **condition_keys):
    """None if the caller may do this, or why not."""
    return iam_evaluator.enforce(
        caller.get(), action, "cloudformation", get_region(), resource_arn=resource, service_context=condition_keys
    )
