//! Checkpoints of a run: when, which is the best, which go.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aelectra_data::lock::{Lock, RUN_LOCK};
use aelectra_data::run::{CheckpointEvent, Pointer, RunDir, RunEvent};
use aelectra_model::ElectraPretrainer;

use super::Trainer;
use crate::error::{Result, TrainError};
use crate::pretrain::checkpoint;
use crate::survive::survived;

/// How long room for the last checkpoint is waited for, and how often it is looked for.
const PATIENCE: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_secs(5);

impl Trainer<'_> {
    /// A checkpoint before the run ends with an error. The weights are those of the last step still; where
    /// it was their own device that failed they may be gone.
    fn keep(&mut self, model: &ElectraPretrainer) {
        let step = self.state.step;
        if self.last_checkpoint == Some(step) {
            return;
        }
        if let Err(lost) = survived("the checkpoint", || self.checkpoint(model)) {
            self.bus.warn(lost.to_string(), Some(step));
        }
    }

    /// Whether the run's directory is still this run's. A lock that somebody removed is taken again; where another process
    /// has it by now, or the directory is gone, nothing more may be written there.
    pub(super) fn check_place(&mut self) -> Result<()> {
        let Some(lock) = self.options.lock.as_ref() else {
            return Ok(());
        };
        if lock.is_in_place() {
            return Ok(());
        }
        let run = self.options.run.path();
        if !self.options.run.events().is_file() {
            return Err(TrainError::failed(format!(
                "`{}` was moved or deleted while this run wrote to it",
                run.display()
            ))
            .with_hint("where it is now, `--resume auto` continues from its last checkpoint"));
        }
        let lock = Lock::acquire(&run.join(RUN_LOCK), "aelectra pretrain")?;
        self.options.lock = Some(Arc::new(lock));
        let told = format!("`{RUN_LOCK}` was removed by hand, and is taken again");
        self.bus.warn(told, Some(self.state.step));
        Ok(())
    }

    /// What was done, with a checkpoint first where it failed: its error ends the run.
    pub(super) fn or_keep<T>(&mut self, model: &ElectraPretrainer, done: Result<T>) -> Result<T> {
        if done.is_err() {
            self.keep(model);
        }
        done
    }

    /// The held-out loss of the weights of this step, if they were measured.
    pub(super) fn measured_loss(&self) -> Option<f64> {
        let (_, metrics) = self
            .last_evaluation
            .filter(|(at, _)| *at == self.state.step)?;
        metrics.loss
    }

    /// Whether the weights of this step were measured and are the best so far.
    pub(super) fn improved(&self) -> bool {
        let best = self.state.best_loss.filter(|best| best.is_finite());
        self.measured_loss()
            .is_some_and(|loss| loss.is_finite() && best.is_none_or(|best| loss < best))
    }

    /// A checkpoint during the run: when the disk is full the run goes on with a warning, and the
    /// checkpoints there are stay whole. Returns what it warned of.
    pub(super) fn checkpoint_or_warn(
        &mut self,
        model: &ElectraPretrainer,
    ) -> std::result::Result<(), String> {
        self.checkpoint(model).map_err(|error| {
            let message = format!("no checkpoint at step {}: {error}", self.state.step);
            self.bus.warn(message.clone(), Some(self.state.step));
            message
        })
    }

    /// The checkpoint at the end of a run, without which its last steps are lost. Where the disk is full, older checkpoints
    /// go, and then it is tried again for some minutes.
    pub(super) fn checkpoint_at_the_end(&mut self, model: &ElectraPretrainer) -> Result<()> {
        let Err(mut error) = self.checkpoint(model) else {
            return Ok(());
        };
        if self.disk_is_full {
            self.drop_checkpoints_but(1, self.options.config.keep_every);
            self.bus.warn(
                format!(
                    "{error}: older checkpoints are deleted, and it is tried again for {} minutes; make room, or \
                     stop the run to lose its last steps",
                    PATIENCE.as_secs() / 60
                ),
                Some(self.state.step),
            );
            let begun = Instant::now();
            loop {
                match self.checkpoint(model) {
                    Ok(()) => return Ok(()),
                    Err(again) => error = again,
                }
                let given_up = self.options.stop.requested().is_some();
                if !self.disk_is_full || given_up || begun.elapsed() > PATIENCE {
                    break;
                }
                std::thread::sleep(PAUSE);
            }
        }
        Err(error)
    }

    pub(super) fn checkpoint(&mut self, model: &ElectraPretrainer) -> Result<()> {
        // Whenever that is: at the end of a run, or when a signal came.
        self.check_place()?;
        // Counters of skipped steps must be true in the checkpoint.
        self.report_steps()?;
        let started = Instant::now();
        self.bus.flush();
        let run = &self.options.run;
        let step = self.state.step;
        let best = self.improved();
        let before = self.state.best_loss;
        if best {
            self.state.best_loss = self.measured_loss();
        }
        // The weights of a step are written once, however much more is learnt of them.
        let again = self.last_checkpoint == Some(step) && checkpoint::is_there(run, step);
        let saved = match again {
            true => checkpoint::restate(run, &self.state),
            false => checkpoint::save(run, model, &self.optimizer, &self.state),
        };
        self.disk_is_full = saved.as_ref().is_err_and(TrainError::is_of_a_full_disk);
        let path = match saved {
            Ok(path) => path,
            Err(error) => {
                // Nothing was kept, so the next good evaluation must still count as the best.
                self.state.best_loss = before;
                let left = match self.last_checkpoint {
                    Some(step) => format!("the checkpoint of step {step} is untouched"),
                    None => "there is no earlier one".to_owned(),
                };
                return Err(TrainError::failed(format!(
                    "the checkpoint of step {step} cannot be written: {error}; {left}"
                ))
                .with_hint("make room, then continue with `--resume auto`"));
            }
        };
        let target = PathBuf::from(relative(run, &path));
        let pointers = [Some(Pointer::Last), best.then_some(Pointer::Best)];
        for pointer in pointers.into_iter().flatten() {
            if let Err(error) = run.write_pointer(pointer, &target) {
                // As above; the next checkpoint says it anew.
                self.state.best_loss = before;
                let error = TrainError::from(error);
                self.disk_is_full = error.is_of_a_full_disk();
                return Err(error);
            }
        }
        self.last_checkpoint = Some(step);
        if again && !best {
            return Ok(());
        }
        self.bus.emit(RunEvent::Checkpoint(CheckpointEvent {
            step,
            path: relative(run, &path),
            best,
            bytes: Some(directory_bytes(&path)),
            seconds: Some(started.elapsed().as_secs_f64()),
        }));
        self.drop_old_checkpoints();
        Ok(())
    }

    pub(super) fn drop_old_checkpoints(&self) {
        let config = &self.options.config;
        self.drop_checkpoints_but(config.keep_checkpoints, config.keep_every);
    }

    /// Deletes all but the newest `keep`, every `every`th step and the best.
    fn drop_checkpoints_but(&self, keep: usize, every: u64) {
        let run = &self.options.run;
        let (Ok(found), Ok(best)) = (checkpoint::list(run), run.read_pointer(Pointer::Best)) else {
            // One of them is the best, and nobody knows which.
            return;
        };
        let steps: Vec<u64> = found.iter().map(|checkpoint| checkpoint.0).collect();
        let best = best.and_then(|path| checkpoint::step_of(&path));
        for step in checkpoint::expendable(&steps, keep, every, best) {
            let path = run.checkpoint(step);
            if let Err(error) = std::fs::remove_dir_all(&path) {
                let message = format!("cannot delete `{}`: {error}", path.display());
                self.bus.warn(message, Some(self.state.step));
            }
        }
    }
}

pub(super) fn relative(run: &RunDir, path: &Path) -> String {
    path.strip_prefix(run.path())
        .unwrap_or(path)
        .display()
        .to_string()
}

fn directory_bytes(path: &Path) -> u64 {
    std::fs::read_dir(path)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.metadata().ok())
        .map(|metadata| metadata.len())
        .sum()
}
