//! `longshore doctor`.

use longshore_report::words::{counted, second};
use longshore_rollout::installation::{Examined, Installation, Meant, examine};
use longshore_state::DocumentStore;
use longshore_state::doctor::{Damaged, Documents};
use longshore_state::store::DocumentVersions;
use serde::Serialize;
use serde_json::json;

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
pub async fn run<C: DocumentStore + DocumentVersions + Installation>(
    cloud: &C,
    meant: &Meant,
    arguments: &DoctorArguments,
) -> anyhow::Result<Answer> {
    let installation = examine(cloud, meant).await;
    let mut findings = Vec::new();
    // Where the bucket cannot be read, that is what is wrong, and not each document.
    for documents in ALL.iter().filter(|_| installation.is_readable) {
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
        status: Status::of(
            installation.is_whole() && findings.iter().all(|finding| finding.restored),
        ),
        text: match arguments.output {
            Output::Json => serde_json::to_string_pretty(&json!({
                "installation": installation,
                "documents": findings,
            }))?,
            Output::Text if !installation.is_readable => text_of_installation(&installation),
            Output::Text => format!(
                "{}\n\n{}",
                text_of_installation(&installation),
                text(&findings)
            ),
        },
    })
}

fn text_of_installation(examined: &Examined) -> String {
    let known = examined.findings.iter().filter(|finding| finding.is_known);
    let mut lines = vec![match known.count() {
        0 => format!(
            "the installation is whole: account {}, region {}{}",
            examined.account.as_deref().unwrap_or("unknown"),
            examined.region.as_deref().unwrap_or("unknown"),
            examined
                .version
                .as_ref()
                .map_or_else(String::new, |version| format!(
                    ", functions of the program {version}"
                ))
        ),
        count => format!(
            "{} of the installation is not as it must be",
            counted(count, "part")
        ),
    }];
    for finding in &examined.findings {
        lines.push(format!(
            "\n{}\n  {}\n  what to do: {}",
            finding.about, finding.problem, finding.remedy
        ));
    }
    lines.join("\n")
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
    use longshore_testkit::{FakeCloud, installed};

    use super::*;
    use crate::arguments::PrefixArguments;

    const KEY: &str = "services/shop/api.json";

    /// A message that Slack has, as `notify` keeps it.
    const MESSAGE: &str = include_str!("../../shared/report/tests/corpus/format-1/message/01.json");

    async fn doctor(cloud: &FakeCloud, repair: bool) -> Answer {
        let arguments = DoctorArguments {
            repair,
            prefix: PrefixArguments {
                prefix: "longshore".to_owned(),
            },
            output: Output::Text,
        };
        run(cloud, &installed(), &arguments).await.unwrap()
    }

    #[tokio::test]
    async fn a_damaged_document_is_named_and_restored() {
        let cloud = FakeCloud::installed();
        let good = r#"{"stack":"shop","service":"api"}"#;
        cloud.objects().put_bytes(KEY, good);
        assert!(doctor(&cloud, false).await.is_good());
        cloud.objects().put_bytes(KEY, "{");
        let named = doctor(&cloud, false).await;
        assert!(!named.is_good());
        for expected in [
            KEY,
            "it is not JSON",
            "last good version: version-2 of",
            "--repair",
        ] {
            assert!(named.text.contains(expected), "{}", named.text);
        }
        let restored = doctor(&cloud, true).await;
        assert!(restored.is_good(), "{}", restored.text);
        assert!(restored.text.contains("  restored"), "{}", restored.text);
        let whole = doctor(&cloud, false).await.text;
        assert!(whole.ends_with("\n\nevery document can be read"), "{whole}");
        assert!(whole.starts_with(
            "the installation is whole: account 111122223333, region eu-west-1, functions of"
        ));
    }

    #[tokio::test]
    async fn the_records_of_mirrors_and_of_slack_messages_are_read_and_restored_too() {
        for (key, good) in [
            ("syncs/bottles.json", r#"{"stack":"bottles"}"#),
            ("messages/deployment/shop/api/push-1.json", MESSAGE),
            ("messages/sync/sync-1.json", MESSAGE),
        ] {
            let cloud = FakeCloud::installed();
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
        let cloud = FakeCloud::installed();
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

    #[tokio::test]
    async fn a_broken_installation_is_bad_news_with_what_to_do_beside_the_documents() {
        let cloud = FakeCloud::installed();
        cloud.installation().functions.remove("longshore-watch");
        let answer = doctor(&cloud, false).await;
        assert!(!answer.is_good());
        for expected in [
            "1 part of the installation",
            "function longshore-watch\n  it is not there\n  what to do: apply",
            "every document can be read",
        ] {
            assert!(answer.text.contains(expected), "{}", answer.text);
        }
    }
}
