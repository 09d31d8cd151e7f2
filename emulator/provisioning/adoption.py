"""What CloudFormation reads of resources that it did not make, or made long ago: imports and drift."""

from botocore.exceptions import ClientError
from ministack.core.responses import new_uuid
from ministack.services import cloudformation
from ministack.services.cloudformation import changesets, drift, provisioners

from patches import replaces
from provisioning import calls, resource, schemas

# Resources whose physical id the imported identifier does not end with.
_IDENTIFIERS = {
    "AWS::ECS::Service": ("Cluster", "ServiceArn"),
    "AWS::ApplicationAutoScaling::ScalingPolicy": ("ScalableDimension", "Arn"),
}


def _work():
    return resource.Work("", "", new_uuid(), calls.keys_for(calls.acting_role.get()))


def _identifier_names(name):
    return _IDENTIFIERS.get(name) or schemas.identifier(name)


def _properties(name, values):
    return dict(zip(_identifier_names(name), values))


def _importer(kind):
    def adopt(identifier):
        work, physical_id = _work(), kind.physical_id(identifier)
        return physical_id, kind.attributes(work, physical_id, identifier)

    return adopt


def _problem(kind):
    """Whether a resource of an identifier is there, as the reason of a failed change set when it is not."""

    def look(*values):
        identifier = _properties(kind.name, values)
        try:
            found = kind.read(_work(), kind.physical_id(identifier), identifier)
        except (ClientError, calls.Refused) as error:
            if not calls.is_missing(error):
                return str(calls.refused(error, kind.service_name))
            found = None
        if found is None:
            return changesets._IMPORT_NOT_FOUND.format(type=kind.name, value=values[-1])
        return None

    return look


def _as_expected(expected, actual):
    """The actual value where the template says something: what a service adds by itself is not drift, nor is the
    order in which it lists things."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return {name: _as_expected(expected[name], actual[name]) for name in expected if name in actual}
    if isinstance(expected, list) and isinstance(actual, list):
        left = list(actual)
        for wanted in expected:
            found = next((one for one in left if _as_expected(wanted, one) == wanted), None)
            if found is None:
                break
            left.remove(found)
        else:
            if not left:
                return expected
        return [
            _as_expected(expected[index], one) if index < len(expected) else one for index, one in enumerate(actual)
        ]
    if str(expected) == str(actual) or _number(expected) == _number(actual) is not None:
        return expected
    return actual


def _number(value):
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _rules_of_their_own(group):
    """What the stacks' ingress and egress resources say of a group, without their descriptions."""
    for stack in cloudformation._stacks.values():
        for record in (stack.get("_resources") or {}).values():
            properties = record.get("Properties") or {}
            if record.get("ResourceType", "").startswith("AWS::EC2::SecurityGroup") and (
                properties.get("GroupId") == group
            ):
                yield {name: str(one) for name, one in properties.items() if name not in ("GroupId", "Description")}


def _reader(kind):
    def read(physical_id, properties):
        found = kind.read(_work(), physical_id, properties)
        if found is None:
            return None
        if kind.name == "AWS::EC2::SecurityGroup":
            others = list(_rules_of_their_own(physical_id))
            for member in ("SecurityGroupIngress", "SecurityGroupEgress"):
                found[member] = [
                    rule
                    for rule in found.get(member, [])
                    if {name: str(one) for name, one in rule.items() if name != "Description"} not in others
                ]
        return _as_expected({name: properties[name] for name in properties if name in found}, found)

    return read


def install():
    """For every type of resource, once all are registered. ministack refuses templates with types that have no
    handler, and of a handler uses the import only."""
    provisioners._RESOURCE_HANDLERS.clear()
    for name, kind in resource.all_types().items():
        replaces(provisioners, "_RESOURCE_HANDLERS", name)({"import": _importer(kind)} if kind.has_reader else {})
        drift._DRIFT_READERS.pop(name, None)
        if kind.has_reader:
            replaces(changesets, "_IMPORT_LOOKUPS", name)((_identifier_names(name), _problem(kind)))
            write_only = schemas.write_only(name) - set(kind.readable)
            compared = [one for one in schemas.property_names(name) if one not in write_only and one != kind.tags]
            replaces(drift, "_DRIFT_READERS", name)((_reader(kind), tuple(compared)))
