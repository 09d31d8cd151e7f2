"""What ECR shows of what was pushed: DescribeImages in pages, manifests, and layers at addresses of their own.

A layer's address is signed and counts for a while, as those of S3 do that ECR hands out; who has it needs no keys.
Layers come by the registry protocol or by ECR's own calls, into the same store.
"""

import base64
import contextlib
import hashlib
import hmac
import secrets
import time
from urllib.parse import parse_qs, urlencode, urlsplit

from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import ecr

import images
from patches import replaces

LAYERS_PATH = "/layers/"
_ADDRESS_SECONDS = 3600
_PART_BYTES = 10 * 1024 * 1024
_MOST_IMAGES = 1000
_DEFAULT_IMAGES = 100
_MOST_NAMED = 100

_secret = secrets.token_bytes(32)
_address = None


def set_address(address):
    """Where layers are fetched: the control server's address."""
    global _address
    _address = address


def _refusal(code, message):
    return ecr.error_response_json(code, message, 400)


def _in_registry():
    return f"in the registry with id '{ecr.get_account_id()}'"


def _invalid(member, text):
    message = f"Invalid parameter at '{member}' failed to satisfy constraint: '{text}'"
    return _refusal("InvalidParameterException", message)


def _with_place(repository, **members):
    return {"registryId": ecr.get_account_id(), "repositoryName": repository, **members}


def _in_repository(call):
    """Only a repository that is there is asked; others give the error of ECR."""

    def answer(data):
        repository = data.get("repositoryName", "")
        if repository not in ecr._repositories:
            return _refusal(
                "RepositoryNotFoundException",
                f"The repository with name '{repository}' does not exist {_in_registry()}",
            )
        return call(repository, data)

    return answer


def _shown(repository, record):
    """One of DescribeImages' details; what an image lacks (tags, an artifact's type) is left out."""
    detail = _with_place(
        repository,
        imageDigest=record["imageDigest"],
        imageSizeInBytes=len(record.get("imageManifest", "")),
        imagePushedAt=record["imagePushedAt"],
        imageManifestMediaType=images.media_type(record),
        imageStatus="ACTIVE",
    )
    if record.get("imageTags"):
        detail["imageTags"] = list(record["imageTags"])
    artifact = images.artifact_media_type(record)
    if artifact:
        detail["artifactMediaType"] = artifact
    return detail


def _describe_named(repository, data):
    if "maxResults" in data or "nextToken" in data:
        return _invalid("imageIds", "maxResults and nextToken cannot be specified with imageIds")
    if len(data["imageIds"]) > _MOST_NAMED:
        return _too_large("imageIds", _MOST_NAMED)
    found = {}
    for identifier in data["imageIds"]:
        record = ecr._find_image(repository, identifier)
        if record is None:
            named = ", ".join(f"{field}:'{identifier.get(field, 'null')}'" for field in ("imageDigest", "imageTag"))
            return _refusal(
                "ImageNotFoundException",
                f"The image with imageId {{{named}}} does not exist within the repository with name "
                f"'{repository}' {_in_registry()}",
            )
        found[record["imageDigest"]] = record
    return ecr.json_response({"imageDetails": [_shown(repository, record) for record in found.values()]})


def _too_large(member, most):
    return _invalid(member, f"Member must have length less than or equal to {most}")


@replaces(ecr, "_describe_images")
@_in_repository
def _describe(repository, data):
    """Named images, or all of them in pages, in an order that says nothing of their age."""
    if data.get("imageIds"):
        return _describe_named(repository, data)
    most, token = data.get("maxResults", _DEFAULT_IMAGES), data.get("nextToken")
    if not 1 <= most <= _MOST_IMAGES:
        return _invalid("maxResults", f"Member must be between 1 and {_MOST_IMAGES}")
    after = ""
    if token is not None:
        with contextlib.suppress(ValueError):
            after = base64.b64decode(token, validate=True).decode()
        if not after.startswith("sha256:"):
            return _refusal("InvalidParameterException", "Invalid parameter at 'nextToken'")
    status = (data.get("filter") or {}).get("tagStatus", "ANY")
    wanted = [
        record
        for record in sorted(ecr._images.get(repository, []), key=lambda record: record["imageDigest"])
        if record["imageDigest"] > after
        and (status == "ANY" or bool(record.get("imageTags")) == (status == "TAGGED"))
    ]
    answer = {"imageDetails": [_shown(repository, record) for record in wanted[:most]]}
    if len(wanted) > most:
        answer["nextToken"] = base64.b64encode(wanted[most - 1]["imageDigest"].encode()).decode()
    return ecr.json_response(answer)


