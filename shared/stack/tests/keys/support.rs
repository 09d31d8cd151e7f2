//! Reading and rendering texts of stack files and the files of `stacks/examples`.

use std::path::{Path, PathBuf};

use longshore_events::longshore::{Problem, Severity};
use longshore_stack::read::{Reading, Selection, read};
use longshore_stack::render::{Context, render};
use serde_json::Value;

pub fn read_text(text: &str) -> Result<Reading, Vec<Problem>> {
    read(text.as_bytes(), &Selection::Environment(None))
}

pub fn accepted(text: &str) -> Reading {
    read_text(text).unwrap_or_else(|problems| panic!("{text}\n{problems:#?}"))
}

pub fn template_of(reading: &Reading) -> Value {
    serde_json::from_str(&render(&reading.stack, &Context::default()).body).unwrap()
}

pub fn template(text: &str) -> Value {
    template_of(&accepted(text))
}

pub fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../stacks/examples")
}

/// The resources of an example, which must have neither errors nor warnings.
pub fn example(name: &str) -> Value {
    let reading = accepted(&std::fs::read_to_string(examples().join(name)).unwrap());
    assert_eq!(reading.warnings, [], "{name}");
    template_of(&reading)["Resources"].clone()
}

/// Those that are errors, as `<path>: <message>`.
pub fn errors(problems: &[Problem]) -> Vec<String> {
    let errors = problems.iter();
    let errors = errors.filter(|problem| problem.severity == Severity::Error);
    errors.map(in_words).collect()
}

/// The warnings, as `<path>: <message>`.
pub fn warnings(reading: &Reading) -> Vec<String> {
    reading.warnings.iter().map(in_words).collect()
}

fn in_words(problem: &Problem) -> String {
    format!("{}: {}", problem.path, problem.message)
}
