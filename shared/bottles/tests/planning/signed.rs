use longshore_bottles::index::digest;
use longshore_bottles::platforms::Platforms;
use longshore_bottles::selection::{Selection, wanted};
use longshore_bottles::signed::{Generation, SIGNED_INDEX};
use serde_json::{Value, json};

use super::read;

fn index(content: u32) -> String {
    let formula = |number: u32| {
        let sha256 = format!("{:064x}", number + content);
        json!({
            "name": format!("formula-{number}@1"),
            "desc": "Zürich \"é\" \u{1f600} \\ /",
            "versions": {"stable": "1.0"},
            "bottle": {"stable": {"root_url": "https://ghcr.io/v2/homebrew/core", "files": {
                "arm64_tahoe": {"url": format!("https://ghcr.io/v2/homebrew/core/formula-{number}/1/blobs/sha256:{sha256}"), "sha256": sha256},
            }}},
        })
    };
    Value::Array((0..300).map(formula).collect()).to_string()
}

fn signed(payload: &str) -> Vec<u8> {
    let signature = json!({"protected": "eyJhbGciOiJQUzUxMiJ9", "header": {"kid": "homebrew-1"}, "signature": "a]}\"b"});
    serde_json::to_vec_pretty(&json!({"payload": payload, "signatures": [signature]})).unwrap()
}

fn checked(file: &[u8]) -> Result<(), String> {
    checked_as(SIGNED_INDEX, file, &Selection::default())
}

fn checked_as(name: &str, file: &[u8], selection: &Selection) -> Result<(), String> {
    let text = index(0);
    let index = read(text.as_bytes(), 1 << 16).unwrap();
    let generation = Generation {
        index: &index,
        sha256: &digest(text.as_bytes()),
        platforms: &Platforms::of(&index),
        selection,
        private_hosts: &[],
        wanted: &wanted(&index, selection),
    };
    generation.check(name, file)
}

#[test]
fn the_signed_index_of_the_same_day_is_accepted_however_it_is_written() {
    assert_eq!(checked(&signed(&index(0))), Ok(()));
    // Signatures first, and characters escaped that need not be.
    let payload = serde_json::to_string(&index(0))
        .unwrap()
        .replace('/', "\\/")
        .replace('é', "\\u00e9")
        .replace('\u{1f600}', "\\ud83d\\ude00");
    let file = format!("{{\"signatures\":[{{\"signature\":\"\"}}],\"payload\":{payload}}}\n");
    assert_eq!(checked(file.as_bytes()), Ok(()));
    // The same said in other bytes.
    let index: Value = serde_json::from_str(&index(0)).unwrap();
    let pretty = serde_json::to_string_pretty(&index).unwrap();
    assert_eq!(checked(&signed(&pretty)), Ok(()));
}

#[test]
fn a_signed_index_that_names_what_the_mirror_lacks_is_refused() {
    let error = checked(&signed(&index(1))).unwrap_err();
    let sha256 = format!("{:064x}", 1);
    assert_eq!(
        error,
        format!(
            "it is of another generation than the index: it names \
             `formula-0@1-1.0.arm64_tahoe.bottle.tar.gz` with sha256 {sha256}"
        )
    );
    // What the selection leaves out, clients of this mirror do not ask for.
    let selection = Selection {
        platforms: vec!["x86_64_linux".to_owned()],
        ..Selection::default()
    };
    assert_eq!(
        checked_as(SIGNED_INDEX, &signed(&index(1)), &selection),
        Ok(())
    );
}

