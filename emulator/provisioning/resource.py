"""What a type of resource is to CloudFormation, and what it is given to work with."""

import hashlib
import json
import time

from botocore.exceptions import BotoCoreError, ClientError
from ministack.core.responses import get_account_id, get_region, new_uuid

from provisioning import calls, schemas

# How long a resource may take to become stable. AWS waits three hours for an ECS service; nobody here would.
LONGEST_WAIT_SECONDS = 180.0
_LOOK_SECONDS = 0.1


class Cancelled(Exception):
    """Another resource of the stack failed, so this one is given up."""


class Work:
    """One operation on one resource: who acts, for which stack, and what is known of it already."""

    def __init__(self, stack_name, stack_id, logical_id, keys, seed="", cancelled=lambda: False, when_made=None):
        self.stack_name = stack_name
        self.stack_id = stack_id
        self.logical_id = logical_id
        self.physical_id = ""
        # How the template wants an update of the resource to be carried out.
        self.update_policy = {}
        self.token = new_uuid()
        self.account = get_account_id()
        self.region = get_region()
        self.seed = seed
        self._keys = keys
        self._cancelled = cancelled
        self._when_made = when_made or (lambda physical_id: None)

    def client(self, service):
        return calls.client(service, self._keys)

    def made(self, physical_id):
        """Says that the resource exists now, before it is complete: a failure from here on has to delete it."""
        self.physical_id = physical_id
        self._when_made(physical_id)
        return physical_id

    def name(self, longest, lower=False, separator="-"):
        """The name CloudFormation makes up: stack, logical id, and what makes it unique."""
        key = f"{self.stack_id}:{self.logical_id}:{self.seed}"
        suffix = hashlib.sha256(key.encode()).hexdigest()[:12]
        suffix = suffix if lower else suffix.upper()
        if longest <= 32:
            # Short names get their halves cut alike, as AWS does it.
            room = longest - len(suffix) - 2
            stack, logical = self.stack_name[: room // 2], self.logical_id[: room - room // 2]
        else:
            room = longest - len(suffix) - 2
            stack = self.stack_name[: max(room - len(self.logical_id), room // 2)]
            logical = self.logical_id[: room - len(stack)]
        name = separator.join(part for part in (stack, logical, suffix) if part)
        return name.lower() if lower else name

    def wait(self, what, look):
        """Looks until there is something; Cancelled or Refused when that does not come."""
        deadline = time.monotonic() + LONGEST_WAIT_SECONDS
        while True:
            found = look()
            if found:
                return found
            if self._cancelled():
                raise Cancelled()
            if time.monotonic() > deadline:
                raise calls.Refused(f"Exceeded attempts to wait: {what}", "NotStabilized")
            time.sleep(_LOOK_SECONDS)


class ResourceType:
    """One type. Most of it says how the service names its calls and members; a type overrides the methods for what does
    not fit. A member in the plural takes a list of identifiers."""

    name = ""
    # The service as boto3 names it, and as the reasons of failures do.
    service = ""
    service_name = "AWS"

    # The property that is the resource's own name (with it, a replacement is refused), the member for it in the call
    # that makes the resource (None: the same), and how long a made-up one is.
    named_by = None
    name_member = None
    longest_name = 255
    # Whether that call would change what has this name already: it is looked for, and refused.
    looks_first = False
    # The call that makes it, and the way to the physical id in its answer; without one, the name is the physical id.
    creates = ()
    # The properties that this call takes as they are. None: all but the tags and those of `apart`.
    taken = None
    apart = ()
    # The member for what makes a repeated call harmless.
    token = None
    # The call that deletes it, and the member for the physical id, in other calls as well.
    deletes = None
    id_member = None
    # The call that describes it, its member for the physical id, and the member of the answer (None: all of it).
    describes = None
    # Of what that call gives, the properties for drift. None: all.
    reads = None
    # What Fn::GetAtt gives: texts with {id}, {region} and {account}, and of an ARN with its {resource}, the {path} in
    # that and its {name}; and members of what describes it.
    shown = {}
    gives = {}
    # The property of a list with Key and Value, and the call that sets those which changed.
    settings = None
    # The calls that set properties: at the creation and at an update, and at an update only. Each with the properties
    # that it takes; `absent` says what those are set to that left the template.
    puts = ()
    modifies = ()
    absent = {}

    # The template's property of tags, and whether it is a list of Key and Value or a map.
    tags = "Tags"
    tags_are_a_map = False
    # Whether its service, as ministack has it, takes CloudFormation's own aws: tags.
    takes_system_tags = True
    # How the service takes tags: two calls, their members, and what they are about.
    tagging, untagging = "tag_resource", "untag_resource"
    tagged_by, tags_member, tag_keys_member = "ResourceArn", "Tags", "TagKeys"
    tag_target = "{id}"

    # Properties that the schema calls write-only, and that can be read all the same.
    readable = ()

    def stack_tag(self, tag):
        """A tag of the stack as this type wants its tags."""
        return tag

    def tags_as(self, tags):
        """Tags as the service takes them."""
        return tag_list(tags)

    def with_tags(self, request, properties):
        """A request that makes the resource, with its tags."""
        tags = self.tags and properties.get(self.tags)
        return {**request, self.tags_member: self.tags_as(tags)} if tags else request

    def request(self, work, properties):
        if self.taken is not None:
            return chosen(properties, *self.taken)
        return without(properties, *self.apart, self.tags)

    def create(self, work, properties):
        operation, *way = self.creates
        request, name = self.with_tags(self.request(work, properties), properties), ""
        if self.named_by:
            member = self.name_member or self.named_by
            given = request.get(member) or properties.get(self.named_by)
            name = request[member] = given or work.name(self.longest_name)
        if self.looks_first and self.read(work, name, properties):
            self.refuse_taken(name)
        if self.token:
            request.setdefault(self.token, work.token)
        client = work.client(self.service)
        answer = getattr(client, operation)(**request)
        for step in way:
            answer = answer[step]
        identifier = work.made(answer if way else name)
        self.await_ready(work, identifier)
        self.put(work, client, identifier, {}, properties)
        return identifier

    def update(self, work, physical_id, old, new):
        client = work.client(self.service)
        self.modify(work, client, physical_id, old, new)
        self.put(work, client, physical_id, old, new)
        if self.tags:
            self.retag(work, client, physical_id, *tag_changes(old.get(self.tags), new.get(self.tags)))

    def modify(self, work, client, identifier, old, new):
        """What only an update does."""
        if self._set(client, identifier, self.modifies, old, new):
            self.await_ready(work, identifier)

    def _set(self, client, identifier, table, old, new):
        """Makes the calls of a table whose properties changed; whether there were any."""
        due = [row for row in table if changed(old, new, *row[1:])]
        for operation, *members in due:
            about = {self.id_member: listed(self.id_member, identifier)}
            getattr(client, operation)(**about, **chosen({**self.absent, **new}, *members))
        return bool(due)

    def put(self, work, client, identifier, old, new):
        """What has calls of its own, at the creation (with no old properties) and at an update."""
        self._set(client, identifier, self.puts, old, new)
        if self.settings:
            # One that left the template stays as it is, as on AWS.
            name, operation = self.settings
            changes = [one for one in new.get(name) or [] if one not in (old.get(name) or [])]
            if changes:
                getattr(client, operation)(**{self.id_member: identifier}, Attributes=changes)

    def await_ready(self, work, identifier):
        """Waits until the resource can be used."""

    def retag(self, work, client, identifier, added, removed):
        target = self.filled(self.tag_target, work, identifier)
        about = {self.tagged_by: listed(self.tagged_by, target)}
        if added:
            getattr(client, self.tagging)(**about, **{self.tags_member: self.tags_as(added)})
        if removed:
            getattr(client, self.untagging)(**about, **{self.tag_keys_member: removed})

    def delete(self, work, physical_id, properties):
        call = getattr(work.client(self.service), self.deletes)
        ignoring_missing(call, **{self.id_member: listed(self.id_member, physical_id)})

    def described(self, work, identifier):
        """The resource as its service shows it; None when it is gone."""
        operation, member, shown = self.describes
        answer = exists(getattr(work.client(self.service), operation), **{member: listed(member, identifier)})
        found = answer if shown is None else (answer or {}).get(shown)
        return next(iter(found), None) if isinstance(found, list) else found

    def filled(self, text, work, identifier):
        resource = identifier.rsplit(":", 1)[-1]
        named = {"resource": resource, "path": resource.partition("/")[2], "name": resource.rsplit("/", 1)[-1]}
        return text.format(id=identifier, region=work.region, account=work.account, **named)

    def attributes(self, work, physical_id, properties):
        found = (self.described(work, physical_id) or {}) if self.gives else {}
        return {
            **{name: self.filled(text, work, physical_id) for name, text in self.shown.items()},
            **{name: found.get(member, "") for name, member in self.gives.items()},
        }

    def read(self, work, physical_id, properties):
        """The properties as they are now, for drift; None when the resource is gone."""
        found = self.described(work, physical_id)
        return None if found is None else self.as_written(work, physical_id, found, properties)

    def as_written(self, work, physical_id, found, properties):
        """What its service shows, as a template says it."""
        return found if self.reads is None else chosen(found, *self.reads)

    def refuse_taken(self, name):
        raise calls.Refused(
            f"Resource of type '{self.name}' with identifier '{{\"/properties/{self.named_by}\":\"{name}\"}}' "
            "already exists.",
            "AlreadyExists",
        )

    def physical_id(self, identifier):
        """What Ref gives for a resource that is imported by this identifier."""
        return next(iter(identifier.values()))

    def needs_replacement(self, old, new):
        return schemas.needs_replacement(self.name, old, new)

    def replaces_on(self, name, old, new):
        """Whether a change of this one property needs a new resource: Never, Conditionally or Always."""
        paths = [path for path in schemas.create_only(self.name) if path[0] == name]
        if any(schemas.at(old, path) != schemas.at(new, path) for path in paths):
            return "Always"
        conditional = {path[0] for path in schemas.conditionally_create_only(self.name)}
        return "Conditionally" if name in conditional else "Never"

    @property
    def has_reader(self):
        return self.describes is not None or type(self).read is not ResourceType.read


_types = {}


def register(kind):
    _types[kind.name] = kind()
    return kind


def find(type_name):
    return _types.get(type_name)


def all_types():
    return dict(_types)


def listed(member, identifier):
    """The value of a member that names one resource."""
    return [identifier] if member.endswith("s") else identifier


def difference(old, new, name):
    """What is in the new list of a property and not in the old one, and what only in the old one."""
    before, after = old.get(name) or [], new.get(name) or []
    return [one for one in after if one not in before], [one for one in before if one not in after]


def tag_map(tags):
    if isinstance(tags, dict):
        return {str(key): str(value) for key, value in tags.items()}
    return {str(tag["Key"]): str(tag.get("Value", "")) for tag in tags or []}


def tag_list(tags, key="Key", value="Value"):
    return [{key: name, value: text} for name, text in tag_map(tags).items()]


def tag_changes(old, new):
    """What to set and what to take away."""
    old, new = tag_map(old), tag_map(new)
    return {key: value for key, value in new.items() if old.get(key) != value}, [key for key in old if key not in new]


def chosen(properties, *names):
    return {name: properties[name] for name in names if name in properties}


def without(properties, *names):
    return {name: value for name, value in properties.items() if name not in names}


def changed(old, new, *names):
    return any(old.get(name) != new.get(name) for name in names)


def document(value):
    return value if isinstance(value, str) else json.dumps(value)


def _with_names(value, keep, new_name):
    """A value with other names throughout; maps of the names to keep stay as they are."""
    if isinstance(value, list):
        return [_with_names(one, keep, new_name) for one in value]
    if not isinstance(value, dict):
        return value
    members = value.items()
    return {new_name(name): one if name in keep else _with_names(one, keep, new_name) for name, one in members}


def lower_first(value, keep=(), renamed=None):
    """ECS and others write the template's names with a small first letter; the keys of maps stay as they are."""
    renamed = renamed or {}
    return _with_names(value, keep, lambda name: renamed.get(name) or name[:1].lower() + name[1:])


def upper_first(value, keep=(), renamed=None):
    """The way back from `lower_first`, with the same arguments."""
    back = {new: old for old, new in (renamed or {}).items()}
    kept = {name[:1].lower() + name[1:] for name in keep}
    return _with_names(value, kept, lambda name: back.get(name) or name[:1].upper() + name[1:])


def ignoring_missing(call, **arguments):
    """Deletes what may be gone already."""
    try:
        return call(**arguments)
    except ClientError as error:
        if calls.is_missing(error):
            return None
        raise


def exists(call, **arguments):
    """What a read call gives, or None where there is nothing."""
    try:
        return call(**arguments)
    except (ClientError, BotoCoreError) as error:
        if calls.is_missing(error):
            return None
        raise
