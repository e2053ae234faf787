//! What went wrong, entity by entity.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::score::spans_of_sentences;
use crate::Result;
use crate::ner::dataset::NerSentence;
use crate::ner::spans::{EntitySpan, Mode};

/// How a prediction and the gold annotation differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// Right class, overlapping, but not the same tokens.
    Boundary,
    /// Wrong class on the same or overlapping tokens.
    Type,
    /// A gold entity that no prediction overlaps (any more).
    Missed,
    /// A prediction that overlaps no gold entity (any more).
    Spurious,
}

/// An entity with its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntityText {
    /// Its class and tokens.
    #[serde(flatten)]
    pub span: EntitySpan,
    /// Its tokens, joined by blanks.
    pub text: String,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NerError {
    /// Its kind.
    pub kind: ErrorKind,
    /// The sentence's index, from 0.
    pub sentence: usize,
    /// The line of its first token in the data file, from 1; 0 if it came from no file.
    pub line: usize,
    /// The gold entity; `None` for a spurious prediction.
    pub gold: Option<EntityText>,
    /// The predicted entity; `None` for a missed one.
    pub predicted: Option<EntityText>,
    /// The whole sentence, tokens joined by blanks.
    pub text: String,
}

/// All differences, and how many of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorTable {
    /// Entities predicted with their class and both boundaries.
    pub correct: usize,
    /// Differences by kind.
    pub counts: BTreeMap<ErrorKind, usize>,
    /// The differences in the order of the sentences, or the first of each kind.
    pub errors: Vec<NerError>,
}

/// Compares predictions with the sentences' own tags.
///
/// Within a sentence every entity is used once. Exact matches go first; then pairs with the same
/// tokens and another class (type), overlapping pairs of one class (boundary), and overlapping
/// pairs of different classes (type), each time the longest overlap first; what is left is missed
/// or spurious. Hence `correct + boundary + type + missed` is the number of gold entities, and
/// `correct + boundary + type + spurious` that of predictions.
///
/// Of each kind at most `limit` are listed, each with a copy of its sentence; all are counted.
///
/// # Errors
/// As [`score`](super::score()), and when a sentence has more or fewer tags than tokens.
pub fn error_table(
    sentences: &[NerSentence],
    predicted: &[Vec<String>],
    mode: Mode,
    limit: usize,
) -> Result<ErrorTable> {
    let mut table = ErrorTable::default();
    let spans = spans_of_sentences(sentences, predicted, mode)?;
    for (index, (gold, predicted)) in spans.into_iter().enumerate() {
        let sentence = &sentences[index];
        let text = |span: &EntitySpan| EntityText {
            text: sentence.tokens[span.start..span.end].join(" "),
            span: span.clone(),
        };
        let (correct, differences) = compare(&gold, &predicted);
        table.correct += correct;
        for (kind, gold, predicted) in differences {
            let count = table.counts.entry(kind).or_default();
            *count += 1;
            if *count > limit {
                continue;
            }
            table.errors.push(NerError {
                kind,
                sentence: index,
                line: sentence.line,
                gold: gold.map(text),
                predicted: predicted.map(text),
                text: sentence.tokens.join(" "),
            });
        }
    }
    Ok(table)
}

type Difference<'a> = (ErrorKind, Option<&'a EntitySpan>, Option<&'a EntitySpan>);

/// The number of exact matches and the differences of one sentence, in the order of their tokens. Both lists are in order
/// themselves, and no entity of one is over another.
fn compare<'a>(
    gold: &'a [EntitySpan],
    predicted: &'a [EntitySpan],
) -> (usize, Vec<Difference<'a>>) {
    // Every overlapping pair with its rank: exact, same tokens, same class, neither.
    let mut pairs: Vec<(u8, usize, usize, usize)> = Vec::new();
    for (i, a) in gold.iter().enumerate() {
        let first = predicted.partition_point(|b| b.end <= a.start);
        let over = predicted[first..].iter().take_while(|b| b.start < a.end);
        for (j, b) in (first..).zip(over) {
            let shared = a.end.min(b.end) - a.start.max(b.start);
            let same_tokens = (a.start, a.end) == (b.start, b.end);
            let rank = match (same_tokens, a.label == b.label) {
                (true, true) => 0,
                (true, false) => 1,
                (false, true) => 2,
                (false, false) => 3,
            };
            pairs.push((rank, usize::MAX - shared, i, j));
        }
    }
    settle(gold, predicted, pairs)
}

/// Uses every entity once, the pairs of the lowest rank and the longest overlap first.
fn settle<'a>(
    gold: &'a [EntitySpan],
    predicted: &'a [EntitySpan],
    mut pairs: Vec<(u8, usize, usize, usize)>,
) -> (usize, Vec<Difference<'a>>) {
    pairs.sort_unstable();
    let (mut used_gold, mut used_predicted) =
        (vec![false; gold.len()], vec![false; predicted.len()]);
    let mut correct = 0;
    let mut differences: Vec<Difference<'a>> = Vec::new();
    for (rank, _, i, j) in pairs {
        if used_gold[i] || used_predicted[j] {
            continue;
        }
        (used_gold[i], used_predicted[j]) = (true, true);
        let kind = match rank {
            0 => {
                correct += 1;
                continue;
            }
            2 => ErrorKind::Boundary,
            _ => ErrorKind::Type,
        };
        differences.push((kind, Some(&gold[i]), Some(&predicted[j])));
    }
    let left = |used: Vec<bool>, spans: &'a [EntitySpan]| {
        spans
            .iter()
            .zip(used)
            .filter(|(_, used)| !used)
            .map(|(span, _)| span)
    };
    differences.extend(left(used_gold, gold).map(|span| (ErrorKind::Missed, Some(span), None)));
    differences.extend(
        left(used_predicted, predicted).map(|span| (ErrorKind::Spurious, None, Some(span))),
    );
    differences.sort_by_key(|(_, gold, predicted)| gold.or(*predicted).map(|span| span.start));
    (correct, differences)
}

