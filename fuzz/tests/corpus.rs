//! What `cargo xtask fuzz` found, and the samples that it began with, are read as every test is run.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use longshore_fuzz::{TARGETS, run};

/// A file, or the files of a folder.
#[cfg(test)]
fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

// One test, since memory is limited for the whole process.
#[test]
fn every_input_that_was_found_is_read_or_refused_within_its_bounds() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut broken = Vec::new();
    for target in TARGETS {
        let corpus = here.join("corpus").join(target.name);
        let corpus = corpus.is_dir().then_some(corpus);
        let seeds = target.seeds.iter().map(|seed| here.join("..").join(seed));
        for file in seeds.chain(corpus).flat_map(|path| files(&path)) {
            if file.is_dir() {
                continue;
            }
            let data = fs::read(&file).unwrap();
            if catch_unwind(AssertUnwindSafe(|| run(target, &data))).is_err() {
                broken.push(format!("{}: {}", target.name, file.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_folder_of_the_corpus_is_a_targets() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in files(&here.join("corpus")) {
        let name = folder.file_name().unwrap();
        assert!(
            TARGETS.iter().any(|target| target.name == name),
            "{} is of no target",
            folder.display()
        );
    }
}
