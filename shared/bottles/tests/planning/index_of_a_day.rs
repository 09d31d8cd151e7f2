use longshore_bottles::index::{Index, IndexError};
use longshore_bottles::selection::{Selection, wanted};
use serde_json::{Value, json};

use super::read;

const SHA256: &str = "f6895a00c5e039d81af9950d1e22c6012e50d6b8c19b5ad576953d06194ffc41";
const OTHER: &str = "2a959e7d521d6fd47fb598017109de310a72d25939dad660f24083b033155b13";

fn file(image: &str, sha256: &str) -> Value {
    json!({
        "cellar": ":any",
        "url": format!("https://ghcr.io/v2/homebrew/core/{image}/blobs/sha256:{sha256}"),
        "sha256": sha256,
    })
}

/// A formula as the index has them, with the fields that nobody here reads.
fn formula(name: &str, files: Value) -> Value {
    json!({
        "name": name,
        "full_name": name,
        "desc": "Says \"}],{[\" \\ and é",
        "versions": {"stable": "1.0", "head": null, "bottle": true},
        "urls": {"stable": {"url": "https://example.com/a.tar.gz", "revision": null}},
        "revision": 2,
        "bottle": {"stable": {
            "rebuild": 1,
            "root_url": "https://ghcr.io/v2/homebrew/core",
            "files": files,
        }},
        "deprecated": false,
        "disabled": true,
    })
}

fn good() -> Value {
    formula("good", json!({"all": file("good", SHA256)}))
}

fn index_of(entries: &[Value]) -> Result<Index, IndexError> {
    read(serde_json::to_string_pretty(entries).unwrap().as_bytes(), 7)
}

/// Reads an index of a good formula and the given ones; what is refused of it, as it is reported.
fn refused(entries: &[Value]) -> Vec<String> {
    let mut all = vec![good()];
    all.extend_from_slice(entries);
    let index = index_of(&all).unwrap();
    let names: Vec<&str> = index
        .formulae
        .iter()
        .map(|formula| &*formula.name)
        .collect();
    assert!(names.contains(&"good"), "{names:?}");
    let reported = index.refused.iter();
    reported
        .map(|refused| format!("{}: {}", refused.entry, refused.reason))
        .collect()
}

#[test]
fn a_formula_is_read_as_far_as_a_mirror_needs_it() {
    let entries = [
        formula(
            "boost@1.85",
            json!({"sonoma": file("boost/1.85", SHA256), "arm64_big_sur": file("boost/1.85", OTHER)}),
        ),
        json!({"name": "without-bottles", "versions": {"stable": "1"}, "bottle": {}}),
        json!({"name": "without-files", "bottle": {"stable": {"files": {}}}}),
    ];
    let index = index_of(&entries).unwrap();
    assert_eq!(index.bottles, 2);
    assert!(index.refused.is_empty(), "{:?}", index.refused);
    let [boost] = index.formulae.as_slice() else {
        panic!("{:?}", index.formulae);
    };
    assert_eq!(
        (&*boost.name, boost.version.as_str()),
        ("boost@1.85", "1.0")
    );
    assert_eq!((boost.revision, boost.rebuild), (2, 1));
    assert!(boost.disabled && !boost.deprecated);
    let keys: Vec<String> = wanted(&index, &Selection::default())
        .into_iter()
        .map(|bottle| bottle.key)
        .collect();
    assert_eq!(
        keys,
        [
            "boost@1.85-1.0_2.arm64_big_sur.bottle.1.tar.gz",
            "boost@1.85-1.0_2.sonoma.bottle.1.tar.gz",
        ]
    );
}

#[test]
fn the_order_of_the_index_is_kept_because_brew_goes_by_it() {
    let text = format!(
        r#"[{{"name":"a","versions":{{"stable":"1"}},"bottle":{{"stable":{{"files":{{
            "sonoma":{},"ventura":{{"url":7}},"arm64_big_sur":{}}}}}}}}}]"#,
        file("a", SHA256),
        file("a", OTHER)
    );
    let index = read(text.as_bytes(), 64).unwrap();
    let bottles = &index.formulae.first().unwrap().bottles;
    let tags: Vec<&str> = bottles.iter().map(|bottle| &*bottle.tag).collect();
    assert_eq!(tags, ["sonoma", "arm64_big_sur"]);
    assert_eq!((index.bottles, index.refused.len()), (3, 1));
}

