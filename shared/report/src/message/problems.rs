//! What is wrong with a stack file.

use longshore_events::longshore::{Problem, Severity};

use super::text::{code, line, sent_width};
use crate::words::more;

/// Room for the problems of one section.
const PROBLEMS: usize = 2_700;
/// At most this many sections of problems, so that there is room for the rest of the message.
const PROBLEM_SECTIONS: usize = 3;
/// Room for where a problem is, for what stands there, and for what is wrong with it.
const PATH: usize = 160;
const VALUE: usize = 120;
const PROBLEM: usize = 500;

pub(super) fn errors_first(problems: &[Problem]) -> impl Iterator<Item = &Problem> {
    let of = |severity| {
        problems
            .iter()
            .filter(move |problem| problem.severity == severity)
    };
    of(Severity::Error).chain(of(Severity::Warning))
}

/// The problems, errors first, in as many texts as it takes, each within the room of a section. Those for
/// which there is no room are counted.
pub(super) fn list(problems: &[Problem]) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    let mut room = 0;
    for (shown, problem) in errors_first(problems).enumerate() {
        let text = listed(problem);
        let width = sent_width(&text) + 2;
        if width > room {
            if texts.len() == PROBLEM_SECTIONS {
                texts.push(more(problems.len() - shown, "problem"));
                return texts;
            }
            texts.push(String::new());
            room = PROBLEMS;
        }
        room -= width;
        if let Some(section) = texts.last_mut() {
            if !section.is_empty() {
                section.push('\n');
            }
            section.push_str(&text);
        }
    }
    texts
}

/// "• line 12, column 10, `services.api.cpu`: `300`: Fargate does not have this size".
fn listed(problem: &Problem) -> String {
    let mut parts = Vec::new();
    match (problem.line, problem.column) {
        (Some(line), Some(column)) => parts.push(format!("line {line}, column {column}")),
        (Some(line), None) => parts.push(format!("line {line}")),
        _ => {}
    }
    if !problem.path.is_empty() {
        parts.push(code(&problem.path, PATH));
    }
    let place = parts.join(", ");
    let mut text = match problem.severity {
        Severity::Error => "• ".to_owned(),
        Severity::Warning => "• warning: ".to_owned(),
    };
    if !place.is_empty() {
        text.push_str(&format!("{place}: "));
    }
    if let Some(value) = &problem.value {
        text.push_str(&format!("{}: ", code(value, VALUE)));
    }
    text.push_str(&line(&problem.message, PROBLEM));
    text
}

pub(super) fn in_words(problem: &Problem) -> String {
    let place = match (problem.line, problem.path.as_str()) {
        (Some(number), _) => format!("line {number}: "),
        (None, "") => String::new(),
        (None, path) => format!("{}: ", line(path, PATH)),
    };
    format!("{place}{}", line(&problem.message, PROBLEM))
}
