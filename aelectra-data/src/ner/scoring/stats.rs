//! Uncertainty of a score: bootstrap intervals, a paired test, and summaries over seeds.

use serde::{Deserialize, Serialize};

use super::score::{Counts, count, spans_of, sum};
use crate::ner::spans::Mode;
use crate::rng::KeyedRng;
use crate::{DataError, Result};

/// An interval of a figure; in JSON `[low, high]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "[f64; 2]", into = "[f64; 2]")]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl From<[f64; 2]> for Interval {
    fn from([low, high]: [f64; 2]) -> Self {
        Self { low, high }
    }
}

impl From<Interval> for [f64; 2] {
    fn from(interval: Interval) -> Self {
        [interval.low, interval.high]
    }
}

/// How often to resample, and from which stream.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resampling {
    /// Resamples.
    pub rounds: usize,
    /// Seed of the stream: the same seed gives the same interval or p.
    pub seed: u64,
}

impl Default for Resampling {
    fn default() -> Self {
        Self {
            rounds: 1000,
            seed: 0,
        }
    }
}

/// The 95 % percentile bootstrap interval of micro F1, resampling sentences (Efron 1979; the unit
/// is the sentence, because entities of one sentence are not independent).
///
/// With several runs the figure is the mean of their F1, each computed on the same resample, so
/// the interval is that of the mean over the runs at hand: it covers the choice of test sentences,
/// not the choice of seeds.
///
/// # Errors
/// As [`score`](super::score()).
pub fn bootstrap<R: AsRef<[Vec<String>]>>(
    gold: &[Vec<String>],
    runs: &[R],
    mode: Mode,
    resampling: Resampling,
) -> Result<Interval> {
    let runs = sentence_counts(gold, runs, mode)?;
    Ok(resample(gold.len(), resampling, |drawn| {
        mean_f1(&runs, drawn)
    }))
}

/// The 95 % percentile bootstrap interval of the difference of two models' micro F1 (`a - b`, means
/// over their runs), resampling sentences and scoring both models on the same resample. It excludes
/// 0 when the choice of test sentences does not explain the difference.
///
/// # Errors
/// As [`score`](super::score()).
pub fn paired_bootstrap<R: AsRef<[Vec<String>]>>(
    gold: &[Vec<String>],
    a: &[R],
    b: &[R],
    mode: Mode,
    resampling: Resampling,
) -> Result<Interval> {
    let a = sentence_counts(gold, a, mode)?;
    let b = sentence_counts(gold, b, mode)?;
    Ok(resample(gold.len(), resampling, |drawn| {
        mean_f1(&a, drawn) - mean_f1(&b, drawn)
    }))
}

/// The middle 95 % of a figure over resamples of the sentences.
fn resample(
    sentences: usize,
    resampling: Resampling,
    figure: impl Fn(&[usize]) -> f64,
) -> Interval {
    let mut figures: Vec<f64> = (0..resampling.rounds)
        .map(|round| {
            let mut rng = KeyedRng::new(resampling.seed, "ner bootstrap", &[round as u64]);
            let drawn: Vec<usize> = (0..sentences)
                .map(|_| rng.below(sentences as u64) as usize)
                .collect();
            figure(&drawn)
        })
        .collect();
    figures.sort_by(f64::total_cmp);
    Interval {
        low: quantile(&figures, 0.025),
        high: quantile(&figures, 0.975),
    }
}

/// Mean over the runs of micro F1 on the drawn sentences.
fn mean_f1(runs: &[Vec<Counts>], drawn: &[usize]) -> f64 {
    let f1 = |counts: &Vec<Counts>| sum(drawn.iter().map(|&i| &counts[i])).score().f1;
    runs.iter().map(f1).sum::<f64>() / runs.len() as f64
}

/// The quantile of sorted values, interpolated linearly between neighbours (numpy's default).
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * sorted.len().saturating_sub(1) as f64;
    let below = place.floor() as usize;
    match (sorted.get(below), sorted.get(below + 1)) {
        (Some(low), Some(high)) => low + (high - low) * (place - below as f64),
        (Some(only), None) => *only,
        _ => 0.0,
    }
}

/// The result of a significance test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Significance {
    /// Micro F1 of the first model, the mean over its runs.
    pub f1_a: f64,
    /// Micro F1 of the second.
    pub f1_b: f64,
    /// `f1_a - f1_b`.
    pub difference: f64,
    /// Two-sided p: how often a difference at least this large comes about when the models'
    /// predictions are swapped at random.
    pub p_value: f64,
    /// Random swaps tried.
    pub rounds: usize,
}

