//! `aelectra export`.

use std::path::{Path, PathBuf};

use aelectra_data::hub;
use aelectra_data::run::{Pointer, RunDir, Task};
use aelectra_data::vocab::{TokenizerOptions, WordPieceTokenizer};
use aelectra_model::auto::Head;
use aelectra_model::checkpoint::{ModelDir, save_model};
use aelectra_model::{ElectraConfig, ElectraForPreTraining, ModelType, parameters, rescaled};
use aelectra_train::export::{ModelCard, Part, finish, pretraining_card, save_network};
use aelectra_train::ner::load_tokenizer;
use aelectra_train::pretrain::{checkpoint, weights};
use aelectra_train::settings::AelectraSettings;
use burn::module::Module;
use burn::tensor::Device;
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::common::{is_same, resolve_model};
use crate::global::Global;
use crate::output;

/// Write a model directory from a run, a checkpoint or another model directory.
///
/// Reads a pretraining run (also while it trains), one of its checkpoints, a fine-tuning run, or any
/// model directory or hub name, whatever its weight format. Writes config.json, model.safetensors,
/// tokenizer files and a model card, in Hugging Face layout.
#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// Run, checkpoint (checkpoints/step-N), model directory or hub name.
    #[arg(long, value_name = "RUN|DIR|ID")]
    checkpoint: String,
    /// Model directory to write.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Head to export (default: the discriminator of a pretraining run, the saved head of a model
    /// directory).
    #[arg(long, value_enum)]
    head: Option<HeadArg>,
    /// Export the checkpoint with the lowest held-out loss instead of the newest.
    #[arg(long)]
    best: bool,
    /// Tokenizer directory, for checkpoints without one.
    #[arg(long, value_name = "DIR")]
    tokenizer: Option<PathBuf>,
    /// Write `strip_accents: false`, for models whose vocabulary has å but whose tokenizer config
    /// lacks it.
    #[arg(long)]
    keep_accents: bool,
    /// Rescale a discriminator's weights by a factor, so that fine-tuning at a small fixed rate moves it
    /// further; what it computes stays the same. 200 suits networks of 128 units at a rate of 2e-5.
    #[arg(long, value_name = "FACTOR")]
    rescale: Option<f64>,
    /// Licence for the model card, e.g. cc-by-4.0.
    #[arg(long, visible_alias = "license", value_name = "ID")]
    licence: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum HeadArg {
    /// Replaced-token detection; the model to fine-tune.
    Discriminator,
    /// Masked-language modelling.
    Generator,
    /// Named entities.
    Ner,
}

#[derive(Debug, Serialize)]
struct Exported {
    files: Vec<PathBuf>,
    parameters: usize,
    architecture: &'static str,
    out: PathBuf,
}

pub(crate) fn run(args: &ExportArgs, global: Global) -> anyhow::Result<u8> {
    // Weights only pass through, so the CPU does on every machine.
    let device = aelectra_model::DeviceSpec::compiled_default()?.open()?;
    let given = Path::new(&args.checkpoint);
    refuse_same_place(given, &args.out)?;
    refuse_other_files(&args.out)?;
    refuse_to_rescale(args)?;
    let is_checkpoint = given.join(checkpoint::STATE).is_file();
    let (parameters, architecture) = if is_checkpoint && !args.best {
        from_training(args, given, &device)?
    } else if let Some(checkpoint) = newest(given, args.best)? {
        from_training(args, &checkpoint, &device)?
    } else if args.best {
        return Err(output::usage(
            format!(
                "--best is of a pretraining run, and `{}` is none",
                args.checkpoint
            ),
            "leave --best out",
        ));
    } else {
        from_model(args, &device, global)?
    };
    let mut files: Vec<PathBuf> = std::fs::read_dir(&args.out)
        .map_err(aelectra_data::DataError::io("read", &args.out))?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    files.sort();
    let exported = Exported {
        files,
        parameters,
        architecture,
        out: args.out.clone(),
    };
    output::show(global, &exported, || {
        format!(
            "{} with {} parameters → {}",
            exported.architecture,
            exported.parameters,
            exported.out.display()
        )
    })
}

