//! Every link of a document leads to a file, or a heading, that is there. Every variable of the Terraform is in a
//! document.

use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};
use longshore_local::files;
use longshore_local::workspace::Workspace;

/// How many links there are, and those that lead nowhere.
#[derive(Debug, Default)]
pub struct Links {
    pub checked: usize,
    pub broken: Vec<String>,
}

/// Checks the links between the documents of the repository. Links to other sites are not followed.
///
/// # Errors
/// When a folder or a document cannot be read.
pub fn check(workspace: &Workspace) -> Result<Links> {
    let mut links = Links::default();
    for document in files::below(workspace.root(), "md")? {
        let shown = document
            .strip_prefix(workspace.root())
            .unwrap_or(&document)
            .display();
        for (line, target) in targets(&read(&document)?) {
            links.checked += 1;
            if let Some(problem) = problem(&document, &target)? {
                links
                    .broken
                    .push(format!("{shown}:{line} links to {target}: {problem}"));
            }
        }
    }
    Ok(links)
}

/// The variables of the Terraform that are in no table of the nearest README: the folder's own, or that of a folder
/// above it.
///
/// # Errors
/// When a folder or a file cannot be read.
pub fn unlisted_variables(workspace: &Workspace) -> Result<Vec<String>> {
    let mut unlisted = Vec::new();
    for source in files::below(&workspace.path("infra"), "tf")? {
        let above = source.ancestors().skip(1);
        let Some(readme) = above
            .map(|folder| folder.join("README.md"))
            .find(|readme| readme.is_file())
        else {
            continue;
        };
        let text = read(&readme)?;
        let shown = source.strip_prefix(workspace.root()).unwrap_or(&source);
        for variable in variables(&read(&source)?) {
            if !is_listed(&text, variable) {
                unlisted.push(format!(
                    "{}: the variable {variable} is in no table of the nearest README",
                    shown.display()
                ));
            }
        }
    }
    Ok(unlisted)
}

/// The names of the variables that a file of Terraform declares.
fn variables(source: &str) -> impl Iterator<Item = &str> {
    source.lines().filter_map(|line| {
        let (name, _) = line.strip_prefix("variable \"")?.split_once('"')?;
        Some(name)
    })
}

/// Whether a table has a row that begins with this variable, alone or among others.
fn is_listed(text: &str, variable: &str) -> bool {
    lines(text)
        .filter_map(|(_, line)| line.strip_prefix('|')?.split('|').next())
        .any(|cell| cell.contains(&format!("`{variable}`")))
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}

/// The lines of a document with their numbers, but for examples of code.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// Where the links of a document lead, with their lines.
fn targets(text: &str) -> Vec<(usize, String)> {
    lines(text)
        .flat_map(|(number, line)| {
            line.split("](").skip(1).filter_map(move |rest| {
                let target = rest.split(')').next()?;
                (!target.contains(':')).then(|| (number, target.to_owned()))
            })
        })
        .collect()
}

fn problem(document: &Path, target: &str) -> Result<Option<&'static str>> {
    let (path, heading) = target.split_once('#').unwrap_or((target, ""));
    let path = match path {
        "" => document.to_path_buf(),
        path => normal(&document.parent().unwrap_or(document).join(path)),
    };
    if !path.exists() {
        return Ok(Some("there is no such file"));
    }
    if heading.is_empty() {
        return Ok(None);
    }
    let text = read(&path)?;
    let is_there = lines(&text).any(|(_, line)| anchor(line).as_deref() == Some(heading));
    Ok((!is_there).then_some("the document does not have this heading"))
}

/// Without `..`, which would lead through folders that need not be there.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        if component == Component::ParentDir {
            normal.pop();
        } else {
            normal.push(component);
        }
    }
    normal
}

/// The anchor that GitHub gives a heading: lower case, without punctuation, with dashes for spaces.
fn anchor(line: &str) -> Option<String> {
    let heading = line.strip_prefix('#')?.trim_start_matches('#');
    let text = heading.strip_prefix(' ')?.trim();
    Some(
        text.to_lowercase()
            .chars()
            .filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter))
            .map(|letter| if letter == ' ' { '-' } else { letter })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_with_their_lines_and_examples_of_code_are_left_out() {
        let text =
            "[one](a.md) and [two](b.md#c)\n```\n[code](none.md)\n```\n[out](https://example.com)";
        let expected = [(1, "a.md".to_owned()), (1, "b.md#c".to_owned())];
        assert_eq!(targets(text), expected);
    }

    #[test]
    fn a_heading_has_the_anchor_that_github_gives_it() {
        for (line, expected) in [
            (
                "## What fails, and what then?",
                Some("what-fails-and-what-then"),
            ),
            ("# `deploy` waits", Some("deploy-waits")),
            ("#hash", None),
            ("no heading", None),
        ] {
            assert_eq!(anchor(line).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn variables_are_found_in_their_source_and_in_tables() {
        let source = "variable \"name\" {\n  type = string\n}\n\nvariable \"tags\" {}\n# variable \"none\" {}\n";
        assert_eq!(variables(source).collect::<Vec<_>>(), ["name", "tags"]);
        let text = "`tags` are tags.\n\n| variable | meaning |\n| --- | --- |\n| `first`, `name` | of it, see `prefix` |\n";
        assert!(is_listed(text, "name"));
        assert!(!is_listed(text, "tags"));
        assert!(!is_listed(text, "prefix"));
    }

    #[test]
    fn a_link_to_what_is_not_there_is_reported() {
        let readme = Workspace::of_this_build().path("README.md");
        for (target, expected) in [
            ("docs/README.md", None),
            ("xtask/../docs/README.md", None),
            ("#the-first-stack", None),
            ("docs/none.md", Some("there is no such file")),
            (
                "docs/README.md#none",
                Some("the document does not have this heading"),
            ),
        ] {
            assert_eq!(problem(&readme, target).unwrap(), expected, "{target}");
        }
    }
}
