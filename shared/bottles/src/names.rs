//! Names of bottles: in a mirror, in URLs, in the registry.
//!
//! The rules are Homebrew's, of its `bottle.rb`, `github_packages.rb` and `pkg_version.rb` (August 2026).

use std::borrow::Cow;

use crate::formula::Formula;

/// The longest name of a formula, a version or a tag: the registry takes no longer tag of a manifest.
const LONGEST: usize = 128;

/// The version as Homebrew counts it: `stable`, or `stable_revision` when there is a revision.
pub fn package_version(formula: &Formula) -> Cow<'_, str> {
    match formula.revision {
        0 => Cow::Borrowed(&formula.version),
        revision => Cow::Owned(format!("{}_{revision}", formula.version)),
    }
}

/// `name-version.tag.bottle[.rebuild].tar.gz`, in raw characters: a bottle's key in a mirror.
pub fn flat_file(formula: &Formula, tag: &str) -> String {
    FlatFiles::of(formula).name(tag)
}

/// What the names of a formula's files begin with: `name-version`.
pub(crate) fn push_beginning(text: &mut String, formula: &Formula) {
    let version = package_version(formula);
    // With the dot that follows in a file's name.
    text.reserve(formula.name.len() + version.len() + 2);
    text.push_str(&formula.name);
    text.push('-');
    text.push_str(&version);
}

/// The names of a formula's files, which differ in their tags alone.
#[derive(Debug)]
pub(crate) struct FlatFiles {
    /// `name-version.`
    before: String,
    /// `.bottle[.rebuild].tar.gz`
    after: Cow<'static, str>,
}

impl FlatFiles {
    pub(crate) fn of(formula: &Formula) -> Self {
        let mut before = String::new();
        push_beginning(&mut before, formula);
        before.push('.');
        Self {
            before,
            after: match formula.rebuild {
                0 => Cow::Borrowed(".bottle.tar.gz"),
                rebuild => Cow::Owned(format!(".bottle.{rebuild}.tar.gz")),
            },
        }
    }

    pub(crate) fn name(&self, tag: &str) -> String {
        [&*self.before, tag, &*self.after].concat()
    }
}

/// The path of a URL that asks for `key`: `@` is `%40`, `+` is `%2B`, and so is everything else that
/// Homebrew encodes, which leaves letters, digits, `-`, `.`, `_`, `~` and the slashes between.
pub fn url_path(key: &str) -> String {
    let mut path = String::with_capacity(key.len());
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push('%');
            for digit in [byte >> 4, byte & 0xf] {
                path.extend(char::from_digit(u32::from(digit), 16).map(|c| c.to_ascii_uppercase()));
            }
        }
    }
    path
}

/// The image's name in the registry: `@` is `/`, `+` is `x`.
pub fn image(name: &str) -> String {
    let mut image = String::with_capacity(name.len());
    push_image(&mut image, name);
    image
}

/// The image's URL in the registry, where `root_url` is that of all images.
pub(crate) fn image_url(root_url: &str, name: &str) -> String {
    let mut url = String::with_capacity(root_url.len() + 1 + name.len());
    url.push_str(root_url);
    url.push('/');
    push_image(&mut url, name);
    url
}

fn push_image(text: &mut String, name: &str) {
    // Most images are called as their formulae.
    if !name.bytes().any(|byte| matches!(byte, b'@' | b'+')) {
        return text.push_str(name);
    }
    text.extend(name.chars().map(|character| match character {
        '@' => '/',
        '+' => 'x',
        other => other,
    }));
}

/// The tag of a formula's manifest in the registry: `version[-rebuild]`.
pub fn manifest_tag(formula: &Formula) -> Cow<'_, str> {
    let version = package_version(formula);
    match formula.rebuild {
        0 => version,
        rebuild => Cow::Owned(format!("{version}-{rebuild}")),
    }
}

/// The key of a formula's manifest in a mirror, and its path in the registry: `<image>/manifests/<tag>`.
pub(crate) fn manifest_key(formula: &Formula) -> String {
    const MANIFESTS: &str = "/manifests/";
    let tag = manifest_tag(formula);
    let mut key = String::with_capacity(formula.name.len() + MANIFESTS.len() + tag.len());
    push_image(&mut key, &formula.name);
    key.push_str(MANIFESTS);
    key.push_str(&tag);
    key
}