#[test]
fn what_is_not_a_signed_index_is_refused() {
    let whole = signed(&index(0));
    let cut = whole.get(..whole.len() / 2).unwrap();
    let index = index(0);
    let cases: [(&[u8], &str); 10] = [
        (b"", "it is not a signed file: it is not a JSON object"),
        (
            index.as_bytes(),
            "it is not a signed file: it is not a JSON object",
        ),
        (
            b"<html>",
            "it is not a signed file: it is not a JSON object",
        ),
        (cut, "it is not a signed file: it ends early"),
        (
            b"{\"payload\":\"[]\"}",
            "it is not a signed file: it has no signatures",
        ),
        (
            b"{\"payload\":\"[]\",\"signatures\":[]}",
            "it is not a signed file: it has no signatures",
        ),
        (
            b"{\"payload\":[],\"signatures\":[{}]}",
            "it is not a signed file: it has no payload",
        ),
        (
            b"{\"payload\":\"\",\"signatures\":[{}]}",
            "its payload is not an index: the index is empty",
        ),
        (
            b"{\"payload\":\"[{\\\"a\\\"\",\"signatures\":[{}]}",
            "its payload is not an index: the index ends early",
        ),
        (
            b"{\"payload\":\"\\x\",\"signatures\":[{}]}",
            "its payload holds an invalid escape",
        ),
    ];
    for (file, expected) in cases {
        let error = checked(file).unwrap_err();
        assert!(
            error.starts_with(expected),
            "expected {expected}, found {error}"
        );
    }
    let mut longer = whole;
    longer.push(b'x');
    assert!(
        checked(&longer)
            .unwrap_err()
            .contains("does not end as an object ends")
    );
}

#[test]
fn a_file_of_packages_of_the_same_day_is_accepted_in_every_form_that_brew_has_written() {
    let digest = |number: u32| format!("{number:064x}");
    let file = "internal/packages.arm64_tahoe.jws.json";
    let checked = |formulae: Value| {
        let payload = json!({"formulae": formulae, "casks": {}}).to_string();
        checked_as(file, &signed(&payload), &Selection::default())
    };
    for (field, of) in [
        ("bottle_checksum", json!(digest(7))),
        (
            "bottle_checksums",
            json!([{"cellar": "any", "arm64_tahoe": digest(7)}]),
        ),
        ("bottle", json!({"rebuild": 1, "checksum": digest(7)})),
        (
            "bottle",
            json!({"stable": {"files": {"arm64_tahoe": {"sha256": digest(7)}}}}),
        ),
        ("desc", json!(digest(9))),
    ] {
        assert_eq!(
            checked(json!({"formula-7@1": {field: of}})),
            Ok(()),
            "{field}"
        );
        let other = checked(json!({"formula-8@1": {field: of}}));
        match field {
            "desc" => assert_eq!(other, Ok(())),
            _ => assert!(other.unwrap_err().contains("another generation"), "{field}"),
        }
    }
    // A formula without bottles is none of the index's.
    assert_eq!(
        checked(json!({"elsewhere": {"stable_version": "1"}})),
        Ok(())
    );
    // Neither does the reader of the index take these.
    for name in ["", "../up", "a b"] {
        assert_eq!(
            checked(json!({name: {"bottle_checksum": digest(1)}})),
            Ok(()),
            "{name}"
        );
    }
    let new = checked(json!({"elsewhere": {"bottle_checksum": digest(1)}})).unwrap_err();
    assert!(new.contains("names a bottle of `elsewhere`"), "{new}");
}

#[test]
fn what_is_not_an_index_file_is_never_taken_for_one() {
    let html = b"<html>502 Bad Gateway</html>".as_slice();
    let whole = signed("[{\"token\":\"firefox\"}]");
    let cut = whole.get(..whole.len() - 20).unwrap();
    for file in [
        "cask.jws.json",
        "cask_tap_migrations.jws.json",
        "internal/packages.sonoma.jws.json",
        "internal/executables.txt",
    ] {
        for body in [
            b"".as_slice(),
            html,
            b"[]",
            cut,
            &signed("<html>"),
            &signed(""),
        ] {
            let checked = checked_as(file, body, &Selection::default());
            assert!(
                checked.is_err(),
                "{file}: {}",
                String::from_utf8_lossy(body)
            );
        }
    }
    assert_eq!(
        checked_as("cask.jws.json", &whole, &Selection::default()),
        Ok(())
    );
    let lines = b"wget:wget\nopenssl@3(3.5.1):openssl c_rehash\n";
    let executables = checked_as("internal/executables.txt", lines, &Selection::default());
    assert_eq!(executables, Ok(()));
}
