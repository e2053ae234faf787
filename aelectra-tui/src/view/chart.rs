//! A chart: title with values, lines, marks, axes.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};

use super::curve::{Curve, fit, within};
use super::grid::{Dot, Grid, Pattern, Pieces};
use super::scale::{Scale, places};
use super::text;
use crate::format;
use crate::store::{Axis, Table, Unit, widened};
use crate::theme::Theme;

/// Where a line's points come from.
pub(crate) enum Data<'a> {
    /// A column of a table: its EMA.
    Column {
        table: &'a Table,
        column: usize,
        /// Whether the raw values are drawn too, faint.
        raw: bool,
        /// Whether each row is drawn as a mark.
        marks: bool,
    },
    /// Points by themselves, for axes no table has; `None` breaks the line.
    Points {
        points: Vec<(f64, Option<f64>)>,
        marks: bool,
    },
}

pub(crate) struct Line<'a> {
    /// What it is called in the title; may be empty when it is the only line.
    pub(crate) label: String,
    /// The same where there is little room.
    pub(crate) short: String,
    /// Stands at its end and before its label.
    pub(crate) letter: char,
    pub(crate) style: Style,
    pub(crate) pattern: Pattern,
    pub(crate) data: Data<'a>,
}

impl<'a> Line<'a> {
    /// The raw values of a column behind their EMA.
    pub(crate) fn raw(
        label: String,
        letter: char,
        style: Style,
        table: &'a Table,
        column: usize,
    ) -> Self {
        Self {
            short: label.clone(),
            label,
            letter,
            style,
            pattern: Pattern::Solid,
            data: Data::Column {
                table,
                column,
                raw: true,
                marks: false,
            },
        }
    }
}

pub(crate) struct Chart<'a> {
    pub(crate) title: String,
    /// The title where there is little room.
    pub(crate) short: String,
    pub(crate) lines: Vec<Line<'a>>,
    pub(crate) unit: Unit,
    /// Logarithmic, where the values allow it.
    pub(crate) log_scale: bool,
    pub(crate) focus: bool,
    /// From, to on the horizontal axis.
    pub(crate) window: (f64, f64),
    /// What that axis counts; `None` are epochs.
    pub(crate) axis: Option<Axis>,
    /// A place whose values the title shows.
    pub(crate) cursor: Option<f64>,
    /// Places marked on the horizontal axis: where a process continued.
    pub(crate) resumes: Vec<f64>,
    /// Points marked with a star: the best.
    pub(crate) stars: Vec<(f64, f64)>,
}

impl Chart<'_> {
    /// A chart over steps without lines.
    pub(crate) fn new(title: &str, unit: Unit, window: (f64, f64)) -> Self {
        Self {
            title: title.to_owned(),
            short: title.to_owned(),
            lines: Vec::new(),
            unit,
            log_scale: false,
            focus: false,
            window: widened(window),
            axis: Some(Axis::Step),
            cursor: None,
            resumes: Vec::new(),
            stars: Vec::new(),
        }
    }
}

/// The value of a line at or before a place.
fn value_at(line: &Line<'_>, axis: Axis, place: f64) -> Option<f64> {
    match &line.data {
        Data::Points { points, .. } => {
            let before = points.iter().rev().find(|(x, _)| *x <= place + 1e-9);
            before.and_then(|(_, value)| *value)
        }
        Data::Column { table, column, .. } => {
            let index = table.at(axis, place)?;
            let bucket = table.buckets(*column).get(index)?;
            if bucket.is_some() {
                Some(f64::from(bucket.mean))
            } else {
                (bucket.nonfinite > 0).then_some(f64::NAN)
            }
        }
    }
}

fn latest(line: &Line<'_>) -> Option<f64> {
    match &line.data {
        Data::Points { points, .. } => points.last().and_then(|(_, value)| *value),
        Data::Column { table, column, .. } => {
            let raw = table.last(*column)?;
            let smooth = table.smooth(*column).last().copied().map(f64::from);
            // A value that is not finite must not hide behind the average.
            if raw.is_finite() { smooth } else { Some(raw) }
        }
    }
}

