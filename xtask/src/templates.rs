//! The templates of the stack files in `stacks/`, and what cfn-lint and checkov say of them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use longshore_local::files;
use longshore_local::process::run_lines;
use longshore_local::python::Python;
use longshore_local::workspace::Workspace;
use longshore_stack::read::{Selection, environments, read};
use longshore_stack::render::Context;
use serde::Deserialize;

/// What the linters are installed from.
pub const REQUIREMENTS: &str = "xtask/requirements.txt";
/// Where they are installed.
pub const LINTERS: &str = "target/linters";

/// Every role of a template has a boundary, as `provision` renders them.
const PERMISSIONS_BOUNDARY: &str = "arn:aws:iam::123456789012:policy/longshore-boundary";

const LONGEST_LINE: usize = 400;

/// What a linter found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Findings {
    pub passed: usize,
    pub failed: usize,
    pub skipped: usize,
}

/// The templates of all stack files, each in a file.
pub struct Templates {
    folder: PathBuf,
    files: Vec<PathBuf>,
}

/// Renders every stack file for each of its environments into `target/templates`.
///
/// # Errors
/// When one cannot be used.
pub fn render(workspace: &Workspace) -> Result<Templates> {
    let folder = workspace.path("target/templates");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))?;
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let context = Context {
        permissions_boundary_arn: Some(PERMISSIONS_BOUNDARY.to_owned()),
        ..Context::default()
    };
    let mut files = Vec::new();
    let mut paths = stack_files(&workspace.path("stacks"))?;
    paths.extend(stack_files(&workspace.path("stacks/examples"))?);
    for path in paths {
        let content = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        let names = environments(&content);
        let mut selections: Vec<Option<&str>> = names.iter().map(|name| Some(&**name)).collect();
        if selections.is_empty() {
            selections.push(None);
        }
        for selection in selections {
            let stack = match read(&content, &Selection::Environment(selection)) {
                Ok(reading) => reading.stack,
                Err(problems) => {
                    let lines = problems.iter().map(|problem| {
                        let line = problem.line.unwrap_or_default();
                        let column = problem.column.unwrap_or_default();
                        format!(
                            "\n  {}:{line}:{column}: {}: {}",
                            path.display(),
                            problem.path,
                            problem.message
                        )
                    });
                    bail!("a stack file cannot be used{}", lines.collect::<String>());
                }
            };
            let file = folder.join(format!("{}.json", stack.stack_name()));
            let body = longshore_stack::render::render(&stack, &context).body;
            std::fs::write(&file, body).with_context(|| format!("write {}", file.display()))?;
            files.push(file);
        }
    }
    Ok(Templates { folder, files })
}

fn stack_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = files::list(folder)?;
    found.retain(|path| {
        path.extension()
            .is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|one| extension == *one))
    });
    if found.is_empty() {
        bail!("no stack file is in {}", folder.display());
    }
    Ok(found)
}

