//! A service, as its checks see it.

use crate::path::Path;
use crate::spec::{Container, Service, Stack};

/// A service with its surroundings.
pub(super) struct Checked<'a> {
    pub(super) stack: &'a Stack,
    pub(super) name: &'a str,
    pub(super) spec: &'a Service,
    pub(super) path: Path,
}

impl Checked<'_> {
    /// The containers of its tasks, its own first, with their paths.
    pub(super) fn containers(&self) -> impl Iterator<Item = (Path, Container<'_>)> {
        let containers = self.spec.containers(self.name);
        containers.map(|container| (self.path_of(&container), container))
    }

    pub(super) fn path_of(&self, container: &Container<'_>) -> Path {
        match container.sidecar {
            Some(name) => self.at("sidecars").key(name),
            None => self.path.clone(),
        }
    }

    /// The path of a field.
    pub(super) fn at(&self, field: &str) -> Path {
        self.path.key(field)
    }
}
