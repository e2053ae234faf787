//! The reducer: what an action does to the state, and what it asks of the world. Pure.

use aelectra_data::run::ControlRequest;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;

use crate::action::{Action, Batch, Effect};
use crate::keymap::{Command, lookup};
use crate::navigate::{self, back, show};
use crate::options::Exit;
use crate::run_table;
use crate::saved::View;
use crate::state::{Dialog, OVERLAID, RunKey, RunRow, SMOOTHING, Screen, State, Window};
use crate::store::{Axis, RunStore, Status};
use crate::summary::{RunSummary, settings};
use crate::theme::Theme;

pub(crate) fn update(state: &mut State, action: Action) -> Vec<Effect> {
    match action {
        Action::Key(key) => return on_key(state, &key),
        Action::Mouse(mouse) => {
            let (width, height) = state.size;
            navigate::mouse(state, &mouse, Rect::new(0, 0, width, height));
        }
        Action::Resize(width, height) => state.size = (width, height),
        Action::Tick(now) => {
            if !state.replay {
                state.now = now;
            }
            let now = state.now;
            state.notice.take_if(|(_, until)| *until < now);
        }
        Action::Batch(batch) => return on_batch(state, batch),
        Action::Manifest(key, manifest) => {
            if let Some(row) = state.runs.get_mut(key) {
                row.settings = settings(&manifest.config);
            }
            if let Some(run) = store(state, key) {
                run.manifest = Some(*manifest);
            }
        }
        Action::Listed(summaries) => return on_listed(state, summaries),
        Action::ControlSent(key, request, id) => {
            let now = state.now;
            if let Some(run) = store(state, key) {
                run.requested(id, request, now);
            }
        }
        Action::Told(text) => state.notify(text),
        Action::Terminate(signal) => return vec![Effect::Quit(Exit::Signalled(signal))],
    }
    Vec::new()
}

/// The data of a run that is followed.
fn store(state: &mut State, key: RunKey) -> Option<&mut RunStore> {
    state.runs.get_mut(key)?.store.as_deref_mut()
}

/// Smooths all curves alike; nothing is done where the decay is the same.
fn smooth(state: &mut State) {
    let decay = state.decay();
    for run in state.runs.iter_mut().filter_map(|row| row.store.as_mut()) {
        run.set_smoothing(decay);
    }
}

fn on_batch(state: &mut State, batch: Batch) -> Vec<Effect> {
    let decay = state.decay();
    let Some(row) = state.runs.get_mut(batch.key) else {
        return Vec::new();
    };
    // A batch may still be under way from a run that is no longer followed.
    let Some(run) = row.store.as_deref_mut() else {
        return Vec::new();
    };
    if batch.reset {
        let manifest = run.manifest.take();
        *run = RunStore {
            manifest,
            ..RunStore::default()
        };
        run.set_smoothing(decay);
    }
    for event in batch.events {
        run.apply(event);
    }
    run.bad_lines = batch.bad_lines;
    run.missing = batch.missing;
    row.loaded = batch.loaded;
    row.alive = batch.alive;
    let ended = run.end.is_some();
    smooth(state);
    if let Some(clock) = batch.clock {
        state.now = clock;
    }
    if state.leaving && ended && state.current == Some(batch.key) {
        return vec![Effect::Quit(Exit::Stopped)];
    }
    Vec::new()
}

fn on_listed(state: &mut State, summaries: Vec<RunSummary>) -> Vec<Effect> {
    // The pointer stays on its run, wherever that will be.
    let pointed = state.listed().get(state.run_row).copied();
    let mut order = Vec::with_capacity(summaries.len());
    for summary in summaries {
        let known = state.runs.iter().position(|row| row.path == summary.path);
        let key = known.unwrap_or_else(|| {
            state.runs.push(RunRow {
                path: summary.path.clone(),
                id: crate::format::printable(&summary.id),
                ..RunRow::default()
            });
            state.runs.len() - 1
        });
        if !summary.settings.is_empty() {
            state.runs[key].settings.clone_from(&summary.settings);
        }
        state.runs[key].summary = Some(summary);
        order.push(key);
    }
    state.order = order;
    if let Some(row) = pointed.and_then(|key| state.listed().iter().position(|it| *it == key)) {
        state.run_row = row;
    }
    match (state.current, state.order.first()) {
        (None, Some(&latest)) => open(state, latest),
        _ => Vec::new(),
    }
}

