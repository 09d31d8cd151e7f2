//! Texts that are safe to show in Slack and within its limits.

use chrono::{DateTime, Utc};

use crate::words::{is_invisible, more, named, second};

/// The longest address that is shown as a link.
const URL: usize = 600;
/// The end of the year 9999: what comes after it has no date that clients know how to show.
const LAST_SECOND: i64 = 253_402_300_799;

/// How much room `character` takes in a message as it is sent.
///
/// Slack does not say whether it counts before or after its own escapes and JSON's, nor in what, so this
/// counts the most that it could: UTF-16 units, after both.
fn width(character: char) -> usize {
    match character {
        '&' => "&amp;".len(),
        '<' | '>' => "&lt;".len(),
        '"' | '\\' | '\n' => 2,
        _ => character.len_utf16(),
    }
}

fn push_escaped(text: &mut String, character: char) {
    match character {
        '&' => text.push_str("&amp;"),
        '<' => text.push_str("&lt;"),
        '>' => text.push_str("&gt;"),
        _ => text.push(character),
    }
}

/// Escapes `raw` as Slack asks: `&`, `<` and `>`, and nothing else.
///
/// A text of somebody else's can then neither mention a channel nor hide a link.
fn escape(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    for character in raw.chars() {
        push_escaped(&mut text, character);
    }
    text
}

/// Escapes `raw` into at most `limit` units of room on one line, and says how much was cut off where it
/// is longer.
pub(super) fn line(raw: &str, limit: usize) -> String {
    cut(&on_one_line(raw), limit)
}

/// `raw` on one line, in the type that Slack shows names in.
///
/// Slack has no escape for a backtick within backticks, so one becomes an apostrophe.
pub(super) fn code(raw: &str, limit: usize) -> String {
    let raw = on_one_line(raw).replace('`', "'");
    if raw.is_empty() {
        return "(empty)".to_owned();
    }
    format!("`{}`", cut(&raw, limit.saturating_sub(2)))
}

/// `raw` as a quotation of somebody's words, of at most `lines` lines.
///
/// Every line is marked, so that words of theirs never look like words of ours.
pub(super) fn quote(raw: &str, limit: usize, lines: usize) -> String {
    let cleaned = cleaned(raw);
    let total = cleaned.lines().count();
    let kept = cleaned.lines().take(lines).collect::<Vec<_>>().join("\n");
    let mut text = format!("> {}", cut(&kept, limit).replace('\n', "\n> "));
    if total > lines {
        text.push_str(&format!("\n> {}", more(total - lines, "line")));
    }
    text
}

/// `label`, which is escaped already, as a link to `url`; alone where that is not the address of a page.
pub(super) fn link(url: &str, label: &str) -> String {
    let is_page = url.starts_with("https://")
        && url.len() <= URL
        && url
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"<>|\"\\`".contains(&byte));
    if is_page {
        format!("<{}|{label}>", escape(url))
    } else {
        label.to_owned()
    }
}

/// `at` as the clock of whoever reads it shows it, and in UTC where Slack cannot: Slack's reference, "Formatting text for
/// app surfaces".
pub(super) fn date(at: DateTime<Utc>) -> String {
    let fallback = second(at);
    let seconds = at.timestamp();
    if (0..=LAST_SECOND).contains(&seconds) {
        format!("<!date^{seconds}^{{date_short_pretty}} {{time_secs}}|{fallback}>")
    } else {
        fallback
    }
}

/// How much room `text`, which is escaped already, takes in JSON.
pub(super) fn sent_width(text: &str) -> usize {
    text.chars()
        .map(|character| match character {
            '"' | '\\' | '\n' => 2,
            _ => character.len_utf16(),
        })
        .sum()
}

fn cleaned(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut joins = false;
    for character in raw.replace("\r\n", "\n").chars() {
        match character {
            // Unicode has line breaks of its own, which some clients honour.
            '\n' | '\u{2028}' | '\u{2029}' => text.push('\n'),
            // What makes one symbol of several, or chooses how one looks, belongs to it.
            '\u{200d}' | '\u{fe0f}' if joins => text.push(character),
            other if other.is_control() => text.push(' '),
            other if is_invisible(other) => {
                text.push_str(&named(other));
            }
            other => text.push(other),
        }
        joins = is_symbol(character) || (joins && matches!(character, '\u{200d}' | '\u{fe0f}'));
    }
    text.trim().to_owned()
}

/// Whether this may be a part of an emoji, which are made of several characters.
fn is_symbol(character: char) -> bool {
    matches!(u32::from(character), 0x2190..=0x27bf | 0x2900..=0x2bff | 0x1_f000..=0x1_faff)
}

