//! What the installation does not let its stacks have is refused before AWS is asked for anything.

use longshore_events::longshore::Severity;
use longshore_provisioning::error::ProvisioningError;
use longshore_provisioning::file::FileOutcome;
use longshore_provisioning::plan::plan;
use longshore_stack::check::INSTALLATION_KEY;
use longshore_state::ErrorClass;
use longshore_testkit::FakeCloud;
use serde_json::json;

use crate::scene::{STACK, account, reading, settings, stack_file, uploaded};

/// An installation whose boundary allows reading objects, and nothing else.
fn strict() -> FakeCloud {
    let cloud = account();
    let limits = json!({
        "account_id": "111122223333",
        "partition": "aws",
        "region": "eu-west-1",
        "permissions_boundary": {"Statement": [
            {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["*"]},
        ]},
        "bucket_names": [],
        "mirror_bucket_names": [],
        "stack_role_arns": [],
        "cluster_names": ["*"],
        "repository_names": ["*"],
        "image_parameter_names": [],
    });
    cloud
        .objects()
        .put_bytes(INSTALLATION_KEY, limits.to_string());
    cloud
}

fn with_rights(actions: &str) -> String {
    let file = stack_file(256);
    let file = file.trim_end();
    format!("{file}\n    task_role_statements: [{{actions: [{actions}], resources: [\"*\"]}}]\n")
}

#[tokio::test]
async fn a_plan_refuses_a_right_that_the_boundary_would_cut_and_asks_for_nothing_else() {
    let cloud = strict();
    let file = with_rights("\"ses:SendEmail\"");
    let refused = plan(&cloud, &settings(), &reading(&file), "one").await;
    let Err(ProvisioningError::Refused { problems, .. }) = refused else {
        panic!("{refused:#?}");
    };
    assert_eq!(problems.len(), 1);
    assert_eq!(
        problems[0].path,
        "services.api.task_role_statements[0].actions[0]"
    );
    assert!(problems[0].line.is_some() && problems[0].column.is_some());
    assert!(
        problems[0]
            .message
            .contains("`permissions_boundary_actions`")
    );
    assert_eq!(
        cloud.calls(),
        ["GetObject installation"],
        "what is refused is not looked up"
    );
}

#[tokio::test]
async fn a_stack_file_in_the_bucket_is_refused_in_the_same_way() {
    let cloud = strict();
    let file = with_rights("\"ses:SendEmail\"");
    let outcome = uploaded(&cloud, &file).await.unwrap();
    assert!(
        matches!(outcome, FileOutcome::Refused { .. }),
        "{outcome:?}"
    );
    assert_eq!(cloud.stack_status(STACK), None);
}

#[tokio::test]
async fn what_is_cut_in_part_is_a_warning_of_the_plan() {
    let cloud = strict();
    let file = with_rights("\"s3:Get*\"");
    let plan = plan(&cloud, &settings(), &reading(&file), "one").await;
    let warnings = plan.unwrap().warnings;
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert_eq!(warnings[0].severity, Severity::Warning);
}

#[tokio::test]
async fn an_installation_that_says_nothing_limits_nothing() {
    let cloud = account();
    let file = with_rights("\"ses:SendEmail\"");
    assert!(
        plan(&cloud, &settings(), &reading(&file), "one")
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn limits_that_cannot_be_read_are_an_error_and_not_no_limits() {
    let cloud = account();
    cloud.objects().put_bytes(INSTALLATION_KEY, "{}");
    let file = stack_file(256);
    let failed = plan(&cloud, &settings(), &reading(&file), "one").await;
    let Err(ProvisioningError::Call(error)) = failed else {
        panic!("{failed:#?}");
    };
    assert_eq!(error.class, ErrorClass::Unreadable);
    assert!(
        error.message.contains("apply Longshore's Terraform again"),
        "{error}"
    );
}
