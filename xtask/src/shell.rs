//! Words of a shell.

/// A text as one word of a shell.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stays_one_word_whatever_is_in_it() {
        assert_eq!(quoted("plain"), "'plain'");
        assert_eq!(quoted("it's $HOME; rm"), r"'it'\''s $HOME; rm'");
    }
}
