//! What rollouts ask of ECR, ECS, CloudWatch Logs and the history.

use chrono::DateTime;
use longshore_events::arn::ServiceName;
use longshore_events::image::Image;
use longshore_policy::route::{CpuArchitecture, ServiceId};
use longshore_provisioning::ports::{Inventory as _, ServingGroup};
use longshore_rollout::documents::{HistoryStore, RouteStore};
use longshore_rollout::ports::{
    ImageContents, ImageRegistry, LogLine, ServiceDeployer, ServiceDeployment,
    ServiceDeploymentStatus, TaskLogs, TaskRequest, TaskState,
};
use longshore_rollout::record::Deployment;
use longshore_state::ErrorClass;
use longshore_state::store::DocumentVersions;
use serde_json::{Value, json};
use sha2::Digest as _;

use crate::support::{Answer, Call, NO_SUCH_KEY, Wire, ok};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIGURATION: &str = "application/vnd.oci.image.config.v1+json";

fn digest(number: u8) -> String {
    format!("sha256:{number:064x}")
}

fn sha256(bytes: &str) -> String {
    let hexadecimal: String = sha2::Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{hexadecimal}")
}

fn image(number: u8) -> Image {
    Image {
        repository: "shop/api".to_owned(),
        tag: Some("v2".to_owned()),
        digest: digest(number).parse().unwrap(),
    }
}

fn detail(number: u8, tags: &[&str], pushed_at: u64) -> Value {
    json!({
        "imageDigest": digest(number), "imageTags": tags, "imagePushedAt": pushed_at,
        "imageManifestMediaType": INDEX,
    })
}

fn names_and_times(images: &[longshore_policy::image_policy::RegistryImage]) -> Vec<(&str, i64)> {
    images
        .iter()
        .map(|image| (image.tag.as_str(), image.pushed_at.timestamp()))
        .collect()
}

#[tokio::test]
async fn all_pages_of_a_repository_are_listed_with_each_tag_of_each_image() {
    let wire = Wire::new(|call| {
        ok(&match call.json()["nextToken"].as_str() {
            None => json!({
                "imageDetails": [detail(1, &["v1", "stable"], 1_790_000_000)],
                "nextToken": "more",
            }),
            Some(_) => json!({"imageDetails": [detail(2, &["v2"], 1_790_000_060)]}),
        })
    });
    let images = wire.cloud().images("shop/api").await.unwrap().images;
    assert_eq!(
        names_and_times(&images),
        [
            ("v1", 1_790_000_000),
            ("stable", 1_790_000_000),
            ("v2", 1_790_000_060),
        ]
    );
    assert_eq!(images[2].digest.as_str(), digest(2));
    let calls = wire.calls();
    assert_eq!(
        calls[0].json(),
        json!({"repositoryName": "shop/api", "filter": {"tagStatus": "TAGGED"}, "maxResults": 1000})
    );
    assert_eq!(calls[1].json()["nextToken"], "more");
    assert_eq!(calls.len(), 2);
}

#[tokio::test]
async fn several_tags_are_asked_for_in_one_call_and_looked_for_among_all_tags_of_what_comes() {
    let wire = Wire::new(|_| {
        let details = [
            detail(1, &["v1", "stable"], 1_790_000_000),
            detail(2, &["v2"], 1_790_000_060),
        ];
        ok(&json!({"imageDetails": details}))
    });
    let tags = ["v2", "stable"].map(str::to_owned).into();
    let images = wire.cloud().all_tagged("shop/api", &tags).await.unwrap();
    assert_eq!(
        names_and_times(&images.unwrap()),
        [("stable", 1_790_000_000), ("v2", 1_790_000_060)]
    );
    let calls = wire.calls();
    assert_eq!(
        calls[0].json(),
        json!({
            "repositoryName": "shop/api",
            "imageIds": [{"imageTag": "stable"}, {"imageTag": "v2"}],
        })
    );
    assert_eq!(calls.len(), 1);
}

#[tokio::test]
async fn of_several_tags_one_that_is_missing_leaves_all_of_them_open() {
    let refused = json!({"__type": "ImageNotFoundException", "message": "none"}).to_string();
    let wire = Wire::new(move |_| (400, refused.clone()));
    let tags = ["v2", "stable"].map(str::to_owned).into();
    let images = wire.cloud().all_tagged("shop/api", &tags).await.unwrap();
    assert_eq!(images, None);
    let wire = Wire::new(|_| ok(&json!({"imageDetails": [detail(2, &["v2"], 1_790_000_060)]})));
    let images = wire.cloud().all_tagged("shop/api", &tags).await.unwrap();
    assert_eq!(images, None);
}

#[tokio::test]
async fn a_tag_on_something_that_cannot_be_started_is_left_out_of_several() {
    let signature = others()[0].clone();
    let tag = signature["imageTags"][0].as_str().unwrap().to_owned();
    let wire = Wire::new(move |_| {
        let details = [signature.clone(), detail(2, &["v2"], 1_790_000_060)];
        ok(&json!({"imageDetails": details}))
    });
    let tags = [tag, "v2".to_owned()].into();
    let images = wire.cloud().all_tagged("shop/api", &tags).await.unwrap();
    assert_eq!(names_and_times(&images.unwrap()), [("v2", 1_790_000_060)]);
}

/// What is in a repository besides images that can be started.
fn others() -> [Value; 5] {
    let signature = "application/vnd.dev.cosign.simplesigning.v1+json";
    let with = |changes: Value| {
        let mut detail = detail(9, &["v9"], 1_790_000_000);
        let fields = changes.as_object().unwrap().clone();
        detail.as_object_mut().unwrap().extend(fields);
        detail
    };
    [
        with(json!({"artifactMediaType": signature, "imageManifestMediaType": MANIFEST})),
        with(json!({"imageManifestMediaType": "application/vnd.oci.artifact.manifest.v1+json"})),
        with(json!({"imageTags": [format!("sha256-{}.sig", "a".repeat(64))]})),
        with(json!({"imageStatus": "ARCHIVED"})),
        with(json!({"imageStatus": "ACTIVATING"})),
    ]
}

