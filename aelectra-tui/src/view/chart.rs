//! A chart: title with values, lines, marks, axes.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::canvas::{Canvas, Pattern, Strength};
use super::scale::{Scale, axis_label, round_between, round_times};
use super::text;
use crate::format;
use crate::store::{Axis, Bucket, Table, Unit};
use crate::theme::Theme;

/// Where a line's points come from.
pub enum Data<'a> {
    /// A column of a table: raw values faint, their EMA in full.
    Curve {
        /// The table.
        table: &'a Table,
        /// The column.
        column: usize,
        /// Whether the raw values are drawn too.
        raw: bool,
    },
    /// A column whose rows are drawn as marks joined by a line.
    Marks {
        /// The table.
        table: &'a Table,
        /// The column.
        column: usize,
    },
    /// Points by themselves, for axes no table has; `None` breaks the line.
    Points {
        /// Places and values.
        points: Vec<(f64, Option<f64>)>,
        /// Whether they are drawn as marks too.
        marks: bool,
    },
}

/// A line.
pub struct Line<'a> {
    /// What it is called in the title.
    pub label: String,
    /// The same where there is little room.
    pub short: String,
    /// Stands at its end and before its label.
    pub letter: char,
    /// Its colour.
    pub style: Style,
    /// Its pattern.
    pub pattern: Pattern,
    /// Its points.
    pub data: Data<'a>,
}

/// A chart.
pub struct Chart<'a> {
    /// Its title.
    pub title: String,
    /// The same where there is little room.
    pub short: String,
    /// Its lines.
    pub lines: Vec<Line<'a>>,
    /// How its values are written.
    pub unit: Unit,
    /// Logarithmic, where the values allow it.
    pub log_scale: bool,
    /// Whether it has the focus.
    pub focus: bool,
    /// From, to on the horizontal axis.
    pub window: (f64, f64),
    /// What that axis counts; `None` are epochs.
    pub axis: Option<Axis>,
    /// A place whose values the title shows.
    pub cursor: Option<f64>,
    /// Places marked on the horizontal axis: where a process continued.
    pub resumes: Vec<f64>,
    /// Points marked with a star: the best.
    pub stars: Vec<(f64, f64)>,
}

/// What is to be drawn of a line: what falls into one column of dots has become one bin.
struct Stroke {
    bins: Vec<Bin>,
    /// Columns of dots in which a value was not finite.
    crosses: Vec<f64>,
    marks: bool,
    raw: bool,
}

/// The extremes of a column of dots, and the last of the rest.
#[derive(Clone, Copy)]
struct Bin {
    x: f64,
    low: f64,
    high: f64,
    mean: f64,
    smooth: f64,
    /// The line is broken before it.
    gap: bool,
}

/// Gathers points into bins as they come, so that a frame costs little however long the run.
struct Binner {
    from: f64,
    per_dot: f64,
    across: f64,
    stroke: Stroke,
    broken: bool,
}

impl Binner {
    fn new((from, to): (f64, f64), across: f64, marks: bool, raw: bool) -> Self {
        Self {
            from,
            per_dot: (across - 1.0) / (to - from),
            across,
            stroke: Stroke {
                bins: Vec::new(),
                crosses: Vec::new(),
                marks,
                raw,
            },
            broken: false,
        }
    }

    fn add(&mut self, place: f64, bucket: Bucket, smooth: f64, gap: bool) {
        let x = (place - self.from) * self.per_dot;
        if bucket.nonfinite > 0 && (-0.5..self.across - 0.5).contains(&x) {
            self.stroke.crosses.push(x);
        }
        self.broken |= gap;
        if !bucket.is_some() {
            self.broken = true;
            return;
        }
        let (low, high) = (f64::from(bucket.min), f64::from(bucket.max));
        let mean = f64::from(bucket.mean);
        let smooth = if smooth.is_finite() { smooth } else { mean };
        let gap = std::mem::take(&mut self.broken);
        if let Some(last) = self.stroke.bins.last_mut()
            && last.x.round() == x.round()
        {
            last.low = last.low.min(low);
            last.high = last.high.max(high);
            (last.x, last.mean, last.smooth) = (x, mean, smooth);
            return;
        }
        self.stroke.bins.push(Bin {
            x,
            low,
            high,
            mean,
            smooth,
            gap,
        });
    }
}

fn stroke(line: &Line<'_>, axis: Axis, window: (f64, f64), across: f64) -> Stroke {
    let (table, column, marks, raw) = match &line.data {
        Data::Points { points, marks } => {
            let mut binner = Binner::new(window, across, *marks, false);
            for (place, value) in points {
                let bucket = Bucket::of(*value);
                binner.add(*place, bucket, f64::from(bucket.mean), false);
            }
            return binner.stroke;
        }
        Data::Curve { table, column, raw } => (table, *column, false, *raw),
        Data::Marks { table, column } => (table, *column, true, false),
    };
    let mut binner = Binner::new(window, across, marks, raw);
    let (buckets, smooth) = (table.buckets(column), table.smooth(column));
    if !buckets.is_empty() {
        for index in table.range(axis, window.0, window.1) {
            let (row, bucket) = (&table.rows()[index], buckets[index]);
            let smooth = if marks { bucket.mean } else { smooth[index] };
            binner.add(row.x(axis), bucket, f64::from(smooth), row.gap);
        }
    }
    binner.stroke
}

