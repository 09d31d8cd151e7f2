//! `longshore history`.

use longshore_events::longshore::Source;
use longshore_policy::route::ServiceId;
use longshore_report::words::{Asker, duration, image_name, second};
use longshore_rollout::documents::RecordStore;
use longshore_rollout::history::history;
use longshore_rollout::ports::Cloud;
use longshore_rollout::record::{Deployment, Scaled};

use crate::arguments::{HistoryArguments, Output};
use crate::outcome::with_note;
use crate::status::state_of;
use crate::terminal;

/// Shows the deployments of a service, the newest first.
pub async fn run<C: Cloud>(cloud: &C, arguments: &HistoryArguments) -> anyhow::Result<String> {
    let service_id = ServiceId {
        stack: arguments.service.stack.clone(),
        service: arguments.service.service.clone(),
    };
    let limit = usize::try_from(arguments.limit)?;
    let deployments = history(cloud, &service_id, limit).await?;
    if arguments.output == Output::Json {
        return Ok(serde_json::to_string_pretty(&deployments)?);
    }
    let record = cloud.load(&service_id).await?;
    let scaled = record.map_or_else(Vec::new, |(record, _)| record.scaled.clone());
    if deployments.is_empty() {
        return Ok(format!(
            "nothing was deployed to {}/{} yet",
            service_id.stack, service_id.service
        ));
    }
    Ok(format!(
        "{}{}",
        table(&deployments),
        scaled_in_words(&scaled)
    ))
}

/// The numbers of tasks that people set, which are not deployments.
fn scaled_in_words(scaled: &[Scaled]) -> String {
    let lines = scaled.iter().rev().map(|scaled| {
        let Scaled {
            from,
            to,
            at,
            by,
            note,
        } = scaled;
        let note = with_note(note.as_deref());
        let by = by.as_ref().map_or("hand", |by| by.name.as_str());
        format!(
            "\nscaled by {by} at {}: from {from} to {to}{note}",
            second(*at)
        )
    });
    lines.collect()
}

fn table(deployments: &[Deployment]) -> String {
    let headings = [
        "number",
        "outcome",
        "image",
        "digest",
        "commit",
        "asked for by",
        "asked for",
        "took",
    ];
    let rows = deployments.iter().map(|deployment| {
        let commit = deployment.commit.as_deref().unwrap_or("-");
        [
            deployment.number.to_string(),
            state_of(deployment),
            image_name(&deployment.image),
            deployment.image.digest.short().to_owned(),
            commit.chars().take(12).collect(),
            asked_by(&deployment.source),
            second(deployment.asked_at()),
            deployment.finished_at.map_or_else(
                || "-".to_owned(),
                |end| duration(deployment.claimed_at, end),
            ),
        ]
    });
    terminal::table(headings, rows)
}

fn asked_by(source: &Source) -> String {
    let who = source.in_words(str::to_owned);
    match source.note() {
        Some(note) => format!("{who}: {note}"),
        None => who,
    }
}

#[cfg(test)]
mod tests {
    use longshore_events::image::Image;
    use longshore_rollout::record::State;
    use longshore_testkit::altered;
    use serde_json::json;

    use super::*;
    use crate::status::tests::deployment;

    #[test]
    fn each_deployment_is_a_row_that_says_who_asked_and_what_became_of_it() {
        let rolled_back = altered(
            &deployment(43, State::RolledBack),
            &json!({
                "reason": "tasks failed to start",
                "commit": "3f9a1c2b4d5e6f708192a3b4c5d6e7f8091a2b3c",
            }),
        );
        let by_hand = deployment(44, State::Succeeded);
        let source = Source::Rollback {
            to: 42,
            note: Some("the checkout".to_owned()),
            by: None,
        };
        let image = Image {
            tag: None,
            ..by_hand.image.clone()
        };
        let by_hand = altered(&by_hand, &json!({"source": source, "image": image}));
        let table = table(&[by_hand, rolled_back]);
        let rows: Vec<&str> = table.lines().filter(|line| line.contains('┆')).collect();
        assert_eq!(rows.len(), 3, "{table}");
        for expected in [
            "44",
            "succeeded",
            "shop/api",
            "a rollback to deployment 42: the checkout",
            "1 min 30 s",
        ] {
            assert!(rows[1].contains(expected), "{table}");
        }
        for expected in [
            "43",
            "rolled back: tasks failed to start",
            "shop/api:v3",
            "3f9a1c2b4d5e",
            "a push",
        ] {
            assert!(rows[2].contains(expected), "{table}");
        }
        assert!(!rows[2].contains("3f9a1c2b4d5e6"), "{table}");
    }
}