#[tokio::test]
async fn what_no_container_can_be_started_from_is_not_listed() {
    let mut details = others().to_vec();
    details.push(detail(2, &["v2"], 1_790_000_000));
    let mut manifest = detail(3, &["v3"], 1_790_000_000);
    manifest["imageManifestMediaType"] = MANIFEST.into();
    manifest["artifactMediaType"] = CONFIGURATION.into();
    manifest["imageStatus"] = "ACTIVE".into();
    details.push(manifest);
    let answer = json!({"imageDetails": details});
    let wire = Wire::new(move |_| ok(&answer));
    let images = wire.cloud().images("shop/api").await.unwrap().images;
    assert_eq!(
        names_and_times(&images),
        [("v2", 1_790_000_000), ("v3", 1_790_000_000)]
    );
}

#[tokio::test]
async fn a_tag_on_something_that_cannot_be_started_holds_nothing() {
    for other in others() {
        let tag = other["imageTags"][0].as_str().unwrap().to_owned();
        let answer = json!({"imageDetails": [other]});
        let shown = answer.to_string();
        let wire = Wire::new(move |_| ok(&answer));
        let tagged = wire.cloud().tagged("shop/api", &tag).await.unwrap();
        assert_eq!(tagged, None, "{shown}");
        let reference = format!("shop/api:{tag}").parse().unwrap();
        let error = wire.cloud().resolve(&reference).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Refused, "{error}");
    }
}

#[tokio::test]
async fn a_tag_holds_what_ecr_says_under_the_tag_that_was_asked_for() {
    let wire =
        Wire::new(|_| ok(&json!({"imageDetails": [detail(1, &["v1", "release"], 1_790_000_000)]})));
    let tagged = wire.cloud().tagged("shop/api", "release").await.unwrap();
    let tagged = tagged.unwrap();
    assert_eq!(tagged.tag, "release");
    assert_eq!(tagged.digest.as_str(), digest(1));
    assert_eq!(
        wire.calls()[0].json(),
        json!({"repositoryName": "shop/api", "imageIds": [{"imageTag": "release"}]})
    );
}

#[tokio::test]
async fn a_missing_tag_is_nothing_and_a_missing_repository_is_not_found() {
    let refused = |code: &'static str| {
        Wire::new(move |_| (400, json!({"__type": code, "message": "none"}).to_string()))
    };
    let wire = refused("ImageNotFoundException");
    assert_eq!(wire.cloud().tagged("shop/api", "v1").await.unwrap(), None);
    let wire = refused("RepositoryNotFoundException");
    let error = wire.cloud().tagged("shop/api", "v1").await.unwrap_err();
    assert_eq!(error.class, ErrorClass::NotFound);
    let error = wire.cloud().images("shop/api").await.unwrap_err();
    assert_eq!(error.class, ErrorClass::NotFound);
    assert_eq!(
        error.to_string(),
        "list the images of repository shop/api in ECR: RepositoryNotFoundException: none"
    );
}

/// ECR with manifests by digest, and one configuration.
fn registry(manifests: Vec<(u8, Value)>, configuration: &'static str) -> Wire {
    Wire::new(move |call: &Call| -> Answer {
        match call.name.as_str() {
            "BatchGetImage" => {
                let asked = call.json();
                let asked = asked["imageIds"].as_array().unwrap();
                let images: Vec<Value> = asked
                    .iter()
                    .filter_map(|id| {
                        let (_, manifest) = manifests
                            .iter()
                            .find(|(number, _)| id["imageDigest"] == digest(*number).as_str())?;
                        Some(json!({"imageManifest": manifest.to_string(), "imageId": id}))
                    })
                    .collect();
                let failures: Vec<Value> = (images.len()..asked.len())
                    .map(|_| {
                        json!({
                            "failureCode": "ImageNotFound",
                            "failureReason": "Requested image not found",
                        })
                    })
                    .collect();
                ok(&json!({"images": images, "failures": failures}))
            }
            "GetDownloadUrlForLayer" => {
                assert_eq!(call.json()["layerDigest"], sha256(configuration).as_str());
                ok(&json!({"downloadUrl": "https://layers.example/blob?X-Amz-Signature=abc"}))
            }
            "GET /blob" => {
                assert_eq!(call.query, "X-Amz-Signature=abc");
                assert_eq!(call.header("authorization"), None);
                (200, configuration.to_owned())
            }
            other => panic!("unexpected call {other}"),
        }
    })
}

fn manifest(configuration: &str) -> Value {
    json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": CONFIGURATION, "digest": sha256(configuration),
                   "size": configuration.len()},
        "layers": [],
    })
}

const ARM: &str = r#"{"architecture": "arm64", "os": "linux", "config": {"Labels":
    {"org.opencontainers.image.revision": "0123abc", "maintainer": "shop"}}, "rootfs": {}}"#;

const NO_LABELS: &str =
    r#"{"architecture": "amd64", "os": "linux", "config": {"Labels": null}, "rootfs": {}}"#;

fn contents(architectures: &[CpuArchitecture], commit: Option<&str>) -> ImageContents {
    ImageContents {
        source_url: None,
        architectures: architectures.iter().copied().collect(),
        commit: commit.map(str::to_owned),
    }
}

#[tokio::test]
async fn a_single_image_says_its_architecture_and_its_commit_in_its_configuration() {
    let wire = registry(vec![(1, manifest(ARM))], ARM);
    assert_eq!(
        wire.cloud().inspect(&image(1)).await.unwrap(),
        contents(&[CpuArchitecture::Arm], Some("0123abc"))
    );
    assert_eq!(
        wire.names(),
        ["BatchGetImage", "GetDownloadUrlForLayer", "GET /blob"]
    );
    let asked = wire.calls()[0].json();
    assert_eq!(asked["imageIds"], json!([{"imageDigest": digest(1)}]));
    assert_eq!(asked["acceptedMediaTypes"].as_array().unwrap().len(), 4);

    let wire = registry(vec![(1, manifest(NO_LABELS))], NO_LABELS);
    assert_eq!(
        wire.cloud().inspect(&image(1)).await.unwrap(),
        contents(&[CpuArchitecture::X86], None)
    );
}

