//! A whole pretraining: from shards and a tokenizer to a run directory with two models.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aelectra_data::files::replace_json;
use aelectra_data::hub::{HubOptions, is_model};
use aelectra_data::pretrain::{BatchSource, MaskingPolicy, ShardSet, Split, WordStarts};
use aelectra_data::run::{ResumedEvent, RunDir, RunEvent, StartEvent, Task, clear_control};
use aelectra_data::vocab::WordPieceTokenizer;
use aelectra_model::{DeviceList, DeviceSpec, ElectraConfig, kernels, parameters};
use burn::tensor::Device;

use crate::config::Configuration;
use crate::config::pretrain::{Objective, PretrainConfig};
use crate::end;
use crate::error::{Result, TrainError};
use crate::model_dir::{Part, save_part};
use crate::optimizer::Adam;
use crate::pretrain::PretrainSummary;
use crate::pretrain::baseline::unigram_entropy;
use crate::pretrain::card::pretraining_card;
use crate::pretrain::checkpoint::{self, TrainState};
use crate::pretrain::evaluate::held_out;
use crate::pretrain::fit::check_fit;
use crate::pretrain::replicas::NamedDevice;
use crate::pretrain::start::{
    Identity, Resume, Start, continued, leave_behind, refuse_another_run, settle_best,
};
use crate::pretrain::trainer::{Outcome, Trainer, TrainerOptions};
use crate::pretrain::weights::{InitialModels, blank_model, fresh_model};
use crate::record::{self, OwnRun};
use crate::sink::{EventBus, RunSink};
use crate::stop::StopFlag;

/// What to pretrain, on what, and where to.
#[derive(Clone, Debug)]
pub struct Job {
    /// The configuration, see [`crate::config::load`].
    pub config: PretrainConfig,
    /// Name of its recipe, for the manifest and the model cards.
    pub recipe: Option<String>,
    /// Directory of shards.
    pub data: PathBuf,
    /// Directory of the tokenizer the shards were prepared with.
    pub tokenizer: PathBuf,
    /// Run directory; a new one under `runs/` if `None`.
    pub out: Option<PathBuf>,
    /// Where to compute; several share each batch.
    pub device: DeviceList,
    /// Last step to take, counted over the run's life.
    pub max_steps: Option<u64>,
    /// Time after which to stop.
    pub max_time: Option<Duration>,
    /// Whether to continue a run.
    pub resume: Resume,
    /// Whether to continue although configuration or data differ.
    pub force: bool,
    /// Models to continue from.
    pub init: InitialModels,
    /// Where models are looked for that are no directories.
    pub hub: HubOptions,
    /// Stops the run with a checkpoint.
    pub stop: StopFlag,
}

impl Job {
    /// A new run on the default device, under `runs/`.
    ///
    /// # Errors
    /// When this build has no device.
    pub fn new(config: PretrainConfig, data: PathBuf, tokenizer: PathBuf) -> Result<Self> {
        Ok(Self {
            config,
            recipe: None,
            data,
            tokenizer,
            out: None,
            device: DeviceSpec::compiled_default()?.into(),
            max_steps: None,
            max_time: None,
            resume: Resume::No,
            force: false,
            init: InitialModels::default(),
            hub: HubOptions::from_process_env(),
            stop: StopFlag::default(),
        })
    }
}

/// Trains to the end; `watchers` are told what happens, beside the run's own files.
///
/// # Errors
/// When data, models or configuration do not fit each other, a file cannot be read or written, or
/// training fails.
pub fn run(job: Job, watchers: Vec<Box<dyn RunSink>>) -> Result<PretrainSummary> {
    Session::open(job)?.run(watchers)
}

/// A pretraining whose inputs have been read and found to fit.
#[derive(Debug)]
pub struct Session {
    job: Job,
    run: OwnRun,
    devices: Vec<NamedDevice>,
    tokenizer: WordPieceTokenizer,
    shards: Arc<ShardSet>,
    discriminator: ElectraConfig,
    generator: ElectraConfig,
}

/// All that the first step needs.
struct Begun {
    sources: (BatchSource, Option<BatchSource>),
    identity: Identity,
    start: Start,
}

