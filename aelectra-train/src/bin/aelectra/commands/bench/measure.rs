//! Repeating a piece of work and summing up its times.

use std::time::Instant;

use aelectra_train::system::{processor_seconds, resident_memory};
use serde::Serialize;

use super::args::MeasureArgs;
use crate::global::Global;
use crate::output;

/// Times of one repetition over several.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Measured {
    pub workload: String,
    pub device: String,
    pub threads: usize,
    /// Repetitions measured.
    pub steps: usize,
    pub median_ms: f64,
    pub mean_ms: f64,
    pub min_ms: f64,
    pub max_ms: f64,
    /// Processor time of all threads a repetition, which a busy machine distorts less.
    pub cpu_ms: f64,
    /// Real tokens a second at the median.
    pub tokens_per_second: f64,
    /// Sequences a second at the median.
    pub sequences_per_second: f64,
    /// Highest resident memory of the process, loading included.
    pub peak_rss_bytes: u64,
    pub parameters: Option<u64>,
}

/// What is measured, in numbers that do not change.
pub(super) struct Workload {
    pub name: String,
    pub device: String,
    pub tokens: usize,
    pub sequences: usize,
    pub parameters: Option<u64>,
}

/// Runs `work` `warmup` times, then `steps` times measured.
pub(super) fn measure(
    workload: Workload,
    warmup: usize,
    steps: usize,
    mut work: impl FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<Measured> {
    for _ in 0..warmup {
        work()?;
    }
    let before = processor_seconds();
    let mut times = Vec::with_capacity(steps);
    for _ in 0..steps {
        let started = Instant::now();
        work()?;
        times.push(started.elapsed().as_secs_f64());
    }
    let cpu = processor_seconds() - before;
    times.sort_by(f64::total_cmp);
    let middle = times.len() / 2;
    let median = if times.len().is_multiple_of(2) {
        f64::midpoint(times[middle - 1], times[middle])
    } else {
        times[middle]
    };
    Ok(Measured {
        workload: workload.name,
        device: workload.device,
        threads: rayon::current_num_threads(),
        steps,
        median_ms: 1e3 * median,
        mean_ms: 1e3 * times.iter().sum::<f64>() / steps as f64,
        min_ms: 1e3 * times[0],
        max_ms: 1e3 * times[times.len() - 1],
        cpu_ms: 1e3 * cpu / steps as f64,
        tokens_per_second: workload.tokens as f64 / median,
        sequences_per_second: workload.sequences as f64 / median,
        peak_rss_bytes: resident_memory().1,
        parameters: workload.parameters,
    })
}

/// The same for a step that takes a model and gives the next; it is told the step's number.
pub(super) fn measure_steps<M>(
    workload: Workload,
    args: &MeasureArgs,
    model: M,
    mut work: impl FnMut(M, u64) -> anyhow::Result<M>,
) -> anyhow::Result<Measured> {
    let (mut model, mut step) = (Some(model), 0);
    measure(workload, args.warmup, args.steps, || {
        model = model.take().map(|before| work(before, step)).transpose()?;
        step += 1;
        Ok(())
    })
}

impl Measured {
    /// For people.
    pub(super) fn describe(&self) -> String {
        format!(
            "{} on {} with {} threads, {} repetitions\n\
             median {:.2} ms (smallest {:.2}, largest {:.2}), {:.2} ms of processor time\n\
             {:.0} tokens/s, {:.1} sequences/s, peak memory {:.0} MB",
            self.workload,
            self.device,
            self.threads,
            self.steps,
            self.median_ms,
            self.min_ms,
            self.max_ms,
            self.cpu_ms,
            self.tokens_per_second,
            self.sequences_per_second,
            self.peak_rss_bytes as f64 / 1e6,
        )
    }

    /// As JSON or for people.
    pub(super) fn print(&self, global: Global) -> anyhow::Result<u8> {
        output::show(global, self, || self.describe())
    }
}
