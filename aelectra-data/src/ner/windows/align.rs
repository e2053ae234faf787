//! From words to word pieces and back: windows of model input, and one prediction per word.

use std::ops::Range;

use crate::vocab::{SpecialIds, WordPieceTokenizer};
use crate::{DataError, Result};

/// Sentences cut into windows that fit the model, and where to read each word's prediction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Windows {
    /// For each window `[CLS]`, word pieces, `[SEP]`; no padding. The windows of a sentence follow
    /// one another, sentences keep their order.
    pub input_ids: Vec<Vec<u32>>,
    /// For each word of each sentence its pieces in the window where it has the most context.
    pub words: Vec<Vec<WordPlace>>,
}

/// The pieces of a word: positions `start..end` of a window; none where the tokenizer sees nothing
/// of the word, as of a zero-width space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WordPlace {
    /// Index of the window.
    pub window: usize,
    /// Position of the first piece.
    pub start: usize,
    /// Position after the last piece.
    pub end: usize,
}

/// Cuts sentences, given as words, into windows of at most `max_length` positions.
///
/// A sentence that fits is one window. A longer one is split between words; neighbouring windows
/// share words with at least `stride` pieces in all, as far as that lets the window advance. A word
/// with more pieces than a window holds keeps as many as fit. An empty sentence has no window.
///
/// # Errors
/// If `max_length` leaves no room for a piece, or `stride` none for new ones.
pub fn align<'a, W: AsRef<str> + 'a>(
    tokenizer: &WordPieceTokenizer,
    sentences: impl IntoIterator<Item = &'a [W]>,
    max_length: usize,
    stride: usize,
) -> Result<Windows> {
    let room = max_length.saturating_sub(2);
    if room == 0 || stride >= room {
        let message = format!("max_length {max_length} with stride {stride} leaves no room");
        return Err(DataError::invalid(message)
            .with_hint("max_length counts [CLS] and [SEP], and stride must be below the rest"));
    }
    let mut windows = Windows::default();
    for words in sentences {
        let pieces: Vec<Vec<u32>> = words
            .iter()
            .map(|word| {
                let mut pieces = tokenizer.encode_known(word.as_ref());
                pieces.truncate(room);
                pieces
            })
            .collect();
        windows.push(tokenizer.special(), &pieces, room, stride);
    }
    Ok(windows)
}

impl Windows {
    /// Adds the windows of the sentences that follow.
    pub fn append(&mut self, mut next: Self) {
        let before = self.input_ids.len();
        for place in next.words.iter_mut().flatten() {
            place.window += before;
        }
        self.input_ids.append(&mut next.input_ids);
        self.words.append(&mut next.words);
    }

    /// Adds a sentence, given as the pieces of its words.
    fn push(&mut self, special: SpecialIds, pieces: &[Vec<u32>], room: usize, stride: usize) {
        let mut best: Vec<Option<(usize, WordPlace)>> = vec![None; pieces.len()];
        for range in split(pieces, room, stride) {
            let window = self.input_ids.len();
            let mut ids = vec![special.cls];
            let last: usize = pieces[range.clone()].iter().map(Vec::len).sum();
            for word in range.clone() {
                let start = ids.len();
                ids.extend(&pieces[word]);
                let end = ids.len();
                // The word's context is the distance to the nearer edge of the window, where the
                // sentence's own ends are none. The earlier window wins a tie.
                let left = if range.start == 0 {
                    usize::MAX
                } else {
                    start - 1
                };
                let right = if range.end == pieces.len() {
                    usize::MAX
                } else {
                    last + 1 - end
                };
                let context = left.min(right);
                if best[word].is_none_or(|(before, _)| context > before) {
                    best[word] = Some((context, WordPlace { window, start, end }));
                }
            }
            ids.push(special.sep);
            self.input_ids.push(ids);
        }
        self.words
            .push(best.into_iter().flatten().map(|(_, place)| place).collect());
    }
}

