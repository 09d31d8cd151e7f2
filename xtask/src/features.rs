//! Whether programs and tests are built of the same dependencies. Where a test's tool asks for one more feature of a
//! dependency, cargo builds that dependency a second time, and all that stands on it: the AWS SDK, for minutes.

use std::collections::BTreeSet;

use anyhow::Result;
use longshore_local::process::capture;
use longshore_local::workspace::Workspace;

use crate::compile::cargo;

/// What is wrong, a line each.
///
/// # Errors
/// When cargo fails.
pub fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let programs = dependencies(workspace, "normal,build")?;
    let tests = dependencies(workspace, "normal,build,dev")?;
    Ok(differences(&programs, &tests))
}

/// Every dependency with its version and features, a line each.
fn dependencies(workspace: &Workspace, edges: &str) -> Result<BTreeSet<String>> {
    let tree = capture(
        cargo(workspace, "tree")
            .args(["--locked", "--workspace", "--edges", edges])
            .args(["--prefix", "none", "--format", "{p} with {f}"]),
    )?;
    // A mark says that what a dependency depends on was listed before.
    let lines = tree.lines().map(|line| line.trim_end_matches(" (*)"));
    Ok(lines.map(str::to_owned).collect())
}

fn differences(programs: &BTreeSet<String>, tests: &BTreeSet<String>) -> Vec<String> {
    let violation = |dependency: &String| {
        format!(
            "tests are not built with {dependency}: name what asks for more of it in tests/Cargo.toml, \
             where programs find it too"
        )
    };
    programs.difference(tests).map(violation).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_that_only_tests_ask_for_is_a_violation() {
        let set = |lines: &[&str]| lines.iter().map(ToString::to_string).collect();
        let programs = set(&["tokio v1.54.1 with rt", "serde v1.0.229 with std"]);
        let tests = set(&["tokio v1.54.1 with rt,test-util", "serde v1.0.229 with std"]);
        let violations = differences(&programs, &tests);
        assert_eq!(violations.len(), 1);
        assert!(
            violations[0].contains("tokio v1.54.1 with rt:"),
            "{violations:?}"
        );
        assert!(differences(&programs, &programs).is_empty());
    }
}
