//! The first row: screens on the left, what is unusual about the view on the right.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::text;
use crate::format;
use crate::state::{Screen, State};

/// The columns of each tab.
fn places(state: &State, area: Rect) -> Vec<(Screen, u16, u16)> {
    let mut x = area.x;
    // Without the space after each name all tabs fit into 60 columns.
    let narrow = area.width < 72;
    Screen::ALL
        .into_iter()
        .map(|screen| {
            let (key, name) = screen.tab();
            let padding = 3 - u16::from(narrow && screen != state.screen);
            let end = x + (format::width(key) + format::width(name)) as u16 + padding;
            let place = (screen, x, end.min(area.right()));
            x = end;
            place
        })
        .collect()
}

/// The screen whose tab is at a position.
pub(crate) fn hit(state: &State, area: Rect, position: Position) -> Option<Screen> {
    if position.y != area.y {
        return None;
    }
    places(state, area)
        .into_iter()
        .find(|(_, start, end)| (*start..*end).contains(&position.x))
        .map(|(screen, ..)| screen)
}

pub(crate) fn draw(state: &State, buffer: &mut Buffer, area: Rect) {
    let theme = &state.theme;
    let mut end = area.x;
    for (screen, start, stop) in places(state, area) {
        let (key, name) = screen.tab();
        let chosen = screen == state.screen;
        let (style, label) = match chosen {
            true => (theme.selected, format!("[{key} {name}]")),
            false => (theme.text, format!(" {key} {name} ")),
        };
        end = text::put(buffer, start, area.y, stop, &label, style);
    }
    let badges = [
        (state.frozen, "FROZEN"),
        (state.replay, "replay"),
        (state.read_only, "read-only"),
    ];
    let badges = badges.into_iter().filter(|(is, _)| *is);
    let text = badges.map(|(_, badge)| badge).collect::<Vec<_>>().join(" ");
    text::right(buffer, end, area.y, area.right(), &text, theme.warn);
}
