//! What bottle syncs ask of S3, ECS, EFS and CloudFormation.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use longshore_bottles::ports::{FileSystems, MirrorStore, Mirrors, StoredObject, TaskRunner};
use longshore_bottles::settings::{CapacityShare, TaskLocation};
use longshore_provisioning::ports::Inventory as _;
use longshore_state::store::Address;
use longshore_state::{DocumentStore, ErrorClass, Version, WriteCondition};
use serde_json::{Value, json};

use crate::support::{Answer, Call, NO_SUCH_KEY, Wire, ok};

const SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The same as S3 writes it.
const CHECKSUM: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

const DENIED: &str = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>";

/// A bottle as S3 has it in the path of a request.
const BOTTLE: &str = "gtk+-2.24.33_2.arm64_sequoia.bottle.tar.gz";
const BOTTLE_PATH: &str = "/mirror/gtk%2B-2.24.33_2.arm64_sequoia.bottle.tar.gz";

fn place() -> TaskLocation {
    TaskLocation {
        cluster_arn: "arn:aws:ecs:eu-west-1:111122223333:cluster/bottles".to_owned(),
        task_definition_family: "bottles-sync".to_owned(),
        container_name: "sync".to_owned(),
        subnet_ids: vec!["subnet-1".to_owned(), "subnet-2".to_owned()],
        security_group_ids: vec!["sg-1".to_owned()],
        assign_public_ip: false,
        capacity_provider_strategy: vec![CapacityShare {
            capacity_provider: "FARGATE_SPOT".to_owned(),
            weight: 1,
            base: 0,
        }],
        file_system_id: None,
        cpu: 2048,
        memory: 8192,
    }
}

#[tokio::test]
async fn an_object_of_a_mirror_is_read_with_its_version_and_a_missing_one_is_nothing() {
    let wire = Wire::new(|call| match call.name.as_str() {
        "GET /mirror/.longshore/current.json" => (200, "{}".to_owned()),
        _ => (404, NO_SUCH_KEY.to_owned()),
    });
    let cloud = wire.cloud();
    let address = Address::of_bucket("mirror", ".longshore/current.json");
    assert_eq!(
        cloud.read_document(&address).await.unwrap(),
        Some((b"{}".to_vec(), Version::new("\"e1\"")))
    );
    assert_eq!(cloud.read("mirror", "api/none.json").await.unwrap(), None);
}

#[tokio::test]
async fn what_must_hold_for_a_write_is_said_to_s3() {
    let version = Version::new("\"e0\"");
    for (condition, if_none_match, if_match) in [
        (WriteCondition::None, None, None),
        (WriteCondition::IsFirst, Some("*"), None),
        (WriteCondition::Replaces(&version), None, Some("\"e0\"")),
    ] {
        let wire = Wire::new(|_| (200, String::new()));
        let address = Address::of_bucket("mirror", "api/formula.json");
        let body = b"{\"a\": 1}".to_vec();
        wire.cloud()
            .write_document(&address, body, condition)
            .await
            .unwrap();
        let call = &wire.calls()[0];
        assert_eq!(call.name, "PUT /mirror/api/formula.json");
        assert_eq!(call.header("content-type"), Some("application/json"));
        assert_eq!(call.header("if-none-match"), if_none_match);
        assert_eq!(call.header("if-match"), if_match);
        assert_eq!(call.json(), json!({"a": 1}));
    }
}

#[tokio::test]
async fn a_write_whose_condition_does_not_hold_is_a_lost_race() {
    for (status, code) in [
        (412, "PreconditionFailed"),
        (409, "ConditionalRequestConflict"),
        (404, "NoSuchKey"),
    ] {
        let wire = Wire::new(move |_| (status, format!("<Error><Code>{code}</Code></Error>")));
        let version = Version::new("\"e0\"");
        let condition = WriteCondition::Replaces(&version);
        let error = wire
            .cloud()
            .write_document(
                &Address::of_bucket("mirror", "record"),
                Vec::new(),
                condition,
            )
            .await
            .unwrap_err();
        assert_eq!(error.class, ErrorClass::LostRace, "{error}");
    }
}

