"""Requests and answers as they were on the wire, read with the models: which operation it is, and its parameters."""

import json
import urllib.parse
import xml.etree.ElementTree

import models

# What every service understands beside an operation's own members.
_OF_SIGNATURES = {"x-amz-date", "x-amz-content-sha256", "x-amz-security-token", "x-amz-user-agent", "x-amz-target"}
_OF_STREAMS = {"x-amz-decoded-content-length", "x-amz-trailer", "x-amz-sdk-checksum-algorithm"}
# Where an operation takes a checksum, it takes one of any algorithm, each in a header of its own.
_CHECKSUM = "x-amz-checksum-"
_OF_QUERIES = {"x-id"}
_OF_ANSWERS = {"x-amz-request-id", "x-amzn-requestid", "x-amz-id-2", "x-amzn-errortype"}


class Unreadable(Exception):
    """No operation of the service's model is meant, or the body is not what its protocol says."""


class Call:
    """A request of AWS's protocols and its answer, from a line of a recording."""

    def __init__(self, line):
        self.line = line
        self.user_agent = line["headers"].get("user-agent", "")
        self.query = dict(urllib.parse.parse_qsl(line["query"], keep_blank_values=True))
        self.model = models.of_signing_name(signed_for(line))
        self.form = {}
        self.operation = self._operation()
        self.unknown = []

    @property
    def name(self):
        return f"{self.model.name}:{self.operation}"

    def _operation(self):
        target = self.line["headers"].get("x-amz-target")
        if target:
            return self._known(target.rsplit(".", 1)[-1])
        body = self.line["body"] or ""
        if "x-www-form-urlencoded" in self.line["headers"].get("content-type", ""):
            self.form = dict(urllib.parse.parse_qsl(body, keep_blank_values=True))
            return self._known(self.form.get("Action"))
        path = self.line["path"].split("/")
        if len(path) == 5 and path[1] == "service" and path[3] == "operation":
            raise Unreadable("CBOR")
        return self._routed()

    def _known(self, operation):
        if operation not in self.model.operations:
            raise Unreadable(f"{self.model.name} has no operation {operation}")
        return operation

    # Protocols of methods and paths.

    def _routed(self):
        if self.query.get("x-id") in self.model.operations:
            return self.query["x-id"]
        fitting = []
        for name, operation in self.model.operations.items():
            fit = self._fit(operation)
            if fit is not None:
                fitting.append((fit, name))
        if not fitting:
            raise Unreadable(f"no operation of {self.model.name} is {self.line['method']} {self.line['path']}")
        return max(fitting)[1]

    def _fit(self, operation):
        """How much of the request an operation explains, or `None` when it is not that operation."""
        http = operation["http"]
        path, _, fixed = http["requestUri"].partition("?")
        if http["method"] != self.line["method"] or self._labels(path) is None:
            return None
        fixed = dict(urllib.parse.parse_qsl(fixed, keep_blank_values=True))
        if any(self.query.get(name) != value for name, value in fixed.items()):
            return None
        shape = self.model.shapes.get(operation.get("input", {}).get("shape"), {})
        explained = len(fixed)
        for name, member in shape.get("members", {}).items():
            place, key = member.get("location"), member.get("locationName", name)
            if place not in ("querystring", "header"):
                continue
            found = key in self.query if place == "querystring" else key.lower() in self.line["headers"]
            if name in shape.get("required", []) and not found:
                return None
            explained += found
        # Of two that explain as much, the one with more of its path fixed.
        return explained, -path.count("{")

    def _labels(self, template):
        """The labels of a path, or `None` when it is another path."""
        want = template.strip("/").split("/")
        have = self.line["path"].strip("/").split("/")
        labels = {}
        for place, part in enumerate(want):
            if part.startswith("{") and part.endswith("+}"):
                rest = "/".join(have[place:])
                labels[part[1:-2]] = urllib.parse.unquote(rest)
                return labels if rest else None
            if place >= len(have):
                return None
            if part.startswith("{"):
                if not have[place]:
                    return None
                labels[part[1:-1]] = urllib.parse.unquote(have[place])
            elif part != have[place]:
                return None
        return labels if len(have) == len(want) else None

    # Requests.

    def parameters(self):
        """The parameters of the request; what no member explains is then in `unknown`."""
        shape = self.model.input_of(self.operation)
        if self.form:
            left = {key: value for key, value in self.form.items() if key not in ("Action", "Version")}
            value = self._from_form(shape, left, "") if shape else {}
            self.unknown += sorted(left)
            return value or {}
        if "x-amz-target" in self.line["headers"]:
            return _json(self.line["body"] or "{}")
        return self._of_method_and_path(shape)

    def _from_form(self, shape_name, left, prefix):
        """Takes what belongs to a shape out of the form; `None` when nothing does."""
        shape = self.model.shapes[shape_name]
        kind = shape["type"]
        is_ec2 = self.model.metadata["protocol"] == "ec2"
        if kind == "structure":
            value = {}
            for name, member in shape["members"].items():
                if is_ec2:
                    key = member.get("queryName") or _capital(member.get("locationName", name))
                else:
                    key = member.get("locationName", name)
                inner_shape = self.model.shapes[member["shape"]]
                if not is_ec2 and inner_shape["type"] == "list" and inner_shape.get("flattened"):
                    key = inner_shape["member"].get("locationName", key)
                inner = self._from_form(member["shape"], left, f"{prefix}.{key}" if prefix else key)
                if inner is not None:
                    value[name] = inner
            return value if value or not prefix else None
        if kind == "list":
            if left.get(prefix) == "":
                left.pop(prefix)
                return []
            step = "" if is_ec2 or shape.get("flattened") else "." + shape["member"].get("locationName", "member")
            items = []
            while True:
                inner = self._from_form(shape["member"]["shape"], left, f"{prefix}{step}.{len(items) + 1}")
                if inner is None:
                    return items or None
                items.append(inner)
        if kind == "map":
            step = "" if shape.get("flattened") else ".entry"
            of_key, of_value = shape["key"].get("locationName", "key"), shape["value"].get("locationName", "value")
            value = {}
            while True:
                at = f"{prefix}{step}.{len(value) + 1}"
                key = left.pop(f"{at}.{of_key}", None)
                if key is None:
                    return value or None
                value[key] = self._from_form(shape["value"]["shape"], left, f"{at}.{of_value}")
        return _typed(kind, left.pop(prefix)) if prefix in left else None

    def _of_method_and_path(self, shape_name):
        path, _, fixed = self.model.operations[self.operation]["http"]["requestUri"].partition("?")
        labels = self._labels(path) or {}
        query = dict(self.query)
        for name in (*dict(urllib.parse.parse_qsl(fixed, keep_blank_values=True)), *_OF_QUERIES):
            query.pop(name, None)
        headers = {name: value for name, value in self.line["headers"].items() if name.startswith("x-amz-")}
        shape = self.model.shapes[shape_name] if shape_name else {"members": {}}
        value = {}
        for name, member in shape["members"].items():
            place, key = member.get("location"), member.get("locationName", name)
            kind = self.model.shapes[member["shape"]]["type"]
            if place == "uri":
                # Where the bucket is in the name of the host.
                found = labels.get(key, self.line.get("host_label") if key == "Bucket" else None)
            elif place == "querystring":
                found = query.pop(key, None)
                if found is not None and kind == "list":
                    value[name] = [found]
                    continue
            elif place == "header":
                found = headers.pop(key.lower(), self.line["headers"].get(key.lower()))
            elif place == "headers":
                value[name] = {
                    header[len(key):]: headers.pop(header) for header in list(headers) if header.startswith(key.lower())
                }
                continue
            else:
                continue
            if found is not None:
                value[name] = _typed(kind, found)
        self.unknown += sorted(name for name in query if not name.startswith("X-Amz-"))
        self.unknown += sorted(
            name for name in set(headers) - _OF_SIGNATURES - _OF_STREAMS if not name.startswith(_CHECKSUM)
        )
        value.update(self._body(shape, self.line["body"]))
        return value

    def _body(self, shape, body):
        payload = shape.get("payload")
        if payload:
            inner = shape["members"][payload]
            if self.model.shapes[inner["shape"]]["type"] != "structure":
                # A file, whose body is not kept when it is long.
                return {payload: body or ""} if body or payload in shape.get("required", []) else {}
            if not body:
                return {}
            return {payload: self._document(inner["shape"], body)}
        if not body or not any("location" not in member for member in shape["members"].values()):
            return {}
        if "json" in self.model.metadata["protocol"]:
            return self._renamed(shape, _json(body))
        return self._from_xml_structure(shape, _xml(body))

    def _document(self, shape_name, body):
        if "json" in self.model.metadata["protocol"]:
            return self._renamed(self.model.shapes[shape_name], _json(body))
        return self._from_xml(shape_name, _xml(body))

    def _renamed(self, shape, value):
        """JSON members are by their location's name."""
        names = {member.get("locationName", name): name for name, member in shape["members"].items()}
        return {names.get(key, key): inner for key, inner in value.items()}

    # XML.

    def _from_xml(self, shape_name, element):
        shape = self.model.shapes[shape_name]
        kind = shape["type"]
        if kind == "structure":
            return self._from_xml_structure(shape, element)
        if kind == "list":
            return [self._from_xml(shape["member"]["shape"], item) for item in element]
        if kind == "map":
            return dict(self._entry(shape, entry) for entry in element)
        return _typed(kind, element.text or "")

    def _entry(self, shape, entry):
        found = {_tag(part): part for part in entry}
        key = found[shape["key"].get("locationName", "key")].text or ""
        return key, self._from_xml(shape["value"]["shape"], found[shape["value"].get("locationName", "value")])

    def _from_xml_structure(self, shape, element):
        value = {}
        expected = {}
        for name, member in shape["members"].items():
            inner = self.model.shapes[member["shape"]]
            is_flat = inner.get("flattened") or member.get("flattened")
            key = member.get("locationName", name)
            if is_flat and inner["type"] == "list":
                key = inner["member"].get("locationName", key)
            if not member.get("location"):
                expected[key] = (name, member, inner, is_flat)
            if member.get("xmlAttribute"):
                prefix_less = key.rsplit(":", 1)[-1]
                found = next((text for at, text in element.attrib.items() if _local(at) == prefix_less), None)
                if found is not None:
                    value[name] = found
        for child in element:
            if _tag(child) not in expected:
                self.unknown.append(_tag(child))
                continue
            name, member, inner, is_flat = expected[_tag(child)]
            if is_flat and inner["type"] == "list":
                value.setdefault(name, []).append(self._from_xml(inner["member"]["shape"], child))
            elif is_flat and inner["type"] == "map":
                value.setdefault(name, {}).update([self._entry(inner, child)])
            else:
                value[name] = self._from_xml(member["shape"], child)
        return value

    # Answers.

    @property
    def is_refused(self):
        return self.line["status"] is not None and self.line["status"] >= 300

    def error_code(self):
        """The code of the error that was answered; empty where the protocol has none."""
        body = self.line["answer"] or ""
        if body.startswith("{"):
            code = _json(body).get("__type") or _json(body).get("code") or _json(body).get("Code") or ""
            code = code or self.line["answer_headers"].get("x-amzn-errortype", "")
            return code.rsplit("#", 1)[-1].split(":", 1)[0]
        if body.lstrip().startswith("<"):
            return next((part.text or "" for part in _xml(body).iter() if _tag(part) == "Code"), "")
        return self.line["answer_headers"].get("x-amzn-errortype", "").split(":", 1)[0]

    def answer(self):
        """What was answered, read with the shape of the answer; what no member explains is then in `unknown`."""
        shape_name = self.model.output_of(self.operation)
        body = self.line["answer"]
        if self.form:
            return self._of_query_answer(shape_name, body)
        if "x-amz-target" in self.line["headers"]:
            value = _json(body or "{}")
            if not shape_name and value:
                self.unknown += sorted(value)
            return value
        shape = self.model.shapes[shape_name] if shape_name else {"members": {}}
        value = {}
        headers = dict(self.line["answer_headers"])
        for name, member in shape["members"].items():
            if member.get("location") == "header":
                found = headers.pop(member["locationName"].lower(), None)
                if found is not None:
                    value[name] = _typed(self.model.shapes[member["shape"]]["type"], found)
            elif member.get("location") == "headers":
                for header in [header for header in headers if header.startswith(member["locationName"].lower())]:
                    headers.pop(header)
        self.unknown += sorted(name for name in headers if name.startswith("x-amz-") and name not in _OF_ANSWERS)
        payload = shape.get("payload")
        if payload and self.model.shapes[shape["members"][payload]["shape"]]["type"] != "structure":
            return value
        value.update(self._body(shape, body))
        return value

    def _of_query_answer(self, shape_name, body):
        root = _xml(body or "<nothing/>")
        if not shape_name:
            return {}
        wrapper = self.model.operations[self.operation].get("output", {}).get("resultWrapper")
        if wrapper:
            found = [child for child in root if _tag(child) == wrapper]
            if not found:
                raise Unreadable(f"the answer has no {wrapper}")
            root = found[0]
        value = self._from_xml_structure(self.model.shapes[shape_name], root)
        # EC2 has it beside the members.
        self.unknown = [name for name in self.unknown if name not in ("requestId", "ResponseMetadata")]
        return value


