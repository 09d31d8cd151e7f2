use longshore_provisioning::drift::drift;
use longshore_provisioning::plan::{PlanOutcome, plan};
use longshore_provisioning::ports::{Action, ServingGroup};
use longshore_provisioning::render::render;
use longshore_provisioning::settled::reconcile;
use longshore_testkit::{FakeCloud, worker};
use serde_json::Value;

use crate::scene::{
    STACK, account, applied, built, ended, image, pushed, reading, record, settings, stack_file,
    subscriber, uploaded,
};

#[tokio::test]
async fn a_first_plan_leaves_nothing_behind() {
    let cloud = account();
    let plan = plan(&cloud, &settings(), &reading(&stack_file(256)), "one")
        .await
        .unwrap();
    assert_eq!(plan.outcome, PlanOutcome::Create);
    assert!(
        plan.changes
            .iter()
            .all(|change| change.action == Action::Add)
    );
    assert_eq!(cloud.stack_status(STACK), None);
    assert!(cloud.change_sets(STACK).is_empty());
}

#[tokio::test]
async fn a_plan_of_a_change_names_what_changes_and_executes_nothing() {
    let cloud = account();
    built(&cloud, &stack_file(256)).await;
    let before = cloud.stack_template(STACK);
    let plan = plan(&cloud, &settings(), &reading(&stack_file(512)), "two")
        .await
        .unwrap();
    assert_eq!(plan.outcome, PlanOutcome::Update);
    assert!(
        plan.changes
            .iter()
            .any(|change| change.resource_type == "AWS::ECS::TaskDefinition")
    );
    assert_eq!(cloud.stack_template(STACK), before);
    assert!(cloud.change_sets(STACK).is_empty());
    assert_eq!(
        cloud.stack_status(STACK).as_deref(),
        Some("CREATE_COMPLETE")
    );
}

#[tokio::test]
async fn a_plan_of_what_is_there_already_says_that_there_is_nothing_to_do() {
    let cloud = account();
    built(&cloud, &stack_file(256)).await;
    let plan = plan(&cloud, &settings(), &reading(&stack_file(256)), "two")
        .await
        .unwrap();
    assert_eq!(plan.outcome, PlanOutcome::Unchanged);
}

#[tokio::test]
async fn a_secret_named_by_its_name_is_rendered_with_the_arn_that_it_has() {
    let cloud = account();
    let file = format!(
        "{}\n    secrets: {{CONFIG: {{value_from: shop/app-config}}}}\n",
        stack_file(256).trim_end()
    );
    built(&cloud, &file).await;
    let template = cloud.stack_template(STACK).unwrap();
    let arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop/app-config-AbCdEf";
    let container =
        &template["Resources"]["TaskDefinitionApi"]["Properties"]["ContainerDefinitions"][0];
    assert_eq!(container["Secrets"][0]["ValueFrom"], arn);
}

/// A service behind a load balancer, with requests that ECS moves from one target group to another.
fn blue_green(paths: &str, cpu: u32) -> String {
    format!(
        "{}
    target_group: {{path_patterns: [{paths}], priority: 1}}
    deployment_configuration: {{strategy: BLUE_GREEN}}
load_balancer:
  subnet_ids: [subnet-0a1b2c3d4e5f60718, subnet-0b1c2d3e4f5061728]
  ingress_cidr_ips: [10.0.0.0/8]
",
        stack_file(cpu).trim_end()
    )
}

/// The stack of [`blue_green`], and ECS has moved its requests.
async fn moved_to(group: ServingGroup) -> FakeCloud {
    let cloud = account();
    built(&cloud, &blue_green("/api/*", 256)).await;
    cloud.set_serving_group(&subscriber(), group);
    cloud
}

/// The weights of the two target groups in the stack's template.
fn weights(cloud: &FakeCloud) -> [u64; 2] {
    let template = cloud.stack_template(STACK).unwrap();
    let rule = &template["Resources"]["ListenerRuleApi"]["Properties"];
    let groups = &rule["Actions"][0]["ForwardConfig"]["TargetGroups"];
    [0, 1].map(|group| groups[group]["Weight"].as_u64().unwrap())
}

async fn planned(cloud: &FakeCloud, file: &str) -> (PlanOutcome, Vec<String>) {
    let plan = plan(cloud, &settings(), &reading(file), "plan")
        .await
        .unwrap();
    let warnings = plan.warnings.into_iter().map(|one| one.message);
    (plan.outcome, warnings.collect())
}

#[tokio::test]
async fn requests_that_ecs_moved_are_not_change_of_the_stack() {
    let cloud = moved_to(ServingGroup::Alternate).await;
    let same = planned(&cloud, &blue_green("/api/*", 256)).await;
    assert_eq!(same, (PlanOutcome::Unchanged, Vec::new()));
    let other = planned(&cloud, &blue_green("/api/*", 512)).await;
    assert_eq!(other, (PlanOutcome::Update, Vec::new()));
    applied(&cloud, &blue_green("/api/*", 512), "two")
        .await
        .unwrap();
    ended(&cloud, "UPDATE_COMPLETE").await;
    assert_eq!(weights(&cloud), [1, 0], "the rule stays as it is");
}

