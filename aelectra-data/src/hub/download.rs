//! Which files of a model are fetched, and in what order.

use std::path::PathBuf;

use super::cache::{RepoCache, Snapshot, any_weights};
use super::client::{Answer, Client, Failure, FileMeta};
use super::error::Result;
use super::name::ModelName;
use super::transfer::{Transfer, retry};
use super::{CONFIG, HubError, HubOptions, PYTORCH, SAFETENSORS, SAFETENSORS_INDEX, TOKENIZER};

/// Fetches what the cache lacks of the commit that the revision means now.
///
/// The configuration comes first: its answer fixes the commit, so a branch that moves meanwhile
/// cannot mix two of them. The weights come last: where they are, the rest has been tried.
pub(super) fn download(
    name: &ModelName,
    cache: &RepoCache,
    options: &HubOptions,
) -> Result<PathBuf> {
    let client = Client::new(options, name)?;
    let download = Download { client, cache };
    let Answer::File(meta) = download.head(CONFIG, &name.revision)? else {
        return Err(download.client.not_found(CONFIG.to_owned()));
    };
    let commit = meta.commit.clone();
    let snapshot = cache.commit(&commit);
    if !snapshot.has(CONFIG) {
        download.place(&snapshot, CONFIG, &meta)?;
    }
    for file in TOKENIZER {
        download.want(&snapshot, &commit, file)?;
    }
    download.weights(&snapshot, &commit)?;
    if name.revision != commit {
        cache.write_reference(&name.revision, &commit)?;
    }
    Ok(snapshot.dir().to_path_buf())
}

struct Download<'a> {
    client: Client<'a>,
    cache: &'a RepoCache,
}

impl Download<'_> {
    fn weights(&self, snapshot: &Snapshot, commit: &str) -> Result<()> {
        if snapshot.missing().is_empty() || self.want(snapshot, commit, SAFETENSORS)? {
            return Ok(());
        }
        if self.want(snapshot, commit, SAFETENSORS_INDEX)? {
            for shard in snapshot.shards()? {
                if !self.want(snapshot, commit, &shard)? {
                    return Err(self.client.not_found(shard));
                }
            }
            return Ok(());
        }
        if self.want(snapshot, commit, PYTORCH)? {
            return Ok(());
        }
        Err(self.client.not_found(any_weights()))
    }

    /// Fetches `file` if the commit has it; returns whether it does.
    fn want(&self, snapshot: &Snapshot, commit: &str, file: &str) -> Result<bool> {
        if snapshot.is_settled(file) {
            return Ok(snapshot.has(file));
        }
        match self.head(file, commit)? {
            Answer::File(meta) => self.place(snapshot, file, &meta).map(|()| true),
            Answer::Absent { settled } => {
                // What a proxy does not know may be there tomorrow.
                if settled {
                    snapshot.mark_absent(file)?;
                }
                Ok(false)
            }
        }
    }

    fn place(&self, snapshot: &Snapshot, file: &str, meta: &FileMeta) -> Result<()> {
        let client = &self.client;
        Transfer { client, file, meta }.run(self.cache)?;
        Ok(self.cache.link(snapshot, file, &meta.etag)?)
    }

    fn head(&self, file: &str, revision: &str) -> Result<Answer> {
        let client = &self.client;
        let found = retry(client.options, false, || client.head(file, revision));
        found.map_err(|failure| match failure {
            Failure::Fatal(error) => error,
            Failure::Unreachable(problem) | Failure::Broken(problem) => HubError::NoNetwork {
                model: client.model.to_string(),
                endpoint: client.options.shown_endpoint(),
                problem,
            },
        })
    }
}
