//! What is transferred: files of many sizes, the same in each run.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// Where everything of a benchmark is kept.
pub const FOLDER: &str = "target/bench";

/// This many sizes: the largest is some three hundred times the smallest, much as among bottles.
const SIZES: u64 = 20;

/// A server of files, for as long as this process runs.
pub struct Source {
    pub host: String,
}

impl Source {
    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.host)
    }
}

/// A file to transfer.
pub struct Entry {
    pub name: String,
    pub size: u64,
    sha256: String,
}

pub struct Files {
    folder: PathBuf,
    work: PathBuf,
    entries: Vec<Entry>,
}

/// The lists of a run, as the clients take them.
pub struct Lists {
    /// JSON lines, for `bottle-sync --shard`.
    pub shard: PathBuf,
    /// URL and name, for `rclone copyurl --urls`.
    pub urls: PathBuf,
    /// Digest and name, for `rclone checksum`.
    pub sums: PathBuf,
}

impl Files {
    /// Writes them, or finds them written. Reads all of them once, so that none has to come from a disk.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn ensure(work: &Path, count: usize, bytes: u64) -> Result<Self> {
        let folder = work.join(format!("files-{count}-{bytes}"));
        std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        let mut entries = Vec::new();
        for (number, size) in sizes(count, bytes).into_iter().enumerate() {
            let name = format!("file-{number:05}-1.0.x86_64_linux.bottle.tar.gz");
            let path = folder.join(&name);
            if !path.metadata().is_ok_and(|found| found.len() == size) {
                write(&path, number as u64, size)
                    .with_context(|| format!("write {}", path.display()))?;
            }
            let sha256 = digest(&path).with_context(|| format!("read {}", path.display()))?;
            entries.push(Entry { name, size, sha256 });
        }
        Ok(Self {
            folder,
            work: work.to_owned(),
            entries,
        })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub fn bytes(&self) -> u64 {
        self.entries.iter().map(|entry| entry.size).sum()
    }

    /// # Errors
    /// When the lists cannot be written.
    pub fn list(&self, source: &Source) -> Result<Lists> {
        let write = |name: &str, line: &dyn Fn(&Entry) -> String| {
            let path = self.work.join(name);
            let text: String = self
                .entries
                .iter()
                .map(|entry| line(entry) + "\n")
                .collect();
            std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
            anyhow::Ok(path)
        };
        Ok(Lists {
            shard: write("shard.jsonl", &|entry| {
                serde_json::json!({
                    "key": entry.name,
                    "url": source.url(&entry.name),
                    "sha256": entry.sha256,
                    "size": entry.size,
                })
                .to_string()
            })?,
            urls: write("urls.csv", &|entry| {
                format!("{},{}", source.url(&entry.name), entry.name)
            })?,
            sums: write("sums.txt", &|entry| {
                format!("{}  {}", entry.sha256, entry.name)
            })?,
        })
    }
}

/// Sizes that differ as squares do and add up to `bytes`.
fn sizes(count: usize, bytes: u64) -> Vec<u64> {
    let weights: Vec<u64> = (0..count as u64)
        .map(|number| 1 + (number % SIZES).pow(2))
        .collect();
    let all: u64 = weights.iter().sum();
    let mut sizes: Vec<u64> = weights
        .iter()
        .map(|weight| (u128::from(bytes) * u128::from(*weight) / u128::from(all)) as u64)
        .collect();
    let rounded: u64 = sizes.iter().sum();
    if let Some(last) = sizes.last_mut() {
        *last += bytes - rounded;
    }
    sizes
}

/// Bytes that cannot be compressed, from the file's number.
fn write(path: &Path, number: u64, size: u64) -> std::io::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut left = size;
    while left > 0 {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let bytes = state.to_ne_bytes();
        let taken = left.min(8) as usize;
        file.write_all(&bytes[..taken])?;
        left -= taken as u64;
    }
    file.into_inner()?.sync_all()
}

fn digest(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        let length = file.read(&mut piece)?;
        if length == 0 {
            return Ok(hex::encode(hasher.finalize()));
        }
        hasher.update(&piece[..length]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_differ_and_add_up() {
        let sizes = sizes(400, 3_000_000_000);
        assert_eq!(sizes.iter().sum::<u64>(), 3_000_000_000);
        assert!(sizes.iter().min() < Some(&100_000), "{sizes:?}");
        assert!(sizes.iter().max() > Some(&20_000_000), "{sizes:?}");
    }
}
