"""CloudFormation's API where ministack answers otherwise than AWS: who may do what in which state of a stack,
where templates come from, what a change set shows, and what nobody may see."""

import asyncio
import contextvars
import functools
import json
import re
import threading
import urllib.parse
import uuid

from botocore.exceptions import ClientError
from ministack import app
from ministack.core import iam_actions
from ministack.core.concurrency import run_reentrant, spawn_background
from ministack.core.responses import now_iso
from ministack.core.router import extract_access_key_id
from ministack.services import cloudformation
from ministack.services.cloudformation import changesets, engine, handlers, helpers, stacks

import events
from patches import replaces, wraps
from provisioning import calls, changes

_p, _error, _xml, _esc = helpers._p, helpers._error, helpers._xml, helpers._esc

_MODULES = (changesets, handlers, stacks)

# Two requests about one stack must not pass each other.
_lock = threading.RLock()
# Events of a stack that is made only to be put away again are nobody's.
_silent = contextvars.ContextVar("cloudformation_silent", default=False)

_UPDATABLE = {
    "CREATE_COMPLETE",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    # Failed with DisableRollback: another update may fix it.
    "CREATE_FAILED",
    "UPDATE_FAILED",
}
# What a person began says so.
_BEGINNINGS = ("CREATE_IN_PROGRESS", "REVIEW_IN_PROGRESS", "UPDATE_IN_PROGRESS")
_NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."
# Members that AWS leaves out where there is nothing to say; clients take an empty element for an empty string.
_LEFT_OUT = re.compile(
    r"<(StackStatusReason|ResourceStatusReason|PhysicalResourceId|Description|StatusReason|DefaultValue)></\1>"
)


def _is_url_of_s3(url):
    parsed = urllib.parse.urlparse(url)
    parts = parsed.path.lstrip("/").split("/", 1)
    host = parsed.hostname or ""
    virtual = re.match(r"^(.+?)\.s3[.-]", host)
    if virtual:
        bucket, key = virtual.group(1), parsed.path.lstrip("/")
    elif len(parts) == 2:
        bucket, key = parts
    else:
        return None
    version = urllib.parse.parse_qs(parsed.query).get("versionId", [None])[0]
    return (bucket, urllib.parse.unquote(key), version) if bucket and key else None


@replaces(helpers, "_resolve_document")
def _template_from(params, body_key, url_key, label):
    """Templates are read from S3 with the permissions of who sends the request."""
    body, url = _p(params, body_key), _p(params, url_key)
    if body or not url:
        return body or None, None
    place = _is_url_of_s3(url)
    if place is None:
        return None, _error("ValidationError", f"{url_key} must be a supported URL.")
    bucket, key, version = place
    try:
        options = {"VersionId": version} if version else {}
        text = calls.client("s3", calls.keys_for("")).get_object(Bucket=bucket, Key=key, **options)["Body"].read()
    except (ClientError, calls.Refused) as error:
        found = error.response["Error"] if isinstance(error, ClientError) else {"Message": str(error)}
        return None, _error(
            "ValidationError",
            f"S3 error: {found.get('Message')}\nFor more information check "
            "http://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html",
        )
    if body_key == "TemplateBody" and len(text) > helpers.TEMPLATE_URL_MAX_BYTES:
        return None, _error(
            "ValidationError", f"Template may not exceed {helpers.TEMPLATE_URL_MAX_BYTES} bytes in size."
        )
    return text.decode("utf-8"), None


@wraps((changesets, handlers, engine), "_resolve_parameters")
def _parameters(resolve, template, provided, previous=None):
    """In CloudFormation's words, all of them at once."""
    declared = template.get("Parameters") or {}
    unknown = [one["Key"] for one in provided if one.get("Key") not in declared]
    if unknown:
        raise ValueError(f"Parameters: [{', '.join(sorted(unknown))}] do not exist in the template")
    given = {one["Key"] for one in provided}
    missing = [name for name, one in declared.items() if name not in given and "Default" not in one]
    if missing:
        raise ValueError(f"Parameters: [{', '.join(missing)}] must have values")
    return resolve(template, provided, previous)