impl Significance {
    /// p as it is reported: where no swap did as well, no more is known than that it is at most so small.
    #[must_use]
    pub fn p(&self) -> String {
        let least = 1.0 / (self.rounds + 1) as f64;
        let sign = if self.p_value > least * 1.5 {
            '='
        } else {
            '≤'
        };
        format!("p {sign} {:.4}", self.p_value)
    }
}

/// The paired approximate randomisation test (Noreen 1989; Yeh 2000) on micro F1.
///
/// For every sentence a coin decides whether the two models' predictions change places, all runs
/// of the sentence together; p is `(1 + swaps at least as different) / (1 + rounds)`. With runs the
/// test is about these trained models, not about training anew.
///
/// # Errors
/// As [`score`](super::score()), or if the models have different numbers of runs.
pub fn paired_randomization<R: AsRef<[Vec<String>]>>(
    gold: &[Vec<String>],
    a: &[R],
    b: &[R],
    mode: Mode,
    resampling: Resampling,
) -> Result<Significance> {
    if a.len() != b.len() {
        let message = format!("{} runs of one model, {} of the other", a.len(), b.len());
        return Err(DataError::invalid(message)
            .with_hint("the paired test needs the same number of runs of both"));
    }
    let a = sentence_counts(gold, a, mode)?;
    let b = sentence_counts(gold, b, mode)?;
    let all: Vec<usize> = (0..gold.len()).collect();
    let (f1_a, f1_b) = (mean_f1(&a, &all), mean_f1(&b, &all));
    let observed = (f1_a - f1_b).abs();
    // Equal differences must count as such although they are summed in another order.
    let tolerance = 1e-12;
    let at_least = (0..resampling.rounds).filter(|&round| {
        let mut rng = KeyedRng::new(resampling.seed, "ner randomization", &[round as u64]);
        let swap: Vec<bool> = (0..gold.len()).map(|_| rng.next_u64() >> 63 == 1).collect();
        let pick = |first: &Vec<Counts>, second: &Vec<Counts>| {
            let pairs = first.iter().zip(second).zip(&swap);
            let picked = sum(pairs.map(|((x, y), &swap)| if swap { y } else { x }));
            picked.score().f1
        };
        let runs = a.iter().zip(&b).map(|(a, b)| pick(a, b) - pick(b, a));
        let difference = runs.sum::<f64>() / a.len() as f64;
        difference.abs() >= observed - tolerance
    });
    Ok(Significance {
        f1_a,
        f1_b,
        difference: f1_a - f1_b,
        p_value: (1 + at_least.count()) as f64 / (1 + resampling.rounds) as f64,
        rounds: resampling.rounds,
    })
}

/// Counts of every sentence, for every run.
fn sentence_counts<R: AsRef<[Vec<String>]>>(
    gold: &[Vec<String>],
    runs: &[R],
    mode: Mode,
) -> Result<Vec<Vec<Counts>>> {
    if runs.is_empty() || gold.is_empty() {
        return Err(DataError::invalid(
            "nothing to resample: no sentences or no predictions",
        ));
    }
    let one = |run: &R| {
        let pairs = spans_of(gold, run.as_ref(), mode)?;
        Ok(pairs
            .iter()
            .map(|(gold, predicted)| count(gold, predicted))
            .collect())
    };
    runs.iter().map(one).collect()
}

/// A figure over several seeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Number of runs.
    pub runs: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// Sample standard deviation (n − 1); `None` for a single run.
    pub sd: Option<f64>,
    /// Smallest.
    pub min: f64,
    /// Largest.
    pub max: f64,
}

