//! A static copy of the pages, for a bucket behind a team's own sign-in. Nothing can be done from it.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use longshore_bottles::ports::SyncCloud;
use longshore_report::words::counted;

use super::address::{Page, STYLE};
use super::html::{self, Frame};
use super::reading::{Reader, Seen};

/// Writes all pages into a directory, which is made where it is missing. A service's page has its last deployments,
/// and these have pages.
pub async fn export<C: Seen, M: SyncCloud>(
    reader: &Reader<'_, C, M>,
    directory: &Path,
    now: DateTime<Utc>,
) -> anyhow::Result<String> {
    let mut written = 0_usize;
    let mut write = |path: &str, content: &str| -> anyhow::Result<()> {
        let file = directory.join(path);
        let made = file.parent().map_or(Ok(()), fs::create_dir_all);
        made.and_then(|()| fs::write(&file, content))
            .with_context(|| format!("write {}", file.display()))?;
        written += 1;
        Ok(())
    };
    write(STYLE, include_str!("page.css"))?;
    let frame = |page: &Page| Frame::copy(&page.path(), now);
    let mut sheet = 1;
    loop {
        let overview = reader.overview(sheet, None, now).await?;
        let page = Page::Overview(sheet);
        write(&page.path(), &html::overview(&frame(&page), &overview))?;
        if sheet >= overview.sheets {
            break;
        }
        sheet += 1;
    }
    let news = reader.news(now).await?;
    write(
        &Page::Now.path(),
        &html::now_page(&frame(&Page::Now), &news),
    )?;
    let (services, stacks, mirrors) = reader.names(now).await?;
    for service_id in services {
        let page = Page::Service(service_id.clone());
        let shown = match reader.service(&service_id, None, now).await {
            Ok(Some(shown)) => shown,
            Ok(None) => continue,
            Err(problem) => {
                let trouble = html::trouble(&frame(&page), "It cannot be read", &problem);
                write(&page.path(), &trouble)?;
                continue;
            }
        };
        write(&page.path(), &html::service(&frame(&page), &shown))?;
        for past in &shown.history {
            let deployment = reader.deployment(&service_id, past.number).await;
            let page = Page::Deployment(service_id.clone(), past.number);
            let html = match deployment {
                Ok(Some(shown)) => html::deployment(&frame(&page), &shown),
                Ok(None) => continue,
                Err(problem) => html::trouble(&frame(&page), "It cannot be read", &problem),
            };
            write(&page.path(), &html)?;
        }
    }
    for stack in stacks {
        let page = Page::Stack(stack.clone());
        let html = match reader.stack(&stack, now).await {
            Ok(Some(shown)) => html::stack(&frame(&page), &shown),
            Ok(None) => continue,
            Err(problem) => html::trouble(&frame(&page), "It cannot be read", &problem),
        };
        write(&page.path(), &html)?;
    }
    for mirror in mirrors {
        let page = Page::Mirror(mirror.clone());
        let html = html::mirror(&frame(&page), &reader.mirror(&mirror).await);
        write(&page.path(), &html)?;
    }
    Ok(format!(
        "{} in {}; open {}",
        counted(written, "file"),
        directory.display(),
        directory.join(Page::Overview(1).path()).display()
    ))
}
