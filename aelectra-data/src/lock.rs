//! One writer for one directory.
//!
//! Two programs that write the same shards, vocabulary or run mix what they write. A [`Lock`] is a
//! lock of the operating system on a small file beside or in what is written: the kernel gives it
//! back when the process ends, however it ends, so no lock outlives its holder. The file says who
//! holds it, for the message that the second one gets.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::error::{DataError, Result};
use crate::files::{is_at, open_own};
use crate::run::{host_name, utc_timestamp};

/// How often, and with what pause, to look for the name of a holder that is just writing it.
const LOOKS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(10);

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// What it does, as `aelectra prepare`.
    pub what: String,
    /// Its process.
    pub process: u32,
    /// The machine it runs on.
    pub host: String,
    /// When it took the lock, in UTC.
    pub since: String,
}

impl Holder {
    fn of_this_process(what: &str) -> Self {
        Self {
            what: what.to_owned(),
            process: std::process::id(),
            host: host_name().unwrap_or_else(|| "an unnamed host".to_owned()),
            since: utc_timestamp(SystemTime::now()),
        }
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            what,
            process,
            host,
            since,
        } = self;
        write!(
            formatter,
            "{what}, process {process} on {host} since {since}"
        )
    }
}

/// The right to write, held until the value is dropped or its process ends.
#[derive(Debug)]
#[must_use = "the lock is given back when this value is dropped"]
pub struct Lock {
    path: PathBuf,
    /// Keeps the lock; `None` on a file system that has no locks.
    file: Option<File>,
    /// The directory that was made for the lock; removed with it if nothing came into it.
    made: Option<PathBuf>,
}

/// The file, in a run's directory, of the lock that its training holds.
pub const RUN_LOCK: &str = "lock";

/// The name of the lock of a directory.
const IN_DIRECTORY: &str = ".lock";

impl Lock {
    /// Takes the lock whose file is `path`, without waiting; its directory must exist. `what` tells
    /// others what this process does, as `aelectra prepare`.
    ///
    /// The file is removed when the lock is given back; one that a killed process left is taken over.
    /// On a file system without locks nothing is locked: see [`Lock::is_enforced`].
    ///
    /// # Errors
    /// [`DataError::InUse`], with the holder, when another process or thread has it;
    /// [`DataError::Invalid`] when the file is a link, whose target would be emptied;
    /// [`DataError::Io`] when it cannot be opened or written.
    pub fn acquire(path: &Path, what: &str) -> Result<Self> {
        let path = path.to_path_buf();
        let mut looks = 0;
        loop {
            let mut file = open_own(&path, File::options().read(true).write(true))?;
            match file.try_lock() {
                Ok(()) => {}
                // Whoever only looks has it for a moment.
                Err(TryLockError::WouldBlock) if looks < LOOKS => {
                    looks += 1;
                    std::thread::sleep(PAUSE);
                    continue;
                }
                Err(TryLockError::WouldBlock) => return Err(in_use(&path, &mut file)),
                Err(TryLockError::Error(error)) if has_no_locks(&error) => {
                    return Ok(Self {
                        path,
                        file: None,
                        made: None,
                    });
                }
                Err(TryLockError::Error(error)) => return Err(DataError::io("lock", &path)(error)),
            }
            // The last holder may have removed the file between our opening and our locking it: then
            // this lock is on a file without a name, and the next process would make a new one.
            if !is_at(&file, &path) {
                continue;
            }
            let holder = Holder::of_this_process(what);
            write_holder(&mut file, &holder).map_err(DataError::io("write", &path))?;
            return Ok(Self {
                path,
                file: Some(file),
                made: None,
            });
        }
    }

    /// Whether some process has the lock whose file is `path`; `None` where there is no such file or that cannot be known.
    #[must_use]
    pub fn is_held(path: &Path) -> Option<bool> {
        // What leads elsewhere is nobody's lock.
        if std::fs::symlink_metadata(path).ok()?.is_symlink() {
            return None;
        }
        let file = File::open(path).ok()?;
        // Given back at once, as the file is closed.
        match file.try_lock_shared() {
            Ok(()) => Some(false),
            Err(TryLockError::WouldBlock) => Some(true),
            Err(TryLockError::Error(_)) => None,
        }
    }

    /// Takes the lock of a directory to write, whose file is `.lock` in it. Makes the directory if
    /// there is none, and removes it again with the lock if nothing was written.
    ///
    /// # Errors
    /// As [`Lock::acquire`], or when the directory cannot be made.
    pub fn of_directory(dir: &Path, what: &str) -> Result<Self> {
        loop {
            let made = !dir.exists();
            std::fs::create_dir_all(dir).map_err(DataError::io("create", dir))?;
            match Self::acquire(&dir.join(IN_DIRECTORY), what) {
                // Whoever gave the lock back just now removed the directory too.
                Err(DataError::Io { source, .. })
                    if source.kind() == io::ErrorKind::NotFound && !dir.exists() => {}
                Ok(mut lock) => {
                    lock.made = made.then(|| dir.to_path_buf());
                    return Ok(lock);
                }
                other => return other,
            }
        }
    }

    /// Whether a file of a directory has the name of its lock.
    #[must_use]
    pub fn is_file_name(name: &str) -> bool {
        name == IN_DIRECTORY
    }