/// As buildx pushes one: the image of each platform, and for each an attestation.
fn index(annotations: Value) -> Value {
    json!({
        "schemaVersion": 2, "mediaType": INDEX, "annotations": annotations,
        "manifests": [
            {"mediaType": MANIFEST, "digest": digest(2), "size": 500,
             "platform": {"architecture": "arm64", "os": "linux", "variant": "v8"}},
            {"mediaType": MANIFEST, "digest": digest(3), "size": 500,
             "platform": {"architecture": "amd64", "os": "linux"}},
            {"mediaType": MANIFEST, "digest": digest(4), "size": 500,
             "platform": {"architecture": "riscv64", "os": "linux"}},
            {"mediaType": MANIFEST, "digest": digest(5), "size": 500,
             "annotations": {"vnd.docker.reference.type": "attestation-manifest",
                             "vnd.docker.reference.digest": digest(2)},
             "platform": {"architecture": "unknown", "os": "unknown"}},
        ],
    })
}

#[tokio::test]
async fn an_index_says_its_architectures_and_one_of_its_images_the_commit() {
    let wire = registry(vec![(1, index(Value::Null)), (2, manifest(ARM))], ARM);
    assert_eq!(
        wire.cloud().inspect(&image(1)).await.unwrap(),
        contents(
            &[CpuArchitecture::X86, CpuArchitecture::Arm],
            Some("0123abc")
        )
    );
    assert_eq!(wire.names().len(), 4);
}

#[tokio::test]
async fn an_index_that_names_its_commit_costs_one_call() {
    let annotations = json!({"org.opencontainers.image.revision": "feedbeef"});
    let wire = registry(vec![(1, index(annotations))], ARM);
    assert_eq!(
        wire.cloud().inspect(&image(1)).await.unwrap(),
        contents(
            &[CpuArchitecture::X86, CpuArchitecture::Arm],
            Some("feedbeef")
        )
    );
    assert_eq!(wire.names(), ["BatchGetImage"]);
}

#[tokio::test]
async fn an_image_of_an_index_without_platforms_is_looked_into() {
    let bare = json!({
        "schemaVersion": 2, "mediaType": INDEX,
        "manifests": [{"mediaType": MANIFEST, "digest": digest(2), "size": 500}],
    });
    let wire = registry(vec![(1, bare), (2, manifest(ARM))], ARM);
    assert_eq!(
        wire.cloud().inspect(&image(1)).await.unwrap(),
        contents(&[CpuArchitecture::Arm], Some("0123abc"))
    );
}

#[tokio::test]
async fn what_is_not_a_commit_is_not_shown_as_one() {
    for revision in ["", "see <https://example.com|here>", &"a".repeat(129)] {
        let annotations = json!({"org.opencontainers.image.revision": revision});
        let wire = registry(
            vec![(1, index(annotations)), (2, manifest(NO_LABELS))],
            NO_LABELS,
        );
        let contents = wire.cloud().inspect(&image(1)).await.unwrap();
        assert_eq!(contents.commit, None, "{revision}");
    }
}

#[tokio::test]
async fn an_image_that_is_gone_is_not_found() {
    let wire = registry(Vec::new(), ARM);
    let error = wire.cloud().inspect(&image(1)).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::NotFound);
    assert_eq!(
        error.to_string(),
        format!(
            "inspect image shop/api:v2@{}: ImageNotFound: Requested image not found",
            digest(1)
        )
    );
}

#[tokio::test]
async fn a_configuration_that_is_not_what_its_digest_says_is_not_believed() {
    let mut wrong = manifest(ARM);
    wrong["config"]["digest"] = digest(7).into();
    let wire = Wire::new(move |call| match call.name.as_str() {
        "BatchGetImage" => ok(&json!({"images": [{"imageManifest": wrong.to_string()}]})),
        "GetDownloadUrlForLayer" => ok(&json!({"downloadUrl": "https://layers.example/blob"})),
        _ => (200, ARM.to_owned()),
    });
    let error = wire.cloud().inspect(&image(1)).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Transient);
    assert!(error.message.contains(&sha256(ARM)), "{error}");
}

#[tokio::test]
async fn a_configuration_that_is_too_large_is_not_fetched() {
    let mut large = manifest(ARM);
    large["config"]["size"] = (5 * 1024 * 1024).into();
    let wire = registry(vec![(1, large)], ARM);
    let error = wire.cloud().inspect(&image(1)).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Refused, "{error}");
    assert_eq!(wire.names(), ["BatchGetImage"]);
}

#[tokio::test]
async fn a_configuration_that_may_not_be_fetched_is_reported_without_its_address() {
    let wire = Wire::new(|call| match call.name.as_str() {
        "BatchGetImage" => ok(&json!({"images": [{"imageManifest": manifest(ARM).to_string()}]})),
        "GetDownloadUrlForLayer" => {
            ok(&json!({"downloadUrl": "https://layers.example/blob?X-Amz-Signature=abc"}))
        }
        _ => (403, "<Code>AccessDenied</Code>".to_owned()),
    });
    let error = wire.cloud().inspect(&image(1)).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Denied);
    assert!(
        error
            .message
            .ends_with("status 403 where its layers are kept: <Code>AccessDenied</Code>"),
        "{error}"
    );
    assert!(!error.to_string().contains("Signature"), "{error}");
}

fn service(name: &str, status: &str) -> Value {
    let arn = "arn:aws:ecs:eu-west-1:111122223333:task-definition/shop-api:41";
    json!({
        "serviceName": name, "status": status, "taskDefinition": arn, "desiredCount": 2,
        "deployments": [{"id": "ecs-svc/1", "status": "PRIMARY", "taskDefinition": arn,
                         "rolloutState": "COMPLETED"}],
    })
}

