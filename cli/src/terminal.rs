//! What is printed, and where.

use std::io::{self, IsTerminal, Write};

use longshore_report::words::for_terminal;

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
