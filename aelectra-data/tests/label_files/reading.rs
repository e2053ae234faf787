//! Texts read as files of a name, and what was found in them or why they were refused.

use std::path::Path;

use aelectra_data::DataError;
use aelectra_data::ner::{NerDataset, ReadOptions, Scheme, read_ner_text};

pub(crate) fn read(name: &str, text: &str) -> Result<NerDataset, DataError> {
    read_ner_text(Path::new(name), text, &ReadOptions::default())
}

pub(crate) fn under(scheme: Scheme) -> ReadOptions {
    ReadOptions {
        scheme: Some(scheme),
        ..ReadOptions::default()
    }
}

/// Tokens with their tags.
pub(crate) fn shown(dataset: &NerDataset) -> String {
    let sentence = |s: &aelectra_data::ner::NerSentence| {
        let pairs = s.tokens.iter().zip(&s.tags);
        let pairs: Vec<String> = pairs.map(|(token, tag)| format!("{token}/{tag}")).collect();
        pairs.join(" ")
    };
    let sentences: Vec<String> = dataset.sentences.iter().map(sentence).collect();
    sentences.join(" | ")
}

pub(crate) fn refusal(result: Result<NerDataset, DataError>) -> String {
    let error = result.expect_err("must be refused");
    format!("{error}; {}", error.hint().unwrap_or_default())
}

pub(crate) fn written(name: &str, content: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join(name);
    std::fs::write(&path, content).expect("writes");
    (dir, path)
}
