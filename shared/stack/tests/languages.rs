//! Texts of a stack file that a later language reads: none of them says there what its field may not say.

use longshore_events::longshore::{Problem, Severity};
use longshore_stack::read::{Selection, read, read_value};
use longshore_stack::render::{Context, Rendered, render};
use serde_json::{Value, json};

/// A stack with a text of every kind; one of them is replaced.
fn shop() -> Value {
    json!({
        "name": "shop",
        "tags": {"team": "shop"},
        "network": {
            "vpc_id": "vpc-0a1b2c3d",
            "subnet_ids": ["subnet-0a1b2c3d", "subnet-1a1b2c3d"],
        },
        "load_balancer": {
            "subnet_ids": ["subnet-2a1b2c3d", "subnet-3a1b2c3d"],
            "ingress_cidr_ips": ["10.0.0.0/8"],
        },
        "capacity": {"main": {"instance_type": "t3.small"}},
        "dashboard": true,
        "events": {},
        "service_discovery": {"namespace": "shop.local"},
        "services": {
            "api": {
                "image": "shop/api:v1",
                "container_port": 8080,
                "target_group": {"path_patterns": ["/shop/*"], "priority": 10},
                "environment": {"PLACE": "here"},
                "secrets": {
                    "KEY": {"value": "harmless"},
                    "OTHER": {"value_from": "shop/other"},
                },
                "schedules": {
                    "nightly": {"schedule_expression": "cron(0 2 * * ? *)", "command": ["run", "it"]},
                },
                "task_role_statements": [{"actions": ["s3:GetObject"], "resources": ["arn:aws:s3:::shop/*"]}],
                "rollout": {"before_tasks": [{"name": "migrate", "command": ["migrate"]}]},
            },
        },
    })
}

fn rendered(stack: &Value) -> Rendered {
    let reading = read_value(stack, &Selection::Environment(None))
        .unwrap_or_else(|problems| panic!("{problems:#?}"));
    render(&reading.stack, &Context::default())
}

fn refused(stack: &Value) -> Vec<Problem> {
    match read_value(stack, &Selection::Environment(None)) {
        Ok(_) => panic!("{stack:#} is taken"),
        Err(problems) => problems
            .into_iter()
            .filter(|problem| problem.severity == Severity::Error)
            .collect(),
    }
}

/// The resources of a type in the stack's template.
fn resources(rendered: &Rendered, of_type: &str) -> Vec<Value> {
    let template: Value = serde_json::from_str(&rendered.body).unwrap_or_default();
    let resources = template["Resources"].as_object();
    resources
        .into_iter()
        .flat_map(|resources| resources.values())
        .filter(|resource| resource["Type"] == of_type)
        .map(|resource| resource["Properties"].clone())
        .collect()
}

/// Every text in a value, with its pointer, and every key with that of its value.
fn texts(value: &Value, pointer: &str, found: &mut Vec<(String, bool)>) {
    match value {
        Value::String(_) => found.push((pointer.to_owned(), false)),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                texts(item, &format!("{pointer}/{index}"), found);
            }
        }
        Value::Object(entries) => {
            for (key, value) in entries {
                let pointer = format!("{pointer}/{key}");
                found.push((pointer.clone(), true));
                texts(value, &pointer, found);
            }
        }
        _ => {}
    }
}

const REFERENCE: &str = "{{resolve:secretsmanager:billing/api/KEY:SecretString}}";

#[test]
fn a_dynamic_reference_of_cloudformation_is_refused_in_every_text_and_every_key() {
    rendered(&shop());
    let mut places = Vec::new();
    texts(&shop(), "", &mut places);
    assert!(places.len() > 40, "{}", places.len());
    for (pointer, is_key) in places {
        let mut stack = shop();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        if is_key {
            let entries = stack.pointer_mut(parent).unwrap().as_object_mut().unwrap();
            let value = entries.remove(key).unwrap();
            entries.insert(REFERENCE.to_owned(), value);
        } else {
            let text = stack.pointer_mut(&pointer).unwrap();
            *text = json!(format!("a {REFERENCE} b"));
        }
        refused(&stack);
    }
}

