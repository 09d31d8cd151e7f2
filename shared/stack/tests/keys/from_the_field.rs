//! Small stack files of the kind that people bring along from elsewhere, each with what is right for it: what is
//! wrong is found before anything is sent, and what is right comes out as it was meant.

use std::collections::BTreeMap;

use longshore_events::longshore::Problem;
use longshore_stack::check::{
    Subnet, Surroundings, check_surroundings, check_without_surroundings,
};
use serde_json::{Value, json};

use crate::support::{accepted, errors, read_text, template, warnings};

const NETWORK: &str = "network: {vpc_id: vpc-0a1b2c3d4e5f60718, subnet_ids: [subnet-0a1b2c3d4e5f60718, \
                       subnet-0b1c2d3e4f5061728]}";

/// A stack `shop` with these further lines.
fn shop(lines: &str) -> String {
    format!("name: shop\n{NETWORK}\n{lines}")
}

/// A stack `shop` whose only service `api` runs `shop/api:v1` with these keys, each line indented by four.
fn api(keys: &str) -> String {
    shop(&format!(
        "services:\n  api:\n    image: shop/api:v1\n{keys}"
    ))
}

fn refused(text: &str) -> Vec<Problem> {
    read_text(text)
        .err()
        .unwrap_or_else(|| panic!("{text} was accepted"))
}

/// The only error of a text, which begins with this path and says this.
fn one_error(text: &str, path: &str, says: &[&str]) {
    let problems = refused(text);
    let errors = errors(&problems);
    let [error] = errors.as_slice() else {
        panic!("{errors:#?}");
    };
    assert!(error.starts_with(&format!("{path}: ")), "{error}");
    for words in says {
        assert!(error.contains(words), "{error} says nothing of {words}");
    }
}

/// What the container `api` is in the template.
fn container(text: &str) -> Value {
    containers(text)[0].clone()
}

fn containers(text: &str) -> Value {
    let template = template(text);
    template["Resources"]["TaskDefinitionApi"]["Properties"]["ContainerDefinitions"].clone()
}

fn service(text: &str) -> Value {
    template(text)["Resources"]["ServiceApi"]["Properties"].clone()
}

/// What the execution role of the service may do, as one text.
fn rights(text: &str) -> String {
    let template = template(text);
    let resources = template["Resources"].as_object().unwrap();
    let roles = resources
        .iter()
        .filter(|(name, _)| name.contains("Execution"));
    let roles: Vec<String> = roles.map(|(_, role)| role.to_string()).collect();
    assert!(!roles.is_empty(), "{:?}", resources.keys());
    roles.join("\n")
}

#[test]
fn a_secret_whose_name_looks_like_the_end_of_an_arn_is_warned_of_where_nobody_asks_for_its_arn() {
    let text = api("    secrets:\n      APP_CONFIG: {value_from: shop/prod/app-config}\n");
    let reading = accepted(&text);
    let found = reading.locate(check_without_surroundings(&reading.stack));
    let [warning] = found.as_slice() else {
        panic!("{found:#?}");
    };
    assert_eq!(warning.path, "services.api.secrets.APP_CONFIG.value_from");
    assert!(
        warning.message.contains("a hyphen and six characters"),
        "{warning:#?}"
    );
}

#[test]
fn an_image_of_a_dual_stack_registry_may_be_pulled() {
    let text = shop(
        "services:\n  api:\n    image: 111122223333.dkr-ecr.eu-west-1.on.aws/shop/api:v1\n    \
         image_policy: {tags: []}\n",
    );
    let rights = rights(&text);
    for expected in [
        "ecr:GetAuthorizationToken",
        "ecr:BatchGetImage",
        "ecr:eu-west-1:111122223333:repository/shop/api",
    ] {
        assert!(rights.contains(expected), "{rights}");
    }
}

#[test]
fn a_sidecar_of_a_dual_stack_registry_with_fips_may_be_pulled_beside_the_image() {
    let rights = rights(&api("    sidecars:\n      proxy: {image: \
         \"111122223333.dkr-ecr-fips.us-east-1.on.aws/shop/proxy:v3\"}\n"));
    for expected in [
        "repository/shop/api",
        "ecr:us-east-1:111122223333:repository/shop/proxy",
    ] {
        assert!(rights.contains(expected), "{rights}");
    }
}

