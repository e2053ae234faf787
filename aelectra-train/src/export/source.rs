//! What can be exported: a training checkpoint, which holds both networks, or a model directory.

use std::path::{Path, PathBuf};

use aelectra_data::run::RunDir;
use aelectra_data::vocab::{TokenizerOptions, WordPieceTokenizer};
use aelectra_model::auto::Head;
use aelectra_model::checkpoint::{ModelDir, save_model};
use aelectra_model::{ElectraConfig, ModelType, parameters};
use burn::module::Module;
use burn::tensor::Device;

use super::place::{Place, refuse_other_files, refuse_other_model};
use super::rescale::{at_scale, check_factor, fact, only_discriminators};
use crate::error::{Result, TrainError};
use crate::model_dir::{ModelCard, Part, finish, save_network};
use crate::ner::load_tokenizer;
use crate::pretrain::{checkpoint, pretraining_card, weights};

/// The directories of a run in which a model with a head may be, likeliest first.
#[must_use]
pub const fn folders(head: Option<Head>) -> &'static [&'static str] {
    match head {
        Some(Head::PreTraining) => &[RunDir::DISCRIMINATOR, RunDir::MODEL],
        Some(Head::MaskedLm) => &[RunDir::GENERATOR, RunDir::MODEL, RunDir::DISCRIMINATOR],
        Some(Head::TokenClassification | Head::None) | None => {
            &[RunDir::MODEL, RunDir::DISCRIMINATOR]
        }
    }
}

/// How a model is exported.
#[derive(Clone, Debug, Default)]
pub struct ExportOptions {
    /// Head (`None`: the discriminator of a checkpoint, the saved head of a model directory).
    pub head: Option<Head>,
    /// Tokenizer directory, for sources without one.
    pub tokenizer: Option<PathBuf>,
    /// Write `strip_accents: false`.
    pub keep_accents: bool,
    /// Rescale a discriminator by this factor ([`aelectra_model::rescaled`]).
    pub rescale: Option<f64>,
    /// Licence for the card, e.g. `cc-by-4.0`.
    pub licence: Option<String>,
}

/// Refuses what cannot be, before anything is read or fetched: a directory that holds something else, a factor that no model
/// can be rescaled by.
///
/// # Errors
/// Names it.
pub fn check_export(out: &Path, options: &ExportOptions) -> Result<()> {
    refuse_other_files(out)?;
    check_factor(options.rescale)?;
    match (options.rescale, options.head) {
        (Some(_), Some(Head::MaskedLm | Head::TokenClassification)) => Err(only_discriminators()),
        _ => Ok(()),
    }
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Number of the model's parameters.
    pub parameters: usize,
    /// The name of its class in `transformers`.
    pub architecture: &'static str,
    /// What is odd about its tokenizer.
    pub warnings: Vec<String>,
}

/// Writes a network of a training checkpoint (`checkpoints/step-N` of a run) into `out`.
///
/// # Errors
/// When the checkpoint or its tokenizer cannot be read, the options do not fit it, or `out` holds something else.
pub fn export_checkpoint(
    checkpoint: &Path,
    out: &Path,
    options: &ExportOptions,
    device: &Device,
) -> Result<Exported> {
    check_export(out, options)?;
    let part = match options.head {
        None | Some(Head::PreTraining) => Part::Discriminator,
        Some(Head::MaskedLm) => Part::Generator,
        Some(Head::None) => {
            return Err(TrainError::config("a checkpoint is exported with a head")
                .with_hint("choose the discriminator's or the generator's"));
        }
        Some(Head::TokenClassification) => {
            return Err(
                TrainError::config("a pretraining run has no entity classes")
                    .with_hint("fine-tune it first: `aelectra finetune --model …`"),
            );
        }
    };
    let run = checkpoint.parent().and_then(Path::parent);
    let beside = run.unwrap_or(Path::new("")).join(RunDir::TOKENIZER);
    let tokenizer_dir = options.tokenizer.as_ref().unwrap_or(&beside);
    const GIVE_TOKENIZER: &str = "give the one the shards were made with: --tokenizer DIR";
    if !tokenizer_dir.is_dir() {
        return Err(TrainError::config(format!(
            "`{}` has no tokenizer beside it",
            checkpoint.display()
        ))
        .with_hint(GIVE_TOKENIZER));
    }
    let state = checkpoint::load_state(checkpoint)?;
    let tokenizer = WordPieceTokenizer::from_dir(tokenizer_dir)?;
    if tokenizer.fingerprint() != state.tokenizer {
        return Err(TrainError::config(format!(
            "`{}` is not the tokenizer of `{}`",
            tokenizer_dir.display(),
            checkpoint.display()
        ))
        .with_hint(GIVE_TOKENIZER));
    }
    let (size, pad) = (tokenizer.vocab_size(), tokenizer.special().pad as usize);
    let discriminator = state.config.discriminator(size, pad);
    let config = match part {
        Part::Discriminator => discriminator,
        Part::Generator => state.config.generator(&discriminator),
    };
    let blank = weights::blank_model(&state.config, size, pad, device);
    let model = checkpoint::load_weights(checkpoint, blank)?;
    let manifest = run
        .and_then(|run| RunDir::open(run).ok())
        .and_then(|run| run.read_manifest().ok())
        .unwrap_or_default();
    let mut card = pretraining_card(&manifest, &state);
    if card.name.is_empty() {
        card.name = checkpoint.display().to_string();
    }
    card.licence.clone_from(&options.licence);
    card.facts.extend(fact(options.rescale));
    let (tokenizer, warnings) = settled(tokenizer, options.keep_accents)?;
    let place = Place::take(out)?;
    refuse_other_model(out, part.architecture(), &config)?;
    let new = place.new_files();
    let start = state.config.model.attention_start;
    let parameters = match part {
        Part::Discriminator => {
            let (model, config) = at_scale(options.rescale, model.discriminator_model(), config)?;
            save_network(new, part, &model, &config, &tokenizer, &card, start)?
        }
        Part::Generator => {
            let model = model.generator_model();
            save_network(new, part, &model, &config, &tokenizer, &card, start)?
        }
    };
    place.put()?;
    Ok(Exported {
        parameters,
        architecture: part.architecture(),
        warnings,
    })
}

