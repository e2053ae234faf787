//! One token a line, the tag in some column: IOB2 files, CoNLL-2003, UNER, DaN+, and tables in CSV.

use std::collections::HashSet;
use std::path::Path;

use super::faults::Faults;
use super::heading::{self, begin_sentences};
use super::meaning::Meaning;
use super::raw::{RawFile, RawSentence, Row};
use super::{csv_table, tag_column};
use crate::ner::scheme::{Scheme, is_none};
use crate::{DataError, Result};

/// What separates columns; any other white space, such as a no-break space, is part of a token.
const SEPARATORS: [char; 2] = ['\t', ' '];
/// More words than a sentence has: the longest of the 5,512 of DDT has 91.
pub(super) const LONGEST: usize = 200;

pub(super) fn read(
    path: &Path,
    lines: &[&str],
    column: Option<usize>,
    meaning: Meaning,
    faults: &mut Faults<'_>,
) -> Result<RawFile> {
    let table = csv_table::find(lines);
    let mut rows = match &table {
        Some(table) => table.rows(faults),
        None => rows(path, lines, meaning, faults)?,
    };
    let mut file = RawFile {
        columns: true,
        ..RawFile::default()
    };
    let heading = heading::take(&mut rows, column, meaning, &mut file.notes);
    let Some(width) = rows.iter().map(|row| row.fields.len()).find(|&n| n > 0) else {
        return Ok(file);
    };
    let token = match heading.word {
        Some(word) if word + 1 < width => word,
        Some(_) => {
            let (expected, found) = ("the tags behind the words", "words in the last column");
            return Err(DataError::parse(path, 0, expected, found)
                .with_hint("put the column of words before that of tags"));
        }
        _ if width > 2 => usize::from(are_numbered(path, &rows, &mut file.notes)?),
        _ => 0,
    };
    let tag = match column {
        Some(column) if (token + 2..=width).contains(&column) => column - 1,
        Some(column) => {
            let range = format!(
                "--column from {} to {width} (column 1 is the first)",
                token + 2
            );
            return Err(DataError::parse(path, 0, range, format!("{column}")));
        }
        None => {
            let (from, called, notes) = (token + 1, heading.tag, &mut file.notes);
            tag_column::find(path, &rows, from, width, meaning, called, notes)?
        }
    };
    let begin = match heading.sentence {
        Some(sentence) => begin_sentences(&rows, sentence),
        None => vec![false; rows.len()],
    };
    let mut current = RawSentence::default();
    let mut with_blank: Option<(usize, usize, &str)> = None;
    for (row, begins) in rows.iter().zip(begin) {
        if begins {
            current.finish_into(&mut file.sentences);
        }
        if row.fields.is_empty() {
            current.finish_into(&mut file.sentences);
        } else if row.fields[token].is_empty() {
            faults.add(row.line, "a token", "an empty column", None);
        } else {
            let word = row.fields[token];
            if word.contains(' ') {
                with_blank.get_or_insert((0, row.line, word)).0 += 1;
            }
            current.push(word, row.fields[tag], row.line);
        }
    }
    current.finish_into(&mut file.sentences);
    if let Some((count, line, word)) = with_blank {
        let separators = table.as_ref().map(|table| format!("`{}`", table.separator));
        file.notes.push(format!(
            "{count} tokens contain a blank (the first in line {line}: `{word}`); {} separate the \
             columns of this file",
            separators.as_deref().unwrap_or("tabs")
        ));
    }
    file.notes.extend(long_note(&file.sentences));
    Ok(file)
}

/// Says which sentence is as long as several.
fn long_note(sentences: &[RawSentence]) -> Option<String> {
    let mut long = sentences.iter().filter(|s| s.tokens.len() > LONGEST);
    let first = long.next()?;
    let (line, words) = (first.lines.first()?, first.tokens.len());
    let others = match long.count() {
        0 => String::new(),
        more => format!(", and {more} more have over {LONGEST}"),
    };
    Some(format!(
        "line {line} begins a sentence of {words} words{others}; is a blank line between sentences missing?"
    ))
}

