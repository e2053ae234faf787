//! Data sets on the hub: which files one has, and bringing some of them into a directory.
//!
//! Files go straight to where the user wants them and not into the cache: a corpus has tens of
//! gigabytes, and nobody wants it twice.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::client::{Client, Failure, FileMeta};
use super::error::Result;
use super::name::{ModelName, is_commit, is_file_path};
use super::transfer::{Transfer, retry};
use super::{HubError, HubOptions};

/// A file of a data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DatasetFile {
    /// Its path in the repository.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its checksum, which the hub knows for large files.
    pub sha256: Option<String>,
}

/// A data set as it is at one commit.
#[derive(Clone, Debug)]
pub struct HubDataset {
    name: ModelName,
    options: HubOptions,
    commit: String,
    files: Vec<DatasetFile>,
}

impl HubDataset {
    /// Asks the hub what `org/name` or `org/name@revision` has.
    ///
    /// # Errors
    /// Offline, without a network, or if there is no such data set.
    pub fn open(id: &str, options: &HubOptions) -> Result<Self> {
        let mut name = ModelName::dataset(id)?;
        let unavailable = |problem: String| HubError::NoDataset {
            id: id.to_owned(),
            problem,
        };
        if options.offline {
            return Err(unavailable("HF_HUB_OFFLINE is set".to_owned()));
        }
        let client = Client::new(options, &name)?;
        let info = retry(options, false, || client.dataset_info());
        let info = info.map_err(|failure| match failure {
            Failure::Unreachable(problem) | Failure::Broken(problem) => unavailable(problem),
            Failure::Fatal(HubError::RepoNotFound { endpoint, .. }) => unavailable(format!(
                "{endpoint} has no data set of that name (or it is private)"
            )),
            Failure::Fatal(error) => error,
        })?;
        let odd = |problem: &str| client.server("the list of its files", problem.to_owned());
        let commit = info.get("sha").and_then(Value::as_str);
        let commit = commit.filter(|commit| is_commit(commit));
        let commit = commit
            .ok_or_else(|| odd("its answer has no usable `sha`"))?
            .to_owned();
        let files = info.get("siblings").and_then(Value::as_array);
        let files = files.ok_or_else(|| odd("its answer has no `siblings`"))?;
        let files = files.iter().filter_map(file).collect();
        // What is fetched later is of the commit that was listed.
        name.revision.clone_from(&commit);
        Ok(Self {
            name,
            options: options.clone(),
            commit,
            files,
        })
    }

    /// The commit.
    #[must_use]
    pub fn commit(&self) -> &str {
        &self.commit
    }

    /// Its files.
    #[must_use]
    pub fn files(&self) -> &[DatasetFile] {
        &self.files
    }

    /// Brings a file to `target`: an interrupted transfer is resumed, one that is there and right is
    /// left alone. Returns its SHA-256.
    ///
    /// # Errors
    /// If the transfer fails, what arrived is not what the hub announced, or it cannot be written.
    pub fn fetch(&self, file: &DatasetFile, target: &Path) -> Result<String> {
        let client = Client::new(&self.options, &self.name)?;
        let meta = FileMeta {
            commit: self.commit.clone(),
            etag: file.sha256.clone().unwrap_or_default(),
            size: file.bytes,
        };
        Transfer {
            client: &client,
            file: &file.path,
            meta: &meta,
        }
        .run_to(target)?;
        match &file.sha256 {
            Some(sum) => Ok(sum.clone()),
            None => Ok(crate::files::sha256(target)?),
        }
    }
}

/// What an entry of the list says; `None` if it has no size or cannot be a path.
fn file(entry: &Value) -> Option<DatasetFile> {
    let path = entry.get("rfilename")?.as_str()?;
    let large = entry.get("lfs");
    let field = |name: &str| large.and_then(|large| large.get(name));
    let bytes = field("size").or_else(|| entry.get("size"))?.as_u64()?;
    let sum = field("sha256")
        .or_else(|| field("oid"))
        .and_then(Value::as_str);
    let is_sum = |sum: &&str| sum.len() == 64 && sum.bytes().all(|b| b.is_ascii_hexdigit());
    is_file_path(path).then(|| DatasetFile {
        path: path.to_owned(),
        bytes,
        sha256: sum.filter(is_sum).map(str::to_ascii_lowercase),
    })
}