#[test]
fn a_task_definition_that_is_larger_than_ecs_takes_is_an_error() {
    let variables = |count: usize| -> String {
        let value = "x".repeat(1_000);
        let lines = (0..count).map(|number| format!("      VAR_{number}: \"{value}\"\n"));
        format!("    environment:\n{}", lines.collect::<String>())
    };
    accepted(&api(&variables(50)));
    let problems = refused(&api(&variables(70)));
    let errors = errors(&problems);
    assert!(
        errors.len() == 1 && errors[0].contains("at most 65536"),
        "{errors:#?}"
    );
}

#[test]
fn a_one_off_task_whose_command_is_longer_than_run_task_takes_is_an_error() {
    let migrate = |length: usize| {
        let argument = "y".repeat(length);
        api(&format!(
            "    rollout:\n      before_tasks:\n        - name: migrate\n          \
             command: [sh, -c, \"{argument}\"]\n"
        ))
    };
    accepted(&migrate(7_000));
    one_error(
        &migrate(9_000),
        "services.api.rollout.before_tasks[0]",
        &["at most 8192"],
    );
}

#[test]
fn a_host_that_ends_in_no_letters_is_an_error() {
    let with_host = |host: &str| {
        shop(&format!(
            "load_balancer: {{subnet_ids: [subnet-0a1b2c3d4e5f60718, subnet-0b1c2d3e4f5061728], \
             ingress_cidr_ips: [10.0.0.0/8]}}\nservices:\n  api:\n    image: shop/api:v1\n    \
             container_port: 8080\n    target_group: {{host_headers: [{host}], priority: 10}}\n"
        ))
    };
    accepted(&with_host("shop-api.example.com"));
    one_error(
        &with_host("shop-api"),
        "services.api.target_group.host_headers[0]",
        &["after the last one only letters"],
    );
}

#[test]
fn a_count_that_nobody_says_is_left_to_ecs_and_to_whoever_sets_it() {
    assert!(service(&api("")).get("DesiredCount").is_none());
    assert_eq!(service(&api("    desired_count: 1\n"))["DesiredCount"], 1);
    let scaling = "    scaling: {max_capacity: 4, target_cpu_utilization: 70}\n";
    assert!(service(&api(scaling)).get("DesiredCount").is_none());
}

#[test]
fn of_an_image_with_a_tag_and_a_digest_the_digest_counts() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let text = shop(&format!(
        "services: {{api: {{image: \"shop/api:v1@{digest}\"}}}}\n"
    ));
    let image = container(&text)["Image"].to_string();
    assert!(image.contains(&format!("/shop/api@{digest}")), "{image}");
}

#[test]
fn a_repository_may_have_two_hyphens_in_a_row() {
    let text = shop("services: {api: {image: \"shop/api--prod:v1\"}}\n");
    let image = container(&text)["Image"].to_string();
    assert!(image.contains("/shop/api--prod:v1"), "{image}");
}

#[test]
fn a_policy_that_refuses_the_very_image_beside_it_is_a_warning() {
    let with_policy = |image: &str, policy: &str| {
        accepted(&shop(&format!(
            "services:\n  api:\n    image: {image}\n    image_policy: {policy}\n"
        )))
    };
    for (image, policy, says) in [
        (
            "shop/api:v1.0",
            "{semver: \"1\"}",
            "a version has three numbers",
        ),
        (
            "shop/api:v1",
            "{tag_pattern: \"main-[0-9]+\"}",
            "does not allow tag `v1`",
        ),
        (
            "shop/api:v1",
            "{tags: [\"main-*\"]}",
            "does not allow tag `v1`",
        ),
        (
            "shop/api:v1",
            "{tags: [release, \"2.*\"]}",
            "does not allow tag `v1`",
        ),
    ] {
        let reading = with_policy(image, policy);
        let [warning] = reading.warnings.as_slice() else {
            panic!("{policy}: {:#?}", reading.warnings);
        };
        assert_eq!(warning.path, "services.api.image", "{policy}");
        assert!(warning.message.contains(says), "{policy}: {warning:#?}");
    }
    for (image, policy) in [
        ("shop/api:v1.0.0", "{semver: \"1\"}"),
        ("shop/api:v1", "{tags: [\"v*\"]}"),
        // Pushes are not deployed at all, or the first image is not meant as one of a series.
        ("shop/api:v1", "{tags: []}"),
        ("shop/api:first", "{tags: [\"v*\"]}"),
        // One exact tag is moved from image to image.
        ("shop/api:v1", "{tags: [release]}"),
    ] {
        assert_eq!(with_policy(image, policy).warnings, [], "{policy}");
    }
}

