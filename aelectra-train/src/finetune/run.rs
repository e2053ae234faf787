//! A whole fine-tuning: from a model and labelled files to a run directory with a tagger.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;

use aelectra_data::files::replace_file;
use aelectra_data::hub;
use aelectra_data::ner::NerSentence;
use aelectra_data::run::{
    EndEvent, EndReason, Manifest, RunDir, RunEvent, StartEvent, Task, clear_control,
};
use aelectra_model::checkpoint::ModelDir;
use aelectra_model::kernels;
use burn::tensor::Device;
use serde_json::json;

use crate::end;
use crate::error::{Result, TrainError};
use crate::finetune::arm::Arm;
use crate::finetune::curve::{self, CurvePoint};
use crate::finetune::identity::{self, check_same_series};
use crate::finetune::job::{Goal, Job};
use crate::finetune::options::SeriesOptions;
use crate::finetune::series::{Series, SeriesSummary, refuse_fewer_seeds, run_series};
use crate::finetune::splits::Splits;
use crate::finetune::steering::Steering;
use crate::finetune::{Data, Encoder};
use crate::model_dir::{ModelCard, row};
use crate::ner::load_tokenizer;
use crate::pretrain::replicas::NamedDevice;
use crate::record::{self, OwnRun};
use crate::sink::{EventBus, RunSink};

/// What the device cannot do is told before there is a directory.
fn open_devices(job: &Job) -> Result<Vec<Device>> {
    let named = NamedDevice::open(&job.device)?.into_iter();
    let devices: Vec<Device> = named.map(|named| named.device).collect();
    for device in &devices {
        kernels::for_training(device, job.config.precision)?;
    }
    Ok(devices)
}

/// How a series ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Its scores; `None` when no seed came to its end, and for a learning curve.
    pub summary: Option<SeriesSummary>,
    /// The points of a learning curve, as far as it came.
    pub curve: Vec<CurvePoint>,
    /// Why it ended, and what a program should exit with.
    pub end: EndEvent,
}

/// Trains every seed that has no result yet; `watchers` are told what happens, beside the run's own
/// files.
///
/// # Errors
/// When data, model or configuration do not fit each other, a file cannot be read or written, or
/// training fails.
pub fn run(job: Job, watchers: Vec<Box<dyn RunSink>>) -> Result<Finished> {
    Session::open(job)?.run(watchers)
}

/// A fine-tuning whose inputs have been read and found to fit.
#[derive(Debug)]
pub struct Session {
    job: Job,
    run: OwnRun,
    devices: Vec<Device>,
    source: ModelDir,
    data: Data,
    notes: Vec<String>,
    /// Sentences that two parts share, which speak against the scores.
    overlaps: Vec<String>,
    manifest: Manifest,
}

impl Session {
    /// Reads the inputs, then creates or opens the run directory; nothing is written into it yet.
    ///
    /// # Errors
    /// When an input cannot be read or does not fit the others, another process trains in the
    /// directory, or it holds a different series.
    pub fn open(mut job: Job) -> Result<Self> {
        job.check()?;
        let mut notes = Vec::new();
        let splits = Splits::read(&job, &mut notes)?;
        let overlaps = splits.overlaps();
        notes.extend(overlaps.iter().cloned());
        notes.extend(splits.fit(&mut job.config));
        if let Goal::Tagger(_) = job.goal {
            notes.extend(splits.few_note(&job.config));
        }
        let labels = splits.labels(&job.config, &mut notes);
        let devices = open_devices(&job)?;
        let path = hub::resolve(&job.model, &job.hub)?;
        let mut source = ModelDir::open(&path)?;
        if let Some(dropout) = job.config.dropout {
            source.config.hidden_dropout_prob = dropout;
            source.config.attention_probs_dropout_prob = dropout;
            source.config.classifier_dropout = None;
        }
        let tokenizer = load_tokenizer(&path, &source.config)?;
        notes.extend_from_slice(tokenizer.warnings());
        notes.extend(splits.train.unknown_pieces(&tokenizer).warning());
        let run = OwnRun::open(job.out.as_deref(), "finetune")?;
        run.refuse_models_of_others(&[RunDir::MODEL], std::slice::from_ref(&path))?;
        let mut session = Self {
            job,
            run,
            devices,
            source,
            data: Data {
                train: splits.train.sentences,
                dev: splits.dev.sentences,
                test: splits.test.sentences,
                labels,
                tokenizer,
            },
            notes,
            overlaps,
            manifest: Manifest::default(),
        };
        session.manifest = session.describe()?;
        let note = check_same_series(&session.run, &session.manifest)?;
        session.notes.extend(note);
        session.refuse_fewer_seeds()?;
        Ok(session)
    }

