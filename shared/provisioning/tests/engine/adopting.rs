//! Services that other tools made.

use longshore_events::image::Image;
use longshore_policy::image_policy::ImagePolicy;
use longshore_policy::route::{CpuArchitecture, Subscriber};
use longshore_policy::settings::RolloutSettings;
use longshore_provisioning::adopt::{AdoptError, AdoptRequest, Adoption, adopt};
use longshore_rollout::documents::{RecordStore, RouteStore};
use longshore_rollout::dry_run::DryRun;
use longshore_rollout::record::State;
use longshore_testkit::{FakeCloud, worker};
use serde_json::json;

use super::scene::{image, stack_file};

const REGISTRY: &str = "111122223333.dkr.ecr.eu-west-1.amazonaws.com";
const EXECUTION_ROLE: &str = "arn:aws:iam::111122223333:role/billing-execution";
const TASK_ROLE: &str = "arn:aws:iam::111122223333:role/billing-task";

/// The service `invoices` of the cluster `billing`, as it is adopted without a word besides.
fn invoices() -> Subscriber {
    Subscriber {
        stack: "billing".to_owned(),
        service: "invoices".to_owned(),
        cluster: "billing".to_owned(),
        ecs_service: "invoices".to_owned(),
        container: "app".to_owned(),
        other_containers: Vec::new(),
        image_policy: ImagePolicy {
            tags: vec!["release".to_owned()],
            ..ImagePolicy::default()
        },
        cpu_architecture: None,
        rollout: RolloutSettings::default(),
    }
}

fn account(running: &str) -> FakeCloud {
    let cloud = FakeCloud::default();
    cloud.add_image("billing/invoices", "release", image(1));
    cloud.add_image("billing/invoices", "v7", image(2));
    cloud.add_service(&invoices(), running);
    cloud
}

fn by_tag() -> String {
    format!("{REGISTRY}/billing/invoices:release")
}

fn request() -> AdoptRequest {
    AdoptRequest {
        ecs_service: invoices().service_name(),
        stack: None,
        service: None,
        container: None,
        repository: None,
        image_policy: None,
    }
}

async fn adopted(cloud: &FakeCloud, request: &AdoptRequest) -> Adoption {
    adopt(cloud, request, &worker("adopt", 0)).await.unwrap()
}

/// Why it is refused; nothing was written.
async fn refusal(cloud: &FakeCloud, request: &AdoptRequest) -> String {
    let routes = routes(cloud).await;
    match adopt(cloud, request, &worker("adopt", 0)).await {
        Err(AdoptError::Refused { service, reason }) => {
            assert_eq!(service, request.ecs_service);
            assert_eq!(self::routes(cloud).await, routes);
            reason
        }
        other => panic!("{other:?}"),
    }
}

async fn routes(cloud: &FakeCloud) -> Vec<Subscriber> {
    let mut subscribers = Vec::new();
    for repository in cloud.repositories().await.unwrap() {
        let (route, _) = cloud.load_route(&repository).await.unwrap().unwrap();
        subscribers.extend(route.subscribers);
    }
    subscribers
}

#[tokio::test]
async fn a_service_is_adopted_by_the_names_that_it_has_and_the_tag_that_it_runs() {
    let cloud = account(&by_tag());
    let adoption = adopted(&cloud, &request()).await;
    assert_eq!(adoption.repository, "billing/invoices");
    assert_eq!(adoption.subscriber, invoices());
    assert_eq!(adoption.running_image, by_tag());
    assert_eq!(routes(&cloud).await, [invoices()]);
    let service_id = cloud.service_id(&invoices().service_name()).await.unwrap();
    assert_eq!(service_id, Some(invoices().service_id()));
    let (record, _) = cloud.load(&invoices().service_id()).await.unwrap().unwrap();
    assert_eq!(record.deployment.state, State::Succeeded);
    assert_eq!(
        record.deployment.task_definition,
        Some(adoption.task_definition)
    );
}

#[tokio::test]
async fn a_dry_run_answers_as_the_adoption_would_and_writes_nothing() {
    let cloud = account(&by_tag());
    let dry_run = DryRun::of(&cloud);
    let would = adopt(&dry_run, &request(), &worker("dry", 0)).await;
    assert_eq!(cloud.objects().keys(""), Vec::<String>::new());
    assert!(cloud.detail_types().is_empty());
    assert_eq!(adopted(&cloud, &request()).await, would.unwrap());
}

#[tokio::test]
async fn what_the_repository_holds_already_is_published_and_not_deployed() {
    let cloud = account(&by_tag());
    let request = AdoptRequest {
        image_policy: Some(ImagePolicy {
            tags: vec!["v*".to_owned()],
            ..ImagePolicy::default()
        }),
        ..request()
    };
    let adoption = adopted(&cloud, &request).await;
    assert_eq!(
        adoption.newest,
        Some(Image {
            repository: "billing/invoices".to_owned(),
            tag: Some("v7".to_owned()),
            digest: image(2),
        })
    );
    let (record, _) = cloud.load(&invoices().service_id()).await.unwrap().unwrap();
    assert_eq!(record.followed["app"].tag, "v7");
}

