//! Paths of a run directory, its pointers, and which runs there are.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::manifest::Manifest;
use crate::error::{DataError, Result};
use crate::files::{if_there, replace_file};

/// A checkpoint that has a name of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pointer {
    /// The newest.
    Last,
    /// The best on held-out data.
    Best,
}

/// A run directory. Holding one opens no file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// The folder of a fine-tuning's best model.
    pub const MODEL: &str = "model";
    /// The folder of a pretraining's larger network, the one to fine-tune.
    pub const DISCRIMINATOR: &str = "discriminator";
    /// The folder of its generator.
    pub const GENERATOR: &str = "generator";
    /// The folder of the tokenizer that a pretraining's checkpoints need.
    pub const TOKENIZER: &str = "tokenizer";
    /// The folder of what each seed of a fine-tuning reached.
    pub const SEEDS: &str = "seeds";
    /// Where a run's models are, the one to use first.
    pub const MODELS: [&str; 3] = [Self::MODEL, Self::DISCRIMINATOR, Self::GENERATOR];

    /// Makes a directory with its subdirectories; one that exists is taken as it is, for a resume.
    ///
    /// # Errors
    /// When a directory cannot be made.
    pub fn create_at(path: &Path) -> Result<Self> {
        let run = Self {
            path: path.to_path_buf(),
        };
        for dir in [run.path.clone(), run.checkpoints(), run.control()] {
            fs::create_dir_all(&dir).map_err(DataError::io("create", &dir))?;
        }
        Ok(run)
    }

    /// A run that exists: a directory with `events.jsonl` or a run's `manifest.json`, or either file.
    ///
    /// # Errors
    /// When there is neither.
    pub fn open(path: &Path) -> Result<Self> {
        let path = match path.file_name().and_then(|name| name.to_str()) {
            Some("events.jsonl" | "manifest.json") if path.is_file() => match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
                _ => PathBuf::from("."),
            },
            _ => path.to_path_buf(),
        };
        let run = Self { path };
        if run.events().is_file() || run.read_manifest().is_ok_and(|it| it.is_of_a_run()) {
            return Ok(run);
        }
        let error = DataError::invalid(format!(
            "`{}` is not a run directory: it holds neither events.jsonl nor a run's manifest.json",
            run.path.display()
        ));
        Err(error.with_hint("give a directory below runs/; `aelectra runs list` names them"))
    }

    /// Every run directly below `root`, the most recently written first; none when there is no
    /// such directory.
    ///
    /// # Errors
    /// When `root` exists and cannot be listed.
    pub fn list(root: &Path) -> Result<Vec<Self>> {
        let entries = if_there(fs::read_dir(root)).map_err(DataError::io("list", root))?;
        let mut runs: Vec<(SystemTime, Self)> = entries
            .into_iter()
            .flatten()
            .flatten()
            // A run's own files would open it too.
            .filter(|entry| entry.path().is_dir())
            .filter_map(|entry| Self::open(&entry.path()).ok())
            .map(|run| (run.modified(), run))
            .collect();
        runs.sort_by(|a, b| b.cmp(a));
        Ok(runs.into_iter().map(|(_, run)| run).collect())
    }

    /// The most recently written run below `root`.
    ///
    /// # Errors
    /// When `root` exists and cannot be listed.
    pub fn latest(root: &Path) -> Result<Option<Self>> {
        Ok(Self::list(root)?.into_iter().next())
    }

    /// When the run last wrote: its events, else its manifest.
    #[must_use]
    pub fn modified(&self) -> SystemTime {
        [self.events(), self.manifest()]
            .iter()
            .find_map(|path| fs::metadata(path).and_then(|meta| meta.modified()).ok())
            .unwrap_or(UNIX_EPOCH)
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory's name.
    #[must_use]
    pub fn id(&self) -> String {
        let name = self.path.file_name().map(|name| name.to_os_string());
        // `.` and `..` have no name of their own until they are resolved.
        name.or_else(|| Some(self.path.canonicalize().ok()?.file_name()?.to_os_string()))
            .map_or_else(|| "run".into(), |name| name.to_string_lossy().into_owned())
    }

    /// `events.jsonl`.
    #[must_use]
    pub fn events(&self) -> PathBuf {
        self.path.join("events.jsonl")
    }

    /// `manifest.json`.
    #[must_use]
    pub fn manifest(&self) -> PathBuf {
        self.path.join("manifest.json")
    }

    /// `tb/`.
    #[must_use]
    pub fn tensorboard(&self) -> PathBuf {
        self.path.join("tb")
    }

    /// `checkpoints/`.
    #[must_use]
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// `checkpoints/step-N`.
    #[must_use]
    pub fn checkpoint(&self, step: u64) -> PathBuf {
        self.checkpoints().join(format!("step-{step}"))
    }

    /// `model/`.
    #[must_use]
    pub fn model(&self) -> PathBuf {
        self.path.join(Self::MODEL)
    }

    /// `discriminator/`.
    #[must_use]
    pub fn discriminator(&self) -> PathBuf {
        self.path.join(Self::DISCRIMINATOR)
    }

    /// `generator/`.
    #[must_use]
    pub fn generator(&self) -> PathBuf {
        self.path.join(Self::GENERATOR)
    }

    /// `tokenizer/`.
    #[must_use]
    pub fn tokenizer(&self) -> PathBuf {
        self.path.join(Self::TOKENIZER)
    }

    /// `seeds/`.
    #[must_use]
    pub fn seeds(&self) -> PathBuf {
        self.path.join(Self::SEEDS)
    }

    /// `control/`.
    #[must_use]
    pub fn control(&self) -> PathBuf {
        self.path.join("control")
    }

    /// Reads the manifest.
    ///
    /// # Errors
    /// When it is absent or not a manifest.
    pub fn read_manifest(&self) -> Result<Manifest> {
        Manifest::load(&self.manifest())
    }

    /// The directory a pointer names, `None` when it was never set.
    ///
    /// # Errors
    /// When the pointer exists and cannot be read.
    pub fn read_pointer(&self, pointer: Pointer) -> Result<Option<PathBuf>> {
        let path = self.pointer(pointer);
        let text = if_there(fs::read_to_string(&path)).map_err(DataError::io("read", &path))?;
        Ok(text.map(|text| self.path.join(text.trim_end())))
    }

    /// Lets a pointer name a directory, stored relative to the run where it lies inside, so that a
    /// run can be moved.
    ///
    /// # Errors
    /// When the pointer cannot be written.
    pub fn write_pointer(&self, pointer: Pointer, target: &Path) -> Result<()> {
        let relative = target.strip_prefix(&self.path).unwrap_or(target);
        let text = format!("{}\n", relative.display());
        replace_file(&self.pointer(pointer), text.as_bytes())
    }

    /// Lets a pointer name nothing.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn clear_pointer(&self, pointer: Pointer) -> Result<()> {
        let path = self.pointer(pointer);
        if_there(fs::remove_file(&path))
            .map(drop)
            .map_err(DataError::io("remove", &path))
    }

    fn pointer(&self, pointer: Pointer) -> PathBuf {
        self.path.join(match pointer {
            Pointer::Last => "last",
            Pointer::Best => "best",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn pointers_are_relative_and_replaced() {
        let root = tempfile::tempdir().expect("temporary directory");
        let run = RunDir::create_at(&root.path().join("a")).expect("created");
        assert_eq!(
            run.read_pointer(Pointer::Last).expect("absent is fine"),
            None
        );
        for step in [5, 10] {
            let target = run.checkpoint(step);
            run.write_pointer(Pointer::Last, &target).expect("written");
            assert_eq!(run.read_pointer(Pointer::Last).expect("read"), Some(target));
        }
        let text = fs::read_to_string(run.path().join("last")).expect("a text file");
        assert_eq!(text, "checkpoints/step-10\n");
        let left: Vec<_> = fs::read_dir(run.path())
            .expect("listed")
            .flatten()
            .collect();
        assert_eq!(left.len(), 3, "no temporary file stays: {left:?}");
    }

    /// Shards have a file of that name, and are no run.
    #[test]
    fn other_manifests_make_no_run() {
        let root = tempfile::tempdir().expect("temporary directory");
        let path = root.path().join("manifest.json");
        fs::write(&path, r#"{"version":1,"shards":[]}"#).expect("written");
        let error = RunDir::open(root.path()).expect_err("no run").to_string();
        assert!(error.contains("a run's manifest.json"), "{error}");
        fs::write(&path, r#"{"task":"pretrain"}"#).expect("written");
        RunDir::open(root.path()).expect("a run");
    }

    /// Somebody lists the run instead of the folder it is in.
    #[test]
    fn a_run_is_not_a_folder_of_its_own_files() {
        let root = tempfile::tempdir().expect("temporary directory");
        let run = RunDir::create_at(&root.path().join("a")).expect("created");
        fs::write(run.events(), "").expect("written");
        fs::write(run.manifest(), "{}").expect("written");
        assert_eq!(RunDir::list(run.path()).expect("listed"), []);
        assert_eq!(RunDir::list(root.path()).expect("listed"), [run]);
    }

    #[test]
    fn the_latest_run_is_the_one_written_last() {
        let root = tempfile::tempdir().expect("temporary directory");
        assert_eq!(RunDir::latest(root.path()).expect("listed"), None);
        assert_eq!(
            RunDir::latest(&root.path().join("none")).expect("listed"),
            None
        );
        for (id, age) in [("old", 100), ("new", 10), ("older", 200)] {
            let run = RunDir::create_at(&root.path().join(id)).expect("created");
            let file = fs::File::create(run.events()).expect("created");
            let time = SystemTime::now() - Duration::from_secs(age);
            file.set_modified(time).expect("set");
        }
        fs::create_dir(root.path().join("other")).expect("created");
        let runs = RunDir::list(root.path()).expect("listed");
        let ids: Vec<String> = runs.iter().map(RunDir::id).collect();
        assert_eq!(ids, ["new", "old", "older"]);
        assert!(RunDir::open(&root.path().join("other")).is_err());
        assert_eq!(
            RunDir::open(&runs[0].events()).expect("by its file"),
            runs[0]
        );
    }
}
