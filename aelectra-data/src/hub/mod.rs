//! Models by name: a local directory, the Hugging Face cache, or a download into that cache; and
//! data sets ([`HubDataset`], [`published`]), whose files go where the user wants them.
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
//!                           .no_exist/<commit>/<file>    an optional file that the model lacks
//! <cache>/.locks/models--org--name/<etag>.lock           held while a blob is written
//! ```
//!
//! Nothing is asked of the network when everything needed is cached. Only the files this project
//! reads are downloaded, never the other frameworks' weights lying beside them. Without the
//! feature `hub` the cache is read and nothing is downloaded.
//!
//! Why not the crate `hf-hub`: version 1.0 brings reqwest, tokio and hf-xet, an asynchronous stack
//! for what is here a few blocking requests over `ureq`. It does not honour `HF_HUB_OFFLINE`, and a
//! program whose text must not leave the machine needs that switch.

mod cache;
#[cfg(feature = "hub")]
pub(crate) mod certificates;
#[cfg(feature = "hub")]
mod client;
#[cfg(feature = "hub")]
mod dataset;
#[cfg(feature = "hub")]
mod download;
mod error;
mod name;
mod options;
#[cfg(feature = "hub")]
pub mod published;
#[cfg(feature = "hub")]
mod transfer;

use std::path::{Path, PathBuf};

#[cfg(feature = "hub")]
pub use dataset::{DatasetFile, HubDataset};
pub use error::HubError;
pub use options::{FileProgress, HubOptions, NoticeCallback, ProgressCallback};

use crate::run::RunDir;
use cache::{RepoCache, Snapshot};
use error::Result;
use name::ModelName;

/// The model's hyperparameters; every model has it.
const CONFIG: &str = "config.json";
/// All weights in one file.
const SAFETENSORS: &str = "model.safetensors";
/// Names the files ("shards") that larger weights are cut into.
const SAFETENSORS_INDEX: &str = "model.safetensors.index.json";
/// All weights as a PyTorch pickle; the last choice.
const PYTORCH: &str = "pytorch_model.bin";
/// What a WordPiece tokenizer is read from; a model has some of them.
const TOKENIZER: [&str; 5] = [
    "vocab.txt",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
];

/// Where a run has its model: a fine-tuning, and a pretraining the one to fine-tune.
const OF_RUN: [&str; 2] = [RunDir::MODEL, RunDir::DISCRIMINATOR];

/// Whether a directory holds a model: a configuration and weights. (A run's directory has a `config.json`
/// too.)
#[must_use]
pub fn is_model(directory: &Path) -> bool {
    let has = |file: &str| directory.join(file).is_file();
    has(CONFIG)
        && [SAFETENSORS, SAFETENSORS_INDEX, PYTORCH]
            .into_iter()
            .any(has)
}

/// A directory that is a model, or else the first of these folders of it that is one: a run's networks. The directory itself
/// where there is none.
#[must_use]
pub fn network_of(directory: &Path, folders: &[&str]) -> PathBuf {
    let mut inner = folders.iter().map(|name| directory.join(name));
    match inner.find(|inner| is_model(inner)) {
        Some(inner) if !is_model(directory) => inner,
        _ => directory.to_path_buf(),
    }
}

/// What a directory is that was taken for a model.
fn what_else(path: &Path) -> Option<HubError> {
    let (what, hint) = if path.join("optimizer.safetensors").is_file() {
        (
            "a checkpoint of a training, which holds two networks",
            "make a model of it: `aelectra export --checkpoint CHECKPOINT --out DIR`",
        )
    } else if RunDir::open(path).is_ok() {
        (
            "a run without a model: it has not come to its end, or keeps none, as a learning curve",
            "the command that it was started with continues it; of a pretraining, `aelectra export` makes a model",
        )
    } else {
        return None;
    };
    Some(HubError::NotAModel {
        path: path.to_path_buf(),
        what,
        hint,
    })
}

