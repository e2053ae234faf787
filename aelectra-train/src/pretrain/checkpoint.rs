//! Everything a run needs to continue exactly: weights, moments, counters, configuration.
//!
//! All randomness is keyed by the seed and the step, so no generator state is stored; the position
//! in the data is the step.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aelectra_data::files::{replace_json, sync_directory_of};
use aelectra_data::run::{PretrainMetrics, RunDir};
use aelectra_model::checkpoint::{TensorSource, save_tensors};
use aelectra_model::{ElectraPretrainer, parameters};
use burn::tensor::{Device, TensorData};
use serde::{Deserialize, Serialize};

use crate::config::pretrain::PretrainConfig;
use crate::error::{Result, TrainError};
use crate::optimizer::Adam;

/// What a checkpoint knows besides tensors (`state.json`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainState {
    /// Version of this format.
    pub format: u32,
    /// Steps taken.
    pub step: u64,
    /// Real tokens read.
    pub tokens_seen: u64,
    /// Steps skipped because something was not finite.
    pub skipped_steps: u64,
    /// Of those, the last ones in a row.
    pub skipped_in_a_row: u64,
    /// Lowest held-out loss so far.
    pub best_loss: Option<f64>,
    /// The latest evaluation on held-out data, and the step whose weights it measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out: Option<(u64, PretrainMetrics)>,
    /// Version of how held-out losses are measured: those of different ones are not compared.
    #[serde(default)]
    pub measure: u32,
    /// Fingerprint of the tokenizer.
    pub tokenizer: String,
    /// Hash of the shards and of what they were made from.
    pub data: String,
    /// The whole configuration.
    pub config: PretrainConfig,
}

/// Version of [`TrainState::measure`]: 0 drew held-out examples, masks and samples by the run's seed.
pub(crate) const MEASURE: u32 = 1;

/// Version of [`TrainState`].
pub(crate) const FORMAT: u32 = 1;

/// The file of [`TrainState`], written last.
pub const STATE: &str = "state.json";

/// What the names of checkpoints begin with that are not whole.
const PARTIAL: &str = ".partial-";

