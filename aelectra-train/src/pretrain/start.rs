//! Beginning a run, or finding where to continue it.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use aelectra_data::run::RunDir;
use aelectra_model::local_start::start_locally;
use aelectra_model::{ElectraPretrainer, parameters};
use burn::tensor::Device;
use serde_json::Value;

use crate::config::differences;
use crate::config::pretrain::{AttentionStart, FREE_KEYS, PretrainConfig};
use crate::error::{Result, TrainError};
use crate::optimizer::Adam;
use crate::pretrain::checkpoint::{self, TrainState};

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
pub struct Start {
    /// Weights.
    pub model: ElectraPretrainer,
    /// Moments.
    pub optimizer: Adam,
    /// The checkpoint continued from, if any.
    pub resumed: Option<(PathBuf, TrainState)>,
    /// What the reader should know, e.g. that a damaged checkpoint was passed over.
    pub warnings: Vec<String>,
}

/// Decides between beginning and continuing, and reads the checkpoint.
///
/// A damaged checkpoint is passed over for the one before it, with a warning. `fresh` makes the
/// weights of a new run.
///
/// # Errors
/// When the directory already holds a checkpoint and `resume` is [`Resume::No`]; when there is nothing to
/// continue and it must; when the configuration, tokenizer or data differ from the checkpoint's and
/// `force` is not set (the message lists the differences).
pub fn prepare_run(
    run: &RunDir,
    resume: &Resume,
    force: bool,
    config: &PretrainConfig,
    identity: &Identity,
    device: &Device,
    fresh: impl Fn() -> Result<ElectraPretrainer>,
) -> Result<Start> {
    let candidates: Vec<PathBuf> = match resume {
        Resume::From(path) => vec![checkpoint_path(path)],
        _ => checkpoint::list(run)
            .into_iter()
            .map(|(_, path)| path)
            .collect(),
    };
    match resume {
        Resume::No if !candidates.is_empty() => {
            return Err(TrainError::config(format!(
                "`{}` already holds a run",
                run.path().display()
            ))
            .with_hint("continue it with `--resume auto`, or give another `--out`"));
        }
        Resume::Last if candidates.is_empty() => {
            return Err(TrainError::config(format!(
                "`{}` has no checkpoint to continue from",
                run.path().display()
            ))
            .with_hint("`--resume auto` begins a new run where there is none"));
        }
        _ => {}
    }
    let mut warnings = Vec::new();
    if *resume != Resume::No {
        for path in &candidates {
            let state = match checkpoint::load_state(path) {
                Ok(state) => state,
                Err(error) => {
                    warnings.push(format!("checkpoint passed over: {error}"));
                    continue;
                }
            };
            if !force {
                check_same(config, identity, &state)?;
            }
            let model = fresh()?;
            let mut optimizer = Adam::new(config.optimizer, &model);
            match checkpoint::load(path, model, &mut optimizer, device) {
                Ok((model, state)) => {
                    let resumed = Some((path.clone(), state));
                    return Ok(Start {
                        model,
                        optimizer,
                        resumed,
                        warnings,
                    });
                }
                Err(error) => warnings.push(format!("checkpoint passed over: {error}")),
            }
        }
        if !candidates.is_empty() {
            return Err(TrainError::failed(format!(
                "no checkpoint of `{}` can be read:\n{}",
                run.path().display(),
                warnings.join("\n")
            )));
        }
    }
    let model = fresh()?;
    let optimizer = Adam::new(config.optimizer, &model);
    Ok(Start {
        model,
        optimizer,
        resumed: None,
        warnings,
    })
}

/// What a run was trained on; a continuation must have the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Fingerprint of the tokenizer.
    pub tokenizer: String,
    /// Hash of the shards' plan.
    pub data: String,
}

fn checkpoint_path(path: &Path) -> PathBuf {
    // A run directory stands for its newest checkpoint.
    if path.join("state.json").is_file() {
        return path.to_path_buf();
    }
    RunDir::open(path)
        .ok()
        .and_then(|run| checkpoint::list(&run).into_iter().next())
        .map_or_else(|| path.to_path_buf(), |(_, checkpoint)| checkpoint)
}

fn check_same(config: &PretrainConfig, identity: &Identity, state: &TrainState) -> Result<()> {
    let value = |config: &PretrainConfig| serde_json::to_value(config).unwrap_or(Value::Null);
    let mut changed: Vec<String> = differences(&value(&state.config), &value(config))
        .into_iter()
        .filter(|(key, ..)| !FREE_KEYS.contains(&key.as_str()))
        .map(|(key, before, now)| format!("  {key}: {before} → {now}"))
        .collect();
    if state.tokenizer != identity.tokenizer {
        changed.push(format!(
            "  tokenizer: {} → {}",
            state.tokenizer, identity.tokenizer
        ));
    }
    if state.data != identity.data {
        changed.push(format!("  data: {} → {}", state.data, identity.data));
    }
    if changed.is_empty() {
        return Ok(());
    }
    Err(TrainError::config(format!(
        "the run was begun with another configuration:\n{}",
        changed.join("\n")
    ))
    .with_hint("give the same recipe and settings, or `--force` to continue with the new ones"))
}

/// A new pair of networks from the configuration's seed.
#[must_use]
pub fn fresh_model(
    config: &PretrainConfig,
    vocab_size: usize,
    pad_token_id: usize,
    device: &Device,
) -> ElectraPretrainer {
    let discriminator = config.discriminator(vocab_size, pad_token_id);
    let generator = discriminator.generator(config.effective_generator_size());
    let seed = aelectra_data::rng::key(config.seed, "init", &[]);
    let mut init =
        aelectra_model::init::Initializer::random(seed, discriminator.initializer_range, device);
    let model = ElectraPretrainer::new(&discriminator, &generator, &mut init);
    match config.model.attention_start {
        AttentionStart::Reference => model,
        AttentionStart::Local => {
            let head_size = discriminator.hidden_size / discriminator.num_attention_heads;
            start_locally(model, head_size, discriminator.initializer_range)
        }
    }
}

/// Number of trained parameters, shared ones once.
#[must_use]
pub fn parameter_count(model: &ElectraPretrainer) -> usize {
    parameters::count(model)
}
