//! From records to documents.

use std::borrow::Cow;

use super::chunk::{Chunk, Record, RecordKind};
use super::clean::{CleaningCounts, caught_by, compose, is_decomposed, is_misread};
use super::duplicates::{Duplicate, DuplicateIndex};
use super::json::{Found, Malformed, read_values};
use super::source::Source;
use super::{CorpusOptions, SourceReport};
use crate::error::{DataError, Result};

#[derive(Clone, Debug, Default)]
pub(crate) struct ChunkCounts {
    /// By index of the source.
    pub(crate) sources: Vec<(usize, SourceReport)>,
    pub(crate) cleaning: CleaningCounts,
}

/// Gives the documents of a chunk that cleaning leaves to `visit`, each with its source.
pub(crate) fn documents(
    chunk: &Chunk,
    sources: &[Source],
    options: &CorpusOptions,
    duplicates: &DuplicateIndex,
    mut visit: impl FnMut(usize, &str),
) -> Result<ChunkCounts> {
    let mut cleaning = CleaningCounts::default();
    let reports = raw_documents(chunk, sources, options, |source, document, text| {
        let text = compose(text, &options.clean, &mut cleaning);
        let caught = match caught_by(&text, &options.clean, &mut cleaning) {
            Some(caught) => caught,
            None => match duplicates.get(chunk.index, document) {
                Some(Duplicate::Exact) if options.clean.exact_duplicates => {
                    &mut cleaning.exact_duplicates
                }
                Some(_) => &mut cleaning.near_duplicates,
                None => return visit(source, &text),
            },
        };
        caught.count(&text);
    })?;
    Ok(ChunkCounts {
        sources: reports,
        cleaning,
    })
}

/// Gives all documents of a chunk to `visit`, with their source and their index in the chunk, and
/// returns what was counted, by source.
pub(crate) fn raw_documents<'c>(
    chunk: &'c Chunk,
    sources: &[Source],
    options: &CorpusOptions,
    mut visit: impl FnMut(usize, usize, Cow<'c, str>),
) -> Result<Vec<(usize, SourceReport)>> {
    let mut reports: Vec<(usize, SourceReport)> = Vec::new();
    let mut index = 0;
    let mut texts = Texts {
        options,
        found: Vec::new(),
    };
    for records in chunk.records.chunk_by(|a, b| a.source == b.source) {
        let source = records[0].source;
        let mut report = SourceReport::of(&sources[source]);
        for record in records {
            texts.of(chunk, record, &mut report, |text| {
                visit(source, index, text);
                index += 1;
            });
            if options.strict && report.has_problems() {
                return Err(problem(&report, record));
            }
        }
        reports.push((source, report));
    }
    Ok(reports)
}

/// The error for the first record with a problem, which is all that `report` counts.
fn problem(report: &SourceReport, record: &Record) -> DataError {
    let what = report.faults.first().map(|fault| fault.what.as_str());
    // Only empty documents are no faults: blank lines are common.
    let what = what.unwrap_or("an empty document");
    let line = record.line as usize;
    DataError::parse(&report.path, line, "a document with text", what)
        .with_hint("without --strict such documents are counted and skipped or repaired")
}

/// The texts of records.
struct Texts<'o> {
    options: &'o CorpusOptions,
    /// What the values of the last record held; kept for its memory.
    found: Vec<Found>,
}

impl Texts<'_> {
    /// Gives the texts of a record to `visit`, and counts them and what is odd about them.
    fn of<'c>(
        &mut self,
        chunk: &'c Chunk,
        record: &Record,
        report: &mut SourceReport,
        mut visit: impl FnMut(Cow<'c, str>),
    ) {
        if record.kind == RecordKind::Oversized {
            report.oversized += 1;
            let limit = self.options.max_document_bytes;
            report.fault(record.line, || format!("more than {limit} bytes"));
            return;
        }
        if record.kind == RecordKind::CutText {
            report.cut += 1;
            let what = || "a document that is too long and was cut in two".to_owned();
            report.fault(record.line, what);
        }
        let raw = String::from_utf8_lossy(&chunk.bytes[record.range.clone()]);
        if matches!(raw, Cow::Owned(_)) {
            report.invalid_utf8 += 1;
            report.fault(record.line, || "invalid UTF-8".to_owned());
        }
        if record.kind != RecordKind::Json {
            count(record, self.options, report, raw, &mut visit);
            return;
        }
        if raw.trim_ascii().is_empty() {
            report.empty += 1;
            return;
        }
        let field = &self.options.text_field;
        let outcome = read_values(&raw, field, &mut self.found);
        for found in self.found.drain(..) {
            match found {
                Found::Text { text, repaired } => {
                    if repaired {
                        report.repaired += 1;
                        report.fault(record.line, || {
                            "half a surrogate pair, replaced by U+FFFD".to_owned()
                        });
                    }
                    count(record, self.options, report, Cow::Owned(text), &mut visit);
                }
                Found::Null => report.empty += 1,
                Found::Nothing(why) => {
                    report.malformed += 1;
                    report.fault(record.line, || format!("{why} (`{field}`)"));
                }
            }
        }
        if let Err(Malformed { why }) = outcome {
            report.malformed += 1;
            report.fault(record.line, || format!("malformed JSON: {why}"));
        }
    }
}

/// Counts a text and gives it to `visit`, unless there is nothing in it.
fn count<'c>(
    record: &Record,
    options: &CorpusOptions,
    report: &mut SourceReport,
    text: Cow<'c, str>,
    visit: &mut impl FnMut(Cow<'c, str>),
) {
    if text.trim().is_empty() {
        report.empty += 1;
        return;
    }
    if text.as_bytes().contains(&0) {
        report.nul += 1;
        report.fault(record.line, || "a NUL byte".to_owned());
    }
    report.decomposed += u64::from(!options.clean.nfc && is_decomposed(&text));
    report.misread += u64::from(is_misread(&text));
    report.documents += 1;
    report.bytes += text.len() as u64;
    visit(text);
}
