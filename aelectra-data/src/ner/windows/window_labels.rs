//! Labels for training: which class each position of a window has to learn.

use serde::{Deserialize, Serialize};

use super::align::Windows;
use crate::ner::dataset::NerSentence;
use crate::ner::labels::LabelSet;
use crate::{DataError, Result};

/// Which word pieces carry their word's label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alignment {
    /// The first of each word; the others are outside the loss (Hugging Face `run_ner.py`).
    #[default]
    FirstPiece,
    /// All, each with the word's tag unchanged, so that `B-` repeats (the original notebooks).
    AllPieces,
}

/// The class of each position of each window, `None` where no loss is taken.
///
/// `windows` are those of the tokens of `sentences`. A word that several windows hold is labelled in
/// one only, the one its prediction is read from, so that every word counts once in the loss. A tag
/// that `labels` lacks is outside the loss; see [`LabelSet::unseen`]. Where `labels` has classes
/// `[CLS]` and `[SEP]` ([`LabelSet::original`]), the special tokens are labelled with them.
///
/// # Errors
/// If `windows` are not those of `sentences`, or a sentence has not as many tags as tokens.
pub fn labels_for(
    windows: &Windows,
    sentences: &[NerSentence],
    labels: &LabelSet,
    alignment: Alignment,
) -> Result<Vec<Vec<Option<usize>>>> {
    if windows.words.len() != sentences.len() {
        let (cut, tagged) = (windows.words.len(), sentences.len());
        let message = format!("windows of {cut} sentences but tags of {tagged}");
        return Err(DataError::invalid(message));
    }
    let (cls, sep) = (labels.id("[CLS]"), labels.id("[SEP]"));
    let mut rows: Vec<Vec<Option<usize>>> = windows
        .input_ids
        .iter()
        .map(|ids| {
            let mut row = vec![None; ids.len()];
            if let [first, .., last] = row.as_mut_slice() {
                (*first, *last) = (cls, sep);
            }
            row
        })
        .collect();
    for (index, (sentence, places)) in sentences.iter().zip(&windows.words).enumerate() {
        if sentence.tags.len() != places.len() {
            let message = format!(
                "sentence {} (line {}): {} tokens but {} tags",
                index + 1,
                sentence.line,
                places.len(),
                sentence.tags.len()
            );
            return Err(DataError::invalid(message));
        }
        for (place, tag) in places.iter().zip(&sentence.tags) {
            let end = match alignment {
                Alignment::FirstPiece => place.end.min(place.start + 1),
                Alignment::AllPieces => place.end,
            };
            rows[place.window][place.start..end].fill(labels.id(tag));
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::super::align::align;
    use super::super::align::tests::{ids, letters};
    use super::*;
    use crate::ner::perturb::tests::sentence;
    use proptest::prelude::*;

    fn windows(sentences: &[NerSentence], max_length: usize, stride: usize) -> Windows {
        let words = sentences.iter().map(|s| s.tokens.as_slice());
        align(&letters(), words, max_length, stride).expect("aligns")
    }

    fn labels() -> LabelSet {
        let labels = ["O", "B-PER", "I-PER"].map(str::to_owned);
        LabelSet::from_labels(labels.to_vec()).expect("unique")
    }

    #[test]
    fn first_piece_and_all_pieces() {
        let sentences = [sentence("Bo/B-PER ler x/B-LOC")];
        let windows = windows(&sentences, 16, 4);
        let expected = ids(&letters(), "[CLS] B ##o l ##e ##r x [SEP]");
        assert_eq!(windows.input_ids, [expected]);
        let label = |alignment| {
            labels_for(&windows, &sentences, &labels(), alignment)
                .expect("labels")
                .remove(0)
        };
        let (o, per) = (Some(0), Some(1));
        assert_eq!(
            label(Alignment::FirstPiece),
            [None, per, None, o, None, None, None, None]
        );
        assert_eq!(
            label(Alignment::AllPieces),
            [None, per, per, o, o, o, None, None]
        );
    }

    #[test]
    fn special_tokens_are_labelled_where_they_are_classes() {
        let sentences = [sentence("Bo/B-PER")];
        let set = LabelSet::original();
        let windows = windows(&sentences, 8, 0);
        let labels = labels_for(&windows, &sentences, &set, Alignment::AllPieces);
        let labels = labels.expect("labels").remove(0);
        assert_eq!(labels, [set.id("[CLS]"), Some(0), Some(0), set.id("[SEP]")]);
    }

    #[test]
    fn each_word_is_labelled_in_one_window() {
        let sentences = [sentence("a b c d e f")];
        let windows = windows(&sentences, 6, 2);
        let labels = labels_for(&windows, &sentences, &labels(), Alignment::FirstPiece);
        let labelled: Vec<usize> = labels
            .expect("labels")
            .iter()
            .map(|row| row.iter().flatten().count())
            .collect();
        assert_eq!(labelled, [3, 3]);
    }

    #[test]
    fn tags_must_fit_the_windows() {
        let mut sentences = [sentence("a b")];
        let windows = windows(&sentences, 8, 0);
        sentences[0].tags.pop();
        let label = |sentences: &[NerSentence]| {
            labels_for(&windows, sentences, &labels(), Alignment::FirstPiece)
        };
        let error = label(&sentences).expect_err("a tag is missing").to_string();
        assert!(error.contains("(line 4): 2 tokens but 1 tags"), "{error}");
        assert!(label(&[]).is_err());
    }

    proptest! {
        #[test]
        fn labels_come_back_as_tags(
            lengths in prop::collection::vec(prop::collection::vec(1usize..12, 0..40), 1..4),
            max_length in 3usize..24,
            stride_share in 0usize..100,
        ) {
            let stride = (max_length - 3) * stride_share / 100;
            let set = labels();
            let sentences: Vec<NerSentence> = lengths.iter().map(|words| NerSentence {
                tokens: words.iter().map(|&n| "a".repeat(n)).collect(),
                tags: (0..words.len()).map(|i| set.label(i % 3).to_owned()).collect(),
                line: 0,
            }).collect();
            let windows = windows(&sentences, max_length, stride);
            for alignment in [Alignment::FirstPiece, Alignment::AllPieces] {
                let given = labels_for(&windows, &sentences, &set, alignment).expect("labels");
                for (sentence, places) in sentences.iter().zip(&windows.words) {
                    let tags: Vec<&str> = places.iter()
                        .map(|word| given[word.window][word.start])
                        .map(|id| id.map_or("none", |id| set.label(id))).collect();
                    prop_assert_eq!(&tags, &sentence.tags);
                }
                if alignment == Alignment::FirstPiece {
                    let labelled: usize = given.iter().map(|row| row.iter().flatten().count()).sum();
                    prop_assert_eq!(labelled, lengths.iter().map(Vec::len).sum::<usize>());
                }
            }
        }
    }
}
