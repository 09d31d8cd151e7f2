//! What a template says of its stack.

use std::collections::BTreeMap;

use longshore_policy::template::TemplateMetadata;
use longshore_stack::outputs::{names, outputs};
use longshore_stack::render::{Context, metadata, render, with_images_of, without_images};
use longshore_stack::spec::Stack;
use serde_json::{Value, json};

use super::support::{STACKS, Template, context, file, json as body, rendered, stack};
use super::whole::document;

fn of(document: &Value) -> Stack {
    serde_json::from_value(document.clone()).unwrap()
}

fn template(document: &Value) -> Template {
    Template(body(&render(&of(document), &context())))
}

/// A stack with one service that says this.
fn service(mut says: Value) -> Template {
    says["image"] = json!(says["image"].as_str().unwrap_or("api:v1"));
    template(&json!({
        "name": "shop",
        "network": {"vpc_id": "vpc-1", "subnet_ids": ["subnet-1", "subnet-2"]},
        "services": {"api": says},
    }))
}

#[test]
fn a_sensitive_value_is_a_parameter_and_nowhere_in_the_template() {
    let rendered = render(&of(&document()), &context());
    assert!(!rendered.body.contains("hunter2"));
    let value = &rendered.parameters["SensitiveValueApiPassword"];
    assert_eq!(value.reveal(), "hunter2");
    assert!(!format!("{rendered:?}").contains("hunter2"));

    let template = Template(body(&rendered));
    let parameter = &template.0["Parameters"]["SensitiveValueApiPassword"];
    assert_eq!(
        (&parameter["Type"], &parameter["NoEcho"]),
        (&json!("String"), &json!(true))
    );
    let secret = template.properties("SecretApiPassword");
    assert_eq!(secret["Name"], "shop/api/PASSWORD");
    assert_eq!(
        secret["SecretString"],
        json!({"Ref": "SensitiveValueApiPassword"})
    );
    assert_eq!(
        template.secret("Api", "PASSWORD"),
        &json!({"Ref": "SecretApiPassword"})
    );
    let reads = template.statement("ExecutionRoleApi", "ReadSecrets");
    assert!(
        reads["Resource"]
            .as_array()
            .unwrap()
            .contains(&json!({"Ref": "SecretApiPassword"}))
    );
}

#[test]
fn secrets_are_read_by_the_arn_that_ecs_takes_and_by_no_other() {
    let full = "arn:aws:secretsmanager:eu-west-2:1:secret:shop/full-a1B2c3";
    let partial = "arn:aws:secretsmanager:eu-west-2:1:secret:shop/partial";
    let parameter = "arn:aws:ssm:eu-west-2:1:parameter/shop/level";
    let template = service(json!({"secrets": {
        "FULL": {"value_from": full},
        "KEYED": {"value_from": full, "json_key": "inner"},
        "LEVEL": {"value_from": parameter},
        "NAMED": {"value_from": "shop/named"},
        "PARTIAL": {"value_from": partial, "json_key": "inner"},
    }}));
    let named =
        "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:shop/named";
    for (variable, value_from) in [
        ("FULL", json!(full)),
        ("KEYED", json!(format!("{full}:inner::"))),
        ("LEVEL", json!(parameter)),
        ("NAMED", json!({"Fn::Sub": named})),
        ("PARTIAL", json!(format!("{partial}:inner::"))),
    ] {
        assert_eq!(template.secret("Api", variable), &value_from);
    }
    let reads = template.statement("ExecutionRoleApi", "ReadSecrets");
    assert_eq!(
        reads["Resource"],
        json!([
            {"Fn::Sub": format!("{named}-??????")},
            full,
            format!("{full}-??????"),
            format!("{partial}-??????"),
        ])
    );
    let parameters = template.statement("ExecutionRoleApi", "ReadParameters");
    assert_eq!(parameters["Resource"], json!([parameter]));
}

#[test]
fn a_secret_that_was_looked_up_is_named_by_its_complete_arn() {
    let name = "shop/app-config";
    let arn = format!("arn:aws:secretsmanager:eu-west-2:1:secret:{name}-a1B2c3");
    let stack = of(&json!({
        "name": "shop",
        "network": {"vpc_id": "vpc-1", "subnet_ids": ["subnet-1", "subnet-2"]},
        "services": {"api": {"image": "api:v1", "secrets": {
            "KEYED": {"value_from": name, "json_key": "inner"},
            "WHOLE": {"value_from": name},
        }}},
    }));
    let context = Context {
        secrets: [(name.to_owned(), arn.clone())].into(),
        ..context()
    };
    let template = Template(body(&render(&stack, &context)));
    assert_eq!(template.secret("Api", "WHOLE"), &json!(arn));
    assert_eq!(
        template.secret("Api", "KEYED"),
        &json!(format!("{arn}:inner::"))
    );
    let reads = template.statement("ExecutionRoleApi", "ReadSecrets");
    assert_eq!(reads["Resource"], json!([arn]), "and no other secret");
}