#[tokio::test]
async fn people_may_know_it_by_other_names() {
    let cloud = account(&by_tag());
    let request = AdoptRequest {
        stack: Some("finance".to_owned()),
        service: Some("bills".to_owned()),
        ..request()
    };
    let adoption = adopted(&cloud, &request).await;
    assert_eq!(
        adoption.subscriber.service_id().to_string(),
        "service bills of stack finance"
    );
    assert_eq!(
        adoption.subscriber.service_name(),
        invoices().service_name()
    );
}

#[tokio::test]
async fn the_roles_of_its_tasks_are_named_once_each() {
    let cloud = account(&by_tag());
    cloud.change_task_definition(&invoices(), |document| {
        document["executionRoleArn"] = json!(EXECUTION_ROLE);
        document["taskRoleArn"] = json!(TASK_ROLE);
    });
    assert_eq!(
        adopted(&cloud, &request()).await.roles,
        [EXECUTION_ROLE, TASK_ROLE]
    );
    cloud.change_task_definition(&invoices(), |document| {
        document["taskRoleArn"] = json!(EXECUTION_ROLE);
    });
    assert_eq!(adopted(&cloud, &request()).await.roles, [EXECUTION_ROLE]);
}

#[tokio::test]
async fn an_image_of_a_dual_stack_registry_is_known_as_ecrs() {
    let cloud = account("111122223333.dkr-ecr.eu-west-1.on.aws/billing/invoices:release");
    let adoption = adopted(&cloud, &request()).await;
    assert_eq!(adoption.repository, "billing/invoices");
    assert_eq!(adoption.subscriber, invoices());
}

#[tokio::test]
async fn a_name_by_which_no_task_can_be_started_is_warned_of() {
    let cloud = account(&by_tag());
    let named = |service: usize| AdoptRequest {
        service: Some("x".repeat(service)),
        ..request()
    };
    // `longshore-deploy/billing/` and the service's name.
    assert!(adopted(&cloud, &named(103)).await.warnings.is_empty());
    let warnings = adopted(&account(&by_tag()), &named(104)).await.warnings;
    assert!(
        warnings[0].contains("at most 128 characters"),
        "{warnings:?}"
    );
}

#[tokio::test]
async fn a_circuit_breaker_that_is_off_or_does_not_roll_back_is_warned_of() {
    let cloud = account(&by_tag());
    assert!(adopted(&cloud, &request()).await.warnings.is_empty());
    cloud.change_service_settings(&invoices(), |settings| settings.rolls_back = false);
    let warnings = adopted(&cloud, &request()).await.warnings;
    assert!(warnings[0].contains("does not roll back"), "{warnings:?}");
    cloud.change_service_settings(&invoices(), |settings| settings.circuit_breaker = false);
    let warnings = adopted(&cloud, &request()).await.warnings;
    assert!(
        warnings[0].contains("circuit breaker is off"),
        "{warnings:?}"
    );
}

#[tokio::test]
async fn a_service_of_another_deployment_controller_is_refused() {
    let cloud = account(&by_tag());
    cloud.change_service_settings(&invoices(), |settings| {
        settings.controller = "CODE_DEPLOY".to_owned();
    });
    let reason = refusal(&cloud, &request()).await;
    assert!(reason.contains("controller is CODE_DEPLOY"), "{reason}");
}

#[tokio::test]
async fn the_processor_architecture_is_that_of_the_task_definition() {
    for (platform, compatibilities, expected) in [
        (
            Some("ARM64"),
            json!(["FARGATE"]),
            Some(CpuArchitecture::Arm),
        ),
        (Some("X86_64"), json!(["EC2"]), Some(CpuArchitecture::X86)),
        (None, json!(["FARGATE"]), Some(CpuArchitecture::X86)),
        (None, json!(["EC2"]), None),
    ] {
        let cloud = account(&by_tag());
        cloud.change_task_definition(&invoices(), |document| {
            document["requiresCompatibilities"] = compatibilities.clone();
            if let Some(platform) = platform {
                document["runtimePlatform"] = json!({"cpuArchitecture": platform});
            }
        });
        let adoption = adopted(&cloud, &request()).await;
        assert_eq!(
            adoption.subscriber.cpu_architecture, expected,
            "{platform:?} {compatibilities}"
        );
    }
}

