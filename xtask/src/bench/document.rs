//! `docs/benchmarks.md`, which is written from the results.

use anyhow::Result;
use longshore_local::files;
use longshore_local::workspace::Workspace;

use crate::bench::results::{Results, figure};

const DOCUMENT: &str = "docs/benchmarks.md";

const HEAD: &str = "# Benchmarks

`cargo xtask bench` measures what is said to be fast and small, each beside a floor or a peer in the same run, and writes \
                    this page. `cargo xtask bench <name>` runs one: `plan`, `render` or `sync`. The figures of every run \
                    are in [benchmarks/](benchmarks).

A floor is a bare program that answers the same and does nothing else: what is beyond it is what Longshore's own work \
                    costs. A peer is another program that people use for the same; it is pinned, and has its best \
                    settings. The ratio is ours over theirs, so less is better. Of processor time and counts the cheapest \
                    run is shown, since the work is the same in each, and whatever a run takes more is another program's \
                    doing; of transfers the median.
";

/// Writes the document from all results that there are.
///
/// # Errors
/// When one of them cannot be read.
pub fn write(workspace: &Workspace) -> Result<()> {
    let mut benchmarks = Vec::new();
    for name in Results::names(workspace)? {
        let results = Results::read(workspace, &name)?;
        benchmarks.push((name, results));
    }
    files::write(&workspace.path(DOCUMENT), text(&benchmarks).as_bytes())
}

fn text(benchmarks: &[(String, Results)]) -> String {
    let mut text = HEAD.to_owned();
    for (name, results) in benchmarks {
        text.push_str(&format!(
            "\n## {name}\n\n{}, on {}.\n\n",
            results.date,
            results.machine.in_words()
        ));
        text.push_str("| what | ours | beside | theirs | ratio | aim |\n| --- | --- | --- | --- | --- | --- |\n");
        for row in &results.rows {
            let aim = match row.verdict() {
                "" => String::new(),
                verdict => format!("{}, {verdict}", row.aim_in_words()),
            };
            text.push_str(&format!(
                "| {} | {} {unit} | {} | {} {unit} | {} | {aim} |\n",
                row.what,
                figure(row.ours),
                row.against,
                figure(row.theirs),
                row.ratio_in_words(),
                unit = row.unit,
            ));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::{Aim, Machine, Row, Runs};

    #[test]
    fn a_row_has_what_was_measured_beside_what_and_the_aim() {
        let results = Results {
            date: "2026-11-30".to_owned(),
            machine: Machine {
                processors: 2,
                model: "x86_64".to_owned(),
            },
            rows: vec![Row {
                what: "plan".to_owned(),
                unit: "ms".to_owned(),
                ours: 98.14,
                against: "a bare program (serde_json 1.0.154)".to_owned(),
                package: Some("serde_json".to_owned()),
                theirs: 85.3,
                aim: Some(Aim::Ratio(1.2)),
                runs: Runs {
                    ours: vec![98.14],
                    theirs: vec![85.3],
                },
            }],
        };
        let text = text(&[("plan".to_owned(), results)]);
        assert!(
            text.ends_with(
                "\n## plan\n\n2026-11-30, on 2 processors (x86_64).\n\n\
                 | what | ours | beside | theirs | ratio | aim |\n| --- | --- | --- | --- | --- | --- |\n\
                 | plan | 98.1 ms | a bare program (serde_json 1.0.154) | 85.3 ms | 1.15x | 1.2x, reached |\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn the_document_is_what_its_results_say() {
        let workspace = Workspace::of_this_build();
        let document = std::fs::read_to_string(workspace.path(DOCUMENT)).unwrap();
        let mut benchmarks = Vec::new();
        for name in Results::names(&workspace).unwrap() {
            let results = Results::read(&workspace, &name).unwrap();
            benchmarks.push((name, results));
        }
        assert_eq!(document, text(&benchmarks), "run cargo xtask bench");
    }
}
