//! What an installation lets its stacks have: what of a stack file it would cut is refused before anything is sent.

use longshore_events::longshore::{Problem, Severity};
use longshore_stack::check::{Installation, check_installation};
use serde_json::{Value, json};

use crate::support::{accepted, read_text, template};

const SHOP: &str = r#"
name: shop
network:
  vpc_id: vpc-0a1b2c3d
  subnet_ids: [subnet-0a1b2c3d, subnet-1a1b2c3d]
services:
  api:
    image: shop/api:v1
"#;

/// As Longshore's Terraform writes it, with a boundary that is shorter.
fn limits() -> Value {
    json!({
        "account_id": "111122223333",
        "partition": "aws",
        "region": "eu-west-1",
        "permissions_boundary": {"Version": "2012-10-17", "Statement": [
            {"Sid": "UseData", "Effect": "Allow", "Resource": ["*"],
             "Action": ["s3:GetObject", "s3:GetObjectTagging", "s3:PutObject", "ssm:GetParameter"]},
            {"Sid": "Keys", "Effect": "Allow", "Action": ["kms:Decrypt"], "Resource": ["*"],
             "Condition": {"StringLike": {"kms:ViaService": ["s3.*.amazonaws.com"]}}},
            {"Sid": "RunTasks", "Effect": "Allow", "Action": ["ecs:RunTask"], "Resource": ["*"],
             "Condition": {"StringEquals": {"aws:PrincipalTag/longshore:purpose": "schedule"}}},
            {"Sid": "Own", "Effect": "Allow", "Action": ["sqs:SendMessage"], "Resource": ["*"],
             "Condition": {"StringEquals":
                {"aws:ResourceTag/longshore:stack": "${aws:PrincipalTag/longshore:stack}"}}},
            {"Sid": "Bus", "Effect": "Allow", "Action": ["events:PutEvents"],
             "Resource": ["arn:aws:events:eu-west-1:111122223333:event-bus/longshore"]},
            {"Sid": "KeepOut", "Effect": "Deny", "Action": ["*"],
             "Resource": ["arn:aws:s3:::longshore-state", "arn:aws:s3:::longshore-state/*"]},
            {"Sid": "More", "Effect": "Allow", "Action": ["dynamodb:*"], "Resource": ["*"]},
        ]},
        "bucket_names": ["homebrew-bottles-*", "shop-*-111122223333"],
        "mirror_bucket_names": ["homebrew-bottles-*"],
        "stack_role_arns": ["arn:aws:iam::111122223333:role/shared"],
        "cluster_names": ["*"],
        "repository_names": ["shop/*"],
        "image_parameter_names": [],
    })
}

fn problems_with(limits: &Value, rest: &str) -> Vec<Problem> {
    let reading = accepted(&format!("{SHOP}{rest}\n"));
    let installation = Installation::parse(limits.to_string().as_bytes()).unwrap();
    reading.locate(check_installation(&reading.stack, &installation))
}

fn problems(rest: &str) -> Vec<Problem> {
    problems_with(&limits(), rest)
}

/// The problem with these actions on these resources, if there is one.
fn problem_of(action: &str, resource: &str) -> Option<Problem> {
    let statement = format!(
        "    task_role_statements:\n      - actions: [\"{action}\"]\n        resources: [\"{resource}\"]"
    );
    let mut problems = problems(&statement);
    assert!(problems.len() < 2, "{problems:#?}");
    problems.pop()
}

#[test]
fn what_the_boundary_allows_is_not_remarked_on() {
    for (action, resource) in [
        ("s3:GetObject", "arn:aws:s3:::photos/*"),
        ("S3:getobject", "arn:aws:s3:::photos/*"),
        (
            "dynamodb:Get*",
            "arn:aws:dynamodb:eu-west-1:111122223333:table/x",
        ),
        // How a key is used is up to the request.
        ("kms:Decrypt", "*"),
        (
            "sqs:SendMessage",
            "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:shop-jobs",
        ),
        (
            "events:PutEvents",
            "arn:aws:events:eu-west-1:111122223333:event-bus/longshore",
        ),
    ] {
        assert_eq!(problem_of(action, resource), None, "{action}");
    }
}

#[test]
fn what_the_boundary_cuts_is_refused_where_it_stands_with_the_variable_that_widens_it() {
    for (action, resource) in [
        ("ses:SendEmail", "*"),
        ("ecs:RunTask", "*"),
        (
            "events:PutEvents",
            "arn:aws:events:eu-west-1:111122223333:event-bus/shop",
        ),
        ("s3:Delete*", "arn:aws:s3:::photos/*"),
    ] {
        let problem = problem_of(action, resource).unwrap();
        assert_eq!(problem.severity, Severity::Error, "{action}");
        assert_eq!(
            problem.path,
            "services.api.task_role_statements[0].actions[0]"
        );
        assert_eq!(
            (problem.line, problem.column),
            (Some(10), Some(19)),
            "{action}"
        );
        assert_eq!(
            problem.message,
            format!(
                "the permissions boundary does not allow this, so that the container could not do it; add `{action}` to \
                 `permissions_boundary_actions` of Longshore's Terraform, or leave it out"
            )
        );
    }
}

#[test]
fn what_is_allowed_only_in_the_stack_is_refused_for_what_others_made() {
    let problem = problem_of(
        "sqs:SendMessage",
        "arn:aws:sqs:eu-west-1:111122223333:billing-jobs",
    );
    let problem = problem.unwrap();
    assert_eq!(problem.severity, Severity::Error);
    assert!(
        problem.message.contains("use `queues` and `topics`"),
        "{}",
        problem.message
    );
    assert!(problem.message.contains("`permissions_boundary_actions`"));
}