/// Writes `checkpoints/step-N` under a temporary name, flushed to disk, then renames it.
///
/// # Errors
/// When it cannot be written. Checkpoints of other steps are untouched; an earlier one of the same step goes only once the
/// new one is whole.
pub(crate) fn save(
    run: &RunDir,
    model: &ElectraPretrainer,
    optimizer: &Adam,
    state: &TrainState,
) -> Result<PathBuf> {
    let path = run.checkpoint(state.step);
    let partial = run
        .checkpoints()
        .join(format!("{PARTIAL}{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&partial);
    std::fs::create_dir_all(&partial).map_err(TrainError::io("create", &partial))?;
    let written = write(&partial, model, optimizer, state).and_then(|()| {
        if path.exists() {
            // The same step again, after a resume from an earlier one.
            std::fs::remove_dir_all(&path).map_err(TrainError::io("replace", &path))?;
        }
        std::fs::rename(&partial, &path).map_err(TrainError::io("rename", &path))?;
        // Before a pointer names it and older ones go.
        sync_directory_of(&path).map_err(TrainError::io("write", &path))
    });
    if written.is_err() {
        let _ = std::fs::remove_dir_all(&partial);
    }
    written.map(|()| path)
}

/// Whether the run has a checkpoint of this step.
pub(crate) fn is_there(run: &RunDir, step: u64) -> bool {
    run.checkpoint(step).join(STATE).is_file()
}

/// Says something else of a checkpoint that is there: its tensors are those of the step.
///
/// # Errors
/// When it cannot be written; what was there before is untouched.
pub(crate) fn restate(run: &RunDir, state: &TrainState) -> Result<PathBuf> {
    let path = run.checkpoint(state.step);
    replace_json(&path.join(STATE), state)?;
    Ok(path)
}

fn write(
    dir: &Path,
    model: &ElectraPretrainer,
    optimizer: &Adam,
    state: &TrainState,
) -> Result<()> {
    let mut tensors = BTreeMap::new();
    parameters::for_each(model, |path, data| -> Result<()> {
        tensors.insert(
            path.to_owned(),
            (data.shape().to_vec(), data.iter::<f32>().collect()),
        );
        Ok(())
    })?;
    save_tensors(&dir.join("model.safetensors"), &tensors)?;
    save_tensors(&dir.join("optimizer.safetensors"), &optimizer.state(model))?;
    Ok(replace_json(&dir.join(STATE), state)?)
}

/// Reads weights and moments into a model of the right architecture and its optimizer.
pub(crate) fn load_tensors(
    dir: &Path,
    step: u64,
    model: ElectraPretrainer,
    optimizer: &mut Adam,
    device: &Device,
) -> Result<ElectraPretrainer> {
    let model = load_weights(dir, model)?;
    let moments = TensorSource::open_safetensors(&dir.join("optimizer.safetensors"))?;
    let names: std::collections::BTreeSet<String> =
        moments.tensors().map(|(name, _)| name.to_owned()).collect();
    optimizer.restore(&model, step, device, |name| {
        let there = names.contains(name);
        Ok(there.then(|| moments.read(name)).transpose()?)
    })?;
    Ok(model)
}

/// Reads only the weights of both networks into a model of the right architecture.
///
/// # Errors
/// When the file is missing, damaged, or of another architecture.
pub fn load_weights(dir: &Path, model: ElectraPretrainer) -> Result<ElectraPretrainer> {
    let weights = TensorSource::open_safetensors(&dir.join("model.safetensors"))?;
    let (there, wanted) = (weights.tensors().count(), parameters::list(&model).len());
    if there > wanted {
        return Err(TrainError::config(format!(
            "`{}` has {there} tensors, the configured model has {wanted}",
            weights.path().display()
        )));
    }
    let mut failure = None;
    let model = parameters::replace(model, |path, shape| match weights.read(path) {
        Ok(values) if values.len() == shape.iter().product::<usize>() => {
            Some(TensorData::new(values, shape.to_vec()))
        }
        Ok(_) => {
            failure.get_or_insert(TrainError::config(format!(
                "`{}`: `{path}` has another shape than the configured model",
                dir.display()
            )));
            None
        }
        Err(error) => {
            failure.get_or_insert(error.into());
            None
        }
    });
    if let Some(error) = failure {
        return Err(error);
    }
    Ok(model)
}

/// Reads only `state.json`.
///
/// # Errors
/// When it is missing, damaged, or of another version.
pub fn load_state(dir: &Path) -> Result<TrainState> {
    let path = dir.join(STATE);
    let text = std::fs::read_to_string(&path).map_err(TrainError::io("read", &path))?;
    check_format(&path, &text)?;
    let state: TrainState = serde_json::from_str(&text).map_err(|error| {
        TrainError::config(format!(
            "`{}` is not a training state: {error}",
            path.display()
        ))
    })?;
    match step_of(dir) {
        Some(step) if step != state.step => Err(TrainError::config(format!(
            "`{}` is of step {}, and its directory is called after step {step}: one of them was changed",
            path.display(),
            state.step
        ))),
        _ => Ok(state),
    }
}

/// Refuses a state of a different version, whose other fields may be different ones too. Of text that
/// states no version nothing is said.
fn check_format(path: &Path, text: &str) -> Result<()> {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    match serde_json::from_str(text) {
        Ok(Version { format }) if format != FORMAT => Err(TrainError::config(format!(
            "`{}` has format {format}, this program reads {FORMAT}",
            path.display()
        ))
        .with_hint("use the version of this program that wrote it")),
        _ => Ok(()),
    }
}

/// Whether another version of this program wrote a checkpoint: it is not damaged, and what is before
/// it must not take its place.
///
/// # Errors
/// Names both versions.
pub(crate) fn refuse_different_format(dir: &Path) -> Result<()> {
    let path = dir.join(STATE);
    std::fs::read_to_string(&path).map_or(Ok(()), |text| check_format(&path, &text))
}

/// Gives the checkpoints after `step` other names: a run that continues at `step` makes them void,
/// and the next one must not continue from them. Returns where they are now.
///
/// # Errors
/// When one cannot be renamed.
pub(crate) fn set_aside_after(run: &RunDir, step: u64) -> Result<Vec<PathBuf>> {
    let mut aside = Vec::new();
    for (later, path) in list(run)?.into_iter().filter(|(at, _)| *at > step) {
        let mut place = run.checkpoints().join(format!("void-step-{later}"));
        for number in 2.. {
            if !place.exists() {
                break;
            }
            place = run
                .checkpoints()
                .join(format!("void-step-{later}-{number}"));
        }
        std::fs::rename(&path, &place).map_err(TrainError::io("rename", &path))?;
        aside.push(place);
    }
    Ok(aside)
}

/// Removes what processes left that were killed while they wrote a checkpoint.
pub(crate) fn remove_partial(run: &RunDir) {
    for entry in std::fs::read_dir(run.checkpoints())
        .into_iter()
        .flatten()
        .flatten()
    {
        if entry.file_name().to_string_lossy().starts_with(PARTIAL) {
            // It harms nothing but the room it takes.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// The checkpoints of a run, newest first.
///
/// # Errors
/// When their directory is there and cannot be listed: a run that has checkpoints must not be taken for one
/// without.
pub fn list(run: &RunDir) -> Result<Vec<(u64, PathBuf)>> {
    let place = run.checkpoints();
    let listed = || {
        let entries = match std::fs::read_dir(&place) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let paths = entries.map(|entry| Ok(entry?.path()));
        paths.collect::<std::io::Result<Vec<_>>>()
    };
    let paths = listed().map_err(TrainError::io("list", &place))?;
    let mut found: Vec<(u64, PathBuf)> = paths
        .into_iter()
        .filter_map(|path| Some((step_of(&path)?, path)))
        .collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found)
}

/// The step of `…/step-N`, as this program writes it.
pub(crate) fn step_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let step = name.strip_prefix("step-")?.parse().ok()?;
    (name == format!("step-{step}")).then_some(step)
}

/// The checkpoints to delete: all but the newest `keep`, the multiples of `every`, and `best`.
#[must_use]
pub(crate) fn expendable(steps: &[u64], keep: usize, every: u64, best: Option<u64>) -> Vec<u64> {
    let mut newest_first = steps.to_vec();
    newest_first.sort_unstable_by(|a, b| b.cmp(a));
    newest_first
        .into_iter()
        .skip(keep.max(1))
        .filter(|step| !(every > 0 && step % every == 0) && Some(*step) != best)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_checkpoints_of_this_branch_are_found() {
        let root = tempfile::tempdir().expect("a folder");
        let run = RunDir::create_at(&root.path().join("run")).expect("created");
        let steps = || {
            list(&run)
                .expect("listed")
                .into_iter()
                .map(|(step, _)| step)
                .collect::<Vec<_>>()
        };
        for name in [
            "step-8",
            "step-16",
            "step-24",
            "step-007",
            "step-x",
            ".partial-1",
        ] {
            std::fs::create_dir(run.checkpoints().join(name)).expect("created");
        }
        assert_eq!(steps(), [24, 16, 8]);
        remove_partial(&run);
        assert!(!run.checkpoints().join(".partial-1").exists());
        for _ in 0..2 {
            set_aside_after(&run, 8).expect("renamed");
            assert_eq!(steps(), [8]);
            std::fs::create_dir(run.checkpoint(24)).expect("made anew");
        }
        let there = |name: &str| run.checkpoints().join(name).is_dir();
        assert!(there("void-step-16") && there("void-step-24") && there("void-step-24-2"));
    }

    /// A run whose checkpoints cannot be seen is not one without.
    #[test]
    fn checkpoints_that_cannot_be_listed_are_an_error() {
        let root = tempfile::tempdir().expect("a folder");
        let run = RunDir::create_at(&root.path().join("run")).expect("created");
        std::fs::remove_dir(run.checkpoints()).expect("empty");
        assert!(list(&run).expect("there are none").is_empty());
        std::fs::write(run.checkpoints(), "no directory").expect("written");
        let error = list(&run).expect_err("unknown").to_string();
        assert!(error.contains("checkpoints"), "{error}");
    }

    #[test]
    fn keeps_the_newest_the_nth_and_the_best() {
        let steps = [100, 200, 300, 400, 500, 600];
        assert_eq!(expendable(&steps, 2, 0, None), [400, 300, 200, 100]);
        assert_eq!(expendable(&steps, 2, 300, Some(100)), [400, 200]);
        // At least one always stays.
        assert_eq!(expendable(&steps, 0, 0, None), [500, 400, 300, 200, 100]);
    }
}
