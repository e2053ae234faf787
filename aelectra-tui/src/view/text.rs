//! Writing text into the buffer.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::format;
use crate::theme::Theme;

/// Writes from column `x` up to, not including, column `end`; returns the column after the text.
/// Outside the buffer nothing happens.
pub(crate) fn put(buffer: &mut Buffer, x: u16, y: u16, end: u16, text: &str, style: Style) -> u16 {
    let area = *buffer.area();
    let end = end.min(area.right());
    if x < area.x || x >= end || y < area.y || y >= area.bottom() {
        return x;
    }
    buffer
        .set_stringn(x, y, text, usize::from(end - x), style)
        .0
}

/// Writes a row of an area, from its top; beyond its height nothing happens. Returns the column after
/// the text.
pub(crate) fn line(buffer: &mut Buffer, area: Rect, index: usize, text: &str, style: Style) -> u16 {
    row(area, index).map_or(area.x, |row| {
        put(buffer, row.x, row.y, row.right(), text, style)
    })
}

/// Writes pieces one after the other within a row.
pub(crate) fn pieces(buffer: &mut Buffer, row: Rect, parts: &[(&str, Style)]) -> u16 {
    let mut x = row.x;
    for (text, style) in parts {
        x = put(buffer, x, row.y, row.right(), text, *style);
    }
    x
}

/// Writes as many whole parts as fit, after a space and with separators between them; returns the
/// column after them.
pub(crate) fn list(
    buffer: &mut Buffer,
    row: Rect,
    parts: &[String],
    theme: &Theme,
    style: Style,
) -> u16 {
    let mut x = row.x + 1;
    for (index, part) in parts.iter().enumerate() {
        let lead = if index == 0 { "" } else { theme.separator() };
        let width = format::width(lead) + format::width(part);
        if usize::from(row.right().saturating_sub(x)) < width {
            break;
        }
        x = put(buffer, x, row.y, row.right(), lead, theme.dim);
        x = put(buffer, x, row.y, row.right(), part, style);
    }
    x
}

/// Writes so that the text ends at column `end`, if it fits right of `start`.
pub(crate) fn right(buffer: &mut Buffer, start: u16, y: u16, end: u16, text: &str, style: Style) {
    let width = format::width(text) as u16;
    if let Some(x) = end.checked_sub(width).filter(|x| *x >= start) {
        put(buffer, x, y, end, text, style);
    }
}

/// A heading with a rule to the right edge; returns what is below it.
pub(crate) fn heading(buffer: &mut Buffer, area: Rect, theme: &Theme, text: &str) -> Rect {
    if area.height == 0 {
        return area;
    }
    let title = theme.fit(text, usize::from(area.width));
    let x = put(buffer, area.x, area.y, area.right(), &title, theme.strong);
    if x + 1 < area.right() {
        let rule = theme
            .pick("─", "-")
            .repeat(usize::from(area.right() - x - 1));
        put(buffer, x + 1, area.y, area.right(), &rule, theme.dim);
    }
    below(area, 1)
}

/// What is left of an area without its first rows.
pub(crate) fn below(area: Rect, rows: u16) -> Rect {
    let rows = rows.min(area.height);
    Rect {
        y: area.y + rows,
        height: area.height - rows,
        ..area
    }
}

/// The first rows of an area.
pub(crate) fn above(area: Rect, rows: u16) -> Rect {
    let height = rows.min(area.height);
    Rect { height, ..area }
}

/// One row of an area, from its top; `None` beyond its height.
pub(crate) fn row(area: Rect, index: usize) -> Option<Rect> {
    let index = u16::try_from(index).ok()?;
    (index < area.height).then(|| above(below(area, index), 1))
}

/// A bar filled to a share of its width, in eighths of a cell.
pub(crate) fn bar(share: f64, width: usize, theme: &Theme) -> String {
    let share = if share.is_finite() {
        share.clamp(0.0, 1.0)
    } else {
        0.0
    };
    if theme.ascii {
        let full = (share * width as f64).round() as usize;
        return format!("{}{}", "#".repeat(full), ".".repeat(width - full));
    }
    let eighths = (share * width as f64 * 8.0).round() as usize;
    let rest = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8];
    let empty = width - eighths.div_ceil(8);
    format!("{}{rest}{}", "█".repeat(eighths / 8), "░".repeat(empty))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theme::ThemeName;

    #[test]
    fn bars_have_their_width_whatever_the_share() {
        for ascii in [false, true] {
            let theme = Theme::new(ThemeName::Dark, ascii);
            for share in [-1.0, 0.0, 0.01, 0.5, 0.99, 1.0, 7.0, f64::NAN] {
                assert_eq!(format::width(&bar(share, 10, &theme)), 10, "{share}");
            }
        }
    }

    #[test]
    fn writing_outside_does_nothing() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 4, 1));
        assert_eq!(put(&mut buffer, 9, 0, 20, "x", Style::new()), 9);
        put(&mut buffer, 0, 9, 4, "x", Style::new());
        put(&mut buffer, 2, 0, 99, "abc", Style::new());
        assert_eq!(buffer, Buffer::with_lines(["  ab"]));
    }
}
