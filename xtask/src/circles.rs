//! Which files of a crate use each other, be it by way of others. Whoever reads one of them has to read all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The modules of a crate, by their path in it (`record::state`), with their sources.
pub type Modules = BTreeMap<String, String>;

/// The path of a module, from that of its file below `src`.
pub fn module(file: &Path) -> String {
    let mut parts: Vec<_> = file
        .with_extension("")
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if parts
        .last()
        .is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str()))
    {
        parts.pop();
    }
    parts.join("::")
}

/// The modules that use themselves by way of others. A folder stands for all that is in it, so that folders do not
/// use each other either; a file names another one of its own folder.
pub fn circles(modules: &Modules) -> Vec<String> {
    let used: BTreeMap<&str, BTreeSet<&str>> = modules
        .iter()
        .map(|(module, source)| (module.as_str(), used(module, source, modules)))
        .collect();
    let reached = |from: &str| {
        let mut reached = BTreeSet::new();
        let mut left: Vec<&str> = used[from].iter().copied().collect();
        while let Some(next) = left.pop() {
            if reached.insert(next) {
                left.extend(&used[next]);
            }
        }
        reached
    };
    modules
        .keys()
        .filter(|module| reached(module).contains(module.as_str()))
        .cloned()
        .collect()
}

/// The modules that one uses, and those that lie in it.
fn used<'a>(module: &str, source: &str, modules: &'a Modules) -> BTreeSet<&'a str> {
    let code: Vec<&str> = source
        .lines()
        .take_while(|line| *line != "#[cfg(test)]")
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let code = code.join(" ");
    let statements = code
        .split(';')
        .filter_map(|statement| statement.split_once("use "))
        .filter(|(before, _)| !before.contains("pub"));
    let mut used = BTreeSet::new();
    for (_, path) in statements {
        let (base, names) = path.split_once('{').unwrap_or((path, ""));
        let Some(base) = absolute(module, base) else {
            continue;
        };
        let names = names.split(',').map(|name| {
            let first = name.split("::").next().unwrap_or_default();
            format!("{base}::{}", first.trim_matches([' ', '}']))
        });
        for path in names.chain([base.clone()]) {
            let known = known(path.trim_start_matches("::"), modules);
            used.extend(known.filter(|known| *known != module));
        }
    }
    let within = format!("{module}::");
    let children = modules
        .keys()
        .filter(|other| !module.is_empty() && other.starts_with(&within));
    used.extend(children.map(String::as_str));
    used
}

/// A path from the root of the crate; `None` for one of another crate.
fn absolute(module: &str, path: &str) -> Option<String> {
    let mut rest = path.trim().trim_end_matches("::");
    if let Some(inner) = rest.strip_prefix("crate") {
        return Some(inner.trim_start_matches("::").to_owned());
    }
    let mut base: Vec<&str> = module.split("::").collect();
    let depth = base.len();
    while let Some(outer) = rest.strip_prefix("super") {
        base.pop();
        rest = outer.trim_start_matches("::");
    }
    (base.len() < depth).then(|| {
        base.into_iter()
            .chain([rest])
            .collect::<Vec<_>>()
            .join("::")
    })
}

/// The longest beginning of a path that is a module.
fn known<'a>(path: &str, modules: &'a Modules) -> Option<&'a str> {
    let mut path = path;
    while !path.is_empty() {
        if let Some((known, _)) = modules.get_key_value(path) {
            return Some(known);
        }
        path = path.rsplit_once("::").map_or("", |(before, _)| before);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(modules: &[(&str, &str)]) -> Vec<String> {
        let modules = modules
            .iter()
            .map(|(file, source)| (module(Path::new(file)), (*source).to_owned()))
            .collect();
        circles(&modules)
    }

    #[test]
    fn files_that_use_each_other_by_way_of_others_are_found() {
        let found = found(&[
            ("lib.rs", "mod a;\nmod b;\nmod c;\n"),
            ("a.rs", "use std::fmt;\n\nuse crate::b::{B, other};\n"),
            ("b.rs", "use crate::{\n    c::C,\n    d,\n};\n"),
            ("c.rs", "use super::a::A;\n"),
            (
                "d.rs",
                "// use crate::a::A;\n#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}\n",
            ),
        ]);
        assert_eq!(found, ["a", "b", "c"]);
    }

    #[test]
    fn folders_that_use_each_other_are_found_whatever_their_files_do() {
        let found = found(&[
            ("one/mod.rs", "mod a;\nmod b;\npub use a::A;\n"),
            ("one/a.rs", "pub struct A;\n"),
            ("one/b.rs", "use super::a::A;\nuse crate::two::Two;\n"),
            ("two.rs", "use crate::one::A;\n"),
        ]);
        assert_eq!(found, ["one", "one::b", "two"]);
    }

    #[test]
    fn a_folder_whose_files_use_each_other_one_way_has_no_circle() {
        let found = found(&[
            ("one/mod.rs", "mod a;\nmod b;\npub use b::B;\n"),
            ("one/a.rs", "pub struct A;\n"),
            ("one/b.rs", "use super::a::A;\nuse crate::two::Two;\n"),
            ("two.rs", "pub struct Two;\n"),
        ]);
        assert_eq!(found, Vec::<String>::new());
    }
}
