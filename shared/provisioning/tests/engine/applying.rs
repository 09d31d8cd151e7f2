use longshore_events::incoming::StackFile;
use longshore_events::longshore::{ChangeCounts, LongshoreEvent};
use longshore_provisioning::apply::ApplyOutcome;
use longshore_provisioning::error::ProvisioningError;
use longshore_provisioning::file::{FileOutcome, apply_file};
use longshore_provisioning::routes::write_routes;
use longshore_provisioning::settled::stack_settled;
use longshore_rollout::documents::RouteStore;
use longshore_rollout::stack_record::OperationState;
use longshore_state::store::Address;
use longshore_state::{DocumentStore, WriteCondition};
use longshore_testkit::worker;

use crate::scene::{
    STACK, account, applied, built, ended, image, published, pushed, record, settings, stack_file,
    stack_file_with_data, subscriber, uploaded, written,
};

#[tokio::test]
async fn a_stack_file_makes_a_stack_and_its_beginning_is_published() {
    let cloud = account();
    let applied = applied(&cloud, &stack_file(256), "one").await.unwrap();
    let ApplyOutcome::Applying {
        operation_id,
        changes,
    } = applied.outcome
    else {
        panic!("{applied:?}");
    };
    assert_eq!(operation_id, "one");
    assert!(changes.add > 5, "{changes:?}");
    assert_eq!(
        changes,
        ChangeCounts {
            add: changes.add,
            ..ChangeCounts::default()
        }
    );
    assert_eq!(
        cloud.stack_status(STACK).as_deref(),
        Some("CREATE_IN_PROGRESS")
    );
    assert_eq!(cloud.stack_token(STACK).as_deref(), Some("one"));
    assert_eq!(published(&cloud), ["Stack Applying"]);
    assert!(record(&cloud).await.operation.is_changing());
}

#[tokio::test]
async fn the_first_image_is_pinned_to_what_its_tag_means_now() {
    let cloud = account();
    built(&cloud, &stack_file(256)).await;
    let running = cloud.running_image(&subscriber()).unwrap();
    assert!(
        running.ends_with(&format!("shop/api@{}", image(1))),
        "{running}"
    );
}

#[tokio::test]
async fn the_same_file_twice_changes_nothing() {
    let cloud = account();
    built(&cloud, &stack_file(256)).await;
    let again = applied(&cloud, &stack_file(256), "two").await.unwrap();
    assert_eq!(again.outcome, ApplyOutcome::Unchanged);
    assert_eq!(
        cloud.stack_status(STACK).as_deref(),
        Some("CREATE_COMPLETE")
    );
    assert!(cloud.change_sets(STACK).is_empty());
}

#[tokio::test]
async fn a_push_in_between_is_not_a_reason_to_execute_anything() {
    let cloud = account();
    built(&cloud, &stack_file(256)).await;
    write_routes(&cloud, STACK).await.unwrap();
    pushed(&cloud).await;
    let again = applied(&cloud, &stack_file(256), "two").await.unwrap();
    assert_eq!(again.outcome, ApplyOutcome::Unchanged);
    assert!(
        cloud
            .running_image(&subscriber())
            .unwrap()
            .ends_with(image(2).as_str())
    );
}

#[tokio::test]
async fn an_update_carries_the_image_that_was_pushed() {
    let cloud = account();
    built(&cloud, &stack_file(256)).await;
    write_routes(&cloud, STACK).await.unwrap();
    pushed(&cloud).await;
    applied(&cloud, &stack_file(512), "two").await.unwrap();
    ended(&cloud, "UPDATE_COMPLETE").await;
    assert!(
        cloud
            .running_image(&subscriber())
            .unwrap()
            .ends_with(image(2).as_str())
    );
    let preserved = record(&cloud).await.operation.services[0]
        .image
        .clone()
        .unwrap();
    assert_eq!(preserved.digest, image(2));
}

