//! Where things lie in a checkout.

use std::path::{Path, PathBuf};

/// A checkout of this repository.
#[derive(Debug, Clone)]
pub struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The checkout that this program was built from.
    #[must_use]
    pub fn of_this_build() -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self {
            root: here.parent().unwrap_or(here).to_path_buf(),
        }
    }

    /// The folder with the workspace's `Cargo.toml`.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path inside the checkout.
    #[must_use]
    pub fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside)
    }

    /// Where everything made by a build or a run goes; not committed.
    #[must_use]
    pub fn target(&self) -> PathBuf {
        self.root.join("target")
    }

    /// Where `cargo xtask package` puts the functions of one architecture (`x86_64` or `arm64`).
    #[must_use]
    pub fn packages(&self, architecture: &str) -> PathBuf {
        self.target().join("packages").join(architecture)
    }

    /// The program of the task that brings bottles over, where `cargo xtask image` puts it for one architecture.
    #[must_use]
    pub fn bottle_sync(&self, architecture: &str) -> PathBuf {
        self.target()
            .join("task")
            .join(architecture)
            .join("bottle-sync/bootstrap")
    }
}
