//! Which numbers a run measures, what they are called and how they are written.

use aelectra_data::run::{EvalEvent, StepEvent, SystemEvent};

use crate::format;

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A loss or norm.
    Plain,
    /// A share of 1, written in percent.
    Share,
    /// A learning rate.
    Scientific,
    /// Tokens per second.
    PerSecond,
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
    /// Percent as such, 100 = one core.
    Percent,
    /// A count.
    Count,
}

impl Unit {
    /// Labels of an axis: shorter still, at the cost of the full unit, and all with as many digits
    /// as the one that needs most.
    #[must_use]
    pub fn write_ticks(self, ticks: &[f64]) -> Vec<String> {
        let with = |scale: f64, end: &str| {
            let digits = ticks
                .iter()
                .map(|tick| format::digits_needed(tick * scale))
                .max()
                .unwrap_or(0);
            let write = |tick: &f64| format!("{:.digits$}{end}", tick * scale);
            ticks.iter().map(write).collect()
        };
        match self {
            Self::Plain if ticks.iter().all(|tick| tick.abs() < 1e5) => with(1.0, ""),
            Self::Share => with(100.0, "%"),
            Self::Scientific => ticks
                .iter()
                .map(|tick| format::scientific(*tick).replace(".0e", "e"))
                .collect(),
            Self::Bytes => {
                let short = |tick: &f64| format::bytes(*tick).replace("iB", "").replace(' ', "");
                ticks
                    .iter()
                    .map(|tick| short(tick).replace(".0", ""))
                    .collect()
            }
            Self::PerSecond | Self::Count => ticks
                .iter()
                .map(|tick| format::round_count(*tick))
                .collect(),
            _ => ticks.iter().map(|tick| self.write(*tick)).collect(),
        }
    }

    /// What round numbers of it are multiples of, among values up to this size: bytes are counted
    /// in powers of 1024.
    #[must_use]
    pub fn base(self, size: f64) -> f64 {
        let mut base = 1.0;
        if self == Self::Bytes {
            while size.abs() / base >= 1024.0 && base < 1e12 {
                base *= 1024.0;
            }
        }
        base
    }

    /// A value with its unit, short.
    #[must_use]
    pub fn write(self, value: f64) -> String {
        if !value.is_finite() {
            return "NaN".into();
        }
        match self {
            Self::Plain => format::significant(value, 4),
            Self::Share => format!("{:.1}%", value * 100.0),
            Self::Scientific => format::scientific(value),
            Self::PerSecond => format!("{}/s", format::count(value)),
            Self::Bytes => format::bytes(value),
            Self::Seconds => format::seconds(value),
            Self::Percent => format!("{value:.0}%"),
            Self::Count => format::count(value),
        }
    }
}

macro_rules! metrics {
    ($(#[$meta:meta])* $enum:ident { $($variant:ident = $label:literal, $unit:ident;)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $enum { $(#[doc = $label] $variant,)+ }

        impl $enum {
            /// All of them, in column order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// What it is called on screen.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }

            /// How it is written.
            #[must_use]
            pub const fn unit(self) -> Unit {
                match self { $(Self::$variant => Unit::$unit,)+ }
            }

            /// Its column.
            #[must_use]
            pub const fn column(self) -> usize {
                self as usize
            }
        }
    };
}

metrics! {
    /// Numbers of pretraining steps and evaluations.
    Metric {
        Loss = "total loss", Plain;
        MlmLoss = "MLM loss", Plain;
        RtdLoss = "RTD loss", Plain;
        MlmAccuracy = "MLM accuracy", Share;
        SampledAccuracy = "sampled accuracy", Share;
        RtdAccuracy = "accuracy", Share;
        RtdBaseline = "all-original baseline", Share;
        RtdPrecision = "precision", Share;
        RtdRecall = "recall", Share;
        RtdAuc = "AUC", Share;
        Lr = "learning rate", Scientific;
        GradNorm = "gradient norm", Plain;
        TokensPerSecond = "tokens/s", PerSecond;
        Rss = "resident memory", Bytes;
        SkippedSteps = "skipped steps", Count;
        DataSeconds = "data", Seconds;
        ForwardSeconds = "forward", Seconds;
        BackwardSeconds = "backward", Seconds;
        OptimizerSeconds = "optimizer", Seconds;
    }
}

metrics! {
    /// Numbers of fine-tuning steps.
    NerMetric {
        Loss = "loss", Plain;
        Lr = "learning rate", Scientific;
        GradNorm = "gradient norm", Plain;
        TokensPerSecond = "tokens/s", PerSecond;
    }
}

metrics! {
    /// Numbers of the machine.
    SystemMetric {
        Cpu = "process CPU, 100% = one core", Percent;
        Rss = "resident memory", Bytes;
        Memory = "machine memory", Bytes;
        DiskFree = "disk free", Bytes;
        Gpu = "GPU", Percent;
        GpuMemory = "GPU memory", Bytes;
    }
}

/// A step event's numbers in [`Metric`] order.
#[must_use]
pub fn step_values(event: &StepEvent) -> [Option<f64>; Metric::ALL.len()] {
    let seconds = event.step_seconds.unwrap_or_default();
    [
        event.loss,
        event.mlm_loss,
        event.rtd_loss,
        event.mlm_accuracy,
        event.sampled_accuracy,
        event.rtd_accuracy,
        event.rtd_baseline,
        event.rtd_precision,
        event.rtd_recall,
        event.rtd_auc,
        event.lr,
        event.grad_norm,
        event.tokens_per_second,
        event.rss_bytes.map(|value| value as f64),
        event.skipped_steps.map(|value| value as f64),
        seconds.data,
        seconds.forward,
        seconds.backward,
        seconds.optimizer,
    ]
}

/// An evaluation's numbers in [`Metric`] order.
#[must_use]
pub fn eval_values(event: &EvalEvent) -> [Option<f64>; Metric::ALL.len()] {
    let mut values = [None; Metric::ALL.len()];
    let measured = [
        event.loss,
        event.mlm_loss,
        event.rtd_loss,
        event.mlm_accuracy,
        event.sampled_accuracy,
        event.rtd_accuracy,
        event.rtd_baseline,
        event.rtd_precision,
        event.rtd_recall,
        event.rtd_auc,
    ];
    values[..measured.len()].copy_from_slice(&measured);
    values
}

/// A system event's numbers in [`SystemMetric`] order; several GPUs are averaged and summed.
#[must_use]
pub fn system_values(event: &SystemEvent) -> [Option<f64>; SystemMetric::ALL.len()] {
    let as_f64 = |value: Option<u64>| value.map(|value| value as f64);
    let busy: Vec<f64> = event
        .gpus
        .iter()
        .filter_map(|gpu| gpu.utilization_percent)
        .collect();
    let memory: Vec<f64> = event
        .gpus
        .iter()
        .filter_map(|gpu| as_f64(gpu.memory_used_bytes))
        .collect();
    [
        event.cpu_percent,
        as_f64(event.rss_bytes),
        as_f64(event.memory_used_bytes),
        as_f64(event.disk_free_bytes),
        (!busy.is_empty()).then(|| busy.iter().sum::<f64>() / busy.len() as f64),
        (!memory.is_empty()).then(|| memory.iter().sum()),
    ]
}
