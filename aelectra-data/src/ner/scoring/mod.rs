//! How good predictions are, how certain that is, and what went wrong.

mod by_class;
mod error_table;
mod evaluation;
mod novelty;
mod score;
mod stats;

pub use by_class::{ClassSummary, by_class};
pub use error_table::{EntityText, ErrorKind, ErrorTable, NerError, error_table};
pub use evaluation::Evaluation;
pub use novelty::{Novelty, novelty};
#[cfg(test)]
pub(super) use score::tests::sentences;
pub use score::{ClassScore, Confusion, NerReport, piece_f1_original, score};
pub use stats::{
    Interval, Resampling, Significance, Summary, bootstrap, paired_bootstrap, paired_randomization,
};
