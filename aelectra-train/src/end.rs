//! How a run ends: the last event, whatever was trained.

use aelectra_data::run::{EndEvent, EndReason};

use crate::error::TrainError;
use crate::stop::StopFlag;

/// It came to its end.
#[must_use]
pub fn completed() -> EndEvent {
    EndEvent {
        reason: EndReason::Completed,
        exit_code: 0,
        ..EndEvent::default()
    }
}

/// It was stopped early: by a signal (128 + its number, as a shell reports it: 130 for SIGINT, 143 for
/// SIGTERM) or by a request, which is no failure.
#[must_use]
pub fn stopped(stop: &StopFlag) -> EndEvent {
    let (reason, exit_code) = match stop.requested() {
        Some(signal) => (EndReason::Interrupted, 128 + signal as i32),
        None => (EndReason::Stopped, 0),
    };
    EndEvent {
        reason,
        exit_code,
        ..EndEvent::default()
    }
}

/// It failed, for a reason that the event tells.
#[must_use]
pub fn failed(error: &TrainError) -> EndEvent {
    EndEvent {
        reason: EndReason::Failed,
        exit_code: error.exit_code(),
        message: Some(error.to_string()),
        ..EndEvent::default()
    }
}
