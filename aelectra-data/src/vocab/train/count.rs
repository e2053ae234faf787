//! Counting the words of a corpus.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use rustc_hash::FxBuildHasher;

use super::spill::Accumulator;
use super::{VocabularyOptions, VocabularyReport};
use crate::corpus::{
    CorpusOptions, Progress, ReadCounter, Source, SourceReport, documents, find_duplicates,
    ordered, read_chunks,
};
use crate::error::Result;
use crate::vocab::chars::for_each_run;
use crate::vocab::normalize::WordNormalizer;

/// Different words held in memory before they go to disk: about 150 MB.
const WORDS_IN_MEMORY: usize = 1 << 21;

type Words = Vec<(Box<str>, u64)>;

/// The most frequent normalized words of all sources and how often they occur, most frequent first,
/// ties in byte order.
pub(super) fn count_words(
    sources: &[Source],
    corpus: &CorpusOptions,
    options: &VocabularyOptions,
    report: &mut VocabularyReport,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Words> {
    let normalizer = WordNormalizer::new(&options.options);
    let split_ideographs = options.options.tokenize_chinese_chars;
    let duplicates = find_duplicates(sources, corpus, progress)?;
    let read = ReadCounter::new(sources);
    let mut all = Accumulator::new(WORDS_IN_MEMORY);
    report.sources = sources.iter().map(SourceReport::of).collect();
    let digests = ordered(
        corpus.thread_count(),
        |emit| read_chunks(sources, corpus, &read, emit),
        || (),
        |(), chunk| {
            let mut runs: HashMap<Box<str>, u64, FxBuildHasher> = HashMap::default();
            let found = documents(&chunk, sources, corpus, &duplicates, |_, text| {
                for_each_run(text, split_ideographs, |run| {
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
            for (source, found) in found {
                report.sources[source].add(&found);
            }
            progress(read.progress("count"));
            Ok(())
        },
    )?;
    for (source, digest) in report.sources.iter_mut().zip(&digests) {
        source.trailing = digest.trailing;
    }
    // The least wanted word on top: the rarest, and of equally rare ones the last in byte order.
    let mut kept: BinaryHeap<(Reverse<u64>, Box<str>)> = BinaryHeap::new();
    all.finish(|word, count| {
        report.distinct_words += 1;
        report.words += count;
        kept.push((Reverse(count), word));
        if kept.len() > options.max_words {
            kept.pop();
        }
    })?;
    report.words_used = kept.len() as u64;
    let kept = kept.into_sorted_vec().into_iter();
    Ok(kept.map(|(Reverse(count), word)| (word, count)).collect())
}
