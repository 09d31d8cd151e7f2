"""What CloudFormation reads of resources that it did not make, or made long ago: imports and drift."""

from botocore.exceptions import ClientError
from ministack.core.responses import new_uuid
from ministack.services.cloudformation import changesets, drift, provisioners

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


def _reader(kind):
    def read(physical_id, properties):
        return kind.read(_work(), physical_id, properties)

    return read


_differences = drift._list_differences


def install():
    for name, kind in resource.all_types().items():
        handler = dict(provisioners._RESOURCE_HANDLERS.get(name) or {})
        if kind.has_reader:
            handler["import"] = _importer(kind)
            changesets._IMPORT_LOOKUPS[name] = (_identifier_names(name), _problem(kind))
            write_only = schemas.write_only(name)
            compared = [one for one in schemas.property_names(name) if one not in write_only]
            drift._DRIFT_READERS[name] = (_reader(kind), tuple(compared))
        else:
            drift._DRIFT_READERS.pop(name, None)
            handler.pop("import", None)
        provisioners._RESOURCE_HANDLERS[name] = handler
