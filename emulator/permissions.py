"""What AWS checks about a caller's permissions and ministack does not, or checks on the wrong resource.

ECS calls are checked on the resources AWS names in its service authorization reference, tags given at a
creation need `ecs:TagResource`, and handing a role to a task, a schedule, a rule's target, a flow log or an
instance needs `iam:PassRole`.
"""

import functools
import json
from urllib.parse import parse_qs

from ministack import app
from ministack.core import iam_actions
from ministack.core.iam_evaluator import AuthError, enforce
from ministack.core.responses import get_account_id, get_region
from ministack.core.router import extract_access_key_id
from ministack.services import cloudformation, ecs, iam

import resources
from patches import wraps

_ON_SERVICES = ("DescribeServices", "UpdateService", "CreateService", "DeleteService")
_ON_TASKS = ("DescribeTasks", "StopTask", "ExecuteCommand", "GetTaskProtection", "UpdateTaskProtection")
_ON_TASK_DEFINITIONS = ("RegisterTaskDefinition", "RunTask", "StartTask", "DeleteTaskDefinitions")
_ON_SERVICE_DEPLOYMENTS = {
    "DescribeServiceDeployments": "serviceDeploymentArns",
    "DescribeServiceRevisions": "serviceRevisionArns",
    "StopServiceDeployment": "serviceDeploymentArn",
}
_IN_CLUSTERS = ("ListTasks", "ListServices", "RunTask", "StartTask")
# Calls that have no resource, or whose condition keys are all that can narrow them.
_ON_EVERYTHING = (
    "DescribeTaskDefinition", "DeregisterTaskDefinition", "ListTaskDefinitions", "ListTaskDefinitionFamilies",
    "ListServices", "ListClusters",
)


def _arn(kind, name):
    return f"arn:aws:ecs:{get_region()}:{get_account_id()}:{kind}/{name}"


def _cluster_arn(data):
    return _arn("cluster", _cluster_name(data))


def _cluster_name(data):
    return ecs._resolve_cluster_name(str(data.get("cluster") or "default")) or "default"


def _named(kind, cluster, reference):
    """The full ARN of a service or task that a request names in full or in short."""
    return reference if str(reference).startswith("arn:") else _arn(kind, f"{cluster}/{reference}")


def _service_of(arn):
    """The ARN of the service that a service deployment or revision belongs to."""
    head, _, path = str(arn).rpartition(":")
    return f"{head}:service/" + "/".join(path.split("/")[1:3]) if path.count("/") == 3 else "*"


def _resources(action, data):
    """The ARNs on which AWS checks an ECS call; `None` where ministack's own answer stands."""
    cluster = _cluster_name(data)
    if action in _ON_SERVICES:
        named = data.get("services") or [data.get("service") or data.get("serviceName") or "*"]
        return [_named("service", cluster, one) for one in named]
    if action in _ON_TASKS:
        named = data.get("tasks") or [data.get("task") or "*"]
        return [_named("task", cluster, one) for one in named]
    if action in _ON_SERVICE_DEPLOYMENTS:
        named = data.get(_ON_SERVICE_DEPLOYMENTS[action]) or "*"
        named = named if isinstance(named, list) else [named]
        # AWS names two resources that are required: the service, and what belongs to it.
        return [arn for one in named for arn in (_service_of(one), one)]
    if action == "ListServiceDeployments":
        return [_named("service", cluster, data.get("service") or "*")]
    if action == "ListTasks":
        return [_arn("container-instance", f"{cluster}/*")]
    if action == "RegisterTaskDefinition":
        return [_arn("task-definition", f"{data.get('family', '*')}:{_next_revision(data)}")]
    if action in _ON_TASK_DEFINITIONS:
        named = data.get("taskDefinitions") or [data.get("taskDefinition", "*")]
        return [
            one if str(one).startswith("arn:") else _arn("task-definition", ecs._resolve_td_key(str(one)))
            for one in named
        ]
    if action in ("TagResource", "UntagResource", "ListTagsForResource"):
        return [data.get("resourceArn") or "*"]
    if action in _ON_EVERYTHING:
        return ["*"]
    return None


