//! How far a run has come, where it ends, and when.

use aelectra_data::run::EndReason;

use super::RunStore;

/// The flag that ended a run at so many of its steps before its schedule was over.
pub(crate) fn limit(step: Option<u64>, total: Option<u64>) -> &'static str {
    match (step, total) {
        (Some(step), Some(total)) if step < total => "--max-hours",
        _ => "--max-steps",
    }
}

impl RunStore {
    /// The step it has reached, of pretraining or of the active fine-tuning.
    pub(crate) fn step(&self) -> Option<u64> {
        if self.counts_tuning() {
            return self.ner.tracks.get(self.ner.active)?.steps.last_step();
        }
        self.steps.last_step().max(self.evals.last_step())
    }

    /// While it fine-tunes the steps of that are counted; when all is over the pretraining is what
    /// the run was about, if there was one.
    fn counts_tuning(&self) -> bool {
        self.tuning && (self.end.is_none() || self.steps.last_step().is_none())
    }

    /// Whether it has come to its end, and was not stopped before.
    pub(crate) fn is_completed(&self) -> bool {
        let end = self.end.as_ref();
        end.is_some_and(|end| end.reason == EndReason::Completed)
    }

    /// The flag that ended it early: with steps left its time was over.
    pub(crate) fn limit(&self) -> &'static str {
        let told = self.end.as_ref().and_then(|end| end.step);
        limit(told.or(self.steps.last_step()), self.total_steps)
    }

    /// The step whose numbers will be its first, as far as its start tells; nothing once there are some.
    pub(crate) fn first_report(&self) -> Option<u64> {
        let start = self.start.as_ref()?;
        let every = start.log_every.filter(|every| *every > 0)?;
        if self.steps.last_step().is_some() {
            return None;
        }
        let taken = start.first_step.unwrap_or(0);
        let next = (taken / every).saturating_add(1).saturating_mul(every);
        // The last step is told whatever its number.
        Some(self.total_steps.map_or(next, |total| next.min(total)))
    }

    /// The step it will end at, of what [`RunStore::step`] counts.
    pub(crate) fn total(&self) -> Option<u64> {
        if self.is_completed() && self.counts_tuning() {
            // Early stopping ends before what was planned.
            return self.step();
        }
        if self.counts_tuning() {
            return self.ner.tracks.get(self.ner.active)?.total_steps;
        }
        self.total_steps
    }

    /// Seconds until that step at Unix time `now`.
    pub(crate) fn eta(&self, now: f64) -> Option<f64> {
        let rate = if self.counts_tuning() {
            &self.ner.tracks.get(self.ner.active)?.rate
        } else {
            &self.rate
        };
        let to_its_step = self.total().and_then(|total| rate.eta(now, total));
        // It ends at whichever comes first.
        let most = self.start.as_ref().and_then(|start| start.max_seconds);
        let to_its_time = most
            .zip(self.began)
            .map(|(most, began)| (began + most - now).max(0.0));
        match (to_its_step, to_its_time) {
            (Some(step), Some(time)) => Some(step.min(time)),
            (step, time) => step.or(time),
        }
    }
}

#[cfg(test)]
mod tests {
    use aelectra_data::run::{EndEvent, NerStepEvent, RunEvent, StartEvent};

    use super::super::tests::{feed, step};
    use super::*;

    #[test]
    fn the_first_numbers_are_announced_until_they_are_there() {
        let mut run = RunStore::default();
        assert_eq!(run.first_report(), None);
        for (first_step, total, wanted) in [
            (None, 1000, 50),
            (Some(50), 1000, 100),
            (Some(120), 130, 130),
            (Some(u64::MAX), u64::MAX, u64::MAX),
        ] {
            let start = StartEvent {
                first_step,
                total_steps: Some(total),
                log_every: Some(50),
                ..StartEvent::default()
            };
            feed(&mut run, 0.0, RunEvent::Start(start));
            assert_eq!(run.first_report(), Some(wanted));
        }
        feed(&mut run, 1.0, step(50, 1.0));
        assert_eq!(run.first_report(), None);
    }

    #[test]
    fn the_log_names_the_flag_that_ended_a_run() {
        for (last, flag) in [(40, "--max-steps"), (39, "--max-hours")] {
            let mut run = RunStore::default();
            let start = StartEvent {
                total_steps: Some(40),
                ..StartEvent::default()
            };
            feed(&mut run, 0.0, RunEvent::Start(start));
            let end = EndEvent {
                reason: EndReason::Limit,
                step: Some(last),
                ..EndEvent::default()
            };
            feed(&mut run, 1.0, RunEvent::End(end));
            let line = run.logs.iter().next_back().map(|line| line.text.clone());
            assert_eq!(line, Some(format!("ended at {flag}, exit code 0")));
        }
    }

    #[test]
    fn what_is_left_is_known_of_trainings_side_by_side() {
        let mut run = RunStore::default();
        let mut t = 0.0;
        for at in 1..=10 {
            // The second is behind and half as fast.
            for (seed, step) in [(1, 2 * at), (2, at)] {
                t += 1.0;
                let step = NerStepEvent {
                    seed,
                    step,
                    total_steps: Some(40),
                    ..NerStepEvent::default()
                };
                feed(&mut run, t, RunEvent::NerStep(step));
            }
        }
        // One step in two seconds, and 30 to go.
        let eta = run.eta(t).expect("measured");
        assert!((eta - 60.0).abs() < 1.0, "{eta}");
    }
}
