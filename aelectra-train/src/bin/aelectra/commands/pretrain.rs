//! `aelectra pretrain`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aelectra_data::pretrain::{BatchSource, MaskingPolicy, ShardSet, Split};
use aelectra_data::run::ResumedEvent;
use aelectra_data::run::{
    EndEvent, EndReason, RunDir, RunEvent, StartEvent, clear_control, new_run_id,
};
use aelectra_data::vocab::WordPieceTokenizer;
use aelectra_model::checkpoint::ModelDir;
use aelectra_model::{ElectraConfig, ElectraPretrainer};
use aelectra_train::TrainError;
use aelectra_train::config::Layers;
use aelectra_train::config::pretrain::{Objective, PretrainConfig};
use aelectra_train::config::recipes;
use aelectra_train::export::{Part, pretraining_card, save_part};
use aelectra_train::ner::load_tokenizer;
use aelectra_train::pretrain::baseline::unigram_entropy;
use aelectra_train::pretrain::start::{Identity, fresh_model, parameter_count};
use aelectra_train::pretrain::{
    Outcome, PretrainSummary, Resume, Trainer, TrainerOptions, prepare_run,
};
use aelectra_train::sink::{EventBus, console};
use aelectra_train::stop::StopFlag;
use burn::tensor::Device;
use clap::Args;

use super::Global;
use crate::common::{DeviceArgs, host, manifest, resolve_model, start_bus};
use crate::view::View;
use crate::{output, signals};

/// Pretrain a generator and a discriminator on shards.
///
/// Ctrl-C once writes a checkpoint and stops; `--resume auto` continues exactly there. A terminal
/// that vanishes (SIGHUP) does the same; under `nohup` or `setsid`, or detached in tmux, the run
/// goes on, and `aelectra dashboard` shows it again.
#[derive(Args, Debug)]
pub(crate) struct PretrainArgs {
    /// A recipe (aelectra-small-cased, aelectra-small-uncased, electra-small-pp, cpu-small, demo)
    /// or a TOML file.
    #[arg(long, value_name = "NAME|FILE", default_value = "aelectra-small-cased")]
    recipe: String,
    /// Shards, as `aelectra prepare` writes them.
    #[arg(long, value_name = "DIR", required_unless_present = "print_config")]
    data: Option<PathBuf>,
    /// Tokenizer directory the shards were made with.
    #[arg(long, value_name = "DIR", required_unless_present = "print_config")]
    tokenizer: Option<PathBuf>,
    /// Run directory to write; a new one under runs/ if not given.
    #[arg(long, value_name = "RUN")]
    out: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
    /// Stop after this many steps of the run; the schedule stays as it is.
    #[arg(long, value_name = "N")]
    max_steps: Option<u64>,
    /// Stop after this many hours.
    #[arg(long, value_name = "H")]
    max_hours: Option<f64>,
    /// Continue: `auto` (if there is a checkpoint), `last` (there must be one), or a checkpoint.
    #[arg(long, value_name = "auto|last|DIR")]
    resume: Option<String>,
    /// Begin with the weights of this discriminator (domain adaptation).
    #[arg(long, value_name = "DIR|ID")]
    init_discriminator: Option<String>,
    /// Begin with the weights of this generator.
    #[arg(long, value_name = "DIR|ID")]
    init_generator: Option<String>,
    /// Continue although configuration or data changed.
    #[arg(long)]
    force: bool,
    /// Set a configuration key; may be given several times. `--print-config` lists them.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Seed of everything random.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Print the merged configuration with the origin of every value, and do nothing.
    #[arg(long)]
    print_config: bool,
    /// Print plain lines also on a terminal.
    #[arg(long)]
    no_dashboard: bool,
}

/// Merges a recipe, the environment and the command line.
pub(crate) fn configure(
    recipe: &str,
    set: &[String],
    seed: Option<u64>,
) -> anyhow::Result<(PretrainConfig, Layers)> {
    let mut layers = Layers::from_defaults(&PretrainConfig::default())?;
    let text = recipes::find(recipe, &recipes::PRETRAINING)?;
    layers.apply_toml(&text, &format!("recipe {recipe}"))?;
    layers.apply_environment(std::env::vars())?;
    for assignment in set {
        layers.set(assignment)?;
    }
    if let Some(seed) = seed {
        layers.set_value("seed", seed.into(), "--seed")?;
    }
    let config: PretrainConfig = layers.build()?;
    config.validate()?;
    Ok((config, layers))
}

