//! Which files `predict --out` tags, and where their names begin.

use std::path::{Component, Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use crate::output;

/// The files to tag.
#[derive(Debug)]
pub(super) struct Found {
    /// The directory their names are taken from.
    pub root: PathBuf,
    /// Sorted.
    pub files: Vec<PathBuf>,
    /// What lies among them and is hidden, or no file: a link that leads nowhere, a pipe.
    pub passed_over: usize,
}

/// The files of a pattern, a directory or a name. What is hidden below the part of a pattern that names no
/// more than one place is left out, and so is `out`, which may lie among them. Names need not be UTF-8.
pub(super) fn find(input: &str, out: &Path) -> anyhow::Result<Found> {
    // `./letters` and `letters` are the same directory, and their outputs are.
    let path: PathBuf = Path::new(input)
        .components()
        .filter(|part| *part != Component::CurDir)
        .collect();
    if path.is_file() {
        return Ok(Found {
            root: path.parent().unwrap_or(Path::new("")).to_path_buf(),
            files: vec![path],
            passed_over: 0,
        });
    }
    let (root, pattern) = if Path::new(input).is_dir() {
        (path, None)
    } else {
        let plain =
            |part: &Component<'_>| !part.as_os_str().to_string_lossy().contains(['*', '?', '[']);
        let root: PathBuf = path.components().take_while(plain).collect();
        let mut text = path.to_string_lossy().into_owned();
        if text.ends_with("**") {
            // By itself it names directories only, where all below them is meant.
            text += "/*";
        }
        let pattern = glob::Pattern::new(&text).map_err(|error| {
            output::usage(format!("`{input}` is no pattern: {error}"), "quote it")
        })?;
        (root, Some(pattern))
    };
    let mut found = Found {
        root,
        files: Vec::new(),
        passed_over: 0,
    };
    found.walk(pattern.as_ref(), out)?;
    if found.files.is_empty() {
        return Err(output::usage(
            format!("no file matches `{input}`"),
            "give a directory, or a pattern such as 'corpus/**/*.txt' in quotes",
        ));
    }
    Ok(found)
}

impl Found {
    fn walk(&mut self, pattern: Option<&glob::Pattern>, out: &Path) -> anyhow::Result<()> {
        let start = match self.root.as_os_str().is_empty() {
            true => Path::new("."),
            false => &self.root,
        };
        if !start.is_dir() {
            return Ok(());
        }
        let out = out.canonicalize().ok();
        // Links to directories are not followed: they may lead back.
        let is_output = |entry: &DirEntry| {
            entry.file_type().is_dir() && out.is_some() && entry.path().canonicalize().ok() == out
        };
        let mut walk = WalkDir::new(start).sort_by_file_name();
        if let Some(levels) = pattern.and_then(|pattern| levels(pattern, &self.root)) {
            walk = walk.max_depth(levels);
        }
        for entry in walk.into_iter().filter_entry(|entry| !is_output(entry)) {
            let entry = entry?;
            let below = entry.path().strip_prefix(start).unwrap_or(entry.path());
            let named = self.root.join(below);
            let is_meant = pattern.is_none_or(|pattern| matches(pattern, &named));
            if below.as_os_str().is_empty() || !is_meant || named.is_dir() {
                continue;
            }
            let is_hidden = below
                .components()
                .any(|part| part.as_os_str().as_encoded_bytes().starts_with(b"."));
            if !is_hidden && named.is_file() {
                self.files.push(named);
            } else {
                self.passed_over += 1;
            }
        }
        self.files.sort();
        Ok(())
    }
}

/// Whether a path is one of a pattern's; `*` and `?` stay within a name.
fn matches(pattern: &glob::Pattern, path: &Path) -> bool {
    let options = glob::MatchOptions {
        require_literal_separator: true,
        ..glob::MatchOptions::new()
    };
    pattern.matches_with(&path.to_string_lossy(), options)
}

/// How far below its fixed part a pattern reaches, unless any distance will do.
fn levels(pattern: &glob::Pattern, root: &Path) -> Option<usize> {
    let text = Path::new(pattern.as_str());
    let deep = pattern.as_str().contains("**");
    let parts = |path: &Path| path.components().count();
    (!deep).then(|| parts(text).saturating_sub(parts(root)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names below the root, and how many were passed over.
    fn found(input: &str, out: &Path) -> (Vec<String>, usize) {
        let found = find(input, out).expect("it finds some");
        let names = found.files.iter().map(|file| {
            let below = file.strip_prefix(&found.root).expect("below the root");
            below.to_string_lossy().into_owned()
        });
        (names.collect(), found.passed_over)
    }

    #[test]
    fn directories_and_patterns_find_the_same_files() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name);
        for name in [
            "a.txt",
            "sub/b.txt",
            "sub/deep/c.md",
            ".hidden/d.txt",
            "out/e.txt",
        ] {
            std::fs::create_dir_all(at(name).parent().expect("a parent")).expect("created");
            std::fs::write(at(name), "x").expect("written");
        }
        let (whole, out) = (dir.path().to_string_lossy().into_owned(), at("out"));
        let all = ["a.txt", "sub/b.txt", "sub/deep/c.md"];
        for input in [
            whole.clone(),
            format!("{whole}/"),
            format!("{whole}/./"),
            format!("{whole}/**"),
            format!("{whole}/**/*"),
        ] {
            assert_eq!(found(&input, &out).0, all, "{input}");
        }
        assert_eq!(found(&whole, &out).1, 1, "the hidden one");
        assert_eq!(found(&format!("{whole}/**/*.txt"), &out).0, all[..2]);
        assert_eq!(found(&format!("{whole}/*/*"), &out).0, ["sub/b.txt"]);
        assert_eq!(found(&format!("{whole}/sub/?.txt"), &out).0, ["b.txt"]);
        assert_eq!(found(&format!("{whole}/.hidden"), &out).0, ["d.txt"]);
        assert!(find(&format!("{whole}/*.csv"), &out).is_err());
        assert!(find(&format!("{whole}/none/*.txt"), &out).is_err());
    }

    /// As in an archive from before UTF-8.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_name_need_not_be_utf8() {
        use std::os::unix::ffi::OsStrExt;

        let dir = tempfile::tempdir().expect("a directory");
        let name = std::ffi::OsStr::from_bytes(b"\xe5rhus.txt");
        std::fs::write(dir.path().join(name), "x").expect("written");
        let whole = dir.path().to_string_lossy().into_owned();
        for input in [whole.clone(), format!("{whole}/*.txt")] {
            let files = find(&input, &dir.path().join("out")).expect("found").files;
            assert_eq!(files, [dir.path().join(name)]);
        }
    }
}
