//! The dashboard as text.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::state::State;
use crate::view;

/// Draws the state on a page of its size, without colours or control characters; no spaces at line
/// ends.
pub(crate) fn text(state: &State) -> String {
    let buffer = frame(state);
    let (width, height) = (
        usize::from(buffer.area.width),
        usize::from(buffer.area.height),
    );
    let mut out = String::with_capacity(width * height * 2);
    for row in 0..height {
        let mut line = String::new();
        let mut covered = 0;
        for cell in &buffer.content()[row * width..(row + 1) * width] {
            // The cells behind a wide character are not shown.
            if covered > 0 {
                covered -= 1;
                continue;
            }
            line.push_str(cell.symbol());
            covered = crate::format::width(cell.symbol()).saturating_sub(1);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

pub(crate) fn frame(state: &State) -> Buffer {
    let (width, height) = state.size;
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    view::draw(state, &mut buffer);
    buffer
}
