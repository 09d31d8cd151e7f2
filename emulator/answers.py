"""Members of answers that AWS does not have, or never has empty; `tests/judges` compares all with AWS's models."""

import json
import uuid

from ministack.core.responses import get_account_id, get_region
from ministack.services import ecs, efs, eventbridge, lambda_svc

from patches import wraps


@wraps(ecs, "_sanitize")
def _of_containers(sanitize, record):
    """A task has a reason to stop when it has one. Of a service its deployments say what Service Connect does."""
    answer = sanitize(record)
    if isinstance(answer, dict) and answer.get("stopCode") == "":
        del answer["stopCode"]
    if isinstance(answer, dict) and "serviceArn" in answer:
        answer.pop("serviceConnectConfiguration", None)
    return answer


@wraps(efs, "_fs_response")
def _of_file_systems(response, record):
    """What is encrypted has a key: the account's own for EFS where none is given."""
    answer = response(record)
    if not answer.get("KmsKeyId"):
        del answer["KmsKeyId"]
        if answer.get("Encrypted"):
            account, region = get_account_id(), get_region()
            key = uuid.uuid5(uuid.NAMESPACE_OID, f"{account}/{region}/aws/elasticfilesystem")
            answer["KmsKeyId"] = f"arn:aws:kms:{region}:{account}:key/{key}"
    return answer


@wraps(efs, "_mt_response")
def _of_mount_targets(response, record):
    """A mount target has no ARN."""
    return {name: value for name, value in response(record).items() if name != "MountTargetArn"}


def _tidied(answer, tidy):
    """An answer in JSON after its value was tidied; refusals stay as they are."""
    status, headers, body = answer
    if status != 200:
        return answer
    value = json.loads(body)
    tidy(value)
    return status, headers, json.dumps(value).encode()


@wraps(eventbridge, "_list_rules")
def _of_rules(list_rules, data):
    """Who made a rule is shown where one rule is looked at."""

    def tidy(listed):
        for rule in listed["Rules"]:
            rule.pop("CreatedBy", None)

    return _tidied(list_rules(data), tidy)


@wraps(lambda_svc, "_get_function_config")
def _of_functions(get, name, qualifier=None):
    """Reasons are there where something went wrong, and a version of the runtime where it is AWS's."""

    def tidy(function):
        for reason in ("StateReason", "StateReasonCode", "LastUpdateStatusReason", "LastUpdateStatusReasonCode"):
            if function.get(reason) == "":
                del function[reason]
        if function.get("RuntimeVersionConfig", {}).get("RuntimeVersionArn") == "":
            del function["RuntimeVersionConfig"]

    return _tidied(get(name, qualifier), tidy)