#[tokio::test]
async fn after_a_failed_update_the_next_one_still_carries_the_image_that_was_pushed() {
    let cloud = account();
    built(&cloud, &stack_file(256)).await;
    write_routes(&cloud, STACK).await.unwrap();
    pushed(&cloud).await;
    applied(&cloud, &stack_file(512), "two").await.unwrap();
    ended(&cloud, "UPDATE_ROLLBACK_COMPLETE").await;
    assert!(
        cloud
            .running_image(&subscriber())
            .unwrap()
            .ends_with(image(1).as_str()),
        "CloudFormation restores its previous template, with the image of the first day"
    );
    applied(&cloud, &stack_file(1024), "three").await.unwrap();
    ended(&cloud, "UPDATE_COMPLETE").await;
    assert!(
        cloud
            .running_image(&subscriber())
            .unwrap()
            .ends_with(image(2).as_str())
    );
}

#[tokio::test]
async fn another_image_in_the_stack_file_is_asked_for() {
    let cloud = account();
    built(&cloud, &stack_file(256)).await;
    let file = stack_file(256).replace("shop/api:v1", "shop/api:v2");
    applied(&cloud, &file, "two").await.unwrap();
    ended(&cloud, "UPDATE_COMPLETE").await;
    assert!(
        cloud
            .running_image(&subscriber())
            .unwrap()
            .ends_with(image(2).as_str())
    );
}

#[tokio::test]
async fn a_file_that_comes_while_the_stack_changes_waits_and_the_newest_is_applied_afterwards() {
    let cloud = account();
    uploaded(&cloud, &stack_file(256)).await.unwrap();
    for cpu in [512, 1024] {
        let outcome = uploaded(&cloud, &stack_file(cpu)).await.unwrap();
        let FileOutcome::Taken(applied) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(applied.outcome, ApplyOutcome::Pending);
    }
    ended(&cloud, "CREATE_COMPLETE").await;
    stack_settled(&cloud, &settings(), STACK, &worker("rest", 70))
        .await
        .unwrap();
    assert_eq!(
        cloud.stack_status(STACK).as_deref(),
        Some("UPDATE_IN_PROGRESS")
    );
    ended(&cloud, "UPDATE_COMPLETE").await;
    stack_settled(&cloud, &settings(), STACK, &worker("rest", 80))
        .await
        .unwrap();
    let template = cloud.stack_template(STACK).unwrap().to_string();
    assert!(
        template.contains("\"1024\""),
        "the newest file is what runs"
    );
    assert_eq!(record(&cloud).await.pending_file, None);
    assert_eq!(
        cloud.stack_status(STACK).as_deref(),
        Some("UPDATE_COMPLETE"),
        "nothing is applied twice"
    );
}

#[tokio::test]
async fn a_person_who_asks_while_the_stack_changes_is_refused_with_the_reason() {
    let cloud = account();
    applied(&cloud, &stack_file(256), "one").await.unwrap();
    let error = applied(&cloud, &stack_file(512), "two").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "apply stack shop: it is being changed; apply it again when that is done"
    );
}

#[tokio::test]
async fn an_older_event_of_a_file_does_nothing_when_a_newer_version_is_there() {
    let cloud = account();
    let older = written(&cloud, &stack_file(256));
    let newer = written(&cloud, &stack_file(512));
    let outcome = apply_file(&cloud, &settings(), &older, &worker("a", 0)).await;
    assert!(matches!(outcome, Ok(FileOutcome::Ignored { .. })));
    let outcome = apply_file(&cloud, &settings(), &newer, &worker("b", 0)).await;
    assert!(matches!(outcome, Ok(FileOutcome::Taken(_))));
}

#[tokio::test]
async fn a_second_file_of_a_stack_is_refused_with_both_keys() {
    let cloud = account();
    let event = written(&cloud, &stack_file(256));
    let other = StackFile {
        key: "stacks/shop.json".to_owned(),
        ..event.clone()
    };
    let said = "stack shop is built from stacks/shop.yaml, so that this file is not read; delete one of the two";

    let outcome = apply_file(&cloud, &settings(), &other, &worker("a", 0)).await;
    let FileOutcome::Refused { key, problems } = outcome.unwrap() else {
        panic!("it is not refused");
    };
    assert_eq!(
        (key.as_str(), problems[0].message.as_str()),
        ("stacks/shop.json", said)
    );

    // Whichever of the two was written last.
    let address = Address::of_state("stacks/shop.json");
    cloud
        .write_document(&address, b"{}".to_vec(), WriteCondition::None)
        .await
        .unwrap();
    let outcome = apply_file(&cloud, &settings(), &event, &worker("b", 0)).await;
    assert!(matches!(outcome, Ok(FileOutcome::Taken(_))), "{outcome:?}");
    let published: Vec<(String, String)> = cloud
        .published()
        .into_iter()
        .filter_map(|event| match event {
            LongshoreEvent::StackFileRefused(refused) => {
                Some((refused.key, refused.problems[0].message.clone()))
            }
            _ => None,
        })
        .collect();
    let once = ("stacks/shop.json".to_owned(), said.to_owned());
    assert_eq!(published, [once.clone(), once]);
}

