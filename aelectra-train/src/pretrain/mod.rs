//! Pretraining: the loop, its run directory, and continuing it.

mod baseline;
pub mod batch;
mod card;
pub mod checkpoint;
mod evaluate;
mod fit;
pub mod replicas;
mod run;
mod start;
pub mod step;
mod trainer;
pub mod weights;

pub use card::pretraining_card;
pub use evaluate::{evaluation_noise, held_out};
pub use run::{Job, Session, run};
pub use start::Resume;
pub use weights::InitialModels;

use aelectra_data::run::{EndEvent, EndReason, PretrainMetrics};
use serde::Serialize;

/// What a pretraining run ends with; the keys are those of `aelectra pretrain --json`.
#[derive(Clone, Debug, Serialize)]
pub struct PretrainSummary {
    /// Steps taken over the run's whole life.
    pub steps: u64,
    /// Metrics on held-out data at the end, or of the last training steps where there is none.
    #[serde(flatten)]
    pub metrics: PretrainMetrics,
    /// Whether the metrics are of held-out data.
    pub is_held_out: bool,
    /// MLM loss of guessing by word frequency alone, nats.
    pub unigram_entropy: Option<f64>,
    /// Real tokens a second while this process trained.
    pub tokens_per_second: f64,
    /// Highest resident memory of the process.
    pub peak_rss_bytes: u64,
    /// Steps skipped because something was not finite.
    pub skipped_steps: u64,
    /// Seconds this process trained.
    pub seconds: f64,
    /// Why it ended.
    pub reason: EndReason,
    /// What the process should exit with: 0, 1, or 128 + signal.
    pub exit_code: i32,
    /// The run directory.
    pub run: std::path::PathBuf,
}

impl PretrainSummary {
    /// What the last event of a run with this summary says.
    #[must_use]
    pub fn end_event(&self) -> EndEvent {
        EndEvent {
            reason: self.reason,
            exit_code: self.exit_code,
            step: Some(self.steps),
            ..EndEvent::default()
        }
    }
}