/// A run or model must not be written over by what is read from it.
fn refuse_same_place(from: &Path, out: &Path) -> anyhow::Result<()> {
    if is_same(from, out) {
        return Err(output::usage(
            format!("--out is the directory to read, `{}`", out.display()),
            "give a directory of its own",
        ));
    }
    Ok(())
}

/// A directory with something else than a model must not get one on top.
fn refuse_other_files(out: &Path) -> anyhow::Result<()> {
    let mut entries = std::fs::read_dir(out).into_iter().flatten();
    let has = |name: &str| out.join(name).is_file();
    // A run's directory has a configuration too.
    if entries.next().is_some() && (!has("config.json") || has("events.jsonl")) {
        return Err(output::usage(
            format!("`{}` holds other files than a model's", out.display()),
            "give a directory of its own",
        ));
    }
    let whole = out.canonicalize().ok();
    let own = |out: &&Path| RunDir::MODELS.iter().any(|own| out.ends_with(own));
    let parent = whole.as_deref().filter(own).and_then(Path::parent);
    if let Some(run) = parent.filter(|parent| RunDir::open(parent).is_ok()) {
        return Err(output::usage(
            format!(
                "`{}` is the model of the run `{}`",
                out.display(),
                run.display()
            ),
            "give a directory outside of runs",
        ));
    }
    Ok(())
}

/// A model of another kind or other sizes must not be lost: what is there was a tagger, say, and this is none.
fn refuse_other_model(
    out: &Path,
    architecture: &str,
    config: &ElectraConfig,
) -> anyhow::Result<()> {
    let Ok(there) = ModelDir::open(out) else {
        return Ok(());
    };
    let differing = there.config.differing_sizes(config).into_iter();
    let differing: Vec<String> = differing
        .map(|(name, before, now)| format!("`{name}` is {before} there and {now} here"))
        .collect();
    if !differing.is_empty() {
        return Err(output::usage(
            format!(
                "`{}` holds a model of other sizes: {}",
                out.display(),
                differing.join(", ")
            ),
            "give a directory of its own",
        ));
    }
    let there = &there.config.architectures;
    if there.is_empty() || there.iter().any(|one| one == architecture) {
        return Ok(());
    }
    Err(output::usage(
        format!(
            "`{}` holds another kind of model, {}, and this is {architecture}",
            out.display(),
            there.join(", ")
        ),
        "give a directory of its own",
    ))
}

/// Most that `layer_norm_eps` may be, seen from embeddings that are divided: some thousandth of their variance,
/// which is about 1e-3 with the reference's initial deviation of 0.02.
const MOST_EPS: f64 = 2e-6;

/// What `--rescale` cannot do.
fn refuse_to_rescale(args: &ExportArgs) -> anyhow::Result<()> {
    match (args.rescale, args.head) {
        (Some(factor), _) if !(1e-3..=1e3).contains(&factor) => Err(output::usage(
            format!("--rescale is {factor}"),
            "give a number from 0.001 to 1000, such as 200",
        )),
        (Some(_), Some(HeadArg::Generator | HeadArg::Ner)) => Err(only_discriminators()),
        _ => Ok(()),
    }
}

fn only_discriminators() -> anyhow::Error {
    output::usage(
        "only a discriminator can be rescaled".to_owned(),
        "leave --rescale out, or export the model that is to be fine-tuned",
    )
}

/// The discriminator in the sizes that are asked for.
fn at_scale(
    args: &ExportArgs,
    model: ElectraForPreTraining,
    config: ElectraConfig,
) -> anyhow::Result<(ElectraForPreTraining, ElectraConfig)> {
    let Some(factor) = args.rescale else {
        return Ok((model, config));
    };
    let eps = config.layer_norm_eps;
    if eps * factor * factor > MOST_EPS {
        return Err(output::usage(
            format!("a `layer_norm_eps` of {eps:e} is too large to rescale by {factor}"),
            "give a smaller --rescale: embeddings divided by it must stay far above the eps",
        ));
    }
    let settings = AelectraSettings::of(&config);
    if let Some(before) = settings.rescaled {
        return Err(output::usage(
            format!("this model was rescaled by {before} already"),
            "rescale the model that it was made from",
        ));
    }
    let (model, mut config) = rescaled(model, &config, factor);
    AelectraSettings {
        rescaled: Some(factor),
        ..settings
    }
    .put(&mut config);
    Ok((model, config))
}

