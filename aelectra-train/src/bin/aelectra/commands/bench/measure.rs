//! Repeating a piece of work and summing up its times.

use std::time::Instant;

use aelectra_model::device::Profile;
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
    /// The first repetition, which compiles and measures kernels on a GPU; none without a warm-up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_ms: Option<f64>,
    /// Kernels of one repetition on a GPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<Launches>,
    /// What the last step computed: a fast step that computes nonsense must not look like one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<LastStep>,
}

/// Loss and gradient norm of a step; `None` where it is not a number.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct LastStep {
    pub loss: Option<f64>,
    pub grad_norm: Option<f64>,
}

/// What one repetition launched on a GPU.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Launches {
    launches: u64,
    /// Time on the device, all kernels together; the rest of the repetition it waited.
    kernels_ms: f64,
    repetition_ms: f64,
    /// By time, the longest first.
    kernels: Vec<Kernel>,
}

#[derive(Clone, Debug, Serialize)]
struct Kernel {
    name: String,
    launches: u64,
    ms: f64,
}

impl Launches {
    pub(super) fn of(profile: Profile) -> Self {
        let kernels = profile.kernels.into_iter();
        let kernels: Vec<Kernel> = kernels
            .map(|kernel| Kernel {
                name: kernel.name,
                launches: kernel.launches,
                ms: 1e3 * kernel.seconds,
            })
            .collect();
        Self {
            launches: kernels.iter().map(|kernel| kernel.launches).sum(),
            kernels_ms: kernels.iter().map(|kernel| kernel.ms).sum(),
            repetition_ms: 1e3 * profile.seconds,
            kernels,
        }
    }

    fn describe(&self) -> String {
        let head = format!(
            "{} launches, {:.2} ms on the device of {:.2} ms",
            self.launches, self.kernels_ms, self.repetition_ms
        );
        let row = |kernel: &Kernel| {
            let Kernel { name, launches, ms } = kernel;
            format!("{ms:9.3} ms {launches:6} × {name}")
        };
        let rows = self.kernels.iter().take(LONGEST).map(row);
        std::iter::once(head)
            .chain(rows)
            .collect::<Vec<_>>()
            .join("\n")
    }
}

/// Kernels that are shown.
const LONGEST: usize = 30;

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
    let mut first = None;
    for _ in 0..warmup {
        let started = Instant::now();
        work()?;
        first.get_or_insert(1e3 * started.elapsed().as_secs_f64());
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
        first_ms: first,
        profile: None,
        last: None,
    })
}

/// The same for a step that takes a model and gives the next; it is told the step's number. The model
/// comes back.
pub(super) fn measure_steps<M>(
    workload: Workload,
    args: &MeasureArgs,
    model: M,
    mut work: impl FnMut(M, u64) -> anyhow::Result<M>,
) -> anyhow::Result<(Option<M>, Measured)> {
    let (mut model, mut step) = (Some(model), 0);
    let measured = measure(workload, args.warmup, args.steps, || {
        model = model.take().map(|before| work(before, step)).transpose()?;
        step += 1;
        Ok(())
    })?;
    Ok((model, measured))
}

impl Measured {
    /// For people.
    pub(super) fn describe(&self) -> String {
        let text = format!(
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
        );
        let last = self.last.map(|last| {
            let (loss, norm) = (
                output::number(last.loss, 4),
                output::number(last.grad_norm, 3),
            );
            format!("last step: loss {loss}, gradient norm {norm}")
        });
        let profile = self.profile.as_ref().map(Launches::describe);
        let lines: Vec<String> = std::iter::once(text).chain(last).chain(profile).collect();
        lines.join("\n")
    }

    /// As JSON or for people.
    pub(super) fn print(&self, global: Global) -> anyhow::Result<u8> {
        output::show(global, self, || self.describe())
    }
}
