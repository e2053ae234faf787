//! CoNLL-U with the entity tag as `name=` in MISC, as DaNE has it.

use std::path::Path;

use super::faults::Faults;
use super::raw::{RawFile, RawSentence};
use crate::{DataError, Result};

pub(super) fn read(path: &Path, lines: &[&str], faults: &mut Faults<'_>) -> Result<RawFile> {
    let mut file = RawFile::default();
    let mut current = RawSentence::default();
    // Tokens without `name=`: faults, unless no token of the whole file has one.
    let mut nameless = Vec::new();
    let mut named = 0usize;
    for (number, line) in (1..).zip(lines) {
        if line.trim().is_empty() {
            current.finish_into(&mut file.sentences);
            continue;
        }
        if line.starts_with('#') {
            continue;
        }
        let fields: Vec<&str> = line.split('\t').collect();
        if fields.len() != 10 {
            let found = format!("{} columns", fields.len());
            let advice = "for another format use `--format columns` or `--format jsonl`";
            faults.add(number, "10 tab-separated columns", found, advice);
            continue;
        }
        match is_token_id(fields[0]) {
            Some(true) => {}
            Some(false) => continue,
            None => {
                let found = format!("`{}`", fields[0]);
                faults.add(number, "a token number in column 1", found, None);
                continue;
            }
        }
        if fields[1].trim().is_empty() {
            faults.add(number, "a word in column 2 (FORM)", "nothing", None);
            continue;
        }
        let mut names = fields[9]
            .trim()
            .split('|')
            .filter_map(|field| field.strip_prefix("name="));
        match (names.next(), names.next()) {
            (Some(tag), None) => {
                named += 1;
                current.push(fields[1], tag, number);
            }
            (Some(first), Some(second)) => {
                let found = format!("`name={first}` and `name={second}`");
                faults.add(number, "one `name=TAG` in MISC", found, None);
            }
            (None, _) => nameless.push((number, fields[9].trim())),
        }
    }
    current.finish_into(&mut file.sentences);
    if let (0, Some((line, misc))) = (named, nameless.first()) {
        let error = DataError::parse(path, *line, "`name=TAG` in MISC", format!("`{misc}`"));
        return Err(error.with_hint(
            "no token of the file has one: plain UD_Danish-DDT carries no entities; take DaNE \
             (`aelectra data dane`), or for tags in a column of their own `--format columns`",
        ));
    }
    for (line, misc) in nameless {
        let advice = "every token needs a tag; tokens outside entities have `name=O`";
        faults.add(line, "`name=TAG` in MISC", format!("`{misc}`"), advice);
    }
    Ok(file)
}

/// Whether the id is a word's; ranges (`3-4`) and empty nodes (`3.1`) are not tokens.
fn is_token_id(id: &str) -> Option<bool> {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if number(id) {
        return Some(true);
    }
    let (first, second) = id.split_once(['-', '.'])?;
    (number(first) && number(second)).then_some(false)
}
