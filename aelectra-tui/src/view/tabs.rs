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
            let padding = if narrow && screen != state.screen {
                2
            } else {
                3
            };
            let end = x + format::width(key) as u16 + format::width(name) as u16 + padding;
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
        let style = if chosen { theme.selected } else { theme.text };
        let marker = if chosen { "[" } else { " " };
        let close = if chosen { "]" } else { " " };
        let label = format!("{marker}{key} {name}{close}");
        end = text::put(buffer, start, area.y, stop, &label, style);
    }
    let mut badges = Vec::new();
    if state.frozen {
        badges.push("FROZEN");
    }
    if state.replay {
        badges.push("replay");
    }
    if state.read_only {
        badges.push("read-only");
    }
    let text = badges.join(" ");
    text::right(buffer, end, area.y, area.right(), &text, theme.warn);
}