def signed_for(line):
    """The service that a request is signed for, in a header or in its address: `<key>/<date>/<region>/<service>/...`.
    `None` for what is not signed, such as a download by an address of another host."""
    authorization = line["headers"].get("authorization", "")
    query = dict(urllib.parse.parse_qsl(line["query"]))
    scope = authorization.partition("Credential=")[2] or query.get("X-Amz-Credential", "")
    return scope.split("/")[3] if scope.count("/") >= 4 else None


def _json(text):
    try:
        value = json.loads(text)
    except ValueError as error:
        raise Unreadable(f"not JSON: {text[:80]!r}") from error
    if not isinstance(value, dict):
        raise Unreadable(f"not a JSON object: {text[:80]!r}")
    return value


def _xml(text):
    try:
        return xml.etree.ElementTree.fromstring(text)
    except xml.etree.ElementTree.ParseError as error:
        raise Unreadable(f"not XML: {text[:80]!r}") from error


def _local(name):
    return name.rsplit("}", 1)[-1]


def _tag(element):
    return _local(element.tag)


def _capital(name):
    return name[:1].upper() + name[1:]


def _typed(kind, text):
    """A text of a form, a header or XML as the kind of its shape; itself where it is not of that kind."""
    try:
        if kind in ("integer", "long"):
            return int(text)
        if kind in ("double", "float"):
            return float(text)
    except ValueError:
        return text
    if kind == "boolean":
        return {"true": True, "false": False}.get(text.lower(), text)
    return text
