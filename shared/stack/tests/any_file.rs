//! What holds for any file at all, and for mutations of good ones.

use std::fs;
use std::path::PathBuf;

use longshore_events::longshore::{Problem, Severity};
use longshore_stack::read::{Selection, environments, read, read_value};
use proptest::prelude::*;

// Clippy takes the functions beside `#[test]` functions for tests only when it is configured so.
/// The stack files of this repository.
#[cfg(test)]
fn files() -> Vec<(String, String)> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../stacks");
    let mut files: Vec<(String, String)> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .map(|path| {
            (
                path.display().to_string(),
                fs::read_to_string(path).unwrap(),
            )
        })
        .collect();
    files.sort();
    assert!(files.len() >= 5);
    files
}

/// The problems of every environment of a file.
fn problems(text: &str) -> Vec<Problem> {
    let mut selected: Vec<Option<String>> = environments(text.as_bytes())
        .into_iter()
        .map(Some)
        .collect();
    if selected.is_empty() {
        selected.push(None);
    }
    selected
        .iter()
        .flat_map(|environment| {
            match read(
                text.as_bytes(),
                &Selection::Environment(environment.as_deref()),
            ) {
                Ok(reading) => reading.warnings,
                Err(problems) => problems,
            }
        })
        .collect()
}

/// What no file may bring about: problems without words, or in words of the libraries.
fn assert_reported(text: &str) {
    for problem in problems(text) {
        let message = &problem.message;
        let library = [
            "invalid type",
            "missing field",
            "unknown variant",
            "unknown field",
            "expected struct",
        ];
        assert!(!message.is_empty(), "{text}");
        assert!(
            !library.iter().any(|words| message.contains(words)),
            "{message}\n{text}"
        );
        assert_eq!(problem.line.is_some(), problem.column.is_some());
        if let (Some(line), Some(column)) = (problem.line, problem.column) {
            let lines = text.split('\n').count() as u32;
            assert!(
                line >= 1 && column >= 1 && line <= lines + 1,
                "{problem:?}\n{text}"
            );
        }
    }
}

#[test]
fn the_stack_files_of_this_repository_have_no_problem_but_the_tags_and_instances_of_their_seeds() {
    for (path, text) in files() {
        for problem in problems(&text) {
            assert!(
                problem.severity == Severity::Warning
                    && (problem.message.starts_with("`latest` is another image")
                        || problem
                            .message
                            .starts_with("each task has a network interface")),
                "{path}: {problem:#?}"
            );
        }
    }
}

/// The indentation of a line that begins with a key in a block, and how many columns are before the key.
fn key_of(line: &str) -> Option<(usize, &str)> {
    let trimmed = line.trim_start();
    let (key, _) = trimmed.split_once(':')?;
    let is_key = !key.is_empty()
        && key
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    is_key.then_some((line.len() - trimmed.len(), key))
}

#[test]
fn a_key_that_is_misspelt_is_reported_at_its_line_and_column_wherever_it_is() {
    let mut reported = 0;
    for (path, text) in files() {
        let lines: Vec<&str> = text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let Some((indentation, key)) = key_of(line) else {
                continue;
            };
            let mut changed: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            changed[index] = line.replacen(key, "zebra", 1);
            let found = problems(&changed.join("\n"));
            let unknown: Vec<&Problem> = found
                .iter()
                .filter(|problem| problem.message.starts_with("there is no such key"))
                .collect();
            // Some keys are names that whoever writes the file chooses.
            reported += usize::from(!unknown.is_empty());
            for problem in unknown {
                let place = (
                    problem.line.unwrap() as usize,
                    problem.column.unwrap() as usize,
                );
                assert_eq!(place, (index + 1, indentation + 1), "{path}: {problem:#?}");
                assert_eq!(problem.value.as_deref(), Some("zebra"));
            }
        }
    }
    assert!(reported > 100, "only {reported} keys were reported");
}

#[test]
fn a_value_of_the_wrong_kind_is_reported_at_its_line_and_column_wherever_it_is() {
    let mut reported = 0;
    for (path, text) in files() {
        let lines: Vec<&str> = text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let Some((indentation, key)) = key_of(line) else {
                continue;
            };
            let value = line.trim_start()[key.len() + 1..].trim_start();
            if value.is_empty() || value.starts_with('{') {
                continue;
            }
            let mut changed: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            changed[index] = format!("{}{key}: {{zebra: 1}}", " ".repeat(indentation));
            let found = problems(&changed.join("\n"));
            let wrong: Vec<&Problem> = found
                .iter()
                .filter(|problem| problem.message.starts_with("this is a map"))
                .collect();
            reported += usize::from(!wrong.is_empty());
            for problem in wrong {
                let place = (
                    problem.line.unwrap() as usize,
                    problem.column.unwrap() as usize,
                );
                assert_eq!(place, (index + 1, indentation + 1), "{path}: {problem:#?}");
                assert!(problem.path.ends_with(key), "{path}: {problem:#?}");
            }
        }
    }
    assert!(reported > 60, "only {reported} values were reported");
}

/// Bits of YAML and of stack files, which make something when they come together.
fn bit() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "\n",
        "\n  ",
        "\n    ",
        ": ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "&a ",
        "*a",
        "<<: ",
        "#",
        "|",
        ">",
        "\"",
        "'",
        "? ",
        "!!str ",
        "!x ",
        "~",
        "null",
        "true",
        "0",
        "-1",
        "1e9",
        ".inf",
        "${stack}",
        "${environment}",
        "$${",
        "${",
        "name",
        "network",
        "services",
        "api",
        "environments",
        "prod",
        "image",
        "shop/api:v1",
        "cpu",
        "secrets",
        "environment",
        "value",
        "scaling",
        "target_group",
        "---\n",
        "...",
        "\t",
        "\u{feff}",
        "é",
    ])
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        "[a-z${}:]{0,8}".prop_map(Into::into),
    ];
    let key = prop::sample::select(vec![
        "name",
        "network",
        "services",
        "api",
        "image",
        "cpu",
        "environments",
        "prod",
        "vpc_id",
        "subnet_ids",
        "load_balancer",
        "capacity",
        "main",
        "secrets",
        "value",
        "tags",
        "scaling",
        "mount_points",
    ]);
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes, &Selection::Environment(None));
    }

    #[test]
    fn any_bits_of_yaml_are_read_or_refused_in_our_words(bits in prop::collection::vec(bit(), 0..60)) {
        assert_reported(&bits.concat());
    }

    #[test]
    fn any_payload_is_read_or_refused_in_our_words(payload in any_json()) {
        if let Err(problems) = read_value(&payload, &Selection::Environment(None)) {
            for problem in problems {
                prop_assert_eq!(problem.line, None);
                prop_assert!(!problem.message.contains("invalid type"), "{}", problem.message);
            }
        }
    }

    #[test]
    fn good_files_with_a_bit_exchanged_are_read_or_refused_in_our_words(
        file in 0..5_usize,
        place in any::<prop::sample::Index>(),
        length in 0..12_usize,
        bit in bit(),
    ) {
        let (_, text) = &files()[file];
        let characters: Vec<char> = text.chars().collect();
        let start = place.index(characters.len());
        let end = (start + length).min(characters.len());
        let mut changed: String = characters[..start].iter().collect();
        changed.push_str(bit);
        changed.extend(&characters[end..]);
        assert_reported(&changed);
    }
}
