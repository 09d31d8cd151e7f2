"""EFS file systems: throughput only where it is provisioned, and no less of it for a day after it was raised or
provisioned anew."""

import time

from ministack.services import efs, tagging

from patches import replaces, wraps

_DAY_SECONDS = 24 * 60 * 60
# When throughput was last raised, or provisioned where it was not, by the file system's id.
_raised = {}


@wraps(efs, "_update_file_system")
def _updated(update, identifier, body):
    record = efs._file_systems.get(identifier)
    if record is None:
        return update(identifier, body)
    before = _throughput(record)
    wanted = _throughput({**record, **body})
    refusal = _refusal(identifier, before, wanted)
    if refusal:
        return efs._error(429, "TooManyRequests", refusal)
    answer = update(identifier, body)
    if wanted[0] == "provisioned" and wanted != before:
        _raised[identifier] = time.time()
    if record.get("ThroughputMode") == "provisioned":
        return answer
    record.pop("ProvisionedThroughputInMibps", None)
    return efs._json(answer[0], efs._fs_response(record))


def _throughput(record):
    """The mode, and MiB a second where they are provisioned."""
    mode = record.get("ThroughputMode") or "bursting"
    return mode, float(record.get("ProvisionedThroughputInMibps") or 0) if mode == "provisioned" else 0.0


def _refusal(identifier, before, wanted):
    raised = _raised.get(identifier)
    if raised is None or time.time() - raised >= _DAY_SECONDS or before[0] != "provisioned":
        return None
    if wanted[0] != before[0] or wanted[1] < before[1]:
        return "You can't decrease the provisioned throughput or change the throughput mode more than once in 24 hours."
    return None


def age(identifier, hours):
    """What was done to a file system's throughput moves back by this many hours; whether there was anything."""
    if identifier not in _raised:
        return False
    _raised[identifier] -= float(hours) * 3600
    return True


# Policies may ask for the tags of file systems (aws:ResourceTag).
replaces(tagging, "_RESOURCE_TAG_COLLECTORS", "elasticfilesystem")(tagging._collect_efs)
