//! Where values of JSON end, found without reading them.

/// Looks for the end of an object, an array or a text that comes in pieces, from its first byte on.
///
/// It only counts brackets outside of texts: whether what is between is JSON is for a parser to say.
#[derive(Debug, Default)]
pub(crate) struct ValueEnd {
    depth: usize,
    is_in_text: bool,
    is_escaped: bool,
}

impl ValueEnd {
    /// How many bytes of the next piece belong to the value; `None` for all of them, and it goes on.
    pub(crate) fn find(&mut self, piece: &[u8]) -> Option<usize> {
        let mut place = 0;
        while let Some(rest) = piece.get(place..) {
            if self.is_escaped && !rest.is_empty() {
                self.is_escaped = false;
                place += 1;
                continue;
            }
            // Most of an index is inside of texts.
            let next = if self.is_in_text {
                rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))
            } else {
                rest.iter()
                    .position(|byte| matches!(byte, b'"' | b'{' | b'[' | b'}' | b']'))
            };
            let next = next?;
            place += next + 1;
            match rest.get(next) {
                Some(b'\\') => self.is_escaped = true,
                Some(b'"') => self.is_in_text = !self.is_in_text,
                Some(b'{' | b'[') => self.depth += 1,
                _ => self.depth = self.depth.saturating_sub(1),
            }
            if self.depth == 0 && !self.is_in_text {
                return Some(place);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_values_end_is_found_in_whatever_pieces_it_comes() {
        for value in [
            r#"{}"#,
            r#"[]"#,
            r#""""#,
            r#""a\"b\\""#,
            r#"{"a":[1,{"b":"}]"}],"c":"\\\"{["}"#,
        ] {
            let text = format!("{value} , {{");
            for size in 1..=text.len() {
                let mut end = ValueEnd::default();
                let mut length = 0;
                for piece in text.as_bytes().chunks(size) {
                    match end.find(piece) {
                        None => length += piece.len(),
                        Some(part) => {
                            length += part;
                            break;
                        }
                    }
                }
                assert_eq!(length, value.len(), "{value} in pieces of {size}");
            }
        }
        assert_eq!(ValueEnd::default().find(br#"{"a": "}"#), None);
    }
}
