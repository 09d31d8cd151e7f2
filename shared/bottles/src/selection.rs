//! Which bottles of the index are wanted.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use longshore_events::transfer::Sha256;
use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

use crate::index::{Bottle, BottleUrl, Formula, Index};
use crate::names::{self, FlatFiles};
use crate::platforms::Platforms;

/// Which bottles of the index; nothing said means all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Selection {
    /// Platform tags, such as `arm64_tahoe`; empty for all. Each formula gives what brew would take there:
    /// the exact bottle, `all`, or that of an older macOS of the same architecture.
    pub platforms: Vec<String>,
    /// Names of formulae, with `*` and `?`; empty for all.
    pub formulae: Vec<String>,
    /// With what the named formulae depend on, and what that depends on, on whatever platform.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub with_dependencies: bool,
    /// Without formulae that are deprecated.
    pub exclude_deprecated: bool,
    /// Without formulae that are disabled.
    pub exclude_disabled: bool,
}

/// A bottle that a mirror should hold. It shares with the index, and with the formula's other bottles, what is the
/// same in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedBottle {
    /// Its key in the mirror: the flat file's name.
    pub key: String,
    /// Where it is published.
    pub url: BottleUrl,
    /// What its content hashes to.
    pub sha256: Sha256,
    pub formula: Arc<str>,
    /// Its platform tag.
    pub tag: Arc<str>,
    /// The URL of the formula's image index in the registry; `None` for another kind of server.
    pub manifest_url: Option<Arc<str>>,
    /// `<image>/manifests/<tag>`: the manifest's key in the mirror.
    pub manifest_key: Arc<str>,
}

impl WantedBottle {
    /// Where it is published.
    pub fn url(&self) -> String {
        self.url.text(&self.sha256)
    }
}

/// The bottles of `index` that `selection` wants, in the order of the index, each key once.
pub fn wanted(index: &Index, selection: &Selection) -> Vec<WantedBottle> {
    let platforms = Platforms::of(index);
    let filter = Filter::new(selection, &platforms, index);
    let is_all = selection.platforms.is_empty() && selection.formulae.is_empty();
    let count = index.formulae.iter().map(|formula| formula.bottles.len());
    let mut wanted = Vec::with_capacity(if is_all { count.sum() } else { 0 });
    for formula in &index.formulae {
        filter.add_wanted(formula, &mut wanted);
    }
    wanted
}

/// What of a selection may not be meant: a platform that neither the index, nor the source, which has index
/// files for the platforms `of_source`, nor this program knows; a pattern that matches no formula.
pub fn problems(selection: &Selection, index: &Index, of_source: &BTreeSet<String>) -> Vec<String> {
    let known = Platforms::of(index);
    let mut problems: Vec<String> = selection
        .platforms
        .iter()
        .filter(|platform| !of_source.contains(*platform))
        .filter_map(|platform| unknown(platform, &known))
        .collect();
    let patterns = selection.formulae.iter();
    problems.extend(patterns.filter_map(|pattern| unmatched(pattern, index)));
    problems
}

/// What is to be said of a pattern of names that matches nothing in the index.
pub fn unmatched(pattern: &str, index: &Index) -> Option<String> {
    let matcher = WildMatch::new(pattern);
    let matches = |formula: &Formula| matcher.matches(&formula.name);
    (!index.formulae.iter().any(matches))
        .then(|| format!("pattern `{pattern}` matches no formula that has bottles"))
}

/// What is to be said of a platform that is not among the `known` ones.
pub fn unknown(platform: &str, known: &Platforms) -> Option<String> {
    if known.is_known(platform) {
        return None;
    }
    Some(if known.is_macos_release(platform) {
        format!(
            "Homebrew has no platform `{platform}`, and no bottle is for it; check the spelling"
        )
    } else if known.older(platform).is_empty() {
        format!(
            "no bottle is for platform `{platform}` alone: its clients get the bottles that are for every \
             platform; check the spelling"
        )
    } else {
        format!(
            "platform `{platform}` is not known, and is taken for a macOS that is newer than all others; \
             check the spelling"
        )
    })
}

/// A selection, made ready for many formulae.
pub(crate) struct Filter<'a> {
    selection: &'a Selection,
    platforms: &'a Platforms,
    patterns: Vec<WildMatch>,
    /// What the named formulae depend on.
    dependencies: HashSet<&'a str>,
}

impl<'a> Filter<'a> {
    /// `platforms` are those of the index.
    pub(crate) fn new(
        selection: &'a Selection,
        platforms: &'a Platforms,
        index: &'a Index,
    ) -> Self {
        let mut filter = Self {
            selection,
            platforms,
            patterns: selection
                .formulae
                .iter()
                .map(|pattern| WildMatch::new(pattern))
                .collect(),
            dependencies: HashSet::new(),
        };
        if selection.with_dependencies && !filter.patterns.is_empty() {
            filter.add_dependencies(index);
        }
        filter
    }