#[test]
fn an_index_that_is_none_is_refused_as_a_whole() {
    let good = serde_json::to_string(&[good(), good()]).unwrap();
    let truncated = good.get(..good.len() - 1).unwrap();
    let half = good.get(..good.len() / 2).unwrap();
    let too_long = format!("[{{\"name\":\"{}\"}}]", "a".repeat(5 << 20));
    let deep = format!("[{{\"a\":{}{}}}]", "[".repeat(10_000), "]".repeat(10_000));
    let cases = [
        ("", "the index is empty"),
        (" \n", "the index is empty"),
        (
            "[]",
            "the index names no bottle that can be mirrored; it has 0 entries",
        ),
        (
            "[{}]",
            "the index names no bottle that can be mirrored; it has 1 entries",
        ),
        (
            "<!DOCTYPE html>\n<html>",
            "the index begins with `<`, expected a JSON array",
        ),
        (
            "{\"payload\": \"[]\"}",
            "the index begins with `{`, expected a JSON array",
        ),
        ("null", "the index begins with `n`"),
        ("\u{feff}[]", "the index begins with"),
        ("[", "the index ends early, after 0 entries"),
        (truncated, "the index ends early, after 2 entries"),
        (half, "the index ends early, after"),
        (
            "[1]",
            "after 0 entries the index goes on with `1`, expected a formula",
        ),
        ("[{},]", "after 1 entries the index goes on with `]`"),
        ("[{}{}]", "after 1 entries the index goes on with `{`"),
        ("[,{}]", "after 0 entries the index goes on with `,`"),
        (
            "[{\"name\": }]",
            "entry 1 of the index is not JSON: expected value",
        ),
        ("[{\"name\" \"a\"}]", "entry 1 of the index is not JSON"),
        ("[{]}]", "entry 1 of the index is not JSON"),
        (
            &deep,
            "the index names no bottle that can be mirrored; it has 1 entries",
        ),
        (&too_long, "entry 1 of the index is longer than 4 MB"),
    ];
    for (text, expected) in cases {
        for size in [1 << 20, 1 << 10, 13] {
            let error = read(text.as_bytes(), size).unwrap_err().to_string();
            assert!(
                error.starts_with(expected),
                "expected {expected}, found {error}"
            );
        }
    }
    for garbage in ["]", "x", "[]", "<html>"] {
        let error = read(format!("{good} {garbage}").as_bytes(), 64)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("after the index's end there is"),
            "{garbage}: {error}"
        );
    }
    assert!(read(format!("\n {good} \r\n").as_bytes(), 64).is_ok());
}

#[test]
fn a_bottle_that_cannot_be_trusted_is_refused_and_the_rest_goes_on() {
    let bad = |name: &str, value: Value| {
        let mut bottle = file("wget", SHA256);
        bottle[name] = value;
        formula(
            "wget",
            json!({"sonoma": bottle, "all": file("wget", OTHER)}),
        )
    };
    for (entry, expected) in [
        (bad("url", Value::Null), "wget (sonoma): it has no url"),
        (
            bad("sha256", Value::Null),
            "wget (sonoma): it has no sha256",
        ),
        (
            bad("url", json!(["a"])),
            "wget (sonoma): it is not an object with the texts `url` and `sha256`",
        ),
        (
            bad("sha256", json!(7)),
            "wget (sonoma): it is not an object with the texts `url` and `sha256`",
        ),
        (
            bad("sha256", json!("g".repeat(64))),
            "wget (sonoma): its sha256 is not valid: found `gggg",
        ),
        (
            bad("sha256", json!(SHA256.to_uppercase())),
            "wget (sonoma): its sha256 is not valid",
        ),
        (
            bad("sha256", json!("00")),
            "wget (sonoma): its sha256 is not valid",
        ),
        (bad("url", json!("")), "wget (sonoma): url `` is none"),
        (
            bad("url", json!("https://ghcr.io/v2/../../etc/passwd")),
            "wget (sonoma): url `https://ghcr.io/v2/../../etc/passwd` climbs",
        ),
        (
            bad("url", json!("http://169.254.169.254/latest/meta-data")),
            "wget (sonoma): url `http://169.254.169.254/latest/meta-data` points at a link-local or metadata address",
        ),
        (
            bad("url", json!("http://10.0.0.1/a")),
            "wget (sonoma): url `http://10.0.0.1/a` points at",
        ),
        (
            bad("url", json!("http://ghcr.io/a")),
            "wget (sonoma): url `http://ghcr.io/a` is plain HTTP",
        ),
        (
            bad("url", json!("file:///etc/passwd")),
            "wget (sonoma): url `file:///etc/passwd` has the scheme `file`",
        ),
    ] {
        let reported = refused(&[entry]);
        let [reported] = reported.as_slice() else {
            panic!("{expected}: {reported:?}");
        };
        assert!(
            reported.starts_with(expected),
            "expected {expected}, found {reported}"
        );
    }
}

