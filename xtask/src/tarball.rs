//! Tar archives that depend on nothing but their content: no clock, no owner, no path of this machine.

use std::io::Write as _;

use anyhow::{Context, Result};
use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header, HeaderMode};

/// An archive in the making. All that is in it belongs to root and is from 1970.
pub struct Tarball(Builder<Vec<u8>>);

impl Tarball {
    pub fn new() -> Self {
        let mut archive = Builder::new(Vec::new());
        archive.mode(HeaderMode::Deterministic);
        Self(archive)
    }

    /// A folder, whose path ends in a slash.
    pub fn folder(&mut self, path: &str) -> Result<()> {
        self.append(path, EntryType::Directory, 0o755, &[])
    }

    /// A file with this mode.
    pub fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> Result<()> {
        self.append(path, EntryType::Regular, mode, content)
    }

    fn append(&mut self, path: &str, kind: EntryType, mode: u32, content: &[u8]) -> Result<()> {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(content.len() as u64);
        self.0
            .append_data(&mut header, path, content)
            .with_context(|| format!("pack {path}"))
    }

    /// The archive, not compressed.
    pub fn finished(self) -> Result<Vec<u8>> {
        self.0.into_inner().context("finish the archive")
    }
}

/// The same by gzip, without a time and a name.
pub fn compressed(plain: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), Compression::best());
    encoder
        .write_all(plain)
        .and_then(|()| encoder.finish())
        .context("compress the archive")
}