/// Makes a run the shown one.
pub(crate) fn open(state: &mut State, key: RunKey) -> Vec<Effect> {
    let before = state.current.replace(key);
    state.window = Window::All;
    state.cursor = None;
    (state.log_back, state.sample_back, state.scroll, state.track) = (0, 0, 0, None);
    let mut effects = follow(state, key);
    smooth(state);
    if let Some(before) = before.filter(|before| *before != key) {
        effects.extend(release(state, before));
    }
    effects
}

/// Begins to read a run, unless that has begun.
pub(crate) fn follow(state: &mut State, key: RunKey) -> Vec<Effect> {
    let decay = state.decay();
    let row = &mut state.runs[key];
    if row.store.is_some() {
        return Vec::new();
    }
    let mut run = RunStore::default();
    run.set_smoothing(decay);
    row.store = Some(Box::new(run));
    row.loaded = 0.0;
    vec![Effect::Follow(key, row.path.clone())]
}

/// Drops a run's data when nothing shows it any more.
fn release(state: &mut State, key: RunKey) -> Vec<Effect> {
    let shown = state.current == Some(key) || state.runs[key].marked;
    if shown || state.runs[key].store.take().is_none() {
        return Vec::new();
    }
    vec![Effect::Unfollow(key)]
}

/// Marks a run for comparison, or takes the mark away.
fn mark(state: &mut State, key: RunKey) -> Vec<Effect> {
    let marked = state.runs.iter().filter(|row| row.marked).count();
    if !state.runs[key].marked && marked >= OVERLAID {
        state.notify(format!("at most {OVERLAID} runs can be compared"));
        return Vec::new();
    }
    state.runs[key].marked = !state.runs[key].marked;
    if state.runs[key].marked {
        follow(state, key)
    } else {
        release(state, key)
    }
}

fn on_key(state: &mut State, key: &KeyEvent) -> Vec<Effect> {
    let command = lookup(key);
    match (command, state.dialog.take()) {
        (Some(Command::Interrupt), _) => return vec![Effect::Quit(Exit::Interrupted)],
        (Some(Command::Suspend), dialog) => {
            state.dialog = dialog;
            return vec![Effect::Suspend];
        }
        (_, Some(dialog)) => return on_dialog_key(state, dialog, key),
        (None, None) => return Vec::new(),
        (Some(_), None) => {}
    }
    command.map_or_else(Vec::new, |command| on_command(state, command))
}

fn on_dialog_key(state: &mut State, dialog: Dialog, key: &KeyEvent) -> Vec<Effect> {
    match dialog {
        Dialog::Filter(before) => match key.code {
            KeyCode::Enter => {}
            KeyCode::Esc => *state.filter_mut() = before,
            code => {
                match code {
                    KeyCode::Backspace => _ = state.filter_mut().pop(),
                    KeyCode::Char('u') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                        state.filter_mut().clear();
                    }
                    KeyCode::Char(c) if !c.is_control() && state.filter().len() < 200 => {
                        state.filter_mut().push(c);
                    }
                    _ => {}
                }
                (state.run_row, state.log_back, state.focus) = (0, 0, 0);
                state.dialog = Some(Dialog::Filter(before));
            }
        },
        Dialog::Confirm(request) => match key.code {
            KeyCode::Char('y' | 'Y') | KeyCode::Enter => return send(state, request),
            KeyCode::Char('n' | 'N' | 'q') | KeyCode::Esc => {}
            _ => state.dialog = Some(Dialog::Confirm(request)),
        },
        Dialog::Leave => match key.code {
            KeyCode::Char('d' | 'D') => return vec![Effect::Quit(Exit::Detached)],
            KeyCode::Char('s' | 'S') if !state.read_only => {
                state.leaving = true;
                return send(state, ControlRequest::Stop);
            }
            KeyCode::Char('c' | 'C' | 'n') | KeyCode::Esc => {}
            _ => state.dialog = Some(Dialog::Leave),
        },
    }
    Vec::new()
}

fn send(state: &mut State, request: ControlRequest) -> Vec<Effect> {
    if let (Some(key), Some(row)) = (state.current, state.row()) {
        return vec![Effect::Control(key, row.path.clone(), request)];
    }
    state.leaving = false;
    state.notify(format!("{}: there is no run yet", request.name()));
    Vec::new()
}