pub(crate) fn run(args: &PretrainArgs, global: Global) -> anyhow::Result<u8> {
    let (config, layers) = configure(&args.recipe, &args.set, args.seed)?;
    let (Some(data), Some(tokenizer_dir), false) = (&args.data, &args.tokenizer, args.print_config)
    else {
        return output::line(layers.render().trim_end()).map(|()| 0);
    };
    let max_time = match args.max_hours {
        None => None,
        Some(hours) if hours.is_finite() && hours > 0.0 => {
            Some(Duration::from_secs_f64(hours * 3600.0))
        }
        Some(hours) => {
            return Err(output::usage(
                format!("--max-hours is {hours}"),
                "give a positive number of hours, e.g. 1.5",
            ));
        }
    };
    let run = match &args.out {
        Some(path) => RunDir::create_at(path)?,
        None => RunDir::create(
            Path::new("runs"),
            &new_run_id(std::time::SystemTime::now(), "pretrain"),
        )?,
    };
    let (device, device_name) = args.device.open()?;
    let resume = match &args.resume {
        None => Resume::No,
        Some(text) => match text.parse() {
            Ok(resume) => resume,
            Err(never) => match never {},
        },
    };
    let stop = signals::stop_flag()?;
    let job = Job {
        run,
        config,
        data: data.clone(),
        tokenizer: tokenizer_dir.clone(),
        device,
        device_name,
        max_steps: args.max_steps,
        max_time,
        resume,
        force: args.force,
        stop,
        init: [args.init_generator.clone(), args.init_discriminator.clone()],
        recipe: Some(args.recipe.clone()),
    };
    job.refuse_occupied()?;
    let view = View::open(&job.run, !args.no_dashboard, global, &job.stop);
    let bus = start_bus(&job.run, global, &view)?;
    let trained = job.train(&bus);
    match &trained {
        Ok((_, summary)) => bus.emit(summary.end_event()),
        Err(error) => bus.emit(RunEvent::End(EndEvent {
            reason: EndReason::Failed,
            exit_code: 1,
            message: Some(error.to_string()),
            ..EndEvent::default()
        })),
    }
    drop(bus);
    view.close(&job.stop);
    let (_, summary) = trained?;
    report(&summary, global)?;
    Ok(summary.exit_code as u8)
}

fn report(summary: &PretrainSummary, global: Global) -> anyhow::Result<()> {
    if global.json {
        let mut value = serde_json::to_value(summary)?;
        // Scripts find every key, also of what this run did not measure.
        if let Some(map) = value.as_object_mut() {
            summary.metrics.visit(&mut |name, _| {
                map.entry(name).or_insert(serde_json::Value::Null);
            });
        }
        return output::json(&value);
    }
    output::line(&format!(
        "{} steps, {:.0} tokens/s: {}\n{}",
        summary.steps,
        summary.tokens_per_second,
        console::metrics(&summary.metrics),
        summary.run.display()
    ))
}

/// One pretraining, with everything it needs; `aelectra demo` runs one too.
pub(crate) struct Job {
    pub run: RunDir,
    pub config: PretrainConfig,
    pub data: PathBuf,
    pub tokenizer: PathBuf,
    pub device: Device,
    pub device_name: String,
    pub max_steps: Option<u64>,
    pub max_time: Option<Duration>,
    pub resume: Resume,
    pub force: bool,
    pub stop: StopFlag,
    /// Models to begin with: generator, discriminator.
    pub init: [Option<String>; 2],
    /// Name of the recipe, for the manifest.
    pub recipe: Option<String>,
}

/// A dashboard may have the terminal by now.
const QUIET: Global = Global {
    json: false,
    quiet: true,
};

/// Directory of the tokenizer in a run.
pub(crate) const RUN_TOKENIZER: &str = "tokenizer";

impl Job {
    /// Refuses what would be refused later, so that no event of a refused start reaches the log of
    /// the run that is there.
    fn refuse_occupied(&self) -> anyhow::Result<()> {
        if self.resume == Resume::No
            && std::fs::metadata(self.run.events()).is_ok_and(|file| file.len() > 0)
        {
            return Err(TrainError::config(format!(
                "`{}` already holds a run",
                self.run.path().display()
            ))
            .with_hint("continue it with `--resume auto`, or give another `--out`")
            .into());
        }
        Ok(())
    }

