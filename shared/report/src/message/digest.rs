//! What came of the deployments of some days.

use longshore_events::longshore::DeploymentsDigest;

use super::blocks::Message;
use super::draft::{Draft, NAME, fact};
use super::text::{code, date, line};
use crate::words::{
    Compared, counted, counted_in_part, digest_lines, failed_most, length, none_ended, share,
};

/// Room for the stack in a headline, beside how long the period is.
const STACK: usize = 95;

pub(super) fn digest(event: &DeploymentsDigest) -> Message {
    let name = |name: &str| code(name, NAME);
    let none = none_ended(event);
    let mut facts: Vec<String> = none.clone().into_iter().collect();
    let lines = digest_lines(event, name).into_iter();
    facts.extend(lines.map(|line| {
        let Compared { name, now, before } = line;
        fact(name, &format!("{now}\n        before: {before}"))
    }));
    let failed_most = failed_most(event, name).map(|services| fact("Failed most", &services));
    let stack = event.stack.as_deref();
    let of = stack.map_or_else(String::new, |stack| format!(": {}", line(stack, STACK)));
    let length = length(event);
    let rest = match none {
        Some(_) => ": no deployment ended".to_owned(),
        None => {
            let figures = &event.figures;
            let all = figures.deployments();
            format!(
                ": {}, {} succeeded; before: {}",
                counted(all, "deployment"),
                share(figures.succeeded.into(), all.into()),
                counted(event.before.deployments(), "deployment"),
            )
        }
    };
    Draft {
        headline: format!("📊 Deployments digest of {length}{of}"),
        rest,
        facts,
        paragraphs: failed_most
            .into_iter()
            .chain(counted_in_part(event))
            .collect(),
        note: None,
        context: vec![
            format!("from {} until {}", date(event.since), date(event.until)),
            format!("before: the {length} before"),
        ],
    }
    .message()
}