#[test]
fn a_dynamic_reference_is_refused_with_its_place_and_what_to_do() {
    let file = "\
name: shop
network: {vpc_id: vpc-0a1b2c3d, subnet_ids: [subnet-0a1b2c3d, subnet-1a1b2c3d]}
services:
  api:
    image: shop/api:v1
    environment:
      PLACE: here
      KEY: '{{resolve:secretsmanager:billing/api/KEY}}'
";
    let problems = read(file.as_bytes(), &Selection::Environment(None)).unwrap_err();
    let problem = &problems[0];
    assert_eq!(problem.path, "services.api.environment.KEY");
    assert_eq!((problem.line, problem.column), (Some(8), Some(12)));
    assert!(problem.message.contains("`value_from`"), "{problem:#?}");
    assert_eq!(problem.value, None);
}

#[test]
fn a_dynamic_reference_cannot_be_put_together_from_names_that_longshore_fills_in() {
    let mut stack = shop();
    stack["name"] = json!("resolve");
    stack["services"]["api"]["environment"]["KEY"] = json!("{{${stack}:ssm:/billing/key}}");
    let problems = refused(&stack);
    assert_eq!(problems[0].path, "services.api.environment.KEY");

    let mut stack = shop();
    stack["environments"] = json!({"solve": {}});
    stack["services"]["api"]["environment"]["KEY"] = json!("{{re${environment}:ssm:/billing/key}}");
    let problems = read_value(&stack, &Selection::Environment(Some("solve"))).unwrap_err();
    assert_eq!(problems[0].path, "services.api.environment.KEY");
}

#[test]
fn an_image_that_runs_is_left_out_of_the_template_if_it_holds_a_dynamic_reference() {
    let reading = read_value(&shop(), &Selection::Environment(None)).unwrap();
    let images = [("api".to_owned(), REFERENCE.to_owned())].into();
    let context = Context {
        images: [("api".to_owned(), images)].into(),
        ..Context::default()
    };
    let body = render(&reading.stack, &context).body;
    assert!(!body.contains("resolve:secretsmanager"), "{body}");
}

#[test]
fn a_text_refers_to_nothing_of_the_template_it_becomes_a_part_of() {
    // What is written with `$${` stays a text, whatever else CloudFormation fills in beside it.
    let mut stack = shop();
    stack["services"]["api"]["environment"]["PLACE"] =
        json!("$${SensitiveValueApiKEY} ${AWS::Region}");
    let rendered = rendered(&stack);
    let definitions = resources(&rendered, "AWS::ECS::TaskDefinition");
    let environment = &definitions[0]["ContainerDefinitions"][0]["Environment"][0];
    assert_eq!(
        environment["Value"],
        json!({"Fn::Sub": "${!SensitiveValueApiKEY} ${AWS::Region}"})
    );
    for name in [
        "${SensitiveValueApiKEY}",
        "${Cluster.Arn}",
        "${AWS::StackId}",
    ] {
        let mut stack = shop();
        stack["services"]["api"]["environment"]["PLACE"] = json!(name);
        assert_eq!(refused(&stack)[0].path, "services.api.environment.PLACE");
    }
}

#[test]
fn the_json_of_a_schedule_holds_a_command_and_nothing_that_a_command_says() {
    let mut stack = shop();
    let command = json!([
        "\"}],\"taskRoleArn\":\"arn:aws:iam::1:role/x\"",
        "a\\",
        "\u{8}\n",
        "${AWS::Region}"
    ]);
    stack["services"]["api"]["schedules"]["nightly"]["command"] = command.clone();
    let schedules = resources(&rendered(&stack), "AWS::Scheduler::Schedule");
    let input = schedules[0]["Target"]["Input"]["Fn::Sub"].as_str().unwrap();
    let input: Value = serde_json::from_str(input).unwrap();
    assert_eq!(
        input,
        json!({"containerOverrides": [{"name": "api", "command": command}]})
    );
}

#[test]
fn the_json_of_a_dashboard_holds_names_only() {
    let boards = resources(&rendered(&shop()), "AWS::CloudWatch::Dashboard");
    let body = boards[0]["DashboardBody"]["Fn::Sub"].as_str().unwrap();
    assert!(serde_json::from_str::<Value>(body).is_ok());
    for name in ["a\",\"type\":\"text", "a\\", "a${Cluster}", "a b"] {
        let mut stack = shop();
        let api = stack["services"]["api"].clone();
        stack["services"] = json!({ name: api });
        assert!(refused(&stack)[0].path.starts_with("services"));
    }
}

