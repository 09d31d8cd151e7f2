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
    let cases: [(&[&str], &str); 5] = [
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
    let said = refused(&["status"]);
    assert!(said.contains("--state-bucket"), "{said}");
}
