//! Beginning a run, or finding where to continue it.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use aelectra_data::run::{Pointer, RunDir};
use aelectra_model::ElectraPretrainer;
use burn::tensor::Device;
use serde_json::Value;

use crate::config::differences;
use crate::config::pretrain::{FREE_KEYS, PretrainConfig};
use crate::error::{Result, TrainError};
use crate::optimizer::Adam;
use crate::pretrain::checkpoint::{self, STATE, TrainState};
use crate::record::{self, OwnRun};

/// Whether to continue, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resume {
    /// A new run; a directory that already holds one is refused.
    No,
    /// Continue where there is a checkpoint, otherwise begin.
    Auto,
    /// Continue from the newest checkpoint; there must be one.
    Last,
    /// Continue from this checkpoint.
    From(PathBuf),
}

impl FromStr for Resume {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "auto" => Self::Auto,
            "last" => Self::Last,
            path => Self::From(PathBuf::from(path)),
        })
    }
}

/// Where a run stands before its first step in this process.
#[derive(Debug)]
pub(crate) struct Start {
    /// Weights.
    pub model: ElectraPretrainer,
    /// Moments.
    pub optimizer: Adam,
    /// The checkpoint continued from, if any.
    pub resumed: Option<(PathBuf, TrainState)>,
    /// What the reader should know, e.g. that a damaged checkpoint was skipped.
    pub warnings: Vec<String>,
}