/// Said where evaluations are asked for and there is nothing to evaluate on.
const NOTHING_HELD_OUT: &str =
    "the shards have no examples for validation: every loss is one of training";

impl Session {
    /// Reads the inputs, then creates or opens the run directory; nothing is written into it yet.
    /// Models that a new run begins with are downloaded.
    ///
    /// # Errors
    /// When an input cannot be read or does not fit the others, another process trains in the
    /// directory, or it already holds a run that is not to be continued.
    pub fn open(job: Job) -> Result<Self> {
        Self::read(job, |job| {
            if let Some(model) = job.out.as_deref().filter(|out| is_model(out)) {
                return Err(TrainError::config(format!(
                    "`{}` is a model, whose configuration would be overwritten",
                    model.display()
                ))
                .with_hint("give an `--out` of its own"));
            }
            let run = OwnRun::open(job.out.as_deref(), "pretrain")?;
            if job.resume == Resume::No {
                run.refuse_occupied()?;
            }
            refuse_another_run(&run, &job.resume)?;
            refuse_other_task(&run)?;
            let inputs = job.init.directories(&job.hub);
            run.refuse_models_of_others(&[RunDir::DISCRIMINATOR, RunDir::GENERATOR], &inputs)?;
            let begins = match job.resume {
                Resume::No => true,
                Resume::Auto => checkpoint::list(&run)?.is_empty(),
                Resume::Last | Resume::From(_) => false,
            };
            if begins {
                // Before anyone watches the run, so that the progress of a download can be seen.
                job.init.fetch(&job.hub)?;
            }
            Ok(run)
        })
    }

    /// The same as a part of a larger run, whose directory this is.
    ///
    /// # Errors
    /// When an input cannot be read or does not fit the others.
    pub fn within(run: RunDir, job: Job) -> Result<Self> {
        Self::read(job, |_| Ok(OwnRun::part_of(run)))
    }

    fn read(job: Job, run: impl FnOnce(&Job) -> Result<OwnRun>) -> Result<Self> {
        job.config.validate()?;
        let tokenizer = WordPieceTokenizer::from_dir(&job.tokenizer)?;
        let shards = ShardSet::open(&job.data)?;
        check_fit(
            &job.config,
            (&tokenizer, &job.tokenizer),
            (&shards, &job.data),
        )?;
        let pad = tokenizer.special().pad as usize;
        let discriminator = job.config.discriminator(tokenizer.vocab_size(), pad);
        discriminator.validate()?;
        let generator = job.config.generator(&discriminator);
        generator.validate()?;
        let devices = NamedDevice::open(&job.device)?;
        for NamedDevice { device, .. } in &devices {
            // What the device cannot do is told before there is a directory.
            kernels::for_training(device, job.config.precision)?;
        }
        Ok(Self {
            devices,
            run: run(&job)?,
            job,
            tokenizer,
            shards: Arc::new(shards),
            discriminator,
            generator,
        })
    }

    /// Where everything goes.
    #[must_use]
    pub fn dir(&self) -> &RunDir {
        &self.run
    }

    /// The device that has the weights.
    fn device(&self) -> &Device {
        &self.devices[0].device
    }

    /// Trains to the end and records how it ended. What is refused before the first step leaves the
    /// directory as it was.
    ///
    /// # Errors
    /// As [`Session::train`].
    pub fn run(&self, watchers: Vec<Box<dyn RunSink>>) -> Result<PretrainSummary> {
        let begun = self.begin()?;
        let bus = self.run.start_bus(watchers)?;
        let trained = self.train_from(begun, &bus);
        bus.emit(RunEvent::End(match &trained {
            Ok(summary) => summary.end_event(),
            Err(error) => end::failed(error),
        }));
        trained
    }

    /// Trains and writes the final model directories; the caller ends the run.
    ///
    /// # Errors
    /// When a checkpoint or a model cannot be read or written, or the run cannot be continued.
    pub fn train(&self, bus: &EventBus) -> Result<PretrainSummary> {
        self.train_from(self.begin()?, bus)
    }

