//! Paths within a stack file, as problems name them: `services.api.mount_points[0].container_path`.

use std::fmt;

use crate::shown::shown;

/// Longer keys are not names of anything, and are cut.
const LONGEST_PLAIN: usize = 64;

/// A step from a map or a list to what it holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// A path from the root of a stack file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Path(pub Vec<Step>);

impl Path {
    /// The path that a text names; what cannot be read of it ends it.
    pub fn of(text: &str) -> Self {
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(quoted) = rest.strip_prefix("[\"") {
                let Some((key, after)) = quoted.split_once("\"]") else {
                    break;
                };
                steps.push(Step::Key(key.to_owned()));
                rest = after;
            } else if let Some(numbered) = rest.strip_prefix('[') {
                let Some((number, after)) = numbered.split_once(']') else {
                    break;
                };
                let Ok(index) = number.parse() else { break };
                steps.push(Step::Index(index));
                rest = after;
            } else {
                rest = rest.strip_prefix('.').unwrap_or(rest);
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                if end == 0 {
                    break;
                }
                steps.push(Step::Key(rest[..end].to_owned()));
                rest = &rest[end..];
            }
        }
        Self(steps)
    }

    /// The path to what is held here under a key.
    pub fn key(&self, key: &str) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Key(key.to_owned()));
        Self(steps)
    }

    /// The path to an item.
    pub fn index(&self, index: usize) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Index(index));
        Self(steps)
    }

    fn and(mut self, step: Step) -> Self {
        self.0.push(step);
        self
    }

    /// This path as it is seen from one that it begins with.
    pub fn within(&self, prefix: &Self) -> Self {
        Self(self.0.get(prefix.0.len()..).unwrap_or_default().to_vec())
    }

    /// What of a stack this belongs to: one service, one file system, or another field of the root.
    pub fn part(&self) -> &[Step] {
        let parts = match self.0.first() {
            Some(Step::Key(key))
                if matches!(
                    key.as_str(),
                    "services" | "capacity" | "file_systems" | "queues" | "topics"
                ) =>
            {
                2
            }
            _ => 1,
        };
        &self.0[..parts.min(self.0.len())]
    }

    /// The field of a service that this is in.
    pub fn field(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Step::Key(services), Step::Key(_), Step::Key(field), ..] if services == "services" => {
                Some(field)
            }
            _ => None,
        }
    }
}

/// Where a walk through a document is. It becomes a path only where something is said of the place: of most, nothing is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Here<'a> {
    /// Where the walk begins.
    At(&'a Path),
    Key(&'a Here<'a>, &'a str),
    Index(&'a Here<'a>, usize),
}

impl<'a> Here<'a> {
    /// What is held here under a key.
    pub fn key(&'a self, key: &'a str) -> Self {
        Self::Key(self, key)
    }

    /// An item.
    pub fn index(&'a self, index: usize) -> Self {
        Self::Index(self, index)
    }

    /// Whether it is the root of a stack file.
    pub fn is_root(&self) -> bool {
        matches!(self, Self::At(path) if path.0.is_empty())
    }

    pub fn path(&self) -> Path {
        match self {
            Self::At(path) => (*path).clone(),
            Self::Key(above, key) => above.path().and(Step::Key((*key).to_owned())),
            Self::Index(above, index) => above.path().and(Step::Index(*index)),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(formatter, "[{index}]")?,
                Step::Key(key) if is_plain(key) => {
                    let dot = if position > 0 { "." } else { "" };
                    write!(formatter, "{dot}{key}")?;
                }
                Step::Key(key) => write!(formatter, "[\"{}\"]", shown(key))?,
            }
        }
        Ok(())
    }
}

fn is_plain(key: &str) -> bool {
    (1..=LONGEST_PLAIN).contains(&key.len())
        && key
            .chars()
            .all(|character| character.is_alphanumeric() || matches!(character, '_' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_knows_the_path_to_where_it_is() {
        let root = Path::default();
        let prefix = Path::of("environments.prod");
        for (begin, expected) in [
            (&root, "services.api.ports[2]"),
            (&prefix, "environments.prod.services.api.ports[2]"),
        ] {
            let begin = Here::At(begin);
            let services = begin.key("services");
            let api = services.key("api");
            let ports = api.key("ports");
            assert_eq!(ports.index(2).path().to_string(), expected);
            assert!(!api.is_root());
        }
        assert!(Here::At(&root).is_root() && !Here::At(&prefix).is_root());
    }

    #[test]
    fn a_path_is_read_as_it_is_written() {
        for text in [
            "",
            "name",
            "services.api.mount_points[0].container_path",
            "tags[\"a.b/c\"]",
            "services[\"a b\"].secrets.X",
        ] {
            assert_eq!(Path::of(text).to_string(), text);
        }
    }
}
