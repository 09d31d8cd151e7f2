//! What is printed, and where.

use std::io::{self, IsTerminal, Write};

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};
use longshore_report::words::for_terminal;
use terminal_size::{Width, terminal_size_of};

/// Prints an answer.
pub fn answer(text: &str) {
    print(&mut io::stdout(), text);
}

/// Prints an answer in the place of the one before, where that can be done.
pub fn page(text: &str) {
    let mut output = io::stdout();
    if output.is_terminal() {
        // The cursor home, and everything behind it away.
        let _ = write!(output, "\x1b[H\x1b[2J");
    }
    answer(text);
}

/// Prints progress, warnings and errors: they are for people, and whoever reads the answer reads standard output.
pub fn note(text: &str) {
    print(&mut io::stderr(), text);
}

/// Prints a text, and to a terminal without what it would act on. Programs get it as it is.
fn print<W: Write + IsTerminal>(output: &mut W, text: &str) {
    // A reader that has gone away, as `head` does, is not a failure.
    let _ = match output.is_terminal() {
        true => writeln!(output, "{}", for_terminal(text)),
        false => writeln!(output, "{text}"),
    };
}

/// A table with these headings that fits the terminal: long cells are wrapped in their columns.
pub fn table(headings: &[&str]) -> Table {
    table_of(headings, width())
}

fn table_of(headings: &[&str], width: Option<u16>) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(headings);
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(width);
    }
    table
}

/// How wide what is printed may be; whatever reads it that is not a terminal gets as much as there is, unless it says
/// otherwise as shells do.
fn width() -> Option<u16> {
    match terminal_size_of(io::stdout()) {
        Some((Width(width), _)) => Some(width),
        None => std::env::var("COLUMNS").ok()?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_as_wide_as_the_terminal_and_no_wider_and_loses_nothing() {
        let words = "rolled back: deployment failed: tasks failed to start";
        let printed = |width| {
            let mut table = table_of(&["service", "outcome", "asked for"], width);
            table.add_row(["shop/api", words, "2026-11-30 05:06:56 UTC"]);
            table.to_string()
        };
        for width in [40, 80] {
            let text = printed(Some(width));
            let widest = text.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(usize::from(width)), "{text}");
            for word in words.split(' ') {
                assert!(text.contains(word), "{text}");
            }
        }
        assert!(printed(None).contains(words));
    }
}
