//! Which tokens are masked for the generator.

use crate::rng::KeyedRng;
use crate::vocab::{CONTINUATION, SpecialIds, WordPieceTokenizer};

/// How tokens are drawn for the generator (google-research/electra, `pretrain_helpers.py`).
///
/// One deviation: positions are drawn *without* replacement. The original draws with replacement,
/// so that 19 draws of 126 give about 17.7 different positions, counts repeated ones twice in the
/// loss, and may write the sum of two sampled ids, divided by two, where they meet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaskingPolicy {
    /// Share of all tokens, `[CLS]` and `[SEP]` counted, that is drawn: 0.15.
    pub mask_prob: f64,
    /// Share of the drawn that is replaced by `[MASK]`: 0.85. The rest stays as it is and is
    /// predicted all the same; there are no random tokens.
    pub replace_prob: f64,
    /// At most so many per example: 19 at length 128.
    pub max_predictions: usize,
}

/// The drawn positions of an example.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Masking {
    pub(crate) positions: Vec<usize>,
    /// The example as the generator sees it.
    pub(crate) input_ids: Vec<u32>,
}

impl MaskingPolicy {
    /// The policy of the original for a maximum length: `int((0.15 + 0.005) * max_length)`
    /// predictions at most (google-research/electra, `configure_pretraining.py`).
    #[must_use]
    pub fn for_length(max_length: usize) -> Self {
        Self::of_share(0.15, max_length)
    }

    /// The same for another share: at most `int((share + 0.005) * max_length)` predictions, and one at
    /// least.
    #[must_use]
    pub fn of_share(share: f64, max_length: usize) -> Self {
        Self {
            mask_prob: share,
            replace_prob: 0.85,
            max_predictions: (((share + 0.005) * max_length as f64) as usize).max(1),
        }
    }

    /// How many tokens of an example of `length` tokens are drawn when there are candidates enough.
    pub(crate) fn count(&self, length: usize) -> usize {
        let wanted = (self.mask_prob * length as f64).round_ties_even() as usize;
        wanted.min(self.max_predictions).max(1)
    }

    /// Draws tokens of an unpadded example. Fewer than [`MaskingPolicy::count`] when it has fewer
    /// candidates, and none when it has none. `[CLS]`, `[SEP]`, `[MASK]` and padding are no candidates.
    ///
    /// With `words`, whole words are drawn: in random order, as many as fit into the count; one that
    /// does not fit is passed over (google-research/bert, `create_pretraining_data.py`,
    /// `do_whole_word_mask`). Where no word fits, as much of one is drawn as does, so that every
    /// example is learnt from.
    pub(crate) fn mask(
        &self,
        ids: &[u32],
        special: &SpecialIds,
        words: Option<&WordStarts>,
        rng: &mut KeyedRng,
    ) -> Masking {
        let excluded = [special.cls, special.sep, special.mask, special.pad];
        let mut candidates: Vec<u32> = (0..ids.len() as u32)
            .filter(|&position| !excluded.contains(&ids[position as usize]))
            .collect();
        let length = ids.iter().filter(|&&id| id != special.pad).count();
        let count = self.count(length).min(candidates.len());
        if let Some(words) = words {
            candidates = words.draw(ids, &candidates, count, rng);
            return self.hide(ids, candidates, special, rng);
        }
        // The first steps of a Fisher-Yates shuffle draw without replacement.
        for drawn in 0..count {
            let other = drawn + rng.below((candidates.len() - drawn) as u64) as usize;
            candidates.swap(drawn, other);
        }
        candidates.truncate(count);
        self.hide(ids, candidates, special, rng)
    }

    /// Replaces most of the drawn positions.
    fn hide(
        &self,
        ids: &[u32],
        mut candidates: Vec<u32>,
        special: &SpecialIds,
        rng: &mut KeyedRng,
    ) -> Masking {
        candidates.sort_unstable();
        let mut input_ids = ids.to_vec();
        for &position in &candidates {
            if rng.next_f64() < self.replace_prob {
                input_ids[position as usize] = special.mask;
            }
        }
        Masking {
            positions: candidates.into_iter().map(|p| p as usize).collect(),
            input_ids,
        }
    }
}

/// Which pieces begin a word.
#[derive(Clone, Debug)]
pub struct WordStarts(Vec<bool>);

impl WordStarts {
    /// The pieces of a vocabulary that do not continue one.
    #[must_use]
    pub fn of(tokenizer: &WordPieceTokenizer) -> Self {
        let ids = 0..tokenizer.vocab_size() as u32;
        let begins = |id| !tokenizer.token(id).starts_with(CONTINUATION);
        Self(ids.map(begins).collect())
    }

    fn begins(&self, id: u32) -> bool {
        self.0.get(id as usize).copied().unwrap_or(true)
    }

