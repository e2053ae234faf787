//! The run directory: what a training run writes and everything else reads.
//!
//! ```text
//! runs/<id>/
//! ├── manifest.json        how the run was started            [`Manifest`]
//! ├── config.json          the configuration alone (pretraining)
//! ├── events.jsonl         what happened, the source of truth [`EventWriter`], [`EventReader`]
//! ├── lock                 who trains here now                [`Lock`](crate::lock::Lock)
//! ├── tb/                  the same scalars for TensorBoard
//! ├── checkpoints/step-N/  everything needed to continue
//! ├── tokenizer/           of pretraining: what its checkpoints need
//! ├── discriminator/, generator/   of pretraining: models in Hugging Face layout
//! ├── model/               of fine-tuning: the best tagger, likewise
//! ├── seeds/               of fine-tuning: what each seed reached
//! ├── last, best           pointers: text files holding a path relative to the run [`Pointer`]
//! └── control/             requests to the running trainer    [`request_control`], [`poll_control`]
//! ```
//!
//! # The schema of `events.jsonl`, version 1
//!
//! One JSON object a line, UTF-8, ended by `\n`; a last line without its newline is not there yet.
//! Every line begins with the envelope
//!
//! | field | type | meaning |
//! | --- | --- | --- |
//! | `v` | integer | schema version, 1 |
//! | `seq` | integer | 0, 1, 2, … over the file's life, restarts included |
//! | `t` | number | Unix time in seconds |
//! | `nonfinite` | list of strings | names of the event's numbers that were NaN or infinite; such a number is written as `null`, since JSON has no NaN. Absent when empty |
//! | `kind` | string | which event; the other fields depend on it |
//!
//! | `kind` | fields (`?` = may be absent) | Rust |
//! | --- | --- | --- |
//! | `start` | `task`, `run?`, `model?`, `device?`, `total_steps?`, `total_epochs?`, `first_step?`, `batch_size?`, `sequence_length?`, `parameters?`, `seed?`, `pid?`, `host?`, `log_every?`, `eval_every?`, `checkpoint_every?`, `max_seconds?` | [`StartEvent`] |
//! | `resumed` | `step`, `checkpoint?` | [`ResumedEvent`] |
//! | `step` | `step`, `total_steps?`, the fields of [`PretrainMetrics`], `lr?`, `grad_norm?`, `tokens_seen?`, `tokens_per_second?`, `step_seconds?` {`data?`, `forward?`, `backward?`, `optimizer?`, `total?`}, `devices?` [{`device`, `tokens`, `compute`, `communication`, `waiting`}], `rss_bytes?`, `skipped_steps?` | [`StepEvent`] |
//! | `eval` | `step`, `split?`, `examples?`, `seconds?`, and the fields of [`PretrainMetrics`] | [`EvalEvent`] |
//! | `ner_step` | `seed`, `epoch`, `step`, `total_steps?`, `total_epochs?`, `arm?`, `trial?`, `loss?`, `lr?`, `grad_norm?`, `tokens_per_second?` | [`NerStepEvent`] |
//! | `ner_eval` | `seed`, `epoch`, `step?`, `split?`, `arm?`, `trial?`, `micro_f1?`, `micro_f1_interval?` [low, high], `micro_precision?`, `micro_recall?`, `micro_no_misc?`, `macro_f1?`, `classes` {label: {`precision`, `recall`, `f1`, `support`}}, `confusion?` {`labels`, `counts`}, `seconds?` | [`NerEvalEvent`] |
//! | `sample` | `step`, `split?`, `tokens` [{`original`, `masked`, `sampled`, `replaced_probability?`, `is_replaced`}] | [`SampleEvent`] |
//! | `checkpoint` | `step`, `path`, `best?`, `bytes?`, `seconds?` | [`CheckpointEvent`] |
//! | `control` | `id`, `request`, `status`, `step?`, `message?` | [`ControlEvent`] |
//! | `log` | `level`, `message`, `step?` | [`LogEvent`] |
//! | `system` | `cpu_percent?`, `rss_bytes?`, `memory_used_bytes?`, `memory_total_bytes?`, `threads?` | [`SystemEvent`] |
//! | `end` | `reason`, `exit_code`, `step?`, `message?` | [`EndEvent`] |
//!
//! Readers ignore kinds and fields they do not know ([`RunEvent::Unknown`]); fields are added
//! without a new version, `v` is raised only when an old field changes its meaning. The golden file
//! `assets/golden/events.jsonl` holds one line of each kind and must stay readable.
//!
//! # Continuing
//!
//! A run that is continued from a checkpoint of step n appends a `resumed` event with that step:
//! the `step`, `eval`, `sample` and `checkpoint` events of later steps before it are void.

mod control;
mod dir;
mod event;
mod host;
mod line;
mod manifest;
mod metrics;
mod numbers;
mod reader;
mod task;
mod time;
mod writer;

pub use control::{ControlRequest, clear_control, poll_control, request_control};
pub use dir::{Pointer, RunDir};
pub use event::{
    CheckpointEvent, ClassScore, Confusion, ControlEvent, ControlStatus, EndEvent, EndReason,
    EvalEvent, LogEvent, LogLevel, NerEvalEvent, NerStepEvent, ResumedEvent, RunEvent, SampleEvent,
    SampleToken, StartEvent, StepEvent, SystemEvent,
};
pub use host::host_name;
pub use line::Envelope;
pub use manifest::{Manifest, leaves};
pub use metrics::{DeviceSeconds, PretrainMetrics, StepSeconds};
pub use numbers::Visit;
pub use reader::EventReader;
pub use task::Task;
pub use time::{new_run_id, unix_time, utc_timestamp};
pub use writer::EventWriter;
