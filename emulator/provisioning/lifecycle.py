"""What becomes of a stack: its resources made, changed and deleted in the order of their dependencies, side by
side where nothing orders them, and everything put back when one of them fails.

It takes the place of the emulator's own course of a stack, which does one resource after the other, touches
those that did not change, forgets what a failed resource left behind, and acts with nobody's permissions.
"""

import contextvars
import copy
import threading

from ministack.core.responses import new_uuid, now_iso
from ministack.services import cloudformation
from ministack.services.cloudformation import changesets, engine, handlers, provisioners, stacks

from patches import replaces
from provisioning import calls, resource, schemas

_MODULES = (changesets, handlers, stacks)
_RETAINED = ("Retain", "RetainExceptOnCreate")
_AT_ONCE = 12
# What a stack is told to be, and goes back to when its update does.
_RESTORED = ("_template", "_resolved_params", "_template_body", "_conditions", "Parameters", "Tags", "Outputs")
_REPLACING = "Requested update requires the creation of a new physical resource; hence creating one."
_INITIATED = "Resource creation Initiated"

# Operations that run, by stack id: a deletion waits for the creation that it cuts short.
_running = {}
_running_lock = threading.Lock()
# The emulator's own handlers change plain dictionaries and were written for one thread.
_emulated_lock = threading.RLock()


class _Emulated(resource.ResourceType):
    """A type that is left to the emulator: made without anybody's permission."""

    def __init__(self, name):
        self.name = name

    def _with(self, work, call, *arguments):
        seed = provisioners._NAME_SEED.set(work.seed)
        try:
            with _emulated_lock:
                return call(*arguments)
        finally:
            provisioners._NAME_SEED.reset(seed)

    def create(self, work, properties):
        physical_id, attributes = self._with(
            work, provisioners._provision_resource, self.name, work.logical_id, properties, work.stack_name
        )
        work.attributes = attributes
        return physical_id

    def update(self, work, physical_id, old, new):
        deferred = provisioners._DEFERRED_PREDECESSOR_DELETES.set(work.deferred)
        try:
            new_id, attributes = self._with(
                work,
                provisioners._update_resource,
                self.name,
                physical_id,
                old,
                new,
                work.stack_name,
                work.logical_id,
                work.attributes,
            )
        finally:
            provisioners._DEFERRED_PREDECESSOR_DELETES.reset(deferred)
        work.attributes = attributes
        return new_id

    def delete(self, work, physical_id, properties):
        self._with(
            work, provisioners._delete_resource, self.name, physical_id, properties, work.stack_name, work.logical_id
        )

    def attributes(self, work, physical_id, properties):
        return work.attributes

    def needs_replacement(self, old, new):
        return bool(provisioners._replacing_change(self.name, old, new))


def type_of(name):
    return resource.find(name) or _Emulated(name)


def _checked(kind, logical_id, properties):
    if not schemas.is_known(kind.name):
        return properties
    try:
        return schemas.checked(kind.name, logical_id, properties)
    except ValueError as error:
        raise _Invalid(str(error)) from None


class _Invalid(Exception):
    """Properties that their schema does not allow; nothing was called."""


