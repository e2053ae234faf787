//! Who may read a new file.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// A file where none was: a link that somebody put there is not followed, but replaced.
///
/// # Errors
/// When the operating system refuses, or a directory has the name.
pub fn create_new(path: &Path, permissions: Option<&fs::Permissions>) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if let Some(permissions) = permissions {
        use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
        options.mode(permissions.mode() & 0o777);
    }
    #[cfg(not(unix))]
    let _ = permissions;
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // Left by a killed process that had this one's number.
            fs::remove_file(path)?;
            options.open(path)
        }
        other => other,
    }
}

/// Gives a new file the group and the permissions of the one that it will replace. Without the group its permissions would
/// be somebody else's.
///
/// # Errors
/// When nothing can be known of the new file.
#[cfg(unix)]
pub fn keep_access(file: &File, old: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
    let mut mode = old.permissions().mode();
    if file.metadata()?.gid() != old.gid() && fchown(file, None, Some(old.gid())).is_err() {
        mode &= !0o070;
    }
    // It has been made with no more than these; where a mount refuses, less is left.
    let _ = file.set_permissions(fs::Permissions::from_mode(mode));
    Ok(())
}

/// There is nothing to keep.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn keep_access(_: &File, _: &fs::Metadata) -> io::Result<()> {
    Ok(())
}

/// A new file with the permissions of `source`, less what this process takes from all of its files (`umask`); of one that
/// nothing can be known of, for its owner alone. Where it cannot have the group of `source`, its own may read it only if everybody
/// may.
pub(super) fn create_no_more_readable(path: &Path, source: &Path) -> io::Result<File> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
        let source = fs::metadata(source).ok();
        let mode = source.as_ref().map_or(0o600, |it| it.mode() & 0o666);
        let file = create_new(path, Some(&fs::Permissions::from_mode(mode)))?;
        if let Some(source) = source {
            let made = file.metadata()?;
            if made.gid() != source.gid() && fchown(&file, None, Some(source.gid())).is_err() {
                let everybody = mode & 0o007;
                let mode = made.mode() & (0o606 | (everybody << 3));
                // Where a mount refuses, permissions are none of the file's.
                let _ = file.set_permissions(fs::Permissions::from_mode(mode));
            }
        }
        Ok(file)
    }
    #[cfg(not(unix))]
    {
        let _ = source;
        create_new(path, None)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use super::super::*;

    #[test]
    fn a_private_file_stays_private_and_a_planted_link_is_not_followed() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("names.tsv");
        let mode = || fs::metadata(&path).expect("is there").permissions().mode() & 0o777;
        fs::write(&path, "old").expect("writes");
        for private in [0o600, 0o640, 0o664] {
            fs::set_permissions(&path, fs::Permissions::from_mode(private)).expect("set");
            replace_file(&path, b"new").expect("replaces");
            assert_eq!(mode(), private);
        }
        let victim = dir.path().join("victim");
        fs::write(&victim, "precious").expect("writes");
        let planted = dir.path().join("planted");
        std::os::unix::fs::symlink(&victim, &planted).expect("links");
        let mut file = create_new(&planted, None).expect("creates");
        file.write_all(b"new").expect("writes");
        assert_eq!(fs::read_to_string(&victim).expect("is there"), "precious");
        assert!(!planted.is_symlink());
    }

    #[cfg(feature = "text")]
    #[test]
    fn what_is_made_of_a_private_file_is_private() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name);
        let mode = |path: &Path| fs::metadata(path).expect("is there").permissions().mode() & 0o777;
        // What this process takes from every file that it makes.
        fs::write(at("usual"), "x").expect("writes");
        let usual = mode(&at("usual"));
        for private in [0o600, 0o640, 0o400, 0o644, 0o755] {
            let (source, path) = (at(&format!("{private:o}")), at(&format!("{private:o}.out")));
            fs::write(&source, "x").expect("writes");
            fs::set_permissions(&source, fs::Permissions::from_mode(private)).expect("set");
            let file = MadeOf {
                path: &path,
                content: b"new",
                source: &source,
            };
            replace_files(&[file]).expect("writes");
            assert_eq!(mode(&path), private & 0o666 & usual, "{private:o}");
            // What somebody has given to others since stays given.
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("set");
            replace_files(&[file]).expect("writes");
            assert_eq!(mode(&path), 0o644);
        }
        let (path, source) = (at("of-nothing"), at("nothing"));
        let file = MadeOf {
            path: &path,
            content: b"new",
            source: &source,
        };
        replace_files(&[file]).expect("writes");
        assert_eq!(mode(&path), 0o600 & usual);
    }
}
