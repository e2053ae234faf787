//! Fine-tuning: one track a seed (and arm, and learning rate on trial), scores by epoch.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use aelectra_data::run::{NerEvalEvent, NerStepEvent};

use super::metric::NerMetric;
use super::rate::RateMeter;
use super::table::Table;

/// Scores kept of one track; far more than anyone fine-tunes epochs.
const EVALS: usize = 2000;
const TRACKS: usize = 256;

/// One fine-tuning: a seed of an arm.
#[derive(Clone, Debug, Default)]
pub(crate) struct NerTrack {
    /// What is compared, if the run compares.
    pub(crate) arm: Option<String>,
    /// The learning rate it tries out, if it does.
    pub(crate) trial: Option<f64>,
    pub(crate) seed: u64,
    pub(crate) steps: Table,
    /// Its scores on the development data, by epoch.
    pub(crate) dev: Vec<NerEvalEvent>,
    /// Its latest scores on the test data.
    pub(crate) test: Option<NerEvalEvent>,
    pub(crate) epoch: u64,
    pub(crate) total_epochs: Option<u64>,
    pub(crate) total_steps: Option<u64>,
    /// How fast it goes.
    pub(crate) rate: RateMeter,
}

impl NerTrack {
    /// The development scores of the epoch that was kept, which the test scores are of; while there are none, the best F1, the
    /// earliest of equals.
    pub(crate) fn kept(&self) -> Option<&NerEvalEvent> {
        let tested = self.test.as_ref().map(|test| test.epoch);
        let kept = tested.and_then(|epoch| self.dev.iter().find(|eval| eval.epoch == epoch));
        kept.or_else(|| self.best())
    }

    fn best(&self) -> Option<&NerEvalEvent> {
        let finite = |eval: &NerEvalEvent| eval.micro_f1.filter(|f1| f1.is_finite());
        let scored = self
            .dev
            .iter()
            .filter_map(|eval| Some((eval, finite(eval)?)));
        // Backwards, since `max_by` takes the last of equals.
        let best = scored.rev().max_by(|a, b| a.1.total_cmp(&b.1));
        best.map(|(eval, _)| eval)
    }

    /// Whether it was trained to its last epoch, or tested.
    fn is_finished(&self) -> bool {
        let last = self.dev.last().map(|eval| eval.epoch);
        self.test.is_some() || self.total_epochs.is_some() && last >= self.total_epochs
    }

    /// `pretrained seed 2`.
    pub(crate) fn name(&self) -> String {
        format!("{}seed {}", self.prefix(), self.seed)
    }

    /// `pretrained 2`, where a heading says what the number is.
    pub(crate) fn short_name(&self) -> String {
        format!("{}{}", self.prefix(), self.seed)
    }

    fn prefix(&self) -> String {
        let arm = self.arm.as_ref().map(|arm| format!("{arm} "));
        let trial = self.trial.map(|rate| format!("lr {rate:e} "));
        arm.unwrap_or_default() + &trial.unwrap_or_default()
    }
}

/// The best of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Best {
    /// Index of its track.
    pub(crate) track: usize,
    pub(crate) epoch: u64,
    /// Micro-F1 on dev.
    pub(crate) f1: f64,
}

/// The seeds of what is compared.
#[derive(Debug)]
pub(crate) struct NerArm<'a> {
    /// Its name, if the run compares.
    pub(crate) name: Option<&'a str>,
    /// Those that were trained to their end first, each in the order of their seeds; at least one.
    pub(crate) seeds: Vec<&'a NerTrack>,
    /// How many of them were trained to their end.
    pub(crate) finished: usize,
}

impl NerArm<'_> {
    /// Mean over the seeds that were trained to their end and, of several, sample standard deviation.
    pub(crate) fn mean(
        &self,
        value: impl Fn(&NerTrack) -> Option<f64>,
    ) -> Option<(f64, Option<f64>)> {
        let finished = self.seeds.iter().take(self.finished);
        let values: Vec<f64> = finished.filter_map(|seed| value(seed)).collect();
        match values.as_slice() {
            [] => None,
            [value] => Some((*value, None)),
            _ => mean_and_deviation(&values).map(|(mean, deviation)| (mean, Some(deviation))),
        }
    }

    /// Micro-F1 on dev by epoch, the mean of the seeds that have come so far, as long as half of them have.
    pub(crate) fn f1_by_epoch(&self) -> Vec<(f64, Option<f64>)> {
        let mut by_epoch: BTreeMap<u64, Vec<Option<f64>>> = BTreeMap::new();
        for eval in self.seeds.iter().flat_map(|seed| &seed.dev) {
            by_epoch.entry(eval.epoch).or_default().push(eval.micro_f1);
        }
        let many = by_epoch.into_iter();
        let many = many.filter(|(_, scores)| 2 * scores.len() >= self.seeds.len());
        many.map(|(epoch, scores)| {
            let sum: Option<f64> = scores.iter().copied().sum();
            (epoch as f64, sum.map(|sum| sum / scores.len() as f64))
        })
        .collect()
    }
}

