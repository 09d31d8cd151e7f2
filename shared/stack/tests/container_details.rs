//! Details of containers: what they become in the task definition, and what is refused.

use std::collections::BTreeMap;

use longshore_events::longshore::{Problem, Severity};
use longshore_stack::check::{Surroundings, check_surroundings, check_without_surroundings, needs};
use longshore_stack::read::{Reading, Selection, read};
use longshore_stack::render::{Context, render};
use serde_json::{Value, json};

const SHOP: &str = r#"
name: shop
network:
  vpc_id: vpc-0a1b2c3d
  subnet_ids: [subnet-0a1b2c3d, subnet-1a1b2c3d]
capacity:
  main: {instance_type: g4dn.xlarge, image_ssm_parameter: /aws/service/ecs/optimized-ami/amazon-linux-2023/gpu/recommended/image_id}
services:
  api:
    image: shop/api:v1
    container_port: 8080
    depends_on: [{container_name: proxy, condition: START}]
    sidecars:
      proxy: {image: "registry.example.com/proxy:v1", container_port: 8443}
  train:
    image: shop/train:v1
    cpu: 1024
    memory: 4096
    capacity_provider_strategy: [{capacity_provider: main}]
"#;

fn shop(overlay: &str) -> Result<Reading, Vec<Problem>> {
    let text = format!("{SHOP}environments:\n  test: {{services: {overlay}}}\n");
    read(text.as_bytes(), &Selection::Environment(Some("test")))
}

// Clippy takes the functions beside `#[test]` functions for tests only when it is told so.
#[cfg(test)]
fn template(overlay: &str) -> Value {
    let reading = shop(overlay).unwrap_or_else(|problems| panic!("{problems:#?}"));
    serde_json::from_str(&render(&reading.stack, &Context::default()).body).unwrap()
}

#[cfg(test)]
fn container(template: &Value, service: &str, index: usize) -> Value {
    template["Resources"][format!("TaskDefinition{service}")]["Properties"]["ContainerDefinitions"]
        [index]
        .clone()
}

#[test]
fn every_detail_is_in_the_container_that_has_it_and_in_no_other() {
    let before = template("{}");
    let after = template(
        "{api: {ulimits: [{name: nofile, soft_limit: 65536, hard_limit: 65536}], \
         linux_parameters: {init_process_enabled: true}, docker_labels: {team: shop, tier: 1}, \
         environment_files: [\"arn:aws:s3:::settings/api.env\"], start_timeout: 60, \
         restart_policy: {ignored_exit_codes: [0]}, \
         log_delivery: {mode: non-blocking, max_buffer_size: 25m, multiline_pattern: \"^INFO\"}, \
         additional_container_ports: [9090]}, \
         train: {gpu: 1, linux_parameters: {shared_memory_size: 1024}}}",
    );
    let mut expected = container(&before, "Api", 0);
    expected["Ulimits"] = json!([{"Name": "nofile", "SoftLimit": 65536, "HardLimit": 65536}]);
    expected["LinuxParameters"] = json!({"InitProcessEnabled": true});
    expected["DockerLabels"] = json!({"team": "shop", "tier": "1"});
    expected["EnvironmentFiles"] =
        json!([{"Type": "s3", "Value": "arn:aws:s3:::settings/api.env"}]);
    expected["StartTimeout"] = json!(60);
    expected["RestartPolicy"] =
        json!({"Enabled": true, "IgnoredExitCodes": [0], "RestartAttemptPeriod": 300});
    let options = &mut expected["LogConfiguration"]["Options"];
    options["mode"] = json!("non-blocking");
    options["max-buffer-size"] = json!("25m");
    options["awslogs-multiline-pattern"] = json!("^INFO");
    expected["PortMappings"] = json!([
        {"ContainerPort": 8080, "Protocol": "tcp"}, {"ContainerPort": 9090, "Protocol": "tcp"},
    ]);
    assert_eq!(container(&after, "Api", 0), expected);
    assert_eq!(container(&after, "Api", 1), container(&before, "Api", 1));
    let train = container(&after, "Train", 0);
    assert_eq!(
        train["ResourceRequirements"],
        json!([{"Type": "GPU", "Value": "1"}])
    );
    assert_eq!(train["LinuxParameters"], json!({"SharedMemorySize": 1024}));
}

#[test]
fn the_execution_role_may_read_environment_files_and_the_credentials_of_registries() {
    let template = template(
        "{api: {environment_files: [\"arn:aws:s3:::settings/api.env\"], \
         sidecars: {proxy: {repository_credentials: {credentials_parameter: registry}}}}}",
    );
    let policies = &template["Resources"]["ExecutionRoleApi"]["Properties"]["Policies"];
    let statements = policies[0]["PolicyDocument"]["Statement"]
        .as_array()
        .unwrap();
    let statement = |sid: &str| {
        statements
            .iter()
            .find(|statement| statement["Sid"] == sid)
            .unwrap()
    };
    assert_eq!(
        statement("ReadEnvironmentFiles")["Resource"],
        json!(["arn:aws:s3:::settings/api.env"])
    );
    assert_eq!(
        statement("FindEnvironmentFiles")["Resource"],
        json!(["arn:aws:s3:::settings"])
    );
    let arn =
        "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:registry";
    assert_eq!(
        statement("ReadSecrets")["Resource"],
        json!([{"Fn::Sub": format!("{arn}-??????")}])
    );
    assert_eq!(
        container(&template, "Api", 1)["RepositoryCredentials"],
        json!({"CredentialsParameter": {"Fn::Sub": arn}})
    );
}