/// The keys that the manifest of a bottle may have, by the bottle's own key, which does not say where its
/// formula's name ends: `a-b-1.0.all.bottle.tar.gz` may be `a-b` 1.0 or `a` b-1.0.
pub(crate) fn manifest_keys(bottle: &str) -> Vec<String> {
    let parts = bottle
        .strip_suffix(".tar.gz")
        .and_then(|rest| rest.rsplit_once(".bottle"))
        .and_then(|(rest, rebuild)| Some((rest.rsplit_once('.')?.0, rebuild)));
    let Some((named, rebuild)) = parts else {
        return Vec::new();
    };
    let rebuild = rebuild.replace('.', "-");
    let dashes = named.match_indices('-').map(|(place, _)| place);
    dashes
        .map(|place| {
            let (name, version) = (&named[..place], &named[place + 1..]);
            format!("{}/manifests/{version}{rebuild}", image(name))
        })
        .collect()
}

/// Refuses a formula's name that would make keys elsewhere than where bottles and their manifests belong.
///
/// # Errors
/// What is wrong with it.
pub fn check_formula(name: &str) -> Result<(), String> {
    check("name", name, |byte| b"@+-._".contains(&byte))?;
    // The parts of the image's name: `a@..` is the image `a/..`.
    let mut parts = name.split('@');
    if matches!(parts.clone().next(), Some("api" | "v2")) {
        return Err(format!("name `{name}` is where a mirror keeps other files"));
    }
    if parts.any(|part| part.is_empty() || part.starts_with('.')) {
        return Err(format!("name `{name}` makes a path that climbs or hides"));
    }
    Ok(())
}

/// Refuses a version that would make keys elsewhere.
///
/// # Errors
/// What is wrong with it.
pub fn check_version(version: &str) -> Result<(), String> {
    check("version", version, |byte| b"+-._~".contains(&byte))
}

/// Refuses a platform tag that would make keys elsewhere.
///
/// # Errors
/// What is wrong with it.
pub fn check_tag(tag: &str) -> Result<(), String> {
    check("platform tag", tag, |byte| byte == b'_')
}