/// A line of the card that says so.
fn rescaled_fact(args: &ExportArgs) -> Option<(String, String)> {
    let factor = args.rescale?;
    let what = format!(
        "by {factor}: embeddings are smaller and the last layer's output is larger by that, which \
         changes nothing but how far fine-tuning moves them"
    );
    Some(("rescaled".to_owned(), what))
}

/// The checkpoint of a pretraining run, if `path` is one that has any.
fn newest(path: &Path, best: bool) -> anyhow::Result<Option<PathBuf>> {
    let Ok(run) = RunDir::open(path) else {
        return Ok(None);
    };
    let newest = checkpoint::list(&run)?.into_iter().next();
    let pretrains = run
        .read_manifest()
        .is_ok_and(|it| it.task == Task::Pretrain);
    if newest.is_none() && pretrains && !run.discriminator().is_dir() {
        return Err(output::usage(
            format!("`{}` has no checkpoint yet", path.display()),
            "wait for its first (`checkpoint_every`), or ask for one: \
             `aelectra runs checkpoint RUN`",
        ));
    }
    if newest.is_none() || !best {
        return Ok(newest.map(|(_, path)| path));
    }
    match run.read_pointer(Pointer::Best)? {
        Some(path) => Ok(Some(path)),
        None => Err(output::usage(
            format!("`{}` has no best checkpoint", path.display()),
            "a run has one after its first evaluation on held-out data; leave --best out for the \
             newest",
        )),
    }
}