#[tokio::test]
async fn a_key_that_names_no_stack_is_refused_and_a_folder_is_not() {
    let cloud = account();
    let event = written(&cloud, &stack_file(256));
    for key in [
        "stacks/shop.yaml.bak",
        "stacks/team/shop.yaml",
        "stacks/shop",
    ] {
        let event = StackFile {
            key: key.to_owned(),
            ..event.clone()
        };
        let outcome = apply_file(&cloud, &settings(), &event, &worker("a", 0)).await;
        assert!(
            matches!(&outcome, Ok(FileOutcome::Refused { key: refused, .. }) if refused == key),
            "{outcome:?}"
        );
    }
    assert_eq!(cloud.published().len(), 3);
    let folder = StackFile {
        key: "stacks/team/".to_owned(),
        ..event
    };
    let outcome = apply_file(&cloud, &settings(), &folder, &worker("a", 0)).await;
    assert!(matches!(outcome, Ok(FileOutcome::Ignored { .. })));
}

#[tokio::test]
async fn a_duplicate_of_a_files_event_does_nothing() {
    let cloud = account();
    let event = written(&cloud, &stack_file(256));
    apply_file(&cloud, &settings(), &event, &worker("a", 0))
        .await
        .unwrap();
    ended(&cloud, "CREATE_COMPLETE").await;
    cloud.forget_calls();
    let outcome = apply_file(&cloud, &settings(), &event, &worker("b", 90))
        .await
        .unwrap();
    let FileOutcome::Taken(applied) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(applied.outcome, ApplyOutcome::TakenBefore);
    assert!(!cloud.calls().contains(&"CreateChangeSet".to_owned()));
}

#[tokio::test]
async fn a_wrong_file_is_published_with_every_problem_and_changes_nothing() {
    let cloud = account();
    built(&cloud, &stack_file(256)).await;
    let before = cloud.stack_template(STACK);
    let wrong = stack_file(300).replace("container_port", "container_prot");
    let outcome = uploaded(&cloud, &wrong).await.unwrap();
    let FileOutcome::Refused { key, problems } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(key, "stacks/shop.yaml");
    assert!(
        problems
            .iter()
            .any(|problem| problem.message.contains("container_port"))
    );
    assert!(published(&cloud).contains(&"Stack File Refused"));
    assert_eq!(cloud.stack_template(STACK), before);
}

#[tokio::test]
async fn a_repository_that_is_missing_is_named_before_anything_is_sent() {
    let cloud = account();
    cloud.remove_repository("shop/api");
    let error = applied(&cloud, &stack_file(256), "one").await.unwrap_err();
    assert!(matches!(error, ProvisioningError::Refused { .. }));
    assert!(error.to_string().contains("shop/api"), "{error}");
    assert_eq!(cloud.stack_status(STACK), None);
}

#[tokio::test]
async fn a_failed_creation_is_cleared_away_and_made_anew() {
    let cloud = account();
    applied(&cloud, &stack_file(256), "one").await.unwrap();
    ended(&cloud, "ROLLBACK_COMPLETE").await;
    applied(&cloud, &stack_file(512), "two").await.unwrap();
    ended(&cloud, "CREATE_COMPLETE").await;
    assert_eq!(record(&cloud).await.operation.state, OperationState::Ready);
}

#[tokio::test]
async fn routes_follow_the_stack_and_leave_those_of_others_alone() {
    let cloud = account();
    let other = longshore_testkit::subscriber("web");
    let other = longshore_policy::route::Subscriber {
        stack: "other".to_owned(),
        ..other
    };
    cloud.set_route("shop/api", vec![other.clone()]);
    built(&cloud, &stack_file(256)).await;
    write_routes(&cloud, STACK).await.unwrap();
    let route = cloud.route("shop/api").await.unwrap().unwrap();
    assert_eq!(route.subscribers, [other.clone(), subscriber()]);
    let file = stack_file(256).replace(
        "image: shop/api:v1",
        "image: shop/api:v1\n    image_policy: {tags: []}",
    );
    applied(&cloud, &file, "two").await.unwrap();
    ended(&cloud, "UPDATE_COMPLETE").await;
    write_routes(&cloud, STACK).await.unwrap();
    let route = cloud.route("shop/api").await.unwrap().unwrap();
    assert_eq!(route.subscribers, [other]);
}