#[tokio::test]
async fn of_several_containers_the_one_of_ecr_is_meant_with_those_that_run_the_same() {
    let cloud = account(&by_tag());
    cloud.change_task_definition(&invoices(), |document| {
        document["containerDefinitions"] = json!([
            {"name": "envoy", "image": "public.ecr.aws/envoy:v1"},
            {"name": "app", "image": by_tag()},
            {"name": "worker", "image": by_tag()},
        ]);
    });
    let adoption = adopted(&cloud, &request()).await;
    assert_eq!(adoption.subscriber.container, "app");
    assert_eq!(adoption.subscriber.other_containers, ["worker"]);
}

#[tokio::test]
async fn which_of_several_containers_is_meant_must_be_said() {
    let cloud = account(&by_tag());
    cloud.change_task_definition(&invoices(), |document| {
        document["containerDefinitions"] = json!([
            {"name": "app", "image": by_tag()},
            {"name": "report", "image": format!("{REGISTRY}/billing/report:v1")},
        ]);
    });
    let reason = refusal(&cloud, &request()).await;
    assert!(
        reason.contains("--container") && reason.contains("report ("),
        "{reason}"
    );
    let of = |container: &str| AdoptRequest {
        container: Some(container.to_owned()),
        ..request()
    };
    let reason = refusal(&cloud, &of("reprot")).await;
    assert!(
        reason.contains("no container reprot, it has app ("),
        "{reason}"
    );
    cloud.add_image("billing/report", "v1", image(3));
    let adoption = adopted(&cloud, &of("report")).await;
    assert_eq!(adoption.repository, "billing/report");
}

#[tokio::test]
async fn what_an_image_does_not_say_must_be_said() {
    let digest = image(1);
    let cloud = account(&format!("{REGISTRY}/billing/invoices@{digest}"));
    let reason = refusal(&cloud, &request()).await;
    assert!(
        reason.contains("--tags, --semver or --tag-pattern"),
        "{reason}"
    );

    let cloud = account("docker.io/library/nginx:1.27");
    let reason = refusal(&cloud, &request()).await;
    assert!(
        reason.contains("not in ECR: say with --repository"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_policy_that_cannot_be_understood_is_refused() {
    let cloud = account(&by_tag());
    let request = AdoptRequest {
        image_policy: Some(ImagePolicy {
            semver: Some("newest".to_owned()),
            ..ImagePolicy::default()
        }),
        ..request()
    };
    let reason = refusal(&cloud, &request).await;
    assert!(reason.contains("semver"), "{reason}");
}

#[tokio::test]
async fn a_service_that_has_another_name_already_is_refused_with_it() {
    let cloud = account(&by_tag());
    adopted(&cloud, &request()).await;
    let request = AdoptRequest {
        stack: Some("finance".to_owned()),
        ..request()
    };
    let reason = refusal(&cloud, &request).await;
    assert!(
        reason.contains("known as billing/invoices already, in routes/billing/invoices.json"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_name_that_another_service_has_is_refused_with_that() {
    let cloud = account(&by_tag());
    adopted(&cloud, &request()).await;
    let mut other = invoices();
    other.ecs_service = "invoices-canary".to_owned();
    cloud.add_service(&other, &by_tag());
    let request = AdoptRequest {
        ecs_service: other.service_name(),
        service: Some("invoices".to_owned()),
        ..request()
    };
    let reason = refusal(&cloud, &request).await;
    assert!(
        reason.contains("billing/invoices is service invoices of cluster billing already"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_name_with_a_slash_is_refused() {
    let cloud = account(&by_tag());
    let request = AdoptRequest {
        service: Some("a/b".to_owned()),
        ..request()
    };
    let reason = refusal(&cloud, &request).await;
    assert!(
        reason.contains("`a/b` is not a name of a service"),
        "{reason}"
    );
}

/// Its route would be taken away by the next change of the stack.
#[tokio::test]
async fn a_stack_that_is_built_from_a_stack_file_takes_no_other_service() {
    let cloud = account(&by_tag());
    cloud.add_image("shop/api", "v1", image(1));
    super::scene::built(&cloud, &stack_file(256)).await;
    let request = AdoptRequest {
        stack: Some("shop".to_owned()),
        ..request()
    };
    let reason = refusal(&cloud, &request).await;
    assert!(
        reason.contains("stack shop is built from a stack file"),
        "{reason}"
    );
}

#[tokio::test]
async fn adopting_again_changes_the_policy_and_keeps_what_people_wrote_into_the_route() {
    let cloud = account(&by_tag());
    adopted(&cloud, &request()).await;
    let mut written = invoices();
    written.rollout.deadline_minutes = 90;
    cloud.set_route("billing/invoices", vec![written]);
    let request = AdoptRequest {
        image_policy: Some(ImagePolicy {
            semver: Some(">=7".to_owned()),
            ..ImagePolicy::default()
        }),
        ..request()
    };
    let adoption = adopted(&cloud, &request).await;
    assert_eq!(adoption.subscriber.rollout.deadline_minutes, 90);
    assert_eq!(routes(&cloud).await, [adoption.subscriber]);
}