/// Where to continue, or `None` to begin; `blank` makes a model to read a checkpoint into.
///
/// A damaged checkpoint is skipped for the one before it, with a warning.
///
/// # Errors
/// * The directory already holds a checkpoint and `resume` is [`Resume::No`].
/// * There is nothing to continue and it must, or models of a run without its checkpoints are in the way.
/// * A different version wrote the checkpoint.
/// * Configuration, tokenizer or data differ from the checkpoint's and `force` is not set; the message lists the differences.
pub(crate) fn continued(
    run: &RunDir,
    resume: &Resume,
    force: bool,
    config: &PretrainConfig,
    identity: &Identity,
    device: &Device,
    blank: impl Fn() -> ElectraPretrainer,
) -> Result<Option<Start>> {
    let candidates: Vec<PathBuf> = match resume {
        Resume::From(path) => {
            let checkpoint = checkpoint_path(path)?;
            if !checkpoint.join(STATE).is_file() {
                let message = format!("`{}` is no checkpoint", path.display());
                return Err(TrainError::config(message)
                    .with_hint("give a run, or one of its directories `checkpoints/step-N`"));
            }
            vec![checkpoint]
        }
        _ => checkpoint::list(run)?.into_iter().map(|c| c.1).collect(),
    };
    match (resume, candidates.is_empty()) {
        (Resume::No, false) => return Err(record::occupied(run)),
        (Resume::Last, true) => {
            return Err(TrainError::config(format!(
                "`{}` has no checkpoint to continue from",
                run.path().display()
            ))
            .with_hint("`--resume auto` starts a new run where there is none"));
        }
        (Resume::Auto, true) if has_models(run) => {
            return Err(TrainError::config(format!(
                "`{}` has been trained and has no checkpoint left to continue from",
                run.path().display()
            ))
            .with_hint("give an `--out` of its own to train anew"));
        }
        (_, true) => return Ok(None),
        _ => {}
    }
    let mut warnings = Vec::new();
    for path in candidates {
        checkpoint::refuse_different_format(&path)?;
        let error = match checkpoint::load_state(&path) {
            Ok(state) => {
                if !force {
                    check_same(config, identity, &state)?;
                }
                let model = blank();
                let mut optimizer = Adam::new(config.optimizer, &model);
                match checkpoint::load_tensors(&path, state.step, model, &mut optimizer, device) {
                    Ok(model) => {
                        return Ok(Some(Start {
                            model,
                            optimizer,
                            resumed: Some((path, state)),
                            warnings,
                        }));
                    }
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        warnings.push(format!("skipping unreadable checkpoint: {error}"));
    }
    Err(TrainError::failed(format!(
        "no checkpoint of `{}` can be read:\n{}",
        run.path().display(),
        warnings.join("\n")
    )))
}

/// Whether a run was trained to its end before.
fn has_models(run: &RunDir) -> bool {
    run.generator().is_dir() || run.discriminator().is_dir()
}

/// Makes a checkpoint the run's newest: later ones are set aside. Returns what the reader should know
/// of them.
pub(crate) fn leave_behind(run: &RunDir, path: &Path, step: u64) -> Result<Option<String>> {
    let aside = checkpoint::set_aside_after(run, step)?;
    let Some(last) = aside.last() else {
        return Ok(None);
    };
    if let Some(target) = inside(run, path) {
        run.write_pointer(Pointer::Last, &target)?;
    }
    if run
        .read_pointer(Pointer::Best)?
        .is_some_and(|best| !best.exists())
    {
        run.clear_pointer(Pointer::Best)?;
    }
    Ok(Some(format!(
        "{} later checkpoints are void and kept as `{}` and the like; delete them to make room",
        aside.len(),
        last.display()
    )))
}

/// Where a checkpoint lies in a run's directory, if it does; it may have been named from elsewhere.
fn inside(run: &RunDir, path: &Path) -> Option<PathBuf> {
    let (path, run) = (path.canonicalize().ok()?, run.path().canonicalize().ok()?);
    path.strip_prefix(run).ok().map(Path::to_path_buf)
}

/// Refuses to continue a checkpoint from elsewhere in a directory that has a run of its own: its checkpoints, its best
/// and its description would be taken for those of the other.
///
/// # Errors
/// When the directory holds another run than the checkpoint's.
pub(crate) fn refuse_another_run(run: &OwnRun, resume: &Resume) -> Result<()> {
    match resume {
        Resume::From(path) => {
            let checkpoint = checkpoint_path(path)?;
            // Where there is none, that is what is to be told.
            match checkpoint.join(STATE).is_file() && inside(run, &checkpoint).is_none() {
                true => run.refuse_occupied(),
                false => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// Which checkpoint is the best where a run goes on from `path`: itself, if it was measured as that. Otherwise it is
/// the one that the run knows; where it knows none, because it has gone back before it, the best that is left; and where
/// none was measured, the next that is.
pub(crate) fn settle_best(run: &RunDir, path: &Path, state: &mut TrainState) -> Result<()> {
    let of_this = state.held_out.filter(|(step, _)| *step == state.step);
    let loss = of_this.and_then(|(_, metrics)| metrics.loss);
    if loss.is_some() && loss == state.best_loss {
        // Also where a process was killed after the checkpoint and before it was named.
        if let Some(target) = inside(run, path) {
            return Ok(run.write_pointer(Pointer::Best, &target)?);
        }
    }
    if run
        .read_pointer(Pointer::Best)?
        .is_none_or(|best| !best.exists())
    {
        let left = best_of(run, state.step)?;
        state.best_loss = left.as_ref().map(|(loss, _)| *loss);
        if let Some(target) = left.and_then(|(_, path)| inside(run, &path)) {
            run.write_pointer(Pointer::Best, &target)?;
        }
    }
    Ok(())
}

/// The checkpoint up to `step` with the lowest loss that was measured of it, and the loss.
fn best_of(run: &RunDir, step: u64) -> Result<Option<(f64, PathBuf)>> {
    let measured = |(at, path): (u64, PathBuf)| {
        let state = checkpoint::load_state(&path).ok()?;
        let is_comparable = state.measure == checkpoint::MEASURE;
        let (_, metrics) = state
            .held_out
            .filter(|(of, _)| is_comparable && *of == at)?;
        Some((metrics.loss.filter(|loss| loss.is_finite())?, path))
    };
    let up_to = checkpoint::list(run)?
        .into_iter()
        .filter(|(at, _)| *at <= step);
    Ok(up_to
        .filter_map(measured)
        .min_by(|(one, _), (other, _)| one.total_cmp(other)))
}

/// What a run was trained on; a continuation must have the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Fingerprint of the tokenizer.
    pub tokenizer: String,
    /// Hash of the shards and of what they were made from.
    pub data: String,
}

impl Identity {
    /// Whether a checkpoint's hash of its data is that of these shards; those of earlier versions end before the
    /// hash of what the shards hold.
    pub(super) fn has_data(&self, hash: &str) -> bool {
        let earlier = self.data.rsplit_once('-').map(|(sources, _)| sources);
        hash == self.data || Some(hash) == earlier
    }

    /// Whether a checkpoint is of these shards and this tokenizer.
    pub(super) fn is_of(&self, state: &TrainState) -> bool {
        self.tokenizer == state.tokenizer && self.has_data(&state.data)
    }
}

fn checkpoint_path(path: &Path) -> Result<PathBuf> {
    // A run directory stands for its newest checkpoint.
    let newest = match RunDir::open(path) {
        Ok(run) if !path.join(STATE).is_file() => checkpoint::list(&run)?.into_iter().next(),
        _ => None,
    };
    Ok(newest.map_or_else(|| path.to_path_buf(), |(_, checkpoint)| checkpoint))
}

fn check_same(config: &PretrainConfig, identity: &Identity, state: &TrainState) -> Result<()> {
    let value = |config: &PretrainConfig| serde_json::to_value(config).unwrap_or(Value::Null);
    let mut changed = differences(&value(&state.config), &value(config), &FREE_KEYS);
    if state.tokenizer != identity.tokenizer {
        changed.push(format!(
            "  tokenizer: {} → {}",
            state.tokenizer, identity.tokenizer
        ));
    }
    if !identity.has_data(&state.data) {
        changed.push(format!("  data: {} → {}", state.data, identity.data));
    }
    if changed.is_empty() {
        return Ok(());
    }
    Err(TrainError::config(format!(
        "the run was started with a different configuration:\n{}",
        changed.join("\n")
    ))
    .with_hint("give the same recipe and settings, or `--force` to continue with the new ones"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_are_the_same_where_the_shards_are_or_nothing_else_was_known() {
        let now = Identity {
            tokenizer: String::new(),
            data: "0a1b2c3d-900-10-128-0123456789abcdef".to_owned(),
        };
        assert!(now.has_data(&now.data));
        assert!(now.has_data("0a1b2c3d-900-10-128"), "an earlier version's");
        for other in [
            "0a1b2c3d-900-10-128-0000000000000000",
            "0a1b2c3d-901-10-128",
            "",
        ] {
            assert!(!now.has_data(other), "{other}");
        }
    }
}
