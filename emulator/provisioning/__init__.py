"""CloudFormation as AWS has it: stacks whose resources are made by calls that IAM checks, in the order of their
dependencies, and undone when they fail. See lifecycle.py for the course of a stack, requests.py for the API, and
the modules named for parts of AWS for what is made how."""

import importlib

_TYPES = (
    "balancing",
    "containers",
    "discovery",
    "identity",
    "network",
    "objects",
    "observation",
    "scaling",
    "storage",
)


def install():
    from ministack.services.cloudformation import changesets, handlers, provisioners, stacks

    from provisioning import adoption, lifecycle, requests, resource, schemas

    # Each registers its types.
    for module in _TYPES:
        importlib.import_module(f"provisioning.{module}")
    for name in resource.all_types():
        paths = schemas.create_only(name)
        provisioners._REPLACING_PROPERTIES[name] = tuple(dict.fromkeys(path[0] for path in paths))
    adoption.install()
    for module in (changesets, handlers, stacks):
        module._deploy_stack_async = lifecycle.deploy_stack
        module._delete_stack_async = lifecycle.delete_stack
        module._roll_back_operation = lifecycle.roll_back_stack
        module._continue_update_rollback_async = lifecycle.continue_update_rollback
    requests.install()
