//! CoNLL-U with the entity tag as `name=` in MISC, as DaNE has it.

use std::path::Path;

use super::dataset::NerSentence;
use super::scheme::Scheme;
use crate::{DataError, Result};

pub(super) fn read(path: &Path, lines: &[&str], scheme: Scheme) -> Result<Vec<NerSentence>> {
    let mut sentences = Vec::new();
    let mut current = NerSentence::default();
    let mut any_name = false;
    // The first token without `name=`: an error, but what to say depends on the whole file.
    let mut nameless = None;
    for (number, line) in (1..).zip(lines) {
        if line.trim().is_empty() {
            current.finish_into(&mut sentences);
            continue;
        }
        if line.starts_with('#') {
            continue;
        }
        let fields: Vec<&str> = line.split('\t').collect();
        if fields.len() != 10 {
            let found = format!("{} columns", fields.len());
            return Err(
                DataError::parse(path, number, "10 tab-separated columns", found)
                    .with_hint("for another format use `--format columns` or `--format jsonl`"),
            );
        }
        if !is_token_id(path, number, fields[0])? {
            continue;
        }
        let misc = fields[9].trim();
        let Some(tag) = misc
            .split('|')
            .find_map(|field| field.strip_prefix("name="))
        else {
            nameless.get_or_insert((number, misc.to_owned()));
            continue;
        };
        any_name = true;
        scheme.check(tag, path, number)?;
        current.push(fields[1], tag, number);
    }
    current.finish_into(&mut sentences);
    match nameless {
        None => Ok(sentences),
        Some((line, misc)) => {
            let error = DataError::parse(path, line, "`name=TAG` in MISC", format!("`{misc}`"));
            Err(error.with_hint(if any_name {
                "every token needs a tag; tokens outside entities have `name=O`"
            } else {
                "no token of the file has one: plain UD_Danish-DDT carries no entities; take DaNE \
                 (`aelectra data dane`)"
            }))
        }
    }
}

/// Whether the id is a word's; ranges (`3-4`) and empty nodes (`3.1`) are not tokens.
fn is_token_id(path: &Path, line: usize, id: &str) -> Result<bool> {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if number(id) {
        return Ok(true);
    }
    match id.split_once(['-', '.']) {
        Some((first, second)) if number(first) && number(second) => Ok(false),
        _ => Err(DataError::parse(
            path,
            line,
            "a token number in column 1",
            format!("`{id}`"),
        )),
    }
}
