//! Time series of one event kind, in bounded memory.
//!
//! A table has one row an event and one column a metric. The newest rows are exact; older ones are
//! folded into buckets of `min`, `max` and `mean`, twice as coarse each time they would outgrow
//! their share. A spike therefore stays visible however long the run: it is the `max` of its bucket.

use std::ops::Range;

use super::bucket::Bucket;
use super::smooth::Ema;

/// Rows that stay exact at least.
const TAIL: usize = 8 * 1024;
/// Buckets of folded history at most.
const BASE: usize = 32 * 1024;

/// What a chart's horizontal axis counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Axis {
    #[default]
    Step,
    Tokens,
    /// Seconds since the run began.
    Time,
}

/// A stretch of an axis that is not empty, so that a single point stands in its middle.
pub(crate) fn widened((from, to): (f64, f64)) -> (f64, f64) {
    if to > from {
        (from, to)
    } else {
        (from - 0.5, from + 0.5)
    }
}

/// Where a row stands, and whether something is missing before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) first_step: u64,
    pub(crate) last_step: u64,
    /// Tokens seen at the last step.
    pub(crate) tokens: u64,
    /// Seconds since the run began at the last step.
    pub(crate) time: f64,
    /// Steps are missing before or within this row.
    pub(crate) gap: bool,
}

impl Row {
    pub(crate) fn x(&self, axis: Axis) -> f64 {
        match axis {
            Axis::Step => self.last_step as f64,
            Axis::Tokens => self.tokens as f64,
            Axis::Time => self.time,
        }
    }
}

/// One metric: empty until its first value, then as long as the table.
#[derive(Clone, Debug, Default)]
struct Column {
    buckets: Vec<Bucket>,
    smooth: Vec<f32>,
    ema: Ema,
    last: Option<f64>,
}

/// Rows and columns of one kind of event; as many columns as the events have values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
    columns: Vec<Column>,
    /// Rows before this index are folded.
    folded: usize,
    /// How often the folded part was halved: each of its rows holds two to this power of events.
    halvings: u32,
    smoothing: f64,
    /// Typical distance of two events in steps, to notice missing ones.
    interval: Option<u64>,
}

impl Table {
    /// Adds an event. A step that is not beyond the last one makes the rows from it on void: the
    /// file's later word counts. `None` is "not measured", NaN "measured and not finite".
    pub(crate) fn push(&mut self, step: u64, tokens: u64, time: f64, values: &[Option<f64>]) {
        if self.last_step().is_some_and(|last| step <= last) {
            self.truncate_after(step.saturating_sub(1));
            if self.last_step().is_some_and(|last| step <= last) {
                // Within a folded row, or step 0 twice: the detail is gone, so it is dropped.
                return;
            }
        }
        let previous = self.rows.last().copied();
        let distance = previous.map(|row| step - row.last_step);
        let gap = match (distance, self.interval) {
            // Two missing events in a row are a gap; one may be a longer logging interval.
            (Some(distance), Some(interval)) => distance > interval.saturating_mul(3),
            _ => false,
        };
        if let Some(distance) = distance {
            // Follows a changed interval after one event, so that it is not all gaps.
            self.interval = Some(distance);
        }
        // Axes must not run backwards, whatever the clock did.
        let floor = |value: f64, floor: f64| if value > floor { value } else { floor };
        self.rows.push(Row {
            first_step: step,
            last_step: step,
            tokens: previous.map_or(tokens, |row| tokens.max(row.tokens)),
            time: previous.map_or(floor(time, 0.0), |row| floor(time, row.time)),
            gap,
        });
        let length = self.rows.len();
        let columns = self.columns.len().max(values.len());
        self.columns.resize_with(columns, Column::default);
        for (index, column) in self.columns.iter_mut().enumerate() {
            let value = values.get(index).copied().flatten();
            if column.buckets.is_empty() {
                if value.is_none() {
                    continue;
                }
                column.buckets.resize(length - 1, Bucket::EMPTY);
                column.smooth.resize(length - 1, f32::NAN);
            }
            let bucket = Bucket::of(value);
            column.buckets.push(bucket);
            column.smooth.push(column.ema.push(bucket, self.smoothing));
            if value.is_some() {
                column.last = value;
            }
        }
        if length - self.folded >= 2 * TAIL {
            self.compact();
        }
    }

