//! What a directory keeps of a large file while it is transferred, so that another process can go on with it.
//!
//! The file is named by its digest, so whatever process transfers the same content finds it. It holds the
//! beginning of the content and nothing else; whether that is right is judged with the whole, by its digest.

use std::collections::HashSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use longshore_events::transfer::Sha256;
use tokio::time::Instant;

/// From this many bytes on a file is kept while it is transferred. Below, asking for all of it again takes less than
/// a second on any line that a sync is run on, which is no more than opening, locking, writing and removing
/// a file on a network file system takes.
pub(crate) const SMALLEST_KEPT: u64 = 16 * 1024 * 1024;

/// What nobody has gone on with for so long is thrown away.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// After this many bytes they are forced out, so that no more than this is lost with the machine.
const FORCED_AFTER: u64 = 64 * 1024 * 1024;

/// How much is read back at a time.
const PIECE: u64 = 256 * 1024;

/// How often a lock is tried.
const LOOK: Duration = Duration::from_secs(1);

const EXTENSION: &str = "part";

/// The beginning of a file, on disk, locked against other processes.
#[derive(Debug)]
pub(crate) struct Part {
    file: Arc<File>,
    path: PathBuf,
    length: u64,
    forced: u64,
}

impl Part {
    /// Opens what there is of a file, or begins it; `None` while another process works on it. A lock whose
    /// owner writes nothing is waited for: NFS keeps that of a task that was killed for a while.
    pub(crate) async fn open(
        directory: &Path,
        sha256: &Sha256,
        patience: Duration,
    ) -> io::Result<Option<Self>> {
        let path = directory.join(format!("{sha256}.{EXTENSION}"));
        let (directory, opened) = (directory.to_owned(), path.clone());
        let file = blocking(move || {
            std::fs::create_dir_all(&directory)?;
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&opened)
        })
        .await?;
        let file = Arc::new(file);
        let until = Instant::now() + patience;
        let mut before = None;
        loop {
            let locked = Arc::clone(&file);
            let (is_locked, length) = blocking(move || {
                let is_locked = match locked.try_lock() {
                    Ok(()) => true,
                    Err(TryLockError::WouldBlock) => false,
                    Err(TryLockError::Error(error)) => return Err(error),
                };
                Ok((is_locked, locked.metadata()?.len()))
            })
            .await?;
            if is_locked {
                return Ok(Some(Self {
                    file,
                    path,
                    length,
                    forced: length,
                }));
            }
            if before.is_some_and(|before| length > before) || Instant::now() >= until {
                return Ok(None);
            }
            before.get_or_insert(length);
            tokio::time::sleep(LOOK.min(patience)).await;
        }
    }

    /// How many bytes it holds.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Some bytes from `offset` on; none at its end.
    pub(crate) async fn read(&self, offset: u64) -> io::Result<Bytes> {
        let file = Arc::clone(&self.file);
        let length = self.length.saturating_sub(offset).min(PIECE);
        blocking(move || {
            let mut piece = vec![0; usize::try_from(length).map_err(io::Error::other)?];
            file.read_exact_at(&mut piece, offset)?;
            Ok(piece.into())
        })
        .await
    }

    /// Writes what comes next.
    pub(crate) async fn append(&mut self, piece: Bytes) -> io::Result<()> {
        let file = Arc::clone(&self.file);
        let offset = self.length;
        let end = offset + piece.len() as u64;
        let is_forced = end - self.forced >= FORCED_AFTER;
        blocking(move || {
            file.write_all_at(&piece, offset)?;
            if is_forced {
                file.sync_data()?;
            }
            Ok(())
        })
        .await?;
        self.length = end;
        if is_forced {
            self.forced = end;
        }
        Ok(())
    }

    /// Forces out what was written.
    pub(crate) async fn force(&mut self) -> io::Result<()> {
        let file = Arc::clone(&self.file);
        blocking(move || file.sync_data()).await?;
        self.forced = self.length;
        Ok(())
    }

    /// Throws away what it holds; it begins anew.
    pub(crate) async fn clear(&mut self) -> io::Result<()> {
        let file = Arc::clone(&self.file);
        blocking(move || file.set_len(0)).await?;
        self.length = 0;
        self.forced = 0;
        Ok(())
    }

    pub(crate) async fn remove(self) -> io::Result<()> {
        blocking(move || std::fs::remove_file(&self.path)).await
    }
}

/// Removes what was left of files that nobody has gone on with for a day, except for `wanted` ones.
pub(crate) async fn clean(directory: &Path, wanted: HashSet<Sha256>) -> io::Result<()> {
    let directory = directory.to_owned();
    blocking(move || {
        let entries = match std::fs::read_dir(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        let now = SystemTime::now();
        for entry in entries {
            let path = entry?.path();
            if kept_sha256(&path).is_some_and(|sha256| !wanted.contains(&sha256)) {
                remove_forgotten(&path, now)?;
            }
        }
        Ok(())
    })
    .await
}

fn kept_sha256(path: &Path) -> Option<Sha256> {
    if path.extension()? != EXTENSION {
        return None;
    }
    path.file_stem()?.to_str()?.parse().ok()
}

fn remove_forgotten(path: &Path, now: SystemTime) -> io::Result<()> {
    let file = match OpenOptions::new().write(true).open(path) {
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    let age = now.duration_since(file.metadata()?.modified()?);
    if age.is_ok_and(|age| age >= FORGOTTEN_AFTER) && file.try_lock().is_ok() {
        std::fs::remove_file(path)?;
    }
    Ok(())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}