#[test]
fn a_key_of_ones_own_may_be_used_through_secrets_manager_only() {
    let template = template(&document());
    let decrypt = template.statement("ExecutionRoleApi", "Decrypt");
    assert_eq!(
        decrypt["Resource"],
        json!(["arn:aws:kms:eu-west-2:123456789012:key/0a1b2c3d-0000-0000-0000-000000000003"])
    );
    let through = &decrypt["Condition"]["StringEquals"]["kms:ViaService"];
    assert_eq!(
        through[0]["Fn::Sub"],
        "secretsmanager.${AWS::Region}.${AWS::URLSuffix}"
    );
}

#[test]
fn roles_stay_within_their_path_and_boundary() {
    let template = template(&document());
    let roles = template.ids("AWS::IAM::Role");
    assert!(roles.len() >= 5, "{roles:?}");
    for role in roles {
        let properties = template.properties(role);
        assert_eq!(properties["Path"], "/longshore/");
        assert_eq!(
            properties["PermissionsBoundary"],
            "arn:aws:iam::123456789012:policy/longshore-boundary"
        );
        assert!(properties["RoleName"].is_null());
    }
    let without = render(&of(&document()), &Context::default());
    assert!(!without.body.contains("PermissionsBoundary"));
}

#[test]
fn pseudo_parameters_are_filled_in_and_doubled_dollars_are_not() {
    let template = service(json!({
        "environment": {"PLACE": "${AWS::Region}", "LITERAL": "$${HOME}", "BOTH": "$${HOME} ${AWS::Region}"},
        "command": ["sh", "-c", "echo $${HOME}"],
    }));
    assert_eq!(
        template.variable("Api", "PLACE"),
        &json!({"Fn::Sub": "${AWS::Region}"})
    );
    assert_eq!(template.variable("Api", "LITERAL"), "${HOME}");
    assert_eq!(
        template.variable("Api", "BOTH"),
        &json!({"Fn::Sub": "${!HOME} ${AWS::Region}"})
    );
    assert_eq!(
        template.container("Api")["Command"],
        json!(["sh", "-c", "echo ${HOME}"])
    );
}

#[test]
fn what_the_stack_file_says_of_a_variable_goes_before_what_follows_from_the_rest() {
    let template = service(json!({
        "log_level": "debug",
        "vault": {"address": "https://vault", "role": "api"},
        "environment": {"LOG_LEVEL": "info"},
        "secrets": {"VAULT_ROLE": {"value_from": "role"}},
        "mount_points": [{"container_path": "/scratch"}],
    }));
    assert_eq!(template.variable("Api", "LOG_LEVEL"), "info");
    assert_eq!(template.variable("Api", "VAULT_ADDR"), "https://vault");
    assert!(template.variable("Api", "VAULT_ROLE").is_null());
    assert!(template.variable("Api", "VAULT_SECRET_PATHS").is_null());
    // Scratch space is not a file system.
    assert!(template.variable("Api", "EFS_MOUNT_PATH").is_null());
}

#[test]
fn the_image_that_runs_takes_the_place_of_the_stack_files_and_nothing_else_changes() {
    let stack = of(&document());
    let digest = format!("shop/api@sha256:{}", "0".repeat(64));
    let carrying = Context {
        images: BTreeMap::from([(
            "api".to_owned(),
            BTreeMap::from([("server".to_owned(), digest.clone())]),
        )]),
        ..context()
    };
    let (before, after) = (render(&stack, &context()), render(&stack, &carrying));
    let template = Template(body(&after));
    assert_eq!(
        template.container("Api")["Image"],
        json!({"Fn::Sub": format!(
            "${{AWS::AccountId}}.dkr.ecr.${{AWS::Region}}.${{AWS::URLSuffix}}/{digest}"
        )})
    );
    let metadata = &template.0["Metadata"]["Longshore"]["Services"]["api"];
    assert_eq!(metadata["Image"], "shop/api:v1");
    assert_ne!(before.body, after.body);
    assert_eq!(without_images(&before.body), without_images(&after.body));

    let mut other = document();
    other["services"]["api"]["cpu"] = json!(1024);
    let other = render(&of(&other), &context());
    assert_ne!(without_images(&before.body), without_images(&other.body));
    assert_eq!(with_images_of(&other.body, &after.body), None);
}