/// The value of a line at or before a place.
#[must_use]
pub fn value_at(line: &Line<'_>, axis: Axis, place: f64) -> Option<f64> {
    match &line.data {
        Data::Points { points, .. } => {
            let before = points.iter().rev().find(|(x, _)| *x <= place + 1e-9);
            before.and_then(|(_, value)| *value)
        }
        Data::Curve { table, column, .. } | Data::Marks { table, column } => {
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
        Data::Curve { table, column, .. } => {
            let raw = table.last(*column)?;
            let smooth = table.smooth(*column).last().copied().map(f64::from);
            // A value that is not finite must not hide behind the average.
            if raw.is_finite() { smooth } else { Some(raw) }
        }
        Data::Marks { table, column } => table.last(*column),
    }
}

/// Columns for the labels of the vertical axis.
const LABELS: u16 = 7;

/// The part of a chart's area that holds the lines.
#[must_use]
pub fn plot_area(area: Rect) -> Rect {
    Rect {
        x: area.x + LABELS.min(area.width),
        y: area.y + 1.min(area.height),
        width: area.width.saturating_sub(LABELS + 1),
        height: area.height.saturating_sub(2),
    }
}

/// Draws a chart.
pub fn draw(chart: &Chart<'_>, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    if area.height < 3 || area.width < 20 {
        return;
    }
    title(chart, theme, buffer, area);
    let plot = plot_area(area);
    let axis = chart.axis.unwrap_or_default();
    let mut canvas = Canvas::new(plot.width, plot.height, theme.ascii);
    let strokes: Vec<Stroke> = chart
        .lines
        .iter()
        .map(|line| stroke(line, axis, chart.window, canvas.dots_across() as f64))
        .collect();
    let across = canvas.dots_across() as f64;
    let Some(scale) = fit(&strokes, chart, across) else {
        let text = theme.pick("· no data yet ·", "no data yet");
        let x = plot.x + plot.width.saturating_sub(format::width(text) as u16) / 2;
        text::put(
            buffer,
            x,
            plot.y + plot.height / 2,
            plot.right(),
            text,
            theme.dim,
        );
        return;
    };
    values(&scale, chart, theme, buffer, plot);
    places(chart, theme, buffer, plot);
    for (index, drawn) in strokes.iter().enumerate() {
        curve(&mut canvas, chart, drawn, &scale, index as u8);
    }
    marks(&mut canvas, chart, &strokes, &scale, theme);
    let styles: Vec<Style> = chart.lines.iter().map(|line| line.style).collect();
    canvas.render(buffer, plot, &styles, theme);
}

/// The scale that holds what is visible.
fn fit(strokes: &[Stroke], chart: &Chart<'_>, across: f64) -> Option<Scale> {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for drawn in strokes {
        let visible = drawn.bins.iter().filter(|bin| {
            // Half a dot of slack: rounding must not lose the ends.
            (-0.5..across - 0.5).contains(&bin.x)
        });
        for bin in visible {
            let ends = if drawn.raw {
                [bin.low, bin.high]
            } else {
                [bin.smooth; 2]
            };
            for value in ends {
                if value.is_finite() && (!chart.log_scale || value > 0.0) {
                    (low, high) = (low.min(value), high.max(value));
                }
            }
        }
    }
    (low <= high).then(|| Scale::new(low, high, chart.log_scale))
}

struct Mapping<'a> {
    window: (f64, f64),
    scale: &'a Scale,
    across: f64,
    down: f64,
}

impl Mapping<'_> {
    fn x(&self, place: f64) -> f64 {
        let (from, to) = self.window;
        (place - from) / (to - from) * (self.across - 1.0)
    }

    fn y(&self, value: f64) -> Option<f64> {
        let share = self.scale.share(value)?;
        Some((1.0 - share) * (self.down - 1.0))
    }
}

fn mapping<'a>(canvas: &Canvas, chart: &Chart<'_>, scale: &'a Scale) -> Mapping<'a> {
    Mapping {
        window: chart.window,
        scale,
        across: canvas.dots_across() as f64,
        down: canvas.dots_down() as f64,
    }
}

fn curve(canvas: &mut Canvas, chart: &Chart<'_>, drawn: &Stroke, scale: &Scale, ink: u8) {
    let map = mapping(canvas, chart, scale);
    let pattern = chart.lines[usize::from(ink)].pattern;
    if drawn.raw {
        let (strength, solid) = (Strength::Faint, Pattern::Solid);
        let mut before: Option<(f64, f64)> = None;
        for bin in &drawn.bins {
            if let (Some(low), Some(high)) = (map.y(bin.low), map.y(bin.high)) {
                canvas.line((bin.x, low), (bin.x, high), ink, strength, solid);
            }
            let here = map.y(bin.mean).map(|y| (bin.x, y));
            if let (Some(from), Some(to), false) = (before, here, bin.gap) {
                canvas.line(from, to, ink, strength, solid);
            }
            before = here;
        }
    }
    let mut before: Option<(f64, f64)> = None;
    for bin in &drawn.bins {
        let here = map.y(bin.smooth).map(|y| (bin.x, y));
        match (before, here) {
            (Some(from), Some(to)) if !bin.gap => {
                canvas.line(from, to, ink, Strength::Full, pattern);
            }
            (_, Some((x, y))) => {
                canvas.dot(x.round() as i32, y.round() as i32, ink, Strength::Full);
            }
            _ => {}
        }
        before = here;
    }
}

