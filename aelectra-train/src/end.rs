//! How a run ends: the last event, whatever was trained.

use aelectra_data::run::{EndEvent, EndReason};

use crate::error::TrainError;
use crate::stop::StopFlag;

/// It ended without an error.
#[must_use]
pub(crate) fn event(reason: EndReason, exit_code: i32) -> EndEvent {
    EndEvent {
        reason,
        exit_code,
        ..EndEvent::default()
    }
}

/// It was stopped early: by a signal (128 + its number, as a shell reports it: 130 for SIGINT, 143 for
/// SIGTERM) or by a request, which is no failure.
#[must_use]
pub fn stopped(stop: &StopFlag) -> EndEvent {
    match stop.requested() {
        Some(signal) => event(EndReason::Interrupted, 128 + signal as i32),
        None => event(EndReason::Stopped, 0),
    }
}

/// It failed, for a reason that the event tells.
#[must_use]
pub fn failed(error: &TrainError) -> EndEvent {
    EndEvent {
        message: Some(error.to_string()),
        ..event(EndReason::Failed, error.exit_code())
    }
}