#[test]
fn what_only_longshore_reads_is_changed_without_the_images() {
    let images = |digit: &str| Context {
        images: BTreeMap::from([(
            "api".to_owned(),
            BTreeMap::from([(
                "proxy".to_owned(),
                format!("shop/proxy@sha256:{}", digit.repeat(64)),
            )]),
        )]),
        ..context()
    };
    let deployed = render(&of(&document()), &images("a"));
    let mut document = document();
    document["services"]["api"]["rollout"]["deadline_minutes"] = json!(50);
    let stack = of(&document);
    let now = render(&stack, &images("b"));
    assert_eq!(
        with_images_of(&now.body, &deployed.body),
        Some(render(&stack, &images("a")).body)
    );
}

#[test]
fn images_of_other_registries_are_taken_as_they_are_and_not_followed() {
    for (image, arn) in [
        ("public.ecr.aws/nginx/nginx:1.29", None),
        (
            "210987654321.dkr.ecr.eu-west-1.amazonaws.com/shop/api:v1",
            Some("arn:${AWS::Partition}:ecr:eu-west-1:210987654321:repository/shop/api"),
        ),
        (
            "210987654321.dkr-ecr.eu-west-1.on.aws/shop/api:v1",
            Some("arn:${AWS::Partition}:ecr:eu-west-1:210987654321:repository/shop/api"),
        ),
        (
            "210987654321.dkr.ecr-fips.us-gov-west-1.amazonaws.com/shop/api:v1",
            Some("arn:${AWS::Partition}:ecr:us-gov-west-1:210987654321:repository/shop/api"),
        ),
        (
            "210987654321.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn/shop/api:v1",
            Some("arn:${AWS::Partition}:ecr:cn-north-1:210987654321:repository/shop/api"),
        ),
    ] {
        let template = service(json!({"image": image}));
        assert_eq!(template.container("Api")["Image"], image);
        let metadata = &template.0["Metadata"]["Longshore"]["Services"]["api"];
        assert!(metadata["Repository"].is_null());
        let statements = template.statements("ExecutionRoleApi");
        let mut pulls = statements
            .iter()
            .filter(|statement| statement["Sid"] == "Pull");
        let pull = pulls.next().map(|statement| &statement["Resource"]);
        assert_eq!(pull, arn.map(|arn| json!([{"Fn::Sub": arn}])).as_ref());
    }
}

#[test]
fn a_sidecar_of_a_dual_stack_registry_may_be_pulled_too() {
    let template = service(json!({
        "image": "shop/api:v1@sha256:0000000000000000000000000000000000000000000000000000000000000001",
        "sidecars": {
            "proxy": {"image": "210987654321.dkr-ecr-fips.us-east-1.on.aws/shop/proxy:v3"},
        },
    }));
    assert_eq!(
        template.statement("ExecutionRoleApi", "Pull")["Resource"],
        json!([
            {"Fn::Sub": "arn:${AWS::Partition}:ecr:${AWS::Region}:${AWS::AccountId}:repository/shop/api"},
            {"Fn::Sub": "arn:${AWS::Partition}:ecr:us-east-1:210987654321:repository/shop/proxy"},
        ])
    );
    let image = &template.container("Api")["Image"]["Fn::Sub"];
    assert!(
        image.as_str().unwrap().ends_with(
            "/shop/api@sha256:0000000000000000000000000000000000000000000000000000000000000001"
        ),
        "the digest counts: {image}"
    );
}

#[test]
fn the_metadata_says_what_routes_are_made_from() {
    let template = template(&document());
    let metadata = &template.0["Metadata"]["Longshore"];
    assert_eq!(
        (&metadata["Version"], &metadata["Stack"]),
        (&json!(1), &json!("shop"))
    );
    assert!(metadata["Environment"].is_null());
    assert_eq!(
        metadata["Services"]["api"],
        json!({
            "Repository": "shop/api",
            "Cluster": "shop-cluster",
            "EcsService": "the-api",
            "Container": "server",
            "OtherContainers": ["setup"],
            "ImagePolicy": {
                "tag_pattern": "v(?P<version>.+)",
                "semver": ">=1, <3",
                "pre_releases": true,
                "moved_tags": true,
                "minimum_age_minutes": 5,
            },
            "CpuArchitecture": "ARM64",
            "Rollout": {
                "deadline_minutes": 45,
                "before_tasks": [{
                    "name": "migrate",
                    "command": ["migrate", "--to", "${LATEST}"],
                    "environment": {"STEPS": "3"},
                    "timeout_minutes": 20,
                }],
                "after_tasks": [{"name": "warm-up", "command": ["warm-up"], "timeout_minutes": 15}],
                "freeze_windows": [
                    {"cron": "0 18 * * FRI", "time_zone": "Europe/London", "duration_minutes": 3600},
                ],
                "approval": {"expires_after_minutes": 120},
            },
            "Image": "shop/api:v1",
            "Sidecars": {
                "agent": {"Image": "public.ecr.aws/agents/agent:2"},
                "proxy": {
                    "Repository": "shop/proxy",
                    "ImagePolicy": {"tags": ["stable"]},
                    "Image": "shop/proxy:v1",
                },
                "router": {"Image": "public.ecr.aws/aws-observability/aws-for-fluent-bit:2"},
            },
        })
    );
}