@wraps(_MODULES, "_add_event")
def _add_event(
    add, stack_id, stack_name, logical_id, resource_type, status, reason="", physical_id="", detailed_status=""
):
    """Records an event of a stack and puts it on the default bus, as AWS does."""
    if _silent.get():
        return
    is_stack = resource_type == "AWS::CloudFormation::Stack" and physical_id == stack_id
    if is_stack and not reason and status in _BEGINNINGS:
        reason = "User Initiated"
        stack = cloudformation._stacks.get(stack_name)
        if stack is not None:
            stack["StackStatusReason"] = reason
    add(stack_id, stack_name, logical_id, resource_type, status, reason, physical_id, detailed_status)
    kind = "Stack" if is_stack else "Resource"
    detail = {
        "stack-id": stack_id,
        "status-details": {"status": status, "status-reason": reason},
        "client-request-token": stacks.CLIENT_REQUEST_TOKEN.get(),
    }
    if not is_stack:
        detail["logical-resource-id"] = logical_id
        detail["physical-resource-id"] = physical_id
        detail["resource-type"] = resource_type
    events.emit("aws.cloudformation", f"CloudFormation {kind} Status Change", [stack_id], detail)


@replaces(_MODULES, "_create_stack_task_in_region")
def _begin_in_background(coroutine, stack, stack_id=None):
    """A stack's operation has a thread of its own: it calls this very server, which must be free to answer."""
    with stacks._stack_region_context(stack, stack_id):
        spawn_background(lambda: asyncio.run(coroutine), thread_name="stack-operation")


def _role_problem(role):
    if not role:
        return None
    refused = _refused("iam:PassRole", role, **{"iam:PassedToService": calls.PRINCIPAL})
    if refused is None and calls.role_of(role) is None:
        return _error("ValidationError", f"Role {role} is invalid or cannot be assumed")
    return refused


def _refused(action, resource, **condition_keys):
    """None if the caller may do this, or the answer that refuses it."""
    refusal = calls.refusal(action, resource, **condition_keys)
    if refusal is None:
        return None
    message = getattr(refusal, "message", "") or iam_actions.identity_denial_message(
        action, refusal.principal_arn, resource, refusal.decision == "Deny"
    )
    return _error("AccessDenied", message, 403)


def _not_updatable(stack):
    if stack is None or stack.get("StackStatus") in _UPDATABLE | {"DELETE_COMPLETE"}:
        return None
    return _error(
        "ValidationError",
        f"Stack:{stack['StackId']} is in {stack['StackStatus']} state and can not be updated.",
    )


def _found(name):
    return handlers._resolve_stack(name) if name else None


def _created(change_set):
    return _xml(
        200,
        "CreateChangeSetResponse",
        f"<CreateChangeSetResult><Id>{change_set['ChangeSetId']}</Id>"
        f"<StackId>{change_set['StackId']}</StackId></CreateChangeSetResult>",
    )


def _put_aside(stack):
    """A deleted stack stays to be asked for by its id when its name is taken again."""
    if stack is not None and stack.get("StackStatus") == "DELETE_COMPLETE":
        cloudformation._stacks.pop(stack["StackName"], None)
        cloudformation._stacks[stack["StackId"]] = stack


def _with_role(act):
    """A call about a stack that may name a role, which the caller must be allowed to pass."""

    def answer(call, params):
        role = _p(params, "RoleARN")
        return _role_problem(role) or act(call, params, role, _found(_p(params, "StackName")))

    return answer


@wraps(handlers, "_ACTION_HANDLERS", "CreateChangeSet")
@_with_role
def _create_change_set(create, params, role, stack):
    name, kind = _p(params, "ChangeSetName"), _p(params, "ChangeSetType", "UPDATE")
    if stack is not None:
        token = _p(params, "ClientToken")
        _, existing = changesets._find_change_set(name, stack["StackName"])
        if existing and token and existing.get("_token") == token and existing["StackId"] == stack["StackId"]:
            return _created(existing)
    status = (stack or {}).get("StackStatus")
    is_new = kind in ("CREATE", "IMPORT") and status in (None, "REVIEW_IN_PROGRESS", "DELETE_COMPLETE")
    if kind == "CREATE" and not is_new:
        return _error(
            "ValidationError",
            f"Stack [{stack['StackName']}] already exists and cannot be created again with the changeSet [{name}].",
        )
    if not is_new:
        if problem := _not_updatable(stack):
            return problem
    if is_new:
        _put_aside(stack)
    kept = stack if status == "REVIEW_IN_PROGRESS" and is_new else None
    # An import of a stack that only waits for its review is one of a new stack, too.
    if kept is not None:
        cloudformation._stacks.pop(kept["StackName"], None)
    calls.acting_role.set(role or (stack or {}).get("RoleARN") or "")
    silent = _silent.set(kept is not None)
    try:
        answer = create(params)
    finally:
        _silent.reset(silent)
    change_set = None
    if answer[0] == 200:
        identifier = re.search(r"<Id>(.*?)</Id>", answer[2].decode()).group(1)
        change_set = cloudformation._change_sets[identifier]
    if kept is not None:
        made = cloudformation._stacks.pop(kept["StackName"], None)
        cloudformation._stacks[kept["StackName"]] = kept
        if made is not None and change_set is not None:
            cloudformation._stack_events.pop(made["StackId"], None)
            change_set["StackId"] = kept["StackId"]
    if change_set is None:
        return answer
    change_set["RoleARN"] = role
    change_set["_token"] = _p(params, "ClientToken")
    change_set["NotificationARNs"] = []
    _complete(change_set, cloudformation._stacks[change_set["StackName"]])
    return _created(change_set)