/// Columns for the labels of the vertical axis.
const LABELS: u16 = 7;

/// The part of a chart's area that holds the lines.
pub(crate) fn plot_area(area: Rect) -> Rect {
    Rect {
        x: area.x + LABELS.min(area.width),
        y: area.y + 1.min(area.height),
        width: area.width.saturating_sub(LABELS + 1),
        height: area.height.saturating_sub(2),
    }
}

pub(crate) fn draw(chart: &Chart<'_>, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    if area.height < 3 || area.width < 20 {
        return;
    }
    title(chart, theme, buffer, area);
    let plot = plot_area(area);
    let grid = Grid {
        area: plot,
        ascii: theme.ascii,
    };
    let (across, down) = grid.size();
    let lines = chart.lines.iter();
    let curves: Vec<Curve> = lines.map(|line| Curve::new(line, chart, across)).collect();
    let Some(scale) = fit(&curves, chart.log_scale, across) else {
        let text = theme.pick("· no data yet ·", "no data yet");
        let text = format!("{text:^0$}", usize::from(plot.width));
        text::line(buffer, plot, usize::from(plot.height / 2), &text, theme.dim);
        return;
    };
    value_axis(&scale, chart, theme, buffer, plot);
    place_axis(chart, theme, buffer, plot);
    let height = |value: f64| Some((1.0 - scale.share(value)?) * (down - 1.0));
    let (mut faint, mut full) = (Vec::new(), Vec::new());
    for (line, curve) in chart.lines.iter().zip(&curves) {
        let pieces = |pieces, pattern| Pieces {
            pieces,
            pattern,
            color: line.style.fg.unwrap_or(Color::Reset),
        };
        if curve.raw {
            faint.push(pieces(raw(curve, &height), Pattern::Solid));
        }
        full.push(pieces(smooth(curve, &height), line.pattern));
    }
    grid.draw(buffer, &faint, &full);
    marks(chart, &curves, &height, theme, buffer, grid);
}

/// From each bin's lowest to its highest value, and from mean to mean.
fn raw(curve: &Curve, height: &dyn Fn(f64) -> Option<f64>) -> Vec<(Dot, Dot)> {
    let mut pieces = Vec::new();
    let mut before: Option<Dot> = None;
    for bin in &curve.bins {
        if let (Some(low), Some(high)) = (height(bin.low), height(bin.high)) {
            pieces.push(((bin.x, low), (bin.x, high)));
        }
        let here = height(bin.mean).map(|y| (bin.x, y));
        if let (Some(from), Some(to), false) = (before, here, bin.gap) {
            pieces.push((from, to));
        }
        before = here;
    }
    pieces
}

fn smooth(curve: &Curve, height: &dyn Fn(f64) -> Option<f64>) -> Vec<(Dot, Dot)> {
    let mut pieces = Vec::new();
    let mut before: Option<Dot> = None;
    for bin in &curve.bins {
        let here = height(bin.smooth).map(|y| (bin.x, y));
        if let Some(to) = here {
            // Nothing to come from: a dot.
            let from = before.filter(|_| !bin.gap).unwrap_or(to);
            pieces.push((from, to));
        }
        before = here;
    }
    pieces
}