#[test]
fn what_holds_data_stays_unless_the_stack_file_lets_it_go() {
    let policies = |template: &Template, id: &str| {
        let resource = template.resource(id);
        (
            resource["DeletionPolicy"].clone(),
            resource["UpdateReplacePolicy"].clone(),
        )
    };
    let said = template(&document());
    assert_eq!(
        policies(&said, "FileSystemData"),
        (json!("Delete"), json!("Retain"))
    );
    assert_eq!(
        policies(&said, "TaskDefinitionApi"),
        (json!("Retain"), json!("Retain"))
    );
    let kept = Template::of("homebrew-bottles-sync", "prod");
    assert_eq!(
        policies(&kept, "FileSystemBottles"),
        (json!("RetainExceptOnCreate"), json!("Retain"))
    );
}

#[test]
fn only_a_log_that_the_next_creation_imports_and_whose_key_stays_outlives_a_failed_one() {
    let policy = |imports_log_groups, says: Value| {
        let context = Context {
            imports_log_groups,
            ..context()
        };
        let mut document = document();
        document["logs"] = says;
        let template = Template(body(&render(&of(&document), &context)));
        template.resource("LogGroupApi")["DeletionPolicy"].clone()
    };
    assert_eq!(policy(true, json!({})), "Retain");
    assert_eq!(policy(false, json!({})), "RetainExceptOnCreate");
    let own_key = json!({"encryption": "stack_key"});
    assert_eq!(policy(true, own_key), "RetainExceptOnCreate");
}

