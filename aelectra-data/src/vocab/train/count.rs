//! Counting the words of a corpus.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use rustc_hash::FxBuildHasher;

use super::spill::Accumulator;
use crate::corpus::{
    CorpusOptions, Progress, ReadCounter, Source, SourceReport, documents, find_duplicates,
    ordered, read_chunks,
};
use crate::error::Result;
use crate::vocab::TokenizerOptions;
use crate::vocab::chars::for_each_run;
use crate::vocab::normalize::WordNormalizer;

/// Different words held in memory before they go to disk: about 150 MB.
const WORDS_IN_MEMORY: usize = 1 << 21;

type Words = Vec<(Box<str>, u64)>;

/// The words of a corpus.
#[derive(Debug, Default)]
pub(super) struct WordCounts {
    /// Words and how often they occur, most frequent first, ties in byte order.
    pub(super) words: Words,
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
    let duplicates = find_duplicates(sources, corpus, progress)?;
    let read = ReadCounter::new(sources);
    let mut all = Accumulator::new(WORDS_IN_MEMORY);
    let mut reports: Vec<SourceReport> = sources
        .iter()
        .map(|source| SourceReport {
            path: source.path.clone(),
            ..SourceReport::default()
        })
        .collect();
    ordered(
        corpus.thread_count(),
        |emit| read_chunks(sources, corpus, &read, emit),
        || (),
        |(), chunk| {
            let mut runs: HashMap<Box<str>, u64, FxBuildHasher> = HashMap::default();
            let found = documents(&chunk, sources, corpus, &duplicates, |text| {
                for_each_run(text, options.tokenize_chinese_chars, |run| {
                    let run = &text[run];
                    match runs.get_mut(run) {
                        Some(count) => *count += 1,
                        None => {
                            runs.insert(run.into(), 1);
                        }
                    }
                });
            })?;
            let mut words = Vec::with_capacity(runs.len());
            for (run, count) in runs {
                if normalizer.is_identity(&run) {
                    words.push((run, count));
                } else {
                    let normalized = normalizer.words(&run);
                    words.extend(normalized.into_iter().map(|word| (word.into(), count)));
                }
            }
            Ok((words, found.sources))
        },
        |(words, found): (Words, Vec<(usize, SourceReport)>)| {
            for (word, count) in words {
                all.add(word, count)?;
            }
            for (source, report) in found {
                reports[source].add(&report);
            }
            progress(read.progress("count"));
            Ok(())
        },
    )?;
    let (mut distinct, mut total) = (0, 0);
    // The least wanted word on top: the rarest, and of equally rare ones the last in byte order.
    let mut kept: BinaryHeap<(Reverse<u64>, Box<str>)> = BinaryHeap::new();
    all.finish(|word, count| {
        distinct += 1;
        total += count;
        kept.push((Reverse(count), word));
        if kept.len() > limit {
            kept.pop();
        }
    })?;
    let words = kept
        .into_sorted_vec()
        .into_iter()
        .map(|(Reverse(n), word)| (word, n))
        .collect();
    Ok(WordCounts {
        words,
        distinct,
        total,
        sources: reports,
    })
}