#[cfg(test)]
mod tests {
    use super::super::score::score;
    use super::super::score::tests::any_tags;
    use super::*;
    use crate::ner::spans::entities;
    use proptest::prelude::*;

    fn sentence(tags: &str) -> NerSentence {
        let tags: Vec<String> = tags.split_whitespace().map(str::to_owned).collect();
        let tokens = (0..tags.len()).map(|i| format!("t{i}")).collect();
        NerSentence {
            tokens,
            tags,
            line: 7,
        }
    }

    #[test]
    fn the_first_of_each_kind_are_listed_and_all_are_counted() {
        let gold = sentence("B-PER O B-PER O B-PER O O O");
        let predicted = sentence("O O O O O O B-LOC O").tags;
        let table = error_table(&[gold], &[predicted], Mode::Default, 2).expect("compares");
        let starts = |error: &NerError| error.gold.as_ref().map(|gold| gold.span.start);
        let listed: Vec<_> = table.errors.iter().map(starts).collect();
        assert_eq!(listed, [Some(0), Some(2), None]);
        assert_eq!(table.counts[&ErrorKind::Missed], 3);
        assert_eq!(table.counts[&ErrorKind::Spurious], 1);
    }

    #[test]
    fn four_kinds() {
        let gold = sentence("B-PER I-PER O B-LOC O B-ORG I-ORG O B-LOC O");
        let predicted = sentence("B-PER O O B-ORG O B-LOC O B-MISC B-LOC B-PER").tags;
        let table = error_table(&[gold], &[predicted], Mode::Default, 99).expect("compares");
        let kinds: Vec<ErrorKind> = table.errors.iter().map(|e| e.kind).collect();
        let expected = [
            ErrorKind::Boundary,
            ErrorKind::Type,
            ErrorKind::Type,
            ErrorKind::Spurious,
            ErrorKind::Spurious,
        ];
        assert_eq!(kinds, expected);
        assert_eq!((table.correct, table.counts[&ErrorKind::Type]), (1, 2));
        let first = &table.errors[0];
        assert_eq!(first.gold.as_ref().map(|e| e.text.as_str()), Some("t0 t1"));
        assert_eq!(
            (first.line, first.predicted.as_ref().map(|e| e.span.end)),
            (7, Some(1))
        );
        let json = serde_json::to_value(&table).expect("serialises");
        assert_eq!(json["counts"]["boundary"], 1);
        assert_eq!(json["errors"][0]["gold"]["label"], "PER");
    }

    #[test]
    fn longest_overlap_wins_and_the_rest_is_missed() {
        let gold = sentence("B-PER B-PER I-PER O");
        let predicted = sentence("B-PER I-PER I-PER O").tags;
        let table = error_table(&[gold], &[predicted], Mode::Default, 99).expect("compares");
        assert_eq!(table.counts[&ErrorKind::Boundary], 1);
        assert_eq!(table.counts[&ErrorKind::Missed], 1);
        let boundary = table.errors.iter().find(|e| e.kind == ErrorKind::Boundary);
        let gold = boundary.and_then(|e| e.gold.as_ref()).map(|e| e.span.start);
        assert_eq!(gold, Some(1));
    }

    proptest! {
        #[test]
        fn entities_pair_as_if_each_were_compared_with_all(gold in any_tags(), predicted in any_tags()) {
            let gold = entities(&gold, Mode::Default).expect("tags");
            let predicted = entities(&predicted, Mode::Default).expect("tags");
            let mut pairs = Vec::new();
            for (i, a) in gold.iter().enumerate() {
                for (j, b) in predicted.iter().enumerate() {
                    let shared = a.end.min(b.end).saturating_sub(a.start.max(b.start));
                    if shared > 0 {
                        let same_tokens = (a.start, a.end) == (b.start, b.end);
                        let rank = 2 * u8::from(!same_tokens) + u8::from(a.label != b.label);
                        pairs.push((rank, usize::MAX - shared, i, j));
                    }
                }
            }
            prop_assert_eq!(compare(&gold, &predicted), settle(&gold, &predicted, pairs));
        }

        #[test]
        fn counts_add_up(tags in prop::collection::vec((0usize..7, 0usize..7), 0..30)) {
            let names = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG"];
            let gold: Vec<String> = tags.iter().map(|t| names[t.0].to_owned()).collect();
            let predicted: Vec<String> = tags.iter().map(|t| names[t.1].to_owned()).collect();
            let sentence = NerSentence { tokens: gold.clone(), tags: gold.clone(), line: 0 };
            let predicted = [predicted];
            let table = error_table(&[sentence], &predicted, Mode::Default, 99).expect("compares");
            let micro = score(&[gold], &predicted, Mode::Default).expect("scores").micro;
            let of = |kind| table.counts.get(&kind).copied().unwrap_or(0);
            let paired = table.correct + of(ErrorKind::Boundary) + of(ErrorKind::Type);
            prop_assert_eq!(table.correct, micro.correct);
            prop_assert_eq!(paired + of(ErrorKind::Missed), micro.support);
            prop_assert_eq!(paired + of(ErrorKind::Spurious), micro.predicted);
        }
    }
}
