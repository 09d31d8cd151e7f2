//! A service, as its checks see it.

use crate::path::Path;
use crate::spec::{Container, Service, Stack, TargetGroup};

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

    /// All ways in which requests come to it, with their paths.
    pub(super) fn target_groups(&self) -> impl Iterator<Item = (Path, &TargetGroup)> {
        target_groups(&self.path, self.spec)
    }

    /// The path of a field.
    pub(super) fn at(&self, field: &str) -> Path {
        self.path.key(field)
    }
}

/// All ways in which requests come to a service, with their paths, where the service is at `path`.
pub(super) fn target_groups<'a>(
    path: &Path,
    spec: &'a Service,
) -> impl Iterator<Item = (Path, &'a TargetGroup)> + use<'a> {
    let list = path.key("target_groups");
    let one = spec.target_group.iter();
    let one = one.map({
        let path = path.key("target_group");
        move |group| (path.clone(), group)
    });
    let several = spec.target_groups.iter().enumerate();
    one.chain(several.map(move |(index, group)| (list.index(index), group)))
}
