"""Images as the local cloud understands them: a manifest in its ECR that says which process to run."""

import json
import platform
import re

from ministack.core.responses import request_scope
from ministack.services import ecr

COMMAND_ANNOTATION = "dev.longshore.local.command"
ENTRY_POINT_ANNOTATION = "dev.longshore.local.entry-point"

_ECR_REFERENCE = re.compile(
    r"^(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com/"
    r"(?P<repository>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?$"
)
_INDEX_MEDIA_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class ImageMissing(Exception):
    """The reference names no image in the local ECR; the text is the error that a puller gets."""


class Image:
    def __init__(self, reference, digest, entry_point, command):
        self.reference = reference
        self.digest = digest
        self.entry_point = entry_point
        self.command = command


def media_type(record):
    """The media type of a stored image, from the manifest itself where it names one."""
    named = _manifest(record).get("mediaType")
    return named or record.get("imageManifestMediaType", "")


def artifact_media_type(record):
    """What ECR calls the artifact's media type: the artifact type, else the type of the configuration."""
    manifest = _manifest(record)
    return manifest.get("artifactType") or (manifest.get("config") or {}).get("mediaType")


def find(reference):
    """The image behind a full ECR reference; raises `ImageMissing`."""
    parsed = _ECR_REFERENCE.match(reference)
    if not parsed:
        raise ImageMissing(f"failed to resolve ref {reference}: only images of the local ECR can be pulled here")
    with request_scope(parsed["account"], parsed["region"]):
        record = _record(parsed["repository"], parsed["tag"], parsed["digest"])
        if record is None:
            raise ImageMissing(f"failed to resolve ref {reference}: {reference}: not found")
        names = (ENTRY_POINT_ANNOTATION, COMMAND_ANNOTATION)
        return Image(
            reference, record["imageDigest"], *(_annotated(parsed["repository"], record, name) for name in names)
        )


def _manifest(record):
    try:
        manifest = json.loads(record.get("imageManifest") or "{}")
    except ValueError:
        return {}
    return manifest if isinstance(manifest, dict) else {}


def _record(repository, tag, digest):
    for record in list(ecr._images.get(repository, [])):
        if digest and record["imageDigest"] == digest:
            return record
        if not digest and (tag or "latest") in record.get("imageTags", []):
            return record
    return None


def _annotated(repository, record, name):
    """The words of an annotation; of an index without it, those of the child for this machine."""
    manifest = _manifest(record)
    annotated = (manifest.get("annotations") or {}).get(name)
    if annotated is not None:
        return _parsed_words(annotated)
    if media_type(record) in _INDEX_MEDIA_TYPES:
        child = _child_for_this_machine(repository, manifest)
        if child is not None:
            return _annotated(repository, child, name)
    return None


def _child_for_this_machine(repository, index):
    wanted = _ARCHITECTURES.get(platform.machine().lower(), platform.machine().lower())
    for entry in index.get("manifests", []):
        if (entry.get("platform") or {}).get("architecture") == wanted:
            return _record(repository, None, entry.get("digest"))
    return None


def _parsed_words(annotated):
    try:
        words = json.loads(annotated)
    except ValueError:
        return None
    if isinstance(words, list) and words and all(isinstance(word, str) for word in words):
        return words
    return None
