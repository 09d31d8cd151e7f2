"""What a change set says will change: property by property, with what was and what will be."""

from ministack.services.cloudformation import engine, stacks

from provisioning import lifecycle, resource, schemas

# What AWS shows for a value that only comes to be while the change set is executed.
LATER = "{{changeSet:KNOWN_AFTER_APPLY}}"
_HIDDEN = "****"
_BY_THE_TEMPLATE = {"Evaluation": "Static", "ChangeSource": "DirectModification"}


class _AnyAttribute(dict):
    def __contains__(self, name):
        return True

    def __getitem__(self, name):
        return LATER

    def get(self, name, default=None):
        return LATER


def _unknown(type_name):
    return {"PhysicalResourceId": LATER, "Attributes": _AnyAttribute(), "ResourceType": type_name}


def hide(value, secrets):
    """The values of NoEcho parameters are shown to nobody."""
    if isinstance(value, dict):
        return {name: hide(one, secrets) for name, one in value.items()}
    if isinstance(value, list):
        return [hide(one, secrets) for one in value]
    if isinstance(value, str):
        if value in secrets:
            return _HIDDEN
        for secret in secrets:
            if len(secret) > 3 and secret in value:
                value = value.replace(secret, _HIDDEN)
    return value


def secrets_of(*parameters):
    return {
        one["Value"] for given in parameters for one in (given or {}).values() if one.get("NoEcho") and one.get("Value")
    }


def _leaves(before, after, path):
    """Each place where two values differ: path, before, after."""
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted(before.keys() | after.keys()):
            yield from _leaves(before.get(name), after.get(name), f"{path}/{name}")
        return
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after)):
            yield from _leaves(one, other, f"{path}/{index}")
        return
    yield path, before, after


def _at(value, path):
    """The raw value at a place, or the intrinsic function above it."""
    for part in path:
        if isinstance(value, dict) and len(value) == 1 and next(iter(value)).startswith(("Ref", "Fn::")):
            return value
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