#[test]
fn the_shell_of_an_instance_is_given_a_cluster_name_and_nothing_else() {
    let mut stack = shop();
    stack["services"]["api"]["environment"]["PLACE"] = json!("PLACE-OF-API");
    let templates = resources(&rendered(&stack), "AWS::EC2::LaunchTemplate");
    let user_data = &templates[0]["LaunchTemplateData"]["UserData"]["Fn::Base64"]["Fn::Sub"];
    let lines: Vec<&str> = user_data.as_str().unwrap().lines().collect();
    assert_eq!(
        lines,
        [
            "#!/bin/bash",
            "cat >> /etc/ecs/ecs.config <<'END'",
            "ECS_CLUSTER=${Cluster}",
            "ECS_AWSVPC_BLOCK_IMDS=true",
            "END",
        ]
    );
    for name in [
        "a\nEND\ncurl evil",
        "$(id)",
        "`id`",
        "a;id",
        "a b",
        "${AWS::Region}",
    ] {
        let mut stack = shop();
        stack["cluster"] = json!({"cluster_name": name});
        assert_eq!(refused(&stack)[0].path, "cluster.cluster_name", "{name}");
    }
}

#[test]
fn a_rule_matches_events_of_the_stack_s_own_cluster_and_no_pattern_of_a_text() {
    for name in ["*", "sh*p", "shop/", "{\"prefix\":\"\"}"] {
        let mut stack = shop();
        stack["cluster"] = json!({"cluster_name": name});
        assert_eq!(refused(&stack)[0].path, "cluster.cluster_name", "{name}");
    }
    let rules = resources(&rendered(&shop()), "AWS::Events::Rule");
    let patterns: Vec<String> = rules
        .iter()
        .map(|rule| rule["EventPattern"].to_string())
        .collect();
    assert!(!patterns.is_empty());
    for pattern in patterns {
        for operator in ["wildcard", "anything-but", "exists", "\"prefix\":\"\""] {
            assert!(!pattern.contains(operator), "{pattern}");
        }
    }
}

#[test]
fn a_secret_is_named_without_the_wildcards_of_iam() {
    for source in [
        "*",
        "billing/*",
        "${AWS::Region}*",
        "arn:aws:secretsmanager:eu-west-1:111122223333:secret:*",
        "arn:aws:secretsmanager:eu-west-1:111122223333:secret:billing/?",
        "arn:aws:ssm:eu-west-1:111122223333:parameter/*",
        "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/*",
    ] {
        let mut stack = shop();
        stack["services"]["api"]["secrets"]["OTHER"]["value_from"] = json!(source);
        let problems = refused(&stack);
        assert_eq!(
            problems[0].path, "services.api.secrets.OTHER.value_from",
            "{source}"
        );
    }
    for key in [
        "arn:aws:kms:eu-west-1:111122223333:key/*",
        "arn:aws:kms:*:*:key/x",
    ] {
        let mut stack = shop();
        stack["services"]["api"]["secrets"]["OTHER"]["kms_key_arn"] = json!(key);
        let problems = refused(&stack);
        assert_eq!(
            problems[0].path, "services.api.secrets.OTHER.kms_key_arn",
            "{key}"
        );
    }
}

#[test]
fn only_roles_that_are_not_tasks_say_what_they_are_for_and_no_stack_file_can_say_it() {
    let rendered = rendered(&shop());
    let template: Value = serde_json::from_str(&rendered.body).unwrap();
    let resources = template["Resources"].as_object().unwrap();
    let purposes: Vec<(&str, &str)> = resources
        .iter()
        .filter(|(_, resource)| resource["Type"] == "AWS::IAM::Role")
        .filter_map(|(id, role)| {
            let tags = role["Properties"]["Tags"].as_array()?;
            let tag = tags.iter().find(|tag| tag["Key"] == "longshore:purpose")?;
            Some((id.as_str(), tag["Value"].as_str()?))
        })
        .collect();
    assert_eq!(
        purposes,
        [
            ("InstanceRoleMain", "instance"),
            ("SchedulingRoleApi", "schedule")
        ]
    );
    for key in ["longshore:purpose", "Longshore:stack", "longshore:stack"] {
        let mut stack = shop();
        stack["tags"] = json!({ key: "schedule" });
        assert!(
            refused(&stack)[0].message.contains("Longshore's own"),
            "{key}"
        );
    }
}
