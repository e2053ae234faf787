//! From values to rows of dots, and round numbers for the axes.

use crate::format;
use crate::store::{Axis, Unit};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    low: f64,
    high: f64,
    log: bool,
}

impl Scale {
    /// A scale that holds all values between two; `log` only where both are positive.
    pub(crate) fn new(low: f64, high: f64, log: bool) -> Self {
        let log = log && low > 0.0;
        let (mut low, mut high) = if log {
            (low.ln(), high.ln())
        } else {
            (low, high)
        };
        let margin = (high - low) * 0.04;
        if margin > 0.0 {
            (low, high) = (low - margin, high + margin);
        } else {
            let room = (low.abs() * 0.05).max(1e-9);
            (low, high) = (low - room, high + room);
        }
        Self { low, high, log }
    }

    /// The share of the height from the bottom; `None` where the scale has no place for a value.
    pub(crate) fn share(&self, value: f64) -> Option<f64> {
        let value = if self.log {
            if value <= 0.0 {
                return None;
            }
            value.ln()
        } else {
            value
        };
        Some((value - self.low) / (self.high - self.low)).filter(|share| share.is_finite())
    }

    /// Round values of a unit, about `count` of them.
    pub(crate) fn ticks(&self, count: usize, unit: Unit) -> Vec<f64> {
        if !self.log {
            let base = unit.base(self.high.abs().max(self.low.abs()));
            return round_between(self.low / base, self.high / base, count)
                .into_iter()
                .map(|tick| tick * base)
                .collect();
        }
        let (low, high) = (self.low.exp(), self.high.exp());
        if high / low < 5.0 {
            return round_between(low, high, count);
        }
        let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
        let every = 1 + decades.clone().count() / count.max(1);
        decades
            .step_by(every)
            .map(|decade| 10_f64.powi(decade))
            .filter(|tick| (low..=high).contains(tick))
            .collect()
    }
}

/// Multiples of 1, 2 or 5 times a power of ten between two numbers, about `count` of them.
pub(crate) fn round_between(low: f64, high: f64, count: usize) -> Vec<f64> {
    let span = high - low;
    if !span.is_finite() || span <= 0.0 || count == 0 {
        return Vec::new();
    }
    let rough = span / count as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= rough)
        .unwrap_or(rough);
    multiples(step, low, high, count)
}

fn multiples(step: f64, low: f64, high: f64, count: usize) -> Vec<f64> {
    let first = (low / step).ceil();
    // Not more than asked for, whatever rounding does at the edges of what a float can hold.
    let ticks = (0..=count + 1).map(|index| (first + index as f64) * step);
    ticks.take_while(|tick| *tick <= high).collect()
}

/// As [`round_between`] for seconds: round minutes, hours and days.
pub(crate) fn round_times(low: f64, high: f64, count: usize) -> Vec<f64> {
    const STEPS: [f64; 13] = [
        60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 10_800.0, 21_600.0, 43_200.0,
        86_400.0, 172_800.0,
    ];
    let rough = (high - low) / count.max(1) as f64;
    let step = STEPS.into_iter().find(|step| *step >= rough);
    match step {
        Some(step) if rough > 30.0 => multiples(step, low, high, count),
        _ => round_between(low, high, count),
    }
}

/// Round places of a horizontal axis of so many characters, and their labels. No axis are epochs. All of them are whole, seconds
/// too: their labels would else round several places, those about a single point, to one number.
pub(crate) fn places(
    axis: Option<Axis>,
    (from, to): (f64, f64),
    width: usize,
) -> Vec<(f64, String)> {
    let ticks = match axis {
        Some(Axis::Time) => round_times(from, to, (width / 10).clamp(2, 12)),
        _ => round_between(from, to, (width / 8).clamp(2, 12)),
    };
    let is_whole = |tick: &f64| (tick - tick.round()).abs() <= 1e-9 * tick.abs().max(1.0);
    let label = |tick: f64| match axis {
        Some(Axis::Step | Axis::Tokens) => format::round_count(tick.round()),
        Some(Axis::Time) => format::duration(tick),
        None => format!("{tick:.0}"),
    };
    let ticks = ticks.into_iter().filter(is_whole);
    let mut places: Vec<(f64, String)> = ticks.map(|tick| (tick, label(tick))).collect();
    // Of large numbers few digits are written.
    places.dedup_by(|after, before| after.1 == before.1);
    places
}

/// The axis in one word.
pub(crate) const fn axis_name(axis: Axis) -> &'static str {
    match axis {
        Axis::Step => "steps",
        Axis::Tokens => "tokens",
        Axis::Time => "time",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lie_within_and_ticks_are_round() {
        let scale = Scale::new(2.0, 10.0, false);
        let share = scale.share(6.0).expect("a place");
        assert!((share - 0.5).abs() < 1e-9);
        assert_eq!(scale.ticks(5, Unit::Plain), [2.0, 4.0, 6.0, 8.0, 10.0]);
        let flat = Scale::new(3.0, 3.0, false);
        assert!((flat.share(3.0).expect("a place") - 0.5).abs() < 1e-9);
    }

    #[test]
    fn logarithms_need_positive_values() {
        let scale = Scale::new(0.001, 1000.0, true);
        assert!((scale.share(1.0).expect("a place") - 0.5).abs() < 1e-9);
        assert_eq!(scale.share(0.0), None);
        assert!(
            scale
                .ticks(4, Unit::Plain)
                .iter()
                .all(|tick| tick.log10().fract().abs() < 1e-9)
        );
        assert_eq!(Scale::new(-1.0, 1.0, true), Scale::new(-1.0, 1.0, false));
    }

    #[test]
    fn times_are_round_in_their_own_units() {
        assert_eq!(round_times(0.0, 4000.0, 2), [0.0, 3600.0]);
        assert_eq!(round_times(0.0, 20.0, 2), [0.0, 10.0, 20.0]);
        assert!(round_times(0.0, 1e12, 4).len() < 10);
    }

    #[test]
    fn a_single_point_has_one_label() {
        let labels = |axis, window| {
            let found = places(axis, window, 40).into_iter();
            found.map(|(_, label)| label).collect::<Vec<String>>()
        };
        for axis in [Some(Axis::Step), Some(Axis::Tokens), None] {
            assert_eq!(labels(axis, (49.5, 50.5)), ["50"], "{axis:?}");
        }
        assert_eq!(labels(Some(Axis::Time), (11.84, 12.84)), ["12s"]);
        assert_eq!(labels(Some(Axis::Tokens), (409_599.5, 409_600.5)), ["410k"]);
        assert_eq!(labels(Some(Axis::Step), (1.0, 3.0)), ["1", "2", "3"]);
    }

    #[test]
    fn absurd_numbers_give_few_ticks() {
        for (low, high) in [(0.0, f64::MAX), (-1e300, 1e300), (1.0, 1.0 + 1e-15)] {
            assert!(round_between(low, high, 5).len() < 10, "{low} {high}");
        }
        assert!(round_between(f64::NAN, 1.0, 5).is_empty());
    }
}