    /// Drops the rows beyond `step`. A folded row that reaches beyond it stays.
    pub(crate) fn truncate_after(&mut self, step: u64) {
        let keep = self.rows.partition_point(|row| row.first_step <= step);
        if keep == self.rows.len() {
            return;
        }
        self.rows.truncate(keep);
        self.folded = self.folded.min(keep);
        for column in &mut self.columns {
            column.buckets.truncate(keep);
            column.smooth.truncate(keep);
            let last = column.buckets.last();
            column.last = last
                .filter(|last| last.is_some())
                .map(|last| f64::from(last.mean));
        }
        self.smooth_again();
    }

    /// Sets the EMA's decay per event, 0 = no smoothing.
    pub(crate) fn set_smoothing(&mut self, smoothing: f64) {
        if smoothing != self.smoothing {
            self.smoothing = smoothing;
            self.smooth_again();
        }
    }

    fn smooth_again(&mut self) {
        for column in &mut self.columns {
            column.ema = Ema::default();
            for (bucket, smooth) in column.buckets.iter().zip(&mut column.smooth) {
                *smooth = column.ema.push(*bucket, self.smoothing);
            }
        }
    }

    /// Folds all but the tail, then halves the folded part if it has outgrown its share.
    fn compact(&mut self) {
        let stride = 1 << self.halvings;
        let fold = (self.rows.len() - TAIL - self.folded) / stride * stride;
        self.fold(self.folded..self.folded + fold, stride);
        self.folded += fold / stride;
        while self.folded > BASE {
            let pairs = self.folded / 2 * 2;
            self.fold(0..pairs, 2);
            self.folded -= pairs / 2;
            self.halvings += 1;
        }
    }

