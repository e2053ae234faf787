//! Where a model may be written: not over something else.

use std::path::Path;

use aelectra_data::run::RunDir;
use aelectra_model::ElectraConfig;
use aelectra_model::checkpoint::ModelDir;

use crate::error::{Result, TrainError};

/// Refuses a directory that has something else than a model, or that is the model of a run.
pub(super) fn refuse_other_files(out: &Path) -> Result<()> {
    let mut entries = std::fs::read_dir(out).into_iter().flatten();
    let has = |name: &str| out.join(name).is_file();
    // A run's directory has a configuration too.
    if entries.next().is_some() && (!has("config.json") || has("events.jsonl")) {
        return Err(TrainError::config(format!(
            "`{}` holds other files than a model's",
            out.display()
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
