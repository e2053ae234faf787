//! Moving about: zoom, pan, cursor, scrolling, mouse.

use ratatui::crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use crate::keymap::Command;
use crate::run_table;
use crate::state::{Screen, State, Window};
use crate::view;

/// A step of panning or of the cursor, as a share of the window.
const PAN: f64 = 0.1;
const CURSOR: f64 = 0.01;

/// Commands that move something.
pub(crate) fn command(state: &mut State, command: Command) {
    match command {
        Command::Next => focus(state, true),
        Command::Previous => focus(state, false),
        Command::ZoomIn => zoom(state, 0.5, None),
        Command::ZoomOut => zoom(state, 2.0, None),
        Command::ZoomReset => state.window = Window::All,
        Command::Cursor => toggle_cursor(state),
        Command::Left => sideways(state, -1.0),
        Command::Right => sideways(state, 1.0),
        Command::Up => scroll(state, -1),
        Command::Down => scroll(state, 1),
        Command::PageUp => scroll(state, -page(state)),
        Command::PageDown => scroll(state, page(state)),
        Command::First => first(state),
        Command::Follow => newest(state),
        _ => {}
    }
}

fn page(state: &State) -> isize {
    isize::try_from(state.size.1.saturating_sub(6).max(1)).unwrap_or(1)
}

fn focus(state: &mut State, forward: bool) {
    let around = |place: usize, count: usize| {
        let step = if forward { 1 } else { count - 1 };
        (place % count + step) % count
    };
    if state.screen == Screen::Ner {
        if let Some(run) = state.run() {
            let order = run.ner.order();
            let shown = state.track.unwrap_or(run.ner.active);
            let place = order.iter().position(|index| *index == shown);
            let next = place.map(|place| order[around(place, order.len())]);
            state.track = next.or(state.track);
        }
        return;
    }
    let panes = match (state.screen, state.run()) {
        (Screen::System, Some(run)) => view::system::charts(state, run).len(),
        _ => view::overview::panes(state).len(),
    };
    if panes > 0 {
        state.focus = around(state.focus, panes);
    }
}

/// Scales the window about a place on the axis, by default its end.
fn zoom(state: &mut State, factor: f64, about: Option<f64>) {
    let (Some((from, to)), Some((low, high))) = (state.window(), state.extent()) else {
        return;
    };
    let follows = to >= high;
    let span = (to - from) * factor;
    // No finer than a step or a second, no wider than the run.
    if span < 1.0 {
        return;
    }
    // Halving and doubling again is not exact.
    if span >= (high - low) * (1.0 - 1e-9) {
        state.window = Window::All;
        return;
    }
    state.window = match about.or(state.cursor) {
        None if follows => Window::Follow(span),
        about => {
            let about = about.unwrap_or((from + to) / 2.0);
            let start = (about - (about - from) * factor).clamp(low, (high - span).max(low));
            Window::Fixed(start, start + span)
        }
    };
}

fn pan(state: &mut State, by: f64) {
    let (Some((from, to)), Some((low, high))) = (state.window(), state.extent()) else {
        return;
    };
    let span = to - from;
    if span >= high - low {
        return;
    }
    let start = (from + by * span).clamp(low, (high - span).max(low));
    state.window = if start + span >= high {
        Window::Follow(span)
    } else {
        Window::Fixed(start, start + span)
    };
}

fn toggle_cursor(state: &mut State) {
    state.cursor = match (state.cursor, state.window()) {
        (None, Some((_, to))) => Some(to),
        _ => None,
    };
}

fn sideways(state: &mut State, direction: f64) {
    if state.screen == Screen::Tokens {
        let samples = state.run().map_or(0, |run| run.samples.len());
        let back = state.sample_back;
        state.sample_back = if direction < 0.0 {
            (back + 1).min(samples.saturating_sub(1))
        } else {
            back.saturating_sub(1)
        };
        state.scroll = 0;
        return;
    }
    if state.screen == Screen::Runs {
        let last = run_table::columns(state).len().saturating_sub(1);
        let moved = state.columns_left.saturating_add_signed(direction as isize);
        state.columns_left = moved.min(last);
        return;
    }
    match (state.cursor, state.window()) {
        (Some(cursor), Some((from, to))) => {
            let moved = cursor + direction * CURSOR * (to - from);
            state.cursor = Some(moved.clamp(from, to));
        }
        _ => pan(state, direction * PAN),
    }
}

