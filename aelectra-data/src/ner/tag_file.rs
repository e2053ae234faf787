//! Tag files: a token and its tag on each line, a blank line between sentences.

use std::path::Path;

use super::dataset::{NerDataset, NerSentence};
use super::read::{NerFormat, ReadOptions, decode, detect, lines, read_ner_text};
use super::spans::{Mode, entities};
use crate::{DataError, Result};

/// Reads a tag file for scoring: nothing is converted or repaired.
///
/// The tag is the last column, the token the first; columns are separated by tabs where the line
/// has one, else the tag is what follows the last blank. Comments (`# …` without a tag, before a
/// sentence's first token) and `-DOCSTART-` lines are skipped. CoNLL-U and JSON Lines are read too,
/// by [`read_ner`](super::read_ner) with IOB2, which leaves tags unchanged.
///
/// # Errors
/// If the file cannot be read or has no sentence, a line has one column only, or a tag has no
/// meaning in `mode`; with file and line.
pub fn read_tags(path: &Path, mode: Mode) -> Result<NerDataset> {
    let bytes = std::fs::read(path).map_err(DataError::io("read", path))?;
    let text = decode(path, &bytes)?;
    let lines = lines(text);
    if detect(path, &lines) != NerFormat::Columns {
        return read_ner_text(path, text, &ReadOptions::default());
    }
    let mut sentences = Vec::new();
    let mut current = NerSentence::default();
    for (number, line) in (1..).zip(lines) {
        if line.trim().is_empty() || line.starts_with("-DOCSTART-") {
            current.finish_into(&mut sentences);
            continue;
        }
        let columns = columns(line);
        let is_tag = columns.is_some_and(|(_, tag)| entities(&[tag], mode).is_ok());
        if current.tokens.is_empty() && line.starts_with('#') && !line.contains('\t') {
            let assigns = line.contains(" = ");
            if assigns || !is_tag {
                continue;
            }
        }
        let Some((token, tag)) = columns else {
            return Err(
                DataError::parse(path, number, "a token and a tag", "one column").with_hint(
                    "columns are separated by tabs or blanks; blank lines end sentences",
                ),
            );
        };
        if let Err(error) = entities(&[tag], mode) {
            let expected = format!("a tag of {mode} mode in the last column");
            let hint = error.hint().unwrap_or_default().to_owned();
            return Err(
                DataError::parse(path, number, expected, format!("`{tag}`")).with_hint(hint)
            );
        }
        current.push(token, tag, number);
    }
    current.finish_into(&mut sentences);
    if sentences.is_empty() {
        return Err(DataError::parse(path, 0, "at least one sentence", "none"));
    }
    Ok(NerDataset {
        path: path.to_path_buf(),
        sentences,
        ..NerDataset::default()
    })
}

/// First and last column.
fn columns(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_end();
    if line.contains('\t') {
        let token = line.split('\t').next()?;
        Some((token.trim(), line.rsplit('\t').next()?.trim()))
    } else {
        let (before, tag) = line.trim_start().rsplit_once(char::is_whitespace)?;
        // A whole row of columns, or a token with blanks: either way the first part is the token.
        Some((before.split_whitespace().next()?, tag))
    }
}

/// Checks that two files hold the same sentences, so that their tags can be compared.
///
/// # Errors
/// At the first difference in the number of sentences, of tokens, or in a token, with the line in
/// `predicted`.
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
            return differs(
                theirs.line + at,
                expected,
                format!("`{}`", theirs.tokens[at]),
            );
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
    use super::super::score::tests::sentences;
    use super::*;

    fn read(name: &str, text: &str, mode: Mode) -> Result<NerDataset> {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("writes");
        read_tags(&path, mode)
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
        let text = "# id = 1\nIb NNP I-PER\r\n# O\n\n\nNew York\tx\tB-LOC\n# O\n";
        let file = read("x.conll", text, Mode::Strict).expect("reads");
        assert_eq!(tokens(&file), [vec!["Ib", "#"], vec!["New York", "#"]]);
        assert_eq!(file.tags(), sentences(&["I-PER O", "B-LOC O"]));
    }

    #[test]
    fn refusals_name_the_line() {
        for (text, line) in [
            ("Ib\n", 1),
            ("Ib\tO\nRy\tLOC\n", 2),
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
            ("Ib\tO\nLER\tO\n\nRy\tO\n", "p.txt`:2:"),
            ("Ib\tO\n\nRy\tO\n", "p.txt`:1:"),
            ("Ib\tO\nler\tO\n", "p.txt`: expected 2 sentences"),
        ] {
            let error = check(text).expect_err(text).to_string();
            assert!(error.contains(place), "{error}");
        }
    }
}
