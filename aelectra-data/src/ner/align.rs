//! From words to word pieces and back: windows of model input, and one prediction per word.

use serde::{Deserialize, Serialize};

use super::labels::LabelSet;
use super::read::NerSentence;
use crate::vocab::WordPieceTokenizer;
use crate::{DataError, Result};

/// What alignment needs of a tokenizer; [`WordPieceTokenizer`] is one.
pub trait WordPieces {
    /// The word pieces of one word, without special tokens; at least one.
    fn word_pieces(&self, word: &str) -> Vec<u32>;
    /// The id of `[CLS]`.
    fn cls_id(&self) -> u32;
    /// The id of `[SEP]`.
    fn sep_id(&self) -> u32;
}

impl WordPieces for WordPieceTokenizer {
    fn word_pieces(&self, word: &str) -> Vec<u32> {
        self.encode_word(word)
    }

    fn cls_id(&self) -> u32 {
        self.special().cls
    }

    fn sep_id(&self) -> u32 {
        self.special().sep
    }
}

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

/// A stretch of a sentence that fits the model, between `[CLS]` and `[SEP]`; all lists have the
/// length of `input_ids`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NerWindow {
    /// The sentence's index.
    pub sentence: usize,
    /// `[CLS]`, word pieces, `[SEP]`; no padding.
    pub input_ids: Vec<u32>,
    /// The label at each position, `None` where no loss is taken.
    pub labels: Vec<Option<usize>>,
    /// The index in the sentence of the word at each position; `None` for special tokens.
    pub words: Vec<Option<usize>>,
    /// Whether the position is the first piece of its word.
    pub first_piece: Vec<bool>,
}

/// Where a word's prediction is read: its pieces are `start..end` of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WordPlace {
    /// Index of the window.
    pub window: usize,
    /// Position of the first piece.
    pub start: usize,
    /// Position after the last piece.
    pub end: usize,
}

/// Cuts sentences into windows of at most `max_length` positions and labels their pieces.
///
/// A sentence that fits is one window. A longer one is split between words; neighbouring windows
/// share words with at least `stride` pieces in all (as far as that lets the window advance), and
/// each word is labelled in one window only, the one [`merge_windows`] reads, so that every word
/// counts once in the loss. A word with more pieces than a window holds keeps as many as fit. An
/// empty sentence has no window.
///
/// A tag that `labels` lacks is outside the loss; see [`LabelSet::unseen`]. Where `labels` has
/// classes `[CLS]` and `[SEP]` ([`LabelSet::original`]), the special tokens are labelled with them.
///
/// # Errors
/// If `max_length` leaves no room for a piece, or `stride` none for new ones; if a sentence has not
/// as many tags as tokens.
pub fn align<T: WordPieces + ?Sized>(
    tokenizer: &T,
    sentences: &[NerSentence],
    labels: &LabelSet,
    alignment: Alignment,
    max_length: usize,
    stride: usize,
) -> Result<Vec<NerWindow>> {
    let room = max_length.saturating_sub(2);
    if room == 0 || stride >= room {
        let message = format!("max_length {max_length} with stride {stride} leaves no room");
        return Err(DataError::invalid(message)
            .with_hint("max_length counts [CLS] and [SEP], and stride must be below the rest"));
    }
    let mut windows = Vec::new();
    for (index, sentence) in sentences.iter().enumerate() {
        if sentence.tokens.len() != sentence.tags.len() {
            let message = format!(
                "sentence {} (line {}): {} tokens but {} tags",
                index + 1,
                sentence.line,
                sentence.tokens.len(),
                sentence.tags.len()
            );
            return Err(DataError::invalid(message));
        }
        let first = windows.len();
        windows.extend(split(tokenizer, index, &sentence.tokens, room, stride));
        label(&mut windows, first, sentence, labels, alignment);
    }
    Ok(windows)
}

/// The windows of one sentence, unlabelled.
fn split<T: WordPieces + ?Sized>(
    tokenizer: &T,
    index: usize,
    tokens: &[String],
    room: usize,
    stride: usize,
) -> Vec<NerWindow> {
    let pieces: Vec<Vec<u32>> = tokens
        .iter()
        .map(|token| {
            let mut pieces = tokenizer.word_pieces(token);
            pieces.truncate(room);
            pieces
        })
        .collect();
    let mut windows = Vec::new();
    let mut start = 0;
    while start < pieces.len() {
        let mut length = 0;
        let fits = |word: &&Vec<u32>| {
            length += word.len();
            length <= room
        };
        let end = start + pieces[start..].iter().take_while(fits).count();
        windows.push(window(tokenizer, index, start, &pieces[start..end]));
        if end == pieces.len() {
            break;
        }
        // Back from the end until the overlap is long enough, but always past the start, and far
        // enough that the next window takes at least one new word.
        let mut next = end;
        let mut shared = 0;
        while shared < stride && next > start + 1 {
            let wider = shared + pieces[next - 1].len();
            if wider + pieces[end].len() > room {
                break;
            }
            (next, shared) = (next - 1, wider);
        }
        start = next;
    }
    windows
}