#[tokio::test]
async fn a_rule_that_the_stack_file_changes_sends_requests_where_ecs_moved_them() {
    let cloud = moved_to(ServingGroup::Alternate).await;
    let change = applied(&cloud, &blue_green("/v2/*", 256), "two").await;
    let [warning] = &change.unwrap().warnings[..] else {
        panic!("of a rollback by CloudFormation, which writes the former weights");
    };
    assert_eq!(warning.path, "services.api.target_group");
    assert!(warning.message.contains("rolls the change back"));
    ended(&cloud, "UPDATE_COMPLETE").await;
    assert_eq!(weights(&cloud), [0, 1]);

    // From then on the template says so, and the next deployment moves them again.
    let same = planned(&cloud, &blue_green("/v2/*", 256)).await;
    assert_eq!(same, (PlanOutcome::Unchanged, Vec::new()));
    let (_, warnings) = planned(&cloud, &blue_green("/v3/*", 256)).await;
    assert_eq!(warnings, Vec::<String>::new());
    cloud.set_serving_group(&subscriber(), ServingGroup::First);
    applied(&cloud, &blue_green("/v3/*", 256), "three")
        .await
        .unwrap();
    ended(&cloud, "UPDATE_COMPLETE").await;
    assert_eq!(weights(&cloud), [1, 0]);
}

#[tokio::test]
async fn a_rule_is_made_anew_with_its_load_balancer_and_sends_requests_where_ecs_moved_them() {
    let cloud = moved_to(ServingGroup::Alternate).await;
    let public = blue_green("/api/*", 256).replace(
        "load_balancer:",
        "load_balancer:\n  scheme: internet-facing",
    );
    assert!(public.contains("internet-facing"));
    applied(&cloud, &public, "two").await.unwrap();
    ended(&cloud, "UPDATE_COMPLETE").await;
    assert_eq!(weights(&cloud), [0, 1]);
}

#[tokio::test]
async fn after_a_change_that_failed_the_next_one_sends_requests_where_the_tasks_are() {
    let cloud = moved_to(ServingGroup::Alternate).await;
    applied(&cloud, &blue_green("/v2/*", 256), "two")
        .await
        .unwrap();
    ended(&cloud, "UPDATE_ROLLBACK_COMPLETE").await;
    assert_eq!(weights(&cloud), [1, 0]);
    applied(&cloud, &blue_green("/v3/*", 256), "three")
        .await
        .unwrap();
    ended(&cloud, "UPDATE_COMPLETE").await;
    assert_eq!(weights(&cloud), [0, 1]);
}

#[tokio::test]
async fn a_strategy_without_the_alternate_target_group_is_warned_of_while_that_one_serves() {
    let rolling = blue_green("/api/*", 256).replace("BLUE_GREEN", "ROLLING");
    let cloud = moved_to(ServingGroup::Alternate).await;
    let (_, warnings) = planned(&cloud, &rolling).await;
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("deploy the service once more before"));
    let cloud = moved_to(ServingGroup::First).await;
    let (outcome, warnings) = planned(&cloud, &rolling).await;
    assert_eq!((outcome, warnings), (PlanOutcome::Update, Vec::new()));
}

#[tokio::test]
async fn a_rule_is_not_changed_while_a_deployment_moves_requests_by_it() {
    let cloud = moved_to(ServingGroup::Both).await;
    let file = blue_green("/v2/*", 256);
    let before = cloud.stack_template(STACK);
    let (_, warnings) = planned(&cloud, &file).await;
    assert!(warnings[0].contains("a deployment of `api` is moving requests"));
    let error = applied(&cloud, &file, "two").await.unwrap_err();
    assert!(
        error.to_string().contains("when the deployment has ended"),
        "{error}"
    );

    // A file waits for the reconcile, and waits again while the deployment goes on.
    let waiting = async || record(&cloud).await.pending_file.is_some();
    uploaded(&cloud, &file).await.unwrap();
    assert!(waiting().await);
    for (minute, group) in [(15, ServingGroup::Both), (30, ServingGroup::Alternate)] {
        let worker = worker("reconcile", minute * 60);
        let found = reconcile(&cloud, &settings(), &worker).await.unwrap();
        assert_eq!(found.failures, Vec::<String>::new());
        assert!(waiting().await, "before minute {minute}");
        assert_eq!(cloud.stack_template(STACK), before);
        cloud.set_serving_group(&subscriber(), group);
    }
    reconcile(&cloud, &settings(), &worker("reconcile", 45 * 60))
        .await
        .unwrap();
    ended(&cloud, "UPDATE_COMPLETE").await;
    assert!(!waiting().await);
    assert_eq!(weights(&cloud), [0, 1]);
}

#[tokio::test]
async fn what_does_not_touch_the_rule_is_applied_while_a_deployment_moves_requests() {
    let cloud = moved_to(ServingGroup::Both).await;
    applied(&cloud, &blue_green("/api/*", 512), "two")
        .await
        .unwrap();
    ended(&cloud, "UPDATE_COMPLETE").await;
    assert_eq!(weights(&cloud), [1, 0]);
}