#[tokio::test]
async fn services_are_described_by_tens_and_those_that_are_gone_are_left_out() {
    let wire = Wire::new(|call| {
        let asked = call.json();
        let services: Vec<Value> = asked["services"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap())
            .filter(|name| *name != "service-3")
            .map(|name| {
                service(
                    name,
                    if name == "service-12" {
                        "INACTIVE"
                    } else {
                        "ACTIVE"
                    },
                )
            })
            .collect();
        ok(&json!({"services": services, "failures": []}))
    });
    let names: Vec<String> = (0..25).map(|number| format!("service-{number}")).collect();
    let described = wire
        .cloud()
        .describe_services("shop", &names)
        .await
        .unwrap();
    let found: Vec<&str> = described
        .iter()
        .map(|(name, _)| name.ecs_service.as_str())
        .collect();
    let expected: Vec<&String> = names
        .iter()
        .filter(|name| !["service-3", "service-12"].contains(&name.as_str()))
        .collect();
    assert_eq!(found, expected);
    assert!(
        described
            .iter()
            .all(|(name, service)| name.cluster == "shop"
                && service.primary().unwrap().id == "ecs-svc/1")
    );
    let sizes: Vec<usize> = wire
        .calls()
        .iter()
        .map(|call| call.json()["services"].as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, [10, 10, 5]);
    assert!(
        wire.calls()
            .iter()
            .all(|call| call.json()["cluster"] == "shop")
    );
}

#[tokio::test]
async fn a_cluster_that_is_gone_has_no_services() {
    let wire = Wire::new(|_| {
        (
            400,
            json!({"__type": "ClusterNotFoundException", "message": "none"}).to_string(),
        )
    });
    let described = wire
        .cloud()
        .describe_services("shop", &["api".to_owned()])
        .await;
    assert_eq!(described.unwrap(), []);
}

fn task_request() -> TaskRequest {
    TaskRequest {
        group: None,
        service: ServiceName {
            cluster: "shop".to_owned(),
            ecs_service: "api".to_owned(),
        },
        task_definition: "arn:aws:ecs:eu-west-1:111122223333:task-definition/shop-api:42"
            .to_owned(),
        container: "app".to_owned(),
        command: vec!["bin/migrate".to_owned(), "--all".to_owned()],
        environment: [("PHASE".to_owned(), "before".to_owned())].into(),
        cpu: Some(1024),
        memory: Some(4096),
        client_token: "event-1-migrate".to_owned(),
        started_by: "longshore-deploy/shop/api".to_owned(),
    }
}

/// RunTask's body for a service when ECS also shows `shown`.
async fn run_task_for(shown: Value) -> Value {
    let wire = Wire::new(move |call| match call.name.as_str() {
        "DescribeServices" => {
            let mut service = service("api", "ACTIVE");
            let fields = shown.as_object().unwrap().clone();
            service.as_object_mut().unwrap().extend(fields);
            ok(&json!({"services": [service]}))
        }
        "RunTask" => ok(&json!({"tasks": [{"taskArn": "arn:task/1"}], "failures": []})),
        other => panic!("unexpected call {other}"),
    });
    let task = wire.cloud().run_task(&task_request()).await.unwrap();
    assert_eq!(task, "arn:task/1");
    wire.calls()[1].json()
}

fn expected_task(place: Value) -> Value {
    let mut expected = json!({
        "cluster": "shop",
        "taskDefinition": "arn:aws:ecs:eu-west-1:111122223333:task-definition/shop-api:42",
        "count": 1,
        "startedBy": "longshore-deploy/shop/api",
        "clientToken": "event-1-migrate",
        "propagateTags": "TASK_DEFINITION",
        "enableECSManagedTags": true,
        "overrides": {"containerOverrides": [{
            "name": "app",
            "command": ["bin/migrate", "--all"],
            "environment": [{"name": "PHASE", "value": "before"}],
        }], "cpu": "1024", "memory": "4096"},
    });
    let fields = place.as_object().unwrap().clone();
    expected.as_object_mut().unwrap().extend(fields);
    expected
}

