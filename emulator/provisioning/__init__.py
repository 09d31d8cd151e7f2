"""CloudFormation as AWS has it: stacks whose resources are made by calls that IAM checks, in the order of their
dependencies, and undone when they fail. See lifecycle.py for the course of a stack, requests.py for the API, and
the modules named for parts of AWS for what is made how."""

import importlib

_TYPES = (
    "balancing", "containers", "discovery", "identity", "messaging", "network", "objects", "observation", "records",
    "scaling", "storage",
)


def install():
    # Each registers its types.
    for module in (*_TYPES, "lifecycle", "requests"):
        importlib.import_module(f"provisioning.{module}")
    from provisioning import adoption

    adoption.install()