#[tokio::test]
async fn a_plan_after_a_failed_creation_says_that_the_remains_go_first_and_deletes_nothing() {
    let cloud = account();
    applied(&cloud, &stack_file(256), "one").await.unwrap();
    ended(&cloud, "ROLLBACK_COMPLETE").await;
    let plan = plan(&cloud, &settings(), &reading(&stack_file(256)), "two")
        .await
        .unwrap();
    assert_eq!(plan.outcome, PlanOutcome::Recreate);
    assert!(!plan.changes.is_empty());
    assert_eq!(
        cloud.stack_status(STACK).as_deref(),
        Some("ROLLBACK_COMPLETE")
    );
}

#[tokio::test]
async fn rendering_for_terraform_gives_the_stacks_own_template_when_only_the_image_differs() {
    let cloud = account();
    built(&cloud, &stack_file(256)).await;
    let first = render(&cloud, &settings(), &reading(&stack_file(256)))
        .await
        .unwrap();
    longshore_provisioning::routes::write_routes(&cloud, STACK)
        .await
        .unwrap();
    pushed(&cloud).await;
    let second = render(&cloud, &settings(), &reading(&stack_file(256)))
        .await
        .unwrap();
    assert_eq!(second.outputs, first.outputs);
    assert_eq!(second.stack, STACK);
    assert!(first.outputs.contains_key("cluster_name"));
}

#[tokio::test]
async fn terraform_may_make_a_service_before_its_image_and_it_waits_without_tasks() {
    let cloud = FakeCloud::default();
    cloud.lack_images(&["shop/api:v1"]);
    let rendered = render(&cloud, &settings(), &reading(&stack_file(256)))
        .await
        .unwrap();
    assert_eq!(
        rendered.waits_for_images,
        [("api".to_owned(), "shop/api:v1".to_owned())].into()
    );
    assert_eq!(rendered.warnings.len(), 1, "{:#?}", rendered.warnings);
    let template = cloud.kept_template(&rendered.template_url).unwrap();
    let service = &template["Resources"]["ServiceApi"];
    assert_eq!(service["Properties"]["DesiredCount"], 0);
    let metadata = &template["Metadata"]["Longshore"]["Services"]["api"];
    assert_eq!(metadata["Rollout"]["first_tasks"], 1);

    cloud.lack_images(&[]);
    cloud.add_image("shop/api", "v1", image(1));
    let rendered = render(&cloud, &settings(), &reading(&stack_file(256)))
        .await
        .unwrap();
    assert!(rendered.waits_for_images.is_empty());
    let template = cloud.kept_template(&rendered.template_url).unwrap();
    let service = &template["Resources"]["ServiceApi"];
    assert_eq!(service["Properties"]["DesiredCount"], Value::Null);
}

#[tokio::test]
async fn longshore_itself_does_not_apply_a_stack_whose_image_is_not_there() {
    let cloud = FakeCloud::default();
    cloud.lack_images(&["shop/api:v1"]);
    let error = applied(&cloud, &stack_file(256), "one").await.unwrap_err();
    assert!(format!("{error:?}").contains("push it first"), "{error:?}");
}

/// CloudFormation imports a log group that is there only where a change set of Longshore's says so. Terraform's next
/// apply would fail for a log group that outlived the first one.
#[tokio::test]
async fn a_log_group_outlives_a_failed_creation_only_where_the_next_one_imports_it() {
    let cloud = account();
    let rendered = render(&cloud, &settings(), &reading(&stack_file(256)))
        .await
        .unwrap();
    let terraforms = cloud.kept_template(&rendered.template_url).unwrap();
    let group = |template: &Value| template["Resources"]["LogGroupApi"]["DeletionPolicy"].clone();
    assert_eq!(group(&terraforms), "RetainExceptOnCreate");
    applied(&cloud, &stack_file(256), "one").await.unwrap();
    assert_eq!(group(&cloud.stack_template(STACK).unwrap()), "Retain");
}

#[tokio::test]
async fn the_drift_of_a_stack_that_is_not_there_is_refused() {
    let cloud = account();
    let error = drift(&cloud, STACK).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "detect the drift of stack shop: there is no such stack"
    );
}

#[tokio::test]
async fn a_plan_names_what_an_override_changes_and_what_a_stack_file_adds() {
    let cloud = account();
    built(&cloud, &stack_file(256)).await;
    let file = format!(
        "{}
    overrides: {{log_group: {{RetentionInDays: 14}}}}
resources:
  QueueAlarm: {{Type: 'AWS::CloudWatch::Alarm', Properties: {{Threshold: 1}}}}
",
        stack_file(256).trim_end()
    );
    let plan = plan(&cloud, &settings(), &reading(&file), "two")
        .await
        .unwrap();
    let changes = plan.changes.iter();
    let changes: Vec<_> = changes
        .map(|change| (change.logical_id.as_str(), change.action))
        .collect();
    assert_eq!(
        changes,
        [("LogGroupApi", Action::Change), ("QueueAlarm", Action::Add)]
    );
}
