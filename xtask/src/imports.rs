//! Who may import whom. The directions are those of `ARCHITECTURE.md`:
//! functions, cli -> runtime -> aws -> provisioning -> stack, rollout -> policy -> state -> events,
//! aws -> transfer -> bottles -> state, aws -> report -> state, cli -> init -> stack.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};
use longshore_local::files;
use longshore_local::process::capture;
use longshore_local::workspace::Workspace;
use serde::Deserialize;

use crate::circles;
use crate::compile::cargo;

/// What one package may import.
struct Rule {
    package: &'static str,
    /// Packages of this workspace.
    ours: &'static [&'static str],
    /// Packages of [`RESTRICTED`] that it may name all the same; a `*` at the end stands for any rest.
    restricted: &'static [&'static str],
}

/// Packages of this workspace that everybody may use in tests.
const FOR_TESTS: [&str; 3] = ["longshore-testkit", "longshore-local", "longshore-tests"];

/// What a package may import in its tests besides: the simulation of deployments has a stack that changes.
const FOR_TESTS_OF: [(&str, &str); 1] = [("longshore-rollout", "longshore-provisioning")];

/// Packages that only those may import which say so: AWS, asynchronous runtimes, the network.
const RESTRICTED: [&str; 11] = [
    "aws-config",
    "aws-credential-types",
    "aws-runtime",
    "aws-sdk-*",
    "aws-sigv4",
    "aws-smithy-*",
    "aws-types",
    "lambda_runtime",
    "reqwest",
    "tokio",
    "ureq",
];

const BELOW_AWS: [&str; 9] = [
    "longshore-events",
    "longshore-state",
    "longshore-policy",
    "longshore-rollout",
    "longshore-stack",
    "longshore-provisioning",
    "longshore-bottles",
    "longshore-transfer",
    "longshore-report",
];
const BELOW_RUNTIME: [&str; 10] = [
    "longshore-events",
    "longshore-state",
    "longshore-policy",
    "longshore-rollout",
    "longshore-stack",
    "longshore-provisioning",
    "longshore-bottles",
    "longshore-transfer",
    "longshore-report",
    "longshore-aws",
];
const BELOW_FUNCTIONS: [&str; 11] = [
    "longshore-events",
    "longshore-state",
    "longshore-policy",
    "longshore-rollout",
    "longshore-stack",
    "longshore-provisioning",
    "longshore-bottles",
    "longshore-transfer",
    "longshore-report",
    "longshore-aws",
    "longshore-runtime",
];
/// The command line also makes first stack files, which no function does.
const BELOW_CLI: [&str; 12] = [
    "longshore-events",
    "longshore-state",
    "longshore-policy",
    "longshore-rollout",
    "longshore-stack",
    "longshore-init",
    "longshore-provisioning",
    "longshore-bottles",
    "longshore-transfer",
    "longshore-report",
    "longshore-aws",
    "longshore-runtime",
];

