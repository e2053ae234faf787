//! How well a tagger finds the entities of labelled sentences.

use std::collections::BTreeMap;
use std::time::Instant;

use aelectra_data::ner::{
    Alignment, Decoded, Evaluation, LabelMap, Mode, NerSentence, Resampling, piece_f1_original,
};
use serde::Serialize;

use crate::error::Result;
use crate::ner::tagger::Tagger;

/// The scores of a tagger; the keys are those of `aelectra evaluate --json`.
#[derive(Clone, Debug, Serialize)]
pub struct TaggerEvaluation {
    /// Scores and their interval.
    #[serde(flatten)]
    pub evaluation: Evaluation,
    /// The predicted tag of every word.
    #[serde(skip)]
    pub tags: Vec<Vec<String>>,
    /// Seconds of tagging, from words to tags.
    pub seconds: f64,
    /// Sentences tagged per second.
    pub sentences_per_second: f64,
}

/// Sentences whose scores, one for each class at every position, are kept at a time.
const SENTENCES_AT_ONCE: usize = 4096;

/// Tags sentences and scores the result against their own tags; with `resampling` also the interval
/// of micro F1. The piece-level F1 of the original is there for models whose word pieces were all
/// labelled in training. What the tagger finds is renamed by `names` before it is scored.
///
/// # Errors
/// When a sentence cannot be cut into windows, its tags have no meaning in the mode, or an interval
/// is asked for and there is no sentence.
pub fn evaluate(
    tagger: &Tagger,
    sentences: &[NerSentence],
    names: &LabelMap,
    mode: Mode,
    resampling: Option<Resampling>,
) -> Result<TaggerEvaluation> {
    let started = Instant::now();
    let by_piece = tagger.settings().alignment == Alignment::AllPieces;
    let mut tags: Vec<Vec<String>> = Vec::with_capacity(sentences.len());
    let renamed = |tag: &str| names.apply(tag);
    let all = tagger.tags().labels().iter();
    let pairs = all.map(|tag| (tag.as_str(), renamed(tag)));
    let renamed: BTreeMap<&str, String> = pairs.collect();
    let mut pieces: Vec<(&str, &str)> = Vec::new();
    for block in sentences.chunks(SENTENCES_AT_ONCE) {
        let windows = tagger.windows(block.iter().map(|s| s.tokens.as_slice()))?;
        let scores = tagger.predict(&windows);
        let found = tagger.decode(&windows, &scores)?;
        tags.extend(found.into_iter().map(|words| {
            let tag = |word: Decoded| renamed[tagger.tags().label(word.tag)].clone();
            words.into_iter().map(tag).collect()
        }));
        if by_piece {
            // Each piece of a word against the word's tag.
            let gold = block.iter().flat_map(|sentence| &sentence.tags);
            let words = gold.zip(windows.words.iter().flatten());
            pieces.extend(words.flat_map(|(tag, place)| {
                (place.start..place.end).map(|position| {
                    let piece = tagger
                        .decoder()
                        .tag_alone(scores.at(place.window, position));
                    (tag.as_str(), renamed[piece].as_str())
                })
            }));
        }
    }
    let seconds = started.elapsed().as_secs_f64();

    let gold: Vec<Vec<String>> = sentences.iter().map(|s| s.tags.clone()).collect();
    let mut evaluation = Evaluation::of_tags(&gold, &tags, mode, resampling)?;
    if by_piece {
        evaluation.piece_f1_original = Some(piece_f1_original(pieces));
    }
    Ok(TaggerEvaluation {
        evaluation,
        tags,
        seconds,
        sentences_per_second: sentences.len() as f64 / seconds.max(1e-9),
    })
}
