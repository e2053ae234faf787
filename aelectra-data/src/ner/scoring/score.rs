//! Entity-level precision, recall and F1.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::ner::dataset::{NerSentence, check_lengths};
use crate::ner::spans::{EntitySpan, Mode, entities};
use crate::{DataError, Result};

/// Precision, recall and F1 of a class or an average, each 0 where its denominator is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassScore {
    /// Share of predicted entities that are right.
    pub precision: f64,
    /// Share of gold entities that were found.
    pub recall: f64,
    /// Harmonic mean of the two; in a macro average the mean of the classes' F1.
    pub f1: f64,
    /// Gold entities.
    pub support: usize,
    /// Predicted entities.
    pub predicted: usize,
    /// Predicted entities with the class and both boundaries of a gold entity.
    pub correct: usize,
}

/// The figures of one set of predictions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NerReport {
    /// How tags were understood.
    pub mode: Mode,
    /// Sentences scored.
    pub sentences: usize,
    /// Tokens scored.
    pub tokens: usize,
    /// Over all entities together.
    pub micro: ClassScore,
    /// Unweighted mean over the classes in gold or predictions; counts are sums.
    #[serde(rename = "macro")]
    pub macro_avg: ClassScore,
    /// By class, sorted by name.
    pub classes: BTreeMap<String, ClassScore>,
    /// `micro` after MISC is turned into `O` on both sides (EuroEval's `micro_f1_no_misc`).
    pub micro_no_misc: ClassScore,
    /// How gold entities and predictions with the same boundaries pair up.
    pub confusion: Confusion,
}

/// Entities by gold class and predicted class.
///
/// Only entities with both boundaries equal are paired; a gold entity without partner counts in
/// the column `O`, a predicted one in the row `O`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion(pub BTreeMap<String, BTreeMap<String, usize>>);

impl Confusion {
    /// How often an entity of class `gold` was given the class `predicted`.
    #[must_use]
    pub fn get(&self, gold: &str, predicted: &str) -> usize {
        let row = self.0.get(gold);
        row.and_then(|row| row.get(predicted)).copied().unwrap_or(0)
    }

    fn add(&mut self, gold: &str, predicted: &str) {
        let row = self.0.entry(gold.to_owned()).or_default();
        *row.entry(predicted.to_owned()).or_default() += 1;
    }
}

/// Correct, predicted and gold entities of a sentence or a class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) correct: usize,
    pub(super) predicted: usize,
    pub(super) gold: usize,
}

/// Scores predictions against gold tags, which may both be any tags of the mode: they are scored
/// as they are, never repaired.
///
/// # Errors
/// If the numbers of sentences or of a sentence's tokens differ, or a tag has no meaning in the
/// mode (see [`entities`]).
pub fn score(gold: &[Vec<String>], predicted: &[Vec<String>], mode: Mode) -> Result<NerReport> {
    let pairs = spans_of(gold, predicted, mode)?;
    let mut classes: BTreeMap<String, Counts> = BTreeMap::new();
    let mut confusion = Confusion::default();
    for (gold, predicted) in &pairs {
        let right: BTreeSet<&EntitySpan> = gold.iter().collect();
        for span in gold {
            classes.entry(span.label.clone()).or_default().gold += 1;
        }
        for span in predicted {
            let counts = classes.entry(span.label.clone()).or_default();
            counts.predicted += 1;
            counts.correct += usize::from(right.contains(span));
        }
        confuse(gold, predicted, &mut confusion);
    }
    let micro = sum(classes.values());
    let no_misc = classes.iter().filter(|(class, _)| *class != "MISC");
    let micro_no_misc = sum(no_misc.map(|(_, counts)| counts)).score();
    let classes: BTreeMap<String, ClassScore> = classes
        .into_iter()
        .map(|(class, counts)| (class, counts.score()))
        .collect();
    Ok(NerReport {
        mode,
        sentences: gold.len(),
        tokens: gold.iter().map(Vec::len).sum(),
        micro: micro.score(),
        macro_avg: macro_average(&classes, micro),
        micro_no_misc,
        classes,
        confusion,
    })
}

fn macro_average(classes: &BTreeMap<String, ClassScore>, micro: Counts) -> ClassScore {
    let mean = |figure: fn(&ClassScore) -> f64| {
        let total: f64 = classes.values().map(figure).sum();
        if classes.is_empty() {
            0.0
        } else {
            total / classes.len() as f64
        }
    };
    ClassScore {
        precision: mean(|class| class.precision),
        recall: mean(|class| class.recall),
        f1: mean(|class| class.f1),
        support: micro.gold,
        predicted: micro.predicted,
        correct: micro.correct,
    }
}