#[tokio::test]
async fn a_one_off_task_runs_where_the_service_runs_its_own() {
    let network = json!({"awsvpcConfiguration": {
        "subnets": ["subnet-1", "subnet-2"], "securityGroups": ["sg-1"],
        "assignPublicIp": "DISABLED",
    }});
    let place = json!({
        "launchType": "FARGATE", "platformVersion": "1.4.0", "networkConfiguration": network,
    });
    assert_eq!(run_task_for(place.clone()).await, expected_task(place));

    // ECS shows the launch type beside the strategy, and takes one of both only.
    let strategy = json!([{"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 0}]);
    let shown = json!({
        "launchType": "FARGATE", "capacityProviderStrategy": strategy,
        "networkConfiguration": network,
    });
    let place = json!({"capacityProviderStrategy": strategy, "networkConfiguration": network});
    assert_eq!(run_task_for(shown).await, expected_task(place));

    let constraints = json!([{"type": "memberOf", "expression": "attribute:zone == a"}]);
    let place = json!({
        "launchType": "EC2", "placementConstraints": constraints,
        "placementStrategy": [{"type": "spread", "field": "host"}],
    });
    assert_eq!(run_task_for(place.clone()).await, expected_task(place));
}

#[tokio::test]
async fn a_one_off_task_has_volumes_like_those_of_the_service() {
    let ebs = json!({
        "roleArn": "arn:aws:iam::111122223333:role/volumes", "sizeInGiB": 20, "volumeType": "gp3",
        "encrypted": true, "filesystemType": "xfs",
    });
    let volumes = json!([{"name": "data", "managedEBSVolume": ebs}]);
    let shown = json!({"launchType": "FARGATE", "deployments": [
        {"id": "ecs-svc/2", "status": "PRIMARY", "volumeConfigurations": volumes},
        {"id": "ecs-svc/1", "status": "ACTIVE"},
    ]});
    let place = json!({"launchType": "FARGATE", "volumeConfigurations": volumes});
    assert_eq!(run_task_for(shown).await, expected_task(place));
}

#[tokio::test]
async fn a_task_that_ecs_did_not_start_is_an_error_although_the_status_is_200() {
    let wire = Wire::new(|call| match call.name.as_str() {
        "DescribeServices" => ok(&json!({"services": [service("api", "ACTIVE")]})),
        _ => ok(&json!({"tasks": [], "failures": [{"reason": "RESOURCE:MEMORY"}]})),
    });
    let error = wire.cloud().run_task(&task_request()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Transient);
    assert!(error.to_string().contains("RESOURCE:MEMORY"), "{error}");
}

/// How ECS's description of a task is understood.
async fn state_of(task: Value) -> Option<TaskState> {
    let wire = Wire::new(move |_| ok(&json!({"tasks": [task], "failures": []})));
    let state = wire.cloud().describe_task("shop", "arn:task/1").await;
    assert_eq!(
        wire.calls()[0].json(),
        json!({"cluster": "shop", "tasks": ["arn:task/1"]})
    );
    state.unwrap()
}

fn stopped(stop_code: &str, exit_code: Option<i32>) -> Value {
    let mut app = json!({"name": "app"});
    if let Some(exit_code) = exit_code {
        app["exitCode"] = exit_code.into();
    }
    json!({
        "taskArn": "arn:task/1", "lastStatus": "STOPPED", "stopCode": stop_code,
        "stoppedReason": "Essential container in task exited", "stoppedAt": 1_790_000_000,
        "containers": [app, {"name": "proxy", "exitCode": 137}],
        "overrides": {"containerOverrides": [{"name": "app", "command": ["bin/migrate"]},
                                             {"name": "proxy"}]},
    })
}

#[tokio::test]
async fn a_one_off_task_has_succeeded_when_the_container_with_its_command_exited_with_0() {
    let essential = "EssentialContainerExited";
    assert_eq!(
        state_of(json!({"taskArn": "arn:task/1", "lastStatus": "RUNNING"})).await,
        Some(TaskState::Running)
    );
    assert_eq!(
        state_of(stopped(essential, Some(0))).await,
        Some(TaskState::Succeeded)
    );
    for (stop_code, exit_code) in [
        (essential, Some(1)),
        ("TaskFailedToStart", None),
        ("SpotInterruption", Some(0)),
    ] {
        let state = state_of(stopped(stop_code, exit_code)).await;
        let Some(TaskState::Failed(failure)) = state else {
            panic!("{stop_code} {exit_code:?}: {state:?}");
        };
        assert_eq!(failure.task, "arn:task/1");
        assert_eq!(failure.stop_code.as_deref(), Some(stop_code));
    }
}

#[tokio::test]
async fn a_task_that_ecs_forgot_is_nothing() {
    let wire = Wire::new(|_| {
        ok(&json!({"tasks": [], "failures": [{"arn": "arn:task/1", "reason": "MISSING"}]}))
    });
    assert_eq!(
        wire.cloud()
            .describe_task("shop", "arn:task/1")
            .await
            .unwrap(),
        None
    );
}

fn deployment(number: u32) -> Deployment {
    serde_json::from_value(json!({
        "id": "event-1", "stack": "shop", "service": "api", "cluster": "shop",
        "ecs_service": "api", "container": "app", "number": number,
        "image": image(1), "source": {"kind": "push"}, "requested_at": "2026-01-01T00:00:00Z",
        "state": "succeeded", "claimed_at": "2026-01-01T00:00:00Z", "claimed_by": "invocation-1",
        "sequence": {"series": "tag v#", "position": "0012 "},
        "lease_until": "2026-01-01T00:00:50Z",
        "previous_task_definition": "arn:aws:ecs:eu-west-1:111122223333:task-definition/shop-api:40",
        "previous_image": "busybox",
    }))
    .unwrap()
}

fn service_id() -> ServiceId {
    ServiceId {
        stack: "shop".to_owned(),
        service: "api".to_owned(),
    }
}

#[tokio::test]
async fn the_history_is_written_once_and_read_as_it_was_written() {
    let key = "/state/deployments/shop/api/history/00000012.json";
    let wire = Wire::new(move |call| match call.name.split_once(' ').unwrap() {
        ("PUT", path) if path == key => (200, String::new()),
        ("GET", path) if path == key => (200, serde_json::to_string(&deployment(12)).unwrap()),
        ("GET", _) => (404, NO_SUCH_KEY.to_owned()),
        other => panic!("unexpected call {other:?}"),
    });
    let cloud = wire.cloud();
    cloud.archive(&deployment(12)).await.unwrap();
    assert_eq!(wire.calls()[0].header("if-none-match"), Some("*"));
    assert_eq!(
        cloud.archived_deployment(&service_id(), 12).await.unwrap(),
        Some(deployment(12))
    );
    assert_eq!(
        cloud.archived_deployment(&service_id(), 13).await.unwrap(),
        None
    );
}

#[tokio::test]
async fn a_deployment_that_is_in_the_history_already_is_left_as_it_is() {
    let refused = |status, code: &'static str, is_there: bool| {
        Wire::new(
            move |call| match (call.name.starts_with("GET "), is_there) {
                (true, true) => (200, json!(deployment(12)).to_string()),
                (true, false) => (404, NO_SUCH_KEY.to_owned()),
                (false, _) => (
                    status,
                    format!("<Error><Code>{code}</Code><Message>no</Message></Error>"),
                ),
            },
        )
    };
    let there = refused(412, "PreconditionFailed", true);
    there.cloud().archive(&deployment(12)).await.unwrap();
    assert_eq!(there.names().len(), 2);
    // Another write is under way, and may yet fail.
    let conflict = refused(409, "ConditionalRequestConflict", false);
    let error = conflict.cloud().archive(&deployment(12)).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Transient);
    let denied = refused(403, "AccessDenied", false);
    let error = denied.cloud().archive(&deployment(12)).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Denied);
}

#[tokio::test]
async fn the_numbers_in_the_history_are_listed_in_their_order() {
    let wire = Wire::new(|call| {
        assert!(
            call.query
                .contains("prefix=deployments%2Fshop%2Fapi%2Fhistory%2F")
        );
        (
            200,
            "<ListBucketResult><IsTruncated>false</IsTruncated>\
             <Contents><Key>deployments/shop/api/history/00000001.json</Key></Contents>\
             <Contents><Key>deployments/shop/api/history/00000010.json</Key></Contents>\
             <Contents><Key>deployments/shop/api/history/notes.txt</Key></Contents>\
             </ListBucketResult>"
                .to_owned(),
        )
    });
    assert_eq!(wire.cloud().archived(&service_id()).await.unwrap(), [1, 10]);
}

