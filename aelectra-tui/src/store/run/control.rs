//! What a run was asked, and what it answered.

use aelectra_data::run::{ControlEvent, ControlRequest, ControlStatus, LogLevel};

use super::{RunStore, keep};

const CONTROLS: usize = 100;

/// What became of a control request.
#[derive(Clone, Debug)]
pub(crate) struct ControlRecord {
    pub(crate) id: String,
    pub(crate) request: ControlRequest,
    /// `None`: not yet answered.
    pub(crate) status: Option<ControlStatus>,
    /// The step of the answer.
    pub(crate) step: Option<u64>,
    /// When it was asked for or last answered.
    pub(crate) t: f64,
}

impl RunStore {
    pub(super) fn control(&mut self, event: ControlEvent, t: f64) {
        match (event.request, event.status) {
            (_, ControlStatus::Refused) => {}
            (ControlRequest::Pause, _) => self.paused = true,
            (ControlRequest::Resume, _) => {
                self.paused = false;
                self.restart_rates();
            }
            _ => {}
        }
        let answer = ControlRecord {
            id: event.id,
            request: event.request,
            status: Some(event.status),
            step: event.step,
            t,
        };
        match self.controls.iter_mut().find(|known| known.id == answer.id) {
            Some(known) => *known = answer,
            None => keep(&mut self.controls, answer, CONTROLS),
        }
        let answer = match event.status {
            ControlStatus::Acknowledged => "acknowledged",
            ControlStatus::Done => "done",
            ControlStatus::Refused => "refused",
        };
        let step = event.step.map(|step| format!(" at step {step}"));
        let more = event.message.map(|text| format!(": {text}"));
        let (step, more) = (step.unwrap_or_default(), more.unwrap_or_default());
        let text = format!("{} {answer}{step}{more}", event.request.name());
        self.logs.push(t, LogLevel::Info, &text);
    }

    /// Notes a request of this viewer, before the run has answered.
    pub(crate) fn requested(&mut self, id: String, request: ControlRequest, t: f64) {
        if self.controls.iter().any(|known| known.id == id) {
            return;
        }
        let record = ControlRecord {
            id,
            request,
            status: None,
            step: None,
            t,
        };
        keep(&mut self.controls, record, CONTROLS);
    }
}

#[cfg(test)]
mod tests {
    use aelectra_data::run::RunEvent;

    use super::super::tests::feed;
    use super::*;

    #[test]
    fn pause_and_resume_follow_the_answers() {
        let mut run = RunStore::default();
        run.requested("a".into(), ControlRequest::Pause, 0.0);
        assert!(!run.paused && run.controls[0].status.is_none());
        let answer = |id: &str, request| {
            RunEvent::Control(ControlEvent {
                id: id.into(),
                request,
                status: ControlStatus::Acknowledged,
                step: Some(7),
                message: None,
            })
        };
        feed(&mut run, 1.0, answer("a", ControlRequest::Pause));
        assert!(run.paused);
        assert_eq!(run.controls.len(), 1);
        assert_eq!(run.controls[0].step, Some(7));
        feed(&mut run, 2.0, answer("b", ControlRequest::Resume));
        assert!(!run.paused);
    }
}