/// Mean and sample standard deviation (n − 1) of at least two values.
pub(crate) fn mean_and_deviation(values: &[f64]) -> Option<(f64, f64)> {
    let count = values.len() as f64;
    if values.len() < 2 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((mean, (squares / (count - 1.0)).sqrt()))
}

/// All fine-tunings of a run, in order of appearance.
#[derive(Clone, Debug, Default)]
pub(crate) struct NerStore {
    pub(crate) tracks: Vec<NerTrack>,
    /// The track that was last heard of.
    pub(crate) active: usize,
    smoothing: f64,
}

impl NerStore {
    fn track(
        &mut self,
        arm: Option<&String>,
        trial: Option<f64>,
        seed: u64,
    ) -> Option<&mut NerTrack> {
        let same =
            |track: &NerTrack| (track.seed, track.trial, track.arm.as_ref()) == (seed, trial, arm);
        let found = self.tracks.iter().position(same);
        let index = match found {
            Some(index) => index,
            None if self.tracks.len() >= TRACKS => return None,
            None => {
                let mut track = NerTrack {
                    arm: arm.cloned(),
                    trial,
                    seed,
                    ..NerTrack::default()
                };
                track.steps.set_smoothing(self.smoothing);
                self.tracks.push(track);
                self.tracks.len() - 1
            }
        };
        self.active = index;
        self.tracks.get_mut(index)
    }

    /// Takes a step at Unix time `t`, `time` seconds into the run.
    pub(crate) fn step(&mut self, event: &NerStepEvent, t: f64, time: f64) {
        let Some(track) = self.track(event.arm.as_ref(), event.trial, event.seed) else {
            return;
        };
        track.epoch = event.epoch;
        track.total_epochs = event.total_epochs.or(track.total_epochs);
        track.total_steps = event.total_steps.or(track.total_steps);
        let values = NerMetric::values(|f| event.visit(f));
        track.steps.push(event.step, 0, time, &values);
        track.rate.push(t, event.step);
    }

    /// Takes scores; a later word on the same epoch replaces the earlier one.
    pub(crate) fn eval(&mut self, event: NerEvalEvent) {
        let Some(track) = self.track(event.arm.as_ref(), event.trial, event.seed) else {
            return;
        };
        if event.split.as_deref() == Some("test") {
            track.test = Some(event);
            return;
        }
        track.epoch = track.epoch.max(event.epoch);
        let place = track.dev.partition_point(|eval| eval.epoch < event.epoch);
        let room = track.dev.len() < EVALS;
        match track.dev.get_mut(place) {
            Some(eval) if eval.epoch == event.epoch => *eval = event,
            _ if room => track.dev.insert(place, event),
            _ => {}
        }
    }

    pub(crate) fn set_smoothing(&mut self, smoothing: f64) {
        self.smoothing = smoothing;
        for track in &mut self.tracks {
            track.steps.set_smoothing(smoothing);
        }
    }

