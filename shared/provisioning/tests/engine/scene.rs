use longshore_events::cloudformation::{StackPhase, StackStatus};
use longshore_events::image::Digest;
use longshore_events::incoming::StackFile;
use longshore_events::longshore::{LongshoreEvent, StackSource};
use longshore_policy::image_policy::ImagePolicy;
use longshore_policy::route::{CpuArchitecture, Subscriber};
use longshore_policy::settings::RolloutSettings;
use longshore_provisioning::apply::{Applied, StackRequest, apply};
use longshore_provisioning::error::ProvisioningError;
use longshore_provisioning::file::{FileOutcome, apply_file};
use longshore_provisioning::settings::Settings;
use longshore_rollout::documents::{RecordStore, StackRecordStore};
use longshore_rollout::stack_record::StackRecord;
use longshore_stack::read::{Reading, Selection, read};
use longshore_testkit::{FakeCloud, digest, noon, worker};

pub const STACK: &str = "shop";

/// A stack of one service.
pub fn stack_file(cpu: u32) -> String {
    format!(
        "
name: shop
network:
  vpc_id: vpc-0a1b2c3d4e5f60718
  subnet_ids: [subnet-0a1b2c3d4e5f60718, subnet-0b1c2d3e4f5061728]
services:
  api:
    image: shop/api:v1
    cpu: {cpu}
    memory: 2048
    container_port: 8080
"
    )
}

/// The same with a file system.
pub fn stack_file_with_data(deletion: &str) -> String {
    format!(
        "{}
    mount_points:
      - file_system: data
        access_point: api
        container_path: /data
file_systems:
  data:
    deletion: {deletion}
    access_points:
      api:
        posix_user: {{uid: 1000, gid: 1000}}
",
        stack_file(256).trim_end()
    )
}

pub fn subscriber() -> Subscriber {
    Subscriber {
        stack: STACK.to_owned(),
        service: "api".to_owned(),
        cluster: "shop".to_owned(),
        ecs_service: "shop-api".to_owned(),
        container: "api".to_owned(),
        other_containers: Vec::new(),
        image_policy: ImagePolicy {
            tags: vec!["*".to_owned()],
            ..ImagePolicy::default()
        },
        cpu_architecture: Some(CpuArchitecture::X86),
        rollout: RolloutSettings::default(),
    }
}

/// An account whose repository `shop/api` holds `v1` and `v2`.
pub fn account() -> FakeCloud {
    let cloud = FakeCloud::default();
    cloud.add_image("shop/api", "v1", image(1));
    cloud.add_image("shop/api", "v2", image(2));
    cloud
}

pub fn image(number: u32) -> Digest {
    digest(char::from_digit(number, 16).unwrap())
}

pub fn settings() -> Settings {
    Settings {
        region: Some("eu-west-1".to_owned()),
        cloudformation_role_arn: Some("arn:aws:iam::111122223333:role/cloudformation".to_owned()),
        permissions_boundary_arn: Some("arn:aws:iam::111122223333:policy/boundary".to_owned()),
    }
}

pub fn reading(file: &str) -> Reading {
    match read(file.as_bytes(), &Selection::Environment(None)) {
        Ok(reading) => reading,
        Err(problems) => panic!("{problems:#?}"),
    }
}

pub fn request(id: &str) -> StackRequest {
    StackRequest {
        id: id.to_owned(),
        at: noon(0),
        source: StackSource::Manual {
            note: None,
            by: None,
        },
    }
}

/// Applies by hand.
pub async fn applied(
    cloud: &FakeCloud,
    file: &str,
    id: &str,
) -> Result<Applied, ProvisioningError> {
    apply(
        cloud,
        &settings(),
        &reading(file),
        &request(id),
        &worker(id, 0),
    )
    .await
}

/// Puts the file into the bucket and wakes `provision` by it.
pub async fn uploaded(cloud: &FakeCloud, file: &str) -> Result<FileOutcome, ProvisioningError> {
    let event = written(cloud, file);
    apply_file(cloud, &settings(), &event, &worker("upload", 0)).await
}

/// Puts the file into the bucket.
pub fn written(cloud: &FakeCloud, file: &str) -> StackFile {
    let key = format!("stacks/{STACK}.yaml");
    let version = cloud.put_stack_file(&key, file);
    StackFile {
        event_id: format!("event-{version}"),
        at: noon(0),
        bucket: "state".to_owned(),
        key,
        version_id: Some(version.clone()),
        sequencer: version,
    }
}

/// A stack that exists and has settled, as `watch` would have left it.
pub async fn built(cloud: &FakeCloud, file: &str) {
    applied(cloud, file, "build").await.unwrap();
    ended(cloud, "CREATE_COMPLETE").await;
}

/// CloudFormation ends what is under way and `watch` writes that down.
pub async fn ended(cloud: &FakeCloud, status: &str) {
    if StackStatus::from(status).phase() == StackPhase::Failed {
        cloud.fail_stack(STACK, "a bad property");
    } else {
        cloud.finish_stack(STACK);
    }
    assert_eq!(cloud.stack_status(STACK).as_deref(), Some(status));
    let (mut record, version) = cloud.load_stack(STACK).await.unwrap().unwrap();
    record.outbox.clear();
    record.finished(&status.into(), None, None, noon(60), &worker("watch", 60));
    record.outbox.clear();
    cloud.save_stack(&record, Some(&version)).await.unwrap();
}

pub async fn record(cloud: &FakeCloud) -> StackRecord {
    cloud.load_stack(STACK).await.unwrap().unwrap().0
}

/// A push of `v2` went through before.
pub async fn pushed(cloud: &FakeCloud) {
    let push = longshore_testkit::push("v2", image(2), noon(120));
    let results =
        longshore_rollout::triggers::push::deploy_push(cloud, &push, &worker("push", 120))
            .await
            .unwrap();
    assert_eq!(results.len(), 1, "the push finds its service by the route");
    results.into_iter().next().unwrap().unwrap();
    cloud.complete(&subscriber());
    let service_id = subscriber().service_id();
    let (mut record, version) = cloud.load(&service_id).await.unwrap().unwrap();
    record.succeeded(&worker("watch", 130));
    let record = longshore_testkit::altered(&record, &serde_json::json!({"outbox": []}));
    cloud.save(&record, Some(&version)).await.unwrap();
}

pub fn published(cloud: &FakeCloud) -> Vec<&'static str> {
    cloud
        .published()
        .iter()
        .map(LongshoreEvent::detail_type)
        .collect()
}