    /// Whether its file is still where it was. Who moves or deletes a directory, or only the file in it, lets others in.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        let Some(file) = &self.file else { return true };
        match std::fs::symlink_metadata(&self.path) {
            // What a network mount answers now and then says nothing.
            Err(error) if error.kind() != io::ErrorKind::NotFound => true,
            _ => is_at(file, &self.path),
        }
    }

    /// Whether others are kept out. False on a file system without locks, as some network mounts are.
    #[must_use]
    pub fn is_enforced(&self) -> bool {
        self.file.is_some()
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Removed while it is still locked, so that nobody finds a file that is about to go. One that
        // cannot be removed, as on Windows, stays empty and harms nothing.
        // One that somebody else has made since is not ours.
        if let Some(file) = self.file.as_ref().filter(|file| is_at(file, &self.path)) {
            let _ = file.set_len(0);
            let _ = std::fs::remove_file(&self.path);
        }
        if let Some(dir) = &self.made {
            // Refused by the system if anything is in it.
            let _ = std::fs::remove_dir(dir);
        }
    }
}

fn in_use(path: &Path, file: &mut File) -> DataError {
    let mut holder = None;
    for _ in 0..LOOKS {
        holder = read_holder(file);
        if holder.is_some() {
            break;
        }
        std::thread::sleep(PAUSE);
    }
    let hint = match &holder {
        Some(holder) => format!(
            "wait until it ends, or stop process {} on {}; the lock goes with it",
            holder.process, holder.host
        ),
        None => "wait until it ends, or stop it; the lock goes with it".to_owned(),
    };
    DataError::InUse {
        path: path.to_path_buf(),
        holder: holder.map_or_else(|| "another process".to_owned(), |holder| holder.to_string()),
        hint,
    }
}

fn read_holder(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn write_holder(file: &mut File, holder: &Holder) -> io::Result<()> {
    let mut text = serde_json::to_string(holder)?;
    text.push('\n');
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(text.as_bytes())
}

/// Whether an error says that the file system knows no locks, not that this one failed.
fn has_no_locks(error: &io::Error) -> bool {
    /// `ENOLCK` of Linux and of macOS: what a network mount without its lock service answers.
    const NO_LOCKS: [i32; 2] = [37, 77];
    let code = error.raw_os_error();
    error.kind() == io::ErrorKind::Unsupported
        || cfg!(unix) && code.is_some_and(|code| NO_LOCKS.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_one_is_told_who_holds_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("run.lock");
        let lock = Lock::acquire(&path, "aelectra pretrain").expect("free");
        assert!(lock.is_enforced());
        let error = Lock::acquire(&path, "aelectra pretrain").expect_err("held");
        let (text, hint) = (error.to_string(), error.hint().unwrap_or_default());
        let process = format!("process {} on ", std::process::id());
        for wanted in ["aelectra pretrain", &process, " since 20"] {
            assert!(text.contains(wanted), "no {wanted:?} in {text}");
        }
        assert!(hint.contains("wait until it ends"), "{hint}");
        drop(lock);
        assert!(!path.exists(), "the file goes with the lock");
        drop(Lock::acquire(&path, "again").expect("free again"));
    }

    #[test]
    fn what_a_killed_process_left_is_taken_over() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("run.lock");
        std::fs::write(&path, "{\"what\":\"x\",\"process\":1,\"ho").expect("writes");
        let _lock = Lock::acquire(&path, "aelectra vocab").expect("nobody holds it");
        let text = std::fs::read_to_string(&path).expect("reads");
        let holder: Holder = serde_json::from_str(&text).expect("a holder");
        assert_eq!(holder.what, "aelectra vocab");
    }

    /// In a run that was copied from somebody.
    #[cfg(unix)]
    #[test]
    fn a_link_in_its_place_is_refused_and_leads_to_no_harm() {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, keys) = (dir.path().join("lock"), dir.path().join("keys"));
        std::fs::write(&keys, "precious").expect("writes");
        std::os::unix::fs::symlink(&keys, &path).expect("links");
        let error = Lock::acquire(&path, "aelectra pretrain").expect_err("a link");
        assert!(error.to_string().contains("is a symbolic link"), "{error}");
        assert_eq!(Lock::is_held(&path), None);
        // Put there while the lock is held.
        std::fs::remove_file(&path).expect("removes");
        let lock = Lock::acquire(&path, "aelectra pretrain").expect("free");
        std::fs::rename(&path, dir.path().join("away")).expect("renames");
        std::os::unix::fs::symlink("away", &path).expect("links");
        assert!(!lock.is_in_place());
        drop(lock);
        assert!(path.is_symlink(), "it is not ours");
        assert_eq!(std::fs::read_to_string(&keys).expect("there"), "precious");
        // The run itself may be behind a link.
        std::os::unix::fs::symlink(dir.path(), dir.path().join("latest")).expect("links");
        let behind = dir.path().join("latest/run.lock");
        let lock = Lock::acquire(&behind, "aelectra pretrain").expect("free");
        assert!(lock.is_in_place() && Lock::is_held(&behind) == Some(true));
    }

    #[test]
    fn at_no_time_two_hold_it() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("run.lock");
        let (inside, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        if let Ok(_lock) = Lock::acquire(&path, "test") {
                            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                            taken.fetch_add(1, Ordering::SeqCst);
                            std::thread::yield_now();
                            inside.fetch_sub(1, Ordering::SeqCst);
                        }
                    }
                });
            }
        });
        assert!(taken.into_inner() > 0);
    }
}
