//! The steps of the demo: the sample, a vocabulary and shards, a pretraining, and two series of taggers.

use std::path::{Path, PathBuf};

use aelectra_data::corpus::CorpusOptions;
use aelectra_data::files::replace_file;
use aelectra_data::ner::{LabelSet, ReadOptions, read_ner};
use aelectra_data::pretrain::{PrepareOptions, prepare};
use aelectra_data::run::{EndEvent, EndReason, RunDir};
use aelectra_data::vocab::{
    TokenizerOptions, VocabularyOptions, WordPieceTokenizer, train_vocabulary,
};
use aelectra_model::checkpoint::ModelDir;
use aelectra_model::{DeviceSpec, Precision};
use aelectra_train::config::finetune::FinetuneConfig;
use aelectra_train::config::pretrain::PretrainConfig;
use aelectra_train::finetune::{
    Arm, Data, Encoder, SeriesOptions, SeriesSummary, Steering, run_series,
};
use aelectra_train::model_dir::ModelCard;
use aelectra_train::ner::{TaggedText, Tagger, tag_texts};
use aelectra_train::pretrain::{self, PretrainSummary};
use aelectra_train::sink::EventBus;
use aelectra_train::stop::StopFlag;
use aelectra_train::{Result, TrainError, end};
use burn::tensor::Device;

use super::DemoArgs;
use crate::common::configuration;

const PROSE: (&str, &str) = (
    "prose.txt",
    include_str!("../../../../../../assets/sample/prose.txt"),
);
const NER: [(&str, &str); 3] = [
    (
        "train.conllu",
        include_str!("../../../../../../assets/sample/ner/train.conllu"),
    ),
    (
        "dev.conllu",
        include_str!("../../../../../../assets/sample/ner/dev.conllu"),
    ),
    (
        "test.conllu",
        include_str!("../../../../../../assets/sample/ner/test.conllu"),
    ),
];

/// Folder of the examples in the run.
const SHARDS: &str = "shards";
/// Word pieces of the demo's vocabulary.
const VOCAB_SIZE: usize = 3500;
/// Length of the demo's examples.
const MAX_LENGTH: usize = 32;
/// Learning rates the randomly initialised model chooses from on dev; the pretrained one chooses
/// from the recipe's.
const RANDOM_INIT_RATES: [f64; 3] = [1e-3, 2e-3, 3e-3];

/// What the demo works with.
pub(super) struct Walk<'a, 't> {
    pub args: &'t DemoArgs,
    pub run: &'a RunDir,
    pub device: DeviceSpec,
    pub bus: &'a EventBus,
    pub stop: &'a StopFlag,
}

/// What came out.
pub(super) struct Done<'t> {
    pub pretrained: PretrainSummary,
    pub pretrained_f1: SeriesSummary,
    pub random_f1: SeriesSummary,
    pub found: Vec<TaggedText<'t>>,
}

