"""Members of answers that AWS does not have, or never has empty; `tests/judges` compares all with AWS's models."""

import uuid

from ministack.core.responses import get_account_id, get_region
from ministack.services import ecs, efs

from patches import wraps


@wraps(ecs, "_sanitize")
def _of_containers(sanitize, record):
    """A task has a reason to stop when it has one."""
    answer = sanitize(record)
    if isinstance(answer, dict) and answer.get("stopCode") == "":
        del answer["stopCode"]
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