    fn begin(&self) -> Result<Begun> {
        let Job { config, .. } = &self.job;
        let identity = Identity {
            tokenizer: self.tokenizer.fingerprint(),
            data: data_hash(&self.shards)?,
        };
        let (size, pad) = (
            self.tokenizer.vocab_size(),
            self.tokenizer.special().pad as usize,
        );
        let continued = continued(
            &self.run,
            &self.job.resume,
            self.job.force,
            config,
            &identity,
            self.device(),
            || blank_model(config, size, pad, self.device()),
        )?;
        let start = match continued {
            Some(start) => start,
            None => {
                let fresh = fresh_model(config, size, pad, self.device());
                let (init, hub) = (&self.job.init, &self.job.hub);
                let shapes = [&self.generator, &self.discriminator];
                let model = init.load_into(fresh, shapes, &self.tokenizer, hub, self.device())?;
                Start {
                    optimizer: Adam::new(config.optimizer, &model),
                    model,
                    resumed: None,
                    warnings: init.warning().map(str::to_owned).into_iter().collect(),
                }
            }
        };
        let sources = self.sources()?;
        let mut start = start;
        if sources.1.is_none() && config.eval_every > 0 && config.eval_examples > 0 {
            start.warnings.push(NOTHING_HELD_OUT.to_owned());
        }
        Ok(Begun {
            sources,
            identity,
            start,
        })
    }

    fn train_from(&self, begun: Begun, bus: &EventBus) -> Result<PretrainSummary> {
        let Begun {
            sources: (train, validation),
            identity,
            mut start,
        } = begun;
        let Job { config, .. } = &self.job;
        checkpoint::remove_partial(&self.run);
        if let Some((path, state)) = &mut start.resumed {
            start
                .warnings
                .extend(leave_behind(&self.run, path, state.step)?);
            settle_best(&self.run, path, state)?;
        }
        // A request left by someone for an earlier process is not meant for this one.
        clear_control(&self.run.control())?;
        let parameters = parameters::count(&start.model) as u64;
        if start.resumed.is_none() && self.run.manifest().is_file() {
            // An earlier process died before its first checkpoint: what it logged is void.
            bus.emit(RunEvent::Resumed(ResumedEvent::default()));
        }
        // A checkpoint may come from a different directory, the file may be damaged, and `--force` may have
        // changed what is trained on what.
        let forced = self.job.force
            && start
                .resumed
                .as_ref()
                .is_some_and(|(_, state)| !self.is_as_in(state, &identity));
        if start.resumed.is_none() || forced || self.run.read_manifest().is_err() {
            self.describe(parameters, &identity)?;
        }
        let first_step = start.resumed.as_ref().map(|(_, state)| state.step);
        bus.emit(RunEvent::Start(self.start_event(parameters, first_step)));
        let options = TrainerOptions {
            run: self.dir().clone(),
            lock: self.run.lock(),
            devices: self.devices.clone(),
            config: config.clone(),
            max_steps: self.job.max_steps,
            max_time: self.job.max_time,
            train: Arc::new(train),
            validation,
            tokenizer: self.tokenizer.clone(),
            identity,
            stop: self.job.stop.clone(),
        };
        let outcome = Trainer::run(options, bus, start)?;
        self.export(&outcome)?;
        Ok(PretrainSummary {
            unigram_entropy: unigram_entropy(&self.shards)?,
            ..outcome.summary
        })
    }

    /// Whether a checkpoint has this run's settings, tokenizer and data.
    fn is_as_in(&self, state: &TrainState, identity: &Identity) -> bool {
        state.config == self.job.config && identity.is_of(state)
    }

    /// Training batches, and held-out ones if there are any.
    fn sources(&self) -> Result<(BatchSource, Option<BatchSource>)> {
        let config = &self.job.config;
        let policy = MaskingPolicy::of_share(config.mask_prob, self.shards.max_length());
        let shards = Arc::clone(&self.shards);
        let train = BatchSource::new(shards, Split::Train, config.seed, config.batch_size)?;
        let mut train = train.with_policy(policy);
        if let Some(end) = config.mask_prob_end {
            train = train.with_share_at_end(end, config.schedule_steps);
        }
        if config.whole_word_masking {
            train = train.with_whole_words(WordStarts::of(&self.tokenizer));
        }
        Ok((train, held_out(&self.shards, config)?))
    }

