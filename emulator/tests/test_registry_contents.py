"""What ECR shows of images: pages, when they were pushed, manifests, and the layers behind them."""

import hashlib
import json
import time

from tests.running_cloud import SERVE, CloudTest, allow, error_code, manifest, request, unique, wait_until

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


class Contents(CloudTest):
    def setUp(self):
        self.ecr = self.cloud.client("ecr")
        self.repository = f"shop/{unique('api')}"
        self.ecr.create_repository(repositoryName=self.repository)

    def _put(self, body, tag=None):
        given = {"imageTag": tag} if tag else {}
        self.ecr.put_image(repositoryName=self.repository, imageManifest=body, **given)
        return "sha256:" + hashlib.sha256(body.encode()).hexdigest()

    def _upload(self, content):
        """A layer in two parts, as clients of ECR's own calls push it."""
        upload = self.ecr.initiate_layer_upload(repositoryName=self.repository)["uploadId"]
        place = {"repositoryName": self.repository, "uploadId": upload}
        half = len(content) // 2
        for first, part in ((0, content[:half]), (half, content[half:])):
            self.ecr.upload_layer_part(
                partFirstByte=first, partLastByte=first + len(part) - 1, layerPartBlob=part, **place
            )
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        self.ecr.complete_layer_upload(layerDigests=[digest], **place)
        return digest

    def _images(self, **options):
        return self.ecr.describe_images(repositoryName=self.repository, **options)

    def test_images_come_in_pages_each_of_them_once(self):
        pushed = {self._put(manifest(SERVE), f"v{number}") for number in range(5)}
        pushed.add(self._put(manifest(SERVE)))
        pages, token = [], {}
        while True:
            page = self._images(maxResults=4, **token)
            pages.append([image["imageDigest"] for image in page["imageDetails"]])
            if "nextToken" not in page:
                break
            token = {"nextToken": page["nextToken"]}
        self.assertEqual([len(page) for page in pages], [4, 2])
        self.assertEqual({digest for page in pages for digest in page}, pushed)
        self.assertEqual(error_code(self._images, nextToken="é")[0], "InvalidParameterException")
        named = [{"imageTag": "v1"}]
        self.assertEqual(error_code(self._images, imageIds=named, maxResults=5)[0], "InvalidParameterException")

    def test_images_are_listed_by_whether_they_have_a_tag(self):
        tagged, untagged = self._put(manifest(SERVE), "v1"), self._put(manifest(SERVE))
        for status, expected in (("TAGGED", {tagged}), ("UNTAGGED", {untagged}), ("ANY", {tagged, untagged})):
            shown = self._images(filter={"tagStatus": status})["imageDetails"]
            self.assertEqual({image["imageDigest"] for image in shown}, expected)
            self.assertEqual([image for image in shown if image.get("imageTags") == []], [])
            self.assertEqual({image["imageStatus"] for image in shown}, {"ACTIVE"})

    def test_a_moved_tag_keeps_the_time_of_the_push_and_is_published_as_one(self):
        old, new = manifest(SERVE), manifest(SERVE)
        first = self._put(old, "release")
        (before,) = self._images()["imageDetails"]
        wait_until("another second has begun", lambda: int(time.time()) > before["imagePushedAt"].timestamp())
        self._put(new, "release")
        self._put(old, "release")
        shown = {image["imageDigest"]: image for image in self._images()["imageDetails"]}
        self.assertEqual(shown[first], before)
        self.assertNotIn("imageTags", next(image for digest, image in shown.items() if digest != first))
        found = self.cloud.events("ECR Image Action", lambda event: self.repository in str(event["detail"]))
        self.assertEqual(
            [event["detail"]["image-digest"] == first for event in found if event["detail"]["image-tag"] == "release"],
            [True, False, True],
        )

    def test_a_repository_that_is_missing_is_an_error(self):
        name = unique("missing")
        for call, options in (
            (self.ecr.describe_images, {}),
            (self.ecr.batch_get_image, {"imageIds": [{"imageTag": "v1"}]}),
            (self.ecr.get_download_url_for_layer, {"layerDigest": "sha256:0"}),
        ):
            missing = f"'{name}' does not exist in the registry with id"
            self.assert_refused("RepositoryNotFoundException", call, repositoryName=name, **options, saying=missing)

    def test_manifests_come_back_as_they_were_pushed(self):
        children = {architecture: manifest(SERVE) for architecture in ("amd64", "arm64")}
        entries = [
            {
                "mediaType": MANIFEST,
                "digest": self._put(body),
                "size": len(body),
                "platform": {"os": "linux", "architecture": architecture},
            }
            for architecture, body in children.items()
        ]
        index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})
        digest = self._put(index, "v1")
        self.ecr.put_image(repositoryName=self.repository, imageManifest=index, imageTag="v2")
        wanted = [
            {"imageTag": "v1"},
            {"imageDigest": entries[1]["digest"]},
            {"imageTag": "v9"},
            {"imageDigest": digest, "imageTag": "v9"},
        ]
        answer = self.ecr.batch_get_image(repositoryName=self.repository, imageIds=wanted)
        by_tag, by_digest = answer["images"]
        self.assertEqual(by_tag["imageId"], {"imageDigest": digest, "imageTag": "v1"})
        self.assertEqual((by_tag["imageManifest"], by_tag["imageManifestMediaType"]), (index, INDEX))
        self.assertEqual(by_digest["imageId"], {"imageDigest": entries[1]["digest"]})
        self.assertEqual(
            (by_digest["imageManifest"], by_digest["imageManifestMediaType"]), (children["arm64"], MANIFEST)
        )
        self.assertEqual(
            [(failure["imageId"], failure["failureCode"]) for failure in answer["failures"]],
            [(wanted[2], "ImageNotFound"), (wanted[3], "ImageTagDoesNotMatchDigest")],
        )

    def test_an_images_configuration_is_fetched_without_keys(self):
        configuration = json.dumps(
            {
                "architecture": "arm64",
                "os": "linux",
                "config": {"Labels": {"org.opencontainers.image.revision": "0123abc"}},
            }
        ).encode()
        digest = self._upload(configuration)
        layers = self.ecr.batch_check_layer_availability(
            repositoryName=self.repository, layerDigests=[digest, "sha256:" + "0" * 64]
        )
        self.assertEqual(
            [(layer["layerAvailability"], layer["layerSize"]) for layer in layers["layers"]],
            [("AVAILABLE", len(configuration))],
        )
        self.assertEqual([failure["failureCode"] for failure in layers["failures"]], ["MissingLayerDigest"])

        url = self.ecr.get_download_url_for_layer(repositoryName=self.repository, layerDigest=digest)["downloadUrl"]
        self.assertEqual(request("GET", url)[2], json.loads(configuration))
        self.assertEqual(request("GET", url.replace("expires=1", "expires=2"))[0], 403)
        missing = {"repositoryName": self.repository, "layerDigest": "sha256:" + "0" * 64}
        self.assert_refused("LayersNotFoundException", self.ecr.get_download_url_for_layer, **missing)

    def test_a_layer_that_the_registry_protocol_brought_is_the_same(self):
        content = b'{"architecture": "amd64"}'
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        base = f"{self.cloud.description['endpoint']}/v2/{self.repository}/blobs"
        begun, headers, _ = request("POST", f"{base}/uploads/", raw=b"")
        self.assertEqual(begun, 202)
        location = self.cloud.description["endpoint"] + headers["Location"]
        self.assertEqual(request("PUT", f"{location}?digest={digest}", raw=content)[0], 201)
        url = self.ecr.get_download_url_for_layer(repositoryName=self.repository, layerDigest=digest)["downloadUrl"]
        self.assertEqual(request("GET", url)[2], {"architecture": "amd64"})

    def test_a_layer_with_another_digest_than_it_says_is_refused(self):
        upload = self.ecr.initiate_layer_upload(repositoryName=self.repository)["uploadId"]
        place = {"repositoryName": self.repository, "uploadId": upload}
        part, complete = {**place, "partFirstByte": 0, "layerPartBlob": b"short"}, self.ecr.complete_layer_upload
        self.assert_refused("InvalidLayerPartException", self.ecr.upload_layer_part, partLastByte=9, **part)
        self.ecr.upload_layer_part(partLastByte=4, **part)
        self.assert_refused("InvalidLayerException", complete, layerDigests=["sha256:" + "0" * 64], **place)

    def test_reading_is_allowed_repository_by_repository(self):
        digest = self._upload(b"{}")
        arn = f"arn:aws:ecr:{self.cloud.region}:{self.cloud.account}:repository/{self.repository}"
        actions = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        self._put(manifest(SERVE), "v1")
        mine = self.cloud.limited_client("ecr", [allow(actions, arn)])
        mine.batch_get_image(repositoryName=self.repository, imageIds=[{"imageTag": "v1"}])
        mine.get_download_url_for_layer(repositoryName=self.repository, layerDigest=digest)
        other = self.cloud.limited_client("ecr", [allow(actions, f"{arn}-other")])
        for call, options in (
            (other.batch_get_image, {"imageIds": [{"imageTag": "v1"}]}),
            (other.get_download_url_for_layer, {"layerDigest": digest}),
        ):
            self.assertEqual(error_code(call, repositoryName=self.repository, **options)[0], "AccessDeniedException")
