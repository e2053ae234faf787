//! The error of this crate: it says where, what was expected, what was found, and what to do.

use std::path::{Path, PathBuf};

/// `Result` with [`DataError`].
pub type Result<T, E = DataError> = std::result::Result<T, E>;

/// What can be wrong with input files and data.
///
/// [`Display`](std::fmt::Display) gives one line without the advice ([`DataError::Faults`] one for
/// each fault); [`DataError::hint`] gives the advice, which the command line prints on a line of its
/// own.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "each message says what the fields of its variant are"
)]
pub enum DataError {
    /// The operating system refused an operation on a file.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// The operation as a verb: "open", "read", "write", "rename".
        action: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// A file's content is not what its format asks for.
    #[error("`{}`{}: expected {expected}, found {found}", path.display(), place(*line, record.as_deref()))]
    Parse {
        path: Box<Path>,
        /// The line, from 1; 0 for the whole file.
        line: usize,
        /// The record, as in "record 4 (task id 7)", where several may stand in the line.
        record: Option<Box<str>>,
        expected: String,
        found: String,
        hint: Option<String>,
    },
    /// Several lines of a file are not what its format asks for.
    #[error("{}", list(path, first, *count))]
    Faults {
        path: PathBuf,
        /// The first of them.
        first: Vec<Fault>,
        /// How many there are in all.
        count: usize,
        hint: Option<String>,
    },
    /// Inputs that are well-formed but do not fit together, or an option out of range.
    #[error("{message}")]
    Invalid {
        message: String,
        hint: Option<String>,
    },
    /// A binary file is damaged: its length, checksum or content is wrong.
    #[error("`{}` is damaged: {message}", path.display())]
    Corrupt {
        path: PathBuf,
        message: String,
        hint: Option<String>,
    },
    /// Another process writes to the same place, see [`Lock`](crate::lock::Lock).
    #[error("`{}` is locked: {holder} writes here", path.display())]
    InUse {
        /// The lock's file.
        path: PathBuf,
        /// Who holds it, as [`Holder`](crate::lock::Holder) shows itself.
        holder: String,
        hint: String,
    },
}

/// What is wrong with one line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// The record, where several may stand in the line.
    pub record: Option<String>,
    /// What should stand there.
    pub expected: String,
    /// What does.
    pub found: String,
    /// How often the same is wrong in this line: in a file that is one line, in how many places.
    pub times: usize,
}

/// The first faults, one a line, and how many more there are.
fn list(path: &Path, first: &[Fault], count: usize) -> String {
    let mut text = format!("`{}` has {count} faults:", path.display());
    let mut told = 0;
    for fault in first {
        let record = fault.record.as_ref();
        let record = record.map_or(String::new(), |record| format!(", {record}"));
        text += &format!(
            "\n  line {}{record}: expected {}, found {}",
            fault.line, fault.expected, fault.found
        );
        if fault.times > 1 {
            text += &format!(" (and {} times more)", fault.times - 1);
        }
        told += fault.times;
    }
    if count > told {
        text += &format!("\n  and {} more", count - told);
    }
    text
}

/// What follows a file's name: the line and, where that is not enough, the record.
fn place(line: usize, record: Option<&str>) -> String {
    let mut place = match line {
        0 => String::new(),
        line => format!(":{line}"),
    };
    if let Some(record) = record {
        place += ", ";
        place += record;
    }
    place
}

impl DataError {
    /// An [`DataError::Io`], for `map_err`.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    /// A [`DataError::Parse`] without advice; add it with [`DataError::with_hint`].
    pub fn parse(
        path: impl AsRef<Path>,
        line: usize,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::Parse {
            path: path.as_ref().into(),
            line,
            record: None,
            expected: expected.into(),
            found: found.into(),
            hint: None,
        }
    }

    /// A [`DataError::Invalid`] without advice; add it with [`DataError::with_hint`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid {
            message: message.into(),
            hint: None,
        }
    }

    /// A [`DataError::Corrupt`] without advice.
    #[cfg(feature = "text")]
    pub(crate) fn corrupt(path: impl AsRef<Path>, message: impl Into<String>) -> Self {
        Self::Corrupt {
            path: path.as_ref().to_path_buf(),
            message: message.into(),
            hint: None,
        }
    }

    /// The same error with a line of advice, where its kind carries one.
    #[must_use]
    pub fn with_hint(mut self, advice: impl Into<String>) -> Self {
        if let Self::Parse { hint, .. }
        | Self::Faults { hint, .. }
        | Self::Invalid { hint, .. }
        | Self::Corrupt { hint, .. } = &mut self
        {
            *hint = Some(advice.into());
        }
        self
    }

    /// The same error where it is about a whole directory that its message does not name.
    #[must_use]
    pub fn in_dir(self, dir: &Path) -> Self {
        match self {
            Self::Invalid { message, hint } => Self::Invalid {
                message: format!("`{}`: {message}", dir.display()),
                hint,
            },
            other => other,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Parse { hint, .. }
            | Self::Faults { hint, .. }
            | Self::Invalid { hint, .. }
            | Self::Corrupt { hint, .. } => hint.as_deref(),
            Self::InUse { hint, .. } => Some(hint),
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                Some("check the path; relative paths start at the current directory")
            }
            Self::Io { .. } => None,
        }
    }
}
