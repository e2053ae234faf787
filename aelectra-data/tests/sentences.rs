//! Sentence segmentation against the sentences of the Danish Dependency Treebank.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

mod danish;

use std::collections::BTreeSet;
use std::path::Path;

use aelectra_data::corpus::sentences;

/// Sentences of a CoNLL-U file in which the treebank's own sentence ends with a terminator: others
/// (headlines) cannot be told apart once they are joined.
fn gold(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let all = text
        .lines()
        .filter_map(|line| line.strip_prefix("# text = "));
    all.filter(|s| {
        s.trim_end_matches(['"', '\'', ')', '»', '”', ' '])
            .ends_with(['.', '!', '?'])
    })
    .map(str::to_owned)
    .collect()
}

#[test]
fn boundaries_of_the_treebank_are_found() {
    let Some(folder) = danish::data("ner/danplus-ddt-4") else {
        return;
    };
    let (mut found, mut expected, mut right) = (0, 0, 0);
    for name in ["train", "dev", "test"] {
        let gold = gold(&folder.join(format!("{name}.conllu")));
        let ends = |parts: &mut dyn Iterator<Item = &str>| -> BTreeSet<usize> {
            let mut at = 0;
            parts
                .map(|part| {
                    at += part.chars().filter(|c| !c.is_whitespace()).count();
                    at
                })
                .collect()
        };
        let joined = gold.join(" ");
        let gold_ends = ends(&mut gold.iter().map(String::as_str));
        let our_ends = ends(&mut sentences(&joined).into_iter());
        found += our_ends.len();
        expected += gold_ends.len();
        right += our_ends.intersection(&gold_ends).count();
    }
    let (precision, recall) = (right as f64 / found as f64, right as f64 / expected as f64);
    eprintln!("{expected} boundaries: precision {precision:.4}, recall {recall:.4}");
    assert!(expected > 4000 && precision > 0.99 && recall > 0.99);
}