def _next_revision(data):
    return ecs._task_def_latest.get(data.get("family", ""), 0) + 1


def _parsed(body):
    try:
        data = json.loads(body or b"{}")
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


# ministack imports this and the next one for each request anew.
@wraps(iam_actions, "extract_resource_arn")
def _first_resource(extract, service, method, path, headers, body, query_params, region, account_id):
    if service == "ecs":
        found = _resources(headers.get("x-amz-target", "").rsplit(".", 1)[-1], _parsed(body))
        if found:
            return found[0]
    checked = iam_actions.extract_iam_action(service, method, path, headers, body, query_params)
    if checked:
        found = resources.resource(service, checked.split(":", 1)[1], query_params, _parsed(body), path)
        if found:
            return found
    if service == "cloudformation":
        # A change set named by its id is checked on its stack.
        form = _form(body)
        change_set = cloudformation._change_sets.get(form.get("ChangeSetName", ""))
        if change_set and not form.get("StackName"):
            return change_set["StackId"]
    return extract(service, method, path, headers, body, query_params, region, account_id)


@wraps(iam_actions, "request_tag_context")
def _condition_keys(context, service, iam_action, body, parameters):
    """The condition keys of ministack, `ecs:cluster` for the calls AWS gives it to, and those of `resources`."""
    found = context(service, iam_action, body, parameters)
    if service == "ecs":
        found = {**found, **_cluster_key(iam_action.split(":", 1)[1], _parsed(body))}
    if service == "cloudformation":
        form = _form(body)
        for key, parameter in _STACK_KEYS.items():
            if form.get(parameter):
                found = {**found, key: form[parameter]}
    if iam_action == "route53:ChangeResourceRecordSets":
        found = {**found, **resources.keys_of_records(body)}
    own = resources.condition_keys(service, iam_action.split(":", 1)[1], parameters, _parsed(body))
    return {**found, **own}


_STACK_KEYS = {
    "cloudformation:ChangeSetName": "ChangeSetName",
    "cloudformation:RoleArn": "RoleARN",
    "cloudformation:TemplateUrl": "TemplateURL",
}


def _form(body):
    """A request of the query protocol."""
    return {name: values[0] for name, values in parse_qs((body or b"").decode("utf-8", errors="replace")).items()}


def _passed_roles(service, headers, body):
    """The roles that a call hands to a service of AWS, and to which."""
    if service == "scheduler":
        role = (_parsed(body).get("Target") or {}).get("RoleArn")
        return [(role, "scheduler.amazonaws.com")]
    if service == "events":
        if headers.get("x-amz-target", "").endswith(".PutTargets"):
            return [(target.get("RoleArn"), "events.amazonaws.com") for target in _parsed(body).get("Targets") or []]
        return []
    form = _form(body)
    if form.get("Action") == "CreateFlowLogs":
        return [(form.get("DeliverLogsPermissionArn"), "vpc-flow-logs.amazonaws.com")]
    if form.get("Action") == "AddRoleToInstanceProfile":
        return [((iam._roles.get(form.get("RoleName", "")) or {}).get("Arn"), "ec2.amazonaws.com")]
    return []


def _cluster_key(action, data):
    if action in (*_ON_SERVICES, *_ON_TASKS, *_IN_CLUSTERS, "ListServiceDeployments"):
        return {"ecs:cluster": _cluster_arn(data)}
    if action in _ON_SERVICE_DEPLOYMENTS:
        service = _service_of(_resources(action, data)[1]).split("/")
        return {"ecs:cluster": _arn("cluster", service[1])} if len(service) == 3 else {}
    return {}


def _checks_of_roles(service, headers, body):
    for role, principal in _passed_roles(service, headers, body):
        if role:
            yield "iam:PassRole", role, {"iam:PassedToService": principal}


def _checks_of_events(service, headers, body):
    yield from _checks_of_roles(service, headers, body)
    if headers.get("x-amz-target", "").endswith(".PutEvents"):
        keys = resources.condition_keys(service, "PutEvents", {}, _parsed(body))
        # ministack has asked for the first bus with these keys, and for the others without.
        for bus in iam_actions.eventbridge_resource_arns(body, get_region(), get_account_id())[1:]:
            yield "events:PutEvents", bus, keys


