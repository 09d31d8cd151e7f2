//! What a person sees.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// How often a line is written about what goes on, where lines cannot be replaced.
const TICK: Duration = Duration::from_secs(20);

/// The standard output or the standard error of this process, or what somebody collects of a part that runs beside
/// others. What cannot be written is lost: there is nobody to show it to when the terminal is gone.
pub struct Terminal {
    output: Output,
    is_interactive: bool,
    has_colours: bool,
    has_progress: bool,
    last_tick: Option<Instant>,
}

enum Output {
    Stream(Box<dyn Write + Send>),
    Collected(Box<dyn FnMut(Printed) + Send>),
}

/// What was said to a terminal that somebody collects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Printed {
    /// A line, to be kept.
    Line(String),
    /// What is being done now.
    Progress(String),
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

    fn new(stream: Box<dyn Write + Send>, is_interactive: bool) -> Self {
        Self {
            output: Output::Stream(stream),
            is_interactive,
            has_colours: is_interactive && std::env::var_os("NO_COLOR").is_none(),
            has_progress: false,
            last_tick: None,
        }
    }

    /// One whose lines and progress are handed over, for a part that runs beside others. It has the colours of this one.
    pub fn collected(&self, collect: impl FnMut(Printed) + Send + 'static) -> Self {
        Self {
            output: Output::Collected(Box::new(collect)),
            is_interactive: self.is_interactive,
            has_colours: self.has_colours,
            has_progress: false,
            last_tick: None,
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
        match &mut self.output {
            Output::Stream(stream) => {
                let _ = writeln!(stream, "{text}");
                let _ = stream.flush();
            }
            Output::Collected(collect) => collect(Printed::Line(text.to_owned())),
        }
    }

    /// What is being done now. It is replaced by what is shown next, where the terminal can do that.
    pub fn progress(&mut self, text: &str) {
        if let Output::Collected(collect) = &mut self.output {
            collect(Printed::Progress(text.to_owned()));
            return;
        }
        if !self.is_interactive {
            self.line(&format!("      {text}"));
            return;
        }
        // Cut, because a line that wraps could not be replaced.
        let cut: String = text.chars().take(90).collect();
        let shown = self.styled(Style::Dim, &format!("   …  {cut}"));
        self.clear_progress();
        self.write(&shown);
        self.has_progress = true;
    }

    /// How far something is that goes on for long: shown at once where it can be replaced, and now and then elsewhere.
    pub fn ticking(&mut self, text: &str) {
        let is_stream = matches!(self.output, Output::Stream(_));
        if is_stream && !self.is_interactive {
            let now = Instant::now();
            if self.last_tick.is_some_and(|last| now - last < TICK) {
                return;
            }
            self.last_tick = Some(now);
        }
        self.progress(text);
    }

    /// Whether what is shown as progress is replaced by what comes next.
    pub fn replaces_progress(&self) -> bool {
        self.is_interactive
    }

    fn clear_progress(&mut self) {
        if self.has_progress {
            self.write("\r\u{1b}[2K");
            self.has_progress = false;
        }
    }

    fn write(&mut self, text: &str) {
        if let Output::Stream(stream) = &mut self.output {
            let _ = write!(stream, "{text}");
            let _ = stream.flush();
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
