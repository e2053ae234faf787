//! What a tagger learnt by heart and what it can do with names it has never seen.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::score::{ClassScore, Counts, spans_of_sentences};
use crate::Result;
use crate::ner::dataset::{NerSentence, check_lengths};
use crate::ner::spans::{EntitySpan, Mode, entities};

/// Scores of entities whose words were an entity in the training data, of whatever class, and of the
/// others. A name in other letters' case is another name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Novelty {
    /// Their words were an entity there.
    pub seen: ClassScore,
    /// They were not.
    pub unseen: ClassScore,
}

/// Scores by whether an entity's words are an entity in `train`. A predicted entity counts where its own
/// words belong.
///
/// # Errors
/// As [`score`](super::score()), and when a sentence has more or fewer tags than tokens.
pub fn novelty(
    train: &[NerSentence],
    gold: &[NerSentence],
    predicted: &[Vec<String>],
    mode: Mode,
) -> Result<Novelty> {
    check_lengths(train)?;
    let mut known = HashSet::new();
    for sentence in train {
        for span in entities(&sentence.tags, mode)? {
            known.insert(words(sentence, &span));
        }
    }
    // Of unseen and of seen entities.
    let mut counts = [Counts::default(); 2];
    let spans = spans_of_sentences(gold, predicted, mode)?;
    for (sentence, (spans, predicted)) in gold.iter().zip(spans) {
        let gold: HashSet<EntitySpan> = spans.into_iter().collect();
        let is_known = |span: &EntitySpan| usize::from(known.contains(&words(sentence, span)));
        for span in &gold {
            counts[is_known(span)].gold += 1;
        }
        for span in predicted {
            let counts = &mut counts[is_known(&span)];
            counts.predicted += 1;
            counts.correct += usize::from(gold.contains(&span));
        }
    }
    let [unseen, seen] = counts.map(Counts::score);
    Ok(Novelty { seen, unseen })
}

fn words(sentence: &NerSentence, span: &EntitySpan) -> String {
    sentence.tokens[span.start..span.end].join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentence(text: &str) -> NerSentence {
        let pairs = text
            .split(' ')
            .map(|pair| pair.split_once('/').unwrap_or((pair, "O")));
        NerSentence {
            tokens: pairs.clone().map(|(token, _)| token.to_owned()).collect(),
            tags: pairs.map(|(_, tag)| tag.to_owned()).collect(),
            ..NerSentence::default()
        }
    }

    #[test]
    fn names_of_the_training_data_are_told_from_new_ones() {
        let train = [sentence("Mette/B-PER Holm/I-PER bor i Aarhus/B-LOC")];
        let gold = [sentence(
            "Aarhus/B-ORG slog Mette/B-PER Holm/I-PER fra Ribe/B-LOC",
        )];
        // One seen entity is found, one is not; the new one is found, and one is invented.
        let predicted =
            [sentence("Aarhus/O slog/B-MISC Mette/B-PER Holm/I-PER fra Ribe/B-LOC").tags];
        let found = novelty(&train, &gold, &predicted, Mode::Default).expect("well formed");
        let counts = |score: ClassScore| (score.support, score.predicted, score.correct);
        assert_eq!(counts(found.seen), (2, 1, 1));
        assert_eq!(counts(found.unseen), (1, 2, 1));
        assert!((found.seen.f1 - 2.0 / 3.0).abs() < 1e-12);
        assert!((found.unseen.f1 - 2.0 / 3.0).abs() < 1e-12);
        assert!(novelty(&train, &gold, &[], Mode::Default).is_err());
        let mut short = gold.clone();
        short[0].tokens.pop();
        assert!(novelty(&train, &short, &predicted, Mode::Default).is_err());
        let none = novelty(&[], &[], &[], Mode::Default).expect("nothing");
        assert_eq!(none, Novelty::default());
    }
}