def tagged(kind, properties, stack_tags, stack_name, stack_id, logical_id):
    """The properties with the stack's tags and CloudFormation's own among theirs."""
    if isinstance(kind, _Emulated):
        return stacks._with_stack_tags(kind.name, properties, stack_tags, stack_name, stack_id, logical_id)
    if not kind.tags:
        return properties
    extra = resource.tag_map(stack_tags)
    if kind.takes_system_tags:
        extra["aws:cloudformation:stack-name"] = stack_name
        extra["aws:cloudformation:stack-id"] = stack_id
        extra["aws:cloudformation:logical-id"] = logical_id
    own = properties.get(kind.tags)
    if kind.tags_are_a_map:
        return {**properties, kind.tags: {**extra, **(own or {})}}
    present = resource.tag_map(own)
    if not own and not extra:
        return properties
    added = [{"Key": key, "Value": value} for key, value in extra.items() if key not in present]
    return {**properties, kind.tags: [*(own or []), *(kind.stack_tag(tag) for tag in added)]}


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
        self.definitions = {
            name: definition
            for name, definition in (template.get("Resources") or {}).items()
            if self.conditions.get(definition.get("Condition"), True)
        }
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
        work = resource.Work(
            self.name,
            self.id,
            logical_id,
            calls.keys_for(self.stack.get("RoleARN")),
            seed,
            self._is_cancelled if cancellable else (lambda: False),
            when_made,
        )
        return work

    # Creation and update.

    def deploy(self):
        """Makes and changes everything; true when all went well. What failed is in `failed`."""
        before = {name: engine._extract_deps(one, set(self.definitions)) for name, one in self.definitions.items()}
        walk = _Walk(sorted(self.definitions), lambda name: before[name])
        walk.run(self._provision, stop_at_failure=True)
        return not self.failed and not self._is_cancelled()

    def _resolved(self, logical_id):
        definition = self.definitions[logical_id]
        with self.lock:
            known = dict(self.resources)
        declared = engine._resolve_refs(
            copy.deepcopy(definition.get("Properties") or {}),
            known,
            self.parameters,
            self.conditions,
            self.mappings,
            self.name,
            self.id,
        )
        declared = _without_no_value(declared)
        before = ((self.previous or {}).get("_resources") or {}).get(logical_id) or {}
        unchanged = before.get("_declared") == declared
        properties, dynamic = engine._resolve_dynamic_references(
            copy.deepcopy(declared), before.get("_dynamic"), reuse_ssm=unchanged, reuse_secrets=unchanged
        )
        return declared, properties, dynamic

    def _provision(self, logical_id):
        if self._is_cancelled():
            return False
        type_name = self.definitions[logical_id].get("Type", "")
        kind = type_of(type_name)
        before = ((self.previous or {}).get("_resources") or {}).get(logical_id)
        if before and before.get("ResourceType") != type_name:
            before = None
        verb = "UPDATE" if before else "CREATE"
        try:
            declared, properties, dynamic = self._resolved(logical_id)
        except Exception as error:
            self.event(logical_id, type_name, f"{verb}_IN_PROGRESS", "", (before or {}).get("PhysicalResourceId", ""))
            return self._fail(logical_id, type_name, verb, str(error), (before or {}).get("PhysicalResourceId", ""))
        record = {
            "ResourceType": type_name,
            "LogicalResourceId": logical_id,
            "Properties": properties,
            "_declared": declared,
        }
        if dynamic:
            record["_dynamic"] = dynamic
        if logical_id in self.imports and not before:
            return self._adopt(logical_id, kind, record)
        if before:
            return self._change(logical_id, kind, record, before)
        return self._create(logical_id, kind, record)

    def _create(self, logical_id, kind, record):
        self.event(logical_id, kind.name, "CREATE_IN_PROGRESS")
        seed = new_uuid()[:8]
        return self._make(logical_id, kind, record, "CREATE", seed)

    def _make(self, logical_id, kind, record, verb, seed, before=None):
        def made(physical_id):
            self.event(logical_id, kind.name, f"{verb}_IN_PROGRESS", _INITIATED, physical_id)

        work = None
        properties = record["Properties"]
        try:
            work = self._work(logical_id, seed, made)
            with_tags = tagged(kind, properties, self.tags, self.name, self.id, logical_id)
            with_tags = _checked(kind, logical_id, with_tags)
            physical_id = kind.create(work, with_tags)
            if not work.physical_id:
                work.made(physical_id)
            attributes = kind.attributes(work, physical_id, with_tags)
        except Exception as error:
            physical_id = work.physical_id if work else ""
            if physical_id:
                # It exists, so the rollback has to delete it.
                self._note(logical_id, record, physical_id, {}, f"{verb}_FAILED", seed, before)
            return self._fail(logical_id, kind.name, verb, self._reason(error, kind, verb), physical_id)
        self._note(logical_id, record, physical_id, attributes, f"{verb}_COMPLETE", seed, before)
        self.event(logical_id, kind.name, f"{verb}_COMPLETE", "", physical_id)
        return True

    def _note(self, logical_id, record, physical_id, attributes, status, seed, replaced=None):
        with self.lock:
            self.resources[logical_id] = {
                **record,
                "PhysicalResourceId": physical_id,
                "Attributes": attributes,
                "ResourceStatus": status,
                "Timestamp": now_iso(),
                "_name_seed": seed,
            }
            self.touched.append(logical_id)
            if replaced:
                self.replaced[logical_id] = replaced

    def _change(self, logical_id, kind, record, before):
        physical_id = before.get("PhysicalResourceId", "")
        properties = record["Properties"]
        try:
            old = tagged(kind, before.get("Properties") or {}, self.previous_tags, self.name, self.id, logical_id)
            new = tagged(kind, properties, self.tags, self.name, self.id, logical_id)
            broken = before.get("ResourceStatus") == "CREATE_FAILED"
            if old == new and not broken:
                with self.lock:
                    self.resources[logical_id] = {**before, **record}
                return True
            old_valid, new = _leniently(kind, logical_id, old), _checked(kind, logical_id, new)
            replaces = broken or kind.needs_replacement(old_valid, new)
        except _Invalid as error:
            self.event(logical_id, kind.name, "UPDATE_IN_PROGRESS", "", physical_id)
            return self._fail(logical_id, kind.name, "UPDATE", str(error), physical_id)
        if replaces:
            name = _kept_name(kind, old_valid, new)
            if name and not broken:
                self.event(logical_id, kind.name, "UPDATE_IN_PROGRESS", "", physical_id)
                reason = (
                    "CloudFormation cannot update a stack when a custom-named resource requires replacing. "
                    f"Rename {name} and update the stack again."
                )
                return self._fail(logical_id, kind.name, "UPDATE", reason, physical_id)
            self.event(logical_id, kind.name, "UPDATE_IN_PROGRESS", _REPLACING, physical_id)
            return self._make(logical_id, kind, record, "UPDATE", new_uuid()[:8], before)
        self.event(logical_id, kind.name, "UPDATE_IN_PROGRESS", "", physical_id)
        work = None
        with self.lock:
            self.touched.append(logical_id)
        try:
            work = self._work(logical_id, before.get("_name_seed", ""))
            work.attributes = before.get("Attributes") or {}
            new_id = kind.update(work, physical_id, old_valid, new) or physical_id
            attributes = kind.attributes(work, new_id, new)
        except Exception as error:
            self._note_update(logical_id, record, before, physical_id, before.get("Attributes"), "UPDATE_FAILED")
            return self._fail(logical_id, kind.name, "UPDATE", self._reason(error, kind, "UPDATE"), physical_id)
        if new_id != physical_id or work.deferred:
            with self.lock:
                self.replaced[logical_id] = {**before, "_deferred": work.deferred}
        self._note_update(logical_id, record, before, new_id, attributes, "UPDATE_COMPLETE")
        self.event(logical_id, kind.name, "UPDATE_COMPLETE", "", new_id)
        return True

    def _note_update(self, logical_id, record, before, physical_id, attributes, status):
        with self.lock:
            self.resources[logical_id] = {
                **record,
                "PhysicalResourceId": physical_id,
                "Attributes": {**(before.get("Attributes") or {}), **(attributes or {})},
                "ResourceStatus": status,
                "Timestamp": now_iso(),
                "_name_seed": before.get("_name_seed", ""),
            }

    def _adopt(self, logical_id, kind, record):
        try:
            physical_id, attributes = stacks._adopt_resource(
                self.id, self.name, logical_id, kind.name, self.imports[logical_id]
            )
        except Exception as error:
            return self._fail(logical_id, kind.name, "IMPORT", str(error), "")
        self._note(logical_id, record, physical_id, attributes, "UPDATE_COMPLETE", "")
        return True

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
        if isinstance(kind, _Emulated):
            return str(error)
        if not calls.code_of(error):
            stacks.logger.warning("stack operation: %s", error, exc_info=error)
        return str(calls.refused(error, kind.service_name))

    def outputs(self):
        alive = {name: one for name, one in self.resources.items() if name in self.definitions}
        return stacks._resolve_stack_outputs(
            self.template.get("Outputs") or {},
            self.conditions,
            alive,
            self.parameters,
            self.mappings,
            self.name,
            self.id,
        )

    def policy(self, logical_id, attribute, template=None, parameters=None):
        template = template or self.template
        parameters = self.parameters if parameters is None else parameters
        return stacks._resource_policy(
            (template.get("Resources") or {}).get(logical_id),
            attribute,
            self.resources,
            parameters,
            engine._evaluate_conditions(template, parameters),
            template.get("Mappings", {}),
            self.name,
            self.id,
        )

    # Deletion of single resources.

    def remove(self, logical_id, record, policy, kept=_RETAINED, silent_when_gone=False):
        """Deletes one resource unless its policy keeps it; false when it could not be deleted."""
        type_name = record.get("ResourceType", "")
        physical_id = record.get("PhysicalResourceId", "")
        if policy in kept:
            self.event(logical_id, type_name, "DELETE_SKIPPED", "", physical_id)
            return True
        kind = type_of(type_name)
        self.event(logical_id, type_name, "DELETE_IN_PROGRESS", "", physical_id)
        try:
            if policy == "Snapshot":
                with _emulated_lock:
                    stacks._snapshot_resource(type_name, physical_id, record.get("Properties") or {})
            for call, arguments, options in record.get("_deferred") or []:
                with _emulated_lock:
                    call(*arguments, **options)
            work = self._work(logical_id, record.get("_name_seed", ""), cancellable=False)
            work.attributes = record.get("Attributes") or {}
            kind.delete(work, physical_id, record.get("Properties") or {})
        except Exception as error:
            if not calls.is_missing(error):
                reason = self._reason(error, kind, "DELETE")
                record["ResourceStatus"] = "DELETE_FAILED"
                record["ResourceStatusReason"] = reason
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
        gone = set()

        def act(name):
            if self.remove(name, records[name], policies[name], kept):
                with self.lock:
                    gone.add(name)
                return True
            return False

        order = sorted(records, key=lambda name: -len(wait_for[name]))
        _Walk(order, lambda name: wait_for[name]).run(act, stop_at_failure=False)
        return [name for name in records if name not in gone]

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
        words = {"CREATE": "create", "UPDATE": "update", "IMPORT": "import"}
        parts = []
        for verb, word in words.items():
            names = sorted(name for name, (failed, _) in self.failed.items() if failed == verb)
            if names:
                parts.append(f"The following resource(s) failed to {word}: [{', '.join(names)}]. ")
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
            self.set_status("ROLLBACK_FAILED", _not_deleted(left))
        else:
            self.set_status("ROLLBACK_COMPLETE")

    def _release(self):
        """What was imported leaves the stack as it came."""
        for name in self.imports:
            record = self.resources.pop(name, {})
            for status in ("IMPORT_ROLLBACK_IN_PROGRESS", "IMPORT_ROLLBACK_COMPLETE"):
                self.event(
                    name,
                    record.get("ResourceType") or self.definitions[name].get("Type", ""),
                    status,
                    "",
                    record.get("PhysicalResourceId", ""),
                )

    def _roll_back_update(self, reason):
        self.set_status("UPDATE_ROLLBACK_IN_PROGRESS", reason or self._failure_reason(""))
        before = self.previous.get("_resources") or {}
        attempted = copy.deepcopy(self.resources)
        self._release()
        made = {}
        for name in dict.fromkeys(self.touched):
            record = attempted.get(name)
            if record is None or name in self.imports:
                continue
            old = before.get(name)
            if old is None or name in self.replaced:
                made[name] = record
        back = [name for name in dict.fromkeys(self.touched) if name in before]
        not_put_back = self._put_back(back, attempted, before)
        if not_put_back:
            self._restore(before)
            self.stack["_rollback"] = self
            self.set_status(
                "UPDATE_ROLLBACK_FAILED",
                f"The following resource(s) failed to update: [{', '.join(sorted(not_put_back))}]. ",
            )
            return
        self.set_status("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
        policies, kept = self._after_creation(made)
        self.remove_all(made, policies, self.template, kept)
        self._restore(before)
        self.set_status("UPDATE_ROLLBACK_COMPLETE")

    def _put_back(self, names, attempted, before):
        """Updates what was changed back to what it was, in the order of the old template's dependencies."""
        old_template = self.previous.get("_template") or {}
        definitions = old_template.get("Resources") or {}
        failed = []

        def act(name):
            old, tried = before[name], attempted[name]
            kind = type_of(old.get("ResourceType", ""))
            physical_id = old.get("PhysicalResourceId", "")
            self.event(name, kind.name, "UPDATE_IN_PROGRESS", "", physical_id)
            try:
                if tried.get("PhysicalResourceId") == physical_id:
                    work = self._work(name, old.get("_name_seed", ""), cancellable=False)
                    work.attributes = tried.get("Attributes") or {}
                    applied = tagged(kind, tried.get("Properties") or {}, self.tags, self.name, self.id, name)
                    wanted = tagged(
                        kind, old.get("Properties") or {}, self.previous_tags, self.name, self.id, name
                    )
                    applied, wanted = _leniently(kind, name, applied), _leniently(kind, name, wanted)
                    kind.update(work, physical_id, applied, wanted)
                    attributes = kind.attributes(work, physical_id, wanted)
                    old["Attributes"] = {**(old.get("Attributes") or {}), **(attributes or {})}
            except Exception as error:
                old["ResourceStatus"] = "UPDATE_FAILED"
                self.event(name, kind.name, "UPDATE_FAILED", self._reason(error, kind, "UPDATE"), physical_id)
                with self.lock:
                    failed.append(name)
                return True
            old["ResourceStatus"] = "UPDATE_COMPLETE"
            old["Timestamp"] = now_iso()
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


def _not_deleted(names):
    return f"The following resource(s) failed to delete: [{', '.join(sorted(names))}]. "


def _without_no_value(value):
    if isinstance(value, dict):
        return {name: _without_no_value(one) for name, one in value.items() if one is not engine._NO_VALUE}
    if isinstance(value, list):
        return [_without_no_value(one) for one in value if one is not engine._NO_VALUE]
    return value


def _leniently(kind, logical_id, properties):
    """Of what was accepted once, or is only attempted: with values of their kinds where that is possible."""
    try:
        return _checked(kind, logical_id, properties)
    except _Invalid:
        return properties


def _kept_name(kind, old, new):
    name = getattr(kind, "named_by", None)
    return new.get(name) if name and new.get(name) and new.get(name) == old.get(name) else None


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
        operation.set_status("DELETE_FAILED", _not_deleted(failed))
        return
    for output in stack.get("Outputs") or []:
        cloudformation._exports.pop(output.get("ExportName"), None)
    operation.set_status("DELETE_COMPLETE")
