//! `longshore doctor`.

use longshore_report::words::{counted, second};
use longshore_state::DocumentStore;
use longshore_state::doctor::{Damaged, Documents};
use longshore_state::store::DocumentVersions;
use serde::Serialize;

use crate::answer::{Answer, Status};
use crate::arguments::{DoctorArguments, Output};

/// All documents of the state bucket.
const ALL: [Documents; 3] = [
    longshore_rollout::doctor::DOCUMENTS,
    longshore_bottles::mirrors::DOCUMENTS,
    longshore_report::DOCUMENTS,
];

/// A document that cannot be read, and what was done about it.
#[derive(Debug, Serialize)]
struct Finding {
    #[serde(flatten)]
    damaged: Damaged,
    /// Whether its last good version was written back.
    restored: bool,
    /// Why that was asked for and not done.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Reads every document, and restores those that cannot be read where that is asked for. Bad news is what is still
/// damaged afterwards.
pub async fn run<C: DocumentStore + DocumentVersions>(
    cloud: &C,
    arguments: &DoctorArguments,
) -> anyhow::Result<Answer> {
    let mut findings = Vec::new();
    for documents in ALL {
        for damaged in documents.examine(cloud).await? {
            let restored = match arguments.repair {
                true => documents.repair(cloud, &damaged).await.map(|()| true),
                false => Ok(false),
            };
            findings.push(Finding {
                damaged,
                restored: matches!(restored, Ok(true)),
                error: restored.err().map(|error| error.to_string()),
            });
        }
    }
    Ok(Answer {
        status: Status::of(findings.iter().all(|finding| finding.restored)),
        text: match arguments.output {
            Output::Json => serde_json::to_string_pretty(&findings)?,
            Output::Text => text(&findings),
        },
    })
}

fn text(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "every document can be read".to_owned();
    }
    let mut lines = vec![format!(
        "{} cannot be read, or not whole",
        counted(findings.len(), "document")
    )];
    for finding in findings {
        let Damaged {
            key,
            problem,
            last_good,
        } = &finding.damaged;
        lines.push(format!("\n{key}\n  {problem}"));
        lines.push(match last_good {
            Some(version) => format!(
                "  last good version: {} of {}",
                version.version_id,
                second(version.written_at)
            ),
            None => "  the bucket keeps no good version".to_owned(),
        });
        if finding.restored {
            lines.push("  restored".to_owned());
        }
        lines.extend(
            finding
                .error
                .iter()
                .map(|error| format!("  not restored: {error}")),
        );
    }
    let left = findings
        .iter()
        .any(|finding| finding.error.is_none() && !finding.restored);
    if left {
        lines.push("\nrestore the last good versions: longshore doctor --repair".to_owned());
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use longshore_testkit::FakeCloud;

    use super::*;

    const KEY: &str = "services/shop/api.json";

    /// A message that Slack has, as `notify` keeps it.
    const MESSAGE: &str = include_str!("../../shared/report/tests/corpus/format-1/message/01.json");

    async fn doctor(cloud: &FakeCloud, repair: bool) -> Answer {
        let arguments = DoctorArguments {
            repair,
            output: Output::Text,
        };
        run(cloud, &arguments).await.unwrap()
    }

    #[tokio::test]
    async fn a_damaged_document_is_named_and_restored() {
        let cloud = FakeCloud::default();
        let good = r#"{"stack":"shop","service":"api"}"#;
        cloud.objects().put_bytes(KEY, good);
        assert!(doctor(&cloud, false).await.is_good());
        cloud.objects().put_bytes(KEY, "{");
        let named = doctor(&cloud, false).await;
        assert!(!named.is_good());
        for expected in [
            KEY,
            "it is not JSON",
            "last good version: version-1 of",
            "--repair",
        ] {
            assert!(named.text.contains(expected), "{}", named.text);
        }
        let restored = doctor(&cloud, true).await;
        assert!(restored.is_good(), "{}", restored.text);
        assert!(restored.text.contains("  restored"), "{}", restored.text);
        assert_eq!(
            doctor(&cloud, false).await.text,
            "every document can be read"
        );
    }

    #[tokio::test]
    async fn the_records_of_mirrors_and_of_slack_messages_are_read_and_restored_too() {
        for (key, good) in [
            ("syncs/bottles.json", r#"{"stack":"bottles"}"#),
            ("messages/deployment/shop/api/push-1.json", MESSAGE),
            ("messages/sync/sync-1.json", MESSAGE),
        ] {
            let cloud = FakeCloud::default();
            cloud.objects().put_bytes(key, good);
            let read = doctor(&cloud, false).await;
            assert!(read.is_good(), "{}", read.text);
            cloud.objects().put_bytes(key, "{");
            let named = doctor(&cloud, false).await;
            assert!(
                !named.is_good() && named.text.contains(key),
                "{}",
                named.text
            );
            assert!(doctor(&cloud, true).await.is_good(), "{key}");
            assert!(doctor(&cloud, false).await.is_good(), "{key}");
        }
    }

    #[tokio::test]
    async fn a_document_without_a_good_version_is_not_restored_and_stays_bad_news() {
        let cloud = FakeCloud::default();
        cloud.objects().put_bytes(KEY, "{");
        let answer = doctor(&cloud, true).await;
        assert!(!answer.is_good());
        assert!(
            answer.text.contains("the bucket keeps no good version")
                && answer
                    .text
                    .contains("not restored: restore services/shop/api.json"),
            "{}",
            answer.text
        );
    }
}
