//! The image policy: which of the images that a registry holds a service is to run.

use std::cmp::Ordering;

use chrono::{DateTime, Duration, Utc};
use longshore_events::image::{Digest, Image};
use longshore_events::sequence::Sequence;
use regex_lite::{Regex, RegexBuilder};
use schemars::JsonSchema;
use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

/// How long a regular expression may be, in bytes of its text.
const PATTERN_LENGTH: usize = 512;

/// How large a regular expression may become when it is compiled, in bytes: `(a{1000}){1000}` is short.
const PATTERN_SIZE: usize = 256 * 1024;

/// Which images a service follows. Exactly one of `tags`, `semver` and `tag_pattern` chooses; `tag_pattern`
/// may stand beside `semver` to say where in the tag the version is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImagePolicy {
    /// Names of tags, or patterns with `*` and `?`. One name without either is followed exactly: what the
    /// tag holds now is deployed. Of several, or of patterns, what `order` says is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// A regular expression that a whole tag must match. Beside `semver` its group `version`, or else its
    /// first group, is the version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag_pattern: Option<String>,
    /// A range of semantic versions, as Cargo writes them: `>=1.2, <2`. The highest version is deployed; a
    /// pre-release only where the range names one. Without `tag_pattern` the whole tag is the version, with
    /// or without a `v` before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub semver: Option<String>,
    /// Whether `semver` allows pre-releases of each version in its range. Default: only those that it names.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pre_releases: bool,
    /// What of the allowed tags the newest or highest is. Default: [`Order::Tagged`] where only release tags are
    /// allowed, or else [`Order::Pushed`]; `semver` and one exact tag have an order of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    /// Whether an image is deployed that comes under the tag of the one followed last. Default: yes, but
    /// for `semver`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_tags: Option<bool>,
    /// How many minutes ago an image must have been pushed. Moving a tag onto an older image makes that
    /// image no younger.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub minimum_age_minutes: u32,
}

/// What tags are ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// By the group `number` of `tag_pattern`, or else its first group: a whole number, or several with dots between
    /// them, such as 1.10.0.4523.
    Number,
    /// By the first group of `tag_pattern` as text, or else by the whole tag: dates such as 2026-11-30.
    Alphabetical,
    /// By when the tag was put on its image, so that a new tag promotes an image that was built before. The default
    /// where only release tags are allowed: `v*`, `1.*`, `release-*`.
    Tagged,
    /// By when the image was pushed, whatever tags it got since. The default of all others.
    Pushed,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A tag of an image in the registry. An image with several tags is there several times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryImage {
    pub tag: String,
    /// The manifest's or the index's digest.
    pub digest: Digest,
    /// When the image was first pushed. Moving a tag onto it does not change that.
    pub pushed_at: DateTime<Utc>,
    /// When the tag was put on it, as far as ECR's events have said: ECR itself does not know. It was put then or
    /// later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tagged_at: Option<DateTime<Utc>>,
}

impl RegistryImage {
    /// The image as one of this repository.
    pub fn in_repository(&self, repository: &str) -> Image {
        Image {
            repository: repository.to_owned(),
            tag: Some(self.tag.clone()),
            digest: self.digest.clone(),
        }
    }

    /// Since when, at the earliest, the tag is on the image.
    pub fn tagged_since(&self) -> DateTime<Utc> {
        self.tagged_at
            .map_or(self.pushed_at, |at| at.max(self.pushed_at))
    }

    /// Takes in what is known of the same tag from before. If that was on another image, it was moved onto this one
    /// afterwards.
    pub fn learn(&mut self, known: &Self) {
        if self.tag == known.tag && known.tagged_since() > self.tagged_since() {
            self.tagged_at = Some(known.tagged_since());
        }
    }

    /// Takes in that an event reports this image under this tag at that time.
    pub fn hear(&mut self, tag: &str, digest: &Digest, at: DateTime<Utc>) {
        if self.tag == tag && self.digest == *digest && at > self.tagged_since() {
            self.tagged_at = Some(at);
        }
    }
}

/// Whether people read this tag as that of a release: it holds a version, such as `v2`, `1.4.0` or `api-2026.11`.
pub fn is_release_tag(tag: &str) -> bool {
    tag.split(['-', '_']).any(|part| {
        let (numbers, least) = match part.strip_prefix('v') {
            Some(numbers) => (numbers, 1),
            None => (part, 2),
        };
        let mut count = 0;
        numbers.split('.').all(|number| {
            count += 1;
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        }) && count >= least
    })
}

