//! `longshore validate`: everything that is wrong with a stack file, without asking AWS.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use longshore_bottles::index::Index;
use longshore_bottles::platforms::Platforms;
use longshore_bottles::selection::{unknown, unmatched};
use longshore_events::longshore::{Problem, Severity};
use longshore_provisioning::error::Line;
use longshore_report::words::counted;
use longshore_stack::check::{Finding, check_without_surroundings};
use longshore_stack::read::{Selection, environments, read};
use longshore_stack::spec::Stack;
use serde::Serialize;

use crate::answer::{Answer, Status};
use crate::excerpt::excerpt;
use crate::output::Output;
use crate::stack_file;
use crate::sync_offline::read_index;

/// `longshore validate`.
#[derive(Debug, Args)]
pub struct ValidateArguments {
    /// The stack files, in YAML or JSON, which are held against each other, too; `-` for standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Which of the file's environments
    #[arg(long, conflicts_with = "all_environments")]
    pub environment: Option<String>,
    /// All of the file's environments
    #[arg(long)]
    pub all_environments: bool,
    /// The index, formula.json, in which a mirror's platforms and formulae are looked for; `.gz` too
    #[arg(long, value_name = "FILE")]
    pub index: Option<PathBuf>,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// A problem, and where it is one.
#[derive(Debug, Serialize)]
struct Found {
    #[serde(flatten)]
    problem: Problem,
    /// The environments that have it, where others that were looked at do not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    environments: Vec<String>,
}

#[derive(Serialize)]
struct Report<'a> {
    file: &'a Path,
    is_valid: bool,
    problems: &'a [Found],
}

/// Reads and checks the file and says everything that is wrong with it.
pub fn run(arguments: &ValidateArguments) -> anyhow::Result<Answer> {
    let index = arguments.index.as_deref().map(read_index).transpose()?;
    let mut clusters = BTreeMap::new();
    let mut looked_at = Vec::new();
    for file in &arguments.files {
        let content = stack_file::load(file)?;
        let selected: Vec<Option<String>> = if arguments.all_environments {
            environments(&content).into_iter().map(Some).collect()
        } else {
            vec![arguments.environment.clone()]
        };
        let mut found = problems(&content, &selected, index.as_ref());
        found.extend(clusters_twice(file, &content, &selected, &mut clusters));
        looked_at.push((file, content, found));
    }
    // Warnings are for reading; they refuse nothing.
    let is_valid = |found: &[Found]| {
        !found
            .iter()
            .any(|found| found.problem.severity == Severity::Error)
    };
    let reports: Vec<Report<'_>> = looked_at
        .iter()
        .map(|(file, _, found)| Report {
            file,
            is_valid: is_valid(found),
            problems: found,
        })
        .collect();
    let text = match (arguments.output, reports.as_slice()) {
        (Output::Text, _) => {
            let texts = looked_at.iter().map(|(file, content, found)| {
                in_words(file, &String::from_utf8_lossy(content), found)
            });
            texts.collect::<Vec<_>>().join("\n")
        }
        (Output::Json, [report]) => serde_json::to_string_pretty(report)?,
        (Output::Json, reports) => serde_json::to_string_pretty(reports)?,
    };
    Ok(Answer {
        text,
        status: Status::of(reports.iter().all(|report| report.is_valid)),
    })
}

/// The stacks of a file whose cluster has the name of another file's: CloudFormation would refuse the second one.
/// `clusters` has who makes which cluster, by name.
fn clusters_twice(
    file: &Path,
    content: &[u8],
    selected: &[Option<String>],
    clusters: &mut BTreeMap<String, (String, PathBuf)>,
) -> Vec<Found> {
    let without_environments = [None];
    let selected = if selected.is_empty() {
        &without_environments
    } else {
        selected
    };
    let mut twice = Vec::new();
    for environment in selected {
        let Ok(reading) = read(content, &Selection::Environment(environment.as_deref())) else {
            continue;
        };
        let stack = &reading.stack;
        if stack.cluster.existing.is_some() {
            continue;
        }
        let name = stack.cluster_name();
        let Some((other, other_file)) = clusters.get(&name) else {
            clusters.insert(name, (stack.stack_name(), file.to_owned()));
            continue;
        };
        let path = match stack.cluster.cluster_name {
            Some(_) => "cluster.cluster_name",
            None => "name",
        };
        let finding = Finding {
            path: path.to_owned(),
            value: Some(name.clone()),
            message: format!(
                "stack {other} of {} makes a cluster of this name, too; give one of them another `cluster_name`, or \
                 let one use the other's with `cluster.existing`",
                other_file.display()
            ),
            severity: Severity::Error,
        };
        let problems = reading.locate(vec![finding]).into_iter();
        twice.extend(problems.map(|problem| Found {
            problem,
            environments: environment.iter().cloned().collect(),
        }));
    }
    twice
}