#[test]
fn a_wildcard_that_is_cut_in_part_is_warned_of_with_what_is_left() {
    let problem = problem_of("s3:Get*", "arn:aws:s3:::photos/*").unwrap();
    assert_eq!(problem.severity, Severity::Warning);
    assert_eq!(
        problem.message,
        "the permissions boundary lets through only a part of it: s3:GetObject, s3:GetObjectTagging; name the actions that \
         the container needs, or add `s3:Get*` to `permissions_boundary_actions` of Longshore's Terraform"
    );
}

#[test]
fn what_is_longshores_own_is_refused_and_a_denial_never_is() {
    let problem = problem_of("s3:GetObject", "arn:aws:s3:::longshore-state/stacks/*").unwrap();
    assert_eq!(problem.severity, Severity::Error);
    assert_eq!(
        problem.path,
        "services.api.task_role_statements[0].resources[0]"
    );
    let denial =
        "    task_role_statements: [{effect: Deny, actions: [\"ses:*\"], resources: [\"*\"]}]";
    assert_eq!(problems(denial), []);
}

#[test]
fn names_that_the_installation_does_not_have_are_refused_with_their_variables() {
    let expected = [
        (
            "buckets: {uploads: {bucket_name: photos}}",
            "buckets.uploads.bucket_name",
            "bucket_names",
        ),
        (
            "    task_role_arn: arn:aws:iam::111122223333:role/admin",
            "services.api.task_role_arn",
            "stack_role_arns",
        ),
        (
            "    sidecars: {proxy: {image: \"tools/proxy:v1\"}}",
            "services.api.sidecars.proxy.image",
            "repository_names",
        ),
        (
            "capacity: {main: {instance_type: t3.medium, image_ssm_parameter: /golden/image}}",
            "capacity.main.image_ssm_parameter",
            "image_parameter_names",
        ),
    ];
    for (rest, path, variable) in expected {
        let problems = problems(rest);
        assert_eq!(problems.len(), 1, "{problems:#?}");
        assert_eq!(problems[0].path, path);
        assert_eq!(problems[0].severity, Severity::Error);
        let message = &problems[0].message;
        assert!(
            message.contains(&format!("`{variable}` of Longshore's Terraform")),
            "{message}"
        );
    }
    let mut limits = limits();
    limits["cluster_names"] = json!(["billing"]);
    let problems = problems_with(&limits, "");
    assert_eq!(problems.len(), 1);
    assert_eq!(
        (problems[0].path.as_str(), problems[0].line),
        ("name", Some(2))
    );
    let problems = problems_with(&limits, "cluster: {existing: shared}");
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].path, "cluster.existing");
}

#[test]
fn a_bucket_is_allowed_by_the_name_that_it_will_have() {
    assert_eq!(problems("buckets: {uploads: {}}"), []);
    let mut limits = limits();
    limits["account_id"] = json!("999900001111");
    let problems = problems_with(&limits, "buckets: {uploads: {}}");
    assert_eq!(problems.len(), 1);
    assert_eq!(
        problems[0].value.as_deref(),
        Some("shop-uploads-999900001111")
    );
}

#[test]
fn roles_of_stacks_and_aws_own_images_are_always_allowed() {
    let rest = "    task_role_arn: arn:aws:iam::${AWS::AccountId}:role/longshore/shop-TaskRole\n\
                \x20   execution_role_arn: arn:aws:iam::${AWS::AccountId}:role/shared\n\
                capacity: {main: {instance_type: t3.medium}}";
    assert_eq!(problems(rest), []);
}

fn refusals(statement: &str) -> Vec<Problem> {
    read_text(&format!("{SHOP}    task_role_statements: [{statement}]\n")).unwrap_err()
}

#[test]
fn conditions_of_statements_are_in_the_role_as_they_are_written() {
    let text = format!(
        "{SHOP}    task_role_statements:\n      - effect: Deny\n        actions: [\"s3:PutObject\"]\n        \
         resources: [\"*\"]\n        conditions:\n          StringNotEquals: {{aws:RequestedRegion: [\"${{AWS::Region}}\"]}}\n"
    );
    let template = template(&text);
    let role = &template["Resources"]["TaskRoleApi"]["Properties"];
    assert_eq!(
        role["Policies"][0]["PolicyDocument"]["Statement"],
        json!([{
            "Effect": "Deny",
            "Action": ["s3:PutObject"],
            "Resource": ["*"],
            "Condition": {"StringNotEquals": {"aws:RequestedRegion": [{"Fn::Sub": "${AWS::Region}"}]}},
        }])
    );
}

#[test]
fn conditions_that_iam_does_not_know_are_refused() {
    let of = |conditions: &str| {
        let statement = format!(
            "{{actions: [\"s3:GetObject\"], resources: [\"*\"], conditions: {conditions}}}"
        );
        let problems = refusals(&statement);
        assert_eq!(problems.len(), 1, "{problems:#?}");
        problems[0].message.clone()
    };
    let message = of("{StringEqual: {\"aws:RequestedRegion\": [x]}}");
    assert_eq!(
        message,
        "IAM has no such operator of conditions; did you mean `StringEquals`?"
    );
    assert!(
        of("{Bool: {\"SecureTransport\": [true]}}").starts_with("this is not a key of a condition")
    );
    assert!(of("{Bool: {\"aws:SecureTransport\": []}}").starts_with("a key without values"));
}
