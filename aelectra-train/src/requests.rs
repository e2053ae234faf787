//! Requests of a dashboard or of `aelectra runs` to a training, taken and answered.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use aelectra_data::run::{
    ControlEvent, ControlRequest, ControlStatus, RunDir, RunEvent, poll_control,
};

use crate::sink::EventBus;

/// The requests to one run.
#[derive(Debug)]
pub(crate) struct Requests<'a> {
    control: PathBuf,
    bus: &'a EventBus,
    /// What was wrong at the last look: told once, not at every step.
    told: Mutex<Option<String>>,
}

impl<'a> Requests<'a> {
    pub(crate) fn new(run: &RunDir, bus: &'a EventBus) -> Self {
        let control = run.control();
        let told = Mutex::default();
        Self { control, bus, told }
    }

    /// Those made since the last look, with their ids; a directory that cannot be read is told and
    /// has none.
    pub(crate) fn take(&self, step: u64) -> Vec<(ControlRequest, String)> {
        let (requests, problem) = match poll_control(&self.control) {
            Ok(requests) => (requests, None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *told, problem.clone());
        if let Some(problem) = problem.filter(|problem| before.as_ref() != Some(problem)) {
            self.bus.warn(problem, Some(step));
        }
        requests
    }

    pub(crate) fn answer(
        &self,
        (request, id): &(ControlRequest, String),
        status: ControlStatus,
        step: u64,
        message: Option<&str>,
    ) {
        self.bus.emit(RunEvent::Control(ControlEvent {
            id: id.clone(),
            request: *request,
            status,
            step: Some(step),
            message: message.map(str::to_owned),
        }));
    }
}