/// Letters at the ends, diamonds at measurements, crosses where a value was not finite, cursor.
fn marks(
    chart: &Chart<'_>,
    curves: &[Curve],
    height: &dyn Fn(f64) -> Option<f64>,
    theme: &Theme,
    buffer: &mut Buffer,
    grid: Grid,
) {
    let (across, _) = grid.size();
    let glyph = |unicode, ascii| if theme.ascii { ascii } else { unicode };
    let mut ends = Vec::new();
    for (line, curve) in chart.lines.iter().zip(curves) {
        let mut end = None;
        let shown = curve.visible(across);
        let few = shown.clone().count() * 3 < across as usize;
        for bin in shown {
            if let Some(y) = height(bin.smooth) {
                let cell = grid.cell_of((bin.x, y));
                if curve.marks && few {
                    grid.mark(buffer, cell, glyph('◆', '@'), line.style);
                }
                end = Some(cell);
            }
        }
        for x in &curve.crosses {
            let cell = grid.cell_of((*x, 0.0));
            grid.mark(buffer, cell, glyph('✗', 'X'), theme.bad);
        }
        ends.extend(end.filter(|_| chart.lines.len() > 1).map(|end| (line, end)));
    }
    let mut taken: Vec<(u16, u16)> = Vec::new();
    for (line, (column, wanted)) in ends {
        let cell = (column, free_row(&taken, column, wanted, grid.area.height));
        grid.mark(buffer, cell, line.letter, line.style.patch(theme.strong));
        taken.push(cell);
    }
    let (from, to) = chart.window;
    let dot = |place: f64| {
        let x = (place - from) / (to - from) * (across - 1.0);
        within(x, across).then_some(x)
    };
    for (place, value) in &chart.stars {
        if let (Some(x), Some(y)) = (dot(*place), height(*value)) {
            grid.mark(buffer, grid.cell_of((x, y)), glyph('★', '*'), theme.good);
        }
    }
    if let Some(x) = chart.cursor.and_then(dot) {
        let (column, _) = grid.cell_of((x, 0.0));
        for row in 0..grid.area.height {
            let place = (grid.area.x + column, grid.area.y + row);
            if buffer.cell(place).is_some_and(|cell| cell.symbol() == " ") {
                grid.mark(buffer, (column, row), glyph('│', '|'), theme.dim);
            }
        }
    }
}

/// The row nearest to the wanted one in which no letter stands yet, so that none hides another.
fn free_row(taken: &[(u16, u16)], column: u16, wanted: u16, rows: u16) -> u16 {
    (0..rows)
        .flat_map(|distance| [wanted.checked_sub(distance), Some(wanted + distance)])
        .flatten()
        .find(|row| *row < rows && !taken.contains(&(column, *row)))
        .unwrap_or(wanted)
}

/// The labels of the vertical axis and its line.
fn value_axis(scale: &Scale, chart: &Chart<'_>, theme: &Theme, buffer: &mut Buffer, plot: Rect) {
    let wall = theme.pick("│", "|");
    for row in 0..plot.height {
        text::put(buffer, plot.x - 1, plot.y + row, plot.x, wall, theme.dim);
    }
    let rows = f64::from(plot.height.saturating_sub(1));
    let mut taken: Option<u16> = None;
    let mut before = String::new();
    let ticks = scale.ticks(usize::from(plot.height.div_ceil(2)).clamp(2, 8), chart.unit);
    for (tick, label) in ticks.iter().zip(chart.unit.write_ticks(&ticks)) {
        let Some(share) = scale
            .share(*tick)
            .filter(|share| (0.0..=1.0).contains(share))
        else {
            continue;
        };
        let row = ((1.0 - share) * rows).round() as u16;
        let label = theme.foreign(&label);
        let label = format::fit(&label, usize::from(LABELS - 1), theme.ellipsis());
        // A value that rounds to the label before it would be a second truth.
        if taken == Some(row) || label == before {
            continue;
        }
        taken = Some(row);
        let start = plot.x - LABELS;
        text::right(buffer, start, plot.y + row, plot.x - 1, &label, theme.dim);
        before = label;
        let joint = theme.pick("┤", "+");
        text::put(buffer, plot.x - 1, plot.y + row, plot.x, joint, theme.dim);
    }
}