/// Both lists as [`entities`] gives them: in order, none over another.
fn confuse(gold: &[EntitySpan], predicted: &[EntitySpan], confusion: &mut Confusion) {
    for span in gold {
        confusion.add(&span.label, class_at(predicted, span).unwrap_or("O"));
    }
    for span in predicted
        .iter()
        .filter(|span| class_at(gold, span).is_none())
    {
        confusion.add("O", &span.label);
    }
}

/// The class of the entity with the same boundaries.
fn class_at<'s>(spans: &'s [EntitySpan], span: &EntitySpan) -> Option<&'s str> {
    let found = spans.binary_search_by_key(&(span.start, span.end), |s| (s.start, s.end));
    found.ok().map(|at| spans[at].label.as_str())
}

/// The entities of both sides, sentence by sentence.
pub(super) type SpanPairs = Vec<(Vec<EntitySpan>, Vec<EntitySpan>)>;

pub(super) fn spans_of(
    gold: &[Vec<String>],
    predicted: &[Vec<String>],
    mode: Mode,
) -> Result<SpanPairs> {
    if gold.len() != predicted.len() {
        let message = format!(
            "{} gold sentences but {} predicted ones",
            gold.len(),
            predicted.len()
        );
        return Err(DataError::invalid(message)
            .with_hint("gold and predictions must be the same sentences in the same order"));
    }
    let pair = |(i, (gold, predicted)): (usize, (&Vec<String>, &Vec<String>))| {
        if gold.len() != predicted.len() {
            let message = format!(
                "sentence {}: {} gold tags but {} predicted ones",
                i + 1,
                gold.len(),
                predicted.len()
            );
            return Err(DataError::invalid(message)
                .with_hint("every token needs one gold and one predicted tag"));
        }
        Ok((entities(gold, mode)?, entities(predicted, mode)?))
    };
    gold.iter().zip(predicted).enumerate().map(pair).collect()
}

/// The entities of labelled sentences and of what was predicted for them.
pub(super) fn spans_of_sentences(
    gold: &[NerSentence],
    predicted: &[Vec<String>],
    mode: Mode,
) -> Result<SpanPairs> {
    check_lengths(gold)?;
    let gold: Vec<Vec<String>> = gold.iter().map(|sentence| sentence.tags.clone()).collect();
    spans_of(&gold, predicted, mode)
}

pub(super) fn count(gold: &[EntitySpan], predicted: &[EntitySpan]) -> Counts {
    let right: BTreeSet<&EntitySpan> = gold.iter().collect();
    Counts {
        correct: predicted.iter().filter(|span| right.contains(span)).count(),
        predicted: predicted.len(),
        gold: gold.len(),
    }
}

pub(super) fn sum<'a>(counts: impl IntoIterator<Item = &'a Counts>) -> Counts {
    counts
        .into_iter()
        .fold(Counts::default(), |total, counts| Counts {
            correct: total.correct + counts.correct,
            predicted: total.predicted + counts.predicted,
            gold: total.gold + counts.gold,
        })
}

impl Counts {
    pub(super) fn score(self) -> ClassScore {
        let share = |of: usize| {
            if of == 0 {
                0.0
            } else {
                self.correct as f64 / of as f64
            }
        };
        let (precision, recall) = (share(self.predicted), share(self.gold));
        let f1 = if self.correct == 0 {
            0.0
        } else {
            2.0 * precision * recall / (precision + recall)
        };
        ClassScore {
            precision,
            recall,
            f1,
            support: self.gold,
            predicted: self.predicted,
            correct: self.correct,
        }
    }
}

/// The six tags that the published Ælæctra table counts.
const ORIGINAL_TAGS: [&str; 6] = ["B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG"];

