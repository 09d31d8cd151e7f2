//! `longshore doctor`.

use longshore_report::words::{counted, second};
use longshore_rollout::doctor::{Damaged, examine, repair};
use longshore_state::DocumentStore;
use longshore_state::store::DocumentVersions;
use serde::Serialize;

use crate::answer::{Answer, Status};
use crate::arguments::{DoctorArguments, Output};

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
    for damaged in examine(cloud).await? {
        let restored = match arguments.repair {
            true => repair(cloud, &damaged).await.map(|()| true),
            false => Ok(false),
        };
        findings.push(Finding {
            damaged,
            restored: matches!(restored, Ok(true)),
            error: restored.err().map(|error| error.to_string()),
        });
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
