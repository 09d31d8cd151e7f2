"""What becomes of a stack: its resources made, changed and deleted in the order of their dependencies, side by
side where nothing orders them, and everything restored when one of them fails.

It replaces ministack's own course of a stack, which does one resource after the other, touches those that did not
change, forgets what a failed resource left behind, and acts with nobody's permissions.
"""

import contextvars
import copy
import threading

from ministack.core.responses import new_uuid, now_iso
from ministack.services import cloudformation
from ministack.services.cloudformation import changesets, engine, handlers, stacks

from patches import replaces
from provisioning import calls, resource, schemas

_MODULES = (changesets, handlers, stacks)
_RETAINED = ("Retain", "RetainExceptOnCreate")
_AT_ONCE = 12
# What a stack was, and is again when its update is rolled back.
_RESTORED = ("_template", "_resolved_params", "_template_body", "_conditions", "Parameters", "Tags", "Outputs")
_REPLACING = "Requested update requires the creation of a new physical resource; hence creating one."
_INITIATED = "Resource creation Initiated"

# Operations that run, by stack id: a deletion waits for the creation that it cuts short.
_running = {}
_running_lock = threading.Lock()


class _Invalid(Exception):
    """Properties that their schema does not allow; nothing was called."""


def _checked(kind, logical_id, properties):
    try:
        return schemas.checked(kind.name, logical_id, properties)
    except ValueError as error:
        raise _Invalid(str(error)) from None


def _leniently(kind, logical_id, properties):
    """Of what was accepted once, or is only attempted: with values of their kinds where that is possible."""
    try:
        return _checked(kind, logical_id, properties)
    except _Invalid:
        return properties


class _Walk:
    """Does something for each node once what it waits for is done, side by side where possible."""

    def __init__(self, nodes, before):
        self._waiting = {node: set(before(node)) & set(nodes) - {node} for node in nodes}
        self._order = list(nodes)
        self._condition = threading.Condition()
        self._busy = 0
        self._stopped = False

    def run(self, act, stop_at_failure):
        """`act(node)` says whether it went well; nodes that wait for one that did not are never reached."""
        with self._condition:
            while True:
                ready = [node for node in self._order if node in self._waiting and not self._waiting[node]]
                if not self._stopped:
                    for node in ready[: _AT_ONCE - self._busy]:
                        del self._waiting[node]
                        self._busy += 1
                        context = contextvars.copy_context()
                        threading.Thread(
                            target=context.run, args=(self._one, act, node, stop_at_failure), daemon=True
                        ).start()
                if not self._busy:
                    return
                self._condition.wait()

    def _one(self, act, node, stop_at_failure):
        ok = False
        try:
            ok = act(node)
        except Exception:
            stacks.logger.exception("stack operation: %s", node)
        with self._condition:
            self._busy -= 1
            if ok:
                for waiting in self._waiting.values():
                    waiting.discard(node)
            elif stop_at_failure:
                self._stopped = True
            self._condition.notify()


