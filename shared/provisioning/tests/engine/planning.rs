use longshore_provisioning::drift::drift;
use longshore_provisioning::plan::{PlanOutcome, plan};
use longshore_provisioning::ports::Action;
use longshore_provisioning::render::render;

use crate::scene::{STACK, account, applied, built, ended, pushed, reading, settings, stack_file};

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

#[tokio::test]
async fn a_change_of_a_rule_that_ecs_changes_too_is_warned_of() {
    let cloud = account();
    built(&cloud, &blue_green("/api/*", 256)).await;
    let warnings = async |file: &str| {
        let plan = plan(&cloud, &settings(), &reading(file), "two").await;
        let warnings = plan.unwrap().warnings.into_iter();
        warnings.map(|one| one.path).collect::<Vec<_>>()
    };
    assert_eq!(
        warnings(&blue_green("/v2/*", 256)).await,
        ["services.api.target_group"]
    );
    assert_eq!(
        warnings(&blue_green("/api/*", 256).replace("BLUE_GREEN", "ROLLING")).await,
        ["services.api.target_group"]
    );
    assert_eq!(warnings(&blue_green("/api/*", 512)).await, [""; 0]);
    let applied = applied(&cloud, &blue_green("/v2/*", 256), "two")
        .await
        .unwrap();
    assert_eq!(applied.warnings.len(), 1);
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
async fn the_drift_of_a_stack_that_is_not_there_is_refused() {
    let cloud = account();
    let error = drift(&cloud, STACK).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "detect the drift of stack shop: there is no such stack"
    );
}