impl Templates {
    /// Errors and warnings of cfn-lint; a template without one passed.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn cfn_lint(&self, python: &Python, mut on_line: impl FnMut(&str)) -> Result<Findings> {
        let mut command = Command::new(python.programs().join("cfn-lint"));
        command
            .args(["--non-zero-exit-code", "warning", "--format", "parseable"])
            .args(["--regions", "us-east-1"])
            .args(["--template"])
            .args(&self.files);
        let mut found = Vec::new();
        let status = run_lines(&mut command, |line| {
            // Some list every value that would do.
            on_line(&line.chars().take(LONGEST_LINE).collect::<String>());
            found.extend(finding_of(line).map(str::to_owned));
            Ok(())
        })?;
        let is_clean = |file: &&PathBuf| {
            let file = file.display().to_string();
            !found.contains(&file)
        };
        let findings = Findings {
            passed: self.files.iter().filter(is_clean).count(),
            failed: found.len(),
            skipped: 0,
        };
        if !status.success() && findings.failed == 0 {
            bail!("cfn-lint ended with {status} and no finding");
        }
        Ok(findings)
    }

    /// The checks of checkov. It asks nobody: its checks are those that it is installed with.
    ///
    /// # Errors
    /// When it cannot be run, or could not read a template.
    pub fn checkov(&self, python: &Python, mut on_line: impl FnMut(&str)) -> Result<Findings> {
        let report = self.folder.with_extension("checkov");
        let mut command = Command::new(python.programs().join("checkov"));
        command
            .args(["--framework", "cloudformation", "--skip-download"])
            .args(["--compact", "--quiet", "--output", "json"])
            .arg("--output-file-path")
            .arg(&report)
            .arg("--directory")
            .arg(&self.folder)
            .env("CKV_SKIP_PACKAGE_UPDATE_CHECK", "true");
        let log = report.with_extension("log");
        let mut said = String::new();
        run_lines(&mut command, |line| {
            said.push_str(line);
            said.push('\n');
            Ok(())
        })?;
        std::fs::write(&log, said).with_context(|| format!("write {}", log.display()))?;
        let results = report.join("results_json.json");
        let text = std::fs::read_to_string(&results).with_context(|| {
            format!(
                "checkov has not written {} (log: {})",
                results.display(),
                log.display()
            )
        })?;
        let report: Report =
            serde_json::from_str(&text).with_context(|| format!("read {}", results.display()))?;
        if report.summary.parsing_errors > 0 || report.summary.resource_count == 0 {
            bail!(
                "checkov could not read the templates (log: {})",
                log.display()
            );
        }
        for check in &report.results.failed_checks {
            on_line(&format!(
                "{}: {} {}: {}",
                check.file_path, check.resource, check.check_id, check.check_name
            ));
        }
        Ok(Findings {
            passed: report.summary.passed,
            failed: report.summary.failed,
            skipped: report.summary.skipped,
        })
    }
}

/// `<file>:<line>:<column>:<line>:<column>:<rule>:<message>`; answers the file.
fn finding_of(line: &str) -> Option<&str> {
    let mut fields = line.splitn(7, ':');
    let file = fields.next()?;
    for _ in 0..4 {
        fields.next()?.parse::<u32>().ok()?;
    }
    let rule = fields.next()?;
    fields.next()?;
    rule.starts_with(['E', 'W', 'I']).then_some(file)
}

#[derive(Deserialize)]
struct Report {
    results: Results,
    summary: Summary,
}

#[derive(Deserialize)]
struct Results {
    #[serde(default)]
    failed_checks: Vec<Check>,
}

#[derive(Deserialize)]
struct Check {
    check_id: String,
    check_name: String,
    resource: String,
    file_path: String,
}

#[derive(Deserialize)]
struct Summary {
    passed: usize,
    failed: usize,
    skipped: usize,
    parsing_errors: usize,
    resource_count: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_of_cfn_lint_is_known_by_its_form() {
        let finding = "target/templates/shop.json:12:3:12:9:W3005:Obsolete: DependsOn";
        assert_eq!(finding_of(finding), Some("target/templates/shop.json"));
        assert_eq!(finding_of("usage: cfn-lint [-h]"), None);
        assert_eq!(finding_of("Traceback: a:b:c:d:E1:x"), None);
    }

    #[test]
    fn a_failed_check_of_checkov_is_read_with_its_resource() {
        let text = r#"{
            "check_type": "cloudformation",
            "results": {"failed_checks": [{
                "check_id": "CKV_AWS_158",
                "check_name": "Ensure that CloudWatch Log Group is encrypted by KMS",
                "file_path": "/shop.json",
                "resource": "AWS::Logs::LogGroup.EventsLogGroup",
                "severity": null
            }]},
            "summary": {
                "passed": 7, "failed": 1, "skipped": 2, "parsing_errors": 0, "resource_count": 4
            }
        }"#;
        let report: Report = serde_json::from_str(text).unwrap();
        assert_eq!(report.summary.failed, 1);
        assert_eq!(
            report.results.failed_checks[0].resource,
            "AWS::Logs::LogGroup.EventsLogGroup"
        );
    }
}