#[test]
fn a_file_system_refers_to_nothing_else_and_says_whose_it_is() {
    let template = Template::of("homebrew-bottles-sync", "prod");
    let file_system = template.resource("FileSystemBottles");
    assert!(file_system["DependsOn"].is_null());
    let text = file_system.to_string();
    assert!(
        !text.contains("Fn::GetAtt") && !text.contains(r#""Ref""#),
        "{text}"
    );
    let tag = |key| template.attribute("FileSystemBottles", "FileSystemTags", key);
    assert_eq!(tag("longshore:stack"), "homebrew-bottles-sync-prod");
    assert_eq!(tag("longshore:file-system"), "bottles");
}

#[test]
fn root_may_use_a_file_system_as_root_and_nobody_else_may() {
    let root = "elasticfilesystem:ClientRootAccess";
    for (says, access_point, is_granted) in [
        (json!({}), None, true),
        (json!({"user": "0:0"}), None, true),
        (json!({"user": "root"}), None, true),
        (json!({"user": "1000"}), None, false),
        (json!({}), Some("app"), false),
        (json!({"user": "1000"}), Some("root"), true),
    ] {
        let mut says = says;
        says["image"] = json!("api:v1");
        says["mount_points"] = json!([
            {"file_system": "data", "access_point": access_point, "container_path": "/data"}
        ]);
        let template = template(&json!({
            "name": "shop",
            "network": {"vpc_id": "vpc-1", "subnet_ids": ["subnet-1", "subnet-2"]},
            "file_systems": {"data": {"access_points": {
                "app": {"posix_user": {"uid": 1000, "gid": 1000}},
                "root": {"posix_user": {"uid": 0, "gid": 0}},
            }}},
            "services": {"api": says},
        }));
        let statements = template.statements("TaskRoleApi");
        let actions = &statements[0]["Action"];
        assert_eq!(
            actions.as_array().unwrap().contains(&json!(root)),
            is_granted,
            "{says}: {actions}"
        );
    }
}

#[test]
fn a_service_mounts_only_what_it_says_and_only_as_it_says() {
    let mut document = document();
    document["services"]["api"]["mount_points"][0]["read_only"] = json!(true);
    let template = template(&document);
    let statements = template.statements("TaskRoleApi");
    let mut mounts = statements
        .iter()
        .filter(|statement| statement["Action"][0] == "elasticfilesystem:ClientMount");
    assert_eq!(
        mounts.next().unwrap()["Action"],
        json!(["elasticfilesystem:ClientMount"])
    );
    assert!(mounts.next().is_none());
    // The groups that exist may mount too, and `mirror`; `web` and `jobs` may not.
    let ingress: Vec<&str> = template
        .ids("AWS::EC2::SecurityGroupIngress")
        .into_iter()
        .filter(|id| id.starts_with("MountIngress"))
        .collect();
    assert_eq!(
        ingress,
        [
            "MountIngressDataApi",
            "MountIngressDataApiSg0a1b2c3d4e5f60002",
            "MountIngressDataMirror"
        ]
    );
}

#[test]
fn a_security_group_lets_out_everything_unless_it_says_what() {
    let template = service(json!({}));
    let egress = &template.properties("SecurityGroupApi")["SecurityGroupEgress"];
    assert_eq!(egress[0]["IpProtocol"], "-1");
    let template = service(json!({"security_group": {"egress": []}}));
    let egress = &template.properties("SecurityGroupApi")["SecurityGroupEgress"];
    assert_eq!(egress[0]["CidrIp"], "255.255.255.255/32");
    let template = service(json!({"security_group_ids": ["sg-1"]}));
    assert!(template.ids("AWS::EC2::SecurityGroup").is_empty());
}

#[test]
fn an_internal_load_balancer_without_certificates_listens_to_http_and_lets_nobody_in_unasked() {
    let template = template(&json!({
        "name": "shop",
        "network": {"vpc_id": "vpc-1", "subnet_ids": ["subnet-1", "subnet-2"]},
        "load_balancer": {"subnet_ids": ["subnet-1", "subnet-2"]},
        "services": {"api": {"image": "api:v1", "container_port": 80, "target_group": {
            "path_patterns": ["/api"], "priority": 1,
        }}},
    }));
    assert_eq!(template.properties("LoadBalancer")["Scheme"], "internal");
    let group = template.properties("LoadBalancerSecurityGroup");
    assert!(group["SecurityGroupIngress"].is_null());
    assert_eq!(
        template.ids("AWS::ElasticLoadBalancingV2::Listener"),
        ["HttpListener"]
    );
    // Nobody gets what no rule is for.
    let action = &template.properties("HttpListener")["DefaultActions"][0];
    assert_eq!(action["FixedResponseConfig"]["StatusCode"], "404");
    assert_eq!(
        template.properties("ServiceApi")["HealthCheckGracePeriodSeconds"],
        60
    );
}

#[test]
fn a_service_that_may_rest_at_zero_scales_by_steps_even_if_no_periods_are_said() {
    let template = service(json!({"scaling": {
        "min_capacity": 0, "max_capacity": 3,
        "custom_metrics": [{"namespace": "Shop", "metric_name": "Waiting", "target_value": 1}],
    }}));
    let out = template.properties("ScaleOutAlarmApiShopWaiting");
    assert_eq!(out["EvaluationPeriods"], 3);
    let back = template.properties("ScaleInAlarmApi");
    // One metric needs no expression.
    assert_eq!(
        (&back["MetricName"], &back["EvaluationPeriods"]),
        (&json!("Waiting"), &json!(15))
    );
    assert_eq!(
        (&back["Threshold"], &back["ComparisonOperator"]),
        (&json!(1), &json!("LessThanThreshold"))
    );
}

#[test]
fn the_desired_count_is_left_alone_where_the_file_says_none_and_where_there_is_scaling() {
    let unsaid = service(json!({}));
    assert!(unsaid.properties("ServiceApi")["DesiredCount"].is_null());
    let none = service(json!({"desired_count": 0}));
    assert_eq!(none.properties("ServiceApi")["DesiredCount"], 0);
    let fixed = service(json!({"desired_count": 3}));
    assert_eq!(fixed.properties("ServiceApi")["DesiredCount"], 3);
    let scaled = service(json!({"desired_count": 3, "scaling": {
        "max_capacity": 5, "target_cpu_utilization": 50,
    }}));
    assert!(scaled.properties("ServiceApi")["DesiredCount"].is_null());
}

#[test]
fn whether_tasks_are_evened_out_among_zones_is_always_said() {
    let rebalancing = "AvailabilityZoneRebalancing";
    for (says, expected) in [
        (json!({}), "ENABLED"),
        (json!({"availability_zone_rebalancing": false}), "DISABLED"),
        // ECS refuses the two together.
        (
            json!({"deployment_configuration": {
                "minimum_healthy_percent": 0, "maximum_percent": 100,
            }}),
            "DISABLED",
        ),
    ] {
        let template = service(says.clone());
        assert_eq!(
            template.properties("ServiceApi")[rebalancing],
            expected,
            "{says}"
        );
    }
}

#[test]
fn a_circuit_breaker_is_on_off_or_as_it_is_said_in_all_its_parts() {
    let breaker = |says: Value| {
        let template = service(json!({
            "deployment_configuration": {"deployment_circuit_breaker": says},
        }));
        template.properties("ServiceApi")["DeploymentConfiguration"]["DeploymentCircuitBreaker"]
            .clone()
    };
    assert_eq!(
        breaker(json!(true)),
        json!({"Enable": true, "Rollback": true})
    );
    assert_eq!(
        breaker(json!(false)),
        json!({"Enable": false, "Rollback": false})
    );
    let threshold = json!({"type": "COUNT", "value": 3});
    assert_eq!(
        breaker(json!({"threshold_configuration": threshold})),
        json!({
            "Enable": true, "Rollback": true,
            "ThresholdConfiguration": {"Type": "COUNT", "Value": 3},
        })
    );
    assert_eq!(
        breaker(json!({"rollback": false, "reset_on_healthy_task": false})),
        json!({"Enable": true, "Rollback": false, "ResetOnHealthyTask": false})
    );
}

#[test]
fn the_outputs_are_read_by_the_names_of_what_they_are_of() {
    let stack = of(&document());
    let names = names(&stack, &render(&stack, &context()).outputs);
    assert_eq!(names["cluster_id"], "ClusterArn");
    assert_eq!(names["efs_access_point_id"], "AccessPointIdDataWeb");
    // There are several of these.
    assert!(!names.contains_key("service_name") && !names.contains_key("asg_name"));

    let values = [
        ("ClusterName", "shop-cluster"),
        ("ClusterArn", "arn:aws:ecs:eu-west-2:1:cluster/shop-cluster"),
        ("Services", "api,jobs"),
        (
            "ServiceArnApi",
            "arn:aws:ecs:eu-west-2:1:service/shop-cluster/the-api",
        ),
        (
            "TaskDefinitionArnApi",
            "arn:aws:ecs:eu-west-2:1:task-definition/api-family:7",
        ),
        (
            "LogGroupArnApi",
            "arn:aws:logs:eu-west-2:1:log-group:/ecs/shop/api",
        ),
        ("ContainerNameApi", "server"),
        (
            "ServiceArnJobs",
            "arn:aws:ecs:eu-west-2:1:service/shop-cluster/shop-jobs",
        ),
        ("FileSystems", "data"),
        ("FileSystemIdData", "fs-1"),
        (
            "FileSystemArnData",
            "arn:aws:elasticfilesystem:eu-west-2:1:file-system/fs-1",
        ),
        ("AccessPoints", "data/web"),
        ("AccessPointIdDataWeb", "fsap-1"),
        ("Capacity", "main"),
        ("AutoScalingGroupNameMain", "group-1"),
        ("CapacityProviderNameMain", "longshore-shop-main"),
    ];
    let values = values.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let read = outputs(&BTreeMap::from(values));
    insta::assert_json_snapshot!("outputs-of-several-services", read);
}

#[test]
fn the_outputs_of_the_only_service_are_at_the_top_too() {
    let values = [
        ("ClusterName", "shop"),
        ("Services", "api"),
        (
            "ServiceArnApi",
            "arn:aws:ecs:eu-west-2:1:service/shop/shop-api",
        ),
        (
            "TaskDefinitionArnApi",
            "arn:aws:ecs:eu-west-2:1:task-definition/shop-api:7",
        ),
        (
            "LogGroupArnApi",
            "arn:aws:logs:eu-west-2:1:log-group:/ecs/shop/api",
        ),
    ];
    let values = values.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let read = outputs(&BTreeMap::from(values));
    for (name, value) in [
        ("cluster_name", "shop"),
        ("service_name", "shop-api"),
        (
            "service_id",
            "arn:aws:ecs:eu-west-2:1:service/shop/shop-api",
        ),
        ("task_definition_family", "shop-api"),
        ("task_definition_revision", "7"),
        ("container_name", "api"),
        ("log_group_name", "/ecs/shop/api"),
    ] {
        assert_eq!(read[name], value, "{name}");
        assert_eq!(
            read["services"]["api"][name],
            if name == "cluster_name" {
                Value::Null
            } else {
                json!(value)
            }
        );
    }
}

#[test]
fn outputs_stay_below_what_cloudformation_takes() {
    for services in [1, 18, 19, 60] {
        let services: serde_json::Map<String, Value> = (0..services)
            .map(|number| {
                let says = json!({
                    "image": "api:v1", "container_port": 80, "container_name": "server",
                    "target_group": {"path_patterns": ["/a"], "priority": number + 1},
                    "scaling": {"max_capacity": 2, "target_cpu_utilization": 50},
                });
                (format!("a-service-with-a-long-name-{number}"), says)
            })
            .collect();
        let count = services.len();
        let mut document = document();
        document["services"] = services.into();
        document["bottle_sync"]["service"] = json!("a-service-with-a-long-name-0");
        let template = template(&document);
        let outputs = template.0["Outputs"].as_object().unwrap();
        assert!(outputs.len() <= 200, "{count}: {}", outputs.len());
        assert!(outputs.values().all(|output| {
            output["Value"]
                .as_str()
                .is_none_or(|text| text.len() <= 1024)
        }));
        let values = outputs.iter().filter_map(|(name, output)| {
            Some((name.clone(), output["Value"].as_str()?.to_owned()))
        });
        let read = longshore_stack::outputs::outputs(&values.collect());
        assert_eq!(read["services"].as_object().unwrap().len(), count);
    }
}

#[test]
fn the_stacks_are_within_what_cloudformation_takes() {
    for (name, environment) in [("paperwurks", "prod"), ("homebrew-bottles-sync", "prod")] {
        let rendered = rendered(name, environment);
        assert!(rendered.resource_types.len() <= 500);
        assert_eq!(
            rendered.resource_types.len(),
            body(&rendered)["Resources"].as_object().unwrap().len()
        );
    }
}

#[test]
fn what_sync_reads_of_a_mirror_has_the_form_that_it_is_held_against() {
    let template = template(&document());
    let fixture: Value =
        serde_json::from_str(include_str!("../fixtures/bottle-sync.json")).unwrap();
    assert_eq!(
        template.0["Metadata"]["Longshore"]["BottleSync"],
        fixture["Metadata"]
    );
    let outputs = template.0["Outputs"].as_object().unwrap();
    let outputs: Vec<&str> = outputs
        .keys()
        .map(String::as_str)
        .filter(|name| name.starts_with("BottleSync"))
        .collect();
    let known = fixture["Outputs"].as_object().unwrap();
    assert_eq!(outputs, known.keys().collect::<Vec<_>>());
}

#[test]
fn a_mirror_without_a_service_has_nothing_that_tasks_are_started_with() {
    let template = template(&json!({
        "name": "mirror",
        "network": {"vpc_id": "vpc-1", "subnet_ids": ["subnet-1"]},
        "buckets": {"bottles": {}},
        "bottle_sync": {"bucket": "bottles"},
        "services": {},
    }));
    let metadata = &template.0["Metadata"]["Longshore"]["BottleSync"];
    assert_eq!(
        metadata,
        &json!({"Settings": {
            "IndexUrl": "https://formulae.brew.sh/api/formula.json",
            "Selection": {
                "Platforms": [], "Formulae": [], "ExcludeDeprecated": false, "ExcludeDisabled": false,
            },
            "RegistryLayout": false,
            "PrivateHosts": [],
            "MaxTasks": 1,
        }})
    );
    assert_eq!(
        template.properties("BucketBottles")["BucketName"],
        json!({"Fn::Sub": "mirror-bottles-${AWS::AccountId}"})
    );
    let outputs = template.0["Outputs"].as_object().unwrap();
    let of_mirror = outputs.keys().filter(|name| name.starts_with("BottleSync"));
    assert_eq!(of_mirror.collect::<Vec<_>>(), ["BottleSyncBucketName"]);
    assert!(template.ids("AWS::Scheduler::Schedule").is_empty());
}

/// EventBridge Scheduler sends to the queue with the schedule's role.
#[test]
fn runs_that_cannot_be_started_go_to_the_queue_of_the_installation_that_gives_the_boundary() {
    let document = json!({
        "name": "shop",
        "network": {"vpc_id": "vpc-1", "subnet_ids": ["subnet-1"]},
        "services": {"api": {"image": "shop/api:v1", "schedules": {
            "nightly": {"schedule_expression": "rate(1 day)"},
        }}},
    });
    let shop = of(&document);
    let with_boundary = |boundary: &str| {
        let context = Context {
            permissions_boundary_arn: Some(boundary.to_owned()),
            ..Context::default()
        };
        Template(body(&render(&shop, &context)))
    };
    let harbour = with_boundary("arn:aws:iam::123456789012:policy/harbour-permissions-boundary");
    let queue = json!({"Fn::Sub":
        "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:harbour-schedule-dead-letters"});
    let [schedule] = harbour.ids("AWS::Scheduler::Schedule")[..] else {
        panic!("one schedule");
    };
    let target = &harbour.properties(schedule)["Target"];
    assert_eq!(target["DeadLetterConfig"], json!({"Arn": queue.clone()}));
    let role = target["RoleArn"]["Fn::GetAtt"][0].as_str().unwrap();
    let statement = harbour.statement(role, "KeepRefusedRuns");
    assert_eq!(statement["Action"], json!(["sqs:SendMessage"]));
    assert_eq!(statement["Resource"], json!([queue]));

    let other = with_boundary("arn:aws:iam::123456789012:policy/boundary");
    let text = other.0.to_string();
    assert!(
        !text.contains("DeadLetterConfig") && !text.contains("sqs:"),
        "{text}"
    );
}

#[test]
fn a_mirror_that_the_function_fills_alone_has_no_cluster_unless_one_is_described() {
    let mut document = json!({
        "name": "mirror",
        "network": {"vpc_id": "vpc-1", "subnet_ids": ["subnet-1"]},
        "buckets": {"bottles": {}},
        "bottle_sync": {"bucket": "bottles", "schedule_expression": "rate(1 day)"},
        "dashboard": true,
        "services": {},
    });
    let clusters = |document: &Value| {
        let template = template(document);
        let outputs = template.0["Outputs"].as_object().unwrap();
        let named = outputs.keys().filter(|name| name.starts_with("Cluster"));
        (template.ids("AWS::ECS::Cluster").len(), named.count())
    };
    assert_eq!(clusters(&document), (0, 0));
    let text = template(&document).0.to_string();
    assert!(!text.contains("AWS::ECS"), "{text}");

    document["cluster"] = json!({"container_insights": "disabled"});
    assert_eq!(clusters(&document), (1, 2));
    document["cluster"] = json!({});
    document["events"] = json!({});
    assert_eq!(clusters(&document), (1, 2));
}

#[test]
fn tasks_of_a_mirror_get_its_settings_unless_the_stack_file_says_otherwise() {
    let template = template(&document());
    for (variable, value) in [
        ("S3_BUCKET_NAME", json!({"Ref": "BucketMirror"})),
        ("EVENT_BUS_NAME", json!("mirrors")),
        (
            "PRIVATE_SOURCE_HOSTS",
            json!("mirror.example:8443,mirror.example:8080"),
        ),
        ("OUTAGE_PATIENCE_SECONDS", json!("2700")),
        ("EFS_MOUNT_PATH", json!("/var/bottles")),
    ] {
        assert_eq!(template.variable("Mirror", variable), &value);
        assert_eq!(template.variable("Jobs", variable), &Value::Null);
    }
}

#[test]
fn versions_are_kept_where_the_stack_file_says_for_how_long() {
    let template = template(&document());
    let bucket = template.properties("BucketMirror");
    assert_eq!(
        bucket["VersioningConfiguration"],
        json!({"Status": "Enabled"})
    );
    assert_eq!(
        bucket["LifecycleConfiguration"]["Rules"][1],
        json!({
            "Id": "ExpireNoncurrentVersions",
            "Status": "Enabled",
            "NoncurrentVersionExpiration": {"NoncurrentDays": 7},
            "ExpiredObjectDeleteMarker": true,
        })
    );
    let resource = template.resource("BucketMirror");
    assert_eq!(
        (
            &resource["DeletionPolicy"],
            &resource["UpdateReplacePolicy"]
        ),
        (&json!("Delete"), &json!("Retain"))
    );
}

#[test]
fn what_the_renderer_hands_on_of_the_services_is_what_the_template_says_of_them() {
    let mut stacks = vec![of(&document())];
    for (name, environments) in STACKS {
        let environments = environments.iter();
        stacks.extend(environments.map(|environment| stack(&file(name), Some(environment))));
    }
    for stack in stacks {
        let rendered = render(&stack, &context());
        let said = body(&rendered)["Metadata"]["Longshore"].take();
        let said: TemplateMetadata = serde_json::from_value(said).unwrap();
        assert_eq!(rendered.metadata, said);
        assert_eq!(metadata(&stack), said);
    }
}
