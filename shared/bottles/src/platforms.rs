//! Homebrew's platforms: which there are, which macOS is newer than which, and what brew pours where.
//!
//! The index says it: the tags of its bottles, the keys of its `variations`, and the order in which a
//! formula lists its bottles, the newest macOS first. The list below is what was known when it was written;
//! it orders releases that no formula lists together, and may lack any newer one.

use std::collections::{BTreeSet, HashMap};

use crate::index::{Bottle, Index};

/// The tag of a bottle that serves every platform.
pub const ALL: &str = "all";

/// The releases of macOS, the newest first: `MacOSVersion::SYMBOLS` of brew 7.0.0 (September 2026), and
/// those before it that brew has dropped.
const RELEASES: [&str; 12] = [
    "golden_gate",
    "tahoe",
    "sequoia",
    "sonoma",
    "ventura",
    "monterey",
    "big_sur",
    "catalina",
    "mojave",
    "high_sierra",
    "sierra",
    "el_capitan",
];

/// The oldest of them that runs on ARM, and the oldest that brew 4.4 still has.
const FIRST_ON_ARM: &str = "big_sur";
const OLDEST_OF_BREW: &str = "mojave";

const ARM: &str = "arm64_";
const INTEL: &str = "x86_64_";
const LINUX: [&str; 2] = ["arm64_linux", "x86_64_linux"];

/// The platforms of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platforms {
    /// The releases of macOS, the newest first.
    releases: Vec<String>,
    /// Every tag that the index names, `all` excepted.
    named: BTreeSet<String>,
}

/// A macOS: its architecture and its release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct MacOs<'a> {
    is_arm: bool,
    release: &'a str,
}

impl<'a> MacOs<'a> {
    /// `None` for `all` and for Linux. Whatever else brew has bottles for is a macOS.
    fn of(tag: &'a str) -> Option<Self> {
        if tag == ALL || tag.rsplit('_').next() == Some("linux") {
            return None;
        }
        let (is_arm, release) = match (tag.strip_prefix(ARM), tag.strip_prefix(INTEL)) {
            (Some(release), _) => (true, release),
            (None, Some(release)) => (false, release),
            (None, None) => (false, tag),
        };
        Some(Self { is_arm, release })
    }

    fn tag(self) -> String {
        match self.is_arm {
            true => format!("{ARM}{}", self.release),
            false => self.release.to_owned(),
        }
    }
}

impl Platforms {
    /// Those of an index.
    pub fn of(index: &Index) -> Self {
        let named = index
            .platforms
            .iter()
            .filter(|tag| *tag != ALL)
            .cloned()
            .collect();
        let mut releases: Vec<String> = RELEASES.map(str::to_owned).into();
        let found: BTreeSet<&str> = index
            .platforms
            .iter()
            .filter_map(|tag| MacOs::of(tag))
            .map(|macos| macos.release)
            .filter(|release| !RELEASES.contains(release))
            .collect();
        if !found.is_empty() {
            let newer = votes(index, &found);
            for release in found {
                let is_newer = |other: &String| {
                    newer
                        .get(&(other.as_str(), release))
                        .is_some_and(|votes| *votes > 0)
                };
                // As new as the index allows.
                let place = releases
                    .iter()
                    .rposition(is_newer)
                    .map_or(0, |last| last + 1);
                releases.insert(place, release.to_owned());
            }
        }
        Self { releases, named }
    }

    /// Those that are known without an index.
    pub fn known() -> Self {
        Self {
            releases: RELEASES.map(str::to_owned).into(),
            named: BTreeSet::new(),
        }
    }

    /// Whether the index names this platform, or it was known when this was written.
    pub fn is_known(&self, tag: &str) -> bool {
        tag == ALL || self.named.contains(tag) || self.of_brew().any(|known| known == tag)
    }

    /// Whether it is a release of macOS that is known, on whatever architecture.
    pub fn is_macos_release(&self, tag: &str) -> bool {
        MacOs::of(tag).is_some_and(|macos| self.age(macos).is_some())
    }

    /// Every platform that may have an index file of its own.
    pub fn all(&self) -> BTreeSet<String> {
        self.of_brew().chain(self.named.iter().cloned()).collect()
    }

    /// Those that brew has, or had, whatever the index names.
    fn of_brew(&self) -> impl Iterator<Item = String> {
        let until = |oldest: &'static str| {
            let last = RELEASES.iter().position(|release| *release == oldest);
            RELEASES.iter().take(last.map_or(0, |last| last + 1))
        };
        let arm = until(FIRST_ON_ARM).map(|release| format!("{ARM}{release}"));
        let intel = until(OLDEST_OF_BREW).map(|release| (*release).to_owned());
        arm.chain(intel).chain(LINUX.map(str::to_owned))
    }

    /// The macOS before this one, of the same architecture, the newest first. brew on a macOS for which the
    /// source has no index file yet asks for that of the newest that it supports: `fallback_tag` in
    /// `extend/os/mac/api/internal.rb` (July 2026).
    pub fn older(&self, tag: &str) -> Vec<String> {
        let Some(macos) = MacOs::of(tag) else {
            return Vec::new();
        };
        let older = match self.age(macos) {
            Some(age) => age + 1,
            None => 0,
        };
        self.releases
            .iter()
            .skip(older)
            .map(|release| {
                let is_arm = macos.is_arm;
                MacOs { is_arm, release }.tag()
            })
            .collect()
    }

    /// How many releases are newer; `None` for one that nobody knows, which is newer than all.
    fn age(&self, macos: MacOs<'_>) -> Option<usize> {
        self.releases
            .iter()
            .position(|release| release == macos.release)
    }

    /// The bottle that brew pours on a platform.
    ///
    /// The rule is that of `Utils::Bottles::Collector#find_matching_tag` in Homebrew's `utils/bottles.rb`
    /// and its extension for macOS (August 2026): the exact one, `all`, or the first, in the order of the
    /// index, of the same architecture whose macOS is not newer. A macOS that nobody knows is newer than
    /// all others.
    pub(crate) fn poured<'b>(&self, bottles: &'b [Bottle], platform: &str) -> Option<&'b Bottle> {
        let tagged = |tag: &str| bottles.iter().find(|bottle| *bottle.tag == *tag);
        tagged(platform).or_else(|| tagged(ALL)).or_else(|| {
            let macos = MacOs::of(platform)?;
            let age = self.age(macos);
            bottles.iter().find(|bottle| {
                MacOs::of(&bottle.tag).is_some_and(|of_bottle| {
                    of_bottle.is_arm == macos.is_arm && self.age(of_bottle) >= age
                })
            })
        })
    }
}

/// Of each pair of releases that formulae list together, one of them in `found`: in how many formulae the
/// first comes before the second, less those where it comes after it.
fn votes<'a>(index: &'a Index, found: &BTreeSet<&str>) -> HashMap<(&'a str, &'a str), i64> {
    let mut votes = HashMap::new();
    for formula in &index.formulae {
        let listed: Vec<MacOs<'a>> = formula
            .bottles
            .iter()
            .filter_map(|bottle| MacOs::of(&bottle.tag))
            .collect();
        if !listed.iter().any(|macos| found.contains(macos.release)) {
            continue;
        }
        for (number, first) in listed.iter().enumerate() {
            let later = listed.iter().skip(number + 1);
            for second in later.filter(|second| second.is_arm == first.is_arm) {
                *votes.entry((first.release, second.release)).or_default() += 1;
                *votes.entry((second.release, first.release)).or_default() -= 1;
            }
        }
    }
    votes
}
