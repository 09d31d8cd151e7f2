//! Names of bottles: in a mirror, in URLs, in the registry.

use crate::index::Formula;

/// `name-version.tag.bottle[.rebuild].tar.gz`, in raw characters: a bottle's key in a mirror.
pub fn flat_file(_formula: &Formula, _tag: &str) -> String {
    todo!()
}

/// The path of a URL that asks for `key`: `@` is `%40`, `+` is `%2B`.
pub fn url_path(_key: &str) -> String {
    todo!()
}

/// The image's name in the registry: `@` is `/`, `+` is `x`.
pub fn image(_name: &str) -> String {
    todo!()
}

/// The tag of a formula's manifest in the registry: `version[-rebuild]`.
pub fn manifest_tag(_formula: &Formula) -> String {
    todo!()
}
