//! What is said about stack files without asking AWS.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use longshore_testkit::{PathologicalFile, pathological_stack_files};

use super::longshore;

/// What the program may allocate, in kilobytes.
const MOST_MEMORY: u32 = 64 * 1024;

/// What it may take of a processor, in seconds. Tests are not optimised.
const LONGEST: u32 = if cfg!(debug_assertions) { 20 } else { 1 };

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
            "    |".to_owned(),
            "  6 |     cpu: 300".to_owned(),
            "    |          ^^^".to_owned(),
            format!(
                "{file}:7:5: error: services.api.memroy: there is no such key; did \
                 you mean `memory`?"
            ),
            "    |".to_owned(),
            "  7 |     memroy".to_owned(),
            "    |     ^^^^^^".to_owned(),
            format!("{file}: 2 errors, 0 warnings"),
        ]
    );
    assert_eq!(json.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(report["is_valid"], false);
    assert_eq!(report["problems"][1]["line"], 7);
    assert_eq!(report["problems"][1]["severity"], "error");
}

/// Runs `longshore validate` with limits that the kernel keeps: beyond that of memory an allocation fails, and beyond
/// that of time the program is killed.
fn validate_within_limits(file: &Path) -> Output {
    Command::new("sh")
        .arg("-c")
        .arg(format!(
            "ulimit -d {MOST_MEMORY} && ulimit -t {LONGEST} && exec \"$0\" validate \"$1\" --all-environments"
        ))
        .arg(longshore().get_program())
        .arg(file)
        .output()
        .unwrap()
}

#[test]
fn small_files_that_mean_much_work_are_refused_within_a_second_and_64_mb() {
    let path = std::env::temp_dir().join(format!("longshore-much-{}.yaml", std::process::id()));
    let mut faults = Vec::new();
    for PathologicalFile { name, text, error } in pathological_stack_files() {
        std::fs::write(&path, text).unwrap();
        let output = validate_within_limits(&path);
        if output.status.code() != Some(1) || !printed(&output).contains(error) {
            let said = String::from_utf8_lossy(&output.stderr);
            faults.push(format!("{name}: {}, {said}", output.status));
        }
    }
    std::fs::remove_file(&path).unwrap();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn the_schema_of_stack_files_is_printed() {
    let output = run(&["schema", "stack"]);
    assert!(output.status.success());
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(schema["title"], "Longshore stack file");
}

const COMPOSE: &str = "shared/init/tests/inputs/compose/blog.yml";
const NETWORK: [&str; 6] = [
    "--vpc",
    "vpc-0a1b2c3d4e5f60000",
    "--subnet",
    "subnet-0a1b2c3d4e5f60001",
    "--subnet",
    "subnet-0a1b2c3d4e5f60002",
];

#[test]
fn a_compose_file_becomes_a_stack_file_and_what_is_lost_is_said_beside_it() {
    let output = run(&[&["init", "--from", COMPOSE, "--name", "blog"], &NETWORK[..]].concat());
    let notes = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(output.status.success(), "{notes}");
    let text = printed(&output);
    assert!(text.contains("\nname: blog\n"), "{text}");
    assert!(text.contains("vpc_id: vpc-0a1b2c3d4e5f60000"), "{text}");
    assert!(notes.contains("services.db: not carried over"), "{notes}");
}

#[test]
fn an_ecspresso_definition_is_read_with_the_files_that_it_names() {
    let file = "shared/init/tests/inputs/ecspresso/ecspresso.yml";
    let output = run(&[&["init", "--from", file], &NETWORK[..]].concat());
    assert!(output.status.success(), "{output:?}");
    assert!(printed(&output).contains("\nname: gallery\n"));
}

#[test]
fn init_replaces_no_file_unless_it_is_told_to() {
    let path = std::env::temp_dir().join(format!("longshore-init-{}.yaml", std::process::id()));
    let file = path.display().to_string();
    let init = |more: &[&str]| {
        let arguments = ["init", "--from", COMPOSE, "--output", &file];
        run(&[&arguments[..], &NETWORK, more].concat())
    };
    let first = init(&[]);
    std::fs::write(&path, "mine").unwrap();
    let second = init(&[]);
    let kept = std::fs::read_to_string(&path).unwrap();
    let third = init(&["--force"]);
    let replaced = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(first.status.success() && third.status.success());
    assert_eq!(second.status.code(), Some(1));
    let refusal = String::from_utf8(second.stderr).unwrap();
    assert!(refusal.contains("is there already"), "{refusal}");
    assert_eq!(kept, "mine");
    assert!(replaced.contains("name: compose"), "{replaced}");
}

#[test]
fn init_asks_nobody_where_there_is_no_terminal() {
    let output = longshore()
        .arg("init")
        .env_clear()
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let refusal = String::from_utf8(output.stderr).unwrap();
    assert!(refusal.contains("give --from"), "{refusal}");
}
