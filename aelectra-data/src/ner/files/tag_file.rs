//! Files of tags to be scored, and whether two of them can be compared.

use std::path::Path;

use super::meaning::Meaning;
use super::read::{ReadOptions, read_file};
use crate::ner::dataset::NerDataset;
use crate::ner::spans::Mode;
use crate::{DataError, Result};

/// Reads a file of tags for scoring, by the rules of [`read_ner`](super::read_ner) for formats and
/// columns. Without [`ReadOptions::scheme`] tags are scored as they stand: nothing is converted or
/// repaired, except that classes without prefix, which no mode knows, become IOB2.
///
/// # Errors
/// As [`read_ner`](super::read_ner), or if a tag has no meaning in `mode`.
pub fn read_tags(path: &Path, options: &ReadOptions, mode: Mode) -> Result<NerDataset> {
    let meaning = options
        .scheme
        .map_or(Meaning::AsWritten(mode), Meaning::Given);
    read_file(path, options, meaning)
}

/// Checks that two files hold the same sentences, so that their tags can be compared.
///
/// # Errors
/// At the first difference in the number of sentences, of tokens, or in a token, with the line in
/// `predicted` at which the sentence begins.
pub fn check_same_tokens(gold: &NerDataset, predicted: &NerDataset) -> Result<()> {
    let differs = |line: usize, expected: String, found: String| {
        Err(DataError::parse(&predicted.path, line, expected, found)
            .with_hint("gold and predictions must be the same tokens in the same order"))
    };
    for (ours, theirs) in gold.sentences.iter().zip(&predicted.sentences) {
        let (count, found) = (ours.tokens.len(), theirs.tokens.len());
        if count != found {
            let expected = format!("{count} tokens (as in the gold file's line {})", ours.line);
            return differs(theirs.line, expected, format!("{found} in the sentence"));
        }
        if let Some(at) = (0..count).find(|&at| ours.tokens[at] != theirs.tokens[at]) {
            let expected = format!("the gold file's token `{}`", ours.tokens[at]);
            let found = format!(
                "`{}` as token {} of the sentence",
                theirs.tokens[at],
                at + 1
            );
            return differs(theirs.line, expected, found);
        }
    }
    let (count, found) = (gold.sentences.len(), predicted.sentences.len());
    if count != found {
        let expected = format!("{count} sentences as in the gold file");
        return differs(0, expected, found.to_string());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ner::scoring::sentences;

    fn read(name: &str, text: &str, mode: Mode) -> Result<NerDataset> {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("writes");
        read_tags(&path, &ReadOptions::default(), mode)
    }

    fn tokens(file: &NerDataset) -> Vec<Vec<String>> {
        file.sentences.iter().map(|s| s.tokens.clone()).collect()
    }

    #[test]
    fn a_hash_may_be_a_token() {
        let text = "#\tO\nIb\tI-PER\nler\tE-PER\n\nRy\tB-LOC\n\n";
        let file = read("x.txt", text, Mode::Default).expect("reads");
        assert_eq!(tokens(&file), sentences(&["# Ib ler", "Ry"]));
        assert_eq!(file.tags(), sentences(&["O I-PER E-PER", "B-LOC"]));
        let lines: Vec<usize> = file.sentences.iter().map(|s| s.line).collect();
        assert_eq!(lines, [1, 5]);
    }

    #[test]
    fn columns_and_blanks() {
        let text = "# id = 1\nIb I-PER\r\n# O\n\n\nRy  B-LOC\n# O\n";
        let file = read("x.conll", text, Mode::Strict).expect("reads");
        assert_eq!(tokens(&file), sentences(&["Ib #", "Ry #"]));
        assert_eq!(file.tags(), sentences(&["I-PER O", "B-LOC O"]));
    }

    #[test]
    fn refusals_name_the_line() {
        for (text, line) in [
            ("Ib\n", 1),
            ("Ib\tB-PER\nRy\tLOC\n", 2),
            ("a\tO\nb\tS-PER\n", 2),
            ("\n", 0),
        ] {
            match read("x.txt", text, Mode::Strict).expect_err(text) {
                DataError::Parse { line: found, .. } => assert_eq!(found, line, "{text}"),
                other => panic!("{other}"),
            }
        }
    }

    #[test]
    fn same_tokens() {
        let gold = "Ib\tO\nler\tO\n\nRy\tO\n";
        let gold = read("x.txt", gold, Mode::Default).expect("reads");
        let check = |text| {
            let predicted = read("p.txt", text, Mode::Default).expect("reads");
            check_same_tokens(&gold, &predicted)
        };
        assert!(check("Ib\tB-PER\nler\tO\n\nRy\tB-LOC\n").is_ok());
        for (text, place) in [
            ("Ib\tO\nLER\tO\n\nRy\tO\n", "`LER` as token 2"),
            ("Ib\tO\n\nRy\tO\n", "p.txt`:1:"),
            ("Ib\tO\nler\tO\n", "p.txt`: expected 2 sentences"),
        ] {
            let error = check(text).expect_err(text).to_string();
            assert!(error.contains(place), "{error}");
        }
    }
}
