//! Files that appear whole: whoever reads one, also after a crash, finds the old content or the
//! new, never a part.

mod access;
mod own;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::access::{create_new, keep_access};
pub(crate) use self::own::is_at;
pub use self::own::open_own;
use crate::error::{DataError, Result};

/// Replaces a file: writes a temporary file beside it, syncs it, renames it and syncs the directory. It keeps the
/// old file's permissions, and its group where that may be given; nobody else may read the new one.
///
/// # Errors
/// [`DataError::Io`] if the operating system refuses; the old file is then still there.
pub fn replace_file(path: &Path, content: &[u8]) -> Result<()> {
    write_beside(path, content, None)?;
    sync_directory_of(path).map_err(DataError::io("write", path))
}

/// [`replace_file`] before its directory is synced; a new file is no more readable than `source`, where there is one.
fn write_beside(path: &Path, content: &[u8], source: Option<&Path>) -> Result<()> {
    let old = fs::metadata(path).ok();
    replace_with(path, |temporary| {
        let mut file = match (&old, source) {
            (Some(old), _) => {
                let file = create_new(temporary, Some(&old.permissions()))?;
                keep_access(&file, old)?;
                file
            }
            (None, Some(source)) => access::create_no_more_readable(temporary, source)?,
            (None, None) => create_new(temporary, None)?,
        };
        file.write_all(content)?;
        file.sync_all()
    })
}

/// A file that is made of another.
#[cfg(feature = "text")]
#[derive(Clone, Copy, Debug)]
pub struct MadeOf<'a> {
    /// Where it is written to.
    pub path: &'a Path,
    /// What is written.
    pub content: &'a [u8],
    /// The file it is made of. Who may not read that may not read this one either, unless it was there before.
    pub source: &'a Path,
}

/// Replaces several files at once, as [`replace_file`] does one; their directories are synced once each. With thousands of
/// small files it is the disk that is waited for, and it can do several at a time.
///
/// # Errors
/// As [`replace_file`]; others of the files may have been replaced.
#[cfg(feature = "text")]
pub fn replace_files(files: &[MadeOf<'_>]) -> Result<()> {
    /// Writes under way at a time.
    const AT_ONCE: usize = 16;
    let next = std::sync::atomic::AtomicUsize::new(0);
    let write = || {
        while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            write_beside(file.path, file.content, Some(file.source))?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (1..files.len().min(AT_ONCE))
            .map(|_| scope.spawn(write))
            .collect();
        let own = write();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .fold(own, Result::and)
    })?;
    let directories: std::collections::BTreeSet<_> =
        files.iter().map(|file| file.path.parent()).collect();
    directories.into_iter().flatten().try_for_each(|directory| {
        // Any name in it stands for its directory.
        sync_directory_of(&directory.join("x")).map_err(DataError::io("write", directory))
    })
}

/// Writes a file that somebody named: as [`replace_file`], but through links, and into what is no regular
/// file, such as a pipe or `/dev/stdout`.
///
/// # Errors
/// As [`replace_file`]; `-` is no file.
pub fn write_named(path: &Path, content: &[u8]) -> Result<()> {
    can_be_written(path)?;
    match fs::metadata(path) {
        // What `/dev/stdout` leads to may be a file that somebody else has open.
        Ok(found) if !found.is_dir() && (!found.is_file() || path.starts_with("/dev")) => {
            File::options()
                .append(true)
                .open(path)
                .and_then(|mut file| file.write_all(content))
                .map_err(DataError::io("write", path))
        }
        Ok(_) => replace_file(
            &path.canonicalize().map_err(DataError::io("find", path))?,
            content,
        ),
        Err(_) => replace_file(path, content),
    }
}

/// Whether [`write_named`] has a place to write to, as far as that can be told before: to be asked before the work whose
/// result is written.
///
/// # Errors
/// `-` is no file, and neither is a directory; the directory of a file must be there and let files be made in it.
pub fn can_be_written(path: &Path) -> Result<()> {
    if path == Path::new("-") {
        let error = DataError::invalid("`-` is no name for a file to write");
        return Err(error.with_hint("name a file; `/dev/stdout` is standard output"));
    }
    let refused = |kind: std::io::ErrorKind| DataError::io("write", path)(kind.into());
    if path.is_dir() {
        return Err(refused(std::io::ErrorKind::IsADirectory));
    }
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() && !parent.is_dir() => {
            Err(DataError::io("write to", parent)(
                std::io::ErrorKind::NotFound.into(),
            ))
        }
        _ if path.exists() && !path.is_file() => Ok(()),
        _ => probe(path).map_err(DataError::io("write", path)),
    }
}

