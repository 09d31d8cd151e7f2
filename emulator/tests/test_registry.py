"""What ECR publishes on EventBridge, and what it answers, after pushes and deletions."""

import json

from tests.running_cloud import SERVE, CloudTest, error_code, manifest, request, unique

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIGURATION = "application/vnd.oci.image.config.v1+json"


class Registry(CloudTest):
    def setUp(self):
        self.repository = f"shop/{unique('api')}"

    def _published(self):
        return self.cloud.events(
            "ECR Image Action", lambda event: event["detail"]["repository-name"] == self.repository
        )

    def test_a_push_of_a_tag_is_published_in_the_shape_of_aws(self):
        digest = self.cloud.push(self.repository, "v1", SERVE)
        (event,) = self._published()
        self.assertEqual(event["source"], "aws.ecr")
        self.assertEqual((event["account"], event["region"]), (self.cloud.account, self.cloud.region))
        self.assertEqual(
            event["detail"],
            {
                "result": "SUCCESS",
                "repository-name": self.repository,
                "image-digest": digest,
                "action-type": "PUSH",
                "image-tag": "v1",
                "manifest-media-type": MANIFEST,
                "artifact-media-type": CONFIGURATION,
            },
        )

    def test_a_multi_architecture_push_gives_children_without_a_tag_and_the_index_with_it(self):
        ecr = self.cloud.client("ecr")
        children = [self.cloud.push(self.repository, None, SERVE) for _ in range(2)]
        entries = [
            {"mediaType": MANIFEST, "digest": digest, "size": 1, "platform": {"os": "linux", "architecture": name}}
            for digest, name in zip(children, ("amd64", "arm64"))
        ]
        index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})
        ecr.put_image(repositoryName=self.repository, imageManifest=index, imageTag="v1")
        published = [event["detail"] for event in self._published()]
        self.assertEqual([detail["image-tag"] for detail in published], ["", "", "v1"])
        self.assertEqual([detail["manifest-media-type"] for detail in published], [MANIFEST, MANIFEST, INDEX])
        self.assertNotIn("artifact-media-type", published[2])
        detail = ecr.describe_images(repositoryName=self.repository, imageIds=[{"imageTag": "v1"}])["imageDetails"][0]
        self.assertEqual(detail["imageManifestMediaType"], INDEX)

    def test_a_push_by_the_registry_protocol_is_published_too(self):
        self.cloud.client("ecr").create_repository(repositoryName=self.repository)
        url = f"{self.cloud.description['endpoint']}/v2/{self.repository}/manifests/v1"
        self.assertEqual(request("PUT", url, raw=manifest(SERVE).encode())[0], 201)
        (event,) = self._published()
        self.assertEqual((event["detail"]["action-type"], event["detail"]["image-tag"]), ("PUSH", "v1"))
        self.assertEqual(event["detail"]["manifest-media-type"], MANIFEST)

    def test_an_attestation_says_that_it_is_not_an_image(self):
        ecr = self.cloud.client("ecr")
        ecr.create_repository(repositoryName=self.repository)
        body = manifest(None, artifactType="application/vnd.dev.cosign.artifact.sig.v1+json")
        ecr.put_image(repositoryName=self.repository, imageManifest=body, imageTag="attestation")
        (event,) = self._published()
        self.assertEqual(event["detail"]["artifact-media-type"], "application/vnd.dev.cosign.artifact.sig.v1+json")

    def test_a_push_that_changes_nothing_is_refused_and_not_published(self):
        ecr = self.cloud.client("ecr")
        ecr.create_repository(repositoryName=self.repository)
        body = manifest(SERVE)
        put = dict(repositoryName=self.repository, imageManifest=body, imageTag="v1")
        ecr.put_image(**put)
        self.assertEqual(error_code(ecr.put_image, **put)[0], "ImageAlreadyExistsException")
        self.assertEqual(len(self._published()), 1)
        ecr.put_image(**{**put, "imageTag": "v2"})
        self.assertEqual([event["detail"]["image-tag"] for event in self._published()], ["v1", "v2"])

    def test_deletions_are_published_and_a_tag_alone_can_go(self):
        ecr = self.cloud.client("ecr")
        ecr.create_repository(repositoryName=self.repository)
        body = manifest(SERVE)
        for tag in ("v1", "v2"):
            ecr.put_image(repositoryName=self.repository, imageManifest=body, imageTag=tag)
        ecr.batch_delete_image(repositoryName=self.repository, imageIds=[{"imageTag": "v1"}])
        (image,) = ecr.describe_images(repositoryName=self.repository)["imageDetails"]
        self.assertEqual(image["imageTags"], ["v2"])
        ecr.batch_delete_image(repositoryName=self.repository, imageIds=[{"imageDigest": image["imageDigest"]}])
        published = [(event["detail"]["action-type"], event["detail"]["image-tag"]) for event in self._published()]
        self.assertEqual(published, [("PUSH", "v1"), ("PUSH", "v2"), ("DELETE", "v1"), ("DELETE", "v2")])

    def test_an_image_that_is_missing_is_an_error(self):
        self.cloud.push(self.repository, "v1", SERVE)
        describe, missing = self.cloud.client("ecr").describe_images, [{"imageTag": "v9"}]
        options = {"repositoryName": self.repository, "imageIds": missing}
        self.assert_refused("ImageNotFoundException", describe, **options, saying="imageTag:'v9'")