/// Whether a pattern of tags, or a regular expression for them, begins as release tags do.
fn begins_like_a_release(pattern: &str) -> bool {
    let mut rest = pattern.trim_start_matches('^');
    while let Some(group) = rest.strip_prefix('(') {
        rest = match group.strip_prefix('?') {
            Some(named) => named
                .split_once([':', '>'])
                .map_or("", |(_, within)| within),
            None => group,
        };
    }
    let is_number = |text: &str| {
        text.starts_with(|first: char| first.is_ascii_digit())
            || text.starts_with("[0-9]")
            || text.starts_with("\\d")
    };
    rest.starts_with("release")
        || is_number(rest)
        || rest
            .strip_prefix('v')
            .is_some_and(|rest| is_number(rest) || rest.starts_with(['*', '?', '.', '(', '[']))
}

/// A policy that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("image_policy.{field}: {reason}")]
pub struct InvalidPolicy {
    /// The field of [`ImagePolicy`] that is wrong.
    pub field: &'static str,
    /// What is wrong with it, and what was expected.
    pub reason: String,
}

/// A policy that was checked and is ready to be asked.
#[derive(Debug, Clone)]
pub struct Policy {
    choice: Choice,
    /// Whether the tag that was put last is the newest, rather than the image that was pushed last.
    by_tag: bool,
    moved_tags: bool,
    minimum_age: Duration,
}

/// What chooses.
#[derive(Debug, Clone)]
enum Choice {
    /// No image at all: a service that is deployed to by name only.
    Nothing,
    /// What this tag holds.
    Exact(String),
    /// Names or patterns of tags; the one put last, or the image pushed last.
    Names(Vec<WildMatch>),
    /// A regular expression; the one put last, or the image pushed last.
    Pattern(Regex),
    /// A regular expression; the image whose tag is the highest.
    Ordered { pattern: Regex, by_number: bool },
    /// The highest version of a range.
    Versions {
        range: VersionReq,
        /// Says where in the tag the version is.
        pattern: Option<Regex>,
        pre_releases: bool,
    },
}

/// What tags are compared by. Numbers are without leading zeros, with their lengths, since a tag may hold longer ones
/// than any type.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key<'a> {
    Numbers(Vec<(usize, &'a str)>),
    Text(&'a str),
}

impl<'a> Key<'a> {
    fn numbers(text: &'a str) -> Option<Self> {
        let parts = text.split('.').map(|part| {
            let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            let digits = part.trim_start_matches('0');
            is_number.then_some((digits.len(), digits))
        });
        parts.collect::<Option<Vec<_>>>().map(Self::Numbers)
    }
}

impl ImagePolicy {
    /// Checks the policy and makes it ready to be asked. One without `tags`, `tag_pattern` and `semver`
    /// allows nothing.
    ///
    /// # Errors
    /// [`InvalidPolicy`] for the first field that is wrong.
    pub fn compile(&self) -> Result<Policy, InvalidPolicy> {
        let choice = self.choice()?;
        if matches!(choice, Choice::Exact(_)) && self.order.is_some() {
            return Err(invalid(
                "order",
                "one exact tag is followed wherever it moves: leave this out, or write the tag as a pattern",
            ));
        }
        if matches!(choice, Choice::Exact(_)) && self.moved_tags == Some(false) {
            return Err(invalid(
                "moved_tags",
                "one exact tag is followed wherever it moves: leave this out, or write the tag as a \
                 pattern",
            ));
        }
        let follows_moved_tags = !matches!(choice, Choice::Versions { .. });
        Ok(Policy {
            by_tag: self.goes_by_tag(&choice),
            choice,
            moved_tags: self.moved_tags.unwrap_or(follows_moved_tags),
            minimum_age: Duration::minutes(i64::from(self.minimum_age_minutes)),
        })
    }

    fn goes_by_tag(&self, choice: &Choice) -> bool {
        if !matches!(choice, Choice::Names(_) | Choice::Pattern(_)) {
            return false;
        }
        let mut patterns = self.tags.iter().chain(&self.tag_pattern);
        match self.order {
            Some(order) => order == Order::Tagged,
            None => patterns.all(|pattern| begins_like_a_release(pattern)),
        }
    }

    fn choice(&self) -> Result<Choice, InvalidPolicy> {
        if self.pre_releases && self.semver.is_none() {
            return Err(invalid(
                "pre_releases",
                "it is for `semver` only: leave it out",
            ));
        }
        if let Some(order) = self.order {
            let is_by_time = matches!(order, Order::Tagged | Order::Pushed);
            if self.semver.is_some() {
                return Err(invalid(
                    "order",
                    "`semver` has an order of its own: leave this out",
                ));
            }
            if self.tag_pattern.is_none() && !is_by_time {
                return Err(invalid(
                    "order",
                    "it orders what `tag_pattern` allows: write one, or leave this out",
                ));
            }
            if self.tag_pattern.is_none() && self.tags.is_empty() {
                return Err(invalid(
                    "order",
                    "no tag is allowed: write `tags` or `tag_pattern`, or leave this out",
                ));
            }
        }
        if !self.tags.is_empty() {
            for (field, is_given) in [
                ("tag_pattern", self.tag_pattern.is_some()),
                ("semver", self.semver.is_some()),
            ] {
                if is_given {
                    return Err(invalid(field, "`tags` is given, too: keep one of both"));
                }
            }
            return by_name(&self.tags);
        }
        let pattern = self.tag_pattern.as_deref().map(whole_tag).transpose()?;
        let Some(range) = &self.semver else {
            return match (pattern, self.order) {
                (None, _) => Ok(Choice::Nothing),
                (Some(pattern), None | Some(Order::Tagged | Order::Pushed)) => {
                    Ok(Choice::Pattern(pattern))
                }
                (Some(pattern), Some(Order::Number)) if pattern.captures_len() < 2 => Err(invalid(
                    "tag_pattern",
                    "no group: beside `order: number`, a group says where in the tag the number is, such as \
                     `main-[0-9a-f]+-(?P<number>[0-9]+)`",
                )),
                (Some(pattern), Some(order)) => Ok(Choice::Ordered {
                    pattern,
                    by_number: order == Order::Number,
                }),
            };
        };
        let range = VersionReq::parse(range).map_err(|error| {
            invalid(
                "semver",
                format!("`{range}`: {error}; expected a range such as `>=1.2, <2`"),
            )
        })?;
        if pattern
            .as_ref()
            .is_some_and(|regex| regex.captures_len() < 2)
        {
            return Err(invalid(
                "tag_pattern",
                "no group: beside `semver`, a group says where in the tag the version is, such as \
                 `api-(?P<version>.+)`",
            ));
        }
        Ok(Choice::Versions {
            range,
            pattern,
            pre_releases: self.pre_releases,
        })
    }
}

fn by_name(tags: &[String]) -> Result<Choice, InvalidPolicy> {
    if let Some(tag) = tags.iter().find(|tag| !is_name_or_pattern(tag)) {
        return Err(invalid(
            "tags",
            format!(
                "`{tag}`, expected 1 to 128 letters, digits, `_`, `.` or `-`, with `*` for any part and \
                 `?` for any character"
            ),
        ));
    }
    Ok(match tags {
        [tag] if !tag.contains(['*', '?']) => Choice::Exact(tag.clone()),
        _ => Choice::Names(tags.iter().map(|tag| WildMatch::new(tag)).collect()),
    })
}

fn is_name_or_pattern(tag: &str) -> bool {
    (1..=128).contains(&tag.len())
        && tag.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'*' | b'?')
        })
}

