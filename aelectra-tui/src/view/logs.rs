//! The log, whole or its end.

use aelectra_data::run::LogLevel;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::text;
use crate::format;
use crate::state::{Screen, State};
use crate::store::LogLine;

fn lines(state: &State) -> impl DoubleEndedIterator<Item = &LogLine> {
    // The filter belongs to the screen it was typed on.
    let wanted = if state.screen == Screen::Logs {
        state.filter.to_lowercase()
    } else {
        String::new()
    };
    let all = state.run().map(|run| run.logs.iter()).into_iter().flatten();
    all.filter(move |line| wanted.is_empty() || line.text.to_lowercase().contains(&wanted))
}

/// How many lines the filter lets through.
#[must_use]
pub fn matching(state: &State) -> usize {
    lines(state).count()
}

/// The log screen.
pub fn draw(state: &State, buffer: &mut Buffer, area: Rect) {
    let count = matching(state);
    let back = state.log_back.min(count.saturating_sub(1));
    let place = if back == 0 {
        "following".to_owned()
    } else {
        format!("{back} lines back")
    };
    let dot = state.theme.pick("·", "|");
    let title = format!(" Log {dot} {count} lines {dot} {place}");
    let inner = text::heading(buffer, area, &state.theme, &title);
    newest(state, buffer, inner, back);
}

/// The end of the log, for the overview.
pub fn tail(state: &State, buffer: &mut Buffer, area: Rect) {
    newest(state, buffer, area, 0);
}

fn newest(state: &State, buffer: &mut Buffer, area: Rect, back: usize) {
    let theme = &state.theme;
    let shown: Vec<&LogLine> = lines(state)
        .rev()
        .skip(back)
        .take(usize::from(area.height))
        .collect();
    if shown.is_empty() && area.height > 0 {
        let text = "  nothing logged yet";
        text::put(buffer, area.x, area.y, area.right(), text, theme.dim);
    }
    for (index, line) in shown.iter().rev().enumerate() {
        let Some(row) = text::row(area, index) else {
            break;
        };
        let (word, style) = match line.level {
            LogLevel::Debug => ("debug", theme.dim),
            LogLevel::Info => ("info ", theme.dim),
            LogLevel::Warn => ("warn ", theme.warn),
            LogLevel::Error => ("error", theme.bad),
        };
        let clock = clock(line.t);
        let room = usize::from(row.width).saturating_sub(clock.len() + word.len() + 4);
        let text = format::fit(&theme.foreign(&line.text), room, theme.ellipsis());
        text::pieces(
            buffer,
            row,
            &[
                (" ", theme.text),
                (&clock, theme.dim),
                (" ", theme.text),
                (word, style),
                (" ", theme.text),
                (&text, theme.text),
            ],
        );
    }
}

/// The time of day in UTC: the standard library knows no other.
#[must_use]
pub fn clock(t: f64) -> String {
    let seconds = if t.is_finite() {
        t.max(0.0) as u64 % 86_400
    } else {
        0
    };
    format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}
