//! The fuzzer's corpus (`fuzz/corpus/archive`): archives of every major, and all that the fuzzer found worth keeping.

use crate::archive::promises;
use std::path::{Path, PathBuf};

/// Every file of the corpus.
fn corpus() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/archive");
    let mut files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// What `pg_dump` of every major wrote, by name.
pub(super) fn dumps() -> Vec<(String, Vec<u8>)> {
    let dumps = corpus().into_iter().filter(|file| file.extension().is_some_and(|end| end == "dump"));
    let name = |file: &Path| file.file_stem().unwrap().to_str().unwrap().to_owned();
    let dumps: Vec<_> = dumps.map(|file| (name(&file), std::fs::read(file).unwrap())).collect();
    for major in 15..=18 {
        assert!(dumps.iter().any(|(name, _)| name.starts_with(&format!("pg{major}-"))), "none of {major}");
    }
    dumps
}

#[test]
fn no_input_of_the_corpus_breaks_a_promise() {
    let files = corpus();
    assert!(files.len() > 100, "the corpus is gone: {} files", files.len());
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        let kept = std::panic::catch_unwind(|| promises::check(&bytes));
        assert!(kept.is_ok(), "{} breaks a promise", file.display());
    }
}
