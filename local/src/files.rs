//! Files that others may read while they are written.

use std::path::Path;

use anyhow::{Context, Result};

/// Writes a file, and the folders above it that are missing. Readers see what was there before or all of the new
/// content, never half of it.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, content: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    }
    let unfinished = path.with_extension(format!("{}.unfinished", std::process::id()));
    std::fs::write(&unfinished, content)
        .and_then(|()| std::fs::rename(&unfinished, path))
        .with_context(|| format!("write {}", path.display()))
}
