//! States for tests.

use std::path::PathBuf;

use crate::action::{Action, Batch, Effect};
use crate::state::State;
use crate::summary::RunSummary;
use crate::theme::ThemeName;
use crate::update::update;
use aelectra_data::run::{Envelope, Manifest, RunEvent, Task};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::demo;

/// A dashboard without runs.
pub(crate) fn empty() -> State {
    let mut state = State::new(ThemeName::Dark, false);
    state.now = demo::T0;
    state.root = "runs".into();
    state
}

/// Summaries of runs named `run-0`, `run-1`, ….
pub(crate) fn summaries(count: usize) -> Vec<RunSummary> {
    (0..count)
        .map(|index| RunSummary {
            id: format!("run-{index}"),
            state: "running".into(),
            task: Some(Task::Pretrain),
            step: Some(100 * (index as u64 + 1)),
            total_steps: Some(1000),
            loss: Some(12.5 + index as f64),
            rtd_accuracy: Some(0.91),
            best_f1: None,
            last_event_seconds: Some(3.0),
            path: PathBuf::from(format!("runs/run-{index}")),
            ..RunSummary::default()
        })
        .collect()
}

/// A dashboard with runs, the first of them loaded with a made-up run of so many steps.
pub(crate) fn with_runs(count: usize, steps: u64) -> State {
    let mut state = empty();
    update(&mut state, Action::Listed(summaries(count)));
    let manifest = Manifest {
        config: serde_json::json!({"lr": 5e-4, "batch_size": 32}),
        command: vec!["aelectra".into(), "pretrain".into()],
        ..Manifest::default()
    };
    update(&mut state, Action::Manifest(0, Box::new(manifest)));
    load(&mut state, 0, steps);
    state
}

/// Loads a run with a made-up run of so many steps; the clock stands one second after its end.
pub(crate) fn load(state: &mut State, key: usize, steps: u64) {
    let events = demo::events(steps);
    let end = events.last().map_or(demo::T0, |event| event.t);
    let batch = Batch {
        key,
        events,
        loaded: 1.0,
        ..Batch::default()
    };
    update(state, Action::Batch(batch));
    update(state, Action::Tick(end + 1.0));
}

/// One more event of the first run, now.
pub(crate) fn happen(state: &mut State, event: RunEvent) {
    happen_in(state, 0, event);
}

/// One more event of a run, now.
pub(crate) fn happen_in(state: &mut State, key: usize, event: RunEvent) {
    let (v, seq, t) = (1, 1_000_000, state.now);
    let batch = Batch {
        key,
        events: vec![Envelope { v, seq, t, event }],
        loaded: 1.0,
        ..Batch::default()
    };
    update(state, Action::Batch(batch));
}

/// [`with_runs`] with one run.
pub(crate) fn loaded(steps: u64) -> State {
    with_runs(1, steps)
}

/// Presses a character key.
pub(crate) fn press(state: &mut State, key: char) -> Vec<Effect> {
    code(state, KeyCode::Char(key))
}

/// Presses several.
pub(crate) fn press_all(state: &mut State, keys: &str) {
    for key in keys.chars() {
        press(state, key);
    }
}

/// Presses a key by its code.
pub(crate) fn code(state: &mut State, code: KeyCode) -> Vec<Effect> {
    update(state, Action::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

/// Presses Control and a letter.
pub(crate) fn control(state: &mut State, letter: char) -> Vec<Effect> {
    let key = KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL);
    update(state, Action::Key(key))
}