fn window<T: WordPieces + ?Sized>(
    tokenizer: &T,
    sentence: usize,
    first_word: usize,
    pieces: &[Vec<u32>],
) -> NerWindow {
    let mut window = NerWindow {
        sentence,
        input_ids: vec![tokenizer.cls_id()],
        labels: Vec::new(),
        words: vec![None],
        first_piece: vec![false],
    };
    for (word, pieces) in (first_word..).zip(pieces) {
        for (i, &piece) in pieces.iter().enumerate() {
            window.input_ids.push(piece);
            window.words.push(Some(word));
            window.first_piece.push(i == 0);
        }
    }
    window.input_ids.push(tokenizer.sep_id());
    window.words.push(None);
    window.first_piece.push(false);
    window.labels = vec![None; window.input_ids.len()];
    window
}

/// Labels each word of a sentence in the window that [`merge_windows`] reads.
fn label(
    windows: &mut [NerWindow],
    first: usize,
    sentence: &NerSentence,
    labels: &LabelSet,
    alignment: Alignment,
) {
    let places = best_places(&windows[first..], sentence.tokens.len());
    for (place, tag) in places.iter().zip(&sentence.tags) {
        let Some(place) = place else { continue };
        let end = match alignment {
            Alignment::FirstPiece => place.start + 1,
            Alignment::AllPieces => place.end,
        };
        windows[first + place.window].labels[place.start..end].fill(labels.id(tag));
    }
    for window in &mut windows[first..] {
        let last = window.labels.len() - 1;
        window.labels[0] = labels.id("[CLS]");
        window.labels[last] = labels.id("[SEP]");
    }
}

/// For each word the place with the most context among one sentence's windows: the distance in
/// pieces to the nearer end of the window is largest; the earlier window wins a tie.
fn best_places(windows: &[NerWindow], words: usize) -> Vec<Option<WordPlace>> {
    let mut best: Vec<Option<(usize, WordPlace)>> = vec![None; words];
    for (index, window) in windows.iter().enumerate() {
        let first_word = window.words.iter().flatten().next().copied();
        let last_word = window.words.iter().flatten().next_back().copied();
        let starts = (0..window.words.len()).filter(|&i| window.first_piece[i]);
        for start in starts {
            let Some(word) = window.words[start] else {
                continue;
            };
            let length = window.words[start..]
                .iter()
                .take_while(|w| **w == Some(word))
                .count();
            let end = start + length;
            // Nothing is cut off at the sentence's own ends.
            let left = if first_word == Some(0) {
                usize::MAX
            } else {
                start - 1
            };
            let at_end = last_word == words.checked_sub(1);
            let right = if at_end {
                usize::MAX
            } else {
                window.words.len() - 1 - end
            };
            let context = left.min(right);
            let place = WordPlace {
                window: index,
                start,
                end,
            };
            if let Some(slot) = best.get_mut(word)
                && slot.is_none_or(|(before, _)| context > before)
            {
                *slot = Some((context, place));
            }
        }
    }
    best.into_iter().map(|slot| Some(slot?.1)).collect()
}

/// Where to read each word's prediction: for every sentence, for every word, the window in which
/// it has the most context.
///
/// `words[s]` is the number of words of sentence `s`.
///
/// # Errors
/// If a word is in no window, that is if these are not the windows of these sentences.
pub fn place_words(windows: &[NerWindow], words: &[usize]) -> Result<Vec<Vec<WordPlace>>> {
    let mut first = 0;
    let mut places = Vec::with_capacity(words.len());
    for (sentence, &count) in words.iter().enumerate() {
        let own = windows[first..]
            .iter()
            .take_while(|window| window.sentence == sentence)
            .count();
        let found = best_places(&windows[first..first + own], count);
        let found: Option<Vec<WordPlace>> = found.into_iter().collect();
        let mut found = found.ok_or_else(|| {
            DataError::invalid(format!("sentence {}: a word is in no window", sentence + 1))
                .with_hint("give all windows of these sentences, in their order")
        })?;
        for place in &mut found {
            place.window += first;
        }
        places.push(found);
        first += own;
    }
    Ok(places)
}

