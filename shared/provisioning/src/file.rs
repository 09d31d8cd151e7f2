//! Stack files in the state bucket: `stacks/<stack>.yaml`. Nobody waits for an answer, so what is wrong
//! with one is published.

use longshore_events::incoming::StackFile;
use longshore_events::longshore::{
    LongshoreEvent, Problem, Severity, StackFileRefused, StackSource,
};
use longshore_stack::read::{Reading, Selection, read};
use longshore_state::Worker;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::apply::{Applied, StackRequest, apply};
use crate::error::ProvisioningError;
use crate::ports::{ProvisioningCloud, StoredStackFile};
use crate::settings::Settings;

/// What came of a stack file.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum FileOutcome {
    /// It was taken.
    Taken(Applied),
    /// It is wrong, or its stack is; that is published.
    Refused {
        key: String,
        /// Everything that is wrong with it.
        problems: Vec<Problem>,
    },
    /// There was nothing to do.
    Ignored {
        /// Why.
        ignored: &'static str,
    },
}

/// Applies a stack file that was written.
///
/// # Errors
/// [`ProvisioningError::Call`]: the invocation should come again.
pub async fn apply_file<C: ProvisioningCloud>(
    cloud: &C,
    settings: &Settings,
    file: &StackFile,
    worker: &Worker,
) -> Result<FileOutcome, ProvisioningError> {
    let Some(stack) = stack_of(&file.key) else {
        // What a console makes of a folder.
        if file.key.ends_with('/') {
            return Ok(FileOutcome::Ignored {
                ignored: "the key is a folder's",
            });
        }
        let reason = "no stack is built from this key, expected stacks/<stack>.yaml, .yml or .json; write it again \
                      under such a key, and delete this one";
        return refuse(cloud, file, None, reason.to_owned(), worker).await;
    };
    let Some(stored) = cloud.stack_file(stack).await? else {
        return Ok(FileOutcome::Ignored {
            ignored: "the file is gone",
        });
    };
    if stored.key != file.key {
        let reason = unread(&stored.key, stack);
        return refuse(cloud, file, Some(stack), reason, worker).await;
    }
    if stored.version_id != file.version_id {
        return Ok(FileOutcome::Ignored {
            ignored: "a newer stack file is there",
        });
    }
    let keys = cloud.list_documents(&format!("stacks/{stack}.")).await?;
    for key in keys {
        if stack_of(&key) == Some(stack) && key != stored.key {
            let other = StackFile {
                key,
                version_id: None,
                ..file.clone()
            };
            let reason = unread(&stored.key, stack);
            refuse(cloud, &other, Some(stack), reason, worker).await?;
        }
    }
    apply_stored(cloud, settings, stack, &stored, worker).await
}

/// Why a second file of a stack is not read.
fn unread(read: &str, stack: &str) -> String {
    format!(
        "stack {stack} is built from {read}, so that this file is not read; delete one of the two"
    )
}

/// Publishes that a file is not read, and why.
async fn refuse<C: ProvisioningCloud>(
    cloud: &C,
    file: &StackFile,
    stack: Option<&str>,
    reason: String,
    worker: &Worker,
) -> Result<FileOutcome, ProvisioningError> {
    let problems = vec![whole(reason)];
    let refused = LongshoreEvent::StackFileRefused(StackFileRefused {
        key: file.key.clone(),
        version_id: file.version_id.clone(),
        stack: stack.map(str::to_owned),
        at: worker.now,
        problems: problems.clone(),
    });
    cloud.publish(&[refused]).await?;
    Ok(FileOutcome::Refused {
        key: file.key.clone(),
        problems,
    })
}

/// What is wrong with a file as a whole.
fn whole(message: String) -> Problem {
    Problem {
        path: String::new(),
        line: None,
        column: None,
        value: None,
        message,
        severity: Severity::Error,
    }
}

/// Applies the stack file as it is now.
pub(crate) async fn apply_stored<C: ProvisioningCloud>(
    cloud: &C,
    settings: &Settings,
    stack: &str,
    stored: &StoredStackFile,
    worker: &Worker,
) -> Result<FileOutcome, ProvisioningError> {
    let applied = match read(&stored.content, &Selection::StackName(stack)) {
        Ok(reading) => apply_reading(cloud, settings, &reading, stored, worker).await,
        Err(problems) => Err(ProvisioningError::Refused {
            stack: stack.to_owned(),
            problems,
        }),
    };
    let problems = match applied {
        Ok(applied) => return Ok(FileOutcome::Taken(applied)),
        Err(ProvisioningError::Refused { problems, .. }) => problems,
        Err(ProvisioningError::Conflict { reason, .. }) => vec![whole(reason)],
        Err(error @ ProvisioningError::Call(_)) => return Err(error),
    };
    let refused = LongshoreEvent::StackFileRefused(StackFileRefused {
        key: stored.key.clone(),
        version_id: stored.version_id.clone(),
        stack: Some(stack.to_owned()),
        at: worker.now,
        problems: problems.clone(),
    });
    cloud.publish(&[refused]).await?;
    Ok(FileOutcome::Refused {
        key: stored.key.clone(),
        problems,
    })
}

async fn apply_reading<C: ProvisioningCloud>(
    cloud: &C,
    settings: &Settings,
    reading: &Reading,
    stored: &StoredStackFile,
    worker: &Worker,
) -> Result<Applied, ProvisioningError> {
    let request = StackRequest {
        id: id_of(stored),
        at: worker.now,
        source: StackSource::File {
            key: stored.key.clone(),
            version_id: stored.version_id.clone(),
        },
    };
    apply(cloud, settings, reading, &request, worker).await
}

/// The stack that a key names.
fn stack_of(key: &str) -> Option<&str> {
    let name = key.strip_prefix("stacks/")?;
    let (stack, ending) = name.rsplit_once('.')?;
    let is_stack_file =
        matches!(ending, "yaml" | "yml" | "json") && !stack.is_empty() && !stack.contains('/');
    is_stack_file.then_some(stack)
}

/// The same for every event of the same write.
fn id_of(stored: &StoredStackFile) -> String {
    let version = stored.version_id.as_deref().unwrap_or_default();
    let hash = Sha256::digest(format!("{}@{version}", stored.key));
    format!("file-{}", hex::encode(&hash[..12]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_names_the_stack() {
        assert_eq!(stack_of("stacks/shop-prod.yaml"), Some("shop-prod"));
        assert_eq!(stack_of("stacks/shop.prod.json"), Some("shop.prod"));
        for other in [
            "stacks/shop",
            "stacks/.yaml",
            "stacks/a/b.yaml",
            "releases/shop.yaml",
            "stacks/README.md",
        ] {
            assert_eq!(stack_of(other), None, "{other}");
        }
    }

    #[test]
    fn a_write_has_one_id_and_the_next_write_another() {
        let stored = |version: &str| StoredStackFile {
            key: "stacks/shop.yaml".to_owned(),
            version_id: Some(version.to_owned()),
            content: Vec::new(),
        };
        assert_eq!(id_of(&stored("1")), id_of(&stored("1")));
        assert_ne!(id_of(&stored("1")), id_of(&stored("2")));
        assert!(
            id_of(&stored("_a.b"))
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        );
    }
}