/// `pattern` as a regular expression that only a whole tag matches.
fn whole_tag(pattern: &str) -> Result<Regex, InvalidPolicy> {
    let refused = |reason: String| invalid("tag_pattern", format!("`{pattern}`: {reason}"));
    if pattern.len() > PATTERN_LENGTH {
        return Err(invalid(
            "tag_pattern",
            format!("longer than {PATTERN_LENGTH} characters"),
        ));
    }
    let compile = |text: &str| {
        RegexBuilder::new(text)
            .size_limit(PATTERN_SIZE)
            .build()
            .map_err(|error| refused(error.to_string()))
    };
    // By itself, too: `a)|(b` is none, but would become one between the parentheses.
    compile(pattern)?;
    // The end of a pattern with `(?x)` may be a comment, which a line break ends and which means nothing there. Any
    // other pattern is right without it, and would mean another one with it.
    compile(&format!("^(?:{pattern})$")).or_else(|_| compile(&format!("^(?:{pattern}\n)$")))
}

fn invalid(field: &'static str, reason: impl Into<String>) -> InvalidPolicy {
    InvalidPolicy {
        field,
        reason: reason.into(),
    }
}

impl Policy {
    /// Whether an image may be deployed because it has this tag.
    pub fn allows(&self, tag: &str) -> bool {
        match &self.choice {
            Choice::Nothing => false,
            Choice::Exact(name) => name == tag,
            Choice::Names(names) => names.iter().any(|name| name.matches(tag)),
            Choice::Pattern(pattern) => pattern.is_match(tag),
            Choice::Ordered { .. } => self.key(tag).is_some(),
            Choice::Versions { .. } => self.version(tag).is_some(),
        }
    }

    /// The one tag that is followed wherever it moves.
    pub fn exact_tag(&self) -> Option<&str> {
        match &self.choice {
            Choice::Exact(tag) => Some(tag),
            _ => None,
        }
    }