/// The metric of the published Ælæctra table: micro F1 over the tags `B-` and `I-` of PER, LOC and
/// ORG at every word piece, everything else counting as `O` (scikit-learn's
/// `f1_score(average="micro", labels=[the six])`; MalteHB/-l-ctra, notebooks/fine-tuning).
///
/// Takes gold and predicted tag of every word piece of the test set, special tokens left out. A
/// wrong prefix counts as a false positive and a false negative. It depends on the vocabulary, so
/// it compares no two tokenizers, and only means anything for a model whose word pieces were all
/// labelled ([`Alignment::AllPieces`](crate::ner::Alignment)).
pub fn piece_f1_original<'a>(pieces: impl IntoIterator<Item = (&'a str, &'a str)>) -> f64 {
    let (mut correct, mut predicted, mut gold) = (0u64, 0u64, 0u64);
    for (right, guess) in pieces {
        let counted = |tag: &str| u64::from(ORIGINAL_TAGS.contains(&tag));
        gold += counted(right);
        predicted += counted(guess);
        correct += if right == guess { counted(right) } else { 0 };
    }
    if correct == 0 {
        0.0
    } else {
        2.0 * correct as f64 / (gold + predicted) as f64
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::ner::scheme::tests::iob2;
    use proptest::prelude::*;

    pub(in crate::ner) fn sentences(texts: &[&str]) -> Vec<Vec<String>> {
        let tags = |text: &&str| text.split_whitespace().map(str::to_owned).collect();
        texts.iter().map(tags).collect()
    }

    #[test]
    fn the_example_of_seqeval() {
        let gold = sentences(&["O O O B-MISC I-MISC I-MISC O", "B-PER I-PER O"]);
        let predicted = sentences(&["O O B-MISC I-MISC I-MISC I-MISC O", "B-PER I-PER O"]);
        let report = score(&gold, &predicted, Mode::Default).expect("scores");
        assert_eq!((report.micro.f1, report.macro_avg.f1), (0.5, 0.5));
        assert_eq!(
            (report.classes["MISC"].f1, report.classes["PER"].f1),
            (0.0, 1.0)
        );
        assert_eq!(
            (report.micro_no_misc.f1, report.micro_no_misc.support),
            (1.0, 1)
        );
        assert_eq!(report.confusion.get("MISC", "O"), 1);
        assert_eq!(report.confusion.get("O", "MISC"), 1);
        assert_eq!(report.confusion.get("PER", "PER"), 1);
        let json = serde_json::to_value(&report).expect("serialises");
        assert_eq!(json["macro"]["support"], 2);
    }

    #[test]
    fn lengths_must_agree() {
        let gold = sentences(&["O O", "O"]);
        assert!(score(&gold, &sentences(&["O O"]), Mode::Default).is_err());
        let error = score(&gold, &sentences(&["O O", "O O"]), Mode::Default).expect_err("differs");
        assert!(
            error
                .to_string()
                .starts_with("sentence 2: 1 gold tags but 2"),
            "{error}"
        );
    }

    #[test]
    fn nothing_at_all_scores_zero() {
        let nothing = sentences(&["O", ""]);
        let report = score(&nothing, &nothing, Mode::Strict).expect("scores");
        assert_eq!(
            (report.micro.f1, report.macro_avg.f1, report.tokens),
            (0.0, 0.0, 1)
        );
    }

    #[test]
    fn pieces_count_six_tags() {
        let pieces = [
            ("B-PER", "B-PER"),
            ("B-PER", "I-PER"),
            ("O", "B-LOC"),
            ("B-MISC", "B-MISC"),
            ("I-ORG", "O"),
            ("O", "O"),
        ];
        // Three gold, three predicted, one right: 2·1 / (3 + 3).
        assert!((piece_f1_original(pieces) - 1.0 / 3.0).abs() < 1e-15);
        assert_eq!(piece_f1_original([("O", "B-PER")]), 0.0);
    }

    /// Any tags, of words in a sentence that is long enough for several entities.
    pub(in crate::ner) fn any_tags() -> impl Strategy<Value = Vec<String>> {
        let tags = [
            "O", "O", "B-PER", "I-PER", "B-LOC", "I-LOC", "S-ORG", "E-ORG",
        ];
        prop::collection::vec(prop::sample::select(tags.to_vec()), 40)
            .prop_map(|tags| tags.into_iter().map(str::to_owned).collect::<Vec<String>>())
    }

    proptest! {
        #[test]
        fn entities_pair_as_if_each_were_compared_with_all(gold in any_tags(), predicted in any_tags()) {
            let gold = entities(&gold, Mode::Default).expect("tags");
            let predicted = entities(&predicted, Mode::Default).expect("tags");
            let mut found = Confusion::default();
            confuse(&gold, &predicted, &mut found);
            let at = |spans: &[EntitySpan], span: &EntitySpan| {
                let same = |other: &&EntitySpan| (other.start, other.end) == (span.start, span.end);
                spans.iter().find(same).map(|other| other.label.clone())
            };
            let mut expected = Confusion::default();
            for span in &gold {
                expected.add(&span.label, at(&predicted, span).as_deref().unwrap_or("O"));
            }
            for span in predicted.iter().filter(|span| at(&gold, span).is_none()) {
                expected.add("O", &span.label);
            }
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn gold_against_itself_is_one(tags in prop::collection::vec(iob2(), 1..6)) {
            for mode in [Mode::Default, Mode::Strict] {
                let report = score(&tags, &tags, mode).expect("scores");
                let any = tags.iter().flatten().any(|tag| tag != "O");
                prop_assert_eq!(report.micro.f1, if any { 1.0 } else { 0.0 });
                prop_assert_eq!(report.macro_avg.f1, report.micro.f1);
            }
        }
    }
}
