//! What a template says of how deployments go, and of several containers.

use longshore_events::longshore::Severity;
use longshore_stack::check::check;
use longshore_stack::render::{Context, render};
use longshore_stack::spec::Stack;
use serde_json::{Value, json};

use super::support::{Template, context, json as body, stack};
use super::whole::document;

/// A stack with a load balancer, alarms and one service behind it that says this besides.
fn shop(says: Value) -> Template {
    shop_in(says, &context())
}

fn shop_in(says: Value, context: &Context) -> Template {
    let mut service = json!({
        "image": "shop/api:v1",
        "container_port": 8080,
        "target_group": {},
    });
    let fields = says.as_object().unwrap().clone();
    service.as_object_mut().unwrap().extend(fields);
    let stack: Stack = serde_json::from_value(json!({
        "name": "shop",
        "network": {"vpc_id": "vpc-1", "subnet_ids": ["subnet-1", "subnet-2"]},
        "load_balancer": {
            "subnet_ids": ["subnet-1", "subnet-2"],
            "ingress_cidr_ips": ["10.0.0.0/8"],
        },
        "alarms": {},
        "services": {"api": service},
    }))
    .unwrap();
    let errors: Vec<_> = check(&stack)
        .into_iter()
        .filter(|finding| finding.severity == Severity::Error)
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
    Template(body(&render(&stack, context)))
}

fn settings(template: &Template) -> &Value {
    &template.0["Metadata"]["Longshore"]["Services"]["api"]
}

#[test]
fn the_stack_that_says_everything_has_no_error() {
    let stack: Stack = serde_json::from_value(document()).unwrap();
    let errors: Vec<_> = check(&stack)
        .into_iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| format!("{}: {}", finding.path, finding.message))
        .collect();
    assert_eq!(errors, Vec::<String>::new());
}

#[test]
fn a_service_follows_every_tag_unless_it_says_which_and_none_if_it_says_so() {
    let follows = |says: Value| settings(&shop(says))["ImagePolicy"].clone();
    assert_eq!(follows(json!({})), json!({"tags": ["*"]}));
    assert_eq!(
        follows(json!({"image_policy": {"minimum_age_minutes": 5}})),
        json!({"tags": ["*"], "minimum_age_minutes": 5})
    );
    assert_eq!(
        follows(json!({"image_policy": {"semver": "1"}})),
        json!({"semver": "1"})
    );
    assert_eq!(follows(json!({"image_policy": {"tags": []}})), Value::Null);
}

#[test]
fn what_longshore_reads_is_a_part_of_the_service_so_that_its_change_is_one_of_the_stack() {
    let template = shop(json!({"rollout": {"deadline_minutes": 20}}));
    assert_eq!(
        &template.resource("ServiceApi")["Metadata"]["Longshore"],
        settings(&template)
    );
}

#[test]
fn variables_of_a_task_are_texts_that_may_be_written_as_numbers_and_booleans() {
    let file = "
name: shop
network: {vpc_id: vpc-1, subnet_ids: [subnet-1, subnet-2]}
services:
  api:
    image: shop/api:v1
    rollout:
      before_tasks:
        - name: migrate
          command: [migrate, '$${LATEST}']
          environment: {STEPS: 3, FORCE: true}
";
    let template = Template(body(&render(&stack(file, None), &context())));
    assert_eq!(
        settings(&template)["Rollout"]["before_tasks"],
        json!([{
            "name": "migrate",
            "command": ["migrate", "${LATEST}"],
            "environment": {"STEPS": "3", "FORCE": "true"},
            "timeout_minutes": 15,
        }])
    );
}

#[test]
fn the_deadline_leaves_room_for_the_bake_times() {
    for (deployment, minutes) in [
        (json!({}), 30),
        (json!({"strategy": "BLUE_GREEN"}), 35),
        (
            json!({"strategy": "BLUE_GREEN", "bake_time_in_minutes": 60}),
            90,
        ),
        (json!({"strategy": "CANARY"}), 30 + 10 + 5),
        // Ten steps, between which it waits nine times.
        (json!({"strategy": "LINEAR"}), 30 + 9 * 6 + 5),
        (
            json!({"strategy": "LINEAR", "linear": {"step_percent": 30, "step_bake_time_in_minutes": 2}}),
            30 + 3 * 2 + 5,
        ),
    ] {
        let template = shop(json!({"deployment_configuration": deployment.clone()}));
        assert_eq!(
            settings(&template)["Rollout"]["deadline_minutes"],
            minutes,
            "{deployment}"
        );
    }
    let said = shop(json!({
        "deployment_configuration": {"strategy": "LINEAR"},
        "rollout": {"deadline_minutes": 100},
    }));
    assert_eq!(settings(&said)["Rollout"]["deadline_minutes"], 100);
}