def _checks_of_containers(_service, headers, body):
    """Checks beside the call's own: action, resource, condition keys."""
    action, data = headers.get("x-amz-target", "").rsplit(".", 1)[-1], _parsed(body)
    for resource in (_resources(action, data) or [])[1:]:
        yield f"ecs:{action}", resource, _cluster_key(action, data)
    has_tags = data.get("tags") or (action == "RunTask" and data.get("propagateTags") not in (None, "NONE"))
    if has_tags and action in ("RegisterTaskDefinition", "CreateService", "CreateCluster", "RunTask"):
        tagged = {
            "RegisterTaskDefinition": lambda: _resources(action, data)[0],
            "CreateService": lambda: _resources(action, data)[0],
            "CreateCluster": lambda: _arn("cluster", data.get("clusterName", "default")),
            "RunTask": lambda: _arn("task", f"{_cluster_name(data)}/*"),
        }[action]()
        yield "ecs:TagResource", tagged, {"ecs:CreateAction": action}
    roles = [data.get("taskRoleArn"), data.get("executionRoleArn")]
    if action == "RunTask":
        definition = ecs._task_defs.get(ecs._resolve_td_key(str(data.get("taskDefinition", "")))) or {}
        overrides = data.get("overrides") or {}
        for member in ("taskRoleArn", "executionRoleArn"):
            roles.append(overrides.get(member) or definition.get(member))
    for role in roles if action in ("RegisterTaskDefinition", "RunTask") else []:
        if role:
            yield "iam:PassRole", role, {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
    # The infrastructure role, with which ECS shifts the traffic of a blue/green deployment.
    for balancer in data.get("loadBalancers") or [] if action in ("CreateService", "UpdateService") else []:
        role = (balancer.get("advancedConfiguration") or {}).get("roleArn")
        if role:
            yield "iam:PassRole", role, {"iam:PassedToService": "ecs.amazonaws.com"}


# Calls that make something with tags, and the right to give tags that they need besides.
_TAGGING = {"CreateQueue": "sqs:TagQueue", "CreateTopic": "sns:TagResource"}


def _checks_of_messaging(service, headers, body):
    """Tags given at a creation need the right to give them, on what is made."""
    form = _form(body)
    action = headers.get("x-amz-target", "").rsplit(".", 1)[-1] or form.get("Action", "")
    if action in _TAGGING:
        named = form.get("Name") or form.get("QueueName") or _parsed(body).get("QueueName")
        arn = f"arn:aws:{service}:{get_region()}:{get_account_id()}:{named}"
        keys = iam_actions.request_tag_context(service, f"{service}:{action}", body, form)
        if keys:
            yield _TAGGING[action], arn, keys


def _denied(service, action, resource, refusal, headers):
    if isinstance(refusal, AuthError):
        return app._credential_failure(service, action, "", refusal, headers)
    return iam_actions.access_denied_response(
        service,
        action,
        refusal.principal_arn,
        "",
        headers=headers,
        message=iam_actions.identity_denial_message(
            action, refusal.principal_arn, resource, refusal.decision == "Deny"
        ),
    )


async def _checked(service, checks, handler, method, path, headers, body, query_params):
    access_key = extract_access_key_id(headers, query_params)
    for action, resource, context in checks(service, headers, body):
        refusal = enforce(access_key, action, service, get_region(), resource_arn=resource, service_context=context)
        if refusal:
            return _denied(service, action, resource, refusal, headers)
    return await handler(method, path, headers, body, query_params)


wraps(app, "SERVICE_HANDLERS", "ecs")(functools.partial(_checked, "ecs", _checks_of_containers))
wraps(app, "SERVICE_HANDLERS", "events")(functools.partial(_checked, "events", _checks_of_events))
for _service in ("sns", "sqs"):
    wraps(app, "SERVICE_HANDLERS", _service)(functools.partial(_checked, _service, _checks_of_messaging))
for _service in ("ec2", "iam", "scheduler"):
    wraps(app, "SERVICE_HANDLERS", _service)(functools.partial(_checked, _service, _checks_of_roles))
