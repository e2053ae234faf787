//! One token a line, the tag in some column: IOB2 files, CoNLL-2003, UNER, DaN+.

use std::path::Path;

use super::dataset::NerSentence;
use super::scheme::Scheme;
use crate::{DataError, Result};

/// A data line: its number and its fields; a sentence boundary has none.
struct Row<'a> {
    line: usize,
    fields: Vec<&'a str>,
}

pub(super) fn read(
    path: &Path,
    lines: &[&str],
    column: Option<usize>,
    scheme: Scheme,
) -> Result<Vec<NerSentence>> {
    let rows = rows(path, lines, scheme)?;
    let Some(width) = rows.iter().map(|row| row.fields.len()).find(|&n| n > 0) else {
        return Ok(Vec::new());
    };
    let token = usize::from(width > 2 && counts_tokens(&rows));
    let tag = match column {
        Some(column) if (token + 2..=width).contains(&column) => column - 1,
        Some(column) => {
            let range = format!(
                "--column from {} to {width} (column 1 is the first)",
                token + 2
            );
            return Err(DataError::parse(path, 0, range, format!("{column}")));
        }
        None => find_tag_column(path, &rows, token + 1, width, scheme)?,
    };
    let mut sentences = Vec::new();
    let mut current = NerSentence::default();
    for row in &rows {
        if row.fields.is_empty() {
            current.finish_into(&mut sentences);
        } else if row.fields[token].is_empty() {
            return Err(DataError::parse(
                path,
                row.line,
                "a token",
                "an empty column",
            ));
        } else {
            scheme.check(row.fields[tag], path, row.line)?;
            current.push(row.fields[token], row.fields[tag], row.line);
        }
    }
    current.finish_into(&mut sentences);
    Ok(sentences)
}

/// The data lines as rows of one width.
fn rows<'a>(path: &Path, lines: &[&'a str], scheme: Scheme) -> Result<Vec<Row<'a>>> {
    let mut rows: Vec<Row<'a>> = Vec::new();
    let mut first: Option<(bool, usize, usize)> = None;
    let mut inside_sentence = false;
    for (line, text) in (1..).zip(lines) {
        let blank = text.trim().is_empty();
        if blank || text.starts_with("-DOCSTART-") {
            inside_sentence = false;
            rows.push(Row {
                line,
                fields: Vec::new(),
            });
            continue;
        }
        if !inside_sentence && is_comment(text, scheme) {
            continue;
        }
        inside_sentence = true;
        let (tabs, width, first_line) = *first.get_or_insert_with(|| {
            let tabs = text.contains('\t');
            (tabs, split(text, tabs).len(), line)
        });
        let fields = split(text, tabs);
        if width < 2 {
            return Err(
                DataError::parse(path, line, "a token and a tag", "one column")
                    .with_hint("columns are separated by tabs or spaces"),
            );
        }
        if fields.len() != width {
            let expected = format!("{width} columns as in line {first_line}");
            return Err(
                DataError::parse(path, line, expected, format!("{}", fields.len())).with_hint(
                    if tabs {
                        "columns are separated by tabs, because the first data line has one"
                    } else {
                        "columns are separated by spaces; tokens with spaces need a file with tabs"
                    },
                ),
            );
        }
        rows.push(Row { line, fields });
    }
    Ok(rows)
}

fn split(text: &str, tabs: bool) -> Vec<&str> {
    if tabs {
        text.split('\t').map(str::trim).collect()
    } else {
        text.split_whitespace().collect()
    }
}

/// A line before a sentence's first token that starts with `#` and is not the token `#`: it has no
/// tab, and is `# key = value` or does not end in a tag.
fn is_comment(text: &str, scheme: Scheme) -> bool {
    let ends_in_tag = || {
        text.split_whitespace()
            .next_back()
            .is_some_and(|tag| scheme.knows(tag))
    };
    text.starts_with('#') && !text.contains('\t') && (text.contains(" = ") || !ends_in_tag())
}

/// Whether column 1 counts 1, 2, 3 … in every sentence.
fn counts_tokens(rows: &[Row<'_>]) -> bool {
    let mut expected = 1usize;
    rows.iter().all(|row| {
        let Some(first) = row.fields.first() else {
            expected = 1;
            return true;
        };
        expected += 1;
        first.parse() == Ok(expected - 1)
    })
}

fn find_tag_column(
    path: &Path,
    rows: &[Row<'_>],
    from: usize,
    width: usize,
    scheme: Scheme,
) -> Result<usize> {
    let all_tags = |column: &usize| {
        let mut fields = rows.iter().filter_map(|row| row.fields.get(*column));
        fields.all(|tag| scheme.knows(tag))
    };
    let candidates: Vec<usize> = (from..width).filter(all_tags).collect();
    match candidates[..] {
        [only] => Ok(only),
        [.., last] if width == 4 && from == 1 && last == 3 => Ok(last),
        // The first wrong tag of the last column is then reported with its line.
        [] => Ok(width - 1),
        _ => {
            let names: Vec<String> = candidates.iter().map(|c| (c + 1).to_string()).collect();
            let found = format!("columns {}", names.join(", "));
            Err(DataError::parse(path, 0, "one column of tags", found)
                .with_hint(format!("choose one with `--column {}`", names[0])))
        }
    }
}
