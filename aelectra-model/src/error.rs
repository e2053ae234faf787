//! The error of this crate.

use std::path::{Path, PathBuf};

/// `Result` with [`ModelError`].
pub type Result<T, E = ModelError> = std::result::Result<T, E>;

/// What can be wrong with a configuration, a checkpoint or a device name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The operating system refused an operation on a file.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// The operation as a verb: "open", "read", "write".
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The operating system's reason.
        #[source]
        source: std::io::Error,
    },
    /// A configuration or checkpoint file is not what its format asks for.
    #[error("`{}`: {message}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        message: String,
        /// What the reader can do about it.
        hint: Option<String>,
    },
    /// A configuration, device or request that cannot be met.
    #[error("{message}")]
    Invalid {
        /// What cannot be met.
        message: String,
        /// What the reader can do about it.
        hint: Option<String>,
    },
}

impl ModelError {
    /// A [`ModelError::Io`], for `map_err`.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    /// A [`ModelError::Format`] without advice.
    pub fn format(path: impl AsRef<Path>, message: impl Into<String>) -> Self {
        Self::Format {
            path: path.as_ref().to_path_buf(),
            message: message.into(),
            hint: None,
        }
    }

    /// A [`ModelError::Invalid`] without advice.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid {
            message: message.into(),
            hint: None,
        }
    }

    /// The same error with a line of advice, where its kind carries one.
    #[must_use]
    pub fn with_hint(mut self, advice: impl Into<String>) -> Self {
        if let Self::Format { hint, .. } | Self::Invalid { hint, .. } = &mut self {
            *hint = Some(advice.into());
        }
        self
    }

    /// What the reader can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Format { hint, .. } | Self::Invalid { hint, .. } => hint.as_deref(),
            Self::Io { .. } => None,
        }
    }
}