    /// Positions of whole words, `count` at most, of `candidates`, which are in order.
    fn draw(&self, ids: &[u32], candidates: &[u32], count: usize, rng: &mut KeyedRng) -> Vec<u32> {
        let mut words: Vec<Vec<u32>> = Vec::new();
        for &position in candidates {
            let follows = |word: &Vec<u32>| word.last().is_some_and(|last| last + 1 == position);
            match words.last_mut().filter(|word| follows(word)) {
                Some(word) if !self.begins(ids[position as usize]) => word.push(position),
                _ => words.push(vec![position]),
            }
        }
        rng.shuffle(&mut words);
        let mut drawn: Vec<u32> = Vec::with_capacity(count);
        for word in &words {
            if drawn.len() + word.len() <= count {
                drawn.extend(word);
            }
        }
        if let (true, Some(word)) = (drawn.is_empty(), words.first()) {
            drawn.extend(word.iter().take(count));
        }
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECIAL: SpecialIds = SpecialIds {
        pad: 9,
        unk: 1,
        cls: 7,
        sep: 3,
        mask: 4,
    };

    #[test]
    fn counts_are_those_of_the_reference() {
        assert_eq!(MaskingPolicy::for_length(128).max_predictions, 19);
        assert_eq!(MaskingPolicy::for_length(512).max_predictions, 79);
        let policy = MaskingPolicy::for_length(128);
        let counts = [1, 3, 10, 30, 128].map(|length| policy.count(length));
        // 0.15 * 10 = 1.5 and 0.15 * 30 = 4.5 round to the even neighbour.
        assert_eq!(counts, [1, 1, 2, 4, 19]);
    }

    /// Pieces from 30 on continue a word.
    #[test]
    fn whole_words_are_drawn_whole() {
        let words = WordStarts((0..50).map(|id| id < 30).collect());
        let ids = [
            7, 20, 31, 32, 21, 22, 33, 23, 24, 34, 3, 25, 35, 36, 37, 38, 3,
        ];
        let policy = MaskingPolicy::of_share(0.3, 17);
        let word_of = [0, 1, 1, 1, 2, 3, 3, 4, 5, 5, 0, 6, 6, 6, 6, 6, 0];
        let mut times = [0u32; 7];
        for trial in 0..600 {
            let mut rng = KeyedRng::new(3, "mask", &[trial]);
            let masking = policy.mask(&ids, &SPECIAL, Some(&words), &mut rng);
            let drawn = masking.positions;
            assert!((1..=policy.count(17)).contains(&drawn.len()));
            for (position, word) in word_of.iter().enumerate() {
                let whole = word_of.iter().filter(|of| *of == word).count();
                let of_it = drawn.iter().filter(|at| word_of[**at] == *word).count();
                assert!(of_it == 0 || of_it == whole, "{drawn:?}");
                assert!(*word > 0 || !drawn.contains(&position), "{drawn:?}");
            }
            for (word, times) in times.iter_mut().enumerate().skip(1) {
                *times += u32::from(drawn.iter().any(|at| word_of[*at] == word));
            }
        }
        assert!(times[1..].iter().all(|&times| times > 60), "{times:?}");
        // A word that is longer than the count: as much as fits.
        let long = [7, 20, 31, 32, 33, 34, 35, 36, 37, 38, 3];
        let policy = MaskingPolicy::of_share(0.2, 11);
        let masking = policy.mask(
            &long,
            &SPECIAL,
            Some(&words),
            &mut KeyedRng::new(1, "mask", &[]),
        );
        assert_eq!(masking.positions, [1, 2]);
    }

    proptest::proptest! {
        #[test]
        fn only_ordinary_tokens_are_drawn(
            body in proptest::collection::vec(0u32..50, 0..126), seed: u64, padding in 0usize..8,
        ) {
            let mut ids = vec![SPECIAL.cls];
            ids.extend(&body);
            ids.push(SPECIAL.sep);
            let policy = MaskingPolicy::for_length(128);
            let bare = ids.iter().filter(|&&id| id != SPECIAL.pad).count();
            ids.resize(ids.len() + padding, SPECIAL.pad);
            let masking = policy.mask(&ids, &SPECIAL, None, &mut KeyedRng::new(seed, "mask", &[]));
            let candidates = ids.iter().filter(|id| ![9, 7, 3, 4].contains(*id)).count();
            proptest::prop_assert_eq!(masking.positions.len(), policy.count(bare).min(candidates));
            proptest::prop_assert!(masking.positions.windows(2).all(|pair| pair[0] < pair[1]));
            for (position, (&before, &after)) in ids.iter().zip(&masking.input_ids).enumerate() {
                if masking.positions.contains(&position) {
                    proptest::prop_assert!(![9, 7, 3, 4].contains(&before));
                    proptest::prop_assert!(after == before || after == SPECIAL.mask);
                } else {
                    proptest::prop_assert_eq!(before, after);
                }
            }
        }
    }

    #[test]
    fn positions_are_uniform_and_85_of_100_are_hidden() {
        let mut ids = vec![SPECIAL.cls];
        ids.extend(std::iter::repeat_n(20, 126));
        ids.push(SPECIAL.sep);
        let policy = MaskingPolicy::for_length(128);
        let trials = 20_000;
        let mut drawn = vec![0u32; 128];
        let mut hidden = 0;
        for trial in 0..trials {
            let mut rng = KeyedRng::new(5, "mask", &[trial]);
            let masking = policy.mask(&ids, &SPECIAL, None, &mut rng);
            assert_eq!(masking.positions.len(), 19);
            for position in masking.positions {
                drawn[position] += 1;
                hidden += u64::from(masking.input_ids[position] == SPECIAL.mask);
            }
        }
        assert_eq!((drawn[0], drawn[127]), (0, 0));
        let expected = trials as f64 * 19.0 / 126.0;
        let chi2: f64 = drawn[1..127]
            .iter()
            .map(|&c| (f64::from(c) - expected).powi(2) / expected)
            .sum();
        // Draws within a trial exclude each other, which shrinks the statistic by (1 - 19/126);
        // 179 is about the 0.999 quantile of chi-squared with 125 degrees of freedom.
        assert!(chi2 < 179.0, "chi-squared {chi2}");
        let share = hidden as f64 / (trials * 19) as f64;
        assert!((share - 0.85).abs() < 0.003, "hidden {share}");
    }
}
