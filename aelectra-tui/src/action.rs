//! What can happen to the dashboard, and what it can ask of the world.

use std::path::PathBuf;

use aelectra_data::run::{ControlRequest, Envelope, Manifest};
use ratatui::crossterm::event::{KeyEvent, MouseEvent};

use crate::options::Exit;
use crate::saved::View;
use crate::state::RunKey;
use crate::summary::RunSummary;

#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) key: RunKey,
    /// The file was replaced: forget what came before.
    pub(crate) reset: bool,
    pub(crate) events: Vec<Envelope>,
    /// The share of the file read so far, 1 when nothing is left to load.
    pub(crate) loaded: f64,
    /// Lines so far that were no events.
    pub(crate) bad_lines: u64,
    pub(crate) missing: bool,
    /// Whether the process exists, where that can be known.
    pub(crate) alive: Option<bool>,
    /// In a replay: the time it has reached.
    pub(crate) clock: Option<f64>,
}

/// An input of [`update`](crate::update::update).
#[derive(Debug)]
pub(crate) enum Action {
    Key(KeyEvent),
    Mouse(MouseEvent),
    Resize(u16, u16),
    /// The time is now this (Unix seconds).
    Tick(f64),
    Batch(Batch),
    Manifest(RunKey, Box<Manifest>),
    /// These runs exist, the most recently written first.
    Listed(Vec<RunSummary>),
    ControlSent(RunKey, ControlRequest, String),
    /// What became of something outside, for the user.
    Told(String),
    /// A signal of this number asks to leave.
    Terminate(i32),
}

/// An output of [`update`](crate::update::update), for the loop that owns the terminal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
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
    /// Keep the view for the next session.
    SaveView(View),
    /// File a control request with a run.
    Control(RunKey, PathBuf, ControlRequest),
}