def _complete(change_set, stack):
    """The changes as AWS finds them, and the parameters as it shows them."""
    parameters = change_set["_resolved_params"]
    change_set["Parameters"] = [
        {"ParameterKey": name, "ParameterValue": "****" if one["NoEcho"] else one.get("SsmName", one["Value"])}
        | ({"ResolvedValue": one["Value"]} if "SsmName" in one else {})
        for name, one in parameters.items()
    ]
    if change_set["ChangeSetType"] == "IMPORT":
        return
    imported = {
        one["ResourceChange"]["LogicalResourceId"]: one
        for one in change_set["Changes"]
        if one["ResourceChange"]["Action"] == "Import"
    }
    if change_set["Status"] == "FAILED" and change_set["StatusReason"] != _NO_CHANGES:
        return
    template = change_set["_template"]
    tags_changed = stacks._stack_tags_changed(stack, change_set["Tags"], change_set["_tags_given"])
    tags_changed = tags_changed and change_set["ChangeSetType"] == "UPDATE"
    with stacks._stack_region_context(stack, stack["StackId"]):
        found = changes.compare(stack, template, parameters, tags_changed)
    change_set["Changes"] = [imported.get(one["ResourceChange"]["LogicalResourceId"], one) for one in found]
    outputs = template.get("Outputs") or {}
    differs = bool(found) or outputs != ((stack.get("_template") or {}).get("Outputs") or {})
    if differs:
        change_set.update(Status="CREATE_COMPLETE", ExecutionStatus="AVAILABLE", StatusReason="")
    else:
        change_set.update(Status="FAILED", ExecutionStatus="UNAVAILABLE", StatusReason=_NO_CHANGES)


def _change_set(params):
    stack = _found(_p(params, "StackName")) or {}
    stack_name = stack.get("StackName", _p(params, "StackName"))
    return changesets._find_change_set(_p(params, "ChangeSetName"), stack_name)[1]


@wraps(handlers, "_ACTION_HANDLERS", "ExecuteChangeSet")
def _execute_change_set(execute, params):
    change_set = _change_set(params)
    if change_set is None:
        return execute(params)
    token = _p(params, "ClientRequestToken")
    if token and change_set.get("_executed_with") == token:
        return _xml(200, "ExecuteChangeSetResponse", "<ExecuteChangeSetResult></ExecuteChangeSetResult>")
    stack = cloudformation._stacks.get(change_set["StackName"])
    if change_set["ExecutionStatus"] == "AVAILABLE" and stack.get("StackStatus") != "REVIEW_IN_PROGRESS":
        if problem := _not_updatable(stack):
            return problem
    if change_set["ExecutionStatus"] != "AVAILABLE":
        return _error(
            "InvalidChangeSetStatus",
            f"ChangeSet [{change_set['ChangeSetId']}] cannot be executed in its current status of "
            f"[{change_set['Status']}]",
        )
    if change_set.get("RoleARN"):
        stack["RoleARN"] = change_set["RoleARN"]
    calls.acting_role.set(stack.get("RoleARN") or "")
    change_set["_executed_with"] = token
    stack.pop("_rollback", None)
    # The stack's own name: it may have been given by its id.
    answer = execute({**params, "StackName": [change_set["StackName"]], "ChangeSetName": [change_set["ChangeSetId"]]})
    if answer[0] == 200:
        _describe(stack, change_set)
    return answer