/// One prediction per word from one per position: that of the word's first piece in the window
/// where the word has the most context.
///
/// `predictions[w][p]` belongs to position `p` of `windows[w]`; `words[s]` is the number of words
/// of sentence `s`.
///
/// # Errors
/// As [`place_words`], or if a prediction is missing.
pub fn merge_windows<P: Clone>(
    windows: &[NerWindow],
    predictions: &[Vec<P>],
    words: &[usize],
) -> Result<Vec<Vec<P>>> {
    let read = |place: WordPlace| {
        let prediction = predictions
            .get(place.window)
            .and_then(|row| row.get(place.start));
        prediction.cloned().ok_or_else(|| {
            let WordPlace { window, start, .. } = place;
            DataError::invalid(format!(
                "no prediction for window {window}, position {start}"
            ))
        })
    };
    let places = place_words(windows, words)?;
    places
        .into_iter()
        .map(|places| places.into_iter().map(read).collect())
        .collect()
}

/// The tags that predicted label numbers mean: [`merge_windows`], then [`LabelSet::tag`].
///
/// # Errors
/// As [`merge_windows`].
pub fn predicted_tags(
    windows: &[NerWindow],
    predictions: &[Vec<usize>],
    words: &[usize],
    labels: &LabelSet,
) -> Result<Vec<Vec<String>>> {
    let merged = merge_windows(windows, predictions, words)?;
    let tags = |ids: Vec<usize>| {
        ids.into_iter()
            .map(|id| labels.tag(id).to_owned())
            .collect()
    };
    Ok(merged.into_iter().map(tags).collect())
}