/// The one table. A package without a line in it is refused, so that a new one is thought about.
const RULES: [Rule; 26] = [
    rule("longshore-events", &[], &[]),
    rule("longshore-state", &["longshore-events"], &[]),
    rule(
        "longshore-policy",
        &["longshore-events", "longshore-state"],
        &[],
    ),
    rule(
        "longshore-rollout",
        &["longshore-events", "longshore-state", "longshore-policy"],
        &[],
    ),
    rule(
        "longshore-stack",
        &["longshore-events", "longshore-policy"],
        &[],
    ),
    rule(
        "longshore-init",
        &["longshore-events", "longshore-stack"],
        &[],
    ),
    rule(
        "longshore-provisioning",
        &[
            "longshore-events",
            "longshore-state",
            "longshore-policy",
            "longshore-rollout",
            "longshore-stack",
        ],
        &[],
    ),
    rule(
        "longshore-bottles",
        &["longshore-events", "longshore-state"],
        &[],
    ),
    // It waits and speaks HTTP: that is what it is for.
    rule(
        "longshore-transfer",
        &["longshore-bottles", "longshore-events", "longshore-state"],
        &["reqwest", "tokio"],
    ),
    // Beside words and messages it is the client of Slack, which waits and speaks HTTP.
    rule(
        "longshore-report",
        &["longshore-events", "longshore-state"],
        &["reqwest", "tokio"],
    ),
    rule(
        "longshore-aws",
        &BELOW_AWS,
        &[
            "aws-config",
            "aws-credential-types",
            "aws-runtime",
            "aws-sdk-*",
            "aws-smithy-*",
            "aws-types",
            "reqwest",
            "tokio",
        ],
    ),
    rule(
        "longshore-runtime",
        &BELOW_RUNTIME,
        &["lambda_runtime", "tokio"],
    ),
    rule(
        "longshore-deploy",
        &BELOW_FUNCTIONS,
        &["lambda_runtime", "tokio"],
    ),
    rule(
        "longshore-watch",
        &BELOW_FUNCTIONS,
        &["lambda_runtime", "tokio"],
    ),
    rule(
        "longshore-provision",
        &BELOW_FUNCTIONS,
        &["lambda_runtime", "tokio"],
    ),
    rule(
        "longshore-notify",
        &BELOW_FUNCTIONS,
        &["lambda_runtime", "tokio"],
    ),
    rule(
        "longshore-press",
        &BELOW_FUNCTIONS,
        &["lambda_runtime", "tokio"],
    ),
    rule(
        "longshore-sync",
        &BELOW_FUNCTIONS,
        &["lambda_runtime", "tokio"],
    ),
    // The program of all functions and of the task; Lambda names one of the functions.
    rule(
        "longshore-bootstrap",
        &[
            // Its tests read what the task says.
            "longshore-bottles",
            "longshore-events",
            "longshore-bottle-sync",
            "longshore-deploy",
            "longshore-notify",
            "longshore-press",
            "longshore-provision",
            "longshore-sync",
            "longshore-watch",
        ],
        &["lambda_runtime", "tokio"],
    ),
    // No Lambda function: a task, which serves its health over a socket.
    rule("longshore-bottle-sync", &BELOW_FUNCTIONS, &["tokio"]),
    rule("longshore-cli", &BELOW_CLI, &["tokio"]),
    rule("longshore-testkit", &BELOW_AWS, &[]),
    // It calls every parser of what comes from outside.
    rule("longshore-fuzz", &BELOW_AWS, &[]),
    // A tool that looks at the system from outside: it signs its own requests.
    rule(
        "longshore-local",
        &[],
        &["aws-credential-types", "aws-sigv4", "ureq"],
    ),
    // It asks a mirror as brew does; tokio is named for its features only.
    rule("longshore-tests", &["longshore-local"], &["tokio", "ureq"]),
    // It pushes images to their registry.
    rule(
        "xtask",
        &["longshore-events", "longshore-local", "longshore-stack"],
        &["ureq"],
    ),
];

/// Crates in which no two files use each other, not even by way of others. Whoever unties another one adds it.
const WITHOUT_CIRCLES: [&str; 26] = [
    "cli",
    "functions/bootstrap",
    "functions/bottle-sync",
    "functions/deploy",
    "functions/notify",
    "functions/press",
    "functions/provision",
    "functions/sync",
    "functions/watch",
    "fuzz",
    "local",
    "shared/aws",
    "shared/bottles",
    "shared/events",
    "shared/init",
    "shared/policy",
    "shared/provisioning",
    "shared/report",
    "shared/rollout",
    "shared/runtime",
    "shared/stack",
    "shared/state",
    "shared/testkit",
    "shared/transfer",
    "tests",
    "xtask",
];

const fn rule(
    package: &'static str,
    ours: &'static [&'static str],
    restricted: &'static [&'static str],
) -> Rule {
    Rule {
        package,
        ours,
        restricted,
    }
}

/// What `cargo metadata` says of the workspace, as far as it matters here.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

/// How many rules were checked, and what breaks one of them.
pub struct Findings {
    pub checked: usize,
    pub violations: Vec<String>,
}

