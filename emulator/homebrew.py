"""A fake Homebrew: the API with the index and its signed files, and the registry with the bottles.

A source is one such server on a port of its own, with an index that was put into it. Bottles are made from their
names and sizes while they are sent, so that gigabytes of them need no disk. The registry redirects to the same port
under another host's name, where a signed URL that expires is all that counts and credentials are refused, as with
the store behind Homebrew's registry.
"""

import dataclasses
import fnmatch
import hashlib
import hmac
import json
import re
import secrets
import threading
import time
import urllib.parse
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import events

HOST = "127.0.0.1"
# The source that is there from the start.
FIRST = "homebrew"
INDEX_MEDIA_TYPE = "application/vnd.oci.image.index.v1+json"
MANIFEST_MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json"
CHUNK_BYTES = 256 * 1024
ANONYMOUS = "Bearer QQ=="

_HEADER_BYTES = 32
# Equal in every chunk of every bottle: what distinguishes them is the header of each chunk.
_FILLING = hashlib.shake_128(b"longshore").digest(CHUNK_BYTES - _HEADER_BYTES)
_REDIRECT_HOST = "localhost"
_REDIRECT_SECONDS = 300
_RANGE = re.compile(r"^bytes=(\d+)-(\d*)$")
_REGISTRY = re.compile(r"^/v2/homebrew/core/(?P<image>[^?]+)/(?P<kind>manifests|blobs)/(?P<reference>[^/?]+)$")
_SOURCE_NAME = re.compile(r"^[a-z0-9-]{1,60}$")

_lock = threading.Lock()
_sources = {}


class Problem(Exception):
    """What is wrong with a request to the control server."""


# Bottles.


def _chunk(content, number):
    header = hashlib.sha256(f"{content}\n{number}".encode()).digest()
    return header + _FILLING


def chunks(content, start, end):
    """The bytes of a bottle from `start` up to `end`, in pieces of at most a chunk."""
    while start < end:
        number, offset = divmod(start, CHUNK_BYTES)
        length = min(CHUNK_BYTES - offset, end - start)
        yield memoryview(_chunk(content, number))[offset : offset + length]
        start += length


@lru_cache(maxsize=None)
def sha256_of(content, size):
    digest = hashlib.sha256()
    for piece in chunks(content, 0, size):
        digest.update(piece)
    return digest.hexdigest()