#[tokio::test]
async fn a_listing_goes_on_to_its_end() {
    let wire = Wire::new(|call| {
        let page = if call.query.contains("continuation-token") {
            "<IsTruncated>false</IsTruncated><Contents><Key>b+1</Key><Size>2</Size></Contents>"
        } else {
            "<IsTruncated>true</IsTruncated><NextContinuationToken>next</NextContinuationToken>\
             <Contents><Key>a@1</Key><Size>1</Size></Contents>"
        };
        (200, format!("<ListBucketResult>{page}</ListBucketResult>"))
    });
    let listed = wire.cloud().list("mirror", "").await.unwrap();
    let listed: Vec<(&str, u64)> = listed
        .iter()
        .map(|object| (object.key.as_str(), object.size))
        .collect();
    assert_eq!(listed, [("a@1", 1), ("b+1", 2)]);
    assert!(wire.calls()[1].query.contains("continuation-token=next"));
}

/// Whoever took an unreadable bucket for an empty one would copy everything again, and delete the rest.
#[tokio::test]
async fn a_bucket_that_cannot_be_listed_to_its_end_is_an_error() {
    let denied = Wire::new(|_| (403, DENIED.to_owned()));
    let error = denied.cloud().list("mirror", "").await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Denied);
    assert_eq!(error.to_string(), "list s3://mirror/: AccessDenied: no");
    let half = Wire::new(|call| {
        if call.query.contains("continuation-token") {
            return (500, "<Error><Code>InternalError</Code></Error>".to_owned());
        }
        let page = "<ListBucketResult><IsTruncated>true</IsTruncated>\
                    <NextContinuationToken>next</NextContinuationToken>\
                    <Contents><Key>a</Key><Size>1</Size></Contents></ListBucketResult>";
        (200, page.to_owned())
    });
    let error = half.cloud().list("mirror", "").await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Transient);
}

#[tokio::test]
async fn the_checksum_of_an_object_is_asked_for() {
    let wire = Wire::new(|_| (200, String::new()))
        .with_header("content-length", "17")
        .with_header("x-amz-checksum-sha256", CHECKSUM);
    let found = wire.cloud().head("mirror", BOTTLE).await.unwrap();
    assert_eq!(
        found,
        Some(StoredObject {
            size: 17,
            sha256: Some(SHA256.parse().unwrap()),
        })
    );
    let call = &wire.calls()[0];
    assert_eq!(call.name, format!("HEAD {BOTTLE_PATH}"));
    assert_eq!(call.header("x-amz-checksum-mode"), Some("ENABLED"));
}

#[tokio::test]
async fn of_an_object_that_went_up_in_parts_the_metadata_is_believed_and_not_the_checksum_of_its_parts()
 {
    let parts = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=-3";
    let wire = Wire::new(|_| (200, String::new()))
        .with_header("content-length", "17")
        .with_header("x-amz-checksum-sha256", parts);
    let found = wire.cloud().head("mirror", BOTTLE).await.unwrap().unwrap();
    assert_eq!(found.sha256, None);
    let wire = wire.with_header("x-amz-meta-sha256", SHA256);
    let found = wire.cloud().head("mirror", BOTTLE).await.unwrap().unwrap();
    assert_eq!(found.sha256, Some(SHA256.parse().unwrap()));
}

#[tokio::test]
async fn an_object_that_is_not_there_is_nothing_and_one_that_may_not_be_seen_is_an_error() {
    let missing = Wire::new(|_| (404, String::new()));
    assert_eq!(missing.cloud().head("mirror", BOTTLE).await.unwrap(), None);
    let denied = Wire::new(|_| (403, String::new()));
    let error = denied.cloud().head("mirror", BOTTLE).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Denied, "{error}");
}

/// One of hundreds must not cost a sync.
#[tokio::test]
async fn what_s3_refuses_once_of_a_mirror_is_asked_for_again() {
    // The answer to HEAD has no body.
    for status in [400, 403, 301] {
        let wire = Wire::new(refused_once(status, "")).with_header("content-length", "17");
        let found = wire.cloud().head("mirror", BOTTLE).await.unwrap();
        assert_eq!(found.unwrap().size, 17, "{status}");
        assert_eq!(wire.calls().len(), 2, "{status}");
    }
    let wire = Wire::new(refused_once(403, DENIED));
    wire.cloud()
        .copy("mirror", BOTTLE, "b.tar.gz", "application/gzip")
        .await
        .unwrap();
    assert_eq!(wire.calls().len(), 2);
    let wire = Wire::new(refused_once(403, DENIED));
    let keys = ["a".to_owned()];
    wire.cloud().delete("mirror", &keys).await.unwrap();
    assert_eq!(wire.calls().len(), 2);
}

