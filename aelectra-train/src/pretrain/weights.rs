//! The weights a pretraining begins with.

use std::path::{Path, PathBuf};

use aelectra_data::hub::{self, HubOptions};
use aelectra_data::rng;
use aelectra_data::run::RunDir;
use aelectra_data::vocab::WordPieceTokenizer;
use aelectra_model::checkpoint::ModelDir;
use aelectra_model::init::Initializer;
use aelectra_model::{ElectraConfig, ElectraPretrainer};
use burn::tensor::Device;

use crate::config::pretrain::{EmbeddingSharing, PretrainConfig};
use crate::error::{Result, TrainError};
use crate::model_dir::Part;
use crate::ner::load_tokenizer;

/// A new pair of networks from the configuration's seed.
#[must_use]
pub fn fresh_model(
    config: &PretrainConfig,
    vocab_size: usize,
    pad_token_id: usize,
    device: &Device,
) -> ElectraPretrainer {
    let discriminator = config.discriminator(vocab_size, pad_token_id);
    let generator = config.generator(&discriminator);
    let seed = rng::key(config.seed, "init", &[]);
    let mut init = Initializer::random(seed, discriminator.initializer_range, device);
    let model = ElectraPretrainer::new(&discriminator, &generator, &mut init);
    let model = config.model.attention_start.begin(model, &discriminator);
    share_embeddings(config, model)
}

/// The same architecture to read a checkpoint into.
#[must_use]
pub fn blank_model(
    config: &PretrainConfig,
    vocab_size: usize,
    pad_token_id: usize,
    device: &Device,
) -> ElectraPretrainer {
    let discriminator = config.discriminator(vocab_size, pad_token_id);
    let generator = config.generator(&discriminator);
    let model = ElectraPretrainer::new(&discriminator, &generator, &mut Initializer::zeros(device));
    share_embeddings(config, model)
}

fn share_embeddings(config: &PretrainConfig, model: ElectraPretrainer) -> ElectraPretrainer {
    match config.embedding_sharing {
        EmbeddingSharing::Shared => model,
        EmbeddingSharing::Gdes => model.with_residual_embeddings(),
    }
}

/// Models, by directory or name on the hub, whose weights a pretraining continues from.
#[derive(Clone, Debug, Default)]
pub struct InitialModels {
    /// In place of a fresh generator.
    pub generator: Option<String>,
    /// In place of a fresh discriminator.
    pub discriminator: Option<String>,
}

impl InitialModels {
    /// Which half is fresh although the other is not; that is seldom what was meant.
    pub(crate) fn warning(&self) -> Option<&'static str> {
        match (&self.generator, &self.discriminator) {
            (Some(_), None) => {
                Some("no initial discriminator: the discriminator starts from random weights")
            }
            (None, Some(_)) => {
                Some("no initial generator: the generator starts from random weights")
            }
            _ => None,
        }
    }

    /// Those that are directories of this machine.
    pub(crate) fn directories(&self, hub: &HubOptions) -> Vec<PathBuf> {
        let given = [
            (&self.generator, Part::Generator),
            (&self.discriminator, Part::Discriminator),
        ];
        let local = given.into_iter().filter_map(|(model, part)| {
            let model = model.as_deref().filter(|model| Path::new(model).is_dir())?;
            located(model, part, hub).ok()
        });
        local.collect()
    }

    /// Downloads what this machine lacks, so that loading them needs no network.
    pub(crate) fn fetch(&self, hub: &HubOptions) -> Result<()> {
        for model in self.generator.iter().chain(&self.discriminator) {
            hub::resolve(model, hub)?;
        }
        Ok(())
    }

    /// Replaces the halves of a fresh pair. The discriminator comes last: of two models the shared
    /// embeddings are its, unless its table is kept apart from the generator's. A generator that is not
    /// given begins with the discriminator's embeddings.
    pub(crate) fn load_into(
        &self,
        mut pair: ElectraPretrainer,
        [wanted_generator, wanted_discriminator]: [&ElectraConfig; 2],
        tokenizer: &WordPieceTokenizer,
        hub: &HubOptions,
        device: &Device,
    ) -> Result<ElectraPretrainer> {
        let open = |model: &str, part: Part| -> Result<ModelDir> {
            let path = located(model, part, hub)?;
            let mut dir = ModelDir::open(&path)?;
            let wanted = match part {
                Part::Generator => wanted_generator,
                Part::Discriminator => wanted_discriminator,
            };
            refuse_other_shape(model, &dir.config, wanted)?;
            // Dropout is the run's, not what the model was made with.
            dir.config.hidden_dropout_prob = wanted.hidden_dropout_prob;
            dir.config.attention_probs_dropout_prob = wanted.attention_probs_dropout_prob;
            let theirs = load_tokenizer(&path, &dir.config)?;
            if theirs.fingerprint() != tokenizer.fingerprint() {
                return Err(TrainError::config(format!(
                    "the tokenizer of `{model}` is not the one the shards were prepared with"
                ))
                .with_hint("prepare the shards with the tokenizer of the model to continue from"));
            }
            Ok(dir)
        };
        if let Some(generator) = &self.generator {
            pair =
                pair.with_generator(open(generator, Part::Generator)?.for_masked_lm(device)?.0)?;
        }
        if let Some(discriminator) = &self.discriminator {
            let model = open(discriminator, Part::Discriminator)?
                .for_pretraining(device)?
                .0;
            pair = if self.generator.is_some() {
                pair.with_discriminator_beside(model)?
            } else {
                pair.with_discriminator(model)?
            };
        }
        Ok(pair)
    }
}

