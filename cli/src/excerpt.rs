//! The line of a stack file that a problem is in, with the word underlined that it is about.

use longshore_events::longshore::Problem;

/// How much of a line is shown, so that it fits a terminal of 80 columns.
const WIDTH: usize = 68;

/// The line with the word underlined, below each other; `None` where the place is not known.
///
/// Nothing but the word and what leads to it on its line is shown: a secret may follow in the same line. The word is
/// what the problem itself names.
pub fn excerpt(content: &str, problem: &Problem) -> Option<String> {
    let number = problem.line?;
    let line = content
        .lines()
        .nth(usize::try_from(number).ok()?.checked_sub(1)?)?;
    let column = usize::try_from(problem.column?).ok()?.checked_sub(1)?;
    let (start, _) = line.char_indices().nth(column)?;
    let (before, rest) = line.split_at(start);
    let word = word(rest, problem)?;
    // In a line of braces, what stands before may be anything.
    let shown = before
        .rfind(['{', ',', '['])
        .map_or(before, |place| &before[place + 1..]);
    let dots = if shown.len() < before.len() {
        "…"
    } else {
        ""
    };
    let lead = format!("{dots}{shown}");
    let indent = lead.chars().count();
    if indent >= WIDTH {
        return None;
    }
    let word: String = word.chars().take(WIDTH - indent).collect();
    let margin = " ".repeat(number.to_string().len());
    Some(format!(
        "  {margin} |\n  {number} | {lead}{word}\n  {margin} | {}{}",
        " ".repeat(indent),
        "^".repeat(word.chars().count())
    ))
}

/// What stands at the place, where it is the value or the key that the problem names.
fn word<'a>(rest: &'a str, problem: &Problem) -> Option<&'a str> {
    let quote = usize::from(rest.starts_with(['"', '\'']));
    let key = problem.path.rsplit(['.', '[']).next()?;
    let named = problem.value.as_deref().into_iter().chain([key]);
    named
        .filter(|name| !name.is_empty())
        .find(|name| rest[quote..].starts_with(name))
        .map(|name| &rest[..(name.len() + 2 * quote).min(rest.len())])
}

#[cfg(test)]
mod tests {
    use longshore_events::longshore::Severity;

    use super::*;

    fn problem(path: &str, (line, column): (u32, u32), value: Option<&str>) -> Problem {
        Problem {
            path: path.to_owned(),
            line: Some(line),
            column: Some(column),
            value: value.map(str::to_owned),
            message: String::new(),
            severity: Severity::Error,
        }
    }

    #[test]
    fn the_word_is_underlined_in_its_line() {
        let file =
            "name: shop\nservices:\n  api:\n    cpu: 300\n    memroy: 512\n    note: \"ähm\"\n";
        for (problem, expected) in [
            (
                problem("services.api.cpu", (4, 10), Some("300")),
                "    |\n  4 |     cpu: 300\n    |          ^^^",
            ),
            (
                problem("services.api.memroy", (5, 5), Some("memroy")),
                "    |\n  5 |     memroy\n    |     ^^^^^^",
            ),
            (
                problem("services.api", (3, 3), None),
                "    |\n  3 |   api\n    |   ^^^",
            ),
            (
                problem("services.api.note", (6, 11), Some("ähm")),
                "    |\n  6 |     note: \"ähm\"\n    |           ^^^^^",
            ),
        ] {
            assert_eq!(excerpt(file, &problem).as_deref(), Some(expected));
        }
    }

    #[test]
    fn nothing_else_of_the_line_is_shown() {
        let file = "api: {secrets: {A: {value: hunter2}}, cpu: 300, b: hunter3}\n";
        let shown = excerpt(file, &problem("api.cpu", (1, 44), Some("300"))).unwrap();
        assert_eq!(shown, "    |\n  1 | … cpu: 300\n    |        ^^^");
        // A value that the problem does not name.
        assert_eq!(
            excerpt(file, &problem("api.secrets.A.value", (1, 28), None)),
            None
        );
        assert_eq!(
            excerpt(file, &problem("api.cpu", (9, 1), Some("300"))),
            None
        );
    }
}