#[test]
fn an_arn_that_is_not_quoted_is_one_error_that_says_so_beside_every_other() {
    let problems = refused(&api(
        "    cpu: 300\n    secrets:\n      DB:\n        value_from: \
         arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf:password::\n",
    ));
    let errors = errors(&problems);
    assert_eq!(errors.len(), 2, "{errors:#?}");
    assert!(
        errors.iter().any(|error| error.contains("json_key")),
        "{errors:#?}"
    );
    assert!(
        errors
            .iter()
            .any(|error| error.starts_with("services.api.cpu")),
        "{errors:#?}"
    );
}

#[test]
fn a_secret_that_is_a_text_is_told_the_form_that_it_needs() {
    one_error(
        &api("    secrets: {DB: shop/db}\n"),
        "services.api.secrets.DB",
        &["{value_from: "],
    );
}

#[test]
fn a_health_check_under_its_other_name_is_one_error() {
    one_error(
        &api("    healthcheck: {test: \"curl -f http://localhost/\", interval: 30s}\n"),
        "services.api.healthcheck",
        &["health_check"],
    );
}

#[test]
fn a_service_takes_at_most_sixteen_subnets() {
    let subnets = |count: u32| {
        let all = (0..count).map(|number| format!("subnet-0a1b2c3d4e5f607{number:02}"));
        let all: Vec<String> = all.collect();
        format!(
            "name: shop\nnetwork:\n  vpc_id: vpc-0a1b2c3d4e5f60718\n  subnet_ids: [{}]\n\
             services: {{api: {{image: \"shop/api:v1\"}}}}\n",
            all.join(", ")
        )
    };
    accepted(&subnets(16));
    one_error(&subnets(17), "network.subnet_ids", &["at most 16"]);
}

#[test]
fn a_load_balancer_with_two_subnets_of_one_zone_is_an_error() {
    let with_subnets = |ids: &str| {
        shop(&format!(
            "load_balancer: {{subnet_ids: [{ids}], ingress_cidr_ips: [10.0.0.0/8]}}\nservices:\n  api:\n    \
             image: shop/api:v1\n    container_port: 8080\n    target_group: {{}}\n"
        ))
    };
    let zones = [
        ("subnet-0a1b2c3d4e5f60718", "eu-west-1a"),
        ("subnet-0b1c2d3e4f5061728", "eu-west-1b"),
        ("subnet-0c1c2d3e4f5061720", "eu-west-1a"),
        ("subnet-0c1c2d3e4f5061721", "eu-west-1a"),
        ("subnet-0c1c2d3e4f5061722", "eu-west-1b"),
    ];
    let subnets: BTreeMap<String, Subnet> = zones
        .iter()
        .map(|(id, zone)| {
            let subnet = Subnet {
                availability_zone: (*zone).to_owned(),
                vpc_id: "vpc-0a1b2c3d4e5f60718".to_owned(),
            };
            ((*id).to_owned(), subnet)
        })
        .collect();
    let surroundings = Surroundings {
        subnets,
        ..Surroundings::default()
    };
    let found = |ids: &str| {
        let reading = accepted(&with_subnets(ids));
        reading.locate(check_surroundings(&reading.stack, &surroundings))
    };
    assert_eq!(
        found("subnet-0c1c2d3e4f5061720, subnet-0c1c2d3e4f5061722"),
        []
    );
    let problems =
        found("subnet-0c1c2d3e4f5061720, subnet-0c1c2d3e4f5061721, subnet-0c1c2d3e4f5061722");
    let errors = errors(&problems);
    assert!(
        errors.len() == 1
            && errors[0].starts_with("load_balancer.subnet_ids")
            && errors[0].contains("one subnet a zone"),
        "{errors:#?}"
    );
}