#[tokio::test]
async fn a_key_that_s3_refuses_to_delete_once_is_deleted() {
    let calls = AtomicUsize::new(0);
    let wire = Wire::new(move |_| {
        let error = "<Error><Key>a</Key><Code>AccessDenied</Code><Message>no</Message></Error>";
        let errors = match calls.fetch_add(1, Ordering::Relaxed) {
            0 => error,
            _ => "",
        };
        (200, format!("<DeleteResult>{errors}</DeleteResult>"))
    });
    let keys = ["a".to_owned()];
    wire.cloud().delete("mirror", &keys).await.unwrap();
    assert_eq!(wire.calls().len(), 2);
}

/// Refuses the first call, and answers the others as S3 does.
fn refused_once(
    status: u16,
    body: &'static str,
) -> impl Fn(&Call) -> Answer + Send + Sync + 'static {
    let calls = AtomicUsize::new(0);
    move |call| match (calls.fetch_add(1, Ordering::Relaxed), call.name.as_str()) {
        (0, _) => (status, body.to_owned()),
        (_, name) if name.starts_with("HEAD") => (200, String::new()),
        (_, name) if name.starts_with("POST") => (200, "<DeleteResult/>".to_owned()),
        _ => (200, "<CopyObjectResult/>".to_owned()),
    }
}

#[tokio::test]
async fn a_copy_is_made_by_s3_from_an_encoded_name_with_the_headers_that_clients_need() {
    let wire = Wire::new(|_| (200, "<CopyObjectResult/>".to_owned()));
    let blob = format!("v2/homebrew/core/gtkx/blobs/sha256:{SHA256}");
    wire.cloud()
        .copy("mirror", BOTTLE, &blob, "application/gzip")
        .await
        .unwrap();
    let call = &wire.calls()[0];
    for (name, value) in [
        ("x-amz-copy-source", &BOTTLE_PATH[1..]),
        ("x-amz-metadata-directive", "REPLACE"),
        ("x-amz-checksum-algorithm", "SHA256"),
        ("content-type", "application/gzip"),
        ("cache-control", "public, max-age=31536000, immutable"),
    ] {
        assert_eq!(call.header(name), Some(value), "{name}");
    }
    let missing = Wire::new(|_| (404, NO_SUCH_KEY.to_owned()));
    let error = missing
        .cloud()
        .copy("mirror", BOTTLE, &blob, "application/gzip")
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::NotFound);
}

#[tokio::test]
async fn a_thousand_objects_are_deleted_at_once() {
    let wire = Wire::new(|_| (200, "<DeleteResult/>".to_owned()));
    let keys: Vec<String> = (0..1001).map(|number| format!("key-{number}")).collect();
    wire.cloud().delete("mirror", &keys).await.unwrap();
    let calls = wire.calls();
    let deleted: Vec<usize> = calls
        .iter()
        .map(|call| call.body.matches("<Key>").count())
        .collect();
    assert_eq!(deleted, [1000, 1]);
    assert!(calls[0].query.starts_with("delete"), "{}", calls[0].query);
}

#[tokio::test]
async fn a_key_that_s3_did_not_delete_is_an_error_although_the_status_is_200() {
    let wire = Wire::new(|_| {
        let answer = "<DeleteResult><Error><Key>a</Key><Code>AccessDenied</Code>\
                      <Message>no</Message></Error><Error><Key>b</Key><Code>AccessDenied</Code>\
                      <Message>no</Message></Error></DeleteResult>";
        (200, answer.to_owned())
    });
    let keys = ["a".to_owned(), "b".to_owned()];
    let error = wire.cloud().delete("mirror", &keys).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Denied);
    assert_eq!(
        error.to_string(),
        "delete 2 objects of s3://mirror: AccessDenied: a: no (and 1 more)"
    );
}

