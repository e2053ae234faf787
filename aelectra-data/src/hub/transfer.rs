//! One file into the cache: resumed, counted, checked, and only then given its name.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

use super::cache::{RepoCache, create_parent};
use super::client::{Client, Failure, FileMeta, content_range, number};
use super::error::Result;
use super::{FileProgress, HubError, HubOptions};
use crate::DataError;
use crate::files::{open_own, sha256, temporary};

const BLOCK: usize = 64 * 1024;

/// Calls `attempt` until it succeeds, fails for good, or has been called `options.attempts` times.
/// A host that cannot be reached is asked again only if `patient`.
pub(super) fn retry<T>(
    options: &HubOptions,
    patient: bool,
    mut attempt: impl FnMut() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut wait = options.retry_wait;
    for _ in 1..options.attempts.max(1) {
        match attempt() {
            Err(Failure::Broken(_)) => {}
            Err(Failure::Unreachable(_)) if patient => {}
            end => return end,
        }
        std::thread::sleep(wait);
        wait = wait.saturating_mul(2);
    }
    attempt()
}

/// One file of a model on its way to `blobs/<etag>`.
pub(super) struct Transfer<'a> {
    pub(super) client: &'a Client<'a>,
    pub(super) file: &'a str,
    pub(super) meta: &'a FileMeta,
}

impl Transfer<'_> {
    /// Fetches the blob unless it is there, and checks it.
    pub(super) fn run(&self, cache: &RepoCache) -> Result<()> {
        let blob = cache.blob(&self.meta.etag);
        create_parent(&blob)?;
        create_parent(&cache.lock(&self.meta.etag))?;
        let lock = lock(&cache.lock(&self.meta.etag));
        // Another process, or another revision with the same file, may have brought it.
        if fs::metadata(&blob).is_ok_and(|data| data.len() == self.meta.size) {
            return Ok(());
        }
        let incomplete = match lock {
            Some(_) => blob.with_file_name(format!("{}.incomplete", self.meta.etag)),
            // Where the file system has no locks, a name of our own keeps two writers apart, at
            // the price of resuming.
            None => temporary(&blob),
        };
        let resumed = length(&incomplete) > 0;
        let mut result = self.fetch(&incomplete);
        if let Err(HubError::WrongChecksum { .. } | HubError::WrongSize { .. }) = &result
            && resumed
        {
            // What an earlier transfer left may be to blame; it is gone now.
            result = self.fetch(&incomplete);
        }
        result?;
        Ok(fs::rename(&incomplete, &blob).map_err(DataError::io("rename", &incomplete))?)
    }

    /// Fetches the file to a path of the user's, resuming `TARGET.incomplete`, and checks it. One of
    /// the right size that is there is only checked.
    pub(super) fn run_to(&self, target: &Path) -> Result<()> {
        create_parent(target)?;
        if length(target) == self.meta.size {
            match self.check(target) {
                // It is not the file; it was removed.
                Err(HubError::WrongChecksum { .. }) => {}
                other => {
                    self.report(self.meta.size);
                    return other;
                }
            }
        }
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(".incomplete");
        let incomplete = target.with_file_name(name);
        let resumed = length(&incomplete) > 0;
        let mut result = self.fetch(&incomplete);
        if matches!(
            result,
            Err(HubError::WrongChecksum { .. } | HubError::WrongSize { .. })
        ) && resumed
        {
            result = self.fetch(&incomplete);
        }
        result?;
        Ok(fs::rename(&incomplete, target).map_err(DataError::io("rename", &incomplete))?)
    }

    fn fetch(&self, incomplete: &Path) -> Result<()> {
        let options = self.client.options;
        let fetched = retry(options, true, || self.attempt(incomplete));
        fetched.map_err(|failure| match failure {
            Failure::Fatal(error) => error,
            Failure::Unreachable(problem) | Failure::Broken(problem) => HubError::Interrupted {
                model: self.client.model.to_string(),
                file: self.file.to_owned(),
                got: length(incomplete),
                expected: self.meta.size,
                attempts: options.attempts.max(1),
                problem,
            },
        })?;
        self.check(incomplete)
    }

    /// Gets what is missing of the file, as far as the connection lasts.
    fn attempt(&self, path: &Path) -> Result<(), Failure> {
        let fatal = |action| move |error| Failure::Fatal(DataError::io(action, path)(error).into());
        let size = self.meta.size;
        let file = open_own(path, File::options().append(true));
        let mut file = file.map_err(|error| Failure::Fatal(error.into()))?;
        let mut done = length(path);
        if done > size {
            file.set_len(0).map_err(fatal("write"))?;
            done = 0;
        }
        self.report(done);
        if done == size {
            return Ok(());
        }

        let mut response = self.client.get(self.file, &self.meta.commit, done)?;
        let announced = number(&response, "content-length");
        match (response.status().as_u16(), content_range(&response)) {
            (206, Some((first, total))) if first == done => {
                if let Some(total) = total.filter(|total| *total != size) {
                    return Err(self.wrong_size(path, total));
                }
            }
            // All of it: the server does not resume.
            (200, _) => {
                file.set_len(0).map_err(fatal("write"))?;
                done = 0;
            }
            (status, _) => {
                file.set_len(0).map_err(fatal("write"))?;
                return Err(Failure::Broken(format!(
                    "HTTP {status} to a request for bytes {done} and on"
                )));
            }
        }
        if let Some(bytes) = announced.filter(|bytes| done + bytes != size) {
            return Err(self.wrong_size(path, done + bytes));
        }

        let mut body = response.body_mut().as_reader();
        let mut block = vec![0; BLOCK];
        while done < size {
            let bytes = match body.read(&mut block) {
                Ok(0) => return Err(Failure::Broken("the connection was closed".to_owned())),
                Ok(bytes) => bytes,
                Err(error) => return Err(Failure::Broken(error.to_string())),
            };
            done += bytes as u64;
            if done > size {
                return Err(self.wrong_size(path, done));
            }
            file.write_all(&block[..bytes]).map_err(fatal("write"))?;
            self.report(done);
        }
        // An unannounced length shows only by bytes after the last one.
        if announced.is_none() && matches!(body.read(&mut block), Ok(1..)) {
            return Err(self.wrong_size(path, size + 1));
        }
        file.sync_all().map_err(fatal("write"))
    }

    /// Compares the SHA-256, where the etag is one.
    fn check(&self, path: &Path) -> Result<()> {
        let etag = &self.meta.etag;
        if etag.len() != 64 || !etag.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(());
        }
        let got = sha256(path)?;
        if got.eq_ignore_ascii_case(etag) {
            return Ok(());
        }
        discard(path);
        Err(HubError::WrongChecksum {
            model: self.client.model.to_string(),
            file: self.file.to_owned(),
            expected: etag.clone(),
            got,
        })
    }

    fn wrong_size(&self, path: &Path, got: u64) -> Failure {
        discard(path);
        Failure::Fatal(HubError::WrongSize {
            model: self.client.model.to_string(),
            file: self.file.to_owned(),
            expected: self.meta.size,
            got,
        })
    }

    fn report(&self, done: u64) {
        if let Some(progress) = &self.client.options.progress {
            progress(FileProgress {
                file: self.file,
                done,
                total: self.meta.size,
            });
        }
    }
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |data| data.len())
}

/// Removes a file that cannot become right; the error that led here is the one to tell.
fn discard(path: &Path) {
    let _ = fs::remove_file(path);
}

/// Waits for the lock; `None` where the file system has none.
fn lock(path: &Path) -> Option<File> {
    let file = open_own(path, File::options().write(true));
    file.ok().filter(|file| file.lock().is_ok())
}
