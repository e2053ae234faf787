//! How fast a run really goes: steps per second of wall time.

/// Anchors kept; every second one goes when there are more.
const ANCHORS: usize = 128;

/// Measures progress over the later half of what the current process has done, in wall time, so
/// that evaluations and checkpoints count as they do for the person waiting.
#[derive(Clone, Debug, Default)]
pub(crate) struct RateMeter {
    anchors: Vec<(f64, u64)>,
    last: Option<(f64, u64)>,
    spacing: u64,
    seen: u64,
}

impl RateMeter {
    /// Forgets everything: a new process, or training went on after a pause.
    pub(crate) fn restart(&mut self) {
        *self = Self::default();
    }

    /// A step was reached at Unix time `t`.
    pub(crate) fn push(&mut self, t: f64, step: u64) {
        if self.last.is_some_and(|(at, last)| step <= last || t < at) {
            self.restart();
        }
        self.last = Some((t, step));
        if self.seen.is_multiple_of(self.spacing.max(1)) {
            self.anchors.push((t, step));
        }
        self.seen += 1;
        if self.anchors.len() > ANCHORS {
            let mut index = 0;
            self.anchors.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.spacing = self.spacing.max(1) * 2;
        }
    }

    /// Steps per second; `None` before there are two points to measure between.
    pub(crate) fn steps_per_second(&self) -> Option<f64> {
        let (t, step) = self.last?;
        let &(first_t, first) = self.anchors.first()?;
        let middle = first + (step - first) / 2;
        let half = self.anchors.iter().rev().find(|(_, at)| *at <= middle);
        let (from_t, from) = half.copied().unwrap_or((first_t, first));
        let (elapsed, steps) = (t - from_t, (step - from) as f64);
        (elapsed > 0.0 && steps > 0.0).then(|| steps / elapsed)
    }

    /// Seconds from Unix time `now` until `total` steps.
    pub(crate) fn eta(&self, now: f64, total: u64) -> Option<f64> {
        let (t, step) = self.last?;
        let remaining = total.saturating_sub(step) as f64 / self.steps_per_second()?;
        Some((remaining - (now - t).max(0.0)).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evaluations_count_and_the_start_does_not_linger() {
        let mut meter = RateMeter::default();
        assert_eq!(meter.eta(0.0, 10), None);
        let mut t = 0.0;
        for step in 1..=10_000 {
            // A slow start, then 10 steps a second with an evaluation of 10 s every 100 steps.
            t += if step < 1000 { 5.0 } else { 0.1 };
            if step % 100 == 0 {
                t += 10.0;
            }
            meter.push(t, step);
        }
        let rate = meter.steps_per_second().expect("measured");
        assert!((rate - 5.0).abs() < 0.2, "{rate}");
        let eta = meter.eta(t, 11_000).expect("measured");
        assert!((eta - 200.0).abs() < 10.0, "{eta}");
        assert!(meter.anchors.len() <= ANCHORS + 1);
    }

    #[test]
    fn a_step_back_starts_over() {
        let mut meter = RateMeter::default();
        meter.push(0.0, 10);
        meter.push(1.0, 20);
        meter.push(500.0, 15);
        assert_eq!(meter.steps_per_second(), None);
        meter.push(501.0, 16);
        assert_eq!(meter.steps_per_second(), Some(1.0));
    }
}