/// The problems of all the environments, in the order of the file, each of them once.
fn problems(content: &[u8], selected: &[Option<String>], index: Option<&Index>) -> Vec<Found> {
    let without_environments = [None];
    let selected = match selected {
        [] => &without_environments,
        _ => selected,
    };
    let mut all: Vec<Found> = Vec::new();
    for environment in selected {
        let selection = Selection::Environment(environment.as_deref());
        let problems = match read(content, &selection) {
            Ok(reading) => {
                let unknown = reading.locate(check_without_surroundings(&reading.stack));
                let of_mirror = reading.locate(unmatched_names(&reading.stack, index));
                let mut warnings = reading.warnings;
                warnings.extend(unknown.into_iter().chain(of_mirror));
                warnings
            }
            Err(problems) => problems,
        };
        for problem in problems {
            let known = all.iter_mut().find(|found| found.problem == problem);
            match known {
                Some(found) => found.environments.extend(environment.clone()),
                None => all.push(Found {
                    problem,
                    environments: environment.iter().cloned().collect(),
                }),
            }
        }
    }
    for found in &mut all {
        if found.environments.len() == selected.len() {
            found.environments.clear();
        }
    }
    all.sort_by_key(|found| (found.problem.line.unwrap_or(u32::MAX), found.problem.column));
    all
}

/// Platforms of a mirror that are none of those that the index, or else this program, knows, and formulae that
/// are not in the index. A sync asks its own index, and warns again.
fn unmatched_names(stack: &Stack, index: Option<&Index>) -> Vec<Finding> {
    let Some(mirror) = &stack.bottle_sync else {
        return Vec::new();
    };
    let known = index.map_or_else(Platforms::known, Platforms::of);
    let platforms = warnings("platforms", &mirror.platforms, |platform| {
        unknown(platform, &known)
    });
    let formulae = warnings("formulae", &mirror.formulae, |formula| {
        unmatched(formula, index?)
    });
    platforms.into_iter().chain(formulae).collect()
}

/// What is to be said of the names of a list of the mirror.
fn warnings(
    list: &str,
    names: &[String],
    message: impl Fn(&str) -> Option<String>,
) -> Vec<Finding> {
    let names = names.iter().enumerate();
    names
        .filter_map(|(number, name)| {
            Some(Finding {
                path: format!("bottle_sync.{list}[{number}]"),
                value: Some(name.clone()),
                message: message(name)?,
                severity: Severity::Warning,
            })
        })
        .collect()
}

/// A line a problem, as compilers write them, with the word underlined that it is about, and how many there are.
fn in_words(file: &Path, content: &str, found: &[Found]) -> String {
    let file = file.display();
    let mut text = String::new();
    for Found {
        problem,
        environments,
    } in found
    {
        let _ = write!(text, "{file}:{}", Line(problem));
        if !environments.is_empty() {
            let _ = write!(text, " (in {})", environments.join(", "));
        }
        text.push('\n');
        if let Some(excerpt) = excerpt(content, problem) {
            let _ = writeln!(text, "{excerpt}");
        }
    }
    let count = |severity: Severity, word: &str| {
        let severe = found
            .iter()
            .filter(|found| found.problem.severity == severity);
        counted(severe.count(), word)
    };
    let _ = write!(
        text,
        "{file}: {}, {}",
        count(Severity::Error, "error"),
        count(Severity::Warning, "warning")
    );
    text
}

#[cfg(test)]
mod tests {
    use longshore_bottles::index::IndexReader;

    use super::*;

