//! What can happen in a run. Field by field this is the schema table of the [module](super).
//!
//! A measured number is `Option<f64>`: `None` was not measured, `Some(NaN)` was measured and is not
//! finite. All event types have a `Default`, so a writer names only what it knows.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_with::skip_serializing_none;

use super::control::ControlRequest;
use super::metrics::{DeviceSeconds, PretrainMetrics, StepSeconds};
use super::numbers::{Visit, VisitMut, numbers};
use super::task::Task;

/// One event; `kind` in the file is the variant in snake case.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunEvent {
    /// A process began to train in this directory.
    Start(StartEvent),
    /// That process continues from a checkpoint; later steps logged before are void.
    Resumed(ResumedEvent),
    /// Pretraining metrics over the steps since the last such event.
    Step(StepEvent),
    /// Pretraining metrics on held-out data.
    Eval(EvalEvent),
    /// Fine-tuning metrics of one step.
    NerStep(NerStepEvent),
    /// Entity scores after an epoch.
    NerEval(NerEvalEvent),
    /// One sentence on its way through generator and discriminator.
    Sample(SampleEvent),
    /// A checkpoint is complete on disk.
    Checkpoint(CheckpointEvent),
    /// The trainer's answer to a control request.
    Control(ControlEvent),
    /// A line of text for the reader.
    Log(LogEvent),
    /// What the machine is doing.
    System(SystemEvent),
    /// The process left in good order.
    End(EndEvent),
    /// A kind this version does not know; readers pass over it. It cannot be written.
    #[serde(skip_serializing)]
    Unknown(String),
}

impl RunEvent {
    /// Calls `f` with each number the event can carry, under its name in the file.
    pub fn visit(&self, f: &mut Visit<'_>) {
        match self {
            Self::Step(event) => event.visit(f),
            Self::Eval(event) => event.visit(f),
            Self::NerStep(event) => event.visit(f),
            Self::NerEval(event) => event.visit(f),
            Self::System(event) => event.visit(f),
            _ => {}
        }
    }

    pub(super) fn visit_mut(&mut self, f: &mut VisitMut<'_>) {
        match self {
            Self::Step(event) => event.visit_mut(f),
            Self::Eval(event) => event.visit_mut(f),
            Self::NerStep(event) => event.visit_mut(f),
            Self::NerEval(event) => event.visit_mut(f),
            Self::System(event) => event.visit_mut(f),
            _ => {}
        }
    }
}

/// A process began to train.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StartEvent {
    /// What it trains.
    pub task: Task,
    /// The run's id.
    pub run: Option<String>,
    /// The architecture or recipe in words.
    pub model: Option<String>,
    /// The device as `--device` has it, for example `flex` or `cuda:0`.
    pub device: Option<String>,
    /// The step at which the run will end.
    pub total_steps: Option<u64>,
    /// Epochs of fine-tuning per seed.
    pub total_epochs: Option<u64>,
    /// Steps taken before this process; absent means 0.
    pub first_step: Option<u64>,
    /// Examples per optimizer step, accumulation included.
    pub batch_size: Option<u64>,
    /// Tokens per example.
    pub sequence_length: Option<u64>,
    /// Trained parameters; of a fine-tuning those of the encoder.
    pub parameters: Option<u64>,
    /// The run's seed.
    pub seed: Option<u64>,
    /// The process id, to tell a crashed run from a slow one on the same host.
    pub pid: Option<u32>,
    /// The host on which `pid` means something.
    pub host: Option<String>,
    /// Steps between `step` events.
    pub log_every: Option<u64>,
    /// Steps between `eval` events.
    pub eval_every: Option<u64>,
    /// Steps between checkpoints.
    pub checkpoint_every: Option<u64>,
    /// Seconds after which this process ends the run if its steps have not.
    pub max_seconds: Option<f64>,
}

/// The run continues from a checkpoint.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ResumedEvent {
    /// The checkpoint's step: the last step that counts.
    pub step: u64,
    /// The checkpoint, relative to the run directory.
    pub checkpoint: Option<String>,
}

/// Pretraining metrics, averaged over the steps since the previous `step` event; the gradient's norm is the last step's.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepEvent {
    /// Optimizer steps taken, this one included; the first is 1.
    pub step: u64,
    /// The step at which the run will end.
    pub total_steps: Option<u64>,
    /// Losses and scores.
    #[serde(flatten)]
    pub metrics: PretrainMetrics,
    /// Learning rate of this step.
    pub lr: Option<f64>,
    /// Global gradient norm before clipping.
    pub grad_norm: Option<f64>,
    /// Non-padding input tokens since step 0.
    pub tokens_seen: Option<u64>,
    /// Non-padding input tokens per second of training.
    pub tokens_per_second: Option<f64>,
    /// Where the time of an average step went.
    #[serde(default, skip_serializing_if = "StepSeconds::is_empty")]
    pub step_seconds: StepSeconds,
    /// Where it went on each device, if there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<DeviceSeconds>,
    /// Resident memory of the process.
    pub rss_bytes: Option<u64>,
    /// Steps skipped so far because a loss or gradient was not finite.
    pub skipped_steps: Option<u64>,
}