fn check(what: &str, text: &str, is_sign: fn(u8) -> bool) -> Result<(), String> {
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || is_sign(byte));
    if is_plain && !text.is_empty() && text.len() <= LONGEST && !text.starts_with('.') {
        return Ok(());
    }
    let shown = text.escape_default();
    Err(if text.is_empty() {
        format!("{what} is empty")
    } else if text.len() > LONGEST {
        format!("{what} is longer than {LONGEST} bytes")
    } else if text.split(['/', '\\']).any(|part| part == "..") {
        format!("{what} `{shown}` climbs")
    } else if is_plain {
        format!("{what} `{shown}` begins with a dot")
    } else {
        format!("{what} `{shown}` holds characters that no name has")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_manifest_is_among_those_that_its_bottle_s_key_allows() {
        for (bottle, manifest) in [
            (
                "gtk+-2.24.33_2.arm64_linux.bottle.tar.gz",
                "gtkx/manifests/2.24.33_2",
            ),
            (
                "boost@1.85-1.85.0_3.arm64_sequoia.bottle.2.tar.gz",
                "boost/1.85/manifests/1.85.0_3-2",
            ),
            (
                "aws-c-io-0.1-beta.all.bottle.tar.gz",
                "aws-c-io/manifests/0.1-beta",
            ),
        ] {
            let keys = manifest_keys(bottle);
            assert!(keys.iter().any(|key| key == manifest), "{keys:?}");
        }
        assert!(manifest_keys("formula.json").is_empty());
    }

    fn formula(name: &str, version: &str, revision: u32, rebuild: u32) -> Formula {
        Formula {
            name: name.into(),
            version: version.to_owned(),
            revision,
            rebuild,
            root_url: "https://ghcr.io/v2/homebrew/core".into(),
            deprecated: false,
            disabled: false,
            bottles: Vec::new(),
            dependencies: Vec::new(),
        }
    }

    #[test]
    fn a_bottle_is_called_what_brew_asks_for() {
        let tag = "arm64_sequoia";
        let cases = [
            (
                formula("wget", "1.25.0", 0, 0),
                "wget-1.25.0.arm64_sequoia.bottle.tar.gz",
            ),
            (
                formula("boost@1.85", "1.85.0", 3, 2),
                "boost@1.85-1.85.0_3.arm64_sequoia.bottle.2.tar.gz",
            ),
            (
                formula("libsigc++@2", "2.12.1", 0, 0),
                "libsigc++@2-2.12.1.arm64_sequoia.bottle.tar.gz",
            ),
            (
                formula("gtk+", "2.24.33", 2, 0),
                "gtk+-2.24.33_2.arm64_sequoia.bottle.tar.gz",
            ),
            (
                formula("mysql++", "3.3.0", 4, 0),
                "mysql++-3.3.0_4.arm64_sequoia.bottle.tar.gz",
            ),
            (
                formula("crf++", "0.58", 0, 3),
                "crf++-0.58.arm64_sequoia.bottle.3.tar.gz",
            ),
            (
                formula("bloaty", "1.1", 52, 0),
                "bloaty-1.1_52.arm64_sequoia.bottle.tar.gz",
            ),
            (
                formula("tern", "0.24.3", 0, 8),
                "tern-0.24.3.arm64_sequoia.bottle.8.tar.gz",
            ),
            (
                formula("x264", "r3222", 0, 0),
                "x264-r3222.arm64_sequoia.bottle.tar.gz",
            ),
            (
                formula("passt", "2026_07_28.f8df3f1", 0, 0),
                "passt-2026_07_28.f8df3f1.arm64_sequoia.bottle.tar.gz",
            ),
        ];
        for (formula, expected) in cases {
            assert_eq!(flat_file(&formula, tag), expected);
        }
        assert_eq!(
            flat_file(&formula("ca-certificates", "2026-07-16", 0, 0), "all"),
            "ca-certificates-2026-07-16.all.bottle.tar.gz"
        );
    }

    #[test]
    fn a_url_holds_what_the_key_holds_raw() {
        assert_eq!(
            url_path("boost@1.85-1.85.0_3.arm64_sequoia.bottle.2.tar.gz"),
            "boost%401.85-1.85.0_3.arm64_sequoia.bottle.2.tar.gz"
        );
        assert_eq!(
            url_path("libsigc++@2-2.12.1.all.bottle.tar.gz"),
            "libsigc%2B%2B%402-2.12.1.all.bottle.tar.gz"
        );
        assert_eq!(
            url_path("gtkx/manifests/2.24.33_2"),
            "gtkx/manifests/2.24.33_2"
        );
        assert_eq!(url_path("a b%é"), "a%20b%25%C3%A9");
    }

    #[test]
    fn the_registry_has_its_own_names() {
        for (name, expected) in [
            ("wget", "wget"),
            ("boost@1.85", "boost/1.85"),
            ("libsigc++@2", "libsigcxx/2"),
            ("gtk+", "gtkx"),
        ] {
            assert_eq!(image(name), expected);
        }
        assert_eq!(manifest_tag(&formula("wget", "1.25.0", 0, 0)), "1.25.0");
        assert_eq!(
            manifest_tag(&formula("boost@1.85", "1.85.0", 3, 2)),
            "1.85.0_3-2"
        );
        assert_eq!(manifest_tag(&formula("crf++", "0.58", 0, 3)), "0.58-3");
        assert_eq!(manifest_tag(&formula("bloaty", "1.1", 52, 0)), "1.1_52");
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in [
            "",
            ".",
            "..",
            "../wget",
            "a/../b",
            "a\\..\\b",
            "a/b",
            ".longshore",
            ".hidden",
            "api",
            "api@1",
            "v2",
            "v2@homebrew",
            "a@..",
            "a@",
            "@a",
            "a@.b",
            "a b",
            "a\0b",
            "a%2fb",
            "é",
        ] {
            assert!(check_formula(name).is_err(), "{name:?} was accepted");
        }
        for name in [
            "wget",
            "boost@1.85",
            "libsigc++@2",
            "gtk+",
            "api-linter",
            "v2ray",
            "a52dec",
            "2to3",
        ] {
            assert_eq!(check_formula(name), Ok(()), "{name}");
        }
        for version in ["", "..", ".1", "1/2", "../1", "1 2", "1\n"] {
            assert!(check_version(version).is_err(), "{version:?} was accepted");
        }
        for version in ["1.25.0", "r3222", "2026_07_28.f8df3f1", "1.0-rc1", "1..2"] {
            assert_eq!(check_version(version), Ok(()), "{version}");
        }
        for tag in ["", "..", "../all", "a/b", "arm64 tahoe", "0.all"] {
            assert!(check_tag(tag).is_err(), "{tag:?} was accepted");
        }
        for tag in ["all", "arm64_tahoe", "x86_64_linux"] {
            assert_eq!(check_tag(tag), Ok(()), "{tag}");
        }
        assert!(check_version(&"1".repeat(129)).is_err());
    }
}