    /// As it looks on a terminal of 80 columns.
    fn on_a_terminal(text: &str) -> String {
        let folded = text.lines().flat_map(|line| {
            let characters: Vec<char> = line.chars().collect();
            let rows: Vec<String> = characters
                .chunks(80)
                .map(|row| row.iter().collect())
                .collect();
            rows
        });
        folded.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn each_mistake_is_said_once_where_it_is_and_how_to_put_it_right() {
        let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wrong");
        for entry in std::fs::read_dir(files).unwrap() {
            let path = entry.unwrap().path();
            let content = std::fs::read(&path).unwrap();
            let text = in_words(
                Path::new("shop.yaml"),
                &String::from_utf8_lossy(&content),
                &problems(&content, &[None], None),
            );
            let name = path.file_stem().unwrap().to_str().unwrap();
            insta::assert_snapshot!(name, on_a_terminal(&text));
        }
    }

    #[test]
    fn two_files_whose_clusters_have_one_name_are_refused_with_both_files() {
        let file = |name: &str| {
            format!(
                "name: {name}\nnetwork: {{vpc_id: vpc-1, subnet_ids: [subnet-1, subnet-2]}}\n\
                 cluster: {{cluster_name: shared}}\nservices: {{api: {{image: \"shop/api:v1\"}}}}\n"
            )
        };
        let mut clusters = BTreeMap::new();
        let first = Path::new("shop.yaml");
        assert!(clusters_twice(first, file("shop").as_bytes(), &[None], &mut clusters).is_empty());
        let second = Path::new("search.yaml");
        let found = clusters_twice(second, file("search").as_bytes(), &[None], &mut clusters);
        let text = in_words(second, &file("search"), &found);
        assert!(
            text.starts_with(
                "search.yaml:3:25: error: cluster.cluster_name: `shared`: stack shop of shop.yaml makes a \
                 cluster of this name, too; "
            ),
            "{text}"
        );
    }

    const SHOP: &str = "\
name: shop
network: {vpc_id: vpc-1, subnet_ids: [subnet-1, subnet-2]}
services:
  api:
    image: shop/api:latest
environments:
  dev: {}
  prod: {services: {api: {cpu: 300}}}
";

    fn found(environments: &[&str]) -> String {
        let selected: Vec<Option<String>> = environments
            .iter()
            .map(|name| Some((*name).to_owned()))
            .collect();
        in_words(
            Path::new("shop.yaml"),
            "",
            &problems(SHOP.as_bytes(), &selected, None),
        )
    }

    #[test]
    fn a_platform_of_a_mirror_that_nobody_knows_is_a_warning_where_it_stands() {
        let mirror = "\
name: bottles
network: {vpc_id: vpc-1, subnet_ids: [subnet-1, subnet-2]}
buckets: {bottles: {}}
bottle_sync:
  bucket: bottles
  platforms: [arm64_tahoe, arm64_tahoee, macos, x86_64_linux]
services: {}
";
        let problems = problems(mirror.as_bytes(), &[None], None);
        let text = in_words(Path::new("bottles.yaml"), "", &problems);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        for (line, platform) in lines.iter().zip(["arm64_tahoee", "macos"]) {
            assert!(line.starts_with("bottles.yaml:6:"), "{line}");
            assert!(
                line.contains(&format!("platform `{platform}` is not known")),
                "{line}"
            );
        }
        assert_eq!(lines[2], "bottles.yaml: 0 errors, 2 warnings");
    }

    #[test]
    fn formulae_that_the_index_at_hand_does_not_have_are_a_warning_where_they_stand() {
        let mirror = "\
name: bottles
network: {vpc_id: vpc-1, subnet_ids: [subnet-1, subnet-2]}
buckets: {bottles: {}}
bottle_sync:
  bucket: bottles
  platforms: [arm64_next_year]
  formulae: [wget, wgte, \"open*\"]
services: {}
";
        let sha256 = "0".repeat(64);
        let index = format!(
            r#"[{{"name": "wget", "full_name": "wget", "versions": {{"stable": "1.0"}}, "revision": 0,
            "bottle": {{"stable": {{"rebuild": 0, "root_url": "https://ghcr.io/v2/homebrew/core", "files":
            {{"arm64_next_year": {{"url": "https://ghcr.io/v2/homebrew/core/wget/blobs/sha256:{sha256}",
            "sha256": "{sha256}"}}}}}}}}}}]"#
        );
        let mut reader = IndexReader::new(&[]);
        reader.feed(index.as_bytes()).unwrap();
        let index = reader.finish().unwrap();
        let problems = problems(mirror.as_bytes(), &[None], Some(&index));
        let text = in_words(Path::new("bottles.yaml"), "", &problems);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        for (line, formula) in lines.iter().zip(["wgte", "open*"]) {
            assert!(line.starts_with("bottles.yaml:7:"), "{line}");
            assert!(
                line.contains(&format!("pattern `{formula}` matches no formula")),
                "{line}"
            );
        }
    }

    #[test]
    fn problems_are_printed_as_compilers_do_with_the_environments_that_have_them() {
        let text = found(&["dev", "prod"]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[0].starts_with(
            "shop.yaml:5:12: warning: services.api.image: `shop/api:latest`: `latest` is another image"
        ));
        assert!(!lines[0].ends_with(')'));
        assert!(lines[1].starts_with(
            "shop.yaml:8:32: error: services.api.cpu: `300`: Fargate does not offer tasks"
        ));
        assert!(lines[1].ends_with(" (in prod)"));
        assert_eq!(lines[2], "shop.yaml: 1 error, 1 warning");
        assert_eq!(found(&["dev"]).lines().count(), 2);
    }
}