    /// Of the images that the registry holds, in any order, the one that the policy names.
    pub fn newest<'a>(
        &self,
        images: &'a [RegistryImage],
        now: DateTime<Utc>,
    ) -> Option<&'a RegistryImage> {
        images
            .iter()
            .filter(|image| self.is_old_enough(image, now) && self.allows(&image.tag))
            .max_by(|one, other| self.order(one, other))
    }

    /// Whether `image`, the one that the policy names, is to be deployed after `followed`, the one that it
    /// named last.
    pub fn is_news(&self, image: &RegistryImage, followed: Option<&RegistryImage>) -> bool {
        let Some(followed) = followed else {
            return true;
        };
        if self.by_tag && image.tag != followed.tag && self.allows(&followed.tag) {
            // Also on the same image: it may not be what runs any more.
            return self.order(image, followed).is_gt();
        }
        if image.digest == followed.digest {
            return false;
        }
        if self.exact_tag().is_some() || !self.allows(&followed.tag) {
            return true;
        }
        if image.tag == followed.tag {
            return self.moved_tags;
        }
        self.order(image, followed).is_gt()
    }

    /// Whether `image` takes the place of `followed` as what the policy named last, be it only for when its tag was put.
    pub fn moves_on(&self, image: &RegistryImage, followed: Option<&RegistryImage>) -> bool {
        let is_known_later = |followed: &RegistryImage| {
            self.by_tag
                && image.tag == followed.tag
                && image.digest == followed.digest
                && image.tagged_since() > followed.tagged_since()
        };
        self.is_news(image, followed) || followed.is_some_and(is_known_later)
    }

    /// Whether the tag that was put last is the newest, rather than the image that was pushed last.
    pub fn is_by_tag(&self) -> bool {
        self.by_tag
    }

    /// Whether the image was pushed too short a time ago.
    pub fn is_too_young(&self, image: &RegistryImage, now: DateTime<Utc>) -> bool {
        !self.is_old_enough(image, now)
    }

    fn is_old_enough(&self, image: &RegistryImage, now: DateTime<Utc>) -> bool {
        // Without a minimum, an image may be from the future: clocks differ.
        self.minimum_age.is_zero() || now.signed_duration_since(image.pushed_at) >= self.minimum_age
    }

    /// Whether one image that the policy allows comes after another, whatever else there is.
    pub fn comes_after(&self, image: &RegistryImage, other: &RegistryImage) -> bool {
        self.order(image, other).is_gt()
    }

    /// The order of images that are allowed. It is total: two that are equal in it are the same.
    fn order(&self, one: &RegistryImage, other: &RegistryImage) -> Ordering {
        let versions = match (self.version(&one.tag), self.version(&other.tag)) {
            (Some(one), Some(other)) => one.cmp_precedence(&other),
            _ => self.key(&one.tag).cmp(&self.key(&other.tag)),
        };
        versions.then_with(|| by_time(one, other, self.by_tag))
    }

    /// What a tag is ordered by, if the policy orders tags and this one is allowed.
    fn key<'a>(&self, tag: &'a str) -> Option<Key<'a>> {
        let Choice::Ordered { pattern, by_number } = &self.choice else {
            return None;
        };
        let groups = pattern.captures(tag)?;
        if *by_number {
            let number = groups.name("number").or_else(|| groups.get(1))?;
            return Key::numbers(number.as_str());
        }
        let text = groups.get(1).map_or(tag, |group| group.as_str());
        Some(Key::Text(text))
    }

    /// The version in a tag, if the policy goes by versions and this one is in its range.
    fn version(&self, tag: &str) -> Option<Version> {
        let Choice::Versions {
            range,
            pattern,
            pre_releases,
        } = &self.choice
        else {
            return None;
        };
        let text = match pattern {
            None => tag.strip_prefix('v').unwrap_or(tag),
            Some(pattern) => {
                let groups = pattern.captures(tag)?;
                groups.name("version").or_else(|| groups.get(1))?.as_str()
            }
        };
        Version::parse(text).ok().filter(|version| {
            let release = Version::new(version.major, version.minor, version.patch);
            range.matches(version) || *pre_releases && range.matches(&release)
        })
    }
}

/// By the time of the push, or of the tag; ECR gives whole seconds, within which the numbers in the tag decide.
fn by_time(one: &RegistryImage, other: &RegistryImage, by_tag: bool) -> Ordering {
    let key = |image: &RegistryImage| {
        let Sequence { series, position } = Sequence::of_tag(&image.tag);
        (series, position)
    };
    let time = |image: &RegistryImage| match by_tag {
        true => image.tagged_since(),
        false => image.pushed_at,
    };
    time(one)
        .cmp(&time(other))
        .then_with(|| key(one).cmp(&key(other)))
        .then_with(|| one.tag.cmp(&other.tag))
        .then_with(|| one.digest.as_str().cmp(other.digest.as_str()))
}
