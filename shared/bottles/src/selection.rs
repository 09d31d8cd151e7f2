//! Which bottles of the index are wanted.

use std::collections::HashSet;

use longshore_events::transfer::Sha256;
use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

use crate::index::{Bottle, Formula, Index};
use crate::names;

/// The tag of a bottle that serves every platform.
pub const ALL: &str = "all";

/// The releases of macOS, the newest first: those of `MacOSVersion::SYMBOLS` in Homebrew's
/// `macos_version.rb` (August 2026).
const MACOS: [&str; 8] = [
    "tahoe", "sequoia", "sonoma", "ventura", "monterey", "big_sur", "catalina", "mojave",
];

/// The oldest of them that runs on ARM.
const FIRST_ON_ARM: &str = "big_sur";

const ARM: &str = "arm64_";

const LINUX: [&str; 2] = ["arm64_linux", "x86_64_linux"];

/// Which bottles of the index; nothing said means all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Selection {
    /// Platform tags, such as `arm64_tahoe`; empty for all. Each formula gives what brew would take there:
    /// the exact bottle, `all`, or that of an older macOS of the same architecture.
    pub platforms: Vec<String>,
    /// Names of formulae, with `*` and `?`; empty for all.
    pub formulae: Vec<String>,
    /// Without formulae that are deprecated.
    pub exclude_deprecated: bool,
    /// Without formulae that are disabled.
    pub exclude_disabled: bool,
}

/// A bottle that a mirror should hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedBottle {
    /// Its key in the mirror: the flat file's name.
    pub key: String,
    /// Where it is published.
    pub url: String,
    /// What its content hashes to.
    pub sha256: Sha256,
    /// The formula's name.
    pub formula: String,
    /// Its platform tag.
    pub tag: String,
    /// The URL of the formula's image index in the registry; `None` for another kind of server.
    pub manifest_url: Option<String>,
    /// `<image>/manifests/<tag>`: the manifest's key in the mirror.
    pub manifest_key: String,
}

/// The bottles of `index` that `selection` wants, in the order of the index, each key once.
pub fn wanted(index: &Index, selection: &Selection) -> Vec<WantedBottle> {
    let filter = Filter::new(selection);
    index
        .formulae
        .iter()
        .flat_map(|formula| filter.wanted(formula))
        .collect()
}

/// What of a selection can mean nothing: an unknown platform, a pattern that matches no formula.
pub fn problems(selection: &Selection, index: &Index) -> Vec<String> {
    let mut known: HashSet<&str> = HashSet::from([ALL]);
    let platforms = platforms();
    known.extend(platforms.iter().map(String::as_str));
    for formula in &index.formulae {
        known.extend(formula.bottles.iter().map(|bottle| bottle.tag.as_str()));
    }
    let mut problems = Vec::new();
    for platform in &selection.platforms {
        if !known.contains(platform.as_str()) {
            problems.push(format!(
                "Homebrew has no platform `{platform}`, and no bottle is for it"
            ));
        }
    }
    for pattern in &selection.formulae {
        let matcher = WildMatch::new(pattern);
        let matches = |formula: &Formula| matcher.matches(&formula.name);
        if !index.formulae.iter().any(matches) {
            problems.push(format!(
                "pattern `{pattern}` matches no formula that has bottles"
            ));
        }
    }
    problems
}

/// Homebrew's platforms: macOS on ARM and on Intel, the newest first, and Linux.
pub fn platforms() -> Vec<String> {
    let on_arm = MACOS
        .iter()
        .take_while(|release| release_number(release) <= release_number(FIRST_ON_ARM))
        .map(|release| format!("{ARM}{release}"));
    on_arm
        .chain(MACOS.map(str::to_owned))
        .chain(LINUX.map(str::to_owned))
        .collect()
}

/// A selection, made ready for many formulae.
pub(crate) struct Filter<'a> {
    selection: &'a Selection,
    patterns: Vec<WildMatch>,
}

impl<'a> Filter<'a> {
    pub(crate) fn new(selection: &'a Selection) -> Self {
        Self {
            selection,
            patterns: selection
                .formulae
                .iter()
                .map(|pattern| WildMatch::new(pattern))
                .collect(),
        }
    }

    /// The formula's bottles that are wanted, in the order of the index, each once.
    pub(crate) fn wanted(&self, formula: &Formula) -> Vec<WantedBottle> {
        let is_out = (formula.deprecated && self.selection.exclude_deprecated)
            || (formula.disabled && self.selection.exclude_disabled);
        let is_named = self.patterns.is_empty()
            || self
                .patterns
                .iter()
                .any(|pattern| pattern.matches(&formula.name));
        if is_out || !is_named {
            return Vec::new();
        }
        let platforms = &self.selection.platforms;
        let bottles: Vec<&Bottle> = if platforms.is_empty() {
            formula.bottles.iter().collect()
        } else {
            let tags: HashSet<&str> = platforms
                .iter()
                .filter_map(|platform| poured(&formula.bottles, platform))
                .map(|bottle| bottle.tag.as_str())
                .collect();
            let bottles = formula.bottles.iter();
            bottles
                .filter(|bottle| tags.contains(bottle.tag.as_str()))
                .collect()
        };
        if bottles.is_empty() {
            return Vec::new();
        }
        let image = names::image(&formula.name);
        let manifest_key = format!("{image}/manifests/{}", names::manifest_tag(formula));
        bottles
            .into_iter()
            .map(|bottle| WantedBottle {
                key: names::flat_file(formula, &bottle.tag),
                url: bottle.url.clone(),
                sha256: bottle.sha256.clone(),
                formula: formula.name.clone(),
                tag: bottle.tag.clone(),
                manifest_url: is_in_registry(bottle, &formula.root_url, &image)
                    .then(|| format!("{}/{manifest_key}", formula.root_url)),
                manifest_key: manifest_key.clone(),
            })
            .collect()
    }
}

