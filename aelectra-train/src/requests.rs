//! Requests of a dashboard or of `aelectra runs` to a training, taken and answered.

use std::path::PathBuf;

use aelectra_data::run::{
    ControlEvent, ControlRequest, ControlStatus, RunDir, RunEvent, poll_control,
};

use crate::sink::EventBus;

/// The requests to one run.
#[derive(Debug)]
pub(crate) struct Requests<'a> {
    control: PathBuf,
    bus: &'a EventBus,
}

impl<'a> Requests<'a> {
    pub(crate) fn new(run: &RunDir, bus: &'a EventBus) -> Self {
        let control = run.control();
        Self { control, bus }
    }

    /// Those made since the last look, with their ids; a directory that cannot be read is told and
    /// has none.
    pub(crate) fn take(&self, step: u64) -> Vec<(ControlRequest, String)> {
        poll_control(&self.control).unwrap_or_else(|error| {
            self.bus.warn(error.to_string(), Some(step));
            Vec::new()
        })
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