numbers!(StepEvent: [metrics] [step_seconds] lr grad_norm tokens_per_second;
    counts tokens_seen rss_bytes skipped_steps);

/// Pretraining metrics on held-out data.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EvalEvent {
    /// The step whose weights were measured.
    pub step: u64,
    /// Which data, `validation` if absent.
    pub split: Option<String>,
    /// How many examples.
    pub examples: Option<u64>,
    /// How long it took; an ETA counts it.
    pub seconds: Option<f64>,
    /// Losses and scores.
    #[serde(flatten)]
    pub metrics: PretrainMetrics,
}

numbers!(EvalEvent: [metrics] seconds; counts examples);

/// Fine-tuning metrics of one step.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NerStepEvent {
    /// The seed of this fine-tuning.
    pub seed: u64,
    /// The epoch, from 1.
    pub epoch: u64,
    /// Optimizer steps of this seed, from 1.
    pub step: u64,
    /// Steps this seed will take.
    pub total_steps: Option<u64>,
    /// Epochs this seed will take.
    pub total_epochs: Option<u64>,
    /// What is compared when one run fine-tunes several models: `pretrained`, `random_init`.
    pub arm: Option<String>,
    /// The peak learning rate that is tried out, while the first seed chooses one; such a training
    /// gives no result of its own.
    pub trial: Option<f64>,
    /// Token cross-entropy, nats.
    pub loss: Option<f64>,
    /// Learning rate of the head.
    pub lr: Option<f64>,
    /// Global gradient norm before clipping.
    pub grad_norm: Option<f64>,
    /// Non-padding tokens per second.
    pub tokens_per_second: Option<f64>,
}

numbers!(NerStepEvent: loss lr grad_norm tokens_per_second);

/// Precision, recall, F1 and support of one entity class, shares in 0..=1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassScore {
    /// Share of predicted entities that are right.
    #[serde(deserialize_with = "nan_if_null")]
    pub precision: f64,
    /// Share of gold entities that were found.
    #[serde(deserialize_with = "nan_if_null")]
    pub recall: f64,
    /// Their harmonic mean.
    #[serde(deserialize_with = "nan_if_null")]
    pub f1: f64,
    /// Gold entities.
    pub support: u64,
}

/// JSON has no NaN, so one was written as `null`.
fn nan_if_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

/// Entities counted by gold and predicted label.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Confusion {
    /// Labels of rows and columns; a last label `O` holds spurious (row) and missed (column) ones.
    pub labels: Vec<String>,
    /// `counts[gold][predicted]`, as many rows and columns as labels.
    pub counts: Vec<Vec<u64>>,
}

/// Entity scores (seqeval's definitions) on one split after an epoch.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NerEvalEvent {
    /// The seed of this fine-tuning.
    pub seed: u64,
    /// The epoch just finished, from 1.
    pub epoch: u64,
    /// Optimizer steps of this seed.
    pub step: Option<u64>,
    /// `dev` or `test`; `dev` if absent.
    pub split: Option<String>,
    /// See [`NerStepEvent::arm`].
    pub arm: Option<String>,
    /// See [`NerStepEvent::trial`].
    pub trial: Option<f64>,
    /// Micro-averaged F1 over all classes.
    pub micro_f1: Option<f64>,
    /// 95 % bootstrap interval of `micro_f1` over sentences, `[low, high]`; on `test` alone.
    pub micro_f1_interval: Option<[f64; 2]>,
    /// Micro-averaged precision.
    pub micro_precision: Option<f64>,
    /// Micro-averaged recall.
    pub micro_recall: Option<f64>,
    /// Micro-averaged F1 over all classes but MISC.
    pub micro_no_misc: Option<f64>,
    /// Unweighted mean of the classes' F1.
    pub macro_f1: Option<f64>,
    /// Scores by class.
    #[serde(default)]
    pub classes: BTreeMap<String, ClassScore>,
    /// Which entities were taken for which.
    pub confusion: Option<Confusion>,
    /// How long the evaluation took.
    pub seconds: Option<f64>,
}

numbers!(NerEvalEvent: micro_f1 micro_precision micro_recall micro_no_misc macro_f1 seconds);

