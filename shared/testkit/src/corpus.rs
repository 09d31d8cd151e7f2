use std::fs;
use std::path::Path;

use futures_util::FutureExt;
use longshore_state::{CallError, DocumentStore, Key, WriteCondition, load, save};
use serde_json::Value;

use crate::documents::Bucket;

/// Reads every document of a kind that any version of Longshore wrote, `corpus/format-<n>/<kind>/*.json`, writes each
/// back, and gives them. What an older format is migrated to stands under the same name in the newer format's folder.
///
/// # Panics
/// When a document cannot be read, or its rewrite is not the document, or the newer format's document of that name;
/// when there is none of that kind.
pub fn read_corpus<K: Key>(corpus: &Path, kind: &str, key: &K) -> Vec<K::Document> {
    let mut documents = Vec::new();
    for format in entries(corpus) {
        for file in entries(&format.join(kind)) {
            documents.push(read_one(corpus, kind, &file, key));
        }
    }
    assert!(
        !documents.is_empty(),
        "no {kind} below {}",
        corpus.display()
    );
    documents
}

fn read_one<K: Key>(corpus: &Path, kind: &str, file: &Path, key: &K) -> K::Document {
    let shown = file.display();
    let body = fs::read(file).unwrap_or_else(|error| panic!("{shown}: {error}"));
    let bucket = Bucket::default();
    let address = key.address();
    let document = async {
        bucket
            .write_document(&address, body.clone(), WriteCondition::IsFirst)
            .await?;
        let stored = load(&bucket, key).await?;
        let (document, version) = stored.unwrap_or_else(|| panic!("{shown} is not there"));
        save(&bucket, key, &document, Some(&version)).await?;
        Ok::<_, CallError>(document)
    };
    let document = match document.now_or_never() {
        Some(Ok(document)) => document,
        Some(Err(error)) => panic!("{shown}: {error}"),
        None => panic!("{shown}: a bucket in memory waits for nothing"),
    };
    let rewritten = bucket.objects().read(&address);
    let rewritten = rewritten.map(|(body, _)| body).unwrap_or_default();
    let rewritten = without_version(&rewritten);
    let format = &rewritten["format_version"];
    let expected = corpus.join(format!("format-{format}")).join(kind);
    let expected = expected.join(file.file_name().unwrap_or_default());
    let expected =
        fs::read(&expected).unwrap_or_else(|error| panic!("{}: {error}", expected.display()));
    assert_eq!(rewritten, without_version(&expected), "{shown}");
    document
}

/// Which version of Longshore wrote a document last is the one member that a rewrite changes.
fn without_version(body: &[u8]) -> Value {
    let mut document: Value = serde_json::from_slice(body).unwrap_or_default();
    if let Some(members) = document.as_object_mut() {
        members.remove("longshore_version");
    }
    document
}

fn entries(folder: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}