def _describe(stack, change_set):
    """Parameters that name an SSM parameter are shown by its name."""
    stack["Description"] = change_set["_template"].get("Description", "")
    stack["Parameters"] = [
        {"ParameterKey": name, "ParameterValue": one.get("SsmName", one["Value"]), "NoEcho": one["NoEcho"]}
        for name, one in change_set["_resolved_params"].items()
    ]


@wraps(handlers, "_ACTION_HANDLERS", "CreateStack")
@_with_role
def _create_stack(create, params, role, stack):
    _put_aside(stack)
    calls.acting_role.set(role or (stack or {}).get("RoleARN") or "")
    return create(params)


@wraps(handlers, "_ACTION_HANDLERS", "UpdateStack")
@_with_role
def _update_stack(update, params, role, stack):
    if problem := _not_updatable(stack):
        return problem
    calls.acting_role.set(role or (stack or {}).get("RoleARN") or "")
    if stack is not None and role:
        stack["RoleARN"] = role
    return update(params)


@wraps(handlers, "_ACTION_HANDLERS", "DeleteStack")
@_with_role
def _delete_stack(delete, params, role, stack):
    if stack is not None:
        status = stack.get("StackStatus", "")
        if status == "DELETE_IN_PROGRESS":
            return _xml(200, "DeleteStackResponse", "")
        if status.endswith("_IN_PROGRESS") and status not in ("CREATE_IN_PROGRESS", "REVIEW_IN_PROGRESS"):
            return _error("ValidationError", f"Stack [{stack['StackName']}] cannot be deleted while in status {status}")
        if role and not stack.get("EnableTerminationProtection"):
            stack["RoleARN"] = role
    return delete(params)


@replaces(handlers, "_ACTION_HANDLERS", "DescribeChangeSet")
def _describe_change_set(params):
    change_set = _change_set(params)
    if change_set is None:
        return _error("ChangeSetNotFound", f"ChangeSet [{_p(params, 'ChangeSetName')}] does not exist", 404)
    with_values = _p(params, "IncludePropertyValues", "false").lower() == "true"
    shown = "".join(_change_xml(one["ResourceChange"], with_values) for one in change_set["Changes"])
    members = [
        _elements(change_set, *_CHANGE_SET),
        _list("Parameters", [_elements(one, *one) for one in change_set["Parameters"]]),
        _list("NotificationARNs", []),
        _list("Capabilities", [_esc(one) for one in change_set["Capabilities"]]),
        _list("Tags", [_elements(one, "Key", "Value") for one in change_set["Tags"]]),
        f"<Changes>{shown}</Changes>",
        "<IncludeNestedStacks>false</IncludeNestedStacks>",
    ]
    if change_set.get("ImportExistingResources"):
        members.append("<ImportExistingResources>true</ImportExistingResources>")
    return _xml(
        200, "DescribeChangeSetResponse", f"<DescribeChangeSetResult>{''.join(members)}</DescribeChangeSetResult>"
    )


def _text(value):
    return value if isinstance(value, str) else json.dumps(value)


def _elements(values, *names):
    present = [name for name in names if values.get(name) not in (None, "")]
    return "".join(f"<{name}>{_esc(_text(values[name]))}</{name}>" for name in present)


def _list(name, members):
    return f"<{name}>{''.join(f'<member>{one}</member>' for one in members)}</{name}>"


_CHANGE_SET = (
    "ChangeSetName", "ChangeSetId", "StackId", "StackName", "Description", "CreationTime", "ExecutionStatus", "Status",
    "StatusReason", "OnStackFailure",
)
_PLACE = ("Attribute", "Name", "RequiresRecreation")
_VALUES = ("Path", "BeforeValue", "AfterValue", "AttributeChangeType")


def _change_xml(change, with_values):
    names = _PLACE + _VALUES if with_values else _PLACE
    details, seen = [], []
    for detail in change.get("Details", []):
        target = {name: value for name, value in detail["Target"].items() if name in names}
        one = {**detail, "Target": target}
        # Without values a property is one detail, however many places in it change.
        if one in seen:
            continue
        seen.append(one)
        details.append(
            f"<Target>{_elements(target, *names)}</Target>"
            + _elements(detail, "Evaluation", "ChangeSource", "CausingEntity")
        )
    contexts = {name: json.dumps(change[name]) for name in ("BeforeContext", "AfterContext") if name in change}
    body = (
        _elements(change, "PolicyAction", "Action", "LogicalResourceId", "PhysicalResourceId", "ResourceType")
        + _elements(change, "Replacement")
        + _list("Scope", [_esc(one) for one in change.get("Scope", [])])
        + _list("Details", details)
        + (_elements(contexts, *contexts) if with_values else "")
    )
    return f"<member><Type>Resource</Type><ResourceChange>{body}</ResourceChange></member>"