#[tokio::test]
async fn a_task_is_started_on_a_shard() {
    let wire = Wire::new(|_| ok(&json!({"tasks": [{"taskArn": "arn:task"}], "failures": []})));
    let shard = "s3://mirror/.longshore/syncs/1/shards/0001.jsonl";
    let arn = wire
        .cloud()
        .run_task(&place(), shard, "longshore-sync/bottles/1", "token-1")
        .await
        .unwrap();
    assert_eq!(arn, "arn:task");
    let call = &wire.calls()[0];
    assert_eq!(call.name, "RunTask");
    assert_eq!(
        call.json(),
        json!({
            "capacityProviderStrategy": [
                {"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 0}
            ],
            "clientToken": "token-1",
            "cluster": "arn:aws:ecs:eu-west-1:111122223333:cluster/bottles",
            "count": 1,
            "enableECSManagedTags": true,
            "networkConfiguration": {"awsvpcConfiguration": {
                "subnets": ["subnet-1", "subnet-2"],
                "securityGroups": ["sg-1"],
                "assignPublicIp": "DISABLED",
            }},
            "overrides": {"containerOverrides": [{"name": "sync", "command": ["--shard", shard]}]},
            "propagateTags": "TASK_DEFINITION",
            "startedBy": "longshore-sync/bottles/1",
            "taskDefinition": "bottles-sync",
        })
    );
}

#[tokio::test]
async fn a_task_without_a_strategy_runs_on_plain_fargate() {
    let wire = Wire::new(|_| ok(&json!({"tasks": [{"taskArn": "arn:task"}]})));
    let place = TaskLocation {
        capacity_provider_strategy: Vec::new(),
        assign_public_ip: true,
        ..place()
    };
    wire.cloud()
        .run_task(&place, "s3://mirror/shard", "longshore-sync/bottles/1", "t")
        .await
        .unwrap();
    let sent = wire.calls()[0].json();
    assert_eq!(sent["launchType"], "FARGATE");
    assert_eq!(sent.get("capacityProviderStrategy"), None);
    let network = &sent["networkConfiguration"]["awsvpcConfiguration"];
    assert_eq!(network["assignPublicIp"], "ENABLED");
}

#[tokio::test]
async fn a_task_that_ecs_did_not_start_is_an_error_although_the_status_is_200() {
    let wire = Wire::new(|_| {
        ok(&json!({"tasks": [], "failures": [
            {"reason": "RESOURCE:ENI", "detail": "no network interface is left"}
        ]}))
    });
    let error = wire
        .cloud()
        .run_task(
            &place(),
            "s3://mirror/shard",
            "longshore-sync/bottles/1",
            "t",
        )
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::Transient);
    assert_eq!(
        error.to_string(),
        "run a task of bottles-sync on s3://mirror/shard: RESOURCE:ENI: no network interface is left"
    );
}

#[tokio::test]
async fn a_stopped_task_is_shown_with_what_it_died_of_and_a_forgotten_one_is_not() {
    let wire = Wire::new(|_| {
        ok(&json!({
            "tasks": [
                {"taskArn": "arn:1", "lastStatus": "RUNNING"},
                {"taskArn": "arn:2", "lastStatus": "STOPPED",
                 "stopCode": "EssentialContainerExited",
                 "stoppedReason": "Essential container in task exited",
                 "containers": [{"name": "sync", "exitCode": 137}]},
            ],
            "failures": [{"arn": "arn:3", "reason": "MISSING"}],
        }))
    });
    let arns = ["arn:1", "arn:2", "arn:3"].map(str::to_owned);
    let tasks = wire
        .cloud()
        .describe_tasks("arn:cluster", &arns)
        .await
        .unwrap();
    assert_eq!(
        wire.calls()[0].json(),
        json!({"cluster": "arn:cluster", "tasks": arns})
    );
    assert_eq!(tasks.len(), 2);
    assert!(!tasks[0].is_stopped);
    assert_eq!(tasks[0].stopped_reason, None);
    assert!(tasks[1].is_stopped);
    assert_eq!(
        tasks[1].stopped_reason.as_deref(),
        Some(
            "EssentialContainerExited: Essential container in task exited: container sync exited \
             with 137"
        )
    );
}