#[test]
fn the_credentials_of_a_registry_are_looked_up_and_named_by_their_complete_arn() {
    let reading = shop(
        "{api: {sidecars: {proxy: {repository_credentials: {credentials_parameter: registry}}}}}",
    )
    .unwrap();
    assert!(needs(&reading.stack).secrets.contains("registry"));
    let missing = check_surroundings(&reading.stack, &Surroundings::default());
    assert!(missing.iter().any(|finding| {
        finding.path == "services.api.sidecars.proxy.repository_credentials.credentials_parameter"
    }));
    let arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:registry-a1b2c3";
    let context = Context {
        secrets: BTreeMap::from([("registry".to_owned(), arn.to_owned())]),
        ..Context::default()
    };
    let template: Value = serde_json::from_str(&render(&reading.stack, &context).body).unwrap();
    assert_eq!(
        container(&template, "Api", 1)["RepositoryCredentials"]["CredentialsParameter"],
        arn
    );
}

#[test]
fn what_ecs_does_not_take_is_refused_at_its_place() {
    for (overlay, path, message) in [
        (
            "{api: {ulimits: [{name: nofile, soft_limit: 9, hard_limit: 8}]}}",
            "api.ulimits[0].soft_limit",
            "it is above `hard_limit` (8)",
        ),
        (
            "{api: {ulimits: [{name: nofile, soft_limit: 1, hard_limit: 2000000}]}}",
            "api.ulimits[0].hard_limit",
            "expected 0 to 1048576",
        ),
        (
            "{train: {ulimits: [{name: core, soft_limit: 0, hard_limit: -1}, {name: core, soft_limit: 0, hard_limit: 0}]}}",
            "train.ulimits[1].name",
            "there twice",
        ),
        (
            "{api: {ulimits: [{name: nofiles, soft_limit: 1, hard_limit: 1}]}}",
            "api.ulimits[0].name",
            "did you mean `nofile`?",
        ),
        (
            "{api: {environment_files_kms_key_arn: \"arn:aws:kms:eu-west-1:111122223333:key/a\"}}",
            "api.environment_files_kms_key_arn",
            "no files that it encrypts",
        ),
        (
            "{api: {secrets: {KEY: {value_from: /shop/key, json_key: x}}}}",
            "api.secrets.KEY.json_key",
            "an SSM parameter",
        ),
        (
            "{api: {secrets: {KEY: {value_from: /shop/key=}}}}",
            "api.secrets.KEY.value_from",
            "name a secret of Secrets Manager by its ARN",
        ),
        ("{api: {gpu: 1}}", "api.gpu", "Fargate does not have GPUs"),
        ("{train: {gpu: 0}}", "train.gpu", "expected 1 or more"),
        (
            "{api: {linux_parameters: {shared_memory_size: 128}}}",
            "api.linux_parameters.shared_memory_size",
            "Fargate does not have shared memory of another size",
        ),
        (
            "{api: {environment_files: [\"s3://settings/api.env\"]}}",
            "api.environment_files[0]",
            "expected the ARN of an object",
        ),
        (
            "{api: {environment_files: [\"arn:aws:s3:::settings/*.env\"]}}",
            "api.environment_files[0]",
            "expected the ARN of an object",
        ),
        (
            "{api: {environment_files: [\"arn:aws:s3:::settings/api.txt\"]}}",
            "api.environment_files[0]",
            "ends in `.env`",
        ),
        (
            "{api: {start_timeout: 121}}",
            "api.start_timeout",
            "expected 2 to 120",
        ),
        (
            "{api: {restart_policy: {restart_attempt_period: 30}}}",
            "api.restart_policy.restart_attempt_period",
            "60 to 1800",
        ),
        (
            "{api: {log_delivery: {max_buffer_size: 25m}}}",
            "api.log_delivery.max_buffer_size",
            "`mode: non-blocking` only",
        ),
        (
            "{api: {log_delivery: {mode: non-blocking, max_buffer_size: 25 MB}}}",
            "api.log_delivery.max_buffer_size",
            "such as 25m",
        ),
        (
            "{api: {log_delivery: {multiline_pattern: x, datetime_format: \"%Y\"}}}",
            "api.log_delivery.datetime_format",
            "keep one of them",
        ),
        (
            "{api: {log_delivery: {mode: blocking}, log_options: {Name: x}, sidecars: {router: {image: \"shop/router:v1\", \
             firelens_configuration: {type: fluentbit}}}}}",
            "api.log_delivery",
            "use `log_options`",
        ),
        (
            "{api: {repository_credentials: {credentials_parameter: registry}}}",
            "api.repository_credentials",
            "pulled with the execution role's rights",
        ),
        (
            "{api: {sidecars: {proxy: {repository_credentials: {credentials_parameter: \"arn:aws:ssm:eu-west-1:1:parameter/x\"}}}}}",
            "api.sidecars.proxy.repository_credentials.credentials_parameter",
            "not a secret of Secrets Manager",
        ),
        (
            "{api: {additional_container_ports: [8443]}}",
            "api.sidecars.proxy.container_port",
            "share their ports",
        ),
        (
            "{api: {additional_container_ports: [0]}}",
            "api.additional_container_ports[0]",
            "expected 1 to 65535",
        ),
    ] {
        let problems = match shop(overlay) {
            Ok(reading) => panic!("{overlay} is not refused: {:#?}", reading.warnings),
            Err(problems) => problems,
        };
        let mut errors = problems
            .iter()
            .filter(|problem| problem.severity == Severity::Error);
        let problem = errors.next().unwrap();
        assert_eq!(errors.next(), None, "{overlay}: {problems:#?}");
        let found = problem.path.replace("environments.test.", "");
        assert_eq!(
            found,
            format!("services.{path}"),
            "{overlay}: {}",
            problem.message
        );
        assert!(
            problem.message.contains(message),
            "{overlay}: {}",
            problem.message
        );
    }
}

