//! The examples of docs/coming-from.md are what `init` makes. `UPDATE_EXAMPLES=1` writes them.

use std::fs;
use std::path::PathBuf;

use longshore_init::{File, from_files};

use crate::support::parameters;

/// What begins a stack file among the blocks of the document.
const MADE: &str = "# Made by `longshore init`";

fn made_from(blocks: &[String]) -> String {
    let plan = include_str!("../inputs/terraform/plan.json").to_owned();
    let blocks = match blocks {
        [] => vec![plan],
        blocks => blocks.to_vec(),
    };
    let files: Vec<File<'_>> = blocks
        .iter()
        .map(|block| File {
            name: "example",
            content: block.as_bytes(),
        })
        .collect();
    match from_files(&files, "shop", &parameters()) {
        Ok(file) => file.text,
        Err(error) => panic!("{error}\n{}", blocks.join("\n---\n")),
    }
}

#[test]
fn the_examples_of_the_document_are_what_init_makes() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = root.join("docs/coming-from.md");
    let document = fs::read_to_string(&path).unwrap();
    let mut expected = String::new();
    let mut sources = Vec::new();
    let mut examples = 0;
    let mut parts = document.split("```");
    expected.push_str(parts.next().unwrap());
    while let Some(block) = parts.next() {
        let (kind, content) = block.split_once('\n').unwrap();
        expected.push_str(&format!("```{kind}\n"));
        if content.starts_with(MADE) {
            expected.push_str(&made_from(&sources));
            sources.clear();
            examples += 1;
        } else {
            if ["yaml", "json"].contains(&kind) {
                sources.push(content.to_owned());
            }
            expected.push_str(content);
        }
        expected.push_str("```");
        expected.push_str(parts.next().unwrap());
    }
    assert_eq!(examples, 4);
    if std::env::var_os("UPDATE_EXAMPLES").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    assert!(
        document == expected || std::env::var_os("UPDATE_EXAMPLES").is_some(),
        "the examples are not what `init` makes: UPDATE_EXAMPLES=1 cargo test -p longshore-init --test document"
    );
}