/// Checks the manifests and the sources of the workspace.
///
/// # Errors
/// When they cannot be read.
pub fn check(workspace: &Workspace) -> Result<Findings> {
    let metadata = capture(cargo(workspace, "metadata").args([
        "--no-deps",
        "--format-version",
        "1",
        "--offline",
    ]))?;
    let metadata: Metadata =
        serde_json::from_str(&metadata).context("read the answer of cargo metadata")?;
    let mut violations = check_manifests(&metadata);
    let mut sources = 0;
    for folder in [
        "functions",
        "shared",
        "cli",
        "fuzz",
        "local",
        "tests",
        "xtask",
    ] {
        sources += check_sources(workspace, &workspace.path(folder), &mut violations)?;
    }
    for package in WITHOUT_CIRCLES {
        violations.extend(check_circles(workspace, package)?);
    }
    Ok(Findings {
        checked: metadata.packages.len() + sources + WITHOUT_CIRCLES.len(),
        violations,
    })
}

fn check_manifests(metadata: &Metadata) -> Vec<String> {
    let ours: BTreeSet<&str> = metadata
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let mut violations = Vec::new();
    for package in &metadata.packages {
        let Some(rule) = RULES.iter().find(|rule| rule.package == package.name) else {
            violations.push(format!(
                "{} has no line in the table of xtask/src/imports.rs",
                package.name
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            let for_tests = dependency.kind.as_deref() == Some("dev");
            let allowed = if ours.contains(name) {
                rule.ours.contains(&name)
                    || (for_tests
                        && (FOR_TESTS.contains(&name)
                            || FOR_TESTS_OF.contains(&(rule.package, name))))
            } else {
                let is_restricted = RESTRICTED.iter().any(|pattern| matches(pattern, name));
                // Tests may wait and speak HTTP anywhere, but AWS has one place for them too.
                !is_restricted
                    || (for_tests && !name.starts_with("aws-"))
                    || rule.restricted.iter().any(|pattern| matches(pattern, name))
            };
            if !allowed {
                violations.push(format!("{} may not import {name}", package.name));
            }
        }
    }
    violations
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    }
}

/// Only `shared/aws` writes the names of AWS's SDK, not even through somebody's re-export.
fn check_sources(
    workspace: &Workspace,
    folder: &Path,
    violations: &mut Vec<String>,
) -> Result<usize> {
    let mut sources = files::below(folder, "rs")?;
    sources.retain(|path| !path.starts_with(workspace.path("shared/aws")));
    for path in &sources {
        let source =
            std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let shown = path.strip_prefix(workspace.root()).unwrap_or(path);
        violations.extend(foreign_names(&source).map(|(line, name)| {
            format!(
                "{}:{line} names {name}, which only shared/aws may",
                shown.display()
            )
        }));
        if may_lose_races(shown) {
            continue;
        }
        violations.extend(lost_races(&source).map(|line| {
            format!(
                "{}:{line} deals with a lost race, which only shared/state does: use `decide_again`, `change` or \
                 `unless_lost`",
                shown.display()
            )
        }));
    }
    Ok(sources.len())
}

fn check_circles(workspace: &Workspace, package: &str) -> Result<Option<String>> {
    let folder = workspace.path(package).join("src");
    let mut modules = circles::Modules::new();
    for path in files::below(&folder, "rs")? {
        // A file of tests uses all of the file that it belongs to.
        if path.ends_with("tests.rs") {
            continue;
        }
        let source =
            std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let file = path.strip_prefix(&folder).unwrap_or(&path);
        modules.insert(circles::module(file), source);
    }
    let circles = circles::circles(&modules);
    Ok((!circles.is_empty()).then(|| {
        format!(
            "{package}: these modules use each other, be it by way of others: {}",
            circles.join(", ")
        )
    }))
}

fn foreign_names(source: &str) -> impl Iterator<Item = (usize, String)> {
    // Put together here, so that this file does not break its own rule.
    let names = ["sdk_", "config", "smithy_"].map(|name| format!("aws_{name}"));
    source.lines().zip(1..).filter_map(move |(line, number)| {
        let name = names.iter().find(|name| line.contains(name.as_str()))?;
        Some((number, name.clone()))
    })
}

/// Whether a source has to do with lost races itself: the one loop, and tests.
fn may_lose_races(path: &Path) -> bool {
    ["shared/state", "shared/testkit", "xtask"]
        .iter()
        .any(|folder| path.starts_with(folder))
        || path.components().any(|part| part.as_os_str() == "tests")
        || path.ends_with("tests.rs")
}

/// The lines that name a lost race, but for comments.
fn lost_races(source: &str) -> impl Iterator<Item = usize> {
    source
        .lines()
        .zip(1..)
        .filter(|(line, _)| line.contains("LostRace") && !line.trim_start().starts_with("//"))
        .map(|(_, number)| number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(package: &str, dependencies: &[(&str, Option<&str>)]) -> Metadata {
        let mut packages: Vec<Package> = RULES
            .iter()
            .map(|rule| Package {
                name: rule.package.to_owned(),
                dependencies: Vec::new(),
            })
            .collect();
        packages.retain(|known| known.name != package);
        packages.push(Package {
            name: package.to_owned(),
            dependencies: dependencies
                .iter()
                .map(|(name, kind)| Dependency {
                    name: (*name).to_owned(),
                    kind: kind.map(str::to_owned),
                })
                .collect(),
        });
        Metadata { packages }
    }

    #[test]
    fn allowed_directions_pass() {
        let metadata = metadata(
            "longshore-deploy",
            &[
                ("longshore-runtime", None),
                ("longshore-events", None),
                ("tokio", None),
                ("serde_json", None),
            ],
        );
        assert_eq!(check_manifests(&metadata), Vec::<String>::new());
    }

    #[test]
    fn a_forbidden_edge_is_refused() {
        for (package, dependency, kind) in [
            ("longshore-deploy", "longshore-watch", None),
            ("longshore-deploy", "longshore-watch", Some("dev")),
            ("longshore-rollout", "longshore-aws", None),
            ("longshore-stack", "longshore-rollout", None),
            ("longshore-rollout", "longshore-provisioning", None),
            ("longshore-policy", "longshore-provisioning", Some("dev")),
            ("longshore-aws", "longshore-runtime", None),
            ("longshore-rollout", "tokio", None),
            ("longshore-rollout", "tokio", Some("build")),
            ("longshore-events", "aws-sdk-ecs", None),
            ("longshore-notify", "aws-sdk-secretsmanager", Some("dev")),
            ("longshore-notify", "reqwest", None),
            ("longshore-report", "longshore-testkit", None),
        ] {
            let violations = check_manifests(&metadata(package, &[(dependency, kind)]));
            assert_eq!(
                violations,
                [format!("{package} may not import {dependency}")]
            );
        }
    }

    #[test]
    fn tests_may_wait_and_use_the_testkit() {
        let metadata = metadata(
            "longshore-rollout",
            &[
                ("longshore-provisioning", Some("dev")),
                ("longshore-testkit", Some("dev")),
                ("tokio", Some("dev")),
            ],
        );
        assert_eq!(check_manifests(&metadata), Vec::<String>::new());
    }

    #[test]
    fn a_lost_race_is_dealt_with_in_one_place() {
        let source = "/// [`ErrorClass::LostRace`] when\nErr(error) if error.class == ErrorClass::LostRace => {}\n";
        assert_eq!(lost_races(source).collect::<Vec<_>>(), [2]);
        for (path, may) in [
            ("shared/state/src/race.rs", true),
            ("shared/rollout/tests/engine/waiting.rs", true),
            ("functions/notify/src/handler/tests.rs", true),
            ("shared/rollout/src/triggers/hold.rs", false),
            ("shared/bottles/src/sync/shard.rs", false),
        ] {
            assert_eq!(may_lose_races(Path::new(path)), may, "{path}");
        }
    }

    #[test]
    fn a_package_that_nobody_thought_about_is_refused() {
        let violations = check_manifests(&metadata("longshore-new", &[]));
        assert_eq!(
            violations,
            ["longshore-new has no line in the table of xtask/src/imports.rs"]
        );
    }

    #[test]
    fn a_name_of_the_sdk_is_found_with_its_line() {
        let source = format!("use std::fmt;\nuse aws_{}ecs::Client;\n", "sdk_");
        let found: Vec<_> = foreign_names(&source).collect();
        assert_eq!(found, [(2, format!("aws_{}", "sdk_"))]);
    }
}