/// The data lines as rows of one width.
fn rows<'a>(
    path: &Path,
    lines: &[&'a str],
    meaning: Meaning,
    faults: &mut Faults<'_>,
) -> Result<Vec<Row<'a>>> {
    let mut rows: Vec<Row<'a>> = Vec::new();
    let mut first: Option<(bool, usize, usize)> = None;
    let mut inside_sentence = false;
    let usual = Usual::of(lines);
    for (line, text) in (1..).zip(lines) {
        let blank = text.trim_matches(SEPARATORS).is_empty();
        if blank || text.starts_with("-DOCSTART-") {
            inside_sentence = false;
            // One ends a sentence as well as many do.
            if rows.last().is_none_or(|row| !row.fields.is_empty()) {
                rows.push(Row {
                    line,
                    fields: Vec::new(),
                });
            }
            continue;
        }
        if !inside_sentence && is_comment(text, meaning, usual.as_ref()) {
            continue;
        }
        inside_sentence = true;
        let (tabs, width, first_line) = *first.get_or_insert_with(|| {
            let tabs = text.contains('\t');
            (tabs, split(text, tabs).len(), line)
        });
        if width < 2 {
            return Err(
                DataError::parse(path, line, "a token and a tag", "one column").with_hint(
                    "columns are separated by tabs or blanks, or in CSV by semicolons or commas",
                ),
            );
        }
        let fields = split(text, tabs);
        if fields.len() == width {
            rows.push(Row { line, fields });
        } else {
            let expected = format!("{width} columns as in line {first_line}");
            let advice = if tabs {
                "columns are separated by tabs, because the first data line has one"
            } else {
                "columns are separated by blanks; tokens and classes with blanks (`WORK OF ART`) \
                 need a file with tabs"
            };
            faults.add(line, expected, fields.len().to_string(), advice);
        }
    }
    Ok(rows)
}

/// What the columns of the lines hold that begin with no `#`, where they are separated by blanks.
struct Usual<'a> {
    /// The values of each column but the first that has few: tags, classes and parts of speech, not words.
    values: Vec<Option<HashSet<&'a str>>>,
}