    fn add_dependencies(&mut self, index: &'a Index) {
        let by_name: HashMap<&str, &Formula> = index
            .formulae
            .iter()
            .map(|formula| (&*formula.name, formula))
            .collect();
        let mut waiting: Vec<&Formula> = index
            .formulae
            .iter()
            .filter(|formula| self.is_named(formula))
            .collect();
        while let Some(formula) = waiting.pop() {
            for name in &formula.dependencies {
                if let Some(dependency) = by_name.get(name.as_str())
                    && self.dependencies.insert(name)
                {
                    waiting.push(dependency);
                }
            }
        }
    }

    fn is_named(&self, formula: &Formula) -> bool {
        self.patterns.is_empty()
            || self
                .patterns
                .iter()
                .any(|pattern| pattern.matches(&formula.name))
            || self.dependencies.contains(&*formula.name)
    }

    /// Adds the formula's bottles that are wanted, in the order of the index, each once.
    pub(crate) fn add_wanted(&self, formula: &Formula, wanted: &mut Vec<WantedBottle>) {
        let is_out = (formula.deprecated && self.selection.exclude_deprecated)
            || (formula.disabled && self.selection.exclude_disabled);
        if is_out || !self.is_named(formula) {
            return;
        }
        let platforms = &self.selection.platforms;
        let tags: HashSet<&str> = platforms
            .iter()
            .filter_map(|platform| self.platforms.poured(&formula.bottles, platform))
            .map(|bottle| &*bottle.tag)
            .collect();
        let is_wanted = |bottle: &&Bottle| platforms.is_empty() || tags.contains(&*bottle.tag);
        let mut bottles = formula.bottles.iter().filter(is_wanted).peekable();
        if bottles.peek().is_none() {
            return;
        }
        let files = FlatFiles::of(formula);
        let manifest_key: Arc<str> = names::manifest_key(formula).into();
        let manifest_url: Arc<str> = [&*formula.root_url, "/", &*manifest_key].concat().into();
        wanted.extend(bottles.map(|bottle| WantedBottle {
            key: files.name(&bottle.tag),
            url: bottle.url.clone(),
            sha256: bottle.sha256.clone(),
            formula: Arc::clone(&formula.name),
            tag: Arc::clone(&bottle.tag),
            // Beside a blob there is an image index.
            manifest_url: match bottle.url {
                BottleUrl::Blob(_) => Some(Arc::clone(&manifest_url)),
                BottleUrl::Other(_) => None,
            },
            manifest_key: Arc::clone(&manifest_key),
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "https://ghcr.io/v2/homebrew/core";

    fn formula(name: &str, tags: &[&str]) -> Formula {
        let image: Arc<str> = names::image_url(ROOT, name).into();
        let bottle = |(number, tag): (usize, &&str)| Bottle {
            tag: (*tag).into(),
            url: BottleUrl::Blob(Arc::clone(&image)),
            sha256: format!("{number:064x}").parse().unwrap(),
        };
        Formula {
            name: name.into(),
            version: "1.0".to_owned(),
            revision: 0,
            rebuild: 1,
            root_url: ROOT.into(),
            deprecated: false,
            disabled: false,
            bottles: tags.iter().enumerate().map(bottle).collect(),
            dependencies: Vec::new(),
        }
    }

    fn index(formulae: Vec<Formula>) -> Index {
        Index {
            bottles: 0,
            refused: Vec::new(),
            platforms: formulae
                .iter()
                .flat_map(|formula| &formula.bottles)
                .map(|bottle| bottle.tag.to_string())
                .collect(),
            formulae,
        }
    }

    fn tags(tags: &[&str], platforms: &[&str]) -> Vec<String> {
        let selection = Selection {
            platforms: platforms.iter().map(|tag| (*tag).to_owned()).collect(),
            ..Selection::default()
        };
        let wanted = wanted(&index(vec![formula("wget", tags)]), &selection);
        let tags = wanted.iter().map(|bottle| bottle.tag.to_string());
        tags.collect()
    }

    #[test]
    fn a_platform_gets_what_brew_pours_there() {
        let usual = [
            "arm64_tahoe",
            "arm64_sequoia",
            "arm64_sonoma",
            "sonoma",
            "arm64_linux",
            "x86_64_linux",
        ];
        assert_eq!(tags(&usual, &["arm64_sequoia"]), ["arm64_sequoia"]);
        // There is none of its own: the newest that is older, of its own architecture.
        assert_eq!(tags(&usual, &["tahoe"]), ["sonoma"]);
        assert_eq!(
            tags(
                &["arm64_sonoma", "arm64_big_sur", "sonoma"],
                &["arm64_tahoe"]
            ),
            ["arm64_sonoma"]
        );
        assert_eq!(
            tags(&["arm64_sonoma", "arm64_big_sur"], &["arm64_ventura"]),
            ["arm64_big_sur"]
        );
        // Never a newer one, never another architecture's, never macOS for Linux.
        assert!(tags(&usual, &["ventura"]).is_empty());
        assert!(tags(&["arm64_sonoma"], &["tahoe"]).is_empty());
        assert!(
            tags(
                &["sonoma", "arm64_sonoma", "arm64_linux"],
                &["x86_64_linux"]
            )
            .is_empty()
        );
        // `all` comes before what is older, after what is exact.
        assert_eq!(tags(&["arm64_sonoma", "all"], &["arm64_tahoe"]), ["all"]);
        assert_eq!(
            tags(&["arm64_sonoma", "all"], &["arm64_sonoma"]),
            ["arm64_sonoma"]
        );
        assert_eq!(tags(&["all"], &["x86_64_linux", "arm64_tahoe"]), ["all"]);
        // Like brew, the first of the index that fits.
        assert_eq!(tags(&["monterey", "ventura"], &["sonoma"]), ["monterey"]);
        // A tag that only the index knows.
        assert_eq!(
            tags(&["riscv64_linux"], &["riscv64_linux"]),
            ["riscv64_linux"]
        );
    }

    #[test]
    fn a_macos_of_next_year_and_a_linux_of_another_architecture_come_from_the_index() {
        // Nobody has heard of `lost_coast`; the index lists it before tahoe, and on ARM only.
        let next_year = [
            "arm64_lost_coast",
            "arm64_tahoe",
            "arm64_sonoma",
            "sonoma",
            "riscv64_linux",
        ];
        let old = formula("oldie", &["arm64_tahoe", "arm64_sonoma", "sonoma"]);
        let linux = formula("glibc", &["riscv64_linux", "x86_64_linux"]);
        let index = index(vec![formula("wget", &next_year), old, linux]);
        let keys = |platform: &str| -> Vec<String> {
            let selection = Selection {
                platforms: vec![platform.to_owned()],
                ..Selection::default()
            };
            assert!(problems(&selection, &index, &BTreeSet::new()).is_empty());
            let wanted = wanted(&index, &selection);
            let shown = |bottle: WantedBottle| format!("{} {}", bottle.formula, bottle.tag);
            wanted.into_iter().map(shown).collect()
        };
        assert_eq!(
            keys("arm64_lost_coast"),
            ["wget arm64_lost_coast", "oldie arm64_tahoe"]
        );
        // An older macOS does not pour what is for the new one.
        assert_eq!(
            keys("arm64_sequoia"),
            ["wget arm64_sonoma", "oldie arm64_sonoma"]
        );
        assert_eq!(
            keys("arm64_tahoe"),
            ["wget arm64_tahoe", "oldie arm64_tahoe"]
        );
        assert_eq!(
            keys("riscv64_linux"),
            ["wget riscv64_linux", "glibc riscv64_linux"]
        );
        // The one after it, about which nobody says anything.
        let selection = Selection {
            platforms: vec!["arm64_one_more".to_owned()],
            ..Selection::default()
        };
        let wanted = wanted(&index, &selection);
        let tags: Vec<&str> = wanted.iter().map(|bottle| &*bottle.tag).collect();
        assert_eq!(tags, ["arm64_lost_coast", "arm64_tahoe"]);
        assert_eq!(problems(&selection, &index, &BTreeSet::new()).len(), 1);
    }

    #[test]
    fn no_platform_means_all_and_several_give_each_bottle_once() {
        let all = ["arm64_tahoe", "sonoma", "x86_64_linux"];
        assert_eq!(tags(&all, &[]), all);
        assert_eq!(
            tags(&all, &["sequoia", "tahoe", "arm64_tahoe", "sonoma"]),
            ["arm64_tahoe", "sonoma"]
        );
    }

    #[test]
    fn formulae_are_chosen_by_pattern_and_by_whether_they_are_deprecated_or_disabled() {
        let mut deprecated = formula("openssl@1.1", &["all"]);
        deprecated.deprecated = true;
        let mut disabled = formula("openssl@1.0", &["all"]);
        disabled.disabled = true;
        let index = index(vec![
            disabled,
            deprecated,
            formula("openssl@3", &["all"]),
            formula("wget", &["all"]),
        ]);
        let names = |selection: &Selection| -> Vec<String> {
            let wanted = wanted(&index, selection);
            let names = wanted.iter().map(|bottle| bottle.formula.to_string());
            names.collect()
        };
        let mut selection = Selection::default();
        assert_eq!(names(&selection).len(), 4);
        selection.formulae = vec!["openssl@*".to_owned()];
        assert_eq!(
            names(&selection),
            ["openssl@1.0", "openssl@1.1", "openssl@3"]
        );
        selection.exclude_disabled = true;
        assert_eq!(names(&selection), ["openssl@1.1", "openssl@3"]);
        selection.exclude_deprecated = true;
        assert_eq!(names(&selection), ["openssl@3"]);
        selection.formulae = vec!["wge?".to_owned(), "openssl@3".to_owned()];
        assert_eq!(names(&selection), ["openssl@3", "wget"]);
    }

    #[test]
    fn what_named_formulae_depend_on_comes_with_them_where_that_is_asked_for() {
        let depending = |name: &str, on: &[&str]| Formula {
            dependencies: on.iter().map(|name| (*name).to_owned()).collect(),
            ..formula(name, &["all"])
        };
        let index = index(vec![
            depending("ca-certificates", &[]),
            depending("curl", &["openssl@3"]),
            depending("gettext", &["libunistring"]),
            depending("libidn2", &["libunistring", "gettext"]),
            depending("libunistring", &["gettext"]),
            depending("openssl@3", &["ca-certificates", "no-bottles"]),
            depending("wget", &["libidn2", "openssl@3"]),
        ]);
        let names = |with_dependencies| -> Vec<String> {
            let selection = Selection {
                formulae: vec!["wge?".to_owned()],
                with_dependencies,
                ..Selection::default()
            };
            let wanted = wanted(&index, &selection);
            let names = wanted.iter().map(|bottle| bottle.formula.to_string());
            names.collect()
        };
        assert_eq!(names(false), ["wget"]);
        assert_eq!(
            names(true),
            [
                "ca-certificates",
                "gettext",
                "libidn2",
                "libunistring",
                "openssl@3",
                "wget"
            ]
        );
    }

    #[test]
    fn only_a_blob_of_a_registry_has_an_image_index_beside_it() {
        let mut formula = formula("libsigc++@2", &["all", "sonoma", "x86_64_linux"]);
        let urls = [
            "https://example.com/libsigc.tar.gz".to_owned(),
            format!("{ROOT}/libsigcxx/2/blobs/sha256:{}", "f".repeat(64)),
        ];
        let image = names::image_url(ROOT, &formula.name).into();
        for (bottle, url) in formula.bottles.iter_mut().skip(1).zip(&urls) {
            bottle.url = BottleUrl::new(url, &image, &bottle.sha256);
        }
        let wanted = wanted(&index(vec![formula]), &Selection::default());
        let manifests: Vec<Option<&str>> = wanted
            .iter()
            .map(|bottle| bottle.manifest_url.as_deref())
            .collect();
        let manifest = "https://ghcr.io/v2/homebrew/core/libsigcxx/2/manifests/1.0-1";
        assert_eq!(manifests, [Some(manifest), None, None]);
        let found: Vec<String> = wanted.iter().skip(1).map(WantedBottle::url).collect();
        assert_eq!(found, urls);
        for bottle in &wanted {
            assert_eq!(&*bottle.manifest_key, "libsigcxx/2/manifests/1.0-1");
        }
        assert_eq!(
            wanted.first().unwrap().key,
            "libsigc++@2-1.0.all.bottle.1.tar.gz"
        );
    }

    #[test]
    fn what_can_mean_nothing_is_reported() {
        let index = index(vec![formula("wget", &["all", "riscv64_linux"])]);
        let selection = |platforms: &[&str], formulae: &[&str]| Selection {
            platforms: platforms.iter().map(|tag| (*tag).to_owned()).collect(),
            formulae: formulae.iter().map(|name| (*name).to_owned()).collect(),
            ..Selection::default()
        };
        let good = selection(
            &[
                "arm64_tahoe",
                "arm64_golden_gate",
                "mojave",
                "riscv64_linux",
                "x86_64_linux",
                "all",
            ],
            &["w*"],
        );
        let nothing = BTreeSet::new();
        assert!(problems(&good, &index, &nothing).is_empty());
        let odd = selection(
            &["arm64_mojave", "tahoee", "s390x_linux"],
            &["curl", "wget"],
        );
        assert_eq!(
            problems(&odd, &index, &nothing),
            [
                "Homebrew has no platform `arm64_mojave`, and no bottle is for it; check the spelling",
                "platform `tahoee` is not known, and is taken for a macOS that is newer than all others; \
                 check the spelling",
                "no bottle is for platform `s390x_linux` alone: its clients get the bottles that are for \
                 every platform; check the spelling",
                "pattern `curl` matches no formula that has bottles",
            ]
        );
        // The source has an index file for it, and knows better.
        let of_source = BTreeSet::from(["tahoee".to_owned(), "s390x_linux".to_owned()]);
        assert_eq!(problems(&odd, &index, &of_source).len(), 2);
    }
}