#[test]
fn thresholds_of_the_circuit_breaker_reach_the_service() {
    let service = service(&api(
        "    deployment_configuration: {deployment_circuit_breaker: {enable: true, rollback: true, \
         threshold_configuration: {type: COUNT, value: 3}}}\n",
    ));
    let breaker = &service["DeploymentConfiguration"]["DeploymentCircuitBreaker"];
    assert_eq!(
        breaker["ThresholdConfiguration"],
        json!({"Type": "COUNT", "Value": 3})
    );
    assert_eq!(breaker["Rollback"], true);
}

#[test]
fn what_containers_need_now_and_then_can_be_said() {
    let text = api("    docker_labels: {com.datadoghq.ad.logs: \"[]\"}\n    \
         ulimits: [{name: nofile, soft_limit: 65535, hard_limit: 65535}]\n    \
         environment_files: [\"arn:aws:s3:::b/x.env\"]\n    \
         linux_parameters: {init_process_enabled: true}\n    \
         restart_policy: {}\n    \
         container_port: 80\n    additional_container_ports: [9000]\n    \
         availability_zone_rebalancing: true\n");
    let container = container(&text);
    assert_eq!(container["DockerLabels"]["com.datadoghq.ad.logs"], "[]");
    assert_eq!(container["Ulimits"][0]["HardLimit"], 65_535);
    assert_eq!(container["LinuxParameters"]["InitProcessEnabled"], true);
    assert_eq!(container["RestartPolicy"]["Enabled"], true);
    assert_eq!(container["PortMappings"][1]["ContainerPort"], 9000);
    assert_eq!(
        container["EnvironmentFiles"][0]["Value"],
        "arn:aws:s3:::b/x.env"
    );
    assert_eq!(service(&text)["AvailabilityZoneRebalancing"], "ENABLED");
}

#[test]
fn an_image_of_another_registry_is_pulled_with_the_secret_that_is_named_for_it() {
    let text = shop(
        "services:\n  api:\n    image: registry.example.com/shop/api:v1\n    \
         repository_credentials: {credentials_parameter: shop/registry}\n",
    );
    let parameter = container(&text)["RepositoryCredentials"]["CredentialsParameter"].clone();
    let names_the_secret = |value: &Value| value.to_string().contains(":secret:shop/registry");
    assert!(names_the_secret(&parameter), "{parameter}");
    let rights = rights(&text);
    assert!(
        rights.contains("secretsmanager:GetSecretValue")
            && rights.contains(":secret:shop/registry"),
        "{rights}"
    );
}

#[test]
fn what_a_stack_file_says_in_another_way_is_told_that_way() {
    for (key, path, says) in [
        (
            "port_mappings: [{container_port: 80}]",
            "services.api.port_mappings",
            "use `container_port` and `additional_container_ports`",
        ),
        (
            "restart_policy: {enabled: true}",
            "services.api.restart_policy.enabled",
            "leave it out",
        ),
        (
            "log_configuration: {log_driver: awslogs}",
            "services.api.log_configuration",
            "there is no such key; ",
        ),
        (
            "system_controls: []",
            "services.api.system_controls",
            "there is no such key; ",
        ),
    ] {
        one_error(&api(&format!("    {key}\n")), path, &[says]);
    }
}

#[test]
fn log_options_of_fluent_bit_without_its_output_are_an_error() {
    let with_name = |name: &str| {
        api(&format!(
            "    log_options: {{{name}: datadog, provider: ecs}}\n    sidecars:\n      router: {{image: \
             \"public.ecr.aws/aws-observability/aws-for-fluent-bit:stable\", firelens_configuration: {{type: \
             fluentbit}}}}\n"
        ))
    };
    accepted(&with_name("Name"));
    one_error(
        &with_name("name"),
        "services.api.log_options.name",
        &["fluentbit needs `Name`"],
    );
}