#[tokio::test]
async fn the_versions_of_a_document_are_listed_without_those_of_other_keys() {
    let version = |key: &str, id: &str, is_latest: bool| {
        format!(
            "<Version><Key>{key}</Key><VersionId>{id}</VersionId><IsLatest>{is_latest}</IsLatest>\
             <LastModified>2026-11-20T09:45:00.000Z</LastModified><ETag>&quot;{id}&quot;</ETag></Version>"
        )
    };
    let wire = Wire::new(move |call| {
        assert!(
            call.query.contains("prefix=routes%2Fshop%2Fapi.json"),
            "{}",
            call.query
        );
        (
            200,
            format!(
                "<ListVersionsResult><IsTruncated>false</IsTruncated>{}{}{}</ListVersionsResult>",
                version("routes/shop/api.json", "two", true),
                version("routes/shop/api.json", "one", false),
                version("routes/shop/api.json.old", "other", true),
            ),
        )
    });
    let versions = wire
        .cloud()
        .list_versions("routes/shop/api.json")
        .await
        .unwrap();
    let found: Vec<_> = versions
        .iter()
        .map(|version| (version.version_id.as_str(), version.is_current))
        .collect();
    assert_eq!(found, [("two", true), ("one", false)]);
    assert_eq!(versions[0].version.tag, "\"two\"");
    assert_eq!(versions[0].written_at.timestamp(), 1_795_167_900);
}

#[tokio::test]
async fn the_last_lines_of_a_log_are_read_from_its_end_across_empty_pages() {
    let wire = Wire::new(|call| {
        assert_eq!(call.name, "GetLogEvents");
        let event = |at: u64, message: &str| json!({"timestamp": at, "message": message});
        ok(&match call.json()["nextToken"].as_str() {
            None => json!({
                "events": [event(1_790_000_002_000, "two"), event(1_790_000_003_000, "three")],
                "nextBackwardToken": "b/1",
            }),
            Some("b/1") => json!({"events": [], "nextBackwardToken": "b/2"}),
            Some("b/2") => json!({
                "events": [event(1_790_000_000_000, "zero"), event(1_790_000_001_000, "one")],
                "nextBackwardToken": "b/3",
            }),
            Some(_) => json!({"events": [], "nextBackwardToken": "b/3"}),
        })
    });
    let cloud = wire.cloud();
    let lines = cloud.log_lines("/ecs/shop", "api/app/1", 3).await.unwrap();
    let messages = |lines: &[LogLine]| -> Vec<String> {
        lines.iter().map(|line| line.message.clone()).collect()
    };
    let lines = lines.unwrap();
    assert_eq!(messages(&lines), ["one", "two", "three"]);
    assert_eq!(lines[0].at.timestamp(), 1_790_000_001);
    let first = &wire.calls()[0];
    assert_eq!(
        first.json(),
        json!({"logGroupName": "/ecs/shop", "logStreamName": "api/app/1", "limit": 3,
               "startFromHead": false})
    );
    assert_eq!(
        first.header("content-type"),
        Some("application/x-amz-json-1.1")
    );
    let signature = first.header("authorization").unwrap();
    assert!(
        signature.contains("/eu-west-1/logs/aws4_request"),
        "{signature}"
    );

    // A stream that ends before there are enough.
    let all = cloud
        .log_lines("/ecs/shop", "api/app/1", 100)
        .await
        .unwrap();
    assert_eq!(messages(&all.unwrap()), ["zero", "one", "two", "three"]);
}

#[tokio::test]
async fn what_many_streams_hold_is_read_page_by_page_and_put_in_order() {
    let wire = Wire::new(|call| {
        assert_eq!(call.name, "FilterLogEvents");
        let event = |id: &str, at: u64| {
            json!({"eventId": id, "logStreamName": "api/app/0f3c1", "timestamp": at, "message": id,
                   "ingestionTime": at})
        };
        ok(&match call.json()["nextToken"].as_str() {
            None => json!({"events": [event("two", 1_790_000_002_000)], "nextToken": "1"}),
            Some("1") => json!({"events": [], "nextToken": "2"}),
            Some(_) => json!({"events": [event("one", 1_790_000_001_000)]}),
        })
    });
    let since = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
    let lines = wire
        .cloud()
        .lines_since("/ecs/shop", "api/app/", since)
        .await;
    let lines = lines.unwrap().unwrap();
    let ids: Vec<&str> = lines.iter().map(|line| line.id.as_str()).collect();
    assert_eq!(ids, ["one", "two"]);
    assert_eq!(lines[0].log_stream, "api/app/0f3c1");
    assert_eq!(
        wire.calls()[0].json(),
        json!({"logGroupName": "/ecs/shop", "logStreamNamePrefix": "api/app/",
               "startTime": 1_790_000_000_000_u64})
    );
    let missing = Wire::new(|_| {
        let refused = json!({"__type": "ResourceNotFoundException", "message": "no"});
        (400, refused.to_string())
    });
    let nothing = missing.cloud().lines_since("g", "s", since).await;
    assert_eq!(nothing.unwrap(), None);
}

#[tokio::test]
async fn a_log_stream_that_is_not_there_is_nothing_and_a_forbidden_one_is_an_error() {
    let refused = |code: &'static str| {
        Wire::new(move |_| (400, json!({"__type": code, "message": "no"}).to_string()))
    };
    let missing = refused("ResourceNotFoundException");
    assert_eq!(missing.cloud().log_lines("g", "s", 10).await.unwrap(), None);
    let denied = refused("AccessDeniedException");
    let error = denied.cloud().log_lines("g", "s", 10).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Denied);
    assert_eq!(
        error.to_string(),
        "read log stream s of log group g: AccessDeniedException: no"
    );
}

