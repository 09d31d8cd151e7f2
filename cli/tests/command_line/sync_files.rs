//! What `longshore sync` says of files, without asking anybody.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Output;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::longshore;

/// A folder of a test's own, which goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("longshore-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes a file and gives its path.
    fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs the program without any configuration.
fn run(arguments: &[&str]) -> Output {
    longshore().args(arguments).env_clear().output().unwrap()
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn formula(name: &str, revision: u32, tags: &[&str]) -> Value {
    let files: serde_json::Map<String, Value> = tags
        .iter()
        .map(|tag| {
            let sha256 = format!(
                "{:064x}",
                name.len() * 100 + tag.len() * 10 + revision as usize
            );
            let url = format!("https://ghcr.io/v2/homebrew/core/{name}/blobs/sha256:{sha256}");
            ((*tag).to_owned(), json!({"url": url, "sha256": sha256}))
        })
        .collect();
    json!({
        "name": name,
        "versions": {"stable": "1.0"},
        "revision": revision,
        "bottle": {"stable": {"root_url": "https://ghcr.io/v2/homebrew/core", "files": files}},
        "deprecated": name == "old",
        "disabled": false,
    })
}

fn index(entries: &[Value]) -> Vec<u8> {
    serde_json::to_vec(entries).unwrap()
}

fn packed(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_plan_from_files_reports_what_is_new_removed_and_unchanged() {
    let folder = Folder::new("plan");
    let before = index(&[
        formula("gtk+", 0, &["arm64_tahoe", "x86_64_linux"]),
        formula("old", 0, &["all"]),
        formula("wget", 0, &["arm64_tahoe"]),
    ]);
    let mut bad = formula("wget", 0, &["arm64_tahoe", "sonoma"]);
    bad["bottle"]["stable"]["files"]["sonoma"]["url"] = json!("http://10.0.0.1/a");
    let after = index(&[
        formula("gtk+", 1, &["arm64_tahoe", "x86_64_linux"]),
        formula("old", 0, &["all"]),
        bad,
    ]);
    let before = folder.file("before.json.gz", &packed(&before));
    let after = folder.file("after.json", &after);

    let inventory = printed(&run(&["sync", "inventory", "--index", &before]));
    let lines: Vec<Value> = inventory
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let keys: Vec<&str> = lines
        .iter()
        .filter_map(|line| line["key"].as_str())
        .collect();
    assert_eq!(
        keys,
        [
            "gtk+-1.0.arm64_tahoe.bottle.tar.gz",
            "gtk+-1.0.x86_64_linux.bottle.tar.gz",
            "old-1.0.all.bottle.tar.gz",
            "wget-1.0.arm64_tahoe.bottle.tar.gz",
        ]
    );
    assert_eq!(lines[0]["sha256"], format!("{:064x}", 510));
    assert_eq!(lines[0]["estimated"], true);
    assert!(lines[0]["size"].is_u64());

    let inventory = folder.file("inventory.jsonl", inventory.as_bytes());
    let files = ["sync", "plan", "--index", &after, "--inventory", &inventory];
    let plan = |arguments: &[&str]| -> Value {
        let all = [files.as_slice(), &["--output", "json"], arguments].concat();
        serde_json::from_str(&printed(&run(&all))).unwrap()
    };
    let all = plan(&[]);
    assert_eq!(all["new"]["files"], 2);
    assert_eq!(all["new"]["bytes"], all["new"]["estimated_bytes"]);
    assert_eq!(all["removed"]["files"], 2);
    assert_eq!(all["unchanged"]["files"], 2);
    assert_eq!(all["by_platform"]["x86_64_linux"]["files"], 1);
    assert_eq!(all["refused"][0]["entry"], "wget (sonoma)");
    assert_eq!(all["runs_on"]["kind"], "function");
    assert_eq!(all["warnings"], json!([]));

    let some = plan(&[
        "--platform",
        "tahoe",
        "--platform",
        "arm64_tahoe",
        "--formula",
        "g*",
        "--formula",
        "none",
    ]);
    assert_eq!(some["new"]["files"], 1);
    assert_eq!(some["removed"]["files"], 4);
    assert_eq!(some["warnings"].as_array().unwrap().len(), 1, "{some}");
    assert_eq!(plan(&["--exclude-deprecated"])["unchanged"]["files"], 1);

    let text = printed(&run(&files));
    for expected in [
        "new:       2 files",
        "removed:   2 files",
        "unchanged: 2 files",
        "wget (sonoma): url",
    ] {
        assert!(text.contains(expected), "{text}");
    }
    // A complete sync leaves nothing to do.
    let complete = printed(&run(&["sync", "inventory", "--index", &after]));
    let complete = folder.file("complete.jsonl.gz", &packed(complete.as_bytes()));
    let nothing = printed(&run(&[
        "sync",
        "plan",
        "--index",
        &after,
        "--inventory",
        &complete,
        "--output",
        "json",
    ]));
    let nothing: Value = serde_json::from_str(&nothing).unwrap();
    assert_eq!(
        (&nothing["new"]["files"], &nothing["removed"]["files"]),
        (&json!(0), &json!(0))
    );
}

#[test]
fn files_that_are_not_what_they_should_be_are_refused_and_nothing_is_printed() {
    let folder = Folder::new("refused");
    let whole = index(&[formula("gtk+", 0, &["all"]), formula("wget", 0, &["all"])]);
    let good = folder.file("good.json", &whole);
    let empty = folder.file("empty", b"");
    let held: String = ('a'..='z')
        .map(|name| {
            let line = json!({"key": format!("{name}-1.0.all.bottle.tar.gz"), "sha256": "0".repeat(64), "size": 1});
            format!("{line}\n")
        })
        .collect();
    let held = folder.file("held.jsonl", held.as_bytes());
    let packed = packed(&whole);
    for (index, inventory, expected) in [
        (
            "/nonexistent/formula.json",
            empty.as_str(),
            "read /nonexistent/formula.json: No such file",
        ),
        (
            &good,
            "/nonexistent/inventory",
            "read /nonexistent/inventory: No such file",
        ),
        (
            &empty,
            &empty,
            "empty cannot be used as an index: the index is empty",
        ),
        (
            &folder.file("none", b"[]"),
            &empty,
            "the index names no bottle that can be mirrored",
        ),
        (
            &folder.file("html", b"<html>"),
            &empty,
            "the index begins with `<`, expected a JSON array",
        ),
        (
            &folder.file("cut", &whole[..whole.len() - 5]),
            &empty,
            "the index ends early, after 2 entries",
        ),
        (
            &folder.file("cut.gz", &packed[..packed.len() - 20]),
            &empty,
            "cut.gz",
        ),
        (&good, &good, "good.json is not an inventory: line 1: "),
        (
            &good,
            &held,
            "good.json is not to be trusted: it names 2 bottles, the mirror holds 26 files",
        ),
    ] {
        let output = run(&[
            "sync",
            "plan",
            "--index",
            index,
            "--inventory",
            inventory,
            "--output",
            "json",
        ]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.starts_with("error: ") && said.contains(expected),
            "expected {expected}: {said}"
        );
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        let error = answer["error"].as_str().unwrap();
        assert!(error.contains(expected), "{error}");
    }
    let output = run(&["sync", "inventory", "--index", &empty]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
}