class Formula:
    """A formula as it was put into the index: `{"name", "version", "tags": {tag: size}, ...}`."""

    def __init__(self, given):
        if not isinstance(given, dict) or not isinstance(given.get("name"), str):
            raise Problem(f"formulae: expected objects with a name, found {given!r}")
        self.name = given["name"]
        self.version = str(given.get("version", "1.0"))
        self.revision = given.get("revision", 0)
        self.rebuild = given.get("rebuild", 0)
        self.deprecated = bool(given.get("deprecated"))
        self.disabled = bool(given.get("disabled"))
        # Whether the registry says how large its bottles are.
        self.has_sizes = given.get("has_sizes", True)
        # Two formulae, or tags, with the same content have the same bottle.
        content = given.get("content")
        self.bottles = {}
        tags = given.get("tags", {})
        if not isinstance(tags, dict):
            raise Problem(f"{self.name}: tags: expected an object of sizes by tag")
        for tag, size in tags.items():
            if not isinstance(size, int) or size < 1:
                raise Problem(f"{self.name}: tag {tag}: expected a size of at least 1 byte")
            self.bottles[tag] = (content or self.flat_file(tag), size)

    @property
    def package_version(self):
        return f"{self.version}_{self.revision}" if self.revision else self.version

    @property
    def image(self):
        return self.name.replace("@", "/").replace("+", "x")

    @property
    def manifest_tag(self):
        return self.package_version + (f"-{self.rebuild}" if self.rebuild else "")

    def flat_file(self, tag):
        rebuild = f".{self.rebuild}" if self.rebuild else ""
        return f"{self.name}-{self.package_version}.{tag}.bottle{rebuild}.tar.gz"

    def reference(self, tag):
        return f"{self.package_version}.{tag}" + (f".{self.rebuild}" if self.rebuild else "")

    def sha256(self, tag):
        return sha256_of(*self.bottles[tag])

    def entry(self, root_url):
        """The formula in the index."""
        files = {
            tag: {
                "cellar": ":any",
                "url": f"{root_url}/{self.image}/blobs/sha256:{self.sha256(tag)}",
                "sha256": self.sha256(tag),
            }
            for tag in self.bottles
        }
        stable = {"rebuild": self.rebuild, "root_url": root_url, "files": files}
        return {
            "name": self.name,
            "full_name": self.name,
            "tap": "homebrew/core",
            "desc": f"A fake {self.name}",
            "license": "MIT",
            "versions": {"stable": self.version, "head": None, "bottle": bool(files)},
            "revision": self.revision,
            "deprecated": self.deprecated,
            "disabled": self.disabled,
            "bottle": {"stable": stable} if files else {},
        }

    def child(self, tag):
        """The manifest of one bottle."""
        content, size = self.bottles[tag]
        layer = {
            "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
            "digest": f"sha256:{self.sha256(tag)}",
            "size": size,
            "annotations": {"org.opencontainers.image.title": self.flat_file(tag)},
        }
        config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": f"sha256:{'0' * 64}", "size": 2}
        manifest = {"schemaVersion": 2, "config": config, "layers": [layer], "annotations": self._annotations(tag)}
        return json.dumps(manifest).encode()

    def _annotations(self, tag):
        _, size = self.bottles[tag]
        annotations = {
            "org.opencontainers.image.ref.name": self.reference(tag),
            "sh.brew.bottle.digest": self.sha256(tag),
            "sh.brew.tab": json.dumps({"homebrew_version": "6.0.0", "arch": tag.split("_")[0], "compiler": "clang"}),
        }
        if self.has_sizes:
            annotations["sh.brew.bottle.size"] = str(size)
        return annotations

    def image_index(self):
        children = []
        for tag in self.bottles:
            child = self.child(tag)
            architecture = "arm64" if tag.startswith("arm64") else "amd64"
            system = "linux" if tag.endswith("linux") else "darwin"
            children.append(
                {
                    "mediaType": MANIFEST_MEDIA_TYPE,
                    "digest": f"sha256:{hashlib.sha256(child).hexdigest()}",
                    "size": len(child),
                    "platform": {"architecture": architecture, "os": system},
                    "annotations": self._annotations(tag),
                }
            )
        annotations = {
            "com.github.package.type": "homebrew_bottle",
            "org.opencontainers.image.ref.name": self.manifest_tag,
            "org.opencontainers.image.title": f"homebrew/core/{self.name}",
        }
        index = {"schemaVersion": 2, "manifests": children, "annotations": annotations}
        return json.dumps(index).encode()


# Faults.


@dataclasses.dataclass
class Fault:
    """What goes wrong with the requests for some paths, as often as asked."""

    path: str
    times: int = None
    every: int = 1
    status: int = None
    retry_after: str = None
    cut_after: int = None
    stall_after: int = None
    stall_seconds: float = 3600.0
    corrupt_at: int = None
    bytes_per_second: int = None

    @classmethod
    def of(cls, given):
        if not isinstance(given, dict) or "path" not in given:
            raise Problem("expected an object with a path")
        kinds = {field.name: field.type for field in dataclasses.fields(cls)}
        for member, value in given.items():
            if member not in kinds:
                raise Problem(f"{member}: unknown, expected one of {', '.join(kinds)}")
            expected = (int, float) if kinds[member] is float else kinds[member]
            if not isinstance(value, expected) or isinstance(value, bool):
                raise Problem(f"{member}: found {value!r}")
        return cls(**given)

    def __post_init__(self):
        self._seen = 0

    def applies(self, path):
        """Whether it strikes this request; each call counts as one."""
        if self.times == 0 or not fnmatch.fnmatchcase(path, self.path):
            return False
        self._seen += 1
        if self._seen % self.every:
            return False
        if self.times is not None:
            self.times -= 1
        return True


# A source.