impl<'a> Usual<'a> {
    /// `None` where the lines have no width in common, or tabs, or numbers before the words: a line without is a comment then.
    fn of(lines: &[&'a str]) -> Option<Self> {
        /// More values than a column of classes or parts of speech has.
        const FEW: usize = 64;
        let mut values: Vec<Option<HashSet<&str>>> = Vec::new();
        let mut are_numbered = true;
        for line in lines {
            let blank = line.trim_matches(SEPARATORS).is_empty();
            if blank || line.starts_with('#') || line.starts_with("-DOCSTART-") {
                continue;
            }
            let fields = split(line, false);
            if values.is_empty() {
                values = fields.iter().map(|_| Some(HashSet::new())).collect();
                values[0] = None;
            }
            if line.contains('\t') || fields.len() != values.len() {
                return None;
            }
            are_numbered &= fields[0].starts_with(|c: char| c.is_ascii_digit());
            for (field, values) in fields.iter().zip(&mut values) {
                if let Some(known) = values {
                    known.insert(field);
                    if known.len() > FEW {
                        *values = None;
                    }
                }
            }
        }
        (!are_numbered && !values.is_empty()).then_some(Self { values })
    }

    /// Whether the lines are words with a class each, without prefixes.
    fn are_bare_pairs(&self) -> bool {
        let [_, Some(tags)] = &self.values[..] else {
            return false;
        };
        tags.iter()
            .any(|tag| !Scheme::Bioes.knows(tag) && *tag != "0")
    }

    /// Whether a line has as many columns as others, and in one of tags a value that others have there, or a tag where all have one.
    fn has(&self, text: &str, meaning: Meaning) -> bool {
        // Any word is a class for it.
        let knows = |tag: &str| meaning != Meaning::Given(Scheme::Io) && meaning.knows(tag);
        let known = |(field, values): (&&str, &Option<HashSet<&str>>)| {
            values.as_ref().is_some_and(|values| {
                let are_tags = values.iter().all(|tag| knows(tag));
                let are_classes = values.iter().any(|tag| is_none(tag));
                are_tags && knows(field) || are_classes && values.contains(field)
            })
        };
        let fields = split(text, false);
        fields.len() == self.values.len() && fields.iter().zip(&self.values).any(known)
    }
}

fn split(text: &str, tabs: bool) -> Vec<&str> {
    if tabs {
        text.split('\t')
            .map(|field| field.trim_matches(' '))
            .collect()
    } else {
        text.split(' ').filter(|field| !field.is_empty()).collect()
    }
}

/// A line before a sentence's first token that starts with `#` and is not the token `#`: it has no
/// tab, and is `# key = value`, or does not end in a tag and has none in a column of tags; or it is a `#` and
/// a source with blanks, as in GermEval.
fn is_comment(text: &str, meaning: Meaning, usual: Option<&Usual<'_>>) -> bool {
    let ends_in_tag = || {
        let last = text.split(' ').rfind(|field| !field.is_empty());
        last.is_some_and(|tag| {
            // Any word is a class: only the sign for "none" tells a token from a comment, or capitals after one word.
            let is_io = meaning == Meaning::Given(Scheme::Io);
            let has_bare = is_io || usual.is_some_and(Usual::are_bare_pairs);
            let is_pair = !text.starts_with("# ") && split(text, false).len() == 2;
            let is_class = tag.len() > 1 && tag.chars().all(char::is_uppercase);
            let is_tag = match is_io {
                true => Scheme::Iob2.knows(tag) || tag == "0",
                false => meaning.knows(tag),
            };
            is_tag || has_bare && is_pair && is_class
        })
    };
    if let Some(source) = text.strip_prefix("#\t") {
        return source.trim().contains(' ') && !source.contains('\t') && !meaning.knows(source);
    }
    let is_line_of_others = || usual.is_some_and(|usual| usual.has(text, meaning));
    text.starts_with('#')
        && !text.contains('\t')
        && (text.contains(" = ") || !(ends_in_tag() || is_line_of_others()))
}

/// Whether column 1 counts tokens: from 0 or 1, anew in every sentence or on through the file. Numbers that are left
/// out are noted.
///
/// # Errors
/// Where it counts tokens in some lines and in others has ranges (`3-4`), or goes back.
fn are_numbered(path: &Path, rows: &[Row<'_>], notes: &mut Vec<String>) -> Result<bool> {
    let filled = || rows.iter().filter(|row| !row.fields.is_empty());
    let number = |row: &Row<'_>| row.fields[0].parse::<usize>().ok();
    // `3-4` and `3.1`, which CoNLL-U has.
    let is_numeral = |row: &&Row<'_>| {
        let parts = row.fields[0].split(['-', '.']);
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        parts.clone().count() <= 2 && parts.into_iter().all(is_number)
    };
    let first_number = |row: &Row<'_>| {
        let first = row.fields[0].split(['-', '.']).next();
        first.and_then(|number| number.parse::<usize>().ok())
    };
    let begins = filled().next().and_then(first_number);
    if begins.is_none_or(|first| first > 1) || !filled().all(|row| is_numeral(&row)) {
        return Ok(false);
    }
    let begin_sentences = rows.windows(2).filter(|two| two[0].fields.is_empty());
    let begin_sentences = begin_sentences.filter(|two| !two[1].fields.is_empty());
    let restarts = begin_sentences
        .filter_map(|two| number(&two[1]))
        .any(|number| number <= 1);
    let (mut expected, mut first_of_sentence) = (1, true);
    let mut gap = None;
    for row in rows {
        let Some(&found) = row.fields.first() else {
            first_of_sentence = true;
            continue;
        };
        if first_of_sentence && restarts {
            expected = 1;
        }
        let number = match number(row) {
            Some(number) if first_of_sentence && number <= 1 => number,
            Some(number) if number >= expected => {
                gap = gap.or((number > expected).then_some((row.line, number)));
                number
            }
            _ => {
                let error = DataError::parse(
                    path,
                    row.line,
                    format!("token {expected} in column 1, which counts tokens"),
                    format!("`{found}`"),
                );
                return Err(error.with_hint(
                    "ranges and empty nodes are read with `--format conllu`; otherwise remove the column, or number anew",
                ));
            }
        };
        (expected, first_of_sentence) = (number + 1, false);
    }
    if let Some((line, number)) = gap {
        notes.push(format!(
            "column 1 counts tokens and leaves some out (line {line} is token {number}); is the file complete?"
        ));
    }
    Ok(true)
}