#[test]
fn a_bad_url_after_good_ones_of_its_host_is_refused_all_the_same() {
    let mut climbing = file("wget", OTHER);
    climbing["url"] = json!("https://ghcr.io/v2/%2e%2e/wget");
    let mut other_host = file("wget", OTHER);
    other_host["url"] = json!("https://ghcr.io@127.0.0.1/v2/wget");
    let reported = refused(&[formula(
        "wget",
        json!({"a": file("wget", SHA256), "b": climbing, "c": other_host}),
    )]);
    assert_eq!(reported.len(), 2, "{reported:?}");
}

#[test]
fn a_name_that_leads_elsewhere_is_refused() {
    let files = json!({"all": file("wget", SHA256)});
    for name in [
        "../wget",
        ".longshore",
        "api",
        "v2",
        "api@1",
        "a/b",
        "a@..",
        "",
        "a\nb",
    ] {
        let reported = refused(&[formula(name, files.clone())]);
        assert_eq!(reported.len(), 1, "{name:?}: {reported:?}");
    }
    let mut entry = formula("wget", files);
    entry["versions"]["stable"] = json!("1/../../2");
    assert_eq!(refused(&[entry]), ["wget: version `1/../../2` climbs"]);
    let entry = formula(
        "wget",
        json!({"../../api/formula": file("wget", SHA256), "sonoma": file("wget", OTHER)}),
    );
    assert_eq!(
        refused(&[entry]),
        ["wget (../../api/formula): platform tag `../../api/formula` climbs"]
    );
}

#[test]
fn a_formula_whose_own_fields_are_wrong_is_refused_with_all_its_bottles_counted() {
    let files = || json!({"all": file("wget", SHA256), "sonoma": file("wget", OTHER)});
    let with = |name: &str, value: Value| {
        let mut entry = formula("wget", files());
        entry[name] = value;
        entry
    };
    for (entry, expected) in [
        (
            with("revision", json!(-1)),
            "wget: invalid value: integer `-1`, expected u32",
        ),
        (
            with("revision", json!("1")),
            "wget: invalid type: string \"1\", expected u32",
        ),
        (
            with("versions", json!({"stable": null})),
            "wget: it has bottles and no stable version",
        ),
        (
            with("name", Value::Null),
            "entry 2: it has bottles and no name",
        ),
        (with("name", json!(7)), "entry 2: invalid type: integer `7`"),
        (
            with("bottle", json!({"stable": {"files": ["all"]}})),
            "wget: invalid type: sequence, expected files by their platform tags",
        ),
    ] {
        let reported = refused(&[entry]);
        let [reported] = reported.as_slice() else {
            panic!("{expected}: {reported:?}");
        };
        assert!(
            reported.starts_with(expected),
            "expected {expected}, found {reported}"
        );
    }
    let index = index_of(&[good(), with("revision", json!("1"))]).unwrap();
    assert_eq!(index.bottles, 3);
}

#[test]
fn one_file_with_two_contents_is_refused_the_second_time() {
    let first = formula("a", json!({"all": file("a", SHA256)}));
    let mut second = formula("a-1.0_2", json!({"all": file("a", OTHER)}));
    assert!(refused(&[first.clone(), second.clone()]).is_empty());
    // `a` of `b-1` is `a-b` of `1`.
    let mut first = first;
    first["versions"]["stable"] = json!("b-1");
    second["name"] = json!("a-b");
    second["versions"]["stable"] = json!("1");
    assert_eq!(
        refused(&[first.clone(), second.clone()]),
        [
            "a-b (all): an earlier entry names the same file `a-b-1_2.all.bottle.1.tar.gz` with another sha256"
        ]
    );
    // The same content is not a contradiction, and neither is another rebuild.
    second["bottle"]["stable"]["files"]["all"] = file("a", SHA256);
    assert!(refused(&[first.clone(), second.clone()]).is_empty());
    second["bottle"]["stable"]["files"]["all"] = file("a", OTHER);
    second["bottle"]["stable"]["rebuild"] = json!(2);
    assert!(refused(&[first, second]).is_empty());
    let twice = format!(
        r#"[{{"name":"a","versions":{{"stable":"1"}},"bottle":{{"stable":{{"files":{{"all":{},"all":{}}}}}}}}}]"#,
        file("a", SHA256),
        file("a", OTHER)
    );
    let index = read(twice.as_bytes(), 64).unwrap();
    assert_eq!(index.refused.len(), 1);
    assert_eq!(index.formulae.first().unwrap().bottles.len(), 1);
}

