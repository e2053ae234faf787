//! Which numbers a run measures, what they are called and how they are written.

use aelectra_data::run::Visit;

use crate::format;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A loss or norm.
    Plain,
    /// A share of 1, written in percent.
    Share,
    /// A learning rate.
    Scientific,
    PerSecond,
    Bytes,
    Seconds,
    /// Percent as such, 100 = one core.
    Percent,
    Count,
}

impl Unit {
    /// Labels of an axis: shorter still, at the cost of the full unit, and all with as many digits
    /// as the one that needs most.
    pub(crate) fn write_ticks(self, ticks: &[f64]) -> Vec<String> {
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
            // One unit for all of them.
            Self::Seconds => match ticks
                .iter()
                .fold(0.0_f64, |most, tick| most.max(tick.abs()))
            {
                most if most < 1e-3 => with(1e6, " µs"),
                most if most < 1.0 => with(1e3, " ms"),
                most if most < 1e4 => with(1.0, " s"),
                _ => ticks.iter().map(|tick| self.write(*tick)).collect(),
            },
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

    /// Whether its curves are averaged: a learning rate follows a schedule and is drawn as it is.
    pub(crate) fn is_measured(self) -> bool {
        self != Self::Scientific
    }

    /// What round numbers of it are multiples of, among values up to this size: bytes are counted
    /// in powers of 1024.
    pub(crate) fn base(self, size: f64) -> f64 {
        let mut base = 1.0;
        if self == Self::Bytes {
            while size.abs() / base >= 1024.0 && base < 1e12 {
                base *= 1024.0;
            }
        }
        base
    }

    /// A value with its unit, short.
    pub(crate) fn write(self, value: f64) -> String {
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
    ($(#[$meta:meta])* $enum:ident { $($variant:ident = $name:literal, $label:literal, $unit:ident;)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $enum { $(#[doc = $label] $variant,)+ }

        impl $enum {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)+];

            pub(crate) const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }

            pub(crate) const fn unit(self) -> Unit {
                match self { $(Self::$variant => Unit::$unit,)+ }
            }

            pub(crate) const fn column(self) -> usize {
                self as usize
            }

            /// An event's numbers in column order, from its `visit`.
            pub(crate) fn values(visit: impl FnOnce(&mut Visit<'_>)) -> [Option<f64>; Self::ALL.len()] {
                let mut values = [None; Self::ALL.len()];
                visit(&mut |name, value| match name {
                    $($name => values[Self::$variant.column()] = value,)+
                    _ => {}
                });
                values
            }
        }
    };
}

metrics! {
    /// Numbers of pretraining steps and evaluations: name in the event, name on screen, unit.
    Metric {
        Loss = "loss", "total loss", Plain;
        MlmLoss = "mlm_loss", "MLM loss", Plain;
        RtdLoss = "rtd_loss", "RTD loss", Plain;
        MlmAccuracy = "mlm_accuracy", "MLM accuracy", Share;
        SampledAccuracy = "sampled_accuracy", "sampled accuracy", Share;
        RtdAccuracy = "rtd_accuracy", "accuracy", Share;
        RtdBaseline = "rtd_baseline", "all-original baseline", Share;
        RtdPrecision = "rtd_precision", "precision", Share;
        RtdRecall = "rtd_recall", "recall", Share;
        RtdAuc = "rtd_auc", "AUC", Share;
        Lr = "lr", "learning rate", Scientific;
        GradNorm = "grad_norm", "gradient norm", Plain;
        TokensPerSecond = "tokens_per_second", "tokens/s", PerSecond;
        Rss = "rss_bytes", "resident memory", Bytes;
        SkippedSteps = "skipped_steps", "skipped steps", Count;
        DataSeconds = "step_seconds.data", "data", Seconds;
        ForwardSeconds = "step_seconds.forward", "forward", Seconds;
        BackwardSeconds = "step_seconds.backward", "backward", Seconds;
        OptimizerSeconds = "step_seconds.optimizer", "optimizer", Seconds;
    }
}

metrics! {
    /// Numbers of fine-tuning steps.
    NerMetric {
        Loss = "loss", "NER loss", Plain;
        Lr = "lr", "NER learning rate", Scientific;
        GradNorm = "grad_norm", "NER gradient norm", Plain;
        TokensPerSecond = "tokens_per_second", "NER throughput", PerSecond;
    }
}

metrics! {
    /// Numbers of one of several devices.
    DeviceMetric {
        TokensPerSecond = "tokens_per_second", "tokens/s by device", PerSecond;
        Computing = "computing", "computing, share of a step", Share;
        Communication = "communication", "moving weights and gradients, share of a step", Share;
        Waiting = "waiting", "waiting for other devices, share of a step", Share;
    }
}

metrics! {
    /// Numbers of the machine.
    SystemMetric {
        Cpu = "cpu_percent", "process CPU, 100% = one core", Percent;
        Rss = "rss_bytes", "resident memory", Bytes;
        Memory = "memory_used_bytes", "machine memory", Bytes;
    }
}