#[test]
fn requests_are_moved_between_two_like_target_groups_by_a_rule_that_ecs_may_change() {
    let template = shop(json!({"deployment_configuration": {"strategy": "BLUE_GREEN"}}));
    let (one, other) = ("TargetGroupApi", "AlternateTargetGroupApi");
    assert_eq!(template.properties(one), template.properties(other));
    let rule = template.properties("ListenerRuleApi");
    assert_eq!(
        rule["Actions"],
        json!([{"Type": "forward", "ForwardConfig": {"TargetGroups": [
            {"TargetGroupArn": {"Ref": one}, "Weight": 1},
            {"TargetGroupArn": {"Ref": other}, "Weight": 0},
        ]}}])
    );
    // It gets what no other service gets, which a listener's default cannot do here.
    assert_eq!(rule["Priority"], 50_000);
    assert_eq!(
        rule["Conditions"],
        json!([{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/*"]}}])
    );
    let service = template.properties("ServiceApi");
    assert_eq!(
        service["LoadBalancers"],
        json!([{
            "ContainerName": "api",
            "ContainerPort": 8080,
            "TargetGroupArn": {"Ref": one},
            "AdvancedConfiguration": {
                "AlternateTargetGroupArn": {"Ref": other},
                "ProductionListenerRule": {"Ref": "ListenerRuleApi"},
                "RoleArn": {"Fn::GetAtt": ["InfrastructureRole", "Arn"]},
            },
        }])
    );
    let role = template.properties("InfrastructureRole");
    assert_eq!(
        role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"],
        json!({"Service": ["ecs.amazonaws.com"]})
    );
    assert!(role["PermissionsBoundary"].is_string());
}

#[test]
fn a_rule_sends_requests_to_the_target_group_that_serves() {
    let weights = |services: &[&str], strategy: &str| {
        let context = Context {
            on_alternate: services.iter().map(|name| (*name).to_owned()).collect(),
            ..context()
        };
        let says = json!({"deployment_configuration": {"strategy": strategy}});
        let template = shop_in(says, &context);
        let groups =
            &template.properties("ListenerRuleApi")["Actions"][0]["ForwardConfig"]["TargetGroups"];
        [0, 1].map(|group| groups[group]["Weight"].clone())
    };
    for strategy in ["BLUE_GREEN", "LINEAR", "CANARY"] {
        assert_eq!(weights(&["api"], strategy), [0, 1], "{strategy}");
        assert_eq!(weights(&["worker"], strategy), [1, 0], "{strategy}");
    }
}

#[test]
fn a_rolling_service_has_one_target_group_and_needs_no_role() {
    let template = shop(json!({}));
    let groups = template.ids("AWS::ElasticLoadBalancingV2::TargetGroup");
    assert_eq!(groups, ["TargetGroupApi"]);
    assert!(template.0["Resources"]["InfrastructureRole"].is_null());
    assert!(template.0["Resources"]["ListenerRuleApi"].is_null());
}

#[test]
fn a_headless_service_starts_all_new_tasks_first_and_moves_no_requests() {
    let template = shop(json!({
        "target_group": null,
        "deployment_configuration": {"strategy": "BLUE_GREEN"},
    }));
    let deployment = &template.properties("ServiceApi")["DeploymentConfiguration"];
    assert_eq!(deployment["Strategy"], "BLUE_GREEN");
    assert!(template.0["Resources"]["InfrastructureRole"].is_null());
}

#[test]
fn errors_of_both_target_groups_roll_a_deployment_back() {
    let template = shop(json!({"deployment_configuration": {
        "strategy": "CANARY",
        "alarms": ["target_5xx_count", "orders-are-lost"],
    }}));
    assert_eq!(
        template.properties("ServiceApi")["DeploymentConfiguration"]["Alarms"],
        json!({
            "AlarmNames": [{"Ref": "TargetErrorsAlarmApi"}, "orders-are-lost"],
            "Enable": true,
            "Rollback": true,
        })
    );
    let alarm = template.properties("TargetErrorsAlarmApi").to_string();
    for group in ["TargetGroupApi", "AlternateTargetGroupApi"] {
        assert!(alarm.contains(&format!("\"{group}\"")), "{alarm}");
    }
}

#[test]
fn requests_come_to_the_container_that_is_to_get_them() {
    let template = shop(json!({
        "target_group": {"container_name": "proxy"},
        "sidecars": {"proxy": {"image": "shop/proxy:v1", "container_port": 8443}},
    }));
    let target = &template.properties("ServiceApi")["LoadBalancers"][0];
    assert_eq!(
        (&target["ContainerName"], &target["ContainerPort"]),
        (&json!("proxy"), &json!(8443))
    );
    assert_eq!(template.properties("TargetGroupApi")["Port"], 8443);
    let group = template.properties("SecurityGroupApi");
    assert_eq!(group["SecurityGroupIngress"][0]["FromPort"], 8443);
    let egress = template.properties("LoadBalancerEgressApi");
    assert_eq!(egress["FromPort"], 8443);
}

#[test]
fn the_execution_role_starts_every_container_of_a_task() {
    let template = shop(json!({
        "sidecars": {"proxy": {
            "image": "shop/proxy:v1",
            "secrets": {"KEY": {"value": "hunter2"}},
        }},
    }));
    let pull = template.statement("ExecutionRoleApi", "Pull");
    assert_eq!(pull["Resource"].as_array().map(Vec::len), Some(2));
    let reads = template.statement("ExecutionRoleApi", "ReadSecrets");
    assert_eq!(reads["Resource"], json!([{"Ref": "SecretApiProxyKey"}]));
    let secret = template.properties("SecretApiProxyKey");
    assert_eq!(secret["Name"], "shop/api/proxy/KEY");
    assert!(!template.0.to_string().contains("hunter2"));
}

#[test]
fn the_execution_role_reads_a_log_routers_configuration_from_s3_and_nothing_beside_it() {
    let router = |options: Value| {
        shop(json!({
            "log_options": {"Name": "http"},
            "sidecars": {"router": {
                "image": "shop/router:v1",
                "firelens_configuration": {"type": "fluentbit", "options": options},
            }},
        }))
    };
    let file = "arn:aws:s3:::shop-logging/fluent-bit/api.conf";
    let template = router(json!({"config-file-type": "s3", "config-file-value": file}));
    let role = "ExecutionRoleApi";
    assert_eq!(
        template.statement(role, "ReadLogRouterConfiguration")["Resource"],
        json!([file])
    );
    assert_eq!(
        template.statement(role, "FindLogRouterConfiguration")["Resource"],
        json!(["arn:aws:s3:::shop-logging"])
    );
    let template = router(json!({"config-file-type": "file", "config-file-value": "/api.conf"}));
    let statements = template.statements(role);
    let sids: Vec<&Value> = statements
        .iter()
        .map(|statement| &statement["Sid"])
        .collect();
    assert!(
        !sids.contains(&&json!("ReadLogRouterConfiguration")),
        "{sids:?}"
    );
}

#[test]
fn containers_see_the_same_volume_where_they_mount_the_same() {
    let template = shop(json!({
        "mount_points": [{"container_path": "/run/shared"}],
        "sidecars": {"proxy": {
            "image": "shop/proxy:v1",
            "mount_points": [{"container_path": "/run/shared", "read_only": true}],
        }},
    }));
    let task_definition = template.properties("TaskDefinitionApi");
    assert_eq!(
        task_definition["Volumes"],
        json!([{"Name": "ScratchRunShared"}])
    );
    let containers = task_definition["ContainerDefinitions"].as_array().unwrap();
    let mounts: Vec<&Value> = containers
        .iter()
        .map(|container| &container["MountPoints"][0])
        .collect();
    assert_eq!(mounts[0]["SourceVolume"], mounts[1]["SourceVolume"]);
    assert_eq!(
        (&mounts[0]["ReadOnly"], &mounts[1]["ReadOnly"]),
        (&json!(false), &json!(true))
    );
}

#[test]
fn a_log_router_gets_what_the_services_own_container_writes() {
    let template = shop(json!({
        "log_options": {"Name": "http", "Port": 443},
        "sidecars": {"router": {
            "image": "shop/router:v1",
            "firelens_configuration": {"type": "fluentbit"},
        }},
    }));
    let containers = &template.properties("TaskDefinitionApi")["ContainerDefinitions"];
    assert_eq!(
        containers[0]["LogConfiguration"],
        json!({"LogDriver": "awsfirelens", "Options": {"Name": "http", "Port": "443"}})
    );
    assert_eq!(
        containers[1]["FirelensConfiguration"],
        json!({"Type": "fluentbit"})
    );
    assert_eq!(containers[1]["LogConfiguration"]["LogDriver"], "awslogs");
}
