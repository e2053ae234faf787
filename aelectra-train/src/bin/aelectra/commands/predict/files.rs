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
    /// Links among them that lead out of the root, each with where to. Whoever may write into a directory must not have a job
    /// of somebody else's copy what lies elsewhere.
    pub outside: Vec<(PathBuf, PathBuf)>,
    /// Directories among them that cannot be listed, each with why.
    pub unreadable: Vec<(PathBuf, String)>,
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
            outside: Vec::new(),
            unreadable: Vec::new(),
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
        outside: Vec::new(),
        unreadable: Vec::new(),
    };
    found.walk(pattern.as_ref(), out)?;
    if found.files.is_empty() {
        if let Some(note) = found.leads_out() {
            output::note(&note);
        }
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
        let inside = start.canonicalize().ok();
        let out = out.canonicalize().ok();
        if out.is_some() && inside == out {
            return Err(output::usage(
                format!("--out is the directory to read, `{}`", start.display()),
                "give a directory of its own",
            ));
        }
        let is_output = |entry: &DirEntry| {
            entry.file_type().is_dir() && out.is_some() && entry.path().canonicalize().ok() == out
        };
        let levels = pattern.map_or_else(Vec::new, |pattern| levels(pattern, &self.root));
        let mut walk = WalkDir::new(start).follow_links(true).sort_by_file_name();
        let deepest = pattern
            .filter(|pattern| !pattern.as_str().contains("**"))
            .map(|_| levels.len());
        if let Some(deepest) = deepest {
            walk = walk.max_depth(deepest);
        }
        // What a pattern excludes is not even opened.
        let leads_on = |entry: &DirEntry| {
            let level = entry.depth().checked_sub(1).and_then(|at| levels.get(at));
            let name = entry.file_name().to_string_lossy();
            level.is_none_or(|level| level.matches(&name))
        };
        // The root itself may be a link: it was named.
        let way_out = |entry: &DirEntry| {
            let to = match entry.path_is_symlink() && entry.depth() > 0 {
                true => entry.path().canonicalize().ok()?,
                false => return None,
            };
            let is_inside = inside.as_ref().is_some_and(|root| to.starts_with(root));
            (!is_inside).then_some(to)
        };
        let is_hidden = |below: &Path| {
            below
                .components()
                .any(|part| part.as_os_str().as_encoded_bytes().starts_with(b"."))
        };
        let mut outside = Vec::new();
        // A directory that is not ours is not even listed.
        let mut enters = |entry: &DirEntry| {
            if !entry.file_type().is_dir() || deepest == Some(entry.depth()) {
                return true;
            }
            let Some(to) = way_out(entry) else {
                return true;
            };
            let below = entry.path().strip_prefix(start).unwrap_or(entry.path());
            if !is_hidden(below) {
                outside.push((self.root.join(below), to));
            }
            false
        };
        let walk = walk.into_iter();
        for entry in
            walk.filter_entry(|entry| !is_output(entry) && leads_on(entry) && enters(entry))
        {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) if leads_nowhere(&error) => {
                    self.passed_over += 1;
                    continue;
                }
                // One that is closed to us, such as `lost+found`, costs nobody the rest.
                Err(error) if error.depth() > 0 && error.path().is_some() => {
                    let path = error.path().unwrap_or(start).to_path_buf();
                    let why = error
                        .io_error()
                        .map_or_else(String::new, ToString::to_string);
                    self.unreadable.push((path, why));
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let below = entry.path().strip_prefix(start).unwrap_or(entry.path());
            let named = self.root.join(below);
            let is_meant = pattern.is_none_or(|pattern| matches(pattern, &named));
            if below.as_os_str().is_empty() || !is_meant || named.is_dir() {
                continue;
            }
            if is_hidden(below) || !named.is_file() {
                self.passed_over += 1;
            } else if let Some(to) = way_out(&entry) {
                self.outside.push((named, to));
            } else {
                self.files.push(named);
            }
        }
        self.files.sort();
        self.outside.extend(outside);
        self.outside.sort();
        Ok(())
    }

    /// What to tell of links that lead out, and what to do.
    pub(super) fn leads_out(&self) -> Option<String> {
        let (link, to) = self.outside.first()?;
        let start = match self.root.as_os_str().is_empty() {
            true => Path::new("."),
            false => &self.root,
        };
        Some(format!(
            "left out: links that lead out of `{}` ({}, first `{}`); to tag what they lead to, name it as an --input of its own, such \
             as `{}`",
            start.display(),
            self.outside.len(),
            link.display(),
            to.display()
        ))
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

/// A link back to where the walk has come from, or to what is not there.
fn leads_nowhere(error: &walkdir::Error) -> bool {
    let is_link = error.path().is_some_and(Path::is_symlink);
    let missing = error.io_error().map(std::io::Error::kind) == Some(std::io::ErrorKind::NotFound);
    error.loop_ancestor().is_some() || is_link && missing
}

/// The patterns of the names below a pattern's fixed part, level by level, up to one for any distance.
fn levels(pattern: &glob::Pattern, root: &Path) -> Vec<glob::Pattern> {
    let parts = Path::new(pattern.as_str()).components();
    let below = parts.skip(root.components().count());
    let names = below.map(|part| part.as_os_str().to_string_lossy().into_owned());
    names
        .take_while(|name| !name.contains("**"))
        .map_while(|name| glob::Pattern::new(&name).ok())
        .collect()
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
        let into_itself = find(&format!("{whole}/*.txt"), dir.path()).expect_err("refused");
        assert!(
            into_itself.to_string().contains("--out is"),
            "{into_itself}"
        );
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_other_folders_left_alone() {
        use std::os::unix::fs::{PermissionsExt, symlink};

        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name);
        for name in ["elsewhere/a.txt", "archive/b.txt", "closed/c.txt"] {
            std::fs::create_dir_all(at(name).parent().expect("a parent")).expect("created");
            std::fs::write(at(name), "x").expect("written");
        }
        symlink(at("elsewhere"), at("archive/2024")).expect("linked");
        symlink(at("archive"), at("archive/back")).expect("linked");
        symlink(at("nothing"), at("archive/broken")).expect("linked");
        symlink(at("archive/b.txt"), at("archive/copy.txt")).expect("linked");
        symlink(at("elsewhere/a.txt"), at("archive/out.txt")).expect("linked");
        let whole = dir.path().to_string_lossy().into_owned();
        let out = at("out");
        // From here all of them stay inside.
        let (names, passed_over) = found(&whole, &out);
        let all = [
            "archive/2024/a.txt",
            "archive/b.txt",
            "archive/copy.txt",
            "archive/out.txt",
            "closed/c.txt",
            "elsewhere/a.txt",
        ];
        assert_eq!((&names[..], passed_over), (&all.map(str::to_owned)[..], 2));
        assert_eq!(
            found(&format!("{whole}/*/2024/a.txt"), &out).0,
            ["archive/2024/a.txt"]
        );
        // From here two lead out, to a directory and to a file.
        let inside = ["b.txt", "copy.txt"];
        for (input, left_out) in [
            ("archive", &["2024", "out.txt"][..]),
            ("archive/**/*.txt", &["2024", "out.txt"]),
            ("archive/*", &["out.txt"]),
        ] {
            let input = format!("{whole}/{input}");
            assert_eq!(found(&input, &out).0, inside, "{input}");
            let found = find(&input, &out).expect("it finds some");
            let links: Vec<PathBuf> = found.outside.iter().map(|(link, _)| link.clone()).collect();
            let expected: Vec<PathBuf> = left_out
                .iter()
                .map(|name| at("archive").join(name))
                .collect();
            assert_eq!(links, expected, "{input}");
            let note = found.leads_out().expect("some lead out");
            let count = format!("({}, first `{}`)", left_out.len(), expected[0].display());
            assert!(note.contains(&count) && note.contains("--input"), "{note}");
        }
        // What was named is meant, wherever it leads.
        for input in ["archive/2024", "archive/2024/*.txt", "archive/out.txt"] {
            let found = find(&format!("{whole}/{input}"), &out).expect("it finds some");
            assert_eq!((found.files.len(), found.leads_out()), (1, None), "{input}");
        }
        let close = |mode| {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(at("closed"), mode).expect("changed");
        };
        close(0);
        let (names, _) = found(&format!("{whole}/arch*/*.txt"), &out);
        close(0o700);
        assert_eq!(names, all[1..4]);
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
