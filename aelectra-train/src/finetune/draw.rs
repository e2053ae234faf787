//! Which sentences a seed learns from and is measured on after each epoch.

use std::borrow::Cow;

use aelectra_data::ner::NerSentence;
use aelectra_data::rng::KeyedRng;

use crate::config::finetune::FinetuneConfig;
use crate::finetune::data::Data;

/// What one seed works with.
#[derive(Debug)]
pub(super) struct Drawn<'a> {
    /// To learn from.
    pub train: Cow<'a, [NerSentence]>,
    /// To choose an epoch by.
    pub dev: Cow<'a, [NerSentence]>,
    /// How often an epoch goes over `train`.
    pub passes: usize,
}

impl<'a> Drawn<'a> {
    /// `sentences` of the training data, or as many as the configuration says, or all.
    pub(super) fn of(
        data: &'a Data,
        config: &FinetuneConfig,
        sentences: Option<usize>,
        seed: u64,
    ) -> Self {
        let draw =
            |all: &'a [NerSentence], count: Option<usize>| match (count, config.with_replacement) {
                (None, _) => Cow::Borrowed(all),
                (Some(count), true) => Cow::Owned(bootstrapped(all, count, seed)),
                (Some(count), false) => Cow::Owned(drawn(all, count, seed)),
            };
        let train = draw(&data.train, sentences.or(config.sentences));
        Self {
            passes: passes(config.epoch_sentences, train.len()),
            train,
            dev: draw(&data.dev, config.dev_sentences),
        }
    }
}

/// How often an epoch that sees about `seen` goes over `sentences`.
pub(super) fn passes(seen: usize, sentences: usize) -> usize {
    ((seen + sentences / 2) / sentences.max(1)).max(1)
}

/// `count` sentences drawn for a seed; those of a smaller count are among those of a larger one, so
/// that a curve grows by labelling more, not by labelling others.
fn drawn(all: &[NerSentence], count: usize, seed: u64) -> Vec<NerSentence> {
    let mut order: Vec<usize> = (0..all.len()).collect();
    KeyedRng::new(seed, "train sentences", &[]).shuffle(&mut order);
    order.truncate(count);
    order.into_iter().map(|at| all[at].clone()).collect()
}

/// `count` sentences with replacement from `count` that are the same for every seed: what a benchmark of one fixed small set
/// calls a draw (EuroEval, `src/euroeval/data_loading.py`).
fn bootstrapped(all: &[NerSentence], count: usize, seed: u64) -> Vec<NerSentence> {
    let fixed = drawn(all, count, 0);
    let mut rng = KeyedRng::new(seed, "bootstrap sentences", &[]);
    let draws = (0..fixed.len()).map(|_| fixed[rng.below(fixed.len() as u64) as usize].clone());
    draws.collect()
}

#[cfg(test)]
mod tests {
    use aelectra_data::ner::LabelSet;
    use aelectra_data::vocab::{TokenizerOptions, WordPieceTokenizer};

    use super::*;

    fn sentence(line: usize) -> NerSentence {
        NerSentence {
            tokens: vec![format!("ord{line}")],
            tags: vec!["O".to_owned()],
            line,
        }
    }

    #[test]
    fn fewer_sentences_are_among_the_more() {
        let all: Vec<NerSentence> = (1..=50).map(sentence).collect();
        let lines = |count, seed| -> Vec<usize> {
            drawn(&all, count, seed)
                .iter()
                .map(|one| one.line)
                .collect()
        };
        assert_eq!(lines(20, 3)[..8], lines(8, 3));
        assert_ne!(lines(8, 3), lines(8, 4), "every seed draws its own");
        let mut whole = lines(80, 3);
        whole.sort_unstable();
        assert_eq!(whole, (1..=50).collect::<Vec<_>>());
    }

    #[test]
    fn a_bootstrap_draws_from_the_same_sentences_with_replacement() {
        let all: Vec<NerSentence> = (1..=500).map(sentence).collect();
        let lines = |seed| -> Vec<usize> {
            let drawn = bootstrapped(&all, 100, seed);
            drawn.iter().map(|one| one.line).collect()
        };
        let distinct = |lines: &[Vec<usize>]| {
            let all: std::collections::BTreeSet<usize> = lines.concat().into_iter().collect();
            all.len()
        };
        let draws: Vec<Vec<usize>> = (0..50).map(lines).collect();
        assert!(draws.iter().all(|draw| draw.len() == 100));
        // 1 - 1/e of them in each; all of the same hundred in many.
        assert!((50..75).contains(&distinct(&draws[..1])));
        assert_eq!(distinct(&draws), 100);
        assert_eq!(lines(3), lines(3));
    }

    #[test]
    fn an_epoch_sees_about_as_much_whatever_the_number() {
        let of_a_thousand = |sentences| passes(1000, sentences);
        assert_eq!(
            [128, 500, 700, 1000, 4383].map(of_a_thousand),
            [8, 2, 1, 1, 1]
        );
        assert_eq!([passes(1, 40), passes(1000, 0)], [1, 1000]);
    }

    /// With replacement some come twice; without, none does; and all of them are no draw.
    #[test]
    fn the_configuration_says_how_is_drawn() {
        let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(str::to_owned);
        let data = Data {
            train: (1..=200).map(sentence).collect(),
            dev: (1..=100).map(sentence).collect(),
            test: Vec::new(),
            labels: LabelSet::original(),
            tokenizer: WordPieceTokenizer::from_tokens(
                special.to_vec(),
                TokenizerOptions::default(),
            )
            .expect("a vocabulary"),
        };
        let distinct = |drawn: &[NerSentence]| {
            let lines: std::collections::BTreeSet<usize> =
                drawn.iter().map(|one| one.line).collect();
            lines.len()
        };
        let of = |with_replacement, sentences, dev_sentences, asked| {
            let config = FinetuneConfig {
                with_replacement,
                sentences,
                dev_sentences,
                ..FinetuneConfig::default()
            };
            let drawn = Drawn::of(&data, &config, asked, 3);
            let sizes = (drawn.train.len(), drawn.dev.len(), drawn.passes);
            (sizes, distinct(&drawn.train), distinct(&drawn.dev))
        };
        assert_eq!(of(false, None, None, None), ((200, 100, 5), 200, 100));
        assert_eq!(
            of(false, Some(100), Some(50), None),
            ((100, 50, 10), 100, 50)
        );
        // A learning curve's number comes before the configuration's.
        assert_eq!(of(false, Some(100), None, Some(20)).0, (20, 100, 50));
        let (sizes, train, dev) = of(true, Some(100), Some(50), None);
        assert_eq!(sizes, (100, 50, 10));
        assert!(train < 80 && dev < 40, "{train} and {dev} are distinct");
    }
}
