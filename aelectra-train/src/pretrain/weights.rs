//! The weights a pretraining begins with.

use aelectra_data::hub::{self, HubOptions};
use aelectra_data::rng;
use aelectra_data::vocab::WordPieceTokenizer;
use aelectra_model::ElectraPretrainer;
use aelectra_model::checkpoint::ModelDir;
use aelectra_model::init::Initializer;
use burn::tensor::Device;

use crate::config::pretrain::{EmbeddingSharing, PretrainConfig};
use crate::error::{Result, TrainError};
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
        tokenizer: &WordPieceTokenizer,
        hub: &HubOptions,
        device: &Device,
    ) -> Result<ElectraPretrainer> {
        let open = |model: &str| -> Result<ModelDir> {
            let path = hub::resolve(model, hub)?;
            let dir = ModelDir::open(&path)?;
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
            pair = pair.with_generator(open(generator)?.for_masked_lm(device)?.0)?;
        }
        if let Some(discriminator) = &self.discriminator {
            let model = open(discriminator)?.for_pretraining(device)?.0;
            pair = if self.generator.is_some() {
                pair.with_discriminator_beside(model)?
            } else {
                pair.with_discriminator(model)?
            };
        }
        Ok(pair)
    }
}
