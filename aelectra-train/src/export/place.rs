//! Where a model may be written: not over something else, and so that nobody finds half of it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use aelectra_data::files::{
    if_there, keep_access, remove_unfinished, sync_directory_of, unfinished,
};
use aelectra_data::lock::Lock;
use aelectra_data::run::RunDir;
use aelectra_model::ElectraConfig;
use aelectra_model::checkpoint::ModelDir;

use crate::error::{Result, TrainError};

/// Where the new files are written before the old ones go.
const NEW: &str = ".new-model";
/// Without it there is no model.
const CONFIG: &str = "config.json";

/// A directory that is being written. Whoever reads it, also after a crash or on a full disk, finds the old model, the new one or
/// none, and never weights of one with words of the other.
pub(super) struct Place {
    out: PathBuf,
    new: PathBuf,
    _lock: Lock,
}

impl Place {
    /// Keeps others out of `out`, which is made if it is not there.
    ///
    /// # Errors
    /// When another process writes there, or `out` holds something else than a model.
    pub(super) fn take(out: &Path) -> Result<Self> {
        let lock = Lock::of_directory(out, "aelectra export")?;
        // It may have become something else since it was looked at.
        refuse_other_files(out)?;
        remove_unfinished(out);
        let place = Self {
            out: out.to_path_buf(),
            new: out.join(NEW),
            _lock: lock,
        };
        place.empty()?;
        Ok(place)
    }

    /// Makes the folder of new files, or empties it. It is nobody else's to read: what will be replaced may not be either.
    fn empty(&self) -> Result<()> {
        let mut make = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut make, 0o700);
        match make.create(&self.new) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                for name in names(&self.new)? {
                    let path = self.new.join(name);
                    fs::remove_file(&path).map_err(TrainError::io("remove", &path))?;
                }
                Ok(())
            }
            made => made.map_err(TrainError::io("create", &self.new)),
        }
    }

    /// Where to write the files.
    pub(super) fn new_files(&self) -> &Path {
        &self.new
    }

    /// Puts what was written in place of what was there: first there is no model, and with the last file the new one.
    ///
    /// # Errors
    /// When a file cannot be moved or removed.
    pub(super) fn put(self) -> Result<()> {
        let mut names = names(&self.new)?;
        names.sort_unstable_by_key(|name| name == CONFIG);
        for name in &names {
            let (from, to) = (self.new.join(name), self.out.join(name));
            if let Ok(old) = fs::metadata(&to) {
                let file = File::open(&from).map_err(TrainError::io("open", &from))?;
                keep_access(&file, &old).map_err(TrainError::io("keep the access of", &to))?;
            }
        }
        let config = self.out.join(CONFIG);
        if_there(fs::remove_file(&config)).map_err(TrainError::io("remove", &config))?;
        sync_directory_of(&config).map_err(TrainError::io("write", &config))?;
        for name in &names {
            let to = self.out.join(name);
            fs::rename(self.new.join(name), &to).map_err(TrainError::io("write", &to))?;
        }
        sync_directory_of(&config).map_err(TrainError::io("write", &config))
    }
}

/// The files in a folder.
fn names(dir: &Path) -> Result<Vec<OsString>> {
    let entries = fs::read_dir(dir).map_err(TrainError::io("list", dir))?;
    let names = entries.map(|entry| entry.map(|entry| entry.file_name()));
    names
        .collect::<std::io::Result<_>>()
        .map_err(TrainError::io("list", dir))
}

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be removed is removed by the next export.
        let _ = self.empty();
        // Without a configuration it is all that tells what lies here for a model's.
        let is_new = |name: &OsString| name == NEW || Lock::is_file_name(&name.to_string_lossy());
        let is_alone = || names(&self.out).is_ok_and(|names| names.iter().all(is_new));
        if self.out.join(CONFIG).is_file() || is_alone() {
            let _ = fs::remove_dir(&self.new);
        }
    }
}

/// Refuses a directory that has something else than a model, or that is the model of a run. What an export that was killed left is
/// no such thing.
pub(super) fn refuse_other_files(out: &Path) -> Result<()> {
    let entries = fs::read_dir(out).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    let has = |name: &str| names.iter().any(|there| there == name);
    let is_left =
        |name: &String| name == NEW || Lock::is_file_name(name) || unfinished(name).is_some();
    let other = names.iter().find(|name| !is_left(name));
    let was_replaced = has(NEW) && !has(CONFIG);
    // A run's directory has a configuration too.
    if let Some(other) = other
        && (!(out.join(CONFIG).is_file() || was_replaced) || has("events.jsonl"))
    {
        return Err(TrainError::config(format!(
            "`{}` holds other files than a model's, such as `{}`",
            out.display(),
            other.escape_debug()
        ))
        .with_hint("give a directory of its own"));
    }
    let whole = out.canonicalize().ok();
    let own = |out: &&Path| RunDir::MODELS.iter().any(|own| out.ends_with(own));
    let parent = whole.as_deref().filter(own).and_then(Path::parent);
    if let Some(run) = parent.filter(|parent| RunDir::open(parent).is_ok()) {
        return Err(TrainError::config(format!(
            "`{}` is the model of the run `{}`",
            out.display(),
            run.display()
        ))
        .with_hint("give a directory outside of runs"));
    }
    Ok(())
}

