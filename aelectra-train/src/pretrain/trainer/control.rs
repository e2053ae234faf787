//! What ends, pauses or interrupts a run from outside: signals, limits and requests in `control/`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aelectra_data::run::{ControlRequest, ControlStatus, EndEvent, EndReason};
use aelectra_model::ElectraPretrainer;

use super::{Trainer, TrainerOptions};
use crate::end;
use crate::error::Result;

impl Trainer<'_> {
    pub(super) fn interrupted(&self, started: Instant, last_step: u64) -> Option<EndEvent> {
        let TrainerOptions {
            stop,
            config,
            max_time,
            ..
        } = &self.options;
        if stop.requested().is_some() {
            return Some(end::stopped(stop));
        }
        if self.state.step >= config.schedule_steps {
            return Some(end::event(EndReason::Completed, 0));
        }
        let late = max_time.is_some_and(|limit| started.elapsed() >= limit);
        (self.state.step >= last_step || late).then(|| end::event(EndReason::Limit, 0))
    }

    /// Carries out requests in `control/`; waits while paused, until something else ends the run.
    pub(super) fn obey_control(
        &mut self,
        model: &ElectraPretrainer,
        started: Instant,
        last_step: u64,
    ) -> Result<Option<EndEvent>> {
        let requests = Arc::clone(&self.requests);
        let step = self.state.step;
        let (mut paused, mut stops) = (false, false);
        loop {
            for request in requests.take(step) {
                let answer = |status, message| requests.answer(&request, status, step, message);
                answer(ControlStatus::Acknowledged, None);
                let done = match request.0 {
                    _ if stops => Err("the run stops".to_owned()),
                    ControlRequest::Stop => {
                        stops = true;
                        Ok(())
                    }
                    ControlRequest::Checkpoint => self.checkpoint_or_warn(model),
                    ControlRequest::Evaluate if self.options.validation.is_none() => {
                        Err("there is no held-out data".to_owned())
                    }
                    ControlRequest::Evaluate => {
                        self.evaluate_and_keep(model)?;
                        Ok(())
                    }
                    ControlRequest::Pause => {
                        paused = true;
                        Ok(())
                    }
                    ControlRequest::Resume => {
                        paused = false;
                        Ok(())
                    }
                };
                match done {
                    Ok(()) => answer(ControlStatus::Done, None),
                    Err(why) => answer(ControlStatus::Refused, Some(&why)),
                }
            }
            if stops {
                return Ok(Some(end::event(EndReason::Stopped, 0)));
            }
            if !paused {
                return Ok(None);
            }
            if let Some(end) = self.interrupted(started, last_step) {
                return Ok(Some(end));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}
