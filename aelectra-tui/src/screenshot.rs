//! A frame as an SVG picture, in the theme's colours: for a README or a report.

use std::fmt::Write;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

use crate::theme::ThemeName;

/// Size of a character in the picture.
const CELL: (f64, f64) = (8.4, 17.0);

/// Draws a frame. The theme decides about the background.
#[must_use]
pub fn svg(buffer: &Buffer, theme: ThemeName) -> String {
    let (columns, rows) = (buffer.area.width, buffer.area.height);
    let (ink, paper) = match theme {
        ThemeName::Light => ("#1f1f1f", "#ffffff"),
        _ => ("#d8d8d8", "#16181d"),
    };
    let (width, height) = (f64::from(columns) * CELL.0, f64::from(rows) * CELL.1);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" font-family=\"ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" font-size=\"14\">\n<rect width=\"100%\" height=\"100%\" fill=\"{paper}\"/>\n"
    );
    for row in 0..rows {
        let mut column = 0;
        while column < columns {
            let start = column;
            let style = look(&buffer[(start, row)]);
            let mut text = String::new();
            let mut covered = 0;
            while column < columns && (covered > 0 || look(&buffer[(column, row)]) == style) {
                if covered > 0 {
                    covered -= 1;
                } else {
                    let symbol = buffer[(column, row)].symbol();
                    covered = crate::format::width(symbol).saturating_sub(1);
                    text.push_str(symbol);
                }
                column += 1;
            }
            run(&mut out, (start, column, row), &text, style, (ink, paper));
        }
    }
    out.push_str("</svg>\n");
    out
}

type Look = (Color, Modifier);

fn look(cell: &Cell) -> Look {
    // The background of a blank is all that could be seen of it.
    let blank = cell.symbol() == " " && !cell.modifier.contains(Modifier::REVERSED);
    if blank {
        (Color::Reset, Modifier::empty())
    } else {
        (cell.fg, cell.modifier)
    }
}

/// Writes the cells of a row that look the same.
fn run(
    out: &mut String,
    (start, end, row): (u16, u16, u16),
    text: &str,
    (color, modifier): Look,
    (ink, paper): (&str, &str),
) {
    let (x, y) = (f64::from(start) * CELL.0, f64::from(row) * CELL.1);
    let length = f64::from(end - start) * CELL.0;
    let mut fill = hex(color).unwrap_or_else(|| ink.to_owned());
    if modifier.contains(Modifier::REVERSED) {
        let _ = writeln!(
            out,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{length:.1}\" height=\"{:.1}\" fill=\"{fill}\"/>",
            CELL.1
        );
        fill = paper.to_owned();
    }
    if text.trim().is_empty() {
        return;
    }
    let mut more = String::new();
    if modifier.contains(Modifier::BOLD) {
        more.push_str(" font-weight=\"bold\"");
    }
    if modifier.contains(Modifier::DIM) {
        more.push_str(" opacity=\"0.55\"");
    }
    if modifier.contains(Modifier::UNDERLINED) {
        more.push_str(" text-decoration=\"underline\"");
    }
    let escaped = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    // A stated length keeps the columns straight whatever font the reader has.
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{:.1}\" textLength=\"{length:.1}\" lengthAdjust=\"spacingAndGlyphs\" xml:space=\"preserve\" fill=\"{fill}\"{more}>{escaped}</text>",
        y + 13.0
    );
}

/// A colour as `#rrggbb`; `None` for the terminal's own. Indexed colours by xterm's 256 colours.
fn hex(color: Color) -> Option<String> {
    let (red, green, blue) = match color {
        Color::Rgb(red, green, blue) => (red, green, blue),
        Color::Indexed(index @ 16..=231) => {
            let level = |place: u8| if place == 0 { 0 } else { 55 + 40 * place };
            let index = index - 16;
            (level(index / 36), level(index / 6 % 6), level(index % 6))
        }
        Color::Indexed(index @ 232..=255) => {
            let grey = 8 + 10 * (index - 232);
            (grey, grey, grey)
        }
        _ => return None,
    };
    Some(format!("#{red:02x}{green:02x}{blue:02x}"))
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::*;

    #[test]
    fn cells_that_look_alike_become_one_text() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 1));
        buffer.set_string(0, 0, "a<b", Style::new().fg(Color::Indexed(117)));
        buffer.set_string(4, 0, "日本", Style::new());
        let picture = svg(&buffer, ThemeName::Dark);
        assert!(
            picture.contains("fill=\"#87d7ff\">a&lt;b</text>"),
            "{picture}"
        );
        assert!(picture.contains("日本"), "{picture}");
        assert_eq!(picture.matches("<text").count(), 2);
    }
}