class Source:
    def __init__(self):
        self._lock = threading.Lock()
        self._key = secrets.token_bytes(32)
        self._server = ThreadingHTTPServer((HOST, 0), _Requests)
        self._server.daemon_threads = True
        # Tasks, each with many connections, begin at the same moment.
        self._server.socket.listen(512)
        self._server.source = self
        self.port = self._server.server_address[1]
        self._redirect_seconds = _REDIRECT_SECONDS
        self._files, self._blobs, self._manifests = {}, {}, {}
        self._faults, self._log = [], []
        threading.Thread(target=self._server.serve_forever, daemon=True, name="homebrew").start()

    @property
    def address(self):
        return f"http://{HOST}:{self.port}"

    @property
    def root_url(self):
        return f"{self.address}/v2/homebrew/core"

    def put_index(self, given):
        """Puts an index in place of the one before; bottles and manifests of the ones before stay, as in a registry."""
        if not isinstance(given, dict):
            raise Problem("expected an object")
        unknown = set(given) - {"formulae", "entries", "files", "platforms", "redirect_seconds"}
        if unknown:
            raise Problem(f"unknown: {', '.join(sorted(unknown))}")
        formulae = sorted((Formula(one) for one in given.get("formulae", [])), key=lambda formula: formula.name)
        entries = [formula.entry(self.root_url) for formula in formulae] + given.get("entries", [])
        files = self._index_files(entries, given.get("platforms", []))
        # Whatever is wrong with an index can be put in its place as text.
        files.update({f"/{path.lstrip('/')}": text.encode() for path, text in given.get("files", {}).items()})
        bottles = [
            {
                "formula": formula.name,
                "tag": tag,
                "key": formula.flat_file(tag),
                "sha256": formula.sha256(tag),
                "size": size,
                "image": formula.image,
                "manifest_tag": formula.manifest_tag,
                "reference": formula.reference(tag),
            }
            for formula in formulae
            for tag, (_, size) in formula.bottles.items()
        ]
        with self._lock:
            self._files = files
            self._redirect_seconds = given.get("redirect_seconds", _REDIRECT_SECONDS)
            for formula in formulae:
                if not formula.bottles:
                    continue
                self._manifests[formula.image, formula.manifest_tag] = (formula.image_index(), INDEX_MEDIA_TYPE)
                for tag, bottle in formula.bottles.items():
                    self._blobs[formula.sha256(tag)] = bottle
                    child = formula.child(tag)
                    digest = f"sha256:{hashlib.sha256(child).hexdigest()}"
                    self._manifests[formula.image, digest] = (child, MANIFEST_MEDIA_TYPE)
        return {"address": self.address, "private_hosts": self.hosts, "bottles": bottles}

    @property
    def hosts(self):
        return [f"{HOST}:{self.port}", f"{_REDIRECT_HOST}:{self.port}"]

    @staticmethod
    def _index_files(entries, platforms):
        by_name = {entry.get("name", ""): entry for entry in entries if isinstance(entry, dict)}
        names = set(platforms)
        for entry in by_name.values():
            names.update(((entry.get("bottle") or {}).get("stable") or {}).get("files") or {})
        index = json.dumps(entries)
        files = {
            "/api/formula.json": index,
            "/api/formula.jws.json": _signed(index),
            "/api/cask.jws.json": _signed("[]"),
            "/api/formula_tap_migrations.jws.json": _signed("{}"),
            "/api/cask_tap_migrations.jws.json": _signed("{}"),
        }
        for name in names - {"all"}:
            packages = json.dumps({"formulae": by_name, "casks": {}})
            files[f"/api/internal/packages.{name}.jws.json"] = _signed(packages)
        return {path: text.encode() for path, text in files.items()}

    def add_fault(self, given):
        fault = Fault.of(given)
        with self._lock:
            self._faults.append(fault)

    def clear_faults(self):
        with self._lock:
            self._faults = []

    def requests(self):
        with self._lock:
            return [dict(entry) for entry in self._log]

    def forget_requests(self):
        with self._lock:
            self._log = []

    # What the requests need.

    def begin(self, method, path, headers):
        """Writes a request down; returns what is written, whose `sent` goes on, and what goes wrong with it."""
        entry = {
            "at": events.now(),
            "method": method,
            "path": path,
            "range": headers.get("Range"),
            "host": headers.get("Host"),
            "authorization": headers.get("Authorization") is not None,
            "status": None,
            "sent": 0,
        }
        with self._lock:
            self._log.append(entry)
            return entry, [fault for fault in self._faults if fault.applies(path)]

    def file(self, path):
        with self._lock:
            return self._files.get(path)

    def manifest(self, image, reference):
        with self._lock:
            return self._manifests.get((image, reference))

    def blob(self, sha256):
        with self._lock:
            return self._blobs.get(sha256)

    def signed_url(self, sha256):
        expires = f"{time.time() + self._redirect_seconds:.3f}"
        query = urllib.parse.urlencode({"expires": expires, "signature": self._signature(sha256, expires)})
        return f"http://{_REDIRECT_HOST}:{self.port}/store/{sha256}?{query}"

    def refusal(self, sha256, query):
        """Why a signed URL does not count, or `None`."""
        values = dict(urllib.parse.parse_qsl(query))
        expires = values.get("expires", "")
        if not hmac.compare_digest(values.get("signature", ""), self._signature(sha256, expires)):
            return "signature mismatch"
        return "the URL has expired" if float(expires) < time.time() else None

    def _signature(self, sha256, expires):
        return hmac.new(self._key, f"{sha256}\n{expires}".encode(), hashlib.sha256).hexdigest()


