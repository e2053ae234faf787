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
    /// A loss, gradients or scores that are not finite: a training that diverged, or weights that are damaged.
    #[error("{message}")]
    NotFinite {
        /// What is not finite.
        message: String,
        /// What the reader can do about it.
        hint: Option<String>,
    },
    /// The work itself failed: a device, a thread, a check that does not hold.
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

    /// A [`TrainError::NotFinite`].
    pub fn not_finite(message: impl Into<String>) -> Self {
        Self::NotFinite {
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
        if let Self::Config { hint, .. }
        | Self::NotFinite { hint, .. }
        | Self::Failed { hint, .. } = &mut self
        {
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
            Self::Config { hint, .. }
            | Self::NotFinite { hint, .. }
            | Self::Failed { hint, .. } => hint.as_deref(),
        }
    }

    /// What a program should exit with: 2 when the input is at fault, so that the same command would
    /// fail again, 1 when the work is: its disk, its network, or the work itself.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::NotFinite { .. } | Self::Failed { .. } => 1,
            Self::Config { .. } => 2,
            Self::Data(error) => of_data(error),
            Self::Hub(error) => of_hub(error),
            Self::Model(error) => of_model(error),
        }
    }
}

impl TrainError {
    /// Whether there was no room for a file.
    pub(crate) fn is_of_a_full_disk(&self) -> bool {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        let (Self::Data(DataError::Io { source, .. }) | Self::Model(ModelError::Io { source, .. })) =
            self
        else {
            return false;
        };
        matches!(source.kind(), StorageFull | QuotaExceeded)
    }
}

/// The exit code of an error by itself, as [`TrainError::exit_code`] has it; `None` for one that is not
/// of these crates and not the operating system's.
#[must_use]
pub fn exit_code_of(error: &(dyn std::error::Error + 'static)) -> Option<i32> {
    if let Some(error) = error.downcast_ref::<TrainError>() {
        return Some(error.exit_code());
    }
    (error.downcast_ref().map(of_data))
        .or_else(|| error.downcast_ref().map(of_hub))
        .or_else(|| error.downcast_ref().map(of_model))
        .or_else(|| error.downcast_ref().map(of_io))
}

fn of_data(error: &DataError) -> i32 {
    match error {
        DataError::Io { source, .. } => of_io(source),
        _ => 2,
    }
}

fn of_model(error: &ModelError) -> i32 {
    match error {
        ModelError::Io { source, .. } => of_io(source),
        _ => 2,
    }
}

fn of_hub(error: &HubError) -> i32 {
    match error {
        HubError::Data(error) => of_data(error),
        HubError::NoNetwork { .. }
        | HubError::NoDataset { .. }
        | HubError::Server { .. }
        | HubError::WrongSize { .. }
        | HubError::WrongChecksum { .. }
        | HubError::Interrupted { .. } => 1,
        _ => 2,
    }
}

/// A path that is not there, is of another kind or is somebody else's was named wrongly; a full disk, or
/// one that fails, was not.
fn of_io(error: &std::io::Error) -> i32 {
    use std::io::ErrorKind as Kind;
    match error.kind() {
        Kind::NotFound
        | Kind::PermissionDenied
        | Kind::AlreadyExists
        | Kind::NotADirectory
        | Kind::IsADirectory
        | Kind::DirectoryNotEmpty
        | Kind::ReadOnlyFilesystem
        | Kind::InvalidFilename
        | Kind::InvalidInput
        | Kind::InvalidData
        | Kind::UnexpectedEof => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    #[test]
    fn a_full_disk_is_not_the_input_s_fault() {
        let of = |kind: ErrorKind| {
            let source = std::io::Error::from(kind);
            let data: TrainError = DataError::io("write", "x")(source).into();
            let source = std::io::Error::from(kind);
            let model: TrainError = ModelError::io("write", "x")(source).into();
            (data.exit_code(), model.exit_code())
        };
        assert_eq!(of(ErrorKind::StorageFull), (1, 1));
        assert_eq!(of(ErrorKind::NotFound), (2, 2));
        let bare = std::io::Error::from(ErrorKind::StorageFull);
        assert_eq!(exit_code_of(&bare), Some(1));
    }

    #[test]
    fn a_network_that_fails_is_not_either() {
        let (model, endpoint) = ("a/b".to_owned(), "a hub".to_owned());
        let problem = "no route".to_owned();
        let unreached = HubError::NoNetwork {
            model,
            endpoint,
            problem,
        };
        assert_eq!(exit_code_of(&unreached), Some(1));
        assert_eq!(exit_code_of(&HubError::NoCache), Some(2));
    }
}