/// The directory of `model`: itself if it is one, the model in it if it is a run's, else the snapshot of the
/// hub model `org/name` or `org/name@revision`, downloaded first when the cache lacks a file of it.
///
/// A directory wins over a hub model of the same name, and `org/name` without a revision is no hub model where `org` is a
/// directory here, or is `runs`, where trainings are kept: the rest is mistyped then. What is asked of the network is told
/// before ([`HubOptions::with_notice`]).
///
/// # Errors
/// [`HubError`] says which model and file, and [`hint`](HubError::hint) what to do: a name that is
/// neither, a checkpoint or a run without a model, a model, revision or file that the hub does not have, refused access, offline with files
/// missing, a transfer that failed or arrived damaged, no network. An interrupted transfer is kept
/// and resumed by the next call.
pub fn resolve(model: &str, options: &HubOptions) -> Result<PathBuf> {
    let path = Path::new(model);
    if path.is_dir() {
        let found = network_of(path, &OF_RUN);
        let other = (!is_model(&found)).then(|| what_else(path)).flatten();
        return other.map_or(Ok(found), Err);
    }
    let name = ModelName::parse(model)?;
    name.refuse_a_path(model)?;
    if options.cache.as_os_str().is_empty() {
        return Err(HubError::NoCache);
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
    // A mistyped path must not become a request, and somebody else's model, without a word.
    options.tell(&format!(
        "`{name}` is no directory here and not whole in the cache: asking {} for it",
        options.shown_endpoint()
    ));
    match download::download(name, cache, options) {
        // Without a network, a model whose optional files are unsettled is better than none.
        Err(error @ HubError::NoNetwork { .. }) => usable(cached, |_| error),
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
    let Some(snapshot) = cached else {
        return Err(error(vec![CONFIG.to_owned(), cache::any_weights()]));
    };
    let missing = snapshot.missing();
    if missing.is_empty() {
        return Ok(snapshot.dir().to_path_buf());
    }
    Err(error(missing))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;

    /// A cache as another tool leaves it, with plain files in place of links.
    fn cache(files: &[&str], absent: &[&str]) -> (tempfile::TempDir, HubOptions) {
        let dir = tempfile::TempDir::new().unwrap();
        let repo = dir.path().join("models--org--tiny");
        let (snapshot, none) = (repo.join("snapshots/abc"), repo.join(".no_exist/abc"));
        for folder in [&repo.join("refs"), &snapshot, &none] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(repo.join("refs/main"), "abc\n").unwrap();
        for file in files {
            fs::write(snapshot.join(file), "x").unwrap();
        }
        for file in absent {
            fs::write(none.join(file), "").unwrap();
        }
        let mut options = HubOptions::from_env(|_| None);
        options.cache = dir.path().to_path_buf();
        // Nothing listens there: whatever asks the network fails.
        options.endpoint = "http://127.0.0.1:1".to_owned();
        (dir, options)
    }

    #[test]
    fn complete_means_configuration_weights_and_a_settled_tokenizer() {
        let is_complete = |files: &[&str], absent: &[&str]| {
            let (dir, _options) = cache(files, absent);
            let name = ModelName::parse("org/tiny").unwrap();
            let snapshot = RepoCache::new(dir.path(), &name).snapshot("main").unwrap();
            snapshot.is_complete()
        };
        let (vocabulary, settings) = ("vocab.txt", "tokenizer_config.json");
        assert!(is_complete(
            &[CONFIG, SAFETENSORS, vocabulary, settings],
            &[]
        ));
        assert!(is_complete(
            &[CONFIG, PYTORCH, "tokenizer.json"],
            &[settings]
        ));
        let bare = [vocabulary, "tokenizer.json", settings];
        assert!(is_complete(&[CONFIG, PYTORCH], &bare));
        assert!(!is_complete(&[CONFIG, PYTORCH], &bare[1..]));
        assert!(!is_complete(&[CONFIG, SAFETENSORS, vocabulary], &[]));
        assert!(!is_complete(&[SAFETENSORS, vocabulary, settings], &[]));
        assert!(!is_complete(
            &[CONFIG, "tf_model.h5", vocabulary, settings],
            &[]
        ));
        assert!(!is_complete(
            &[CONFIG, SAFETENSORS_INDEX, vocabulary, settings],
            &[]
        ));
    }

    #[test]
    fn a_whole_cache_is_used_as_it_is() {
        let files = [CONFIG, SAFETENSORS, "vocab.txt", "tokenizer_config.json"];
        let (dir, options) = cache(&files, &[]);
        let found = resolve("org/tiny", &options).unwrap();
        assert_eq!(found, dir.path().join("models--org--tiny/snapshots/abc"));
    }

    #[test]
    fn without_a_cache_directory() {
        let error = resolve("org/tiny", &HubOptions::from_env(|_| None)).unwrap_err();
        assert!(error.hint().unwrap().contains("HF_HOME"), "{error}");
    }

    #[cfg(not(feature = "hub"))]
    #[test]
    fn without_the_feature_the_error_names_it() {
        let (_dir, options) = cache(&[CONFIG], &[]);
        let error = resolve("org/tiny", &options).unwrap_err();
        assert!(error.to_string().contains(SAFETENSORS), "{error}");
        assert!(error.hint().unwrap().contains("`hub`"), "{error}");
    }
}
