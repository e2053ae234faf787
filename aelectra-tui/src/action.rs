//! What can happen to the dashboard, and what it can ask of the world.

use std::path::PathBuf;

use aelectra_data::run::{ControlRequest, Envelope, Manifest};
use ratatui::crossterm::event::{KeyEvent, MouseEvent};

use crate::options::Exit;
use crate::summary::RunSummary;

/// A run's number in [`State::runs`](crate::state::State::runs); it never changes.
pub type RunKey = usize;

/// A piece of a run's event file.
#[derive(Debug, Default)]
pub struct Batch {
    /// Whose.
    pub key: RunKey,
    /// The file was replaced: forget what came before.
    pub reset: bool,
    /// The events, in order.
    pub events: Vec<Envelope>,
    /// The share of the file read so far, 1 when nothing is left to load.
    pub loaded: f64,
    /// Lines so far that were no events.
    pub bad_lines: u64,
    /// The file is gone.
    pub missing: bool,
    /// Whether the process exists, where that can be known.
    pub alive: Option<bool>,
    /// In a replay: the time it has reached.
    pub clock: Option<f64>,
}

/// An input of [`update`](crate::update::update).
#[derive(Debug)]
pub enum Action {
    /// A key was pressed.
    Key(KeyEvent),
    /// The mouse was used.
    Mouse(MouseEvent),
    /// The terminal has another size.
    Resize(u16, u16),
    /// The time is now this (Unix seconds).
    Tick(f64),
    /// A run's file has grown.
    Batch(Batch),
    /// A run's manifest was read.
    Manifest(RunKey, Box<Manifest>),
    /// These runs exist, the most recently written first.
    Listed(Vec<RunSummary>),
    /// A request was filed under this id.
    ControlSent(RunKey, ControlRequest, String),
    /// Something outside failed; the text is for the user.
    Failed(String),
    /// A signal of this number asks to leave.
    Terminate(i32),
}

/// An output of [`update`](crate::update::update), for the loop that owns the terminal.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Leave.
    Quit(Exit),
    /// Give the terminal back and stop the process until it is continued.
    Suspend,
    /// Draw everything anew, the screen may have been disturbed.
    Repaint,
    /// Read a run's file from its beginning and follow it.
    Follow(RunKey, PathBuf),
    /// Stop following; the run's data were dropped.
    Unfollow(RunKey),
    /// Stop reading (`true`) or go on.
    Freeze(bool),
    /// File a control request with a run.
    Control(RunKey, PathBuf, ControlRequest),
}