impl<'t> Walk<'_, 't> {
    /// The whole path, or how it ended before.
    pub(super) fn whole(&self) -> Result<std::result::Result<Done<'t>, EndEvent>> {
        self.write_sample()?;
        let tokenizer = self.vocabulary()?;
        self.shards(&tokenizer)?;
        let pretrained = self.pretrain()?;
        if pretrained.reason != EndReason::Completed {
            return Ok(Err(pretrained.end_event()));
        }
        let device = self.device.open()?;
        let Some([pretrained_f1, random_f1]) = self.both_series(tokenizer, &device)? else {
            return Ok(Err(end::stopped(self.stop)));
        };
        let tagger = Tagger::load(&self.run.model(), &device, Precision::F32)?;
        let found = tag_texts(&tagger, std::slice::from_ref(&self.args.text))?;
        Ok(Ok(Done {
            pretrained,
            pretrained_f1,
            random_f1,
            found,
        }))
    }

    fn sample(&self) -> PathBuf {
        self.run.path().join("sample")
    }

    fn write_sample(&self) -> Result<()> {
        let sample = self.sample();
        std::fs::create_dir_all(&sample).map_err(TrainError::io("create", &sample))?;
        for (name, text) in NER.into_iter().chain([PROSE]) {
            replace_file(&sample.join(name), text.as_bytes())?;
        }
        Ok(())
    }

    fn corpus(&self) -> CorpusOptions {
        CorpusOptions {
            inputs: vec![self.sample().join(PROSE.0)],
            ..CorpusOptions::default()
        }
    }

    fn vocabulary(&self) -> Result<WordPieceTokenizer> {
        let options = VocabularyOptions {
            vocab_size: VOCAB_SIZE,
            options: TokenizerOptions {
                model_max_length: MAX_LENGTH,
                ..TokenizerOptions::default()
            },
            ..VocabularyOptions::default()
        };
        let (tokenizer, vocab) = train_vocabulary(&self.corpus(), &options, &|_| {})?;
        tokenizer.save(&self.run.tokenizer())?;
        self.bus.log(format!(
            "vocabulary: {} word pieces from {:.2} MB",
            vocab.vocab_size, vocab.megabytes
        ));
        Ok(tokenizer)
    }

    fn shards(&self, tokenizer: &WordPieceTokenizer) -> Result<()> {
        let options = PrepareOptions {
            corpus: self.corpus(),
            out: self.run.path().join(SHARDS),
            max_length: MAX_LENGTH,
            validation: 0.05,
            seed: self.args.seed,
            ..PrepareOptions::default()
        };
        let prepared = prepare(tokenizer, &options, &|_| {})?;
        self.bus.log(format!(
            "shards: {} tokens in {} examples, {} held out",
            prepared.tokens, prepared.examples, prepared.validation_examples
        ));
        Ok(())
    }

    fn pretrain(&self) -> Result<PretrainSummary> {
        let seed = ("seed", Some(self.args.seed.into()));
        let (config, _): (PretrainConfig, _) = configuration("demo", &self.args.set, &[seed])?;
        let shards = self.run.path().join(SHARDS);
        let job = pretrain::Job {
            recipe: Some("demo".to_owned()),
            device: self.device.clone().into(),
            stop: self.stop.clone(),
            ..pretrain::Job::new(config, shards, self.run.tokenizer())?
        };
        let pretrained = pretrain::Session::within(self.run.clone(), job)?.train(self.bus)?;
        if pretrained.reason == EndReason::Completed {
            let discriminator = self.run.discriminator();
            self.bus
                .log(format!("discriminator → {}", discriminator.display()));
        }
        Ok(pretrained)
    }

    /// The discriminator and random weights, fine-tuned; `None` when one was interrupted.
    fn both_series(
        &self,
        tokenizer: WordPieceTokenizer,
        device: &Device,
    ) -> Result<Option<[SeriesSummary; 2]>> {
        let data = ner_data(&self.sample(), tokenizer)?;
        let seed = ("seed", Some(self.args.seed.into()));
        let epochs = ("epochs", self.args.epochs.map(Into::into));
        let (with, _): (FinetuneConfig, _) = configuration("demo", &[], &[seed, epochs])?;
        // Fair to the model that has learnt nothing: the same steps, its own learning rate chosen on
        // dev, and no layer-wise decay, which would freeze its lower layers at random values.
        let without = FinetuneConfig {
            learning_rates: RANDOM_INIT_RATES.to_vec(),
            ..Arm::RandomInit.adapt(&with)
        };
        let source = ModelDir::open(&self.run.discriminator())?;
        let random = Encoder::random(&source.config);
        let pretrained = Encoder::Pretrained(&source);
        let device = device.clone().autodiff();
        let steering = Steering::new(self.run, self.bus, self.stop);
        let series = |encoder: &Encoder<'_>, config: &FinetuneConfig, arm: Arm| {
            let options = SeriesOptions {
                run: self.run,
                seeds: self.args.seeds,
                devices: std::slice::from_ref(&device),
                bus: self.bus,
                steering: &steering,
                arm: Some(arm.name()),
                sentences: None,
                save_model: arm == Arm::Pretrained,
            };
            let series = run_series(encoder, &data, config, &options, &card())?;
            let whole = (!series.interrupted).then(|| series.summary(config.epochs));
            Ok::<_, TrainError>(whole.flatten())
        };
        // A network this small keeps one core busy, so the two series run side by side.
        let (with, without) = std::thread::scope(|scope| {
            let random = scope.spawn(|| series(&random, &without, Arm::RandomInit));
            let pretrained = series(&pretrained, &with, Arm::Pretrained);
            let random = random
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (pretrained, random)
        });
        Ok(with?.zip(without?).map(<[SeriesSummary; 2]>::from))
    }
}

fn card() -> ModelCard {
    ModelCard {
        name: "aelectra-demo".to_owned(),
        summary: "A toy tagger made by `aelectra demo` from generated sentences; not for use."
            .to_owned(),
        pipeline_tag: Some("token-classification".to_owned()),
        ..ModelCard::default()
    }
}

fn ner_data(sample: &Path, tokenizer: WordPieceTokenizer) -> Result<Data> {
    let read = |name: &str| read_ner(&sample.join(name), &ReadOptions::default());
    let train = read("train.conllu")?;
    Ok(Data {
        dev: read("dev.conllu")?.sentences,
        test: read("test.conllu")?.sentences,
        labels: LabelSet::infer(&[&train]),
        train: train.sentences,
        tokenizer,
    })
}