#[tokio::test]
async fn the_owners_of_all_services_are_read_and_those_that_went_meanwhile_left_out() {
    let wire = Wire::new(|call| match call.name.as_str() {
        "GET /state/" | "GET /state" => {
            let keys: String = (0..100)
                .map(|number| {
                    format!("<Contents><Key>services/shop/{number:03}.json</Key></Contents>")
                })
                .collect();
            (
                200,
                format!(
                    "<ListBucketResult><IsTruncated>false</IsTruncated>{keys}</ListBucketResult>"
                ),
            )
        }
        "GET /state/services/shop/007.json" => (404, NO_SUCH_KEY.to_owned()),
        name => {
            let service = name.rsplit('/').next().unwrap().trim_end_matches(".json");
            ok(&json!({"stack": "shop", "service": service}))
        }
    });
    let service_ids = wire.cloud().service_ids().await.unwrap();
    assert_eq!(service_ids.len(), 99);
    assert!(service_ids.iter().all(|(name, service_id)| {
        name.cluster == "shop"
            && service_id
                .as_ref()
                .is_ok_and(|service_id| name.ecs_service == service_id.service)
    }));
    assert!(service_ids.is_sorted_by_key(|(name, _)| &name.ecs_service));
}

const REVISION: &str = "arn:aws:ecs:eu-west-1:111122223333:service-revision/shop/api";
const SERVICE_DEPLOYMENT: &str = "arn:aws:ecs:eu-west-1:111122223333:service-deployment/shop/api";

/// What is understood of a service deployment when ECS also shows `shown`; three are listed, of which the newest
/// deploys another task definition.
async fn account_of(shown: Value) -> (Option<ServiceDeployment>, Vec<Call>) {
    let wire = Wire::new(move |call| match call.name.as_str() {
        "ListServiceDeployments" => {
            let brief = |id: u32, revision: u32, created_at: f64| {
                json!({
                    "serviceDeploymentArn": format!("{SERVICE_DEPLOYMENT}/{id}"),
                    "targetServiceRevisionArn": format!("{REVISION}/{revision}"),
                    "createdAt": created_at, "status": "IN_PROGRESS",
                })
            };
            ok(&json!({"serviceDeployments": [
                brief(3, 30, 1_790_000_300.5), brief(2, 20, 1_790_000_200.5), brief(1, 20, 1_790_000_100.5),
            ]}))
        }
        "DescribeServiceRevisions" => ok(&json!({"serviceRevisions": [
            {"serviceRevisionArn": format!("{REVISION}/20"), "taskDefinition": "arn:shop-api:42"},
            {"serviceRevisionArn": format!("{REVISION}/30"), "taskDefinition": "arn:shop-api:43"},
        ]})),
        "DescribeServiceDeployments" => {
            let mut deployment = json!({"serviceDeploymentArn": format!("{SERVICE_DEPLOYMENT}/2")});
            let fields = shown.as_object().unwrap().clone();
            deployment.as_object_mut().unwrap().extend(fields);
            ok(&json!({"serviceDeployments": [deployment]}))
        }
        other => panic!("unexpected call {other}"),
    });
    let service = ServiceName {
        cluster: "shop".to_owned(),
        ecs_service: "api".to_owned(),
    };
    let since = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
    let account = wire
        .cloud()
        .service_deployment(&service, "arn:shop-api:42", since, None)
        .await
        .unwrap();
    (account, wire.calls())
}

#[tokio::test]
async fn the_newest_service_deployment_of_a_task_definition_is_found_by_its_revision() {
    let (account, calls) = account_of(json!({
        "status": "IN_PROGRESS", "lifecycleStage": "BAKE_TIME",
        "deploymentConfiguration": {"strategy": "CANARY"},
        "targetServiceRevision": {"requestedProductionTrafficWeight": 20.5},
    }))
    .await;
    let progress = account.clone().unwrap().progress.unwrap();
    assert_eq!(progress.stage, "BAKE_TIME");
    assert_eq!(progress.shifted_percent, Some(21));
    let account = account.unwrap();
    assert_eq!(account.status, ServiceDeploymentStatus::InProgress);
    assert!(account.bakes);
    assert_eq!(
        calls[0].json(),
        json!({
            "cluster": "shop", "service": "api", "maxResults": 20,
            "createdAt": {"after": 1_790_000_000},
        })
    );
    assert_eq!(
        calls[1].json(),
        json!({"serviceRevisionArns": [format!("{REVISION}/20"), format!("{REVISION}/30")]})
    );
    assert_eq!(
        calls[2].json(),
        json!({"serviceDeploymentArns": [format!("{SERVICE_DEPLOYMENT}/2")]})
    );
}

#[tokio::test]
async fn each_status_of_a_service_deployment_is_understood_and_one_that_comes_later_is_open() {
    for (status, expected) in [
        ("PENDING", ServiceDeploymentStatus::InProgress),
        ("STOP_REQUESTED", ServiceDeploymentStatus::InProgress),
        ("PAUSED_FOR_LUNCH", ServiceDeploymentStatus::InProgress),
        ("SUCCESSFUL", ServiceDeploymentStatus::Successful),
        ("STOPPED", ServiceDeploymentStatus::Stopped),
        ("ROLLBACK_REQUESTED", ServiceDeploymentStatus::RollingBack),
        ("ROLLBACK_IN_PROGRESS", ServiceDeploymentStatus::RollingBack),
        ("ROLLBACK_SUCCESSFUL", ServiceDeploymentStatus::RolledBack),
        ("ROLLBACK_FAILED", ServiceDeploymentStatus::RollbackFailed),
    ] {
        let (account, _) = account_of(json!({"status": status})).await;
        assert_eq!(account.unwrap().status, expected, "{status}");
    }
}

#[tokio::test]
async fn a_rolling_deployment_bakes_where_alarms_watch_it_and_has_no_stages() {
    let alarms = json!({"alarmNames": ["errors"], "enable": true, "rollback": true});
    let (account, _) = account_of(json!({
        "status": "ROLLBACK_SUCCESSFUL", "statusReason": "rolled back",
        "rollback": {"reason": "Service deployment rolled back because of one or more active alarms."},
        "deploymentConfiguration": {"strategy": "ROLLING", "alarms": alarms},
    }))
    .await;
    let account = account.unwrap();
    assert!(account.bakes);
    assert_eq!(account.progress, None);
    assert!(
        account.reason.contains("active alarms"),
        "{}",
        account.reason
    );

    let (plain, _) = account_of(json!({
        "status": "IN_PROGRESS", "deploymentConfiguration": {"strategy": "ROLLING"},
    }))
    .await;
    assert!(!plain.unwrap().bakes);
}