@replaces(ecr, "_batch_get_image")
@_in_repository
def _batch_get(repository, data):
    """Manifests as they were pushed; each says the tag that it was asked for by."""
    if len(data.get("imageIds") or []) > _MOST_NAMED:
        return _too_large("imageIds", _MOST_NAMED)
    found, failures = [], []
    for identifier in data.get("imageIds") or []:
        record, tag = ecr._find_image(repository, identifier), identifier.get("imageTag")
        code, reason = "ImageNotFound", "Requested image not found"
        if record is not None and tag and tag not in record.get("imageTags", []):
            code, reason = "ImageTagDoesNotMatchDigest", "The tag does not belong to the image of the digest"
            record = None
        if record is None:
            failures.append({"imageId": identifier, "failureCode": code, "failureReason": reason})
            continue
        found.append(
            _with_place(
                repository,
                imageId={"imageDigest": record["imageDigest"], **({"imageTag": tag} if tag else {})},
                imageManifest=record.get("imageManifest", ""),
                imageManifestMediaType=images.media_type(record),
            )
        )
    return ecr.json_response({"images": found, "failures": failures})


# Layers, among them the configurations of images.


def _layers(repository):
    return ecr._layer_blobs.setdefault(repository, {})


@replaces(ecr, "_batch_check_layer_availability")
@_in_repository
def _availability(repository, data):
    kept, layers, failures = _layers(repository), [], []
    for digest in data.get("layerDigests") or []:
        if digest in kept:
            size = len(kept[digest])
            layers.append({"layerDigest": digest, "layerAvailability": "AVAILABLE", "layerSize": size})
        else:
            reason = "One or more layers does not exist in the repository."
            failures.append({"layerDigest": digest, "failureCode": "MissingLayerDigest", "failureReason": reason})
    return ecr.json_response({"layers": layers, "failures": failures})


@replaces(ecr, "_initiate_layer_upload")
@_in_repository
def _begin_upload(repository, _data):
    identifier = ecr.new_uuid()
    ecr._uploads.setdefault(repository, {})[identifier] = bytearray()
    return ecr.json_response({"uploadId": identifier, "partSize": _PART_BYTES})


def _of_upload(call):
    """Only an upload that somebody has begun goes on, with what has come of it."""

    @_in_repository
    def answer(repository, data):
        identifier = data.get("uploadId", "")
        content = ecr._uploads.get(repository, {}).get(identifier)
        if content is None:
            return _refusal(
                "UploadNotFoundException",
                f"The upload with id '{identifier}' cannot be found in the repository with name '{repository}' "
                f"{_in_registry()}",
            )
        return call(repository, data, content)

    return answer


@replaces(ecr, "_upload_layer_part")
@_of_upload
def _upload_part(repository, data, content):
    part = base64.b64decode(data.get("layerPartBlob") or "")
    first, last = data.get("partFirstByte"), data.get("partLastByte")
    if (first, last) != (len(content), len(content) + len(part) - 1):
        return _refusal(
            "InvalidLayerPartException",
            f"The layer part from {first} to {last} has {len(part)} bytes and follows {len(content)}",
        )
    content.extend(part)
    return ecr.json_response(_with_place(repository, uploadId=data["uploadId"], lastByteReceived=last))


@replaces(ecr, "_complete_layer_upload")
@_of_upload
def _complete_upload(repository, data, content):
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    named = (data.get("layerDigests") or [None])[0]
    if named != digest:
        return _refusal("InvalidLayerException", f"The layer has the digest '{digest}' and not '{named}'")
    if digest in _layers(repository):
        return _refusal(
            "LayerAlreadyExistsException",
            f"Layer with digest '{digest}' already exists in the repository with name '{repository}' {_in_registry()}",
        )
    _layers(repository)[digest] = bytes(content)
    del ecr._uploads[repository][data["uploadId"]]
    return ecr.json_response(_with_place(repository, uploadId=data["uploadId"], layerDigest=digest))


def _signature(*parts):
    return hmac.new(_secret, "\n".join(parts).encode(), hashlib.sha256).hexdigest()


@replaces(ecr, "_get_download_url_for_layer")
@_in_repository
def _download_url(repository, data):
    digest = data.get("layerDigest", "")
    if digest not in _layers(repository):
        return _refusal(
            "LayersNotFoundException",
            f"Layer with digest '{digest}' does not exist in the repository with name '{repository}' {_in_registry()}",
        )
    expires = str(int(time.time()) + _ADDRESS_SECONDS)
    place = {"account": get_account_id(), "region": get_region(), "repository": repository, "expires": expires}
    query = urlencode({**place, "signature": _signature(digest, *place.values())})
    return ecr.json_response({"downloadUrl": f"{_address}{LAYERS_PATH}{digest}?{query}", "layerDigest": digest})


def layer(address, authorization):
    """What a layer's address answers: status and content."""
    if authorization:
        # S3 takes one kind of credentials only, and the address is one.
        return 400, b"Only one auth mechanism allowed"
    parts = urlsplit(address)
    digest = parts.path.removeprefix(LAYERS_PATH)
    given = {name: values[0] for name, values in parse_qs(parts.query).items()}
    place = [given.get(name, "") for name in ("account", "region", "repository", "expires")]
    if not hmac.compare_digest(given.get("signature", ""), _signature(digest, *place)):
        return 403, b"SignatureDoesNotMatch"
    account, region, repository, expires = place
    if time.time() > int(expires):
        return 403, b"Request has expired"
    with request_scope(account, region):
        content = ecr._layer_blobs.get(repository, {}).get(digest)
    return (404, b"NoSuchKey") if content is None else (200, content)