    /// Trains and writes the final model directories.
    pub(crate) fn train(&self, bus: &EventBus) -> anyhow::Result<(ElectraConfig, PretrainSummary)> {
        let config = &self.config;
        let tokenizer = WordPieceTokenizer::from_dir(&self.tokenizer)?;
        let shards = Arc::new(ShardSet::open(&self.data)?);
        self.check_fit(&tokenizer, &shards)?;
        let discriminator =
            config.discriminator(tokenizer.vocab_size(), tokenizer.special().pad as usize);
        discriminator.validate()?;
        let generator = discriminator.generator(config.effective_generator_size());
        generator.validate()?;
        let policy = masking_policy(config.mask_prob, shards.max_length());
        let source = |split, seed, batch| -> anyhow::Result<BatchSource> {
            Ok(BatchSource::new(Arc::clone(&shards), split, seed, batch)?.with_policy(policy))
        };
        let train = source(Split::Train, config.seed, config.batch_size)?;
        let held_out = shards.len(Split::Validation);
        let validation = if held_out == 0 || config.eval_examples == 0 {
            None
        } else {
            // Half a training batch at a time: without gradients that is far below its memory.
            let rows = config.micro_batch().min(held_out).max(1);
            Some(source(Split::Validation, config.seed ^ 1, rows)?)
        };
        let identity = Identity {
            tokenizer: tokenizer.fingerprint(),
            data: plan_hash(&shards)?,
        };
        let device = self.device.clone().autodiff();
        let special = tokenizer.special();
        let start = prepare_run(
            &self.run,
            &self.resume,
            self.force,
            config,
            &identity,
            &device,
            || {
                let fresh = fresh_model(
                    config,
                    tokenizer.vocab_size(),
                    special.pad as usize,
                    &device,
                );
                self.initialised(fresh, &tokenizer, &device)
            },
        )?;
        // A request left by someone for an earlier process is not meant for this one.
        clear_control(&self.run.control())?;
        let parameters = parameter_count(&start.model) as u64;
        let mut manifest = manifest(
            &self.run,
            "pretrain",
            &self.device_name,
            config.seed,
            serde_json::to_value(config)?,
        );
        manifest.recipe.clone_from(&self.recipe);
        manifest.parameters = Some(parameters);
        manifest.tokenizer = Some(identity.tokenizer.clone());
        manifest
            .data
            .insert("shards".to_owned(), identity.data.clone());
        if start.resumed.is_none() && self.run.manifest().is_file() {
            // An earlier process died before its first checkpoint: what it logged is void.
            bus.emit(RunEvent::Resumed(ResumedEvent::default()));
        }
        if start.resumed.is_none() {
            manifest.save(&self.run.manifest())?;
            // The run holds all that `aelectra export` needs, whatever becomes of the original.
            tokenizer.save(&self.run.path().join(RUN_TOKENIZER))?;
            std::fs::write(
                self.run.path().join("config.json"),
                serde_json::to_vec_pretty(config)?,
            )?;
        }
        bus.emit(RunEvent::Start(StartEvent {
            task: "pretrain".to_owned(),
            run: Some(self.run.id()),
            model: Some(format!(
                "{} layers, {} hidden",
                discriminator.num_hidden_layers, discriminator.hidden_size
            )),
            device: Some(self.device_name.clone()),
            total_steps: Some(
                self.max_steps
                    .map_or(config.schedule_steps, |m| m.min(config.schedule_steps)),
            ),
            first_step: start.resumed.as_ref().map(|(_, state)| state.step),
            batch_size: Some(config.batch_size as u64),
            sequence_length: Some(shards.max_length() as u64),
            parameters: Some(parameters),
            seed: Some(config.seed),
            pid: Some(std::process::id()),
            host: host(),
            log_every: Some(config.log_every),
            eval_every: Some(config.eval_every),
            checkpoint_every: Some(config.checkpoint_every),
            ..StartEvent::default()
        }));
        let options = TrainerOptions {
            run: self.run.clone(),
            device,
            config: config.clone(),
            max_steps: self.max_steps,
            max_time: self.max_time,
            train: Arc::new(train),
            validation,
            tokenizer: tokenizer.clone(),
            identity,
            unigram_entropy: unigram_entropy(&shards)?,
            stop: self.stop.clone(),
        };
        let Outcome {
            model,
            state,
            summary,
        } = Trainer::run(options, bus, start)?;
        let card = pretraining_card(&self.run.read_manifest()?, &state);
        let mut parts = vec![(Part::Generator, &generator)];
        if config.objective == Objective::Electra {
            parts.push((Part::Discriminator, &discriminator));
        }
        for (part, architecture) in parts {
            let dir = self.run.path().join(part.name());
            let start = config.model.attention_start;
            save_part(&dir, part, &model, architecture, &tokenizer, &card, start)?;
        }
        Ok((discriminator, summary))
    }

