//! What is printed, and where.

use std::io::{self, IsTerminal, Write};

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width};
use longshore_report::words::for_terminal;
use terminal_size::terminal_size_of;

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

/// What a narrow terminal has no room for: the tag of an image says the same to people.
const DISPENSABLE: &str = "digest";

/// A table that fits the terminal: long cells are wrapped in their columns.
pub fn table<const COLUMNS: usize>(
    headings: [&str; COLUMNS],
    rows: impl Iterator<Item = [String; COLUMNS]>,
) -> String {
    let rows: Vec<[String; COLUMNS]> = rows.collect();
    table_within(headings, &rows, width())
}

/// A table that is no wider than this.
pub fn table_within<const COLUMNS: usize>(
    headings: [&str; COLUMNS],
    rows: &[[String; COLUMNS]],
    width: Option<u16>,
) -> String {
    let whole = printed(&headings, rows, |_| true, None);
    let is_too_wide = |text: &str, width| text.lines().any(|line| line.chars().count() > width);
    match width {
        Some(width) if is_too_wide(&whole, width.into()) => {
            let is_kept = |column: usize| headings.get(column) != Some(&DISPENSABLE);
            printed(&headings, rows, is_kept, Some(width))
        }
        _ => whole,
    }
}

fn printed<const COLUMNS: usize>(
    headings: &[&str; COLUMNS],
    rows: &[[String; COLUMNS]],
    is_kept: impl Fn(usize) -> bool,
    width: Option<u16>,
) -> String {
    let kept: Vec<usize> = (0..COLUMNS).filter(|column| is_kept(*column)).collect();
    let cells = |row: &[String; COLUMNS]| -> Vec<String> {
        let cells = kept.iter().filter_map(|column| row.get(*column));
        cells.cloned().collect()
    };
    let headings = headings.map(str::to_owned);
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(cells(&headings));
    for row in rows {
        table.add_row(cells(row));
    }
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(width);
        // Words stay whole where all columns have room for their longest ones, and for the borders around them.
        let all = || rows.iter().chain([&headings]);
        let longest: Vec<u16> = kept
            .iter()
            .map(|column| longest_word(all().filter_map(|row| row.get(*column))))
            .collect();
        let needed: u16 = longest.iter().map(|word| word + 3).sum();
        if needed < width {
            let bounds = longest.iter().map(|word| {
                // With a blank on each side.
                ColumnConstraint::LowerBoundary(Width::Fixed(word + 2))
            });
            table.set_constraints(bounds);
        }
    }
    table.to_string()
}

/// A text whose lines fit the terminal: what is too long goes on in the next line, `hanging` columns further in.
pub fn wrapped(text: &str, hanging: usize) -> String {
    wrapped_to(text, hanging, width())
}

/// Whether each line of a text fits the terminal.
pub fn fits(text: &str) -> bool {
    width().is_none_or(|width| {
        text.lines()
            .all(|line| line.chars().count() <= width.into())
    })
}

/// A text whose lines are no wider than this.
pub fn wrapped_to(text: &str, hanging: usize, width: Option<u16>) -> String {
    let Some(width) = width else {
        return text.to_owned();
    };
    let lines = text.lines().map(|line| {
        let words = line.trim_start();
        let indent = line.len() - words.len();
        let (first, further) = (" ".repeat(indent), " ".repeat(indent + hanging));
        let options = textwrap::Options::new(width.into())
            .initial_indent(&first)
            .subsequent_indent(&further)
            .break_words(false)
            .word_splitter(textwrap::WordSplitter::NoHyphenation);
        textwrap::fill(words, options)
    });
    lines.collect::<Vec<String>>().join("\n")
}

/// How many columns and lines there are where progress is shown; nothing where that is not a terminal that can be drawn
/// on.
pub fn size_of_notes() -> Option<(u16, u16)> {
    let is_plain = std::env::var_os("TERM").is_none_or(|terminal| terminal == "dumb");
    let (width, height) = terminal_size_of(io::stderr()).filter(|_| !is_plain)?;
    Some((width.0, height.0))
}

fn longest_word<'a>(cells: impl Iterator<Item = &'a String>) -> u16 {
    let words = cells.flat_map(|cell| cell.split_whitespace());
    let lengths = words.map(|word| word.chars().count());
    lengths
        .max()
        .unwrap_or_default()
        .try_into()
        .unwrap_or(u16::MAX / 64)
}

/// How wide what is printed may be; whatever reads it that is not a terminal gets as much as there is, unless it says
/// otherwise as shells do.
pub fn width() -> Option<u16> {
    match terminal_size_of(io::stdout()) {
        Some((width, _)) => Some(width.0),
        None => std::env::var("COLUMNS").ok()?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> [String; 4] {
        let words = "rolled back: deployment failed: tasks failed to start";
        ["shop/api", words, "35c621a8f49c", "2026-11-30 05:06:56 UTC"].map(str::to_owned)
    }

    const HEADINGS: [&str; 4] = ["service", "outcome", "digest", "asked for"];

    #[test]
    fn a_table_is_no_wider_than_the_terminal_and_breaks_no_word() {
        let is_kept = |column| column != 2;
        for width in [45, 60, 80] {
            let text = printed(&HEADINGS, &[row()], is_kept, Some(width));
            let widest = text.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(usize::from(width)), "{text}");
            let [service, outcome, digest, at] = row();
            for word in [&service, &outcome, &at]
                .iter()
                .flat_map(|cell| cell.split(' '))
            {
                assert!(text.contains(word), "{word} is broken:\n{text}");
            }
            assert!(!text.contains(&digest), "{text}");
        }
    }

    #[test]
    fn a_terminal_that_is_narrower_than_the_words_gets_no_wider_table() {
        let text = printed(&HEADINGS, &[row()], |_| true, Some(30));
        assert!(
            text.lines().all(|line| line.chars().count() <= 30),
            "{text}"
        );
    }

    #[test]
    fn a_long_line_goes_on_below_its_words_and_no_word_is_broken() {
        let line = "  12:00:01 deploying; tasks: 2/2 of shop/api:v1";
        assert_eq!(
            wrapped_to(line, 9, Some(30)),
            "  12:00:01 deploying; tasks:\n           2/2 of shop/api:v1"
        );
        assert_eq!(wrapped_to(line, 9, Some(80)), line);
        assert_eq!(wrapped_to(line, 9, None), line);
        // A word that is longer than a line has one of its own.
        assert_eq!(
            wrapped_to("see arn:aws:ecs:task/1", 2, Some(10)),
            "see\n  arn:aws:ecs:task/1"
        );
    }

    #[test]
    fn what_has_room_enough_is_whole() {
        let text = printed(&HEADINGS, &[row()], |_| true, None);
        assert!(row().iter().all(|cell| text.contains(cell)), "{text}");
    }
}