    /// The tracks' indices by arm and seed: side by side runs appear in any order.
    pub(crate) fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.tracks.len()).collect();
        order.sort_by(|a, b| {
            let [a, b] = [a, b].map(|index| &self.tracks[*index]);
            let trials = || a.trial.partial_cmp(&b.trial).unwrap_or(Ordering::Equal);
            (&a.arm, a.seed).cmp(&(&b.arm, b.seed)).then_with(trials)
        });
        order
    }

    /// What is compared, each with its seeds; the rates on trial, which are no seeds, only while there is nothing else.
    /// `completed` says that all of them were trained to their end.
    pub(crate) fn arms(&self, completed: bool) -> Vec<NerArm<'_>> {
        let tried_only = self.tracks.iter().all(|track| track.trial.is_some());
        let mut arms: Vec<NerArm<'_>> = Vec::new();
        for index in self.order() {
            let track = &self.tracks[index];
            if track.trial.is_some() && !tried_only {
                continue;
            }
            let name = track.arm.as_deref();
            match arms.last_mut().filter(|arm| arm.name == name) {
                Some(arm) => arm.seeds.push(track),
                None => arms.push(NerArm {
                    name,
                    seeds: vec![track],
                    finished: 0,
                }),
            }
        }
        for arm in &mut arms {
            let goes_on = |track: &&NerTrack| !completed && !track.is_finished();
            arm.seeds.sort_by_key(goes_on);
            arm.finished = arm.seeds.partition_point(|track| !goes_on(track));
        }
        arms
    }

    /// The track with the best kept epoch on dev, that epoch and its F1; of the rates on trial while there are no others.
    pub(crate) fn best(&self) -> Option<Best> {
        let best = |of_trials: bool| {
            let tracks = self.tracks.iter().enumerate();
            let tracks = tracks.filter(|(_, track)| track.trial.is_some() == of_trials);
            let best = tracks.filter_map(|(track, it)| {
                let eval = it.kept()?;
                let (epoch, f1) = (eval.epoch, eval.micro_f1.filter(|f1| f1.is_finite())?);
                Some(Best { track, epoch, f1 })
            });
            // As above: of equals the first is the one whose model is kept.
            let best: Vec<Best> = best.collect();
            best.into_iter().rev().max_by(|a, b| a.f1.total_cmp(&b.f1))
        };
        best(false).or_else(|| best(true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eval(seed: u64, epoch: u64, f1: f64) -> NerEvalEvent {
        NerEvalEvent {
            seed,
            epoch,
            step: Some(epoch * 10),
            micro_f1: Some(f1),
            ..NerEvalEvent::default()
        }
    }

    #[test]
    fn the_best_epoch_is_the_first_of_the_highest_and_nan_never() {
        let mut store = NerStore::default();
        for (epoch, f1) in [(1, 0.4), (2, 0.6), (3, f64::NAN), (4, 0.7), (2, 0.7)] {
            store.eval(eval(1, epoch, f1));
        }
        assert_eq!(store.tracks[0].dev.len(), 4);
        assert_eq!(store.tracks[0].kept().expect("one").epoch, 2);
        store.eval(eval(2, 5, 0.7));
        let best = |store: &NerStore| store.best().map(|best| (best.epoch, best.f1));
        assert_eq!(best(&store), Some((2, 0.7)), "the first seed's");
        // Chosen by something else: the test scores are of another epoch.
        store.eval(NerEvalEvent {
            split: Some("test".to_owned()),
            ..eval(1, 1, 0.3)
        });
        assert_eq!(store.tracks[0].kept().expect("one").epoch, 1);
        assert_eq!(best(&store), Some((5, 0.7)), "the second seed's");
    }

    #[test]
    fn a_rate_on_trial_has_a_track_of_its_own() {
        let mut store = NerStore::default();
        for trial in [Some(3e-4), None, Some(1e-4), None] {
            store.eval(NerEvalEvent {
                trial,
                ..eval(1, 1, 0.5)
            });
        }
        let names = store.order().into_iter().map(|at| store.tracks[at].name());
        let names: Vec<String> = names.collect();
        assert_eq!(names, ["seed 1", "lr 1e-4 seed 1", "lr 3e-4 seed 1"]);
    }

    #[test]
    fn an_arm_s_curve_is_the_mean_of_the_seeds_that_have_come_so_far() {
        let mut store = NerStore::default();
        for (seed, epoch, f1) in [
            (1, 1, 0.2),
            (1, 2, 0.5),
            (1, 3, 0.6),
            (2, 1, 0.4),
            (2, 2, 0.7),
        ] {
            store.eval(eval(seed, epoch, f1));
        }
        store.eval(eval(3, 1, 0.6));
        store.eval(NerEvalEvent {
            trial: Some(3e-4),
            ..eval(1, 1, 0.9)
        });
        let arms = store.arms(false);
        assert_eq!(arms.len(), 1);
        assert_eq!(arms[0].finished, 0, "none was trained to its end");
        assert!(arms[0].mean(|seed| seed.kept()?.micro_f1).is_none());
        let arms = store.arms(true);
        assert_eq!(arms[0].seeds.len(), 3, "a rate on trial is no seed");
        let rounded = |f1: Option<f64>| f1.map(|f1| (1e6 * f1).round() / 1e6);
        let curve = arms[0].f1_by_epoch().into_iter();
        let curve: Vec<_> = curve.map(|(epoch, f1)| (epoch, rounded(f1))).collect();
        // One of three seeds has come to the third epoch.
        assert_eq!(curve, [(1.0, Some(0.4)), (2.0, Some(0.6))]);
        let best = |seed: &NerTrack| seed.kept()?.micro_f1;
        let (mean, deviation) = arms[0].mean(best).expect("measured");
        assert!((mean - 1.9 / 3.0).abs() < 1e-12);
        assert!((deviation.expect("of several") - 0.057_735).abs() < 1e-6);
    }

    #[test]
    fn the_best_of_all_is_none_of_the_rates_on_trial_while_there_are_others() {
        let mut store = NerStore::default();
        let on_trial = |epoch, f1| NerEvalEvent {
            trial: Some(3e-4),
            ..eval(1, epoch, f1)
        };
        store.eval(on_trial(3, 0.9));
        let best = |store: &NerStore| store.best().map(|best| (best.epoch, best.f1));
        assert_eq!(best(&store), Some((3, 0.9)));
        store.eval(eval(1, 1, 0.5));
        store.eval(eval(2, 2, 0.6));
        assert_eq!(best(&store), Some((2, 0.6)));
    }
}