/// From a training checkpoint, which holds both networks.
fn from_training(
    args: &ExportArgs,
    checkpoint: &Path,
    device: &Device,
) -> anyhow::Result<(usize, &'static str)> {
    let part = match args.head {
        None | Some(HeadArg::Discriminator) => Part::Discriminator,
        Some(HeadArg::Generator) => Part::Generator,
        Some(HeadArg::Ner) => {
            return Err(output::usage(
                "a pretraining run has no entity classes",
                "fine-tune it first: `aelectra finetune --model …`",
            ));
        }
    };
    let run = checkpoint.parent().and_then(Path::parent);
    let beside = run.unwrap_or(Path::new("")).join(RunDir::TOKENIZER);
    let tokenizer_dir = args.tokenizer.as_ref().unwrap_or(&beside);
    if !tokenizer_dir.is_dir() {
        return Err(output::usage(
            format!("`{}` has no tokenizer beside it", checkpoint.display()),
            "give the one the shards were made with: --tokenizer DIR",
        ));
    }
    let state = checkpoint::load_state(checkpoint)?;
    let tokenizer = WordPieceTokenizer::from_dir(tokenizer_dir)?;
    if tokenizer.fingerprint() != state.tokenizer {
        return Err(output::usage(
            format!(
                "`{}` is not the tokenizer of `{}`",
                tokenizer_dir.display(),
                checkpoint.display()
            ),
            "give the one the shards were made with: --tokenizer DIR",
        ));
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
    card.licence.clone_from(&args.licence);
    card.facts.extend(rescaled_fact(args));
    let tokenizer = settled(tokenizer, args.keep_accents)?;
    refuse_other_model(&args.out, part.architecture(), &config)?;
    let start = state.config.model.attention_start;
    let out = &args.out;
    let parameters = match part {
        Part::Discriminator => {
            let (model, config) = at_scale(args, model.discriminator_model(), config)?;
            save_network(out, part, &model, &config, &tokenizer, &card, start)?
        }
        Part::Generator => {
            let model = model.generator_model();
            save_network(out, part, &model, &config, &tokenizer, &card, start)?
        }
    };
    Ok((parameters, part.architecture()))
}

/// From a model directory or a fine-tuning run, which holds one.
fn from_model(
    args: &ExportArgs,
    device: &Device,
    global: Global,
) -> anyhow::Result<(usize, &'static str)> {
    let given = Path::new(&args.checkpoint);
    let (head, inner) = match args.head {
        Some(HeadArg::Discriminator) => (
            Some(Head::PreTraining),
            &[RunDir::DISCRIMINATOR, RunDir::MODEL][..],
        ),
        Some(HeadArg::Generator) => (
            Some(Head::MaskedLm),
            &[RunDir::GENERATOR, RunDir::MODEL, RunDir::DISCRIMINATOR][..],
        ),
        Some(HeadArg::Ner) => (
            Some(Head::TokenClassification),
            &[RunDir::MODEL, RunDir::DISCRIMINATOR][..],
        ),
        None => (None, &[RunDir::MODEL, RunDir::DISCRIMINATOR][..]),
    };
    let path = match given.is_dir() {
        true => hub::network_of(given, inner),
        false => resolve_model(&args.checkpoint, global)?,
    };
    let dir = ModelDir::open(&path)?;
    let head = head.unwrap_or_else(|| Head::of(&dir.config));
    let Some(architecture) = head.architecture(dir.config.model_type) else {
        return Err(output::usage(
            format!("`{}` is a BERT, which has no discriminator", path.display()),
            "export it with --head generator (masked-language model) or --head ner",
        ));
    };
    if args.rescale.is_some() && head != Head::PreTraining {
        return Err(only_discriminators());
    }
    let tokenizer = match &args.tokenizer {
        Some(dir) => WordPieceTokenizer::from_dir(dir)?,
        None => load_tokenizer(&path, &dir.config)?,
    };
    if tokenizer.vocab_size() > dir.config.vocab_size {
        return Err(output::usage(
            format!(
                "the tokenizer has {} pieces and the model {}",
                tokenizer.vocab_size(),
                dir.config.vocab_size
            ),
            "give the one that the model was made with: --tokenizer DIR",
        ));
    }
    let tokenizer = settled(tokenizer, args.keep_accents)?;
    refuse_other_model(&args.out, architecture, &dir.config)?;
    let (out, config) = (&args.out, &dir.config);
    let parameters = match head {
        Head::None => save(out, config, architecture, &dir.encoder(device)?.0)?,
        Head::PreTraining => {
            let model = dir.for_pretraining(device)?.0;
            let (model, config) = at_scale(args, model, config.clone())?;
            save(out, &config, architecture, &model)?
        }
        Head::MaskedLm => save(out, config, architecture, &dir.for_masked_lm(device)?.0)?,
        Head::TokenClassification => {
            let model = dir.for_token_classification(device)?.0;
            save(out, config, architecture, &model)?
        }
    };
    let family = match dir.config.model_type {
        ModelType::Electra => "ELECTRA",
        ModelType::Bert => "BERT",
    };
    let card = ModelCard {
        name: args.checkpoint.clone(),
        summary: format!("A Danish {family} ({architecture}), written by Ælæctra."),
        licence: args.licence.clone(),
        pipeline_tag: (head == Head::TokenClassification)
            .then(|| "token-classification".to_owned()),
        facts: rescaled_fact(args).into_iter().collect(),
        ..ModelCard::default()
    };
    finish(&args.out, &tokenizer, &card, "")?;
    // What is written about a model elsewhere knows more than this program does.
    let written = path.join("README.md");
    if args.licence.is_none() && args.rescale.is_none() && written.is_file() {
        let target = args.out.join("README.md");
        std::fs::copy(&written, &target).map_err(aelectra_data::DataError::io("copy", &written))?;
    }
    Ok((parameters, architecture))
}

fn save<M: Module>(
    out: &Path,
    config: &ElectraConfig,
    architecture: &str,
    model: &M,
) -> anyhow::Result<usize> {
    save_model(out, config, architecture, model)?;
    Ok(parameters::count(model))
}

/// Prints a tokenizer's warnings, or sets the option that ends one of them.
fn settled(
    tokenizer: WordPieceTokenizer,
    keep_accents: bool,
) -> anyhow::Result<WordPieceTokenizer> {
    if keep_accents {
        let options = TokenizerOptions {
            strip_accents: Some(false),
            ..tokenizer.options().clone()
        };
        return Ok(tokenizer.with_options(options)?);
    }
    for warning in tokenizer.warnings() {
        output::note(&format!("note: {warning}"));
    }
    Ok(tokenizer)
}
