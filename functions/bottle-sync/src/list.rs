//! A list of files that belongs to no sync: anybody's.

use anyhow::{Context, Result, bail};
use longshore_bottles::ports::MirrorStore;
use longshore_bottles::shards;
use longshore_events::transfer::TransferItem;
use longshore_transfer::ProgressCounter;

use crate::arguments::Location;
use crate::outcome::Outcome;
use crate::task::Task;

/// Transfers the files of the list.
///
/// # Errors
/// When the list cannot be read: nothing was transferred then.
pub async fn work(task: &Task, location: &Location) -> Result<Outcome> {
    let items = read(task, location).await?;
    let counter = ProgressCounter::new();
    let name = location.to_string();
    let transferred = task.transfer(&name, items, &counter, &task.stop).await;
    if let Some(summaries) = &task.summaries {
        summaries.post(&task.bucket_name, &transferred.report).await;
    }
    Ok(Outcome::of(&transferred, task.stop.is_requested()))
}

async fn read(task: &Task, location: &Location) -> Result<Vec<TransferItem>> {
    let text = match location {
        Location::File(path) => {
            std::fs::read(path).with_context(|| format!("read {}", path.display()))?
        }
        Location::Object { bucket, key } => match task.cloud.read(bucket, key).await? {
            Some(text) => text,
            None => bail!("read {location}: there is no such object"),
        },
    };
    let items = shards::read(&text)
        .map_err(anyhow::Error::msg)
        .with_context(|| format!("read {location}"))?;
    Ok(items)
}