class Operation:
    """A creation, an update or a deletion of one stack."""

    def __init__(self, stack, template, parameters, previous=None, imports=None, retain_except_on_create=False):
        self.stack = stack
        self.name = stack["StackName"]
        self.id = stack["StackId"]
        self.template = template
        self.parameters = parameters
        self.previous = previous
        self.imports = imports or {}
        self.retain_except_on_create = retain_except_on_create
        self.mappings = template.get("Mappings", {})
        self.conditions = engine._evaluate_conditions(template, parameters)
        self.definitions = defined(template, self.conditions)
        self.tags = stack.get("Tags") or []
        self.previous_tags = (previous or {}).get("Tags") or []
        self.resources = stack.setdefault("_resources", {})
        self.lock = threading.RLock()
        self.failed = {}
        self.touched = []
        self.replaced = {}
        self.cancelled = threading.Event()
        self.ended = threading.Event()
        self.by_user = False

    # What it says.

    def event(self, logical_id, type_name, status, reason="", physical_id=""):
        stacks._add_event(self.id, self.name, logical_id, type_name, status, reason, physical_id)

    def set_status(self, status, reason=""):
        self.stack["StackStatus"] = status
        self.stack["StackStatusReason"] = reason
        stacks._add_event(self.id, self.name, self.name, "AWS::CloudFormation::Stack", status, reason, self.id)

    def _is_cancelled(self):
        if self.stack.pop("_cancel_requested", False):
            self.by_user = True
            self.cancelled.set()
        return self.cancelled.is_set()

    def _work(self, logical_id, seed="", when_made=None, cancellable=True):
        keys = calls.keys_for(self.stack.get("RoleARN"))
        cancelled = self._is_cancelled if cancellable else (lambda: False)
        return resource.Work(self.name, self.id, logical_id, keys, seed, cancelled, when_made)

    def _tagged(self, kind, logical_id, record, stack_tags):
        """A resource's properties with the stack's tags and CloudFormation's own among theirs."""
        properties = record.get("Properties") or {}
        if not kind.tags:
            return properties
        extra = resource.tag_map(stack_tags)
        if kind.takes_system_tags:
            extra["aws:cloudformation:stack-name"] = self.name
            extra["aws:cloudformation:stack-id"] = self.id
            extra["aws:cloudformation:logical-id"] = logical_id
        own = properties.get(kind.tags)
        if kind.tags_are_a_map:
            return {**properties, kind.tags: {**extra, **(own or {})}}
        if not own and not extra:
            return properties
        present = resource.tag_map(own)
        added = [{"Key": key, "Value": value} for key, value in extra.items() if key not in present]
        return {**properties, kind.tags: [*(own or []), *(kind.stack_tag(tag) for tag in added)]}

    # Creation and update.

    def deploy(self):
        """Makes and changes everything; true when all went well. What failed is in `failed`."""
        before = {name: engine._extract_deps(one, set(self.definitions)) for name, one in self.definitions.items()}
        walk = _Walk(sorted(self.definitions), lambda name: before[name])
        walk.run(self._provision, stop_at_failure=True)
        return not self.failed and not self._is_cancelled()

    def _before(self, logical_id):
        return ((self.previous or {}).get("_resources") or {}).get(logical_id) or {}

    def _resolved(self, logical_id):
        definition = self.definitions[logical_id]
        with self.lock:
            known = dict(self.resources)
        declared = resolved(definition, known, self.parameters, self.conditions, self.mappings, self.stack)
        before = self._before(logical_id)
        unchanged = before.get("_declared") == declared
        properties, dynamic = engine._resolve_dynamic_references(
            copy.deepcopy(declared), before.get("_dynamic"), reuse_ssm=unchanged, reuse_secrets=unchanged
        )
        return {"Properties": properties, "_declared": declared, **({"_dynamic": dynamic} if dynamic else {})}

    def _provision(self, logical_id):
        if self._is_cancelled():
            return False
        type_name = self.definitions[logical_id].get("Type", "")
        kind, before = resource.find(type_name), self._before(logical_id)
        if before.get("ResourceType") != type_name:
            before = {}
        verb, physical_id = "UPDATE" if before else "CREATE", before.get("PhysicalResourceId", "")
        try:
            record = {"ResourceType": type_name, "LogicalResourceId": logical_id, **self._resolved(logical_id)}
        except Exception as error:
            return self._refuse(logical_id, type_name, verb, str(error), physical_id)
        if kind is None:
            return self._refuse(logical_id, type_name, verb, f"Resource type {type_name} is not supported", physical_id)
        if before:
            return self._change(logical_id, kind, record, before)
        if logical_id in self.imports:
            return self._adopt(logical_id, kind, record)
        self.event(logical_id, kind.name, "CREATE_IN_PROGRESS")
        return self._make(logical_id, kind, record, "CREATE")

    def _make(self, logical_id, kind, record, verb, replaced=None):
        def made(physical_id):
            self.event(logical_id, kind.name, f"{verb}_IN_PROGRESS", _INITIATED, physical_id)

        def note(physical_id, attributes, status):
            self._note(logical_id, record, physical_id, attributes, status, seed)
            with self.lock:
                self.touched.append(logical_id)
                if replaced:
                    self.replaced[logical_id] = replaced

        seed, work = new_uuid()[:8], None
        try:
            work = self._work(logical_id, seed, made)
            properties = _checked(kind, logical_id, self._tagged(kind, logical_id, record, self.tags))
            physical_id = kind.create(work, properties)
            attributes = kind.attributes(work, physical_id, properties)
        except Exception as error:
            physical_id = work.physical_id if work else ""
            if physical_id:
                # It exists, so the rollback has to delete it.
                note(physical_id, {}, f"{verb}_FAILED")
            return self._fail(logical_id, kind.name, verb, self._reason(error, kind, verb), physical_id)
        note(physical_id, attributes, f"{verb}_COMPLETE")
        self.event(logical_id, kind.name, f"{verb}_COMPLETE", "", physical_id)
        return True

    def _note(self, logical_id, record, physical_id, attributes, status, seed):
        with self.lock:
            self.resources[logical_id] = {
                **record,
                "PhysicalResourceId": physical_id,
                "Attributes": attributes,
                "ResourceStatus": status,
                "Timestamp": now_iso(),
                "_name_seed": seed,
            }

    def _change(self, logical_id, kind, record, before):
        physical_id = before.get("PhysicalResourceId", "")
        old = self._tagged(kind, logical_id, before, self.previous_tags)
        new = self._tagged(kind, logical_id, record, self.tags)
        broken = before.get("ResourceStatus") == "CREATE_FAILED"
        if old == new and not broken:
            with self.lock:
                self.resources[logical_id] = {**before, **record}
            return True
        try:
            old, new = _leniently(kind, logical_id, old), _checked(kind, logical_id, new)
        except _Invalid as error:
            return self._refuse(logical_id, kind.name, "UPDATE", str(error), physical_id)
        if broken or kind.needs_replacement(old, new):
            name = new.get(kind.named_by)
            if name and name == old.get(kind.named_by) and not broken:
                reason = (
                    "CloudFormation cannot update a stack when a custom-named resource requires replacing. "
                    f"Rename {name} and update the stack again."
                )
                return self._refuse(logical_id, kind.name, "UPDATE", reason, physical_id)
            self.event(logical_id, kind.name, "UPDATE_IN_PROGRESS", _REPLACING, physical_id)
            return self._make(logical_id, kind, record, "UPDATE", before)
        self.event(logical_id, kind.name, "UPDATE_IN_PROGRESS", "", physical_id)
        with self.lock:
            self.touched.append(logical_id)
        seed, attributes = before.get("_name_seed", ""), before.get("Attributes") or {}
        try:
            work = self._work(logical_id, seed)
            work.update_policy = self.definitions[logical_id].get("UpdatePolicy") or {}
            kind.update(work, physical_id, old, new)
            attributes = {**attributes, **kind.attributes(work, physical_id, new)}
        except Exception as error:
            self._note(logical_id, record, physical_id, attributes, "UPDATE_FAILED", seed)
            return self._fail(logical_id, kind.name, "UPDATE", self._reason(error, kind, "UPDATE"), physical_id)
        self._note(logical_id, record, physical_id, attributes, "UPDATE_COMPLETE", seed)
        self.event(logical_id, kind.name, "UPDATE_COMPLETE", "", physical_id)
        return True

    def _adopt(self, logical_id, kind, record):
        try:
            physical_id, attributes = stacks._adopt_resource(
                self.id, self.name, logical_id, kind.name, self.imports[logical_id]
            )
        except Exception as error:
            return self._fail(logical_id, kind.name, "IMPORT", str(error), "")
        self._note(logical_id, record, physical_id, attributes, "UPDATE_COMPLETE", "")
        with self.lock:
            self.touched.append(logical_id)
        return True

    def _refuse(self, logical_id, type_name, verb, reason, physical_id):
        """Fails a resource before anything is called."""
        self.event(logical_id, type_name, f"{verb}_IN_PROGRESS", "", physical_id)
        return self._fail(logical_id, type_name, verb, reason, physical_id)

    def _fail(self, logical_id, type_name, verb, reason, physical_id):
        with self.lock:
            if logical_id in self.resources:
                self.resources[logical_id]["ResourceStatusReason"] = reason
            self.failed[logical_id] = (verb, reason)
        self.event(logical_id, type_name, f"{verb}_FAILED", reason, physical_id)
        self.cancelled.set()
        return False

    def _reason(self, error, kind, verb):
        if isinstance(error, resource.Cancelled):
            return f"Resource {'creation' if verb == 'CREATE' else 'update'} cancelled"
        if isinstance(error, (_Invalid, calls.Refused)):
            return str(error)
        if not calls.code_of(error):
            stacks.logger.warning("stack operation: %s", error, exc_info=error)
        return str(calls.refused(error, kind.service_name))

    def outputs(self):
        alive = {name: one for name, one in self.resources.items() if name in self.definitions}
        context = (self.conditions, alive, self.parameters, self.mappings, self.name, self.id)
        return stacks._resolve_stack_outputs(self.template.get("Outputs") or {}, *context)

    def policy(self, logical_id, attribute, template=None, parameters=None):
        template = template or self.template
        parameters = self.parameters if parameters is None else parameters
        definition = (template.get("Resources") or {}).get(logical_id)
        conditions, mappings = engine._evaluate_conditions(template, parameters), template.get("Mappings", {})
        context = (self.resources, parameters, conditions, mappings, self.name, self.id)
        return stacks._resource_policy(definition, attribute, *context)

    # Deletion of single resources.

    def remove(self, logical_id, record, policy, kept=_RETAINED):
        """Deletes one resource unless its policy keeps it; false when it could not be deleted."""
        type_name = record.get("ResourceType", "")
        physical_id = record.get("PhysicalResourceId", "")
        if policy in kept:
            self.event(logical_id, type_name, "DELETE_SKIPPED", "", physical_id)
            return True
        kind = resource.find(type_name)
        self.event(logical_id, type_name, "DELETE_IN_PROGRESS", "", physical_id)
        try:
            work = self._work(logical_id, record.get("_name_seed", ""), cancellable=False)
            kind.delete(work, physical_id, record.get("Properties") or {})
        except Exception as error:
            if not calls.is_missing(error):
                reason = self._reason(error, kind, "DELETE")
                record.update(ResourceStatus="DELETE_FAILED", ResourceStatusReason=reason)
                self.event(logical_id, type_name, "DELETE_FAILED", reason, physical_id)
                return False
        self.event(logical_id, type_name, "DELETE_COMPLETE", "", physical_id)
        return True

    def remove_all(self, records, policies, template, kept=_RETAINED):
        """Deletes resources, those first that depend on others; gives the logical ids that would not go."""
        definitions = template.get("Resources") or {}
        wait_for = {name: set() for name in records}
        for name in records:
            for needed in engine._extract_deps(definitions.get(name) or {}, set(records)):
                wait_for[needed].add(name)
        left = list(records)

        def act(name):
            gone = self.remove(name, records[name], policies[name], kept)
            if gone:
                with self.lock:
                    left.remove(name)
            return gone

        order = sorted(records, key=lambda name: -len(wait_for[name]))
        _Walk(order, lambda name: wait_for[name]).run(act, stop_at_failure=False)
        return left

    # The ends of an operation.

    def finish_update(self):
        """What was replaced or left out of the template goes, after everything else is in place."""
        self.set_status("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        replaced = dict(self.replaced)
        policies = {name: self.policy(name, "UpdateReplacePolicy") for name in replaced}
        self.remove_all(replaced, policies, self.template)
        old_template = self.previous.get("_template") or {}
        removed = {name: one for name, one in self.resources.items() if name not in self.definitions}
        policies = {
            name: self.policy(name, "DeletionPolicy", old_template, self.previous.get("_resolved_params") or {})
            for name in removed
        }
        left = self.remove_all(removed, policies, old_template)
        for name in removed:
            if name not in left:
                self.resources.pop(name, None)

    def roll_back(self, reason=""):
        if self.previous is None:
            self._roll_back_creation(reason)
        else:
            self._roll_back_update(reason)

    def _failure_reason(self, end):
        if self.by_user:
            return "User Initiated"
        parts = []
        for verb in ("CREATE", "UPDATE", "IMPORT"):
            names = [name for name, (failed, _) in self.failed.items() if failed == verb]
            if names:
                parts.append(_failed_to(verb.lower(), names))
        return ("".join(parts) + end) or "Rollback requested by user."

    def _after_creation(self, names):
        """The policies of what this operation made: only Retain keeps it, and not even that if so asked."""
        policies = {name: self.policy(name, "DeletionPolicy") for name in names}
        kept = () if self.retain_except_on_create else ("Retain",)
        return policies, kept

    def _roll_back_creation(self, reason):
        self.set_status("ROLLBACK_IN_PROGRESS", reason or self._failure_reason("Rollback requested by user."))
        made = {name: one for name, one in self.resources.items() if name not in self.imports}
        policies, kept = self._after_creation(made)
        left = self.remove_all(made, policies, self.template, kept)
        self._release()
        for name in list(self.resources):
            if name not in left:
                self.resources.pop(name, None)
        if left:
            self.set_status("ROLLBACK_FAILED", _failed_to("delete", left))
        else:
            self.set_status("ROLLBACK_COMPLETE")

    def _release(self):
        """What was imported leaves the stack as it came."""
        for name in self.imports:
            record = self.resources.pop(name, {})
            type_name = record.get("ResourceType") or self.definitions[name].get("Type", "")
            for status in ("IMPORT_ROLLBACK_IN_PROGRESS", "IMPORT_ROLLBACK_COMPLETE"):
                self.event(name, type_name, status, "", record.get("PhysicalResourceId", ""))

    def _roll_back_update(self, reason):
        self.set_status("UPDATE_ROLLBACK_IN_PROGRESS", reason or self._failure_reason(""))
        before = self.previous.get("_resources") or {}
        attempted = copy.deepcopy(self.resources)
        self._release()
        touched = dict.fromkeys(self.touched)
        made = {
            name: attempted[name]
            for name in touched
            if name in attempted and name not in self.imports and (name not in before or name in self.replaced)
        }
        not_restored = self._restore_resources([name for name in touched if name in before], attempted, before)
        if not_restored:
            self._restore(before)
            self.stack["_rollback"] = self
            self.set_status("UPDATE_ROLLBACK_FAILED", _failed_to("update", not_restored))
            return
        self.set_status("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
        policies, kept = self._after_creation(made)
        self.remove_all(made, policies, self.template, kept)
        self._restore(before)
        self.set_status("UPDATE_ROLLBACK_COMPLETE")

    def _restore_resources(self, names, attempted, before):
        """Updates what was changed back to what it was, in the order of the old template's dependencies."""
        definitions = (self.previous.get("_template") or {}).get("Resources") or {}
        failed = []

        def act(name):
            old, tried = before[name], attempted[name]
            kind = resource.find(old.get("ResourceType", ""))
            physical_id = old.get("PhysicalResourceId", "")
            self.event(name, kind.name, "UPDATE_IN_PROGRESS", "", physical_id)
            try:
                if tried.get("PhysicalResourceId") == physical_id:
                    work = self._work(name, old.get("_name_seed", ""), cancellable=False)
                    work.update_policy = definitions[name].get("UpdatePolicy") or {}
                    applied = _leniently(kind, name, self._tagged(kind, name, tried, self.tags))
                    wanted = _leniently(kind, name, self._tagged(kind, name, old, self.previous_tags))
                    kind.update(work, physical_id, applied, wanted)
                    attributes = kind.attributes(work, physical_id, wanted)
                    old["Attributes"] = {**(old.get("Attributes") or {}), **attributes}
            except Exception as error:
                old["ResourceStatus"] = "UPDATE_FAILED"
                self.event(name, kind.name, "UPDATE_FAILED", self._reason(error, kind, "UPDATE"), physical_id)
                with self.lock:
                    failed.append(name)
                return True
            old.update(ResourceStatus="UPDATE_COMPLETE", Timestamp=now_iso())
            self.event(name, kind.name, "UPDATE_COMPLETE", "", physical_id)
            return True

        def needed(name):
            return engine._extract_deps(definitions.get(name) or {}, set(names))

        _Walk(names, needed).run(act, stop_at_failure=False)
        return failed

    def _restore(self, before):
        self.stack["_resources"] = before
        for member in _RESTORED:
            if member in self.previous:
                self.stack[member] = self.previous[member]


def _failed_to(verb, names):
    return f"The following resource(s) failed to {verb}: [{', '.join(sorted(names))}]. "


def defined(template, conditions):
    """The resources of a template whose conditions hold."""
    found = (template.get("Resources") or {}).items()
    return {name: one for name, one in found if conditions.get(one.get("Condition"), True)}


def resolved(definition, known, parameters, conditions, mappings, stack):
    """The properties of a template's resource, with the values of its functions."""
    properties = copy.deepcopy(definition.get("Properties") or {})
    names = (stack["StackName"], stack["StackId"])
    return _without_no_value(engine._resolve_refs(properties, known, parameters, conditions, mappings, *names))


def _without_no_value(value):
    if isinstance(value, dict):
        return {name: _without_no_value(one) for name, one in value.items() if one is not engine._NO_VALUE}
    if isinstance(value, list):
        return [_without_no_value(one) for one in value if one is not engine._NO_VALUE]
    return value


def _begin(operation):
    with _running_lock:
        _running[operation.id] = operation


def _end(operation):
    operation.ended.set()
    with _running_lock:
        if _running.get(operation.id) is operation:
            del _running[operation.id]


@replaces(_MODULES, "_deploy_stack_async")
async def deploy_stack(
    stack_name,
    stack_id,
    template,
    param_values,
    disable_rollback,
    tags,
    is_update=False,
    previous_stack=None,
    retain_except_on_create=False,
    imports=None,
):
    stack = cloudformation._stacks[stack_name]
    verb = "UPDATE" if is_update else "CREATE"
    previous = (previous_stack or {}) if is_update else None
    if not is_update and calls.acting_role.get():
        stack["RoleARN"] = calls.acting_role.get()
    token = calls.acting_role.set(stack.get("RoleARN") or "")
    operation = Operation(stack, template, param_values, previous, imports, retain_except_on_create)
    _begin(operation)
    try:
        _deploy(operation, stack, template, param_values, disable_rollback, verb)
    except Exception as error:
        stacks.logger.exception("stack %s", stack_name)
        operation.set_status(f"{verb}_FAILED", f"Internal failure: {error}")
    finally:
        _end(operation)
        calls.acting_role.reset(token)


def _deploy(operation, stack, template, parameters, disable_rollback, verb):
    try:
        engine._topological_sort(template.get("Resources") or {}, operation.conditions)
    except ValueError as error:
        operation.failed["template"] = (verb, str(error))
        operation.set_status(f"{verb}_FAILED", str(error))
        return
    ok = operation.deploy()
    outputs, exports = [], {}
    if ok:
        try:
            outputs, exports = operation.outputs()
        except Exception as error:
            ok = False
            operation.event(operation.name, "AWS::CloudFormation::Stack", f"{verb}_FAILED", str(error), operation.id)
    if ok:
        stack["_template"] = template
        stack["_resolved_params"] = parameters
        stack["_conditions"] = operation.conditions
        stack["Outputs"] = outputs
        cloudformation._exports.update(exports)
        if operation.previous is not None:
            operation.finish_update()
        operation.set_status(f"{verb}_COMPLETE")
        return
    if disable_rollback and not operation.by_user:
        stack["_rollback"] = operation
        stack["_template"] = template
        operation.set_status(f"{verb}_FAILED", operation._failure_reason(""))
        return
    operation.roll_back()


@replaces(_MODULES, "_roll_back_operation")
async def roll_back_stack(stack_name, stack_id, stack, _operation, reason_override=""):
    """RollbackStack, and ContinueUpdateRollback: what failed is tried again."""
    operation = stack.pop("_rollback", None)
    if operation is not None:
        operation.roll_back(reason_override)


@replaces(_MODULES, "_continue_update_rollback_async")
async def continue_update_rollback(stack_name, _stack_id, _skipped):
    stack = cloudformation._stacks.get(stack_name)
    if stack is not None:
        await roll_back_stack(stack_name, stack["StackId"], stack, None, "User Initiated")


@replaces(_MODULES, "_delete_stack_async")
async def delete_stack(stack_name, stack_id, retain_resources=(), force=False):
    stack = cloudformation._stacks.get(stack_name)
    if stack is None or stack.get("StackId") != stack_id:
        return
    with _running_lock:
        other = _running.get(stack_id)
    operation = Operation(stack, stack.get("_template") or {}, stack.get("_resolved_params") or {})
    operation.set_status("DELETE_IN_PROGRESS", "User Initiated")
    if other is not None:
        other.roll_back = lambda reason="": None
        other.by_user = True
        other.cancelled.set()
        other.ended.wait()
        operation = Operation(stack, other.template, other.parameters)
        stack["StackStatus"] = "DELETE_IN_PROGRESS"
    _begin(operation)
    try:
        _delete(operation, stack, retain_resources, force)
    finally:
        _end(operation)


def _delete(operation, stack, retain_resources, force):
    records = dict(stack.get("_resources") or {})
    policies = {
        name: "Retain" if name in retain_resources else operation.policy(name, "DeletionPolicy") for name in records
    }
    if force:
        for name, record in records.items():
            if record.get("ResourceStatus") == "DELETE_FAILED":
                policies[name] = "Retain"
    left = operation.remove_all(records, policies, operation.template)
    for name in records:
        if name not in left or force:
            stack["_resources"].pop(name, None)
    failed = [name for name in left if records[name].get("ResourceStatus") == "DELETE_FAILED"]
    if failed and not force:
        operation.set_status("DELETE_FAILED", _failed_to("delete", failed))
        return
    for output in stack.get("Outputs") or []:
        cloudformation._exports.pop(output.get("ExportName"), None)
    operation.set_status("DELETE_COMPLETE")