fn scroll(state: &mut State, lines: isize) {
    let moved = |place: usize, most: usize| place.saturating_add_signed(lines).min(most);
    match state.screen {
        Screen::Runs if !state.difference => {
            state.run_row = moved(state.run_row, state.listed().len().saturating_sub(1));
        }
        Screen::Logs => {
            let most = view::logs::matching(state).saturating_sub(1);
            state.log_back = state.log_back.saturating_add_signed(-lines).min(most);
        }
        _ => state.scroll = moved(state.scroll, 10_000),
    }
}

fn first(state: &mut State) {
    match state.screen {
        Screen::Logs => state.log_back = view::logs::matching(state).saturating_sub(1),
        Screen::Tokens => {
            state.sample_back = state
                .run()
                .map_or(0, |run| run.samples.len().saturating_sub(1));
        }
        Screen::Overview => {
            if let (Some((from, to)), Some((low, _))) = (state.window(), state.extent()) {
                state.window = Window::Fixed(low, low + (to - from));
            }
        }
        _ => {}
    }
    (state.run_row, state.scroll) = (0, 0);
}

fn newest(state: &mut State) {
    match state.screen {
        Screen::Logs => state.log_back = 0,
        Screen::Tokens => state.sample_back = 0,
        Screen::Runs => state.run_row = state.listed().len().saturating_sub(1),
        Screen::Ner => state.track = None,
        _ => {
            if let Window::Fixed(from, to) = state.window {
                state.window = Window::Follow(to - from);
            }
        }
    }
}

/// Wheel: zoom over a chart, scroll elsewhere. Click: tab, row of the run list, or cursor.
pub(crate) fn mouse(state: &mut State, event: &MouseEvent, area: Rect) {
    if state.dialog.is_some() {
        return;
    }
    let position = Position::new(event.column, event.row);
    let chart = (state.screen == Screen::Overview)
        .then(|| view::overview::hit(state, area, position))
        .flatten();
    let place = |share: f64| {
        state
            .window()
            .map(|(from, to)| from + share.clamp(0.0, 1.0) * (to - from))
    };
    match event.kind {
        MouseEventKind::ScrollUp | MouseEventKind::ScrollDown => {
            let up = event.kind == MouseEventKind::ScrollUp;
            match chart {
                Some((_, share)) => {
                    let about = place(share);
                    zoom(state, if up { 0.8 } else { 1.25 }, about);
                }
                None => scroll(state, if up { -3 } else { 3 }),
            }
        }
        MouseEventKind::Down(MouseButton::Left) | MouseEventKind::Drag(MouseButton::Left) => {
            if let Some((pane, share)) = chart {
                state.cursor = place(share);
                state.focus = pane;
            } else if let Some(screen) = view::tabs::hit(state, area, position) {
                show(state, screen);
            } else if state.screen == Screen::Runs
                && let Some(row) = view::runs::hit(state, area, position)
            {
                state.run_row = row;
            }
        }
        _ => {}
    }
}

pub(crate) fn show(state: &mut State, screen: Screen) {
    if screen == Screen::Help && state.screen == Screen::Help {
        return back(state);
    }
    if state.screen != Screen::Help {
        state.back = state.screen;
    }
    if state.screen != screen {
        (state.scroll, state.focus) = (0, 0);
    }
    state.difference = false;
    state.screen = screen;
}

/// One step back: cursor, expanded pane, filter, difference, help.
pub(crate) fn back(state: &mut State) {
    if state.screen == Screen::Help {
        state.screen = state.back;
        state.scroll = 0;
    } else if state.cursor.take().is_some() {
    } else if state.expanded {
        state.expanded = false;
    } else if state.difference {
        state.difference = false;
    } else {
        state.filter_mut().clear();
    }
}