    /// Writes what a new run is: manifest, configuration, and the tokenizer, so that the run holds
    /// all that an export needs, whatever becomes of the original.
    fn describe(&self, parameters: u64, identity: &Identity) -> Result<()> {
        let json = |error| TrainError::failed(format!("cannot write the configuration: {error}"));
        let config = &self.job.config;
        let mut manifest = record::manifest(
            &self.run,
            Task::Pretrain,
            &self.job.device,
            config.seed,
            serde_json::to_value(config).map_err(json)?,
        );
        manifest.recipe.clone_from(&self.job.recipe);
        manifest.parameters = Some(parameters);
        manifest.tokenizer = Some(identity.tokenizer.clone());
        manifest
            .data
            .insert("shards".to_owned(), identity.data.clone());
        manifest.save(&self.run.manifest())?;
        self.tokenizer.save(&self.run.tokenizer())?;
        Ok(replace_json(&self.run.path().join("config.json"), config)?)
    }

    fn start_event(&self, parameters: u64, first_step: Option<u64>) -> StartEvent {
        let config = &self.job.config;
        let schedule = config.schedule_steps;
        StartEvent {
            model: Some(format!(
                "{} layers, {} hidden",
                self.discriminator.num_hidden_layers, self.discriminator.hidden_size
            )),
            total_steps: Some(self.job.max_steps.map_or(schedule, |max| max.min(schedule))),
            first_step,
            batch_size: Some(config.batch_size as u64),
            sequence_length: Some(self.shards.max_length() as u64),
            parameters: Some(parameters),
            log_every: Some(config.log_every),
            eval_every: Some(config.eval_every),
            checkpoint_every: Some(config.checkpoint_every),
            max_seconds: self.job.max_time.map(|time| time.as_secs_f64()),
            ..record::start_event(&self.run, Task::Pretrain, &self.job.device, config.seed)
        }
    }

    /// Writes the trained networks as model directories.
    fn export(&self, outcome: &Outcome) -> Result<()> {
        let config = &self.job.config;
        let card = pretraining_card(&self.run.read_manifest()?, &outcome.state);
        let mut parts = vec![(Part::Generator, &self.generator)];
        if config.objective == Objective::Electra {
            parts.push((Part::Discriminator, &self.discriminator));
        }
        for (part, architecture) in parts {
            save_part(
                &self.run.path().join(part.name()),
                part,
                &outcome.model,
                architecture,
                &self.tokenizer,
                &card,
                config.model.attention_start,
            )?;
        }
        Ok(())
    }
}

/// A directory with something else must not become a pretraining's.
fn refuse_other_task(run: &RunDir) -> Result<()> {
    match run.read_manifest() {
        Ok(manifest) if manifest.task == Task::Finetune => Err(TrainError::config(format!(
            "`{}` holds a run of `{}`, not of `pretrain`",
            run.path().display(),
            manifest.task
        ))
        .with_hint("give another `--out`")),
        _ => Ok(()),
    }
}

/// What the shards are: a hash of their sources' digests, how many examples, their length, and a hash of
/// what they hold, which checkpoints of earlier versions lack.
fn data_hash(shards: &ShardSet) -> Result<String> {
    let sources = serde_json::to_vec(&shards.manifest().digests)
        .map_err(|error| TrainError::failed(format!("cannot hash the shards' sources: {error}")))?;
    Ok(format!(
        "{:08x}-{}-{}-{}-{}",
        crc32fast::hash(&sources),
        shards.len(Split::Train),
        shards.len(Split::Validation),
        shards.max_length(),
        shards.fingerprint()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A configuration that was not loaded is checked all the same, before a file is touched.
    #[test]
    fn a_configuration_that_cannot_be_is_an_error_of_its_key() {
        let config = PretrainConfig {
            micro_batch_size: Some(0),
            ..PretrainConfig::default()
        };
        let job = Job::new(config, "no-shards".into(), "no-tokenizer".into()).expect("a device");
        let told = Session::open(job).expect_err("refused").to_string();
        assert!(told.contains("micro_batch_size"), "{told}");
    }
}
