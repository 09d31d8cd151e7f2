//! What is wrong with a command line is said before anything is called.

use super::longshore;

/// Runs the program without any configuration; its exit status and what it said on standard error.
fn refused(arguments: &[&str]) -> String {
    let output = longshore().args(arguments).env_clear().output().unwrap();
    assert!(!output.status.success(), "{arguments:?} was accepted");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn wrong_arguments_are_refused_with_what_is_expected() {
    let cases: [(&[&str], &str); 14] = [
        (
            &["deploy", "shop", "--image", "shop/api:v2"],
            "expected <stack>/<service>, such as shop/api",
        ),
        (
            &["deploy", "shop/api", "--image", "shop/api"],
            "expected <repository>:<tag> or <repository>@sha256:<digest>",
        ),
        (&["deploy", "shop/api"], "--image"),
        (&["status", "--output", "yaml"], "text, json"),
        (&["deplyo"], "deploy"),
        (&["sync", "plan"], "<STACK>"),
        (
            &[
                "sync",
                "plan",
                "bottles",
                "--index",
                "i",
                "--inventory",
                "j",
            ],
            "cannot be used with",
        ),
        (&["sync", "plan", "--index", "i"], "--inventory <FILE>"),
        (
            &["sync", "plan", "bottles", "--platform", "arm64_tahoe"],
            "cannot be used with",
        ),
        (
            &[
                "sync",
                "plan",
                "--index",
                "i",
                "--inventory",
                "j",
                "--check-listing",
            ],
            "cannot be used with",
        ),
        (&["sync", "run"], "<STACK>"),
        (
            &["sync", "run", "bottles", "--threshold-bytes", "20GB"],
            "invalid value '20GB' for '--threshold-bytes <BYTES>'",
        ),
        (&["sync", "status"], "<STACK>"),
        (&["sync", "verify", "bottles", "--note", "x"], "--note"),
    ];
    for (arguments, expected) in cases {
        let mut all = vec!["--state-bucket", "state"];
        all.extend_from_slice(arguments);
        let said = refused(&all);
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}

#[test]
fn a_missing_state_bucket_is_named_with_its_variable() {
    let commands: [&[&str]; 6] = [
        &["status"],
        &["sync", "plan", "bottles"],
        &["sync", "plan", "bottles", "--check-listing"],
        &["sync", "run", "bottles", "--threshold-bytes", "1"],
        &["sync", "status", "bottles"],
        &["sync", "verify", "bottles"],
    ];
    for arguments in commands {
        let said = refused(arguments);
        assert!(said.contains("--state-bucket"), "{arguments:?}: {said}");
    }
}