/// Asks for confirmation, unless the request could not be heard.
fn ask(state: &mut State, request: ControlRequest) -> Vec<Effect> {
    if state.read_only || state.replay {
        state.notify(format!("{} is off: this view is read-only", request.name()));
    } else if state.current.is_none() {
        state.notify("there is no run yet");
    } else if !state.status().is_alive() {
        let status = state.status();
        let told = state.run().map(|run| status.told(run));
        let told = told.unwrap_or_else(|| status.word().to_owned());
        state.notify(format!("this run is not running ({told})"));
    } else if !state.takes(request) {
        let instead = match request {
            ControlRequest::Evaluate => "evaluates after every epoch",
            _ => "keeps each finished seed",
        };
        let name = request.name();
        state.notify(format!("{name} is for pretraining; fine-tuning {instead}"));
    } else {
        state.dialog = Some(Dialog::Confirm(request));
    }
    Vec::new()
}

fn on_command(state: &mut State, command: Command) -> Vec<Effect> {
    match command {
        Command::Quit => return quit(state),
        Command::Repaint => return vec![Effect::Repaint],
        Command::Freeze => {
            state.frozen = !state.frozen;
            return vec![Effect::Freeze(state.frozen)];
        }
        Command::Show(screen) => show(state, screen),
        Command::Back => back(state),
        Command::Theme => {
            state.theme = Theme::new(state.theme.name.next(), state.theme.ascii);
            state.notify(format!("theme {}", state.theme.name.name()));
        }
        Command::Smoothing => {
            state.smoothing = Some((state.smoothing_index() + 1) % SMOOTHING.len());
            smooth(state);
        }
        Command::LogScale => state.log_scale = !state.log_scale,
        Command::Axis => {
            state.axis = match state.axis {
                Axis::Step => Axis::Tokens,
                Axis::Tokens => Axis::Time,
                Axis::Time => Axis::Step,
            };
            // Another unit: the window and cursor of the old one mean nothing.
            state.window = Window::All;
            state.cursor = None;
        }
        Command::Expand => state.expanded = !state.expanded,
        Command::Filter => {
            state.dialog = Some(Dialog::Filter(std::mem::take(state.filter_mut())));
        }
        Command::Open if state.screen == Screen::Runs => {
            if let Some(&key) = state.listed().get(state.run_row) {
                return open(state, key);
            }
        }
        Command::Mark if state.screen == Screen::Runs => {
            if let Some(&key) = state.listed().get(state.run_row) {
                return mark(state, key);
            }
        }
        Command::Open | Command::Mark => {}
        Command::Sort | Command::Reverse => sort(state, command),
        Command::SaveView => return vec![Effect::SaveView(View::of(state))],
        Command::Difference => {
            show(state, Screen::Runs);
            state.difference = !state.difference;
        }
        Command::Stop => return ask(state, ControlRequest::Stop),
        Command::Checkpoint => return ask(state, ControlRequest::Checkpoint),
        Command::Evaluate => return ask(state, ControlRequest::Evaluate),
        Command::Pause => {
            let paused = state.run().is_some_and(|run| run.paused);
            let request = if paused {
                ControlRequest::Resume
            } else {
                ControlRequest::Pause
            };
            return ask(state, request);
        }
        moved => navigate::command(state, moved),
    }
    Vec::new()
}

/// Sorts the list of runs by the next column or the other way; the cursor stays on its run.
fn sort(state: &mut State, command: Command) {
    if state.screen != Screen::Runs {
        show(state, Screen::Runs);
    }
    let pointed = state.listed().get(state.run_row).copied();
    match command {
        Command::Reverse => state.descending = !state.descending,
        _ => state.sort = run_table::next_sort(state),
    }
    let place = pointed.and_then(|key| state.listed().iter().position(|other| *other == key));
    state.run_row = place.unwrap_or(0);
    let column = state.sort.clone();
    // In view: those before it are scrolled out as far as needed.
    let columns = run_table::columns(state);
    let at = columns
        .iter()
        .position(|c| Some(&c.name) == column.as_ref());
    state.columns_left = at.map_or(0, |at| at.saturating_sub(3));
}

fn quit(state: &mut State) -> Vec<Effect> {
    let over = matches!(state.status(), Status::Ended(_) | Status::Crashed);
    if state.leaving {
        return vec![Effect::Quit(Exit::Stopped)];
    }
    if state.live && !over {
        state.dialog = Some(Dialog::Leave);
        return Vec::new();
    }
    vec![Effect::Quit(Exit::Quit)]
}