    /// A run that ended stays as it was where the command cannot continue it.
    fn refuse_fewer_seeds(&self) -> Result<()> {
        let (run, first, seeds) = (&self.run, self.job.config.seed, self.job.seeds);
        let Goal::Curve { sizes, .. } = &self.job.goal else {
            return refuse_fewer_seeds(run, self.arm(), first, seeds);
        };
        for size in sizes {
            for arm in Arm::ALL {
                refuse_fewer_seeds(run, Some(&arm.at(*size)), first, seeds)?;
            }
        }
        Ok(())
    }

    /// What the events and the results call a series that begins with random weights.
    fn arm(&self) -> Option<&'static str> {
        match self.job.goal {
            Goal::Tagger(arm @ Arm::RandomInit) => Some(arm.name()),
            Goal::Tagger(Arm::Pretrained) | Goal::Curve { .. } => None,
        }
    }

    /// Where everything goes.
    #[must_use]
    pub fn dir(&self) -> &RunDir {
        &self.run
    }

    /// Trains every seed that has no result yet and records how it ended.
    ///
    /// # Errors
    /// When a file cannot be read or written, or training diverges.
    pub fn run(&self, watchers: Vec<Box<dyn RunSink>>) -> Result<Finished> {
        // A request left by someone for an earlier process is not meant for this one.
        clear_control(&self.run.control())?;
        let bus = self.run.start_bus(watchers)?;
        let mut curve = Vec::new();
        let trained = self.train(&bus, &mut curve);
        let ended = match &trained {
            Ok(series) if series.interrupted => end::stopped(&self.job.stop),
            Ok(_) => end::event(EndReason::Completed, 0),
            Err(error) => end::failed(error),
        };
        bus.emit(RunEvent::End(ended.clone()));
        let series = trained?;
        Ok(Finished {
            summary: match self.job.goal {
                Goal::Tagger(_) => series.summary(self.job.config.epochs),
                Goal::Curve { .. } => None,
            },
            curve,
            end: ended,
        })
    }

    /// A series; for a learning curve the last one, with a point for each.
    fn train(&self, bus: &EventBus, points: &mut Vec<CurvePoint>) -> Result<Series> {
        let Job { config, .. } = &self.job;
        self.manifest.save(&self.run.manifest())?;
        bus.emit(RunEvent::Start(self.start_event()));
        bus.log(entities_by_class(&self.data.train, config.sentences));
        for note in &self.notes {
            bus.warn(note.clone(), None);
        }
        let random = Encoder::random(&self.source.config);
        let pretrained = Encoder::Pretrained(&self.source);
        let encoder = |arm: Arm| match arm {
            Arm::Pretrained => &pretrained,
            Arm::RandomInit => &random,
        };
        let steering = Steering::new(&self.run, bus, &self.job.stop);
        let options = SeriesOptions {
            run: &self.run,
            seeds: self.job.seeds,
            devices: &self.devices,
            bus,
            steering: &steering,
            arm: self.arm(),
            sentences: None,
            save_model: true,
        };
        let mut sizes = match &self.job.goal {
            Goal::Tagger(arm) => {
                return run_series(encoder(*arm), &self.data, config, &options, &self.card());
            }
            Goal::Curve { sizes, .. } => sizes.clone(),
        };
        sizes.sort_unstable();
        sizes.dedup();
        let mut last = None;
        for size in sizes {
            for arm in Arm::ALL {
                let (name, config) = (arm.at(size), self.job.config_of(arm));
                let options = SeriesOptions {
                    arm: Some(&name),
                    sentences: Some(size),
                    save_model: false,
                    ..options
                };
                let series = run_series(encoder(arm), &self.data, &config, &options, &self.card())?;
                if series.interrupted {
                    return Ok(series);
                }
                points.extend(curve::point(arm.name(), size, &series, &self.data.test)?);
                self.write_curve(points)?;
                last = Some(series);
            }
        }
        last.ok_or_else(|| TrainError::failed("a learning curve without a point"))
    }

    /// The points so far as `curve.json`, `curve.md` and `curve.svg`.
    fn write_curve(&self, points: &[CurvePoint]) -> Result<()> {
        let json = serde_json::to_string_pretty(points)
            .map_err(|error| TrainError::failed(format!("cannot write the curve: {error}")))?;
        for (name, text) in [
            ("curve.json", json),
            ("curve.md", curve::table(points)),
            ("curve.svg", curve::svg(points)),
        ] {
            replace_file(&self.run.path().join(name), text.as_bytes())?;
        }
        Ok(())
    }

    /// What is trained here, and on what.
    fn describe(&self) -> Result<Manifest> {
        let Job { config, device, .. } = &self.job;
        let is_random = matches!(self.job.goal, Goal::Tagger(Arm::RandomInit));
        let mut what = json!({
            "config": config,
            "model": self.job.model,
            "random_init": is_random,
            "train_sentences": self.job.goal.sizes(),
            "train": self.job.train,
            "dev": self.job.dev,
            "test": self.job.test,
            "read": identity::reading(&self.job.read),
        });
        let baseline = self.job.config_of(Arm::RandomInit);
        if baseline != Arm::RandomInit.adapt(config) {
            what["baseline"] = json!(baseline);
        }
        let mut manifest = record::manifest(&self.run, Task::Finetune, device, config.seed, what);
        let Data {
            train, dev, test, ..
        } = &self.data;
        let splits = [("train", &train[..]), ("dev", dev), ("test", test)];
        let weights = &self.source.weights;
        let config_file = weights.path().with_file_name("config.json");
        manifest.data = identity::hashes(splits, &config_file, weights.files())?;
        manifest.tokenizer = Some(self.data.tokenizer.fingerprint());
        Ok(manifest)
    }

    fn start_event(&self) -> StartEvent {
        let config = &self.job.config;
        StartEvent {
            model: Some(self.job.model.clone()),
            total_epochs: Some(config.epochs),
            batch_size: Some(config.batch_size as u64),
            parameters: Some(self.source.config.encoder_parameters() as u64),
            ..record::start_event(&self.run, Task::Finetune, &self.job.device, config.seed)
        }
    }

    fn card(&self) -> ModelCard {
        let config = &self.job.config;
        ModelCard {
            name: self.run.id(),
            summary: "Danish named-entity recognition, fine-tuned with Ælæctra.".to_owned(),
            pipeline_tag: Some("token-classification".to_owned()),
            facts: vec![
                row("fine-tuned from", &self.job.model),
                row("recipe", &self.job.recipe),
                row(
                    "training sentences",
                    match config.sentences {
                        Some(drawn) if drawn < self.data.train.len() => {
                            format!("{drawn} of {}, drawn for each seed", self.data.train.len())
                        }
                        _ => self.data.train.len().to_string(),
                    },
                ),
                row("epochs", config.epochs),
                row("batch size", config.batch_size),
            ],
            dataset: Some(self.dataset_name()),
            remarks: self.overlaps.clone(),
            ..ModelCard::default()
        }
    }

    /// The labelled data by the name of its folder and file.
    fn dataset_name(&self) -> String {
        let path = self.job.test.as_ref().or(self.job.dev.as_ref());
        let path = path.unwrap_or(&self.job.train);
        let named = |part: Option<&std::ffi::OsStr>| {
            part.map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default()
        };
        let folder = named(path.parent().and_then(Path::file_name));
        match &folder[..] {
            "" | "." => named(path.file_stem()),
            _ => folder,
        }
    }
}