class _Comparison:
    def __init__(self, stack, template, parameters, tags_changed):
        self.stack = stack
        self.template = template
        self.parameters = parameters
        self.tags_changed = tags_changed
        self.old = stack.get("_template") or {}
        self.old_parameters = stack.get("_resolved_params") or {}
        self.records = stack.get("_resources") or {}
        self.conditions = engine._evaluate_conditions(template, parameters)
        self.definitions = lifecycle.defined(template, self.conditions)
        self.changed_parameters = {
            name
            for name, one in parameters.items()
            if (self.old_parameters.get(name) or {}).get("Value") != one.get("Value")
        }
        self.replacements = {}

    def _known(self):
        known = dict(self.records)
        for name, definition in self.definitions.items():
            if name not in known or self.replacements.get(name) in ("True", "Conditional"):
                known[name] = _unknown(definition.get("Type", ""))
        return known

    def _after(self, definition, known):
        mappings = self.template.get("Mappings", {})
        return lifecycle.resolved(definition, known, self.parameters, self.conditions, mappings, self.stack)

    def _modified(self, name, known):
        record, definition = self.records[name], self.definitions[name]
        before = record.get("_declared", record.get("Properties") or {})
        try:
            after = self._after(definition, known)
        except Exception:
            after = definition.get("Properties") or {}
        kind = resource.find(definition.get("Type", ""))
        details = []
        for member in sorted(before.keys() | after.keys()):
            if before.get(member) == after.get(member):
                continue
            recreation = kind.replaces_on(member, before, after)
            for path, was, will in _leaves(before.get(member), after.get(member), f"/Properties/{member}"):
                details.append(self._detail(definition, member, recreation, path, was, will))
        details += self._perhaps(kind, definition, before, {one["Target"]["Name"] for one in details})
        old_definition = (self.old.get("Resources") or {}).get(name) or {}
        for attribute in stacks._DIFFED_ATTRIBUTES:
            if old_definition.get(attribute) != definition.get(attribute):
                target = {"Attribute": attribute, "RequiresRecreation": "Never"}
                details.append({"Target": target, **_BY_THE_TEMPLATE})
        return before, after, details

    def _perhaps(self, kind, definition, before, listed):
        """An attribute of a resource that changes in place may be another afterwards: AWS lists who reads it."""
        for member, raw in (definition.get("Properties") or {}).items():
            if member in listed:
                continue
            for reference, attribute in dict.fromkeys(engine._intrinsic_references(raw)):
                if not attribute or reference not in self.records or reference not in self.replacements:
                    continue
                always = any(
                    path[0] == member
                    and (reference, attribute)
                    in list(engine._intrinsic_references(_at(definition["Properties"], path)))
                    for path in schemas.create_only(kind.name)
                )
                target = {
                    "Attribute": "Properties",
                    "Name": member,
                    "RequiresRecreation": "Always" if always else "Never",
                    "Path": f"/Properties/{member}",
                    "AttributeChangeType": "Modify",
                    "AfterValue": LATER,
                }
                if member in before:
                    target["BeforeValue"] = before[member]
                yield {
                    "Target": target,
                    "Evaluation": "Dynamic",
                    "ChangeSource": "ResourceAttribute",
                    "CausingEntity": f"{reference}.{attribute}",
                }

    def _detail(self, definition, member, recreation, path, was, will):
        target = {
            "Attribute": "Properties",
            "Name": member,
            "RequiresRecreation": recreation,
            "Path": path,
            "AttributeChangeType": "Add" if was is None else "Remove" if will is None else "Modify",
        }
        if was is not None:
            target["BeforeValue"] = was
        if will is not None:
            target["AfterValue"] = will
        detail = {"Target": target, **_BY_THE_TEMPLATE}
        raw = _at(definition.get("Properties") or {}, path.split("/")[2:])
        for reference, attribute in engine._intrinsic_references(raw):
            if reference in self.changed_parameters and attribute is None:
                detail.update(ChangeSource="ParameterReference", CausingEntity=reference)
            elif reference in self.definitions and (
                reference not in self.records or self.replacements.get(reference, "False") != "False"
            ):
                certain = self.replacements.get(reference, "True") == "True"
                detail.update(
                    ChangeSource="ResourceAttribute" if attribute else "ResourceReference",
                    CausingEntity=f"{reference}.{attribute}" if attribute else reference,
                    Evaluation="Static" if certain else "Dynamic",
                )
        return detail

    def changes(self):
        modified = {}
        common = [name for name in self.definitions if name in self.records]
        while True:
            known = self._known()
            modified = {name: self._modified(name, known) for name in common}
            replacements = {
                name: self._replacement(name, details)
                for name, (_, _, details) in modified.items()
                if details or self._is_other_type(name)
            }
            if replacements == self.replacements:
                break
            self.replacements = replacements
        found = []
        for name in sorted(self.definitions.keys() | self.records.keys()):
            if name not in self.definitions:
                found.append(self._removal(name))
            elif name not in self.records:
                found.append(self._addition(name, known))
            else:
                found.extend(self._modification(name, *modified[name]))
        return [{"Type": "Resource", "ResourceChange": one} for one in found]

    def _is_other_type(self, name):
        return self.records[name].get("ResourceType") != self.definitions[name].get("Type")

    def _replacement(self, name, details):
        if self._is_other_type(name):
            return "True"
        found = {(one["Target"]["RequiresRecreation"], one["Evaluation"]) for one in details}
        if ("Always", "Static") in found:
            return "True"
        return "Conditional" if any(recreation != "Never" for recreation, _ in found) else "False"

    def _context(self, definition, properties):
        """The whole resource as AWS puts it beside the change: a JSON text."""
        context = {"Properties": properties}
        for attribute in ("DeletionPolicy", "UpdateReplacePolicy", "Metadata"):
            if attribute in definition:
                context[attribute] = definition[attribute]
        return context

    def _removal(self, name):
        record = self.records[name]
        definition = (self.old.get("Resources") or {}).get(name) or {}
        return {
            "Action": "Remove",
            "LogicalResourceId": name,
            "PhysicalResourceId": record.get("PhysicalResourceId", ""),
            "ResourceType": record.get("ResourceType", ""),
            **stacks._policy_action(definition, "DeletionPolicy"),
            "Scope": [],
            "Details": [],
            "BeforeContext": self._context(definition, record.get("_declared", record.get("Properties") or {})),
        }

    def _addition(self, name, known):
        definition = self.definitions[name]
        try:
            properties = self._after(definition, known)
        except Exception:
            properties = definition.get("Properties") or {}
        return {
            "Action": "Add",
            "LogicalResourceId": name,
            "ResourceType": definition.get("Type", ""),
            "Scope": [],
            "Details": [],
            "AfterContext": self._context(definition, properties),
        }

    def _modification(self, name, before, after, details):
        record, definition = self.records[name], self.definitions[name]
        kind = resource.find(definition.get("Type", ""))
        details = list(details)
        if self.tags_changed and kind.tags:
            target = {"Attribute": "Tags", "RequiresRecreation": "Never"}
            details.append({"Target": target, "Evaluation": "Static"})
        if not details and not self._is_other_type(name):
            return
        replacement = self.replacements.get(name, "False")
        replaced = replacement == "True"
        policy = stacks._policy_action(definition, "UpdateReplacePolicy", "ReplaceAnd") if replaced else {}
        scope = list(dict.fromkeys(one["Target"]["Attribute"] for one in details))
        old_definition = (self.old.get("Resources") or {}).get(name) or {}
        yield {
            "Action": "Modify",
            "LogicalResourceId": name,
            "PhysicalResourceId": record.get("PhysicalResourceId", ""),
            "ResourceType": definition.get("Type", ""),
            "Replacement": replacement,
            **policy,
            "Scope": scope,
            "Details": details,
            "BeforeContext": self._context(old_definition, before),
            "AfterContext": self._context(definition, after),
        }


def compare(stack, template, parameters, tags_changed=False):
    """The changes from what the stack holds to a template, as DescribeChangeSet lists them."""
    found = _Comparison(stack, template, parameters, tags_changed).changes()
    return hide(found, secrets_of(parameters, stack.get("_resolved_params")))
