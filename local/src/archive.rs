//! Zip archives that depend on nothing but their content.

use std::io::{Cursor, Write};

use anyhow::{Context, Result};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// How much time an archive is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// For what is uploaded and kept.
    Smallest,
    /// For what stays on this machine.
    Fastest,
}

/// A zip of one file with this mode: no clock, no owner, no path of this machine, so that equal content gives equal
/// bytes, and Terraform sees a change only where there is one.
///
/// # Errors
/// When the archive cannot be written.
pub fn of_one_file(
    name: &str,
    mode: u32,
    content: &[u8],
    compression: Compression,
) -> Result<Vec<u8>> {
    let level = match compression {
        Compression::Smallest => 9,
        Compression::Fastest => 1,
    };
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(level))
        .last_modified_time(DateTime::default())
        .unix_permissions(mode);
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    archive
        .start_file(name, options)
        .and_then(|()| Ok(archive.write_all(content)?))
        .with_context(|| format!("pack {name}"))?;
    let archive = archive.finish().with_context(|| format!("pack {name}"))?;
    Ok(archive.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_content_gives_equal_bytes_which_hold_the_mode() {
        let make = || of_one_file("bootstrap", 0o755, b"content", Compression::Smallest).unwrap();
        let first = make();
        assert_eq!(first, make());
        let mut archive = zip::ZipArchive::new(Cursor::new(first)).unwrap();
        let file = archive.by_index(0).unwrap();
        assert_eq!(file.name().unwrap(), "bootstrap");
        assert_eq!(file.unix_mode().map(|mode| mode & 0o777), Some(0o755));
    }
}