#[test]
fn an_index_of_which_nothing_is_left_is_not_an_empty_one() {
    let mut bottle = file("wget", SHA256);
    bottle["sha256"] = json!("");
    let error = index_of(&[formula("wget", json!({"all": bottle}))]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the index names no bottle that can be mirrored; all are refused, as wget (all): its sha256 is not valid: \
         found ``, expected 64 lowercase hexadecimal digits"
    );
}

#[test]
fn what_is_of_another_kind_is_reported_without_names_of_this_program() {
    for (field, value) in [
        ("versions", json!("1.0")),
        ("bottle", json!("none")),
        ("bottle", json!({"stable": 7})),
    ] {
        let mut odd = formula("odd", json!({"all": file("odd", OTHER)}));
        odd[field] = value;
        let index = index_of(&[odd, good()]).unwrap();
        let [refused] = index.refused.as_slice() else {
            panic!("{:?}", index.refused);
        };
        assert!(
            !refused.reason.contains("Raw") && !refused.reason.contains("struct"),
            "{refused:?}"
        );
        assert!(refused.reason.contains("object"), "{refused:?}");
    }
}

#[test]
fn a_hundred_thousand_entries_of_one_name_are_read_in_the_time_of_any_others() {
    let read_all = |name: &dyn Fn(usize) -> String| {
        let mut index = String::from("[");
        for number in 0..100_000 {
            if number > 0 {
                index.push(',');
            }
            let entry = json!({
                "name": name(number),
                "versions": {"stable": "1.0"},
                "bottle": {"stable": {"root_url": "https://ghcr.io/v2/homebrew/core", "files": {
                    format!("tag{number}"): file("wget", &format!("{number:064x}")),
                }}},
            });
            index.push_str(&entry.to_string());
        }
        index.push(']');
        let begin = std::time::Instant::now();
        let index = read(index.as_bytes(), 64 << 10).unwrap();
        assert_eq!(index.formulae.len(), 100_000);
        begin.elapsed()
    };
    let others = read_all(&|number| format!("wget{number}"));
    let one = read_all(&|_| "wget".to_owned());
    // Quadratic, it takes hundreds of times as long.
    assert!(one < others * 20, "{one:?}, others {others:?}");
}

#[test]
fn the_platforms_of_an_index_are_those_of_its_bottles_and_of_its_variations() {
    let mut varied = formula(
        "varied",
        json!({"arm64_lost_coast": file("varied", SHA256)}),
    );
    varied["variations"] = json!({"x86_64_linux": {"dependencies": ["glibc"]}, "lost_coast": {}});
    varied["dependencies"] = json!(["openssl@3"]);
    varied["uses_from_macos"] = json!(["zlib", {"python": "build"}]);
    let mut bottleless = json!({"name": "none", "bottle": {}});
    bottleless["variations"] = json!({"riscv64_linux": {}, "../climbs": {}});
    let mut odd = formula("odd", json!({"all": file("odd", OTHER)}));
    odd["variations"] = json!([1, {"a": 2}]);
    let index = index_of(&[bottleless, odd, varied]).unwrap();
    assert!(index.refused.is_empty(), "{:?}", index.refused);
    let platforms: Vec<&str> = index.platforms.iter().map(String::as_str).collect();
    assert_eq!(
        platforms,
        [
            "all",
            "arm64_lost_coast",
            "lost_coast",
            "riscv64_linux",
            "x86_64_linux"
        ]
    );
    let varied = index
        .formulae
        .iter()
        .find(|formula| &*formula.name == "varied")
        .unwrap();
    assert_eq!(varied.dependencies, ["openssl@3", "zlib", "glibc"]);
}

#[test]
fn bytes_that_are_no_utf_8_matter_only_in_what_a_mirror_needs_and_in_whatever_pieces_they_come() {
    let entries = [
        good(),
        formula("odd", json!({"all": file("odd", OTHER)})),
        formula("next", json!({"all": file("next", OTHER)})),
    ];
    let text = serde_json::to_string(&entries).unwrap();
    let expected = read(text.as_bytes(), text.len()).unwrap();
    let spoilt = |found: &str| -> Vec<u8> {
        let place = text.rfind(found).unwrap();
        let mut bytes = text.clone().into_bytes();
        bytes[place] = 0xff;
        bytes
    };
    let (of_description, of_name) = (spoilt("and \u{e9}"), spoilt("odd\",\"revision"));
    for size in [1, 7, 1_000, text.len()] {
        assert_eq!(read(&of_description, size), Ok(expected.clone()), "{size}");
        let error = read(&of_name, size).unwrap_err().to_string();
        assert!(
            error.starts_with("entry 2 of the index is not JSON: invalid unicode code point"),
            "{size}: {error}"
        );
    }
}
