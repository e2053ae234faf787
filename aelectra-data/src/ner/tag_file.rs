//! Tag files: a token and its tag on each line, a blank line between sentences.

use std::io::Write;
use std::path::Path;

use super::read::{NerFormat, ReadOptions, decode, detect, lines, read_ner_text};
use super::spans::{Mode, entities};
use crate::{DataError, Result};

/// Tokens and tags of a tag file, the tags as they stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagFile {
    /// The tokens of every sentence.
    pub tokens: Vec<Vec<String>>,
    /// The tags of every sentence.
    pub tags: Vec<Vec<String>>,
    /// The line of each sentence's first token, from 1.
    pub lines: Vec<usize>,
}

/// Reads a tag file for scoring: nothing is converted or repaired.
///
/// The tag is the last column, the token the first; columns are separated by tabs where the line
/// has one, else the tag is what follows the last blank. Comments (`# …` without a tag, before a
/// sentence's first token) and `-DOCSTART-` lines are passed over. CoNLL-U and JSON Lines are read
/// too, by [`read_ner`](super::read_ner) with IOB2, which keeps tags as they stand.
///
/// # Errors
/// If the file cannot be read or has no sentence, a line has one column only, or a tag has no
/// meaning in `mode`; with file and line.
pub fn read_tags(path: &Path, mode: Mode) -> Result<TagFile> {
    let bytes = std::fs::read(path).map_err(DataError::io("read", path))?;
    let text = decode(path, &bytes)?;
    let lines = lines(text);
    if detect(path, &lines) != NerFormat::Columns {
        let dataset = read_ner_text(path, text, &ReadOptions::default())?;
        let mut file = TagFile::default();
        for sentence in dataset.sentences {
            file.tokens.push(sentence.tokens);
            file.tags.push(sentence.tags);
            file.lines.push(sentence.line);
        }
        return Ok(file);
    }
    let mut file = TagFile::default();
    let mut inside = false;
    for (number, line) in (1..).zip(lines) {
        if line.trim().is_empty() || line.starts_with("-DOCSTART-") {
            inside = false;
            continue;
        }
        let columns = columns(line);
        let is_tag = columns.is_some_and(|(_, tag)| entities(&[tag], mode).is_ok());
        if !inside && line.starts_with('#') && !line.contains('\t') {
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
        if !inside {
            file.tokens.push(Vec::new());
            file.tags.push(Vec::new());
            file.lines.push(number);
        }
        inside = true;
        if let (Some(tokens), Some(tags)) = (file.tokens.last_mut(), file.tags.last_mut()) {
            tokens.push(token.to_owned());
            tags.push(tag.to_owned());
        }
    }
    if file.tags.is_empty() {
        return Err(DataError::parse(path, 0, "at least one sentence", "none"));
    }
    Ok(file)
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

/// Checks that two tag files hold the same sentences, so that their tags can be compared.
///
/// # Errors
/// At the first difference in the number of sentences, of tokens, or in a token, with the line of
/// the sentence in `path`, which is where `predicted` comes from.
pub fn check_same_tokens(gold: &TagFile, predicted: &TagFile, path: &Path) -> Result<()> {
    let hint = "gold and predictions must be the same tokens in the same order";
    for (i, (ours, theirs)) in gold.tokens.iter().zip(&predicted.tokens).enumerate() {
        let line = predicted.lines[i];
        if ours.len() != theirs.len() {
            let expected = format!(
                "{} tokens (as in the gold file's line {})",
                ours.len(),
                gold.lines[i]
            );
            let found = format!("{} in the sentence", theirs.len());
            return Err(DataError::parse(path, line, expected, found).with_hint(hint));
        }
        if let Some(at) = (0..ours.len()).find(|&at| ours[at] != theirs[at]) {
            let expected = format!("the gold file's token `{}`", ours[at]);
            let found = format!("`{}`", theirs[at]);
            return Err(DataError::parse(path, line + at, expected, found).with_hint(hint));
        }
    }
    if gold.tokens.len() != predicted.tokens.len() {
        let expected = format!("{} sentences as in the gold file", gold.tokens.len());
        let found = predicted.tokens.len().to_string();
        return Err(DataError::parse(path, 0, expected, found).with_hint(hint));
    }
    Ok(())
}

/// Writes sentences as a tag file: token and tag(s) separated by tabs, a blank line after each
/// sentence. `columns` are tag columns, such as gold and predicted; the last one is what
/// [`read_tags`] reads.
///
/// # Errors
/// If a column has not the tokens' shape; if a sentence is empty or a token holds a tab or a line
/// break, which the format cannot say; or if writing fails (`path` names the file in that error).
pub fn write_tags(
    out: &mut dyn Write,
    path: &Path,
    tokens: &[Vec<String>],
    columns: &[&[Vec<String>]],
) -> Result<()> {
    for (i, tokens) in tokens.iter().enumerate() {
        let rows = columns
            .iter()
            .map(|column| column.get(i).filter(|tags| tags.len() == tokens.len()));
        let Some(rows) = rows.collect::<Option<Vec<&Vec<String>>>>() else {
            return Err(DataError::invalid(format!(
                "sentence {}: not one tag a token",
                i + 1
            )));
        };
        if tokens.is_empty() {
            let message = format!(
                "sentence {} has no token, which a tag file cannot hold",
                i + 1
            );
            return Err(DataError::invalid(message));
        }
        for (at, token) in tokens.iter().enumerate() {
            if token.contains(['\t', '\n', '\r']) || token.trim().is_empty() {
                let message = format!("the token {token:?} cannot stand in a tag file");
                return Err(DataError::invalid(message));
            }
            let tags: String = rows.iter().map(|tags| format!("\t{}", tags[at])).collect();
            writeln!(out, "{token}{tags}").map_err(DataError::io("write", path))?;
        }
        writeln!(out).map_err(DataError::io("write", path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str, mode: Mode) -> Result<TagFile> {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("writes");
        read_tags(&path, mode)
    }

    fn strings(rows: &[&str]) -> Vec<Vec<String>> {
        let split = |row: &&str| row.split_whitespace().map(str::to_owned).collect();
        rows.iter().map(split).collect()
    }

    #[test]
    fn writes_what_it_reads() {
        let (tokens, tags) = (
            strings(&["# Ib ler", "Ry"]),
            strings(&["O I-PER E-PER", "B-LOC"]),
        );
        let mut out = Vec::new();
        write_tags(&mut out, Path::new("x"), &tokens, &[&tags]).expect("writes");
        let text = String::from_utf8(out).expect("is UTF-8");
        assert_eq!(text, "#\tO\nIb\tI-PER\nler\tE-PER\n\nRy\tB-LOC\n\n");
        let file = read("x.txt", &text, Mode::Default).expect("reads");
        assert_eq!(
            (file.tokens, file.tags, file.lines),
            (tokens.clone(), tags.clone(), vec![1, 5])
        );
        for (tokens, tags) in [
            (strings(&["a"]), strings(&["O O"])),
            (strings(&["a"]), strings(&[])),
            (vec![Vec::new()], vec![Vec::new()]),
            (vec![vec!["a\tb".to_owned()]], strings(&["O"])),
        ] {
            assert!(write_tags(&mut Vec::new(), Path::new("x"), &tokens, &[&tags]).is_err());
        }
    }

    #[test]
    fn columns_and_blanks() {
        let text = "# id = 1\nIb NNP I-PER\r\n# O\n\n\nNew York\tx\tB-LOC\n# O\n";
        let file = read("x.conll", text, Mode::Strict).expect("reads");
        assert_eq!(file.tokens, [vec!["Ib", "#"], vec!["New York", "#"]]);
        assert_eq!(file.tags, strings(&["I-PER O", "B-LOC O"]));
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
        let file = |text| read("x.txt", text, Mode::Default).expect("reads");
        let gold = file("Ib\tO\nler\tO\n\nRy\tO\n");
        let check = |text| check_same_tokens(&gold, &file(text), Path::new("p.txt"));
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
