//! `longshore digest`.

use anyhow::bail;
use chrono::{DateTime, TimeDelta, Utc};
use longshore_events::longshore::DeploymentsDigest;
use longshore_events::manual::MOST_DAYS;
use longshore_report::words::{
    Compared, counted, counted_in_part, digest_lines, failed_most, length, minute, none_ended,
};
use longshore_rollout::digest::{DigestRequest, digest};
use longshore_rollout::figures::Period;
use longshore_rollout::ports::Cloud;
use longshore_state::store::DocumentListing;

use crate::arguments::{DigestArguments, Output};
use crate::terminal;
use crate::until::Since;

/// What a digest is called that is asked for here, where nobody else hears of it.
const ASKED_HERE: &str = "command-line";

/// Says how deployments went.
pub async fn run<C: Cloud + DocumentListing>(
    cloud: &C,
    arguments: &DigestArguments,
) -> anyhow::Result<String> {
    let request = DigestRequest {
        id: ASKED_HERE.to_owned(),
        stack: stack(arguments.stack.as_deref())?,
        period: period(arguments, Utc::now())?,
    };
    let digest = digest(cloud, &request).await?;
    match arguments.output {
        Output::Json => Ok(serde_json::to_string_pretty(&digest)?),
        Output::Text => Ok(in_words(&digest, terminal::table)),
    }
}

fn stack(stack: Option<&str>) -> anyhow::Result<Option<String>> {
    match stack {
        Some(name) if name.is_empty() || name.contains('/') => {
            bail!(
                "`{name}` is not the name of a stack: give one without a slash, or none for all stacks"
            )
        }
        stack => Ok(stack.map(str::to_owned)),
    }
}

fn period(arguments: &DigestArguments, now: DateTime<Utc>) -> anyhow::Result<Period> {
    let Some(Since(since)) = arguments.since else {
        return Ok(Period::of_days(arguments.days, now));
    };
    if now - since > TimeDelta::days(MOST_DAYS.into()) {
        bail!(
            "{} is too long ago: give a time of the last {}",
            minute(since),
            counted(MOST_DAYS, "day")
        );
    }
    Ok(Period { since, until: now })
}

/// `table` makes a table of figures: as wide as the terminal.
fn in_words(
    digest: &DeploymentsDigest,
    table: impl FnOnce([&str; 3], std::vec::IntoIter<[String; 3]>) -> String,
) -> String {
    let of = match &digest.stack {
        Some(stack) => format!(" of stack {stack}"),
        None => String::new(),
    };
    let mut parts = vec![format!(
        "deployments{of} from {} until {}",
        minute(digest.since),
        minute(digest.until)
    )];
    parts.extend(none_ended(digest));
    let lines = digest_lines(digest, str::to_owned).into_iter();
    let rows: Vec<[String; 3]> = lines
        .map(|Compared { name, now, before }| [name.to_lowercase(), now, before])
        .collect();
    let length = length(digest);
    parts.push(table(
        ["figure", &length, &format!("the {length} before")],
        rows.into_iter(),
    ));
    let most = failed_most(digest, str::to_owned);
    parts.extend(most.map(|services| terminal::wrapped(&format!("failed most: {services}"), 2)));
    parts.extend(counted_in_part(digest).map(|text| terminal::wrapped(&text, 0)));
    parts.join("\n")
}

#[cfg(test)]
mod tests {
    use longshore_events::longshore::{DeploymentFigures, LongshoreEvent};
    use longshore_report::samples;

    use super::*;

    fn digest(figures: DeploymentFigures) -> DeploymentsDigest {
        match samples::digest(figures) {
            LongshoreEvent::DeploymentsDigest(digest) => digest,
            other => panic!("{other:?}"),
        }
    }

    fn shown(digest: &DeploymentsDigest, columns: u16) -> String {
        in_words(digest, |headings, rows| {
            let rows: Vec<[String; 3]> = rows.collect();
            terminal::table_within(headings, &rows, Some(columns))
        })
    }

    #[test]
    fn a_week_is_shown_beside_the_one_before_in_80_and_120_columns() {
        for columns in [80, 120] {
            let mut digest = digest(samples::busy_week());
            digest.counted_in_part = 1;
            let text = shown(&digest, columns);
            insta::assert_snapshot!(format!("week-{columns}"), text);
        }
    }

    #[test]
    fn a_week_without_a_deployment_says_so() {
        let text = shown(&digest(DeploymentFigures::default()), 80);
        assert!(
            text.contains("No deployment ended in these 7 days."),
            "{text}"
        );
        assert!(text.contains("30 to 5 services"), "{text}");
        assert!(!text.contains("failed most"), "{text}");
    }

    #[test]
    fn a_time_that_is_too_long_ago_is_refused_with_what_is_allowed() {
        let now = samples::after(0);
        let since = |seconds| DigestArguments {
            stack: None,
            days: 7,
            since: Some(Since(samples::after(seconds))),
            output: Output::Text,
        };
        let period_of = |seconds| period(&since(seconds), now);
        assert_eq!(
            period_of(-3_600).unwrap(),
            Period {
                since: samples::after(-3_600),
                until: now
            }
        );
        assert_eq!(
            period_of(-91 * 86_400).unwrap_err().to_string(),
            "2026-08-22 09:30 UTC is too long ago: give a time of the last 90 days"
        );
    }

    #[test]
    fn a_service_is_not_the_name_of_a_stack() {
        let refusal = stack(Some("shop/api")).unwrap_err().to_string();
        assert!(refusal.contains("`shop/api`"), "{refusal}");
        assert!(refusal.contains("without a slash"), "{refusal}");
        assert_eq!(stack(None).unwrap(), None);
    }
}