/// Writes the model of the directory `from`, whatever its weight format, into `out`. `name` is what its card calls it.
///
/// # Errors
/// When the model or its tokenizer cannot be read, the options do not fit it, or `out` holds something else.
pub fn export_model(
    from: &Path,
    name: &str,
    out: &Path,
    options: &ExportOptions,
    device: &Device,
) -> Result<Exported> {
    check_export(out, options)?;
    let dir = ModelDir::open(from)?;
    let head = options.head.unwrap_or_else(|| Head::of(&dir.config));
    let Some(architecture) = head.architecture(dir.config.model_type) else {
        return Err(TrainError::config(format!(
            "`{}` is a BERT, which has no discriminator",
            from.display()
        ))
        .with_hint("export it with --head generator (masked-language model) or --head ner"));
    };
    if options.rescale.is_some() && head != Head::PreTraining {
        return Err(only_discriminators());
    }
    let tokenizer = match &options.tokenizer {
        Some(dir) => WordPieceTokenizer::from_dir(dir)?,
        None => load_tokenizer(from, &dir.config)?,
    };
    if tokenizer.vocab_size() > dir.config.vocab_size {
        return Err(TrainError::config(format!(
            "the tokenizer has {} pieces and the model {}",
            tokenizer.vocab_size(),
            dir.config.vocab_size
        ))
        .with_hint("give the one that the model was made with: --tokenizer DIR"));
    }
    let (tokenizer, warnings) = settled(tokenizer, options.keep_accents)?;
    let place = Place::take(out)?;
    refuse_other_model(out, architecture, &dir.config)?;
    let new = place.new_files();
    let config = &dir.config;
    let parameters = match head {
        Head::None => save(new, config, architecture, &dir.encoder(device)?.0)?,
        Head::PreTraining => {
            let model = dir.for_pretraining(device)?.0;
            let (model, config) = at_scale(options.rescale, model, config.clone())?;
            save(new, &config, architecture, &model)?
        }
        Head::MaskedLm => save(new, config, architecture, &dir.for_masked_lm(device)?.0)?,
        Head::TokenClassification => {
            let model = dir.for_token_classification(device)?.0;
            save(new, config, architecture, &model)?
        }
    };
    let family = match config.model_type {
        ModelType::Electra => "ELECTRA",
        ModelType::Bert => "BERT",
    };
    let card = ModelCard {
        name: name.to_owned(),
        summary: format!("A Danish {family} ({architecture}), written by Ælæctra."),
        licence: options.licence.clone(),
        pipeline_tag: (head == Head::TokenClassification)
            .then(|| "token-classification".to_owned()),
        facts: fact(options.rescale).into_iter().collect(),
        ..ModelCard::default()
    };
    finish(new, &tokenizer, &card, "")?;
    // What is written about a model elsewhere knows more than this program does.
    let written = from.join("README.md");
    if options.licence.is_none() && options.rescale.is_none() && written.is_file() {
        let target = new.join("README.md");
        std::fs::copy(&written, &target).map_err(TrainError::io("copy", &written))?;
    }
    place.put()?;
    Ok(Exported {
        parameters,
        architecture,
        warnings,
    })
}

fn save<M: Module>(
    out: &Path,
    config: &ElectraConfig,
    architecture: &str,
    model: &M,
) -> Result<usize> {
    save_model(out, config, architecture, model)?;
    Ok(parameters::count(model))
}

/// A tokenizer and its warnings, or with the option that ends one of them.
fn settled(
    tokenizer: WordPieceTokenizer,
    keep_accents: bool,
) -> Result<(WordPieceTokenizer, Vec<String>)> {
    if keep_accents {
        let options = TokenizerOptions {
            strip_accents: Some(false),
            ..tokenizer.options().clone()
        };
        return Ok((tokenizer.with_options(options)?, Vec::new()));
    }
    let warnings = tokenizer.warnings().to_vec();
    Ok((tokenizer, warnings))
}
