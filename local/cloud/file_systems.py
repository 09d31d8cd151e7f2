"""EFS file systems as AWS tells of them: throughput where it is provisioned, and the key they are encrypted with."""

from ministack.core.responses import get_account_id, get_region
from ministack.services import efs

_update = efs._update_file_system
_response = efs._fs_response
# One for each account and region, which AWS makes at the first encrypted file system.
_KEY = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"


def _updated(identifier, body):
    answer = _update(identifier, body)
    record = efs._file_systems.get(identifier)
    if record is None or record.get("ThroughputMode") == "provisioned":
        return answer
    record.pop("ProvisionedThroughputInMibps", None)
    return efs._json(answer[0], efs._fs_response(record))


def _told(record):
    shown = _response(record)
    if not shown.get("KmsKeyId"):
        shown.pop("KmsKeyId", None)
        if shown.get("Encrypted"):
            shown["KmsKeyId"] = f"arn:aws:kms:{get_region()}:{get_account_id()}:key/{_KEY}"
    return shown


def install():
    efs._update_file_system = _updated
    efs._fs_response = _told
