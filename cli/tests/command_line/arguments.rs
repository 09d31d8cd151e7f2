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
    let cases: [(&[&str], &str); 27] = [
        (&["approve", "shop/api", "--timeout-minutes", "5"], "--wait"),
        (
            &[
                "deploy",
                "shop/api",
                "--image",
                "shop/api:v2",
                "--wait",
                "--timeout-minutes",
                "0",
            ],
            "invalid value '0' for '--timeout-minutes <MINUTES>'",
        ),
        (
            &["deploy", "shop", "--image", "shop/api:v2"],
            "expected <stack>/<service>, such as shop/api",
        ),
        (
            &["deploy", "shop/api", "--image", "shop/api"],
            "expected <repository>:<tag> or <repository>@sha256:<digest>",
        ),
        (&["deploy", "shop/api"], "--image"),
        (
            &["rollback", "shop"],
            "expected <stack>/<service>, such as shop/api",
        ),
        (
            &["rollback", "shop/api", "--to", "0"],
            "invalid value '0' for '--to <NUMBER>'",
        ),
        (
            &["hold", "shop/api/one"],
            "expected <stack> or <stack>/<service>, such as shop/api",
        ),
        (
            &["hold", "shop", "--until", "tomorrow"],
            "invalid value 'tomorrow' for '--until <TIME>'",
        ),
        (&["resume"], "<SUBJECT>"),
        (
            &["approve", "shop/api", "--digest", "v2"],
            "expected 12 to 64 lowercase hexadecimal digits, with or without sha256:",
        ),
        (
            &["history", "shop"],
            "expected <stack>/<service>, such as shop/api",
        ),
        (
            &["logs", "shop/api", "--lines", "0"],
            "invalid value '0' for '--lines <LINES>'",
        ),
        (
            &["adopt", "shop"],
            "expected <cluster>/<service>, such as shop/api",
        ),
        (
            &["adopt", "shop/api", "--tags", "v*", "--semver", "^1"],
            "cannot be used with",
        ),
        (
            &["adopt", "shop/api", "--tags", "v*", "--tag-pattern", "v.*"],
            "cannot be used with",
        ),
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
    let commands: [&[&str]; 14] = [
        &["status"],
        &["rollback", "shop/api"],
        &["hold", "shop", "--until", "2026-12-24T18:00:00+01:00"],
        &["resume", "shop"],
        &["approve", "shop/api"],
        &["history", "shop/api"],
        &["logs", "shop/api"],
        &[
            "adopt",
            "shop/api",
            "--semver",
            "^1",
            "--tag-pattern",
            "v(.*)",
        ],
        &["adopt", "shop/api", "--tags", "v*,main"],
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
