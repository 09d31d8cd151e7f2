//! How messages show a value.

/// Longer values are cut in problems.
const LONGEST_VALUE: usize = 80;

/// A value as problems show it: on one line, and not longer than a line.
pub(crate) fn shown(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .take(LONGEST_VALUE)
        .collect();
    if text.chars().count() > LONGEST_VALUE {
        format!("{line}…")
    } else {
        line
    }
}