/// Refuses to lose a model of another kind or other sizes: what is there was a tagger, say, and this is none.
pub(super) fn refuse_other_model(
    out: &Path,
    architecture: &str,
    config: &ElectraConfig,
) -> Result<()> {
    let Ok(there) = ModelDir::open(out) else {
        return Ok(());
    };
    let differing = there.config.differing_sizes(config).into_iter();
    let differing: Vec<String> = differing
        .map(|(name, before, now)| format!("`{name}` is {before} there and {now} here"))
        .collect();
    let problem = if !differing.is_empty() {
        format!("a model of other sizes: {}", differing.join(", "))
    } else {
        let there = &there.config.architectures;
        if there.is_empty() || there.iter().any(|one| one == architecture) {
            return Ok(());
        }
        format!(
            "another kind of model, {}, and this is {architecture}",
            there.join(", ")
        )
    };
    Err(
        TrainError::config(format!("`{}` holds {problem}", out.display()))
            .with_hint("give a directory of its own"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(dir: &Path) -> Vec<(String, String)> {
        let mut files: Vec<_> = fs::read_dir(dir)
            .expect("lists")
            .map(|entry| entry.expect("an entry"))
            .map(|entry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                (name, fs::read_to_string(entry.path()).expect("reads"))
            })
            .collect();
        files.sort();
        files
    }

    fn write(dir: &Path, of: &str) {
        fs::create_dir_all(dir).expect("makes");
        for name in ["config.json", "model.safetensors", "vocab.txt"] {
            fs::write(dir.join(name), of).expect("writes");
        }
    }

    #[test]
    fn a_model_is_replaced_whole_or_stays() {
        let root = tempfile::tempdir().expect("a directory");
        let out = root.path().join("model");
        write(&out, "old");
        let old = files(&out);
        // Given up: something went wrong after some of it was written.
        let place = Place::take(&out).expect("a model is there");
        fs::write(place.new_files().join("vocab.txt"), "new").expect("writes");
        assert!(Place::take(&out).is_err(), "two at a time");
        drop(place);
        assert_eq!(files(&out), old);

        let place = Place::take(&out).expect("a model is there");
        write(place.new_files(), "new");
        place.put().expect("moves");
        let new = files(&out);
        assert_eq!(new.len(), 3);
        assert!(new.iter().all(|(_, of)| of == "new"), "{new:?}");
    }

    /// Nothing is lost but the old model: the next export makes a new one.
    #[test]
    fn an_export_that_fails_in_the_middle_can_be_made_again() {
        let root = tempfile::tempdir().expect("a directory");
        let out = root.path().join("model");
        write(&out, "old");
        fs::create_dir(out.join("README.md")).expect("makes");
        let failing = || {
            let place = Place::take(&out).expect("it is a model's");
            write(place.new_files(), "new");
            fs::write(place.new_files().join("README.md"), "new").expect("writes");
            place.put().expect_err("a directory is in the way");
        };
        failing();
        failing();
        drop(Place::take(&out).expect("it is a model's"));
        fs::remove_dir(out.join("README.md")).expect("removes");
        let place = Place::take(&out).expect("it is a model's");
        write(place.new_files(), "new");
        place.put().expect("moves");
        assert_eq!(files(&out).len(), 3);

        // Of one that wrote nothing nothing is left.
        let empty = root.path().join("empty");
        drop(Place::take(&empty).expect("there is nothing"));
        assert!(!empty.exists());
    }

    #[cfg(unix)]
    #[test]
    fn new_files_are_read_by_whom_the_old_ones_are() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().expect("a directory");
        let out = root.path().join("model");
        write(&out, "old");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        let weights = out.join("model.safetensors");
        fs::set_permissions(&weights, fs::Permissions::from_mode(0o600)).expect("sets");
        let place = Place::take(&out).expect("it is a model's");
        write(place.new_files(), "new");
        assert_eq!(mode(place.new_files()), 0o700);
        place.put().expect("moves");
        assert_eq!(mode(&weights), 0o600);
    }

    #[test]
    fn what_a_killed_export_left_is_gone_after_the_next() {
        let root = tempfile::tempdir().expect("a directory");
        let out = root.path().join("model");
        // Killed before anything was in place, and after the old configuration had gone.
        for there in [&[][..], &["model.safetensors", "vocab.txt"]] {
            write(&out.join(NEW), "half");
            for name in there {
                fs::write(out.join(name), "old").expect("writes");
            }
            fs::write(out.join(".model.safetensors.4711.partial"), "half").expect("writes");
            let place = Place::take(&out).expect("it is a model's");
            write(place.new_files(), "new");
            place.put().expect("moves");
            assert_eq!(files(&out).len(), 3);
            fs::remove_dir_all(&out).expect("removes");
        }
        write(&out, "somebody's");
        fs::remove_file(out.join("config.json")).expect("removes");
        let error = Place::take(&out)
            .map(drop)
            .expect_err("no model")
            .to_string();
        assert!(
            error.contains("model.safetensors") || error.contains("vocab.txt"),
            "{error}"
        );
        assert_eq!(files(&out).len(), 2, "nothing was touched");
    }
}
