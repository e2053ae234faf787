//! Why a model's name could not be resolved to a directory.

use std::path::PathBuf;

use crate::DataError;

/// `Result` with [`HubError`].
pub(super) type Result<T, E = HubError> = std::result::Result<T, E>;

/// Why a model has no directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "each message says what the fields of its variant are"
)]
pub enum HubError {
    /// A file of the cache cannot be read or written.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Neither a directory nor a hub model's name.
    #[error("`{model}` names no model: {reason}")]
    NoSuchModel { model: String, reason: String },
    /// A checkpoint, or a run without a model.
    #[error("`{}` is {what}", path.display())]
    NotAModel {
        path: PathBuf,
        what: &'static str,
        hint: &'static str,
    },
    /// No cache directory is set and there is no home directory to put one in.
    #[error("there is no home directory for the model cache")]
    NoCache,
    /// The network is switched off and the cache lacks files.
    #[error("offline: `{model}` is not a directory, and the cache `{}` lacks {}", cache.display(), missing.join(", "))]
    Offline {
        model: String,
        cache: PathBuf,
        missing: Vec<String>,
    },
    /// This build cannot download and the cache lacks files.
    #[error("`{model}` is not a directory, the cache `{}` lacks {}, and this build cannot download", cache.display(), missing.join(", "))]
    NotBuilt {
        model: String,
        cache: PathBuf,
        missing: Vec<String>,
    },
    /// The hub has no such model, or hides it from this user.
    #[error(
        "`{id}` is not a directory, and {endpoint} has no model of that name (or it is private)"
    )]
    RepoNotFound { id: String, endpoint: String },
    /// The model has no such branch, tag or commit.
    #[error("`{id}` has no revision `{revision}`")]
    RevisionNotFound { id: String, revision: String },
    /// The model lacks files that it cannot be used without.
    #[error("`{model}` on {endpoint} has no {file} (HTTP 404)")]
    FileNotFound {
        model: String,
        endpoint: String,
        file: String,
    },
    /// The hub wants to know who asks, or knows and says no.
    #[error("{endpoint} refuses access to `{id}` (HTTP {status}); {}", if *with_token { "the token that was sent does not give it" } else { "no token was sent" })]
    Denied {
        id: String,
        endpoint: String,
        status: u16,
        with_token: bool,
    },
    /// An answer that the protocol does not foresee.
    #[error("{endpoint} cannot give {file} of `{model}`: {problem}")]
    Server {
        model: String,
        endpoint: String,
        file: String,
        problem: String,
    },
    /// A file has another length than the hub said.
    #[error(
        "{file} of `{model}` has the wrong size: the hub promised {expected} bytes, {got} arrived"
    )]
    WrongSize {
        model: String,
        file: String,
        expected: u64,
        got: u64,
    },
    /// A file's content is not what the hub said.
    #[error("{file} of `{model}` arrived damaged: SHA-256 {got} instead of {expected}")]
    WrongChecksum {
        model: String,
        file: String,
        expected: String,
        got: String,
    },
    /// A transfer broke off, and so did the attempts to go on with it.
    #[error(
        "the transfer of {file} of `{model}` broke off at byte {got} of {expected}, {attempts} times ({problem})"
    )]
    Interrupted {
        model: String,
        file: String,
        got: u64,
        expected: u64,
        attempts: u32,
        problem: String,
    },
    /// A data set cannot be fetched now.
    #[error("the data set `{id}` cannot be fetched: {problem}")]
    NoDataset { id: String, problem: String },
    /// The hub cannot be reached.
    #[error(
        "`{model}` is not a directory, the cache does not have all of it, and {endpoint} cannot be reached: {problem}"
    )]
    NoNetwork {
        model: String,
        endpoint: String,
        problem: String,
    },
}

impl HubError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        Some(match self {
            Self::Data(error) => return error.hint(),
            Self::NoSuchModel { .. } => {
                "give a directory with config.json and weights, or a hub model as org/name or org/name@revision"
            }
            Self::NotAModel { hint, .. } => hint,
            Self::NoCache => "set HF_HOME or HF_HUB_CACHE to a directory",
            Self::Offline { .. } => {
                "unset HF_HUB_OFFLINE to download it, or set HF_HUB_CACHE to the cache that has it"
            }
            Self::NotBuilt { .. } => {
                "build with the feature `hub`, or download the model with another tool into that cache"
            }
            Self::RepoNotFound { .. } => {
                "check the spelling; for a private model set HF_TOKEN to a token that may read it"
            }
            Self::RevisionNotFound { .. } => {
                "a revision is a branch, a tag or a whole commit id; leave it out for `main`"
            }
            Self::FileNotFound { file, .. } if file == super::CONFIG => {
                "a model in the format of `transformers` has one; check the name"
            }
            Self::FileNotFound { .. } => {
                "if the model has only TensorFlow or Flax weights, load them in `transformers` 4 (from_tf=True, from_flax=True) and save_pretrained a directory"
            }
            Self::Denied {
                with_token: false, ..
            } => {
                "check the spelling (the hub answers so for unknown names too), or set HF_TOKEN to an access token; if the model is gated, accept its terms on its page first"
            }
            Self::Denied { .. } => {
                "check that HF_TOKEN is valid and may read this model; if the model is gated, accept its terms on its page first"
            }
            Self::Server { .. } => "try again later, or check HF_ENDPOINT",
            Self::WrongSize { .. } | Self::WrongChecksum { .. } => {
                "nothing was kept; try again, and suspect a proxy or mirror if it persists"
            }
            Self::Interrupted { .. } => {
                "the received part is kept: run the same command again to resume"
            }
            Self::NoDataset { .. } => {
                "check the connection, HTTPS_PROXY, HF_ENDPOINT and HF_HUB_OFFLINE"
            }
            Self::NoNetwork { .. } => {
                "check the connection, HTTPS_PROXY and HF_ENDPOINT, or give a local directory"
            }
        })
    }
}