/// The labels of the horizontal axis.
fn place_axis(chart: &Chart<'_>, theme: &Theme, buffer: &mut Buffer, plot: Rect) {
    let (from, to) = chart.window;
    let y = plot.bottom();
    let across = f64::from(plot.width.saturating_sub(1));
    for place in chart
        .resumes
        .iter()
        .filter(|place| (from..=to).contains(*place))
    {
        let x = plot.x + ((place - from) / (to - from) * across).round() as u16;
        text::put(buffer, x, y, plot.right(), theme.pick("↻", "^"), theme.warn);
    }
    // Over the marks: half a number would be another number.
    let mut free = plot.x - 1;
    for (tick, label) in places(chart.axis, chart.window, usize::from(plot.width)) {
        let share = (tick - from) / (to - from);
        let width = format::width(&label) as u16;
        let middle = plot.x + (share * across).round() as u16;
        let start = (middle.saturating_sub(width / 2)).min(plot.right().saturating_sub(width));
        if start > free && middle < plot.right() {
            text::put(buffer, start, y, plot.right(), &label, theme.dim);
            free = start + width;
        }
    }
}

/// The title and the latest values: as much of the names as fits.
fn title(chart: &Chart<'_>, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    let (mark, style) = if chart.focus {
        (theme.pick("▸", ">"), theme.selected)
    } else {
        (" ", theme.strong)
    };
    let room = usize::from(area.width).saturating_sub(1);
    let values: Vec<(String, Style)> = chart
        .lines
        .iter()
        .map(|line| entry(line, chart, theme))
        .collect();
    let several = chart.lines.len() > 1;
    let written = |names: Names| -> Vec<String> {
        let each = chart.lines.iter().zip(&values);
        each.map(|(line, (value, _))| {
            let (name, letter) = match names {
                Names::Long => (line.label.as_str(), several),
                Names::Short => (line.short.as_str(), several),
                Names::Letter => ("", several || !line.label.is_empty()),
            };
            let letter = (letter && !name.starts_with(line.letter)).then_some(line.letter);
            let letter = letter.map_or(String::new(), |letter| format!("{letter} "));
            let space = if name.is_empty() { "" } else { " " };
            format!("  {letter}{name}{space}{value}")
        })
        .collect()
    };
    let widths = |entries: &[String]| entries.iter().map(|e| format::width(e)).sum::<usize>();
    let (long, short) = (chart.title.as_str(), chart.short.as_str());
    let tiers = [
        (long, Names::Long),
        (short, Names::Long),
        (long, Names::Short),
        (short, Names::Short),
        (short, Names::Letter),
    ];
    let chosen = tiers
        .into_iter()
        .map(|(title, names)| (title, written(names)))
        .find(|(title, entries)| format::width(title) + widths(entries) <= room);
    // Where not all values fit there are none: some would pass for all.
    let (title, entries) = chosen.unwrap_or_else(|| {
        let fits = format::width(long) <= room;
        (if fits { long } else { short }, Vec::new())
    });
    let end = area.right();
    let x = text::put(buffer, area.x, area.y, end, mark, theme.strong);
    let title = format::fit(title, room, theme.ellipsis());
    let mut x = text::put(buffer, x, area.y, end, &title, style);
    for (text, (_, style)) in entries.iter().zip(&values) {
        x = text::put(buffer, x, area.y, end, text, *style);
    }
}

/// How much of a line's name is written.
#[derive(Clone, Copy)]
enum Names {
    Long,
    Short,
    Letter,
}

/// A line's latest value, or the one under the cursor, and its style.
fn entry(line: &Line<'_>, chart: &Chart<'_>, theme: &Theme) -> (String, Style) {
    let value = match chart.cursor {
        Some(place) => value_at(line, chart.axis.unwrap_or_default(), place),
        None => latest(line),
    };
    let written = value.map_or_else(
        || theme.pick("–", "-").to_owned(),
        |value| theme.foreign(&chart.unit.write(value)),
    );
    let style = match value {
        Some(value) if !value.is_finite() => theme.bad,
        _ => line.style,
    };
    (written, style)
}
