"""`ECR Image Action`: what ECR publishes on EventBridge after a push and after a deletion.

A push by digest alone (the children of a multi-architecture push) gives an event with an empty tag; the
index gives the one that carries the tag.
"""

import json

from ministack.services import ecr

import events
import images
from patches import wraps


def _emit(repository, digest, tag, action, record):
    detail = {
        "result": "SUCCESS",
        "repository-name": repository,
        "image-digest": digest,
        "action-type": action,
        "image-tag": tag or "",
    }
    if record is not None:
        detail["manifest-media-type"] = images.media_type(record)
        artifact = images.artifact_media_type(record)
        if artifact:
            detail["artifact-media-type"] = artifact
    events.emit("aws.ecr", "ECR Image Action", [], detail)


def _tags_by_digest(repository):
    return {record["imageDigest"]: set(record.get("imageTags", [])) for record in ecr._images.get(repository, [])}


def _stored(repository, digest):
    return next((record for record in ecr._images.get(repository, []) if record["imageDigest"] == digest), None)


@wraps(ecr, "_put_image")
def _put(put, data):
    repository, tag = data.get("repositoryName", ""), data.get("imageTag")
    manifest = data.get("imageManifest", "")
    given, actual = data.get("imageDigest"), ecr._image_digest(manifest)
    if given and given != actual:
        return ecr.error_response_json(
            "ImageDigestDoesNotMatchException",
            f"The provided digest '{given}' does not match the manifest's digest '{actual}'",
            400,
        )
    before = _tags_by_digest(repository)
    if actual in before and (not tag or tag in before[actual]):
        # ECR refuses a push that changes nothing; no event follows.
        named = f"tag '{tag}' and digest '{actual}'" if tag else f"digest '{actual}'"
        return ecr.error_response_json(
            "ImageAlreadyExistsException",
            f"Image with {named} already exists in the repository with name '{repository}' in registry "
            f"with id '{ecr.get_account_id()}'",
            400,
        )
    if not data.get("imageManifestMediaType"):
        data = {**data, "imageManifestMediaType": _named_media_type(manifest)}
    answer = put(data)
    if answer[0] == 200:
        _emit(repository, actual, tag, "PUSH", _stored(repository, actual))
    return answer


def _named_media_type(manifest):
    try:
        named = json.loads(manifest).get("mediaType")
    except (ValueError, AttributeError):
        named = None
    return named or "application/vnd.docker.distribution.manifest.v2+json"


@wraps(ecr, "_v2_put_manifest")
def _put_by_registry_protocol(put, name, reference, headers, body):
    answer = put(name, reference, headers, body)
    if answer[0] == 201:
        digest = ecr._content_digest(body if isinstance(body, bytes) else body.encode())
        _emit(name, digest, None if reference.startswith("sha256:") else reference, "PUSH", _stored(name, digest))
    return answer


@wraps(ecr, "_batch_delete_image")
def _delete(delete, data):
    """By tag, only the tag goes while the image has others; by digest, the image and all its tags go."""
    repository = data.get("repositoryName", "")
    if repository not in ecr._repositories:
        return delete(data)
    deleted, failures = [], []
    for identifier in data.get("imageIds", []):
        record = ecr._find_image(repository, identifier)
        if record is None:
            missing = {"failureCode": "ImageNotFound", "failureReason": "Requested image not found"}
            failures.append({"imageId": identifier, **missing})
            continue
        digest, tags = record["imageDigest"], list(record.get("imageTags", []))
        if not identifier.get("imageDigest") and len(tags) > 1:
            record["imageTags"].remove(identifier["imageTag"])
            removed = [identifier["imageTag"]]
        else:
            ecr._images[repository].remove(record)
            removed = tags or [None]
        for tag in removed:
            deleted.append({"imageDigest": digest, **({"imageTag": tag} if tag else {})})
            _emit(repository, digest, tag, "DELETE", record)
    return ecr.json_response({"imageIds": deleted, "failures": failures})
