//! The error of this crate.

use std::path::PathBuf;

/// `Result` with [`TuiError`].
pub type Result<T, E = TuiError> = std::result::Result<T, E>;

/// What can go wrong around the dashboard. Within it, problems are shown on screen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TuiError {
    /// A run directory is not one, or a file cannot be read or written.
    #[error(transparent)]
    Data(#[from] aelectra_data::DataError),
    /// The terminal refused.
    #[error("terminal: {0}")]
    Terminal(#[source] std::io::Error),
    /// There is no run to show.
    #[error("there is no run in `{}`", .0.display())]
    NoRun(PathBuf),
    /// Options that do not fit.
    #[error("{0}")]
    Invalid(String),
}

impl TuiError {
    /// What the reader can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Data(error) => error.hint(),
            Self::NoRun(_) => Some("start one with `aelectra pretrain`, or give its directory"),
            _ => None,
        }
    }
}
