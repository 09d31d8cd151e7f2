"""Whether each right is needed: what recorded uses of permissions show of the statements that grant them."""

import collections
import json

# The roles of Terraform's that are judged: the functions' and the schedules'. Of CloudFormation's role, `handlers` says
# what it needs.
_OF_TERRAFORM = (
    "provision", "deploy", "watch", "sync", "notify", "press", "reconcile", "reconcile_stacks", "reconcile_syncs",
)
# Of the roles that templates make: those of tasks and of schedules.
_OF_TEMPLATES = ("/TaskRole", "/SchedulingRole", "/BottleSyncSchedulingRole")
_TEMPLATES = "templates"


def uses(paths):
    """Each use that was recorded: who used which statement for which action, and whether no other allowed it."""
    found = set()
    for path in paths:
        with path.with_name("permissions.jsonl").open(encoding="utf-8") as lines:
            for line in map(json.loads, lines):
                holder = _holder(line["role"], line["session"])
                if holder:
                    found.add((holder, line["statement"], line["action"], line["alone"]))
    return found


def _holder(role, session):
    """Whose role it is. A function has its role's name; who else has the role is a test that tries what it may do."""
    name = role.partition("-")[2].replace("-", "_")
    if name not in _OF_TERRAFORM:
        return _TEMPLATES
    return name if session in (role, "scheduler") else None


def granted(statements_by_principal):
    """The actions of each statement that is judged, by who has it and its name."""
    found = collections.defaultdict(set)
    for principal, statements in statements_by_principal.items():
        is_of_a_template = any(kind in principal for kind in _OF_TEMPLATES)
        if principal in _OF_TERRAFORM or is_of_a_template:
            for statement in statements:
                # One without a name is a stack file's own.
                if statement.effect == "Allow" and not statement.sid.startswith("statement "):
                    found[_TEMPLATES if is_of_a_template else principal, statement.sid].update(statement.actions)
    return found


def faults(granted_actions, used):
    for (holder, sid), actions in sorted(granted_actions.items()):
        needed = {action for action in actions if (holder, sid, action, True) in used}
        if not needed:
            yield f"{holder}: {sid}", f"is needed by nothing: {', '.join(sorted(actions))}"
            continue
        for action in sorted(actions - needed):
            is_used = (holder, sid, action, False) in used
            yield f"{holder}: {sid}", f"{action} {'is allowed by another statement, too' if is_used else 'was never used'}"
