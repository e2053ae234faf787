//! Model directories that every tool of the field loads: weights, configuration, tokenizer, card.

mod card;

use std::path::Path;

use aelectra_data::files::replace_file;
use aelectra_data::run::RunDir;
use aelectra_data::vocab::WordPieceTokenizer;
use aelectra_model::checkpoint::save_model;
use aelectra_model::{
    ElectraConfig, ElectraForTokenClassification, ElectraPretrainer, ModelType, parameters,
};
use burn::module::Module;

use crate::config::pretrain::AttentionStart;
use crate::error::Result;
use crate::ner::{Tagger, TaggerSettings};
use crate::settings::AelectraSettings;

pub use card::{ModelCard, Score};
pub(crate) use card::{percent, row};

/// One of the two networks of a pretraining run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The network one fine-tunes.
    Discriminator,
    /// The small masked-language model.
    Generator,
}

impl Part {
    /// Its name, also that of its directory in a run.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Discriminator => RunDir::DISCRIMINATOR,
            Self::Generator => RunDir::GENERATOR,
        }
    }

    /// The name of its class in `transformers`.
    #[must_use]
    pub const fn architecture(self) -> &'static str {
        match self {
            Self::Discriminator => "ElectraForPreTraining",
            Self::Generator => "ElectraForMaskedLM",
        }
    }
}

/// Writes one network of a pretraining run as a model directory. `start` is where its attention
/// began, so that a comparison with random weights can begin there too.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn save_part(
    dir: &Path,
    part: Part,
    model: &ElectraPretrainer,
    config: &ElectraConfig,
    tokenizer: &WordPieceTokenizer,
    card: &ModelCard,
    start: AttentionStart,
) -> Result<usize> {
    match part {
        Part::Discriminator => {
            let model = model.discriminator_model();
            save_network(dir, part, &model, config, tokenizer, card, start)
        }
        Part::Generator => {
            let model = model.generator_model();
            save_network(dir, part, &model, config, tokenizer, card, start)
        }
    }
}

/// As the networks of a run are written: `model` is that of `part`. Returns the number of its parameters.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn save_network<M: Module>(
    dir: &Path,
    part: Part,
    model: &M,
    config: &ElectraConfig,
    tokenizer: &WordPieceTokenizer,
    card: &ModelCard,
    start: AttentionStart,
) -> Result<usize> {
    let mut config = config.clone();
    let settings = AelectraSettings {
        attention_start: Some(start),
        ..AelectraSettings::of(&config)
    };
    settings.put(&mut config);
    save_model(dir, &config, part.architecture(), model)?;
    finish(dir, tokenizer, card, part.name())?;
    Ok(parameters::count(model))
}

/// Writes a fine-tuned model into `dir`.
pub(crate) fn save_tagger(
    dir: &Path,
    encoder: &ElectraConfig,
    model: &ElectraForTokenClassification,
    tagger: &Tagger,
    card: &ModelCard,
) -> Result<()> {
    let TaggerSettings {
        alignment,
        max_length,
        stride,
    } = tagger.settings();
    let mut config = encoder.clone().with_labels(tagger.decoder().classes());
    let settings = AelectraSettings {
        alignment: Some(alignment),
        max_length: Some(max_length),
        stride: Some(stride),
        ..AelectraSettings::of(encoder)
    };
    settings.put(&mut config);
    let architecture = match config.model_type {
        ModelType::Electra => "ElectraForTokenClassification",
        ModelType::Bert => "BertForTokenClassification",
    };
    save_model(dir, &config, architecture, model)?;
    finish(dir, tagger.tokenizer(), card, "")
}

/// Adds tokenizer and card to weights and configuration.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn finish(
    dir: &Path,
    tokenizer: &WordPieceTokenizer,
    card: &ModelCard,
    part: &str,
) -> Result<()> {
    tokenizer.save(dir)?;
    let mut card = card.clone();
    if !part.is_empty() {
        card.name = format!("{} ({part})", card.name);
    }
    let path = dir.join("README.md");
    Ok(replace_file(&path, card.render().as_bytes())?)
}
