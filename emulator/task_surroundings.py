"""What a task finds around it: its region, the credentials of its role, and folders in place of its file systems.

A process can mount nothing. So a file system is a folder of the cloud's directory, an access point a folder in it,
and where a task's environment names a path of a mount, it names that folder instead.
"""

import secrets
import time
from pathlib import Path

from ministack.core.responses import get_region
from ministack.services import ecs, efs

import containers
import file_systems
from patches import wraps
from provisioning import calls

CREDENTIALS_PATH = "/credentials/"
_PRINCIPAL = "ecs-tasks.amazonaws.com"
_CREDENTIALS_SECONDS = 1800
_MOUNT_FAILED = "ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes"

_directory = None
_address = None
_tasks = {}


def set_directory(directory):
    global _directory
    _directory = Path(directory)


def set_address(address):
    """Where the credentials are asked for: the control server's address."""
    global _address
    _address = address


def credentials(path, token):
    """What the credentials' path answers: the keys of the task's role, or `None` for who may not have them."""
    role, expected = _tasks.get(path.removeprefix(CREDENTIALS_PATH), (None, None))
    if role is None or token != expected:
        return None
    keys = calls.keys_of_role(role, "ecs-task")
    expiration = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + _CREDENTIALS_SECONDS))
    return {
        "AccessKeyId": keys["AccessKeyId"],
        "SecretAccessKey": keys["SecretAccessKey"],
        "Token": keys["SessionToken"],
        "RoleArn": role["Arn"],
        "Expiration": expiration,
    }


def _give_credentials(environment, definition):
    for name in ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN"):
        environment.pop(name, None)
    arn = definition.get("taskRoleArn")
    if not arn:
        return
    role = calls.role_of(arn, _PRINCIPAL)
    if role is None:
        raise containers.ContainerFailed(f"ECS was unable to assume the role '{arn}' that was provided for this task")
    identifier, token = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    _tasks[identifier] = (role, token)
    environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"{_address}{CREDENTIALS_PATH}{identifier}"
    environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = token


def _set_region(environment, definition):
    # Only Fargate does.
    if "FARGATE" in (definition.get("requiresCompatibilities") or []):
        for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
            environment.setdefault(name, get_region())


def folder_of(volume):
    """The folder in place of an EFS volume of a task definition; `None` for another kind of volume."""
    configuration = volume.get("efsVolumeConfiguration")
    if not configuration:
        return None
    identifier = configuration.get("fileSystemId", "")
    if identifier not in efs._file_systems:
        raise containers.ContainerFailed(f'{_MOUNT_FAILED}: "{identifier}" does not exist')
    point = efs._access_points.get((configuration.get("authorizationConfig") or {}).get("accessPointId"))
    root = point["RootDirectory"].get("Path", "/") if point else configuration.get("rootDirectory") or "/"
    folder = _directory / identifier / root.strip("/")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _replace_mounts(environment, container, definition):
    volumes = {volume.get("name"): volume for volume in definition.get("volumes") or []}
    role = calls.role_of(definition.get("taskRoleArn"), _PRINCIPAL)
    for mount in container.get("mountPoints") or []:
        volume, path = volumes.get(mount.get("sourceVolume"), {}), mount.get("containerPath", "").rstrip("/")
        folder = folder_of(volume)
        if folder is None or not path:
            continue
        refusal = file_systems.refused_mount(mount, volume, container, role)
        if refusal:
            raise containers.ContainerFailed(f"{_MOUNT_FAILED}: {refusal}")
        for name, value in environment.items():
            if value == path or value.startswith(f"{path}/"):
                environment[name] = f"{folder}{value.removeprefix(path)}"


@wraps(ecs, "_build_run_kwargs")
def _options(options, container, definition, environment, *rest):
    _set_region(environment, definition)
    _give_credentials(environment, definition)
    _replace_mounts(environment, container, definition)
    return options(container, definition, environment, *rest)
