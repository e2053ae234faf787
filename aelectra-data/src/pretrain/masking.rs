//! Which tokens are masked for the generator.

use crate::rng::KeyedRng;
use crate::vocab::SpecialIds;

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
        Self {
            mask_prob: 0.15,
            replace_prob: 0.85,
            max_predictions: ((0.15 + 0.005) * max_length as f64) as usize,
        }
    }

    /// How many tokens of an example of `length` tokens are drawn when there are candidates enough.
    pub(crate) fn count(&self, length: usize) -> usize {
        let wanted = (self.mask_prob * length as f64).round_ties_even() as usize;
        wanted.min(self.max_predictions).max(1)
    }

    /// Draws tokens of an unpadded example. Fewer than [`MaskingPolicy::count`] when it has fewer
    /// candidates, and none when it has none. `[CLS]`, `[SEP]`, `[MASK]` and padding are no candidates.
    pub(crate) fn mask(&self, ids: &[u32], special: &SpecialIds, rng: &mut KeyedRng) -> Masking {
        let excluded = [special.cls, special.sep, special.mask, special.pad];
        let mut candidates: Vec<u32> = (0..ids.len() as u32)
            .filter(|&position| !excluded.contains(&ids[position as usize]))
            .collect();
        let length = ids.iter().filter(|&&id| id != special.pad).count();
        let count = self.count(length).min(candidates.len());
        // The first steps of a Fisher-Yates shuffle draw without replacement.
        for drawn in 0..count {
            let other = drawn + rng.below((candidates.len() - drawn) as u64) as usize;
            candidates.swap(drawn, other);
        }
        candidates.truncate(count);
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
            let masking = policy.mask(&ids, &SPECIAL, &mut KeyedRng::new(seed, "mask", &[]));
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
            let masking = policy.mask(&ids, &SPECIAL, &mut rng);
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
