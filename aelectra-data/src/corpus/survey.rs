//! A pass over the corpus that finds duplicates, and reports what cleaning would do.

use serde::{Deserialize, Serialize};

use super::clean::{CleanOptions, CleaningCounts, caught_by, compose, judge};
use super::document::raw_documents;
use super::duplicates::{Duplicate, DuplicateIndex, Seen, Signature};
use super::{CorpusOptions, Format, Progress, ReadCounter, Source, discover, ordered, read_chunks};
use crate::error::{DataError, Result};

/// The duplicates that cleaning leaves out: reads the corpus once if it looks for any.
pub(crate) fn find_duplicates(
    sources: &[Source],
    corpus: &CorpusOptions,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<DuplicateIndex> {
    if !corpus.clean.finds_duplicates() {
        return Ok(DuplicateIndex::default());
    }
    if sources.iter().any(|source| source.format == Format::Stdin) {
        return Err(DataError::invalid(
            "duplicates cannot be left out of standard input, which is read only once",
        )
        .with_hint("write the text to a file first"));
    }
    let (duplicates, _) = survey(sources, corpus, &corpus.clean, false, progress)?;
    Ok(duplicates)
}

/// What cleaning would do to a corpus.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CleaningReport {
    /// Documents looked at.
    pub documents: u64,
    /// Bytes of text in them.
    pub bytes: u64,
    /// The limits that were tried.
    pub options: CleanOptions,
    /// What each filter alone would remove; documents may be caught by several.
    #[serde(flatten)]
    pub counts: CleaningCounts,
}

/// Tries every filter on every document of a corpus and changes nothing. Filters that are off in
/// `corpus.clean` are tried under limits that catch what is hardly text.
///
/// # Errors
/// When an input cannot be read.
pub fn report_cleaning(
    corpus: &CorpusOptions,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<CleaningReport> {
    let sources = discover(corpus)?.sources;
    let options = corpus.clean.or_suggested();
    let (_, report) = survey(&sources, corpus, &options, true, progress)?;
    Ok(report)
}

/// Looks at all documents in order. With `independent`, every filter sees every document; without,
/// only those that the filters before it let through.
fn survey(
    sources: &[Source],
    corpus: &CorpusOptions,
    options: &CleanOptions,
    independent: bool,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<(DuplicateIndex, CleaningReport)> {
    let read = ReadCounter::new(sources);
    let mut duplicates = DuplicateIndex::default();
    let mut report = CleaningReport {
        options: options.clone(),
        ..CleaningReport::default()
    };
    let mut seen = Seen::default();
    ordered(
        corpus.thread_count(),
        |emit| read_chunks(sources, corpus, &read, emit),
        || (),
        |(), chunk| {
            let mut counts = CleaningCounts::default();
            let mut signatures = Vec::new();
            raw_documents(&chunk, sources, corpus, |_, record, text| {
                let text = compose(text, options, &mut counts);
                if independent {
                    let (too_short, too_long, few_letters) = judge(&text, options);
                    for (caught, by) in [
                        (too_short, &mut counts.too_short),
                        (too_long, &mut counts.too_long),
                        (few_letters, &mut counts.few_letters),
                    ] {
                        if caught {
                            by.count(&text);
                        }
                    }
                } else if caught_by(&text, options, &mut counts).is_some() {
                    return;
                }
                let signature = Signature::new(&text, options.near_duplicates);
                signatures.push((record as u32, text.len() as u64, signature));
            })?;
            Ok((chunk.index, counts, signatures))
        },
        |(chunk, counts, signatures)| {
            report.counts.add(&counts);
            for (record, bytes, signature) in signatures {
                report.documents += 1;
                report.bytes += bytes;
                let found = seen.check(&signature);
                let caught = match found {
                    Some(Duplicate::Exact) if options.exact_duplicates => {
                        &mut report.counts.exact_duplicates
                    }
                    // An exact copy is a near one too.
                    Some(_) if options.near_duplicates => &mut report.counts.near_duplicates,
                    _ => continue,
                };
                caught.documents += 1;
                caught.bytes += bytes;
                if let Some(found) = found {
                    duplicates.push(chunk, record, found);
                }
            }
            progress(read.progress("survey"));
            Ok(())
        },
    )?;
    Ok((duplicates, report))
}
