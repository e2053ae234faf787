//! The cache of one model on disk: what is there, and how files are put there.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::name::{ModelName, is_commit, is_file_name};
use super::{CONFIG, PYTORCH, SAFETENSORS, SAFETENSORS_INDEX, TOKENIZER};
use crate::files::{create_new, read_json, replace_file, replace_with};
use crate::{DataError, Result};

/// One `models--org--name` directory.
#[derive(Debug)]
pub(super) struct RepoCache {
    root: PathBuf,
    locks: PathBuf,
}

#[derive(Debug)]
pub(super) struct Snapshot {
    dir: PathBuf,
    /// Marks files that the commit does not have.
    absent: PathBuf,
}

/// The three ways weights are stored, in words.
pub(super) fn any_weights() -> String {
    format!("weights ({SAFETENSORS}, {SAFETENSORS_INDEX} with its parts, or {PYTORCH})")
}

impl RepoCache {
    pub(super) fn new(cache: &Path, name: &ModelName) -> Self {
        Self {
            root: cache.join(name.folder()),
            locks: cache.join(".locks").join(name.folder()),
        }
    }

    /// The cached snapshot of `revision`, if any.
    pub(super) fn snapshot(&self, revision: &str) -> Option<Snapshot> {
        let commit = if is_commit(revision) {
            revision.to_owned()
        } else {
            fs::read_to_string(self.reference(revision)).ok()?
        };
        let commit = commit.trim();
        let snapshot = is_file_name(commit).then(|| self.commit(commit))?;
        snapshot.dir.is_dir().then_some(snapshot)
    }

    /// The snapshot of a commit, there or not. `commit` must be a plain file name.
    pub(super) fn commit(&self, commit: &str) -> Snapshot {
        Snapshot {
            dir: self.root.join("snapshots").join(commit),
            absent: self.root.join(".no_exist").join(commit),
        }
    }

    fn reference(&self, revision: &str) -> PathBuf {
        self.root.join("refs").join(revision)
    }
}

#[cfg_attr(
    not(feature = "hub"),
    expect(dead_code, reason = "only downloads write")
)]
impl RepoCache {
    pub(super) fn blob(&self, etag: &str) -> PathBuf {
        self.root.join("blobs").join(etag)
    }

    /// The lock file that `huggingface_hub` takes too while it writes this blob.
    pub(super) fn lock(&self, etag: &str) -> PathBuf {
        self.locks.join(format!("{etag}.lock"))
    }

    /// Remembers which commit `revision` means.
    pub(super) fn write_reference(&self, revision: &str, commit: &str) -> Result<()> {
        let path = self.reference(revision);
        if fs::read_to_string(&path).is_ok_and(|old| old == commit) {
            return Ok(());
        }
        create_parent(&path)?;
        replace_file(&path, commit.as_bytes())
    }

    /// Makes `file` of the snapshot a link to the blob, or a copy where links are impossible.
    pub(super) fn link(&self, snapshot: &Snapshot, file: &str, etag: &str) -> Result<()> {
        let blob = self.blob(etag);
        // snapshots/<commit>/<file> to blobs/<etag>; relative, so that the cache can be moved.
        let target = ["..", "..", "blobs", etag].iter().collect::<PathBuf>();
        let path = snapshot.dir.join(file);
        create_parent(&path)?;
        replace_with(&path, |temporary| {
            symlink(&target, temporary).or_else(|_| {
                // Nothing that has this name is written into.
                let mut copy = create_new(temporary, None)?;
                io::copy(&mut fs::File::open(&blob)?, &mut copy).map(drop)
            })
        })
    }
}

impl Snapshot {
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether the file's whole content is there (a link to a deleted blob is not).
    pub(super) fn has(&self, file: &str) -> bool {
        self.dir.join(file).is_file()
    }

    /// Whether it is known if the commit has this file.
    pub(super) fn is_settled(&self, file: &str) -> bool {
        self.has(file) || self.absent.join(file).exists()
    }

    /// Notes that the commit has no such file.
    #[cfg(feature = "hub")]
    pub(super) fn mark_absent(&self, file: &str) -> Result<()> {
        let path = self.absent.join(file);
        create_parent(&path)?;
        replace_file(&path, b"")
    }

    /// The parts that the weights' index names.
    ///
    /// # Errors
    /// The index is not one, or names a part outside the model's directory.
    pub(super) fn shards(&self) -> Result<BTreeSet<String>> {
        let path = self.dir.join(SAFETENSORS_INDEX);
        let expected = "an object `weight_map` from tensors to files of the same directory";
        let index: serde_json::Value = read_json(&path, expected)?;
        let map = index.get("weight_map").and_then(|map| map.as_object());
        let map = map.filter(|map| !map.is_empty());
        let map = map.ok_or_else(|| DataError::parse(&path, 0, expected, "none"))?;
        map.values()
            .map(|file| match file.as_str() {
                Some(file) if is_file_name(file) => Ok(file.to_owned()),
                _ => Err(DataError::parse(&path, 0, expected, file.to_string())),
            })
            .collect()
    }

    /// The files without which nothing can be loaded and which are not there.
    pub(super) fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        if !self.has(CONFIG) {
            missing.push(CONFIG.to_owned());
        }
        if self.has(SAFETENSORS) || self.has(PYTORCH) {
            return missing;
        }
        match self.has(SAFETENSORS_INDEX).then(|| self.shards()) {
            Some(Ok(shards)) => missing.extend(shards.into_iter().filter(|file| !self.has(file))),
            _ => missing.push(any_weights()),
        }
        missing
    }

    /// Whether the network could add nothing needed. Of the tokenizer that means: a vocabulary, and
    /// the settings that change what it does (lower-casing), each present or known not to exist.
    pub(super) fn is_complete(&self) -> bool {
        let [vocabulary, fast, settings, ..] = TOKENIZER;
        let settled = self.is_settled(vocabulary) && self.is_settled(fast);
        let tokenizer = self.has(vocabulary) || self.has(fast) || settled;
        self.missing().is_empty() && tokenizer && self.is_settled(settings)
    }
}

/// Makes the directory that `path` lies in.
pub(super) fn create_parent(path: &Path) -> Result<()> {
    match path.parent() {
        Some(parent) => fs::create_dir_all(parent).map_err(DataError::io("create", parent)),
        None => Ok(()),
    }
}

#[cfg(unix)]
fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(windows)]
fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_file(target, link)
}

#[cfg(not(any(unix, windows)))]
fn symlink(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