/// The bottle that brew pours on a platform.
///
/// The rule is that of `Utils::Bottles::Collector#find_matching_tag` in Homebrew's `utils/bottles.rb` and
/// its extension for macOS (August 2026): the exact one, `all`, or the first, in the order of the index, of
/// the same architecture whose macOS is no newer. The index has the newest first.
fn poured<'a>(bottles: &'a [Bottle], platform: &str) -> Option<&'a Bottle> {
    let tagged = |tag: &str| bottles.iter().find(|bottle| bottle.tag == tag);
    tagged(platform).or_else(|| tagged(ALL)).or_else(|| {
        let (is_arm, release) = macos(platform)?;
        bottles.iter().find(|bottle| {
            macos(&bottle.tag).is_some_and(|(bottle_is_arm, bottle_release)| {
                bottle_is_arm == is_arm && bottle_release >= release
            })
        })
    })
}

/// Whether a tag's macOS is that of ARM, and how many newer releases there are; `None` for what is no macOS.
fn macos(tag: &str) -> Option<(bool, usize)> {
    let (is_arm, release) = match tag.strip_prefix(ARM) {
        Some(release) => (true, release),
        None => (false, tag),
    };
    release_number(release).map(|number| (is_arm, number))
}

fn release_number(release: &str) -> Option<usize> {
    MACOS.iter().position(|known| *known == release)
}

/// Whether a bottle's URL is that of a blob, so that beside it there is an image index.
fn is_in_registry(bottle: &Bottle, root_url: &str, image: &str) -> bool {
    let rest = bottle.url.strip_prefix(root_url);
    let rest = rest.and_then(|rest| rest.strip_prefix('/')?.strip_prefix(image));
    rest.and_then(|rest| rest.strip_prefix("/blobs/sha256:")) == Some(bottle.sha256.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "https://ghcr.io/v2/homebrew/core";

    fn formula(name: &str, tags: &[&str]) -> Formula {
        let image = names::image(name);
        let bottle = |(number, tag): (usize, &&str)| {
            let sha256: Sha256 = format!("{number:064x}").parse().unwrap();
            Bottle {
                tag: (*tag).to_owned(),
                url: format!("{ROOT}/{image}/blobs/sha256:{sha256}"),
                sha256,
            }
        };
        Formula {
            name: name.to_owned(),
            version: "1.0".to_owned(),
            revision: 0,
            rebuild: 1,
            root_url: ROOT.to_owned(),
            deprecated: false,
            disabled: false,
            bottles: tags.iter().enumerate().map(bottle).collect(),
        }
    }

    fn index(formulae: Vec<Formula>) -> Index {
        Index {
            bottles: 0,
            refused: Vec::new(),
            sha256: "0".repeat(64).parse().unwrap(),
            formulae,
        }
    }

    fn tags(tags: &[&str], platforms: &[&str]) -> Vec<String> {
        let selection = Selection {
            platforms: platforms.iter().map(|tag| (*tag).to_owned()).collect(),
            ..Selection::default()
        };
        let wanted = wanted(&index(vec![formula("wget", tags)]), &selection);
        wanted.into_iter().map(|bottle| bottle.tag).collect()
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
            wanted.into_iter().map(|bottle| bottle.formula).collect()
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
    fn only_a_blob_of_a_registry_has_an_image_index_beside_it() {
        let mut formula = formula("libsigc++@2", &["all", "sonoma", "x86_64_linux"]);
        formula.bottles.get_mut(1).unwrap().url = "https://example.com/libsigc.tar.gz".to_owned();
        formula.bottles.get_mut(2).unwrap().sha256 = "f".repeat(64).parse().unwrap();
        let wanted = wanted(&index(vec![formula]), &Selection::default());
        let urls: Vec<Option<&str>> = wanted
            .iter()
            .map(|bottle| bottle.manifest_url.as_deref())
            .collect();
        let manifest = "https://ghcr.io/v2/homebrew/core/libsigcxx/2/manifests/1.0-1";
        assert_eq!(urls, [Some(manifest), None, None]);
        for bottle in &wanted {
            assert_eq!(bottle.manifest_key, "libsigcxx/2/manifests/1.0-1");
        }
        assert_eq!(
            wanted.first().unwrap().key,
            "libsigc++@2-1.0.all.bottle.1.tar.gz"
        );
    }

    #[test]
    fn what_can_mean_nothing_is_told() {
        let index = index(vec![formula("wget", &["all", "riscv64_linux"])]);
        let selection = |platforms: &[&str], formulae: &[&str]| Selection {
            platforms: platforms.iter().map(|tag| (*tag).to_owned()).collect(),
            formulae: formulae.iter().map(|name| (*name).to_owned()).collect(),
            ..Selection::default()
        };
        let good = selection(
            &[
                "arm64_tahoe",
                "mojave",
                "riscv64_linux",
                "x86_64_linux",
                "all",
            ],
            &["w*"],
        );
        assert!(problems(&good, &index).is_empty());
        assert_eq!(
            problems(
                &selection(&["arm64_mojave", "tahoee"], &["curl", "wget"]),
                &index
            ),
            [
                "Homebrew has no platform `arm64_mojave`, and no bottle is for it",
                "Homebrew has no platform `tahoee`, and no bottle is for it",
                "pattern `curl` matches no formula that has bottles",
            ]
        );
    }
}