#[tokio::test]
async fn where_ecs_lists_no_service_deployment_there_is_no_account() {
    let wire = Wire::new(|_| ok(&json!({"serviceDeployments": []})));
    let service = ServiceName {
        cluster: "shop".to_owned(),
        ecs_service: "api".to_owned(),
    };
    let account = wire
        .cloud()
        .service_deployment(&service, "arn:shop-api:42", DateTime::UNIX_EPOCH, None)
        .await
        .unwrap();
    assert_eq!(account, None);
    assert_eq!(wire.names(), ["ListServiceDeployments"]);
}

#[tokio::test]
async fn the_revision_of_a_service_says_behind_which_target_group_its_tasks_are() {
    let group = |name: &str| format!("arn:aws:elasticloadbalancing:…:targetgroup/{name}/1");
    let serving = async |revisions: &'static [u32], took: &'static str| {
        let wire = Wire::new(move |call| match call.name.as_str() {
            "DescribeServices" => {
                let revisions = revisions.iter();
                let revisions =
                    revisions.map(|number| json!({"arn": format!("{REVISION}/{number}")}));
                ok(&json!({"services": [{
                    "serviceName": "api", "status": "ACTIVE",
                    "loadBalancers": [{
                        "targetGroupArn": group("one"), "containerName": "api", "containerPort": 8080,
                        "advancedConfiguration": {"alternateTargetGroupArn": group("other")},
                    }],
                    "currentServiceRevisions": revisions.collect::<Vec<_>>(),
                }]}))
            }
            "DescribeServiceRevisions" => ok(&json!({"serviceRevisions": [{
                "serviceRevisionArn": format!("{REVISION}/20"),
                "resolvedConfiguration": {"loadBalancers": [{"targetGroupArn": group(took)}]},
            }]})),
            other => panic!("unexpected call {other}"),
        });
        let service = ServiceName {
            cluster: "shop".to_owned(),
            ecs_service: "api".to_owned(),
        };
        let serving = wire.cloud().serving_group(&service).await.unwrap();
        (serving, wire.calls())
    };
    let (found, calls) = serving(&[20], "other").await;
    assert_eq!(found, ServingGroup::Alternate);
    assert_eq!(
        calls[1].json(),
        json!({"serviceRevisionArns": [format!("{REVISION}/20")]})
    );
    assert_eq!(serving(&[20], "one").await.0, ServingGroup::First);
    let (under_way, calls) = serving(&[20, 30], "other").await;
    assert_eq!((under_way, calls.len()), (ServingGroup::Both, 1));
}

#[tokio::test]
async fn a_service_that_is_not_there_has_no_tasks_behind_an_alternate_target_group() {
    let wire = Wire::new(|_| ok(&json!({"services": [], "failures": [{"reason": "MISSING"}]})));
    let service = ServiceName {
        cluster: "shop".to_owned(),
        ecs_service: "api".to_owned(),
    };
    let serving = wire.cloud().serving_group(&service).await.unwrap();
    assert_eq!(serving, ServingGroup::First);
}

#[tokio::test]
async fn images_that_ecr_does_not_hold_are_found_without_pulling_them() {
    let digests: Vec<longshore_events::image::Digest> = (0..120)
        .map(|number| digest(number).parse().unwrap())
        .collect();
    let (gone, archived) = (digest(7), digest(110));
    let wire = {
        let (gone, archived) = (gone.clone(), archived.clone());
        Wire::new(move |call| {
            let asked: Vec<String> = call.json()["imageIds"]
                .as_array()
                .unwrap()
                .iter()
                .map(|identifier| identifier["imageDigest"].as_str().unwrap().to_owned())
                .collect();
            assert!(asked.len() <= 100);
            if asked.contains(&gone) {
                // One that is not there has the whole call refused.
                let refusal = json!({"__type": "ImageNotFoundException", "message": "no"});
                return (400, refusal.to_string());
            }
            let details: Vec<Value> = asked
                .iter()
                .map(|digest| {
                    let status = if *digest == archived {
                        "ARCHIVED"
                    } else {
                        "ACTIVE"
                    };
                    json!({"imageDigest": digest, "imageStatus": status})
                })
                .collect();
            ok(&json!({"imageDetails": details}))
        })
    };
    let mut missing = wire.cloud().missing("shop/api", &digests).await.unwrap();
    missing.sort();
    assert_eq!(missing, [digests[7].clone(), digests[110].clone()]);
    assert!(wire.names().iter().all(|name| name == "DescribeImages"));
    assert!(wire.names().len() < 20, "{:?}", wire.names());

    let wire = Wire::new(|_| {
        (
            400,
            json!({"__type": "RepositoryNotFoundException", "message": "no"}).to_string(),
        )
    });
    let missing = wire.cloud().missing("shop/api", &digests).await.unwrap();
    assert_eq!(missing, digests);
}

#[tokio::test]
async fn a_service_deployment_that_is_known_is_asked_for_alone() {
    let arn = format!("{SERVICE_DEPLOYMENT}/2");
    let wire = Wire::new(|_| {
        ok(&json!({"serviceDeployments": [{
            "serviceDeploymentArn": format!("{SERVICE_DEPLOYMENT}/2"), "status": "SUCCESSFUL",
        }]}))
    });
    let service = ServiceName {
        cluster: "shop".to_owned(),
        ecs_service: "api".to_owned(),
    };
    let account = wire
        .cloud()
        .service_deployment(
            &service,
            "arn:shop-api:42",
            DateTime::UNIX_EPOCH,
            Some(&arn),
        )
        .await
        .unwrap();
    assert_eq!(account.unwrap().arn, arn);
    assert_eq!(wire.names(), ["DescribeServiceDeployments"]);
}