#[tokio::test]
async fn a_change_of_the_policy_alone_is_a_change_of_the_stack_and_of_its_route() {
    let cloud = account();
    built(&cloud, &stack_file(256)).await;
    write_routes(&cloud, STACK).await.unwrap();
    // What was pushed meanwhile is not a reason to deploy it again.
    pushed(&cloud).await;
    let running = cloud.service(&subscriber()).unwrap().task_definition;
    let file = stack_file(256).replace(
        "image: shop/api:v1",
        "image: shop/api:v1\n    image_policy: {semver: \"1\"}\n    rollout: {deadline_minutes: 20}",
    );
    let outcome = applied(&cloud, &file, "two").await.unwrap().outcome;
    let ApplyOutcome::Applying { changes, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(
        changes,
        ChangeCounts {
            change: 1,
            ..ChangeCounts::default()
        },
        "only the service"
    );
    ended(&cloud, "UPDATE_COMPLETE").await;
    write_routes(&cloud, STACK).await.unwrap();
    let route = cloud.route("shop/api").await.unwrap().unwrap();
    let [subscriber] = route.subscribers.as_slice() else {
        panic!("{route:?}");
    };
    assert_eq!(subscriber.image_policy.semver.as_deref(), Some("1"));
    assert_eq!(subscriber.rollout.deadline_minutes, 20);
    let service = cloud.service(subscriber).unwrap();
    assert_eq!(service.task_definition, running);
    // Another image in the file is asked for all the same.
    let file = file.replace("shop/api:v1", "shop/api:v3");
    cloud.add_image("shop/api", "v3", image(3));
    applied(&cloud, &file, "three").await.unwrap();
    assert_eq!(
        images(&cloud),
        [("api".to_owned(), format!("shop/api@{}", image(3)))]
    );
}

/// A proxy of another repository, whose pushes it follows, and a worker with the service's image.
fn stack_file_with_sidecars(cpu: u32) -> String {
    format!(
        "{}
    sidecars:
      proxy:
        image: shop/proxy:v1
        image_policy: {{tags: [\"v*\"]}}
      worker:
        image: shop/api:v1
        command: [work]
",
        stack_file(cpu).trim_end()
    )
}

/// By container, the end of the image that the stack's template has.
fn images(cloud: &longshore_testkit::FakeCloud) -> Vec<(String, String)> {
    let template = cloud.stack_template(STACK).unwrap();
    let properties = &template["Resources"]["TaskDefinitionApi"]["Properties"];
    let containers = properties["ContainerDefinitions"].as_array().unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    containers
        .iter()
        .map(|container| {
            let image = text(&container["Image"]["Fn::Sub"]);
            let (_, image) = image.split_once("URLSuffix}/").unwrap();
            (text(&container["Name"]), image.to_owned())
        })
        .collect()
}

#[tokio::test]
async fn each_repository_of_a_service_has_a_route_and_one_image_is_replaced_everywhere() {
    let cloud = account();
    cloud.add_image("shop/proxy", "v1", image(5));
    built(&cloud, &stack_file_with_sidecars(256)).await;
    assert_eq!(
        images(&cloud),
        [
            ("api".to_owned(), format!("shop/api@{}", image(1))),
            ("proxy".to_owned(), format!("shop/proxy@{}", image(5))),
            ("worker".to_owned(), format!("shop/api@{}", image(1))),
        ]
    );
    write_routes(&cloud, STACK).await.unwrap();
    let containers = async |repository: &str| {
        let route = cloud.route(repository).await.unwrap().unwrap();
        let subscribers = route.subscribers.into_iter();
        let containers = subscribers.map(|one| (one.service, one.container, one.other_containers));
        containers.collect::<Vec<_>>()
    };
    assert_eq!(
        containers("shop/api").await,
        [(
            "api".to_owned(),
            "api".to_owned(),
            vec!["worker".to_owned()]
        )]
    );
    assert_eq!(
        containers("shop/proxy").await,
        [("api".to_owned(), "proxy".to_owned(), Vec::new())]
    );
    // Without the sidecar its route goes, too.
    applied(&cloud, &stack_file(256), "two").await.unwrap();
    ended(&cloud, "UPDATE_COMPLETE").await;
    write_routes(&cloud, STACK).await.unwrap();
    assert_eq!(containers("shop/proxy").await, []);
}

#[tokio::test]
async fn an_update_carries_the_images_that_run_in_every_container() {
    let cloud = account();
    cloud.add_image("shop/proxy", "v1", image(5));
    built(&cloud, &stack_file_with_sidecars(256)).await;
    write_routes(&cloud, STACK).await.unwrap();
    pushed(&cloud).await;
    // Its tag was moved, but nobody asked for it anew.
    cloud.add_image("shop/proxy", "v1", image(6));
    applied(&cloud, &stack_file_with_sidecars(512), "two")
        .await
        .unwrap();
    assert_eq!(
        images(&cloud),
        [
            ("api".to_owned(), format!("shop/api@{}", image(2))),
            ("proxy".to_owned(), format!("shop/proxy@{}", image(5))),
            ("worker".to_owned(), format!("shop/api@{}", image(2))),
        ]
    );
    let preserved = &record(&cloud).await.operation.services[0];
    assert!(!preserved.is_named);
    let also: Vec<(&str, &longshore_events::image::Digest)> = preserved
        .also
        .iter()
        .map(|(container, image)| (container.as_str(), &image.digest))
        .collect();
    assert_eq!(also, [("proxy", &image(5))]);
    ended(&cloud, "UPDATE_COMPLETE").await;
    // Another image in the file is deployed, and nothing else is.
    let file = stack_file_with_sidecars(512).replace("shop/proxy:v1", "shop/proxy:v2");
    cloud.add_image("shop/proxy", "v2", image(7));
    applied(&cloud, &file, "three").await.unwrap();
    assert_eq!(
        images(&cloud),
        [
            ("api".to_owned(), format!("shop/api@{}", image(2))),
            ("proxy".to_owned(), format!("shop/proxy@{}", image(7))),
            ("worker".to_owned(), format!("shop/api@{}", image(2))),
        ]
    );
    assert!(record(&cloud).await.operation.services[0].also.is_empty());
}

#[tokio::test]
async fn data_that_an_earlier_stack_left_is_taken_up_before_the_rest_is_made() {
    let cloud = account();
    cloud.add_file_system(
        STACK,
        longshore_provisioning::ports::FoundFileSystem {
            name: "data".to_owned(),
            file_system_id: "fs-0a1b2c3d4e5f60718".to_owned(),
            size_in_bytes: 6144,
        },
    );
    applied(&cloud, &stack_file_with_data("retain"), "one")
        .await
        .unwrap();
    assert_eq!(
        cloud.stack_status(STACK).as_deref(),
        Some("IMPORT_IN_PROGRESS")
    );
    let template = cloud.stack_template(STACK).unwrap();
    let resources = template["Resources"].as_object().unwrap();
    assert_eq!(
        resources.len(),
        1,
        "CloudFormation imports and makes nothing at once"
    );
    cloud.finish_stack(STACK);
    longshore_provisioning::settled::stack_imported(
        &cloud,
        &settings(),
        STACK,
        &worker("import", 30),
    )
    .await
    .unwrap();
    assert_eq!(
        cloud.stack_status(STACK).as_deref(),
        Some("UPDATE_IN_PROGRESS")
    );
    assert_eq!(cloud.stack_token(STACK).as_deref(), Some("one"));
    // CloudFormation takes no tags while it imports.
    assert!(cloud.stack_tags(STACK).contains_key("longshore:stack"));
    ended(&cloud, "UPDATE_COMPLETE").await;
    assert!(
        cloud
            .running_image(&subscriber())
            .unwrap()
            .ends_with(image(1).as_str())
    );
}

#[tokio::test]
async fn a_bucket_that_an_earlier_stack_left_is_taken_up_with_the_file_systems() {
    let cloud = account();
    let file = format!(
        "{}buckets:\n  bottles: {{}}\n",
        stack_file_with_data("retain")
    );
    cloud.add_file_system(
        STACK,
        longshore_provisioning::ports::FoundFileSystem {
            name: "data".to_owned(),
            file_system_id: "fs-0a1b2c3d4e5f60718".to_owned(),
            size_in_bytes: 6144,
        },
    );
    let bucket = |name: &str| longshore_provisioning::ports::FoundBucket {
        name: name.to_owned(),
        bucket_name: format!("{STACK}-{name}-123456789012"),
    };
    cloud.add_bucket(STACK, bucket("bottles"));
    // One that the stack file names no more stays what it is.
    cloud.add_bucket(STACK, bucket("other"));
    applied(&cloud, &file, "one").await.unwrap();
    assert_eq!(
        cloud.stack_status(STACK).as_deref(),
        Some("IMPORT_IN_PROGRESS")
    );
    let template = cloud.stack_template(STACK).unwrap();
    let resources = template["Resources"].as_object().unwrap();
    let resources: Vec<&str> = resources.keys().map(String::as_str).collect();
    assert_eq!(resources, ["BucketBottles", "FileSystemData"]);
}

#[tokio::test]
async fn services_are_followed_from_when_their_stack_is_begun_and_no_longer_when_that_fails() {
    let cloud = account();
    applied(&cloud, &stack_file(256), "one").await.unwrap();
    let route = cloud.route("shop/api").await.unwrap().unwrap();
    assert_eq!(route.subscribers, [subscriber()]);
    ended(&cloud, "ROLLBACK_COMPLETE").await;
    write_routes(&cloud, STACK).await.unwrap();
    let route = cloud.route("shop/api").await.unwrap();
    assert!(route.is_none_or(|route| route.subscribers.is_empty()));
}

#[tokio::test]
async fn an_image_named_with_this_accounts_registry_is_followed_like_one_without_it() {
    let cloud = account();
    let registry = "111122223333.dkr.ecr.eu-west-1.amazonaws.com";
    let file = stack_file(256).replace("image: shop/api", &format!("image: {registry}/shop/api"));
    built(&cloud, &file).await;
    write_routes(&cloud, STACK).await.unwrap();
    let route = cloud.route("shop/api").await.unwrap().unwrap();
    assert_eq!(route.subscribers, [subscriber()]);
    let other = stack_file(256).replace(
        "image: shop/api",
        "image: 444455556666.dkr.ecr.eu-west-1.amazonaws.com/shop/api",
    );
    applied(&cloud, &other, "two").await.unwrap();
    ended(&cloud, "UPDATE_COMPLETE").await;
    write_routes(&cloud, STACK).await.unwrap();
    let route = cloud.route("shop/api").await.unwrap().unwrap();
    assert_eq!(
        route.subscribers,
        [],
        "another account's pushes are not heard of"
    );
}

#[tokio::test]
async fn an_image_that_was_named_and_failed_is_not_preserved_on() {
    let cloud = account();
    built(&cloud, &stack_file(256)).await;
    let file = stack_file(256).replace("shop/api:v1", "shop/api:v2");
    applied(&cloud, &file, "two").await.unwrap();
    ended(&cloud, "UPDATE_ROLLBACK_COMPLETE").await;
    applied(&cloud, &stack_file(512), "three").await.unwrap();
    ended(&cloud, "UPDATE_COMPLETE").await;
    let running = cloud.running_image(&subscriber()).unwrap();
    assert!(running.ends_with(image(1).as_str()), "{running}");
}

#[tokio::test]
async fn a_reconcile_writes_routes_that_an_event_left_unwritten_and_reads_none_for_old_stacks() {
    use longshore_provisioning::settled::reconcile;
    let cloud = account();
    built(&cloud, &stack_file(256)).await;
    let routes_were_read = async |seconds| {
        cloud.forget_calls();
        let worker = worker("reconcile", seconds);
        reconcile(&cloud, &settings(), &worker).await.unwrap();
        cloud.calls().contains(&"ListObjectsV2 routes".to_owned())
    };
    assert!(routes_were_read(3600).await);
    let route = cloud.route("shop/api").await.unwrap().unwrap();
    assert_eq!(route.subscribers, [subscriber()]);
    assert!(!routes_were_read(3 * 24 * 3600).await);
}
