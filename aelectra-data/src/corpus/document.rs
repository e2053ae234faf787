//! From records to documents, with everything odd counted.

use std::borrow::Cow;
use std::path::PathBuf;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::CorpusOptions;
use super::chunk::{Chunk, Record, RecordKind};
use super::clean::{CleaningCounts, caught_by, compose};
use super::duplicates::{Duplicate, DuplicateIndex};
use super::source::Source;
use crate::error::{DataError, Result};

/// What was read from one source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceReport {
    /// The file; `-` for standard input.
    pub path: PathBuf,
    /// Documents with text.
    pub documents: u64,
    /// Bytes of UTF-8 in them.
    pub bytes: u64,
    /// Records skipped because they hold nothing but whitespace.
    pub empty: u64,
    /// Documents in which invalid UTF-8 was replaced.
    pub invalid_utf8: u64,
    /// Documents with NUL bytes.
    pub nul: u64,
    /// JSON lines skipped because they are no JSON or have no such text field.
    pub malformed: u64,
    /// JSON lines and Parquet rows skipped because they are too long.
    pub oversized: u64,
    /// Texts cut in two because they are too long.
    pub cut: u64,
}

impl SourceReport {
    /// Nothing read yet of a source.
    pub(crate) fn of(source: &Source) -> Self {
        Self {
            path: source.path.clone(),
            ..Self::default()
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.documents += other.documents;
        self.bytes += other.bytes;
        self.empty += other.empty;
        self.invalid_utf8 += other.invalid_utf8;
        self.nul += other.nul;
        self.malformed += other.malformed;
        self.oversized += other.oversized;
        self.cut += other.cut;
    }

    /// Whether anything but documents was found.
    pub(crate) fn has_problems(&self) -> bool {
        self.empty + self.invalid_utf8 + self.nul + self.malformed + self.oversized + self.cut > 0
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct ChunkCounts {
    /// By index of the source.
    pub(crate) sources: Vec<(usize, SourceReport)>,
    pub(crate) cleaning: CleaningCounts,
}

/// Gives the documents of a chunk that cleaning leaves to `visit`.
pub(crate) fn documents(
    chunk: &Chunk,
    sources: &[Source],
    options: &CorpusOptions,
    duplicates: &DuplicateIndex,
    mut visit: impl FnMut(&str),
) -> Result<ChunkCounts> {
    let mut cleaning = CleaningCounts::default();
    let reports = raw_documents(chunk, sources, options, |record, text| {
        let text = compose(text, &options.clean, &mut cleaning);
        let caught = match caught_by(&text, &options.clean, &mut cleaning) {
            Some(caught) => caught,
            None => match duplicates.get(chunk.index, record) {
                Some(Duplicate::Exact) if options.clean.exact_duplicates => {
                    &mut cleaning.exact_duplicates
                }
                Some(_) => &mut cleaning.near_duplicates,
                None => return visit(&text),
            },
        };
        caught.count(&text);
    })?;
    Ok(ChunkCounts {
        sources: reports,
        cleaning,
    })
}

/// Gives all documents of a chunk to `visit`, with the index of their record, and returns what was
/// counted, by source.
pub(crate) fn raw_documents<'c>(
    chunk: &'c Chunk,
    sources: &[Source],
    options: &CorpusOptions,
    mut visit: impl FnMut(usize, Cow<'c, str>),
) -> Result<Vec<(usize, SourceReport)>> {
    let mut reports: Vec<(usize, SourceReport)> = Vec::new();
    let mut index = 0;
    for records in chunk.records.chunk_by(|a, b| a.source == b.source) {
        let source = records[0].source;
        let mut report = SourceReport::of(&sources[source]);
        for record in records {
            let text = text_of(chunk, record, &options.text_field, &mut report);
            if options.strict && report.has_problems() {
                return Err(problem(&report, record));
            }
            if let Some(text) = text {
                report.documents += 1;
                report.bytes += text.len() as u64;
                visit(index, text);
            }
            index += 1;
        }
        reports.push((source, report));
    }
    Ok(reports)
}

/// The error for the first record with a problem, which is all that `report` counts.
fn problem(report: &SourceReport, record: &Record) -> DataError {
    let found = match report {
        SourceReport { empty: 1.., .. } => "an empty document",
        SourceReport {
            invalid_utf8: 1.., ..
        } => "invalid UTF-8",
        SourceReport { nul: 1.., .. } => "a NUL byte",
        SourceReport { malformed: 1.., .. } => "a line that is not JSON or lacks the text field",
        _ => "a document that is too long",
    };
    let line = record.line as usize;
    DataError::parse(&report.path, line, "a document with text", found)
        .with_hint("without --strict such documents are counted and skipped or repaired")
}

fn text_of<'a>(
    chunk: &'a Chunk,
    record: &Record,
    field: &str,
    report: &mut SourceReport,
) -> Option<Cow<'a, str>> {
    if record.kind == RecordKind::Oversized {
        report.oversized += 1;
        return None;
    }
    report.cut += u64::from(record.kind == RecordKind::CutText);
    let raw = String::from_utf8_lossy(&chunk.bytes[record.range.clone()]);
    let repaired = matches!(raw, Cow::Owned(_));
    let text = match record.kind {
        RecordKind::JsonLine if raw.trim_ascii().is_empty() => {
            report.empty += 1;
            return None;
        }
        RecordKind::JsonLine => {
            let mut deserializer = serde_json::Deserializer::from_str(&raw);
            match (TextField { name: field }).deserialize(&mut deserializer) {
                Ok(text) => Cow::Owned(text),
                Err(_) => {
                    report.malformed += 1;
                    return None;
                }
            }
        }
        _ => raw,
    };
    report.invalid_utf8 += u64::from(repaired);
    if text.trim().is_empty() {
        report.empty += 1;
        return None;
    }
    report.nul += u64::from(text.as_bytes().contains(&0));
    Some(text)
}

#[derive(Deserialize)]
struct Key<'k>(#[serde(borrow)] Cow<'k, str>);

/// Reads one string field of a JSON object and skips the others without building them.
struct TextField<'n> {
    name: &'n str,
}

impl<'de> DeserializeSeed<'de> for TextField<'_> {
    type Value = String;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for TextField<'_> {
    type Value = String;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "an object with the text field `{}`", self.name)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<String, A::Error> {
        let mut text = None;
        while let Some(Key(key)) = map.next_key()? {
            if key == self.name {
                text = Some(map.next_value::<String>()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        text.ok_or_else(|| A::Error::custom(format!("no field `{}`", self.name)))
    }
}