#[tokio::test]
async fn a_file_system_is_shown_with_all_its_mount_targets() {
    let target = |subnet: &str, state: &str| json!({"MountTargetId": "fsmt-1", "FileSystemId": "fs-0a1b2c3d", "SubnetId": subnet, "LifeCycleState": state});
    let wire = Wire::new(move |call| match call.name.as_str() {
        "GET /2015-02-01/file-systems" => ok(&json!({"FileSystems": [{
            "OwnerId": "111122223333", "CreationToken": "t", "FileSystemId": "fs-0a1b2c3d",
            "CreationTime": 1_790_000_000, "LifeCycleState": "available",
            "NumberOfMountTargets": 2, "SizeInBytes": {"Value": 6144},
            "PerformanceMode": "generalPurpose", "ThroughputMode": "provisioned",
            "ProvisionedThroughputInMibps": 100.0, "Tags": [],
        }]})),
        "GET /2015-02-01/mount-targets" if call.query.contains("Marker") => {
            ok(&json!({"MountTargets": [target("subnet-2", "creating")]}))
        }
        "GET /2015-02-01/mount-targets" => ok(&json!({
            "MountTargets": [target("subnet-1", "available")], "NextMarker": "next",
        })),
        other => panic!("unexpected call {other}"),
    });
    let shown = wire
        .cloud()
        .describe_file_system("fs-0a1b2c3d")
        .await
        .unwrap();
    assert_eq!(shown.life_cycle_state, "available");
    assert_eq!(shown.throughput_mode, "provisioned");
    assert_eq!(shown.provisioned_throughput_in_mibps, Some(100));
    assert_eq!(
        shown.mount_targets,
        [
            ("subnet-1".to_owned(), "available".to_owned()),
            ("subnet-2".to_owned(), "creating".to_owned()),
        ]
    );
    assert!(wire.calls()[0].query.contains("FileSystemId=fs-0a1b2c3d"));
}

#[tokio::test]
async fn a_file_system_that_is_gone_is_not_found() {
    let wire = Wire::new(|_| {
        (
            404,
            json!({"ErrorCode": "FileSystemNotFound", "Message": "fs-0a1b2c3d does not exist"})
                .to_string(),
        )
    })
    .with_header("x-amzn-errortype", "FileSystemNotFound");
    let error = wire
        .cloud()
        .describe_file_system("fs-0a1b2c3d")
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::NotFound, "{error}");
}

#[tokio::test]
async fn throughput_is_provisioned() {
    let wire = Wire::new(|_| (202, EFS_UPDATED.to_owned()));
    wire.cloud()
        .set_provisioned_throughput("fs-0a1b2c3d", 300)
        .await
        .unwrap();
    let call = &wire.calls()[0];
    assert_eq!(call.name, "PUT /2015-02-01/file-systems/fs-0a1b2c3d");
    let sent = call.json();
    assert_eq!(sent["ThroughputMode"], "provisioned");
    assert_eq!(sent["ProvisionedThroughputInMibps"].as_f64(), Some(300.0));
}

const EFS_UPDATED: &str = r#"{"OwnerId": "111122223333", "CreationToken": "t", "FileSystemId": "fs-0a1b2c3d",
    "CreationTime": 1790000000, "LifeCycleState": "updating", "NumberOfMountTargets": 2,
    "SizeInBytes": {"Value": 6144}, "PerformanceMode": "generalPurpose", "Tags": []}"#;

/// No retry helps before the day is over.
#[tokio::test]
async fn throughput_that_may_not_be_lowered_yet_is_refused_in_the_words_of_efs() {
    let words = "You can't decrease the provisioned throughput within 24 hours of the last change";
    let wire = Wire::new(move |_| {
        (
            429,
            json!({"ErrorCode": "TooManyRequests", "Message": words}).to_string(),
        )
    })
    .with_header("x-amzn-errortype", "TooManyRequests");
    let error = wire
        .cloud()
        .set_provisioned_throughput("fs-0a1b2c3d", 100)
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::Refused);
    assert!(error.to_string().contains(words), "{error}");
    assert_eq!(wire.calls().len(), 1);
}

/// What a stack with a mirror renders, and its outputs.
const RENDERED: &str = include_str!("../../../stack/tests/fixtures/bottle-sync.json");

fn described(outputs: &Value) -> String {
    let outputs: String = outputs
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| {
            format!(
                "<member><OutputKey>{key}</OutputKey><OutputValue>{}</OutputValue></member>",
                value.as_str().unwrap()
            )
        })
        .collect();
    format!(
        "<DescribeStacksResponse><DescribeStacksResult><Stacks><member>\
         <StackName>bottles</StackName><StackId>arn:stack</StackId>\
         <CreationTime>2026-11-20T00:00:00Z</CreationTime>\
         <StackStatus>CREATE_COMPLETE</StackStatus><Outputs>{outputs}</Outputs>\
         </member></Stacks></DescribeStacksResult></DescribeStacksResponse>"
    )
}

