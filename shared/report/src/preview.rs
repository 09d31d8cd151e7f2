//! Messages as a page that looks like Slack: what they say can be looked at without a workspace.

use crate::message::{Block, Button, Message, Style, Text};

/// A page of messages, each under its name. It needs nothing but itself: no network, no files beside it.
pub fn page<'a>(messages: impl IntoIterator<Item = (&'a str, &'a Message)>) -> String {
    let messages: Vec<String> = messages
        .into_iter()
        .map(|(name, message)| shown(name, message))
        .collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>What Longshore says in Slack</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>What Longshore says in Slack</h1>\n{}</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n",
        messages.concat()
    )
}

const STYLE: &str = "
:root { color-scheme: light dark; --back: #fff; --text: #1d1c1d; --grey: #616061; --line: #ddd; --link: #1264a3;
  --code: #c01343; --code-back: #f6f6f6; --accent: #611f69; }
@media (prefers-color-scheme: dark) { :root { --back: #1a1d21; --text: #d1d2d3; --grey: #ababad; --line: #35373b;
  --link: #1d9bd1; --code: #e8912d; --code-back: #222529; --accent: #b98bc0; } }
body { margin: 0; background: var(--back); color: var(--text);
  font: 15px/1.46667 Lato, 'Helvetica Neue', Helvetica, Arial, sans-serif; }
main { max-width: 45rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.4rem; }
h2 { margin: 2rem 0 .5rem; padding-top: .75rem; border-top: 1px solid var(--line); color: var(--grey);
  font-size: .8rem; font-weight: 700; }
article { display: flex; gap: .5rem; }
.face { flex: none; width: 36px; height: 36px; border-radius: 6px; background: var(--accent); color: var(--back);
  font-weight: 900; text-align: center; line-height: 36px; }
.body { min-width: 0; flex: 1; }
.name { margin: 0; font-weight: 900; }
.app { margin-left: .25rem; padding: 0 .2rem; border-radius: 2px; background: var(--line); font-size: .65rem; }
h3 { margin: .25rem 0; font-size: 1.1rem; line-height: 1.3; }
p, blockquote { margin: .35rem 0; white-space: pre-wrap; overflow-wrap: anywhere; }
blockquote { padding-left: .75rem; border-left: 4px solid var(--line); }
.context { color: var(--grey); font-size: .82rem; }
code { padding: .1rem .2rem; border: 1px solid var(--line); border-radius: 3px; background: var(--code-back);
  color: var(--code); font: .8rem Monaco, Menlo, Consolas, monospace; }
button { padding: .3rem .75rem; border: 1px solid var(--line); border-radius: 4px; background: var(--back);
  color: var(--text); font: inherit; font-size: .82rem; font-weight: 700; }
.primary { border-color: #007a5a; background: #007a5a; color: #fff; }
.danger { border-color: #e01e5a; color: #e01e5a; }
a { color: var(--link); text-decoration: none; }
a:hover, a:focus-visible { text-decoration: underline; }
details { margin-top: .35rem; color: var(--grey); font-size: .82rem; }
";

/// Dates are shown in the time of whoever looks, as Slack shows them.
const SCRIPT: &str = "
for (const time of document.querySelectorAll('time')) {
  time.title = time.textContent;
  time.textContent = new Date(time.dateTime * 1000).toLocaleString([], { dateStyle: 'medium', timeStyle: 'medium' });
}
";

fn shown(name: &str, message: &Message) -> String {
    let blocks: Vec<String> = message.blocks.iter().map(block).collect();
    format!(
        "<section>\n<h2>{}</h2>\n<article>\n<div class=\"face\" aria-hidden=\"true\">L</div>\n<div class=\"body\">\n\
         <p class=\"name\">Longshore<span class=\"app\">APP</span></p>\n{}\
         <details><summary>As a notification</summary><p>{}</p></details>\n</div>\n</article>\n</section>\n",
        escaped(name),
        blocks.concat(),
        markup(&message.text)
    )
}

fn block(block: &Block) -> String {
    match block {
        Block::Header { text } => format!("<h3>{}</h3>\n", of(text)),
        Block::Section { text } => paragraphs(text),
        Block::Context { elements } => {
            let elements: Vec<String> = elements.iter().map(of).collect();
            format!("<p class=\"context\">{}</p>\n", elements.join(" "))
        }
        Block::Actions { elements } => {
            let elements: Vec<String> = elements.iter().map(button).collect();
            format!("<p class=\"actions\">{}</p>\n", elements.join(" "))
        }
    }
}

/// A button, which does nothing here; what it asks first is its title.
fn button(button: &Button) -> String {
    let Button::Button {
        text,
        style,
        confirm,
        ..
    } = button;
    let class = match style {
        Some(Style::Primary) => " class=\"primary\"",
        Some(Style::Danger) => " class=\"danger\"",
        None => "",
    };
    let title = confirm.as_ref().map_or_else(String::new, |confirm| {
        let asked = of(&confirm.text).replace('"', "&quot;");
        format!(" title=\"{asked}\"")
    });
    format!(
        "<button type=\"button\"{class}{title}>{}</button>",
        of(text)
    )
}

fn of(text: &Text) -> String {
    match text {
        // Slack's three escapes are HTML's, too.
        Text::PlainText { text } => text.clone(),
        Text::Mrkdwn { text, .. } => markup(text),
    }
}

/// A section: lines that are quoted, and lines that are not.
fn paragraphs(text: &Text) -> String {
    let Text::Mrkdwn { text, .. } = text else {
        return format!("<p>{}</p>\n", of(text));
    };
    let mut groups: Vec<(bool, Vec<&str>)> = Vec::new();
    for line in text.lines() {
        let (is_quoted, line) = match line.strip_prefix("> ") {
            Some(quoted) => (true, quoted),
            None => (false, line),
        };
        match groups.last_mut() {
            Some((of, lines)) if *of == is_quoted => lines.push(line),
            _ => groups.push((is_quoted, vec![line])),
        }
    }
    groups
        .into_iter()
        .map(|(is_quoted, lines)| {
            let element = if is_quoted { "blockquote" } else { "p" };
            let lines: Vec<String> = lines.into_iter().map(markup).collect();
            format!("<{element}>{}</{element}>\n", lines.join("\n"))
        })
        .collect()
}

/// Slack's Markdown, as far as messages of ours use it: links, dates, code and bold text.
fn markup(text: &str) -> String {
    let mut html = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(['<', '`', '*']) {
        let (before, marked) = rest.split_at(start);
        html.push_str(before);
        let mark = &marked[..1];
        let end = match mark {
            "<" => marked.find('>'),
            mark => marked[1..].find(mark).map(|end| end + 1),
        };
        let Some(end) = end.filter(|end| *end > 1) else {
            html.push_str(&escaped(mark));
            rest = &marked[1..];
            continue;
        };
        let inner = &marked[1..end];
        html.push_str(&match mark {
            "<" => angled(inner),
            "`" => format!("<code>{inner}</code>"),
            _ => format!("<b>{}</b>", markup(inner)),
        });
        rest = &marked[end + 1..];
    }
    html + rest
}

/// What stands between `<` and `>`: a link, or a date.
fn angled(inner: &str) -> String {
    let (target, label) = inner.split_once('|').unwrap_or((inner, inner));
    if let Some(date) = target.strip_prefix("!date^") {
        let seconds = date.split('^').next().unwrap_or_default();
        return format!(
            "<time datetime=\"{}\">{}</time>",
            escaped(seconds),
            markup(label)
        );
    }
    match target.strip_prefix("https://") {
        // An ampersand is written as an entity already.
        Some(page) => format!(
            "<a href=\"https://{}\" rel=\"noreferrer\">{}</a>",
            page.replace('"', "&quot;"),
            markup(label)
        ),
        None => markup(label),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Console, message};
    use crate::samples::every;

    #[test]
    fn slacks_markdown_becomes_html_and_nothing_else_does() {
        for (text, expected) in [
            ("*Image:* `v2`", "<b>Image:</b> <code>v2</code>"),
            (
                "<https://a.example/?b=1&amp;c=2|page>",
                "<a href=\"https://a.example/?b=1&amp;c=2\" rel=\"noreferrer\">page</a>",
            ),
            (
                "<!date^7^{date_short_pretty} {time_secs}|then>",
                "<time datetime=\"7\">then</time>",
            ),
            ("2 * 3 &lt; 7", "2 * 3 &lt; 7"),
            ("&lt;script&gt;", "&lt;script&gt;"),
        ] {
            assert_eq!(markup(text), expected);
        }
    }

    #[test]
    fn the_page_shows_every_kind_of_message_and_asks_the_network_for_nothing() {
        let console = Console::of_region("eu-west-1");
        let samples = every();
        let messages: Vec<(&str, Message)> = samples
            .iter()
            .filter_map(|sample| {
                let message = message(&sample.event, &console)?;
                Some((sample.name, message.with_buttons(&sample.event, |_| true)))
            })
            .collect();
        assert_eq!(messages.len(), samples.len(), "each is said to people");
        let page = page(messages.iter().map(|(name, message)| (*name, message)));
        for (name, _) in &messages {
            assert!(page.contains(&format!("<h2>{name}</h2>")), "{name}");
        }
        for wanted in ["src=", "@import", "url(", "<link", "fetch("] {
            assert!(!page.contains(wanted), "{wanted}");
        }
        assert!(page.contains("prefers-color-scheme: dark"));
        for wanted in [
            "<button type=\"button\" class=\"primary\">Approve</button>",
            "title=\"shop/api goes back from deployment 42",
        ] {
            assert!(page.contains(wanted), "{wanted}");
        }
    }
}
