//! Both splitters of sentences, and the words, against the Danish Dependency Treebank.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

mod danish;

use std::collections::BTreeSet;
use std::path::Path;

use aelectra_data::ner::words;
use aelectra_data::{corpus, ner};

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

/// Where parts end, in characters that are no blanks.
fn ends<'t>(parts: impl Iterator<Item = &'t str>) -> BTreeSet<usize> {
    let mut at = 0;
    parts
        .map(|part| {
            at += part.chars().filter(|c| !c.is_whitespace()).count();
            at
        })
        .collect()
}

/// Precision and recall of what is found.
fn scores(found: &BTreeSet<usize>, expected: &BTreeSet<usize>) -> (f64, f64) {
    let right = found.intersection(expected).count() as f64;
    (right / found.len() as f64, right / expected.len() as f64)
}

/// The rules were written with this treebank in view, so they fit it better than other text; what they do elsewhere is
/// in the examples beside them.
#[test]
fn boundaries_of_the_treebank_are_found() {
    let Some(folder) = danish::data("ner/danplus-ddt-4") else {
        return;
    };
    let splits = ["train", "dev", "test"].map(|name| folder.join(format!("{name}.conllu")));
    let gold: Vec<String> = splits.iter().flat_map(|path| gold(path)).collect();
    let joined = gold.join(" ");
    let expected = ends(gold.iter().map(String::as_str));
    assert!(expected.len() > 4000);
    let of_words = words(&joined);
    let tagged = ner::sentences(&joined, &of_words).into_iter();
    let tagged =
        tagged.map(|range| &joined[of_words[range.start].start..of_words[range.end - 1].end]);
    for (name, found) in [
        ("a corpus", ends(corpus::sentences(&joined).into_iter())),
        ("tagging", ends(tagged)),
    ] {
        let (precision, recall) = scores(&found, &expected);
        eprintln!("{name}: precision {precision:.4}, recall {recall:.4}");
        assert!(precision > 0.995 && recall > 0.993, "{name}");
    }
}

#[test]
fn words_of_the_treebank_are_found() {
    let Some(folder) = danish::data("ner/danplus-ddt-4") else {
        return;
    };
    let text = ["train", "dev", "test"]
        .map(|name| std::fs::read_to_string(folder.join(format!("{name}.conllu"))).unwrap())
        .concat();
    let (mut found, mut expected) = (Vec::new(), Vec::new());
    for block in text.split("\n\n") {
        let Some(sentence) = block
            .lines()
            .find_map(|line| line.strip_prefix("# text = "))
        else {
            continue;
        };
        let rows = block
            .lines()
            .filter(|line| line.starts_with(|c: char| c.is_ascii_digit()));
        let forms: Vec<&str> = rows.filter_map(|row| row.split('\t').nth(1)).collect();
        // A word that is two in one is given once more in parts.
        if forms.concat() != sentence.replace(char::is_whitespace, "") {
            continue;
        }
        found.extend(words(sentence).iter().map(|word| word.text.to_owned()));
        expected.extend(forms.iter().map(|form| (*form).to_owned()));
    }
    assert!(expected.len() > 90_000, "{}", expected.len());
    let (found, expected) = (
        ends(found.iter().map(String::as_str)),
        ends(expected.iter().map(String::as_str)),
    );
    let (precision, recall) = scores(&found, &expected);
    eprintln!("words: precision {precision:.5}, recall {recall:.5}");
    assert!(precision > 0.999 && recall > 0.9995);
}