fn summarised(metadata: &Value) -> String {
    let metadata = metadata.to_string().replace('"', "&quot;");
    format!(
        "<GetTemplateSummaryResponse><GetTemplateSummaryResult><Metadata>{metadata}</Metadata>\
         </GetTemplateSummaryResult></GetTemplateSummaryResponse>"
    )
}

#[tokio::test]
async fn a_mirror_is_what_its_stack_says() {
    let rendered: Value = serde_json::from_str(RENDERED).unwrap();
    let outputs = rendered["Outputs"].clone();
    let metadata = json!({"Longshore": {"BottleSync": rendered["Metadata"]}});
    let wire = Wire::new(move |call| {
        if call.body.contains("Action=DescribeStacks") {
            (200, described(&outputs))
        } else {
            (200, summarised(&metadata))
        }
    });
    let (settings, place) = wire.cloud().mirror("bottles").await.unwrap();
    assert_eq!(
        settings.index_url,
        rendered["Metadata"]["Settings"]["IndexUrl"]
    );
    assert_eq!(place.bucket, rendered["Outputs"]["BottleSyncBucketName"]);
    assert_eq!(
        place.tasks.unwrap().cluster_arn,
        rendered["Outputs"]["BottleSyncClusterArn"]
    );
    assert_eq!(wire.calls().len(), 2);
}

#[tokio::test]
async fn a_stack_that_is_not_there_has_no_mirror_and_one_without_is_refused() {
    let missing = Wire::new(|_| {
        let answer = "<ErrorResponse><Error><Code>ValidationError</Code>\
                      <Message>Stack with id bottles does not exist</Message></Error></ErrorResponse>";
        (400, answer.to_owned())
    });
    let error = missing.cloud().mirror("bottles").await.unwrap_err();
    assert_eq!(error.class, ErrorClass::NotFound, "{error}");
    let other = Wire::new(|call| {
        if call.body.contains("Action=DescribeStacks") {
            (200, described(&json!({})))
        } else {
            (200, summarised(&json!({"Longshore": {"Version": 1}})))
        }
    });
    let error = other.cloud().mirror("shop").await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Refused);
    assert_eq!(
        error.to_string(),
        "find the mirror of stack shop: it has no `bottle_sync`: add one to its stack file and apply it"
    );
}

#[tokio::test]
async fn the_mirrors_that_were_ever_synced_are_in_the_state_bucket() {
    let wire = Wire::new(|call| match call.name.as_str() {
        "GET /state/" | "GET /state" => (
            200,
            "<ListBucketResult><IsTruncated>false</IsTruncated>\
             <Contents><Key>syncs/bottles.json</Key></Contents>\
             <Contents><Key>syncs/casks.json</Key></Contents></ListBucketResult>"
                .to_owned(),
        ),
        _ => (200, String::new()),
    });
    let cloud = wire.cloud();
    assert_eq!(cloud.mirrors().await.unwrap(), ["bottles", "casks"]);
    cloud.add_mirror("bottles").await.unwrap();
    let calls = wire.calls();
    assert!(
        calls[0].query.contains("prefix=syncs"),
        "{}",
        calls[0].query
    );
    assert_eq!(calls[1].name, "PUT /state/syncs/bottles.json");
}

#[tokio::test]
async fn a_bucket_that_outlived_its_stack_is_known_by_its_tags() {
    let wire = Wire::new(|call| match call.name.as_str() {
        "GET /" => (
            200,
            "<ListAllMyBucketsResult><Buckets><Bucket><Name>bottles-ours</Name></Bucket>\
             <Bucket><Name>bottles-theirs</Name></Bucket></Buckets></ListAllMyBucketsResult>"
                .to_owned(),
        ),
        name if name.starts_with("GET /bottles-ours") && call.query.contains("tagging") => (
            200,
            "<Tagging><TagSet><Tag><Key>longshore:stack</Key><Value>bottles</Value></Tag>\
             <Tag><Key>longshore:bucket</Key><Value>mirror</Value></Tag></TagSet></Tagging>"
                .to_owned(),
        ),
        _ => (
            404,
            "<Error><Code>NoSuchTagSet</Code><Message>none</Message></Error>".to_owned(),
        ),
    });
    let names = BTreeMap::from([("mirror".to_owned(), "bottles-${AWS::Region}".to_owned())]);
    let found = wire.cloud().buckets("bottles", &names).await.unwrap();
    let [found] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(
        (found.name.as_str(), found.bucket_name.as_str()),
        ("mirror", "bottles-ours")
    );
}