/// The run's checkpoints and models are of the recipe's shape, so an initial model must be too.
fn refuse_other_shape(model: &str, found: &ElectraConfig, wanted: &ElectraConfig) -> Result<()> {
    // Vocabularies are the tokenizer's business.
    let shape = found.differing_sizes(wanted).into_iter();
    let mut differences: Vec<String> = shape
        .filter(|(name, ..)| !name.ends_with("vocab_size"))
        .map(|(name, found, wanted)| format!("  {name}: {found}, the recipe has {wanted}"))
        .collect();
    if found.layer_norm_eps != wanted.layer_norm_eps {
        let (found, wanted) = (found.layer_norm_eps, wanted.layer_norm_eps);
        differences.push(format!(
            "  layer_norm_eps: {found:e}, here it is {wanted:e}"
        ));
    }
    if differences.is_empty() {
        return Ok(());
    }
    Err(TrainError::config(format!(
        "`{model}` is of another shape than this run:\n{}",
        differences.join("\n")
    ))
    .with_hint(
        "give the recipe that the model was made with, or `--set` its sizes (`model.…`, `generator_size`)",
    ))
}

/// The directory of an initial model. A run stands for its network of that part, and not for the one that
/// is fine-tuned.
fn located(model: &str, part: Part, hub: &HubOptions) -> Result<PathBuf> {
    let given = Path::new(model);
    if given.is_dir() {
        let folders = [part.name(), RunDir::MODEL, RunDir::DISCRIMINATOR];
        return Ok(hub::network_of(given, &folders));
    }
    Ok(hub::resolve(model, hub)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_gives_each_half_its_own_network() {
        let run = tempfile::tempdir().expect("a directory");
        let write = |directory: &Path, name: &str| {
            std::fs::create_dir_all(directory).expect("writable");
            std::fs::write(directory.join(name), "{}").expect("writable");
        };
        // A run has a configuration too.
        write(run.path(), "config.json");
        for part in ["generator", "discriminator"] {
            write(&run.path().join(part), "config.json");
            write(&run.path().join(part), "model.safetensors");
        }
        let given = run.path().to_string_lossy().into_owned();
        let hub = HubOptions::from_env(|_| None);
        for part in [Part::Generator, Part::Discriminator] {
            let found = located(&given, part, &hub).expect("it is there");
            assert_eq!(found, run.path().join(part.name()));
        }
        write(run.path(), "model.safetensors");
        let found = located(&given, Part::Generator, &hub).expect("it is there");
        assert_eq!(found, run.path(), "a model itself");
    }
}