/// Gold tag and predicted label of every word piece, each piece once, from the window where its
/// word has the most context: what [`piece_f1_original`](super::piece_f1_original) counts.
///
/// # Errors
/// As [`merge_windows`], with the words that `gold` has.
pub fn piece_pairs<'a>(
    windows: &[NerWindow],
    predictions: &[Vec<usize>],
    gold: &'a [NerSentence],
    labels: &'a LabelSet,
) -> Result<Vec<(&'a str, &'a str)>> {
    let words: Vec<usize> = gold.iter().map(|sentence| sentence.tags.len()).collect();
    let mut pairs = Vec::new();
    for (sentence, places) in gold.iter().zip(place_words(windows, &words)?) {
        for (tag, place) in sentence.tags.iter().zip(places) {
            let row = predictions
                .get(place.window)
                .and_then(|row| row.get(place.start..place.end));
            let row = row.ok_or_else(|| {
                DataError::invalid(format!("no prediction for all of window {}", place.window))
            })?;
            pairs.extend(row.iter().map(|&id| (tag.as_str(), labels.label(id))));
        }
    }
    Ok(pairs)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A word's pieces are its characters' code points.
    pub(crate) struct Characters;

    impl WordPieces for Characters {
        fn word_pieces(&self, word: &str) -> Vec<u32> {
            word.chars().map(u32::from).collect()
        }
        fn cls_id(&self) -> u32 {
            1
        }
        fn sep_id(&self) -> u32 {
            2
        }
    }

    fn sentence(words: &[(&str, &str)]) -> NerSentence {
        NerSentence {
            tokens: words.iter().map(|w| w.0.to_owned()).collect(),
            tags: words.iter().map(|w| w.1.to_owned()).collect(),
            line: 1,
        }
    }

    fn labels() -> LabelSet {
        let labels = ["O", "B-PER", "I-PER"].map(str::to_owned);
        LabelSet::from_labels(labels.to_vec()).expect("unique")
    }

    #[test]
    fn first_piece_and_all_pieces() {
        let sentences = [sentence(&[("Bo", "B-PER"), ("ler", "O"), ("x", "B-LOC")])];
        let cut = |alignment| {
            align(&Characters, &sentences, &labels(), alignment, 16, 4)
                .expect("aligns")
                .remove(0)
        };
        let first = cut(Alignment::FirstPiece);
        assert_eq!(first.input_ids, [1, 66, 111, 108, 101, 114, 120, 2]);
        assert_eq!(
            first.labels,
            [None, Some(1), None, Some(0), None, None, None, None]
        );
        let words = [
            None,
            Some(0),
            Some(0),
            Some(1),
            Some(1),
            Some(1),
            Some(2),
            None,
        ];
        assert_eq!(first.words, words);
        let all = cut(Alignment::AllPieces);
        let expected = [
            None,
            Some(1),
            Some(1),
            Some(0),
            Some(0),
            Some(0),
            None,
            None,
        ];
        assert_eq!(all.labels, expected);
    }

    #[test]
    fn special_tokens_are_labelled_where_they_are_classes() {
        let sentences = [sentence(&[("Bo", "B-PER")])];
        let set = LabelSet::original();
        let windows = align(&Characters, &sentences, &set, Alignment::AllPieces, 8, 0);
        let labels = windows.expect("aligns").remove(0).labels;
        assert_eq!(labels, [set.id("[CLS]"), Some(0), Some(0), set.id("[SEP]")]);
    }

    #[test]
    fn long_sentences_overlap_and_take_the_middle() {
        let words: Vec<(&str, &str)> = ["a", "b", "c", "d", "e", "f"].map(|w| (w, "O")).to_vec();
        let windows = align(
            &Characters,
            &[sentence(&words)],
            &labels(),
            Alignment::FirstPiece,
            6,
            2,
        )
        .expect("aligns");
        let ids: Vec<&[u32]> = windows.iter().map(|w| &w.input_ids[1..5]).collect();
        assert_eq!(ids, [[97, 98, 99, 100], [99, 100, 101, 102]]);
        let labelled: Vec<usize> = windows
            .iter()
            .map(|w| w.labels.iter().flatten().count())
            .collect();
        assert_eq!(labelled, [3, 3], "each word in one window: {windows:?}");
        let merged = merge_windows(&windows, &[vec![0; 6], vec![1; 6]], &[6]).expect("merges");
        assert_eq!(merged, [[0, 0, 0, 1, 1, 1]]);
    }

    #[test]
    fn tags_and_pieces_come_back() {
        let words = [("Bo", "B-PER"), ("abc", "O"), ("Ib", "I-PER")];
        let sentences = [sentence(&words)];
        let set = LabelSet::original();
        let windows = align(&Characters, &sentences, &set, Alignment::AllPieces, 7, 2);
        let windows = windows.expect("aligns");
        assert_eq!(windows.len(), 2);
        let right: Vec<Vec<usize>> = windows
            .iter()
            .map(|w| w.labels.iter().map(|label| label.unwrap_or(7)).collect())
            .collect();
        let tags = predicted_tags(&windows, &right, &[3], &set).expect("decodes");
        assert_eq!(tags, [["B-PER", "O", "I-PER"]]);
        let pairs = piece_pairs(&windows, &right, &sentences, &set).expect("pairs");
        assert_eq!(pairs.len(), 7);
        assert!(pairs.iter().all(|(gold, guess)| gold == guess));
        assert!(piece_pairs(&windows, &right[1..], &sentences, &set).is_err());
    }

    #[test]
    fn odd_sentences() {
        let long = "x".repeat(50);
        let sentences = [
            sentence(&[]),
            sentence(&[("a", "O"), (&long, "O"), ("b", "O")]),
        ];
        let cut = |max_length, stride| {
            align(
                &Characters,
                &sentences,
                &labels(),
                Alignment::FirstPiece,
                max_length,
                stride,
            )
        };
        let windows = cut(8, 3).expect("aligns");
        assert!(
            windows
                .iter()
                .all(|w| w.input_ids.len() <= 8 && w.sentence == 1)
        );
        assert_eq!(place_words(&windows, &[0, 3]).expect("places")[1].len(), 3);
        assert!(place_words(&windows, &[0, 4]).is_err());
        assert!(cut(2, 0).is_err() && cut(8, 6).is_err());
        let mut broken = sentences[1].clone();
        broken.tags.pop();
        let error = align(
            &Characters,
            &[broken],
            &labels(),
            Alignment::FirstPiece,
            8,
            0,
        );
        assert!(error.is_err());
    }

    proptest! {
        #[test]
        fn windows_cover_every_word_and_labels_come_back(
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
            let counts: Vec<usize> = lengths.iter().map(Vec::len).collect();
            for alignment in [Alignment::FirstPiece, Alignment::AllPieces] {
                let windows = align(&Characters, &sentences, &set, alignment, max_length, stride)
                    .expect("aligns");
                prop_assert!(windows.iter().all(|w| w.input_ids.len() <= max_length));
                let given: Vec<Vec<Option<usize>>> = windows.iter().map(|w| w.labels.clone()).collect();
                let merged = merge_windows(&windows, &given, &counts).expect("merges");
                for (sentence, labels) in sentences.iter().zip(merged) {
                    let tags: Vec<&str> = labels.into_iter()
                        .map(|id| id.map_or("none", |id| set.label(id))).collect();
                    prop_assert_eq!(&tags, &sentence.tags);
                }
                if alignment == Alignment::FirstPiece {
                    let labelled: usize = given.iter().map(|w| w.iter().flatten().count()).sum();
                    prop_assert_eq!(labelled, counts.iter().sum::<usize>());
                }
            }
        }
    }
}
