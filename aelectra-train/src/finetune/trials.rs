//! What each learning rate of a search reached, kept as soon as it is known, so that an interrupted
//! search goes on where it was.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use aelectra_data::files::replace_file;
use serde::{Deserialize, Serialize};

use crate::error::{Result, TrainError};

/// One learning rate that was tried.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Trial {
    learning_rate: f64,
    /// Micro F1 on dev; `None` where training diverged.
    dev_f1: Option<f64>,
}

/// The rates tried so far and the file that keeps them.
#[derive(Debug)]
pub(super) struct Trials {
    path: PathBuf,
    done: Mutex<Vec<Trial>>,
}

impl Trials {
    /// Those kept in `folder`; none where there is no such file, or none that can be read: they are tried
    /// again.
    pub(super) fn open(folder: &Path) -> Self {
        let path = folder.join("rates.json");
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let done = serde_json::from_str(&text).unwrap_or_default();
        Self {
            path,
            done: Mutex::new(done),
        }
    }

    /// F1 on dev that `learning_rate` reached, negative infinity where it diverged; `None` if it has not
    /// been tried.
    pub(super) fn reached(&self, learning_rate: f64) -> Option<f64> {
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |trial: &&Trial| trial.learning_rate.to_bits() == learning_rate.to_bits();
        let trial = done.iter().find(same)?;
        Some(trial.dev_f1.unwrap_or(f64::NEG_INFINITY))
    }

    /// Keeps what `learning_rate` reached.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn keep(&self, learning_rate: f64, f1: f64) -> Result<()> {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.push(Trial {
            learning_rate,
            dev_f1: f1.is_finite().then_some(f1),
        });
        let json = serde_json::to_string(&*done)
            .map_err(|error| TrainError::failed(format!("cannot write what was tried: {error}")))?;
        Ok(replace_file(&self.path, json.as_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_tried_is_there_again() {
        let folder = tempfile::tempdir().expect("a directory");
        let trials = Trials::open(folder.path());
        assert_eq!(trials.reached(3e-4), None);
        trials.keep(3e-4, 0.625).expect("written");
        trials.keep(1.0 / 3.0, f64::NEG_INFINITY).expect("written");
        let again = Trials::open(folder.path());
        assert_eq!(again.reached(3e-4), Some(0.625));
        assert_eq!(again.reached(1.0 / 3.0), Some(f64::NEG_INFINITY));
        assert_eq!(again.reached(5e-4), None);
    }

    #[test]
    fn a_damaged_file_means_to_try_again() {
        let folder = tempfile::tempdir().expect("a directory");
        std::fs::write(folder.path().join("rates.json"), "[{\"learn").expect("written");
        let trials = Trials::open(folder.path());
        assert_eq!(trials.reached(3e-4), None);
        trials.keep(3e-4, 0.5).expect("written");
        assert_eq!(Trials::open(folder.path()).reached(3e-4), Some(0.5));
    }
}
