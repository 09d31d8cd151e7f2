//! That somebody holds deployments, or lets them begin again.

use longshore_events::longshore::{Caller, DeploymentsHeld, DeploymentsResumed};

use super::blocks::Message;
use super::draft::{Draft, NAME, SUBJECT, command, fact, quoted_note, shell_word, who};
use super::text::{code, date, line};
use crate::words::{duration, minute, more};

/// How many services are named.
const SERVICES: usize = 10;

pub(super) fn held(event: &DeploymentsHeld) -> Message {
    let until = event.until;
    let mut facts = vec![
        fact("Services", &services(&event.services)),
        fact(
            "Until",
            &until.map_or_else(|| "somebody resumes them".to_owned(), date),
        ),
        by("Held by", event.by.as_ref()),
        fact(
            "Resume",
            &command(&format!(
                "longshore resume {}",
                name(&event.stack, &event.services)
            )),
        ),
    ];
    facts.retain(|fact| !fact.is_empty());
    Draft {
        headline: headline("🔒 Deployments held", &event.stack, &event.services),
        rest: match until {
            Some(until) => format!(", until {}", minute(until)),
            None => ", until somebody resumes them".to_owned(),
        },
        facts,
        note: said(event.note.as_deref()),
        context: vec![format!("held {}", date(event.at))],
        ..Draft::default()
    }
    .message()
}

pub(super) fn resumed(event: &DeploymentsResumed) -> Message {
    let mut facts = vec![
        fact("Services", &services(&event.services)),
        by("Resumed by", event.by.as_ref()),
        event.held_since.map_or_else(String::new, |since| {
            fact("Held for", &duration(since, event.at))
        }),
        event
            .held_by
            .as_ref()
            .map_or_else(String::new, |held_by| by("Held by", Some(held_by))),
    ];
    facts.retain(|fact| !fact.is_empty());
    Draft {
        headline: headline("▶️ Deployments resumed", &event.stack, &event.services),
        rest: "; what waited goes out".to_owned(),
        facts,
        paragraphs: said(event.held_note.as_deref())
            .map(|note| format!("*The hold:*\n{note}"))
            .into_iter()
            .collect(),
        note: said(event.note.as_deref()),
        context: vec![format!("resumed {}", date(event.at))],
    }
    .message()
}

fn said(note: Option<&str>) -> Option<String> {
    let note = note.filter(|note| !note.trim().is_empty());
    note.map(quoted_note)
}

fn by(what: &str, caller: Option<&Caller>) -> String {
    let who = caller.map_or_else(|| "a payload or the command line".to_owned(), who);
    fact(what, &who)
}

/// The service, where it is one; else the stack.
fn name(stack: &str, services: &[String]) -> String {
    match services {
        [service] => shell_word(&format!("{stack}/{service}")),
        _ => shell_word(stack),
    }
}

fn headline(what: &str, stack: &str, services: &[String]) -> String {
    let subject = match services {
        [service] => format!("{stack}/{service}"),
        _ => stack.to_owned(),
    };
    format!("{what}: {}", line(&subject, SUBJECT))
}

fn services(services: &[String]) -> String {
    let shown = services.iter().take(SERVICES);
    let mut names: Vec<String> = shown.map(|service| code(service, NAME)).collect();
    if services.len() > SERVICES {
        names.push(more(services.len() - SERVICES, "service"));
    }
    if names.is_empty() {
        return "none".to_owned();
    }
    names.join(", ")
}