    /// Replaces the parts of a fresh pair for which a model to begin with was given. The
    /// discriminator comes last: of two models the shared embeddings are its.
    fn initialised(
        &self,
        mut pair: ElectraPretrainer,
        tokenizer: &WordPieceTokenizer,
        device: &Device,
    ) -> aelectra_train::Result<ElectraPretrainer> {
        let open = |model: &str| -> aelectra_train::Result<ModelDir> {
            let path = resolve_model(model, QUIET)
                .map_err(|error| TrainError::config(error.to_string()))?;
            let dir = ModelDir::open(&path)?;
            let theirs = load_tokenizer(&path, &dir.config)?;
            if theirs.fingerprint() != tokenizer.fingerprint() {
                return Err(TrainError::config(format!(
                    "`{model}` has another tokenizer than `{}`",
                    self.tokenizer.display()
                ))
                .with_hint("prepare the shards with the tokenizer of the model to continue from"));
            }
            Ok(dir)
        };
        if let Some(generator) = &self.init[0] {
            pair = pair.with_generator(open(generator)?.for_masked_lm(device)?.0)?;
        }
        if let Some(discriminator) = &self.init[1] {
            pair = pair.with_discriminator(open(discriminator)?.for_pretraining(device)?.0)?;
        }
        match &self.init {
            [Some(_), None] => {
                output::note("note: the discriminator is fresh, only the generator was given")
            }
            [None, Some(_)] => {
                output::note("note: the generator is fresh, only the discriminator was given")
            }
            _ => {}
        }
        Ok(pair)
    }

    fn check_fit(&self, tokenizer: &WordPieceTokenizer, shards: &ShardSet) -> anyhow::Result<()> {
        let refuse = |message: String, hint: &str| -> anyhow::Result<()> {
            Err(TrainError::config(message).with_hint(hint).into())
        };
        if shards.tokenizer_fingerprint() != tokenizer.fingerprint() {
            return refuse(
                format!(
                    "the shards in `{}` were made with another tokenizer than `{}`",
                    self.data.display(),
                    self.tokenizer.display()
                ),
                "give the tokenizer they were prepared with, or prepare them anew",
            );
        }
        if let Some(size) = self.config.vocab_size
            && size != tokenizer.vocab_size()
        {
            return refuse(
                format!(
                    "the recipe asks for {size} word pieces, the tokenizer has {}",
                    tokenizer.vocab_size()
                ),
                "train a vocabulary of that size, or set `vocab_size` to the tokenizer's",
            );
        }
        if let Some(length) = self.config.max_length
            && length != shards.max_length()
        {
            return refuse(
                format!(
                    "the recipe asks for length {length}, the shards have {}",
                    shards.max_length()
                ),
                "prepare the text with that `--max-length`, or set `max_length` to the shards'",
            );
        }
        let packing = shards.manifest().plan.packing;
        if let Some(asked) = self.config.packing
            && asked != packing
        {
            return refuse(
                format!("the recipe asks for packing {asked:?}, the shards have {packing:?}"),
                "prepare the text with that `--packing`, or leave `packing` out of the recipe",
            );
        }
        if shards.max_length() > self.config.model.max_position_embeddings {
            return refuse(
                format!(
                    "the shards have length {}, the model {} positions",
                    shards.max_length(),
                    self.config.model.max_position_embeddings
                ),
                "prepare shorter examples, or raise `model.max_position_embeddings`",
            );
        }
        Ok(())
    }
}

/// The reference's masking for another share: at most `int((share + 0.005) · length)` positions.
fn masking_policy(mask_prob: f64, length: usize) -> MaskingPolicy {
    MaskingPolicy {
        mask_prob,
        max_predictions: (((mask_prob + 0.005) * length as f64) as usize).max(1),
        ..MaskingPolicy::for_length(length)
    }
}

/// A hash of what the shards were made from and how.
fn plan_hash(shards: &ShardSet) -> anyhow::Result<String> {
    let plan = serde_json::to_vec(&shards.manifest().digests)?;
    let sizes = [
        shards.len(Split::Train),
        shards.len(Split::Validation),
        shards.max_length(),
    ];
    Ok(format!(
        "{:08x}-{}-{}-{}",
        crc32fast::hash(&plan),
        sizes[0],
        sizes[1],
        sizes[2]
    ))
}