/// One token of a [`SampleEvent`].
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SampleToken {
    /// The word piece of the text.
    pub original: String,
    /// What the generator saw: `[MASK]` or the original.
    pub masked: String,
    /// What the discriminator saw: the generator's sample, or the original.
    pub sampled: String,
    /// The discriminator's probability that the token was replaced.
    pub replaced_probability: Option<f64>,
    /// Whether it was: `sampled` differs from `original`.
    #[serde(default)]
    pub is_replaced: bool,
}

/// One sentence on its way through generator and discriminator.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SampleEvent {
    /// The step whose weights were used.
    pub step: u64,
    /// Which data it is from.
    pub split: Option<String>,
    /// The tokens in order, padding left out.
    pub tokens: Vec<SampleToken>,
}

/// A checkpoint is complete on disk.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CheckpointEvent {
    /// Its step.
    pub step: u64,
    /// Where, relative to the run directory.
    #[serde(default)]
    pub path: String,
    /// Whether `best` now points at it.
    #[serde(default)]
    pub best: bool,
    /// Its size.
    pub bytes: Option<u64>,
    /// How long training waited for it.
    pub seconds: Option<f64>,
}

/// What became of a control request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ControlStatus {
    /// The trainer has seen it and will do it.
    #[default]
    Acknowledged,
    /// It is done.
    Done,
    /// It cannot be done; `message` says why.
    Refused,
}

/// The trainer's answer to a request in `control/`.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ControlEvent {
    /// The request's id, see [`request_control`](super::request_control).
    pub id: String,
    /// What was asked for.
    pub request: ControlRequest,
    /// What became of it.
    #[serde(default)]
    pub status: ControlStatus,
    /// The step at which it was seen or done.
    pub step: Option<u64>,
    /// More for the reader.
    pub message: Option<String>,
}

/// How loud a log line is. Names not listed are read as `info`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", from = "String")]
pub enum LogLevel {
    /// For finding a fault.
    Debug,
    /// For everyone.
    #[default]
    Info,
    /// Something is not as it should be; the run goes on.
    Warn,
    /// Something failed.
    Error,
}

impl From<String> for LogLevel {
    fn from(name: String) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "trace" | "debug" => Self::Debug,
            "warn" | "warning" => Self::Warn,
            "error" => Self::Error,
            _ => Self::Info,
        }
    }
}

/// A line of text for the reader.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LogEvent {
    /// How loud.
    #[serde(default)]
    pub level: LogLevel,
    /// The text.
    pub message: String,
    /// The step at which it was written.
    pub step: Option<u64>,
}

/// What the machine is doing.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SystemEvent {
    /// The process's processor use, 100 = one core.
    pub cpu_percent: Option<f64>,
    /// The process's resident memory.
    pub rss_bytes: Option<u64>,
    /// Memory in use on the machine.
    pub memory_used_bytes: Option<u64>,
    /// Memory of the machine.
    pub memory_total_bytes: Option<u64>,
    /// Worker threads.
    pub threads: Option<u64>,
}

numbers!(SystemEvent: cpu_percent;
    counts rss_bytes memory_used_bytes memory_total_bytes threads);

/// Why a process left. Reasons not listed are read as `failed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The last step of the schedule was taken.
    Completed,
    /// `--max-steps` or `--max-hours` was reached.
    Limit,
    /// A control request asked for it.
    Stopped,
    /// A signal asked for it.
    Interrupted,
    /// Too many steps in a row were not finite.
    Nonfinite,
    /// An error.
    #[default]
    #[serde(other)]
    Failed,
}

impl EndReason {
    /// Its name in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Limit => "limit",
            Self::Stopped => "stopped",
            Self::Interrupted => "interrupted",
            Self::Nonfinite => "nonfinite",
            Self::Failed => "failed",
        }
    }
}

/// The process left in good order.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EndEvent {
    /// Why.
    pub reason: EndReason,
    /// The exit status it left with.
    pub exit_code: i32,
    /// The last step taken.
    pub step: Option<u64>,
    /// More for the reader, the error for example.
    pub message: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_visited_under_its_key() {
        let mut event = RunEvent::Step(StepEvent::default());
        event.visit_mut(&mut |_, value| *value = Some(0.5));
        let written = serde_json::to_value(&event).expect("writable");
        let mut visited = Vec::new();
        event.visit(&mut |name, value| {
            if value.is_some() {
                visited.push(name);
                let key = format!("/{}", name.replace('.', "/"));
                assert_eq!(
                    written.pointer(&key),
                    Some(&serde_json::json!(0.5)),
                    "{name}"
                );
            }
        });
        // Ten metrics, five times, lr, grad_norm, tokens_per_second.
        assert_eq!(visited.len(), 18, "{visited:?}");
    }
}
