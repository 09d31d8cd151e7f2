//! Characters that do something instead of being seen.

/// A text for a terminal, which acts on some characters: in a note, an error or a log, somebody else may have written
/// what moves the cursor, hides a line or turns a text around. These are shown as `[U+001B]`; lines, tabs, and what joins
/// symbols stay.
pub fn for_terminal(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        let stays = matches!(character, '\n' | '\t' | '\u{200d}' | '\u{fe0f}');
        if !stays && (character.is_control() || is_invisible(character)) {
            shown.push_str(&named(character));
        } else {
            shown.push(character);
        }
    }
    shown
}

/// A character by its number, `[U+202E]`.
pub(crate) fn named(character: char) -> String {
    format!("[U+{:04X}]", u32::from(character))
}

/// Whether nobody would see this character, but what it does to others: it turns their direction around, joins or parts
/// them, or makes two names look the same. From the categories of Unicode: what is of format (Cf), the fillers, and the
/// selectors of variants.
pub(crate) fn is_invisible(character: char) -> bool {
    matches!(u32::from(character),
        0xad
        | 0x34f
        | 0x600..=0x605
        | 0x61c
        | 0x6dd
        | 0x70f
        | 0x115f..=0x1160
        | 0x17b4..=0x17b5
        | 0x180b..=0x180f
        | 0x200b..=0x200f
        | 0x202a..=0x202e
        | 0x2060..=0x206f
        | 0x2800
        | 0x3164
        | 0xfe00..=0xfe0f
        | 0xfeff
        | 0xffa0
        | 0xfff0..=0xfffb
        | 0x1_bca0..=0x1_bca3
        | 0x1_d173..=0x1_d17a
        | 0xe_0000..=0xe_0fff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_shown_what_it_would_have_acted_on() {
        for (text, expected) in [
            ("plain, ünïcödé ⚠️\n\tnext", "plain, ünïcödé ⚠️\n\tnext"),
            ("\u{1b}[2Jgone", "[U+001B][2Jgone"),
            (
                "\u{1b}]52;c;cm0gLXJm\u{7}",
                "[U+001B]]52;c;cm0gLXJm[U+0007]",
            ),
            ("good\rbad", "good[U+000D]bad"),
            ("\u{9b}31m", "[U+009B]31m"),
            ("a\u{8}b\u{7f}", "a[U+0008]b[U+007F]"),
            ("\u{202e}txt.exe", "[U+202E]txt.exe"),
        ] {
            assert_eq!(for_terminal(text), expected);
        }
    }
}
