//! Models by name: a local directory, the Hugging Face cache, or a download into that cache.
//!
//! [`resolve`] turns what a user writes after `--model` into a directory with `config.json`,
//! weights and tokenizer files. The cache layout and the environment variables are those of
//! `huggingface_hub` (`constants.py`, `file_download.py`, and its guide "Understand caching"), so
//! what one tool downloaded the other finds:
//!
//! ```text
//! <cache>/models--org--name/refs/main                    the commit that `main` meant last time
//!                           snapshots/<commit>/<file>  → ../../blobs/<etag>
//!                           blobs/<etag>                 a complete file
//!                           blobs/<etag>.incomplete      an interrupted one, resumed the next time
//!                           .no_exist/<commit>/<file>    an optional file that the model has not
//! <cache>/.locks/models--org--name/<etag>.lock           held while a blob is written
//! ```
//!
//! Nothing is asked of the network when everything needed is cached. Only the files this project
//! reads are downloaded, never the other frameworks' weights lying beside them. Without the
//! feature `hub` the cache is read and nothing is downloaded.

mod cache;
#[cfg(feature = "hub")]
mod client;
#[cfg(feature = "hub")]
mod download;
mod error;
mod name;
mod options;
#[cfg(feature = "hub")]
mod transfer;

use std::path::{Path, PathBuf};

pub use error::HubError;
pub use name::ModelName;
pub use options::{FileProgress, HubOptions, ProgressCallback};

use crate::Result;
use cache::{RepoCache, Snapshot};

/// The model's hyperparameters; every model has it.
const CONFIG: &str = "config.json";
/// All weights in one file.
const SAFETENSORS: &str = "model.safetensors";
/// Names the files ("shards") that larger weights are cut into.
const SAFETENSORS_INDEX: &str = "model.safetensors.index.json";
/// All weights as a PyTorch pickle; the last choice.
const PYTORCH: &str = "pytorch_model.bin";
/// What a WordPiece tokenizer is read from; a model has some of them.
const TOKENIZER: [&str; 4] = [
    "vocab.txt",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
];

/// The directory of `model`: itself if it is one, else the snapshot of the hub model `org/name` or
/// `org/name@revision`, downloaded first when the cache lacks a file of it.
///
/// A directory wins over a hub model of the same name.
///
/// # Errors
/// [`HubError`] says which model and file, and [`hint`](crate::DataError::hint) what to do: a name
/// that is neither, a model, revision or file that the hub has not, refused access, offline with
/// files missing, a transfer that failed or arrived damaged, no network. An interrupted transfer
/// is kept and resumed by the next call.
pub fn resolve(model: &str, options: &HubOptions) -> Result<PathBuf> {
    let path = Path::new(model);
    if path.is_dir() {
        return Ok(path.to_path_buf());
    }
    let name = ModelName::parse(model)?;
    if options.cache.as_os_str().is_empty() {
        return Err(HubError::NoCache.into());
    }
    let cache = RepoCache::new(&options.cache, &name);
    let cached = cache.snapshot(&name.revision);
    if let Some(snapshot) = &cached
        && snapshot.is_complete()
    {
        return Ok(snapshot.dir().to_path_buf());
    }
    if options.offline {
        return usable(cached, |missing| HubError::Offline {
            model: name.to_string(),
            cache: options.cache.clone(),
            missing,
        });
    }
    fetch(&name, &cache, cached, options)
}

#[cfg(feature = "hub")]
fn fetch(
    name: &ModelName,
    cache: &RepoCache,
    cached: Option<Snapshot>,
    options: &HubOptions,
) -> Result<PathBuf> {
    match download::download(name, cache, options) {
        // Without a network, a model whose optional files are unsettled is better than none.
        Err(crate::DataError::Hub(error)) if matches!(*error, HubError::NoNetwork { .. }) => {
            usable(cached, |_| *error)
        }
        other => other,
    }
}

#[cfg(not(feature = "hub"))]
fn fetch(
    name: &ModelName,
    _: &RepoCache,
    cached: Option<Snapshot>,
    options: &HubOptions,
) -> Result<PathBuf> {
    usable(cached, |missing| HubError::NotBuilt {
        model: name.to_string(),
        cache: options.cache.clone(),
        missing,
    })
}

/// The cached snapshot if it has configuration and weights, else the error given what is missing.
fn usable(
    cached: Option<Snapshot>,
    error: impl FnOnce(Vec<String>) -> HubError,
) -> Result<PathBuf> {
    let missing = match cached {
        Some(snapshot) => {
            let missing = snapshot.missing();
            if missing.is_empty() {
                return Ok(snapshot.dir().to_path_buf());
            }
            missing
        }
        None => vec![CONFIG.to_owned(), cache::any_weights()],
    };
    Err(error(missing).into())
}