def _signed(payload):
    """A signed file as Homebrew's, with a signature that nobody can check."""
    signature = {"protected": "e30", "header": {"kid": "homebrew-1"}, "signature": "c3RhbmQtaW4"}
    return json.dumps({"payload": payload, "signatures": [signature]})


class _Requests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and the beginning of the body in one packet would wait for each other otherwise.
    disable_nagle_algorithm = True

    def log_message(self, format, *arguments):
        """The source keeps a log of its own."""

    def handle(self):
        try:
            super().handle()
        except (BrokenPipeError, ConnectionResetError):
            # The client has gone: it was stopped, or has seen enough.
            self.close_connection = True

    def _serve(self):
        source = self.server.source
        path, _, query = self.path.partition("?")
        self._entry, self._faults = source.begin(self.command, path, self.headers)
        for fault in self._faults:
            if fault.status is not None:
                headers = {"Retry-After": fault.retry_after} if fault.retry_after is not None else {}
                self._answer(fault.status, b"it was asked to fail\n", headers, whole=True)
                return
        registry = _REGISTRY.match(urllib.parse.unquote(path))
        if registry:
            self._serve_registry(source, registry)
        elif path.startswith("/store/"):
            self._serve_store(source, path.removeprefix("/store/"), query)
        else:
            self._serve_file(source.file(path))

    do_GET = do_HEAD = _serve

    def _serve_file(self, content):
        if content is None:
            self._answer(404, b"Not Found\n")
            return
        etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        known = [tag.strip().removeprefix("W/") for tag in self.headers.get("If-None-Match", "").split(",")]
        if etag in known:
            self._answer(304, b"", {"ETag": etag})
        else:
            self._answer(200, content, {"ETag": etag, "Content-Type": "application/json"})

    def _serve_registry(self, source, registry):
        if self.headers.get("Authorization") != ANONYMOUS:
            challenge = f'Bearer realm="{source.address}/token",service="ghcr.io"'
            self._answer_error(401, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": challenge})
        elif registry["kind"] == "manifests":
            self._serve_manifest(source.manifest(registry["image"], registry["reference"]))
        elif source.blob(registry["reference"].removeprefix("sha256:")) is None:
            self._answer_error(404, "BLOB_UNKNOWN", "blob unknown to registry")
        else:
            url = source.signed_url(registry["reference"].removeprefix("sha256:"))
            self._answer(307, b"", {"Location": url})

    def _serve_manifest(self, found):
        if found is None:
            self._answer_error(404, "MANIFEST_UNKNOWN", "manifest unknown")
            return
        content, media_type = found
        if media_type == INDEX_MEDIA_TYPE and INDEX_MEDIA_TYPE not in self.headers.get("Accept", ""):
            problem = "OCI index found, but accept header does not support OCI indexes"
            self._answer_error(404, "MANIFEST_UNKNOWN", problem)
            return
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self._answer(200, content, {"Content-Type": media_type, "Docker-Content-Digest": digest})

    def _serve_store(self, source, sha256, query):
        if self.headers.get("Authorization") is not None:
            self._answer(400, b"Only one authentication mechanism is allowed\n")
            return
        refusal = source.refusal(sha256, query)
        if refusal is not None:
            self._answer(403, refusal.encode() + b"\n")
            return
        content, size = source.blob(sha256)
        start, end, status = 0, size, 200
        headers = {"Accept-Ranges": "bytes", "Content-Type": "application/octet-stream", "ETag": f'"{sha256[:32]}"'}
        asked = _RANGE.match(self.headers.get("Range", ""))
        if asked:
            start, end = int(asked[1]), min(size, int(asked[2]) + 1 if asked[2] else size)
            if start >= size or start >= end:
                self._answer(416, b"", {"Content-Range": f"bytes */{size}"})
                return
            status = 206
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        self._begin(status, end - start, headers)
        if self.command == "GET":
            self._send(chunks(content, start, end), start)

    def _answer_error(self, status, code, message, headers=None):
        body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
        self._answer(status, body, {"Content-Type": "application/json", **(headers or {})})

    def _answer(self, status, body, headers=None, whole=False):
        self._begin(status, len(body), headers or {})
        if self.command == "HEAD" or not body:
            return
        if whole:
            self.wfile.write(body)
            self._entry["sent"] += len(body)
        else:
            self._send((memoryview(body)[at : at + CHUNK_BYTES] for at in range(0, len(body), CHUNK_BYTES)), 0)

    def _begin(self, status, length, headers):
        self._entry["status"] = status
        self.send_response(status)
        for name, value in headers.items():
            # A header's value is Latin-1 in Python, but a server may send what it likes.
            self.send_header(name, value.encode().decode("latin-1"))
        if status != 304:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def _send(self, pieces, offset):
        """Sends a body without its first `offset` bytes, which were not asked for, with what goes wrong."""
        started, sent = time.monotonic(), 0
        cut = min((fault.cut_after for fault in self._faults if fault.cut_after is not None), default=None)
        speed = min((fault.bytes_per_second for fault in self._faults if fault.bytes_per_second), default=None)
        stalls = sorted(
            (fault.stall_after, fault.stall_seconds) for fault in self._faults if fault.stall_after is not None
        )
        corrupted = [fault.corrupt_at for fault in self._faults if fault.corrupt_at is not None]
        for piece in pieces:
            for part in _slow(piece, speed):
                for at in corrupted:
                    if offset + sent <= at < offset + sent + len(part):
                        part = bytearray(part)
                        part[at - offset - sent] ^= 0x01
                while stalls and sent + len(part) > stalls[0][0]:
                    time.sleep(stalls.pop(0)[1])
                if cut is not None and sent + len(part) > cut:
                    self.wfile.write(part[: cut - sent])
                    self._entry["sent"] += cut - sent
                    self.close_connection = True
                    return
                self.wfile.write(part)
                sent += len(part)
                self._entry["sent"] = sent
                if speed is not None:
                    time.sleep(max(0.0, started + sent / speed - time.monotonic()))


def _slow(piece, speed):
    """A piece in parts that take a tenth of a second each."""
    if speed is None:
        yield piece
        return
    step = max(1, speed // 10)
    for at in range(0, len(piece), step):
        yield piece[at : at + step]


# The control server's part.


def source(name):
    """The source of this name, which is started when it is not there yet."""
    if not _SOURCE_NAME.match(name):
        raise Problem(f"source {name}: expected lowercase letters, digits and dashes")
    with _lock:
        if name not in _sources:
            _sources[name] = Source()
        return _sources[name]


def control(method, path, value):
    """Answers a request for `/homebrew/<source>/<what>`; `None` where there is nothing to ask for."""
    name, _, what = path.partition("/")
    match method, what:
        case "POST", "index":
            return source(name).put_index(value)
        case "POST", "faults":
            source(name).add_fault(value)
        case "DELETE", "faults":
            source(name).clear_faults()
        case "GET", "requests":
            return source(name).requests()
        case "DELETE", "requests":
            source(name).forget_requests()
        case _:
            return None
    return {}


def address():
    return source(FIRST).address
