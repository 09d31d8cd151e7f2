//! A part of a terminal that is drawn again in place, below lines that stay.

use std::io::Write;

use longshore_report::words::for_terminal;

/// The cursor up by so many lines, to their beginning, and everything from there on away: ECMA-48, CPL and ED.
fn away(lines: usize) -> String {
    match lines {
        0 => String::new(),
        lines => format!("\x1b[{lines}F\x1b[J"),
    }
}

/// What is drawn on a terminal whose cursor stands at the beginning of a line.
pub struct Screen<W> {
    output: W,
    /// What is drawn now.
    frame: String,
}

impl<W: Write> Screen<W> {
    pub fn new(output: W) -> Self {
        Self {
            output,
            frame: String::new(),
        }
    }

    /// Draws a frame in the place of the one before. Its lines must fit the terminal, and it must be lower.
    pub fn draw(&mut self, frame: &str) {
        self.draw_painted(frame, str::to_owned);
    }

    /// The same, as `paint` gives colours to what is safe to show already.
    pub fn draw_painted(&mut self, frame: &str, paint: impl FnOnce(&str) -> String) {
        let frame = paint(&ended(&for_terminal(frame)));
        if frame != self.frame {
            let before = self.frame.lines().count();
            self.write(&format!("{}{frame}", away(before)));
            self.frame = frame;
        }
    }

    /// Puts lines above the frame, which stay.
    pub fn say(&mut self, text: &str) {
        let before = self.frame.lines().count();
        let said = ended(&for_terminal(text));
        // All at once, so that nobody sees a terminal without the frame.
        self.write(&format!("{}{said}{}", away(before), self.frame));
    }

    fn write(&mut self, text: &str) {
        // A terminal that has gone away is not a failure of what is followed.
        let _ = self.output.write_all(text.as_bytes());
        let _ = self.output.flush();
    }
}

/// A text whose last line is ended, too.
fn ended(text: &str) -> String {
    match text.is_empty() || text.ends_with('\n') {
        true => text.to_owned(),
        false => format!("{text}\n"),
    }
}

#[cfg(test)]
pub mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    /// What is written to a terminal, and what somebody sees of it.
    #[derive(Clone, Default)]
    pub struct Seen(Rc<RefCell<Vec<u8>>>);

    impl Write for Seen {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.borrow_mut().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Seen {
        /// All that was written.
        pub fn written(&self) -> String {
            String::from_utf8(self.0.borrow().clone()).unwrap()
        }

        /// The lines on the terminal, those that have left it at the top included, after all that was written.
        pub fn lines(&self) -> Vec<String> {
            let written = self.0.borrow();
            let mut lines: Vec<String> = Vec::new();
            let mut rest = std::str::from_utf8(&written).unwrap();
            while let Some(character) = rest.chars().next() {
                if let Some(moved) = rest.strip_prefix("\x1b[") {
                    let (number, after) = moved.split_once('F').unwrap();
                    rest = after.strip_prefix("\x1b[J").unwrap();
                    let number: usize = number.parse().unwrap();
                    // Nobody can draw above the first line.
                    lines.truncate(lines.len().checked_sub(number).unwrap());
                    continue;
                }
                let (line, after) = rest.split_once('\n').unwrap();
                assert!(!line.contains('\x1b'), "{character}: {line:?}");
                lines.push(line.to_owned());
                rest = after;
            }
            lines
        }
    }

    #[test]
    fn a_frame_takes_the_place_of_the_one_before_and_what_is_said_stays_above_it() {
        let seen = Seen::default();
        let mut screen = Screen::new(seen.clone());
        screen.draw("one\ntwo");
        screen.say("said");
        screen.draw("three");
        assert_eq!(seen.lines(), ["said", "three"]);
        screen.say("more");
        assert_eq!(seen.lines(), ["said", "more", "three"]);
    }

    #[test]
    fn a_frame_that_is_the_same_is_not_drawn_again() {
        let seen = Seen::default();
        let mut screen = Screen::new(seen.clone());
        screen.draw("one");
        let written = seen.0.borrow().len();
        screen.draw("one");
        assert_eq!(seen.0.borrow().len(), written);
    }

    #[test]
    fn what_others_wrote_moves_no_cursor() {
        let seen = Seen::default();
        let mut screen = Screen::new(seen.clone());
        screen.say("a task wrote \x1b[2J");
        assert_eq!(seen.lines(), ["a task wrote [U+001B][2J"]);
    }
}