#[test]
fn values_of_the_environment_stay_as_they_are_written() {
    let written = [
        ("A", "True"),
        ("B", "TRUE"),
        ("C", "on"),
        ("D", "y"),
        ("E", "1_000"),
        ("F", "0x1F"),
        ("G", "0o14"),
        ("H", "+1"),
        ("I", "-0"),
        ("J", "12:34:56"),
        ("K", "2024-01-01"),
        ("L", "12345678901234567890123"),
        ("M", "0777"),
        ("U", "9223372036854775808"),
        ("V", "00"),
        ("X", "False"),
        ("Z", "="),
        ("AA", "0b11"),
        ("AB", "-17"),
        ("AC", "+12"),
        ("AD", "1,000"),
    ];
    let lines = written.map(|(name, value)| format!("      {name}: {value}\n"));
    let quoted = "      T: \"\"\n      Y: \"1.10\"\n      AF: '@x'\n";
    let text = api(&format!("    environment:\n{}{quoted}", lines.concat()));
    let mut expected: BTreeMap<String, String> = written
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    for (name, value) in [("T", ""), ("Y", "1.10"), ("AF", "@x")] {
        expected.insert(name.to_owned(), value.to_owned());
    }
    let environment = container(&text)["Environment"].clone();
    let found: BTreeMap<String, String> = environment
        .as_array()
        .unwrap()
        .iter()
        .map(|variable| {
            let text = |key: &str| variable[key].as_str().unwrap().to_owned();
            (text("Name"), text("Value"))
        })
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn a_task_has_at_most_ten_containers() {
    let sidecars = |count: usize| {
        let lines =
            (0..count).map(|number| format!("      s{number}: {{image: \"shop/s{number}:v1\"}}\n"));
        api(&format!("    sidecars:\n{}", lines.collect::<String>()))
    };
    accepted(&sidecars(9));
    one_error(
        &sidecars(10),
        "services.api.sidecars",
        &["at most 10 containers"],
    );
}

#[test]
fn an_arn_of_a_secret_that_goes_on_with_a_key_is_pointed_to_json_key() {
    let secret = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf";
    let problems = refused(&api(&format!(
        "    secrets:\n      DB: {{value_from: \"{secret}:password::\"}}\n      \
         DB2: {{value_from: \"{secret}\", json_key: \"password:AWSPREVIOUS:\"}}\n      \
         SSM: {{value_from: /copilot/shop/test/secrets/DB}}\n      \
         SSM2: {{value_from: \"arn:aws:ssm:eu-west-1:111122223333:parameter/copilot/shop/DB\"}}\n"
    )));
    let errors = errors(&problems);
    assert!(
        errors[0].starts_with("services.api.secrets.DB.value_from: ")
            && errors[0].contains("json_key"),
        "{errors:#?}"
    );
    assert!(
        !errors.iter().any(|error| error.contains(".SSM")),
        "{errors:#?}"
    );
}

#[test]
fn a_key_among_log_options_is_a_warning_that_hides_it_and_says_where_it_belongs() {
    let key = "0123456789abcdef0123456789abcdef";
    let reading = accepted(&api(&format!(
        "    log_options: {{Name: datadog, apikey: {key}, dd_service: shop, provider: ecs, TLS: on}}\n    \
         sidecars:\n      log_router:\n        image: \
         public.ecr.aws/aws-observability/aws-for-fluent-bit:stable\n        firelens_configuration: {{type: \
         fluentbit, options: {{enable-ecs-log-metadata: true}}}}\n"
    )));
    let warnings = warnings(&reading);
    let [warning] = warnings.as_slice() else {
        panic!("{warnings:#?}");
    };
    assert!(
        warning.starts_with("services.api.log_options.apikey: ") && warning.contains("secrets"),
        "{warning}"
    );
    assert!(!format!("{:?}", reading.warnings).contains(key));
}

#[test]
fn a_sidecar_with_the_services_image_is_taken_and_waited_for() {
    let text = api(
        "    depends_on: [{container_name: migrate, condition: SUCCESS}]\n    \
         sidecars: {migrate: {image: \"shop/api:v1\", command: [migrate], essential: false}}\n",
    );
    assert_eq!(accepted(&text).warnings, []);
    let containers = containers(&text);
    assert_eq!(containers.as_array().unwrap().len(), 2);
    assert_eq!(containers[0]["Image"], containers[1]["Image"]);
    assert_eq!(
        containers[0]["DependsOn"],
        json!([{"ContainerName": "migrate", "Condition": "SUCCESS"}])
    );
}
