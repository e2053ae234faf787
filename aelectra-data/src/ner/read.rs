//! Reading labelled sentences: which format a file has, and what all formats share.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::dataset::NerDataset;
use super::labels::LabelMap;
use super::scheme::{Scheme, orphans};
use super::{columns, conllu, jsonl};
use crate::{DataError, Result};

/// The form of a file with labelled sentences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NerFormat {
    /// CoNLL-U: ten tab-separated columns, the tag as `name=B-PER` anywhere in the tenth (MISC).
    Conllu,
    /// One token a line with its tag in some column, blank lines between sentences (IOB2 files,
    /// CoNLL-2003, UNER).
    Columns,
    /// One JSON object a line with `tokens` and `ner_tags` or `tags`.
    Jsonl,
}

/// How to read a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// The form; `None` finds out from the name's extension and the first data line.
    pub format: Option<NerFormat>,
    /// The column with the tag, from 1 as `cut -f` counts ([`NerFormat::Columns`] only); `None`
    /// finds out, see [`read_ner`].
    pub column: Option<usize>,
    /// The scheme of the file's tags; sentences come out as IOB2.
    pub scheme: Scheme,
    /// Renames, applied after the scheme's conversion.
    pub label_map: LabelMap,
    /// Label names for JSON files whose tags are numbers.
    pub label_names: Option<Vec<String>>,
}

/// Reads a file of labelled sentences.
///
/// * **CoNLL-U**: words with a plain number as id are tokens; ranges (`1-2`) and empty nodes
///   (`1.1`) are skipped. The tag is the field `name=` of MISC, wherever it is.
/// * **Columns**: separated by tabs if the first data line has one, else by white space. The first
///   column is the token, or the second where the first counts 1, 2, 3 in every sentence (UNER).
///   Without [`ReadOptions::column`] the tag column is the only one whose fields are all tags of
///   the scheme; with four columns (CoNLL-2003: token, part of speech, chunk, entity) it is the
///   last; where several could be meant, reading ends with an error that names them. Lines
///   `-DOCSTART-` and comments before a sentence's first token are skipped.
/// * **JSON Lines**: `tokens` and `ner_tags` or `tags`; numbers need [`ReadOptions::label_names`].
///
/// # Errors
/// If the file cannot be read, a line is not what the format asks for (see the table of rules in
/// [the module](super)), or there is no sentence in it.
pub fn read_ner(path: &Path, options: &ReadOptions) -> Result<NerDataset> {
    let bytes = std::fs::read(path).map_err(DataError::io("read", path))?;
    let text = decode(path, &bytes)?;
    read_ner_text(path, text, options)
}

/// [`read_ner`] for text already in memory; `path` names it in errors and gives the extension.
///
/// # Errors
/// As [`read_ner`].
pub fn read_ner_text(path: &Path, text: &str, options: &ReadOptions) -> Result<NerDataset> {
    let lines = lines(text);
    let mut skipped = 0;
    let raw = match options.format.unwrap_or_else(|| detect(path, &lines)) {
        NerFormat::Conllu => conllu::read(path, &lines, options.scheme)?,
        NerFormat::Columns => columns::read(path, &lines, options.column, options.scheme)?,
        NerFormat::Jsonl => jsonl::read(
            path,
            &lines,
            options.scheme,
            options.label_names.as_deref(),
            &mut skipped,
        )?,
    };
    if raw.is_empty() {
        return Err(DataError::parse(path, 0, "at least one sentence", "none")
            .with_hint("is the file empty, or only comments?"));
    }
    let mut dataset = NerDataset {
        path: path.to_path_buf(),
        sentences: raw,
        orphans: (0, 0),
        skipped,
    };
    for sentence in &mut dataset.sentences {
        let iob2 = options.scheme.to_iob2(&sentence.tags);
        let count = orphans(&iob2).count();
        if count > 0 && dataset.orphans.0 == 0 {
            dataset.orphans.1 = sentence.line;
        }
        dataset.orphans.0 += count;
        sentence.tags = options.label_map.apply_all(&iob2);
    }
    Ok(dataset)
}

/// UTF-8 without a byte-order mark.
pub(super) fn decode<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = 1 + before.iter().filter(|&&b| b == b'\n').count();
        let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
        DataError::parse(path, line, "UTF-8 text", format!("the byte 0x{byte:02x}"))
            .with_hint("convert the file, e.g. with `iconv -f latin1 -t utf-8`")
    })
}

/// Lines ended by `\n`, `\r\n` or `\r`, also mixed.
pub(super) fn lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    for line in text.split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        lines.extend(line.split('\r'));
    }
    lines
}

pub(super) fn detect(path: &Path, lines: &[&str]) -> NerFormat {
    let extension = path
        .extension()
        .and_then(|e| e.to_str())
        .unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "conllu" => return NerFormat::Conllu,
        "jsonl" | "json" | "ndjson" => return NerFormat::Jsonl,
        "iob2" | "iob" | "bio" => return NerFormat::Columns,
        _ => {}
    }
    let is_data = |line: &&&str| !line.trim().is_empty() && !line.starts_with('#');
    let Some(line) = lines.iter().find(is_data) else {
        return NerFormat::Columns;
    };
    let fields: Vec<&str> = line.split('\t').collect();
    if line.trim_start().starts_with('{') {
        NerFormat::Jsonl
    } else if fields.len() == 10 && fields[0].starts_with(|c: char| c.is_ascii_digit()) {
        NerFormat::Conllu
    } else {
        NerFormat::Columns
    }
}
