//! What the command line answers.

/// An answer, and whether it is good news: the exit status says so too.
#[derive(Debug)]
pub struct Answer {
    /// What is printed.
    pub text: String,
    /// Whether what was asked for was done, or is so.
    pub is_good: bool,
}

impl From<String> for Answer {
    fn from(text: String) -> Self {
        Self {
            text,
            is_good: true,
        }
    }
}