fn on_one_line(raw: &str) -> String {
    cleaned(raw)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

fn cut(text: &str, limit: usize) -> String {
    if text.chars().map(width).sum::<usize>() <= limit {
        return escape(text);
    }
    let total = text.chars().count();
    let ending_width = more(total, "character").chars().map(width).sum::<usize>();
    let room = limit.saturating_sub(ending_width);
    let mut used = 0;
    let mut kept = 0;
    let mut escaped = String::with_capacity(limit);
    for character in text.chars() {
        used += width(character);
        if used > room {
            break;
        }
        kept += 1;
        push_escaped(&mut escaped, character);
    }
    escaped.push_str(&more(total - kept, "character"));
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unescape(text: &str) -> String {
        text.replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&")
    }

    fn total_width(sent: &str) -> usize {
        serde_json::to_string(sent).unwrap().encode_utf16().count() - 2
    }

    #[test]
    fn only_the_three_characters_that_slack_names_are_escaped() {
        assert_eq!(
            escape(r#"<!channel> & "it's" *bold* _x_ `y` é 🚀"#),
            r#"&lt;!channel&gt; &amp; "it's" *bold* _x_ `y` é 🚀"#
        );
    }

    #[test]
    fn a_text_that_is_too_long_says_how_much_was_cut_off() {
        assert_eq!(line(&"a".repeat(100), 30), "aaaaa… and 95 more characters");
        assert_eq!(line("short", 30), "short");
    }

    #[test]
    fn a_cut_never_splits_an_escape_or_a_character() {
        assert_eq!(
            line(&"&".repeat(50), 40),
            "&amp;&amp;&amp;… and 47 more characters"
        );
        assert_eq!(line(&"🚀".repeat(50), 29), "🚀🚀… and 48 more characters");
    }

    #[test]
    fn a_name_cannot_break_out_of_its_code_span() {
        assert_eq!(code("a`b\nc", 50), "`a'b c`");
        assert_eq!(code("  ", 50), "(empty)");
    }

    #[test]
    fn every_line_of_a_quotation_is_marked() {
        assert_eq!(
            quote("one\r\ntwo\u{2028}three\nfour\nfive", 100, 3),
            "> one\n> two\n> three\n> … and 2 more lines"
        );
    }

    #[test]
    fn control_characters_do_not_reach_slack() {
        assert_eq!(line("a\u{0}b\tc\u{1b}[31m", 50), "a b c [31m");
    }

    #[test]
    fn invisible_characters_are_shown_and_not_sent() {
        assert_eq!(
            line("v1\u{202e}gpj.exe \u{200b}a\u{ad}b\u{feff}\u{2066}", 200),
            "v1[U+202E]gpj.exe [U+200B]a[U+00AD]b[U+FEFF][U+2066]"
        );
        assert_eq!(code("shop\u{200b}", 50), "`shop[U+200B]`");
        assert_eq!(quote("a\u{e0041}", 50, 1), "> a[U+E0041]");
        // Of letters, they make two names look the same; of symbols, one emoji.
        assert_eq!(line("a\u{200d}b\u{fe0f}", 50), "a[U+200D]b[U+FE0F]");
        assert_eq!(line("👩\u{200d}👧 ❤\u{fe0f}", 50), "👩\u{200d}👧 ❤\u{fe0f}");
    }

    proptest! {
        #[test]
        fn escaping_round_trips(raw in any::<String>()) {
            prop_assert_eq!(unescape(&escape(&raw)), raw);
        }

        #[test]
        fn no_text_takes_more_room_than_it_is_given(
            raw in "(?s)(.|[&<>\"\\\\\n🚀]){0,400}",
            limit in 40usize..300,
        ) {
            prop_assert!(total_width(&line(&raw, limit)) <= limit);
            prop_assert!(total_width(&code(&raw, limit)) <= limit);
        }

        #[test]
        fn what_is_not_cut_can_be_read_back(raw in "[a-z&<>;\"🚀é]{0,50}") {
            prop_assert_eq!(unescape(&line(&raw, 1_000)), raw);
        }

        #[test]
        fn a_quotation_is_within_its_room_and_that_of_its_marks(
            raw in "(?s)(.|\n){0,400}",
            limit in 40usize..300,
        ) {
            let marks = 11 * "\\n> ".len() + "… and 400 more lines".len();
            prop_assert!(total_width(&quote(&raw, limit, 10)) <= limit + marks);
        }
    }
}
