//! What a chart shows, and what of it falls into one column of dots, on a terminal or in a picture.

use ratatui::style::Style;

use super::grid::Pattern;
use super::scale::Scale;
use crate::store::{Axis, Bucket, Table, Unit, widened};

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
        let data = Data::Column {
            table,
            column,
            raw: true,
            marks: false,
        };
        Self {
            short: label.clone(),
            label,
            letter,
            style,
            pattern: Pattern::Solid,
            data,
        }
    }

    /// Its value at or before a place, as it is drawn: the average where that is the line. Beyond the end of a curve there is
    /// none; an evaluation holds until the next.
    pub(crate) fn value_at(&self, axis: Axis, unit: Unit, place: f64) -> Option<f64> {
        match &self.data {
            Data::Points { points, .. } => {
                let before = points.iter().rev().find(|(x, _)| *x <= place + 1e-9);
                before.and_then(|(_, value)| *value)
            }
            Data::Column {
                table,
                column,
                marks,
                ..
            } => {
                let beyond = |(_, last): (f64, f64)| place > last + 1e-9 * last.abs();
                if !marks && table.extent(axis).is_some_and(beyond) {
                    return None;
                }
                let at = table.at(axis, place)?;
                let bucket = table.buckets(*column).get(at)?;
                if bucket.is_some() {
                    let smooth = table.smooth(*column).get(at).copied();
                    let drawn = smooth.filter(|it| unit.is_measured() && it.is_finite());
                    Some(f64::from(drawn.unwrap_or(bucket.mean)))
                } else {
                    (bucket.nonfinite > 0).then_some(f64::NAN)
                }
            }
        }
    }

    pub(crate) fn latest(&self, unit: Unit) -> Option<f64> {
        match &self.data {
            Data::Points { points, .. } => points.last().and_then(|(_, value)| *value),
            Data::Column { table, column, .. } => {
                let raw = table.last(*column)?;
                let smooth = table.smooth(*column).last().copied().map(f64::from);
                // A value that is not finite must not hide behind the average.
                if raw.is_finite() && unit.is_measured() {
                    smooth
                } else {
                    Some(raw)
                }
            }
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
    /// The step whose numbers will be the first, where there are none yet and the run has said so.
    pub(crate) awaited: Option<u64>,
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
            awaited: None,
        }
    }

    /// What is to be drawn of each line on `across` columns of dots, and the scale that holds it;
    /// `None` when nothing is visible.
    pub(crate) fn fit(&self, across: f64) -> Option<(Vec<Curve>, Scale)> {
        let lines = self.lines.iter();
        let curves: Vec<Curve> = lines.map(|line| Curve::new(line, self, across)).collect();
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for curve in &curves {
            for bin in curve.visible(across) {
                let ends = if curve.raw {
                    [bin.low, bin.high]
                } else {
                    [bin.smooth; 2]
                };
                for value in ends {
                    if value.is_finite() && (!self.log_scale || value > 0.0) {
                        (low, high) = (low.min(value), high.max(value));
                    }
                }
            }
        }
        (low <= high).then(|| (curves, Scale::new(low, high, self.log_scale)))
    }
}

/// What is to be drawn of a line.
pub(crate) struct Curve {
    /// At most one for each column of dots, and one beyond either edge.
    pub(crate) bins: Vec<Bin>,
    /// Columns in which a value was not finite.
    pub(crate) crosses: Vec<f64>,
    pub(crate) marks: bool,
    /// Whether the extremes are drawn behind the line.
    pub(crate) raw: bool,
}

/// The extremes of a column of dots, and the last of the rest.
#[derive(Clone, Copy)]
pub(crate) struct Bin {
    /// In dots from the left edge.
    pub(crate) x: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) mean: f64,
    pub(crate) smooth: f64,
    /// The line is broken before it.
    pub(crate) gap: bool,
}

impl Curve {
    /// Bins a line on `across` columns of dots, so that a frame costs little however long the run.
    fn new(line: &Line<'_>, chart: &Chart<'_>, across: f64) -> Self {
        let (from, to) = chart.window;
        let per_dot = (across - 1.0) / (to - from);
        let (mut bins, mut crosses, mut broken) = (Vec::<Bin>::new(), Vec::new(), false);
        let mut add = |place: f64, bucket: Bucket, smooth: f64, gap: bool| {
            let x = (place - from) * per_dot;
            if bucket.nonfinite > 0 && within(x, across) {
                crosses.push(x);
            }
            broken |= gap;
            if !bucket.is_some() {
                broken = true;
                return;
            }
            let (low, high) = (f64::from(bucket.min), f64::from(bucket.max));
            let mean = f64::from(bucket.mean);
            let smooth = if smooth.is_finite() { smooth } else { mean };
            let gap = std::mem::take(&mut broken);
            match bins.last_mut() {
                Some(last) if last.x.round() == x.round() => {
                    last.low = last.low.min(low);
                    last.high = last.high.max(high);
                    (last.x, last.mean, last.smooth) = (x, mean, smooth);
                }
                _ => bins.push(Bin {
                    x,
                    low,
                    high,
                    mean,
                    smooth,
                    gap,
                }),
            }
        };
        let (marks, raw) = match &line.data {
            Data::Points { points, marks } => {
                for (place, value) in points {
                    let bucket = Bucket::of(*value);
                    add(*place, bucket, f64::from(bucket.mean), false);
                }
                (*marks, false)
            }
            Data::Column {
                table,
                column,
                raw,
                marks,
            } => {
                let (buckets, smooth) = (table.buckets(*column), table.smooth(*column));
                let axis = chart.axis.unwrap_or_default();
                for index in table.range(axis, from, to) {
                    let row = &table.rows()[index];
                    if let Some(bucket) = buckets.get(index) {
                        let measured = chart.unit.is_measured();
                        let smooth = if measured { smooth[index] } else { bucket.mean };
                        add(row.x(axis), *bucket, f64::from(smooth), row.gap);
                    }
                }
                (*marks, *raw)
            }
        };
        Self {
            bins,
            crosses,
            marks,
            raw,
        }
    }

    /// The bins in the picture.
    pub(crate) fn visible(&self, across: f64) -> impl Iterator<Item = &Bin> + Clone {
        self.bins.iter().filter(move |bin| within(bin.x, across))
    }
}

/// Whether a place is in the picture. Half a dot of slack: rounding must not lose the ends.
pub(crate) fn within(x: f64, across: f64) -> bool {
    (-0.5..across - 0.5).contains(&x)
}
