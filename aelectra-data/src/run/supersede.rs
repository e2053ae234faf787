//! Which events a `resumed` event makes void.

use super::event::{ResumedEvent, RunEvent};
use super::line::Envelope;

/// Whether `event`, logged before `resumed`, is void because of it: it tells of a step the
/// continued run takes again. Log lines, control answers, system metrics and starts stay.
#[must_use]
pub fn is_superseded_by(event: &RunEvent, resumed: &ResumedEvent) -> bool {
    match resumed.seed {
        None => match event {
            RunEvent::Step(event) => event.step > resumed.step,
            RunEvent::Eval(event) => event.step > resumed.step,
            RunEvent::Sample(event) => event.step > resumed.step,
            RunEvent::Checkpoint(event) => event.step > resumed.step,
            _ => false,
        },
        Some(seed) => match event {
            RunEvent::NerStep(event) => event.seed == seed && event.step > resumed.step,
            RunEvent::NerEval(event) => {
                event.seed == seed && event.step.is_some_and(|step| step > resumed.step)
            }
            _ => false,
        },
    }
}

/// The events that count, in order: each `resumed` event has removed what it makes void. The
/// `resumed` events themselves stay.
#[must_use]
pub fn supersede(events: impl IntoIterator<Item = Envelope>) -> Vec<Envelope> {
    let mut kept: Vec<Envelope> = Vec::new();
    for envelope in events {
        if let RunEvent::Resumed(resumed) = &envelope.event {
            kept.retain(|earlier| !is_superseded_by(&earlier.event, resumed));
        }
        kept.push(envelope);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{LogEvent, NerStepEvent, StepEvent};

    fn at(seq: u64, event: RunEvent) -> Envelope {
        Envelope {
            v: 1,
            seq,
            t: 0.0,
            event,
        }
    }

    fn step(seq: u64, step: u64) -> Envelope {
        let event = StepEvent {
            step,
            ..StepEvent::default()
        };
        at(seq, RunEvent::Step(event))
    }

    #[test]
    fn steps_beyond_the_checkpoint_are_void() {
        let resumed = ResumedEvent {
            step: 10,
            superseded: Some(20),
            ..ResumedEvent::default()
        };
        let ner = NerStepEvent {
            step: 99,
            ..NerStepEvent::default()
        };
        let events = vec![
            step(0, 10),
            step(1, 20),
            at(2, RunEvent::Log(LogEvent::default())),
            at(3, RunEvent::NerStep(ner)),
            at(4, RunEvent::Resumed(resumed)),
            step(5, 20),
        ];
        let seqs: Vec<u64> = supersede(events).iter().map(|event| event.seq).collect();
        assert_eq!(seqs, [0, 2, 3, 4, 5]);
    }

    #[test]
    fn a_seed_voids_its_own_fine_tuning_only() {
        let resumed = ResumedEvent {
            step: 5,
            seed: Some(2),
            ..ResumedEvent::default()
        };
        let ner = |seed, step| {
            RunEvent::NerStep(NerStepEvent {
                seed,
                step,
                ..NerStepEvent::default()
            })
        };
        assert!(is_superseded_by(&ner(2, 6), &resumed));
        assert!(!is_superseded_by(&ner(2, 5), &resumed));
        assert!(!is_superseded_by(&ner(1, 6), &resumed));
        assert!(!is_superseded_by(&step(0, 100).event, &resumed));
    }
}