#[test]
fn what_has_no_effect_is_warned_of() {
    for (overlay, path, message) in [
        (
            "{api: {ulimits: [{name: memlock, soft_limit: -1, hard_limit: -1}]}}",
            "api.ulimits[0].name",
            "only `nofile`",
        ),
        (
            "{train: {start_timeout: 60}}",
            "train.start_timeout",
            "`depends_on` names none",
        ),
    ] {
        let reading = shop(overlay).unwrap_or_else(|problems| panic!("{overlay}: {problems:#?}"));
        let mut warnings = reading.warnings.iter();
        let found = warnings.any(|warning| {
            warning.path == format!("services.{path}") && warning.message.contains(message)
        });
        assert!(found, "{overlay}: {:#?}", reading.warnings);
    }
}

/// The statement of the execution role of `Api` that is called so.
#[cfg(test)]
fn statement(template: &Value, sid: &str) -> Value {
    let policies = &template["Resources"]["ExecutionRoleApi"]["Properties"]["Policies"];
    let statements = policies[0]["PolicyDocument"]["Statement"].as_array();
    let mut statements = statements.unwrap().iter();
    let found = statements.find(|statement| statement["Sid"] == sid);
    found.unwrap_or_else(|| panic!("no {sid}")).clone()
}

#[test]
fn keys_of_registries_and_environment_files_decrypt_only_by_way_of_their_services() {
    let key = "arn:aws:kms:eu-west-1:111122223333:key/a";
    let template = template(&format!(
        "{{api: {{environment_files: [\"arn:aws:s3:::settings/api.env\"], environment_files_kms_key_arn: \"{key}\", \
         sidecars: {{proxy: {{repository_credentials: {{credentials_parameter: registry, kms_key_arn: \"{key}\"}}}}}}}}}}"
    ));
    for (sid, services) in [
        ("Decrypt", vec!["secretsmanager", "ssm"]),
        ("DecryptEnvironmentFiles", vec!["s3"]),
    ] {
        let statement = statement(&template, sid);
        assert_eq!(statement["Action"], json!(["kms:Decrypt"]));
        assert_eq!(statement["Resource"], json!([key]));
        let via = statement["Condition"]["StringEquals"]["kms:ViaService"].to_string();
        for service in services {
            let host = format!("{service}.${{AWS::Region}}.${{AWS::URLSuffix}}");
            assert!(via.contains(&host), "{via}");
        }
    }
}

#[test]
fn a_secret_whose_name_begins_with_a_slash_is_a_parameter() {
    let reading =
        shop("{api: {secrets: {DATABASE_URL: {value_from: /shop/database-a1b2c3}}}}").unwrap();
    assert!(needs(&reading.stack).secrets.is_empty());
    assert_eq!(check_without_surroundings(&reading.stack), []);
    let template: Value =
        serde_json::from_str(&render(&reading.stack, &Context::default()).body).unwrap();
    let arn =
        "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/shop/database-a1b2c3";
    assert_eq!(
        container(&template, "Api", 0)["Secrets"],
        json!([{"Name": "DATABASE_URL", "ValueFrom": {"Fn::Sub": arn}}])
    );
    assert_eq!(
        statement(&template, "ReadParameters")["Resource"],
        json!([{"Fn::Sub": arn}])
    );
}

#[test]
fn a_volume_that_no_container_mounts_is_warned_of() {
    let reading = shop(
        "{api: {mount_points: [{container_path: /tmp}], \
         overrides: {task_definition: {Volumes: {cache: {ConfiguredAtLaunch: true}}}}}}",
    )
    .unwrap();
    assert!(
        reading.warnings.iter().any(|warning| {
            warning.path == "services.api.overrides.task_definition.Volumes.cache"
                && warning.message.contains("no container mounts this volume")
        }),
        "{:#?}",
        reading.warnings
    );
}