/// The words of each window.
fn split(pieces: &[Vec<u32>], room: usize, stride: usize) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut start = 0;
    while start < pieces.len() {
        let mut length = 0;
        let fits = |word: &&Vec<u32>| {
            length += word.len();
            length <= room
        };
        let end = start + pieces[start..].iter().take_while(fits).count();
        ranges.push(start..end);
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
    ranges
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::vocab::TokenizerOptions;
    use proptest::prelude::*;

    /// A word's pieces are its letters; `[CLS]` is 2, `[SEP]` 3.
    pub(crate) fn letters() -> WordPieceTokenizer {
        let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(str::to_owned);
        let letters = ('A'..='Z').chain('a'..='z');
        let tokens = letters.flat_map(|c| [c.to_string(), format!("##{c}")]);
        let tokens = special.into_iter().chain(tokens).collect();
        WordPieceTokenizer::from_tokens(tokens, TokenizerOptions::default()).expect("a vocabulary")
    }

    pub(crate) fn ids(tokenizer: &WordPieceTokenizer, tokens: &str) -> Vec<u32> {
        let tokens = tokens.split(' ');
        tokens
            .map(|token| tokenizer.id(token).expect(token))
            .collect()
    }

    /// `å` as `a` and a ring, as macOS writes it; what a vocabulary knows stays as it is.
    #[test]
    fn decomposed_letters_are_composed_where_they_are_unknown() {
        let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
        let with = |more: &[&str]| {
            let tokens = special.iter().chain(more).map(|&token| token.to_owned());
            WordPieceTokenizer::from_tokens(tokens.collect(), TokenizerOptions::default())
                .expect("a vocabulary")
        };
        let pieces = |tokenizer: &WordPieceTokenizer, word: &str| {
            let windows = align(tokenizer, [&[word][..]], 8, 1).expect("aligns");
            windows.input_ids[0].clone()
        };
        let (composed, decomposed) = ("\u{c5}se", "A\u{30a}se");
        let tokenizer = with(&["\u{c5}", "##s", "##e"]);
        assert_eq!(pieces(&tokenizer, composed), [2, 5, 6, 7, 3]);
        assert_eq!(pieces(&tokenizer, decomposed), [2, 5, 6, 7, 3]);
        assert_eq!(
            pieces(&tokenizer, "X\u{30a}"),
            [2, 1, 3],
            "unknown either way"
        );
        // A letter of another language, as the one it derives from.
        let folds = with(&["S", "##a", "##s", "##e"]);
        assert_eq!(pieces(&folds, "Şaşe"), [2, 5, 6, 7, 8, 3]);
        let other = with(&["A", "##\u{30a}", "##s", "##e", "\u{c5}"]);
        assert_eq!(pieces(&other, decomposed), [2, 5, 6, 7, 8, 3]);
    }

    #[test]
    fn parts_append_to_the_whole() {
        let sentences = [
            &["a", "b", "c", "d", "e", "f"][..],
            &["g"],
            &[],
            &["h", "i"],
        ];
        let tokenizer = letters();
        let of = |part: &[&[&'static str]]| {
            align(&tokenizer, part.iter().copied(), 6, 2).expect("aligns")
        };
        let mut parts = of(&sentences[..1]);
        parts.append(of(&sentences[1..3]));
        parts.append(of(&sentences[3..]));
        assert_eq!(parts, of(&sentences));
        assert_eq!(parts.words[3][0].window, 3, "after the two of the first");
    }

    #[test]
    fn long_sentences_overlap_and_take_the_middle() {
        let words = ["a", "b", "c", "d", "e", "f"];
        let tokenizer = letters();
        let windows = align(&tokenizer, [&words[..]], 6, 2).expect("aligns");
        let expected = ["[CLS] a b c d [SEP]", "[CLS] c d e f [SEP]"];
        assert_eq!(
            windows.input_ids,
            expected.map(|text| ids(&tokenizer, text))
        );
        let read: Vec<usize> = windows.words[0].iter().map(|word| word.window).collect();
        assert_eq!(read, [0, 0, 0, 1, 1, 1]);
    }

    #[test]
    fn odd_sentences() {
        let long = "x".repeat(50);
        let sentences: [&[&str]; 2] = [&[], &["a", &long, "b"]];
        let tokenizer = letters();
        let cut = |max_length, stride| align(&tokenizer, sentences, max_length, stride);
        let windows = cut(8, 3).expect("aligns");
        assert!(windows.input_ids.iter().all(|ids| ids.len() <= 8));
        let counts: Vec<usize> = windows.words.iter().map(Vec::len).collect();
        assert_eq!(counts, [0, 3]);
        assert!(cut(2, 0).is_err() && cut(8, 6).is_err());
        // A word of which the tokenizer sees nothing still is a word, without a piece.
        let words = ["\u{feff}", "a", "\u{200b}", "b", "\u{ad}"];
        let windows = align(&tokenizer, [&words[..]], 8, 0).expect("aligns");
        assert_eq!(windows.input_ids, [ids(&tokenizer, "[CLS] a b [SEP]")]);
        let counts = windows.words[0].iter().map(|w| w.end - w.start);
        assert_eq!(counts.collect::<Vec<_>>(), [0, 1, 0, 1, 0]);
        let windows = align(&tokenizer, [&["\u{200b}"][..]], 8, 0).expect("aligns");
        assert_eq!(windows.words[0].len(), 1);
    }

    proptest! {
        #[test]
        fn windows_cover_every_word(
            lengths in prop::collection::vec(prop::collection::vec(0usize..12, 0..40), 1..4),
            max_length in 3usize..24,
            stride_share in 0usize..100,
        ) {
            let stride = (max_length - 3) * stride_share / 100;
            let letter = |i: usize| char::from(b'a' + (i % 26) as u8);
            let sentences: Vec<Vec<String>> = lengths.iter().map(|words| {
                (0..).zip(words).map(|(i, &n)| letter(i).to_string().repeat(n)).collect()
            }).collect();
            let tokenizer = letters();
            let words = sentences.iter().map(Vec::as_slice);
            let windows = align(&tokenizer, words, max_length, stride).expect("aligns");
            prop_assert!(windows.input_ids.iter().all(|ids| ids.len() <= max_length));
            for (sentence, places) in sentences.iter().zip(&windows.words) {
                prop_assert_eq!(sentence.len(), places.len());
                for (word, place) in sentence.iter().zip(places) {
                    let kept = word.len().min(max_length - 2);
                    let pieces = &windows.input_ids[place.window][place.start..place.end];
                    prop_assert_eq!(pieces, &tokenizer.encode_ids(word)[..kept]);
                }
            }
        }
    }
}
