//! Files that this program keeps for itself, in places where others may have put a link.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

use super::if_there;
use crate::error::{DataError, Result};

/// Opens a file of this program's own to write in it as `options` say, which do not make one; where there is none, one is
/// made. The directory may lie behind links, but one in the place of the file is refused: whoever put it there, as into a run
/// that was copied from somebody, would choose what is written to.
///
/// # Errors
/// [`DataError::Invalid`] for a link, [`DataError::Io`] if the operating system refuses.
pub fn open_own(path: &Path, options: &OpenOptions) -> Result<File> {
    /// How often others may remove or replace the file between two looks at it.
    const LOOKS: u32 = 1000;
    for _ in 0..LOOKS {
        let opened = match fs::symlink_metadata(path) {
            Ok(found) if found.is_symlink() => return Err(is_link(path)),
            // Not made: a link that is there since then may lead to where nothing is yet.
            Ok(_) => if_there(options.open(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                match options.clone().create_new(true).open(path) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
                    other => other.map(Some),
                }
            }
            Err(error) => Err(error),
        };
        let opened = opened.map_err(DataError::io("open", path))?;
        if let Some(file) = opened.filter(|file| is_at(file, path)) {
            return Ok(file);
        }
    }
    let error = io::Error::other("it is removed or replaced again and again");
    Err(DataError::io("open", path)(error))
}

/// The error of [`open_own`] for a link in the place of a file.
fn is_link(path: &Path) -> DataError {
    let message = format!(
        "`{}` is a symbolic link, and what it leads to is not written",
        path.display()
    );
    DataError::invalid(message).with_hint("delete the link; a link to the whole directory may stay")
}

/// Whether an open file is what a path names, and not what a link there leads to.
#[cfg(unix)]
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let place = |found: fs::Metadata| (found.dev(), found.ino());
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(opened), Ok(named)) => place(opened) == place(named),
        _ => false,
    }
}

/// Elsewhere a locked file that is open cannot be removed.
#[cfg(not(unix))]
pub(crate) fn is_at(_: &File, _: &Path) -> bool {
    true
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_of_ones_own_is_not_written_through_a_link() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name);
        let append = |path: &Path| open_own(path, File::options().append(true));
        fs::create_dir(at("disk")).expect("made");
        symlink(at("disk"), at("run")).expect("links");
        // Made, then found; the directory may be elsewhere.
        for line in ["a", "b"] {
            let mut file = append(&at("run/log")).expect("a regular file");
            file.write_all(line.as_bytes()).expect("writes");
        }
        assert_eq!(fs::read_to_string(at("disk/log")).expect("is there"), "ab");
        fs::write(at("victim"), "precious").expect("writes");
        for target in ["victim", "nothing"] {
            symlink(at(target), at(&format!("to-{target}"))).expect("links");
            let error = append(&at(&format!("to-{target}"))).expect_err("a link");
            assert!(error.to_string().contains("is a symbolic link"), "{error}");
            assert!(error.hint().is_some());
        }
        assert_eq!(fs::read_to_string(at("victim")).expect("there"), "precious");
        assert!(!at("nothing").exists());
        let error = append(&at("none/log")).expect_err("no directory");
        assert!(matches!(error, DataError::Io { .. }), "{error}");
    }
}
