//! From a line's points to what falls into one column of dots, in a chart or a picture.

use super::chart::{Chart, Data, Line};
use super::scale::Scale;
use crate::store::Bucket;

/// What is to be drawn of a line.
pub(crate) struct Curve {
    /// At most one for each column of dots, and one beyond either edge.
    pub(crate) bins: Vec<Bin>,
    /// Columns in which a value was not finite.
    pub(crate) crosses: Vec<f64>,
    /// Whether the bins are marked.
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
    pub(crate) fn new(line: &Line<'_>, chart: &Chart<'_>, across: f64) -> Self {
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
                        add(row.x(axis), *bucket, f64::from(smooth[index]), row.gap);
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

/// The scale that holds what is visible; `None` when nothing is.
pub(crate) fn fit(curves: &[Curve], log: bool, across: f64) -> Option<Scale> {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for curve in curves {
        for bin in curve.visible(across) {
            let ends = if curve.raw {
                [bin.low, bin.high]
            } else {
                [bin.smooth; 2]
            };
            for value in ends {
                if value.is_finite() && (!log || value > 0.0) {
                    (low, high) = (low.min(value), high.max(value));
                }
            }
        }
    }
    (low <= high).then(|| Scale::new(low, high, log))
}
