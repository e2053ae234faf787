//! Several values as one.

/// Values of one metric over the events of one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bucket {
    pub(crate) min: f32,
    pub(crate) max: f32,
    pub(crate) mean: f32,
    /// How many were finite.
    pub(crate) count: u16,
    /// How many were NaN or infinite.
    pub(crate) nonfinite: u16,
}

impl Bucket {
    pub(super) const EMPTY: Self = Self {
        min: f32::INFINITY,
        max: f32::NEG_INFINITY,
        mean: 0.0,
        count: 0,
        nonfinite: 0,
    };

    /// A bucket of one value or none.
    pub(crate) fn of(value: Option<f64>) -> Self {
        // A finite f64 beyond f32 counts as infinite: it could not be drawn either.
        match value.map(|value| value as f32) {
            None => Self::EMPTY,
            Some(value) if value.is_finite() => Self {
                min: value,
                max: value,
                mean: value,
                count: 1,
                nonfinite: 0,
            },
            Some(_) => Self {
                nonfinite: 1,
                ..Self::EMPTY
            },
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        let (n, m) = (f64::from(self.count), f64::from(other.count));
        if n + m > 0.0 {
            let sum = f64::from(self.mean) * n + f64::from(other.mean) * m;
            self.mean = (sum / (n + m)) as f32;
        }
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.count = self.count.saturating_add(other.count);
        self.nonfinite = self.nonfinite.saturating_add(other.nonfinite);
    }

    pub(crate) fn is_some(&self) -> bool {
        self.count > 0
    }
}