/// What is learnt from, so that a class that is missing, or one too many, is seen.
fn entities_by_class(train: &[NerSentence], drawn: Option<usize>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let tags = train.iter().flat_map(|sentence| &sentence.tags);
    for class in tags.filter_map(|tag| tag.strip_prefix("B-")) {
        *counts.entry(class).or_default() += 1;
    }
    let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|&(_, count)| Reverse(count));
    let counts = counts
        .iter()
        .map(|(class, count)| format!("{class} {count}"));
    let drawn = drawn.filter(|&drawn| drawn < train.len());
    let drawn = drawn.map_or(String::new(), |drawn| {
        format!(", of which each seed draws {drawn}")
    });
    format!(
        "{} training sentences{drawn}, entities by class: {}",
        train.len(),
        counts.collect::<Vec<_>>().join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::finetune::FinetuneConfig;

    #[test]
    fn the_most_frequent_class_is_told_first() {
        let sentence = |tags: &str| NerSentence {
            tokens: tags.split(' ').map(str::to_owned).collect(),
            tags: tags.split(' ').map(str::to_owned).collect(),
            line: 1,
        };
        let train = [sentence("B-LOC O B-PER I-PER"), sentence("B-PER B-PER")];
        assert!(entities_by_class(&train, Some(1)).contains("of which each seed draws 1,"));
        let told = entities_by_class(&train, None);
        assert_eq!(
            told,
            "2 training sentences, entities by class: PER 3, LOC 1"
        );
    }

    /// A configuration that was not loaded is checked all the same, before a file is touched.
    #[test]
    fn a_configuration_that_cannot_be_is_an_error_of_its_key() {
        let told = |change: fn(&mut FinetuneConfig)| {
            let mut job = Job::new("no-model", "no-file".into()).expect("a device");
            change(&mut job.config);
            Session::open(job).expect_err("refused").to_string()
        };
        let told = [
            told(|config| config.batch_size = 0),
            told(|config| config.learning_rates.clear()),
        ];
        assert!(told[0].contains("`batch_size`"), "{}", told[0]);
        assert!(told[1].contains("`learning_rates`"), "{}", told[1]);
    }
}