/// Whether a file can be made beside another, as [`replace_file`] makes it.
fn probe(path: &Path) -> std::io::Result<()> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".probe-{}", std::process::id()));
    let beside = path.with_file_name(name);
    create_new(&beside, None)?;
    fs::remove_file(&beside)
}

/// [`replace_file`] with a value as indented JSON.
///
/// # Errors
/// As [`replace_file`], or if the value has no form in JSON.
pub fn replace_json<T: Serialize + ?Sized>(path: &Path, value: &T) -> Result<()> {
    replace_file(path, json(path, value)?.as_bytes())
}

/// [`write_named`] with a value as indented JSON.
///
/// # Errors
/// As [`write_named`], or if the value has no form in JSON.
#[cfg(feature = "text")]
pub(crate) fn write_json_named<T: Serialize + ?Sized>(path: &Path, value: &T) -> Result<()> {
    write_named(path, json(path, value)?.as_bytes())
}

fn json<T: Serialize + ?Sized>(path: &Path, value: &T) -> Result<String> {
    let mut text = serde_json::to_string_pretty(value).map_err(|error| {
        DataError::invalid(format!("cannot write `{}`: {error}", path.display()))
    })?;
    text.push('\n');
    Ok(text)
}

/// Reads a file of JSON, which is `expected` as the error says it.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path, expected: &str) -> Result<T> {
    let text = fs::read_to_string(path).map_err(DataError::io("read", path))?;
    serde_json::from_str(&text)
        .map_err(|error| DataError::parse(path, error.line(), expected, error.to_string()))
}

/// The SHA-256 of a file, in hexadecimal.
#[cfg(feature = "text")]
pub fn sha256(path: &Path) -> Result<String> {
    use sha2::{Digest, Sha256};
    let mut file = File::open(path).map_err(DataError::io("open", path))?;
    let mut hash = Sha256::new();
    io::copy(&mut file, &mut hash).map_err(DataError::io("read", path))?;
    Ok(hex(&hash.finalize()))
}

/// Two digits a byte.
#[cfg(feature = "text")]
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One hash of several files: of one its own, of more that of their hashes in order.
///
/// # Errors
/// If one cannot be read.
#[cfg(feature = "text")]
pub fn sha256_of_all<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Result<String> {
    use sha2::{Digest, Sha256};
    let mut hashes = paths.into_iter().map(sha256).collect::<Result<Vec<_>>>()?;
    if hashes.len() == 1 {
        return Ok(hashes.remove(0));
    }
    Ok(hex(&Sha256::digest(hashes.join("\n"))))
}

/// `None` where there is no such file or directory.
///
/// # Errors
/// Any other than that.
pub fn if_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// Replaces `path` by what `make` puts at the temporary path it is given; the directory is not synced.
pub(crate) fn replace_with(path: &Path, make: impl FnOnce(&Path) -> io::Result<()>) -> Result<()> {
    let temporary = temporary(path);
    let replace = || {
        make(&temporary)?;
        fs::rename(&temporary, path)
    };
    replace().map_err(|error| {
        // The first error is the one to report; a leftover temporary file harms nothing.
        let _ = fs::remove_file(&temporary);
        DataError::io("write", path)(error)
    })
}

/// A hidden name beside `path` that no other thread or process uses.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    path.with_file_name(format!(".{name}.{}-{count}.tmp", std::process::id()))
}

