"""Version 6 of Terraform's provider for AWS, where only version 5 is to be had: a provider that hands on to version 5
all that Terraform asks, and has the schema of version 6 for what the modules of infra/ use.

Terraform starts it as it starts every provider: it says on its standard output where it listens, and answers calls of
the plugin protocol (version 5.x, https://developer.hashicorp.com/terraform/plugin/terraform-plugin-protocol). What is
different in version 6 is in provider_6.json. TF_DISABLE_PLUGIN_TLS must be set, and LONGSHORE_PROVIDER_5 name the
program of version 5. It serves `terraform validate` and tests with a mocked provider: it plans and applies nothing.
"""

import json
import os
import subprocess
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import msgpack
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_DIFFERENCES = json.loads(Path(__file__).with_suffix(".json").read_text())
# What the protocol calls the two kinds, and by which calls it has them checked.
_VALIDATIONS = {"ValidateResourceTypeConfig": "resources", "ValidateDataSourceConfig": "data_sources"}
_ANY_SIZE = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]

_FIELD = descriptor_pb2.FieldDescriptorProto
_KINDS = {"text": _FIELD.TYPE_STRING, "bytes": _FIELD.TYPE_BYTES, "flag": _FIELD.TYPE_BOOL}
# The part of the protocol that is looked into: field, number, kind. What is not named here is kept as it is.
_MESSAGES = {
    "Attribute": [("name", 1, "text"), ("type", 2, "bytes"), ("optional", 5, "flag"), ("computed", 6, "flag"),
                  ("deprecated", 9, "flag")],
    "Block": [("attributes", 2, "Attribute*")],
    "Schema": [("block", 2, "Block")],
    # A map is a list of entries.
    "Entry": [("key", 1, "text"), ("value", 2, "Schema")],
    "Schemas": [("resources", 2, "Entry*"), ("data_sources", 3, "Entry*")],
    "Value": [("msgpack", 1, "bytes")],
    "Request": [("type_name", 1, "text"), ("config", 2, "Value")],
}


def _messages():
    file = descriptor_pb2.FileDescriptorProto(name="subset.proto", package="subset", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            described = message.field.add(name=field, number=number, label=_FIELD.LABEL_OPTIONAL)
            if kind.endswith("*"):
                described.label = _FIELD.LABEL_REPEATED
            if kind in _KINDS:
                described.type = _KINDS[kind]
            else:
                described.type = _FIELD.TYPE_MESSAGE
                described.type_name = f".subset.{kind.rstrip('*')}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"subset.{name}"))
        for name in ("Schemas", "Request")
    }


_CLASSES = _messages()


def schema_of_6(answer):
    """Version 5's answer, with the attributes that version 6 has besides, and those marked that it deprecates."""
    schemas = _CLASSES["Schemas"].FromString(answer)
    for kind, differences in _DIFFERENCES["differences"].items():
        for entry in getattr(schemas, kind):
            attributes = entry.value.block.attributes
            known = {attribute.name: attribute for attribute in attributes}
            for name in differences["with_region"].get(entry.key, []):
                # Of some, version 5 has it, too: as what AWS answers.
                attribute = known.get(name) or attributes.add(name=name, type=b'"string"')
                attribute.optional = attribute.computed = True
            for name in differences["deprecated"].get(entry.key, []):
                known[name].deprecated = True
    return schemas.SerializeToString()


def request_of_5(kind, request):
    """A request without the attributes that version 5 does not know."""
    parsed = _CLASSES["Request"].FromString(request)
    added = _DIFFERENCES["differences"][kind]["with_region"].get(parsed.type_name)
    if added and parsed.config.msgpack:
        config = msgpack.unpackb(parsed.config.msgpack, raw=False, strict_map_key=False)
        for name in added:
            if parsed.type_name not in _DIFFERENCES["version_5_has_region"]:
                config.pop(name, None)
        parsed.config.msgpack = msgpack.packb(config)
    return parsed.SerializeToString()


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, channel, ended):
        self._channel = channel
        self._ended = ended

    def service(self, details):
        path = details.method
        if path.startswith("/tfplugin5.Provider/"):
            return grpc.unary_unary_rpc_method_handler(self._handing_on(path))
        if path.endswith("/Shutdown"):
            return grpc.unary_unary_rpc_method_handler(self._shut_down)
        if path.endswith("/StartStream"):
            return grpc.stream_stream_rpc_method_handler(self._hold)
        return None

    def _handing_on(self, path):
        name = path.rsplit("/", 1)[-1]
        call = self._channel.unary_unary(path)

        def hand_on(request, context):
            if name in _VALIDATIONS:
                request = request_of_5(_VALIDATIONS[name], request)
            try:
                answer = call(request)
            except grpc.RpcError as error:
                context.abort(error.code(), error.details())
            return schema_of_6(answer) if name == "GetSchema" else answer

        return hand_on

    def _shut_down(self, _request, _context):
        self._ended.set()
        return b""

    def _hold(self, _requests, _context):
        self._ended.wait()
        return iter(())


def main():
    environment = {name: value for name, value in os.environ.items() if name != "PLUGIN_CLIENT_CERT"}
    version_5 = subprocess.Popen(
        [os.environ["LONGSHORE_PROVIDER_5"]],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    ended = threading.Event()
    try:
        address = version_5.stdout.readline().split("|")[3]
        channel = grpc.insecure_channel(f"unix:{address}", options=_ANY_SIZE)
        with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(16) as pool:
            server = grpc.server(pool, options=_ANY_SIZE)
            server.add_generic_rpc_handlers((_Handlers(channel, ended),))
            server.add_insecure_port(f"unix:{folder}/provider")
            server.start()
            print(f"1|5|unix|{folder}/provider|grpc|", flush=True)
            ended.wait()
            server.stop(1).wait()
    finally:
        version_5.terminate()
        version_5.wait()


if __name__ == "__main__":
    main()