    /// Merges each `group` of rows in `range`, whose length is a multiple of it, into one.
    fn fold(&mut self, range: Range<usize>, group: usize) {
        if group <= 1 {
            return;
        }
        let target = range.start + range.len() / group;
        for (write, read) in range.clone().step_by(group).enumerate() {
            let rows = &self.rows[read..read + group];
            self.rows[range.start + write] = Row {
                first_step: rows[0].first_step,
                gap: rows.iter().any(|row| row.gap),
                ..rows[group - 1]
            };
        }
        self.rows.drain(target..range.end);
        for column in &mut self.columns {
            if column.buckets.is_empty() {
                continue;
            }
            for (write, read) in range.clone().step_by(group).enumerate() {
                let mut bucket = column.buckets[read];
                for other in &column.buckets[read + 1..read + group] {
                    bucket.merge(*other);
                }
                column.buckets[range.start + write] = bucket;
                column.smooth[range.start + write] = column.smooth[read + group - 1];
            }
            column.buckets.drain(target..range.end);
            column.smooth.drain(target..range.end);
        }
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// A metric's buckets, as many as rows, or none if it never had a value.
    pub(crate) fn buckets(&self, column: usize) -> &[Bucket] {
        self.columns.get(column).map_or(&[], |known| &known.buckets)
    }

    /// A metric's debiased EMA after each row; NaN before its first value.
    pub(crate) fn smooth(&self, column: usize) -> &[f32] {
        self.columns.get(column).map_or(&[], |known| &known.smooth)
    }

    /// A metric's latest measured value, NaN included.
    pub(crate) fn last(&self, column: usize) -> Option<f64> {
        self.columns.get(column)?.last
    }

    pub(crate) fn last_step(&self) -> Option<u64> {
        self.rows.last().map(|row| row.last_step)
    }

    /// The rows between two places of an axis, and one more on either side for the lines that
    /// leave the picture.
    pub(crate) fn range(&self, axis: Axis, low: f64, high: f64) -> Range<usize> {
        let start = self.rows.partition_point(|row| row.x(axis) < low);
        let end = self.rows.partition_point(|row| row.x(axis) <= high);
        start.saturating_sub(1)..(end + 1).min(self.rows.len()).max(start)
    }

    /// The row at or before a place of an axis.
    pub(crate) fn at(&self, axis: Axis, x: f64) -> Option<usize> {
        self.rows
            .partition_point(|row| row.x(axis) <= x)
            .checked_sub(1)
    }

    /// First and last place on an axis.
    pub(crate) fn extent(&self, axis: Axis) -> Option<(f64, f64)> {
        Some((self.rows.first()?.x(axis), self.rows.last()?.x(axis)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(events: u64, spike: u64) -> Table {
        let mut table = Table::default();
        for step in 1..=events {
            let value = if step == spike { 99.0 } else { 1.0 };
            table.push(step, step * 10, step as f64, &[Some(value), None]);
        }
        table
    }

    #[test]
    fn a_spike_survives_a_million_events_in_bounded_memory() {
        let table = filled(1_000_000, 1234);
        assert!(
            table.rows().len() <= BASE + 2 * TAIL,
            "{}",
            table.rows().len()
        );
        assert!(table.buckets(0).iter().any(|bucket| bucket.max == 99.0));
        assert_eq!(table.buckets(0).len(), table.rows().len());
        let events: u64 = table.buckets(0).iter().map(|b| u64::from(b.count)).sum();
        assert_eq!(events, 1_000_000);
        assert!(
            table.buckets(1).is_empty(),
            "a metric without values costs nothing"
        );
        let steps: Vec<u64> = table.rows().iter().map(|row| row.first_step).collect();
        assert!(steps.is_sorted() && steps[0] == 1);
        assert_eq!(table.last_step(), Some(1_000_000));
        // The newest events are exact.
        let tail = &table.rows()[table.rows().len() - TAIL..];
        assert!(tail.iter().all(|row| row.first_step == row.last_step));
    }

    #[test]
    fn a_resume_voids_later_rows() {
        let mut table = filled(100, 90);
        table.truncate_after(80);
        assert_eq!(table.last_step(), Some(80));
        assert!(table.buckets(0).iter().all(|bucket| bucket.max < 99.0));
        table.push(81, 0, 0.0, &[Some(3.0), Some(1.0)]);
        assert_eq!(table.buckets(1).len(), 81);
        assert_eq!(table.last(0), Some(3.0));
        // A step seen before, without a resume: the later word counts.
        table.push(50, 0, 0.0, &[Some(4.0), None]);
        assert_eq!(table.last_step(), Some(50));
    }

    #[test]
    fn gaps_and_nan_are_marked_not_filled() {
        let mut table = Table::default();
        for step in [10, 20, 30, 90, 100] {
            let value = if step == 20 { f64::NAN } else { 1.0 };
            table.push(step, 0, 0.0, &[Some(value)]);
        }
        let gaps: Vec<bool> = table.rows().iter().map(|row| row.gap).collect();
        assert_eq!(gaps, [false, false, false, true, false]);
        assert_eq!(table.buckets(0)[1].nonfinite, 1);
        assert!(!table.buckets(0)[1].is_some());
    }

    #[test]
    fn ranges_reach_one_row_beyond() {
        let table = filled(10, 0);
        assert_eq!(table.range(Axis::Step, 3.0, 5.0), 1..6);
        assert_eq!(table.range(Axis::Tokens, 0.0, 1e9), 0..10);
        assert_eq!(table.range(Axis::Step, 50.0, 60.0), 9..10);
        assert_eq!(table.at(Axis::Step, 3.7), Some(2));
        assert_eq!(table.at(Axis::Step, 0.5), None);
        let empty = Table::default();
        assert_eq!(empty.range(Axis::Step, 0.0, 1.0), 0..0);
    }
}
