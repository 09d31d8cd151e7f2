//! `longshore replay`.

use longshore_report::words::{counted, second};
use longshore_rollout::lost_events::{
    DeadLetterQueues, FUNCTIONS, Fate, LostEvent, Replayed, replay,
};

use crate::answer::{Answer, Status};
use crate::arguments::{Output, ReplayArguments};
use crate::outcome::DRY_RUN;
use crate::terminal;

/// Puts lost events back to their functions, or shows them. Bad news is an event that could not be put back.
pub async fn run<C: DeadLetterQueues>(
    cloud: &C,
    arguments: &ReplayArguments,
) -> anyhow::Result<Answer> {
    let functions: Vec<&str> = match &arguments.function {
        Some(function) => vec![function.as_str()],
        None => FUNCTIONS.to_vec(),
    };
    let prefix = &arguments.prefix.prefix;
    let replayed = replay(cloud, prefix, &functions, arguments.dry_run).await?;
    if replayed.without_queue.len() == functions.len() {
        anyhow::bail!(
            "there is no queue {prefix}-{}-dead-letters in this region: give the prefix of the installation with \
             --prefix, and its region with --region",
            functions.join("-dead-letters, ")
        );
    }
    let has_failed = |event: &LostEvent| matches!(event.fate, Fate::Failed { .. });
    Ok(Answer {
        status: Status::of(!replayed.events.iter().any(has_failed)),
        text: match arguments.output {
            Output::Json => serde_json::to_string_pretty(&replayed)?,
            Output::Text => text(&replayed, arguments.dry_run),
        },
    })
}

fn text(replayed: &Replayed, dry_run: bool) -> String {
    let Replayed {
        events,
        more,
        without_queue,
    } = replayed;
    let mut text = match events.is_empty() {
        true => "no event is lost: the dead-letter queues are empty".to_owned(),
        false => table(replayed),
    };
    let put_back = events
        .iter()
        .filter(|event| event.fate == Fate::Replayed)
        .count();
    if !events.is_empty() {
        text.push_str(&match dry_run {
            true => format!(
                "\n{} would be put back {DRY_RUN}",
                counted(events.len(), "event")
            ),
            false => format!(
                "\n{put_back} of {} put back",
                counted(events.len(), "event")
            ),
        });
    }
    for function in more {
        text.push_str(&format!("\nthe queue of {function} holds more: ask again"));
    }
    for function in without_queue {
        text.push_str(&format!("\n{function} has no dead-letter queue here"));
    }
    text
}

fn table(replayed: &Replayed) -> String {
    let headings = ["function", "lost", "event", "why", "now"];
    let rows = replayed.events.iter().map(|event| {
        [
            event.function.clone(),
            event.lost_at.map_or_else(|| "-".to_owned(), second),
            event.subject.clone(),
            event.reason.clone(),
            match &event.fate {
                Fate::Waits => "in the queue".to_owned(),
                Fate::Replayed => "put back".to_owned(),
                Fate::Failed { error } => format!("in the queue: {error}"),
            },
        ]
    });
    terminal::table(headings, rows)
}

#[cfg(test)]
mod tests {
    use longshore_state::ErrorClass;
    use longshore_testkit::{FakeCloud, Fault};
    use serde_json::Value;

    use super::*;
    use crate::arguments::PrefixArguments;

    fn arguments(dry_run: bool, output: Output) -> ReplayArguments {
        ReplayArguments {
            function: Some("deploy".to_owned()),
            prefix: PrefixArguments {
                prefix: "longshore".to_owned(),
            },
            dry_run,
            output,
        }
    }

    #[tokio::test]
    async fn lost_events_are_shown_put_back_and_bad_news_if_they_cannot_be() {
        let cloud = FakeCloud::default();
        let missing = run(&cloud, &arguments(true, Output::Text))
            .await
            .unwrap_err();
        assert!(
            missing
                .to_string()
                .contains("longshore-deploy-dead-letters"),
            "{missing}"
        );
        let queue = "longshore-deploy-dead-letters";
        cloud.add_queue(queue);
        let none = run(&cloud, &arguments(false, Output::Text)).await.unwrap();
        assert!(none.text.contains("no event is lost"), "{}", none.text);
        cloud.add_message(queue, r#"{"action": "reconcile"}"#, None, 1);
        let shown = run(&cloud, &arguments(true, Output::Text)).await.unwrap();
        assert!(shown.is_good());
        for expected in ["reconcile", "in the queue", "1 event would be put back"] {
            assert!(shown.text.contains(expected), "{}", shown.text);
        }
        cloud.inject_at("Invoke", Fault::Fails(ErrorClass::Denied));
        let failed = run(&cloud, &arguments(false, Output::Text)).await.unwrap();
        assert!(!failed.is_good());
        assert!(
            failed.text.contains("0 of 1 event put back"),
            "{}",
            failed.text
        );
        let replayed = run(&cloud, &arguments(false, Output::Json)).await.unwrap();
        assert!(replayed.is_good());
        let replayed: Value = serde_json::from_str(&replayed.text).unwrap();
        assert_eq!(replayed["events"][0]["outcome"], "replayed");
        assert_eq!(cloud.given().len(), 1);
    }
}
