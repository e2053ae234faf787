//! JSON Lines with `tokens` and `ner_tags` or `tags`, as Hugging Face's data sets are written.

use std::path::Path;

use serde_json::Value;

use super::dataset::NerSentence;
use super::scheme::Scheme;
use crate::{DataError, Result};

pub(super) fn read(
    path: &Path,
    lines: &[&str],
    scheme: Scheme,
    label_names: Option<&[String]>,
    skipped: &mut usize,
) -> Result<Vec<NerSentence>> {
    let mut sentences = Vec::new();
    for (line, text) in (1..).zip(lines) {
        if text.trim().is_empty() {
            continue;
        }
        let record: Value = serde_json::from_str(text).map_err(|error| {
            DataError::parse(path, line, "one JSON object a line", error.to_string())
        })?;
        let tokens = list(path, line, &record, &["tokens"])?;
        let tags = list(path, line, &record, &["ner_tags", "tags"])?;
        if tokens.len() != tags.len() {
            let found = format!("{} tokens and {} tags", tokens.len(), tags.len());
            return Err(DataError::parse(
                path,
                line,
                "as many tags as tokens",
                found,
            ));
        }
        if tokens.is_empty() {
            *skipped += 1;
            continue;
        }
        let mut sentence = NerSentence::default();
        for (token, tag) in tokens.iter().zip(tags) {
            let token = token.as_str().filter(|token| !token.trim().is_empty());
            let token = token.ok_or_else(|| {
                DataError::parse(path, line, "non-empty strings as tokens", "another")
            })?;
            let tag = tag_name(path, line, tag, label_names)?;
            scheme.check(tag, path, line)?;
            sentence.push(token, tag, line);
        }
        sentences.push(sentence);
    }
    Ok(sentences)
}

/// The list under the first of `names` that the record has.
fn list<'a>(path: &Path, line: usize, record: &'a Value, names: &[&str]) -> Result<&'a [Value]> {
    let found = names.iter().find_map(|name| record.get(name));
    let list = found.and_then(Value::as_array).map(Vec::as_slice);
    list.ok_or_else(|| {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let found = if found.is_some() {
            "something else"
        } else {
            "no such field"
        };
        DataError::parse(path, line, format!("a list {}", names.join(" or ")), found)
    })
}

fn tag_name<'a>(
    path: &Path,
    line: usize,
    tag: &'a Value,
    label_names: Option<&'a [String]>,
) -> Result<&'a str> {
    if let Some(name) = tag.as_str() {
        return Ok(name);
    }
    let number = tag.as_u64().and_then(|n| usize::try_from(n).ok());
    match (label_names, number) {
        (Some(names), Some(number)) => names.get(number).map(String::as_str).ok_or_else(|| {
            let expected = format!("a tag number below {} (the label names given)", names.len());
            DataError::parse(path, line, expected, number.to_string())
        }),
        (None, Some(number)) => {
            Err(
                DataError::parse(path, line, "tags as text", format!("the number {number}"))
                    .with_hint(
                        "numbers need the label names in order: `--label-names \
                     O,B-PER,I-PER,B-ORG,I-ORG,B-LOC,I-LOC,B-MISC,I-MISC`",
                    ),
            )
        }
        (_, None) => Err(DataError::parse(
            path,
            line,
            "tags as text or numbers",
            tag.to_string(),
        )),
    }
}