impl Summary {
    /// The summary of some values; `None` of none.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let n = values.len();
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        (n > 0).then(|| Self {
            runs: n,
            mean,
            sd: (n > 1).then(|| (squares / (n - 1) as f64).sqrt()),
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `right` of ten sentences with one entity each are predicted, from the `first` on.
    fn predictions(first: usize, right: usize) -> Vec<Vec<String>> {
        let tag = |i: usize| {
            if (first..first + right).contains(&i) {
                "B-PER"
            } else {
                "O"
            }
        };
        (0..10).map(|i| vec![tag(i).to_owned()]).collect()
    }

    #[test]
    fn summaries_use_n_minus_one() {
        // The five published runs of Ælæctra cased: 80.08, SD 0.26.
        let runs = [0.8, 0.8, 0.800_165_152_8, 0.805_269_658_3, 0.798_494_983_3];
        let summary = Summary::of(&runs).expect("not empty");
        assert!((summary.mean - 0.8008).abs() < 5e-5, "{summary:?}");
        assert!(
            (summary.sd.expect("several") - 0.0026).abs() < 5e-5,
            "{summary:?}"
        );
        assert_eq!(
            (summary.min, summary.max),
            (0.798_494_983_3, 0.805_269_658_3)
        );
        assert_eq!(Summary::of(&[0.5]).expect("one").sd, None);
        assert_eq!(Summary::of(&[]), None);
    }

    #[test]
    fn interval_holds_the_figure_and_repeats() {
        let gold = predictions(0, 10);
        let runs = [predictions(0, 6)];
        let draw = |seed| {
            let resampling = Resampling { rounds: 500, seed };
            bootstrap(&gold, &runs, Mode::Strict, resampling).expect("resamples")
        };
        let interval = draw(1);
        assert!(interval.low < 0.75 && 0.75 < interval.high, "{interval:?}");
        assert!(interval.high - interval.low > 0.2, "{interval:?}");
        assert_eq!(interval, draw(1));
        assert_ne!(interval, draw(2));
        let json = serde_json::to_value(interval).expect("serialises");
        assert_eq!(json[0], interval.low);
        let perfect = std::slice::from_ref(&gold);
        let sure = bootstrap(&gold, perfect, Mode::Strict, Resampling::default()).expect("draws");
        assert_eq!(<[f64; 2]>::from(sure), [1.0, 1.0]);
    }

    #[test]
    fn quantiles_lie_between_neighbours() {
        let values = [0.0, 1.0, 2.0, 3.0, 4.0];
        let found = [0.0, 0.025, 0.5, 0.975, 1.0].map(|share| quantile(&values, share));
        let expected = [0.0, 0.1, 2.0, 3.9, 4.0];
        let apart = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
        assert!(apart.into_iter().all(|apart| apart < 1e-12), "{found:?}");
    }

    #[test]
    fn a_difference_has_its_sign_and_runs_are_averaged() {
        let gold = predictions(0, 10);
        let [nine, one] = [predictions(0, 9), predictions(9, 1)];
        let resampling = Resampling {
            rounds: 500,
            seed: 1,
        };
        let paired = |a: &[Vec<Vec<String>>], b: &[Vec<Vec<String>>]| {
            let found = paired_bootstrap(&gold, a, b, Mode::Strict, resampling).expect("resamples");
            [found.low, found.high]
        };
        let [a, b] = [vec![nine.clone()], vec![one.clone()]];
        let [low, high] = paired(&a, &b);
        assert!(0.0 < low && low < high, "{low} {high}");
        assert_eq!(paired(&b, &a), [-high, -low]);
        assert_eq!(paired(&a, &a), [0.0, 0.0]);
        // The same run twice is the run.
        let [aa, bb] = [vec![nine.clone(); 2], vec![one; 2]];
        assert_eq!(paired(&aa, &bb), [low, high]);
        let once = bootstrap(&gold, &a, Mode::Strict, resampling).expect("resamples");
        assert_eq!(
            bootstrap(&gold, &aa, Mode::Strict, resampling).expect("resamples"),
            once
        );
        let p = |a: &[Vec<Vec<String>>], b: &[Vec<Vec<String>>]| {
            paired_randomization(&gold, a, b, Mode::Strict, resampling).expect("swaps")
        };
        assert_eq!(p(&aa, &bb), p(&a, &b));
    }

    #[test]
    fn randomization_tells_same_from_different() {
        let gold = predictions(0, 10);
        let p = |a: Vec<Vec<String>>, b: Vec<Vec<String>>| {
            let resampling = Resampling {
                rounds: 2000,
                seed: 5,
            };
            paired_randomization(&gold, &[a], &[b], Mode::Default, resampling).expect("tests")
        };
        assert_eq!(p(predictions(0, 6), predictions(0, 6)).p_value, 1.0);
        // All ten against none: only all coins alike are as extreme, 2 in 1024.
        let clear = p(predictions(0, 10), predictions(0, 0));
        assert_eq!(clear.difference, 1.0);
        assert!((clear.p_value - 2.0 / 1024.0).abs() < 0.003, "{clear:?}");
        // Six against five of which four are shared: far from significant.
        assert!(p(predictions(0, 6), predictions(2, 5)).p_value > 0.5);
    }

    #[test]
    fn runs_must_pair() {
        let gold = predictions(0, 10);
        let one = [gold.clone()];
        let two = [gold.clone(), gold.clone()];
        let resampling = Resampling::default();
        assert!(paired_randomization(&gold, &one, &two, Mode::Default, resampling).is_err());
        assert!(bootstrap::<Vec<_>>(&gold, &[], Mode::Default, resampling).is_err());
    }
}