@wraps(handlers, "_ACTION_HANDLERS", "GetTemplateSummary")
def _get_template_summary(summarize, params):
    answer = summarize(params)
    if answer[0] != 200:
        return answer
    body, _ = helpers._resolve_template(params)
    body = body or (_found(_p(params, "StackName")) or {}).get("_template_body") or "{}"
    template = engine._parse_template(body)
    extra = ""
    if template.get("Metadata"):
        extra += f"<Metadata>{_esc(json.dumps(template['Metadata']))}</Metadata>"
    if template.get("AWSTemplateFormatVersion"):
        extra += f"<Version>{_esc(str(template['AWSTemplateFormatVersion']))}</Version>"
    text = answer[2].decode().replace("</GetTemplateSummaryResult>", extra + "</GetTemplateSummaryResult>")
    return answer[0], answer[1], text.encode()


@wraps(handlers, "_ACTION_HANDLERS", "DescribeStacks")
def _describe_stacks(describe, params):
    answer = describe(params)
    if answer[0] != 200:
        return answer

    def with_role(match):
        stack = _found(match.group(1)) or {}
        role = stack.get("RoleARN")
        return match.group(0) + (f"<RoleARN>{_esc(role)}</RoleARN>" if role else "")

    text = re.sub(r"<StackId>([^<]+)</StackId>", with_role, answer[2].decode())
    return answer[0], answer[1], text.encode()


def _detect_drift(detect, params):
    """The caller needs these rights besides; resources are looked at as the stack's role, or as the caller."""
    stack = _found(_p(params, "StackName")) or {}
    calls.acting_role.set(stack.get("RoleARN") or "")
    return (
        _refused("cloudformation:DetectStackResourceDrift", stack.get("StackId", "*"))
        or _refused("cloudformation:BatchDescribeTypeConfigurations", "*")
        or detect(params)
    )


@wraps(handlers, "_ACTION_HANDLERS", "DetectStackDrift")
def _detect_stack_drift(detect, params):
    """Answers at once; to ask for each resource takes longer than callers wait for an answer."""
    _, error = handlers._drift_target(_p(params, "StackName"))
    return error or _detect_drift(functools.partial(_begin_detection, detect), params)


def _begin_detection(detect, params):
    stack = _found(_p(params, "StackName"))
    known = str(uuid.uuid4())
    detections = stack.setdefault("_drift_detections", {})
    detections[known] = {
        "StackId": stack["StackId"],
        "StackDriftStatus": "NOT_CHECKED",
        "DetectionStatus": "DETECTION_IN_PROGRESS",
        "Timestamp": now_iso(),
    }

    def look():
        _, _, answer = detect(params)
        found = re.search(rb"<StackDriftDetectionId>([^<]+)<", answer)
        if found:
            detections[known] = detections.pop(found.group(1).decode())
        else:
            detections[known]["DetectionStatus"] = "DETECTION_FAILED"

    spawn_background(look, thread_name="drift-detection")
    begun = f"<StackDriftDetectionId>{known}</StackDriftDetectionId>"
    return _xml(200, "DetectStackDriftResponse", f"<DetectStackDriftResult>{begun}</DetectStackDriftResult>")


wraps(handlers, "_ACTION_HANDLERS", "DetectStackResourceDrift")(_detect_drift)


def _tidied(answer):
    status, headers, body = answer
    if status == 200 and isinstance(body, bytes):
        body = _LEFT_OUT.sub("", body.decode()).encode()
    return status, headers, body


@replaces(app, "SERVICE_HANDLERS", "cloudformation")
async def _handle(method, path, headers, body, query_params):
    """Answers on a thread of its own, since many answers need calls of this server."""

    def answer():
        calls.caller.set(extract_access_key_id(headers, query_params) or "")
        with _lock:
            return asyncio.run(cloudformation.handle_request(method, path, headers, body, query_params))

    return _tidied(await run_reentrant(answer))