/// Removes the files that [`replace_file`], or the writers of models, were writing into a directory when they were killed. To
/// be called where nobody else writes.
pub fn remove_unfinished(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        // A file that cannot be removed harms nothing but the room it takes.
        let name = entry.file_name();
        if unfinished(&name.to_string_lossy()).is_some() && entry.path().is_file() {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The file that was being written under this name: `.NAME.PROCESS-COUNT.tmp`, or of a model `.NAME.PROCESS.partial`.
#[must_use]
pub fn unfinished(name: &str) -> Option<&str> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let hidden = name.strip_prefix('.')?;
    let (file, is_ours) = match hidden.strip_suffix(".tmp") {
        Some(inner) => {
            let (file, process) = inner.rsplit_once('.')?;
            let (process, count) = process.split_once('-')?;
            (file, is_number(process) && is_number(count))
        }
        None => {
            let (file, process) = hidden.strip_suffix(".partial")?.rsplit_once('.')?;
            (file, is_number(process))
        }
    };
    Some(file).filter(|file| is_ours && !file.is_empty())
}

/// A new name survives a power cut only once its directory is on disk too.
///
/// # Errors
/// When the directory cannot be opened or synced.
#[cfg(unix)]
pub fn sync_directory_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

/// As on Unix, where it does something.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn sync_directory_of(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_named_file_is_written_through_a_link_and_into_a_device() {
        let dir = tempfile::tempdir().expect("a directory");
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        fs::write(&file, "old").expect("writes");
        std::os::unix::fs::symlink(&file, &link).expect("links");
        write_named(&link, b"new").expect("writes");
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&file).expect("is there"), "new");
        // Not a device of the machine: whoever breaks this as root would lose one.
        let pipe = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.is_ok_and(|status| status.success()), "no mkfifo");
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read_to_string(pipe)
        });
        write_named(&pipe, b"through").expect("writes");
        let read = reader.join().expect("reads").expect("reads");
        assert_eq!(read, "through");
        assert!(!fs::metadata(&pipe).expect("is there").is_file());
        assert!(write_named(Path::new("-"), b"").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn asking_for_a_place_writes_through_no_link() {
        let dir = tempfile::tempdir().expect("a directory");
        let victim = dir.path().join("victim");
        fs::write(&victim, "precious").expect("writes");
        let planted = format!(".out.probe-{}", std::process::id());
        std::os::unix::fs::symlink(&victim, dir.path().join(planted)).expect("links");
        can_be_written(&dir.path().join("out")).expect("a place");
        assert_eq!(fs::read_to_string(&victim).expect("there"), "precious");
        assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 1);
    }

    #[test]
    fn what_was_being_written_is_told_from_what_people_keep() {
        let ours = temporary(Path::new("model.safetensors"));
        let ours = ours.to_string_lossy();
        let partial = ".model.safetensors.28017.partial";
        for ours in [&ours, partial] {
            assert_eq!(unfinished(ours), Some("model.safetensors"));
        }
        for kept in [
            "a.tmp",
            ".a.tmp",
            ".notes.old.tmp",
            ".notes.2024-11-28.tmp",
            ".12.tmp",
            "model.1.partial",
        ] {
            assert_eq!(unfinished(kept), None, "{kept}");
        }
        let dir = tempfile::tempdir().expect("a directory");
        for name in [".a.1-2.tmp", ".notes.old.tmp"] {
            fs::write(dir.path().join(name), "x").expect("writes");
        }
        remove_unfinished(dir.path());
        assert!(!dir.path().join(".a.1-2.tmp").exists());
        assert!(dir.path().join(".notes.old.tmp").exists());
    }

    #[cfg(feature = "text")]
    #[test]
    fn several_files_are_replaced_or_told() {
        let dir = tempfile::tempdir().expect("a directory");
        let source = tempfile::NamedTempFile::new().expect("a file");
        let paths: Vec<PathBuf> = (0..40).map(|at| dir.path().join(at.to_string())).collect();
        let made = |path| MadeOf {
            path,
            content: b"new",
            source: source.path(),
        };
        let files: Vec<MadeOf<'_>> = paths.iter().map(|path| made(&**path)).collect();
        replace_files(&files).expect("writes");
        for path in &paths {
            assert_eq!(fs::read(path).expect("is there"), b"new");
        }
        assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 40);
        let nowhere = dir.path().join("none/a");
        let with_one = [&files[..], &[made(&*nowhere)]].concat();
        let told = replace_files(&with_one).expect_err("no such directory");
        assert!(told.to_string().contains("none/a"), "{told}");
        replace_files(&[]).expect("nothing to do");
    }

    #[test]
    fn a_refused_write_keeps_the_old_file_and_leaves_no_other() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("x.json");
        replace_json(&path, &[1]).expect("writes");
        replace_json(&path, &[2]).expect("replaces");
        let refused = replace_with(&path, |temporary| {
            fs::write(temporary, "half")?;
            Err(io::Error::other("full"))
        });
        let error = refused.expect_err("refused").to_string();
        assert!(
            error.contains("x.json") && error.contains("full"),
            "{error}"
        );
        assert_eq!(fs::read_to_string(&path).expect("is there"), "[\n  2\n]\n");
        assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 1);
    }
}
