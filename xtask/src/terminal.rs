//! What a person sees.

use std::io::{IsTerminal, Write};

/// The standard output or the standard error of this process. What cannot be written is lost: there is nobody to
/// tell when the terminal is gone.
pub struct Terminal {
    stream: Box<dyn Write>,
    is_interactive: bool,
    has_colours: bool,
    has_progress: bool,
}

/// How a text is shown where there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// For headings.
    Bold,
    /// For what matters less.
    Dim,
    /// For what went well.
    Good,
    /// For what went wrong.
    Bad,
}

impl Terminal {
    /// The standard output.
    pub fn standard_output() -> Self {
        Self::new(Box::new(std::io::stdout()), std::io::stdout().is_terminal())
    }

    /// The standard error.
    pub fn standard_error() -> Self {
        Self::new(Box::new(std::io::stderr()), std::io::stderr().is_terminal())
    }

    fn new(stream: Box<dyn Write>, is_interactive: bool) -> Self {
        Self {
            stream,
            is_interactive,
            has_colours: is_interactive && std::env::var_os("NO_COLOR").is_none(),
            has_progress: false,
        }
    }

    /// A text in this style, where there are colours.
    pub fn styled(&self, style: Style, text: &str) -> String {
        if !self.has_colours {
            return text.to_owned();
        }
        let code = match style {
            Style::Bold => "1",
            Style::Dim => "2",
            Style::Good => "32",
            Style::Bad => "31",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// One line.
    pub fn line(&mut self, text: &str) {
        self.clear_progress();
        let _ = writeln!(self.stream, "{text}");
        let _ = self.stream.flush();
    }

    /// What is being done now. It is replaced by what is shown next, where the terminal can do that.
    pub fn progress(&mut self, text: &str) {
        if !self.is_interactive {
            self.line(&format!("      {text}"));
            return;
        }
        self.clear_progress();
        // Cut, because a line that wraps could not be replaced.
        let cut: String = text.chars().take(90).collect();
        let shown = self.styled(Style::Dim, &format!("   …  {cut}"));
        let _ = write!(self.stream, "{shown}");
        let _ = self.stream.flush();
        self.has_progress = true;
    }

    fn clear_progress(&mut self) {
        if self.has_progress {
            let _ = write!(self.stream, "\r\u{1b}[2K");
            self.has_progress = false;
        }
    }

    /// A check mark or a cross.
    pub fn mark(&self, ok: bool) -> String {
        if ok {
            self.styled(Style::Good, "✓")
        } else {
            self.styled(Style::Bad, "✗")
        }
    }
}

/// A text filled up with spaces to this many characters.
pub fn padded(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.chars().count());
    format!("{text}{}", " ".repeat(missing))
}
