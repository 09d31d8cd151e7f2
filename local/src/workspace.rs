//! Where things lie in a checkout.

use std::path::{Path, PathBuf};

/// The program of all functions and of the bottles' task.
pub const BOOTSTRAP: &str = "bootstrap";

/// What the program is called in the image of the task that transfers bottles.
pub const BOTTLE_SYNC: &str = "bottle-sync";

/// The command line's program.
pub const COMMAND_LINE: &str = "longshore";

/// The file name of the functions' package.
pub const PACKAGE: &str = "longshore.zip";

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

    /// Another checkout, by its folder.
    #[must_use]
    pub fn at(root: PathBuf) -> Self {
        Self { root }
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

    /// Where `cargo xtask package` puts the functions' packages: a folder an architecture (`x86_64` or `arm64`), with
    /// [`PACKAGE`] in it.
    #[must_use]
    pub fn packages(&self) -> PathBuf {
        self.target().join("packages")
    }

    /// The same for the local cloud, of programs that were compiled for this machine.
    #[must_use]
    pub fn local_packages(&self) -> PathBuf {
        self.path("target/local/packages")
    }

    /// A program that was compiled for this machine, as the tests are.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.target().join("debug").join(name)
    }
}
