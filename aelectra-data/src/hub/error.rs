//! What can go wrong between a model's name and its directory, in words for its user.

use std::path::PathBuf;

use crate::DataError;

/// Why a model has no directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// Neither a directory nor a hub model's name.
    #[error("`{model}` names no model: {reason}")]
    NoSuchModel {
        /// What was asked for.
        model: String,
        /// Why it is neither.
        reason: String,
    },
    /// No cache directory is set and there is no home directory to put one in.
    #[error("there is no home directory for the model cache")]
    NoCache,
    /// The network is switched off and the cache lacks files.
    #[error("offline, and `{model}` is neither a directory nor whole in the cache `{}`: missing {}", cache.display(), missing.join(", "))]
    Offline {
        /// The model with its revision.
        model: String,
        /// The cache directory.
        cache: PathBuf,
        /// The files it lacks.
        missing: Vec<String>,
    },
    /// This build cannot download and the cache lacks files.
    #[error("`{model}` is neither a directory nor whole in the cache `{}` (missing {}), and this build cannot download", cache.display(), missing.join(", "))]
    NotBuilt {
        /// The model with its revision.
        model: String,
        /// The cache directory.
        cache: PathBuf,
        /// The files it lacks.
        missing: Vec<String>,
    },
    /// The hub has no such model, or hides it from this user.
    #[error("`{id}` is no directory, and {endpoint} has no model of that name, or it is private")]
    RepoNotFound {
        /// `org/name`.
        id: String,
        /// The hub's base URL.
        endpoint: String,
    },
    /// The model has no such branch, tag or commit.
    #[error("`{id}` has no revision `{revision}`")]
    RevisionNotFound {
        /// `org/name`.
        id: String,
        /// What was asked for.
        revision: String,
    },
    /// The model lacks files that it cannot be used without.
    #[error("`{model}` on {endpoint} has no {file} (HTTP 404)")]
    FileNotFound {
        /// The model with its revision.
        model: String,
        /// The hub's base URL.
        endpoint: String,
        /// The file, or the files of which one was needed.
        file: String,
    },
    /// The hub wants to know who asks, or knows and says no.
    #[error("{endpoint} refuses access to `{id}` (HTTP {status}); {}", if *with_token { "the token that was sent does not give it" } else { "no token was sent" })]
    Denied {
        /// `org/name`.
        id: String,
        /// The hub's base URL.
        endpoint: String,
        /// 401 or 403.
        status: u16,
        /// Whether a token was sent.
        with_token: bool,
    },
    /// An answer that the protocol does not foresee.
    #[error("{endpoint} cannot give {file} of `{model}`: {problem}")]
    Server {
        /// The model with its revision.
        model: String,
        /// The hub's base URL.
        endpoint: String,
        /// The file asked for.
        file: String,
        /// What was wrong with the answer.
        problem: String,
    },
    /// A file has another length than the hub said.
    #[error("{file} of `{model}` has the wrong size: the hub says {expected} bytes, {got} came")]
    WrongSize {
        /// The model with its revision.
        model: String,
        /// The file.
        file: String,
        /// Bytes promised.
        expected: u64,
        /// Bytes that came or were announced.
        got: u64,
    },
    /// A file's content is not what the hub said.
    #[error("{file} of `{model}` arrived damaged: its SHA-256 should be {expected}, it is {got}")]
    WrongChecksum {
        /// The model with its revision.
        model: String,
        /// The file.
        file: String,
        /// SHA-256 promised, in hexadecimal.
        expected: String,
        /// SHA-256 of what came.
        got: String,
    },
    /// A transfer broke off, and so did the attempts to go on with it.
    #[error(
        "the transfer of {file} of `{model}` broke off at byte {got} of {expected}, {attempts} times ({problem})"
    )]
    Interrupted {
        /// The model with its revision.
        model: String,
        /// The file.
        file: String,
        /// Bytes kept on disk.
        got: u64,
        /// Bytes of the whole file.
        expected: u64,
        /// How often it was tried.
        attempts: u32,
        /// What the last attempt ended with.
        problem: String,
    },
    /// The hub cannot be reached.
    #[error(
        "`{model}` is neither a directory nor whole in the cache, and {endpoint} cannot be reached: {problem}"
    )]
    NoNetwork {
        /// The model with its revision.
        model: String,
        /// The base URL that was tried.
        endpoint: String,
        /// The transport's reason.
        problem: String,
    },
}

impl HubError {
    /// What the reader can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        Some(match self {
            Self::NoSuchModel { .. } => {
                "give a directory with config.json and weights, or a hub model as org/name or org/name@revision"
            }
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
                "nothing of it was kept; try again, and suspect a proxy or mirror if it stays so"
            }
            Self::Interrupted { .. } => "what came is kept: run the same command again to go on",
            Self::NoNetwork { .. } => {
                "check the connection, HTTPS_PROXY and HF_ENDPOINT, or give a local directory"
            }
        })
    }
}

impl From<HubError> for DataError {
    fn from(error: HubError) -> Self {
        Self::Hub(Box::new(error))
    }
}
