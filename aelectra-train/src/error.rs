//! The error of this crate.

use std::path::Path;

use aelectra_data::DataError;
use aelectra_data::hub::HubError;
use aelectra_model::ModelError;

/// `Result` with [`TrainError`].
pub type Result<T, E = TrainError> = std::result::Result<T, E>;

/// What can stop training, evaluation or inference.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// Wrong or unreadable data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A model that is neither a directory nor to be got from the hub.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// Wrong or unreadable model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A configuration that does not hold together, or does not fit its data.
    #[error("{message}")]
    Config {
        /// What does not hold.
        message: String,
        /// What the reader can do about it.
        hint: Option<String>,
    },
    /// The work itself failed: too many steps in a row without a finite loss, a check that does not
    /// hold.
    #[error("{message}")]
    Failed {
        /// What failed.
        message: String,
        /// What the reader can do about it.
        hint: Option<String>,
    },
}

impl TrainError {
    /// A [`TrainError::Config`] without advice.
    pub fn config(message: impl Into<String>) -> Self {
        Self::Config {
            message: message.into(),
            hint: None,
        }
    }

    /// A [`TrainError::Failed`].
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed {
            message: message.into(),
            hint: None,
        }
    }

    /// A [`DataError::Io`], for `map_err`.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let data = DataError::io(action, path);
        move |source| data(source).into()
    }

    /// The same error with a line of advice, where its kind carries one.
    #[must_use]
    pub fn with_hint(mut self, advice: impl Into<String>) -> Self {
        if let Self::Config { hint, .. } | Self::Failed { hint, .. } = &mut self {
            *hint = Some(advice.into());
        }
        self
    }

    /// What the reader can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Data(error) => error.hint(),
            Self::Hub(error) => error.hint(),
            Self::Model(error) => error.hint(),
            Self::Config { hint, .. } | Self::Failed { hint, .. } => hint.as_deref(),
        }
    }

    /// What a program should exit with: 2 when the input is at fault, 1 when the work is.
    #[must_use]
    pub const fn exit_code(&self) -> i32 {
        match self {
            Self::Failed { .. } => 1,
            _ => 2,
        }
    }
}
