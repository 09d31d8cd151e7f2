//! What is said about stack files without asking AWS.

use std::path::PathBuf;
use std::process::Output;

use super::longshore;

/// Runs the program without any configuration, at the root of the repository.
fn run(arguments: &[&str]) -> Output {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    longshore()
        .args(arguments)
        .env_clear()
        .current_dir(root)
        .output()
        .unwrap()
}

fn printed(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_good_stack_file_is_valid_in_all_its_environments_and_needs_no_aws() {
    let output = run(&["validate", "stacks/classla.yaml", "--all-environments"]);
    assert!(output.status.success());
    assert_eq!(
        printed(&output),
        "stacks/classla.yaml: 0 errors, 0 warnings\n"
    );
}

#[test]
fn every_problem_is_printed_with_its_place_and_the_exit_status_reports_errors() {
    let path = std::env::temp_dir().join(format!("longshore-{}.yaml", std::process::id()));
    let text = "name: shop\nnetwork: {vpc_id: vpc-1, subnet_ids: [subnet-1, subnet-2]}\nservices:\n  api:\n    \
                image: shop/api:v1\n    cpu: 300\n    memroy: 512\n";
    std::fs::write(&path, text).unwrap();
    let file = path.display().to_string();
    let output = run(&["validate", &file]);
    let json = run(&["validate", &file, "--output", "json"]);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(output.status.code(), Some(1));
    let printed = printed(&output);
    let lines: Vec<&str> = printed.lines().collect();
    assert!(
        lines[0].starts_with(&format!(
            "{file}:6:10: error: services.api.cpu: `300`: Fargate does not offer tasks"
        )),
        "{printed}"
    );
    assert_eq!(
        lines[1..],
        [
            format!(
                "{file}:7:5: error: services.api.memroy: `memroy`: there is no such key in `services.api`; did \
                 you mean `memory`?"
            ),
            format!("{file}: 2 errors, 0 warnings"),
        ]
    );
    assert_eq!(json.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(report["is_valid"], false);
    assert_eq!(report["problems"][1]["line"], 7);
    assert_eq!(report["problems"][1]["severity"], "error");
}

#[test]
fn the_schema_of_stack_files_is_printed() {
    let output = run(&["schema", "stack"]);
    assert!(output.status.success());
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(schema["title"], "Longshore stack file");
}
