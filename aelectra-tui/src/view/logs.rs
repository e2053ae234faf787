//! The log, whole or its end.

use aelectra_data::run::LogLevel;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::text;
use crate::filter::{Filter, Subject};
use crate::format;
use crate::state::{Screen, State};
use crate::store::LogLine;

/// Columns before the text: time, level, and a space after each; one stays free at the end.
const PREFIX: usize = 1 + 8 + 1 + 5 + 1 + 1;

impl Subject for LogLine {
    fn contains(&self, text: &str) -> bool {
        Subject::contains(self.text.as_str(), text)
    }

    fn values(&self, name: &str) -> Vec<String> {
        let level = (name == "level").then(|| format!("{:?}", self.level));
        level.into_iter().collect()
    }
}

fn lines(state: &State) -> impl DoubleEndedIterator<Item = &LogLine> {
    // The end of the log on the overview is all of it.
    let filter = match state.screen {
        Screen::Logs => Filter::new(&state.filters.logs),
        _ => Filter::default(),
    };
    let all = state.run().map(|run| run.logs.iter()).into_iter().flatten();
    all.filter(move |line| filter.lets_through(*line))
}

/// How many lines the filter lets through.
pub(crate) fn matching(state: &State) -> usize {
    lines(state).count()
}

pub(crate) fn draw(state: &State, buffer: &mut Buffer, area: Rect) {
    let count = matching(state);
    let back = state.log_back.min(count.saturating_sub(1));
    let place = if back == 0 {
        "following".to_owned()
    } else {
        format!("{back} lines back")
    };
    let dot = state.theme.pick("·", "|");
    let title = format!(" Log, times in UTC {dot} {count} lines {dot} {place}");
    let inner = text::heading(buffer, area, &state.theme, &title);
    newest(state, buffer, inner, back, true);
}

/// The end of the log, for the overview.
pub(crate) fn tail(state: &State, buffer: &mut Buffer, area: Rect) {
    newest(state, buffer, area, 0, false);
}

/// The newest lines but `back`, from the bottom up; long ones over several rows where they `wrap`, and so are warnings and errors
/// everywhere: what to do stands at their end.
fn newest(state: &State, buffer: &mut Buffer, area: Rect, back: usize, wrap: bool) {
    let theme = &state.theme;
    let height = usize::from(area.height);
    let room = usize::from(area.width).saturating_sub(PREFIX).max(1);
    // Newest first, the rows of each line in their order.
    let mut entries: Vec<(&LogLine, Vec<String>)> = Vec::new();
    let mut used = 0;
    for line in lines(state).rev().skip(back) {
        if used >= height {
            break;
        }
        let rows = if wrap || line.level >= LogLevel::Warn {
            format::wrap(&theme.foreign(&line.text), room)
        } else {
            vec![theme.fit(&line.text, room)]
        };
        used += rows.len();
        entries.push((line, rows));
    }
    if entries.is_empty() && height > 0 {
        let text = match (state.screen, state.filters.logs.as_str()) {
            (Screen::Logs, filter) if !filter.is_empty() => {
                format!("  no line matches /{}", theme.foreign(filter))
            }
            _ => "  nothing logged yet".to_owned(),
        };
        text::line(buffer, area, 0, &text, theme.dim);
    }
    // The oldest line may not fit whole: its end is shown.
    let mut skip = used.saturating_sub(height);
    let mut index = 0;
    for (line, rows) in entries.iter().rev() {
        let (word, style) = match line.level {
            LogLevel::Debug => ("debug", theme.dim),
            LogLevel::Info => ("info ", theme.dim),
            LogLevel::Warn => ("warn ", theme.warn),
            LogLevel::Error => ("error", theme.bad),
        };
        let clock = clock(line.t);
        for (place, text) in rows.iter().enumerate() {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            let Some(row) = text::row(area, index) else {
                return;
            };
            index += 1;
            if place == 0 {
                let parts = [(" ", theme.text), (&clock, theme.dim), (" ", theme.text)];
                let x = text::pieces(buffer, row, &parts);
                text::put(buffer, x, row.y, row.right(), word, style);
            }
            let x = row.x + PREFIX as u16 - 1;
            text::put(buffer, x, row.y, row.right(), text, theme.text);
        }
    }
}

/// The time of day in UTC: the standard library knows no other.
pub(crate) fn clock(t: f64) -> String {
    let seconds = t.max(0.0) as u64 % 86_400;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{hour:02}:{minute:02}:{second:02}")
}