/// Letters at the ends, diamonds at measurements, crosses where a value was not finite, cursor.
fn marks(canvas: &mut Canvas, chart: &Chart<'_>, strokes: &[Stroke], scale: &Scale, theme: &Theme) {
    let map = mapping(canvas, chart, scale);
    let within = |x: f64| (-0.5..map.across - 0.5).contains(&x);
    let (diamond, cross) = if theme.ascii {
        ('@', 'X')
    } else {
        ('◆', '✗')
    };
    let mut ends = Vec::new();
    for (line, drawn) in chart.lines.iter().zip(strokes) {
        let mut end = None;
        let shown = drawn.bins.iter().filter(|bin| within(bin.x));
        let few = shown.clone().count() * 3 < map.across as usize;
        for bin in shown {
            if let Some(y) = map.y(bin.smooth) {
                let (column, row) = canvas.cell_of(bin.x, y);
                if drawn.marks && few {
                    canvas.mark(column, row, diamond, line.style);
                }
                end = Some((column, row));
            }
        }
        for x in &drawn.crosses {
            let (column, _) = canvas.cell_of(*x, 0.0);
            canvas.mark(column, 0, cross, theme.bad);
        }
        ends.extend(end.filter(|_| chart.lines.len() > 1).map(|end| (line, end)));
    }
    let mut taken: Vec<(usize, usize)> = Vec::new();
    for (line, (column, wanted)) in ends {
        let row = free_row(&taken, column, wanted, canvas.rows());
        canvas.mark(column, row, line.letter, line.style.patch(theme.strong));
        taken.push((column, row));
    }
    let star = if theme.ascii { '*' } else { '★' };
    for (place, value) in &chart.stars {
        let x = map.x(*place);
        if let Some(y) = map.y(*value).filter(|_| within(x)) {
            let (column, row) = canvas.cell_of(x, y);
            canvas.mark(column, row, star, theme.good);
        }
    }
    if let Some(x) = chart
        .cursor
        .map(|place| map.x(place))
        .filter(|x| within(*x))
    {
        let (column, _) = canvas.cell_of(x, 0.0);
        let glyph = if theme.ascii { '|' } else { '│' };
        for row in 0..canvas.dots_down() {
            if canvas.is_empty(column, row) {
                canvas.mark(column, row, glyph, theme.dim);
            }
        }
    }
}

/// The row nearest to the wanted one in which no letter stands yet, so that none hides another.
fn free_row(taken: &[(usize, usize)], column: usize, wanted: usize, rows: usize) -> usize {
    (0..rows)
        .flat_map(|distance| [wanted.checked_sub(distance), Some(wanted + distance)])
        .flatten()
        .find(|row| *row < rows && !taken.contains(&(column, *row)))
        .unwrap_or(wanted)
}

/// The labels of the vertical axis and its line.
fn values(scale: &Scale, chart: &Chart<'_>, theme: &Theme, buffer: &mut Buffer, plot: Rect) {
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
        text::put(
            buffer,
            plot.x - 1,
            plot.y + row,
            plot.x,
            theme.pick("┤", "+"),
            theme.dim,
        );
    }
}

/// The labels of the horizontal axis.
fn places(chart: &Chart<'_>, theme: &Theme, buffer: &mut Buffer, plot: Rect) {
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
    let ticks = match chart.axis {
        Some(Axis::Time) => round_times(from, to, usize::from(plot.width / 10).clamp(2, 12)),
        _ => round_between(from, to, usize::from(plot.width / 8).clamp(2, 12)),
    };
    for tick in ticks {
        let share = (tick - from) / (to - from);
        let label = match chart.axis {
            Some(axis) => axis_label(axis, tick),
            // Epochs are whole.
            None if tick.fract() != 0.0 => continue,
            None => format!("{tick:.0}"),
        };
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
            let letter = line.letter;
            match names {
                _ if !several && line.label.is_empty() => format!("  {value}"),
                Names::Long if !several => format!("  {} {value}", line.label),
                Names::Short if !several => format!("  {} {value}", line.short),
                Names::Letter => format!("  {letter} {value}"),
                Names::Short if line.short.starts_with(letter) => {
                    format!("  {} {value}", line.short)
                }
                Names::Short => format!("  {letter} {} {value}", line.short),
                Names::Long if line.label.starts_with(letter) => {
                    format!("  {} {value}", line.label)
                }
                Names::Long => format!("  {letter} {} {value}", line.label),
            }
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
