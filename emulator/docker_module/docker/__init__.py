"""The module that ministack imports as `docker`; on the module path only where containers are processes."""

import containers
from docker import errors


def from_env(**_only_docker_can_do):
    return containers.Client()


__all__ = ["errors", "from_env"]
