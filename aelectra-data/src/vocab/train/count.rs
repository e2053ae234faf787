//! Counting the words of a corpus.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use crate::corpus::{
    CorpusOptions, Progress, Source, SourceReport, documents, ordered, read_chunks,
};
use crate::error::Result;
use crate::vocab::TokenizerOptions;
use crate::vocab::chars::for_each_run;
use crate::vocab::normalize::WordNormalizer;

type Counts = HashMap<Box<str>, u64, FxBuildHasher>;

/// The words of a corpus.
#[derive(Debug, Default)]
pub(super) struct WordCounts {
    /// Words and how often they occur, most frequent first, ties in byte order.
    pub(super) words: Vec<(Box<str>, u64)>,
    /// Different words before the limit.
    pub(super) distinct: u64,
    /// Words with repetition.
    pub(super) total: u64,
    pub(super) sources: Vec<SourceReport>,
}

/// Counts the normalized words of all sources and keeps the `limit` most frequent ones.
pub(super) fn count_words(
    sources: &[Source],
    corpus: &CorpusOptions,
    options: &TokenizerOptions,
    limit: usize,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<WordCounts> {
    let normalizer = WordNormalizer::new(options);
    let mut raw = Counts::default();
    let mut reports: Vec<SourceReport> = sources
        .iter()
        .map(|source| SourceReport {
            path: source.path.clone(),
            ..SourceReport::default()
        })
        .collect();
    let mut bytes = 0;
    ordered(
        corpus.thread_count(),
        |emit| read_chunks(sources, corpus, emit),
        || (),
        |(), chunk| {
            let mut counts = Counts::default();
            let found = documents(&chunk, sources, corpus, |document| {
                for_each_run(&document.text, options.tokenize_chinese_chars, |run| {
                    let run = &document.text[run.start..run.end];
                    match counts.get_mut(run) {
                        Some(count) => *count += 1,
                        None => {
                            counts.insert(run.into(), 1);
                        }
                    }
                });
            })?;
            Ok((counts, found))
        },
        |(counts, found): (Counts, Vec<(usize, SourceReport)>)| {
            for (word, count) in counts {
                *raw.entry(word).or_default() += count;
            }
            for (source, report) in found {
                bytes += report.bytes;
                reports[source].add(&report);
            }
            progress(Progress {
                stage: "count",
                done: bytes,
                total: None,
                unit: "bytes",
            });
            Ok(())
        },
    )?;
    let mut counts = Counts::default();
    let mut total = 0;
    for (run, count) in raw {
        for word in normalizer.words(&run) {
            total += count;
            *counts.entry(word.text.into()).or_default() += count;
        }
    }
    let distinct = counts.len() as u64;
    let mut words: Vec<(Box<str>, u64)> = counts.into_iter().collect();
    words.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    words.truncate(limit);
    Ok(WordCounts {
        words,
        distinct,
        total,
        sources: reports,
    })
}
