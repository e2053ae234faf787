//! The debiased exponential moving average.

use super::bucket::Bucket;

/// An EMA divided by the weight it has gathered (as Adam debiases its moments), so that it starts
/// at the first value instead of creeping up from zero. Values that are absent or not finite leave
/// it as it is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ema {
    sum: f64,
    weight: f64,
}

impl Ema {
    /// Takes a bucket of `count` values as `count` equal values, and returns the average so far;
    /// NaN before the first value.
    pub(crate) fn push(&mut self, bucket: Bucket, decay: f64) -> f32 {
        if bucket.count > 0 {
            let decay = decay.clamp(0.0, 0.9999).powi(i32::from(bucket.count));
            self.sum = decay * self.sum + (1.0 - decay) * f64::from(bucket.mean);
            self.weight = decay * self.weight + (1.0 - decay);
        }
        (self.sum / self.weight) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(value: f64) -> Bucket {
        Bucket::of(Some(value))
    }

    #[test]
    fn it_starts_at_the_first_value_and_keeps_constants() {
        let mut ema = Ema::default();
        assert!(ema.push(one(f64::NAN), 0.9).is_nan());
        for _ in 0..5 {
            assert!((ema.push(one(7.0), 0.9) - 7.0).abs() < 1e-6);
        }
        assert!((ema.push(one(f64::NAN), 0.9) - 7.0).abs() < 1e-6);
        let next = ema.push(one(17.0), 0.9);
        // Weights: 1 for the new value, 0.9 + 0.9² + … for the five before.
        let older: f32 = (1..=5).map(|k| 0.9_f32.powi(k)).sum();
        assert!(
            (next - (17.0 + 7.0 * older) / (1.0 + older)).abs() < 1e-4,
            "{next}"
        );
    }

    #[test]
    fn without_decay_it_is_the_value() {
        let mut ema = Ema::default();
        ema.push(one(3.0), 0.0);
        assert_eq!(ema.push(one(5.0), 0.0), 5.0);
    }
}
